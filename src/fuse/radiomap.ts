/**
 * Expected level of each sensor at any position, and how sure that is: trend by the plan plus the residual map of the labelled
 * points.
 */
import type { Band, BandCalibration, CalibrationPoint, SensorSite, Site } from "../model.ts";
import { type PlaceGroup, walkPaths } from "./gains.ts";
import { covarianceOf, crossOf, distancesM, factorOf, type Kernel, type Place, predictResidual } from "./gp.ts";
import { insidePolygon } from "./grid.ts";
import { hearingOf, hearProbability } from "./hearing.ts";
import { isOpen } from "./outdoors.ts";

export interface RadioMap {
  /** places * sensors: expected level less the emitter's power, dB. */
  readonly gain: Float32Array;
  /** places: variance of the truth around it, dB^2, what doesn't repeat included. */
  readonly variance: Float64Array;
}

/** Labelled points as groups of one place each, in the room they are in. */
export function pointGroups(site: Site, points: readonly CalibrationPoint[]): PlaceGroup[] {
  return points.map((p) => {
    const zone = site.zones.find(
      (z) =>
        z.floor === p.floor && z.kind !== "outside" && z.kind !== "corridor" && insidePolygon(z.polygon, p.xM, p.yM),
    );
    return {
      zone: zone?.id ?? "",
      open: zone !== undefined && isOpen(zone.kind),
      floor: Math.max(
        0,
        site.floors.findIndex((f) => f.id === p.floor),
      ),
      xM: Float64Array.of(p.xM),
      yM: Float64Array.of(p.yM),
      zM: p.zM,
    };
  });
}

export interface Trend {
  readonly exponent: number;
  readonly wallFactor: number;
  readonly slabFactor: number;
}

/** Trend part of the gain at grouped places: places * sensors, dB. */
export function trendGains(
  site: Site,
  groups: readonly PlaceGroup[],
  sensors: readonly SensorSite[],
  band: Band,
  trend: Trend,
): Float32Array {
  const places = groups.reduce((sum, g) => sum + g.xM.length, 0);
  const out = new Float32Array(places * sensors.length);
  walkPaths(site, groups, sensors, band, (place, sensor, distanceDb, wallDb, slabDb) => {
    out[place * sensors.length + sensor] = -(
      trend.exponent * distanceDb +
      trend.wallFactor * wallDb +
      trend.slabFactor * slabDb
    );
  });
  return out;
}

export function kernelOf(c: BandCalibration): Kernel {
  return {
    shadowSdDb: c.shadowSdDb,
    shadowLengthM: c.shadowLengthM,
    nuggetSdDb: c.nuggetSdDb,
    offsetSdDb: c.offsetSdDb,
    roughness: c.roughness ?? "exponential",
  };
}

/** Points beyond this number are looked at by neighbourhood: the cost of the whole grows with its cube. */
const WHOLE = 220;
const NEIGHBOURS = 140;
/** Edge of a neighbourhood. */
const BLOCK_M = 8;

function placesOf(groups: readonly PlaceGroup[]): Place[] {
  const places: Place[] = [];
  for (const g of groups) for (let i = 0; i < g.xM.length; i++) places.push({ xM: g.xM[i]!, yM: g.yM[i]!, zM: g.zM });
  return places;
}

/**
 * The map of one calibrated band at grouped places. `leftOut` marks points not to be used (cross-validation).
 *
 * Cost: N^3/6 for N labelled points, then N^2/2 a place.
 */
export function radioMap(
  site: Site,
  groups: readonly PlaceGroup[],
  sensors: readonly SensorSite[],
  band: Band,
  calibration: BandCalibration,
  leftOut: (point: number) => boolean = () => false,
): RadioMap {
  const gain = trendGains(site, groups, sensors, band, calibration);
  const places = placesOf(groups);
  const variance = new Float64Array(places.length);
  const kernel = kernelOf(calibration);
  const points = calibration.points.filter((_, i) => !leftOut(i));
  const trend = trendGains(site, pointGroups(site, points), sensors, band, calibration);
  const noise = sensors.map(() => new Float64Array(points.length));
  const residual = sensors.map((sensor, s) =>
    Float64Array.from(points, (point, i) => {
      const level = point.levels.find((l) => l.sensor === sensor.id);
      const sdDb = level?.sdDb;
      noise[s]![i] = sdDb === undefined ? calibration.fadingSdDb ** 2 / Math.max(1, typicalHeard(point)) : sdDb * sdDb;
      return level === undefined ? 0 : level.levelDbm - calibration.powerDbm - trend[i * sensors.length + s]!;
    }),
  );
  const nugget2 = calibration.nuggetSdDb ** 2;
  const own = calibration.shadowSdDb ** 2 + calibration.offsetSdDb ** 2;
  if (points.length === 0) return { gain, variance: variance.fill(own + nugget2) };
  const heard = audible(sensors, calibration);
  for (const { members, near } of neighbourhoods(places, points)) {
    const chosen = near.map((i) => points[i]!);
    const at = members.map((i) => places[i]!);
    const weights = new Float64Array(members.length);
    const covariance = covarianceOf(kernel, distancesM(chosen));
    const crosses = crossOf(kernel, at, chosen);
    for (const group of sameRows(noise.map((row) => Float64Array.from(near, (i) => row[i]!)))) {
      const factor = factorOf(
        kernel,
        covariance,
        Float64Array.from(near, (i) => noise[group[0]!]![i]!),
      );
      const parts = group.map((s) => Float64Array.from(near, (i) => residual[s]![i]!));
      const weight = new Float64Array(members.length);
      const predicted = predictResidual(kernel, factor, parts, crosses, (k, mean) => {
        const place = members[k]! * sensors.length;
        group.forEach((s, g) => {
          gain[place + s]! += mean[k * group.length + g]!;
          weight[k]! += heard(s, gain[place + s]!);
        });
        return weight[k]! > UNHEARD * group.length;
      });
      members.forEach((place, k) => {
        if (Number.isNaN(predicted.variance[k]!)) return;
        weights[k]! += weight[k]!;
        variance[place]! += weight[k]! / (predicted.variance[k]! + nugget2);
      });
    }
    // What nobody is likely to hear is as unknown as can be.
    members.forEach((place, k) => {
      variance[place] = weights[k]! > 0 ? weights[k]! / variance[place]! : own + nugget2;
    });
  }
  return { gain, variance };
}

/** Sensors that hear an emitter of the calibrating one's power less often than that don't count for how sure a place's levels are. */
const UNHEARD = 0.02;

/** How often each sensor hears an emitter of the calibrating one's power, by the gain. */
function audible(sensors: readonly SensorSite[], c: BandCalibration): (sensor: number, gainDb: number) => number {
  const curves = sensors.map(({ id }) => {
    const own = c.sensors.find((k) => k.sensor === id);
    return own === undefined ? null : hearingOf(own);
  });
  return (sensor, gainDb) => {
    const curve = curves[sensor]!;
    return curve === null ? 1 : hearProbability(curve, c.powerDbm + gainDb, c.fadingSdDb);
  };
}

/** Rows that are the same number by number, together: their sensors share a factor. */
export function sameRows(rows: readonly Float64Array[]): number[][] {
  const groups: number[][] = [];
  rows.forEach((row, s) => {
    const known = groups.find((g) => rows[g[0]!]!.every((v, i) => v === row[i]));
    if (known) known.push(s);
    else groups.push([s]);
  });
  return groups;
}

/** Bursts that a typical sensor heard at a point: sets the noise of its mean. */
export function typicalHeard(point: CalibrationPoint): number {
  let [sum, count] = [0, 0];
  for (const level of point.levels) {
    if (level.heard > 0) {
      sum += level.heard;
      count++;
    }
  }
  return count > 0 ? sum / count : 1;
}

/** All points for all places where they are few; else the nearest ones a block of places. */
function neighbourhoods(
  places: readonly Place[],
  points: readonly CalibrationPoint[],
): { members: number[]; near: number[] }[] {
  if (points.length <= WHOLE) return [{ members: places.map((_, i) => i), near: points.map((_, i) => i) }];
  const blocks = new Map<string, number[]>();
  places.forEach((p, i) => {
    const key = `${Math.floor(p.xM / BLOCK_M)}:${Math.floor(p.yM / BLOCK_M)}:${p.zM}`;
    const list = blocks.get(key);
    if (list) list.push(i);
    else blocks.set(key, [i]);
  });
  return [...blocks.values()].map((members) => {
    const middle = places[members[Math.floor(members.length / 2)]!]!;
    const near = points
      .map((p, i) => ({ i, d: Math.hypot(p.xM - middle.xM, p.yM - middle.yM, 3 * (p.zM - middle.zM)) }))
      .sort((a, b) => a.d - b.d || a.i - b.i)
      .slice(0, NEIGHBOURS)
      .map((e) => e.i);
    return { members, near };
  });
}
