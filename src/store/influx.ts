/**
 * The InfluxDB store: records become lines, lines go compressed into a spool on disk, and an outbox carries the spool to the
 * database. Writing never waits for the database; a day without it is a day of spool. What counts as stored is what the
 * database has acknowledged.
 */
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip, gzip } from "node:zlib";
import { wallClock } from "../clock.ts";
import type {
  AlertRecord,
  ChannelPoint,
  ChannelQuery,
  Clock,
  SensorHealthRow,
  StoreStatus,
  TimeSeriesStore,
} from "../contracts.ts";
import { AppError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Alert, AlertChange, ReadingBatch, Rollup } from "../model.ts";
import { AlertStates } from "./alert-states.ts";
import { diskFiles } from "./files.ts";
import { InfluxClient } from "./influx-client.ts";
import { InfluxWriter } from "./influx-writer.ts";
import { type Frame, Journal, settled } from "./journal.ts";
import {
  alertEventLine,
  heartbeatLine,
  type Lines,
  lateLines,
  newLines,
  rawLines,
  rollupLines,
  sensorHealthLines,
} from "./lines.ts";
import { Cursor, Outbox, type SinkState } from "./outbox.ts";
import { RollupSlices } from "./rollup-slices.ts";
import { bandField, type FIELDS, MEASUREMENT, REPEAT_S, TAG } from "./schema.ts";
import { thin } from "./thin.ts";

export interface InfluxStoreOptions {
  readonly url: string;
  readonly version: 1 | 2;
  /** Version 1. */
  readonly database?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Version 2. */
  readonly bucket?: string | undefined;
  readonly org?: string | undefined;
  readonly token?: string | undefined;
  /** 0: for ever. */
  readonly retentionDays: number;
  /** Tag of everything that is written. */
  readonly site: string;
  /** Tag of the heartbeat. */
  readonly instance?: string | undefined;
  /** Folder of the spool; one store alone may use it. */
  readonly spoolDir: string;
  /** Bound of the spool; beyond it the oldest data goes, counted. */
  readonly spoolMaxBytes?: number | undefined;
  readonly log: Logger;
  readonly clock?: Clock | undefined;
  readonly timeoutMs?: number | undefined;
  /** Lines are gathered for so long before they go to the spool. */
  readonly flushMs?: number | undefined;
  /** Longest pause between two attempts. */
  readonly maxPauseMs?: number | undefined;
}

const zip = promisify(gzip);
const unzip = promisify(gunzip);

/** Text of one spool frame: some thousand lines, far below a server's limit of a request and a frame's limit of 1 MiB. */
const CHUNK_CHARS = 512 * 1024;
/** Compressed bytes delivered at once: lines compress about sevenfold, so a request stays near 4 MB. */
const BATCH_BYTES = 512 * 1024;
/** Text that may wait in memory for a spool that doesn't take it (disk full); beyond it new lines are dropped, counted. */
const MAX_WAITING_CHARS = 32 * 1024 * 1024;
/** Rollups made into lines before other work gets its turn: about 2 ms. */
const SLICE = 128;
const KIND_LINES = 1;
/** Spool frame: readings u32, lines u32, readings since the spool began (f64), then the gzipped lines. */
const HEAD = 16;
const ID = /^[a-z0-9][a-z0-9-]{0,31}$/;

class InfluxStore implements TimeSeriesStore {
  private readonly o: InfluxStoreOptions;
  private readonly clock: Clock;
  private readonly client: InfluxClient;
  private readonly writer: InfluxWriter;
  private readonly states: AlertStates;
  private journal: Journal | null = null;
  private outbox: Outbox | null = null;
  private lines: Lines = newLines();
  private waitingChars = 0;
  private spooling: Promise<void> = Promise.resolve();
  private flushTimer: NodeJS.Timeout | null = null;
  private beatTimer: NodeJS.Timeout | null = null;
  private prepared = false;
  private state: SinkState | null = null;
  private readonly slices: RollupSlices;
  private fatal: string | null = null;
  /** Readings spooled and delivered since the spool began; their difference waits in the spool. */
  private spooled = 0;
  private deliveredMark = 0;
  private stored = 0;
  private refusedLines = 0;
  private refusedReadings = 0;
  private dropped = 0;

  constructor(o: InfluxStoreOptions) {
    this.o = o;
    this.clock = o.clock ?? wallClock;
    const database = o.version === 1 ? o.database : o.bucket;
    if (!database)
      throw new AppError("CONFIG_INVALID", `InfluxDB ${o.version} needs a ${o.version === 1 ? "database" : "bucket"}`);
    if (!ID.test(o.site)) throw new AppError("CONFIG_INVALID", `the site id ${JSON.stringify(o.site)} is not an id`);
    this.client = new InfluxClient({
      url: o.url,
      version: o.version,
      database,
      org: o.org,
      token: o.token,
      username: o.username,
      password: o.password,
      retentionDays: o.retentionDays,
      timeoutMs: o.timeoutMs ?? 10_000,
    });
    this.states = new AlertStates(o.site);
    this.slices = new RollupSlices(SLICE, (part) => this.take((out) => rollupLines(out, o.site, part)));
    this.writer = new InfluxWriter({
      target: {
        write: (body, signal) => this.client.write(body, signal),
        prepare: () => this.client.prepare(),
      },
      refusedFile: join(o.spoolDir, "refused.jsonl"),
      onRefused: (line, reason) => {
        this.refusedLines++;
        const n = /[ ,]n=(\d+)i/.exec(line)?.[1];
        if (n) this.refusedReadings += Number(n);
        o.log.warn({ line: line.slice(0, 300), reason }, "the database refused a line");
      },
      nowMs: () => this.clock.nowMs(),
    });
  }

  /** Resolves when the spool is open; the database may be absent. Rejects only when the spool can't be used. */
  async start(): Promise<void> {
    const { o } = this;
    const spoolMaxBytes = o.spoolMaxBytes ?? 8 * 1024 ** 3;
    this.journal = await Journal.open({
      dir: o.spoolDir,
      clock: this.clock,
      groupMs: 20,
      segmentBytes: Math.min(16 * 1024 * 1024, spoolMaxBytes / 4),
      // What is delivered goes with the next roll; what is not stays up to the bound.
      maxBytes: 0,
      hardMaxBytes: spoolMaxBytes,
      onFatal: (error) => {
        this.fatal = `spool: ${error.message}`;
        o.log.error({ err: error }, "the spool of the database failed; new data is only counted");
      },
      onFull: (full) => o.log[full ? "error" : "info"](full ? "disk full: the spool waits" : "the spool goes on"),
    });
    await this.restoreMarks();
    this.outbox = new Outbox({ journal: this.journal, dir: o.spoolDir, files: diskFiles, clock: this.clock });
    await this.outbox.add({
      name: "influx",
      batchBytes: BATCH_BYTES,
      maxPauseMs: o.maxPauseMs ?? 10_000,
      deliver: (frames, _key, signal) => this.deliver(frames, signal),
      onLost: (from, to) => o.log.error({ bytes: to - from }, "the spool was full: its oldest data is lost"),
      onState: (state) => this.onState(state),
    });
    this.beatTimer = setInterval(() => this.heartbeat(), REPEAT_S * 1000);
    this.beatTimer.unref();
    this.heartbeat();
    this.schedule(0);
  }

  async stop(deadlineMs: number): Promise<void> {
    if (!this.journal || !this.outbox) return;
    const end = performance.now() + deadlineMs;
    if (this.beatTimer) clearInterval(this.beatTimer);
    if (this.flushTimer) clearTimeout(this.flushTimer);
    this.flushTimer = null;
    this.slices.drain();
    this.spool();
    await this.spooling;
    await this.journal.flush();
    this.outbox.kick();
    while (performance.now() < end && (this.outbox.states()[0]?.behindBytes ?? 0) > 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await this.outbox.close();
    await this.journal.close();
  }

  async flush(): Promise<boolean> {
    const { journal } = this;
    if (!journal) return true;
    this.slices.drain();
    this.spool();
    await this.spooling;
    return await settled(journal);
  }

  writeRollups(rollups: readonly Rollup[]): void {
    this.slices.push(rollups);
  }
  writeLate(batch: ReadingBatch): void {
    this.take((out) => lateLines(out, this.o.site, batch));
  }
  writeRaw(alertId: string, batches: readonly ReadingBatch[]): void {
    this.take((out) => rawLines(out, this.o.site, alertId, batches));
  }
  writeAlert(record: AlertRecord): void {
    this.take((out) => {
      alertEventLine(out, this.o.site, record);
      this.states.change(out, record.tMs, record.change);
    });
  }
  writeAlertStates(tMs: number, open: readonly Alert[]): void {
    this.take((out) => this.states.repeat(out, tMs, open));
  }
  writeSensorHealth(rows: readonly SensorHealthRow[]): void {
    this.take((out) => sensorHealthLines(out, this.o.site, rows));
  }

  async queryChannel(query: ChannelQuery): Promise<readonly ChannelPoint[]> {
    if (!ID.test(query.sensor) || !ID.test(query.band)) return [];
    const [mean, max, floor, llr] = (["mean", "max", "floor", "llr"] as const).map((s) => bandField(query.band, s));
    const n = "n" satisfies keyof (typeof FIELDS)["rollup"];
    const rows = await this.ask(
      `SELECT "${mean}", "${max}", "${floor}", "${llr}", "${n}" FROM "${MEASUREMENT.rollup}" ` +
        `WHERE "${TAG.site}" = '${this.o.site}' AND "${TAG.sensor}" = '${query.sensor}' ` +
        `AND time >= ${Math.floor(query.fromMs)}ms AND time < ${Math.ceil(query.toMs)}ms`,
    );
    const num = (value: unknown) => (typeof value === "number" ? value : Number.NaN);
    const points = (rows[0]?.values ?? [])
      .filter((v) => v.slice(1, 5).some((x) => x !== null))
      .map((v) => ({
        tMs: num(v[0]),
        meanDbm: num(v[1]),
        maxDbm: num(v[2]),
        floorDbm: num(v[3]),
        llr: num(v[4]),
        readings: num(v[5]),
      }));
    return thin(points, query);
  }

  async queryAlerts(fromMs: number, toMs: number, limit: number): Promise<readonly AlertRecord[]> {
    const rows = await this.ask(
      `SELECT "json" FROM "${MEASUREMENT.alertEvent}" WHERE "${TAG.site}" = '${this.o.site}' ` +
        `AND time >= ${Math.floor(fromMs)}ms AND time < ${Math.ceil(toMs)}ms ORDER BY time DESC LIMIT ${Math.max(1, Math.floor(limit))}`,
    );
    return (rows[0]?.values ?? [])
      .map((v) => ({ tMs: v[0] as number, change: JSON.parse(v[1] as string) as AlertChange }))
      .reverse();
  }

  status(): StoreStatus {
    const waiting = this.journal ? Math.max(0, this.spooled - this.deliveredMark) : 0;
    const detail = this.detail();
    return {
      ready: detail === "",
      detail,
      storedReadings: this.stored,
      pendingReadings: waiting + this.slices.readings + this.lines.readings + this.unspooled,
      refusedLines: this.refusedLines,
      refusedReadings: this.refusedReadings,
      droppedReadings: this.dropped,
      pendingBytes: this.outbox?.states()[0]?.behindBytes ?? 0,
    };
  }

  // ------------------------------------------------------------------------------------------------------- writing

  /** Readings handed to the spool but not yet on its disk. */
  private unspooled = 0;

  private take(write: (out: Lines) => void): void {
    const first = this.lines.lines.length;
    write(this.lines);
    for (let i = first; i < this.lines.lines.length; i++) this.waitingChars += this.lines.lines[i]!.length + 1;
    for (const { what, why } of this.lines.refused.splice(0)) {
      this.refusedLines++;
      const n = /\((\d+) readings\)/.exec(why)?.[1];
      if (n) this.refusedReadings += Number(n);
      this.o.log.warn({ what, why }, "a record can't be written");
    }
    if (this.waitingChars > MAX_WAITING_CHARS) this.dropWaiting();
    else if (this.waitingChars > CHUNK_CHARS) this.spool();
    else this.schedule(this.o.flushMs ?? 250);
  }

  private dropWaiting(): void {
    this.dropped += this.lines.readings;
    for (const line of this.lines.lines) this.waitingChars -= line.length + 1;
    this.lines = newLines();
  }

  private schedule(ms: number): void {
    if (this.flushTimer || !this.journal) return;
    this.flushTimer = setTimeout(() => {
      this.flushTimer = null;
      this.spool();
    }, ms);
  }

  private heartbeat(): void {
    const { storedReadings: stored, pendingReadings: pending, refusedLines: refused } = this.status();
    const instance = this.o.instance && ID.test(this.o.instance) ? this.o.instance : "cellward";
    const now = this.clock.nowMs();
    this.take((out) => heartbeatLine(out, this.o.site, instance, now, { stored, pending, refused }));
  }

  /** Hands the gathered lines to the spool, behind those handed over before. */
  private spool(): void {
    if (!this.journal || this.lines.lines.length === 0) return;
    const { lines, readings } = this.lines;
    this.lines = newLines();
    this.unspooled += readings;
    this.spooling = this.spooling.then(() => this.spoolLines(lines, readings));
  }

  private async spoolLines(lines: readonly string[], readings: number): Promise<void> {
    let from = 0;
    while (from < lines.length) {
      let to = from;
      let chars = 0;
      while (to < lines.length && (to === from || chars + lines[to]!.length < CHUNK_CHARS))
        chars += lines[to++]!.length + 1;
      const last = to === lines.length;
      const part = lines.slice(from, to);
      const own = last && from === 0 ? readings : countReadings(part);
      await this.spoolChunk(part, own, chars);
      from = to;
    }
  }

  private async spoolChunk(lines: readonly string[], readings: number, chars: number): Promise<void> {
    const packed = await zip(`${lines.join("\n")}\n`, { level: 1 });
    const head = Buffer.alloc(HEAD);
    head.writeUInt32LE(readings, 0);
    head.writeUInt32LE(lines.length, 4);
    head.writeDoubleLE(this.spooled + readings, 8);
    this.unspooled -= readings;
    this.spooled += readings;
    const onLost = () => {
      this.spooled -= readings;
      this.waitingChars -= chars;
      this.dropped += readings;
    };
    const onDurable = () => {
      this.waitingChars -= chars;
      this.outbox?.kick();
    };
    if (!this.journal!.append(KIND_LINES, [head, packed], { onDurable, onLost })) onLost();
  }

  // ------------------------------------------------------------------------------------------------------ delivery

  /** After a start: how many readings the spool has seen and how many of them were delivered. */
  private async restoreMarks(): Promise<void> {
    const journal = this.journal!;
    const cursor = Math.max((await cursorOf(this.o.spoolDir)) ?? 0, journal.beginPosition);
    let first: number | null = null;
    for await (const frame of journal.replay(cursor)) {
      first = frame.payload.readDoubleLE(8) - frame.payload.readUInt32LE(0);
      break;
    }
    // The last frame carries the sum: a day's spool need not be read for it.
    for await (const frame of journal.replay(Math.max(cursor, journal.tailPosition))) {
      this.spooled = frame.payload.readDoubleLE(8);
    }
    this.deliveredMark = first ?? this.spooled;
  }

  private async deliver(frames: readonly Frame[], signal: AbortSignal): Promise<void> {
    if (!this.prepared) {
      // An account that may write may not be allowed to look at or make databases: then writing decides.
      await this.client
        .prepare()
        .catch((error: Error) => this.o.log.debug({ err: error }, "the database can't be prepared"));
    }
    // Members of a gzip file may follow each other: the frames go out as they lie in the spool.
    const packed = Buffer.concat(frames.map((frame) => frame.payload.subarray(HEAD)));
    const linesOf = async () => (await unzip(packed)).toString().trimEnd().split("\n");
    const before = this.refusedReadings;
    await this.writer.deliver(packed, linesOf, signal);
    if (!this.prepared) {
      this.prepared = true;
      this.o.log.info({ url: this.o.url }, "the database takes data");
    }
    const last = frames.at(-1)!.payload;
    const first = frames[0]!.payload;
    const begin = first.readDoubleLE(8) - first.readUInt32LE(0);
    if (begin > this.deliveredMark) this.dropped += begin - this.deliveredMark;
    const readings = last.readDoubleLE(8) - begin;
    this.deliveredMark = last.readDoubleLE(8);
    this.stored += readings - (this.refusedReadings - before);
  }

  private onState(state: SinkState): void {
    const was = this.state?.failing ?? 0;
    this.state = state;
    if (state.failing === 1 && was === 0) {
      this.o.log.warn(
        { url: this.o.url, reason: state.lastError },
        "the database takes nothing; data waits in the spool",
      );
    } else if (state.failing === 0 && was > 0) {
      this.o.log.info({ url: this.o.url }, "the database takes data again");
    }
    // After a failure the database may have been replaced by an empty one.
    if (state.failing > 0) this.prepared = false;
  }

  private detail(): string {
    if (this.fatal) return this.fatal;
    if (!this.journal) return "not started";
    if (this.journal.status().full) return "disk full: the spool takes nothing";
    if ((this.state?.failing ?? 0) > 0) return `InfluxDB at ${this.o.url}: ${this.state!.lastError}`;
    if (!this.prepared) return `InfluxDB at ${this.o.url}: no answer yet`;
    return "";
  }

  private async ask(influxql: string) {
    try {
      return await this.client.query(influxql);
    } catch (error) {
      throw new AppError("STORE_UNAVAILABLE", `InfluxDB at ${this.o.url}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
}

function countReadings(lines: readonly string[]): number {
  let sum = 0;
  for (const line of lines) {
    const n = /^reading_(?:rollup|late),\S+ n=(\d+)i/.exec(line)?.[1];
    if (n) sum += Number(n);
  }
  return sum;
}

async function cursorOf(dir: string): Promise<number | null> {
  const cursor = await Cursor.open(diskFiles, join(dir, "cursor-influx"));
  await cursor.close();
  return cursor.position;
}

/** The door of this file. Throws AppError CONFIG_INVALID where database (1) or bucket (2) is missing. */
export function createInfluxStore(options: InfluxStoreOptions): TimeSeriesStore {
  return new InfluxStore(options);
}
