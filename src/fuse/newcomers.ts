/**
 * Emitters that nobody knew: where in the house, and how strong, explains best what a sum of known ones leaves over. The evidence
 * for one more is its likelihood with place and power integrated out against the likelihood without it.
 */
import { addDbm, type Levels, LN_SQRT_2PI, logDensity, plus, type Source, type Sum, sensorNats } from "./mixture.ts";
import { distanceM, type SourceGrid } from "./sources.ts";

/** An emitter that was not known. */
export interface Found {
  /** Row of the source grid that fits best. */
  readonly at: number;
  readonly powerDbm: number;
  /** Log Bayes factor of one more emitter over none, place and power integrated out. */
  readonly nats: number;
  /** What the best fit exceeds that by: the price of a place and a power, nats. */
  readonly price: number;
  readonly source: Source;
}

/** How far an emitter walks while its fingerprint is still that of where it was. */
export const WALK_M = 10;
/**
 * Further odds against a new emitter within a walk of one that is on: most of what sounds like one is that one, a few steps on or
 * in a place that the plan has wrong.
 */
const BESIDE_NATS = 6;
/** Steps of power that are tried around the one that fits the loudest surplus. */
const POWER_TRIES_DB = [-9, -6, -3, 0, 3, 6];
const POWER_TRY_STEP_DB = 3;
/** Sensors that set the power tried first. */
const LEADING = 6;
/** A new emitter is within so many dB of the best place for one of so many sensors that lead the surplus. */
const NEAR_SENSORS = 4;
const NEAR_DB = 35;
/** A contribution so far below the rest changes nothing (0.1 dB). */
const NEGLIGIBLE_DB = 16;

/**
 * The emitter that best explains what a sum leaves unexplained, or null when levels hardly exceed it. Cost: positions times
 * six powers times sensors, only when something is left over.
 *
 * @param leastNats nothing is looked for where a perfect explanation would bring less
 * @param fadingDb spread of one window's level around its mean
 */
export function findNew(grid: SourceGrid, levels: Levels, sum: Sum, fadingDb: number, leastNats: number): Found | null {
  const n = grid.sensors.length;
  const was = new Float64Array(n);
  const surplus: { i: number; nats: number }[] = [];
  let most = 0;
  const sd = Math.hypot(grid.shadowDb, fadingDb);
  for (let i = 0; i < n; i++) {
    was[i] = sensorNats(levels, i, sum.levelDbm[i]!, sum.sdDb[i]!);
    if (!(levels.levelDbm[i]! > sum.levelDbm[i]!)) continue;
    const gain = logDensity(0, 0, Math.hypot(sd, levels.sdDb[i]!)) - was[i]!;
    if (gain <= 0) continue;
    most += gain;
    surplus.push({ i, nats: gain });
  }
  if (most < leastNats) return null;
  surplus.sort((a, b) => b.nats - a.nats || levels.levelDbm[b.i]! - levels.levelDbm[a.i]! || a.i - b.i);
  const lead = surplus.slice(0, LEADING).map((s) => s.i);
  const tries: number[] = [];
  let best = { at: -1, powerDbm: 0, nats: Number.NEGATIVE_INFINITY, fit: 0 };
  const near = nearest(grid, lead);
  const fits: number[] = [];
  for (let c = 0; c < grid.size; c++) {
    const row = c * n;
    if (!near(c)) continue;
    fits.length = 0;
    for (const i of lead) fits.push(levels.levelDbm[i]! - grid.gainDb[row + i]!);
    fits.sort((a, b) => a - b);
    const centre = fits[(fits.length - 1) >> 1]!;
    for (const step of POWER_TRIES_DB) {
      const power = centre + step;
      const z = (power - grid.powerDbm) / grid.powerSdDb;
      const prior =
        grid.logPrior[c]! - 0.5 * z * z - LN_SQRT_2PI - Math.log(grid.powerSdDb) + Math.log(POWER_TRY_STEP_DB);
      let fit = 0;
      for (let i = 0; i < n; i++) {
        const adds = power + grid.gainDb[row + i]!;
        const before = sum.levelDbm[i]!;
        if (adds < before - NEGLIGIBLE_DB) continue;
        const total = addDbm(before, adds);
        const share = Math.exp((adds - total) * LN10_10);
        fit += sensorNats(levels, i, total, share * sd + (1 - share) * sum.sdDb[i]!) - was[i]!;
      }
      tries.push(prior + fit);
      if (prior + fit > best.nats) best = { at: c, powerDbm: power, nats: prior + fit, fit };
    }
  }
  if (best.at < 0) return null;
  let mass = 0;
  for (const t of tries) mass += Math.exp(t - best.nats);
  const levelDbm = new Float64Array(n);
  for (let i = 0; i < n; i++) levelDbm[i] = best.powerDbm + grid.gainDb[best.at * n + i]!;
  const source: Source = { levelDbm, sdDb: new Float64Array(n).fill(sd), logOn: 0, certain: false, at: best.at };
  const nats = best.nats + Math.log(mass);
  return { at: best.at, powerDbm: best.powerDbm, nats, price: best.fit - nats, source };
}

const LN10_10 = Math.LN10 / 10;

/** Positions worth a look: those from which one of the sensors that lead the surplus is heard nearly as well as from anywhere. */
function nearest(grid: SourceGrid, lead: readonly number[]): (at: number) => boolean {
  const n = grid.sensors.length;
  const leaders = lead.slice(0, NEAR_SENSORS);
  const least = leaders.map((i) => {
    let most = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < grid.size; c++) most = Math.max(most, grid.gainDb[c * n + i]!);
    return most - NEAR_DB;
  });
  return (at) => leaders.some((i, k) => grid.gainDb[at * n + i]! >= least[k]!);
}

/**
 * New emitters beside known ones, strongest evidence first, each looked for again once the others are there; at most `most`.
 * `on`: rows where known ones are. The first may be taken for granted (`first`), where somebody must be on.
 */
export function findAll(
  grid: SourceGrid,
  levels: Levels,
  known: Sum,
  on: readonly number[],
  fadingDb: number,
  birthNats: number,
  first: boolean,
  most: number,
): Found[] {
  const found: Found[] = [];
  const least = (at: number, others: readonly Found[]): number => {
    const beside = (other: number) => distanceM(grid, at, other) <= WALK_M;
    return birthNats + (on.some(beside) || others.some((f) => beside(f.at)) ? BESIDE_NATS : 0);
  };
  let sum = known;
  while (found.length < most) {
    const granted = first && found.length === 0;
    const next = findNew(grid, levels, sum, fadingDb, granted ? Number.NEGATIVE_INFINITY : birthNats);
    if (next === null || (!granted && next.nats < least(next.at, found))) break;
    found.push(next);
    sum = plus(sum, next.source, 0);
  }
  if (found.length < 2 && (found.length === 0 || first)) return found;
  // Whoever came first was fitted to everybody's levels: again, each with the others there.
  for (let k = 0; k < found.length; k++) {
    const others = found.reduce((s, f, j) => (j === k ? s : plus(s, f.source, 0)), known);
    const again = findNew(grid, levels, others, fadingDb, birthNats);
    const rest = found.filter((_, j) => j !== k);
    if (again !== null && again.nats >= least(again.at, rest)) found[k] = again;
    else if (found.length > 1 || !first) found.splice(k--, 1);
  }
  return found;
}
