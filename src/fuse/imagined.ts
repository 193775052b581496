/** Levels of an emitter that is only imagined: drawn from the very model that the localiser concludes by. */
import { type Expectation, GAIN_STEP_DB } from "./density.ts";
import { cholesky } from "./linalg.ts";

/** Where draws come from: numbers between 0 and 1, and standard normal ones. */
export interface Chance {
  uniform(): number;
  normal(): number;
}

/** Factors of the sensors' correlation, made once. */
const factors = new WeakMap<Float64Array, Float64Array>();

/**
 * Levels by sensor, dBm, without the bursts' fading: y = P + g + S at a candidate, P the power at 1 m and S the shadows, normal and
 * correlated between sensors, with one of the variances that the model keeps side by side. Cost: sensors squared; the first time cubed.
 */
export function imagined(
  model: Pick<Expectation, "gains" | "classOf" | "classVariance" | "scales" | "correlation">,
  candidate: number,
  powerDbm: number,
  chance: Chance,
): Float64Array {
  const n = model.gains.sensors;
  const factor = factorOf(model.correlation, n);
  const scale = model.scales[Math.floor(chance.uniform() * model.scales.length)]!;
  const sdDb = Math.sqrt(scale * model.classVariance[model.classOf[candidate]!]!);
  const draws = Float64Array.from({ length: n }, () => chance.normal());
  return Float64Array.from({ length: n }, (_, s) => {
    let shadow = 0;
    for (let j = 0; j <= s; j++) shadow += factor[s * n + j]! * draws[j]!;
    return powerDbm + GAIN_STEP_DB * model.gains.of(candidate, s) + sdDb * shadow;
  });
}

function factorOf(correlation: Float64Array, n: number): Float64Array {
  let factor = factors.get(correlation);
  if (factor === undefined) {
    factor = correlation.slice();
    if (!cholesky(factor, n)) throw new Error("the correlation of sensors is not positive definite");
    factors.set(correlation, factor);
  }
  return factor;
}
