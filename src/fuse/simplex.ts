/**
 * Nelder-Mead minimisation, for the handful of hyper-parameters that have no closed form. Deterministic.
 *
 * Source: Nelder and Mead 1965, coefficients 1, 2, 1/2, 1/2. Cost: about one evaluation a step, `maxEvaluations` at most.
 */
export function minimise(
  cost: (x: readonly number[]) => number,
  start: readonly number[],
  stepSize: readonly number[],
  maxEvaluations: number,
): { x: number[]; cost: number } {
  const n = start.length;
  let evaluations = 0;
  const at = (x: number[]): { x: number[]; cost: number } => {
    evaluations++;
    const value = cost(x);
    return { x, cost: Number.isFinite(value) ? value : Number.MAX_VALUE };
  };
  const simplex = [at([...start])];
  for (let i = 0; i < n; i++) simplex.push(at(start.map((v, j) => (i === j ? v + stepSize[j]! : v))));
  const along = (from: readonly number[], to: readonly number[], t: number): number[] =>
    from.map((v, j) => v + t * (to[j]! - v));
  while (evaluations < maxEvaluations) {
    simplex.sort((a, b) => a.cost - b.cost);
    const [best, worst, second] = [simplex[0]!, simplex[n]!, simplex[n - 1]!];
    if (worst.cost - best.cost < 1e-6 * (1 + Math.abs(best.cost))) break;
    const centre = start.map((_, j) => simplex.slice(0, n).reduce((sum, v) => sum + v.x[j]!, 0) / n);
    const reflected = at(along(worst.x, centre, 2));
    if (reflected.cost < best.cost) {
      const further = at(along(worst.x, centre, 3));
      simplex[n] = further.cost < reflected.cost ? further : reflected;
    } else if (reflected.cost < second.cost) {
      simplex[n] = reflected;
    } else {
      const toward = reflected.cost < worst.cost ? reflected : worst;
      const inner = at(along(centre, toward.x, 0.5));
      if (inner.cost < toward.cost) simplex[n] = inner;
      else for (let i = 1; i <= n; i++) simplex[i] = at(along(best.x, simplex[i]!.x, 0.5));
    }
  }
  simplex.sort((a, b) => a.cost - b.cost);
  return simplex[0]!;
}
