/**
 * From numbers to calibrated surprise: how improbable a residual is by this series' own history, and how often a statistic
 * that wanders has been this high.
 */

/** Share of residuals beyond the tracked quantile, per side. */
const SIDE_SHARE = 0.05;
/** Prior of the tail's Hill index and its weight in exceedances; a normal tail beyond its 95 % quantile has about 0.2. */
const HILL_PRIOR = 0.25;
const HILL_WEIGHT = 10;
/** Thinnest tail that is believed: extrapolation with less would call the second-largest value ever impossible. */
const HILL_MIN = 0.12;
/** One residual is at most e^2 times rarer than the history is long: so far a tail is extrapolated. */
const EXTRAPOLATE_NATS = 2;

/**
 * Two-sided tail of a stream of residuals, each side by itself: a tracked 95 % quantile q, the share r beyond it, and the Hill
 * index xi of ln(e / q) there, so that P(E > e) = r (e / q)^(-1/xi). Nothing is stored but these.
 *
 * Source: Hill 1975; the peaks-over-threshold use for streams follows Siffer et al. 2017 (SPOT) with a Pareto in place of the
 * generalised Pareto tail, which needs no refit.
 */
export class Tail {
  readonly #q = Float64Array.of(0, 0);
  readonly #share = Float64Array.of(SIDE_SHARE, SIDE_SHARE);
  readonly #xi = Float64Array.of(HILL_PRIOR, HILL_PRIOR);
  readonly #beyond = Float64Array.of(0, 0);
  #n = 0;

  get samples(): number {
    return this.#n;
  }

  /**
   * Surprise of residual `e` in nats, -ln P(as far out as this), about Exp(1) over quiet data; then learns it. `least` is
   * the smallest residual that means anything (resolution of the series).
   */
  take(e: number, least: number): number {
    const side = e < 0 ? 1 : 0;
    const a = e < 0 ? -e : e;
    this.#n++;
    if (this.#n <= 32) {
      // The first ones only set the scale: twice their running mean is about the 95 % quantile of a normal's magnitude.
      const q = this.#q[0]! + (2 * a - this.#q[0]!) / this.#n;
      this.#q[0] = q;
      this.#q[1] = q;
      return 0;
    }
    const q = this.#q[side]! > least ? this.#q[side]! : least;
    const both = this.#share[0]! + this.#share[1]!;
    let surprise: number;
    if (a > q) {
      const xi = this.#xi[side]! > HILL_MIN ? this.#xi[side]! : HILL_MIN;
      surprise = Math.log(a / q) / xi - Math.log(2 * this.#share[side]!);
      const most = Math.log(this.#n) + EXTRAPOLATE_NATS;
      if (surprise > most) surprise = most;
    } else {
      // A series that has never changed has q = 0, and its misses are 0: no surprise.
      surprise = a === 0 ? 0 : -Math.log(1 - ((1 - both) * a) / q);
    }
    this.#learn(0, side === 0 ? a : 0, least);
    this.#learn(1, side === 1 ? a : 0, least);
    return surprise;
  }

  #learn(side: number, a: number, least: number): void {
    const q = this.#q[side]! > least ? this.#q[side]! : least;
    const over = a > q ? 1 : 0;
    const n = this.#n;
    if (over === 1) {
      const beyond = this.#beyond[side]! + 1;
      this.#beyond[side] = beyond;
      const far = Math.min(3, Math.log(a / q));
      this.#xi[side]! += (far - this.#xi[side]!) / Math.min(200, beyond + HILL_WEIGHT);
    }
    this.#share[side]! += (over - this.#share[side]!) / Math.min(1000, n + 20);
    // Sign-step tracking of the quantile in the logarithm: stationary where the share beyond is SIDE_SHARE.
    const step = n < 400 ? 1 / Math.sqrt(n) : 0.05;
    this.#q[side] = q * Math.exp(step * (over - SIDE_SHARE));
  }
}

/** Heights at which excursions are counted: every half nat up to 32. */
const HALF_NATS = 64;
/** So many excursions to a height may be events; from there on they belong to the series. */
const FREE_PEAKS = 2;

/** White noise makes an excursion above 2 nats once in some 50 rows. */
export const WHITE_GAP_NATS = 4;

/**
 * Calibration of a statistic that returns to zero: peaks of its excursions above `base` are exponential with a rate that is 1
 * where the model behind it is right (for a log-likelihood ratio P(peak > h) falls as e^-h). The slope is learned from the
 * series itself, with `weight` excursions of prior belief in 1, and so is the number of rows between excursions.
 *
 * Alarms count too, but with no more than the alarm level: anomalies make a series less alarming, never deaf.
 */
export class Excursions {
  /** Excursions that reached so many half nats. */
  readonly #reached = new Float64Array(HALF_NATS);
  readonly #base: number;
  readonly #weight: number;
  #peak = 0;
  #count = 0;
  #sum = 0;
  #rows = 0;

  constructor(base: number, weight: number) {
    this.#base = base;
    this.#weight = weight;
  }

  /** Takes the statistic after one more row; `most` bounds what a peak may teach. */
  take(g: number, most: number): void {
    this.#rows++;
    if (g > this.#peak) this.#peak = g;
    if (g > 0 || this.#peak === 0) return;
    if (this.#peak > this.#base) {
      this.#count++;
      this.#sum += Math.min(this.#peak, most) - this.#base;
      const top = Math.min(HALF_NATS - 1, Math.floor(2 * this.#peak));
      for (let b = 0; b <= top; b++) this.#reached[b]!++;
    }
    this.#peak = 0;
  }

  /** Slope of the exponential tail of peaks: 1 where the model is right, less where the series is wilder than it. */
  get slope(): number {
    return Math.min(1, (this.#count + this.#weight) / (this.#sum + this.#weight));
  }

  /**
   * Logarithm of the mean number of rows between excursions that reach `g`. Below the base it runs straight to 0; it is never
   * more than the model itself would grant, g + ln(rows between excursions of white noise).
   */
  surprise(g: number): number {
    if (g <= 0) return 0;
    const gap = Math.log((this.#rows + 100) / (this.#count + 1));
    const s = g < this.#base ? (gap * g) / this.#base : gap + this.slope * (g - this.#base);
    const most = g + WHITE_GAP_NATS;
    // What came again and again is no exponential tail: it is counted.
    const again = this.#reached[Math.min(HALF_NATS - 1, Math.floor(2 * g))]! - FREE_PEAKS;
    const counted = again > 0 ? Math.log((this.#rows + 100) / again) : most;
    return Math.min(s, most, counted);
  }
}
