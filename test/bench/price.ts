/**
 * What durability costs: a backlog in a real mosquitto, taken by `cellward run` with the durable log and without it, side by
 * side, several times. Run: node bin/bench.js price [--rounds N] [--messages N]. Quote the ratio; rates move with the machine.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import mqtt from "mqtt";
import { freePort, startMosquitto, until } from "../support/servers.ts";
import { TOY_BAND, toySiteText } from "../support/toy-block.ts";
import { quantile } from "./faults/frame.ts";

const BIN = fileURLToPath(new URL("../../bin/cellward.js", import.meta.url));
const { values } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, messages: { type: "string", default: "40000" } },
});
const MESSAGES = Number(values.messages);
const SENSORS = 12;
/** Instants a message: 50 of one band, some 400 bytes. */
const COUNT = 50;

async function round(enabled: boolean): Promise<{ rate: number; cpuUs: number }> {
  const dir = mkdtempSync(join(tmpdir(), "cellward-price-"));
  const broker = await startMosquitto();
  // A port known beforehand: what the service takes in its first second counts too.
  const port = await freePort();
  writeFileSync(join(dir, "site.json"), toySiteText(6));
  const config = {
    site: "site.json",
    data_dir: "data",
    mqtt: { url: broker.url },
    http: { port },
    log: { level: "warn" },
    journal: { enabled },
    // Without the log nothing holds the broker back: what is measured is speed, not refusals.
    limits: { inbox_messages: 10 * MESSAGES, inbox_bytes: 2 ** 31 },
  };
  writeFileSync(join(dir, "config.json"), JSON.stringify(config));
  const sensors = await mqtt.connectAsync(broker.url, { clientId: "sensors", protocolVersion: 5 });
  let child: ChildProcess | null = null;
  const start = async () => {
    const up = new Promise<void>((resolve) => sensors.once("message", () => resolve()));
    child = spawn(process.execPath, [BIN, "run", "--config", join(dir, "config.json")], {
      stdio: ["ignore", "ignore", 2],
    });
    await up;
  };
  const stop = async () => {
    const ended = new Promise((resolve) => child!.once("exit", resolve));
    child!.kill("SIGTERM");
    await ended;
  };
  try {
    // A first run makes the session in which the broker keeps what comes.
    await sensors.subscribeAsync("cellward/v1/toy/_svc/main/state", { qos: 1 });
    await start();
    await stop();
    await sensors.unsubscribeAsync("cellward/v1/toy/_svc/main/state");
    const t0 = Math.floor(Date.now() - (MESSAGES / SENSORS) * COUNT * 20);
    const sent: Promise<unknown>[] = [];
    for (let k = 0; k < MESSAGES; k++) {
      const sensor = `s${k % 2}-${(k >> 1) % 6}`;
      const n = Math.floor(k / SENSORS);
      const rms = Array.from({ length: COUNT }, (_, j) => -100 + ((k * 7 + j * 13) % 40) / 10);
      const message = {
        v: 1,
        boot: 1,
        seq: n * COUNT,
        ts: t0 + n * COUNT * 20,
        dt_ms: 20,
        bands: [TOY_BAND],
        rms_dbm: [rms],
      };
      sent.push(sensors.publishAsync(`cellward/v1/toy/b1/${sensor}/readings`, JSON.stringify(message), { qos: 1 }));
      if (sent.length === 1000) await Promise.all(sent.splice(0));
    }
    await Promise.all(sent);
    child = spawn(process.execPath, [BIN, "run", "--config", join(dir, "config.json")], {
      stdio: ["ignore", "ignore", 2],
    });
    const url = `http://127.0.0.1:${port}/metrics`;
    const marks: { atMs: number; taken: number; cpuS: number }[] = [];
    await until(
      "the backlog",
      async () => {
        // The service limits how often it may be asked.
        await new Promise((resolve) => setTimeout(resolve, 100));
        const answer = await fetch(url).catch(() => null);
        if (!answer?.ok) return false;
        const text = await answer.text();
        const of = (name: string) => Number(new RegExp(`^cellward_${name} (\\S+)`, "m").exec(text)?.[1]);
        const taken = of('readings_total\\{result="accepted"\\}') / COUNT;
        marks.push({ atMs: performance.now(), taken, cpuS: of("process_cpu_seconds_total") });
        return taken >= MESSAGES;
      },
      120_000,
    );
    const from = marks.findLast((m) => m.taken < MESSAGES * 0.2) ?? marks[0]!;
    const to = marks.find((m) => m.taken > MESSAGES * 0.9)!;
    const done = to.taken - from.taken;
    if (!(done >= MESSAGES / 4 && marks.length >= 5)) {
      throw new Error(
        `${MESSAGES} messages were taken between two looks: too few to measure; ask for more (--messages)`,
      );
    }
    return { rate: (1000 * done) / (to.atMs - from.atMs), cpuUs: (1e6 * (to.cpuS - from.cpuS)) / done };
  } finally {
    await stop();
    await sensors.endAsync(true);
    await broker.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

spawnSync(process.execPath, [BIN, "--version"], { stdio: "ignore" });
const ratios: number[] = [];
for (let n = 0; n < Number(values.rounds); n++) {
  const results = { with: { rate: 0, cpuUs: 0 }, without: { rate: 0, cpuUs: 0 } };
  // In turns first and second, so that a machine that warms up or slows down favours neither.
  for (const name of n % 2 === 0 ? (["with", "without"] as const) : (["without", "with"] as const)) {
    results[name] = await round(name === "with");
  }
  const ratio = results.with.rate / results.without.rate;
  ratios.push(ratio);
  const text = (r: { rate: number; cpuUs: number }) =>
    `${Math.round(r.rate)} messages/s, ${r.cpuUs.toFixed(0)} us CPU each`;
  process.stdout.write(`with ${text(results.with)}; without ${text(results.without)}; ratio ${ratio.toFixed(2)}\n`);
}
const median = quantile(ratios, 0.5);
process.stdout.write(`throughput with durability, of that without: median ${median.toFixed(2)} (target 0.60)\n`);
process.exit(median >= 0.6 ? 0 : 99);
