/** Writes traces (contracts section 4), with back-pressure. */
import type { TraceHeader } from "../contracts.ts";
import { openSink } from "./compression.ts";
import { formatBytes, formatJson } from "./line.ts";

/**
 * A message to be recorded: `bytes` as they came from a broker, `json` as text that is JSON on one line already, or any
 * `payload` value to be written as JSON.
 */
export type OutgoingMessage = { readonly t: number; readonly topic: string } & (
  | { readonly bytes: Uint8Array }
  | { readonly json: string }
  | { readonly payload: unknown }
);

export interface TraceWriter {
  /**
   * Appends a message. Returns undefined, or, about once per mebibyte, a promise to wait for before writing on:
   * `const wait = writer.write(m); if (wait) await wait;`. `t` must not go back; that is a bug of the caller and throws.
   */
  write(message: OutgoingMessage): Promise<void> | undefined;
  /** Everything so far is in the file: a recording that is killed then loses only what came after. */
  flush(): Promise<void>;
  close(): Promise<void>;
  /** Messages written. */
  readonly messages: number;
}

/** Characters gathered before they are encoded and written in one piece. */
const CHUNK_CHARS = 1 << 20;

/** Creates a trace; `.gz` and `.zst` are compressed. Errors: FILE_UNWRITABLE here, or from a promise of `write` or `close`. */
export async function createTraceWriter(path: string, header: TraceHeader): Promise<TraceWriter> {
  const sink = await openSink(path);
  let text = `${JSON.stringify(header)}\n`;
  let previousT = Number.NEGATIVE_INFINITY;
  let messages = 0;
  let last: Promise<void> = Promise.resolve();
  const drain = () => {
    const bytes = Buffer.from(text, "utf8");
    text = "";
    last = last.then(() => sink.write(bytes));
    // Who does not wait for this promise meets the same error at the next flush or close.
    last.catch(() => {});
    return last;
  };
  return {
    get messages() {
      return messages;
    },
    write(message) {
      const { t, topic } = message;
      if (t < previousT) throw new Error(`${path}: t goes back from ${previousT} to ${t}`);
      previousT = t;
      messages++;
      if ("bytes" in message) text += formatBytes(t, topic, message.bytes);
      else text += formatJson(t, topic, "json" in message ? message.json : JSON.stringify(message.payload));
      return text.length >= CHUNK_CHARS ? drain() : undefined;
    },
    async flush() {
      await drain();
      await sink.flush();
    },
    async close() {
      await drain();
      await sink.close();
    },
  };
}
