import { join } from "node:path";
import { deserialize, serialize } from "node:v8";
import type { Clock } from "./contracts.ts";
import type { Logger } from "./log.ts";
import type { AlertChange, BlockId, CellSearch, Command } from "./model.ts";
import { diskFiles, type FileLayer } from "./store/files.ts";
import { Journal, type JournalOptions, settled } from "./store/journal.ts";
import { Outbox } from "./store/outbox.ts";
import { SnapshotFile } from "./store/snapshot.ts";

/**
 * What the service remembers over a stop, however sudden: every message as it came, every alert change that was told and
 * every command, in one log, and now and then a snapshot of all state with its place in that log. After a stop the state is
 * the snapshot, brought up to date by the messages behind it through the same code that took them first.
 */

/**
 * Kinds of frames. Looks and commands say how many messages of the log waited in the inbox just then, so that going through
 * the log again takes messages and judges windows in the very order of the first time.
 */
const KIND = { message: 1, alert: 2, command: 3, mark: 4, retained: 5, look: 6 } as const;

export interface LoggedMessage {
  readonly atMs: number;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retained: boolean;
}

/** What a restart does with the log's entries. */
export interface Recovery {
  /** The state of the last snapshot, before anything else; false: it can't be used, and the whole log is gone through. */
  restore(state: unknown): boolean;
  /** An alert change that was told, oldest first; all of them before the first message. */
  told(change: AlertChange): void;
  message(message: LoggedMessage): void;
  command(atMs: number, command: Command | CellSearch): void;
  /** A block was looked at and something was judged. */
  look(block: BlockId, nowMs: number): void;
}

/** Messages that may have waited at a look, at the most; older ones were surely taken. A log without looks is held to this. */
const MAX_WAITING = 100_000;

export interface DurableOptions {
  readonly dir: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly groupMs: number;
  readonly maxAgeMs: number;
  readonly maxBytes: number;
  readonly reserveBytes: number;
  /** Ends the process: nothing may be acknowledged any more. */
  readonly onFatal: (error: Error) => void;
  readonly onFull: (full: boolean) => void;
  /** Default: the machine's own disk. */
  readonly files?: FileLayer;
  /** Only for tests and negative controls. */
  readonly segmentBytes?: number;
  readonly sync?: boolean;
}

export class Durable {
  readonly outbox: Outbox;
  private readonly journal: Journal;
  private readonly snapshots: SnapshotFile;
  private readonly log: Logger;
  /** Place of the newest snapshot on the disk. */
  private snapshotAt: number;

  private constructor(journal: Journal, options: DurableOptions) {
    const { dir, clock, log, files = diskFiles } = options;
    this.journal = journal;
    this.log = log;
    this.snapshots = new SnapshotFile({ dir, name: "state", clock, files });
    this.outbox = new Outbox({ journal, dir, files, clock });
    this.snapshotAt = journal.beginPosition;
    // Until the snapshot and the sinks are read nobody knows yet what is still needed.
    journal.keepFrom(this.snapshotAt, "snapshot");
  }

  static async open(options: DurableOptions): Promise<Durable> {
    const { dir, log: _, ...rest } = options;
    const given: JournalOptions = { ...rest, dir: join(dir, "journal") };
    const journal = await Journal.open(given);
    const made = new Durable(journal, options);
    for (const damage of journal.recovery.damage) {
      options.log.warn({ damage }, "the durable log was damaged there; what could be read around it is kept");
    }
    return made;
  }

  /**
   * Brings back what was known: the last snapshot's state, then everything behind it through the same code that took it
   * first. A log that was cut, or kept by another version, is gone through as far as it is there.
   */
  async recover(recovery: Recovery): Promise<{ readonly snapshotMs: number | null; readonly messages: number }> {
    const snapshot = await this.snapshots.load((file) =>
      this.log.warn({ file }, "a snapshot is damaged; an older one is used"),
    );
    const usable = snapshot !== null && recovery.restore(deserialize(snapshot.data));
    const from = usable ? snapshot.position : this.journal.beginPosition;
    this.snapshotAt = from;
    this.journal.keepFrom(from, "snapshot");
    for await (const frame of this.journal.replay(from)) {
      if (frame.kind === KIND.alert) recovery.told(JSON.parse(frame.payload.toString("utf8")));
    }
    let messages = 0;
    const waiting: LoggedMessage[] = [];
    let head = 0;
    const takeAllBut = (left: number) => {
      while (waiting.length - head > left) {
        recovery.message(waiting[head]!);
        waiting[head++] = undefined as never;
        messages++;
      }
      if (head > 4096) {
        waiting.splice(0, head);
        head = 0;
      }
    };
    for await (const { kind, payload } of this.journal.replay(from)) {
      if (kind === KIND.message || kind === KIND.retained) {
        waiting.push(unpackMessage(payload, kind === KIND.retained));
        takeAllBut(MAX_WAITING);
      } else if (kind === KIND.look) {
        takeAllBut(payload.readUInt32LE(8));
        recovery.look(payload.toString("utf8", 12), payload.readDoubleLE(0));
      } else if (kind === KIND.command) {
        const { atMs, command, waiting: left } = JSON.parse(payload.toString("utf8"));
        takeAllBut(left);
        recovery.command(atMs, command);
      }
    }
    takeAllBut(0);
    return { snapshotMs: snapshot?.savedMs ?? null, messages };
  }

  /** Whether a message of so many bytes would be taken now. One that would not must not be judged either. */
  accepts(topic: string, payloadBytes: number): boolean {
    return this.journal.accepts(payloadBytes + topic.length + MESSAGE_HEAD);
  }

  /** Logs a message; resolves once it is on the disk. Rejects when the log takes no more: then it must not be acknowledged. */
  message({ atMs, topic, payload, retained }: LoggedMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      const kind = retained ? KIND.retained : KIND.message;
      const taken = this.journal.append(kind, packMessage(atMs, topic, payload), {
        onDurable: () => resolve(),
        onLost: reject,
      });
      if (!taken) reject(new Error("the durable log takes no more"));
    });
  }

  /** Logs that a block is looked at now, while the last `waiting` messages of the log are not taken yet. */
  look(block: BlockId, nowMs: number, waiting: number): void {
    const name = Buffer.from(block);
    const head = Buffer.allocUnsafe(12);
    head.writeDoubleLE(nowMs, 0);
    head.writeUInt32LE(waiting, 8);
    this.journal.append(KIND.look, [head, name]);
  }

  /** Logs an alert change with the room kept for alerts; sinks of the outbox deliver it from there. */
  alert(change: AlertChange): void {
    const onDurable = () => this.outbox.kick();
    this.journal.append(KIND.alert, Buffer.from(JSON.stringify(change)), { urgent: true, onDurable });
  }

  command(atMs: number, command: Command | CellSearch, waiting: number): void {
    this.journal.append(KIND.command, Buffer.from(JSON.stringify({ atMs, command, waiting })), { urgent: true });
  }

  /** Adds a sink for alert changes, one at a time and in order; a rejection is retried for ever. */
  async addAlertSink(name: string, deliver: (change: AlertChange) => Promise<void>): Promise<void> {
    await this.outbox.add({
      name,
      kinds: [KIND.alert],
      batchBytes: 0,
      cursorMs: 0,
      deliver: async (frames) => {
        for (const frame of frames) await deliver(JSON.parse(frame.payload.toString("utf8")));
      },
    });
  }

  /**
   * Saves `state`, which must hold everything logged so far and nothing later: the caller takes it between two messages.
   * The mark is the place in the log that it stands for. `stored` says whether everything that the state has handed on is
   * durable where it went: until then the log behind the last snapshot is the only place to make it from again.
   */
  async save(state: unknown, stored: () => Promise<boolean>): Promise<boolean> {
    const data = serialize(state);
    // On a full disk there is no room for the snapshot either; one that waits keeps its copy of the state for as long.
    const position = await this.journal.write(KIND.mark, Buffer.alloc(0), { waits: false });
    if (!(await stored())) return false;
    await this.snapshots.save(position, data);
    // The snapshot before is kept in case the newest is damaged: the log from there on is kept with it.
    this.journal.keepFrom(this.snapshotAt, "snapshot");
    this.snapshotAt = position;
    return true;
  }

  /** Resolves when everything logged so far is on the disk; false where it is not (disk full, log failed). */
  async synced(): Promise<boolean> {
    return (await settled(this.journal)) && this.journal.status().ready;
  }

  status() {
    return { ...this.journal.status(), sinks: this.outbox.states() };
  }

  async close(): Promise<void> {
    await this.journal.flush();
    await this.outbox.close();
    await this.journal.close();
  }
}

const MESSAGE_HEAD = 10;
/** arrival f64, length of the topic u16, topic, payload. */
function packMessage(atMs: number, topic: string, payload: Uint8Array): Uint8Array[] {
  const name = Buffer.from(topic);
  const head = Buffer.allocUnsafe(MESSAGE_HEAD);
  head.writeDoubleLE(atMs, 0);
  head.writeUInt16LE(name.length, 8);
  return [head, name, payload];
}

function unpackMessage(frame: Buffer, retained: boolean): LoggedMessage {
  const length = frame.readUInt16LE(8);
  return {
    retained,
    atMs: frame.readDoubleLE(0),
    topic: frame.toString("utf8", 10, 10 + length),
    // A copy: decoding may keep parts of it, and the frame is a view of a whole segment.
    payload: Uint8Array.prototype.slice.call(frame, 10 + length),
  };
}
