/**
 * The contract's own JSON (contracts section 1), both ways. The default codec: a sensor whose model is not known by name
 * is taken to speak it.
 */
import type { z } from "zod";
import type { SensorAddress, SensorCodec } from "../../src/contracts.ts";
import type { Reject, SensorMessage } from "../../src/model.ts";
import { encodeMessage } from "./encode.ts";
import { fastReadings } from "./fast.ts";
import { decodeReading, decodeReadings } from "./readings.ts";
import { birthSchema, healthSchema, presenceSchema, scanSchema, stateSchema } from "./schema.ts";
import { describe, type JsonObject, parseObject, reject } from "./text.ts";

type Decoded = { readonly ok: true; readonly message: SensorMessage } | Reject;

export const cellward: SensorCodec = {
  model: "cellward",
  format: "json",
  decode(address: SensorAddress, payload: Uint8Array): Decoded {
    const parsed = parseObject(payload);
    return parsed.ok ? decodeObject(address, parsed.value) : parsed;
  },
  decodeReadings: ({ block, sensor }, payload) => fastReadings(payload, block, sensor),
  encode: encodeMessage,
};

function decodeObject({ block, sensor, kind }: SensorAddress, o: JsonObject): Decoded {
  switch (kind) {
    case "reading":
    case "readings": {
      const batch = kind === "reading" ? decodeReading(o, block, sensor) : decodeReadings(o, block, sensor);
      return "ok" in batch ? batch : { ok: true, message: { kind: "readings", batch } };
    }
    case "birth":
      return decodeBirth(o, block, sensor);
    case "state":
      return decodeState(o, block, sensor);
    case "scan":
      return decodeScan(o, block, sensor);
    case "health":
      return decodeHealth(o, block, sensor);
    case "presence":
      return decodePresence(o, block, sensor);
  }
}

/** The first thing a schema has against a payload, under the code that fits it. */
function checked<T>(schema: z.ZodType<T>, o: JsonObject): { ok: true; value: T } | Reject {
  if ("v" in o && o.v !== 1) return reject("payload-version", `v is ${describe(o.v)}; this service speaks version 1`);
  const result = schema.safeParse(o, { reportInput: true });
  if (result.success) return { ok: true, value: result.data };
  const issue = result.error.issues[0]!;
  const path = issue.path.map(String).join(".");
  const given = describe(issue.input);
  // A number of the right kind but beyond its bounds is a matter of value, except times, which have rules of their own.
  const numeric = typeof issue.input === "number";
  const infinite = numeric && !Number.isFinite(issue.input);
  const bounds = issue.code === "too_big" || issue.code === "too_small" || infinite;
  if (path === "v") return reject("payload-version", `v is ${given}; this service speaks version 1`);
  if (numeric && path === "ts" && bounds)
    return reject("time-implausible", `ts is ${given}; epoch milliseconds are expected`);
  if (numeric && bounds && path !== "boot" && path !== "seq") {
    return reject("value-out-of-range", `${path} is ${given}: ${issue.message}`);
  }
  return reject("payload-schema", `${path} is ${given}: ${issue.message}`);
}

function decodeBirth(o: JsonObject, block: string, sensor: string): Decoded {
  const result = checked(birthSchema, o);
  if (!result.ok) return result;
  const b = result.value;
  return {
    ok: true,
    message: {
      kind: "birth",
      birth: {
        block,
        sensor,
        boot: b.boot,
        tsMs: b.ts,
        type: b.type,
        model: b.model ?? null,
        firmware: b.fw ?? null,
        periodMs: b.period_ms ?? null,
        dwellMs: b.dwell_ms ?? null,
        revisitMs: b.revisit_ms ?? null,
        bands: b.bands.map((band) => ({ id: band.id, loHz: band.lo_hz, hiHz: band.hi_hz })),
        calId: b.cal_id ?? null,
      },
    },
  };
}

function decodeState(o: JsonObject, block: string, sensor: string): Decoded {
  const result = checked(stateSchema, o);
  if (!result.ok) return result;
  const { boot, ts, online, reason } = result.value;
  return {
    ok: true,
    message: { kind: "state", state: { block, sensor, boot, tsMs: ts, online, reason: reason ?? null } },
  };
}

function decodeScan(o: JsonObject, block: string, sensor: string): Decoded {
  const result = checked(scanSchema, o);
  if (!result.ok) return result;
  const s = result.value;
  return {
    ok: true,
    message: {
      kind: "scan",
      scan: {
        block,
        sensor,
        boot: s.boot,
        seq: s.seq,
        tsMs: s.ts,
        method: s.method,
        place: s.place ?? null,
        ...(s.towards == null ? {} : { towards: s.towards }),
        alarm: s.alarm,
        score: s.score ?? null,
        h2Db: s.h2_db ?? null,
        h3Db: s.h3_db ?? null,
        peakUt: s.peak_ut ?? null,
        zones: s.zones ?? [],
      },
    },
  };
}

function decodePresence(o: JsonObject, block: string, sensor: string): Decoded {
  const result = checked(presenceSchema, o);
  if (!result.ok) return result;
  const { ts, ttl_s, zones } = result.value;
  const ttlMs = ttl_s == null ? null : 1000 * ttl_s;
  return { ok: true, message: { kind: "presence", presence: { block, sensor, tsMs: ts, ttlMs, zones } } };
}

function decodeHealth(o: JsonObject, block: string, sensor: string): Decoded {
  const result = checked(healthSchema, o);
  if (!result.ok) return result;
  const h = result.value;
  return {
    ok: true,
    message: {
      kind: "health",
      health: {
        block,
        sensor,
        tsMs: h.ts,
        uptimeS: h.uptime_s ?? null,
        tempC: h.temp_c ?? null,
        clockOffMs: h.clock_off_ms ?? null,
        saturation: h.sat ?? null,
        drop: h.drop ?? null,
        queue: h.queue ?? null,
        tamper: h.tamper ?? false,
        battery: h.battery ?? null,
      },
    },
  };
}
