/**
 * `calibrate` and `locate` on invented surveys of houses that nothing was chosen by: median error, share of truths in the stated 50 and 90 %
 * ellipses, the likeliest zone's share of right ones beside what was stated, with the survey and without it; errors of the nearest fingerprints and of a weighted centroid.
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

/** Mean level of each receiver over messages of a span; `SILENT_DBM` where none was heard. */
function meansBetween(messages: Survey["track"], fromMs: number, toMs: number): Map<string, number> {
  const sums = new Map<string, [sum: number, count: number]>();
  for (const m of messages) {
    if (m.t <= fromMs || m.t > toMs || !m.topic.endsWith("/reading") || !("payload" in m)) continue;
    const { r } = m.payload as { r: readonly { readonly peak_dbm: number }[] };
    const id = m.topic.split("/")[4]!;
    const own = sums.get(id) ?? [0, 0];
    sums.set(id, [own[0] + r[0]!.peak_dbm, own[1] + 1]);
  }
  return new Map([...sums].map(([id, [sum, count]]) => [id, sum / count]));
}

const SILENT_DBM = -100;

/** What else one would take: the three nearest fingerprints of the survey, and the receivers' centroid by amplitude. */
function peers(made: Survey, site: Site): string {
  const sensors = site.sensors.filter((s) => s.positionM !== null);
  const prints = made.labels.map((label) => ({
    label,
    levels: meansBetween(made.calibration, label.start, label.end),
  }));
  const errors: { nearest: number[]; centroid: number[] } = { nearest: [], centroid: [] };
  const last = made.path.at(-1)!.t;
  for (let to = Math.ceil(made.path[0]!.t / EVERY_MS) * EVERY_MS; to <= last; to += EVERY_MS) {
    const now = meansBetween(made.track, to - EVERY_MS, to);
    if (now.size === 0) continue;
    const [x, y] = truthAt(made.path, to - EVERY_MS, to);
    const near = prints
      .map(({ label, levels }) => {
        const off = (id: string) => (levels.get(id) ?? SILENT_DBM) - (now.get(id) ?? SILENT_DBM);
        return { label, d2: sensors.reduce((sum, s) => sum + off(s.id) ** 2, 0) };
      })
      .sort((a, b) => a.d2 - b.d2)
      .slice(0, 3)
      .filter((n, _, all) => n.label.floor === all[0]!.label.floor);
    const heard = sensors.filter((s) => now.has(s.id));
    const mean = (list: readonly { readonly w: number; readonly x: number; readonly y: number }[]): number => {
      const sum = list.reduce((a, p) => a + p.w, 0);
      const of = (get: (p: (typeof list)[number]) => number) => list.reduce((a, p) => a + p.w * get(p), 0) / sum;
      return Math.hypot(of((p) => p.x) - x, of((p) => p.y) - y);
    };
    errors.nearest.push(mean(near.map((n) => ({ w: 1 / (Math.sqrt(n.d2) + 0.5), x: n.label.x_m, y: n.label.y_m }))));
    errors.centroid.push(
      mean(heard.map((s) => ({ w: 10 ** (now.get(s.id)! / 20), x: s.positionM![0], y: s.positionM![1] }))),
    );
  }
  const at = (list: number[], q: number) => list.sort((a, b) => a - b)[Math.floor(q * list.length)]!;
  const both = (list: number[]) => `${at(list, 0.5).toFixed(2)} m, ${at(list, 0.95).toFixed(1)} m`;
  return `nearest fingerprints ${both(errors.nearest)}; centroid ${both(errors.centroid)}`;
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
    process.stdout.write(`${name} ${seed}: median, 95th percentile: ${peers(made, site)}\n`);
  }
}
