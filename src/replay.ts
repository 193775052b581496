import { CODECS } from "../sensors/index.ts";
import { Blocks } from "./blocks.ts";
import type { TraceHeader } from "./contracts.ts";
import { cellBeliefJson } from "./http/views.ts";
import { createDecoder } from "./ingest/decode.ts";
import { RejectLog } from "./ingest/rejects.ts";
import { SequenceBook } from "./ingest/sequence.ts";
import { Intake, type Ledger } from "./intake.ts";
import type { Alert, Calibration, CellBelief, PipelineEvent, Site, Track } from "./model.ts";
import { PIPELINE_DEFAULTS, type PipelineOptions } from "./pipeline.ts";

/**
 * A trace through the real pipeline in this process, on the trace's own clock: the same decoding, bookkeeping and judging
 * as live. Only the patience differs: two minutes of trace time cost nobody anything, and with them the outcome does not
 * depend on how the traffic was cut into messages.
 */

/** Longest batch that replay waits for; a sensor that sends every two minutes is judged in full. */
export const REPLAY_HOLD_MS = 120_000;

/** One line of `alerts.jsonl`. */
export interface AlertLine {
  readonly t: number;
  readonly type: "new" | "update" | "end";
  readonly before: Alert | null;
  readonly after: Alert;
}

export interface ReplayOptions {
  readonly site: Site;
  readonly calibration?: Calibration | null;
  /** Anything of the pipeline's that a test wants otherwise, e.g. a planted regression. */
  readonly pipeline?: Partial<Omit<PipelineOptions, "site" | "block" | "calibration" | "learning">>;
  /** Called for every track change as it is judged. */
  readonly onTrack?: (tMs: number, track: Track) => void;
  /** Called with the trace time now and then, for progress. */
  readonly onProgress?: (tMs: number, messages: number) => void;
}

export interface ReplayResult {
  /** In order of time, then block, then as they arose. */
  readonly alerts: AlertLine[];
  readonly ledger: Ledger;
  readonly rejects: ReturnType<RejectLog["rows"]>;
  readonly fromMs: number;
  readonly untilMs: number;
  /** What is believed of the cells at the end, likeliest first. */
  readonly searchList: { readonly tMs: number | null; readonly cells: readonly CellBelief[] };
}

/** What replay needs of a trace; `openTrace` gives it. */
export interface ReplaySource {
  readonly header: TraceHeader;
  batches(): AsyncIterable<readonly { readonly t: number; readonly topic: string; readonly payload: Uint8Array }[]>;
}

export async function replayInProcess(trace: ReplaySource, options: ReplayOptions): Promise<ReplayResult> {
  const { site } = options;
  const blocks = new Blocks({
    site,
    calibration: options.calibration ?? null,
    windowMs: PIPELINE_DEFAULTS.windowMs,
    falseAlarmsPerDay: PIPELINE_DEFAULTS.falseAlarmsPerDay,
    holdMs: REPLAY_HOLD_MS,
    eager: false,
    rollups: false,
    ...options.pipeline,
  });
  const rejects = new RejectLog();
  const decoder = createDecoder({ site, codecs: CODECS });
  const intake = new Intake({ decoder, sequencer: new SequenceBook(), rejects, blocks });
  const order = new Map(site.blocks.map((b, i) => [b.id, i]));
  const alerts: AlertLine[] = [];
  const take = (events: readonly PipelineEvent[]) => {
    for (const event of events) {
      if (event.type === "alert") alerts.push({ t: event.tMs, ...event.change });
      else if (event.type === "track") options.onTrack?.(event.tMs, event.track);
    }
  };

  let fromMs = Number.NaN;
  let nowMs = Number.NEGATIVE_INFINITY;
  let tickedMs = Number.NEGATIVE_INFINITY;
  for await (const messages of trace.batches()) {
    for (const { t, topic, payload } of messages) {
      // The clock moves before the message is filed: its first look must lie before the first instant.
      if (t - tickedMs >= TICK_MS) {
        take(blocks.tick(t));
        tickedMs = t;
      }
      intake.take(topic, payload, false, t);
      nowMs = t;
    }
    if (Number.isNaN(fromMs)) fromMs = messages[0]?.t ?? Number.NaN;
    options.onProgress?.(nowMs, intake.ledger.messages);
  }
  if (Number.isFinite(nowMs)) take(blocks.tick(nowMs));
  take(blocks.flush());
  // Blocks are judged independently, so their order in time is made here and not by when a message happened to come.
  const rank = (line: AlertLine) => order.get(line.after.block ?? "") ?? -1;
  alerts.sort((a, b) => a.t - b.t || rank(a) - rank(b));
  // As of the last window: when the last message came depends on how the traffic was cut into messages.
  const judgedMs = Math.max(...[...blocks.all()].map((p) => p.judgedUntilMs ?? Number.NEGATIVE_INFINITY));
  const cells = Number.isFinite(judgedMs) ? blocks.searchList(judgedMs, MOST_CELLS) : [];
  const searchList = { tMs: Number.isFinite(judgedMs) ? judgedMs : null, cells };
  return { alerts, ledger: intake.ledger, rejects: rejects.rows(), fromMs, untilMs: nowMs, searchList };
}

/** Cells of a block that are listed at the end. */
const MOST_CELLS = 100;
/** How often, in trace time, readiness is looked at; the outcome does not depend on it. */
const TICK_MS = 250;

/** The bytes of `alerts.jsonl`. */
export function alertsJsonl(alerts: readonly AlertLine[]): string {
  return alerts.map((a) => `${JSON.stringify({ t: a.t, type: a.type, before: a.before, after: a.after })}\n`).join("");
}

/** The bytes of `search-list.json`: what `GET /api/v1/search-list` would say at the end of the trace. */
export function searchListJson({ searchList }: Pick<ReplayResult, "searchList">): string {
  return `${JSON.stringify({ t: searchList.tMs, items: searchList.cells.map(cellBeliefJson) }, null, 1)}\n`;
}
