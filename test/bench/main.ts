/**
 * The main bench, `npm run bench`: 2,000 sensors of 8 bands, 50 instants a message as JSON by columns, QoS 1 through a real
 * mosquitto, into the service. Three processes beside the broker: this one, the sensors, and what is measured. Bounded in
 * time: warm-up, measured seconds, 15 s to settle.
 */
import { type ChildProcess, execFileSync, fork } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { build, type Plugin } from "esbuild";
import { startMosquitto } from "../support/servers.ts";
import { type DetectorFigure, detectorAlone } from "./main-detector.ts";
import { episodes, type Plan, type PublisherReport, SAMPLES } from "./main-publisher.ts";
import type { ServiceOrder, ServiceOutcome, ServiceReport } from "./main-service.ts";
import { BANDS, benchSite } from "./prison.ts";

const { values: flags } = parseArgs({
  options: {
    rate: { type: "string", default: "100000" },
    sensors: { type: "string", default: "2000" },
    seconds: { type: "string", default: "30" },
    warm: { type: "string", default: "20" },
    seed: { type: "string", default: "1" },
    /** Only mqtt.js and JSON.parse, the floor below which no service can go. */
    sink: { type: "boolean", default: false },
    /** Appends the figures to results.md. */
    record: { type: "boolean", default: false },
    /** A flag of node for the service's process, e.g. --cpu-prof; may be given several times. */
    node: { type: "string", multiple: true, default: [] },
    /** Exit 99 when a figure of the house is missed. */
    gate: { type: "boolean", default: false },
  },
});

function child(file: string, execArgv = ["--import", "tsx"]): ChildProcess {
  return fork(file, { execArgv, stdio: ["ignore", "inherit", "inherit", "ipc"] });
}

const ROOT = join(import.meta.dirname, "../..");

/**
 * What is measured runs as a user runs it: from dist/, without a TypeScript loader in its process. The bench's own file is
 * compiled on the way, its imports of the service led to dist/.
 */
async function compiledService(): Promise<string> {
  execFileSync(process.execPath, [join(ROOT, "bin/build.js")], { stdio: "inherit" });
  const outfile = join(ROOT, `dist-${process.pid}-bench.tmp`, "main-service.mjs");
  const toDist: Plugin = {
    name: "to-dist",
    setup: ({ onResolve }) =>
      onResolve({ filter: /^\.\.\/\.\.\/src\// }, ({ path }) => ({
        path: join(ROOT, "dist", path.slice("../../".length).replace(/\.ts$/, ".js")),
        external: true,
      })),
  };
  await build({
    entryPoints: [join(import.meta.dirname, "main-service.ts")],
    outfile,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    plugins: [toDist],
  });
  return outfile;
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

const SETTLE_MS = 12_000;
const sleepUntil = (atMs: number) => new Promise((resolve) => setTimeout(resolve, Math.max(0, atMs - Date.now())));

async function main(): Promise<void> {
  const sensors = Number(flags.sensors);
  const warmS = Number(flags.warm);
  const measuredS = Number(flags.seconds);
  const dir = mkdtempSync(join(tmpdir(), "cellward-bench-"));
  // First, while nothing else of ours runs.
  const alone = detectorAlone(sensors, Number(flags.seed));
  const mosquitto = await startMosquitto();
  writeFileSync(join(dir, "site.json"), JSON.stringify(benchSite(sensors)));
  const config = {
    site: join(dir, "site.json"),
    data_dir: join(dir, "data"),
    mqtt: { url: mosquitto.url },
    http: { port: 0 },
    log: { level: "error" },
  };
  writeFileSync(join(dir, "cellward.json"), JSON.stringify(config));
  const compiled = await compiledService();
  const service = child(compiled, flags.node);
  const publisher = child(join(import.meta.dirname, "main-publisher.ts"));
  try {
    const order: ServiceOrder = {
      mode: flags.sink ? "sink" : "service",
      url: mosquitto.url,
      configFile: join(dir, "cellward.json"),
    };
    service.send(order);
    await next(service, "ready", 180_000);

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
    // When something else fails first, that is the error to show.
    published.catch(() => {});
    publisher.send(plan);
    await next(publisher, "born", 60_000);
    await sleepUntil(startMs + warmS * 1000);
    service.send("mark");
    await sleepUntil(startMs + plan.seconds * 1000);
    const reported = next<ServiceReport>(service, "report", 10_000);
    service.send("report");
    const report = await reported;
    const sent = await published;
    // Windows of silent sensors are held for some seconds; then everything is judged and stored.
    await sleepUntil(Date.now() + SETTLE_MS);
    const told = next<ServiceOutcome>(service, "outcome", 10_000);
    service.send("outcome");
    const figures = weigh(plan, report, sent, alone, await told);
    print(plan, report, sent, alone, figures);
    if (flags.record) record(plan, report, sent, alone, figures);
    if (flags.gate) process.exitCode = figures.missed.length === 0 ? 0 : 99;
    service.send("stop");
  } finally {
    for (const process_ of [service, publisher]) {
      if (process_.exitCode === null)
        await Promise.race([new Promise((r) => process_.once("exit", r)), sleepUntil(Date.now() + 3000)]);
      process_.kill("SIGKILL");
    }
    await mosquitto.stop();
    rmSync(dirname(compiled), { recursive: true, force: true });
    rmSync(dir, { recursive: true, force: true });
  }
}

interface Figures {
  readonly perSecond: number;
  readonly perCore: number;
  /** Readings sent, and of them neither accepted nor refused; and those that the broker sent a second time. */
  readonly lost: number;
  readonly again: number;
  readonly episodes: number;
  readonly found: number;
  readonly right: number;
  readonly alerts: number;
  readonly medianDelayS: number;
  /** SHA-256 over every alert's block, cell and time since the start. */
  readonly hash: string;
  readonly missed: readonly string[];
}

/** Judges the run: what was taken, what was found of what was planted, and which of the house's figures were missed. */
function weigh(
  plan: Plan,
  report: ServiceReport,
  sent: PublisherReport,
  alone: DetectorFigure,
  outcome: ServiceOutcome,
): Figures {
  const perSecond = report.readings / report.elapsedS;
  const ledger = outcome.ledger;
  const planted = episodes(plan).filter((e) => e.toS <= plan.seconds);
  const phones = outcome.alerts.filter((a) => a.kind === "phone-active");
  const delays: number[] = [];
  let right = 0;
  for (const { fromS, toS, block, cell } of planted) {
    const atS = (a: { openedAtMs: number }) => (a.openedAtMs - plan.startMs) / 1000;
    const hit = phones.find((a) => a.block === block && atS(a) >= fromS && atS(a) <= toS + 5);
    if (hit === undefined) continue;
    delays.push(atS(hit) - fromS);
    if (hit.cell === cell.id) right++;
  }
  const lines = outcome.alerts.map((a) => `${a.kind} ${a.block} ${a.cell} ${a.openedAtMs - plan.startMs}\n`).sort();
  const wanted: [boolean, string][] = [
    [perSecond >= 0.99 * plan.rate, `${plan.rate} readings/s taken`],
    [report.cpuShare <= 1, "one core"],
    [report.delayP99Ms <= 20, "event-loop delay p99 <= 20 ms"],
    [report.peakRssMb <= 500, "RSS <= 500 MB"],
    [alone.perCpuSecond >= 40e6, "detector alone >= 40 M channel samples/s"],
  ];
  return {
    perSecond,
    perCore: perSecond / report.cpuShare,
    lost: ledger === null ? 0 : sent.readings - ledger.accepted - ledger.refused,
    again: ledger?.duplicate ?? 0,
    episodes: planted.length,
    found: delays.length,
    right,
    alerts: phones.length,
    medianDelayS: delays.sort((a, b) => a - b)[Math.floor(delays.length / 2)] ?? Number.NaN,
    hash: createHash("sha256").update(lines.join("")).digest("hex").slice(0, 16),
    missed: wanted.filter(([met]) => !met).map(([, what]) => what),
  };
}

function machine(): string {
  return `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} cores, load ${loadavg()[0]!.toFixed(1)}`;
}

function print(plan: Plan, report: ServiceReport, sent: PublisherReport, alone: DetectorFigure, f: Figures): void {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const outcome = flags.sink
    ? []
    : [
        `  ledger         ${f.lost} of ${sent.readings} readings unaccounted for, ${f.again} sent again by the broker`,
        `  found          ${f.found} of ${f.episodes} phones, ${f.right} in the right cell at once, median ${f.medianDelayS.toFixed(1)} s; ${f.alerts} alerts, hash ${f.hash}`,
      ];
  const lines = [
    `bench main${flags.sink ? " (sink only: mqtt.js and JSON.parse)" : ""}`,
    `  machine        ${machine()}, Node ${process.versions.node}`,
    `  input          ${plan.sensors} sensors x ${BANDS.length} bands, ${SAMPLES} instants a message, QoS 1, seed ${plan.seed}, hash ${sent.hash}`,
    `  sent           ${sent.messages} messages of ${(sent.bytes / sent.messages / 1000).toFixed(1)} kB, ${sent.readings} readings, p99 ${sent.lagP99Ms} ms late, ${percent(sent.cpuShare)} of a core`,
    `  taken          ${f.perSecond.toFixed(0)} readings/s over ${report.elapsedS.toFixed(1)} s`,
    `  CPU            ${percent(report.cpuShare)} of one core, so ${f.perCore.toFixed(0)} readings/s on a whole one`,
    `  loop delay     p50 ${report.delayP50Ms.toFixed(1)} ms, p99 ${report.delayP99Ms.toFixed(1)} ms, max ${report.delayMaxMs.toFixed(1)} ms`,
    `  memory         RSS ${report.rssMb.toFixed(0)} MB now, ${report.peakRssMb.toFixed(0)} MB at most (heap ${report.heapMb.toFixed(0)} MB, buffers ${report.buffersMb.toFixed(0)} MB)`,
    `  detector alone ${(alone.perCpuSecond / 1e6).toFixed(1)} M samples a second of processor time, ${(alone.bestPerSecond / 1e6).toFixed(1)} M by the clock in its best windows, hash ${alone.hash}`,
    ...outcome,
    ...f.missed.map((what) => `  MISSED         ${what}`),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** One row of results.md. */
function record(plan: Plan, report: ServiceReport, sent: PublisherReport, alone: DetectorFigure, f: Figures): void {
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: import.meta.dirname })
    .toString()
    .trim();
  const cells = [
    new Date().toISOString().slice(0, 16).replace("T", " "),
    commit,
    `${machine()}, Node ${process.versions.node}`,
    flags.sink ? "sink" : "service",
    `${plan.rate} for ${report.elapsedS.toFixed(0)} s`,
    f.perSecond.toFixed(0),
    `${(100 * report.cpuShare).toFixed(0)} %`,
    `${report.delayP50Ms.toFixed(1)} / ${report.delayP99Ms.toFixed(1)} / ${report.delayMaxMs.toFixed(0)}`,
    report.peakRssMb.toFixed(0),
    (alone.perCpuSecond / 1e6).toFixed(1),
    flags.sink ? "" : `${f.right}/${f.found}/${f.episodes}`,
    `${sent.hash} ${flags.sink ? "" : f.hash}`.trim(),
  ];
  appendFileSync(join(import.meta.dirname, "results.md"), `| ${cells.join(" | ")} |\n`);
}

await main();
