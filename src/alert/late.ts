import type { Alert, Candidate, Track, ZoneId } from "../model.ts";

/**
 * What readings that came late mean for alerts: a phone that was told of in time, whose alert they amend, or one that nobody knew of.
 * Pure.
 */

/** As much of an alert as says where and when; kept of closed ones too, so that what was settled is not raised again. */
export interface Known {
  readonly cell: ZoneId | null;
  readonly candidates: readonly Candidate[];
  readonly first_evidence_at: number;
  readonly last_evidence_at: number;
}

/** Texts within a minute are one use (the tracker's hold-off). */
const SAME_USE_MS = 60_000;
/** A place that is at least this likely may be the alert's. */
const MAYBE_P = 0.1;
/** Evidence that begins earlier or ends later by less than a window is no news. */
const NEWS_MS = 1000;

/** Whether a late track is what this alert told of: about the same time, and possibly the same cell. */
export function sameUse(track: Track, known: Known): boolean {
  if (track.firstEvidenceMs > known.last_evidence_at + SAME_USE_MS) return false;
  if (track.lastEvidenceMs < known.first_evidence_at - SAME_USE_MS) return false;
  const top = track.fix.candidates[0]?.cell;
  if (top !== undefined && top === known.cell) return true;
  const may = (candidates: readonly Candidate[], cell: ZoneId | null | undefined) =>
    candidates.some((c) => c.cell === cell && c.p >= MAYBE_P);
  return may(known.candidates, top) || may(track.fix.candidates, known.cell);
}

/** The alert with what came late of the same use; null: it says nothing new. `tMs` is when it came to be known. */
export function amended(alert: Alert, track: Track, tMs: number): Alert | null {
  const first = Math.min(alert.first_evidence_at, track.firstEvidenceMs);
  const last = Math.max(alert.last_evidence_at, track.lastEvidenceMs);
  const bands = [...new Set([...alert.bands, ...track.bands])];
  const earlier = alert.first_evidence_at - first;
  const later = last - alert.last_evidence_at;
  if (earlier < NEWS_MS && later < NEWS_MS && bands.length === alert.bands.length) return null;
  const more = [
    ...(earlier >= NEWS_MS ? [`it began ${seconds(earlier)} s earlier`] : []),
    ...(later >= NEWS_MS ? [`it lasted ${seconds(later)} s longer`] : []),
    ...(bands.length > alert.bands.length ? [`it was also on in ${bands.slice(alert.bands.length).join(", ")}`] : []),
  ];
  return {
    ...alert,
    bands,
    first_evidence_at: first,
    last_evidence_at: last,
    late_ms: lateMs(track, tMs),
    text: `${alert.text} Readings that came late say: ${more.join(", ")}.`,
  };
}

/** A new alert of late readings, marked as such. */
export function markedLate(alert: Alert, track: Track, tMs: number): Alert {
  const ms = lateMs(track, tMs);
  const s = seconds(track.lastEvidenceMs - track.firstEvidenceMs);
  const text = `${alert.text} It is over: it lasted ${s} s, and its readings were here ${seconds(ms)} s after its end.`;
  return { ...alert, late_ms: ms, text };
}

const lateMs = (track: Track, tMs: number) => Math.max(0, tMs - track.lastEvidenceMs);
const seconds = (ms: number) => Math.max(1, Math.round(ms / 1000));
