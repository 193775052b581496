/**
 * Faults of the service itself and of what only arrivals show of a sensor: a ledger that does not add up, a full disk, a lost
 * broker or database, a loop that stalls, wrong clocks, floods, restarts. Each is an alert with a hold of its own, so that a
 * blip is not news, and ends when the condition has been gone for as long. Looks are a second apart, on the monotonic clock.
 */
import type { BookedFault, FaultBook } from "./alert/fault-book.ts";
import { counted } from "./counted.ts";
import type { BlockId, SensorId, Severity } from "./model.ts";

export interface WatchLimits {
  /** A sensor's clock further off than this is a fault. */
  readonly clockOffMs: number;
  readonly brokerMs: number;
  readonly databaseMs: number;
  readonly loopDelayMs: number;
  readonly reboots: number;
  readonly rebootWindowMs: number;
}

/** What is looked at; read at each look. */
export interface WatchFacts {
  /** Messages and readings unaccounted for. */
  remainder(): number;
  /** How far this machine's clock is ahead of the time that is kept, ms; 0: they agree. */
  clockStepMs(): number;
  /** Messages refused because their times lie too far ahead. */
  refusedAhead(): number;
  broker(): { readonly subscribed: boolean; readonly error: string | null };
  store(): { readonly ready: boolean; readonly detail: string; readonly droppedReadings: number };
  journal(): { readonly full: boolean; readonly failed: Error | null } | null;
  /** Longest delay of the event loop since the last call. */
  loopDelayMs(): number;
  sensors(): readonly { readonly id: SensorId; readonly block: BlockId }[];
  clockOffMs(sensor: SensorId): number | null;
  /** Boots seen of a sensor since its books began; 0: none. */
  boots(sensor: SensorId): number;
}

interface Held {
  sinceMs: number;
  lastMs: number;
}

/** A clock is judged by the minimum of some minutes; a backlog shows old stamps for as long as it comes. */
const CLOCK_HOLD_MS = 60_000;
/** Two looks: a count read while it changes is not a leak. */
const LEDGER_HOLD_MS = 2_000;
/** Without a refusal for so long a flood is over. */
const FLOOD_END_MS = 60_000;
/** From so many sensors on, wrong clocks of more than half of them are our own clock's, or a recording that is played. */
const COMMON_FROM = 4;
/** Sensors are looked at every so many looks: they are thousands, and nothing of theirs is a matter of seconds. */
const SENSORS_EVERY = 5;

export class ServiceWatch {
  private readonly book: FaultBook;
  private readonly facts: WatchFacts;
  private readonly limits: WatchLimits;
  private readonly held = new Map<string, Held>();
  private readonly floods = new Map<SensorId, { messages: number; lastMs: number }>();
  private readonly bootsSeen = new Map<SensorId, { count: number; atMs: number[] }>();
  private dropped = 0;
  private refusedAhead = 0;
  private looks = 0;

  constructor(book: FaultBook, facts: WatchFacts, limits: WatchLimits) {
    this.book = book;
    this.facts = facts;
    this.limits = limits;
  }

  /** A message of this sensor was refused for its quota. */
  flooded(sensor: SensorId, monotonicMs: number): void {
    const flood = this.floods.get(sensor);
    if (flood) {
      flood.messages++;
      flood.lastMs = monotonicMs;
    } else this.floods.set(sensor, { messages: 1, lastMs: monotonicMs });
  }

  look(nowMs: number, monotonicMs: number): void {
    const { facts, limits } = this;
    const at = { nowMs, monotonicMs };
    const left = facts.remainder();
    this.service(at, "ledger", left !== 0, LEDGER_HOLD_MS, "high", `${left} messages or readings are unaccounted for.`);
    const stepMs = Math.round(facts.clockStepMs());
    const step = `This machine's clock was set ${Math.abs(stepMs)} ms ${stepMs > 0 ? "ahead" : "back"}; the sensors say otherwise, and the service keeps its time.`;
    this.service(at, "clock-step", stepMs !== 0, 0, "high", step);
    const ahead = facts.refusedAhead();
    const refused =
      "Messages are refused because they are stamped far ahead of this machine's clock: one of the two is wrong.";
    this.service(at, "time-refused", ahead > this.refusedAhead, 0, "high", refused);
    this.refusedAhead = ahead;
    const journal = facts.journal();
    const full = "The disk of the durable log is full: readings wait with their senders, alerts use the reserve.";
    this.service(at, "disk", journal?.full ?? false, 0, "critical", full);
    const broker = facts.broker();
    const lost = `The service has no connection to the MQTT broker${broker.error === null ? "" : ` (${broker.error})`}: nothing is heard.`;
    this.service(at, "broker", !broker.subscribed, limits.brokerMs, "critical", lost);
    const store = facts.store();
    this.service(
      at,
      "store",
      !store.ready,
      limits.databaseMs,
      "medium",
      `The store does not take data: ${store.detail}.`,
    );
    const drops = store.droppedReadings - this.dropped;
    this.dropped = store.droppedReadings;
    this.service(
      at,
      "store-drops",
      drops > 0,
      0,
      "high",
      "Readings are lost: the store's queue on disk takes no more.",
    );
    const delayMs = facts.loopDelayMs();
    const stalled = `The service stalls: its event loop was held up for ${Math.round(delayMs)} ms.`;
    this.service(at, "loop", delayMs > limits.loopDelayMs, 0, "medium", stalled);
    if (this.looks++ % SENSORS_EVERY === 0) this.lookAtSensors(at);
  }

  private lookAtSensors(at: At): void {
    const { facts, limits } = this;
    const sensors = facts.sensors();
    const off = sensors.filter(({ id }) => Math.abs(facts.clockOffMs(id) ?? 0) > limits.clockOffMs);
    const common = sensors.length >= COMMON_FROM && off.length > sensors.length / 2;
    const all = `The clocks of ${off.length} of ${sensors.length} sensors are off by more than ${limits.clockOffMs} ms: look at this machine's clock first.`;
    this.service(at, "clocks", common, CLOCK_HOLD_MS, "high", all);
    const wrong = new Set(common ? [] : off.map((s) => s.id));
    for (const { id, block } of sensors) {
      const ms = Math.round(facts.clockOffMs(id) ?? 0);
      const clock = `The clock of ${id} is ${Math.abs(ms)} ms ${ms > 0 ? "ahead" : "behind"}.`;
      this.sensor(at, id, block, "clock", wrong.has(id), CLOCK_HOLD_MS, "low", clock);
      const flood = this.floods.get(id);
      const flooding = flood !== undefined && at.monotonicMs - flood.lastMs < FLOOD_END_MS;
      if (flood && !flooding) this.floods.delete(id);
      const much = `${id} sends more than its quota: ${counted(flood?.messages ?? 0, "message")} refused.`;
      this.sensor(at, id, block, "flood", flooding, 0, "medium", much);
      const starts = this.startsOf(id, at.monotonicMs);
      const again = `${id} has started ${starts} times within ${Math.round(limits.rebootWindowMs / 60_000)} minutes.`;
      this.sensor(at, id, block, "reboots", starts >= limits.reboots, 0, "medium", again);
    }
  }

  /** Starts of a sensor within the window. What the books held at the first look is history. */
  private startsOf(id: SensorId, monotonicMs: number): number {
    const count = this.facts.boots(id);
    let seen = this.bootsSeen.get(id);
    if (!seen) {
      seen = { count, atMs: [] };
      this.bootsSeen.set(id, seen);
    }
    // Beyond what decides, more starts say nothing more.
    for (; seen.count < count; seen.count++) if (seen.atMs.length < 1000) seen.atMs.push(monotonicMs);
    while (seen.atMs.length > 0 && monotonicMs - seen.atMs[0]! > this.limits.rebootWindowMs) seen.atMs.shift();
    return seen.atMs.length;
  }

  private service(at: At, key: string, holds: boolean, holdMs: number, severity: Severity, text: string): void {
    this.judge(at, { key: `service-${key}`, block: null, kind: "service-fault", severity, text }, holds, holdMs);
  }

  private sensor(
    at: At,
    id: SensorId,
    block: BlockId,
    key: string,
    holds: boolean,
    holdMs: number,
    severity: Severity,
    text: string,
  ): void {
    const fault: BookedFault = { key: `${key}-${id}`, block, kind: "sensor-fault", sensor: id, severity, text };
    this.judge(at, fault, holds, holdMs);
  }

  private judge({ nowMs, monotonicMs }: At, fault: BookedFault, holds: boolean, holdMs: number): void {
    const held = this.held.get(fault.key);
    if (holds) {
      const sinceMs = held?.sinceMs ?? monotonicMs;
      this.held.set(fault.key, { sinceMs, lastMs: monotonicMs });
      if (monotonicMs - sinceMs >= holdMs) this.book.raise(fault, nowMs);
      return;
    }
    const endMs = Math.max(holdMs, CLEAR_MS);
    if (held && monotonicMs - held.lastMs < endMs) return;
    this.held.delete(fault.key);
    // Also what an earlier run left open and this one finds mended.
    this.book.end(fault.key, nowMs);
  }
}

interface At {
  readonly nowMs: number;
  readonly monotonicMs: number;
}

/** A condition is over when it has been gone for so long: what comes and goes is one alert (ISA-18.2: no chattering). */
const CLEAR_MS = 10_000;
