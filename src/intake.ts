import type { Blocks } from "./blocks.ts";
import type { ClockWatch } from "./ingest/clockskew.ts";
import type { Decoder } from "./ingest/decode.ts";
import type { RejectLog } from "./ingest/rejects.ts";
import type { SequenceBook } from "./ingest/sequence.ts";
import { SetBack, type SetBackSnapshot } from "./ingest/setback.ts";
import type { Birth, Health, ReadingBatch, Reject, SensorId, SensorMessage, SensorState } from "./model.ts";

/**
 * From bytes to filed readings, with every one accounted for. The live service, replay and restart recovery all take
 * messages through here, so they count and judge alike.
 */

/** What became of everything that came in. Each total is counted where it arises, so that `remainder` can find a leak. */
export interface Ledger {
  /** Messages that came, whatever they were. */
  messages: number;
  /** Of them: carried readings, were of another kind and taken, were refused whole. */
  readingMessages: number;
  otherMessages: number;
  rejectedMessages: number;
  /** Instants in the messages that carried readings. */
  readings: number;
  /** Of them: filed, known already, refused one by one (the same key with other content, an older boot). */
  accepted: number;
  duplicate: number;
  refused: number;
  /** Part of the accepted that may have come before: older than the gaps that are remembered. Stored once all the same. */
  unverified: number;
}

/** Zero when every message and every reading is accounted for. */
export function remainder(l: Ledger): number {
  return (
    Math.abs(l.messages - l.readingMessages - l.otherMessages - l.rejectedMessages) +
    Math.abs(l.readings - l.accepted - l.duplicate - l.refused)
  );
}

/** Last known facts of a sensor beyond its readings; what the sensors' page shows. */
export interface SensorFacts {
  birth: Birth | null;
  state: SensorState | null;
  health: Health | null;
  /** Arrival of its last accepted message. */
  lastSeenMs: number | null;
}

export interface IntakeSnapshot {
  readonly sensors: ReadonlyMap<SensorId, SensorFacts>;
  readonly setBack: SetBackSnapshot;
}

export interface IntakeParts {
  readonly decoder: Decoder;
  readonly sequencer: SequenceBook;
  readonly rejects: RejectLog;
  readonly blocks: Blocks;
  /** Measures every sensor's clock, and has what is stamped seconds ahead judged at its arrival. */
  readonly clocks?: ClockWatch;
  /** The stamp of the newest instant of every new batch, as the sensor wrote it. */
  readonly onStamp?: (lastMs: number) => void;
  /** Every batch that was filed, for the raw capture. */
  readonly onBatch?: (batch: ReadingBatch) => void;
}

export class Intake {
  readonly ledger: Ledger = {
    messages: 0,
    readingMessages: 0,
    otherMessages: 0,
    rejectedMessages: 0,
    readings: 0,
    accepted: 0,
    duplicate: 0,
    refused: 0,
    unverified: 0,
  };
  readonly sensors = new Map<SensorId, SensorFacts>();
  private readonly parts: IntakeParts;
  private readonly setBack = new SetBack();
  private readonly siteSensors: ReadonlySet<SensorId>;

  constructor(parts: IntakeParts) {
    this.parts = parts;
    this.siteSensors = new Set(parts.blocks.site.sensors.map((s) => s.id));
  }

  /** Takes one message that came at `nowMs`. Never throws for what the message holds. */
  take(topic: string, payload: Uint8Array, retained: boolean, nowMs: number): void {
    this.ledger.messages++;
    const decoded = this.parts.decoder.decode(topic, payload, { retained, nowMs });
    if (!decoded.ok) {
      this.ledger.rejectedMessages++;
      this.parts.rejects.add(decoded, topic, payload, nowMs, this.known(topic));
      return;
    }
    for (const part of decoded.dropped) this.parts.rejects.addPart(part, topic, payload, nowMs);
    const { message } = decoded;
    if (message.kind === "readings") this.takeReadings(message.batch, topic, payload, nowMs);
    else {
      this.ledger.otherMessages++;
      this.note(message, nowMs);
      this.parts.blocks.offer(message, nowMs);
    }
  }

  /** Beside the decoder's and the sequencer's own: a clock set back before a restart is made good for after it too. */
  snapshot(): IntakeSnapshot {
    return { sensors: this.sensors, setBack: this.setBack.snapshot() };
  }

  restore({ sensors, setBack }: IntakeSnapshot): void {
    for (const [sensor, facts] of sensors) this.sensors.set(sensor, facts);
    this.setBack.restore(setBack);
  }

  /** Counts a message that was not even looked into, e.g. over its sensor's quota. */
  refuse(reject: Reject, topic: string, payload: Uint8Array, nowMs: number): void {
    this.ledger.messages++;
    this.ledger.rejectedMessages++;
    this.parts.rejects.add(reject, topic, payload, nowMs, this.known(topic));
  }

  private takeReadings(batch: ReadingBatch, topic: string, payload: Uint8Array, nowMs: number): void {
    const { ledger } = this;
    ledger.readingMessages++;
    ledger.readings += batch.count;
    const { accepted, duplicates, conflicts, stale, unverified, reject } = this.parts.sequencer.accept(batch);
    ledger.duplicate += duplicates;
    ledger.unverified += unverified;
    ledger.refused += conflicts + stale;
    if (conflicts > 0) this.parts.blocks.faults.conflict(batch.block, batch.sensor, nowMs);
    // The message was taken for what was new in it; the refused instants are parts of it.
    if (reject) this.parts.rejects.addPart(reject, topic, payload, nowMs);
    for (const taken of accepted) {
      this.parts.onStamp?.(taken.tsMs + taken.dtMs * (taken.count - 1));
      // After the books: a repetition is known by the stamp it came with.
      // The watch sees the stamps as sent: a clock that was set wrong is a fault however well it is made good for.
      const part = this.setBack.observe(this.parts.clocks?.observe(taken, nowMs) ?? taken, nowMs);
      ledger.accepted += part.count;
      this.parts.blocks.offer({ kind: "readings", batch: part }, nowMs);
      this.parts.onBatch?.(part);
    }
    if (accepted.length > 0) this.facts(batch.sensor).lastSeenMs = nowMs;
  }

  /** How far a sensor's clock is ahead: what it says itself, else what its messages show; null where neither is known. */
  clockOffMs(sensor: SensorId): number | null {
    const told = this.sensors.get(sensor)?.health?.clockOffMs ?? null;
    if (told !== null) return told;
    const status = this.parts.clocks?.status(sensor);
    return status === undefined || status.state === "unknown" ? null : -status.offsetMs;
  }

  private note(message: Exclude<SensorMessage, { kind: "readings" }>, nowMs: number): void {
    switch (message.kind) {
      case "birth":
        this.facts(message.birth.sensor).birth = message.birth;
        break;
      case "state":
        this.facts(message.state.sensor).state = message.state;
        break;
      case "health":
        this.facts(message.health.sensor).health = message.health;
        break;
      case "presence":
        this.facts(message.presence.sensor).lastSeenMs = nowMs;
        break;
      case "scan":
        this.facts(message.scan.sensor).lastSeenMs = nowMs;
        break;
    }
  }

  /** The sensor a topic names, if it is one of the site's. */
  private known(topic: string): SensorId | null {
    const sensor = topic.split("/", 6)[4];
    return sensor !== undefined && this.siteSensors.has(sensor) ? sensor : null;
  }

  private facts(sensor: SensorId): SensorFacts {
    let facts = this.sensors.get(sensor);
    if (!facts) {
      facts = { birth: null, state: null, health: null, lastSeenMs: null };
      this.sensors.set(sensor, facts);
    }
    return facts;
  }
}
