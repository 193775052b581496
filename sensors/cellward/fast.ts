/**
 * The common `readings` message straight from its bytes into columns, three to four times as fast as JSON.parse and what
 * must be checked around it. It knows exactly the contract's keys, plain numbers and plain names, and gives up at the first
 * thing it does not know; then the general way decides, and says what is wrong. So it may only ever take what the general
 * way takes, with the same result: a property test compares the two.
 */
import type { ReadingBatch } from "../../src/model.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const SMALL_N = 0x6e;

/** Up to 15 digits divided by a power of ten up to 22 is the correctly rounded double (both are exact), as JSON.parse gives. */
const MAX_DIGITS = 15;
const POWERS = Float64Array.from({ length: MAX_DIGITS + 1 }, (_, k) => 10 ** k);
const MAX_VALUES = 65_536;
const MAX_BANDS = 64;
const MAX_DT_MS = 3_600_000;

const KEYS = ["v", "boot", "seq", "ts", "dt_ms", "bands", "rms_dbm", "peak_dbm", "duty", "noise_dbm", "n"] as const;
const KEY_BYTES = KEYS.map((key) => new TextEncoder().encode(key));
const BANDS = KEYS.indexOf("bands");

const scratch = new Float32Array(MAX_VALUES);

/** Where reading stands; one object for all calls, because there is one thread. */
const at = { i: 0, ok: true, count: 0 };

/** The batch, or null when the general way has to look at it. */
export function fastReadings(bytes: Uint8Array, block: string, sensor: string): ReadingBatch | null {
  at.i = 0;
  at.ok = true;
  at.count = 0;
  const numbers = [Number.NaN, Number.NaN, Number.NaN, Number.NaN, Number.NaN];
  const tables: (Float32Array | null)[] = [null, null, null, null, null];
  let bands: readonly string[] | null = null;
  let seen = 0;
  if (!take(bytes, OPEN_OBJECT)) return null;
  do {
    const key = readKey(bytes);
    if (key < 0 || (seen & (1 << key)) !== 0 || !take(bytes, COLON)) return null;
    seen |= 1 << key;
    skip(bytes);
    if (key < BANDS) numbers[key] = readNumber(bytes);
    else if (key === BANDS) bands = readBands(bytes);
    else if (bands === null) return null;
    else tables[key - BANDS - 1] = readTable(bytes, bands.length);
    if (!at.ok) return null;
  } while (take(bytes, COMMA));
  if (!take(bytes, CLOSE_OBJECT)) return null;
  skip(bytes);
  if (at.i !== bytes.length || bands === null) return null;
  const [v, boot, seq, ts, dt] = numbers as [number, number, number, number, number];
  const { count } = at;
  const dtMs = Number.isNaN(dt) ? 0 : dt;
  const whole =
    Number.isSafeInteger(boot) && Number.isSafeInteger(seq) && Number.isSafeInteger(ts) && Number.isInteger(dtMs);
  if (v !== 1 || !whole || boot < 0 || seq < 0 || count === 0 || (tables[0] === null && tables[1] === null))
    return null;
  if (dtMs < (count > 1 ? 1 : 0) || dtMs > MAX_DT_MS || seq + count - 1 > Number.MAX_SAFE_INTEGER) return null;
  return {
    block,
    sensor,
    boot,
    seq,
    tsMs: ts,
    dtMs: count > 1 ? dtMs : 0,
    count,
    bands,
    rmsDbm: tables[0]!,
    peakDbm: tables[1]!,
    duty: tables[2]!,
    noiseDbm: tables[3]!,
    looks: tables[4]!,
  };
}

function skip(bytes: Uint8Array): void {
  while (bytes[at.i] === 0x20) at.i++;
}

/** Takes one byte, blanks before it, if it is the one expected. */
function take(bytes: Uint8Array, byte: number): boolean {
  skip(bytes);
  if (bytes[at.i] !== byte) return false;
  at.i++;
  return true;
}

/** Index of the key that stands here, or -1. */
function readKey(bytes: Uint8Array): number {
  if (!take(bytes, QUOTE)) return -1;
  const from = at.i;
  for (let k = 0; k < KEY_BYTES.length; k++) {
    const key = KEY_BYTES[k]!;
    if (bytes[from + key.length] !== QUOTE) continue;
    let same = 0;
    while (same < key.length && bytes[from + same] === key[same]) same++;
    if (same < key.length) continue;
    at.i = from + key.length + 1;
    return k;
  }
  return -1;
}

/** A plain JSON number without exponent, of at most 15 digits; else `at.ok` falls. */
function readNumber(bytes: Uint8Array): number {
  let i = at.i;
  const negative = bytes[i] === MINUS;
  if (negative) i++;
  const from = i;
  let digits = 0;
  let mantissa = 0;
  let byte = bytes[i]!;
  while (byte >= ZERO && byte <= NINE) {
    mantissa = mantissa * 10 + (byte - ZERO);
    digits++;
    byte = bytes[++i]!;
  }
  // No digit, or a leading zero before another digit, is no JSON number.
  if (digits === 0 || (digits > 1 && bytes[from] === ZERO)) at.ok = false;
  let decimals = 0;
  if (byte === DOT) {
    byte = bytes[++i]!;
    while (byte >= ZERO && byte <= NINE) {
      mantissa = mantissa * 10 + (byte - ZERO);
      decimals++;
      byte = bytes[++i]!;
    }
    if (decimals === 0) at.ok = false;
  }
  if (digits + decimals > MAX_DIGITS || byte === 0x65 || byte === 0x45) at.ok = false;
  at.i = i;
  const value = decimals === 0 ? mantissa : mantissa / POWERS[Math.min(decimals, MAX_DIGITS)]!;
  return negative ? -value : value;
}

/**
 * A list of lists, one row a band, into the columns; `null` for a value is NaN, for a row it is the general way's. Nine
 * tenths of a message's bytes pass here, so the number reader stands in the loop, with the place in a local.
 */
function readTable(bytes: Uint8Array, bandCount: number): Float32Array | null {
  if (!take(bytes, OPEN)) return giveUp();
  let i = at.i;
  let filled = 0;
  for (let row = 0; row < bandCount; row++) {
    while (bytes[i] === 0x20) i++;
    if (row > 0) {
      if (bytes[i++] !== COMMA) return giveUp();
      while (bytes[i] === 0x20) i++;
    }
    if (bytes[i++] !== OPEN) return giveUp();
    const begin = filled;
    for (;;) {
      while (bytes[i] === 0x20) i++;
      if (filled === MAX_VALUES) return giveUp();
      let byte = bytes[i]!;
      if (byte === SMALL_N) {
        // n, then "ull".
        if (bytes[i + 1] !== 0x75 || bytes[i + 2] !== 0x6c || bytes[i + 3] !== 0x6c) return giveUp();
        scratch[filled++] = Number.NaN;
        i += 4;
        byte = bytes[i]!;
      } else {
        const negative = byte === MINUS;
        if (negative) byte = bytes[++i]!;
        const from = i;
        let mantissa = 0;
        while (byte >= ZERO && byte <= NINE) {
          mantissa = mantissa * 10 + (byte - ZERO);
          byte = bytes[++i]!;
        }
        const digits = i - from;
        if (digits === 0 || digits > MAX_DIGITS || (digits > 1 && bytes[from] === ZERO)) return giveUp();
        if (byte === DOT) {
          byte = bytes[++i]!;
          const dot = i;
          while (byte >= ZERO && byte <= NINE) {
            mantissa = mantissa * 10 + (byte - ZERO);
            byte = bytes[++i]!;
          }
          const decimals = i - dot;
          if (decimals === 0 || digits + decimals > MAX_DIGITS) return giveUp();
          mantissa /= POWERS[decimals]!;
        }
        scratch[filled++] = negative ? -mantissa : mantissa;
      }
      while (byte === 0x20) byte = bytes[++i]!;
      i++;
      if (byte === COMMA) continue;
      if (byte === CLOSE) break;
      return giveUp();
    }
    if (at.count === 0) at.count = filled - begin;
    if (filled - begin !== at.count) return giveUp();
  }
  at.i = i;
  return take(bytes, CLOSE) ? scratch.slice(0, filled) : giveUp();
}

function giveUp(): null {
  at.ok = false;
  return null;
}

/** Band lists seen before, by a hash of their bytes: sensors repeat theirs in every message. */
const bandLists = new Map<number, { readonly bytes: Uint8Array; readonly bands: readonly string[] }>();
const MAX_LISTS = 1_024;

function readBands(bytes: Uint8Array): readonly string[] | null {
  const from = at.i;
  if (bytes[from] !== OPEN) return giveUp();
  let hash = 0x811c9dc5; // FNV-1a
  let i = from;
  for (; i < bytes.length && bytes[i] !== CLOSE; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  at.i = i + 1;
  const known = bandLists.get(hash);
  if (known !== undefined && sameBytes(known.bytes, bytes, from, i)) return known.bands;
  const bands = parseBands(bytes.subarray(from, i + 1));
  if (bands === null) return giveUp();
  if (bandLists.size >= MAX_LISTS) bandLists.clear();
  bandLists.set(hash, { bytes: Uint8Array.from(bytes.subarray(from, i)), bands });
  return bands;
}

function sameBytes(known: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (known.length !== to - from) return false;
  for (let k = 0; k < known.length; k++) if (known[k] !== bytes[from + k]) return false;
  return true;
}

/** Only plain names: no escapes, no doubles, nothing that JSON.parse would read otherwise. */
function parseBands(list: Uint8Array): readonly string[] | null {
  const text = new TextDecoder().decode(list);
  if (!/^\[ *"[a-z0-9-]{1,32}" *(?:, *"[a-z0-9-]{1,32}" *)*\]$/.test(text)) return null;
  const bands = JSON.parse(text) as string[];
  return bands.length <= MAX_BANDS && new Set(bands).size === bands.length ? Object.freeze(bands) : null;
}
