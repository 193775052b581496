/**
 * Candidates by patches: neighbours in one zone, few enough that one in the middle speaks for all where nothing depends on
 * them.
 */
import type { Grid } from "./grid.ts";

export interface Patches {
  /** Candidates, those of a patch side by side. */
  readonly member: Int32Array;
  /** Where each patch begins in `member`; one more at the end. */
  readonly from: Int32Array;
  /** The member nearest to the patch's mean. */
  readonly middle: Int32Array;
}

/** Members of a patch at the most, and its extent: expected levels change by little within. */
const MOST_MEMBERS = 12;
const MOST_EXTENT_M = 2;

/** Halves each zone along its longer side until its parts are small. Cost: a sort a halving. */
export function patchesOf(grid: Pick<Grid, "xM" | "yM" | "zones" | "size">): Patches {
  const member: number[] = [];
  const from: number[] = [];
  const middle: number[] = [];
  const close = (part: readonly number[]): void => {
    from.push(member.length);
    middle.push(middleOf(grid, part));
    member.push(...part);
  };
  const halve = (part: number[]): void => {
    const [xM, yM] = [spread(grid.xM, part), spread(grid.yM, part)];
    if (part.length === 1 || (part.length <= MOST_MEMBERS && Math.max(xM, yM) <= MOST_EXTENT_M)) {
      close(part);
      return;
    }
    const along = xM >= yM ? grid.xM : grid.yM;
    part.sort((a, b) => along[a]! - along[b]! || a - b);
    const half = part.length >> 1;
    halve(part.slice(0, half));
    halve(part.slice(half));
  };
  for (const zone of grid.zones) halve(Array.from({ length: zone.to - zone.from }, (_, i) => zone.from + i));
  from.push(member.length);
  return { member: Int32Array.from(member), from: Int32Array.from(from), middle: Int32Array.from(middle) };
}

function spread(values: Float64Array, part: readonly number[]): number {
  let [lo, hi] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const c of part) {
    lo = Math.min(lo, values[c]!);
    hi = Math.max(hi, values[c]!);
  }
  return hi - lo;
}

function middleOf(grid: Pick<Grid, "xM" | "yM">, part: readonly number[]): number {
  let [x, y] = [0, 0];
  for (const c of part) {
    x += grid.xM[c]! / part.length;
    y += grid.yM[c]! / part.length;
  }
  let best = part[0]!;
  let least = Number.POSITIVE_INFINITY;
  for (const c of part) {
    const d2 = (grid.xM[c]! - x) ** 2 + (grid.yM[c]! - y) ** 2;
    if (d2 < least) {
      least = d2;
      best = c;
    }
  }
  return best;
}
