import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Frame, Journal, type JournalOptions } from "../../../src/store/journal.ts";
import { MemoryDisk } from "../../support/memory-disk.ts";
import { handClock, until } from "./fixtures.ts";

const DIR = "/log";
const LOG0 = "/log/0000000000000000.log";

function open(disk: MemoryDisk, over: Partial<JournalOptions> = {}): Promise<Journal> {
  return Journal.open({
    dir: DIR,
    clock: handClock(1_700_000_000_000),
    files: disk,
    groupMs: 0,
    onFatal: (error) => {
      throw error;
    },
    ...over,
  });
}

async function all(journal: Journal, from = 0): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of journal.replay(from)) frames.push(frame);
  return frames;
}

const texts = (frames: readonly Frame[]) => frames.map((f) => f.payload.toString());
const names = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `frame ${from + i}`);

async function fill(journal: Journal, from: number, to: number): Promise<void> {
  for (const name of names(from, to)) journal.append(1, Buffer.from(name));
  await journal.flush();
}

describe("journal", () => {
  it("frames: appended over many segments, opened again: read back whole, in order, from any position", async () => {
    const disk = new MemoryDisk();
    const journal = await open(disk, { segmentBytes: 500 });
    for (let i = 0; i < 40; i++) await fill(journal, 10 * i, 10 * i + 10);
    expect(journal.status().segments).toBeGreaterThan(5);
    const frames = await all(journal);
    expect(texts(frames)).toEqual(names(0, 400));
    await journal.close();
    const again = await open(disk.processKilled(), { segmentBytes: 500, verifyFrom: 0 });
    expect(again.recovery).toMatchObject({ tornBytes: 0, damage: [], frames: 400 });
    expect(texts(await all(again, frames[123]!.position))).toEqual(names(123, 400));
    expect(texts(await all(again, frames[123]!.next))).toEqual(names(124, 400));
    await fill(again, 400, 410);
    expect(texts(await all(again))).toEqual(names(0, 410));
  });

  it("acknowledgement: comes in order of appending and only after the sync of its bytes", async () => {
    const disk = new MemoryDisk();
    const journal = await open(disk, { groupBytes: 300 });
    const told: number[] = [];
    for (let i = 0; i < 200; i++) {
      journal.append(1, Buffer.from(`frame ${i}`), {
        onDurable: (next) => {
          expect(disk.powerLoss().content(LOG0).length).toBeGreaterThanOrEqual(next);
          told.push(i);
        },
      });
    }
    await journal.flush();
    expect(told).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  it("a slow disk: what waited meanwhile goes into few large groups", async () => {
    const disk = new MemoryDisk();
    const journal = await open(disk, { groupBytes: 300, maxGroupBytes: 3000 });
    for (let i = 0; i < 200; i++) journal.append(1, Buffer.from(`frame ${String(i).padStart(10)}`));
    await journal.flush();
    // 200 frames of 28 bytes: 19 groups of 300 bytes, or two of 3000.
    expect(journal.status().groups).toBeLessThanOrEqual(3);
    expect((await all(journal)).length).toBe(200);
    await journal.close();
  });

  it("torn tail: cut at every byte of the last group: opens, keeps every frame before the cut, goes on", async () => {
    const disk = new MemoryDisk();
    const journal = await open(disk);
    await fill(journal, 0, 5);
    const before = journal.durablePosition;
    await fill(journal, 5, 9);
    const ends = (await all(journal)).map((f) => f.next);
    for (let length = before; length <= journal.durablePosition; length++) {
      const torn = disk.processKilled();
      torn.truncateTo(LOG0, length);
      const again = await open(torn);
      const whole = ends.filter((end) => end <= length).length;
      expect(texts(await all(again))).toEqual(names(0, whole));
      expect(again.recovery.damage).toEqual([]);
      await fill(again, 100, 102);
      expect(texts(await all(again))).toEqual([...names(0, whole), ...names(100, 102)]);
    }
  });

  it("torn first segment: cut at every byte of its header: opens empty and goes on", async () => {
    for (let length = 0; length < 32; length++) {
      const disk = new MemoryDisk();
      await open(disk);
      disk.truncateTo(LOG0, length);
      const again = await open(disk);
      await fill(again, 0, 2);
      expect(texts(await all(again))).toEqual(names(0, 2));
    }
  });

  it("damage in the middle: any byte changed: that frame alone is lost, set aside and reported", async () => {
    const disk = new MemoryDisk();
    const journal = await open(disk);
    await fill(journal, 0, 4);
    await fill(journal, 4, 8);
    const frames = await all(journal);
    const bad = frames[2]!;
    for (let at = bad.position; at < bad.next; at++) {
      const hurt = disk.processKilled();
      hurt.content(LOG0)[at]! ^= 0x41;
      const again = await open(hurt);
      expect(texts(await all(again))).toEqual([...names(0, 2), ...names(3, 8)]);
      const [damage] = again.recovery.damage;
      expect(damage).toMatchObject({ from: bad.position, to: bad.next, wasSynced: true });
      expect(hurt.content(damage!.file!).length).toBe(bad.next - bad.position);
      await fill(again, 8, 9);
      expect(texts(await all(again)).at(-1)).toBe("frame 8");
    }
  });

  it("damage of a sealed segment: its end missing: the rest is read, the gap reported", async () => {
    const disk = new MemoryDisk();
    const journal = await open(disk, { segmentBytes: 300 });
    for (let i = 0; i < 10; i++) await fill(journal, 10 * i, 10 * i + 10);
    const second = disk.paths()[1]!;
    const hurt = disk.processKilled();
    hurt.truncateTo(second, hurt.content(second).length - 5);
    const again = await open(hurt, { segmentBytes: 300, verifyFrom: 0 });
    expect(again.recovery.damage.length).toBe(1);
    expect((await all(again)).length).toBe(99);
  });

  it("payload that contains frames: behind a damaged frame: is not taken for one", async () => {
    const disk = new MemoryDisk();
    const journal = await open(disk);
    await fill(journal, 0, 3);
    const smuggled = Buffer.from(disk.content(LOG0));
    journal.append(1, smuggled);
    journal.append(1, Buffer.from("last"));
    await journal.flush();
    const carrier = (await all(journal))[3]!;
    const hurt = disk.processKilled();
    hurt.content(LOG0)[carrier.position]! ^= 1;
    const again = await open(hurt);
    expect(texts(await all(again))).toEqual([...names(0, 3), "last"]);
  });

  it("power loss: at any moment, with any part of the unsynced bytes kept: nothing acknowledged is lost", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 60 }),
        fc.nat(400),
        fc.nat(1000),
        async (sizes, stopAfter, keepMille) => {
          const disk = new MemoryDisk();
          const cut = new Error("power");
          let operations = 0;
          disk.onOperation = () => {
            if (operations++ >= stopAfter + 4) throw cut;
          };
          let acked = 0;
          const dead = new Promise<void>((resolve) => {
            void open(disk, { segmentBytes: 400, groupBytes: 120, onFatal: () => resolve() }).then(
              async (journal) => {
                sizes.forEach((size, i) => {
                  journal.append(1, Buffer.alloc(size, i), { onDurable: () => acked++ });
                });
                await journal.flush();
                resolve();
              },
              () => resolve(),
            );
          });
          await dead;
          const after = disk.powerLoss((_path, unsynced) => Math.floor((unsynced * keepMille) / 1000));
          const again = await open(after, { verifyFrom: 0 });
          const frames = await all(again);
          expect(frames.length).toBeGreaterThanOrEqual(acked);
          expect(again.recovery.damage).toEqual([]);
          frames.forEach((frame, i) => {
            expect(frame.payload).toEqual(Buffer.alloc(sizes[i]!, i));
          });
        },
      ),
      { numRuns: 300 },
    );
  });

  it("negative control: without sync the same crash loses acknowledged frames, so the check above can fail", async () => {
    const disk = new MemoryDisk();
    const journal = await open(disk, { sync: false });
    let acked = 0;
    for (let i = 0; i < 10; i++) journal.append(1, Buffer.from("x"), { onDurable: () => acked++ });
    await journal.flush();
    const again = await open(disk.powerLoss());
    expect(acked).toBe(10);
    expect((await all(again)).length).toBe(0);
  });

  it("sync fails once: the log stops for good, says so once, acknowledges nothing more", async () => {
    const disk = new MemoryDisk();
    const fatal: Error[] = [];
    const journal = await open(disk, { onFatal: (error) => fatal.push(error) });
    await fill(journal, 0, 3);
    let failed = false;
    disk.onOperation = (operation) => {
      if (operation === "sync" && !failed) {
        failed = true;
        throw Object.assign(new Error("EIO"), { code: "EIO" });
      }
    };
    let acked = 0;
    for (let i = 0; i < 5; i++) journal.append(1, Buffer.from("x"), { onDurable: () => acked++ });
    await journal.flush();
    expect(fatal.map((e) => e.message)).toEqual(["EIO"]);
    expect(journal.append(1, Buffer.from("y"), { onDurable: () => acked++ })).toBe(false);
    await expect(journal.write(1, Buffer.from("z"))).rejects.toThrow("EIO");
    expect(acked).toBe(0);
    expect(journal.status()).toMatchObject({ ready: false });
  });

  it("disk full: alerts are written from the reserve, readings wait and are written when there is room", async () => {
    const disk = new MemoryDisk();
    disk.free = 40_000;
    const full: boolean[] = [];
    const journal = await open(disk, {
      reserveBytes: 20_000,
      groupBytes: 2000,
      fullRetryMs: 5,
      clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
      onFull: (now) => full.push(now),
    });
    let readings = 0;
    for (let i = 0; i < 40; i++) journal.append(1, Buffer.alloc(1000, i), { onDurable: () => readings++ });
    await until("full", () => journal.status().full);
    const stuckAt = readings;
    expect(stuckAt).toBeLessThan(25);
    for (let i = 0; i < 10; i++) await journal.write(2, Buffer.from(`alert ${i}`), { urgent: true });
    expect(readings).toBe(stuckAt);
    expect(journal.status()).toMatchObject({ full: true, ready: false });
    disk.free += 100_000;
    await until("readings written", () => readings === 40);
    expect(full).toEqual([true, false]);
    expect(disk.content("/log/reserve").length).toBe(20_000);
    const frames = await all(await open(disk.powerLoss()));
    expect(frames.filter((f) => f.kind === 2).map((f) => f.payload.toString())).toEqual(
      Array.from({ length: 10 }, (_, i) => `alert ${i}`),
    );
    expect(frames.filter((f) => f.kind === 1).map((f) => f.payload[0])).toEqual(
      Array.from({ length: 40 }, (_, i) => i),
    );
    await journal.close();
  });

  it("writing out while more keeps coming: ends once what was there before is on the disk", async () => {
    const journal = await open(new MemoryDisk());
    let [durable, on] = [0, true];
    const more = () => journal.append(1, Buffer.from("x"), { onDurable: () => on && ++durable && more() });
    for (let k = 0; k < 10; k++) more();
    await until("a steady stream", () => durable > 100);
    const before = durable;
    expect(await journal.flush()).toBe(true);
    expect(durable).toBeGreaterThanOrEqual(before + 10);
    expect(journal.status().queuedFrames).toBeGreaterThan(0);
    on = false;
    await journal.close();
  });

  it("disk full: more waits than allowed: refused and counted, never grown", async () => {
    const disk = new MemoryDisk();
    disk.free = 3000;
    const journal = await open(disk, { maxQueuedBytes: 10_000, groupBytes: 1000, fullRetryMs: 5 });
    let taken = 0;
    for (let i = 0; i < 100; i++) if (journal.append(1, Buffer.alloc(500))) taken++;
    expect(taken).toBe(Math.floor(10_000 / 512));
    expect(journal.status().refused).toBe(100 - taken);
    expect(journal.status().queuedBytes).toBeLessThanOrEqual(10_000);
  });

  it("retention: by size and by age: whole old segments go, never protected ones, and beyond the hard limit also those", async () => {
    const disk = new MemoryDisk();
    const clock = handClock(0);
    const evicted: [number, number][] = [];
    const journal = await open(disk, {
      clock,
      segmentBytes: 500,
      maxBytes: 2000,
      hardMaxBytes: 5000,
      onEvicted: (from, to) => evicted.push([from, to]),
    });
    for (let i = 0; i < 30; i++) await fill(journal, 10 * i, 10 * i + 10);
    expect(journal.durablePosition - journal.beginPosition).toBeLessThan(3000);
    expect(evicted).toEqual([]);
    const protectedFrom = journal.beginPosition;
    journal.keepFrom(protectedFrom);
    for (let i = 0; i < 8; i++) await fill(journal, 0, 10);
    expect(journal.beginPosition).toBe(protectedFrom);
    for (let i = 0; i < 20; i++) await fill(journal, 0, 10);
    expect(journal.beginPosition).toBeGreaterThan(protectedFrom);
    expect(evicted[0]![0]).toBe(protectedFrom);
    expect(journal.durablePosition - journal.beginPosition).toBeLessThan(6000);

    const held = await open(new MemoryDisk(), { clock, segmentBytes: 500, maxBytes: 1000 });
    held.keepFrom(0, "snapshot");
    held.keepFrom(1e9, "outbox");
    for (let i = 0; i < 10; i++) await fill(held, 0, 10);
    expect(held.beginPosition, "what any one holder needs stays").toBe(0);
    held.keepFrom(1e9, "snapshot");
    for (let i = 0; i < 4; i++) await fill(held, 0, 10);
    expect(held.beginPosition).toBeGreaterThan(0);

    const aged = await open(new MemoryDisk(), { clock, segmentBytes: 500, maxAgeMs: 1000 });
    for (let i = 0; i < 10; i++) await fill(aged, 0, 10);
    clock.advance(5000);
    for (let i = 0; i < 4; i++) await fill(aged, 0, 10);
    expect(aged.status().segments).toBeLessThan(6);
  });

  it("arguments: kind out of range or frame too large: throws, nothing is queued", async () => {
    const journal = await open(new MemoryDisk());
    expect(() => journal.append(0, Buffer.alloc(1))).toThrow(RangeError);
    expect(() => journal.append(256, Buffer.alloc(1))).toThrow(RangeError);
    expect(() => journal.append(1, Buffer.alloc(1024 * 1024 + 1))).toThrow(RangeError);
    expect(journal.status().queuedFrames).toBe(0);
    expect(await journal.write(1, Buffer.alloc(1024 * 1024))).toBe(journal.durablePosition);
    expect((await all(journal))[0]!.payload.length).toBe(1024 * 1024);
  });
});
