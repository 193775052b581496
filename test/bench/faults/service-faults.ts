/** F1 on the whole service: `cellward run` killed at random moments while a house sends through a real mosquitto. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { House, type Verdict } from "../../support/house.ts";
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

async function killService(context: FaultContext, changes: readonly string[]): Promise<FaultResult> {
  if (!MOSQUITTO) return NO_MOSQUITTO;
  build();
  const broker = await startMosquitto();
  const { url } = broker;
  const house = new House({ dir: context.dir, sensorsUrl: url, serviceUrl: url, random: context.random, changes });
  const backMs: number[] = [];
  try {
    await house.open();
    await house.start();
    house.begin();
    await sleep(3000);
    let startsKilled = 0;
    for (let n = 0; n < context.runs; n++) {
      await sleep(1500 * context.random());
      await house.signal("SIGKILL");
      // One stop in six lasts: then whole windows, and calls, are over before anybody judges them.
      if (context.random() < 1 / 6) await sleep(6000);
      const begin = performance.now();
      const up = house.start();
      // One start in five is killed while it recovers.
      if (context.random() < 0.2) {
        await Promise.race([up, sleep(100 + 900 * context.random())]);
        await house.signal("SIGKILL");
        startsKilled++;
        const again = performance.now();
        if (await house.start()) backMs.push(performance.now() - again);
      } else if (await up) backMs.push(performance.now() - begin);
    }
    // A call may be under way: its alert is waited for like any other.
    const verdict = await house.settle();
    const acked = house.confirmed;
    return {
      met: clean(verdict) && verdict.late < verdict.sent / 100 && backMs.length === context.runs && acked > 0,
      figures: {
        kills: context.runs + startsKilled,
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
