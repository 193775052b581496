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

  it("detector: snapshot of one sensor among others, between any two windows: that sensor goes on as in the whole one", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 99 }), fc.integer({ min: 0, max: 3 }), (seed, at, wanted) => {
        const fed = readings(seed, 2000);
        const per = WINDOW / PERIOD;
        const options = { falseAlarmsPerDay: 1, expectedChannels: 100 };
        const specs = [0, 1, 2, 3].map((i) => ({ sensor: `s${i}`, band: "b1", periodMs: PERIOD, tdd: false }));
        const feed = (detector: Detector, channel: number, sensor: number, w: number) => {
          // Each hears something else, and each has other kinds of lanes.
          const from = ((w + 17 * sensor) % 100) * per;
          const peak = sensor === 1 ? null : fed.peak;
          const duty = sensor > 1 ? fed.duty : null;
          detector.push(channel, w * WINDOW, PERIOD, per, fed.rms, peak, duty, null, from);
        };
        const whole = new Detector(options);
        const channels = specs.map((spec) => whole.openChannel(spec));
        for (let w = 0; w < at; w++) {
          for (const [i, channel] of channels.entries()) feed(whole, channel, i, w);
          whole.closeWindow((w + 1) * WINDOW);
        }
        whole.takeEvents();
        const alone = new Detector(options);
        expect(alone.restore(whole.snapshot(`s${wanted}`))).toBe(true);
        const channel = alone.openChannel(specs[wanted]!);
        for (let w = at; w < 100; w++) {
          for (const [i, other] of channels.entries()) feed(whole, other, i, w);
          feed(alone, channel, wanted, w);
          const endMs = (w + 1) * WINDOW;
          const { channel: _, ...theirs } = whole.evidence(channels[wanted]!, endMs) as object as { channel?: number };
          const { channel: __, ...own } = alone.evidence(channel, endMs) as object as { channel?: number };
          expect(own).toEqual(theirs);
          whole.closeWindow(endMs);
          alone.closeWindow(endMs);
          const said = whole.takeEvents().filter((e) => e.channel === channels[wanted]);
          expect(alone.takeEvents().map((e) => ({ ...e, channel: 0 }))).toEqual(
            said.map((e) => ({ ...e, channel: 0 })),
          );
        }
      }),
      { numRuns: 15 },
    );
  });
});
