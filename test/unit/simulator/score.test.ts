import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AlertLine,
  compareScores,
  figures,
  matchRun,
  meets,
  parseThreshold,
  type RunInput,
  scoreJson,
  summarise,
  type Threshold,
} from "../../../simulator/score.ts";
import { assign, type Edge } from "../../../simulator/scoring/assign.ts";
import { places } from "../../../simulator/scoring/places.ts";
import { poissonInterval, quantile, wilson } from "../../../simulator/scoring/stats.ts";
import type { TruthEpisode } from "../../../src/contracts.ts";
import { alert, episode, raise, row, s } from "../../support/scoring.ts";

function scoreOf(input: Partial<RunInput>) {
  const rows = matchRun({ alerts: [], truth: [], site: row(), fromMs: s(0), untilMs: s(86_400), ...input });
  return { rows, score: summarise([rows]) };
}

describe("scoring statistics", () => {
  it("wilson: known values; within 0 and 1; around the rate", () => {
    expect(wilson(8, 10).map((v) => v.toFixed(4))).toEqual(["0.4902", "0.9433"]);
    expect(wilson(0, 20)[1]).toBeCloseTo(0.1611, 4);
    expect(wilson(0, 0)).toEqual([0, 1]);
    fc.assert(
      fc.property(fc.nat(500), fc.nat(500), (hits, more) => {
        const n = hits + more;
        fc.pre(n > 0);
        const [lo, hi] = wilson(hits, n);
        expect(lo).toBeGreaterThanOrEqual(0);
        expect(hi).toBeLessThanOrEqual(1);
        expect(lo).toBeLessThanOrEqual(hits / n + 1e-12);
        expect(hi).toBeGreaterThanOrEqual(hits / n - 1e-12);
      }),
    );
  });

  it("poisson interval: within 1 % or 0.02 events of the exact one", () => {
    // Exact values: chi-squared quantiles, Garwood.
    const exact: [number, number, number][] = [
      [1, 0.0253, 5.5716],
      [2, 0.2422, 7.2247],
      [5, 1.6235, 11.6683],
      [10, 4.7954, 18.3904],
      [50, 37.111, 65.9188],
    ];
    for (const [n, lo, hi] of exact) {
      const [a, b] = poissonInterval(n);
      expect(Math.abs(a - lo)).toBeLessThan(Math.max(0.02, 0.01 * lo));
      expect(Math.abs(b / hi - 1)).toBeLessThan(0.01);
    }
    expect(poissonInterval(0)).toEqual([0, -Math.log(0.025)]);
  });

  it("quantile: interpolates, null of nothing", () => {
    expect([quantile([4, 1, 3, 2], 0.5), quantile([5], 0.95), quantile([], 0.5)]).toEqual([2.5, 5, null]);
  });

  it("assign: as many pairs as possible and then the cheapest: property against trying everything", () => {
    const graph = fc.record({
      lefts: fc.integer({ min: 0, max: 5 }),
      rights: fc.integer({ min: 0, max: 5 }),
      cells: fc.array(fc.option(fc.integer({ min: 0, max: 20 }), { nil: null, freq: 2 }), {
        minLength: 25,
        maxLength: 25,
      }),
    });
    fc.assert(
      fc.property(graph, ({ lefts, rights, cells }) => {
        const edges: Edge[] = [];
        for (let l = 0; l < lefts; l++) {
          for (let r = 0; r < rights; r++) {
            const cost = cells[l * 5 + r];
            if (cost !== null && cost !== undefined) edges.push({ left: l, right: r, cost });
          }
        }
        const best = { pairs: 0, cost: 0 };
        const walk = (l: number, used: Set<number>, pairs: number, cost: number): void => {
          if (l === lefts) {
            if (pairs > best.pairs || (pairs === best.pairs && cost < best.cost)) Object.assign(best, { pairs, cost });
            return;
          }
          walk(l + 1, used, pairs, cost);
          for (const e of edges) {
            if (e.left !== l || used.has(e.right)) continue;
            used.add(e.right);
            walk(l + 1, used, pairs + 1, cost + e.cost);
            used.delete(e.right);
          }
        };
        walk(0, new Set(), 0, 0);
        const match = assign(lefts, rights, edges);
        const used = match.filter((r) => r >= 0);
        expect(new Set(used).size).toBe(used.length);
        let cost = 0;
        match.forEach((r, l) => {
          if (r < 0) return;
          const edge = edges.find((e) => e.left === l && e.right === r);
          expect(edge).toBeDefined();
          cost += edge!.cost;
        });
        expect([used.length, cost]).toEqual([best.pairs, best.cost]);
      }),
      { numRuns: 400 },
    );
  });

  it("adjacent: zones that share a stretch of wall, not a corner, not another floor", () => {
    const map = places(row());
    expect(map.adjacent("c0-1", "c0-2")).toBe(true);
    expect(map.adjacent("c0-1", "hall-0")).toBe(true);
    expect(map.adjacent("c0-1", "c0-3")).toBe(false);
    expect(map.adjacent("c0-1", "c1-1")).toBe(false);
    expect(map.adjacent("c0-1", "c0-1")).toBe(false);
    expect(map.zoneAt(3, 1, "0")).toBe("c0-1");
    expect(map.zoneAt(3, 5, "1")).toBe("hall-1");
    expect(map.zoneAt(90, 5, "1")).toBe(null);
  });
});

describe("score", () => {
  it("score: one call, one alert in its cell: found, right, prompt, nothing false", () => {
    const { score } = scoreOf({
      truth: [episode("e1", "p1", 100, 160, 3)],
      alerts: [raise(alert("a1", 3, 101, 160), 104)],
    });
    expect(score.detection.uses).toMatchObject({ hits: 1, n: 1, rate: 1 });
    expect(score.location.top1.rate).toBe(1);
    expect(score.location.error_m.p50).toBe(0);
    expect(score.delay_s.p50).toBe(4);
    expect(score.alerts).toMatchObject({ raised: 1, matched: 1, doubles: 0, false: 0, false_per_block_day: 0 });
    expect(score.alerts.false_per_block_day_hi).toBeCloseTo(3.6889, 3);
    expect(score.calibration.nll).toBeCloseTo(-Math.log(0.7), 4);
    expect(score.worst).toEqual([]);
  });

  it("score: nothing raised: missed, with the loudest first among the worst", () => {
    const truth = [episode("e1", "p1", 0, 9, 1), episode("e2", "p2", 0, 9, 2, { eirp_dbm: 23 })];
    const { score } = scoreOf({ truth, command: (untilMs) => `replay --until ${untilMs}` });
    expect(score.detection.uses).toMatchObject({ hits: 0, n: 2, rate: 0 });
    expect(score.worst.map((m) => `${m.what} ${m.id}`)).toEqual(["missed e2", "missed e1"]);
    expect(score.worst[0]!.command).toBe(`replay --until ${s(69)}`);
  });

  it("score: episodes of one emitter within a minute are one use, later ones another", () => {
    const truth = [
      episode("e1", "p1", 0, 10, 1),
      episode("e2", "p1", 60, 70, 1, { band: "gsm900-ul" }),
      episode("e3", "p1", 131, 140, 1),
      episode("e4", "p2", 65, 75, 4),
    ];
    const { rows } = scoreOf({ truth });
    expect(rows.uses.map((u) => [u.id, (u.end - u.start) / 1000])).toEqual([
      ["e1", 70],
      ["e4", 10],
      ["e3", 9],
    ]);
    expect(rows.uses[0]!.bands).toEqual(["gsm900-ul", "lte800-ul"]);
  });

  it("score: two phones at once, two alerts crossed in order: each is matched with its own", () => {
    const truth = [episode("e1", "p1", 100, 160, 1), episode("e2", "p2", 100, 160, 6)];
    const alerts = [raise(alert("a1", 6, 100, 160), 103), raise(alert("a2", 1, 100, 160), 104)];
    const { rows, score } = scoreOf({ truth, alerts });
    expect(rows.uses.map((u) => [u.id, u.alert])).toEqual([
      ["e1", "a2"],
      ["e2", "a1"],
    ]);
    expect(score.location.top1.rate).toBe(1);
  });

  it("score: two alerts for one phone: one match, one double, none false", () => {
    const alerts = [raise(alert("a1", 3, 100, 160), 103), raise(alert("a2", 4, 110, 160), 112)];
    const { score } = scoreOf({ truth: [episode("e1", "p1", 100, 160, 3)], alerts });
    expect(score.alerts).toMatchObject({ raised: 2, matched: 1, doubles: 1, false: 0 });
  });

  it("score: an alert that ended and came back counts as raised again", () => {
    const first = alert("a1", 3, 100, 120);
    const ended = { ...first, active: false };
    const again = { ...first, active: true, last_evidence_at: s(520) };
    const alerts: AlertLine[] = [
      raise(first, 103),
      { t: s(130), type: "update", before: first, after: ended },
      { t: s(503), type: "update", before: ended, after: again },
    ];
    const truth = [episode("e1", "p1", 100, 120, 3), episode("e2", "p1", 500, 520, 3)];
    const { rows, score } = scoreOf({ truth, alerts });
    expect(score.detection.uses.rate).toBe(1);
    expect(rows.uses.map((u) => u.alert)).toEqual(["a1", "a1#2"]);
  });

  it("score: the same door: a second phone in an alerted cell is covered, not found", () => {
    const truth = [episode("e1", "p1", 100, 160, 3), episode("e2", "p2", 100, 160, 3, { x_m: 9 })];
    const { score } = scoreOf({ truth, alerts: [raise(alert("a1", 3, 100, 160), 103)] });
    expect(score.detection.uses).toMatchObject({ hits: 1, n: 2 });
    expect(score.detection.covered).toBe(1);
  });

  it("score: false alerts by cause: who was on the air nearby, a broken sensor, or nobody", () => {
    const outside = { legitimate: false, outside: true, cell: null, floor: null };
    const truth = [
      episode("o", "car", 100, 160, 0, { ...outside, x_m: 1, y_m: -9 }),
      episode("w", "guard", 300, 360, 5, { legitimate: true, cell: "hall-0", y_m: 5 }),
      episode("j", "jam", 500, 560, 5, { legitimate: true, source: "jammer" }),
      episode("p", "p1", 700, 760, 0),
    ];
    const far = {
      cell: "c1-7",
      candidates: [{ cell: "c1-7", p: 1 }],
      position: { x_m: 40, y_m: 2, floor: "1", cov_m2: [1, 0, 1] as const },
    };
    const broken = {
      sensors: [{ sensor: "s9", band: "lte800-ul", excess_db: 20, floor_dbm: -100 }],
      llr: 30,
      threshold: 24,
      false_alarms_per_day: 1,
    };
    const alerts = [
      raise(alert("a1", 0, 100, 160), 103),
      raise(alert("a2", 5, 300, 360), 303),
      raise(alert("a3", 5, 500, 560), 503),
      raise(alert("a4", 0, 700, 760, far), 703),
      raise(alert("a5", 2, 900, 960, { evidence: broken }), 903),
      raise(alert("a6", 2, 1100, 1160), 1103),
    ];
    const faults = [{ sensor: "s9", fromMs: s(850), untilMs: s(2000) }];
    const { score } = scoreOf({ truth, alerts, faults });
    expect(score.alerts.false_by_cause).toEqual({ outside: 1, staff: 1, source: 1, fault: 1, misplaced: 1, noise: 1 });
    expect(score.alerts.false).toBe(6);
    expect(score.alerts.false_per_block_day).toBe(6);
    expect(score.detection.uses).toMatchObject({ hits: 0, n: 1 });
  });

  it("score: another band, another block, another time: not about the use", () => {
    const truth = [episode("e1", "p1", 100, 160, 3)];
    for (const [wrong, at] of [
      [alert("a1", 3, 100, 160, { bands: ["gsm900-ul"] }), 103],
      [alert("a1", 3, 100, 160, { block: "b2" }), 103],
      [alert("a1", 3, 200, 260), 203],
    ] as const) {
      expect(scoreOf({ truth, alerts: [raise(wrong, at)] }).score.detection.uses.hits).toBe(0);
    }
  });

  it("score: second guess, neighbour, wrong floor: each counted as what it is", () => {
    const truth = [episode("e1", "p1", 100, 160, 4), episode("e2", "p2", 1000, 1060, 1)];
    const upstairs = {
      cell: "c1-1",
      candidates: [
        { cell: "c1-1", p: 0.9 },
        { cell: "c0-1", p: 0.05 },
      ],
      position: { x_m: 3.75, y_m: 2, floor: "1", cov_m2: [1, 0, 1] as const },
    };
    const alerts = [raise(alert("a1", 3, 100, 160), 103), raise(alert("a2", 1, 1000, 1060, upstairs), 1003)];
    const { score } = scoreOf({ truth, alerts });
    expect(score.location).toMatchObject({
      n: 2,
      top1: { hits: 0 },
      top3: { hits: 2 },
      top1_or_adjacent: { hits: 1 },
      right_floor: { hits: 1 },
    });
    expect(score.confusion).toEqual([
      { truth: "c0-1", said: "c1-1", n: 1 },
      { truth: "c0-4", said: "c0-3", n: 1 },
    ]);
    expect(score.worst.map((m) => m.what)).toEqual(["wrong-place", "wrong-place"]);
  });

  it("score: an emitter that walks is compared with where it was, not where it began", () => {
    const path = [0, 10, 20, 30].map((k) => [s(100 + k), 1.25 + k * 0.25, 5]);
    const truth = [episode("e1", "p1", 100, 130, 0, { cell: "hall-0", y_m: 5, path })];
    const there = {
      cell: "hall-0",
      candidates: [{ cell: "hall-0", p: 0.9 }],
      position: { x_m: 8.75, y_m: 5, floor: "0", cov_m2: [1, 0, 1] as const },
    };
    const { score } = scoreOf({ truth, alerts: [raise(alert("a1", 0, 100, 130, there), 103)] });
    expect(score.location.error_m.p50).toBe(0);
    expect(score.location.top1.rate).toBe(1);
  });

  it("score: stated probabilities that are true: the table says so, ones that boast: it says that", () => {
    const truth: TruthEpisode[] = [];
    const alerts: AlertLine[] = [];
    // 100 alerts that state 0.7 and 0.2: 70 right, 20 second, 10 elsewhere.
    for (let i = 0; i < 100; i++) {
      const at = 1000 * (i + 1);
      truth.push(episode(`e${i}`, `p${i}`, at, at + 30, i < 70 ? 3 : i < 90 ? 4 : 5));
      alerts.push(raise(alert(`a${i}`, 3, at, at + 30), at + 3));
    }
    const { calibration } = scoreOf({ truth, alerts }).score;
    expect(calibration.ece).toBe(0);
    expect(calibration.top).toEqual({ stated: 0.7, right: 0.7 });
    expect(calibration.reliability.map((r) => [r.from, r.n, r.rate])).toEqual([
      [0.2, 100, 0.2],
      [0.7, 100, 0.7],
    ]);
    expect(calibration.sets.map((x) => [x.level, x.rate, x.mean_cells])).toEqual([
      [0.5, 0.7, 1],
      [0.9, 0.9, 2],
    ]);
    // 70 times 0.7, 20 times 0.2, and 10 times an even share of the 0.09 left over for 16 zones of the 18.
    const nll = -(70 * Math.log(0.7) + 20 * Math.log(0.2) + 10 * Math.log(0.005)) / 100;
    expect(calibration.nll).toBeCloseTo(nll, 4);
  });

  it("score: roc: raising the threshold drops the weak alerts, true and false", () => {
    const strong = { sensors: [], llr: 240, threshold: 24, false_alarms_per_day: 1 };
    const truth = [episode("e1", "p1", 100, 160, 3), episode("e2", "p2", 1000, 1060, 3)];
    const alerts = [
      raise(alert("a1", 3, 100, 160, { evidence: strong }), 103),
      raise(alert("a2", 3, 1000, 1060), 1003),
      raise(alert("a3", 3, 5000, 5060), 5003),
    ];
    const { roc } = scoreOf({ truth, alerts }).score;
    const at = (ratio: number) => roc.find((r) => r.ratio === ratio);
    expect(at(1)).toMatchObject({ recall: 1, false_per_block_day: 1 });
    expect(at(3)).toMatchObject({ recall: 0.5, false_per_block_day: 0 });
    expect(at(12)).toMatchObject({ recall: 0, false_per_block_day: 0 });
  });

  it("score: the order of truth and the cut into runs do not matter: same bytes", () => {
    const truth = [
      episode("e1", "p1", 100, 160, 3),
      episode("e2", "p2", 100, 160, 6),
      episode("e3", "p3", 500, 560, 1),
    ];
    const alerts = [raise(alert("a1", 3, 100, 160), 103), raise(alert("a2", 6, 100, 160), 104)];
    const json = scoreJson(scoreOf({ truth, alerts }).score);
    expect(scoreJson(scoreOf({ truth: [...truth].reverse(), alerts }).score)).toBe(json);
    expect(json).not.toMatch(/null,\s*"lo": null|NaN|Infinity/);
  });

  it("score: no truth and no alerts: shares without a rate, no crash", () => {
    const { score } = scoreOf({});
    expect(score.detection.uses).toMatchObject({ rate: null, n: 0 });
    expect(figures(score).find((f) => f.name === "recall")!.value).toBe(null);
  });
});

describe("thresholds and baselines", () => {
  const good = scoreOf({
    truth: [episode("e1", "p1", 100, 160, 3)],
    alerts: [raise(alert("a1", 3, 101, 160), 104)],
  }).score;
  const bad = scoreOf({ truth: [episode("e1", "p1", 100, 160, 3)] }).score;

  it("threshold: met, missed, without a value", () => {
    const check = (text: string, score = good) => meets(score, parseThreshold(text) as Threshold).ok;
    expect([
      check("recall>=0.95"),
      check("recall>1"),
      check("delay_p50_s<=4"),
      check("false=0"),
      check("false_per_block_day < 1"),
    ]).toEqual([true, false, true, true, true]);
    expect(check("top1>=0.1", bad)).toBe(false);
    expect(check("recall>=0.5", bad)).toBe(false);
  });

  it("threshold: nonsense is named, with what is known", () => {
    expect(parseThreshold("recall")).toMatch(/not of the form/);
    expect(parseThreshold("recal>=1")).toMatch(/no figure 'recal'; known: recall, /);
  });

  it("baseline: better, worse, same and unknown are told apart", () => {
    const changes = new Map(compareScores(bad, good).map((c) => [c.name, c.verdict]));
    expect([changes.get("recall"), changes.get("false"), changes.get("top1")]).toEqual(["better", "same", "unknown"]);
    expect(compareScores(good, bad).find((c) => c.name === "recall")!.verdict).toBe("worse");
  });
});
