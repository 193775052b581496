/** A batch of readings as bytes, exact: header as JSON, then the float columns as they are. Pure. */
import type { ReadingBatch } from "../model.ts";

const COLUMNS = ["rmsDbm", "peakDbm", "duty", "noiseDbm", "looks"] as const;

/** `alert`: the alert the batch is kept for, or "". */
export function encodeBatch(alert: string, batch: ReadingBatch): Buffer {
  const { block, sensor, boot, seq, tsMs, dtMs, count, bands } = batch;
  const has = COLUMNS.filter((name) => batch[name] !== null);
  const head = Buffer.from(JSON.stringify({ alert, block, sensor, boot, seq, tsMs, dtMs, count, bands, has }));
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(head.length);
  const columns = has.map((name) => {
    const column = batch[name]!;
    return Buffer.from(column.buffer, column.byteOffset, column.byteLength);
  });
  return Buffer.concat([length, head, ...columns]);
}

export function decodeBatch(bytes: Buffer): { alert: string; batch: ReadingBatch } {
  const headEnd = 4 + bytes.readUInt32LE(0);
  const { alert, has, ...head } = JSON.parse(bytes.toString("utf8", 4, headEnd)) as {
    alert: string;
    has: string[];
  } & Omit<ReadingBatch, (typeof COLUMNS)[number]>;
  const values = head.count * head.bands.length;
  const column = (name: string): Float32Array | null => {
    const index = has.indexOf(name);
    if (index < 0) return null;
    const at = headEnd + 4 * values * index;
    // A copy: the bytes are a view of a larger buffer, and not aligned.
    return new Float32Array(Uint8Array.prototype.slice.call(bytes, at, at + 4 * values).buffer);
  };
  const batch: ReadingBatch = {
    ...head,
    rmsDbm: column("rmsDbm"),
    peakDbm: column("peakDbm"),
    duty: column("duty"),
    noiseDbm: column("noiseDbm"),
    looks: column("looks"),
  };
  return { alert, batch };
}

/** Values of a batch that certainly fit one log frame with all five columns. */
const MAX_VALUES = 40_000;

/** The batch as two, where it is too large for a log frame; else null. */
export function halvesOf(batch: ReadingBatch): [ReadingBatch, ReadingBatch] | null {
  const { count, bands } = batch;
  if (count * bands.length <= MAX_VALUES || count < 2) return null;
  const half = count >> 1;
  return [slice(batch, 0, half), slice(batch, half, count)];
}

function slice(batch: ReadingBatch, from: number, to: number): ReadingBatch {
  const { count, bands } = batch;
  const cut = (column: Float32Array | null): Float32Array | null => {
    if (!column) return null;
    const out = new Float32Array(bands.length * (to - from));
    for (let i = 0; i < bands.length; i++) out.set(column.subarray(i * count + from, i * count + to), i * (to - from));
    return out;
  };
  return {
    ...batch,
    seq: batch.seq + from,
    tsMs: batch.tsMs + from * batch.dtMs,
    count: to - from,
    rmsDbm: cut(batch.rmsDbm),
    peakDbm: cut(batch.peakDbm),
    duty: cut(batch.duty),
    noiseDbm: cut(batch.noiseDbm),
    looks: cut(batch.looks),
  };
}
