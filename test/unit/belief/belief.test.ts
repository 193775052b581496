import { describe, expect, it } from "vitest";
import { open } from "../../../src/alert/lifecycle.ts";
import { Belief } from "../../../src/belief/belief.ts";
import { BELIEF_DEFAULTS } from "../../../src/belief/settings.ts";
import type { BeliefFile } from "../../../src/model.ts";
import { cellName, DAY, scanOf, T0, trackOf, WING_PRIOR, wingSite } from "../../support/wing.ts";

const make = (cells = 20, belief: BeliefFile = {}, floors = 1) =>
  new Belief(wingSite(cells, belief, floors), "b1", WING_PRIOR);
const at = (c: number, p: number) => ({ cell: cellName(c), p });
const keptOf = (belief: Belief, tMs: number, cell: string) =>
  belief.list(tMs, 1000).find((b) => b.cell === cell)!.pKept;

/** A use that is most likely in cell c. */
function use(belief: Belief, id: string, tMs: number, c: number, alert: string | null = null) {
  belief.use(trackOf(id, tMs, [at(c, 0.7), at(c + 1, 0.2), { cell: "corridor-0", p: 0.08 }]), 0.9, alert);
}

function closed(id: string, cell: string, outcome: "found" | "not-found" | "staff" | "false" | "not-searched") {
  const opening = { id, site: "wing", block: "b1", severity: "high", text: "", tMs: T0, firstEvidenceMs: T0 } as const;
  return { ...open({ ...opening, kind: "phone-active", latched: true }), cell, outcome };
}

describe("belief: what feeds it", () => {
  it("a use: its cell leads the list, its neighbours rise too, and the reason names the alert", () => {
    const belief = make();
    use(belief, "t1", T0 + DAY, 4, "a1");
    const list = belief.list(T0 + DAY, 5);
    expect(list[0]).toMatchObject({ cell: cellName(4), rank: 1, block: "b1" });
    expect(list[1]!.cell).toBe(cellName(5));
    expect(list[1]!.pKept).toBeGreaterThan(BELIEF_DEFAULTS.prevalence);
    expect(list[0]!.reasons[0]).toMatchObject({ kind: "use", ref: "a1", tMs: T0 + DAY });
    expect(list[0]!.reasons[0]!.oddsRatio).toBeGreaterThan(3);
    expect(list[0]!.pUsed).toBeGreaterThan(0.5);
  });

  it("the same track told again: replaces what it said, it is not a second use", () => {
    const once = make();
    use(once, "t1", T0 + DAY, 7);
    const twice = make();
    use(twice, "t1", T0 + DAY / 2, 3);
    use(twice, "t1", T0 + DAY, 7);
    expect(twice.list(T0 + DAY, 20)).toEqual(once.list(T0 + DAY, 20));
  });

  it("uses in another place of the wing than where the phone is kept: the whole wing rises a little, another wing does not", () => {
    const belief = make(10, {}, 2);
    const before = keptOf(belief, T0 + DAY, cellName(9));
    for (let i = 0; i < 4; i++) use(belief, `t${i}`, T0 + DAY + i * 3_600_000, 2);
    const tMs = T0 + DAY + 4 * 3_600_000;
    expect(keptOf(belief, tMs, cellName(9))).toBeGreaterThan(before);
    expect(keptOf(belief, tMs, cellName(9, 0))).toBeGreaterThan(keptOf(belief, tMs, cellName(9, 1)));
  });

  it("the same doubtful place again and again: says less each time, as its error repeats itself", () => {
    const belief = make(20, { repeatShare: 0.5 });
    const steps: number[] = [];
    for (let i = 0; i < 4; i++) {
      const tMs = T0 + DAY + i * 1000;
      const odds = () => {
        const p = keptOf(belief, tMs, cellName(4)) / keptOf(belief, tMs, cellName(5));
        return Math.log(p);
      };
      const before = i === 0 ? 0 : odds();
      use(belief, `t${i}`, tMs, 4);
      steps.push(odds() - before);
    }
    expect(steps[1]).toBeLessThan(steps[0]!);
    expect(steps[3]).toBeLessThan(steps[0]! / 2);
  });

  it("alarm at a cell: odds times hit over false alarm; no alarm: times miss over quiet", () => {
    const { hit, falseAlarm } = BELIEF_DEFAULTS.methods.nljd;
    for (const [alarm, ratio] of [
      [true, hit / falseAlarm],
      [false, (1 - hit) / (1 - falseAlarm)],
    ] as const) {
      const belief = make();
      const p = BELIEF_DEFAULTS.prevalence;
      expect(belief.scan(scanOf(1, T0, cellName(3), { alarm }), "n1")).toMatchObject({ at: "cell", oddsRatio: ratio });
      const after = keptOf(belief, T0, cellName(3));
      expect(after / (1 - after)).toBeCloseTo((p / (1 - p)) * ratio, 9);
      expect(belief.scan(scanOf(1, T0, cellName(3), { alarm }), "n1"), "the same again").toBeNull();
      expect(keptOf(belief, T0, cellName(3))).toBe(after);
    }
  });

  it("a search that finds nothing: odds times the share it misses; one that finds: the phone is gone", () => {
    const belief = make();
    const p = BELIEF_DEFAULTS.prevalence;
    belief.search(cellName(3), false, T0, "s1");
    const after = keptOf(belief, T0, cellName(3));
    expect(after / (1 - after)).toBeCloseTo((p / (1 - p)) * (1 - BELIEF_DEFAULTS.searchHit), 9);
    belief.search(cellName(4), true, T0, "s2");
    expect(keptOf(belief, T0, cellName(4))).toBeLessThan(1e-6);
    // Time brings phones back.
    expect(keptOf(belief, T0 + 30 * DAY, cellName(4))).toBeGreaterThan(0.05);
  });

  it("an alarm at the gate: raises the wing it leads to, over days, and more when it names the wing", () => {
    const named = make(10, {}, 2);
    const unnamed = make(10, {}, 2);
    const alarm = { alarm: true, method: "mmwave" } as const;
    const base = keptOf(named, T0, cellName(0));
    named.scan(scanOf(1, T0, null, { ...alarm, towards: "corridor-0" }), "p1");
    unnamed.scan(scanOf(1, T0, null, alarm), "p1");
    const rise = (b: Belief, floor: number, tMs = T0) => keptOf(b, tMs, cellName(0, floor)) - base;
    expect(rise(named, 1)).toBeCloseTo(0, 12);
    expect(rise(named, 0)).toBeCloseTo(2 * rise(unnamed, 0), 6);
    expect(rise(unnamed, 0)).toBeCloseTo(rise(unnamed, 1), 12);
    // Nobody listens here, so what is known halves in the half-life.
    expect(rise(named, 0, T0 + 7 * DAY)).toBeCloseTo(rise(named, 0) / 2, 6);
  });

  it("passes without alarm: take back arrivals taken for granted, never more, and a found phone does not arrive", () => {
    const belief = make();
    belief.scan(scanOf(0, T0, null, { method: "mmwave" }), "p0");
    for (let i = 1; i <= 200; i++) {
      belief.scan(scanOf(i, T0 + i * 1000, null, { method: "mmwave" }), `p${i}`);
    }
    const granted = (200_000 / DAY) * (Math.LN2 / 7) * BELIEF_DEFAULTS.prevalence;
    const p = keptOf(belief, T0 + 200_000, cellName(0));
    expect(p).toBeLessThan(BELIEF_DEFAULTS.prevalence);
    expect(p).toBeGreaterThan(BELIEF_DEFAULTS.prevalence - granted * 1.01);
  });

  it("silence: speaks against a phone while sensors listen, and says nothing while they do not", () => {
    const deaf = make();
    const listening = make();
    for (let h = 0; h < 48; h++) listening.listened(T0 + (h * DAY) / 24, DAY / 24);
    use(deaf, "t0", T0, 4);
    use(listening, "t0", T0, 4);
    expect(keptOf(listening, T0 + 2 * DAY, cellName(4))).toBeLessThan(0.6 * keptOf(deaf, T0 + 2 * DAY, cellName(4)));
  });
});

describe("belief: outcomes", () => {
  it("an alert closed as staff or false: its use counts no more; found: the cell is emptied, and both are counted", () => {
    for (const outcome of ["staff", "false"] as const) {
      const belief = make();
      const before = belief.list(T0 + DAY, 20).map((b) => b.pKept);
      use(belief, "t1", T0 + DAY, 4, "a1");
      belief.closed(closed("a1", cellName(4), outcome), T0 + DAY);
      expect(belief.list(T0 + DAY, 20).map((b) => b.pKept)).toEqual(before);
    }
    const belief = make();
    use(belief, "t1", T0 + DAY, 4, "a1");
    belief.closed(closed("a1", cellName(4), "found"), T0 + 1.1 * DAY);
    expect(keptOf(belief, T0 + 1.1 * DAY, cellName(4))).toBeLessThan(1e-6);
    expect(belief.outcomes(T0 + 2 * DAY)).toMatchObject({
      searches: { searched: 1, found: 1 },
      alerts: [{ kind: "phone-active", outcome: "found", count: 1 }],
    });
  });

  it("the alert's outcome and the same search told by hand within a minute: one search", () => {
    const belief = make();
    belief.search(cellName(4), true, T0 + DAY, "officer");
    belief.closed(closed("a1", cellName(4), "found"), T0 + DAY + 20_000);
    expect(belief.outcomes(T0 + DAY + 20_000).searches).toMatchObject({ searched: 1, found: 1 });
  });

  it("precision reached: share with Wilson's interval, and what the list had stated before the search", () => {
    const belief = make();
    for (let i = 0; i < 10; i++) belief.search(cellName(i), i < 8, T0 + i, `s${i}`);
    const { searches } = belief.outcomes(T0 + 10);
    expect(searches).toMatchObject({ searched: 10, found: 8, share: 0.8 });
    expect(searches.stated).toBeCloseTo(BELIEF_DEFAULTS.prevalence, 6);
    // 8 of 10: 0.490 to 0.943, Wilson 1927 (Brown, Cai & DasGupta 2001, table).
    expect(searches.low).toBeCloseTo(0.4902, 3);
    expect(searches.high).toBeCloseTo(0.9433, 3);
  });

  it("searched portal alarms that find nothing: the false-alarm rate rises, the hit rate stays", () => {
    const belief = make(20, { methods: { mmwave: { falseAlarm: 0.3, trials: 20 } } });
    for (let i = 0; i < 200; i++) {
      const alarm = i % 5 < 3;
      belief.scan(scanOf(i, T0 + i * 60_000, null, { method: "mmwave", alarm }), `p${i}`);
      if (!alarm) continue;
      const alert = { ...closed(`p${i}`, "corridor-0", "not-found"), kind: "phone-found" } as const;
      belief.closed(alert, T0 + i * 60_000 + 30_000);
    }
    const [mmwave] = belief.outcomes(T0 + DAY).methods;
    expect(mmwave!.falseAlarm).toBeGreaterThan(0.54);
    expect(mmwave!.falseAlarm).toBeLessThan(0.62);
    expect(mmwave!.hit).toBeGreaterThan(0.85);
    expect(mmwave!.results).toBeCloseTo(200, 6);
  });

  it("searched portal alarms that find phones: are hits, and do not make every alarm false or true", () => {
    const belief = make(20, { methods: { mmwave: { hit: 0.5, falseAlarm: 0.1, trials: 4 } } });
    for (let i = 0; i < 400; i++) {
      const alarm = i % 10 === 0;
      belief.scan(scanOf(i, T0 + i * 60_000, null, { method: "mmwave", alarm }), `p${i}`);
      if (!alarm) continue;
      const outcome = i % 20 === 0 ? "found" : "not-found";
      belief.closed({ ...closed(`p${i}`, "corridor-0", outcome), kind: "phone-found" }, T0 + i * 60_000 + 30_000);
    }
    const [mmwave] = belief.outcomes(T0 + DAY).methods;
    expect(mmwave!.hit).toBeGreaterThan(0.8);
    expect(mmwave!.falseAlarm).toBeLessThan(0.1);
  });
});

describe("belief: memory", () => {
  /** A month of everything. */
  function month(belief: Belief, order: readonly number[]) {
    for (const i of order) {
      const tMs = T0 + i * 0.37 * DAY;
      if (i % 7 === 3) belief.scan(scanOf(i, tMs, cellName(i % 20), { alarm: i % 2 === 0 }), `n${i}`);
      else if (i % 11 === 5) belief.scan(scanOf(i, tMs, null, { method: "mmwave", alarm: i % 2 === 0 }), `n${i}`);
      else use(belief, `t${i}`, tMs, (i * 5) % 19);
    }
  }
  const order = Array.from({ length: 80 }, (_, i) => i);

  it("facts in any order: the same belief, to the bit", () => {
    const [a, b] = [make(), make()];
    month(a, order);
    month(
      b,
      [...order].sort((x, y) => ((x * 37) % 80) - ((y * 37) % 80)),
    );
    const tMs = T0 + 31 * DAY;
    expect(b.list(tMs, 20)).toEqual(a.list(tMs, 20));
  });

  it("asking in between: changes nothing", () => {
    const [a, b] = [make(), make()];
    month(a, order);
    for (const i of order) {
      month(b, [i]);
      b.list(T0 + i * 0.37 * DAY, 3);
    }
    expect(b.list(T0 + 31 * DAY, 20)).toEqual(a.list(T0 + 31 * DAY, 20));
  });

  it("snapshot and restore: goes on as if it had never stopped", () => {
    const whole = make();
    month(whole, order);
    whole.search(cellName(2), false, T0 + 30 * DAY, "s");
    const first = make();
    month(first, order.slice(0, 40));
    const second = make();
    second.restore(structuredClone(first.snapshot()));
    month(second, order.slice(40));
    second.search(cellName(2), false, T0 + 30 * DAY, "s");
    expect(second.list(T0 + 31 * DAY, 20)).toEqual(whole.list(T0 + 31 * DAY, 20));
    expect(second.outcomes(T0 + 31 * DAY)).toEqual(whole.outcomes(T0 + 31 * DAY));
  });

  it("thousands of facts: kept within bounds, and the belief stays what it was", () => {
    const belief = make();
    for (let i = 0; i < 3000; i++) use(belief, `t${i}`, T0 + i * 60_000, 4);
    const { evidence } = belief.snapshot() as { evidence: unknown[] };
    expect(evidence.length).toBeLessThanOrEqual(1024);
    expect(belief.list(T0 + 3000 * 60_000, 1)[0]).toMatchObject({ cell: cellName(4) });
    expect(belief.list(T0 + 3000 * 60_000, 1)[0]!.pKept).toBeGreaterThan(0.9);
  });

  it("a block without cells: has nothing to say and does not fail", () => {
    const belief = make(0);
    belief.listened(T0, 1000);
    belief.use(trackOf("t", T0, [{ cell: "corridor-0", p: 0.9 }]), 0, null);
    expect(belief.list(T0 + DAY, 10)).toEqual([]);
  });
});
