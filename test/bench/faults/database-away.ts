/** F4: the database is away, for some seconds under the whole service and for hours of data under the store. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { InfluxDB, setLogger } from "@influxdata/influxdb-client";
import { readBeat } from "../../../src/heartbeat.ts";
import { createLogger } from "../../../src/log.ts";
import type { Rollup } from "../../../src/model.ts";
import { createInfluxStore } from "../../../src/store/influx.ts";
import { newLines, rollupLines } from "../../../src/store/lines.ts";
import { House } from "../../support/house.ts";
import { type InfluxServer, startInflux, startMosquitto, until } from "../../support/servers.ts";
import { SickInflux } from "../../support/sick-influx.ts";
import { type Fault, type FaultContext, type FaultResult, quantile } from "./frame.ts";
import { build, clean, figuresOf, MOSQUITTO, NO_MOSQUITTO, sleep } from "./service-faults.ts";

const INFLUX = existsSync("/usr/bin/influxd");
const NO_INFLUX: FaultResult = {
  met: false,
  figures: { missing: "influxd is not installed (apt-get install influxdb)" },
};
const DATABASE = "x";
/** Twelve sensors of ten readings a second: ten million a day. */
const SENSORS = 12;
const READINGS = 10;
/** Seconds of data that are handed over at once before the spool is waited for. */
const CHUNK_S = 200;
/** RSS may grow by so much while the data of hours waits (table F4). */
const MOST_MB = 100;

const rssMb = () => process.memoryUsage().rss / 1e6;

function second(tMs: number): Rollup[] {
  return Array.from({ length: SENSORS }, (_, i) => {
    // Levels that scatter, so that the spool compresses no better than it would in earnest.
    const level = -100 + ((tMs / 1000 + 7 * i) % 37) / 10;
    return {
      block: "b1",
      sensor: `s${i}`,
      tMs,
      readings: READINGS,
      bands: ["lte800-ul"],
      meanDbm: Float32Array.of(level),
      maxDbm: Float32Array.of(level + 3),
      floorDbm: Float32Array.of(-101),
      llr: Float32Array.of(0),
    };
  });
}

async function storedReadings(server: InfluxServer): Promise<number> {
  const rows = await server.query('SELECT sum("n") FROM "reading_rollup"', DATABASE);
  return Number(rows[0]?.values[0]?.[1] ?? 0);
}

/** Hours of data come while the database is away; it returns, and while the data of the day goes on it gets everything. */
async function hoursAway(context: FaultContext, hours: number): Promise<FaultResult> {
  const server = await startInflux();
  const store = createInfluxStore({
    url: server.url,
    version: 1,
    database: DATABASE,
    retentionDays: 0,
    site: "demo",
    log: createLogger("silent"),
    spoolDir: join(context.dir, "spool"),
  });
  try {
    await store.start();
    store.writeRollups(second(1_700_000_000_000));
    await until("the first second", () => store.status().pendingReadings === 0);
    await server.kill();
    const seconds = Math.round(3600 * hours);
    const before = rssMb();
    let most = 0;
    for (let s = 1; s <= seconds; s++) {
      store.writeRollups(second(1_700_000_000_000 + 1000 * s));
      if (s % CHUNK_S !== 0) continue;
      if (!(await store.flush())) throw new Error("the spool takes no more");
      most = Math.max(most, rssMb() - before);
    }
    await store.flush();
    const spoolMb = store.status().pendingBytes / 1e6;
    await server.restart();
    const restarted = performance.now();
    const waiting = store.status().pendingReadings;
    await until("the first delivery", () => store.status().pendingReadings < waiting, 60_000);
    const begin = performance.now();
    // The present goes on meanwhile.
    let now = seconds;
    const timer = setInterval(() => store.writeRollups(second(1_700_000_000_000 + 1000 * ++now)), 1000);
    await until("the rest", () => store.status().pendingReadings <= 2 * SENSORS * READINGS, 600_000);
    const drainS = (performance.now() - begin) / 1000;
    clearInterval(timer);
    most = Math.max(most, rssMb() - before);
    await store.flush();
    await until("the last second", () => store.status().pendingReadings === 0);
    const lost = (now + 1) * SENSORS * READINGS - (await storedReadings(server));
    const speed = seconds / drainS;
    return {
      met: lost === 0 && store.status().droppedReadings === 0 && speed >= 10 && most <= MOST_MB,
      figures: {
        "hours away": hours,
        readings: now * SENSORS * READINGS,
        lost,
        "spool MB": spoolMb.toFixed(1),
        "back in touch after s": ((begin - restarted) / 1000).toFixed(1),
        "drained in s": drainS.toFixed(1),
        "times real time": Math.round(speed),
        "RSS MB more at most": Math.round(most),
      },
    };
  } finally {
    await store.stop(0);
    await server.stop();
  }
}

/** The same with the client's own buffers, which is what most programs do. The database is a stub: 1.6 has no API of version 2. */
async function clientAlone(hours: number): Promise<FaultResult> {
  setLogger({ error() {}, warn() {} });
  const server = new SickInflux();
  server.answer = () => ({ status: 503 });
  const client = new InfluxDB({ url: await server.start(), timeout: 1000 });
  const api = client.getWriteApi("", DATABASE, "ns", { flushInterval: 100, maxRetryDelay: 200, maxRetries: 1000 });
  const seconds = Math.round(3600 * hours);
  for (let s = 1; s <= seconds; s++) {
    const out = newLines();
    rollupLines(out, "demo", second(1_700_000_000_000 + 1000 * s));
    for (const line of out.lines) api.writeRecord(line);
    if (s % CHUNK_S === 0) await sleep(5);
  }
  server.answer = () => null;
  await Promise.race([api.close().catch(() => {}), sleep(30_000)]);
  const lines = seconds * SENSORS;
  const lost = (lines - server.points.size) * READINGS;
  server.stop();
  return { met: lost === 0, figures: { readings: lines * READINGS, lost } };
}

/** The house with the database as its store; away for so many seconds while people call. */
async function serviceAway(context: FaultContext): Promise<FaultResult> {
  build();
  const broker = await startMosquitto();
  const server = await startInflux();
  const house = new House({
    dir: join(context.dir, "house"),
    sensorsUrl: broker.url,
    serviceUrl: broker.url,
    random: context.random,
    settings: {
      "store.kind": "influx",
      "store.influx.version": 1,
      "store.influx.url": server.url,
      "store.influx.database": DATABASE,
    },
    stored: async (add) => {
      const rows = await server.query('SELECT "n" FROM "reading_rollup" GROUP BY "sensor"', DATABASE);
      for (const { tags, values } of rows) for (const [t, n] of values) add(tags!.sensor!, Number(t), Number(n));
      const late = await server.query('SELECT "n" FROM "reading_late" GROUP BY "sensor"', DATABASE);
      for (const { tags, values } of late) for (const [t, n] of values) add(tags!.sensor!, Number(t), Number(n));
      return late.reduce((sum, series) => sum + series.values.length, 0);
    },
  });
  try {
    await house.open();
    if (!(await house.start())) throw new Error(`the service ended: ${house.log()}`);
    house.begin();
    await sleep(12_000);
    const before = house.alertMs.length;
    await server.kill();
    await sleep(1000 * context.runs);
    const during = house.alertMs.slice(before);
    await server.restart();
    const restarted = performance.now();
    const url = readBeat(join(context.dir, "house", "data"))!.url;
    const pending = async () => {
      await sleep(200);
      const text = await (await fetch(new URL("/metrics", url))).text();
      return Number(/^cellward_store_readings_pending (\S+)/m.exec(text)?.[1]);
    };
    // A second of the house's readings is always on its way.
    await until("the backlog", async () => (await pending()) <= 1500, 60_000);
    const caughtUpS = (performance.now() - restarted) / 1000;
    const verdict = await house.settle();
    const p99 = (values: readonly number[]) => Math.round(quantile(values, 0.99));
    return {
      met: clean(verdict) && during.length > 0 && p99(during) <= p99(verdict.alertMs.slice(0, before)) + 1000,
      figures: {
        "seconds away": context.runs,
        ...figuresOf(verdict),
        "alerts meanwhile": during.length,
        "window to alert p99 ms": `${p99(during)} (before: ${p99(verdict.alertMs.slice(0, before))})`,
        "caught up after s": caughtUpS.toFixed(1),
      },
    };
  } catch (error) {
    return { met: false, figures: { error: `${(error as Error).message}; ${house.log()}` } };
  } finally {
    await house.close();
    await server.stop();
    await broker.stop();
  }
}

const DAY_H = 24;

export const F4: Fault = {
  id: "F4",
  name: "the database away: for a day of ten million readings (the store), for seconds (the whole service)",
  target: "nothing lost, drained at 10 times real time, RSS at most 100 MB more, alerts as without",
  runs: 45,
  shortRuns: 20,
  run: async (context) => {
    if (!MOSQUITTO) return NO_MOSQUITTO;
    if (!INFLUX) return NO_INFLUX;
    const store = await hoursAway(context, DAY_H);
    const service = await serviceAway(context);
    return { met: store.met && service.met, figures: { ...store.figures, service: "", ...service.figures } };
  },
  // A day in the client's memory is more than it keeps; so are two hours.
  controls: { "the spool (the client's own buffers)": () => clientAlone(2) },
};
