/**
 * Emitters that nobody knew: where in the house, and how strong, explains best what a sum of known ones leaves over. The evidence
 * for one more is its likelihood with place and power integrated out against the likelihood without it.
 */
import {
  addDbm,
  BACKGROUND_SD_DB,
  type Levels,
  LN_SQRT_2PI,
  logDensity,
  plus,
  type Source,
  type Sum,
  sensorNats,
} from "./mixture.ts";
import { distanceM, type SourceGrid } from "./sources.ts";

/** An emitter that was not known. */
export interface Found {
  /** Row of the source grid that fits best. */
  readonly at: number;
  readonly powerDbm: number;
  /** Log Bayes factor of one more emitter over none, place and power integrated out. */
  readonly nats: number;
  /** What the best fit exceeds that by: the price of a place and a power, nats. */
  readonly price: number;
  readonly source: Source;
}

/** How far an emitter walks while its fingerprint is still that of where it was. */
export const WALK_M = 10;
/**
 * Further odds against a new emitter within a walk of one that is on: most of what sounds like one is that one, a few steps on or
 * in a place that the plan has wrong.
 */
const BESIDE_NATS = 6;
/** Steps of power that are tried around the one that fits the loudest surplus. */
const LOWEST_TRY_DB = -9;
const POWER_TRIES = 6;
const POWER_TRY_STEP_DB = 3;
/** Sensors that set the power tried first. */
const LEADING = 6;
/** A new emitter is within so many dB of the best place for one of so many sensors that lead the surplus. */
const NEAR_SENSORS = 4;
const NEAR_DB = 35;
/** A contribution so far below the rest changes nothing (0.1 dB). */
const NEGLIGIBLE_DB = 16;
/** Tries so far behind the best are left: thousands of them together add less than a thousandth to the mass. */
const DEPTH_NATS = 18;

/**
 * The emitter that best explains what a sum leaves unexplained, or null when levels hardly exceed it. Cost: positions times
 * six powers times sensors at the most, a table's look-up each, only when something is left over; positions and powers that can't
 * come near the best any more are left early. A step is some rows of positions.
 *
 * @param leastNats null where a perfect explanation of what stands out would bring less, and where every place and power
 *   together surely do; what else brings less is still given
 * @param fadingDb spread of one window's level around its mean
 */
export function* findNew(
  grid: SourceGrid,
  levels: Levels,
  sum: Sum,
  fadingDb: number,
  leastNats: number,
): Generator<void, Found | null> {
  const n = grid.sensors.length;
  const surplus: { i: number; nats: number }[] = [];
  let most = 0;
  const sd = Math.hypot(grid.shadowDb, fadingDb);
  const was = logLikelihoods(levels, sum);
  for (let i = 0; i < n; i++) {
    if (!(levels.levelDbm[i]! > sum.levelDbm[i]!)) continue;
    const gain = logDensity(0, 0, Math.hypot(sd, levels.sdDb[i]!)) - was[i]!;
    if (gain <= 0) continue;
    most += gain;
    surplus.push({ i, nats: gain });
  }
  if (most < leastNats) return null;
  surplus.sort((a, b) => b.nats - a.nats || levels.levelDbm[b.i]! - levels.levelDbm[a.i]! || a.i - b.i);
  const lead = surplus.slice(0, LEADING).map((s) => s.i);
  const effects = new Effects(levels, sum, was, sd, grid.gainDb);
  const rows = nearest(grid, lead);
  // The priors of all tries add up to no more than this, so a mass of `leastNats` needs one that is as likely by its levels alone.
  const needed = leastNats - Math.log1p(POWER_TRY_STEP_DB / (grid.powerSdDb * Math.sqrt(2 * Math.PI))) - ROUNDING_NATS;
  if (needed > 0 && !(yield* anyReaches(grid, levels, lead, rows, effects, needed))) return null;
  const tries = new Float64Array(rows.length * POWER_TRIES).fill(Number.NEGATIVE_INFINITY);
  let best = { at: -1, powerDbm: 0, nats: Number.NEGATIVE_INFINITY };
  const fits = new Float64Array(lead.length);
  const spread = -LN_SQRT_2PI - Math.log(grid.powerSdDb) + Math.log(POWER_TRY_STEP_DB);
  for (let r = 0; r < rows.length; r++) {
    const c = rows[r]!;
    const lowest = lowestPower(grid, levels, lead, c, fits);
    if (r % ROWS_A_STEP === ROWS_A_STEP - 1) yield;
    const nats = tries.subarray(r * POWER_TRIES, (r + 1) * POWER_TRIES);
    for (let k = 0; k < POWER_TRIES; k++) {
      const z = (lowest + k * POWER_TRY_STEP_DB - grid.powerDbm) / grid.powerSdDb;
      nats[k] = grid.logPrior[c]! - 0.5 * z * z + spread;
    }
    if (!effects.add(c, lowest, nats, best.nats - DEPTH_NATS)) {
      nats.fill(Number.NEGATIVE_INFINITY);
      continue;
    }
    for (let k = 0; k < POWER_TRIES; k++) {
      if (nats[k]! > best.nats) best = { at: c, powerDbm: lowest + k * POWER_TRY_STEP_DB, nats: nats[k]! };
    }
  }
  if (best.at < 0) return null;
  let mass = 0;
  for (let t = 0; t < tries.length; t++) {
    // Not by what was given up on the way, which depends on the order.
    if (tries[t]! >= best.nats - DEPTH_NATS) mass += Math.exp(tries[t]! - best.nats);
  }
  const levelDbm = new Float64Array(n);
  for (let i = 0; i < n; i++) levelDbm[i] = best.powerDbm + grid.gainDb[best.at * n + i]!;
  const source: Source = { levelDbm, sdDb: new Float64Array(n).fill(sd), logOn: 0, certain: false, at: best.at };
  // Against the best fit, what place and power cost is what the others of the same kind leave of the mass.
  const z = (best.powerDbm - grid.powerDbm) / grid.powerSdDb;
  const price = -(grid.logPrior[best.at]! - 0.5 * z * z + spread + Math.log(mass));
  return { at: best.at, powerDbm: best.powerDbm, nats: best.nats + Math.log(mass), price, source };
}

/** The lowest power that is tried at a row; `fits` is scratch, an entry a leading sensor. */
function lowestPower(
  grid: SourceGrid,
  levels: Levels,
  lead: readonly number[],
  row: number,
  fits: Float64Array,
): number {
  const n = grid.sensors.length;
  for (let k = 0; k < lead.length; k++) fits[k] = levels.levelDbm[lead[k]!]! - grid.gainDb[row * n + lead[k]!]!;
  fits.sort();
  return fits[(fits.length - 1) >> 1]! + LOWEST_TRY_DB;
}

/** Whether one more emitter at any of the rows makes the levels likelier by so much, at any of the powers tried. */
function* anyReaches(
  grid: SourceGrid,
  levels: Levels,
  lead: readonly number[],
  rows: Int32Array,
  effects: Effects,
  nats: number,
): Generator<void, boolean> {
  const gains = new Float64Array(POWER_TRIES);
  const fits = new Float64Array(lead.length);
  for (let r = 0; r < rows.length; r++) {
    gains.fill(0);
    if (effects.add(rows[r]!, lowestPower(grid, levels, lead, rows[r]!, fits), gains, nats)) return true;
    if (r % QUICK_ROWS_A_STEP === QUICK_ROWS_A_STEP - 1) yield;
  }
  return false;
}

/** What every sensor says of a sum, nats. */
function logLikelihoods(levels: Levels, sum: Sum): Float64Array {
  const out = new Float64Array(sum.levelDbm.length);
  for (let i = 0; i < out.length; i++) out[i] = sensorNats(levels, i, sum.levelDbm[i]!, sum.sdDb[i]!);
  return out;
}

/** Steps of the tables of `Effects` a dB: between them values are linear, to 0.01 nats. */
const STEPS_A_DB = 2;
/** So far above what is there and what was heard, a contribution is as wrong as it can be. */
const BEYOND_DB = 64;
/** Positions between two pauses of the search. */
const ROWS_A_STEP = 100;
const QUICK_ROWS_A_STEP = 250;
/** What sums of a hundred terms may be off by, generously. */
const ROUNDING_NATS = 1e-9;
/** Sensors between two looks at whether a row is still in. */
const LOOK_EVERY = 8;
/** Entries of the tables between two powers that are tried, and between the first and the last. */
const TRY_STEPS = POWER_TRY_STEP_DB * STEPS_A_DB;
const TRY_SPAN = (POWER_TRIES - 1) * TRY_STEPS;
/** Numbers between the entries of two powers: value and slope each. */
const APART = 2 * TRY_STEPS;

/** By entry of a table: what a contribution adds to what is there, dB, and its share of the sum; beyond, it is the sum. */
const ADDED_DB = Float64Array.from({ length: (NEGLIGIBLE_DB + 41) * STEPS_A_DB }, (_, t) =>
  addDbm(0, t / STEPS_A_DB - NEGLIGIBLE_DB),
);
const SHARE = ADDED_DB.map((db, t) => 10 ** ((t / STEPS_A_DB - NEGLIGIBLE_DB - db) / 10));

/**
 * What one emitter more would change at each sensor, nats, by how much of it arrives there: a table a sensor, filled where it is
 * looked at. Sensors that have most to gain come first, so that the rest bounds what a try can still reach.
 */
class Effects {
  readonly #levels: Levels;
  readonly #sum: Sum;
  readonly #was: Float64Array;
  readonly #sd: number;
  readonly #gainDb: Float32Array;
  /** Sensors in the order in which they are asked, and the most that all after each can bring. */
  readonly #order: Int32Array;
  readonly #rest: Float64Array;
  /** Level of a table's first value, where each table begins, and its length; by place in the order. */
  readonly #startDbm: Float64Array;
  readonly #from: Int32Array;
  readonly #entries: Int32Array;
  /**
   * Value and slope of each entry side by side, NaN where not yet known. Before the values of a sensor as many zeros as the powers
   * tried span, after them as many times the last one, so that all powers are always in the table.
   */
  readonly #table: Float64Array;

  constructor(levels: Levels, sum: Sum, was: Float64Array, sd: number, gainDb: Float32Array) {
    const n = was.length;
    this.#levels = levels;
    this.#sum = sum;
    this.#was = was;
    this.#sd = sd;
    this.#gainDb = gainDb;
    const most = Float64Array.from(was, (_, i) => mostOf(levels, sum, was, sd, i));
    this.#order = Int32Array.from(was, (_, i) => i).sort((a, b) => most[b]! - most[a]! || a - b);
    this.#rest = new Float64Array(n);
    for (let j = n - 2; j >= 0; j--) this.#rest[j] = this.#rest[j + 1]! + most[this.#order[j + 1]!]!;
    this.#startDbm = new Float64Array(n);
    this.#from = new Int32Array(n);
    this.#entries = new Int32Array(n);
    let size = 0;
    let untouched = -1;
    for (let j = 0; j < n; j++) {
      const i = this.#order[j]!;
      const before = sum.levelDbm[i]!;
      const level = levels.levelDbm[i]!;
      const silent = Number.isNaN(level);
      const spanDb = NEGLIGIBLE_DB + Math.max(0, silent ? 0 : level - before) + BEYOND_DB;
      this.#startDbm[j] = before - NEGLIGIBLE_DB;
      this.#entries[j] = Math.ceil(spanDb * STEPS_A_DB) + 1 + 2 * TRY_SPAN;
      // Silent sensors that nobody reaches so far are all alike.
      const alike = silent && before === levels.floorDbm[i]! - BACKGROUND_SD_DB && sum.sdDb[i] === BACKGROUND_SD_DB;
      this.#from[j] = alike && untouched >= 0 ? untouched : size;
      if (alike && untouched < 0) untouched = size;
      if (this.#from[j] === size) size += this.#entries[j]!;
    }
    this.#table = new Float64Array(2 * size).fill(Number.NaN);
    for (let j = 0; j < n; j++) this.#table.fill(0, 2 * this.#from[j]!, 2 * (this.#from[j]! + TRY_SPAN));
  }

  /**
   * Adds to `nats` what the sensors say of an emitter at a row of the grid, an entry for each of `POWER_TRIES` powers from `lowestDbm`
   * on; false, and `nats` is as it was, once none of them can reach `least`. Powers are whole entries apart, so that all share
   * their place between two.
   */
  add(at: number, lowestDbm: number, nats: Float64Array, least: number): boolean {
    const [order, rest, start] = [this.#order, this.#rest, this.#startDbm];
    const [from, entries, table] = [this.#from, this.#entries, this.#table];
    const gainDb = this.#gainDb;
    const n = order.length;
    const row = at * n;
    let [n0, n1, n2, n3, n4, n5] = [nats[0]!, nats[1]!, nats[2]!, nats[3]!, nats[4]!, nats[5]!];
    for (let j = 0; j < n; j++) {
      const x = (lowestDbm + gainDb[row + order[j]!]! - start[j]!) * STEPS_A_DB + TRY_SPAN;
      // Else too weak to matter here, even with the highest power.
      if (x >= 0) {
        const whole = Math.floor(x);
        const share = x - whole;
        const last = from[j]! + entries[j]! - TRY_SPAN - 1;
        let t = from[j]! + whole;
        if (t > last) t = last;
        const a = 2 * t;
        const [b, c, d, e, f] = [a + APART, a + 2 * APART, a + 3 * APART, a + 4 * APART, a + 5 * APART];
        const slopes = table[a + 1]! + table[b + 1]! + table[c + 1]! + table[d + 1]! + table[e + 1]! + table[f + 1]!;
        if (Number.isNaN(slopes)) this.#fill(j, t);
        n0 += table[a]! + share * table[a + 1]!;
        n1 += table[b]! + share * table[b + 1]!;
        n2 += table[c]! + share * table[c + 1]!;
        n3 += table[d]! + share * table[d + 1]!;
        n4 += table[e]! + share * table[e + 1]!;
        n5 += table[f]! + share * table[f + 1]!;
      }
      if (j % LOOK_EVERY !== LOOK_EVERY - 1) continue;
      const short = least - rest[j]!;
      if (n0 < short && n1 < short && n2 < short && n3 < short && n4 < short && n5 < short) return false;
    }
    if (n0 < least && n1 < least && n2 < least && n3 < least && n4 < least && n5 < least) return false;
    nats.set([n0, n1, n2, n3, n4, n5]);
    return true;
  }

  /** Fills what is missing of the entries of all powers, the lowest at t. */
  #fill(j: number, t: number): void {
    const table = this.#table;
    const last = this.#from[j]! + this.#entries[j]! - TRY_SPAN - 1;
    for (let k = 0; k < POWER_TRIES; k++) {
      const at = t + k * TRY_STEPS;
      if (!Number.isNaN(table[2 * at + 1]!)) continue;
      // What is behind the last value is like it.
      const [here, next] = [at < last ? at : last, at < last ? at + 1 : last];
      this.#value(j, here);
      this.#value(j, next);
      table[2 * at] = table[2 * here]!;
      table[2 * at + 1] = table[2 * next]! - table[2 * here]!;
    }
  }

  /** Works out the value of an entry where it is not known. */
  #value(j: number, at: number): void {
    if (!Number.isNaN(this.#table[2 * at]!)) return;
    const i = this.#order[j]!;
    const t = at - this.#from[j]! - TRY_SPAN;
    const before = this.#sum.levelDbm[i]!;
    const total = t < ADDED_DB.length ? before + ADDED_DB[t]! : this.#startDbm[j]! + t / STEPS_A_DB;
    const share = t < SHARE.length ? SHARE[t]! : 1;
    const spread = share * this.#sd + (1 - share) * this.#sum.sdDb[i]!;
    this.#table[2 * at] = sensorNats(this.#levels, i, total, spread) - this.#was[i]!;
  }
}

/** The most that one emitter more of spread `sd` can change at sensor i, nats: a bound. */
function mostOf(levels: Levels, sum: Sum, was: Float64Array, sd: number, i: number): number {
  const least = Math.min(sd, sum.sdDb[i]!);
  if (!Number.isNaN(levels.levelDbm[i]!)) {
    return Math.max(0, logDensity(0, 0, Math.hypot(least, levels.sdDb[i]!)) - was[i]!);
  }
  // More is never likelier not to be heard, unless the spread lets it fall below a floor that the mean is above.
  return sum.levelDbm[i]! < levels.floorDbm[i]! && sum.sdDb[i]! <= sd ? 0 : -was[i]!;
}

/** The row with the best level of each column of a grid. */
const peaks = new WeakMap<SourceGrid, Int32Array>();

function peaksOf(grid: SourceGrid): Int32Array {
  let at = peaks.get(grid);
  if (at === undefined) {
    const n = grid.sensors.length;
    at = new Int32Array(n);
    for (let c = 1; c < grid.size; c++) {
      for (let i = 0; i < n; i++) if (grid.gainDb[c * n + i]! > grid.gainDb[at[i]! * n + i]!) at[i] = c;
    }
    peaks.set(grid, at);
  }
  return at;
}

/**
 * Positions worth a look: those from which one of the sensors that lead the surplus is heard nearly as well as from anywhere, and
 * all outside, where everybody is far from every sensor. Those nearest to them first: what is found there shows at once how bad
 * the others are.
 */
function nearest(grid: SourceGrid, lead: readonly number[]): Int32Array {
  const n = grid.sensors.length;
  const peak = peaksOf(grid);
  const first = new Set(lead.slice(0, NEAR_SENSORS).map((i) => peak[i]!));
  const rows = new Int32Array(grid.size);
  let count = 0;
  for (const c of first) rows[count++] = c;
  for (let c = 0; c < grid.size; c++) {
    if (first.has(c)) continue;
    for (let k = 0; k < lead.length && k < NEAR_SENSORS; k++) {
      const i = lead[k]!;
      if (grid.outside[c] === 0 && grid.gainDb[c * n + i]! < grid.gainDb[peak[i]! * n + i]! - NEAR_DB) continue;
      rows[count++] = c;
      break;
    }
  }
  return rows.subarray(0, count);
}

/**
 * New emitters beside known ones, strongest evidence first, each looked for again once the others are there; at most `most`.
 * A step is one search. `on`: rows where known ones are. The first may be taken for granted (`first`), where somebody must be on.
 */
export function* findAll(
  grid: SourceGrid,
  levels: Levels,
  known: Sum,
  on: readonly number[],
  fadingDb: number,
  birthNats: number,
  first: boolean,
  most: number,
): Generator<void, Found[]> {
  const found: Found[] = [];
  const least = (at: number, others: readonly Found[]): number => {
    const beside = (other: number) => distanceM(grid, at, other) <= WALK_M;
    return birthNats + (on.some(beside) || others.some((f) => beside(f.at)) ? BESIDE_NATS : 0);
  };
  let sum = known;
  while (found.length < most) {
    const granted = first && found.length === 0;
    const next = yield* findNew(grid, levels, sum, fadingDb, granted ? Number.NEGATIVE_INFINITY : birthNats);
    yield;
    if (next === null || (!granted && next.nats < least(next.at, found))) break;
    found.push(next);
    sum = plus(sum, next.source, 0);
  }
  if (found.length < 2 && (found.length === 0 || first)) return found;
  // Whoever came first was fitted to everybody's levels: again, each with the others there.
  for (let k = 0; k < found.length; k++) {
    const others = found.reduce((s, f, j) => (j === k ? s : plus(s, f.source, 0)), known);
    const again = yield* findNew(grid, levels, others, fadingDb, birthNats);
    yield;
    const rest = found.filter((_, j) => j !== k);
    if (again !== null && again.nats >= least(again.at, rest)) found[k] = again;
    else if (found.length > 1 || !first) found.splice(k--, 1);
  }
  return found;
}
