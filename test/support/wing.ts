/** One wing for tests of the lasting belief: cells on both sides of a corridor, and tracks with a given posterior. */
import type { PriorShape } from "../../src/belief/layout.ts";
import type { BeliefFile, Candidate, Scan, Site, Track, Zone } from "../../src/model.ts";

export const WING_PRIOR: PriorShape = { kindWeight: { cell: 1, corridor: 0.25, yard: 0.15 }, pOutside: 0.05 };
/** Midnight UTC: hours begin with it. */
export const T0 = 1_700_006_400_000;
export const DAY = 86_400_000;

export function wingSite(cells: number, belief: BeliefFile = {}, floors = 1): Site {
  const zones: Zone[] = [];
  const side = Math.ceil(cells / 2);
  for (let f = 0; f < floors; f++) {
    const base = { block: "b1", floor: String(f), phones: "forbidden" } as const;
    const box = (x: number, y: number, w: number, h: number) =>
      [
        [x, y],
        [x + w, y],
        [x + w, y + h],
        [x, y + h],
      ] as const;
    for (let c = 0; c < cells; c++) {
      const polygon = box((c % side) * 2.5, c < side ? 0 : 7, 2.5, 4);
      zones.push({ ...base, id: cellName(c, f), kind: "cell", polygon });
    }
    zones.push({ ...base, id: `corridor-${f}`, kind: "corridor", polygon: box(0, 4, side * 2.5, 3) });
  }
  return {
    id: "wing",
    name: "Wing",
    timezone: "UTC",
    bands: [],
    blocks: [{ id: "b1", name: "Block 1" }],
    floors: [],
    zones,
    walls: [],
    sensors: [],
    belief,
  };
}

export const cellName = (c: number, floor = 0): string => `c${floor}-${String(c).padStart(2, "0")}`;

export function trackOf(id: string, tMs: number, candidates: readonly Candidate[], pOutside = 0): Track {
  return {
    id,
    block: "b1",
    bands: [],
    openedAtMs: tMs,
    firstEvidenceMs: tMs,
    lastEvidenceMs: tMs,
    active: false,
    confirmed: true,
    moves: 0,
    walkNats: 0,
    fix: {
      position: { xM: 0, yM: 0, floor: "0", covM2: [1, 0, 1] },
      candidates,
      pOutside,
      pAllowed: pOutside,
    },
    activity: "unknown",
    activityP: 1,
    episodes: [],
    llr: 0,
    threshold: 0,
    sensors: [],
  };
}

export function scanOf(seq: number, tsMs: number, place: string | null, rest: Partial<Scan> = {}): Scan {
  return {
    block: "b1",
    sensor: "scan-1",
    boot: 1,
    seq,
    tsMs,
    method: "nljd",
    place,
    alarm: false,
    score: null,
    h2Db: null,
    h3Db: null,
    peakUt: null,
    zones: [],
    ...rest,
  };
}
