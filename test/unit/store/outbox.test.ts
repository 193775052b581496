import { describe, expect, it } from "vitest";
import { wallClock } from "../../../src/clock.ts";
import { type Frame, Journal } from "../../../src/store/journal.ts";
import { Cursor, Outbox, RetryLater } from "../../../src/store/outbox.ts";
import { MemoryDisk } from "../../support/memory-disk.ts";
import { until } from "./fixtures.ts";

const fail = (error: Error) => {
  throw error;
};

async function open(files: MemoryDisk, over = {}) {
  const journal = await Journal.open({ dir: "/log", clock: wallClock, files, groupMs: 0, onFatal: fail, ...over });
  const outbox = new Outbox({ journal, dir: "/log", files, clock: wallClock });
  return { journal, outbox };
}

const numbers = (frames: readonly Frame[]) => frames.map((f) => f.payload.readUInt32LE());

async function put(journal: Journal, outbox: Outbox, from: number, to: number, kind = 1): Promise<void> {
  for (let i = from; i < to; i++) {
    const payload = Buffer.alloc(4);
    payload.writeUInt32LE(i);
    journal.append(kind, payload);
  }
  await journal.flush();
  outbox.kick();
}

const range = (to: number) => Array.from({ length: to }, (_, i) => i);

describe("outbox", () => {
  it("two sinks, one of them dead: the other gets everything in order; the dead one all of it when it is back", async () => {
    const disk = new MemoryDisk();
    const { journal, outbox } = await open(disk);
    const good: number[] = [];
    const late: number[] = [];
    let dead = true;
    await outbox.add({ name: "good", batchBytes: 64, deliver: async (frames) => void good.push(...numbers(frames)) });
    await outbox.add({
      name: "late",
      firstPauseMs: 1,
      maxPauseMs: 5,
      deliver: async (frames) => {
        if (dead) throw new Error("no route");
        late.push(...numbers(frames));
      },
    });
    await put(journal, outbox, 0, 100);
    await until("the good sink has all", () => good.length === 100);
    await until("the other fails", () => outbox.states()[1]!.failing >= 3);
    expect(outbox.states()[1]).toMatchObject({ name: "late", delivered: 0, lastError: "no route" });
    expect(outbox.states()[1]!.behindBytes).toBeGreaterThan(1000);
    dead = false;
    await until("the other has all", () => late.length === 100);
    expect(good).toEqual(range(100));
    expect(late).toEqual(range(100));
    await outbox.close();
    await journal.close();
  });

  it("stopped and killed at any frame: a new start goes on; nothing is missing, repeats carry the same key", async () => {
    let disk = new MemoryDisk();
    const seen = new Map<string, number[]>();
    const got = new Set<number>();
    for (let round = 0; round < 12; round++) {
      const { journal, outbox } = await open(disk);
      await put(journal, outbox, 10 * round, 10 * round + 10);
      let room = 4 + (round % 5);
      await outbox.add({
        name: "sink",
        deliver: async (frames, key) => {
          if (room-- <= 0) throw new Error("stuck");
          const values = numbers(frames);
          if (seen.has(key)) expect(values).toEqual(seen.get(key));
          seen.set(key, values);
          for (const value of values) got.add(value);
        },
      });
      await until("stuck or done", () => outbox.states()[0]!.failing > 0 || outbox.states()[0]!.behindBytes === 0);
      if (round % 2 === 0) {
        await outbox.close();
        await journal.close();
      }
      disk = round % 3 === 0 ? disk.powerLoss() : disk.processKilled();
    }
    const { journal, outbox } = await open(disk);
    await outbox.add({
      name: "sink",
      batchBytes: 1e6,
      deliver: async (frames) => {
        for (const n of numbers(frames)) got.add(n);
      },
    });
    await until("done", () => outbox.states()[0]!.behindBytes === 0);
    expect([...got].sort((a, b) => a - b)).toEqual(range(120));
    await outbox.close();
    await journal.close();
  });

  it("kinds: a sink that wants alerts only gets those, and its cursor passes the rest", async () => {
    const { journal, outbox } = await open(new MemoryDisk());
    const got: number[] = [];
    await outbox.add({ name: "alerts", kinds: [2], deliver: async (frames) => void got.push(...numbers(frames)) });
    await put(journal, outbox, 0, 50, 1);
    await put(journal, outbox, 50, 53, 2);
    await until("done", () => outbox.states()[0]!.behindBytes === 0);
    expect(got).toEqual([50, 51, 52]);
    await outbox.close();
  });

  it("told when to come back: waits at least so long", async () => {
    const { journal, outbox } = await open(new MemoryDisk());
    const times: number[] = [];
    await outbox.add({
      name: "busy",
      firstPauseMs: 1,
      deliver: async () => {
        times.push(performance.now());
        if (times.length === 1) throw new RetryLater("busy", 80);
      },
    });
    await put(journal, outbox, 0, 1);
    await until("delivered", () => outbox.states()[0]!.delivered === 1);
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(79);
    await outbox.close();
  });

  it("log bounded, sink away: what was removed is said, what is left arrives", async () => {
    const disk = new MemoryDisk();
    const { journal, outbox } = await open(disk, { segmentBytes: 300, maxBytes: 0, hardMaxBytes: 2000 });
    let away = true;
    const lost: [number, number][] = [];
    const got: number[] = [];
    await outbox.add({
      name: "sink",
      firstPauseMs: 1,
      maxPauseMs: 2,
      onLost: (from, to) => lost.push([from, to]),
      deliver: async (frames) => {
        if (away) throw new Error("away");
        got.push(...numbers(frames));
      },
    });
    for (let i = 0; i < 40; i++) await put(journal, outbox, 10 * i, 10 * i + 10);
    away = false;
    await until("done", () => outbox.states()[0]!.behindBytes === 0);
    expect(lost.length).toBeGreaterThan(0);
    expect(got.at(-1)).toBe(399);
    expect(got).toEqual(Array.from({ length: got.length }, (_, i) => 400 - got.length + i));
    await outbox.close();
  });

  it("cursor: torn at any byte while written: the position before it is read", async () => {
    const disk = new MemoryDisk();
    const cursor = await Cursor.open(disk, "/c");
    expect(cursor.position).toBeNull();
    for (const position of [100, 2 ** 40, 2 ** 41]) await cursor.save(position);
    for (let at = 0; at < 16; at++) {
      const hurt = disk.processKilled();
      hurt.content("/c")[at]! ^= 0xff;
      expect((await Cursor.open(hurt, "/c")).position).toBe(2 ** 40);
    }
    expect((await Cursor.open(disk, "/c")).position).toBe(2 ** 41);
  });
});
