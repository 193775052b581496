import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GAIN_STEP_DB, type Silent } from "../../../src/fuse/density.ts";
import { HeldGains } from "../../../src/fuse/held.ts";
import { BLOCK, type Patches, patchesOf } from "../../../src/fuse/patches.ts";
import { LANES, Unheard } from "../../../src/fuse/unheard.ts";
import { Heap } from "../../../src/wasm/host.ts";
import { mulberry32 } from "../../support/noise.ts";

const SIZE = 80;

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

/** Written down as it is defined, at one power. */
function naive({ gain, sensors, silent }: Case, c: number, emittedDbm: number): number {
  return silent.reduce((sum, { sensor, floorDbm, table, looks }) => {
    const over = Math.max(0, emittedDbm + GAIN_STEP_DB * gain[c * sensors + sensor]! - floorDbm - table.fromDb);
    const i = Math.min(table.log.length - 1, Math.floor(over));
    const j = Math.min(table.log.length - 1, i + 1);
    const log = table.log[i]! + (over - Math.floor(over)) * (table.log[j]! - table.log[i]!);
    return sum + looks * (log - table.log[0]!);
  }, 0);
}

/** Roots of the fourth Hermite polynomial (of a normal distribution) and their weights, in closed form. */
const FOUR_POINTS = [-1, 1].flatMap((sign) => [
  [sign * Math.sqrt(3 + Math.sqrt(6)), (3 - Math.sqrt(6)) / 12] as const,
  [sign * Math.sqrt(3 - Math.sqrt(6)), (3 + Math.sqrt(6)) / 12] as const,
]);

/** Log of the mean over four powers. */
function naiveMean(c: Case, position: number, emittedDbm: number, sdDb: number): number {
  const logs = FOUR_POINTS.map(([x, p]) => Math.log(p) + naive(c, position, emittedDbm + x * sdDb));
  const top = Math.max(...logs);
  return top + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - top), 0));
}

/** What is said against places of one block. */
type Asked = (places: readonly number[], emittedDbm: number, sdDb: number, least?: number) => Float64Array;

function asked(c: Case, plain: boolean): { unheard: Unheard; ask: Asked } {
  const heap = new Heap(plain);
  const unheard = new Unheard(heap);
  unheard.begin(c.silent, new HeldGains(heap, c.gain, c.sensors, c.patches));
  return {
    unheard,
    ask: (places, emittedDbm, sdDb, least = Number.NEGATIVE_INFINITY) => {
      places.forEach((place, l) => {
        unheard.place[l] = place;
        // A power of its own for each.
        unheard.emittedDbm[l] = emittedDbm + l;
        unheard.sdDb[l] = sdDb;
        unheard.least[l] = least;
      });
      unheard.ask(Math.floor(c.patches.patchOf[places[0]!]! / BLOCK), places.length);
      return unheard.said.slice(0, places.length);
    },
  };
}

/** All places, those of a block together, `LANES` at the most. */
function groups({ patches }: Case): number[][] {
  const made: number[][] = [];
  const blockOf = (place: number): number => Math.floor(patches.patchOf[place]! / BLOCK);
  for (let place = 0; place < SIZE; place++) {
    const last = made.at(-1);
    if (last !== undefined && last.length < LANES && blockOf(last[0]!) === blockOf(place)) last.push(place);
    else made.push([place]);
  }
  return made;
}

describe("unheard", () => {
  it("any sensors, curves and powers: as written down, to what steps of 1/4096 dB leave; WebAssembly and the plain loop the same bits", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 1, max: 90 }),
        fc.double({ min: -90, max: 60, noNaN: true }),
        (seed, sensors, emitted) => {
          const c = drawn(seed, sensors);
          const [fast, plain] = [asked(c, false), asked(c, true)];
          for (const places of groups(c)) {
            const said = fast.ask(places, emitted, 0);
            expect(plain.ask(places, emitted, 0)).toEqual(said);
            places.forEach((place, l) => {
              const exact = naive(c, c.patches.order[place]!, emitted + l);
              expect(Math.abs(said[l]! - exact)).toBeLessThan(0.001 * sensors);
            });
            // Given up where it is less than asked for, and only there.
            const some = fast.ask(places, emitted, 0, -3);
            said.forEach((sum, l) => {
              expect(some[l]).toBe(sum < -3 ? Number.NEGATIVE_INFINITY : sum);
            });
            expect(plain.ask(places, emitted, 0, -3)).toEqual(some);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("a power known to some dB: the mean over four powers, but for what adds less than a hundredth; both loops the same bits", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 1, max: 60 }),
        fc.double({ min: -90, max: 20, noNaN: true }),
        fc.double({ min: 2, max: 15, noNaN: true }),
        (seed, sensors, emitted, sdDb) => {
          const c = drawn(seed, sensors);
          const [fast, plain] = [asked(c, false), asked(c, true)];
          for (const places of groups(c)) {
            const said = fast.ask(places, emitted, sdDb);
            expect(plain.ask(places, emitted, sdDb)).toEqual(said);
            places.forEach((place, l) => {
              const exact = naiveMean(c, c.patches.order[place]!, emitted + l, sdDb);
              expect(Math.abs(said[l]! - exact)).toBeLessThan(0.012 + 0.001 * sensors);
            });
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("some places' power known, others' not, none wanted of a third: each has its own answer", () => {
    const c = drawn(3, 50);
    const { unheard, ask } = asked(c, false);
    const places = groups(c)[0]!.slice(0, 3);
    const [known, unknown] = [ask(places, -30, 0), ask(places, -30, 6)];
    unheard.sdDb.set([0, 6, 6]);
    unheard.least.set([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, -1e-3]);
    unheard.ask(0, 3);
    expect([...unheard.said.slice(0, 3)]).toEqual([known[0], unknown[1], Number.NEGATIVE_INFINITY]);
    expect(unknown[1]).not.toBe(known[1]);
  });

  it("700 sensors, most of them too far away: as written down", () => {
    const c = drawn(7, 700);
    const { ask } = asked(c, false);
    for (const emitted of [-60, 60]) {
      const exact = naive(c, c.patches.order[0]!, emitted);
      expect(exact).toBeLessThan(0);
      expect(Math.abs(ask([0], emitted, 0)[0]! - exact)).toBeLessThan(0.1);
    }
  });

  it("nobody silent after an observation with silent sensors: says nothing", () => {
    const c = drawn(9, 20);
    for (const plain of [false, true]) {
      const { unheard, ask } = asked(c, plain);
      expect(unheard.quiet).toBeLessThan(0);
      expect(ask([0, 1], 60, 0)[1]).toBeLessThan(-10);
      unheard.begin([], new HeldGains(new Heap(plain), c.gain, c.sensors, c.patches));
      expect([unheard.count, unheard.quiet]).toEqual([0, 0]);
      expect([...ask([0, 1], 60, 0)]).toEqual([0, 0]);
      const none = asked({ ...c, silent: [] }, plain);
      expect([...none.ask([0, 1], 60, 0)]).toEqual([0, 0]);
    }
  });
});
