/**
 * One line of a trace, `{"t":…,"topic":"…","payload":…}`, read and written without touching the payload's bytes.
 *
 * A payload is spliced into its line as it came, and cut out of it again, so that `1.50` stays `1.50` and key order, inner
 * spaces and escapes stay what they were. What can't be spliced is written as `payload_b64`: bytes that are no JSON, JSON
 * with a line break in it, and JSON with space around it (readers may drop that).
 */

/** One recorded message. `payload` are the exact bytes; `json` says that the line holds them as JSON text. */
export interface RawMessage {
  /** Arrival, epoch milliseconds. */
  readonly t: number;
  readonly topic: string;
  /** A view on the chunk that was read: copy it to keep it for long. */
  readonly payload: Uint8Array;
  readonly json: boolean;
  /** Line number in the file, from 1. */
  readonly line: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;

const HEAD = Buffer.from('{"t":');
const TOPIC = Buffer.from(',"topic":"');
const PAYLOAD = Buffer.from(',"payload":');

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

function matches(bytes: Buffer, at: number, word: Buffer): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word[i]) return false;
  return true;
}

/**
 * Reads the line at `bytes[start .. end)`. Lines in our own layout are cut by position; any other layout (key order, spaces)
 * is scanned. The payload is not parsed here: see `checkJson`.
 *
 * Returns the message, or a sentence that says what is wrong with the line.
 */
export function parseLine(bytes: Buffer, start: number, end: number, line: number): RawMessage | string {
  let to = end;
  if (to > start && bytes[to - 1] === 0x0d) to--;
  return parseOwnLayout(bytes, start, to, line) ?? parseAnyLayout(bytes, start, to, line);
}

function parseOwnLayout(bytes: Buffer, start: number, end: number, line: number): RawMessage | null {
  if (bytes[end - 1] !== CLOSE_BRACE || !matches(bytes, start, HEAD)) return null;
  let at = start + HEAD.length;
  let t = 0;
  const digits = at;
  for (let d = bytes[at]! - 48; d >= 0 && d <= 9; d = bytes[++at]! - 48) t = t * 10 + d;
  // 15 digits are exact in a double and last for 31,000 years.
  if (at === digits || at - digits > 15 || !matches(bytes, at, TOPIC)) return null;
  const topicAt = at + TOPIC.length;
  let topicEnd = topicAt;
  for (let b = bytes[topicEnd]!; b !== QUOTE; b = bytes[++topicEnd]!) {
    if (b === BACKSLASH || b < 0x20 || b > 0x7e || topicEnd >= end) return null;
  }
  if (!matches(bytes, topicEnd + 1, PAYLOAD)) return null;
  const payloadAt = topicEnd + 1 + PAYLOAD.length;
  if (payloadAt >= end - 1 || isSpace(bytes[payloadAt]) || isSpace(bytes[end - 2])) return null;
  // A value that begins as one thing and ends as another is not ours to cut.
  const first = bytes[payloadAt];
  const last = bytes[end - 2];
  if (first !== OPEN_BRACE || last !== CLOSE_BRACE) return null;
  const topic = bytes.toString("latin1", topicAt, topicEnd);
  return { t, topic, payload: bytes.subarray(payloadAt, end - 1), json: true, line };
}

function parseAnyLayout(bytes: Buffer, start: number, end: number, line: number): RawMessage | string {
  let value: unknown;
  try {
    value = JSON.parse(decodeUtf8(bytes.subarray(start, end)));
  } catch (error) {
    if (end === start) return "is empty";
    return `is not a JSON object (${error instanceof Error ? error.message : String(error)})`;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "is not a JSON object";
  const { t, topic, payload_b64: b64 } = value as Record<string, unknown>;
  if (typeof t !== "number" || !Number.isSafeInteger(t) || t < 0) {
    return `"t" must be the arrival time in integer epoch milliseconds, not ${JSON.stringify(t)}`;
  }
  if (typeof topic !== "string" || topic === "") return '"topic" must be a non-empty string';
  if (b64 !== undefined) {
    if (typeof b64 !== "string" || !isBase64(b64)) return '"payload_b64" must be base64';
    if ("payload" in value) return 'has both "payload" and "payload_b64"';
    return { t, topic, payload: Buffer.from(b64, "base64"), json: false, line };
  }
  if (!("payload" in value)) return 'has neither "payload" nor "payload_b64"';
  const slice = memberSlice(bytes, start, end, "payload");
  if (slice === null) return 'has a "payload" that can\'t be cut out';
  return { t, topic, payload: bytes.subarray(slice[0], slice[1]), json: true, line };
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Text of UTF-8 bytes; throws where they are none. */
export function decodeUtf8(bytes: Uint8Array): string {
  return strictUtf8.decode(bytes);
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}

/** Where the value of a top-level member lies in the text of a JSON object that is known to be valid; the last one counts. */
function memberSlice(bytes: Buffer, start: number, end: number, name: string): [number, number] | null {
  let found: [number, number] | null = null;
  let at = start;
  while (isSpace(bytes[at])) at++;
  if (bytes[at] !== OPEN_BRACE) return null;
  at++;
  while (at < end) {
    while (isSpace(bytes[at]) || bytes[at] === COMMA) at++;
    if (bytes[at] !== QUOTE) break;
    const keyEnd = skipValue(bytes, at, end);
    const key: unknown = JSON.parse(bytes.toString("utf8", at, keyEnd));
    at = keyEnd;
    while (isSpace(bytes[at]) || bytes[at] === COLON) at++;
    const valueEnd = skipValue(bytes, at, end);
    if (key === name) found = [at, valueEnd];
    at = valueEnd;
  }
  return found;
}

/**
 * Where a top-level member that is a number lies in a payload, or null where there is none (or the payload is no object).
 * The payload must be valid JSON for the answer to mean anything; on other bytes it ends without error.
 */
export function numberMember(
  payload: Uint8Array,
  name: string,
): { readonly start: number; readonly end: number; readonly value: number } | null {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (!checkJson(payload).ok) return null;
  const slice = memberSlice(bytes, 0, bytes.length, name);
  if (slice === null) return null;
  const value = Number(bytes.toString("latin1", slice[0], slice[1]));
  return Number.isFinite(value) && bytes[slice[0]] !== QUOTE ? { start: slice[0], end: slice[1], value } : null;
}

/** The bytes with `[start, end)` replaced by ASCII text. */
export function replaceSlice(bytes: Uint8Array, start: number, end: number, text: string): Uint8Array {
  return Buffer.concat([bytes.subarray(0, start), Buffer.from(text, "latin1"), bytes.subarray(end)]);
}

/** End of the JSON value that begins at `at`, in text that is known to be valid JSON. */
function skipValue(bytes: Buffer, at: number, end: number): number {
  let depth = 0;
  for (let i = at; i < end; i++) {
    const b = bytes[i]!;
    if (b === QUOTE) {
      for (i++; bytes[i] !== QUOTE; i++) if (bytes[i] === BACKSLASH) i++;
      if (depth === 0) return i + 1;
    } else if (b === OPEN_BRACE || b === OPEN_BRACKET) depth++;
    else if (b === CLOSE_BRACE || b === CLOSE_BRACKET) {
      if (depth === 0) return i;
      if (--depth === 0) return i + 1;
    } else if (depth === 0 && (b === COMMA || isSpace(b))) return i;
  }
  return end;
}

/** Whether the bytes are JSON text in UTF-8, and why not. Cost: one parse. */
export function checkJson(
  payload: Uint8Array,
): { readonly ok: true; readonly value: unknown } | { ok: false; reason: string } {
  try {
    return { ok: true, value: JSON.parse(decodeUtf8(payload)) };
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) };
  }
}

/** The line (with its line feed) of a message whose payload arrived as these bytes. */
export function formatBytes(t: number, topic: string, payload: Uint8Array): string {
  const text = spliceable(payload);
  return text === null
    ? `{"t":${t},"topic":${JSON.stringify(topic)},"payload_b64":"${Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString("base64")}"}\n`
    : formatJson(t, topic, text);
}

/** The same for a payload that is known to be JSON on one line, without space around it. */
export function formatJson(t: number, topic: string, json: string): string {
  return `{"t":${t},"topic":${JSON.stringify(topic)},"payload":${json}}\n`;
}

function spliceable(payload: Uint8Array): string | null {
  if (payload.length === 0 || isSpace(payload[0]) || isSpace(payload[payload.length - 1])) return null;
  for (const b of payload) if (b === 0x0a || b === 0x0d) return null;
  const checked = checkJson(payload);
  return checked.ok ? decodeUtf8(payload) : null;
}
