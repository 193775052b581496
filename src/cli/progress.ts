/**
 * Progress on stderr: on a terminal one line that is redrawn, elsewhere a line every ten seconds, nothing when `--json` or
 * `quiet` asks for silence.
 */
const REDRAW_MS = 250;
const LINE_MS = 10_000;

export interface ProgressLine {
  /** Cheap to call often: text is only made when it is due. */
  show(text: () => string): void;
  /** Ends the redrawn line. */
  done(): void;
}

export function progressLine(stream: NodeJS.WriteStream = process.stderr): ProgressLine {
  const tty = stream.isTTY === true;
  const everyMs = tty ? REDRAW_MS : LINE_MS;
  let lastMs = performance.now() - (tty ? REDRAW_MS : 0);
  let drawn = false;
  return {
    show(text) {
      const nowMs = performance.now();
      if (nowMs - lastMs < everyMs) return;
      lastMs = nowMs;
      if (tty) {
        const columns = stream.columns ?? 80;
        stream.write(`\r\x1b[2K${text().slice(0, columns - 1)}`);
        drawn = true;
      } else {
        stream.write(`${text()}\n`);
      }
    },
    done() {
      if (drawn) stream.write("\r\x1b[2K");
      drawn = false;
    },
  };
}

/** `[#####.....]  50 %` */
export function bar(share: number, width = 20): string {
  const clamped = Math.max(0, Math.min(1, Number.isFinite(share) ? share : 0));
  const full = Math.round(clamped * width);
  return `[${"#".repeat(full)}${".".repeat(width - full)}] ${String(Math.round(clamped * 100)).padStart(3)} %`;
}

/**
 * Calls `onKey` for single key presses while stdin is a terminal; Ctrl-C keeps its meaning. Returns what undoes it.
 */
export function watchKeys(onKey: (key: string) => void): () => void {
  const { stdin } = process;
  if (!stdin.isTTY) return () => {};
  const listen = (data: Buffer) => {
    const key = data.toString("utf8");
    if (key === "\x03") process.kill(process.pid, "SIGINT");
    else onKey(key);
  };
  stdin.setRawMode(true);
  stdin.on("data", listen);
  stdin.resume();
  return () => {
    stdin.off("data", listen);
    stdin.setRawMode(false);
    stdin.pause();
  };
}

/** Aborts at the first SIGINT or SIGTERM; a second one ends the process as usual. */
export function untilInterrupted(): {
  readonly signal: AbortSignal;
  readonly abort: () => void;
  readonly release: () => void;
} {
  const controller = new AbortController();
  const stop = () => controller.abort();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  return {
    signal: controller.signal,
    abort: stop,
    release: () => {
      process.off("SIGINT", stop);
      process.off("SIGTERM", stop);
    },
  };
}
