import { expect, it } from "vitest";
import { AlarmFlood } from "../../../src/alert/flood.ts";
import type { Alert, PipelineEvent } from "../../../src/model.ts";
import { BlockPipeline } from "../../../src/pipeline.ts";
import { smallSite } from "../../support/site.ts";

const T = Date.UTC(2026, 2, 2, 8);
const block = () =>
  new BlockPipeline({
    site: smallSite(),
    block: "b1",
    calibration: null,
    windowMs: 1000,
    holdMs: 2000,
    eager: true,
    falseAlarmsPerDay: 1,
  });

it("alarm flood: 1,000 detections in a minute: all recorded, at most 10 announced in 10 minutes, none of the highest priority hidden", () => {
  const pipeline = block();
  const events: PipelineEvent[] = [];
  for (let k = 0; k < 1000; k++) {
    const scan = {
      block: "b1",
      sensor: "gate",
      boot: 1,
      seq: k,
      tsMs: T + 60 * k,
      method: "mmwave",
      alarm: true,
    } as const;
    pipeline.scan({ ...scan, place: "c1", score: null, h2Db: null, h3Db: null, peakUt: null, zones: [] });
    if (k === 500) pipeline.vitals({ ...VITALS, tsMs: scan.tsMs, tamper: true });
    events.push(...pipeline.take());
  }
  const opened = events.flatMap((e) => (e.type === "alert" && e.change.type === "new" ? [e.change.after] : []));
  expect(opened.filter((a) => a.kind === "phone-found")).toHaveLength(1000);
  const announced = opened.filter((a) => a.suppressed_by === null);
  expect(announced.length).toBeLessThanOrEqual(10);
  const flood = opened.find((a) => a.id.endsWith("-flood"))!;
  expect(flood).toMatchObject({ severity: "critical", suppressed_by: null });
  expect(opened.filter((a) => a.suppressed_by !== null).every((a) => a.suppressed_by === flood.id)).toBe(true);
});

it("alarm flood: critical alerts in the middle of it: announced, each", () => {
  const flood = new AlarmFlood();
  const admit = (severity: Alert["severity"], s: number) => flood.admit({ severity }, T + 1000 * s, `f${s}`);
  for (let s = 0; s < 9; s++) expect(admit("high", s).suppressedBy).toBeNull();
  expect(admit("high", 9)).toEqual({ suppressedBy: "f9", begins: true });
  for (let s = 10; s < 40; s++) {
    expect(admit(s % 3 === 0 ? "critical" : "high", s)).toEqual({
      suppressedBy: s % 3 === 0 ? null : "f9",
      begins: false,
    });
  }
  expect(flood.over(T + 300_000)).toBeNull();
  expect(flood.over(T + 700_000)).toBe("f9");
  expect(flood.over(T + 700_001)).toBeNull();
  expect(admit("high", 701).suppressedBy).toBeNull();
});

it("alarm flood: many sensors fail: their faults are held back first, a phone is announced", () => {
  const flood = new AlarmFlood();
  const told = Array.from({ length: 20 }, (_, s) => flood.admit({ severity: "medium" }, T + s, "f").suppressedBy);
  expect(told.filter((by) => by === null)).toHaveLength(5);
  expect(flood.admit({ severity: "high" }, T + 100, "f").suppressedBy).toBeNull();
});

it("alarm flood: a few phones and then a small fault: no flood, and it is announced", () => {
  const flood = new AlarmFlood();
  for (let m = 0; m < 6; m++) flood.admit({ severity: "high" }, T + 60_000 * m, "f");
  expect(flood.admit({ severity: "medium" }, T + 400_000, "f")).toEqual({ suppressedBy: null, begins: false });
});

it("alarm flood: one alert a minute: no flood; taken up from a snapshot: goes on", () => {
  let flood = new AlarmFlood();
  for (let m = 0; m < 60; m++) {
    const next = new AlarmFlood();
    next.restore(structuredClone(flood.snapshot()));
    flood = next;
    // ISA-18.2's tenth in ten minutes would be the flood's own.
    expect(flood.admit({ severity: "high" }, T + 75_000 * m, `f${m}`).suppressedBy).toBeNull();
  }
});

const VITALS = {
  block: "b1",
  sensor: "s1",
  uptimeS: null,
  tempC: null,
  clockOffMs: null,
  saturation: null,
  drop: null,
  queue: null,
  battery: null,
} as const;
