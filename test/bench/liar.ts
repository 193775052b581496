/**
 * `node bin/bench.js liar [USES] [SEED,...] [LIE,...] [WORLD,...]`: one sensor of a house lies from the start on (reads 20 dB too much, sticks
 * after five minutes, or hangs 10 m from where the site file says), while phones are used one by one in random cells at random
 * powers. Through the whole pipeline, from the plan alone: whether and after how many uses the sensor is named, who else is, and
 * the share of right cells before and after that, beside the same house with all honest and without that sensor. Cost:
 * about 20 s a house, seed and lie at 24 uses.
 */
import { readFileSync } from "node:fs";
import { type ScenarioInput, type Simulation, simulate } from "../../simulator/index.ts";
import { stream } from "../../simulator/prng.ts";
import { traceOf } from "../../simulator/run.ts";
import type { Site } from "../../src/model.ts";
import { replayInProcess } from "../../src/replay.ts";
import { parseSite } from "../../src/site.ts";

const BANDS = ["lte800-ul", "gsm900-ul", "lte1800-ul"];
const generated = (extra: object) => ({
  generate: { id: "walled", floors: 2, columns: 8, bands: BANDS, staff_room: true, ...extra },
});
const WORLDS: Readonly<Record<string, ScenarioInput["site"]>> = {
  demo: { file: "demo.yaml" },
  door: generated({ layout: "door" }),
  middle: generated({ layout: "middle" }),
  staggered: generated({ layout: "staggered" }),
};
const DEMO = readFileSync(new URL("../../sensors/sites/demo.yaml", import.meta.url), "utf8");
const LIES = ["none", "loud", "stuck", "moved"] as const;
type Lie = (typeof LIES)[number];
const LOUD_DB = 20;
const MOVED_M = 10;
const STUCK_FROM_S = 300;
const FIRST_S = 180;
/** Longer apart than a track lives. */
const EVERY_S = 85;
const LASTS_S = 20;
/** Of phone powers, dBm: a GSM phone's steps; what an LTE phone radiates by its network's control. */
const GSM_DBM: [number, number] = [5, 33];
const LTE_DBM: [number, number] = [-10, 23];

interface Use {
  readonly cell: string;
  readonly fromMs: number;
}

interface Outcome {
  /** Right cell by use; null: no alert. */
  readonly right: (boolean | null)[];
  /** Sensors that a fault names, and after how many uses. */
  readonly named: { sensor: string; fault: string; uses: number }[];
}

function house(world: string, seed: number, uses: number): { sim: Simulation; uses: Use[]; liar: string } {
  const random = stream(seed, "liar");
  const site = WORLDS[world]!;
  const base = {
    name: "liar",
    about: "One phone at a time.",
    expect: { why: "-", alerts: [0, 1000] as [number, number] },
    site,
  };
  const empty = { ...base, duration_s: FIRST_S, people: [] } as ScenarioInput;
  const { physics } = simulate(empty, seed, { siteText: DEMO });
  const cells = physics.site.zones.filter((z) => z.kind === "cell");
  const drawn = Array.from({ length: uses }, (_, k) => {
    const cell = random.pick(cells);
    const [xs, ys] = [cell.polygon.map((p) => p[0]), cell.polygon.map((p) => p[1])];
    const band = random.pick(BANDS);
    const at = {
      x_m: random.range(Math.min(...xs) + 0.3, Math.max(...xs) - 0.3),
      y_m: random.range(Math.min(...ys) + 0.3, Math.max(...ys) - 0.3),
      floor: physics.site.floors[cell.floor]!.id,
    };
    const eirp = random.range(...(band === "gsm900-ul" ? GSM_DBM : LTE_DBM));
    const action = { do: "call", at_s: FIRST_S + EVERY_S * k, duration_s: LASTS_S, band, eirp_dbm: eirp };
    const phone = band === "gsm900-ul" ? "gsm-mini" : "lte";
    return { cell: cell.id, person: { id: `p${k}`, phone, at, actions: [action] } };
  });
  const sensors = physics.site.sensors.filter((s) => "block" in s && cells.some((c) => c.block === s.block));
  const scenario = { ...base, duration_s: FIRST_S + EVERY_S * uses, people: drawn.map((d) => d.person) };
  const sim = simulate(scenario as ScenarioInput, seed, { siteText: DEMO });
  const list = drawn.map((d, k) => ({ cell: d.cell, fromMs: sim.startMs + 1000 * (FIRST_S + EVERY_S * k) }));
  return { sim, uses: list, liar: random.pick(sensors).id };
}

type Reading = { r: { rms_dbm?: number; peak_dbm?: number; noise_dbm?: number }[] };

/** The messages with one sensor's readings changed, or left out. */
async function told(sim: Simulation, liar: string, lie: Lie | "out"): Promise<ReturnType<typeof traceOf>> {
  const trace = traceOf(sim);
  if (lie === "none" || lie === "moved") return trace;
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let frozen: Reading["r"] | null = null;
  async function* batches() {
    for await (const batch of trace.batches()) {
      const out: typeof batch = [];
      for (const message of batch) {
        const level = message.topic.split("/");
        if (level[4] !== liar) out.push(message);
        else if (lie !== "out" && level[5] !== "reading") out.push(message);
        else if (lie !== "out") {
          const payload = JSON.parse(decoder.decode(message.payload)) as Reading;
          if (lie === "loud") {
            for (const r of payload.r) {
              for (const key of ["rms_dbm", "peak_dbm", "noise_dbm"] as const)
                if (r[key] !== undefined) r[key] += LOUD_DB;
            }
          } else if (message.t >= sim.startMs + 1000 * STUCK_FROM_S) {
            frozen ??= payload.r;
            payload.r = frozen;
          }
          out.push({ ...message, payload: encoder.encode(JSON.stringify(payload)) });
        }
      }
      yield out;
    }
  }
  return { header: trace.header, batches };
}

/** The site file with a sensor `MOVED_M` along the house from where it hangs. */
function misdrawn(site: Site, liar: string): Site {
  const xs = site.sensors.flatMap((s) => (s.positionM === null ? [] : [s.positionM[0]]));
  const middle = (Math.min(...xs) + Math.max(...xs)) / 2;
  const sensors = site.sensors.map((s) => {
    if (s.id !== liar || s.positionM === null) return s;
    const [x, y, z] = s.positionM;
    return { ...s, positionM: [x + (x < middle ? MOVED_M : -MOVED_M), y, z] as const };
  });
  return { ...site, sensors };
}

async function run(world: string, seed: number, n: number, lie: Lie | "out"): Promise<Outcome & { liar: string }> {
  const { sim, uses, liar } = house(world, seed, n);
  const parsed = parseSite(sim.site, world);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const site = lie === "moved" ? misdrawn(parsed.site, liar) : parsed.site;
  const { alerts } = await replayInProcess(await told(sim, liar, lie), { site });
  const right = uses.map(({ cell, fromMs }) => {
    const own = alerts.filter(
      ({ after: a }) =>
        a.kind === "phone-active" &&
        a.first_evidence_at >= fromMs - 2000 &&
        a.first_evidence_at < fromMs + 1000 * LASTS_S,
    );
    return own.length === 0 ? null : own.at(-1)!.after.cell === cell;
  });
  const named = alerts.flatMap(({ t, type, after }) => {
    const [, fault, sensor] = /-(distrusted|stuck|moved|covered|deaf|drowned)-(.+)$/.exec(after.id) ?? [];
    if (type !== "new" || after.kind !== "sensor-fault" || fault === undefined) return [];
    return [{ sensor: sensor!, fault, uses: uses.filter((u) => u.fromMs < t).length }];
  });
  return { right, named, liar };
}

const percent = (values: readonly (boolean | null)[]) => {
  const known = values.filter((v) => v !== null);
  return known.length === 0
    ? "-"
    : `${((100 * known.filter(Boolean).length) / known.length).toFixed(0)} % of ${known.length}`;
};

async function main(): Promise<void> {
  const [uses = "24", seeds = "1,2,3", lies = LIES.join(","), worlds = Object.keys(WORLDS).join(",")] =
    process.argv.slice(2);
  process.stdout.write(
    "world seed lie liar | found as, after uses | others named | right before, after | all honest | without it\n",
  );
  for (const world of worlds.split(",")) {
    for (const seed of seeds.split(",").map(Number)) {
      const honest = await run(world, seed, Number(uses), "none");
      const without = lies === "none" ? null : await run(world, seed, Number(uses), "out");
      for (const lie of lies.split(",") as Lie[]) {
        const told = lie === "none" ? honest : await run(world, seed, Number(uses), lie);
        const own = told.named.find((f) => lie !== "none" && f.sensor === told.liar);
        const others = told.named.filter((f) => lie === "none" || f.sensor !== told.liar);
        const at = own?.uses ?? told.right.length;
        const named = others.map((f) => `${f.fault} ${f.sensor} ${f.uses}`).join(", ");
        process.stdout.write(
          `${world} ${seed} ${lie} ${told.liar} | ${own ? `${own.fault} ${own.uses}` : "-"} | ${named || "-"} | ` +
            `${percent(told.right.slice(0, at))}, ${percent(told.right.slice(at))} | ${percent(honest.right.slice(at))} | ` +
            `${without ? percent(without.right.slice(at)) : "-"}\n`,
        );
      }
    }
  }
}

if (process.argv[1]?.match(/liar\.[jt]s$/)) await main();
