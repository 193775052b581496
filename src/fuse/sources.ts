import type { Grid } from "./grid.ts";
import type { HeldGains } from "./held.ts";
import type { Source } from "./mixture.ts";

/** A thinned set of positions with expected gains to all sensors, for looking at once where in the house a level fits. */
export interface SourceGrid {
  readonly sensors: readonly string[];
  readonly size: number;
  /** dB, row a position, column a sensor. */
  readonly gainDb: Float32Array;
  /** Log prior probability of each position; they add up to 1. */
  readonly logPrior: Float64Array;
  /** 1 where the position is outside the house. */
  readonly outside: Uint8Array;
  /** The candidate of the locator that each position is. */
  readonly at: Int32Array;
  readonly xM: Float64Array;
  readonly yM: Float64Array;
  readonly zM: Float64Array;
  /** What emitters of the band transmit at 1 m before anything is heard, dBm, and the spread around expected gains, dB. */
  readonly powerDbm: number;
  readonly powerSdDb: number;
  /** The most that a phone can give at 1 m, dBm, as peaks are read; Infinity where nobody knows. */
  readonly mostPowerDbm: number;
  readonly shadowDb: number;
}

/** A cell keeps so many positions, and larger zones up to so many. */
const SOURCES_PER_CELL = 4;
const SOURCES_PER_ZONE = 20;
/** Outside: from far away the house is seen from so many sides, near and far. */
const SOURCES_OUTSIDE = 60;
/** Floor area that a position of a larger zone stands for. */
const SOURCE_AREA_M2 = 4;

/**
 * What phones radiate at the most, dBm, where GSM is (3GPP TS 45.005: class 4 below 1 GHz, class 1 of DCS and PCS), and elsewhere (TS 36.101
 * and 38.101, power class 2).
 */
const GSM_BANDS = [
  { fromHz: 824e6, toHz: 915e6, mostDbm: 33 },
  { fromHz: 1710e6, toHz: 1910e6, mostDbm: 30 },
];
const MOST_ELSEWHERE_DBM = 26;
/** By how much the peak of a window's fading bursts stands over their mean (Rician fading, K = 3, some ten bursts), dB. */
const PEAK_DB = 4;
const LIGHT_M_S = 299_792_458;

/** The highest peak at 1 m that a phone gives in a band, dBm: its power less the free-space loss of a metre. */
export function mostPowerDbm(loHz: number, hiHz: number): number {
  const gsm = GSM_BANDS.filter((b) => loHz < b.toHz && hiHz > b.fromHz).map((b) => b.mostDbm);
  const eirpDbm = Math.max(MOST_ELSEWHERE_DBM, ...gsm);
  return eirpDbm + PEAK_DB - 20 * Math.log10((4 * Math.PI * loHz) / LIGHT_M_S);
}

/**
 * Bands that need no licence: devices of a kind transmit at one power there, while on a network's uplink power control moves phones over
 * 60 dB (domain 4.2). Sources: EN 300 220 (863 to 870 MHz), EN 300 328 (2.4 GHz), EN 301 893 and EN 302 502 (5 GHz).
 */
const UNLICENSED = [
  { fromHz: 863e6, toHz: 870e6 },
  { fromHz: 2400e6, toHz: 2483.5e6 },
  { fromHz: 5150e6, toHz: 5875e6 },
];

/** Whether devices of a band transmit at one power, by the band's middle. */
export function atOnePower(loHz: number, hiHz: number): boolean {
  const middleHz = (loHz + hiHz) / 2;
  return UNLICENSED.some((b) => middleHz >= b.fromHz && middleHz <= b.toHz);
}

/**
 * Every so many positions of each zone of a grid. `gains` are in steps of `stepDb`;
 * `logPrior` an entry a candidate. Cost: positions times sensors.
 */
export function thinned(
  grid: Grid,
  logPrior: Float64Array,
  sensors: readonly string[],
  gains: HeldGains,
  stepDb: number,
  power: { readonly meanDbm: number; readonly sdDb: number; readonly mostDbm: number },
  shadowDb: number,
): SourceGrid {
  const at: number[] = [];
  const prior: number[] = [];
  for (const zone of grid.zones) {
    const size = zone.to - zone.from;
    const outside = zone.kind === "outside";
    const fair = Math.max(SOURCES_PER_CELL, Math.ceil(zone.areaM2 / SOURCE_AREA_M2));
    const wanted = Math.min(size, outside ? SOURCES_OUTSIDE : Math.min(SOURCES_PER_ZONE, fair));
    for (let k = 0; k < wanted; k++) {
      at.push(zone.from + Math.floor(((k + 0.5) * size) / wanted));
      prior.push(logPrior[zone.from]! + Math.log(size / wanted));
    }
  }
  const n = sensors.length;
  const gainDb = new Float32Array(at.length * n);
  at.forEach((c, row) => {
    for (let s = 0; s < n; s++) gainDb[row * n + s] = stepDb * gains.of(c, s);
  });
  return {
    sensors,
    size: at.length,
    gainDb,
    logPrior: Float64Array.from(prior),
    outside: Uint8Array.from(at, (c) => (grid.zones[grid.zone[c]!]!.kind === "outside" ? 1 : 0)),
    at: Int32Array.from(at),
    xM: Float64Array.from(at, (c) => grid.xM[c]!),
    yM: Float64Array.from(at, (c) => grid.yM[c]!),
    zM: Float64Array.from(at, (c) => grid.zM[c]!),
    powerDbm: power.meanDbm,
    powerSdDb: power.sdDb,
    mostPowerDbm: power.mostDbm,
    shadowDb,
  };
}

/** Distance of two rows of a grid. */
export function distanceM(grid: SourceGrid, a: number, b: number): number {
  return Math.hypot(grid.xM[a]! - grid.xM[b]!, grid.yM[a]! - grid.yM[b]!, grid.zM[a]! - grid.zM[b]!);
}

/** What an emitter at a row gives, from the plan alone; `dbm` its level at 1 m, `sdDb` how far off the plan may be. */
export function plannedSource(grid: SourceGrid, row: number, dbm: number, sdDb: number): Source {
  const n = grid.sensors.length;
  const levelDbm = new Float64Array(n);
  for (let i = 0; i < n; i++) levelDbm[i] = dbm + grid.gainDb[row * n + i]!;
  return { levelDbm, sdDb: new Float64Array(n).fill(sdDb), logOn: 0, certain: false, at: row };
}

/** Where an emitter may be, as rows of a grid with probabilities that add up to 1; the likeliest first. */
export interface Whereabouts {
  readonly rows: readonly number[];
  readonly p: readonly number[];
}

/** So many rows stand for a posterior, and none that is so much less likely than the first. */
const MOST_ROWS = 8;
const LEAST_SHARE = 0.02;

/** The rows that hold most of a posterior over the locator's candidates; `logPrior` as the locator has it. Cost: a pass over the grid. */
export function whereabouts(grid: SourceGrid, logPosterior: Float64Array, logPrior: Float64Array): Whereabouts {
  const best: { row: number; log: number }[] = [];
  for (let row = 0; row < grid.size; row++) {
    // A row stands for as many candidates as share its prior.
    const log = logPosterior[grid.at[row]!]! + grid.logPrior[row]! - logPrior[grid.at[row]!]!;
    if (best.length === MOST_ROWS && log <= best[MOST_ROWS - 1]!.log) continue;
    let at = best.length;
    while (at > 0 && best[at - 1]!.log < log) at--;
    best.splice(at, 0, { row, log });
    if (best.length > MOST_ROWS) best.pop();
  }
  const kept = best.map((b) => ({ row: b.row, p: Math.exp(b.log - best[0]!.log) })).filter((b) => b.p >= LEAST_SHARE);
  const sum = kept.reduce((total, b) => total + b.p, 0);
  return { rows: kept.map((b) => b.row), p: kept.map((b) => b.p / sum) };
}
