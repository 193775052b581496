/**
 * Opening and reading the durable log: what a crash or a bad disk left is found, cut off or set aside, and said.
 *
 * A bad end of the last segment is a torn write and is cut off: nothing there was ever acknowledged. Bad bytes with sound
 * frames behind them are damage: they stay where they are, a copy is put beside the log, and reading skips them.
 */
import { join } from "node:path";
import type { FileLayer } from "./files.ts";
import {
  checkFrame,
  decodeSegmentHeader,
  FRAME_HEADER,
  findFrame,
  KIND_GROUP,
  MAX_PAYLOAD,
  SEGMENT_HEADER,
} from "./frames.ts";

const LARGEST_FRAME = MAX_PAYLOAD + FRAME_HEADER;

export interface Frame {
  readonly position: number;
  /** Position behind the frame: where reading goes on. */
  readonly next: number;
  readonly kind: number;
  /** A view of a larger buffer: copy what is kept for long. */
  readonly payload: Buffer;
}

export interface Damage {
  readonly from: number;
  readonly to: number;
  /** True when frames there were certainly synced, so possibly acknowledged; false when a crash may explain it. */
  readonly wasSynced: boolean;
  /** Copy of the bytes beside the log; null where there are none or they are only skipped in reading. */
  readonly file: string | null;
}

export interface Recovery {
  readonly begin: number;
  readonly end: number;
  /** Bytes of the torn tail that was cut off. */
  readonly tornBytes: number;
  readonly damage: readonly Damage[];
  /** Sound frames among those checked. */
  readonly frames: number;
}

export interface Segment {
  readonly name: string;
  readonly base: number;
  readonly salt: number;
  readonly createdMs: number;
  length: number;
}

export function segmentName(base: number): string {
  return `${String(base).padStart(16, "0")}.log`;
}

interface Scan {
  readonly frames: number;
  readonly bad: readonly { readonly from: number; readonly to: number }[];
  /** Offset behind the last sound frame. */
  readonly end: number;
  /** Highest position any group says was synced before it. */
  readonly synced: number;
}

function scan(bytes: Buffer, base: number, salt: number): Scan {
  const bad: { from: number; to: number }[] = [];
  let frames = 0;
  let synced = 0;
  let at = SEGMENT_HEADER;
  while (at < bytes.length) {
    const length = checkFrame(bytes, at, bytes.length, base + at, salt);
    if (length === 0) {
      const next = findFrame(bytes, at + 1, bytes.length, base, salt);
      if (next < 0) break;
      bad.push({ from: at, to: next });
      at = next;
      continue;
    }
    if (bytes[at + 8] === KIND_GROUP) synced = Math.max(synced, bytes.readDoubleLE(at + FRAME_HEADER));
    else frames++;
    at += length;
  }
  return { frames, bad, end: at, synced };
}

async function readAll(files: FileLayer, path: string, length: number): Promise<Buffer> {
  const file = await files.open(path, "read");
  try {
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, await file.read(bytes, 0));
  } finally {
    await file.close();
  }
}

async function setAside(files: FileLayer, dir: string, name: string, bytes: Uint8Array): Promise<string> {
  const path = join(dir, name);
  if (await files.exists(path)) return path;
  const file = await files.open(path, "create");
  await file.write(bytes, 0);
  await file.sync();
  await file.close();
  return path;
}

async function listSegments(
  files: FileLayer,
  dir: string,
  damage: Damage[],
): Promise<{ list: Segment[]; torn: number }> {
  const names = (await files.list(dir)).filter((name) => /^\d{16}\.log$/.test(name));
  const list: Segment[] = [];
  let torn = 0;
  for (const [i, name] of names.entries()) {
    const path = join(dir, name);
    const file = await files.open(path, "read");
    const length = await file.size();
    const head = Buffer.alloc(SEGMENT_HEADER);
    await file.read(head, 0);
    await file.close();
    const header = decodeSegmentHeader(head);
    const base = Number(name.slice(0, 16));
    if (header && header.base === base) {
      list.push({ name, base, salt: header.salt, createdMs: header.createdMs, length });
    } else if (i === names.length - 1 && length <= SEGMENT_HEADER) {
      // A segment whose creation a crash cut short holds no frames.
      await files.remove(path);
      torn += length;
    } else {
      const aside = join(dir, `damaged-${name}`);
      await files.rename(path, aside);
      damage.push({ from: base, to: base + length, wasSynced: length > SEGMENT_HEADER, file: aside });
    }
  }
  return { list, torn };
}

/** Checks the last segment and every one that reaches beyond `verifyFrom`. */
export async function recoverLog(
  files: FileLayer,
  dir: string,
  verifyFrom: number | null,
): Promise<{ recovery: Recovery; segments: Segment[] }> {
  const damage: Damage[] = [];
  const { list, torn } = await listSegments(files, dir, damage);
  let tornBytes = torn;
  let frames = 0;
  for (const [i, segment] of list.entries()) {
    const next = list[i + 1];
    const path = join(dir, segment.name);
    if (next && next.base - segment.base < segment.length) segment.length = next.base - segment.base;
    const end = segment.base + segment.length;
    if (next && (verifyFrom === null || end <= verifyFrom)) continue;
    const bytes = await readAll(files, path, segment.length);
    const found = scan(bytes, segment.base, segment.salt);
    frames += found.frames;
    for (const { from, to } of found.bad) {
      const wasSynced = next !== undefined || segment.base + from < found.synced;
      const name = `damaged-${segment.base + from}-${segment.base + to}.bin`;
      const file = await setAside(files, dir, name, bytes.subarray(from, to));
      damage.push({ from: segment.base + from, to: segment.base + to, wasSynced, file });
    }
    if (next) {
      const missing = next.base - segment.base - found.end;
      if (missing > 0) {
        damage.push({ from: segment.base + found.end, to: next.base, wasSynced: true, file: null });
      }
    } else if (found.end < segment.length) {
      tornBytes += segment.length - found.end;
      segment.length = found.end;
      const file = await files.open(path, "write");
      await file.truncate(found.end);
      await file.sync();
      await file.close();
    }
  }
  await files.syncDir(dir);
  const last = list.at(-1);
  const recovery = {
    begin: list[0]?.base ?? 0,
    end: last ? last.base + last.length : 0,
    tornBytes,
    damage,
    frames,
  };
  return { recovery, segments: list };
}

/** Frames of one segment from `from` on, as many as fit in one read. `next` is where to go on, `from` itself at the end. */
export async function readFrames(
  files: FileLayer,
  dir: string,
  segments: readonly Segment[],
  from: number,
  until: number,
  maxBytes: number,
): Promise<{ frames: Frame[]; next: number; damage: Damage[] }> {
  const frames: Frame[] = [];
  const damage: Damage[] = [];
  if (segments.length === 0 || from >= until) return { frames, next: from, damage };
  let index = segments.length - 1;
  while (index > 0 && segments[index]!.base > from) index--;
  const segment = segments[index]!;
  const after = segments[index + 1];
  const start = Math.max(from - segment.base, SEGMENT_HEADER);
  const end = Math.min(until - segment.base, segment.length);
  if (start >= end) return { frames, next: after?.base ?? Math.max(from, segment.base + end), damage };

  const bytes = Buffer.allocUnsafe(Math.min(end - start, Math.max(maxBytes, 2 * LARGEST_FRAME)));
  const file = await files.open(join(dir, segment.name), "read");
  const got = await file.read(bytes, start);
  await file.close();
  const reachesEnd = start + bytes.length >= end;
  const base = segment.base + start;
  let at = 0;
  while (at < got) {
    const length = checkFrame(bytes, at, got, base + at, segment.salt);
    if (length > 0) {
      const kind = bytes[at + 8]!;
      if (kind !== KIND_GROUP) {
        const payload = bytes.subarray(at + FRAME_HEADER, at + length);
        frames.push({ position: base + at, next: base + at + length, kind, payload });
      }
      at += length;
      continue;
    }
    // The frame may only be cut by the end of this read; a first frame never is.
    if (!reachesEnd && at > 0) break;
    const next = findFrame(bytes, at + 1, got, base, segment.salt);
    const to = next >= 0 ? next : reachesEnd ? got : got - LARGEST_FRAME;
    damage.push({ from: base + at, to: base + to, wasSynced: true, file: null });
    at = to;
  }
  const done = reachesEnd && at >= got;
  return { frames, next: done ? (after?.base ?? segment.base + end) : base + at, damage };
}
