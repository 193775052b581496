/** Plane geometry for the simulated house. */

/** Whether the point lies in the polygon (even-odd rule). */
export function pointInPolygon(x: number, y: number, polygon: readonly (readonly [number, number])[]): boolean {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xi, yi] = polygon[i] ?? [0, 0];
    const [xj, yj] = polygon[j] ?? [0, 0];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/**
 * Whether segment A-B crosses wall P-Q. Half-open at Q, so that a ray through the joint of two walls of one line is
 * counted once.
 */
export function crosses(
  ax: number,
  ay: number,
  bx: number,
  by: number,
  px: number,
  py: number,
  qx: number,
  qy: number,
): boolean {
  const rx = bx - ax;
  const ry = by - ay;
  const sx = qx - px;
  const sy = qy - py;
  const det = rx * sy - ry * sx;
  if (det === 0) return false;
  const t = ((px - ax) * sy - (py - ay) * sx) / det;
  const u = ((px - ax) * ry - (py - ay) * rx) / det;
  return t > 0 && t < 1 && u >= 0 && u < 1;
}

/** Length of segment A-B within the box [x1,y1,x2,y2] (Liang and Barsky's clipping). */
export function lengthInBox(
  ax: number,
  ay: number,
  bx: number,
  by: number,
  box: readonly [number, number, number, number],
): number {
  let lo = 0;
  let hi = 1;
  for (const [p, d, min, max] of [
    [ax, bx - ax, box[0], box[2]],
    [ay, by - ay, box[1], box[3]],
  ] as const) {
    if (d === 0) {
      if (p < min || p > max) return 0;
      continue;
    }
    const a = (min - p) / d;
    const b = (max - p) / d;
    lo = Math.max(lo, Math.min(a, b));
    hi = Math.min(hi, Math.max(a, b));
  }
  return hi > lo ? (hi - lo) * Math.hypot(bx - ax, by - ay) : 0;
}

/** A point of the polygon drawn evenly, kept `marginM` from the bounding box's edges where the polygon allows it. */
export function randomPoint(
  polygon: readonly (readonly [number, number])[],
  uniform: () => number,
  marginM = 0.3,
): [number, number] {
  let x1 = Infinity;
  let y1 = Infinity;
  let x2 = -Infinity;
  let y2 = -Infinity;
  for (const [x, y] of polygon) {
    x1 = Math.min(x1, x);
    y1 = Math.min(y1, y);
    x2 = Math.max(x2, x);
    y2 = Math.max(y2, y);
  }
  const mx = Math.min(marginM, (x2 - x1) / 4);
  const my = Math.min(marginM, (y2 - y1) / 4);
  for (let i = 0; i < 1000; i++) {
    const x = x1 + mx + (x2 - x1 - 2 * mx) * uniform();
    const y = y1 + my + (y2 - y1 - 2 * my) * uniform();
    if (pointInPolygon(x, y, polygon)) return [x, y];
  }
  return [...(polygon[0] ?? [0, 0])] as [number, number];
}
