import { describe, expect, it } from "vitest";
import { createLocalStore } from "../../../src/store/local.ts";
import { MemoryDisk } from "../../support/memory-disk.ts";
import { batch, handClock, rollup, silentLog, until } from "./fixtures.ts";

const T0 = 1_700_000_000_000;
const ALL = { fromMs: 0, toMs: 4e12, limit: 1e6 };
const QUERY = { sensor: "s0", band: "lte800-ul", ...ALL };
const SECONDS = 400;

/** The embedded store on a disk in memory, tended as often as its tests need. */
async function open(disk: MemoryDisk) {
  const store = createLocalStore({
    dir: "/store",
    retentionDays: 30,
    log: silentLog,
    clock: handClock(T0),
    files: disk,
    maxBytes: 64 * 1024 * 1024,
    tendMs: 20,
  });
  await store.start();
  return store;
}

const fill = (store: Awaited<ReturnType<typeof open>>, fromS: number, toS: number) => {
  for (let s = fromS; s < toS; s++) store.writeRollups([rollup("s0", T0 + 1000 * s, 10, -98 + (s % 5))]);
};
const seconds = async (store: Awaited<ReturnType<typeof open>>) =>
  (await store.queryChannel(QUERY)).map((point) => (point.tMs - T0) / 1000);
const upTo = (n: number) => Array.from({ length: n }, (_, s) => s);
const enospc = () => Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
const isHour = (path: string) => path.includes("/hours/");

describe("local store on a disk in trouble", () => {
  it.each([
    ["hour files can't grow", (operation: string, path: string) => operation === "write" && isHour(path)],
    ["nothing can be made", (operation: string, path: string) => operation === "create" && isHour(path)],
    ["nothing grows at all", (operation: string) => operation === "write" || operation === "create"],
  ])("full, %s: says so, and has every second once there is room again", async (_what, hits) => {
    const disk = new MemoryDisk();
    const store = await open(disk);
    disk.onOperation = (operation, path) => {
      if (hits(operation, path)) throw enospc();
    };
    fill(store, 0, SECONDS);
    await until("said", () => store.status().detail === "disk full");
    expect(store.status().ready).toBe(false);
    disk.onOperation = () => {};
    await until("ready again", () => store.status().ready && store.status().pendingReadings === 0);
    fill(store, SECONDS, SECONDS + 50);
    expect(await seconds(store)).toEqual(upTo(SECONDS + 50));
    await store.stop(0);
    const again = await open(disk);
    expect(await seconds(again)).toEqual(upTo(SECONDS + 50));
    expect(store.status().droppedReadings).toBe(0);
    await again.stop(0);
  });

  it("full at the stop: what was in the log of rows is there after the next start", async () => {
    const disk = new MemoryDisk();
    const store = await open(disk);
    disk.onOperation = (operation, path) => {
      if (operation !== "sync" && isHour(path)) throw enospc();
    };
    fill(store, 0, SECONDS);
    await until("durable", () => store.status().pendingReadings === 0);
    await until("said", () => !store.status().ready);
    await store.stop(0);
    disk.onOperation = () => {};
    const again = await open(disk);
    expect(await seconds(again)).toEqual(upTo(SECONDS));
    await again.stop(0);
  });

  it("a sync of an hour file that failed: is not tried again, and its rows stay in the log", async () => {
    const disk = new MemoryDisk();
    const store = await open(disk);
    let failures = 0;
    disk.onOperation = (operation, path) => {
      if (operation === "sync" && isHour(path) && failures++ === 0) throw new Error("EIO");
    };
    fill(store, 0, SECONDS);
    await until("said", () => store.status().detail === "EIO");
    await new Promise((resolve) => setTimeout(resolve, 200));
    await store.stop(0);
    expect(failures).toBe(1);
    // The kernel has thrown away what it could not write.
    const after = disk.powerLoss();
    const again = await open(after);
    expect(await seconds(again)).toEqual(upTo(SECONDS));
    await again.stop(0);
  });

  it("late readings and rollups that wait for a disk which fails: counted as dropped, not as waiting", async () => {
    const disk = new MemoryDisk();
    const store = await open(disk);
    disk.onOperation = (operation) => {
      if (operation === "sync") throw new Error("EIO");
    };
    fill(store, 0, 10);
    store.writeLate(batch("s0", 1, 0, T0));
    await until("given up", () => store.status().pendingReadings === 0);
    expect(store.status()).toMatchObject({ ready: false, storedReadings: 0, droppedReadings: 10 * 10 + 3 });
    await store.stop(0);
  });
});
