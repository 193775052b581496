import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { atOnce } from "../../../src/fuse/linalg.ts";
import { addDbm, background, type Levels, logDensity, plus, type Source } from "../../../src/fuse/mixture.ts";
import { findAll } from "../../../src/fuse/newcomers.ts";
import { read } from "../../../src/fuse/reading.ts";
import { distanceM, type SourceGrid } from "../../../src/fuse/sources.ts";
import { mulberry32 } from "../../support/noise.ts";

/** A hall of 20 by 3 positions two metres apart with a sensor at every second one; 30 dB a decade, no walls. */
function hall(): SourceGrid {
  const at: [number, number][] = [];
  for (let i = 0; i < 20; i++) for (let j = 0; j < 3; j++) at.push([2 * i, 2 * j]);
  const sensors = Array.from({ length: 10 }, (_, i) => [4 * i, 2] as const);
  const gainDb = new Float32Array(at.length * sensors.length);
  at.forEach(([x, y], c) => {
    sensors.forEach(([sx, sy], s) => {
      gainDb[c * sensors.length + s] = -30 * Math.log10(Math.max(1, Math.hypot(x - sx, y - sy)));
    });
  });
  return {
    sensors: sensors.map((_, i) => `s${i}`),
    size: at.length,
    gainDb,
    logPrior: new Float64Array(at.length).fill(-Math.log(at.length)),
    outside: new Uint8Array(at.length),
    at: Int32Array.from(at, (_, i) => i),
    xM: Float64Array.from(at, (p) => p[0]),
    yM: Float64Array.from(at, (p) => p[1]),
    zM: new Float64Array(at.length),
    powerDbm: -36,
    powerSdDb: 15,
    mostPowerDbm: Number.POSITIVE_INFINITY,
    shadowDb: 4,
  };
}

const grid = hall();
const N = grid.sensors.length;

/** Normal deviates of a small fixed generator (mulberry32 and Box-Muller). */
function normals(seed: number): () => number {
  const uniform = mulberry32(seed);
  return () => Math.sqrt(-2 * Math.log(uniform() + 1e-12)) * Math.cos(2 * Math.PI * uniform());
}

/** What the hall's sensors read of emitters, with an error of `sdDb` on each path. */
function levelsOf(emitters: readonly { at: number; dbm: number }[], sdDb: number, seed: number): Levels {
  const normal = normals(seed);
  const levelDbm = new Float64Array(N).fill(-120);
  for (const { at, dbm } of emitters) {
    for (let i = 0; i < N; i++) {
      levelDbm[i] = addDbm(levelDbm[i]!, dbm + grid.gainDb[at * N + i]! + sdDb * normal());
    }
  }
  return {
    levelDbm: levelDbm.map((l) => (l > -95 ? l : Number.NaN)),
    sdDb: new Float64Array(N).fill(1),
    floorDbm: new Float64Array(N).fill(-95),
  };
}

function known(at: number, dbm: number): Source {
  const levelDbm = Float64Array.from({ length: N }, (_, i) => dbm + grid.gainDb[at * N + i]!);
  return { levelDbm, sdDb: new Float64Array(N).fill(4), logOn: 2, certain: true, at };
}

const WEST = 4;
const EAST = 52;
const BIRTH = 7;

describe("several emitters in one band", () => {
  it("a burst that only one sensor met: the one in the pauses of its call, whatever the others missed; of two such, somebody new", () => {
    const middle = 31;
    const all = levelsOf([{ at: middle, dbm: -40 }], 0, 1);
    const one: Levels = { ...all, levelDbm: all.levelDbm.map((l, i) => (i === 7 ? l : Number.NaN)) };
    const paused = (pausing: boolean): Source => ({ ...known(middle, -40), logOn: -1, pausing });
    const on = (sources: readonly Source[]) => {
      const told = atOnce(read(grid, one, sources, 5, BIRTH, 4));
      return { known: told.shiftDb.map((s) => !Number.isNaN(s)), found: told.found.length };
    };
    expect(on([paused(true)])).toEqual({ known: [true], found: 0 });
    expect(on([paused(false)])).toEqual({ known: [false], found: 1 });
    expect(on([paused(true), paused(true)])).toEqual({ known: [false, false], found: 1 });
  });

  it("sum of two powers: within 0.035 dB of the exact one, in either order", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -150, max: 0, noNaN: true }),
        fc.double({ min: -150, max: 0, noNaN: true }),
        (a, b) => {
          const exact = 10 * Math.log10(10 ** (a / 10) + 10 ** (b / 10));
          expect(Math.abs(addDbm(a, b) - exact)).toBeLessThan(0.035);
          expect(addDbm(a, b)).toBe(addDbm(b, a));
        },
      ),
    );
  });

  it("density of a level: adds up to one over the receivers' range", () => {
    let mass = 0;
    for (let level = -100; level < -20; level += 0.05) mass += Math.exp(logDensity(level, -60, 6)) * 0.05;
    expect(mass).toBeGreaterThan(0.97);
    expect(mass).toBeLessThan(1.04);
  });

  it("plus: an emitter far below the rest changes nothing, one far above is all there is", () => {
    const levels = levelsOf([], 0, 1);
    const loud = plus(background(levels), known(WEST, -40), 0);
    const both = plus(loud, known(WEST, -40), -60);
    for (let i = 0; i < N; i++) expect(Math.abs(both.levelDbm[i]! - loud.levelDbm[i]!)).toBeLessThan(0.05);
    expect(loud.levelDbm[0]).toBeCloseTo(known(WEST, -40).levelDbm[0]!, 0);
  });

  it("two emitters at the ends of a hall, paths off by 4 dB, from one window: both found within 4 m in 14 of 20", () => {
    let right = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const truth = [
        { at: WEST, dbm: -35 },
        { at: EAST, dbm: -38 },
      ];
      const levels = levelsOf(truth, 4, seed);
      const found = atOnce(findAll(grid, levels, background(levels), [], 3, BIRTH, true, 4));
      const near = (at: number) => found.some((f) => distanceM(grid, f.at, at) <= 4);
      if (found.length === 2 && near(WEST) && near(EAST)) right++;
    }
    expect(right).toBeGreaterThanOrEqual(14);
  });

  it("one emitter whose paths are off by 5 dB each: no second one in 98 of 100 windows", () => {
    let more = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const levels = levelsOf([{ at: WEST + (seed % 40), dbm: -30 }], 5, seed);
      if (atOnce(findAll(grid, levels, background(levels), [], 3, BIRTH, true, 4)).length > 1) more++;
    }
    expect(more).toBeLessThanOrEqual(2);
  });

  it("a known emitter at another power: the known one with the change, nobody new", () => {
    const levels = levelsOf([{ at: WEST, dbm: -45 }], 2, 3);
    const reading = atOnce(read(grid, levels, [known(WEST, -35), known(EAST, -35)], 4, BIRTH, 4));
    expect(reading.shiftDb[0]).toBeGreaterThan(-14);
    expect(reading.shiftDb[0]).toBeLessThan(-6);
    expect(reading.shiftDb[1]).toBeNaN();
    expect(reading.found).toEqual([]);
  });

  it("a new emitter beside a known one: found where it is, the known one stays", () => {
    const levels = levelsOf(
      [
        { at: WEST, dbm: -35 },
        { at: EAST, dbm: -40 },
      ],
      2,
      5,
    );
    const reading = atOnce(read(grid, levels, [known(WEST, -35)], 4, BIRTH, 4));
    expect(Math.abs(reading.shiftDb[0]!)).toBeLessThan(4);
    expect(reading.found).toHaveLength(1);
    expect(distanceM(grid, reading.found[0]!.at, EAST)).toBeLessThanOrEqual(4);
  });

  it("levels that a known emitter gave eight metres away: it has walked, nobody is born", () => {
    const there = WEST + 12;
    const levels = levelsOf([{ at: there, dbm: -35 }], 1, 7);
    const reading = atOnce(read(grid, levels, [known(WEST, -35)], 4, BIRTH, 4));
    expect(reading.found).toHaveLength(1);
    expect(distanceM(grid, reading.found[0]!.at, there)).toBeLessThanOrEqual(4);
    expect(reading.walked).toEqual([{ known: 0, found: reading.found[0] }]);
  });

  it("the same window twice: the same reading", () => {
    const levels = levelsOf([{ at: 20, dbm: -30 }], 5, 11);
    const sources = [known(WEST, -35), known(EAST, -30)];
    expect(atOnce(read(grid, levels, sources, 4, BIRTH, 4))).toEqual(atOnce(read(grid, levels, sources, 4, BIRTH, 4)));
  });
});
