import { describe, expect, it } from "vitest";
import { fitBand, type LabelledPoint } from "../../../src/fuse/fit.ts";
import {
  covarianceOf,
  distancesM,
  factorOf,
  type Kernel,
  type Place,
  ROUGHNESSES,
  type Roughness,
} from "../../../src/fuse/gp.ts";
import { cholesky } from "../../../src/fuse/linalg.ts";
import { Rng } from "../../support/noise.ts";
import { box, sensor, site, zone } from "./world.ts";

const hall = site({
  zones: [zone("hall", box(0, 0, 24, 16))],
  sensors: [0, 1, 2, 3, 4, 5, 6, 7].map((i) => sensor(`s${i}`, 2 + 6.5 * (i % 4), i < 4 ? 3 : 13)),
});

/**
 * A hundred points whose shadows are drawn exactly from a kernel of this roughness, ten bursts each that fade by 2 dB. `togetherM`: distance over
 * which the sensors' shadows go together.
 */
function points(roughness: Roughness, seed: number, readings = 10, togetherM = 0): LabelledPoint[] {
  const rng = new Rng(seed);
  const places: Place[] = Array.from({ length: 100 }, () => ({ xM: 24 * rng.next(), yM: 16 * rng.next(), zM: 1.2 }));
  const kernel: Kernel = { shadowSdDb: 6, shadowLengthM: 5, nuggetSdDb: 1, offsetSdDb: 3, roughness };
  const factor = factorOf(kernel, covarianceOf(kernel, distancesM(places)), new Float64Array(100).fill(0));
  const own = hall.sensors.map(() => {
    const white = places.map(() => rng.normal());
    return places.map((_, i) => white.slice(0, i + 1).reduce((sum, w, j) => sum + factor[i * 100 + j]! * w, 0));
  });
  const mix = new Float64Array(hall.sensors.length ** 2);
  hall.sensors.forEach((a, i) => {
    hall.sensors.forEach((b, j) => {
      const dM = Math.hypot(a.positionM![0] - b.positionM![0], a.positionM![1] - b.positionM![1]);
      mix[i * hall.sensors.length + j] = i === j ? 1 : togetherM > 0 ? Math.exp(-dM / togetherM) : 0;
    });
  });
  cholesky(mix, hall.sensors.length);
  const shadows = own.map((_, s) =>
    places.map((_place, i) =>
      own.slice(0, s + 1).reduce((sum, row, k) => sum + mix[s * hall.sensors.length + k]! * row[i]!, 0),
    ),
  );
  return places.map(({ xM, yM, zM }, i) => {
    const bursts = Array.from({ length: readings }, (_, b) =>
      hall.sensors.map((s, k) => {
        const [x, y, z] = s.positionM!;
        const mean = -45 - 25 * Math.log10(Math.max(0.7, Math.hypot(x - xM, y - yM, z - zM))) + shadows[k]![i]!;
        return { tMs: 400 * b, sensor: s.id, levelDbm: mean + 2 * rng.normal() };
      }),
    );
    return { xM, yM, zM, floor: "0", bursts };
  });
}

describe("fit", () => {
  it.each(ROUGHNESSES)("shadows drawn from a kernel: %s: recognised in both of two surveys", (roughness) => {
    const found = [1, 2].map((seed) => fitBand(hall, hall.bands[0]!, hall.sensors, points(roughness, seed))!.roughness);
    expect(found.filter((r) => r === roughness).length).toBe(2);
  });

  it("one reading a point that strays by 2 dB: what strays is learned from the neighbours, and not taken from the map", () => {
    const [one, ten] = [1, 10].map((readings) =>
      fitBand(hall, hall.bands[0]!, hall.sensors, points("exponential", 3, readings)),
    );
    expect(one!.shadowSdDb / ten!.shadowSdDb).toBeGreaterThan(0.9);
    expect(Math.hypot(one!.points[0]!.levels[0]!.sdDb!, one!.nuggetSdDb)).toBeLessThan(3.5);
    // Packets of a phone may fade as ever.
    expect(one!.fadingSdDb).toBe(4);
  });

  it("neighbouring sensors that share their shadows: no change of power", () => {
    const fitted = [4, 5].map(
      (seed) => fitBand(hall, hall.bands[0]!, hall.sensors, points("exponential", seed, 10, 12))!,
    );
    for (const { pointPowerSdDb, sensorLengthM } of fitted) {
      expect(pointPowerSdDb).toBe(0);
      expect(sensorLengthM).toBeGreaterThanOrEqual(6);
    }
  });
});
