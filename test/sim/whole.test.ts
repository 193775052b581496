import { describe, expect, it } from "vitest";
import { scenarioNames, simulate } from "../../simulator/index.ts";
import { parseSite } from "../../src/site.ts";

describe("library, run to the end", () => {
  // The day-long ones are cut to their first twenty minutes.
  it.each(scenarioNames().filter((name) => name !== "prison-day"))(
    "%s: runs to its end; the site file is valid",
    (name) => {
      const { duration_s } = simulate(name, 3).scenario;
      const sim = simulate(name, 3, { durationS: Math.min(duration_s, 1200), batch: 10 });
      let last = 0;
      let count = 0;
      for (const m of sim.messages()) {
        if (m.t < last) throw new Error(`message ${count} goes back by ${last - m.t} ms`);
        last = m.t;
        count++;
      }
      expect(count).toBeGreaterThan(100);
      expect(sim.endMs - last).toBeLessThan(30_000);
      const site = parseSite(sim.site, "site.yaml");
      expect(site.ok ? [] : site.problems).toEqual([]);
      for (const e of sim.truth) {
        expect(e.end).toBeGreaterThan(e.start);
        expect(e.end).toBeLessThanOrEqual(sim.endMs);
        expect(sim.site).toContain(e.cell ?? "outside");
      }
    },
  );
});
