/**
 * `node bin/bench.js outside [PHONES] [SEED] [WORLD,...]`: phones outside the walls against phones inside at the same received level,
 * each alone in its minute, through the whole pipeline. For each phone outside, 10 to 50 m from the outer wall and of random
 * power, there is one in a random cell whose power makes its loudest sensor hear it as loud. Prints the share of each that
 * raised an alert, with Wilson's 95 % interval. Cost: about a minute for 50 phones of one world.
 */
import { readFileSync } from "node:fs";
import { pointInPolygon } from "../../simulator/geometry.ts";
import { type ScenarioInput, simulate } from "../../simulator/index.ts";
import { stream } from "../../simulator/prng.ts";
import { traceOf } from "../../simulator/run.ts";
import { replayInProcess } from "../../src/replay.ts";
import { parseSite } from "../../src/site.ts";
import { percentOf } from "../support/percent.ts";

const [phones = "200", seed = "1", only = ""] = process.argv.slice(2);
const BANDS = ["lte800-ul", "gsm900-ul", "lte1800-ul"];
const generated = (extra: object) => ({
  generate: { id: "walled", floors: 2, columns: 8, bands: BANDS, staff_room: true, ...extra },
});
const WORLDS: Readonly<Record<string, ScenarioInput["site"]>> = {
  demo: { file: "demo.yaml" },
  door: generated({ layout: "door" }),
  "door, fence": generated({ layout: "door", perimeter_sensors: 6 }),
  middle: generated({ layout: "middle", perimeter_sensors: 4 }),
};
const DEMO = readFileSync(new URL("../../sensors/sites/demo.yaml", import.meta.url), "utf8");
/** Of phone powers, dBm: a GSM phone's steps; what an LTE phone radiates by its network's control. */
const POWER_DBM: Readonly<Record<string, readonly [number, number]>> = { "gsm900-ul": [5, 33] };
const LTE_DBM = [-10, 23] as const;
/** First one after warm-up; then longer apart than a track lives. */
const FIRST_S = 180;
const EVERY_S = 90;
const LASTS_S = 20;
/** Phones a simulation, so that many small ones can be run. */
const A_RUN = 20;
/** What nobody hears is neither found nor false: the loudest sensor must hear it so far over its noise. */
const LEAST_DB = 10;

interface Drawn {
  readonly band: string;
  readonly eirpDbm: number;
  readonly at: { x_m: number; y_m: number; floor?: string };
  readonly loudestDbm: number;
}

function scenario(world: string, drawn: readonly Drawn[]): ScenarioInput {
  return {
    name: "outside",
    about: "One phone at a time.",
    expect: { why: "Only those inside are alerts.", alerts: [0, 1000] },
    site: WORLDS[world]!,
    duration_s: FIRST_S + EVERY_S * drawn.length,
    people: drawn.map((d, k) => ({
      id: `p${k}`,
      phone: d.band === "gsm900-ul" ? "gsm-mini" : "lte",
      at: d.at,
      actions: [{ do: "call", at_s: FIRST_S + EVERY_S * k, duration_s: LASTS_S, band: d.band, eirp_dbm: d.eirpDbm }],
    })),
  } as ScenarioInput;
}

function draw(world: string, run: number): { outside: Drawn[]; inside: Drawn[] } {
  const runSeed = Number(seed) * 1000 + run;
  const random = stream(runSeed, "outside");
  const { physics } = simulate(scenario(world, []), runSeed, { siteText: DEMO });
  const cells = physics.site.zones.filter((z) => z.kind === "cell");
  const roofed = physics.site.zones.filter((z) => z.kind !== "outside" && z.kind !== "perimeter" && z.kind !== "yard");
  const xs = roofed.flatMap((z) => z.polygon.map((p) => p[0]));
  const ys = roofed.flatMap((z) => z.polygon.map((p) => p[1]));
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const loudest = (d: Omit<Drawn, "loudestDbm">) => {
    const place = physics.place(d.at.x_m, d.at.y_m, d.at.floor ?? null, 1.2);
    const gains = physics.gainDb(place, d.band);
    let [most, over] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
    gains.forEach((g, i) => {
      most = Math.max(most, d.eirpDbm + g);
      over = Math.max(over, d.eirpDbm + g - physics.noiseDbm(i, d.band));
    });
    return { most, over };
  };
  const outside: Drawn[] = [];
  const inside: Drawn[] = [];
  while (outside.length < A_RUN) {
    const [x, y] = [random.range(x0 - 50, x1 + 50), random.range(y0 - 50, y1 + 50)];
    const far = Math.hypot(Math.max(x0 - x, 0, x - x1), Math.max(y0 - y, 0, y - y1));
    if (far < 10 || far > 50 || physics.site.zones.some((z) => z.block !== null && pointInPolygon(x, y, z.polygon)))
      continue;
    const band = random.pick(BANDS);
    const one = { band, eirpDbm: random.range(...(POWER_DBM[band] ?? LTE_DBM)), at: { x_m: x, y_m: y } };
    const { most, over } = loudest(one);
    if (over < LEAST_DB) continue;
    outside.push({ ...one, loudestDbm: most });
    const cell = random.pick(cells);
    const cx = cell.polygon.map((p) => p[0]);
    const cy = cell.polygon.map((p) => p[1]);
    const at = {
      x_m: random.range(Math.min(...cx) + 0.3, Math.max(...cx) - 0.3),
      y_m: random.range(Math.min(...cy) + 0.3, Math.max(...cy) - 0.3),
      floor: physics.site.floors[cell.floor]!.id,
    };
    const unit = { band, eirpDbm: 0, at };
    inside.push({ ...unit, eirpDbm: most - loudest(unit).most, loudestDbm: most });
  }
  return { outside, inside };
}

/** Whether each of the phones raised an alert while it was on or within its track's life. */
async function alerted(world: string, drawn: readonly Drawn[], runSeed: number): Promise<boolean[]> {
  const sim = simulate(scenario(world, drawn), runSeed, { siteText: DEMO });
  const parsed = parseSite(sim.site, world);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const { alerts } = await replayInProcess(traceOf(sim), { site: parsed.site });
  const at = alerts.filter((a) => a.type === "new" && a.after.kind === "phone-active").map((a) => a.t - sim.startMs);
  return drawn.map((_, k) => {
    const fromMs = 1000 * (FIRST_S + EVERY_S * k);
    return at.some((t) => t >= fromMs && t < fromMs + 1000 * EVERY_S);
  });
}

const percent = (hits: number, n: number) => percentOf(hits, n, 1);
process.stdout.write(
  "| house | phones | outside, alerted | inside at the same level, alerted |\n|---|---:|---:|---:|\n",
);
const sum = { n: 0, outside: 0, inside: 0 };
for (const world of Object.keys(WORLDS).filter((w) => only === "" || only.split(",").includes(w))) {
  let [outside, inside, n] = [0, 0, 0];
  for (let run = 0; run * A_RUN < Number(phones); run++) {
    const drawn = draw(world, run);
    const runSeed = Number(seed) * 1000 + run;
    outside += (await alerted(world, drawn.outside, runSeed)).filter(Boolean).length;
    inside += (await alerted(world, drawn.inside, runSeed)).filter(Boolean).length;
    n += A_RUN;
  }
  process.stdout.write(`| ${world} | ${n} | ${percent(outside, n)} | ${percent(inside, n)} |\n`);
  sum.n += n;
  sum.outside += outside;
  sum.inside += inside;
}
process.stdout.write(`| all | ${sum.n} | ${percent(sum.outside, sum.n)} | ${percent(sum.inside, sum.n)} |\n`);
