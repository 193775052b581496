/**
 * `node bin/bench.js sensor-loss [TRIALS] [base|hard] [LAYOUT,...]`: what the loss of one sensor costs on the blocks of the localisation
 * tables, beside what it costs the exact Bayesian who is told of it. For each trial one phone and one sensor: most often
 * one near the phone, as the loss of others costs nobody anything. The same draws with and without the sensor. Prints the rates of
 * right cells, what the loss took from each, and the difference with its 95 % interval (paired).
 */
import {
  BASE_BLOCK,
  type Block,
  buildBlock,
  cellId,
  HARD_BLOCK,
  type Layout,
  Limit,
  World,
} from "../../simulator/table-a.ts";
import { Locator } from "../../src/fuse/locate.ts";
import { mulberry32 } from "../support/noise.ts";
import { normals } from "./tablea.ts";

const BAND = "lte800-ul";
/** The sensor that is lost is one of so many nearest to the phone. */
const NEAREST = 6;
/** A limit holds a factor for each sensor out: sensors are lost one after the other, trials drawn for each. */
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

/** `sensors` different sensors are lost, `each` phones near each of them. */
export function lossOf(hard: boolean, layout: Layout, sensors: number, each: number, seed: number): Loss {
  const block = buildBlock(hard ? HARD_BLOCK : BASE_BLOCK, layout);
  const world = new World(block, normals(seed));
  const next = mulberry32(seed + 1);
  const locator = new Locator(block.site, { block: "b1", calibration: null });
  const limit = new Limit(block);
  const sigmaDb = block.params.fadingDb / Math.sqrt(block.params.looks);
  const ours = (levelDbm: Float64Array, out: number): string | undefined => {
    const told = Array.from(levelDbm, (level, s) => ({ sensor: `s${s}`, levelDbm: level, floorDbm: -150, sigmaDb }));
    const log = new Float64Array(locator.size);
    locator.logLikelihood({ tMs: 0, band: BAND, sensors: told.filter((_, s) => s !== out) }, log);
    const prior = locator.logPrior();
    for (let c = 0; c < log.length; c++) log[c]! += prior[c]!;
    return locator.fix(log).candidates[0]?.cell;
  };
  const right = [0, 0, 0, 0];
  let [sum, squares, n] = [0, 0, 0];
  for (let k = 0; k < sensors; k++) {
    const out = Math.floor(next() * block.sensors.length);
    const partial = new Limit(without(block, out));
    const s = block.sensors[out]!;
    const near = block.positions
      .map((p, i) => ({ i, d: Math.hypot(p.x - s.x, p.y - s.y, p.z - s.z) }))
      .sort((a, b) => a.d - b.d)
      .slice(0, Math.ceil((NEAREST * block.positions.length) / block.sensors.length));
    for (let t = 0; t < each; t++, n++) {
      const at = near[Math.floor(next() * near.length)]!.i;
      const { levelDbm, cell } = world.burst(at, world.shadows([block.positions[at]!])[0]!);
      const hits = [
        argMax(limit.posterior(levelDbm)) === cell,
        argMax(partial.posterior(levelDbm.filter((_, i) => i !== out))) === cell,
        ours(levelDbm, -1) === cellId(cell),
        ours(levelDbm, out) === cellId(cell),
      ].map(Number);
      hits.forEach((h, i) => {
        right[i]! += h;
      });
      const more = hits[2]! - hits[3]! - (hits[0]! - hits[1]!);
      sum += more;
      squares += more * more;
    }
  }
  const excess = sum / n;
  const half = 1.96 * Math.sqrt((squares / n - excess * excess) / n);
  return { trials: n, limit: [right[0]! / n, right[1]! / n], ours: [right[2]! / n, right[3]! / n], excess, half };
}

function main(): void {
  const [trials = "600", what = "base", layouts = LAYOUTS_SHOWN.join(",")] = process.argv.slice(2);
  process.stdout.write(
    "block layout | limit all, without, cost | ours all, without, cost | cost more than the limit's\n",
  );
  const f = (x: number): string => (100 * x).toFixed(1);
  for (const layout of layouts.split(",") as Layout[]) {
    const sensors = Math.min(20, Math.ceil(Number(trials) / 20));
    const each = Math.ceil(Number(trials) / sensors);
    const { limit, ours, excess, half, trials: n } = lossOf(what === "hard", layout, sensors, each, 31);
    process.stdout.write(
      `${what} ${layout} | ${f(limit[0])} ${f(limit[1])} ${f(limit[0] - limit[1])} | ` +
        `${f(ours[0])} ${f(ours[1])} ${f(ours[0] - ours[1])} | ${f(excess)} +- ${f(half)} of ${n}\n`,
    );
  }
}

if (process.argv[1]?.match(/sensor-loss\.[jt]s$/)) main();
