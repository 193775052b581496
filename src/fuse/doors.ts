/** Which doors a room has: those stated at its edges or, where none is, one assumed. */
import type { SensorSite, Site, Zone } from "../model.ts";
import { edgeDistanceM, insidePolygon } from "./grid.ts";
import { type DoorPoint, type FloorRoom, type PlanGeometry, STEEL_DOOR_DB } from "./propagation.ts";

/** A door belongs to a zone when its middle is this close to the zone's polygon; zones this close to each other are neighbours. */
const DOOR_REACH_M = 0.35;
const DOOR_WIDTH_M = 0.9;
/** Parts of one room that are gone through in search of its door. */
const MOST_PARTS = 32;

/**
 * Doors of a zone, as indices into its floor's; the same at every band. A zone without any that is but a part of a room (bays of a
 * dormitory, the back of a cell: no wall between) has those of the nearest part that has some.
 */
export function doorsNear(site: Site, geometry: PlanGeometry, zoneId: string, floor: number): readonly number[] {
  const known = geometry.doorsOfZone.get(zoneId);
  if (known !== undefined) return known;
  let near: readonly number[] = [];
  for (const part of partsOf(site, geometry, zoneId, floor)) {
    near = ownDoors(part, geometry, floor);
    if (near.length > 0) break;
  }
  geometry.doorsOfZone.set(zoneId, near);
  return near;
}

function ownDoors(zone: Zone, geometry: PlanGeometry, floor: number): number[] {
  const near: number[] = [];
  const { x0, y0, x1, y1 } = boxOf(zone);
  geometry.doors(floor).forEach((door, i) => {
    // Most doors of a floor are nowhere near.
    if (door.xM < x0 || door.xM > x1 || door.yM < y0 || door.yM > y1) return;
    if (edgeDistanceM(zone.polygon, door.xM, door.yM) <= DOOR_REACH_M) near.push(i);
  });
  return near;
}

/**
 * The zone itself and the other parts of its room, nearest first by the number of steps from part to part: rooms side by side with
 * nothing in the way from middle to middle. Lazy, as most zones are rooms of their own and have a door.
 */
function* partsOf(site: Site, geometry: PlanGeometry, zoneId: string, floor: number): Generator<Zone, void> {
  const zone = site.zones.find((z) => z.id === zoneId);
  if (zone === undefined) return;
  yield zone;
  if (!geometry.hasWalls || !isRoom(zone)) return;
  const rooms = roomsOf(site, geometry, floor);
  const parts = rooms.filter((room) => room.zone === zone);
  const seen = new Set(parts);
  for (let k = 0; k < parts.length; k++) {
    const { box: at, middle: a, zone: part } = parts[k]!;
    if (k > 0) yield part;
    for (const other of rooms) {
      if (parts.length === MOST_PARTS) break;
      const { box: to, middle: b } = other;
      if (to.x0 > at.x1 || to.x1 < at.x0 || to.y0 > at.y1 || to.y1 < at.y0 || seen.has(other)) continue;
      if (!geometry.isClear(floor, a[0], a[1], b[0], b[1])) continue;
      seen.add(other);
      parts.push(other);
    }
  }
}

/** Rooms of a floor, looked up once. */
function roomsOf(site: Site, geometry: PlanGeometry, floor: number): readonly FloorRoom[] {
  let rooms = geometry.roomsOfFloor.get(floor);
  if (rooms === undefined) {
    const id = site.floors[floor]!.id;
    const zones = site.zones.filter((z) => z.floor === id && isRoom(z));
    rooms = zones.map((zone) => ({ zone, box: boxOf(zone), middle: middleOf(zone) }));
    geometry.roomsOfFloor.set(floor, rooms);
  }
  return rooms;
}

const isRoom = ({ kind }: Zone): boolean => kind === "cell" || kind === "staff";

/** The box around a zone, with `DOOR_REACH_M` on each side. */
function boxOf({ polygon }: Zone): FloorRoom["box"] {
  const [xs, ys] = [polygon.map((p) => p[0]), polygon.map((p) => p[1])];
  return {
    x0: Math.min(...xs) - DOOR_REACH_M,
    y0: Math.min(...ys) - DOOR_REACH_M,
    x1: Math.max(...xs) + DOOR_REACH_M,
    y1: Math.max(...ys) + DOOR_REACH_M,
  };
}

function middleOf({ polygon }: Zone): readonly [number, number] {
  const n = polygon.length;
  return [polygon.reduce((sum, p) => sum + p[0] / n, 0), polygon.reduce((sum, p) => sum + p[1] / n, 0)];
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
 * more telling than they are. Of a part of a room that has no such edge it is that of the nearest part that has one.
 */
export function assumedDoor(site: Site, geometry: PlanGeometry, zoneId: string, floor: number): DoorPoint | null {
  const known = geometry.assumedDoors.get(zoneId);
  if (known !== undefined) return known;
  let best: { readonly door: DoorPoint; readonly rank: number } | null = null;
  if (geometry.hasWalls) {
    for (const part of partsOf(site, geometry, zoneId, floor)) {
      const likely = isRoom(part) ? likelyDoor(site, part) : null;
      if (likely !== null && (best === null || likely.rank < best.rank)) best = likely;
      if (best?.rank === TO_CORRIDOR) break;
    }
  }
  const door = best?.door ?? null;
  geometry.assumedDoors.set(zoneId, door);
  return door;
}

/** What is beyond an edge: corridors first, then what is no room, then rooms. */
const TO_CORRIDOR = 0;
const TO_NOTHING = 1;
const TO_ROOM = 2;

function likelyDoor(site: Site, zone: Zone): { readonly door: DoorPoint; readonly rank: number } | null {
  const others = site.zones.filter((z) => z.floor === zone.floor && z !== zone && z.kind !== "outside");
  const corners = others.flatMap((z) => z.polygon);
  const middleX = corners.reduce((sum, c) => sum + c[0] / corners.length, 0);
  const middleY = corners.reduce((sum, c) => sum + c[1] / corners.length, 0);
  let best: { readonly door: DoorPoint; readonly rank: number } | null = null;
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
    const rank = beyondIt === undefined ? TO_NOTHING : beyondIt.kind === "corridor" ? TO_CORRIDOR : TO_ROOM;
    // The nearest to the middle among those of a rank.
    const value = 1e6 * rank + Math.hypot(xM - middleX, yM - middleY);
    if (value < least) {
      least = value;
      best = { door: { xM, yM, lossDb: STEEL_DOOR_DB, nx, ny }, rank };
    }
  }
  return best;
}
