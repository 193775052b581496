import type { Outcome, Track } from "../model.ts";

/**
 * Uses whose alert somebody closed while they went on. A person's word silences the use that it was about, never what comes after: when it
 * is told again it is an alert of its own, and the closed one stays in the record as it was. Pure.
 */

/**
 * So long after the closing, what is still heard is told again: a phone that had been silent for as long would be a new use (the
 * tracker's hold-off), so one that was taken away or switched off cannot be it.
 */
const REST_MS = 60_000;
/** What somebody explained needs no second telling for as long as it lasts. */
const EXPLAINED: ReadonlySet<Outcome> = new Set(["staff", "false"]);

interface Rest {
  readonly alert: string;
  readonly closedMs: number;
  /** Infinity: for as long as it lasts. */
  readonly untilMs: number;
  /** Alerts of this use that were closed. */
  readonly times: number;
}

export class Resting {
  private readonly rests = new Map<string, Rest>();

  /** The alert that a track feeds was closed at `nowMs`. */
  closed(track: string, alert: string, outcome: Outcome, nowMs: number): void {
    const untilMs = EXPLAINED.has(outcome) ? Number.POSITIVE_INFINITY : nowMs + REST_MS;
    this.rests.set(track, { alert, closedMs: nowMs, untilMs, times: (this.rests.get(track)?.times ?? 0) + 1 });
  }

  /** Whether nothing was heard of a track since the rest that somebody gave it by closing its alert. */
  has(track: Track): boolean {
    const rest = this.rests.get(track.id);
    return rest !== undefined && track.lastEvidenceMs < rest.untilMs;
  }

  /** The closed alert that a track fed last; null: none. */
  alertOf(track: string): string | null {
    return this.rests.get(track)?.alert ?? null;
  }

  /** The id of the alert that a track leads: its own, with a number once one of that id was closed. */
  idOf(track: string): string {
    const rest = this.rests.get(track);
    return rest === undefined ? track : `${track}-${rest.times + 1}`;
  }

  /** The track as its next alert sees it: from the closing on. */
  since(track: Track): Track {
    const rest = this.rests.get(track.id);
    return rest === undefined || rest.closedMs <= track.firstEvidenceMs
      ? track
      : { ...track, firstEvidenceMs: Math.min(rest.closedMs, track.lastEvidenceMs) };
  }

  ended(track: string): void {
    this.rests.delete(track);
  }

  snapshot(): unknown {
    return [...this.rests];
  }

  restore(snapshot: unknown): void {
    for (const [track, rest] of snapshot as [string, Rest][]) this.rests.set(track, rest);
  }
}
