/**
 * How likely a sensor is to hear a burst, given the level expected there, learned from labelled points.
 *
 * h(level) = hearing * Phi((level - floor) / spread). Packets collide and sweeps look elsewhere whatever the level (hearing),
 * and weak ones drown (floor). Where no dependence on the level shows, the floor is left out and silence says nothing.
 */
import type { SensorCalibration } from "../model.ts";
import { normalCdf } from "./linalg.ts";
import { minimise } from "./simplex.ts";

export interface HearingSample {
  /** Index of the sensor. */
  readonly sensor: number;
  /** Level expected by the rest of the labelled points, dBm. */
  readonly expectedDbm: number;
  /** Spread of the truth around it, fading included, dB. */
  readonly sdDb: number;
  readonly heard: number;
  readonly bursts: number;
}

export interface Hearing {
  readonly hearing: number;
  readonly floorDbm: number | null;
  readonly floorSpreadDb: number;
}

/** Misses of one point share their cause: so many bursts count as independent at the most. */
const MOST_LOOKS = 6;
/** The floor must explain the misses so many nats better than a constant share does. */
const WORTH_NATS = 6;
const LEAST = 0.02;

/** Log-likelihood of the samples; overdispersed counts are scaled down to `MOST_LOOKS`. */
export function hearingLogLikelihood(samples: readonly HearingSample[], h: Hearing): number {
  let sum = 0;
  for (const s of samples) {
    const scale = s.bursts > MOST_LOOKS ? MOST_LOOKS / s.bursts : 1;
    const p = hearProbability(h, s.expectedDbm, s.sdDb);
    sum += scale * (s.heard * Math.log(p) + (s.bursts - s.heard) * Math.log(1 - p));
  }
  return sum;
}

/** Probability of hearing one burst whose level is known to `sdDb`; kept within 0.005 .. 0.995. */
export function hearProbability(h: Hearing, expectedDbm: number, sdDb: number): number {
  const share =
    h.floorDbm === null
      ? 1
      : normalCdf((expectedDbm - h.floorDbm) / Math.sqrt(h.floorSpreadDb * h.floorSpreadDb + sdDb * sdDb));
  return Math.min(0.995, Math.max(0.005, h.hearing * share));
}

function logistic(x: number): number {
  return LEAST + (1 - 2 * LEAST) / (1 + Math.exp(-x));
}

/** Fits one hearing curve for all sensors, then moves each sensor's share and floor as far as its own samples warrant. */
export function fitHearing(samples: readonly HearingSample[], sensors: number): Hearing[] {
  const flat: Hearing = { hearing: share(samples, 0.7, 4), floorDbm: null, floorSpreadDb: 3 };
  let pooled = flat;
  if (samples.length > 0) {
    const levels = samples.map((s) => s.expectedDbm).sort((a, b) => a - b);
    const low = levels[Math.floor(levels.length / 10)]!;
    const read = (x: readonly number[]): Hearing => ({
      hearing: logistic(x[0]!),
      floorDbm: x[1]!,
      floorSpreadDb: 1 + Math.exp(x[2]!),
    });
    const cost = (x: readonly number[]): number => -hearingLogLikelihood(samples, read(x)) + (x[2]! - 1) ** 2 / 2;
    const best = minimise(cost, [2, low, 1], [1, 6, 0.7], 200);
    if (-best.cost > hearingLogLikelihood(samples, flat) + WORTH_NATS) pooled = read(best.x);
  }
  return Array.from({ length: sensors }, (_, i) =>
    ownHearing(
      pooled,
      samples.filter((s) => s.sensor === i),
    ),
  );
}

function ownHearing(pooled: Hearing, own: readonly HearingSample[]): Hearing {
  if (own.length === 0) return pooled;
  if (pooled.floorDbm === null) return { ...pooled, hearing: share(own, pooled.hearing, 20) };
  let best = pooled;
  let top = Number.NEGATIVE_INFINITY;
  for (let step = -4; step <= 4; step++) {
    const tried = { ...pooled, floorDbm: pooled.floorDbm + 3 * step };
    // Receivers of one make differ by a few dB in sensitivity.
    const value = hearingLogLikelihood(own, tried) - ((3 * step) / 5) ** 2 / 2;
    if (value > top) {
      top = value;
      best = tried;
    }
  }
  return best;
}

function share(samples: readonly HearingSample[], prior: number, weight: number): number {
  let [heard, bursts] = [prior * weight, weight];
  for (const s of samples) {
    heard += s.heard;
    bursts += s.bursts;
  }
  return Math.min(0.98, Math.max(LEAST, heard / bursts));
}

export function hearingOf(sensor: SensorCalibration): Hearing {
  return { hearing: sensor.hearing, floorDbm: sensor.floorDbm, floorSpreadDb: sensor.floorSpreadDb };
}
