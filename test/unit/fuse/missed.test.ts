import { describe, expect, it } from "vitest";
import type { Source } from "../../../src/fuse/mixture.ts";
import { type Heard, type Sighting, withoutMissed } from "../../../src/fuse/sighting.ts";

const IDS = ["a", "b", "c", "d", "e"];
const indexOf = new Map(IDS.map((id, i) => [id, i]));
const FLOOR_DBM = -100;

function sighting(levelsDbm: readonly number[]): Sighting {
  const heard = levelsDbm.map((levelDbm, i): Heard => {
    const excessDb = 10 * Math.log10(1 + 10 ** ((levelDbm - FLOOR_DBM) / 10));
    const level = { sensor: IDS[i]!, levelDbm, floorDbm: FLOOR_DBM, sigmaDb: 1 / (1 - 10 ** (-excessDb / 10)) };
    const evidence = { sensor: IDS[i]!, band: "x", excessDb, floorDbm: FLOOR_DBM };
    return { level, meanDbm: levelDbm, evidence, llr: 9, llrStep: -1, thresholdNats: 25, hot: true, onsetMs: 0 };
  });
  return { tMs: 1000, band: "x", heard, quiet: [] };
}

const source = (levelDbm: readonly number[]): Source => ({
  levelDbm: Float64Array.from(levelDbm),
  sdDb: new Float64Array(levelDbm.length).fill(3),
  logOn: 2,
  certain: true,
  at: 0,
});
const known = source([-40, -50, -60, -70, -80]);
const heardBy = (s: Sighting) => s.heard.map((h) => h.level.sensor);

describe("missed bursts", () => {
  it("a sensor that should hear a phone loud and stands hardly over its noise: silent in this window, no level of the phone", () => {
    const told = withoutMissed(sighting([-41, -103, -58, -72, -79]), indexOf, [known]);
    expect(heardBy(told)).toEqual(["a", "c", "d", "e"]);
    expect(told.quiet.map((q) => [q.sensor, q.levelDbm])).toEqual([["b", Number.NaN]]);
  });

  it("far over its noise, or all levels fallen together, or nobody known to be on: as it was", () => {
    const other = sighting([-41, -75, -58, -72, -79]);
    expect(withoutMissed(other, indexOf, [known])).toBe(other);
    const weaker = sighting([-65, -75, -85, -95, -103]);
    expect(withoutMissed(weaker, indexOf, [known])).toBe(weaker);
    const noise = sighting([-41, -103, -58, -72, -79]);
    expect(withoutMissed(noise, indexOf, [])).toBe(noise);
  });
});
