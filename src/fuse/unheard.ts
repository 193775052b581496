/**
 * What the silence of sensors says against a place: the sum over those that heard nothing of the log probability of that, against
 * the expected level. Of a patch's middle the loudest sensors come first, from lists made once, so that most places are given
 * up after a few. In WebAssembly where the host has it, in a plain loop of the same bits where not.
 */
import { Heap, hosted } from "../wasm/host.ts";
import type { SilenceTable, Silent } from "./density.ts";
import type { Patches } from "./patches.ts";
import {
  assemble,
  FREE_AT,
  GAIN_BITS,
  LEAST_AT,
  LISTED_BYTES,
  MOST_OVER,
  SENSOR_BYTES,
  STEP_BITS,
  SUM_AT,
  TABLE_SIZE,
  VALUE_BYTES,
} from "./unheard-module.ts";

const STEPS_A_DB = 1 << STEP_BITS;

const moduleOfHost = hosted(assemble);

/** Silent sensors of one observation at a time, and the lists of any number of layouts. */
export class Unheard {
  readonly #heap: Heap;
  #doubles: Float64Array;
  #ints: Int32Array;
  /** Where sensors and tables of the observation begin, and how much there is for them, bytes. */
  #sensors = FREE_AT;
  #reserved = 0;
  #tablesUsed = 0;
  readonly #tables = new Map<SilenceTable, Map<number, number>>();
  readonly #held = new Map<Patches, number>();
  /** Columns of the silent sensors. */
  #column = new Int32Array(0);
  #count = 0;
  #first = 0;
  /** Log probability of all silences where nobody could hear anything. */
  quiet = 0;

  /** `plain`: without WebAssembly, whatever the host has. */
  constructor(plain = false) {
    this.#heap = new Heap(plain ? null : moduleOfHost(), FREE_AT);
    this.#doubles = new Float64Array(this.#heap.buffer);
    this.#ints = new Int32Array(this.#heap.buffer);
  }

  /** How many sensors are silent. */
  get count(): number {
    return this.#count;
  }

  /** So many bytes more, and where they are; views are made anew. */
  #take(bytes: number): number {
    const at = this.#heap.take(bytes);
    const { buffer } = this.#heap;
    if (buffer !== this.#ints.buffer) {
      this.#doubles = new Float64Array(buffer);
      this.#ints = new Int32Array(buffer);
    }
    return at;
  }

  /** A new observation: who is silent of so many sensors, at places of these patches. Cost: a table for each curve and factor. */
  begin(silent: readonly Silent[], sensors: number, patches: Patches): void {
    this.#count = silent.length;
    this.#first = Number.POSITIVE_INFINITY;
    this.quiet = 0;
    this.#tables.clear();
    if (silent.length === 0) return;
    this.#hold(patches);
    if (this.#column.length < sensors) this.#column = new Int32Array(sensors);
    // One table of zeros for those that are not silent, and as many as there may be.
    const tables = new Set(silent.map((s) => s.table)).size * new Set(silent.map((s) => s.looks)).size + 1;
    const sensorBytes = VALUE_BYTES * Math.ceil((SENSOR_BYTES * sensors) / VALUE_BYTES);
    const bytes = sensorBytes + tables * TABLE_SIZE * VALUE_BYTES;
    if (bytes > this.#reserved) {
      this.#reserved = Math.max(bytes, 2 * this.#reserved);
      this.#sensors = this.#take(this.#reserved);
    }
    this.#tablesUsed = this.#sensors + sensorBytes;
    const zeros = this.#table(null, 0);
    for (let s = 0; s < sensors; s++) this.#set(s, 0, zeros);
    silent.forEach(({ sensor, floorDbm, table, looks }, k) => {
      const audible = Math.round((floorDbm + table.fromDb) * STEPS_A_DB);
      this.#column[k] = sensor;
      this.#first = Math.min(this.#first, audible);
      this.#set(sensor, audible, this.#tableOf(table, looks));
      this.quiet += looks * table.log[0]!;
    });
  }

  #set(sensor: number, audible: number, table: number): void {
    const at = (this.#sensors + SENSOR_BYTES * sensor) >> 2;
    this.#ints[at] = audible;
    this.#ints[at + 1] = table;
  }

  #tableOf(table: SilenceTable, looks: number): number {
    const byLooks = this.#tables.get(table) ?? new Map<number, number>();
    this.#tables.set(table, byLooks);
    const at = byLooks.get(looks) ?? this.#table(table, looks);
    byLooks.set(looks, at);
    return at;
  }

  /** A table times its looks, from where silence is likeliest: 0 and less. Null: zeros. */
  #table(table: SilenceTable | null, looks: number): number {
    const at = this.#tablesUsed;
    this.#tablesUsed += TABLE_SIZE * VALUE_BYTES;
    const value = (i: number): number =>
      table === null ? 0 : looks * (table.log[Math.min(i, table.log.length - 1)]! - table.log[0]!);
    for (let i = 0, k = at >> 3; i < TABLE_SIZE; i++, k += 2) {
      this.#doubles[k] = value(i);
      this.#doubles[k + 1] = (value(i + 1) - value(i)) / STEPS_A_DB;
    }
    return at;
  }

  #hold(patches: Patches): number {
    let at = this.#held.get(patches);
    if (at === undefined) {
      const { loudest, loudestGain } = patches;
      at = this.#take(LISTED_BYTES * loudest.length);
      for (let k = 0, to = at >> 2; k < loudest.length; k++, to++)
        this.#ints[to] = (loudestGain[k]! << 16) | loudest[k]!;
      this.#held.set(patches, at);
    }
    return at;
  }

  /**
   * Log of what the silences say against the middle of a patch from where `emittedDbm` come, 0 at the most; less than `least`, but no
   * more exact, where it is less. Not a number where the patch's list leaves out sensors that count.
   */
  ofMiddle(patches: Patches, patch: number, sensors: number, emittedDbm: number, least: number): number {
    const count = patches.loudest.length / patches.middle.length;
    const list = this.#hold(patches) + LISTED_BYTES * count * patch;
    const end = list + LISTED_BYTES * count;
    const emitted = Math.round(emittedDbm * STEPS_A_DB);
    this.#doubles[LEAST_AT >> 3] = least;
    const { run } = this.#heap;
    const known =
      run === null ? this.#runPlain(list, end, emitted) : run(list, end, this.#sensors, emitted, this.#first);
    return known === 1 || count === sensors ? this.#doubles[SUM_AT >> 3]! : Number.NaN;
  }

  /** What the module does. */
  #runPlain(list: number, end: number, emitted: number): number {
    const [ints, doubles] = [this.#ints, this.#doubles];
    const least = doubles[LEAST_AT >> 3]!;
    let sum = 0;
    let known = 0;
    for (let k = list >> 2; known === 0 && k < end >> 2; k++) {
      const level = emitted + ((ints[k]! >> 16) << (STEP_BITS - GAIN_BITS));
      if (level <= this.#first) known = 1;
      else {
        sum += this.#one(ints[k]! & 0xffff, level);
        if (sum < least) known = 1;
      }
    }
    doubles[SUM_AT >> 3] = sum;
    return known;
  }

  /** The same at any position, whose gains begin at `row`: all silent sensors in their order. */
  of(gain: Int16Array, row: number, emittedDbm: number, least: number): number {
    const emitted = Math.round(emittedDbm * STEPS_A_DB);
    let sum = 0;
    for (let k = 0; k < this.#count && sum >= least; k++) {
      const s = this.#column[k]!;
      sum += this.#one(s, emitted + (gain[row + s]! << (STEP_BITS - GAIN_BITS)));
    }
    return sum;
  }

  #one(sensor: number, level: number): number {
    const at = (this.#sensors + SENSOR_BYTES * sensor) >> 2;
    const over = Math.max(0, Math.min(MOST_OVER, level - this.#ints[at]!));
    const k = (this.#ints[at + 1]! >> 3) + 2 * (over >> STEP_BITS);
    return this.#doubles[k]! + (over & (STEPS_A_DB - 1)) * this.#doubles[k + 1]!;
  }
}
