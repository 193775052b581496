/**
 * Weeks in a wing of twelve cells: phones that come, stay and go, are used in their cell and in others, and are looked for with
 * the simulator's scanners at their published rates. What the localiser says of a use is the exact posterior of the blocks of
 * the localisation tables, shadowing included; what searches and scanners say goes through the real decoder.
 */
import { CODECS } from "../../sensors/index.ts";
import { type Prng, stream } from "../../simulator/prng.ts";
import { scanResult } from "../../simulator/scanners.ts";
import { BASE_BLOCK, buildBlock, type Layout, Limit, PER_CELL, World } from "../../simulator/table-a.ts";
import { Belief } from "../../src/belief/belief.ts";
import { ratesOf } from "../../src/belief/drift.ts";
import { layoutOf, placing } from "../../src/belief/layout.ts";
import { createDecoder } from "../../src/ingest/decode.ts";
import type { BeliefFile, Candidate, Scan, ScanMethod, Site } from "../../src/model.ts";
import { ExactBelief } from "./belief-exact.ts";
import { cellName, DAY, T0, trackOf, WING_PRIOR, wingSite } from "./wing.ts";

export const WING_CELLS = 12;
const HOUR = DAY / 24;
/** What the world is like; methods may be told otherwise. */
export const TRUTH = {
  halfLifeDays: 7,
  prevalence: 0.15,
  usesPerDay: 1,
  strayPerDay: 0.5,
  usedElsewhere: 0.3,
  inCommon: 0,
  searchHit: 0.8,
  carryShare: 0.02,
} as const;
const PASSES_PER_DAY = 4;
const SCANS_PER_DAY = 2;
const P_OUTSIDE = 0.03;
const NLJD = { hit: 0.94, falseAlarm: 0.28 };
const MMWAVE = { hit: 0.9, falseAlarm: 0.54 };

/** Somebody who keeps a list of cells by where to search. */
export interface Searcher {
  readonly name: string;
  wait(tMs: number): void;
  use(id: string, tMs: number, candidates: readonly Candidate[]): void;
  scan(scan: Scan): void;
  search(cell: number, found: boolean, tMs: number): void;
  /** Larger is likelier; a probability where the searcher claims one. */
  scores(tMs: number): readonly number[];
  readonly claims: boolean;
}

export class WithBelief implements Searcher {
  readonly name: string;
  readonly claims = true;
  readonly #belief: Belief;
  readonly #skip: "nothing" | "scanners";
  #heardMs = T0;

  constructor(name: string, settings: BeliefFile, skip: "nothing" | "scanners" = "nothing") {
    this.name = name;
    this.#skip = skip;
    this.#belief = new Belief(wingSite(WING_CELLS, { ...TRUTH, ...settings }), "b1", WING_PRIOR);
  }
  wait(tMs: number): void {
    this.#belief.listened(this.#heardMs, tMs - this.#heardMs);
    this.#heardMs = tMs;
  }
  use(id: string, tMs: number, candidates: readonly Candidate[]): void {
    this.#belief.use(trackOf(id, tMs, candidates, P_OUTSIDE), 1 - P_OUTSIDE, null);
  }
  scan(scan: Scan): void {
    if (this.#skip !== "scanners") this.#belief.scan(scan, `${scan.sensor}-${scan.seq}`);
  }
  search(cell: number, found: boolean, tMs: number): void {
    this.#belief.search(cellName(cell), found, tMs, `s${tMs}`);
  }
  scores(tMs: number): number[] {
    const out = new Array<number>(WING_CELLS).fill(0);
    for (const b of this.#belief.list(tMs, WING_CELLS)) out[Number(b.cell.slice(3))] = b.pKept;
    return out;
  }
  outcomes(tMs: number) {
    return this.#belief.outcomes(tMs);
  }
}

/** Told everything and forgetting nothing: every set of cells. The limit where uses are independent. */
export class WithEverything implements Searcher {
  readonly name = "exact Bayesian";
  readonly claims = true;
  readonly #layout = layoutOf(wingSite(WING_CELLS), "b1", WING_PRIOR);
  readonly #exact: ExactBelief;
  #tMs = T0;
  #nowMs = T0;

  constructor() {
    const { arrive, leave } = ratesOf(TRUTH.halfLifeDays, TRUTH.prevalence);
    const byGate = (PASSES_PER_DAY * TRUTH.carryShare) / WING_CELLS;
    const { cellsMass } = this.#layout;
    this.#exact = new ExactBelief(
      { ...TRUTH, arrive: arrive - byGate, leave },
      { cells: WING_CELLS, corridor: true, cellsMass },
    );
  }
  /** Time passes when something is next told or asked: hours one by one cost more and say the same. */
  wait(tMs: number): void {
    this.#nowMs = tMs;
  }
  #catchUp(): void {
    const days = (this.#nowMs - this.#tMs) / DAY;
    if (days > 0) this.#exact.wait(days, days);
    this.#tMs = this.#nowMs;
  }
  use(_id: string, _tMs: number, candidates: readonly Candidate[]): void {
    this.#catchUp();
    const place = placing(this.#layout, candidates, P_OUTSIDE, 1 - P_OUTSIDE, 1);
    this.#exact.use([...place.cells], place.common[0]!, place.elsewhere);
  }
  scan({ method, place, alarm }: Scan): void {
    this.#catchUp();
    const { hit, falseAlarm } = method === "nljd" ? NLJD : MMWAVE;
    const [yes, no] = alarm ? [hit, falseAlarm] : [1 - hit, 1 - falseAlarm];
    if (place?.startsWith("c0-")) this.#exact.look(Number(place.slice(3)), yes, no);
    else {
      const { carryShare } = TRUTH;
      this.#exact.arrival((carryShare * yes) / (carryShare * yes + (1 - carryShare) * no));
    }
  }
  search(cell: number, found: boolean): void {
    this.#catchUp();
    if (found) this.#exact.found(cell);
    else this.#exact.look(cell, 1 - TRUTH.searchHit, 1);
  }
  scores(): number[] {
    this.#catchUp();
    return this.#exact.kept();
  }
}

/** What a control room does without a belief: the cell with most alerts of the week, forgotten where it was searched since. */
export class ByCount implements Searcher {
  readonly name = "count of alerts, 7 days";
  readonly claims = false;
  #alerts: { readonly cell: number; readonly tMs: number }[] = [];
  wait(): void {}
  use(_id: string, tMs: number, candidates: readonly Candidate[]): void {
    const top = candidates.reduce((a, b) => (b.p > a.p ? b : a));
    this.#alerts.push({ cell: Number(top.cell.slice(3)), tMs });
  }
  scan(): void {}
  search(cell: number): void {
    this.#alerts = this.#alerts.filter((a) => a.cell !== cell);
  }
  scores(tMs: number): number[] {
    const out = new Array<number>(WING_CELLS).fill(0);
    // Among equals, the one with the newer alert.
    for (const a of this.#alerts) if (tMs - a.tMs < 7 * DAY) out[a.cell]! += 1 + 1e-9 * ((a.tMs - T0) / DAY);
    return out;
  }
}

/** The air of one wing, for one layout of sensors: what is heard of a phone in a cell. */
export class Air {
  readonly #block;
  readonly #limit: Limit;
  /** The wing's cells in the block of the tables: six columns of both rows. */
  readonly #cellOf = Array.from({ length: WING_CELLS }, (_, c) => (c < 6 ? c : 20 + c - 6));

  /** What was heard already: the same worlds are run for several searchers. */
  readonly #heard = new Map<string, Candidate[]>();

  constructor(layout: Layout) {
    this.#block = buildBlock(BASE_BLOCK, layout);
    this.#limit = new Limit(this.#block);
  }

  /**
   * Posterior over the wing's cells of a use in `cell`. `steady` is the share of shadowing's variance that is the same at every
   * use in this stay (drawn from the stream `stay`); the rest is drawn anew (from the stream `use`).
   */
  heard(cell: number, seed: number, use: string, stay: string, steady: number): Candidate[] {
    const key = `${cell} ${seed} ${use} ${stay} ${steady}`;
    const known = this.#heard.get(key) ?? this.#hear(cell, stream(seed, use), stream(seed, stay), steady);
    this.#heard.set(key, known);
    return known;
  }

  #hear(cell: number, rng: Prng, stay: Prng, steady: number): Candidate[] {
    const chosen = steady > 0 ? stay : rng;
    const at = this.#cellOf[cell]! * PER_CELL + chosen.below(PER_CELL);
    const point = [this.#block.positions[at]!];
    const fresh = new World(this.#block, () => rng.normal()).shadows(point)[0]!;
    const kept = steady > 0 ? new World(this.#block, () => stay.normal()).shadows(point)[0]! : fresh;
    const shadow = fresh.map((s, i) => Math.sqrt(1 - steady) * s + (steady > 0 ? Math.sqrt(steady) * kept[i]! : 0));
    const { levelDbm } = new World(this.#block, () => rng.normal()).burst(at, shadow);
    const all = this.#limit.posterior(levelDbm);
    const own = this.#cellOf.map((k) => all[k]!);
    const sum = own.reduce((a, b) => a + b, 0);
    return own.flatMap((p, c) => (p / sum >= 0.01 ? [{ cell: cellName(c), p: ((1 - P_OUTSIDE) * p) / sum }] : []));
  }
}

export interface WeeksOptions {
  readonly seed: number;
  readonly days: number;
  readonly steady: number;
  /** Who searches: a cell a day taken at random, or the first of the searcher's own list. */
  readonly searches: "random" | "first";
}

/** One look at the lists, in the evening. */
export interface Evening {
  readonly scores: readonly number[];
  readonly kept: readonly boolean[];
}

/** Runs one world; the same seed is the same world as far as nobody changes it by finding a phone. */
export function runWeeks(air: Air, who: Searcher, options: WeeksOptions) {
  const { seed, days, steady, searches } = options;
  const decode = decoderOf(wingSite(WING_CELLS));
  const rates = ratesOf(TRUTH.halfLifeDays, TRUTH.prevalence);
  const byGate = (PASSES_PER_DAY * TRUTH.carryShare) / WING_CELLS;
  const begin = stream(seed, "begin");
  const kept = Array.from({ length: WING_CELLS }, () => begin.chance(TRUTH.prevalence));
  const stays = new Array<number>(WING_CELLS).fill(0);
  const evenings: Evening[] = [];
  let found = 0;
  let uses = 0;
  for (let hour = 0; hour < days * 24; hour++) {
    const rng = stream(seed, `hour/${hour}`);
    const tMs = T0 + (hour + 1) * HOUR;
    who.wait(tMs);
    for (let c = 0; c < WING_CELLS; c++) {
      if (rng.chance((kept[c] ? rates.leave : rates.arrive - byGate) / 24)) {
        kept[c] = !kept[c];
        stays[c]!++;
      }
    }
    for (let c = 0; c <= WING_CELLS; c++) {
      const stray = c === WING_CELLS;
      if (!rng.chance((stray ? TRUTH.strayPerDay : TRUTH.usesPerDay) / 24)) continue;
      const own = stray ? rng.below(WING_CELLS) : c;
      const away = !stray && rng.chance(TRUTH.usedElsewhere);
      const cell = away ? (own + 1 + rng.below(WING_CELLS - 1)) % WING_CELLS : own;
      if (!stray && !kept[c]) continue;
      const stay = `stay/${cell}/${away || stray ? `${hour}` : stays[cell]}`;
      who.use(`u${hour}-${c}`, tMs, air.heard(cell, seed, `air/${hour}/${c}`, stay, steady));
      uses++;
    }
    const day = Math.floor(hour / 24);
    if (rng.chance(PASSES_PER_DAY / 24)) {
      const carries = rng.chance(TRUTH.carryShare);
      const to = rng.below(WING_CELLS);
      who.scan(decode("gate-1", "mmwave", "corridor-0", carries, hour, tMs, rng));
      if (carries && !kept[to]) {
        kept[to] = true;
        stays[to]!++;
      }
    }
    if (hour % 24 < SCANS_PER_DAY) {
      const cell = rng.below(WING_CELLS);
      who.scan(decode("hand-1", "nljd", cellName(cell), kept[cell]!, hour, tMs, rng));
    }
    if (hour % 24 === 10) {
      const drawn = stream(seed, `search/${day}`);
      const random = drawn.below(WING_CELLS);
      const cell = searches === "random" ? random : first(who.scores(tMs), drawn);
      const hit = kept[cell]! && drawn.chance(TRUTH.searchHit);
      if (hit) {
        kept[cell] = false;
        stays[cell]!++;
        found++;
      }
      who.search(cell, hit, tMs);
    }
    if (hour % 24 === 20) evenings.push({ scores: [...who.scores(tMs)], kept: [...kept] });
  }
  return { evenings, found, uses, searched: days };
}

/** The first of a list; among equals one by lot. */
function first(scores: readonly number[], rng: Prng): number {
  const top = Math.max(...scores);
  return rng.pick(scores.flatMap((s, c) => (s === top ? [c] : [])));
}

/** Share of the first `k` cells of the evenings' lists that hold a phone; equals count by their share. */
export function precisionAt(evenings: readonly Evening[], k: number): number {
  let sum = 0;
  for (const { scores, kept } of evenings) {
    const order = [...new Set(scores)].sort((a, b) => b - a);
    let room = k;
    for (const score of order) {
      const cells = scores.flatMap((s, c) => (s === score ? [c] : []));
      const take = Math.min(room, cells.length);
      sum += (take * cells.filter((c) => kept[c]).length) / cells.length;
      room -= take;
      if (room === 0) break;
    }
  }
  return sum / (k * evenings.length);
}

/** Mean squared error of stated probabilities, and stated against true share by tenths. */
export function reliability(evenings: readonly Evening[]) {
  const bins = Array.from({ length: 10 }, () => ({ n: 0, stated: 0, true: 0 }));
  let square = 0;
  for (const { scores, kept } of evenings) {
    scores.forEach((p, c) => {
      const bin = bins[Math.min(9, Math.floor(10 * p))]!;
      bin.n++;
      bin.stated += p;
      bin.true += kept[c] ? 1 : 0;
      square += (p - (kept[c] ? 1 : 0)) ** 2;
    });
  }
  return { brier: square / (evenings.length * WING_CELLS), bins };
}

function decoderOf(site: Site) {
  const scanner = { block: "b1", floor: "0", type: "scanner", positionM: null, bands: [], method: null } as const;
  const sensors = ["gate-1", "hand-1"].map((id) => ({ ...scanner, id, place: null }));
  const decoder = createDecoder({ site: { ...site, sensors }, codecs: CODECS });
  return (id: string, method: ScanMethod, place: string, there: boolean, seq: number, ts: number, rng: Prng): Scan => {
    const body = { v: 1, boot: 1, seq, ts, ...scanResult({ method }, place, there, rng) };
    const bytes = Buffer.from(JSON.stringify(body));
    const decoded = decoder.decode(`cellward/v1/wing/b1/${id}/scan`, bytes, { retained: false, nowMs: ts });
    if (!decoded.ok || decoded.message.kind !== "scan") throw new Error(`not decoded: ${JSON.stringify(decoded)}`);
    return decoded.message.scan;
  };
}
