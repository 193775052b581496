import { describe, expect, it } from "vitest";
import { apartNats, correlation, Rhythm, together } from "../../../src/fuse/rhythm.ts";
import type { Heard, Sighting } from "../../../src/fuse/sighting.ts";
import { Rng } from "../../support/noise.ts";

const WINDOWS = 32;
/** Of a speaker's pauses with discontinuous transmission, and of the means of twenty dwells, as the simulator has them, dB. */
const COURSE_DB = 3.5;
const OWN_DB = 2.2;

function heard(sensor: string, meanDbm: number): Heard {
  return {
    level: { sensor, levelDbm: meanDbm + 12, floorDbm: -95, sigmaDb: 1 },
    meanDbm,
    evidence: { sensor, band: "gsm900-ul", excessDb: 30, floorDbm: -98 },
    llr: 50,
    llrStep: 50,
    thresholdNats: 20,
    hot: true,
    onsetMs: 0,
  };
}

/** Windows of emitters that each so many sensors hear, named by the emitter; a sensor misses a window with probability `missed`. */
function played(sensorsOf: readonly number[], windows: number, seed: number, missed = 0): Rhythm {
  const rng = new Rng(seed);
  const rhythm = new Rhythm();
  for (let t = 0; t < windows; t++) {
    const courses = sensorsOf.map(() => COURSE_DB * rng.normal());
    const all: Heard[] = [];
    sensorsOf.forEach((sensors, k) => {
      for (let i = 0; i < sensors; i++) {
        const meanDbm = -60 - 3 * i + courses[k]! + OWN_DB * rng.normal();
        if (rng.next() >= missed) all.push(heard(`${k}-${i}`, meanDbm));
      }
    });
    const sighting: Sighting = { tMs: 1000 * t, band: "gsm900-ul", heard: all, quiet: [] };
    rhythm.note(sighting);
  }
  return rhythm;
}

const emittersOf = (sensors: readonly string[]) => new Set(sensors.map((s) => s[0]));

describe("rhythm", () => {
  it("three emitters, each loudest at some sensors: most sensors in a group of its own emitter's, in 20 of 20 draws", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const groups = played([12, 6, 4], WINDOWS, seed).groups();
      for (const g of groups) expect(emittersOf(g.sensors).size).toBe(1);
      expect(groups.reduce((n, g) => n + g.sensors.length, 0)).toBeGreaterThanOrEqual(15);
    }
  });

  it("one emitter: two groups that are surely two emitters in none of 100 draws", () => {
    for (let seed = 1; seed <= 100; seed++) {
      const groups = played([20], WINDOWS, seed).groups();
      for (const [k, a] of groups.entries())
        for (const b of groups.slice(0, k)) expect(apartNats(a, b)).toBeLessThan(9);
    }
  });

  it("two emitters: surely two after 32 windows, in 20 of 20 draws", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const [a, b] = played([10, 10], WINDOWS, seed).groups();
      expect(apartNats(a!, b!)).toBeGreaterThan(9);
    }
  });

  it("bursts that a sweep meets now and then: no groups, for they show the sweep's rhythm", () => {
    expect(played([12, 6], WINDOWS, 1, 0.3).groups()).toEqual([]);
  });

  it("fewer than 16 windows: no groups", () => {
    expect(played([12, 6], 15, 1).groups()).toEqual([]);
  });

  it("older windows than the last 32: forgotten", () => {
    const rhythm = played([6, 6], WINDOWS, 1);
    const rng = new Rng(2);
    for (let t = 0; t < WINDOWS; t++) {
      const course = COURSE_DB * rng.normal();
      const both = ["0", "1"].flatMap((k) =>
        Array.from({ length: 6 }, (_, i) => heard(`${k}-${i}`, -60 + course + OWN_DB * rng.normal())),
      );
      rhythm.note({ tMs: 0, band: "gsm900-ul", heard: both, quiet: [] });
    }
    const [group] = rhythm.groups();
    expect(emittersOf(group!.sensors).size).toBe(2);
  });

  it("snapshot: restored, the groups are the same; an older snapshot without it starts empty", () => {
    const rhythm = played([8, 5], WINDOWS, 3);
    expect(Rhythm.restored(structuredClone(rhythm.snapshot())).groups()).toEqual(rhythm.groups());
    expect(Rhythm.restored(undefined).groups()).toEqual([]);
  });

  it("grouping: as the plain procedure that works out every correlation anew", () => {
    for (let seed = 1; seed <= 10; seed++) {
      const rng = new Rng(seed);
      const courses = [0, 1, 2].map(() => Float64Array.from({ length: 20 }, () => COURSE_DB * rng.normal()));
      const rows = Array.from({ length: 12 }, (_, i) => courses[i % 3]!.map((x) => x + OWN_DB * rng.normal()));
      expect(together(rows).map((g) => [...g.members].sort((a, b) => a - b))).toEqual(plainly(rows));
    }
  });
});

function plainly(rows: readonly Float64Array[]): number[][] {
  let groups = rows.map((_, i) => [i]);
  const mean = (members: readonly number[]) =>
    rows[0]!.map((_, t) => members.reduce((sum, m) => sum + rows[m]![t]!, 0) / members.length);
  for (;;) {
    let [best, a, b] = [0.65, -1, -1];
    groups.forEach((g, i) => {
      groups.slice(0, i).forEach((h, j) => {
        const r = correlation(mean(g), mean(h));
        if (r > best) [best, a, b] = [r, i, j];
      });
    });
    if (a < 0) break;
    const joined = [...groups[b]!, ...groups[a]!];
    groups = groups.filter((_, k) => k !== a).map((g, k) => (k === b ? joined : g));
  }
  return groups.map((g) => g.sort((x, y) => x - y)).sort((x, y) => y.length - x.length || x[0]! - y[0]!);
}
