import { describe, expect, it } from "vitest";
import { widen } from "../../../src/fuse/rehearse.ts";
import { Rng } from "../../support/noise.ts";

/** Squared standardised errors of two coordinates whose variance is `factor` times what was stated; some are strays. */
function squares(count: number, factor: number, strays: number, seed: number): number[] {
  const rng = new Rng(seed);
  const out = Array.from({ length: count }, () => {
    const scale = rng.next() < strays ? 100 : factor;
    return scale * (rng.normal() ** 2 + rng.normal() ** 2);
  });
  return out.sort((a, b) => a - b);
}
const mean = (factor: number, strays: number) => {
  const seeds = Array.from({ length: 20 }, (_, seed) => widen(squares(150, factor, strays, seed + 1)));
  return seeds.reduce((sum, w) => sum + w, 0) / seeds.length;
};

describe("widening of left-out points", () => {
  it("errors twice as variable as stated: twice the variance; as stated: as it is; less: half as much narrower, and never by much", () => {
    expect(mean(2, 0)).toBeGreaterThan(1.7);
    expect(mean(2, 0)).toBeLessThan(2.15);
    expect(mean(1, 0)).toBeGreaterThan(0.9);
    expect(mean(1, 0)).toBeLessThan(1.1);
    expect(mean(0.6, 0)).toBeGreaterThan(0.7);
    expect(mean(0.6, 0)).toBeLessThan(0.82);
    expect(mean(0.2, 0)).toBeCloseTo(0.7, 9);
  });

  it("one in eight far off: the others' width stays, where a quantile would give room for the strays too", () => {
    const sample = squares(150, 1, 0.125, 1);
    const quantile = sample[135]! / (-2 * Math.log(0.1));
    expect(quantile).toBeGreaterThan(3);
    expect(mean(1, 0.125)).toBeLessThan(1.8);
  });
});
