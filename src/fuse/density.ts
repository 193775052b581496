/**
 * Density of one observation at every candidate position: the inner loop of the localiser.
 *
 * Levels given a position are normal with one covariance C for all positions of a class. Sensors are taken loudest first, and
 * each is predicted from those before it that are nearest to it (`NEIGHBOURS`; Vecchia 1988): with shadowing that decorrelates
 * over a few metres the others add next to nothing, and whitening residuals r = y - mu - g(p) to z costs n times a few instead of
 * n^2 / 2. Where errors are correlated by themselves (bursts), all before it count, which is Cholesky's factor, exactly.
 *
 * The power, normal and common to all sensors, is integrated out: with w the whitened ones and a = 1 / s^2 + w'w every product
 * x'y of whitened vectors becomes x'y - (x'w)(y'w) / a. Where gains come from a plan, its losses are in doubt as a whole:
 * g(p) = g0(p) + f u(p) + h v(p), u the loss of walls and slabs, v that of distance, f and h normal and integrated out likewise:
 * with U = [u v] and A = S^-2 + U'U the square z'z loses (U'z)' A^-1 (U'z) and the log density log |S A S| / 2; u and v are those
 * of the middle of a larger patch. And the spread of shadowing itself is known from other buildings only, so that levels have Student's t
 * distribution: -(nu + n) / 2 log(1 + square / nu) takes the place of -square / 2.
 *
 * Positions are looked at a patch at a time, one in its middle first, and only patches near the best are done whole
 * (`PATCH_NATS`). Squares grow as sensors are taken in, so that a position is given up once it is `DEPTH_NATS` behind the best.
 * Four positions go side by side, since one alone waits for its own sums.
 */
import { backSolve, cholesky, forwardSolve } from "./linalg.ts";
import type { Patches } from "./patches.ts";

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
/** Terms of a group's doubt: the inverse of A (three), products with the whitened ones (two), log |S A S| / 2, (U'w)' A^-1 U'w. */
const TERMS = 7;
/** Sensors that each one is predicted from. */
export const NEIGHBOURS = 6;
/** Sensors between two looks at whether positions are still in. */
const LOOK_EVERY = 8;
const LOG_2PI = Math.log(2 * Math.PI);
const NOT_POSITIVE = "covariance of the observation is not positive definite";

/** What is expected at each candidate. */
export interface Expectation {
  /** Expected gain, row a candidate, in units of `GAIN_STEP_DB`. */
  readonly gain: Int16Array;
  /** Length of a row of `gain`. */
  readonly sensors: number;
  /** Candidates by how sure their levels are: class of each, and the classes' variances, dB^2. */
  readonly classOf: Uint8Array;
  readonly classVariance: readonly number[];
  /** Correlation of shadowing between sensors, sensors by sensors. */
  readonly correlation: Float64Array;
  /** Variance of a sensor's constant offset, the same wherever the emitter is, dB^2. */
  readonly offsetVariance: number;
  /** Doubt about the plan, for candidates of one class only; null where labelled points have settled it. */
  readonly doubt: Doubt | null;
  readonly patches: Patches;
  /** Patch whose middle has the highest gain to each sensor. */
  readonly nearest: Int32Array;
}

/** How far losses taken from a plan may be off as a whole. */
export interface Doubt {
  /** Loss of walls and slabs, as `gain`, in units of `OBSTACLE_STEP_DB`. */
  readonly obstacle: Uint8Array;
  /** Standard deviation of the factor on that loss, and of the one on the rest, which distance takes. */
  readonly obstacleSd: number;
  readonly distanceSd: number;
  /** Degrees of freedom of the shadowing's variance. */
  readonly freedom: number;
  /** Larger patches, in which the directions of doubt are taken to be those of the middle. */
  readonly groups: Patches;
}

/** The range is 510 dB, as that of gains; rounding moves a direction of doubt by 0.6 dB of its tens. */
export const OBSTACLE_STEP_DB = 2;

/** Levels of the sensors that heard, loudest first. */
export interface Heard {
  /** Columns of `gain`. */
  readonly sensor: ArrayLike<number>;
  /** dBm. */
  readonly level: ArrayLike<number>;
  /** Covariance of the levels' errors, n by n, dB^2. */
  readonly covariance: Float64Array;
  /** Whether all before a sensor predict it: where errors of different sensors are correlated. */
  readonly whole: boolean;
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
  /** What each sensor is predicted from: `neighbour[start[i] ..]`, and the weights, a class after the other. */
  #start = new Int32Array(0);
  #neighbour = new Int32Array(0);
  #weight = new Float64Array(0);
  /** Inverse spread around the prediction, the whitened ones, and a with the sensors up to each, class by class. */
  #inverse = new Float64Array(0);
  #ones = new Float64Array(0);
  #precision = new Float64Array(0);
  #base = new Float64Array(0);
  #column = new Int32Array(0);
  /** Residuals of four positions, sensor by sensor, and the same whitened. */
  #r = new Float64Array(0);
  #z = new Float64Array(0);
  /** Likewise the directions of doubt, four groups after four groups, and what only they decide, `TERMS` a group. */
  #u = new Float64Array(0);
  #v = new Float64Array(0);
  #terms = new Float64Array(0);
  #constant = new Float64Array(0);
  /** Square from which on a position is out, a class. */
  #limit = new Float64Array(0);
  /** Column and least audible level of each silent sensor, and what their silence gives where none is audible. */
  #silentColumn = new Int32Array(0);
  #audibleDbm = new Float64Array(0);
  #looks = new Float64Array(0);
  #tables: Float64Array[] = [];
  #silentCount = 0;
  #quiet = 0;
  #list = new Int32Array(0);
  #byClass = new Int32Array(0);
  #top = 0;
  /** Variance of the power at the best. */
  #left2 = 0;
  #lasting = 1;
  #freedom = Number.POSITIVE_INFINITY;
  readonly #squares = new Float64Array(4);
  readonly #along = new Float64Array(4);
  /** Inverse variance of the power before anything was heard. */
  #prior = 0;
  /** a of the sensors that the four were taken through. */
  #reached = 0;
  /** Posterior means of the two doubts. */
  readonly #first = new Float64Array(4);
  readonly #second = new Float64Array(4);

  /**
   * Writes the log density of the observation at each candidate over `out`: exact in patches whose middle is within
   * `PATCH_NATS` of the best, that of the middle in others, never less than the best less `DEPTH_NATS`. `powerDbm`, where
   * given, receives the power's posterior mean at each candidate (of positions given up, that by the sensors looked at);
   * returned is its variance at the best. `staticFactor` multiplies the variance of shadowing, `lastingFactor` what doesn't
   * change with the emitter's place: offsets and doubts of the plan.
   *
   * Units: nats, of a density in dB. Cost: n * NEIGHBOURS multiplications (n^2 / 2 where errors are correlated), thrice where the
   * plan is in doubt, for each patch and each position of the patches near the best. Throws where the covariance is not positive definite.
   */
  evaluate(
    e: Expectation,
    power: { readonly meanDbm: number; readonly sdDb: number },
    heard: Heard,
    silent: readonly Silent[],
    staticFactor: number,
    lastingFactor: number,
    out: Float64Array,
    powerDbm: Float64Array | null,
  ): number {
    const power2 = power.sdDb * power.sdDb;
    const { middle, from, member } = e.patches;
    this.#lasting = lastingFactor;
    this.#left2 = power2;
    this.#prior = 1 / power2;
    this.#reserve(heard, power.meanDbm, e.classVariance.length, out.length);
    this.#chooseNeighbours(e, heard);
    e.classVariance.forEach((v, k) => {
      this.#whiten(e, heard, k, v * staticFactor, power2);
    });
    this.#listen(silent);
    const sweep = (count: number): void => this.#sweep(e, power.meanDbm, count, out, powerDbm);
    if (e.doubt !== null) {
      if (e.classVariance.length !== 1) throw new Error("a plan in doubt has one class of candidates");
      this.#direct(e, e.doubt);
    }
    // A good position first, so that bad ones are known as such at once: those near the loudest sensors.
    const seeds = Math.min(heard.sensor.length, SEEDS);
    for (let i = 0; i < seeds; i++) this.#list[i] = middle[e.nearest[heard.sensor[i]!]!]!;
    sweep(seeds);
    this.#list.set(middle);
    sweep(middle.length);
    const near = this.#top - PATCH_NATS;
    let count = 0;
    for (let p = 0; p < middle.length; p++) {
      const m = middle[p]!;
      const value = out[m]!;
      const whole = value >= near;
      for (let k = from[p]!; k < from[p + 1]!; k++) {
        const c = member[k]!;
        if (c === m) continue;
        if (whole) {
          this.#list[count++] = c;
          continue;
        }
        out[c] = value;
        if (powerDbm !== null) powerDbm[c] = powerDbm[m]!;
      }
    }
    sweep(count);
    const least = this.#top - DEPTH_NATS;
    for (let c = 0; c < out.length; c++) if (out[c]! < least) out[c] = least;
    return this.#left2;
  }

  #reserve(heard: Heard, meanDbm: number, classes: number, size: number): void {
    const n = heard.sensor.length;
    this.#n = n;
    if (this.#ones.length < n * classes) {
      this.#ones = new Float64Array(n * classes);
      this.#inverse = new Float64Array(n * classes);
      this.#precision = new Float64Array(n * classes);
    }
    if (this.#start.length <= n) this.#start = new Int32Array(n + 1);
    if (this.#base.length < n) {
      this.#base = new Float64Array(n);
      this.#column = new Int32Array(n);
      this.#r = new Float64Array(4 * n);
      this.#z = new Float64Array(4 * n);
    }
    if (this.#constant.length < classes) this.#constant = new Float64Array(classes);
    if (this.#limit.length < classes) this.#limit = new Float64Array(classes);
    if (this.#list.length < size) {
      this.#list = new Int32Array(size);
      this.#byClass = new Int32Array(size);
    }
    for (let i = 0; i < n; i++) {
      this.#base[i] = heard.level[i]! - meanDbm;
      this.#column[i] = heard.sensor[i]!;
    }
    this.#first.fill(0);
    this.#second.fill(0);
    this.#top = Number.NEGATIVE_INFINITY;
    this.#limit.fill(Number.POSITIVE_INFINITY);
  }

  #listen(silent: readonly Silent[]): void {
    const count = silent.length;
    this.#silentCount = count;
    if (this.#silentColumn.length < count) {
      this.#silentColumn = new Int32Array(count);
      this.#audibleDbm = new Float64Array(count);
      this.#looks = new Float64Array(count);
      this.#tables = new Array(count);
    }
    this.#quiet = 0;
    silent.forEach(({ sensor, floorDbm, table, looks }, s) => {
      this.#silentColumn[s] = sensor;
      this.#audibleDbm[s] = floorDbm + table.fromDb;
      this.#looks[s] = looks;
      this.#tables[s] = table.log;
      this.#quiet += looks * table.log[0]!;
    });
  }

  /** For each sensor those before it that are nearest, or all. */
  #chooseNeighbours(e: Expectation, heard: Heard): void {
    const n = this.#n;
    const [start, column] = [this.#start, this.#column];
    const most = heard.whole ? n : NEIGHBOURS;
    for (let i = 0; i < n; i++) start[i + 1] = start[i]! + Math.min(i, most);
    const total = start[n]!;
    if (this.#neighbour.length < total) this.#neighbour = new Int32Array(total);
    const weights = total * e.classVariance.length;
    if (this.#weight.length < weights) this.#weight = new Float64Array(weights);
    const { correlation } = e;
    const chosen = this.#neighbour;
    for (let i = 0; i < n; i++) {
      const row = column[i]! * e.sensors;
      const from = start[i]!;
      let count = 0;
      for (let j = 0; j < i; j++) {
        if (heard.whole) {
          chosen[from + j] = j;
          continue;
        }
        const r = correlation[row + column[j]!]!;
        let at = count;
        if (count < most) count++;
        else if (r <= correlation[row + column[chosen[from + most - 1]!]!]!) continue;
        else at = most - 1;
        for (; at > 0 && correlation[row + column[chosen[from + at - 1]!]!]! < r; at--) {
          chosen[from + at] = chosen[from + at - 1]!;
        }
        chosen[from + at] = j;
      }
    }
  }

  /** Weights and spreads of class k's predictions. The covariance is error + offsets + shadowing; power is taken out later. */
  #whiten(e: Expectation, heard: Heard, k: number, shadow2: number, power2: number): void {
    const n = this.#n;
    const [start, column] = [this.#start, this.#column];
    const offset2 = e.offsetVariance * this.#lasting;
    const covariance = (i: number, j: number): number =>
      heard.covariance[i * n + j]! +
      shadow2 * e.correlation[column[i]! * e.sensors + column[j]!]! +
      (i === j ? offset2 : 0);
    const base = k * start[n]!;
    if (heard.whole) this.#predictFromAll(covariance, base, k);
    else this.#predictFromFew(covariance, base, k);
    let precision = 1 / power2;
    let logSpread = 0;
    for (let i = 0; i < n; i++) {
      let one = 1;
      for (let a = start[i]!; a < start[i + 1]!; a++) one -= this.#weight[base + a]!;
      const inverse = this.#inverse[k * n + i]!;
      one *= inverse;
      precision += one * one;
      logSpread -= Math.log(inverse);
      this.#ones[k * n + i] = one;
      this.#precision[k * n + i] = precision;
    }
    this.#constant[k] = -logSpread - Math.log(precision * power2) / 2 - (n / 2) * LOG_2PI;
    this.#freedom = e.doubt?.freedom ?? Number.POSITIVE_INFINITY;
    if (e.doubt !== null) this.#constant[k]! += logTails(n, e.doubt.freedom);
  }

  /** Each sensor from its neighbours: a small system each. */
  #predictFromFew(covariance: (i: number, j: number) => number, base: number, k: number): void {
    const n = this.#n;
    const [start, neighbour] = [this.#start, this.#neighbour];
    const block = new Float64Array(NEIGHBOURS * NEIGHBOURS);
    const right = new Float64Array(NEIGHBOURS);
    for (let i = 0; i < n; i++) {
      const from = start[i]!;
      const count = start[i + 1]! - from;
      for (let a = 0; a < count; a++) {
        right[a] = covariance(i, neighbour[from + a]!);
        for (let b = 0; b <= a; b++) block[a * count + b] = covariance(neighbour[from + a]!, neighbour[from + b]!);
      }
      if (!cholesky(block, count)) throw new Error(NOT_POSITIVE);
      let spread2 = covariance(i, i);
      forwardSolve(block, count, right);
      for (let a = 0; a < count; a++) spread2 -= right[a]! * right[a]!;
      if (!(spread2 > 0)) throw new Error(NOT_POSITIVE);
      backSolve(block, count, right);
      for (let a = 0; a < count; a++) this.#weight[base + from + a] = right[a]!;
      this.#inverse[k * n + i] = 1 / Math.sqrt(spread2);
    }
  }

  /** Each sensor from all before it: the rows of the inverse of Cholesky's factor. */
  #predictFromAll(covariance: (i: number, j: number) => number, base: number, k: number): void {
    const n = this.#n;
    const factor = new Float64Array(n * n);
    for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) factor[i * n + j] = covariance(i, j);
    if (!cholesky(factor, n)) throw new Error(NOT_POSITIVE);
    const column = new Float64Array(n);
    for (let j = 0; j < n; j++) {
      column.fill(0);
      column[j] = 1;
      forwardSolve(factor, n, column);
      this.#inverse[k * n + j] = column[j]!;
      for (let i = j + 1; i < n; i++) this.#weight[base + this.#start[i]! + j] = -column[i]! * factor[i * n + i]!;
    }
  }

  /** Takes the first `count` positions of the list, four of a class at a time. */
  #sweep(e: Expectation, meanDbm: number, count: number, out: Float64Array, powerDbm: Float64Array | null): void {
    const list = this.#sorted(e, count);
    const freedom = this.#freedom;
    const half = (freedom + this.#n) / 2;
    const groupOf = e.doubt?.groups.patchOf ?? e.patches.patchOf;
    for (let at = 0; at < count; ) {
      const k = e.classOf[list[at]!]!;
      let end = at + 1;
      while (end < count && end < at + 4 && e.classOf[list[end]!] === k) end++;
      const last = end - 1;
      const c0 = list[at]!;
      const c1 = list[Math.min(at + 1, last)]!;
      const c2 = list[Math.min(at + 2, last)]!;
      const c3 = list[Math.min(at + 3, last)]!;
      this.#residuals(e, c0, c1, c2, c3);
      this.#substitute(k, this.#r, this.#z, 0, e.doubt === null ? this.#limit[k]! : Number.POSITIVE_INFINITY);
      const precision = this.#reached;
      for (let q = 0; at < end; at++, q++) {
        const c = list[at]!;
        const terms = e.doubt === null ? -1 : TERMS * groupOf[c]!;
        if (terms >= 0) this.#doubts(q, groupOf[c]!, precision);
        const emitted = meanDbm + this.#along[q]! / precision;
        if (powerDbm !== null) powerDbm[c] = emitted;
        const square = this.#squares[q]!;
        // The depth is brought in at the end, when the best is known.
        if (square > this.#limit[k]!) {
          out[c] = Number.NEGATIVE_INFINITY;
          continue;
        }
        const tail = freedom === Number.POSITIVE_INFINITY ? square / 2 : half * Math.log1p(square / freedom);
        const spent = terms < 0 ? 0 : this.#terms[terms + 5]!;
        const log = this.#silence(e, c, q, emitted, this.#constant[k]! - tail - spent);
        out[c] = log;
        if (log > this.#top) {
          this.#raise(log);
          const taken = terms < 0 ? 0 : this.#terms[terms + 6]!;
          this.#left2 = 1 / precision + taken / (precision * precision);
        }
      }
    }
  }

  /** The list's first `count` positions, those of a class together. */
  #sorted(e: Expectation, count: number): Int32Array {
    const classes = e.classVariance.length;
    if (classes === 1) return this.#list;
    const next = new Int32Array(classes + 1);
    for (let i = 0; i < count; i++) next[e.classOf[this.#list[i]!]! + 1]!++;
    for (let k = 1; k < classes; k++) next[k]! += next[k - 1]!;
    for (let i = 0; i < count; i++) {
      const c = this.#list[i]!;
      this.#byClass[next[e.classOf[c]!]!++] = c;
    }
    return this.#byClass;
  }

  #residuals(e: Expectation, c0: number, c1: number, c2: number, c3: number): void {
    const { gain, sensors } = e;
    const n = this.#n;
    const [z, base, column] = [this.#r, this.#base, this.#column];
    const [r0, r1, r2, r3] = [c0 * sensors, c1 * sensors, c2 * sensors, c3 * sensors];
    for (let i = 0, at = 0; i < n; i++, at += 4) {
      const y = base[i]!;
      const s = column[i]!;
      z[at] = y - GAIN_STEP_DB * gain[r0 + s]!;
      z[at + 1] = y - GAIN_STEP_DB * gain[r1 + s]!;
      z[at + 2] = y - GAIN_STEP_DB * gain[r2 + s]!;
      z[at + 3] = y - GAIN_STEP_DB * gain[r3 + s]!;
    }
  }

  /**
   * Whitens four columns of `r` by class k's predictions into `z` from `from` on. Gives their squares less what the power takes,
   * their products with the whitened ones, and a. What is beyond `most` ends early.
   */
  #substitute(k: number, r: Float64Array, z: Float64Array, from: number, most: number): void {
    const n = this.#n;
    const [start, neighbour, weight] = [this.#start, this.#neighbour, this.#weight];
    const [inverse, ones, precision] = [this.#inverse, this.#ones, this.#precision];
    const base = k * start[n]!;
    let [q0, q1, q2, q3] = [0, 0, 0, 0];
    let [a0, a1, a2, a3] = [0, 0, 0, 0];
    let i = 0;
    for (; i < n; i++) {
      let s0 = r[4 * i]!;
      let s1 = r[4 * i + 1]!;
      let s2 = r[4 * i + 2]!;
      let s3 = r[4 * i + 3]!;
      const end = start[i + 1]!;
      for (let m = start[i]!; m < end; m++) {
        const w = weight[base + m]!;
        const at = 4 * neighbour[m]!;
        s0 -= w * r[at]!;
        s1 -= w * r[at + 1]!;
        s2 -= w * r[at + 2]!;
        s3 -= w * r[at + 3]!;
      }
      const f = inverse[k * n + i]!;
      const one = ones[k * n + i]!;
      s0 *= f;
      s1 *= f;
      s2 *= f;
      s3 *= f;
      const own = from + 4 * i;
      z[own] = s0;
      z[own + 1] = s1;
      z[own + 2] = s2;
      z[own + 3] = s3;
      q0 += s0 * s0;
      q1 += s1 * s1;
      q2 += s2 * s2;
      q3 += s3 * s3;
      a0 += s0 * one;
      a1 += s1 * one;
      a2 += s2 * one;
      a3 += s3 * one;
      if (i % LOOK_EVERY === LOOK_EVERY - 1) {
        const a = precision[k * n + i]!;
        if (
          q0 - (a0 * a0) / a > most &&
          q1 - (a1 * a1) / a > most &&
          q2 - (a2 * a2) / a > most &&
          q3 - (a3 * a3) / a > most
        ) {
          break;
        }
      }
    }
    const a = n === 0 ? this.#prior : precision[k * n + Math.min(i, n - 1)]!;
    this.#reached = a;
    this.#squares[0] = q0 - (a0 * a0) / a;
    this.#squares[1] = q1 - (a1 * a1) / a;
    this.#squares[2] = q2 - (a2 * a2) / a;
    this.#squares[3] = q3 - (a3 * a3) / a;
    this.#along[0] = a0;
    this.#along[1] = a1;
    this.#along[2] = a2;
    this.#along[3] = a3;
  }

  /** Directions of doubt of every group, whitened, and what follows from them alone. */
  #direct(e: Expectation, doubt: Doubt): void {
    const n = this.#n;
    const { middle } = doubt.groups;
    const blocks = Math.ceil(middle.length / 4);
    if (this.#u.length < 4 * blocks * n) {
      this.#u = new Float64Array(4 * blocks * n);
      this.#v = new Float64Array(4 * blocks * n);
    }
    if (this.#terms.length < TERMS * middle.length) this.#terms = new Float64Array(TERMS * middle.length);
    const [u, v, r, column] = [this.#u, this.#v, this.#r, this.#column];
    for (let block = 0; block < blocks; block++) {
      const base = 4 * n * block;
      const row = (q: number): number => middle[Math.min(middle.length - 1, 4 * block + q)]! * e.sensors;
      for (let q = 0; q < 4; q++) {
        const of = row(q);
        for (let i = 0; i < n; i++) r[4 * i + q] = -OBSTACLE_STEP_DB * doubt.obstacle[of + column[i]!]!;
      }
      this.#substitute(0, r, u, base, Number.POSITIVE_INFINITY);
      const u1 = this.#along.slice();
      const uu = this.#squares.slice();
      for (let q = 0; q < 4; q++) {
        const of = row(q);
        for (let i = 0; i < n; i++) {
          const at = of + column[i]!;
          r[4 * i + q] = GAIN_STEP_DB * e.gain[at]! + OBSTACLE_STEP_DB * doubt.obstacle[at]!;
        }
      }
      this.#substitute(0, r, v, base, Number.POSITIVE_INFINITY);
      for (let q = 0; q < 4 && 4 * block + q < middle.length; q++) {
        let uv = 0;
        for (let i = 0, at = base + q; i < n; i++, at += 4) uv += u[at]! * v[at]!;
        uv -= (u1[q]! * this.#along[q]!) / this.#reached;
        this.#settle(4 * block + q, doubt, uu[q]!, uv, this.#squares[q]!, u1[q]!, this.#along[q]!);
      }
    }
  }

  #settle(group: number, doubt: Doubt, uu: number, uv: number, vv: number, u1: number, v1: number): void {
    const s2 = doubt.obstacleSd ** 2 * this.#lasting;
    const d2 = doubt.distanceSd ** 2 * this.#lasting;
    const a = uu + 1 / s2;
    const b = vv + 1 / d2;
    const determinant = a * b - uv * uv;
    const at = TERMS * group;
    const terms = this.#terms;
    terms[at] = b / determinant;
    terms[at + 1] = -uv / determinant;
    terms[at + 2] = a / determinant;
    terms[at + 3] = u1;
    terms[at + 4] = v1;
    terms[at + 5] = Math.log(determinant * s2 * d2) / 2;
    terms[at + 6] = (u1 * u1 * b - 2 * u1 * v1 * uv + v1 * v1 * a) / determinant;
  }

  /** Takes the doubt of its group into the square and product of the q-th position just whitened. */
  #doubts(q: number, group: number, precision: number): void {
    const n = this.#n;
    const [z, u, v, terms] = [this.#z, this.#u, this.#v, this.#terms];
    let at = 4 * n * (group >> 2) + (group & 3);
    let zu = 0;
    let zv = 0;
    for (let i = 0, own = q; i < n; i++, own += 4, at += 4) {
      zu += z[own]! * u[at]!;
      zv += z[own]! * v[at]!;
    }
    const t = TERMS * group;
    zu -= (this.#along[q]! * terms[t + 3]!) / precision;
    zv -= (this.#along[q]! * terms[t + 4]!) / precision;
    const first = terms[t]! * zu + terms[t + 1]! * zv;
    const second = terms[t + 1]! * zu + terms[t + 2]! * zv;
    this.#first[q] = first;
    this.#second[q] = second;
    this.#squares[q]! -= zu * first + zv * second;
    this.#along[q]! -= terms[t + 3]! * first + terms[t + 4]! * second;
  }

  /** Adds to `log` that all silent sensors hear nothing of a position; -Infinity once it is out of depth. */
  #silence(e: Expectation, c: number, q: number, emittedDbm: number, log: number): number {
    const { gain } = e;
    const [column, audible, looks, tables] = [this.#silentColumn, this.#audibleDbm, this.#looks, this.#tables];
    const row = c * e.sensors;
    const least = this.#top - DEPTH_NATS;
    const count = this.#silentCount;
    // What the sensors that heard say of the plan holds for the others.
    const obstacle = e.doubt?.obstacle ?? null;
    const perGain = GAIN_STEP_DB * (1 + this.#second[q]!);
    const perObstacle = OBSTACLE_STEP_DB * (this.#second[q]! - this.#first[q]!);
    let sum = log + this.#quiet;
    for (let s = 0; s < count; s++) {
      const at = row + column[s]!;
      let over = emittedDbm + perGain * gain[at]! - audible[s]!;
      if (obstacle !== null) over += perObstacle * obstacle[at]!;
      // Most sensors are far from most positions.
      if (over <= 0) continue;
      const table = tables[s]!;
      const i = Math.min(table.length - 2, Math.floor(over));
      sum += looks[s]! * (table[i]! + Math.min(1, over - i) * (table[i + 1]! - table[i]!) - table[0]!);
      if (sum < least) return Number.NEGATIVE_INFINITY;
    }
    return sum;
  }

  /** A new best position: the others must come near it. */
  #raise(top: number): void {
    this.#top = top;
    const freedom = this.#freedom;
    for (let k = 0; k < this.#constant.length; k++) {
      const room = this.#constant[k]! - top + DEPTH_NATS;
      this.#limit[k] =
        freedom === Number.POSITIVE_INFINITY ? 2 * room : freedom * Math.expm1((2 * room) / (freedom + this.#n));
    }
  }
}

/** What the constant of Student's t distribution in n dimensions has over that of the normal one. */
function logTails(n: number, freedom: number): number {
  return logGamma((freedom + n) / 2) - logGamma(freedom / 2) - (n / 2) * Math.log(freedom / 2);
}

/** Stirling's series after shifting the argument above 8: error below 1e-9. */
function logGamma(x: number): number {
  let shift = 0;
  let y = x;
  for (; y < 8; y++) shift -= Math.log(y);
  return shift + (y - 0.5) * Math.log(y) - y + LOG_2PI / 2 + 1 / (12 * y) - 1 / (360 * y ** 3) + 1 / (1260 * y ** 5);
}
