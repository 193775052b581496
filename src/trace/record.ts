/** Records a broker's traffic as a trace. */
import type { Clock } from "../contracts.ts";
import { AppError } from "../errors.ts";
import { type BrokerAddress, connectBroker } from "./broker.ts";
import { createTraceWriter, type TraceWriter } from "./writer.ts";

export interface RecordOptions {
  readonly broker: BrokerAddress;
  /** MQTT topic filters. */
  readonly topics: readonly string[];
  /** Where to; `.gz` and `.zst` are compressed. */
  readonly path: string;
  readonly note?: string;
  /** Ends the recording, leaving a whole file. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly onProgress?: (progress: RecordProgress) => void;
  /** Called once the broker has confirmed the subscription. */
  readonly onReady?: () => void;
}

export interface RecordProgress {
  readonly messages: number;
  readonly bytes: number;
  readonly reconnects: number;
}

/** Time between two flushes: what a recording that is killed loses at most. */
const FLUSH_MS = 1000;

/**
 * Subscribes and writes every message as it arrives until `signal` aborts.
 *
 * A message is acknowledged to the broker only after the file took it, so that a slow disk holds the broker back instead of
 * filling memory. `t` is the arrival by `clock`, never before the message above. Retained messages come first, as the broker
 * hands them out; after a reconnection it hands them out again, and they are recorded again.
 *
 * Errors: BROKER_UNAVAILABLE, FILE_UNWRITABLE. Whatever came before is in the file, which is whole.
 */
export async function recordTrace(options: RecordOptions): Promise<RecordProgress> {
  const { path, clock, signal } = options;
  const startMs = clock.nowMs();
  const link = await connectBroker(options.broker);
  const { client } = link;
  let writer: TraceWriter | null = null;
  let bytes = 0;
  let lastT = startMs;
  let failure: unknown = null;
  const failed = new AbortController();
  const progress = (): RecordProgress => ({ messages: writer?.messages ?? 0, bytes, reconnects: link.reconnects() });
  const open = (site: string) =>
    createTraceWriter(path, {
      cellward_trace: 1,
      site,
      start: startMs,
      ...(options.note === undefined ? {} : { note: options.note }),
    });
  const take = async (topic: string, payload: Uint8Array) => {
    // The first line names the site; the first message's topic says which it is.
    writer ??= await open(siteOf(topic) ?? siteOf(options.topics[0] ?? "") ?? "unknown");
    lastT = Math.max(lastT, clock.nowMs());
    bytes += payload.length;
    const wait = writer.write({ t: lastT, topic, bytes: payload });
    if (wait) await wait;
  };
  client.handleMessage = (packet, done) => {
    take(packet.topic, typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload).then(
      () => done(),
      (error) => {
        failure ??= error;
        failed.abort();
        done();
      },
    );
  };
  const timer = setInterval(() => {
    writer?.flush().catch((error) => {
      failure ??= error;
      failed.abort();
    });
    options.onProgress?.(progress());
  }, FLUSH_MS);
  try {
    await subscribe(link.client, options.topics);
    options.onReady?.();
    await Promise.race([link.lost, aborted(signal), aborted(failed.signal)]);
  } finally {
    clearInterval(timer);
    await link.end();
    writer ??= await open(siteOf(options.topics[0] ?? "") ?? "unknown");
    await writer.close().catch((error) => {
      failure ??= error;
    });
  }
  if (failure !== null) throw failure;
  return progress();
}

async function subscribe(client: Awaited<ReturnType<typeof connectBroker>>["client"], topics: readonly string[]) {
  const granted = await client.subscribeAsync([...topics], { qos: 1 }).catch((error) => {
    throw new AppError("BROKER_UNAVAILABLE", `the broker refused the subscription: ${(error as Error).message}`, {
      cause: error,
    });
  });
  const refused = granted.filter((grant) => grant.qos > 2);
  if (refused.length > 0) {
    throw new AppError(
      "BROKER_UNAVAILABLE",
      `the broker refused to let us read ${refused.map((g) => g.topic).join(", ")}`,
    );
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** The site a topic or topic filter names, or null. */
function siteOf(topic: string): string | null {
  return /^cellward\/v1\/([a-z0-9][a-z0-9-]{0,31})(\/|$)/.exec(topic)?.[1] ?? null;
}
