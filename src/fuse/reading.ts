/**
 * What one window says of one band when several emitters may be on: which of the known ones, each with a power of the moment, and
 * which new ones. Whole readings are compared by likelihood times prior, since what one emitter explains another need not.
 */
import { median } from "./linalg.ts";
import { background, type Levels, logDensity, logLikelihood, plus, type Source, type Sum } from "./mixture.ts";
import { type Found, findAll, WALK_M } from "./newcomers.ts";
import { distanceM, type SourceGrid } from "./sources.ts";

/** Spread of a known emitter's power from window to window, dB: a step of power control (domain 4.2). */
const POWER_STEP_DB = 8;
/** Log of the prior's width of the power over what is left of it once several sensors have heard (about 2 dB). */
const POWER_OCCAM = Math.log(POWER_STEP_DB / 2);
/** A reading by known emitters that misses by more than this, nats a sensor, is held against one by new ones. */
const MISFIT_NATS = 0.75;
/** Log odds against an emitter's having walked since the last window. */
const WALK_NATS = 3;
/** Sensors that set the power tried first. */
const LEADING = 6;

/** Power changes worth trying: those that fit the sensors which should hear it loudest, and all that should hear it. */
function shiftsOf(levels: Levels, source: Source, loudest: readonly number[]): number[] {
  const moves: number[] = [];
  const leading: number[] = [];
  for (const i of loudest) {
    const level = levels.levelDbm[i]!;
    if (Number.isNaN(level)) continue;
    moves.push(level - source.levelDbm[i]!);
    if (moves.length <= LEADING) leading.push(moves[moves.length - 1]!);
  }
  if (moves.length <= LEADING) return [median(leading)];
  // Other emitters only add: where there are many, the quarter that moved least shows the power.
  const all = median(moves);
  return [median(leading), all, moves[moves.length >> 2]!];
}

/** Indices of the sensors that a source reaches, loudest first. */
function loudestOf(source: Source): number[] {
  const order: number[] = [];
  for (let i = 0; i < source.levelDbm.length; i++) if (source.levelDbm[i]! > Number.NEGATIVE_INFINITY) order.push(i);
  order.sort((a, b) => source.levelDbm[b]! - source.levelDbm[a]! || a - b);
  return order;
}

/** Which emitters are on in a window. */
export interface Reading {
  /** By known source: the power change, dB, or NaN where it seems off. */
  readonly shiftDb: number[];
  /** By known source: log Bayes factor of its being on over its being off beside the others, nats; -Infinity where never tried. */
  readonly nats: number[];
  readonly found: readonly Found[];
  /** Known emitters that are where a new one was found, by their index. */
  readonly walked: readonly { readonly known: number; readonly found: Found }[];
  /** Log of likelihood times prior of the whole, nats. */
  readonly score: number;
}

/** A reading while it is being made. */
interface Draft {
  shiftDb: number[];
  nats: number[];
  found: Found[];
  sum: Sum;
}

/**
 * Adds known emitters to a draft, the one that explains most first, until none helps. `granted`: somebody is on, so the first need not
 * be likelier than nobody if it is one in the pauses of a call. Returns whether each that was added helps.
 */
function* addKnown(
  levels: Levels,
  sources: readonly Source[],
  draft: Draft,
  granted: boolean,
): Generator<void, boolean> {
  const loudest = sources.map(loudestOf);
  let now = logLikelihood(levels, draft.sum);
  let all = true;
  for (let first = granted; ; first = false) {
    let best = -1;
    let [bestGain, bestShift, bestNow] = [first ? Number.NEGATIVE_INFINITY : 0, 0, 0];
    let bestSum = draft.sum;
    for (let k = 0; k < sources.length; k++) {
      if (!Number.isNaN(draft.shiftDb[k]!)) continue;
      draft.nats[k] = Number.NEGATIVE_INFINITY;
      for (const shift of shiftsOf(levels, sources[k]!, loudest[k]!)) {
        const next = plus(draft.sum, sources[k]!, shift);
        const value = logLikelihood(levels, next);
        const own = value - now - shiftPrice(shift);
        if (own > draft.nats[k]!) draft.nats[k] = own;
        const gain = own + sources[k]!.logOn;
        if (first && gain <= 0 && !sources[k]!.pausing) continue;
        if (gain > bestGain) [best, bestGain, bestShift, bestSum, bestNow] = [k, gain, shift, next, value];
      }
    }
    if (best < 0) return all;
    if (bestGain <= 0) all = false;
    draft.shiftDb[best] = bestShift;
    draft.sum = bestSum;
    now = bestNow;
    yield;
  }
}

/** What a power change costs against none being known beforehand, nats. */
function shiftPrice(shiftDb: number): number {
  return (shiftDb * shiftDb) / (2 * POWER_STEP_DB * POWER_STEP_DB) + POWER_OCCAM;
}

function sumOf(levels: Levels, sources: readonly Source[], shiftDb: readonly number[], found: readonly Found[]): Sum {
  let sum = background(levels);
  sources.forEach((source, k) => {
    if (!Number.isNaN(shiftDb[k]!)) sum = plus(sum, source, shiftDb[k]!);
  });
  for (const f of found) sum = plus(sum, f.source, 0);
  return sum;
}

function scoreOf(levels: Levels, sources: readonly Source[], draft: Draft, birthNats: number): number {
  let score = logLikelihood(levels, draft.sum);
  sources.forEach((source, k) => {
    if (!Number.isNaN(draft.shiftDb[k]!)) score += source.logOn - shiftPrice(draft.shiftDb[k]!);
  });
  for (const f of draft.found) score -= f.price + birthNats;
  return score;
}

/** Takes out, one by one, whoever is not needed beside the others; a first new one that was granted stays. Returns the score. */
function prune(levels: Levels, sources: readonly Source[], draft: Draft, birthNats: number): number {
  for (;;) {
    const score = scoreOf(levels, sources, draft, birthNats);
    const members = draft.found.length + draft.shiftDb.filter((s) => !Number.isNaN(s)).length;
    if (members < 2) return score;
    let [best, least] = [score, null as Draft | null];
    const tryWithout = (without: Draft): void => {
      without.sum = sumOf(levels, sources, without.shiftDb, without.found);
      const value = scoreOf(levels, sources, without, birthNats);
      if (value > best) [best, least] = [value, without];
    };
    draft.shiftDb.forEach((shift, k) => {
      if (Number.isNaN(shift)) return;
      tryWithout({ ...draft, shiftDb: draft.shiftDb.map((s, j) => (j === k ? Number.NaN : s)) });
    });
    draft.found.forEach((_, k) => {
      tryWithout({ ...draft, found: draft.found.filter((_f, j) => j !== k) });
    });
    if (least === null) return score;
    Object.assign(draft, least);
  }
}

/**
 * Reads a window: which known emitters are on and with what power, and which new ones beside them. Two readings are compared,
 * the known first, and, where those fit badly, new ones first. At least one emitter is on. Done in steps of about a millisecond.
 *
 * @param birthNats log odds against a new emitter's coming on in a window
 */
export function* read(
  grid: SourceGrid,
  levels: Levels,
  sources: readonly Source[],
  fadingDb: number,
  birthNats: number,
  most: number,
): Generator<void, Reading> {
  const blank = (): Draft => ({
    shiftDb: sources.map(() => Number.NaN),
    nats: sources.map(() => Number.NEGATIVE_INFINITY),
    found: [],
    sum: background(levels),
  });
  const tries: { draft: Draft; score: number }[] = [];
  let helps = false;
  if (sources.length > 0) {
    const known = blank();
    // Heard by few of its sensors one that is on may be less likely than nobody, and still likelier than anybody new. Of many that were on of
    // late one fits by chance what somebody new gives.
    helps = yield* addKnown(levels, sources, known, sources.filter((k) => k.pausing).length === 1);
    const on = sources.filter((_, k) => !Number.isNaN(known.shiftDb[k]!)).map((k) => k.at);
    if (on.length > 0) {
      known.found = yield* findAll(grid, levels, known.sum, on, fadingDb, birthNats, false, most);
      known.sum = sumOf(levels, sources, known.shiftDb, known.found);
      tries.push({ draft: known, score: prune(levels, sources, known, birthNats) });
    }
  }
  if (tries.length === 0 || !helps || misfit(levels, tries[0]!.draft.sum) > MISFIT_NATS) {
    const anew = blank();
    anew.found = yield* findAll(grid, levels, anew.sum, [], fadingDb, birthNats, true, most);
    anew.sum = sumOf(levels, sources, anew.shiftDb, anew.found);
    yield* addKnown(levels, sources, anew, false);
    yield;
    tries.push({ draft: anew, score: prune(levels, sources, anew, birthNats) });
  }
  const best = tries.reduce((a, b) => (b.score > a.score ? b : a));
  return {
    ...best.draft,
    score: best.score,
    walked: walkers(grid, levels, sources, best.draft, best.score, birthNats),
  };
}

/**
 * Known emitters that have walked: one more emitter within a walk of a known one may be that one, elsewhere than it was, which
 * needs no birth. Takes those out of the draft, and says by which new one each is replaced.
 */
function walkers(
  grid: SourceGrid,
  levels: Levels,
  sources: readonly Source[],
  draft: Draft,
  score: number,
  birthNats: number,
): { known: number; found: Found }[] {
  const out: { known: number; found: Found }[] = [];
  for (const found of draft.found) {
    let [best, walker] = [score, -1];
    sources.forEach((source, k) => {
      if (distanceM(grid, source.at, found.at) > WALK_M || out.some((o) => o.known === k)) return;
      const off = Number.isNaN(draft.shiftDb[k]!);
      if (off && source.logOn <= 0) return;
      const shiftDb = draft.shiftDb.map((s, j) => (j === k ? Number.NaN : s));
      const without = { ...draft, shiftDb, sum: sumOf(levels, sources, shiftDb, draft.found) };
      const value = scoreOf(levels, sources, without, birthNats) + birthNats - WALK_NATS;
      if (value > best) [best, walker] = [value, k];
    });
    if (walker < 0) continue;
    draft.shiftDb[walker] = Number.NaN;
    draft.sum = sumOf(levels, sources, draft.shiftDb, draft.found);
    out.push({ known: walker, found });
  }
  return out;
}

/** How much worse than perfectly a sum explains the levels, nats a sensor that heard; half a nat is what chance does. */
function misfit(levels: Levels, sum: Sum): number {
  let nats = 0;
  let heard = 0;
  for (let i = 0; i < sum.levelDbm.length; i++) {
    const level = levels.levelDbm[i]!;
    if (Number.isNaN(level)) continue;
    const sd = Math.hypot(sum.sdDb[i]!, levels.sdDb[i]!);
    nats += logDensity(0, 0, sd) - logDensity(level, sum.levelDbm[i]!, sd);
    heard++;
  }
  return heard > 0 ? nats / heard : 0;
}
