import { expect, test } from "vitest";
import { Blocks } from "../../src/blocks.ts";
import type { ReadingBatch } from "../../src/model.ts";
import { PIPELINE_DEFAULTS } from "../../src/pipeline.ts";
import { replayInProcess } from "../../src/replay.ts";
import { parseSite } from "../../src/site.ts";
import { plainBlock, START_MS } from "../bench/plain-block.ts";
import { siteTold, told } from "../bench/plain-told.ts";
import { WAYS } from "../bench/plain-ways.ts";

/** A house whose right half is a block of its own (`bench worlds`). */
function halves(seed: number) {
  const block = plainBlock(seed);
  const way = WAYS.blocks!;
  const parsed = parseSite(JSON.stringify(siteTold(block, way)), "plain.json");
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return { block, way, site: parsed.site };
}

test("blocks: a call in the last cell before the border: its block tells it, the other does not", async () => {
  const { block, way, site } = halves(303);
  const [fromMs, untilMs] = [START_MS + 250_000, START_MS + 400_000];
  const readings = block.readings().filter((r) => r.tsMs >= fromMs && r.tsMs < untilMs);
  const { alerts } = await replayInProcess(told(block, readings, way), { site });
  const phones = alerts.filter((a) => a.after.kind === "phone-active" && a.type === "new").map((a) => a.after.block);
  const blockOf = new Map(site.zones.map((z) => [z.id, z.block]));
  const used = (block.truth as { start: number; legitimate: boolean; cell: string }[])
    .filter((use) => use.start > fromMs && use.start < untilMs && !use.legitimate)
    .map((use) => blockOf.get(use.cell));
  // The third is 2 m before the border. Without the sensors behind it the other block took it for one in its second cell.
  expect(used).toEqual(["b1", "b2", "b1"]);
  expect(phones).toEqual(used);
});

test("blocks: sensors at a border: their seconds are told once, by their own block, and so are their channels", () => {
  const { site } = halves(303);
  const blocks = new Blocks({ site, calibration: null, eager: false, ...PIPELINE_DEFAULTS });
  const [left, right] = [...blocks.all()];
  expect(left!.references.size).toBeGreaterThan(0);
  expect(right!.references.size).toBeGreaterThan(0);
  const bands = site.sensors[0]!.bands;
  const rollups: string[] = [];
  for (let k = 0; k < 30; k++) {
    for (const { id, block } of site.sensors) {
      const level = () => new Float32Array(bands.length).fill(-100 + (k % 3));
      const batch: ReadingBatch = {
        ...{ block, sensor: id, boot: 1, seq: k, tsMs: START_MS + 1000 * k, dtMs: 0, count: 1, bands },
        ...{ rmsDbm: level(), peakDbm: null, duty: null, noiseDbm: null, looks: null },
      };
      blocks.offer({ kind: "readings", batch }, START_MS + 1000 * k + 10);
    }
    for (const e of blocks.tick(START_MS + 1000 * k + 20)) {
      if (e.type === "rollup") rollups.push(`${e.rollup.block} ${e.rollup.sensor} ${e.rollup.tMs}`);
    }
  }
  const blockOf = new Map(site.sensors.map((s) => [s.id, s.block]));
  expect(rollups.length).toBeGreaterThan(15 * site.sensors.length);
  expect(new Set(rollups).size).toBe(rollups.length);
  expect(rollups.every((r) => blockOf.get(r.split(" ")[1]!) === r.split(" ")[0])).toBe(true);
  const channels = [...blocks.all()].flatMap((p) => p.channels().map((c) => `${c.sensor} ${c.band}`));
  expect(new Set(channels).size).toBe(channels.length);
  expect(channels.length).toBe(site.sensors.length * bands.length);
});
