/**
 * From bytes to a JSON object, and the reasons why not. Shared by every codec whose payload is JSON.
 */
import type { Reject, RejectCode } from "../../src/model.ts";

export const reject = (code: RejectCode, detail: string): Reject => ({ ok: false, code, detail });

export type JsonObject = Record<string, unknown>;

/** Fatal: a wrong byte is refused instead of becoming U+FFFD. The byte order mark is kept, so that JSON.parse refuses it. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Parses a payload into an object. Never throws. */
export function parseObject(payload: Uint8Array): { ok: true; value: JsonObject } | Reject {
  let text: string;
  try {
    text = utf8.decode(payload);
  } catch {
    return reject("payload-not-utf8", "the payload is not UTF-8; send JSON in UTF-8");
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const bom = text.charCodeAt(0) === 0xfeff;
    const why = bom ? "it begins with a byte order mark; send it without" : (error as Error).message.slice(0, 160);
    return reject("payload-not-json", `the payload is not JSON: ${why}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return reject("payload-schema", `the payload is ${describe(value)}; an object is expected`);
  }
  return { ok: true, value: value as JsonObject };
}

/** What a JSON value is, for people; bounded in length. */
export function describe(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return `the text ${JSON.stringify(value.slice(0, 40))}`;
  return String(value);
}
