/**
 * Into the house from outdoors. A phone in the street reaches a floor through that floor's facade, not through slabs, and on the
 * way inside windows, doors and corridors let by what walls alone would hold: beyond the facade the loss grows with the depth
 * at the most (COST 231 final report, 4.6: building penetration).
 */
import type { Point2, SensorSite, Site, ZoneKind } from "../model.ts";
import type { PathSink, PlaceGroup } from "./gains.ts";
import { distanceLossDb, type Plan } from "./propagation.ts";

/** COST 231: 0.6 dB for each metre of the way inside. */
const DEPTH_DB_PER_M = 0.6;
/** Outer wall of a house whose plan states no walls: COST 231, concrete with windows of usual size. */
const FACADE_DB = 7;
/** So far behind the outline the outer wall is passed: thicker than any wall, thinner than any room. */
const BEHIND_M = 0.6;
const ROOFED: ReadonlySet<ZoneKind> = new Set(["cell", "corridor", "staff", "gate"]);

/** Whether a zone of this kind lies under the sky. */
export function isOpen(kind: ZoneKind): boolean {
  return !ROOFED.has(kind);
}

interface Box {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

/** Where a straight way meets the house. */
interface Entry {
  /** Length of the way under a roof, m; 0: it stays outdoors. */
  readonly depthM: number;
  /** A point just behind the outer wall; the end of the way where it comes no further. */
  readonly xM: number;
  readonly yM: number;
}

/** Outlines of a site's houses: for each block the box around its roofed zones. */
export class Footprint {
  readonly #boxes: readonly Box[];

  constructor(site: Site) {
    const boxes = new Map<string, Point2[]>();
    for (const zone of site.zones) {
      if (isOpen(zone.kind)) continue;
      const key = zone.block ?? "";
      boxes.set(key, [...(boxes.get(key) ?? []), ...zone.polygon]);
    }
    this.#boxes = [...boxes.values()].map((corners) => ({
      x0: Math.min(...corners.map((c) => c[0])),
      y0: Math.min(...corners.map((c) => c[1])),
      x1: Math.max(...corners.map((c) => c[0])),
      y1: Math.max(...corners.map((c) => c[1])),
    }));
  }

  /** The way from a point outdoors to another point. */
  entry(ax: number, ay: number, bx: number, by: number): Entry {
    const lengthM = Math.hypot(bx - ax, by - ay);
    let depthM = 0;
    let first = 1;
    for (const box of this.#boxes) {
      const [from, to] = through(box, ax, ay, bx, by);
      if (to <= from) continue;
      depthM += (to - from) * lengthM;
      first = Math.min(first, from);
    }
    const t = lengthM > 0 ? Math.min(1, first + BEHIND_M / lengthM) : 1;
    return { depthM, xM: ax + t * (bx - ax), yM: ay + t * (by - ay) };
  }
}

/** Shares of the way at which it enters and leaves a box (Liang and Barsky); the second not above the first: it passes by. */
function through(box: Box, ax: number, ay: number, bx: number, by: number): readonly [number, number] {
  const [fromX, toX] = within(ax, bx - ax, box.x0, box.x1);
  const [fromY, toY] = within(ay, by - ay, box.y0, box.y1);
  return [Math.max(0, fromX, fromY), Math.min(1, toX, toY)];
}

/** Shares of a step from a point at which it enters and leaves a range; the second not above the first: never. */
function within(at: number, step: number, lo: number, hi: number): readonly [number, number] {
  if (step === 0) return at < lo || at > hi ? [1, 0] : [0, 1];
  const [u, v] = [(lo - at) / step, (hi - at) / step];
  return u < v ? [u, v] : [v, u];
}

/**
 * Paths from outdoors: walls of the sensor's storey, or the facade and the depth behind it where that takes less. Slabs only lie
 * before sensors below ground. `first` is the number of the group's first place. Cost: two rays a place and sensor.
 */
export function openPaths(
  group: PlaceGroup,
  first: number,
  places: { readonly plan: Plan; readonly sensors: readonly SensorSite[]; readonly floorOf: readonly number[] },
  footprint: Footprint,
  sink: PathSink,
): void {
  const { plan, sensors, floorOf } = places;
  const { xM, yM, zM } = group;
  for (let s = 0; s < sensors.length; s++) {
    const [sx, sy, sz] = sensors[s]!.positionM!;
    const slabDb = sz < zM ? plan.slabsBetween(zM, sz) : 0;
    const floor = floorOf[s]!;
    for (let c = 0; c < xM.length; c++) {
      const [x, y] = [xM[c]!, yM[c]!];
      const distanceDb = distanceLossDb(1, Math.hypot(sx - x, sy - y, sz - zM));
      const { depthM, xM: inX, yM: inY } = footprint.entry(x, y, sx, sy);
      const depthDb = DEPTH_DB_PER_M * depthM;
      let wallDb = 0;
      if (depthM === 0) wallDb = plan.wallsBetween(floor, x, y, sz, floor, sx, sy, sz);
      else if (plan.hasWalls) wallDb = plan.wallsOrRest(floor, x, y, inX, inY, sx, sy, sz, depthDb);
      else wallDb = FACADE_DB + depthDb;
      sink(first + c, s, distanceDb, wallDb, slabDb);
    }
  }
}
