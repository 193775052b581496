/**
 * `node bin/bench.js outside [PHONES] [SEED,...] [WORLD;...] [LASTS_S]`: phones outside the walls against phones inside at the same received level,
 * each alone in its minute, through the whole pipeline. For each phone outside, 10 to 50 m from the outer wall and of random
 * power, there is one in a random cell whose power makes its loudest sensor hear it as loud. Prints the share of each that
 * raised an alert, with Wilson's 95 % interval; then, of the same phones' mean levels without fading or missed bursts, the share that is rather
 * not outside (`TOLD_BELOW`): by the exact Bayesian who is told the house's own walls and spreads, and by the localiser from the plan. SEED may be
 * several, by commas: each is a draw of all houses' shadows and walls. LASTS_S: how long each phone is on. Cost: about a minute for 50 phones of one world.
 */
import { readFileSync } from "node:fs";
import { pointInPolygon } from "../../simulator/geometry.ts";
import { type Physics, type ScenarioInput, simulate } from "../../simulator/index.ts";
import { densities } from "../../simulator/limit.ts";
import { stream } from "../../simulator/prng.ts";
import { traceOf } from "../../simulator/run.ts";
import { logSumExp } from "../../src/fuse/linalg.ts";
import { Locator } from "../../src/fuse/locate.ts";
import { replayInProcess } from "../../src/replay.ts";
import { parseSite } from "../../src/site.ts";
import { percentOf } from "../support/percent.ts";

const [phones = "200", seed = "1", only = "", lasts = "20"] = process.argv.slice(2);
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
const LASTS_S = Number(lasts);
const EVERY_S = 70 + LASTS_S;
/** Phones a simulation, so that many small ones can be run. */
const A_RUN = 20;
/** What nobody hears is neither found nor false: the loudest sensor must hear it so far over its noise. */
const LEAST_DB = 10;

/** Likelier outside than this nobody is told, as by `PolicyOptions.maxAllowedP`. */
const TOLD_BELOW = 0.3;
/** Over its noise a sensor hears a mean level from here on, dB; what is left of errors there, dB; windows of silence elsewhere. */
const HEARS_DB = 3;
const LEVEL_SD_DB = 1;
const WINDOWS = 16;
/** Of radiated powers the exact Bayesian knows as little: those in cells are what makes them as loud as somebody in the street. */
const ANY_DBM = Array.from({ length: 51 }, (_, i) => -60 + 2 * i);
const PLACES_OUTSIDE = 400;
const A_CELL = [3, 4] as const;

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

/** A place 10 to 50 m from the walls, by a stream of numbers. */
function outdoors(physics: Physics, random: ReturnType<typeof stream>): { x_m: number; y_m: number } {
  const roofed = physics.site.zones.filter((z) => z.kind !== "outside" && z.kind !== "perimeter" && z.kind !== "yard");
  const xs = roofed.flatMap((z) => z.polygon.map((p) => p[0]));
  const ys = roofed.flatMap((z) => z.polygon.map((p) => p[1]));
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  for (;;) {
    const [x, y] = [random.range(x0 - 50, x1 + 50), random.range(y0 - 50, y1 + 50)];
    const far = Math.hypot(Math.max(x0 - x, 0, x - x1), Math.max(y0 - y, 0, y - y1));
    const own = physics.site.zones.some((z) => z.block !== null && pointInPolygon(x, y, z.polygon));
    if (far >= 10 && far <= 50 && !own) return { x_m: x, y_m: y };
  }
}

function draw(world: string, runSeed: number): { outside: Drawn[]; inside: Drawn[] } {
  const random = stream(runSeed, "outside");
  const { physics } = simulate(scenario(world, []), runSeed, { siteText: DEMO });
  const cells = physics.site.zones.filter((z) => z.kind === "cell");
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
    const at = outdoors(physics, random);
    const band = random.pick(BANDS);
    const one = { band, eirpDbm: random.range(...(POWER_DBM[band] ?? LTE_DBM)), at };
    const { most, over } = loudest(one);
    if (over < LEAST_DB) continue;
    outside.push({ ...one, loudestDbm: most });
    const cell = random.pick(cells);
    const cx = cell.polygon.map((p) => p[0]);
    const cy = cell.polygon.map((p) => p[1]);
    const inCell = {
      x_m: random.range(Math.min(...cx) + 0.3, Math.max(...cx) - 0.3),
      y_m: random.range(Math.min(...cy) + 0.3, Math.max(...cy) - 0.3),
      floor: physics.site.floors[cell.floor]!.id,
    };
    const unit = { band, eirpDbm: 0, at: inCell };
    inside.push({ ...unit, eirpDbm: most - loudest(unit).most, loudestDbm: most });
  }
  return { outside, inside };
}

type Told = [alerted: boolean[], exact: boolean[], fromPlan: boolean[]];

/**
 * Whether each of the phones raised an alert while it was on or within its track's life, and whether its mean levels are told from a phone
 * outside: by who is told the house, and from the plan.
 */
async function told(world: string, drawn: readonly Drawn[], runSeed: number): Promise<Told> {
  const sim = simulate(scenario(world, drawn), runSeed, { siteText: DEMO });
  const parsed = parseSite(sim.site, world);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const { alerts } = await replayInProcess(traceOf(sim), { site: parsed.site });
  const at = alerts.filter((a) => a.type === "new" && a.after.kind === "phone-active").map((a) => a.t - sim.startMs);
  const alerted = drawn.map((_, k) => {
    const fromMs = 1000 * (FIRST_S + EVERY_S * k);
    return at.some((t) => t >= fromMs && t < fromMs + 1000 * EVERY_S);
  });
  const { physics } = sim;
  const block = parsed.site.blocks[0]!.id;
  const locator = new Locator(parsed.site, { block, calibration: null, pOutside: 0.5 });
  const places = new Map(BANDS.map((band) => [band, gainsOf(physics, band)] as const));
  const exact: boolean[] = [];
  const fromPlan: boolean[] = [];
  for (const d of drawn) {
    const gains = physics.gainDb(physics.place(d.at.x_m, d.at.y_m, d.at.floor ?? null, 1.2), d.band);
    const level = Float64Array.from(gains, (g) => g + d.eirpDbm);
    const measuring = [...level.keys()].filter((i) => !Number.isNaN(physics.noiseDbm(i, d.band)));
    const hears = (i: number) => level[i]! > physics.noiseDbm(i, d.band) + HEARS_DB;
    const heard = measuring.filter(hears);
    const silent = measuring.filter((i) => !hears(i));
    const own2 = LEVEL_SD_DB * LEVEL_SD_DB;
    const log = places.get(d.band)!.map((of) => {
      const each = densities(physics, d.band, { heard, silent, level, own2 }, of, ANY_DBM);
      return logSumExp(each, 0, each.length) - Math.log(of.length);
    });
    exact.push(1 / (1 + Math.exp(log[1]! - log[0]!)) <= TOLD_BELOW);
    const sensors = measuring.map((i) => ({
      sensor: physics.site.sensors[i]!.id,
      levelDbm: hears(i) ? level[i]! : Number.NaN,
      floorDbm: physics.noiseDbm(i, d.band) + HEARS_DB,
      sigmaDb: LEVEL_SD_DB,
      ...(!hears(i) && { windows: WINDOWS }),
    }));
    const posterior = new Float64Array(locator.size);
    locator.logLikelihood({ tMs: 0, band: d.band, sensors }, posterior);
    locator.logPrior().forEach((p, c) => {
      posterior[c]! += p;
    });
    fromPlan.push(locator.fix(posterior).pOutside <= TOLD_BELOW);
  }
  return [alerted, exact, fromPlan];
}

/** True gains without shadowing of places outside and in cells. */
function gainsOf(physics: Physics, band: string): [outside: Float64Array[], inside: Float64Array[]] {
  const random = stream(1, "places");
  const outside = Array.from({ length: PLACES_OUTSIDE }, () => {
    const { x_m, y_m } = outdoors(physics, random);
    return physics.planGainDb(physics.place(x_m, y_m, null, 1.2), band);
  });
  const inside = physics.site.zones.flatMap((z) => {
    if (z.kind !== "cell") return [];
    const [cx, cy] = [z.polygon.map((p) => p[0]), z.polygon.map((p) => p[1])];
    const [x0, y0] = [Math.min(...cx), Math.min(...cy)];
    const [nx, ny] = A_CELL;
    return Array.from({ length: nx * ny }, (_, i) => {
      const x = x0 + (((i % nx) + 0.5) / nx) * (Math.max(...cx) - x0);
      const y = y0 + ((Math.floor(i / nx) + 0.5) / ny) * (Math.max(...cy) - y0);
      return physics.planGainDb(physics.place(x, y, physics.site.floors[z.floor]!.id, 1.2), band);
    });
  });
  return [outside, inside];
}

const percent = (hits: number, n: number) => percentOf(hits, n, 1);
const WAYS = ["alerted", "told the house, mean levels", "from the plan, mean levels"];
process.stdout.write(
  `| house | phones | ${WAYS.map((way) => `outside, ${way} | inside, ${way}`).join(" | ")} |\n|---|---:|${"---:|---:|".repeat(WAYS.length)}\n`,
);
const sum = { n: 0, hits: new Array<number>(2 * WAYS.length).fill(0) };
const line = (name: string, { n, hits }: typeof sum) =>
  process.stdout.write(`| ${name} | ${n} | ${hits.map((h) => percent(h, n)).join(" | ")} |\n`);
for (const world of Object.keys(WORLDS).filter((w) => only === "" || only.split(";").includes(w))) {
  const own = { n: 0, hits: new Array<number>(2 * WAYS.length).fill(0) };
  for (const one of seed.split(",").map(Number)) {
    for (let run = 0; run * A_RUN < Number(phones); run++) {
      const drawn = draw(world, 1000 * one + run);
      const both = [drawn.outside, drawn.inside];
      for (const [k, of] of both.entries()) {
        const each = await told(world, of, 1000 * one + run);
        each.forEach((hit, way) => {
          own.hits[2 * way + k]! += hit.filter(Boolean).length;
        });
      }
      own.n += A_RUN;
    }
  }
  line(world, own);
  sum.n += own.n;
  own.hits.forEach((h, i) => {
    sum.hits[i]! += h;
  });
}
line("all", sum);
