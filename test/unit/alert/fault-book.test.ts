import { describe, expect, it } from "vitest";
import { FaultBook, faultName } from "../../../src/alert/fault-book.ts";
import type { AlertChange } from "../../../src/model.ts";

const T = 1_700_000_000_000;
const disk = {
  key: "disk",
  block: null,
  kind: "service-fault",
  severity: "critical",
  text: "The disk is full.",
} as const;
const changes = (book: FaultBook): AlertChange[] => book.take().flatMap((e) => (e.type === "alert" ? [e.change] : []));

it("fault book: a fault raised again while open: one alert; over: closed; raised later: another", () => {
  const book = new FaultBook("demo");
  book.raise(disk, T);
  book.raise(disk, T + 1);
  expect(changes(book).map((c) => c.type)).toEqual(["new"]);
  book.end("disk", T + 2);
  book.end("disk", T + 3);
  expect(changes(book)).toMatchObject([{ type: "end", after: { closed_at: T + 2, active: false } }]);
  book.raise(disk, T + 4000);
  expect(book.openAlerts()).toHaveLength(1);
});

it("fault book: numbers used twice: a tamper alert that stays until somebody has seen it", () => {
  const book = new FaultBook("demo");
  book.conflict("b1", "s1", T);
  book.conflict("b1", "s1", T + 500);
  const [opened, ...more] = changes(book);
  expect(more).toEqual([]);
  expect(opened!.after).toMatchObject({
    kind: "tamper",
    severity: "critical",
    block: "b1",
    sensor: "s1",
    latched: true,
  });
  const { id, version } = opened!.after;
  expect(book.command({ type: "ack", alert: id, version: version + 1, by: "x" }, T).ok).toBe(false);
  expect(book.command({ type: "close", alert: id, version, by: "x", outcome: "found" }, T + 9).ok).toBe(true);
  expect(book.openAlerts()).toEqual([]);
});

it("fault book: killed and started again: what was told is open again and not told twice, the snapshot says the same", () => {
  const book = new FaultBook("demo");
  book.conflict("b1", "s1", T);
  book.raise(disk, T + 5);
  const told = changes(book);
  const again = new FaultBook("demo");
  for (const change of told) again.relive(change);
  // The messages that showed the conflict are gone through again.
  again.conflict("b1", "s1", T);
  expect(changes(again)).toEqual([]);
  expect(again.openAlerts()).toEqual(book.openAlerts());
  const restored = new FaultBook("demo");
  restored.restore(book.snapshot());
  expect(restored.openAlerts()).toEqual(book.openAlerts());
  // Closed before the stop, and its message gone through again: it stays closed.
  const alert = book.openAlerts().find((a) => a.kind === "tamper")!;
  book.command({ type: "close", alert: alert.id, version: alert.version, by: "x", outcome: "false" }, T + 9);
  const closed = new FaultBook("demo");
  for (const change of [...told, ...changes(book)]) closed.relive(change);
  closed.conflict("b1", "s1", T);
  expect(closed.openAlerts().map((a) => a.kind)).toEqual(["service-fault"]);
});

describe("names of faults, for the metric", () => {
  it("every kind that a block's health opens: its word, whatever the block and sensor are called", () => {
    for (const name of ["silent", "stuck", "saturated", "deaf", "drowned", "moved", "covered", "tamper", "blind"]) {
      const key = name === "blind" ? name : `${name}-wing-a-s01`;
      const kind = name === "tamper" ? ("tamper" as const) : ("sensor-fault" as const);
      expect(faultName({ id: `wing-a-mm8w2yrs-${key}`, kind, block: "wing-a" })).toBe(name);
    }
  });

  it("every fault of the book: the service's with their part, a sensor's without the sensor; phones have none", () => {
    const book = new FaultBook("demo");
    const fault = { kind: "sensor-fault" as const, severity: "low" as const, text: "x" };
    book.raise({ ...fault, key: "clock-b1-s01", block: "b1" }, 1);
    book.raise({ ...fault, key: "flood-b1-s01", block: "b1" }, 2);
    book.raise({ ...fault, key: "reboots-b1-s01", block: "b1" }, 3);
    book.raise({ ...fault, key: "service-store-drops", block: null, kind: "service-fault" }, 4);
    expect(book.openAlerts().map(faultName)).toEqual(["clock", "flood", "reboots", "service-store-drops"]);
    expect(faultName({ id: "b1-mm8w2yrs-0", kind: "phone-active", block: "b1" })).toBeNull();
  });
});
