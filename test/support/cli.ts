/** Runs the command line from the sources, in a process of its own. */
import { spawn } from "node:child_process";
import { fileURLToPath, pathToFileURL } from "node:url";

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCli {
  readonly done: Promise<CliResult>;
  /** What came on stderr so far. */
  stderr(): string;
  interrupt(): void;
}

const root = fileURLToPath(new URL("../..", import.meta.url));
const entry = pathToFileURL(`${root}/src/cli/index.ts`).href;
const script = `import(${JSON.stringify(entry)}).then((m) => m.main(process.argv))`;

/** Starts `cellward ARGS…`; `done` resolves with its exit code and output. */
export function startCli(args: readonly string[], env: Readonly<Record<string, string>> = {}): RunningCli {
  // With -e there is no script in argv: the verb must still be its third entry.
  const child = spawn(process.execPath, ["--import", "tsx", "-e", script, "cellward", ...args], {
    cwd: root,
    env: { ...process.env, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const done = new Promise<CliResult>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
  return { done, stderr: () => stderr, interrupt: () => child.kill("SIGINT") };
}

export function runCli(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliResult> {
  return startCli(args, env).done;
}

/**
 * The same within this process, many times faster: for verbs that read files and answer. One at a time, since it takes
 * stdout and stderr for the while.
 */
export async function callCli(args: readonly string[]): Promise<CliResult> {
  const { main } = await import("../../src/cli/index.ts");
  const streams = [process.stdout, process.stderr] as const;
  const writes = streams.map((stream) => stream.write);
  const texts = ["", ""];
  const exitBefore = process.exitCode;
  process.exitCode = undefined;
  streams.forEach((stream, i) => {
    stream.write = ((chunk: string | Uint8Array) => {
      texts[i] += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
      return true;
    }) as typeof stream.write;
  });
  try {
    await main(["node", "cellward", ...args]);
    return { code: Number(process.exitCode ?? 0), stdout: texts[0]!, stderr: texts[1]! };
  } finally {
    streams.forEach((stream, i) => {
      stream.write = writes[i]!;
      stream.removeAllListeners("error");
    });
    process.exitCode = exitBefore;
  }
}
