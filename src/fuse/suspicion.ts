import type { SensorId } from "../model.ts";
import { normalCdf } from "./linalg.ts";
import type { Observation } from "./locate.ts";
import type { SourceGrid } from "./sources.ts";

/**
 * What one use of a phone says of each sensor, given where the others put the phone, and what several uses say together.
 *
 * At position r of the grid the phone's power is the median of level less gain over the sensors that heard it, which one liar
 * among four does not move; a position's score is the sum of log densities of what is left, each normal with a share of strays.
 * Without sensor i the weight of r is that of the score less i's own term. i's residuals over these weights, shifted by an offset
 * b, give `L_i(b)`, the likelihood of what it said if it reads b dB too much; silence counts as everywhere below its floor.
 */

/** Log likelihood of one use at each offset of `OFFSETS_DB`, and if it hung where each sensor of the grid does; where the phone was. */
export interface Curve {
  readonly log: Float64Array;
  readonly asOther: Float64Array;
  readonly xM: number;
  readonly yM: number;
  readonly zM: number;
}

/** A use that says nothing of a sensor: it was silent, and would have been at any offset that is looked at. */
export const LIKE_NOTHING: Curve = { log: new Float64Array(0), asOther: new Float64Array(0), xM: 0, yM: 0, zM: 0 };

/** Offsets that are told apart, dB. */
const STEP_DB = 4;
const MOST_OFFSET_DB = 40;
export const OFFSETS_DB = Array.from(
  { length: (2 * MOST_OFFSET_DB) / STEP_DB + 1 },
  (_, k) => -MOST_OFFSET_DB + k * STEP_DB,
);
/** Others that must have heard the phone for it to be located without one. */
const FEWEST_OTHERS = 4;
/** Strays: readings that are of something else, over so many dB; and silence though a sensor should have heard. */
const STRAYS = 0.03;
const STRAY_DB = 100;
const MISSES = 0.05;
/** Fading of a use's mean, body and hand; and the four positions that stand for a cell. */
const USE_DB = 4;
const PLACE_DB = 2;
/** Neighbours' shadowing goes together, so terms of a score say less than their sum. */
const TEMPER = 0.8;
/** Positions so far behind the best have no weight, also without one sensor. */
const DEPTH_NATS = 16;
/** Residuals are counted in steps. */
const BIN_DB = 2;
const MOST_RESIDUAL_DB = 90;
const BINS = (2 * MOST_RESIDUAL_DB) / BIN_DB + 1;
const ROWS_A_STEP = 64;
/** Positions and sensors that are looked at for hanging elsewhere; of positions the likeliest, so many between these. */
const LOOKS_ELSEWHERE = 600_000;
const ROWS_ELSEWHERE = [4, 64] as const;

/** Uses within this of each other are from one place: the same walls, the same shadows. */
const ONE_PLACE_M = 3;
/** Share of the variance that repeats in one place: 7 dB of shadowing against 4 of the use. */
const SHARED = 49 / (49 + USE_DB * USE_DB);
/** Honest sensors differ by this: gain, and what the plan has wrong around them. */
const HONEST_DB = 3;
/** An offset is a lie from here on: 8 dB is what a cell's shadowing does anyway. */
const LIE_FROM_DB = 12;
/** One that hangs elsewhere is too loud here and too weak there by this, root mean square; one wall is 10 to 15 dB. */
const ELSEWHERE_DB = 16;
/** Places that must have spoken before anybody is doubted. */
const FEWEST_PLACES = 3;

interface Said {
  readonly sensor: SensorId;
  readonly index: number;
  /** dBm; of a silent one its floor. */
  readonly db: number;
  readonly heard: boolean;
  readonly trusted: boolean;
  /** Root of one over twice the variance, and the height of the density. */
  readonly sdDb: number;
}

/**
 * The curve of each sensor that said something, in steps of about a millisecond. `trusted`: whose word counts for the place. Empty where
 * too few heard. Cost: positions times sensors.
 */
export function* curvesOf(
  grid: SourceGrid,
  observation: Observation,
  trusted: (sensor: SensorId) => boolean,
): Generator<void, Map<SensorId, Curve>> {
  const said = readings(grid, observation, trusted);
  const voices = said.filter((s) => s.heard && s.trusted);
  const curves = new Map<SensorId, Curve>();
  if (voices.length < FEWEST_OTHERS) return curves;
  const n = said.length;
  const terms = new Float64Array(grid.size * n);
  const residual = new Float32Array(grid.size * n);
  const score = new Float64Array(grid.size);
  const powers = new Float64Array(voices.length);
  let top = Number.NEGATIVE_INFINITY;
  let best = 0;
  for (let r = 0; r < grid.size; r++) {
    if (r % ROWS_A_STEP === ROWS_A_STEP - 1) yield;
    const row = r * grid.sensors.length;
    for (let k = 0; k < voices.length; k++) powers[k] = voices[k]!.db - grid.gainDb[row + voices[k]!.index]!;
    powers.sort();
    const power = (powers[(powers.length - 1) >> 1]! + powers[powers.length >> 1]!) / 2;
    const off = (power - grid.powerDbm) / grid.powerSdDb;
    let sum = -(off * off) / 2;
    for (let i = 0; i < n; i++) {
      const s = said[i]!;
      const e = s.db - grid.gainDb[row + s.index]! - power;
      residual[r * n + i] = e;
      if (!s.trusted) continue;
      const term = s.heard ? heardLog(e, s.sdDb) : silentLog(e, s.sdDb);
      terms[r * n + i] = term;
      sum += term;
    }
    score[r] = TEMPER * sum + grid.logPrior[r]!;
    if (score[r]! > top) [top, best] = [score[r]!, r];
  }
  const rows: number[] = [];
  for (let r = 0; r < grid.size; r++) if (score[r]! > top - DEPTH_NATS) rows.push(r);
  const at = { xM: grid.xM[best]!, yM: grid.yM[best]!, zM: grid.zM[best]! };
  const sensors = grid.sensors.length;
  rows.sort((a, b) => score[b]! - score[a]! || a - b);
  const few = Math.floor(LOOKS_ELSEWHERE / (n * sensors));
  const likely = rows.slice(0, Math.max(ROWS_ELSEWHERE[0], Math.min(ROWS_ELSEWHERE[1], few)));
  for (let i = 0; i < n; i++) {
    const s = said[i]!;
    if (i % 4 === 3) yield;
    if (s.heard && s.trusted && voices.length <= FEWEST_OTHERS) continue;
    const bins = new Float64Array(BINS);
    let total = 0;
    for (const r of rows) {
      const weight = Math.exp(score[r]! - TEMPER * terms[r * n + i]! - top);
      const bin = Math.round((residual[r * n + i]! + MOST_RESIDUAL_DB) / BIN_DB);
      bins[Math.max(0, Math.min(BINS - 1, bin))]! += weight;
      total += weight;
    }
    const curve = curveOf(bins, total, s);
    if (curve === null) {
      curves.set(s.sensor, LIKE_NOTHING);
      continue;
    }
    const density = s.heard ? heardLog : silentLog;
    const asOther = new Float64Array(sensors);
    total = 0;
    for (const r of likely) {
      const weight = Math.exp(score[r]! - TEMPER * terms[r * n + i]! - top);
      const own = residual[r * n + i]! + grid.gainDb[r * sensors + s.index]!;
      for (let j = 0; j < sensors; j++)
        asOther[j]! += weight * Math.exp(density(own - grid.gainDb[r * sensors + j]!, s.sdDb));
      total += weight;
    }
    for (let j = 0; j < sensors; j++) asOther[j] = Math.log(Math.max(asOther[j]! / total, 1e-12));
    curves.set(s.sensor, { log: curve, asOther, ...at });
  }
  return curves;
}

/** Null where no offset is likelier than another. */
function curveOf(bins: Float64Array, total: number, s: Said): Float64Array | null {
  const density = s.heard ? heardLog : silentLog;
  const log = new Float64Array(OFFSETS_DB.length);
  OFFSETS_DB.forEach((b, k) => {
    let sum = 0;
    for (let j = 0; j < BINS; j++) {
      if (bins[j]! > 1e-9 * total) sum += bins[j]! * Math.exp(density(j * BIN_DB - MOST_RESIDUAL_DB - b, s.sdDb));
    }
    log[k] = Math.log(Math.max(sum / total, 1e-12));
  });
  const [least, most] = [Math.min(...log), Math.max(...log)];
  return most - least < 0.1 ? null : log;
}

function readings(grid: SourceGrid, o: Observation, trusted: (sensor: SensorId) => boolean): Said[] {
  const indexOf = new Map(grid.sensors.map((id, i) => [id, i]));
  const said: Said[] = [];
  for (const { sensor, levelDbm, floorDbm, sigmaDb } of o.sensors) {
    const index = indexOf.get(sensor);
    const heard = Number.isFinite(levelDbm);
    if (index === undefined || !(heard || Number.isFinite(floorDbm))) continue;
    const sdDb = Math.hypot(grid.shadowDb, USE_DB, PLACE_DB, heard ? sigmaDb : 0);
    said.push({ sensor, index, db: heard ? levelDbm : floorDbm, heard, trusted: trusted(sensor), sdDb });
  }
  return said;
}

function heardLog(e: number, sdDb: number): number {
  const z = e / sdDb;
  return Math.log(((1 - STRAYS) * Math.exp(-(z * z) / 2)) / (sdDb * Math.sqrt(2 * Math.PI)) + STRAYS / STRAY_DB);
}

/** `e`: floor less expected level. */
function silentLog(e: number, sdDb: number): number {
  return Math.log(MISSES + (1 - MISSES) * normalCdf(e / sdDb));
}

const HONEST = OFFSETS_DB.map((b) => -((b / HONEST_DB) ** 2) / 2);
const OFFSET = OFFSETS_DB.map((b) => (Math.abs(b) >= LIE_FROM_DB ? 0 : Number.NEGATIVE_INFINITY));
const ELSEWHERE = OFFSETS_DB.map((b) => -((b / ELSEWHERE_DB) ** 2) / 2);

const EQUAL = (length: number): number[] => new Array<number>(length).fill(0);

/**
 * By how much the curves of one sensor are likelier if it lies, nats, and its offset if it is that. Honest: one offset of a
 * few dB. Lies: one offset of 12 dB and more, or another in each place. Uses from one place share their shadowing, so N of
 * them count as N / (1 + (N - 1) rho).
 */
export function liesNats(curves: readonly Curve[]): { nats: number; offsetDb: number | null } {
  const places: { first: Curve; sum: Float64Array; asOther: Float64Array; count: number }[] = [];
  for (const curve of curves) {
    const near = places.find(
      ({ first: f }) => Math.hypot(f.xM - curve.xM, f.yM - curve.yM, f.zM - curve.zM) <= ONE_PLACE_M,
    );
    const place = near ?? {
      first: curve,
      sum: new Float64Array(OFFSETS_DB.length),
      asOther: new Float64Array(curve.asOther.length),
      count: 0,
    };
    if (near === undefined) places.push(place);
    for (let k = 0; k < place.sum.length; k++) place.sum[k]! += curve.log[k]!;
    for (let j = 0; j < place.asOther.length; j++) place.asOther[j]! += curve.asOther[j]!;
    place.count++;
  }
  if (places.length < FEWEST_PLACES) return { nats: 0, offsetDb: null };
  const all = new Float64Array(OFFSETS_DB.length);
  const there = new Float64Array(places[0]!.asOther.length);
  let anywhere = 0;
  for (const { sum, asOther, count } of places) {
    const share = 1 / (1 + (count - 1) * SHARED);
    for (let k = 0; k < all.length; k++) {
      sum[k]! *= share;
      all[k]! += sum[k]!;
    }
    for (let j = 0; j < there.length; j++) there[j]! += share * asOther[j]!;
    anywhere += mixed(sum, ELSEWHERE);
  }
  const honest = mixed(all, HONEST);
  const offset = mixed(all, OFFSET);
  const elsewhere = Math.max(mixed(there, EQUAL(there.length)), anywhere);
  const top = Math.max(offset, elsewhere);
  const nats = top + Math.log((Math.exp(offset - top) + Math.exp(elsewhere - top)) / 2) - honest;
  if (elsewhere > offset) return { nats, offsetDb: null };
  let best = 0;
  for (let k = 1; k < all.length; k++) if (all[k]! + OFFSET[k]! > all[best]! + OFFSET[best]!) best = k;
  return { nats, offsetDb: OFFSETS_DB[best]! };
}

/** Log of the mean likelihood under weights that are stated by their logarithm. */
function mixed(log: Float64Array, weight: readonly number[]): number {
  let top = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < log.length; k++) top = Math.max(top, log[k]! + weight[k]!);
  let [sum, total] = [0, 0];
  for (let k = 0; k < log.length; k++) {
    sum += Math.exp(log[k]! + weight[k]! - top);
    total += Math.exp(weight[k]!);
  }
  return top + Math.log(sum / total);
}
