import { describe, expect, it } from "vitest";
import { gammaQuantile, gammaUpper, LookTable, lookTable, riceTable } from "../../../simulator/noise.ts";
import { stream } from "../../../simulator/prng.ts";

describe("receiver noise", () => {
  it.each([1, 2, 8, 20, 40])("mean of %d looks: mean 1, variance 1/looks", (looks) => {
    const table = lookTable(looks);
    const rng = stream(looks, "test");
    const n = 200_000;
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < n; i++) {
      const x = table.mean[LookTable.index(rng.u32())]! - 1;
      sum += x;
      squares += x * x;
    }
    expect(Math.abs(sum / n)).toBeLessThan(5 / Math.sqrt(looks * n));
    expect((squares / n) * looks).toBeCloseTo(1, 1);
  });

  it.each([1, 8, 20])(
    "tail of %d looks: exceeds its quantiles as often as the gamma law says, to one in a million",
    (looks) => {
      // Exhaustive over both tables instead of random, so that a tail of 1e-6 is met exactly.
      const table = lookTable(looks);
      const size = table.mean.length / 2;
      for (const q of [0.1, 1e-3, 1e-6]) {
        const level = gammaQuantile(looks, q);
        let p = 0;
        for (let i = 0; i < size - 1; i++) if (table.mean[i]! > level) p += 1 / size;
        for (let i = size; i < 2 * size; i++) if (table.mean[i]! > level) p += 1 / size / size;
        expect(p / q).toBeGreaterThan(0.97);
        expect(p / q).toBeLessThan(1.03);
      }
    },
  );

  it("gamma law: one look is exponential, two looks have the closed form", () => {
    expect(gammaUpper(1, 2).q).toBeCloseTo(Math.exp(-2), 12);
    expect(gammaUpper(2, 1.5).q).toBeCloseTo(Math.exp(-3) * (1 + 3), 12);
    expect(gammaQuantile(1, 0.01)).toBeCloseTo(-Math.log(0.01), 8);
  });

  it("largest of the looks: never below their mean, and one look is its own mean", () => {
    for (const looks of [1, 8, 100]) {
      const table = lookTable(looks);
      for (let i = 0; i < table.mean.length; i += 97)
        expect(table.peak[i]!).toBeGreaterThanOrEqual(table.mean[i]! * 0.999999);
    }
    expect(lookTable(1).peak[5]).toBeCloseTo(lookTable(1).mean[5]!, 6);
  });

  it("Rice fading: mean 1; K = 0 varies as Rayleigh power, large K hardly", () => {
    const spread = (k: number): { mean: number; variance: number } => {
      const t = riceTable(k);
      const mean = t.reduce((a, b) => a + b, 0) / t.length;
      return { mean, variance: t.reduce((a, b) => a + (b - mean) ** 2, 0) / t.length };
    };
    expect(spread(0).mean).toBeCloseTo(1, 1);
    expect(spread(0).variance).toBeGreaterThan(0.9);
    // Variance of Rice power is (1 + 2K) / (1 + K)^2.
    expect(spread(3).variance).toBeCloseTo(7 / 16, 1);
    expect(spread(30).variance).toBeLessThan(0.08);
  });
});
