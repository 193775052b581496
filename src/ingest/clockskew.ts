/**
 * How far each sensor's clock is off, from arrivals alone. A message's newest instant is stamped just before it is sent, so
 * arrival minus stamp is the delay of the way plus the clock's offset; the smallest such difference over some minutes is
 * the offset plus the shortest way, because delays only add (the minimum filter of NTP's clock filter algorithm, RFC 5905
 * section 10). Late history only makes differences larger, so it does not disturb.
 */
import type { ReadingBatch, SensorId } from "../model.ts";

export interface ClockOptions {
  /** A stamp further ahead than this is flagged, and the time of arrival counts (reliability 3.4.6). */
  readonly futureMs: number;
  /** An offset beyond this, either way, is a fault (reliability 3.4.6). */
  readonly offMs: number;
  /** Length of the minimum filter: two halves of this, of which the older is dropped. */
  readonly windowMs: number;
  /** Messages a half needs before it counts. */
  readonly minMessages: number;
}

const DEFAULTS: ClockOptions = { futureMs: 5_000, offMs: 1_000, windowMs: 300_000, minMessages: 5 };

export type ClockState = "unknown" | "good" | "behind" | "ahead";

export interface ClockStatus {
  readonly state: ClockState;
  /** Arrival minus stamp at its smallest: positive when the sensor's clock is behind (or its way long). NaN: unknown. */
  readonly offsetMs: number;
  /** Messages whose newest instant was more than `futureMs` ahead. */
  readonly futureMessages: number;
}

interface Half {
  minMs: number;
  messages: number;
}

interface Watch {
  beganMs: number;
  current: Half;
  before: Half;
  futureMessages: number;
}

const emptyHalf = (): Half => ({ minMs: Number.POSITIVE_INFINITY, messages: 0 });

/** Watches every sensor's clock. Cost: constant per message, some 100 bytes per sensor. */
export class ClockWatch {
  readonly #options: ClockOptions;
  readonly #watches = new Map<SensorId, Watch>();

  constructor(options: Partial<ClockOptions> = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /**
   * Takes note of a batch and returns it, or the same with its times moved so that the newest instant is at its arrival
   * when it lies more than `futureMs` ahead: nothing from the future may move anyone else's window.
   */
  observe(batch: ReadingBatch, arrivalMs: number): ReadingBatch {
    const lastMs = batch.tsMs + (batch.count - 1) * batch.dtMs;
    const differenceMs = arrivalMs - lastMs;
    const watch = this.#watchOf(batch.sensor, arrivalMs);
    watch.current.minMs = Math.min(watch.current.minMs, differenceMs);
    watch.current.messages++;
    if (-differenceMs <= this.#options.futureMs) return batch;
    watch.futureMessages++;
    return { ...batch, tsMs: batch.tsMs + differenceMs };
  }

  status(sensor: SensorId): ClockStatus {
    const watch = this.#watches.get(sensor);
    if (watch === undefined) return { state: "unknown", offsetMs: Number.NaN, futureMessages: 0 };
    const { current, before, futureMessages } = watch;
    if (current.messages + before.messages < this.#options.minMessages) {
      return { state: "unknown", offsetMs: Number.NaN, futureMessages };
    }
    const offsetMs = Math.min(current.minMs, before.minMs);
    const { offMs } = this.#options;
    return { state: offsetMs > offMs ? "behind" : offsetMs < -offMs ? "ahead" : "good", offsetMs, futureMessages };
  }

  /** Forgets what was measured, for when the service's own clock was set. */
  reset(): void {
    this.#watches.clear();
  }

  #watchOf(sensor: SensorId, arrivalMs: number): Watch {
    let watch = this.#watches.get(sensor);
    if (watch === undefined) {
      watch = { beganMs: arrivalMs, current: emptyHalf(), before: emptyHalf(), futureMessages: 0 };
      this.#watches.set(sensor, watch);
    }
    // A step back of the service's clock begins a new half as well.
    const sinceMs = arrivalMs - watch.beganMs;
    if (sinceMs >= this.#options.windowMs / 2 || sinceMs < 0) {
      watch.before = watch.current;
      watch.current = emptyHalf();
      watch.beganMs = arrivalMs;
    }
    return watch;
  }
}
