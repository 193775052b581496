/**
 * Every InfluxQL query of the dashboards and alert rules. Names come from the writer's own vocabulary, so that a renamed
 * field breaks the build and not a screen. `$timeFilter`, `$__interval` and the variables are Grafana's.
 */
import { MEASUREMENT, TAG, TAGS_OF } from "../src/store/schema.ts";

const q = (name: string) => `"${name}"`;
const from = (measurement: keyof typeof MEASUREMENT) => `FROM ${q(MEASUREMENT[measurement])}`;
/** One series each of what the tags name. */
const byTags = (measurement: keyof typeof MEASUREMENT) => `GROUP BY ${TAGS_OF[measurement].map(q).join(", ")}`;
const SITE = `${q(TAG.site)} =~ /^$site$/`;

/** States are repeated every 10 s: a minute without one means that nobody writes any more. */
const NOW = "time > now() - 1m";

export const QUERIES = {
  sites: `SHOW TAG VALUES ${from("heartbeat")} WITH KEY = ${q(TAG.site)}`,
  sensors: `SHOW TAG VALUES ${from("sensorHealth")} WITH KEY = ${q(TAG.sensor)} WHERE ${SITE}`,

  openAlerts: `SELECT sum("open") FROM (SELECT last("open") AS "open" ${from("alertState")} WHERE ${NOW} AND ${SITE} ${byTags("alertState")})`,
  highestLevel: `SELECT max("level") FROM (SELECT last("level") AS "level" ${from("alertState")} WHERE ${NOW} AND ${SITE} ${byTags("alertState")})`,
  sensorsOnline: `SELECT sum("online") FROM (SELECT last("online") AS "online" ${from("sensorHealth")} WHERE ${NOW} AND ${SITE} ${byTags("sensorHealth")})`,
  sensorsOffline: `SELECT count("online") - sum("online") FROM (SELECT last("online") AS "online" ${from("sensorHealth")} WHERE ${NOW} AND ${SITE} ${byTags("sensorHealth")})`,
  alive: `SELECT last("up") ${from("heartbeat")} WHERE time > now() - 30s AND ${SITE}`,

  /** One row each place and kind with an open alert. */
  activeTable: `SELECT "level", "open", "acked", "score", "alert" FROM (SELECT last("level") AS "level", "open", "acked", "score", "alert" ${from("alertState")} WHERE ${NOW} AND ${SITE} ${byTags("alertState")}) WHERE "open" > 0 GROUP BY ${[TAG.block, TAG.zone, TAG.kind].map(q).join(", ")}`,
  cellsOverTime: `SELECT max("level") ${from("alertState")} WHERE $timeFilter AND ${SITE} GROUP BY time($__interval), ${q(TAG.zone)} fill(null)`,
  sensorsOverTime: `SELECT last("online") ${from("sensorHealth")} WHERE $timeFilter AND ${SITE} GROUP BY time($__interval), ${q(TAG.sensor)} fill(null)`,
  events: `SELECT ${q(TAG.block)}, ${q(TAG.zone)}, ${q(TAG.kind)}, "type", "severity", "acked", "text", "alert" ${from("alertEvent")} WHERE $timeFilter AND ${SITE} ORDER BY time DESC LIMIT 200`,
  alertsPerHour: `SELECT count("version") ${from("alertEvent")} WHERE $timeFilter AND ${SITE} AND "type" = 'new' GROUP BY time(1h), ${q(TAG.kind)} fill(0)`,
  annotations: `SELECT "text", "severity" ${from("alertEvent")} WHERE $timeFilter AND ${SITE} AND "type" = 'new'`,

  sensorTable: `SELECT last("online") AS "online", "tamper", "last_seen_s", "temp_c", "clock_off_ms" ${from("sensorHealth")} WHERE ${NOW} AND ${SITE} GROUP BY ${[TAG.block, TAG.sensor].map(q).join(", ")}`,
  clockOffset: `SELECT mean("clock_off_ms") ${from("sensorHealth")} WHERE $timeFilter AND ${SITE} AND ${q(TAG.sensor)} =~ /^$sensor$/ GROUP BY time($__interval), ${q(TAG.sensor)} fill(null)`,
  temperature: `SELECT mean("temp_c") ${from("sensorHealth")} WHERE $timeFilter AND ${SITE} AND ${q(TAG.sensor)} =~ /^$sensor$/ GROUP BY time($__interval), ${q(TAG.sensor)} fill(null)`,
  readingRate: `SELECT sum("n") / 10 ${from("rollup")} WHERE $timeFilter AND ${SITE} AND ${q(TAG.sensor)} =~ /^$sensor$/ GROUP BY time(10s), ${q(TAG.sensor)} fill(null)`,
  bandLevel: `SELECT max("\${band}_max") AS "loudest", mean("\${band}_mean") AS "mean", mean("\${band}_floor") AS "noise floor" ${from("rollup")} WHERE $timeFilter AND ${SITE} AND ${q(TAG.sensor)} =~ /^$sensor$/ GROUP BY time($__interval), ${q(TAG.sensor)} fill(null)`,
  bandEvidence: `SELECT max("\${band}_llr") ${from("rollup")} WHERE $timeFilter AND ${SITE} AND ${q(TAG.sensor)} =~ /^$sensor$/ GROUP BY time($__interval), ${q(TAG.sensor)} fill(null)`,

  storedRate: `SELECT non_negative_derivative(last("stored"), 1s) ${from("heartbeat")} WHERE $timeFilter AND ${SITE} GROUP BY time(10s), ${q(TAG.instance)} fill(none)`,
  pending: `SELECT max("pending") ${from("heartbeat")} WHERE $timeFilter AND ${SITE} GROUP BY time($__interval), ${q(TAG.instance)} fill(null)`,
  refused: `SELECT max("refused") ${from("heartbeat")} WHERE $timeFilter AND ${SITE} GROUP BY time($__interval), ${q(TAG.instance)} fill(null)`,
  lateRate: `SELECT sum("n") ${from("late")} WHERE $timeFilter AND ${SITE} GROUP BY time($__interval) fill(0)`,
} as const;

/** Alert rules look at the last minute; Grafana puts the time in. */
export const RULE_QUERIES = {
  level: `SELECT last("level") AS "level" ${from("alertState")} WHERE $timeFilter ${byTags("alertState")}`,
  online: `SELECT last("online") AS "online" ${from("sensorHealth")} WHERE $timeFilter ${byTags("sensorHealth")}`,
  tamper: `SELECT last("tamper") AS "tamper" ${from("sensorHealth")} WHERE $timeFilter ${byTags("sensorHealth")}`,
  alive: `SELECT last("up") AS "up" ${from("heartbeat")} WHERE $timeFilter ${byTags("heartbeat")}`,
} as const;
