import { describe, expect, it } from "vitest";
import {
  Air,
  ByCount,
  type Evening,
  precisionAt,
  reliability,
  runWeeks,
  WithBelief,
  WithEverything,
} from "../support/weeks.ts";

describe("belief over weeks", () => {
  const air = new Air("stag/2");
  const evenings = (make: () => WithBelief | WithEverything | ByCount): Evening[] =>
    [1000, 1001, 1002].flatMap((seed) =>
      runWeeks(air, make(), { seed, days: 21, steady: 0, searches: "random" }).evenings.slice(7),
    );

  // Repeat with more worlds: node bin/bench.js belief 30 1 stag/2
  it("search list, three worlds of three weeks: near the exact Bayesian, clear of the count of alerts, honest", () => {
    const ours = evenings(() => new WithBelief("belief", { repeatShare: 0 }));
    const limit = evenings(() => new WithEverything());
    const count = evenings(() => new ByCount());
    expect(precisionAt(limit, 1), "there are phones to be found").toBeGreaterThan(0.3);
    expect(precisionAt(ours, 1)).toBeGreaterThan(precisionAt(limit, 1) - 0.08);
    expect(precisionAt(ours, 3)).toBeGreaterThan(precisionAt(limit, 3) - 0.05);
    expect(precisionAt(ours, 1)).toBeGreaterThan(precisionAt(count, 1) + 0.08);
    expect(reliability(ours).brier).toBeLessThan(1.1 * reliability(limit).brier);
    const low = reliability(ours).bins[0]!;
    expect(Math.abs(low.stated - low.true) / low.n).toBeLessThan(0.02);
  });

  it("searches through the list: the outcomes it counts are those that were made", () => {
    const who = new WithBelief("belief", {});
    const run = runWeeks(air, who, { seed: 21, days: 14, steady: 0, searches: "first" });
    const { searches, first } = who.outcomes(1_700_006_400_000 + 14 * 86_400_000);
    expect(searches).toMatchObject({ searched: run.searched, found: run.found });
    expect(first.searched).toBe(run.searched);
    expect(searches.low!).toBeLessThanOrEqual(searches.share!);
    expect(searches.high!).toBeGreaterThanOrEqual(searches.share!);
  });
});
