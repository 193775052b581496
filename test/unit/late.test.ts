import { deserialize, serialize } from "node:v8";
import { describe, expect, it } from "vitest";
import type { AlertChange, Birth, ReadingBatch } from "../../src/model.ts";
import { toyPipeline, toyReadings, toySite } from "../support/toy-block.ts";

const T0 = Date.UTC(2026, 2, 2, 8);
const SECONDS = 240;
const site = toySite(6);
const names = site.sensors.map((s) => s.id);
/** In cell c0-2, from second 120 to 150. */
const call = { fromMs: T0 + 120_000, untilMs: T0 + 150_000, xM: 6.2, yM: 2, eirpDbm: 10 };

const pipeline = () => {
  const block = toyPipeline(site, { holdMs: 2000, eager: true });
  for (const sensor of names) block.birth({ block: "b1", sensor, boot: 1, tsMs: T0, periodMs: 1000 } as Birth);
  return block;
};

interface Day {
  /** When a reading stamped `tsMs` of this sensor comes; default: at once. */
  readonly arrivesMs?: (sensor: string, tsMs: number) => number;
  readonly emitters?: readonly (typeof call)[];
  /** Seconds after which the process ends and goes on from its snapshot. */
  readonly stops?: ReadonlySet<number>;
}

function play({ arrivesMs = (_, t) => t, emitters = [call], stops = new Set() }: Day) {
  const sent: { readonly atMs: number; readonly batch: ReadingBatch }[] = [];
  for (const batch of toyReadings(site, emitters, { fromMs: T0, untilMs: T0 + SECONDS * 1000, seed: 7 })) {
    sent.push({ atMs: arrivesMs(batch.sensor, batch.tsMs), batch });
  }
  sent.sort((a, b) => a.atMs - b.atMs || a.batch.tsMs - b.batch.tsMs);
  let block = pipeline();
  const changes: (AlertChange & { readonly tMs: number })[] = [];
  let late = 0;
  let next = 0;
  for (let nowMs = T0; nowMs < T0 + (SECONDS + 90) * 1000; nowMs += 100) {
    for (; next < sent.length && sent[next]!.atMs <= nowMs; next++) block.offer(sent[next]!.batch, sent[next]!.atMs);
    for (const event of block.due(nowMs) ? block.tick(nowMs) : []) {
      if (event.type === "late") late += event.batch.count;
      if (event.type === "alert") changes.push({ ...event.change, tMs: event.tMs });
    }
    if (!stops.has((nowMs - T0) / 1000)) continue;
    const fresh = pipeline();
    fresh.restore(deserialize(serialize(block.snapshot())));
    block = fresh;
  }
  const phones = changes.filter((c) => c.after.kind === "phone-active");
  return { late, changes, phones, opened: phones.filter((c) => c.type === "new").map((c) => c.after) };
}

/** Away from second 100 to 200; then what was kept comes at a hundred times its speed. */
const kept = (tsMs: number, fromMs = T0 + 100_000, untilMs = T0 + 200_000) =>
  tsMs < fromMs || tsMs >= untilMs ? tsMs : untilMs + (tsMs - fromMs) / 100;

describe("late readings", () => {
  it("a call while the whole network was away: one alert when the readings come, marked late, with the time of the call", () => {
    const { late, opened, phones } = play({ arrivesMs: (_, t) => kept(t) });
    expect(late).toBeGreaterThan(900);
    expect(opened).toHaveLength(1);
    const [alert] = opened;
    expect(alert!.cell).toBe("c0-2");
    expect(Math.abs(alert!.first_evidence_at - call.fromMs)).toBeLessThan(3000);
    expect(Math.abs(alert!.last_evidence_at - call.untilMs)).toBeLessThan(3000);
    expect(alert!.late_ms).toBeGreaterThan(45_000);
    expect(alert!.opened_at).toBeLessThan(T0 + 215_000);
    expect(phones.at(-1)!.after).toMatchObject({ active: false, latched: true, acked: false });
    expect(alert!.text).toMatch(/It is over/);
  });

  it("the same without a call: nothing is raised", () => {
    expect(play({ arrivesMs: (_, t) => kept(t), emitters: [] }).phones).toEqual([]);
  });

  it("a call of which the sensors nearby sent only the end in time: its alert is amended, not doubled", () => {
    // Away for all but the last ten seconds of the call.
    const { opened, phones } = play({ arrivesMs: (_, t) => kept(t, T0 + 110_000, T0 + 140_000) });
    expect(opened).toHaveLength(1);
    expect(opened[0]!.late_ms).toBeUndefined();
    const amended = phones.find((c) => c.after.late_ms !== undefined)!;
    expect(amended.type).toBe("update");
    expect(amended.before!.first_evidence_at).toBeGreaterThan(call.fromMs + 15_000);
    expect(Math.abs(amended.after.first_evidence_at - call.fromMs)).toBeLessThan(3000);
    expect(amended.after.text).toMatch(/came late say: it began \d+ s earlier/);
  });

  it("a call heard in time by all but one sensor, whose readings come late: no second alert", () => {
    const { late, opened } = play({ arrivesMs: (s, t) => (s === "s0-2" ? kept(t) : t) });
    expect(late).toBeGreaterThan(90);
    expect(opened).toHaveLength(1);
  });

  it("a call too weak but for a sensor whose readings come late and the next: alerted late, from both and the silence of the others", () => {
    const weak = { ...call, eirpDbm: -50 };
    const { opened } = play({ arrivesMs: (s, t) => (s === "s0-2" ? kept(t) : t), emitters: [weak] });
    expect(opened.map((a) => a.cell)).toEqual(["c0-2"]);
    expect(opened[0]!.late_ms).toBeGreaterThan(0);
  });

  it("a sensor whose clock is a minute behind: nothing is judged at the wrong time", () => {
    const { late, opened } = play({ arrivesMs: (s, t) => (s === "s0-2" ? t + 60_000 : t) });
    expect(late).toBeGreaterThan(100);
    expect(opened).toHaveLength(1);
    expect(opened[0]!.late_ms).toBeUndefined();
  });

  it("stopped anywhere while readings come late: says exactly what it would have said", () => {
    const day = { arrivesMs: (_: string, t: number) => kept(t) };
    const whole = play(day).changes;
    expect(play({ ...day, stops: new Set([90, 200.3, 200.7, 203, 205.8]) }).changes).toEqual(whole);
  });
});
