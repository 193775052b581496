/**
 * Emitters that nobody knew: where in the house, and how strong, explains best what a sum of known ones leaves over. The evidence
 * for one more is its likelihood with place and power integrated out against the likelihood without it.
 */
import { Effects, LOWEST_TRY_DB, POWER_TRIES, POWER_TRY_STEP_DB } from "./effects.ts";
import { type Levels, LN_SQRT_2PI, logDensity, plus, type Source, type Sum, sensorNats } from "./mixture.ts";
import { distanceM, plannedSource, type SourceGrid } from "./sources.ts";

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
/** Sensors that set the power tried first. */
const LEADING = 6;
/** A new emitter is within so many dB of the best place for one of so many sensors that lead the surplus. */
const NEAR_SENSORS = 4;
const NEAR_DB = 35;
/** How far over a phone's highest power levels may be read, dB: the gain error of the few sensors that set it. */
const BEYOND_SD_DB = 2;
/** Log odds against an emitter's being no phone but a jammer or a repeater, which may be stronger. */
const NO_PHONE_NATS = 6;
/** Tries so far behind the best are left: thousands of them together add less than a thousandth to the mass. */
const DEPTH_NATS = 18;
/** What sums of a hundred terms may be off by, generously. */
const ROUNDING_NATS = 1e-9;
/** Positions between two pauses of the search. */
const ROWS_A_STEP = 100;
const QUICK_ROWS_A_STEP = 250;

/**
 * The emitter that best explains what a sum leaves unexplained, or null when levels hardly exceed it. Cost: positions times
 * six powers times sensors at the most, a table's look-up each, only when something is left over; positions and powers that can't
 * come near the best any more are left early. A step is some rows of positions.
 *
 * @param leastNats null where a perfect explanation of what stands out would bring less, and where every place and power
 *   together surely do; what else brings less is still given
 * @param fadingDb spread of one window's level around its mean
 */
export function* findNew(
  grid: SourceGrid,
  levels: Levels,
  sum: Sum,
  fadingDb: number,
  leastNats: number,
): Generator<void, Found | null> {
  const n = grid.sensors.length;
  const surplus: { i: number; nats: number }[] = [];
  let most = 0;
  const sd = Math.hypot(grid.shadowDb, fadingDb);
  const was = logLikelihoods(levels, sum);
  for (let i = 0; i < n; i++) {
    if (!(levels.levelDbm[i]! > sum.levelDbm[i]!)) continue;
    const gain = logDensity(0, 0, Math.hypot(sd, levels.sdDb[i]!)) - was[i]!;
    if (gain <= 0) continue;
    most += gain;
    surplus.push({ i, nats: gain });
  }
  if (most < leastNats) return null;
  surplus.sort((a, b) => b.nats - a.nats || levels.levelDbm[b.i]! - levels.levelDbm[a.i]! || a.i - b.i);
  const lead = surplus.slice(0, LEADING).map((s) => s.i);
  const effects = new Effects(levels, sum, was, sd, grid.gainDb);
  const rows = nearest(grid, lead);
  // The priors of all tries add up to no more than this, so a mass of `leastNats` needs one that is as likely by its levels alone.
  const needed = leastNats - Math.log1p(POWER_TRY_STEP_DB / (grid.powerSdDb * Math.sqrt(2 * Math.PI))) - ROUNDING_NATS;
  if (needed > 0 && !(yield* anyReaches(grid, levels, lead, rows, effects, needed))) return null;
  const tries = new Float64Array(rows.length * POWER_TRIES).fill(Number.NEGATIVE_INFINITY);
  let best = { at: -1, powerDbm: 0, nats: Number.NEGATIVE_INFINITY };
  const fits = new Float64Array(lead.length);
  for (let r = 0; r < rows.length; r++) {
    const c = rows[r]!;
    const lowest = lowestPower(grid, levels, lead, c, fits);
    if (r % ROWS_A_STEP === ROWS_A_STEP - 1) yield;
    const nats = tries.subarray(r * POWER_TRIES, (r + 1) * POWER_TRIES);
    for (let k = 0; k < POWER_TRIES; k++) {
      nats[k] = grid.logPrior[c]! + powerNats(grid, lowest + k * POWER_TRY_STEP_DB);
    }
    if (!effects.add(c, lowest, nats, best.nats - DEPTH_NATS)) {
      nats.fill(Number.NEGATIVE_INFINITY);
      continue;
    }
    for (let k = 0; k < POWER_TRIES; k++) {
      if (nats[k]! > best.nats) best = { at: c, powerDbm: lowest + k * POWER_TRY_STEP_DB, nats: nats[k]! };
    }
  }
  if (best.at < 0) return null;
  let mass = 0;
  for (let t = 0; t < tries.length; t++) {
    // Not by what was given up on the way, which depends on the order.
    if (tries[t]! >= best.nats - DEPTH_NATS) mass += Math.exp(tries[t]! - best.nats);
  }
  const source = plannedSource(grid, best.at, best.powerDbm, sd);
  // Against the best fit, what place and power cost is what the others of the same kind leave of the mass.
  const price = -(grid.logPrior[best.at]! + powerNats(grid, best.powerDbm) + Math.log(mass));
  return { at: best.at, powerDbm: best.powerDbm, nats: best.nats + Math.log(mass), price, source };
}

/** Log prior probability of a step of powers at 1 m; few emitters radiate more than a phone can. */
export function powerNats(grid: SourceGrid, powerDbm: number): number {
  const z = (powerDbm - grid.powerDbm) / grid.powerSdDb;
  const over = Math.max(0, powerDbm - grid.mostPowerDbm) / BEYOND_SD_DB;
  return (
    -0.5 * z * z -
    Math.min(NO_PHONE_NATS, 0.5 * over * over) -
    LN_SQRT_2PI -
    Math.log(grid.powerSdDb / POWER_TRY_STEP_DB)
  );
}

/** The lowest power that is tried at a row; `fits` is scratch, an entry a leading sensor. */
function lowestPower(
  grid: SourceGrid,
  levels: Levels,
  lead: readonly number[],
  row: number,
  fits: Float64Array,
): number {
  const n = grid.sensors.length;
  for (let k = 0; k < lead.length; k++) fits[k] = levels.levelDbm[lead[k]!]! - grid.gainDb[row * n + lead[k]!]!;
  fits.sort();
  return fits[(fits.length - 1) >> 1]! + LOWEST_TRY_DB;
}

/** Whether one more emitter at any of the rows makes the levels likelier by so much, at any of the powers tried. */
function* anyReaches(
  grid: SourceGrid,
  levels: Levels,
  lead: readonly number[],
  rows: Int32Array,
  effects: Effects,
  nats: number,
): Generator<void, boolean> {
  const gains = new Float64Array(POWER_TRIES);
  const fits = new Float64Array(lead.length);
  for (let r = 0; r < rows.length; r++) {
    gains.fill(0);
    if (effects.add(rows[r]!, lowestPower(grid, levels, lead, rows[r]!, fits), gains, nats)) return true;
    if (r % QUICK_ROWS_A_STEP === QUICK_ROWS_A_STEP - 1) yield;
  }
  return false;
}

/** What every sensor says of a sum, nats. */
function logLikelihoods(levels: Levels, sum: Sum): Float64Array {
  const out = new Float64Array(sum.levelDbm.length);
  for (let i = 0; i < out.length; i++) out[i] = sensorNats(levels, i, sum.levelDbm[i]!, sum.sdDb[i]!);
  return out;
}

/** The row with the best level of each column of a grid. */
const peaks = new WeakMap<SourceGrid, Int32Array>();

function peaksOf(grid: SourceGrid): Int32Array {
  let at = peaks.get(grid);
  if (at === undefined) {
    const n = grid.sensors.length;
    at = new Int32Array(n);
    for (let c = 1; c < grid.size; c++) {
      for (let i = 0; i < n; i++) if (grid.gainDb[c * n + i]! > grid.gainDb[at[i]! * n + i]!) at[i] = c;
    }
    peaks.set(grid, at);
  }
  return at;
}

/**
 * Positions worth a look: those from which one of the sensors that lead the surplus is heard nearly as well as from anywhere, and
 * all outside, where everybody is far from every sensor. Those nearest to them first: what is found there shows at once how bad
 * the others are.
 */
function nearest(grid: SourceGrid, lead: readonly number[]): Int32Array {
  const n = grid.sensors.length;
  const peak = peaksOf(grid);
  const first = new Set(lead.slice(0, NEAR_SENSORS).map((i) => peak[i]!));
  const rows = new Int32Array(grid.size);
  let count = 0;
  for (const c of first) rows[count++] = c;
  for (let c = 0; c < grid.size; c++) {
    if (first.has(c)) continue;
    for (let k = 0; k < lead.length && k < NEAR_SENSORS; k++) {
      const i = lead[k]!;
      if (grid.outside[c] === 0 && grid.gainDb[c * n + i]! < grid.gainDb[peak[i]! * n + i]! - NEAR_DB) continue;
      rows[count++] = c;
      break;
    }
  }
  return rows.subarray(0, count);
}

/**
 * New emitters beside known ones, strongest evidence first, each looked for again once the others are there; at most `most`.
 * A step is one search. `on`: rows where known ones are. The first may be taken for granted (`first`), where somebody must be on.
 */
export function* findAll(
  grid: SourceGrid,
  levels: Levels,
  known: Sum,
  on: readonly number[],
  fadingDb: number,
  birthNats: number,
  first: boolean,
  most: number,
): Generator<void, Found[]> {
  const found: Found[] = [];
  const least = (at: number, others: readonly Found[]): number => {
    const beside = (other: number) => distanceM(grid, at, other) <= WALK_M;
    return birthNats + (on.some(beside) || others.some((f) => beside(f.at)) ? BESIDE_NATS : 0);
  };
  let sum = known;
  while (found.length < most) {
    const granted = first && found.length === 0;
    const next = yield* findNew(grid, levels, sum, fadingDb, granted ? Number.NEGATIVE_INFINITY : birthNats);
    yield;
    if (next === null || (!granted && next.nats < least(next.at, found))) break;
    found.push(next);
    sum = plus(sum, next.source, 0);
  }
  if (found.length < 2 && (found.length === 0 || first)) return found;
  // Whoever came first was fitted to everybody's levels: again, each with the others there.
  for (let k = 0; k < found.length; k++) {
    const others = found.reduce((s, f, j) => (j === k ? s : plus(s, f.source, 0)), known);
    const again = yield* findNew(grid, levels, others, fadingDb, birthNats);
    yield;
    const rest = found.filter((_, j) => j !== k);
    if (again !== null && again.nats >= least(again.at, rest)) found[k] = again;
    else if (found.length > 1 || !first) found.splice(k--, 1);
  }
  return found;
}
