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
  ZoneKind,
} from "../model.ts";
import type { WindowLevels } from "./bursts.ts";
import { fixOf } from "./fix.ts";
import { gridGroups, planGains } from "./gains.ts";
import { buildGrid, type Grid, type GridOptions, PHONE_HEIGHT_M } from "./grid.ts";
import { type Hearing, hearingOf, hearProbability } from "./hearing.ts";
import { cholesky, forwardSolve, logDeterminant, logSumExp } from "./linalg.ts";
import { Motion } from "./motion.ts";
import { type PathLoss, PlanGeometry } from "./propagation.ts";
import { radioMap } from "./radiomap.ts";

/** What one sensor measured of one band in one window. */
export interface SensorLevel {
  readonly sensor: SensorId;
  /** dBm; NaN: measured and heard nothing above its floor. */
  readonly levelDbm: number;
  /** dBm; NaN: unknown sensitivity (event-driven sensor). */
  readonly floorDbm: number;
  /** Standard deviation of `levelDbm` from fading and averaging, dB. */
  readonly sigmaDb: number;
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
  /** Candidates are those of the whole site; the block's own zones get the prior, other blocks' a hundredth of it. Null: no difference. */
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
  /** Spread of the truth around the expected levels where they are best known, dB. */
  readonly shadowDb: number;
  /** Factor by which stated covariances have to grow to hold what they say. */
  readonly widening: number;
}

interface BandModel extends BandDefaults {
  readonly band: Band;
  /** Expected gain, row a candidate, in units of `GAIN_STEP_DB`: of all that is kept for a block this takes the most memory. */
  readonly gain: Int16Array;
  /** Candidates by how sure their levels are: class of each, and the classes' variances, dB^2. */
  readonly classOf: Uint8Array;
  readonly classVariance: readonly number[];
  /** Correlation of shadowing between sensors, S by S. */
  readonly correlation: Float64Array;
  readonly hearing: readonly (Hearing | null)[];
}

/** Log probability of silence against the expected level, tabled in steps of 1 dB. */
interface SilenceTable {
  readonly sensor: number;
  readonly log: Float64Array;
}

/** Rounding adds an error of 0.005 dB (step / sqrt(12)) beside a shadowing of several dB; the range is 512 dB. */
const GAIN_STEP_DB = 1 / 64;
const TABLE_FROM_DBM = -200;
const TABLE_SIZE = 260;
const CLASSES = 8;
/** Multiplications from which on zones are looked at coarsely first; positions skipped; how far behind the best a zone is left. */
const PRUNE_ABOVE = 1_500_000;
const PRUNE_STRIDE = 7;
const PRUNE_NATS = 18;

// Residuals of path-loss fits in buildings are 3.9 to 9.3 dB; 7 stands for both hard and easy blocks.
const SHADOW_DB = 7;
/** Distance between sensors over which their shadowing decorrelates. */
const SHADOW_RX_M = 3.5;
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
/** A sensor that should have heard may still be silent: packets collide, sweeps look elsewhere. */
const IDLE_MISS = 0.05;
/** Sensors whose sensitivity nobody stated. */
const BLIND_HEARING: Hearing = { hearing: 0.7, floorDbm: -95, floorSpreadDb: 8 };
/** Errors of a plan are larger and reach further than those of a map. */
const PERSISTENCE_MS = 4_000;
/** One narrow-band packet, partly averaged over its bandwidth. */
const FADING_DB = 4;
/** Spread of power between devices of a kind and the ways they are held. */
const DEVICE_DB = 6;
/** What is left of the power's uncertainty once several sensors have heard the burst. */
const SILENCE_POWER_DB = 2;
/**
 * The place follows from the loudest sensors: far ones differ little between neighbouring cells, while the cost grows with
 * the square of their number.
 */
const MOST_HEARD = 32;
/** Bursts missed in one window share their cause: so many count at the most. */
const MOST_LOOKS = 4;
const LOG_2PI = Math.log(2 * Math.PI);

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
  readonly #prior: Float64Array;
  readonly #motion: Motion;
  readonly #calibration: Calibration | null;
  readonly #leftOut: (point: number) => boolean;
  /** What the rays from the candidates meet, while there may be bands that still ask for it. */
  #geometry: PlanGeometry | null = null;

  constructor(site: Site, options: LocatorOptions) {
    this.#site = site;
    this.#calibration = options.calibration;
    this.#leftOut = options.leftOut ?? (() => false);
    this.#sensors = site.sensors.filter((s) => s.type === "rf" && s.positionM !== null);
    this.#sensors.forEach((s, i) => {
      this.#index.set(s.id, i);
    });
    this.grid = buildGrid(site, { stepM: options.gridM ?? null, ...labelled(site, options.calibration) });
    this.size = this.grid.size;
    this.#prior = buildPrior(site, this.grid, options);
    this.#motion = new Motion(site, this.grid, this.#prior);
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

  /** Log prior probability of each candidate; a fresh copy. */
  logPrior(): Float64Array {
    return this.#prior.slice();
  }

  /**
   * Log density of an observation given each candidate, written over `out` (not added to it). Sensors unknown to the site
   * add nothing; an observation without any known sensor gives zeros.
   *
   * Of many sensors that heard, the `MOST_HEARD` loudest count. Units: nats, of a density in dB. Cost: candidates * heard^2 / 2,
   * and candidates * silent.
   */
  logLikelihood(o: Observation, out: Float64Array, power?: PowerPrior): void {
    const models = this.#variants(o.band);
    out.fill(0);
    if (models === null) return;
    const heard: number[] = [];
    const level: number[] = [];
    const variance: number[] = [];
    const silent: SilenceTable[] = [];
    const weakestDbm = nthLoudestDbm(o.sensors, MOST_HEARD);
    for (const s of o.sensors) {
      const i = this.#index.get(s.sensor);
      if (i === undefined || s.levelDbm < weakestDbm) continue;
      if (Number.isFinite(s.levelDbm)) {
        heard.push(i);
        level.push(s.levelDbm);
        variance.push(s.sigmaDb * s.sigmaDb);
      } else {
        const table = this.#silence(models[0]!, i, s.floorDbm, 1);
        if (table !== null) silent.push(table);
      }
    }
    const n = heard.length;
    if (n + silent.length === 0) return;
    const covariance = new Float64Array(n * n);
    for (let i = 0; i < n; i++) covariance[i * n + i] = variance[i]!;
    this.#mix(models, power ?? models[0]!.power, heard, level, covariance, silent, 1, out, null);
  }

  /**
   * The same for a window's bursts reduced to levels with their full error covariance. `staticFactor` multiplies the
   * variance of what does not change from window to window; above 1 where windows repeat each other. `powerDbm`, where
   * given, receives the power's posterior mean at each candidate; returned is its variance (of the surest class).
   */
  windowLikelihood(
    band: BandId,
    levels: WindowLevels,
    misses: readonly Miss[],
    power: PowerPrior,
    staticFactor: number,
    out: Float64Array,
    powerDbm: Float64Array | null,
  ): number {
    const models = this.#variants(band);
    out.fill(0);
    if (models === null) return power.sdDb * power.sdDb;
    const keep: number[] = [];
    levels.sensors.forEach((id, i) => {
      if (this.#index.has(id)) keep.push(i);
    });
    const n = keep.length;
    const heard = keep.map((i) => this.#index.get(levels.sensors[i]!)!);
    const covariance = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++)
        covariance[i * n + j] = levels.covariance[keep[i]! * levels.sensors.length + keep[j]!]!;
    }
    const silent: SilenceTable[] = [];
    for (const miss of misses) {
      const i = this.#index.get(miss.sensor);
      if (i === undefined) continue;
      // A sensor of unknown sensitivity that heard some bursts missed the others by chance, for all that is known.
      const blind = models[0]!.hearing[i] === BLIND_HEARING && !Number.isFinite(miss.floorDbm);
      if (blind && miss.heard > 0) continue;
      const table = this.#silence(models[0]!, i, miss.floorDbm, blind ? 1 : miss.bursts, staticFactor);
      if (table !== null) silent.push(table);
    }
    if (n + silent.length === 0) return power.sdDb * power.sdDb;
    const level = keep.map((i) => levels.levelDbm[i]!);
    return this.#mix(models, power, heard, level, covariance, silent, staticFactor, out, powerDbm);
  }

  /** What is known of the band's emitters before anything is heard, and of one packet's and burst's spread. */
  bandDefaults(band: BandId): BandDefaults | null {
    const model = this.#variants(band)?.[0];
    if (model === undefined) return null;
    const { power, fadingDb, burstPowerDb, persistenceMs, widening, shadowDb } = model;
    return { power, fadingDb, burstPowerDb, persistenceMs, widening, shadowDb };
  }

  /** Null where silence says nothing. */
  #silence(model: BandModel, sensor: number, floorDbm: number, bursts: number, staticFactor = 1): SilenceTable | null {
    const stated = Number.isFinite(floorDbm);
    const hearing: Hearing | null = stated
      ? { hearing: 1 - IDLE_MISS, floorDbm, floorSpreadDb: 0 }
      : model.hearing[sensor]!;
    if (hearing === null || hearing.floorDbm === null) return null;
    const sdDb = Math.sqrt(Math.min(...model.classVariance) + model.fadingDb ** 2 + SILENCE_POWER_DB ** 2);
    const log = new Float64Array(TABLE_SIZE);
    const looks = Math.min(bursts, MOST_LOOKS) / staticFactor;
    for (let i = 0; i < TABLE_SIZE; i++) {
      log[i] = looks * Math.log(1 - hearProbability(hearing, TABLE_FROM_DBM + i, sdDb));
    }
    return { sensor, log };
  }

  /** Likelihoods of several models of the same band averaged, candidate by candidate. */
  #mix(
    models: readonly BandModel[],
    power: PowerPrior,
    heard: readonly number[],
    level: ArrayLike<number>,
    covariance: Float64Array,
    silent: readonly SilenceTable[],
    staticFactor: number,
    out: Float64Array,
    powerDbm: Float64Array | null,
  ): number {
    const evaluate = (model: BandModel, log: Float64Array, mean: Float64Array | null): number =>
      this.#evaluate(model, power, heard, level, covariance, silent, staticFactor, log, mean);
    if (models.length === 1) return evaluate(models[0]!, out, powerDbm);
    const log = new Float64Array(this.size);
    const mean = powerDbm === null ? null : new Float64Array(this.size);
    let left2 = evaluate(models[0]!, out, powerDbm);
    for (const model of models.slice(1)) {
      left2 = Math.min(left2, evaluate(model, log, mean));
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

  #evaluate(
    model: BandModel,
    power: PowerPrior,
    heard: readonly number[],
    level: ArrayLike<number>,
    covariance: Float64Array,
    silent: readonly SilenceTable[],
    staticFactor: number,
    out: Float64Array,
    powerDbm: Float64Array | null,
  ): number {
    const n = heard.length;
    const total = this.#sensors.length;
    const power2 = power.sdDb * power.sdDb;
    const classes = model.classVariance.map((v) => whiten(model, heard, covariance, v * staticFactor, power2, total));
    const residual = new Float64Array(n);
    const one = (c: number): void => {
      const row = c * total;
      const { factor, ones, constant } = classes[model.classOf[c]!]!;
      for (let i = 0; i < n; i++) residual[i] = level[i]! - power.meanDbm - GAIN_STEP_DB * model.gain[row + heard[i]!]!;
      let square = 0;
      let along = 0;
      for (let i = 0; i < n; i++) {
        const at = i * n;
        let sum = residual[i]!;
        for (let k = 0; k < i; k++) sum -= factor[at + k]! * residual[k]!;
        sum /= factor[at + i]!;
        residual[i] = sum;
        square += sum * sum;
        along += sum * ones[i]!;
      }
      let log = constant - square / 2;
      const emitted = power.meanDbm + power2 * along;
      if (powerDbm !== null) powerDbm[c] = emitted;
      for (let k = 0; k < silent.length; k++) {
        const at = emitted + GAIN_STEP_DB * model.gain[row + silent[k]!.sensor]! - TABLE_FROM_DBM;
        const i = Math.min(TABLE_SIZE - 2, Math.max(0, Math.floor(at)));
        const table = silent[k]!.log;
        const t = Math.min(1, Math.max(0, at - i));
        log += table[i]! + t * (table[i + 1]! - table[i]!);
      }
      out[c] = log;
    };
    if (this.size * n * n < PRUNE_ABOVE) for (let c = 0; c < this.size; c++) one(c);
    else this.#prune(one, out, powerDbm);
    return Math.min(...classes.map((k) => k.powerLeft2));
  }

  /**
   * Every `PRUNE_STRIDE`-th position of each zone first; zones that come near the best are then done whole, the others keep,
   * for all their positions, the value of the nearest one done.
   */
  #prune(one: (c: number) => void, out: Float64Array, powerDbm: Float64Array | null): void {
    let top = Number.NEGATIVE_INFINITY;
    const best = this.grid.zones.map((zone) => {
      let zoneTop = Number.NEGATIVE_INFINITY;
      for (let c = zone.from; c < zone.to; c += PRUNE_STRIDE) {
        one(c);
        zoneTop = Math.max(zoneTop, out[c]!);
      }
      top = Math.max(top, zoneTop);
      return zoneTop;
    });
    this.grid.zones.forEach((zone, z) => {
      const whole = best[z]! > top - PRUNE_NATS;
      for (let c = zone.from; c < zone.to; c++) {
        const done = c - ((c - zone.from) % PRUNE_STRIDE);
        if (c === done) continue;
        if (whole) one(c);
        else {
          out[c] = out[done]!;
          if (powerDbm !== null) powerDbm[c] = powerDbm[done]!;
        }
      }
    });
  }

  /** One step of motion over `dtMs` in place: cells and floors as a graph with walls and doors. */
  predict(logPosterior: Float64Array, dtMs: number, walkM2PerS?: number): void {
    this.#motion.step(logPosterior, dtMs, walkM2PerS);
  }

  /** The posterior as zones, position and covariance. */
  fix(logPosterior: Float64Array): Fix {
    return fixOf(this.#site, this.grid, logPosterior);
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
    if (this.#site.walls.length > 0) return [this.#planModel(band, DEFAULT_PATH)];
    return OPEN_EXPONENTS.map((exponent) => this.#planModel(band, { ...DEFAULT_PATH, exponent }));
  }

  #planModel(band: Band, path: PathLoss): BandModel {
    this.#geometry ??= new PlanGeometry(this.#site);
    return {
      band,
      gain: packed(planGains(this.#site, this.grid, this.#sensors, band, path, this.#geometry)),
      classOf: new Uint8Array(this.size),
      classVariance: [SHADOW_DB * SHADOW_DB],
      correlation: sensorCorrelation(this.#sensors, SHADOW_RX_M),
      power: POWER,
      hearing: this.#sensors.map(() => BLIND_HEARING),
      fadingDb: FADING_DB,
      burstPowerDb: 0,
      persistenceMs: PERSISTENCE_MS,
      widening: 1,
      shadowDb: SHADOW_DB,
    };
  }

  #calibratedModel(band: Band, c: BandCalibration): BandModel {
    const map = radioMap(this.#site, gridGroups(this.grid), this.#sensors, band, c, this.#leftOut);
    const classes = classesOf(map.variance);
    return {
      band,
      gain: packed(map.gain),
      ...classes,
      shadowDb: Math.sqrt(Math.min(...classes.classVariance)),
      correlation: sensorCorrelation(this.#sensors, c.sensorLengthM),
      power: { meanDbm: c.powerDbm, sdDb: Math.hypot(DEVICE_DB, c.pointPowerSdDb) },
      hearing: this.#sensors.map((s) => {
        const own = c.sensors.find((k) => k.sensor === s.id);
        return own === undefined ? null : hearingOf(own);
      }),
      fadingDb: c.fadingSdDb,
      burstPowerDb: c.burstPowerSdDb,
      persistenceMs: c.persistenceMs,
      widening: c.widening,
    };
  }
}

/** Level from which on a sensor is among the n loudest (or as loud as the last of them); -Infinity where no more heard. */
function nthLoudestDbm(sensors: readonly SensorLevel[], n: number): number {
  const levels = sensors.filter((s) => Number.isFinite(s.levelDbm)).map((s) => s.levelDbm);
  if (levels.length <= n) return Number.NEGATIVE_INFINITY;
  return levels.sort((a, b) => b - a)[n - 1]!;
}

function packed(gainDb: Float32Array): Int16Array {
  const out = new Int16Array(gainDb.length);
  for (let i = 0; i < out.length; i++) {
    out[i] = Math.max(-32_768, Math.min(32_767, Math.round(gainDb[i]! / GAIN_STEP_DB)));
  }
  return out;
}

interface Whitening {
  readonly factor: Float64Array;
  readonly ones: Float64Array;
  readonly constant: number;
  readonly powerLeft2: number;
}

/**
 * Cholesky factor of an observation's covariance: error + shadowing + power. 1' C^-1 r then gives the power's posterior mean
 * and 1' C^-1 1 its variance, both through the whitened ones.
 */
function whiten(
  model: BandModel,
  heard: readonly number[],
  covariance: Float64Array,
  shadow2: number,
  power2: number,
  total: number,
): Whitening {
  const n = heard.length;
  const factor = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      factor[i * n + j] = covariance[i * n + j]! + shadow2 * model.correlation[heard[i]! * total + heard[j]!]! + power2;
    }
  }
  if (!cholesky(factor, n)) throw new Error("covariance of the observation is not positive definite");
  const ones = new Float64Array(n).fill(1);
  forwardSolve(factor, n, ones);
  let ones2 = 0;
  for (let i = 0; i < n; i++) ones2 += ones[i]! * ones[i]!;
  const constant = -logDeterminant(factor, n) / 2 - (n / 2) * LOG_2PI;
  return { factor, ones, constant, powerLeft2: Math.max(0, power2 - power2 * power2 * ones2) };
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
  const weights = grid.zones.map((zone) => {
    if (zone.kind === "outside") return 0;
    const kind = options.kindWeight?.[zone.kind] ?? DEFAULT_KIND_WEIGHT[zone.kind];
    const block = site.zones.find((z) => z.id === zone.id)?.block ?? null;
    const foreign = options.block !== null && block !== null && block !== options.block;
    return kind * Math.max(zone.areaM2, 0.1) * (foreign ? 0.01 : 1);
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
