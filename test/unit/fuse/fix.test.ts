import { describe, expect, it } from "vitest";
import { fixOf } from "../../../src/fuse/fix.ts";
import { buildGrid } from "../../../src/fuse/grid.ts";
import { box, sensor, site, zone } from "./world.ts";

const hall = site({ zones: [zone("hall", box(0, 0, 30, 30))], sensors: [sensor("s1", 1, 1)] });
const grid = buildGrid(hall, { stepM: 0.5, phoneHeightM: 1.2, anchors: [] });
const posterior = (density: (xM: number, yM: number) => number) =>
  Float64Array.from(grid.xM, (x, c) =>
    grid.zones[grid.zone[c]!]!.kind === "outside" ? -300 : Math.log(density(x, grid.yM[c]!) + 1e-130),
  );
const normal = (x: number, y: number, sd: number) =>
  Math.exp(-((x - 15) ** 2 + (y - 15) ** 2) / (2 * sd * sd)) / (sd * sd);

/** Share of the mass in the stated ellipse of a probability. */
function held(log: Float64Array, told: boolean, p: number): number {
  const { xM, yM, covM2 } = fixOf(hall, grid, log, told).position;
  const [xx, xy, yy] = covM2;
  let [inside, all] = [0, 0];
  log.forEach((l, c) => {
    const [dx, dy] = [grid.xM[c]! - xM, grid.yM[c]! - yM];
    const square = (dx * dx * yy - 2 * dx * dy * xy + dy * dy * xx) / (xx * yy - xy * xy);
    all += Math.exp(l);
    if (square <= -2 * Math.log(1 - p)) inside += Math.exp(l);
  });
  return inside / all;
}

describe("fix", () => {
  it("a normal posterior: the ellipse that is told is that of its moments", () => {
    const log = posterior((x, y) => normal(x, y, 2.5));
    const [moments, told] = [false, true].map((t) => fixOf(hall, grid, log, t).position.covM2);
    expect(told![0] / moments![0]).toBeGreaterThan(0.95);
    expect(told![0] / moments![0]).toBeLessThan(1.05);
  });

  it("a core with long tails: what is told holds both shares more nearly than its moments do", () => {
    const log = posterior((x, y) => 0.8 * normal(x, y, 1) + 0.2 * normal(x, y, 6));
    const off = (told: boolean) => Math.abs(held(log, told, 0.5) - 0.5) + Math.abs(held(log, told, 0.9) - 0.9);
    expect(held(log, false, 0.5)).toBeGreaterThan(0.75);
    expect(held(log, true, 0.5)).toBeLessThan(held(log, false, 0.5) - 0.02);
    expect(off(true)).toBeLessThan(off(false));
  });
});
