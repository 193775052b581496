import { expect, it } from "vitest";
import { FaultBook } from "../../src/alert/fault-book.ts";
import type { AlertChange } from "../../src/model.ts";
import { ServiceWatch } from "../../src/service-watch.ts";

const T = 1_700_000_000_000;

function house() {
  const state = {
    remainder: 0,
    step: 0,
    ahead: 0,
    subscribed: true,
    ready: true,
    dropped: 0,
    full: false,
    delay: 5,
    off: new Map<string, number>(),
    boots: new Map<string, number>(),
  };
  const book = new FaultBook("demo");
  const sensors = ["s1", "s2", "s3", "s4", "s5"].map((id) => ({ id, block: "b1" }));
  const watch = new ServiceWatch(
    book,
    {
      remainder: () => state.remainder,
      clockStepMs: () => state.step,
      refusedAhead: () => state.ahead,
      broker: () => ({ subscribed: state.subscribed, error: null }),
      store: () => ({ ready: state.ready, detail: "away", droppedReadings: state.dropped }),
      journal: () => ({ full: state.full, failed: null }),
      loopDelayMs: () => state.delay,
      sensors: () => sensors,
      clockOffMs: (id) => state.off.get(id) ?? null,
      boots: (id) => state.boots.get(id) ?? 0,
    },
    {
      clockOffMs: 1000,
      brokerMs: 10_000,
      databaseMs: 60_000,
      loopDelayMs: 1000,
      reboots: 3,
      rebootWindowMs: 600_000,
    },
  );
  let second = 0;
  /** Looks once a second for so long; what was told, as `type key`. */
  const pass = (seconds: number): string[] => {
    for (const end = second + seconds; second < end; second++) watch.look(T + 1000 * second, 1000 * second);
    return book.take().flatMap((e) => (e.type === "alert" ? [named(e.change)] : []));
  };
  return { state, book, watch, pass, mono: () => 1000 * second };
}

const named = (c: AlertChange) => `${c.type} ${c.after.id.split("-").slice(1, -1).join("-")}`;

it("service watch: all is well: says nothing", () => {
  expect(house().pass(300)).toEqual([]);
});

it("service watch: a remainder in the ledger: an alert within seconds, over when it is gone", () => {
  const { state, pass } = house();
  state.remainder = 3;
  expect(pass(4)).toEqual(["new service-ledger"]);
  state.remainder = 0;
  expect(pass(12)).toEqual(["end service-ledger"]);
});

it("service watch: broker, store, disk, stalls: each after its own time; one that comes and goes is one alert", () => {
  const { state, pass } = house();
  state.subscribed = false;
  expect(pass(10)).toEqual([]);
  expect(pass(2)).toEqual(["new service-broker"]);
  state.subscribed = true;
  state.full = true;
  expect(pass(1)).toEqual(["new service-disk"]);
  for (let k = 0; k < 10; k++) {
    state.full = k % 2 === 0;
    pass(3);
  }
  state.full = false;
  state.ready = false;
  expect(pass(30)).toContain("end service-disk");
  expect(pass(40)).toEqual(["new service-store"]);
  state.ready = true;
  state.delay = 1500;
  expect(pass(1)).toEqual(["new service-loop"]);
  state.delay = 5;
  state.dropped = 50;
  expect(pass(1)).toEqual(["new service-store-drops"]);
});

it("service watch: the machine's clock was set, readings refused as from the future: each an alert that ends by itself", () => {
  const { state, pass } = house();
  state.step = 3600_000;
  expect(pass(1)).toEqual(["new service-clock-step"]);
  state.step = 0;
  expect(pass(20)).toEqual(["end service-clock-step"]);
  for (let k = 0; k < 5; k++) {
    state.ahead += 10;
    pass(1);
  }
  expect(pass(20)).toEqual(["end service-time-refused"]);
});

it("service watch: one wrong clock: that sensor's fault after a minute; most of them: one fault, of the machine's clock", () => {
  const { state, pass, book } = house();
  state.off.set("s2", 1500);
  expect(pass(50)).toEqual([]);
  expect(pass(30)).toEqual(["new clock-s2"]);
  expect(book.openAlerts()).toMatchObject([{ kind: "sensor-fault", sensor: "s2" }]);
  for (const id of ["s1", "s3", "s4"]) state.off.set(id, -5000);
  const told = pass(200);
  expect(told).toContain("new service-clocks");
  expect(told.filter((t) => t.startsWith("new clock-"))).toEqual([]);
});

it("service watch: a sensor over its quota, a sensor that starts again and again: faults that end by themselves", () => {
  const { state, watch, pass, mono } = house();
  pass(11);
  for (let k = 0; k < 5; k++) watch.flooded("s3", mono());
  expect(pass(12)).toEqual(["new flood-s3"]);
  state.boots.set("s4", 4);
  expect(pass(12)).toEqual(["new reboots-s4"]);
  expect(pass(700)).toEqual(expect.arrayContaining(["end flood-s3", "end reboots-s4"]));
});
