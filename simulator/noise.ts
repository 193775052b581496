/**
 * Receiver noise and fading by table look-up.
 *
 * The mean power of k independent complex-Gaussian looks is Gamma(k, mean 1), their largest the maximum of k unit
 * exponentials. Pairs are drawn jointly and sorted by mean; the means are then replaced by the exact quantiles, so that
 * the marginal is right far beyond what the draws reach. A second table covers the upper tail down to 2^-28.
 */
import { type Prng, stream } from "./prng.ts";

const BITS = 14;
export const TABLE_SIZE = 1 << BITS;
const MASK = TABLE_SIZE - 1;

/**
 * P(Gamma(k, mean 1) > x) for whole k, and its density at x: Q = e^-kx sum of (kx)^i / i! below k, and the density is k
 * times the last term.
 */
export function gammaUpper(k: number, x: number): { readonly q: number; readonly density: number } {
  const y = k * x;
  let term = Math.exp(-y);
  let q = term;
  for (let i = 1; i < k; i++) {
    term *= y / i;
    q += term;
  }
  return { q, density: k * term };
}

/** x with P(Gamma(k, mean 1) > x) = q, by Newton's method on the logarithm, which is concave; `start` may be any guess. */
export function gammaQuantile(k: number, q: number, start = 1): number {
  let x = start;
  for (let i = 0; i < 60; i++) {
    const at = gammaUpper(k, x);
    const step = (at.q * Math.log(at.q / q)) / at.density;
    // Far below the answer the density vanishes and the step explodes: never more than double or halve.
    const to = Math.min(2 * x + 1e-9, Math.max(x / 2, x + step));
    if (Math.abs(to - x) <= 1e-10 * x) return to;
    x = to;
  }
  return x;
}

/** Joint draws of (mean, largest) of k looks, mean power 1, in dB and as powers. */
export class LookTable {
  readonly looks: number;
  readonly meanDb = new Float32Array(2 * TABLE_SIZE);
  readonly peakDb = new Float32Array(2 * TABLE_SIZE);
  readonly mean = new Float32Array(2 * TABLE_SIZE);
  readonly peak = new Float32Array(2 * TABLE_SIZE);

  constructor(looks: number, rng: Prng) {
    this.looks = looks;
    const pairs = drawPairs(looks, rng);
    let mean = 1;
    for (let i = 0; i < 2 * TABLE_SIZE; i++) {
      const tail = i >= TABLE_SIZE;
      // The first half holds the quantiles (i + 1/2) / size; the second divides the last of them again.
      const q = tail ? (2 * TABLE_SIZE - i - 0.5) / TABLE_SIZE / TABLE_SIZE : 1 - (i + 0.5) / TABLE_SIZE;
      mean = quantile(looks, q, mean);
      const crest = (tail ? pairs.crest[TABLE_SIZE - 1] : pairs.crest[i]) as number;
      this.mean[i] = mean;
      this.peak[i] = mean * crest;
      this.meanDb[i] = 10 * Math.log10(mean);
      this.peakDb[i] = 10 * Math.log10(mean * crest);
    }
  }

  /** An index into the tables for the random word u: the tail table where u falls into the last bin. */
  static index(u: number): number {
    const i = u & MASK;
    return i === MASK ? TABLE_SIZE + ((u >>> BITS) & MASK) : i;
  }
}

/** Wilson and Hilferty's cube for many looks (relative error below 1e-4 in the body from k = 64), exact below. */
function quantile(k: number, q: number, near: number): number {
  if (k === 1) return -Math.log(q);
  if (k < 64) return gammaQuantile(k, q, near);
  const z = normalUpperQuantile(q);
  return Math.max(1e-6, (1 - 1 / (9 * k) + z / (3 * Math.sqrt(k))) ** 3);
}

/** z with P(Z > z) = q, Acklam's rational approximation (relative error 1.2e-9 of the quantile). */
export function normalUpperQuantile(q: number): number {
  const p = 1 - q;
  if (q < 0.02425 || p < 0.02425) {
    const t = Math.sqrt(-2 * Math.log(Math.min(q, p)));
    const c = [-0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968];
    const d = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416];
    const num = ((((c[0]! * t + c[1]!) * t + c[2]!) * t + c[3]!) * t + c[4]!) * t + 2.938163982698783;
    const x = num / ((((d[0]! * t + d[1]!) * t + d[2]!) * t + d[3]!) * t + 1);
    return p < 0.02425 ? x : -x;
  }
  const r = p - 0.5;
  const s = r * r;
  const num =
    (((((-39.69683028665376 * s + 220.9460984245205) * s - 275.9285104469687) * s + 138.357751867269) * s -
      30.66479806614716) *
      s +
      2.506628277459239) *
    r;
  const den =
    ((((-54.47609879822406 * s + 161.5858368580409) * s - 155.6989798598866) * s + 66.80131188771972) * s -
      13.28068155288572) *
      s +
    1;
  return num / den;
}

/** Crest factors (largest over mean) in order of the mean they came with. */
function drawPairs(k: number, rng: Prng): { crest: Float64Array } {
  const mean = new Float64Array(TABLE_SIZE);
  const crest = new Float64Array(TABLE_SIZE);
  const many = k > 64;
  for (let i = 0; i < TABLE_SIZE; i++) {
    if (many) {
      // Mean and largest are nearly independent for many looks: the largest from its own law, (1 - e^-x)^k.
      mean[i] = rng.uniform();
      crest[i] = Math.max(1, -Math.log(-Math.expm1(Math.log(rng.uniform()) / k)));
      continue;
    }
    let sum = 0;
    let top = 0;
    for (let j = 0; j < k; j++) {
      const x = rng.exponential();
      sum += x;
      if (x > top) top = x;
    }
    mean[i] = sum / k;
    crest[i] = (top * k) / sum;
  }
  const order = Array.from(mean.keys()).sort((a, b) => (mean[a] as number) - (mean[b] as number));
  return { crest: Float64Array.from(order, (i) => crest[i] as number) };
}

const known = new Map<number, LookTable>();

/** The table of k looks; made once a process, from its own fixed stream, so that no simulation depends on another. */
export function lookTable(k: number): LookTable {
  const looks = Math.max(1, Math.round(k));
  let table = known.get(looks);
  if (!table) {
    table = new LookTable(looks, stream(looks, "look-table"));
    known.set(looks, table);
  }
  return table;
}

/**
 * Rice fading of power with mean 1 and K the ratio of steady to scattered power (0: Rayleigh).
 * Shape: 16,384 draws; take one by a random index.
 */
export function riceTable(kFactor: number): Float32Array {
  const rng = stream(Math.round(kFactor * 1000), "rice-table");
  const steady = Math.sqrt(kFactor / (kFactor + 1));
  const scatter = Math.sqrt(1 / (2 * (kFactor + 1)));
  return Float32Array.from({ length: TABLE_SIZE }, () => {
    const i = steady + scatter * rng.normal();
    const q = scatter * rng.normal();
    return Math.max(1e-4, i * i + q * q);
  });
}
