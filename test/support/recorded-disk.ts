/**
 * A loss of power under a whole process, without a machine to switch off: the process writes down, before and after every file
 * operation, what of it the disk has not promised yet; once it is killed, `losePower` takes all of that back. What a kill alone
 * leaves (everything written) a loss of power does not: bytes after the last sync of their file, and names after the last sync of
 * their folder.
 */
import {
  appendFileSync,
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
import { basename, dirname, join } from "node:path";
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
  files.open = async (path, how) => {
    const id = ++next;
    const n = ++next;
    if (how === "create") log({ op: "create", n, id, path });
    const file = await open.call(files, path, how);
    if (how === "create") pend(path, n);
    else if (how === "write") log({ op: "open", id, path, size: await file.size() });
    return how === "read" ? file : recorded(file, id, how === "create" ? 0 : await file.size());
  };
  function recorded(file: LayerFile, id: number, size: number): LayerFile {
    let promised = size;
    let extent = size;
    const made = new Set<number>();
    const over = async (from: number, until: number) => {
      if (from >= Math.min(until, promised)) return null;
      const old = Buffer.alloc(Math.min(until, promised) - from);
      await file.read(old, from);
      const n = ++next;
      log({ op: "over", n, id, at: from, old: old.toString("base64") });
      return n;
    };
    return {
      async write(bytes, position) {
        const n = await over(position, position + bytes.length);
        await file.write(bytes, position);
        extent = Math.max(extent, position + bytes.length);
        if (n !== null) made.add(n);
      },
      read: (into, position) => file.read(into, position),
      async sync() {
        if (mode === "none") return;
        const now = { size: extent, promised: [...made] };
        await file.sync();
        log({ op: "sync", id, ...now });
        promised = Math.max(promised, now.size);
        for (const n of now.promised) made.delete(n);
      },
      async truncate(length) {
        const n = await over(length, promised);
        await file.truncate(length);
        extent = length;
        if (n !== null) made.add(n);
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
  };
  files.remove = async (path) => {
    const n = ++next;
    log({ op: "remove", n, path, kept: keep(path, n) });
    await remove.call(files, path);
    pend(path, n);
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
  const paths = new Map<number, string>();
  const sizes = new Map<number, number>();
  for (const e of entries) {
    if (e.op === "open" || e.op === "create") {
      paths.set(e.id, e.path);
      sizes.set(e.id, e.op === "open" ? e.size : 0);
    } else if (e.op === "sync") sizes.set(e.id, Math.max(sizes.get(e.id)!, e.size));
    else if (e.op === "rename") for (const [id, path] of paths) if (path === e.from) paths.set(id, e.to);
  }
  const loss = { cutBytes: 0, oldBytes: 0, names: 0 };
  // The end of a file that was opened several times: what any of them was promised stays.
  const least = new Map<string, number>();
  for (const [id, path] of paths) least.set(path, Math.max(least.get(path) ?? 0, sizes.get(id)!));
  for (const [path, size] of least) {
    const now = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (now <= size) continue;
    const left = size + Math.floor((now - size) * keep);
    truncateSync(path, left);
    loss.cutBytes += now - left;
  }
  for (const e of entries.toReversed()) {
    if (!("n" in e) || promised.has(e.n)) continue;
    if (e.op === "over") {
      const path = paths.get(e.id)!;
      if (!existsSync(path)) continue;
      const old = Buffer.from(e.old, "base64");
      writeSync(openSync(path, "r+"), old, 0, old.length, e.at);
      loss.oldBytes += old.length;
    } else if (!keepNames) takeBackName(e, paths, loss);
  }
  for (const e of entries) if ("kept" in e && e.kept !== null) rmSync(e.kept, { force: true });
  rmSync(logPath, { force: true });
  return loss;
}

function takeBackName(
  e: Exclude<Entry, { op: "open" | "over" | "sync" | "syncDir" }>,
  paths: Map<number, string>,
  loss: { names: number },
): void {
  const back = (kept: string | null, path: string) => {
    if (kept === null || !existsSync(kept)) return;
    rmSync(path, { force: true });
    linkSync(kept, path);
    loss.names++;
  };
  if (e.op === "create") {
    const path = paths.get(e.id)!;
    if (existsSync(path)) loss.names++;
    rmSync(path, { force: true });
  } else if (e.op === "rename") {
    if (!existsSync(e.from) && existsSync(e.to)) {
      renameSync(e.to, e.from);
      loss.names++;
      for (const [id, path] of paths) if (path === e.to && basename(e.from) !== "") paths.set(id, e.from);
    }
    back(e.kept, e.to);
  } else back(e.kept, e.path);
}
