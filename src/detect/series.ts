/**
 * The channel detector on any series of numbers: what `cellward detect` runs. Strictly online, both directions, one set of
 * parameters, constant memory.
 *
 * Two statistics, each right for its own kind of quiet, run side by side:
 *  - Level: the bank of CUSUMs over a tracked floor, the very lanes of the channel detector, once for rises and once for
 *    falls. It finds a shift of a fraction of the spread where the quiet is a level with noise; its weight falls with the
 *    correlation of neighbours, and it is silent where the quiet is no level at all.
 *  - Surprise: the tail probability of the miss of the best forecaster, summed by a CUSUM. It knows rhythm and heavy tails.
 * Each is calibrated on its own excursions, so the score means the same for both: over quiet data a score of s or more comes
 * once in e^s rows.
 */
import { Baseline, WARM_READINGS } from "./baseline.ts";
import { Forecast } from "./forecast.ts";
import { BANK, bankRun, buildClassTable, Lanes, newRunResult } from "./kernels.ts";
import { Excursions, Tail } from "./surprise.ts";

/** False alarms are budgeted in time, one a week, within bounds in rows: 3,000 at least, 100,000 at most. */
const BUDGET_MS = 7 * 86_400_000;
const MIN_NATS = 8;
const MAX_NATS = 11.5;
/** Spread that the level lanes are scaled to (dB): some two thousand looks, where a Gamma in dB is normal. */
const LANE_SIGMA_DB = 0.1;
/** Below this weight (lag-1 correlation above 0.6) the quiet is no level with noise. */
const LEVEL_WEIGHT = 0.25;
/** Surprise is Exp(1) when quiet; the CUSUM looks for a mean of 4: L = u (1 - 1/4) - ln 4. */
const SURPRISE_MEAN = 4;
const SURPRISE_GAIN = 1 - 1 / SURPRISE_MEAN;
const SURPRISE_DRIFT = Math.log(SURPRISE_MEAN);
const SURPRISE_CAP = 24;
/** Most that one row may add (nats) at the lowest threshold, and how much less for each nat of threshold above it. */
const SINGLE_MOST = 6.5;
const SINGLE_FALL = 1;
/** The lanes compare with the level of so many rows ago. */
const LAG_ROWS = 32;
/** Gain of the moving level. */
const LEVEL_GAIN = 0.03;
/**
 * Share of the last HOT_MEMORY rows with a level statistic held above which a level with noise is no model of this series: one
 * event takes RELEASE_ROWS of them at most. Before there are rows, HOT_PRIOR quiet ones are supposed.
 */
const HOT_SHARE = 0.25;
const HOT_MEMORY = 1000;
const HOT_PRIOR = 100;
/** Statistic from which the level is held (nats): above most excursions of noise, so that slow drift can't run away. */
const HOLD_NATS = 10;
/** Step of the lanes' own trackers: they only take up what the moving level leaves. */
const FOLLOW = 0.5;
/** A score from few rows is worth less by n / (n + EARLY_ROWS): level and spread are known to 1 / sqrt(n) only. */
const EARLY_ROWS = 60;
/** A level that has stayed away for so many rows is the new level. */
const RELEASE_ROWS = 200;
/** An event is over when the score has been below half its threshold for so many rows. */
const HOLD_ROWS = 24;
/** What a statistic must at least reach before its excursions count as peaks (nats). */
const PEAK_BASE = 2;
/** Most that one excursion may teach (nats): an anomaly makes a series less alarming, not deaf. */
const PEAK_MOST = 14;
/** Belief in the slope 1, in excursions. */
const SLOPE_WEIGHT = 8;

const TABLE = buildClassTable();

export class SeriesDetector {
  /** Score of the newest row: ln of the mean number of quiet rows between such scores. */
  score = 0;
  /** True on the row that raises an event. */
  alarm = false;
  /** What the score came from: "level-up", "level-down" or "surprise". */
  cause: "level-up" | "level-down" | "surprise" = "surprise";

  readonly #lanes = new Lanes();
  readonly #base = new Baseline(this.#lanes, 1);
  readonly #run = newRunResult();
  readonly #one = new Float32Array(1);
  readonly #first = new Float64Array(WARM_READINGS);
  readonly #levelCalibration = [new Excursions(PEAK_BASE, SLOPE_WEIGHT), new Excursions(PEAK_BASE, SLOPE_WEIGHT)];
  /** Level of the quiet, in lane units, now and in the last LAG_ROWS rows. */
  #now = 0;
  readonly #past = new Float64Array(LAG_ROWS);
  #hotRows = 0;
  #hotSum = 0;
  #hotShare = 0;
  #gain = 0;
  #origin = 0;
  #rows = 0;

  readonly #forecast = new Forecast();
  /** Every forecaster's misses have a tail of their own: what one learned says nothing of the next. */
  readonly #tails = [new Tail(), new Tail(), new Tail(), new Tail()];
  readonly #surpriseCalibration = new Excursions(PEAK_BASE, SLOPE_WEIGHT);
  #g = 0;
  #quantum = Number.POSITIVE_INFINITY;
  #previous = Number.NaN;

  #lastMs = Number.NaN;
  #stepMs = Number.NaN;
  #open = false;
  #calm = 0;

  constructor() {
    this.#lanes.grow(2);
    this.#base.grow(2);
    this.#lanes.count = 2;
    this.#base.open(0);
    this.#base.open(1);
  }

  /** What the score must reach now. */
  get threshold(): number {
    const nats = Math.log(BUDGET_MS / this.#stepMs);
    return nats > MIN_NATS ? (nats < MAX_NATS ? nats : MAX_NATS) : MIN_NATS;
  }

  /** Takes one row; sets `score`, `alarm` and `cause`. A value that is not finite is a row that was not measured. */
  row(tMs: number, value: number): void {
    this.alarm = false;
    if (!Number.isFinite(value)) return;
    const stepMs = tMs - this.#lastMs;
    // Cadence: the first step, then a slow mean of steps that are no gaps.
    if (Number.isNaN(this.#stepMs)) this.#stepMs = stepMs > 0 ? stepMs : Number.NaN;
    else if (stepMs > 0 && stepMs < 4 * this.#stepMs) this.#stepMs += (stepMs - this.#stepMs) / 32;
    this.#lastMs = tMs;
    this.#rows++;
    const change = Math.abs(value - this.#previous);
    if (change > 0 && change < this.#quantum) this.#quantum = change;
    this.#previous = value;

    const surprise = this.#surprise(tMs, value);
    const signed = this.#level(value);
    const level = signed < 0 ? -signed : signed;
    // Three statistics share the budget.
    this.score = Math.max(0, (surprise > level ? surprise : level) - Math.log(3));
    this.cause = surprise > level ? "surprise" : signed > 0 ? "level-up" : "level-down";
    this.#judge();
  }

  #judge(): void {
    const threshold = this.threshold;
    if (!this.#open) {
      if (this.score < threshold) return;
      this.#open = true;
      this.#calm = 0;
      this.alarm = true;
      return;
    }
    this.#calm = this.score < 0.5 * threshold ? this.#calm + 1 : 0;
    if (this.#calm >= HOLD_ROWS) this.#open = false;
  }

  /** Calibrated surprise of the best forecaster's misses. */
  #surprise(tMs: number, value: number): number {
    const forecast = this.#forecast;
    forecast.predict(tMs);
    const best = forecast.best;
    const least = Number.isFinite(this.#quantum) ? this.#quantum / 2 : 0;
    let u = 0;
    for (let k = 0; k < this.#tails.length; k++) {
      const miss = value - forecast.guess(k);
      if (Number.isNaN(miss)) continue;
      const nats = this.#tails[k]!.take(miss / forecast.spread, least);
      if (k === best) u = nats;
    }
    forecast.learn(value);
    // Where rows come fast an event lasts many of them and one row alone is a glitch: it may bring about half of the threshold.
    // At the slowest cadence one row may raise an alarm.
    const most = SINGLE_MOST - SINGLE_FALL * (this.threshold - MIN_NATS);
    const step = SURPRISE_GAIN * u - SURPRISE_DRIFT;
    const g = this.#g + (step < most ? step : most);
    this.#g = g > 0 ? (g < SURPRISE_CAP ? g : SURPRISE_CAP) : 0;
    this.#surpriseCalibration.take(this.#g, PEAK_MOST);
    return this.#surpriseCalibration.surprise(this.#g);
  }

  /**
   * Calibrated statistic of the level lanes, positive for rises, negative for falls. The lanes see the row against the level of
   * LAG_ROWS ago, so that a small shift is not learned away while it is being noticed.
   */
  #level(value: number): number {
    if (this.#gain === 0) {
      this.#scale(value);
      return 0;
    }
    const y = (value - this.#origin) * this.#gain;
    const at = this.#rows % LAG_ROWS;
    const lagged = this.#past[at]!;
    const up = this.#lane(0, y - lagged);
    const down = this.#lane(1, lagged - y);
    this.#past[at] = this.#now;
    const hot = this.#top(0) >= HOLD_NATS || this.#top(1) >= HOLD_NATS;
    if (!hot) {
      const off = y - this.#now;
      const most = 2 * LANE_SIGMA_DB;
      const seen = this.#base.seen[0]!;
      this.#now += Math.max(LEVEL_GAIN, 1 / (seen + 1)) * (off > most ? most : off < -most ? -most : off);
      this.#hotRows = 0;
      this.#hotSum = 0;
    } else {
      this.#hotSum += y;
      if (++this.#hotRows >= RELEASE_ROWS) this.#release(this.#hotSum / this.#hotRows);
    }
    this.#hotShare += ((hot ? 1 : 0) - this.#hotShare) / Math.min(HOT_MEMORY, this.#rows + HOT_PRIOR);
    if (this.#base.weight(0) < LEVEL_WEIGHT || this.#hotShare > HOT_SHARE) return 0;
    return up > down ? up : -down;
  }

  /** A level that has stayed away is the new one. */
  #release(level: number): void {
    this.#now = level;
    this.#past.fill(level);
    for (let lane = 0; lane < 2; lane++) this.#base.resync(lane, 0);
    this.#hotRows = 0;
    this.#hotSum = 0;
  }

  #top(lane: number): number {
    const g = this.#lanes.g;
    return Math.max(g[lane * BANK]!, g[lane * BANK + 1]!, g[lane * BANK + 2]!);
  }

  #lane(lane: number, x: number): number {
    const base = this.#base;
    const seen = base.seen[lane]!;
    this.#one[0] = x;
    const before = base.previous[lane]!;
    bankRun(this.#one, 0, 1, lane, this.#lanes, TABLE, MAX_NATS, FOLLOW, this.#run);
    base.seen[lane] = seen + 1;
    const g = this.#top(lane);
    base.visit(lane, this.#one[0]!, before, g, g < HOLD_NATS);
    base.previous[lane] = this.#one[0]!;
    this.#levelCalibration[lane]!.take(g, PEAK_MOST);
    return (this.#levelCalibration[lane]!.surprise(g) * seen) / (seen + EARLY_ROWS);
  }

  /** Collects the first readings, then fixes the scale of the level lanes; a series without any change has none yet. */
  #scale(value: number): void {
    const n = (this.#rows - 1) % WARM_READINGS;
    this.#first[n] = value;
    if (n < WARM_READINGS - 1) return;
    const sorted = Float64Array.from(this.#first).sort();
    const median = sorted[WARM_READINGS / 2]!;
    const deviations = sorted.map((v) => Math.abs(v - median)).sort();
    let sigma = 1.4826 * deviations[WARM_READINGS / 2]!;
    if (sigma === 0) sigma = (sorted[WARM_READINGS - 1]! - sorted[0]!) / 4;
    if (sigma === 0) return;
    this.#origin = median;
    this.#gain = LANE_SIGMA_DB / sigma;
    for (let i = 0; i < WARM_READINGS; i++) {
      const y = (this.#first[i]! - median) * this.#gain;
      this.#base.warmUp(0, y);
      this.#base.warmUp(1, -y);
    }
  }
}
