/**
 * How soon an alert reaches a subscriber: the house of the fault bench at 500 readings/s through a real mosquitto, a phone every six
 * seconds, each alert closed by hand before the next call from its cell. Run: node bin/bench.js alerts [--minutes 30] [--seed N]. Exit 99 when fewer than 99 % come within a second.
 *
 * Measured is from the end of the window that raised the alert (a second of readings) to its arrival at a subscriber of the broker. The
 * last reading of that window arrives later than the window ends, so the time after its arrival is shorter than what is printed.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readBeat } from "../../src/heartbeat.ts";
import { House } from "../support/house.ts";
import { congruential } from "../support/noise.ts";
import { startMosquitto } from "../support/servers.ts";
import { quantile } from "./faults/frame.ts";
import { build, sleep } from "./faults/service-faults.ts";

const GOAL_MS = 1000;
const GOAL_SHARE = 0.99;

/** Probability of at most `k` hits in `n` with probability `p` each. */
function binomialBelow(k: number, n: number, p: number): number {
  let term = (1 - p) ** n;
  let sum = term;
  for (let i = 1; i <= k; i++) {
    term *= ((n - i + 1) / i) * (p / (1 - p));
    sum += term;
  }
  return sum;
}

/** Upper end of the one-sided 95 % Clopper-Pearson interval of a share of `k` in `n`. */
function mostShare(k: number, n: number): number {
  let low = k / n;
  let high = 1;
  for (let i = 0; i < 50; i++) {
    const mid = (low + high) / 2;
    if (binomialBelow(k, n, mid) > 0.05) low = mid;
    else high = mid;
  }
  return high;
}

/** Sample size, quantiles, and the share within a second with its interval. */
export function alertFigures(ms: readonly number[]): Record<string, string> {
  const over = ms.filter((x) => x > GOAL_MS).length;
  const q = (p: number) => Math.round(quantile(ms, p));
  return {
    "window to alert ms": `p50 ${q(0.5)}, p99 ${q(0.99)}, max ${Math.round(Math.max(...ms))} of ${ms.length}`,
    "alerts within 1 s": `${ms.length - over}/${ms.length}, with 95 % confidence at least ${(100 * (1 - mostShare(over, ms.length))).toFixed(1)} %`,
  };
}

/** So long after an alert its phone is silent, and the next call from its cell is half a minute away. */
const CLOSE_AFTER_MS = 12_000;

/** An officer who closes every alert: one that stays open takes the next call from its cell as its own. */
function closing(house: House, dataDir: string): { stop(): void; done(): number } {
  let seen = 0;
  let done = 0;
  const close = async (id: string) => {
    const url = new URL(`/api/v1/alerts/${id}`, readBeat(dataDir)!.url);
    const { version } = (await (await fetch(url)).json()) as { version: number };
    const body = JSON.stringify({ version, by: "officer", outcome: "found" });
    const headers = { "content-type": "application/json", "x-cellward-client": "bench" };
    if ((await fetch(`${url}/close`, { method: "POST", headers, body })).ok) done++;
  };
  const timer = setInterval(() => {
    for (; seen < house.heard.length; seen++) {
      const { type, after } = house.heard[seen]!;
      if (type !== "new" || after.kind !== "phone-active") continue;
      setTimeout(() => void close(after.id).catch(() => {}), CLOSE_AFTER_MS);
    }
  }, 500);
  return { stop: () => clearInterval(timer), done: () => done };
}

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: { minutes: { type: "string", default: "30" }, seed: { type: "string", default: "1" } },
  });
  build();
  const dir = mkdtempSync(join(tmpdir(), "cellward-alerts-"));
  const broker = await startMosquitto();
  const house = new House({
    dir,
    sensorsUrl: broker.url,
    serviceUrl: broker.url,
    random: congruential(Number(values.seed)),
    callEveryMs: 6000,
    lookAgain: true,
  });
  try {
    await house.open();
    if (!(await house.start())) throw new Error(house.log());
    house.begin();
    const officer = closing(house, join(dir, "data"));
    await sleep(60_000 * Number(values.minutes));
    officer.stop();
    const verdict = await house.settle();
    const { sent, lost, kept, lostAfterRestart, doubled, late } = verdict;
    const figures = {
      sent,
      lost,
      "of these kept by sensors": kept,
      ...(lostAfterRestart === null ? {} : { "still lost after one more start": lostAfterRestart }),
      doubled,
      late,
      "alerts closed": officer.done(),
      ...alertFigures(verdict.alertMs),
    };
    for (const [name, value] of Object.entries(figures)) process.stdout.write(`${name}: ${value}\n`);
    const within = verdict.alertMs.filter((x) => x <= GOAL_MS).length;
    return within >= GOAL_SHARE * verdict.alertMs.length && verdict.alertMs.length > 0 && lost === 0;
  } finally {
    await house.close();
    await broker.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exit((await main()) ? 0 : 99);
