/**
 * The durable log: frames of opaque bytes, appended in groups and synced before anyone is told so.
 *
 * A position is the byte offset in the log as a whole; it only grows and outlives segments. Promise: `onDurable` is called
 * in the order of appending, and only after fdatasync of the frame has returned. A failed sync is never retried (the
 * kernel may have thrown the pages away): the log stops for good and says so through `onFatal`.
 *
 * Disk full: frames of ordinary appends wait, bounded, and are tried again; urgent ones (alerts) are written into the room
 * that a reserve file keeps free.
 */
import { randomInt } from "node:crypto";
import { join } from "node:path";
import type { Clock } from "../contracts.ts";
import { diskFiles, type FileLayer, isFull, type LayerFile } from "./files.ts";
import { encodeFrame, encodeSegmentHeader, FRAME_HEADER, KIND_GROUP, MAX_PAYLOAD, SEGMENT_HEADER } from "./frames.ts";
import {
  type Damage,
  type Frame,
  type Recovery,
  readFrames,
  recoverLog,
  type Segment,
  segmentName,
} from "./recovery.ts";

export type { Damage, Frame, Recovery } from "./recovery.ts";

export interface JournalOptions {
  readonly dir: string;
  readonly clock: Clock;
  readonly files?: FileLayer;
  /** A group is written when its oldest frame has waited so long, or when it has this many bytes. */
  readonly groupMs?: number;
  readonly groupBytes?: number;
  /** What waited while the disk was slow is written in larger groups, up to this: a sync costs nearly the same for all. */
  readonly maxGroupBytes?: number;
  readonly segmentBytes?: number;
  /** Segments are removed when older (0: never for age) or when the log is larger; never what `keepFrom` protects. */
  readonly maxAgeMs?: number;
  readonly maxBytes?: number;
  /** Beyond this even protected segments go, oldest first, and `onEvicted` is told. Infinity: never. */
  readonly hardMaxBytes?: number;
  /** Bytes of frames that may wait for the disk; beyond, `append` refuses. */
  readonly maxQueuedBytes?: number;
  /** Room kept free for urgent frames; 0: none. */
  readonly reserveBytes?: number;
  /** Pause between attempts while the disk is full. */
  readonly fullRetryMs?: number;
  /** Start of the check at opening; segments before are checked when read. Default: the last segment. */
  readonly verifyFrom?: number;
  /** Only for negative controls and comparisons: false leaves the sync out. */
  readonly sync?: boolean;
  readonly onFatal: (error: Error) => void;
  readonly onEvicted?: (fromPosition: number, toPosition: number) => void;
  /** Told when the disk fills up and when it has room again. */
  readonly onFull?: (full: boolean) => void;
}

export interface AppendOptions {
  /** Written even when the disk is full, out of the reserve. */
  readonly urgent?: boolean;
  /** Called after the frame is on the disk, in order of appending; `next` is the position behind it. */
  readonly onDurable?: (next: number) => void;
  /** Called instead when a frame that was taken will never be on the disk: the log failed or was closed, or was full. */
  readonly onLost?: (error: Error) => void;
  /** false: not worth waiting for room on a full disk; lost there, or refused. Default true. */
  readonly waits?: boolean;
}

interface Waiting {
  /** Frames are numbered as they are taken. */
  readonly n: number;
  readonly kind: number;
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
  readonly urgent: boolean;
  readonly waits: boolean;
  readonly onDurable: ((next: number) => void) | null;
  readonly onLost: ((error: Error) => void) | null;
}

export interface JournalStatus {
  readonly ready: boolean;
  readonly full: boolean;
  readonly failed: Error | null;
  /** Log from oldest kept position to the synced end. */
  readonly begin: number;
  readonly durable: number;
  readonly queuedBytes: number;
  readonly queuedFrames: number;
  readonly refused: number;
  readonly groups: number;
  readonly segments: number;
}

const RESERVE_FILE = "reserve";
const RESERVE_STEP = 1024 * 1024;

export class Journal {
  /** What opening found and repaired. */
  readonly recovery: Recovery;
  private readonly o: Required<Omit<JournalOptions, "verifyFrom">>;
  private readonly segments: Segment[];
  private file: LayerFile;
  private queue: Waiting[] = [];
  private queuedBytes = 0;
  private group: Buffer;
  private durable: number;
  private readonly floors = new Map<string, number>();
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> | null = null;
  /** Number of the newest frame taken. */
  private newest = 0;
  /** The group on its way to the disk. */
  private writing: readonly Waiting[] = [];
  private flushes: { readonly upTo: number; readonly done: (written: boolean) => void }[] = [];
  private full = false;
  private reserve: number;
  private triedMs = Number.NEGATIVE_INFINITY;
  private failed: Error | null = null;
  /** Takes nothing more; then writes nothing more. */
  private closed = false;
  private ended = false;
  private refused = 0;
  private groups = 0;

  private constructor(o: Journal["o"], segments: Segment[], file: LayerFile, recovery: Recovery, reserve: number) {
    this.o = o;
    this.segments = segments;
    this.file = file;
    this.recovery = recovery;
    this.reserve = reserve;
    this.durable = recovery.end;
    this.group = Buffer.allocUnsafe(o.groupBytes + MAX_PAYLOAD + 3 * FRAME_HEADER);
  }

  /** Opens or creates the log in `dir`, repairing what a crash left. */
  static async open(options: JournalOptions): Promise<Journal> {
    const { verifyFrom, ...given } = options;
    const o: Journal["o"] = {
      files: diskFiles,
      groupMs: 5,
      groupBytes: 256 * 1024,
      // Two megabytes are encoded in a few milliseconds, which is what the event loop can spare.
      maxGroupBytes: given.groupBytes ?? 2 * 1024 * 1024,
      segmentBytes: 64 * 1024 * 1024,
      maxAgeMs: 0,
      maxBytes: 4 * 1024 ** 3,
      hardMaxBytes: Number.POSITIVE_INFINITY,
      maxQueuedBytes: 64 * 1024 * 1024,
      reserveBytes: 0,
      fullRetryMs: 1000,
      sync: true,
      onEvicted: () => {},
      onFull: () => {},
      ...given,
    };
    await o.files.mkdir(o.dir);
    const { recovery, segments } = await recoverLog(o.files, o.dir, verifyFrom ?? null);
    let file: LayerFile;
    const last = segments.at(-1);
    if (last) file = await o.files.open(join(o.dir, last.name), "write");
    else file = await createSegment(o, segments, 0);
    const end = segments.at(-1)!;
    const journal = new Journal(o, segments, file, { ...recovery, end: end.base + end.length }, 0);
    if (o.reserveBytes > 0) journal.reserve = await journal.fillReserve();
    return journal;
  }

  /** Position behind the last synced frame. */
  get durablePosition(): number {
    return this.durable;
  }

  /** Begin of the last segment that holds frames: where to look for the newest ones. */
  get tailPosition(): number {
    return (this.segments.findLast((segment) => segment.length > SEGMENT_HEADER) ?? this.segments[0]!).base;
  }

  /** Oldest position still kept. */
  get beginPosition(): number {
    return this.segments[0]!.base;
  }

  /**
   * Takes a frame. `payload` (one or more pieces, joined) must not change afterwards. Kinds 1..255.
   * Returns false when it was not taken: too much waits, or the log has failed or is closed.
   */
  append(kind: number, payload: Uint8Array | readonly Uint8Array[], options: AppendOptions = {}): boolean {
    if (!(kind >= 1 && kind <= 255)) throw new RangeError(`kind ${kind} is not 1..255`);
    const parts = payload instanceof Uint8Array ? [payload] : payload;
    let bytes = FRAME_HEADER;
    for (const part of parts) bytes += part.length;
    if (bytes - FRAME_HEADER > MAX_PAYLOAD) throw new RangeError(`frame of ${bytes} bytes is too large`);
    const { urgent = false, waits = true, onDurable = null, onLost = null } = options;
    const inVain = this.failed || this.closed || (this.full && !waits);
    if (inVain || (!urgent && this.queuedBytes + bytes > this.o.maxQueuedBytes)) {
      this.refused++;
      return false;
    }
    const n = ++this.newest;
    this.queue.push({ n, kind, parts, bytes, urgent, waits, onDurable, onLost });
    this.queuedBytes += bytes;
    if (this.running) return true;
    if (this.full && urgent) this.run();
    else if (!this.full && this.queuedBytes >= this.o.groupBytes) this.run();
    else if (!this.timer) this.timer = setTimeout(() => this.run(), this.full ? this.o.fullRetryMs : this.o.groupMs);
    return true;
  }

  /** Like `append`, as a promise of the position behind the frame. Rejects where `append` would refuse or call `onLost`. */
  write(
    kind: number,
    payload: Uint8Array | readonly Uint8Array[],
    options: Pick<AppendOptions, "urgent" | "waits"> = {},
  ): Promise<number> {
    return new Promise((resolve, reject) => {
      if (!this.append(kind, payload, { ...options, onDurable: resolve, onLost: reject })) {
        reject(this.failed ?? new Error("the log refuses: closed, full, or too much waits for the disk"));
      }
    });
  }

  /**
   * Writes out everything taken so far, at once; true when it is on the disk, however much has come since. False, and early, where the
   * log fails or the disk is full.
   */
  async flush(): Promise<boolean> {
    if (this.failed || this.full) return false;
    const upTo = this.newest;
    if (this.oldest() > upTo) return true;
    return await new Promise((done) => {
      this.flushes.push({ upTo, done });
      this.run();
    });
  }

  /** Number of the oldest frame that is not on the disk. */
  private oldest(): number {
    return Math.min(this.writing[0]?.n ?? Number.POSITIVE_INFINITY, this.queue[0]?.n ?? Number.POSITIVE_INFINITY);
  }

  private tellFlushed(): void {
    const oldest = this.oldest();
    const over = this.failed !== null || this.full;
    const [told, wait] = [[], []] as [Journal["flushes"], Journal["flushes"]];
    for (const flush of this.flushes) (over || flush.upTo < oldest ? told : wait).push(flush);
    this.flushes = wait;
    for (const { upTo, done } of told) done(upTo < oldest && !over);
  }

  /** Whole frames from `from` up to the synced end, at most about `maxBytes` of them. */
  read(from: number, maxBytes = 1024 * 1024): Promise<{ frames: Frame[]; next: number; damage: Damage[] }> {
    return readFrames(this.o.files, this.o.dir, this.segments, from, this.durable, maxBytes);
  }

  /** Every frame from `from` (or the oldest kept) to the end at the time of the call. */
  async *replay(from: number, onDamage: (damage: Damage) => void = () => {}): AsyncGenerator<Frame> {
    const until = this.durable;
    let at = Math.max(from, this.beginPosition);
    while (at < until) {
      const { frames, next, damage } = await this.read(at);
      for (const d of damage) onDamage(d);
      yield* frames;
      if (next <= at) break;
      at = next;
    }
  }

  /**
   * Protects everything from `position` on against removal for age or size (not against `hardMaxBytes`) until `holder` says
   * otherwise. Every holder's position counts: outboxes and snapshots do not know of each other.
   */
  keepFrom(position: number, holder = ""): void {
    this.floors.set(holder, position);
  }

  /** Whether an ordinary append of so many bytes of payload would be taken now. */
  accepts(bytes: number): boolean {
    return !this.failed && !this.closed && this.queuedBytes + bytes + FRAME_HEADER <= this.o.maxQueuedBytes;
  }

  status(): JournalStatus {
    return {
      ready: !this.failed && !this.closed && !this.full,
      full: this.full,
      failed: this.failed,
      begin: this.beginPosition,
      durable: this.durable,
      queuedBytes: this.queuedBytes,
      queuedFrames: this.queue.length,
      refused: this.refused,
      groups: this.groups,
      segments: this.segments.length,
    };
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.flush();
    this.ended = true;
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    if (this.running) await this.running;
    this.giveUp(this.queue, new Error("the log was closed before its disk had room"));
    await this.file.close();
  }

  // ------------------------------------------------------------------------------------------------------- writing

  private run(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    if (this.running || this.failed || this.ended) return;
    this.running = this.writeGroups().finally(() => {
      this.running = null;
      if (this.failed || this.ended || this.queue.length === 0) return;
      this.timer = setTimeout(() => this.run(), this.full ? this.o.fullRetryMs : this.o.groupMs);
    });
  }

  private async writeGroups(): Promise<void> {
    try {
      do {
        if (this.full) await this.tryLeaveFull();
        const taken = this.take();
        if (taken.length === 0) break;
        if (!(await this.writeGroup(taken))) break;
        this.tellFlushed();
      } while (this.full || this.flushes.length > 0 || this.queuedBytes >= this.o.groupBytes);
    } catch (error) {
      this.fail(error as Error);
    }
    this.tellFlushed();
  }

  /** The next frames of a group; when the disk is full only urgent ones, and they leave the queue. */
  private take(): Waiting[] {
    let bytes = 0;
    let count = 0;
    if (!this.full) {
      const { maxGroupBytes } = this.o;
      while (count < this.queue.length && (count === 0 || bytes + this.queue[count]!.bytes <= maxGroupBytes)) {
        bytes += this.queue[count++]!.bytes;
      }
      const needed = bytes + 3 * FRAME_HEADER;
      if (needed > this.group.length) this.group = Buffer.allocUnsafe(Math.max(needed, maxGroupBytes + MAX_PAYLOAD));
      return this.queue.splice(0, count);
    }
    const taken: Waiting[] = [];
    this.queue = this.queue.filter((waiting) => {
      if (!waiting.urgent || (count > 0 && bytes + waiting.bytes > this.o.groupBytes)) return true;
      count++;
      bytes += waiting.bytes;
      taken.push(waiting);
      return false;
    });
    return taken;
  }

  private async writeGroup(taken: readonly Waiting[]): Promise<boolean> {
    let segment = this.segments.at(-1)!;
    this.writing = taken;
    try {
      if (segment.length >= this.o.segmentBytes) segment = await this.roll();
      const start = segment.base + segment.length;
      const ends = new Array<number>(taken.length);
      const mark = Buffer.allocUnsafe(8);
      mark.writeDoubleLE(this.durable);
      let at = encodeFrame(this.group, 0, start, segment.salt, KIND_GROUP, [mark]);
      for (let i = 0; i < taken.length; i++) {
        at = encodeFrame(this.group, at, start + at, segment.salt, taken[i]!.kind, taken[i]!.parts);
        ends[i] = start + at;
      }
      await this.file.write(this.group.subarray(0, at), segment.length);
      if (this.o.sync) await this.file.sync();
      segment.length += at;
      this.durable = start + at;
      this.groups++;
      this.writing = [];
      for (const waiting of taken) this.queuedBytes -= waiting.bytes;
      for (let i = 0; i < taken.length; i++) taken[i]!.onDurable?.(ends[i]!);
      return true;
    } catch (error) {
      this.writing = [];
      this.queue.unshift(...taken);
      if (isFull(error)) return await this.enterFull(segment, taken);
      this.fail(error as Error);
      return false;
    }
  }

  private fail(error: Error): void {
    if (this.failed) return;
    this.failed = error;
    this.o.onFatal(error);
    this.giveUp(this.queue, error);
  }

  /** Takes frames out of the queue that will never be written: nobody is to wait for them for ever. */
  private giveUp(lost: readonly Waiting[], error: Error): void {
    if (lost.length === 0) return;
    const gone = new Set(lost);
    this.queue = this.queue.filter((waiting) => !gone.has(waiting));
    for (const waiting of gone) {
      this.queuedBytes -= waiting.bytes;
      waiting.onLost?.(error);
    }
  }

  private async roll(): Promise<Segment> {
    const old = this.segments.at(-1)!;
    const file = await createSegment(this.o, this.segments, old.base + old.length);
    await this.file.close();
    this.file = file;
    await this.retain();
    return this.segments.at(-1)!;
  }

  /** Removes whole old segments: for age and size where nothing protects them, beyond the hard limit in any case. */
  private async retain(): Promise<void> {
    const { maxAgeMs, maxBytes, hardMaxBytes } = this.o;
    const nowMs = this.o.clock.nowMs();
    const floor = Math.min(...this.floors.values());
    for (;;) {
      const [oldest, next] = this.segments;
      if (!oldest || !next) return;
      const end = this.segments.at(-1)!;
      const total = end.base + end.length - oldest.base;
      const old = maxAgeMs > 0 && nowMs - next.createdMs > maxAgeMs;
      const free = next.base <= floor && (old || total > maxBytes);
      if (!free && total <= hardMaxBytes) return;
      await this.o.files.remove(join(this.o.dir, oldest.name));
      await this.o.files.syncDir(this.o.dir);
      this.segments.shift();
      if (!free) this.o.onEvicted(oldest.base, next.base);
    }
  }

  // ---------------------------------------------------------------------------------------------------- disk full

  private async enterFull(segment: Segment, taken: readonly Waiting[]): Promise<boolean> {
    try {
      // What was written of the group must not stay: the next group starts at the same place.
      await this.file.truncate(segment.length);
      this.triedMs = this.o.clock.monotonicMs();
      if (!this.full) {
        this.full = true;
        this.o.onFull(true);
      }
      this.giveUp(
        this.queue.filter((waiting) => !waiting.waits),
        new Error("the disk is full"),
      );
      await this.retain();
      const need = taken.reduce((sum, w) => sum + (w.urgent ? w.bytes : 0), 0);
      if (need === 0 || this.reserve === 0) return false;
      await this.shrinkReserve(Math.max(need * 2, RESERVE_STEP));
      return true;
    } catch (error) {
      this.fail(error as Error);
      return false;
    }
  }

  private async shrinkReserve(bytes: number): Promise<void> {
    this.reserve = Math.max(0, this.reserve - bytes);
    const file = await this.o.files.open(join(this.o.dir, RESERVE_FILE), "write");
    await file.truncate(this.reserve);
    await file.close();
  }

  /** There is room again when the reserve can be filled up and a group's worth besides. */
  private async tryLeaveFull(): Promise<void> {
    const nowMs = this.o.clock.monotonicMs();
    if (nowMs - this.triedMs < this.o.fullRetryMs / 2) return;
    this.triedMs = nowMs;
    const missing = this.o.reserveBytes - this.reserve + 2 * this.o.groupBytes;
    if ((await this.o.files.freeBytes(this.o.dir)) < missing) return;
    if (this.o.reserveBytes > 0) this.reserve = await this.fillReserve();
    if (this.reserve < this.o.reserveBytes) return;
    this.full = false;
    this.o.onFull(false);
  }

  /** Fills the reserve file as far as there is room; returns its size. */
  private async fillReserve(): Promise<number> {
    const { files, dir, reserveBytes } = this.o;
    const path = join(dir, RESERVE_FILE);
    const file = await files.open(path, (await files.exists(path)) ? "write" : "create");
    try {
      let size = Math.min(await file.size(), reserveBytes);
      const had = size;
      const zeros = Buffer.alloc(Math.min(RESERVE_STEP, reserveBytes));
      try {
        while (size < reserveBytes) {
          const step = Math.min(zeros.length, reserveBytes - size);
          await file.write(zeros.subarray(0, step), size);
          size += step;
        }
        await file.sync();
      } catch (error) {
        if (!isFull(error)) throw error;
        // Giving back what was taken in vain keeps that room for the frames that wait.
        size = had;
        await file.truncate(size);
      }
      return size;
    } finally {
      await file.close();
    }
  }
}

/** Writes out everything taken so far; true when it is on the disk, or when the log failed and nothing ever will go on. */
export async function settled(journal: Journal): Promise<boolean> {
  return (await journal.flush()) || journal.status().failed !== null;
}

/** Creates the segment that begins at `base`, durable with its name, and adds it to `segments`. */
async function createSegment(o: { files: FileLayer; dir: string; clock: Clock }, segments: Segment[], base: number) {
  const segment: Segment = {
    name: segmentName(base),
    base,
    salt: randomInt(2 ** 32),
    createdMs: o.clock.nowMs(),
    length: SEGMENT_HEADER,
  };
  const path = join(o.dir, segment.name);
  let file: LayerFile;
  try {
    file = await o.files.open(path, "create");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    // Left by an attempt that found the disk full.
    file = await o.files.open(path, "write");
    await file.truncate(0);
  }
  try {
    await file.write(encodeSegmentHeader(segment), 0);
    await file.sync();
    await o.files.syncDir(o.dir);
  } catch (error) {
    await file.close();
    throw error;
  }
  segments.push(segment);
  return file;
}
