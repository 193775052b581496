/**
 * F1 and F2 on the whole service: `cellward run` killed, and its power lost, at random moments while a house sends through a real
 * mosquitto.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { House, type Verdict } from "../../support/house.ts";
import { losePower, type SyncMode } from "../../support/recorded-disk.ts";
import { startMosquitto } from "../../support/servers.ts";
import { type Fault, type FaultContext, type FaultResult, quantile } from "./frame.ts";

const BIN = fileURLToPath(new URL("../../../bin/cellward.js", import.meta.url));
export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export const MOSQUITTO = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"].some((path) => existsSync(path));
export const NO_MOSQUITTO: FaultResult = {
  met: false,
  figures: { missing: "mosquitto is not installed (apt-get install mosquitto)" },
};

/** Builds once, so that the first start is not measured with the compiler. */
export function build(): void {
  spawnSync(process.execPath, [BIN, "--version"], { stdio: "ignore" });
}

export function figuresOf(verdict: Verdict): Record<string, number> {
  return {
    sent: verdict.sent,
    lost: verdict.lost,
    ...(verdict.kept > 0 ? { "of these kept by sensors": verdict.kept } : {}),
    "doubled rows": verdict.doubled,
    "stored late": verdict.late,
    "alerts expected": verdict.alertsExpected,
    missed: verdict.alertsMissed,
    doubled: verdict.alertsDoubled,
    "not expected": verdict.alertsFalse,
    ...(verdict.alertsOfTheirOwn > 0 ? { "of their own": verdict.alertsOfTheirOwn } : {}),
    "repeated deliveries": verdict.repeats,
  };
}

export function clean(v: Verdict): boolean {
  return (
    v.lost === 0 &&
    v.doubled === 0 &&
    v.alertsMissed === 0 &&
    v.alertsDoubled === 0 &&
    v.alertsFalse === 0 &&
    v.sent > 0
  );
}

/** `disk.strike` is what else befalls the disk of the killed process; `disk.preload` what it needs for it. */
async function killService(
  context: FaultContext,
  changes: readonly string[],
  disk: { readonly preload?: string; strike(): void } = { strike: () => {} },
): Promise<FaultResult> {
  if (!MOSQUITTO) return NO_MOSQUITTO;
  build();
  const broker = await startMosquitto();
  const { url } = broker;
  const { preload } = disk;
  const more = preload === undefined ? {} : { preload };
  const house = new House({
    ...more,
    dir: context.dir,
    sensorsUrl: url,
    serviceUrl: url,
    random: context.random,
    changes,
  });
  const backMs: number[] = [];
  try {
    await house.open();
    await house.start();
    house.begin();
    await sleep(3000);
    let startsKilled = 0;
    let strikes = 0;
    for (; strikes < context.runs && !context.timeUp(); strikes++) {
      await sleep(1500 * context.random());
      await house.signal("SIGKILL");
      disk.strike();
      // One stop in six lasts: then whole windows, and calls, are over before anybody judges them.
      if (context.random() < 1 / 6) await sleep(6000);
      const begin = performance.now();
      const up = house.start();
      // One start in five is killed while it recovers.
      if (context.random() < 0.2) {
        await Promise.race([up, sleep(100 + 900 * context.random())]);
        await house.signal("SIGKILL");
        disk.strike();
        startsKilled++;
        const again = performance.now();
        if (await house.start()) backMs.push(performance.now() - again);
      } else if (await up) backMs.push(performance.now() - begin);
    }
    // A call may be under way: its alert is waited for like any other.
    const verdict = await house.settle();
    const acked = house.confirmed;
    return {
      met: clean(verdict) && verdict.late < verdict.sent / 100 && backMs.length === strikes && acked > 0,
      figures: {
        kills: strikes + startsKilled,
        "clean starts": `${backMs.length}/${strikes}`,
        ...figuresOf(verdict),
        "back ms, median": Math.round(quantile(backMs, 0.5)),
        "back ms, p99": Math.round(quantile(backMs, 0.99)),
      },
    };
  } catch (error) {
    return { met: false, figures: { error: `${(error as Error).message}; ${house.log()}` } };
  } finally {
    await house.close();
    await broker.stop();
  }
}

export const F1: Fault = {
  id: "F1",
  name: "cellward run killed at random moments, 500 readings/s through mosquitto",
  target:
    "0 readings lost, 0 doubled rows, 0 alerts missed or doubled, under 1 % too late to be judged, back each time",
  runs: 200,
  shortRuns: 3,
  shortControls: ["memory"],
  run: (context) => killService(context, []),
  controls: {
    sync: (context) => killService(context, ["sync"]),
    dedup: (context) => killService(context, ["dedup"]),
    memory: (context) => killService(context, ["memory"]),
    "waiting readings": (context) => killService(context, ["waiting readings"]),
    "catching up": (context) => killService(context, ["catching up"]),
  },
};

// -------------------------------------------------------------------------------------------------------------- F2

/**
 * Every other loss takes all that was not promised; the others leave a part of every file's end, and half of them what happened to
 * names, as a disk does that was just writing.
 */
async function powerLost(context: FaultContext, mode: SyncMode): Promise<FaultResult> {
  build();
  const log = join(context.dir, "disk.log");
  let losses = 0;
  let cutBytes = 0;
  let oldBytes = 0;
  let names = 0;
  const strike = () => {
    const all = losses % 2 === 0;
    const loss = losePower(log, all ? 0 : context.random(), !all && context.random() < 0.5);
    losses++;
    cutBytes += loss.cutBytes;
    oldBytes += loss.oldBytes;
    names += loss.names;
  };
  const result = await killService(context, [], { preload: recordingModule(context.dir, log, mode), strike });
  const taken = {
    "power losses": losses,
    "bytes cut off": cutBytes,
    "bytes put back": oldBytes,
    "names taken back": names,
  };
  return { met: result.met && cutBytes > 0, figures: { ...taken, ...result.figures } };
}

/** The recording as a module for the built service: a start through a compiler takes three times as long. */
function recordingModule(dir: string, log: string, mode: SyncMode): string {
  const source = readFileSync(new URL("../../support/recorded-disk.ts", import.meta.url), "utf8");
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  const files = new URL("../../../dist/src/store/files.js", import.meta.url).href;
  const path = join(dir, "recorded-disk.mjs");
  const begin = `recordDisk(diskFiles, ${JSON.stringify(log)}, ${JSON.stringify(mode)});`;
  writeFileSync(path, `import { diskFiles } from ${JSON.stringify(files)};\n${outputText}\n${begin}\n`);
  return path;
}

export const F2: Fault = {
  id: "F2",
  name: "power lost under cellward run at random moments: every file cut to what was synced",
  target: "as F1: 0 readings lost, 0 doubled rows, 0 alerts missed or doubled, every start clean",
  runs: 200,
  shortRuns: 3,
  run: (context) => powerLost(context, "real"),
  controls: { "the sync": (context) => powerLost(context, "none") },
};
