import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gridGroups, planGains, walkPaths } from "../../../src/fuse/gains.ts";
import { buildGrid } from "../../../src/fuse/grid.ts";
import { Locator } from "../../../src/fuse/locate.ts";
import { lossAt, Plan, PlanGeometry } from "../../../src/fuse/propagation.ts";
import type { Band, Site } from "../../../src/model.ts";
import { blockOf } from "../../bench/locate-speed.ts";
import { corridorSite, site, wall } from "./world.ts";

const LOW: Band = { id: "lte800-ul", loHz: 832e6, hiHz: 862e6, tdd: false };
const HIGH: Band = { id: "lte2600-ul", loHz: 2500e6, hiHz: 2570e6, tdd: false };

/** The corridor with walls whose loss follows from their material, so that it differs between bands. */
function twoBands(): Site {
  const base = corridorSite();
  return {
    ...base,
    bands: [LOW, HIGH],
    walls: base.walls.map((w) => ({ ...w, material: "concrete-200", lossDb: null })),
  };
}

describe("plan gains", () => {
  it("geometry: shared by two bands: the same gains as each band walked by itself, and the bands differ", () => {
    const both = twoBands();
    const grid = buildGrid(both, { stepM: null, phoneHeightM: 1.2, anchors: [] });
    const path = { exponent: 2, wallFactor: 1, slabFactor: 1 };
    const shared = new PlanGeometry(both);
    const low = planGains(both, grid, both.sensors, LOW, path, shared);
    const high = planGains(both, grid, both.sensors, HIGH, path, shared);
    expect(low).toEqual(planGains(both, grid, both.sensors, LOW, path));
    expect(high).toEqual(planGains(both, grid, both.sensors, HIGH, path));
    expect(low.some((g, i) => g - high[i]! > 3)).toBe(true);
    expect(gridGroups(grid).reduce((n, g) => n + g.xM.length, 0)).toBe(grid.size);
  });

  it("geometry: another walk than the recorded one: refused", () => {
    const both = twoBands();
    const shared = new PlanGeometry(both);
    shared.complete();
    expect(() => new Plan(shared, LOW).wallsBetween(0, 0, 0, 1, 0, 5, 5, 1)).toThrow("another walk");
  });

  it("rays: random walls: lose what the walls they cross lose, counted one by one", () => {
    const point = fc.tuple(
      fc.double({ min: 0.013, max: 19.97, noNaN: true }),
      fc.double({ min: 0.017, max: 19.9, noNaN: true }),
    );
    const walls = fc.array(fc.tuple(point, point, fc.integer({ min: 1, max: 9 })), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(walls, point, point, (drawn, a, b) => {
        const of = site({ walls: drawn.map(([from, to, loss]) => wall(from, to, loss)) });
        const plan = new Plan(new PlanGeometry(of), LOW);
        const side = (p: readonly number[], q: readonly number[], r: readonly number[]) =>
          (q[0]! - p[0]!) * (r[1]! - p[1]!) - (q[1]! - p[1]!) * (r[0]! - p[0]!);
        let want = 0;
        for (const w of of.walls) {
          const [s0, s1, t0, t1] = [side(a, b, w.from), side(a, b, w.to), side(w.from, w.to, a), side(w.from, w.to, b)];
          // Rays through a wall's end or along it may count either way.
          if (Math.min(...[s0, s1, t0, t1].map(Math.abs)) < 1e-6) return;
          if (s0 > 0 !== s1 > 0 && t0 > 0 !== t1 > 0) want += lossAt(w.lossDb, w.material, LOW);
        }
        expect(plan.wallsBetween(0, a[0], a[1], 1, 0, b[0], b[1], 1)).toBeCloseTo(want, 9);
      }),
    );
  });

  it("rays into the house: ended early where the facade and the depth take less, at two bands from one walk: the lesser of both, as cast whole", () => {
    const point = fc.tuple(fc.double({ min: 0, max: 20, noNaN: true }), fc.double({ min: 0, max: 20, noNaN: true }));
    // Concrete takes more at the higher band; the others are stated, one of them less there.
    const makes = [
      { material: "concrete-200", lossDb: null },
      { material: null, lossDb: { [LOW.id]: 9, [HIGH.id]: 3 } },
      { material: null, lossDb: 4 },
    ];
    const walls = fc.array(fc.tuple(point, point, fc.constantFrom(...makes)), { minLength: 1, maxLength: 30 });
    let less = 0;
    fc.assert(
      fc.property(
        walls,
        point,
        point,
        point,
        fc.double({ min: 0, max: 6, noNaN: true }),
        (drawn, a, via, b, restDb) => {
          const of = {
            ...site({ walls: drawn.map(([from, to, make]) => ({ ...wall(from, to, 0), ...make })) }),
            bands: [LOW, HIGH],
          };
          const [cast, shared] = [new PlanGeometry(of), new PlanGeometry(of)];
          for (const band of [LOW, HIGH]) {
            const whole = new Plan(cast, band);
            const near = whole.wallsBetween(0, a[0], a[1], 1, 0, via[0], via[1], 1) + restDb;
            const all = whole.wallsBetween(0, a[0], a[1], 1, 0, b[0], b[1], 1);
            const plan = new Plan(shared, band);
            expect(plan.wallsOrRest(0, a[0], a[1], via[0], via[1], b[0], b[1], 1, restDb)).toBe(Math.min(near, all));
            if (near < all) less++;
            cast.complete();
            shared.complete();
          }
        },
      ),
      { numRuns: 300 },
    );
    expect(less).toBeGreaterThan(5);
  });

  it("geometry: a band beyond those of the site once rays are recorded: refused", () => {
    const both = { ...twoBands(), bands: [LOW] };
    const shared = new PlanGeometry(both);
    new Plan(shared, LOW).wallsBetween(0, 0, 0, 1, 0, 5, 5, 1);
    shared.complete();
    expect(() => new Plan(shared, LOW)).not.toThrow();
    expect(() => new Plan(shared, HIGH)).toThrow("without lte2600-ul");
  });

  it("locator: prepared beforehand: the same likelihood as made on the first observation", () => {
    const both = twoBands();
    const lazy = new Locator(both, { block: "b1", calibration: null });
    const prepared = new Locator(both, { block: "b1", calibration: null });
    expect([...prepared.prepare()]).toHaveLength(2);
    const sensors = both.sensors.map((s, i) => ({ sensor: s.id, levelDbm: -50 - 6 * i, floorDbm: -100, sigmaDb: 2 }));
    for (const band of [HIGH.id, LOW.id]) {
      const [a, b] = [new Float64Array(lazy.size), new Float64Array(lazy.size)];
      lazy.logLikelihood({ tMs: 0, band, sensors }, a);
      prepared.logLikelihood({ tMs: 0, band, sensors }, b);
      expect(b).toEqual(a);
      expect(Math.max(...a)).toBeGreaterThan(Math.min(...a));
    }
  });
});

describe("gains of a large site", () => {
  it("walls shared between far rooms: near sensors as exactly as in a small site, far ones within a few dB", () => {
    const big = blockOf({ floors: 2, columns: 70, every: 1 });
    const grid = buildGrid(big, { stepM: 1.5, phoneHeightM: 1.2, anchors: [] });
    const groups = gridGroups(grid);
    const count = big.sensors.length;
    expect(grid.size * count).toBeGreaterThan(500_000);
    const band = big.bands[0]!;
    const loss = new Float64Array(grid.size * count);
    walkPaths(big, groups, big.sensors, band, (p, s, d, w, f) => {
      loss[p * count + s] = 2 * d + w + f;
    });
    let [square, far] = [0, 0];
    for (const z of [3, 40, 77, 150, 200]) {
      const { from } = grid.zones[z]!;
      const group = groups[z]!;
      walkPaths(big, [group], big.sensors, band, (p, s, d, w, f) => {
        const [sx, sy] = big.sensors[s]!.positionM!;
        const off = 2 * d + w + f - loss[(from + p) * count + s]!;
        const awayM = Math.hypot(sx - group.xM[p]!, sy - group.yM[p]!);
        if (awayM < 10) expect(Math.abs(off)).toBeLessThan(1e-9);
        // What lies deeper than this is heard by nobody.
        if (awayM < 10 || loss[(from + p) * count + s]! > 90) return;
        square += off * off;
        far++;
      });
    }
    expect(far).toBeGreaterThan(1000);
    expect(Math.sqrt(square / far)).toBeLessThan(2);
  });
});

describe("gains of a plan without doors", () => {
  it("rooms whose plan leaves the doors out: as with doors towards the corridor, to 2 dB", () => {
    const open = corridorSite();
    const shut = { ...open, walls: open.walls.map((w) => ({ ...w, lossDb: 40, door: null })) };
    const stated = { ...open, walls: open.walls.map((w) => ({ ...w, lossDb: 40 })) };
    const grid = buildGrid(open, { stepM: 1, phoneHeightM: 1.2, anchors: [] });
    const path = { exponent: 2, wallFactor: 1, slabFactor: 1 };
    const [assumed, known] = [shut, stated].map((s) => planGains(s, grid, s.sensors, s.bands[0]!, path));
    const cells = grid.zones.filter((z) => z.kind === "cell");
    let [square, count] = [0, 0];
    for (const zone of cells) {
      for (let c = zone.from; c < zone.to; c++) {
        for (let s = 0; s < open.sensors.length; s++) {
          const at = c * open.sensors.length + s;
          square += (assumed![at]! - known![at]!) ** 2;
          count++;
          // Straight through the front it would lose 40 dB more than through the air.
          expect(assumed![at]!).toBeGreaterThan(-20 * Math.log10(12) - 25);
        }
      }
    }
    // What is left are straight rays through the doorway itself.
    expect(Math.sqrt(square / count)).toBeLessThan(2);
  });
});

describe("gains of a room that is drawn in parts", () => {
  /** Front and back of each cell as two zones, with no wall between them. */
  const parted = (of: Site): Site => ({
    ...of,
    zones: of.zones.flatMap((z) => {
      if (z.kind !== "cell") return [z];
      const ys = z.polygon.map((p) => p[1]);
      const [lo, hi] = [Math.min(...ys), Math.max(...ys)];
      const half = (from: number, to: number) => z.polygon.map(([x, y]) => [x, y === lo ? from : to] as const);
      const middle = (lo + hi) / 2;
      return [
        { ...z, id: `${z.id}-a`, polygon: half(lo, middle) },
        { ...z, id: `${z.id}-b`, polygon: half(middle, hi) },
      ];
    }),
  });

  it.each([
    ["doors stated", (s: Site): Site => s],
    ["doors left out", (s: Site): Site => ({ ...s, walls: s.walls.map((w) => ({ ...w, door: null })) })],
  ])("%s: both parts have the way through the room's door", (_, told) => {
    const whole = told(corridorSite());
    const path = { exponent: 2, wallFactor: 1, slabFactor: 1 };
    const losses = (of: Site) => {
      const places = whole.zones
        .filter((z) => z.kind === "cell")
        .flatMap((z) => {
          const [[x0, y0], , [x1, y1]] = z.polygon as [readonly number[], unknown, readonly number[]];
          return [0.3, 0.8].map((share) => [(x0! + x1!) / 2 + 0.3, y0! + share * (y1! - y0!)] as const);
        });
      return places.map(([x, y]) => {
        const zone = of.zones.find(
          (z) =>
            z.kind === "cell" &&
            Math.min(...z.polygon.map((p) => p[0])) < x &&
            x < Math.max(...z.polygon.map((p) => p[0])) &&
            Math.min(...z.polygon.map((p) => p[1])) < y &&
            y < Math.max(...z.polygon.map((p) => p[1])),
        )!;
        const at = { xM: Float64Array.of(x), yM: Float64Array.of(y), zM: 1.2 };
        const lost = new Float64Array(of.sensors.length);
        walkPaths(of, [{ zone: zone.id, floor: 0, open: false, ...at }], of.sensors, of.bands[0]!, (_p, s, d, w, f) => {
          lost[s] = path.exponent * d + w + f;
        });
        return lost;
      });
    };
    const [one, two] = [losses(whole), losses(parted(whole))];
    one.forEach((lost, i) => {
      lost.forEach((db, s) => {
        expect(Math.abs(two[i]![s]! - db)).toBeLessThan(0.01);
      });
    });
  });
});
