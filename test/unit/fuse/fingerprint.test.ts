import { describe, expect, it } from "vitest";
import { Fingerprint } from "../../../src/fuse/fingerprint.ts";
import type { Heard, Sighting } from "../../../src/fuse/sighting.ts";
import type { SourceGrid } from "../../../src/fuse/sources.ts";

const FLOOR_DBM = -95;
/** From the one position: two sensors that hear it, one that the plan has near, one far. */
const GAINS_DB = [-30, -35, -28, -55];
const grid: SourceGrid = {
  sensors: ["a", "b", "near", "far"],
  size: 1,
  gainDb: Float32Array.from(GAINS_DB),
  logPrior: Float64Array.of(0),
  outside: Uint8Array.of(0),
  at: Int32Array.of(0),
  xM: Float64Array.of(0),
  yM: Float64Array.of(0),
  zM: Float64Array.of(0),
  powerDbm: -36,
  powerSdDb: 15,
  mostPowerDbm: Number.POSITIVE_INFINITY,
  shadowDb: 6,
};
const where = { rows: [0], p: [1] };
const POWER_DBM = -32;

function level(sensor: string, levelDbm: number) {
  return { sensor, levelDbm, floorDbm: FLOOR_DBM, sigmaDb: 1 };
}

/** A window in which two sensors met the emitter's bursts and the others did not. */
function window(tMs: number): Sighting {
  const heard = ["a", "b"].map(
    (sensor, i): Heard => ({
      level: level(sensor, POWER_DBM + GAINS_DB[i]!),
      meanDbm: POWER_DBM + GAINS_DB[i]! - 12,
      evidence: { sensor, band: "lte800-ul", excessDb: 30, floorDbm: -98 },
      llr: 50,
      llrStep: 50,
      thresholdNats: 20,
      hot: true,
      onsetMs: 0,
    }),
  );
  return { tMs, band: "lte800-ul", heard, quiet: ["near", "far"].map((s) => level(s, Number.NaN)) };
}

function taught(windows: number) {
  const made = new Fingerprint();
  for (let k = 1; k <= windows; k++) made.learn(window(1000 * k));
  return made.source(grid, where, 0);
}

describe("fingerprint", () => {
  it("source: a sensor near it missed three windows: it is still expected there, else its next burst would be another phone", () => {
    const { levelDbm, sdDb } = taught(3);
    expect(levelDbm[2]).toBeGreaterThan(POWER_DBM + GAINS_DB[2]! - 3);
    expect(sdDb[2]).toBeGreaterThan(6);
  });

  it("source: a sensor silent for twenty windows where little was expected: less is expected, and more surely", () => {
    const [once, often] = [taught(1), taught(20)];
    expect(often.levelDbm[3]!).toBeLessThan(once.levelDbm[3]! - 2);
    expect(often.levelDbm[3]!).toBeLessThan(FLOOR_DBM);
    expect(often.sdDb[3]!).toBeLessThan(once.sdDb[3]!);
  });

  it("source: sensors that report only what they hear and state no floor: what the plan expects of them stays, however often they are silent", () => {
    const made = new Fingerprint();
    for (let k = 1; k <= 5; k++) {
      const told = window(1000 * k);
      made.learn({ ...told, quiet: told.quiet.map((q) => ({ ...q, floorDbm: Number.NaN })) });
    }
    const { levelDbm, sdDb } = made.source(grid, where, 0);
    expect([...levelDbm]).toEqual(GAINS_DB.map((gain) => POWER_DBM + gain));
    for (const sd of sdDb) expect(sd).toBeGreaterThan(0);
  });
});
