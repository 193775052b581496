/**
 * What a lane's floor does at each quarter of an hour of the day, in the site's own time: a neighbour's mast that wakes at six, machines
 * that start with the shift. Learned from floors at the ends of quarters (a call is never in them: the floor is frozen in an
 * excursion), used only where forecasts of the days before were right, and only to say up to where a rise is usual now.
 *
 * Nothing here is on a reading's way: one pass over the lanes a quarter of an hour, one look an excursion. 340 bytes a lane.
 */
import type { StateField } from "./snapshot.ts";

export const QUARTER_MS = 900_000;
export const QUARTERS = 96;
/** Forecasts are judged, and the day's offset is taken, over an hour: a step may come a quarter early or late. */
const HOUR = 4;
/** Floors that are kept: an event is released as a new floor within an hour, and then each quarter of it is judged by the hour before it. */
const KEPT = 2 * HOUR + 1;
/** Fractions of a dB that levels are kept in. */
const UNIT = 256;
/** Memory of a quarter's level, in days; of the mean level, one day; of the judgement of forecasts, two days. */
const DAYS = 7;
const MEAN_QUARTERS = QUARTERS;
const JUDGED_QUARTERS = 2 * QUARTERS;
/** Quarters known before levels are learned (the mean must be known), and compared before the forecasts may be believed: three days in all. */
const MEAN_FIRST = QUARTERS;
const COMPARED_FIRST = QUARTERS;
/** Least days that a quarter must be known of. */
const DAYS_FIRST = 2;
/** Forecasts are believed while they leave at most so much of the changes' square: half leaves no doubt whether they help. */
const LEFT = 0.5;

export class DayFloors {
  readonly #clock: Intl.DateTimeFormat;
  capacity = 0;
  /** Level of each quarter against the mean of the day, in 1/UNIT dB, and the days it is known of. */
  level = new Int16Array(0);
  known = new Uint8Array(0);
  /** Floors at the ends of the last KEPT quarters, newest first; NaN: not known. */
  recent = new Float32Array(0);
  mean = new Float32Array(0);
  /** Quarters seen, and of these compared. */
  seen = new Uint16Array(0);
  compared = new Uint16Array(0);
  /** Mean squares of what the forecasts missed, and of the changes themselves (dB^2). */
  missed = new Float32Array(0);
  moved = new Float32Array(0);
  /** The running quarter since the epoch; -1: none yet. */
  quarter = -1;
  /** Quarters of the day that `recent` is of, newest first. */
  readonly #ended = new Int32Array(KEPT).fill(-1);

  /** `timezone`: IANA name. */
  constructor(timezone: string) {
    this.#clock = new Intl.DateTimeFormat("en-GB", {
      timeZone: timezone,
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
  }

  grow(capacity: number): void {
    if (capacity <= this.capacity) return;
    const bigger = <T extends Float32Array | Int16Array | Uint16Array | Uint8Array>(old: T, per: number): T => {
      const next = new (old.constructor as new (n: number) => T)(capacity * per);
      next.set(old);
      return next;
    };
    this.level = bigger(this.level, QUARTERS);
    this.known = bigger(this.known, QUARTERS);
    this.recent = bigger(this.recent, KEPT);
    this.mean = bigger(this.mean, 1);
    this.seen = bigger(this.seen, 1);
    this.compared = bigger(this.compared, 1);
    this.missed = bigger(this.missed, 1);
    this.moved = bigger(this.moved, 1);
    this.capacity = capacity;
  }

  open(lane: number): void {
    this.recent.fill(Number.NaN, lane * KEPT, (lane + 1) * KEPT);
  }

  /** Quarter of the day, 0 to 95, that an instant lies in by the site's clocks. */
  quarterOfDay(tMs: number): number {
    const [hour, minute] = this.#clock.format(tMs).split(":");
    return 4 * Number(hour) + Math.floor(Number(minute) / 15);
  }

  /**
   * Event time has come to `tMs`. When that ends a quarter, notes each lane's floor by `floorOf`, NaN where there is none that may be
   * learned from.
   */
  reach(tMs: number, lanes: number, floorOf: (lane: number) => number): void {
    const quarter = Math.floor(tMs / QUARTER_MS);
    if (quarter === this.quarter) return;
    const ended = this.quarter;
    this.quarter = quarter;
    // Time that went backwards or was skipped: what was before says nothing of an hour ago.
    if (ended < 0 || quarter !== ended + 1) {
      this.recent.fill(Number.NaN);
      this.#ended.fill(-1);
      return;
    }
    this.#ended.copyWithin(1, 0);
    this.#ended[0] = this.quarterOfDay(ended * QUARTER_MS);
    for (let lane = 0; lane < lanes; lane++) this.#note(lane, floorOf(lane));
  }

  #note(lane: number, floor: number): void {
    const at = lane * KEPT;
    this.recent.copyWithin(at + 1, at, at + KEPT - 1);
    this.recent[at] = floor;
    if (!Number.isNaN(floor)) this.#learn(lane, 0);
  }

  /** What was above the floor since `fromMs` is the floor now: the quarters that it hid are learned after all. */
  released(lane: number, fromMs: number, floor: number): void {
    for (let k = HOUR; k >= 0; k--) {
      const slot = lane * KEPT + k;
      if ((this.quarter - k) * QUARTER_MS <= fromMs || this.#ended[k]! < 0 || !Number.isNaN(this.recent[slot]!))
        continue;
      this.recent[slot] = floor;
      this.#learn(lane, k);
    }
  }

  /** Judges the forecast of the quarter that ended k quarters ago, and learns from it afterwards. */
  #learn(lane: number, k: number): void {
    const floor = this.recent[lane * KEPT + k]!;
    const quarter = this.#ended[k]!;
    const seen = this.seen[lane]!;
    this.mean[lane]! += (floor - this.mean[lane]!) / Math.min(MEAN_QUARTERS, seen + 1);
    this.seen[lane] = Math.min(65_535, seen + 1);
    if (seen < MEAN_FIRST) return;
    const hourAgo = this.recent[lane * KEPT + k + HOUR]!;
    if (!Number.isNaN(hourAgo)) this.#compare(lane, quarter, this.#ended[k + HOUR]!, floor - hourAgo);
    const cell = lane * QUARTERS + quarter;
    const days = this.known[cell]!;
    const level = (floor - this.mean[lane]!) * UNIT;
    const next = this.level[cell]! + (level - this.level[cell]!) / Math.min(DAYS, days + 1);
    this.level[cell] = Math.max(-32_768, Math.min(32_767, Math.round(next)));
    if (days < 255) this.known[cell] = days + 1;
  }

  #compare(lane: number, quarter: number, before: number, change: number): void {
    const row = lane * QUARTERS;
    if (this.known[row + quarter] === 0 || this.known[row + before] === 0) return;
    const error = change - (this.level[row + quarter]! - this.level[row + before]!) / UNIT;
    const compared = this.compared[lane]!;
    const gain = 1 / Math.min(JUDGED_QUARTERS, compared + 1);
    this.missed[lane]! += (error ** 2 - this.missed[lane]!) * gain;
    this.moved[lane]! += (change ** 2 - this.moved[lane]!) * gain;
    this.compared[lane] = Math.min(65_535, compared + 1);
  }

  /** Whether the lane's history supports forecasts: long enough, and right so far. */
  supports(lane: number): boolean {
    return this.compared[lane]! >= COMPARED_FIRST && this.missed[lane]! <= LEFT * this.moved[lane]!;
  }

  /** Standard error of a forecast (dB). */
  errorDb(lane: number): number {
    return Math.sqrt(this.missed[lane]!);
  }

  /**
   * Up to where the floor usually is by now, dBm: the highest of this quarter of the day and its neighbours, by what the last hour
   * was against its own quarters; NaN where the history does not support it.
   */
  ceiling(lane: number, quarterNow: number): number {
    if (!this.supports(lane)) return Number.NaN;
    const row = lane * QUARTERS;
    let highest = Number.NEGATIVE_INFINITY;
    for (let step = -1; step <= 1; step++) {
      const cell = row + ((quarterNow + step + QUARTERS) % QUARTERS);
      if (this.known[cell]! >= DAYS_FIRST) highest = Math.max(highest, this.level[cell]! / UNIT);
    }
    // The median of the last hour, so that a step that came early or late in one of its quarters does not count.
    const offsets: number[] = [];
    for (let k = 0; k < HOUR; k++) {
      const cell = row + this.#ended[k]!;
      const floor = this.recent[lane * KEPT + k]!;
      if (this.#ended[k]! >= 0 && this.known[cell]! >= DAYS_FIRST && !Number.isNaN(floor)) {
        offsets.push(floor - this.level[cell]! / UNIT);
      }
    }
    if (offsets.length < 2 || highest === Number.NEGATIVE_INFINITY) return Number.NaN;
    offsets.sort((a, b) => a - b);
    return highest + offsets[(offsets.length - 1) >> 1]!;
  }

  fields(): StateField[] {
    return [
      { name: "level", per: QUARTERS, array: this.level },
      { name: "known", per: QUARTERS, array: this.known },
      { name: "recent", per: KEPT, array: this.recent },
      { name: "mean", per: 1, array: this.mean },
      { name: "seen", per: 1, array: this.seen },
      { name: "compared", per: 1, array: this.compared },
      { name: "missed", per: 1, array: this.missed },
      { name: "moved", per: 1, array: this.moved },
    ];
  }

  /** Takes up where a snapshot of that quarter stopped. */
  resume(quarter: number): void {
    this.quarter = quarter;
    for (let k = 0; k < KEPT; k++) {
      this.#ended[k] = quarter < 0 ? -1 : this.quarterOfDay((quarter - 1 - k) * QUARTER_MS);
    }
  }
}
