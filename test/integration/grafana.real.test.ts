import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { QUERIES, RULE_QUERIES } from "../../grafana/queries.ts";
import type { TimeSeriesStore } from "../../src/contracts.ts";
import type { Rollup } from "../../src/model.ts";
import { createInfluxStore } from "../../src/store/influx.ts";
import { bandField } from "../../src/store/schema.ts";
import { fixtureAlert } from "../support/fixture-service.ts";
import { type InfluxServer, startInflux } from "../support/servers.ts";

let influx: InfluxServer;
let store: TimeSeriesStore;
const spoolDir = mkdtempSync(join(tmpdir(), "cellward-grafana-"));
const nowMs = Date.now();
const BAND = "lte800-ul";

function rollup(tMs: number): Rollup {
  return {
    block: "b1",
    sensor: "b1-s01",
    tMs,
    readings: 10,
    bands: [BAND],
    meanDbm: Float32Array.of(-99),
    maxDbm: Float32Array.of(-91),
    floorDbm: Float32Array.of(-101),
    llr: Float32Array.of(3),
  };
}

beforeAll(async () => {
  influx = await startInflux({ databases: ["cellward"] });
  store = createInfluxStore({
    url: influx.url,
    version: 1,
    database: "cellward",
    retentionDays: 0,
    site: "demo",
    instance: "main",
    spoolDir,
    log: pino({ level: "silent" }),
    flushMs: 50,
  });
  await store.start();
  store.writeRollups([0, 1, 2, 3].map((s) => rollup(nowMs - 5000 + s * 1000)));
  const late = { block: "b1", sensor: "b1-s01", boot: 1, seq: 7, tsMs: nowMs - 9000, dtMs: 0, count: 1, bands: [BAND] };
  const columns = { peakDbm: null, duty: null, noiseDbm: null, looks: null };
  store.writeLate({ ...late, ...columns, rmsDbm: Float32Array.of(-98) });
  const found = fixtureAlert("b1-0-05", nowMs - 3000);
  const tamper = fixtureAlert("b1-0-09", nowMs - 3000, { kind: "tamper", severity: "medium", acked: true });
  for (const after of [found, tamper]) {
    store.writeAlert({ tMs: nowMs - 3000, change: { type: "new", before: null, after } });
  }
  const ended = { ...tamper, version: 2, active: false, closed_at: nowMs - 1000 };
  store.writeAlert({ tMs: nowMs - 1000, change: { type: "end", before: tamper, after: ended } });
  store.writeAlertStates(nowMs - 500, [found]);
  const health = { block: "b1", lastSeenMs: nowMs - 600, tempC: 31, clockOffMs: 2 };
  store.writeSensorHealth([
    { ...health, tMs: nowMs - 500, sensor: "b1-s01", online: true, tamper: false },
    { ...health, tMs: nowMs - 500, sensor: "b1-s02", online: false, tamper: true },
    { ...health, tMs: nowMs - 500, sensor: "b1-s03", online: true, tamper: false },
  ]);
  await vi.waitFor(() => expect(store.status().storedReadings).toBe(41), 20_000);
  // The heartbeat comes with its own rhythm of ten seconds, and its rate needs two of them.
  const beats = async () =>
    (await influx.query('SELECT count("up") FROM "backend_heartbeat"', "cellward"))[0]?.values[0]?.[1];
  await vi.waitFor(async () => expect(await beats()).toBeGreaterThanOrEqual(2), { timeout: 40_000, interval: 500 });
});
afterAll(async () => {
  await store?.stop(5000);
  await influx?.stop();
  rmSync(spoolDir, { recursive: true, force: true });
});

/** Puts in what Grafana would. */
function asked(query: string): string {
  const stem = bandField(BAND, "mean").replace(/_mean$/, "");
  return query
    .replaceAll("$timeFilter", `time >= ${nowMs - 60_000}ms AND time <= ${Date.now()}ms`)
    .replaceAll("$__interval", "10s")
    .replaceAll("$site", "demo")
    .replaceAll("$sensor", "(b1-s01|b1-s02)")
    .replaceAll("${band}", stem)
    .replaceAll("now() - 30s", `${nowMs - 30_000}ms`)
    .replaceAll("now() - 1m", `${nowMs - 60_000}ms`);
}

async function rows(query: string) {
  const series = await influx.query(asked(query), "cellward");
  return series.flatMap((s) =>
    s.values.map(
      (v): Record<string, unknown> => ({ ...s.tags, ...Object.fromEntries(s.columns.map((c, i) => [c, v[i]])) }),
    ),
  );
}

describe("grafana queries on a real InfluxDB filled by the real writer", () => {
  const all = [
    ...Object.entries(QUERIES),
    ...Object.entries(RULE_QUERIES).map(([name, q]) => [`rule ${name}`, q] as const),
  ];
  it.each(all)("%s: is understood and finds data", async (_name, query) => {
    const found = await rows(query);
    const values = found.flatMap((row) => Object.entries(row).filter(([k, v]) => k !== "time" && v !== null));
    expect(values.length).toBeGreaterThan(0);
  });

  it("active alerts: only what is open, with its place, level and alert", async () => {
    expect(await rows(QUERIES.activeTable)).toMatchObject([
      { block: "b1", zone: "b1-0-05", kind: "phone-active", level: 3, open: 1, acked: 0, score: 64.1 },
    ]);
  });

  it("counts: open alerts, highest level, sensors online and offline", async () => {
    const one = async (query: string) => Object.values((await rows(query))[0]!).at(-1);
    expect(await one(QUERIES.openAlerts)).toBe(1);
    expect(await one(QUERIES.highestLevel)).toBe(3);
    expect(await one(QUERIES.sensorsOnline)).toBe(2);
    expect(await one(QUERIES.sensorsOffline)).toBe(1);
  });

  it("rules: an ended alert reads zero, a sensor that is offline reads zero, a tampered one reads one", async () => {
    const levels = await rows(RULE_QUERIES.level);
    expect(levels.find((r) => r.zone === "b1-0-09")).toMatchObject({ level: 0 });
    expect(levels.find((r) => r.zone === "b1-0-05")).toMatchObject({ level: 3 });
    expect((await rows(RULE_QUERIES.online)).find((r) => r.sensor === "b1-s02")).toMatchObject({ online: 0 });
    expect((await rows(RULE_QUERIES.tamper)).find((r) => r.sensor === "b1-s02")).toMatchObject({ tamper: 1 });
  });

  it("events: newest first, each change a row with its words", async () => {
    const events = await rows(QUERIES.events);
    expect(events.map((e) => e.type)).toEqual(["end", "new", "new"]);
  });
});
