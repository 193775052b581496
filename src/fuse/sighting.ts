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
  readonly thresholdNats: number;
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
  /** Those among `quiet` that hear another emitter louder: this one is not louder than that. */
  readonly caps?: ReadonlySet<SensorId>;
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
      thresholdNats: c.thresholdNats,
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

interface Learned {
  /** Mean level, dBm at the emitter's power of the last window, and the windows it stands for. */
  meanDbm: number;
  heard: number;
  quiet: number;
  floorDbm: number;
  sigmaDb: number;
}

/**
 * How loud the sensors hear one emitter in one band, averaged over its windows. Fading differs from window to window and
 * averages out; what stays (distance, walls, shadowing) is the emitter's fingerprint, and its place is judged from that, once,
 * instead of from every window as if each brought news.
 */
export class Fingerprint {
  private readonly sensors = new Map<SensorId, Learned>();
  private windows = 0;
  /** Sum of squared departures from the means and their number: the fading, learned. */
  private square = FADING_DB * FADING_DB * FADING_WEIGHT;
  private departures = FADING_WEIGHT;

  /** Level expected at a sensor, dBm; -Infinity where the emitter was not heard. */
  expectedDbm(sensor: SensorId): number {
    const known = this.sensors.get(sensor);
    return known !== undefined && known.heard > 0 ? known.meanDbm : Number.NEGATIVE_INFINITY;
  }

  learn(s: Sighting): void {
    // Power control moves all levels together; the fingerprint keeps their differences and takes the newest power.
    const moves: number[] = [];
    for (const { level } of s.heard) {
      const known = this.sensors.get(level.sensor);
      if (known && known.heard > 0) moves.push(level.levelDbm - known.meanDbm);
    }
    const shiftDb = median(moves);
    if (shiftDb !== 0) for (const known of this.sensors.values()) known.meanDbm += shiftDb;
    this.windows = Math.min(this.windows + 1, MEMORY_WINDOWS);
    for (const { level } of s.heard) {
      const known = this.entry(level);
      if (known.heard > 0) {
        const off = level.levelDbm - known.meanDbm;
        this.square += off * off;
        this.departures++;
        known.meanDbm += off / Math.min(known.heard + 1, MEMORY_WINDOWS);
      } else {
        known.meanDbm = level.levelDbm;
      }
      known.heard++;
      known.sigmaDb = level.sigmaDb;
      known.floorDbm = level.floorDbm;
    }
    for (const level of s.quiet) {
      const known = this.entry(level);
      known.quiet++;
      known.floorDbm = level.floorDbm;
    }
  }

  /** Standard deviation of one window's level around its mean, dB. */
  fadingDb(): number {
    return Math.sqrt(this.square / this.departures);
  }

  /** All windows as one observation. */
  observation(tMs: number, band: BandId): Observation {
    const sensors: SensorLevel[] = [];
    const fading = this.fadingDb();
    let heardBy = 0;
    let most = 0;
    for (const k of this.sensors.values()) {
      if (k.heard > 0) heardBy++;
      most = Math.max(most, k.heard / (k.heard + k.quiet));
    }
    for (const [sensor, k] of this.sensors) {
      // A receiver that sweeps misses bursts whoever is near: what counts is how often it hears against the others.
      const share = k.heard / (k.heard + k.quiet) / most;
      if (k.heard > 0 && share >= RARELY) {
        const n = Math.min(k.heard, MEMORY_WINDOWS);
        const sigmaDb = Math.sqrt((k.sigmaDb * k.sigmaDb + fading * fading) / n);
        sensors.push({ sensor, levelDbm: k.meanDbm, floorDbm: k.floorDbm, sigmaDb });
      } else if (k.quiet >= 2 || heardBy <= FEW) {
        // Heard now and then, or never: about at its floor or below. One silence says so only where little else does.
        sensors.push({ sensor, levelDbm: Number.NaN, floorDbm: k.floorDbm, sigmaDb: fading });
      }
    }
    return { tMs, band, sensors };
  }

  clear(): void {
    this.sensors.clear();
    this.windows = 0;
  }

  snapshot(): unknown {
    return { sensors: this.sensors, windows: this.windows, square: this.square, departures: this.departures };
  }

  static restored(snapshot: unknown): Fingerprint {
    const data = snapshot as { sensors: Map<SensorId, Learned>; windows: number; square: number; departures: number };
    const made = new Fingerprint();
    for (const [sensor, learned] of data.sensors) made.sensors.set(sensor, { ...learned });
    made.windows = data.windows;
    made.square = data.square;
    made.departures = data.departures;
    return made;
  }

  private entry(level: SensorLevel): Learned {
    let known = this.sensors.get(level.sensor);
    if (!known) {
      known = {
        meanDbm: Number.NEGATIVE_INFINITY,
        heard: 0,
        quiet: 0,
        floorDbm: level.floorDbm,
        sigmaDb: level.sigmaDb,
      };
      this.sensors.set(level.sensor, known);
    }
    return known;
  }
}

/** A sensor that hears less than this share of what the best one hears is at its limit. */
const RARELY = 0.25;
/** With so few sensors that hear, silence is needed to tell places apart. */
const FEW = 4;
/** Spread of one burst's level in a narrow band before it is learned: Rayleigh to Rice, 5 to 6 dB (domain 4.6). */
export const FADING_DB = 5;
/** Departures that this assumption counts as. */
const FADING_WEIGHT = 20;
/** A fingerprint remembers about so many windows, so that a slow walk shows. */
const MEMORY_WINDOWS = 20;

function median(values: number[]): number {
  if (values.length === 0) return 0;
  values.sort((a, b) => a - b);
  return values[(values.length - 1) >> 1]!;
}

/** By how much a level must exceed every emitter's expected one to be somebody else's: over two spreads of fading. */
const SURPLUS_DB = 12;

/**
 * Splits a sighting among emitters known by their fingerprints and a rest that none of them explains. A sensor belongs to the
 * emitter that it should hear loudest; to the others it says only "not louder than this".
 *
 * Returns a part per fingerprint (null where the emitter seems off) and the rest (null when all is explained).
 */
export function split(
  s: Sighting,
  known: readonly Fingerprint[],
): { parts: (Sighting | null)[]; rest: Sighting | null } {
  const expected = (k: number, sensor: SensorId) => known[k]!.expectedDbm(sensor);
  const loudest = (sensor: SensorId, shifts: readonly number[]) => {
    let best = -1;
    let level = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < known.length; k++) {
      const e = expected(k, sensor) + shifts[k]!;
      if (e > level) {
        level = e;
        best = k;
      }
    }
    return { best, level };
  };
  const none = known.map(() => 0);
  // Power control moves all levels of an emitter together: its shift is the median over the sensors that are its own.
  const shifts = known.map((_, k) => {
    const moves = s.heard
      .filter((h) => loudest(h.level.sensor, none).best === k)
      .map((h) => h.level.levelDbm - expected(k, h.level.sensor));
    return median(moves);
  });
  const own: Heard[][] = known.map(() => []);
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
    return { ...s, heard, quiet: [...s.quiet, ...capped], caps: new Set(capped.map((c) => c.sensor)) };
  };
  return { parts: own.map(part), rest: part(rest) };
}

const LN10_10 = Math.LN10 / 10;
const fromDb = (db: number) => Math.exp(db * LN10_10);
const toDb = (ratio: number) => Math.log(Math.max(ratio, 1e-12)) / LN10_10;
