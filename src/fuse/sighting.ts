import type { BandId, ChannelEvidence, SensorEvidence, SensorId } from "../model.ts";
import type { Observation, SensorLevel } from "./locate.ts";

/**
 * What one window says of one band: who hears something and how loud. A sighting can be split by what is known of the
 * emitters that were on before, so that a second phone is not read as a wobble of the first.
 */

/** All that was measured of one band in one window: every measuring channel, loud or quiet. */
export interface BandWindow {
  readonly band: BandId;
  readonly channels: readonly ChannelEvidence[];
  /** Sensors that report only what they hear, are online, and reported nothing of this band. */
  readonly quietEventDriven: readonly SensorId[];
}

/** A sensor that hears, with what its channel says. */
export interface Heard {
  readonly level: SensorLevel;
  readonly evidence: SensorEvidence;
  /** The channel's accumulated statistic, and what this window added to it, nats. */
  readonly llr: number;
  readonly llrStep: number;
  readonly hot: boolean;
  readonly onsetMs: number;
}

export interface Sighting {
  readonly tMs: number;
  readonly band: BandId;
  /** Loudest first. */
  readonly heard: readonly Heard[];
  /** Sensors that measured and heard nothing. */
  readonly quiet: readonly SensorLevel[];
}

/** Standard deviations over the quiet spread at which a channel counts as hearing (one-sided 0.6 % per channel). */
const HEARD_SIGMAS = 2.5;

/** Reads a window; null when nobody hears anything. */
export function sightingOf(window: BandWindow, tMs: number): Sighting | null {
  const heard: Heard[] = [];
  const quiet: SensorLevel[] = [];
  // Peaks are compared with peaks: bursts dilute a mean by their duty cycle, and that differs between sensors that sweep.
  const byPeak = window.channels.every((c) => Number.isFinite(c.peakFloorDbm));
  for (const c of window.channels) {
    if (c.samples === 0 || c.status === "stuck" || Number.isNaN(c.floorDbm)) continue;
    const floorDbm = byPeak ? c.peakFloorDbm : c.floorDbm;
    const excessDb = (byPeak ? c.peakDbm : c.levelDbm) - floorDbm;
    // The smallest signal that would lift the reading by the spread that counts as hearing.
    const detectable = floorDbm + toDb(fromDb(HEARD_SIGMAS * c.sigmaDb) - 1);
    if (!(excessDb > HEARD_SIGMAS * c.sigmaDb && (c.hot || c.llrStep > 0))) {
      quiet.push({ sensor: c.sensor, levelDbm: Number.NaN, floorDbm: detectable, sigmaDb: c.sigmaDb });
      continue;
    }
    // The signal's own power, and its spread: the reading's, magnified where the floor makes up most of it.
    const levelDbm = floorDbm + toDb(fromDb(excessDb) - 1);
    const magnify = 1 / (1 - fromDb(-excessDb));
    heard.push({
      level: { sensor: c.sensor, levelDbm, floorDbm: detectable, sigmaDb: c.sigmaDb * magnify },
      evidence: { sensor: c.sensor, band: c.band, excessDb, floorDbm },
      llr: c.llr,
      llrStep: c.llrStep,
      hot: c.hot,
      onsetMs: c.hot ? c.onsetMs : tMs,
    });
  }
  if (heard.length === 0) return null;
  for (const sensor of window.quietEventDriven) {
    quiet.push({ sensor, levelDbm: Number.NaN, floorDbm: Number.NaN, sigmaDb: 0 });
  }
  heard.sort((a, b) => b.evidence.excessDb - a.evidence.excessDb || (a.level.sensor < b.level.sensor ? -1 : 1));
  return { tMs, band: window.band, heard, quiet };
}

/** The sighting as the locator reads it. */
export function observationOf(s: Sighting): Observation {
  return { tMs: s.tMs, band: s.band, sensors: [...s.heard.map((h) => h.level), ...s.quiet] };
}

/** Sum of what the channels have over the soft threshold, nats (Mei 2010). */
export function softSum(s: Sighting, threshold: number): number {
  return s.heard.reduce((sum, h) => sum + Math.max(0, h.llr - threshold), 0);
}

/** What this window alone adds, nats: whether the emitter is on now and not only was. */
export function windowNats(s: Sighting): number {
  return s.heard.reduce((sum, h) => sum + Math.max(0, h.llrStep), 0);
}

/** How loud each sensor last heard an emitter, dBm: its differential fingerprint plus its power. */
export type Signature = Map<SensorId, number>;

/** Share of a new level in a signature: about the last five windows. */
const SIGNATURE_GAIN = 0.3;

export function learnSignature(signature: Signature, s: Sighting): void {
  for (const { level } of s.heard) {
    const known = signature.get(level.sensor);
    const next = known === undefined ? level.levelDbm : known + SIGNATURE_GAIN * (level.levelDbm - known);
    signature.set(level.sensor, next);
  }
}

/**
 * By how much a level must exceed every emitter's expected one to be somebody else's. Three spreads of a reading of a
 * fading signal averaged over a window (about 3 dB).
 */
const SURPLUS_DB = 9;

/**
 * Splits a sighting among emitters known by their signatures and a rest that none of them explains. A sensor belongs to the
 * emitter that it should hear loudest; to the others it says only "not louder than this".
 *
 * Returns a part per signature (null where the emitter seems off) and the rest (null when all is explained).
 */
export function split(
  s: Sighting,
  signatures: readonly Signature[],
): { parts: (Sighting | null)[]; rest: Sighting | null } {
  const expected = (k: number, sensor: SensorId) => signatures[k]!.get(sensor) ?? Number.NEGATIVE_INFINITY;
  const loudest = (sensor: SensorId, shifts: readonly number[]) => {
    let best = -1;
    let level = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < signatures.length; k++) {
      const e = expected(k, sensor) + shifts[k]!;
      if (e > level) {
        level = e;
        best = k;
      }
    }
    return { best, level };
  };
  const none = signatures.map(() => 0);
  // Power control moves all levels of an emitter together: its shift is the median over the sensors that are its own.
  const shifts = signatures.map((_, k) => {
    const moves = s.heard
      .filter((h) => loudest(h.level.sensor, none).best === k)
      .map((h) => h.level.levelDbm - expected(k, h.level.sensor))
      .sort((a, b) => a - b);
    return moves.length === 0 ? 0 : moves[(moves.length - 1) >> 1]!;
  });
  const own: Heard[][] = signatures.map(() => []);
  const rest: Heard[] = [];
  for (const h of s.heard) {
    const { best, level } = loudest(h.level.sensor, shifts);
    if (best < 0 || h.level.levelDbm > level + SURPLUS_DB) rest.push(h);
    else own[best]!.push(h);
  }
  const part = (heard: readonly Heard[]): Sighting | null => {
    if (heard.length === 0) return null;
    const others = s.heard.filter((h) => !heard.includes(h));
    const capped = others.map(({ level }) => ({ ...level, levelDbm: Number.NaN, floorDbm: level.levelDbm }));
    return { ...s, heard, quiet: [...s.quiet, ...capped] };
  };
  return { parts: own.map(part), rest: part(rest) };
}

const LN10_10 = Math.LN10 / 10;
const fromDb = (db: number) => Math.exp(db * LN10_10);
const toDb = (ratio: number) => Math.log(Math.max(ratio, 1e-12)) / LN10_10;
