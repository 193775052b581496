import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Policy } from "../../../src/alert/policy.ts";
import { Belief } from "../../../src/belief/belief.ts";
import type { Fix, Schedule } from "../../../src/model.ts";
import { cellName, DAY, T0, trackOf, WING_PRIOR, wingSite } from "../../support/wing.ts";

const HOUR = 3_600_000;
// 2023-11-15, a Wednesday, midnight UTC; Paris is an hour ahead.
const VISITS: Schedule = {
  what: "visits",
  zones: ["corridor-0"],
  days: [3],
  dates: null,
  fromMinute: 14 * 60,
  toMinute: 16 * 60,
  phones: 3,
};
const make = (schedules: readonly Schedule[] = [], timezone = "Europe/Paris") =>
  new Belief({ ...wingSite(10), timezone, schedules }, "b1", WING_PRIOR);
const fixOf = (cell: number, corridor: number, pOutside = 0.02): Fix =>
  trackOf(
    "t",
    T0,
    [
      { cell: cellName(0), p: cell },
      { cell: "corridor-0", p: corridor },
    ],
    pOutside,
  ).fix;
const pOf = (fix: Fix, cell: string) => fix.candidates.find((c) => c.cell === cell)!;

describe("lawful phones: schedules", () => {
  it("visits: count at their hours of their days in the house's own time, and at no other", () => {
    const belief = make([VISITS]);
    const fix = fixOf(0.6, 0.38);
    for (const [hour, runs] of [
      [12.9, false],
      [13, true],
      [14.98, true],
      [15, false],
      [13 + 24, false],
      [13 + 7 * 24, true],
    ] as const) {
      const weighed = belief.weigh(fix, T0 + hour * HOUR);
      if (runs) expect(pOf(weighed, "corridor-0").p, `${hour}`).toBeGreaterThan(0.6);
      else expect(weighed, `${hour}`).toBe(fix);
    }
  });

  it("works past midnight on stated days: belong to the day they began", () => {
    const night = { ...VISITS, what: "works", days: null, fromMinute: 22 * 60, toMinute: 5 * 60 } as const;
    const belief = make([{ ...night, dates: ["2023-11-15", "2023-11-15"] }], "UTC");
    const runs = (hour: number) =>
      belief.weigh(fixOf(0.6, 0.38), T0 + hour * HOUR).candidates[0]!.cell === "corridor-0";
    expect([3, 21.9, 22, 24 + 4.9, 24 + 5, 24 + 22].map(runs)).toEqual([false, false, true, true, false, false]);
  });
});

describe("lawful phones: staff presence", () => {
  const word = (zone: string, phones: number, tsMs = T0, ttlMs: number | null = null) =>
    ({ block: "b1", sensor: "staff", tsMs, ttlMs, zones: [{ zone, phones }] }) as const;

  it("an officer in the corridor: the corridor is likelier, and probabilities stay a distribution", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.02, max: 0.9, noNaN: true }),
        fc.double({ min: 0.02, max: 0.9, noNaN: true }),
        fc.double({ min: 0.1, max: 10, noNaN: true }),
        (a, b, n) => {
          const sum = a + b + 0.02;
          const fix = fixOf(a / sum, b / sum, 0.02 / sum);
          const belief = make();
          belief.presence(word("corridor-0", n));
          const after = belief.weigh(fix, T0);
          const total = after.candidates.reduce((s, c) => s + c.p, 0) + after.pOutside;
          expect(total).toBeCloseTo(1, 9);
          const odds = (f: Fix) => pOf(f, "corridor-0").p / pOf(f, cellName(0)).p;
          const corridor = pOf(after, "corridor-0");
          // Naive Bayes: e contraband phones expected there, n more by right.
          const expected = n * (1 / corridor.lawful! - 1);
          expect(odds(after) / odds(fix)).toBeCloseTo((n + expected) / expected, 6);
          expect(after.pAllowed).toBeCloseTo(after.pOutside + corridor.p * corridor.lawful!, 9);
        },
      ),
    );
  });

  it("a worker in the cell: most of the cell's probability is lawful and the policy asks for no search; evidence stays", () => {
    const belief = make();
    const policy = new Policy(wingSite(10));
    const fix = fixOf(0.9, 0.05);
    const before = policy.heldP({ ...trackOf("t", T0, []), fix });
    belief.presence(word(cellName(0), 1));
    const after = belief.weigh(fix, T0);
    expect(pOf(after, cellName(0)).lawful).toBeCloseTo(1 / 1.1, 9);
    expect(before).toBeGreaterThan(0.8);
    expect(policy.heldP({ ...trackOf("t", T0, []), fix: after })).toBeLessThan(0.15);
    expect(after.candidates[0]!.cell).toBe(cellName(0));
    // A use that is probably the worker's says little of what is kept in the cell.
    belief.use({ ...trackOf("t", T0, []), fix: after }, 0.1, null);
    const other = make();
    other.use({ ...trackOf("t", T0, []), fix }, before, null);
    const kept = (b: Belief) => b.list(T0, 10).find((x) => x.cell === cellName(0))!.pKept;
    expect(kept(belief)).toBeLessThan(kept(other) - 0.15);
    expect(kept(belief)).toBeGreaterThan(0.1);
  });

  it("a clear posterior: no presence in the corridor moves it away from the cell", () => {
    const belief = make();
    belief.presence(word("corridor-0", 3));
    expect(belief.weigh(fixOf(0.998, 0.001, 0.001), T0).candidates[0]).toMatchObject({ cell: cellName(0) });
    expect(belief.weigh(fixOf(0.998, 0.001, 0.001), T0).candidates[0]!.p).toBeGreaterThan(0.95);
  });

  it("a word: counts from its own time until it has run out or the feed says something else", () => {
    const belief = make();
    const fix = fixOf(0.6, 0.38);
    const near = (tMs: number) => belief.weigh(fix, tMs) !== fix;
    belief.presence(word("corridor-0", 1, T0 + 10_000));
    expect([T0 + 9000, T0 + 10_000, T0 + 69_000, T0 + 70_000].map(near)).toEqual([false, true, true, false]);
    belief.presence(word("corridor-0", 1, T0 + 100_000, 10 * 60_000));
    expect(near(T0 + 600_000)).toBe(true);
    belief.presence({ ...word("corridor-0", 1, T0 + 200_000), zones: [] });
    expect(near(T0 + 199_000)).toBe(true);
    expect(near(T0 + 201_000)).toBe(false);
    // What comes out of order is filed by its time.
    belief.presence(word("corridor-0", 1, T0 + 5000));
    expect(near(T0 + 6000)).toBe(true);
  });

  it("snapshot: a feed's last word survives a stop", () => {
    const belief = make();
    belief.presence(word("corridor-0", 2, T0, DAY));
    const other = make();
    other.restore(structuredClone(belief.snapshot()));
    expect(other.weigh(fixOf(0.6, 0.38), T0 + HOUR)).toEqual(belief.weigh(fixOf(0.6, 0.38), T0 + HOUR));
  });
});
