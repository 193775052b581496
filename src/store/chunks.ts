/**
 * The bytes of the embedded store: rows of one second (for its log) and chunks of about a minute of one sensor (for its
 * files). Pure.
 *
 * Levels are kept as hundredths of a dB in 16 bits (-327.67..327.67 dBm), the detector statistic as a half-precision float
 * (three digits, up to 65504 nats): 8 bytes a channel and second before compression. NaN stays NaN.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { BandId, Rollup, SensorId } from "../model.ts";

export const COLUMNS = 4;
const NOT_MEASURED = -32768;

export function packLevel(dbm: number): number {
  if (!(dbm > -327.67)) return Number.isNaN(dbm) ? NOT_MEASURED : -32767;
  return dbm < 327.67 ? Math.round(dbm * 100) : 32767;
}

export function unpackLevel(packed: number): number {
  return packed === NOT_MEASURED ? Number.NaN : packed / 100;
}

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** IEEE 754 binary16 of `value`, rounded to nearest; beyond its range the largest finite value. */
export function packHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.min(Math.abs(value), 65504);
  if (size < 2 ** -14) return sign | Math.round(size * 2 ** 24);
  f32[0] = size;
  const bits = u32[0]!;
  const half = ((bits - 0x38000000) >>> 13) & 0x7fff;
  const rest = bits & 0x1fff;
  const up = rest > 0x1000 || (rest === 0x1000 && (half & 1) === 1) ? 1 : 0;
  return sign | Math.min(half + up, 0x7bff);
}

export function unpackHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

// ------------------------------------------------------------------------------------------------------------- rows

/**
 * Rows as one log frame: `sets u16 | (length u16, "band,band")… | rows`, each row
 * `t f64 | readings u32 | set u16 | sensor u8+text | block u8+text | COLUMNS·bands i16`.
 */
export function encodeRows(rollups: readonly Rollup[]): Buffer {
  const sets = new Map<string, number>();
  const keys = new Map<readonly BandId[], string>();
  let bytes = 2;
  for (const r of rollups) {
    let key = keys.get(r.bands);
    if (key === undefined) {
      key = r.bands.join(",");
      keys.set(r.bands, key);
      if (!sets.has(key)) {
        sets.set(key, sets.size);
        bytes += 2 + key.length;
      }
    }
    bytes += 16 + r.sensor.length + r.block.length + COLUMNS * 2 * r.bands.length;
  }
  const out = Buffer.allocUnsafe(bytes);
  let at = out.writeUInt16LE(sets.size, 0);
  for (const key of sets.keys()) {
    at = out.writeUInt16LE(key.length, at);
    at += out.write(key, at, "latin1");
  }
  for (const r of rollups) {
    at = out.writeDoubleLE(r.tMs, at);
    at = out.writeUInt32LE(r.readings, at);
    at = out.writeUInt16LE(sets.get(keys.get(r.bands)!)!, at);
    for (const id of [r.sensor, r.block]) {
      out[at++] = id.length;
      at += out.write(id, at, "latin1");
    }
    for (let i = 0; i < r.bands.length; i++) {
      at = out.writeInt16LE(packLevel(r.meanDbm[i]!), at);
      at = out.writeInt16LE(packLevel(r.maxDbm[i]!), at);
      at = out.writeInt16LE(packLevel(r.floorDbm[i]!), at);
      at = out.writeUInt16LE(packHalf(r.llr[i]!), at);
    }
  }
  return out;
}

export interface Row {
  readonly sensor: SensorId;
  readonly block: string;
  readonly bandsKey: string;
  readonly tMs: number;
  readonly readings: number;
  /** COLUMNS values a band: mean, max, floor as packed levels, statistic as half. */
  readonly values: Int16Array;
}

export function decodeRows(bytes: Buffer): Row[] {
  const sets: string[] = [];
  let at = 2;
  for (let i = bytes.readUInt16LE(0); i > 0; i--) {
    const length = bytes.readUInt16LE(at);
    sets.push(bytes.toString("latin1", at + 2, at + 2 + length));
    at += 2 + length;
  }
  const rows: Row[] = [];
  while (at < bytes.length) {
    const tMs = bytes.readDoubleLE(at);
    const readings = bytes.readUInt32LE(at + 8);
    const bandsKey = sets[bytes.readUInt16LE(at + 12)]!;
    at += 14;
    const ids: string[] = [];
    for (let i = 0; i < 2; i++) {
      const length = bytes[at]!;
      ids.push(bytes.toString("latin1", at + 1, at + 1 + length));
      at += 1 + length;
    }
    const values = new Int16Array(bandsKey === "" ? 0 : COLUMNS * bandsKey.split(",").length);
    for (let i = 0; i < values.length; i++, at += 2) values[i] = bytes.readInt16LE(at);
    rows.push({ sensor: ids[0]!, block: ids[1]!, bandsKey, tMs, readings, values });
  }
  return rows;
}

/** The packed values of a rollup, in the layout of `Row.values`. */
export function rowOf(r: Rollup, bandsKey: string): Row {
  const values = new Int16Array(COLUMNS * r.bands.length);
  for (let i = 0, at = 0; i < r.bands.length; i++) {
    values[at++] = packLevel(r.meanDbm[i]!);
    values[at++] = packLevel(r.maxDbm[i]!);
    values[at++] = packLevel(r.floorDbm[i]!);
    values[at++] = packHalf(r.llr[i]!);
  }
  return { sensor: r.sensor, block: r.block, bandsKey, tMs: r.tMs, readings: r.readings, values };
}

// ----------------------------------------------------------------------------------------------------------- chunks

/**
 * Rows of one sensor and one set of bands, in order of time, as one frame:
 * `count u16 | first t f64 | sensor u8+text | bands u16+text | deflated columns`; columns are the time differences (u32, ms),
 * the readings (u32), then for each band its four columns, each value as the difference to the one before.
 */
export function encodeChunk(rows: readonly Row[]): Buffer {
  const { sensor, bandsKey } = rows[0]!;
  const count = rows.length;
  const columns = rows[0]!.values.length;
  const body = Buffer.allocUnsafe(count * (8 + 2 * columns));
  let at = 0;
  for (let i = 0; i < count; i++) at = body.writeUInt32LE(i === 0 ? 0 : rows[i]!.tMs - rows[i - 1]!.tMs, at);
  for (let i = 0; i < count; i++) at = body.writeUInt32LE(rows[i]!.readings, at);
  for (let c = 0; c < columns; c++) {
    let before = 0;
    for (let i = 0; i < count; i++) {
      const value = rows[i]!.values[c]!;
      at = body.writeUInt16LE((value - before) & 0xffff, at);
      before = value;
    }
  }
  const head = Buffer.allocUnsafe(13 + sensor.length + bandsKey.length);
  at = head.writeUInt16LE(count, 0);
  at = head.writeDoubleLE(rows[0]!.tMs, at);
  head[at++] = sensor.length;
  at += head.write(sensor, at, "latin1");
  at = head.writeUInt16LE(bandsKey.length, at);
  head.write(bandsKey, at, "latin1");
  return Buffer.concat([head, deflateRawSync(body, { level: 1 })]);
}

export interface ChunkHead {
  readonly sensor: SensorId;
  readonly bandsKey: string;
  readonly count: number;
  readonly firstMs: number;
  readonly bodyAt: number;
}

export function decodeChunkHead(bytes: Buffer): ChunkHead {
  const sensorLength = bytes[10]!;
  const sensor = bytes.toString("latin1", 11, 11 + sensorLength);
  const at = 11 + sensorLength;
  const bodyAt = at + 2 + bytes.readUInt16LE(at);
  const bandsKey = bytes.toString("latin1", at + 2, bodyAt);
  return { sensor, bandsKey, count: bytes.readUInt16LE(0), firstMs: bytes.readDoubleLE(2), bodyAt };
}

export interface BandRows {
  readonly tMs: Float64Array;
  readonly readings: Uint32Array;
  /** mean, max, floor, statistic: COLUMNS arrays of packed values. */
  readonly columns: readonly Int16Array[];
}

/** The columns of one band of a chunk; null where the chunk has no such band. */
export function decodeChunkBand(bytes: Buffer, head: ChunkHead, band: BandId): BandRows | null {
  const index = head.bandsKey.split(",").indexOf(band);
  if (index < 0) return null;
  const { count } = head;
  const body = inflateRawSync(bytes.subarray(head.bodyAt));
  const tMs = new Float64Array(count);
  const readings = new Uint32Array(count);
  let t = head.firstMs;
  for (let i = 0; i < count; i++) {
    t += body.readUInt32LE(4 * i);
    tMs[i] = t;
    readings[i] = body.readUInt32LE(4 * (count + i));
  }
  const columns: Int16Array[] = [];
  for (let c = 0; c < COLUMNS; c++) {
    const column = new Int16Array(count);
    const at = 8 * count + 2 * count * (COLUMNS * index + c);
    let value = 0;
    for (let i = 0; i < count; i++) {
      value = (value + body.readUInt16LE(at + 2 * i)) & 0xffff;
      column[i] = value;
    }
    columns.push(column);
  }
  return { tMs, readings, columns };
}
