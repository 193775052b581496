/** Splits a byte stream into lines, many at a time. */
import { AppError } from "../errors.ts";
import { CompressionError, type ReadMeter, readPlain } from "./compression.ts";

/** A longer line is no message a broker would have passed on: MQTT ends at 256 MiB, ours (config) far below. */
export const MAX_LINE_BYTES = 16 << 20;

/**
 * The lines of one chunk. Line i is `bytes[starts[i] .. ends[i])`, without its line feed, and has number `firstLine + i`.
 * The arrays are the caller's to keep; `ended` is false only for a last line that has no line feed.
 */
export interface LineBatch {
  readonly bytes: Buffer;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly firstLine: number;
  readonly ended: boolean;
}

/** An error that names the file, the line (counted from 1) and the reason. */
export function damaged(path: string, line: number, reason: string, cause?: unknown): AppError {
  return new AppError("TRACE_INVALID", `${path}: line ${line}: ${reason}`, { cause });
}

/**
 * Reads a file of lines, compressed or not, a chunk at a time.
 *
 * Cost: one search for line feeds; bytes are copied only where a line spans two chunks. Memory: a chunk and a line.
 * Errors: FILE_UNREADABLE, TRACE_INVALID (damaged compression, a line over MAX_LINE_BYTES).
 */
export async function* readLines(path: string, meter?: ReadMeter): AsyncGenerator<LineBatch> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let line = 1;
  try {
    for await (const chunk of readPlain(path, meter)) {
      if (chunk.indexOf(10) < 0) {
        pending.push(chunk);
        pendingBytes += chunk.length;
        if (pendingBytes > MAX_LINE_BYTES) throw damaged(path, line, `longer than ${MAX_LINE_BYTES} bytes`);
        continue;
      }
      const bytes: Buffer = pending.length > 0 ? Buffer.concat([...pending, chunk]) : chunk;
      const batch = split(bytes, line);
      line += batch.starts.length;
      const tail = bytes.subarray((batch.ends[batch.ends.length - 1] ?? -1) + 1);
      pending = tail.length > 0 ? [tail] : [];
      pendingBytes = tail.length;
      yield batch;
    }
  } catch (error) {
    if (error instanceof CompressionError) throw damaged(path, line, error.message, error);
    throw error;
  }
  if (pendingBytes > 0) {
    const bytes = Buffer.concat(pending);
    yield { bytes, starts: [0], ends: [bytes.length], firstLine: line, ended: false };
  }
}

function split(bytes: Buffer, firstLine: number): LineBatch {
  const starts: number[] = [];
  const ends: number[] = [];
  let at = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, at)) {
    starts.push(at);
    ends.push(end);
    at = end + 1;
  }
  return { bytes, starts, ends, firstLine, ended: true };
}
