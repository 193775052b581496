/**
 * The sign of life that the service leaves on its disk once a second, for whoever watches it from outside: a few bytes in
 * place, so that a full disk does not stop it and reading it never meets half a file. What counts is that `beats` grows: it
 * counts the rounds of judging, so that a loop that turns but no longer judges is as dead as one that stands still.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";

export interface Beat {
  readonly pid: number;
  readonly beats: number;
  readonly atMs: number;
  /** Where the service answers HTTP. */
  readonly url: string;
}

const FILE = "heartbeat";
const BYTES = 256;

export class Heartbeat {
  private readonly fd: number;

  constructor(dir: string) {
    this.fd = openSync(join(dir, FILE), "w", 0o644);
    ftruncateSync(this.fd, BYTES);
  }

  /** One write of a fixed number of bytes at the begin of the file. */
  beat(beat: Beat): void {
    writeSync(
      this.fd,
      JSON.stringify(beat)
        .padEnd(BYTES - 1)
        .concat("\n"),
      0,
    );
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** The last beat, or null where there is none. */
export function readBeat(dir: string): Beat | null {
  try {
    return JSON.parse(readFileSync(join(dir, FILE), "utf8")) as Beat;
  } catch {
    return null;
  }
}
