/**
 * Accuracy of `calibrate` and `locate` on the recorded hall, as recorded and with the power of every burst shifted at random.
 * Truth is the path's mean over the interval. Run: node bin/bench.js locate [seed]
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { learn } from "../../src/cli/calibrate.ts";
import { locate, type PositionLine } from "../../src/cli/locate.ts";
import type { Calibration, Site } from "../../src/model.ts";
import { loadSite } from "../../src/site.ts";
import { openTrace, readLabels, type TraceMessage } from "../../src/trace/index.ts";
import { mulberry32 } from "../support/noise.ts";
import { type PathPoint, positionAt } from "../support/path.ts";

const TRACKS = ["straight_01", "straight_02", "straight_05", "rectangular_without_rotation"];

export interface Scores {
  readonly count: number;
  readonly medianM: number;
  readonly p95M: number;
  readonly cover50: number;
  readonly cover90: number;
}

/** Shifts all levels of a burst (packets within 60 ms) by one U(-20, 0) dB. */
export async function* shifted(trace: AsyncIterable<TraceMessage>, next: () => number): AsyncGenerator<TraceMessage> {
  let begin = Number.NEGATIVE_INFINITY;
  let shiftDb = 0;
  for await (const message of trace) {
    if (!message.topic.endsWith("/reading") || !("payload" in message)) {
      yield message;
      continue;
    }
    const payload = message.payload as { ts: number; r: { peak_dbm: number }[] };
    if (payload.ts - begin > 60) {
      begin = payload.ts;
      shiftDb = -20 * next();
    }
    const r = payload.r.map((v) => ({ ...v, peak_dbm: v.peak_dbm + shiftDb }));
    yield { ...message, payload: { ...payload, r } };
  }
}

/** Mean position over an interval. */
export function truthAt(path: readonly PathPoint[], fromMs: number, toMs: number): [number, number] {
  let [x, y] = [0, 0];
  const steps = 8;
  for (let k = 0; k < steps; k++) {
    const at = positionAt(path, fromMs + ((k + 0.5) / steps) * (toMs - fromMs));
    x += at.x / steps;
    y += at.y / steps;
  }
  return [x, y];
}

/** Errors, and how often a truth lies within the stated ellipses. */
export class Coverage {
  readonly #errors: number[] = [];
  #in50 = 0;
  #in90 = 0;

  add(line: PositionLine, x: number, y: number): void {
    const d2 = mahalanobis2(line.cov_m2, x - line.x_m, y - line.y_m);
    this.#errors.push(Math.hypot(line.x_m - x, line.y_m - y));
    // Two dimensions: quantiles of chi-square are -2 ln(1 - p).
    if (d2 <= -2 * Math.log(0.5)) this.#in50++;
    if (d2 <= -2 * Math.log(0.1)) this.#in90++;
  }

  scores(): Scores {
    const errors = [...this.#errors].sort((a, b) => a - b);
    const count = errors.length;
    return {
      count,
      medianM: errors[Math.floor(count / 2)]!,
      p95M: errors[Math.floor(count * 0.95)]!,
      cover50: this.#in50 / count,
      cover90: this.#in90 / count,
    };
  }
}

export async function scoreTracks(
  folder: string,
  site: Site,
  calibration: Calibration | null,
  everyMs: number,
  shiftSeed: number | null,
): Promise<Scores> {
  const coverage = new Coverage();
  for (const track of TRACKS) {
    const path = readFileSync(join(folder, `${track}.path.jsonl`), "utf8")
      .trim()
      .split("\n")
      .map((l) => JSON.parse(l) as PathPoint);
    const trace = await openTrace(join(folder, `${track}.jsonl.gz`));
    const messages = shiftSeed === null ? trace : shifted(trace, mulberry32(shiftSeed));
    for await (const line of locate(messages, site, calibration, everyMs, null)) {
      const [x, y] = truthAt(path, line.t - everyMs, line.t);
      coverage.add(line, x, y);
    }
  }
  return coverage.scores();
}

/** Squared distance of an error in units of a stated covariance. */
export function mahalanobis2([xx, xy, yy]: readonly number[], dx: number, dy: number): number {
  return (dx * dx * yy! - 2 * dx * dy * xy! + dy * dy * xx!) / (xx! * yy! - xy! * xy!);
}

/** Messages that are at hand, as a trace is read. */
export async function* streamed(messages: readonly TraceMessage[]): AsyncGenerator<TraceMessage> {
  yield* messages;
}

export function recordedFolder(): string | null {
  const base = process.env.CELLWARD_DATA ?? join(import.meta.dirname, "..", "..", "..", "shared", "data");
  const folder = join(base, "ble-office");
  return existsSync(join(folder, "site.json")) ? folder : null;
}

async function main(): Promise<void> {
  const folder = recordedFolder();
  if (folder === null) {
    process.stdout.write("locate: the recorded hall (shared/data/ble-office) is not here\n");
    return;
  }
  const site = loadSite(join(folder, "site.json"));
  const started = performance.now();
  const labels = await readLabels(join(folder, "calibration.labels.jsonl"));
  const { calibration, leftOut } = await learn(join(folder, "calibration.jsonl.gz"), labels, site);
  process.stdout.write(`calibrated in ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
  process.stdout.write(`points left out: ${JSON.stringify(leftOut)}\n`);
  process.stdout.write("calibration every_ms power   median_m p95_m  in 50 % in 90 %  intervals\n");
  for (const [name, c] of [
    ["points", calibration],
    ["none", null],
  ] as const) {
    for (const everyMs of [1000, 2000]) {
      for (const seed of [null, 1, 2]) {
        const s = await scoreTracks(folder, site, c, everyMs, seed);
        const power = seed === null ? "as is" : `shift${seed}`;
        process.stdout.write(
          `${name.padEnd(11)} ${String(everyMs).padEnd(8)} ${power.padEnd(8)}${s.medianM.toFixed(2).padEnd(9)}${s.p95M.toFixed(2).padEnd(7)}` +
            `${(100 * s.cover50).toFixed(1).padEnd(8)}${(100 * s.cover90).toFixed(1).padEnd(9)}${s.count}\n`,
        );
      }
    }
  }
}

if (process.argv[1]?.match(/locate\.[jt]s$/)) await main();
