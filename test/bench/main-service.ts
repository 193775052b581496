/**
 * What the main bench measures, in a process of its own: the service as `cellward run` composes it, or, as the floor below
 * which no service can go, a client that parses every message and counts. Measures itself: CPU, event-loop delay, memory.
 */
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import mqtt from "mqtt";

export interface ServiceOrder {
  readonly mode: "sink" | "service";
  readonly url: string;
  /** The file for `cellward run --config`; service mode only. */
  readonly configFile: string;
}

export interface ServiceReport {
  readonly type: "report";
  /** Readings the sink counted; the service's own count is read from its metrics. */
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
}

const RESOLUTION_MS = 2;

async function startSink(url: string): Promise<{ readings: () => number; stop: () => Promise<void> }> {
  const client = await mqtt.connectAsync(url, { clientId: "bench-sink", clean: true });
  let readings = 0;
  client.on("message", (topic, payload) => {
    if (!topic.endsWith("/readings")) return;
    const message = JSON.parse(payload.toString()) as { rms_dbm: number[][] };
    readings += message.rms_dbm[0]?.length ?? 0;
  });
  await client.subscribeAsync("cellward/v1/bench/+/+/+", { qos: 1 });
  return { readings: () => readings, stop: () => client.endAsync() };
}

async function serve(order: ServiceOrder): Promise<void> {
  if (order.mode !== "sink") throw new Error("the service is not plugged in yet");
  const service = await startSink(order.url);
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let cpu = process.cpuUsage();
  let markedMs = performance.now();
  let counted = service.readings();

  process.on("message", (wanted: "mark" | "report" | "stop") => {
    if (wanted === "stop") {
      void service.stop().then(() => process.disconnect?.());
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
