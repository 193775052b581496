/**
 * Line protocol, from the closed vocabulary of schema.ts and checked ids: nothing that came from outside is ever escaped
 * into a tag, because nothing that needs escaping is let in. Pure.
 */
import type { AlertRecord, SensorHealthRow } from "../contracts.ts";
import type { BandId, ReadingBatch, Rollup } from "../model.ts";
import {
  BAND_FIELDS,
  type BandSuffix,
  bandField,
  LANES,
  MEASUREMENT,
  NO_BLOCK,
  NO_ZONE,
  SEVERITY_LEVEL,
  TAG,
} from "./schema.ts";

/** Lines to be written, and how many readings they stand for. `refused` are records that may not be written, with the reason. */
export interface Lines {
  readonly lines: string[];
  readings: number;
  readonly refused: { readonly what: string; readonly why: string }[];
}

export function newLines(): Lines {
  return { lines: [], readings: 0, refused: [] };
}

const ID = /^[a-z0-9][a-z0-9-]{0,31}$/;
/** Alert ids and kinds: our own making, but never trusted to be tag-safe. */
const TAG_VALUE = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/;

/** Latest time InfluxDB can hold is in 2262; earlier ones than 1970 are no readings. */
const MAX_MS = 9_223_372_036_854;

const fieldNames = new Map<BandId, Readonly<Record<BandSuffix, string>>>();

function namesOf(band: BandId): Readonly<Record<BandSuffix, string>> | null {
  let names = fieldNames.get(band);
  if (!names) {
    if (!ID.test(band)) return null;
    const make = (suffix: BandSuffix) => `${bandField(band, suffix)}=`;
    names = {
      mean: make("mean"),
      max: make("max"),
      floor: make("floor"),
      llr: make("llr"),
      rms: make("rms"),
      peak: make("peak"),
    };
    fieldNames.set(band, names);
  }
  return names;
}

/** A value with a resolution of 0.01, or "" where nothing was measured. */
function number(name: string, value: number): string {
  if (!(value > -1e12 && value < 1e12)) return "";
  return `,${name}${Math.round(value * 100) / 100}`;
}

function text(value: string): string {
  return `"${value
    .replaceAll(/[\r\n\0]+/g, " ")
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')}"`;
}

function timeOk(tMs: number): boolean {
  return Number.isSafeInteger(tMs) && tMs >= 0 && tMs < MAX_MS;
}

/** Nanoseconds as text: the millisecond, and `sub` (0..999999) below it. */
function nanos(tMs: number, sub: number): string {
  return `${tMs}${String(sub).padStart(6, "0")}`;
}

function refuse(out: Lines, what: string, why: string, readings = 0): void {
  out.refused.push({ what, why: readings > 0 ? `${why} (${readings} readings)` : why });
}

/** One line a rollup. A rollup with an impossible id or time is refused, not repaired. */
export function rollupLines(out: Lines, site: string, rollups: readonly Rollup[]): void {
  for (const r of rollups) {
    if (!ID.test(r.sensor) || !ID.test(r.block) || !timeOk(r.tMs)) {
      refuse(out, `rollup of ${r.sensor}`, "id or time can't be written", r.readings);
      continue;
    }
    const head = `${MEASUREMENT.rollup},${TAG.site}=${site},${TAG.block}=${r.block},${TAG.sensor}=${r.sensor}`;
    let fields = `n=${r.readings}i`;
    for (let i = 0; i < r.bands.length; i++) {
      const names = namesOf(r.bands[i]!);
      if (!names) continue;
      fields += number(names.mean, r.meanDbm[i]!);
      fields += number(names.max, r.maxDbm[i]!);
      fields += number(names.floor, r.floorDbm[i]!);
      fields += number(names.llr, r.llr[i]!);
    }
    out.lines.push(`${head} ${fields} ${r.tMs}000000`);
    out.readings += r.readings;
  }
}

/**
 * One line an instant. Time stamp: the instant's millisecond, below it `seq mod 10^6`; lane: `boot mod 64`. Two different
 * readings of a sensor meet only when their milliseconds, their boots modulo 64 and their numbers modulo a million agree;
 * the same reading always gets the same place.
 */
function instantLines(
  out: Lines,
  site: string,
  batch: ReadingBatch,
  measurement: "late" | "raw",
  extraTag: string,
): void {
  const { bands, count, rmsDbm, peakDbm } = batch;
  if (!ID.test(batch.sensor) || !ID.test(batch.block)) {
    refuse(out, `${measurement} reading of ${batch.sensor}`, "id can't be written", count);
    return;
  }
  const head =
    `${MEASUREMENT[measurement]},${TAG.site}=${site},${TAG.block}=${batch.block},` +
    `${TAG.sensor}=${batch.sensor},${extraTag}`;
  const [rms, peak] = BAND_FIELDS[measurement];
  for (let j = 0; j < count; j++) {
    const tMs = Math.round(batch.tsMs + j * batch.dtMs);
    if (!timeOk(tMs)) {
      refuse(out, `${measurement} reading of ${batch.sensor}`, "time can't be written", 1);
      continue;
    }
    const seq = batch.seq + j;
    let fields = measurement === "late" ? `n=1i,boot=${batch.boot}i,seq=${seq}i` : `boot=${batch.boot}i,seq=${seq}i`;
    for (let i = 0; i < bands.length; i++) {
      const names = namesOf(bands[i]!);
      if (!names) continue;
      if (rmsDbm) fields += number(names[rms], rmsDbm[i * count + j]!);
      if (peakDbm) fields += number(names[peak], peakDbm[i * count + j]!);
    }
    out.lines.push(`${head} ${fields} ${nanos(tMs, seq % 1_000_000)}`);
    if (measurement === "late") out.readings++;
  }
}

export function lateLines(out: Lines, site: string, batch: ReadingBatch): void {
  instantLines(out, site, batch, "late", `${TAG.lane}=${batch.boot % LANES}`);
}

export function rawLines(out: Lines, site: string, alertId: string, batches: readonly ReadingBatch[]): void {
  if (!TAG_VALUE.test(alertId)) {
    refuse(out, `raw readings of alert ${alertId}`, "alert id can't be written");
    return;
  }
  for (const batch of batches) instantLines(out, site, batch, "raw", `${TAG.alert}=${alertId}`);
}

/** FNV-1a of id and version below the millisecond: changes of two alerts of one zone in one millisecond stay apart. */
function subMs(id: string, version: number): number {
  let hash = 0x811c9dc5;
  for (const c of `${id}/${version}`) hash = Math.imul(hash ^ c.codePointAt(0)!, 0x01000193);
  return (hash >>> 0) % 1_000_000;
}

export function alertTags(site: string, block: string | null, zone: string | null, kind: string): string {
  const safe = (value: string | null, none: string) => (value !== null && ID.test(value) ? value : none);
  return (
    `${TAG.site}=${site},${TAG.block}=${safe(block, NO_BLOCK)},` +
    `${TAG.zone}=${safe(zone, NO_ZONE)},${TAG.kind}=${TAG_VALUE.test(kind) ? kind : "other"}`
  );
}

export function alertEventLine(out: Lines, site: string, record: AlertRecord): void {
  const { type, after } = record.change;
  if (!timeOk(record.tMs)) {
    refuse(out, `event of alert ${after.id}`, "time can't be written");
    return;
  }
  const level = after.active ? SEVERITY_LEVEL[after.severity] : 0;
  const fields =
    `alert=${text(after.id)},version=${after.version}i,type=${text(type)},level=${level}i,` +
    `severity=${text(after.severity)},text=${text(after.text)},active=${after.active},acked=${after.acked},` +
    `json=${text(JSON.stringify(record.change))}`;
  const tags = alertTags(site, after.block, after.cell, after.kind);
  out.lines.push(`${MEASUREMENT.alertEvent},${tags} ${fields} ${nanos(record.tMs, subMs(after.id, after.version))}`);
}

export function sensorHealthLines(out: Lines, site: string, rows: readonly SensorHealthRow[]): void {
  for (const row of rows) {
    if (!ID.test(row.sensor) || !ID.test(row.block) || !timeOk(row.tMs)) {
      refuse(out, `health of ${row.sensor}`, "id or time can't be written");
      continue;
    }
    let fields = `online=${row.online ? 1 : 0}i,tamper=${row.tamper ? 1 : 0}i`;
    if (row.lastSeenMs !== null) fields += number("last_seen_s=", (row.tMs - row.lastSeenMs) / 1000);
    if (row.tempC !== null) fields += number("temp_c=", row.tempC);
    if (row.clockOffMs !== null) fields += number("clock_off_ms=", row.clockOffMs);
    const tags = `${TAG.site}=${site},${TAG.block}=${row.block},${TAG.sensor}=${row.sensor}`;
    out.lines.push(`${MEASUREMENT.sensorHealth},${tags} ${fields} ${nanos(row.tMs, 0)}`);
  }
}

export function heartbeatLine(
  out: Lines,
  site: string,
  instance: string,
  tMs: number,
  counts: { stored: number; pending: number; refused: number },
): void {
  const fields = `up=1i,stored=${counts.stored}i,pending=${counts.pending}i,refused=${counts.refused}i`;
  out.lines.push(`${MEASUREMENT.heartbeat},${TAG.site}=${site},${TAG.instance}=${instance} ${fields} ${nanos(tMs, 0)}`);
}
