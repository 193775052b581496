/**
 * A `ServiceView` without a service behind it: a small house with sensors and alerts that a test sets by hand. Used to test
 * the HTTP server and to look at the console in states that the real service reaches only now and then.
 */
import { applyCommand } from "../../src/alert/lifecycle.ts";
import { Belief } from "../../src/belief/belief.ts";
import type { AlertRecord, ChannelPoint, ChannelQuery } from "../../src/contracts.ts";
import type { ReadinessCheck, RejectView, SensorView, ServiceView } from "../../src/http/service-view.ts";
import type {
  Alert,
  AlertChange,
  Band,
  Candidate,
  CellSearch,
  Command,
  CommandResult,
  LearningReport,
  SensorSite,
  Site,
  Wall,
  Zone,
} from "../../src/model.ts";

const CELLS_PER_ROW = 12;
const CELL_W = 2.5;
const CELL_D = 4;
const CORRIDOR_D = 3;
const FLOORS = ["0", "1"] as const;
const BANDS: readonly Band[] = [
  { id: "lte800-ul", loHz: 832e6, hiHz: 862e6, tdd: false },
  { id: "gsm900-ul", loHz: 880e6, hiHz: 915e6, tdd: false },
  { id: "lte1800-ul", loHz: 1710e6, hiHz: 1785e6, tdd: false },
];

/** One block of two floors: twelve cells on either side of a corridor, a staff room at the end, a yard beside it. */
export function fixtureSite(): Site {
  const zones: Zone[] = [];
  const walls: Wall[] = [];
  const sensors: SensorSite[] = [];
  const length = CELLS_PER_ROW * CELL_W;
  const depth = 2 * CELL_D + CORRIDOR_D;
  const rect = (x0: number, y0: number, x1: number, y1: number) =>
    [
      [x0, y0],
      [x1, y0],
      [x1, y1],
      [x0, y1],
    ] as const;
  for (const floor of FLOORS) {
    for (let i = 0; i < CELLS_PER_ROW * 2; i++) {
      const upper = i >= CELLS_PER_ROW;
      const x = (i % CELLS_PER_ROW) * CELL_W;
      const y = upper ? CELL_D + CORRIDOR_D : 0;
      const id = `b1-${floor}-${String(i + 1).padStart(2, "0")}`;
      const base = { block: "b1", floor, phones: "forbidden" } as const;
      zones.push({ ...base, id, kind: "cell", polygon: rect(x, y, x + CELL_W, y + CELL_D) });
      const plain = { floor, material: "concrete-200", lossDb: null } as const;
      const atCorridor = upper ? y : CELL_D;
      walls.push({ ...plain, from: [x + CELL_W, y], to: [x + CELL_W, y + CELL_D], door: null });
      const door = { atM: 1.25, widthM: 0.9, material: "steel-door", lossDb: null };
      walls.push({ ...plain, from: [x, atCorridor], to: [x + CELL_W, atCorridor], door });
    }
    zones.push({
      id: `b1-${floor}-corridor`,
      block: "b1",
      floor,
      kind: "corridor",
      phones: "forbidden",
      polygon: rect(0, CELL_D, length, CELL_D + CORRIDOR_D),
    });
    zones.push({
      id: floor === "0" ? "guard-room" : "staff-office",
      block: "b1",
      floor,
      kind: "staff",
      phones: "allowed",
      polygon: rect(length, 0, length + 6, depth),
    });
    for (let i = 0; i < 6; i++) {
      sensors.push({
        id: `b1-s${floor}${i + 1}`,
        block: "b1",
        floor,
        type: "rf",
        positionM: [2.5 + i * 5, 5.5, 2.8],
        bands: BANDS.map((b) => b.id),
        method: null,
        place: null,
      });
    }
  }
  zones.push({ id: "yard", block: "b1", floor: "0", kind: "yard", phones: "forbidden", polygon: rect(0, -14, 24, -3) });
  const street = [
    [-40, -40],
    [80, -40],
    [80, -25],
    [-40, -25],
  ] as const;
  zones.push({ id: "street", block: null, floor: null, kind: "outside", phones: "allowed", polygon: street });
  const scanner = { id: "gate-1", block: "b1", floor: "0", type: "scanner", positionM: null, bands: [] } as const;
  sensors.push({ ...scanner, method: "mmwave", place: "b1-0-corridor" });
  return {
    id: "demo",
    name: "Demo house",
    timezone: "Europe/Paris",
    bands: BANDS,
    blocks: [{ id: "b1", name: "Block 1" }],
    floors: [
      { id: "0", level: 0, zM: 0, heightM: 3, slabMaterial: null, slabLossDb: null },
      { id: "1", level: 1, zM: 3.2, heightM: 3, slabMaterial: "concrete-250", slabLossDb: null },
    ],
    zones,
    walls,
    sensors,
  };
}

/** A phone found in a cell, with everything a real alert carries; `over` replaces what a test cares about. */
export function fixtureAlert(cell: string, nowMs: number, over: Partial<Alert> = {}): Alert {
  const [block, floor, number] = cell.split("-");
  const n = Number(number);
  const neighbour = (d: number) => `${block}-${floor}-${String(n + d).padStart(2, "0")}`;
  const candidates: Candidate[] = [{ cell, p: 0.83 }];
  if (n > 1) candidates.push({ cell: neighbour(-1), p: 0.11 });
  if (n < 24) candidates.push({ cell: neighbour(1), p: 0.04 });
  const column = (n - 1) % CELLS_PER_ROW;
  const near = Math.min(5, Math.floor(column / 2));
  const sensors = [0, 1, -1, 2]
    .map((d) => near + d)
    .filter((i) => i >= 0 && i < 6)
    .map((i, k) => ({
      sensor: `b1-s${floor}${i + 1}`,
      band: "lte800-ul",
      excess_db: 31.2 - 8.5 * k,
      floor_dbm: -101.3 + k,
    }));
  return {
    id: `a-${cell}-${nowMs}`,
    version: 1,
    site: "demo",
    block: "b1",
    kind: "phone-active",
    severity: "high",
    cell,
    candidates,
    p_outside: 0.01,
    p_allowed: 0.01,
    position: {
      x_m: column * CELL_W + 1.2,
      y_m: n > CELLS_PER_ROW ? 9.1 : 2.1,
      floor: floor ?? "0",
      cov_m2: [0.8, 0.1, 0.9],
    },
    bands: ["lte800-ul"],
    activity: "call",
    active: true,
    acked: false,
    acked_by: null,
    latched: true,
    shelved_until: null,
    suppressed_by: null,
    out_of_service: false,
    opened_at: nowMs,
    first_evidence_at: nowMs - 3000,
    last_evidence_at: nowMs,
    closed_at: null,
    outcome: null,
    text: "",
    evidence: { sensors, llr: 64.1, threshold: 24, false_alarms_per_day: 0.5 },
    ...over,
  };
}

export class FixtureService implements ServiceView {
  readonly version = "0.1.0";
  readonly instance = "fixture";
  readonly startedAtMs = 1_700_000_000_000;
  readonly site = fixtureSite();
  /** What tests set. */
  checks: ReadinessCheck[] = [
    { name: "broker", ready: true, detail: "" },
    { name: "store", ready: true, detail: "" },
  ];
  ageMs: number | null = 400;
  rejected: RejectView[] = [];
  records: AlertRecord[] = [];
  points: ChannelPoint[] = [];
  /** Set to make every history query fail with it. */
  historyError: Error | null = null;
  /** Commands that were carried out. */
  readonly commands: Command[] = [];
  readonly #alerts = new Map<string, Alert>();
  readonly #listeners = new Set<(change: AlertChange) => void>();
  #sensors: SensorView[];
  /** What tests feed; the real one, with the fixture's cells. */
  readonly belief = new Belief(this.site, "b1", { kindWeight: {}, pOutside: 0.05 });
  beliefMs = this.startedAtMs;

  constructor(nowMs = Date.now()) {
    this.#sensors = this.site.sensors.map((s) => ({
      block: s.block,
      sensor: s.id,
      online: true,
      lastSeenMs: nowMs,
      tamper: false,
      boot: 1,
      model: "fixture",
      firmware: "1.0.0",
      periodMs: 1000,
      tempC: 31.5,
      clockOffMs: 2,
      battery: null,
      channels: s.bands.map((band) => ({
        block: s.block,
        sensor: s.id,
        band,
        status: "ready",
        tMs: nowMs,
        floorDbm: -101.3,
        levelDbm: -100.9,
        excessDb: 0.4,
        sigmaDb: 1.6,
        llr: 0,
        hot: false,
      })),
    }));
  }

  readonly history = {
    queryChannel: async (query: ChannelQuery) => {
      if (this.historyError !== null) throw this.historyError;
      return this.points.filter((p) => p.tMs >= query.fromMs && p.tMs < query.toMs).slice(0, query.limit);
    },
    queryAlerts: async (fromMs: number, toMs: number, limit: number) => {
      if (this.historyError !== null) throw this.historyError;
      return this.records.filter((r) => r.tMs >= fromMs && r.tMs < toMs).slice(0, limit);
    },
  };

  alerts() {
    return [...this.#alerts.values()];
  }
  sensors(block?: string) {
    return block === undefined ? this.#sensors : this.#sensors.filter((s) => s.block === block);
  }
  rejects() {
    return this.rejected;
  }
  readiness() {
    return this.checks;
  }
  dataAgeMs() {
    return this.ageMs;
  }
  async metrics() {
    return "# TYPE cellward_up gauge\ncellward_up 1\n";
  }
  subscribe(listener: (change: AlertChange) => void) {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Puts an alert there, or a new state of it, and tells the listeners. */
  put(alert: Alert): void {
    const before = this.#alerts.get(alert.id) ?? null;
    this.#alerts.set(alert.id, alert);
    const type = before === null ? "new" : alert.closed_at === null ? "update" : "end";
    for (const listener of this.#listeners) listener({ type, before, after: alert });
  }

  /** Puts a new state of an alert there that no listener has heard of yet. */
  putUnheard(alert: Alert): void {
    this.#alerts.set(alert.id, alert);
  }

  setSensor(id: string, over: Partial<SensorView>): void {
    this.#sensors = this.#sensors.map((s) => (s.sensor === id ? { ...s, ...over } : s));
  }

  search({ cell, outcome }: CellSearch): boolean {
    if (!this.belief.has(cell)) return false;
    this.belief.search(cell, outcome === "found", this.beliefMs, "fixture");
    return true;
  }
  searchList(limit: number) {
    return this.belief.list(this.beliefMs, limit);
  }
  /** Set by a test: blocks in learning mode. */
  learns: LearningReport[] = [];
  learning() {
    return this.learns;
  }

  outcomes() {
    return [this.belief.outcomes(this.beliefMs)];
  }

  command(command: Command): CommandResult {
    const alert = this.#alerts.get(command.alert);
    if (alert === undefined) return { ok: false, code: "alert-unknown", detail: `no alert '${command.alert}'` };
    const result = applyCommand(alert, command, Date.now());
    if (!result.ok) return result;
    this.commands.push(command);
    this.put(result.alert);
    return result;
  }
}
