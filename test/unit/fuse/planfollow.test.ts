import { describe, expect, test } from "vitest";
import { Locator } from "../../../src/fuse/locate.ts";
import { PlanFollower } from "../../../src/fuse/planfollow.ts";
import type { Site } from "../../../src/model.ts";
import { mahalanobis2 } from "../../bench/locate.ts";
import { normals } from "../../bench/tablea.ts";
import { mulberry32 } from "../../support/noise.ts";
import { box, sensor, site, zone } from "./world.ts";

const BAND = "lte800-ul";
const EVERY_MS = 1000;
const SENSORS = [
  [1, 1],
  [9, 2],
  [17, 1],
  [2, 11],
  [10, 10],
  [18, 11],
] as const;

const hall: Site = site({
  zones: [0, 1, 2, 3].flatMap((i) => [0, 1].map((j) => zone(`z${i}${j}`, box(5 * i, 6 * j, 5 * i + 5, 6 * j + 6)))),
  sensors: SENSORS.map(([x, y], i) => sensor(`s${i}`, x, y)),
});
const locator = new Locator(hall, { block: null, calibration: null, pOutside: 0, doubted: true });

/** One burst of an emitter at (x, y), 1.8 as the exponent, each sensor off by its own amount. */
function burst(x: number, y: number, tMs: number, offsetDb: readonly number[], fading: () => number) {
  const packets = SENSORS.map(([sx, sy], i) => ({
    tMs,
    sensor: `s${i}`,
    levelDbm: -40 - 18 * Math.log10(Math.hypot(sx - x, sy - y, 1.3)) + offsetDb[i]! + fading(),
  }));
  const measuring = SENSORS.map((_, i) => ({ sensor: `s${i}`, floorDbm: Number.NaN }));
  return [{ band: BAND, packets, measuring }];
}

const spread = (cov: readonly [number, number, number]): number => Math.sqrt(cov[0] + cov[2]);

describe("planfollow", () => {
  test("planfollow: the same window a hundred times: no surer than once", () => {
    const follower = new PlanFollower(locator);
    const offsets = [6, -5, 3, -4, 5, -6];
    const once = follower.step(
      EVERY_MS,
      EVERY_MS,
      burst(6, 4, 900, offsets, () => 0),
    );
    let fix = once;
    for (let k = 2; k <= 100; k++) {
      fix = follower.step(
        k * EVERY_MS,
        EVERY_MS,
        burst(6, 4, k * EVERY_MS - 100, offsets, () => 0),
      );
    }
    expect(spread(fix.position.covM2)).toBeGreaterThan(0.9 * spread(once.position.covM2));
    expect(fix.candidates[0]!.p).toBeLessThan(once.candidates[0]!.p + 0.05);
  });

  test("planfollow: fading differs from window to window: it averages out", () => {
    const normal = normals(7);
    const honest = SENSORS.map(() => 0);
    let [first, later] = [0, 0];
    for (let run = 0; run < 30; run++) {
      const follower = new PlanFollower(locator);
      for (let k = 1; k <= 8; k++) {
        const { position } = follower.step(
          k * EVERY_MS,
          EVERY_MS,
          burst(6, 4, k * EVERY_MS - 100, honest, () => 5 * normal()),
        );
        const error = (position.xM - 6) ** 2 + (position.yM - 4) ** 2;
        if (k === 1) first += error;
        if (k === 8) later += error;
      }
    }
    expect(later).toBeLessThan(0.7 * first);
  });

  test("planfollow: sensors off by 4 dB each for good: what is stated holds what it says", () => {
    const normal = normals(11);
    const next = mulberry32(12);
    let [in90, stated, right] = [0, 0, 0];
    const runs = 60;
    for (let run = 0; run < runs; run++) {
      const follower = new PlanFollower(locator);
      const [x, y] = [20 * next(), 12 * next()];
      const offsets = SENSORS.map(() => 4 * normal());
      let fix = follower.step(
        EVERY_MS,
        EVERY_MS,
        burst(x, y, 900, offsets, () => 4 * normal()),
      );
      for (let k = 2; k <= 20; k++) {
        fix = follower.step(
          k * EVERY_MS,
          EVERY_MS,
          burst(x, y, k * EVERY_MS - 100, offsets, () => 4 * normal()),
        );
      }
      const { xM, yM, covM2 } = fix.position;
      if (mahalanobis2(covM2, x - xM, y - yM) < -2 * Math.log(0.1)) in90++;
      stated += fix.candidates[0]!.p;
      if (fix.candidates[0]!.cell === `z${Math.floor(x / 5)}${Math.floor(y / 6)}`) right++;
    }
    // Binomial: two standard deviations of 60 are 8 points at 90 % and 13 at 50 %.
    expect(in90 / runs).toBeGreaterThan(0.82);
    expect(stated / runs).toBeLessThan(right / runs + 0.13);
  });

  test("planfollow: a place without prior stays without: no NaN comes of it", () => {
    const follower = new PlanFollower(locator);
    const fix = follower.step(
      EVERY_MS,
      EVERY_MS,
      burst(6, 4, 900, [0, 0, 0, 0, 0, 0], () => 0),
    );
    follower.step(
      2 * EVERY_MS,
      EVERY_MS,
      burst(6, 4, 1900, [0, 0, 0, 0, 0, 0], () => 0),
    );
    expect(fix.pOutside).toBeLessThan(1e-9);
    expect(follower.posterior.every((p) => !Number.isNaN(p))).toBe(true);
  });

  test("planfollow: an interval of an unknown band: the fix stays as it was", () => {
    const follower = new PlanFollower(locator);
    const before = follower.step(
      EVERY_MS,
      EVERY_MS,
      burst(6, 4, 900, [0, 0, 0, 0, 0, 0], () => 0),
    );
    const [window] = burst(15, 9, 1900, [0, 0, 0, 0, 0, 0], () => 0);
    expect(follower.step(2 * EVERY_MS, EVERY_MS, [{ ...window!, band: "nobody" }])).toEqual(before);
  });
});
