import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backSolve, cholesky, forwardSolve, logDeterminant, logSumExp, normalCdf } from "../../../src/fuse/linalg.ts";

describe("linalg", () => {
  it("cholesky: random positive definite matrices: solving gives back what was multiplied", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 16, maxLength: 16 }),
        fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 4, maxLength: 4 }),
        (m, x) => {
          const a = new Float64Array(16);
          for (let i = 0; i < 4; i++) {
            for (let j = 0; j < 4; j++) {
              for (let k = 0; k < 4; k++) a[i * 4 + j]! += m[i * 4 + k]! * m[j * 4 + k]!;
            }
            a[i * 4 + i]! += 0.5;
          }
          const b = Float64Array.from({ length: 4 }, (_, i) => x.reduce((sum, v, j) => sum + a[i * 4 + j]! * v, 0));
          const l = a.slice();
          expect(cholesky(l, 4)).toBe(true);
          forwardSolve(l, 4, b);
          backSolve(l, 4, b);
          b.forEach((v, i) => {
            expect(v).toBeCloseTo(x[i]!, 6);
          });
          expect(logDeterminant(l, 4)).toBeGreaterThan(4 * Math.log(0.5) - 1e-9);
        },
      ),
      { seed: 5 },
    );
  });

  it("cholesky: an indefinite matrix: says so", () => {
    expect(cholesky(Float64Array.of(1, 2, 2, 1), 2)).toBe(false);
  });

  it("logSumExp: far apart and all impossible: exact", () => {
    expect(logSumExp(Float64Array.of(-1000, -1000), 0, 2)).toBeCloseTo(-1000 + Math.log(2), 9);
    expect(logSumExp(Float64Array.of(Number.NEGATIVE_INFINITY), 0, 1)).toBe(Number.NEGATIVE_INFINITY);
  });

  it("normalCdf: tabled values: to five digits", () => {
    // Abramowitz and Stegun, table 26.1.
    for (const [z, p] of [
      [0, 0.5],
      [1, 0.8413447],
      [-1.96, 0.0249979],
      [3.1, 0.9990324],
      [-5, 2.8665e-7],
    ] as const) {
      expect(Math.abs(normalCdf(z) - p)).toBeLessThan(2e-5);
    }
  });
});
