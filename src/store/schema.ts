/**
 * The words of the database: every measurement, tag and field that is ever written. The line writer uses nothing else,
 * dashboards and tests are checked against it.
 *
 * Tags say what a series is and stay few; what changes (severity, alert id of a state) is a field, so that a series
 * never forks. Timestamps are written in nanoseconds.
 */
import type { BandId, Severity } from "../model.ts";

export const MEASUREMENT = {
  /** One point per sensor and second. */
  rollup: "reading_rollup",
  /** One point per instant that came after its second was judged. */
  late: "reading_late",
  /** One point per instant of the 30 s before and 60 s after an alert. */
  raw: "reading_raw",
  /** One point per change of an alert. */
  alertEvent: "alert_event",
  /** Level of every zone and kind with an open alert, repeated every 10 s; 0 once when the last one ends. */
  alertState: "alert_state",
  sensorHealth: "sensor_health",
  /** One point every 10 s while the service lives. */
  heartbeat: "backend_heartbeat",
} as const;

export const TAG = {
  site: "site",
  block: "block",
  sensor: "sensor",
  /** Zone id of the alert's cell; `NO_ZONE` where an alert has none. */
  zone: "zone",
  kind: "kind",
  alert: "alert",
  /** `boot mod LANES`, only on late readings: keeps readings of two boots with the same time stamp apart. */
  lane: "lane",
  instance: "instance",
} as const;

export const TAGS_OF: Readonly<Record<keyof typeof MEASUREMENT, readonly string[]>> = {
  rollup: [TAG.site, TAG.block, TAG.sensor],
  late: [TAG.site, TAG.block, TAG.sensor, TAG.lane],
  raw: [TAG.site, TAG.block, TAG.sensor, TAG.alert],
  alertEvent: [TAG.site, TAG.block, TAG.zone, TAG.kind],
  alertState: [TAG.site, TAG.block, TAG.zone, TAG.kind],
  sensorHealth: [TAG.site, TAG.block, TAG.sensor],
  heartbeat: [TAG.site, TAG.instance],
};

export type FieldType = "float" | "integer" | "boolean" | "string";

/** Fixed fields by measurement. Those per band come on top: `bandField(band, suffix)` with the suffixes of BAND_FIELDS. */
export const FIELDS = {
  rollup: {
    /** Readings (instants) of the second: `sum(n)` over rollup and late is the number of readings taken. */
    n: "integer",
  },
  late: { n: "integer", boot: "integer", seq: "integer" },
  raw: { boot: "integer", seq: "integer" },
  alertEvent: {
    alert: "string",
    version: "integer",
    /** new, update or end. */
    type: "string",
    /** SEVERITY_LEVEL, 0 once the alert has ended. */
    level: "integer",
    severity: "string",
    text: "string",
    active: "boolean",
    acked: "boolean",
    /** The whole change as JSON. */
    json: "string",
  },
  alertState: {
    /**
     * Highest SEVERITY_LEVEL among the open alerts that are neither shelved, suppressed, out of service, nor acknowledged and over;
     * else 0.
     */
    level: "integer",
    /** Open alerts of this zone and kind, hidden ones included. */
    open: "integer",
    /** 1 when every open alert here is acknowledged. */
    acked: "integer",
    /** Highest accumulated log-likelihood ratio, nats; 0 where the kind has none. */
    score: "float",
    /** Id of the alert the level comes from. */
    alert: "string",
  },
  sensorHealth: {
    /** 1 or 0: alert rules need numbers. */
    online: "integer",
    tamper: "integer",
    /** Seconds since the last message; not written when there never was one. */
    last_seen_s: "float",
    temp_c: "float",
    clock_off_ms: "float",
  },
  heartbeat: {
    up: "integer",
    /** Readings the database acknowledged, readings that wait, lines it refused: since the service's start. */
    stored: "integer",
    pending: "integer",
    refused: "integer",
  },
} as const satisfies Readonly<Record<keyof typeof MEASUREMENT, Readonly<Record<string, FieldType>>>>;

/** Suffixes of the per-band fields, all floats. dBm, but `llr` in nats. A field is left out where nothing was measured. */
export const BAND_FIELDS = {
  rollup: ["mean", "max", "floor", "llr"],
  late: ["rms", "peak"],
  raw: ["rms", "peak"],
} as const;

export type BandSuffix = (typeof BAND_FIELDS)[keyof typeof BAND_FIELDS][number];

/**
 * Field key of a band: `lte800-ul`, `mean` → `lte800_ul_mean`. Hyphens become underscores, so that queries need no quotes;
 * ids contain no underscore, so no two bands meet.
 */
export function bandField(band: BandId, suffix: BandSuffix): string {
  return `${band.replaceAll("-", "_")}_${suffix}`;
}

/** What an alert without a cell carries as zone (a tag may not be empty). */
export const NO_ZONE = "none";
export const NO_BLOCK = "none";

/** 0 = nothing, 1..4; rules call `>= 3` critical and 1..2 warning. */
export const SEVERITY_LEVEL: Readonly<Record<Severity, 1 | 2 | 3 | 4>> = { low: 1, medium: 2, high: 3, critical: 4 };

/** Lanes of late readings. */
export const LANES = 64;

/** Seconds between repetitions of alert states and between heartbeats: a Grafana evaluation tick. */
export const REPEAT_S = 10;

/** Name of the retention policy on InfluxDB 1.x. */
export const RETENTION_POLICY = "cellward";
