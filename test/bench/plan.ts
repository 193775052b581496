/**
 * `node bin/bench.js plan [SEED,...] [alone] [street|corridor]`: how true the forecast of `cellward check` is. Invented houses (`plain-block.ts`, as bench `worlds` tells them by peaks, means
 * and duty), each forecast from its plan and then lived in for 25 minutes and judged by the whole pipeline: the share of phones that the forecast
 * says would be told against the share of uses that were found, and where. Prints a row a house, then houses by what was forecast and by their
 * sensors, and how both go together. `alone`: of the phones those in cells that never are on together, which is what is forecast; `street`, `corridor`: with two sensors more there. Cost: 5 to 10 s a seed.
 */
import { matchRun } from "../../simulator/score.ts";
import { forecastOf } from "../../src/cli/forecast.ts";
import type { Coverage } from "../../src/coverage.ts";
import { replayInProcess } from "../../src/replay.ts";
import { parseSite } from "../../src/site.ts";
import { percentOf } from "../support/percent.ts";
import { plainBlock, START_MS } from "./plain-block.ts";
import { siteTold, told, truthTold, untilMs } from "./plain-told.ts";
import { WAYS } from "./plain-ways.ts";

const [seeds = "101,102,103,104", ...how] = process.argv.slice(2);
const more = how.find((word) => word === "street" || word === "corridor");
const FORECASTS = [0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.01];
const SENSORS = [0, 4, 6, 10, 20, 1000];

interface House {
  readonly seed: number;
  readonly coverage: Coverage;
  readonly uses: number;
  readonly found: number;
  readonly first: number;
  readonly amongThree: number;
}

async function lived(seed: number): Promise<House> {
  const block = plainBlock(seed, undefined, { alone: how.includes("alone"), more });
  const way = WAYS.all!;
  const parsed = parseSite(JSON.stringify(siteTold(block, way)), "plain.json");
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const { site } = parsed;
  const coverage = forecastOf(site, null).blocks[0]!;
  const { alerts } = await replayInProcess(told(block, block.readings(), way), { site });
  const truth = truthTold(block, way) as Parameters<typeof matchRun>[0]["truth"];
  const { uses } = matchRun({ alerts, truth, site, fromMs: START_MS, untilMs, run: `${seed}` });
  const found = uses.flatMap((u) => (u.alert === null ? [] : [u.in_the_end!.rank]));
  const within = (rank: number) => found.filter((r) => r >= 1 && r <= rank).length;
  return { seed, coverage, uses: uses.length, found: found.length, first: within(1), amongThree: within(3) };
}

const percent = (part: number, of: number) => (of > 0 ? `${((100 * part) / of).toFixed(0)} %` : "-");
const sum = (of: (h: House) => number, houses: readonly House[]) => houses.reduce((all, h) => all + of(h), 0);
const shareOf = (c: Coverage, of: "all" | "loud") => c[of].told / c[of].of;
/** Forecast shares weighted as the truth is: by uses, and places by what was found. */
function row(name: string, houses: readonly House[]): string {
  const [uses, found] = [sum((h) => h.uses, houses), sum((h) => h.found, houses)];
  const [first, amongThree] = [sum((h) => h.first, houses), sum((h) => h.amongThree, houses)];
  const forecast = (of: "all" | "loud") =>
    percent(
      sum((h) => h.uses * shareOf(h.coverage, of), houses),
      uses,
    );
  const placed = (h: House, of: "first" | "amongThree") =>
    (h.found * h.coverage[of]) / Math.max(1, h.coverage.all.told);
  const place = (of: "first" | "amongThree") =>
    percent(
      sum((h) => placed(h, of), houses),
      found,
    );
  const told = [forecast("all"), forecast("loud"), percentOf(found, uses)];
  const places = [place("first"), percentOf(first, found), place("amongThree"), percentOf(amongThree, found)];
  const cells = [name, houses.length, uses, ...told, ...places];
  return `| ${cells.join(" | ")} |\n`;
}

function table(title: string, rows: readonly (readonly [name: string, houses: readonly House[]])[]): string {
  const columns = ["houses", "uses", "forecast: told", "of the louder half", "found"];
  const places = ["forecast: right cell", "right cell", "forecast: among three", "among three"];
  const head = [title, ...columns, ...places];
  const body = rows.filter(([, houses]) => houses.length > 0).map(([name, houses]) => row(name, houses));
  return `\n| ${head.join(" | ")} |\n|---|${head
    .slice(1)
    .map(() => "---:|")
    .join("")}\n${body.join("")}`;
}

/** Correlation of forecast and found over houses, each counting by its uses, and the rms difference: all of it, and what chance alone would give. */
function together(of: "all" | "loud", houses: readonly House[]): string {
  const uses = sum((h) => h.uses, houses);
  const mean = (x: (h: House) => number) => sum((h) => h.uses * x(h), houses) / uses;
  const forecast = (h: House) => shareOf(h.coverage, of);
  const truth = (h: House) => h.found / h.uses;
  const about = (x: (h: House) => number, y: (h: House) => number) => {
    const [mx, my] = [mean(x), mean(y)];
    return mean((h) => (x(h) - mx) * (y(h) - my));
  };
  const r = about(forecast, truth) / Math.sqrt(about(forecast, forecast) * about(truth, truth));
  const rms = Math.sqrt(mean((h) => (forecast(h) - truth(h)) ** 2));
  const chance = (h: House) => forecast(h) * (1 - forecast(h)) * (1 / h.uses + 1 / h.coverage[of].of);
  return `${of}: correlation ${r.toFixed(2)}, rms difference ${(100 * rms).toFixed(0)} points, of which chance ${(100 * Math.sqrt(mean(chance))).toFixed(0)}\n`;
}

const houses: House[] = [];
for (const seed of seeds.split(",").map(Number)) houses.push(await lived(seed));
process.stdout.write(
  table(
    "seed, sensors",
    houses.map((h) => [`${h.seed}, ${h.coverage.sensors}`, [h]]),
  ),
);
const classes = (borders: readonly number[], of: (h: House) => number) =>
  borders.slice(1).map((to, i) => houses.filter((h) => of(h) >= borders[i]! && of(h) < to));
const percents = classes(FORECASTS, (h) => shareOf(h.coverage, "loud"));
process.stdout.write(
  table(
    "of the louder half forecast",
    percents.map((of, i) => [`${100 * FORECASTS[i]!} % and more`, of]),
  ),
);
const counts = classes(SENSORS, (h) => h.coverage.sensors);
process.stdout.write(
  table("sensors", [...counts.map((of, i) => [`${SENSORS[i]} and more`, of] as const), ["all", houses]]),
);
process.stdout.write(`\n${together("all", houses)}${together("loud", houses)}`);
