/**
 * A look at the bytes of a JSON payload before JSON.parse sees them. JSON.parse takes 6 s for 10 MB of `[` and 130 ms for
 * 80,000 keys; this pass is linear, allocates nothing and stops at the first offence.
 */
import type { Reject } from "../model.ts";

export interface JsonLimits {
  readonly maxDepth: number;
  readonly maxKeys: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** 1 for bytes that mean something outside strings: `"` `:` `[` `]` `{` `}`. */
const STRUCTURAL = new Uint8Array(256);
for (const char of '":[]{}') STRUCTURAL[char.charCodeAt(0)] = 1;

const MAX_KEYS_HELD = 4096;
const keyHashes = new Uint32Array(MAX_KEYS_HELD);
const MAX_DEPTH_HELD = 64;
const objectStart = new Uint32Array(MAX_DEPTH_HELD);

const FORBIDDEN = ["__proto__", "constructor", "prototype"].map((name) => new TextEncoder().encode(name));

/**
 * Refuses too much depth, too many keys, keys given twice in one object (the last would silently win), keys with escapes
 * and the keys that touch prototypes. null when there is nothing to say; whether it is JSON is JSON.parse's business.
 *
 * Cost: one pass over the bytes, about 1 ns each. Two different keys of one object are taken for the same with a
 * probability of 2^-32.
 */
export function precheckJson(bytes: Uint8Array, limits: JsonLimits): Reject | null {
  const maxDepth = Math.min(limits.maxDepth, MAX_DEPTH_HELD - 1);
  const maxKeys = Math.min(limits.maxKeys, MAX_KEYS_HELD);
  const end = bytes.length;
  let depth = 0;
  let keys = 0;
  // The last string seen: a key if a colon follows.
  let from = 0;
  let to = 0;
  let escaped = false;
  for (let i = 0; i < end; i++) {
    const byte = bytes[i]!;
    if (STRUCTURAL[byte] === 0) continue;
    if (byte === QUOTE) {
      from = i + 1;
      escaped = false;
      for (i++; i < end; i++) {
        const inner = bytes[i]!;
        if (inner === QUOTE) break;
        if (inner === BACKSLASH) {
          escaped = true;
          i++;
        }
      }
      to = i;
    } else if (byte === 0x3a) {
      if (keys === maxKeys) return tooManyKeys(maxKeys);
      const bad = keyProblem(bytes, from, to, escaped, depth, keys);
      if (bad !== null) return bad;
      keys++;
    } else if (byte === 0x7b || byte === 0x5b) {
      depth++;
      if (depth > maxDepth) {
        return {
          ok: false,
          code: "payload-too-deep",
          detail: `brackets nest deeper than ${maxDepth}; the contract needs 3`,
        };
      }
      objectStart[depth] = keys;
    } else depth = depth > 0 ? depth - 1 : 0;
  }
  return null;
}

function tooManyKeys(maxKeys: number): Reject {
  return {
    ok: false,
    code: "payload-too-large",
    detail: `more than ${maxKeys} keys; send large batches by columns (readings)`,
  };
}

/** Checks the key in bytes `from` to `to` against the forbidden ones and those already in its object. */
function keyProblem(
  bytes: Uint8Array,
  from: number,
  to: number,
  escaped: boolean,
  depth: number,
  keys: number,
): Reject | null {
  if (escaped) {
    return { ok: false, code: "payload-forbidden-key", detail: "a key contains an escape; keys are plain text" };
  }
  for (const name of FORBIDDEN) {
    if (to - from === name.length && name.every((byte, i) => bytes[from + i] === byte)) {
      const text = new TextDecoder().decode(name);
      return { ok: false, code: "payload-forbidden-key", detail: `the key ${text} is not allowed in a payload` };
    }
  }
  let hash = 0x811c9dc5; // FNV-1a, 32 bits
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  // The keys since this object began are its own and those of objects inside it; the depth keeps the two apart.
  hash = (hash ^ Math.imul(depth, 0x9e3779b1)) >>> 0;
  for (let k = objectStart[depth]!; k < keys; k++) {
    if (keyHashes[k] === hash) {
      const text = new TextDecoder().decode(bytes.subarray(from, Math.min(to, from + 40)));
      return { ok: false, code: "payload-schema", detail: `the key ${JSON.stringify(text)} is given twice` };
    }
  }
  keyHashes[keys] = hash;
  return null;
}
