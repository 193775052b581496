/**
 * The kernel for hosts with SIMD: an instance of the module that `bank-module.ts` assembles, with the records of a detector's lanes
 * in its memory. Where the host has no SIMD, or no memory to give, there is none, and the plain kernel judges everything.
 */
import { hosted, instanceOf, type Memory, PAGE } from "../wasm/host.ts";
import {
  assemble,
  FLOORS_AT,
  GROUP,
  LANES_AT,
  LOUD_AT,
  MOST_BLOCKS,
  PEAK_AT,
  POWER_AT,
  QUIET_AT,
  REACH_AT,
  SPARE_AT,
  TABLE_AT,
  TOPS_AT,
  X_AT,
  X_READINGS,
} from "./bank-module.ts";
import { buildClassTable } from "./classes.ts";
import { LANE_WORDS, type LaneStore, POWER } from "./kernels.ts";

/** null where the host has no WebAssembly SIMD. */
const moduleOfHost = hosted(assemble);

/** Whether this host runs the SIMD kernel. */
export function hasSimd(): boolean {
  return moduleOfHost() !== null;
}

/** One instance of the module, with the records of one detector's lanes in its memory. */
export class SimdBank implements LaneStore {
  readonly #memory: Memory;
  readonly #run: (...args: number[]) => number;
  /** Readings of the batch that is being judged. */
  x = new Float32Array(0);
  /** See the layout above: four a block. */
  floors = new Float32Array(0);
  tops = new Float32Array(0);
  loud = new Int32Array(0);
  quiet = new Int32Array(0);
  peak = new Float32Array(0);
  #reach = new Float32Array(0);

  /** null where the host has no SIMD or no memory to give. */
  static create(): SimdBank | null {
    const code = moduleOfHost();
    const made = code === null ? null : instanceOf(code, LANES_AT);
    return made === null ? null : new SimdBank(made.memory, made.run);
  }

  private constructor(memory: Memory, run: (...args: number[]) => number) {
    this.#memory = memory;
    this.#run = run;
    new Float32Array(this.#memory.buffer, POWER_AT).set(POWER);
    new Float32Array(this.#memory.buffer, TABLE_AT).set(buildClassTable());
    this.#look();
  }

  #look(): void {
    const { buffer } = this.#memory;
    this.x = new Float32Array(buffer, X_AT, X_READINGS);
    this.floors = new Float32Array(buffer, FLOORS_AT, (MOST_BLOCKS + 1) * GROUP);
    this.tops = new Float32Array(buffer, TOPS_AT, (MOST_BLOCKS + 1) * GROUP);
    this.loud = new Int32Array(buffer, LOUD_AT, MOST_BLOCKS + 1);
    this.quiet = new Int32Array(buffer, QUIET_AT, MOST_BLOCKS + 1);
    this.peak = new Float32Array(buffer, PEAK_AT, GROUP);
    this.#reach = new Float32Array(buffer, REACH_AT, GROUP);
  }

  reserve(lanes: number): { readonly buffer: ArrayBuffer; readonly byteOffset: number } {
    const pages = Math.ceil((LANES_AT + lanes * LANE_WORDS * 4) / PAGE);
    const has = this.#memory.buffer.byteLength / PAGE;
    if (pages > has) {
      this.#memory.grow(pages - has);
      this.#look();
    }
    return { buffer: this.#memory.buffer, byteOffset: LANES_AT };
  }

  /** Lane k of the next run is refused when its statistic reaches so much (nats), or what rounding makes of it. */
  refuseFrom(k: number, nats: number): void {
    this.#reach[k] = nats * (1 - 1e-6);
  }

  /**
   * Runs four lanes (-1: none) over `count` readings each, at most MOST_READINGS and not beyond the end of a run of blocks. Readings
   * of a lane begin at `x[from]`. Gives the bits of the lanes that were refused, then of those that were active (ACTIVE_SHIFT),
   * then of those that wait (WAITING_SHIFT).
   */
  run(lanes: Int32Array, from: Int32Array, count: number, phase: number): number {
    return this.#run(
      recordAt(lanes[0]!),
      recordAt(lanes[1]!),
      recordAt(lanes[2]!),
      recordAt(lanes[3]!),
      X_AT + 4 * from[0]!,
      X_AT + 4 * from[1]!,
      X_AT + 4 * from[2]!,
      X_AT + 4 * from[3]!,
      count,
      phase,
    );
  }
}

function recordAt(lane: number): number {
  return lane < 0 ? SPARE_AT : LANES_AT + lane * LANE_WORDS * 4;
}
