import { describe, expect, it } from "vitest";
import { stream } from "../../../simulator/prng.ts";

describe("prng", () => {
  it("streams: the same seed and name: the same words; another name or seed: others", () => {
    const words = (seed: number, name: string): number[] => {
      const rng = stream(seed, name);
      return Array.from({ length: 8 }, () => rng.u32());
    };
    expect(words(7, "noise")).toEqual(words(7, "noise"));
    expect(words(7, "noise")).not.toEqual(words(7, "walls"));
    expect(words(7, "noise")).not.toEqual(words(8, "noise"));
    // One draw more in one stream moves no other.
    const walls = stream(7, "walls");
    stream(7, "noise").u32();
    expect(Array.from({ length: 8 }, () => walls.u32())).toEqual(words(7, "walls"));
  });

  it("first words of seed 1, stream 'noise': pinned, so that committed seeds keep their meaning", () => {
    const rng = stream(1, "noise");
    expect([rng.u32(), rng.u32(), rng.u32()]).toMatchInlineSnapshot(`
      [
        1795162708,
        117390616,
        4185977356,
      ]
    `);
  });

  it("uniform, normal, exponential: mean and variance within five standard errors", () => {
    const rng = stream(3, "moments");
    const n = 200_000;
    const cases: readonly (readonly [() => number, number, number, number])[] = [
      [() => rng.uniform(), 1 / 2, 1 / 12, 1 / 180],
      [() => rng.normal(), 0, 1, 2],
      [() => rng.exponential(), 1, 1, 8],
    ];
    for (const [draw, mean, variance, varOfSquares] of cases) {
      let sum = 0;
      let squares = 0;
      for (let i = 0; i < n; i++) {
        const x = draw() - mean;
        sum += x;
        squares += x * x;
      }
      expect(Math.abs(sum / n)).toBeLessThan(5 * Math.sqrt(variance / n));
      expect(Math.abs(squares / n - variance)).toBeLessThan(5 * Math.sqrt(varOfSquares / n));
    }
  });
});
