/**
 * Every check that can be made of an installation from outside, whether its service runs or not. Looks only: nothing is
 * repaired, and nothing of a running service is touched.
 */
import { accessSync, constants, existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import mqtt from "mqtt";
import { type Config, learningOf } from "./config.ts";
import type { Clock } from "./contracts.ts";
import { counted } from "./counted.ts";
import { readBeat } from "./heartbeat.ts";
import { tlsOptions } from "./ingest/mqtt.ts";
import type { Site } from "./model.ts";
import { diskFiles, readOnly } from "./store/files.ts";
import { InfluxClient } from "./store/influx-client.ts";
import { isLocked } from "./store/lock.ts";
import { recoverLog } from "./store/recovery.ts";
import { SnapshotFile } from "./store/snapshot.ts";

export interface Check {
  readonly name: string;
  readonly state: "ok" | "warn" | "fail";
  readonly detail: string;
  /** What failed is a program or machine that we depend on. */
  readonly dependency?: boolean;
}

export interface Diagnosis {
  readonly checks: readonly Check[];
  /** The running service's counts, by metric name; null when it does not run or does not answer. */
  readonly ledger: Readonly<Record<string, number>> | null;
}

/** Besides the reserve so much should be free: a day of a small house, or an hour of a large one. */
const FREE_BYTES = 1024 ** 3;
const TIMEOUT_MS = 5_000;

export async function diagnose(config: Config, site: Site, clock: Clock): Promise<Diagnosis> {
  const checks: Check[] = [];
  const add = (name: string, state: Check["state"], detail: string, dependency = false) =>
    checks.push({ name, state, detail, dependency });
  const running = existsSync(join(config.dataDir, "lock")) && isLocked(config.dataDir);
  add("service", "ok", running ? `runs on ${config.dataDir}` : `does not run on ${config.dataDir}`);
  await checkDisk(config, add);
  const beat = running ? readBeat(config.dataDir) : null;
  if (running) {
    const ageMs = beat === null ? Number.POSITIVE_INFINITY : clock.nowMs() - beat.atMs;
    const detail = beat === null ? "no sign of life" : `last sign of life ${(ageMs / 1000).toFixed(1)} s ago`;
    add("heartbeat", ageMs < 6000 ? "ok" : "fail", detail);
  }
  await checkLog(config, clock, running, add);
  await checkBroker(config, add);
  await checkStore(config, add);
  const sensors = site.sensors.length;
  add(
    "site",
    sensors > 0 ? "ok" : "warn",
    `${site.id}: ${counted(site.blocks.length, "block")}, ${counted(sensors, "sensor")}`,
  );
  const ledger = beat === null ? null : await checkLedger(config, beat.url, add);
  checkLearning(config, site, ledger, clock, add);
  return { checks, ledger };
}

type Add = (name: string, state: Check["state"], detail: string, dependency?: boolean) => void;

async function checkDisk({ dataDir, journal }: Config, add: Add): Promise<void> {
  try {
    accessSync(dataDir, constants.W_OK);
    const { bavail, bsize } = await statfs(dataDir);
    const freeMb = Math.round((bavail * bsize) / 1e6);
    const wantedMb = Math.round((FREE_BYTES + journal.reserveBytes) / 1e6);
    add("disk", freeMb >= wantedMb ? "ok" : "warn", `${freeMb} MB free in ${dataDir}, ${wantedMb} MB wanted`);
  } catch (error) {
    add("disk", "fail", `${dataDir} can't be written: ${(error as Error).message}`);
  }
}

/** Goes through the whole durable log, every frame by its checksum, and the newest snapshot. */
async function checkLog(config: Config, clock: Clock, running: boolean, add: Add): Promise<void> {
  const dir = join(config.dataDir, "journal");
  if (!existsSync(dir)) {
    add("log", "warn", "there is no durable log yet");
    return;
  }
  try {
    const look = () => recoverLog(readOnly(diskFiles), dir, 0);
    // A running service may remove an old segment under our hands.
    const { recovery } = await look().catch(look);
    const { damage, tornBytes, frames, begin, end } = recovery;
    const places = damage.slice(0, 5).map((d) => `${d.from} to ${d.to}`);
    const torn = tornBytes > 0 ? `, ${tornBytes} bytes of a torn end${running ? " (being written)" : ""}` : "";
    if (damage.length > 0) add("log", "fail", `damaged at ${places.join("; ")} (${counted(damage.length, "place")})`);
    else add("log", "ok", `${counted(frames, "frame")} from ${begin} to ${end}, all sound${torn}`);
  } catch (error) {
    add("log", "fail", `can't be read: ${(error as Error).message}`);
  }
  const bad: string[] = [];
  const snapshots = new SnapshotFile({ dir: config.dataDir, name: "state", clock, files: readOnly(diskFiles) });
  const snapshot = await snapshots.load((file) => bad.push(file)).catch(() => null);
  if (bad.length > 0) add("snapshot", "warn", `damaged and passed over: ${bad.join(", ")}`);
  else if (snapshot === null) add("snapshot", "ok", "none yet");
  else {
    const ageS = (clock.nowMs() - snapshot.savedMs) / 1000;
    const old = running && ageS > 10 * config.journal.snapshotS;
    // Saved in the future: this machine's clock was set back since.
    if (ageS < -1) add("clock", "warn", `the clock is ${Math.round(-ageS)} s behind what it was at the last snapshot`);
    else add("clock", "ok", "not behind the last snapshot");
    add("snapshot", old ? "warn" : "ok", `of ${Math.round(ageS)} s ago`);
  }
}

async function checkBroker({ mqtt: m, instance }: Config, add: Add): Promise<void> {
  if (m.url === null) {
    add("broker", "ok", "embedded in the service");
    return;
  }
  try {
    const client = await mqtt.connectAsync(
      m.url,
      {
        clientId: `cellward-doctor-${instance}-${process.pid}`,
        protocolVersion: m.protocolVersion,
        connectTimeout: TIMEOUT_MS,
        reconnectPeriod: 0,
        ...tlsOptions(m.tls),
        ...(m.username === null ? {} : { username: m.username }),
        ...(m.password === null ? {} : { password: m.password.reveal() }),
      },
      false,
    );
    await client.endAsync(true);
    add("broker", "ok", `${m.url} answers`);
  } catch (error) {
    add("broker", "fail", `${m.url}: ${(error as Error).message || (error as { code?: string }).code}`, true);
  }
}

async function checkStore({ store }: Config, add: Add): Promise<void> {
  if (store.kind === "local") {
    add("database", "ok", "embedded");
    return;
  }
  const { influx } = store;
  const client = new InfluxClient({
    url: influx.url,
    version: influx.version,
    database: influx.version === 1 ? influx.database : influx.bucket,
    org: influx.org,
    token: influx.token?.reveal(),
    username: influx.username ?? undefined,
    password: influx.password?.reveal(),
    retentionDays: influx.retentionDays,
    timeoutMs: TIMEOUT_MS,
  });
  try {
    await client.query("SHOW DATABASES", { database: false });
    add("database", "ok", `${influx.url} answers`);
  } catch (error) {
    add("database", "fail", `${influx.url}: ${(error as Error).message}`, true);
  }
}

/** A house in learning mode does not alarm: that is said whether it is meant or forgotten. */
function checkLearning(config: Config, site: Site, ledger: Diagnosis["ledger"], clock: Clock, add: Add): void {
  const read = (name: string, block: string) => ledger?.[`${name}{block="${block}"}`] ?? 0;
  const learning = site.blocks.filter(({ id }) => read("learning", id) === 1);
  for (const { id } of learning) {
    const until = read("learning_until_seconds", id);
    const end =
      until === 0 ? "until some time after its first reading" : `until ${new Date(until * 1000).toISOString()}`;
    const alerts = counted(read("learning_alerts_total", id), "alert");
    add("learning", "warn", `block ${id} raises no alarm for phones ${end}; ${alerts} counted so far`);
  }
  const wanted = learningOf(config);
  if (learning.length > 0) return;
  const over = wanted !== null && wanted.hours === null && (wanted.untilMs ?? 0) <= clock.nowMs();
  if (wanted === null) add("learning", "ok", "off");
  else if (ledger !== null || over) add("learning", "ok", "over; the setting can be removed");
  else {
    const hours = wanted.hours === null ? "" : `for ${wanted.hours} h after a block's first reading`;
    const until = wanted.untilMs === null ? "" : `until ${new Date(wanted.untilMs).toISOString()}`;
    const ends = [hours, until].filter((t) => t !== "").join(", or ");
    add(
      "learning",
      "warn",
      `configured: ${wanted.blocks?.join(", ") ?? "all blocks"} raise no alarm for phones ${ends}`,
    );
  }
}

/** Asks the running service for its counts. */
async function checkLedger({ http }: Config, url: string, add: Add): Promise<Record<string, number> | null> {
  const headers = http.token === null ? {} : { authorization: `Bearer ${http.token.reveal()}` };
  try {
    const answer = await fetch(new URL("/metrics", url), { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const ledger: Record<string, number> = {};
    for (const line of (await answer.text()).split("\n")) {
      const match = /^cellward_((?:messages|readings|store|ledger|rejected|quota|recovered|learning)[^ ]*) (\S+)$/.exec(
        line,
      );
      if (match) ledger[match[1]!] = Number(match[2]);
    }
    const left = ledger.ledger_remainder ?? Number.NaN;
    add(
      "ledger",
      left === 0 ? "ok" : "fail",
      left === 0 ? "adds up" : `${left} messages or readings are unaccounted for`,
    );
    return ledger;
  } catch (error) {
    add("ledger", "fail", `${url} does not answer: ${(error as Error).message}`);
    return null;
  }
}
