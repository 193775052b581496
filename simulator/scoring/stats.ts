/** The few statistics that scores are made of. Pure; each names its source. */

/**
 * Wilson score interval of a proportion at 95 %. `[0, 1]` without trials.
 *
 * Source: E. B. Wilson, JASA 22 (1927). It stays sensible at 0 and at all of n, where hits ± 2 sigma does not.
 * @example wilson(8, 10) // [0.4902, 0.9433]
 */
export function wilson(hits: number, trials: number): [lo: number, hi: number] {
  if (trials === 0) return [0, 1];
  const z2 = Z95 * Z95;
  const p = hits / trials;
  const centre = (p + z2 / (2 * trials)) / (1 + z2 / trials);
  const half = (Z95 / (1 + z2 / trials)) * Math.sqrt((p * (1 - p)) / trials + z2 / (4 * trials * trials));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

/** 97.5 % quantile of the standard normal distribution. */
const Z95 = 1.959964;

/**
 * Interval of a Poisson rate at 95 %, in events: what a count of `events` says about its expectation.
 *
 * Source: exact interval (Garwood 1936) by the Wilson-Hilferty approximation of the chi-squared quantile, within 1 % of it
 * or 0.02 events; for no event and for one, where the approximation is coarse, the exact ends.
 * @example poissonInterval(0) // [0, 3.689]
 * @example poissonInterval(10) // [4.79, 18.39] (exact: 4.795, 18.390)
 */
export function poissonInterval(events: number): [lo: number, hi: number] {
  const quantile = (k: number, z: number) => k * (1 - 1 / (9 * k) + z / (3 * Math.sqrt(k))) ** 3;
  if (events === 0) return [0, -Math.log(0.025)];
  return [events === 1 ? -Math.log(0.975) : quantile(events, -Z95), quantile(events + 1, Z95)];
}

/**
 * Quantile by linear interpolation between order statistics (type 7 of Hyndman and Fan 1996). null of nothing.
 * @example quantile([1, 2, 3, 4], 0.5) // 2.5
 */
export function quantile(values: readonly number[], q: number): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const below = Math.floor(at);
  const lo = sorted[below]!;
  const hi = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return lo + (hi - lo) * (at - below);
}

export function mean(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  let sum = 0;
  for (const v of values) sum += v;
  return sum / values.length;
}

/** A share with its numbers, as scores state it. `rate` is null without trials. */
export interface Share {
  readonly hits: number;
  readonly n: number;
  readonly rate: number | null;
  readonly lo: number;
  readonly hi: number;
}

export function share(hits: number, n: number): Share {
  const [lo, hi] = wilson(hits, n);
  return { hits, n, rate: n === 0 ? null : round(hits / n), lo: round(lo), hi: round(hi) };
}

/** Four decimals: finer than any score's noise, and the same text on every machine. */
export function round(value: number): number {
  const rounded = Math.round(value * 1e4) / 1e4;
  return Object.is(rounded, -0) ? 0 : rounded;
}

export function roundOrNull(value: number | null): number | null {
  return value === null || !Number.isFinite(value) ? null : round(value);
}
