/**
 * Words into the contract's JSON. Levels are rounded to 0.01 dB and shares to 0.0001, finer than any receiver means, so
 * that 32-bit floats don't grow tails of digits.
 */
import type { ReadingBatch, SensorMessage } from "../../src/model.ts";

/** Topic kind of a message: one instant is a `reading`, several are `readings`. */
export function messageKind(
  message: SensorMessage,
): "birth" | "state" | "reading" | "readings" | "scan" | "health" | "presence" {
  if (message.kind !== "readings") return message.kind;
  return message.batch.count === 1 ? "reading" : "readings";
}

/** Topic of a message in a site. */
export function messageTopic(site: string, message: SensorMessage): string {
  const { block, sensor } = addressOf(message);
  return `cellward/v1/${site}/${block}/${sensor}/${messageKind(message)}`;
}

function addressOf(message: SensorMessage): { readonly block: string; readonly sensor: string } {
  switch (message.kind) {
    case "birth":
      return message.birth;
    case "state":
      return message.state;
    case "readings":
      return message.batch;
    case "scan":
      return message.scan;
    case "health":
      return message.health;
    case "presence":
      return message.presence;
  }
}

/** Payload bytes of a message. */
export function encodeMessage(message: SensorMessage): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(payloadOf(message)));
}

/** The payload as a plain object; keys without a value are left out. */
function payloadOf(message: SensorMessage): Record<string, unknown> {
  switch (message.kind) {
    case "birth": {
      const b = message.birth;
      return present({
        v: 1,
        boot: b.boot,
        ts: b.tsMs,
        type: b.type,
        model: b.model,
        fw: b.firmware,
        period_ms: b.periodMs,
        dwell_ms: b.dwellMs,
        revisit_ms: b.revisitMs,
        bands: b.bands.map((band) => ({ id: band.id, lo_hz: band.loHz, hi_hz: band.hiHz })),
        cal_id: b.calId,
      });
    }
    case "state": {
      const s = message.state;
      return present({ online: s.online, boot: s.boot, ts: s.tsMs, reason: s.reason });
    }
    case "presence": {
      const { tsMs, ttlMs, zones } = message.presence;
      return present({ v: 1, ts: tsMs, ttl_s: ttlMs === null ? null : ttlMs / 1000, zones });
    }
    case "scan": {
      const s = message.scan;
      return present({
        v: 1,
        boot: s.boot,
        seq: s.seq,
        ts: s.tsMs,
        method: s.method,
        place: s.place,
        towards: s.towards ?? null,
        alarm: s.alarm,
        score: s.score,
        h2_db: s.h2Db,
        h3_db: s.h3Db,
        peak_ut: s.peakUt,
        zones: s.zones.length === 0 ? null : s.zones,
      });
    }
    case "health": {
      const h = message.health;
      return present({
        ts: h.tsMs,
        uptime_s: h.uptimeS,
        temp_c: h.tempC,
        clock_off_ms: h.clockOffMs,
        sat: h.saturation,
        drop: h.drop,
        queue: h.queue,
        tamper: h.tamper,
        battery: h.battery,
      });
    }
    case "readings":
      return message.batch.count === 1 ? readingOf(message.batch) : readingsOf(message.batch);
  }
}

function present(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

const cents = (value: number): number => Math.round(value * 100) / 100;
const basisPoints = (value: number): number => Math.round(value * 10_000) / 10_000;

const COLUMNS = [
  ["rms_dbm", "rmsDbm", cents],
  ["peak_dbm", "peakDbm", cents],
  ["duty", "duty", basisPoints],
  ["noise_dbm", "noiseDbm", cents],
  ["n", "looks", cents],
] as const;

function readingOf(batch: ReadingBatch): Record<string, unknown> {
  const r: Record<string, unknown>[] = [];
  for (const [i, b] of batch.bands.entries()) {
    const item: Record<string, unknown> = { b };
    for (const [key, field, round] of COLUMNS) {
      const value = batch[field]?.[i] ?? Number.NaN;
      if (!Number.isNaN(value)) item[key] = round(value);
    }
    // A band that was not measured is left out: the contract wants rms or peak of every band it lists.
    if ("rms_dbm" in item || "peak_dbm" in item) r.push(item);
  }
  return { v: 1, boot: batch.boot, seq: batch.seq, ts: batch.tsMs, r };
}

function readingsOf(batch: ReadingBatch): Record<string, unknown> {
  const { boot, seq, tsMs, dtMs, count, bands } = batch;
  const payload: Record<string, unknown> = { v: 1, boot, seq, ts: tsMs, dt_ms: dtMs, bands };
  for (const [key, field, round] of COLUMNS) {
    const data = batch[field];
    if (data === null) continue;
    payload[key] = bands.map((_, i) =>
      Array.from(data.subarray(i * count, (i + 1) * count), (value) => (Number.isNaN(value) ? null : round(value))),
    );
  }
  return payload;
}
