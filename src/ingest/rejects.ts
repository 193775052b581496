/**
 * What was not taken: a counter for every reason and the last sample of each, in bounded memory.
 */
import type { Reject, RejectCode, SensorId } from "../model.ts";

export interface RejectSample {
  readonly tMs: number;
  /** Cut and escaped. */
  readonly topic: string;
  readonly detail: string;
  /** Begin of the payload as text, cut and with control characters escaped. */
  readonly payload: string;
  /** Size of the whole payload. */
  readonly bytes: number;
}

export interface RejectRow {
  readonly code: RejectCode;
  /** Messages refused whole. */
  readonly count: number;
  /** Parts left out of messages that were taken. */
  readonly parts: number;
  /** Newest first. */
  readonly samples: readonly RejectSample[];
}

const MAX_TOPIC = 200;
const MAX_PAYLOAD = 512;
const SAMPLES = 3;

interface Kept {
  count: number;
  parts: number;
  samples: { tMs: number; topic: string; detail: string; head: Uint8Array; bytes: number }[];
}

export class RejectLog {
  readonly #byCode = new Map<RejectCode, Kept>();
  readonly #bySensor = new Map<SensorId, number>();
  #total = 0;

  /** Counts a refused message. `sensor` only when it is one of the site's. Cost: a copy of at most 512 bytes. */
  add(reject: Reject, topic: string, payload: Uint8Array, tMs: number, sensor: SensorId | null = null): void {
    this.#total++;
    if (sensor !== null) this.#bySensor.set(sensor, (this.#bySensor.get(sensor) ?? 0) + 1);
    const kept = this.#keep(reject, topic, payload, tMs);
    kept.count++;
  }

  /** Counts a part that was left out of a message that was taken. */
  addPart(reject: Reject, topic: string, payload: Uint8Array, tMs: number): void {
    this.#keep(reject, topic, payload, tMs).parts++;
  }

  #keep(reject: Reject, topic: string, payload: Uint8Array, tMs: number): Kept {
    let kept = this.#byCode.get(reject.code);
    if (kept === undefined) {
      kept = { count: 0, parts: 0, samples: [] };
      this.#byCode.set(reject.code, kept);
    }
    // A copy: the transport reuses its buffers, and a view would keep the whole payload alive.
    const head = new Uint8Array(payload.subarray(0, MAX_PAYLOAD));
    kept.samples.unshift({ tMs, topic: topic.slice(0, MAX_TOPIC), detail: reject.detail, head, bytes: payload.length });
    kept.samples.length = Math.min(kept.samples.length, SAMPLES);
    return kept;
  }

  /** Messages refused since start. */
  get total(): number {
    return this.#total;
  }
  count(code: RejectCode): number {
    return this.#byCode.get(code)?.count ?? 0;
  }
  ofSensor(sensor: SensorId): number {
    return this.#bySensor.get(sensor) ?? 0;
  }
  /** Every reason seen so far, most frequent first. */
  rows(): RejectRow[] {
    return [...this.#byCode]
      .map(([code, { count, parts, samples }]) => ({
        code,
        count,
        parts,
        samples: samples.map(({ tMs, topic, detail, head, bytes }) => ({
          tMs,
          topic: printable(topic),
          detail,
          payload: printable(Buffer.from(head).toString("utf8")),
          bytes,
        })),
      }))
      .sort((a, b) => b.count + b.parts - (a.count + a.parts) || (a.code < b.code ? -1 : 1));
  }
}

/** Text that can't forge log lines, move a terminal's cursor or turn writing around. */
function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u${char.codePointAt(0)!.toString(16).padStart(4, "0")}`,
  );
}
