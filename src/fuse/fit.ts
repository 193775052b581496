/**
 * Calibration: what labelled points teach about one band. All hyper-parameters come from these points alone.
 */
import type { Band, BandCalibration, CalibrationLevel, CalibrationPoint, FloorId, SensorSite, Site } from "../model.ts";
import { type Burst, powerScatter, reduceBursts } from "./bursts.ts";
import { type Packets, type Receiver, siteOf } from "./censored.ts";
import { walkPaths } from "./gains.ts";
import {
  covarianceOf,
  distancesM,
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
import { pointGroups, sameRows, typicalHeard } from "./radiomap.ts";
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
/** Factors of that size that are affordable; with more of them fewer points are used. */
const SHARED_FACTORS = 8;
/** Points whose left-out forecasts are made together. */
const MOST_AT_ONCE = 300;
/** A sensor's floor: this quantile of what it heard, of all sensors where it heard fewer packets than that. */
const LOWEST = 0.01;
const FEW_PACKETS = 60;
/** Levels that are so many spreads of a packet over the floor don't drown. */
const LOUD_SPREADS = 2.5;
const MOST_POINTS = 1500;
/** Points that two sensors must both have heard to be compared. */
const FEWEST_SHARED = 8;
/** Before walks over left-out points have set it. */
const PERSISTENCE_MS = 2000;
/** Assumed where labelled points are single bursts, which show no fading: one narrow-band sample, partly averaged. */
const FADING_DB = 4;
/**
 * Weight of that assumption, in degrees of freedom. With fewer than these in the survey (one reading a point) the map tells the spread,
 * as the part of a reading that its neighbours do not share: log-normal prior, as wide as those of the kernel.
 */
const FADING_PRIOR = 10;
const FADING_LOG_SD = 0.5;
/** Coefficients of the trend: power at 1 m, exponent, wall factor, slab factor. */
const PRIOR = { mean: Float64Array.of(-50, 2.5, 1, 1), sd: Float64Array.of(30, 0.8, 0.4, 0.4) };
// Hyper-parameters, log-normal priors: shadowing 5 dB over 5 m, nugget 2.5 dB, offsets 3 dB; wide enough to yield to points.
const HYPER_MEAN = [Math.log(5), Math.log(5), Math.log(2.5), Math.log(3)];
const HYPER_SD = [0.5, 0.7, 0.5, 0.5];

/** Spreads of 100 dB and lengths of 100 m are as good as infinite. */
const LARGEST_LOG = Math.log(100);

interface Levels {
  readonly sensorIds: readonly string[];
  readonly points: readonly CalibrationPoint[];
  /** sensors * points; NaN where never heard. */
  readonly heard: Float64Array[];
  /** The same with how often, sensors by points; and what each sensor can hear. */
  readonly packets: readonly (readonly Packets[])[];
  readonly receivers: readonly Receiver[];
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
  const levels = gather(site, band, sensors, points, receivers(sensors, points, labelled, scatter));
  const common = new Float64Array(points.length);
  let fit = fitMap(levels, scatter, common, null);
  let shared = sharing(fit, levels, sensors);
  const pointPowerDb = commonMode(fit, levels, shared);
  if (pointPowerDb > 0) {
    for (let round = 0; round < 3; round++) {
      takeCommon(fit, levels, pointPowerDb, common);
      fit = fitMap(levels, scatter, common, fit);
    }
    shared = sharing(fit, levels, sensors);
  }
  return describe(band, sensors, levels, scatter, pointPowerDb, fit, common, shared);
}

/** Spreads of packets and of bursts' powers, and how many packets more than one a point and sensor the former rests on. */
interface Scatter {
  readonly fadingDb: number;
  readonly powerDb: number;
  readonly fadingDegrees: number;
}

function pooledScatter(labelled: readonly LabelledPoint[]): Scatter {
  let [squares, degrees, fadingSquares, fadingDegrees] = [0, 0, 0, 0];
  for (const point of labelled) {
    const s = powerScatter(point.bursts);
    squares += s.squares;
    degrees += s.degrees;
    fadingSquares += s.fadingSquares;
    fadingDegrees += s.fadingDegrees;
  }
  // A handful of degrees of freedom is shrunk towards the assumption.
  const fading2 = (fadingSquares + FADING_PRIOR * FADING_DB * FADING_DB) / (fadingDegrees + FADING_PRIOR);
  return { fadingDb: Math.sqrt(fading2), powerDb: Math.sqrt(Math.max(0, squares / (degrees + 10))), fadingDegrees };
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

function gather(
  site: Site,
  band: Band,
  sensors: readonly SensorSite[],
  points: readonly CalibrationPoint[],
  receivers: readonly Receiver[],
): Levels {
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
  const packets = sensors.map(({ id }, s) =>
    points.map((p, i): Packets => {
      const count = p.levels.find((l) => l.sensor === id)?.heard ?? 0;
      return { heard: count, levelDbm: count > 0 ? heard[s]![i]! : Number.NaN, missed: Math.max(0, p.bursts - count) };
    }),
  );
  return { sensorIds: sensors.map((s) => s.id), points, heard, packets, receivers, paths };
}

/** What each sensor can hear, from its own packets where there are enough. */
function receivers(
  sensors: readonly SensorSite[],
  points: readonly CalibrationPoint[],
  labelled: readonly LabelledPoint[],
  scatter: Scatter,
): Receiver[] {
  const own = new Map<string, number[]>(sensors.map((s) => [s.id, []]));
  for (const { bursts } of labelled) for (const b of bursts) for (const p of b) own.get(p.sensor)?.push(p.levelDbm);
  const floor = (all: number[]): number => all.sort((a, b) => a - b)[Math.floor(all.length * LOWEST)] ?? -95;
  const pooled = floor([...own.values()].flat());
  const packetDb = Math.hypot(scatter.fadingDb, scatter.powerDb);
  const floors = sensors.map(({ id }) => (own.get(id)!.length < FEW_PACKETS ? pooled : floor(own.get(id)!)));
  const loud = sensors.map(({ id }, s) => {
    let [heard, bursts] = [0, 0];
    for (const p of points) {
      const level = p.levels.find((l) => l.sensor === id);
      if (level === undefined || level.levelDbm < floors[s]! + LOUD_SPREADS * packetDb) continue;
      heard += level.heard;
      bursts += p.bursts;
    }
    return { heard, bursts };
  });
  const all = loud.reduce((a, b) => ({ heard: a.heard + b.heard, bursts: a.bursts + b.bursts }), {
    heard: 3,
    bursts: 4,
  });
  return loud.map(({ heard, bursts }, s) => {
    const share = (heard + (20 * all.heard) / all.bursts) / (bursts + 20);
    return { floorDbm: floors[s]!, share: Math.min(0.98, share), packetDb };
  });
}

/** Levels that stand for the points' packets and their variances, sensors by points. */
interface Sites {
  readonly level: readonly Float64Array[];
  readonly variance: readonly Float64Array[];
  /** True where packets were missed because they drowned, as far as can be told. */
  readonly drowned: readonly (readonly boolean[])[];
}

interface MapFit {
  readonly sites: Sites;
  readonly kernel: Kernel;
  /** Spread of one packet that the sites' variances rest on, dB. */
  readonly fadingDb: number;
  readonly trend: TrendFit;
  /** Leave-one-out residuals and predictive variances without the site's own, sensors by points. */
  readonly left: Float64Array[];
  readonly leftVariance: Float64Array[];
}

/** Every `step`-th point, so that the hyper-parameters of large sets and of many factors stay affordable. */
function subset(n: number, factors: number): number[] {
  const step = Math.max(1, n / (HYPER_POINTS * Math.cbrt(Math.min(1, SHARED_FACTORS / factors))));
  const chosen: number[] = [];
  for (let i = 0; i < n; i += step) chosen.push(Math.floor(i));
  return chosen;
}

function kernelFrom(x: readonly number[], roughness: Roughness): Kernel {
  const [shadow, length, nugget, offset] = x.map((v) => Math.exp(Math.min(LARGEST_LOG, Math.max(-4, v))));
  return { shadowSdDb: shadow!, shadowLengthM: length!, nuggetSdDb: nugget!, offsetSdDb: offset!, roughness };
}

const packetDb = (x: readonly number[]): number => Math.exp(x[4]!);

/**
 * Settings by which a reading strays by no more than a packet's fading: one reading a place cannot tell its own noise from shadows that end
 * within a step, and what is more than that is the place's, which the map does not know next to it either.
 */
function ofThePlace(x: readonly number[]): number[] {
  const excess2 = packetDb(x) ** 2 - FADING_DB ** 2;
  if (excess2 <= 0) return [...x];
  const out = [...x];
  out[2] = Math.log(Math.hypot(Math.exp(x[2]!), Math.sqrt(excess2)));
  out[4] = Math.log(FADING_DB);
  return out;
}

function startOf(kernel: Kernel): { roughness: Roughness; x: number[] } {
  const { shadowSdDb, shadowLengthM, nuggetSdDb, offsetSdDb, roughness } = kernel;
  return { roughness, x: [shadowSdDb, shadowLengthM, nuggetSdDb, offsetSdDb].map(Math.log) };
}

function dataOf(
  levels: Levels,
  chosen: readonly number[],
  filled: readonly Float64Array[],
  common: Float64Array,
): SensorData[] {
  return filled.map((level, s) => {
    const design = new Float64Array(chosen.length * 4);
    const levelDbm = new Float64Array(chosen.length);
    chosen.forEach((point, i) => {
      const at = (point * filled.length + s) * 3;
      design[i * 4] = 1;
      for (let k = 0; k < 3; k++) design[i * 4 + 1 + k] = -levels.paths[at + k]!;
      levelDbm[i] = level[point]! - common[point]!;
    });
    return { design, levelDbm };
  });
}

const distancesBetween = (levels: Levels, chosen: readonly number[]): Float64Array =>
  distancesM(chosen.map((i) => levels.points[i]!));

/** A factor for each sensor; those with the same variances share one. */
function factorsOf(
  kernel: Kernel,
  distances: Float64Array,
  chosen: readonly number[],
  groups: readonly (readonly number[])[],
  variance: (sensor: number, point: number) => number,
): Float64Array[] {
  const covariance = covarianceOf(kernel, distances);
  const out: Float64Array[] = [];
  for (const group of groups) {
    const factor = factorOf(
      kernel,
      covariance,
      Float64Array.from(chosen, (i) => variance(group[0]!, i)),
    );
    for (const s of group) out[s] = factor;
  }
  return out;
}

/**
 * Hyper-parameters by maximum marginal likelihood on a subset, trend by least squares on all. Where packets drowned, the levels
 * that stand for them follow, in rounds, from what the other points foretell.
 */
function fitMap(levels: Levels, scatter: Scatter, common: Float64Array, start: MapFit | null): MapFit {
  const n = levels.points.length;
  let fadingDb = start?.fadingDb ?? scatter.fadingDb;
  let sites = start?.sites ?? firstSites(levels, fadingDb);
  const drowned = sites.drowned.some((d) => d.includes(true));
  const groups = sameRows(sites.variance);
  const chosen = subset(n, groups.length);
  const distances = distancesBetween(levels, chosen);
  const learned = start === null && scatter.fadingDegrees < FADING_PRIOR;
  const mean = learned ? [...HYPER_MEAN, Math.log(fadingDb)] : HYPER_MEAN;
  const sd = learned ? [...HYPER_SD, FADING_LOG_SD] : HYPER_SD;
  let found = start === null ? ROUGHNESSES.map((roughness) => ({ roughness, x: mean })) : [startOf(start.kernel)];
  let result = start;
  const rounds = drowned ? 4 : 1;
  for (let round = 0; round < rounds; round++) {
    const data = dataOf(levels, chosen, sites.level, common);
    const shared = round === 0 ? groups : sameRows(sites.variance);
    const tried = found.map(({ roughness, x }) => {
      const cost = (v: readonly number[]): number => {
        let penalty = 0;
        v.forEach((value, i) => {
          penalty += ((value - mean[i]!) / sd[i]!) ** 2 / 2;
        });
        const faded = learned ? (packetDb(v) / fadingDb) ** 2 : 1;
        const variance = (s: number, i: number) => varianceOf(sites, s, i, faded);
        const factors = factorsOf(kernelFrom(v, roughness), distances, chosen, shared, variance);
        return fitTrend(factors, chosen.length, data, PRIOR).cost + penalty;
      };
      const first = round === 0 && start === null;
      return {
        roughness,
        ...minimise(
          cost,
          x,
          mean.map(() => 0.4),
          first ? (learned ? 180 : 140) : 60,
        ),
      };
    });
    const likeliest = tried.reduce((a, b) => (b.cost < a.cost ? b : a));
    const best = learned ? { ...likeliest, x: ofThePlace(likeliest.x) } : likeliest;
    if (learned) {
      const [from, faded] = [sites, (packetDb(best.x) / fadingDb) ** 2];
      sites = { ...from, variance: from.variance.map((row, s) => row.map((_, i) => varianceOf(from, s, i, faded))) };
      fadingDb = packetDb(best.x);
    }
    // What drowned is not known before the second round: until then both stay in.
    found = round === 0 && drowned && start === null ? tried : [best];
    for (let again = 0; again < (drowned ? 2 : 1); again++) {
      result = { ...leave(levels, sites, kernelFrom(best.x, best.roughness), common), fadingDb };
      if (drowned) sites = newSites(levels, result, sites);
    }
  }
  return result!;
}

/** Points in shares of `MOST_AT_ONCE` at the most, each point's left-out forecast by its own share. */
function leave(levels: Levels, sites: Sites, kernel: Kernel, common: Float64Array): Omit<MapFit, "fadingDb"> {
  const n = levels.points.length;
  const shares = Math.ceil(n / MOST_AT_ONCE);
  const left = levels.heard.map(() => new Float64Array(n));
  const leftVariance = levels.heard.map(() => new Float64Array(n));
  let trend: TrendFit | null = null;
  for (let share = 0; share < shares; share++) {
    const own: number[] = [];
    for (let i = share; i < n; i += shares) own.push(i);
    const groups = sameRows(sites.variance.map((v) => Float64Array.from(own, (i) => v[i]!)));
    const variance = (s: number, i: number) => sites.variance[s]![i]!;
    const factors = factorsOf(kernel, distancesBetween(levels, own), own, groups, variance);
    const data = dataOf(levels, own, sites.level, common);
    trend ??= fitTrend(factors, own.length, data, PRIOR);
    const { coefficients } = trend;
    const residual = data.map((d) =>
      d.levelDbm.map((level, i) => {
        let r = level;
        for (let k = 0; k < 4; k++) r -= coefficients[k]! * d.design[i * 4 + k]!;
        return r;
      }),
    );
    for (const group of groups) {
      const out = leaveOneOut(
        factors[group[0]!]!,
        own.length,
        group.map((s) => residual[s]!),
      );
      group.forEach((s, g) => {
        own.forEach((point, i) => {
          left[s]![point] = out.residual[g]![i]!;
          leftVariance[s]![point] = Math.max(0.01, out.variance[i]! - sites.variance[s]![point]!);
        });
      });
    }
  }
  return { sites, kernel, trend: trend!, left, leftVariance };
}

/** Levels as heard; where packets drowned, the sensor's floor, not believed much. */
function firstSites(levels: Levels, fadingDb: number): Sites {
  const drowned = levels.packets.map((row, s) => row.map((p) => isDrowned(p, levels.receivers[s]!)));
  const noise = levels.points.map((p) => (fadingDb * fadingDb) / Math.max(1, typicalHeard(p)));
  const level = levels.packets.map((row, s) =>
    Float64Array.from(row, (p) => (p.heard > 0 ? p.levelDbm : levels.receivers[s]!.floorDbm - fadingDb)),
  );
  const variance = levels.packets.map((row, s) =>
    Float64Array.from(row, (_, i) => (drowned[s]![i]! ? 4 * fadingDb * fadingDb : noise[i]!)),
  );
  return { level, variance, drowned };
}

/** A site's variance where packets' own is so many times as large; of drowned ones it rests on what the others foretell. */
function varianceOf(sites: Sites, sensor: number, point: number, faded: number): number {
  const variance = sites.variance[sensor]![point]!;
  return sites.drowned[sensor]![point]! ? variance : variance * faded;
}

/** Never heard, or missed more often than by chance and near the floor. */
function isDrowned(p: Packets, r: Receiver): boolean {
  if (p.missed === 0) return false;
  if (p.heard === 0) return true;
  return p.levelDbm < r.floorDbm + LOUD_SPREADS * r.packetDb;
}

function newSites(levels: Levels, fit: MapFit, sites: Sites): Sites {
  const level = sites.level.map((row) => row.slice());
  const variance = sites.variance.map((row) => row.slice());
  levels.packets.forEach((row, s) => {
    row.forEach((p, i) => {
      if (!sites.drowned[s]![i]!) return;
      const expected = sites.level[s]![i]! - fit.left[s]![i]!;
      const next = siteOf(p, levels.receivers[s]!, expected, fit.leftVariance[s]![i]!);
      level[s]![i] = next.levelDbm;
      variance[s]![i] = next.variance;
    });
  });
  return { ...sites, level, variance };
}

/** Spread of what all sensors share at a point, near or far: the emitter's power, or how it was held. 0 below 1.5 dB. */
function commonMode(fit: MapFit, levels: Levels, { all }: Sharing): number {
  let [squares, count] = [0, 0];
  fit.left.forEach((own, s) => {
    own.forEach((v, i) => {
      if (Number.isNaN(v) || Number.isNaN(levels.heard[s]![i]!)) return;
      squares += v * v;
      count++;
    });
  });
  const sd = Math.sqrt(Math.max(0, all) * (squares / Math.max(1, count)));
  return sd > 1.5 ? sd : 0;
}

/** Adds to `common` what the points' leave-one-out residuals still share, shrunk by its own uncertainty. */
function takeCommon(fit: MapFit, levels: Levels, powerDb: number, common: Float64Array): void {
  for (let i = 0; i < common.length; i++) {
    let [sum, weight] = [0, 0];
    fit.left.forEach((l, s) => {
      if (Number.isNaN(levels.heard[s]![i]!)) return;
      const precision = 1 / Math.max(1, fit.leftVariance[s]![i]! + fit.sites.variance[s]![i]!);
      sum += l[i]! * precision;
      weight += precision;
    });
    common[i]! += sum / (weight + 1 / (powerDb * powerDb));
  }
}

/**
 * What sensors' left-out residuals share: a part that all share (`all`, of the variance; slightly negative where it was taken out), and the
 * distance over which the rest goes together, 0 for none.
 */
interface Sharing {
  readonly all: number;
  readonly lengthM: number;
}

/**
 * Correlations of pairs as all + (1 - all) exp(-d / length), the best of a few lengths by least squares: neighbours that share their
 * shadows are no change of power. Cost: pairs of sensors times points.
 */
function sharing(fit: MapFit, levels: Levels, sensors: readonly SensorSite[]): Sharing {
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
      if (n < FEWEST_SHARED) continue;
      const [p, q] = [sensors[a]!.positionM!, sensors[b]!.positionM!];
      pairs.push({ dM: Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]), r: xy / Math.sqrt(xx * yy), w: n });
    }
  }
  const tried = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 9].map((lengthM) => {
    const near = (dM: number): number => (lengthM > 0 ? Math.exp(-dM / lengthM) : 0);
    let [up, down] = [0, 0];
    for (const { dM, r, w } of pairs) {
      up += w * (r - near(dM)) * (1 - near(dM));
      down += w * (1 - near(dM)) ** 2;
    }
    const all = down > 0 ? Math.max(-0.5, Math.min(0.95, up / down)) : 0;
    const cost = pairs.reduce((sum, { dM, r, w }) => sum + w * (r - all - (1 - all) * near(dM)) ** 2, 0);
    return { all, lengthM, cost };
  });
  const alone = tried[0]!;
  const best = tried.reduce((a, b) => (b.cost < a.cost ? b : a));
  return best.cost < 0.97 * alone.cost ? best : alone;
}

function describe(
  band: Band,
  sensors: readonly SensorSite[],
  levels: Levels,
  scatter: Scatter,
  pointPowerSdDb: number,
  fit: MapFit,
  common: Float64Array,
  shared: Sharing,
): BandCalibration {
  const [powerDbm, exponent, wallFactor, slabFactor] = fit.trend.coefficients;
  const hearing = fitHearing(hearingSamples(fit, levels, scatter.fadingDb), sensors.length);
  const points = levels.points.map((point, i) => ({
    ...point,
    levels: sensors.map((s, k) => ({
      sensor: s.id,
      levelDbm: round(fit.sites.level[k]![i]! - common[i]!, 3),
      heard: point.levels.find((l) => l.sensor === s.id)?.heard ?? 0,
      ...(fit.fadingDb !== scatter.fadingDb || fit.sites.drowned[k]![i]!
        ? { sdDb: round(Math.sqrt(fit.sites.variance[k]![i]!), 3) }
        : {}),
    })),
  }));
  return {
    band: band.id,
    powerDbm: powerDbm!,
    pointPowerSdDb,
    burstPowerSdDb: scatter.powerDb,
    // Levels that hardly depend on the distance may even rise with it; where no point is near, that is no law to go by.
    exponent: Math.max(0, exponent!),
    wallFactor: wallFactor!,
    slabFactor: slabFactor!,
    ...fit.kernel,
    sensorLengthM: shared.lengthM,
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
      const sdDb = Math.sqrt(fadingDb * fadingDb + fit.leftVariance[sensor]![i]!);
      const expectedDbm = fit.sites.level[sensor]![i]! - own[i]!;
      samples.push({ sensor, expectedDbm, sdDb, heard, bursts: point.bursts });
    });
  });
  return samples;
}
