/**
 * What a replay does to a trace before it is sent: takes a part of it, and adds faults of transport and clocks.
 *
 * Deterministic: the same trace, options and seed give the same messages, in the same order, however the file was cut into
 * chunks. Chance is drawn from one stream per sensor and fault, so that dropping one sensor's messages does not move another's.
 */
import type { RawMessage } from "./line.ts";
import { numberMember, replaceSlice } from "./line.ts";

export interface ShapeOptions {
  /** Only messages with `fromMs <= t < untilMs`; retained ones (births, states, health) from before still go first. */
  readonly fromMs?: number;
  readonly untilMs?: number;
  /** Sensor ids to keep; other sensors' messages are left out. Messages of the service itself pass. */
  readonly only?: readonly string[];
  /** Sensor ids whose messages are left out. */
  readonly without?: readonly string[];
  /** Probability 0..1 that a reading, batch or scan is lost. Retained kinds are not lost. */
  readonly drop?: number;
  /** Each message arrives later by a uniform draw from 0 to so much; messages may overtake each other. */
  readonly jitterMs?: number;
  /** Each sensor's clock is off by a fixed draw from -skew to +skew, added to `ts` of what it sends. */
  readonly skewMs?: number;
  readonly seed?: number;
}

/** What of a topic matters for replay. */
export interface TopicFacts {
  /** null for the service's own topics and for topics outside our scheme. */
  readonly sensor: string | null;
  readonly kind: string | null;
  /** Whether contracts sections 1 and 2 have this topic retained. */
  readonly retained: boolean;
}

const RETAINED_KINDS = new Set(["birth", "state", "health"]);

/** Reads `cellward/v1/{site}/{block}/{sensor}/{kind}` and the service's topics. */
export function topicFacts(topic: string): TopicFacts {
  const parts = topic.split("/");
  if (parts[0] !== "cellward" || parts[1] !== "v1") return { sensor: null, kind: null, retained: false };
  if (parts[3] === "_svc") return { sensor: null, kind: null, retained: parts.length === 6 && parts[5] === "state" };
  if (parts[3] === "_alert") return { sensor: null, kind: null, retained: parts.length === 5 };
  if (parts.length !== 6) return { sensor: null, kind: null, retained: false };
  return { sensor: parts[4]!, kind: parts[5]!, retained: RETAINED_KINDS.has(parts[5]!) };
}

/** `topicFacts`, remembered: a trace has few topics and many messages. */
export function topicCache(): (topic: string) => TopicFacts {
  const known = new Map<string, TopicFacts>();
  return (topic) => {
    let facts = known.get(topic);
    if (facts === undefined) {
      facts = topicFacts(topic);
      // A hostile trace could hold a new topic on each line.
      if (known.size < 100_000) known.set(topic, facts);
    }
    return facts;
  };
}

/** True when the options leave every message as it is. */
function changesNothing(o: ShapeOptions): boolean {
  const whole = o.fromMs === undefined && o.untilMs === undefined && o.only === undefined && o.without === undefined;
  return whole && !o.drop && !o.jitterMs && !o.skewMs;
}

/** Applies the options to the batches of a trace. Memory: the messages of one jitter span. */
export async function* shape(
  batches: AsyncIterable<RawMessage[]>,
  options: ShapeOptions,
): AsyncGenerator<RawMessage[]> {
  if (changesNothing(options)) {
    yield* batches;
    return;
  }
  const facts = topicCache();
  const chance = chances(options.seed ?? 1);
  const only = options.only === undefined ? null : new Set(options.only);
  const without = new Set(options.without);
  const fromMs = options.fromMs ?? Number.NEGATIVE_INFINITY;
  const untilMs = options.untilMs ?? Number.POSITIVE_INFINITY;
  const drop = options.drop ?? 0;
  const jitterMs = options.jitterMs ?? 0;
  const skewMs = options.skewMs ?? 0;
  // Before `from`, only the last retained message of each topic matters: it is what a broker would hand out.
  const retained = new Map<string, RawMessage>();
  let delayed: RawMessage[] = [];

  for await (const batch of batches) {
    let out: RawMessage[] = [];
    let ended = false;
    for (const message of batch) {
      if (message.t >= untilMs) {
        ended = true;
        break;
      }
      const { sensor, retained: keep } = facts(message.topic);
      if (sensor !== null && ((only !== null && !only.has(sensor)) || without.has(sensor))) continue;
      if (message.t < fromMs) {
        if (keep) retained.set(message.topic, { ...message, payload: Buffer.from(message.payload) });
        continue;
      }
      if (retained.size > 0) {
        for (const before of retained.values()) out.push({ ...before, t: fromMs });
        retained.clear();
      }
      if (drop > 0 && sensor !== null && !keep && chance("drop", sensor) < drop) continue;
      const skew = skewMs > 0 && sensor !== null ? skewOf(options.seed ?? 1, sensor, skewMs) : 0;
      out.push(skew === 0 ? message : shiftTs(message, skew));
    }
    if (jitterMs > 0) {
      for (const message of out) {
        const late = Math.floor(chance("jitter", facts(message.topic).sensor ?? message.topic) * (jitterMs + 1));
        // A view on the chunk is kept only while its delay lasts.
        delayed.push({ ...message, t: message.t + late });
      }
      delayed.sort((a, b) => a.t - b.t || a.line - b.line);
      const watermark = batch[batch.length - 1]!.t;
      const ready = ended ? delayed.length : lowerBound(delayed, watermark);
      out = delayed.slice(0, ready);
      delayed = delayed.slice(ready);
    }
    if (out.length > 0) yield out;
    if (ended) return;
  }
  if (delayed.length > 0) yield delayed;
}

/** Number of leading messages with `t` below the watermark: nothing that comes later can be earlier than those. */
function lowerBound(sorted: readonly RawMessage[], watermark: number): number {
  let count = 0;
  while (count < sorted.length && sorted[count]!.t < watermark) count++;
  return count;
}

/** The message with its payload's top-level `ts` shifted, and `boot` where asked; every other byte as it was. */
export function shiftTs(message: RawMessage, byMs: number, bootBy = 0): RawMessage {
  if (!message.json) return message;
  const ts = addTo(message.payload, "ts", byMs);
  return { ...message, payload: bootBy === 0 ? ts : addTo(ts, "boot", bootBy) };
}

function addTo(payload: Uint8Array, member: string, delta: number): Uint8Array {
  const found = numberMember(payload, member);
  if (found === null) return payload;
  return replaceSlice(payload, found.start, found.end, String(Math.max(0, Math.round(found.value + delta))));
}

// --------------------------------------------------------------------------------------------------------------- chance

/** FNV-1a, 32 bits, then an avalanche: names to seeds. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Uniform draws from [0, 1), an own stream for each name (mulberry32: enough for choosing which message is lost). */
function chances(seed: number): (purpose: string, name: string) => number {
  const states = new Map<string, number>();
  return (purpose, name) => {
    const key = `${purpose}/${name}`;
    const state = ((states.get(key) ?? hash(`${seed}/${key}`)) + 0x6d2b79f5) | 0;
    states.set(key, state);
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

function skewOf(seed: number, sensor: string, skewMs: number): number {
  return Math.round((chances(seed)("skew", sensor) * 2 - 1) * skewMs);
}
