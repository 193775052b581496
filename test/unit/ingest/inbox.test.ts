import { describe, expect, it } from "vitest";
import { ClockWatch } from "../../../src/ingest/clockskew.ts";
import { Inbox } from "../../../src/ingest/inbox.ts";
import { RejectLog } from "../../../src/ingest/rejects.ts";
import type { ReadingBatch } from "../../../src/model.ts";

const options = { maxMessages: 100, maxBytes: 10_000, sensorPerSecond: 10, sensorBurst: 20, sensorShare: 0.5 };

describe("inbox", () => {
  it("messages: come out in order, and room is given back", () => {
    const inbox = new Inbox<number>({ ...options, sensorBurst: 1e6, sensorShare: 1 });
    let next = 0;
    let out = 0;
    for (let round = 0; round < 5000; round++) {
      for (let k = 0; k < 3; k++) expect(inbox.offer("s", 10, round, next++)).toBeNull();
      for (let k = 0; k < 3; k++) expect(inbox.take()).toBe(out++);
    }
    expect([inbox.size, inbox.bytes, inbox.take()]).toEqual([0, 0, undefined]);
  });

  it("a flooding sensor: is held to its quota, the others lose nothing", () => {
    const inbox = new Inbox<string>(options);
    let refused = 0;
    for (let ms = 0; ms < 10_000; ms += 1) {
      const verdict = inbox.offer("loud", 10, ms, "x");
      if (verdict !== null) {
        refused++;
        expect(verdict.code).toBe("sensor-quota");
      }
      if (ms % 1000 === 0) expect(inbox.offer("calm", 10, ms, "y")).toBeNull();
      inbox.take();
    }
    // 20 at once, then 10 a second.
    expect(10_000 - refused).toBe(20 + 99);
  });

  it("when nothing is taken out: one sensor fills its share, all together the room, then it is full", () => {
    const inbox = new Inbox<string>({ ...options, sensorBurst: 1000 });
    const codes = new Map<string, number>();
    for (const sensor of ["a", "b", "c"]) {
      for (let k = 0; k < 60; k++) {
        const code = inbox.offer(sensor, 10, 0, "x")?.code ?? "taken";
        codes.set(`${sensor} ${code}`, (codes.get(`${sensor} ${code}`) ?? 0) + 1);
      }
    }
    expect(Object.fromEntries(codes)).toEqual({
      "a taken": 50,
      "a sensor-quota": 10,
      "b taken": 50,
      "b inbox-full": 10,
      "c inbox-full": 60,
    });
  });

  it("names without number: share one quota instead of memory, known ones keep theirs", () => {
    const inbox = new Inbox<string>(options);
    const offer = (name: string) => {
      const verdict = inbox.offer(name, 1, 0, "x");
      inbox.take();
      return verdict;
    };
    for (let k = 0; k < 65_536; k++) expect(offer(`n${k}`)).toBeNull();
    let refused = 0;
    for (let k = 0; k < 100; k++) if (offer(`new${k}`) !== null) refused++;
    expect(refused).toBe(100 - options.sensorBurst);
    expect(offer("n5")).toBeNull();
  });

  it("bytes: are bounded as well", () => {
    const inbox = new Inbox<string>(options);
    expect(inbox.offer("a", 9_999, 0, "x")).toBeNull();
    expect(inbox.offer("b", 2, 0, "x")?.code).toBe("inbox-full");
    inbox.take();
    expect(inbox.offer("b", 2, 0, "x")).toBeNull();
  });

  it("a clock that steps back: gives no tokens and takes none", () => {
    const inbox = new Inbox<string>(options);
    for (let k = 0; k < 20; k++) inbox.offer("a", 1, 1000, "x");
    expect(inbox.offer("a", 1, 0, "x")?.code).toBe("sensor-quota");
    expect(inbox.offer("a", 1, 100, "x")).toBeNull();
  });
});

describe("rejects", () => {
  it("every reason: is counted, its last samples are readable, newest first and bounded", () => {
    const log = new RejectLog();
    for (let k = 0; k < 5; k++) {
      log.add({ ok: false, code: "payload-not-json", detail: `d${k}` }, `t${k}`, Buffer.from(`p${k}`), k, "s1");
    }
    log.add({ ok: false, code: "topic-malformed", detail: "d" }, "t".repeat(70_000), Buffer.alloc(9_000, 65), 9);
    log.addPart({ ok: false, code: "unknown-band", detail: "d" }, "t", Buffer.from("p"), 9);
    expect([log.total, log.count("payload-not-json"), log.ofSensor("s1"), log.ofSensor("s2")]).toEqual([6, 5, 5, 0]);
    const [first, ...rest] = log.rows();
    expect(first).toMatchObject({ code: "payload-not-json", count: 5, parts: 0 });
    expect(first!.samples.map((s) => s.payload)).toEqual(["p4", "p3", "p2"]);
    expect(rest.map((r) => [r.code, r.count, r.parts])).toEqual([
      ["topic-malformed", 1, 0],
      ["unknown-band", 0, 1],
    ]);
    expect(rest[0]!.samples[0]).toMatchObject({ bytes: 9_000 });
    expect(rest[0]!.samples[0]!.payload).toHaveLength(512);
    expect(rest[0]!.samples[0]!.topic).toHaveLength(200);
  });

  it("a sample: is a copy, and can't forge lines, move a cursor or turn writing around", () => {
    const log = new RejectLog();
    const payload = Buffer.from("a\r\n2026 ack by admin\u001b[2J\u202e");
    log.add({ ok: false, code: "payload-not-json", detail: "d" }, "t", payload, 0);
    payload.fill(0);
    expect(log.rows()[0]!.samples[0]!.payload).toBe("a\\u000d\\u000a2026 ack by admin\\u001b[2J\\u202e");
  });
});

describe("clock", () => {
  const at = (tsMs: number, sensor = "s"): ReadingBatch => ({
    block: "b",
    sensor,
    boot: 1,
    seq: 0,
    tsMs,
    dtMs: 100,
    count: 11,
    bands: [],
    rmsDbm: null,
    peakDbm: null,
    duty: null,
    noiseDbm: null,
    looks: null,
  });
  const T = 1_800_000_000_000;
  /** Ten messages a second apart through a way of 20 to 500 ms, from a clock that is off. */
  const run = (watch: ClockWatch, clockOffMs: number, fromMs = T): void => {
    for (let k = 0; k < 10; k++) {
      const nowMs = fromMs + k * 1000;
      watch.observe(at(nowMs - 1000 + clockOffMs), nowMs + 20 + ((k * 137) % 480));
    }
  };

  it.each([
    [0, "good"],
    [-3000, "behind"],
    [3000, "ahead"],
    [-900, "good"],
  ] as const)("a clock off by %i ms behind a jittering way: is %s, the offset known to 20 ms", (offMs, state) => {
    const watch = new ClockWatch();
    expect(watch.status("s").state).toBe("unknown");
    run(watch, offMs);
    expect(watch.status("s").state).toBe(state);
    expect(Math.abs(watch.status("s").offsetMs + offMs)).toBeLessThanOrEqual(20);
    expect(watch.status("other").state).toBe("unknown");
  });

  it("late history: does not make a good clock bad", () => {
    const watch = new ClockWatch();
    run(watch, 0);
    for (let k = 0; k < 100; k++) watch.observe(at(T - 3_600_000 + k * 1000), T + 10_000 + k);
    expect(watch.status("s").state).toBe("good");
  });

  it("a clock that was set right: is good again after the window", () => {
    const watch = new ClockWatch({ windowMs: 60_000 });
    run(watch, 3000);
    expect(watch.status("s").state).toBe("ahead");
    run(watch, 0, T + 31_000);
    run(watch, 0, T + 62_000);
    expect(watch.status("s").state).toBe("good");
  });

  it("a stamp more than 5 s ahead: counts at its arrival, less is left alone", () => {
    const watch = new ClockWatch();
    const near = at(T + 4000 - 1000);
    expect(watch.observe(near, T)).toBe(near);
    const far = watch.observe(at(T + 60_000), T);
    expect(far.tsMs + 1000).toBe(T);
    expect(watch.status("s").futureMessages).toBe(1);
  });
});
