/**
 * One emitter followed through windows of packets: bursts reduced, power learned on the way, position filtered.
 */
import type { BandId, Fix, SensorId } from "../model.ts";
import {
  type Burst,
  cutBursts,
  type Packet,
  type PowerScatter,
  powerScatter,
  reduceBursts,
  type WindowLevels,
} from "./bursts.ts";
import { Doubt, drawn } from "./doubt.ts";
import { logSumExp } from "./linalg.ts";
import type { BandDefaults, Locator, Miss, PowerPrior } from "./locate.ts";

/** Packets of one window and band, in order of time, and the sensors that were measuring. */
export interface PacketWindow {
  readonly band: BandId;
  readonly packets: readonly Packet[];
  readonly measuring: readonly { readonly sensor: SensorId; readonly floorDbm: number }[];
}

export interface FollowOptions {
  /** Packets within this of each other are one emission. */
  readonly burstGapMs: number;
  /** Replaces what the band's calibration says of it. */
  readonly persistenceMs: number | null;
  /** Likewise. */
  readonly memoryMs: number | null;
  /** Likewise. */
  readonly widening: number | null;
  /** Variances of the walks, m^2 per second and axis. */
  readonly walks: readonly number[];
}

/**
 * Walking with stops; walking straight on: legs of 5 s at 1 m/s. None for standing still: the map's errors are the same in each window
 * there, and to a filter that takes nobody to move they would be news each time.
 */
export const FOLLOW_DEFAULTS: FollowOptions = {
  burstGapMs: 60,
  persistenceMs: null,
  memoryMs: null,
  widening: null,
  walks: [0.4, 2.5],
};

/** Probability per second that the way of moving changes. */
const CHANGE_PER_S = 0.05;
/** Power is never believed better known than this share of the map's errors, which hide in it. */
const POWER_LEAST = 0.6;
/** How the power of one emitter wanders from second to second, dB per root second. */
const POWER_DRIFT_DB = 0.7;
/** Weight, in bursts, of the prior on the bursts' power spread. */
const SCATTER_PRIOR = 4;
/** What an old burst's spread counts from window to window: a phone's power control changes with its place. */
const SCATTER_KEPT = 0.95;
/** Places of the posterior at which a window's misfit is looked at. */
const DRAWS = 16;
/** Prior spread of the bursts' power where nothing is known, dB. */
export const SCATTER_DB = 2;

/** The spread of the power from burst to burst, as far as it was seen. */
export class PowerSpread {
  #squares = 0;
  #degrees = 0;

  /** Takes a window's bursts; gives what they say of the power and of fading. */
  learn(bursts: readonly Burst[]): PowerScatter {
    const now = powerScatter(bursts);
    this.#squares = SCATTER_KEPT * this.#squares + Math.max(-now.degrees, now.squares);
    this.#degrees = SCATTER_KEPT * this.#degrees + now.degrees;
    return now;
  }

  /** With `priorDb` where nothing was seen yet. */
  sdDb(priorDb: number): number {
    const squares = Math.max(0, this.#squares + SCATTER_PRIOR * priorDb * priorDb);
    return Math.sqrt(squares / (this.#degrees + SCATTER_PRIOR));
  }
}

/** Of each sensor that was measuring, the bursts of a window that it missed; those that missed none left out. */
export function missesOf(window: PacketWindow, levels: WindowLevels): Miss[] {
  const count = new Map<SensorId, number>(levels.sensors.map((s, i) => [s, levels.heard[i]!]));
  return window.measuring
    .map(({ sensor, floorDbm }) => {
      const heard = count.get(sensor) ?? 0;
      return { sensor, floorDbm, heard, bursts: levels.bursts - heard };
    })
    .filter((m) => m.bursts > 0);
}

interface PowerState {
  prior: PowerPrior;
  readonly spread: PowerSpread;
}

/** Follows one emitter. Forward only: a fix at t uses nothing after t. */
export class Follower {
  #locator: Locator;
  readonly #options: FollowOptions;
  readonly #modes: Float64Array[];
  readonly #power = new Map<BandId, PowerState>();
  readonly #posterior: Float64Array;
  readonly #prior: Float64Array;
  readonly #doubt = new Doubt();
  #lastMs = Number.NaN;
  #startMs = Number.NaN;

  constructor(locator: Locator, options: Partial<FollowOptions> = {}) {
    this.#locator = locator;
    this.#options = { ...FOLLOW_DEFAULTS, ...options };
    const walks = this.#options.walks.length;
    this.#modes = this.#options.walks.map(() => locator.logPrior().map((p) => p - Math.log(walks)));
    this.#posterior = locator.logPrior();
    this.#prior = locator.logPrior();
  }

  /** Goes on with another map over the same candidates. */
  use(locator: Locator): void {
    if (locator.size !== this.#locator.size) throw new Error("the other locator has other candidates");
    this.#locator = locator;
  }

  /** Log posterior after the last window, all ways of moving together. The array is reused. */
  get posterior(): Float64Array {
    return this.#posterior;
  }

  /** How much larger the map's errors are than it says, by the levels so far: a factor on their variance. */
  get doubt(): number {
    return this.#doubt.scale;
  }

  /** Takes the window that ends at `endMs` and gives the fix for it. */
  step(endMs: number, windowMs: number, windows: readonly PacketWindow[]): Fix {
    if (!Number.isNaN(this.#lastMs)) this.#forget(endMs - this.#lastMs, this.#memoryMs(windows));
    this.#predict(endMs);
    const out = new Float64Array(this.#locator.size);
    const sum = new Float64Array(this.#locator.size);
    const updates: (() => void)[] = [];
    for (const window of windows) {
      const update = this.#window(window, endMs, windowMs, out);
      for (let c = 0; c < sum.length; c++) sum[c]! += out[c]!;
      updates.push(update);
    }
    this.#combine(sum);
    for (const update of updates) update();
    return this.#locator.fix(this.#widened(windows), true);
  }

  /** Posterior to the power 1 / widening: a normal one keeps its middle and its covariance grows by that factor. */
  #widened(windows: readonly PacketWindow[]): Float64Array {
    let widening = this.#options.widening ?? 0;
    if (this.#options.widening === null) {
      for (const w of windows) widening = Math.max(widening, this.#locator.bandDefaults(w.band)?.widening ?? 0);
    }
    if (widening === 0) widening = 1;
    widening *= this.#doubt.widening;
    return widening === 1 ? this.#posterior : this.#posterior.map((p) => p / widening);
  }

  /** Of bands with memories of their own the shortest. */
  #memoryMs(windows: readonly PacketWindow[]): number {
    if (this.#options.memoryMs !== null) return this.#options.memoryMs;
    return windows.reduce(
      (least, w) => Math.min(least, this.#locator.bandDefaults(w.band)?.memoryMs ?? Number.POSITIVE_INFINITY),
      Number.POSITIVE_INFINITY,
    );
  }

  /**
   * What was known of the place before counts less with time, to the power exp(-dt / memory) of its ratio to the prior: errors of the
   * map that last would else add up to a certainty that nothing heard later moves (stabilised forgetting: Kulhavy and Zarrop 1993).
   */
  #forget(dtMs: number, memoryMs: number): void {
    const kept = Math.exp(-Math.max(0, dtMs) / memoryMs);
    if (kept === 1) return;
    for (let c = 0; c < this.#prior.length; c++) {
      const prior = this.#prior[c]!;
      if (prior === Number.NEGATIVE_INFINITY) continue;
      // All modes alike: the way of moving is no error of the map.
      const less = (1 - kept) * (this.#posterior[c]! - prior);
      for (const mode of this.#modes) mode[c]! -= less;
    }
  }

  #predict(endMs: number): void {
    if (Number.isNaN(this.#startMs)) this.#startMs = endMs;
    else {
      const dtMs = Math.max(0, endMs - this.#lastMs);
      const change = 1 - Math.exp((-CHANGE_PER_S * dtMs) / 1000);
      const count = this.#modes.length;
      const size = this.#locator.size;
      if (count > 1) {
        for (let c = 0; c < size; c++) {
          let total = 0;
          for (const mode of this.#modes) total += Math.exp(mode[c]!);
          for (const mode of this.#modes) {
            const own = Math.exp(mode[c]!);
            mode[c] = Math.log(Math.max(1e-300, own * (1 - change) + ((total - own) * change) / (count - 1)));
          }
        }
      }
      this.#modes.forEach((mode, m) => {
        const weight = logSumExp(mode, 0, size);
        this.#locator.predict(mode, dtMs, this.#options.walks[m]!);
        for (let c = 0; c < size; c++) mode[c]! += weight;
      });
    }
    this.#lastMs = endMs;
  }

  #combine(logLikelihood: Float64Array): void {
    let top = Number.NEGATIVE_INFINITY;
    for (const mode of this.#modes) {
      for (let c = 0; c < mode.length; c++) {
        mode[c]! += logLikelihood[c]!;
        if (mode[c]! > top) top = mode[c]!;
      }
    }
    let total = 0;
    for (let c = 0; c < this.#posterior.length; c++) {
      let sum = 0;
      for (const mode of this.#modes) sum += Math.exp(mode[c]! - top);
      this.#posterior[c] = Math.log(Math.max(sum, 1e-300));
      total += sum;
    }
    const shift = Math.log(total);
    for (const mode of this.#modes) for (let c = 0; c < mode.length; c++) mode[c]! -= top + shift;
    for (let c = 0; c < this.#posterior.length; c++) this.#posterior[c]! -= shift;
  }

  /** Writes the window's log-likelihood into `out`; the returned function updates the power once the posterior is known. */
  #window(window: PacketWindow, endMs: number, windowMs: number, out: Float64Array): () => void {
    const defaults = this.#locator.bandDefaults(window.band);
    out.fill(0);
    if (defaults === null) return () => {};
    const bursts = cutBursts(window.packets, this.#options.burstGapMs);
    const state = this.#powerOf(window.band, defaults);
    state.spread.learn(bursts);
    const levels = reduceBursts(
      bursts,
      defaults.fadingDb,
      state.spread.sdDb(Math.max(SCATTER_DB, defaults.burstPowerDb)),
    );
    if (levels === null) return () => {};
    const misses = missesOf(window, levels);
    // Windows that share their errors must not count as so many: their static part is scaled up to add up to one.
    const persistenceMs = this.#options.persistenceMs ?? defaults.persistenceMs;
    const staticFactor = Math.max(1, Math.min(persistenceMs, endMs - this.#startMs + windowMs) / windowMs);
    const powerDbm = new Float64Array(this.#locator.size);
    const left2 = this.#locator.windowLikelihood(window.band, levels, misses, state.prior, staticFactor, out, powerDbm);
    const { prior } = state;
    return () => {
      const misfit = this.#locator.misfit(window.band, levels, prior, drawn(this.#posterior, DRAWS));
      if (misfit !== null) this.#doubt.learn(misfit, staticFactor, windowMs);
      this.#learnPower(state, powerDbm, left2, windowMs, POWER_LEAST * defaults.shadowDb);
    };
  }

  #powerOf(band: BandId, defaults: BandDefaults): PowerState {
    let state = this.#power.get(band);
    if (state === undefined) {
      state = { prior: defaults.power, spread: new PowerSpread() };
      this.#power.set(band, state);
    }
    return state;
  }

  /** The power's posterior, as one normal over all candidates, is the next window's prior, widened by drift. */
  #learnPower(state: PowerState, powerDbm: Float64Array, left2: number, windowMs: number, leastDb: number): void {
    let [mean, square] = [0, 0];
    for (let c = 0; c < powerDbm.length; c++) {
      const p = Math.exp(this.#posterior[c]!);
      mean += p * powerDbm[c]!;
      square += p * powerDbm[c]! * powerDbm[c]!;
    }
    const variance = Math.max(leastDb ** 2, square - mean * mean + left2);
    const drift2 = (POWER_DRIFT_DB ** 2 * windowMs) / 1000;
    state.prior = { meanDbm: mean, sdDb: Math.sqrt(variance + drift2) };
  }
}
