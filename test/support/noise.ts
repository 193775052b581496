/** Seeded chance for tests and benches: xoshiro128** with normal and gamma deviates. */
export class Rng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;
  #spare = Number.NaN;

  constructor(seed: number) {
    // SplitMix32 fills the state, as the authors of xoshiro advise.
    let z = seed | 0;
    const next = () => {
      z = (z + 0x9e3779b9) | 0;
      let t = z ^ (z >>> 16);
      t = Math.imul(t, 0x21f0aaad);
      t ^= t >>> 15;
      t = Math.imul(t, 0x735a2d97);
      return (t ^ (t >>> 15)) >>> 0;
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next();
  }

  /** Uniform in [0, 1). */
  next(): number {
    const r = Math.imul(this.#b, 5);
    const out = Math.imul((r << 7) | (r >>> 25), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return out / 4294967296;
  }

  /** Standard normal (Marsaglia's polar method). */
  normal(): number {
    if (!Number.isNaN(this.#spare)) {
      const s = this.#spare;
      this.#spare = Number.NaN;
      return s;
    }
    for (;;) {
      const u = 2 * this.next() - 1;
      const v = 2 * this.next() - 1;
      const s = u * u + v * v;
      if (s >= 1 || s === 0) continue;
      const f = Math.sqrt((-2 * Math.log(s)) / s);
      this.#spare = v * f;
      return u * f;
    }
  }

  /** Gamma with this shape and mean 1 (Marsaglia and Tsang 2000; shapes of at least 1). */
  gamma(shape: number): number {
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v <= 0) continue;
      const u = 1 - this.next();
      if (Math.log(u) < 0.5 * x * x + d - d * v + d * Math.log(v)) return (d * v) / shape;
    }
  }

  exponential(): number {
    return -Math.log(1 - this.next());
  }

  /** Student t with nu degrees of freedom. */
  studentT(nu: number): number {
    return this.normal() / Math.sqrt(this.gamma(nu / 2));
  }
}

/** Readings of a receiver in dBm: mean power of `looks` looks at `floorDbm`, with a signal of `snr` (linear) from `at` on. */
export function receiver(
  rng: Rng,
  count: number,
  looks: number,
  floorDbm: number,
  snr = 0,
  at = Number.POSITIVE_INFINITY,
): Float32Array {
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) out[i] = floorDbm + 10 * Math.log10(rng.gamma(looks) * (i >= at ? 1 + snr : 1));
  return out;
}

/** Numbers from 0 up to 1 of a linear congruential generator (Numerical Recipes): for benches, where only repeating matters. */
export function congruential(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A standard normal number of two of `next` (Box and Muller). */
export function boxMuller(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

/** Numbers from 0 up to 1 of mulberry32 (Tommy Ettinger, public domain): 32 bits of state, good enough for a toy or to shift powers. */
export function mulberry32(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
