import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Belief } from "../../../src/belief/belief.ts";
import { advance, drift, hindsight, ratesOf } from "../../../src/belief/drift.ts";
import { layoutOf, placing } from "../../../src/belief/layout.ts";
import { BELIEF_DEFAULTS } from "../../../src/belief/settings.ts";
import { ExactBelief } from "../../support/belief-exact.ts";
import { cellName, scanOf, T0, trackOf, WING_PRIOR, wingSite } from "../../support/wing.ts";

const CELLS = 6;
/** Rates that no outcome moves, so that the oracle need not learn; repeats are independent in its world. */
const FIXED = {
  repeatShare: 0,
  methods: { nljd: { hit: 0.94, falseAlarm: 0.28, trials: 1e12 } },
};
const site = wingSite(CELLS, FIXED);
const layout = layoutOf(site, "b1", WING_PRIOR);
const HOUR = 3_600_000;

type Fact =
  | { readonly kind: "use"; readonly weights: readonly number[]; readonly corridor: number }
  | { readonly kind: "scan"; readonly cell: number; readonly alarm: boolean }
  | { readonly kind: "search"; readonly cell: number; readonly found: boolean };

const cell = fc.integer({ min: 0, max: CELLS - 1 });
const weight = fc.double({ min: 0.001, max: 1, noNaN: true });
const use = fc.record({
  kind: fc.constant("use" as const),
  // Powers make some places clear and others doubtful.
  weights: fc.array(
    weight.map((w) => w ** 4),
    { minLength: CELLS, maxLength: CELLS },
  ),
  corridor: fc.double({ min: 0, max: 0.5, noNaN: true }),
});
const look = fc.oneof(
  fc.record({ kind: fc.constant("scan" as const), cell, alarm: fc.boolean() }),
  fc.record({ kind: fc.constant("search" as const), cell, found: fc.constant(false) }),
);
const timed = <T>(fact: fc.Arbitrary<T>) => fc.tuple(fc.integer({ min: 1, max: 72 }), fact);

/** Runs the same story through both; hours before each fact, listening all the time. */
function both(story: readonly (readonly [hours: number, fact: Fact])[]) {
  const settings = { ...BELIEF_DEFAULTS, ...ratesOf(BELIEF_DEFAULTS.halfLifeDays, BELIEF_DEFAULTS.prevalence) };
  const exact = new ExactBelief(settings, { cells: CELLS, corridor: true, cellsMass: layout.cellsMass });
  const belief = new Belief(site, "b1", WING_PRIOR);
  let tMs = T0;
  const total = story.reduce((sum, [hours]) => sum + hours, 0);
  for (let h = 0; h < total; h++) belief.listened(T0 + h * HOUR, HOUR);
  story.forEach(([hours, fact], i) => {
    tMs += hours * HOUR;
    exact.wait(hours / 24, hours / 24);
    if (fact.kind === "use") {
      const sum = fact.weights.reduce((a, b) => a + b, 0);
      const inCells = 0.95 - fact.corridor;
      const candidates = fact.weights.map((w, c) => ({ cell: cellName(c), p: (inCells * w) / sum }));
      candidates.push({ cell: "corridor-0", p: fact.corridor });
      belief.use(trackOf(`t${i}`, tMs, candidates, 0.05), inCells, null);
      const place = placing(layout, candidates, 0.05, inCells, 1);
      exact.use([...place.cells], place.common[0]!, place.elsewhere);
    } else if (fact.kind === "scan") {
      belief.scan(scanOf(i, tMs, cellName(fact.cell), { alarm: fact.alarm }), `n${i}`);
      exact.look(fact.cell, fact.alarm ? 0.94 : 0.06, fact.alarm ? 0.28 : 0.72);
    } else {
      belief.search(cellName(fact.cell), fact.found, tMs, `s${i}`);
      if (fact.found) exact.found(fact.cell);
      else exact.look(fact.cell, 1 - settings.searchHit, 1);
    }
  });
  const told = belief.list(tMs, CELLS);
  const kept = Array.from({ length: CELLS }, (_, c) => told.find((b) => b.cell === cellName(c))!.pKept);
  return { kept, exact: exact.kept() };
}

const worst = (a: readonly number[], b: readonly number[]) => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

describe("belief against every set of cells", () => {
  it("looks and silence alone: exact", () => {
    fc.assert(
      fc.property(fc.array(timed(look), { minLength: 1, maxLength: 12 }), (story) => {
        const { kept, exact } = both(story);
        expect(worst(kept, exact)).toBeLessThan(1e-6);
      }),
      { numRuns: 60 },
    );
  });

  it("one use after any looks: exact", () => {
    fc.assert(
      fc.property(fc.array(timed(look), { maxLength: 6 }), timed(use), (story, last) => {
        const { kept, exact } = both([...story, last]);
        expect(worst(kept, exact)).toBeLessThan(1e-6);
      }),
      { numRuns: 60 },
    );
  });

  it("many uses and looks: near the exact one, on average within two points of probability", () => {
    let sum = 0;
    let count = 0;
    let most = 0;
    fc.assert(
      fc.property(fc.array(timed(fc.oneof(use, look)), { minLength: 4, maxLength: 16 }), (story) => {
        const { kept, exact } = both(story);
        kept.forEach((p, c) => {
          sum += Math.abs(p - exact[c]!);
          count++;
          most = Math.max(most, Math.abs(p - exact[c]!));
        });
      }),
      { numRuns: 80, seed: 5 },
    );
    expect(count).toBeGreaterThan(300);
    expect(sum / count).toBeLessThan(0.02);
    expect(most).toBeLessThan(0.3);
  });

  it("a phone found where a doubtful use may have been: explains it, and its neighbour is cleared as the exact one says", () => {
    const weights = [1, 1, 0.01, 0.01, 0.01, 0.01];
    const story: [number, Fact][] = [
      [24, { kind: "use", weights, corridor: 0.01 }],
      [12, { kind: "use", weights, corridor: 0.01 }],
    ];
    const open = both(story);
    const { kept, exact } = both([...story, [6, { kind: "search", cell: 0, found: true }]]);
    expect(open.kept[1]).toBeGreaterThan(0.2);
    expect(kept[1]).toBeLessThan(open.kept[1]! / 2);
    expect(Math.abs(kept[1]! - exact[1]!)).toBeLessThan(0.03);
    expect(kept[0]).toBeLessThan(0.001);
  });
});

describe("belief: time", () => {
  const rate = fc.double({ min: 0.001, max: 2, noNaN: true });
  const p = fc.double({ min: 1e-6, max: 1 - 1e-6, noNaN: true });

  it("drift: solves dp/dt = a (1 - p) - b p - r p (1 - p)", () => {
    fc.assert(
      fc.property(rate, rate, rate, p, fc.double({ min: 0.01, max: 20, noNaN: true }), (a, b, r, p0, days) => {
        const slope = (y: number) => a * (1 - y) - b * y - r * y * (1 - y);
        expect(advance(drift({ arrive: a, leave: b }, r, days, days), p0)).toBeCloseTo(rk4(slope, p0, days), 6);
      }),
    );
  });

  it("hindsight: solves the backward equation of the ratio", () => {
    fc.assert(
      fc.property(rate, rate, rate, fc.double({ min: 0.01, max: 20, noNaN: true }), (a, b, r, days) => {
        for (const y0 of [0.05, 1, 30]) {
          const slope = (y: number) => b + (a - b - r) * y - a * y * y;
          expect(advance(hindsight({ arrive: a, leave: b }, r, days, days), y0)).toBeCloseTo(rk4(slope, y0, days), 5);
        }
      }),
    );
  });

  it("half-life: without listening, half of what is above the prevalence is left after it", () => {
    const rates = ratesOf(7, 0.1);
    expect(advance(drift(rates, 1, 0, 7), 0.9)).toBeCloseTo(0.1 + 0.8 / 2, 12);
    expect(advance(drift(rates, 1, 0, 14), 0.9)).toBeCloseTo(0.1 + 0.8 / 4, 12);
  });
});

function rk4(slope: (y: number) => number, y0: number, days: number): number {
  const n = 4000;
  const h = days / n;
  let y = y0;
  for (let i = 0; i < n; i++) {
    const k1 = slope(y);
    const k2 = slope(y + (h * k1) / 2);
    const k3 = slope(y + (h * k2) / 2);
    const k4 = slope(y + h * k3);
    y += (h * (k1 + 2 * k2 + 2 * k3 + k4)) / 6;
  }
  return y;
}

describe("belief: where a use was", () => {
  it("placing: likelihoods times the prior give the posterior back, candidates left out included", () => {
    fc.assert(
      fc.property(
        fc.array(weight, { minLength: CELLS, maxLength: CELLS }),
        fc.double({ min: 0, max: 0.9, noNaN: true }),
        (w, out) => {
          const sum = w.reduce((a, b) => a + b, 0) + 0.2;
          const all = w.map((x, c) => ({ cell: cellName(c), p: ((1 - out) * x) / sum }));
          const told = all.filter((c) => c.p >= 0.05);
          const heldP = 0.7 * (1 - out);
          const { cells, elsewhere } = placing(layout, told, out, heldP, 1);
          const inCells = cells.reduce((s, l, c) => s + l * layout.mass[c]!, 0);
          if (told.length > 0) expect(inCells).toBeCloseTo(heldP, 9);
          expect(inCells + elsewhere).toBeCloseTo(1, 9);
          const [a, b] = told;
          if (a !== undefined && b !== undefined) {
            const ratio = cells[layout.indexOf.get(a.cell)!]! / cells[layout.indexOf.get(b.cell)!]!;
            expect(ratio).toBeCloseTo(a.p / b.p, 6);
          }
        },
      ),
    );
  });
});
