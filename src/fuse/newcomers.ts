/**
 * Emitters that nobody knew: where in the house, and how strong, explains best what a sum of known ones leaves over. The evidence
 * for one more is its likelihood with place and power integrated out against the likelihood without it.
 */
import { addDbm, type Levels, LN_SQRT_2PI, logDensity, plus, type Source, type Sum, sensorNats } from "./mixture.ts";
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
const POWER_TRIES_DB = [-9, -6, -3, 0, 3, 6];
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
 * @param leastNats nothing is looked for where a perfect explanation would bring less
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
  const effects = new Effects(levels, sum, was, sd);
  const rows = nearest(grid, lead);
  const tries = new Float64Array(rows.length * POWER_TRIES_DB.length).fill(Number.NEGATIVE_INFINITY);
  let best = { at: -1, powerDbm: 0, nats: Number.NEGATIVE_INFINITY };
  const fits = new Float64Array(lead.length);
  const spread = -LN_SQRT_2PI - Math.log(grid.powerSdDb) + Math.log(POWER_TRY_STEP_DB);
  for (let r = 0; r < rows.length; r++) {
    const c = rows[r]!;
    const row = c * n;
    for (let k = 0; k < lead.length; k++) fits[k] = levels.levelDbm[lead[k]!]! - grid.gainDb[row + lead[k]!]!;
    fits.sort();
    const centre = fits[(fits.length - 1) >> 1]!;
    if (r % ROWS_A_STEP === ROWS_A_STEP - 1) yield;
    for (let k = 0; k < POWER_TRIES_DB.length; k++) {
      const power = centre + POWER_TRIES_DB[k]!;
      const z = (power - grid.powerDbm) / grid.powerSdDb;
      const prior = grid.logPrior[c]! - 0.5 * z * z + spread;
      const nats = effects.of(grid.gainDb, row, power, prior, best.nats - DEPTH_NATS);
      tries[r * POWER_TRIES_DB.length + k] = nats;
      if (nats > best.nats) best = { at: c, powerDbm: power, nats };
    }
  }
  if (best.at < 0) return null;
  let mass = 0;
  for (let t = 0; t < tries.length; t++) mass += Math.exp(tries[t]! - best.nats);
  const levelDbm = new Float64Array(n);
  for (let i = 0; i < n; i++) levelDbm[i] = best.powerDbm + grid.gainDb[best.at * n + i]!;
  const source: Source = { levelDbm, sdDb: new Float64Array(n).fill(sd), logOn: 0, certain: false, at: best.at };
  // Against the best fit, what place and power cost is what the others of the same kind leave of the mass.
  const z = (best.powerDbm - grid.powerDbm) / grid.powerSdDb;
  const price = -(grid.logPrior[best.at]! - 0.5 * z * z + spread + Math.log(mass));
  return { at: best.at, powerDbm: best.powerDbm, nats: best.nats + Math.log(mass), price, source };
}

const LN10_10 = Math.LN10 / 10;

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
/** Sensors between two looks at whether a try is still in. */
const LOOK_EVERY = 8;

/**
 * What one emitter more would change at each sensor, nats, by how much of it arrives there: a table a sensor, filled where it is
 * looked at. Sensors that have most to gain come first, so that the rest bounds what a try can still reach.
 */
class Effects {
  readonly #levels: Levels;
  readonly #sum: Sum;
  readonly #was: Float64Array;
  readonly #sd: number;
  /** Sensors in the order in which they are asked, and the most that all after each can bring. */
  readonly #order: Int32Array;
  readonly #rest: Float64Array;
  /** Level of a table's first value, and where each table begins; by place in the order. */
  readonly #startDbm: Float64Array;
  readonly #from: Int32Array;
  readonly #table: Float64Array;

  constructor(levels: Levels, sum: Sum, was: Float64Array, sd: number) {
    const n = was.length;
    this.#levels = levels;
    this.#sum = sum;
    this.#was = was;
    this.#sd = sd;
    const most = Float64Array.from(was, (_, i) => mostOf(levels, sum, was, sd, i));
    this.#order = Int32Array.from(was, (_, i) => i).sort((a, b) => most[b]! - most[a]! || a - b);
    this.#rest = new Float64Array(n);
    for (let j = n - 2; j >= 0; j--) this.#rest[j] = this.#rest[j + 1]! + most[this.#order[j + 1]!]!;
    this.#startDbm = new Float64Array(n);
    this.#from = new Int32Array(n + 1);
    for (let j = 0; j < n; j++) {
      const i = this.#order[j]!;
      const before = sum.levelDbm[i]!;
      const level = levels.levelDbm[i]!;
      const spanDb = NEGLIGIBLE_DB + Math.max(0, Number.isNaN(level) ? 0 : level - before) + BEYOND_DB;
      this.#startDbm[j] = before - NEGLIGIBLE_DB;
      this.#from[j + 1] = this.#from[j]! + Math.ceil(spanDb * STEPS_A_DB) + 1;
    }
    this.#table = new Float64Array(this.#from[n]!).fill(Number.NaN);
  }

  /**
   * `prior` and what the sensors say of an emitter of that power at a row of gains (an index into `gainDb`), nats; -Infinity once it
   * can't reach `least`.
   */
  of(gainDb: Float32Array, row: number, powerDbm: number, prior: number, least: number): number {
    const [order, rest, start, from, table] = [this.#order, this.#rest, this.#startDbm, this.#from, this.#table];
    const n = order.length;
    let nats = prior;
    for (let j = 0; j < n; j++) {
      const over = powerDbm + gainDb[row + order[j]!]! - start[j]!;
      if (over >= 0) {
        const first = from[j]!;
        const last = from[j + 1]! - 2;
        const x = over * STEPS_A_DB;
        let at = first + (x | 0);
        let share = x - (x | 0);
        if (at > last) [at, share] = [last, 1];
        let a = table[at]!;
        let b = table[at + 1]!;
        if (Number.isNaN(a)) a = this.#fill(j, at);
        if (Number.isNaN(b)) b = this.#fill(j, at + 1);
        nats += a + share * (b - a);
      }
      if (j % LOOK_EVERY === LOOK_EVERY - 1 && nats + rest[j]! < least) return Number.NEGATIVE_INFINITY;
    }
    return nats;
  }

  #fill(j: number, at: number): number {
    const i = this.#order[j]!;
    const before = this.#sum.levelDbm[i]!;
    const adds = this.#startDbm[j]! + (at - this.#from[j]!) / STEPS_A_DB;
    const total = addDbm(before, adds);
    const share = Math.exp((adds - total) * LN10_10);
    const spread = share * this.#sd + (1 - share) * this.#sum.sdDb[i]!;
    const nats = sensorNats(this.#levels, i, total, spread) - this.#was[i]!;
    this.#table[at] = nats;
    return nats;
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
