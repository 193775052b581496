/**
 * How many emitters a set of averaged levels is of, and where: from the plan alone, when nobody knew any of them. The sum of many
 * emitters in one house looks much like one far away and strong; a search that explains all sensors from the first on ends
 * there. Hence from the near to the far: what hears most that nobody accounts for has an emitter near it, whatever the others hear.
 * What comes of it must in the end be likelier than the likeliest one of all places.
 */
import { median } from "./linalg.ts";
import { addDbm, background, type Levels, logLikelihood, plus, type Source, type Sum, sensorNats } from "./mixture.ts";
import { powerNats } from "./newcomers.ts";
import { distanceM, plannedSource, type SourceGrid } from "./sources.ts";

/** An emitter of a census. */
export interface Counted {
  readonly source: Source;
  /** What the levels gain by its being there beside the others, nats, and its own prior, place, power and birth, nats. */
  readonly nats: number;
  readonly price: number;
}

interface Guess {
  at: number;
  dbm: number;
}

/** So much must be left over at a sensor for an emitter to be looked for near it, dB: the spread of a plan's levels. */
const SURPLUS_DB = 6;
/** The first guess is a place from which that sensor is heard so well, against the best. */
const NEAR_DB = 25;
/** One-sided fit of the first guess: nats that a sensor adds at the most that is explained, and costs that should have heard more. */
const EXPLAINED_NATS = 2;
const TOO_LOUD_NATS = 6;
const NOT_SILENT_NATS = 4;
const FIRST_POWERS_DB = [-6, -3, 0, 3, 6];
const POWERS_DB = [-5, -2, 0, 2, 5];
/** A guess moves no further at a time. */
const STEP_M = 3.5;
const ROUNDS = 3;
/** Places looked at between two steps, so that nobody waits for a large house. */
const PLACES_A_STEP = 64;
/** So many emitters more may bring nothing before the next ends the search: two may where one does not. */
const PATIENCE = 1;

/** The emitters that explain the levels best, each worth its price, `birthNats` included; at least one, at most `most`. */
export function* census(
  grid: SourceGrid,
  levels: Levels,
  birthNats: number,
  most: number,
): Generator<void, readonly Counted[]> {
  const count = new Census(grid, levels, birthNats);
  let guesses: Guess[] = [];
  let [best, score, worse] = [guesses, Number.NEGATIVE_INFINITY, 0];
  // One near the loudest that explains everybody as well as one can is to be beaten.
  const alone = count.near(guesses, true);
  if (alone !== null) {
    const one = [alone];
    yield* count.improve(one, ROUNDS);
    [best, score] = [one, count.score(one)];
  }
  while (guesses.length < most && worse <= PATIENCE) {
    const first = count.near(guesses);
    yield;
    if (first === null) break;
    guesses = [...guesses, first];
    yield* count.improve(guesses, 1);
    const now = count.score(guesses);
    worse = now > score ? 0 : worse + 1;
    if (now > score) [best, score] = [guesses.map((g) => ({ ...g })), now];
  }
  for (const start of [guesses, best]) {
    const few = count.needed(start);
    yield* count.improve(few, ROUNDS);
    const now = count.score(few);
    if (now >= score) [best, score] = [few, now];
  }
  // Only now: had the search to beat one in the street from the first on, it would end before it has found who together are likelier.
  const anywhere = best.length > 1 ? yield* count.anywhere() : null;
  if (anywhere !== null) {
    const one = [anywhere];
    yield* count.improve(one, ROUNDS);
    if (count.score(one) > score) best = one;
  }
  return count.described(best);
}

class Census {
  readonly #grid: SourceGrid;
  readonly #levels: Levels;
  readonly #birthNats: number;
  readonly #empty: Sum;
  readonly #n: number;

  constructor(grid: SourceGrid, levels: Levels, birthNats: number) {
    this.#grid = grid;
    this.#levels = levels;
    this.#birthNats = birthNats;
    this.#empty = background(levels);
    this.#n = grid.sensors.length;
  }

  /**
   * A first guess near the sensor that hears most beyond the others' sum, by what it explains, or, `alone`, by what it leaves
   * unexplained too; null where nothing stands out.
   */
  near(others: readonly Guess[], alone = false): Guess | null {
    const { gainDb, size } = this.#grid;
    const { levelDbm } = this.#levels;
    const sum = this.#sum(others);
    let [sensor, surplus] = [-1, SURPLUS_DB];
    for (let i = 0; i < this.#n; i++) {
      const over = levelDbm[i]! - sum.levelDbm[i]!;
      if (over > surplus) [sensor, surplus] = [i, over];
    }
    if (sensor < 0) return null;
    let peakDb = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < size; c++) peakDb = Math.max(peakDb, gainDb[c * this.#n + sensor]!);
    let [best, most] = [null as Guess | null, Number.NEGATIVE_INFINITY];
    for (let c = 0; c < size; c++) {
      const gain = gainDb[c * this.#n + sensor]!;
      if (gain < peakDb - NEAR_DB) continue;
      for (const off of FIRST_POWERS_DB) {
        const dbm = levelDbm[sensor]! - gain + off;
        const fit = alone
          ? this.#fit(sum, c, dbm)
          : this.#grid.logPrior[c]! + powerNats(this.#grid, dbm) + this.#oneSided(c, dbm);
        if (fit > most) [best, most] = [{ at: c, dbm }, fit];
      }
    }
    return best;
  }

  /** The place and power, of all, from which one emitter alone explains everybody best; null where nothing was heard. */
  *anywhere(): Generator<void, Guess | null> {
    const { gainDb, size } = this.#grid;
    const { levelDbm } = this.#levels;
    const heard: number[] = [];
    for (let i = 0; i < this.#n; i++) if (!Number.isNaN(levelDbm[i]!)) heard.push(i);
    if (heard.length === 0) return null;
    let [best, most] = [null as Guess | null, Number.NEGATIVE_INFINITY];
    for (let c = 0; c < size; c++) {
      const middle = median(heard.map((i) => levelDbm[i]! - gainDb[c * this.#n + i]!));
      for (const off of FIRST_POWERS_DB) {
        const fit = this.#fit(this.#empty, c, middle + off);
        if (fit > most) [best, most] = [{ at: c, dbm: middle + off }, fit];
      }
      if (c % PLACES_A_STEP === 0) yield;
    }
    return best;
  }

  /** How well an emitter explains what it explains: sensors that hear more are others' business, those that hear less are not. */
  #oneSided(at: number, dbm: number): number {
    const { levelDbm, floorDbm } = this.#levels;
    const sd = this.#grid.shadowDb;
    let nats = 0;
    for (let i = 0; i < this.#n; i++) {
      const expected = dbm + this.#grid.gainDb[at * this.#n + i]!;
      const level = levelDbm[i]!;
      if (Number.isNaN(level)) {
        const z = (expected - floorDbm[i]!) / sd;
        if (z > 0) nats -= Math.min(NOT_SILENT_NATS, 0.5 * z * z);
        continue;
      }
      const z = (level - expected) / sd;
      nats += z < 0 ? -Math.min(TOO_LOUD_NATS, 0.5 * z * z) : Math.max(0, EXPLAINED_NATS - 0.5 * z * z);
    }
    return nats;
  }

  /** Moves each in turn to the place and power that fit best beside the others, until nobody moves or so many rounds are over. */
  *improve(guesses: Guess[], rounds: number): Generator<void, void> {
    for (let round = 0, moved = true; moved && round < rounds; round++) {
      moved = false;
      for (let k = 0; k < guesses.length; k++) {
        const others = this.#sum(guesses.filter((_, j) => j !== k));
        const was = guesses[k]!;
        let [best, most] = [was, this.#fit(others, was.at, was.dbm)];
        for (let c = 0; c < this.#grid.size; c++) {
          if (distanceM(this.#grid, c, was.at) > STEP_M) continue;
          for (const off of POWERS_DB) {
            const fit = this.#fit(others, c, was.dbm + off);
            if (fit > most) [best, most] = [{ at: c, dbm: was.dbm + off }, fit];
          }
        }
        if (best !== was) {
          guesses[k] = best;
          moved = true;
        }
        yield;
      }
    }
  }

  /** Those that are worth their price, the others taken out one by one, the least needed first. */
  needed(guesses: readonly Guess[]): Guess[] {
    let left = guesses.slice();
    for (let score = this.score(left); left.length > 1; ) {
      let [most, without] = [score, -1];
      for (let k = 0; k < left.length; k++) {
        const rest = this.score(left.filter((_, j) => j !== k));
        if (rest > most) [most, without] = [rest, k];
      }
      if (without < 0) break;
      left = left.filter((_, j) => j !== without);
      score = most;
    }
    return left;
  }

  /** Log of likelihood times priors. */
  score(guesses: readonly Guess[]): number {
    return logLikelihood(this.#levels, this.#sum(guesses)) - guesses.reduce((sum, g) => sum + this.#price(g), 0);
  }

  described(guesses: readonly Guess[]): Counted[] {
    const all = logLikelihood(this.#levels, this.#sum(guesses));
    return guesses.map((g, k) => ({
      source: this.#source(g),
      nats: all - logLikelihood(this.#levels, this.#sum(guesses.filter((_, j) => j !== k))),
      price: this.#price(g),
    }));
  }

  #price(g: Guess): number {
    return this.#birthNats - this.#grid.logPrior[g.at]! - powerNats(this.#grid, g.dbm);
  }

  #source(g: Guess): Source {
    return plannedSource(this.#grid, g.at, g.dbm, this.#grid.shadowDb);
  }

  #sum(guesses: readonly Guess[]): Sum {
    return guesses.reduce((sum, g) => plus(sum, this.#source(g), 0), this.#empty);
  }

  /** What changes in the score with one emitter's place and power. */
  #fit(others: Sum, at: number, dbm: number): number {
    const { gainDb, shadowDb } = this.#grid;
    let nats = this.#grid.logPrior[at]! + powerNats(this.#grid, dbm);
    for (let i = 0; i < this.#n; i++) {
      const [was, adds] = [others.levelDbm[i]!, dbm + gainDb[at * this.#n + i]!];
      const total = addDbm(was, adds);
      const share = 10 ** ((adds - total) / 10);
      nats += sensorNats(this.#levels, i, total, share * shadowDb + (1 - share) * others.sdDb[i]!);
    }
    return nats;
  }
}
