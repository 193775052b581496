import type { BandId, ChannelEvidence, SensorEvidence, SensorId } from "../model.ts";
import { median } from "./linalg.ts";
import type { Observation, SensorLevel } from "./locate.ts";
import type { Levels, Source } from "./mixture.ts";
import type { SourceGrid } from "./sources.ts";

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
  /** Sensors that report more rarely than a window and had no report in this one, and how long each report stands, ms. */
  readonly between?: readonly { readonly sensor: SensorId; readonly periodMs: number }[];
}

/** A sensor that hears, with what its channel says. */
export interface Heard {
  readonly level: SensorLevel;
  /** The signal's mean power over the window, pauses between bursts included, dBm. */
  readonly meanDbm: number;
  readonly evidence: SensorEvidence;
  /** The channel's accumulated statistic, and what this window added to it, nats. */
  readonly llr: number;
  readonly llrStep: number;
  readonly thresholdNats: number;
  readonly hot: boolean;
  readonly onsetMs: number;
  /** As `ChannelEvidence.driftDb`. */
  readonly driftDb?: number;
  /** From a report before this window, which stands until the sensor's next: nothing new is to be learned of it. */
  readonly held?: boolean;
}

export interface Sighting {
  readonly tMs: number;
  readonly band: BandId;
  /** Loudest first. */
  readonly heard: readonly Heard[];
  /** Sensors that measured and heard nothing. */
  readonly quiet: readonly SensorLevel[];
  /** Those among `quiet` that hear another emitter louder: this one is not louder than that. */
  readonly caps?: ReadonlySet<SensorId>;
}

/** Standard deviations over the quiet spread at which a channel counts as hearing (one-sided 0.6 % per channel). */
const HEARD_SIGMAS = 2.5;

/** And the evidence it must have gathered, nats: of a hundred channels one or two stand out by chance in every window. */
export const HEARD_NATS = 4;

/** Loudest first; as loud by name. */
export function byExcess(a: Heard, b: Heard): number {
  return b.evidence.excessDb - a.evidence.excessDb || (a.level.sensor < b.level.sensor ? -1 : 1);
}

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
    if (!(excessDb > HEARD_SIGMAS * c.sigmaDb && (c.hot || (c.llrStep > 0 && c.llr >= HEARD_NATS)))) {
      quiet.push({ sensor: c.sensor, levelDbm: Number.NaN, floorDbm: detectable, sigmaDb: c.sigmaDb });
      continue;
    }
    // The signal's own power, and its spread: the reading's, magnified where the floor makes up most of it.
    const levelDbm = floorDbm + toDb(fromDb(excessDb) - 1);
    const magnify = 1 / (1 - fromDb(-excessDb));
    heard.push({
      level: { sensor: c.sensor, levelDbm, floorDbm: detectable, sigmaDb: c.sigmaDb * magnify },
      meanDbm: byPeak ? c.floorDbm + toDb(fromDb(c.levelDbm - c.floorDbm) - 1) : levelDbm,
      evidence: { sensor: c.sensor, band: c.band, excessDb, floorDbm, ...(c.step ? { step: true } : {}) },
      llr: c.llr,
      llrStep: c.llrStep,
      thresholdNats: c.thresholdNats,
      hot: c.hot,
      onsetMs: c.hot ? c.onsetMs : tMs,
      ...(c.driftDb !== undefined && { driftDb: c.driftDb }),
    });
  }
  if (heard.length === 0) return null;
  for (const sensor of window.quietEventDriven) {
    quiet.push({ sensor, levelDbm: Number.NaN, floorDbm: Number.NaN, sigmaDb: 0 });
  }
  heard.sort(byExcess);
  return { tMs, band: window.band, heard, quiet };
}

/**
 * One window as the locator reads it when it asks whose it is; `fadingDb` is the spread that fading gives each level. Who heard
 * nothing is left out: in one window a sweeping receiver may have missed the burst.
 */
export function observationOf(s: Sighting, fadingDb = FADING_DB): Observation {
  const sensors: SensorLevel[] = s.heard.map(({ level }) => ({
    ...level,
    sigmaDb: Math.hypot(level.sigmaDb, fadingDb),
  }));
  const capped = s.quiet.filter((q) => s.caps?.has(q.sensor));
  return { tMs: s.tMs, band: s.band, sensors: [...sensors, ...capped] };
}

/** Sum of what the channels have over the soft threshold, nats (Mei 2010). */
export function softSum(s: Sighting, threshold: number): number {
  return s.heard.reduce((sum, h) => sum + Math.max(0, h.llr - threshold), 0);
}

/** Channels that an emitter may reach: one, a room's worth, a floor's, half of them. Each is a hypothesis of its own. */
const REACHES = [1, 3, 10, 30, Number.POSITIVE_INFINITY];

/**
 * What this window alone says for an emitter that is on now and not only was, nats: the likelihood ratio of "each of the n
 * channels hears it with probability k / n" (the mixture of Xie and Siegmund 2013, eq. 3), the best k less the price of the choice.
 * Over quiet channels its expectation is at most 1 before the logarithm, however many there are, so s nats come by chance at most
 * once in e^s windows. A plain sum grows with the number of channels: one in 150 always stands out.
 */
export function windowNats(s: Sighting): number {
  const n = s.heard.length + s.quiet.length;
  let best = 0;
  for (const reach of REACHES) {
    const share = Math.min(0.5, reach / n);
    // A quiet channel's own ratio is unknown here and taken as nothing: the least it can be.
    let nats = s.quiet.length * Math.log1p(-share);
    for (const h of s.heard) nats += Math.log1p(share * Math.expm1(h.llrStep));
    if (nats > best) best = nats;
  }
  return Math.max(0, best - Math.log(REACHES.length));
}

/** Spread of one burst's level in a narrow band before it is learned: Rayleigh to Rice, 5 to 6 dB (domain 4.6). */
export const FADING_DB = 5;

/** A level so many spreads above what any emitter should give is nobody's: what is learned of one must not blur into another. */
const STRAY_SDS = 2;

/** A level so far below what an emitter gives, and at least so many spreads, is the receiver's noise: its bursts were missed. */
const MISSED_DB = 15;
const MISSED_SDS = 3;
/** Noise of a quiet channel stands no further over its floor, in its spreads: once in ten thousand peaks of many looks (Gumbel). */
const NOISE_SIGMAS = 6;

/** Whether a level is no more than a noisy reading may be. */
function isFaint({ level, evidence }: Heard, driftDb = 0): boolean {
  return evidence.excessDb < NOISE_SIGMAS * level.sigmaDb * (1 - fromDb(-evidence.excessDb)) + driftDb;
}

/** Whether a level is no more than a noisy reading may be over a floor that has drifted while it was held. */
export function mayBeDrift(h: Heard): boolean {
  return isFaint(h, h.driftDb);
}

/**
 * A sighting in which sensors that should hear somebody loud who is on, and stand hardly over their noise, count as silent: while
 * a channel is hot a noisy reading passes for a signal, and learned as one it would make the next burst somebody else's. `sources`
 * are those just heard; when all levels of one fell, its power did. Cost: sensors times sources.
 */
export function withoutMissed(
  s: Sighting,
  indexOf: ReadonlyMap<SensorId, number>,
  sources: readonly Source[],
): Sighting {
  const faint = sources.length === 0 ? [] : s.heard.filter((h) => isFaint(h));
  if (faint.length === 0) return s;
  const fell = sources.map(({ levelDbm }) => {
    const moves = s.heard.flatMap(({ level }) => {
      const expected = levelDbm[indexOf.get(level.sensor) ?? -1];
      return expected === undefined || !Number.isFinite(expected) ? [] : [level.levelDbm - expected];
    });
    return moves.length > 0 ? Math.min(0, median(moves)) : 0;
  });
  const missed = faint.filter(({ level }) => {
    const i = indexOf.get(level.sensor);
    if (i === undefined) return false;
    return sources.some(({ levelDbm, sdDb }, j) => {
      const short = levelDbm[i]! + fell[j]! - level.levelDbm;
      return short > MISSED_DB && short > MISSED_SDS * sdDb[i]!;
    });
  });
  if (missed.length === 0 || missed.length === s.heard.length) return s;
  const silent = missed.map(({ level }) => ({ ...level, levelDbm: Number.NaN }));
  return { ...s, heard: s.heard.filter((h) => !missed.includes(h)), quiet: [...s.quiet, ...silent] };
}

/**
 * Splits a sighting among emitters: a sensor belongs to the one that it should hear loudest; to the others it says only "not
 * louder than this". Returns a part per emitter, null where none is its own.
 */
export function split(
  s: Sighting,
  indexOf: ReadonlyMap<SensorId, number>,
  sources: readonly Source[],
): (Sighting | null)[] {
  const own: Heard[][] = sources.map(() => []);
  for (const h of s.heard) {
    const i = indexOf.get(h.level.sensor);
    if (i === undefined) continue;
    let best = -1;
    let level = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < sources.length; k++) {
      const e = sources[k]!.levelDbm[i]!;
      if (e > level) [best, level] = [k, e];
    }
    if (best < 0) continue;
    const { sdDb, certain } = sources[best]!;
    if (!certain || h.level.levelDbm <= level + STRAY_SDS * sdDb[i]!) own[best]!.push(h);
  }
  return own.map((heard) => partOf(s, new Set(heard.map((h) => h.level.sensor))));
}

/** What some of the sensors say of an emitter that is their own: to others it is not louder than they hear. */
export function partOf(s: Sighting, own: ReadonlySet<SensorId>): Sighting | null {
  const heard = s.heard.filter((h) => own.has(h.level.sensor));
  if (heard.length === 0) return null;
  const others = s.heard.filter((h) => !own.has(h.level.sensor));
  const capped = others.map(({ level }) => ({ ...level, levelDbm: Number.NaN, floorDbm: level.levelDbm }));
  return { ...s, heard, quiet: [...s.quiet, ...capped], caps: new Set(capped.map((c) => c.sensor)) };
}

/** A sighting as arrays over the sensors of a grid. */
export function levelsOf(s: Sighting, grid: SourceGrid, indexOf: ReadonlyMap<SensorId, number>): Levels {
  const n = grid.sensors.length;
  const levelDbm = new Float64Array(n).fill(Number.NaN);
  const sdDb = new Float64Array(n);
  const floorDbm = new Float64Array(n).fill(Number.NaN);
  const take = (level: SensorLevel) => {
    const i = indexOf.get(level.sensor);
    if (i === undefined) return;
    levelDbm[i] = level.levelDbm;
    sdDb[i] = level.sigmaDb;
    floorDbm[i] = level.floorDbm;
  };
  for (const h of s.heard) take(h.level);
  for (const q of s.quiet) take(q);
  return { levelDbm, sdDb, floorDbm };
}

const LN10_10 = Math.LN10 / 10;
const fromDb = (db: number) => Math.exp(db * LN10_10);
const toDb = (ratio: number) => Math.log(Math.max(ratio, 1e-12)) / LN10_10;
