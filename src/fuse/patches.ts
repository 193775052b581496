/**
 * Candidates by patches: neighbours in one zone, few enough that one in the middle speaks for all where nothing depends on
 * them.
 */
import { MOST_RAYS } from "./gains.ts";
import type { Grid } from "./grid.ts";

export interface Patches {
  /** Candidates, those of a patch side by side. */
  readonly member: Int32Array;
  /** Where each patch begins in `member`; one more at the end. */
  readonly from: Int32Array;
  /** The member nearest to the patch's mean. */
  readonly middle: Int32Array;
  /** Candidates in the order in which they are looked at, as places: middles first, then the other members, patch by patch. */
  readonly order: Int32Array;
  /** Place of each candidate, patch of each place. */
  readonly placeOf: Int32Array;
  readonly patchOf: Int32Array;
  /**
   * Of each block of `BLOCK` patches all sensors, those that hear one of its places best first: the highest gain to any of its places in
   * the upper half, the sensor in the lower.
   */
  readonly blocks: Int32Array;
}

/** As many middles as the density looks at side by side. */
export const BLOCK = 16;

/** Members of a patch at the most, and its extent: where no wall comes between, expected levels change by little within. */
const MOST_MEMBERS = 12;
const MOST_EXTENT_M = 2;
/**
 * Walls may come between: along a row of cells the ray to a sensor behind it crosses one more with each half metre. The expected
 * levels of a patch's members differ from its middle's by so much at the most, dB, root of the sum of squares over the sensors
 * that may hear; at 8 dB of shadowing and fading that is 4.5 nats, within the 10 that the density allows a middle. Sensors in a
 * duct behind the cells (`bench tablea`, chase/2, limit 99.8): right cells 98 % at 24 dB, 93 at 28 and without. In large sites
 * most walls are counted once a room and a burst's time is what is scarce: 24 dB would double it for 1,000 cells and 500 sensors.
 */
const MOST_APART_DB = 24;
const MOST_APART_LARGE_DB = 32;
/** A sensor that hears a place by so much less than the place's loudest is seldom heard at all, dB. */
const HEARD_WITHIN_DB = 60;

/** Expected gains: a row a candidate, a column a sensor, in steps of `stepDb`. */
export interface Gains {
  readonly gain: Int16Array;
  readonly sensors: number;
  readonly stepDb: number;
}

/**
 * Halves each zone along its longer side until its parts are small and alike. Cost: a sort and a look at the gains a halving.
 */
export function patchesOf(grid: Pick<Grid, "xM" | "yM" | "zones" | "size">, gains: Gains): Patches {
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
    const small = part.length <= MOST_MEMBERS && Math.max(xM, yM) <= MOST_EXTENT_M;
    if (part.length === 1 || (small && alike(gains, part, middleOf(grid, part)))) {
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
  return {
    member: Int32Array.from(member),
    from: Int32Array.from(from),
    middle: Int32Array.from(middle),
    ...placesOf(member, from, middle),
    blocks: blocksOf(gains, member, from),
  };
}

function placesOf(
  member: readonly number[],
  from: readonly number[],
  middle: readonly number[],
): Pick<Patches, "order" | "placeOf" | "patchOf"> {
  const order = Int32Array.from(member);
  const placeOf = new Int32Array(member.length);
  const patchOf = new Int32Array(member.length);
  let next = middle.length;
  const put = (place: number, candidate: number, patch: number): void => {
    order[place] = candidate;
    placeOf[candidate] = place;
    patchOf[place] = patch;
  };
  middle.forEach((m, p) => {
    put(p, m, p);
    for (let k = from[p]!; k < from[p + 1]!; k++) if (member[k] !== m) put(next++, member[k]!, p);
  });
  return { order, placeOf, patchOf };
}

function blocksOf({ gain, sensors }: Gains, member: readonly number[], from: readonly number[]): Int32Array {
  const patches = from.length - 1;
  const blocks = new Int32Array(Math.ceil(patches / BLOCK) * sensors);
  const most = new Int16Array(sensors);
  for (let p = 0, row = 0; p < patches; p += BLOCK, row += sensors) {
    most.fill(-32_768);
    for (let k = from[p]!; k < from[Math.min(patches, p + BLOCK)]!; k++) {
      const first = member[k]! * sensors;
      for (let s = 0; s < sensors; s++) if (gain[first + s]! > most[s]!) most[s] = gain[first + s]!;
    }
    // Gain and sensor in one number, which sorts without a comparison of its own.
    const listed = blocks.subarray(row, row + sensors);
    for (let s = 0; s < sensors; s++) listed[s] = (most[s]! << 16) | s;
    listed.sort().reverse();
  }
  return blocks;
}

/** Whether every member is heard as its middle is, whatever its power. */
function alike({ gain, sensors, stepDb }: Gains, part: readonly number[], middle: number): boolean {
  const most = ((gain.length > MOST_RAYS ? MOST_APART_LARGE_DB : MOST_APART_DB) / stepDb) ** 2;
  let loudest = Number.NEGATIVE_INFINITY;
  for (let s = 0; s < sensors; s++) loudest = Math.max(loudest, gain[middle * sensors + s]!);
  const least = loudest - HEARD_WITHIN_DB / stepDb;
  for (const c of part) {
    let [count, sum, squares] = [0, 0, 0];
    for (let s = 0; s < sensors; s++) {
      const [own, its] = [gain[c * sensors + s]!, gain[middle * sensors + s]!];
      if (own < least && its < least) continue;
      const apart = Math.max(own, least) - Math.max(its, least);
      count++;
      sum += apart;
      squares += apart * apart;
    }
    if (count > 0 && squares - (sum * sum) / count > most) return false;
  }
  return true;
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
