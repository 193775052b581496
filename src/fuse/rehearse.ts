/**
 * A rehearsal: the labelled points walked through as if they were a track, each located with a map that has not seen it. What
 * comes out right there says how much a stated probability may be believed, before any real track is known.
 */
import type { BandCalibration, Calibration, Fix, Site } from "../model.ts";
import type { Burst } from "./bursts.ts";
import type { LabelledPoint } from "./fit.ts";
import { Follower } from "./follow.ts";
import type { Grid } from "./grid.ts";
import { median } from "./linalg.ts";
import { Locator } from "./locate.ts";

/** Maps left out a share of the points each; points of one share lie apart. */
const FOLDS = 5;
/** Sides of the tiles whose points are left out together, m, each by half larger than the one before. */
const TILES_M = [1, 1.5, 2.2, 3.3, 5, 7.5, 11];
/** Fewer than these can't be rehearsed. */
const LEAST_POINTS = 10;
/** Points walked through, and settings tried. */
const MOST_POINTS = 60;
const PERSISTENCES_MS = [2000, 4000, 8000];
/** Octaves, from a memory that never ends down to a leg of a walk. */
const MEMORIES_MS = [Number.POSITIVE_INFINITY, 4000, 2000, 1000];
/**
 * Nats a window by which the endless memory must be ahead: a rehearsal stands still at its points more than phones in use do, and forgetting
 * costs it more. In 12 draws of invented houses in which it was ahead by less, or behind by less than 0.03, the place was nearer by 4 s in the median of all but one, where it was the
 * same; in 4 where it was ahead by 0.055 to 0.12 it was nearer in one (docs/localisation.md).
 */
const ENDLESS_NATS = 0.05;
const WINDOW_MS = 2000;
/** Bounds of the widening. */
const WIDENING = [0.7, 4] as const;
/**
 * What counts of a widening below one, of its logarithm: it is known to 20 % from fifty points (a 90 % quantile), and in 28 draws of
 * invented houses what a walk needed was as far from what left-out points had said.
 */
const NARROWER = 0.5;
/**
 * A carried phone's pace, stops included; sets how long the walk stays at a point. The way to the next one is no rest from which the
 * filter may learn that somebody moves: it is heard all along in use, so the walk goes in steps, as long at a point as the way takes.
 */
const PACE_M_PER_S = 0.7;
const MOST_WINDOWS = 4;
const MOST_HOP_MS = 10_000;
/** Labels further apart are no steps of one walk. */
const MOST_STEP_M = 1.5;
/** Squared standardised error beyond which a miss counts no worse: one bad point must not decide. */
const CAP = 16;

/**
 * Where the points are too few to rehearse: with seven points in two invented houses of 600 m^2 the 50 and 90 % ellipses hold 32 to 36
 * and 70 to 72 % as they come, and 51 to 62 and 88 to 92 % with this, in three.
 */
export const UNREHEARSED_WIDENING = 2;

export interface Rehearsal {
  readonly persistenceMs: number;
  /** Time over which what was heard before counts less and less; infinite: it always counts. */
  readonly memoryMs: number;
  /** Factor on the covariance that makes both ellipses hold their share. */
  readonly widening: number;
  readonly medianM: number;
  readonly p95M: number;
  /** Share of truths within the stated 50 % and 90 % ellipses. */
  readonly cover50: number;
  readonly cover90: number;
  readonly windows: number;
}

/**
 * Chooses how long errors of the map persist by the logarithmic score of left-out positions. Null where there are fewer than
 * ten points or the labelled points are on no common map.
 */
export function rehearse(
  site: Site,
  calibration: Calibration,
  band: BandCalibration,
  points: readonly LabelledPoint[],
): Rehearsal | null {
  const labelled = stopsOf(points);
  const route = nearestRoute(labelled).slice(0, MOST_POINTS);
  if (route.length < LEAST_POINTS) return null;
  const one: Calibration = { ...calibration, bands: [band] };
  const { grid } = new Locator(site, { block: null, calibration: one, pOutside: 0 });
  const folds = foldsOf(band.points, site, grid);
  const fold = foldOf(band, labelled, folds);
  const locators = Array.from(
    { length: FOLDS },
    (_, k) => new Locator(site, { block: null, calibration: one, pOutside: 0, leftOut: (p) => folds[p] === k }),
  );
  const walked = (persistenceMs: number, memoryMs: number) =>
    walk(site, band, locators, labelled, route, fold, persistenceMs, memoryMs);
  const best = bestOf(walked);
  const { score: _, ...rehearsal } = best;
  return rehearsal;
}

/** The settings of the highest score, a finite memory preferred, and what came out with them: every memory, then the persistence while it gains. */
export function bestOf<T extends { readonly score: number }>(
  walked: (persistenceMs: number, memoryMs: number) => T,
): T {
  let [best, most] = [null as T | null, Number.NEGATIVE_INFINITY];
  let [persistence, memory] = [PERSISTENCES_MS[0]!, MEMORIES_MS[0]!];
  const better = (persistenceMs: number, memoryMs: number): boolean => {
    const tried = walked(persistenceMs, memoryMs);
    const score = memoryMs === Number.POSITIVE_INFINITY ? tried.score - ENDLESS_NATS : tried.score;
    if (score <= most) return false;
    [best, most, persistence, memory] = [tried, score, persistenceMs, memoryMs];
    return true;
  };
  // With fifty points the score falls, rises and falls again over the memories.
  for (const memoryMs of MEMORIES_MS) better(persistence, memoryMs);
  PERSISTENCES_MS.slice(1).every((persistenceMs) => better(persistenceMs, memory));
  return best!;
}

/**
 * Share of each calibration point. A left-out point should be as far from those that are kept as a phone in use is from all of them; where
 * somebody labelled every step of a walk, the next label is a foot away, and whatever is left out one by one is known from its neighbours.
 * Points are then left out by tiles, the smallest that bring it so far. Cost: points squared, and points times candidates.
 */
export function foldsOf(points: readonly Place[], site: Site, grid: Grid): readonly number[] {
  const inUseM = median(distancesInUse(points, site, grid));
  let folds = points.map((_, i) => i % FOLDS);
  for (const sideM of TILES_M) {
    if (median(distancesLeftOut(points, folds)) >= inUseM) break;
    folds = points.map((p) => tileFold(p, sideM));
  }
  return folds;
}

/** Neighbouring tiles are of different shares, by sides and by corners. */
function tileFold(p: Place, sideM: number): number {
  const n = Math.floor(p.xM / sideM) + 2 * Math.floor(p.yM / sideM);
  return ((n % FOLDS) + FOLDS) % FOLDS;
}

type Place = { readonly xM: number; readonly yM: number; readonly floor: string };

const apartM = (a: Place, b: Place) => Math.hypot(a.xM - b.xM, a.yM - b.yM);

/** From each point to the nearest one of another share, on its floor. */
function distancesLeftOut(points: readonly Place[], folds: readonly number[]): number[] {
  return points.map((p, i) =>
    points.reduce(
      (least, q, j) => (folds[j] !== folds[i] && q.floor === p.floor ? Math.min(least, apartM(p, q)) : least),
      Number.POSITIVE_INFINITY,
    ),
  );
}

/** From each place in the house to the nearest point, on floors that have any. */
function distancesInUse(points: readonly Place[], site: Site, grid: Grid): number[] {
  const out: number[] = [];
  for (let c = 0; c < grid.size; c++) {
    if (grid.zones[grid.zone[c]!]!.kind === "outside") continue;
    const at = { xM: grid.xM[c]!, yM: grid.yM[c]!, floor: site.floors[grid.floor[c]!]!.id };
    const least = points.reduce(
      (m, p) => (p.floor === at.floor ? Math.min(m, apartM(p, at)) : m),
      Number.POSITIVE_INFINITY,
    );
    if (Number.isFinite(least)) out.push(least);
  }
  return out;
}

/** Share of each labelled point: that of the calibration point nearest to it. */
function foldOf(band: BandCalibration, labelled: readonly LabelledPoint[], folds: readonly number[]): number[] {
  return labelled.map((l) => {
    let best = 0;
    let least = Number.POSITIVE_INFINITY;
    band.points.forEach((p, i) => {
      const d = Math.hypot(p.xM - l.xM, p.yM - l.yM, 3 * (p.zM - l.zM)) + (p.floor === l.floor ? 0 : 100);
      if (d < least) {
        least = d;
        best = i;
      }
    });
    return folds[best]!;
  });
}

/**
 * Labels of somebody who walked, each too short for a window, joined to stops of about a window at their mean place; a label that is as long, or has
 * none next to it in time and place, is a stop of its own.
 */
function stopsOf(points: readonly LabelledPoint[]): LabelledPoint[] {
  const timed = points.map((p) => ({ p, fromMs: p.bursts[0]?.[0]?.tMs ?? 0, toMs: p.bursts.at(-1)?.[0]?.tMs ?? 0 }));
  timed.sort((a, b) => a.fromMs - b.fromMs);
  const stops: (typeof timed)[] = [];
  for (const next of timed) {
    const stop = stops.at(-1);
    const [first, last] = [stop?.[0], stop?.at(-1)];
    const near = first && last && last.p.floor === next.p.floor && apartM(last.p, next.p) <= MOST_STEP_M;
    if (near && next.toMs - first.fromMs <= WINDOW_MS && next.fromMs - last.toMs <= WINDOW_MS / 2) stop!.push(next);
    else stops.push([next]);
  }
  return stops.map((stop) => {
    const mean = (of: (p: LabelledPoint) => number) => stop.reduce((sum, { p }) => sum + of(p) / stop.length, 0);
    return {
      xM: mean((p) => p.xM),
      yM: mean((p) => p.yM),
      zM: mean((p) => p.zM),
      floor: stop[0]!.p.floor,
      bursts: stop.flatMap(({ p }) => p.bursts),
    };
  });
}

/** From the first point always on to the nearest one not yet visited. */
function nearestRoute(points: readonly LabelledPoint[]): number[] {
  if (points.length === 0) return [];
  const left = new Set(points.map((_, i) => i).slice(1));
  const route = [0];
  while (left.size > 0 && route.length < MOST_POINTS) {
    const at = points[route[route.length - 1]!]!;
    let next = -1;
    let least = Number.POSITIVE_INFINITY;
    for (const i of left) {
      const p = points[i]!;
      const d = apartM(p, at) + (p.floor === at.floor ? 0 : 50);
      if (d < least) {
        least = d;
        next = i;
      }
    }
    left.delete(next);
    route.push(next);
  }
  return route;
}

/** Bursts of a point in windows, the first few; their times counted from the point's first. */
function windowsOf(bursts: readonly Burst[], count: number): Burst[][] {
  const start = bursts[0]![0]!.tMs;
  const windows: Burst[][] = [];
  for (const burst of bursts) {
    const k = Math.floor((burst[0]!.tMs - start) / WINDOW_MS);
    if (k >= count) break;
    windows[k] ??= [];
    windows[k]!.push(burst);
  }
  return windows.filter((w) => w !== undefined);
}

function walk(
  site: Site,
  band: BandCalibration,
  locators: readonly Locator[],
  labelled: readonly LabelledPoint[],
  route: readonly number[],
  fold: readonly number[],
  persistenceMs: number,
  memoryMs: number,
): Rehearsal & { score: number } {
  const begin = () => new Follower(locators[0]!, { persistenceMs, memoryMs, widening: 1 });
  let follower = begin();
  const measuring = site.sensors.filter((s) => s.type === "rf").map((s) => ({ sensor: s.id, floorDbm: Number.NaN }));
  const errors: number[] = [];
  const squares: number[] = [];
  let [logDets, in50, in90, nowMs] = [0, 0, 0, 0];
  route.forEach((index, k) => {
    const point = labelled[index]!;
    const before = labelled[route[Math.max(0, k - 1)]!]!;
    const hopM = apartM(point, before);
    const onTheWay = Math.round((1000 * hopM) / PACE_M_PER_S / WINDOW_MS);
    const count = Math.min(MOST_WINDOWS, Math.max(1, onTheWay));
    // Stairs are another walk.
    if (point.floor !== before.floor) follower = begin();
    follower.use(locators[fold[index]!]!);
    // Of a long way the rest takes its time, and nothing is heard of it.
    nowMs += Math.min(MOST_HOP_MS, Math.max(0, (1000 * hopM) / PACE_M_PER_S - MOST_WINDOWS * WINDOW_MS));
    for (const bursts of windowsOf(point.bursts, count)) {
      nowMs += WINDOW_MS;
      const fix = follower.step(nowMs, WINDOW_MS, [{ band: band.band, packets: bursts.flat(), measuring }]);
      const { errorM, square, logDet } = against(fix, point);
      errors.push(errorM);
      squares.push(square);
      logDets += logDet;
      if (square <= -2 * Math.log(0.5)) in50++;
      if (square <= -2 * Math.log(0.1)) in90++;
    }
  });
  errors.sort((a, b) => a - b);
  squares.sort((a, b) => a - b);
  const windows = errors.length;
  const widening = widen(squares);
  // Of what will be stated, so after the widening.
  const score = squares.reduce((sum, q) => sum - Math.min(CAP, q / widening) / 2, -logDets / 2) / windows;
  return {
    persistenceMs,
    memoryMs,
    widening,
    medianM: errors[Math.floor(windows / 2)] ?? Number.NaN,
    p95M: errors[Math.floor(windows * 0.95)] ?? Number.NaN,
    cover50: in50 / windows,
    cover90: in90 / windows,
    windows,
    score: score - Math.log(widening),
  };
}

/**
 * The factor on the covariance that makes both the 75 % and the 90 % ellipse hold their share at the most: the outer one decides, for
 * searches rely on it, unless strays do. A place that the map has wrong is a miss at any width, and room for one in ten of them
 * would make every other statement too wide. Of the two the smaller, as a left-out point lies in a hole that the whole map has not.
 *
 * @param squares squared standardised errors, rising
 */
export function widen(squares: readonly number[]): number {
  const at = (q: number): number => squares[Math.floor(squares.length * q)]! / (-2 * Math.log(1 - q));
  const factor = Math.min(at(0.75), at(0.9));
  return Math.min(WIDENING[1], Math.max(WIDENING[0], factor < 1 ? factor ** NARROWER : factor));
}

function against(fix: Fix, point: LabelledPoint): { errorM: number; square: number; logDet: number } {
  const [xx, xy, yy] = fix.position.covM2;
  const [dx, dy] = [point.xM - fix.position.xM, point.yM - fix.position.yM];
  const det = xx * yy - xy * xy;
  const square = (dx * dx * yy - 2 * dx * dy * xy + dy * dy * xx) / det;
  return { errorM: Math.hypot(dx, dy), square, logDet: Math.log(det) };
}
