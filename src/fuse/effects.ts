/** What one emitter more would change at every sensor, as tables by how much of it arrives there. */
import { addDbm, BACKGROUND_SD_DB, type Levels, logDensity, type Sum, sensorNats } from "./mixture.ts";

/** Steps of power that are tried around the one that fits the loudest surplus. */
export const LOWEST_TRY_DB = -9;
export const POWER_TRIES = 6;
export const POWER_TRY_STEP_DB = 3;
/** A contribution so far below the rest changes nothing (0.1 dB). */
const NEGLIGIBLE_DB = 16;
/** Steps of the tables of `Effects` a dB: between them values are linear, to 0.01 nats. */
const STEPS_A_DB = 2;
/** So far above what is there and what was heard, a contribution is as wrong as it can be. */
const BEYOND_DB = 64;
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
export class Effects {
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
  /** The place in the order by which a table is filled: of those that share one the first, whoever is looked at first. */
  readonly #owner: Int32Array;
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
    this.#owner = new Int32Array(n);
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
      if (alike && untouched < 0) untouched = j;
      this.#owner[j] = alike ? untouched : j;
      this.#from[j] = this.#owner[j] === j ? size : this.#from[untouched]!;
      if (this.#owner[j] === j) size += this.#entries[j]!;
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
    const owner = this.#owner[j]!;
    const i = this.#order[owner]!;
    const t = at - this.#from[j]! - TRY_SPAN;
    const before = this.#sum.levelDbm[i]!;
    const total = t < ADDED_DB.length ? before + ADDED_DB[t]! : this.#startDbm[owner]! + t / STEPS_A_DB;
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
