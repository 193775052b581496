/**
 * What a lane learns of its own quiet, off the hot path: first floor and spread (warm-up), then every eighth reading the sliding
 * histogram (median and MAD about the tracked floor), correlation of neighbours, stuck values, steps of the floor downward, and
 * the release of a floor that has stayed up.
 */
import { buildClassTable, CLASS_STRIDE, classOf, DB_PER_NEPER, medianOfGamma, SLOPE_UNIT } from "./classes.ts";
import { BINS_PER_SIGMA, binOf, HIST_BINS, HIST_WINDOW, histMad, histPush, histQuantile } from "./histogram.ts";
import { BLOCK, FREEZE_NATS, type Lanes, powerOf, resized, TAIL_BINS, TAIL_FROM } from "./kernels.ts";

/** A lane's record, one line of a processor's cache: what a cold visit reads or writes. */
export const COLD_WORDS = 16;
/** Readings that were measured; instants, measured or not: blocks and runs are counted by these, so that a sensor's lanes keep step. */
export const SEEN = 0;
export const TICKS = 1;
export const VISITS = 2;
/** Visits in a row that found a value equal to the one before it. */
const SAME = 3;
/** Share of neighbouring residuals with the same sign, exponentially averaged (0.5 is independent), and pairs it rests on. */
const PAIRS = 4;
const AGREE = 8;
/** Place and number of readings in the ring of the histogram; width of its bins (dB). */
const POS = 5;
const FILL = 6;
const BIN_DB = 7;
/** CUSUM of the fall of the floor: statistic, sum of residuals, visits. */
const FALL_G = 9;
const FALL_SUM = 10;
const FALL_N = 11;
/** For how many visits the lane has been hot without a break, and the mean of the readings (dB) at the last of them. */
export const HOT_VISITS = 12;
const HOT_MEAN = 13;
/** Spread of the quiet (dB). */
export const SIGMA = 14;
/** Largest statistic of the running block of BLOCK_READINGS. */
export const BLOCK_TOP = 15;
/** Places in `Baseline.end`. */
export const END_VALUE = 0;
export const END_BEFORE = 1;
export const END_TOP = 2;
export const END_FLOOR = 3;
/** Counts stop here, so that a lane that never stops doesn't begin anew. */
const MOST_SEEN = 2 ** 30;

/** Readings collected before the first floor is stated. */
export const WARM_READINGS = 32;
/** In the warm-up a value counts so often in a row, and again when it has stood for so long. */
const WARM_REPEATS = 3;
const WARM_PATIENCE = 64;
/** Readings after which the floor is no longer provisional: one histogram; a multiple of COLD_EVERY. */
export const READY_READINGS = 256;
/** Every how many readings the cold state is looked at. */
export const COLD_EVERY = BLOCK;
/** Visits after which a run of the kernel ends; divides SPREAD_EVERY. */
export const RUN_VISITS = 8;
/** Cold visits between two new estimates of the spread: one histogram's worth of readings. */
const SPREAD_EVERY = 32;
/** Visits in a row with the very same value that make a lane stuck: 256 readings. */
const STUCK_VISITS = 32;
/**
 * From so many in a row a lane learns nothing more of its quiet: of a receiver whose resolution makes every second pair equal, one
 * visit in sixteen is lost. Its floor stays what it was when the run began.
 */
const STEADY_VISITS = 4;
/** Readings of a block whose largest statistic teaches the tail: one estimate of the spread. */
const BLOCK_READINGS = 256;
/** Readings between excursions to FREEZE_NATS in the model's own quiet: where thresholdForArl gives FREEZE_NATS. */
const MODEL_GAP = 291;
const MODEL_SHARE = 1 - Math.exp(-BLOCK_READINGS / MODEL_GAP);
/** Belief in the model: so many blocks for the rate, so many excursions for the slope. */
const PRIOR_BLOCKS = 20;
const PRIOR_PEAKS = 30;
/** Most that one block may teach (nats): an event makes a lane less sensitive, never deaf. */
const PEAK_MOST = 12;
/** Normal consistency of the median absolute deviation: 1 / Phi^-1(3/4). */
const MAD_TO_SIGMA = 1.4826;
/** Memory of the level of a lane that stays up, in visits: 500 readings, as many as know a level to 0.05 spreads. */
const HOT_MEMORY = 64;
/** Smallest spread that is believed (dB): below it only the sensor's own resolution shows. */
export const MIN_SIGMA_DB = 0.03;
const MAX_SIGMA_DB = 6;
/** Steps in which receivers state levels, dB, the coarsest first. */
const STEPS_DB = [1, 0.5, 0.25, 0.1];
/** What is off a step by less is rounding (float32 at 100 dBm: 4e-6). */
const STEP_ROUNDING = 1e-3;
/**
 * A floor in the middle of a step shows no spread at all and one on its edge flips between two values: with half a step for the
 * spread a flip is two spreads.
 */
const STEP_SHARE = 0.5;
/** Belief in a clean body of the readings, in readings; and in one glitch of any size in so many, whether seen or not. */
const TAIL_PRIOR = 1000;
const GLITCH_PRIOR = 10_000;
/** Loud readings believed in before any was seen where base stations share the band: one in fifty of the first thousand. */
const SHARED_LOUD = 20;
/** What the readings at the clip may add to the mean of e^L over the quiet. */
const TAIL_SHARE = 0.5;
/** Correlation of neighbours that is assumed before any was seen, with the weight of 48 pairs. */
const CORRELATION_PRIOR = 0.2;
const PRIOR_PAIRS = 48;
/** Memory of the correlation, in pairs. */
const PAIRS_MOST = 8000;
/**
 * Step of the floor downward: a CUSUM on cold visits for a fall of FALL_SIGMAS. With the mean fallen by the factor m the reading's
 * log-likelihood ratio is n [-ln m - p (1/m - 1)] (two Gamma densities of the same shape); at most 3 nats a visit, so that a
 * heavy lower tail alone can't do it; 16 nats, which quiet readings reach at most once in e^16 visits (Lorden's bound).
 */
const FALL_CLIP_NATS = 3;
const FALL_NATS = 16;

/**
 * Factor on a spread learned from few readings: one and a half standard errors of a MAD (1.17 sigma / sqrt(n), its efficiency
 * being 37 %), less what a full histogram has. Too wide a spread costs readings, too small a one costs false alarms.
 */
function caution(readings: number): number {
  return 1 + 1.5 * 1.17 * Math.max(0, 1 / Math.sqrt(readings) - 1 / Math.sqrt(HIST_WINDOW));
}

export class Baseline {
  readonly #lanes: Lanes;
  readonly #table = buildClassTable();
  capacity = 0;
  /** The records, as float32 and as integers; word w of a lane is at `[lane * COLD_WORDS + w]`. */
  f32 = new Float32Array(0);
  i32 = new Int32Array(0);
  warm = new Float32Array(0);
  ring = new Uint8Array(0);
  counts = new Uint8Array(0);
  /** Least spread by the number of looks that the sensor states (dB); 0: not stated. */
  stated = new Float32Array(0);
  /** Least spread by the steps in which the values come (dB); 0: none. */
  stepped = new Float32Array(0);
  resyncs = new Uint32Array(0);
  blocks = new Uint32Array(0);
  peaks = new Uint32Array(0);
  peakSum = new Float32Array(0);
  gapNats = new Float32Array(0);
  slopeNats = new Float32Array(0);
  /** Floor when the drift was last looked at (0: not yet), and the drift in spreads a reading. */
  slopeFrom = new Float32Array(0);
  /** Floor when the run of equal values began, dBm; 0: set anew since. */
  steadyFloor = new Float32Array(0);
  drift = new Float32Array(0);

  /** What `visit` looks at, in the order of END_VALUE and so on. */
  readonly end = new Float32Array(4);

  constructor(lanes: Lanes) {
    this.#lanes = lanes;
  }

  grow(capacity: number): void {
    if (capacity <= this.capacity) return;
    this.i32 = resized(this.i32, capacity * COLD_WORDS);
    this.f32 = new Float32Array(this.i32.buffer);
    for (const [name, per] of BASELINE_FIELDS) this[name] = resized(this[name], capacity * per) as never;
    this.capacity = capacity;
  }

  /** `shared`: base stations transmit on the same frequencies, so loud readings are part of the quiet from the start. */
  open(lane: number, shared = false): void {
    if (shared) this.#lanes.tail[(lane + 1) * TAIL_BINS - 1] = SHARED_LOUD;
    this.#lanes.setLast(lane, Number.NaN);
    this.f32[lane * COLD_WORDS + AGREE] = 0.5 + Math.asin(CORRELATION_PRIOR) / Math.PI;
  }

  /** Notes how many looks a reading of the lane is the mean of, as its sensor states it. */
  state(lane: number, looks: number): void {
    if (looks > 0) this.stated[lane] = DB_PER_NEPER / Math.sqrt(looks);
  }

  /** Takes one of the first readings; true when the floor has just been set. */
  warmUp(lane: number, value: number): boolean {
    const repeats = value === this.#lanes.last(lane) ? this.i32[lane * COLD_WORDS + SAME]! + 1 : 0;
    this.#lanes.setLast(lane, value);
    this.i32[lane * COLD_WORDS + SAME] = repeats;
    // A receiver that is stuck just now has no spread to learn from; one that never changes is taken as it is.
    if (repeats >= WARM_REPEATS && repeats < WARM_PATIENCE) return false;
    const seen = this.i32[lane * COLD_WORDS + SEEN]!;
    this.warm[lane * WARM_READINGS + seen] = value;
    this.i32[lane * COLD_WORDS + SEEN] = seen + 1;
    if (seen + 1 < WARM_READINGS) return false;
    const first = this.warm.subarray(lane * WARM_READINGS, (lane + 1) * WARM_READINGS);
    const step = stepOf(first);
    this.stepped[lane] = STEP_SHARE * step;
    const sorted = Float64Array.from(first).sort();
    const median = within(sorted, mid(sorted), step);
    const deviations = sorted.map((v) => Math.abs(v - median)).sort();
    this.setSpread(lane, MAD_TO_SIGMA * mid(deviations) * caution(WARM_READINGS));
    this.#lanes.setFloor(
      lane,
      median - 10 * Math.log10(medianOfGamma((DB_PER_NEPER / this.f32[lane * COLD_WORDS + SIGMA]!) ** 2)),
    );
    this.#setClip(lane);
    for (const v of first) this.#insert(lane, v - median);
    return true;
  }

  /**
   * While the histogram fills, every quiet reading goes into it and not one in eight, and the spread is looked at anew every 32:
   * a spread from the first 32 readings alone is a fifth too small in one channel of six, and then quiet passes for signals.
   */
  early(lane: number, value: number, before: number): void {
    if (Number.isNaN(value) || this.i32[lane * COLD_WORDS + SAME]! >= STEADY_VISITS) return;
    const looks = (DB_PER_NEPER / this.f32[lane * COLD_WORDS + SIGMA]!) ** 2;
    const median = this.#lanes.floor(lane) + 10 * Math.log10(medianOfGamma(looks));
    this.#insert(lane, value - median);
    this.#pair(lane, value - median, before - median);
  }

  respreadEarly(lane: number): void {
    if (this.i32[lane * COLD_WORDS + FILL]! >= WARM_READINGS) this.#respread(lane);
  }

  setSpread(lane: number, sigmaDb: number): void {
    // What the sensor says of its looks bounds the spread until the readings have said it themselves.
    const stated = this.i32[lane * COLD_WORDS + SEEN]! < READY_READINGS ? this.stated[lane]! : 0;
    const sigma = Math.min(MAX_SIGMA_DB, Math.max(MIN_SIGMA_DB, sigmaDb, stated, this.stepped[lane]!));
    this.f32[lane * COLD_WORDS + SIGMA] = sigma;
    this.#lanes.setClass(lane, classOf(sigma, this.weight(lane)));
    const bin = this.f32[lane * COLD_WORDS + BIN_DB]!;
    // A histogram whose bins no longer suit the spread starts again.
    if (bin === 0 || sigma > 2 * BINS_PER_SIGMA * bin || sigma < 0.5 * BINS_PER_SIGMA * bin) {
      this.f32[lane * COLD_WORDS + BIN_DB] = sigma / BINS_PER_SIGMA;
      this.counts.fill(0, lane * HIST_BINS, (lane + 1) * HIST_BINS);
      this.i32[lane * COLD_WORDS + FILL] = 0;
      this.i32[lane * COLD_WORDS + POS] = 0;
    }
  }

  /** Lag-1 correlation of the quiet: P(same sign) = 1/2 + asin(rho) / pi for a Gaussian pair. */
  correlation(lane: number): number {
    // One standard error on the safe side: d rho / d P is at most pi, and the standard error of P is 0.5 / sqrt(pairs).
    const error = (0.5 * Math.PI) / Math.sqrt(PRIOR_PAIRS + this.i32[lane * COLD_WORDS + PAIRS]!);
    return Math.min(0.99, Math.max(0, Math.sin(Math.PI * (this.f32[lane * COLD_WORDS + AGREE]! - 0.5)) + error));
  }

  /** Effective readings per reading of an AR(1) with that correlation: (1 - rho) / (1 + rho). */
  weight(lane: number): number {
    const rho = this.correlation(lane);
    return (1 - rho) / (1 + rho);
  }

  /**
   * One cold visit at the end of a block: instants up to there; `end` has the last reading, the one before it, statistic and floor
   * as they were there (an array, because an engine makes an object of each fraction that it hands to a function). What sets the
   * floor or the class anew does so only where a run ends (every RUN_VISITS blocks).
   */
  visit(lane: number, ticks: number): void {
    const { i32, f32 } = this;
    const value = this.end[END_VALUE]!;
    const before = this.end[END_BEFORE]!;
    const top = this.end[END_TOP]!;
    const floor = this.end[END_FLOOR]!;
    const at = lane * COLD_WORDS;
    i32[at + VISITS] = (i32[at + VISITS]! + 1) | 0;
    const isLong = (ticks & (BLOCK_READINGS - 1)) === 0;
    if (isLong) this.#closeBlock(lane);
    if (Number.isNaN(value)) return;
    this.#noteSteady(lane, value === before, floor);
    const runEnds = (ticks & (RUN_VISITS * COLD_EVERY - 1)) === 0;
    if (top >= FREEZE_NATS) {
      const hot = ++i32[at + HOT_VISITS]!;
      f32[at + HOT_MEAN]! += (value - f32[at + HOT_MEAN]!) / Math.min(HOT_MEMORY, hot);
      return;
    }
    i32[at + HOT_VISITS] = 0;
    if (i32[at + SAME]! >= STEADY_VISITS) {
      if (runEnds) this.#holdFloor(lane);
      return;
    }
    const row = this.#lanes.cls(lane) * CLASS_STRIDE;
    const d = value - floor - this.#table[row + 13]!;
    this.#insert(lane, d);
    this.#pair(lane, d, before - floor - this.#table[row + 13]!);
    if (isLong) {
      this.#respread(lane);
      this.learnSlope(lane, BLOCK_READINGS);
    }
    this.#fall(lane, value - floor, row);
    if (runEnds && f32[at + FALL_G]! >= FALL_NATS) {
      this.resync(lane, this.#lanes.floor(lane) + f32[at + FALL_SUM]! / i32[at + FALL_N]!);
    }
  }

  /** Counts visits that end with the same value twice. */
  #noteSteady(lane: number, same: boolean, floor: number): void {
    const at = lane * COLD_WORDS + SAME;
    const run = this.i32[at]!;
    if (same && run === 0) this.steadyFloor[lane] = floor;
    this.i32[at] = same ? Math.min(65_535, run + 1) : 0;
  }

  /** A receiver that is stuck would pull its floor to the one value, and then the quiet after it would pass for a signal without end. */
  #holdFloor(lane: number): void {
    if (this.steadyFloor[lane] === 0) return;
    this.#lanes.setFloor(lane, this.steadyFloor[lane]!);
    this.#lanes.clearPull(lane);
  }

  /** Learns the correlation of neighbours from the signs of two residuals. */
  #pair(lane: number, d: number, before: number): void {
    if (Number.isNaN(before)) return;
    const at = lane * COLD_WORDS;
    const product = d * before;
    const same = product > 0 ? 1 : product < 0 ? 0 : 0.5;
    const pairs = this.i32[at + PAIRS]!;
    this.f32[at + AGREE]! += (same - this.f32[at + AGREE]!) / (PRIOR_PAIRS + pairs);
    if (pairs < PAIRS_MOST) this.i32[at + PAIRS] = pairs + 1;
  }

  /**
   * Learns the drift of the floor from how far it came in SPREAD_EVERY visits, averaged over eight such stretches (2,000
   * readings), and feeds it forward: a constant drift leaves no lag.
   */
  learnSlope(lane: number, readings: number): void {
    const floor = this.#lanes.floor(lane);
    const from = this.slopeFrom[lane]!;
    this.slopeFrom[lane] = floor;
    if (from === 0) return;
    const slope = (floor - from) / readings / this.f32[lane * COLD_WORDS + SIGMA]!;
    this.drift[lane]! += (slope - this.drift[lane]!) / 8;
    this.#lanes.setSlope(lane, Math.max(-127, Math.min(127, Math.round(this.drift[lane]! / SLOPE_UNIT))));
  }

  /**
   * The lane's own tail, from the largest statistic of every block of 256 readings: excursions to FREEZE_NATS come once in
   * exp(gapNats) readings and go on beyond it with this slope (1 in the model; less where tails or correlation are heavier).
   */
  #closeBlock(lane: number): void {
    const top = this.f32[lane * COLD_WORDS + BLOCK_TOP]!;
    this.f32[lane * COLD_WORDS + BLOCK_TOP] = 0;
    // A block that lies wholly in an event says nothing about the quiet.
    if (this.i32[lane * COLD_WORDS + HOT_VISITS]! * COLD_EVERY >= BLOCK_READINGS) return;
    this.blocks[lane]!++;
    if (top >= FREEZE_NATS) {
      this.peaks[lane]!++;
      this.peakSum[lane]! += Math.min(top, PEAK_MOST) - FREEZE_NATS;
    }
    const share = (this.peaks[lane]! + MODEL_SHARE * PRIOR_BLOCKS) / (this.blocks[lane]! + PRIOR_BLOCKS);
    this.gapNats[lane] = Math.log(BLOCK_READINGS / -Math.log(1 - Math.min(0.98, share)));
    this.slopeNats[lane] = Math.min(1, (this.peaks[lane]! + PRIOR_PEAKS) / (this.peakSum[lane]! + PRIOR_PEAKS));
  }

  /** What the statistic must reach to come once in exp(lnArl) readings by the lane's own tail; 0 before the first block. */
  ownThreshold(lane: number, lnArl: number): number {
    if (this.blocks[lane] === 0) return 0;
    return FREEZE_NATS + (lnArl - this.gapNats[lane]!) / this.slopeNats[lane]!;
  }

  /** Mean power of the last 500 readings of a lane that stayed up, dBm; for the floor when it is released. */
  heldFloor(lane: number): number {
    // The mean of readings in dB lies below the mean power by about DB_PER_NEPER / 2n, half the spread's square in nepers.
    return this.f32[lane * COLD_WORDS + HOT_MEAN]! + this.f32[lane * COLD_WORDS + SIGMA]! ** 2 / (2 * DB_PER_NEPER);
  }

  isStuck(lane: number): boolean {
    return this.i32[lane * COLD_WORDS + SAME]! >= STUCK_VISITS;
  }

  /** Counts `n` more instants of a lane that is past its warm-up. */
  count(lane: number, n: number): void {
    const at = lane * COLD_WORDS;
    this.i32[at + TICKS] = (this.i32[at + TICKS]! + n) | 0;
    const seen = this.i32[at + SEEN]! + n;
    this.i32[at + SEEN] = seen < MOST_SEEN ? seen : MOST_SEEN;
  }

  /** Sets the floor (mean, dBm) by hand: after a release or a step. */
  resync(lane: number, floor: number): void {
    this.#lanes.setFloor(lane, floor);
    this.#lanes.clearPull(lane);
    this.#lanes.clearG(lane);
    this.f32[lane * COLD_WORDS + FALL_G] = 0;
    this.f32[lane * COLD_WORDS + FALL_SUM] = 0;
    this.i32[lane * COLD_WORDS + FALL_N] = 0;
    this.resyncs[lane]!++;
    this.slopeFrom[lane] = 0;
    this.steadyFloor[lane] = 0;
  }

  /**
   * The most that one reading may bring: c nats where e^c P(quiet reading brings c or more) is at most TAIL_SHARE, so that the
   * mean of e^L over the quiet stays at 1 and the statistic keeps the false-alarm rate of its threshold (Lorden 1971), whatever
   * the tail. The probability is that of the lane's own quiet; readings followed by another one above belong to no tail but to
   * an event. One glitch is always believed to be yet to come.
   */
  #setClip(lane: number): void {
    const { tail } = this.#lanes;
    const at = lane * TAIL_BINS;
    const n = this.i32[lane * COLD_WORDS + SEEN]!;
    let beyond = 0;
    let nats = TAIL_FROM;
    for (let bin = TAIL_BINS - 1; bin >= 0; bin--) {
      beyond += tail[at + bin]!;
      const share = Math.max(beyond / (n + TAIL_PRIOR), (beyond + 1) / (n + GLITCH_PRIOR));
      const most = Math.log(TAIL_SHARE / share);
      const from = TAIL_FROM + bin / 2;
      if (most < from) continue;
      nats = bin === TAIL_BINS - 1 ? most : Math.min(most, from + 0.5);
      break;
    }
    this.#lanes.setClip(lane, Math.round(8 * Math.min(20, nats)));
  }

  #insert(lane: number, d: number): void {
    const { i32 } = this;
    const at = lane * COLD_WORDS;
    const pos = i32[at + POS]!;
    const fill = i32[at + FILL]!;
    histPush(binOf(d, this.f32[at + BIN_DB]!), lane, this.ring, this.counts, pos, fill);
    i32[at + POS] = pos + 1 < HIST_WINDOW ? pos + 1 : 0;
    if (fill < HIST_WINDOW) i32[at + FILL] = fill + 1;
  }

  #respread(lane: number): void {
    const fill = this.i32[lane * COLD_WORDS + FILL]!;
    if (fill < WARM_READINGS) return;
    const bin = this.f32[lane * COLD_WORDS + BIN_DB]!;
    const median = histQuantile(this.counts, lane, fill, 0.5);
    const sigma = MAD_TO_SIGMA * histMad(this.counts, lane, fill, median) * bin;
    // The MAD of 255 readings alone is uncertain by 7 %, and neighbouring estimates share 7/8 of their readings: a mean over
    // all of the first eight histograms, then an exponential one over eight.
    const gain =
      fill < HIST_WINDOW ? 1 : Math.max(1 / 64, 1 / (1 + this.i32[lane * COLD_WORDS + VISITS]! / SPREAD_EVERY));
    this.setSpread(
      lane,
      this.f32[lane * COLD_WORDS + SIGMA]! + (sigma * caution(fill) - this.f32[lane * COLD_WORDS + SIGMA]!) * gain,
    );
    this.#setClip(lane);
    // Cross-check of the tracker: half a spread off the median of the last 2,000 readings is not noise (sd 0.08); values in steps have
    // a median that is off by half a step.
    if (Math.abs(median * bin) > Math.max(0.5 * this.f32[lane * COLD_WORDS + SIGMA]!, this.stepped[lane]!)) {
      this.#lanes.setFloor(lane, this.#lanes.floor(lane) + 0.5 * median * bin);
      this.slopeFrom[lane] = 0;
    }
  }

  /** `d`: reading over the floor's mean power, dB. */
  #fall(lane: number, d: number, row: number): void {
    const { i32, f32 } = this;
    const at = lane * COLD_WORDS;
    const llr = this.#table[row + 14]! * powerOf(Math.fround(d)) - this.#table[row + 15]!;
    const next = f32[at + FALL_G]! + (llr < FALL_CLIP_NATS ? llr : FALL_CLIP_NATS);
    if (next > 0) {
      f32[at + FALL_G] = next;
      f32[at + FALL_SUM]! += d - this.#table[row + 13]!;
      i32[at + FALL_N]!++;
    } else if (f32[at + FALL_G] !== 0) {
      f32[at + FALL_G] = 0;
      f32[at + FALL_SUM] = 0;
      i32[at + FALL_N] = 0;
    }
  }
}

/** The coarsest step of which all values are multiples, dB; 0 where there is none. */
function stepOf(values: Float32Array): number {
  const whole = (step: number) => values.every((v) => Math.abs(v / step - Math.round(v / step)) < STEP_ROUNDING / step);
  return STEPS_DB.find(whole) ?? 0;
}

/** Where in its step the median of sorted values lies, taken as spread evenly over it (the median of grouped data). */
function within(sorted: Float64Array, median: number, step: number): number {
  const below = sorted.filter((v) => v < median - step / 2).length;
  const at = sorted.filter((v) => Math.abs(v - median) <= step / 2).length;
  return step === 0 || at === 0 ? median : median + step * ((sorted.length / 2 - below) / at - 0.5);
}

/** Fields of `Baseline` and how many numbers each has a lane. */
export const BASELINE_FIELDS = [
  ["warm", WARM_READINGS],
  ["ring", HIST_WINDOW],
  ["counts", HIST_BINS],
  ["stated", 1],
  ["stepped", 1],
  ["resyncs", 1],
  ["slopeFrom", 1],
  ["steadyFloor", 1],
  ["drift", 1],
  ["blocks", 1],
  ["peaks", 1],
  ["peakSum", 1],
  ["gapNats", 1],
  ["slopeNats", 1],
] as const;

/** Middle of sorted values. */
function mid(sorted: Float64Array): number {
  const n = sorted.length;
  return n % 2 === 1 ? sorted[(n - 1) / 2]! : (sorted[n / 2 - 1]! + sorted[n / 2]!) / 2;
}
