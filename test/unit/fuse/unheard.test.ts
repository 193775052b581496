import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GAIN_STEP_DB, type Silent } from "../../../src/fuse/density.ts";
import { type Patches, patchesOf } from "../../../src/fuse/patches.ts";
import { Unheard } from "../../../src/fuse/unheard.ts";
import { mulberry32 } from "../../support/noise.ts";

const SIZE = 40;

interface Case {
  readonly gain: Int16Array;
  readonly sensors: number;
  readonly patches: Patches;
  readonly silent: readonly Silent[];
}

/** Positions in a row, sensors anywhere, about three of four silent, by two curves. */
function drawn(seed: number, sensors: number): Case {
  const next = mulberry32(seed);
  const gain = Int16Array.from({ length: SIZE * sensors }, () => -(30 + 100 * next()) / GAIN_STEP_DB);
  const xM = Float64Array.from({ length: SIZE }, (_, c) => c / 2);
  const zones = [{ id: "a", kind: "cell" as const, allowed: false, from: 0, to: SIZE, areaM2: 1 }];
  const patches = patchesOf(
    { xM, yM: new Float64Array(SIZE), zones, size: SIZE },
    { gain, sensors, stepDb: GAIN_STEP_DB },
  );
  const tables = [20, 60].map((size) => ({
    fromDb: -10,
    log: Float64Array.from({ length: size }, (_, i) => -0.1 - i / 9),
  }));
  const silent = Array.from({ length: sensors }, (_, sensor) => ({
    sensor,
    floorDbm: -100 + 5 * next(),
    table: tables[next() < 0.5 ? 0 : 1]!,
    looks: next() < 0.5 ? 1 : 2.5,
  })).filter(() => next() < 0.75);
  return { gain, sensors, patches, silent };
}

/** Written down as it is defined. */
function naive({ gain, sensors, silent }: Case, c: number, emittedDbm: number): number {
  return silent.reduce((sum, { sensor, floorDbm, table, looks }) => {
    const over = Math.max(0, emittedDbm + GAIN_STEP_DB * gain[c * sensors + sensor]! - floorDbm - table.fromDb);
    const i = Math.min(table.log.length - 1, Math.floor(over));
    const j = Math.min(table.log.length - 1, i + 1);
    const log = table.log[i]! + (over - Math.floor(over)) * (table.log[j]! - table.log[i]!);
    return sum + looks * (log - table.log[0]!);
  }, 0);
}

describe("unheard", () => {
  it("any sensors, curves and powers: as written down, to what steps of 1/4096 dB leave; WebAssembly and the plain loop the same bits", () => {
    const [fast, plain] = [new Unheard(), new Unheard(true)];
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 1, max: 90 }),
        fc.double({ min: -90, max: 60, noNaN: true }),
        (seed, sensors, emitted) => {
          const c = drawn(seed, sensors);
          for (const unheard of [fast, plain]) unheard.begin(c.silent, sensors, c.patches);
          c.patches.middle.forEach((m, p) => {
            const sum = fast.ofMiddle(c.patches, p, sensors, emitted, Number.NEGATIVE_INFINITY);
            const exact = naive(c, m, emitted);
            expect(Math.abs(sum - exact)).toBeLessThan(0.001 * sensors);
            expect(plain.ofMiddle(c.patches, p, sensors, emitted, Number.NEGATIVE_INFINITY)).toBe(sum);
            expect(Math.abs(fast.of(c.gain, m * sensors, emitted, Number.NEGATIVE_INFINITY) - exact)).toBeLessThan(
              0.001 * sensors,
            );
            // Given up where it is less than asked for, and only there.
            const least = -3;
            const some = fast.ofMiddle(c.patches, p, sensors, emitted, least);
            if (sum >= least) expect(some).toBe(sum);
            else expect(some).toBeLessThan(least);
            expect(plain.ofMiddle(c.patches, p, sensors, emitted, least)).toBe(some);
          });
        },
      ),
      { numRuns: 40 },
    );
  });

  it("more sensors than a list has: not a number where the others may count, the sum where nobody beyond could hear", () => {
    const c = drawn(7, 700);
    const unheard = new Unheard();
    unheard.begin(c.silent, 700, c.patches);
    expect(unheard.ofMiddle(c.patches, 0, 700, 60, Number.NEGATIVE_INFINITY)).toBeNaN();
    const weak = unheard.ofMiddle(c.patches, 0, 700, -60, Number.NEGATIVE_INFINITY);
    expect(weak).toBeLessThan(0);
    expect(Math.abs(weak - naive(c, c.patches.middle[0]!, -60))).toBeLessThan(0.1);
  });

  it("nobody silent after an observation with silent sensors: says nothing", () => {
    const c = drawn(9, 20);
    const unheard = new Unheard();
    unheard.begin(c.silent, 20, c.patches);
    expect(unheard.quiet).toBeLessThan(0);
    unheard.begin([], 20, c.patches);
    expect([unheard.count, unheard.quiet]).toEqual([0, 0]);
  });
});
