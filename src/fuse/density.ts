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
import { Heap } from "../wasm/host.ts";
import { HeldGains } from "./held.ts";
import { cholesky } from "./linalg.ts";
import { BLOCK, type Patches } from "./patches.ts";
import { LANES, Unheard } from "./unheard.ts";
import { GROUP, Whitener } from "./whitener.ts";

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
/** What silence's tables allow for the power, dB. */
export const SILENCE_POWER_DB = 2;
/** A power is known where it moves no table by as much as this, dB. */
const KNOWN_POWER_DB = 2;

/** What is expected at each candidate. */
export interface Expectation {
  /** Expected gains in units of `GAIN_STEP_DB`, held by the density that is asked. */
  readonly gains: HeldGains;
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
  /** Columns of the gains. */
  readonly sensor: ArrayLike<number>;
  /** dBm. */
  readonly level: ArrayLike<number>;
  /** Covariance of the levels' errors, n by n (what lies behind is not read), dB^2. */
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
  readonly #heap: Heap;
  readonly #whitener: Whitener;
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
  /** Places of a step by class, and where each of them stands in it. */
  readonly #byClass = new Int32Array(POSITIONS_A_STEP);
  readonly #at = Int32Array.from({ length: POSITIONS_A_STEP }, (_, i) => i);
  #next = new Int32Array(0);
  /** Of a step's places: log density without silence, -Infinity where they are given up. */
  readonly #log = new Float64Array(POSITIONS_A_STEP);
  readonly #emittedDbm = new Float64Array(POSITIONS_A_STEP);
  #top = 0;

  /** `plain`: without WebAssembly, whatever the host has. */
  constructor(plain = false) {
    this.#heap = new Heap(plain);
    this.#whitener = new Whitener(this.#heap, GAIN_STEP_DB);
    this.#unheard = new Unheard(this.#heap);
  }

  /** Takes expected gains in units of `GAIN_STEP_DB`, a row of `sensors` for each candidate, for expectations of this density. Cost: a copy. */
  hold(gain: Int16Array, sensors: number, patches: Patches): HeldGains {
    return new HeldGains(this.#heap, gain, sensors, patches);
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
    this.#unheard.begin(silent, e.gains);
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
    this.#whitener.begin(n, classes);
    if (this.#constant.length < classes) this.#constant = new Float64Array(classes);
    if (this.#limit.length < classes) {
      this.#limit = new Float64Array(classes);
      this.#powerSd = new Float64Array(classes);
    }
    if (this.#list.length < size) this.#list = new Int32Array(size);
    for (let i = 0; i < n; i++) {
      this.#whitener.set(i, heard.level[i]! - meanDbm, heard.sensor[i]!, e.gains);
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
      const row = heard.sensor[i]! * e.gains.sensors;
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
    for (let from = 0; from < count; from += POSITIONS_A_STEP) {
      if (from > 0) yield;
      const step = this.#list.subarray(from, Math.min(count, from + POSITIONS_A_STEP));
      this.#levels(e, meanDbm, step);
      if (powerDbm !== null) {
        for (let i = 0; i < step.length; i++) powerDbm[e.patches.order[step[i]!]!] = this.#emittedDbm[i]!;
      }
      this.#silences(e, step, out);
    }
  }

  /** What the levels say of a step's places, `GROUP` of a class at a time. */
  #levels(e: Expectation, meanDbm: number, step: Int32Array): void {
    const { order } = e.patches;
    const classes = e.classVariance.length;
    const places = classes === 1 ? step : this.#sorted(e, step);
    const count = step.length;
    const [whitener, log, emitted] = [this.#whitener, this.#log, this.#emittedDbm];
    for (let from = 0; from < count; ) {
      const k = e.classOf[order[places[from]!]!]!;
      let end = classes === 1 ? Math.min(count, from + GROUP) : from + 1;
      while (end < count && end < from + GROUP && e.classOf[order[places[end]!]!] === k) end++;
      const most = this.#limit[k]!;
      whitener.run(k, most, e.gains, places, from, end);
      const { squares, moved } = whitener;
      for (let q = 0; from < end; from++, q++) {
        const i = classes === 1 ? from : this.#at[from]!;
        emitted[i] = meanDbm + moved[q]!;
        const square = squares[q]!;
        log[i] = square > most ? Number.NEGATIVE_INFINITY : this.#constant[k]! + this.#exponent(square);
      }
    }
  }

  /** A step's places, those of a class together. */
  #sorted(e: Expectation, step: Int32Array): Int32Array {
    const classes = e.classVariance.length;
    if (this.#next.length < classes + 1) this.#next = new Int32Array(classes + 1);
    const next = this.#next.fill(0);
    const { order } = e.patches;
    for (const place of step) next[e.classOf[order[place]!]! + 1]!++;
    for (let k = 1; k < classes; k++) next[k]! += next[k - 1]!;
    for (let i = 0; i < step.length; i++) {
      const to = next[e.classOf[order[step[i]!]!]!]!++;
      this.#byClass[to] = step[i]!;
      this.#at[to] = i;
    }
    return this.#byClass;
  }

  /** Adds to a step's densities that all silent sensors hear nothing; the depth is brought in at the end, when the best is known. */
  #silences(e: Expectation, step: Int32Array, out: Float64Array): void {
    const { order, patchOf } = e.patches;
    const unheard = this.#unheard;
    const log = this.#log;
    const one = e.classVariance.length === 1;
    let [lanes, block] = [0, 0];
    for (let i = 0; i < step.length; i++) {
      const c = order[step[i]!]!;
      const before = log[i]! + unheard.quiet;
      const least = this.#top - DEPTH_NATS - before;
      if (!(least <= 0)) {
        out[c] = Number.NEGATIVE_INFINITY;
        continue;
      }
      out[c] = before;
      if (unheard.count === 0) {
        if (before > this.#top) this.#raise(before);
        continue;
      }
      const its = Math.floor(patchOf[step[i]!]! / BLOCK);
      if (lanes === LANES || (lanes > 0 && its !== block)) {
        this.#ask(e, block, lanes, out);
        lanes = 0;
      }
      block = its;
      unheard.place[lanes] = step[i]!;
      unheard.emittedDbm[lanes] = this.#emittedDbm[i]!;
      unheard.sdDb[lanes] = this.#powerSd[one ? 0 : e.classOf[c]!]!;
      unheard.least[lanes++] = least;
    }
    if (lanes > 0) this.#ask(e, block, lanes, out);
  }

  #ask({ patches }: Expectation, block: number, lanes: number, out: Float64Array): void {
    const { place, said } = this.#unheard;
    this.#unheard.ask(block, lanes);
    for (let l = 0; l < lanes; l++) {
      const c = patches.order[place[l]!]!;
      out[c]! += said[l]!;
      if (out[c]! > this.#top) this.#raise(out[c]!);
    }
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
    const [shrink, scaleLog] = [this.#shrink, this.#scaleLog];
    let top = scaleLog[0]! - shrink[0]! * square;
    let sum = 1;
    // Of two an exponential, of more one each.
    for (let j = 1; j < shrink.length; j++) {
      const log = scaleLog[j]! - shrink[j]! * square;
      if (log > top) {
        sum = 1 + sum * Math.exp(top - log);
        top = log;
      } else sum += Math.exp(log - top);
    }
    return sum === 1 ? top : top + Math.log(sum);
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
