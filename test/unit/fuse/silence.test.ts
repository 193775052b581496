import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { afterSilence, hearsWithin, IDLE_MISS, missedAll } from "../../../src/fuse/silence.ts";

/** Mean and spread of the weighted normal distribution by sums over narrow slices. */
function bySlices(meanDbm: number, sdDb: number, floorDbm: number, missed: number) {
  let [mass, first, square] = [0, 0, 0];
  const step = sdDb / 200;
  for (let x = meanDbm - 9 * sdDb; x < meanDbm + 9 * sdDb; x += step) {
    const w = Math.exp(-0.5 * ((x - meanDbm) / sdDb) ** 2) * (x > floorDbm ? missed : 1);
    mass += w;
    first += w * (x - meanDbm);
    square += w * (x - meanDbm) ** 2;
  }
  const off = first / mass;
  return { meanDbm: meanDbm + off, sdDb: Math.sqrt(square / mass - off * off) };
}

describe("silence", () => {
  it("afterSilence: any expected level, floor and number of windows: the moments that slices give", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -120, max: -20, noNaN: true }),
        fc.double({ min: 3, max: 15, noNaN: true }),
        fc.double({ min: -110, max: -70, noNaN: true }),
        fc.integer({ min: 0, max: 60 }),
        (meanDbm, sdDb, floorDbm, windows) => {
          const got = afterSilence(meanDbm, sdDb, floorDbm, windows);
          const want = bySlices(meanDbm, sdDb, floorDbm, missedAll(windows));
          // A slice that the floor cuts is counted on one side.
          expect(Math.abs(got.meanDbm - want.meanDbm)).toBeLessThan(0.02 * sdDb);
          expect(Math.abs(got.sdDb - want.sdDb)).toBeLessThan(0.02 * sdDb);
        },
      ),
      { seed: 20261123, numRuns: 300 },
    );
  });

  it("missedAll: silent windows in a row: each says less than the one before, and never that it can't be heard", () => {
    expect(missedAll(0)).toBe(1);
    expect(missedAll(1)).toBeCloseTo(0.4, 12);
    let says = Number.POSITIVE_INFINITY;
    for (let n = 1; n < 12; n++) {
      const more = Math.log(missedAll(n - 1) / missedAll(n));
      expect(more).toBeLessThan(says);
      expect(more).toBeGreaterThan(0);
      says = more;
    }
    expect(missedAll(100_000)).toBeGreaterThan(0.005);
  });

  it("windows of silence: one leaves a miss of 40 %, eight about 6 %, and never less than somebody misses for good", () => {
    const misses = [1, 2, 8, 1000].map((windows) => 1 - hearsWithin(windows).hearing);
    expect(misses[0]).toBeCloseTo(0.4, 9);
    expect(misses[1]).toBeCloseTo(missedAll(2), 9);
    expect(misses[2]).toBeCloseTo(0.0623, 3);
    expect(misses[3]).toBeCloseTo(IDLE_MISS, 9);
  });
});
