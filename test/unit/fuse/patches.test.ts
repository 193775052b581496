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

  it("200 sensors, patches of one position each: of every block all sensors, by the best gain to any of its places, the best first", () => {
    const gainOf = (c: number, s: number): number => -40 - ((s * 37 + c * 61) % 90);
    const { member, from, blocks } = patches(gainOf, 200);
    expect([from.length - 1, blocks.length]).toEqual([SIZE, 200]);
    const most = Array.from({ length: 200 }, (_, s) => Math.max(...[...member].map((c) => gainOf(c, s))));
    expect([...blocks].map((listed) => listed >> 16)).toEqual([...most].sort((a, b) => b - a));
    expect([...blocks].map((listed) => most[listed & 0xffff])).toEqual([...blocks].map((listed) => listed >> 16));
    expect(new Set([...blocks].map((listed) => listed & 0xffff)).size).toBe(200);
  });

  it("as many patches as fill two blocks and some: each block has the sensors of its own places", () => {
    const size = 3 * SIZE;
    const zones = Array.from({ length: size }, (_, c) => ({ ...grid.zones[0]!, id: `${c}`, from: c, to: c + 1 }));
    const made = patchesOf(
      { size, xM: Float64Array.from({ length: size }, (_, c) => c), yM: new Float64Array(size), zones },
      { gain: Int16Array.from({ length: 2 * size }, (_, k) => -k), sensors: 2, stepDb: 1 },
    );
    expect(made.from.length - 1).toBe(size);
    expect([...made.blocks].map((listed) => [listed >> 16, listed & 0xffff])).toEqual(
      [0, 16, 32].flatMap((c) => [
        [0 - 2 * c, 0],
        [-2 * c - 1, 1],
      ]),
    );
  });
});
