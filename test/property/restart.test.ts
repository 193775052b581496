import { deserialize, serialize } from "node:v8";
import fc from "fast-check";
import { expect, it } from "vitest";
import type { PipelineEvent, ReadingBatch } from "../../src/model.ts";
import type { BlockPipeline } from "../../src/pipeline.ts";
import { toyPipeline, toyReadings, toySite } from "../support/toy-block.ts";

const T0 = Date.UTC(2026, 2, 2, 8);
const site = toySite(3);
const emitters = [{ fromMs: T0 + 40_000, untilMs: T0 + 60_000, xM: 3.7, yM: 2, eirpDbm: 10 }];
const readings = [...toyReadings(site, emitters, { fromMs: T0, untilMs: T0 + 90_000, periodMs: 500, seed: 5 })];

const pipeline = () => toyPipeline(site, { holdMs: 2000, eager: true, falseAlarmsPerDay: 1 });

/** Readings come with a delay of their own, the clock is looked at every 100 ms; `cut` says after how many looks to stop. */
function run(delays: readonly number[], cuts: ReadonlySet<number>): PipelineEvent[] {
  const arrivals: { atMs: number; batch: ReadingBatch }[] = readings
    .map((batch, i) => ({ atMs: batch.tsMs + delays[i % delays.length]!, batch }))
    .sort((a, b) => a.atMs - b.atMs);
  let block = pipeline();
  const events: PipelineEvent[] = [];
  let next = 0;
  let looks = 0;
  for (let nowMs = T0; nowMs < T0 + 95_000; nowMs += 100) {
    for (; next < arrivals.length && arrivals[next]!.atMs <= nowMs; next++) {
      block.offer(arrivals[next]!.batch, arrivals[next]!.atMs);
      if (cuts.has(next)) block = again(block);
    }
    if (block.due(nowMs)) events.push(...block.tick(nowMs));
    if (cuts.has(10_000 + looks++)) block = again(block);
  }
  return events;
}

/** As if the process had ended here: everything goes through bytes. */
function again(block: BlockPipeline): BlockPipeline {
  const fresh = pipeline();
  fresh.restore(deserialize(serialize(block.snapshot())));
  return fresh;
}

it("pipeline: stopped and taken up anywhere, in the middle of windows and seconds: says exactly what it would have said", () => {
  const delays = fc.array(fc.integer({ min: 5, max: 1500 }), { minLength: 1, maxLength: 40 });
  const cuts = fc.array(
    fc.oneof(fc.integer({ min: 0, max: readings.length - 1 }), fc.integer({ min: 10_000, max: 10_940 })),
    { minLength: 1, maxLength: 6 },
  );
  fc.assert(
    fc.property(delays, cuts, (d, c) => {
      const whole = run(d, new Set());
      expect(whole.filter((e) => e.type === "rollup").length).toBeGreaterThan(100);
      expect(run(d, new Set(c))).toEqual(whole);
    }),
    { numRuns: 6 },
  );
  expect(run([50], new Set()).some((e) => e.type === "alert" && e.change.type === "new")).toBe(true);
});
