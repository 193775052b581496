/**
 * Time that does not follow every step of the machine's clock. When that clock is set while the service runs, the steady
 * time (the clock at the start plus what has passed since) and the clock differ; whichever the sensors' stamps are nearer
 * to is right. Without sensors to ask, the machine's clock is believed.
 */
import type { Clock } from "./contracts.ts";

/** A difference below this is drift, or the machine's clock being slewed, and is followed. */
const STEP_MS = 1_000;
/** Stamps older than this say nothing any more. */
const STAMPS_MS = 60_000;
const STAMPS = 31;

export class SteadyClock implements Clock {
  private readonly clock: Clock;
  /** Clock minus monotonic time, as it was last believed. */
  private offsetMs: number;
  private readonly stamps: { readonly aheadMs: number; readonly atMs: number }[] = [];
  private steps = 0;

  constructor(clock: Clock) {
    this.clock = clock;
    this.offsetMs = clock.nowMs() - clock.monotonicMs();
  }

  monotonicMs(): number {
    return this.clock.monotonicMs();
  }

  nowMs(): number {
    const monotonicMs = this.clock.monotonicMs();
    const offsetMs = this.clock.nowMs() - monotonicMs;
    if (Math.abs(offsetMs - this.offsetMs) < STEP_MS) this.offsetMs = offsetMs;
    else if (this.believes(offsetMs, monotonicMs)) {
      this.offsetMs = offsetMs;
      this.steps++;
    }
    return this.offsetMs + monotonicMs;
  }

  /** How far the machine's clock is ahead of what is believed, ms; 0 when they agree. */
  differenceMs(): number {
    const ms = this.clock.nowMs() - this.nowMs();
    return Math.abs(ms) < STEP_MS ? 0 : ms;
  }

  /** Steps of the machine's clock that were followed. */
  get followed(): number {
    return this.steps;
  }

  /** A message came whose newest instant a sensor stamped so; sensors stamp just before they send. */
  note(stampMs: number): void {
    const atMs = this.clock.monotonicMs();
    this.stamps.push({ aheadMs: stampMs - atMs, atMs });
    if (this.stamps.length > STAMPS) this.stamps.shift();
  }

  private believes(offsetMs: number, monotonicMs: number): boolean {
    const recent = this.stamps.filter((s) => monotonicMs - s.atMs <= STAMPS_MS).map((s) => s.aheadMs);
    if (recent.length === 0) return true;
    recent.sort((a, b) => a - b);
    const sensors = recent[recent.length >> 1]!;
    return Math.abs(offsetMs - sensors) < Math.abs(this.offsetMs - sensors);
  }
}
