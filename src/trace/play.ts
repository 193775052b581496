/** Replays a trace to a broker, at a pace. */
import type { Clock } from "../contracts.ts";
import { type BrokerAddress, type BrokerLink, connectBroker } from "./broker.ts";
import type { RawMessage } from "./line.ts";
import { openTrace, type TraceReader } from "./reader.ts";
import { type ShapeOptions, shape, shiftTs, topicCache } from "./shape.ts";

export interface PlayOptions {
  readonly broker: BrokerAddress;
  readonly path: string;
  readonly shape: ShapeOptions;
  /** Trace time per wall time; Infinity: as fast as the broker acknowledges. */
  readonly speed: number;
  /** How often the trace is played; Infinity: until stopped. */
  readonly loop: number;
  /** A silence in the trace longer than this is shortened to it. */
  readonly maxGapMs: number;
  /**
   * `recorded`: payloads stay as they are. `now`: the sensors' `ts` are shifted so that the trace plays in the present, and
   * their `boot` grows with the time of the replay, so that a service that knows the recording sees restarted sensors and not
   * its own readings with other content. A second round of a loop shifts `boot` in either case.
   */
  readonly clock: "recorded" | "now";
  /** Messages sent and not yet acknowledged, at most. */
  readonly inflight: number;
  readonly signal: AbortSignal;
  readonly time: Clock;
  readonly control?: PlayControl;
  readonly onProgress?: (progress: PlayProgress) => void;
}

/** Lets a person pause; the player asks before every message. */
export interface PlayControl {
  paused: boolean;
}

export interface PlayProgress {
  /** Time of the message sent last, and of the first one: where in the trace we are. */
  readonly traceMs: number;
  readonly firstMs: number;
  /** Share of the file sent, 0..1; within a chunk of the file every message counts alike. */
  readonly share: number;
  readonly sent: number;
  readonly acked: number;
  /** Trace time over wall time since the start, pauses left out. */
  readonly speed: number;
  /** How far sending is behind the wanted pace, wall milliseconds; 0 at speed Infinity. */
  readonly lagMs: number;
  readonly paused: boolean;
  readonly loop: number;
}

/** Sleeping shorter than this costs more than it paces. */
const MIN_SLEEP_MS = 2;
/** Stretch of sleep after which a stop or a pause is noticed. */
const MAX_SLEEP_MS = 100;
/** More restarts than a sensor makes in one trace: what a round of a loop adds to `boot`. */
const BOOTS_A_ROUND = 1000;
/** Messages between two looks at the event loop at full speed: acknowledgements must come in. */
const YIELD_EVERY = 64;

/**
 * Sends every message with its exact bytes, QoS 1, retained where contracts sections 1 and 2 have that topic retained.
 * Returns once the broker has acknowledged all of it, or `signal` aborts (then what was sent is still waited for).
 *
 * Errors: BROKER_UNAVAILABLE, TRACE_INVALID, FILE_UNREADABLE.
 */
export async function playTrace(options: PlayOptions): Promise<PlayProgress> {
  // A damaged first line shows before anything is sent.
  let trace = await openTrace(options.path);
  const link = await connectBroker(options.broker);
  const player = new Player(options, link);
  try {
    for (let loop = 0; loop < options.loop && !options.signal.aborted; loop++) {
      if (loop > 0) trace = await openTrace(options.path);
      player.beginLoop(loop, trace);
      for await (const batch of shape(trace.batches(), options.shape)) {
        player.beginBatch(batch.length);
        for (const message of batch) {
          await player.send(message);
          if (options.signal.aborted) break;
        }
        if (options.signal.aborted) break;
      }
    }
    await player.settled();
    return player.progress();
  } finally {
    await link.end();
  }
}

class Player {
  readonly #options: PlayOptions;
  readonly #link: BrokerLink;
  readonly #facts = topicCache();
  #trace: TraceReader | null = null;
  /** Share of the file before the batch that is being sent and behind it, its messages, and those that went out. */
  #shareFrom = 0;
  #shareTo = 0;
  #batchSize = 1;
  #batchSent = 0;
  #sent = 0;
  #acked = 0;
  #loop = 0;
  #firstT = Number.NaN;
  #lastT = Number.NaN;
  /** Trace time played so far with its gaps shortened, all loops together. */
  #playedMs = 0;
  #anchorWallMs: number;
  #startWallMs: number;
  #pausedMs = 0;
  #lagMs = 0;
  #tsShiftMs = 0;
  #bootShift = 0;
  #failed: unknown = null;
  #wake: (() => void) | null = null;

  constructor(options: PlayOptions, link: BrokerLink) {
    this.#options = options;
    this.#link = link;
    this.#anchorWallMs = this.#startWallMs = options.time.monotonicMs();
    link.lost.catch((error) => {
      this.#failed ??= error;
      this.#wake?.();
    });
  }

  beginLoop(loop: number, trace: TraceReader): void {
    this.#trace = trace;
    this.#shareFrom = this.#shareTo = 0;
    this.#loop = loop;
    this.#lastT = Number.NaN;
    if (this.#options.clock === "now") {
      this.#bootShift = Math.max(this.#bootShift + 1, Math.floor(this.#options.time.nowMs() / 1000));
    } else {
      this.#bootShift = loop * BOOTS_A_ROUND;
    }
  }

  beginBatch(size: number): void {
    this.#shareFrom = this.#shareTo;
    this.#shareTo = this.#trace?.readShare() ?? 0;
    this.#batchSize = Math.max(1, size);
    this.#batchSent = 0;
  }

  async send(message: RawMessage): Promise<void> {
    const { speed, inflight, signal, control } = this.#options;
    const gapMs = Number.isNaN(this.#lastT) ? 0 : Math.min(message.t - this.#lastT, this.#options.maxGapMs);
    if (Number.isNaN(this.#lastT)) {
      if (this.#loop === 0) this.#firstT = message.t;
      // In the present: the first message of each round is now, and every later one keeps its distance to it.
      this.#tsShiftMs = this.#options.time.nowMs() - message.t;
    } else if (this.#options.clock === "now") {
      this.#tsShiftMs -= message.t - this.#lastT - gapMs;
    }
    this.#playedMs += gapMs;
    this.#lastT = message.t;
    if (control?.paused) await this.#pause(control);
    if (speed !== Number.POSITIVE_INFINITY) await this.#pace();
    while (this.#sent - this.#acked >= inflight && this.#failed === null) await this.#sleepUntilWoken();
    if (this.#failed !== null) throw this.#failed;
    if (signal.aborted) return;
    this.#publish(message);
    if (this.#sent % YIELD_EVERY === 0) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#options.onProgress?.(this.progress());
    }
  }

  #publish(message: RawMessage): void {
    const { sensor, retained } = this.#facts(message.topic);
    const tsShiftMs = this.#options.clock === "now" ? this.#nowShift() : 0;
    const moved = sensor !== null && (tsShiftMs !== 0 || this.#bootShift !== 0);
    const { payload } = moved ? shiftTs(message, tsShiftMs, this.#bootShift) : message;
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    this.#sent++;
    this.#batchSent++;
    this.#link.client.publish(message.topic, bytes, { qos: 1, retain: retained }, (error) => {
      if (error) this.#failed ??= error;
      this.#acked++;
      this.#wake?.();
    });
  }

  /** In a trace played faster than it was recorded, sensors' clocks must run faster too, to stay in the present. */
  #nowShift(): number {
    const { speed, time } = this.#options;
    if (speed === 1) return this.#tsShiftMs;
    return time.nowMs() - this.#lastT;
  }

  async #pace(): Promise<void> {
    const { speed, time, signal, control } = this.#options;
    for (;;) {
      const dueMs = this.#anchorWallMs + this.#playedMs / speed;
      const aheadMs = dueMs - time.monotonicMs();
      this.#lagMs = Math.max(0, -aheadMs);
      if (aheadMs < MIN_SLEEP_MS || signal.aborted || this.#failed !== null) return;
      await new Promise((resolve) => setTimeout(resolve, Math.min(aheadMs, MAX_SLEEP_MS)));
      if (control?.paused) await this.#pause(control);
      this.#options.onProgress?.(this.progress());
    }
  }

  async #pause(control: PlayControl): Promise<void> {
    const beganMs = this.#options.time.monotonicMs();
    while (control.paused && !this.#options.signal.aborted) {
      this.#options.onProgress?.(this.progress());
      await new Promise((resolve) => setTimeout(resolve, MAX_SLEEP_MS));
    }
    const tookMs = this.#options.time.monotonicMs() - beganMs;
    this.#anchorWallMs += tookMs;
    this.#pausedMs += tookMs;
    this.#tsShiftMs += tookMs;
  }

  #sleepUntilWoken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = null;
        resolve();
      };
    });
  }

  /** Waits until everything sent was acknowledged. */
  async settled(): Promise<void> {
    while (this.#acked < this.#sent && this.#failed === null) await this.#sleepUntilWoken();
    if (this.#failed !== null) throw this.#failed;
    this.#lagMs = 0;
  }

  progress(): PlayProgress {
    const wallMs = this.#options.time.monotonicMs() - this.#startWallMs - this.#pausedMs;
    return {
      traceMs: this.#lastT,
      firstMs: this.#firstT,
      share: this.#shareFrom + (this.#shareTo - this.#shareFrom) * Math.min(1, this.#batchSent / this.#batchSize),
      sent: this.#sent,
      acked: this.#acked,
      speed: wallMs > 0 ? this.#playedMs / wallMs : 0,
      lagMs: this.#lagMs,
      paused: this.#options.control?.paused === true,
      loop: this.#loop,
    };
  }
}
