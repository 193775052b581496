/**
 * From a run's alerts and truth to rows that can be counted: one for each use of a contraband phone, one for each time an
 * alert was raised, matched one to one.
 */
import type { TruthEpisode } from "../../src/contracts.ts";
import type { Alert, Site } from "../../src/model.ts";
import { assign, type Edge } from "./assign.ts";
import { type Places, places } from "./places.ts";
import { round } from "./stats.ts";

/** One line of alerts.jsonl. */
export interface AlertLine {
  readonly t: number;
  readonly type: "new" | "update" | "end";
  readonly before: Alert | null;
  readonly after: Alert;
}

/** Episodes of one emitter closer than this are one use: a call with pauses, or an update that is retried. */
export const JOIN_MS = 60_000;
/** What clocks, windows and onset estimates may be off by when alert and use are compared. */
export const COLLAR_MS = 5000;
/** An alert raised later than this after a use has ended does not answer it: the phone is hidden again. */
export const TOO_LATE_MS = 60_000;
/**
 * An alert further than this from the emitter, which does not even list the emitter's cell, is not about it: nobody who goes
 * there finds the phone. Eight cells of 2.5 m.
 */
export const NEAR_M = 20;

export interface RunInput {
  readonly alerts: readonly AlertLine[];
  readonly truth: readonly TruthEpisode[];
  readonly site: Site | null;
  /** What was observed; by default from the first to the last of truth and alerts. */
  readonly fromMs?: number;
  readonly untilMs?: number;
  /** Begins every id of the rows, where several runs are put together. */
  readonly run?: string;
  /** Sensors that were broken, and when. */
  readonly faults?: readonly { readonly sensor: string | null; readonly fromMs: number; readonly untilMs: number }[];
  /** Excess over the floor at the best sensor, dB, where the physics are known. */
  readonly excessDb?: (episode: TruthEpisode) => number | null;
  /** The command that replays the run up to a time. */
  readonly command?: (untilMs: number) => string;
}

/** How an alert's statement compares with where the emitter was. */
export interface Where {
  readonly cell: string | null;
  readonly p_cell: number;
  /** Probability stated for the true zone; what is left over is spread evenly over the zones that are not listed. */
  readonly p_truth: number;
  /** 1 for the first candidate; 0 when the true zone is not listed. */
  readonly rank: number;
  readonly adjacent: boolean;
  readonly floor_right: boolean | null;
  readonly error_m: number | null;
  readonly x_m: number | null;
  readonly y_m: number | null;
  readonly floor: string | null;
  readonly candidates: readonly { readonly cell: string; readonly p: number }[];
}

export interface UseRow {
  readonly id: string;
  readonly run: string;
  readonly emitter: string;
  readonly activity: string;
  readonly bands: readonly string[];
  readonly eirp_dbm: number;
  readonly excess_db: number | null;
  readonly start: number;
  readonly end: number;
  readonly cell: string | null;
  readonly x_m: number;
  readonly y_m: number;
  readonly floor: string | null;
  /** Id of the alert it was matched with. */
  readonly alert: string | null;
  /** Not matched, but an alert for the same zone was open meanwhile: the same door. */
  readonly covered: boolean;
  readonly delay_s: number | null;
  /** What the alert said when it was raised, and in its last word while the use went on. */
  readonly at_alert: Where | null;
  readonly in_the_end: Where | null;
  readonly command: string | null;
}

/** Why an alert that answers no contraband use was raised. */
export type Cause = "outside" | "staff" | "source" | "fault" | "misplaced" | "noise";

export interface RaisedRow {
  readonly id: string;
  readonly run: string;
  readonly t: number;
  readonly cell: string | null;
  readonly x_m: number | null;
  readonly y_m: number | null;
  readonly floor: string | null;
  /** Largest evidence over its threshold while the alert was active. */
  readonly strength: number;
  readonly verdict: "match" | "double" | "false";
  readonly cause: Cause | null;
  readonly use: string | null;
  readonly command: string | null;
}

export interface RunRows {
  readonly run: string;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly blocks: number;
  readonly zones: readonly {
    readonly id: string;
    readonly floor: string | null;
    readonly polygon: readonly (readonly number[])[];
  }[];
  readonly uses: readonly UseRow[];
  readonly raised: readonly RaisedRow[];
  /** Who else was on the air: legitimate phones, emitters outside, jammers and masts. */
  readonly bystanders: readonly {
    readonly emitter: string;
    readonly cause: Cause;
    readonly start: number;
    readonly end: number;
  }[];
  /** Alerts of the other kinds (faults, scanners), by kind. */
  readonly other: Readonly<Record<string, number>>;
}

interface Use {
  readonly emitter: string;
  readonly episodes: TruthEpisode[];
  readonly start: number;
  end: number;
}

interface Raised {
  readonly id: string;
  readonly block: string | null;
  readonly t: number;
  /** Begin and end of the evidence it stands on. */
  readonly from: number;
  until: number;
  readonly first: Alert;
  readonly states: { readonly t: number; readonly alert: Alert }[];
  strength: number;
}

/** Matches one run. Deterministic; cost: sorting, plus a matching among what overlaps in time. */
export function matchRun(input: RunInput): RunRows {
  const run = input.run ?? "";
  const map = input.site ? places(input.site) : null;
  const uses = usesOf(input.truth);
  const { raised, other } = raisedOf(input.alerts);
  const edges: Edge[] = [];
  uses.forEach((use, left) => {
    raised.forEach((alert, right) => {
      if (!overlaps(use, alert) || alert.t > use.end + TOO_LATE_MS) return;
      const cost = mismatch(use, alert, map);
      if (cost !== null) edges.push({ left, right, cost });
    });
  });
  const match = assign(uses.length, raised.length, edges);
  const useOf = new Map<number, number>();
  match.forEach((right, left) => {
    if (right >= 0) useOf.set(right, left);
  });
  const name = (id: string) => (run === "" ? id : `${run}/${id}`);
  const useRows = uses.map((use, i) =>
    useRow(input, use, match[i]! >= 0 ? raised[match[i]!]! : null, raised, map, name),
  );
  const ids = alertNames(raised, name);
  const raisedRows = raised.map((alert, i): RaisedRow => {
    const left = useOf.get(i);
    const near = left ?? edges.find((e) => e.right === i)?.left;
    const verdict = left !== undefined ? "match" : near !== undefined ? "double" : "false";
    const last = alert.states[alert.states.length - 1]!.alert;
    return {
      id: ids[i]!,
      run,
      t: alert.t,
      cell: last.cell,
      x_m: last.position?.x_m ?? null,
      y_m: last.position?.y_m ?? null,
      floor: last.position?.floor ?? null,
      strength: round(alert.strength),
      verdict,
      cause: verdict === "false" ? causeOf(input, alert) : null,
      use: near === undefined ? null : useRows[near]!.id,
      command: verdict === "match" ? null : (input.command?.(Math.max(alert.until, alert.t) + COLLAR_MS) ?? null),
    };
  });
  const matchedId = new Map(uses.map((_, i) => [i, match[i]! >= 0 ? ids[match[i]!]! : null]));
  const [fromMs, untilMs] = spanOf(input);
  return {
    run,
    fromMs,
    untilMs,
    blocks: Math.max(1, input.site?.blocks.length ?? 1),
    zones: (input.site?.zones ?? []).map((z) => ({ id: z.id, floor: z.floor, polygon: z.polygon })),
    uses: useRows.map((row, i) => ({ ...row, alert: matchedId.get(i)! })),
    raised: raisedRows,
    bystanders: input.truth
      .filter((e) => kindOf(e) !== "misplaced")
      .map((e) => ({ emitter: e.emitter, cause: kindOf(e), start: e.start, end: e.end }))
      .sort((a, b) => a.start - b.start || compare(a.emitter, b.emitter)),
    other,
  };
}

/** An alert that came back after it had ended is a row of its own, `id#2`. */
function alertNames(raised: readonly Raised[], name: (id: string) => string): string[] {
  const count = new Map<string, number>();
  return raised.map((alert) => {
    const n = (count.get(alert.id) ?? 0) + 1;
    count.set(alert.id, n);
    return name(n === 1 ? alert.id : `${alert.id}#${n}`);
  });
}

function spanOf(input: RunInput): [number, number] {
  let from = Number.POSITIVE_INFINITY;
  let until = Number.NEGATIVE_INFINITY;
  for (const e of input.truth) {
    from = Math.min(from, e.start);
    until = Math.max(until, e.end);
  }
  for (const line of input.alerts) {
    from = Math.min(from, line.t);
    until = Math.max(until, line.t);
  }
  from = input.fromMs ?? (Number.isFinite(from) ? from : 0);
  until = input.untilMs ?? (Number.isFinite(until) ? until : from);
  return [from, Math.max(from, until)];
}

/** Contraband uses: what an alert should answer. Legitimate emitters and those outside the site are not among them. */
export function usesOf(truth: readonly TruthEpisode[]): Use[] {
  const wanted = truth
    .filter((e) => !e.legitimate && !e.outside)
    .sort((a, b) => a.start - b.start || compare(a.id, b.id));
  const open = new Map<string, Use>();
  const uses: Use[] = [];
  for (const episode of wanted) {
    const use = open.get(episode.emitter);
    if (use && episode.start - use.end < JOIN_MS) {
      use.episodes.push(episode);
      use.end = Math.max(use.end, episode.end);
    } else {
      const fresh = { emitter: episode.emitter, episodes: [episode], start: episode.start, end: episode.end };
      open.set(episode.emitter, fresh);
      uses.push(fresh);
    }
  }
  return uses;
}

/** Every time a phone-active alert was raised: a new one, or one that became active again. */
function raisedOf(lines: readonly AlertLine[]): { raised: Raised[]; other: Record<string, number> } {
  const raised: Raised[] = [];
  const current = new Map<string, Raised>();
  const others = new Map<string, number>();
  for (const { t, type, before, after } of lines) {
    if (after.kind !== "phone-active") {
      if (type === "new") others.set(after.kind, (others.get(after.kind) ?? 0) + 1);
      continue;
    }
    let row = current.get(after.id);
    const again = before !== null && !before.active && after.active;
    if (row === undefined || type === "new" || again) {
      row = {
        id: after.id,
        block: after.block,
        t,
        from: again ? t : Math.min(t, after.first_evidence_at),
        until: after.last_evidence_at,
        first: after,
        states: [],
        strength: 0,
      };
      current.set(after.id, row);
      raised.push(row);
    }
    row.until = Math.max(row.until, after.last_evidence_at);
    row.states.push({ t, alert: after });
    const e = after.evidence;
    if (e && e.threshold > 0) row.strength = Math.max(row.strength, e.llr / e.threshold);
  }
  const other: Record<string, number> = {};
  for (const kind of [...others.keys()].sort()) other[kind] = others.get(kind)!;
  return { raised, other };
}

function overlaps(use: { start: number; end: number }, alert: Raised): boolean {
  return alert.from <= use.end + COLLAR_MS && alert.until >= use.start - COLLAR_MS;
}

function shareBand(bands: Iterable<string>, alert: Alert): boolean {
  if (alert.bands.length === 0) return true;
  for (const band of bands) if (alert.bands.includes(band)) return true;
  return false;
}

/** How badly an alert fits a use, or null where it is not about it. */
function mismatch(use: Use, alert: Raised, map: Places | null): number | null {
  const last = alert.states[alert.states.length - 1]!.alert;
  if (
    !shareBand(
      use.episodes.map((e) => e.band),
      last,
    )
  )
    return null;
  const truth = placeAt(use, last.last_evidence_at, map);
  const zone = truth.cell === null ? undefined : map?.zone(truth.cell);
  if (zone && zone.block !== null && alert.block !== null && zone.block !== alert.block) return null;
  const p = last.candidates.find((c) => c.cell === truth.cell)?.p ?? 0;
  const distance = last.position ? Math.hypot(last.position.x_m - truth.x, last.position.y_m - truth.y) : null;
  if (p === 0 && distance !== null && distance > NEAR_M) return null;
  // Where first: a probability of 1 is worth a collar's length in time.
  const onsetS = Math.abs(alert.from - use.start) / 1000;
  return 1 - p + Math.min(distance ?? NEAR_M, NEAR_M) / NEAR_M + Math.min(1, (onsetS * 1000) / COLLAR_MS / 10);
}

interface TruePlace {
  readonly x: number;
  readonly y: number;
  readonly floor: string | null;
  readonly cell: string | null;
}

/** Where the emitter was at a time: in the episode that held it, along its path where it moved. */
function placeAt(use: Use, t: number, map: Places | null): TruePlace {
  let episode = use.episodes[0]!;
  for (const e of use.episodes) if (e.start <= t) episode = e;
  const path = episode.path as readonly (readonly [number, number, number])[] | undefined;
  if (!Array.isArray(path) || path.length === 0) {
    return { x: episode.x_m, y: episode.y_m, floor: episode.floor, cell: episode.cell };
  }
  let at = path[0]!;
  for (const point of path) if (point[0] <= t) at = point;
  const cell = episode.floor === null ? null : (map?.zoneAt(at[1], at[2], episode.floor) ?? episode.cell);
  return { x: at[1], y: at[2], floor: episode.floor, cell };
}

function useRow(
  input: RunInput,
  use: Use,
  alert: Raised | null,
  raised: readonly Raised[],
  map: Places | null,
  name: (id: string) => string,
): UseRow {
  const first = use.episodes[0]!;
  let eirp = Number.NEGATIVE_INFINITY;
  let excess: number | null = null;
  for (const e of use.episodes) {
    eirp = Math.max(eirp, e.eirp_dbm);
    const x = input.excessDb?.(e) ?? null;
    if (x !== null) excess = Math.max(excess ?? Number.NEGATIVE_INFINITY, x);
  }
  // Its last word while the evidence lasted: what comes after the phone is off can only restate it.
  const last = alert?.states[alert.states.length - 1]?.alert;
  const covered =
    alert === null && raised.some((r) => overlaps(use, r) && r.states[r.states.length - 1]!.alert.cell === first.cell);
  return {
    id: name(first.id),
    run: input.run ?? "",
    emitter: use.emitter,
    activity: first.activity,
    bands: [...new Set(use.episodes.map((e) => e.band))].sort(),
    eirp_dbm: round(eirp),
    excess_db: excess === null ? null : round(excess),
    start: use.start,
    end: use.end,
    cell: first.cell,
    x_m: first.x_m,
    y_m: first.y_m,
    floor: first.floor,
    alert: null,
    covered,
    delay_s: alert === null ? null : round((alert.t - use.start) / 1000),
    at_alert: alert === null ? null : compareWhere(alert.first, placeAt(use, alert.first.last_evidence_at, map), map),
    in_the_end: last === undefined ? null : compareWhere(last, placeAt(use, last.last_evidence_at, map), map),
    command: input.command?.(use.end + JOIN_MS) ?? null,
  };
}

/** Share of the probability that a zone gets which the alert left out; without a site, contracts' bound for those. */
const LEFT_OUT_P = 0.005;

function compareWhere(alert: Alert, truth: TruePlace, map: Places | null): Where {
  const listed = alert.candidates;
  const rank = listed.findIndex((c) => c.cell === truth.cell) + 1;
  const sum = listed.reduce((s, c) => s + c.p, 0) + (alert.p_outside ?? 0);
  const zones = map ? map.site.zones.filter((z) => z.kind !== "outside").length - listed.length : 0;
  const leftOut = zones > 0 ? Math.max(1e-6, (1 - sum) / zones) : LEFT_OUT_P;
  const top = listed[0] ?? null;
  const p = alert.position;
  return {
    cell: top?.cell ?? alert.cell,
    p_cell: round(top?.p ?? 0),
    p_truth: rank > 0 ? round(listed[rank - 1]!.p) : Math.min(LEFT_OUT_P, leftOut),
    rank,
    adjacent: top !== null && truth.cell !== null && (map?.adjacent(top.cell, truth.cell) ?? false),
    floor_right: p && truth.floor !== null ? p.floor === truth.floor : null,
    error_m: p ? round(Math.hypot(p.x_m - truth.x, p.y_m - truth.y)) : null,
    x_m: p?.x_m ?? null,
    y_m: p?.y_m ?? null,
    floor: p?.floor ?? null,
    candidates: listed,
  };
}

/** What an alert that points at this emitter wrongly is put down to; "misplaced" for a contraband phone. */
function kindOf(e: TruthEpisode): Cause {
  if (e.source !== undefined) return "source";
  return e.outside ? "outside" : e.legitimate ? "staff" : "misplaced";
}

/** Whom a false alert mistook: the emitter on the air meanwhile that is nearest to where it points. */
function causeOf(input: RunInput, alert: Raised): Cause {
  const last = alert.states[alert.states.length - 1]!.alert;
  const p = last.position;
  let best: { readonly cause: Cause; readonly distance: number } | null = null;
  for (const e of input.truth) {
    if (!overlaps(e, alert) || !shareBand([e.band], last)) continue;
    const cause = kindOf(e);
    const distance = p ? Math.hypot(p.x_m - e.x_m, p.y_m - e.y_m) : 0;
    if (best === null || distance < best.distance) best = { cause, distance };
  }
  if (best !== null) return best.cause;
  const heard = new Set(last.evidence?.sensors.map((s) => s.sensor));
  for (const fault of input.faults ?? []) {
    const during = fault.fromMs <= alert.until && fault.untilMs >= alert.from;
    if (during && (fault.sensor === null || heard.has(fault.sensor))) return "fault";
  }
  return "noise";
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
