/**
 * A detector's memory as bytes: a JSON head (version, fields, channels, open events) and behind it every state array as it
 * lies in memory, little-endian. Version and field list must agree, or the snapshot is refused and the channels warm up anew.
 */
import type { ChannelEvent } from "./events.ts";

export type StateArray =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array;

/** As JSON has no NaN. */
const NAN_WORD = "NaN";

/** A state array and how many numbers it has a lane. */
export interface StateField {
  readonly name: string;
  readonly per: number;
  readonly array: StateArray;
}

export interface SavedChannel {
  readonly key: string;
  readonly flags: number;
  /** null: nothing was pushed yet. */
  readonly lastMs: number | null;
  readonly lanes: readonly number[];
  readonly event: ChannelEvent | null;
}

interface Head {
  readonly version: 1;
  readonly epoch: number;
  readonly laneCount: number;
  readonly fields: readonly (readonly [name: string, per: number, bytes: number])[];
  readonly channels: readonly SavedChannel[];
}

export interface Saved {
  readonly epoch: number;
  readonly laneCount: number;
  readonly channels: Map<string, SavedChannel>;
  /** Copies row `from` of every saved array into row `to` of the live one of the same name. */
  copyLane(from: number, to: number, fields: readonly StateField[]): void;
}

/** Shape: `[u32 head length][head JSON, padded to 8][arrays, each padded to 8]`. Row i of each array is the live one's row `rows[i]`. */
export function encodeSnapshot(
  epoch: number,
  rows: readonly number[],
  channels: readonly SavedChannel[],
  fields: readonly StateField[],
): Uint8Array {
  const laneCount = rows.length;
  const head: Head = {
    version: 1,
    epoch,
    laneCount,
    fields: fields.map((f) => [f.name, f.per, f.array.BYTES_PER_ELEMENT] as const),
    // Looked through for numbers that JSON has not only where they can be: there are thousands of channels, and few events.
    channels: channels.map((c) => (c.event === null ? c : { ...c, event: swapped(c.event, Number.NaN, NAN_WORD) })),
  };
  const text = new TextEncoder().encode(JSON.stringify(head));
  let size = padded(4 + text.length);
  for (const f of fields) size += padded(laneCount * f.per * f.array.BYTES_PER_ELEMENT);
  const bytes = new Uint8Array(size);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, 4);
  let at = padded(4 + text.length);
  for (const f of fields) {
    const row = f.per * f.array.BYTES_PER_ELEMENT;
    const live = new Uint8Array(f.array.buffer, f.array.byteOffset, f.array.byteLength);
    for (let i = 0; i < laneCount; ) {
      // Rows that follow each other go at once: in a snapshot of everything most do.
      let end = i + 1;
      while (end < laneCount && rows[end] === rows[end - 1]! + 1) end++;
      bytes.set(live.subarray(rows[i]! * row, (rows[i]! + end - i) * row), at + i * row);
      i = end;
    }
    at += padded(laneCount * row);
  }
  return bytes;
}

/** null when the bytes are no snapshot of these fields. */
export function decodeSnapshot(bytes: Uint8Array, fields: readonly StateField[]): Saved | null {
  if (bytes.length < 4) return null;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (4 + length > bytes.length) return null;
  let head: Head;
  try {
    head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  } catch {
    return null;
  }
  if (head.version !== 1 || head.fields.length !== fields.length) return null;
  const starts: number[] = [];
  let at = padded(4 + length);
  for (const [i, f] of fields.entries()) {
    const [name, per, width] = head.fields[i]!;
    if (name !== f.name || per !== f.per || width !== f.array.BYTES_PER_ELEMENT) return null;
    starts.push(at);
    at += padded(head.laneCount * per * width);
  }
  if (at > bytes.length) return null;
  return {
    epoch: head.epoch,
    laneCount: head.laneCount,
    channels: new Map(
      head.channels.map((c) => [c.key, c.event === null ? c : { ...c, event: swapped(c.event, NAN_WORD, Number.NaN) }]),
    ),
    copyLane(from, to, live) {
      for (const [i, f] of live.entries()) {
        const row = f.per * f.array.BYTES_PER_ELEMENT;
        const target = new Uint8Array(f.array.buffer, f.array.byteOffset + to * row, row);
        target.set(bytes.subarray(starts[i]! + from * row, starts[i]! + (from + 1) * row));
      }
    },
  };
}

/** The event with every `from` among its values, at any depth, as `to`. */
function swapped(event: ChannelEvent, from: unknown, to: unknown): ChannelEvent {
  const walk = (v: unknown): unknown => {
    if (Object.is(v, from)) return to;
    if (Array.isArray(v)) return v.map(walk);
    if (typeof v !== "object" || v === null) return v;
    return Object.fromEntries(Object.entries(v).map(([k, inner]) => [k, walk(inner)]));
  };
  return walk(event) as ChannelEvent;
}

function padded(n: number): number {
  return (n + 7) & ~7;
}
