/**
 * `cellward run` with guards taken out, for the negative controls of the fault bench: `service-child.ts GUARD,GUARD run …`.
 * Each guard is a part of the service replaced by what a simpler program would do in its place.
 */
import { CatchUp } from "../../src/catchup.ts";
import { main } from "../../src/cli/index.ts";
import { Durable } from "../../src/durable.ts";
import { Inbox } from "../../src/ingest/inbox.ts";
import { SequenceBook } from "../../src/ingest/sequence.ts";
import { Lanes } from "../../src/lanes.ts";

const without: Readonly<Record<string, () => void>> = {
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
  "catching up"() {
    CatchUp.prototype.begin = () => {};
  },
  quota() {
    const offer = Inbox.prototype.offer;
    Inbox.prototype.offer = function (_name, bytes, ms, item) {
      return offer.call(this, "", bytes, ms, item, true);
    };
  },
};

const [guards = "", ...args] = process.argv.slice(2);
for (const guard of guards.split(",").filter((g) => g !== "")) {
  const take = without[guard];
  if (!take) throw new Error(`no guard ${guard}; there are ${Object.keys(without).join(", ")}`);
  take();
}
await main([process.argv[0]!, "cellward", ...args]);
