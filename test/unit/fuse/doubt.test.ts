import { describe, expect, it } from "vitest";
import { Doubt, drawn } from "../../../src/fuse/doubt.ts";
import { fitBand, type LabelledPoint } from "../../../src/fuse/fit.ts";
import { Follower } from "../../../src/fuse/follow.ts";
import { Locator } from "../../../src/fuse/locate.ts";
import { Rng } from "../../support/noise.ts";
import { box, sensor, site, zone } from "./world.ts";

const hall = site({
  zones: [zone("hall", box(0, 0, 24, 16))],
  sensors: [0, 1, 2, 3, 4, 5, 6, 7].map((i) => sensor(`s${i}`, 2 + 6.5 * (i % 4), i < 4 ? 3 : 13)),
});
const band = hall.bands[0]!;
const measuring = hall.sensors.map((s) => ({ sensor: s.id, floorDbm: Number.NaN }));

/** Bursts at a place, 400 ms apart; each sensor is off by its own amount. */
function bursts(rng: Rng, xM: number, yM: number, count: number, offDb: readonly number[]) {
  return Array.from({ length: count }, (_, b) =>
    hall.sensors.map((s, k) => {
      const [x, y, z] = s.positionM!;
      const mean = -45 - 25 * Math.log10(Math.max(0.7, Math.hypot(x - xM, y - yM, z - 1.2))) + offDb[k]!;
      return { tMs: 400 * b, sensor: s.id, levelDbm: mean + 2 * rng.normal() };
    }),
  );
}

/** What a follower makes of a walk through the surveyed hall when each sensor has changed since by `changeDb` up or down. */
function doubtAfterWalk(changeDb: number, seed: number): number {
  const rng = new Rng(seed);
  const none = hall.sensors.map(() => 0);
  const points = Array.from({ length: 40 }, (): LabelledPoint => {
    const [xM, yM] = [24 * rng.next(), 16 * rng.next()];
    // Shadows that belong to the place, so that there is something for the map to be unsure of.
    const shadows = none.map(() => 3 * rng.normal());
    return { xM, yM, zM: 1.2, floor: "0", bursts: bursts(rng, xM, yM, 10, shadows) };
  });
  const fitted = fitBand(hall, band, hall.sensors, points)!;
  const locator = new Locator(hall, { block: null, calibration: { site: hall.id, bands: [fitted] }, pOutside: 0 });
  const follower = new Follower(locator);
  const changed = none.map((_, k) => (k % 2 === 0 ? changeDb : -changeDb));
  for (let w = 1; w <= 30; w++) {
    const offDb = changed.map((c) => c + 3 * rng.normal());
    const packets = bursts(rng, 2 + 0.6 * w, 8, 5, offDb).flat();
    follower.step(2000 * w, 2000, [{ band: band.id, packets, measuring }]);
  }
  return follower.doubt;
}

describe("doubt", () => {
  it("levels as surveyed: hardly any; sensors 8 dB off since: the map's errors are taken for much larger", () => {
    for (const seed of [1, 2]) {
      expect(doubtAfterWalk(0, seed)).toBeLessThan(1.4);
      expect(doubtAfterWalk(8, seed)).toBeGreaterThan(3);
    }
  });

  it("levels whose variance is s times as stated: s in the long run, never less than 1", () => {
    const learned = (scale: number) => {
      const rng = new Rng(3);
      const doubt = new Doubt();
      for (let w = 0; w < 400; w++) {
        // Ten levels of which a place and a power were fitted: those three are as likely as stated, the others are not.
        let square = 3;
        for (let k = 0; k < 7; k++) square += scale * rng.normal() ** 2;
        doubt.learn({ square, levels: 10, mapShare: 1 }, 1, 2000);
      }
      return doubt;
    };
    expect(learned(4).scale).toBeGreaterThan(3);
    expect(learned(4).scale).toBeLessThan(5);
    expect(learned(4).widening).toBeCloseTo((1 + learned(4).scale) / 2, 9);
    expect(learned(1).scale).toBeLessThan(1.3);
    expect(learned(0.2).scale).toBe(1);
  });

  it("levels that are mostly fading: an excess is the map's, in proportion", () => {
    const half = new Doubt();
    half.learn({ square: 30, levels: 20, mapShare: 0.5 }, 1, 2000);
    // 1.5 times the variance in all is twice the map's: 40 - 3 of 20 - 3 levels, beside 20 of the prior.
    expect(half.scale).toBeCloseTo((37 + 20) / (17 + 20), 9);
  });

  it("few levels say nothing: no more than a place and a power can explain", () => {
    const doubt = new Doubt();
    for (let w = 0; w < 50; w++) doubt.learn({ square: 90, levels: 3, mapShare: 1 }, 1, 2000);
    expect(doubt.scale).toBe(1);
  });

  it("draws of a posterior: each candidate as often as it is likely", () => {
    const p = [0.5, 0, 0.25, 0.25];
    const counts = [0, 0, 0, 0];
    for (const c of drawn(Float64Array.from(p, Math.log), 16)) counts[c]!++;
    expect(counts).toEqual([8, 0, 4, 4]);
  });
});
