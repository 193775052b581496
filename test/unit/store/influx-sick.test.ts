/** The InfluxDB store against a server that misbehaves on purpose (fault F5). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { createInfluxStore, type InfluxStoreOptions } from "../../../src/store/influx.ts";
import { type Answer, SickInflux } from "../../support/sick-influx.ts";
import { rollup, silentLog, tempDir, until } from "./fixtures.ts";

const T0 = 1_700_000_000_000;

const started: { server: SickInflux; store: ReturnType<typeof createInfluxStore> }[] = [];
afterEach(async () => {
  for (const { server, store } of started.splice(0)) {
    server.stop();
    await store.stop(0);
  }
});

async function setUp(over: Partial<InfluxStoreOptions> = {}) {
  const server = new SickInflux();
  const spoolDir = tempDir();
  const options = {
    url: await server.start(),
    version: 1 as const,
    database: "x",
    retentionDays: 0,
    site: "demo",
    log: silentLog,
    spoolDir,
    timeoutMs: 300,
    maxPauseMs: 20,
    flushMs: 5,
    ...over,
  };
  const store = createInfluxStore(options);
  started.push({ server, store });
  await store.start();
  return { server, store, spoolDir };
}

const RESULT = { refusedLines: 0, droppedReadings: 0 };

function send(store: ReturnType<typeof createInfluxStore>, from: number, to: number): void {
  for (let s = from; s < to; s++) {
    store.writeRollups(Array.from({ length: 10 }, (_, i) => rollup(`s${i}`, T0 + 1000 * s, 5)));
  }
}

const settled = (store: ReturnType<typeof createInfluxStore>) =>
  until("everything stored", () => store.status().pendingReadings === 0);

describe("InfluxDB store, sick server", () => {
  for (const [name, sick] of [
    ["503 with Retry-After", { status: 503, headers: { "retry-after": "0" }, body: '{"error":"busy"}' }],
    ["401", { status: 401, body: '{"error":"authorization failed"}' }],
    ["500 on everything", { status: 500, body: '{"error":"internal"}' }],
    ["answers nothing", "hang"],
  ] as const satisfies readonly (readonly [string, Answer])[]) {
    it(`${name}, then well: everything is stored once, in order, nothing refused`, async () => {
      const { server, store } = await setUp();
      let well = false;
      server.answer = () => (well ? null : sick);
      send(store, 0, 20);
      await until("seen to be ill", () => !store.status().ready && server.requests >= 3);
      expect(store.status().storedReadings).toBe(0);
      expect(store.status().detail).toMatch(/InfluxDB at http/);
      send(store, 20, 40);
      well = true;
      await settled(store);
      expect(server.sum()).toBe(40 * 10 * 5);
      expect(store.status()).toMatchObject({ ...RESULT, storedReadings: 2000 });
      const times = server.order.map((key) => Number(key.split(" ")[1]));
      expect(times).toEqual([...times].sort((a, b) => a - b));
    });
  }

  it("hangs after storing: the repeat changes nothing, each reading counts once", async () => {
    const { server, store } = await setUp();
    server.answer = (lines, attempt) => {
      if (attempt > 2) return null;
      server.store(lines);
      return "hang";
    };
    send(store, 0, 10);
    await settled(store);
    expect(server.sum()).toBe(500);
    expect(store.status()).toMatchObject({ ...RESULT, storedReadings: 500 });
  });

  it("413: batches are halved until they fit, nothing refused", async () => {
    const { server, store } = await setUp();
    server.answer = (lines) => (lines.length > 7 ? { status: 413, body: "too large" } : null);
    send(store, 0, 10);
    await settled(store);
    expect(server.sum()).toBe(500);
    expect(store.status()).toMatchObject(RESULT);
  });

  for (const [name, status] of [
    ["400", 400],
    ["201, which the client takes for success,", 201],
    ["422", 422],
  ] as const) {
    it(`${name} for a batch with a bad line: that line alone is refused and kept with the reason`, async () => {
      const { server, store, spoolDir } = await setUp();
      const bad = (line: string) => line.includes("sensor=s3 ") && line.includes(`${T0 + 4000}`);
      server.answer = (lines) => {
        if (!lines.some(bad)) return null;
        // As 1.x does: the good lines of the batch are stored all the same, or, as 2.x may, none is.
        if (status === 400) server.store(lines.filter((line) => !bad(line)));
        return { status, body: '{"error":"partial write: field type conflict dropped=1"}' };
      };
      send(store, 0, 10);
      await settled(store);
      expect(server.sum()).toBe(495);
      expect(store.status()).toMatchObject({ refusedLines: 1, refusedReadings: 5, storedReadings: 495 });
      const kept = readFileSync(join(spoolDir, "refused.jsonl"), "utf8")
        .trim()
        .split("\n")
        .map((l) => JSON.parse(l));
      expect(kept.length).toBe(1);
      expect(bad(kept[0].line)).toBe(true);
      expect(kept[0].reason).toMatch(/field type conflict/);
    });
  }

  it("500 whenever one certain line is there: found after some tries, everything else stored", async () => {
    const { server, store } = await setUp();
    const bad = (line: string) => line.includes("sensor=s0 ") && line.includes(`${T0 + 2000}`);
    server.answer = (lines) => (lines.some(bad) ? { status: 500, body: '{"error":"panic"}' } : null);
    send(store, 0, 10);
    await settled(store);
    expect(server.sum()).toBe(495);
    expect(store.status()).toMatchObject({ refusedLines: 1, storedReadings: 495 });
  });

  it("404: the database is asked for again, then everything stored", async () => {
    const { server, store } = await setUp();
    server.answer = (_lines, attempt) => (attempt < 3 ? { status: 404, body: '{"error":"database not found"}' } : null);
    send(store, 0, 3);
    await settled(store);
    expect(server.sum()).toBe(150);
    expect(server.paths.filter((p) => p === "GET /query").length).toBeGreaterThan(1);
  });

  it("version 2: bucket, organisation and token: written to /api/v2/write", async () => {
    const { server, store } = await setUp({ version: 2, bucket: "x", org: "o", token: "t" });
    send(store, 0, 3);
    await settled(store);
    expect(server.sum()).toBe(150);
    expect(server.paths).toContain("POST /api/v2/write");
    expect(server.paths).not.toContain("POST /write");
  });

  it("spool full: the oldest data goes, counted; the newest is stored", async () => {
    const { server, store } = await setUp({ spoolMaxBytes: 64 * 1024 });
    let well = false;
    server.answer = () => (well ? null : { status: 503 });
    // Random levels compress badly: several times what the spool may hold.
    let seed = 1;
    const level = () => {
      seed = (seed * 16807) % 2147483647;
      return -120 + (seed % 10000) / 100;
    };
    const sent = 300;
    let before = 0;
    for (let s = 0; s < sent; s++) {
      before = store.status().pendingBytes;
      store.writeRollups(
        Array.from({ length: 20 }, (_, i) => {
          const r = rollup(`s${i}`, T0 + 1000 * s, 1);
          for (const column of [r.meanDbm, r.maxDbm, r.floorDbm, r.llr]) column[0] = level();
          return r;
        }),
      );
      // Several frames of the spool, not one.
      if (s % 10 === 9) await until("in the spool", () => store.status().pendingBytes !== before);
    }
    await until("the oldest is gone", () => store.status().pendingBytes > 0 && server.requests > 2);
    well = true;
    await settled(store);
    const { storedReadings, droppedReadings } = store.status();
    expect(droppedReadings).toBeGreaterThan(0);
    expect(storedReadings + droppedReadings).toBe(sent * 20);
    expect(server.sum()).toBe(storedReadings);
    expect(server.points.has(`reading_rollup,site=demo,block=b1,sensor=s0 ${T0 + 1000 * (sent - 1)}000000`)).toBe(true);
  });

  it("ids and times that can't be written: refused with reason, never sent", async () => {
    const { server, store } = await setUp();
    store.writeRollups([
      rollup("s1\\", T0),
      rollup("a,b=c d=1", T0),
      rollup("x\nreading_rollup,sensor=s2 n=1i", T0),
      rollup("s1", Number.NaN),
      rollup("s1", T0 + 0.5),
      rollup("s1", -5),
      rollup("s1", T0, 5),
    ]);
    await settled(store);
    expect(server.sum()).toBe(5);
    expect(store.status()).toMatchObject({ refusedLines: 6, refusedReadings: 60, storedReadings: 5 });
  });
});
