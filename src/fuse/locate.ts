/**
 * Where one emitter is: the posterior over candidate positions, with the emitter's power integrated out in closed form.
 *
 * At one observation, y_i = P + g_i(p) + S_i(p) + e_i over the sensors i that heard it: P the power, common to all sensors;
 * g the expected gain; S shadowing, correlated between sensors; e fading. P, S and e are normal, so y given p is normal too.
 * Sensors that measured and heard nothing multiply by the probability of not hearing. docs/localisation.md derives it.
 */
import type { Band, BandId, BlockId, Calibration, Fix, SensorId, SensorSite, Site, ZoneKind } from "../model.ts";
import { fixOf } from "./fix.ts";
import { planGains } from "./gains.ts";
import { buildGrid, type Grid, PHONE_HEIGHT_M } from "./grid.ts";
import { cholesky, forwardSolve, logSumExp, normalCdf } from "./linalg.ts";
import { Motion } from "./motion.ts";

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
  /** Prior probability of being outside. */
  readonly pOutside?: number;
}

interface BandModel {
  readonly band: Band;
  /** Expected gain, row a candidate. */
  readonly gain: Float32Array;
  /** Shadowing standard deviation left, dB. */
  readonly shadowDb: number;
  /** Correlation of shadowing between sensors, S by S. */
  readonly correlation: Float64Array;
  readonly power: PowerPrior;
}

// Residuals of path-loss fits in buildings are 3.9 to 9.3 dB; 7 stands for both hard and easy blocks.
const SHADOW_DB = 7;
/** Distance between sensors over which their shadowing decorrelates. */
const SHADOW_RX_M = 3.5;
const DEFAULT_PATH = { exponent: 2, wallFactor: 1, slabFactor: 1 };
/** Where there are no walls in the plan, obstacles raise the exponent (ITU-R P.1238: 2.2 to 3.3 indoors). */
const OPEN_PLAN_PATH = { exponent: 2.7, wallFactor: 1, slabFactor: 1 };
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
/** The same for sensors whose sensitivity nobody stated. */
const BLIND_MISS = 0.3;
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
  readonly #models = new Map<BandId, BandModel>();
  readonly #prior: Float64Array;
  readonly #motion: Motion;

  constructor(site: Site, options: LocatorOptions) {
    this.#site = site;
    this.#sensors = site.sensors.filter((s) => s.type === "rf" && s.positionM !== null);
    this.#sensors.forEach((s, i) => {
      this.#index.set(s.id, i);
    });
    this.grid = buildGrid(site, { stepM: options.gridM ?? null, phoneHeightM: PHONE_HEIGHT_M, anchors: [] });
    this.size = this.grid.size;
    this.#prior = buildPrior(site, this.grid, options);
    this.#motion = new Motion(site, this.grid);
  }

  /** Log prior probability of each candidate; a fresh copy. */
  logPrior(): Float64Array {
    return this.#prior.slice();
  }

  /**
   * Log density of an observation given each candidate, written over `out` (not added to it). Sensors unknown to the site
   * add nothing; an observation without any known sensor gives zeros.
   *
   * Units: nats, of a density in dB. Cost: candidates * heard^2 / 2, and candidates * silent.
   */
  logLikelihood(o: Observation, out: Float64Array, power?: PowerPrior): void {
    const model = this.#model(o.band);
    out.fill(0);
    if (model === null) return;
    const heard: number[] = [];
    const level: number[] = [];
    const variance: number[] = [];
    const silent: number[] = [];
    const floors: number[] = [];
    for (const s of o.sensors) {
      const i = this.#index.get(s.sensor);
      if (i === undefined) continue;
      if (Number.isFinite(s.levelDbm)) {
        heard.push(i);
        level.push(s.levelDbm);
        variance.push(s.sigmaDb * s.sigmaDb);
      } else {
        silent.push(i);
        floors.push(s.floorDbm);
      }
    }
    if (heard.length + silent.length === 0) return;
    this.#normal(model, power ?? model.power, heard, level, variance, silent, floors, out);
  }

  #normal(
    model: BandModel,
    power: PowerPrior,
    heard: readonly number[],
    level: readonly number[],
    variance: readonly number[],
    silent: readonly number[],
    floors: readonly number[],
    out: Float64Array,
  ): void {
    const n = heard.length;
    const total = this.#sensors.length;
    const shadow2 = model.shadowDb * model.shadowDb;
    const power2 = power.sdDb * power.sdDb;
    const factor = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j <= i; j++) {
        factor[i * n + j] = shadow2 * model.correlation[heard[i]! * total + heard[j]!]! + power2;
      }
      factor[i * n + i]! += variance[i]!;
    }
    if (!cholesky(factor, n)) throw new Error("covariance of the observation is not positive definite");
    let logDet = 0;
    for (let i = 0; i < n; i++) logDet += Math.log(factor[i * n + i]!);
    const constant = -logDet - (n / 2) * LOG_2PI;
    // 1' C^-1 r gives the power's posterior mean, 1' C^-1 1 its variance; both through the whitened ones.
    const ones = new Float64Array(n).fill(1);
    forwardSolve(factor, n, ones);
    let ones2 = 0;
    for (let i = 0; i < n; i++) ones2 += ones[i]! * ones[i]!;
    const powerLeft2 = Math.max(0, power2 - power2 * power2 * ones2);
    const residual = new Float64Array(n);
    const silentSd = Math.sqrt(shadow2 + powerLeft2 + 9);
    for (let c = 0; c < this.size; c++) {
      const row = c * total;
      for (let i = 0; i < n; i++) residual[i] = level[i]! - power.meanDbm - model.gain[row + heard[i]!]!;
      forwardSolve(factor, n, residual);
      let square = 0;
      let along = 0;
      for (let i = 0; i < n; i++) {
        square += residual[i]! * residual[i]!;
        along += residual[i]! * ones[i]!;
      }
      let log = constant - square / 2;
      const powerDbm = power.meanDbm + power2 * along;
      for (let k = 0; k < silent.length; k++) {
        const floor = floors[k]!;
        const blind = Number.isNaN(floor);
        const miss = blind ? BLIND_MISS : IDLE_MISS;
        const z = ((blind ? -95 : floor) - powerDbm - model.gain[row + silent[k]!]!) / silentSd;
        log += Math.log(miss + (1 - miss) * normalCdf(z));
      }
      out[c] = log;
    }
  }

  /** One step of motion over `dtMs` in place: cells and floors as a graph with walls and doors. */
  predict(logPosterior: Float64Array, dtMs: number): void {
    this.#motion.step(logPosterior, dtMs);
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

  #model(id: BandId): BandModel | null {
    let model = this.#models.get(id);
    if (model === undefined) {
      const band = this.#site.bands.find((b) => b.id === id);
      if (band === undefined) return null;
      model = this.#build(band);
      this.#models.set(id, model);
    }
    return model;
  }

  #build(band: Band): BandModel {
    const path = this.#site.walls.length > 0 ? DEFAULT_PATH : OPEN_PLAN_PATH;
    const n = this.#sensors.length;
    const correlation = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        const a = this.#sensors[i]!.positionM!;
        const b = this.#sensors[j]!.positionM!;
        correlation[i * n + j] = Math.exp(-Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]) / SHADOW_RX_M);
      }
    }
    const gain = planGains(this.#site, this.grid, this.#sensors, band, path);
    return { band, gain, shadowDb: SHADOW_DB, correlation, power: POWER };
  }
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
