/** F1-log, F2-log, F6, F7 and F18 on the durable log: kill, power loss, full disk, failing sync. */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { wallClock } from "../../../src/clock.ts";
import { Journal } from "../../../src/store/journal.ts";
import { recoverLog } from "../../../src/store/recovery.ts";
import { MemoryDisk } from "../../support/memory-disk.ts";
import { judgeSyncOrder } from "../../support/syscalls.ts";
import { type Fault, type FaultContext, type FaultResult, quantile } from "./frame.ts";

const CHILD = fileURLToPath(new URL("../../support/journal-child.ts", import.meta.url));
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const fatal = (error: Error) => {
  throw error;
};

async function idsIn(dir: string): Promise<{ ids: number[]; tornBytes: number; damage: number }> {
  const journal = await Journal.open({ dir, clock: wallClock, verifyFrom: 0, onFatal: fatal });
  const ids: number[] = [];
  for await (const frame of journal.replay(0)) ids.push((JSON.parse(frame.payload.toString()) as { id: number }).id);
  const { tornBytes, damage } = journal.recovery;
  await journal.close();
  return { ids, tornBytes, damage: damage.length };
}

// -------------------------------------------------------------------------------------------------------------- F1

/** A sender that keeps what is not acknowledged and sends it again to the next process, as a sensor's ring does. */
async function killCycles(context: FaultContext, switches: readonly string[]): Promise<FaultResult> {
  const dir = join(context.dir, "log");
  const acked = new Set<number>();
  const waiting = new Map<number, string>();
  const backMs: number[] = [];
  let next = 0;
  let sent = 0;
  for (let cycle = 0; cycle < context.runs; cycle++) {
    const begin = performance.now();
    const child: ChildProcessWithoutNullStreams = spawn(process.execPath, ["--import", "tsx", CHILD, dir, ...switches]);
    child.stdin.on("error", () => {});
    const ended = new Promise((resolve) => child.on("exit", resolve));
    let firstAck: (() => void) | null = null;
    const back = new Promise<void>((resolve) => {
      firstAck = resolve;
    });
    const ready = new Promise<void>((resolve) => {
      createInterface({ input: child.stdout }).on("line", (line) => {
        const [word, id] = line.split(" ");
        if (word === "ready") resolve();
        if (word !== "ack") return;
        acked.add(Number(id));
        waiting.delete(Number(id));
        firstAck?.();
      });
    });
    await Promise.race([ready, ended]);
    const send = (line: string) => {
      sent++;
      child.stdin.write(`${line}\n`);
    };
    for (const line of waiting.values()) send(line);
    // The kill has a timer of its own, so that it falls anywhere between two messages, a sync or an acknowledgement.
    let killed = false;
    const kill = sleep(50 + 350 * context.random()).then(async () => {
      await Promise.race([back, ended, sleep(5000)]);
      backMs.push(performance.now() - begin);
      await sleep(10 * context.random());
      killed = true;
      child.kill("SIGKILL");
      await ended;
    });
    while (!killed) {
      // 500 messages a second.
      const line = JSON.stringify({ id: next, pad: "x".repeat(200) });
      waiting.set(next++, line);
      send(line);
      await sleep(2);
    }
    await kill;
  }
  const { ids, tornBytes, damage } = await idsIn(dir);
  const there = new Set(ids);
  const lost = [...acked].filter((id) => !there.has(id)).length;
  const doubled = ids.length - there.size;
  return {
    met: lost === 0 && doubled === 0 && damage === 0 && acked.size > 0,
    figures: {
      kills: context.runs,
      sent,
      acknowledged: acked.size,
      "acknowledged lost": lost,
      doubled,
      "torn bytes at the last start": tornBytes,
      "start to first ack p99 ms": Math.round(quantile(backMs, 0.99)),
    },
  };
}

export const F1L: Fault = {
  id: "F1-log",
  name: "process killed at random moments, 500 messages/s (log alone)",
  target: "0 acknowledged lost, 0 doubled, clean starts",
  runs: 200,
  shortRuns: 5,
  run: (context) => killCycles(context, []),
  controls: {
    "waiting for the disk": (context) => killCycles(context, ["--ack-early"]),
    deduplication: (context) => killCycles(context, ["--no-dedup"]),
  },
};

// -------------------------------------------------------------------------------------------------------------- F2

async function powerCycles(context: FaultContext, sync: boolean): Promise<FaultResult> {
  let lost = 0;
  let acked = 0;
  let cleanStarts = 0;
  let damage = 0;
  let disk = new MemoryDisk();
  const known = new Set<number>();
  let next = 0;
  for (let run = 0; run < context.runs; run++) {
    let left = Math.floor(80 * context.random());
    disk.onOperation = () => {
      if (left-- <= 0) throw new Error("power");
    };
    const dead = new Promise<void>((resolve) => {
      Journal.open({
        dir: "/log",
        files: disk,
        clock: wallClock,
        groupMs: 0,
        groupBytes: 500,
        segmentBytes: 4000,
        sync,
        onFatal: () => resolve(),
      }).then(
        async (journal) => {
          for (let i = 0; i < 200 && journal.status().failed === null; i++) {
            const id = next++;
            const onDurable = () => {
              known.add(id);
              acked++;
            };
            journal.append(1, Buffer.from(JSON.stringify({ id })), { onDurable });
            if (context.random() < 0.2) await new Promise((r) => setImmediate(r));
          }
          await journal.flush();
          resolve();
        },
        () => resolve(),
      );
    });
    await dead;
    const kept = context.random();
    disk = disk.powerLoss((_path, unsynced) => Math.floor(unsynced * kept));
    const again = await Journal.open({ dir: "/log", files: disk, clock: wallClock, verifyFrom: 0, onFatal: fatal });
    cleanStarts++;
    damage += again.recovery.damage.length;
    const there = new Set<number>();
    for await (const frame of again.replay(0)) there.add((JSON.parse(frame.payload.toString()) as { id: number }).id);
    for (const id of known) {
      if (there.has(id)) continue;
      lost++;
      known.delete(id);
    }
    await again.close();
  }
  return {
    met: lost === 0 && damage === 0 && cleanStarts === context.runs && acked > 0,
    figures: {
      "power losses": context.runs,
      acknowledged: acked,
      "acknowledged lost": lost,
      "clean starts": cleanStarts,
    },
  };
}

export const F2L: Fault = {
  id: "F2-log",
  name: "power lost at random operations, files cut to what was synced plus a random part",
  target: "0 acknowledged lost, every start clean",
  runs: 500,
  shortRuns: 100,
  run: (context) => powerCycles(context, true),
  controls: { "the sync": (context) => powerCycles(context, false) },
};

// -------------------------------------------------------------------------------------------------------------- F6

async function fullDisk(context: FaultContext, reserveBytes: number): Promise<FaultResult> {
  let lost = 0;
  let acked = 0;
  let alerts = 0;
  let alertsWritten = 0;
  let recovered = 0;
  const sayMs: number[] = [];
  for (let run = 0; run < context.runs; run++) {
    const disk = new MemoryDisk();
    disk.free = 60_000 + Math.floor(40_000 * context.random());
    let fullAt = 0;
    let full = false;
    const journal = await Journal.open({
      dir: "/log",
      files: disk,
      clock: wallClock,
      groupMs: 0,
      groupBytes: 2000,
      fullRetryMs: 5,
      reserveBytes,
      onFatal: fatal,
      onFull: (now) => {
        full = now;
        if (now) sayMs.push(performance.now() - fullAt);
      },
    });
    const known = new Set<number>();
    fullAt = performance.now();
    for (let id = 0; id < 120; id++) {
      const onDurable = () => known.add(id);
      journal.append(1, Buffer.from(JSON.stringify({ id, pad: "x".repeat(900) })), { onDurable });
    }
    for (let i = 0; i < 400 && !full; i++) await sleep(1);
    const mine: Promise<number>[] = [];
    for (let i = 0; i < 10; i++) {
      alerts++;
      mine.push(journal.write(2, Buffer.from(`{"id":${1000 + i}}`), { urgent: true }));
    }
    const inTime = mine.map((p) => Promise.race([p.then(() => 1), sleep(300).then(() => 0)]));
    for (const one of await Promise.all(inTime)) alertsWritten += one;
    disk.free += 400_000;
    for (let i = 0; i < 2000 && known.size < 120; i++) await sleep(1);
    if (known.size === 120 && !full) recovered++;
    const again = await Journal.open({ dir: "/log", files: disk.powerLoss(), clock: wallClock, onFatal: fatal });
    const there = new Set<number>();
    for await (const frame of again.replay(0)) there.add((JSON.parse(frame.payload.toString()) as { id: number }).id);
    for (const id of known) if (!there.has(id)) lost++;
    acked += known.size;
    await journal.close();
    await again.close();
  }
  return {
    met: lost === 0 && alertsWritten === alerts && recovered === context.runs && sayMs.length === context.runs,
    figures: {
      runs: context.runs,
      acknowledged: acked,
      "acknowledged lost": lost,
      "alerts written while full": `${alertsWritten}/${alerts}`,
      "recovered unattended": `${recovered}/${context.runs}`,
      "said within ms, max": Math.round(Math.max(0, ...sayMs)),
    },
  };
}

export const F6: Fault = {
  id: "F6",
  name: "disk full (short write, then ENOSPC)",
  target: "alerts go on from the reserve, 0 acknowledged lost, goes on by itself",
  runs: 50,
  shortRuns: 10,
  run: (context) => fullDisk(context, 20_000),
  controls: { "the reserve": (context) => fullDisk(context, 0) },
};

// -------------------------------------------------------------------------------------------------------------- F7

async function failingSync(context: FaultContext, switches: readonly string[]): Promise<FaultResult> {
  if (!existsSync("/usr/bin/strace")) {
    return { met: false, figures: { missing: "strace is not installed (apt-get install strace)" } };
  }
  let early = 0;
  let acked = 0;
  let exits = 0;
  let cleanStarts = 0;
  for (let run = 0; run < context.runs; run++) {
    const dir = join(context.dir, `log${run}`);
    const trace = join(context.dir, `trace${run}`);
    const when = 3 + Math.floor(4 * context.random());
    const done = spawnSync(
      "/usr/bin/strace",
      [
        ...[
          "-f",
          "-o",
          trace,
          "-e",
          "trace=pwrite64,fdatasync,write",
          "-e",
          `inject=fdatasync:error=EIO:when=${when}+`,
        ],
        ...[process.execPath, "--import", "tsx", CHILD, dir, "--count", "1000", ...switches],
      ],
      { encoding: "utf8", timeout: 60_000, env: { ...process.env, UV_THREADPOOL_SIZE: "1" } },
    );
    const order = judgeSyncOrder(readFileSync(trace, "utf8"));
    early += order.early;
    acked += order.acks;
    if (done.status === 70) exits++;
    const { ids } = await idsIn(dir);
    if (ids.length >= order.acks) cleanStarts++;
  }
  return {
    met: early === 0 && exits === context.runs && cleanStarts === context.runs,
    figures: {
      runs: context.runs,
      acknowledged: acked,
      "acknowledged without sync": early,
      "ended with 70": `${exits}/${context.runs}`,
      "clean starts": `${cleanStarts}/${context.runs}`,
    },
  };
}

export const F7: Fault = {
  id: "F7",
  name: "fdatasync fails with EIO (strace)",
  target: "no acknowledgement for the batch, exit 70, clean restart",
  runs: 10,
  shortRuns: 2,
  run: (context) => failingSync(context, []),
  controls: { "ending on a failed sync": (context) => failingSync(context, ["--ignore-sync-errors"]) },
};

// ------------------------------------------------------------------------------------------------------------- F18

/** One edit at random: bits, bytes, a piece taken out or put in, two pieces exchanged, the end cut off. */
function edit(bytes: Buffer, random: () => number): { after: Buffer; at: number } {
  const at = Math.floor(random() * (bytes.length - 64));
  const after = Buffer.from(bytes);
  const size = 1 + Math.floor(32 * random());
  switch (Math.floor(6 * random())) {
    case 0:
      after[at]! ^= 1 << Math.floor(8 * random());
      return { after, at };
    case 1:
      for (let i = at; i < at + size; i++) after[i]! ^= 1 + Math.floor(255 * random());
      return { after, at };
    case 2:
      return { after: Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + size)]), at };
    case 3:
      return { after: Buffer.concat([bytes.subarray(0, at), Buffer.alloc(size, at & 255), bytes.subarray(at)]), at };
    case 4: {
      const from = Math.floor(random() * at);
      const length = Math.min(size, at - from);
      after.set(bytes.subarray(from, from + length), at);
      after.set(bytes.subarray(at, at + length), from);
      return { after, at: after.equals(bytes) ? -1 : from };
    }
    default:
      return { after: Buffer.from(bytes.subarray(0, at)), at };
  }
}

async function edits(context: FaultContext, checksums: boolean): Promise<FaultResult> {
  const disk = new MemoryDisk();
  const journal = await Journal.open({ dir: "/log", files: disk, clock: wallClock, onFatal: fatal });
  for (let id = 0; id < 300; id++)
    await journal.write(1, Buffer.from(JSON.stringify({ id, pad: "x".repeat(id % 90) })));
  const end = journal.durablePosition;
  await journal.close();
  const path = disk.paths().find((p) => p.endsWith(".log"))!;
  const bytes = Buffer.from(disk.content(path));
  let made = 0;
  let noticed = 0;
  let placed = 0;
  while (made < context.runs) {
    const { after, at } = edit(bytes, context.random);
    if (at < 0 || after.equals(bytes)) continue;
    made++;
    if (!checksums) {
      if (after.length !== bytes.length) noticed++;
      continue;
    }
    const changed = new MemoryDisk();
    const file = await changed.open(path, "create");
    await file.write(after, 0);
    const { recovery } = await recoverLog(changed, "/log", 0);
    // A cut end looks like a torn write: the position that the snapshot or an outbox knows of tells them apart.
    const first = Math.min(recovery.damage[0]?.from ?? Number.POSITIVE_INFINITY, recovery.end);
    if (recovery.damage.length === 0 && recovery.end >= end) continue;
    noticed++;
    // Everything before the place it names is sound, and it names it no later than the edit.
    if (first <= at && at - first < 2 * 1024) placed++;
  }
  return {
    met: noticed === made && (placed === made || !checksums),
    figures: { edits: made, noticed, "position named": placed },
  };
}

export const F18: Fault = {
  id: "F18",
  name: "the durable log is edited: bits, bytes, pieces taken out, put in or exchanged, the end cut off",
  target: "every edit noticed and its place named",
  runs: 1000,
  shortRuns: 200,
  run: (context) => edits(context, true),
  controls: { "the checksums (size alone)": (context) => edits(context, false) },
};
