/**
 * Bytes on a topic become a message or a reason why not. No I/O; the live service, replay and the simulator use the same.
 *
 * Order of the checks, cheapest first: topic, retained, size, shape of the bytes, codec (form), then what every codec's
 * message must satisfy (bands, ranges, times, boots).
 */
import type { SensorCodec } from "../contracts.ts";
import type {
  Birth,
  Presence,
  ReadingBatch,
  Reject,
  RejectCode,
  Scan,
  SensorMessage,
  SensorState,
  Site,
} from "../model.ts";
import { precheckJson } from "./precheck.ts";
import { createTopicParser, quote } from "./topics.ts";

export interface DecodeLimits {
  /**
   * A sensor that was cut off for hours flushes its ring in messages of a few hundred kB. With its topic a message must fit
   * into one frame of the durable log, 1 MiB.
   */
  readonly maxPayloadBytes: number;
  readonly maxDepth: number;
  readonly maxKeys: number;
  /** Instants of one message. */
  readonly maxInstants: number;
  /** How far ahead of the service's clock a time may lie (reliability 3.4.6: beyond, quarantine). */
  readonly maxAheadMs: number;
}

export const DEFAULT_LIMITS: DecodeLimits = {
  maxPayloadBytes: 1_040_000,
  maxDepth: 8,
  maxKeys: 1000,
  maxInstants: 10_000,
  maxAheadMs: 600_000,
};

export interface DecoderOptions {
  readonly site: Site;
  /** The first is the default. */
  readonly codecs: readonly SensorCodec[];
  readonly limits?: Partial<DecodeLimits>;
}

export interface Arrival {
  /** The message's retain flag. */
  readonly retained: boolean;
  /** Arrival by the service's clock, or by the trace's. */
  readonly nowMs: number;
}

/**
 * `dropped` names parts that were left out of a message that was taken: bands the site doesn't know. They are counted as
 * parts, never as messages, so that received = accepted + rejected stays true.
 */
export type Decoded =
  | { readonly ok: true; readonly message: SensorMessage; readonly dropped: readonly Reject[] }
  | Reject;

export interface Decoder {
  decode(topic: string, payload: Uint8Array, arrival: Arrival): Decoded;
  /** Newest boot and model of each sensor, as plain data: what the decoder remembers. */
  snapshot(): DecoderSnapshot;
  restore(snapshot: DecoderSnapshot): void;
}

export interface DecoderSnapshot {
  readonly sensors: readonly { readonly sensor: string; readonly boot: number; readonly model: string | null }[];
}

/** Earlier than this no phone detector of this protocol existed; such a clock was never set. 2000-01-01. */
const MIN_TIME_MS = 946_684_800_000;
/** Later than this it is no time in milliseconds but one in micro- or nanoseconds. 2200-01-01. */
const MAX_TIME_MS = 7_258_118_400_000;

const NOTHING_DROPPED: readonly Reject[] = Object.freeze([]);

const refuse = (code: RejectCode, detail: string): Reject => ({ ok: false, code, detail });

interface Known {
  boot: number;
  model: string | null;
  codec: SensorCodec;
}

/** Makes a decoder for one site. Its memory is one small record a sensor. */
export function createDecoder(options: DecoderOptions): Decoder {
  const limits: DecodeLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const [fallback] = options.codecs;
  if (fallback === undefined) throw new Error("createDecoder needs at least one codec");
  const codecs = new Map(options.codecs.map((codec) => [codec.model, codec]));
  const parseTopic = createTopicParser(options.site);
  const bandIds = new Set(options.site.bands.map((band) => band.id));
  const zoneIds = new Set(options.site.zones.map((zone) => zone.id));
  const placeOf = new Map(options.site.sensors.map((sensor) => [sensor.id, sensor.place]));
  const known = new Map<string, Known>();

  function knownOf(sensor: string): Known {
    let entry = known.get(sensor);
    if (entry === undefined) {
      entry = { boot: -1, model: null, codec: fallback! };
      known.set(sensor, entry);
    }
    return entry;
  }

  function decode(topic: string, payload: Uint8Array, arrival: Arrival): Decoded {
    const address = parseTopic(topic);
    if ("ok" in address) return address;
    const { kind, sensor } = address;
    if (arrival.retained && (kind === "reading" || kind === "readings" || kind === "scan" || kind === "presence")) {
      return refuse(
        "retained-reading",
        `a ${kind} of sensor '${sensor}' is retained; it would come again at every start`,
      );
    }
    if (payload.length === 0) return refuse("payload-empty", `the ${kind} of sensor '${sensor}' has no payload`);
    if (payload.length > limits.maxPayloadBytes) {
      return refuse("payload-too-large", `${payload.length} bytes; at most ${limits.maxPayloadBytes} are taken`);
    }
    const entry = knownOf(sensor);
    // Births speak the contract whatever the model: they say which codec the rest is for.
    const codec = kind === "birth" ? fallback! : entry.codec;
    if (kind === "readings") {
      const batch = codec.decodeReadings?.(address, payload) ?? null;
      if (batch !== null) return judgeReadings(batch, entry, arrival.nowMs);
    }
    if (codec.format !== "bytes") {
      const bad = precheckJson(payload, limits);
      if (bad !== null) return bad;
    }
    const result = codec.decode(address, payload);
    if (!result.ok) return result;
    return judge(result.message, entry, arrival.nowMs);
  }

  /** What a well-formed message must satisfy, whatever codec it came through. */
  function judge(message: SensorMessage, entry: Known, nowMs: number): Decoded {
    switch (message.kind) {
      case "readings":
        return judgeReadings(message.batch, entry, nowMs);
      case "birth":
        return judgeBirth(message.birth, entry, nowMs);
      case "state":
        return judgeState(message.state, entry, nowMs);
      case "scan":
        return judgeScan(message.scan, entry, nowMs);
      case "health": {
        const bad = timeProblem(message.health.tsMs, message.health.tsMs, nowMs, limits.maxAheadMs);
        return bad ?? { ok: true, message, dropped: NOTHING_DROPPED };
      }
      case "presence":
        return judgePresence(message.presence, nowMs);
    }
  }

  function judgeReadings(batch: ReadingBatch, entry: Known, nowMs: number): Decoded {
    if (batch.count > limits.maxInstants) {
      return refuse("payload-too-large", `${batch.count} instants; at most ${limits.maxInstants} a message are taken`);
    }
    const lastMs = batch.tsMs + (batch.count - 1) * batch.dtMs;
    const bad = timeProblem(batch.tsMs, lastMs, nowMs, limits.maxAheadMs) ?? rangeProblem(batch);
    if (bad !== null) return bad;
    const unknown = batch.bands.filter((band) => !bandIds.has(band));
    if (unknown.length > 0) {
      const names = unknown.map(quote).join(", ");
      const reject = refuse(
        "unknown-band",
        `${names} of sensor '${batch.sensor}' not in the site's band plan or bands`,
      );
      if (unknown.length === batch.bands.length) return reject;
      if (batch.boot > entry.boot) entry.boot = batch.boot;
      const rest = withoutBands(batch, (band) => bandIds.has(band));
      return { ok: true, message: { kind: "readings", batch: rest }, dropped: [reject] };
    }
    if (batch.boot > entry.boot) entry.boot = batch.boot;
    return { ok: true, message: { kind: "readings", batch }, dropped: NOTHING_DROPPED };
  }

  function judgeBirth(birth: Birth, entry: Known, nowMs: number): Decoded {
    const bad = timeProblem(birth.tsMs, birth.tsMs, nowMs, limits.maxAheadMs);
    if (bad !== null) return bad;
    if (birth.boot < entry.boot) {
      return refuse("stale-boot", `birth of boot ${birth.boot}, but boot ${entry.boot} of '${birth.sensor}' is known`);
    }
    entry.boot = birth.boot;
    entry.model = birth.model;
    entry.codec = codecs.get(birth.model ?? "") ?? fallback!;
    const dropped = birth.bands
      .filter((band) => !bandIds.has(band.id))
      .map((band) =>
        refuse("unknown-band", `birth of '${birth.sensor}' names band ${quote(band.id)}, unknown to the site`),
      );
    if (dropped.length === 0) return { ok: true, message: { kind: "birth", birth }, dropped };
    const bands = birth.bands.filter((band) => bandIds.has(band.id));
    return { ok: true, message: { kind: "birth", birth: { ...birth, bands } }, dropped };
  }

  function judgeState(state: SensorState, entry: Known, nowMs: number): Decoded {
    const bad = timeProblem(state.tsMs, state.tsMs, nowMs, limits.maxAheadMs);
    if (bad !== null) return bad;
    if (state.boot < entry.boot) {
      return refuse("stale-state", `state of boot ${state.boot}, but boot ${entry.boot} of '${state.sensor}' is known`);
    }
    entry.boot = state.boot;
    return { ok: true, message: { kind: "state", state }, dropped: NOTHING_DROPPED };
  }

  function judgeScan(scan: Scan, entry: Known, nowMs: number): Decoded {
    const bad = timeProblem(scan.tsMs, scan.tsMs, nowMs, limits.maxAheadMs);
    if (bad !== null) return bad;
    if (scan.boot > entry.boot) entry.boot = scan.boot;
    const home = placeOf.get(scan.sensor) ?? null;
    if (scan.place === null) {
      return { ok: true, message: { kind: "scan", scan: { ...scan, place: home } }, dropped: NOTHING_DROPPED };
    }
    if (zoneIds.has(scan.place)) return { ok: true, message: { kind: "scan", scan }, dropped: NOTHING_DROPPED };
    // A scanner's alarm is not thrown away for a wrong name of the place: the scanner's own place stands in.
    const where = home === null ? "the scanner has no place of its own" : `the scanner's place '${home}' is taken`;
    const reject = refuse("payload-schema", `place ${quote(scan.place)} is no zone of the site; ${where}`);
    return { ok: true, message: { kind: "scan", scan: { ...scan, place: home } }, dropped: [reject] };
  }

  /** People in zones that the site has not are left out; the rest of the word stands. */
  function judgePresence(presence: Presence, nowMs: number): Decoded {
    const bad = timeProblem(presence.tsMs, presence.tsMs, nowMs, limits.maxAheadMs);
    if (bad !== null) return bad;
    const unknown = presence.zones.filter(({ zone }) => !zoneIds.has(zone));
    const dropped = unknown.map(({ zone }) => refuse("payload-schema", `zone ${quote(zone)} is no zone of the site`));
    const zones = presence.zones.filter(({ zone }) => zoneIds.has(zone));
    return { ok: true, message: { kind: "presence", presence: { ...presence, zones } }, dropped };
  }

  return {
    decode,
    snapshot: () => ({ sensors: [...known].map(([sensor, { boot, model }]) => ({ sensor, boot, model })) }),
    restore: (snapshot) => {
      known.clear();
      for (const { sensor, boot, model } of snapshot.sensors) {
        known.set(sensor, { boot, model, codec: codecs.get(model ?? "") ?? fallback });
      }
    },
  };
}

/**
 * Times that can't be. Old ones are welcome however old: a recording of a past year is replayed by the same rules, and a
 * sensor's late history is stored although it is no longer judged.
 */
function timeProblem(firstMs: number, lastMs: number, nowMs: number, maxAheadMs: number): Reject | null {
  if (!(firstMs >= MIN_TIME_MS && lastMs <= MAX_TIME_MS)) {
    const unit = firstMs > MAX_TIME_MS ? "micro- or nanoseconds" : "seconds, or a clock that was never set";
    return refuse(
      "time-implausible",
      `ts is ${firstMs}: ${unit}? Epoch milliseconds from the year 2000 on are expected`,
    );
  }
  if (lastMs - nowMs > maxAheadMs) {
    const aheadS = Math.round((lastMs - nowMs) / 1000);
    return refuse(
      "time-future",
      `ts is ${aheadS} s ahead of the service's clock; at most ${maxAheadMs / 1000} s are taken`,
    );
  }
  return null;
}

/** Ranges of contracts section 1: no receiver reads below thermal noise in 1 Hz (-174 dBm) nor above 70 dBm. */
const RANGES = [
  ["rmsDbm", "rms_dbm", -200, 100],
  ["peakDbm", "peak_dbm", -200, 100],
  ["duty", "duty", 0, 1],
  ["noiseDbm", "noise_dbm", -200, 100],
  ["looks", "n", 1, 1e9],
] as const;

function rangeProblem(batch: ReadingBatch): Reject | null {
  for (const [field, name, lo, hi] of RANGES) {
    const data = batch[field];
    if (data === null) continue;
    const at = outside(data, lo, hi);
    if (at < 0) continue;
    const band = quote(batch.bands[Math.floor(at / batch.count)] ?? "?");
    return refuse(
      "value-out-of-range",
      `${name} of band ${band} at instant ${at % batch.count} is ${data[at]}; ${lo} to ${hi} is expected`,
    );
  }
  return null;
}

/** Index of the first value outside `lo` to `hi`, or -1. NaN (not measured) passes, infinities don't. */
function outside(data: Float32Array, lo: number, hi: number): number {
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    if (value < lo || value > hi) return i;
  }
  return -1;
}

/** The batch without the bands that `keep` refuses. */
function withoutBands(batch: ReadingBatch, keep: (band: string) => boolean): ReadingBatch {
  const rows = batch.bands.flatMap((band, i) => (keep(band) ? [i] : []));
  const pick = (data: Float32Array | null): Float32Array | null => {
    if (data === null) return null;
    const out = new Float32Array(rows.length * batch.count);
    rows.forEach((row, i) => {
      out.set(data.subarray(row * batch.count, (row + 1) * batch.count), i * batch.count);
    });
    return out;
  };
  return {
    ...batch,
    bands: rows.map((row) => batch.bands[row]!),
    rmsDbm: pick(batch.rmsDbm),
    peakDbm: pick(batch.peakDbm),
    duty: pick(batch.duty),
    noiseDbm: pick(batch.noiseDbm),
    looks: pick(batch.looks),
  };
}

/** A message as a trace line holds it (contracts section 4). */
export interface TraceMessage {
  readonly topic: string;
  readonly payload?: unknown;
  readonly payload_b64?: string;
}

/** The bytes of a trace line's payload: what the sensor sent, or the same JSON written anew. */
export function tracePayload(line: TraceMessage): Uint8Array {
  if (typeof line.payload_b64 === "string") return Buffer.from(line.payload_b64, "base64");
  return line.payload === undefined ? new Uint8Array(0) : Buffer.from(JSON.stringify(line.payload));
}

/** Decodes a trace line by the rules for live messages; `tMs` is the line's `t`. */
export function decodeTraceMessage(decoder: Decoder, line: TraceMessage, tMs: number): Decoded {
  return decoder.decode(line.topic, tracePayload(line), { retained: false, nowMs: tMs });
}
