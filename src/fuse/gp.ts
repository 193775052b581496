/**
 * The residual map: a Gaussian process over positions, shared by all sensors in its covariance, on top of a trend (path loss,
 * walls, slabs) whose coefficients are estimated with it.
 */
import { backSolve, cholesky, forwardSolve } from "./linalg.ts";

export interface Place {
  readonly xM: number;
  readonly yM: number;
  readonly zM: number;
}

/** Standard deviations in dB, length in metres. */
export interface Kernel {
  readonly shadowSdDb: number;
  readonly shadowLengthM: number;
  readonly nuggetSdDb: number;
  /** Prior spread of a sensor's constant offset. */
  readonly offsetSdDb: number;
  readonly roughness: Roughness;
}

/** Whether shadows change from step to step (exponential) or have rounded edges (once differentiable). */
export type Roughness = "exponential" | "matern32";
export const ROUGHNESSES: readonly Roughness[] = ["exponential", "matern32"];

/** A slab separates more than its height: vertical distance counts so many times. */
const VERTICAL_STRETCH = 3;
const ROOT_3 = Math.sqrt(3);

function metres(a: Place, b: Place): number {
  const [dx, dy, dz] = [a.xM - b.xM, a.yM - b.yM, VERTICAL_STRETCH * (a.zM - b.zM)];
  return Math.sqrt(dx * dx + dy * dy + dz * dz);
}

/**
 * Gudmundson's exponential correlation or Matern's with 3/2 (Rasmussen and Williams 2006, 4.17), plus the sensor's offset, which
 * is the same everywhere; over a distance in metres.
 */
function kernelAt(k: Kernel, distanceM: number): number {
  const d = distanceM / k.shadowLengthM;
  const alike = k.roughness === "exponential" ? Math.exp(-d) : (1 + ROOT_3 * d) * Math.exp(-ROOT_3 * d);
  return k.shadowSdDb * k.shadowSdDb * alike + k.offsetSdDb * k.offsetSdDb;
}

/** Distances of points from each other, n by n, lower triangle: a fit asks for many kernels of the same points. */
export function distancesM(points: readonly Place[]): Float64Array {
  const n = points.length;
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) out[i * n + j] = metres(points[i]!, points[j]!);
  return out;
}

/** The points' covariance without what does not repeat, n by n, lower triangle: sensors differ in the rest only. */
export function covarianceOf(k: Kernel, distances: Float64Array): Float64Array {
  const n = Math.round(Math.sqrt(distances.length));
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) out[i * n + j] = kernelAt(k, distances[i * n + j]!);
  return out;
}

/** Covariance of places with points, a row a place. */
export function crossOf(k: Kernel, places: readonly Place[], points: readonly Place[]): Float64Array {
  const n = points.length;
  const out = new Float64Array(places.length * n);
  places.forEach((place, p) => {
    for (let i = 0; i < n; i++) out[p * n + i] = kernelAt(k, metres(place, points[i]!));
  });
  return out;
}

/** Cholesky factor of a covariance as `covarianceOf` gives it; `noise2` is added to the diagonal, one entry a point. */
export function factorOf(k: Kernel, covariance: Float64Array, noise2: Float64Array): Float64Array {
  const n = noise2.length;
  const a = covariance.slice();
  for (let i = 0; i < n; i++) a[i * n + i]! += k.nuggetSdDb * k.nuggetSdDb + noise2[i]! + 1e-6;
  if (!cholesky(a, n)) throw new Error("covariance of the labelled points is not positive definite");
  return a;
}

/** Trend of one sensor: rows of regressors a point, and what was observed. */
export interface SensorData {
  /** points * columns, row-major. */
  readonly design: Float64Array;
  readonly levelDbm: Float64Array;
}

export interface TrendFit {
  readonly coefficients: Float64Array;
  /** Minus log marginal likelihood (coefficients at their posterior mode), up to a constant. */
  readonly cost: number;
}

/**
 * Generalised least squares of the trend over all sensors, with a normal prior on each coefficient, and the marginal
 * likelihood of what is left. `factors` has one a sensor; sensors may share theirs.
 *
 * Cost: N^2 * columns a sensor.
 */
export function fitTrend(
  factors: readonly Float64Array[],
  n: number,
  data: readonly SensorData[],
  prior: { readonly mean: Float64Array; readonly sd: Float64Array },
): TrendFit {
  const q = prior.mean.length;
  const normal = new Float64Array(q * q);
  const right = new Float64Array(q);
  const whitened: { design: Float64Array[]; level: Float64Array }[] = [];
  let cost = 0;
  for (const [s, sensor] of data.entries()) {
    const factor = factors[s]!;
    for (let i = 0; i < n; i++) cost += Math.log(factor[i * n + i]!);
    const level = sensor.levelDbm.slice();
    forwardSolve(factor, n, level);
    const design: Float64Array[] = [];
    for (let c = 0; c < q; c++) {
      const column = new Float64Array(n);
      for (let i = 0; i < n; i++) column[i] = sensor.design[i * q + c]!;
      forwardSolve(factor, n, column);
      design.push(column);
    }
    for (let c = 0; c < q; c++) {
      for (let d = 0; d <= c; d++) normal[c * q + d]! += dot(design[c]!, design[d]!);
      right[c]! += dot(design[c]!, level);
    }
    whitened.push({ design, level });
  }
  for (let c = 0; c < q; c++) {
    const weight = 1 / (prior.sd[c]! * prior.sd[c]!);
    normal[c * q + c]! += weight;
    right[c]! += weight * prior.mean[c]!;
  }
  if (!cholesky(normal, q)) throw new Error("the trend's normal equations are singular");
  forwardSolve(normal, q, right);
  backSolve(normal, q, right);
  for (const { design, level } of whitened) {
    for (let i = 0; i < n; i++) {
      let r = level[i]!;
      for (let c = 0; c < q; c++) r -= right[c]! * design[c]![i]!;
      cost += (r * r) / 2;
    }
  }
  for (let c = 0; c < q; c++) cost += ((right[c]! - prior.mean[c]!) / prior.sd[c]!) ** 2 / 2;
  return { coefficients: right, cost };
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/**
 * Residual at places nobody labelled, of all sensors that share a factor.
 *
 * Shape: `residual[s]` has a value a point, `crosses` a row of points a place (`crossOf`); `mean` is written as places * sensors, `variance` one a place (the same for
 * all these sensors), NaN where `wanted`, given the place and its means, says no. Cost: N^2/2 a place for the variance, N a
 * place and sensor for the mean.
 */
export function predictResidual(
  k: Kernel,
  factor: Float64Array,
  residual: readonly Float64Array[],
  crosses: Float64Array,
  wanted: (place: number, mean: Float64Array) => boolean = () => true,
): { mean: Float64Array; variance: Float64Array } {
  const n = residual[0]!.length;
  const places = crosses.length / n;
  const weights = residual.map((r) => {
    const w = r.slice();
    forwardSolve(factor, n, w);
    backSolve(factor, n, w);
    return w;
  });
  const mean = new Float64Array(places * residual.length);
  const variance = new Float64Array(places);
  const cross = new Float64Array(n);
  const own = k.shadowSdDb * k.shadowSdDb + k.offsetSdDb * k.offsetSdDb;
  for (let p = 0; p < places; p++) {
    cross.set(crosses.subarray(p * n, (p + 1) * n));
    for (let s = 0; s < weights.length; s++) mean[p * weights.length + s] = dot(weights[s]!, cross);
    if (!wanted(p, mean)) {
      variance[p] = Number.NaN;
      continue;
    }
    forwardSolve(factor, n, cross);
    variance[p] = Math.max(0, own - dot(cross, cross));
  }
  return { mean, variance };
}

/**
 * Leave-one-out residuals of every point from one factor: r_i - mean_{-i} = [K^-1 r]_i / [K^-1]_ii.
 *
 * Source: Rasmussen and Williams 2006, equation 5.12. Returns residuals a sensor and the predictive variances (points).
 */
export function leaveOneOut(
  factor: Float64Array,
  n: number,
  residual: readonly Float64Array[],
): { residual: Float64Array[]; variance: Float64Array } {
  const diagonal = new Float64Array(n);
  const column = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    column.fill(0);
    column[i] = 1;
    forwardSolve(factor, n, column);
    diagonal[i] = dot(column, column);
  }
  const left = residual.map((r) => {
    const w = r.slice();
    forwardSolve(factor, n, w);
    backSolve(factor, n, w);
    for (let i = 0; i < n; i++) w[i]! /= diagonal[i]!;
    return w;
  });
  return { residual: left, variance: diagonal.map((d) => 1 / d) };
}
