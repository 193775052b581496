import type { Clock } from "./contracts.ts";

/** The machine's own clock. */
export const wallClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
