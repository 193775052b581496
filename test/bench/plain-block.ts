/**
 * A block of a plain kind (`plain-house.ts`) and 25 minutes in it: calls, texts and data from cells, staff who walk, phones in the street,
 * and receivers that report at random phases and miss bursts. Everything follows from the seed.
 */
import {
  BANDS,
  type Cell,
  Draws,
  gainsOf,
  type House,
  houseOf,
  type More,
  round,
  type Sensors,
  sensorsOf,
  siteOf,
  type Xyz,
  zonesOf,
} from "./plain-house.ts";

export const START_MS = 1_790_000_000_000;
export const LAST_S = 1500;
const FADING_DB = 2;
const VOICE_P = 0.45;
/** How long a use lasts, s. */
const LASTS_S = { call: [25, 150], sms: [3, 6], data: [15, 60] } as const;

/** Floors are known after so long; a phone is given up after a silence of so long (60 s, and the alert's end), s. */
const SETTLED_S = 330;
const GIVEN_UP_S = 75;

export interface Reading {
  readonly sensor: number;
  readonly tsMs: number;
  readonly atMs: number;
  readonly seq: number;
  readonly rmsDbm: readonly number[];
  readonly peakDbm: readonly number[];
  readonly duty: readonly number[];
}

interface Use {
  readonly id: string;
  readonly emitter: string;
  readonly atS: number;
  readonly lastsS: number;
  readonly band: number;
  readonly eirpDbm: number;
  readonly place: Xyz;
  readonly floor: number;
  readonly cell: string | null;
  readonly activity: "call" | "sms" | "data";
  /** Of whoever walks the corridor up and down, m/s; 0 else. */
  readonly paceMps: number;
}

export interface PlainBlock {
  readonly site: object;
  readonly sensors: readonly string[];
  readonly periodMs: number;
  readonly truth: readonly object[];
  readonly bands: readonly { readonly id: string; readonly lo_hz: number; readonly hi_hz: number }[];
  /** In order of arrival. */
  readings(): Reading[];
}

/** Phones in cells, staff who walk the corridor up and down, and phones in the street, in order of time. */
function usesOf(house: House, cells: readonly Cell[], draws: Draws): Use[] {
  const { floors, cellW, cellD, corridorD, storeyM, lengthM, street } = house;
  const uses: Use[] = [];
  const use = (made: Omit<Use, "id">) => uses.push({ ...made, id: `e${uses.length}` });
  for (let t = 90 + draws.exponential(60); t < LAST_S - 60; t += draws.exponential(draws.next() < 0.7 ? 150 : 30)) {
    const activity = draws.one(["call", "call", "sms", "data"] as const);
    const lastsS = draws.between(LASTS_S[activity]);
    const [cell, band] = [draws.one(cells), draws.whole(0, 2)];
    const [x, y] = [cell.x0 + draws.range(0.3, cellW - 0.3), cell.y0 + draws.range(0.3, cellD - 0.3)];
    const place: Xyz = [x, y, cell.floor * storeyM + draws.range(0.6, 1.5)];
    const made = { atS: t, lastsS, band, place, floor: cell.floor, cell: cell.id, activity, paceMps: 0 };
    use({ ...made, emitter: `p${uses.length}`, eirpDbm: draws.between(BANDS[band]!.eirpDbm) });
  }
  for (let k = draws.next() < 0.6 ? draws.whole(1, 3) : 0; k > 0; k--) {
    const [floor, paceMps] = [draws.whole(0, floors - 1), draws.range(0.8, 1.4)];
    const place: Xyz = [0.1, cellD + corridorD / 2, floor * storeyM + 1.2];
    const [atS, band, eirpDbm] = [draws.range(60, LAST_S - 120), draws.whole(0, 2), draws.range(8, 20)];
    const made = { atS, lastsS: (2 * lengthM) / paceMps, band, eirpDbm, floor, cell: `b1-${floor}-corridor`, paceMps };
    use({ ...made, emitter: `staff${k}`, place, activity: "call" });
  }
  for (let k = street ? draws.whole(1, 5) : 0; k > 0; k--) {
    const band = draws.whole(0, 2);
    const place: Xyz = [draws.range(-15, lengthM + 15), draws.range(-38, -13), 1.5];
    const [atS, lastsS] = [draws.range(60, LAST_S - 200), draws.range(20, 120)];
    const made = { atS, lastsS, band, place, floor: 0, cell: null, activity: "call" as const, paceMps: 0 };
    use({ ...made, emitter: `out${k}`, eirpDbm: draws.between(BANDS[band]!.outDbm) });
  }
  return uses.sort((a, b) => a.atS - b.atS);
}

const truthOf = (u: Use): object => ({
  id: u.id,
  emitter: u.emitter,
  legitimate: u.cell === null || u.paceMps > 0,
  start: Math.round(START_MS + 1000 * u.atS),
  end: Math.round(START_MS + 1000 * (u.atS + u.lastsS)),
  band: BANDS[u.band]!.id,
  eirp_dbm: round(u.eirpDbm),
  activity: u.activity,
  x_m: round(u.place[0]),
  y_m: round(u.place[1]),
  floor: String(u.floor),
  cell: u.cell,
  ...(u.cell === null ? { outside: true } : {}),
});

/** What the sensors report of the uses: floor, bursts that were met, fading. */
class Reports {
  readonly #house: House;
  readonly #sensors: Sensors;
  readonly #radio: ReturnType<typeof gainsOf>;
  readonly #uses: readonly Use[];
  readonly #draws: Draws;
  readonly #fixedDb: readonly (readonly number[])[];
  readonly #state: { voice: boolean; powerDb: number }[];

  constructor(house: House, sensors: Sensors, radio: ReturnType<typeof gainsOf>, uses: readonly Use[], draws: Draws) {
    this.#house = house;
    this.#sensors = sensors;
    this.#radio = radio;
    this.#uses = uses;
    this.#draws = draws;
    this.#fixedDb = uses.map((u) => sensors.at.map((_, s) => radio.gainDb(s, u.place, u.floor, BANDS[u.band]!.lo_hz)));
    this.#state = uses.map(() => ({ voice: false, powerDb: 0 }));
  }

  /** All of them, in order of arrival. */
  all(): Reading[] {
    const { periodMs } = this.#house;
    const phaseMs = this.#sensors.at.map(() => periodMs * this.#draws.next());
    const out: Reading[] = [];
    for (let seq = 0; (seq * periodMs) / 1000 < LAST_S; seq++) {
      const levels = this.#instant((seq * periodMs) / 1000);
      levels.forEach(({ mean, peak, duty }, s) => {
        const tsMs = Math.floor(START_MS + seq * periodMs + phaseMs[s]!);
        const rmsDbm = mean.map(dbm);
        const peakDbm = peak.map((mw, b) => Math.max(dbm(mw), rmsDbm[b]!));
        const atMs = tsMs + this.#draws.whole(5, 60);
        out.push({ sensor: s, tsMs, atMs, seq, rmsDbm, peakDbm, duty: duty.map((d) => Math.round(1000 * d) / 1000) });
      });
    }
    return out.sort((a, b) => a.atMs - b.atMs || a.sensor - b.sensor);
  }

  #instant(tS: number): { mean: number[]; peak: number[]; duty: number[] }[] {
    const draws = this.#draws;
    const mean = this.#radio.floorDbm.map((row) => row.map((dbm) => 10 ** ((dbm + 0.4 * draws.normal()) / 10)));
    const peak = mean.map((row) => row.map((mw) => mw * 10 ** (0.3 + 0.06 * draws.normal())));
    const levels = mean.map((row, s) => ({ mean: row, peak: peak[s]!, duty: row.map(() => 0) }));
    const stepS = this.#house.periodMs / 1000;
    this.#uses.forEach((u, k) => {
      if (u.atS > tS + stepS || tS > u.atS + u.lastsS) return;
      const now = this.#state[k]!;
      if (draws.next() < stepS / 2) now.voice = draws.next() < VOICE_P;
      if (draws.next() < stepS / 5) now.powerDb = Math.min(3, Math.max(-6, now.powerDb + 2 * draws.normal()));
      const idle = u.activity === "call" && !now.voice;
      const share = BANDS[u.band]!.duty * (idle ? 0.15 : 1);
      levels.forEach((level, s) => {
        const mw = 10 ** ((u.eirpDbm + now.powerDb + this.#gainDb(k, s, tS) + FADING_DB * draws.normal()) / 10);
        // Twenty looks a second, a tenth of the time each: voice is always met, a pause's frames in most seconds.
        if (draws.next() >= 0.5 + 5 * share) return;
        if (mw > 2 * level.mean[u.band]!) level.duty[u.band] = Math.max(level.duty[u.band]!, share);
        level.mean[u.band]! += mw * share;
        level.peak[u.band] = Math.max(level.peak[u.band]!, 2 * mw);
      });
    });
    return levels;
  }

  #gainDb(k: number, s: number, tS: number): number {
    const u = this.#uses[k]!;
    if (u.paceMps === 0) return this.#fixedDb[k]![s]!;
    const { lengthM } = this.#house;
    const walkedM = (tS - u.atS) * u.paceMps;
    const x = Math.min(lengthM - 0.1, Math.max(0.1, walkedM < lengthM ? walkedM : 2 * lengthM - walkedM));
    return this.#radio.gainDb(s, [x, u.place[1], u.place[2]], u.floor, BANDS[u.band]!.lo_hz);
  }
}

const dbm = (mw: number) => Math.round(100 * Math.log10(mw)) / 10;

/** Only phones in cells, each after floors are known and the one before was given up. */
function oneByOne(uses: readonly Use[]): Use[] {
  const kept: Use[] = [];
  for (const use of uses) {
    const last = kept.at(-1);
    const fromS = last === undefined ? SETTLED_S : last.atS + last.lastsS + GIVEN_UP_S;
    if (use.cell !== null && use.paceMps === 0 && use.atS >= fromS) kept.push(use);
  }
  return kept;
}

/**
 * The house, phones and readings of a seed; `periodMs`: of sensors that report so often, and not as the seed has it; `alone`: of its phones those
 * in cells that never are on together; `more`: with two sensors more, other draws follow. Cost: about a second.
 */
export function plainBlock(
  seed: number,
  periodMs?: number,
  { alone = false, more }: { readonly alone?: boolean; readonly more?: More | undefined } = {},
): PlainBlock {
  const draws = new Draws(seed);
  const drawn = houseOf(draws);
  const house = { ...drawn, periodMs: periodMs ?? drawn.periodMs };
  const planned = zonesOf(house);
  const sensors = sensorsOf(house, more);
  const radio = gainsOf(house, sensors, draws);
  const drawnUses = usesOf(house, planned.cells, draws);
  const uses = alone ? oneByOne(drawnUses) : drawnUses;
  const reports = new Reports(house, sensors, radio, uses, draws);
  return {
    site: siteOf(house, planned, sensors),
    sensors: sensors.ids,
    periodMs: house.periodMs,
    truth: uses.map(truthOf),
    bands: BANDS,
    readings: () => reports.all(),
  };
}
