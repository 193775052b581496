import type { BandId, BlockId, Fix, SensorEvidence, Track } from "../model.ts";
import { logSumExp, normaliseLog } from "./linalg.ts";
import type { Observation } from "./locate.ts";
import {
  type BandWindow,
  FADING_DB,
  Fingerprint,
  observationOf,
  type Sighting,
  sightingOf,
  softSum,
  split,
  windowNats,
} from "./sighting.ts";

/**
 * From the evidence of a block's channels to one track per emitter: decides that something transmits, which emitter it is,
 * and keeps what is known of where it is. One phone heard by eighty sensors is one track.
 */

/** What the tracker needs of the locator; `Locator` implements it. */
export interface Locating {
  readonly size: number;
  logPrior(): Float64Array;
  logLikelihood(observation: Observation, out: Float64Array): void;
  fix(logPosterior: Float64Array): Fix;
}

export interface TrackerOptions {
  readonly block: BlockId;
  /** A track without evidence for so long is over: longer than the pauses of a call or of a text being sent. */
  readonly holdOffMs: number;
  /** Summed excess statistic of a block and band at which several weak channels count like one that fired, nats. */
  readonly zoneThreshold: number;
  /** What each channel's statistic must exceed to count towards the sum, nats (soft threshold, Mei 2010). */
  readonly softThreshold: number;
  /** What a window must add by itself to say that a known emitter is still on, nats. */
  readonly stillOnNats: number;
  /** Correlation of shadowing between bands. */
  readonly bandCorrelation: number;
  readonly maxTracks: number;
}

export const TRACKER_DEFAULTS: Omit<TrackerOptions, "block"> = {
  holdOffMs: 60_000,
  zoneThreshold: 24,
  softThreshold: 4,
  stillOnNats: 10,
  // 900 and 1900 MHz shadow nearly alike or independently, by building; half is between (domain 4.6).
  bandCorrelation: 0.5,
  maxTracks: 64,
};

/**
 * Log odds of "the emitter that was just on is still on" against "another one", before looking at levels: within two windows
 * of the last sighting a new emitter is rare (calls last minutes, a block starts a few an hour); after a pause only the
 * levels decide; another band needs a little more agreement.
 */
const STILL_ON_LOG_ODDS = 3;
const OTHER_BAND_LOG_ODDS = -1;
/** A phone transmits in one band at a time, but for carrier aggregation on the uplink, which is rare. */
const TWO_BANDS_LOG_ODDS = -4;
/** A second emitter must explain the levels better by this much, nats: it brings a place and a power of its own. */
const SECOND_EMITTER_NATS = 4;
/** A sighting that continues in time but disagrees with the place by this much (nats) means that the emitter moved. */
const MOVED_LOG_ODDS = -2;
/** The surplus over another emitter counts as an emitter once it was seen so often: one deep fade looks the same. */
const CONFIRM_WINDOWS = 3;
/** An emitter seen this many windows ago in a band counts as on in it. */
const ON_WINDOWS = 3;
const MAX_EPISODES = 64;

interface Live {
  readonly id: string;
  readonly openedAtMs: number;
  /** Last sighting, and how loud each sensor hears it, by band. */
  readonly bands: Map<BandId, number>;
  readonly fingerprints: Map<BandId, Fingerprint>;
  readonly firstEvidenceMs: number;
  lastSeenMs: number;
  readonly posterior: Float64Array;
  sensors: SensorEvidence[];
  llr: number;
  /** What the evidence had to reach: the least of the channels that fired alone, or the block's sum. */
  readonly threshold: number;
  /** Windows it was seen in, and whether it was first seen as the surplus over another emitter. */
  windows: number;
  readonly beside: boolean;
  /** The most that one window added by itself. */
  windowNats: number;
  episodes: { startMs: number; endMs: number }[];
  fix: Fix;
}

export type TrackChange = { readonly kind: "opened" | "changed" | "ended"; readonly track: Track };

export class Tracker {
  private readonly locator: Locating;
  private readonly options: TrackerOptions;
  private readonly prior: Float64Array;
  private live: Live[] = [];
  private opened = 0;
  /** Sightings that opened no track because `maxTracks` were open. */
  droppedSightings = 0;

  constructor(locator: Locating, options: TrackerOptions) {
    this.locator = locator;
    this.options = options;
    this.prior = locator.logPrior();
  }

  /**
   * Judges one window.
   *
   * @param tMs end of the window, event time
   * @param windowMs its length
   * @param bands the bands in which any channel stood out
   */
  observe(tMs: number, windowMs: number, bands: readonly BandWindow[]): TrackChange[] {
    const touched = new Map<Live, "opened" | "changed">();
    for (const window of bands) {
      const sighting = sightingOf(window, tMs);
      if (sighting === null || !this.isOn(sighting)) continue;
      const parts = this.attribute(sighting, windowMs);
      for (const [track, part] of parts) {
        const of = track ?? this.start(part, tMs, parts.length > 1);
        if (of === null) continue;
        of.windows++;
        this.update(of, part, windowMs);
        touched.set(of, track === null || touched.get(of) === "opened" ? "opened" : "changed");
      }
    }
    const changes: TrackChange[] = [];
    for (const [track, kind] of touched) changes.push({ kind, track: this.view(track, true) });
    this.live = this.live.filter((track) => {
      if (tMs - track.lastSeenMs < this.options.holdOffMs) return true;
      changes.push({ kind: "ended", track: this.view(track, false) });
      return false;
    });
    return changes;
  }

  /**
   * Whether something transmits in this window, and did not only before: a statistic that a loud emitter drove up takes time
   * to come down, and meanwhile a noisy reading would pass for it. A weak emitter adds little a window, so where no loud one
   * was just on, the accumulated statistic decides alone.
   */
  private isOn(s: Sighting): boolean {
    const { stillOnNats, holdOffMs } = this.options;
    if (windowNats(s) >= stillOnNats) return true;
    if (!this.fires(s)) return false;
    return !this.live.some(
      (t) => t.windowNats >= 4 * stillOnNats && s.tMs - (t.bands.get(s.band) ?? -holdOffMs) < holdOffMs,
    );
  }

  /** Which emitters a sighting is of; null stands for one not seen before. Nothing for a sighting too weak to be new. */
  private attribute(s: Sighting, windowMs: number): [Live | null, Sighting][] {
    const on = this.live.filter(
      (t) => t.fingerprints.has(s.band) && s.tMs - (t.bands.get(s.band) ?? 0) <= ON_WINDOWS * windowMs,
    );
    // The fading that was learned of those that are on: a burst that fades much must not be read as two phones.
    const fadingDb = on.reduce((most, t) => Math.max(most, t.fingerprints.get(s.band)!.fadingDb()), FADING_DB);
    const one = this.asOne(s, windowMs, fadingDb);
    if (on.length === 0) return one.track || this.fires(s) ? [[one.track, s]] : [];
    const { parts, rest } = split(
      s,
      on.map((t) => t.fingerprints.get(s.band)!),
    );
    const several: [Live | null, Sighting][] = [];
    let nats = 0;
    parts.forEach((part, k) => {
      if (part === null) return;
      several.push([on[k]!, part]);
      nats += logEvidence(on[k]!.posterior, this.likelihood(part, fadingDb)) + STILL_ON_LOG_ODDS;
    });
    const anew = rest !== null && this.fires(rest) ? rest : null;
    if (anew) {
      const { track, nats: restNats } = this.asOne(anew, windowMs, fadingDb, on);
      several.push([track, anew]);
      nats += restNats - SECOND_EMITTER_NATS;
    }
    if (several.length < 2 || nats <= one.nats) return one.track || this.fires(s) ? [[one.track, s]] : [];
    return several;
  }

  /** The best single emitter for a sighting, null for a new one, and how well it explains the levels, nats. */
  private asOne(
    s: Sighting,
    windowMs: number,
    fadingDb: number,
    except: readonly Live[] = [],
  ): { track: Live | null; nats: number } {
    const likelihood = this.likelihood(s, fadingDb);
    let best: { track: Live | null; nats: number } = { track: null, nats: logEvidence(this.prior, likelihood) };
    for (const track of this.live) {
      if (except.includes(track)) continue;
      const last = track.bands.get(s.band);
      let nats = logEvidence(track.posterior, likelihood);
      if (last === undefined) nats += s.tMs - track.lastSeenMs <= windowMs ? TWO_BANDS_LOG_ODDS : OTHER_BAND_LOG_ODDS;
      else if (s.tMs - last <= 2 * windowMs) nats += STILL_ON_LOG_ODDS;
      if (nats > best.nats) best = { track, nats };
    }
    return best;
  }

  /** Strong enough to open a track of its own. */
  private fires(s: Sighting): boolean {
    return s.heard.some((h) => h.hot) || softSum(s, this.options.softThreshold) >= this.options.zoneThreshold;
  }

  private likelihood(s: Sighting, fadingDb = FADING_DB): Float64Array {
    const out = new Float64Array(this.locator.size);
    this.locator.logLikelihood(observationOf(s, fadingDb), out);
    return out;
  }

  private start(s: Sighting, tMs: number, beside: boolean): Live | null {
    if (this.live.length >= this.options.maxTracks) {
      this.droppedSightings++;
      return null;
    }
    // A channel may be hot from an emitter before: what is new can't be older than the last sighting of the others.
    const others = this.live.reduce((at, t) => Math.max(at, t.bands.get(s.band) ?? 0), 0);
    const onsetMs = s.heard.reduce((first, h) => Math.min(first, h.onsetMs), tMs);
    const firstMs = Math.min(tMs, Math.max(onsetMs, others));
    const track: Live = {
      // Unique and stable: the first evidence's time and a running number; the same input gives the same id.
      id: `${this.options.block}-${firstMs.toString(36)}-${(this.opened++).toString(36)}`,
      openedAtMs: tMs,
      bands: new Map(),
      fingerprints: new Map(),
      firstEvidenceMs: firstMs,
      lastSeenMs: tMs,
      posterior: this.prior.slice(),
      sensors: [],
      llr: 0,
      threshold: s.heard.reduce(
        (least, h) => (h.hot ? Math.min(least, h.thresholdNats) : least),
        this.options.zoneThreshold,
      ),
      windows: 0,
      beside,
      windowNats: 0,
      episodes: [],
      fix: this.locator.fix(this.prior),
    };
    this.live.push(track);
    return track;
  }

  /** Takes a sighting into a track's place, evidence and episodes. */
  private update(track: Live, s: Sighting, windowMs: number): void {
    const { posterior, fingerprints } = track;
    if (track.bands.size > 0) {
      const window = this.likelihood(s);
      if (logEvidence(posterior, window) - logEvidence(this.prior, window) < MOVED_LOG_ODDS) {
        for (const f of fingerprints.values()) f.clear();
        for (const band of fingerprints.keys()) if (band !== s.band) fingerprints.delete(band);
      }
    }
    const own = fingerprints.get(s.band) ?? new Fingerprint();
    fingerprints.set(s.band, own);
    own.learn(s);
    // Shadowing is partly common to the bands, so each further band counts less: N_eff = N / (1 + (N - 1) rho).
    const weight = 1 / (1 + (fingerprints.size - 1) * this.options.bandCorrelation);
    posterior.set(this.prior);
    const likelihood = new Float64Array(this.locator.size);
    for (const [band, fingerprint] of fingerprints) {
      this.locator.logLikelihood(fingerprint.observation(s.tMs, band), likelihood);
      for (let i = 0; i < posterior.length; i++) posterior[i]! += weight * likelihood[i]!;
    }
    normaliseLog(posterior);
    track.fix = this.locator.fix(posterior);

    track.bands.set(s.band, s.tMs);
    extend(track.episodes, Math.max(s.tMs - windowMs, track.firstEvidenceMs), s.tMs, windowMs);
    track.lastSeenMs = s.tMs;
    track.sensors = s.heard.map((h) => h.evidence);
    track.windowNats = Math.max(track.windowNats, windowNats(s));
    track.llr = Math.max(
      track.llr,
      s.heard.reduce((nats, h) => nats + Math.max(0, h.llr), 0),
    );
  }

  private view(track: Live, active: boolean): Track {
    return {
      id: track.id,
      block: this.options.block,
      bands: [...track.bands.keys()],
      openedAtMs: track.openedAtMs,
      firstEvidenceMs: track.firstEvidenceMs,
      lastEvidenceMs: track.lastSeenMs,
      active,
      confirmed: !track.beside || track.windows >= CONFIRM_WINDOWS,
      fix: track.fix,
      activity: "unknown",
      activityP: 0,
      episodes: track.episodes.map((e) => ({ ...e })),
      llr: track.llr,
      threshold: track.threshold,
      sensors: track.sensors,
    };
  }

  /** Everything needed to go on as if never stopped; survives structured cloning. */
  snapshot(): unknown {
    const live = this.live.map((t) => ({
      ...t,
      fingerprints: [...t.fingerprints].map(([band, f]) => [band, f.snapshot()]),
    }));
    return { opened: this.opened, live };
  }

  restore(snapshot: unknown): void {
    type Saved = Omit<Live, "fingerprints"> & { fingerprints: [BandId, unknown][] };
    const data = snapshot as { opened: number; live: Saved[] };
    this.opened = data.opened;
    // Another plan or calibration makes another grid: what was followed on the old one starts anew.
    this.live = data.live
      .filter((t) => t.posterior.length === this.locator.size)
      .map((t) => ({ ...t, fingerprints: new Map(t.fingerprints.map(([b, f]) => [b, Fingerprint.restored(f)])) }));
  }
}

/** Adds a stretch with energy to the episodes, joined to the last one when it follows within a window. */
function extend(
  episodes: { startMs: number; endMs: number }[],
  startMs: number,
  endMs: number,
  windowMs: number,
): void {
  const last = episodes.at(-1);
  if (last && startMs - last.endMs <= windowMs) last.endMs = endMs;
  else episodes.push({ startMs, endMs });
  if (episodes.length > MAX_EPISODES) episodes.shift();
}

/** Log of the density of the levels under a distribution over candidates. */
function logEvidence(logPosterior: Float64Array, likelihood: Float64Array): number {
  const joint = likelihood.slice();
  for (let i = 0; i < joint.length; i++) joint[i]! += logPosterior[i]!;
  return logSumExp(joint, 0, joint.length);
}
