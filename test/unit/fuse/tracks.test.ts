/** One emitter followed by its levels, window by window, in a block of eight cells on a corridor. */
import { describe, expect, it } from "vitest";
import { atOnce } from "../../../src/fuse/linalg.ts";
import { Locator } from "../../../src/fuse/locate.ts";
import { TRACKER_DEFAULTS, Tracker } from "../../../src/fuse/tracks.ts";
import type { ChannelEvidence, Site, Track } from "../../../src/model.ts";
import { inNoDoubt } from "../../support/evidence.ts";
import { box, sensor, site, wall, zone } from "./world.ts";

const BAND = "lte800-ul";
const WINDOW_MS = 1000;
const FLOOR_DBM = -110;
const POWER_DBM = -10;

/** Eight cells side by side, a sensor in each, ten decibels a wall. */
function row(): Site {
  const zones = Array.from({ length: 8 }, (_, i) => zone(`c${i}`, box(3 * i, 0, 3 * i + 3, 4)));
  const walls = Array.from({ length: 9 }, (_, i) => wall([3 * i, 0], [3 * i, 4], 10));
  return site({ zones, walls, sensors: zones.map((_, i) => sensor(`s${i}`, 3 * i + 1.5, 2)) });
}

/** What a phone in a cell gives: inverse square and ten decibels a wall. */
function heard(site: Site, cell: number, tMs: number): ChannelEvidence[] {
  return site.sensors.map(({ id }, s) => {
    const levelDbm = POWER_DBM - 30 - 20 * Math.log10(Math.max(1, 3 * Math.abs(s - cell))) - 10 * Math.abs(s - cell);
    return inNoDoubt(id, BAND, tMs, WINDOW_MS, levelDbm, FLOOR_DBM);
  });
}

/** What is left over floors that drifted by two decibels while they were held, of the sensors that heard the phone. */
function drifted(site: Site, tMs: number): ChannelEvidence[] {
  return site.sensors.map(({ id }, s): ChannelEvidence => {
    const left = inNoDoubt(id, BAND, tMs, WINDOW_MS, FLOOR_DBM + 2 + 0.5 * (s % 3), FLOOR_DBM);
    return { ...left, sigmaDb: 0.4, llrStep: 6, driftDb: 1 };
  });
}

/** The tracks after windows in which the phone is heard as from these cells; saved and restored before window `restoredAt`. */
function follow(cells: readonly number[], restoredAt = -1): Track[] {
  const plan = row();
  const fresh = () =>
    new Tracker(new Locator(plan, { block: "b1", calibration: null }), { ...TRACKER_DEFAULTS, block: "b1" });
  let tracker = fresh();
  const live = new Map<string, Track>();
  cells.forEach((cell, k) => {
    const tMs = (k + 2) * WINDOW_MS;
    if (k === restoredAt) {
      const saved = structuredClone(tracker.snapshot());
      tracker = fresh();
      tracker.restore(saved);
    }
    const bands = [{ band: BAND, channels: heard(plan, cell, tMs), quietEventDriven: [] }];
    for (const { track } of atOnce(tracker.observe(tMs, WINDOW_MS, bands))) live.set(track.id, track);
  });
  return [...live.values()];
}

const STAYS = [1, 1, 1, 1, 1, 1];

describe("an emitter that is heard from elsewhere", () => {
  it("for one window: a fade; it has not moved, and its place is as sure as before", () => {
    const [track, ...more] = follow([...STAYS, 3, 1]);
    expect(more).toEqual([]);
    expect(track!.moves).toBe(0);
    const before = follow([...STAYS, 1])[0]!;
    expect(track!.fix.candidates[0]!.cell).toBe("c1");
    expect(track!.fix.candidates[0]!.p).toBeGreaterThan(before.fix.candidates[0]!.p - 0.02);
  });

  it("for two: it has walked there, once", () => {
    const [track, ...more] = follow([...STAYS, 3, 3]);
    expect(more).toEqual([]);
    expect(track!.moves).toBe(1);
    expect(track!.fix.candidates[0]!.cell).toBe("c3");
  });

  it("from place to place: it has walked at each but the last", () => {
    const tracks = follow([...STAYS, 3, 5, 7]);
    expect(tracks).toHaveLength(1);
    expect(tracks[0]!.moves).toBe(2);
    expect(tracks[0]!.fix.candidates[0]!.cell).toBe("c5");
  });

  it("only as weak as its sensors' floors may have drifted: it is over, and its place is as sure as before", () => {
    const plan = row();
    const locator = new Locator(plan, { block: "b1", calibration: null });
    const tracker = new Tracker(locator, { ...TRACKER_DEFAULTS, block: "b1" });
    const told: Track[] = [];
    for (let k = 1; k <= 30; k++) {
      const channels = k <= 8 ? heard(plan, 1, k * WINDOW_MS) : drifted(plan, k * WINDOW_MS);
      const bands = [{ band: BAND, channels, quietEventDriven: [] }];
      for (const { track } of atOnce(tracker.observe(k * WINDOW_MS, WINDOW_MS, bands))) told.push(track);
    }
    expect(new Set(told.map((t) => t.id)).size).toBe(1);
    expect(told.at(-1)).toMatchObject({ lastEvidenceMs: 8 * WINDOW_MS, moves: 0 });
    expect(told.at(-1)!.fix.candidates[0]!.cell).toBe("c1");
  });

  it("what was heard elsewhere survives a restart between the two windows", () => {
    const cells = [...STAYS, 3, 3];
    expect(follow(cells, cells.length - 1)).toEqual(follow(cells));
  });
});
