/**
 * Levels of several emitters in one band at once. Receivers measure the sum of what reaches them, so a window's levels are read as a sum
 * of known emitters, each with its fingerprint and a power of the moment, and of new ones where the sum falls short: a new
 * emitter is believed when the likelihood ratio of "one more, somewhere, with some power" outweighs how rare births are.
 *
 * Everything is in arrays over the sensors of a `SourceGrid`. Levels are those of signals without the receivers' noise.
 */

/** One window's levels by sensor: dBm, NaN where nothing was heard; the reading's own spread, dB; and the weakest level that would have been heard, NaN where unknown or not measured. */
export interface Levels {
  readonly levelDbm: Float64Array;
  readonly sdDb: Float64Array;
  readonly floorDbm: Float64Array;
}

/** What one emitter is expected to give: dBm by sensor (-Infinity: nothing), and how far off that may be, dB. */
export interface Source {
  readonly levelDbm: Float64Array;
  readonly sdDb: Float64Array;
  /** Log odds of its being on in this window before levels are looked at. */
  readonly logOn: number;
  /** Learned, so that a level far above it is another's; of a new one nobody knows how far the plan is off. */
  readonly certain: boolean;
  /** Heard so lately that it may be on in a window in which few met it. */
  readonly pausing?: boolean;
  /** Row of the source grid where it is thought to be. */
  readonly at: number;
}

/** What a set of emitters together give, dBm and spread, by sensor. */
export interface Sum {
  readonly levelDbm: Float64Array;
  readonly sdDb: Float64Array;
}

/** Share of levels that follow no model (a burst cut in two, a stray reflection), spread evenly over the receivers' range. */
const STRAY = 0.03;
const RANGE_DB = 80;
/** What a sensor hears that nobody accounts for stands about at its floor, by so much (dB). */
export const BACKGROUND_SD_DB = 5;
/** A sweep meets a burst of a window about so often where it is loud enough to be heard: silence of one window says little. */
export const MEETS = 0.6;
/** Spreads above and below the mean as shares of the spread; their mean is 1, so that the density adds up to 1. */
const ABOVE = 0.75;
const BELOW = 1.25;
export const LN_SQRT_2PI = 0.5 * Math.log(2 * Math.PI);
const LN_STRAY = Math.log(STRAY / RANGE_DB);
/** exp(-36) is less than half the last bit of LN_STRAY, -7.9. */
const LOST_NATS = 36;

/** 10 log10(1 + 10^(-d/10)) for d from 0 to 40 dB in steps of 1/8 dB: what the weaker of two powers adds. */
const ADD_STEPS = 8;
const ADD_TABLE = Float64Array.from(
  { length: 40 * ADD_STEPS + 2 },
  (_, i) => 10 * Math.log10(1 + 10 ** (-i / ADD_STEPS / 10)),
);

/** Sum of two powers given in dBm; to 0.035 dB. */
export function addDbm(a: number, b: number): number {
  const hi = a > b ? a : b;
  const d = hi - (a > b ? b : a);
  return d < 40 ? hi + ADD_TABLE[(d * ADD_STEPS + 0.5) | 0]! : hi;
}

/** ln Phi(-z) roughly: logistic approximation (Bowling 2009), absolute error of the probability below 0.01. */
function belowProbability(z: number): number {
  return 1 / (1 + Math.exp(1.702 * z));
}

/**
 * Log density of a level under a mean and spread with stray levels allowed, dB^-1. A window's level is the largest of a few
 * fading bursts: it falls far short where few were met, and exceeds its mean by little.
 */
export function logDensity(levelDbm: number, meanDbm: number, sdDb: number): number {
  const off = levelDbm - meanDbm;
  const z = off / (off > 0 ? ABOVE * sdDb : BELOW * sdDb);
  const core = -0.5 * z * z - LN_SQRT_2PI - Math.log(sdDb);
  if (core > LN_STRAY + 12) return core;
  // Below that the sum is LN_STRAY to the last bit.
  return core < LN_STRAY - LOST_NATS ? LN_STRAY : LN_STRAY + Math.log1p(Math.exp(core - LN_STRAY));
}

/** What sensor i says of a sum, nats. */
export function sensorNats(levels: Levels, i: number, meanDbm: number, sdDb: number): number {
  const level = levels.levelDbm[i]!;
  const own = levels.sdDb[i]!;
  if (!Number.isNaN(level)) return logDensity(level, meanDbm, Math.sqrt(sdDb * sdDb + own * own));
  const floor = levels.floorDbm[i]!;
  if (Number.isNaN(floor) || meanDbm < floor - 2 * sdDb) return 0;
  return Math.log(1 - MEETS * (1 - belowProbability((meanDbm - floor) / sdDb)));
}

/** Log likelihood of all levels under a sum, nats. */
export function logLikelihood(levels: Levels, sum: Sum): number {
  let nats = 0;
  for (let i = 0; i < sum.levelDbm.length; i++) nats += sensorNats(levels, i, sum.levelDbm[i]!, sum.sdDb[i]!);
  return nats;
}

/** Nobody on: every sensor at its floor. */
export function background(levels: Levels): Sum {
  const n = levels.levelDbm.length;
  const levelDbm = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const floor = levels.floorDbm[i]!;
    levelDbm[i] = !Number.isNaN(floor) ? floor - BACKGROUND_SD_DB : -150;
  }
  return { levelDbm, sdDb: new Float64Array(n).fill(BACKGROUND_SD_DB) };
}

/** A sum and one emitter more, its levels moved by `shiftDb`. */
export function plus(sum: Sum, source: Source, shiftDb: number): Sum {
  const n = sum.levelDbm.length;
  const levelDbm = new Float64Array(n);
  const sdDb = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const [was, adds] = [sum.levelDbm[i]!, source.levelDbm[i]! + shiftDb];
    const total = addDbm(was, adds);
    const share = 10 ** ((adds - total) / 10);
    levelDbm[i] = total;
    sdDb[i] = share * source.sdDb[i]! + (1 - share) * sum.sdDb[i]!;
  }
  return { levelDbm, sdDb };
}

/** What one source adds beside the others, nats, apart by whether what the others give was learned or is from the plan. */
export function adds(
  levels: Levels,
  others: readonly Source[],
  source: Source,
  shadowDb: number,
): [learned: number, planned: number] {
  const without = others.reduce((sum, o) => plus(sum, o, 0), background(levels));
  const together = plus(without, source, 0);
  let [learned, planned] = [0, 0];
  for (let i = 0; i < without.levelDbm.length; i++) {
    if (together.levelDbm[i]! - without.levelDbm[i]! < 0.1) continue;
    const nats =
      sensorNats(levels, i, together.levelDbm[i]!, together.sdDb[i]!) -
      sensorNats(levels, i, without.levelDbm[i]!, without.sdDb[i]!);
    if (without.sdDb[i]! < shadowDb) learned += nats;
    else planned += nats;
  }
  return [learned, planned];
}
