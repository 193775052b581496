import type { Grid } from "./grid.ts";

/** A thinned set of positions with expected gains to all sensors, for looking at once where in the house a level fits. */
export interface SourceGrid {
  readonly sensors: readonly string[];
  readonly size: number;
  /** dB, row a position, column a sensor. */
  readonly gainDb: Float32Array;
  /** Log prior probability of each position; they add up to 1. */
  readonly logPrior: Float64Array;
  /** The candidate of the locator that each position is. */
  readonly at: Int32Array;
  readonly xM: Float64Array;
  readonly yM: Float64Array;
  readonly zM: Float64Array;
  /** What emitters of the band transmit at 1 m before anything is heard, dBm, and the spread around expected gains, dB. */
  readonly powerDbm: number;
  readonly powerSdDb: number;
  readonly shadowDb: number;
}

/** A cell keeps so many positions, and larger zones up to so many. */
const SOURCES_PER_CELL = 4;
const SOURCES_PER_ZONE = 20;
/** Floor area that a position of a larger zone stands for. */
const SOURCE_AREA_M2 = 4;

/**
 * Every so many positions of each zone of a grid. `gain` has a row a candidate and a column a sensor, in steps of `stepDb`;
 * `logPrior` an entry a candidate. Cost: positions times sensors.
 */
export function thinned(
  grid: Grid,
  logPrior: Float64Array,
  sensors: readonly string[],
  gain: Int16Array,
  stepDb: number,
  power: { readonly meanDbm: number; readonly sdDb: number },
  shadowDb: number,
): SourceGrid {
  const at: number[] = [];
  const prior: number[] = [];
  for (const zone of grid.zones) {
    const size = zone.to - zone.from;
    const fair = Math.max(SOURCES_PER_CELL, Math.ceil(zone.areaM2 / SOURCE_AREA_M2));
    const wanted = Math.min(SOURCES_PER_ZONE, fair, size);
    for (let k = 0; k < wanted; k++) {
      at.push(zone.from + Math.floor(((k + 0.5) * size) / wanted));
      prior.push(logPrior[zone.from]! + Math.log(size / wanted));
    }
  }
  const n = sensors.length;
  const gainDb = new Float32Array(at.length * n);
  at.forEach((c, row) => {
    for (let s = 0; s < n; s++) gainDb[row * n + s] = stepDb * gain[c * n + s]!;
  });
  return {
    sensors,
    size: at.length,
    gainDb,
    logPrior: Float64Array.from(prior),
    at: Int32Array.from(at),
    xM: Float64Array.from(at, (c) => grid.xM[c]!),
    yM: Float64Array.from(at, (c) => grid.yM[c]!),
    zM: Float64Array.from(at, (c) => grid.zM[c]!),
    powerDbm: power.meanDbm,
    powerSdDb: power.sdDb,
    shadowDb,
  };
}

/** Distance of two rows of a grid. */
export function distanceM(grid: SourceGrid, a: number, b: number): number {
  return Math.hypot(grid.xM[a]! - grid.xM[b]!, grid.yM[a]! - grid.yM[b]!, grid.zM[a]! - grid.zM[b]!);
}
