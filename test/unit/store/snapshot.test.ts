import { describe, expect, it } from "vitest";
import { SnapshotFile } from "../../../src/store/snapshot.ts";
import { MemoryDisk } from "../../support/memory-disk.ts";
import { handClock } from "./fixtures.ts";

const open = (files: MemoryDisk) => new SnapshotFile({ dir: "/s", name: "state", clock: handClock(5), files });

describe("snapshot", () => {
  it("saved thrice: the newest is read, the one before is kept, older ones are gone", async () => {
    const disk = new MemoryDisk();
    const file = open(disk);
    expect(await file.load()).toBeNull();
    for (let i = 1; i <= 3; i++) await file.saveJson(100 * i, { i });
    const got = await open(disk.powerLoss()).load();
    expect(got).toMatchObject({ position: 300, savedMs: 5 });
    expect(JSON.parse(got!.data.toString())).toEqual({ i: 3 });
    expect(disk.paths()).toEqual(["/s/state-0000000002.snap", "/s/state-0000000003.snap"]);
  });

  it("power lost at every single operation of a save: the old or the new one is read, never none, never half", async () => {
    for (let stopAt = 0; ; stopAt++) {
      const disk = new MemoryDisk();
      const file = open(disk);
      await file.saveJson(1, "old".repeat(50));
      await file.saveJson(2, "older than new".repeat(50));
      let operations = 0;
      disk.onOperation = () => {
        if (operations++ === stopAt) throw new Error("power");
      };
      const saved = await file.saveJson(3, "new".repeat(50)).then(
        () => true,
        () => false,
      );
      for (const keep of [0, 7, 1e9]) {
        const after = open(disk.powerLoss(() => keep));
        const got = await after.load();
        expect([2, 3]).toContain(got!.position);
        if (saved) expect(got!.position).toBe(3);
        await after.saveJson(9, "next");
        expect((await after.load())!.position).toBe(9);
      }
      if (saved && operations <= stopAt) break;
    }
  });

  it("newest damaged at any byte: passed over, said, the one before is read", async () => {
    const disk = new MemoryDisk();
    const file = open(disk);
    await file.saveJson(1, "a");
    await file.saveJson(2, "b");
    const length = disk.content("/s/state-0000000002.snap").length;
    for (let at = 0; at < length; at++) {
      const hurt = disk.processKilled();
      hurt.content("/s/state-0000000002.snap")[at]! ^= 0x10;
      const passed: string[] = [];
      const got = await open(hurt).load((path) => passed.push(path));
      expect(got!.position).toBe(1);
      expect(passed).toEqual(["/s/state-0000000002.snap"]);
    }
  });
});
