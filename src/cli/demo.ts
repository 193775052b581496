import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import type { MqttClient } from "mqtt";
import type { SimMessage, TruthEpisode } from "../../simulator/index.ts";
import { counted } from "../counted.ts";
import { EXIT } from "../errors.ts";
import type { Alert, AlertChange } from "../model.ts";
import { consoleDir, untilStopped } from "./run.ts";
import { integer, scenarioProblem } from "./simulate.ts";
import { parseDuration, parsePort } from "./units.ts";
import { packageVersion } from "./version.ts";

export function addDemo(program: Command): void {
  program
    .command("demo")
    .description("Everything on embedded defaults: broker, store, console, and a simulated block that sends to it.")
    .option("--scenario <name>", "scenario of the library, or a file", "demo")
    .option("--seed <n>", "seed of the simulation", integer, 1)
    .option("--port <n>", "port of the console; a taken one is replaced by a free one", parsePort, 8080)
    .option("--mqtt-port <n>", "port of the embedded broker; a taken one is replaced by a free one", parsePort, 1883)
    .option("--duration <time>", "stop by itself after so long, e.g. 90s, 10m", parseDuration)
    .addHelpText("after", "\nCtrl-C ends it. Nothing is kept: it writes to a temporary folder that it removes.")
    .action(demo);
}

interface DemoFlags {
  readonly scenario: string;
  readonly seed: number;
  readonly port: number;
  readonly mqttPort: number;
  /** Milliseconds. */
  readonly duration?: number;
}

async function demo(flags: DemoFlags): Promise<void> {
  const { simulate } = await import("../../simulator/index.ts");
  const { loadConfig } = await import("../config.ts");
  const { createLogger } = await import("../log.ts");
  const { startService } = await import("../main.ts");
  const { default: mqtt } = await import("mqtt");
  const dir = mkdtempSync(join(tmpdir(), "cellward-demo-"));
  try {
    const { site } = scenarioOf(flags.scenario, () => simulate(flags.scenario, flags.seed));
    writeFileSync(join(dir, "site.yaml"), site);
    const { config } = loadConfig({
      file: null,
      env: {},
      flags: {
        site: join(dir, "site.yaml"),
        data_dir: dir,
        "http.port": flags.port,
        "mqtt.embedded.port": flags.mqttPort,
        "pipeline.hold_ms": 2000,
        "log.level": "warn",
      },
    });
    let show: ReturnType<typeof shower> | null = null;
    const service = await startService({
      config,
      version: packageVersion(),
      log: createLogger("warn"),
      consoleDir: consoleDir(),
      portFallback: true,
      onAlert: (change) => show?.alert(change),
    });
    if (service.listening.replaced)
      say(`Port ${flags.port} is taken; the console is on port ${service.listening.port}.`);
    if (service.broker?.insteadOf)
      say(`Port ${flags.mqttPort} is taken; the broker is on port ${service.broker.port}.`);
    say("");
    say(`  Console  ${service.listening.url}`);
    say(`  API      ${service.listening.url}/docs`.replace("//docs", "/docs"));
    say(`  Broker   ${service.mqttUrl}`);
    say("");
    say(
      `A simulated block of ${service.site.sensors.length} sensors is sending. Alerts stand beside the simulated truth. Ctrl-C ends it.`,
    );
    say("");
    // The block begins once the service is up: what was sent before nobody would judge.
    const simulation = simulate(flags.scenario, flags.seed, { startMs: Date.now() + START_IN_MS });
    const { sensors, timezone } = service.site;
    const measured = new Set(sensors.flatMap((s) => s.bands));
    const { startMs, scenario } = simulation;
    const round = { lastsMs: 1000 * scenario.duration_s, restsMs: scenario.loop ? 1000 * scenario.rest_s : 0 };
    const shown = shower(simulation.truth, { startMs, timeZone: timezone, measured, round, say });
    show = shown;
    const client = await mqtt.connectAsync(service.mqttUrl, { clientId: "cellward-demo-block" });
    const player = play(simulation.messages(), client, () => shown.truth());
    const stop = [untilStopped()];
    if (flags.duration !== undefined) stop.push(new Promise((done) => setTimeout(done, flags.duration)));
    await Promise.race(stop);
    player.stop();
    await soon(client.endAsync(true).then(() => service.stop()));
    // The terminal has written ^C at the begin of the line.
    if (process.stdout.isTTY) say("");
    say(shown.summary());
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  process.exit(EXIT.ok);
}

/** Time to connect before the simulation's first message. */
const START_IN_MS = 500;

/** A demo keeps nothing, so whoever ends it needn't wait for what does not end. */
const END_MS = 10_000;

/** Waits for an end, but not for ever: then it says what is still there. */
async function soon(end: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      const left = process.getActiveResourcesInfo().join(", ");
      process.stderr.write(`cellward demo: not all had ended after ${END_MS / 1000} s (${left})\n`);
      resolve();
    }, END_MS);
  });
  await Promise.race([end, late]);
  clearTimeout(timer);
}

/** An unknown scenario is a wrong command line, a broken one bad input. */
function scenarioOf<T>(name: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw scenarioProblem(name, error);
  }
}

/** One line; on a terminal broken between words, not where it happens to end. */
function say(line: string): void {
  const { isTTY, columns } = process.stdout;
  process.stdout.write(`${(isTTY && columns > 0 ? wrap(line, columns) : [line]).join("\n")}\n`);
}

/** The time that a line may begin with: what goes on in the next line stands under the words behind it. */
const TIME = /^\d\d:\d\d:\d\d {2}/;

/** A text in lines of at most so many characters, broken at spaces; a longer word has a line to itself. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  const indent = " ".repeat(TIME.exec(text)?.[0].length ?? 0);
  // A number and its unit stay together.
  let rest = text.replace(/(\d) (?=(?:%|dB|ms|s)(?!\w))/g, "$1\u00a0");
  while (rest.length > columns) {
    const cut = rest.lastIndexOf(" ", columns);
    // Not before the words begin, or the same spaces would be cut off for ever.
    const begin = Math.max(0, rest.search(/[^ ]/));
    const at = cut > begin ? cut : rest.indexOf(" ", Math.max(columns, begin));
    if (at < 0) break;
    lines.push(rest.slice(0, at).trimEnd());
    rest = indent + rest.slice(at + 1).trimStart();
  }
  return [...lines, rest];
}

/** Sends the simulation's messages at their own times. */
function play(messages: Iterator<SimMessage>, client: MqttClient, onSecond: () => void): { stop(): void } {
  let next = messages.next();
  let secondMs = 0;
  const timer = setInterval(() => {
    const nowMs = Date.now();
    while (!next.done && next.value.t <= nowMs) {
      const { topic, payload, retain } = next.value;
      client.publish(topic, Buffer.from(payload as string), { qos: 1, retain });
      next = messages.next();
    }
    if (nowMs - secondMs >= 1000) {
      secondMs = nowMs;
      onSecond();
    }
  }, 20);
  return { stop: () => clearInterval(timer) };
}

interface Telling {
  readonly startMs: number;
  /** The house's own: the console shows the same time. */
  readonly timeZone: string;
  /** Bands that any sensor measures. */
  readonly measured: ReadonlySet<string>;
  /** What happens again and again, and how long nothing does before the next time. */
  readonly round: { readonly lastsMs: number; readonly restsMs: number };
  say(line: string): void;
}

/** A phone may be on so long before the evidence that its alert begins with: clocks and windows differ. */
const BEFORE_MS = 2000;

/** Prints alerts as they come, each beside the phone of the simulated truth that it can only be. */
export function shower(truth: readonly TruthEpisode[], { startMs, timeZone, measured, round, say }: Telling) {
  let told = 0;
  let rounds = 0;
  let unheard = 0;
  let right = 0;
  let wrong = 0;
  const time = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone });
  const clock = (ms: number) => time.format(ms);
  const who = (e: TruthEpisode) => (e.legitimate ? `${e.emitter} (allowed)` : e.emitter);
  const where = (e: TruthEpisode) => e.cell ?? "the street";
  /** Transmissions that have begun since the last look. */
  const tellTruth = (): void => {
    for (; told < truth.length && truth[told]!.start <= Date.now(); told++) {
      const e = truth[told]!;
      const deaf = measured.has(e.band) ? "" : ", a band that no sensor here measures";
      if (deaf !== "") unheard++;
      say(`${clock(e.start)}  truth  ${who(e)} ${e.activity} in ${where(e)}, ${e.band}${deaf}`);
    }
  };
  /** Minutes without a line are meant. */
  const tellRest = (): void => {
    const overMs = startMs + rounds * (round.lastsMs + round.restsMs) + round.lastsMs;
    if (round.restsMs === 0 || Date.now() < overMs) return;
    rounds++;
    say(`${clock(overMs)}  Nobody transmits until ${clock(overMs + round.restsMs)}; then the block wakes up again.`);
  };
  /** Who was on in an alert's bands meanwhile. */
  const onDuring = ({ bands, first_evidence_at, last_evidence_at }: Alert) =>
    truth.filter(
      (e) => bands.includes(e.band) && e.start <= last_evidence_at && e.end >= first_evidence_at - BEFORE_MS,
    );
  const verdict = (alert: Alert, on: readonly TruthEpisode[]): string => {
    if (alert.kind !== "phone-active") return "";
    if (on.length === 0) return "  [no phone was on]";
    const there = on.filter((e) => e.cell === alert.cell);
    if (there.some((e) => !e.legitimate)) return "  [right cell]";
    const phones = on.filter((e) => !e.legitimate);
    return `  [truth: ${(phones.length > 0 ? phones.map(where) : on.map((e) => `${who(e)} in ${where(e)}`)).join(", ")}]`;
  };
  return {
    /** Once a second. */
    truth(): void {
      tellTruth();
      tellRest();
    },
    alert({ type, before, after }: AlertChange): void {
      // Each wobble of a probability is for the console; here, what sends somebody to another door.
      if (type === "update" && before?.cell === after.cell && before.severity === after.severity) return;
      tellTruth();
      const on = onDuring(after);
      const hit = on.some((e) => !e.legitimate && e.cell === after.cell);
      if (type === "new" && after.kind === "phone-active") hit ? right++ : wrong++;
      const delay = type === "new" ? ` after ${((after.opened_at - after.first_evidence_at) / 1000).toFixed(1)} s` : "";
      say(`${clock(Date.now())}  ALERT  ${type}${delay}: ${after.text}${verdict(after, on)}`);
    },
    summary: () =>
      `${counted(told, "transmission")} in ${Math.round((Date.now() - startMs) / 1000)} s${unheard > 0 ? `, ${unheard} of them on bands that no sensor measures` : ""}; alerts that opened on the right cell: ${right}, on another: ${wrong}.`,
  };
}
