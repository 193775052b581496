/**
 * Which steps a person can take: walls stop, doors let through.
 */
import type { FloorId, Site } from "../model.ts";

export interface OpenWall {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
  /** Share of the length that is door; empty range where there is none. */
  readonly doorFrom: number;
  readonly doorTo: number;
}

/** How far beside a door a step on the grid still counts as going through it. */
const DOOR_MARGIN_M = 0.5;

export function openWalls(site: Site, floor: FloorId): OpenWall[] {
  return site.walls
    .filter((w) => w.floor === floor)
    .map((w) => {
      const length = Math.max(1e-6, Math.hypot(w.to[0] - w.from[0], w.to[1] - w.from[1]));
      const half = w.door === null ? 0 : w.door.widthM / 2 + DOOR_MARGIN_M;
      return {
        x0: w.from[0],
        y0: w.from[1],
        x1: w.to[0],
        y1: w.to[1],
        doorFrom: w.door === null ? 2 : (w.door.atM - half) / length,
        doorTo: w.door === null ? -1 : (w.door.atM + half) / length,
      };
    });
}

/** True when the step from a to b crosses a wall elsewhere than at its door. */
export function crossesWall(walls: readonly OpenWall[], ax: number, ay: number, bx: number, by: number): boolean {
  for (const w of walls) {
    const sx = w.x1 - w.x0;
    const sy = w.y1 - w.y0;
    const cross = (bx - ax) * sy - (by - ay) * sx;
    if (cross === 0) continue;
    const qx = w.x0 - ax;
    const qy = w.y0 - ay;
    const t = (qx * sy - qy * sx) / cross;
    if (t < 0 || t > 1) continue;
    const u = (qx * (by - ay) - qy * (bx - ax)) / cross;
    if (u < 0 || u > 1) continue;
    if (u >= w.doorFrom && u <= w.doorTo) continue;
    return true;
  }
  return false;
}
