import { describe, expect, it } from "vitest";
import { atOnce } from "../../../src/fuse/linalg.ts";
import type { Observation } from "../../../src/fuse/locate.ts";
import type { SourceGrid } from "../../../src/fuse/sources.ts";
import { Trust } from "../../../src/fuse/trust.ts";
import { normals } from "../../bench/tablea.ts";
import { mulberry32 } from "../../support/noise.ts";

const FLOOR_DBM = -100;
const POWER_DBM = -36;

/** Two rows of cells 2.5 m wide along a corridor, a sensor over each `every`-th door; 10 dB a wall, four positions a cell. */
function gridOf(columns: number, every: number): SourceGrid & { readonly cell: number[] } {
  const sensors: { id: string; x: number; y: number }[] = [];
  const rows: { x: number; y: number; cell: number }[] = [];
  for (let row = 0; row < 2; row++) {
    for (let c = 0; c < columns; c++) {
      if (c % every === 0) sensors.push({ id: `s${row}-${c}`, x: 2.5 * c + 1.25, y: row === 0 ? 4.2 : 6.8 });
      for (const [dx, dy] of [
        [0.6, 1],
        [1.9, 1],
        [0.6, 3],
        [1.9, 3],
      ] as const)
        rows.push({ x: 2.5 * c + dx, y: row === 0 ? dy : 7 + dy, cell: row * columns + c });
    }
  }
  const gainDb = Float32Array.from({ length: rows.length * sensors.length }, (_, k) => {
    const [p, s] = [rows[Math.floor(k / sensors.length)]!, sensors[k % sensors.length]!];
    const walls = 1 + Number(p.y < 5.5 !== s.y < 5.5) + Math.abs(Math.floor(p.x / 2.5) - Math.floor(s.x / 2.5));
    return -20 * Math.log10(Math.max(1, Math.hypot(p.x - s.x, p.y - s.y, 1.3))) - 10 * Math.min(walls, 4);
  });
  return {
    sensors: sensors.map((s) => s.id),
    size: rows.length,
    gainDb,
    logPrior: new Float64Array(rows.length).fill(-Math.log(rows.length)),
    outside: new Uint8Array(rows.length),
    at: Int32Array.from(rows, (_, i) => i),
    xM: Float64Array.from(rows, (r) => r.x),
    yM: Float64Array.from(rows, (r) => r.y),
    zM: new Float64Array(rows.length).fill(1.2),
    powerDbm: POWER_DBM,
    powerSdDb: 15,
    mostPowerDbm: Number.POSITIVE_INFINITY,
    shadowDb: 7,
    cell: rows.map((r) => r.cell),
  };
}

/** Phones in random cells; 6 dB of shadowing that stays with cell and sensor, 4 dB of the use. */
function house(seed: number, columns = 8, every = 1) {
  const grid = gridOf(columns, every);
  const normal = normals(seed);
  const next = mulberry32(seed + 1);
  const n = grid.sensors.length;
  const shadow = Float64Array.from({ length: 2 * columns * n }, () => 6 * normal());
  const extraDb = new Float64Array(n);
  const hangsAt = Int32Array.from({ length: n }, (_, i) => i);
  const use = (): Observation => {
    const row = Math.floor(next() * grid.size);
    const power = POWER_DBM + 10 * normal();
    const sensors = grid.sensors.map((sensor, i) => {
      const gain = grid.gainDb[row * n + hangsAt[i]!]!;
      const level = power + gain + extraDb[i]! + shadow[grid.cell[row]! * n + i]! + 4 * normal();
      return { sensor, levelDbm: level > FLOOR_DBM ? level : Number.NaN, floorDbm: FLOOR_DBM, sigmaDb: 2 };
    });
    return { tMs: 0, band: "b", sensors };
  };
  const trust = new Trust((band) => (band === "b" ? grid : null));
  /** Uses until `done`; Infinity if `most` were not enough. */
  const until = (done: () => boolean, most: number): number => {
    for (let k = 1; k <= most; k++) {
      atOnce(trust.use(use()));
      if (done()) return k;
    }
    return Number.POSITIVE_INFINITY;
  };
  return { grid, trust, use, until, extraDb, hangsAt };
}

describe("trust in sensors", () => {
  it("all honest, 120 uses in two houses: nobody is set aside", () => {
    for (const seed of [1, 2]) {
      const { trust, until } = house(seed);
      expect(until(() => trust.aside.length > 0, 60)).toBe(Number.POSITIVE_INFINITY);
    }
  });

  it("one reads 20 dB too much: set aside within 30 uses with its offset, alone, and believed again once it reads right", () => {
    for (const seed of [1, 2]) {
      const { trust, until, extraDb, grid } = house(seed);
      extraDb[5] = 20;
      expect(until(() => trust.aside.length > 0, 30)).toBeLessThanOrEqual(30);
      expect(trust.aside).toEqual([grid.sensors[5]]);
      expect(Math.abs(trust.of(grid.sensors[5]!)!.offsetDb! - 20)).toBeLessThanOrEqual(8);
      until(() => false, 20);
      expect(trust.aside).toEqual([grid.sensors[5]]);
      extraDb[5] = 0;
      expect(until(() => trust.aside.length === 0, 60)).toBeLessThanOrEqual(60);
      expect(until(() => trust.aside.length > 0, 30)).toBe(Number.POSITIVE_INFINITY);
    }
  });

  it("one hangs four doors from where the plan has it: set aside within 60 uses, alone", () => {
    for (const seed of [1, 2]) {
      const { trust, until, hangsAt, grid } = house(seed);
      hangsAt[2] = 6;
      expect(until(() => trust.aside.length > 0, 60)).toBeLessThanOrEqual(60);
      expect(trust.aside).toEqual([grid.sensors[2]]);
    }
  });

  it("four sensors, one reads 20 dB too much: who lies can't be told, nobody is set aside", () => {
    const { trust, until, extraDb } = house(1, 8, 4);
    extraDb[1] = 20;
    expect(until(() => trust.aside.length > 0, 60)).toBe(Number.POSITIVE_INFINITY);
  });

  it("phones blocks away, heard here and there just over the floor: nobody is set aside; as loud as in a cell, such levels accuse", () => {
    for (const seed of [1, 2]) {
      for (const [moreDb, accused] of [
        [0, false],
        [20, true],
      ] as const) {
        const { trust, grid } = house(seed);
        const next = mulberry32(seed + 7);
        for (let k = 0; k < 60; k++) {
          const sensors = grid.sensors.map((sensor) => {
            const levelDbm = next() < 0.6 ? FLOOR_DBM + 12 * next() + moreDb : Number.NaN;
            return { sensor, levelDbm, floorDbm: FLOOR_DBM, sigmaDb: 2 };
          });
          atOnce(trust.use({ tMs: 0, band: "b", sensors }));
        }
        expect(trust.aside.length > 0).toBe(accused);
      }
    }
  });

  it("restored from a snapshot in the middle: goes on as if never stopped", () => {
    const { trust, use, extraDb, grid } = house(5);
    extraDb[3] = 20;
    const uses = Array.from({ length: 40 }, use);
    for (const u of uses.slice(0, 10)) atOnce(trust.use(u));
    const again = new Trust(() => grid);
    again.restore(structuredClone(trust.snapshot()));
    for (const u of uses.slice(10)) {
      atOnce(trust.use(u));
      atOnce(again.use(u));
      expect(again.snapshot()).toEqual(trust.snapshot());
    }
    expect(again.aside).toEqual([grid.sensors[3]]);
  });

  it("a window: loses what is set aside, but is left whole where nobody else hears anything loud", () => {
    const { trust, until, extraDb, grid } = house(1);
    extraDb[5] = 20;
    until(() => trust.aside.length > 0, 30);
    const channel = (sensor: string, hot: boolean) => ({ sensor, hot }) as never;
    const window = (others: boolean) => ({
      band: "b",
      channels: [channel(grid.sensors[5]!, true), channel(grid.sensors[6]!, others)],
      quietEventDriven: [],
    });
    expect(trust.believed([window(true)])[0]!.channels.map((c) => c.sensor)).toEqual([grid.sensors[6]]);
    expect(trust.believed([window(false)])[0]!.channels).toHaveLength(2);
  });
});
