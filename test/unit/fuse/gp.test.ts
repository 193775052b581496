import { describe, expect, it } from "vitest";
import {
  covarianceOf,
  crossOf,
  distancesM,
  factorOf,
  type Kernel,
  leaveOneOut,
  type Place,
  predictResidual,
} from "../../../src/fuse/gp.ts";

const kernel: Kernel = { shadowSdDb: 4, shadowLengthM: 5, nuggetSdDb: 1, offsetSdDb: 2, roughness: "exponential" };
const points: Place[] = [0, 3, 7, 12, 20].map((xM) => ({ xM, yM: xM % 4, zM: 1 }));
const level = Float64Array.of(3, 1, -2, 0, 4);
const noise = new Float64Array(points.length).fill(0.5);

describe("gp", () => {
  it("leave one out: closed form: equals leaving each point out in turn", () => {
    const { residual, variance } = leaveOneOut(
      factorOf(kernel, covarianceOf(kernel, distancesM(points)), noise),
      points.length,
      [level],
    );
    points.forEach((place, i) => {
      const rest = points.filter((_, k) => k !== i);
      const factor = factorOf(kernel, covarianceOf(kernel, distancesM(rest)), noise.slice(1));
      const own = Float64Array.from(level.filter((_, k) => k !== i));
      const predicted = predictResidual(kernel, factor, [own], crossOf(kernel, [place], rest));
      expect(residual[0]![i]).toBeCloseTo(level[i]! - predicted.mean[0]!, 6);
      expect(variance[i]).toBeCloseTo(predicted.variance[0]! + 1 + 0.5, 4);
    });
  });

  it("prediction: far from all points: only the sensor's offset is known", () => {
    const factor = factorOf(kernel, covarianceOf(kernel, distancesM(points)), noise);
    const far = predictResidual(kernel, factor, [level], crossOf(kernel, [{ xM: 1e4, yM: 0, zM: 1 }], points));
    expect(far.variance[0]).toBeGreaterThan(16);
    expect(Math.abs(far.mean[0]!)).toBeLessThan(2);
  });
});
