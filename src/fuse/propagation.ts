/**
 * Expected path gain from the plan: distance, walls, slabs, and the way round through doors.
 *
 * Straight path: 10 n log10(d) plus the losses of the walls and slabs it crosses (COST 231 multi-wall). Door path: from the
 * emitter through the door of its room, from there straight on (through the door of the sensor's room, where the sensor is
 * in one), with the walls and slabs left on those legs. Both are added as powers, because behind concrete the way through
 * the door is the stronger one. Without the door path, walls several rooms away look far more telling than they are.
 */
import type { Band, Door, Floor, LossDb, Site, Wall } from "../model.ts";

/** Near field and body: closer than this, distance says nothing more. */
const NEAREST_M = 0.7;
/** A gap-leaking steel door; ranges of 10 to 20 dB are seen. */
const STEEL_DOOR_DB = 15;
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
  readonly lossDb: number;
  readonly doorFrom: number;
  readonly doorTo: number;
  readonly doorLossDb: number;
}

export interface DoorPoint {
  readonly xM: number;
  readonly yM: number;
  readonly lossDb: number;
  readonly wall: number;
  /** Unit normal of its wall, either side. */
  readonly nx: number;
  readonly ny: number;
}

interface PlanFloor {
  readonly zM: number;
  readonly walls: readonly WallSegment[];
  readonly doors: readonly DoorPoint[];
  readonly hash: WallHash;
}

/** Walls by square of the plan, so that a ray looks only at those near it. */
class WallHash {
  readonly #side: number;
  readonly #x0: number;
  readonly #y0: number;
  readonly #columns: number;
  readonly #rows: number;
  readonly #cells: (number[] | undefined)[];
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
    this.#cells = new Array(this.#columns * this.#rows);
    this.#stamp = new Int32Array(walls.length);
    walls.forEach((w, i) => {
      this.#walk(w.x0, w.y0, w.x1, w.y1, (cell) => {
        let list = this.#cells[cell];
        if (list === undefined) {
          list = [];
          this.#cells[cell] = list;
        }
        list.push(i);
      });
    });
  }

  /** Calls `visit` with each wall near the ray, once. */
  near(x0: number, y0: number, x1: number, y1: number, visit: (wall: number) => void): void {
    const ray = ++this.#ray;
    this.#walk(x0, y0, x1, y1, (cell) => {
      const list = this.#cells[cell];
      if (list === undefined) return;
      for (const wall of list) {
        if (this.#stamp[wall] === ray) continue;
        this.#stamp[wall] = ray;
        visit(wall);
      }
    });
  }

  /** Squares that a segment touches, column by column, with a margin of one part in a thousand. */
  #walk(x0: number, y0: number, x1: number, y1: number, visit: (cell: number) => void): void {
    const eps = this.#side * 1e-3;
    const cx0 = Math.max(0, Math.floor((Math.min(x0, x1) - eps - this.#x0) / this.#side));
    const cx1 = Math.min(this.#columns - 1, Math.floor((Math.max(x0, x1) + eps - this.#x0) / this.#side));
    const dx = x1 - x0;
    for (let cx = cx0; cx <= cx1; cx++) {
      let ya = y0;
      let yb = y1;
      if (Math.abs(dx) > eps) {
        const left = this.#x0 + cx * this.#side - eps;
        const right = left + this.#side + 2 * eps;
        const t0 = Math.min(1, Math.max(0, (left - x0) / dx));
        const t1 = Math.min(1, Math.max(0, (right - x0) / dx));
        ya = y0 + t0 * (y1 - y0);
        yb = y0 + t1 * (y1 - y0);
      }
      const cy0 = Math.max(0, Math.floor((Math.min(ya, yb) - eps - this.#y0) / this.#side));
      const cy1 = Math.min(this.#rows - 1, Math.floor((Math.max(ya, yb) + eps - this.#y0) / this.#side));
      for (let cy = cy0; cy <= cy1; cy++) visit(cy * this.#columns + cx);
    }
  }
}

/** Where along wall `w` (0..1) the segment crosses it; NaN where it doesn't. Touching an end counts half-open, so that a ray through a joint meets one wall. */
function crossing(w: WallSegment, ax: number, ay: number, bx: number, by: number): number {
  const rx = bx - ax;
  const ry = by - ay;
  const sx = w.x1 - w.x0;
  const sy = w.y1 - w.y0;
  const cross = rx * sy - ry * sx;
  if (cross === 0) return Number.NaN;
  const qx = w.x0 - ax;
  const qy = w.y0 - ay;
  const t = (qx * sy - qy * sx) / cross;
  const u = (qx * ry - qy * rx) / cross;
  return t > 1e-9 && t < 1 - 1e-9 && u >= 0 && u < 1 ? u : Number.NaN;
}

function doorRange(wall: Wall): { from: number; to: number; door: Door } | null {
  const door = wall.door;
  if (door === null) return null;
  const length = Math.hypot(wall.to[0] - wall.from[0], wall.to[1] - wall.from[1]);
  if (length === 0) return null;
  return { from: (door.atM - door.widthM / 2) / length, to: (door.atM + door.widthM / 2) / length, door };
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

/** The plan of a site at one band, ready for rays. Stateless between calls but for scratch marks. */
export class Plan {
  readonly #floors: PlanFloor[];
  readonly #slabs: { zM: number; lossDb: number }[];
  readonly hasWalls: boolean;

  constructor(site: Site, band: Band) {
    this.hasWalls = site.walls.length > 0;
    this.#slabs = site.floors
      .map((f) => ({ zM: f.zM, lossDb: slabLossAt(f, band) }))
      .sort((a, b) => a.zM - b.zM)
      .slice(1);
    this.#floors = site.floors.map((floor) => planFloor(site, floor, band));
  }

  doors(floor: number): readonly DoorPoint[] {
    return this.#floors[floor]!.doors;
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
    if (floorA === floorB || az === bz) return this.#onFloor(floorA, ax, ay, bx, by);
    const slabZ = az < bz ? this.#floors[floorB]!.zM : this.#floors[floorA]!.zM;
    const t = Math.min(1, Math.max(0, (slabZ - az) / (bz - az)));
    const mx = ax + t * (bx - ax);
    const my = ay + t * (by - ay);
    return this.#onFloor(floorA, ax, ay, mx, my) + this.#onFloor(floorB, mx, my, bx, by);
  }

  #onFloor(floor: number, ax: number, ay: number, bx: number, by: number): number {
    const plan = this.#floors[floor]!;
    let loss = 0;
    plan.hash.near(ax, ay, bx, by, (i) => {
      const wall = plan.walls[i]!;
      const u = crossing(wall, ax, ay, bx, by);
      if (Number.isNaN(u)) return;
      loss += u >= wall.doorFrom && u <= wall.doorTo ? Math.min(wall.doorLossDb, wall.lossDb) : wall.lossDb;
    });
    return loss;
  }
}

function planFloor(site: Site, floor: Floor, band: Band): PlanFloor {
  const walls: WallSegment[] = [];
  const doors: DoorPoint[] = [];
  for (const wall of site.walls) {
    if (wall.floor !== floor.id) continue;
    const range = doorRange(wall);
    const doorLossDb = range === null ? 0 : lossAt(range.door.lossDb, range.door.material ?? "steel-door", band);
    const [x0, y0] = wall.from;
    const [x1, y1] = wall.to;
    if (range !== null) {
      const u = (range.from + range.to) / 2;
      const length = Math.hypot(x1 - x0, y1 - y0);
      const [nx, ny] = [(y1 - y0) / length, (x0 - x1) / length];
      doors.push({ xM: x0 + u * (x1 - x0), yM: y0 + u * (y1 - y0), lossDb: doorLossDb, wall: walls.length, nx, ny });
    }
    const lossDb = lossAt(wall.lossDb, wall.material, band);
    walls.push({ x0, y0, x1, y1, lossDb, doorFrom: range?.from ?? 2, doorTo: range?.to ?? -1, doorLossDb });
  }
  return { zM: floor.zM, walls, doors, hash: new WallHash(walls, 4) };
}

/** 10 n log10 of a distance, dB, flat below the near field. */
export function distanceLossDb(exponent: number, dM: number): number {
  return 10 * exponent * Math.log10(Math.max(dM, NEAREST_M));
}

/** Power sum of two gains in dB. */
export function addPowersDb(aDb: number, bDb: number): number {
  const top = Math.max(aDb, bDb);
  return top + 10 * Math.log10(1 + 10 ** (-Math.abs(aDb - bDb) / 10));
}
