import { describe, expect, it } from "vitest";
import { type Heard, type Sighting, windowNats } from "../../../src/fuse/sighting.ts";
import { Rng } from "../../support/noise.ts";

/** A window in which channel i adds `steps[i]`; those of two nats and more stand out and count as heard. */
function sighting(steps: readonly number[]): Sighting {
  const level = { sensor: "s", levelDbm: -100, floorDbm: -105, sigmaDb: 1.5 };
  const heard = steps
    .filter((step) => step >= 2)
    .map((llrStep): Heard => {
      const evidence = { sensor: "s", band: "b", excessDb: 5, floorDbm: -105 };
      return { level, meanDbm: -100, evidence, llr: llrStep, llrStep, thresholdNats: 25, hot: false, onsetMs: 0 };
    });
  const quiet = steps.filter((step) => step < 2).map(() => level);
  return { tMs: 0, band: "b", heard, quiet };
}

describe("what one window says", () => {
  it.each([20, 150, 600])("window nats: %i quiet channels: s nats come at most once in e^s windows", (channels) => {
    const rng = new Rng(7);
    // A normal log-likelihood ratio of divergence d: mean -d/2, variance d; its exponential has the mean one.
    const d = 4;
    const windows = 5_000;
    const over = [2, 4].map(() => 0);
    for (let w = 0; w < windows; w++) {
      const steps = Array.from({ length: channels }, () => -d / 2 + Math.sqrt(d) * rng.normal());
      const nats = windowNats(sighting(steps));
      [2, 4].forEach((s, i) => {
        if (nats >= s) over[i] = over[i]! + 1;
      });
    }
    // Three standard deviations of the count above what is allowed.
    [2, 4].forEach((s, i) => {
      const allowed = windows * Math.exp(-s);
      expect(over[i]).toBeLessThanOrEqual(allowed + 3 * Math.sqrt(allowed));
    });
  });

  it("window nats: an emitter heard by few or many of 150 channels: found either way, chance is not", () => {
    const with_ = (heard: number, nats: number) => [
      ...Array<number>(heard).fill(nats),
      ...Array<number>(150 - heard).fill(-1),
    ];
    expect(windowNats(sighting(with_(1, 20)))).toBeGreaterThan(10);
    expect(windowNats(sighting(with_(4, 10)))).toBeGreaterThan(10);
    expect(windowNats(sighting(with_(60, 3)))).toBeGreaterThan(10);
    expect(windowNats(sighting(with_(4, 3.5)))).toBeLessThan(2);
  });
});
