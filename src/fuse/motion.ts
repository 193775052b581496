/**
 * How an emitter moves between observations: a random walk over candidates, slow through walls, slower between floors.
 */
import type { Site } from "../model.ts";
import type { Grid } from "./grid.ts";
import { crossesWall, type OpenWall, openWalls } from "./passage.ts";

/** Variance of a walk's position per second, square metres, along each axis: a carried phone that pauses and turns. */
const WALK_M2_PER_S = 0.15;
/** Share of a step that passes a wall without a door: plans are wrong, and doors are missing in them. */
const WALL_PASS = 0.02;
/** Probability per second of being anywhere else: stairs, plans that are wrong, another emitter of the same kind. */
const JUMP_PER_S = 0.002;
/** At most so many diffusion steps a call. */
const MOST_STEPS = 240;

/** Motion over one grid; jumps land as the prior says. Holds scratch space: one at a time. */
export class Motion {
  readonly #grid: Grid;
  readonly #from: Int32Array;
  readonly #to: Int32Array;
  readonly #rate: Float64Array;
  readonly #degree: Float64Array;
  readonly #mean: Float64Array;
  readonly #a: Float64Array;
  readonly #b: Float64Array;
  /** Variance of one diffusion step at full coupling, square metres. */
  readonly #step2: number;

  constructor(site: Site, grid: Grid, logPrior: Float64Array) {
    this.#grid = grid;
    const edges = neighbours(site, grid);
    this.#from = Int32Array.from(edges.from);
    this.#to = Int32Array.from(edges.to);
    this.#rate = Float64Array.from(edges.rate);
    this.#degree = new Float64Array(grid.size);
    let largest = 0;
    for (let e = 0; e < this.#from.length; e++) {
      this.#degree[this.#from[e]!]! += this.#rate[e]!;
      this.#degree[this.#to[e]!]! += this.#rate[e]!;
    }
    for (let c = 0; c < grid.size; c++) largest = Math.max(largest, this.#degree[c]!);
    // Rates are per second for a walk of unit variance; one explicit step stays stable while step * degree <= 1/2.
    this.#step2 = largest > 0 ? 0.5 / largest : Number.POSITIVE_INFINITY;
    this.#mean = logPrior.map(Math.exp);
    this.#a = new Float64Array(grid.size);
    this.#b = new Float64Array(grid.size);
  }

  /** Moves a log posterior on by `dtMs` in place and normalises it. `walk2` is the walk's variance per second and axis, m^2. */
  step(logPosterior: Float64Array, dtMs: number, walk2 = WALK_M2_PER_S): void {
    const seconds = Math.max(0, dtMs) / 1000;
    if (seconds === 0) return;
    const n = this.#grid.size;
    let p = this.#a;
    let q = this.#b;
    let top = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < n; c++) top = Math.max(top, logPosterior[c]!);
    let sum = 0;
    for (let c = 0; c < n; c++) {
      p[c] = top === Number.NEGATIVE_INFINITY ? 1 : Math.exp(logPosterior[c]! - top);
      sum += p[c]!;
    }
    const wanted = walk2 * seconds;
    const steps = Math.min(MOST_STEPS, Math.max(1, Math.ceil(wanted / this.#step2)));
    const each = Math.min(this.#step2, wanted / steps);
    for (let k = 0; k < steps; k++) {
      q.set(p);
      for (let e = 0; e < this.#from.length; e++) {
        const [i, j] = [this.#from[e]!, this.#to[e]!];
        const flow = each * this.#rate[e]! * (p[i]! - p[j]!);
        q[i]! -= flow;
        q[j]! += flow;
      }
      [p, q] = [q, p];
    }
    const jump = 1 - Math.exp(-JUMP_PER_S * seconds);
    for (let c = 0; c < n; c++) {
      logPosterior[c] = Math.log(Math.max((1 - jump) * (p[c]! / sum) + jump * this.#mean[c]!, 1e-300));
    }
  }
}

interface Edges {
  from: number[];
  to: number[];
  rate: number[];
}

/** Pairs of candidates on one floor that are next to each other, with the rate of passing between them. */
function neighbours(site: Site, grid: Grid): Edges {
  const edges: Edges = { from: [], to: [], rate: [] };
  const walls = site.floors.map((f) => openWalls(site, f.id));
  const reach = 1.6 * grid.stepM;
  const squares = new Map<string, number[]>();
  const key = (f: number, i: number, j: number): string => `${f}:${i}:${j}`;
  for (let c = 0; c < grid.size; c++) {
    const outside = grid.zones[grid.zone[c]!]!.kind === "outside" ? 1000 : 0;
    const k = key(grid.floor[c]! + outside, Math.floor(grid.xM[c]! / reach), Math.floor(grid.yM[c]! / reach));
    const list = squares.get(k);
    if (list) list.push(c);
    else squares.set(k, [c]);
  }
  for (let c = 0; c < grid.size; c++) {
    const outside = grid.zones[grid.zone[c]!]!.kind === "outside" ? 1000 : 0;
    const [i, j] = [Math.floor(grid.xM[c]! / reach), Math.floor(grid.yM[c]! / reach)];
    for (let di = -1; di <= 1; di++) {
      for (let dj = -1; dj <= 1; dj++) {
        for (const other of squares.get(key(grid.floor[c]! + outside, i + di, j + dj)) ?? []) {
          if (other > c) addEdge(grid, walls[grid.floor[c]!]!, reach, c, other, edges);
        }
      }
    }
  }
  return edges;
}

function addEdge(grid: Grid, walls: OpenWall[], reach: number, a: number, b: number, edges: Edges): void {
  const dx = grid.xM[a]! - grid.xM[b]!;
  const dy = grid.yM[a]! - grid.yM[b]!;
  const d2 = dx * dx + dy * dy;
  if (d2 > reach * reach) return;
  const blocked = crossesWall(walls, grid.xM[a]!, grid.yM[a]!, grid.xM[b]!, grid.yM[b]!);
  edges.from.push(a);
  edges.to.push(b);
  // On a square grid with eight neighbours at distances h and h sqrt 2, rate 1/(6 h^2) each gives unit variance per axis.
  edges.rate.push((blocked ? WALL_PASS : 1) / (6 * grid.stepM * grid.stepM));
}
