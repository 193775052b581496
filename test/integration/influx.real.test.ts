import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createInfluxStore, type InfluxStoreOptions } from "../../src/store/influx.ts";
import { FIELDS, MEASUREMENT, TAGS_OF } from "../../src/store/schema.ts";
import { type InfluxServer, startInflux } from "../support/servers.ts";
import { alert, batch, change, rollup, silentLog, until } from "../unit/store/fixtures.ts";

const DAY = 86_400_000;
const T0 = Math.floor((Date.now() - DAY) / 1000) * 1000;

let server: InfluxServer;
let dirs: string[] = [];
let count = 0;

beforeAll(async () => {
  server = await startInflux();
});
afterAll(async () => {
  await server.stop();
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
  dirs = [];
});

function make(over: Partial<InfluxStoreOptions> = {}) {
  const spoolDir = mkdtempSync(join(tmpdir(), "cellward-spool-"));
  dirs.push(spoolDir);
  const database = `t${++count}`;
  const options = {
    url: server.url,
    version: 1 as const,
    database: database as string,
    retentionDays: 30,
    site: "demo",
    log: silentLog,
    maxPauseMs: 500,
    spoolDir,
    ...over,
  };
  return { store: createInfluxStore(options), database, spoolDir, options };
}

async function sum(database: string): Promise<number> {
  let total = 0;
  for (const measurement of [MEASUREMENT.rollup, MEASUREMENT.late]) {
    const rows = await server.query(`SELECT sum("n") FROM "${measurement}"`, database);
    total += Number(rows[0]?.values[0]?.[1] ?? 0);
  }
  return total;
}

const idle = (store: ReturnType<typeof make>["store"]) =>
  until("everything stored", () => store.status().pendingReadings === 0 && store.status().ready, 60_000);

describe("InfluxDB 1.6", () => {
  it("rollups and late readings: 100,000 readings written twice: sum(n) in the database is what was taken", async () => {
    const { store, database } = make();
    await store.start();
    for (let s = 0; s < 100; s++) {
      const second = Array.from({ length: 20 }, (_, i) => rollup(`s${i}`, T0 + 1000 * s, 47));
      store.writeRollups(second);
      if (s % 10 === 0) store.writeRollups(second);
    }
    // Same millisecond, other boot and other number: different readings.
    for (const [boot, seq] of [
      [1, 0],
      [2, 0],
      [1, 3],
      [1, 0],
    ] as const)
      store.writeLate(batch("s1", boot, seq, T0));
    for (let i = 0; i < 1997; i++) store.writeLate(batch("s2", 3, 3 * i, T0 + 300 * i));
    await idle(store);
    expect(await sum(database)).toBe(100 * 20 * 47 + 9 + 1997 * 3);
    expect(store.status()).toMatchObject({ refusedLines: 0, droppedReadings: 0, pendingBytes: 0 });
    await store.stop(1000);
  });

  it("queries: a channel and the alerts: come back as they were written", async () => {
    const { store } = make();
    await store.start();
    for (let s = 0; s < 30; s++) store.writeRollups([rollup("s1", T0 + 1000 * s, 10, -90 - (s % 3))]);
    const records = [
      { tMs: T0, change: change("new", alert("a1", 1)) },
      { tMs: T0 + 5000, change: change("update", alert("a1", 2, { severity: "critical" }), alert("a1", 1)) },
      { tMs: T0 + 5000, change: change("new", alert("a2", 1)) },
    ];
    for (const record of [...records, ...records]) store.writeAlert(record);
    await idle(store);
    await until("alerts there", async () => (await store.queryAlerts(T0, T0 + DAY, 10)).length === 3);
    const points = await store.queryChannel({
      sensor: "s1",
      band: "lte800-ul",
      fromMs: T0 + 2000,
      toMs: T0 + 12_000,
      limit: 100,
    });
    expect(points.map((p) => p.tMs)).toEqual(Array.from({ length: 10 }, (_, i) => T0 + 2000 + 1000 * i));
    expect(points[0]).toEqual({
      tMs: T0 + 2000,
      meanDbm: -92,
      maxDbm: -84.75,
      floorDbm: -101.5,
      llr: 12.5,
      readings: 10,
    });
    const got = await store.queryAlerts(T0, T0 + DAY, 10);
    expect(got.length).toBe(3);
    expect(got).toEqual(expect.arrayContaining(records));
    await store.stop(1000);
  });

  it("schema: everything written: only the named tags and fields are in the database", async () => {
    const { store, database } = make({ instance: "test-1" });
    await store.start();
    store.writeRollups([rollup("s1", T0)]);
    store.writeLate(batch("s1", 65, 7, T0));
    store.writeRaw("a1", [batch("s1", 65, 7, T0)]);
    store.writeAlert({ tMs: T0, change: change("new", alert("a1", 1)) });
    store.writeAlertStates(T0 + 10_000, [alert("a1", 1)]);
    store.writeAlertStates(T0 + 20_000, []);
    store.writeSensorHealth([
      {
        tMs: T0,
        block: "b1",
        sensor: "s1",
        online: true,
        lastSeenMs: T0 - 1500,
        tamper: false,
        tempC: 31.5,
        clockOffMs: -4,
      },
    ]);
    await idle(store);
    await until(
      "heartbeat there",
      async () => (await server.query(`SELECT * FROM ${MEASUREMENT.heartbeat}`, database)).length > 0,
    );
    for (const [key, measurement] of Object.entries(MEASUREMENT) as [keyof typeof MEASUREMENT, string][]) {
      const tags = await server.query(`SHOW TAG KEYS FROM "${measurement}"`, database);
      expect(tags[0]!.values.map((v) => v[0]).sort(), measurement).toEqual([...TAGS_OF[key]].sort());
      const fields = await server.query(`SHOW FIELD KEYS FROM "${measurement}"`, database);
      const found = Object.fromEntries(fields[0]!.values.map((v) => [v[0], v[1]]));
      expect(found, measurement).toMatchObject(FIELDS[key]);
      const extra = Object.keys(found).filter((f) => !(f in FIELDS[key]));
      for (const field of extra) expect(field).toMatch(/^(lte800_ul|gsm900_ul)_(mean|max|floor|llr|rms|peak)$/);
    }
    const levels = await server.query(`SELECT level, "open" FROM ${MEASUREMENT.alertState}`, database);
    expect(levels[0]!.values.map((v) => v.slice(1))).toEqual([
      [3, 1],
      [3, 1],
      [0, 0],
    ]);
    await store.stop(1000);
  });

  it("retention: database made: the policy has the days of the configuration, and follows a change", async () => {
    const { store, database, options } = make({ retentionDays: 30 });
    await store.start();
    store.writeRollups([rollup("s1", T0)]);
    await idle(store);
    await store.stop(1000);
    const policies = async () => (await server.query(`SHOW RETENTION POLICIES ON "${database}"`))[0]!.values;
    expect(await policies()).toEqual([["cellward", "720h0m0s", "24h0m0s", 1, true]]);
    const again = createInfluxStore({ ...options, retentionDays: 10 });
    await again.start();
    again.writeRollups([rollup("s1", T0 + 1000)]);
    await idle(again);
    await again.stop(1000);
    expect((await policies())[0]![1]).toBe("240h0m0s");
  });

  it("refused lines: older than the retention, amid good ones: set apart with reason, all others stored", async () => {
    const { store, database, spoolDir } = make({ retentionDays: 30 });
    await store.start();
    const rollups = Array.from({ length: 500 }, (_, i) => rollup(`s${i}`, i % 100 === 7 ? T0 - 400 * DAY : T0, 10));
    store.writeRollups(rollups);
    await idle(store);
    expect(store.status()).toMatchObject({ refusedLines: 5, refusedReadings: 50, storedReadings: 4950 });
    expect(await sum(database)).toBe(4950);
    const kept = readFileSync(join(spoolDir, "refused.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((l) => JSON.parse(l));
    expect(kept.length).toBe(5);
    expect(kept[0].reason).toMatch(/beyond retention policy/);
    expect(kept[0].line).toMatch(/^reading_rollup,site=demo,block=b1,sensor=s7 /);
    await store.stop(1000);
  });

  it("database killed and back, service restarted between: everything arrives, in order, once", async () => {
    const own = await startInflux();
    try {
      const { store, database, options } = make({ url: own.url });
      await store.start();
      store.writeRollups([rollup("s1", T0, 10)]);
      await idle(store);
      await own.kill();
      for (let s = 1; s <= 50; s++) store.writeRollups([rollup("s1", T0 + 1000 * s, 10)]);
      await until("it says so", () => !store.status().ready && store.status().pendingReadings === 500);
      expect(store.status().detail).toMatch(/InfluxDB at http/);
      await store.stop(100);
      const again = createInfluxStore(options);
      await again.start();
      expect(again.status().pendingReadings).toBe(500);
      for (let s = 51; s <= 60; s++) again.writeRollups([rollup("s1", T0 + 1000 * s, 10)]);
      await own.restart();
      await idle(again);
      expect(again.status().storedReadings).toBe(600);
      const rows = await own.query(`SELECT sum(n), count(n) FROM ${MEASUREMENT.rollup}`, database);
      expect(rows[0]!.values[0]!.slice(1)).toEqual([610, 61]);
      await again.stop(1000);
    } finally {
      await own.stop();
    }
  });
});
