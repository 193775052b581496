/**
 * Where one emitter is: the posterior over candidate positions, with the emitter's power integrated out in closed form.
 *
 * At one observation, y_i = P + g_i(p) + S_i(p) + e_i over the sensors i that heard it: P the power, common to all sensors;
 * g the expected gain; S shadowing, correlated between sensors; e fading. P, S and e are normal, so y given p is normal too.
 * Sensors that measured and heard nothing multiply by the probability of not hearing. docs/localisation.md derives it.
 */
import type {
  Band,
  BandCalibration,
  BandId,
  BlockId,
  Calibration,
  Fix,
  SensorId,
  SensorSite,
  Site,
  ZoneId,
  ZoneKind,
} from "../model.ts";
import type { WindowLevels } from "./bursts.ts";
import { siteOf } from "./censored.ts";
import {
  Density,
  type Expectation,
  GAIN_STEP_DB,
  type Heard,
  SILENCE_POWER_DB,
  type SilenceTable,
  type Silent,
} from "./density.ts";
import type { Misfit } from "./doubt.ts";
import { fixOf } from "./fix.ts";
import { gridGroups, planGains } from "./gains.ts";
import { buildGrid, type Grid, type GridOptions, PHONE_HEIGHT_M } from "./grid.ts";
import { type Hearing, hearingOf, hearProbability } from "./hearing.ts";
import { type Chance, imagined } from "./imagined.ts";
import { atOnce, cholesky, forwardSolve, logSumExp } from "./linalg.ts";
import { Motion } from "./motion.ts";
import { patchesOf } from "./patches.ts";
import { type PathLoss, PlanGeometry, slabLossAt } from "./propagation.ts";
import { radioMap } from "./radiomap.ts";
import { hearsWithin } from "./silence.ts";
import { atOnePower, mostPowerDbm, type SourceGrid, thinned } from "./sources.ts";

/** What one sensor measured of one band in one window. */
export interface SensorLevel {
  readonly sensor: SensorId;
  /** dBm; NaN: measured and heard nothing above its floor. */
  readonly levelDbm: number;
  /** dBm; NaN: unknown sensitivity (event-driven sensor). */
  readonly floorDbm: number;
  /** Standard deviation of `levelDbm` from fading and averaging, dB. */
  readonly sigmaDb: number;
  /** Of one that heard nothing: windows in which it might have met a burst. Left out: it met them all, but for a few misses. */
  readonly windows?: number;
}

/** Every sensor that was measuring the band in that window, those that heard nothing included. */
export interface Observation {
  readonly tMs: number;
  readonly band: BandId;
  readonly sensors: readonly SensorLevel[];
}

/** What is known of an emitter's power (at 1 m, dBm) before an observation. */
export interface PowerPrior {
  readonly meanDbm: number;
  readonly sdDb: number;
}

export interface LocatorOptions {
  /** Candidates are those of the whole site; zones of blocks of which no sensor counts here have a hundredth of the prior. Null: no difference. */
  readonly block: BlockId | null;
  readonly calibration: Calibration | null;
  /** Spacing of candidates; left out, chosen from the site's size. */
  readonly gridM?: number;
  /** Relative prior density of a kind of zone. */
  readonly kindWeight?: Partial<Record<ZoneKind, number>>;
  /** Labelled points not to be used: cross-validation. */
  readonly leftOut?: (point: number) => boolean;
  /** Prior probability of being outside. */
  readonly pOutside?: number;
  /** How much likelier a phone is in a corridor where phones are allowed. */
  readonly allowedCorridor?: number;
  /** Without a calibration: several exponents and spreads, one `hypothesis` of `windowLikelihood` each. */
  readonly doubted?: boolean;
}

/** What a window says of one sensor that missed bursts it might have heard. */
export interface Miss {
  readonly sensor: SensorId;
  /** Bursts of the window that it missed, and that it heard. */
  readonly bursts: number;
  readonly heard: number;
  /** dBm; NaN: unknown, the learned hearing counts. */
  readonly floorDbm: number;
}

export interface BandDefaults {
  readonly power: PowerPrior;
  /** Spread of one packet around its mean, and of a burst's power around the emitter's, dB. */
  readonly fadingDb: number;
  readonly burstPowerDb: number;
  /** Time over which errors of the expected levels repeat themselves, ms. */
  readonly persistenceMs: number;
  /** Time over which what was heard before counts less and less for the place, ms; infinite: always as much. */
  readonly memoryMs: number;
  /** Spread of the truth around the expected levels where they are best known, dB. */
  readonly shadowDb: number;
  /** Factor by which stated covariances have to grow to hold what they say. */
  readonly widening: number;
}

/** A sensor that heard nothing, and the bursts or windows in which it might have heard; a floor of NaN is the learned one. */
interface Quiet {
  readonly sensor: number;
  readonly floorDbm: number;
  readonly bursts: number;
  readonly windows: number | undefined;
}

interface BandModel extends BandDefaults, Expectation {
  readonly band: Band;
  readonly hearing: readonly (Hearing | null)[];
  /** Log probability of silence by the curve of a sensor, made when first asked for. */
  readonly silence: Map<Hearing, SilenceTable>;
}

type Layout = Pick<Expectation, "gains" | "nearest" | "patches">;

const CLASSES = 8;
/** Levels over the floor at which silence is tabled, dB. */
const SILENCE_FROM_DB = -130;
const SILENCE_SIZE = 260;
/** Below so little from a sensor's silence it says nothing: 0.01 nats over a hundred of them. */
const LITTLE_NATS = 1e-4;

// Residuals of path-loss fits in buildings are 3.9 to 9.3 dB; 7 stands for both hard and easy blocks.
const SHADOW_DB = 7;
/**
 * The plan's errors may be larger than that, in a hard block or where walls are wrong: 7 or 8.6 dB (49 dB^2 by these), as the levels
 * say. Never smaller: where everything fits by chance, that would make sure of a place what the plan can't tell apart.
 */
const PLAN_SCALES = [1, 1.5];
const ONE_SCALE = [1];
/** Distance between sensors over which their shadowing decorrelates. */
const SHADOW_RX_M = 3.5;
/** Spreads kept side by side where a plan is doubted: residuals of path-loss fits, 3.9 to 9.3 dB. */
const DOUBTED_DB = [3.5, 5, 7, 10];
const DEFAULT_PATH = { exponent: 2, wallFactor: 1, slabFactor: 1 };
/**
 * Without walls in the plan nobody knows how much stands in the way: a waveguide of a hall (1.6), free space, offices (2.8;
 * ITU-R P.1238 has 2.2 to 3.3), all equally likely.
 */
const OPEN_EXPONENTS = [1.6, 2.1, 2.8];
// A phone's 5 dBm (between -40 and 33) less 6 dB of body and antenna and about 35 dB of the first metre.
const POWER: PowerPrior = { meanDbm: -36, sdDb: 15 };
const DEFAULT_KIND_WEIGHT: Record<ZoneKind, number> = {
  cell: 1,
  corridor: 1,
  staff: 1,
  gate: 1,
  yard: 0.5,
  perimeter: 0.5,
  outside: 0,
};
const P_OUTSIDE = 0.05;
/** Sensors whose sensitivity nobody stated. */
export const BLIND_HEARING = { hearing: 0.7, floorDbm: -95, floorSpreadDb: 8 } as const satisfies Hearing;
/** Errors of a plan are larger and reach further than those of a map. */
const PERSISTENCE_MS = 4_000;
/** One narrow-band packet, partly averaged over its bandwidth. */
const FADING_DB = 4;
/** Spread of power between devices of a kind and the ways they are held, where no network controls it. */
const DEVICE_DB = 6;
/**
 * The place follows from the loudest sensors: far ones differ little between neighbouring cells, while the cost grows with
 * the square of their number.
 */
const MOST_HEARD = 64;
/** Bursts missed in one window share their cause: so many count at the most. */
const MOST_LOOKS = 4;
/** How far a sensor's mean level may be from that of what it heard of it, dB. */
const DROWNED_DB = 15;
/** Sensors that show whether somebody in a cell moves: a quarter of a wing. */
const NEAR_SENSORS = 12;

/**
 * Localiser of one site. Candidates are positions on every floor and outside; a posterior is a `Float64Array` of `size` log
 * probabilities, owned by the caller, so that one localiser serves any number of tracks.
 */
export class Locator {
  readonly size: number;
  readonly grid: Grid;
  readonly #site: Site;
  readonly #sensors: readonly SensorSite[];
  readonly #index = new Map<SensorId, number>();
  readonly #models = new Map<BandId, readonly BandModel[]>();
  readonly #sources = new Map<BandId, SourceGrid>();
  readonly #around = new Map<ZoneId, readonly SensorId[]>();
  readonly #prior: Float64Array;
  /** Made when first asked for: only few callers move posteriors. */
  #motion: Motion | null = null;
  readonly #calibration: Calibration | null;
  readonly #leftOut: (point: number) => boolean;
  readonly #doubted: boolean;
  readonly #density = new Density();
  /** Of the levels' errors, while an observation is evaluated. */
  readonly #covariance = new Float64Array(MOST_HEARD * MOST_HEARD);
  /** What the rays from the candidates meet, while there may be bands that still ask for it. */
  #geometry: PlanGeometry | null = null;
  /** What bands expect by the plan, by all that loses something in it, and what they have in common. */
  readonly #layouts = new Map<string, Layout>();
  #plain: Pick<Expectation, "classOf" | "correlation"> | null = null;

  constructor(site: Site, options: LocatorOptions) {
    this.#site = site;
    this.#calibration = options.calibration;
    this.#doubted = (options.doubted ?? false) && options.calibration === null;
    this.#leftOut = options.leftOut ?? (() => false);
    this.#sensors = site.sensors.filter((s) => s.type === "rf" && s.positionM !== null);
    this.#sensors.forEach((s, i) => {
      this.#index.set(s.id, i);
    });
    this.grid = buildGrid(site, { stepM: options.gridM ?? null, ...labelled(site, options.calibration) });
    this.size = this.grid.size;
    this.#prior = buildPrior(site, this.grid, options);
  }

  /**
   * Makes the expected levels of every band, which the first observation of a band would do otherwise, a band a step, so that
   * the caller may do other things between. Cost: for 200 sensors and 4,000 candidates a second for the first band.
   */
  *prepare(): Generator<void, void> {
    for (const { id } of this.#site.bands) {
      this.#variants(id);
      yield;
    }
  }

  /** Ways in which the plan may be off that `windowLikelihood` tells apart. */
  get hypotheses(): number {
    return this.#doubted ? DOUBTED_DB.length * pathsOf(this.#site).length : 1;
  }

  /** Log prior probability of each candidate; a fresh copy. */
  logPrior(): Float64Array {
    return this.#prior.slice();
  }

  /** As `likelihood`, at once. */
  logLikelihood(o: Observation, out: Float64Array, power?: PowerPrior): void {
    atOnce(this.likelihood(o, out, power));
  }

  /**
   * Log density of an observation given each candidate, written over `out` (not added to it). Sensors unknown to the site
   * add nothing; an observation without any known sensor gives zeros.
   *
   * Of many sensors that heard, the `MOST_HEARD` loudest count. Densities further behind the best than `DEPTH_NATS` are raised
   * to that depth. Units: nats, of a density in dB. Cost: see `Density`; done in steps of about a millisecond, between which
   * nothing else may be asked of this locator.
   */
  *likelihood(o: Observation, out: Float64Array, power?: PowerPrior): Generator<void, void> {
    const models = this.#variants(o.band);
    out.fill(0);
    if (models === null) return;
    const heard: SensorLevel[] = [];
    const silent: Quiet[] = [];
    for (const level of o.sensors) {
      const i = this.#index.get(level.sensor);
      if (i === undefined) continue;
      if (Number.isFinite(level.levelDbm)) heard.push(level);
      else silent.push({ sensor: i, floorDbm: level.floorDbm, bursts: 1, windows: level.windows });
    }
    const loudest = this.#loudest(heard);
    const n = loudest.length;
    if (n + silent.length === 0) return;
    const covariance = this.#covariance.fill(0, 0, n * n);
    for (let i = 0; i < n; i++) covariance[i * n + i] = loudest[i]!.sigmaDb ** 2;
    const level = loudest.map((h) => h.levelDbm);
    const levels = { sensor: loudest.map((h) => this.#index.get(h.sensor)!), level, covariance };
    yield* this.#mix(models, power ?? models[0]!.power, levels, silent, 1, out, null);
  }

  /** The `MOST_HEARD` that heard best, the loudest first. Cost: a sort of numbers, and one of so many levels. */
  #loudest(heard: readonly SensorLevel[]): SensorLevel[] {
    const dbm = new Float64Array(heard.length);
    for (let i = 0; i < dbm.length; i++) dbm[i] = heard[i]!.levelDbm;
    const least = dbm.sort().at(-MOST_HEARD) ?? Number.NEGATIVE_INFINITY;
    return heard
      .filter((h) => h.levelDbm >= least)
      .sort((a, b) => b.levelDbm - a.levelDbm || this.#index.get(a.sensor)! - this.#index.get(b.sensor)!)
      .slice(0, MOST_HEARD);
  }

  /**
   * The same for a window's bursts reduced to levels with their full error covariance. `staticFactor` multiplies the
   * variance of what does not change from window to window; above 1 where windows repeat each other. `powerDbm`, where
   * given, receives the power's posterior mean at each candidate; returned is its variance (of the surest class). `hypothesis`,
   * below `hypotheses`: under that one alone; left out, under all, equally likely.
   */
  windowLikelihood(
    band: BandId,
    levels: WindowLevels,
    misses: readonly Miss[],
    power: PowerPrior,
    staticFactor: number,
    out: Float64Array,
    powerDbm: Float64Array | null,
    hypothesis?: number,
  ): number {
    const all = this.#variants(band);
    const models = all === null || hypothesis === undefined ? all : [all[hypothesis % all.length]!];
    out.fill(0);
    if (models === null) return power.sdDb * power.sdDb;
    const keep = levels.sensors.map((_, i) => i).filter((i) => this.#index.has(levels.sensors[i]!));
    keep.sort((a, b) => levels.levelDbm[b]! - levels.levelDbm[a]! || a - b);
    const n = keep.length;
    const covariance = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      const row = keep[i]! * levels.sensors.length;
      for (let j = 0; j < n; j++) covariance[i * n + j] = levels.covariance[row + keep[j]!]!;
    }
    const level = keep.map((i) => levels.levelDbm[i]!);
    const sensor = keep.map((i) => this.#index.get(levels.sensors[i]!)!);
    const silent: Quiet[] = [];
    for (const miss of misses) {
      const i = this.#index.get(miss.sensor);
      if (i === undefined) continue;
      if (miss.heard > 0 && this.#drowned(models[0]!, miss, i, sensor.indexOf(i), level, covariance)) continue;
      // A sensor of unknown sensitivity that heard some bursts missed the others by chance, for all that is known.
      const blind = models[0]!.hearing[i] === BLIND_HEARING && !Number.isFinite(miss.floorDbm);
      if (blind && miss.heard > 0) continue;
      silent.push({ sensor: i, floorDbm: miss.floorDbm, bursts: blind ? 1 : miss.bursts, windows: undefined });
    }
    if (n + silent.length === 0) return power.sdDb * power.sdDb;
    const heard = { sensor, level, covariance };
    return atOnce(this.#mix(models, power, heard, silent, staticFactor, out, powerDbm));
  }

  /**
   * How well a window's levels fit what is expected at some candidates: the mean of r' V^-1 r, r the levels' departures and V their
   * covariance, the power's included. Where candidates are drawn from a posterior that is right its mean is the number of
   * levels (the truth is such a draw, too). Null for an unknown band or no known sensor. Cost: n^3 / 6 a class among the candidates.
   */
  misfit(band: BandId, levels: WindowLevels, power: PowerPrior, candidates: readonly number[]): Misfit | null {
    const model = this.#variants(band)?.[0];
    const keep = levels.sensors.map((_, i) => i).filter((i) => this.#index.has(levels.sensors[i]!));
    const n = keep.length;
    if (model === undefined || n === 0 || candidates.length === 0) return null;
    const sensor = keep.map((i) => this.#index.get(levels.sensors[i]!)!);
    const factors = new Map<number, Float64Array>();
    let [square, mapDb2, allDb2] = [0, 0, 0];
    for (const c of candidates) {
      const k = model.classOf[c]!;
      let factor = factors.get(k);
      if (factor === undefined) {
        factor = new Float64Array(n * n);
        for (let i = 0; i < n; i++) {
          for (let j = 0; j <= i; j++) {
            const shared = model.classVariance[k]! * model.correlation[sensor[i]! * model.gains.sensors + sensor[j]!]!;
            factor[i * n + j] =
              levels.covariance[keep[i]! * levels.sensors.length + keep[j]!]! + shared + power.sdDb ** 2;
          }
        }
        if (!cholesky(factor, n)) return null;
        factors.set(k, factor);
      }
      const r = Float64Array.from(keep, (i, at) => {
        const gain = model.gains.of(c, sensor[at]!) * GAIN_STEP_DB;
        return levels.levelDbm[i]! - power.meanDbm - gain;
      });
      forwardSolve(factor, n, r);
      for (let i = 0; i < n; i++) square += (r[i]! * r[i]!) / candidates.length;
      mapDb2 += n * model.classVariance[k]!;
      for (const i of keep) allDb2 += model.classVariance[k]! + levels.covariance[i * levels.sensors.length + i]!;
    }
    return { square, levels: n, mapShare: mapDb2 / allDb2 };
  }

  /**
   * A sensor that heard some of a window's bursts and missed others: its level, number `at` of those heard, is moved to what both
   * together say, and its variance grows. False where nothing is known of when it hears.
   */
  #drowned(model: BandModel, m: Miss, s: number, at: number, level: number[], covariance: Float64Array): boolean {
    const hearing = model.hearing[s] ?? null;
    if (at < 0 || hearing === null || hearing === BLIND_HEARING || hearing.floorDbm === null) return false;
    const n = level.length;
    const variance = covariance[at * n + at]!;
    const packetDb = Math.hypot(model.fadingDb, hearing.floorSpreadDb);
    const packets = { heard: m.heard, levelDbm: level[at]!, missed: m.bursts };
    const receiver = { floorDbm: hearing.floorDbm, share: hearing.hearing, packetDb };
    const site = siteOf(packets, receiver, level[at]!, DROWNED_DB * DROWNED_DB);
    level[at] = site.levelDbm;
    covariance[at * n + at] = Math.max(variance, site.variance);
    return true;
  }

  /** What is known of the band's emitters before anything is heard, and of one packet's and burst's spread. */
  bandDefaults(band: BandId): BandDefaults | null {
    const model = this.#variants(band)?.[0];
    if (model === undefined) return null;
    const { power, fadingDb, burstPowerDb, persistenceMs, memoryMs, widening, shadowDb } = model;
    return { power, fadingDb, burstPowerDb, persistenceMs, memoryMs, widening, shadowDb };
  }

  /** Those of the silent sensors whose silence says something. */
  #silent(model: BandModel, quiet: readonly Quiet[], staticFactor: number): Silent[] {
    const silent: Silent[] = [];
    for (const { sensor, floorDbm, bursts, windows } of quiet) {
      const stated = Number.isFinite(floorDbm);
      const hearing = stated ? hearsWithin(windows) : model.hearing[sensor]!;
      if (hearing === null || hearing.floorDbm === null) continue;
      let table = model.silence.get(hearing);
      if (table === undefined) {
        table = silenceTable(model, hearing);
        model.silence.set(hearing, table);
      }
      const looks = Math.min(bursts, MOST_LOOKS) / staticFactor;
      silent.push({ sensor, floorDbm: stated ? floorDbm : hearing.floorDbm, table, looks });
    }
    return silent;
  }

  /** Likelihoods of several models of the same band averaged, candidate by candidate. */
  *#mix(
    models: readonly BandModel[],
    power: PowerPrior,
    heard: Heard,
    quiet: readonly Quiet[],
    staticFactor: number,
    out: Float64Array,
    powerDbm: Float64Array | null,
  ): Generator<void, number> {
    const silent = this.#silent(models[0]!, quiet, staticFactor);
    const evaluate = (model: BandModel, log: Float64Array, mean: Float64Array | null): Generator<void, number> =>
      this.#density.evaluate(model, power, heard, silent, staticFactor, log, mean);
    if (models.length === 1) return yield* evaluate(models[0]!, out, powerDbm);
    const log = new Float64Array(this.size);
    const mean = powerDbm === null ? null : new Float64Array(this.size);
    let left2 = yield* evaluate(models[0]!, out, powerDbm);
    for (const model of models.slice(1)) {
      left2 = Math.min(left2, yield* evaluate(model, log, mean));
      for (let c = 0; c < log.length; c++) {
        const share = 1 / (1 + Math.exp(out[c]! - log[c]!));
        out[c] = log[c]! + Math.log1p(Math.exp(Math.min(700, out[c]! - log[c]!)));
        if (powerDbm !== null) powerDbm[c]! += share * (mean![c]! - powerDbm[c]!);
      }
    }
    const each = Math.log(models.length);
    for (let c = 0; c < out.length; c++) out[c]! -= each;
    return left2;
  }

  /**
   * Levels that an emitter at a candidate might give, drawn from what this localiser holds possible: one of its models of the band, and
   * shadows. dBm by sensor, in the site's order of those that hang, bursts' fading left out; null for an unknown band. `powerSds`: its
   * power, in spreads above what is expected of phones, and no more than a phone can give. Cost: sensors squared.
   */
  imagine(band: BandId, candidate: number, powerSds: number, chance: Chance): Float64Array | null {
    const models = this.#variants(band);
    if (models === null) return null;
    const model = models[Math.floor(chance.uniform() * models.length)]!;
    const { meanDbm, sdDb } = model.power;
    return imagined(model, candidate, Math.min(mostOf(model), meanDbm + powerSds * sdDb), chance);
  }

  /** A thinned set of positions with expected gains, for looking for several emitters at once; null for an unknown band. */
  sources(band: BandId): SourceGrid | null {
    const model = this.#variants(band)?.[0];
    if (model === undefined) return null;
    let made = this.#sources.get(band);
    if (made === undefined) {
      const ids = this.#sensors.map((s) => s.id);
      const power = { ...model.power, mostDbm: mostOf(model) };
      made = thinned(this.grid, this.#prior, ids, model.gains, GAIN_STEP_DB, power, model.shadowDb);
      this.#sources.set(band, made);
    }
    return made;
  }

  /** The sensors nearest to a cell, on its floor; none for any other zone. */
  around(zone: ZoneId): readonly SensorId[] {
    let known = this.#around.get(zone);
    if (known === undefined) {
      known = nearestSensors(this.grid, this.#site, this.#sensors, zone);
      this.#around.set(zone, known);
    }
    return known;
  }

  /** One step of motion over `dtMs` in place: cells and floors as a graph with walls and doors. */
  predict(logPosterior: Float64Array, dtMs: number, walkM2PerS?: number): void {
    this.#motion ??= new Motion(this.#site, this.grid, this.#prior);
    this.#motion.step(logPosterior, dtMs, walkM2PerS);
  }

  /** The posterior as zones, position and covariance; `told`: a covariance whose 50 % ellipse holds half of it. */
  fix(logPosterior: Float64Array, told = false): Fix {
    return fixOf(this.#site, this.grid, logPosterior, told);
  }

  /** Log predictive density of an observation under a posterior; under `logPrior()` it is that of another emitter anywhere. */
  logEvidence(logPosterior: Float64Array, o: Observation, power?: PowerPrior): number {
    const out = new Float64Array(this.size);
    this.logLikelihood(o, out, power);
    for (let c = 0; c < out.length; c++) out[c]! += logPosterior[c]!;
    return logSumExp(out, 0, out.length);
  }

  /** Equally likely models of a band, at least one; null for a band the site doesn't know. */
  #variants(id: BandId): readonly BandModel[] | null {
    let models = this.#models.get(id);
    if (models === undefined) {
      const band = this.#site.bands.find((b) => b.id === id);
      if (band === undefined) return null;
      models = this.#build(band);
      this.#models.set(id, models);
      if (this.#models.size === this.#site.bands.length) this.#geometry = null;
    }
    return models;
  }

  #build(band: Band): readonly BandModel[] {
    const calibration = this.#calibration?.bands.find((b) => b.band === band.id) ?? null;
    if (calibration !== null) return [this.#calibratedModel(band, calibration)];
    const paths = pathsOf(this.#site);
    if (!this.#doubted) return paths.map((path) => this.#planModel(band, path));
    return paths.flatMap((path) =>
      DOUBTED_DB.map((sdDb) => ({ ...this.#planModel(band, path), classVariance: [sdDb * sdDb], shadowDb: sdDb })),
    );
  }

  #planModel(band: Band, path: PathLoss): BandModel {
    this.#geometry ??= new PlanGeometry(this.#site);
    // Bands at which everything in the plan loses as much, as where all losses are stated, expect the same.
    const losses = [...this.#geometry.lossesDb(band), ...this.#site.floors.map((f) => slabLossAt(f, band))];
    const key = `${path.exponent} ${path.wallFactor} ${path.slabFactor} ${losses.join(" ")}`;
    let layout = this.#layouts.get(key);
    if (layout === undefined) {
      layout = this.#layout(planGains(this.#site, this.grid, this.#sensors, band, path, this.#geometry));
      this.#layouts.set(key, layout);
    }
    this.#plain ??= {
      classOf: new Uint8Array(this.size),
      correlation: sensorCorrelation(this.#sensors, SHADOW_RX_M),
    };
    return {
      band,
      ...layout,
      ...this.#plain,
      classVariance: [SHADOW_DB * SHADOW_DB],
      scales: this.#doubted ? ONE_SCALE : PLAN_SCALES,
      power: POWER,
      hearing: this.#sensors.map(() => BLIND_HEARING),
      silence: new Map(),
      fadingDb: FADING_DB,
      burstPowerDb: 0,
      persistenceMs: PERSISTENCE_MS,
      memoryMs: Number.POSITIVE_INFINITY,
      widening: 1,
      shadowDb: SHADOW_DB,
    };
  }

  /** Gains as the density reads them. */
  #layout(gainDb: Float32Array): Layout {
    const sensors = this.#sensors.length;
    const nearest = new Int32Array(sensors);
    const most = gainDb.slice(0, sensors);
    for (let c = 1; c < this.size; c++) {
      for (let s = 0; s < sensors; s++) {
        const gain = gainDb[c * sensors + s]!;
        if (gain <= most[s]!) continue;
        most[s] = gain;
        nearest[s] = c;
      }
    }
    const gain = packed(gainDb);
    const patches = patchesOf(this.grid, { gain, sensors, stepDb: GAIN_STEP_DB });
    return { gains: this.#density.hold(gain, sensors, patches), nearest, patches };
  }

  #calibratedModel(band: Band, c: BandCalibration): BandModel {
    const map = radioMap(this.#site, gridGroups(this.grid), this.#sensors, band, c, this.#leftOut);
    const classes = classesOf(map.variance);
    return {
      band,
      ...this.#layout(map.gain),
      ...classes,
      scales: ONE_SCALE,
      shadowDb: Math.sqrt(Math.min(...classes.classVariance)),
      correlation: sensorCorrelation(this.#sensors, c.sensorLengthM),
      power: { meanDbm: c.powerDbm, sdDb: Math.hypot(emittersDb(band), c.pointPowerSdDb) },
      hearing: this.#sensors.map((s) => {
        const own = c.sensors.find((k) => k.sensor === s.id);
        return own === undefined ? null : hearingOf(own);
      }),
      silence: new Map(),
      fadingDb: c.fadingSdDb,
      burstPowerDb: c.burstPowerSdDb,
      persistenceMs: c.persistenceMs,
      memoryMs: c.memoryMs ?? Number.POSITIVE_INFINITY,
      widening: c.widening,
    };
  }
}

function pathsOf(site: Site): PathLoss[] {
  if (site.walls.length > 0) return [DEFAULT_PATH];
  return OPEN_EXPONENTS.map((exponent) => ({ ...DEFAULT_PATH, exponent }));
}

/** Spread of power of a band's emitters around the calibrating one's, dB. */
function emittersDb({ loHz, hiHz }: Band): number {
  return atOnePower(loHz, hiHz) ? DEVICE_DB : POWER.sdDb;
}

/** The most that a phone gives at 1 m, dBm. Fitted powers are in the receivers' own units: nobody knows. */
function mostOf({ power, band }: BandModel): number {
  return power === POWER ? mostPowerDbm(band.loHz, band.hiHz) : Number.POSITIVE_INFINITY;
}

/** Log probability of one silence against the level over the floor, from where it begins to depend on it. */
function silenceTable(model: BandModel, hearing: Hearing): SilenceTable {
  const sdDb = Math.sqrt(Math.min(...model.classVariance) + model.fadingDb ** 2 + SILENCE_POWER_DB ** 2);
  const atZero = { ...hearing, floorDbm: 0 };
  const log = Float64Array.from({ length: SILENCE_SIZE }, (_, i) =>
    Math.log(1 - hearProbability(atZero, SILENCE_FROM_DB + i, sdDb)),
  );
  let first = 0;
  while (first < log.length - 2 && log[first + 1]! > log[0]! - LITTLE_NATS) first++;
  return { fromDb: SILENCE_FROM_DB + first, log: log.slice(first) };
}

function nearestSensors(grid: Grid, site: Site, sensors: readonly SensorSite[], id: ZoneId): readonly SensorId[] {
  const zone = grid.zones.find((z) => z.id === id);
  if (zone?.kind !== "cell") return [];
  const middle = (zone.from + zone.to) >> 1;
  const floor = site.floors[grid.floor[middle]!]!.id;
  return sensors
    .filter((s) => s.floor === floor)
    .map((s) => ({ id: s.id, m: Math.hypot(s.positionM![0] - grid.xM[middle]!, s.positionM![1] - grid.yM[middle]!) }))
    .sort((a, b) => a.m - b.m || (a.id < b.id ? -1 : 1))
    .slice(0, NEAR_SENSORS)
    .map((s) => s.id);
}

function packed(gainDb: Float32Array): Int16Array {
  const out = new Int16Array(gainDb.length);
  for (let i = 0; i < out.length; i++) {
    out[i] = Math.max(-32_768, Math.min(32_767, Math.round(gainDb[i]! / GAIN_STEP_DB)));
  }
  return out;
}

/** Splits candidates by the variance of their expected levels, evenly in its logarithm. */
function classesOf(variance: Float64Array): { classOf: Uint8Array; classVariance: number[] } {
  let [lo, hi] = [Number.POSITIVE_INFINITY, 0];
  for (const v of variance) {
    lo = Math.min(lo, v);
    hi = Math.max(hi, v);
  }
  const span = Math.max(1e-9, Math.log(hi / lo));
  const classOf = Uint8Array.from(variance, (v) =>
    Math.min(CLASSES - 1, Math.floor((CLASSES * Math.log(v / lo)) / span)),
  );
  const sums = new Float64Array(CLASSES);
  const counts = new Float64Array(CLASSES);
  classOf.forEach((k, c) => {
    sums[k]! += variance[c]!;
    counts[k]!++;
  });
  return { classOf, classVariance: Array.from(sums, (sum, k) => (counts[k]! > 0 ? sum / counts[k]! : hi)) };
}

function sensorCorrelation(sensors: readonly SensorSite[], lengthM: number): Float64Array {
  const n = sensors.length;
  const correlation = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const [a, b] = [sensors[i]!.positionM!, sensors[j]!.positionM!];
      const d = Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
      correlation[i * n + j] = i === j ? 1 : lengthM > 0 ? 0.999 * Math.exp(-d / lengthM) : 0;
    }
  }
  return correlation;
}

/** Labelled points as anchors of the grid, and the height phones were carried at while labelling. */
function labelled(site: Site, calibration: Calibration | null): Pick<GridOptions, "phoneHeightM" | "anchors"> {
  const points = (calibration?.bands ?? []).flatMap((b) => b.points);
  const floorOf = new Map(site.floors.map((f, i) => [f.id, i]));
  const known = points.filter((p) => floorOf.has(p.floor));
  const heights = known.map((p) => p.zM - site.floors[floorOf.get(p.floor)!]!.zM).sort((a, b) => a - b);
  const middle = heights[Math.floor(heights.length / 2)] ?? PHONE_HEIGHT_M;
  return {
    phoneHeightM: Math.min(2.5, Math.max(0.2, middle)),
    anchors: known.map((p) => [p.xM, p.yM, floorOf.get(p.floor)!] as const),
  };
}

/** Uniform over each zone's positions; zones by area and kind; outside a total of its own. */
function buildPrior(site: Site, grid: Grid, options: LocatorOptions): Float64Array {
  const heard = new Set(site.sensors.map((s) => s.block));
  const weights = grid.zones.map((zone) => {
    if (zone.kind === "outside") return 0;
    const kind = options.kindWeight?.[zone.kind] ?? DEFAULT_KIND_WEIGHT[zone.kind];
    const block = site.zones.find((z) => z.id === zone.id)?.block ?? null;
    // A block whose sensors count here is told from this one by what they hear.
    const foreign = options.block !== null && block !== null && block !== options.block && !heard.has(block);
    const allowed = zone.kind === "corridor" && zone.allowed ? (options.allowedCorridor ?? 1) : 1;
    return kind * allowed * Math.max(zone.areaM2, 0.1) * (foreign ? 0.01 : 1);
  });
  const inside = weights.reduce((a, b) => a + b, 0);
  const outside = grid.zones.filter((z) => z.kind === "outside");
  const pOutside = outside.length === 0 ? 0 : inside === 0 ? 1 : (options.pOutside ?? P_OUTSIDE);
  const prior = new Float64Array(grid.size);
  grid.zones.forEach((zone, z) => {
    const mass = zone.kind === "outside" ? pOutside / outside.length : ((1 - pOutside) * weights[z]!) / inside;
    prior.fill(Math.log(mass / (zone.to - zone.from)), zone.from, zone.to);
  });
  return prior;
}
