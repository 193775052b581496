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

  it("places: middles first, then the other members patch by patch, every candidate once", () => {
    const { from, middle, member, order, placeOf, patchOf } = patches((c, s) => -40 - (s < 2 && c >= 6 ? 36 : 0), 4);
    expect([...order.slice(0, middle.length)]).toEqual([...middle]);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: SIZE }, (_, c) => c));
    order.forEach((c, place) => {
      expect(placeOf[c]).toBe(place);
      const p = patchOf[place]!;
      expect(member.slice(from[p]!, from[p + 1]!)).toContain(c);
      if (place > middle.length) expect(p).toBeGreaterThanOrEqual(patchOf[place - 1]!);
    });
  });

  it("200 sensors: the loudest of each middle come first, with their gains, equally loud ones by number", () => {
    const gainOf = (c: number, s: number): number => -40 - ((s * 37 + c) % 50);
    const { middle, loudest, loudestGain } = patches(gainOf, 200);
    const count = loudest.length / middle.length;
    middle.forEach((m, p) => {
      const expected = Array.from({ length: 200 }, (_, s) => s).sort((a, b) => gainOf(m, b) - gainOf(m, a) || a - b);
      expect([...loudest.slice(p * count, (p + 1) * count)]).toEqual(expected.slice(0, count));
      expect([...loudestGain.slice(p * count, (p + 1) * count)]).toEqual(
        expected.slice(0, count).map((s) => gainOf(m, s)),
      );
    });
  });
});
