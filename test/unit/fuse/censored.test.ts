import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NOTHING_DB2, siteOf } from "../../../src/fuse/censored.ts";
import { fitBand, type LabelledPoint } from "../../../src/fuse/fit.ts";
import { Rng } from "../../support/noise.ts";
import { box, sensor, site, zone } from "./world.ts";

const receiver = { floorDbm: -90, share: 0.75, packetDb: 4 };

/** Normal distribution function by summing its density. */
function phi(x: number): number {
  let sum = 0;
  for (let u = -9; u < x; u += 0.002) sum += Math.exp((-u * u) / 2);
  return (0.002 * sum) / Math.sqrt(2 * Math.PI);
}
const curve = Array.from({ length: 801 }, (_, k) => phi((k - 400) / 40));
const Phi = (x: number) => curve[Math.round(Math.min(10, Math.max(-10, x)) * 40) + 400]!;

/** Mean and variance of the level by a fine sum. */
function naive(heard: number, levelDbm: number, missed: number, meanDbm: number, variance: number) {
  let [sum, first, second] = [0, 0, 0];
  for (let m = -160; m < -40; m += 0.05) {
    const silent = 1 - receiver.share * Phi((m - receiver.floorDbm) / receiver.packetDb);
    const square = heard > 0 ? (heard * (levelDbm - m) ** 2) / receiver.packetDb ** 2 : 0;
    const w = Math.exp(-((m - meanDbm) ** 2) / (2 * variance) - square / 2) * silent ** missed;
    sum += w;
    first += w * m;
    second += w * m * m;
  }
  return { mean: first / sum, variance: second / sum - (first / sum) ** 2 };
}

describe("drowned packets", () => {
  it("any counts and forecast: forecast and site together have the posterior's mean and variance", () => {
    const counts = fc.record({
      heard: fc.integer({ min: 0, max: 10 }),
      missed: fc.integer({ min: 0, max: 20 }),
      off: fc.double({ min: -2, max: 2, noNaN: true }),
      meanDbm: fc.double({ min: -105, max: -80, noNaN: true }),
      sdDb: fc.double({ min: 2, max: 8, noNaN: true }),
    });
    fc.assert(
      fc.property(counts, ({ heard, missed, off, meanDbm, sdDb }) => {
        const levelDbm = meanDbm + off * sdDb;
        const v = sdDb * sdDb;
        const made = siteOf({ heard, levelDbm, missed }, receiver, meanDbm, v);
        const exact = naive(heard, levelDbm, missed, meanDbm, v);
        if (made.variance === NOTHING_DB2) {
          // No surer with the packets than without them.
          expect(exact.variance).toBeGreaterThan(0.95 * v);
          return;
        }
        const precision = 1 / v + 1 / made.variance;
        expect((meanDbm / v + made.levelDbm / made.variance) / precision).toBeCloseTo(exact.mean, 0);
        expect(Math.abs(1 / precision / exact.variance - 1)).toBeLessThan(0.1);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it("one packet heard of ten, at the floor: a mean below it; never heard and never expected: nothing said", () => {
    expect(siteOf({ heard: 1, levelDbm: -89, missed: 9 }, receiver, -90, 100).levelDbm).toBeLessThan(-91);
    expect(siteOf({ heard: 0, levelDbm: Number.NaN, missed: 9 }, receiver, -130, 36).variance).toBe(NOTHING_DB2);
  });

  it("a hall in which half of all levels drown: the exponent and the power of the levels that were sent", () => {
    const hall = site({
      zones: [zone("hall", box(0, 0, 50, 20))],
      sensors: [0, 1, 2, 3, 4, 5].map((i) => sensor(`s${i}`, 4 + 21 * (i % 3), i < 3 ? 3 : 17)),
    });
    const rng = new Rng(3);
    const points = Array.from({ length: 60 }, (): LabelledPoint => {
      const [xM, yM] = [50 * rng.next(), 20 * rng.next()];
      const means = hall.sensors.map((s) => {
        const [x, y, z] = s.positionM!;
        return -45 - 30 * Math.log10(Math.max(0.7, Math.hypot(x - xM, y - yM, z - 1.2))) + 2 * rng.normal();
      });
      const bursts = Array.from({ length: 20 }, (_, b) =>
        hall.sensors.flatMap((s, k) => {
          const levelDbm = means[k]! + 4 * rng.normal();
          return levelDbm < -80 || rng.next() < 0.2 ? [] : [{ tMs: 400 * b, sensor: s.id, levelDbm }];
        }),
      ).filter((b) => b.length > 0);
      return { xM, yM, zM: 1.2, floor: "0", bursts };
    });
    const heard = points.flatMap((p) => p.bursts).flat().length / (60 * 20 * 6);
    expect(heard).toBeLessThan(0.5);
    const fitted = fitBand(hall, hall.bands[0]!, hall.sensors, points)!;
    // Heard levels alone make it 1.9.
    expect(fitted.exponent).toBeGreaterThan(2.7);
    expect(fitted.exponent).toBeLessThan(3.3);
    expect(Math.abs(fitted.powerDbm + 45)).toBeLessThan(5);
  });
});
