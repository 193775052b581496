/**
 * `node bin/bench.js reliability [SEED,...] [SCENARIO,...] [first|last] [PLAN,...]`: what alerts state of their place against where the phone was:
 * the likeliest cell, the negative log of what was stated of the true one, and all named cells by tenths of what was stated of them; each
 * scenario of the library over several seeds, and all together. Counts the state in which every phone alert that a true use explains
 * was told first, or last, against where its phone was then; what no use explains is a false alert and counted elsewhere. Plans, what
 * the service is told of the house: right, half (losses halved), more (half as much again), shut (no doors), both (half and shut), none (no walls).
 * Wilson's 95 % interval beside. Cost: 3 to 20 s a scenario, seed and plan.
 */
import { scenarioNames, simulate } from "../../simulator/index.ts";
import { scoringOf, traceOf } from "../../simulator/run.ts";
import { matchRun } from "../../simulator/score.ts";
import { replayInProcess } from "../../src/replay.ts";
import { parseSite } from "../../src/site.ts";
import { STATED_COLUMNS, type State, Stated, WRONG } from "./stated.ts";

/** Those without a phone in a cell have no cell to be right about; a day costs minutes. */
const LEFT_OUT = new Set([
  "quiet-day",
  "prison-day",
  "location-updates",
  "new-band",
  "repeater-on",
  "street-outside",
  "visit-hour",
]);
const [
  seeds = "1,2,3",
  names = scenarioNames()
    .filter((n) => !LEFT_OUT.has(n))
    .join(","),
  state = "first",
  plans = "right",
] = process.argv.slice(2);

const all = new Stated();
let falseAlerts = 0;
const line = (cells: readonly string[]) => process.stdout.write(`| ${cells.join(" | ")} |\n`);
line(["plan", "scenario", "false", ...STATED_COLUMNS]);
line(["plan", "scenario", "false", ...STATED_COLUMNS].map(() => "---"));
for (const plan of plans.split(",")) {
  for (const name of names.split(",")) {
    const own = new Stated();
    let wrong = 0;
    for (const seed of seeds.split(",").map(Number)) {
      const sim = simulate(name, seed);
      const parsed = parseSite(sim.site, name);
      if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
      const { alerts } = await replayInProcess(traceOf(sim), { site: WRONG[plan]!(parsed.site) });
      const { uses, raised } = matchRun({ ...scoringOf(sim), alerts, site: parsed.site });
      for (const into of [own, all]) into.add(uses, state as State);
      wrong += raised.filter((r) => r.verdict === "false").length;
    }
    falseAlerts += wrong;
    line([plan, name, `${wrong}`, ...own.columns()]);
  }
}
line(["", "all", `${falseAlerts}`, ...all.columns()]);
