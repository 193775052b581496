import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assemble } from "../../../src/detect/bank-module.ts";
import { Detector } from "../../../src/detect/detector.ts";
import { hasSimd } from "../../../src/detect/simd.ts";
import { Rng, receiver } from "../../support/noise.ts";

const BANDS = 11;
const PERIOD = 20;
const WINDOW = 1000;
const PER = WINDOW / PERIOD;

/** Band-major readings of a sensor with everything that leaves the common path. */
function readings(seed: number, n: number): { rms: Float32Array; peak: Float32Array } {
  const rng = new Rng(seed);
  const rms = new Float32Array(BANDS * n);
  const peak = new Float32Array(BANDS * n);
  for (let b = 0; b < BANDS; b++) {
    const looks = [8, 1, 40, 3000][b % 4]!;
    rms.set(receiver(rng, n, looks, -100 - b, b % 3 === 1 ? 4 : 0, Math.floor(n * (0.4 + 0.05 * b))), b * n);
    peak.set(receiver(rng, n, 3, -90), b * n);
    for (let i = 0; i < n; i++) {
      const at = b * n + i;
      const u = rng.next();
      if (b === 2 || b === 7) rms[at] = Math.round(rms[at]!);
      if (u < 0.004) rms[at] = Number.NaN;
      else if (u < 0.007) rms[at] = rms[at]! + 25;
      else if (u < 0.012 && i > 0) rms[at] = rms[at - 1]!;
      if (b === 5 && i % 400 < 30) rms[at] = -97.25;
      if (b === 8 && i < 40) rms[at] = Number.NaN;
      if (b === 9 && i > n / 2) peak[at] = Number.NaN;
      if (u > 0.9995) rms[at] = u > 0.9998 ? 60 : -300;
    }
  }
  return { rms, peak };
}

interface Story {
  readonly said: string[];
  readonly kernel: string;
  readonly memory: Uint8Array;
}

/** All that a detector says, window by window; each window's readings come in pushes of the given lengths. */
function story(seed: number, n: number, cuts: readonly number[], kernel: "auto" | "plain", bands: number): Story {
  const { rms, peak } = readings(seed, n);
  const detector = new Detector({ falseAlarmsPerDay: 1, kernel });
  const channels = Array.from({ length: bands }, (_, b) =>
    detector.openChannel({ sensor: "s1", band: `b${b}`, periodMs: PERIOD, tdd: b === 3 }),
  );
  const said: string[] = [];
  let c = 0;
  for (let w = 0; (w + 1) * PER <= n; w++) {
    let i = w * PER;
    while (i < (w + 1) * PER) {
      const count = Math.min((w + 1) * PER - i, 1 + cuts[c++ % cuts.length]!);
      detector.pushColumns(channels, i * PERIOD, PERIOD, count, rms, peak, null, null, i, n);
      i += count;
    }
    said.push(JSON.stringify([channels.map((ch) => detector.evidence(ch, (w + 1) * WINDOW)), detector.active()]));
    detector.closeWindow((w + 1) * WINDOW);
    said.push(JSON.stringify(detector.takeEvents()));
  }
  return { said, kernel: detector.kernel, memory: detector.snapshot() };
}

describe("kernel with SIMD", () => {
  it("simd: host of these tests: has SIMD, and the assembled module is valid", () => {
    expect(hasSimd()).toBe(true);
    expect(assemble().length).toBeGreaterThan(1000);
  });

  it("simd: noise, calls, glitches, gaps, repeats, any cuts, any number of bands: evidence, events and memory of the plain kernel, bit for bit", () => {
    let events = 0;
    fc.assert(
      fc.property(
        fc.integer(),
        fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 2, max: BANDS }),
        (seed, cuts, bands) => {
          const simd = story(seed, 1500, cuts, "auto", bands);
          const plain = story(seed, 1500, cuts, "plain", bands);
          expect([simd.kernel, plain.kernel]).toEqual(["simd", "plain"]);
          for (const [i, line] of plain.said.entries()) expect(simd.said[i]).toBe(line);
          expect(Buffer.compare(simd.memory, plain.memory)).toBe(0);
          events += plain.said.filter((line) => line.includes('"open"')).length;
        },
      ),
      // The example is a call whose sums were once not taken back when its end was seen by its loudness.
      { numRuns: 12, examples: [[175, [23, 37, 53, 4, 3, 10, 34, 49], 3]] },
    );
    expect(events).toBeGreaterThan(5);
  });

  it("simd: the same readings in other pushes: the same evidence and events", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 12 }),
        (seed, cuts) => {
          expect(story(seed, 1000, cuts, "auto", 6).said).toEqual(story(seed, 1000, [99], "auto", 6).said);
        },
      ),
      // An event in its first window, whose threshold must not depend on which lanes were open by then; and a reading of so many
      // nats that its place in the tail, as 32 bits, lay in another lane's.
      {
        numRuns: 8,
        examples: [
          [3, [20, 27, 14, 31, 44]],
          [223, [39, 24, 11, 58, 38]],
        ],
      },
    );
  });
});
