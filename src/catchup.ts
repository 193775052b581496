import type { SensorId } from "./model.ts";

/**
 * The clock that judging goes by while the service catches up: after a start or a reconnection the broker hands over what
 * came meanwhile, and sensors send again what they kept. A window judged by the wall clock would be judged before its readings
 * are here, so that all of them came too late to raise an alert.
 *
 * Until it has caught up, time is what the sensors show: the oldest of their newest instants, never backwards and never ahead of
 * the wall. They come back in any order, one after the other with minutes each, so each is waited for by itself: until it is as
 * near to the wall as it was before, or falls silent while nobody else comes nearer either, or goes on at the same distance (its
 * clock is wrong, or the machine is too slow, and waiting helps nobody). Those are waited for that were heard before, and those
 * that are heard now.
 */

export interface CatchUpOptions {
  /** As near to where it was before (or to the wall) a sensor is there: one usual period. */
  readonly nearMs: number;
  /** Sensors that send and come no nearer are waited for so long; where most are there already, the shorter time. */
  readonly patienceMs: number;
  readonly fewPatienceMs: number;
}

const DEFAULTS: CatchUpOptions = { nearMs: 1000, patienceMs: 60_000, fewPatienceMs: 5000 };
/** Without a message for so long there is nothing to catch up with: Sparkplug's reorder time, "a couple of seconds". */
export const QUIET_MS = 2000;
/** For so long a lost connection may come back before time goes on without it. */
export const AWAY_MS = 10_000;
/** A sensor is expected back that was heard within this before the last message of all: as long as until it is called silent. */
const EXPECTED_MS = 15_000;
/** How often is looked at who is later than usual. */
const LOOK_MS = 1000;
/** What a sensor's nearest distance loses a millisecond: clocks drift by less than 100 ppm, networks change for good at times. */
const FORGET = 1e-3;
/** So much nearer is progress; less is noise of arrivals. */
const PROGRESS_MS = 500;

interface Sensor {
  /** Newest instant, and when (monotonic) the sensor was heard last. */
  tsMs: number;
  atMs: number;
  /** Newest instant less monotonic time: how near it is; the same as it was while nothing had to be caught up. */
  aheadMs: number;
  usualMs: number;
  /** The look in which it was counted last. */
  look: number;
  /** The nearest that counted as progress since `begin`, and when. */
  bestMs: number;
  bestAtMs: number;
  waited: boolean;
}

export class CatchUp {
  private readonly options: CatchUpOptions;
  private readonly sensors = new Map<SensorId, Sensor>();
  private active = false;
  private heard = false;
  private quietMs = QUIET_MS;
  private atMs = Number.NEGATIVE_INFINITY;
  private lastMonotonicMs = 0;
  /** When any sensor came nearer, and how many are there again. */
  private progressMs = 0;
  private there = 0;
  /** The look that is under way, when the last one was, and who was heard in it: how many, and how many of them late. */
  private look = 0;
  private lookedMs = Number.NEGATIVE_INFINITY;
  private counted = 0;
  private later = 0;

  constructor(options: Partial<CatchUpOptions> = {}) {
    this.options = { ...DEFAULTS, ...options };
  }

  get running(): boolean {
    return this.active;
  }

  /** What was missed may come now. Without any message it is over after `quietMs`. */
  begin(monotonicMs: number, quietMs = QUIET_MS): void {
    for (const s of this.sensors.values()) {
      if (!this.active) s.waited = s.atMs >= this.lastMonotonicMs - EXPECTED_MS;
      s.bestMs = Number.NEGATIVE_INFINITY;
    }
    this.active = true;
    this.heard = false;
    this.there = 0;
    this.quietMs = quietMs;
    this.lastMonotonicMs = monotonicMs;
    this.progressMs = monotonicMs;
  }

  /** A message was taken; `lastTsMs` is its newest instant. */
  note(sensor: SensorId, lastTsMs: number, monotonicMs: number): void {
    this.lastMonotonicMs = monotonicMs;
    const aheadMs = lastTsMs - monotonicMs;
    let s = this.sensors.get(sensor);
    if (!s) {
      s = {
        tsMs: lastTsMs,
        atMs: monotonicMs,
        aheadMs,
        usualMs: Number.POSITIVE_INFINITY,
        look: -1,
        bestMs: Number.NEGATIVE_INFINITY,
        bestAtMs: monotonicMs,
        waited: this.active,
      };
      this.sensors.set(sensor, s);
    }
    const sinceMs = monotonicMs - s.atMs;
    s.atMs = monotonicMs;
    if (lastTsMs > s.tsMs) s.tsMs = lastTsMs;
    s.aheadMs = s.tsMs - monotonicMs;
    if (!this.active) {
      // Never heard while nothing had to be caught up, or let go as it was: that is how it is.
      s.usualMs = Number.isFinite(s.usualMs) ? Math.max(s.aheadMs, s.usualMs - FORGET * sinceMs) : s.aheadMs;
      this.count(s);
      return;
    }
    this.heard = true;
    this.quietMs = QUIET_MS;
    if (s.aheadMs <= s.bestMs + PROGRESS_MS) return;
    s.bestMs = s.aheadMs;
    s.bestAtMs = monotonicMs;
    if (s.waited) this.progressMs = monotonicMs;
  }

  /** The time to judge by at `wallMs`; -Infinity: nothing yet. */
  nowMs(wallMs: number, monotonicMs: number): number {
    if (!this.active && this.behind(monotonicMs)) this.begin(monotonicMs);
    if (!this.active) {
      this.atMs = wallMs;
      return wallMs;
    }
    const quiet = monotonicMs - this.lastMonotonicMs >= this.quietMs;
    if (quiet || (this.heard && !this.waits(wallMs - monotonicMs, monotonicMs))) {
      this.active = false;
      this.atMs = wallMs;
      // Who was let go as late as before is so from now on: waiting for it again would help nobody.
      for (const s of this.sensors.values()) s.usualMs = s.aheadMs;
      return wallMs;
    }
    if (!this.heard) return this.atMs;
    let leastMs = wallMs;
    for (const s of this.sensors.values()) if (s.waited && s.tsMs < leastMs) leastMs = s.tsMs;
    this.atMs = Math.max(this.atMs, leastMs);
    return this.atMs;
  }

  private count(s: Sensor): void {
    if (s.look === this.look) return;
    s.look = this.look;
    this.counted++;
    if (s.aheadMs < s.usualMs - this.options.nearMs) this.later++;
  }

  /** Whether most of those heard since the last look are later than they were. */
  private behind(monotonicMs: number): boolean {
    if (monotonicMs - this.lookedMs < LOOK_MS) return false;
    const most = this.later * 2 > this.counted;
    this.lookedMs = monotonicMs;
    this.look++;
    this.counted = 0;
    this.later = 0;
    return most;
  }

  /** Lets those go that are there, or that are not worth waiting for; whether any is left. */
  private waits(offsetMs: number, monotonicMs: number): boolean {
    const { nearMs, patienceMs, fewPatienceMs } = this.options;
    let left = 0;
    for (const s of this.sensors.values()) {
      if (!s.waited) continue;
      const back = s.bestMs > Number.NEGATIVE_INFINITY;
      if (back && s.aheadMs >= Math.min(offsetMs, s.usualMs) - nearMs) {
        s.waited = false;
        this.there++;
      } else left++;
    }
    if (left === 0) return false;
    const patience = this.there > left ? fewPatienceMs : patienceMs;
    const still = monotonicMs - this.progressMs >= QUIET_MS;
    for (const s of this.sensors.values()) {
      if (!s.waited) continue;
      const back = s.bestMs > Number.NEGATIVE_INFINITY;
      const silent = monotonicMs - (back ? s.atMs : Number.NEGATIVE_INFINITY) >= QUIET_MS;
      if ((silent && still) || (back && monotonicMs - s.bestAtMs >= patience)) {
        s.waited = false;
        left--;
      }
    }
    return left > 0;
  }
}
