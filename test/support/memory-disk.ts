/**
 * A disk in memory that remembers what was synced, for crash tests: `powerLoss` keeps of every file only what had been synced,
 * plus as much of the rest as the caller says, torn wherever it says; names whose folder was not synced vanish.
 */
import { basename, dirname } from "node:path";
import type { FileLayer, LayerFile } from "../../src/store/files.ts";

interface Inode {
  bytes: Buffer;
  length: number;
  /** What is on the platters. */
  synced: Buffer;
}

export type Operation = "write" | "sync" | "syncDir" | "truncate" | "create" | "rename" | "remove";

export class MemoryDisk implements FileLayer {
  private readonly names = new Map<string, Inode>();
  private durableNames = new Map<string, Inode>();
  /** Called before every operation that changes something; may throw what a disk would. */
  onOperation: (operation: Operation, path: string, bytes: number) => void = () => {};
  /** Room left; writes beyond it are short and then ENOSPC. */
  free = Number.POSITIVE_INFINITY;
  /** Names of the operations so far, in order. */
  readonly trace: { readonly operation: Operation; readonly path: string }[] = [];

  /** The disk as it is after power came back; `keep` says how many unsynced bytes of a file's end survived. */
  powerLoss(keep: (path: string, unsyncedBytes: number) => number = () => 0): MemoryDisk {
    const after = new MemoryDisk();
    for (const [path, inode] of this.durableNames) {
      const more = Math.max(0, inode.length - inode.synced.length);
      const length = inode.synced.length + Math.min(more, keep(path, more));
      const bytes = Buffer.concat([inode.synced, inode.bytes.subarray(inode.synced.length, length)]);
      const survivor = { bytes, length: bytes.length, synced: Buffer.from(bytes) };
      after.names.set(path, survivor);
      after.durableNames.set(path, survivor);
    }
    return after;
  }

  /** The disk as a killed process leaves it: everything written is there. */
  processKilled(): MemoryDisk {
    const after = new MemoryDisk();
    for (const [path, inode] of this.names) {
      const bytes = Buffer.from(inode.bytes.subarray(0, inode.length));
      const survivor = { bytes, length: bytes.length, synced: Buffer.from(bytes) };
      after.names.set(path, survivor);
      after.durableNames.set(path, survivor);
    }
    return after;
  }

  /** Content of a file; changing it changes the disk. */
  content(path: string): Buffer {
    const inode = this.inode(path);
    return inode.bytes.subarray(0, inode.length);
  }

  truncateTo(path: string, length: number): void {
    const inode = this.inode(path);
    inode.length = length;
    inode.synced = Buffer.from(inode.bytes.subarray(0, length));
  }

  paths(): string[] {
    return [...this.names.keys()].sort();
  }

  async open(path: string, mode: "read" | "write" | "create"): Promise<LayerFile> {
    if (mode === "create") {
      if (this.names.has(path)) throw error("EEXIST", path);
      this.note("create", path, 0);
      this.names.set(path, { bytes: Buffer.alloc(0), length: 0, synced: Buffer.alloc(0) });
    }
    return new MemoryFile(this, path, this.inode(path));
  }
  async mkdir(): Promise<void> {}
  async list(dir: string): Promise<readonly string[]> {
    return this.paths()
      .filter((path) => dirname(path) === dir)
      .map((path) => basename(path));
  }
  async exists(path: string): Promise<boolean> {
    return this.names.has(path);
  }
  async rename(from: string, to: string): Promise<void> {
    this.note("rename", from, 0);
    const inode = this.inode(from);
    this.names.delete(from);
    this.names.set(to, inode);
  }
  async remove(path: string): Promise<void> {
    const inode = this.names.get(path);
    if (!inode) return;
    this.note("remove", path, 0);
    this.free += inode.length;
    this.names.delete(path);
  }
  async syncDir(dir: string): Promise<void> {
    this.note("syncDir", dir, 0);
    for (const path of this.durableNames.keys()) {
      if (dirname(path) === dir && !this.names.has(path)) this.durableNames.delete(path);
    }
    for (const [path, inode] of this.names) if (dirname(path) === dir) this.durableNames.set(path, inode);
  }
  async freeBytes(): Promise<number> {
    return this.free;
  }

  note(operation: Operation, path: string, bytes: number): void {
    this.onOperation(operation, path, bytes);
    this.trace.push({ operation, path });
  }

  private inode(path: string): Inode {
    const inode = this.names.get(path);
    if (!inode) throw error("ENOENT", path);
    return inode;
  }
}

class MemoryFile implements LayerFile {
  private readonly disk: MemoryDisk;
  private readonly path: string;
  private readonly inode: Inode;
  constructor(disk: MemoryDisk, path: string, inode: Inode) {
    this.disk = disk;
    this.path = path;
    this.inode = inode;
  }
  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.disk.note("write", this.path, bytes.length);
    const { inode } = this;
    const grows = Math.max(0, position + bytes.length - inode.length);
    const fits = Math.min(grows, Math.max(0, this.disk.free));
    const end = position + bytes.length - (grows - fits);
    if (end > inode.bytes.length) {
      const larger = Buffer.alloc(Math.max(end, inode.bytes.length * 2));
      larger.set(inode.bytes.subarray(0, inode.length));
      inode.bytes = larger;
    }
    inode.bytes.set(bytes.subarray(0, Math.max(0, end - position)), position);
    inode.length = Math.max(inode.length, end);
    this.disk.free -= fits;
    if (fits < grows) throw error("ENOSPC", this.path);
  }
  async read(into: Uint8Array, position: number): Promise<number> {
    const part = this.inode.bytes.subarray(position, Math.min(this.inode.length, position + into.length));
    into.set(part);
    return part.length;
  }
  async sync(): Promise<void> {
    // A sync takes time: what is written meanwhile must not be acknowledged with it.
    await new Promise((resolve) => setImmediate(resolve));
    this.disk.note("sync", this.path, 0);
    this.inode.synced = Buffer.from(this.inode.bytes.subarray(0, this.inode.length));
  }
  async truncate(length: number): Promise<void> {
    this.disk.note("truncate", this.path, 0);
    this.disk.free += Math.max(0, this.inode.length - length);
    if (length > this.inode.length) {
      const larger = Buffer.alloc(length);
      larger.set(this.inode.bytes.subarray(0, this.inode.length));
      this.inode.bytes = larger;
    }
    this.inode.length = length;
  }
  async size(): Promise<number> {
    return this.inode.length;
  }
  async close(): Promise<void> {}
}

function error(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
