/**
 * The clock that judging goes by while the service catches up: after a start or a reconnection the broker hands over what
 * came meanwhile, and a window judged by the wall clock would be judged before its readings are here, so that all of them
 * came too late to raise an alert.
 *
 * Until it has caught up, time is what the messages say: the median of the newest instants of the last messages (so that a
 * few wrong clocks do not move it), never backwards and never ahead of the wall. It has caught up when that is near the
 * wall, when nothing comes any more, or when the distance has not shrunk for a minute (then the clocks are wrong, or the
 * machine is too slow, and waiting helps nobody).
 */

export interface CatchUpOptions {
  /** As near to the wall as this is caught up: a sensor's usual period. */
  readonly nearMs: number;
  /** The distance must shrink within this. */
  readonly patienceMs: number;
}

const DEFAULTS: CatchUpOptions = { nearMs: 1000, patienceMs: 60_000 };
/** Without a message for so long there is nothing to catch up with: Sparkplug's reorder time, "a couple of seconds". */
export const QUIET_MS = 2000;
/** For so long a lost connection may come back before time goes on without it. */
export const AWAY_MS = 10_000;
/** Messages the median is over, and how old they may be: where few come, old ones would hold it back. */
const MEDIAN_OF = 31;
const RECENT_MS = 500;

export class CatchUp {
  private readonly options: CatchUpOptions;
  private recent: { readonly tsMs: number; readonly monotonicMs: number }[] = [];
  private active = false;
  private heard = false;
  private quietMs = QUIET_MS;
  private atMs = Number.NEGATIVE_INFINITY;
  private lastMonotonicMs = 0;
  private leastGapMs = Number.POSITIVE_INFINITY;
  private leastAtMs = 0;

  constructor(options: Partial<CatchUpOptions> = {}) {
    this.options = { ...DEFAULTS, ...options };
  }

  get running(): boolean {
    return this.active;
  }

  /** What was missed may come now. Without any message it is over after `quietMs`. */
  begin(monotonicMs: number, quietMs = QUIET_MS): void {
    this.active = true;
    this.heard = false;
    this.quietMs = quietMs;
    this.recent = [];
    this.lastMonotonicMs = monotonicMs;
    this.leastGapMs = Number.POSITIVE_INFINITY;
    this.leastAtMs = monotonicMs;
  }

  /** A message was taken; `lastTsMs` is its newest instant. */
  note(lastTsMs: number, monotonicMs: number): void {
    this.lastMonotonicMs = monotonicMs;
    if (!this.active) return;
    this.heard = true;
    this.quietMs = QUIET_MS;
    this.recent.push({ tsMs: lastTsMs, monotonicMs });
    if (this.recent.length > MEDIAN_OF) this.recent.shift();
  }

  /** The time to judge by at `wallMs`; -Infinity: nothing yet. */
  nowMs(wallMs: number, monotonicMs: number): number {
    if (!this.active) {
      this.atMs = wallMs;
      return wallMs;
    }
    const { nearMs, patienceMs } = this.options;
    while (this.recent.length > 0 && monotonicMs - this.recent[0]!.monotonicMs > RECENT_MS) this.recent.shift();
    if (this.recent.length > 0) this.atMs = Math.max(this.atMs, Math.min(wallMs, median(this.recent)));
    const gapMs = wallMs - this.atMs;
    // Half a second less is progress; less than that is noise of arrivals.
    if (gapMs < this.leastGapMs - 500) {
      this.leastGapMs = gapMs;
      this.leastAtMs = monotonicMs;
    }
    const quiet = monotonicMs - this.lastMonotonicMs >= this.quietMs;
    if (quiet || (this.heard && gapMs <= nearMs) || monotonicMs - this.leastAtMs >= patienceMs) {
      this.active = false;
      this.atMs = wallMs;
    }
    return this.atMs;
  }
}

function median(of: readonly { readonly tsMs: number }[]): number {
  const sorted = of.map((m) => m.tsMs).sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}
