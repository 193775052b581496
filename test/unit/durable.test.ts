import { describe, expect, it } from "vitest";
import { Durable } from "../../src/durable.ts";
import { createLogger } from "../../src/log.ts";
import { MemoryDisk } from "../support/memory-disk.ts";

const clock = { nowMs: () => 1_000, monotonicMs: () => performance.now() };
const message = (length: number) => ({
  atMs: 1_000,
  topic: "t",
  payload: new Uint8Array(length),
  retained: false,
});

async function open(disk: MemoryDisk, onFatal: (error: Error) => void) {
  return Durable.open({
    dir: "/data",
    clock,
    log: createLogger("silent"),
    groupMs: 1,
    maxAgeMs: 0,
    maxBytes: 1e9,
    reserveBytes: 0,
    onFatal,
    onFull: () => {},
    files: disk,
  });
}

const unexpected = (error: Error) => {
  throw error;
};

describe("durable state", () => {
  it("a full disk: the state is not saved and says so, and the log can be closed", async () => {
    const disk = new MemoryDisk();
    const durable = await open(disk, unexpected);
    expect(await durable.save("first", async () => true)).toBe(true);
    disk.free = 10;
    const lost = durable.message(message(1_000)).then(
      () => "durable",
      () => "refused",
    );
    // Neither waits for room: it would keep its copy of the state for as long, and the next one its own.
    await expect(durable.save("second", async () => true)).rejects.toThrow("full");
    await expect(durable.save("third", async () => true)).rejects.toThrow("full");
    await durable.close();
    expect(await lost).toBe("refused");
    disk.free = Number.POSITIVE_INFINITY;
    const again = await open(disk, unexpected);
    const states: unknown[] = [];
    const nothing = { told: () => {}, message: () => {}, command: () => {}, look: () => {} };
    await again.recover({ ...nothing, restore: (state) => states.push(state) > 0 });
    await again.close();
    expect(states).toEqual(["first"]);
  });

  it("a log that fails while the state is saved: the saving ends, and who waits for the disk is told", async () => {
    const disk = new MemoryDisk();
    const failed: Error[] = [];
    const durable = await open(disk, (error) => failed.push(error));
    disk.onOperation = (operation) => {
      if (operation === "sync") throw new Error("input/output error");
    };
    const lost = durable.message(message(10)).then(
      () => "durable",
      () => "refused",
    );
    await expect(durable.save("state", async () => true)).rejects.toThrow("input/output error");
    expect(await lost).toBe("refused");
    expect(failed.map((error) => error.message)).toEqual(["input/output error"]);
    await durable.close();
  });
});
