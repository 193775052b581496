/**
 * The embedded store, the default: roll-ups in hour files, alert events, late and raw readings and sensor health each in a log
 * of its own. Bounded by age and by size; survives kill -9 and power loss up to the last second.
 */
import { join } from "node:path";
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
import { AppError, asRefusal } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Alert, ReadingBatch, Rollup } from "../model.ts";
import { decodeBatch, encodeBatch, halvesOf } from "./batches.ts";
import { diskFiles, type FileLayer } from "./files.ts";
import { type AppendOptions, Journal, settled } from "./journal.ts";
import { RollupFiles } from "./rollup-files.ts";
import { thin } from "./thin.ts";

export interface LocalStoreOptions {
  readonly dir: string;
  /** 0: for ever (up to `maxBytes`). */
  readonly retentionDays: number;
  readonly log: Logger;
  readonly maxBytes?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly files?: FileLayer | undefined;
  /** How often what waits is written out and bounds are kept. Default 5000. */
  readonly tendMs?: number | undefined;
}

export interface LocalStore extends TimeSeriesStore {
  /** Late readings kept, in order of arrival. */
  queryLate(fromMs: number, toMs: number): Promise<readonly ReadingBatch[]>;
  /** Raw readings kept around an alert; a batch written twice comes once. */
  queryRaw(alertId: string): Promise<readonly ReadingBatch[]>;
}

const DAY_MS = 86_400_000;
const TEND_MS = 5000;
/** Alert events are small and matter most: they may use a sixteenth of the room, late, raw and health an eighth each. */
const SHARE = { alerts: 1 / 16, late: 1 / 8, raw: 1 / 8, health: 1 / 8 } as const;
type LogName = keyof typeof SHARE;
const KIND = { alerts: 1, late: 2, raw: 3, health: 4 } as const;

class EmbeddedStore implements LocalStore {
  private readonly o: LocalStoreOptions;
  private readonly clock: Clock;
  private readonly files: FileLayer;
  private readonly rollups: RollupFiles;
  private readonly logs = new Map<LogName, Journal>();
  /** Place of every alert event, in order of writing; the events themselves stay on disk. */
  private events: { readonly tMs: number; readonly position: number; readonly key: string }[] = [];
  private readonly eventKeys = new Set<string>();
  private timer: NodeJS.Timeout | null = null;
  private tending: Promise<void> = Promise.resolve();
  private stored = 0;
  private dropped = 0;
  private latePending = 0;
  private fatal: string | null = null;
  /** Parts of the store whose disk is full just now. */
  private readonly full = new Set<string>();

  constructor(o: LocalStoreOptions) {
    this.o = o;
    this.clock = o.clock ?? wallClock;
    this.files = o.files ?? diskFiles;
    const maxBytes = o.maxBytes ?? 16 * 1024 ** 3;
    this.rollups = new RollupFiles({
      dir: o.dir,
      files: this.files,
      clock: this.clock,
      log: o.log,
      maxBytes: maxBytes / 2,
      retentionMs: o.retentionDays * DAY_MS,
      onStored: (readings) => {
        this.stored += readings;
      },
      onDropped: (readings) => {
        this.dropped += readings;
      },
      onFatal: (error) => this.fail(error),
      onFull: (part, full) => this.noteFull(part, full),
    });
  }

  /** Opens what is there, repairing torn ends. Rejects with FILE_UNWRITABLE or STORE_UNAVAILABLE where the folder can't be used. */
  async start(): Promise<void> {
    try {
      await this.rollups.start();
      for (const name of Object.keys(SHARE) as LogName[]) this.logs.set(name, await this.openLog(name));
      for await (const frame of this.logs.get("alerts")!.replay(0)) {
        const record = JSON.parse(frame.payload.toString()) as AlertRecord;
        this.noteEvent(record, frame.position);
      }
    } catch (cause) {
      const refusal = asRefusal(cause);
      if (refusal instanceof AppError) throw refusal;
      const why = (cause as Error).message;
      throw new AppError("STORE_UNAVAILABLE", `the store in ${this.o.dir} can't be opened: ${why}`, { cause });
    }
    this.timer = setInterval(() => {
      this.tending = this.rollups.tend().catch((error: Error) => this.fail(error));
    }, this.o.tendMs ?? TEND_MS);
    this.timer.unref();
  }

  async stop(_deadlineMs: number): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    await this.tending;
    await this.rollups.stop();
    for (const log of this.logs.values()) await log.close();
    this.logs.clear();
  }

  async flush(): Promise<boolean> {
    let good = await this.rollups.synced();
    for (const log of this.logs.values()) good = (await settled(log)) && good;
    return good;
  }

  writeRollups(rollups: readonly Rollup[]): void {
    if (rollups.length > 0) this.rollups.write(rollups);
  }

  writeLate(batch: ReadingBatch): void {
    const halves = halvesOf(batch);
    if (halves) {
      for (const half of halves) this.writeLate(half);
      return;
    }
    this.latePending += batch.count;
    const done = (stored: boolean) => {
      this.latePending -= batch.count;
      if (stored) this.stored += batch.count;
      else this.dropped += batch.count;
    };
    const told = { onDurable: () => done(true), onLost: () => done(false) };
    if (!this.append("late", encodeBatch("", batch), told)) done(false);
  }

  writeRaw(alertId: string, batches: readonly ReadingBatch[]): void {
    for (const batch of batches) {
      const halves = halvesOf(batch);
      if (halves) this.writeRaw(alertId, halves);
      else this.append("raw", encodeBatch(alertId, batch));
    }
  }

  writeAlert(record: AlertRecord): void {
    if (this.eventKeys.has(keyOf(record))) return;
    const payload = Buffer.from(JSON.stringify(record));
    const onDurable = (next: number) => this.noteEvent(record, next - payload.length - FRAME_BYTES);
    this.append("alerts", payload, { onDurable, urgent: true });
  }

  /** Open alerts are part of the alert events here: nothing needs repeating. */
  writeAlertStates(_tMs: number, _open: readonly Alert[]): void {}

  writeSensorHealth(rows: readonly SensorHealthRow[]): void {
    if (rows.length > 0) this.append("health", Buffer.from(JSON.stringify(rows)));
  }

  async queryChannel(query: ChannelQuery): Promise<readonly ChannelPoint[]> {
    return thin(await this.rollups.query(query), query);
  }

  /** The newest `limit` of the range, oldest first. */
  async queryAlerts(fromMs: number, toMs: number, limit: number): Promise<readonly AlertRecord[]> {
    const log = this.logs.get("alerts");
    if (!log) return [];
    await log.flush();
    const begin = log.beginPosition;
    const places = this.events.filter((e) => e.tMs >= fromMs && e.tMs < toMs && e.position >= begin);
    places.sort((a, b) => a.tMs - b.tMs || a.position - b.position);
    const out: AlertRecord[] = [];
    for (const { position } of places.slice(-Math.max(1, limit))) {
      const frame = (await log.read(position, 1)).frames[0];
      if (frame?.position === position) out.push(JSON.parse(frame.payload.toString()) as AlertRecord);
    }
    return out;
  }

  async queryLate(fromMs: number, toMs: number): Promise<readonly ReadingBatch[]> {
    const inRange = (batch: ReadingBatch) =>
      batch.tsMs + Math.max(0, batch.count - 1) * batch.dtMs >= fromMs && batch.tsMs < toMs;
    return this.batches("late", (_alert, batch) => inRange(batch));
  }

  async queryRaw(alertId: string): Promise<readonly ReadingBatch[]> {
    return this.batches("raw", (alert) => alert === alertId);
  }

  status(): StoreStatus {
    const detail = this.fatal ?? (this.full.size > 0 ? "disk full" : this.logs.size === 0 ? "not started" : "");
    return {
      ready: detail === "",
      detail,
      storedReadings: this.stored,
      pendingReadings: this.rollups.pendingReadings + this.latePending,
      refusedLines: 0,
      refusedReadings: 0,
      droppedReadings: this.dropped,
      pendingBytes: 0,
    };
  }

  private async batches(name: "late" | "raw", wanted: (alert: string, batch: ReadingBatch) => boolean) {
    const log = this.logs.get(name);
    if (!log) return [];
    await log.flush();
    const found = new Map<string, ReadingBatch>();
    for await (const frame of log.replay(0)) {
      const { alert, batch } = decodeBatch(frame.payload);
      if (wanted(alert, batch)) found.set(`${batch.sensor}/${batch.boot}/${batch.seq}/${batch.count}`, batch);
    }
    return [...found.values()];
  }

  private append(name: LogName, payload: Buffer, options: AppendOptions = {}): boolean {
    return this.logs.get(name)?.append(KIND[name], payload, options) ?? false;
  }

  private noteEvent(record: AlertRecord, position: number): void {
    const key = keyOf(record);
    if (this.eventKeys.has(key)) return;
    this.eventKeys.add(key);
    this.events.push({ tMs: record.tMs, position, key });
    const begin = this.logs.get("alerts")?.beginPosition ?? 0;
    if (this.events[0]!.position < begin) {
      for (const e of this.events) if (e.position < begin) this.eventKeys.delete(e.key);
      this.events = this.events.filter((e) => e.position >= begin);
    }
  }

  private openLog(name: LogName): Promise<Journal> {
    const total = this.o.maxBytes ?? 16 * 1024 ** 3;
    const maxBytes = Math.max(1024 * 1024, total * SHARE[name]);
    return Journal.open({
      dir: join(this.o.dir, name),
      clock: this.clock,
      files: this.files,
      groupMs: name === "alerts" ? 5 : 200,
      segmentBytes: Math.min(16 * 1024 * 1024, maxBytes / 8),
      maxBytes,
      maxAgeMs: this.o.retentionDays * DAY_MS,
      reserveBytes: name === "alerts" ? Math.min(4 * 1024 * 1024, maxBytes / 8) : 0,
      onFatal: (error) => this.fail(error),
      onFull: (full) => this.noteFull(name, full),
    });
  }

  private noteFull(part: string, full: boolean): void {
    if (this.full.has(part) === full) return;
    if (full) this.full.add(part);
    else this.full.delete(part);
    this.o.log[full ? "error" : "info"]({ part }, full ? "disk full" : "the disk has room again");
  }

  private fail(error: Error): void {
    if (this.fatal) return;
    this.fatal = error.message;
    this.o.log.error({ err: error, dir: this.o.dir }, "the embedded store failed; new data is only counted");
  }
}

/** Bytes a frame adds to its payload. */
const FRAME_BYTES = 12;

function keyOf(record: AlertRecord): string {
  return `${record.change.after.id}/${record.change.after.version}/${record.change.type}`;
}

/** The door of this file. */
export function createLocalStore(options: LocalStoreOptions): LocalStore {
  return new EmbeddedStore(options);
}
