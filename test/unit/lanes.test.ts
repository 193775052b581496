/** What lanes wait for where messages of one sensor come out of order, or never. */
import { expect, test } from "vitest";
import { Lanes } from "../../src/lanes.ts";
import type { ReadingBatch } from "../../src/model.ts";
import { mulberry32 } from "../support/noise.ts";

const START = 1_700_000_000_000;
const HOLD_MS = 10_000;
const SENSORS = ["s1", "s2", "s3", "s4", "s5"];
const UNTIL_S = 120;

const reading = (sensor: string, seq: number): ReadingBatch => ({
  block: "b1",
  sensor,
  boot: 1,
  seq,
  tsMs: START + 1000 * seq,
  dtMs: 0,
  count: 1,
  bands: ["gsm900-ul"],
  rmsDbm: Float32Array.of(-100),
  peakDbm: null,
  duty: null,
  noiseDbm: null,
  looks: null,
});

/** Sensors that send every second; how much later than measured each message comes, ms, null: never. Gives which were judged late, and delays of windows. */
function run(laterMs: (sensor: string, seq: number) => number | null, eager: boolean) {
  const late: ReadingBatch[] = [];
  const sink = {
    openChannel: () => 0,
    pushColumns: () => {},
    floorDbm: () => -100,
    sigmaDb: () => 1,
    llr: () => 0,
    status: () => "ready" as const,
    isHot: () => false,
  };
  const lanes = new Lanes(sink, {
    windowMs: 1000,
    holdMs: HOLD_MS,
    eager,
    tdd: new Set(),
    onRollup: null,
    onLate: (b) => late.push(b),
  });
  for (const sensor of SENSORS) {
    const unknown = { type: "rf" as const, model: null, firmware: null, dwellMs: null, revisitMs: null, calId: null };
    lanes.birth({ ...unknown, block: "b1", sensor, boot: 1, tsMs: START, periodMs: 1000, bands: [] });
  }
  const arrivals: { atMs: number; batch: ReadingBatch }[] = [];
  for (let seq = 0; seq < UNTIL_S; seq++) {
    for (const sensor of SENSORS) {
      const ms = laterMs(sensor, seq);
      if (ms !== null) arrivals.push({ atMs: START + 1000 * seq + ms, batch: reading(sensor, seq) });
    }
  }
  arrivals.sort((a, b) => a.atMs - b.atMs);
  const delayMs: number[] = [];
  let next = 0;
  for (let nowMs = START; nowMs < START + 1000 * UNTIL_S; nowMs += 100) {
    for (; next < arrivals.length && arrivals[next]!.atMs <= nowMs; next++) lanes.offer(arrivals[next]!.batch, nowMs);
    for (let endMs = lanes.ready(nowMs); endMs !== null; endMs = lanes.ready(nowMs)) {
      for (const _ of lanes.drain(endMs));
      delayMs.push(nowMs - endMs);
    }
  }
  // Of the last minute: how late messages come is known by then.
  const isOld = (seq: number) => seq < UNTIL_S / 2;
  return { late: late.filter((b) => !isOld(b.seq)).length, delayMs: delayMs.slice(-UNTIL_S / 2) };
}

const chance = (sensor: string, seq: number) => mulberry32(1000 * SENSORS.indexOf(sensor) + seq)();

test.each([true, false])(
  "messages out of order by up to 8 s (live: %s): windows wait for what was passed over",
  (eager) => {
    const { late, delayMs } = run((sensor, seq) => Math.floor(8000 * chance(sensor, seq)), eager);
    expect(late).toBeLessThanOrEqual(0.02 * SENSORS.length * (UNTIL_S / 2));
    expect(Math.max(...delayMs)).toBeLessThanOrEqual(HOLD_MS);
  },
);

test("one sensor out of order: it is waited for, and no longer than its messages are late", () => {
  const { late, delayMs } = run((sensor, seq) => (sensor === "s1" ? Math.floor(4000 * chance(sensor, seq)) : 50), true);
  expect(late).toBeLessThanOrEqual(3);
  expect(Math.max(...delayMs)).toBeLessThanOrEqual(5000);
});

test("a sensor loses one message in six: windows are judged as if it lost none", () => {
  const { late, delayMs } = run((sensor, seq) => (sensor === "s1" && chance(sensor, seq) < 1 / 6 ? null : 50), true);
  expect(late).toBe(0);
  // Only a window whose own last message is lost waits, for the one behind it.
  expect(delayMs.filter((ms) => ms > 1100)).toEqual([]);
  expect(delayMs.filter((ms) => ms > 200).length).toBeLessThanOrEqual(delayMs.length / 4);
});

test("messages out of order, one in twelve of them lost: waited for up to the hold", () => {
  const lost = (sensor: string, seq: number) => chance(sensor, 10_000 + seq) < 1 / 12;
  const { late, delayMs } = run((s, seq) => (lost(s, seq) ? null : Math.floor(8000 * chance(s, seq))), true);
  expect(late).toBeLessThanOrEqual(0.02 * SENSORS.length * (UNTIL_S / 2));
  expect(Math.max(...delayMs)).toBeLessThanOrEqual(HOLD_MS);
});
