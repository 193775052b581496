/**
 * `node bin/bench.js sensor-loss [TRIALS] [base|hard] [LAYOUT,...] [SEED]`: what the loss of one sensor costs on the blocks of the
 * localisation tables, beside what it costs the exact Bayesian who is told of it. For each trial one phone and one sensor: one
 * of the cells near the phone, as the loss of others costs nobody anything. The same draws with and without the sensor.
 *
 * A trial does not count whether its own cell was named, but how probable the named cell is given all levels and that the phone is
 * near the sensor, which the exact Bayesian knows: the same in the mean (Rao and Blackwell), with far less chance in it. Prints the
 * rates of right cells, what the loss took from each, and the difference with its 95 % interval (paired).
 */
import {
  BASE_BLOCK,
  type Block,
  buildBlock,
  CELLS,
  HARD_BLOCK,
  type Layout,
  Limit,
  PER_CELL,
  World,
} from "../../simulator/table-a.ts";
import { Locator } from "../../src/fuse/locate.ts";
import { mulberry32 } from "../support/noise.ts";
import { NUMBER_OF, normals } from "./tablea.ts";

const BAND = "lte800-ul";
/** Phones are in so many cells nearest to the lost sensor, for each cell that a sensor has. */
const NEAREST = 6;
const LAYOUTS_SHOWN: readonly Layout[] = ["stag/2", "mid/2", "stag/1", "door"];

/** The same block without one sensor. */
function without(block: Block, out: number): Block {
  const n = block.sensors.length;
  const gain = new Float64Array(block.positions.length * (n - 1));
  for (let p = 0; p < block.positions.length; p++) {
    for (let s = 0, k = 0; s < n; s++) if (s !== out) gain[p * (n - 1) + k++] = block.gain[p * n + s]!;
  }
  return { ...block, sensors: block.sensors.filter((_, s) => s !== out), gain };
}

function argMax(p: Float64Array): number {
  let best = 0;
  for (let k = 1; k < p.length; k++) if (p[k]! > p[best]!) best = k;
  return best;
}

export interface Loss {
  readonly trials: number;
  /** Shares of right cells: limit and ours, with all and without one. */
  readonly limit: readonly [number, number];
  readonly ours: readonly [number, number];
  /** By how much more the loss cost us than the limit, and half of its 95 % interval. */
  readonly excess: number;
  readonly half: number;
}

/** A lost sensor: the limit that is told of it, and the cells near it. */
interface Lost {
  readonly limit: Limit;
  readonly cells: readonly number[];
}

function lost(block: Block, out: number): Lost {
  const s = block.sensors[out]!;
  const metres = Array.from({ length: CELLS }, (_, cell) => {
    const of = block.positions.slice(cell * PER_CELL, (cell + 1) * PER_CELL);
    return of.reduce((sum, p) => sum + Math.hypot(p.x - s.x, p.y - s.y, p.z - s.z), 0) / PER_CELL;
  });
  const cells = metres.map((_, cell) => cell).sort((a, b) => metres[a]! - metres[b]!);
  const count = Math.ceil((NEAREST * CELLS) / block.sensors.length);
  return { limit: new Limit(without(block, out)), cells: cells.slice(0, count) };
}

/** For each trial a sensor is lost and a phone is near it. */
export function lossOf(hard: boolean, layout: Layout, trials: number, seed: number): Loss {
  const block = buildBlock(hard ? HARD_BLOCK : BASE_BLOCK, layout);
  const world = new World(block, normals(seed));
  const next = mulberry32(seed + 1);
  const locator = new Locator(block.site, { block: "b1", calibration: null });
  const limit = new Limit(block);
  const sigmaDb = block.params.fadingDb / Math.sqrt(block.params.looks);
  const ours = (levelDbm: Float64Array, out: number): number => {
    const told = Array.from(levelDbm, (level, s) => ({ sensor: `s${s}`, levelDbm: level, floorDbm: -150, sigmaDb }));
    const log = new Float64Array(locator.size);
    locator.logLikelihood({ tMs: 0, band: BAND, sensors: told.filter((_, s) => s !== out) }, log);
    const prior = locator.logPrior();
    for (let c = 0; c < log.length; c++) log[c]! += prior[c]!;
    return NUMBER_OF.get(locator.fix(log).candidates[0]?.cell ?? "") ?? -1;
  };
  const known = new Map<number, Lost>();
  const right = [0, 0, 0, 0];
  let [sum, squares] = [0, 0];
  for (let t = 0; t < trials; t++) {
    const out = Math.floor(next() * block.sensors.length);
    const { limit: partial, cells } = known.get(out) ?? lost(block, out);
    known.set(out, { limit: partial, cells });
    const at = cells[Math.floor(next() * cells.length)]! * PER_CELL + Math.floor(next() * PER_CELL);
    const { levelDbm } = world.burst(at, world.shadows([block.positions[at]!])[0]!);
    const all = limit.posterior(levelDbm);
    const near = cells.reduce((total, cell) => total + all[cell]!, 0);
    const hits = [
      argMax(all),
      argMax(partial.posterior(levelDbm.filter((_, i) => i !== out))),
      ours(levelDbm, -1),
      ours(levelDbm, out),
    ].map((cell) => (cells.includes(cell) ? all[cell]! / near : 0));
    hits.forEach((h, i) => {
      right[i]! += h / trials;
    });
    const more = hits[2]! - hits[3]! - (hits[0]! - hits[1]!);
    sum += more;
    squares += more * more;
  }
  const excess = sum / trials;
  const half = 1.96 * Math.sqrt((squares / trials - excess * excess) / trials);
  return { trials, limit: [right[0]!, right[1]!], ours: [right[2]!, right[3]!], excess, half };
}

function main(): void {
  const [trials = "600", what = "base", layouts = LAYOUTS_SHOWN.join(","), seed = "31"] = process.argv.slice(2);
  process.stdout.write(
    "block layout | limit all, without, cost | ours all, without, cost | cost more than the limit's\n",
  );
  const f = (x: number): string => (100 * x).toFixed(1);
  for (const layout of layouts.split(",") as Layout[]) {
    const { limit, ours, excess, half, trials: n } = lossOf(what === "hard", layout, Number(trials), Number(seed));
    process.stdout.write(
      `${what} ${layout} | ${f(limit[0])} ${f(limit[1])} ${f(limit[0] - limit[1])} | ` +
        `${f(ours[0])} ${f(ours[1])} ${f(ours[0] - ours[1])} | ${f(excess)} +- ${f(half)} of ${n}\n`,
    );
  }
}

if (process.argv[1]?.match(/sensor-loss\.[jt]s$/)) main();
