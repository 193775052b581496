/**
 * From packets to one level a sensor: bursts found by time, their unknown powers taken out, the levels' error covariance kept.
 *
 * Within a window, y_sb = a_s + P_b + e_sb with a_s the level of sensor s, P_b ~ N(0, tau^2) the burst's departure from the
 * emitter's power and e fading. The generalised least-squares estimate of a and its covariance are sufficient for the
 * position: nothing about it is lost by going from the packets to them. Large tau turns it into differential levels, tau 0
 * into plain means.
 */
import type { SensorId } from "../model.ts";
import { backSolve, cholesky, forwardSolve } from "./linalg.ts";

export interface Packet {
  readonly tMs: number;
  readonly sensor: SensorId;
  readonly levelDbm: number;
}

/** Packets of one emission: at most one a sensor. */
export type Burst = readonly Packet[];

/** Levels of the sensors that heard something in a window. */
export interface WindowLevels {
  readonly sensors: readonly SensorId[];
  readonly levelDbm: Float64Array;
  /** Error covariance of `levelDbm`, n by n, row-major, dB^2. */
  readonly covariance: Float64Array;
  /** Bursts that each of `sensors` heard. */
  readonly heard: readonly number[];
  readonly bursts: number;
}

/**
 * Cuts packets in order of time into bursts: a new one begins when more than `gapMs` has passed since its first packet, or
 * when a sensor reports again.
 */
export function cutBursts(packets: readonly Packet[], gapMs: number): Burst[] {
  const bursts: Packet[][] = [];
  let current: Packet[] = [];
  let seen = new Set<SensorId>();
  for (const packet of packets) {
    if (current.length > 0 && (packet.tMs - current[0]!.tMs > gapMs || seen.has(packet.sensor))) {
      bursts.push(current);
      current = [];
      seen = new Set();
    }
    current.push(packet);
    seen.add(packet.sensor);
  }
  if (current.length > 0) bursts.push(current);
  return bursts;
}

/**
 * Reduces the bursts of one window to one level a sensor.
 *
 * Units: `fadingDb` standard deviation of one packet, `powerSdDb` of a burst's power around the window's mean.
 * Cost: S^3/6 + bursts * S^2. Returns null for no packets.
 */
export function reduceBursts(bursts: readonly Burst[], fadingDb: number, powerSdDb: number): WindowLevels | null {
  const index = new Map<SensorId, number>();
  for (const burst of bursts) for (const p of burst) if (!index.has(p.sensor)) index.set(p.sensor, index.size);
  const n = index.size;
  if (n === 0) return null;
  const f2 = fadingDb * fadingDb;
  const t2 = powerSdDb * powerSdDb;
  const precision = new Float64Array(n * n);
  const right = new Float64Array(n);
  const heard = new Array<number>(n).fill(0);
  for (const burst of bursts) {
    // (f2 I + t2 11')^-1 = (I - k 11') / f2 with k = t2 / (f2 + m t2).
    const k = t2 / (f2 + burst.length * t2);
    let sum = 0;
    for (const p of burst) sum += p.levelDbm;
    for (const p of burst) {
      const i = index.get(p.sensor)!;
      heard[i]!++;
      precision[i * n + i]! += 1 / f2;
      right[i]! += (p.levelDbm - k * sum) / f2;
      for (const q of burst) precision[i * n + index.get(q.sensor)!]! -= k / f2;
    }
  }
  if (!cholesky(precision, n)) throw new Error("burst precision is not positive definite");
  forwardSolve(precision, n, right);
  backSolve(precision, n, right);
  const covariance = new Float64Array(n * n);
  const column = new Float64Array(n);
  for (let j = 0; j < n; j++) {
    column.fill(0);
    column[j] = 1;
    forwardSolve(precision, n, column);
    backSolve(precision, n, column);
    for (let i = 0; i < n; i++) covariance[i * n + j] = column[i]!;
  }
  return { sensors: [...index.keys()], levelDbm: right, covariance, heard, bursts: bursts.length };
}

/**
 * Sums for the variance of the bursts' power, free of where the emitter is: what the sensors share within a window beyond
 * what their fading explains.
 */
export interface PowerScatter {
  /** Sum of squares of burst effects, less what fading adds to it, dB^2. */
  readonly squares: number;
  /** Degrees of freedom. */
  readonly degrees: number;
  /** Sum of squares of the residuals of the two-way fit, dB^2, and its degrees of freedom: fading. */
  readonly fadingSquares: number;
  readonly fadingDegrees: number;
}

/** Two-way fit level = sensor + burst by alternating means (unbalanced), 8 rounds. */
export function powerScatter(bursts: readonly Burst[]): PowerScatter {
  const used = bursts.filter((b) => b.length >= 3);
  const none: PowerScatter = { squares: 0, degrees: 0, fadingSquares: 0, fadingDegrees: 0 };
  if (used.length < 2) return none;
  const sensorLevel = new Map<SensorId, number>();
  const effect = new Float64Array(used.length);
  for (let round = 0; round < 8; round++) {
    const sums = new Map<SensorId, [number, number]>();
    used.forEach((burst, b) => {
      for (const p of burst) {
        const entry = sums.get(p.sensor) ?? [0, 0];
        entry[0] += p.levelDbm - effect[b]!;
        entry[1]++;
        sums.set(p.sensor, entry);
      }
    });
    for (const [s, [sum, count]] of sums) sensorLevel.set(s, sum / count);
    let mean = 0;
    used.forEach((burst, b) => {
      let sum = 0;
      for (const p of burst) sum += p.levelDbm - sensorLevel.get(p.sensor)!;
      effect[b] = sum / burst.length;
      mean += effect[b]! / used.length;
    });
    for (let b = 0; b < used.length; b++) effect[b]! -= mean;
  }
  let packets = 0;
  let fadingSquares = 0;
  used.forEach((burst, b) => {
    packets += burst.length;
    for (const p of burst) fadingSquares += (p.levelDbm - sensorLevel.get(p.sensor)! - effect[b]!) ** 2;
  });
  const fadingDegrees = packets - sensorLevel.size - used.length + 1;
  if (fadingDegrees <= 0) return none;
  const fading2 = fadingSquares / fadingDegrees;
  let squares = 0;
  used.forEach((burst, b) => {
    squares += effect[b]! ** 2 - (fading2 / burst.length) * (1 - 1 / used.length);
  });
  return { squares, degrees: used.length - 1, fadingSquares, fadingDegrees };
}
