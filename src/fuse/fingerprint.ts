import type { BandId, SensorId } from "../model.ts";
import { median } from "./linalg.ts";
import type { Observation, SensorLevel } from "./locate.ts";
import type { Levels, Source } from "./mixture.ts";
import { type Group, Rhythm } from "./rhythm.ts";
import { FADING_DB, type Sighting } from "./sighting.ts";
import { afterSilence } from "./silence.ts";
import type { SourceGrid, Whereabouts } from "./sources.ts";

/** A sensor that hears less than this share of what the best one hears is at its limit. */
const RARELY = 0.25;
/** With so few sensors that hear, silence is needed to tell places apart. */
const FEW = 4;
const FADING_REACH_DB = 15;
/** Departures that this assumption counts as. */
const FADING_WEIGHT = 20;
/** A fingerprint remembers about so many windows, so that a slow walk shows. */
const MEMORY_WINDOWS = 20;

interface Learned {
  /** Mean level, dBm at the emitter's power of the last window, and the windows it stands for. */
  meanDbm: number;
  /** The same of the mean power: a window in which its bursts were missed, and others' met, hardly counts. */
  energyDbm: number;
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
  private rhythm = new Rhythm();
  private windows = 0;
  private taught = 0;
  /** Sum of squared departures from the means and their number: the fading, learned. */
  private square = FADING_DB * FADING_DB * FADING_WEIGHT;
  private departures = FADING_WEIGHT;

  /** Level expected at a sensor, dBm; -Infinity where the emitter was not heard. */
  expectedDbm(sensor: SensorId): number {
    const known = this.sensors.get(sensor);
    return known !== undefined && known.heard > 0 ? known.meanDbm : Number.NEGATIVE_INFINITY;
  }

  /** `movedDb`: by how much the power has changed; null where nobody said. */
  learn(s: Sighting, movedDb: number | null = null): void {
    // Power control moves all levels together; the fingerprint keeps their differences and takes the newest power.
    const moves: number[] = [];
    for (const { level } of s.heard) {
      const known = this.sensors.get(level.sensor);
      if (movedDb === null && known && known.heard > 0) moves.push(level.levelDbm - known.meanDbm);
    }
    const shiftDb = movedDb ?? median(moves);
    if (shiftDb !== 0) {
      for (const known of this.sensors.values()) {
        known.meanDbm += shiftDb;
        known.energyDbm += shiftDb;
      }
    }
    this.windows = Math.min(this.windows + 1, MEMORY_WINDOWS);
    this.taught++;
    this.rhythm.note(s);
    for (const { level, held } of s.heard) {
      const known = this.entry(level);
      if (held === true && known.heard > 0) continue;
      if (known.heard > 0) {
        const off = level.levelDbm - known.meanDbm;
        // Departures beyond what fading does are another emitter's.
        if (Math.abs(off) < FADING_REACH_DB) {
          this.square += off * off;
          this.departures++;
        }
        const share = 1 / Math.min(known.heard + 1, MEMORY_WINDOWS);
        known.meanDbm += share * off;
        known.energyDbm += 10 * Math.log10(1 - share + share * 10 ** ((level.levelDbm - known.energyDbm) / 10));
      } else {
        known.meanDbm = level.levelDbm;
        known.energyDbm = level.levelDbm;
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
        sensors.push({ sensor, levelDbm: Number.NaN, floorDbm: k.floorDbm, sigmaDb: fading, windows: k.quiet });
      }
    }
    return { tMs, band, sensors };
  }

  /** Windows that taught this fingerprint since it was last cleared. */
  get count(): number {
    return this.taught;
  }

  /**
   * What the emitter gives at its newest power: learned where it was heard, from the plan elsewhere, averaged over where it may be
   * and weighed against silence. As long as its place is in doubt, so is what the plan says.
   */
  source(grid: SourceGrid, where: Whereabouts, logOn: number): Source {
    const n = grid.sensors.length;
    const levelDbm = new Float64Array(n);
    const sdDb = new Float64Array(n);
    const fading = this.fadingDb();
    const known = grid.sensors.map((id) => this.sensors.get(id));
    const planned = where.rows.map((row) => {
      const powers: number[] = [];
      known.forEach((k, i) => {
        if (k !== undefined && k.heard > 0) powers.push(k.meanDbm - grid.gainDb[row * n + i]!);
      });
      return powers.length > 0 ? median(powers) : Number.NEGATIVE_INFINITY;
    });
    for (let i = 0; i < n; i++) {
      const k = known[i];
      if (k !== undefined && k.heard > 0) {
        levelDbm[i] = k.meanDbm;
        sdDb[i] = fading * Math.sqrt(1 + 1 / Math.min(k.heard, MEMORY_WINDOWS));
        continue;
      }
      let [mean, square] = [0, 0];
      for (let r = 0; r < planned.length; r++) {
        const level = planned[r]! + grid.gainDb[where.rows[r]! * n + i]!;
        mean += where.p[r]! * level;
        square += where.p[r]! * level * level;
      }
      const doubt = Number.isFinite(mean) ? Math.max(0, square - mean * mean) : 0;
      levelDbm[i] = mean;
      sdDb[i] = Math.sqrt(grid.shadowDb * grid.shadowDb + fading * fading + doubt);
      // Sensors that report only what they hear state no floor: their silence says nothing of a level.
      if (k === undefined || k.quiet === 0 || Number.isNaN(k.floorDbm) || !Number.isFinite(mean)) continue;
      const after = afterSilence(mean, sdDb[i]!, k.floorDbm, k.quiet);
      [levelDbm[i], sdDb[i]] = [after.meanDbm, after.sdDb];
    }
    return { levelDbm, sdDb, logOn, certain: true, at: where.rows[0]! };
  }

  /** The averages as one window's levels: what is heard too rarely counts as not heard. */
  levels(grid: SourceGrid): Levels {
    const n = grid.sensors.length;
    const levelDbm = new Float64Array(n).fill(Number.NaN);
    const sdDb = new Float64Array(n);
    const floorDbm = new Float64Array(n).fill(Number.NaN);
    const fading = this.fadingDb();
    for (let i = 0; i < n; i++) {
      const k = this.sensors.get(grid.sensors[i]!);
      if (k === undefined) continue;
      floorDbm[i] = k.floorDbm;
      if (k.heard === 0 || k.heard < RARELY * k.quiet) continue;
      levelDbm[i] = k.energyDbm;
      sdDb[i] = Math.hypot(k.sigmaDb, fading) / Math.sqrt(Math.min(k.heard, MEMORY_WINDOWS));
    }
    return { levelDbm, sdDb, floorDbm };
  }

  /** Groups of its sensors that go up and down together, each another emitter's for all that their rhythm says. */
  groups(): Group[] {
    return this.rhythm.groups();
  }

  /** A fingerprint of some of its sensors; what others hear caps it. */
  part(own: ReadonlySet<SensorId>): Fingerprint {
    const part = new Fingerprint();
    part.windows = this.windows;
    part.taught = this.taught;
    part.rhythm = this.rhythm.of(own);
    for (const [sensor, k] of this.sensors) {
      part.sensors.set(sensor, k.heard === 0 || own.has(sensor) ? { ...k } : capOf(k));
    }
    return part;
  }

  /** Gives the sensors of `theirs` to a fingerprint of its own: two emitters were taken for one. Each caps the other. */
  give(theirs: ReadonlySet<SensorId>): Fingerprint {
    const other = this.part(theirs);
    const mine = new Set<SensorId>();
    for (const [sensor, k] of this.sensors) {
      if (k.heard > 0 && theirs.has(sensor)) this.sensors.set(sensor, capOf(k));
      else mine.add(sensor);
    }
    this.rhythm = this.rhythm.of(mine);
    return other;
  }

  clear(): void {
    this.sensors.clear();
    this.rhythm.clear();
    this.taught = 0;
    this.windows = 0;
  }

  snapshot(): unknown {
    return {
      sensors: this.sensors,
      windows: this.windows,
      taught: this.taught,
      square: this.square,
      departures: this.departures,
      rhythm: this.rhythm.snapshot(),
    };
  }

  static restored(snapshot: unknown): Fingerprint {
    const data = snapshot as {
      sensors: Map<SensorId, Learned>;
      windows: number;
      taught: number;
      square: number;
      departures: number;
      rhythm?: unknown;
    };
    const made = new Fingerprint();
    for (const [sensor, learned] of data.sensors)
      made.sensors.set(sensor, { ...learned, energyDbm: learned.energyDbm ?? learned.meanDbm });
    made.windows = data.windows;
    made.taught = data.taught;
    made.square = data.square;
    made.departures = data.departures;
    made.rhythm = Rhythm.restored(data.rhythm);
    return made;
  }

  private entry(level: SensorLevel): Learned {
    let known = this.sensors.get(level.sensor);
    if (!known) {
      known = {
        meanDbm: Number.NEGATIVE_INFINITY,
        energyDbm: Number.NEGATIVE_INFINITY,
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

/** What a sensor says of one emitter that hears another: not louder than that. */
function capOf(k: Learned): Learned {
  const none = Number.NEGATIVE_INFINITY;
  return { ...k, meanDbm: none, energyDbm: none, heard: 0, quiet: k.heard + k.quiet, floorDbm: k.meanDbm };
}
