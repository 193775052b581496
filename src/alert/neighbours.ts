/**
 * What the blocks of a site tell each other, so that one phone is one alert: the loudest that each heard, window by window. A
 * phone at full power is heard three blocks away, where the plan leaves many places for it; the block it is in hears it louder
 * than any path through the air explains for the others.
 *
 * One board for the blocks of a process; blocks on other machines would feed theirs by messages. Event time only.
 */
import type { BandId, BlockId, SensorId, Site, Track } from "../model.ts";
import { median } from "./median.ts";

/** The loudest sensor of a block in one band and window. */
export interface Hearing {
  readonly tMs: number;
  readonly band: BandId;
  readonly sensor: SensorId;
  readonly levelDbm: number;
}

/** What a block's track at a border is to it: where it may be, and how much of that is its own (`Policy.shareHere`). */
export interface Claim {
  /** End of the window that it is of, and when it was heard last. */
  readonly windowMs: number;
  readonly tMs: number;
  readonly bands: readonly BandId[];
  readonly candidates: Track["fix"]["candidates"];
  /** Those that hear it loudest. */
  readonly sensors: Track["sensors"];
  readonly share: number;
}

/** Claims of windows so long ago no longer count; they are kept for twice as long, since blocks do not judge in step. */
const CLAIM_MS = 30_000;
/** What of a track goes into its claim: with fewer in common two blocks do not see the same. */
const MOST_CLAIMED = 12;

/** What a block tells of a track that may be in another one, in the window that ends at `windowMs`. */
export function claimOf(track: Track, share: number, windowMs: number): Claim {
  const { lastEvidenceMs: tMs, bands, fix } = track;
  const level = (s: Track["sensors"][number]) => s.floorDbm + s.excessDb;
  const sensors = [...track.sensors].sort((a, b) => level(b) - level(a)).slice(0, MOST_CLAIMED);
  return { windowMs, tMs, bands, candidates: fix.candidates.slice(0, MOST_CLAIMED), sensors, share };
}

/**
 * Places in common from which on tracks that two blocks have within themselves are one emitter's, as a probability: what two of the same
 * levels, each with sensors that the other has not, leave to each other. A choice: one in the cell beside another's has less.
 */
const COMMON_P = 0.3;
/** Sensors that both blocks listen to have the same readings; apart by the windows' edges at most. */
const SAME_LEVEL_DB = 3;

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
  private readonly references: (block: BlockId) => ReadonlySet<SensorId>;
  private readonly positions = new Map<SensorId, Position>();
  /** What blocks found in readings that came late, for one another's decisions. */
  private late: { readonly block: BlockId; readonly hearing: Hearing }[] = [];
  private readonly blocks = new Map<BlockId, { judgedMs: number; hearings: Hearing[]; claims: Claim[] }>();

  /** `references`: sensors of other blocks that a block listens to itself, so that its own places weigh what they hear. */
  constructor(site: Site, references: (block: BlockId) => ReadonlySet<SensorId> = () => new Set()) {
    this.references = references;
    for (const { id, positionM } of site.sensors) if (positionM !== null) this.positions.set(id, positionM);
    for (const { id } of site.blocks)
      this.blocks.set(id, { judgedMs: Number.NEGATIVE_INFINITY, hearings: [], claims: [] });
  }

  /** A block has judged its window up to `tMs`, heard this, and has these at its borders. */
  judged(block: BlockId, tMs: number, hearings: readonly Hearing[], claims: readonly Claim[] = []): void {
    const known = this.blocks.get(block);
    if (known === undefined) return;
    known.claims.push(...claims);
    if ((known.claims[0]?.windowMs ?? tMs) < tMs - 4 * CLAIM_MS) {
      known.claims = known.claims.filter((c) => c.windowMs >= tMs - 2 * CLAIM_MS);
    }
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

  /**
   * Whether a track that may be in another block too is this block's to tell at `tMs`, having `share` of its places: with half of them, unless
   * another block that has it in the same places has more; with less, only where the others that hear it have less still. Each has
   * sensors that the other has not, so that both may take it for the other's, or for their own.
   */
  isOf(track: Track, share: number, tMs: number): boolean {
    if (share >= 1) return true;
    const rivals = this.claimsBeside(track, tMs);
    if (share < 0.5) return rivals.length > 0 && rivals.every((c) => c.share < share);
    return !rivals.some((c) => c.share > share && commonP(c, track) >= COMMON_P);
  }

  /** The last that each other block said, in windows up to `tMs`, of tracks that are heard as this one is. */
  private claimsBeside(track: Track, tMs: number): Claim[] {
    const beside: Claim[] = [];
    for (const [block, { claims }] of this.blocks) {
      if (block === track.block) continue;
      // What was judged later would depend on who judges first.
      const told = claims.filter((c) => c.windowMs <= tMs && c.windowMs > tMs - CLAIM_MS);
      const near = told.filter((c) => Math.abs(c.tMs - track.lastEvidenceMs) <= SAME_USE_MS);
      const same = near.filter((c) => heardAs(c, track));
      const lastMs = same.at(-1)?.windowMs;
      beside.push(...same.filter((c) => c.windowMs === lastMs));
    }
    return beside;
  }

  /** The other block of whose hearings, as `of` gives them, those near in time explain a track. */
  private explained(
    track: Track,
    of: (block: BlockId, hearings: readonly Hearing[]) => readonly Hearing[],
  ): BlockId | null {
    if (track.sensors.length === 0) return null;
    const references = this.references(track.block);
    for (const [block, { hearings }] of this.blocks) {
      if (block === track.block) continue;
      const near = of(block, hearings).filter(
        (h) => Math.abs(h.tMs - track.lastEvidenceMs) < SAME_USE_MS && !references.has(h.sensor),
      );
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
      blocks: [BlockId, { judgedMs: number; hearings: Hearing[]; claims: Claim[] }][];
      late: { block: BlockId; hearing: Hearing }[];
    };
    this.late = [...data.late];
    for (const [id, known] of data.blocks) {
      if (this.blocks.has(id))
        this.blocks.set(id, { ...known, hearings: [...known.hearings], claims: [...known.claims] });
    }
  }
}

/** Whether the sensors that both blocks listen to hear the two alike. */
function heardAs(claim: Claim, track: Track): boolean {
  if (!claim.bands.some((band) => track.bands.includes(band))) return false;
  const levels = new Map(claim.sensors.map((s) => [s.sensor, s.floorDbm + s.excessDb]));
  const apart: number[] = [];
  for (const { sensor, floorDbm, excessDb } of track.sensors) {
    const level = levels.get(sensor);
    if (level !== undefined) apart.push(Math.abs(level - floorDbm - excessDb));
  }
  return apart.length > 0 && median(apart) <= SAME_LEVEL_DB;
}

function commonP(claim: Claim, track: Track): number {
  const p = new Map(claim.candidates.map((c) => [c.cell, c.p]));
  return track.fix.candidates.reduce((sum, c) => sum + Math.min(c.p, p.get(c.cell) ?? 0), 0);
}
