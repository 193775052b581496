/**
 * The bounded queue between arrival and judgement. A sensor that floods is held back by its own quota and by a share of
 * the room, so that the others always find place. What does not fit is refused, and the caller counts it.
 */
import type { Reject, SensorId } from "../model.ts";

export interface InboxOptions {
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** Messages a second one sensor may send in the long run, and how many at once after a silence. */
  readonly sensorPerSecond: number;
  readonly sensorBurst: number;
  /** Share of the room one sensor may fill, 0..1. */
  readonly sensorShare: number;
}

/** Names in topics come from outside; those beyond this number share one quota, so that names cost no memory. */
const MAX_BUCKETS = 65_536;
const SHARED = "";

interface Bucket {
  tokens: number;
  atMs: number;
  queued: number;
}

interface Entry<T> {
  readonly sensor: SensorId;
  readonly bytes: number;
  readonly item: T;
}

/** First in, first out. Cost: constant per message. */
export class Inbox<T> {
  readonly #options: InboxOptions;
  readonly #buckets = new Map<SensorId, Bucket>();
  #entries: (Entry<T> | undefined)[] = [];
  #head = 0;
  #bytes = 0;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.length - this.#head;
  }
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Queues a message; a refusal says whose limit was reached. `monotonicMs` only moves the quotas. The sensor is whoever
   * the topic names and need not be known; give "" for messages that name none of the site's. `catchingUp`: what comes now
   was sent over a longer time, so the quota of messages a second says nothing.
   */
  offer(name: SensorId, bytes: number, monotonicMs: number, item: T, catchingUp = false): Reject | null {
    const sensor = this.#buckets.has(name) || this.#buckets.size < MAX_BUCKETS ? name : SHARED;
    const { maxMessages, maxBytes, sensorShare, sensorPerSecond, sensorBurst } = this.#options;
    const bucket = this.#refilled(sensor, monotonicMs);
    if (bucket.tokens < 1 && !catchingUp) {
      return refuse(
        "sensor-quota",
        `'${sensor}' sends more than ${sensorPerSecond} messages/s (at once ${sensorBurst})`,
      );
    }
    if (this.size >= maxMessages || this.#bytes + bytes > maxBytes) {
      return refuse("inbox-full", `${this.size} messages (${this.#bytes} bytes) wait to be judged; no room for more`);
    }
    const share = Math.max(1, Math.floor(maxMessages * sensorShare));
    if (bucket.queued >= share) {
      return refuse(
        "sensor-quota",
        `'${sensor}' has ${bucket.queued} messages waiting; one sensor fills at most ${share}`,
      );
    }
    bucket.tokens = Math.max(0, bucket.tokens - 1);
    bucket.queued += 1;
    this.#bytes += bytes;
    this.#entries.push({ sensor, bytes, item });
    return null;
  }

  /** What `take` would give, left where it is. */
  peek(): T | undefined {
    return this.#entries[this.#head]?.item;
  }

  /** The next message, or undefined. */
  take(): T | undefined {
    const entry = this.#entries[this.#head];
    if (entry === undefined) return undefined;
    this.#entries[this.#head] = undefined;
    this.#head++;
    this.#bytes -= entry.bytes;
    this.#buckets.get(entry.sensor)!.queued -= 1;
    if (this.#head === this.#entries.length) {
      this.#entries = [];
      this.#head = 0;
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return entry.item;
  }

  #refilled(sensor: SensorId, monotonicMs: number): Bucket {
    const { sensorPerSecond, sensorBurst } = this.#options;
    let bucket = this.#buckets.get(sensor);
    if (bucket === undefined) {
      bucket = { tokens: sensorBurst, atMs: monotonicMs, queued: 0 };
      this.#buckets.set(sensor, bucket);
    }
    const passedMs = Math.max(0, monotonicMs - bucket.atMs);
    bucket.tokens = Math.min(sensorBurst, bucket.tokens + (passedMs / 1000) * sensorPerSecond);
    bucket.atMs = monotonicMs;
    return bucket;
  }
}

function refuse(code: "sensor-quota" | "inbox-full", detail: string): Reject {
  return { ok: false, code, detail };
}
