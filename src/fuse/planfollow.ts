/**
 * One emitter followed where nothing was calibrated: by the plan alone, whose errors never average out.
 *
 * A sensor's gain, its antenna and what the plan leaves out are as wrong in the next window as in this one, by how much and for how
 * long nobody knows. Windows are therefore joined so that all of them together count as one: the posterior is the prior times the
 * geometric mean of their likelihoods, newer ones with more weight, older ones moved on. Such a mean claims no more than is
 * true whatever the errors share (covariance intersection: Julier and Uhlmann, 1997; for densities, Hurley, 2002), while fading,
 * which differs from window to window, still averages out. How far the plan is off is not known either: a few exponents and
 * spreads are kept side by side, weighted by what they foretold.
 */
import type { BandId, Fix } from "../model.ts";
import { cutBursts, reduceBursts, type WindowLevels } from "./bursts.ts";
import { FOLLOW_DEFAULTS, missesOf, type PacketWindow, PowerSpread, SCATTER_DB } from "./follow.ts";
import { logSumExp, normaliseLog } from "./linalg.ts";
import type { Locator } from "./locate.ts";

/** Time over which likelihoods are averaged, ms: some bursts' fading, a step or two of somebody who walks. */
const MEMORY_MS = 2000;
/** How fast what older windows said is blurred, m^2 per second and axis: walking with stops. */
const WALK_M2_PER_S = 0.4;
/** Weight, in degrees of freedom, of the assumed fading. */
const FADING_PRIOR = 10;
/** Hypotheses less likely than this are not mixed in. */
const SMALLEST_P = 1e-6;

interface Spreads {
  readonly power: PowerSpread;
  fadingSquares: number;
  fadingDegrees: number;
}

/** Follows one emitter. Forward only: a fix at t uses nothing after t. */
export class PlanFollower {
  readonly #locator: Locator;
  readonly #prior: Float64Array;
  /** Log posterior under each hypothesis, and the log of how likely it is. */
  readonly #under: Float64Array[];
  readonly #weight: Float64Array;
  readonly #posterior: Float64Array;
  readonly #scratch: Float64Array;
  readonly #spreads = new Map<BandId, Spreads>();
  #startMs = Number.NaN;
  #lastMs = Number.NaN;

  constructor(locator: Locator) {
    this.#locator = locator;
    this.#prior = locator.logPrior();
    this.#under = Array.from({ length: locator.hypotheses }, () => locator.logPrior());
    this.#weight = new Float64Array(locator.hypotheses);
    this.#posterior = locator.logPrior();
    this.#scratch = new Float64Array(locator.size);
  }

  /** Log posterior after the last window. The array is reused. */
  get posterior(): Float64Array {
    return this.#posterior;
  }

  /** Takes the window that ends at `endMs` and gives the fix for it. Cost: one density a hypothesis and band. */
  step(endMs: number, windowMs: number, windows: readonly PacketWindow[]): Fix {
    const reduced = windows.flatMap((window) => {
      const levels = this.#levels(window);
      return levels === null ? [] : [{ band: window.band, levels, misses: missesOf(window, levels) }];
    });
    if (reduced.length > 0) {
      const first = Number.isNaN(this.#startMs);
      if (first) this.#startMs = endMs - windowMs;
      const passedMs = first ? windowMs : endMs - this.#lastMs;
      // The newest window's share: of all windows so far, or of a memory already full.
      const share = Math.min(1, Math.max(windowMs / (endMs - this.#startMs), 1 - Math.exp(-passedMs / MEMORY_MS)));
      const sum = new Float64Array(this.#locator.size);
      const out = new Float64Array(this.#locator.size);
      this.#under.forEach((log, h) => {
        sum.fill(0);
        // Bands share what is wrong with the plan, so they too count as one.
        for (const { band, levels, misses } of reduced) {
          const { power } = this.#locator.bandDefaults(band)!;
          this.#locator.windowLikelihood(band, levels, misses, power, 1, out, null, h);
          for (let c = 0; c < sum.length; c++) sum[c]! += out[c]! / reduced.length;
        }
        if (!first) this.#locator.predict(log, passedMs, WALK_M2_PER_S);
        this.#weight[h] = (1 - share) * this.#weight[h]! + share * this.#join(log, sum, share);
      });
      this.#lastMs = endMs;
      this.#mix();
    }
    return this.#locator.fix(this.#posterior, true);
  }

  /** Takes a window's log likelihood into a log posterior; returned is the log of how likely the window was before. */
  #join(log: Float64Array, likelihood: Float64Array, share: number): number {
    const prior = this.#prior;
    const foretold = this.#scratch;
    for (let c = 0; c < log.length; c++) {
      foretold[c] = log[c]! + likelihood[c]!;
      // Where nobody can be, nobody comes to be.
      if (prior[c] === Number.NEGATIVE_INFINITY) log[c] = prior[c]!;
      else log[c] = prior[c]! + (1 - share) * (log[c]! - prior[c]!) + share * likelihood[c]!;
    }
    normaliseLog(log);
    return logSumExp(foretold, 0, log.length);
  }

  /** The hypotheses' posteriors together. */
  #mix(): void {
    const out = this.#posterior;
    const total = logSumExp(this.#weight, 0, this.#weight.length);
    out.fill(0);
    this.#under.forEach((log, h) => {
      const weight = Math.exp(this.#weight[h]! - total);
      if (weight < SMALLEST_P) return;
      for (let c = 0; c < out.length; c++) out[c]! += weight * Math.exp(log[c]!);
    });
    for (let c = 0; c < out.length; c++) out[c] = Math.log(Math.max(out[c]!, 1e-300));
  }

  /** A window's bursts as levels, with the fading and the spread of the bursts' power learned so far. */
  #levels(window: PacketWindow): WindowLevels | null {
    const defaults = this.#locator.bandDefaults(window.band);
    if (defaults === null) return null;
    const bursts = cutBursts(window.packets, FOLLOW_DEFAULTS.burstGapMs);
    let state = this.#spreads.get(window.band);
    if (state === undefined) {
      state = { power: new PowerSpread(), fadingSquares: 0, fadingDegrees: 0 };
      this.#spreads.set(window.band, state);
    }
    const now = state.power.learn(bursts);
    state.fadingSquares += now.fadingSquares;
    state.fadingDegrees += now.fadingDegrees;
    const fading2 =
      (state.fadingSquares + FADING_PRIOR * defaults.fadingDb ** 2) / (state.fadingDegrees + FADING_PRIOR);
    return reduceBursts(bursts, Math.sqrt(fading2), state.power.sdDb(SCATTER_DB));
  }
}
