/**
 * The belief as a fold over the evidence, in order of time. For every cell the probability that a phone is kept there is
 * carried along; one use is evidence for many cells at once, and what makes them depend on each other is kept only as the
 * product of their probabilities (assumed-density filtering; Boyen & Koller 1998). docs/belief.md derives each step.
 */
import type { ScanMethod } from "../model.ts";
import { advance, drift, hindsight, left, type Rates, ratesOf, type Step } from "./drift.ts";
import type { Evidence, Listening, Look, Pass, Use } from "./evidence.ts";
import { type Layout, type Placing, placing } from "./layout.ts";
import { type AllCounts, bayes, MethodBook } from "./rates.ts";
import type { BeliefSettings } from "./settings.ts";

const DAY_MS = 86_400_000;
/** Probabilities stay this far from 0 and 1: nothing is so sure that later evidence could not undo it. */
const EDGE = 1e-9;
/** A search within this time tells what a scanner's result before it was worth. */
const VERIFIED_WITHIN_MS = DAY_MS;
/** Uses before one that are looked at for the same place. */
const REPEATS_OF = 64;
/** Less than this is no reason that anybody would be told, nats. */
const LEAST_SHARE = 0.02;
/** What "certainly" weighs in hindsight. */
const CERTAIN = 1e9;

/** The belief at one time. */
export interface State {
  tMs: number;
  /** Probability that a phone is kept in the cell. */
  readonly kept: Float64Array;
  /** Probability that one was used in it lately: within about the half-life. */
  readonly used: Float64Array;
  /** When somebody last passed towards each wing; NaN: never. */
  readonly passedMs: Float64Array;
  counts: AllCounts;
}

export function initial(layout: Layout, settings: BeliefSettings, tMs: number): State {
  return {
    tMs,
    kept: new Float64Array(layout.cells.length).fill(settings.prevalence),
    used: new Float64Array(layout.cells.length),
    passedMs: new Float64Array(layout.wings.length).fill(Number.NaN),
    counts: {},
  };
}

/** What one fact did to one cell, nats of log odds, as it stands at the end of the fold. */
export interface Share {
  readonly evidence: Evidence;
  nats: number;
  /** Of a use: probability that it was in this cell. */
  readonly here: number | null;
}

/** Called for what a fact did to a cell; cells in steps of time by `decayed`. */
interface Watch {
  readonly cells: readonly number[];
  readonly shares: Map<number, Share[]>;
}

/** A use with the uses before it at the same place taken into account, and a look with what is known later. */
export class Fold {
  readonly #layout: Layout;
  readonly #settings: BeliefSettings;
  readonly #rates: Rates;
  readonly #listening: Listening;
  readonly #looks = new Map<number, { readonly tMs: number; readonly odds: number }[]>();
  readonly #book: MethodBook;
  readonly state: State;
  #watch: Watch | null = null;
  readonly #uses: Use[] = [];

  /** `from` is not changed. `evidence`: all that will be taken, in order; looks among it are known in hindsight. */
  constructor(
    layout: Layout,
    settings: BeliefSettings,
    listening: Listening,
    from: State,
    evidence: readonly Evidence[],
  ) {
    this.#layout = layout;
    this.#settings = settings;
    this.#rates = ratesOf(settings.halfLifeDays, settings.prevalence);
    this.#listening = listening;
    this.#book = new MethodBook(settings, from.counts);
    const { tMs, kept, used, passedMs } = from;
    this.state = { tMs, kept: kept.slice(), used: used.slice(), passedMs: passedMs.slice(), counts: this.#book.counts };
    this.#foresee(evidence);
  }

  /** Keeps for these cells what each fact does to them. */
  watch(cells: readonly number[]): Map<number, Share[]> {
    const shares = new Map(cells.map((c): [number, Share[]] => [c, []]));
    this.#watch = { cells, shares };
    return shares;
  }

  get methods(): MethodBook {
    return this.#book;
  }

  /** Takes all facts and lets time pass until `untilMs`. */
  run(evidence: readonly Evidence[], untilMs: number): State {
    evidence.forEach((fact, i) => {
      this.#until(fact.tMs);
      if (fact.kind === "use") this.#use(fact);
      else if (fact.kind === "look") this.#look(fact, searchAfter(evidence, i, fact));
      else this.#pass(fact);
    });
    this.#until(untilMs);
    return this.state;
  }

  #heardDays(fromMs: number, toMs: number): number {
    return this.#listening.between(fromMs, toMs) / DAY_MS;
  }

  #until(tMs: number): void {
    const { state } = this;
    if (!(tMs > state.tMs)) return;
    const days = (tMs - state.tMs) / DAY_MS;
    const step = drift(this.#rates, this.#settings.usesPerDay, this.#heardDays(state.tMs, tMs), days);
    const fade = 0.5 ** (days / this.#settings.halfLifeDays);
    for (const [c, list] of this.#watch?.shares ?? []) fadeShares(list, step, state.kept[c]!);
    for (let c = 0; c < state.kept.length; c++) {
      state.kept[c] = clamp(advance(step, state.kept[c]!));
      state.used[c]! *= fade;
    }
    state.tMs = tMs;
  }

  /** Changes a cell's log odds by `nats` and says so to who watches. */
  #move(cell: number, after: number, evidence: Evidence, here: number | null): void {
    const before = this.state.kept[cell]!;
    const p = clamp(after);
    this.state.kept[cell] = p;
    const nats = Math.log(p / (1 - p)) - Math.log(before / (1 - before));
    if (Math.abs(nats) >= LEAST_SHARE) this.#watch?.shares.get(cell)?.push({ evidence, nats, here });
  }

  // ----------------------------------------------------------------------------------------------------------- a use

  #use(use: Use): void {
    if (use.dismissed) return;
    const { cells } = this.#layout;
    if (cells.length === 0) return;
    const { candidates, pOutside, heldP } = use;
    const where = placing(this.#layout, candidates, pOutside, heldP, this.#sharpness(use));
    this.#uses.push(use);
    const { heard, background } = this.#sources(where);
    const kept = this.#inHindsight(use.tMs);
    let total = background;
    for (let c = 0; c < cells.length; c++) total += kept[c]! * heard[c]!;
    const here = this.#usedHere(where, kept, total);
    for (let c = 0; c < cells.length; c++) {
      const others = total - kept[c]! * heard[c]!;
      const p = this.state.kept[c]!;
      const ratio = (others + heard[c]!) / others;
      this.#move(c, (p * ratio) / (p * ratio + 1 - p), use, here[c]!);
      this.state.used[c] = 1 - (1 - this.state.used[c]!) * (1 - here[c]!);
    }
  }

  /** Rate of such a use per day from a phone kept in each cell, and from everything else. */
  #sources({ cells, common, elsewhere }: Placing): { heard: Float64Array; background: number } {
    const { usesPerDay, strayPerDay, usedElsewhere, inCommon, prevalence } = this.#settings;
    const layout = this.#layout;
    const n = cells.length;
    const heard = new Float64Array(n);
    const sum = layout.wings.map((wing) => wing.cells.reduce((s, c) => s + cells[c]!, 0));
    const strayEach = strayPerDay / n;
    let background = 0;
    for (let c = 0; c < n; c++) {
      const w = layout.wingOf[c]!;
      const { spread, shared } = sharesOf(layout.wings[w]!, usedElsewhere, inCommon);
      const others = layout.wings[w]!.cells.length - 1;
      const away = others > 0 ? (spread * (sum[w]! - cells[c]!)) / others : 0;
      heard[c] = usesPerDay * ((1 - spread - shared) * cells[c]! + away + shared * common[w]!);
      background += strayEach * cells[c]!;
    }
    // The localiser's prior, read as rates: cells have what phones kept there and strays make, the rest in proportion.
    const scale = (n * prevalence * usesPerDay + strayPerDay) / layout.cellsMass;
    return { heard, background: background + scale * elsewhere };
  }

  /** Probability that the use was in each cell, by where phones are thought to be kept. */
  #usedHere({ cells }: Placing, kept: Float64Array, total: number): Float64Array {
    const { usesPerDay, strayPerDay, usedElsewhere, inCommon } = this.#settings;
    const layout = this.#layout;
    const sum = layout.wings.map((wing) => wing.cells.reduce((s, c) => s + kept[c]!, 0));
    return cells.map((likelihood, c) => {
      const w = layout.wingOf[c]!;
      const { spread, shared } = sharesOf(layout.wings[w]!, usedElsewhere, inCommon);
      const others = layout.wings[w]!.cells.length - 1;
      const away = others > 0 ? (spread * (sum[w]! - kept[c]!)) / others : 0;
      const rate = usesPerDay * ((1 - spread - shared) * kept[c]! + away) + strayPerDay / cells.length;
      return Math.min(1, (likelihood * rate) / total);
    });
  }

  /**
   * How much of its own a use says after others at the same place: N uses are worth N / (1 + (N - 1) rho), with rho the share
   * of the error that repeats itself (localisation.md, several sightings).
   */
  #sharpness(use: Use): number {
    const { repeatShare, halfLifeDays } = this.#settings;
    if (repeatShare <= 0) return 1;
    const own = new Map(use.candidates.map((c) => [c.cell, c.p]));
    let same = 0;
    for (const other of this.#uses.slice(-REPEATS_OF)) {
      let overlap = 0;
      for (const { cell, p } of other.candidates) overlap += Math.min(p, own.get(cell) ?? 0);
      same += overlap * 0.5 ** ((use.tMs - other.tMs) / DAY_MS / halfLifeDays);
    }
    const worth = (k: number) => k / (1 + Math.max(0, k - 1) * repeatShare);
    return worth(same + 1) - worth(same);
  }

  // ------------------------------------------------------------------------------------------------ looks and passes

  #look(look: Look, later: Look | null): void {
    const cell = this.#layout.indexOf.get(look.cell);
    if (cell === undefined) return;
    const p = this.state.kept[cell]!;
    const after = bayes(p, this.#book.likelihood(look.method, look.alarm));
    if (look.method === "search") {
      // What is found is taken away; a second phone there is as likely as one comes anew.
      this.#move(cell, look.alarm ? 0 : after, look, null);
      return;
    }
    this.#move(cell, after, look, null);
    const truth = later === null ? after : bayes(after, this.#book.likelihood("search", later.alarm));
    this.#book.learn(look.method, look.alarm, truth);
  }

  #pass(pass: Pass): void {
    const { carryShare } = this.#settings;
    const layout = this.#layout;
    const likelihood = this.#book.likelihood(pass.method, pass.alarm);
    const carried = bayes(carryShare, likelihood);
    const truth =
      pass.searched === null ? carried : bayes(carried, this.#book.likelihood("search", pass.searched === "found"));
    this.#book.learn(pass.method, pass.alarm, truth);
    const place = pass.towards === null ? undefined : layout.places.get(pass.towards);
    const own = layout.wings.flatMap((_, w) =>
      place !== undefined && (place.common.includes(w) || (place.cell >= 0 && layout.wingOf[place.cell] === w))
        ? [w]
        : [],
    );
    const wings = own.length > 0 ? own : layout.wings.map((_, w) => w);
    const cells = wings.flatMap((w) => layout.wings[w]!.cells);
    const arriving = pass.searched === "found" ? 0 : truth;
    const each = (arriving - carryShare) / Math.max(1, cells.length);
    for (const w of wings) {
      // A clean pass takes back no more than the arrivals that were taken for granted since the one before.
      const sinceMs = Number.isNaN(this.state.passedMs[w]!) ? this.state.tMs : this.state.passedMs[w]!;
      const granted = (this.#rates.arrive * (this.state.tMs - sinceMs)) / DAY_MS;
      const more = Math.max(each, -granted);
      for (const c of layout.wings[w]!.cells) {
        const p = this.state.kept[c]!;
        this.#move(c, p + (1 - p) * more, pass, null);
      }
      this.state.passedMs[w] = this.state.tMs;
    }
  }

  // ------------------------------------------------------------------------------------------------------- hindsight

  /** For each cell that was looked at, the odds that each look and all after it give to a phone just before it. */
  #foresee(evidence: readonly Evidence[]): void {
    for (let i = evidence.length - 1; i >= 0; i--) {
      const look = evidence[i]!;
      if (look.kind !== "look") continue;
      const cell = this.#layout.indexOf.get(look.cell);
      if (cell === undefined) continue;
      const list = this.#looks.get(cell) ?? [];
      const next = list[0];
      const { ifPresent, ifAbsent } = this.#book.likelihood(look.method, look.alarm);
      const taken = look.method === "search" && look.alarm;
      const after = next === undefined || taken ? 1 : this.#back(look.tMs, next.tMs, next.odds);
      const odds = ifAbsent > 0 ? Math.min(CERTAIN, (after * ifPresent) / ifAbsent) : CERTAIN;
      this.#looks.set(cell, [{ tMs: look.tMs, odds }, ...list]);
    }
  }

  #back(fromMs: number, toMs: number, odds: number): number {
    const days = (toMs - fromMs) / DAY_MS;
    const step = hindsight(this.#rates, this.#settings.usesPerDay, this.#heardDays(fromMs, toMs), days);
    return advance(step, Math.min(odds, CERTAIN));
  }

  /** The belief with what was found out later: a phone that was found explains uses before, a searched cell does not. */
  #inHindsight(tMs: number): Float64Array {
    const kept = this.state.kept.slice();
    for (const [cell, looks] of this.#looks) {
      const next = looks.find((l) => l.tMs >= tMs);
      if (next === undefined) continue;
      const odds = (kept[cell]! / (1 - kept[cell]!)) * this.#back(tMs, next.tMs, next.odds);
      kept[cell] = clamp(odds / (1 + odds));
    }
    return kept;
  }
}

/** Shares of a phone's uses in other cells of its wing, and in its common places. */
function sharesOf(wing: Layout["wings"][number], usedElsewhere: number, inCommon: number) {
  const shared = wing.commonMass > 0 ? usedElsewhere * inCommon : 0;
  const spread = wing.cells.length > 1 ? usedElsewhere * (1 - inCommon) : 0;
  return { spread, shared };
}

function fadeShares(list: Share[], step: Step, p: number): void {
  const after = clamp(advance(step, p));
  const stays = left(step, p, after);
  for (const share of list) share.nats *= stays;
}

/** The first search of the same cell soon after a scanner's result. */
function searchAfter(evidence: readonly Evidence[], i: number, look: Look): Look | null {
  if (look.method === "search") return null;
  for (let k = i + 1; k < evidence.length; k++) {
    const fact = evidence[k]!;
    if (fact.tMs - look.tMs > VERIFIED_WITHIN_MS) return null;
    if (fact.kind === "look" && fact.method === "search" && fact.cell === look.cell) return fact;
  }
  return null;
}

function clamp(p: number): number {
  return Math.min(1 - EDGE, Math.max(EDGE, p));
}

/** Every method's rates as they are now. */
export function methodRates(book: MethodBook, methods: readonly ScanMethod[]) {
  return methods.map((method) => ({ method, hit: book.hit(method), falseAlarm: book.falseAlarm(method) }));
}
