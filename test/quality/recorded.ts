/** The recorded half of the gate: positions along tracks of real data, calibrated from its labelled points. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { quantile, round } from "../../simulator/scoring/stats.ts";
import { calibrate } from "../../src/cli/calibrate.ts";
import { locate } from "../../src/cli/locate.ts";
import { loadSite } from "../../src/site.ts";
import { openTrace, readJsonLines, readLabels } from "../../src/trace/index.ts";
import type { Regression } from "./gate.ts";

const TRACKS = ["straight_01", "straight_02", "straight_05", "rectangular_without_rotation"];
const EVERY_MS = 1000;
/** How far the median may grow before the gate fails. */
const ALLOWED_M = 0.1;

export interface RecordedResult {
  readonly positions: number;
  readonly error_p50_m: number;
  readonly error_p90_m: number;
}

interface PathPoint {
  readonly t: number;
  readonly x_m: number;
  readonly y_m: number;
}

/** Horizontal errors on every track of `DATA/ble-office`, and of all together. */
export async function runRecorded(data: string): Promise<Record<string, RecordedResult>> {
  const dir = join(data, "ble-office");
  if (!existsSync(dir)) return {};
  const site = loadSite(join(dir, "site.json"));
  const labels = await readLabels(join(dir, "calibration.labels.jsonl"));
  const calibration = await calibrate(join(dir, "calibration.jsonl.gz"), labels, site);
  const out: Record<string, RecordedResult> = {};
  const all: number[] = [];
  for (const track of TRACKS) {
    const path = await readJsonLines(join(dir, `${track}.path.jsonl`), (value) => value as PathPoint);
    const errors: number[] = [];
    const trace = await openTrace(join(dir, `${track}.jsonl.gz`));
    for await (const line of locate(trace, site, calibration, EVERY_MS, null)) {
      // The emitter's place in the middle of the interval that the estimate is for.
      const truth = along(path, line.t - EVERY_MS / 2);
      if (truth) errors.push(Math.hypot(line.x_m - truth[0], line.y_m - truth[1]));
    }
    all.push(...errors);
    out[`ble-office ${track}`] = resultOf(errors);
  }
  out["ble-office, all tracks"] = resultOf(all);
  return out;
}

function resultOf(errors: readonly number[]): RecordedResult {
  return {
    positions: errors.length,
    error_p50_m: round(quantile(errors, 0.5) ?? Number.NaN),
    error_p90_m: round(quantile(errors, 0.9) ?? Number.NaN),
  };
}

/** Position at a time by linear interpolation; null outside the track. */
function along(path: readonly PathPoint[], t: number): [number, number] | null {
  const after = path.findIndex((p) => p.t >= t);
  if (after <= 0) return null;
  const a = path[after - 1]!;
  const b = path[after]!;
  const u = b.t === a.t ? 0 : (t - a.t) / (b.t - a.t);
  return [a.x_m + u * (b.x_m - a.x_m), a.y_m + u * (b.y_m - a.y_m)];
}

export function recordedRegressions(
  before: Readonly<Record<string, RecordedResult>>,
  after: Readonly<Record<string, RecordedResult>>,
): Regression[] {
  const out: Regression[] = [];
  for (const [part, now] of Object.entries(after)) {
    const was = before[part];
    if (!was || now.error_p50_m <= was.error_p50_m + ALLOWED_M) continue;
    out.push({ part, figure: "error_p50_m", before: was.error_p50_m, after: now.error_p50_m, allowed: ALLOWED_M });
  }
  return out;
}

export function recordedLines(results: Readonly<Record<string, RecordedResult>>): string[] {
  if (Object.keys(results).length === 0) return [];
  const out = [
    "| recorded data, 1 s intervals | positions | median error | 90 % of errors below |",
    "|---|---:|---:|---:|",
  ];
  for (const [name, r] of Object.entries(results)) {
    out.push(`| ${name} | ${r.positions} | ${r.error_p50_m.toFixed(2)} m | ${r.error_p90_m.toFixed(2)} m |`);
  }
  return out;
}
