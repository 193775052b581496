/**
 * The hot path of detection: the bank of three CUSUMs over a tracked floor, and the sliding histogram, on flat typed arrays.
 *
 * Model: a reading is the mean power of n independent complex-Gaussian looks. With the floor mu (linear) and p = P / mu,
 * H0 says p ~ Gamma(n, mean 1) and H1 says p ~ Gamma(n, mean 1 + s), so one reading carries the log-likelihood ratio
 * L_s(p) = n [ p s / (1 + s) - ln(1 + s) ] (docs/detection.md, section 1). Everything that depends on the channel's own null
 * (n, correlation) is folded into the two numbers A = w n s / (1 + s), B = w n ln(1 + s) of a class in a small table.
 */

/** dB per neper of power: 10 / ln 10. */
export const DB_PER_NEPER = 10 / Math.LN10;

/** Hypotheses run in parallel. */
export const BANK = 3;
/** Below this statistic the floor is followed and the channel counts as quiet; from it on the floor is frozen (nats). */
export const FREEZE_NATS = 4;
/** Largest value of a statistic: well above any threshold, small enough that the end of an event is seen at once. */
export const CAP_NATS = 32;

/** Readings of a block: the floor stands still within it, and the cold state is looked at after it. */
export const BLOCK = 8;
/** Most blocks that may end in one run. */
export const RUN_BLOCKS = 32;
/** Readings that carry at least this much are counted, to learn the tail of the lane's own quiet (nats). */
export const TAIL_FROM = 2;
/** The counts are in steps of half a nat from TAIL_FROM on; the last one has all that is beyond. */
export const TAIL_BINS = 24;
/** A receiver that repeats itself is stuck in its own quiet; beyond so many spreads a steady carrier repeats itself too. */
const STUCK_SIGMAS = 4;

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

/**
 * Gain of the floor tracker: a reading moves the floor by this share of its residual, which is clipped at FOLLOW_CLIP spreads
 * (Huber's psi, 96 % efficient on normal noise). Its noise is sqrt(gain / 2) = 0.063 spreads; constant drift is fed forward.
 */
export const FOLLOW_GAIN = 0.008;
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

/**
 * 10^(dB/10) by linear interpolation on a grid of 1/32 dB: relative error at most (ln 10 / 320)^2 / 8 = 6.5e-6, less than a
 * tenth of what the rounding of a reading to 0.001 dB does. Clamped at +-POWER_RANGE_DB, outside any receiver.
 */
export const POWER_RANGE_DB = 128;
const POWER_STEPS = 32;
/** Value and slope a step, alternating. */
const POWER = new Float64Array(2 * (2 * POWER_RANGE_DB * POWER_STEPS + 2));
for (let i = 0; i < POWER.length / 2; i++) {
  const at = (step: number) => 10 ** ((step / POWER_STEPS - POWER_RANGE_DB) / 10);
  POWER[2 * i] = at(i);
  POWER[2 * i + 1] = at(i + 1) - at(i);
}

/** 10^(dB/10) as the kernel has it; NaN for NaN. */
export function powerOf(db: number): number {
  if (!(db < POWER_RANGE_DB)) return Number.isNaN(db) ? db : POWER[POWER.length - 4]!;
  const u = db > -POWER_RANGE_DB ? (db + POWER_RANGE_DB) * POWER_STEPS : 0;
  const k = u | 0;
  return POWER[2 * k]! + (u - k) * POWER[2 * k + 1]!;
}

/**
 * The state of all lanes. A lane is one stream of one channel: its rms, its peak, or its duty, in dB.
 *
 * Hot state (20 B a lane): floor, g, cls, clip, slope. The rest is touched once a push (accumulators of the window and the event)
 * or once in eight readings (cold: histogram, counters).
 */
export class Lanes {
  count = 0;
  capacity = 0;
  /** Mean level of the quiet (dBm): median + bias. */
  floor = new Float32Array(0);
  /** BANK statistics a lane (nats). */
  g = new Float32Array(0);
  /** Row of the class table. */
  cls = new Uint16Array(0);
  /** Most that one reading may add, in units of 1/8 nat. */
  clip = new Uint8Array(0);
  /** Drift of the floor, in SLOPE_UNIT spreads a reading. */
  slope = new Int8Array(0);

  /** Sum of the bounded residuals of a block that a push has cut (dB), and of its quiet readings. */
  pull = new Float64Array(0);
  pulled = new Uint8Array(0);
  /** Window (sum of p, readings, largest p), event since the last quiet reading (sum of p, readings). */
  winSum = new Float64Array(0);
  winN = new Uint32Array(0);
  winMax = new Float32Array(0);
  /** Power above the clip, per hypothesis, that the window's step must not count (nats). */
  winCut = new Float64Array(0);
  winEpoch = new Uint32Array(0);
  evSum = new Float64Array(0);
  evN = new Uint32Array(0);
  /** Tail bin of the newest reading, counted from 1, while it may yet prove to stand alone; 0: none. */
  lone = new Uint8Array(0);
  /** How many quiet readings stood alone with so large a log-likelihood ratio: TAIL_BINS counts a lane. */
  tail = new Uint16Array(0);
  /** Newest value of the lane; NaN: not measured. */
  last = new Float32Array(0);

  grow(capacity: number): void {
    if (capacity <= this.capacity) return;
    for (const [name, per] of LANE_FIELDS) this[name] = resized(this[name], capacity * per) as never;
    this.capacity = capacity;
  }
}

/** Fields of `Lanes` and how many numbers each has a lane. */
export const LANE_FIELDS = [
  ["floor", 1],
  ["g", BANK],
  ["cls", 1],
  ["clip", 1],
  ["slope", 1],
  ["pull", 1],
  ["pulled", 1],
  ["winSum", 1],
  ["winN", 1],
  ["winMax", 1],
  ["winCut", BANK],
  ["winEpoch", 1],
  ["evSum", 1],
  ["evN", 1],
  ["lone", 1],
  ["tail", TAIL_BINS],
  ["last", 1],
] as const;

/** A longer typed array of the same kind with the same beginning. */
export function resized<
  T extends Float32Array | Float64Array | Uint8Array | Int8Array | Uint16Array | Uint32Array | Int32Array | Int16Array,
>(old: T, length: number): T {
  const next = new (old.constructor as new (n: number) => T)(length);
  next.set(old);
  return next;
}

/** Indices that a run of the kernel leaves behind; reused, so read it before the next run. -1 means none. */
export interface RunResult {
  /** Last reading after which the statistic was below one nat. */
  lastQuiet: number;
  /** First reading at which the statistic reached `threshold`. */
  crossed: number;
  /** Last reading after which the statistic was at or above FREEZE_NATS. */
  lastActive: number;
  /** Largest statistic within the run (nats). */
  peak: number;
  /** Blocks that ended in the run, and floor and statistic at the end of each. */
  blocks: number;
  readonly floors: Float32Array;
  readonly tops: Float32Array;
}

export function newRunResult(): RunResult {
  return {
    lastQuiet: -1,
    crossed: -1,
    lastActive: -1,
    peak: 0,
    blocks: 0,
    floors: new Float32Array(RUN_BLOCKS),
    tops: new Float32Array(RUN_BLOCKS),
  };
}

/**
 * Runs the bank of one lane over readings `x[from..to)`.
 *
 * Units: `x` dB(m). NaN: not measured, skipped. `phase` is the place of the first reading in its block of BLOCK readings. Within a
 * block the floor stands still and moves at its end by what the readings pull: at a gain of 0.008 that is the same tracker,
 * and readings don't wait for one another. `follow` scales the gain. At most RUN_BLOCKS blocks may end in a run.
 *
 * Every number that is carried from reading to reading is rounded to float32 at each step or carried in float64 throughout, so that
 * the result does not depend on how readings are cut into runs. Cost: see docs/detection.md.
 */
export function bankRun(
  x: Float32Array,
  from: number,
  to: number,
  phase: number,
  lane: number,
  lanes: Lanes,
  table: Float32Array,
  threshold: number,
  follow: number,
  out: RunResult,
): void {
  const row = lanes.cls[lane]! * CLASS_STRIDE;
  const a0 = table[row]!;
  const a1 = table[row + 1]!;
  const a2 = table[row + 2]!;
  const b0 = table[row + 3]!;
  const b1 = table[row + 4]!;
  const b2 = table[row + 5]!;
  const bias = table[row + 6]!;
  const reach = table[row + 7]!;
  const speaks = table[row + 12]!;
  const clip = lanes.clip[lane]! * 0.125;
  const cap0 = table[row + 8]! < clip ? table[row + 8]! : clip;
  const cap1 = table[row + 9]! < clip ? table[row + 9]! : clip;
  const cap2 = table[row + 10]! < clip ? table[row + 10]! : clip;
  const drift = lanes.slope[lane]! * table[row + 11]!;
  const gain = FOLLOW_GAIN * follow;
  const power = POWER;
  const at = lane * BANK;
  let m = lanes.floor[lane]!;
  let g0 = lanes.g[at]!;
  let g1 = lanes.g[at + 1]!;
  let g2 = lanes.g[at + 2]!;
  let winSum = lanes.winSum[lane]!;
  let winMax = lanes.winMax[lane]!;
  let evSum = lanes.evSum[lane]!;
  let evN = lanes.evN[lane]!;
  let pull = phase === 0 ? 0 : lanes.pull[lane]!;
  let pulled = phase === 0 ? 0 : lanes.pulled[lane]!;
  const last = lanes.last[lane]!;
  let lone = lanes.lone[lane]!;
  let skipped = 0;
  let lastQuiet = -1;
  let crossed = -1;
  let lastActive = -1;
  let peak = 0;
  let blocks = 0;
  let top = g0 > g1 ? (g0 > g2 ? g0 : g2) : g1 > g2 ? g1 : g2;
  let higher = g1 + g2;
  const most0 = 10 * Math.log10(b1 / a1);
  let i = from;
  let stop = from + BLOCK - phase;
  for (;;) {
    const end = stop < to ? stop : to;
    for (; i < end; i++) {
      const value = x[i]!;
      const d = value - m;
      // Four quiet readings of five end here: nothing speaks for a signal and nothing did before.
      if (top === 0 && d < speaks && d > -POWER_RANGE_DB) {
        const u = (d + POWER_RANGE_DB) * POWER_STEPS;
        const k = u | 0;
        const p = power[2 * k]! + (u - k) * power[2 * k + 1]!;
        winSum += p;
        if (p > winMax) winMax = Math.fround(p);
        const off = d + bias;
        pull += off > reach ? reach : off < -reach ? -reach : off;
        pulled++;
        lastQuiet = i;
        continue;
      }
      if (d < most0 && higher === 0 && top < 1 && d > -POWER_RANGE_DB) {
        // Half of the rest: only the weakest hypothesis is concerned, and it stays below a nat.
        const u = (d + POWER_RANGE_DB) * POWER_STEPS;
        const k = u | 0;
        const p = power[2 * k]! + (u - k) * power[2 * k + 1]!;
        const v = Math.fround(g0 + (a0 * p - b0));
        if (v < 1) {
          g0 = v > 0 ? v : 0;
          top = g0;
          winSum += p;
          if (p > winMax) winMax = Math.fround(p);
          const off = d + bias;
          pull += off > reach ? reach : off < -reach ? -reach : off;
          pulled++;
          lastQuiet = i;
          continue;
        }
      }
      if (Number.isNaN(value)) {
        skipped++;
        continue;
      }
      const p = powerOf(d);
      let l0 = a0 * p - b0;
      let l1 = a1 * p - b1;
      let l2 = a2 * p - b2;
      if (value === (i > from ? x[i - 1]! : last) && top >= 1) {
        // The same value again tells less than it says; what speaks against a signal still counts.
        if (d < reach * (STUCK_SIGMAS / FOLLOW_CLIP)) {
          if (l0 > 0) l0 = 0;
          if (l1 > 0) l1 = 0;
          if (l2 > 0) l2 = 0;
        }
      }
      const before = top;
      // max(0, v) as (v + |v|) / 2 and max(a, b) as (a + b + |a - b|) / 2: exact on float32 values in float64, and without the
      // branches that half of these readings would mispredict.
      const v0 = Math.fround(g0 + (l0 < cap0 ? l0 : cap0));
      const v1 = Math.fround(g1 + (l1 < cap1 ? l1 : cap1));
      const v2 = Math.fround(g2 + (l2 < cap2 ? l2 : cap2));
      g0 = 0.5 * (v0 + Math.abs(v0));
      g1 = 0.5 * (v1 + Math.abs(v1));
      g2 = 0.5 * (v2 + Math.abs(v2));
      higher = g1 + g2;
      const pair = 0.5 * (g0 + g1 + Math.abs(g0 - g1));
      top = 0.5 * (pair + g2 + Math.abs(pair - g2));
      if (lone !== 0) {
        if (l0 < 0 && lanes.tail[lane * TAIL_BINS + lone - 1]! < 65_535) lanes.tail[lane * TAIL_BINS + lone - 1]!++;
        lone = 0;
      }
      winSum += p;
      if (p > winMax) winMax = Math.fround(p);
      if (top < FREEZE_NATS) {
        const off = d + bias;
        pull += off > reach ? reach : off < -reach ? -reach : off;
        pulled++;
      } else {
        lastActive = i;
        if (top >= threshold && crossed < 0) crossed = i;
        if (g0 > CAP_NATS) g0 = CAP_NATS;
        if (g1 > CAP_NATS) g1 = CAP_NATS;
        if (g2 > CAP_NATS) g2 = CAP_NATS;
        if (l0 > cap0) lanes.winCut[at]! += l0 - cap0;
        if (l1 > cap1) lanes.winCut[at + 1]! += l1 - cap1;
        if (l2 > cap2) lanes.winCut[at + 2]! += l2 - cap2;
        if (top > CAP_NATS) top = CAP_NATS;
        if (top > peak) peak = top;
      }
      if (top < 1) {
        lastQuiet = i;
        evSum = 0;
        evN = 0;
      } else {
        evSum += p;
        evN++;
        if (before < FREEZE_NATS && top >= TAIL_FROM) {
          const most = l0 > l1 ? (l0 > l2 ? l0 : l2) : l1 > l2 ? l1 : l2;
          if (most >= TAIL_FROM) {
            const bin = ((most - TAIL_FROM) * 2) | 0;
            lone = (bin < TAIL_BINS ? bin : TAIL_BINS - 1) + 1;
          }
        }
      }
    }
    if (i < stop) break;
    m = Math.fround(m + gain * pull + drift * pulled);
    pull = 0;
    pulled = 0;
    out.floors[blocks] = m;
    out.tops[blocks] = top;
    blocks++;
    if (i >= to) break;
    stop += BLOCK;
  }
  lanes.floor[lane] = m;
  lanes.pull[lane] = pull;
  lanes.pulled[lane] = pulled;
  lanes.g[at] = g0;
  lanes.g[at + 1] = g1;
  lanes.g[at + 2] = g2;
  lanes.winSum[lane] = winSum;
  lanes.winN[lane]! += to - from - skipped;
  lanes.winMax[lane] = winMax;
  lanes.evSum[lane] = evSum;
  lanes.evN[lane] = evN;
  lanes.lone[lane] = lone;
  if (to > from) lanes.last[lane] = x[to - 1]!;
  out.lastQuiet = lastQuiet;
  out.crossed = crossed;
  out.lastActive = lastActive;
  out.peak = peak;
  out.blocks = blocks;
}

// ------------------------------------------------------------------------------------------------- sliding histogram

/** Readings in the sliding histogram of a lane. */
export const HIST_WINDOW = 255;
/** Bins: the middle of bin 64 is residual 0; one bin is a quarter of the quiet spread, so the histogram spans ±16 sigma. */
export const HIST_BINS = 128;
export const HIST_CENTRE = 64;
export const BINS_PER_SIGMA = 4;

/** Bin of a residual; outliers go to the outermost bins. */
export function binOf(residualDb: number, binDb: number): number {
  const b = residualDb / binDb + (HIST_CENTRE + 0.5);
  return b >= HIST_BINS ? HIST_BINS - 1 : b > 0 ? b | 0 : 0;
}

/** Puts a bin into the lane's ring and histogram and takes the oldest out. `fill` is how many the ring holds already. */
export function histPush(
  bin: number,
  lane: number,
  ring: Uint8Array,
  counts: Uint8Array,
  pos: number,
  fill: number,
): void {
  const r = lane * HIST_WINDOW + pos;
  const c = lane * HIST_BINS;
  if (fill === HIST_WINDOW) counts[c + ring[r]!]!--;
  ring[r] = bin;
  counts[c + bin]!++;
}

/** Quantile q of the lane's histogram in bins relative to residual 0, interpolated as if spread evenly within a bin. */
export function histQuantile(counts: Uint8Array, lane: number, fill: number, q: number): number {
  const c = lane * HIST_BINS;
  const target = q * fill;
  let below = 0;
  for (let b = 0; b < HIST_BINS; b++) {
    const n = counts[c + b]!;
    if (below + n >= target && n > 0) return b - HIST_CENTRE - 0.5 + (target - below) / n;
    below += n;
  }
  return HIST_BINS - 1 - HIST_CENTRE;
}

/**
 * Median absolute deviation of the lane's histogram about `medianBins`, in bins: the half-width of the interval about the median
 * that holds half of the readings, each bin's readings spread evenly over it.
 */
export function histMad(counts: Uint8Array, lane: number, fill: number, medianBins: number): number {
  const c = lane * HIST_BINS;
  for (let b = 0; b < HIST_BINS; b++) below[b + 1] = below[b]! + counts[c + b]!;
  const at = medianBins + HIST_CENTRE + 0.5;
  let lo = 0;
  let hi = HIST_BINS;
  for (let i = 0; i < 20; i++) {
    const mid = (lo + hi) / 2;
    if ((massBelow(at + mid) - massBelow(at - mid)) * 2 < fill) lo = mid;
    else hi = mid;
  }
  return hi;
}

/** Readings below the begin of each bin, of the lane that `histMad` looks at. */
const below = new Float64Array(HIST_BINS + 1);

/** Readings below a place, in bins from the begin of the first, spread evenly within each bin. */
function massBelow(place: number): number {
  if (place <= 0) return 0;
  if (place >= HIST_BINS) return below[HIST_BINS]!;
  const b = place | 0;
  return below[b]! + (place - b) * (below[b + 1]! - below[b]!);
}
