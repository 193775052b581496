/** Reads traces (contracts section 4): streaming, in constant memory, with every fault named by its line. */
import type { TraceHeader } from "../contracts.ts";
import type { AppError } from "../errors.ts";
import { checkJson, parseLine, type RawMessage } from "./line.ts";
import { damaged, type LineBatch, readLines } from "./lines.ts";

/** A message with its payload parsed; `payload_b64` in place of `payload` where it was not JSON. */
export type TraceMessage =
  | { readonly t: number; readonly topic: string; readonly payload: unknown }
  | { readonly t: number; readonly topic: string; readonly payload_b64: string };

export interface TraceReader extends AsyncIterable<TraceMessage> {
  readonly path: string;
  readonly header: TraceHeader;
  /**
   * The messages with their exact bytes, an array per chunk read: what replay uses. Each trace may be read once.
   *
   * The line's layout, `t` and topic are checked here; whether an interior payload is JSON is left to who parses it (use
   * `payloadError` then), because checking it twice would double the cost of a replay. The last line is always checked, since
   * a file that was cut off ends within it.
   */
  batches(): AsyncIterable<RawMessage[]>;
  /** Share of the file read so far, 0..1. */
  readShare(): number;
  /** The error to throw for a message that claims to be JSON and isn't. */
  payloadError(message: RawMessage): AppError;
}

/** What the first line must say; a later version is refused, never guessed at. */
const TRACE_VERSION = 1;

/**
 * Opens a trace and reads its header.
 *
 * Errors: FILE_UNREADABLE; TRACE_INVALID with line number and reason (no header, other version, a line cut off, compressed
 * data cut off, a line out of order) — here for the first line, while iterating for the rest.
 */
export async function openTrace(path: string): Promise<TraceReader> {
  const meter = { readBytes: 0, sizeBytes: 0 };
  const lines = readLines(path, meter)[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done) throw damaged(path, 1, "the file is empty; a trace begins with a header line");
  const header = readHeader(path, first.value);
  let used = false;

  async function* batches(): AsyncGenerator<RawMessage[]> {
    if (used) throw new Error(`${path}: a trace reader is read once`);
    used = true;
    let previousT = Number.NEGATIVE_INFINITY;
    let skip = 1;
    try {
      for (let batch: LineBatch | undefined = first.value; batch; batch = await next()) {
        const messages = readBatch(path, batch, skip, previousT);
        skip = 0;
        previousT = messages[messages.length - 1]?.t ?? previousT;
        if (messages.length > 0) yield messages;
      }
    } finally {
      await lines.return?.(undefined);
    }
  }
  const next = async () => {
    const result = await lines.next();
    return result.done ? undefined : result.value;
  };
  const payloadError = (message: RawMessage) => {
    const checked = checkJson(message.payload);
    return damaged(path, message.line, `the payload is not JSON (${checked.ok ? "it changed" : checked.reason})`);
  };
  async function* parsed(): AsyncGenerator<TraceMessage> {
    for await (const messages of batches()) {
      for (const message of messages) {
        if (!message.json) {
          const payload_b64 = Buffer.from(message.payload).toString("base64");
          yield { t: message.t, topic: message.topic, payload_b64 };
          continue;
        }
        const checked = checkJson(message.payload);
        if (!checked.ok) throw payloadError(message);
        yield { t: message.t, topic: message.topic, payload: checked.value };
      }
    }
  }
  const readShare = () => (meter.sizeBytes > 0 ? Math.min(1, meter.readBytes / meter.sizeBytes) : 0);
  return { path, header, batches, readShare, payloadError, [Symbol.asyncIterator]: parsed };
}

function readHeader(path: string, batch: LineBatch): TraceHeader {
  const bytes = batch.bytes.subarray(batch.starts[0], batch.ends[0]);
  const checked = checkJson(bytes);
  const expected = 'a trace begins with {"cellward_trace":1,"site":"…","start":…}';
  if (!checked.ok) {
    throw damaged(path, 1, batch.ended ? `is not JSON; ${expected}` : `the header is cut off; ${expected}`);
  }
  const value = checked.value as Record<string, unknown> | null;
  if (typeof value !== "object" || value === null || Array.isArray(value) || !("cellward_trace" in value)) {
    const truth = typeof value === "object" && value !== null && "emitter" in value && "legitimate" in value;
    throw damaged(path, 1, truth ? "this is a truth file, not a trace" : `the header is missing; ${expected}`);
  }
  if (value.cellward_trace !== TRACE_VERSION) {
    throw damaged(
      path,
      1,
      `the trace is of version ${JSON.stringify(value.cellward_trace)}; this program reads version ${TRACE_VERSION}`,
    );
  }
  if (typeof value.site !== "string" || value.site === "") throw damaged(path, 1, '"site" must name the site');
  if (!Number.isSafeInteger(value.start)) throw damaged(path, 1, '"start" must be integer epoch milliseconds');
  return value as unknown as TraceHeader;
}

function readBatch(path: string, batch: LineBatch, skip: number, previous: number): RawMessage[] {
  const { bytes, starts, ends, firstLine } = batch;
  const messages: RawMessage[] = [];
  let previousT = previous;
  for (let i = skip; i < starts.length; i++) {
    const line = firstLine + i;
    const message = parseLine(bytes, starts[i]!, ends[i]!, line);
    const cutOff = !batch.ended && i === starts.length - 1;
    if (typeof message === "string") {
      throw damaged(path, line, cutOff ? "the line is cut off (no line end, no whole message)" : message);
    }
    if (cutOff && message.json && !checkJson(message.payload).ok) {
      throw damaged(path, line, "the line is cut off (no line end, no whole message)");
    }
    if (message.t < previousT) {
      throw damaged(path, line, `out of order: t ${message.t} comes after t ${previousT}`);
    }
    previousT = message.t;
    messages.push(message);
  }
  return messages;
}
