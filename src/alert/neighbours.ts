/**
 * What the blocks of a site tell each other, so that one phone is one alert: the loudest that each heard, window by window. A
 * phone at full power is heard three blocks away, where the plan leaves many places for it; the block it is in hears it louder
 * than any path through the air explains for the others.
 *
 * One board for the blocks of a process; blocks on other machines would feed theirs by messages. Event time only.
 */
import type { BandId, BlockId, SensorId, Site, Track } from "../model.ts";

/** The loudest sensor of a block in one band and window. */
export interface Hearing {
  readonly tMs: number;
  readonly band: BandId;
  readonly sensor: SensorId;
  readonly levelDbm: number;
}

/** An emitter is rarely nearer than this to the sensor that hears it best. */
const NEAR_M = 2;
/** Two standard deviations of one burst's fading (5 dB, domain 4.6): by so much a level may exceed what free space explains. */
const FADING_DB = 10;
/** A sweeping receiver may meet in the next window what another met in this one. */
const SAME_USE_MS = 3000;
/** Hearings are kept so long; an alert waits at most a few seconds for its decision. */
const KEEP_MS = 180_000;

/** Hearings of late readings that are kept: half an hour of a loud phone. */
const MOST_LATE = 2000;

type Position = readonly [x: number, y: number, z: number];

export class Neighbours {
  private readonly positions = new Map<SensorId, Position>();
  /** What blocks found in readings that came late, for one another's decisions. */
  private late: { readonly block: BlockId; readonly hearing: Hearing }[] = [];
  private readonly blocks = new Map<BlockId, { judgedMs: number; hearings: Hearing[] }>();

  constructor(site: Site) {
    for (const { id, positionM } of site.sensors) if (positionM !== null) this.positions.set(id, positionM);
    for (const { id } of site.blocks) this.blocks.set(id, { judgedMs: Number.NEGATIVE_INFINITY, hearings: [] });
  }

  /** A block has judged its window up to `tMs` and heard this. */
  judged(block: BlockId, tMs: number, hearings: readonly Hearing[]): void {
    const known = this.blocks.get(block);
    if (known === undefined) return;
    known.judgedMs = tMs;
    known.hearings.push(...hearings);
    if ((known.hearings[0]?.tMs ?? tMs) < tMs - 2 * KEEP_MS) {
      known.hearings = known.hearings.filter((h) => h.tMs >= tMs - KEEP_MS);
    }
  }

  /** A block has looked at readings that came late. */
  judgedLate(block: BlockId, hearings: readonly Hearing[]): void {
    for (const hearing of hearings) this.late.push({ block, hearing });
    if (this.late.length > MOST_LATE) this.late = this.late.slice(-MOST_LATE / 2);
  }

  /** As `explains`, for a track of late readings: by what was heard in time, as far as it is kept, or late. */
  explainsLate(track: Track): BlockId | null {
    return this.explained(track, (block, hearings) => [
      ...hearings,
      ...this.late.filter((l) => l.block === block).map((l) => l.hearing),
    ]);
  }

  /** No more is to come of any block: the end of a trace. */
  close(): void {
    for (const known of this.blocks.values()) known.judgedMs = Number.POSITIVE_INFINITY;
  }

  /** Up to which window every other block has told what it heard; infinity for the only block. */
  toldMs(block: BlockId): number {
    let least = Number.POSITIVE_INFINITY;
    for (const [id, { judgedMs }] of this.blocks) if (id !== block) least = Math.min(least, judgedMs);
    return least;
  }

  /**
   * The block whose emitter explains everything that this track's sensors hear at `tMs`, or null. Level b at another block's
   * loudest sensor, distance d to one of ours: free space from a point 2 m before that sensor leaves at most b - 20 log10(d / 2 m)
   * there, and fading adds its two standard deviations. A phone of our own is above that at the sensors next to it, unless the other
   * is 14 dB louder and more for every doubling of 30 m.
   */
  explains(track: Track, tMs: number): BlockId | null {
    return this.explained(track, (_, hearings) => hearings.filter((h) => h.tMs <= tMs));
  }

  /** The other block of whose hearings, as `of` gives them, those near in time explain a track. */
  private explained(
    track: Track,
    of: (block: BlockId, hearings: readonly Hearing[]) => readonly Hearing[],
  ): BlockId | null {
    if (track.sensors.length === 0) return null;
    for (const [block, { hearings }] of this.blocks) {
      if (block === track.block) continue;
      const near = of(block, hearings).filter((h) => Math.abs(h.tMs - track.lastEvidenceMs) < SAME_USE_MS);
      if (near.length > 0 && track.sensors.every((own) => near.some((h) => this.covers(h, own)))) return block;
    }
    return null;
  }

  private covers(h: Hearing, own: Track["sensors"][number]): boolean {
    const a = this.positions.get(h.sensor);
    const b = this.positions.get(own.sensor);
    if (h.band !== own.band || a === undefined || b === undefined) return false;
    const distanceM = Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
    const mostDbm = h.levelDbm - 20 * Math.log10(Math.max(1, distanceM / NEAR_M)) + FADING_DB;
    return own.floorDbm + own.excessDb <= mostDbm;
  }

  snapshot(): unknown {
    return { blocks: [...this.blocks], late: [...this.late] };
  }

  restore(snapshot: unknown): void {
    const data = snapshot as {
      blocks: [BlockId, { judgedMs: number; hearings: Hearing[] }][];
      late: { block: BlockId; hearing: Hearing }[];
    };
    this.late = [...data.late];
    for (const [id, known] of data.blocks) {
      if (this.blocks.has(id)) this.blocks.set(id, { judgedMs: known.judgedMs, hearings: [...known.hearings] });
    }
  }
}
