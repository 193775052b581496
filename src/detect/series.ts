/**
 * The channel detector on any series of numbers: what `cellward detect` runs. Strictly online, both directions, one set of
 * parameters, constant memory.
 *
 * Two statistics, each right for its own kind of quiet, run side by side:
 *  - Level: the mean of the last rows against the level before them (`Shift`). It finds a shift of a fraction of the spread. Unlike
 *    the bank of the block's channels it takes nothing of the noise from a model of receivers, and it must not see as a shift
 *    what comes every day at this time.
 *  - Surprise: the tail probability of the miss of the best forecaster, summed by a CUSUM. It knows rhythm and heavy tails.
 * Each is calibrated on its own excursions, so the score means the same for both: over quiet data a score of s or more comes
 * once in e^s rows.
 */
import { Forecast } from "./forecast.ts";
import { DayProfile, Shift } from "./shift.ts";
import { Excursions, Tail, WHITE_GAP_NATS } from "./surprise.ts";

/** False alarms are budgeted in time, one a week, within bounds in rows: 5,000 at least, 100,000 at most. */
const BUDGET_MS = 7 * 86_400_000;
const MIN_NATS = 8.5;
const MAX_NATS = 11.5;
/** Surprise is Exp(1) when quiet; the CUSUM looks for a mean of 4: L = u (1 - 1/4) - ln 4. */
const SURPRISE_MEAN = 4;
const SURPRISE_GAIN = 1 - 1 / SURPRISE_MEAN;
const SURPRISE_DRIFT = Math.log(SURPRISE_MEAN);
const SURPRISE_CAP = 24;
/** Most that one row may add (nats) at the lowest threshold, and how much less for each nat of threshold above it. */
const SINGLE_MOST = 6.5;
const SINGLE_FALL = 1;
/** An event is over when the score has been below half its threshold for so many rows. */
const HOLD_ROWS = 24;
/** A miss by one step of the resolution (and the rounding of its numbers) may be rounding: no more surprising than even odds. */
const ONE_STEP = 1.01;
const STEP_NATS = Math.LN2;
/** What a statistic must at least reach before its excursions count as peaks (nats). */
const PEAK_BASE = 2;
/** Most that one excursion may teach (nats): an anomaly makes a series less alarming, not deaf. */
const PEAK_MOST = 14;
/** Belief in the slope 1, in excursions. */
const SLOPE_WEIGHT = 8;
/**
 * What a rhythm of the day can bring is not known in its first day: as much is taken off as from a channel that is still learning,
 * less through the second day. In full where the rows that a level and a shift are taken from (190) span six hours or more.
 */
const YOUNG_NATS = 3;
const DAY_MS = 86_400_000;
const RHYTHM_MS = 6 * 3_600_000;
const SHIFT_ROWS = 190;
/** A wander slower than the rows seen so far looks like a shift: as much is taken off in the first rows, and less by their square afterwards. */
const EARLY_NATS = 0.7;
const EARLY_ROWS = 200;
/** Rows off the daily profile before it may contradict a shift. */
const SEASONAL_ROWS = 100;

/**
 * A value that stands: each repeat brings -ln P(repeat), at most REPEAT_MOST nats where rows come every REPEAT_MS or slower and less
 * in proportion where they come faster. Receivers repeat themselves for seconds; an hour of the same value is another matter.
 */
const REPEAT_MOST = 1;
const REPEAT_MS = 300_000;
/** Memory of the share of repeats, rows; believed in before any was seen: one in ten, with this weight. */
const REPEAT_ROWS = 2000;
const REPEAT_PRIOR = 0.1;
const REPEAT_WEIGHT = 10;
/** A series must have changed so often before standing still can be news. */
const REPEAT_CHANGES = 50;

export class SeriesDetector {
  /** Score of the newest row: ln of the mean number of quiet rows between such scores. */
  score = 0;
  /** True on the row that raises an event. */
  alarm = false;
  /** What the score came from: "level-up", "level-down", "surprise" or "stuck". */
  cause: "level-up" | "level-down" | "surprise" | "stuck" = "surprise";

  readonly #levelCalibration = [new Excursions(PEAK_BASE, SLOPE_WEIGHT), new Excursions(PEAK_BASE, SLOPE_WEIGHT)];
  readonly #shift = new Shift();
  readonly #seasonal = new Shift();
  readonly #profile = new DayProfile();
  readonly #forecast = new Forecast();
  /** Every forecaster's misses have a tail of their own: what one learned says nothing of the next. */
  readonly #tails = [new Tail(), new Tail(), new Tail(), new Tail()];
  readonly #surpriseCalibration = new Excursions(PEAK_BASE, SLOPE_WEIGHT);
  readonly #stuckCalibration = new Excursions(PEAK_BASE, SLOPE_WEIGHT);
  #g = 0;
  #stood = 0;
  #repeats = REPEAT_PRIOR;
  #taken = 0;
  #rows = 0;
  #changes = 0;
  #quantum = Number.POSITIVE_INFINITY;
  #previous = Number.NaN;

  #firstMs = Number.NaN;
  #lastMs = Number.NaN;
  #stepMs = Number.NaN;
  #open = false;
  #calm = 0;

  /** Smallest step of the values so far; 0 before the first. */
  get #resolution(): number {
    return Number.isFinite(this.#quantum) ? this.#quantum : 0;
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
    const change = Math.abs(value - this.#previous);
    if (change > 0 && change < this.#quantum) this.#quantum = change;
    this.#previous = value;

    const stuck = this.#stuck(change);
    const surprise = this.#surprise(tMs, value);
    const signed = this.#level(tMs, value);
    const level = signed < 0 ? -signed : signed;
    // Rises, falls and surprise share the budget, and what stands still in so far as rows come slowly enough for it.
    const most = Math.max(surprise, level, stuck);
    this.score = Math.max(0, most - this.#unknown(tMs));
    this.cause = most === surprise ? "surprise" : most === stuck ? "stuck" : signed > 0 ? "level-up" : "level-down";
    this.#judge();
  }

  /** Nats that are taken off the best of the statistics: their number, and what is not known yet. */
  #unknown(tMs: number): number {
    if (Number.isNaN(this.#firstMs)) this.#firstMs = tMs;
    const early = EARLY_NATS * Math.min(1, (EARLY_ROWS / ++this.#taken) ** 2);
    if (Number.isNaN(this.#stepMs)) return Math.log(3) + early;
    const days = (tMs - this.#firstMs) / DAY_MS;
    const young = days < 1 ? 1 : days < 2 ? 2 - days : 0;
    const rhythm = Math.min(1, (SHIFT_ROWS * this.#stepMs) / RHYTHM_MS);
    return Math.log(3 + Math.min(1, this.#stepMs / REPEAT_MS)) + Math.max(early, YOUNG_NATS * young * rhythm);
  }

  /** Calibrated evidence of a shift, positive for rises, negative for falls. */
  #level(tMs: number, value: number): number {
    const shift = this.#shift;
    shift.take(value, this.#resolution);
    if (shift.rows === 0) return 0;
    this.#levelCalibration[0]!.take(shift.up, PEAK_MOST);
    this.#levelCalibration[1]!.take(shift.down, PEAK_MOST);
    let up = this.#levelCalibration[0]!.surprise(shift.up);
    let down = this.#levelCalibration[1]!.surprise(shift.down);
    const off = this.#profile.off(tMs, value);
    if (!Number.isNaN(off)) {
      // What comes every day at this time is no shift: the level must have left the profile too.
      const rest = this.#seasonal;
      rest.take(off, this.#resolution);
      if (rest.rows >= SEASONAL_ROWS) {
        up = Math.min(up, rest.up + WHITE_GAP_NATS);
        down = Math.min(down, rest.down + WHITE_GAP_NATS);
      }
    }
    return up > down ? up : -down;
  }

  /** Calibrated surprise at a value that stands; `change`: from the row before, NaN for the first. */
  #stuck(change: number): number {
    const repeats = change === 0;
    if (change > 0) this.#changes++;
    if (this.#changes < REPEAT_CHANGES) return 0;
    const most = Number.isNaN(this.#stepMs) ? 0 : REPEAT_MOST * Math.min(1, this.#stepMs / REPEAT_MS);
    this.#stood = repeats ? Math.min(SURPRISE_CAP, this.#stood + Math.min(most, -Math.log(this.#repeats))) : 0;
    this.#rows++;
    this.#repeats += ((repeats ? 1 : 0) - this.#repeats) / Math.min(REPEAT_ROWS, REPEAT_WEIGHT + this.#rows);
    this.#stuckCalibration.take(this.#stood, PEAK_MOST);
    return this.#stuckCalibration.surprise(this.#stood);
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
      if (k === best) u = Math.abs(miss) <= ONE_STEP * this.#resolution ? Math.min(nats, STEP_NATS) : nats;
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
}
