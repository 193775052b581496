import type { BandId, SensorId, Track } from "../model.ts";
import { Fingerprint } from "./fingerprint.ts";
import type { Observation } from "./locate.ts";
import type { BandWindow, Sighting } from "./sighting.ts";
import type { SourceGrid } from "./sources.ts";
import { type Curve, curvesOf, LIKE_NOTHING, liesNats } from "./suspicion.ts";
import { TRACKER_DEFAULTS } from "./tracks.ts";

/**
 * Which sensors to believe when a phone is located. Each use of a phone that was alone in its band is located without one sensor at
 * a time, and what that sensor said is held against what the others make of it: once over all offsets (`suspicion.ts`).
 * Over uses from several places a sensor that reads 20 dB too much, or hangs elsewhere than the site file says, stands
 * out by Bayes' rule against an honest one; it is set aside, judged on, and taken back when what it says fits again.
 *
 * One is set aside at a time, the worst first, and all uses are looked at anew without it: a liar makes its neighbours look wrong.
 * Pure; one instance a block. Memory: the last `MOST_USES` uses. Cost: `curvesOf` a use; as many times that when the set changes.
 */

export interface Distrust {
  /** It reads as much too loud (above 0) or too weak everywhere; null: it fits nowhere, as one that hangs elsewhere. */
  readonly offsetDb: number | null;
}

/** Uses that are remembered, and the last so many of them that are judged by themselves: what happened of late. */
const MOST_USES = 64;
const LATEST = [8, 24, MOST_USES];
/**
 * So far over the floor of the sensor that hears it best, dB: two spreads of what shadowing and one use do (`suspicion.ts`). A phone blocks
 * away comes through many walls, some louder by tens of dB than the plan has it, and where it is heard at all is chance; its errors
 * are the plan's, and none of the sensors'. So are those of one that is rather in another block. That it seems to be in the street is no
 * test: a liar can bring a phone in a cell there.
 */
const NEAR_DB = 16;
/** Windows of a use below which its levels are chance. */
const FEWEST_WINDOWS = 3;
/**
 * One sensor in a hundred lies before anything is known of it: drawn at the wrong place, set to the wrong gain. It is set aside when it
 * is likelier to lie than not: 4.6 nats. The densities are cautious: in two kinds of simulated houses (`bench liar`) no honest sensor
 * was seen above 0 after six uses and more.
 */
const PRIOR_NATS = -Math.log(100);
const ASIDE_NATS = 0;
/** It is believed again when the last `BACK_USES` that it could speak of are so much likelier of an honest one. */
const BACK_USES = 20;
const BACK_NATS = -1;
/** Changes after one use: more than this would be the same sensors in and out again. */
const MOST_TURNS = 64;
/** More than this share of a block can't lie: then it is the plan that is wrong. */
const MOST_ASIDE = 0.2;

interface Use {
  readonly number: number;
  readonly observation: Observation;
}

interface Judged {
  readonly number: number;
  readonly curves: ReadonlyMap<SensorId, Curve>;
}

/** Whether somebody hears it so loud; true where floors are not known. */
function isNear({ sensors }: Observation): boolean {
  const overDb = sensors.map((s) => s.levelDbm - s.floorDbm).filter(Number.isFinite);
  return overDb.length === 0 || Math.max(...overDb) >= NEAR_DB;
}

export class Trust {
  readonly #grid: (band: BandId) => SourceGrid | null;
  #uses: Use[] = [];
  #count = 0;
  /** What the uses say, of those set aside now; null: to be worked out. */
  #judged: Judged[] | null = [];
  #aside = new Map<SensorId, Distrust>();
  /** The use from which on a sensor is judged: it was believed again then. */
  #since = new Map<SensorId, number>();
  #open = new Map<string, Fingerprint>();

  constructor(grid: (band: BandId) => SourceGrid | null) {
    this.#grid = grid;
  }

  /** Why a sensor is set aside; null: it is believed. */
  of(sensor: SensorId): Distrust | null {
    return this.#aside.get(sensor) ?? null;
  }

  /** Sensors that are set aside now. */
  get aside(): readonly SensorId[] {
    return [...this.#aside.keys()];
  }

  /** The windows without what is set aside; a window in which nobody else hears anything loud is left whole. */
  believed(windows: readonly BandWindow[]): readonly BandWindow[] {
    if (this.#aside.size === 0) return windows;
    return windows.map((window) => {
      const channels = window.channels.filter((c) => !this.#aside.has(c.sensor));
      const loses = channels.length < window.channels.length;
      return loses && channels.some((c) => c.hot) ? { ...window, channels } : window;
    });
  }

  /** A window in which a track was the only one in its band, with all that was heard, set aside or not. */
  window(track: string, sighting: Sighting): void {
    let own = this.#open.get(track);
    if (own === undefined) {
      // A track that came to nothing ends without a word: the oldest makes room.
      if (this.#open.size >= TRACKER_DEFAULTS.maxTracks) this.#open.delete(this.#open.keys().next().value!);
      own = new Fingerprint();
      this.#open.set(track, own);
    }
    own.learn(sighting);
  }

  /**
   * A track is over: judges everybody by it, if it was one phone in one place, and not in another block. `elsewhereP`: probability of other blocks.
   * In steps of about a millisecond.
   */
  *ended(track: Track, elsewhereP: number): Generator<void, void> {
    const own = this.#open.get(track.id);
    this.#open.delete(track.id);
    if (own === undefined || own.count < FEWEST_WINDOWS || !track.confirmed || track.moves > 0) return;
    if (elsewhereP < 0.5) yield* this.use(own.observation(track.lastEvidenceMs, track.bands[0]!));
  }

  /** One use of a phone, all its windows as one observation; one that nobody hears well says nothing. */
  *use(observation: Observation): Generator<void, void> {
    if (!isNear(observation)) return;
    this.#uses.push({ number: this.#count++, observation });
    if (this.#uses.length > MOST_USES) this.#uses.shift();
    if (this.#judged === null) yield* this.#workOut();
    else {
      this.#judged.push(yield* this.#curves(this.#uses.at(-1)!));
      if (this.#judged.length > MOST_USES) this.#judged.shift();
    }
    // Each turn changes one sensor; a change may show another, never more than there are.
    for (let turn = 0; turn < MOST_TURNS; turn++) {
      if (!(yield* this.#change())) break;
      yield* this.#workOut();
    }
  }

  *#workOut(): Generator<void, void> {
    const judged: Judged[] = [];
    for (const use of this.#uses) judged.push(yield* this.#curves(use));
    this.#judged = judged;
  }

  *#curves({ number, observation }: Use): Generator<void, Judged> {
    const grid = this.#grid(observation.band);
    const curves = grid === null ? new Map() : yield* curvesOf(grid, observation, (s) => !this.#aside.has(s));
    return { number, curves };
  }

  /** Takes the worst out, or one back in. False: all stays as it is. */
  *#change(): Generator<void, boolean> {
    for (const sensor of this.#aside.keys()) {
      const latest = this.#ofSensor(sensor).slice(-BACK_USES);
      if (latest.length < BACK_USES || liesNats(latest).nats > BACK_NATS) continue;
      this.#aside.delete(sensor);
      this.#since.set(sensor, this.#count - BACK_USES);
      return true;
    }
    const sensors = new Set(this.#judged!.flatMap((j) => [...j.curves.keys()]));
    if (this.#aside.size + 1 > MOST_ASIDE * sensors.size) return false;
    let worst: { sensor: SensorId; nats: number; offsetDb: number | null } | null = null;
    for (const sensor of sensors) {
      if (this.#aside.has(sensor)) continue;
      yield;
      const all = this.#ofSensor(sensor);
      for (const latest of LATEST) {
        if (latest < MOST_USES && all.length <= latest) continue;
        const { nats, offsetDb } = liesNats(all.slice(-latest));
        // Of late is a choice among several, all is none.
        const odds = nats + PRIOR_NATS - (latest < MOST_USES ? Math.log(LATEST.length) : 0);
        if (odds >= ASIDE_NATS && (worst === null || odds > worst.nats)) worst = { sensor, nats: odds, offsetDb };
      }
    }
    if (worst === null) return false;
    this.#aside.set(worst.sensor, { offsetDb: worst.offsetDb });
    return true;
  }

  /** What the uses say of a sensor, oldest first; those that say nothing are left out. */
  #ofSensor(sensor: SensorId): Curve[] {
    const since = this.#since.get(sensor) ?? 0;
    const out: Curve[] = [];
    for (const { number, curves } of this.#judged!) {
      const curve = curves.get(sensor);
      if (curve !== undefined && number >= since && curve !== LIKE_NOTHING) out.push(curve);
    }
    return out;
  }

  /** Survives structured cloning. */
  snapshot(): unknown {
    return {
      uses: [...this.#uses],
      count: this.#count,
      aside: [...this.#aside],
      since: [...this.#since],
      open: [...this.#open].map(([track, own]) => [track, own.snapshot()]),
    };
  }

  restore(snapshot: unknown): void {
    const data = snapshot as {
      uses: Use[];
      count: number;
      aside: [SensorId, Distrust][];
      since: [SensorId, number][];
      open: [string, unknown][];
    };
    this.#uses = [...data.uses];
    this.#count = data.count;
    this.#judged = null;
    this.#aside = new Map(data.aside);
    this.#since = new Map(data.since);
    this.#open = new Map(data.open.map(([track, own]) => [track, Fingerprint.restored(own)]));
  }
}
