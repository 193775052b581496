/**
 * The quality gate: the scenario library and recorded real data through the real pipeline, scored, against a committed
 * baseline. The draws are fixed by the seeds, so every change of a figure is a change of the code.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type ScenarioInput, scenarioNames, simulate } from "../../simulator/index.ts";
import { limitSummary, limitsOf, type UseLimit } from "../../simulator/limit.ts";
import { scoringOf, traceOf } from "../../simulator/run.ts";
import { type Figure, figures, matchRun, type RunRows, type Score, summarise } from "../../simulator/score.ts";
import type { Calibration, Site } from "../../src/model.ts";
import { PIPELINE_DEFAULTS } from "../../src/pipeline.ts";
import { type ReplayOptions, replayInProcess } from "../../src/replay.ts";
import { parseSite } from "../../src/site.ts";

export interface Plan {
  /** Names in the library, or scenarios themselves. */
  readonly scenarios: readonly (string | ScenarioInput)[];
  readonly seeds: readonly number[];
  /** Longer scenarios end here. */
  readonly capS: number;
}

/** Sensors times days: minutes of a core, and their figures are those of the smaller blocks. */
const TOO_LARGE = new Set(["prison-day", "prison-doors"]);

/** Everything the library has; a few minutes. */
export function fullPlan(): Plan {
  return { scenarios: scenarioNames().filter((name) => !TOO_LARGE.has(name)), seeds: [1], capS: 420 };
}

/** What CI runs on every change: one that must be found, one that must stay silent, and four blocks that hear each other. */
export function slicePlan(): Plan {
  return { scenarios: ["one-call", "street-outside", "next-block"], seeds: [1], capS: 360 };
}

/** A way to make the system worse on purpose, to see the gate fail. */
export interface Mutant {
  readonly name: string;
  site?(site: Site): Site;
  readonly pipeline?: ReplayOptions["pipeline"];
}

/**
 * Every evidence threshold at half its value. The detector's follows from the tolerated false alarms by
 * `threshold = ln(ARL)`, so half of about 25 nats is a factor of e^12.5 in false alarms.
 */
export const THRESHOLD_HALVED: Mutant = {
  name: "threshold halved",
  pipeline: {
    falseAlarmsPerDay: 0.5 * Math.exp(12.5),
    tracker: { zoneThreshold: 12, softThreshold: 2, stillOnNats: 5 },
  },
};

/** Every evidence threshold at twice its value: everything is found later, and what is faint not at all. */
export const THRESHOLD_DOUBLED: Mutant = {
  name: "threshold doubled",
  pipeline: {
    falseAlarmsPerDay: 0.5 * Math.exp(-25),
    tracker: { zoneThreshold: 48, softThreshold: 8, stillOnNats: 20 },
  },
};

/**
 * Half of every threshold, and a policy that tells whatever is heard, wherever it is: of noise alone the localiser says "outside", so
 * that halved thresholds by themselves raise no alert.
 */
export const ALL_TOLD: Mutant = {
  name: "all told",
  pipeline: { ...THRESHOLD_HALVED.pipeline, policy: { minForbiddenP: 0.01, maxAllowedP: 1, leastExcessDb: 0 } },
};

/** The localiser knows no walls; the simulated world keeps them. */
export const BLIND_TO_WALLS: Mutant = { name: "localiser blind to walls", site: (site) => ({ ...site, walls: [] }) };

export interface Part {
  readonly name: string;
  readonly rows: readonly RunRows[];
  /** What was possible on each run's draws; empty where it was not asked for. */
  readonly limits: readonly (readonly UseLimit[])[];
  readonly score: Score;
  readonly expected: string;
}

export interface RunOptions {
  readonly mutant?: Mutant;
  readonly calibration?: Calibration;
  /** Also work out what was possible on the same draws. */
  readonly limit?: boolean;
  readonly onPart?: (part: Part, seconds: number) => void;
}

/** Runs a plan; a part for each scenario, its seeds together. */
export async function runPlan(plan: Plan, options: RunOptions = {}): Promise<Part[]> {
  const parts: Part[] = [];
  for (const scenario of plan.scenarios) {
    const beganMs = performance.now();
    const rows: RunRows[] = [];
    const limits: UseLimit[][] = [];
    let expected = "";
    const name = typeof scenario === "string" ? scenario : scenario.name;
    for (const seed of plan.seeds) {
      const full = simulate(scenario, seed).scenario;
      const durationS = Math.min(plan.capS, full.duration_s);
      const sim = simulate(scenario, seed, { durationS });
      expected = full.expect.why.trim().replace(/\s+/g, " ");
      const site = siteOf(sim.site, name);
      const end = await replayInProcess(traceOf(sim), {
        site: options.mutant?.site?.(site) ?? site,
        calibration: options.calibration ?? null,
        ...(options.mutant?.pipeline === undefined ? {} : { pipeline: options.mutant.pipeline }),
      });
      rows.push(
        matchRun({
          ...scoringOf(sim),
          alerts: end.alerts,
          site,
          run: `${name}-${seed}`,
          command: commandOf(name, seed, durationS),
        }),
      );
      if (options.limit) limits.push(limitsOf(sim, rows[rows.length - 1]!, PIPELINE_DEFAULTS.falseAlarmsPerDay));
    }
    const part = { name, rows, limits, score: scoreOf([{ rows, limits }]), expected };
    parts.push(part);
    options.onPart?.(part, (performance.now() - beganMs) / 1000);
  }
  return parts;
}

/** The score of some parts together, with the limit where every part has one. */
export function scoreOf(parts: readonly Pick<Part, "rows" | "limits">[]): Score {
  const rows = parts.flatMap((p) => p.rows);
  const runs = parts.flatMap((p) => p.limits.map((limits, i) => ({ rows: p.rows[i]!, limits })));
  return summarise(rows, runs.length === rows.length && runs.length > 0 ? limitSummary(runs) : null);
}

function siteOf(text: string, name: string): Site {
  const result = parseSite(text, `${name}.yaml`);
  if (!result.ok) throw new Error(`scenario ${name}: ${result.problems.map((p) => JSON.stringify(p)).join("; ")}`);
  return result.site;
}

function commandOf(name: string, seed: number, durationS: number): (untilMs: number) => string {
  return (untilMs) =>
    `npm run -s cellward -- simulate ${name} --seed ${seed} --duration ${durationS} --out miss && npm run -s cellward -- replay miss/${name}.jsonl --site miss/site.yaml --truth miss/${name}.truth.jsonl --until ${new Date(untilMs).toISOString()} --out miss`;
}

/** Folder of the recorded real data, or null where it is missing. */
export function recordedData(): string | null {
  const path = process.env.CELLWARD_DATA ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));
  return existsSync(path) ? path : null;
}

// ------------------------------------------------------------------------------------------------------------- baseline

/** What a baseline keeps of a part: its figures, and how much they rest on. */
export interface BaselinePart {
  readonly uses: number;
  readonly figures: Readonly<Record<string, number | null>>;
}

export type Baseline = Readonly<Record<string, BaselinePart>>;

/** The figures that the gate watches, and how far each may get worse: by a part of its value, and by so much at least. */
const TOLERANCES: Readonly<Record<string, { readonly relative: number; readonly absolute: number }>> = {
  recall: { relative: 0, absolute: 0.02 },
  false: { relative: 0.1, absolute: 1 },
  doubles: { relative: 0.1, absolute: 1 },
  top1: { relative: 0, absolute: 0.03 },
  top3: { relative: 0, absolute: 0.03 },
  right_floor: { relative: 0, absolute: 0.03 },
  error_p50_m: { relative: 0.05, absolute: 0.3 },
  delay_p50_s: { relative: 0.1, absolute: 1 },
  nll: { relative: 0.05, absolute: 0.15 },
};

export const ALL = "all scenarios";

export function baselineOf(parts: readonly Part[]): Baseline {
  const out: Record<string, BaselinePart> = {};
  for (const { name, score } of withTotal(parts)) {
    const watched = figures(score).filter((f) => f.name in TOLERANCES);
    out[name] = { uses: score.detection.uses.n, figures: Object.fromEntries(watched.map((f) => [f.name, f.value])) };
  }
  return out;
}

function withTotal(parts: readonly Part[]): { readonly name: string; readonly score: Score }[] {
  return [...parts, { name: ALL, score: scoreOf(parts) }];
}

export interface Regression {
  readonly part: string;
  readonly figure: string;
  readonly before: number | null;
  readonly after: number | null;
  readonly allowed: number;
}

/**
 * What got worse than a baseline by more than its tolerance. A part's share may lose one use whatever the tolerance, since a
 * use is all its resolution; the sum over all parts may not. Parts that the baseline lacks are new and pass.
 */
export function regressions(baseline: Baseline, parts: readonly Part[]): Regression[] {
  const out: Regression[] = [];
  for (const { name, score } of withTotal(parts)) {
    const base = baseline[name];
    if (!base) continue;
    for (const now of figures(score)) {
      const tolerance = TOLERANCES[now.name];
      const before = base.figures[now.name];
      if (!tolerance || before === null || before === undefined) continue;
      const one = now.unit === "share" && name !== ALL ? 1 / Math.max(1, base.uses) + 1e-4 : 0;
      const allowed = Math.max(tolerance.absolute, tolerance.relative * Math.abs(before), one);
      // A share that can't be formed any more (nothing found at all) shows as a lost recall.
      if (now.value === null) continue;
      const loss = now.better === "higher" ? before - now.value : now.value - before;
      if (loss > allowed + 1e-9) out.push({ part: name, figure: now.name, before, after: now.value, allowed });
    }
  }
  return out;
}

export type { Figure };
