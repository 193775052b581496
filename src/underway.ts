import type { ReadingBatch } from "./model.ts";

/**
 * What of one sensor is still under way: numbers that were passed over belong to messages that come later, by another gateway or sent again, or
 * never. Which of both a sensor's messages do, and how late, is learned from its own: whoever loses what it passes over is not waited for.
 */

/** Two seconds is the usual reorder time of MQTT sensor networks (Sparkplug: "as little as a couple of seconds"). */
export const REORDER_MS = 2000;
/** Each message forgets so much of the largest delay: in a hundred uniform ones the next is larger in one of a hundred. */
const DELAY_FORGETS = 0.01;
/** Each message that came late after all, or never, says so much of the next: three losses in a row and nothing is waited for. */
const OUTCOME_WEIGHT = 0.25;
/** Waiting pays where what was passed over rather comes than not. */
const COMES_P = 0.5;
/** More than this a sensor of one message in 20 ms does not have under way. */
const MOST_GAPS = 64;

interface Gap {
  /** Numbers passed over, the second exclusive. */
  readonly from: number;
  readonly to: number;
  /** Their instants lie between these two. */
  readonly afterMs: number;
  readonly beforeMs: number;
  /** When a newer one came. */
  readonly sinceMs: number;
}

/** Survives structured cloning. */
export interface UnderWay {
  boot: number;
  /** Number that follows the highest one, and the instant before it. */
  next: number;
  lastMs: number;
  /** In order of numbers. */
  gaps: readonly Gap[];
  /** The most that a message came behind a newer one lately. */
  delayMs: number;
  /** Share of what was passed over that came. */
  comesP: number;
}

export const nothingUnderWay = (): UnderWay => ({ boot: -1, next: 0, lastMs: 0, gaps: [], delayMs: 0, comesP: 1 });

/** A batch came at `nowMs`. What is not here `giveUpMs` after a newer one is lost. */
export function came(of: UnderWay, batch: ReadingBatch, nowMs: number, giveUpMs: number): void {
  const end = batch.seq + batch.count;
  const endMs = batch.tsMs + batch.dtMs * (batch.count - 1);
  if (batch.boot < of.boot) return;
  if (batch.boot > of.boot) {
    // What a sensor had not sent when it started anew it sends no more, and where its numbers begin nobody knows.
    Object.assign(of, { boot: batch.boot, next: end, lastMs: endMs, gaps: [] });
    return;
  }
  of.delayMs *= 1 - DELAY_FORGETS;
  if (of.gaps.length > 0) settle(of, batch, nowMs, giveUpMs);
  if (end <= of.next) return;
  if (batch.seq > of.next) {
    const gap = { from: of.next, to: batch.seq, afterMs: of.lastMs, beforeMs: batch.tsMs, sinceMs: nowMs };
    of.gaps = [...of.gaps.slice(1 - MOST_GAPS), gap];
  }
  of.next = end;
  of.lastMs = endMs;
}

/** Takes out of the gaps what came and what was given up, and learns from both. */
function settle(of: UnderWay, batch: ReadingBatch, nowMs: number, giveUpMs: number): void {
  const end = batch.seq + batch.count;
  of.gaps = of.gaps.flatMap((gap) => {
    if (nowMs - gap.sinceMs >= giveUpMs) {
      of.comesP *= 1 - OUTCOME_WEIGHT;
      return [];
    }
    if (end <= gap.from || batch.seq >= gap.to) return [gap];
    of.comesP += OUTCOME_WEIGHT * (1 - of.comesP);
    of.delayMs = Math.max(of.delayMs, nowMs - gap.sinceMs);
    const left = { ...gap, to: batch.seq, beforeMs: batch.tsMs };
    const right = { ...gap, from: end, afterMs: batch.tsMs + batch.dtMs * (batch.count - 1) };
    return [left, right].filter((g) => g.from < g.to);
  });
}

/** How late a sensor's messages come; 0 where what is late is lost. */
export function delayMs(of: UnderWay): number {
  return of.comesP < COMES_P ? 0 : of.delayMs;
}

/** Whether instants from `fromMs` to `endMs` are likely to come; `periodMs` between two of them, 0 where not known. */
export function isUnderWay(of: UnderWay, fromMs: number, endMs: number, periodMs: number, nowMs: number): boolean {
  if (of.gaps.length === 0 || of.comesP < COMES_P) return false;
  const longMs = Math.max(REORDER_MS, of.delayMs);
  return of.gaps.some((g) => g.afterMs + periodMs < endMs && g.beforeMs > fromMs && nowMs - g.sinceMs < longMs);
}
