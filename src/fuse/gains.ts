/**
 * Expected gain from every candidate to every sensor, at one band, from the plan alone.
 */
import type { Band, SensorSite, Site } from "../model.ts";
import { assumedDoor, doorsNear, roomDoorsOf } from "./doors.ts";
import type { Grid } from "./grid.ts";
import { Footprint, isOpen, openPaths } from "./outdoors.ts";
import { addPowersDb, type DoorPoint, distanceLossDb, type PathLoss, Plan, PlanGeometry } from "./propagation.ts";

/**
 * In sites too large for a ray a position: beyond the first distance walls are counted once a room, from its middle, or once a
 * square of a corridor or yard; beyond the second, once a square of the plan for all rooms and doors in it; beyond the third, once
 * a larger square. So far away a wall more or less hardly tells neighbouring rooms apart. Nor does it two storeys off, where slabs
 * stand between as well: there walls are counted once a room from anywhere.
 */
const FINE_WALLS_M = 12;
const FAR_M = 30;
const SQUARE_M = 10;
const VERY_FAR_M = 60;
const LARGE_SQUARE_M = 25;
/** Rays a site may cost: about a second. */
export const MOST_RAYS = 500_000;
const STEP_OUT_M = 0.05;
/** Exponent along a single path; what obstacles add is counted as walls. */
const FREE_SPACE = 2;

/** A door of a room, and by sensor the length of the path from it and the losses on the way, its own included. */
interface ZoneDoor {
  readonly xM: number;
  readonly yM: number;
  readonly lengthM: Float64Array;
  readonly lossDb: Float64Array;
}

/** Walls counted for a square of the plan and for the larger one it lies in, a value a sensor; NaN where not yet. */
interface Square {
  readonly far: Float64Array;
  readonly veryFar: Float64Array;
}

interface Places {
  readonly plan: Plan;
  readonly geometry: PlanGeometry;
  readonly fineM: number;
  readonly farM: number;
  readonly squares: Map<string, Square>;
  readonly sensors: readonly SensorSite[];
  readonly floorOf: readonly number[];
  /** Doors of the room each sensor is in, as indices into its floor's doors; empty for corridors. */
  readonly doorsOf: readonly (readonly number[])[];
}

/** Positions of one room (or of none) on one floor, for which the walls between room and sensors may be shared. */
export interface PlaceGroup {
  /** Zone of the site the positions are in; empty: none, or not a room. */
  readonly zone: string;
  readonly floor: number;
  /** Under the sky. */
  readonly open: boolean;
  readonly xM: Float64Array;
  readonly yM: Float64Array;
  readonly zM: number;
}

/**
 * Takes the parts of one path: 10 log10 of the distance, what walls and doors take beyond that, what slabs take; all dB,
 * losses positive.
 */
export type PathSink = (place: number, sensor: number, distanceDb: number, wallDb: number, slabDb: number) => void;

/** Zones of a grid as groups, in the grid's order. */
export function gridGroups(grid: Grid): PlaceGroup[] {
  return grid.zones.map((zone) => ({
    zone: zone.kind === "outside" || zone.kind === "corridor" ? "" : zone.id,
    floor: grid.floor[zone.from]!,
    open: isOpen(zone.kind),
    xM: grid.xM.subarray(zone.from, zone.to),
    yM: grid.yM.subarray(zone.from, zone.to),
    zM: grid.zM[zone.from]!,
  }));
}

/**
 * Walks all paths from places to sensors. The way through doors is added to the straight one as powers, at the exponent of
 * free space; what both together lose beyond distance and slabs is the wall part.
 *
 * Places are counted through the groups in order. Cost: one ray a group and sensor, one a position and near sensor; none
 * with the `geometry` of an earlier walk of the same site, groups and sensors at another band.
 */
export function walkPaths(
  site: Site,
  groups: readonly PlaceGroup[],
  sensors: readonly SensorSite[],
  band: Band,
  sink: PathSink,
  geometry = new PlanGeometry(site),
): void {
  const plan = new Plan(geometry, band);
  const floorIndex = new Map(site.floors.map((f, i) => [f.id, i]));
  const floorOf = sensors.map((s) => floorIndex.get(s.floor) ?? 0);
  const doorsOf = sensors.map((s, i) => roomDoorsOf(site, geometry, s, floorOf[i]!));
  const positions = groups.reduce((sum, g) => sum + g.xM.length, 0);
  const small = positions * sensors.length <= MOST_RAYS;
  const fineM = small ? Number.POSITIVE_INFINITY : FINE_WALLS_M;
  const farM = small ? Number.POSITIVE_INFINITY : FAR_M;
  const places: Places = { plan, geometry, sensors, floorOf, doorsOf, fineM, farM, squares: new Map() };
  let first = 0;
  const footprint = new Footprint(site);
  for (const group of groups) {
    if (group.open) openPaths(group, first, places, footprint, sink);
    else groupPaths(site, group, first, places, sink);
    first += group.xM.length;
  }
  if (!geometry.isComplete) geometry.complete();
}

/**
 * Gains relative to 1 m from the sensor, all candidates by all sensors.
 *
 * Shape: `grid.size * sensors.length`, row a candidate. Units: dB, 0 at 1 m, negative beyond; the emitter's power and the
 * loss of the first metre are not in it.
 */
export function planGains(
  site: Site,
  grid: Grid,
  sensors: readonly SensorSite[],
  band: Band,
  pathLoss: PathLoss,
  geometry?: PlanGeometry,
): Float32Array {
  const out = new Float32Array(grid.size * sensors.length);
  const sink: PathSink = (place, sensor, distanceDb, wallDb, slabDb) => {
    out[place * sensors.length + sensor] = -(
      pathLoss.exponent * distanceDb +
      pathLoss.wallFactor * wallDb +
      pathLoss.slabFactor * slabDb
    );
  };
  walkPaths(site, gridGroups(grid), sensors, band, sink, geometry);
  return out;
}

function groupDoors(site: Site, group: PlaceGroup, places: Places): ZoneDoor[] {
  if (group.zone === "") return [];
  const { floor } = group;
  const { geometry } = places;
  const stated = doorsNear(site, geometry, group.zone, floor);
  const assumed = stated.length === 0 ? assumedDoor(site, geometry, group.zone, floor) : null;
  return (assumed === null ? stated : [-1]).map((index) => {
    const door = assumed ?? places.plan.doors(floor)[index]!;
    const square = squareOf(places, `door ${door.nx > 0} ${door.ny > 0}`, floor, door.xM, door.yM);
    const lengthM = new Float64Array(places.sensors.length);
    const lossDb = new Float64Array(places.sensors.length);
    const made = { xM: door.xM, yM: door.yM, lengthM, lossDb };
    for (let s = 0; s < lossDb.length; s++) bestLeg(places, group, door, index, s, square, made);
    return made;
  });
}

/** What a square of the plan knows of each sensor, for one kind of ray. */
function squareOf(places: Places, kind: string, floor: number, xM: number, yM: number): Square {
  const key = `${kind}:${floor}:${Math.floor(xM / SQUARE_M)}:${Math.floor(yM / SQUARE_M)}`;
  let known = places.squares.get(key);
  if (known === undefined) {
    const count = places.sensors.length;
    const large = `${kind}:${floor}:large:${Math.floor(xM / LARGE_SQUARE_M)}:${Math.floor(yM / LARGE_SQUARE_M)}`;
    const veryFar = places.squares.get(large)?.veryFar ?? new Float64Array(count).fill(Number.NaN);
    known = { far: new Float64Array(count).fill(Number.NaN), veryFar };
    places.squares.set(large, known);
    places.squares.set(key, known);
  }
  return known;
}

function byDistance({ far, veryFar }: Square, awayM: number): Float64Array {
  return awayM > VERY_FAR_M ? veryFar : far;
}

/** A point just outside a door, on the side away from (x, y), so that rays along the front of a row meet no party wall. */
function beyond(door: DoorPoint, xM: number, yM: number): readonly [xM: number, yM: number] {
  const side = (xM - door.xM) * door.nx + (yM - door.yM) * door.ny > 0 ? -STEP_OUT_M : STEP_OUT_M;
  return [door.xM + side * door.nx, door.yM + side * door.ny];
}

/** Notes the way from a room's door to a sensor: straight on, or through the door of the sensor's own room; whichever loses less. */
function bestLeg(
  places: Places,
  group: PlaceGroup,
  door: DoorPoint,
  index: number,
  s: number,
  square: Square,
  to: ZoneDoor,
): void {
  const { plan } = places;
  const { floor, zM } = group;
  const [ax, ay] = beyond(door, group.xM[0]!, group.yM[0]!);
  const [sx, sy, sz] = places.sensors[s]!.positionM!;
  const floorB = places.floorOf[s]!;
  const slabDb = plan.slabsBetween(zM, sz);
  const [dx, dy, dz] = [sx - door.xM, sy - door.yM, sz - zM];
  const straightM = Math.sqrt(dx * dx + dy * dy + dz * dz);
  const known = straightM > places.farM ? byDistance(square, straightM) : null;
  let walls = known?.[s] ?? Number.NaN;
  if (Number.isNaN(walls)) {
    walls = plan.wallsBetween(floor, ax, ay, zM, floorB, sx, sy, sz);
    if (known !== null) known[s] = walls;
  }
  to.lengthM[s] = straightM;
  to.lossDb[s] = slabDb + door.lossDb + walls;
  for (const other of places.doorsOf[s]!) {
    if (floorB === floor && other === index) continue;
    const second = plan.doors(floorB)[other]!;
    const [bx, by] = beyond(second, sx, sy);
    const between = plan.wallsBetween(floor, ax, ay, zM, floorB, bx, by, sz);
    const lengthM =
      Math.hypot(second.xM - door.xM, second.yM - door.yM, sz - zM) + Math.hypot(sx - second.xM, sy - second.yM);
    const lossDb = slabDb + door.lossDb + between + second.lossDb;
    if (cost(lengthM, lossDb) >= cost(to.lengthM[s]!, to.lossDb[s]!)) continue;
    to.lengthM[s] = lengthM;
    to.lossDb[s] = lossDb;
  }
}

/** Walls from a position to a sensor, or what is `known` of them, which is filled in. */
function sharedWalls(
  places: Places,
  group: PlaceGroup,
  xM: number,
  yM: number,
  s: number,
  known: Float64Array | null,
): number {
  let walls = known?.[s] ?? Number.NaN;
  if (Number.isNaN(walls)) {
    const [sx, sy, sz] = places.sensors[s]!.positionM!;
    walls = places.plan.wallsBetween(group.floor, xM, yM, group.zM, places.floorOf[s]!, sx, sy, sz);
    if (known !== null) known[s] = walls;
  }
  return walls;
}

function cost(lengthM: number, lossDb: number): number {
  return distanceLossDb(FREE_SPACE, lengthM) + lossDb;
}

function groupPaths(site: Site, group: PlaceGroup, first: number, places: Places, sink: PathSink): void {
  const { plan, sensors } = places;
  const { xM, yM, zM, floor } = group;
  const count = xM.length;
  const doors = groupDoors(site, group, places);
  let mx = 0;
  let my = 0;
  let radius = 0;
  for (let c = 0; c < count; c++) {
    mx += xM[c]! / count;
    my += yM[c]! / count;
  }
  for (let c = 0; c < count; c++) radius = Math.max(radius, Math.hypot(xM[c]! - mx, yM[c]! - my));
  const compact = radius < FINE_WALLS_M / 3;
  const own = squareOf(places, "room", floor, mx, my);
  const squares =
    compact || places.fineM === Number.POSITIVE_INFINITY
      ? []
      : Array.from(xM, (x, c) => squareOf(places, `in ${first}`, floor, x, yM[c]!));
  const toDoorM = doors.map((door) =>
    Float64Array.from(xM, (x, c) => Math.sqrt((door.xM - x) ** 2 + (door.yM - yM[c]!) ** 2)),
  );
  const straightDb = new Float64Array(count);
  for (let s = 0; s < sensors.length; s++) {
    const [sx, sy, sz] = sensors[s]!.positionM!;
    const slabDb = plan.slabsBetween(zM, sz);
    const awayM = Math.sqrt((sx - mx) * (sx - mx) + (sy - my) * (sy - my)) - radius;
    const storeys = Math.abs(places.floorOf[s]! - floor);
    if (plan.hasWalls && !(compact && (awayM > places.fineM || (storeys > 1 && places.fineM < VERY_FAR_M)))) {
      for (let c = 0; c < count; c++) {
        const flat2 = (sx - xM[c]!) * (sx - xM[c]!) + (sy - yM[c]!) * (sy - yM[c]!);
        const square = flat2 > places.fineM * places.fineM ? (squares[c] ?? null) : null;
        const known = square === null ? null : byDistance(square, Math.sqrt(flat2));
        straightDb[c] = sharedWalls(places, group, xM[c]!, yM[c]!, s, known);
      }
    } else {
      const known = awayM > places.farM ? byDistance(own, awayM) : null;
      straightDb.fill(plan.hasWalls ? sharedWalls(places, group, mx, my, s, known) : 0);
    }
    const rise2 = (sz - zM) * (sz - zM);
    for (let c = 0; c < count; c++) {
      const dx = sx - xM[c]!;
      const dy = sy - yM[c]!;
      // Not Math.hypot: several times slower, and nothing here is near overflow.
      const distanceDb = distanceLossDb(1, Math.sqrt(dx * dx + dy * dy + rise2));
      const walls = straightDb[c]!;
      let wallDb = walls;
      if (walls > 0 && doors.length > 0) {
        let best = Number.NEGATIVE_INFINITY;
        for (let d = 0; d < doors.length; d++) {
          const gain = -cost(toDoorM[d]![c]! + doors[d]!.lengthM[s]!, doors[d]!.lossDb[s]!);
          if (gain > best) best = gain;
        }
        const direct = -FREE_SPACE * distanceDb - slabDb;
        wallDb = direct - addPowersDb(direct - walls, best);
      }
      sink(first + c, s, distanceDb, wallDb, slabDb);
    }
  }
}
