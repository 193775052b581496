/**
 * How much larger the errors of a calibrated map are in use than it says: furniture has moved, doors stand otherwise, a receiver hangs
 * elsewhere than at the survey. No left-out point can tell that; the levels in use can, for then they fit nowhere as well as they should.
 */

/** How well a window's levels fit where the emitter may be; see `Locator.misfit`. */
export interface Misfit {
  /** Mean over draws of the posterior of r' V^-1 r; the number of levels where all is as stated. */
  readonly square: number;
  readonly levels: number;
  /** Share of the levels' variance that is the map's; the rest is fading, which is learned from packets. */
  readonly mapShare: number;
}

/** Levels of a window that its place (two coordinates) and power take up whatever their errors. */
const FITTED = 3;
/** Levels that say beforehand that the map's errors are as stated: three or four windows of ten receivers. */
const PRIOR_LEVELS = 20;
/** Time over which levels count: some ten places of somebody who walks. */
const MEMORY_MS = 60_000;
/** Beyond a spread four times as large as stated the map is of no use anyway. */
const MOST = 16;

/** A factor on the variance of the map's errors, 1 at the least: where all fits by chance, nothing is surer than the survey says. */
export class Doubt {
  #squares = 0;
  #levels = 0;

  /** Takes a window's misfit. `repeats`: windows that share their errors with it count as one. */
  learn({ square, levels, mapShare }: Misfit, repeats: number, windowMs: number): void {
    const kept = Math.exp(-windowMs / MEMORY_MS);
    this.#squares *= kept;
    this.#levels *= kept;
    if (levels <= FITTED || mapShare <= 0) return;
    const scaled = 1 + (square / levels - 1) / mapShare;
    this.#squares += (levels * scaled - FITTED) / repeats;
    this.#levels += (levels - FITTED) / repeats;
  }

  get scale(): number {
    return Math.min(MOST, Math.max(1, (this.#squares + PRIOR_LEVELS) / (this.#levels + PRIOR_LEVELS)));
  }

  /**
   * The factor on a filter's covariance. A filter whose gain K suits errors of variance R has P = (K R + Q / K) / 2, both parts
   * alike; where the variance is s R the first grows to s times its size (scalar random walk of variance Q, K small).
   */
  get widening(): number {
    return (1 + this.scale) / 2;
  }
}

/** Candidates at even steps of a posterior's mass: draws without chance. Cost: a pass over the candidates. */
export function drawn(logPosterior: Float64Array, count: number): number[] {
  const out: number[] = [];
  let mass = 0;
  for (let c = 0; c < logPosterior.length && out.length < count; c++) {
    mass += Math.exp(logPosterior[c]!);
    while (out.length < count && mass >= (out.length + 0.5) / count) out.push(c);
  }
  return out;
}
