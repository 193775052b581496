/**
 * Calibration: what labelled points teach about one band. All hyper-parameters come from these points alone.
 */
import type { Band, BandCalibration, CalibrationLevel, CalibrationPoint, FloorId, SensorSite, Site } from "../model.ts";
import { type Burst, powerScatter, reduceBursts } from "./bursts.ts";
import { walkPaths } from "./gains.ts";
import {
  factorOf,
  fitTrend,
  type Kernel,
  leaveOneOut,
  ROUGHNESSES,
  type Roughness,
  type SensorData,
  type TrendFit,
} from "./gp.ts";
import { fitHearing, type HearingSample } from "./hearing.ts";
import { pointGroups, typicalHeard } from "./radiomap.ts";
import { minimise } from "./simplex.ts";

/** Where an emitter stood, and what was heard of it. */
export interface LabelledPoint {
  readonly xM: number;
  readonly yM: number;
  readonly zM: number;
  readonly floor: FloorId;
  readonly bursts: readonly Burst[];
}

/** Points used for hyper-parameters, and the most that are kept at all. */
const HYPER_POINTS = 120;
const MOST_POINTS = 1500;
/** Before walks over left-out points have set it. */
const PERSISTENCE_MS = 2000;
/** Assumed where labelled points are single bursts, which show no fading: one narrow-band sample, partly averaged. */
const FADING_DB = 4;
/** Coefficients of the trend: power at 1 m, exponent, wall factor, slab factor. */
const PRIOR = { mean: Float64Array.of(-50, 2.5, 1, 1), sd: Float64Array.of(30, 0.8, 0.4, 0.4) };
// Hyper-parameters, log-normal priors: shadowing 5 dB over 5 m, nugget 2.5 dB, offsets 3 dB; wide enough to yield to points.
const HYPER_MEAN = [Math.log(5), Math.log(5), Math.log(2.5), Math.log(3)];
const HYPER_SD = [0.5, 0.7, 0.5, 0.5];

interface Levels {
  readonly sensorIds: readonly string[];
  readonly points: readonly CalibrationPoint[];
  /** sensors * points; NaN where never heard. */
  readonly heard: Float64Array[];
  /** points * sensors * 3: distance, wall, slab parts. */
  readonly paths: Float32Array;
}

/** Fits one band. Null where fewer than three points heard anything. Cost: seconds for a hundred points and twenty sensors. */
export function fitBand(
  site: Site,
  band: Band,
  sensors: readonly SensorSite[],
  labelled: readonly LabelledPoint[],
): BandCalibration | null {
  const scatter = pooledScatter(labelled);
  const points = thin(
    labelled
      .map((p) => meanLevels(p, scatter.fadingDb, scatter.powerDb))
      .filter((p) => p.levels.some((l) => l.heard > 0)),
  );
  if (points.length < 3) return null;
  const levels = gather(site, band, sensors, points);
  const common = new Float64Array(points.length);
  let fit = fitMap(levels, sensors.length, scatter.fadingDb, common, null);
  const pointPowerDb = commonMode(fit, levels);
  if (pointPowerDb > 0) {
    for (let round = 0; round < 3; round++) {
      takeCommon(fit, levels, pointPowerDb, common);
      fit = fitMap(levels, sensors.length, scatter.fadingDb, common, fit);
    }
  }
  return describe(band, sensors, levels, scatter, pointPowerDb, fit, common);
}

function pooledScatter(labelled: readonly LabelledPoint[]): { fadingDb: number; powerDb: number } {
  let [squares, degrees, fadingSquares, fadingDegrees] = [0, 0, 0, 0];
  for (const point of labelled) {
    const s = powerScatter(point.bursts);
    squares += s.squares;
    degrees += s.degrees;
    fadingSquares += s.fadingSquares;
    fadingDegrees += s.fadingDegrees;
  }
  // A handful of degrees of freedom is shrunk towards the assumption.
  const fading2 = (fadingSquares + 10 * FADING_DB * FADING_DB) / (fadingDegrees + 10);
  return { fadingDb: Math.sqrt(fading2), powerDb: Math.sqrt(Math.max(0, squares / (degrees + 10))) };
}

function meanLevels(point: LabelledPoint, fadingDb: number, powerDb: number): CalibrationPoint {
  const reduced = reduceBursts(point.bursts, fadingDb, powerDb);
  const levels: CalibrationLevel[] = (reduced?.sensors ?? []).map((sensor, i) => ({
    sensor,
    levelDbm: round(reduced!.levelDbm[i]!, 3),
    heard: reduced!.heard[i]!,
  }));
  levels.sort((a, b) => (a.sensor < b.sensor ? -1 : 1));
  const { xM, yM, zM, floor } = point;
  return { xM, yM, zM, floor, bursts: point.bursts.length, levels };
}

function round(x: number, digits: number): number {
  return Number(x.toFixed(digits));
}

/** Joins points that share a square, of growing size, until few enough are left. */
function thin(points: readonly CalibrationPoint[]): readonly CalibrationPoint[] {
  let left = points;
  for (let side = 0.05; left.length > MOST_POINTS || side < 0.06; side *= 1.6) {
    const groups = new Map<string, CalibrationPoint[]>();
    for (const p of points) {
      const key = `${p.floor}:${Math.round(p.xM / side)}:${Math.round(p.yM / side)}:${Math.round(p.zM / Math.max(0.5, side))}`;
      const list = groups.get(key);
      if (list) list.push(p);
      else groups.set(key, [p]);
    }
    left = [...groups.values()].map(join);
  }
  return left;
}

function join(group: readonly CalibrationPoint[]): CalibrationPoint {
  if (group.length === 1) return group[0]!;
  const bursts = group.reduce((sum, p) => sum + p.bursts, 0);
  const mean = (of: (p: CalibrationPoint) => number): number =>
    group.reduce((sum, p) => sum + (of(p) * p.bursts) / bursts, 0);
  const ids = [...new Set(group.flatMap((p) => p.levels.map((l) => l.sensor)))].sort();
  const levels = ids.map((sensor) => {
    const own = group.flatMap((p) => p.levels.filter((l) => l.sensor === sensor));
    const heard = own.reduce((sum, l) => sum + l.heard, 0);
    return { sensor, levelDbm: own.reduce((sum, l) => sum + (l.levelDbm * l.heard) / heard, 0), heard };
  });
  return {
    xM: mean((p) => p.xM),
    yM: mean((p) => p.yM),
    zM: mean((p) => p.zM),
    floor: group[0]!.floor,
    bursts,
    levels,
  };
}

function gather(site: Site, band: Band, sensors: readonly SensorSite[], points: readonly CalibrationPoint[]): Levels {
  const index = new Map(sensors.map((s, i) => [s.id, i]));
  const heard = sensors.map(() => new Float64Array(points.length).fill(Number.NaN));
  points.forEach((p, i) => {
    for (const l of p.levels) {
      const s = index.get(l.sensor);
      if (s !== undefined) heard[s]![i] = l.levelDbm;
    }
  });
  const paths = new Float32Array(points.length * sensors.length * 3);
  walkPaths(site, pointGroups(site, points), sensors, band, (place, sensor, distanceDb, wallDb, slabDb) => {
    paths.set([distanceDb, wallDb, slabDb], (place * sensors.length + sensor) * 3);
  });
  return { sensorIds: sensors.map((s) => s.id), points, heard, paths };
}

interface MapFit {
  /** Levels used, sensors * points: heard, or put in where silent; dBm. */
  readonly filled: readonly Float64Array[];
  readonly kernel: Kernel;
  readonly trend: TrendFit;
  /** Leave-one-out residuals (sensors * points), NaN where the sensor heard nothing, and predictive variances (points). */
  readonly left: Float64Array[];
  readonly leftVariance: Float64Array;
}

/** Every `step`-th point, so that the hyper-parameters of large sets stay affordable. */
function subset(n: number): number[] {
  const step = Math.max(1, n / HYPER_POINTS);
  const chosen: number[] = [];
  for (let i = 0; i < n; i += step) chosen.push(Math.floor(i));
  return chosen;
}

function kernelFrom(x: readonly number[], roughness: Roughness): Kernel {
  const [shadow, length, nugget, offset] = x.map((v) => Math.exp(Math.min(6, Math.max(-4, v))));
  return { shadowSdDb: shadow!, shadowLengthM: length!, nuggetSdDb: nugget!, offsetSdDb: offset!, roughness };
}

function startOf(kernel: Kernel): { roughness: Roughness; x: number[] } {
  const { shadowSdDb, shadowLengthM, nuggetSdDb, offsetSdDb, roughness } = kernel;
  return { roughness, x: [shadowSdDb, shadowLengthM, nuggetSdDb, offsetSdDb].map(Math.log) };
}

function dataOf(
  levels: Levels,
  sensors: number,
  chosen: readonly number[],
  filled: readonly Float64Array[],
  common: Float64Array,
): SensorData[] {
  return filled.map((level, s) => {
    const design = new Float64Array(chosen.length * 4);
    const levelDbm = new Float64Array(chosen.length);
    chosen.forEach((point, i) => {
      const at = (point * sensors + s) * 3;
      design[i * 4] = 1;
      for (let k = 0; k < 3; k++) design[i * 4 + 1 + k] = -levels.paths[at + k]!;
      levelDbm[i] = level[point]! - common[point]!;
    });
    return { design, levelDbm };
  });
}

/**
 * Hyper-parameters by maximum marginal likelihood on a subset, trend by least squares on all. Sensors that never heard a point
 * get, in three rounds, the level expected there, but no more than the floor below which they go silent.
 */
function fitMap(levels: Levels, sensors: number, fadingDb: number, common: Float64Array, start: MapFit | null): MapFit {
  const n = levels.points.length;
  const noise = Float64Array.from(levels.points, (p) => (fadingDb * fadingDb) / Math.max(1, typicalHeard(p)));
  const chosen = subset(n);
  const places = chosen.map((i) => levels.points[i]!);
  const placeNoise = Float64Array.from(chosen, (i) => noise[i]!);
  const floor = silentLevel(levels);
  const filled = levels.heard.map((h) => h.map((v) => (Number.isNaN(v) ? floor : v)));
  let found = start === null ? ROUGHNESSES.map((roughness) => ({ roughness, x: HYPER_MEAN })) : [startOf(start.kernel)];
  let result = start;
  const rounds = levels.heard.some((h) => h.some(Number.isNaN)) ? 3 : 1;
  for (let round = 0; round < rounds; round++) {
    const data = dataOf(levels, sensors, chosen, filled, common);
    const tried = found.map(({ roughness, x }) => {
      const cost = (v: readonly number[]): number => {
        let penalty = 0;
        v.forEach((value, i) => {
          penalty += ((value - HYPER_MEAN[i]!) / HYPER_SD[i]!) ** 2 / 2;
        });
        const factor = factorOf(kernelFrom(v, roughness), places, placeNoise);
        return fitTrend(factor, places.length, data, PRIOR).cost + penalty;
      };
      return { roughness, ...minimise(cost, x, [0.4, 0.4, 0.4, 0.4], round === 0 && start === null ? 140 : 60) };
    });
    const best = tried.reduce((a, b) => (b.cost < a.cost ? b : a));
    found = [best];
    result = leave(levels, sensors, noise, kernelFrom(best.x, best.roughness), filled, common, chosen);
    if (round < rounds - 1) refill(levels, result, filled, floor);
  }
  return result!;
}

function leave(
  levels: Levels,
  sensors: number,
  noise: Float64Array,
  kernel: Kernel,
  filled: readonly Float64Array[],
  common: Float64Array,
  chosen: readonly number[],
): MapFit {
  const all = levels.points.length <= 500 ? levels.points.map((_, i) => i) : chosen;
  const factor = factorOf(
    kernel,
    all.map((i) => levels.points[i]!),
    Float64Array.from(all, (i) => noise[i]!),
  );
  const data = dataOf(levels, sensors, all, filled, common);
  const trend = fitTrend(factor, all.length, data, PRIOR);
  const residual = data.map((d) =>
    d.levelDbm.map((level, i) => {
      let r = level;
      for (let k = 0; k < 4; k++) r -= trend.coefficients[k]! * d.design[i * 4 + k]!;
      return r;
    }),
  );
  const loo = leaveOneOut(factor, all.length, residual);
  const left = levels.heard.map(() => new Float64Array(levels.points.length).fill(Number.NaN));
  const leftVariance = new Float64Array(levels.points.length).fill(Number.NaN);
  all.forEach((point, i) => {
    leftVariance[point] = loo.variance[i]!;
    for (let s = 0; s < sensors; s++) left[s]![point] = loo.residual[s]![i]!;
  });
  return { filled, kernel, trend, left, leftVariance };
}

/** Level below which sensors go silent: the lowest twentieth of what was heard. */
function silentLevel(levels: Levels): number {
  const all: number[] = [];
  for (const h of levels.heard) for (const v of h) if (!Number.isNaN(v)) all.push(v);
  all.sort((a, b) => a - b);
  return all[Math.floor(all.length / 20)] ?? -95;
}

/** Puts the leave-one-out prediction where nothing was heard, capped at the silent level. */
function refill(levels: Levels, fit: MapFit, filled: readonly Float64Array[], floor: number): void {
  levels.heard.forEach((heard, s) => {
    heard.forEach((v, i) => {
      if (!Number.isNaN(v) || Number.isNaN(fit.left[s]![i]!)) return;
      const predicted = filled[s]![i]! - fit.left[s]![i]!;
      filled[s]![i] = Math.min(floor, predicted);
    });
  });
}

/** Spread of what all sensors share at a point beyond chance: the emitter's power, or how it was held. 0 below 1.5 dB. */
function commonMode(fit: MapFit, levels: Levels): number {
  let [between, expected, count] = [0, 0, 0];
  for (let i = 0; i < levels.points.length; i++) {
    const own = fit.left
      .map((l, s) => (Number.isNaN(levels.heard[s]![i]!) ? Number.NaN : l[i]!))
      .filter(Number.isFinite);
    if (own.length < 4) continue;
    const mean = own.reduce((a, b) => a + b, 0) / own.length;
    const within = own.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (own.length - 1);
    between += mean * mean;
    expected += within / own.length;
    count++;
  }
  if (count < 5) return 0;
  const sd = Math.sqrt(Math.max(0, (between - expected) / count));
  return sd > 1.5 ? sd : 0;
}

/** Adds to `common` what the points' leave-one-out residuals still share, shrunk by its own uncertainty. */
function takeCommon(fit: MapFit, levels: Levels, powerDb: number, common: Float64Array): void {
  for (let i = 0; i < common.length; i++) {
    let [sum, weight] = [0, 0];
    const precision = 1 / Math.max(1, fit.leftVariance[i]!);
    if (!Number.isFinite(precision)) continue;
    fit.left.forEach((l, s) => {
      if (Number.isNaN(levels.heard[s]![i]!)) return;
      sum += l[i]! * precision;
      weight += precision;
    });
    common[i]! += sum / (weight + 1 / (powerDb * powerDb));
  }
}

/** Distance over which the sensors' left-out residuals go together: the best of a few by least squares; 0 for none. */
function sensorLength(fit: MapFit, levels: Levels, sensors: readonly SensorSite[]): number {
  const pairs: { dM: number; r: number; w: number }[] = [];
  for (let a = 0; a < sensors.length; a++) {
    for (let b = 0; b < a; b++) {
      let [xy, xx, yy, n] = [0, 0, 0, 0];
      for (let i = 0; i < levels.points.length; i++) {
        if (Number.isNaN(levels.heard[a]![i]!) || Number.isNaN(levels.heard[b]![i]!)) continue;
        const [x, y] = [fit.left[a]![i]!, fit.left[b]![i]!];
        if (Number.isNaN(x) || Number.isNaN(y)) continue;
        xy += x * y;
        xx += x * x;
        yy += y * y;
        n++;
      }
      if (n < 8) continue;
      const [p, q] = [sensors[a]!.positionM!, sensors[b]!.positionM!];
      pairs.push({ dM: Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]), r: xy / Math.sqrt(xx * yy), w: n });
    }
  }
  let best = 0;
  let least = pairs.reduce((sum, p) => sum + p.w * p.r * p.r, 0) * 0.97;
  for (const length of [0.5, 1, 1.5, 2, 3, 4, 6, 9]) {
    const cost = pairs.reduce((sum, p) => sum + p.w * (p.r - Math.exp(-p.dM / length)) ** 2, 0);
    if (cost < least) {
      least = cost;
      best = length;
    }
  }
  return best;
}

function describe(
  band: Band,
  sensors: readonly SensorSite[],
  levels: Levels,
  scatter: { fadingDb: number; powerDb: number },
  pointPowerSdDb: number,
  fit: MapFit,
  common: Float64Array,
): BandCalibration {
  const [powerDbm, exponent, wallFactor, slabFactor] = fit.trend.coefficients;
  const hearing = fitHearing(hearingSamples(fit, levels, scatter.fadingDb), sensors.length);
  const points = levels.points.map((point, i) => ({
    ...point,
    levels: sensors.map((s, k) => ({
      sensor: s.id,
      levelDbm: round(fit.filled[k]![i]! - common[i]!, 3),
      heard: point.levels.find((l) => l.sensor === s.id)?.heard ?? 0,
    })),
  }));
  return {
    band: band.id,
    powerDbm: powerDbm!,
    pointPowerSdDb,
    burstPowerSdDb: scatter.powerDb,
    exponent: exponent!,
    wallFactor: wallFactor!,
    slabFactor: slabFactor!,
    ...fit.kernel,
    sensorLengthM: sensorLength(fit, levels, sensors),
    fadingSdDb: scatter.fadingDb,
    persistenceMs: PERSISTENCE_MS,
    widening: 1,
    sensors: sensors.map((s, i) => ({ sensor: s.id, ...hearing[i]! })),
    points,
  };
}

function hearingSamples(fit: MapFit, levels: Levels, fadingDb: number): HearingSample[] {
  const samples: HearingSample[] = [];
  fit.left.forEach((own, sensor) => {
    levels.points.forEach((point, i) => {
      if (Number.isNaN(own[i]!)) return;
      const heard = point.levels.find((l) => l.sensor === levels.sensorIds[sensor])?.heard ?? 0;
      const sdDb = Math.sqrt(fadingDb * fadingDb + fit.leftVariance[i]!);
      samples.push({ sensor, expectedDbm: fit.filled[sensor]![i]! - own[i]!, sdDb, heard, bursts: point.bursts });
    });
  });
  return samples;
}
