import { describe, expect, it } from "vitest";
import type { ScenarioInput } from "../../simulator/index.ts";
import {
  ALL_TOLD,
  type Baseline,
  BLIND_TO_WALLS,
  baselineOf,
  type Part,
  regressions,
  runPlan,
  THRESHOLD_DOUBLED,
} from "./gate.ts";

/**
 * Six calls one after the other where walls decide: sensors stand in the corridor, so that cells differ by what lies between
 * and not by which sensor is next to them.
 */
const DRILL: ScenarioInput = {
  name: "drill",
  about: "Six calls one after the other, sensors in the corridor.",
  expect: {
    why: "Calls of half a minute, one at a time, each long after the one before.",
    alerts: [5, 6],
    recall: 0.8,
  },
  site: {
    generate: {
      id: "drill",
      floors: 1,
      columns: 6,
      layout: "pair",
      every: 2,
      wall: "concrete-200",
      bands: ["lte800-ul"],
      street: false,
    },
  },
  duration_s: 800,
  people: Array.from({ length: 6 }, (_, i) => ({
    id: `p${i + 1}`,
    phone: "lte",
    actions: [{ do: "call" as const, at_s: 140 + 100 * i, duration_s: 25, band: "lte800-ul" }],
  })),
};
const PLAN = { scenarios: [DRILL], seeds: [1, 2], capS: 800 };

let kept: Promise<Part[]> | null = null;
const healthy = () => {
  kept ??= runPlan(PLAN, { limit: true });
  return kept;
};

describe("quality gate", () => {
  it("gate: the same code twice: the same figures, nothing worse", async () => {
    const baseline = baselineOf(await healthy());
    const again = await runPlan(PLAN);
    expect(baselineOf(again)).toEqual(baseline);
    expect(regressions(baseline, again)).toEqual([]);
  });

  for (const mutant of [THRESHOLD_DOUBLED, BLIND_TO_WALLS]) {
    it(`gate: ${mutant.name}: fails`, async () => {
      const worse = regressions(baselineOf(await healthy()), await runPlan(PLAN, { mutant }));
      expect(worse.map((r) => `${r.part}: ${r.figure} ${r.before} to ${r.after}`)).not.toEqual([]);
    });
  }

  it("gate: all told: fails, because what must stay silent does not", async () => {
    const quiet = { scenarios: ["quiet-day"], seeds: [1], capS: 420 };
    const worse = regressions(baselineOf(await runPlan(quiet)), await runPlan(quiet, { mutant: ALL_TOLD }));
    expect(worse.map((r) => r.figure)).toContain("false");
  });

  it("gate: the exact limit is not beaten by more than chance", async () => {
    const [part] = await healthy();
    const { limit, detection, location } = part!.score;
    // The limit is told means, not each burst's fading: a use either way is chance.
    const one = 1 / detection.uses.n;
    expect(limit!.recall!.rate!).toBeGreaterThanOrEqual(detection.uses.rate! - one - 1e-4);
    // Of n places, two standard deviations of a share.
    const spread = 2 * Math.sqrt(0.25 / Math.max(1, location.n));
    expect(limit!.top1!.rate!).toBeGreaterThanOrEqual((location.top1.rate ?? 0) - spread);
  });

  it("gate: a lost use of many is worse, a better figure is not, a new part passes", async () => {
    const parts = await healthy();
    const base = baselineOf(parts);
    const name = "all scenarios";
    const higher: Baseline = {
      [name]: { uses: base[name]!.uses, figures: { ...base[name]!.figures, recall: 1.05, false: -5 } },
    };
    expect(regressions(higher, parts).map((r) => r.figure)).toEqual(expect.arrayContaining(["recall", "false"]));
    const lower: Baseline = { [name]: { uses: 9, figures: { recall: 0, false: 99, error_p50_m: 99 } } };
    expect(regressions(lower, parts)).toEqual([]);
    expect(regressions({}, parts)).toEqual([]);
  });
});
