import { describe, expect, it } from "vitest";
import { census } from "../../../src/fuse/census.ts";
import { atOnce } from "../../../src/fuse/linalg.ts";
import { addDbm, type Levels } from "../../../src/fuse/mixture.ts";
import { distanceM, mostPowerDbm, type SourceGrid } from "../../../src/fuse/sources.ts";
import { Rng } from "../../support/noise.ts";

const COLUMNS = 10;
const CELL_M = 3;
const SHADOW_DB = 5;
const BIRTH_NATS = 7;

/** Two rows of ten cells with a sensor and two positions each, walls of 10 dB between neighbours, and a place in the street. */
function house(): SourceGrid {
  const sensors = Array.from({ length: 2 * COLUMNS }, (_, i) => [CELL_M * (i % COLUMNS), 6 * Math.floor(i / COLUMNS)]);
  const places = sensors.flatMap(([x, y]) => [0.5, 2].map((off) => [x! + off - 1, y! + off]));
  places.push([15, -30]);
  const gainDb = new Float32Array(places.length * sensors.length);
  places.forEach(([x, y], c) => {
    sensors.forEach(([sx, sy], s) => {
      const far = Math.hypot(x! - sx!, y! - sy!);
      const walls =
        y! < -10 ? 2 : Math.min(5, Math.round(Math.abs(x! - sx!) / CELL_M) + (Math.abs(y! - sy!) > 3 ? 1 : 0));
      gainDb[c * sensors.length + s] = -20 * Math.log10(Math.max(1, far)) - 10 * walls;
    });
  });
  const size = places.length;
  return {
    sensors: sensors.map((_, i) => `s${i}`),
    size,
    gainDb,
    logPrior: Float64Array.from(places, (_, c) => Math.log(c === size - 1 ? 0.5 : 0.5 / (size - 1))),
    outside: Uint8Array.from(places, (_, c) => (c === size - 1 ? 1 : 0)),
    at: Int32Array.from(places, (_, c) => c),
    xM: Float64Array.from(places, (p) => p[0]!),
    yM: Float64Array.from(places, (p) => p[1]!),
    zM: new Float64Array(size),
    powerDbm: -36,
    powerSdDb: 15,
    mostPowerDbm: mostPowerDbm(832e6, 862e6),
    shadowDb: SHADOW_DB,
  };
}

const grid = house();
const n = grid.sensors.length;
const FLOOR_DBM = -95;

/** Averages of emitters at rows of the grid, each path off by the plan's error. */
function heard(rows: readonly number[], seed: number, meanDbm = -25): Levels {
  const rng = new Rng(seed);
  const levelDbm = new Float64Array(n).fill(-120);
  for (const row of rows) {
    const dbm = meanDbm + 5 * rng.normal();
    for (let i = 0; i < n; i++) {
      levelDbm[i] = addDbm(levelDbm[i]!, dbm + grid.gainDb[row * n + i]! + SHADOW_DB * rng.normal());
    }
  }
  return {
    levelDbm: levelDbm.map((l) => (l > FLOOR_DBM ? l : Number.NaN)),
    sdDb: new Float64Array(n).fill(1),
    floorDbm: new Float64Array(n).fill(FLOOR_DBM),
  };
}

function counted(rows: readonly number[], seed: number) {
  const found = atOnce(census(grid, heard(rows, seed), BIRTH_NATS, 8));
  const near = (a: number, b: number) => distanceM(grid, a, b) <= 1.5 * CELL_M;
  return {
    found,
    right: rows.filter((row) => found.some((f) => near(f.source.at, row))).length,
    wrong: found.filter((f) => !rows.some((row) => near(f.source.at, row))).length,
  };
}

const rowOf = (column: number, side: number) => 2 * (column + COLUMNS * side);

describe("census", () => {
  it("one emitter, paths off by 5 dB: one, near it, in 40 of 40 draws", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const { found, right } = counted([rowOf(seed % COLUMNS, seed % 2)], seed);
      expect([found.length, right]).toEqual([1, 1]);
    }
  });

  it("three that came on together: most found and hardly one invented, where one in the street would explain all", () => {
    let [right, wrong] = [0, 0];
    for (let seed = 1; seed <= 20; seed++) {
      const told = counted([rowOf(0, 0), rowOf(5, 1), rowOf(9, 0)], seed);
      right += told.right;
      wrong += told.wrong;
    }
    expect(right).toBeGreaterThanOrEqual(40);
    expect(wrong).toBeLessThanOrEqual(2);
  });

  it("one in the street, heard by all, paths off by 5 dB: one, in 40 of 40 draws", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const levels = heard([grid.size - 1], seed, 0);
      expect(atOnce(census(grid, levels, BIRTH_NATS, 8)), `seed ${seed}`).toHaveLength(1);
    }
  });

  it("each that is told of several brings more than its price", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const { found } = counted([rowOf(1, 0), rowOf(8, 1)], seed);
      if (found.length > 1) for (const f of found) expect(f.nats).toBeGreaterThan(f.price);
    }
  });

  it("nothing heard: nobody", () => {
    const levels = { ...heard([], 1), levelDbm: new Float64Array(n).fill(Number.NaN) };
    expect(atOnce(census(grid, levels, BIRTH_NATS, 8))).toEqual([]);
  });

  it("the most a phone gives at 1 m: 33 dBm of GSM 900, 30 of GSM 1800 and 26 elsewhere, less a metre of free space, peaks 4 dB higher", () => {
    expect(mostPowerDbm(880e6, 915e6)).toBeCloseTo(33 + 4 - 31.3, 1);
    expect(mostPowerDbm(1710e6, 1785e6)).toBeCloseTo(30 + 4 - 37.1, 1);
    expect(mostPowerDbm(2500e6, 2570e6)).toBeCloseTo(26 + 4 - 40.4, 1);
  });
});
