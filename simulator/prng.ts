/**
 * Seeded chance: one named sub-stream per purpose, so that a new draw in one place moves no other place's draws.
 *
 * Source: generator sfc32 (Chris Doty-Humphrey, PractRand, public domain), period at least 2^32, mean 2^127; seeding by
 * MurmurHash3's 32-bit mixing of the seed and the name into 128 bits, then 16 rounds thrown away.
 */

/** A stream of pseudo-random numbers. Cost: about 3 ns a word. */
export class Prng {
  private a: number;
  private b: number;
  private c: number;
  private d: number;
  private spare = Number.NaN;

  constructor(a: number, b: number, c: number, d: number) {
    this.a = a | 0;
    this.b = b | 0;
    this.c = c | 0;
    this.d = d | 0;
    for (let i = 0; i < 16; i++) this.u32();
  }

  /** Unsigned 32-bit word. */
  u32(): number {
    const t = (((this.a + this.b) | 0) + this.d) | 0;
    this.d = (this.d + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (this.c << 21) | (this.c >>> 11);
    this.c = (this.c + t) | 0;
    return t >>> 0;
  }

  /** Uniform on the open interval (0, 1). */
  uniform(): number {
    return (this.u32() + 0.5) / 4294967296;
  }

  range(lo: number, hi: number): number {
    return lo + (hi - lo) * this.uniform();
  }

  /** Integer in 0..n-1. */
  below(n: number): number {
    return Math.floor(this.uniform() * n);
  }

  chance(p: number): boolean {
    return this.uniform() < p;
  }

  pick<T>(list: readonly T[]): T {
    const item = list[this.below(list.length)];
    if (item === undefined) throw new Error("pick from an empty list");
    return item;
  }

  /** Standard normal (Marsaglia's polar method). */
  normal(): number {
    if (!Number.isNaN(this.spare)) {
      const z = this.spare;
      this.spare = Number.NaN;
      return z;
    }
    for (;;) {
      const u = 2 * this.uniform() - 1;
      const v = 2 * this.uniform() - 1;
      const s = u * u + v * v;
      if (s >= 1 || s === 0) continue;
      const f = Math.sqrt((-2 * Math.log(s)) / s);
      this.spare = v * f;
      return u * f;
    }
  }

  /** Exponential with mean 1. */
  exponential(): number {
    return -Math.log(this.uniform());
  }

  /** Index drawn in proportion to the weights. */
  weighted(weights: readonly number[]): number {
    let sum = 0;
    for (const w of weights) sum += w;
    let left = this.uniform() * sum;
    for (let i = 0; i < weights.length; i++) {
      left -= weights[i] ?? 0;
      if (left <= 0) return i;
    }
    return weights.length - 1;
  }
}

/** MurmurHash3's 32-bit finaliser over the characters of `text`. */
function hash32(text: string, seed: number): number {
  let h = seed | 0;
  for (let i = 0; i < text.length; i++) {
    let k = Math.imul(text.charCodeAt(i), 0xcc9e2d51);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    h ^= k;
    h = (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
  }
  h ^= text.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** The sub-stream `name` of `seed`. The same two give the same numbers for ever. */
export function stream(seed: number, name: string): Prng {
  const text = `${seed}/${name}`;
  return new Prng(
    hash32(text, 0x9e3779b9),
    hash32(text, 0x243f6a88),
    hash32(text, 0xb7e15162),
    hash32(text, 0x517cc1b7),
  );
}
