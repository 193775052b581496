/**
 * Snapshots: state as of a position of the durable log, written so that a crash at any moment leaves the last one whole.
 *
 * Each snapshot is a file of its own (`NAME-GENERATION.snap`), written under another name, synced, renamed, and the folder
 * synced; the one before is kept, and read where the newest is damaged.
 */
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { Clock } from "../contracts.ts";
import { diskFiles, type FileLayer } from "./files.ts";

const MAGIC = "CWSNAP01";
/** magic 8, position f64, saved f64, length f64, crc u32 of everything but itself. */
const HEAD = 36;
const KEEP = 2;

export interface Snapshot {
  /** The log from here on is not in the snapshot. */
  readonly position: number;
  readonly savedMs: number;
  readonly data: Buffer;
}

export interface SnapshotOptions {
  readonly dir: string;
  /** `[a-z0-9-]`: several kinds of snapshot may share a folder. */
  readonly name: string;
  readonly clock: Clock;
  readonly files?: FileLayer;
}

export class SnapshotFile {
  private readonly o: SnapshotOptions;
  private readonly files: FileLayer;
  private generation: number | null = null;
  private saving: Promise<void> = Promise.resolve();

  constructor(options: SnapshotOptions) {
    if (!/^[a-z0-9-]+$/.test(options.name)) throw new RangeError(`snapshot name ${options.name}`);
    this.o = options;
    this.files = options.files ?? diskFiles;
  }

  /** Resolves when the snapshot is on the disk under its name; rejects (and keeps what was there) when it can't be written. */
  save(position: number, data: Uint8Array): Promise<void> {
    const done = this.saving.then(() => this.write(position, data));
    this.saving = done.catch(() => {});
    return done;
  }

  saveJson(position: number, value: unknown): Promise<void> {
    return this.save(position, Buffer.from(JSON.stringify(value)));
  }

  /** The newest sound snapshot, or null. `onDamage` hears of each one that was passed over. */
  async load(onDamage: (file: string) => void = () => {}): Promise<Snapshot | null> {
    await this.files.mkdir(this.o.dir);
    for (const { path } of (await this.list()).reverse()) {
      const snapshot = decode(await this.read(path));
      if (snapshot) return snapshot;
      onDamage(path);
    }
    return null;
  }

  private async write(position: number, data: Uint8Array): Promise<void> {
    const { dir, name } = this.o;
    await this.files.mkdir(dir);
    const old = await this.list();
    this.generation = Math.max(this.generation ?? 0, old.at(-1)?.generation ?? 0) + 1;
    const head = Buffer.alloc(HEAD);
    head.write(MAGIC, 0, "latin1");
    head.writeDoubleLE(position, 8);
    head.writeDoubleLE(this.o.clock.nowMs(), 16);
    head.writeDoubleLE(data.length, 24);
    head.writeUInt32LE(crc32(data, crc32(head.subarray(0, 32))), 32);
    const tmp = join(dir, `${name}.tmp`);
    await this.files.remove(tmp);
    const file = await this.files.open(tmp, "create");
    try {
      await file.write(head, 0);
      await file.write(data, HEAD);
      await file.sync();
    } finally {
      await file.close();
    }
    await this.files.rename(tmp, join(dir, `${name}-${String(this.generation).padStart(10, "0")}.snap`));
    await this.files.syncDir(dir);
    for (const { path } of old.slice(0, Math.max(0, old.length - (KEEP - 1)))) await this.files.remove(path);
  }

  private async list(): Promise<{ path: string; generation: number }[]> {
    const pattern = new RegExp(`^${this.o.name}-(\\d{10})\\.snap$`);
    const found: { path: string; generation: number }[] = [];
    for (const file of await this.files.list(this.o.dir)) {
      const match = pattern.exec(file);
      if (match) found.push({ path: join(this.o.dir, file), generation: Number(match[1]) });
    }
    return found.sort((a, b) => a.generation - b.generation);
  }

  private async read(path: string): Promise<Buffer> {
    const file = await this.files.open(path, "read");
    try {
      const bytes = Buffer.alloc(await file.size());
      return bytes.subarray(0, await file.read(bytes, 0));
    } finally {
      await file.close();
    }
  }
}

function decode(bytes: Buffer): Snapshot | null {
  if (bytes.length < HEAD || bytes.toString("latin1", 0, 8) !== MAGIC) return null;
  const data = bytes.subarray(HEAD);
  if (bytes.readDoubleLE(24) !== data.length) return null;
  if (bytes.readUInt32LE(32) !== crc32(data, crc32(bytes.subarray(0, 32)))) return null;
  return { position: bytes.readDoubleLE(8), savedMs: bytes.readDoubleLE(16), data };
}
