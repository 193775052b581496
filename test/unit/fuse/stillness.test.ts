import { describe, expect, it } from "vitest";
import { stream } from "../../../simulator/prng.ts";
import type { Sighting } from "../../../src/fuse/sighting.ts";
import { Recent } from "../../../src/fuse/stillness.ts";

const SENSORS = Array.from({ length: 12 }, (_, i) => `s${i}`);
const FADING_DB = 5;
const WINDOWS = 12;

/** A window in which every sensor hears `levelDbm` of it. */
function sighting(second: number, levelDbm: (i: number) => number): Sighting {
  const heard = SENSORS.map((sensor, i) => ({
    level: { sensor, levelDbm: levelDbm(i), floorDbm: -95, sigmaDb: 1 },
    meanDbm: -62,
    evidence: { sensor, band: "b", excessDb: 30, floorDbm: -95 },
    llr: 50,
    llrStep: 10,
    thresholdNats: 24,
    hot: true,
    onsetMs: 0,
  }));
  return { tMs: 1000 * second, band: "b", heard, quiet: [] };
}

/** Sensors every 2.5 m; the emitter at `xM`, 20 log10 of the distance, fading and a power of the moment. */
function evidence(seed: number, xM: (second: number) => number, powerDb: (second: number) => number): number {
  const random = stream(seed, "stillness");
  const recent = new Recent();
  for (let t = 1; t <= WINDOWS; t++) {
    const power = powerDb(t);
    const level = (i: number) => power - 20 * Math.log10(Math.hypot(2.5 * i - xM(t), 2)) + FADING_DB * random.normal();
    recent.note(sighting(t, level));
  }
  return recent.walkNats("b", SENSORS, 0);
}
const seeds = Array.from({ length: 40 }, (_, k) => k + 1);

describe("stillness", () => {
  it("an emitter that stays, whatever its power does: rather stays in most of 40 draws, and moves for sure (a factor of twenty) in two at the most", () => {
    const nats = seeds.map((seed) =>
      evidence(
        seed,
        () => 11,
        (t) => (t % 5 === 0 ? -20 : 0),
      ),
    );
    expect(nats.filter((n) => n < Math.log(20)).length).toBeGreaterThanOrEqual(38);
    expect(nats.filter((n) => n < 0).length).toBeGreaterThanOrEqual(30);
  });

  it("one carried by at 1.3 m/s: known to move by a factor of a hundred after twelve seconds, in 38 of 40 draws", () => {
    const nats = seeds.map((seed) =>
      evidence(
        seed,
        (t) => 4 + 1.3 * t,
        () => 0,
      ),
    );
    expect(nats.filter((n) => n > Math.log(100)).length).toBeGreaterThanOrEqual(38);
  });

  it("too few sensors, one window, or another band: nothing is known", () => {
    const recent = new Recent();
    for (let t = 1; t <= 5; t++) recent.note(sighting(t, (i) => -50 - 3 * i * t));
    expect(recent.walkNats("b", ["s0", "s1"], 0)).toBeCloseTo(0, 9);
    expect(recent.walkNats("b", SENSORS, 5000)).toBeCloseTo(0, 9);
    expect(recent.walkNats("other", SENSORS, 0)).toBe(0);
  });

  it("a snapshot restored goes on as before", () => {
    const recent = new Recent();
    for (let t = 1; t <= 8; t++) recent.note(sighting(t, (i) => -40 - Math.abs(2.5 * i - 1.3 * t)));
    const other = new Recent();
    other.restore(structuredClone(recent.snapshot()));
    expect(other.walkNats("b", SENSORS, 2000)).toBe(recent.walkNats("b", SENSORS, 2000));
  });
});
