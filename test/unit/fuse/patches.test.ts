import { describe, expect, it } from "vitest";
import { patchesOf } from "../../../src/fuse/patches.ts";

/** Twelve positions in a row, 15 cm apart, in one zone. */
const SIZE = 12;
const grid = {
  size: SIZE,
  xM: Float64Array.from({ length: SIZE }, (_, c) => 0.15 * c),
  yM: new Float64Array(SIZE),
  zones: [{ id: "a", kind: "cell" as const, allowed: false, from: 0, to: SIZE, areaM2: 4 }],
};
const patches = (gainDb: (position: number, sensor: number) => number, sensors: number) =>
  patchesOf(grid, {
    gain: Int16Array.from({ length: SIZE * sensors }, (_, k) => gainDb(Math.floor(k / sensors), k % sensors)),
    sensors,
    stepDb: 1,
  });

describe("patches", () => {
  it("nothing between the positions and four sensors: one patch, its middle in it", () => {
    const { from, middle, member } = patches((c, s) => -40 - c / 4 - s, 4);
    expect([...from]).toEqual([0, SIZE]);
    expect(grid.xM[middle[0]!]).toBeCloseTo(0.15 * 5.5, 0);
    expect([...member].sort((a, b) => a - b)).toEqual(Array.from({ length: SIZE }, (_, c) => c));
  });

  it("three walls more to two of four sensors from the seventh position on: none speaks for both sides", () => {
    const { from, member } = patches((c, s) => -40 - (s < 2 && c >= 6 ? 36 : 0), 4);
    expect(from.length - 1).toBe(2);
    expect([...member.slice(0, from[1])].every((c) => c < 6)).toBe(true);
  });

  it("the same walls to all sensors: as a weaker phone would be heard, and one patch", () => {
    const { from } = patches((c) => -40 - (c >= 6 ? 36 : 0), 4);
    expect(from.length - 1).toBe(1);
  });

  it("walls to a sensor that hears nothing either way: one patch", () => {
    const { from } = patches((c, s) => (s === 3 ? -120 - (c >= 6 ? 36 : 0) : -40), 4);
    expect(from.length - 1).toBe(1);
  });
});
