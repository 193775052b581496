/**
 * The localiser beside the exact Bayesian on the blocks of the localisation tables: share of right cells from the plan alone,
 * and after one noisy walk-test reading a cell with a tenth of the cells skipped. `wrong` gives the localiser plans that are
 * wrong: walls and slabs off by half, or doors left out, or both, and says at the end how often cells of a stated probability
 * were the right one.
 * From the plan alone a trial does not count whether a named cell was the right one, but how probable it is by the levels, which the
 * exact Bayesian of the same block says: the same in the mean (Rao and Blackwell) with less chance, and cells that cannot be told
 * apart, as those that face each other across sensors in the middle, do not go by the last bit. A walk's limit is not quite exact:
 * there the right ones are counted.
 * Run: node bin/bench.js tablea [trials] [base|hard|walk|walkhard|wrong] [layout]
 */

import {
  BASE_BLOCK,
  type Block,
  buildBlock,
  CELLS,
  cellId,
  HARD_BLOCK,
  LAYOUTS,
  type Layout,
  Limit,
  PER_CELL,
  type WalkPoint,
  World,
} from "../../simulator/table-a.ts";
import { fitBand, type LabelledPoint } from "../../src/fuse/fit.ts";
import { Locator, type Observation } from "../../src/fuse/locate.ts";
import type { Calibration, LossDb, Site } from "../../src/model.ts";
import { boxMuller, mulberry32 } from "../support/noise.ts";

const BAND = "lte800-ul";
const WALK_NOISE_DB = 2;

/** Box-Muller on a seeded generator. */
export function normals(seed: number): () => number {
  const next = mulberry32(seed);
  return () => boxMuller(next);
}

export interface Row {
  readonly limit: number;
  readonly ours: number;
  /** Half of the 95 % interval of ours less the limit's, paired. */
  readonly half: number;
  readonly stated: number;
  readonly trials: number;
}

/** What the localiser is told of a block. */
export const PLANS = {
  right: (site: Site): Site => site,
  half: (site: Site): Site => ({
    ...site,
    walls: site.walls.map((w) => ({ ...w, lossDb: halved(w.lossDb) })),
    floors: site.floors.map((f) => ({ ...f, slabLossDb: f.slabLossDb === null ? null : f.slabLossDb / 2 })),
  }),
  double: (site: Site): Site => ({
    ...site,
    walls: site.walls.map((w) => ({ ...w, lossDb: typeof w.lossDb === "number" ? w.lossDb * 1.5 : w.lossDb })),
  }),
  shut: (site: Site): Site => ({ ...site, walls: site.walls.map((w) => ({ ...w, door: null })) }),
  both: (site: Site): Site => PLANS.shut(PLANS.half(site)),
} as const;
export type PlanKind = keyof typeof PLANS;

function halved(loss: LossDb): LossDb {
  return typeof loss === "number" ? loss / 2 : loss;
}

/** Number of a cell by its id. */
export const NUMBER_OF: ReadonlyMap<string, number> = new Map(
  Array.from({ length: CELLS }, (_, k) => [cellId(k), k] as const),
);

/** Cells by tenths of their stated probability: how many, the sum of what was stated, how many were right. */
export type Tenths = [count: number, stated: number, right: number][];

export function emptyTenths(): Tenths {
  return Array.from({ length: 10 }, () => [0, 0, 0]);
}

function observe(block: Block, levelDbm: Float64Array): Observation {
  const sigmaDb = block.params.fadingDb / Math.sqrt(block.params.looks);
  const sensors = Array.from(levelDbm, (level, s) => ({ sensor: `s${s}`, levelDbm: level, floorDbm: -150, sigmaDb }));
  return { tMs: 0, band: BAND, sensors };
}

function argMax(p: Float64Array): number {
  let best = 0;
  for (let k = 1; k < p.length; k++) if (p[k]! > p[best]!) best = k;
  return best;
}

function tally(
  locator: Locator,
  limit: Limit,
  block: Block,
  levelDbm: Float64Array,
  /** Where the phone is; null: told by the limit's posterior. */
  cell: number | null,
  sums: number[],
  tenths?: Tenths,
): void {
  const all = limit.posterior(levelDbm);
  const right = (k: number | undefined): number => (k === undefined ? 0 : cell === null ? all[k]! : Number(k === cell));
  const best = right(argMax(all));
  sums[0]! += best;
  const log = new Float64Array(locator.size);
  locator.logLikelihood(observe(block, levelDbm), log);
  const prior = locator.logPrior();
  for (let c = 0; c < log.length; c++) log[c]! += prior[c]!;
  const { candidates } = locator.fix(log);
  const top = candidates[0];
  for (const { cell: id, p } of candidates) {
    const tenth = tenths?.[Math.min(9, Math.floor(10 * p))];
    if (tenth === undefined) continue;
    tenth[0]++;
    tenth[1] += p;
    tenth[2] += right(NUMBER_OF.get(id));
  }
  const named = right(NUMBER_OF.get(top?.cell ?? ""));
  sums[1]! += named;
  sums[2]! += top?.p ?? 0;
  sums[3]! += (best - named) ** 2;
}

function rowOf(sums: readonly number[], trials: number): Row {
  const [limit, ours, stated, squares] = sums.map((sum) => sum / trials);
  const half = 1.96 * Math.sqrt(Math.max(0, squares! - (limit! - ours!) ** 2) / trials);
  return { limit: limit!, ours: ours!, half, stated: stated!, trials };
}

/** From the plan alone: every trial a fresh world. */
export function planOnly(
  hard: boolean,
  layout: Layout,
  trials: number,
  seed: number,
  plan: PlanKind = "right",
  tenths?: Tenths,
): Row {
  const block = buildBlock(hard ? HARD_BLOCK : BASE_BLOCK, layout);
  const world = new World(block, normals(seed));
  const next = mulberry32(seed + 1);
  const locator = new Locator(PLANS[plan](block.site), { block: "b1", calibration: null });
  const limit = new Limit(block);
  const sums = [0, 0, 0, 0];
  for (let t = 0; t < trials; t++) {
    const at = Math.floor(next() * block.positions.length);
    const shadow = world.shadows([block.positions[at]!])[0]!;
    const { levelDbm } = world.burst(at, shadow);
    tally(locator, limit, block, levelDbm, null, sums, tenths);
  }
  return rowOf(sums, trials);
}

export interface WalkedBlock {
  /** What the readings are of, for the exact Bayesian. */
  readonly walk: readonly WalkPoint[];
  readonly calibration: Calibration;
  /** Of the phones, in their order: a row of shadows a sensor, of the world that was walked. */
  readonly shadows: readonly (readonly number[])[];
}

/** A walk test: one reading a cell at a random place, a tenth of the cells skipped; and shadows of the same world at phones' places. */
export function walkBlock(
  block: Block,
  world: World,
  phoneAt: readonly number[],
  normal: () => number,
  next: () => number,
): WalkedBlock {
  const visited = Array.from({ length: CELLS }, (_, k) => k).filter(() => next() >= 0.1);
  const walkAt = visited.map((k) => k * PER_CELL + Math.floor(next() * PER_CELL));
  // A hair apart, so that two in one place leave the shadows' covariance positive definite.
  const all = [...walkAt, ...phoneAt].map((i, j) => ({ ...block.positions[i]!, x: block.positions[i]!.x + j * 1e-6 }));
  const shadows = world.shadows(all);
  const count = block.sensors.length;
  const walk: WalkPoint[] = walkAt.map((positionIndex, i) => ({
    positionIndex,
    excessDb: shadows[i]!.map((s) => s + WALK_NOISE_DB * normal()),
  }));
  const labelled = walk.map((point): LabelledPoint => {
    const p = block.positions[point.positionIndex]!;
    const packets = point.excessDb.map((excess, s) => ({
      tMs: 0,
      sensor: `s${s}`,
      levelDbm: block.params.powerMeanDbm + block.gain[point.positionIndex * count + s]! + excess,
    }));
    return { xM: p.x, yM: p.y, zM: p.z, floor: String(p.floor), bursts: [packets] };
  });
  const fitted = fitBand(block.site, block.site.bands[0]!, block.site.sensors, labelled)!;
  return { walk, calibration: { site: block.site.id, bands: [fitted] }, shadows: shadows.slice(walkAt.length) };
}

/** After a walk test: 40 phones a walked block. */
export function walked(hard: boolean, layout: Layout, trials: number, seed: number): Row {
  const block = buildBlock(hard ? HARD_BLOCK : BASE_BLOCK, layout);
  const sums = [0, 0, 0, 0];
  const phones = Math.min(40, trials);
  let done = 0;
  for (let w = 0; done < trials; w++) {
    const normal = normals(seed + 1000 * w);
    const next = mulberry32(seed + 1000 * w + 1);
    const world = new World(block, normal);
    const phoneAt = Array.from({ length: phones }, () => Math.floor(next() * block.positions.length));
    const { walk, calibration, shadows } = walkBlock(block, world, phoneAt, normal, next);
    const locator = new Locator(block.site, { block: "b1", calibration });
    const limit = new Limit(block, walk, WALK_NOISE_DB);
    for (let t = 0; t < phones && done < trials; t++, done++) {
      const { levelDbm, cell } = world.burst(phoneAt[t]!, shadows[t]!);
      tally(locator, limit, block, levelDbm, cell, sums);
    }
  }
  return rowOf(sums, trials);
}

/** All plans over some layouts, base and hard; then the tenths of each plan. */
function wrongPlans(
  trials: number,
  only: string | undefined,
  print: (name: string, layout: Layout, row: Row) => void,
): void {
  const layouts = LAYOUTS.filter((l) => (only === undefined ? ["stag/2", "stag/1", "door"].includes(l) : l === only));
  const lines: string[] = [];
  for (const plan of Object.keys(PLANS) as PlanKind[]) {
    const tenths = emptyTenths();
    for (const layout of layouts) {
      print(`${plan} b`, layout, planOnly(false, layout, trials, 21, plan, tenths));
      print(`${plan} h`, layout, planOnly(true, layout, trials, 22, plan, tenths));
    }
    const cells = tenths.map(([n, stated, right]) =>
      n === 0 ? "-" : `${((100 * stated) / n).toFixed(0)}/${((100 * right) / n).toFixed(0)} (${n})`,
    );
    lines.push(`${plan.padEnd(7)}${cells.map((c) => c.padEnd(14)).join("")}`);
  }
  process.stdout.write(`stated / right % (cells), by tenths of the stated probability\n${lines.join("\n")}\n`);
}

function main(): void {
  const trials = Number(process.argv[2] ?? 300);
  const what = process.argv[3] ?? "all";
  const only = process.argv[4];
  process.stdout.write("block    layout   limit   ours    +-      ours/limit  stated  trials\n");
  const print = (name: string, layout: Layout, row: Row): void => {
    const f = (x: number): string => (100 * x).toFixed(1).padEnd(8);
    const ratio = ((100 * row.ours) / row.limit).toFixed(1).padEnd(12);
    process.stdout.write(
      `${name.padEnd(9)}${layout.padEnd(9)}${f(row.limit)}${f(row.ours)}${f(row.half)}${ratio}${f(row.stated)}${row.trials}\n`,
    );
  };
  if (what === "wrong") wrongPlans(trials, only, print);
  for (const layout of LAYOUTS) {
    if (only !== undefined && only !== layout) continue;
    if (what === "all" || what === "base") print("base", layout, planOnly(false, layout, trials, 11));
    if (what === "all" || what === "hard") print("hard", layout, planOnly(true, layout, trials, 12));
    if (what === "walk") print("walk", layout, walked(false, layout, trials, 13));
    if (what === "walkhard") print("walk-h", layout, walked(true, layout, trials, 14));
  }
}

if (process.argv[1]?.match(/tablea\.[jt]s$/)) main();
