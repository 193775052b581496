/**
 * What the HTTP server needs of the running service, and nothing else. `src/main.ts` supplies it from the pipeline, the
 * inbox and the stores; tests supply it from a fixture. Everything here is cheap and synchronous unless it reads history.
 */
import type { TimeSeriesStore } from "../contracts.ts";
import type {
  Alert,
  AlertChange,
  BandId,
  BlockId,
  BlockOutcomes,
  CellBelief,
  CellSearch,
  ChannelStatus,
  Command,
  CommandResult,
  LearningReport,
  RejectCode,
  SensorId,
  Site,
} from "../model.ts";

/** One thing the service depends on: broker, store, detector, journal. */
export interface ReadinessCheck {
  /** Short, for machines and people: `broker`, `store`, `journal`. */
  readonly name: string;
  readonly ready: boolean;
  /** Why not, one sentence for people; empty when ready. */
  readonly detail: string;
}

/** One channel (sensor and band) as the detector last saw it. NaN where it knows no number yet. */
export interface ChannelView {
  readonly block: BlockId;
  readonly sensor: SensorId;
  readonly band: BandId;
  readonly status: ChannelStatus;
  /** End of the last judged window; null before the first. */
  readonly tMs: number | null;
  readonly floorDbm: number;
  readonly levelDbm: number;
  readonly excessDb: number;
  readonly sigmaDb: number;
  readonly llr: number;
  readonly hot: boolean;
}

/** One sensor of the site file with what is known of it. */
export interface SensorView {
  readonly block: BlockId;
  readonly sensor: SensorId;
  /** null until the sensor said so itself or its readings did. */
  readonly online: boolean | null;
  /** Arrival of its last accepted message; null when it was never heard. */
  readonly lastSeenMs: number | null;
  readonly tamper: boolean;
  readonly boot: number | null;
  readonly model: string | null;
  readonly firmware: string | null;
  readonly periodMs: number | null;
  readonly tempC: number | null;
  readonly clockOffMs: number | null;
  readonly battery: number | null;
  readonly channels: readonly ChannelView[];
}

export interface RejectSample {
  readonly tMs: number;
  readonly topic: string;
  readonly detail: string;
  /** Begin of the payload as text, cut and with control characters escaped. */
  readonly payload: string;
}

/** What was not taken, by its closed reason. */
export interface RejectView {
  readonly code: RejectCode;
  readonly count: number;
  readonly samples: readonly RejectSample[];
}

export interface ServiceView {
  readonly version: string;
  readonly instance: string;
  readonly startedAtMs: number;
  readonly site: Site;
  /** Open alerts, and those that were closed last. */
  alerts(): readonly Alert[];
  /** What a person does to an alert. The answer says why when it is refused. */
  command(command: Command): CommandResult | Promise<CommandResult>;
  /** A cell was searched by hand; false: the site has no such cell. */
  search(search: CellSearch): boolean;
  /** Cells by the probability that a phone is kept there now, with reasons; at most `limit` of each block. */
  searchList(limit: number): readonly CellBelief[];
  /** The precision reached in each block, by recorded outcomes. */
  outcomes(): readonly BlockOutcomes[];
  /** Learning mode of each block. */
  learning(): readonly LearningReport[];
  /** Every sensor of the site, or of one block: about a millisecond for 640 channels. */
  sensors(block?: BlockId): readonly SensorView[];
  rejects(): readonly RejectView[];
  /** Every dependency, ready or not; the service is ready when all are. */
  readiness(): readonly ReadinessCheck[];
  /** Age of the newest accepted reading on the monotonic clock; null when there was none since start. */
  dataAgeMs(): number | null;
  /** The metrics registry as Prometheus text. */
  metrics(): Promise<string>;
  /** History, from whichever store is configured. Rejects with an `AppError` when the store is away. */
  readonly history: Pick<TimeSeriesStore, "queryChannel" | "queryAlerts">;
  /** Calls the listener on every alert event, in order; the answer ends that. */
  subscribe(listener: (change: AlertChange) => void): () => void;
}
