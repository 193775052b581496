import { describe, expect, it } from "vitest";
import { measureNull, NULLS } from "../../support/nulls.ts";

describe("detector on quiet that is not its model", () => {
  for (const name of Object.keys(NULLS)) {
    it(`detector: quiet of ${name}: at most twice the nominal false alarms from a cold start, and a signal of 3 dB is found`, () => {
      const r = measureNull(name, 20, 20_000, 1e5, 41);
      expect(r.nominal).toBe(4);
      expect(r.alarms - r.steps).toBeLessThanOrEqual(2 * r.nominal);
      // Every step upward is an event: alarms that fall on steps are no false ones, and none of them is missed.
      expect(r.alarms).toBeGreaterThanOrEqual(r.steps);
      expect(r.found).toBe(1);
      expect(r.delay).toBeLessThan(name.startsWith("gamma") ? 2.05 * 1.2 : 9);
    });
  }
});
