/**
 * The exact optimum that the detector is measured against: CUSUM with floor and signal-to-noise ratio known, which no procedure
 * beats in worst-case mean delay at equal ARL (Moustakides 1986), by the Markov chain of Brook and Evans (1972) over a grid of
 * the statistic.
 */

/** ln Gamma(x) by Lanczos' series (g = 7, n = 9), relative error about 1e-13. */
export function lnGamma(x: number): number {
  const c = [
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  const y = x - 1;
  let sum = c[0]!;
  for (let i = 1; i < 9; i++) sum += c[i]! / (y + i);
  const t = y + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (y + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** Regularised lower incomplete gamma P(a, x): series below a + 1, continued fraction (Lentz) above. */
export function gammaP(a: number, x: number): number {
  if (x <= 0) return 0;
  const front = Math.exp(a * Math.log(x) - x - lnGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let k = 1; k < 1000 && term > 1e-16 * sum; k++) {
      term *= x / (a + k);
      sum += term;
    }
    return front * sum;
  }
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let h = d;
  for (let i = 1; i < 1000; i++) {
    const an = -i * (i - a);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    const step = d * c;
    h *= step;
    if (Math.abs(step - 1) < 1e-15) break;
  }
  return 1 - front * h;
}

/** Mean readings to alarm from 0 at threshold h, when the readings' mean is `level` (1: quiet, 1 + s: signal). */
export function meanRun(n: number, s: number, h: number, level: number, states = 240): number {
  // State i stands for the statistic around (i + 1/2) w; state 0 also takes everything that falls below 0. The bias of this
  // rounding falls with w, which `optimum` removes by extrapolation.
  const w = h / states;
  const below = (y: number) => gammaP(n, (n * (((y / n + Math.log1p(s)) * (1 + s)) / s)) / level);
  const q: Float64Array[] = [];
  for (let i = 0; i < states; i++) {
    const row = new Float64Array(states + 1);
    const from = i === 0 ? 0 : (i + 0.5) * w;
    let before = 0;
    for (let j = 0; j < states; j++) {
      const up = below((j + 1) * w - from);
      row[j] = (i === j ? 1 : 0) - (up - before);
      before = up;
    }
    row[states] = 1;
    q.push(row);
  }
  for (let k = 0; k < states; k++) {
    const pivot = q[k]!;
    for (let i = k + 1; i < states; i++) {
      const row = q[i]!;
      const f = row[k]! / pivot[k]!;
      if (f === 0) continue;
      for (let j = k; j <= states; j++) row[j] = row[j]! - f * pivot[j]!;
    }
  }
  const x = new Float64Array(states);
  for (let k = states - 1; k >= 0; k--) {
    let v = q[k]![states]!;
    for (let j = k + 1; j < states; j++) v -= q[k]![j]! * x[j]!;
    x[k] = v / q[k]![k]!;
  }
  return x[0]!;
}

/** Least worst-case mean delay (readings) at n looks, signal-to-noise ratio s (linear) and this ARL, and the threshold. */
export function optimum(n: number, s: number, arl: number): { readonly delay: number; readonly threshold: number } {
  const at = (states: number) => {
    let lo = 0.2;
    let hi = Math.log(arl) + 1;
    for (let i = 0; i < 22; i++) {
      const mid = (lo + hi) / 2;
      if (meanRun(n, s, mid, 1, states) < arl) lo = mid;
      else hi = mid;
    }
    return { delay: meanRun(n, s, hi, 1 + s, states), threshold: hi };
  };
  const coarse = at(60);
  const fine = at(120);
  return { delay: 2 * fine.delay - coarse.delay, threshold: 2 * fine.threshold - coarse.threshold };
}
