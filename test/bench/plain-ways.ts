/**
 * The ways in which the sensors of a plain block (`plain-block.ts`) tell what they measured: which values, how rounded, how often, by
 * which clock, one by one or in batches, with what lost, late or added, and what the plan says of the house. `plain-told.ts` tells it so.
 */
import { mulberry32 } from "../support/noise.ts";
import { type PlainBlock, type Reading, START_MS } from "./plain-block.ts";
import {
  clockwise,
  grown,
  halves,
  merged,
  moved,
  onlyCells,
  type PlainSite,
  type Point,
  quartered,
  shifted,
  storeys,
  surveyed,
  swapped,
} from "./plain-plans.ts";

/** A service that starts then meets the first calls in its learning. */
const COLD_S = 75;
/** When a third of the sensors cannot send, and when their gateway delivers what it kept, s. */
const CUT_S = [600, 780] as const;
/** When a fifth of the sensors fall silent for good, s. */
const DEAD_S = 500;
/** Clocks are off by up to this and drift by up to that: unsynchronised quartz, ms and parts per million. */
const CLOCK_OFF_MS = 400;
const CLOCK_PPM = 40;
/** Floors go up and down with the temperature of a receiver's front end: amplitude, dB, and period, s. */
const FLOOR_DB = 2;
const FLOOR_S = 3600;
/** What a receiver can tell at the most and at the least, dBm. */
const RANGE_DBM = [-95, -30] as const;
/** Units differ by up to this, or change by it then: an aerial's plug, an amplifier's step, dB and s. */
const UNIT_DB = 6;
const CHANGE_S = 700;
/** How far a clock jumps back that is set by hand or by a second source of time. */
const BACK_MS = 6000;
/** Another load of the cell outside, or a base of a cordless phone, comes on then and stays. */
const LOAD_DB = 5;
/** Messages come late by up to this, ms: less than a live window waits. */
const LATE_MS = 8000;
/** A wide-band burst: how long, how often, s, and how loud where, dBm. */
const BURST_S = [2, 60] as const;
const BURST_DBM = -75;
/** A cordless phone's base (DECT, 24 dBm, one slot of 24) in the band beside its own, as 1800 MHz receivers let it through, dB. */
const BASE_DBM = 24;
const BASE_DUTY = 1 / 24;
const BESIDE_DB = 30;
/** What a receiver's own noise makes of a level that stays, dB to each side. */
const STEADY_DB = 0.7;

type Column = "rms_dbm" | "peak_dbm" | "duty";
export const ALL: readonly Column[] = ["rms_dbm", "peak_dbm", "duty"];

export interface Way {
  readonly columns?: readonly Column[];
  readonly round?: boolean;
  readonly events?: boolean;
  readonly births?: boolean;
  readonly fromS?: number;
  readonly batches?: boolean;
  /** Every message comes twice. */
  readonly twice?: boolean;
  /** The whole block is without power from the one to the other, s; then all sensors start anew. */
  readonly offS?: readonly [fromS: number, untilS: number];
  /** Judged as the live service does, and not as a replay that has all patience. */
  readonly live?: boolean;
  /** Time between readings, ms, where it is not the world's: of many readings one is made, or the world reports so often. */
  readonly periodMs?: number;
  /** What the bands are called. */
  readonly label?: (band: string) => string;
  /** Whether a reading of a sensor has a band at all. */
  readonly has?: (sensor: number, seq: number, band: number) => boolean;
  /** Whether a reading lacks a column. */
  readonly lacks?: (reading: Reading, column: Column) => boolean;
  /** What becomes of the site file, and of the points of the truth. */
  readonly site?: (site: PlainSite) => PlainSite;
  readonly point?: (xM: number, yM: number) => Point;
  /** How much later than else a message of a reading comes, ms. */
  readonly lateMs?: (reading: Reading) => number;
  /** Whether a message is sent and never arrives. */
  readonly lost?: (reading: Reading) => boolean;
  /** What becomes of the readings; null: it is never sent. */
  readonly becomes?: (reading: Reading, block: PlainBlock) => Reading | null;
}

/** A number between 0 and 1 of a sensor, the same at each reading. */
const of = (sensor: number, purpose: number) => mulberry32(1000 * purpose + sensor)();
/** The same between -1 and 1. */
const about = (sensor: number, purpose: number) => 2 * of(sensor, purpose) - 1;
const isLost = (r: Reading) => of(r.sensor, 10 + r.seq) < 1 / 12;
const lateMs = (r: Reading) => Math.floor(LATE_MS * of(r.sensor, 1e5 + r.seq));
const secondOf = (r: Reading) => (r.tsMs - START_MS) / 1000;

const round = (v: number) => Math.round(10 * v) / 10;
/** A reading in another scale. */
function scaled(r: Reading, to: (dbm: number, band: number) => number): Reading {
  return { ...r, rmsDbm: r.rmsDbm.map(to), peakDbm: r.peakDbm.map(to) };
}
const plus = (r: Reading, db: number | ((band: number) => number)) =>
  scaled(r, (v, b) => round(v + (typeof db === "number" ? db : db(b))));

/** A reading with another signal in it, which has that level while it is on, dBm, and that share of the time. */
function beside(r: Reading, dbmOf: (band: number) => number, duty: number): Reading {
  const sum = (a: number, b: number) => round(10 * Math.log10(10 ** (a / 10) + 10 ** (b / 10)));
  const dutyDb = 10 * Math.log10(duty);
  return {
    ...r,
    rmsDbm: r.rmsDbm.map((v, b) => sum(v, dbmOf(b) + dutyDb)),
    peakDbm: r.peakDbm.map((v, b) => (dbmOf(b) > v - 10 ? sum(v, dbmOf(b) + 3) : v)),
    duty: r.duty.map((v, b) => (dbmOf(b) > r.rmsDbm[b]! + 3 ? Math.max(v, Math.round(1000 * duty) / 1000) : v)),
  };
}

/** Level of the cordless phone's base in the middle of the ground floor's corridor: 3 powers of the distance, a slab 15 dB. */
function baseDbm(block: PlainBlock, { sensor, seq }: Reading): number {
  const { sensors, zones } = block.site as PlainSite;
  const corridor = zones.find((z) => z.kind === "corridor")!.polygon;
  const middle = (axis: 0 | 1) => (corridor[0]![axis] + corridor[2]![axis]) / 2;
  const { position_m: at, floor } = sensors[sensor]!;
  const farM = Math.max(1, Math.hypot(at[0] - middle(0), at[1] - middle(1), 1));
  return (
    BASE_DBM -
    BESIDE_DB -
    38 -
    30 * Math.log10(farM) -
    15 * Number(floor) +
    4 * about(sensor, 6) +
    STEADY_DB * about(sensor, 3e5 + seq)
  );
}

const EU_AS_US: Readonly<Record<string, string>> = {
  "lte800-ul": "cell850-ul",
  "gsm900-ul": "lte700c-ul",
  "lte1800-ul": "aws1700-ul",
};

export const WAYS: Readonly<Record<string, Way>> = {
  all: {},
  means: { columns: ["rms_dbm"] },
  peaks: { columns: ["peak_dbm"] },
  "whole dB": { round: true },
  events: { events: true },
  "no births": { births: false },
  cold: { fromS: COLD_S },
  batches: { batches: true },
  /** The right half of the block is a block of its own. */
  blocks: { site: halves },
  /** The plan in the coordinates of a country's survey, and not along its axes. */
  turned: { site: (site) => moved(site, surveyed), point: surveyed },
  /** Half of the sensors report every fourth instant. */
  mixed: { becomes: (r) => (r.sensor % 2 === 1 && r.seq % 4 !== 0 ? null : r) },
  clocks: {
    becomes: (r) => {
      const driftMs = 1000 * secondOf(r) * 1e-6 * CLOCK_PPM * about(r.sensor, 2);
      return { ...r, tsMs: Math.round(r.tsMs + CLOCK_OFF_MS * about(r.sensor, 1) + driftMs) };
    },
  },
  /** One reading in twelve is never made. */
  lossy: { becomes: (r) => (of(r.sensor, 10 + r.seq) < 1 / 12 ? null : r) },
  /** One message in twelve never arrives. */
  losing: { live: true, lost: isLost },
  cut: {
    becomes: (r) => {
      const [fromMs, toMs] = CUT_S.map((s) => START_MS + 1000 * s) as [number, number];
      const kept = r.sensor % 3 === 0 && r.atMs >= fromMs && r.atMs < toMs;
      return kept ? { ...r, atMs: toMs + Math.floor((r.atMs - fromMs) / 20) } : r;
    },
  },
  dead: { becomes: (r) => (r.sensor % 5 === 2 && r.atMs > START_MS + 1000 * DEAD_S ? null : r) },
  drift: { becomes: (r) => plus(r, FLOOR_DB * Math.sin(2 * Math.PI * (secondOf(r) / FLOOR_S + of(r.sensor, 3)))) },
  live: { live: true },
  "10 Hz": { periodMs: 100, batches: true },
  "5 s": { periodMs: 5000 },
  "10 s": { periodMs: 10_000 },
  /** One band after the other, a reading each. */
  turns: { has: (_, seq, band) => seq % 3 === band },
  /** Half of the house hears 900 MHz, the other the rest. */
  "one band": { has: (sensor, _, band) => (sensor % 2 === 0) === (band === 1) },
  american: { label: (band) => EU_AS_US[band]! },
  clipped: { becomes: (r) => scaled(r, (v) => Math.min(RANGE_DBM[1], Math.max(RANGE_DBM[0], v))) },
  units: { becomes: (r) => plus(r, UNIT_DB * about(r.sensor, 4)) },
  /** One sensor in ten. */
  jump: { becomes: (r) => (r.sensor % 10 === 3 && secondOf(r) > CHANGE_S ? plus(r, UNIT_DB) : r) },
  step: { becomes: (r) => (secondOf(r) > CHANGE_S ? plus(r, UNIT_DB) : r) },
  /** The cell outside is busier from then on, within a minute. */
  load: {
    becomes: (r) => {
      const share = Math.min(1, Math.max(0, (secondOf(r) - CHANGE_S) / 60));
      return beside(
        r,
        (b) =>
          b === 2 && share > 0 ? -101 + 10 * Math.log10(10 ** (share * LOAD_DB * of(r.sensor, 5) * 0.2) - 0.999) : -200,
        1,
      );
    },
  },
  bursts: {
    becomes: (r) =>
      secondOf(r) % BURST_S[1] < BURST_S[0] ? beside(r, () => BURST_DBM + 3 * about(r.sensor, 7), 1) : r,
  },
  dect: {
    becomes: (r, block) =>
      secondOf(r) > CHANGE_S ? beside(r, (b) => (b === 2 ? baseDbm(block, r) : -200), BASE_DUTY) : r,
  },
  /** Clocks of a quarter of the sensors jump back by six seconds, once. */
  "jump back": {
    becomes: (r) => (r.sensor % 4 === 1 && secondOf(r) > CHANGE_S ? { ...r, tsMs: r.tsMs - BACK_MS } : r),
  },
  "jump back live": {
    live: true,
    becomes: (r) => (r.sensor % 4 === 1 && secondOf(r) > CHANGE_S ? { ...r, tsMs: r.tsMs - BACK_MS } : r),
  },
  /** Firmware under load tells one value of all bands, the highest, in one reading of twenty. */
  overloaded: {
    becomes: (r) => {
      if (of(r.sensor, 4e5 + r.seq) >= 1 / 20) return r;
      const [rms, peak, duty] = [r.rmsDbm, r.peakDbm, r.duty].map((v) => Math.max(...v)) as [number, number, number];
      return {
        ...r,
        rmsDbm: r.rmsDbm.map(() => rms),
        peakDbm: r.peakDbm.map(() => peak),
        duty: r.duty.map(() => duty),
      };
    },
  },
  /** A third of the readings lack a mean or a peak. */
  gappy: {
    lacks: (r, column) => column !== "duty" && of(r.sensor, 5e5 + r.seq + (column === "rms_dbm" ? 0 : 7e5)) < 1 / 3,
  },
  storeys: { site: storeys },
  swapped: { site: swapped },
  shifted: { site: shifted },
  "no walls": { site: (site) => ({ ...site, walls: [] }) },
  dormitories: { site: merged },
  overlap: { site: grown },
  "odd rings": { site: clockwise },
  "tiny cells": { site: quartered },
  "only cells": { site: onlyCells },
  off: { offS: [600, 720] },
  twice: { twice: true },
  disorder: { lateMs },
  "disorder live": { lateMs, live: true },
  "disorder and losing": { lateMs, lost: isLost, live: true },
  floats: { becomes: (r) => scaled(r, (v, b) => v + Math.round(1e5 * about(r.sensor, 2e5 + 3 * r.seq + b)) / 2e6) },
  /** Clocks that tell whole seconds: several readings have one instant. */
  seconds: { becomes: (r) => ({ ...r, tsMs: 1000 * Math.floor(r.tsMs / 1000) }) },
};
