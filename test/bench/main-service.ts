/**
 * What the main bench measures, in a process of its own: the service as `cellward run` composes it, or, as the floor below
 * which no service can go, a client that parses every message and counts. Measures itself: CPU, event-loop delay, memory.
 */
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import mqtt from "mqtt";
import { loadConfig } from "../../src/config.ts";
import type { Ledger } from "../../src/intake.ts";
import { createLogger } from "../../src/log.ts";
import { startService } from "../../src/main.ts";

export interface ServiceOrder {
  readonly mode: "sink" | "service";
  readonly url: string;
  /** The file for `cellward run --config`; service mode only. */
  readonly configFile: string;
}

export interface ServiceReport {
  readonly type: "report";
  /** Readings taken since the last mark: parsed by the sink; decoded, known to be new and filed by the service. */
  readonly readings: number;
  /** Of one core, since the last mark. */
  readonly cpuShare: number;
  readonly elapsedS: number;
  /** How much longer than its 2 ms a 2 ms timer took. */
  readonly delayP50Ms: number;
  readonly delayP99Ms: number;
  readonly delayMaxMs: number;
  readonly rssMb: number;
  readonly peakRssMb: number;
  readonly heapMb: number;
  readonly buffersMb: number;
}

/** What the service made of everything it got, once the sensors have stopped. */
export interface ServiceOutcome {
  readonly type: "outcome";
  /** Null for the sink. */
  readonly ledger: Readonly<Ledger> | null;
  readonly alerts: readonly OpenedAlert[];
  readonly storedReadings: number;
}

export interface OpenedAlert {
  readonly kind: string;
  readonly block: string | null;
  readonly cell: string | null;
  readonly openedAtMs: number;
}

/** What is measured, as this process drives it. */
interface Measured {
  readings(): number;
  outcome(): Promise<ServiceOutcome>;
  stop(): Promise<void>;
}

const RESOLUTION_MS = 2;

async function startSink(url: string): Promise<Measured> {
  const client = await mqtt.connectAsync(url, { clientId: "bench-sink", clean: true });
  let readings = 0;
  client.on("message", (topic, payload) => {
    if (!topic.endsWith("/readings")) return;
    const message = JSON.parse(payload.toString()) as { rms_dbm: number[][] };
    readings += message.rms_dbm[0]?.length ?? 0;
  });
  await client.subscribeAsync("cellward/v1/bench/+/+/+", { qos: 1 });
  return {
    readings: () => readings,
    outcome: async () => ({ type: "outcome", ledger: null, alerts: [], storedReadings: 0 }),
    stop: () => client.endAsync(),
  };
}

/** The service as `cellward run` composes it. */
async function startWhole(configFile: string): Promise<Measured> {
  const { config } = loadConfig({ file: configFile, env: {} });
  const alerts: OpenedAlert[] = [];
  const service = await startService({
    config,
    version: "bench",
    log: createLogger(config.log.level),
    consoleDir: null,
    onAlert: ({ type, after }) => {
      if (type !== "new") return;
      alerts.push({ kind: after.kind, block: after.block, cell: after.cell, openedAtMs: after.opened_at });
    },
  });
  return {
    readings: () => service.intake.ledger.accepted,
    outcome: async () => {
      const metrics = await (await fetch(new URL("/metrics", service.listening.url))).text();
      const stored = /^cellward_store_readings_stored_total (\S+)/m.exec(metrics);
      return { type: "outcome", ledger: { ...service.intake.ledger }, alerts, storedReadings: Number(stored?.[1]) };
    },
    stop: () => service.stop(),
  };
}

async function serve(order: ServiceOrder): Promise<void> {
  const service = order.mode === "sink" ? await startSink(order.url) : await startWhole(order.configFile);
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let cpu = process.cpuUsage();
  let markedMs = performance.now();
  let counted = service.readings();

  process.on("message", (wanted: "mark" | "report" | "outcome" | "stop") => {
    if (wanted === "stop") {
      void service.stop().then(() => process.exit(0));
      return;
    }
    if (wanted === "outcome") {
      void service.outcome().then((outcome) => process.send?.(outcome));
      return;
    }
    if (wanted === "report") {
      const { user, system } = process.cpuUsage(cpu);
      const elapsedMs = performance.now() - markedMs;
      const over = (ns: number) => Math.max(0, ns / 1e6 - RESOLUTION_MS);
      const report: ServiceReport = {
        type: "report",
        readings: service.readings() - counted,
        cpuShare: (user + system) / 1000 / elapsedMs,
        elapsedS: elapsedMs / 1000,
        delayP50Ms: over(delay.percentile(50)),
        delayP99Ms: over(delay.percentile(99)),
        delayMaxMs: over(delay.max),
        rssMb: process.memoryUsage().rss / 2 ** 20,
        peakRssMb: process.resourceUsage().maxRSS / 1024,
        heapMb: process.memoryUsage().heapUsed / 2 ** 20,
        buffersMb: process.memoryUsage().arrayBuffers / 2 ** 20,
      };
      process.send?.(report);
    }
    cpu = process.cpuUsage();
    markedMs = performance.now();
    counted = service.readings();
    delay.reset();
  });
  process.send?.({ type: "ready" });
}

process.once("message", (order: ServiceOrder) => {
  serve(order).catch((error: unknown) => {
    process.stderr.write(`bench service: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  });
});
