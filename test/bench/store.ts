/**
 * What storing costs. Fixed seed, prints a hash of what was read back. Run: node bin/bench.js store [--short]
 *
 * CPU is this process's, all threads; the database's own CPU is not in it. Ratios are the figures to compare: rates move
 * with the machine.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import Database from "libsql";
import { wallClock } from "../../src/clock.ts";
import type { TimeSeriesStore } from "../../src/contracts.ts";
import { createLogger } from "../../src/log.ts";
import type { Rollup } from "../../src/model.ts";
import { encodeChunk, encodeRows, rowOf } from "../../src/store/chunks.ts";
import { createInfluxStore } from "../../src/store/influx.ts";
import { Journal } from "../../src/store/journal.ts";
import { createLocalStore } from "../../src/store/local.ts";
import { congruential } from "../support/noise.ts";
import { startInflux } from "../support/servers.ts";

const short = process.argv.includes("--short");
const SENSORS = 2000;
const SECONDS = short ? 30 : 120;
const T0 = Math.floor(Date.now() / 1000) * 1000 - 86_400_000;
const BANDS = [
  "lte700-ul",
  "lte800-ul",
  "gsm900-ul",
  "lte1800-ul",
  "umts2100-ul",
  "lte2600-ul",
  "nr3500-tdd",
  "bt-wifi-2400",
];
/** Four times real time: what comes faster than the spool takes it is dropped, and that is not what is measured here. */
const PACE_MS = 250;
const log = createLogger("silent");

const random = congruential(20260601);

/** A floor that wanders slowly, levels that scatter around it: what a quiet house looks like. */
const floors = Float32Array.from({ length: SENSORS * BANDS.length }, () => -105 + 10 * random());
function second(s: number): Rollup[] {
  return Array.from({ length: SENSORS }, (_, i) => {
    const column = (of: (floor: number) => number) =>
      Float32Array.from(BANDS, (_, b) => of(floors[i * BANDS.length + b]!));
    for (let b = 0; b < BANDS.length; b++) floors[i * BANDS.length + b]! += 0.02 * (random() - 0.5);
    return {
      block: `b${i % 8}`,
      sensor: `s${i}`,
      tMs: T0 + 1000 * s,
      readings: 50,
      bands: BANDS,
      meanDbm: column((f) => f + 0.5 * random()),
      maxDbm: column((f) => f + 4 + 3 * random()),
      floorDbm: column((f) => f),
      llr: column(() => Math.max(0, random() * 6 - 4)),
    };
  });
}

const say = (line: string) => process.stdout.write(`${line}\n`);
const dirs: string[] = [];
function temp(): string {
  const dir = mkdtempSync(join(tmpdir(), "cellward-bench-"));
  dirs.push(dir);
  return dir;
}

function bytesOf(dir: string): number {
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .reduce((sum, e) => sum + statSync(join(e.parentPath, e.name)).size, 0);
}

const cpuUs = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

/** User and system time of another process (clock ticks of 10 ms). */
function serverCpuUs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

interface Cost {
  readonly usPerRollup: number;
  readonly p99DelayMs: number;
}

/** Writes all seconds, the generator's own cost taken off; ends when `done`. */
async function write(
  seconds: readonly Rollup[][],
  one: (rollups: Rollup[]) => void,
  done: () => Promise<void>,
  paceMs = 5,
): Promise<Cost> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const before = cpuUs();
  for (const rollups of seconds) {
    one(rollups);
    await new Promise((resolve) => setTimeout(resolve, paceMs));
  }
  await done();
  delay.disable();
  return {
    usPerRollup: (cpuUs() - before) / (seconds.length * SENSORS),
    p99DelayMs: delay.percentile(99) / 1e6,
  };
}

const settled = (store: TimeSeriesStore) => async () => {
  while (store.status().pendingReadings > 0) await new Promise((resolve) => setTimeout(resolve, 5));
};

function report(name: string, cost: Cost, more = ""): void {
  const perCore = Math.round(1e6 / cost.usPerRollup);
  const share = ((cost.usPerRollup * SENSORS) / 1e4).toFixed(1);
  say(
    `${name.padEnd(34)} ${cost.usPerRollup.toFixed(1).padStart(6)} us a rollup  ${String(perCore).padStart(7)} rollups/s/core  ` +
      `${share.padStart(5)} % of a core at 2,000/s  loop p99 ${cost.p99DelayMs.toFixed(1)} ms${more}`,
  );
}

async function benchLocal(seconds: readonly Rollup[][]): Promise<string> {
  const dir = temp();
  const store = createLocalStore({ dir, retentionDays: 0, log });
  await store.start();
  const cost = await write(seconds, (rollups) => store.writeRollups(rollups), settled(store));
  await store.stop(0);
  const bytes = bytesOf(join(dir, "hours")) / (seconds.length * SENSORS);
  report("embedded store", cost, `  ${bytes.toFixed(0)} B a rollup on disk`);
  const again = createLocalStore({ dir, retentionDays: 0, log });
  await again.start();
  const begin = performance.now();
  const hash = createHash("sha256");
  for (let i = 0; i < 20; i++) {
    const query = { sensor: `s${i * 97}`, band: BANDS[i % 8]!, fromMs: T0, toMs: T0 + 1e7, limit: 1e6 };
    const points = await again.queryChannel(query);
    hash.update(JSON.stringify(points.map((p) => [p.meanDbm, p.maxDbm, p.floorDbm, p.llr, p.readings])));
  }
  const ms = (performance.now() - begin) / 20;
  say(`embedded store, one channel's ${seconds.length} s read back: ${ms.toFixed(1)} ms`);
  await again.stop(0);
  return hash.digest("hex").slice(0, 16);
}

/** The alternatives for the embedded store: SQLite with a row a sensor and second, or with a chunk a sensor and minute. */
async function benchLibsql(seconds: readonly Rollup[][]): Promise<void> {
  const dir = temp();
  const db = new Database(join(dir, "rows.db"));
  db.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL");
  db.exec("CREATE TABLE rows (sensor INTEGER, t INTEGER, v BLOB, PRIMARY KEY (sensor, t)) WITHOUT ROWID");
  const insert = db.prepare("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)");
  const key = BANDS.join(",");
  const cost = await write(
    seconds,
    (rollups) => {
      db.exec("BEGIN");
      for (const [i, r] of rollups.entries()) {
        const { values } = rowOf(r, key);
        insert.run(i, r.tMs, Buffer.from(values.buffer));
      }
      db.exec("COMMIT");
    },
    async () => {},
  );
  db.close();
  report(
    "libsql, a row a sensor and second",
    cost,
    `  ${(bytesOf(dir) / (seconds.length * SENSORS)).toFixed(0)} B a rollup on disk`,
  );
}

function benchCodec(seconds: readonly Rollup[][]): void {
  const key = BANDS.join(",");
  let before = cpuUs();
  let bytes = 0;
  for (const rollups of seconds) bytes += encodeRows(rollups).length;
  const rows = (cpuUs() - before) / (seconds.length * SENSORS);
  before = cpuUs();
  let packed = 0;
  const sensors = 400;
  for (let i = 0; i < sensors; i++) packed += encodeChunk(seconds.map((rollups) => rowOf(rollups[i]!, key))).length;
  const chunks = (cpuUs() - before) / (seconds.length * sensors);
  say(
    `of that: row for the log ${rows.toFixed(2)} us, ${(bytes / seconds.length / SENSORS).toFixed(0)} B; ` +
      `share of a chunk ${chunks.toFixed(2)} us, ${(packed / seconds.length / sensors).toFixed(0)} B`,
  );
}

async function benchInflux(seconds: readonly Rollup[][]): Promise<void> {
  if (!existsSync("/usr/bin/influxd")) {
    say("InfluxDB: influxd is not installed, left out");
    return;
  }
  const server = await startInflux();
  try {
    const common = { url: server.url, version: 1 as const, database: "bench", retentionDays: 0, site: "bench", log };
    const store = createInfluxStore({ ...common, spoolDir: temp(), maxPauseMs: 200 });
    await store.start();
    report(
      "InfluxDB store, database there",
      await write(seconds, (r) => store.writeRollups(r), settled(store), PACE_MS),
    );
    await server.kill();
    const down = seconds.map((rollups) => rollups.map((r) => ({ ...r, tMs: r.tMs + 1e7 })));
    const rss = process.memoryUsage().rss;
    const spooled = async () => {
      let last = -1;
      while (last !== store.status().pendingBytes) {
        last = store.status().pendingBytes;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    };
    report("InfluxDB store, database down", await write(down, (r) => store.writeRollups(r), spooled, PACE_MS));
    const bytes = store.status().pendingBytes / (down.length * SENSORS);
    await server.restart();
    const serverBefore = serverCpuUs(server.pid()!);
    const begin = performance.now();
    const before = cpuUs();
    await settled(store)();
    const serverUs = (serverCpuUs(server.pid()!) - serverBefore) / (down.length * SENSORS);
    const wall = (performance.now() - begin) / 1000;
    const us = (cpuUs() - before) / (down.length * SENSORS);
    say(
      `InfluxDB store, ${down.length} s of backlog drained in ${wall.toFixed(1)} s: ${(down.length / wall).toFixed(1)} x real time, ` +
        `${Math.round((down.length * SENSORS) / wall)} rollups/s, ${us.toFixed(1)} us of our CPU and ${serverUs.toFixed(0)} us of the database's a rollup, ` +
        `${bytes.toFixed(0)} B a rollup in the spool, RSS ${((process.memoryUsage().rss - rss) / 1e6).toFixed(0)} MB more than before`,
    );
    const rows = await server.query('SELECT sum("n") FROM reading_rollup', "bench");
    const sum = Number(rows[0]?.values[0]?.[1]);
    const { droppedReadings } = store.status();
    say(
      `InfluxDB: sum(n) ${sum}, dropped before the spool ${droppedReadings}, sent ${2 * seconds.length * SENSORS * 50}`,
    );
    if (sum + droppedReadings !== 2 * seconds.length * SENSORS * 50) throw new Error("the readings don't add up");
    await store.stop(0);
  } finally {
    await server.stop();
  }
}

/** `inFlight` appends unacknowledged at a time, as a broker with that receive maximum would have it. */
async function benchJournal(sync: boolean, inFlight: number, total: number): Promise<number> {
  const fail = (error: Error) => {
    throw error;
  };
  const journal = await Journal.open({ dir: temp(), clock: wallClock, sync, onFatal: fail });
  const payload = Buffer.alloc(300, 7);
  const begin = performance.now();
  const before = cpuUs();
  let sent = 0;
  await new Promise<void>((resolve) => {
    let acked = 0;
    const onDurable = () => {
      if (++acked === total) resolve();
      else if (sent < total) {
        sent++;
        journal.append(1, payload, { onDurable });
      }
    };
    while (sent < Math.min(inFlight, total)) {
      sent++;
      journal.append(1, payload, { onDurable });
    }
  });
  const rate = (1000 * total) / (performance.now() - begin);
  const us = (cpuUs() - before) / total;
  const { groups } = journal.status();
  await journal.close();
  say(
    `journal ${sync ? "fdatasync" : "no sync  "}, ${String(inFlight).padStart(5)} in flight: ` +
      `${String(Math.round(rate)).padStart(7)} appends/s, ${us.toFixed(1)} us CPU each, ${(total / groups).toFixed(0)} a group`,
  );
  return rate;
}

function benchLibsqlJournal(perTransaction: number, total: number): void {
  const db = new Database(join(temp(), "log.db"));
  db.exec(
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE log (id INTEGER PRIMARY KEY, kind INTEGER, v BLOB)",
  );
  const insert = db.prepare("INSERT INTO log (kind, v) VALUES (1, ?)");
  const payload = Buffer.alloc(300, 7);
  const begin = performance.now();
  const before = cpuUs();
  for (let i = 0; i < total; i += perTransaction) {
    db.exec("BEGIN");
    for (let j = 0; j < perTransaction; j++) insert.run([payload]);
    db.exec("COMMIT");
  }
  const rate = (1000 * total) / (performance.now() - begin);
  const us = (cpuUs() - before) / total;
  db.close();
  say(
    `libsql FULL, ${perTransaction} a transaction: ${Math.round(rate)} appends/s, ${us.toFixed(1)} us CPU each, blocking the loop`,
  );
}

const seconds = Array.from({ length: SECONDS }, (_, s) => second(s));
say(`node ${process.version}, ${SENSORS} sensors x ${BANDS.length} bands, ${SECONDS} s${short ? " (short)" : ""}`);
const influxOnly = process.argv.includes("--influx");
try {
  if (influxOnly) {
    await benchInflux(seconds);
    process.exit(0);
  }
  const hash = await benchLocal(seconds);
  benchCodec(seconds);
  await benchLibsql(seconds);
  await benchInflux(seconds);
  const total = short ? 20_000 : 100_000;
  for (const inFlight of [1, 100, 1000, 10_000]) {
    const few = inFlight === 1 ? 500 : total;
    const without = await benchJournal(false, inFlight, few);
    const withSync = await benchJournal(true, inFlight, few);
    say(`  ratio with/without sync ${(withSync / without).toFixed(2)}`);
  }
  benchLibsqlJournal(1, 500);
  benchLibsqlJournal(200, total);
  say(`hash ${hash}`);
} finally {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
}
