/**
 * What time does to the belief in one cell. A phone comes at rate a and leaves at rate b; while one is there and sensors
 * listen it would be heard at rate r, so silence speaks against it:
 *
 *     dp/dt = a (1 - p) - b p - r p (1 - p)
 *
 * a Riccati equation with constant coefficients, and so is the one for what later looks say of the past (`hindsight`).
 */

/** Rates per day. */
export interface Rates {
  readonly arrive: number;
  readonly leave: number;
}

/** Arrivals and departures whose balance is the prevalence and whose memory halves in the half-life. */
export function ratesOf(halfLifeDays: number, prevalence: number): Rates {
  const sum = Math.LN2 / halfLifeDays;
  return { arrive: prevalence * sum, leave: (1 - prevalence) * sum };
}

/**
 * The step y(0) -> y(t) of y' = c0 + c1 y + c2 y², the same for every y, so that one exponential serves all cells.
 *
 * Source: with s the stable and 1/w the unstable root, (y - s) / (1 - w y) falls as exp(-D t), D² = c1² - 4 c0 c2.
 */
export interface Step {
  readonly stable: number;
  readonly w: number;
  readonly fall: number;
}

export function riccati(c0: number, c1: number, c2: number, t: number): Step {
  const d = Math.sqrt(Math.max(0, c1 * c1 - 4 * c0 * c2));
  const k = d - c1;
  return { stable: (2 * c0) / k, w: (2 * c2) / k, fall: Math.exp(-d * t) };
}

/** Silence while listening for `heard` of `days`; `uses` per day. */
export function drift({ arrive, leave }: Rates, uses: number, heard: number, days: number): Step {
  const r = days > 0 ? (uses * heard) / days : 0;
  return riccati(arrive, -(arrive + leave + r), r, days);
}

/** The same backwards, for the ratio P(later | kept) / P(later | not kept). */
export function hindsight({ arrive, leave }: Rates, uses: number, heard: number, days: number): Step {
  const r = days > 0 ? (uses * heard) / days : 0;
  return riccati(leave, arrive - leave - r, -arrive, days);
}

export function advance({ stable, w, fall }: Step, y: number): number {
  const u = ((y - stable) / (1 - w * y)) * fall;
  return (stable + u) / (1 + u * w);
}

/** By how much a difference in log odds before the step is left after it, 0 to 1 and a little over. */
export function left(step: Step, p: number, after: number): number {
  const { stable, w, fall } = step;
  const u = ((p - stable) / (1 - w * p)) * fall;
  const slope = (fall * (1 - w * stable) ** 2) / ((1 - w * p) * (1 + u * w)) ** 2;
  return (slope * p * (1 - p)) / (after * (1 - after));
}
