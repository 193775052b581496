/**
 * The classes of quiet: spread (as a number of looks) and weight on a grid, and what the kernels need of each in one row of a table.
 */

/** dB per neper of power: 10 / ln 10. */
export const DB_PER_NEPER = 10 / Math.LN10;
/** Hypotheses run in parallel. */
export const BANK = 3;

/** Grid of looks: n = 0.5 * 2^(i/3), i = 0..47, that is 0.5 .. 26,000 looks or a spread of 6 dB .. 0.027 dB. */
export const LOOK_STEPS = 48;
const LOOKS_LO = 0.5;
/** Weights of the log-likelihood for correlated or heavy-tailed quiet; 1 is independent readings. */
export const WEIGHTS: readonly number[] = [1, 0.88, 0.77, 0.68, 0.6, 0.53, 0.46, 0.4, 0.35, 0.3];
export const CLASSES = LOOK_STEPS * WEIGHTS.length;
/**
 * Numbers per class: A0 A1 A2, B0 B1 B2, bias, follow clip, cap0 cap1 cap2, slope unit, then the level from which a reading speaks
 * for a signal (dB above the floor), the median of the quiet (dB), and A, B of the fall of the floor (`Baseline`).
 */
export const CLASS_STRIDE = 16;
/** The fall of the floor that is looked for, in spreads. */
const FALL_SIGMAS = 1.5;

/** Looks of grid point i. */
export function looksOf(cls: number): number {
  return LOOKS_LO * 2 ** ((cls % LOOK_STEPS) / 3);
}

/** Weight of a class. */
export function weightOf(cls: number): number {
  return WEIGHTS[Math.floor(cls / LOOK_STEPS)]!;
}

/** Spread of a class's quiet readings in dB: 4.34 / sqrt(n) (Gamma in dB, first order). */
export function sigmaOf(cls: number): number {
  return DB_PER_NEPER / Math.sqrt(looksOf(cls));
}

/** The class nearest to a spread (dB) and a weight. */
export function classOf(sigmaDb: number, weight: number): number {
  const looks = (DB_PER_NEPER / sigmaDb) ** 2;
  const step = Math.round(3 * Math.log2(looks / LOOKS_LO));
  const i = step < 0 ? 0 : step >= LOOK_STEPS ? LOOK_STEPS - 1 : step;
  let w = 0;
  for (let k = 1; k < WEIGHTS.length; k++) {
    if (Math.abs(WEIGHTS[k]! - weight) < Math.abs(WEIGHTS[w]! - weight)) w = k;
  }
  return w * LOOK_STEPS + i;
}

/**
 * Design signal-to-noise ratios (linear) of the bank at n looks.
 *
 * Few looks: 0, 3 and 8 dB, whose loss against the true ratio known is 4..9 % over 0..10 dB (test/bench/detect-delay.ts).
 * Many looks see far below the floor: there the designs are shifts of 1, 2.2 and 5.5 standard deviations, s = delta / sqrt(n),
 * because what matters is the shift in units of the quiet spread. Between 16 and 256 looks they go over geometrically.
 */
export function designSnr(looks: number, k: number): number {
  const few = [1, 2, 6.31][k]!;
  const many = [1, 2.2, 5.5][k]! / Math.sqrt(looks);
  if (looks <= 16) return few;
  if (looks >= 256) return many;
  const t = Math.log(looks / 16) / Math.log(256 / 16);
  return few ** (1 - t) * many ** t;
}

/** Clip of the floor tracker, in spreads: Huber's psi (FOLLOW_GAIN in kernels.ts). */
const FOLLOW_CLIP = 1.5;
/** Unit of the drift that is fed forward: so many spreads a reading; an int8 reaches 0.0064. */
export const SLOPE_UNIT = 5e-5;

/** 3.3 standard deviations: one reading in two thousand of the hypothesis itself is cut. */
const OUTLIER_SIGMAS = 3.3;

let shared: Float32Array | null = null;

/** The table of all classes; row c is `[c * CLASS_STRIDE ...]`. Computed once, read only. */
export function buildClassTable(): Float32Array {
  if (shared) return shared;
  const table = new Float32Array(CLASSES * CLASS_STRIDE);
  shared = table;
  for (let c = 0; c < CLASSES; c++) {
    const n = looksOf(c);
    const w = weightOf(c);
    for (let k = 0; k < BANK; k++) {
      const s = designSnr(n, k);
      table[c * CLASS_STRIDE + k] = (w * n * s) / (1 + s);
      table[c * CLASS_STRIDE + BANK + k] = w * n * Math.log1p(s);
    }
    // The tracker finds the location of the readings in dB, the statistic wants their mean power.
    table[c * CLASS_STRIDE + 6] =
      c < LOOK_STEPS ? -locationOfGamma(n, FOLLOW_CLIP * sigmaOf(c)) : table[(c % LOOK_STEPS) * CLASS_STRIDE + 6]!;
    table[c * CLASS_STRIDE + 7] = FOLLOW_CLIP * sigmaOf(c);
    table[c * CLASS_STRIDE + 11] = SLOPE_UNIT * sigmaOf(c);
    table[c * CLASS_STRIDE + 12] = 10 * Math.log10(table[c * CLASS_STRIDE + BANK]! / table[c * CLASS_STRIDE]!);
    table[c * CLASS_STRIDE + 13] = 10 * Math.log10(medianOfGamma(n));
    // With the mean fallen by the factor m = e^-fall: log-likelihood ratio n [fall - p (e^fall - 1)], written as A p - B.
    const fall = (FALL_SIGMAS * sigmaOf(c)) / DB_PER_NEPER;
    table[c * CLASS_STRIDE + 14] = -w * n * Math.expm1(fall);
    table[c * CLASS_STRIDE + 15] = -w * n * fall;
    for (let k = 0; k < BANK; k++) {
      // A reading more than OUTLIER_SIGMAS above what the hypothesis expects speaks for a glitch, not for the hypothesis.
      const p = (1 + designSnr(n, k)) * 10 ** ((OUTLIER_SIGMAS * sigmaOf(c)) / 10);
      table[c * CLASS_STRIDE + 8 + k] = table[c * CLASS_STRIDE + k]! * p - table[c * CLASS_STRIDE + BANK + k]!;
    }
  }
  return table;
}

/**
 * Huber's location (dB relative to the mean power) of Gamma(n, mean 1): where the mean of the clipped residual is zero, by the
 * midpoint rule over the density in dB and bisection.
 */
export function locationOfGamma(looks: number, clipDb: number): number {
  const span = Math.min(60, 12 * (DB_PER_NEPER / Math.sqrt(looks)));
  const points = 600;
  const step = (2 * span) / points;
  const weight = new Float64Array(points);
  const place = new Float64Array(points);
  for (let i = 0; i < points; i++) {
    const db = -span + (i + 0.5) * step;
    const u = db / DB_PER_NEPER;
    place[i] = db;
    // Density of ln p is proportional to exp(n (u - e^u)); its maximum, at u = 0, is taken out.
    weight[i] = Math.exp(looks * (u - Math.exp(u) + 1));
  }
  let lo = -span;
  let hi = span;
  for (let k = 0; k < 50; k++) {
    const mid = (lo + hi) / 2;
    let pull = 0;
    for (let i = 0; i < points; i++) {
      const d = place[i]! - mid;
      pull += weight[i]! * (d > clipDb ? clipDb : d < -clipDb ? -clipDb : d);
    }
    if (pull > 0) lo = mid;
    else hi = mid;
  }
  return (lo + hi) / 2;
}

/** Median of Gamma(n, mean 1) by Wilson and Hilferty's cube: (1 - 1/(9n))^3; within 2 % of exact for n >= 0.5. */
export function medianOfGamma(looks: number): number {
  return (1 - 1 / (9 * looks)) ** 3;
}
