/** F3, F8 to F13, F15 and F19 on the whole service: broker, network, clock, repetitions, a flooding sensor, a stopped process. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FlakyProxy } from "../../support/flaky-proxy.ts";
import { House, type HouseOptions, type Verdict } from "../../support/house.ts";
import { type MosquittoOptions, type RunningServer, startMosquitto, until } from "../../support/servers.ts";
import { type Fault, type FaultContext, type FaultResult, quantile } from "./frame.ts";
import { build, clean, figuresOf, MOSQUITTO, NO_MOSQUITTO, sleep } from "./service-faults.ts";

const BIN = fileURLToPath(new URL("../../../bin/cellward.js", import.meta.url));
type Figures = Record<string, number | string>;

interface Setting {
  readonly changes?: readonly string[];
  readonly settings?: HouseOptions["settings"];
  readonly broker?: MosquittoOptions;
  /** Put a proxy between the sensors, the service, or both, and the broker. */
  readonly proxy?: boolean;
}

interface Scene {
  readonly house: House;
  readonly broker: RunningServer;
  readonly sensorsWay: FlakyProxy;
  readonly serviceWay: FlakyProxy;
}

/** A house that has sent for five seconds, `act` in it, and what came out. */
async function scene(
  context: FaultContext,
  setting: Setting,
  act: (scene: Scene) => Promise<Figures>,
  met: (verdict: Verdict, figures: Figures) => boolean,
): Promise<FaultResult> {
  if (!MOSQUITTO) return NO_MOSQUITTO;
  build();
  const broker = await startMosquitto(setting.broker ?? {});
  const sensorsWay = new FlakyProxy(broker.port);
  const serviceWay = new FlakyProxy(broker.port);
  const urls = [await sensorsWay.start(), await serviceWay.start()] as const;
  const house = new House({
    dir: context.dir,
    sensorsUrl: setting.proxy ? urls[0] : broker.url,
    watcherUrl: broker.url,
    serviceUrl: setting.proxy ? urls[1] : broker.url,
    random: context.random,
    changes: setting.changes ?? [],
    settings: setting.settings ?? {},
  });
  try {
    await house.open();
    if (!(await house.start())) throw new Error(`the service ended: ${house.log()}`);
    house.begin();
    await sleep(3000);
    const figures = await act({ house, broker, sensorsWay, serviceWay });
    const verdict = await house.settle();
    const p99 = Math.round(quantile(verdict.alertMs, 0.99));
    const all = { ...figuresOf(verdict), "window to alert p99 ms": p99, ...figures };
    return { met: met(verdict, all), figures: all };
  } catch (error) {
    return { met: false, figures: { error: `${(error as Error).message}; ${house.log()}` } };
  } finally {
    await house.close();
    await sensorsWay.stop();
    await serviceWay.stop();
    await broker.stop();
  }
}

// -------------------------------------------------------------------------------------------------------------- F3

function brokerKilled(context: FaultContext, resends: boolean): Promise<FaultResult> {
  return scene(
    context,
    {},
    async ({ house, broker }) => {
      house.resends = resends;
      for (let n = 0; n < context.runs; n++) {
        await sleep(1000 + 2000 * context.random());
        await broker.kill();
        await sleep(500 * context.random());
        await broker.restart();
      }
      await sleep(2000);
      return { "broker kills": context.runs };
    },
    (v) => v.lost === 0 && v.doubled === 0 && v.alertsMissed === 0 && v.alertsDoubled === 0,
  );
}

export const F3: Fault = {
  id: "F3",
  name: "broker killed, its sessions and queues gone",
  target: "0 readings lost (sensors send again what the service has not acknowledged), no alert missed",
  runs: 200,
  shortRuns: 3,
  shortControls: [],
  run: (context) => brokerKilled(context, true),
  controls: { "the sensors' rings": (context) => brokerKilled(context, false) },
};

// -------------------------------------------------------------------------------------------------------------- F8

const slowDisk = (context: FaultContext, settings: Setting["settings"] = {}): Promise<FaultResult> =>
  scene(
    context,
    { changes: ["slow disk"], settings },
    async () => {
      await sleep(1000 * context.runs);
      return { "ms a sync": 500, seconds: context.runs };
    },
    (v) => clean(v) && quantile(v.alertMs, 0.99) <= 4000,
  );

export const F8: Fault = {
  id: "F8",
  name: "a disk that takes 500 ms for every sync",
  target: "nothing lost, alerts at most 2 s later than the 2 s hold of a window allows",
  runs: 60,
  shortRuns: 12,
  shortControls: [],
  run: (context) => slowDisk(context),
  controls: {
    "many unacknowledged at a time (one message a sync)": (context) => slowDisk(context, { "mqtt.receive_maximum": 1 }),
  },
};

// -------------------------------------------------------------------------------------------------------------- F9

const halfOpen = (
  context: FaultContext,
  changes: readonly string[] = [],
  settings: Setting["settings"] = {},
): Promise<FaultResult> =>
  scene(
    context,
    { proxy: true, changes, settings },
    async ({ house, sensorsWay }) => {
      const silent = () => house.heard.find((c) => c.type === "new" && /blind|silent/.test(c.after.id));
      const begin = performance.now();
      sensorsWay.stalled = true;
      await until("an alert of silence", () => silent() !== undefined, 40_000).catch(() => {});
      const ms = silent() ? Math.round(performance.now() - begin) : Number.POSITIVE_INFINITY;
      sensorsWay.stalled = false;
      sensorsWay.cut();
      return { "silence told after ms": ms };
    },
    (v, f) =>
      Number(f["silence told after ms"]) <= 25_000 && v.lost === 0 && v.alertsMissed === 0 && v.alertsDoubled === 0,
  );

export const F9: Fault = {
  id: "F9",
  name: "connections half open: nothing comes and nobody is told",
  target:
    "an alert of silence within 20 s (and the 5 s grid of looks), nothing lost, calls of the time told afterwards",
  runs: 1,
  shortRuns: 1,
  shortControls: [],
  run: (context) => halfOpen(context),
  controls: {
    "the look for silence": (context) => halfOpen(context, [], { "health.silent_s": 86_400 }),
    "the second look": (context) => halfOpen(context, ["second look"]),
  },
};

// ------------------------------------------------------------------------------------------------------------- F10

function badNetwork(context: FaultContext, resends: boolean): Promise<FaultResult> {
  return scene(
    context,
    { proxy: true },
    async ({ house, sensorsWay, serviceWay }) => {
      house.resends = resends;
      for (const way of [sensorsWay, serviceWay]) way.delayMs = 500;
      for (let n = 0; n < context.runs; n++) {
        await sleep(2500);
        sensorsWay.cut();
        await sleep(2500);
        serviceWay.cut();
      }
      await sleep(3000);
      for (const way of [sensorsWay, serviceWay]) way.delayMs = 0;
      return { cuts: sensorsWay.cuts + serviceWay.cuts };
    },
    (v) => v.lost === 0 && v.doubled === 0 && v.alertsMissed === 0 && quantile(v.alertMs, 0.99) <= 7000,
  );
}

export const F10: Fault = {
  id: "F10",
  name: "500 ms delay each way and a cut every 2.5 s",
  target: "0 lost, 0 doubled, no alert missed, alerts within 5 s of the 2 s hold of their window",
  runs: 12,
  shortRuns: 3,
  shortControls: [],
  run: (context) => badNetwork(context, true),
  controls: { "the sensors' rings": (context) => badNetwork(context, false) },
};

// ------------------------------------------------------------------------------------------------------------- F11

const clockStep = (context: FaultContext, changes: readonly string[]): Promise<FaultResult> =>
  scene(
    context,
    { changes },
    async ({ house }) => {
      await sleep(20_000);
      const told = house.heard.filter((c) => c.type === "new" && c.after.id.includes("clock-step")).length;
      return { "step told": told };
    },
    (v, f) => v.lost === 0 && v.alertsMissed === 0 && v.alertsFalse === 0 && f["step told"] === 1,
  );

export const F11: Fault = {
  id: "F11",
  name: "the machine's clock is set an hour ahead or back",
  target: "the alerts of a run without the step, nothing lost, the step told once",
  runs: 2,
  shortRuns: 1,
  shortControls: [],
  run: (context) => clockStep(context, [context.random() < 0.5 ? "clock ahead" : "clock back"]),
  controls: { "the steady clock": (context) => clockStep(context, ["clock ahead", "steady clock"]) },
};

// ------------------------------------------------------------------------------------------------------------- F12

const repetitions = (context: FaultContext, changes: readonly string[]): Promise<FaultResult> =>
  scene(
    context,
    { changes },
    async ({ house }) => {
      let repeated = 0;
      house.onSend = (message) => {
        if (context.random() < 0.5) {
          repeated++;
          setTimeout(() => house.publish(message), 10_000 * context.random());
        }
        return [message];
      };
      await sleep(1000 * context.runs);
      house.onSend = (message) => [message];
      await sleep(10_500);
      return { repeated };
    },
    (v) => clean(v),
  );

export const F12: Fault = {
  id: "F12",
  name: "half of the readings come twice, the second time up to 10 s later",
  target: "the alerts of a run without repetitions, no row doubled",
  runs: 30,
  shortRuns: 10,
  shortControls: [],
  run: (context) => repetitions(context, []),
  controls: { deduplication: (context) => repetitions(context, ["dedup"]) },
};

// ------------------------------------------------------------------------------------------------------------- F13

const flood = (context: FaultContext, changes: readonly string[]): Promise<FaultResult> =>
  scene(
    context,
    { changes },
    async ({ house }) => {
      const victim = house.site.sensors[11]!.id;
      const begin = performance.now();
      let seq = 1e9;
      // A hundred times the messages of the others, from one sensor.
      house.onSend = (message) => {
        if (message.sensor !== victim) return [message];
        const more = Array.from({ length: 99 }, () => {
          const body = JSON.stringify({ ...JSON.parse(message.payload), boot: 0, seq: seq++ });
          return { ...message, payload: body };
        });
        return [message, ...more];
      };
      const told = () => house.heard.find((c) => c.type === "new" && c.after.id.includes(`flood-${victim}`));
      await until("the flood's alert", () => told() !== undefined, 20_000).catch(() => {});
      const ms = told() ? Math.round(performance.now() - begin) : Number.POSITIVE_INFINITY;
      await sleep(1000 * context.runs);
      house.onSend = (message) => [message];
      house.excluded.add(victim);
      return { "flood told after ms": ms };
    },
    (v, f) => v.lost === 0 && v.alertsMissed === 0 && Number(f["flood told after ms"]) <= 10_000,
  );

export const F13: Fault = {
  id: "F13",
  name: "one sensor sends a hundred times as much",
  target: "nothing of the others lost, no alert missed, the offender named within 10 s",
  runs: 20,
  shortRuns: 5,
  shortControls: [],
  run: (context) => flood(context, []),
  controls: { "the quota of a sensor": (context) => flood(context, ["quota"]) },
};

// ------------------------------------------------------------------------------------------------------------- F15

const stopped = (context: FaultContext, withDog: boolean): Promise<FaultResult> =>
  scene(
    context,
    {},
    async ({ house }) => {
      // A watchdog that waits for longer than the process stands still is none.
      const args = ["watchdog", "--config", join(context.dir, "watched.json"), "--after", withDog ? "6" : "3600"];
      house.writeConfig("watched.json");
      const dog = spawn(process.execPath, [BIN, ...args], { stdio: "ignore" });
      await sleep(3000);
      const said = () => house.heard.find((c) => c.type === "new" && c.after.id.startsWith("watchdog-"));
      await house.signal("SIGSTOP");
      const begin = performance.now();
      await until("the watchdog", () => said() !== undefined, 14_000).catch(() => {});
      const ms = said() ? Math.round(performance.now() - begin) : Number.POSITIVE_INFINITY;
      await sleep(Math.max(0, 1000 * context.runs - (performance.now() - begin)));
      await house.signal("SIGCONT");
      await sleep(4000);
      dog.kill("SIGTERM");
      return { "seconds stopped": context.runs, "watchdog said so after ms": ms };
    },
    (v, f) => v.lost === 0 && v.alertsMissed === 0 && Number(f["watchdog said so after ms"]) <= 10_000,
  );

export const F15: Fault = {
  id: "F15",
  name: "the service's process is stopped (SIGSTOP)",
  target: "an independent watchdog says so within 10 s, nothing lost, no alert missed",
  runs: 60,
  shortRuns: 12,
  shortControls: [],
  run: (context) => stopped(context, true),
  controls: { "the watchdog": (context) => stopped(context, false) },
};

// ------------------------------------------------------------------------------------------------------------- F19

/** The broker is away while alerts arise that were already heard of: the service keeps what must still go out. */
const awayForAlerts = (context: FaultContext, changes: readonly string[]): Promise<FaultResult> =>
  scene(
    context,
    { changes, broker: { persistence: "at exit" } },
    async ({ house, broker }) => {
      for (let n = 0; n < context.runs; n++) {
        const known = house.expected().length;
        // Just when an alert has arisen from what the service has taken.
        await until("an alert", () => house.expected().length > known, 20_000).catch(() => {});
        await broker.end();
        await sleep(1500);
        await broker.restart();
        await sleep(1500);
      }
      await sleep(3000);
      return { "times away": context.runs };
    },
    (v) => v.alertsMissed === 0 && v.alertsDoubled === 0 && v.lost === 0,
  );

export const F19: Fault = {
  id: "F19",
  name: "the way out for alerts is away just when they arise",
  target: "each told afterwards, once, under the same id",
  runs: 10,
  shortRuns: 2,
  shortControls: [],
  run: (context) => awayForAlerts(context, []),
  controls: { "the outbox": (context) => awayForAlerts(context, ["outbox"]) },
};
