import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Detector } from "../../../src/detect/detector.ts";
import { Rng, receiver } from "../../support/noise.ts";

const PERIOD = 50;
const WINDOW = 1000;

/** A receiver with gaps, a call and a step. */
function readings(seed: number, n: number): { rms: Float32Array; peak: Float32Array; duty: Float32Array } {
  const rng = new Rng(seed);
  const rms = receiver(rng, n, 8, -100, 3, Math.floor(n * 0.6));
  rms.set(receiver(rng, n - Math.floor(n * 0.8), 8, -101), Math.floor(n * 0.8));
  const peak = receiver(rng, n, 3, -91);
  const duty = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    duty[i] = rng.next() * 0.02;
    if (rng.next() < 0.02) rms[i] = Number.NaN;
    if (rng.next() < 0.002) peak[i] = peak[i]! + 30;
  }
  return { rms, peak, duty };
}

/** Everything that the detector says, window by window, with each window's readings cut at the given places. */
function story(seed: number, n: number, cuts: readonly number[], restartAt: number): string[] {
  const { rms, peak, duty } = readings(seed, n);
  let detector = new Detector({ falseAlarmsPerDay: 1, expectedChannels: 4 });
  const spec = { sensor: "s1", band: "b1", periodMs: PERIOD, tdd: false };
  let channel = detector.openChannel(spec);
  const per = WINDOW / PERIOD;
  const said: string[] = [];
  let c = 0;
  for (let w = 0; w * per < n; w++) {
    if (w === restartAt) {
      const bytes = detector.snapshot();
      detector = new Detector({ falseAlarmsPerDay: 1, expectedChannels: 4 });
      expect(detector.restore(bytes)).toBe(true);
      channel = detector.openChannel(spec);
    }
    let i = w * per;
    const end = Math.min(n, (w + 1) * per);
    while (i < end) {
      const count = Math.min(end - i, 1 + cuts[c++ % cuts.length]!);
      detector.push(channel, i * PERIOD, PERIOD, count, rms, peak, duty, null, i);
      i += count;
    }
    said.push(JSON.stringify([detector.evidence(channel, (w + 1) * WINDOW), detector.active()]));
    detector.closeWindow((w + 1) * WINDOW);
    said.push(JSON.stringify(detector.takeEvents()));
  }
  return said;
}

/** First place where two stories differ, or "same". */
function difference(a: readonly string[], b: readonly string[]): string {
  const at = a.findIndex((line, i) => line !== b[i]);
  return at < 0 && a.length === b.length ? "same" : `line ${at}: ${a[at]} instead of ${b[at]}`;
}

describe("detector", () => {
  it("detector: readings cut into any pushes: the same evidence and events to the last bit", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 20 }),
        (seed, cuts) => {
          expect(difference(story(seed, 2000, cuts, -1), story(seed, 2000, [99], -1))).toBe("same");
        },
      ),
      { numRuns: 25 },
    );
  });

  it("detector: snapshot and restore between any two windows: the same evidence and events as without", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 99 }), (seed, restartAt) => {
        expect(difference(story(seed, 2000, [99], restartAt), story(seed, 2000, [99], -1))).toBe("same");
      }),
      { numRuns: 15 },
    );
  });
});
