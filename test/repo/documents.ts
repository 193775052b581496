/**
 * The commands that the documents tell people to type, taken out of them so that they can be run.
 *
 * Every fenced `sh` block has a comment right above it that says what becomes of it:
 *
 * - `<!-- run: npm test -->` or `<!-- run: npm run test:real -->`: the block is run by that command. The blocks of one
 *   document run in order in one folder, which looks like the checkout.
 * - `… until "TEXT"`: the block does not end by itself; once TEXT has come, Ctrl-C has to end it, in time and without an error.
 * - `… until "TEXT", keep`: as above, but it runs on while the following blocks run.
 * - `<!-- run: .ci/run -->`: it is one of the commands of `.ci/run`.
 * - `<!-- not run: REASON -->`
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const root = join(import.meta.dirname, "..", "..");

export interface CommandBlock {
  readonly file: string;
  /** Line of the fence. */
  readonly line: number;
  readonly text: string;
  /** What the comment says runs it; null: a reason why nothing does. */
  readonly runBy: string | null;
  readonly until: string | null;
  readonly keep: boolean;
  readonly reason: string | null;
}

/** Every `sh` block of a document; throws at one without its comment. */
export function commandBlocks(file: string): CommandBlock[] {
  const lines = readFileSync(join(root, file), "utf8").split("\n");
  const blocks: CommandBlock[] = [];
  for (let i = 0; i < lines.length; i++) {
    if (!/^```(?:sh|bash|shell|console)\b/.test(lines[i]!)) continue;
    const end = lines.indexOf("```", i + 1);
    const mark = /^<!-- (run|not run): ([^"]+?)(?: until "([^"]+)"(, keep)?)? -->$/.exec(lines[i - 1] ?? "");
    if (mark === null || end < 0) throw new Error(`${file}:${i + 1}: no comment above says who runs this block`);
    const run = mark[1] === "run";
    blocks.push({
      file,
      line: i + 1,
      text: lines.slice(i + 1, end).join("\n"),
      runBy: run ? mark[2]! : null,
      until: mark[3] ?? null,
      keep: mark[4] !== undefined,
      reason: run ? null : mark[2]!,
    });
    i = end;
  }
  return blocks;
}

/** A folder that looks like the checkout, in which commands may leave files behind. */
export class Checkout {
  readonly dir = mkdtempSync(join(tmpdir(), "cellward-checkout-"));
  readonly #kept: { child: ChildProcess; ended: Promise<number | null> }[] = [];

  constructor() {
    for (const name of readdirSync(root)) {
      if (name !== ".git" && !name.endsWith(".tmp")) symlinkSync(join(root, name), join(this.dir, name));
    }
  }

  /** Runs a block as a shell would; gives its output, or throws with it. `replace` changes the text first (ports). */
  async run(block: CommandBlock, timeoutMs: number, replace: (text: string) => string = (t) => t): Promise<string> {
    // A group of its own, so that Ctrl-C reaches everything in it, as from a terminal.
    const child = spawn("bash", ["-euo", "pipefail", "-c", replace(block.text)], {
      cwd: this.dir,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NO_COLOR: "1" },
    });
    let output = "";
    let wake = () => {};
    // npm and the shell between us and the service may die of the same Ctrl-C; the service's own exit code is held by its tests.
    const ended = new Promise<number | null>((resolve) => {
      child.once("close", (code, by) => resolve(by === "SIGINT" || code === 130 ? 0 : code));
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString();
        wake();
      });
    }
    const where = `${block.file}:${block.line}`;
    const timer = setTimeout(() => signal(child, "SIGKILL"), timeoutMs);
    try {
      const until = block.until;
      if (until !== null) {
        let over = false;
        void ended.then(() => {
          over = true;
          wake();
        });
        while (!output.includes(until)) {
          if (over) throw new Error(`${where}: ended before it said "${until}":\n${output.slice(-4000)}`);
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        if (block.keep) {
          this.#kept.push({ child, ended });
          return output;
        }
        signal(child, "SIGINT");
      }
      const code = await ended;
      if (code !== 0) throw new Error(`${where}: exit ${code}:\n${output.slice(-4000)}`);
      return output;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends what was kept, by Ctrl-C; gives the exit codes. */
  async close(): Promise<(number | null)[]> {
    const codes: (number | null)[] = [];
    for (const { child, ended } of this.#kept.splice(0).reverse()) {
      signal(child, "SIGINT");
      const timer = setTimeout(() => signal(child, "SIGKILL"), 15_000);
      codes.push(await ended);
      clearTimeout(timer);
    }
    rmSync(this.dir, { recursive: true, force: true });
    return codes;
  }
}

/** Signals a whole process group; one that has gone is fine. */
function signal(child: ChildProcess, name: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, name);
  } catch {}
}

/** The documents whose commands are held to this. */
export const DOCUMENTS = ["README.md", "CONTRIBUTING.md", "docs/operations.md"] as const;
