/**
 * The embedded store's roll-ups: every second goes into a log at once (durable within a second), and about a minute of each
 * sensor into a compressed chunk of its hour's file; then the log lets go of it.
 *
 * Sensors fill their chunks at different moments, so that the work spreads evenly over the minute.
 */
import { join } from "node:path";
import type { ChannelPoint, ChannelQuery, Clock } from "../contracts.ts";
import type { Logger } from "../log.ts";
import type { Rollup } from "../model.ts";
import {
  type ChunkHead,
  decodeChunkBand,
  decodeChunkHead,
  decodeRows,
  encodeChunk,
  encodeRows,
  type Row,
  rowOf,
  unpackHalf,
  unpackLevel,
} from "./chunks.ts";
import { type FileLayer, isFull } from "./files.ts";
import { HOUR_MS, type HourChunk, HourFiles } from "./hour-files.ts";
import { Journal, settled } from "./journal.ts";
import { Cursor } from "./outbox.ts";
import { RollupSlices } from "./rollup-slices.ts";

const CHUNK_ROWS = 60;
/** Rows of a sensor that fell silent are written out after so long. */
const IDLE_MS = 90_000;
/** Bytes of one log frame, about: half of a frame's limit. */
const FRAME_BYTES = 512 * 1024;
/** Bytes of a row besides its values, at the most: time, readings, lengths and two ids. */
const ROW_HEAD = 80;
/** Rollups encoded before other work gets its turn: about 2 ms with the chunks that fall due. */
const SLICE = 256;
const KIND_ROWS = 1;

interface Buffered {
  rows: Row[];
  /** Position in the log before the oldest of them. */
  logFrom: number;
  /** Rows at which it is written out. */
  limit: number;
  touchedMs: number;
}

export interface RollupFilesOptions {
  readonly dir: string;
  readonly files: FileLayer;
  readonly clock: Clock;
  readonly log: Logger;
  readonly maxBytes: number;
  /** 0: for ever. */
  readonly retentionMs: number;
  readonly onStored: (readings: number) => void;
  readonly onDropped: (readings: number) => void;
  readonly onFatal: (error: Error) => void;
  /** A part found the disk full, or has room again. What it could not write waits. */
  readonly onFull: (part: string, full: boolean) => void;
}

/** A chunk that is not in its hour's file yet. */
interface Ready extends HourChunk {
  /** As of the rows in it: until the chunk is in its file the log is the only place that has them. */
  readonly logFrom: number;
}

export class RollupFiles {
  private readonly o: RollupFilesOptions;
  private readonly hours: HourFiles;
  private readonly buffers = new Map<string, Buffered>();
  private readonly bandsKeys = new WeakMap<readonly string[], string>();
  private ready: readonly Ready[] = [];
  /** The disk was full at the last attempt; the next one is made when it is tended to. */
  private stuck = false;
  /** What a failed write or sync left in the files nobody knows: the log keeps everything from before it. */
  private failed = false;
  private log: Journal | null = null;
  private done: Cursor | null = null;
  /** Everything that touches the hour files happens one after the other. */
  private work: Promise<void> = Promise.resolve();
  private unsynced = 0;
  private readonly slices = new RollupSlices(SLICE, (part) => this.take(part));

  constructor(o: RollupFilesOptions) {
    this.o = o;
    this.hours = new HourFiles(join(o.dir, "hours"), o.files);
  }

  /** Readings taken but not yet synced. */
  get pendingReadings(): number {
    return this.slices.readings + this.unsynced;
  }

  get damaged(): number {
    return this.hours.damaged;
  }

  async start(): Promise<void> {
    const { o } = this;
    await this.hours.start();
    this.log = await Journal.open({
      dir: join(o.dir, "recent"),
      clock: o.clock,
      files: o.files,
      groupMs: 200,
      segmentBytes: 8 * 1024 * 1024,
      maxBytes: 0,
      hardMaxBytes: 1024 ** 3,
      verifyFrom: 0,
      onFatal: o.onFatal,
      onFull: (full) => o.onFull("recent", full),
    });
    this.done = await Cursor.open(o.files, join(o.dir, "recent", "done"));
    const from = Math.min(this.done.position ?? 0, this.log.durablePosition);
    this.log.keepFrom(from);
    for await (const frame of this.log.replay(from)) {
      for (const row of decodeRows(frame.payload)) this.buffer(row, frame.position);
    }
  }

  write(rollups: readonly Rollup[]): void {
    this.slices.push(rollups);
  }

  /** Resolves when every row taken so far is synced; false when the disk does not take it. */
  async synced(): Promise<boolean> {
    this.slices.drain();
    return this.log ? await settled(this.log) : true;
  }

  private take(rollups: readonly Rollup[]): void {
    const log = this.log;
    if (!log) {
      this.o.onDropped(readingsOf(rollups));
      return;
    }
    for (const part of framesOf(rollups)) {
      const readings = readingsOf(part);
      this.unsynced += readings;
      const position = log.durablePosition;
      const onDurable = () => {
        this.unsynced -= readings;
        this.o.onStored(readings);
      };
      const onLost = () => {
        this.unsynced -= readings;
        this.o.onDropped(readings);
      };
      if (!log.append(KIND_ROWS, encodeRows(part), { onDurable, onLost })) {
        onLost();
        continue;
      }
      for (const r of part) this.buffer(rowOf(r, this.keyOf(r.bands)), position);
    }
    if (this.ready.length > 0) this.writeOut();
  }

  /** Points of a channel in order of time; a second that was written twice counts once, the later writing wins. */
  async query(query: ChannelQuery): Promise<ChannelPoint[]> {
    this.slices.drain();
    this.writeOut();
    const found = new Map<number, ChannelPoint>();
    await this.enqueue(async () => {
      const first = Math.floor(query.fromMs / HOUR_MS) * HOUR_MS;
      for (const hourMs of this.hours.hours()) {
        if (hourMs < first || hourMs >= query.toMs) continue;
        for await (const { head, bytes } of this.hours.read(hourMs, query.sensor, query.fromMs, query.toMs)) {
          addChunk(found, query, head, bytes);
        }
      }
      for (const { sensor, bytes } of this.ready) {
        if (sensor === query.sensor) addChunk(found, query, decodeChunkHead(bytes), bytes);
      }
    });
    for (const row of this.buffers.get(query.sensor)?.rows ?? []) {
      const index = row.bandsKey.split(",").indexOf(query.band);
      if (index < 0) continue;
      const [mean, max, floor, llr] = row.values.subarray(4 * index, 4 * index + 4);
      add(found, query, row.tMs, row.readings, mean!, max!, floor!, llr!);
    }
    return [...found.values()].sort((a, b) => a.tMs - b.tMs);
  }

  /** To be called every few seconds: writes out what has waited long, syncs, lets the log go, keeps the bounds. */
  async tend(): Promise<void> {
    if (this.failed) return;
    const nowMs = this.o.clock.monotonicMs();
    for (const [sensor, buffered] of this.buffers) {
      if (nowMs - buffered.touchedMs > IDLE_MS) {
        this.flush(buffered);
        this.buffers.delete(sensor);
      }
    }
    this.stuck = false;
    this.writeOut();
    // Taken before the sync: rows that come during it are only in the log.
    let keep = this.log?.durablePosition ?? 0;
    for (const { rows, logFrom } of this.buffers.values()) if (rows.length > 0) keep = Math.min(keep, logFrom);
    await this.orFail(() =>
      this.enqueue(async () => {
        await this.hours.sync();
        await this.retain();
      }),
    );
    await this.letGo(keep);
  }

  async stop(): Promise<void> {
    if (!this.log) return;
    this.slices.drain();
    for (const buffered of this.buffers.values()) this.flush(buffered);
    this.buffers.clear();
    this.stuck = false;
    this.writeOut();
    await this.work;
    await this.orFail(() => this.enqueue(() => this.hours.close()));
    await this.log.flush();
    await this.letGo(this.log.durablePosition);
    await this.log.close();
    await this.done?.close();
    this.log = null;
  }

  /** Rows before `position` are in the hour files, but for those of chunks that wait. */
  private async letGo(position: number): Promise<void> {
    if (this.failed) return;
    const from = this.ready.reduce((least, { logFrom }) => Math.min(least, logFrom), position);
    this.log?.keepFrom(from);
    if (this.done && this.done.position !== from) await this.orFail(() => this.done!.save(from));
  }

  /** A disk without room is tried again; any other failure ends the writing of hour files. */
  private async orFail(step: () => Promise<void>): Promise<void> {
    try {
      if (!this.failed) await step();
    } catch (error) {
      if (isFull(error)) this.noteFull(true);
      else this.fail(error as Error);
    }
  }

  private fail(error: Error): void {
    this.failed = true;
    this.o.onFatal(error);
  }

  private noteFull(full: boolean): void {
    this.stuck = full;
    this.o.onFull("hours", full);
  }

  totalBytes(): number {
    return this.hours.totalBytes();
  }

  private keyOf(bands: readonly string[]): string {
    let key = this.bandsKeys.get(bands);
    if (key === undefined) {
      key = bands.join(",");
      this.bandsKeys.set(bands, key);
    }
    return key;
  }

  private buffer(row: Row, logFrom: number): void {
    let buffered = this.buffers.get(row.sensor);
    if (!buffered) {
      // Spread over the minute by the order in which sensors came, not all at once.
      const limit = CHUNK_ROWS / 2 + ((this.buffers.size * 7) % CHUNK_ROWS);
      buffered = { rows: [], logFrom, limit, touchedMs: 0 };
      this.buffers.set(row.sensor, buffered);
    }
    const { rows } = buffered;
    const last = rows.at(-1);
    if (last) {
      if (row.tMs <= last.tMs) {
        const same = rows.findIndex((r) => r.tMs === row.tMs && r.bandsKey === row.bandsKey);
        if (same >= 0) {
          rows[same] = row;
          return;
        }
      }
      const newHour = Math.floor(row.tMs / HOUR_MS) !== Math.floor(last.tMs / HOUR_MS);
      if (row.tMs <= last.tMs || newHour || row.bandsKey !== last.bandsKey) this.flush(buffered);
    }
    if (buffered.rows.length === 0) buffered.logFrom = logFrom;
    buffered.rows.push(row);
    buffered.touchedMs = this.o.clock.monotonicMs();
    if (buffered.rows.length >= buffered.limit) {
      this.flush(buffered);
      buffered.limit = CHUNK_ROWS;
    }
  }

  private flush(buffered: Buffered): void {
    const { rows } = buffered;
    if (rows.length === 0) return;
    const { sensor, tMs: firstMs } = rows[0]!;
    const { logFrom } = buffered;
    this.ready = [...this.ready, { sensor, firstMs, lastMs: rows.at(-1)!.tMs, bytes: encodeChunk(rows), logFrom }];
    buffered.rows = [];
  }

  private writeOut(): void {
    if (this.ready.length === 0 || this.stuck || this.failed) return;
    void this.orFail(() => this.enqueue(() => this.writeReady()));
  }

  /** Chunks leave the list once they are in their hour's file. */
  private async writeReady(): Promise<void> {
    const byHour = new Map<number, Ready[]>();
    for (const chunk of this.ready) {
      const hourMs = Math.floor(chunk.firstMs / HOUR_MS) * HOUR_MS;
      const list = byHour.get(hourMs);
      if (list) list.push(chunk);
      else byHour.set(hourMs, [chunk]);
    }
    for (const [hourMs, list] of byHour) {
      await this.hours.append(hourMs, list);
      const written = new Set(list);
      this.ready = this.ready.filter((chunk) => !written.has(chunk));
    }
    if (byHour.size > 0) this.noteFull(false);
  }

  private enqueue(step: () => Promise<void>): Promise<void> {
    const done = this.work.then(step);
    this.work = done.catch(() => {});
    return done;
  }

  private async retain(): Promise<void> {
    const hours = this.hours.hours();
    const oldest = this.o.retentionMs > 0 ? this.o.clock.nowMs() - this.o.retentionMs : Number.NEGATIVE_INFINITY;
    for (const hourMs of hours.slice(0, -1)) {
      if (hourMs + HOUR_MS >= oldest && this.hours.totalBytes() <= this.o.maxBytes) return;
      await this.hours.remove(hourMs);
    }
  }
}

function readingsOf(rollups: readonly Rollup[]): number {
  let sum = 0;
  for (const r of rollups) sum += r.readings;
  return sum;
}

/** Cuts rollups into pieces that each fit a log frame. */
function* framesOf(rollups: readonly Rollup[]): Generator<readonly Rollup[]> {
  let from = 0;
  let bytes = 0;
  for (let i = 0; i < rollups.length; i++) {
    const own = ROW_HEAD + 8 * rollups[i]!.bands.length;
    if (bytes + own > FRAME_BYTES && i > from) {
      yield rollups.slice(from, i);
      from = i;
      bytes = 0;
    }
    bytes += own;
  }
  if (from < rollups.length) yield from === 0 ? rollups : rollups.slice(from);
}

function addChunk(found: Map<number, ChannelPoint>, query: ChannelQuery, head: ChunkHead, bytes: Buffer): void {
  const rows = decodeChunkBand(bytes, head, query.band);
  if (!rows) return;
  const [mean, max, floor, llr] = rows.columns;
  for (let i = 0; i < rows.tMs.length; i++) {
    add(found, query, rows.tMs[i]!, rows.readings[i]!, mean![i]!, max![i]!, floor![i]!, llr![i]!);
  }
}

function add(
  found: Map<number, ChannelPoint>,
  query: ChannelQuery,
  tMs: number,
  readings: number,
  mean: number,
  max: number,
  floor: number,
  llr: number,
): void {
  if (tMs < query.fromMs || tMs >= query.toMs) return;
  found.set(tMs, {
    tMs,
    meanDbm: unpackLevel(mean),
    maxDbm: unpackLevel(max),
    floorDbm: unpackLevel(floor),
    llr: unpackHalf(llr & 0xffff),
    readings,
  });
}
