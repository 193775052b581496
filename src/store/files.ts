/**
 * The few file operations the durable parts of the store need, as an interface, so that tests can put a disk underneath
 * that forgets what was not synced, fills up or fails.
 */
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";

export interface LayerFile {
  /** Writes all bytes at `position`; short writes are continued. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Fills `into` from `position`; returns how many bytes there were. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Returns only when the data is on the disk (fdatasync). */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface FileLayer {
  /** `create` fails where the file exists; the others fail where it doesn't. */
  open(path: string, mode: "read" | "write" | "create"): Promise<LayerFile>;
  mkdir(dir: string): Promise<void>;
  /** File names in `dir`, sorted. */
  list(dir: string): Promise<readonly string[]>;
  exists(path: string): Promise<boolean>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes creations, renames and removals in `dir` durable. */
  syncDir(dir: string): Promise<void>;
  /** Room left for this process on the disk of `dir`. */
  freeBytes(dir: string): Promise<number>;
}

/** Whether an operation failed for want of room, which may come back. */
export function isFull(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOSPC" || code === "EDQUOT";
}

/** The same files for looking only: what would change them is passed over. */
export function readOnly(files: FileLayer): FileLayer {
  const nothing = async () => {};
  return {
    ...files,
    async open(path, mode) {
      if (mode === "create") return { ...EMPTY_FILE };
      const file = await files.open(path, "read");
      return {
        read: (into, position) => file.read(into, position),
        size: () => file.size(),
        close: () => file.close(),
        write: nothing,
        sync: nothing,
        truncate: nothing,
      };
    },
    mkdir: nothing,
    rename: nothing,
    remove: nothing,
    syncDir: nothing,
  };
}

const EMPTY_FILE: LayerFile = {
  write: async () => {},
  read: async () => 0,
  sync: async () => {},
  truncate: async () => {},
  size: async () => 0,
  close: async () => {},
};

class DiskFile implements LayerFile {
  private readonly handle: FileHandle;
  constructor(handle: FileHandle) {
    this.handle = handle;
  }
  async write(bytes: Uint8Array, position: number): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const { bytesWritten } = await this.handle.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }
  async read(into: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const { bytesRead } = await this.handle.read(into, done, into.length - done, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }
  sync(): Promise<void> {
    return this.handle.datasync();
  }
  truncate(length: number): Promise<void> {
    return this.handle.truncate(length);
  }
  async size(): Promise<number> {
    return (await this.handle.stat()).size;
  }
  close(): Promise<void> {
    return this.handle.close();
  }
}

/**
 * Makes a folder, and what is missing above it. `mkdir` with `recursive` does not do for a path that somebody typed: where a folder
 * that is there answers ENOENT to a new one, as /proc does, Node's goes up and down for ever and never gives an answer.
 */
export async function makeFolder(dir: string): Promise<void> {
  const isThere = () =>
    stat(dir)
      .then((found) => found.isDirectory())
      .catch(() => false);
  if (await isThere()) return;
  const above = dirname(resolve(dir));
  if (above !== resolve(dir)) await makeFolder(above);
  try {
    await mkdir(dir);
  } catch (error) {
    // Another process may have made it meanwhile.
    if (!(await isThere())) throw error;
  }
}

/** The machine's own disk. */
export const diskFiles: FileLayer = {
  async open(path, mode) {
    const flags =
      mode === "read"
        ? constants.O_RDONLY
        : mode === "write"
          ? constants.O_RDWR
          : constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
    return new DiskFile(await open(path, flags, 0o640));
  },
  mkdir: makeFolder,
  async list(dir) {
    return (await readdir(dir)).sort();
  },
  async exists(path) {
    return stat(path).then(
      () => true,
      () => false,
    );
  },
  rename,
  remove: (path) => rm(path, { force: true }),
  async syncDir(dir) {
    const handle = await open(dir, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  async freeBytes(dir) {
    const { bavail, bsize } = await statfs(dir);
    return bavail * bsize;
  },
};
