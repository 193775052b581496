/**
 * Watches the service from a process of its own and says so when it hangs or is gone, on channels that do not need it: the
 * broker (an alert of kind `service-fault` where every client looks for alerts), a command, and its own output.
 */
import { spawn } from "node:child_process";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { open } from "./alert/lifecycle.ts";
import type { Clock } from "./contracts.ts";
import { type Beat, readBeat } from "./heartbeat.ts";
import type { Logger } from "./log.ts";
import type { Alert, AlertChange } from "./model.ts";

export interface WatchdogOptions {
  readonly dataDir: string;
  readonly site: string;
  readonly instance: string;
  /** Without a new beat for so long the service hangs. */
  readonly afterMs: number;
  readonly pollMs: number;
  /** Null: no broker of its own to speak through. */
  readonly broker: { readonly url: string; readonly options: IClientOptions } | null;
  /** Run with the word `hangs` or `lives` and a sentence as arguments; null: none. */
  readonly command: string | null;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onChange?: (hangs: boolean) => void;
}

export class Watchdog {
  private readonly o: WatchdogOptions;
  private client: MqttClient | null = null;
  private timer: NodeJS.Timeout | null = null;
  private last: Beat | null = null;
  private changedMs: number;
  private alert: Alert | null = null;

  constructor(options: WatchdogOptions) {
    this.o = options;
    this.changedMs = options.clock.monotonicMs();
  }

  start(): void {
    const { broker, pollMs } = this.o;
    if (broker) {
      // The library keeps what is published while the broker is away and sends it when it is back: a handful at the most.
      this.client = mqtt.connect(broker.url, { ...broker.options, clean: true, reconnectPeriod: 1000 });
      this.client.on("error", (error) =>
        this.o.log.warn({ error: error.message }, "the watchdog can't reach the broker"),
      );
    }
    this.timer = setInterval(() => this.look(), pollMs);
  }

  async stop(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    await this.client?.endAsync(true);
  }

  /** Whether it was last said that the service hangs. */
  get hangs(): boolean {
    return this.alert !== null;
  }

  private look(): void {
    const nowMs = this.o.clock.monotonicMs();
    const beat = readBeat(this.o.dataDir);
    if (beat && (beat.beats !== this.last?.beats || beat.pid !== this.last.pid)) {
      this.last = beat;
      this.changedMs = nowMs;
      if (this.alert) this.over();
    } else if (!this.alert && nowMs - this.changedMs >= this.o.afterMs) this.say(nowMs - this.changedMs);
  }

  private say(silentMs: number): void {
    const { site, instance, clock } = this.o;
    const tMs = clock.nowMs();
    const seconds = Math.round(silentMs / 1000);
    const what = this.last === null ? "has not begun" : isAlive(this.last.pid) ? "hangs" : "is gone";
    const text = `The service ${instance} ${what}: no sign of life for ${seconds} s. Nothing is judged; sensors and broker keep what they can.`;
    this.alert = open({
      id: `watchdog-${instance}-${tMs.toString(36)}`,
      site,
      block: null,
      kind: "service-fault",
      severity: "critical",
      text,
      tMs,
      firstEvidenceMs: tMs - Math.round(silentMs),
      latched: false,
    });
    this.o.log.error({ instance }, text);
    this.tell({ type: "new", before: null, after: this.alert });
    this.run("hangs", text);
    this.o.onChange?.(true);
  }

  private over(): void {
    const before = this.alert!;
    this.alert = null;
    const tMs = this.o.clock.nowMs();
    const text = `The service ${this.o.instance} lives again.`;
    const after = { ...before, version: 2, active: false, latched: false, closed_at: tMs, last_evidence_at: tMs };
    this.o.log.warn({ instance: this.o.instance }, text);
    this.tell({ type: "end", before, after });
    this.run("lives", text);
    this.o.onChange?.(false);
  }

  private tell(change: AlertChange): void {
    const base = `cellward/v1/${this.o.site}`;
    const { after } = change;
    const retained = after.closed_at === null ? JSON.stringify(after) : "";
    this.client?.publish(`${base}/_alert/${after.id}`, retained, { qos: 1, retain: true });
    this.client?.publish(`${base}/_alert_event`, JSON.stringify(change), { qos: 1 });
  }

  private run(word: string, text: string): void {
    const { command, log } = this.o;
    if (command === null) return;
    const child = spawn(command, [word, text], { stdio: "ignore" });
    child.on("error", (error) => log.error({ error: error.message, command }, "the watchdog's command can't be run"));
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
