import fc from "fast-check";
import { median, medianAbsoluteDeviation } from "simple-statistics";
import { describe, expect, it } from "vitest";
import { binOf, HIST_BINS, HIST_WINDOW, histMad, histPush, histQuantile } from "../../../src/detect/histogram.ts";

describe("sliding histogram", () => {
  it("median and MAD: within a bin of simple-statistics over the same window, at every length and after wrapping", () => {
    const residual = fc.double({ min: -12, max: 12, noNaN: true });
    fc.assert(
      fc.property(
        fc.array(residual, { minLength: 40, maxLength: 600 }),
        fc.constantFrom(0.25, 0.5),
        (values, binDb) => {
          const ring = new Uint8Array(2 * HIST_WINDOW);
          const counts = new Uint8Array(2 * HIST_BINS);
          // Lane 1, so that a slip in the offsets shows in lane 0.
          let fill = 0;
          values.forEach((v, i) => {
            histPush(binOf(v, binDb), 1, ring, counts, i % HIST_WINDOW, fill);
            fill = Math.min(HIST_WINDOW, fill + 1);
          });
          const window = values.slice(-HIST_WINDOW);
          // What a histogram of such bins can know: the values rounded to their bins.
          const binned = window.map((v) => Math.max(-64, Math.min(63, Math.round(v / binDb))));
          const middle = histQuantile(counts, 1, fill, 0.5);
          const low = [...binned].sort((a, b) => a - b)[Math.floor((fill - 1) / 2)]!;
          expect(middle).toBeGreaterThanOrEqual(low - 0.51);
          expect(middle).toBeLessThanOrEqual(Math.max(low, median(binned)) + 1.01);
          expect(Math.abs(histMad(counts, 1, fill, middle) - medianAbsoluteDeviation(binned))).toBeLessThanOrEqual(
            1.6 + Math.abs(middle - median(binned)),
          );
          expect(counts.subarray(0, HIST_BINS).every((n) => n === 0)).toBe(true);
          expect(counts.subarray(HIST_BINS).reduce((n, c) => n + c, 0)).toBe(fill);
        },
      ),
      { numRuns: 300 },
    );
  });
});
