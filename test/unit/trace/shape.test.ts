import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RawMessage } from "../../../src/trace/line.ts";
import { type ShapeOptions, shape, shiftTs, topicFacts } from "../../../src/trace/shape.ts";

const T0 = 1_000_000;

function message(line: number, t: number, sensor: string, kind: string): RawMessage {
  const payload = Buffer.from(`{"v":1, "boot":3,"seq":${line},"ts":${t},"x":{"ts":5}}`);
  return { t, topic: `cellward/v1/demo/b1/${sensor}/${kind}`, payload, json: true, line };
}

/** Births of three sensors, then a reading of each every second. */
function recording(seconds: number): RawMessage[] {
  const sensors = ["s1", "s2", "s3"];
  const all = sensors.map((s, i) => message(i + 2, T0, s, "birth"));
  for (let k = 0; k < seconds; k++) {
    for (const s of sensors) all.push(message(all.length + 2, T0 + k * 1000, s, "reading"));
  }
  return all;
}

async function* inBatches(messages: readonly RawMessage[], size: number): AsyncGenerator<RawMessage[]> {
  for (let i = 0; i < messages.length; i += size) yield messages.slice(i, i + size);
}

async function shaped(messages: readonly RawMessage[], options: ShapeOptions, size = 7): Promise<RawMessage[]> {
  const out: RawMessage[] = [];
  for await (const batch of shape(inBatches(messages, size), options)) out.push(...batch);
  return out;
}

describe("shape", () => {
  it("shape: no options: the very same messages", async () => {
    const all = recording(50);
    expect(await shaped(all, {})).toEqual(all);
  });

  it("shape: from, until: that part, led by the births a broker would have retained", async () => {
    const part = await shaped(recording(50), { fromMs: T0 + 10_000, untilMs: T0 + 12_000 });
    expect(part.map((m) => `${m.topic.split("/")[4]} ${m.topic.split("/")[5]} ${m.t - T0}`)).toEqual([
      "s1 birth 10000",
      "s2 birth 10000",
      "s3 birth 10000",
      "s1 reading 10000",
      "s2 reading 10000",
      "s3 reading 10000",
      "s1 reading 11000",
      "s2 reading 11000",
      "s3 reading 11000",
    ]);
  });

  it("shape: only: other sensors' messages go, the service's own pass", async () => {
    const all = recording(5);
    const service = { ...all[0]!, topic: "cellward/v1/demo/_svc/a/state" };
    const kept = await shaped([service, ...all], { only: ["s2"] });
    expect(new Set(kept.map((m) => m.topic))).toEqual(
      new Set([service.topic, "cellward/v1/demo/b1/s2/birth", "cellward/v1/demo/b1/s2/reading"]),
    );
  });

  it("shape: without: that sensor's messages go, births too; the others' stay", async () => {
    const all = recording(5);
    const kept = await shaped(all, { without: ["s2"] });
    expect(kept.map((m) => `${m.topic} ${m.t}`)).toEqual(
      all.filter((m) => !m.topic.includes("/s2/")).map((m) => `${m.topic} ${m.t}`),
    );
    expect(kept.length).toBeLessThan(all.length);
  });

  it("shape: drop: readings are lost at that rate, births never", async () => {
    const all = recording(2000);
    const kept = await shaped(all, { drop: 0.25, seed: 4 });
    expect(kept.filter((m) => m.topic.endsWith("birth"))).toHaveLength(3);
    // 6,000 draws: 4 standard deviations are 0.022.
    expect(1 - (kept.length - 3) / 6000).toBeGreaterThan(0.228);
    expect(1 - (kept.length - 3) / 6000).toBeLessThan(0.272);
  });

  it("shape: drop, jitter, skew: the same from any cut into batches, another with another seed", async () => {
    const all = recording(60);
    const options = { drop: 0.2, jitterMs: 2500, skewMs: 300, seed: 9 };
    const wanted = await shaped(all, options, 1);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 200 }), async (size) => {
        expect(await shaped(all, options, size)).toEqual(wanted);
      }),
      { numRuns: 20 },
    );
    expect(await shaped(all, { ...options, seed: 10 })).not.toEqual(wanted);
  });

  it("shape: jitter: in order of the new times, each 0 to that much late, none lost", async () => {
    const all = recording(200);
    const late = await shaped(all, { jitterMs: 5000 });
    const times = late.map((m) => m.t);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(new Set(late.map((m) => m.line)).size).toBe(all.length);
    const was = new Map(all.map((m) => [m.line, m.t]));
    const delays = late.map((m) => m.t - was.get(m.line)!);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays)).toBeLessThanOrEqual(5000);
    expect(Math.max(...delays)).toBeGreaterThan(4000);
    expect(late.map((m) => m.line)).not.toEqual(all.map((m) => m.line));
  });

  it("shape: skew: one offset a sensor, on its own ts only, within the bound", async () => {
    const all = recording(10);
    const skewed = await shaped(all, { skewMs: 400, seed: 2 });
    const offsets = new Map<string, Set<number>>();
    for (const [i, m] of skewed.entries()) {
      const before = JSON.parse(Buffer.from(all[i]!.payload).toString());
      const after = JSON.parse(Buffer.from(m.payload).toString());
      const sensor = m.topic.split("/")[4]!;
      offsets.set(sensor, (offsets.get(sensor) ?? new Set()).add(after.ts - before.ts));
      expect(m.t).toBe(all[i]!.t);
      expect(after).toEqual({ ...before, ts: after.ts });
    }
    expect([...offsets.values()].every((set) => set.size === 1)).toBe(true);
    const values = [...offsets.values()].map((set) => [...set][0]!);
    expect(values.every((v) => Math.abs(v) <= 400)).toBe(true);
    expect(new Set(values).size).toBe(3);
  });

  it("shape: shifting ts and boot leaves every other byte as it was", () => {
    const moved = shiftTs(message(7, T0, "s1", "reading"), 250, 1000);
    expect(Buffer.from(moved.payload).toString()).toBe(`{"v":1, "boot":1003,"seq":7,"ts":${T0 + 250},"x":{"ts":5}}`);
    for (const text of ["[1]", '{"a":1}', '{"ts":"5"}', "broken{", ""]) {
      const odd = { ...message(7, T0, "s1", "reading"), payload: Buffer.from(text) };
      expect(Buffer.from(shiftTs(odd, 250, 1).payload).toString()).toBe(text);
    }
  });

  it("topics: what is retained is what the contract says", () => {
    const retained = (topic: string) => topicFacts(topic).retained;
    for (const kind of ["birth", "state", "health"]) expect(retained(`cellward/v1/demo/b1/s1/${kind}`)).toBe(true);
    for (const kind of ["reading", "readings", "scan", "ack"])
      expect(retained(`cellward/v1/demo/b1/s1/${kind}`)).toBe(false);
    expect(retained("cellward/v1/demo/_svc/i1/state")).toBe(true);
    expect(retained("cellward/v1/demo/_alert/a1")).toBe(true);
    expect(retained("cellward/v1/demo/_alert_event")).toBe(false);
    expect(retained("somebody/else/state")).toBe(false);
  });
});
