/** A small house, episodes and alerts for tests of scoring. Times are seconds after T0. */
import type { AlertLine } from "../../simulator/score.ts";
import type { TruthEpisode } from "../../src/contracts.ts";
import type { Alert, Site, Zone } from "../../src/model.ts";

export const T0 = 1_700_000_000_000;
export const s = (seconds: number): number => T0 + seconds * 1000;

/** A row of eight cells of 2.5 x 4 m, on two floors, with a corridor in front. */
export function row(): Site {
  const zones: Zone[] = [];
  for (const floor of ["0", "1"]) {
    for (let i = 0; i < 8; i++) {
      const [a, b] = [i * 2.5, i * 2.5 + 2.5];
      zones.push({
        id: `c${floor}-${i}`,
        block: "b1",
        floor,
        kind: "cell",
        phones: "forbidden",
        polygon: [
          [a, 0],
          [b, 0],
          [b, 4],
          [a, 4],
        ],
      });
    }
    zones.push({
      id: `hall-${floor}`,
      block: "b1",
      floor,
      kind: "corridor",
      phones: "forbidden",
      polygon: [
        [0, 4],
        [20, 4],
        [20, 6],
        [0, 6],
      ],
    });
  }
  return {
    id: "demo",
    name: "demo",
    timezone: "UTC",
    bands: [],
    blocks: [{ id: "b1", name: "b1" }],
    floors: [],
    zones,
    walls: [],
    sensors: [],
  };
}

export function episode(
  id: string,
  emitter: string,
  from: number,
  to: number,
  cell: number,
  more: Partial<TruthEpisode> = {},
): TruthEpisode {
  return {
    id,
    emitter,
    legitimate: false,
    start: s(from),
    end: s(to),
    band: "lte800-ul",
    eirp_dbm: 10,
    activity: "call",
    x_m: cell * 2.5 + 1.25,
    y_m: 2,
    floor: "0",
    cell: `c0-${cell}`,
    ...more,
  };
}

export function alert(id: string, cell: number, from: number, to: number, more: Partial<Alert> = {}): Alert {
  return {
    id,
    version: 1,
    site: "demo",
    block: "b1",
    kind: "phone-active",
    severity: "high",
    cell: `c0-${cell}`,
    candidates: [
      { cell: `c0-${cell}`, p: 0.7 },
      { cell: `c0-${cell + 1}`, p: 0.2 },
    ],
    p_outside: 0.01,
    p_allowed: 0.01,
    position: { x_m: cell * 2.5 + 1.25, y_m: 2, floor: "0", cov_m2: [1, 0, 1] },
    bands: ["lte800-ul"],
    activity: "call",
    active: true,
    acked: false,
    acked_by: null,
    latched: true,
    shelved_until: null,
    suppressed_by: null,
    out_of_service: false,
    opened_at: s(from),
    first_evidence_at: s(from),
    last_evidence_at: s(to),
    closed_at: null,
    outcome: null,
    text: "",
    evidence: { sensors: [], llr: 48, threshold: 24, false_alarms_per_day: 0.5 },
    ...more,
  };
}

export const raise = (a: Alert, at: number): AlertLine => ({ t: s(at), type: "new", before: null, after: a });
