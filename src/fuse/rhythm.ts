import type { SensorId } from "../model.ts";
import type { Sighting } from "./sighting.ts";

/**
 * Who goes up and down together. A speaker's pauses, discontinuous transmission and power control move the mean power of one
 * emitter's windows by several dB at all sensors alike, and that of two emitters each in its own way: sensors whose
 * mean powers keep step hear the same emitter most. No plan is asked.
 */

/** Windows that are remembered, and the fewest that say something: chance makes one pair of sensors in a thousand alike by 0.7 in 16. */
const REMEMBERED = 32;
const LEAST_WINDOWS = 16;
/** Looked at every so many windows. */
export const RHYTHM_EVERY = 8;
/** A sensor takes part that heard so large a share of them: bursts that are met now and then show the sweep's rhythm. */
const HEARD_SHARE = 0.9;
/** Correlation from which sensors, or the means of groups, are one group; of one emitter: 0.7 and 0.9, of two: 0 (docs/localisation.md). */
const ALIKE = 0.65;
/** Fewer sensors are no group. */
const LEAST_SENSORS = 3;
/** Spread of sensors around their group's mean up to which it is a rhythm, dB. */
const STEADY_DB = 3.5;
/** Correlation of the mean powers of two groups that hear one emitter. */
const SAME = 0.8;
/** A pause lasts 1.6 s on average (ITU-T P.59), so neighbouring windows of a second are not quite news. */
const WINDOW_WEIGHT = 0.75;

/** Sensors that go together, and their mean power less its average, dB, by window. */
export interface Group {
  readonly sensors: readonly SensorId[];
  readonly course: Float64Array;
}

/** Mean powers of the last windows, by sensor. */
export class Rhythm {
  private readonly powers: Map<SensorId, Float32Array>;
  private next: number;

  constructor(powers = new Map<SensorId, Float32Array>(), next = 0) {
    this.powers = powers;
    this.next = next;
  }

  note(s: Sighting): void {
    const at = this.next++ % REMEMBERED;
    for (const row of this.powers.values()) row[at] = Number.NaN;
    for (const { level, meanDbm, held } of s.heard) {
      if (held === true) continue;
      let row = this.powers.get(level.sensor);
      if (row === undefined) {
        row = new Float32Array(REMEMBERED).fill(Number.NaN);
        this.powers.set(level.sensor, row);
      }
      row[at] = meanDbm;
    }
  }

  /** That of some of the sensors. */
  of(sensors: ReadonlySet<SensorId>): Rhythm {
    const powers = new Map<SensorId, Float32Array>();
    for (const [sensor, row] of this.powers) if (sensors.has(sensor)) powers.set(sensor, row.slice());
    return new Rhythm(powers, this.next);
  }

  clear(): void {
    this.powers.clear();
    this.next = 0;
  }

  /** Groups of sensors that go together, the largest first; what belongs to none is left out. Cost: sensors squared times windows. */
  groups(): Group[] {
    const windows = Math.min(this.next, REMEMBERED);
    if (windows < LEAST_WINDOWS) return [];
    const sensors: SensorId[] = [];
    const rows: Float64Array[] = [];
    for (const [sensor, row] of this.powers) {
      const course = courseOf(row, windows);
      if (course === null) continue;
      sensors.push(sensor);
      rows.push(course);
    }
    return together(rows)
      .filter((g) => g.members.length >= LEAST_SENSORS && g.spreadDb <= STEADY_DB)
      .map((g) => ({ sensors: g.members.map((m) => sensors[m]!), course: g.course }));
  }

  snapshot(): unknown {
    return { powers: this.powers, next: this.next };
  }

  /** Of a snapshot that has none yet: an empty one. */
  static restored(snapshot: unknown): Rhythm {
    if (snapshot === undefined) return new Rhythm();
    const { powers, next } = snapshot as { powers: Map<SensorId, Float32Array>; next: number };
    return new Rhythm(new Map([...powers].map(([sensor, row]) => [sensor, row.slice()])), next);
  }
}

/** A sensor's powers less their mean, gaps filled with it; null where there are too many. */
function courseOf(row: Float32Array, windows: number): Float64Array | null {
  let [sum, heard] = [0, 0];
  for (let t = 0; t < windows; t++) {
    if (Number.isNaN(row[t]!)) continue;
    sum += row[t]!;
    heard++;
  }
  if (heard < HEARD_SHARE * windows) return null;
  const mean = sum / heard;
  return Float64Array.from({ length: windows }, (_, t) => (Number.isNaN(row[t]!) ? 0 : row[t]! - mean));
}

/**
 * Hierarchical grouping by the correlation of the groups' mean courses, the most alike first, down to `ALIKE`. The spread is that of
 * members around the mean of their group, dB. Largest first, ties by the first member.
 */
export function together(
  rows: readonly Float64Array[],
): { members: number[]; course: Float64Array; spreadDb: number }[] {
  const groups = rows.map((row, i) => ({ members: [i], course: row.slice() }));
  const alike = groups.map((a, i) => groups.map((b, j) => (j < i ? correlation(a.course, b.course) : 0)));
  const gone = new Set<number>();
  for (;;) {
    let [best, bi, bj] = [ALIKE, -1, -1];
    for (let i = 1; i < groups.length; i++) {
      if (gone.has(i)) continue;
      for (let j = 0; j < i; j++) if (!gone.has(j) && alike[i]![j]! > best) [best, bi, bj] = [alike[i]![j]!, i, j];
    }
    if (bi < 0) break;
    const [into, from] = [groups[bj]!, groups[bi]!];
    const share = from.members.length / (into.members.length + from.members.length);
    for (let t = 0; t < into.course.length; t++) into.course[t]! += share * (from.course[t]! - into.course[t]!);
    into.members.push(...from.members);
    gone.add(bi);
    for (let k = 0; k < groups.length; k++) {
      if (k === bj || gone.has(k)) continue;
      alike[Math.max(k, bj)]![Math.min(k, bj)] = correlation(groups[k]!.course, into.course);
    }
  }
  return groups
    .filter((_, i) => !gone.has(i))
    .map((g) => ({ ...g, spreadDb: spreadOf(rows, g.members, g.course) }))
    .sort((a, b) => b.members.length - a.members.length || a.members[0]! - b.members[0]!);
}

function spreadOf(rows: readonly Float64Array[], members: readonly number[], course: Float64Array): number {
  if (members.length < 2) return 0;
  let square = 0;
  for (const m of members) for (let t = 0; t < course.length; t++) square += (rows[m]![t]! - course[t]!) ** 2;
  return Math.sqrt(square / (course.length * (members.length - 1)));
}

export function correlation(a: Float64Array, b: Float64Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let t = 0; t < a.length; t++) {
    ab += a[t]! * b[t]!;
    aa += a[t]! * a[t]!;
    bb += b[t]! * b[t]!;
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
}

/**
 * Log Bayes factor of two groups' hearing two emitters, whose courses have nothing in common, over one (normal, correlation `SAME`),
 * nats.
 */
export function apartNats(a: Group, b: Group): number {
  const r = correlation(a.course, b.course);
  const left = 1 - SAME * SAME;
  const same = -0.5 * Math.log(left) - (1 - SAME * r) / left;
  return WINDOW_WEIGHT * a.course.length * (-1 - same);
}
