/**
 * `node bin/bench.js walk [SEED,...] [WORLD;...] [same]`: staff who walk the corridor with their phones on, phones in cells, and both at
 * once, each in a minute of its own, through the whole pipeline. Each house and seed has six walks, three calls from cells and six
 * of both. Prints by house the alerts that nobody in a cell is the reason of, and the share of the phones in cells that are told,
 * alone and beside somebody who walks, with Wilson's 95 % interval. With `same` all fifteen minutes are of both, in one band.
 * Cost: 5 to 10 s a house and seed.
 */
import { readFileSync } from "node:fs";
import { type ScenarioInput, simulate } from "../../simulator/index.ts";
import { stream } from "../../simulator/prng.ts";
import { excessDb, scoringOf, traceOf } from "../../simulator/run.ts";
import { matchRun } from "../../simulator/score.ts";
import { replayInProcess } from "../../src/replay.ts";
import { parseSite } from "../../src/site.ts";
import { percentOf } from "../support/percent.ts";

const [seeds = "1,2,3,4,5,6", only = "", mode = ""] = process.argv.slice(2);
const GSM = "gsm900-ul";
const BANDS = ["lte800-ul", GSM, "lte1800-ul"];
const generated = (extra: object) => ({
  generate: { id: "walk", floors: 2, columns: 8, bands: BANDS, staff_room: true, ...extra },
});
const WORLDS: Readonly<Record<string, ScenarioInput["site"]>> = {
  demo: { file: "demo.yaml" },
  door: generated({ layout: "door", corridor_phones: "allowed" }),
  "door, forbidden": generated({ layout: "door" }),
  pair: generated({ layout: "pair", columns: 10, corridor_phones: "allowed" }),
  staggered: generated({ layout: "staggered", columns: 12, corridor_phones: "allowed" }),
  middle: generated({ layout: "middle", columns: 10, perimeter_sensors: 4, corridor_phones: "allowed" }),
};
const DEMO = readFileSync(new URL("../../sensors/sites/demo.yaml", import.meta.url), "utf8");
/** Walks alone (w), calls from cells alone (c), both (b), both in one band (s). */
const MINUTES = [...(mode === "same" ? "sssssssssssssss" : "wbwcbwbcwbwcbwb")];
/** First one after warm-up; then longer apart than a track lives. */
const FIRST_S = 180;
const EVERY_S = 110;
const LASTS_S = 20;
/** Calls begin so long after the walk at the most: a corridor of 20 m is walked up and down in half a minute. */
const LATER_S = 10;
/** What nobody hears is nobody's: the loudest sensor must hear it so far over its noise. */
const LEAST_DB = 10;

function scenario(world: string, seed: number): ScenarioInput {
  const base = {
    name: "walk",
    about: "Staff in the corridor and phones in cells.",
    expect: { why: "Only those in cells are alerts.", alerts: [0, 1000] as [number, number] },
    site: WORLDS[world]!,
    duration_s: FIRST_S + EVERY_S * MINUTES.length,
  };
  const random = stream(seed, `walk ${world}${mode}`);
  const { zones } = simulate({ ...base, people: [] }, seed, { siteText: DEMO }).physics.site;
  const corridors = zones.filter((z) => z.kind === "corridor");
  const cells = zones.filter((z) => z.kind === "cell");
  const call = (atS: number, band: string | null) => ({
    do: random.pick(["call", "data"]),
    at_s: atS + random.range(0, LATER_S),
    duration_s: LASTS_S,
    ...(band !== null && { band }),
  });
  const people = MINUTES.flatMap((kind, k) => {
    const atS = FIRST_S + EVERY_S * k;
    const band = kind === "s" ? random.pick(BANDS) : null;
    const phone = () => (band === null ? random.pick(["gsm-mini", "lte", "lte"]) : band === GSM ? "gsm-mini" : "lte");
    const zone = random.pick(corridors).id;
    const walker = {
      id: `w${k}`,
      role: "staff",
      phone: phone(),
      at: zone,
      patrol: { zone, at_s: atS },
      actions: [call(atS, band)],
    };
    const held = { id: `c${k}`, phone: phone(), at: random.pick(cells).id, actions: [call(atS, band)] };
    return kind === "w" ? [walker] : kind === "c" ? [held] : [walker, held];
  });
  return { ...base, people } as ScenarioInput;
}

interface Tally {
  walks: number;
  falseAlerts: number;
  doubles: number;
  alone: [told: number, n: number];
  /** Beside one who walks and transmits in another band, and in the same one. */
  beside: [told: number, n: number];
  sameBand: [told: number, n: number];
  right: number;
  delaysS: number[];
}

async function run(world: string, seed: number, tally: Tally): Promise<void> {
  const sim = simulate(scenario(world, seed), seed, { siteText: DEMO });
  const parsed = parseSite(sim.site, world);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const { alerts } = await replayInProcess(traceOf(sim), { site: parsed.site });
  const rows = matchRun({ ...scoringOf(sim), alerts, site: parsed.site });
  for (const episode of sim.truth)
    if (episode.legitimate && (excessDb(sim.physics, episode) ?? 0) >= LEAST_DB) tally.walks++;
  for (const raised of rows.raised) {
    if (raised.verdict === "false") tally.falseAlerts++;
    if (raised.verdict === "double") tally.doubles++;
  }
  for (const use of rows.uses) {
    if ((use.excess_db ?? 0) < LEAST_DB) continue;
    const kind = MINUTES[Math.floor(((use.start - sim.startMs) / 1000 - FIRST_S) / EVERY_S)];
    const walker = sim.truth.find((e) => e.emitter === `w${use.emitter.slice(1)}`);
    const same = walker !== undefined && use.bands.includes(walker.band);
    const of = kind === "c" ? tally.alone : same ? tally.sameBand : tally.beside;
    of[1]++;
    if (use.alert === null) continue;
    of[0]++;
    if (use.in_the_end?.rank === 1) tally.right++;
    if (use.delay_s !== null) tally.delaysS.push(use.delay_s);
  }
}

const percent = (hits: number, n: number) => {
  return n === 0 ? "-" : `${hits} of ${n}: ${percentOf(hits, n)}`;
};
const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]?.toFixed(1) ?? "-";
const empty = (): Tally => ({
  walks: 0,
  falseAlerts: 0,
  doubles: 0,
  alone: [0, 0],
  beside: [0, 0],
  sameBand: [0, 0],
  right: 0,
  delaysS: [],
});
function print(name: string, t: Tally): void {
  const cells = [
    name,
    t.walks,
    t.falseAlerts,
    percent(...t.alone),
    percent(...t.beside),
    percent(...t.sameBand),
    t.doubles,
  ];
  const told = t.alone[0] + t.beside[0] + t.sameBand[0];
  process.stdout.write(`| ${[...cells, percent(t.right, told), median(t.delaysS)].join(" | ")} |\n`);
}
process.stdout.write(
  "| house | walks heard | false alerts | in a cell, told | beside one who walks, told | the same in his band | told twice | right cell | after s |\n" +
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
);
const all = empty();
for (const world of Object.keys(WORLDS).filter((w) => only === "" || only.split(";").includes(w))) {
  const own = empty();
  for (const seed of seeds.split(",").map(Number)) await run(world, seed, own);
  print(world, own);
  for (const key of ["walks", "falseAlerts", "doubles", "right"] as const) all[key] += own[key];
  for (const key of ["alone", "beside", "sameBand"] as const)
    all[key] = [all[key][0] + own[key][0], all[key][1] + own[key][1]];
  all.delaysS.push(...own.delaysS);
}
print("all", all);
