import { describe, expect, it } from "vitest";
import { SetBack } from "../../../src/ingest/setback.ts";
import type { ReadingBatch } from "../../../src/model.ts";

const WAY_MS = 50;

function batch(seq: number, tsMs: number, boot = 1, count = 1): ReadingBatch {
  const none = { peakDbm: null, duty: null, noiseDbm: null, looks: null };
  const rmsDbm = new Float32Array(count).fill(-100);
  return {
    block: "b1",
    sensor: "s1",
    boot,
    seq,
    tsMs,
    dtMs: count > 1 ? 1000 : 0,
    count,
    bands: ["x"],
    rmsDbm,
    ...none,
  };
}

/** Stamps that are given to instants a second apart whose clock is off by so much at each. */
function given(offMs: readonly number[]): number[] {
  const clock = new SetBack();
  return offMs.map((off, k) => clock.observe(batch(k, 1000 * k + off), 1000 * k + WAY_MS).tsMs - 1000 * k);
}

describe("clocks that are set back", () => {
  it("by six seconds: stamps go on as before, twice as well, and count as they are once the clock is right again", () => {
    expect(given([0, 0, 0, -6000, -6000, -6000])).toEqual([0, 0, 0, 0, 0, 0]);
    expect(given([0, 0, -6000, -6000, -9000, -9000])).toEqual([0, 0, 0, 0, 0, 0]);
    expect(given([0, 0, -6000, -6000, 0, 0])).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it("before a restart: stamps go on as before after it", () => {
    const before = new SetBack();
    const at = (clock: SetBack, seq: number, offMs: number) =>
      clock.observe(batch(seq, 1000 * seq + offMs), 1000 * seq + WAY_MS).tsMs - 1000 * seq;
    expect([0, 0, -6000].map((offMs, k) => at(before, k, offMs))).toEqual([0, 0, 0]);
    const after = new SetBack();
    after.restore(structuredClone(before.snapshot()));
    expect(at(after, 3, -6000)).toBe(0);
    expect(at(after, 4, 0)).toBe(0);
    expect(at(before, 3, -6000)).toBe(0);
  });

  it("to the right time from one ahead of it, or by less than a second, or in whole seconds: as sent", () => {
    for (const offMs of [
      [4000, 4000, 4000, 0, 0],
      [0, 0, -900, -900],
      [0, -500, 0, -500],
    ])
      expect(given(offMs)).toEqual(offMs);
  });

  it("what overtook, an older message that comes late and a new boot are no clocks", () => {
    const clock = new SetBack();
    const sent = [0, 1, 2, 5, 6, 3, 4, 7].map((k) => clock.observe(batch(k, 1000 * k), 8000 + k).tsMs);
    expect(sent).toEqual([0, 1000, 2000, 5000, 6000, 3000, 4000, 7000]);
    expect(clock.observe(batch(0, 500, 2), 9000).tsMs).toBe(500);
  });

  it("batches of many instants: those from the set on are moved, a late one from before it is not", () => {
    const clock = new SetBack();
    const at = (seq: number, offMs: number, arrivalMs: number) =>
      clock.observe(batch(seq, 1000 * seq + offMs, 1, 10), arrivalMs).tsMs - 1000 * seq;
    expect(at(0, 0, 9050)).toBe(0);
    expect(at(20, -15_000, 29_050)).toBe(0);
    expect(at(10, 0, 29_060)).toBe(0);
    expect(at(30, -15_000, 39_050)).toBe(0);
  });
});
