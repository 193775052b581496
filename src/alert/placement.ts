import type { ChannelEvidence, SensorId, Track, ZoneId } from "../model.ts";

/**
 * Whether a sensor still hangs where it hung and hears all round: a picture, learnt from the phones that were located, of how loud each
 * sensor hears a phone in each cell, against which every later one is held.
 *
 * A phone's power is not known, so it is taken from the others: the median of how much louder than in the picture they hear this one.
 * What is left of a sensor's own difference is its residual. A sensor behind a cover hears them all too weak by about as much; one that
 * was moved hears some too loud and some too weak. Its noise floor says nothing of either: that is made in the receiver.
 *
 * Pure; one instance a block. The picture follows slowly, so that a sensor that is left at a new place is accepted there in the end.
 */

export type Misplaced = "moved" | "covered";

/** A sensor's mean level over one use of a phone, dBm; where it heard nothing `heard` is false and the level its floor. */
export interface HeardLevel {
  readonly sensor: SensorId;
  readonly levelDbm: number;
  readonly floorDbm: number;
  readonly heard: boolean;
}

/** Uses in a cell from which its picture counts, and over how many it is the mean. */
const KNOWN_FROM = 5;
const MEAN_OF = 20;
/** Sensors that must know the cell for the phone's power to be told. */
const POWER_FROM = 3;
/**
 * Residuals of the last uses that decide, of so many cells at least. One use's residual has a spread of about 6 dB (place within the
 * cell, body, fading; domain 4.6) and is beyond 10 dB once in eight; seven of eight are by chance once in 200,000 uses.
 */
const LAST = 8;
const CELLS_FROM = 2;
const APART_DB = 10;
const MOST_APART = 7;
/** A verdict ends when fewer are apart than this: one that comes and goes is an alert that chatters. */
const STILL_APART = 5;
/** A cover takes something of all: this share of the residuals is negative. */
const COVERED_SHARE = 0.85;
/** What is nearer to the floor than this is not told from it. */
const OVER_FLOOR_DB = 3;
/** Pairs of sensor and cell that are kept: a block of a hundred of each. */
const MOST_PAIRS = 10_000;

/** Phones that are on at a time; the tracker has no more. */
const MOST_USES = 64;
/** As in the fusion: what counts as hearing, and a place that is surer than not. */
const HEARD_SIGMAS = 2.5;
const HEARD_NATS = 4;
const SURE_P = 0.5;

interface Sum {
  levelDbm: number;
  heard: number;
  windows: number;
  floorDbm: number;
}

interface Picture {
  levelDbm: number;
  uses: number;
}

export class Placement {
  private pictures = new Map<string, Picture>();
  private residuals = new Map<SensorId, { readonly cell: ZoneId; readonly db: number }[]>();
  private verdicts = new Map<SensorId, Misplaced>();
  /** What is heard of the tracks that are on. */
  private uses = new Map<string, Map<SensorId, Sum>>();

  /** A phone was used in `cell`; `levels` of every sensor that measured. */
  use(cell: ZoneId, levels: readonly HeardLevel[]): void {
    const power = this.powerDb(cell, levels);
    for (const level of levels) {
      const picture = this.pictures.get(`${level.sensor} ${cell}`);
      if (picture !== undefined && picture.uses >= KNOWN_FROM && !Number.isNaN(power)) {
        const db = residual(level, picture.levelDbm + power);
        if (db !== null) this.note(level.sensor, cell, db);
      }
      this.learn(`${level.sensor} ${cell}`, level, Number.isNaN(power) ? 0 : power);
    }
  }

  /** A window in which a track was the only one in its band, with every channel of that band that measured. */
  window(track: string, channels: readonly ChannelEvidence[]): void {
    let sums = this.uses.get(track);
    if (sums === undefined) {
      // A track that came to nothing ends without a word: the oldest makes room.
      if (this.uses.size >= MOST_USES) this.uses.delete(this.uses.keys().next().value!);
      sums = new Map();
      this.uses.set(track, sums);
    }
    for (const { sensor, levelDbm, floorDbm, samples, hot, llr, llrStep, excessDb, sigmaDb } of channels) {
      if (samples === 0 || !Number.isFinite(floorDbm)) continue;
      const heard = (hot || (llrStep > 0 && llr >= HEARD_NATS)) && excessDb > HEARD_SIGMAS * sigmaDb;
      const sum = sums.get(sensor) ?? { levelDbm: 0, heard: 0, windows: 0, floorDbm };
      sum.windows++;
      sum.floorDbm = floorDbm;
      if (heard) {
        sum.heard++;
        sum.levelDbm += levelDbm;
      }
      sums.set(sensor, sum);
    }
  }

  /** A track is over: what was heard of it counts when it was surely one phone in one cell. */
  ended(track: Track): void {
    const sums = this.uses.get(track.id);
    this.uses.delete(track.id);
    const top = track.fix.candidates[0];
    if (sums === undefined || top === undefined || top.p < SURE_P || !track.confirmed || track.moves > 0) return;
    const levels = [...sums].map(([sensor, { levelDbm, heard, windows, floorDbm }]): HeardLevel => {
      const mostly = 2 * heard >= windows;
      return { sensor, levelDbm: mostly ? levelDbm / heard : floorDbm, floorDbm, heard: mostly };
    });
    this.use(top.cell, levels);
  }

  /** What the last uses say of a sensor; null: nothing is wrong, or not enough is known. */
  of(sensor: SensorId): Misplaced | null {
    return this.verdicts.get(sensor) ?? null;
  }

  private judge(sensor: SensorId, last: readonly { readonly cell: ZoneId; readonly db: number }[]): void {
    if (last.length < LAST || new Set(last.map((r) => r.cell)).size < CELLS_FROM) return;
    const apart = last.filter((r) => Math.abs(r.db) >= APART_DB);
    if (apart.length < STILL_APART) this.verdicts.delete(sensor);
    if (apart.length < MOST_APART) return;
    const weaker = apart.filter((r) => r.db < 0).length;
    this.verdicts.set(sensor, weaker >= COVERED_SHARE * apart.length ? "covered" : "moved");
  }

  /** How much louder than in the picture this phone is; NaN where too few know its cell. */
  private powerDb(cell: ZoneId, levels: readonly HeardLevel[]): number {
    const louder: number[] = [];
    for (const { sensor, levelDbm, floorDbm, heard } of levels) {
      const picture = this.pictures.get(`${sensor} ${cell}`);
      if (!heard || picture === undefined || picture.uses < KNOWN_FROM) continue;
      if (picture.levelDbm > floorDbm + OVER_FLOOR_DB) louder.push(levelDbm - picture.levelDbm);
    }
    if (louder.length < POWER_FROM) return Number.NaN;
    louder.sort((a, b) => a - b);
    return louder[louder.length >> 1]!;
  }

  private note(sensor: SensorId, cell: ZoneId, db: number): void {
    const last = this.residuals.get(sensor) ?? [];
    last.push({ cell, db });
    if (last.length > LAST) last.shift();
    this.residuals.set(sensor, last);
    this.judge(sensor, last);
  }

  /** Levels are kept as they would be at the power of the picture. */
  private learn(key: string, { levelDbm, floorDbm, heard }: HeardLevel, power: number): void {
    const db = heard ? levelDbm - power : floorDbm;
    const picture = this.pictures.get(key);
    if (picture === undefined) {
      if (this.pictures.size < MOST_PAIRS) this.pictures.set(key, { levelDbm: db, uses: 1 });
      return;
    }
    picture.uses++;
    picture.levelDbm += (db - picture.levelDbm) / Math.min(MEAN_OF, picture.uses);
  }

  /** Survives structured cloning. */
  snapshot(): unknown {
    return {
      pictures: [...this.pictures].map(([key, p]) => [key, { ...p }]),
      residuals: [...this.residuals].map(([sensor, last]) => [sensor, [...last]]),
      verdicts: [...this.verdicts],
      uses: [...this.uses].map(([track, sums]) => [track, [...sums].map(([id, sum]) => [id, { ...sum }])]),
    };
  }

  restore(snapshot: unknown): void {
    const data = snapshot as {
      pictures: [string, Picture][];
      residuals: [SensorId, { cell: ZoneId; db: number }[]][];
      verdicts: [SensorId, Misplaced][];
      uses: [string, [SensorId, Sum][]][];
    };
    this.pictures = new Map(data.pictures.map(([key, p]) => [key, { ...p }]));
    this.residuals = new Map(data.residuals.map(([sensor, last]) => [sensor, [...last]]));
    this.verdicts = new Map(data.verdicts);
    this.uses = new Map(data.uses.map(([track, sums]) => [track, new Map(sums.map(([id, sum]) => [id, { ...sum }]))]));
  }
}

/** By how much a sensor hears a phone louder than it should, dB; null where both are in its noise and nothing can be said. */
function residual({ levelDbm, floorDbm, heard }: HeardLevel, expectedDbm: number): number | null {
  const audible = floorDbm + OVER_FLOOR_DB;
  if (heard && levelDbm > audible) return expectedDbm > audible ? levelDbm - expectedDbm : levelDbm - audible;
  return expectedDbm > audible ? Math.min(0, audible - expectedDbm) : null;
}
