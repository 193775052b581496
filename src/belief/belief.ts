import type {
  Alert,
  BlockId,
  BlockOutcomes,
  CellBelief,
  Fix,
  Presence,
  Scan,
  ScanMethod,
  SearchReason,
  Site,
  Track,
  ZoneId,
} from "../model.ts";
import { before, type Evidence, Listening, type Look } from "./evidence.ts";
import { Fold, initial, methodRates, type Share, type State } from "./fold.ts";
import { Lawful } from "./lawful.ts";
import { type Layout, layoutOf, type PriorShape } from "./layout.ts";
import { MethodBook } from "./rates.ts";
import { Record } from "./record.ts";
import { type BeliefSettings, beliefSettings } from "./settings.ts";

/**
 * For each cell of a block, over days: the probability that a phone is kept there, and that one was used there. Fed by uses
 * (the localiser's posterior over all cells), scanner results and searches; decays. Deterministic: the belief is computed from
 * the evidence in order of its own time, whenever and in whatever order it came.
 */

/** Facts that can still be revised (an outcome, a late message); older ones are folded together. */
const MOST_EVIDENCE = 1024;
/** After so many half-lives a fact weighs less than half a per cent of what it did. */
const KEPT_HALF_LIVES = 8;
const DAY_MS = 86_400_000;
/** The same word on the same cell so soon is one search told twice: by the alert and by hand, or by a press repeated. */
const TWICE_MS = 60_000;
/** Reasons shown with a cell, and the least that is one, nats. */
const MOST_REASONS = 5;
const LEAST_NATS = 0.1;
/** Less likely here than this, a use was somewhere else. */
const ELSEWHERE_P = 0.02;

export class Belief {
  readonly #block: BlockId;
  readonly #settings: BeliefSettings;
  readonly #layout: Layout;
  readonly #lawful: Lawful;
  readonly #listening = new Listening();
  readonly #record = new Record();
  #evidence: Evidence[] = [];
  /** The belief before all evidence that is kept; null: nothing was folded yet. */
  #base: State | null = null;
  /** The last fold and what it was for. */
  #last: { readonly tMs: number; readonly fold: Fold } | null = null;

  constructor(site: Site, block: BlockId, prior: PriorShape) {
    this.#block = block;
    this.#settings = beliefSettings(site.belief);
    this.#layout = layoutOf(site, block, prior);
    this.#lawful = new Lawful(site, this.#layout, this.#settings.prevalence);
  }

  /** The block's sensors listened for `forMs` from `fromMs` on. */
  listened(fromMs: number, forMs: number): void {
    this.#listening.add(fromMs, forMs);
    this.#last = null;
  }

  /** Where people are who carry phones by right, by a feed. */
  presence(word: Presence): void {
    this.#lawful.presence(word);
  }

  /** A fix with what visits, works and staff presence make likely at that time. */
  weigh(fix: Fix, tMs: number): Fix {
    return this.#lawful.weigh(fix, tMs);
  }

  /** A track, as it is now: told again, it replaces what it said before. `heldP`: probability of a cell or yard. */
  use(track: Track, heldP: number, alert: string | null): void {
    // What is carried by right is no evidence of what is kept: it counts as from outside.
    const lawful = track.fix.candidates.reduce((sum, c) => sum + c.p * (c.lawful ?? 0), 0);
    const candidates = track.fix.candidates.map(({ cell, p, lawful: l }) => ({ cell, p: p * (1 - (l ?? 0)) }));
    const pOutside = track.fix.pOutside + lawful;
    const known = this.#evidence.find((e) => e.kind === "use" && e.id === track.id);
    const dismissed = known?.kind === "use" && known.dismissed;
    const tMs = track.lastEvidenceMs;
    this.#take({ kind: "use", id: track.id, tMs, alert, candidates, pOutside, heldP, dismissed });
  }

  /**
   * A scanner's result, alarm or not: at a cell it is a look at the cell, elsewhere somebody passed towards a wing. Returned is
   * which, by how much the result multiplies the odds there by the method's figures before any outcome, and the probability of a
   * phone after it: kept in that cell, or carried by whoever passed; null: known already.
   * `id` is the alert's that an alarm opens.
   */
  scan(
    scan: Scan,
    id: string,
  ): { readonly at: "cell" | "pass"; readonly oddsRatio: number; readonly p: number } | null {
    const { method, alarm, tsMs: tMs } = scan;
    const cell = scan.place !== null && this.#layout.indexOf.has(scan.place) ? scan.place : null;
    if (this.#evidence.some((e) => e.id === id)) return null;
    if (cell !== null) this.#take({ kind: "look", id, tMs, cell, method, alarm });
    else this.#take({ kind: "pass", id, tMs, towards: scan.towards ?? scan.place, method, alarm, searched: null });
    const { ifPresent, ifAbsent } = new MethodBook(this.#settings, {}).likelihood(method, alarm);
    const oddsRatio = ifPresent / ifAbsent;
    if (cell !== null) return { at: "cell", oddsRatio, p: this.#now(tMs).state.kept[this.#layout.indexOf.get(cell)!]! };
    const carried = this.#settings.carryShare * oddsRatio;
    return { at: "pass", oddsRatio, p: carried / (carried + 1 - this.#settings.carryShare) };
  }

  has(cell: ZoneId): boolean {
    return this.#layout.indexOf.has(cell);
  }

  /** A cell was searched by hand. `ref`: what the search answers, an alert or a search of its own. */
  search(cell: ZoneId, found: boolean, tMs: number, ref: string): void {
    const at = this.#layout.indexOf.get(cell);
    const twice = (e: Evidence) =>
      e.kind === "look" && e.method === "search" && e.cell === cell && e.alarm === found && tMs - e.tMs < TWICE_MS;
    if (at === undefined || this.#evidence.some(twice)) return;
    const { kept } = this.#now(tMs).state;
    const statedP = kept[at]!;
    const rank = 1 + kept.reduce((n, p) => n + (p > statedP ? 1 : 0), 0);
    this.#record.search({ tMs, cell, found, statedP, rank });
    this.#take({ kind: "look", id: `${ref}/search`, tMs, cell, method: "search", alarm: found });
  }

  /** An alert of this block was closed with an outcome. */
  closed(alert: Alert, tMs: number): void {
    const { outcome, id, kind } = alert;
    if (outcome === null || (kind !== "phone-active" && kind !== "phone-found")) return;
    this.#record.alert(kind, outcome);
    if (outcome === "staff" || outcome === "false") this.#dismiss(id);
    // Of an alert that was lowered since, the cell that it had sent somebody to.
    const cell = alert.cell ?? alert.evidence?.lowered?.cell ?? null;
    const searched = outcome === "found" || outcome === "not-found" ? outcome : null;
    const pass = this.#evidence.find((e) => e.kind === "pass" && e.id === id);
    if (pass?.kind === "pass") {
      // That a person carried something else than a phone is as good as nothing found.
      const told = searched ?? (outcome === "false" || outcome === "staff" ? "not-found" : null);
      this.#take({ ...pass, searched: told });
    } else if (searched !== null && cell !== null) {
      this.search(cell, searched === "found", tMs, id);
    }
  }

  /** The cells by the probability that a phone is kept there, with reasons; at most `limit` of them. */
  list(nowMs: number, limit: number): CellBelief[] {
    const { cells } = this.#layout;
    const { kept } = this.#now(nowMs).state;
    const order = cells.map((_, c) => c).sort((a, b) => kept[b]! - kept[a]! || (cells[a]! < cells[b]! ? -1 : 1));
    order.length = Math.min(order.length, limit);
    const fold = this.#fold();
    const shares = fold.watch(order);
    const { kept: p, used } = fold.run(this.#evidence, nowMs);
    return order.map((c, i) => ({
      cell: cells[c]!,
      block: this.#block,
      rank: i + 1,
      pKept: p[c]!,
      pUsed: used[c]!,
      reasons: reasonsOf(shares.get(c)!),
    }));
  }

  /** Precision reached, by recorded outcomes, and what they make of the methods' rates. */
  outcomes(nowMs: number): BlockOutcomes {
    const methods = Object.keys(this.#settings.methods) as ScanMethod[];
    const { counts } = this.#now(nowMs).state;
    const seen = methods.filter((m) => counts[m] !== undefined);
    const rates = methodRates(this.#now(nowMs).methods, seen).map((r) => ({
      ...r,
      stated: this.#settings.methods[r.method],
      results: counts[r.method]!.present + counts[r.method]!.absent,
    }));
    return { block: this.#block, ...this.#record.report(), methods: rates };
  }

  snapshot(): unknown {
    const base = this.#base === null ? null : { ...this.#base, cells: this.#layout.cells };
    return {
      evidence: this.#evidence,
      base,
      lawful: this.#lawful.snapshot(),
      listening: this.#listening.snapshot(),
      record: this.#record.snapshot(),
    };
  }

  restore(snapshot: unknown): void {
    const { evidence, base, lawful, listening, record } = snapshot as {
      evidence: Evidence[];
      base: (State & { readonly cells: readonly ZoneId[] }) | null;
      lawful?: unknown;
      listening: unknown;
      record: unknown;
    };
    this.#evidence = [...evidence];
    // A belief about other cells (the site file has changed) is no beginning; what is kept of the evidence names its cells.
    const same = base !== null && base.cells.join(" ") === this.#layout.cells.join(" ");
    this.#base = same ? base : null;
    if (lawful !== undefined) this.#lawful.restore(lawful);
    this.#listening.restore(listening);
    this.#record.restore(record);
    this.#last = null;
  }

  #dismiss(alert: string): void {
    this.#evidence = this.#evidence.map((e) => (e.kind === "use" && e.alert === alert ? { ...e, dismissed: true } : e));
    this.#last = null;
  }

  /** Files a fact in order of time; one of the same kind and name is replaced. */
  #take(fact: Evidence): void {
    this.#last = null;
    const list = this.#evidence;
    const known = list.findIndex((e) => e.kind === fact.kind && e.id === fact.id);
    if (known >= 0) list.splice(known, 1);
    const filed = this.#base !== null && fact.tMs < this.#base.tMs ? { ...fact, tMs: this.#base.tMs } : fact;
    let at = list.length;
    while (at > 0 && before(filed, list[at - 1]!) < 0) at--;
    list.splice(at, 0, filed);
    const newestMs = list.at(-1)!.tMs;
    const oldMs = newestMs - KEPT_HALF_LIVES * this.#settings.halfLifeDays * DAY_MS;
    let old = list.findIndex((e) => e.tMs >= oldMs);
    if (list.length > MOST_EVIDENCE) old = Math.max(old, MOST_EVIDENCE / 2);
    if (old > 0) this.#settle(old);
  }

  /** Folds the oldest facts into the belief that the rest begins with. */
  #settle(count: number): void {
    const old = this.#evidence.slice(0, count);
    this.#base = this.#fold(old).run(old, old.at(-1)!.tMs);
    this.#evidence = this.#evidence.slice(count);
  }

  #fold(evidence: readonly Evidence[] = this.#evidence): Fold {
    const first = [evidence[0]?.tMs, this.#listening.firstMs].filter((t) => t !== undefined && !Number.isNaN(t));
    const from = this.#base ?? initial(this.#layout, this.#settings, Math.min(...(first as number[])));
    return new Fold(this.#layout, this.#settings, this.#listening, from, evidence);
  }

  #now(tMs: number): Fold {
    if (this.#last?.tMs === tMs) return this.#last.fold;
    const fold = this.#fold();
    fold.run(this.#evidence, tMs);
    this.#last = { tMs, fold };
    return fold;
  }
}

/** The facts that weigh most, strongest first. */
function reasonsOf(shares: readonly Share[]): SearchReason[] {
  return shares
    .filter((s) => Math.abs(s.nats) >= LEAST_NATS)
    .sort((a, b) => Math.abs(b.nats) - Math.abs(a.nats))
    .slice(0, MOST_REASONS)
    .map(({ evidence, nats, here }) => ({
      tMs: evidence.tMs,
      kind:
        evidence.kind === "look" && evidence.method === "search"
          ? "search"
          : evidence.kind === "look"
            ? "scan"
            : evidence.kind,
      ref: evidence.kind === "use" ? (evidence.alert ?? evidence.id) : evidence.id,
      oddsRatio: Math.exp(nats),
      text: textOf(evidence, here),
    }));
}

/** The scanners as an officer calls them. */
const METHOD_WORDS: { readonly [M in ScanMethod]: string } = {
  nljd: "junction detector",
  ferromagnetic: "ferromagnetic pole",
  mmwave: "body scanner",
  xray: "X-ray",
  metal: "metal detector",
};

function textOf(evidence: Evidence, here: number | null): string {
  switch (evidence.kind) {
    case "use":
      return (here ?? 0) < ELSEWHERE_P
        ? "a phone in use elsewhere in the wing, which may be kept here"
        : `a phone in use: here with ${Math.round(100 * (here ?? 0))} %`;
    case "pass":
      return `${METHOD_WORDS[evidence.method]} ${evidence.alarm ? "alarm" : "pass without alarm"} on the way to the wing${evidence.searched === null ? "" : `, searched: ${evidence.searched}`}`;
    case "look":
      return lookText(evidence);
  }
}

function lookText({ method, alarm }: Look): string {
  if (method === "search") return alarm ? "searched, phone found and taken away" : "searched, nothing found";
  return `${METHOD_WORDS[method]} ${alarm ? "alarm" : "without alarm"} at the cell`;
}
