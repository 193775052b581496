/**
 * The main bench, `npm run bench`: 2,000 sensors of 8 bands, 50 instants a message as JSON by columns, QoS 1 through a real
 * mosquitto, into the service. Three processes beside the broker: this one, the sensors, and what is measured. Bounded in
 * time: warm-up, measured seconds, 15 s to settle.
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startMosquitto } from "../support/servers.ts";
import { type DetectorFigure, detectorAlone } from "./main-detector.ts";
import { type Plan, type PublisherReport, SAMPLES } from "./main-publisher.ts";
import type { ServiceOrder, ServiceReport } from "./main-service.ts";
import { BANDS, benchSite } from "./prison.ts";

const { values: flags } = parseArgs({
  options: {
    rate: { type: "string", default: "100000" },
    sensors: { type: "string", default: "2000" },
    seconds: { type: "string", default: "30" },
    warm: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
    sink: { type: "boolean", default: false },
  },
});

function child(file: string): ChildProcess {
  return fork(join(import.meta.dirname, file), {
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
}

/** The next message of that type, or the child's end as an error. */
function next<T extends { type: string }>(from: ChildProcess, type: T["type"], timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => done(() => reject(new Error(`no ${type} within ${timeoutMs} ms`))), timeoutMs);
    const onMessage = (message: T) => {
      if (message.type === type) done(() => resolve(message));
    };
    const onExit = (code: number | null) =>
      done(() => reject(new Error(`the process ended with ${code} before ${type}`)));
    const done = (then: () => void) => {
      clearTimeout(timer);
      from.off("message", onMessage);
      from.off("exit", onExit);
      then();
    };
    from.on("message", onMessage);
    from.once("exit", onExit);
  });
}

const sleepUntil = (atMs: number) => new Promise((resolve) => setTimeout(resolve, Math.max(0, atMs - Date.now())));

async function main(): Promise<void> {
  const sensors = Number(flags.sensors);
  const warmS = Number(flags.warm);
  const measuredS = Number(flags.seconds);
  const dir = mkdtempSync(join(tmpdir(), "cellward-bench-"));
  writeFileSync(join(dir, "site.json"), JSON.stringify(benchSite(sensors)));
  // First, while nothing else of ours runs.
  const alone = detectorAlone(sensors, Number(flags.seed));
  const mosquitto = await startMosquitto();
  const service = child("main-service.ts");
  const publisher = child("main-publisher.ts");
  try {
    const order: ServiceOrder = {
      mode: flags.sink ? "sink" : "service",
      url: mosquitto.url,
      configFile: join(dir, "cellward.yaml"),
    };
    service.send(order);
    await next(service, "ready", 60_000);

    // The births take a few seconds; the first instant lies on a whole second after them, so that windows fall the same way.
    const startMs = Math.ceil(Date.now() / 1000) * 1000 + 5000;
    const plan: Plan = {
      url: mosquitto.url,
      seed: Number(flags.seed),
      sensors,
      rate: Number(flags.rate),
      startMs,
      seconds: warmS + measuredS,
      quietS: Math.min(15, warmS),
    };
    const totalMs = (plan.seconds + 60) * 1000;
    const published = next<PublisherReport>(publisher, "done", totalMs);
    publisher.send(plan);
    await next(publisher, "born", 20_000);
    await sleepUntil(startMs + warmS * 1000);
    service.send("mark");
    await sleepUntil(startMs + plan.seconds * 1000);
    const reported = next<ServiceReport>(service, "report", 10_000);
    service.send("report");
    const report = await reported;
    const sent = await published;
    print(plan, report, sent, alone);
    service.send("stop");
  } finally {
    for (const process_ of [service, publisher]) {
      if (process_.exitCode === null)
        await Promise.race([new Promise((r) => process_.once("exit", r)), sleepUntil(Date.now() + 3000)]);
      process_.kill("SIGKILL");
    }
    await mosquitto.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

function print(plan: Plan, report: ServiceReport, sent: PublisherReport, alone: DetectorFigure): void {
  const perS = report.readings / report.elapsedS;
  const lines = [
    `bench main${flags.sink ? " (sink only: mqtt.js and JSON.parse)" : ""}`,
    `  machine        ${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, Node ${process.versions.node}`,
    `  input          ${plan.sensors} sensors x ${BANDS.length} bands, ${SAMPLES} instants a message, seed ${plan.seed}, hash ${sent.hash}`,
    `  sent           ${sent.messages} messages, ${sent.readings} readings, ${(sent.bytes / sent.messages / 1000).toFixed(1)} kB each, p99 ${sent.lagP99Ms} ms late, ${(100 * sent.cpuShare).toFixed(0)} % of a core`,
    `  taken          ${perS.toFixed(0)} readings/s over ${report.elapsedS.toFixed(1)} s`,
    `  CPU            ${(100 * report.cpuShare).toFixed(1)} % of one core, so ${(perS / report.cpuShare).toFixed(0)} readings/s on a whole one`,
    `  loop delay     p50 ${report.delayP50Ms.toFixed(1)} ms, p99 ${report.delayP99Ms.toFixed(1)} ms, max ${report.delayMaxMs.toFixed(1)} ms`,
    `  memory         RSS ${report.rssMb.toFixed(0)} MB now, ${report.peakRssMb.toFixed(0)} MB at most`,
    `  detector alone ${(alone.perCpuSecond / 1e6).toFixed(1)} M samples a second of processor time, ${(alone.bestPerSecond / 1e6).toFixed(1)} M by the clock in its best windows, hash ${alone.hash}`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

await main();
