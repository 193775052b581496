/**
 * Expected gains in the memory of the inner loops, which read them sensor by sensor (`whitener.ts`, `unheard.ts`): the one copy that
 * is kept of them.
 */
import type { Heap } from "../wasm/host.ts";
import type { Patches } from "./patches.ts";

/** Gains of a layout, 2 bytes each. */
export class HeldGains {
  readonly #heap: Heap;
  readonly #placeOf: Int32Array;
  /** Where they begin, bytes. */
  readonly at: number;
  /** From one sensor to the next, bytes; a place takes two. */
  readonly strideBytes: number;
  readonly sensors: number;
  /** Where the sensors of each block are listed, bytes: `Patches.blocks`. */
  readonly blocksAt: number;

  /** Takes gains in rows of one candidate each. Cost: a copy. */
  constructor(heap: Heap, gain: Int16Array, sensors: number, patches: Pick<Patches, "order" | "placeOf" | "blocks">) {
    const { order, placeOf, blocks } = patches;
    this.#heap = heap;
    this.#placeOf = placeOf;
    this.sensors = sensors;
    this.strideBytes = 2 * order.length;
    this.at = heap.take(2 * gain.length);
    this.blocksAt = heap.take(4 * blocks.length);
    heap.ints.set(blocks, this.blocksAt / 4);
    const { shorts } = heap;
    for (let place = 0; place < order.length; place++) {
      let k = order[place]! * sensors;
      let to = this.at / 2 + place;
      for (let s = 0; s < sensors; s++, to += order.length) shorts[to] = gain[k++]!;
    }
  }

  /** Gain of a candidate to a sensor, in steps. */
  of(candidate: number, sensor: number): number {
    return this.#heap.shorts[(this.at + this.strideBytes * sensor) / 2 + this.#placeOf[candidate]!]!;
  }
}
