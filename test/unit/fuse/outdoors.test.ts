import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeSite } from "../../../simulator/site.ts";
import { planGains } from "../../../src/fuse/gains.ts";
import { buildGrid, insidePolygon } from "../../../src/fuse/grid.ts";
import { Locator } from "../../../src/fuse/locate.ts";
import { Footprint } from "../../../src/fuse/outdoors.ts";
import type { Band, Site } from "../../../src/model.ts";
import { parseSite } from "../../../src/site.ts";

const LOW: Band = { id: "lte800-ul", loHz: 832e6, hiHz: 862e6, tdd: false };
const PATH = { exponent: 2, wallFactor: 1, slabFactor: 1 };

/** Two floors of eight cells each; its street lies to the south alone. */
function house(): Site {
  const made = makeSite({ floors: 2, columns: 4, layout: "door", bands: ["lte800-ul"], street: false });
  const parsed = parseSite(made.text, "house");
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const street: Site["zones"][number] = {
    id: "street",
    block: null,
    floor: null,
    kind: "outside",
    phones: "allowed",
    polygon: [
      [-20, -30],
      [30, -30],
      [30, -8],
      [-20, -8],
    ],
  };
  return { ...parsed.site, zones: [...parsed.site.zones, street] };
}

describe("outdoors", () => {
  it("grid: a street on one side stated: places outside on all four sides, none of them in a zone twice", () => {
    const site = house();
    const grid = buildGrid(site, { stepM: null, phoneHeightM: 1.2, anchors: [] });
    const outside = grid.zones.filter((z) => z.kind === "outside");
    expect(outside.map((z) => z.id)).toEqual(["street", ""]);
    const ring = outside[1]!;
    const xs = Array.from(grid.xM.subarray(ring.from, ring.to));
    const ys = Array.from(grid.yM.subarray(ring.from, ring.to));
    for (const side of [
      xs.some((x) => x < -5),
      xs.some((x) => x > 25),
      ys.some((y) => y > 20),
      ys.some((y) => y < -5),
    ]) {
      expect(side).toBe(true);
    }
    xs.forEach((x, i) => {
      expect(site.zones.filter((z) => insidePolygon(z.polygon, x, ys[i]!))).toEqual([]);
    });
  });

  it("footprint: random ways into the house: their length under the roof and their entry as counted step by step", () => {
    const site = house();
    const roofed = site.zones.filter((z) => z.kind !== "outside").flatMap((z) => z.polygon);
    const [x0, x1] = [Math.min(...roofed.map((p) => p[0])), Math.max(...roofed.map((p) => p[0]))];
    const [y0, y1] = [Math.min(...roofed.map((p) => p[1])), Math.max(...roofed.map((p) => p[1]))];
    const footprint = new Footprint(site);
    // Half millimetres: a way along a wall's own line is under the roof or beside it by the last bit of a product.
    const coordinate = fc.integer({ min: -60_000, max: 60_000 }).map((mm) => (mm + 0.5) / 1000);
    fc.assert(
      fc.property(coordinate, coordinate, coordinate, coordinate, (ax, ay, bx, by) => {
        const lengthM = Math.hypot(bx - ax, by - ay);
        const steps = 20_000;
        let [within, first] = [0, -1];
        for (let k = 0; k < steps; k++) {
          const t = (k + 0.5) / steps;
          const [x, y] = [ax + t * (bx - ax), ay + t * (by - ay)];
          if (x < x0 || x > x1 || y < y0 || y > y1) continue;
          if (first < 0) first = t * lengthM;
          within++;
        }
        const entry = footprint.entry(ax, ay, bx, by);
        expect(entry.depthM).toBeCloseTo((within / steps) * lengthM, 1);
        if (within < 5) return;
        const walkedM = Math.hypot(entry.xM - ax, entry.yM - ay);
        expect(Math.abs(walkedM - Math.min(lengthM, first + 0.6))).toBeLessThan(0.05);
      }),
      { numRuns: 60 },
    );
  });

  it("plan gains: from the street: an upper floor is reached through its own facade, not through the slab", () => {
    const site = house();
    const grid = buildGrid(site, { stepM: null, phoneHeightM: 1.2, anchors: [] });
    const gain = planGains(site, grid, site.sensors, LOW, PATH);
    const n = site.sensors.length;
    const street = grid.zones.find((z) => z.id === "street")!;
    const cell = grid.zones.find((z) => z.kind === "cell" && grid.floor[z.from] === 0)!;
    const pairs = site.sensors.flatMap((low, i) => {
      const j = site.sensors.findIndex(
        (s) => s.floor !== low.floor && s.positionM![0] === low.positionM![0] && s.positionM![1] === low.positionM![1],
      );
      return low.floor === site.floors[0]!.id && j >= 0 ? [[i, j] as const] : [];
    });
    expect(pairs.length).toBeGreaterThan(3);
    for (const [low, high] of pairs) {
      expect(Math.abs(gain[street.from * n + low]! - gain[street.from * n + high]!)).toBeLessThan(1);
      expect(gain[cell.from * n + low]! - gain[cell.from * n + high]!).toBeGreaterThan(4);
    }
  });

  it("locator: levels of a phone north of the house, where the plan states no street: outside, not in the nearest cells", () => {
    const site = house();
    const locator = new Locator(site, { block: site.blocks[0]!.id, calibration: null, pOutside: 0.5 });
    const grid = locator.grid;
    const ring = grid.zones.find((z) => z.kind === "outside" && z.id === "")!;
    let at = ring.from;
    for (let c = ring.from; c < ring.to; c++) if (grid.yM[c]! > grid.yM[at]!) at = c;
    const gain = planGains(site, grid, site.sensors, LOW, PATH);
    const sensors = site.sensors.map((s, i) => ({
      sensor: s.id,
      // Off the plan by 6 dB, to either side in turn.
      levelDbm: -20 + gain[at * site.sensors.length + i]! + (i % 2 === 0 ? 6 : -6),
      floorDbm: -110,
      sigmaDb: 3,
    }));
    const posterior = locator.logPrior();
    const likelihood = new Float64Array(locator.size);
    locator.logLikelihood({ tMs: 0, band: LOW.id, sensors }, likelihood);
    for (let c = 0; c < posterior.length; c++) posterior[c]! += likelihood[c]!;
    expect(locator.fix(normalised(posterior)).pOutside).toBeGreaterThan(0.9);
  });
});

function normalised(log: Float64Array): Float64Array {
  const top = Math.max(...log);
  const sum = log.reduce((total, l) => total + Math.exp(l - top), 0);
  return log.map((l) => l - top - Math.log(sum));
}
