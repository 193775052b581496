import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt, { type MqttClient } from "mqtt";
import { type Simulation, simulate } from "../../simulator/index.ts";
import { loadConfig } from "../../src/config.ts";
import type { Clock } from "../../src/contracts.ts";
import { createLogger, type Logger } from "../../src/log.ts";
import { type Service, startService } from "../../src/main.ts";
import type { AlertChange } from "../../src/model.ts";
import { until } from "./servers.ts";

/** The whole service in this process, for tests: real broker, real store, real HTTP, in a temporary folder. */
export interface TestService {
  readonly service: Service;
  readonly dir: string;
  readonly changes: AlertChange[];
  get(path: string): Promise<{ status: number; body: any }>;
  post(path: string, body: unknown): Promise<{ status: number; body: any }>;
  stop(): Promise<void>;
}

export interface TestServiceOptions {
  /** Folder with the state of an earlier run; by default a fresh one. */
  readonly dir?: string;
  readonly siteText: string;
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly clock?: Clock;
  readonly log?: Logger;
}

export function temporaryDir(): string {
  return mkdtempSync(join(tmpdir(), "cellward-test-"));
}

export async function startTestService(options: TestServiceOptions): Promise<TestService> {
  const dir = options.dir ?? temporaryDir();
  const site = join(dir, "site.yaml");
  mkdirSync(dir, { recursive: true });
  writeFileSync(site, options.siteText);
  const flags = { site, data_dir: join(dir, "data"), "http.port": 0, "mqtt.embedded.port": 0, ...options.flags };
  const { config } = loadConfig({ file: null, env: {}, flags });
  const changes: AlertChange[] = [];
  const service = await startService({
    config,
    version: "test",
    log: options.log ?? createLogger(process.env.CELLWARD_TEST_LOG ?? "silent"),
    consoleDir: null,
    onAlert: (change) => changes.push(change),
    ...(options.clock ? { clock: options.clock } : {}),
  });
  const call = async (path: string, init?: RequestInit) => {
    const response = await fetch(new URL(path, service.listening.url), init);
    const text = await response.text();
    const json = response.headers.get("content-type")?.includes("json");
    return { status: response.status, body: json ? JSON.parse(text) : text };
  };
  return {
    service,
    dir,
    changes,
    get: (path) => call(path),
    post: (path, body) =>
      call(path, {
        method: "POST",
        headers: { "content-type": "application/json", "x-cellward-client": "test" },
        body: JSON.stringify(body),
      }),
    stop: () => service.stop(),
  };
}

export function removeDir(dir: string): void {
  rmSync(dir, { recursive: true, force: true });
}

/** A clock that stands still until it is moved, so that a loaded machine changes nothing but the test's duration. */
export class HandClock implements Clock {
  private atMs: number;
  constructor(startMs: number) {
    this.atMs = startMs;
  }
  nowMs(): number {
    return this.atMs;
  }
  monotonicMs(): number {
    return this.atMs;
  }
  moveTo(ms: number): void {
    this.atMs = Math.max(this.atMs, ms);
  }
}

/**
 * Sends a simulation's messages second by second: the clock moves on once the service has taken the second's messages and
 * has had a look at its windows. Gives the number sent.
 */
export async function playSimulation(
  simulation: Simulation,
  client: MqttClient,
  service: Service,
  clock: HandClock,
  fromS: number,
  untilS: number,
): Promise<number> {
  const before = service.intake.ledger.messages;
  let sent = 0;
  let second = fromS;
  const settle = async () => {
    await until("the second's messages", () => service.intake.ledger.messages >= before + sent, 60_000);
    // Two looks of the service's own timer (100 ms).
    await new Promise((resolve) => setTimeout(resolve, 220));
  };
  for (const message of simulation.messages()) {
    const atS = (message.t - simulation.startMs) / 1000;
    if (atS < fromS) continue;
    if (atS >= untilS) break;
    while (atS >= second + 1) {
      await settle();
      second++;
    }
    clock.moveTo(message.t);
    client.publish(message.topic, Buffer.from(message.payload as string), { qos: 1, retain: message.retain });
    sent++;
  }
  clock.moveTo(simulation.startMs + untilS * 1000);
  await settle();
  return sent;
}

export const demoSimulation = (startMs: number, seed = 1) => simulate("demo", seed, { startMs, durationS: 240 });

export const connectTo = (url: string, clientId: string) => mqtt.connectAsync(url, { clientId });
