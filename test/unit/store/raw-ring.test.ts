import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ReadingBatch } from "../../../src/model.ts";
import { RawRing } from "../../../src/store/raw-ring.ts";
import { batch } from "./fixtures.ts";

const one = (sensor: string, tsMs: number) => batch(sensor, 1, tsMs, tsMs, 1);
const key = (b: ReadingBatch) => `${b.sensor}@${b.tsMs}`;

describe("raw ring", () => {
  it("capture: alert at 100 s: the 30 s before and the 60 s after, of its sensors only, to 0.01 dB", () => {
    const ring = new RawRing();
    const kept: string[] = [];
    for (let t = 0; t <= 200_000; t += 1000) {
      for (const sensor of ["s1", "s2", "s3"]) {
        if (ring.offer(one(sensor, t), t).includes("a1")) kept.push(`${sensor}@${t}`);
      }
      if (t === 100_000) {
        const before = [...ring.capture("a1", ["s1", "s3"], t)!];
        kept.push(...before.map(key));
        expect(before[0]).toMatchObject({ ...one("s1", 70_000) });
        expect(before[0]!.rmsDbm![1]).toBeCloseTo(-99.75, 5);
        expect(before[0]!.peakDbm![0]).toBeNaN();
      }
    }
    const wanted: string[] = [];
    for (const s of ["s1", "s3"]) for (let t = 70_000; t <= 160_000; t += 1000) wanted.push(`${s}@${t}`);
    expect(kept.sort()).toEqual(wanted.sort());
    expect(ring.status().captures).toBe(1);
    ring.capture("a2", [], 200_000);
    expect(ring.status().captures).toBe(1);
  });

  it("capture: a late batch of its time: is still kept for it", () => {
    const ring = new RawRing();
    ring.capture("a1", ["s1"], 100_000);
    expect(ring.offer(one("s1", 159_000), 161_000)).toEqual(["a1"]);
    expect(ring.offer(one("s1", 162_000), 162_000)).toEqual([]);
    expect(ring.offer(one("s1", 60_000), 162_500)).toEqual([]);
  });

  it("captures: more than allowed at once: refused and counted, ended ones make room", () => {
    const ring = new RawRing({ maxCaptures: 2 });
    expect([...ring.capture("a1", ["s1"], 0)!]).toEqual([]);
    expect([...ring.capture("a2", ["s1"], 1000)!]).toEqual([]);
    expect(ring.capture("a3", ["s1"], 2000)).toBeNull();
    expect([...ring.capture("a1", ["s2"], 2000)!]).toEqual([]);
    expect(ring.status()).toMatchObject({ captures: 2, refusedCaptures: 1 });
    expect([...ring.capture("a3", ["s1"], 61_500)!]).toEqual([]);
  });

  it("memory: any traffic: never above the cap, and what is held is the newest", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 40 })), { maxLength: 200 }),
        fc.integer({ min: 1000, max: 20_000 }),
        (offers, maxBytes) => {
          const ring = new RawRing({ maxBytes });
          offers.forEach(([sensor, count], i) => {
            ring.offer(batch(`s${sensor}`, 1, i, i * 100, count), i * 100);
            expect(ring.status().bytes).toBeLessThanOrEqual(maxBytes);
          });
          const held = [...ring.capture("a", ["s0", "s1", "s2", "s3"], offers.length * 100)!].map((b) => b.seq);
          const wanted = Array.from({ length: held.length }, (_, i) => offers.length - held.length + i);
          expect(held.sort((a, b) => a - b)).toEqual(wanted);
          expect(ring.status().evicted + held.length).toBe(offers.length);
        },
      ),
      { numRuns: 100 },
    );
  });
});
