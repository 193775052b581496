/**
 * Expected gain from every candidate to every sensor, at one band, from the plan alone.
 */
import type { Band, SensorSite, Site } from "../model.ts";
import { type Grid, insidePolygon } from "./grid.ts";
import { addPowersDb, distanceLossDb, type PathLoss, Plan } from "./propagation.ts";

/** Beyond this distance, wall counts are taken once a zone (from its middle) instead of once a position. */
const FINE_WALLS_M = 12;
/** A door belongs to a zone when its middle is this close to the zone's polygon. */
const DOOR_REACH_M = 0.35;
/** Further sensors get no way through a second door: the straight leg is as good a guess there. */
const TWO_DOORS_M = 40;

interface Leg {
  /** Path length from door to sensor, and the losses on the way, the first door's included. */
  readonly lengthM: number;
  readonly lossDb: number;
}

interface ZoneDoor {
  readonly xM: number;
  readonly yM: number;
  readonly zM: number;
  readonly legs: readonly Leg[];
}

interface Places {
  readonly plan: Plan;
  readonly pathLoss: PathLoss;
  readonly sensors: readonly SensorSite[];
  readonly floorOf: readonly number[];
  /** Doors of the room each sensor is in, as indices into its floor's doors; empty for corridors. */
  readonly doorsOf: readonly (readonly number[])[];
}

/**
 * Gains relative to 1 m from the sensor, all candidates by all sensors.
 *
 * Shape: `grid.size * sensors.length`, row a candidate. Units: dB, 0 at 1 m, negative beyond; the emitter's power and the
 * loss of the first metre are not in it. Cost: one ray a zone and sensor, one a position and near sensor.
 */
export function planGains(
  site: Site,
  grid: Grid,
  sensors: readonly SensorSite[],
  band: Band,
  pathLoss: PathLoss,
): Float32Array {
  const plan = new Plan(site, band);
  const floorIndex = new Map(site.floors.map((f, i) => [f.id, i]));
  const floorOf = sensors.map((s) => floorIndex.get(s.floor) ?? 0);
  const doorsOf = sensors.map((s, i) => roomDoorsOf(site, plan, s, floorOf[i]!));
  const places: Places = { plan, pathLoss, sensors, floorOf, doorsOf };
  const out = new Float32Array(grid.size * sensors.length);
  for (let z = 0; z < grid.zones.length; z++) zoneGains(site, grid, z, places, out);
  return out;
}

/** Gain of one place at any position, e.g. of a labelled point that lies between candidates. */
export function gainAt(
  site: Site,
  plan: Plan,
  sensor: SensorSite,
  at: { xM: number; yM: number; zM: number; floor: number },
  pathLoss: PathLoss,
): { distanceM: number; wallDb: number; slabDb: number } {
  const [sx, sy, sz] = sensor.positionM!;
  const floor = site.floors.findIndex((f) => f.id === sensor.floor);
  const distanceM = Math.hypot(sx - at.xM, sy - at.yM, sz - at.zM);
  const wallDb = plan.wallsBetween(at.floor, at.xM, at.yM, at.zM, Math.max(0, floor), sx, sy, sz) * pathLoss.wallFactor;
  const slabDb = plan.slabsBetween(at.zM, sz) * pathLoss.slabFactor;
  return { distanceM, wallDb, slabDb };
}

function doorsNear(site: Site, plan: Plan, zoneId: string, floor: number): number[] {
  const zone = site.zones.find((z) => z.id === zoneId);
  if (zone === undefined) return [];
  const near: number[] = [];
  plan.doors(floor).forEach((door, i) => {
    for (let k = 0, j = zone.polygon.length - 1; k < zone.polygon.length; j = k++) {
      const [ax, ay] = zone.polygon[j]!;
      const [bx, by] = zone.polygon[k]!;
      const length2 = (bx - ax) ** 2 + (by - ay) ** 2;
      if (length2 === 0) continue;
      const t = Math.min(1, Math.max(0, ((door.xM - ax) * (bx - ax) + (door.yM - ay) * (by - ay)) / length2));
      if (Math.hypot(door.xM - ax - t * (bx - ax), door.yM - ay - t * (by - ay)) <= DOOR_REACH_M) {
        near.push(i);
        return;
      }
    }
  });
  return near;
}

function roomDoorsOf(site: Site, plan: Plan, sensor: SensorSite, floor: number): number[] {
  const at = sensor.positionM!;
  const room = site.zones.find(
    (z) => z.kind !== "corridor" && z.floor === sensor.floor && insidePolygon(z.polygon, at[0], at[1]),
  );
  return room === undefined ? [] : doorsNear(site, plan, room.id, floor);
}

function zoneDoors(site: Site, grid: Grid, z: number, places: Places): ZoneDoor[] {
  const zone = grid.zones[z]!;
  if (zone.kind === "outside" || zone.kind === "corridor" || zone.id === "") return [];
  const floor = grid.floor[zone.from]!;
  const zM = grid.zM[zone.from]!;
  const { plan } = places;
  return doorsNear(site, plan, zone.id, floor).map((index) => {
    const door = plan.doors(floor)[index]!;
    const legs = places.sensors.map((_, s) => bestLeg(places, floor, index, zM, s));
    return { xM: door.xM, yM: door.yM, zM, legs };
  });
}

/** From a door to a sensor: straight on, or through the door of the sensor's own room; whichever loses less. */
function bestLeg(places: Places, floor: number, index: number, zM: number, s: number): Leg {
  const { plan, pathLoss } = places;
  const door = plan.doors(floor)[index]!;
  const [sx, sy, sz] = places.sensors[s]!.positionM!;
  const floorB = places.floorOf[s]!;
  const slabDb = plan.slabsBetween(zM, sz) * pathLoss.slabFactor;
  const walls = plan.wallsBetween(floor, door.xM, door.yM, zM, floorB, sx, sy, sz, door.wall);
  const straightM = Math.hypot(sx - door.xM, sy - door.yM, sz - zM);
  let best: Leg = { lengthM: straightM, lossDb: slabDb + (door.lossDb + walls) * pathLoss.wallFactor };
  if (straightM > TWO_DOORS_M) return best;
  for (const other of places.doorsOf[s]!) {
    const second = plan.doors(floorB)[other]!;
    if (floorB === floor && other === index) continue;
    const between = plan.wallsBetween(
      floor,
      door.xM,
      door.yM,
      zM,
      floorB,
      second.xM,
      second.yM,
      sz,
      door.wall,
      second.wall,
    );
    const lengthM =
      Math.hypot(second.xM - door.xM, second.yM - door.yM, sz - zM) + Math.hypot(sx - second.xM, sy - second.yM);
    const lossDb = slabDb + (door.lossDb + between + second.lossDb) * pathLoss.wallFactor;
    if (cost(pathLoss, lengthM, lossDb) < cost(pathLoss, best.lengthM, best.lossDb)) best = { lengthM, lossDb };
  }
  return best;
}

function cost(pathLoss: PathLoss, lengthM: number, lossDb: number): number {
  return distanceLossDb(pathLoss.exponent, lengthM) + lossDb;
}

function zoneGains(site: Site, grid: Grid, z: number, places: Places, out: Float32Array): void {
  const { plan, pathLoss, sensors } = places;
  const zone = grid.zones[z]!;
  const doors = zoneDoors(site, grid, z, places);
  let mx = 0;
  let my = 0;
  let radius = 0;
  for (let c = zone.from; c < zone.to; c++) {
    mx += grid.xM[c]! / (zone.to - zone.from);
    my += grid.yM[c]! / (zone.to - zone.from);
  }
  for (let c = zone.from; c < zone.to; c++) radius = Math.max(radius, Math.hypot(grid.xM[c]! - mx, grid.yM[c]! - my));
  const compact = radius < FINE_WALLS_M / 3;
  for (let s = 0; s < sensors.length; s++) {
    const [sx, sy, sz] = sensors[s]!.positionM!;
    const floorB = places.floorOf[s]!;
    const middleM = Math.hypot(sx - mx, sy - my);
    const zM = grid.zM[zone.from]!;
    const floor = grid.floor[zone.from]!;
    const slabDb = plan.slabsBetween(zM, sz) * pathLoss.slabFactor;
    const fine = plan.hasWalls && !(compact && middleM - radius > FINE_WALLS_M);
    const shared = plan.hasWalls && !fine ? plan.wallsBetween(floor, mx, my, zM, floorB, sx, sy, sz) : 0;
    for (let c = zone.from; c < zone.to; c++) {
      const x = grid.xM[c]!;
      const y = grid.yM[c]!;
      const wallDb = fine ? plan.wallsBetween(floor, x, y, zM, floorB, sx, sy, sz) : shared;
      const dM = Math.hypot(sx - x, sy - y, sz - zM);
      let gain = -cost(pathLoss, dM, slabDb + wallDb * pathLoss.wallFactor);
      let best = Number.NEGATIVE_INFINITY;
      for (const door of doors) {
        const leg = door.legs[s]!;
        best = Math.max(best, -cost(pathLoss, Math.hypot(door.xM - x, door.yM - y) + leg.lengthM, leg.lossDb));
      }
      if (wallDb > 0 && best > Number.NEGATIVE_INFINITY) gain = addPowersDb(gain, best);
      out[c * sensors.length + s] = gain;
    }
  }
}
