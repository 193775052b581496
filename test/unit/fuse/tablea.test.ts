import { describe, expect, it } from "vitest";
import {
  BASE_BLOCK,
  buildBlock,
  CELLS,
  HARD_BLOCK,
  LAYOUTS,
  Limit,
  PER_CELL,
  World,
} from "../../../simulator/table-a.ts";
import { gridGroups, walkPaths } from "../../../src/fuse/gains.ts";
import { Locator } from "../../../src/fuse/locate.ts";
import { pointGroups } from "../../../src/fuse/radiomap.ts";
import { normals, planOnly, walked } from "../../bench/tablea.ts";

describe("table A", () => {
  it("gains: the localiser's from the site file, the simulator's from its formulas: agree in every layout", () => {
    for (const layout of LAYOUTS) {
      const block = buildBlock(HARD_BLOCK, layout);
      const chosen = block.positions.map((_, i) => i).filter((i) => i % 397 === 0);
      const points = chosen.map((i) => {
        const p = block.positions[i]!;
        return { xM: p.x, yM: p.y, zM: p.z, floor: String(p.floor), bursts: 1, levels: [] };
      });
      let [sum, count] = [0, 0];
      walkPaths(
        block.site,
        pointGroups(block.site, points),
        block.site.sensors,
        block.site.bands[0]!,
        (p, s, d, w, f) => {
          sum += (-(2 * d + w + f) - block.gain[chosen[p]! * block.sensors.length + s]!) ** 2;
          count++;
        },
      );
      expect(Math.sqrt(sum / count), layout).toBeLessThan(0.6);
    }
  });

  it("limit: shadowing of 0.3 dB: right all but always; useless readings: chance", () => {
    const easy = buildBlock({ ...BASE_BLOCK, shadowDb: 0.3, fadingDb: 0.3 }, "stag/1");
    const world = new World(easy, normals(1));
    const limit = new Limit(easy);
    let right = 0;
    for (let t = 0; t < 40; t++) {
      const at = (t * 211 + 5) % easy.positions.length;
      const reading = world.burst(at, world.shadows([easy.positions[at]!])[0]!);
      const p = limit.posterior(reading.levelDbm);
      if (p.indexOf(Math.max(...p)) === reading.cell) right++;
    }
    expect(right).toBeGreaterThanOrEqual(39);
    const useless = new Limit(buildBlock({ ...BASE_BLOCK, shadowDb: 300 }, "stag/4"));
    const p = useless.posterior(new Float64Array(10).fill(-80));
    expect(Math.max(...p)).toBeLessThan(2 / CELLS);
  });

  it("limit: stated probability of its top cell: equals its rate of right cells", () => {
    const block = buildBlock(BASE_BLOCK, "stag/4");
    const world = new World(block, normals(4));
    const limit = new Limit(block);
    let [right, stated] = [0, 0];
    const trials = 300;
    for (let t = 0; t < trials; t++) {
      const at = (t * 769 + 31) % block.positions.length;
      const reading = world.burst(at, world.shadows([block.positions[at]!])[0]!);
      const p = limit.posterior(reading.levelDbm);
      const top = Math.max(...p);
      stated += top;
      if (p.indexOf(top) === reading.cell) right++;
    }
    // Three standard deviations of a rate of 20 % over the trials.
    expect(Math.abs(right - stated) / trials).toBeLessThan(0.07);
  });

  it("shadowing: the same place twice: correlated as stated", () => {
    const block = buildBlock(BASE_BLOCK, "stag/4");
    const world = new World(block, normals(9));
    const at = block.positions[0]!;
    const near = { ...at, x: at.x + 1 };
    let [xy, xx] = [0, 0];
    for (let t = 0; t < 400; t++) {
      const [a, b] = world.shadows([at, near]);
      a!.forEach((v, s) => {
        xy += v * b![s]!;
        xx += v * v;
      });
    }
    expect(xy / xx).toBeCloseTo(Math.exp(-1 / 2), 1);
  });

  it("plan only: sensors in every cell: as good as the limit", () => {
    const row = planOnly(false, "cell", 8, 3);
    expect(row.limit).toBeGreaterThan(0.9999);
    expect(row.ours).toBeGreaterThan(0.9999);
  });

  it("plan only: sensors on the centre line: named cells are nearly as probable as the likeliest, and never more so", () => {
    const row = planOnly(true, "mid/2", 40, 5);
    expect(row.ours).toBeLessThanOrEqual(row.limit);
    expect(row.ours).toBeGreaterThan(0.9 * row.limit);
  });

  it("plan only: sensors on the centre line: facing cells get equal shares", () => {
    const block = buildBlock(BASE_BLOCK, "mid/2");
    const locator = new Locator(block.site, { block: "b1", calibration: null });
    const world = new World(block, normals(2));
    const at = 4 * PER_CELL + 3;
    const { levelDbm } = world.burst(at, world.shadows([block.positions[at]!])[0]!);
    const log = new Float64Array(locator.size);
    const sensors = Array.from(levelDbm, (level, s) => ({
      sensor: `s${s}`,
      levelDbm: level,
      floorDbm: -150,
      sigmaDb: 1,
    }));
    locator.logLikelihood({ tMs: 0, band: "lte800-ul", sensors }, log);
    const [top, next] = locator.fix(log).candidates;
    expect(top!.p - next!.p).toBeLessThan(1e-6);
    expect(gridGroups(locator.grid).length).toBeGreaterThanOrEqual(CELLS);
  });

  it("walk with one phone: phones of any power are named within 5 points of the limit", () => {
    const row = walked(true, "stag/4", 400, 31);
    expect(row.limit - row.ours).toBeLessThan(0.05);
    expect(row.ours - row.limit).toBeLessThan(row.half);
  });
});
