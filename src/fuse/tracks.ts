import type { BandId, BlockId, Fix, SensorEvidence, SensorId, Track, ZoneId } from "../model.ts";
import { census } from "./census.ts";
import { Fingerprint } from "./fingerprint.ts";
import { logSumExp, normaliseLog } from "./linalg.ts";
import type { Observation } from "./locate.ts";
import { adds, type Source } from "./mixture.ts";
import type { Found } from "./newcomers.ts";
import { read } from "./reading.ts";
import { apartNats, type Group, RHYTHM_EVERY } from "./rhythm.ts";
import {
  type BandWindow,
  FADING_DB,
  levelsOf,
  mayBeDrift,
  observationOf,
  partOf,
  type Sighting,
  sightingOf,
  softSum,
  split,
  windowNats,
  withoutMissed,
} from "./sighting.ts";
import { SlowSensors } from "./slow.ts";
import { type SourceGrid, type Whereabouts, whereabouts } from "./sources.ts";
import { Recent } from "./stillness.ts";

/**
 * From the evidence of a block's channels to one track per emitter: decides that something transmits, which emitter it is,
 * and keeps what is known of where it is. One phone heard by eighty sensors is one track.
 */

/** What the tracker needs of the locator; `Locator` implements it. */
export interface Locating {
  readonly size: number;
  logPrior(): Float64Array;
  /** In steps, between which nothing else is asked. */
  likelihood(observation: Observation, out: Float64Array): Generator<void, void>;
  fix(logPosterior: Float64Array): Fix;
  sources(band: BandId): SourceGrid | null;
  /** The sensors that show best whether somebody in a cell moves; none where the zone is no cell. */
  around(zone: ZoneId): readonly SensorId[];
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
 * of the last sighting a new emitter is rare (calls last minutes, a block starts a few an hour). What its fingerprint did not know
 * again after a pause, or what comes in another band, is rather another phone: two tracks of one phone in one cell are one alert, but of two
 * phones read as one, one is hidden. Choices: six independent worlds, 61 of 87 uses found with 0 and -1, 67 with these and with -5 and -6.
 */
const STILL_ON_LOG_ODDS = 3;
const OTHER_BAND_LOG_ODDS = -4;
const AFTER_PAUSE_LOG_ODDS = -3;
/** A phone transmits in one band at a time, but for carrier aggregation on the uplink, which is rare. */
const TWO_BANDS_LOG_ODDS = -4;
/** A sighting that continues in time but disagrees with the place by this much (nats) means that the emitter moved. */
const MOVED_LOG_ODDS = -2;
/**
 * Log odds against one more emitter coming on in a window: a busy block starts a few transmissions an hour, a thousandth a
 * second.
 */
const QUIET_NATS = 7;
/** Log odds of a known emitter's being on: just heard, or silent for a while. */
const ON_NATS = 2;
const OFF_NATS = -1;
const JUST_HEARD_MS = 3000;
/** In a busy block births are as frequent as the confirmed ones of the last minutes; never likelier than this. */
const BUSY_NATS = 2;
const BUSY_MS = 120_000;
/**
 * An emitter that others outshine counts once it was seen in so many windows and the odds for its existence are so good, nats. Errors
 * of the plan go together for neighbouring sensors, so what rests on the plan counts for less.
 */
const CONFIRM_WINDOWS = 3;
const CONFIRM_NATS = 6;
const PLAN_WEIGHT = 0.4;
/** What one window may say for or against an emitter's existence, nats: levels of one window share their errors. */
const WINDOW_NATS = 5;
/** One that is not confirmed is given up after so long a silence. */
const UNCONFIRMED_HOLD_MS = 15_000;
/** Emitters of one band that may come on in one window, and into which one fingerprint may fall. */
const MOST_NEW = 4;
const MOST_TOGETHER = 8;
/** Windows after which a fingerprint's averages are read anew: fading averages out by half from one to the next. */
const CENSUS_AT = [2, 8, 32, 128];
/** Further odds against several that came on together: for one whose levels the plan has wrong, as for one within a walk. */
const TOGETHER_NATS = 6;
/** After so many windows a place is judged anew only now and then: averages hardly move any more. */
const SETTLED_WINDOWS = 8;
const SETTLED_EVERY = 4;
const MAX_EPISODES = 64;
/** Whether it is outside is averaged over so many judgements of its place. */
export const OUTSIDE_PLACES = 4;

/** Whether the place is judged from a fingerprint of so many windows. */
export function isPlaced(windows: number): boolean {
  return windows <= SETTLED_WINDOWS || windows % SETTLED_EVERY === 0;
}

/** Where an emitter was last heard if not where its fingerprints have it: heard there again, it has walked. */
interface Elsewhere {
  readonly band: BandId;
  readonly fingerprint: Fingerprint;
  readonly where: Whereabouts;
  /** Log odds against somebody new there, nats. */
  readonly price: number;
}

interface Live {
  readonly id: string;
  readonly openedAtMs: number;
  /** Last sighting, and how loud each sensor hears it, by band. */
  readonly bands: Map<BandId, number>;
  readonly fingerprints: Map<BandId, Fingerprint>;
  readonly firstEvidenceMs: number;
  lastSeenMs: number;
  readonly posterior: Float64Array;
  /** Where it may be on the grids of its bands; forgotten whenever its place is judged. */
  readonly at: Map<SourceGrid, Whereabouts>;
  sensors: SensorEvidence[];
  llr: number;
  /** What the evidence had to reach: the least of the channels that fired alone, or the block's sum. */
  readonly threshold: number;
  /** Windows it was seen in, and whether it was first seen beside another emitter. */
  windows: number;
  readonly beside: boolean;
  /**
   * For its existence beside the others: what it adds where theirs was learned (each window is news), and where theirs is from
   * the plan (a wrong plan is wrong in every window alike: the mean counts), and its price, nats.
   */
  learnedNats: number;
  plannedNats: number;
  looks: number;
  price: number;
  /** Times that it was found elsewhere than it had been. */
  moves: number;
  elsewhere: Elsewhere | null;
  /** As when it was seen last. */
  walkNats: number;
  /** Times that its place was judged, and the mean of being outside over the last of them. */
  places: number;
  outsideP: number;
  confirmed: boolean;
  /** Among the births of late. */
  counted: boolean;
  /** The most that one window added by itself. */
  windowNats: number;
  episodes: { startMs: number; endMs: number }[];
  fix: Fix;
}

/** Part of a sighting, and the emitter that it is of; null: one not seen before. */
interface Part {
  readonly track: Live | null;
  readonly sighting: Sighting;
  /** Log odds against it before its levels were looked at, nats. */
  readonly price: number;
  /** By how much its power has changed, dB; null where its fingerprint did not tell that it is this one: it may have moved. */
  readonly movedDb: number | null;
  /** Read as its having walked: until it is heard there again it may as well have been a fade. */
  readonly elsewhere?: boolean;
}

/** Somebody beside the emitters that stay where they were. */
type Anew = Pick<Found, "source" | "price">;

/** A fingerprint that may explain a sighting. */
interface Known {
  readonly track: Live;
  readonly fingerprint: Fingerprint;
  readonly elsewhere: boolean;
}

interface Space {
  readonly grid: SourceGrid;
  readonly indexOf: ReadonlyMap<SensorId, number>;
}

export type TrackChange = { readonly kind: "opened" | "changed" | "ended"; readonly track: Track };

export class Tracker {
  private readonly locator: Locating;
  private readonly options: TrackerOptions;
  private readonly prior: Float64Array;
  private readonly spaces = new Map<BandId, Space | null>();
  private live: Live[] = [];
  /** When confirmed emitters came on of late. */
  private births: number[] = [];
  private readonly recent = new Recent();
  private readonly slow = new SlowSensors();
  private opened = 0;
  /** Sightings that opened no track because `maxTracks` were open. */
  droppedSightings = 0;

  constructor(locator: Locating, options: TrackerOptions) {
    this.locator = locator;
    this.options = options;
    this.prior = locator.logPrior();
  }

  /**
   * Judges one window, in steps of about a millisecond, between which nothing else of this tracker may be called.
   *
   * @param tMs end of the window, event time
   * @param windowMs its length
   * @param bands the bands in which any channel stood out
   */
  *observe(tMs: number, windowMs: number, bands: readonly BandWindow[]): Generator<void, TrackChange[]> {
    const touched = new Map<Live, "opened" | "changed">();
    for (const window of bands) {
      const seen = sightingOf(window, tMs);
      const sighting = seen === null ? null : this.slow.filled(seen, window.between);
      if (sighting === null || !this.isOn(sighting)) continue;
      this.recent.note(sighting);
      const parts = yield* this.attribute(sighting, windowMs);
      for (let k = 0; k < parts.length; k++) {
        const { track, sighting: part, price, movedDb, elsewhere } = parts[k]!;
        const of = track ?? this.start(part, tMs, k > 0);
        if (of === null) continue;
        of.windows++;
        if (track === null) of.price = price;
        this.confirm(of, tMs);
        if (elsewhere) yield* this.hearElsewhere(of, part, windowMs, price);
        else yield* this.update(of, part, windowMs, movedDb);
        of.walkNats = this.walkNats(of, part.band);
        touched.set(of, track === null || touched.get(of) === "opened" ? "opened" : "changed");
        if (elsewhere) continue;
        for (const other of yield* this.fallApart(of, part, windowMs)) touched.set(other, "opened");
        for (const other of yield* this.partByRhythm(of, part, windowMs)) touched.set(other, "opened");
      }
    }
    const changes: TrackChange[] = [];
    for (const [track, kind] of touched) changes.push({ kind, track: this.view(track, true) });
    this.live = this.live.filter((track) => {
      const holdMs = track.confirmed ? this.options.holdOffMs : Math.min(UNCONFIRMED_HOLD_MS, this.options.holdOffMs);
      if (tMs - track.lastSeenMs < holdMs) return true;
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
    const adds = windowNats(s) >= stillOnNats;
    if (!adds && !this.fires(s)) return false;
    if (adds && !s.heard.every(mayBeDrift)) return true;
    return !this.live.some(
      (t) => t.windowNats >= 4 * stillOnNats && s.tMs - (t.bands.get(s.band) ?? -holdOffMs) < holdOffMs,
    );
  }

  /** Which emitters a sighting is of; null stands for one not seen before. Nothing for a sighting too weak to be new. */
  private *attribute(all: Sighting, windowMs: number): Generator<void, Part[]> {
    const space = this.space(all.band);
    if (space === null) {
      const { track } = yield* this.asOne(all, windowMs, FADING_DB);
      return track || this.fires(all) ? [{ track, sighting: all, price: 0, movedDb: null }] : [];
    }
    const { grid, indexOf } = space;
    const known = this.knownIn(all.band);
    const sources = known.map((k) => this.sourceOf(k, all, grid));
    const s = withoutMissed(
      all,
      indexOf,
      sources.filter((source, k) => source.logOn > 0 && !known[k]!.elsewhere),
    );
    const levels = levelsOf(s, grid, indexOf);
    const birthNats = this.birthNats(s.tMs);
    yield;
    const told = yield* read(grid, levels, sources, FADING_DB, birthNats, MOST_NEW);
    const on = known.flatMap(({ track, elsewhere }, k) => {
      const shift = told.shiftDb[k]!;
      if (Number.isNaN(shift)) return [];
      const source = { ...sources[k]!, levelDbm: sources[k]!.levelDbm.map((l) => l + shift) };
      return [{ track, elsewhere, shift, source }];
    });
    // On where it was and elsewhere as well: those are two.
    const stay = on.filter((k) => !k.elsewhere || !on.some((o) => o.track === k.track && !o.elsewhere));
    const second = on
      .filter((k) => !stay.includes(k))
      .map((k) => ({ source: k.source, price: k.track.elsewhere!.price }));
    const walked = new Map<Anew, Known>();
    for (const { known: k, found } of told.walked) {
      const { track } = known[k]!;
      if (stay.some((o) => o.track === track) || [...walked.values()].some((o) => o.track === track)) continue;
      walked.set(found, known[k]!);
    }
    // What the plan gets wrong looks like one emitter more: beside known ones a new one must show where their levels were learned.
    const apart: readonly Anew[] = [...told.found, ...second];
    const found = apart.filter((f) => {
      if (stay.length === 0 || walked.has(f)) return true;
      const others = [...stay.map((o) => o.source), ...apart.filter((o) => o !== f).map((o) => o.source)];
      const [learned, planned] = adds(levels, others, f.source, grid.shadowDb);
      return learned + PLAN_WEIGHT * planned - f.price >= birthNats;
    });
    if (stay.length === 0 && !this.fires(s)) {
      const { track } = yield* this.asOne(s, windowMs, FADING_DB);
      return track ? [{ track, sighting: s, price: 0, movedDb: null }] : [];
    }
    for (const { track, elsewhere } of stay) {
      if (elsewhere) yield* this.move(track, s.tMs);
      track.elsewhere = null;
    }
    const shares = split(s, indexOf, [...stay.map((k) => k.source), ...found.map((f) => f.source)]);
    const parts: Part[] = [];
    stay.forEach(({ track, source, shift }, k) => {
      const sighting = shares[k];
      if (sighting) parts.push({ track, sighting, price: 0, movedDb: shift });
      if (track.confirmed) return;
      const others = [...stay.filter((o) => o.track !== track).map((o) => o.source), ...found.map((f) => f.source)];
      const [learned, planned] = adds(levels, others, source, grid.shadowDb);
      track.learnedNats += Math.max(-WINDOW_NATS, Math.min(WINDOW_NATS, learned));
      track.plannedNats += planned;
      track.looks++;
    });
    const taken = [...stay.map((k) => k.track), ...[...walked.values()].map((k) => k.track)];
    for (let k = 0; k < found.length; k++) {
      const sighting = shares[stay.length + k];
      if (!sighting) continue;
      const f = found[k]!;
      const walker = walked.get(f);
      if (walker) {
        if (walker.elsewhere) yield* this.move(walker.track, s.tMs);
        parts.push({ track: walker.track, sighting, price: f.price + birthNats, movedDb: null, elsewhere: true });
        continue;
      }
      yield;
      const { track } = yield* this.asOne(sighting, windowMs, FADING_DB, taken);
      if (track) taken.push(track);
      if (track || this.fires(sighting)) parts.push({ track, sighting, price: f.price + birthNats, movedDb: null });
    }
    return parts;
  }

  /** The positions looked at for several emitters, and their sensors' indices. */
  private space(band: BandId): Space | null {
    let space = this.spaces.get(band);
    if (space === undefined) {
      const grid = this.locator.sources(band);
      space = grid === null ? null : { grid, indexOf: new Map(grid.sensors.map((id, i) => [id, i])) };
      this.spaces.set(band, space);
    }
    return space;
  }

  /** The fingerprints of a band. Where a track was heard last comes before where it was: whoever walks on, walks on from there. */
  private knownIn(band: BandId): Known[] {
    return this.live.flatMap((track) => {
      const own = track.fingerprints.get(band);
      const known: Known[] = own === undefined ? [] : [{ track, fingerprint: own, elsewhere: false }];
      const last = track.elsewhere?.band === band ? track.elsewhere.fingerprint : null;
      if (last !== null) known.unshift({ track, fingerprint: last, elsewhere: true });
      return known;
    });
  }

  /** What an emitter is expected to give in a band. */
  private sourceOf({ track, fingerprint, elsewhere }: Known, s: Sighting, grid: SourceGrid): Source {
    const justHeard = s.tMs - (track.bands.get(s.band) ?? 0) <= JUST_HEARD_MS;
    const where = elsewhere ? track.elsewhere!.where : this.whereIs(track, grid);
    // As long as what may be a new one is held: who of the two it was shows by then.
    const pausing = s.tMs - (track.bands.get(s.band) ?? 0) <= UNCONFIRMED_HOLD_MS;
    return { ...fingerprint.source(grid, where, justHeard ? ON_NATS : OFF_NATS), pausing };
  }

  private whereIs(track: Live, grid: SourceGrid): Whereabouts {
    let where = track.at.get(grid);
    if (where === undefined) {
      where = whereabouts(grid, track.posterior, this.prior);
      track.at.set(grid, where);
    }
    return where;
  }

  /** Takes a sighting as of a track elsewhere than it was, for the time being: its fingerprints and its place stay. */
  private *hearElsewhere(track: Live, s: Sighting, windowMs: number, price: number): Generator<void, void> {
    const { grid } = this.space(s.band)!;
    const fingerprint = new Fingerprint();
    fingerprint.learn(s);
    const posterior = yield* this.likelihood(fingerprint.observation(s.tMs, s.band));
    for (let i = 0; i < posterior.length; i++) posterior[i]! += this.prior[i]!;
    normaliseLog(posterior);
    track.elsewhere = { band: s.band, fingerprint, where: whereabouts(grid, posterior, this.prior), price };
    this.note(track, s, windowMs);
  }

  /** It was not where it was for a second window: it has walked there. */
  private *move(track: Live, tMs: number): Generator<void, void> {
    const { band, fingerprint } = track.elsewhere!;
    track.elsewhere = null;
    track.moves++;
    track.fingerprints.clear();
    track.fingerprints.set(band, fingerprint);
    yield* this.place(track, tMs);
  }

  /** The best single emitter for a sighting, null for a new one, and how well it explains the levels, nats. */
  private *asOne(
    s: Sighting,
    windowMs: number,
    fadingDb: number,
    except: readonly Live[] = [],
  ): Generator<void, { track: Live | null; nats: number }> {
    const likelihood = yield* this.likelihood(observationOf(s, fadingDb));
    let best: { track: Live | null; nats: number } = { track: null, nats: logEvidence(this.prior, likelihood) };
    for (const track of this.live) {
      if (except.includes(track)) continue;
      const last = track.bands.get(s.band);
      let nats = logEvidence(track.posterior, likelihood);
      if (last === undefined) nats += s.tMs - track.lastSeenMs <= windowMs ? TWO_BANDS_LOG_ODDS : OTHER_BAND_LOG_ODDS;
      else if (s.tMs - last <= 2 * windowMs) nats += STILL_ON_LOG_ODDS;
      else nats += AFTER_PAUSE_LOG_ODDS;
      if (nats > best.nats) best = { track, nats };
    }
    return best;
  }

  /** Log odds against a birth in a window, from how many there were of late: mean of a Gamma posterior of the rate. */
  private birthNats(tMs: number): number {
    const recent = this.births.filter((t) => tMs - t < BUSY_MS);
    if (recent.length < this.births.length) this.births = recent;
    const perWindow = recent.length / (BUSY_MS / 1000) + Math.exp(-QUIET_NATS);
    return Math.max(BUSY_NATS, -Math.log(perWindow));
  }

  private confirm(track: Live, tMs: number): void {
    if (!track.confirmed && track.windows >= CONFIRM_WINDOWS) {
      const planned = (PLAN_WEIGHT * track.plannedNats) / Math.max(1, track.looks);
      track.confirmed = track.learnedNats + planned - track.price >= CONFIRM_NATS;
    }
    if (track.confirmed && !track.counted) {
      track.counted = true;
      this.births.push(tMs);
    }
  }

  /** Strong enough to open a track of its own. */
  private fires(s: Sighting): boolean {
    return s.heard.some((h) => h.hot) || softSum(s, this.options.softThreshold) >= this.options.zoneThreshold;
  }

  private *likelihood(observation: Observation): Generator<void, Float64Array> {
    const out = new Float64Array(this.locator.size);
    yield* this.locator.likelihood(observation, out);
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
      learnedNats: 0,
      plannedNats: 0,
      looks: 0,
      price: 0,
      moves: 0,
      elsewhere: null,
      walkNats: 0,
      places: 0,
      outsideP: 0,
      confirmed: !beside,
      counted: false,
      at: new Map(),
      windowNats: 0,
      episodes: [],
      fix: this.locator.fix(this.prior),
    };
    this.live.push(track);
    return track;
  }

  /**
   * Looks again, at growing intervals, whether a fingerprint is that of several emitters which came on together: its averages
   * are read from the plan alone. Returns the tracks that come of it.
   */
  private *fallApart(track: Live, s: Sighting, windowMs: number): Generator<void, Live[]> {
    const own = track.fingerprints.get(s.band);
    const space = this.space(s.band);
    if (own === undefined || space === null || !CENSUS_AT.includes(own.count)) return [];
    const { grid, indexOf } = space;
    const birthNats = Math.max(BUSY_NATS, this.birthNats(s.tMs) - Math.log(own.count));
    const found = yield* census(grid, own.levels(grid), birthNats + TOGETHER_NATS, MOST_TOGETHER);
    if (found.length < 2) return [];
    const parts = split(
      s,
      indexOf,
      found.map((f) => f.source),
    );
    const out: Live[] = [];
    for (let k = 1; k < found.length; k++) {
      const part = parts[k];
      if (!part) continue;
      const other = this.start(part, s.tMs, true);
      if (other === null) continue;
      const theirs = new Set<SensorId>();
      grid.sensors.forEach((id, i) => {
        if (found.every((f) => f.source.levelDbm[i]! <= found[k]!.source.levelDbm[i]!)) theirs.add(id);
      });
      other.fingerprints.set(s.band, own.give(theirs));
      other.windows = 1;
      other.price = found[k]!.price;
      other.plannedNats = found[k]!.nats;
      other.looks = 1;
      yield* this.place(other, s.tMs);
      this.note(other, part, windowMs);
      out.push(other);
    }
    yield* this.place(track, s.tMs);
    return out;
  }

  /**
   * Looks now and then whether a fingerprint's sensors go up and down in several rhythms: that many emitters were taken for one.
   * Groups that may as well be one emitter at one place are one. Returns the tracks that come of it.
   */
  private *partByRhythm(track: Live, s: Sighting, windowMs: number): Generator<void, Live[]> {
    const own = track.fingerprints.get(s.band);
    if (own === undefined || own.count === 0 || own.count % RHYTHM_EVERY !== 0) return [];
    const groups = own.groups();
    if (groups.length < 2) return [];
    const birthNats = this.birthNats(s.tMs);
    const parts = yield* this.distinct(own, s, groups, birthNats + CONFIRM_NATS);
    if (parts.length < 2) return [];
    const out: Live[] = [];
    for (const part of parts.slice(1)) {
      const sighting = partOf(s, part.sensors);
      const other = sighting === null ? null : this.start(sighting, s.tMs, true);
      if (sighting === null || other === null) continue;
      other.fingerprints.set(s.band, own.part(part.sensors));
      other.windows = own.count;
      other.price = birthNats;
      other.learnedNats = part.nats;
      this.confirm(other, s.tMs);
      yield* this.place(other, s.tMs);
      this.note(other, sighting, windowMs);
      out.push(other);
    }
    track.fingerprints.set(s.band, own.part(parts[0]!.sensors));
    yield* this.place(track, s.tMs);
    return out;
  }

  /** Groups of sensors that are sure to hear different emitters, by rhythm and place, and how sure that is of each, nats. */
  private *distinct(
    own: Fingerprint,
    s: Sighting,
    groups: readonly Group[],
    leastNats: number,
  ): Generator<void, { sensors: Set<SensorId>; nats: number }[]> {
    const evidence = (sensors: ReadonlySet<SensorId>) => this.evidenceOf(own.part(sensors), s);
    const out: { sensors: Set<SensorId>; nats: number; group: Group; alone: number }[] = [];
    for (const group of groups) {
      const sensors = new Set(group.sensors);
      const alone = yield* evidence(sensors);
      let [least, like] = [Number.POSITIVE_INFINITY, null as (typeof out)[number] | null];
      for (const other of out) {
        const both = yield* evidence(new Set([...sensors, ...other.sensors]));
        const nats = apartNats(group, other.group) + PLAN_WEIGHT * (alone + other.alone - both);
        if (nats < least) [least, like] = [nats, other];
      }
      if (like === null || least >= leastNats) {
        out.push({ sensors, nats: least, group, alone });
        continue;
      }
      for (const sensor of sensors) like.sensors.add(sensor);
      like.alone = yield* evidence(like.sensors);
    }
    return out;
  }

  /** Log density of a fingerprint's averages, its place and power unknown. */
  private *evidenceOf(fingerprint: Fingerprint, s: Sighting): Generator<void, number> {
    const likelihood = yield* this.likelihood(fingerprint.observation(s.tMs, s.band));
    yield;
    return logEvidence(this.prior, likelihood);
  }

  /** Takes a sighting into a track's place, evidence and episodes. `movedDb` as in `Part`. */
  private *update(track: Live, s: Sighting, windowMs: number, movedDb: number | null): Generator<void, void> {
    const { posterior, fingerprints } = track;
    if (movedDb === null && fingerprints.size > 0) {
      yield;
      const window = yield* this.likelihood(observationOf(s, FADING_DB));
      if (logEvidence(posterior, window) - logEvidence(this.prior, window) < MOVED_LOG_ODDS) {
        track.moves++;
        track.elsewhere = null;
        for (const f of fingerprints.values()) f.clear();
        for (const band of fingerprints.keys()) if (band !== s.band) fingerprints.delete(band);
      }
    }
    const own = fingerprints.get(s.band) ?? new Fingerprint();
    fingerprints.set(s.band, own);
    own.learn(s, movedDb);
    if (isPlaced(own.count)) yield* this.place(track, s.tMs);
    this.note(track, s, windowMs);
  }

  /** Judges where a track is from its fingerprints. */
  private *place(track: Live, tMs: number): Generator<void, void> {
    const { posterior, fingerprints } = track;
    // Shadowing is partly common to the bands, so each further band counts less: N_eff = N / (1 + (N - 1) rho).
    const weight = 1 / (1 + (fingerprints.size - 1) * this.options.bandCorrelation);
    posterior.set(this.prior);
    for (const [band, fingerprint] of fingerprints) {
      yield;
      const likelihood = yield* this.likelihood(fingerprint.observation(tMs, band));
      for (let i = 0; i < posterior.length; i++) posterior[i]! += weight * likelihood[i]!;
    }
    yield;
    normaliseLog(posterior);
    track.fix = this.locator.fix(posterior);
    track.places++;
    track.outsideP += (track.fix.pOutside - track.outsideP) / Math.min(track.places, OUTSIDE_PLACES);
    track.at.clear();
  }

  /** What a sighting says of a track beside its place. */
  private note(track: Live, s: Sighting, windowMs: number): void {
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

  /** For its being carried past the cell it seems to be in, against its being used there. */
  private walkNats(track: Live, band: BandId): number {
    for (const { cell } of track.fix.candidates) {
      const sensors = this.locator.around(cell);
      if (sensors.length > 0) return this.recent.walkNats(band, sensors, track.openedAtMs);
    }
    return 0;
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
      confirmed: track.confirmed,
      moves: track.moves,
      walkNats: track.walkNats,
      outsideP: track.outsideP,
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
    const live = this.live.map(({ at: _, ...t }) => ({
      ...t,
      fingerprints: [...t.fingerprints].map(([band, f]) => [band, f.snapshot()]),
      elsewhere: t.elsewhere && { ...t.elsewhere, fingerprint: t.elsewhere.fingerprint.snapshot() },
    }));
    return {
      opened: this.opened,
      births: this.births,
      recent: this.recent.snapshot(),
      slow: this.slow.snapshot(),
      live,
    };
  }

  restore(snapshot: unknown): void {
    type Print = Omit<Elsewhere, "fingerprint"> & { fingerprint: unknown };
    type Saved = Omit<Live, "fingerprints" | "at" | "elsewhere"> & {
      fingerprints: [BandId, unknown][];
      elsewhere?: Print | null;
    };
    const data = snapshot as { opened: number; births: number[]; recent: unknown; slow: unknown; live: Saved[] };
    this.recent.restore(data.recent);
    this.slow.restore(data.slow);
    this.births = [...data.births];
    this.opened = data.opened;
    // Another plan or calibration makes another grid: what was followed on the old one starts anew.
    this.live = data.live
      .filter((t) => t.posterior.length === this.locator.size)
      .map((t) => ({
        ...t,
        walkNats: t.walkNats ?? 0,
        places: t.places ?? 1,
        outsideP: t.outsideP ?? t.fix.pOutside,
        at: new Map(),
        fingerprints: new Map(t.fingerprints.map(([b, f]) => [b, Fingerprint.restored(f)])),
        elsewhere: t.elsewhere ? { ...t.elsewhere, fingerprint: Fingerprint.restored(t.elsewhere.fingerprint) } : null,
      }));
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
