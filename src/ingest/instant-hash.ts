/**
 * A 32-bit fingerprint of each instant of a batch: of its time and of what it measured, whatever message carried it. Not
 * cryptographic: it tells a repetition from another content, it does not defend against someone who computes a collision.
 */
import type { ReadingBatch } from "../model.ts";

const bandSalts = new Map<string, number>();
const MAX_SALTS = 4096;

/** FNV-1a of a band's name; remembered, because the same few names come with every message. */
function saltOf(band: string): number {
  const known = bandSalts.get(band);
  if (known !== undefined) return known;
  let hash = 0x811c9dc5;
  for (let i = 0; i < band.length; i++) hash = Math.imul(hash ^ band.charCodeAt(i), 0x01000193);
  if (bandSalts.size < MAX_SALTS) bandSalts.set(band, hash);
  return hash;
}

/** Odd 32-bit constants from the golden ratio and the finaliser of MurmurHash3. */
const GOLDEN = 0x9e3779b1;
const MIX_A = 0x85ebca6b;
const MIX_B = 0xc2b2ae35;

function mix(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), MIX_A);
  h = Math.imul(h ^ (h >>> 13), MIX_B);
  return h ^ (h >>> 16);
}

const FIELDS = ["rmsDbm", "peakDbm", "duty", "noiseDbm", "looks"] as const;

/**
 * Writes the fingerprint of instant j to `out[j]`.
 *
 * NaN: a value that was not measured adds nothing, so a missing column and a column of NaN are the same. The order of the
 * bands does not matter. Cost: about 2 ns a value.
 */
export function hashInstants(batch: ReadingBatch, out: Uint32Array): void {
  const { bands, count, tsMs, dtMs } = batch;
  for (let j = 0; j < count; j++) {
    const t = tsMs + j * dtMs;
    out[j] = mix((t >>> 0) ^ Math.imul(Math.floor(t / 0x1_0000_0000), GOLDEN));
  }
  for (let f = 0; f < FIELDS.length; f++) {
    const data = batch[FIELDS[f]!];
    if (data === null) continue;
    const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
    for (let i = 0; i < bands.length; i++) {
      const salt = saltOf(bands[i]!) ^ Math.imul(f + 1, GOLDEN);
      const base = i * count;
      for (let j = 0; j < count; j++) {
        const value = bits[base + j]!;
        if ((value & 0x7fffffff) > 0x7f800000) continue; // NaN
        // Minus zero is zero. Sums commute, so neither the order of bands nor that of fields matters.
        out[j] = (out[j]! + mix((value === 0x80000000 ? 0 : value) ^ salt)) >>> 0;
      }
    }
  }
}
