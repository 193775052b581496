import type { ReadingBatch, SensorId } from "../model.ts";

/**
 * Clocks of sensors that are set back while they run. Within a boot instants are numbered in the order in which they were measured, so a stamp
 * well before that of a smaller number says that the clock was set, by the difference to what the number lets expect. From there on the
 * sensor's stamps are moved to go on as before where that is nearer to their arrival: else its windows would be seconds behind those of its
 * neighbours, whose phones would be heard twice. Where the clock is set right again, its stamps count as they are.
 */

/** Less than this is a clock that is slewed or told in whole seconds; more is a fault by the reliability targets as well. */
const SET_MS = 1000;

interface Watch {
  boot: number;
  /** The newest instant by its number: its stamp as sent, and when its message came. */
  seq: number;
  tsMs: number;
  arrivalMs: number;
  /** Time from one instant to the next, as last seen; NaN: not yet. */
  stepMs: number;
  /** What is added to the stamps of instants from a number on. */
  addMs: number;
  fromSeq: number;
}

/** Survives structured cloning. */
export type SetBackSnapshot = ReadonlyMap<SensorId, Readonly<Watch>>;

/** Cost: constant a batch. */
export class SetBack {
  readonly #watches = new Map<SensorId, Watch>();

  /** A batch that came at `arrivalMs`, with the stamps that its sensor would have given had nobody set its clock back. */
  observe(batch: ReadingBatch, arrivalMs: number): ReadingBatch {
    const seq = batch.seq + batch.count - 1;
    const tsMs = batch.tsMs + (batch.count - 1) * batch.dtMs;
    const was = this.#watches.get(batch.sensor);
    if (was === undefined || was.boot !== batch.boot) {
      const stepMs = batch.count > 1 ? batch.dtMs : Number.NaN;
      this.#watches.set(batch.sensor, { boot: batch.boot, seq, tsMs, arrivalMs, stepMs, addMs: 0, fromSeq: 0 });
      return batch;
    }
    if (batch.seq > was.seq) {
      this.#follow(was, batch, tsMs, arrivalMs);
      Object.assign(was, { seq, tsMs, arrivalMs });
    }
    return was.addMs > 0 && batch.seq >= was.fromSeq ? { ...batch, tsMs: batch.tsMs + was.addMs } : batch;
  }

  snapshot(): SetBackSnapshot {
    return this.#watches;
  }

  restore(snapshot: SetBackSnapshot): void {
    for (const [sensor, watch] of snapshot) this.#watches.set(sensor, { ...watch });
  }

  /** The next batch of a sensor, its last instant stamped `lastMs`. */
  #follow(was: Watch, batch: ReadingBatch, lastMs: number, arrivalMs: number): void {
    const onMs = batch.tsMs - was.tsMs;
    if (onMs > 0) was.stepMs = batch.count > 1 ? batch.dtMs : onMs / (batch.seq - was.seq);
    if (was.addMs > 0 && lastMs + was.addMs - arrivalMs > SET_MS) was.addMs = 0;
    if (onMs > -SET_MS || Number.isNaN(was.stepMs)) return;
    const setMs = was.stepMs * (batch.seq - was.seq) - onMs;
    const farMs = (stampMs: number, cameMs: number) => Math.abs(cameMs - stampMs);
    // A clock that was ahead and is right now: what came before was wrong.
    if (farMs(lastMs + was.addMs, arrivalMs) <= farMs(was.tsMs + was.addMs, was.arrivalMs)) return;
    if (was.addMs === 0) was.fromSeq = batch.seq;
    was.addMs += Math.round(setMs);
  }
}
