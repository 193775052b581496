/** What silence says of a level that the plan expects. */
import type { Hearing } from "./hearing.ts";
import { normalCdf } from "./linalg.ts";
import { MEETS } from "./mixture.ts";

/**
 * How often a sweep meets an emitter's bursts differs by sensor and stays for a while, as their rhythms stand to each other. The
 * share of a sensor is so uncertain beforehand as after so many windows: several silent ones in a row say less than as many apart.
 */
const MEETS_WINDOWS = 2;
/** A sensor that should have heard may still be silent for good: it is covered, or looks elsewhere. */
export const IDLE_MISS = 0.05;
/** More silence than this adds nothing. */
const LEAST = 0.01;

/** Probability that a sensor which can hear an emitter met it in none of so many windows (beta-binomial). */
export function missedAll(windows: number): number {
  let p = 1;
  for (let i = 0; i < windows && p > LEAST; i++) p *= ((1 - MEETS) * MEETS_WINDOWS + i) / (MEETS_WINDOWS + i);
  return p;
}

/** After so many silent windows one more says nothing: `missedAll` has become the share that never hears. */
const LAST_WINDOW = 16;
/** Sensors that stated their floors, by silent windows; levels are counted from there. */
const STATED: readonly Hearing[] = Array.from({ length: LAST_WINDOW + 1 }, (_, windows) => ({
  hearing: 1 - Math.max(IDLE_MISS, missedAll(windows)),
  floorDbm: 0,
  floorSpreadDb: 0,
}));

/** How a sensor that stated its floor hears in at least one of so many windows; left out, of any number. */
export function hearsWithin(windows = LAST_WINDOW): Hearing {
  return STATED[Math.min(windows, LAST_WINDOW)]!;
}

/**
 * A level that is expected at a sensor, after windows in which nothing was heard there: mean and spread, dB, of the normal
 * distribution whose part above the floor is only as likely as that the sensor missed all of them. Constant cost.
 */
export function afterSilence(
  meanDbm: number,
  sdDb: number,
  floorDbm: number,
  windows: number,
): { readonly meanDbm: number; readonly sdDb: number } {
  const missed = missedAll(windows);
  const t = (floorDbm - meanDbm) / sdDb;
  const below = normalCdf(t);
  const density = Math.exp(-0.5 * t * t) / Math.sqrt(2 * Math.PI);
  // Moments of the two weighted parts, in units of the spread.
  const mass = below + missed * (1 - below);
  const first = (-(1 - missed) * density) / mass;
  const square = 1 - ((1 - missed) * t * density) / mass;
  return { meanDbm: meanDbm + sdDb * first, sdDb: sdDb * Math.sqrt(square - first * first) };
}
