/** F5: an InfluxDB that hangs, answers 503, 401, 413, 500 or 201 for half a batch, and finds a bad line in some batches. */
import { join } from "node:path";
import { InfluxDB } from "@influxdata/influxdb-client";
import { createLogger } from "../../../src/log.ts";
import { createInfluxStore } from "../../../src/store/influx.ts";
import { newLines, rollupLines } from "../../../src/store/lines.ts";
import { SickInflux } from "../../support/sick-influx.ts";
import type { Fault, FaultContext, FaultResult } from "./frame.ts";

const T0 = 1_700_000_000_000;
const SENSORS = 20;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const isBad = (line: string) => /sensor=s7 /.test(line) && /[05]000000000$/.test(line);

/** A server whose mood changes with chance; `recover` makes it well, bad lines aside. */
function moody(random: () => number): { server: SickInflux; recover(): void; tally: Record<string, number> } {
  const server = new SickInflux();
  const tally: Record<string, number> = {};
  let well = false;
  server.answer = (lines) => {
    const good = lines.filter((line) => !isBad(line));
    const mood = well ? 1 : random();
    const note = (name: string) => {
      tally[name] = (tally[name] ?? 0) + 1;
    };
    if (mood < 0.1) {
      note("hangs");
      if (random() < 0.5) server.store(good);
      return "hang";
    }
    if (mood < 0.25) {
      note("503");
      return { status: 503 };
    }
    if (mood < 0.35) {
      note("401");
      return { status: 401 };
    }
    if (mood < 0.45 && lines.length > 3) {
      note("413");
      return { status: 413 };
    }
    if (mood < 0.5) {
      note("500");
      return { status: 500 };
    }
    if (good.length === lines.length) return null;
    // What 1.x does and what 3 Core does with a bad line.
    const status = random() < 0.5 ? 400 : 201;
    note(`${status} for a bad line`);
    if (random() < 0.5) server.store(good);
    return { status, body: `{"error":"partial write: bad line dropped=${lines.length - good.length}"}` };
  };
  return {
    server,
    recover: () => {
      well = true;
    },
    tally,
  };
}

function second(s: number) {
  return Array.from({ length: SENSORS }, (_, i) => ({
    block: "b1",
    sensor: `s${i}`,
    tMs: T0 + 1000 * s,
    readings: 10,
    bands: ["lte800-ul"],
    meanDbm: Float32Array.of(-98),
    maxDbm: Float32Array.of(-90),
    floorDbm: Float32Array.of(-101),
    llr: Float32Array.of(0),
  }));
}

function verdict(server: SickInflux, seconds: number, more: Record<string, number | string>): FaultResult {
  let wanted = 0;
  let stored = 0;
  let invented = 0;
  for (let s = 0; s < seconds; s++) {
    const out = newLines();
    rollupLines(out, "demo", second(s));
    for (const line of out.lines) {
      const [series, , time] = line.split(" ");
      const there = server.points.has(`${series} ${time}`);
      if (isBad(line)) invented += there ? 1 : 0;
      else {
        wanted++;
        stored += there ? 1 : 0;
      }
    }
  }
  return {
    met: stored === wanted && invented === 0,
    figures: { "good lines": wanted, "of them lost": wanted - stored, requests: server.requests, ...more },
  };
}

async function ours(context: FaultContext): Promise<FaultResult> {
  const { server, recover, tally } = moody(context.random);
  const store = createInfluxStore({
    url: await server.start(),
    version: 1,
    database: "x",
    retentionDays: 0,
    site: "demo",
    log: createLogger("silent"),
    spoolDir: join(context.dir, "spool"),
    timeoutMs: 100,
    maxPauseMs: 20,
    flushMs: 5,
  });
  await store.start();
  for (let s = 0; s < context.runs; s++) {
    store.writeRollups(second(s));
    await sleep(20);
  }
  recover();
  while (store.status().pendingReadings > 0) await sleep(10);
  const { refusedLines, storedReadings, refusedReadings } = store.status();
  await store.stop(0);
  const bad = Math.ceil(context.runs / 5);
  const result = verdict(server, context.runs, { "bad lines set apart": `${refusedLines}/${bad}`, ...tally });
  server.stop();
  const ledger = storedReadings + refusedReadings === context.runs * SENSORS * 10;
  return { met: result.met && refusedLines === bad && ledger, figures: result.figures };
}

/** The official client with its own buffers and a flush a second of data: what most programs do. */
async function clientAlone(context: FaultContext): Promise<FaultResult> {
  const { server, recover } = moody(context.random);
  const client = new InfluxDB({ url: await server.start(), timeout: 100 });
  const api = client.getWriteApi("", "x", "ns", {
    maxRetries: 2,
    minRetryDelay: 5,
    maxRetryDelay: 20,
    batchSize: SENSORS,
    flushInterval: 0,
    writeFailed: () => {},
  });
  for (let s = 0; s < context.runs; s++) {
    const out = newLines();
    rollupLines(out, "demo", second(s));
    for (const line of out.lines) api.writeRecord(line);
    await api.flush().catch(() => {});
  }
  recover();
  await Promise.race([api.close().catch(() => {}), sleep(5000)]);
  await sleep(200);
  const result = verdict(server, context.runs, {});
  server.stop();
  return result;
}

export const F5: Fault = {
  id: "F5",
  name: "InfluxDB sick: hangs, 503, 401, 413, 500, 201 partial, bad lines",
  target: "0 good lines lost, every bad line set apart, the ledger adds up",
  runs: 300,
  shortRuns: 60,
  run: ours,
  controls: { "the outbox (the client's own buffers instead)": clientAlone },
};
