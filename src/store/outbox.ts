/**
 * Delivery from a durable log: every sink has a cursor of its own, retries with growing pauses and never stops another one.
 *
 * At least once, in order: the cursor moves only after `deliver` resolved, and may fall back over a crash; a sink must
 * therefore be idempotent, `key` is what it can tell repeats by.
 */
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { Clock } from "../contracts.ts";
import type { FileLayer, LayerFile } from "./files.ts";
import type { Frame, Journal } from "./journal.ts";

/** Thrown by `deliver` when the other side said when to come back. */
export class RetryLater extends Error {
  readonly afterMs: number;
  constructor(message: string, afterMs: number) {
    super(message);
    this.name = "RetryLater";
    this.afterMs = afterMs;
  }
}

export interface SinkOptions {
  readonly name: string;
  /** Frames of other kinds are passed over. Default: all. */
  readonly kinds?: readonly number[];
  /** About so many bytes of frames are handed over at once; 0: one frame at a time. */
  readonly batchBytes?: number;
  /** Resolves when everything is safely on the other side. A rejection is retried, for ever. */
  readonly deliver: (frames: readonly Frame[], key: string, signal: AbortSignal) => Promise<void>;
  /** Where to begin when there is no cursor yet. Default: the oldest frame. */
  readonly startAt?: number;
  readonly firstPauseMs?: number;
  readonly maxPauseMs?: number;
  /** The cursor is written this often at the most; what a crash makes it fall back by is delivered again. Default 1000. */
  readonly cursorMs?: number;
  /** Told when frames were removed before they could be delivered. */
  readonly onLost?: (fromPosition: number, toPosition: number) => void;
  readonly onState?: (state: SinkState) => void;
}

export interface SinkState {
  readonly name: string;
  /** Everything before this position is delivered. */
  readonly cursor: number;
  /** Bytes of the log still to deliver. */
  readonly behindBytes: number;
  readonly delivered: number;
  readonly failures: number;
  /** Failures since the last success; 0 when all is well. */
  readonly failing: number;
  readonly lastError: string | null;
}

const SLOT = 16;

/** A position in a file with two slots, written in turn: a torn write leaves the other one. */
export class Cursor {
  private readonly file: LayerFile;
  private slot = 0;
  position: number | null;

  private constructor(file: LayerFile, position: number | null, slot: number) {
    this.file = file;
    this.position = position;
    this.slot = slot;
  }

  static async open(files: FileLayer, path: string): Promise<Cursor> {
    const file = await files.open(path, (await files.exists(path)) ? "write" : "create");
    const bytes = Buffer.alloc(2 * SLOT);
    const got = await file.read(bytes, 0);
    let best: number | null = null;
    let slot = 0;
    for (const i of [0, 1]) {
      if (got < (i + 1) * SLOT) continue;
      const part = bytes.subarray(i * SLOT, (i + 1) * SLOT);
      if (part.readUInt32LE(12) !== crc32(part.subarray(0, 12))) continue;
      const position = part.readDoubleLE(0);
      if (best === null || position >= best) {
        best = position;
        slot = 1 - i;
      }
    }
    return new Cursor(file, best, slot);
  }

  async save(position: number): Promise<void> {
    const bytes = Buffer.alloc(SLOT);
    bytes.writeDoubleLE(position, 0);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 12)), 12);
    await this.file.write(bytes, this.slot * SLOT);
    this.slot = 1 - this.slot;
    this.position = position;
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

class SinkLoop {
  readonly o: SinkOptions;
  private readonly journal: Journal;
  private readonly cursor: Cursor;
  private readonly clock: Clock;
  private readonly abort = new AbortController();
  private at: number;
  private delivered = 0;
  private failures = 0;
  private failing = 0;
  private lastError: string | null = null;
  private wake: (() => void) | null = null;
  private savedMs = Number.NEGATIVE_INFINITY;
  private readonly moved: () => void;
  private done: Promise<void> = Promise.resolve();

  constructor(o: SinkOptions, journal: Journal, cursor: Cursor, clock: Clock, moved: () => void) {
    this.o = o;
    this.journal = journal;
    this.cursor = cursor;
    this.clock = clock;
    this.moved = moved;
    this.at = Math.min(cursor.position ?? o.startAt ?? journal.beginPosition, journal.durablePosition);
  }

  get position(): number {
    return this.at;
  }

  start(): void {
    this.done = this.loop();
  }

  kick(): void {
    if (this.failing === 0) this.wake?.();
  }

  state(): SinkState {
    return {
      name: this.o.name,
      cursor: this.at,
      behindBytes: Math.max(0, this.journal.durablePosition - Math.max(this.at, this.journal.beginPosition)),
      delivered: this.delivered,
      failures: this.failures,
      failing: this.failing,
      lastError: this.lastError,
    };
  }

  async stop(): Promise<void> {
    this.abort.abort();
    this.wake?.();
    await this.done;
    await this.cursor.save(this.at);
    await this.cursor.close();
  }

  private async loop(): Promise<void> {
    const { signal } = this.abort;
    while (!signal.aborted) {
      if (this.at >= this.journal.durablePosition) {
        await this.save(true);
        await this.pause(0);
        continue;
      }
      try {
        await this.step(signal);
        if (this.failing > 0) {
          this.failing = 0;
          this.lastError = null;
          this.o.onState?.(this.state());
        }
      } catch (error) {
        if (signal.aborted) return;
        this.failures++;
        this.failing++;
        this.lastError = (error as Error).message;
        this.o.onState?.(this.state());
        await this.pause(this.pauseMs(error));
      }
    }
  }

  private async step(signal: AbortSignal): Promise<void> {
    const begin = this.journal.beginPosition;
    if (this.at < begin) {
      this.o.onLost?.(this.at, begin);
      this.at = begin;
    }
    const { frames, next } = await this.journal.read(this.at, Math.max(64 * 1024, this.o.batchBytes ?? 0));
    const wanted = this.o.kinds ? frames.filter((f) => this.o.kinds!.includes(f.kind)) : frames;
    for (let i = 0; i < wanted.length && !signal.aborted; ) {
      const batch: Frame[] = [];
      let bytes = 0;
      do {
        bytes += wanted[i]!.payload.length;
        batch.push(wanted[i++]!);
      } while (i < wanted.length && bytes + wanted[i]!.payload.length <= (this.o.batchBytes ?? 0));
      await this.o.deliver(batch, `${this.o.name}-${batch[0]!.position}`, signal);
      this.delivered += batch.length;
      this.at = batch.at(-1)!.next;
      await this.save(false);
    }
    if (signal.aborted) return;
    if (next <= this.at && frames.length === 0) throw new Error(`the log can't be read on from ${this.at}`);
    this.at = next;
  }

  private async save(idle: boolean): Promise<void> {
    const nowMs = this.clock.monotonicMs();
    if (this.cursor.position !== this.at && (idle || nowMs - this.savedMs >= (this.o.cursorMs ?? 1000))) {
      this.savedMs = nowMs;
      try {
        await this.cursor.save(this.at);
      } catch (error) {
        // A full disk must not stop delivery; the cursor is written again with the next batch.
        this.lastError = `cursor: ${(error as Error).message}`;
      }
    }
    this.moved();
  }

  private pauseMs(error: unknown): number {
    const { firstPauseMs = 250, maxPauseMs = 30_000 } = this.o;
    const own = Math.min(maxPauseMs, firstPauseMs * 2 ** Math.min(20, this.failing - 1));
    return error instanceof RetryLater ? Math.min(Math.max(own, error.afterMs), 10 * maxPauseMs) : own;
  }

  /** Waits `ms`, or until woken; 0 waits until woken. */
  private pause(ms: number): Promise<void> {
    if (this.abort.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = ms > 0 ? setTimeout(() => this.wake?.(), ms) : null;
      this.wake = () => {
        if (timer) clearTimeout(timer);
        this.wake = null;
        resolve();
      };
    });
  }
}

export class Outbox {
  private readonly journal: Journal;
  private readonly dir: string;
  private readonly files: FileLayer;
  private readonly clock: Clock;
  private readonly sinks = new Map<string, SinkLoop>();

  constructor(o: { journal: Journal; dir: string; files: FileLayer; clock: Clock }) {
    this.journal = o.journal;
    this.dir = o.dir;
    this.files = o.files;
    this.clock = o.clock;
  }

  /** Adds a sink and starts delivering to it. */
  async add(options: SinkOptions): Promise<void> {
    if (this.sinks.has(options.name)) throw new Error(`sink ${options.name} is there already`);
    const cursor = await Cursor.open(this.files, join(this.dir, `cursor-${options.name}`));
    const loop = new SinkLoop(options, this.journal, cursor, this.clock, () => this.protect());
    this.sinks.set(options.name, loop);
    this.protect();
    loop.start();
  }

  /** Says that the log has grown. */
  kick(): void {
    for (const sink of this.sinks.values()) sink.kick();
  }

  states(): SinkState[] {
    return [...this.sinks.values()].map((sink) => sink.state());
  }

  async close(): Promise<void> {
    await Promise.all([...this.sinks.values()].map((sink) => sink.stop()));
    this.sinks.clear();
  }

  private protect(): void {
    let least = Number.POSITIVE_INFINITY;
    for (const sink of this.sinks.values()) least = Math.min(least, sink.position);
    this.journal.keepFrom(least, "outbox");
  }
}
