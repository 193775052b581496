/**
 * The last half minute of every sensor's raw readings, in memory, so that what led to an alert can be kept. Pure: time is an
 * argument.
 *
 * Levels are packed to 0.01 dB in 16 bits; duty, noise and looks are not kept (the durable log has the messages as they
 * came). 2,000 sensors with 8 bands at 50 Hz, rms alone, need 48 MB of values and 11 MB besides, with peak 107 MB; what `maxBytes` does not
 * hold falls off at the old end, counted.
 */
import type { ReadingBatch, SensorId } from "../model.ts";
import { packLevel, unpackLevel } from "./chunks.ts";

export interface RawRingOptions {
  /** How far back the ring reaches, and how long a capture goes on. */
  readonly beforeMs?: number;
  readonly afterMs?: number;
  readonly maxBytes?: number;
  /** Captures that may run at once; further ones are refused, counted. */
  readonly maxCaptures?: number;
}

export interface RawRingStatus {
  readonly bytes: number;
  readonly batches: number;
  /** Batches that fell off for size before their time. */
  readonly evicted: number;
  readonly captures: number;
  readonly refusedCaptures: number;
}

/** One batch: its head, and where its levels lie in a slab; -1 where it has none of that kind. */
interface Entry {
  readonly block: string;
  readonly sensor: SensorId;
  readonly boot: number;
  readonly seq: number;
  readonly tsMs: number;
  readonly dtMs: number;
  readonly count: number;
  readonly bands: ReadingBatch["bands"];
  readonly slab: Int16Array;
  readonly rmsAt: number;
  readonly peakAt: number;
}

interface Capture {
  readonly alert: string;
  readonly untilMs: number;
}

/** A first-in first-out list that gives its room back in blocks. */
class Fifo<T> {
  private items: T[] = [];
  private head = 0;
  get size(): number {
    return this.items.length - this.head;
  }
  first(): T | undefined {
    return this.items[this.head];
  }
  push(item: T): void {
    this.items.push(item);
  }
  shift(): void {
    this.head++;
    if (this.head >= 64 && this.head * 2 >= this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
  }
  *[Symbol.iterator](): Generator<T> {
    for (let i = this.head; i < this.items.length; i++) yield this.items[i]!;
  }
}

/** The object of one entry and its places in two lists: 177 B measured on Node 20 (`node --expose-gc`, 100,000 entries). */
const ENTRY_BYTES = 180;
/** Values a slab; one that is not full any more is let go when the last of its entries is. */
const SLAB_VALUES = 262_144;
const NOBODY: readonly string[] = [];

export class RawRing {
  private readonly beforeMs: number;
  private readonly afterMs: number;
  private readonly maxBytes: number;
  private readonly maxCaptures: number;
  /** All entries in order of arrival; each sensor's own list is in the same order. */
  private readonly order = new Fifo<Entry>();
  private readonly sensors = new Map<SensorId, Fifo<Entry>>();
  private readonly captures = new Map<SensorId, Capture[]>();
  private readonly running = new Map<string, number>();
  private slab = new Int16Array(0);
  private used = 0;
  private bytes = 0;
  private evicted = 0;
  private refused = 0;

  constructor(options: RawRingOptions = {}) {
    this.beforeMs = options.beforeMs ?? 30_000;
    this.afterMs = options.afterMs ?? 60_000;
    this.maxBytes = options.maxBytes ?? 128 * 1024 * 1024;
    this.maxCaptures = options.maxCaptures ?? 64;
  }

  /** Takes a batch in; returns the alerts it is to be kept for (`writeRaw`). `nowMs`: event time so far. */
  offer(batch: ReadingBatch, nowMs: number): readonly string[] {
    const { block, sensor, boot, seq, tsMs, dtMs, count, bands, rmsDbm, peakDbm } = batch;
    this.room((rmsDbm?.length ?? 0) + (peakDbm?.length ?? 0));
    const rmsAt = rmsDbm === null ? -1 : this.pack(rmsDbm);
    const peakAt = peakDbm === null ? -1 : this.pack(peakDbm);
    const entry: Entry = { block, sensor, boot, seq, tsMs, dtMs, count, bands, slab: this.slab, rmsAt, peakAt };
    let own = this.sensors.get(batch.sensor);
    if (!own) {
      own = new Fifo();
      this.sensors.set(batch.sensor, own);
    }
    own.push(entry);
    this.order.push(entry);
    this.bytes += bytesOf(entry);
    for (let oldest = this.order.first(); oldest; oldest = this.order.first()) {
      const expired = endMs(oldest) < nowMs - this.beforeMs;
      if (!expired && this.bytes <= this.maxBytes) break;
      if (!expired) this.evicted++;
      this.drop(oldest);
    }
    return this.wantedBy(batch.sensor, batch.tsMs, nowMs);
  }

  /**
   * Begins (or, for the same alert, prolongs) the capture of these sensors at `nowMs`: returns what the ring holds now of the
   * time before, unpacked one by one as it is asked for; what comes in the time after is named by `offer`. null: too many
   * captures run already.
   */
  capture(alert: string, sensors: readonly SensorId[], nowMs: number): Iterable<ReadingBatch> | null {
    this.expire(nowMs);
    if (!this.running.has(alert) && this.running.size >= this.maxCaptures) {
      this.refused++;
      return null;
    }
    const untilMs = nowMs + this.afterMs;
    this.running.set(alert, untilMs);
    const held: Entry[] = [];
    for (const sensor of new Set(sensors)) {
      const others = (this.captures.get(sensor) ?? []).filter((c) => c.alert !== alert);
      this.captures.set(sensor, [...others, { alert, untilMs }]);
      for (const entry of this.sensors.get(sensor) ?? []) {
        if (endMs(entry) >= nowMs - this.beforeMs && entry.tsMs <= untilMs) held.push(entry);
      }
    }
    return unpacked(held);
  }

  status(): RawRingStatus {
    return {
      bytes: this.bytes,
      batches: this.order.size,
      evicted: this.evicted,
      captures: this.running.size,
      refusedCaptures: this.refused,
    };
  }

  private wantedBy(sensor: SensorId, tsMs: number, nowMs: number): readonly string[] {
    const captures = this.captures.get(sensor);
    if (!captures) return NOBODY;
    // A late batch may still belong to a capture whose time is over for the newest ones.
    const running = captures.filter((c) => c.untilMs >= nowMs - this.beforeMs);
    if (running.length === 0) this.captures.delete(sensor);
    else if (running.length < captures.length) this.captures.set(sensor, running);
    return running
      .filter((c) => tsMs <= c.untilMs && tsMs >= c.untilMs - this.afterMs - this.beforeMs)
      .map((c) => c.alert);
  }

  /** A slab with room for so many values in one piece. */
  private room(values: number): void {
    if (this.used + values <= this.slab.length) return;
    this.slab = new Int16Array(Math.max(SLAB_VALUES, values));
    this.used = 0;
  }

  private pack(values: Float32Array): number {
    const at = this.used;
    for (let i = 0; i < values.length; i++) this.slab[at + i] = packLevel(values[i]!);
    this.used = at + values.length;
    return at;
  }

  private expire(nowMs: number): void {
    for (const [alert, untilMs] of this.running) if (untilMs < nowMs) this.running.delete(alert);
  }

  private drop(oldest: Entry): void {
    this.order.shift();
    this.bytes -= bytesOf(oldest);
    const own = this.sensors.get(oldest.sensor)!;
    own.shift();
    if (own.size === 0) this.sensors.delete(oldest.sensor);
  }
}

function endMs(entry: Entry): number {
  return entry.tsMs + (entry.count - 1) * entry.dtMs;
}

function bytesOf({ count, bands, rmsAt, peakAt }: Entry): number {
  return ENTRY_BYTES + 2 * count * bands.length * ((rmsAt < 0 ? 0 : 1) + (peakAt < 0 ? 0 : 1));
}

function* unpacked(entries: readonly Entry[]): Generator<ReadingBatch> {
  for (const entry of entries) yield unpack(entry);
}

function unpack({ slab, rmsAt, peakAt, ...head }: Entry): ReadingBatch {
  const values = head.count * head.bands.length;
  const rmsDbm = rmsAt < 0 ? null : levels(slab, rmsAt, values);
  const peakDbm = peakAt < 0 ? null : levels(slab, peakAt, values);
  return { ...head, rmsDbm, peakDbm, duty: null, noiseDbm: null, looks: null };
}

/** A loop: `Float32Array.from` with a function takes 130 ns a value, this 18. */
function levels(slab: Int16Array, at: number, values: number): Float32Array {
  const out = new Float32Array(values);
  for (let i = 0; i < values; i++) out[i] = unpackLevel(slab[at + i]!);
  return out;
}
