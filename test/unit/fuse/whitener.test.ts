import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HeldGains } from "../../../src/fuse/held.ts";
import { cholesky } from "../../../src/fuse/linalg.ts";
import { GROUP, Whitener } from "../../../src/fuse/whitener.ts";
import { Heap } from "../../../src/wasm/host.ts";
import { mulberry32 } from "../../support/noise.ts";

const STEP_DB = 1 / 64;
const POWER2 = 100;
const SIZE = 30;
/** Places of positions. */
const ORDER = Int32Array.from({ length: SIZE }, (_, k) => (7 * k) % SIZE);

interface Case {
  readonly n: number;
  readonly gain: Int16Array;
  readonly level: readonly number[];
  readonly factors: readonly Float64Array[];
}

/** n of n + 2 sensors heard; factors of two classes. */
function drawn(seed: number, n: number): Case {
  const next = mulberry32(seed);
  const gain = Int16Array.from({ length: SIZE * (n + 2) }, () => -6400 * next());
  const at = Array.from({ length: n }, () => 20 * next());
  const factors = [10, 40].map((v) => {
    const factor = Float64Array.from({ length: n * n }, (_, k) => {
      const [i, j] = [Math.floor(k / n), k % n];
      return v * Math.exp(-Math.abs(at[i]! - at[j]!) / 3) + (i === j ? 2 : 0);
    });
    expect(cholesky(factor, n)).toBe(true);
    return factor;
  });
  return { n, gain, level: Array.from({ length: n }, () => -80 * next()), factors };
}

interface Loop {
  readonly heap: Heap;
  readonly whitener: Whitener;
}

function loop(plain = false): Loop {
  const heap = new Heap(plain);
  return { heap, whitener: new Whitener(heap, STEP_DB) };
}

/** Gains in a heap, candidates in an order. */
function holding(heap: Heap, gain: Int16Array, sensors: number, order: Int32Array): HeldGains {
  const placeOf = new Int32Array(order.length);
  order.forEach((candidate, place) => {
    placeOf[candidate] = place;
  });
  return new HeldGains(heap, gain, sensors, { order, placeOf, blocks: new Int32Array(0) });
}

/** What a whitener gives for all positions of a case, class by class. */
function run(
  { heap, whitener }: Loop,
  { n, gain, level, factors }: Case,
  most: number,
  held = holding(heap, gain, n + 2, ORDER),
): { sums: object[]; all: number[] } {
  whitener.begin(n, factors.length);
  level.forEach((db, i) => {
    whitener.set(i, db, i + 1, held);
  });
  const sums = factors.map((factor) => whitener.add(factor, POWER2, 0));
  const list = Int32Array.from({ length: SIZE }, (_, c) => SIZE - 1 - c);
  const all = factors.flatMap((_, k) =>
    Array.from({ length: Math.ceil(SIZE / GROUP) }, (_, g) => {
      const end = Math.min(SIZE, (g + 1) * GROUP);
      whitener.run(k, most, held, list, g * GROUP, end);
      return [...whitener.squares.slice(0, end - g * GROUP), ...whitener.moved.slice(0, end - g * GROUP)];
    }).flat(),
  );
  return { sums, all };
}

describe("whitener", () => {
  it("any factor and gains, positions given up or not: WebAssembly and the plain loop give the same bits", () => {
    const [fast, plain] = [loop(), loop(true)];
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 40 }), fc.constantFrom(300, 3000, 1e9), (seed, n, most) => {
        const c = drawn(seed, n);
        expect(run(fast, c, most)).toEqual(run(plain, c, most));
      }),
      { numRuns: 60 },
    );
  });

  it("eight sensors and some left over: squares and moved powers are those of the covariance with the power's in it", () => {
    const c = drawn(3, 11);
    const { all } = run(loop(true), c, Number.POSITIVE_INFINITY);
    // The same through one factor of C + v 11'.
    const { n, gain, level, factors } = c;
    const factor = factors[1]!;
    const whole = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        for (let k = 0; k <= Math.min(i, j); k++) whole[i * n + j]! += factor[i * n + k]! * factor[j * n + k]!;
        whole[i * n + j]! += POWER2;
      }
    }
    cholesky(whole, n);
    for (let q = 0; q < GROUP; q++) {
      const position = ORDER[SIZE - 1 - q]!;
      const z: number[] = [];
      let square = 0;
      for (let i = 0; i < n; i++) {
        let sum = level[i]! - STEP_DB * gain[position * (n + 2) + i + 1]!;
        for (let j = 0; j < i; j++) sum -= whole[i * n + j]! * z[j]!;
        z.push(sum / whole[i * n + i]!);
        square += z[i]! * z[i]!;
      }
      expect(Math.abs(all[2 * SIZE + q]! / square - 1)).toBeLessThan(1e-5);
    }
  });

  it("levels all 7 dB over the gains, errors of 1 dB: the power is taken to be 7 dB more, less what the prior keeps", () => {
    const { heap, whitener } = loop();
    const held = holding(heap, Int16Array.from([-640, -1280, -1920]), 3, Int32Array.from([0]));
    whitener.begin(3, 1);
    for (let i = 0; i < 3; i++) whitener.set(i, 7 - 10 * (i + 1), i, held);
    whitener.add(Float64Array.from([1, 0, 0, 0, 1, 0, 0, 0, 1]), POWER2, 0);
    whitener.run(0, 1e9, held, Int32Array.from([0]), 0, 1);
    expect(whitener.moved[0]).toBeCloseTo((7 * 3) / (3 + 1 / POWER2), 4);
    expect(whitener.squares[0]).toBeCloseTo((49 * 3) / (1 + 3 * POWER2), 4);
  });

  it("several layouts and larger observations, memory growing: gains held before are still there", () => {
    for (const plain of [false, true]) {
      const one = loop(plain);
      const cases = [drawn(1, 20), drawn(2, 70), drawn(3, 5)];
      const held = cases.map((c) => holding(one.heap, c.gain, c.n + 2, ORDER));
      const first = cases.map((c, i) => run(one, c, 1e9, held[i]));
      expect(cases.map((c, i) => run(one, c, 1e9, held[i]))).toEqual(first);
      expect(first).toEqual(cases.map((c) => run(loop(plain), c, 1e9)));
      cases.forEach(({ n, gain }, i) => {
        for (let k = 0; k < gain.length; k++) expect(held[i]!.of(Math.floor(k / (n + 2)), k % (n + 2))).toBe(gain[k]);
      });
    }
  });
});
