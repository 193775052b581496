/**
 * The score of one or many runs: what was found, what was raised for nothing, where it was said to be and how sure, how
 * soon. docs/replay.md defines each figure. Pure and deterministic: the same rows give the same bytes.
 */
import type { RaisedRow, RunRows, UseRow, Where } from "./scoring/rows.ts";
import { mean, poissonInterval, quantile, round, roundOrNull, type Share, share } from "./scoring/stats.ts";

export { addLosses, lossTable, type SensorLoss, sensorLoss } from "./scoring/loss.ts";
export { type AlertLine, matchRun, type RunInput, type RunRows, type UseRow } from "./scoring/rows.ts";
export type { Share } from "./scoring/stats.ts";

const DAY_MS = 86_400_000;
const CAUSES = ["outside", "staff", "source", "fault", "misplaced", "noise"] as const;
/** Borders of the reliability table: finer at both ends, where a control room's decisions are. */
const P_BORDERS = [0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1];
const EIRP_STEP_DB = 5;
const EXCESS_STEP_DB = 5;
/** Thresholds of the ROC, as multiples of the one in use: below 1 nothing was recorded. */
const ROC_RATIOS = [1, 1.25, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64];
const WORST = 10;

/** What the exact detector and localiser would have reached on the same draws; see limit.ts. */
export interface Limit {
  /** Uses the exact detector finds. */
  readonly recall: Share | null;
  readonly top1: Share | null;
  readonly top3: Share | null;
  readonly delay_p50_s: number | null;
}

export interface Bin extends Share {
  readonly from: number;
  readonly to: number;
}

export interface Miss {
  readonly what: "missed" | "false" | "wrong-place" | "late";
  readonly id: string;
  readonly run: string;
  readonly at: number;
  readonly why: string;
  readonly command: string | null;
}

export interface LocationScore {
  readonly n: number;
  readonly top1: Share;
  readonly top3: Share;
  readonly top1_or_adjacent: Share;
  readonly right_floor: Share;
  readonly error_m: { readonly p50: number | null; readonly p90: number | null; readonly rmse: number | null };
}

export interface Score {
  readonly cellward_score: 1;
  readonly runs: number;
  readonly span: { readonly block_days: number; readonly hours: number };
  readonly detection: {
    readonly uses: Share;
    /** Not matched, but an alert for the same cell was open: the same door. */
    readonly covered: number;
    readonly by_activity: readonly ({ readonly activity: string } & Share)[];
    readonly by_eirp_dbm: readonly Bin[];
    readonly by_excess_db: readonly Bin[];
  };
  readonly alerts: {
    readonly raised: number;
    readonly matched: number;
    readonly doubles: number;
    readonly false: number;
    readonly precision: Share;
    readonly false_per_block_day: number | null;
    readonly false_per_block_day_lo: number | null;
    readonly false_per_block_day_hi: number | null;
    readonly false_by_cause: Readonly<Record<string, number>>;
    readonly other_kinds: Readonly<Record<string, number>>;
  };
  readonly location: LocationScore;
  readonly location_at_alert: LocationScore;
  readonly calibration: {
    readonly nll: number | null;
    readonly brier: number | null;
    /** Mean distance of stated and true probability over the table, weighted by its rows. */
    readonly ece: number | null;
    readonly top: { readonly stated: number | null; readonly right: number | null };
    readonly sets: readonly ({ readonly level: number; readonly mean_cells: number | null } & Share)[];
    readonly reliability: readonly ({ readonly stated: number | null } & Bin)[];
  };
  readonly delay_s: { readonly p50: number | null; readonly p95: number | null; readonly max: number | null };
  readonly confusion: readonly { readonly truth: string; readonly said: string; readonly n: number }[];
  readonly roc: readonly {
    readonly ratio: number;
    readonly recall: number | null;
    readonly false_per_block_day: number | null;
  }[];
  readonly limit: Limit | null;
  readonly worst: readonly Miss[];
}

/** Counts rows of any number of runs together. */
export function summarise(runs: readonly RunRows[], limit: Limit | null = null): Score {
  const uses = runs.flatMap((r) => r.uses);
  const raised = runs.flatMap((r) => r.raised);
  const blockDays = runs.reduce((sum, r) => sum + ((r.untilMs - r.fromMs) / DAY_MS) * r.blocks, 0);
  const found = uses.filter((u) => u.alert !== null);
  const delays = found.map((u) => u.delay_s!);
  return {
    cellward_score: 1,
    runs: runs.length,
    span: {
      block_days: round(blockDays),
      hours: round(runs.reduce((sum, r) => sum + (r.untilMs - r.fromMs) / 3_600_000, 0)),
    },
    detection: {
      uses: share(found.length, uses.length),
      covered: uses.filter((u) => u.covered).length,
      by_activity: byActivity(uses),
      by_eirp_dbm: bins(uses, (u) => u.eirp_dbm, EIRP_STEP_DB),
      by_excess_db: bins(uses, (u) => u.excess_db, EXCESS_STEP_DB),
    },
    alerts: alertScore(runs, raised, blockDays),
    location: locationScore(found.map((u) => u.in_the_end!)),
    location_at_alert: locationScore(found.map((u) => u.at_alert!)),
    calibration: calibrationScore(found.map((u) => u.in_the_end!)),
    delay_s: {
      p50: roundOrNull(quantile(delays, 0.5)),
      p95: roundOrNull(quantile(delays, 0.95)),
      max: roundOrNull(quantile(delays, 1)),
    },
    confusion: confusion(found),
    roc: roc(uses, raised, blockDays),
    limit,
    worst: worst(uses, raised),
  };
}

function byActivity(uses: readonly UseRow[]): ({ activity: string } & Share)[] {
  const names = [...new Set(uses.map((u) => u.activity))].sort();
  return names.map((activity) => {
    const own = uses.filter((u) => u.activity === activity);
    return { activity, ...share(own.filter((u) => u.alert !== null).length, own.length) };
  });
}

/** Detection rate over a quantity, in steps; only steps that hold a use. */
function bins(uses: readonly UseRow[], of: (u: UseRow) => number | null, step: number): Bin[] {
  const counts = new Map<number, [hits: number, n: number]>();
  for (const use of uses) {
    const value = of(use);
    if (value === null || !Number.isFinite(value)) continue;
    const bin = Math.floor(value / step);
    const count = counts.get(bin) ?? [0, 0];
    counts.set(bin, [count[0] + (use.alert === null ? 0 : 1), count[1] + 1]);
  }
  return [...counts]
    .sort((a, b) => a[0] - b[0])
    .map(([bin, [hits, n]]) => ({ from: bin * step, to: (bin + 1) * step, ...share(hits, n) }));
}

function alertScore(runs: readonly RunRows[], raised: readonly RaisedRow[], blockDays: number): Score["alerts"] {
  const count = (verdict: RaisedRow["verdict"]) => raised.filter((r) => r.verdict === verdict).length;
  const wrong = count("false");
  const perDay = (n: number) => (blockDays > 0 ? round(n / blockDays) : null);
  const [lo, hi] = poissonInterval(wrong);
  const byCause: Record<string, number> = {};
  for (const cause of CAUSES) byCause[cause] = raised.filter((r) => r.cause === cause).length;
  const other: Record<string, number> = {};
  for (const kind of [...new Set(runs.flatMap((r) => Object.keys(r.other)))].sort()) {
    other[kind] = runs.reduce((sum, r) => sum + (r.other[kind] ?? 0), 0);
  }
  return {
    raised: raised.length,
    matched: count("match"),
    doubles: count("double"),
    false: wrong,
    precision: share(count("match"), count("match") + wrong),
    false_per_block_day: perDay(wrong),
    false_per_block_day_lo: perDay(lo),
    false_per_block_day_hi: perDay(hi),
    false_by_cause: byCause,
    other_kinds: other,
  };
}

function locationScore(all: readonly Where[]): LocationScore {
  const n = all.length;
  const count = (test: (w: Where) => boolean) => all.filter(test).length;
  const errors = all.map((w) => w.error_m).filter((e) => e !== null);
  const floors = all.filter((w) => w.floor_right !== null);
  const square = mean(errors.map((e) => e * e));
  return {
    n,
    top1: share(
      count((w) => w.rank === 1),
      n,
    ),
    top3: share(
      count((w) => w.rank >= 1 && w.rank <= 3),
      n,
    ),
    top1_or_adjacent: share(
      count((w) => w.rank === 1 || w.adjacent),
      n,
    ),
    right_floor: share(floors.filter((w) => w.floor_right).length, floors.length),
    error_m: {
      p50: roundOrNull(quantile(errors, 0.5)),
      p90: roundOrNull(quantile(errors, 0.9)),
      rmse: roundOrNull(square === null ? null : Math.sqrt(square)),
    },
  };
}

function calibrationScore(all: readonly Where[]): Score["calibration"] {
  const stated: { p: number; hit: boolean }[] = [];
  const top: { p: number; hit: boolean }[] = [];
  for (const w of all) {
    for (const [i, c] of w.candidates.entries()) stated.push({ p: c.p, hit: w.rank === i + 1 });
    if (w.candidates.length > 0) top.push({ p: w.p_cell, hit: w.rank === 1 });
  }
  const reliability = P_BORDERS.slice(0, -1).flatMap((from, i) => {
    const to = P_BORDERS[i + 1]!;
    const own = stated.filter((s) => s.p >= from && (s.p < to || (to === 1 && s.p <= 1)));
    if (own.length === 0) return [];
    return [
      {
        from,
        to,
        stated: roundOrNull(mean(own.map((s) => s.p))),
        ...share(own.filter((s) => s.hit).length, own.length),
      },
    ];
  });
  const gap = reliability.reduce((sum, r) => sum + r.n * Math.abs((r.stated ?? 0) - (r.rate ?? 0)), 0);
  return {
    nll: roundOrNull(mean(all.map((w) => -Math.log(Math.max(w.p_truth, 1e-6))))),
    brier: roundOrNull(mean(top.map((s) => (s.p - (s.hit ? 1 : 0)) ** 2))),
    ece: stated.length > 0 ? round(gap / stated.length) : null,
    top: {
      stated: roundOrNull(mean(top.map((s) => s.p))),
      right: roundOrNull(mean(top.map((s) => (s.hit ? 1 : 0)))),
    },
    sets: [0.5, 0.9].map((level) => setScore(all, level)),
    reliability,
  };
}

/** How often the smallest set of candidates that claims `level` holds the true zone, and how large it is. */
function setScore(all: readonly Where[], level: number): Score["calibration"]["sets"][number] {
  const sizes: number[] = [];
  let hits = 0;
  for (const w of all) {
    let sum = 0;
    let size = 0;
    while (sum < level && size < w.candidates.length) sum += w.candidates[size++]!.p;
    sizes.push(size);
    if (w.rank >= 1 && w.rank <= size) hits++;
  }
  return { level, mean_cells: roundOrNull(mean(sizes)), ...share(hits, all.length) };
}

function confusion(found: readonly UseRow[]): Score["confusion"] {
  const counts = new Map<string, { truth: string; said: string; n: number }>();
  for (const use of found) {
    const truth = use.cell ?? "outside";
    const said = use.in_the_end?.cell ?? "nowhere";
    if (truth === said) continue;
    const key = `${truth} ${said}`;
    const row = counts.get(key) ?? { truth, said, n: 0 };
    row.n++;
    counts.set(key, row);
  }
  return [...counts.values()].sort((a, b) => b.n - a.n || (`${a.truth} ${a.said}` < `${b.truth} ${b.said}` ? -1 : 1));
}

/** What a threshold raised to a multiple would have kept. */
function roc(uses: readonly UseRow[], raised: readonly RaisedRow[], blockDays: number): Score["roc"] {
  const strengthOf = new Map(raised.map((r) => [r.id, r.strength]));
  const found = uses.filter((u) => u.alert !== null).map((u) => strengthOf.get(u.alert!) ?? 0);
  const wrong = raised.filter((r) => r.verdict === "false").map((r) => r.strength);
  return ROC_RATIOS.map((ratio) => ({
    ratio,
    recall: uses.length === 0 ? null : round(found.filter((s) => ratio === 1 || s >= ratio).length / uses.length),
    false_per_block_day:
      blockDays > 0 ? round(wrong.filter((s) => ratio === 1 || s >= ratio).length / blockDays) : null,
  }));
}

/** The cases a developer should look at first: loud phones missed, strong alerts for nothing, sure of the wrong cell. */
function worst(uses: readonly UseRow[], raised: readonly RaisedRow[]): Miss[] {
  const missed = uses
    .filter((u) => u.alert === null)
    .sort((a, b) => loudness(b) - loudness(a) || (a.id < b.id ? -1 : 1))
    .map((u): Miss => ({ what: "missed", id: u.id, run: u.run, at: u.start, why: whyMissed(u), command: u.command }));
  const wrong = raised
    .filter((r) => r.verdict === "false")
    .sort((a, b) => b.strength - a.strength || (a.id < b.id ? -1 : 1))
    .map(
      (r): Miss => ({
        what: "false",
        id: r.id,
        run: r.run,
        at: r.t,
        why: `raised in ${r.cell ?? "no cell"} at ${r.strength.toFixed(1)} times the threshold; cause: ${r.cause}`,
        command: r.command,
      }),
    );
  const misplaced = uses
    .filter((u) => u.in_the_end !== null && u.in_the_end.rank !== 1)
    .sort((a, b) => a.in_the_end!.p_truth - b.in_the_end!.p_truth || (a.id < b.id ? -1 : 1))
    .map(
      (u): Miss => ({
        what: "wrong-place",
        id: u.id,
        run: u.run,
        at: u.start,
        why: `in ${u.cell}, said ${u.in_the_end!.cell} (${percent(u.in_the_end!.p_cell)}; the truth got ${percent(u.in_the_end!.p_truth)})`,
        command: u.command,
      }),
    );
  // A share for each kind first, so that many of one do not hide the others.
  const picked = [...missed.slice(0, 4), ...wrong.slice(0, 3), ...misplaced.slice(0, 3)];
  const rest = [...missed.slice(4), ...wrong.slice(3), ...misplaced.slice(3)];
  return [...picked, ...rest.slice(0, Math.max(0, WORST - picked.length))].slice(0, WORST);
}

function loudness(use: UseRow): number {
  return use.excess_db ?? use.eirp_dbm;
}

function whyMissed(u: UseRow): string {
  const loud =
    u.excess_db === null ? `${u.eirp_dbm.toFixed(0)} dBm EIRP` : `${u.excess_db.toFixed(0)} dB over the floor`;
  const door = u.covered ? "; an alert for this cell was already open" : "";
  return `${u.activity} of ${u.emitter} in ${u.cell ?? "?"}, ${((u.end - u.start) / 1000).toFixed(0)} s, ${loud}${door}`;
}

function percent(p: number): string {
  return `${(100 * p).toFixed(p < 0.01 ? 1 : 0)} %`;
}

// -------------------------------------------------------------------------------------------------- figures and thresholds

/** One figure of a score under the name that thresholds, baselines and tables use. */
export interface Figure {
  readonly name: string;
  readonly label: string;
  readonly better: "higher" | "lower";
  readonly value: number | null;
  /** 95 % interval where the figure is a share or a rate. */
  readonly interval: readonly [number, number] | null;
  readonly unit: "share" | "m" | "s" | "per block-day" | "nats" | "count";
}

/** The figures that matter, in the order in which they are shown. */
export function figures(score: Score): Figure[] {
  const rate = (name: string, label: string, s: Share): Figure => ({
    name,
    label,
    better: "higher",
    value: s.rate,
    interval: s.n > 0 ? [s.lo, s.hi] : null,
    unit: "share",
  });
  const low = (name: string, label: string, value: number | null, unit: Figure["unit"]): Figure => ({
    name,
    label,
    better: "lower",
    value,
    interval: null,
    unit,
  });
  const { alerts, location, location_at_alert: early, calibration } = score;
  const falseDay: Figure = {
    ...low("false_per_block_day", "false alerts per block-day", alerts.false_per_block_day, "per block-day"),
    interval:
      alerts.false_per_block_day_lo === null
        ? null
        : [alerts.false_per_block_day_lo, alerts.false_per_block_day_hi ?? 0],
  };
  return [
    rate("recall", "uses found", score.detection.uses),
    rate("precision", "alerts that answer a use", alerts.precision),
    falseDay,
    low("false", "false alerts", alerts.false, "count"),
    low("doubles", "second alerts for one use", alerts.doubles, "count"),
    rate("top1", "right cell first", location.top1),
    rate("top3", "right cell among three", location.top3),
    rate("adjacent", "right or adjacent cell", location.top1_or_adjacent),
    rate("right_floor", "right floor", location.right_floor),
    rate("top1_at_alert", "right cell first, when raised", early.top1),
    low("error_p50_m", "median error", location.error_m.p50, "m"),
    low("error_p90_m", "90 % of errors below", location.error_m.p90, "m"),
    low("delay_p50_s", "median time to alert", score.delay_s.p50, "s"),
    low("delay_p95_s", "95 % of alerts within", score.delay_s.p95, "s"),
    low("nll", "negative log likelihood of the true cell", calibration.nll, "nats"),
    low("ece", "stated against true probability", calibration.ece, "share"),
  ];
}

export interface Threshold {
  readonly text: string;
  readonly name: string;
  readonly op: "<" | "<=" | ">" | ">=" | "=";
  readonly value: number;
}

/** Reads `recall>=0.95`. Returns a sentence where it can't be read. */
export function parseThreshold(text: string): Threshold | string {
  const found = /^\s*([a-z0-9_]+)\s*(<=|>=|<|>|==?)\s*(-?\d+(?:\.\d+)?)\s*$/.exec(text);
  if (!found) return `'${text}' is not of the form name>=number`;
  const [, name, op, value] = found;
  const known = FIGURE_NAMES;
  if (!known.includes(name!)) return `there is no figure '${name}'; known: ${known.join(", ")}`;
  return { text, name: name!, op: (op === "==" ? "=" : op) as Threshold["op"], value: Number(value) };
}

/** Whether a score meets a threshold. A figure that has no value (nothing to count) does not meet any. */
export function meets(score: Score, threshold: Threshold): { readonly ok: boolean; readonly value: number | null } {
  const value = figures(score).find((f) => f.name === threshold.name)?.value ?? null;
  if (value === null) return { ok: false, value };
  const { op, value: wanted } = threshold;
  const ok =
    op === "<"
      ? value < wanted
      : op === "<="
        ? value <= wanted
        : op === ">"
          ? value > wanted
          : op === ">="
            ? value >= wanted
            : value === wanted;
  return { ok, value };
}

const FIGURE_NAMES = figures(summarise([])).map((f) => f.name);

export interface Change {
  readonly name: string;
  readonly label: string;
  readonly before: number | null;
  readonly after: number | null;
  readonly verdict: "better" | "worse" | "same" | "unknown";
  /** True where the change is larger than chance makes between two runs of this size. */
  readonly beyond_noise: boolean;
}

/** What got better or worse since another score. */
export function compareScores(before: Score, after: Score): Change[] {
  const old = new Map(figures(before).map((f) => [f.name, f]));
  return figures(after).map((now): Change => {
    const was = old.get(now.name);
    const { name, label } = now;
    if (!was || was.value === null || now.value === null) {
      return { name, label, before: was?.value ?? null, after: now.value, verdict: "unknown", beyond_noise: false };
    }
    const gain = now.better === "higher" ? now.value - was.value : was.value - now.value;
    const verdict = Math.abs(gain) < 1e-9 ? "same" : gain > 0 ? "better" : "worse";
    // Intervals that do not overlap differ by more than both runs' chance.
    const apart =
      now.interval && was.interval ? now.interval[0] > was.interval[1] || now.interval[1] < was.interval[0] : false;
    return { name, label, before: was.value, after: now.value, verdict, beyond_noise: apart };
  });
}

/** The bytes of score.json. */
export function scoreJson(score: Score): string {
  return `${JSON.stringify(score, null, 2)}\n`;
}
