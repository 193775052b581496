/**
 * Expected path gain from the plan: distance, walls, slabs, and the way round through doors.
 *
 * Straight path: 10 n log10(d) plus the losses of the walls and slabs it crosses (COST 231 multi-wall). Door path: from the
 * emitter through the door of its room, from there straight on (through the door of the sensor's room, where the sensor is
 * in one), with the walls and slabs left on those legs. Both are added as powers, because behind concrete the way through
 * the door is the stronger one. Without the door path, walls several rooms away look far more telling than they are.
 */
import type { Band, Door, Floor, LossDb, Site, Wall, Zone } from "../model.ts";

/** Near field and body: closer than this, distance says nothing more. */
const NEAREST_M = 0.7;
/** A gap-leaking steel door; ranges of 10 to 20 dB are seen. */
export const STEEL_DOOR_DB = 15;
/** Sheet metal without gaps is opaque; energy goes round, at a loss of this order. */
const METAL_DB = 25;

/**
 * Loss of a wall of a material at a frequency, dB, normal incidence.
 *
 * Concrete: ITU-R P.2040 constants (a 5.24, c 0.0462, d 0.7822) give 5.0, 7.5, 9.3, 10.5 dB for 100, 200, 250, 300 mm at
 * 0.9 GHz and 6.6, 12.0, 14.4, 17.1 at 1.8 GHz; a line through these in thickness and frequency is within 1.5 dB of them
 * up to 3.5 GHz. Brick 110 mm 3.5 dB, light partitions 1.9 dB (900) and 3.4 dB (1800) are COST 231's.
 */
export function materialLossDb(material: string | null, frequencyHz: number): number {
  const gigahertz = frequencyHz / 1e9;
  if (material === null) return 6.9;
  const name = material.toLowerCase();
  const thickness = Number(/(\d+)\s*(?:mm)?$/.exec(name)?.[1] ?? Number.NaN);
  if (name === "none") return 0;
  if (name.includes("steel")) return STEEL_DOOR_DB;
  if (name.includes("metal")) return METAL_DB;
  if (name.includes("concrete")) {
    const mm = Number.isFinite(thickness) ? thickness : 200;
    return (mm / 200) * (4.4 + 4.2 * gigahertz);
  }
  if (name.includes("brick")) {
    const mm = Number.isFinite(thickness) ? thickness : 110;
    return 3.5 * (mm / 110) * (0.9 + 0.1 * gigahertz);
  }
  if (name.includes("glass")) return 2 + 0.5 * gigahertz;
  if (name.includes("wood")) return 2 + gigahertz;
  if (name.includes("bars")) return 1;
  if (name.includes("plaster")) return 0.5 + 1.6 * gigahertz;
  return 6.9;
}

export function lossAt(loss: LossDb, material: string | null, band: Band): number {
  if (typeof loss === "number") return loss;
  const stated = loss?.[band.id];
  return stated ?? materialLossDb(material, (band.loHz + band.hiHz) / 2);
}

export function slabLossAt(floor: Floor, band: Band): number {
  // COST 231: 14.8 dB at 900 MHz, 18.3 dB at 1800 MHz for a floor of unknown make.
  if (floor.slabLossDb !== null) return floor.slabLossDb;
  if (floor.slabMaterial !== null) return materialLossDb(floor.slabMaterial, (band.loHz + band.hiHz) / 2);
  return 11.3 + (3.9 * (band.loHz + band.hiHz)) / 2e9;
}

interface WallSegment {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
  /** Class of what a ray meets, in the wall and in its door. */
  readonly kind: number;
  readonly doorFrom: number;
  readonly doorTo: number;
  readonly doorKind: number;
}

export interface DoorPoint {
  readonly xM: number;
  readonly yM: number;
  readonly lossDb: number;
  /** Unit normal of its wall, either side. */
  readonly nx: number;
  readonly ny: number;
}

interface PlanFloor {
  readonly zM: number;
  readonly walls: readonly WallSegment[];
  readonly doors: readonly FloorDoor[];
  readonly hash: WallHash;
}

interface FloorDoor extends Omit<DoorPoint, "lossDb"> {
  readonly kind: number;
}

/** What a ray can meet: loss of each at a band. Walls of the same make are of one class. */
class Obstacles {
  readonly #classOf = new Map<string, number>();
  readonly #lossAt: ((band: Band) => number)[] = [];

  intern(key: string, lossAt_: (band: Band) => number): number {
    let index = this.#classOf.get(key);
    if (index === undefined) {
      index = this.#lossAt.length;
      this.#classOf.set(key, index);
      this.#lossAt.push(lossAt_);
    }
    return index;
  }

  get count(): number {
    return this.#lossAt.length;
  }

  lossesDb(band: Band): Float64Array {
    return Float64Array.from(this.#lossAt, (lossAt_) => lossAt_(band));
  }
}

/** Crossings of one class that a ray may have; more lie behind so much loss that their number no longer matters. */
const MOST_CROSSINGS = 1023;

/** Sets of crossings that rays share, as the nodes of a tree: one level a class, one branch a number of crossings. */
class CrossingSets {
  readonly #branches: Map<number, number>[] = [];
  readonly #parent: number[] = [0];
  readonly #crossings: number[] = [0];
  readonly #level: number[] = [-1];

  /** Index of the set with so many crossings of each class. */
  of(counts: Int32Array): number {
    let node = 0;
    for (let k = 0; k < counts.length; k++) {
      if (counts[k] === 0) continue;
      let branches = this.#branches[k];
      if (branches === undefined) {
        branches = new Map();
        this.#branches[k] = branches;
      }
      const crossings = Math.min(MOST_CROSSINGS, counts[k]!);
      const key = node * (MOST_CROSSINGS + 1) + crossings;
      let next = branches.get(key);
      if (next === undefined) {
        next = this.#parent.length;
        this.#parent.push(node);
        this.#crossings.push(crossings);
        this.#level.push(k);
        branches.set(key, next);
      }
      node = next;
    }
    return node;
  }

  get count(): number {
    return this.#parent.length;
  }

  lossDb(set: number, losses: Float64Array, known: Float64Array): number {
    if (set === 0) return 0;
    return known[this.#parent[set]!]! + this.#crossings[set]! * losses[this.#level[set]!]!;
  }
}

/** Numbers a wall takes in the flat array: start, direction, door from and to (shares of its length). */
const WALL_STRIDE = 6;
/** Those of them that say where it stands. */
const NEAR_STRIDE = 4;
/** Share of a ray at either end in which a wall is not crossed but touched. */
const ENDS = 1e-9;

/** Walls by square of the plan, so that a ray looks only at those near it; all in flat arrays, since rays come in millions. */
class WallHash {
  readonly #side: number;
  readonly #x0: number;
  readonly #y0: number;
  readonly #columns: number;
  readonly #rows: number;
  readonly #wall: Float64Array;
  readonly #kind: Int32Array;
  readonly #doorKind: Int32Array;
  /** Walls of square q: `list[start[q]] .. list[start[q + 1] - 1]`. */
  readonly #start: Int32Array;
  readonly #list: Int32Array;
  /** Start and direction of each wall of `list`, side by side as they are looked at. */
  readonly #near: Float64Array;
  /** Ray that last crossed each wall, which lies in several squares. */
  readonly #stamp: Int32Array;
  #ray = 0;

  constructor(walls: readonly WallSegment[], sideM: number) {
    let [x0, y0, x1, y1] = [0, 0, 1, 1];
    walls.forEach((w, i) => {
      if (i === 0) [x0, y0, x1, y1] = [w.x0, w.y0, w.x0, w.y0];
      x0 = Math.min(x0, w.x0, w.x1);
      y0 = Math.min(y0, w.y0, w.y1);
      x1 = Math.max(x1, w.x0, w.x1);
      y1 = Math.max(y1, w.y0, w.y1);
    });
    this.#side = sideM;
    this.#x0 = x0 - sideM;
    this.#y0 = y0 - sideM;
    this.#columns = Math.ceil((x1 - x0) / sideM) + 3;
    this.#rows = Math.ceil((y1 - y0) / sideM) + 3;
    this.#stamp = new Int32Array(walls.length);
    this.#wall = Float64Array.from(walls.flatMap((w) => [w.x0, w.y0, w.x1 - w.x0, w.y1 - w.y0, w.doorFrom, w.doorTo]));
    this.#kind = Int32Array.from(walls, (w) => w.kind);
    this.#doorKind = Int32Array.from(walls, (w) => w.doorKind);
    const squares = this.#columns * this.#rows;
    const lists: number[][] = Array.from({ length: squares }, () => []);
    walls.forEach((w, i) => {
      this.#squares(w.x0, w.y0, w.x1, w.y1, (square) => lists[square]!.push(i));
    });
    this.#start = new Int32Array(squares + 1);
    lists.forEach((list, q) => {
      this.#start[q + 1] = this.#start[q]! + list.length;
    });
    this.#list = Int32Array.from(lists.flat());
    this.#near = new Float64Array(this.#list.length * NEAR_STRIDE);
    this.#list.forEach((index, k) => {
      const at = index * WALL_STRIDE;
      this.#near.set(this.#wall.subarray(at, at + NEAR_STRIDE), k * NEAR_STRIDE);
    });
  }

  /**
   * Adds to `counts` what the ray crosses, by class. Touching a wall's end counts half-open, so that a ray through a joint
   * meets one wall. Ends early once what was met takes `enoughDb`, each class as much as `lossesDb` says.
   */
  cross(
    ax: number,
    ay: number,
    bx: number,
    by: number,
    counts: Int32Array,
    lossesDb: Float64Array,
    enoughDb: number,
  ): void {
    let leftDb = enoughDb;
    const [wall, list, near, start, stamp] = [this.#wall, this.#list, this.#near, this.#start, this.#stamp];
    const ray = ++this.#ray;
    const rx = bx - ax;
    const ry = by - ay;
    const eps = this.#side * 1e-3;
    const slope = Math.abs(rx) > eps ? ry / rx : 0;
    const steep = Math.abs(rx) <= eps;
    const first = this.#column(Math.min(ax, bx) - eps);
    const last = this.#column(Math.max(ax, bx) + eps);
    const [lo, hi] = rx < 0 ? [bx, ax] : [ax, bx];
    for (let cx = first; cx <= last; cx++) {
      const left = this.#x0 + cx * this.#side - eps;
      const from = Math.min(hi, Math.max(lo, left));
      const to = Math.min(hi, Math.max(lo, left + this.#side + 2 * eps));
      const ya = steep ? ay : ay + (from - ax) * slope;
      const yb = steep ? by : ay + (to - ax) * slope;
      const cy1 = this.#row(Math.max(ya, yb) + eps);
      for (let cy = this.#row(Math.min(ya, yb) - eps); cy <= cy1; cy++) {
        const square = cy * this.#columns + cx;
        const end = start[square + 1]!;
        for (let k = start[square]!; k < end; k++) {
          const n = k * NEAR_STRIDE;
          const sx = near[n + 2]!;
          const sy = near[n + 3]!;
          const qx = near[n]! - ax;
          const qy = near[n + 1]! - ay;
          const cross = rx * sy - ry * sx;
          // Shares of the wall and of the ray at which they cross, both times `cross`, which is made positive; few lines of rays pass
          // between a wall's ends.
          const sign = cross < 0 ? -1 : 1;
          const most = sign * cross;
          const u = sign * (qx * ry - qy * rx);
          if (!(u >= 0 && u < most)) continue;
          const t = sign * (qx * sy - qy * sx);
          if (!(t > ENDS * most && t < (1 - ENDS) * most)) continue;
          const index = list[k]!;
          if (stamp[index] === ray) continue;
          stamp[index] = ray;
          const at = index * WALL_STRIDE;
          const door = u >= wall[at + 4]! * most && u <= wall[at + 5]! * most;
          const kind = door ? this.#doorKind[index]! : this.#kind[index]!;
          counts[kind]!++;
          leftDb -= lossesDb[kind]!;
          if (leftDb <= 0) return;
        }
      }
    }
  }

  #column(x: number): number {
    return Math.min(this.#columns - 1, Math.max(0, Math.floor((x - this.#x0) / this.#side)));
  }

  #row(y: number): number {
    return Math.min(this.#rows - 1, Math.max(0, Math.floor((y - this.#y0) / this.#side)));
  }

  /** Squares that a segment touches, column by column, with a margin of one part in a thousand. */
  #squares(x0: number, y0: number, x1: number, y1: number, visit: (square: number) => void): void {
    const eps = this.#side * 1e-3;
    const last = this.#column(Math.max(x0, x1) + eps);
    const dx = x1 - x0;
    for (let cx = this.#column(Math.min(x0, x1) - eps); cx <= last; cx++) {
      let ya = y0;
      let yb = y1;
      if (Math.abs(dx) > eps) {
        const left = this.#x0 + cx * this.#side - eps;
        const right = left + this.#side + 2 * eps;
        ya = y0 + Math.min(1, Math.max(0, (left - x0) / dx)) * (y1 - y0);
        yb = y0 + Math.min(1, Math.max(0, (right - x0) / dx)) * (y1 - y0);
      }
      const cy1 = this.#row(Math.max(ya, yb) + eps);
      for (let cy = this.#row(Math.min(ya, yb) - eps); cy <= cy1; cy++) visit(cy * this.#columns + cx);
    }
  }
}

function doorRange(wall: Wall): { from: number; to: number; door: Door } | null {
  const door = wall.door;
  if (door === null) return null;
  const length = Math.hypot(wall.to[0] - wall.from[0], wall.to[1] - wall.from[1]);
  if (length === 0) return null;
  return { from: (door.atM - door.widthM / 2) / length, to: (door.atM + door.widthM / 2) / length, door };
}

/** A cell or another room, the box around it with some reach beyond, and its middle. */
export interface FloorRoom {
  readonly zone: Zone;
  readonly box: { readonly x0: number; readonly y0: number; readonly x1: number; readonly y1: number };
  readonly middle: readonly [xM: number, yM: number];
}

/** Tunable parts of the propagation model; calibration overrides them. */
export interface PathLoss {
  /** Path-loss exponent n. */
  readonly exponent: number;
  /** Factor on all wall and door losses. */
  readonly wallFactor: number;
  /** Factor on slab losses. */
  readonly slabFactor: number;
}

/**
 * The plan of a site, ready for rays, at no band in particular. What rays meet doesn't depend on the band, so those of one
 * band are recorded and the next bands, which ask for the same ones in the same order, only read what they met.
 *
 * Memory: 4 bytes a ray recorded.
 */
export class PlanGeometry {
  readonly site: Site;
  readonly hasWalls: boolean;
  /** What was found of zones and their doors, by zone: indices into their floor's doors, and doors assumed where none is stated. */
  readonly doorsOfZone = new Map<string, readonly number[]>();
  readonly assumedDoors = new Map<string, DoorPoint | null>();
  /** Rooms by floor, as they are searched for doors. */
  readonly roomsOfFloor = new Map<number, readonly FloorRoom[]>();
  readonly #obstacles = new Obstacles();
  readonly #floors: PlanFloor[];
  readonly #sets = new CrossingSets();
  readonly #counts: Int32Array;
  /** What each class takes at any of the bands, at least and at most, and each set at the most; dB. */
  readonly #lowestDb: Float64Array;
  readonly #highestDb: Float64Array;
  #setHighestDb: Float64Array = new Float64Array(0);
  #setsKnown = 0;
  #met = new Uint32Array(0);
  #recorded = 0;
  #complete = false;

  constructor(site: Site) {
    this.site = site;
    this.hasWalls = site.walls.length > 0;
    this.#floors = site.floors.map((floor) => planFloor(site, floor, this.#obstacles));
    this.#counts = new Int32Array(this.#obstacles.count);
    this.#lowestDb = new Float64Array(this.#obstacles.count).fill(Number.POSITIVE_INFINITY);
    this.#highestDb = new Float64Array(this.#obstacles.count).fill(Number.NEGATIVE_INFINITY);
    for (const band of site.bands) this.#span(this.lossesDb(band));
  }

  #span(lossesDb: Float64Array): void {
    lossesDb.forEach((db, k) => {
      this.#lowestDb[k] = Math.min(this.#lowestDb[k]!, db);
      this.#highestDb[k] = Math.max(this.#highestDb[k]!, db);
    });
  }

  /** Losses at a band that will ask for rays. Throws where rays were recorded that end where it may not want them to. */
  askedAt(band: Band): Float64Array {
    const lossesDb = this.lossesDb(band);
    const known = lossesDb.every((db, k) => db >= this.#lowestDb[k]! && db <= this.#highestDb[k]!);
    if (!known && this.#recorded > 0) throw new Error(`rays were recorded without ${band.id}`);
    this.#span(lossesDb);
    return lossesDb;
  }

  /** What a set of crossings takes at the most, at any band. */
  highestDb(set: number): number {
    if (set >= this.#setsKnown) {
      this.#setHighestDb = this.setLossesDb(this.#highestDb, this.#setHighestDb, this.#setsKnown);
      this.#setsKnown = this.setCount;
    }
    return this.#setHighestDb[set]!;
  }

  /** All rays of a walk are recorded; from now on `replayed` knows them. */
  complete(): void {
    this.#complete = true;
    this.#met = this.#met.slice(0, this.#recorded);
  }

  get isComplete(): boolean {
    return this.#complete;
  }

  /** What the n-th ray of the recorded walk met. */
  replayed(ray: number): number {
    if (ray >= this.#met.length) throw new Error("another walk than the one recorded");
    return this.#met[ray]!;
  }

  lossesDb(band: Band): Float64Array {
    return this.#obstacles.lossesDb(band);
  }

  get setCount(): number {
    return this.#sets.count;
  }

  /** Loss of every set of crossings met so far, those already `known` taken over. */
  setLossesDb(losses: Float64Array, known: Float64Array, knownCount: number): Float64Array {
    const count = this.#sets.count;
    let out = known;
    if (count > known.length) {
      out = new Float64Array(2 * count);
      out.set(known);
    }
    // A set comes after the one it adds a class to.
    for (let set = knownCount; set < count; set++) out[set] = this.#sets.lossDb(set, losses, out);
    return out;
  }

  doors(floor: number): readonly FloorDoor[] {
    return this.#floors[floor]!.doors;
  }

  /** Whether nothing stands between two points of a floor, no door either. Records nothing. */
  isClear(floor: number, ax: number, ay: number, bx: number, by: number): boolean {
    const counts = this.#counts.fill(0);
    this.#floors[floor]!.hash.cross(ax, ay, bx, by, counts, this.#lowestDb, Number.POSITIVE_INFINITY);
    return counts.every((n) => n === 0);
  }

  /**
   * Casts a ray and records what it meets: the index of a set of crossings. On one floor it ends where what was met takes
   * `enoughDb` at every band.
   */
  cast(
    floorA: number,
    ax: number,
    ay: number,
    az: number,
    floorB: number,
    bx: number,
    by: number,
    bz: number,
    enoughDb = Number.POSITIVE_INFINITY,
  ): number {
    const [counts, lowest] = [this.#counts.fill(0), this.#lowestDb];
    if (floorA === floorB || az === bz) this.#floors[floorA]!.hash.cross(ax, ay, bx, by, counts, lowest, enoughDb);
    else {
      const slabZ = az < bz ? this.#floors[floorB]!.zM : this.#floors[floorA]!.zM;
      const t = Math.min(1, Math.max(0, (slabZ - az) / (bz - az)));
      const mx = ax + t * (bx - ax);
      const my = ay + t * (by - ay);
      this.#floors[floorA]!.hash.cross(ax, ay, mx, my, counts, lowest, Number.POSITIVE_INFINITY);
      this.#floors[floorB]!.hash.cross(mx, my, bx, by, counts, lowest, Number.POSITIVE_INFINITY);
    }
    const set = this.#sets.of(counts);
    if (this.#complete) return set;
    if (this.#recorded === this.#met.length) {
      const grown = new Uint32Array(Math.max(1024, 2 * this.#met.length));
      grown.set(this.#met);
      this.#met = grown;
    }
    this.#met[this.#recorded++] = set;
    return set;
  }
}

/** The plan at one band: losses of the rays that are asked for, in order. */
export class Plan {
  readonly #geometry: PlanGeometry;
  readonly #replay: boolean;
  readonly #losses: Float64Array;
  readonly #slabs: { zM: number; lossDb: number }[];
  readonly #doors: readonly (readonly DoorPoint[])[];
  #setLosses: Float64Array = new Float64Array(0);
  #known = 0;
  #ray = 0;
  readonly hasWalls: boolean;

  constructor(geometry: PlanGeometry, band: Band) {
    const { site } = geometry;
    this.#geometry = geometry;
    this.#replay = geometry.isComplete;
    this.hasWalls = geometry.hasWalls;
    this.#losses = geometry.askedAt(band);
    this.#slabs = site.floors
      .map((f) => ({ zM: f.zM, lossDb: slabLossAt(f, band) }))
      .sort((a, b) => a.zM - b.zM)
      .slice(1);
    this.#doors = site.floors.map((_, floor) =>
      geometry.doors(floor).map(({ kind, ...door }) => ({ ...door, lossDb: this.#losses[kind]! })),
    );
  }

  doors(floor: number): readonly DoorPoint[] {
    return this.#doors[floor]!;
  }

  /** Slabs between two heights, dB. */
  slabsBetween(za: number, zb: number): number {
    const lo = Math.min(za, zb);
    const hi = Math.max(za, zb);
    let loss = 0;
    for (const slab of this.#slabs) if (slab.zM > lo && slab.zM <= hi) loss += slab.lossDb;
    return loss;
  }

  /**
   * Walls between two points, dB. On one floor the floor's walls; between floors, the walls of the emitter's floor along the
   * part of the ray that lies on it and of the sensor's floor along the rest.
   */
  wallsBetween(
    floorA: number,
    ax: number,
    ay: number,
    az: number,
    floorB: number,
    bx: number,
    by: number,
    bz: number,
  ): number {
    if (!this.hasWalls) return 0;
    const geometry = this.#geometry;
    return this.#lossDb(
      this.#replay ? geometry.replayed(this.#ray++) : geometry.cast(floorA, ax, ay, az, floorB, bx, by, bz),
    );
  }

  /**
   * Walls between two points at one height of a floor, dB, or those up to a point on the way and `restDb` for what is beyond it,
   * whichever is less. Cost: the way only as far as that is not known.
   */
  wallsOrRest(
    floor: number,
    ax: number,
    ay: number,
    viaX: number,
    viaY: number,
    bx: number,
    by: number,
    zM: number,
    restDb: number,
  ): number {
    if (!this.hasWalls) return 0;
    const geometry = this.#geometry;
    let [near, whole] = [0, 0];
    if (this.#replay) {
      near = geometry.replayed(this.#ray++);
      whole = geometry.replayed(this.#ray++);
    } else {
      near = geometry.cast(floor, ax, ay, zM, floor, viaX, viaY, zM);
      whole = geometry.cast(floor, ax, ay, zM, floor, bx, by, zM, geometry.highestDb(near) + restDb);
    }
    return Math.min(this.#lossDb(near) + restDb, this.#lossDb(whole));
  }

  #lossDb(set: number): number {
    if (set >= this.#known) {
      this.#setLosses = this.#geometry.setLossesDb(this.#losses, this.#setLosses, this.#known);
      this.#known = this.#geometry.setCount;
    }
    return this.#setLosses[set]!;
  }
}

function planFloor(site: Site, floor: Floor, obstacles: Obstacles): PlanFloor {
  const walls: WallSegment[] = [];
  const doors: FloorDoor[] = [];
  for (const wall of site.walls) {
    if (wall.floor !== floor.id) continue;
    const wallKey = JSON.stringify([wall.material, wall.lossDb]);
    const wallLoss = (band: Band) => lossAt(wall.lossDb, wall.material, band);
    const kind = obstacles.intern(wallKey, wallLoss);
    let doorKind = kind;
    const range = doorRange(wall);
    const [x0, y0] = wall.from;
    const [x1, y1] = wall.to;
    if (range !== null) {
      const { lossDb, material } = range.door;
      const doorKey = JSON.stringify([material ?? "steel-door", lossDb]);
      const doorLoss = (band: Band) => lossAt(lossDb, material ?? "steel-door", band);
      // Through the doorway the door stands in the way or, where it were the greater loss, the wall beside it.
      doorKind = obstacles.intern(`${doorKey} in ${wallKey}`, (band) => Math.min(doorLoss(band), wallLoss(band)));
      const u = (range.from + range.to) / 2;
      const length = Math.hypot(x1 - x0, y1 - y0);
      const [nx, ny] = [(y1 - y0) / length, (x0 - x1) / length];
      const at = { xM: x0 + u * (x1 - x0), yM: y0 + u * (y1 - y0), nx, ny };
      doors.push({ ...at, kind: obstacles.intern(doorKey, doorLoss) });
    }
    walls.push({ x0, y0, x1, y1, kind, doorFrom: range?.from ?? 2, doorTo: range?.to ?? -1, doorKind });
  }
  return { zM: floor.zM, walls, doors, hash: new WallHash(walls, 4) };
}

/** 10 log10 of the mantissas from 1 to 2, one more than a power of two of them; linear between to 1e-6 dB. */
const MANTISSA_BITS = 11;
const MANTISSAS = Float64Array.from(
  { length: (1 << MANTISSA_BITS) + 1 },
  (_, i) => 10 * Math.log10(1 + i / (1 << MANTISSA_BITS)),
);
const TWICE_DB = 10 * Math.log10(2);
const number = new Float64Array([1]);
const words = new Uint32Array(number.buffer);
/** Which half of a double holds the exponent, by the machine's byte order. */
const HIGH_WORD = words[1] === 0 ? 0 : 1;
/** Bits of the mantissa that are in that half, and those of them between two table values. */
const HIGH_BITS = 20;
const BETWEEN_BITS = HIGH_BITS - MANTISSA_BITS;

/** 10 log10 of a positive normal number, to 1e-5 dB: paths are counted by the million. */
export function decibels(x: number): number {
  number[0] = x;
  const high = words[HIGH_WORD]!;
  const i = (high >>> BETWEEN_BITS) & ((1 << MANTISSA_BITS) - 1);
  const share = (high & ((1 << BETWEEN_BITS) - 1)) / (1 << BETWEEN_BITS);
  return ((high >>> HIGH_BITS) - 1023) * TWICE_DB + MANTISSAS[i]! + share * (MANTISSAS[i + 1]! - MANTISSAS[i]!);
}

/** 10 n log10 of a distance, dB, flat below the near field. */
export function distanceLossDb(exponent: number, dM: number): number {
  return exponent * decibels(dM > NEAREST_M ? dM : NEAREST_M);
}

/** What the weaker of two powers adds, by how far it is below, 0 to 50 dB; linear between to 1e-5 dB. */
const WEAKER_STEPS = 32;
const MOST_APART_DB = 50;
const WEAKER = Float64Array.from(
  { length: MOST_APART_DB * WEAKER_STEPS + 2 },
  (_, i) => 10 * Math.log10(1 + 10 ** (-i / WEAKER_STEPS / 10)),
);

/** Power sum of two gains in dB, to 1e-4 dB. */
export function addPowersDb(aDb: number, bDb: number): number {
  const top = aDb > bDb ? aDb : bDb;
  const x = Math.abs(aDb - bDb) * WEAKER_STEPS;
  // The weaker one adds less than a ten-thousandth of a dB.
  if (!(x < MOST_APART_DB * WEAKER_STEPS)) return top;
  const i = x | 0;
  return top + WEAKER[i]! + (x - i) * (WEAKER[i + 1]! - WEAKER[i]!);
}
