/**
 * A loss of power under a whole process, without a machine to switch off: the process writes down, before and after every file
 * operation, what of it the disk has not promised yet; once it is killed, `losePower` takes all of that back. What a kill alone
 * leaves (everything written) a loss of power does not: bytes after the last sync of their file, and names after the last sync of
 * their folder.
 */
import {
  appendFileSync,
  closeSync,
  existsSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { FileLayer, LayerFile } from "../../src/store/files.ts";

/** `n` numbers changes of names and of bytes that were promised before. */
type Entry =
  | { readonly op: "open"; readonly id: number; readonly path: string; readonly size: number }
  | { readonly op: "create"; readonly n: number; readonly id: number; readonly path: string }
  | { readonly op: "over"; readonly n: number; readonly id: number; readonly at: number; readonly old: string }
  | {
      readonly op: "rename";
      readonly n: number;
      readonly from: string;
      readonly to: string;
      readonly kept: string | null;
    }
  | { readonly op: "remove"; readonly n: number; readonly path: string; readonly kept: string | null }
  | { readonly op: "sync"; readonly id: number; readonly size: number; readonly promised: readonly number[] }
  | { readonly op: "syncDir"; readonly promised: readonly number[] };

/** Sync as the process sees it; `none`: it returns at once and promises nothing (a negative control). */
export type SyncMode = "real" | "none";

interface Inode {
  readonly id: number;
  /** Length at the last sync, length now, and changes below the former that were made since. */
  promised: number;
  extent: number;
  readonly made: Set<number>;
}

/** Puts the recording under `files`, in place. One process a log. */
export function recordDisk(files: FileLayer, logPath: string, mode: SyncMode): void {
  const { open, rename, remove, syncDir } = files;
  const log = (entry: Entry) => appendFileSync(logPath, `${JSON.stringify(entry)}\n`);
  let next = 0;
  /** Changes of names that were made and not promised, by folder. */
  const names = new Map<string, Set<number>>();
  const pend = (path: string, n: number) => {
    const dir = dirname(path);
    names.set(dir, (names.get(dir) ?? new Set()).add(n));
  };
  const keep = (path: string, n: number) => {
    const kept = join(dirname(logPath), `kept-${process.pid}-${n}`);
    if (!existsSync(path)) return null;
    linkSync(path, kept);
    return kept;
  };
  /** What was written and promised belongs to the file, not to a handle: one that is opened again has not forgotten. */
  const inodes = new Map<string, Inode>();
  files.open = async (path, how) => {
    const known = how === "create" ? undefined : inodes.get(path);
    const id = known?.id ?? ++next;
    const n = ++next;
    if (how === "create") log({ op: "create", n, id, path });
    const file = await open.call(files, path, how);
    if (how === "create") pend(path, n);
    if (how === "read") return file;
    const size = how === "create" ? 0 : await file.size();
    if (how === "write" && !known) log({ op: "open", id, path, size });
    const inode = known ?? { id, promised: size, extent: size, made: new Set() };
    inodes.set(path, inode);
    return recorded(file, inode);
  };
  function recorded(file: LayerFile, inode: Inode): LayerFile {
    const over = async (from: number, until: number) => {
      const end = Math.min(until, inode.promised);
      if (from >= end) return null;
      const old = Buffer.alloc(end - from);
      // Where the file was made shorter before, that is on record already, and there is nothing to read.
      const there = await file.read(old, from);
      if (there === 0) return null;
      const n = ++next;
      log({ op: "over", n, id: inode.id, at: from, old: old.toString("base64", 0, there) });
      return n;
    };
    return {
      async write(bytes, position) {
        const n = await over(position, position + bytes.length);
        await file.write(bytes, position);
        inode.extent = Math.max(inode.extent, position + bytes.length);
        if (n !== null) inode.made.add(n);
      },
      read: (into, position) => file.read(into, position),
      async sync() {
        if (mode === "none") return;
        const now = { size: inode.extent, promised: [...inode.made] };
        await file.sync();
        log({ op: "sync", id: inode.id, ...now });
        inode.promised = now.size;
        for (const n of now.promised) inode.made.delete(n);
      },
      async truncate(length) {
        const n = await over(length, inode.promised);
        await file.truncate(length);
        inode.extent = length;
        if (n !== null) inode.made.add(n);
      },
      size: () => file.size(),
      close: () => file.close(),
    };
  }
  files.rename = async (from, to) => {
    const n = ++next;
    log({ op: "rename", n, from, to, kept: keep(to, n) });
    await rename.call(files, from, to);
    pend(to, n);
    const inode = inodes.get(from);
    inodes.delete(from);
    inodes.delete(to);
    if (inode) inodes.set(to, inode);
  };
  files.remove = async (path) => {
    const n = ++next;
    log({ op: "remove", n, path, kept: keep(path, n) });
    await remove.call(files, path);
    pend(path, n);
    inodes.delete(path);
  };
  files.syncDir = async (dir) => {
    if (mode === "none") return;
    const promised = [...(names.get(dir) ?? [])];
    await syncDir.call(files, dir);
    log({ op: "syncDir", promised });
    for (const n of promised) names.get(dir)!.delete(n);
  };
}

export interface Loss {
  /** Bytes cut off ends, bytes put back as they were, and names taken back. */
  readonly cutBytes: number;
  readonly oldBytes: number;
  readonly names: number;
}

/**
 * Takes back, on the disk of a process that was killed, what it was not promised. `keep`: which part (0 to 1) of every file's end
 * survives all the same; `keepNames`: whether names do.
 */
export function losePower(logPath: string, keep: number, keepNames: boolean): Loss {
  if (!existsSync(logPath)) return { cutBytes: 0, oldBytes: 0, names: 0 };
  // The kill may have fallen into the last line: what it was to announce was not begun.
  const lines = readFileSync(logPath, "utf8").split("\n").slice(0, -1);
  const entries = lines.map((line) => JSON.parse(line) as Entry);
  const promised = new Set(entries.flatMap((e) => (e.op === "sync" || e.op === "syncDir" ? e.promised : [])));
  const { places, sizes } = whereFilesAre(entries);
  const loss = { cutBytes: 0, oldBytes: 0, names: 0 };
  for (const [id, path] of places) {
    const size = sizes.get(id)!;
    const now = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (now <= size) continue;
    const left = size + Math.floor((now - size) * keep);
    truncateSync(path, left);
    loss.cutBytes += now - left;
  }
  const changes = entries.toReversed().filter((e) => "n" in e && !promised.has(e.n));
  for (const e of changes) {
    const path = e.op === "over" ? places.get(e.id)! : "";
    if (e.op !== "over" || !existsSync(path)) continue;
    const old = Buffer.from(e.old, "base64");
    const file = openSync(path, "r+");
    writeSync(file, old, 0, old.length, e.at);
    closeSync(file);
    loss.oldBytes += old.length;
  }
  if (!keepNames) for (const e of changes) if (takeBackName(e)) loss.names++;
  for (const e of entries) if ("kept" in e && e.kept !== null) rmSync(e.kept, { force: true });
  rmSync(logPath, { force: true });
  return loss;
}

/** Where the bytes of every file are now, under whatever name, and how many of them were promised. */
function whereFilesAre(entries: readonly Entry[]): { places: Map<number, string>; sizes: Map<number, number> } {
  const places = new Map<number, string>();
  const sizes = new Map<number, number>();
  const move = (from: string, to: string | null) => {
    for (const [id, path] of places) {
      if (path !== from) continue;
      if (to === null) places.delete(id);
      else places.set(id, to);
    }
  };
  for (const e of entries) {
    if (e.op === "sync") sizes.set(e.id, e.size);
    else if (e.op === "remove") move(e.path, e.kept);
    else if (e.op === "rename") {
      move(e.to, e.kept);
      move(e.from, e.to);
    } else if (e.op === "open" || e.op === "create") {
      places.set(e.id, e.path);
      sizes.set(e.id, e.op === "open" ? e.size : 0);
    }
  }
  return { places, sizes };
}

/** Undoes one change of a name, the later ones being undone already; whether there was anything to undo. */
function takeBackName(e: Entry): boolean {
  const back = (kept: string | null, path: string) => {
    if (kept === null || !existsSync(kept)) return;
    rmSync(path, { force: true });
    linkSync(kept, path);
  };
  if (e.op === "create") {
    const there = existsSync(e.path);
    rmSync(e.path, { force: true });
    return there;
  }
  if (e.op === "rename") {
    const done = !existsSync(e.from) && existsSync(e.to);
    if (done) renameSync(e.to, e.from);
    back(e.kept, e.to);
    return done;
  }
  if (e.op !== "remove") return false;
  const gone = !existsSync(e.path);
  back(e.kept, e.path);
  return gone;
}
