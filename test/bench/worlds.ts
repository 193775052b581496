/**
 * `node bin/bench.js worlds [SEED,...] [WAY,...]`: blocks that share nothing with the simulator or the localiser (`plain-block.ts`),
 * 25 minutes each with calls, texts, staff who walk and phones in the street, told in many ways (`plain-ways.ts`): by peaks or means, in
 * whole decibels, by sensors that report only what they hear, in batches, late, by clocks that are off, with floors that move, with plans that
 * are wrong. Prints by way how many uses were found, false and doubled alerts, right cells, and the median time to the alert; then what alerts state
 * of their last place against where the phone was, as `reliability` does. Cost: 5 to 20 s a seed and way.
 */
import { matchRun, summarise } from "../../simulator/score.ts";
import { PIPELINE_DEFAULTS } from "../../src/pipeline.ts";
import { replayInProcess } from "../../src/replay.ts";
import { parseSite } from "../../src/site.ts";
import { percentOf } from "../support/percent.ts";
import { plainBlock, START_MS } from "./plain-block.ts";
import { readingsOf, siteTold, told, truthTold, untilMs } from "./plain-told.ts";
import { WAYS } from "./plain-ways.ts";
import { STATED_COLUMNS, Stated } from "./stated.ts";

const [seeds = "101,102,103,104", only = ""] = process.argv.slice(2);

const rows = new Map<string, ReturnType<typeof matchRun>[]>();
for (const seed of seeds.split(",").map(Number)) {
  const block = plainBlock(seed);
  const usual = block.readings();
  for (const [name, way] of Object.entries(WAYS)) {
    if (only !== "" && !only.split(",").includes(name)) continue;
    const parsed = parseSite(JSON.stringify(siteTold(block, way)), "plain.json");
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    const { site } = parsed;
    const readings = way.periodMs === undefined ? usual : readingsOf(seed, block, way.periodMs);
    const pipeline = way.live ? { eager: true, holdMs: PIPELINE_DEFAULTS.holdMs } : {};
    const { alerts } = await replayInProcess(told(block, readings, way), { site, pipeline });
    const truth = truthTold(block, way) as Parameters<typeof matchRun>[0]["truth"];
    const run = { alerts, truth, site, fromMs: START_MS, untilMs, run: `${seed}` };
    rows.set(name, [...(rows.get(name) ?? []), matchRun(run)]);
  }
}
process.stdout.write(
  "| told | uses | found | false: outside, staff, else | doubled | right cell | among three | time to alert |\n|---|---:|---:|---:|---:|---:|---:|---:|\n",
);
for (const [name, runs] of rows) {
  const { detection, alerts, location, delay_s } = summarise(runs);
  const { hits, n } = detection.uses;
  const { outside = 0, staff = 0 } = alerts.false_by_cause;
  const right = (of: { hits?: number; n: number }) => percentOf(of.hits ?? 0, of.n);
  const wrong = `${outside}, ${staff}, ${alerts.false - outside - staff}`;
  const cells = [
    n,
    percentOf(hits ?? 0, n),
    wrong,
    alerts.doubles,
    right(location.top1),
    right(location.top3),
    `${delay_s.p50?.toFixed(1)} s`,
  ];
  process.stdout.write(`| ${[name, ...cells].join(" | ")} |\n`);
}
process.stdout.write(`\n| told | ${STATED_COLUMNS.join(" | ")} |\n|---|${STATED_COLUMNS.map(() => "---|").join("")}\n`);
for (const [name, runs] of rows) {
  const stated = new Stated();
  for (const { uses } of runs) stated.add(uses, "last");
  process.stdout.write(`| ${[name, ...stated.columns()].join(" | ")} |\n`);
}
