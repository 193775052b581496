/**
 * A small house in real time for the fault bench: twelve sensors that send through a real broker and keep what the service has
 * not acknowledged, phones that call one after the other, and beside it the same readings judged in this process without any
 * broker, disk or fault, which is what the service under fault is compared with.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import mqtt, { type MqttClient, Store } from "mqtt";
import { CODECS } from "../../sensors/index.ts";
import { Blocks } from "../../src/blocks.ts";
import { createDecoder } from "../../src/ingest/decode.ts";
import { RejectLog } from "../../src/ingest/rejects.ts";
import { SequenceBook } from "../../src/ingest/sequence.ts";
import { Intake } from "../../src/intake.ts";
import { createLogger } from "../../src/log.ts";
import type { Alert, AlertChange, Site } from "../../src/model.ts";
import { parseSite } from "../../src/site.ts";
import { createLocalStore } from "../../src/store/local.ts";
import { TOY_APART_M, TOY_BAND, toySiteText } from "./toy-block.ts";

const CHILD = fileURLToPath(new URL("./service-child.ts", import.meta.url));
const BIN = fileURLToPath(new URL("../../bin/cellward.js", import.meta.url));
/** 12 sensors every 24 ms: 500 messages a second. */
export const PERIOD_MS = 24;
const CALL_MS = 4000;
const CALL_EVERY_MS = 9000;
/** The service acknowledges every ten seconds; a machine under load may need several. */
const MOST_RESENDS = 8;
/** A network that falls silent as a whole is waited for 10 s before its last windows are judged; and room for a slow machine. */
const LAST_WINDOWS_MS = 14_000;

export interface SentMessage {
  readonly sensor: string;
  readonly seq: number;
  readonly tsMs: number;
  readonly topic: string;
  readonly payload: string;
}

export interface HouseOptions {
  readonly dir: string;
  /** The broker as the sensors reach it, and as the service does. */
  readonly sensorsUrl: string;
  readonly serviceUrl: string;
  /** The broker as the one who watches alerts reaches it; default: as the sensors. */
  readonly watcherUrl?: string;
  readonly random: () => number;
  /** Changes to the service, by name: see service-child.ts. Without any it is `cellward run` itself. */
  readonly changes?: readonly string[];
  /** A module that is loaded before `cellward run`. */
  readonly preload?: string;
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** Time between two readings of a sensor; default 24 ms. */
  readonly periodMs?: number;
  /** Wings of twelve sensors each, with calls of their own; default 1. */
  readonly wings?: number;
  /** In each wing a call begins every so often; default 9 s. It lasts 4 s. */
  readonly callEveryMs?: number;
  /** The first call begins after this; before it floors are learnt. */
  readonly quietMs?: number;
  /** Reads what the ended service has stored, where that is not the local store; gives the number of late readings. */
  readonly stored?: (add: (sensor: string, tsMs: number, readings: number) => void) => Promise<number>;
  /** Where readings are missing at the end, the service is started once more: what only its log held is stored then. */
  readonly lookAgain?: boolean;
}

export interface Verdict {
  readonly sent: number;
  readonly lost: number;
  /** Of the lost: still kept by their sensors. */
  readonly kept: number;
  /** Still missing after one more start, with `lookAgain`; null: nothing was missing, or nobody looked. */
  readonly lostAfterRestart: number | null;
  readonly doubled: number;
  readonly late: number;
  readonly alertsExpected: number;
  readonly alertsMissed: number;
  readonly alertsFalse: number;
  /** Of calls that are part of another alert in the run without faults. */
  readonly alertsOfTheirOwn: number;
  /** Alerts told as new more than once under different ids, or under one id with different content. */
  readonly alertsDoubled: number;
  /** Of alerts: from the end of the window that raised them to the one who watches, ms. */
  readonly alertMs: readonly number[];
  /** The same change delivered again: at least once is what MQTT promises. */
  readonly repeats: number;
}

export class House {
  readonly site: Site;
  /** Every alert change that came out of the broker, in order. */
  readonly heard: AlertChange[] = [];
  /** Of every new alert of a phone: from the end of the window that raised it to its arrival here. */
  readonly alertMs: number[] = [];
  /** Alerts that were seen as retained messages. */
  readonly seen = new Map<string, Alert>();
  /** What a sensor does when its connection is back; false: it trusts the broker. */
  resends = true;
  /** Messages made, and how many readings each sensor has in each second: what the store must hold. */
  private sent = 0;
  private lastMs = 0;
  private readonly want = new Map<string, number>();
  /** What the service has not acknowledged, by sensor. */
  readonly rings = new Map<string, SentMessage[]>();
  /** Changes what goes out; null holds a message back for good. */
  onSend: (message: SentMessage) => readonly SentMessage[] = (m) => [m];
  child: ChildProcess | null = null;
  private readonly o: HouseOptions;
  private readonly reference: { intake: Intake; blocks: Blocks; changes: AlertChange[] };
  private sensors!: MqttClient;
  private watcher!: MqttClient;
  private timer: NodeJS.Timeout | null = null;
  private seq = 0;
  private beganMs = 0;
  private nextMs = 0;
  private upWaiters: (() => void)[] = [];
  private readonly output: string[] = [];
  confirmed = 0;
  /** Readings that the sensors still had when the run was ended: not lost, but not delivered either. */
  kept = 0;
  /** Sensors that misbehave: their readings are not compared. */
  readonly excluded = new Set<string>();

  constructor(options: HouseOptions) {
    this.o = options;
    const siteText = toySiteText(6, options.wings ?? 1);
    this.site = siteOf(siteText);
    const blocks = new Blocks({
      site: this.site,
      calibration: null,
      windowMs: 1000,
      holdMs: 2000,
      eager: true,
      falseAlarmsPerDay: 0.5,
    });
    const decoder = createDecoder({ site: this.site, codecs: CODECS });
    const intake = new Intake({ decoder, sequencer: new SequenceBook(), rejects: new RejectLog(), blocks });
    this.reference = { intake, blocks, changes: [] };
    mkdirSync(options.dir, { recursive: true });
    writeFileSync(join(options.dir, "site.json"), siteText);
  }

  /** Connects the sensors and the one who watches alerts; sends births. */
  async open(): Promise<void> {
    const { sensorsUrl, watcherUrl = sensorsUrl } = this.o;
    this.watcher = await mqtt.connectAsync(watcherUrl, {
      clientId: "watcher",
      protocolVersion: 5,
      clean: false,
      properties: { sessionExpiryInterval: 3600 },
      reconnectPeriod: 100,
    });
    this.watcher.on("message", (topic, payload) => this.hear(topic, payload.toString()));
    await this.watcher.subscribeAsync(
      ["cellward/v1/toy/_alert_event", "cellward/v1/toy/_alert/+", "cellward/v1/toy/_svc/main/state"],
      { qos: 1 },
    );
    this.sensors = await mqtt.connectAsync(sensorsUrl, {
      clientId: "sensors",
      protocolVersion: 5,
      reconnectPeriod: 100,
    });
    this.sensors.on("error", () => {});
    // The rings are what sensors keep. The library would send what was in flight once more by itself, one message a round trip.
    const { sensors } = this;
    sensors.on("close", () => {
      sensors.outgoingStore = new Store();
      sensors.outgoing = {};
    });
    this.watcher.on("error", () => {});
    this.sensors.on("message", (topic, payload) => this.acknowledge(topic, payload.toString()));
    await this.sensors.subscribeAsync("cellward/v1/toy/+/+/ack", { qos: 1 });
    this.births();
    // A sensor that was cut off says who it is and sends again what nobody has acknowledged.
    this.sensors.on("connect", () => {
      this.births();
      void this.sensors.subscribeAsync("cellward/v1/toy/+/+/ack", { qos: 1 }).catch(() => {});
      if (this.resends) this.resend();
    });
  }

  /** Begins to send 500 readings a second, in real time. */
  begin(): void {
    this.beganMs = Date.now();
    this.nextMs = this.beganMs;
    this.timer = setInterval(() => {
      const nowMs = Date.now();
      for (; this.nextMs <= nowMs; this.nextMs += this.o.periodMs ?? PERIOD_MS) this.instant(this.nextMs);
      this.judge(nowMs);
    }, 12);
  }

  /** Sends what no acknowledgement of the service covers, oldest first, as a sensor does after a reconnection. */
  resend(): void {
    for (const ring of this.rings.values()) for (const message of ring) this.publish(message);
  }

  endSending(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  /** Starts the service; resolves when it is connected and subscribed, or when it ended before. */
  async start(): Promise<boolean> {
    const { dir, serviceUrl, changes = [], settings = {}, preload } = this.o;
    const all = {
      site: join(dir, "site.json"),
      data_dir: join(dir, "data"),
      "mqtt.url": serviceUrl,
      "mqtt.reconnect_ms": 100,
      "http.port": 0,
      "log.level": "warn",
      "journal.snapshot_s": 5,
      ...settings,
    };
    writeFileSync(join(dir, "config.json"), JSON.stringify({ site: all.site }));
    const args = Object.entries(all).flatMap(([name, value]) => ["--set", `${name}=${value}`]);
    const before = preload === undefined ? [] : ["--import", preload];
    const program = changes.length === 0 ? [...before, BIN] : ["--import", "tsx", CHILD, changes.join(",")];
    const child = spawn(process.execPath, [...program, "run", "--config", join(dir, "config.json"), ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on("data", (chunk: Buffer) => {
        this.output.push(chunk.toString());
        if (this.output.length > 200) this.output.shift();
      });
    }
    const up = new Promise<boolean>((resolve) => this.upWaiters.push(() => resolve(true)));
    const ended = new Promise<boolean>((resolve) => child.once("exit", () => resolve(false)));
    return await Promise.race([up, ended]);
  }

  /** What the service printed last. */
  log(): string {
    return this.output.join("").slice(-3000);
  }

  async signal(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    if (signal !== "SIGSTOP" && signal !== "SIGCONT") await ended;
  }

  /** Waits until nobody has anything to send any more, ends everything and compares. */
  async settle(): Promise<Verdict> {
    this.endSending();
    await this.until(() => Date.now() > this.lastMs + LAST_WINDOWS_MS, 30_000);
    await this.until(() => this.heardAll(), 30_000);
    // The service acknowledges every ten seconds; what is still missing then is sent again.
    for (let round = 0; round < MOST_RESENDS && this.resends && this.unacknowledged() > 0; round++) {
      await this.until(() => this.unacknowledged() === 0, 12_000);
      if (this.unacknowledged() > 0) this.resend();
    }
    this.kept = this.resends ? this.unacknowledged() : 0;
    this.judge(Date.now());
    await this.signal("SIGTERM");
    await this.sensors.endAsync(true);
    const first = await this.verdict();
    const verdict = this.o.lookAgain && first.lost > 0 ? await this.lookedAgain(first) : first;
    await this.watcher.endAsync(true);
    return verdict;
  }

  /** Nobody sends any more: what comes to the store now comes from the service's log. */
  private async lookedAgain(first: Verdict): Promise<Verdict> {
    if (!(await this.start())) return first;
    await this.until(() => false, LAST_WINDOWS_MS);
    await this.signal("SIGTERM");
    return { ...first, lostAfterRestart: (await this.verdict()).lost };
  }

  async close(): Promise<void> {
    this.endSending();
    await this.signal("SIGKILL");
    await this.sensors?.endAsync(true);
    await this.watcher?.endAsync(true);
  }

  expected(): Alert[] {
    return this.reference.changes
      .filter((c) => c.type === "new" && c.after.kind === "phone-active")
      .map((c) => c.after);
  }

  /** The service's configuration as a file, for programs that look at the same installation. */
  writeConfig(name: string): void {
    const { dir, serviceUrl } = this.o;
    const config = { site: "site.json", data_dir: "data", mqtt: { url: serviceUrl } };
    writeFileSync(join(dir, name), JSON.stringify(config));
  }

  private unacknowledged(): number {
    let n = 0;
    for (const [sensor, ring] of this.rings) if (!this.excluded.has(sensor)) n += ring.length;
    return n;
  }

  private heardAll(): boolean {
    const ids = new Set([...this.heard.map((c) => c.after.id), ...[...this.seen.values()].map((a) => a.id)]);
    return this.expected().every((a) => ids.has(a.id));
  }

  private async until(condition: () => boolean, timeoutMs: number): Promise<void> {
    const end = performance.now() + timeoutMs;
    while (!condition() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  private hear(topic: string, text: string): void {
    if (topic.endsWith("/state")) {
      if ((JSON.parse(text) as { online: boolean }).online) for (const up of this.upWaiters.splice(0)) up();
      return;
    }
    if (!topic.endsWith("/_alert_event")) {
      if (text !== "") this.seen.set(topic, JSON.parse(text) as Alert);
      return;
    }
    const change = JSON.parse(text) as AlertChange;
    this.heard.push(change);
    const { kind, opened_at } = change.after;
    if (change.type === "new" && kind === "phone-active") this.alertMs.push(Date.now() - opened_at);
  }

  private births(): void {
    for (const { id, block } of this.site.sensors) {
      const birth = {
        v: 1,
        boot: 1,
        ts: Date.now(),
        type: "rf",
        period_ms: this.o.periodMs ?? PERIOD_MS,
        bands: [{ id: TOY_BAND, lo_hz: 832e6, hi_hz: 862e6 }],
      };
      const topic = `cellward/v1/toy/${block}/${id}/birth`;
      const payload = JSON.stringify(birth);
      this.sensors.publish(topic, payload, { qos: 1, retain: true });
      this.reference.intake.take(topic, Buffer.from(payload), true, Date.now());
    }
  }

  /** The call in a wing at an instant, counted from 0; null between calls. Wings call one after the other. */
  private callAt(wing: number, tsMs: number): number | null {
    const { callEveryMs = CALL_EVERY_MS, quietMs = 4000, wings = 1 } = this.o;
    const call = tsMs - this.beganMs - quietMs - (wing * callEveryMs) / wings;
    const number = Math.floor(call / callEveryMs);
    return call >= 0 && call - number * callEveryMs < CALL_MS ? number : null;
  }

  /** The call that an alert tells of, as text; null: nobody called there and then. */
  private called({ block, cell, first_evidence_at }: Alert): string | null {
    const wing = this.site.blocks.findIndex((b) => b.id === block);
    // Evidence is stamped with the end of its window.
    const number = this.callAt(wing, first_evidence_at) ?? this.callAt(wing, first_evidence_at - 1000);
    return number !== null && cell?.endsWith(`c${number % 2}-${number % 6}`) ? `call ${wing} ${number}` : null;
  }

  private instant(tsMs: number): void {
    const phones = this.site.blocks.map((_, wing) => {
      const number = this.callAt(wing, tsMs);
      return number === null
        ? null
        : { xM: wing * TOY_APART_M + 1.25 + 2.5 * (number % 6), yM: number % 2 === 0 ? 2 : 9 };
    });
    const perWing = this.site.sensors.length / phones.length;
    for (const [i, sensor] of this.site.sensors.entries()) {
      const phone = phones[Math.floor(i / perWing)];
      const [x, y, z] = sensor.positionM!;
      let mw = 1e-10;
      if (phone) {
        const d = Math.max(1, Math.hypot(phone.xM - x, phone.yM - y, 1.2 - z));
        const side = (v: number) => (v < 4 ? 0 : v < 7 ? 1 : 2);
        const walls = Math.abs(Math.floor(phone.xM / 2.5) - Math.floor(x / 2.5)) + Math.abs(side(phone.yM) - side(y));
        mw += 10 ** ((15 - 31 - 20 * Math.log10(d) - 8 * walls) / 10);
      }
      let looks = 0;
      for (let k = 0; k < 8; k++) looks -= Math.log(1 - this.o.random());
      const rms = Number((10 * Math.log10((mw * looks) / 8)).toFixed(2));
      const payload = JSON.stringify({ v: 1, boot: 1, seq: this.seq, ts: tsMs, r: [{ b: TOY_BAND, rms_dbm: rms }] });
      const topic = `cellward/v1/toy/${sensor.block}/${sensor.id}/reading`;
      const message = { sensor: sensor.id, seq: this.seq, tsMs, topic, payload };
      this.sent++;
      this.lastMs = tsMs;
      const second = secondOf(sensor.id, tsMs);
      this.want.set(second, (this.want.get(second) ?? 0) + 1);
      const ring = this.rings.get(sensor.id) ?? [];
      ring.push(message);
      this.rings.set(sensor.id, ring);
      this.reference.intake.take(topic, Buffer.from(payload), false, tsMs);
      for (const out of this.onSend(message)) this.publish(out);
    }
    this.seq++;
  }

  publish(message: SentMessage): void {
    if (!this.sensors.connected) return;
    this.sensors.publish(message.topic, message.payload, { qos: 1 }, (error) => {
      if (!error) this.confirmed++;
    });
  }

  private acknowledge(topic: string, text: string): void {
    const sensor = topic.split("/")[4]!;
    const { upto } = JSON.parse(text) as { upto: number };
    const ring = this.rings.get(sensor) ?? [];
    let n = 0;
    while (n < ring.length && ring[n]!.seq <= upto) n++;
    ring.splice(0, n);
  }

  private judge(nowMs: number): void {
    for (const event of this.reference.blocks.tick(nowMs)) {
      if (event.type === "alert") this.reference.changes.push(event.change);
    }
  }

  /** Reads the store of the ended service and compares it, second by second, with what was sent. */
  private async verdict(): Promise<Verdict> {
    const { want } = this;
    const have = new Map<string, number>();
    const add = (k: string, n: number) => have.set(k, (have.get(k) ?? 0) + n);
    const late = await (this.o.stored ?? ((each) => this.readLocal(each)))((sensor, tsMs, n) =>
      add(secondOf(sensor, tsMs), n),
    );
    let lost = 0;
    let doubled = 0;
    const seconds = [...new Set([...want.keys(), ...have.keys()].map((k) => Number(k.split(" ")[1])))].sort();
    for (const { id } of this.site.sensors) {
      if (this.excluded.has(id)) continue;
      // An instant that just missed its window counts in the roll-up of the next second or two, never before.
      const owed: { second: number; n: number }[] = [];
      for (const second of seconds) {
        while (owed.length > 0 && second - owed[0]!.second > 2) lost += owed.shift()!.n;
        let over = (have.get(`${id} ${second}`) ?? 0) - (want.get(`${id} ${second}`) ?? 0);
        if (over < 0) owed.push({ second, n: -over });
        while (over > 0 && owed.length > 0) {
          const paid = Math.min(over, owed[0]!.n);
          over -= paid;
          owed[0]!.n -= paid;
          if (owed[0]!.n === 0) owed.shift();
        }
        if (over > 0) doubled += over;
      }
      for (const { n } of owed) lost += n;
    }
    return {
      sent: this.sent,
      lost,
      kept: this.kept,
      lostAfterRestart: null,
      doubled,
      late,
      ...this.alertVerdict(),
    };
  }

  private async readLocal(add: (sensor: string, tsMs: number, readings: number) => void): Promise<number> {
    const dir = join(this.o.dir, "data", "store");
    const store = createLocalStore({ dir, retentionDays: 0, log: createLogger("silent") });
    await store.start();
    const range = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };
    for (const { id } of this.site.sensors) {
      for (const p of await store.queryChannel({ sensor: id, band: TOY_BAND, ...range, limit: 1e9 })) {
        add(id, p.tMs, p.readings);
      }
    }
    let late = 0;
    for (const batch of await store.queryLate(0, Number.MAX_SAFE_INTEGER)) {
      late += batch.count;
      for (let j = 0; j < batch.count; j++) add(batch.sensor, batch.tsMs + j * batch.dtMs, 1);
    }
    await store.stop(0);
    return late;
  }

  private alertVerdict() {
    const expected = this.expected();
    const news = this.heard.filter((c) => c.type === "new" && c.after.kind === "phone-active");
    const byId = new Map<string, Set<string>>();
    for (const alert of this.seen.values()) {
      const told = news.some((c) => c.after.id === alert.id);
      if (!told && alert.kind === "phone-active") byId.set(alert.id, new Set([JSON.stringify(alert)]));
    }
    for (const c of news) byId.set(c.after.id, (byId.get(c.after.id) ?? new Set()).add(JSON.stringify(c.after)));
    const near = (a: Alert, b: Alert) =>
      a.cell === b.cell && Math.abs(a.first_evidence_at - b.first_evidence_at) < 3000;
    const first = [...byId.values()].map((texts) => JSON.parse([...texts][0]!) as Alert);
    const missed = expected.filter((a) => !first.some((b) => near(a, b))).length;
    // A call from a cell whose alert is still open goes on with it; judged late, it may be an alert of its own. That is no false one.
    const strange = first.filter((b) => !expected.some((a) => near(a, b)));
    const ofCalls = strange.filter((b) => this.called(b));
    const callTwice = ofCalls.length - new Set(ofCalls.map((b) => this.called(b))).size;
    const twice = expected.reduce((n, a) => n + Math.max(0, first.filter((b) => near(a, b)).length - 1), 0);
    const changed = [...byId.values()].filter((texts) => texts.size > 1).length;
    const keys = this.heard.map((c) => `${c.after.id} ${c.after.version} ${c.type}`);
    return {
      alertsExpected: expected.length,
      alertsMissed: missed,
      alertsFalse: strange.length - ofCalls.length,
      alertsOfTheirOwn: ofCalls.length,
      alertsDoubled: twice + changed + callTwice,
      alertMs: this.alertMs,
      repeats: keys.length - new Set(keys).size,
    };
  }
}

const secondOf = (sensor: string, tsMs: number) => `${sensor} ${Math.floor(tsMs / 1000)}`;

function siteOf(text: string): Site {
  const result = parseSite(text, "toy.json");
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.site;
}
