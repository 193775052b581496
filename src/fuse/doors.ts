/** Which doors a room has: those stated at its edges or, where none is, one assumed. */
import type { SensorSite, Site } from "../model.ts";
import { edgeDistanceM, insidePolygon } from "./grid.ts";
import { type DoorPoint, type PlanGeometry, STEEL_DOOR_DB } from "./propagation.ts";

/** A door belongs to a zone when its middle is this close to the zone's polygon. */
const DOOR_REACH_M = 0.35;
const DOOR_WIDTH_M = 0.9;

/** Doors of a zone, as indices into its floor's; the same at every band. */
export function doorsNear(site: Site, geometry: PlanGeometry, zoneId: string, floor: number): readonly number[] {
  const known = geometry.doorsOfZone.get(zoneId);
  if (known !== undefined) return known;
  const zone = site.zones.find((z) => z.id === zoneId);
  const near: number[] = [];
  if (zone !== undefined) {
    const [xs, ys] = [zone.polygon.map((p) => p[0]), zone.polygon.map((p) => p[1])];
    const [x0, x1] = [Math.min(...xs) - DOOR_REACH_M, Math.max(...xs) + DOOR_REACH_M];
    const [y0, y1] = [Math.min(...ys) - DOOR_REACH_M, Math.max(...ys) + DOOR_REACH_M];
    geometry.doors(floor).forEach((door, i) => {
      // Most doors of a floor are nowhere near.
      if (door.xM < x0 || door.xM > x1 || door.yM < y0 || door.yM > y1) return;
      if (edgeDistanceM(zone.polygon, door.xM, door.yM) <= DOOR_REACH_M) near.push(i);
    });
  }
  geometry.doorsOfZone.set(zoneId, near);
  return near;
}

/** Doors of the room a sensor is in; none in a corridor. */
export function roomDoorsOf(site: Site, geometry: PlanGeometry, sensor: SensorSite, floor: number): readonly number[] {
  const at = sensor.positionM!;
  const room = site.zones.find(
    (z) => z.kind !== "corridor" && z.floor === sensor.floor && insidePolygon(z.polygon, at[0], at[1]),
  );
  return room === undefined ? [] : doorsNear(site, geometry, room.id, floor);
}

/**
 * Every room has a door, in whatever plan: where walls are stated and none has it, the middle of an edge towards a corridor, or
 * else towards the middle of the floor, but not of one shared with another room. Walls without any way through would look far
 * more telling than they are.
 */
export function assumedDoor(site: Site, geometry: PlanGeometry, zoneId: string): DoorPoint | null {
  let door = geometry.assumedDoors.get(zoneId);
  if (door === undefined) {
    door = geometry.hasWalls ? likelyDoor(site, zoneId) : null;
    geometry.assumedDoors.set(zoneId, door);
  }
  return door;
}

function likelyDoor(site: Site, zoneId: string): DoorPoint | null {
  const zone = site.zones.find((z) => z.id === zoneId);
  if (zone === undefined || (zone.kind !== "cell" && zone.kind !== "staff")) return null;
  const others = site.zones.filter((z) => z.floor === zone.floor && z !== zone && z.kind !== "outside");
  const corners = others.flatMap((z) => z.polygon);
  const middleX = corners.reduce((sum, c) => sum + c[0] / corners.length, 0);
  const middleY = corners.reduce((sum, c) => sum + c[1] / corners.length, 0);
  let best: DoorPoint | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (let k = 0, j = zone.polygon.length - 1; k < zone.polygon.length; j = k++) {
    const [[ax, ay], [bx, by]] = [zone.polygon[j]!, zone.polygon[k]!];
    const lengthM = Math.hypot(bx - ax, by - ay);
    if (lengthM < DOOR_WIDTH_M) continue;
    const [xM, yM] = [(ax + bx) / 2, (ay + by) / 2];
    const [nx, ny] = [(by - ay) / lengthM, (ax - bx) / lengthM];
    const side = insidePolygon(zone.polygon, xM + DOOR_REACH_M * nx, yM + DOOR_REACH_M * ny) ? -1 : 1;
    const [ox, oy] = [xM + side * DOOR_REACH_M * nx, yM + side * DOOR_REACH_M * ny];
    const beyondIt = others.find((z) => insidePolygon(z.polygon, ox, oy));
    // Corridors first, then what is no room, then rooms; the nearest to the middle among those.
    const rank = beyondIt === undefined ? 1 : beyondIt.kind === "corridor" ? 0 : 2;
    const value = 1e6 * rank + Math.hypot(xM - middleX, yM - middleY);
    if (value < least) {
      least = value;
      best = { xM, yM, lossDb: STEEL_DOOR_DB, nx, ny };
    }
  }
  return best;
}
