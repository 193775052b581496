import { createHistogram } from "node:perf_hooks";
import { expect, it } from "vitest";
import { LoopDelay } from "../../src/loop-delay.ts";

it("event loop: a long delay is told for one to two spans, and then no more", () => {
  const histogram = createHistogram();
  const delay = new LoopDelay(histogram);
  histogram.record(2_000_000_000);
  expect(delay.read().max).toBeGreaterThan(1999);
  delay.turn();
  histogram.record(10_000_000);
  expect(delay.read().max).toBeGreaterThan(1999);
  delay.turn();
  histogram.record(11_000_000);
  const { p50, p99, max } = delay.read();
  expect([p50, p99, max].map(Math.round)).toEqual([11, 11, 11]);
});
