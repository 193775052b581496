import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { loadCalibration, saveCalibration } from "../../../src/calibration.ts";
import { fitBand, type LabelledPoint } from "../../../src/fuse/fit.ts";
import { Follower } from "../../../src/fuse/follow.ts";
import { Locator } from "../../../src/fuse/locate.ts";
import { Rng } from "../../support/noise.ts";
import { box, sensor, site, zone } from "./world.ts";

const hall = site({
  zones: [zone("hall", box(0, 0, 24, 16))],
  sensors: [0, 1, 2, 3, 4, 5, 6, 7].map((i) => sensor(`s${i}`, 2 + 6.5 * (i % 4), i < 4 ? 3 : 13)),
});
const band = hall.bands[0]!;
const measuring = hall.sensors.map((s) => ({ sensor: s.id, floorDbm: Number.NaN }));

function bursts(rng: Rng, xM: number, yM: number, offDb: readonly number[]) {
  return Array.from({ length: 5 }, (_, b) =>
    hall.sensors.map((s, k) => {
      const [x, y, z] = s.positionM!;
      const mean = -45 - 25 * Math.log10(Math.max(0.7, Math.hypot(x - xM, y - yM, z - 1.2))) + offDb[k]!;
      return { tMs: 400 * b, sensor: s.id, levelDbm: mean + 2 * rng.normal() };
    }),
  );
}

function fitted(rng: Rng) {
  const points = Array.from({ length: 40 }, (): LabelledPoint => {
    const [xM, yM] = [24 * rng.next(), 16 * rng.next()];
    const shadows = hall.sensors.map(() => 3 * rng.normal());
    return { xM, yM, zM: 1.2, floor: "0", bursts: bursts(rng, xM, yM, shadows) };
  });
  return fitBand(hall, band, hall.sensors, points)!;
}

it("errors of the map that last make no certainty: with a memory the same place says less, and a move is seen no later", () => {
  const rng = new Rng(5);
  const calibration = { site: hall.id, bands: [fitted(rng)] };
  const off = hall.sensors.map(() => 3 * rng.normal());
  const after = (memoryMs: number) => {
    const own = new Rng(6);
    const locator = new Locator(hall, { block: null, calibration, pOutside: 0 });
    const follower = new Follower(locator, { memoryMs, persistenceMs: 2000, widening: 1 });
    const step = (w: number, x: number) =>
      follower.step(2000 * w, 2000, [{ band: band.id, packets: bursts(own, x, 8, off).flat(), measuring }]).position;
    let stood = step(1, 4);
    for (let w = 2; w <= 30; w++) stood = step(w, 4);
    const moved = step(31, 20);
    return { areaM4: stood.covM2[0] * stood.covM2[2] - stood.covM2[1] ** 2, movedM: Math.abs(moved.xM - 20) };
  };
  const [always, fading] = [after(Number.POSITIVE_INFINITY), after(2000)];
  expect(fading.areaM4).toBeGreaterThan(1.3 * always.areaM4);
  expect(fading.movedM).toBeLessThanOrEqual(always.movedM + 0.1);
});

it("a calibration file keeps the memory, and one without it reads as a memory that never ends", () => {
  const dir = mkdtempSync(join(tmpdir(), "cellward-memory-"));
  try {
    const made = fitted(new Rng(7));
    for (const memoryMs of [undefined, 2000]) {
      const file = join(dir, "calibration.json");
      const one = memoryMs === undefined ? made : { ...made, memoryMs };
      saveCalibration(file, { site: hall.id, bands: [one] }, {});
      const read = loadCalibration(file, hall);
      expect(read.bands[0]!.memoryMs).toBe(memoryMs);
      const locator = new Locator(hall, { block: null, calibration: read });
      expect(locator.bandDefaults(band.id)!.memoryMs).toBe(memoryMs ?? Number.POSITIVE_INFINITY);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
