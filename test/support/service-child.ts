/**
 * `cellward run` on a bad day, or with guards taken out for the negative controls of the fault bench:
 * `service-child.ts CHANGE,CHANGE run …`. A guard is a part of the service replaced by what a simpler program would do.
 */
import { CatchUp } from "../../src/catchup.ts";
import { main } from "../../src/cli/index.ts";
import { wallClock } from "../../src/clock.ts";
import { Durable } from "../../src/durable.ts";
import { Inbox } from "../../src/ingest/inbox.ts";
import { SequenceBook } from "../../src/ingest/sequence.ts";
import { Lanes } from "../../src/lanes.ts";
import { LateLook } from "../../src/late.ts";
import { SteadyClock } from "../../src/steady-clock.ts";
import { diskFiles } from "../../src/store/files.ts";

const changes: Readonly<Record<string, () => void>> = {
  /** Acknowledged when it is queued, not when it is on the disk. */
  sync() {
    const message = Durable.prototype.message;
    Durable.prototype.message = function (m) {
      void message.call(this, m).catch(() => {});
      return Promise.resolve();
    };
  },
  dedup() {
    SequenceBook.prototype.accept = (batch) => ({
      accepted: [batch],
      fresh: batch.count,
      closed: 0,
      unverified: 0,
      duplicates: 0,
      conflicts: 0,
      stale: 0,
      gapOpened: 0,
      reject: null,
    });
  },
  /** Nothing survives a stop. */
  memory() {
    Durable.prototype.recover = async () => ({ snapshotMs: null, messages: 0 });
  },
  /** Alerts go out from memory, once. */
  outbox() {
    const open = Durable.open;
    Durable.open = async (options) => {
      const durable = await open.call(Durable, options);
      let deliver: (change: Parameters<typeof durable.alert>[0]) => Promise<void> = async () => {};
      durable.addAlertSink = async (_name, sink) => {
        deliver = sink;
      };
      durable.alert = (change) => void deliver(change).catch(() => {});
      return durable;
    };
  },
  /** A snapshot of what was judged alone. */
  "waiting readings": () => {
    const snapshot = Lanes.prototype.snapshot;
    Lanes.prototype.snapshot = function () {
      const state = snapshot.call(this) as { lanes: object[] };
      return { ...state, lanes: state.lanes.map((lane) => ({ ...lane, pending: [], cursor: 0, readings: 0 })) };
    };
  },
  /** What comes late is stored, and that is all. */
  "second look": () => {
    LateLook.prototype.offer = () => {};
  },
  "catching up"() {
    CatchUp.prototype.begin = () => {};
  },
  quota() {
    const offer = Inbox.prototype.offer;
    Inbox.prototype.offer = function (_name, bytes, ms, item) {
      return offer.call(this, "", bytes, ms, item, true);
    };
  },
  /** A disk that takes half a second for every sync. */
  "slow disk": () => {
    const open = diskFiles.open;
    diskFiles.open = async (path, mode) => {
      const file = await open(path, mode);
      const sync = file.sync.bind(file);
      file.sync = async () => {
        await new Promise((resolve) => setTimeout(resolve, 500));
        await sync();
      };
      return file;
    };
  },
  /** The machine's clock is set an hour ahead, or back, some seconds after the start. */
  "clock ahead": () => stepClock(3600_000),
  "clock back": () => stepClock(-3600_000),
  /** The clock of the machine is believed whatever it says. */
  "steady clock": () => {
    SteadyClock.prototype.nowMs = () => wallClock.nowMs();
  },
};

/** Seven seconds after the first reading, however long the start took. */
function stepClock(ms: number): void {
  const nowMs = wallClock.nowMs.bind(wallClock);
  const note = SteadyClock.prototype.note;
  let begin = Number.POSITIVE_INFINITY;
  SteadyClock.prototype.note = function (stampMs) {
    begin = Math.min(begin, performance.now());
    note.call(this, stampMs);
  };
  wallClock.nowMs = () => nowMs() + (performance.now() - begin > 7000 ? ms : 0);
}

const [names = "", ...args] = process.argv.slice(2);
for (const name of names.split(",").filter((g) => g !== "")) {
  const change = changes[name];
  if (!change) throw new Error(`no change ${name}; there are ${Object.keys(changes).join(", ")}`);
  change();
}
await main([process.argv[0]!, "cellward", ...args]);
