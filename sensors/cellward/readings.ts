/**
 * The hot kinds, `reading` and `readings`, checked by hand: twenty times cheaper than a schema. Form only; whether values
 * and times are plausible is the decoder's business, the same for every codec.
 */
import type { ReadingBatch, Reject } from "../../src/model.ts";
import { describe, type JsonObject, reject } from "./text.ts";

const MAX_BANDS = 64;
const MAX_DT_MS = 3_600_000;

const schema = (detail: string): Reject => reject("payload-schema", detail);

/** Version, boot, seq and ts, common to `reading`, `readings` and `scan`. */
function headProblem(o: JsonObject): Reject | null {
  if (o.v !== 1) return reject("payload-version", `v is ${describe(o.v)}; this service speaks version 1`);
  for (const key of ["boot", "seq"] as const) {
    const value = o[key];
    if (!Number.isSafeInteger(value) || (value as number) < 0) {
      return schema(`${key} is ${describe(value)}; a whole number from 0 to 2^53-1 is expected`);
    }
  }
  if (typeof o.ts !== "number") return schema(`ts is ${describe(o.ts)}; epoch milliseconds are expected`);
  // Infinity (from 1e999) is left to the decoder's time rules, which name it better.
  if (Number.isFinite(o.ts) && !Number.isInteger(o.ts)) return schema(`ts is ${o.ts}; whole milliseconds are expected`);
  return null;
}

/** One column of optional values, created at its first number. */
class Column {
  data: Float32Array | null = null;
  readonly size: number;
  constructor(size: number) {
    this.size = size;
  }
  set(index: number, value: number): void {
    if (this.data === null) this.data = new Float32Array(this.size).fill(Number.NaN);
    this.data[index] = value;
  }
}

const FIELDS = ["rms_dbm", "peak_dbm", "duty", "noise_dbm", "n"] as const;

/** `reading`: one instant of some bands. */
export function decodeReading(o: JsonObject, block: string, sensor: string): ReadingBatch | Reject {
  const bad = headProblem(o);
  if (bad !== null) return bad;
  const list = o.r;
  if (!Array.isArray(list) || list.length === 0 || list.length > MAX_BANDS) {
    return schema(
      `r is ${Array.isArray(list) ? `a list of ${list.length}` : describe(list)}; 1 to ${MAX_BANDS} bands are expected`,
    );
  }
  const bands: string[] = [];
  const columns = FIELDS.map(() => new Column(list.length));
  for (let i = 0; i < list.length; i++) {
    const item = list[i] as JsonObject | null;
    if (typeof item !== "object" || item === null) return schema(`r[${i}] is ${describe(item)}; an object is expected`);
    const band = item.b;
    if (typeof band !== "string") return schema(`r[${i}].b is ${describe(band)}; a band id is expected`);
    if (bands.includes(band)) return schema(`r[${i}].b repeats the band ${describe(band)}`);
    bands.push(band);
    for (let f = 0; f < FIELDS.length; f++) {
      const value = item[FIELDS[f]!];
      if (typeof value === "number") columns[f]!.set(i, value);
      else if (value !== undefined && value !== null) {
        return schema(`r[${i}].${FIELDS[f]} is ${describe(value)}; a number is expected`);
      }
    }
    if (typeof item.rms_dbm !== "number" && typeof item.peak_dbm !== "number") {
      return schema(`r[${i}] has neither rms_dbm nor peak_dbm; one of them is required`);
    }
  }
  return batchOf(
    o as unknown as { boot: number; seq: number; ts: number },
    block,
    sensor,
    0,
    1,
    bands,
    columns.map((c) => c.data),
  );
}

/** `readings`: a batch by columns. */
export function decodeReadings(o: JsonObject, block: string, sensor: string): ReadingBatch | Reject {
  const bad = headProblem(o);
  if (bad !== null) return bad;
  const bands = o.bands;
  if (!Array.isArray(bands) || bands.length === 0 || bands.length > MAX_BANDS) {
    return schema(
      `bands is ${Array.isArray(bands) ? `a list of ${bands.length}` : describe(bands)}; 1 to ${MAX_BANDS} band ids are expected`,
    );
  }
  for (let i = 0; i < bands.length; i++) {
    if (typeof bands[i] !== "string") return schema(`bands[${i}] is ${describe(bands[i])}; a band id is expected`);
    if (bands.indexOf(bands[i]) < i) return schema(`bands[${i}] repeats the band ${describe(bands[i])}`);
  }
  if (o.rms_dbm == null && o.peak_dbm == null)
    return schema("neither rms_dbm nor peak_dbm is there; one of them is required");
  const count = columnCount(o);
  if (typeof count !== "number") return count;
  const dt = o.dt_ms ?? 0;
  if (!Number.isInteger(dt) || (dt as number) < (count > 1 ? 1 : 0) || (dt as number) > MAX_DT_MS) {
    return schema(`dt_ms is ${describe(o.dt_ms)}; whole milliseconds from 1 to ${MAX_DT_MS} are expected`);
  }
  const tables: (Float32Array | null)[] = [];
  for (const field of FIELDS) {
    const table = decodeTable(o[field], field, bands.length, count);
    if (table !== null && "ok" in table) return table;
    tables.push(table);
  }
  const head = o as unknown as { boot: number; seq: number; ts: number };
  if (head.seq + count - 1 > Number.MAX_SAFE_INTEGER) return schema(`seq is ${head.seq}; the batch runs past 2^53-1`);
  return batchOf(head, block, sensor, count > 1 ? (dt as number) : 0, count, bands as string[], tables);
}

/** Instants of a batch: the length of its first row. */
function columnCount(o: JsonObject): number | Reject {
  for (const field of FIELDS) {
    const table = o[field];
    if (!Array.isArray(table)) continue;
    for (const row of table) {
      if (!Array.isArray(row)) continue;
      return row.length > 0
        ? row.length
        : schema(`${field} has a row without values; at least one instant is expected`);
    }
  }
  return schema("there is no row of values; rms_dbm or peak_dbm holds one row a band");
}

/** Rows into one array, row-major; null stays null, a missing value is NaN. */
function decodeTable(table: unknown, field: string, bandCount: number, count: number): Float32Array | Reject | null {
  if (table === undefined || table === null) return null;
  if (!Array.isArray(table) || table.length !== bandCount) {
    const is = Array.isArray(table) ? `has ${table.length} rows` : `is ${describe(table)}`;
    return schema(`${field} ${is}; one row for each of the ${bandCount} bands is expected`);
  }
  const out = new Float32Array(bandCount * count);
  for (let i = 0; i < bandCount; i++) {
    const row = table[i];
    if (row === null) {
      out.fill(Number.NaN, i * count, (i + 1) * count);
      continue;
    }
    if (!Array.isArray(row) || row.length !== count) {
      const is = Array.isArray(row) ? `has ${row.length} values` : `is ${describe(row)}`;
      return schema(`${field}[${i}] ${is}; ${count} are expected, as in the other rows`);
    }
    const base = i * count;
    for (let j = 0; j < count; j++) {
      const value = row[j];
      if (typeof value === "number") out[base + j] = value;
      else if (value === null) out[base + j] = Number.NaN;
      else return schema(`${field}[${i}][${j}] is ${describe(value)}; a number or null is expected`);
    }
  }
  return out;
}

function batchOf(
  head: { boot: number; seq: number; ts: number },
  block: string,
  sensor: string,
  dtMs: number,
  count: number,
  bands: readonly string[],
  tables: readonly (Float32Array | null)[],
): ReadingBatch {
  return {
    block,
    sensor,
    boot: head.boot,
    seq: head.seq,
    tsMs: head.ts,
    dtMs,
    count,
    bands,
    rmsDbm: tables[0]!,
    peakDbm: tables[1]!,
    duty: tables[2]!,
    noiseDbm: tables[3]!,
    looks: tables[4]!,
  };
}
