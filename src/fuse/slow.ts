import type { BandId, SensorId } from "../model.ts";
import { type BandWindow, byExcess, type Heard, type Sighting } from "./sighting.ts";

/**
 * Sensors that report more rarely than a window: what they heard stands until their next report. Without it every window is a sighting by
 * others than the one before, and a phone's loudest sensor may be missing from the first.
 */
export class SlowSensors {
  /** What each such sensor heard in its last report, by band. */
  readonly #last = new Map<BandId, Map<SensorId, { tMs: number; heard: Heard | null }>>();

  /** A sighting and what the sensors heard that had no report due in it; those are marked as held and add no evidence. Cost: of the slow sensors. */
  filled(s: Sighting, between: BandWindow["between"]): Sighting {
    let last = this.#last.get(s.band);
    if (between === undefined && last === undefined) return s;
    if (last === undefined) {
      last = new Map();
      this.#last.set(s.band, last);
    }
    for (const h of s.heard) if (last.has(h.level.sensor)) last.set(h.level.sensor, { tMs: s.tMs, heard: h });
    for (const q of s.quiet) if (last.has(q.sensor)) last.set(q.sensor, { tMs: s.tMs, heard: null });
    const held: Heard[] = [];
    for (const { sensor, periodMs } of between ?? []) {
      const was = last.get(sensor);
      if (was === undefined) last.set(sensor, { tMs: Number.NEGATIVE_INFINITY, heard: null });
      else if (was.heard !== null && s.tMs - was.tMs < periodMs) held.push({ ...was.heard, llrStep: 0, held: true });
    }
    if (held.length === 0) return s;
    return { ...s, heard: [...s.heard, ...held].sort(byExcess) };
  }

  /** Survives structured cloning. */
  snapshot(): unknown {
    return this.#last;
  }

  restore(snapshot: unknown): void {
    this.#last.clear();
    for (const [band, last] of snapshot as Map<BandId, Map<SensorId, { tMs: number; heard: Heard | null }>>)
      this.#last.set(band, new Map(last));
  }
}
