/**
 * What the outside implements for the core and for each other. Imports only the words.
 */
import type {
  Alert,
  AlertChange,
  BandId,
  BlockId,
  ReadingBatch,
  Reject,
  Rollup,
  SensorId,
  SensorMessage,
} from "./model.ts";

/** Time as an argument: the live one reads the wall, replay and tests set it. */
export interface Clock {
  /** Epoch milliseconds UTC. May step. */
  nowMs(): number;
  /** Milliseconds that never step; only differences mean something. */
  monotonicMs(): number;
}

/** Which sensor a payload came from, taken from its topic and already checked against the site. */
export interface SensorAddress {
  readonly block: BlockId;
  readonly sensor: SensorId;
  readonly kind: "birth" | "state" | "reading" | "readings" | "scan" | "health" | "presence";
}

/** Turns a sensor model's payload into our words and back. One folder a model under `sensors/`. */
export interface SensorCodec {
  /** The `model` of its births; the codec named "cellward" is the default. */
  readonly model: string;
  /** What payloads are: JSON is checked for depth and number of keys before `decode` sees it. Default "json". */
  readonly format?: "json" | "bytes";
  decode(address: SensorAddress, payload: Uint8Array): { readonly ok: true; readonly message: SensorMessage } | Reject;
  /**
   * A short cut for the commonest `readings`, asked before anything looks at the bytes: what `decode` would give, or null
   * where it isn't sure. Linear in the bytes, whatever they hold.
   */
  decodeReadings?(address: SensorAddress, payload: Uint8Array): ReadingBatch | null;
  encode(message: SensorMessage): Uint8Array;
}

// ---------------------------------------------------------------------------------------------------------------- store

/** A point of a channel's history. */
export interface ChannelPoint {
  readonly tMs: number;
  readonly meanDbm: number;
  readonly maxDbm: number;
  readonly floorDbm: number;
  readonly llr: number;
  readonly readings: number;
}

export interface ChannelQuery {
  readonly sensor: SensorId;
  readonly band: BandId;
  readonly fromMs: number;
  readonly toMs: number;
  /** At most so many points; the store thins out by whole multiples of a second. */
  readonly limit: number;
}

export interface AlertRecord {
  readonly tMs: number;
  readonly change: AlertChange;
}

/** What a store says of itself; also what `/readyz` and the ledger read. */
export interface StoreStatus {
  readonly ready: boolean;
  /** Why not, for people; empty when ready. */
  readonly detail: string;
  /** Readings (instants) durably stored, pending, and refused since start. */
  readonly storedReadings: number;
  readonly pendingReadings: number;
  readonly refusedLines: number;
  /** Readings among the refused lines. */
  readonly refusedReadings: number;
  /** Readings given up because the spool or the disk was full. */
  readonly droppedReadings: number;
  /** Bytes that wait on disk for the database; 0 for a store without one. */
  readonly pendingBytes: number;
}

/**
 * A time-series store. Writes never block and never throw: they queue, and the store's status says how far it is behind.
 * Every write is idempotent: the same record twice is one record.
 */
export interface TimeSeriesStore {
  start(): Promise<void>;
  /** Writes out what is queued, or gives up after `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
  /**
   * Resolves when everything written so far is durable: in the database, or on our own disk on its way there. False when the
   * disk does not take it; a store that failed for good has nothing more to wait for and says true.
   */
  flush(): Promise<boolean>;
  writeRollups(rollups: readonly Rollup[]): void;
  /** Readings that came after their second was rolled up. */
  writeLate(batch: ReadingBatch): void;
  /** Raw readings around an alert. */
  writeRaw(alertId: string, batches: readonly ReadingBatch[]): void;
  writeAlert(record: AlertRecord): void;
  /** The state of every open alert, repeated so that dashboards see it end. */
  writeAlertStates(tMs: number, open: readonly Alert[]): void;
  writeSensorHealth(rows: readonly SensorHealthRow[]): void;
  queryChannel(query: ChannelQuery): Promise<readonly ChannelPoint[]>;
  queryAlerts(fromMs: number, toMs: number, limit: number): Promise<readonly AlertRecord[]>;
  status(): StoreStatus;
}

/** One sensor as the health page and the database see it. */
export interface SensorHealthRow {
  readonly tMs: number;
  readonly block: BlockId;
  readonly sensor: SensorId;
  readonly online: boolean;
  readonly lastSeenMs: number | null;
  readonly tamper: boolean;
  readonly tempC: number | null;
  readonly clockOffMs: number | null;
}

// ------------------------------------------------------------------------------------------------------ trace and truth

/** First line of a trace file (contracts section 4). Further fields are kept as they are. */
export interface TraceHeader {
  readonly cellward_trace: 1;
  readonly site: string;
  /** Epoch milliseconds of the recording's begin. */
  readonly start: number;
  readonly note?: string;
  readonly [field: string]: unknown;
}

/** One line of `NAME.truth.jsonl`, field for field: an emitter transmitting without a longer pause. */
export interface TruthEpisode {
  readonly id: string;
  readonly emitter: string;
  /** True for staff, lawyers, visitors where phones are allowed. */
  readonly legitimate: boolean;
  readonly start: number;
  readonly end: number;
  readonly band: BandId;
  readonly eirp_dbm: number;
  readonly activity: string;
  readonly x_m: number;
  readonly y_m: number;
  /** null for emitters outside the site. */
  readonly floor: string | null;
  /** Zone the emitter stands in; null outside the site. */
  readonly cell: string | null;
  readonly outside?: boolean;
  readonly [field: string]: unknown;
}

/** One line of a label file: where the only active emitter stood. */
export interface LabelEpisode {
  readonly start: number;
  readonly end: number;
  readonly x_m: number;
  readonly y_m: number;
  readonly z_m?: number;
  readonly floor: string;
}
