/**
 * Density of one observation at every candidate position: the inner loop of the localiser.
 *
 * Levels given a position are normal with one covariance for all positions of a class: C + v 11', C errors and shadowing, v the
 * variance of the power. One Cholesky factor L of C a class whitens residuals r and ones, z = L^-1 r and u = L^-1 1, and by
 * Sherman and Morrison r' (C + v 11')^-1 r = z'z - (u'z)^2 v / (1 + v u'u). Without the power, which all sensors share, what a
 * sensor adds depends on few others, its neighbours, and the rest of its row of L is left out (`LITTLE`).
 *
 * Three more things keep it small: positions are looked at a patch at a time, one in its middle first, and only patches near the
 * best are done whole (`PATCH_NATS`); the square only grows as sensors are taken in, loudest first, so that a position is
 * given up once it is `DEPTH_NATS` behind the best; sixteen places go through a factor side by side (`whitener.ts`).
 */
import { cholesky } from "./linalg.ts";
import type { Patches } from "./patches.ts";
import { Unheard } from "./unheard.ts";
import { GROUP, type HeldGains, Whitener } from "./whitener.ts";

/** Rounding adds an error of 0.005 dB (step / sqrt(12)) beside a shadowing of several dB; the range is 512 dB. */
export const GAIN_STEP_DB = 1 / 64;
/**
 * Positions this far behind the best one are told apart no more: they get the value at this depth. All of a million of them
 * together hold less than 0.2 % of the mass.
 */
export const DEPTH_NATS = 20;
/** Patches whose middle is this far behind the best keep the value of their middle for all positions. */
export const PATCH_NATS = 10;
const SEEDS = 4;
/** Positions between two pauses: about a millisecond with 64 sensors. */
const POSITIONS_A_STEP = 512;
/**
 * Entries of a factor below this share of their row's diagonal are left out. Each moves a whitened residual by so much of another
 * one, which are about 1 where a position fits: a few hundredths of a nat over 64 sensors.
 */
const LITTLE = 1e-3;
const LOG_2PI = Math.log(2 * Math.PI);
/**
 * Where few heard, the power is known to 8 dB, and all silences depend on that one power: they are asked at four powers (Gauss and Hermite;
 * places in spreads, weights), from the lowest on. At the mean alone they said 2 to 6 nats too much (rms) and up to 17; four are
 * right to 0.03 to 0.1, three to 0.3.
 */
const POWERS = [-2.3344142183389773, -0.7419637843027259, 0.7419637843027259, 2.3344142183389773] as const;
const POWER_P = [0.04587585476806852, 0.4541241452319315, 0.4541241452319315, 0.04587585476806852] as const;
const POWER_LOGS = POWER_P.map(Math.log);
/** Of the powers from each on, log of their weights together. */
const LEFT_LOGS = POWER_P.map((_, q) => Math.log(POWER_P.slice(q).reduce((sum, p) => sum + p, 0)));
/** The louder powers are left out once they add less than this to the logarithm. */
const LITTLE_LOG = Math.log(0.01);
/** What silence's tables allow for the power, dB. */
export const SILENCE_POWER_DB = 2;
/** A power is known where it moves no table by as much as this, dB. */
const KNOWN_POWER_DB = 2;

/** What is expected at each candidate. */
export interface Expectation {
  /** Expected gain, row a candidate, in units of `GAIN_STEP_DB`. */
  readonly gain: Int16Array;
  /** Length of a row of `gain`. */
  readonly sensors: number;
  /** Candidates by how sure their levels are: class of each, and the classes' variances, dB^2. */
  readonly classOf: Uint8Array;
  readonly classVariance: readonly number[];
  /** Factors by which all variances may be larger than stated, the stated ones (1) among them, all equally likely. */
  readonly scales: readonly number[];
  /** Correlation of shadowing between sensors, sensors by sensors. */
  readonly correlation: Float64Array;
  readonly patches: Patches;
  /** Candidate with the highest gain to each sensor. */
  readonly nearest: Int32Array;
}

/** Levels of the sensors that heard, loudest first. */
export interface Heard {
  /** Columns of `gain`. */
  readonly sensor: ArrayLike<number>;
  /** dBm. */
  readonly level: ArrayLike<number>;
  /** Covariance of the levels' errors, n by n, dB^2. */
  readonly covariance: Float64Array;
}

/** Log probability of silence against the expected level less the sensor's floor. */
export interface SilenceTable {
  /** Level of the first value; below it silence is as likely as it can be. */
  readonly fromDb: number;
  /** Values a dB apart; beyond the last one they stay. */
  readonly log: Float64Array;
}

/** A sensor that heard nothing. */
export interface Silent {
  readonly sensor: number;
  readonly floorDbm: number;
  readonly table: SilenceTable;
  /** Factor on the logarithm. */
  readonly looks: number;
}

/** Scratch space for as many sensors as were ever needed at once; one observation at a time. */
export class Density {
  /** Sensors of the observation at hand. */
  #n = 0;
  #factor = new Float64Array(0);
  readonly #whitener: Whitener;
  #held: HeldGains = { at: 0, strideBytes: 0 };
  #constant = new Float64Array(0);
  /** By scale: what a square counts, and the logs of determinant and probability. */
  #shrink = new Float64Array(1);
  #scaleLog = new Float64Array(1);
  /** Square from which on a position is out, a class. */
  #limit = new Float64Array(0);
  /** Spread of the power beyond what silence's tables allow for, a class, dB; 0 where it is known well enough. */
  #powerSd = new Float64Array(0);
  readonly #unheard: Unheard;
  #list = new Int32Array(0);
  #byClass = new Int32Array(0);
  #top = 0;

  /** `plain`: without WebAssembly, whatever the host has. */
  constructor(plain = false) {
    this.#whitener = new Whitener(GAIN_STEP_DB, plain);
    this.#unheard = new Unheard(plain);
  }

  /**
   * Writes the log density of the observation at each candidate over `out`: exact in patches whose middle is within
   * `PATCH_NATS` of the best, that of the middle in others, never less than the best less `DEPTH_NATS`. `powerDbm`, where
   * given, receives the power's posterior mean at each candidate (of positions given up, that by the sensors looked at);
   * returned is its variance, of the surest class. `staticFactor` multiplies the variance of shadowing.
   *
   * Units: nats, of a density in dB. Cost: n^3 / 6 a class; for each patch and each position of the patches near the best as many
   * multiplications as a factor has entries, in steps of `POSITIONS_A_STEP`, between which no other observation may be begun. Throws where the covariance is not positive definite.
   */
  *evaluate(
    e: Expectation,
    power: { readonly meanDbm: number; readonly sdDb: number },
    heard: Heard,
    silent: readonly Silent[],
    staticFactor: number,
    out: Float64Array,
    powerDbm: Float64Array | null,
  ): Generator<void, number> {
    const power2 = power.sdDb * power.sdDb;
    const { middle, order, placeOf, patchOf } = e.patches;
    this.#reserve(e, heard, power.meanDbm);
    this.#rescale(e.scales);
    let left2 = Number.POSITIVE_INFINITY;
    e.classVariance.forEach((v, k) => {
      const own2 = this.#whiten(e, heard, k, v * staticFactor, power2);
      const beyond = Math.sqrt(Math.max(0, own2 - SILENCE_POWER_DB * SILENCE_POWER_DB));
      this.#powerSd[k] = beyond > KNOWN_POWER_DB ? beyond : 0;
      left2 = Math.min(left2, own2);
    });
    this.#unheard.begin(silent, e.sensors, e.patches);
    yield;
    const sweep = (count: number): Generator<void, void> => this.#sweep(e, power.meanDbm, count, out, powerDbm);
    // A good position first, so that bad ones are known as such at once: those near the loudest sensors.
    const seeds = Math.min(heard.sensor.length, SEEDS);
    for (let i = 0; i < seeds; i++) this.#list[i] = placeOf[e.nearest[heard.sensor[i]!]!]!;
    yield* sweep(seeds);
    for (let p = 0; p < middle.length; p++) this.#list[p] = p;
    yield* sweep(middle.length);
    const near = this.#top - PATCH_NATS;
    let count = 0;
    for (let place = middle.length; place < order.length; place++) {
      const m = middle[patchOf[place]!]!;
      if (out[m]! >= near) this.#list[count++] = place;
      else {
        out[order[place]!] = out[m]!;
        if (powerDbm !== null) powerDbm[order[place]!] = powerDbm[m]!;
      }
    }
    yield* sweep(count);
    const least = this.#top - DEPTH_NATS;
    for (let c = 0; c < out.length; c++) if (out[c]! < least) out[c] = least;
    return left2;
  }

  #reserve(e: Expectation, heard: Heard, meanDbm: number): void {
    const n = heard.sensor.length;
    const classes = e.classVariance.length;
    const size = Math.max(e.classOf.length, SEEDS);
    this.#n = n;
    if (this.#factor.length < n * n) this.#factor = new Float64Array(n * n);
    this.#held = this.#whitener.hold(e.gain, e.sensors, e.patches.order);
    this.#whitener.begin(n, classes);
    if (this.#constant.length < classes) this.#constant = new Float64Array(classes);
    if (this.#limit.length < classes) {
      this.#limit = new Float64Array(classes);
      this.#powerSd = new Float64Array(classes);
    }
    if (this.#list.length < size) {
      this.#list = new Int32Array(size);
      this.#byClass = new Int32Array(size);
    }
    for (let i = 0; i < n; i++) {
      this.#whitener.set(i, heard.level[i]! - meanDbm, heard.sensor[i]!, this.#held);
    }
    this.#top = Number.NEGATIVE_INFINITY;
    this.#limit.fill(Number.POSITIVE_INFINITY);
  }

  /**
   * Cholesky factor of class k's covariance without the power: error + shadowing. Returned is the power's posterior variance, of
   * which u'u decides.
   */
  #whiten(e: Expectation, heard: Heard, k: number, shadow2: number, power2: number): number {
    const n = this.#n;
    const factor = this.#factor;
    for (let i = 0; i < n; i++) {
      const row = heard.sensor[i]! * e.sensors;
      for (let j = 0; j <= i; j++) {
        factor[i * n + j] = heard.covariance[i * n + j]! + shadow2 * e.correlation[row + heard.sensor[j]!]!;
      }
    }
    if (!cholesky(factor, n)) throw new Error("covariance of the observation is not positive definite");
    const { logRoot, ones2 } = this.#whitener.add(factor, power2, LITTLE);
    this.#constant[k] = -logRoot - Math.log1p(power2 * ones2) / 2 - (n / 2) * LOG_2PI;
    return power2 / (1 + power2 * ones2);
  }

  /** Takes the first `count` positions of the list. */
  *#sweep(
    e: Expectation,
    meanDbm: number,
    count: number,
    out: Float64Array,
    powerDbm: Float64Array | null,
  ): Generator<void, void> {
    const list = this.#sorted(e, count);
    for (let from = 0; from < count; from += POSITIONS_A_STEP) {
      if (from > 0) yield;
      this.#take(e, meanDbm, list, from, Math.min(count, from + POSITIONS_A_STEP), out, powerDbm);
    }
  }

  /** Takes some positions of a list, `GROUP` of a class at a time. */
  #take(
    e: Expectation,
    meanDbm: number,
    list: Int32Array,
    from: number,
    count: number,
    out: Float64Array,
    powerDbm: Float64Array | null,
  ): void {
    const { order } = e.patches;
    for (let at = from; at < count; ) {
      const k = e.classOf[order[list[at]!]!]!;
      let end = at + 1;
      while (end < count && end < at + GROUP && e.classOf[order[list[end]!]!] === k) end++;
      this.#whitener.run(k, this.#limit[k]!, this.#held, list, at, end);
      const { squares, moved } = this.#whitener;
      for (let q = 0; at < end; at++, q++) {
        const c = order[list[at]!]!;
        const emitted = meanDbm + moved[q]!;
        if (powerDbm !== null) powerDbm[c] = emitted;
        const square = squares[q]!;
        // The depth is brought in at the end, when the best is known.
        if (square > this.#limit[k]!) out[c] = Number.NEGATIVE_INFINITY;
        else {
          const log = this.#silence(
            e,
            list[at]!,
            emitted,
            this.#powerSd[k]!,
            this.#constant[k]! + this.#exponent(square),
          );
          out[c] = log;
          if (log > this.#top) this.#raise(log);
        }
      }
    }
  }

  /** The list's first `count` positions, those of a class together. */
  #sorted(e: Expectation, count: number): Int32Array {
    const classes = e.classVariance.length;
    if (classes === 1) return this.#list;
    const next = new Int32Array(classes + 1);
    const { order } = e.patches;
    for (let i = 0; i < count; i++) next[e.classOf[order[this.#list[i]!]!]! + 1]!++;
    for (let k = 1; k < classes; k++) next[k]! += next[k - 1]!;
    for (let i = 0; i < count; i++) {
      const place = this.#list[i]!;
      this.#byClass[next[e.classOf[order[place]!]!]!++] = place;
    }
    return this.#byClass;
  }

  /** Adds to `log` that all silent sensors hear nothing of a place; -Infinity once it is out of depth. */
  #silence(e: Expectation, place: number, emittedDbm: number, sdDb: number, log: number): number {
    const unheard = this.#unheard;
    const before = log + unheard.quiet;
    const least = this.#top - DEPTH_NATS - before;
    if (least > 0) return Number.NEGATIVE_INFINITY;
    if (unheard.count === 0) return before;
    if (sdDb === 0) {
      const sum = this.#silenceAt(e, place, emittedDbm, least);
      return sum < least ? Number.NEGATIVE_INFINITY : before + sum;
    }
    // The lower the power the likelier is silence: what the lowest can't bring is out.
    let mean = Number.NEGATIVE_INFINITY;
    for (let q = 0; q < POWERS.length; q++) {
      const worth = Math.max(least, mean + LITTLE_LOG - LEFT_LOGS[q]!);
      const sum = this.#silenceAt(e, place, emittedDbm + POWERS[q]! * sdDb, worth);
      if (sum < worth) break;
      mean = logAdd(mean, POWER_LOGS[q]! + sum);
    }
    return mean < least ? Number.NEGATIVE_INFINITY : before + mean;
  }

  /** Of silence at one power: at most 0; anything below `least` where it is less than that. */
  #silenceAt({ gain, sensors, patches }: Expectation, place: number, emittedDbm: number, least: number): number {
    const unheard = this.#unheard;
    let sum = Number.NaN;
    // Few silent ones lie behind many that heard in the order of loudness.
    if (place < patches.middle.length && 2 * unheard.count > sensors) {
      sum = unheard.ofMiddle(patches, place, sensors, emittedDbm, least);
    }
    return Number.isNaN(sum) ? unheard.of(gain, patches.order[place]! * sensors, emittedDbm, least) : sum;
  }

  /** All but the power's variance may be larger by these factors; one degree of freedom goes to the power. */
  #rescale(scales: readonly number[]): void {
    const m = scales.length;
    if (this.#shrink.length !== m) {
      this.#shrink = new Float64Array(m);
      this.#scaleLog = new Float64Array(m);
    }
    scales.forEach((scale, j) => {
      this.#shrink[j] = 1 / (2 * scale);
      this.#scaleLog[j] = (-Math.max(0, this.#n - 1) / 2) * Math.log(scale) - Math.log(m);
    });
  }

  /** Log of the mean over the scales of what a square makes of a density. */
  #exponent(square: number): number {
    const m = this.#shrink.length;
    if (m === 1) return this.#scaleLog[0]! - this.#shrink[0]! * square;
    let top = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < m; j++) {
      const log = this.#scaleLog[j]! - this.#shrink[j]! * square;
      if (log > top) top = log;
    }
    let sum = 0;
    for (let j = 0; j < m; j++) sum += Math.exp(this.#scaleLog[j]! - this.#shrink[j]! * square - top);
    return top + Math.log(sum);
  }

  /** A new best position: the others must come near it. */
  #raise(top: number): void {
    this.#top = top;
    const depth = DEPTH_NATS + Math.log(this.#shrink.length);
    for (let k = 0; k < this.#constant.length; k++) {
      const over = this.#constant[k]! - top + depth;
      let most = 0;
      for (let j = 0; j < this.#shrink.length; j++) {
        most = Math.max(most, (over + this.#scaleLog[j]!) / this.#shrink[j]!);
      }
      this.#limit[k] = most;
    }
  }
}

/** Log of a sum of two, each told by its log. */
function logAdd(a: number, b: number): number {
  const [hi, lo] = a > b ? [a, b] : [b, a];
  return lo === Number.NEGATIVE_INFINITY ? hi : hi + Math.log1p(Math.exp(lo - hi));
}
