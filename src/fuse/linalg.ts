/**
 * The little linear algebra the localiser needs, on flat row-major arrays. Only the lower triangle is read or written.
 */

/**
 * Cholesky factor in place: A = L L'. Returns false where A is not positive definite (the array is then garbage).
 *
 * Shape: n*n, row-major. Cost: n^3/6 multiplications.
 */
export function cholesky(a: Float64Array, n: number): boolean {
  for (let j = 0; j < n; j++) {
    const rowJ = j * n;
    let diagonal = a[rowJ + j]!;
    for (let k = 0; k < j; k++) diagonal -= a[rowJ + k]! * a[rowJ + k]!;
    if (!(diagonal > 0)) return false;
    const root = Math.sqrt(diagonal);
    a[rowJ + j] = root;
    const inverse = 1 / root;
    let i = j + 1;
    // Four rows at a time: each sum waits for its own last subtraction, not for the others'.
    for (; i + 3 < n; i += 4) {
      // Not destructured: the engine would make an array of each.
      const row0 = i * n;
      const row1 = row0 + n;
      const row2 = row1 + n;
      const row3 = row2 + n;
      let s0 = a[row0 + j]!;
      let s1 = a[row1 + j]!;
      let s2 = a[row2 + j]!;
      let s3 = a[row3 + j]!;
      for (let k = 0; k < j; k++) {
        const l = a[rowJ + k]!;
        s0 -= a[row0 + k]! * l;
        s1 -= a[row1 + k]! * l;
        s2 -= a[row2 + k]! * l;
        s3 -= a[row3 + k]! * l;
      }
      a[row0 + j] = s0 * inverse;
      a[row1 + j] = s1 * inverse;
      a[row2 + j] = s2 * inverse;
      a[row3 + j] = s3 * inverse;
    }
    for (; i < n; i++) {
      const rowI = i * n;
      let sum = a[rowI + j]!;
      for (let k = 0; k < j; k++) sum -= a[rowI + k]! * a[rowJ + k]!;
      a[rowI + j] = sum * inverse;
    }
  }
  return true;
}

/** Solves L x = b in place (b becomes x). Cost: n^2/2. */
export function forwardSolve(l: Float64Array, n: number, b: Float64Array): void {
  for (let i = 0; i < n; i++) {
    const row = i * n;
    let sum = b[i]!;
    for (let k = 0; k < i; k++) sum -= l[row + k]! * b[k]!;
    b[i] = sum / l[row + i]!;
  }
}

/** Solves L' x = b in place (b becomes x). Cost: n^2/2. */
export function backSolve(l: Float64Array, n: number, b: Float64Array): void {
  for (let i = n - 1; i >= 0; i--) {
    let sum = b[i]!;
    for (let k = i + 1; k < n; k++) sum -= l[k * n + i]! * b[k]!;
    b[i] = sum / l[i * n + i]!;
  }
}

/** log |A| from its Cholesky factor. */
export function logDeterminant(l: Float64Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += Math.log(l[i * n + i]!);
  return 2 * sum;
}

/** Terms this far below the largest one add less than a double can hold: exp(-38) is 3e-17. */
const NOTHING_NATS = 38;

/** log of the sum of exponentials over `values[from..to)`; -Infinity for an empty range. */
export function logSumExp(values: Float64Array, from: number, to: number): number {
  let top = Number.NEGATIVE_INFINITY;
  for (let i = from; i < to; i++) if (values[i]! > top) top = values[i]!;
  if (top === Number.NEGATIVE_INFINITY) return top;
  let sum = 0;
  const least = top - NOTHING_NATS;
  for (let i = from; i < to; i++) if (values[i]! > least) sum += Math.exp(values[i]! - top);
  return top + Math.log(sum);
}

/** Shifts log weights so that they sum to one; returns the log of what they summed to. All -Infinity stays as it is. */
export function normaliseLog(values: Float64Array): number {
  const total = logSumExp(values, 0, values.length);
  if (total === Number.NEGATIVE_INFINITY) return total;
  for (let i = 0; i < values.length; i++) values[i]! -= total;
  return total;
}

// Phi(z) tabled on [-8, 8] in steps of 1/64, linear between: absolute error below 1.5e-5 of the slope's change, checked
// against an independent erfc in the tests.
const PHI_RANGE = 8;
const PHI_STEPS = 64;
const PHI = /* @__PURE__ */ phiTable();

function phiTable(): Float64Array {
  const table = new Float64Array(2 * PHI_RANGE * PHI_STEPS + 2);
  for (let i = 0; i < table.length; i++) table[i] = normalCdfSlow(i / PHI_STEPS - PHI_RANGE);
  return table;
}

/** Phi by the continued fraction in the tails and the series near 0 (Abramowitz and Stegun 26.2.11 and 26.2.14). */
function normalCdfSlow(z: number): number {
  const x = Math.abs(z);
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  let upper: number;
  if (x < 3) {
    let term = x;
    let sum = x;
    for (let k = 1; k < 80; k++) {
      term *= (x * x) / (2 * k + 1);
      sum += term;
    }
    upper = 0.5 - density * sum;
  } else {
    let fraction = 0;
    for (let k = 60; k >= 1; k--) fraction = k / (x + fraction);
    upper = density / (x + fraction);
  }
  return z > 0 ? 1 - upper : upper;
}

/** Standard normal distribution function; 0 below -8, 1 above 8. NaN gives NaN. */
export function normalCdf(z: number): number {
  if (z >= PHI_RANGE) return 1;
  if (z <= -PHI_RANGE) return 0;
  const at = (z + PHI_RANGE) * PHI_STEPS;
  const i = Math.floor(at);
  if (!(i >= 0)) return Number.NaN;
  return PHI[i]! + (at - i) * (PHI[i + 1]! - PHI[i]!);
}

/** The lower middle of the values, 0 for none; sorts them in place. Cost: n log n. */
export function median(values: number[]): number {
  if (values.length === 0) return 0;
  values.sort((a, b) => a - b);
  return values[(values.length - 1) >> 1]!;
}

/** Runs a calculation that is done in steps to its end. */
export function atOnce<T>(steps: Generator<void, T>): T {
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value;
}
