/**
 * Levels of a labelled point that was not heard as often as it might have been: what the packets that were missed say.
 *
 * Heard packets alone tell too high a mean where most drown, and nothing where all do. With the level's mean m, packets are
 * N(m, sigma^2), heard with probability q if they are over the sensor's floor; what the other points foretell of m is normal. The
 * posterior of m, by a sum over a grid, is divided by that forecast, which leaves a level and a variance that stand for the
 * point's packets in a Gaussian process (expectation propagation: Minka 2001; censoring: Tobin 1958).
 */
import { normalCdf } from "./linalg.ts";

export interface Packets {
  /** Packets heard, their mean level (dBm), and packets missed. */
  readonly heard: number;
  readonly levelDbm: number;
  readonly missed: number;
}

export interface Receiver {
  /** Level below which it hears nothing, dBm. */
  readonly floorDbm: number;
  /** Share of packets over it that it hears. */
  readonly share: number;
  /** Spread of one packet, dB. */
  readonly packetDb: number;
}

/** Level and variance in place of the packets. */
export interface Site {
  readonly levelDbm: number;
  readonly variance: number;
}

/** Packets of one point share what the model lacks: so many count at the most. */
const MOST_PACKETS = 30;
/** Half width of the grid in spreads of the forecast, and its points. */
const WIDTH = 5;
const POINTS = 81;
/** Variance that says nothing beside shadows of some dB, dB^2. */
export const NOTHING_DB2 = 1e4;

/**
 * What stands for the packets, given the forecast of their mean by all other points.
 *
 * @param meanDbm forecast, dBm
 * @param variance of the forecast, dB^2
 */
export function siteOf(p: Packets, r: Receiver, meanDbm: number, variance: number): Site {
  const scale = Math.min(1, MOST_PACKETS / Math.max(1, p.heard + p.missed));
  const [heard, missed] = [p.heard * scale, p.missed * scale];
  const sd = Math.sqrt(variance);
  const log = new Float64Array(POINTS);
  let top = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < POINTS; k++) {
    const u = WIDTH * ((2 * k) / (POINTS - 1) - 1);
    const m = meanDbm + sd * u;
    const silent = 1 - r.share * normalCdf((m - r.floorDbm) / r.packetDb);
    let value = -u * u * 0.5 + missed * Math.log(silent);
    if (heard > 0) value -= (heard * (p.levelDbm - m) ** 2) / (2 * r.packetDb * r.packetDb);
    log[k] = value;
    if (value > top) top = value;
  }
  let [sum, first, second] = [0, 0, 0];
  for (let k = 0; k < POINTS; k++) {
    const w = Math.exp(log[k]! - top);
    const u = WIDTH * ((2 * k) / (POINTS - 1) - 1);
    sum += w;
    first += w * u;
    second += w * u * u;
  }
  const mean = first / sum;
  // The grid's own step bounds what can be told.
  const step = (2 * WIDTH) / (POINTS - 1);
  const left = Math.max((step * step) / 12, second / sum - mean * mean);
  const precision = 1 / left - 1;
  if (precision * NOTHING_DB2 <= variance) return { levelDbm: meanDbm + sd * mean, variance: NOTHING_DB2 };
  return { levelDbm: meanDbm + (sd * (mean / left)) / precision, variance: variance / precision };
}
