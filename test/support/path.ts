/** A point of a way that somebody walked: when, and where in metres. */
export interface PathPoint {
  readonly t: number;
  readonly x_m: number;
  readonly y_m: number;
}

/** Where a path is at `t`, straight from point to point; before it and after it its ends. The point walked from comes with it. */
export function positionAt<P extends PathPoint>(path: readonly P[], t: number): { x: number; y: number; from: P } {
  let i = path.findIndex((p) => p.t >= t);
  if (i < 0) i = path.length - 1;
  const [a, b] = [path[Math.max(0, i - 1)]!, path[i]!];
  const f = b.t > a.t ? Math.min(1, Math.max(0, (t - a.t) / (b.t - a.t))) : 0;
  return { x: a.x_m + f * (b.x_m - a.x_m), y: a.y_m + f * (b.y_m - a.y_m), from: a };
}
