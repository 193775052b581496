/**
 * How fast a trace goes through the pipeline in process: the synthetic prison-day (600 sensors, 8 bands, 1 Hz), decoded from
 * the bytes of a trace file on disk, judged, located.
 *
 * `node bin/bench.js replay [--seconds 300] [--hours 3,11] [--scenario prison-day] [--json]`: pieces of the day, a quiet
 * and a busy hour. Prints trace time replayed per second of CPU and of wall clock, of the whole and after the first two minutes,
 * and of the reading of the file alone.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { simulate } from "../../simulator/index.ts";
import { scoringOf } from "../../simulator/run.ts";
import { matchRun, summarise } from "../../simulator/score.ts";
import { replayInProcess } from "../../src/replay.ts";
import { parseSite } from "../../src/site.ts";
import { createTraceWriter, openTrace } from "../../src/trace/index.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "300" },
    hours: { type: "string", default: "3,11" },
    scenario: { type: "string", default: "prison-day" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean" },
  },
});
const seconds = Number(values.seconds);
const SETTLED_MS = 120_000;
const day = Date.UTC(2026, 2, 2);
const dir = mkdtempSync(join(tmpdir(), "cellward-replay-bench-"));

/** Seconds of CPU and of wall clock that `run` takes. */
async function timed<T>(run: () => Promise<T>): Promise<{ cpuS: number; wallS: number; value: T }> {
  const began = performance.now();
  const cpu = process.cpuUsage();
  const value = await run();
  const { user, system } = process.cpuUsage(cpu);
  return { cpuS: (user + system) / 1e6, wallS: (performance.now() - began) / 1000, value };
}

try {
  for (const hour of values.hours.split(",").map(Number)) {
    const sim = simulate(values.scenario, Number(values.seed), { startMs: day + hour * 3_600_000, durationS: seconds });
    const site = parseSite(sim.site, values.scenario);
    if (!site.ok) throw new Error(JSON.stringify(site.problems));
    const path = join(dir, `${hour}.jsonl`);
    const writer = await createTraceWriter(path, { cellward_trace: 1, site: sim.siteId, start: sim.startMs });
    for (const { t, topic, payload } of sim.messages()) {
      const wait = writer.write(
        typeof payload === "string" ? { t, topic, json: payload } : { t, topic, bytes: payload },
      );
      if (wait) await wait;
    }
    await writer.close();
    const read = await timed(async () => {
      let n = 0;
      for await (const batch of (await openTrace(path)).batches()) n += batch.length;
      return n;
    });
    // The first two minutes make the tables of the bands in use and warm the channels up: a day has that once.
    let settled: { cpuS: number; tMs: number } | null = null;
    const cpuS = () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    };
    const onProgress = (tMs: number) => {
      if (tMs - sim.startMs >= SETTLED_MS) settled ??= { cpuS: cpuS(), tMs };
    };
    const end = await timed(async () => replayInProcess(await openTrace(path), { site: site.site, onProgress }));
    const after = settled as { cpuS: number; tMs: number } | null;
    const restCpuS = after === null ? Number.NaN : cpuS() - after.cpuS;
    const { alerts } = end.value;
    const score = summarise([matchRun({ ...scoringOf(sim), alerts, site: site.site, run: `${hour} h` })]);
    const result = {
      bench: `replay ${values.scenario}, from ${hour} h`,
      node: process.version,
      trace_s: seconds,
      messages: read.value,
      megabytes: Math.round(statSync(path).size / 1e6),
      episodes: sim.truth.length,
      alert_events: end.value.alerts.length,
      uses: score.detection.uses.n,
      found: score.detection.uses.hits,
      right_cell: score.location.top1.hits,
      false_alerts: score.alerts.false,
      false_by_cause: JSON.stringify(score.alerts.false_by_cause),
      cpu_s: Number(end.cpuS.toFixed(2)),
      realtime_per_cpu_s: Math.round(seconds / end.cpuS),
      realtime_per_cpu_s_after_2_min:
        after === null ? null : Math.round((sim.startMs + seconds * 1000 - after.tMs) / 1000 / restCpuS),
      realtime_per_wall_s: Math.round(seconds / end.wallS),
      reading_alone_per_cpu_s: Math.round(seconds / read.cpuS),
      peak_rss_mb: Math.round(process.resourceUsage().maxRSS / 1024),
    };
    if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    else
      process.stdout.write(
        `${Object.entries(result)
          .map(([k, v]) => `${k.padEnd(24)} ${v}\n`)
          .join("")}\n`,
      );
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
