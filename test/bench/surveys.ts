/**
 * `calibrate` and `locate` on invented surveys of houses that nothing was chosen by: median error, share of truths in the stated 50 and 90 %
 * ellipses, the likeliest zone's share of right ones beside what was stated, with the survey and without it.
 * Run: node bin/bench.js surveys [SEED,...] [WORLD,...]. Cost: some 10 s a world and seed.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { learn } from "../../src/cli/calibrate.ts";
import { locate } from "../../src/cli/locate.ts";
import { insidePolygon } from "../../src/fuse/grid.ts";
import type { Calibration, Site } from "../../src/model.ts";
import { parseSite } from "../../src/site.ts";
import { SURVEYS, type Survey, survey } from "../support/survey.ts";
import { Coverage, streamed, truthAt } from "./locate.ts";

const EVERY_MS = 2000;
const [seeds = "1,2,3", names = Object.keys(SURVEYS).join(",")] = process.argv.slice(2);

/** Calibrates from files, as the verb does. */
async function learned(made: Survey, site: Site): Promise<Calibration> {
  const dir = mkdtempSync(join(tmpdir(), "cellward-survey-"));
  try {
    const file = join(dir, "calibration.jsonl");
    const head = { cellward_trace: 1, site: "survey", start: made.calibration[0]!.t, note: "" };
    writeFileSync(file, [head, ...made.calibration].map((m) => `${JSON.stringify(m)}\n`).join(""));
    return (await learn(file, made.labels, site)).calibration;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function scored(made: Survey, site: Site, calibration: Calibration | null): Promise<string> {
  const coverage = new Coverage();
  let [right, stated, floors] = [0, 0, 0];
  for await (const line of locate(streamed(made.track), site, calibration, EVERY_MS, null)) {
    const [x, y] = truthAt(made.path, line.t - EVERY_MS, line.t);
    coverage.add(line, x, y);
    const { floor } = made.path.find((p) => p.t >= line.t - EVERY_MS / 2) ?? made.path.at(-1)!;
    if (line.floor === floor) floors++;
    const [top] = line.candidates;
    if (top === undefined) continue;
    stated += top.p;
    const zone = site.zones.find((z) => z.id === top.cell);
    if (zone?.floor === floor && insidePolygon(zone.polygon, x, y)) right++;
  }
  const s = coverage.scores();
  const percent = (n: number) => `${((100 * n) / s.count).toFixed(0)} %`;
  return (
    `${s.medianM.toFixed(2)} m, 95th percentile ${s.p95M.toFixed(1)} m, floor ${percent(floors)}; ellipses ${(100 * s.cover50).toFixed(0)}, ` +
    `${(100 * s.cover90).toFixed(0)} %; zone right ${percent(right)}, stated ${percent(stated)}; ${s.count} intervals`
  );
}

for (const name of names.split(",")) {
  for (const seed of seeds.split(",").map(Number)) {
    const world = SURVEYS[name];
    if (world === undefined) throw new Error(`no world ${name}: ${Object.keys(SURVEYS).join(", ")}`);
    const made = survey(world, seed);
    const parsed = parseSite(made.siteText, name);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    const { site } = parsed;
    const calibration = await learned(made, site);
    const widening = calibration.bands[0]!.widening.toFixed(2);
    process.stdout.write(`${name} ${seed}: surveyed (widened ${widening}): ${await scored(made, site, calibration)}\n`);
    process.stdout.write(`${name} ${seed}: plan only: ${await scored(made, site, null)}\n`);
  }
}
