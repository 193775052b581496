/**
 * The blocks of the localisation tables: two floors of two rows of twenty cells, eight sensor layouts, and the exact Bayesian
 * that is told every parameter. No localiser can beat its rate of right cells; it is the limit others are measured by.
 *
 * The propagation here is this file's own: what it shares with the localiser is physics, not code.
 */
import type { Door, SensorSite, Site, Wall, Zone } from "../src/model.ts";

export const LAYOUTS = ["stag/4", "mid/2", "stag/2", "pair/2", "stag/1", "chase/2", "door", "cell"] as const;
export type Layout = (typeof LAYOUTS)[number];

export interface BlockParams {
  readonly exponent: number;
  /** Between cells, between cell and corridor, between floors. */
  readonly partyDb: number;
  readonly frontDb: number;
  readonly slabDb: number;
  readonly doorDb: number;
  readonly shadowDb: number;
  readonly shadowTxM: number;
  readonly shadowRxM: number;
  readonly fadingDb: number;
  readonly looks: number;
  readonly powerMeanDbm: number;
  readonly powerSdDb: number;
}

export const BASE_BLOCK: BlockParams = {
  exponent: 2,
  partyDb: 12,
  frontDb: 10,
  slabDb: 18,
  doorDb: 20,
  shadowDb: 6,
  shadowTxM: 2,
  shadowRxM: 3,
  fadingDb: 4,
  looks: 10,
  powerMeanDbm: -36,
  powerSdDb: 15,
};
export const HARD_BLOCK: BlockParams = {
  ...BASE_BLOCK,
  partyDb: 8,
  frontDb: 8,
  slabDb: 12,
  shadowDb: 9,
  shadowRxM: 6,
  looks: 3,
};

const COLUMNS = 20;
const CELL_W = 2.5;
const CELL_D = 4;
const CORRIDOR_D = 3;
const STOREY = 3.2;
const FLOORS = 2;
const PHONE_Z = 1.2;
const SENSOR_Z = 2.5;
/** Positions of a cell: 4 by 6, every 0.65 m or so. */
const NX = 4;
const NY = 6;
export const CELLS = FLOORS * 2 * COLUMNS;
export const PER_CELL = NX * NY;

interface Point {
  readonly x: number;
  readonly y: number;
  readonly z: number;
  readonly floor: number;
}

export interface Block {
  readonly params: BlockParams;
  readonly site: Site;
  readonly sensors: readonly Point[];
  /** Positions of cell k are `k * PER_CELL ..`. */
  readonly positions: readonly Point[];
  /** positions * sensors, dB. */
  readonly gain: Float64Array;
}

export const cellId = (k: number): string => `c${String(k).padStart(2, "0")}`;

/** Row 0 lies below the corridor (y 0..4), row 1 above it (y 7..11). */
const rowOf = (k: number): number => Math.floor(k / COLUMNS) % 2;
const columnOf = (k: number): number => k % COLUMNS;
const floorOf = (k: number): number => Math.floor(k / (2 * COLUMNS));
const doorX = (k: number): number => (columnOf(k) + 0.5) * CELL_W;
const doorY = (k: number): number => (rowOf(k) === 0 ? CELL_D : CELL_D + CORRIDOR_D);

function layoutSensors(layout: Layout): Point[] {
  const sensors: Point[] = [];
  const low = CELL_D + 0.2;
  const high = CELL_D + CORRIDOR_D - 0.2;
  for (let floor = 0; floor < FLOORS; floor++) {
    const z = floor * STOREY + SENSOR_Z;
    const add = (column: number, y: number): void => {
      sensors.push({ x: (column + 0.5) * CELL_W, y, z, floor });
    };
    for (let c = 0; c < COLUMNS; c++) {
      if (layout === "stag/4" && c % 4 === 1) add(c, c % 8 < 4 ? low : high);
      if (layout === "stag/2" && c % 2 === 0) add(c, c % 4 < 2 ? low : high);
      if (layout === "stag/1") add(c, c % 2 === 0 ? low : high);
      if (layout === "mid/2" && c % 2 === 0) add(c, CELL_D + CORRIDOR_D / 2);
      if ((layout === "pair/2" && c % 2 === 0) || layout === "door") {
        add(c, low);
        add(c, high);
      }
      if (layout === "chase/2" && c % 2 === 0) {
        add(c, -0.5);
        add(c, 2 * CELL_D + CORRIDOR_D + 0.5);
      }
      if (layout === "cell") {
        add(c, CELL_D / 2);
        add(c, CELL_D * 1.5 + CORRIDOR_D);
      }
    }
  }
  return sensors;
}

/** Which row a point is in: -1 below all cells (duct), 0 lower cells, 1 corridor, 2 upper cells, 3 upper duct. */
function stripOf(y: number): number {
  if (y < 0) return -1;
  if (y < CELL_D) return 0;
  if (y <= CELL_D + CORRIDOR_D) return 1;
  return y <= 2 * CELL_D + CORRIDOR_D ? 2 : 3;
}

/** Walls of the straight ray: fronts and backs by strips, party walls by columns while inside a row of cells. */
function straightWalls(p: BlockParams, a: Point, b: Point): number {
  let loss = 0;
  for (const y of [0, CELL_D, CELL_D + CORRIDOR_D, 2 * CELL_D + CORRIDOR_D]) {
    if (a.y < y !== b.y < y) loss += p.frontDb;
  }
  const dx = b.x - a.x;
  for (let c = 0; c <= COLUMNS; c++) {
    const x = c * CELL_W;
    if (a.x < x === b.x < x) continue;
    const strip = stripOf(a.y + ((x - a.x) / dx) * (b.y - a.y));
    if (strip === 0 || strip === 2) loss += p.partyDb;
  }
  return loss + p.slabDb * Math.abs(a.floor - b.floor);
}

function distanceLoss(p: BlockParams, d: number): number {
  return 10 * p.exponent * Math.log10(Math.max(d, 0.7));
}

/** Straight path and the way through the doors, added as powers. */
function pathGain(p: BlockParams, cell: number, a: Point, b: Point): number {
  const straight = -distanceLoss(p, Math.hypot(a.x - b.x, a.y - b.y, a.z - b.z)) - straightWalls(p, a, b);
  const own = { x: doorX(cell), y: doorY(cell) };
  const strip = stripOf(b.y);
  const toDoor = Math.hypot(a.x - own.x, a.y - own.y);
  const slab = p.slabDb * Math.abs(a.floor - b.floor);
  let around: number;
  // From the door on through the corridor's air; into another cell by its door.
  if (strip === 1) {
    const length = toDoor + Math.hypot(own.x - b.x, own.y - b.y, a.z - b.z);
    around = -distanceLoss(p, length) - p.doorDb - slab;
  } else if (strip === 0 || strip === 2) {
    const column = Math.min(COLUMNS - 1, Math.max(0, Math.floor(b.x / CELL_W)));
    const same = column === columnOf(cell) && (strip === 0) === (rowOf(cell) === 0) && b.floor === a.floor;
    if (same) return straight;
    const other = { x: (column + 0.5) * CELL_W, y: strip === 0 ? CELL_D : CELL_D + CORRIDOR_D };
    const length =
      toDoor + Math.hypot(own.x - other.x, own.y - other.y, a.z - b.z) + Math.hypot(other.x - b.x, other.y - b.y);
    around = -distanceLoss(p, length) - 2 * p.doorDb - slab;
  } else {
    // To a duct: out of the door, then straight on through what lies between.
    const inCorridor = { ...a, x: own.x, y: own.y + (rowOf(cell) === 0 ? 1e-6 : -1e-6) };
    const length = toDoor + Math.hypot(own.x - b.x, own.y - b.y, a.z - b.z);
    around = -distanceLoss(p, length) - p.doorDb - straightWalls(p, inCorridor, b);
  }
  return 10 * Math.log10(10 ** (straight / 10) + 10 ** (around / 10));
}

function siteOf(params: BlockParams, sensors: readonly Point[]): Site {
  const zones: Zone[] = [];
  const walls: Wall[] = [];
  for (let f = 0; f < FLOORS; f++) {
    const floor = String(f);
    const top = 2 * CELL_D + CORRIDOR_D;
    const wall = (x0: number, y0: number, x1: number, y1: number, lossDb: number, door: Door | null = null): void => {
      walls.push({ floor, from: [x0, y0], to: [x1, y1], material: null, lossDb, door });
    };
    for (let row = 0; row < 2; row++) {
      const y0 = row === 0 ? 0 : CELL_D + CORRIDOR_D;
      const front = row === 0 ? CELL_D : CELL_D + CORRIDOR_D;
      const back = row === 0 ? 0 : top;
      for (let c = 0; c < COLUMNS; c++) {
        const x = c * CELL_W;
        const k = (f * 2 + row) * COLUMNS + c;
        const polygon = [
          [x, y0],
          [x + CELL_W, y0],
          [x + CELL_W, y0 + CELL_D],
          [x, y0 + CELL_D],
        ] as const;
        zones.push({ id: cellId(k), block: "b1", floor, kind: "cell", polygon, phones: "forbidden" });
        const door = { atM: CELL_W / 2, widthM: 0.9, material: "steel-door", lossDb: params.doorDb };
        wall(x, front, x + CELL_W, front, params.frontDb, door);
        wall(x, back, x + CELL_W, back, params.frontDb);
        wall(x, y0, x, y0 + CELL_D, params.partyDb);
      }
      wall(COLUMNS * CELL_W, y0, COLUMNS * CELL_W, y0 + CELL_D, params.partyDb);
    }
  }
  return {
    id: "table-a",
    name: "Block of the localisation tables",
    timezone: "UTC",
    bands: [{ id: "lte800-ul", loHz: 832e6, hiHz: 862e6, tdd: false }],
    blocks: [{ id: "b1", name: "Block 1" }],
    floors: Array.from({ length: FLOORS }, (_, f) => ({
      id: String(f),
      level: f,
      zM: f * STOREY,
      heightM: 3,
      slabMaterial: null,
      slabLossDb: params.slabDb,
    })),
    zones,
    walls,
    sensors: sensors.map(
      (s, i): SensorSite => ({
        id: `s${i}`,
        block: "b1",
        floor: String(s.floor),
        type: "rf",
        positionM: [s.x, s.y, s.z],
        bands: ["lte800-ul"],
        method: null,
        place: null,
      }),
    ),
  };
}

/** Builds a block with its site file and the true gains. */
export function buildBlock(params: BlockParams, layout: Layout): Block {
  const sensors = layoutSensors(layout);
  const positions: Point[] = [];
  for (let k = 0; k < CELLS; k++) {
    const x0 = columnOf(k) * CELL_W;
    const y0 = rowOf(k) === 0 ? 0 : CELL_D + CORRIDOR_D;
    for (let i = 0; i < NX; i++) {
      for (let j = 0; j < NY; j++) {
        const floor = floorOf(k);
        const z = floor * STOREY + PHONE_Z;
        positions.push({ x: x0 + ((i + 0.5) / NX) * CELL_W, y: y0 + ((j + 0.5) / NY) * CELL_D, z, floor });
      }
    }
  }
  const gain = new Float64Array(positions.length * sensors.length);
  positions.forEach((p, i) => {
    sensors.forEach((s, j) => {
      gain[i * sensors.length + j] = pathGain(params, Math.floor(i / PER_CELL), p, s);
    });
  });
  return { params, site: siteOf(params, sensors), sensors, positions, gain };
}

/** Lower Cholesky factor, row by row; for this file's own matrices, which are positive definite. */
function lower(matrix: number[][]): number[][] {
  const l: number[][] = matrix.map((row) => row.map(() => 0));
  for (let i = 0; i < matrix.length; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i]![j]!;
      for (let k = 0; k < j; k++) sum -= l[i]![k]! * l[j]![k]!;
      l[i]![j] = i === j ? Math.sqrt(sum) : sum / l[j]![j]!;
    }
  }
  return l;
}

const distance = (a: Point, b: Point): number => Math.hypot(a.x - b.x, a.y - b.y, a.z - b.z);

function sensorCorrelation(block: Block): number[][] {
  return block.sensors.map((a) => block.sensors.map((b) => Math.exp(-distance(a, b) / block.params.shadowRxM)));
}

export interface Reading {
  readonly position: Point;
  readonly cell: number;
  readonly levelDbm: Float64Array;
}

/**
 * A world: shadowing drawn once for every position of interest, so that a walk test and a phone in the same place meet the
 * same shadowing. `normal` gives standard normal numbers.
 */
export class World {
  readonly block: Block;
  readonly #normal: () => number;
  readonly #sensorFactor: number[][];

  constructor(block: Block, normal: () => number) {
    this.block = block;
    this.#normal = normal;
    this.#sensorFactor = lower(sensorCorrelation(block));
  }

  /** Shadowing at points of one floor and neighbourhood, points * sensors; separable: points correlate over `shadowTxM`. */
  shadows(points: readonly Point[]): number[][] {
    const { shadowTxM, shadowDb } = this.block.params;
    const across = lower(
      points.map((a, i) => points.map((b, j) => (i === j ? 1 : Math.exp(-distance(a, b) / shadowTxM)))),
    );
    const count = this.block.sensors.length;
    const white = points.map(() => Array.from({ length: count }, () => this.#normal()));
    return points.map((_, i) => {
      const mixed = new Array<number>(count).fill(0);
      for (let k = 0; k <= i; k++) for (let s = 0; s < count; s++) mixed[s]! += across[i]![k]! * white[k]![s]!;
      return mixed.map((_, s) => {
        let sum = 0;
        for (let k = 0; k <= s; k++) sum += this.#sensorFactor[s]![k]! * mixed[k]!;
        return shadowDb * sum;
      });
    });
  }

  /** What the sensors hear of a phone of random power at a position with given shadowing. */
  burst(positionIndex: number, shadow: readonly number[]): Reading {
    const { params, gain, positions, sensors } = this.block;
    const power = params.powerMeanDbm + params.powerSdDb * this.#normal();
    const noise = params.fadingDb / Math.sqrt(params.looks);
    const levelDbm = Float64Array.from(
      sensors,
      (_, s) => power + gain[positionIndex * sensors.length + s]! + shadow[s]! + noise * this.#normal(),
    );
    return { position: positions[positionIndex]!, cell: Math.floor(positionIndex / PER_CELL), levelDbm };
  }
}

/** A walk-test reading: where, and the measured excess over the plan's gain at known power, per sensor. */
export interface WalkPoint {
  readonly positionIndex: number;
  readonly excessDb: readonly number[];
}

/** The exact Bayesian: told all parameters, the true gains, and the walk test's noise. */
export class Limit {
  readonly #block: Block;
  readonly #factors: number[][][] = [];
  readonly #classOf: Int32Array;
  readonly #mean: Float64Array;

  /** `walkNoiseDb`: standard deviation of a walk reading around gain + shadowing. */
  constructor(block: Block, walk: readonly WalkPoint[] = [], walkNoiseDb = 2) {
    this.#block = block;
    const { params, positions, sensors } = block;
    const s2 = params.shadowDb ** 2;
    const correlation = sensorCorrelation(block);
    this.#mean = block.gain.slice();
    this.#classOf = new Int32Array(positions.length);
    const left = positions.map((p, i) => this.#conditional(p, i, walk, walkNoiseDb));
    const fading2 = params.fadingDb ** 2 / params.looks;
    const known = new Map<number, number>();
    left.forEach((v, i) => {
      // Shadowing left, in steps of a fortieth of its variance: exact enough, and few enough to factor.
      const key = Math.round(v * 40);
      let index = known.get(key);
      if (index === undefined) {
        index = this.#factors.length;
        known.set(key, index);
        const c = correlation.map((row, a) =>
          row.map((r, b) => (key / 40) * s2 * r + params.powerSdDb ** 2 + (a === b ? fading2 + 1e-6 : 0)),
        );
        this.#factors.push(lower(c));
      }
      this.#classOf[i] = index;
    });
    void sensors;
  }

  /**
   * Conditions the shadowing at one position on the walk points within reach; returns the share of variance left. The noise
   * is independent between sensors while shadowing is not; sensors are conditioned one by one, which is exact for
   * uncorrelated sensors and close to it at 2 dB of noise.
   */
  #conditional(p: Point, index: number, walk: readonly WalkPoint[], noiseDb: number): number {
    const { shadowTxM, shadowDb } = this.#block.params;
    const count = this.#block.sensors.length;
    const near = walk.filter((w) => {
      const q = this.#block.positions[w.positionIndex]!;
      return q.floor === p.floor && distance(p, q) < 4 * shadowTxM;
    });
    if (near.length === 0) return 1;
    const at = near.map((w) => this.#block.positions[w.positionIndex]!);
    const ratio = (noiseDb / shadowDb) ** 2;
    const l = lower(at.map((a, i) => at.map((b, j) => Math.exp(-distance(a, b) / shadowTxM) + (i === j ? ratio : 0))));
    const k = at.map((a) => Math.exp(-distance(a, p) / shadowTxM));
    const weights = solve(l, k);
    for (let s = 0; s < count; s++) {
      let shift = 0;
      near.forEach((w, i) => {
        shift += weights[i]! * w.excessDb[s]!;
      });
      this.#mean[index * count + s]! += shift;
    }
    return Math.max(0, 1 - k.reduce((sum, v, i) => sum + v * weights[i]!, 0));
  }

  /** Posterior over cells. */
  posterior(levelDbm: ArrayLike<number>): Float64Array {
    const { params, positions, sensors } = this.#block;
    const n = sensors.length;
    const log = new Float64Array(positions.length);
    const z = new Float64Array(n);
    for (let p = 0; p < positions.length; p++) {
      const l = this.#factors[this.#classOf[p]!]!;
      let square = 0;
      let det = 0;
      for (let i = 0; i < n; i++) {
        const row = l[i]!;
        let sum = levelDbm[i]! - params.powerMeanDbm - this.#mean[p * n + i]!;
        for (let k = 0; k < i; k++) sum -= row[k]! * z[k]!;
        z[i] = sum / row[i]!;
        square += z[i]! * z[i]!;
        det += Math.log(row[i]!);
      }
      log[p] = -square / 2 - det;
    }
    const top = log.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    const cells = new Float64Array(CELLS);
    let total = 0;
    for (let p = 0; p < positions.length; p++) {
      const w = Math.exp(log[p]! - top);
      cells[Math.floor(p / PER_CELL)]! += w;
      total += w;
    }
    return cells.map((v) => v / total);
  }
}

function solve(l: number[][], b: readonly number[]): number[] {
  const x = [...b];
  for (let i = 0; i < x.length; i++) {
    for (let k = 0; k < i; k++) x[i]! -= l[i]![k]! * x[k]!;
    x[i]! /= l[i]![i]!;
  }
  for (let i = x.length - 1; i >= 0; i--) {
    for (let k = i + 1; k < x.length; k++) x[i]! -= l[k]![i]! * x[k]!;
    x[i]! /= l[i]![i]!;
  }
  return x;
}
