import type { BandId, BlockId, LearningReport, Track, WouldBeAlert, ZoneId } from "../model.ts";

/**
 * Learning mode of one block: what the detector and the fusion find is counted, and nobody is alarmed. For the days in which a
 * new house learns its floors. It covers alerts that rest on what was learned (`phone-active`); faults, tampering and scanner
 * results are told as ever. It always has an end, in event time, and says what it did. Pure.
 */
export interface LearningOptions {
  /** Until this instant of event time; null: `hours` alone decides. */
  readonly untilMs: number | null;
  /** For so long after the block's first reading; null: `untilMs` alone decides. With both the later one counts. */
  readonly hours: number | null;
}

/** Would-be alerts that are kept to be looked at. */
const KEPT = 100;

export class Learning {
  private readonly block: BlockId;
  private readonly options: LearningOptions | null;
  private firstMs: number | null = null;
  private events = 0;
  private alerts = 0;
  private last: WouldBeAlert[] = [];
  /** Tracks that were counted and are not over, and the cell each was counted for: one phone, and one cell, counts once. */
  private readonly counted = new Map<string, ZoneId | null>();

  constructor(block: BlockId, options: LearningOptions | null) {
    this.block = block;
    this.options = options;
  }

  /** A reading of `tMs` was judged. */
  heard(tMs: number): void {
    this.firstMs ??= tMs;
  }

  /** When it ends; null: it is not configured, or waits for the first reading. */
  get untilMs(): number | null {
    const { untilMs = null, hours = null } = this.options ?? {};
    if (hours === null) return untilMs;
    if (this.firstMs === null) return null;
    return Math.max(untilMs ?? Number.NEGATIVE_INFINITY, this.firstMs + hours * 3_600_000);
  }

  /** Whether what is found at `tMs` is only counted. */
  active(tMs: number): boolean {
    return this.options !== null && tMs < (this.untilMs ?? Number.POSITIVE_INFINITY);
  }

  /** Channels became hot. */
  countEvents(opened: number): void {
    this.events += opened;
  }

  /** An alert would have opened for this track. */
  count(track: Track, tMs: number): void {
    if (this.counted.has(track.id)) return;
    const top = track.fix.candidates[0];
    const cell = top?.cell ?? null;
    const known = [...this.counted.values()].includes(cell);
    this.counted.set(track.id, cell);
    if (known) return;
    this.alerts++;
    const bands: readonly BandId[] = track.bands;
    this.last.push({ tMs, firstEvidenceMs: track.firstEvidenceMs, cell, p: top?.p ?? 0, bands });
    if (this.last.length > KEPT) this.last.shift();
  }

  ended(track: string): void {
    this.counted.delete(track);
  }

  report(nowMs: number): LearningReport {
    const { block, firstMs, untilMs, events, alerts, last } = this;
    return { block, learning: this.active(nowMs), firstMs, untilMs, events, alerts, last: [...last] };
  }

  snapshot(): unknown {
    const { firstMs, events, alerts, last } = this;
    return { firstMs, events, alerts, last, counted: [...this.counted] };
  }

  restore(snapshot: unknown): void {
    const saved = snapshot as {
      firstMs: number | null;
      events: number;
      alerts: number;
      last: WouldBeAlert[];
      counted: [string, ZoneId | null][];
    };
    this.firstMs = saved.firstMs;
    this.events = saved.events;
    this.alerts = saved.alerts;
    this.last = [...saved.last];
    for (const [track, cell] of saved.counted) this.counted.set(track, cell);
  }
}
