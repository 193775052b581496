import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { programPath } from "../support/servers.ts";
import { judgeSyncOrder } from "../support/syscalls.ts";

const child = fileURLToPath(new URL("../support/journal-child.ts", import.meta.url));
const dirs: string[] = [];
afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});

function traced(switches: readonly string[], inject: readonly string[] = []) {
  const dir = mkdtempSync(join(tmpdir(), "cellward-trace-"));
  dirs.push(dir);
  const log = join(dir, "strace.txt");
  const strace = programPath("strace", "strace");
  const done = spawnSync(
    strace,
    [
      "-f",
      "-o",
      log,
      "-e",
      "trace=pwrite64,fdatasync,write",
      ...inject,
      process.execPath,
      "--import",
      "tsx",
      child,
      join(dir, "log"),
      ...switches,
    ],
    // strace counts calls by thread: with one thread in the pool the failing sync is the same one every time.
    { encoding: "utf8", timeout: 60_000, env: { ...process.env, UV_THREADPOOL_SIZE: "1" } },
  );
  const acks = [...done.stdout.matchAll(/^ack (\d+) /gm)].map((m) => Number(m[1]));
  return { status: done.status, acks, stderr: done.stderr, trace: readFileSync(log, "utf8"), dir: join(dir, "log") };
}

describe("journal, system calls", () => {
  it("order: 200 messages: every acknowledgement is written after the sync of its bytes has returned", () => {
    const { status, acks, trace } = traced(["--count", "200"]);
    expect(status).toBe(0);
    expect(acks).toEqual(Array.from({ length: 200 }, (_, i) => i));
    const order = judgeSyncOrder(trace);
    expect(order).toMatchObject({ acks: 200, early: 0 });
    expect(order.syncs).toBeGreaterThan(3);
  });

  it("negative control: without the sync the same check finds every acknowledgement early", () => {
    const { trace } = traced(["--count", "50", "--no-sync"]);
    expect(judgeSyncOrder(trace).early).toBe(50);
  });

  it("fdatasync fails: exit 70, nothing acknowledged from there on, and the next start is clean", () => {
    const failing = traced(["--count", "1000"], ["-e", "inject=fdatasync:error=EIO:when=4+"]);
    expect(failing.status).toBe(70);
    expect(failing.stderr).toMatch(/^fatal EIO/m);
    expect(failing.acks.length).toBeGreaterThan(0);
    expect(failing.acks.length).toBeLessThan(1000);
    expect(judgeSyncOrder(failing.trace).early).toBe(0);
    const again = spawnSync(process.execPath, ["--import", "tsx", child, failing.dir], { input: "", encoding: "utf8" });
    expect(again.status).toBe(0);
    const found = Number(/^ready (\d+)/.exec(again.stdout)?.[1]);
    expect(found).toBeGreaterThanOrEqual(failing.acks.length);
  });

  it("negative control: a log that ignores the failed sync acknowledges what is not on the disk", () => {
    const deaf = traced(["--count", "1000", "--ignore-sync-errors"], ["-e", "inject=fdatasync:error=EIO:when=4+"]);
    expect(deaf.status).toBe(0);
    expect(judgeSyncOrder(deaf.trace).early).toBeGreaterThan(50);
  });
});
