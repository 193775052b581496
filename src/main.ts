import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { CODECS } from "../sensors/index.ts";
import { faultName } from "./alert/fault-book.ts";
import { Blocks, type LearningBlocks } from "./blocks.ts";
import { loadCalibration } from "./calibration.ts";
import { AWAY_MS, CatchUp } from "./catchup.ts";
import { wallClock } from "./clock.ts";
import { ClosedAlerts } from "./closed-alerts.ts";
import { type Config, learningOf, MOST_LEARNING_HOURS } from "./config.ts";
import type { Clock, TimeSeriesStore } from "./contracts.ts";
import { hasSimd } from "./detect/simd.ts";
import { Durable } from "./durable.ts";
import { AppError, asRefusal, unwritable } from "./errors.ts";
import { Heartbeat } from "./heartbeat.ts";
import { createServer, type HttpServer, type Listening } from "./http/server.ts";
import { type EmbeddedBroker, startBroker } from "./ingest/broker.ts";
import { ClockWatch } from "./ingest/clockskew.ts";
import { createDecoder, type DecoderSnapshot } from "./ingest/decode.ts";
import { Inbox } from "./ingest/inbox.ts";
import { createLink, type Incoming, type Link } from "./ingest/mqtt.ts";
import { RejectLog } from "./ingest/rejects.ts";
import { SequenceBook } from "./ingest/sequence.ts";
import { ackTopic } from "./ingest/topics.ts";
import { Intake, type IntakeSnapshot, remainder } from "./intake.ts";
import type { Logger } from "./log.ts";
import { LoopDelay } from "./loop-delay.ts";
import { createMetrics } from "./metrics.ts";
import type {
  AlertChange,
  CellSearch,
  Command,
  CommandResult,
  PipelineEvent,
  ReadingBatch,
  Rollup,
  SensorId,
  Site,
} from "./model.ts";
import { ServiceWatch } from "./service-watch.ts";
import { loadSite } from "./site.ts";
import { SteadyClock } from "./steady-clock.ts";
import { makeFolder } from "./store/files.ts";
import { createInfluxStore } from "./store/influx.ts";
import { createLocalStore } from "./store/local.ts";
import { type FolderLock, lockFolder } from "./store/lock.ts";
import { RawRing } from "./store/raw-ring.ts";
import { serviceView } from "./view.ts";

/**
 * The composition root: puts the parts together and lets time pass. What a reading means is decided in the pipeline; here
 * it is only carried from the broker to it, and from it to the stores, the broker and the people.
 */

export interface ServiceParts {
  readonly config: Config;
  readonly version: string;
  readonly log: Logger;
  readonly clock?: Clock;
  /** Folder of the built console; null serves the API alone. */
  readonly consoleDir: string | null;
  /** Take free ports where the configured ones are in use: for whoever says where it listens, as the demo does. */
  readonly portFallback?: boolean;
  readonly onAlert?: (change: AlertChange) => void;
  /** The service can't go on and must not acknowledge any more. Default: the process ends with exit code 70. */
  readonly onFatal?: (error: Error) => void;
}

export interface Service {
  readonly site: Site;
  readonly broker: EmbeddedBroker | null;
  readonly mqttUrl: string;
  readonly listening: Listening;
  readonly intake: Intake;
  stop(): Promise<void>;
}

/** Topics of the contract have at most 128 characters; a longer one is refused, and is not worth a place in the log. */
const MAX_TOPIC_LENGTH = 1_024;
/** How often windows are looked at, and how long one look may hold the event loop before others get their turn. */
const TICK_MS = 100;
const SLICE_MS = 8;
/** Before the state is saved, a moment in which nothing is under way is waited for so long. */
const CALM_MS = 2000;
/** Between two looks: half of the time that a window is held for silent sensors. */
const STOOD_STILL_MS = 1000;
/** How often the state of open alerts and of sensors is repeated to the store, so that dashboards see it end. */
const REPEAT_MS = 10_000;
/** How often sensors are told what is on the disk: what is not told they send again after every reconnection. */
const ACK_MS = 2_000;
/** Going through this many messages at a start takes about a tenth of a second. */
const MANY_MESSAGES = 2_000;
const WATCH_MS = 1_000;
/** Grows when what a snapshot holds changes its shape. */
const STATE_FORMAT = 11;
/** Metrics tell how the event loop was held up in this and the last span of so long. */
const LOOP_SPAN_MS = 60_000;
const STOP_DEADLINE_MS = 8000;
const LINK_STOP_MS = 2000;
/** The process ends when nothing can be made durable any more (reliability design 3.4.3). */
const EXIT_FATAL = 70;

/** Throws CONFIG_INVALID for a learning mode of blocks that are not there, or one that leaves the house without alarms for long. */
function checkLearning(learning: LearningBlocks, site: Site, nowMs: number): void {
  const wrong: string[] = [];
  for (const block of learning.blocks ?? []) {
    if (!site.blocks.some((b) => b.id === block)) wrong.push(`learning.blocks: the site has no block ${block}`);
  }
  if ((learning.untilMs ?? nowMs) > nowMs + MOST_LEARNING_HOURS * 3_600_000) {
    wrong.push(`learning.until: more than ${MOST_LEARNING_HOURS / 24} days ahead`);
  }
  if (wrong.length > 0)
    throw new AppError("CONFIG_INVALID", "the learning mode can't be as configured", { details: wrong });
}

/** Lets everything else that waits have its turn of the event loop. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

export async function startService(parts: ServiceParts): Promise<Service> {
  const service = new RunningService(parts);
  await service.start();
  return service;
}

class RunningService implements Service {
  readonly site: Site;
  readonly intake: Intake;
  broker: EmbeddedBroker | null = null;
  mqttUrl = "";
  listening!: Listening;
  private readonly config: Config;
  private readonly log: Logger;
  private readonly clock: SteadyClock;
  private readonly parts: ServiceParts;
  private readonly blocks: Blocks;
  private readonly decoder: ReturnType<typeof createDecoder>;
  private readonly sequencer: SequenceBook;
  private readonly rejects = new RejectLog();
  private readonly inbox: Inbox<{ message: Incoming; atMs: number; logged: boolean }>;
  private readonly catchUp = new CatchUp();
  private connected = false;
  /** Messages in the inbox that are in the durable log. */
  private waiting = 0;
  /** Messages whose acknowledgement waits until the inbox has room. */
  private readonly roomWanted: (() => void)[] = [];
  private lock: FolderLock | null = null;
  private heartbeat: Heartbeat | null = null;
  /** Rounds of judging. */
  private rounds = 0;
  private readonly ring = new RawRing();
  private readonly store: TimeSeriesStore;
  private readonly watch: ServiceWatch;
  private readonly listeners = new Set<(change: AlertChange) => void>();
  private readonly closed = new ClosedAlerts();
  private readonly loopHistogram = monitorEventLoopDelay({ resolution: 10 });
  private readonly loopDelay = new LoopDelay(this.loopHistogram);
  /** The same since the last look of the watch. */
  private readonly watchedDelay = monitorEventLoopDelay({ resolution: 20 });
  /** Alert changes that were told before the last stop, by alert and version: not told twice. */
  private readonly told = new Set<string>();
  /** What was last acknowledged to each sensor. */
  private readonly acked = new Map<SensorId, string>();
  private readonly timers: NodeJS.Timeout[] = [];
  /** Not there before the start got so far. */
  private link!: Link;
  private http!: HttpServer;
  private durable: Durable | null = null;
  private draining = false;
  private ticking = false;
  private tickedMs = performance.now();
  /** The look at a block that is under way. Messages wait in the inbox until it is done. */
  private steps: Generator<void, void> | null = null;
  private stopping = false;
  /** Messages of the log that were gone through at the start. */
  private recovered = 0;
  private newestMs: number | null = null;
  private late = 0;
  private changes = 0;
  /** What was last said of the learning mode; an ordinary start has nothing to say. */
  private toldLearning = "[]";
  private quotaDrops = 0;
  private readonly startedAtMs: number;

  constructor(parts: ServiceParts) {
    const { config } = parts;
    this.parts = parts;
    this.config = config;
    this.log = parts.log;
    this.clock = new SteadyClock(parts.clock ?? wallClock);
    this.startedAtMs = this.clock.nowMs();
    this.site = loadSite(config.site);
    if (config.pipeline.kernel === "simd" && !hasSimd()) {
      throw new AppError(
        "CONFIG_INVALID",
        "pipeline.kernel is simd, and this host has no WebAssembly SIMD; auto takes what there is",
      );
    }
    const learning = learningOf(config);
    if (learning !== null) checkLearning(learning, this.site, this.startedAtMs);
    this.blocks = new Blocks({
      site: this.site,
      ...(learning === null ? {} : { learning }),
      kernel: config.pipeline.kernel,
      calibration: config.calibration === null ? null : loadCalibration(config.calibration, this.site),
      windowMs: config.pipeline.windowMs,
      holdMs: config.pipeline.holdMs,
      eager: true,
      falseAlarmsPerDay: config.pipeline.falseAlarmsPerDay * this.site.blocks.length,
      health: { silentMs: config.health.silentS * 1000 },
    });
    const { limits } = config;
    this.decoder = createDecoder({
      site: this.site,
      codecs: CODECS,
      limits: {
        maxPayloadBytes: limits.maxPayloadBytes,
        maxDepth: limits.maxDepth,
        maxKeys: limits.maxKeys,
        maxInstants: limits.maxInstants,
        maxAheadMs: limits.maxAheadMs,
      },
    });
    this.sequencer = new SequenceBook({ vocabulary: this.site.bands.map((b) => b.id).join(",") });
    this.intake = new Intake({
      decoder: this.decoder,
      sequencer: this.sequencer,
      rejects: this.rejects,
      blocks: this.blocks,
      clocks: new ClockWatch({ offMs: config.health.clockOffMs }),
      // Not from the log: those stamps are as old as the stop was long.
      onStamp: (ms) => this.heartbeat && this.clock.note(ms),
      onBatch: (batch) => this.keepRaw(batch),
    });
    this.inbox = new Inbox({
      maxMessages: limits.inboxMessages,
      maxBytes: limits.inboxBytes,
      sensorPerSecond: limits.sensorMessagesPerS,
      sensorBurst: limits.sensorBurst,
      sensorShare: 0.25,
    });
    this.store = this.createStore();
    this.watch = this.createWatch();
  }

  async start(): Promise<void> {
    const { config } = this;
    this.loopHistogram.enable();
    await makeFolder(config.dataDir).catch((cause) => {
      throw unwritable(`the data folder ${config.dataDir}`, cause);
    });
    this.lock = lockFolder(config.dataDir);
    try {
      await this.store.start();
      if (config.journal.enabled) await this.openDurable();
      await this.connect();
      void this.closed.recall(this.store, this.clock.nowMs());
    } catch (error) {
      // What still listens or waits would keep alive a process that serves nobody. Why it could not start is what counts.
      this.stopping = true;
      try {
        await this.halt();
        await this.release();
      } catch (also) {
        this.log.warn({ err: also }, "the start failed, and not all was let go of");
      }
      throw asRefusal(error);
    }
  }

  private async connect(): Promise<void> {
    const { config } = this;
    if (config.mqtt.url === null) {
      const { host, port } = config.mqtt.embedded;
      // Sensors that were told another port than the one that serves would not be heard, and nobody would know.
      this.broker = await startBroker({ host, port, fallback: this.parts.portFallback ?? false });
    }
    this.mqttUrl = config.mqtt.url ?? this.broker!.url;
    this.link = this.createLink();
    await this.startHttp();
    await this.prepare();
    if (this.durable) await this.durable.addAlertSink("mqtt", (change) => this.publishAlert(change));
    this.catchUp.begin(this.clock.monotonicMs());
    this.link.start();
    this.every(TICK_MS, () => void this.tick());
    this.every(REPEAT_MS, () => this.repeat());
    this.every(ACK_MS, () => {
      for (const { id, block } of this.site.sensors) this.acknowledge(id, block);
    });
    this.heartbeat = new Heartbeat(config.dataDir);
    // From here on: what the start itself held up is no stall of the service.
    this.watchedDelay.enable();
    this.every(WATCH_MS, () => this.watchOver());
    this.every(LOOP_SPAN_MS, () => this.loopDelay.turn());
    if (this.durable) {
      this.every(config.journal.snapshotS * 1000, () => void this.saveState());
      // What was just gone through need not be gone through again, also where the next stop comes soon.
      if (this.recovered > MANY_MESSAGES) void this.saveState();
    }
    this.log.info({ url: this.listening.url, mqtt: this.mqttUrl, site: this.site.id }, "cellward is up");
  }

  /** Makes what judging needs before anything is judged: later it would hold up a tick. Requests are answered meanwhile. */
  private async prepare(): Promise<void> {
    for (const pipeline of this.blocks.all()) {
      for (const _ of pipeline.prepare()) {
        await turn();
        if (this.stopping) return;
      }
    }
  }

  async stop(): Promise<void> {
    if (this.stopping) return;
    this.stopping = true;
    this.link.publish(this.stateTopic(), this.stateText(false), { qos: 1, retain: true });
    await this.halt();
    await this.saveState();
    await this.release();
    this.log.info("cellward has stopped");
  }

  /** Nothing begins any more by itself, and nothing comes in. */
  private async halt(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.link?.stop(LINK_STOP_MS);
  }

  /** Lets go of all that the service holds, also where a start got only so far. */
  private async release(): Promise<void> {
    this.loopHistogram.disable();
    this.watchedDelay.disable();
    try {
      await this.durable?.close();
      await this.http?.close();
      await this.broker?.close();
      await this.store.stop(STOP_DEADLINE_MS);
      this.heartbeat?.close();
    } finally {
      this.lock?.release();
    }
  }

  // ------------------------------------------------------------------------------------------------------------ intake

  /** A message came. It is judged at once and acknowledged when it is on the disk: an alert does not wait for the disk. */
  private onMessage(message: Incoming): void | Promise<void> {
    const parts = message.topic.split("/", 7);
    // Our own words come back to us: states of services and acknowledgements to sensors.
    if (parts[3]?.startsWith("_") || parts[5] === "ack") return;
    const atMs = this.clock.nowMs();
    const { payload } = message;
    // A topic of another site that names one of our sensors does not use up that sensor's quota.
    const sender = parts[2] === this.site.id ? (parts[4] ?? "") : "";
    // What is too large to be taken is not kept either: the log would refuse it, and the broker would send it for ever.
    const fits = payload.length <= this.config.limits.maxPayloadBytes && message.topic.length <= MAX_TOPIC_LENGTH;
    const logged = this.durable !== null && fits;
    // What the log can't take now (disk full) must not be judged either, or it would count as known when it comes again.
    if (logged && !this.durable!.accepts(message.topic, payload.length))
      throw new Error("the durable log takes no more");
    const refused = this.inbox.offer(
      sender,
      payload.length,
      this.clock.monotonicMs(),
      { message, atMs, logged },
      this.catchUp.running,
    );
    if (refused) {
      this.quotaDrops++;
      if (refused.code === "sensor-quota") this.watch.flooded(sender, this.clock.monotonicMs());
      this.intake.refuse(refused, message.topic, payload, atMs);
      return;
    }
    this.startDraining();
    if (!logged) return;
    this.waiting++;
    const durable = this.durable!.message({ atMs, topic: message.topic, payload, retained: message.retained });
    // Faster than it can be judged: the broker is held back, by acknowledging late, long before the inbox must refuse.
    return this.inbox.size < this.config.limits.inboxMessages / 2 ? durable : durable.then(() => this.room());
  }

  /** Resolves when the inbox has room again. */
  private room(): Promise<void> {
    if (this.inbox.size < this.config.limits.inboxMessages / 2) return Promise.resolve();
    return new Promise((resolve) => this.roomWanted.push(resolve));
  }

  private startDraining(): void {
    if (this.draining || this.steps || this.inbox.size === 0) return;
    this.draining = true;
    setImmediate(() => this.drainSlice());
  }

  private drainSlice(): void {
    if (!this.steps && this.drain(SLICE_MS)) setImmediate(() => this.drainSlice());
    else this.draining = false;
  }

  /** Takes messages out of the inbox for so long; true while some are left. */
  private drain(forMs: number): boolean {
    const untilMs = performance.now() + forMs;
    for (let n = 0; ; n++) {
      const entry = this.inbox.take();
      if (this.roomWanted.length > 0 && this.inbox.size < this.config.limits.inboxMessages / 2) {
        for (const resolve of this.roomWanted.splice(0)) resolve();
      }
      if (entry === undefined) return false;
      const { message, atMs, logged } = entry;
      if (logged) this.waiting--;
      this.intake.take(message.topic, message.payload, message.retained, atMs);
      if ((n & 15) === 15 && performance.now() > untilMs) return true;
    }
  }

  private keepRaw(batch: ReadingBatch): void {
    this.newestMs = this.clock.monotonicMs();
    this.catchUp.note(batch.sensor, batch.tsMs + batch.dtMs * (batch.count - 1), this.newestMs);
    for (const alert of this.ring.offer(batch, this.clock.nowMs())) this.store.writeRaw(alert, [batch]);
  }

  // ------------------------------------------------------------------------------------------------------------- judge

  /** Lets every block judge what is ready, one after the other and in slices, with room for others between. */
  private async tick(): Promise<void> {
    // The process stood still (stopped, swapped out, a stalled loop): what came meanwhile still waits in the socket.
    const stoodMs = performance.now() - this.tickedMs;
    this.tickedMs = performance.now();
    if (stoodMs > STOOD_STILL_MS) this.catchUp.begin(this.clock.monotonicMs());
    if (this.ticking || this.stopping) return;
    this.ticking = true;
    try {
      let sinceMs = performance.now();
      for (const pipeline of this.blocks.all()) {
        // The state that a stop saved is the last: what is judged behind it is judged again at the start.
        if (this.stopping) break;
        const nowMs = this.judgeMs();
        if (!Number.isFinite(nowMs) || !pipeline.due(nowMs)) continue;
        this.durable?.look(pipeline.block, nowMs, this.waiting);
        const steps = pipeline.steps(nowMs);
        this.steps = steps;
        while (!steps.next().done) {
          if (performance.now() - sinceMs < SLICE_MS) continue;
          this.dispatch(pipeline.take());
          await turn();
          sinceMs = performance.now();
        }
        this.steps = null;
        this.startDraining();
        this.dispatch(pipeline.take());
      }
      this.dispatch(this.blocks.take());
      this.rounds++;
    } finally {
      this.ticking = false;
    }
  }

  /** Ends the look that is under way: nothing may come between its steps that the log would have behind it. */
  private finishLook(): void {
    if (this.steps) for (const _ of this.steps);
    this.steps = null;
  }

  /** Time as far as judging may go: not beyond what still waits to be taken, here or at the broker. */
  private judgeMs(): number {
    const { connected } = this.link.status();
    if (this.connected && !connected) this.catchUp.begin(this.clock.monotonicMs(), AWAY_MS);
    this.connected = connected;
    const nowMs = this.catchUp.nowMs(this.clock.nowMs(), this.clock.monotonicMs());
    return Math.min(nowMs, this.inbox.peek()?.atMs ?? nowMs);
  }

  private dispatch(events: readonly PipelineEvent[]): void {
    const rollups: Rollup[] = [];
    for (const event of events) {
      switch (event.type) {
        case "rollup":
          rollups.push(event.rollup);
          break;
        case "late":
          this.late += event.batch.count;
          this.store.writeLate(event.batch);
          break;
        case "alert":
          this.tell(event.tMs, event.change);
          break;
        case "track":
          break;
      }
    }
    if (rollups.length > 0) this.store.writeRollups(rollups);
  }

  /** An alert changed: to the people first, then to everything that keeps it. */
  private tell(tMs: number, change: AlertChange): void {
    const key = `${change.after.id} ${change.after.version}`;
    // The store may have missed it, and takes a repetition for what it is.
    this.store.writeAlert({ tMs, change });
    if (this.told.delete(key)) return;
    this.changes++;
    this.closed.take(change);
    for (const listener of this.listeners) listener(change);
    this.parts.onAlert?.(change);
    if (this.durable) this.durable.alert(change);
    else void this.publishAlert(change).catch(() => {});
    if (change.type === "new" && change.after.evidence) {
      const sensors = change.after.evidence.sensors.map((s) => s.sensor);
      const before = this.ring.capture(change.after.id, sensors, this.clock.nowMs());
      if (before) void this.keepBefore(change.after.id, before);
    }
    const { id, kind, cell, text } = change.after;
    this.log.info({ alert: id, kind, cell, change: change.type, text }, "alert");
  }

  /** Half a minute of many sensors is a hundred thousand readings: written between other things. */
  private async keepBefore(alert: string, batches: Iterable<ReadingBatch>): Promise<void> {
    let sinceMs = performance.now();
    for (const batch of batches) {
      this.store.writeRaw(alert, [batch]);
      if (this.stopping || performance.now() - sinceMs < SLICE_MS) continue;
      await turn();
      sinceMs = performance.now();
    }
  }

  private async publishAlert(change: AlertChange): Promise<void> {
    const { after } = change;
    const base = `cellward/v1/${this.site.id}`;
    const retained = after.closed_at === null ? JSON.stringify(after) : "";
    await Promise.all([
      this.link.publishConfirmed(`${base}/_alert/${after.id}`, retained, { qos: 1, retain: true }),
      this.link.publishConfirmed(`${base}/_alert_event`, JSON.stringify(change), { qos: 1 }),
    ]);
  }

  /** A broker that lost what it retained, or came back with an older state of it, shows again what is open. */
  private showOpenAlerts(): void {
    for (const alert of this.blocks.openAlerts()) {
      const topic = `cellward/v1/${this.site.id}/_alert/${alert.id}`;
      this.link.publish(topic, JSON.stringify(alert), { qos: 1, retain: true });
    }
  }

  private command(command: Command): CommandResult {
    const atMs = this.clock.nowMs();
    this.finishLook();
    const result = this.blocks.command(command, atMs);
    if (result.ok) {
      this.durable?.command(atMs, command, this.waiting);
      this.dispatch(this.blocks.take());
    }
    // Pressed twice, or by two people: it is not unknown.
    if (!result.ok && result.code === "alert-unknown" && this.closed.has(command.alert))
      return { ok: false, code: "alert-closed", detail: `alert ${command.alert} was closed` };
    return result;
  }

  /** A cell was searched by hand; false: the site has no such cell. */
  private search(search: CellSearch): boolean {
    const atMs = this.clock.nowMs();
    this.finishLook();
    const known = this.blocks.search(search, atMs);
    if (known) this.durable?.command(atMs, search, this.waiting);
    return known;
  }

  /** Repeats states, so that what ended is seen to have ended and silence is seen as silence. */
  private repeat(): void {
    const nowMs = this.clock.nowMs();
    // A sensor that was away just then has not heard its acknowledgement, and sends again what nobody answers any more.
    this.acked.clear();
    this.store.writeAlertStates(nowMs, this.blocks.openAlerts());
    const blockOf = new Map(this.site.sensors.map((s) => [s.id, s.block]));
    this.store.writeSensorHealth(
      [...this.intake.sensors].map(([sensor, f]) => ({
        tMs: nowMs,
        block: blockOf.get(sensor) ?? "",
        sensor,
        online: f.state?.online ?? f.lastSeenMs !== null,
        lastSeenMs: f.lastSeenMs,
        tamper: f.health?.tamper ?? false,
        tempC: f.health?.tempC ?? null,
        clockOffMs: this.intake.clockOffMs(sensor),
      })),
    );
  }

  /** Looks whether all is well with the service itself; what is not is an alert like any other. */
  private watchOver(): void {
    this.tellLearning();
    this.watch.look(this.clock.nowMs(), this.clock.monotonicMs());
    this.blocks.faults.expireShelves(this.clock.nowMs());
    this.dispatch(this.blocks.take());
    const { url } = this.listening;
    this.heartbeat?.beat({ pid: process.pid, beats: this.rounds, atMs: this.clock.nowMs(), url });
  }

  /** Tells a sensor up to which number its readings are on the disk, so that it may forget them. */
  private acknowledge(sensor: SensorId, block: string): void {
    if (!this.durable) return;
    const stats = this.sequencer.stats(sensor);
    if (stats === null || stats.unbrokenUpto < 0) return;
    const { boot, unbrokenUpto } = stats;
    if (this.acked.get(sensor) === `${boot} ${unbrokenUpto}`) return;
    // Everything taken so far has been handed to the log; it is synced within one group, unless the disk is full.
    this.acked.set(sensor, `${boot} ${unbrokenUpto}`);
    void this.durable.synced().then((synced) => {
      if (!synced) {
        this.acked.delete(sensor);
        return;
      }
      const topic = ackTopic(this.site.id, block, sensor);
      this.link.publish(topic, JSON.stringify({ boot, upto: unbrokenUpto }), { qos: 1 });
    });
  }

  // ------------------------------------------------------------------------------------------------------------- parts

  private async openDurable(): Promise<void> {
    const { config } = this;
    this.durable = await Durable.open({
      dir: config.dataDir,
      clock: this.clock,
      log: this.log,
      groupMs: config.journal.groupMs,
      maxAgeMs: config.journal.retentionHours * 3600_000,
      maxBytes: config.journal.maxBytes,
      reserveBytes: config.journal.reserveBytes,
      onFatal: (error) => this.fatal(error),
      onFull: (full) =>
        this.log[full ? "error" : "warn"](full ? "the disk of the durable log is full" : "the disk has room again"),
    });
    const pipelines = new Map([...this.blocks.all()].map((p) => [p.block, p]));
    // The log's stamps are as old as the stop was long: they say who is expected back, not how near anybody usually is.
    this.catchUp.begin(this.clock.monotonicMs());
    const { messages, snapshotMs } = await this.durable.recover({
      restore: (state) => this.restoreState(state),
      told: (change) => {
        this.told.add(`${change.after.id} ${change.after.version}`);
        this.blocks.faults.relive(change);
      },
      message: (m) => this.intake.take(m.topic, m.payload, m.retained, m.atMs),
      command: (atMs, command) => {
        if (command.type === "search") this.blocks.search(command, atMs);
        else this.blocks.command(command, atMs);
        this.dispatch(this.blocks.take());
      },
      look: (block, nowMs) => {
        const events = pipelines.get(block)?.tick(nowMs);
        if (events) this.dispatch(events);
      },
    });
    this.dispatch(this.blocks.take());
    this.recovered = messages;
    if (messages > 0 || snapshotMs !== null) {
      this.log.info({ snapshotMs, messages }, "taken up where the last run stopped");
    }
  }

  /** Until nothing is under way: no window half judged, nothing in the inbox (it is logged already), nothing said and not handed on. */
  private settle(): void {
    this.finishLook();
    this.drain(Number.POSITIVE_INFINITY);
    this.dispatch(this.blocks.take());
  }

  private async saveState(): Promise<void> {
    // What is under way is done in slices: settled all at once, it would hold the loop for as long as there is to do.
    const untilMs = performance.now() + CALM_MS;
    while ((this.steps || this.inbox.size > 0) && performance.now() < untilMs) await turn();
    this.settle();
    if (!this.durable) return;
    const state = {
      format: STATE_FORMAT,
      site: this.site.id,
      blocks: this.blocks.snapshot(),
      decoder: this.decoder.snapshot(),
      sequencer: this.sequencer.snapshot(),
      intake: this.intake.snapshot(),
    };
    try {
      if (await this.durable.save(state, () => this.store.flush())) return;
      this.log.warn("the state is not saved while the store does not take what it was given");
    } catch (error) {
      this.log.error({ error }, "the state could not be saved; the durable log still has everything");
    }
  }

  private restoreState(saved: unknown): boolean {
    const state = saved as {
      format: number;
      site: string;
      blocks: unknown;
      decoder: DecoderSnapshot;
      sequencer: ReturnType<SequenceBook["snapshot"]>;
      intake: IntakeSnapshot;
    };
    if (state.site !== this.site.id || state.format !== STATE_FORMAT) {
      const { site, format } = state;
      this.log.warn({ site, format }, "the saved state is of another site or version; the log is gone through instead");
      return false;
    }
    this.blocks.restore(state.blocks);
    this.decoder.restore(state.decoder);
    this.sequencer.restore(state.sequencer);
    this.intake.restore(state.intake);
    return true;
  }

  private fatal(error: Error): void {
    this.log.fatal({ error }, "the durable log failed: nothing is acknowledged any more");
    if (this.parts.onFatal) this.parts.onFatal(error);
    else process.exit(EXIT_FATAL);
  }

  private createStore(): TimeSeriesStore {
    const { config, log } = this;
    if (config.store.kind === "local") {
      const dir = config.store.local.dir ?? join(config.dataDir, "store");
      return createLocalStore({ dir, retentionDays: config.store.local.retentionDays, log });
    }
    const { influx } = config.store;
    return createInfluxStore({
      url: influx.url,
      version: influx.version,
      database: influx.database,
      bucket: influx.bucket,
      org: influx.org,
      token: influx.token?.reveal(),
      username: influx.username ?? undefined,
      password: influx.password?.reveal(),
      retentionDays: influx.retentionDays,
      site: this.site.id,
      instance: config.instance,
      spoolDir: join(config.dataDir, "spool"),
      log,
    });
  }

  private createLink(): Link {
    const { mqtt, instance } = this.config;
    const state = this.stateTopic();
    const scope = mqtt.subscribe === "site" ? `cellward/v1/${this.site.id}/+/+/+` : "cellward/v1/+/+/+/+";
    return createLink({
      url: this.mqttUrl,
      clientId: mqtt.clientId ?? `cellward-${this.site.id}-${instance}`,
      username: mqtt.username,
      password: mqtt.password?.reveal() ?? null,
      // The embedded broker speaks 3.1.1.
      protocolVersion: mqtt.url === null ? 4 : mqtt.protocolVersion,
      keepaliveS: mqtt.keepaliveS,
      connectTimeoutMs: mqtt.connectTimeoutS * 1000,
      reconnectMs: mqtt.reconnectMs,
      sessionExpiryS: mqtt.sessionExpiryS,
      receiveMaximum: mqtt.receiveMaximum,
      publishQueue: mqtt.publishQueue,
      tls: mqtt.tls,
      subscriptions: [scope],
      will: { topic: state, payload: this.stateText(false) },
      onMessage: (message) => this.onMessage(message),
      onConnect: () => {
        this.catchUp.begin(this.clock.monotonicMs());
        this.link.publish(state, this.stateText(true), { qos: 1, retain: true });
        this.showOpenAlerts();
      },
      log: this.log,
      clock: this.clock,
    });
  }

  private createWatch(): ServiceWatch {
    const { health } = this.config;
    const facts = {
      remainder: () => remainder(this.intake.ledger),
      refusedAhead: () => this.rejects.rows().find((r) => r.code === "time-future")?.count ?? 0,
      clockStepMs: () => this.clock.differenceMs(),
      broker: () => this.link.status(),
      store: () => this.store.status(),
      journal: () => this.durable?.status() ?? null,
      loopDelayMs: () => {
        const ms = this.watchedDelay.max / 1e6;
        this.watchedDelay.reset();
        return ms;
      },
      sensors: () => this.site.sensors,
      clockOffMs: (sensor: SensorId) => this.intake.clockOffMs(sensor),
      boots: (sensor: SensorId) => this.sequencer.stats(sensor)?.boots ?? 0,
    };
    return new ServiceWatch(this.blocks.faults, facts, {
      clockOffMs: health.clockOffMs,
      brokerMs: health.brokerS * 1000,
      databaseMs: health.databaseS * 1000,
      loopDelayMs: health.loopDelayMs,
      reboots: health.reboots,
      rebootWindowMs: 600_000,
    });
  }

  private stateText(online: boolean): string {
    const base = { online, ts: this.clock.nowMs(), version: this.parts.version, kernel: this.kernel() };
    const learning = this.learningNow();
    return JSON.stringify(online && learning.length > 0 ? { ...base, learning } : base);
  }

  /** The kernel that judges; the same in every block. */
  private kernel(): string {
    const [first] = this.blocks.all();
    return first?.detectorFacts().kernel ?? "none";
  }

  private learningNow() {
    const learning = this.blocks.learning(this.clock.nowMs()).filter((r) => r.learning);
    return learning.map(({ block, untilMs, alerts }) => ({ block, until: untilMs, alerts }));
  }

  /** A house that does not alarm says so: the retained state and the log follow each change. */
  private tellLearning(): void {
    const learning = this.learningNow();
    const told = JSON.stringify(learning);
    if (told === this.toldLearning) return;
    this.toldLearning = told;
    this.link.publish(this.stateTopic(), this.stateText(true), { qos: 1, retain: true });
    if (learning.length > 0) this.log.warn({ learning }, "learning mode: alerts of phones are counted, not told");
    else this.log.info("learning mode is over");
  }

  private stateTopic(): string {
    return `cellward/v1/${this.site.id}/_svc/${this.config.instance}/state`;
  }

  private async startHttp(): Promise<void> {
    const { http } = this.config;
    const metrics = createMetrics({
      ledger: () => this.intake.ledger,
      rejects: () => this.rejects.rows(),
      late: () => this.late,
      quotaDrops: () => this.quotaDrops,
      alerts: () => {
        const open = this.blocks.openAlerts();
        return { open: open.length, active: open.filter((a) => a.active).length, told: this.changes };
      },
      learning: () => this.blocks.learning(this.clock.nowMs()),
      detectors: () => [...this.blocks.all()].map((p) => ({ block: p.block, ...p.detectorFacts() })),
      faults: () => {
        const count = new Map<string, number>();
        for (const alert of this.blocks.openAlerts()) {
          const name = alert.active ? faultName(alert) : null;
          if (name !== null) count.set(name, (count.get(name) ?? 0) + 1);
        }
        return [...count].sort(([a], [b]) => (a < b ? -1 : 1));
      },
      store: () => this.store.status(),
      broker: () => this.link.status(),
      journal: () => this.durable?.status() ?? null,
      loopDelayMs: () => this.loopDelay.read(),
      sensors: () => {
        const facts = [...this.intake.sensors.values()];
        return {
          known: this.site.sensors.length,
          online: facts.filter((f) => f.state?.online ?? f.lastSeenMs !== null).length,
        };
      },
    });
    this.http = await createServer({
      service: serviceView({
        version: this.parts.version,
        instance: this.config.instance,
        startedAtMs: this.startedAtMs,
        site: this.site,
        blocks: this.blocks,
        intake: this.intake,
        rejects: this.rejects,
        store: this.store,
        link: () => this.link.status(),
        journal: () => this.durable?.status() ?? null,
        command: (command) => this.command(command),
        search: (search) => this.search(search),
        nowMs: () => this.clock.nowMs(),
        dataAgeMs: () => (this.newestMs === null ? null : this.clock.monotonicMs() - this.newestMs),
        metrics: () => metrics.metrics(),
        listeners: this.listeners,
        closed: () => this.closed.list(),
      }),
      clock: this.clock,
      log: this.log,
      options: {
        host: http.host,
        port: http.port,
        token: http.token?.reveal() ?? null,
        consoleDir: this.parts.consoleDir,
        fallback: this.parts.portFallback ?? false,
      },
    });
    this.listening = await this.http.listen();
  }

  private every(ms: number, run: () => void): void {
    this.timers.push(setInterval(run, ms));
  }
}
