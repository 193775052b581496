import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutBursts, type Packet, powerScatter, reduceBursts } from "../../../src/fuse/bursts.ts";

const packet = (tMs: number, sensor: string, levelDbm = -60): Packet => ({ tMs, sensor, levelDbm });

describe("bursts", () => {
  it("cutting: a gap or a sensor that reports again: a new burst", () => {
    const bursts = cutBursts([packet(0, "a"), packet(2, "b"), packet(5, "a"), packet(6, "b"), packet(500, "a")], 60);
    expect(bursts.map((b) => b.length)).toEqual([2, 2, 1]);
  });

  it("reduction: no power spread: plain means with variance fading^2 / n", () => {
    const bursts = [[packet(0, "a", -60), packet(0, "b", -70)], [packet(500, "a", -64)]];
    const levels = reduceBursts(bursts, 3, 0)!;
    expect(levels.levelDbm[0]).toBeCloseTo(-62, 9);
    expect(levels.levelDbm[1]).toBeCloseTo(-70, 9);
    expect(levels.covariance[0]).toBeCloseTo(4.5, 9);
    expect(levels.covariance[1]).toBeCloseTo(0, 9);
  });

  it("reduction: a large power spread: differences between sensors don't move when bursts are shifted", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -20, max: 0, noNaN: true }), { minLength: 3, maxLength: 3 }), (shift) => {
        const base = [
          [-60, -70, -75],
          [-62, -69, -77],
          [-61, -73, -74],
        ];
        const make = (s: readonly number[]): Packet[][] =>
          base.map((levels, b) => levels.map((l, i) => packet(b * 500, "abc"[i]!, l + s[b]!)));
        const plain = reduceBursts(make([0, 0, 0]), 3, 300)!;
        const moved = reduceBursts(make(shift), 3, 300)!;
        for (const i of [1, 2]) {
          expect(moved.levelDbm[i]! - moved.levelDbm[0]!).toBeCloseTo(plain.levelDbm[i]! - plain.levelDbm[0]!, 2);
        }
      }),
      { seed: 6 },
    );
  });

  it("scatter: bursts of equal pattern shifted by known powers: their variance, and no fading", () => {
    const shifts = [-6, 0, 6];
    const bursts = shifts.map((s, b) => [-60, -70, -80].map((l, i) => packet(b * 500, "abc"[i]!, l + s)));
    const scatter = powerScatter(bursts);
    expect(scatter.squares / scatter.degrees).toBeCloseTo(36, 6);
    expect(scatter.fadingSquares).toBeCloseTo(0, 9);
  });
});
