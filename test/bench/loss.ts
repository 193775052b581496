/**
 * `node bin/bench.js loss [SCENARIO] [SEEDS]`: what each sensor's loss costs, beside what it costs those who are told the
 * world, on the same draws. Cost: (sensors + 1) x seeds replays.
 */
import { simulate } from "../../simulator/index.ts";
import { limitsOf } from "../../simulator/limit.ts";
import { scoringOf, traceOf } from "../../simulator/run.ts";
import { addLosses, lossTable, matchRun, type RunRows, sensorLoss } from "../../simulator/score.ts";
import { PIPELINE_DEFAULTS } from "../../src/pipeline.ts";
import { replayInProcess } from "../../src/replay.ts";
import { parseSite } from "../../src/site.ts";

const [name = "floor-above", seeds = "1,2,3"] = process.argv.slice(2);
const capS = 600;

/** The run as everyone sees it when a sensor has never said a word. */
function without(sim: ReturnType<typeof simulate>, sensor: string | null): ReturnType<typeof simulate> {
  if (sensor === null) return sim;
  const mark = `/${sensor}/`;
  return {
    ...sim,
    messages: function* () {
      for (const message of sim.messages()) if (!message.topic.includes(mark)) yield message;
    },
  };
}

const runs = [];
for (const seed of seeds.split(",").map(Number)) {
  const full = simulate(name, seed);
  const sim = simulate(name, seed, { durationS: Math.min(capS, full.scenario.duration_s) });
  const parsed = parseSite(sim.site, name);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const { site } = parsed;
  const rf = site.sensors.filter((s) => s.type === "rf").map((s) => s.id);
  let whole: RunRows | null = null;
  const losses = [];
  for (const sensor of [null, ...rf]) {
    const seen = without(sim, sensor);
    const end = await replayInProcess(traceOf(seen), { site });
    const rows = matchRun({ ...scoringOf(seen), alerts: end.alerts, site, run: `${name}-${seed}` });
    losses.push(sensorLoss(sensor, rows, whole, limitsOf(seen, rows, PIPELINE_DEFAULTS.falseAlarmsPerDay)));
    whole ??= rows;
    process.stderr.write(`${name} seed ${seed}, without ${sensor ?? "none"}\n`);
  }
  runs.push(losses);
}
const { head, rows } = lossTable(addLosses(runs));
process.stdout.write(`| ${head.join(" | ")} |\n|---|${"---:|".repeat(head.length - 1)}\n`);
for (const row of rows) process.stdout.write(`| ${row.join(" | ")} |\n`);
