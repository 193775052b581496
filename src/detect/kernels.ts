/**
 * The hot path of detection: the bank of three CUSUMs over a tracked floor, on flat typed arrays. This is the plain kernel; the one
 * for hosts with SIMD (`bank-module.ts`) does the same arithmetic for four lanes at a time and gives the same bits.
 *
 * Model: a reading is the mean power of n independent complex-Gaussian looks. With the floor mu (linear) and p = P / mu,
 * H0 says p ~ Gamma(n, mean 1) and H1 says p ~ Gamma(n, mean 1 + s), so one reading carries the log-likelihood ratio
 * L_s(p) = n [ p s / (1 + s) - ln(1 + s) ] (docs/detection.md, section 1). Everything that depends on the channel's own null
 * (n, correlation) is folded into the two numbers A = w n s / (1 + s), B = w n ln(1 + s) of a class in a small table.
 */
import { BANK, CLASS_STRIDE } from "./classes.ts";

/** Below this statistic the floor is followed and the channel counts as quiet; from it on the floor is frozen (nats). */
export const FREEZE_NATS = 4;
/** Largest value of a statistic: well above any threshold, small enough that the end of an event is seen at once. */
export const CAP_NATS = 32;
/** No threshold is below this (nats): what no single reading of a quiet hour brings. */
export const LEAST_THRESHOLD_NATS = 6;

/** Readings of a block: the floor stands still within it, and the cold state is looked at after it. */
export const BLOCK = 8;
/** Most blocks that may end in one run. */
export const RUN_BLOCKS = 32;
/** Readings that carry at least this much are counted, to learn the tail of the lane's own quiet (nats). */
export const TAIL_FROM = 2;
/** The counts are in steps of half a nat from TAIL_FROM on; the last one has all that is beyond. */
export const TAIL_BINS = 24;
/**
 * A receiver that repeats itself is stuck in its own quiet; beyond four spreads a steady carrier repeats itself too. Over the
 * reach of the tracker, which is one and a half.
 */
export const STUCK_OVER_REACH = Math.fround(4 / 1.5);
/**
 * Gain of the floor tracker: a reading moves the floor by this share of its residual, which is clipped at 1.5 spreads (Huber's psi,
 * 96 % efficient on normal noise). Its noise is sqrt(gain / 2) = 0.063 spreads; constant drift is fed forward.
 */
export const FOLLOW_GAIN = 0.008;

/**
 * 10^(dB/10) by linear interpolation on a grid of 1/32 dB: relative error at most (ln 10 / 320)^2 / 8 = 6.5e-6, less than a
 * tenth of what the rounding of a reading to 0.001 dB does. Clamped at +-POWER_RANGE_DB, outside any receiver.
 */
export const POWER_RANGE_DB = 128;
export const POWER_STEPS = 32;
/** Value and slope a step, alternating. */
export const POWER = new Float32Array(2 * (2 * POWER_RANGE_DB * POWER_STEPS + 2));
for (let i = 0; i < POWER.length / 2; i++) {
  const at = (step: number) => 10 ** ((step / POWER_STEPS - POWER_RANGE_DB) / 10);
  POWER[2 * i] = at(i);
  POWER[2 * i + 1] = at(i + 1) - at(i);
}

/** 10^(dB/10) as the kernels have it: `db` is a float32, and so is the result; NaN for NaN. */
export function powerOf(db: number): number {
  if (Number.isNaN(db)) return db;
  const bounded = db < POWER_RANGE_DB ? (db > -POWER_RANGE_DB ? db : -POWER_RANGE_DB) : POWER_RANGE_DB;
  const u = bounded * POWER_STEPS + POWER_RANGE_DB * POWER_STEPS;
  const k = u | 0;
  return Math.fround(POWER[2 * k]! + Math.fround((u - k) * POWER[2 * k + 1]!));
}

/**
 * A lane's record: 16 words, one line of a processor's cache. A lane is one stream of one channel: its rms, its peak, or its duty,
 * in dB. The first five words (20 B) are what must be known from reading to reading; the rest are sums of the block, of
 * the window and of the excursion, which a run brings up to date.
 */
export const LANE_WORDS = 16;
/** Mean level of the quiet (dBm), float32: median + bias. */
export const FLOOR = 0;
/** BANK statistics (nats), float32. */
export const G = 1;
/** Row of the class table (16 bits), most that one reading may add in units of 1/8 nat (8), drift in SLOPE_UNIT (8, signed). */
export const PACKED = 4;
/** Sum of the bounded residuals of a block that a push has cut (dB), float32. */
export const PULL = 5;
/** Quiet readings of that block (8 bits); tail bin of the newest reading, from 1, while it may prove to stand alone (8). */
export const PULLED = 6;
/** Newest value of the lane, float32; NaN: not measured. */
export const LAST = 7;
/** Event since the last quiet reading: sum of p (float32), readings. */
export const EV_SUM = 8;
export const EV_N = 9;
/** Window: largest p (float32), readings, sum of p of the running block (float32), number, sum of p of whole blocks (float64). */
export const WIN_MAX = 10;
export const WIN_N = 11;
export const WIN_PART = 12;
export const WIN_EPOCH = 13;
export const WIN_SUM = 14;

/** Where the records of `Lanes` lie: memory of its own, or one that a SIMD kernel shares (`simd.ts`). */
export interface LaneStore {
  /** The records, at least `lanes` of them; what was there before is kept. */
  reserve(lanes: number): { readonly buffer: ArrayBuffer; readonly byteOffset: number };
}

/** Records of plain memory. */
export function plainStore(): LaneStore {
  let buffer = new ArrayBuffer(0);
  return {
    reserve(lanes) {
      const next = new ArrayBuffer(lanes * LANE_WORDS * 4);
      new Uint8Array(next).set(new Uint8Array(buffer));
      buffer = next;
      return { buffer, byteOffset: 0 };
    },
  };
}

/** Words of a lane's clipped readings, a hypothesis. */
export const CUT_COUNT = 0;
export const CUT_POWER = 1;
export const CUT_NATS = 2;
const CUT_WORDS = 3;

/** The state of all lanes. */
export class Lanes {
  count = 0;
  capacity = 0;
  readonly #store: LaneStore;
  /** The records as float32, as integers, and as float64; word w of a lane is at `[lane * LANE_WORDS + w]`. */
  f32 = new Float32Array(0);
  i32 = new Int32Array(0);
  f64 = new Float64Array(0);
  /** Readings of the window that were clipped, per hypothesis: how many, their power, and what they counted for (nats); and the window. */
  winCut = new Float64Array(0);
  cutEpoch = new Int32Array(0);
  /** How many quiet readings stood alone with so large a log-likelihood ratio: TAIL_BINS counts a lane. */
  tail = new Uint16Array(0);

  constructor(store: LaneStore = plainStore()) {
    this.#store = store;
  }

  grow(capacity: number): void {
    if (capacity <= this.capacity) return;
    const { buffer, byteOffset } = this.#store.reserve(capacity);
    this.f32 = new Float32Array(buffer, byteOffset, capacity * LANE_WORDS);
    this.i32 = new Int32Array(buffer, byteOffset, capacity * LANE_WORDS);
    this.f64 = new Float64Array(buffer, byteOffset, (capacity * LANE_WORDS) / 2);
    this.winCut = resized(this.winCut, capacity * BANK * CUT_WORDS);
    this.cutEpoch = resized(this.cutEpoch, capacity);
    this.tail = resized(this.tail, capacity * TAIL_BINS);
    this.capacity = capacity;
  }

  floor(lane: number): number {
    return this.f32[lane * LANE_WORDS + FLOOR]!;
  }

  setFloor(lane: number, dbm: number): void {
    this.f32[lane * LANE_WORDS + FLOOR] = dbm;
  }

  /** Statistic of hypothesis k (nats). */
  g(lane: number, k: number): number {
    return this.f32[lane * LANE_WORDS + G + k]!;
  }

  setG(lane: number, k: number, nats: number): void {
    this.f32[lane * LANE_WORDS + G + k] = nats;
  }

  /** Statistics to zero, and with them the excursion that they were of. */
  clearG(lane: number): void {
    for (let k = 0; k < BANK; k++) this.setG(lane, k, 0);
    this.clearEvent(lane);
    this.setLone(lane, 0);
  }

  /** Largest statistic over the hypotheses. */
  top(lane: number): number {
    const at = lane * LANE_WORDS + G;
    const f32 = this.f32;
    const pair = f32[at]! > f32[at + 1]! ? f32[at]! : f32[at + 1]!;
    return pair > f32[at + 2]! ? pair : f32[at + 2]!;
  }

  cls(lane: number): number {
    return this.i32[lane * LANE_WORDS + PACKED]! & 0xffff;
  }

  setClass(lane: number, cls: number): void {
    const at = lane * LANE_WORDS + PACKED;
    this.i32[at] = (this.i32[at]! & ~0xffff) | cls;
  }

  /** Most that one reading may add, in units of 1/8 nat. */
  clip(lane: number): number {
    return (this.i32[lane * LANE_WORDS + PACKED]! >> 16) & 0xff;
  }

  setClip(lane: number, eighths: number): void {
    const at = lane * LANE_WORDS + PACKED;
    this.i32[at] = (this.i32[at]! & ~0xff0000) | (eighths << 16);
  }

  /** Drift of the floor, in SLOPE_UNIT spreads a reading, -127..127. */
  setSlope(lane: number, slope: number): void {
    const at = lane * LANE_WORDS + PACKED;
    this.i32[at] = (this.i32[at]! & 0xffffff) | (slope << 24);
  }

  last(lane: number): number {
    return this.f32[lane * LANE_WORDS + LAST]!;
  }

  setLast(lane: number, value: number): void {
    this.f32[lane * LANE_WORDS + LAST] = value;
  }

  clearPull(lane: number): void {
    this.f32[lane * LANE_WORDS + PULL] = 0;
  }

  evN(lane: number): number {
    return this.i32[lane * LANE_WORDS + EV_N]!;
  }

  evSum(lane: number): number {
    return this.f32[lane * LANE_WORDS + EV_SUM]!;
  }

  clearEvent(lane: number): void {
    this.f32[lane * LANE_WORDS + EV_SUM] = 0;
    this.i32[lane * LANE_WORDS + EV_N] = 0;
  }

  /** Adds one report of power p to the sums of window and event, after these were taken to a new floor (factor `shift`). */
  addReport(lane: number, p: number, shift: number): void {
    const at = lane * LANE_WORDS;
    const sum = (at + WIN_SUM) / 2;
    this.f64[sum] = this.f64[sum]! * shift + p;
    this.f32[at + WIN_MAX] = Math.max(this.f32[at + WIN_MAX]! * shift, p);
    this.i32[at + WIN_N]!++;
    this.f32[at + EV_SUM] = this.f32[at + EV_SUM]! * shift + p;
    this.i32[at + EV_N]!++;
  }

  /** The floor has moved to where it is now while the window ran: its sums are taken along (factor on powers), and no excursion is left. */
  rebase(lane: number, shift: number): void {
    const at = lane * LANE_WORDS;
    this.f64[(at + WIN_SUM) / 2]! *= shift;
    this.f32[at + WIN_PART]! *= shift;
    this.f32[at + WIN_MAX]! *= shift;
    for (let k = 0; k < BANK; k++) this.winCut[(lane * BANK + k) * CUT_WORDS + CUT_POWER]! *= shift;
    this.clearG(lane);
  }

  winN(lane: number): number {
    return this.i32[lane * LANE_WORDS + WIN_N]!;
  }

  winSum(lane: number): number {
    return this.f64[(lane * LANE_WORDS + WIN_SUM) / 2]! + this.f32[lane * LANE_WORDS + WIN_PART]!;
  }

  winMax(lane: number): number {
    return this.f32[lane * LANE_WORDS + WIN_MAX]!;
  }

  winEpoch(lane: number): number {
    return this.i32[lane * LANE_WORDS + WIN_EPOCH]!;
  }

  /** First touch of a lane in a window: its sums begin anew. */
  enterWindow(lane: number, epoch: number): void {
    const at = lane * LANE_WORDS;
    if (this.i32[at + WIN_EPOCH] === epoch) return;
    this.i32[at + WIN_EPOCH] = epoch;
    this.i32[at + WIN_N] = 0;
    this.f32[at + WIN_MAX] = 0;
    this.f32[at + WIN_PART] = 0;
    this.f64[(at + WIN_SUM) / 2] = 0;
  }

  /** Of the readings of this window that were clipped under hypothesis k: `CUT_COUNT`, `CUT_POWER` or `CUT_NATS`. */
  cut(lane: number, k: number, word: number): number {
    return this.cutEpoch[lane] === this.winEpoch(lane) ? this.winCut[(lane * BANK + k) * CUT_WORDS + word]! : 0;
  }

  addCut(lane: number, k: number, p: number, nats: number): void {
    if (this.cutEpoch[lane] !== this.winEpoch(lane)) {
      this.cutEpoch[lane] = this.winEpoch(lane);
      this.winCut.fill(0, lane * BANK * CUT_WORDS, (lane + 1) * BANK * CUT_WORDS);
    }
    const at = (lane * BANK + k) * CUT_WORDS;
    this.winCut[at + CUT_COUNT]!++;
    this.winCut[at + CUT_POWER]! += p;
    this.winCut[at + CUT_NATS]! += nats;
  }

  /** A quiet reading stood alone with so much. */
  countTail(lane: number, bin: number): void {
    const at = lane * TAIL_BINS + bin - 1;
    if (this.tail[at]! < 65_535) this.tail[at]!++;
  }

  lone(lane: number): number {
    return (this.i32[lane * LANE_WORDS + PULLED]! >> 8) & 0xff;
  }

  setLone(lane: number, bin: number): void {
    const at = lane * LANE_WORDS + PULLED;
    this.i32[at] = (this.i32[at]! & 0xff) | (bin << 8);
  }

  /** State arrays by name and how many numbers each has a lane, for a snapshot. */
  fields() {
    return [
      { name: "lane", per: LANE_WORDS, array: this.i32 },
      { name: "winCut", per: BANK * CUT_WORDS, array: this.winCut },
      { name: "cutEpoch", per: 1, array: this.cutEpoch },
      { name: "tail", per: TAIL_BINS, array: this.tail },
    ];
  }
}

/** Half-nat bin, counted from 1, of a log-likelihood ratio of at least TAIL_FROM. */
export function tailBin(nats: number): number {
  // Bounded before it is made an integer: a reading far out of range brings more nats than 32 bits hold.
  const bin = (nats - TAIL_FROM) * 2;
  return bin < TAIL_BINS - 1 ? (bin | 0) + 1 : TAIL_BINS;
}

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
  /** Largest statistic at or above FREEZE_NATS within the run (nats). */
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

/** Share that is taken off a bound which must hold in spite of float32 rounding. */
const ROUNDING = 1e-5;

/**
 * Runs the bank of one lane over readings `x[from..to)`.
 *
 * Units: `x` dB(m). NaN: not measured, skipped. `phase` is the place of the first reading in its block of BLOCK readings. Within a
 * block the floor stands still and moves at its end by what the readings pull: at a gain of 0.008 that is the same tracker,
 * and readings don't wait for one another. `follow` scales the gain. At most RUN_BLOCKS blocks may end in a run.
 *
 * Every step is rounded to float32, in a fixed order: so the result does not depend on how readings are cut into runs, and four
 * lanes side by side in float32 (`bank-module.ts`) come to the same bits. Cost: see docs/detection.md.
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
  const fround = Math.fround;
  const power = POWER;
  // Copies as numbers: an exported constant is a cell that the engine reads, and checks, at every use, and a variable that may take
  // its value (a statistic at its cap) is kept as an object on the heap.
  const range = +POWER_RANGE_DB;
  const steps = +POWER_STEPS;
  const middle = range * steps;
  const freeze = +FREEZE_NATS;
  const mostNats = +CAP_NATS;
  const tailFrom = +TAIL_FROM;
  const block = +BLOCK;
  const { f32, i32, f64 } = lanes;
  const at = lane * LANE_WORDS;
  const packed = i32[at + PACKED]!;
  const row = (packed & 0xffff) * CLASS_STRIDE;
  const a0 = table[row]!;
  const a1 = table[row + 1]!;
  const a2 = table[row + 2]!;
  const b0 = table[row + 3]!;
  const b1 = table[row + 4]!;
  const b2 = table[row + 5]!;
  const bias = table[row + 6]!;
  const reach = table[row + 7]!;
  const stuck = fround(reach * STUCK_OVER_REACH);
  const clip = ((packed >> 16) & 0xff) * 0.125;
  const cap0 = table[row + 8]! < clip ? table[row + 8]! : clip;
  const cap1 = table[row + 9]! < clip ? table[row + 9]! : clip;
  const cap2 = table[row + 10]! < clip ? table[row + 10]! : clip;
  // Below the first p no hypothesis gains anything; from the second on one may gain TAIL_FROM.
  const silent = (b0 / a0) * (1 - ROUNDING);
  const loud = Math.min((tailFrom + b0) / a0, (tailFrom + b1) / a1, (tailFrom + b2) / a2) * (1 - ROUNDING);
  const drift = fround((packed >> 24) * table[row + 11]!);
  const gain = fround(FOLLOW_GAIN * follow);
  let m = f32[at + FLOOR]!;
  let g0 = f32[at + G]!;
  let g1 = f32[at + G + 1]!;
  let g2 = f32[at + G + 2]!;
  let pull = f32[at + PULL]!;
  let pulled = i32[at + PULLED]! & 0xff;
  let lone = (i32[at + PULLED]! >> 8) & 0xff;
  let before = f32[at + LAST]!;
  let evSum = f32[at + EV_SUM]!;
  let evN = i32[at + EV_N]!;
  let winMax = f32[at + WIN_MAX]!;
  let part = f32[at + WIN_PART]!;
  let winSum = f64[(at + WIN_SUM) >> 1]!;
  let skipped = 0;
  let lastQuiet = -1;
  let crossed = -1;
  let lastActive = -1;
  let peak = 0;
  let blocks = 0;
  let top = g0 > g1 ? (g0 > g2 ? g0 : g2) : g1 > g2 ? g1 : g2;
  let i = from;
  let stop = from + block - phase;
  for (;;) {
    const end = stop < to ? stop : to;
    for (; i < end; i++) {
      const value = x[i]!;
      let d = fround(value - m);
      if (!(d > -range && d < range)) {
        if (Number.isNaN(d)) {
          before = value;
          skipped++;
          continue;
        }
        d = d < 0 ? -range : range;
      }
      const u = d * steps + middle;
      const k = u | 0;
      const p = fround(power[2 * k]! + fround((u - k) * power[2 * k + 1]!));
      part = fround(part + p);
      if (p > winMax) winMax = p;
      const off = fround(d + bias);
      const bounded = off > reach ? reach : off < -reach ? -reach : off;
      if (top === 0 && p < silent) {
        // Four quiet readings of five end here: nothing speaks for a signal and nothing did before.
        pull = fround(pull + bounded);
        pulled++;
        lastQuiet = i;
        before = value;
        continue;
      }
      let l0 = fround(fround(a0 * p) - b0);
      let l1 = fround(fround(a1 * p) - b1);
      let l2 = fround(fround(a2 * p) - b2);
      if (value === before && top >= 1 && d < stuck) {
        // The same value again tells less than it says; what speaks against a signal still counts.
        if (l0 > 0) l0 = 0;
        if (l1 > 0) l1 = 0;
        if (l2 > 0) l2 = 0;
      }
      before = value;
      const was = top;
      // max(0, v) as (v + |v|) / 2 and max(a, b) as (a + b + |a - b|) / 2: exact on float32 values in float64, and without the
      // branches that half of these readings would mispredict.
      const v0 = fround(g0 + (l0 < cap0 ? l0 : cap0));
      const v1 = fround(g1 + (l1 < cap1 ? l1 : cap1));
      const v2 = fround(g2 + (l2 < cap2 ? l2 : cap2));
      g0 = 0.5 * (v0 + Math.abs(v0));
      g1 = 0.5 * (v1 + Math.abs(v1));
      g2 = 0.5 * (v2 + Math.abs(v2));
      const pair = 0.5 * (g0 + g1 + Math.abs(g0 - g1));
      top = 0.5 * (pair + g2 + Math.abs(pair - g2));
      if (lone !== 0) {
        if (l0 < 0) lanes.countTail(lane, lone);
        lone = 0;
      }
      if (top < freeze) {
        pull = fround(pull + bounded);
        pulled++;
      } else {
        lastActive = i;
        if (top >= threshold && crossed < 0) crossed = i;
        if (g0 > mostNats) g0 = mostNats;
        if (g1 > mostNats) g1 = mostNats;
        if (g2 > mostNats) g2 = mostNats;
        if (l0 > cap0) lanes.addCut(lane, 0, p, cap0);
        if (l1 > cap1) lanes.addCut(lane, 1, p, cap1);
        if (l2 > cap2) lanes.addCut(lane, 2, p, cap2);
        if (top > mostNats) top = mostNats;
        if (top > peak) peak = top;
      }
      if (top < 1) {
        lastQuiet = i;
        evSum = 0;
        evN = 0;
      } else {
        evSum = fround(evSum + p);
        evN++;
        if (p >= loud && was < freeze) {
          const most = l0 > l1 ? (l0 > l2 ? l0 : l2) : l1 > l2 ? l1 : l2;
          if (most >= tailFrom) lone = tailBin(most);
        }
      }
    }
    if (i < stop) break;
    m = fround(m + fround(fround(gain * pull) + fround(drift * pulled)));
    pull = 0;
    pulled = 0;
    winSum += part;
    part = 0;
    out.floors[blocks] = m;
    out.tops[blocks] = top;
    blocks++;
    if (i >= to) break;
    stop += block;
  }
  f32[at + FLOOR] = m;
  f32[at + G] = g0;
  f32[at + G + 1] = g1;
  f32[at + G + 2] = g2;
  f32[at + PULL] = pull;
  i32[at + PULLED] = pulled | (lone << 8);
  f32[at + LAST] = before;
  f32[at + EV_SUM] = evSum;
  i32[at + EV_N] = evN;
  f32[at + WIN_MAX] = winMax;
  i32[at + WIN_N] = i32[at + WIN_N]! + to - from - skipped;
  f32[at + WIN_PART] = part;
  f64[(at + WIN_SUM) >> 1] = winSum;
  out.lastQuiet = lastQuiet;
  out.crossed = crossed;
  out.lastActive = lastActive;
  out.peak = peak;
  out.blocks = blocks;
}
