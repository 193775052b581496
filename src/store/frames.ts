/**
 * The bytes of the durable log: segment header and frames. Pure.
 *
 * Frame: `crc u32 | length u32 | kind u8 | flags u8 | magic u16 | payload`, little endian. The CRC covers everything after
 * itself and is seeded with the segment's random salt and the frame's position in the log, so that neither stale bytes,
 * nor a frame written to the wrong place, nor a frame smuggled inside a payload is ever taken for one.
 */
import { crc32 } from "node:zlib";

export const FRAME_HEADER = 12;
const MAGIC = 0xce11;
export const SEGMENT_HEADER = 32;
const SEGMENT_MAGIC = "CWLOG001";

/** Largest payload; anything longer in a length field is damage. */
export const MAX_PAYLOAD = 1024 * 1024;

/** Kind 0 is the log's own: the first frame of every group, its payload the position synced before (f64). */
export const KIND_GROUP = 0;

export interface SegmentHeader {
  readonly salt: number;
  /** Position of the segment's first byte in the log. */
  readonly base: number;
  readonly createdMs: number;
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const out = Buffer.alloc(SEGMENT_HEADER);
  out.write(SEGMENT_MAGIC, 0, "latin1");
  out.writeUInt32LE(header.salt, 8);
  out.writeDoubleLE(header.base, 12);
  out.writeDoubleLE(header.createdMs, 20);
  out.writeUInt32LE(crc32(out.subarray(0, 28)), 28);
  return out;
}

/** null where the bytes are no segment header. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | null {
  if (bytes.length < SEGMENT_HEADER || bytes.toString("latin1", 0, 8) !== SEGMENT_MAGIC) return null;
  if (bytes.readUInt32LE(28) !== crc32(bytes.subarray(0, 28))) return null;
  return { salt: bytes.readUInt32LE(8), base: bytes.readDoubleLE(12), createdMs: bytes.readDoubleLE(20) };
}

/** Seed of the frame at `position`: salt mixed with both halves of the position. */
function seedOf(salt: number, position: number): number {
  return (salt ^ (position >>> 0) ^ Math.imul(Math.floor(position / 2 ** 32) + 1, 0x9e3779b1)) >>> 0;
}

/** Writes a frame at `offset` of `out`; `position` is where it will stand in the log. Returns the offset behind it. */
export function encodeFrame(
  out: Buffer,
  offset: number,
  position: number,
  salt: number,
  kind: number,
  parts: readonly Uint8Array[],
): number {
  let at = offset + FRAME_HEADER;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  out.writeUInt32LE(at - offset - FRAME_HEADER, offset + 4);
  out[offset + 8] = kind;
  out[offset + 9] = 0;
  out.writeUInt16LE(MAGIC, offset + 10);
  out.writeUInt32LE(crc32(out.subarray(offset + 4, at), seedOf(salt, position)), offset);
  return at;
}

/** Length of the whole frame at `offset` of `bytes` when it is sound; 0 when it is not (or not wholly there). */
export function checkFrame(bytes: Buffer, offset: number, end: number, position: number, salt: number): number {
  if (offset + FRAME_HEADER > end || bytes.readUInt16LE(offset + 10) !== MAGIC) return 0;
  const length = bytes.readUInt32LE(offset + 4);
  if (length > MAX_PAYLOAD || offset + FRAME_HEADER + length > end) return 0;
  const crc = crc32(bytes.subarray(offset + 4, offset + FRAME_HEADER + length), seedOf(salt, position));
  return crc === bytes.readUInt32LE(offset) ? FRAME_HEADER + length : 0;
}

/** Offset of the next sound frame at or after `offset`, or -1. Only looked for behind damage. */
export function findFrame(bytes: Buffer, offset: number, end: number, base: number, salt: number): number {
  for (let at = offset; at + FRAME_HEADER <= end; at++) {
    if (bytes.readUInt16LE(at + 10) === MAGIC && checkFrame(bytes, at, end, base + at, salt) > 0) return at;
  }
  return -1;
}
