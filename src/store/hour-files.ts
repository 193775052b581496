/**
 * Chunks on disk, one file an hour of event time, with an index beside it that is always derived: where it is missing or
 * doesn't fit, it is made again from the file.
 */
import { randomInt } from "node:crypto";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { type ChunkHead, decodeChunkHead } from "./chunks.ts";
import type { FileLayer, LayerFile } from "./files.ts";
import {
  checkFrame,
  decodeSegmentHeader,
  encodeFrame,
  encodeSegmentHeader,
  FRAME_HEADER,
  findFrame,
  SEGMENT_HEADER,
} from "./frames.ts";

export const HOUR_MS = 3_600_000;
const KIND_CHUNK = 1;
/** Files kept open for writing: the current hour and its neighbours. */
const MAX_OPEN = 3;
const INDEX_MAGIC = 0x31584943;

export interface Entry {
  readonly offset: number;
  readonly length: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

type Index = Map<string, Entry[]>;

interface OpenFile {
  readonly hourMs: number;
  readonly file: LayerFile;
  readonly salt: number;
  length: number;
  dirty: boolean;
  readonly index: Index;
}

export interface HourChunk {
  readonly sensor: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly bytes: Buffer;
}

export class HourFiles {
  private readonly dir: string;
  private readonly files: FileLayer;
  private readonly open = new Map<number, OpenFile>();
  /** Bytes of every file there is, by hour. */
  private readonly sizes = new Map<number, number>();
  /** Bad stretches that were skipped while reading or opening. */
  damaged = 0;

  constructor(dir: string, files: FileLayer) {
    this.dir = dir;
    this.files = files;
  }

  async start(): Promise<void> {
    await this.files.mkdir(this.dir);
    for (const name of await this.files.list(this.dir)) {
      const match = /^(\d{13})\.seg$/.exec(name);
      if (!match) continue;
      const file = await this.files.open(join(this.dir, name), "read");
      this.sizes.set(Number(match[1]), await file.size());
      await file.close();
    }
  }

  /** Hours there are, oldest first. */
  hours(): number[] {
    return [...this.sizes.keys()].sort((a, b) => a - b);
  }

  totalBytes(): number {
    let sum = 0;
    for (const bytes of this.sizes.values()) sum += bytes;
    return sum;
  }

  /** Appends chunks of one hour. Not yet durable: see `sync`. */
  async append(hourMs: number, chunks: readonly HourChunk[]): Promise<void> {
    const at = await this.openHour(hourMs);
    let bytes = 0;
    for (const chunk of chunks) bytes += chunk.bytes.length + FRAME_HEADER;
    const out = Buffer.allocUnsafe(bytes);
    let offset = 0;
    const entries: [string, Entry][] = [];
    for (const chunk of chunks) {
      const position = at.length + offset;
      const end = encodeFrame(out, offset, position, at.salt, KIND_CHUNK, [chunk.bytes]);
      const { firstMs, lastMs } = chunk;
      entries.push([chunk.sensor, { offset: position, length: end - offset, firstMs, lastMs }]);
      offset = end;
    }
    await at.file.write(out, at.length);
    at.length += offset;
    at.dirty = true;
    this.sizes.set(hourMs, at.length);
    for (const [sensor, entry] of entries) push(at.index, sensor, entry);
  }

  async sync(): Promise<void> {
    for (const open of this.open.values()) {
      if (!open.dirty) continue;
      open.dirty = false;
      try {
        await open.file.sync();
      } catch (error) {
        open.dirty = true;
        throw error;
      }
    }
  }

  /** Chunks of a sensor that overlap [fromMs, toMs), in order of writing. */
  async *read(
    hourMs: number,
    sensor: string,
    fromMs: number,
    toMs: number,
  ): AsyncGenerator<{ head: ChunkHead; bytes: Buffer }> {
    if (!this.sizes.has(hourMs)) return;
    const open = this.open.get(hourMs);
    const entries = open ? (open.index.get(sensor) ?? []) : await this.indexed(hourMs, sensor);
    const wanted = entries.filter((e) => e.lastMs >= fromMs && e.firstMs < toMs);
    if (wanted.length === 0) return;
    const file = open?.file ?? (await this.files.open(this.path(hourMs), "read"));
    try {
      const salt = open?.salt ?? (await readHeader(file))?.salt ?? 0;
      for (const entry of wanted) {
        const bytes = Buffer.allocUnsafe(entry.length);
        const got = await file.read(bytes, entry.offset);
        if (checkFrame(bytes, 0, got, entry.offset, salt) !== entry.length) {
          this.damaged++;
          continue;
        }
        const chunk = bytes.subarray(FRAME_HEADER);
        yield { head: decodeChunkHead(chunk), bytes: chunk };
      }
    } finally {
      if (!open) await file.close();
    }
  }

  async remove(hourMs: number): Promise<void> {
    const open = this.open.get(hourMs);
    if (open) await open.file.close();
    this.open.delete(hourMs);
    this.sizes.delete(hourMs);
    await this.files.remove(this.path(hourMs));
    await this.files.remove(this.indexPath(hourMs));
  }

  async close(): Promise<void> {
    for (const hourMs of [...this.open.keys()]) await this.seal(hourMs);
  }

  private path(hourMs: number): string {
    return join(this.dir, `${String(hourMs).padStart(13, "0")}.seg`);
  }
  private indexPath(hourMs: number): string {
    return join(this.dir, `${String(hourMs).padStart(13, "0")}.idx`);
  }

  private async openHour(hourMs: number): Promise<OpenFile> {
    const known = this.open.get(hourMs);
    if (known) return known;
    while (this.open.size >= MAX_OPEN) await this.seal(Math.min(...this.open.keys()));
    const path = this.path(hourMs);
    let opened: OpenFile;
    if (this.sizes.has(hourMs)) {
      const file = await this.files.open(path, "write");
      const { index, end, salt } = await this.scan(file);
      // Behind the last sound chunk there is only what a crash tore; it is still in the log of rows.
      if (end < (await file.size())) await file.truncate(end);
      opened = { hourMs, file, salt, length: end, dirty: true, index };
      if (end === 0) opened = await this.writeHeader(hourMs, file);
    } else {
      opened = await this.create(hourMs);
    }
    await this.files.remove(this.indexPath(hourMs));
    this.open.set(hourMs, opened);
    this.sizes.set(hourMs, opened.length);
    return opened;
  }

  private async create(hourMs: number): Promise<OpenFile> {
    const path = this.path(hourMs);
    let file: LayerFile;
    if (await this.files.exists(path)) {
      // Left by an attempt that found the disk full.
      file = await this.files.open(path, "write");
      await file.truncate(0);
    } else {
      file = await this.files.open(path, "create");
    }
    try {
      const opened = await this.writeHeader(hourMs, file);
      await this.files.syncDir(this.dir);
      return opened;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  private async writeHeader(hourMs: number, file: LayerFile): Promise<OpenFile> {
    const salt = randomInt(2 ** 32);
    await file.write(encodeSegmentHeader({ salt, base: hourMs, createdMs: 0 }), 0);
    return { hourMs, file, salt, length: SEGMENT_HEADER, dirty: true, index: new Map() };
  }

  private async seal(hourMs: number): Promise<void> {
    const open = this.open.get(hourMs);
    if (!open) return;
    await open.file.sync();
    await open.file.close();
    this.open.delete(hourMs);
    // Derived: without it the file is gone through when it is asked for.
    await this.writeIndex(hourMs, open.index, open.length).catch(() => {});
  }

  /** Every sound chunk of a file. */
  private async scan(file: LayerFile): Promise<{ index: Index; end: number; salt: number }> {
    const bytes = Buffer.allocUnsafe(await file.size());
    const got = await file.read(bytes, 0);
    const index: Index = new Map();
    const header = decodeSegmentHeader(bytes);
    if (!header) return { index, end: 0, salt: 0 };
    let at = SEGMENT_HEADER;
    while (at < got) {
      const length = checkFrame(bytes, at, got, at, header.salt);
      if (length === 0) {
        const next = findFrame(bytes, at + 1, got, 0, header.salt);
        if (next < 0) break;
        this.damaged++;
        at = next;
        continue;
      }
      const chunk = bytes.subarray(at + FRAME_HEADER, at + length);
      const head = decodeChunkHead(chunk);
      // The end of the chunk is only known inside; an hour's end bounds it.
      const lastMs = Math.floor(head.firstMs / HOUR_MS) * HOUR_MS + HOUR_MS - 1;
      push(index, head.sensor, { offset: at, length, firstMs: head.firstMs, lastMs });
      at += length;
    }
    return { index, end: at, salt: header.salt };
  }

  // --------------------------------------------------------------------------------------------------------- index

  /** `magic | length of data | bytes of directory | crc of directory | directory (JSON) | entries (4 × u32)`. */
  private async writeIndex(hourMs: number, index: Index, dataLength: number): Promise<void> {
    const directory: Record<string, [number, number]> = {};
    let count = 0;
    for (const [sensor, entries] of index) {
      directory[sensor] = [count, entries.length];
      count += entries.length;
    }
    const names = Buffer.from(JSON.stringify(directory));
    const out = Buffer.alloc(16 + names.length + 16 * count);
    out.writeUInt32LE(INDEX_MAGIC, 0);
    out.writeUInt32LE(dataLength, 4);
    out.writeUInt32LE(names.length, 8);
    out.writeUInt32LE(crc32(names), 12);
    out.set(names, 16);
    let at = 16 + names.length;
    for (const entries of index.values()) {
      for (const e of entries) {
        for (const value of [e.offset, e.length, e.firstMs - hourMs, e.lastMs - hourMs])
          at = out.writeUInt32LE(value, at);
      }
    }
    const path = this.indexPath(hourMs);
    await this.files.remove(path);
    const file = await this.files.open(path, "create");
    await file.write(out, 0);
    await file.close();
  }

  private async indexed(hourMs: number, sensor: string): Promise<Entry[]> {
    const dataLength = this.sizes.get(hourMs)!;
    const path = this.indexPath(hourMs);
    if (await this.files.exists(path)) {
      const file = await this.files.open(path, "read");
      try {
        const found = await readIndex(file, hourMs, sensor, dataLength);
        if (found) return found;
      } finally {
        await file.close();
      }
    }
    const data = await this.files.open(this.path(hourMs), "read");
    try {
      const { index, end } = await this.scan(data);
      await this.writeIndex(hourMs, index, dataLength).catch(() => {});
      return end === 0 ? [] : (index.get(sensor) ?? []);
    } finally {
      await data.close();
    }
  }
}

async function readHeader(file: LayerFile) {
  const bytes = Buffer.alloc(SEGMENT_HEADER);
  await file.read(bytes, 0);
  return decodeSegmentHeader(bytes);
}

async function readIndex(file: LayerFile, hourMs: number, sensor: string, dataLength: number): Promise<Entry[] | null> {
  const head = Buffer.alloc(16);
  if ((await file.read(head, 0)) < 16 || head.readUInt32LE(0) !== INDEX_MAGIC) return null;
  if (head.readUInt32LE(4) !== dataLength) return null;
  const names = Buffer.alloc(head.readUInt32LE(8));
  if ((await file.read(names, 16)) < names.length || crc32(names) !== head.readUInt32LE(12)) return null;
  const place = (JSON.parse(names.toString()) as Record<string, [number, number]>)[sensor];
  if (!place) return [];
  const bytes = Buffer.alloc(16 * place[1]);
  if ((await file.read(bytes, 16 + names.length + 16 * place[0])) < bytes.length) return null;
  const entries: Entry[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    entries.push({
      offset: bytes.readUInt32LE(at),
      length: bytes.readUInt32LE(at + 4),
      firstMs: hourMs + bytes.readUInt32LE(at + 8),
      lastMs: hourMs + bytes.readUInt32LE(at + 12),
    });
  }
  return entries;
}

function push(index: Index, sensor: string, entry: Entry): void {
  const entries = index.get(sensor);
  if (entries) entries.push(entry);
  else index.set(sensor, [entry]);
}
