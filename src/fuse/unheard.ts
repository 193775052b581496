/**
 * What the silence of sensors says against places: the sum over those that heard nothing of the log probability of that, against
 * the expected level. Of a block of patches the sensors that hear it loudest come first, from lists made once, so that most places are
 * given up after a few, and those that none of the places could reach are never looked at. Sixteen places side by side in
 * WebAssembly where the host has SIMD, in a plain loop of the same bits where not.
 *
 * In float32: of 237 sensors that say 100 nats, the sum keeps 1e-4.
 */
import { type Heap, hosted } from "../wasm/host.ts";
import type { SilenceTable, Silent } from "./density.ts";
import type { HeldGains } from "./held.ts";
import {
  assemble,
  EMITTED,
  FIRST,
  GAIN_BITS,
  LANES,
  LEAST,
  LISTED_BYTES,
  MOST_OVER,
  OWN_WORDS,
  PLACES,
  SENSOR,
  SENSOR_WORDS,
  SIDE_BY_SIDE,
  STEP_BITS,
  SUMS,
  TABLE_SIZE,
  VALUE_WORDS,
} from "./unheard-module.ts";

export { LANES } from "./unheard-module.ts";

/**
 * Where few heard, the power is known to 8 dB, and all silences depend on that one power: they are asked at four powers (Gauss and Hermite;
 * places in spreads, weights), from the lowest on. At the mean alone they said 2 to 6 nats too much (rms) and up to 17; four are
 * right to 0.03 to 0.1, three to 0.3.
 */
const POWERS = [-2.3344142183389773, -0.7419637843027259, 0.7419637843027259, 2.3344142183389773] as const;
const POWER_P = [0.04587585476806852, 0.4541241452319315, 0.4541241452319315, 0.04587585476806852] as const;
/** Of the powers from each on, their weights together. */
const LEFT_P = POWER_P.map((_, q) => POWER_P.slice(q).reduce((sum, p) => sum + p, 0));
/** The louder powers are left out once they add less than this share. */
const LITTLE = 0.01;
/** So far below the mean, or below what is wanted of it, a power's silence may be left out, with all louder ones. */
const LITTLE_LOG = LEFT_P.map((left) => Math.log(LITTLE / left));
const LOWEST_LOG = Math.log(POWER_P[0]);

const STEPS_A_DB = 1 << STEP_BITS;
/** Audible to nobody: those that are not silent. */
const NEVER = 0x7fffffff;

const moduleOfHost = hosted(assemble);

/** Silent sensors of one observation at a time. */
export class Unheard {
  readonly #heap: Heap;
  readonly #run: ((...args: number[]) => number) | null;
  /** Words of its own; where sensors and tables of the observation begin, and how much there is for them. */
  readonly #own: number;
  #sensors = 0;
  #reserved = 0;
  #tablesUsed = 0;
  readonly #tables = new Map<SilenceTable, Map<number, number>>();
  #held: HeldGains | null = null;
  #count = 0;
  /** Log probability of all silences where nobody could hear anything. */
  quiet = 0;

  /**
   * Places of which silence is asked together, all of one block: power of an emitter there and its spread, dB, 0 where it is known; below
   * which no answer is wanted.
   */
  readonly place = new Int32Array(LANES);
  readonly emittedDbm = new Float64Array(LANES);
  readonly sdDb = new Float64Array(LANES);
  readonly least = new Float64Array(LANES);
  /** The answers. */
  readonly said = new Float64Array(LANES);
  /** Silence at the lowest power, and the mean over the powers so far, in units of that. */
  readonly #lowest = new Float64Array(LANES);
  readonly #mean = new Float64Array(LANES);

  /** In the memory in which the gains are. */
  constructor(heap: Heap) {
    this.#heap = heap;
    this.#run = heap.link(moduleOfHost());
    this.#own = heap.take(4 * OWN_WORDS) / 4;
  }

  /** How many sensors are silent. */
  get count(): number {
    return this.#count;
  }

  /** A new observation: who is silent, where gains are as held. Cost: a table for each curve and factor. */
  begin(silent: readonly Silent[], held: HeldGains): void {
    const { sensors, strideBytes } = held;
    this.#held = held;
    this.#count = silent.length;
    this.quiet = 0;
    this.#tables.clear();
    this.#heap.ints[this.#own + FIRST] = NEVER;
    if (silent.length === 0) return;
    const tables = new Set(silent.map((s) => s.table)).size * new Set(silent.map((s) => s.looks)).size;
    const words = SENSOR_WORDS * sensors + VALUE_WORDS * TABLE_SIZE * tables;
    if (words > this.#reserved) {
      this.#reserved = Math.max(words, 2 * this.#reserved);
      this.#sensors = this.#heap.take(4 * this.#reserved) / 4;
    }
    this.#tablesUsed = this.#sensors + SENSOR_WORDS * sensors;
    const { ints } = this.#heap;
    for (let s = 0; s < sensors; s++) ints[this.#sensors + SENSOR_WORDS * s + SENSOR.audible] = NEVER;
    let first = NEVER;
    for (const { sensor, floorDbm, table, looks } of silent) {
      const audible = Math.round((floorDbm + table.fromDb) * STEPS_A_DB);
      const at = this.#sensors + SENSOR_WORDS * sensor;
      ints[at + SENSOR.audible] = audible;
      ints[at + SENSOR.table] = 4 * this.#tableOf(table, looks);
      ints[at + SENSOR.column] = sensor * strideBytes;
      first = Math.min(first, audible);
      this.quiet += looks * table.log[0]!;
    }
    ints[this.#own + FIRST] = first;
  }

  #tableOf(table: SilenceTable, looks: number): number {
    const byLooks = this.#tables.get(table) ?? new Map<number, number>();
    this.#tables.set(table, byLooks);
    const at = byLooks.get(looks) ?? this.#table(table.log, looks);
    byLooks.set(looks, at);
    return at;
  }

  /** A table times its looks, from where silence is likeliest: 0 and less. */
  #table(log: Float64Array, looks: number): number {
    const at = this.#tablesUsed;
    this.#tablesUsed += VALUE_WORDS * TABLE_SIZE;
    const { floats } = this.#heap;
    const last = log.length - 1;
    let value = 0;
    for (let i = 0; i < TABLE_SIZE; i++) {
      const next = looks * (log[Math.min(i + 1, last)]! - log[0]!);
      floats[at + VALUE_WORDS * i] = value;
      floats[at + VALUE_WORDS * i + 1] = (next - value) / STEPS_A_DB;
      value = next;
    }
    return at;
  }

  /**
   * What the silences say against the first `count` places, all of one block: log of the mean over the powers, 0 at the most; -Infinity
   * where it is less than wanted. Cost: 30 ns for a power and a sensor that one of them may reach.
   */
  ask(block: number, count: number): void {
    const { said, least } = this;
    let left = this.#sum(block, count, 0);
    for (let q = 1; q < POWERS.length && left > 0; q++) left = this.#sum(block, count, q);
    for (let l = 0; l < count; l++) {
      const mean = this.#mean[l]!;
      const log = mean === 1 ? this.#lowest[l]! : this.#lowest[l]! + Math.log(mean);
      said[l] = log < least[l]! ? Number.NEGATIVE_INFINITY : log;
    }
  }

  /** Silences at power `q`, the lower ones being known. Gives how many places want the next one. */
  #sum(block: number, count: number, q: number): number {
    const { floats, ints } = this.#heap;
    const [own, lowest, mean] = [this.#own, this.#lowest, this.#mean];
    const { at, sensors, blocksAt } = this.#held!;
    let loudest = -NEVER;
    for (let l = 0; l < LANES; l++) {
      // Lanes that want nothing are as any, and never wait for.
      const to = Math.min(l, count - 1);
      const emitted = Math.round((this.emittedDbm[to]! + POWERS[q]! * this.sdDb[to]!) * STEPS_A_DB);
      let wanted = Number.POSITIVE_INFINITY;
      if (q === 0) {
        ints[own + PLACES + l] = at + 2 * this.place[to]!;
        if (l < count) wanted = this.least[l]!;
      } else if (floats[own + LEAST + l]! < Number.POSITIVE_INFINITY) {
        wanted = Math.max(this.least[l]!, lowest[l]! + LOWEST_LOG) + LITTLE_LOG[q]!;
      }
      ints[own + EMITTED + l] = emitted;
      floats[own + LEAST + l] = wanted;
      if (wanted < Number.POSITIVE_INFINITY) loudest = Math.max(loudest, emitted);
    }
    if (q === 0) {
      const last = this.place[count - 1]! - this.place[0]!;
      ints[own + SIDE_BY_SIDE] = count === LANES && last === LANES - 1 ? 1 : 0;
    }
    const list = blocksAt + LISTED_BYTES * sensors * block;
    const end = list + LISTED_BYTES * sensors;
    if (this.#run !== null) this.#run(4 * own, list, end, 4 * this.#sensors, loudest);
    else this.#runPlain(list, end, loudest);
    let left = 0;
    for (let l = 0; l < count; l++) {
      const wanted = floats[own + LEAST + l]!;
      const sum = floats[own + SUMS + l]!;
      let more = false;
      if (q === 0) {
        lowest[l] = sum < wanted ? Number.NEGATIVE_INFINITY : sum;
        more = sum >= wanted && this.sdDb[l]! > 0;
        mean[l] = more ? POWER_P[0] : 1;
      } else if (sum >= wanted) {
        const share = Math.exp(sum - lowest[l]!);
        more = LEFT_P[q]! * share >= LITTLE * mean[l]!;
        if (more) mean[l]! += POWER_P[q]! * share;
      }
      if (more) left++;
      else floats[own + LEAST + l] = Number.POSITIVE_INFINITY;
    }
    return left;
  }

  /** What the module does. */
  #runPlain(list: number, end: number, loudest: number): void {
    const { floats, ints, shorts } = this.#heap;
    const own = this.#own;
    const first = ints[own + FIRST]!;
    const sums = floats.subarray(own + SUMS, own + SUMS + LANES).fill(0);
    for (let k = list >> 2; k < end >> 2; k++) {
      const bound = loudest + ((ints[k]! >> 16) << (STEP_BITS - GAIN_BITS));
      if (bound <= first) return;
      const sensor = this.#sensors + SENSOR_WORDS * (ints[k]! & 0xffff);
      const audible = ints[sensor + SENSOR.audible]!;
      if (bound <= audible) continue;
      const [table, column] = [ints[sensor + SENSOR.table]! >> 2, ints[sensor + SENSOR.column]!];
      let out = 0;
      for (let q = 0; q < LANES; q++) {
        const gain = shorts[(ints[own + PLACES + q]! + column) >> 1]!;
        const level = ints[own + EMITTED + q]! + (gain << (STEP_BITS - GAIN_BITS));
        const over = Math.max(0, Math.min(MOST_OVER, level - audible));
        const value = table + VALUE_WORDS * (over >> STEP_BITS);
        const part = Math.fround((over & (STEPS_A_DB - 1)) * floats[value + 1]!);
        sums[q]! += Math.fround(floats[value]! + part);
        if (sums[q]! < floats[own + LEAST + q]!) out++;
      }
      if (out === LANES) return;
    }
  }
}
