/**
 * `node bin/bench.js reliability [SEED,...] [SCENARIO,...] [first|last]`: of all cells that alerts name with a probability between two tenths, the share
 * that was the right one, beside the mean of what was stated; each scenario of the library over several seeds, and all together. Counts the
 * state in which every phone alert that a true use explains was told first, or last; what no use explains is a false alert and counted
 * elsewhere. The truth says where a use began: who is carried about (used-elsewhere, swarm) is elsewhere by the last state, rightly.
 * Wilson's 95 % interval beside. Cost: 3 to 20 s a scenario and seed.
 */
import { scenarioNames, simulate } from "../../simulator/index.ts";
import { scoringOf, traceOf } from "../../simulator/run.ts";
import { matchRun } from "../../simulator/score.ts";
import { share } from "../../simulator/scoring/stats.ts";
import { replayInProcess } from "../../src/replay.ts";
import { parseSite } from "../../src/site.ts";

type Tenths = [count: number, stated: number, right: number][];
const empty = (): Tenths => Array.from({ length: 10 }, () => [0, 0, 0]);

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
] = process.argv.slice(2);

async function tally(name: string, seed: number, into: readonly Tenths[]): Promise<void> {
  const sim = simulate(name, seed);
  const parsed = parseSite(sim.site, name);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const { alerts } = await replayInProcess(traceOf(sim), { site: parsed.site });
  const { uses } = matchRun({ ...scoringOf(sim), alerts, site: parsed.site });
  const told = state === "last" ? alerts : [...alerts].reverse();
  const stateOf = new Map(told.map(({ after }) => [after.id, after]));
  for (const use of uses) {
    const alert = use.alert === null ? undefined : stateOf.get(use.alert);
    if (alert === undefined) continue;
    for (const { cell, p } of alert.candidates) {
      for (const tenths of into) {
        const tenth = tenths[Math.min(9, Math.floor(10 * p))]!;
        tenth[0]++;
        tenth[1] += p;
        if (cell === use.cell) tenth[2]++;
      }
    }
  }
}

const percent = (x: number): string => (100 * x).toFixed(0);
function line(name: string, tenths: Tenths): string {
  const cells = tenths.map(([n, stated, right]) => {
    const { lo, hi } = share(right, n);
    return n === 0 ? "-" : `${percent(stated / n)}/${percent(right / n)} (${percent(lo!)}-${percent(hi!)}; ${n})`;
  });
  return `| ${name} | ${cells.join(" | ")} |\n`;
}

const all = empty();
process.stdout.write(
  `| stated / right, % | ${all.map((_, k) => `${10 * k}-${10 * k + 10}`).join(" | ")} |\n|---|${"---|".repeat(10)}\n`,
);
for (const name of names.split(",")) {
  const own = empty();
  for (const seed of seeds.split(",").map(Number)) await tally(name, seed, [own, all]);
  process.stdout.write(line(name, own));
}
process.stdout.write(line("all", all));
