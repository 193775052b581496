/**
 * Spreads a burst of rollups over turns of the event loop: when two thousand sensors end their second at once, a message that
 * comes meanwhile waits for one slice, not for all.
 */
import type { Rollup } from "../model.ts";

export class RollupSlices {
  private readonly size: number;
  private readonly handle: (part: readonly Rollup[]) => void;
  private waiting: (readonly Rollup[])[] = [];
  /** How far the first of `waiting` is done. */
  private at = 0;
  private running = false;
  /** Readings that wait here. */
  readings = 0;

  constructor(size: number, handle: (part: readonly Rollup[]) => void) {
    this.size = size;
    this.handle = handle;
  }

  /** Takes rollups; they must not change afterwards. A first small lot is handled at once. */
  push(rollups: readonly Rollup[]): void {
    if (rollups.length === 0) return;
    this.waiting.push(rollups);
    for (const r of rollups) this.readings += r.readings;
    if (this.running) return;
    if (rollups.length <= this.size) this.step();
    if (this.waiting.length > 0) this.schedule();
  }

  /** Handles everything that waits, now. */
  drain(): void {
    while (this.waiting.length > 0) this.step();
  }

  private schedule(): void {
    this.running = true;
    setImmediate(() => {
      this.running = false;
      this.step();
      if (this.waiting.length > 0) this.schedule();
    });
  }

  private step(): void {
    const first = this.waiting[0];
    if (!first) return;
    const part = this.at === 0 && first.length <= this.size ? first : first.slice(this.at, this.at + this.size);
    this.at += part.length;
    if (this.at >= first.length) {
      this.waiting.shift();
      this.at = 0;
    }
    for (const r of part) this.readings -= r.readings;
    this.handle(part);
  }
}
