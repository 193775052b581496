import { join } from "node:path";
import { deserialize, serialize } from "node:v8";
import type { Clock } from "./contracts.ts";
import type { Logger } from "./log.ts";
import type { AlertChange, Command } from "./model.ts";
import { diskFiles } from "./store/files.ts";
import { Journal, type JournalOptions } from "./store/journal.ts";
import { Outbox } from "./store/outbox.ts";
import { SnapshotFile } from "./store/snapshot.ts";

/**
 * What the service remembers over a stop, however sudden: every message as it came, every alert change that was told and
 * every command, in one log, and now and then a snapshot of all state with its place in that log. After a stop the state is
 * the snapshot, brought up to date by the messages behind it through the same code that took them first.
 */

/** Kinds of frames. */
const KIND = { message: 1, alert: 2, command: 3, mark: 4 } as const;

export type Entry =
  | { readonly kind: "message"; readonly atMs: number; readonly topic: string; readonly payload: Uint8Array }
  | { readonly kind: "alert"; readonly change: AlertChange }
  | { readonly kind: "command"; readonly atMs: number; readonly command: Command };

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
}

export class Durable {
  readonly outbox: Outbox;
  private readonly journal: Journal;
  private readonly snapshots: SnapshotFile;
  private readonly log: Logger;

  private constructor(journal: Journal, options: DurableOptions) {
    this.journal = journal;
    this.log = options.log;
    this.snapshots = new SnapshotFile({ dir: options.dir, name: "state", clock: options.clock });
    this.outbox = new Outbox({ journal, dir: options.dir, files: diskFiles, clock: options.clock });
  }

  static async open(options: DurableOptions): Promise<Durable> {
    const { dir, clock, onFatal, onFull, groupMs, maxAgeMs, maxBytes, reserveBytes } = options;
    const given: JournalOptions = {
      dir: join(dir, "journal"),
      clock,
      onFatal,
      onFull,
      groupMs,
      maxAgeMs,
      maxBytes,
      reserveBytes,
    };
    const journal = await Journal.open(given);
    const made = new Durable(journal, options);
    for (const damage of journal.recovery.damage) {
      options.log.warn({ damage }, "the durable log was damaged there; what could be read around it is kept");
    }
    return made;
  }

  /**
   * Brings back what was known: `restore` gets the last snapshot's state, `again` every entry behind it in order. Alert
   * changes come first, so that what was already told is known before it arises again.
   */
  async recover(restore: (state: unknown) => void, told: (change: AlertChange) => void, again: (e: Entry) => void) {
    const snapshot = await this.snapshots.load((file) =>
      this.log.warn({ file }, "a snapshot is damaged; an older one is used"),
    );
    const from = snapshot?.position ?? this.journal.beginPosition;
    if (snapshot) restore(deserialize(snapshot.data));
    for await (const frame of this.journal.replay(from)) {
      if (frame.kind === KIND.alert) told(JSON.parse(frame.payload.toString("utf8")));
    }
    let messages = 0;
    for await (const frame of this.journal.replay(from)) {
      if (frame.kind === KIND.message) {
        again(unpackMessage(frame.payload));
        messages++;
      } else if (frame.kind === KIND.command) {
        again({ kind: "command", ...JSON.parse(frame.payload.toString("utf8")) });
      }
    }
    return { snapshotMs: snapshot?.savedMs ?? null, messages };
  }

  /** Logs a message; resolves once it is on the disk. Rejects when the log takes no more: then it must not be acknowledged. */
  message(atMs: number, topic: string, payload: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const taken = this.journal.append(KIND.message, packMessage(atMs, topic, payload), {
        onDurable: () => resolve(),
      });
      if (!taken) reject(new Error("the durable log takes no more"));
    });
  }

  /** Logs an alert change with the room kept for alerts; sinks of the outbox deliver it from there. */
  alert(change: AlertChange): void {
    const onDurable = () => this.outbox.kick();
    this.journal.append(KIND.alert, Buffer.from(JSON.stringify(change)), { urgent: true, onDurable });
  }

  command(atMs: number, command: Command): void {
    this.journal.append(KIND.command, Buffer.from(JSON.stringify({ atMs, command })), { urgent: true });
  }

  /** Adds a sink for alert changes, one at a time and in order; a rejection is retried for ever. */
  async addAlertSink(name: string, deliver: (change: AlertChange) => Promise<void>): Promise<void> {
    await this.outbox.add({
      name,
      kinds: [KIND.alert],
      batchBytes: 0,
      deliver: async (frames) => {
        for (const frame of frames) await deliver(JSON.parse(frame.payload.toString("utf8")));
      },
    });
  }

  /**
   * Saves `state`, which must hold everything logged so far and nothing later: the caller takes it between two messages.
   * The mark is the place in the log that it stands for.
   */
  async save(state: unknown): Promise<void> {
    const data = serialize(state);
    const position = await this.journal.write(KIND.mark, Buffer.alloc(0), true);
    await this.snapshots.save(position, data);
  }

  /** Resolves when everything logged so far is on the disk. */
  synced(): Promise<void> {
    return this.journal.flush();
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

/** arrival f64, length of the topic u16, topic, payload. */
function packMessage(atMs: number, topic: string, payload: Uint8Array): Uint8Array[] {
  const name = Buffer.from(topic);
  const head = Buffer.allocUnsafe(10);
  head.writeDoubleLE(atMs, 0);
  head.writeUInt16LE(name.length, 8);
  return [head, name, payload];
}

function unpackMessage(frame: Buffer): Entry {
  const length = frame.readUInt16LE(8);
  return {
    kind: "message",
    atMs: frame.readDoubleLE(0),
    topic: frame.toString("utf8", 10, 10 + length),
    // A copy: decoding may keep parts of it, and the frame is a view of a whole segment.
    payload: Uint8Array.prototype.slice.call(frame, 10 + length),
  };
}
