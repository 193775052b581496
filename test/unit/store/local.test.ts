import { readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { diskFiles } from "../../../src/store/files.ts";
import { createLocalStore } from "../../../src/store/local.ts";
import { alert, batch, change, handClock, rollup, silentLog, tempDir, until } from "./fixtures.ts";

const T0 = 1_700_000_000_000;
const ALL = { fromMs: 0, toMs: 4e12, limit: 1e6 };

function open(dir: string, over: { maxBytes?: number; retentionDays?: number } = {}) {
  return createLocalStore({ dir, retentionDays: 30, log: silentLog, clock: handClock(T0), ...over });
}

/** Rollups of `sensors` sensors for `seconds` seconds, written a second at a time. */
function fill(store: ReturnType<typeof open>, sensors: number, seconds: number, fromMs = T0): void {
  for (let s = 0; s < seconds; s++) {
    store.writeRollups(
      Array.from({ length: sensors }, (_, i) => rollup(`s${i}`, fromMs + 1000 * s, 10, -98 + (s % 5))),
    );
  }
}

describe("local store", () => {
  it("rollups: written, then asked for: every second with its values to 0.01 dB, NaN as NaN", async () => {
    const store = open(tempDir());
    await store.start();
    fill(store, 3, 200);
    const points = await store.queryChannel({ sensor: "s1", band: "lte800-ul", ...ALL });
    expect(points.map((p) => p.tMs)).toEqual(Array.from({ length: 200 }, (_, s) => T0 + 1000 * s));
    expect(points[3]).toMatchObject({ meanDbm: -95, maxDbm: -87.75, floorDbm: -101.5, llr: 12.5, readings: 10 });
    const other = await store.queryChannel({ sensor: "s1", band: "gsm900-ul", ...ALL });
    expect(other[0]!.meanDbm).toBeNaN();
    expect(other[0]!.llr).toBe(-0.75);
    expect(await store.queryChannel({ sensor: "s1", band: "nr3500-tdd", ...ALL })).toEqual([]);
    await store.stop(1000);
  });

  it("rollups: asked for a part of the range: exactly the seconds in it, over an hour's edge", async () => {
    const store = open(tempDir());
    await store.start();
    const edge = Math.ceil(T0 / 3_600_000) * 3_600_000;
    fill(store, 2, 300, edge - 150_000);
    const points = await store.queryChannel({
      sensor: "s0",
      band: "lte800-ul",
      fromMs: edge - 5000,
      toMs: edge + 5000,
      limit: 100,
    });
    expect(points.map((p) => p.tMs - edge)).toEqual([-5000, -4000, -3000, -2000, -1000, 0, 1000, 2000, 3000, 4000]);
    await store.stop(1000);
  });

  it("rollups: closed and opened again: all there, counted as stored once", async () => {
    const dir = tempDir();
    const first = open(dir);
    await first.start();
    fill(first, 4, 130);
    await until("all stored", () => first.status().pendingReadings === 0);
    expect(first.status().storedReadings).toBe(4 * 130 * 10);
    await first.stop(1000);
    const second = open(dir);
    await second.start();
    const points = await second.queryChannel({ sensor: "s3", band: "lte800-ul", ...ALL });
    expect(points.length).toBe(130);
    await second.stop(1000);
  });

  it("rollups: process ends without stopping, last second written twice: all there, none doubled", async () => {
    const dir = tempDir();
    const first = open(dir);
    await first.start();
    fill(first, 4, 130);
    await until("all durable", () => first.status().pendingReadings === 0);
    // No stop: the buffers of the running minute are lost with the process, the log of rows is not.
    const second = open(dir);
    await second.start();
    fill(second, 4, 10, T0 + 125_000);
    const points = await second.queryChannel({ sensor: "s2", band: "lte800-ul", ...ALL });
    expect(points.map((p) => p.tMs)).toEqual(Array.from({ length: 135 }, (_, s) => T0 + 1000 * s));
    expect(points.reduce((sum, p) => sum + p.readings, 0)).toBe(1350);
    await second.stop(1000);
    await first.stop(0);
  });

  it("rollups: hour file torn or its index lost: what is sound is still answered", async () => {
    const dir = tempDir();
    const first = open(dir);
    await first.start();
    fill(first, 2, 300);
    await first.stop(1000);
    const hours = join(dir, "hours");
    const seg = join(hours, readdirSync(hours).find((n) => n.endsWith(".seg"))!);
    truncateSync(seg, statSync(seg).size - 7);
    writeFileSync(seg.replace(".seg", ".idx"), "nonsense");
    const second = open(dir);
    await second.start();
    const [a, b] = await Promise.all(
      ["s0", "s1"].map((sensor) => second.queryChannel({ sensor, band: "lte800-ul", ...ALL })),
    );
    expect(a!.length + b!.length).toBeGreaterThanOrEqual(600 - 60);
    expect(a!.length + b!.length).toBeLessThan(600);
    fill(second, 2, 60, T0 + 300_000);
    const after = await second.queryChannel({
      sensor: "s0",
      band: "lte800-ul",
      fromMs: T0 + 300_000,
      toMs: T0 + 400_000,
      limit: 100,
    });
    expect(after.length).toBe(60);
    await second.stop(1000);
  });

  it("thinning: more points than the limit: power mean, largest maximum, readings added up", async () => {
    const store = open(tempDir());
    await store.start();
    store.writeRollups([rollup("s0", T0, 10, -90), rollup("s0", T0 + 1000, 30, -80)]);
    const [point] = await store.queryChannel({
      sensor: "s0",
      band: "lte800-ul",
      fromMs: T0,
      toMs: T0 + 10_000,
      limit: 1,
    });
    expect(point!.meanDbm).toBeCloseTo(10 * Math.log10((10 * 1e-9 + 30 * 1e-8) / 40), 6);
    expect(point).toMatchObject({ tMs: T0, maxDbm: -72.75, readings: 40, llr: 12.5 });
    await store.stop(1000);
  });

  it("alerts: written twice, opened again: each change once, in order, the newest of the limit", async () => {
    const dir = tempDir();
    const first = open(dir);
    await first.start();
    const records = Array.from({ length: 20 }, (_, i) => ({
      tMs: T0 + i * 1000,
      change: change(i === 0 ? "new" : "update", alert("a1", i + 1)),
    }));
    for (const record of [...records, ...records]) first.writeAlert(record);
    expect(await first.queryAlerts(0, 4e12, 100)).toEqual(records);
    await first.stop(1000);
    const second = open(dir);
    await second.start();
    second.writeAlert(records[4]!);
    expect(await second.queryAlerts(T0, T0 + 20_000, 3)).toEqual(records.slice(-3));
    expect(await second.queryAlerts(T0 + 2000, T0 + 4000, 100)).toEqual(records.slice(2, 4));
    await second.stop(1000);
  });

  it("late and raw readings: written twice: come back exactly, once, also large ones", async () => {
    const store = open(tempDir());
    await store.start();
    const small = batch("s1", 17, 40, T0);
    const large = batch("s2", 17, 0, T0, 50_001);
    for (const b of [small, small, large]) store.writeLate(b);
    store.writeRaw("a1", [small]);
    store.writeRaw("a2", [batch("s1", 17, 43, T0 + 300)]);
    const late = await store.queryLate(0, 4e12);
    expect(late[0]).toEqual(small);
    expect(late.reduce((sum, b) => sum + b.count, 0)).toBe(3 + 50_001);
    expect(await store.queryRaw("a1")).toEqual([small]);
    await until("stored", () => store.status().pendingReadings === 0);
    await store.stop(1000);
  });

  it("bounds: more than its size: the oldest hours go, the newest stays", async () => {
    const dir = tempDir();
    const store = open(dir, { maxBytes: 20_000 });
    await store.start();
    for (let hour = 0; hour < 12; hour++) fill(store, 10, 120, T0 + hour * 3_600_000);
    await store.stop(1000);
    const again = open(dir, { maxBytes: 20_000 });
    await again.start();
    await (again as unknown as { rollups: { tend(): Promise<void> } }).rollups.tend();
    const bytes = readdirSync(join(dir, "hours"))
      .filter((n) => n.endsWith(".seg"))
      .reduce((sum, n) => sum + statSync(join(dir, "hours", n)).size, 0);
    expect(bytes).toBeLessThanOrEqual(10_000);
    const last = T0 + 11 * 3_600_000;
    const points = await again.queryChannel({
      sensor: "s0",
      band: "lte800-ul",
      fromMs: last,
      toMs: last + 120_000,
      limit: 1000,
    });
    expect(points.length).toBe(120);
    expect(
      (await again.queryChannel({ sensor: "s0", band: "lte800-ul", fromMs: T0, toMs: T0 + 120_000, limit: 1000 }))
        .length,
    ).toBe(0);
    await again.stop(1000);
  });
});

it("a folder that was made under another account: FILE_UNWRITABLE with the file, not a store that may come back", async () => {
  const path = "/data/store/recent/0000000000000000.log";
  const refuse = async () => {
    throw Object.assign(new Error(`EACCES: permission denied, open '${path}'`), { code: "EACCES", path });
  };
  const store = createLocalStore({
    dir: tempDir(),
    retentionDays: 30,
    log: silentLog,
    files: { ...diskFiles, mkdir: refuse },
  });
  await expect(store.start()).rejects.toMatchObject({
    code: "FILE_UNWRITABLE",
    message: `${path}: no permission to write it`,
    exitCode: 3,
  });
});
