/**
 * Shifts of a level in a series: the mean of the last m rows against the level before them, for a ladder of m side by side.
 *
 * What such a difference is worth is learned from the differences themselves (batch means), so correlation, slow wander,
 * heavy tails and the uncertainty of the level are in it, whatever their form. With few rows an AR(1) model of the noise stands in:
 * variance of a mean of m rows = s^2 c / m, c = (1 + rho) / (1 - rho).
 */

/** Lengths of the windows, rows. */
const WINDOWS: readonly number[] = [1, 2, 4, 8, 16, 24, 40];
const LONGEST = 40;
/** Rows that the first level and spread are taken from. */
const FIRST = 24;
/** Memory of the level, and of everything that is learned about the noise, rows. */
const LEVEL_ROWS = 150;
const NOISE_ROWS = 1500;
/** A row counts as at most so many spreads: one glitch must not look like a shift. */
const CLIP = 3;
/** What is believed of the noise before it was seen long enough: this many batches' worth of the AR(1) model. */
const MODEL_BATCHES = 12;
/** Variance of a value that is rounded to either of two neighbouring steps with even odds, in squares of the step. */
const ROUNDING = 0.25;
/** Correlation of neighbours believed in before any was seen, with this weight in rows. */
const RHO_PRIOR = 0.15;
const RHO_ROWS = 30;
/** At least two of the longest windows. */
const RING = 128;
/**
 * Windows of at least so many rows are held against the rows before them too: a shift begins at once, a wander is on its way already.
 * Half of what these rows are off in the same direction is taken off the window; all of it would cost one shift of 1.2 spreads in six.
 */
const SUDDEN_FROM = 16;
const SUDDEN = 0.5;
/** Memory of the drift, rows; until then a regression over all rows is imitated: its variance 12 / n^3 is that of memory n / 3.6. */
const DRIFT_ROWS = 300;
/** A drift of less than so many standard errors is none. */
const DRIFT_ERRORS = 2;
/** Evidence of a shift (nats) beyond which what moves is no drift. */
const DRIFT_NATS = 8;
/** Kurtosis believed in before any was seen, and what neighbouring squares share of what they tell. */
const KURTOSIS_PRIOR = 4;
const CORRELATED = 1.3;

export class Shift {
  /** Evidence (nats) of a rise and of a fall in the newest row: z^2 / 2 of the window that says most. */
  up = 0;
  down = 0;
  /** Rows taken. */
  rows = 0;

  #level = 0;
  #origin = 0;
  #sigma = 0;
  readonly #first = new Float64Array(FIRST);
  /** Level and sum of all (bounded) rows, both from the first level on, as they were after each of the last RING rows. */
  readonly #levels = new Float64Array(RING);
  readonly #sums = new Float64Array(RING);
  /** Variance of a window's difference in units of the spread, for each window, as it was after each of the last RING rows. */
  readonly #noise = new Float64Array(RING * WINDOWS.length);
  readonly #learned = new Float64Array(WINDOWS.length);
  /** Drift in spreads a row, as it was after each of the last RING rows; smoothed once and twice, in spreads from the origin. */
  readonly #drifts = new Float64Array(RING);
  #once = 0;
  #twice = 0;
  /** Second moments of the residuals, at lag 0 and 1, in units of the first spread. */
  #c0 = 1;
  #c1 = RHO_PRIOR;
  #c4 = KURTOSIS_PRIOR;
  #before = 0;
  #sum = 0;
  #n = 0;
  #resolution = 0;
  /** The only value so far; NaN when there is none such. */
  #constant = Number.NaN;

  /** Takes a row; sets `up` and `down`. `resolution`: smallest step of the values, 0 where there is none. */
  take(x: number, resolution = 0): void {
    this.#resolution = resolution;
    this.up = 0;
    this.down = 0;
    if (this.#sigma === 0) {
      this.#begin(x);
      return;
    }
    this.#row(x);
  }

  #row(x: number): void {
    const i = ++this.rows;
    const off = (x - this.#level) / this.#sigma;
    const limit = CLIP * Math.sqrt(Math.max(this.#c0, this.#rounding()));
    const r = off > limit ? limit : off < -limit ? -limit : off;
    // Sums are of distances from the first level: a large level must not eat the digits of a long sum.
    this.#sum += this.#level - this.#origin + r * this.#sigma;
    const at = i % RING;
    this.#sums[at] = this.#sum;

    // Noise as it was before the longest window began.
    const then = ((i - LONGEST + RING) % RING) * WINDOWS.length;
    // The level is the mean of rows of this age: of all so far, then of an exponential memory.
    const age = Math.min(LEVEL_ROWS, (FIRST + i) / 2);
    let up = 0;
    let down = 0;
    for (let k = 0; k < WINDOWS.length; k++) {
      const m = WINDOWS[k]!;
      if (i <= m) break;
      const from = (i - m) % RING;
      const ahead = this.#drifts[from]! * (age + (m + 1) / 2);
      const d = ((this.#sum - this.#sums[from]!) / m - this.#levels[from]!) / this.#sigma - ahead;
      const variance = this.#noise[then + k]!;
      const sudden = m >= SUDDEN_FROM && i > 2 * m ? this.#sudden(d, i, m, age) : d;
      const z2 = (sudden * sudden) / variance;
      if (sudden > 0 && z2 > up) up = z2;
      else if (sudden < 0 && z2 > down) down = z2;
      const most = 9 * this.#noise[((i - 1) % RING) * WINDOWS.length + k]!;
      const square = d * d < most ? d * d : most;
      this.#learned[k]! += (square - this.#learned[k]!) / Math.min(NOISE_ROWS, i);
    }
    this.up = this.#nats(up);
    this.down = this.#nats(down);
    this.#learn(r, at);
  }

  /** A window's difference `d`, less SUDDEN of what the m rows before it were off the level before them in the same direction. */
  #sudden(d: number, i: number, m: number, age: number): number {
    const to = (i - m) % RING;
    const from = (i - 2 * m) % RING;
    const ahead = this.#drifts[from]! * (age + (m + 1) / 2);
    const before = ((this.#sums[to]! - this.#sums[from]!) / m - this.#levels[from]!) / this.#sigma - ahead;
    return d > 0 ? Math.max(0, d - SUDDEN * Math.max(0, before)) : Math.min(0, d - SUDDEN * Math.min(0, before));
  }

  /** Evidence of z^2 when the noise itself is known from few rows: of Student's t instead of the normal. */
  #nats(z2: number): number {
    // n values of kurtosis k know their variance as well as 2 n / (k - 1) normal ones.
    const kurtosis = this.#c4 / (this.#c0 * this.#c0);
    const rows = Math.max(FIRST, FIRST + Math.min(NOISE_ROWS, this.rows) - LONGEST);
    const known = Math.max(4, (2 * rows) / Math.max(2, kurtosis - 1) / CORRELATED);
    return 0.5 * (known + 1) * Math.log1p(z2 / known);
  }

  /**
   * Least variance of a row, in units of the first spread: while the level lies in the middle of a step of the resolution, all rows
   * are equal, and say nothing of the noise that shows once the level has drifted to the edge, where it is a quarter of the step's square.
   */
  #rounding(): number {
    return (ROUNDING * this.#resolution ** 2) / this.#sigma ** 2;
  }

  #learn(r: number, at: number): void {
    const n = Math.min(NOISE_ROWS, RHO_ROWS + this.rows);
    this.#c0 += (r * r - this.#c0) / n;
    this.#c1 += (r * this.#before - this.#c1) / n;
    this.#c4 += (r ** 4 - this.#c4) / n;
    this.#before = r;
    const rho = Math.min(0.98, Math.max(0, this.#c1 / this.#c0));
    const levelRows = Math.min(LEVEL_ROWS, FIRST + this.rows);
    this.#level += (r * this.#sigma) / levelRows;
    this.#levels[at] = this.#level - this.#origin;
    const rounding = this.#rounding();
    const white = Math.max((this.#c0 * (1 + rho)) / (1 - rho), rounding);
    this.#drifts[at] = this.#drift(r, white);
    for (let k = 0; k < WINDOWS.length; k++) {
      const m = WINDOWS[k]!;
      // A window of one has no neighbours inside it; for longer ones the sum over AR(1) lags tends to c / m.
      const model = Math.min(Math.max(this.#c0, rounding), white / m) + white / levelRows;
      const batches = Math.min(NOISE_ROWS, this.rows) / m;
      const noise = (MODEL_BATCHES * model + batches * Math.max(this.#learned[k]!, 0)) / (MODEL_BATCHES + batches);
      this.#noise[at * WINDOWS.length + k] = Math.max(noise, rounding * (1 / m + 1 / levelRows));
    }
  }

  /**
   * Drift in spreads a row (Brown's double smoothing), less what noise alone would make of it: over DRIFT_ERRORS standard errors
   * positive-part shrinkage, below nothing. The kernel a^2 e^-at (1 - at) has variance a^3 / 4 times that of white noise.
   */
  #drift(r: number, white: number): number {
    const level = (this.#level - this.#origin) / this.#sigma;
    if (this.up > DRIFT_NATS || this.down > DRIFT_NATS) {
      this.#once = level;
      this.#twice = level;
      return 0;
    }
    const now = level + r;
    const a = 1 / DRIFT_ROWS;
    this.#once += a * (now - this.#once);
    this.#twice += a * (this.#once - this.#twice);
    const drift = (a / (1 - a)) * (this.#once - this.#twice);
    const noise = (white * a ** 3) / 4;
    const shrunk = 1 - (DRIFT_ERRORS ** 2 * noise) / (drift * drift);
    return shrunk > 0 ? drift * shrunk : 0;
  }

  #begin(x: number): void {
    const n = this.#n++ % FIRST;
    this.#first[n] = x;
    if (n < FIRST - 1) return;
    const sorted = Float64Array.from(this.#first).sort();
    const median = (sorted[FIRST / 2 - 1]! + sorted[FIRST / 2]!) / 2;
    const deviations = sorted.map((v) => Math.abs(v - median)).sort();
    let sigma = 1.4826 * deviations[FIRST / 2]!;
    if (sigma === 0) sigma = (sorted[FIRST - 1]! - sorted[0]!) / 4;
    if (sigma === 0) {
      this.#constant = median;
      return;
    }
    this.#sigma = sigma;
    // What has never changed before it did is the level, and what came since is to be judged by it.
    const level = Number.isNaN(this.#constant) ? median : this.#constant;
    this.#level = level;
    this.#origin = level;
    this.#levels.fill(0);
    for (let k = 0; k < WINDOWS.length; k++) {
      const v = 2 / WINDOWS[k]! + 2 / FIRST;
      for (let at = 0; at < RING; at++) this.#noise[at * WINDOWS.length + k] = v;
    }
    if (!Number.isNaN(this.#constant)) for (const row of this.#first) this.#row(row);
  }
}

const DAY_MS = 86_400_000;
const BIN_MS = 900_000;
const BINS = DAY_MS / BIN_MS;
/** A day counts for this much of the profile once there are a few. */
const DAY_GAIN = 0.3;

/**
 * What is usual at each quarter of an hour of the day, level and spread, from earlier days only: a shift can't be learned away
 * while it goes on. What begins a little sooner or later than usual is usual.
 */
export class DayProfile {
  readonly #mean = new Float64Array(BINS).fill(Number.NaN);
  /** Mean magnitude of the row's difference in a bin, and over all bins. */
  readonly #spread = new Float64Array(BINS);
  #typical = 0;
  #bin = -1;
  #sum = 0;
  #misses = 0;
  #missed = 0;
  #n = 0;

  /** How far the row is off, in units of the series scaled to its typical hours; NaN on the first day. Then takes the row. */
  off(tMs: number, x: number): number {
    const bin = Math.floor((tMs - Math.floor(tMs / DAY_MS) * DAY_MS) / BIN_MS);
    if (bin !== this.#bin) {
      if (this.#n > 0) this.#close();
      this.#bin = bin;
    }
    this.#sum += x;
    this.#n++;
    let off = x - this.#mean[bin]!;
    if (Number.isNaN(off)) return off;
    for (const near of [(bin + 1) % BINS, (bin + BINS - 1) % BINS]) {
      const other = x - this.#mean[near]!;
      if (Math.abs(other) < Math.abs(off)) off = other;
    }
    this.#misses += Math.abs(off);
    this.#missed++;
    const wide = this.#typical > 0 ? this.#spread[bin]! / this.#typical : 1;
    return wide > 1 ? off / wide : off;
  }

  #close(): void {
    const bin = this.#bin;
    const mean = this.#sum / this.#n;
    const old = this.#mean[bin]!;
    this.#mean[bin] = Number.isNaN(old) ? mean : old + DAY_GAIN * (mean - old);
    if (this.#missed > 0) {
      const spread = this.#misses / this.#missed;
      const before = this.#spread[bin]!;
      this.#spread[bin] = before === 0 ? spread : before + DAY_GAIN * (spread - before);
      this.#typical += (spread - this.#typical) / (this.#typical === 0 ? 1 : BINS);
    }
    this.#sum = 0;
    this.#misses = 0;
    this.#missed = 0;
    this.#n = 0;
  }
}
