import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  buildClassTable,
  classOf,
  DB_PER_NEPER,
  designSnr,
  locationOfGamma,
  looksOf,
  sigmaOf,
  weightOf,
} from "../../../src/detect/classes.ts";
import { BLOCK, bankRun, FOLLOW_GAIN, Lanes, newRunResult, powerOf } from "../../../src/detect/kernels.ts";
import { Rng } from "../../support/noise.ts";

/** Powers are right to 6.5e-6, which at 26,000 looks is 0.003 nats a reading; an excursion has some of them. */
const ROUNDING_NATS = 0.02;

/** The bank as its definition reads, reading by reading, in float64 with exact powers. */
function oracle(x: Float32Array, cls: number, clip: number, floor: number, threshold: number) {
  const n = looksOf(cls);
  const w = weightOf(cls);
  const sigma = sigmaOf(cls);
  const bias = -locationOfGamma(n, 1.5 * sigma);
  const g = [0, 0, 0];
  let m = floor;
  let pull = 0;
  let sum = 0;
  let count = 0;
  let most = 0;
  let crossed = -1;
  let lastQuiet = -1;
  let previous = Number.NaN;
  let nearTie = Number.POSITIVE_INFINITY;
  for (const [i, value] of x.entries()) {
    if (!Number.isNaN(value)) {
      const d = value - m;
      // The kernel knows no more than 128 dB above the floor.
      const p = 10 ** (Math.min(128, d) / 10);
      const before = Math.max(...g);
      for (let k = 0; k < 3; k++) {
        const s = designSnr(n, k);
        const llr = (y: number) => w * n * ((y * s) / (1 + s) - Math.log1p(s));
        let l = Math.min(llr(p), clip, llr((1 + s) * 10 ** ((3.3 * sigma) / 10)));
        if (value === previous && before >= 1 && d < 4 * sigma) l = Math.min(0, l);
        g[k] = Math.min(32, Math.max(0, g[k]! + l));
      }
      const top = Math.max(...g);
      if (top < 4) pull += FOLLOW_GAIN * Math.min(1.5 * sigma, Math.max(-1.5 * sigma, d + bias));
      if (top >= threshold && crossed < 0) crossed = i;
      if (top < 1) lastQuiet = i;
      nearTie = Math.min(
        nearTie,
        Math.abs(top - threshold),
        Math.abs(top - 4),
        Math.abs(top - 1),
        Math.abs(before - 1),
      );
      sum += p;
      count++;
      most = Math.max(most, p);
    }
    previous = value;
    if (i % BLOCK === BLOCK - 1) {
      m += pull;
      pull = 0;
    }
  }
  return { g, m, sum, count, most, crossed, lastQuiet, nearTie };
}

describe("bank of CUSUMs", () => {
  it("bank: any class, clip, signal, gaps and repeats, cut anywhere: what the definition gives, read by read", () => {
    const table = buildClassTable();
    let compared = 0;
    fc.assert(
      fc.property(
        fc.integer(),
        fc.double({ min: 0.05, max: 5, noNaN: true }),
        fc.constantFrom(1, 0.77, 0.53, 0.3),
        fc.integer({ min: 16, max: 160 }),
        fc.double({ min: 0, max: 6, noNaN: true }),
        fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 20 }),
        (seed, sigma, weight, clip, rise, cuts) => {
          const rng = new Rng(seed);
          const cls = classOf(sigma, weight);
          const x = new Float32Array(200);
          for (let i = 0; i < x.length; i++) {
            const u = rng.next();
            x[i] = -100 + sigma * rng.normal() + (i >= 120 ? rise * sigma : 0);
            if (u < 0.03) x[i] = Number.NaN;
            else if (u < 0.1 && i > 0) x[i] = x[i - 1]!;
            else if (u < 0.11) x[i] = x[i]! + 20 * sigma;
          }
          const lanes = new Lanes();
          lanes.grow(2);
          lanes.setClass(1, cls);
          lanes.setClip(1, clip);
          lanes.setFloor(1, -100);
          lanes.setLast(1, Number.NaN);
          const run = newRunResult();
          let crossed = -1;
          let lastQuiet = -1;
          for (let i = 0, k = 0; i < x.length; k++) {
            const to = Math.min(x.length, i + cuts[k % cuts.length]!);
            bankRun(x, i, to, i % BLOCK, 1, lanes, table, 12, 1, run);
            if (crossed < 0) crossed = run.crossed;
            if (run.lastQuiet >= 0) lastQuiet = run.lastQuiet;
            i = to;
          }
          const o = oracle(x, cls, clip / 8, -100, 12);
          // Where a comparison hangs on the last digits the two may go different ways.
          if (o.nearTie < ROUNDING_NATS) return;
          compared++;
          for (let k = 0; k < 3; k++) expect(Math.abs(lanes.g(1, k) - o.g[k]!)).toBeLessThan(ROUNDING_NATS);
          expect(Math.abs(lanes.floor(1) - o.m)).toBeLessThan(1e-3 * sigma + 1e-4);
          expect(lanes.winN(1)).toBe(o.count);
          expect(Math.abs(lanes.winSum(1) / o.sum - 1)).toBeLessThan(1e-4);
          expect(Math.abs(lanes.winMax(1) / o.most - 1)).toBeLessThan(1e-4);
          expect([crossed, lastQuiet]).toEqual([o.crossed, o.lastQuiet]);
          expect([lanes.g(0, 0), lanes.floor(0), lanes.winN(0)]).toEqual([0, 0, 0]);
        },
      ),
      { numRuns: 150, seed: 7 },
    );
    expect(compared).toBeGreaterThan(60);
  });

  it("bank: power: within 1e-5 of the exact one over 240 dB, clamped outside, NaN for NaN", () => {
    fc.assert(
      fc.property(fc.double({ min: -120, max: 120, noNaN: true }), (db) => {
        expect(Math.abs(powerOf(Math.fround(db)) / 10 ** (db / 10) - 1)).toBeLessThan(1e-5);
      }),
      { numRuns: 2000, seed: 3 },
    );
    expect(powerOf(1e6)).toBe(powerOf(128));
    expect(powerOf(Number.NEGATIVE_INFINITY)).toBe(powerOf(-128));
    expect(powerOf(Number.NaN)).toBeNaN();
    expect(DB_PER_NEPER).toBeCloseTo(4.342944819, 9);
  });
});
