/**
 * Gets a batch of lines into InfluxDB to the last line: what the server refuses is found by halving, set apart with its
 * reason, and everything else is stored.
 */
import { appendFile, rename, stat } from "node:fs/promises";
import type { WriteResult } from "./influx-client.ts";
import { RetryLater } from "./outbox.ts";

/** The file of refused lines is renamed to `….1` at this size, so the two together are bounded. */
const REFUSED_FILE_BYTES = 16 * 1024 * 1024;

/** Attempts without a single line stored after which the server, not a line, is taken for the culprit: 2 log2(10,000) and some. */
const ISOLATE_ATTEMPTS = 32;

interface Refused {
  readonly index: number;
  readonly reason: string;
}

export interface LineTarget {
  /** Text, or bytes that are gzip already. */
  write(body: string | Buffer, signal: AbortSignal): Promise<WriteResult>;
  /** Creates what is missing. */
  prepare(): Promise<void>;
}

export interface WriterOptions {
  readonly target: LineTarget;
  readonly refusedFile: string;
  /** After so many failures in a row on the same batch with "the server failed on it", the culprit is looked for. */
  readonly brokenLimit?: number;
  readonly onRefused: (line: string, reason: string) => void;
  readonly nowMs: () => number;
}

export class InfluxWriter {
  private readonly o: WriterOptions;
  private broken = 0;

  constructor(o: WriterOptions) {
    this.o = o;
  }

  /**
   * Sends the batch as it is; only when the server finds fault with it, `linesOf` is asked for its lines. Resolves when all
   * lines but refused ones are stored. Rejects with RetryLater when the whole batch is to come again; lines that were stored
   * by then are written again, which changes nothing.
   */
  async deliver(packed: Buffer, linesOf: () => Promise<readonly string[]>, signal: AbortSignal): Promise<void> {
    const result = await this.o.target.write(packed, signal);
    if (result.type === "stored") {
      this.broken = 0;
      return;
    }
    const lines =
      result.type === "refused" || result.type === "too-large" || result.type === "broken" ? await linesOf() : [];
    const refused: Refused[] = [];
    try {
      await this.judge(result, lines, 0, lines.length, refused, signal);
    } catch (error) {
      if (!(error instanceof Broken)) throw error;
      if (++this.broken < (this.o.brokenLimit ?? 5)) throw new RetryLater(error.message, error.afterMs);
      refused.length = 0;
      const tally = { stored: 0, attempts: 0 };
      await this.isolate(lines, 0, lines.length, refused, tally, signal);
      // Where nothing at all gets through it is the server that is ill, not a line.
      if (tally.stored === 0) throw new RetryLater(error.message, error.afterMs);
    }
    this.broken = 0;
    if (refused.length > 0) await this.keep(lines, refused);
  }

  private async part(
    lines: readonly string[],
    from: number,
    to: number,
    refused: Refused[],
    signal: AbortSignal,
  ): Promise<void> {
    const result = await this.o.target.write(lines.slice(from, to).join("\n"), signal);
    await this.judge(result, lines, from, to, refused, signal);
  }

  /** What follows from the answer to lines `from` to `to`. */
  private async judge(
    result: WriteResult,
    lines: readonly string[],
    from: number,
    to: number,
    refused: Refused[],
    signal: AbortSignal,
  ): Promise<void> {
    switch (result.type) {
      case "stored":
        return;
      case "away":
        throw new RetryLater(result.reason, result.afterMs);
      case "broken":
        throw new Broken(result.reason, result.afterMs);
      case "missing":
        await this.o.target.prepare();
        throw new RetryLater(result.reason, 0);
      case "too-large":
      case "refused": {
        const all = result.type === "refused" && result.dropped !== null && result.dropped >= to - from;
        if (to - from === 1 || all) {
          for (let i = from; i < to; i++) refused.push({ index: i, reason: result.reason });
          return;
        }
        const half = (from + to) >> 1;
        await this.part(lines, from, half, refused, signal);
        await this.part(lines, half, to, refused, signal);
      }
    }
  }

  /** Like `part` where the server fails on some line; a single line it fails on twice is refused. */
  private async isolate(
    lines: readonly string[],
    from: number,
    to: number,
    refused: Refused[],
    tally: { stored: number; attempts: number },
    signal: AbortSignal,
  ): Promise<void> {
    const before = refused.length;
    for (let attempt = to - from === 1 ? 0 : 1; attempt < 2; attempt++) {
      try {
        tally.attempts++;
        await this.part(lines, from, to, refused, signal);
        tally.stored += to - from - (refused.length - before);
        return;
      } catch (error) {
        if (!(error instanceof Broken)) throw error;
        refused.length = before;
        if (tally.stored === 0 && tally.attempts >= ISOLATE_ATTEMPTS) {
          throw new RetryLater(error.message, error.afterMs);
        }
        if (to - from === 1 && attempt === 1) refused.push({ index: from, reason: error.message });
      }
    }
    if (to - from === 1) return;
    const half = (from + to) >> 1;
    await this.isolate(lines, from, half, refused, tally, signal);
    await this.isolate(lines, half, to, refused, tally, signal);
  }

  private async keep(lines: readonly string[], refused: readonly Refused[]): Promise<void> {
    const rows = refused.map(({ index, reason }) => {
      this.o.onRefused(lines[index]!, reason);
      return `${JSON.stringify({ t: this.o.nowMs(), reason, line: lines[index] })}\n`;
    });
    const size = await stat(this.o.refusedFile).then(
      (info) => info.size,
      () => 0,
    );
    if (size > REFUSED_FILE_BYTES) await rename(this.o.refusedFile, `${this.o.refusedFile}.1`);
    await appendFile(this.o.refusedFile, rows.join(""));
  }
}

class Broken extends Error {
  readonly afterMs: number;
  constructor(message: string, afterMs: number) {
    super(message);
    this.afterMs = afterMs;
  }
}
