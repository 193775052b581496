import { describe, expect, it } from "vitest";
import { Neighbours } from "../../../src/alert/neighbours.ts";
import type { Site, Track } from "../../../src/model.ts";

/** Sensors on a line: a1 at 0 m and a2 at 5 m of block a, b1 at 40 m of block b. */
const at = (id: string, block: string, xM: number) => ({ id, block, positionM: [xM, 0, 2] });
const site = {
  blocks: [{ id: "a" }, { id: "b" }],
  sensors: [at("a1", "a", 0), at("a2", "a", 5), at("b1", "b", 40)],
} as unknown as Site;
const FLOOR = -110;

function track(levels: Record<string, number>, lastEvidenceMs = 5000): Track {
  const sensors = Object.entries(levels).map(([sensor, dbm]) => ({
    ...{ sensor, band: "gsm900-ul", floorDbm: FLOOR },
    excessDb: dbm - FLOOR,
  }));
  return { block: "a", lastEvidenceMs, sensors } as unknown as Track;
}
const heard = (levelDbm: number, tMs = 5000, band = "gsm900-ul") => ({ tMs, band, sensor: "b1", levelDbm });

describe("neighbours", () => {
  // Free space from 2 m before b1 to a2 (35 m) is 24.9 dB, to a1 (40 m) 26.0 dB; 10 dB of fading come back.
  it.each([
    ["all sensors below what free space leaves", { a1: -57, a2: -56 }, [heard(-40)], "b"],
    ["one sensor above it: a phone of our own beside it", { a1: -55, a2: -60 }, [heard(-40)], null],
    ["the other block as loud as we are", { a1: -41 }, [heard(-40)], null],
    ["the other block hears another band", { a1: -80 }, [heard(-40, 5000, "lte800-ul")], null],
    ["the other block heard it long before", { a1: -80 }, [heard(-40, 1000)], null],
    ["nobody else hears anything", { a1: -80 }, [], null],
  ])("neighbours: %s", (_what, levels, hearings, by) => {
    const board = new Neighbours(site);
    for (const h of hearings) board.judged("b", h.tMs, [h]);
    expect(board.explains(track(levels), 5000)).toBe(by);
  });

  it("neighbours: what is heard later than the window does not count, so that the order of judging doesn't either", () => {
    const board = new Neighbours(site);
    board.judged("b", 6000, [heard(-40, 6000)]);
    expect(board.explains(track({ a1: -80 }), 5000)).toBeNull();
    expect(board.explains(track({ a1: -80 }), 6000)).toBe("b");
  });

  it("neighbours: told up to the slowest other block; the only block waits for nobody; state survives", () => {
    const board = new Neighbours(site);
    expect(board.toldMs("a")).toBe(Number.NEGATIVE_INFINITY);
    board.judged("b", 7000, [heard(-40, 7000)]);
    expect(board.toldMs("a")).toBe(7000);
    const again = new Neighbours(site);
    again.restore(structuredClone(board.snapshot()));
    expect(again.toldMs("a")).toBe(7000);
    expect(again.explains(track({ a1: -80 }, 7000), 7000)).toBe("b");
    board.close();
    expect(board.toldMs("a")).toBe(Number.POSITIVE_INFINITY);
    const alone = { ...site, blocks: [{ id: "a" }] } as unknown as Site;
    expect(new Neighbours(alone).toldMs("a")).toBe(Number.POSITIVE_INFINITY);
  });

  it("neighbours: a sensor that a block listens to itself: explains nothing to it", () => {
    const board = new Neighbours(site, (block) => new Set(block === "a" ? ["b1"] : []));
    board.judged("b", 5000, [heard(-40)]);
    expect(board.explains(track({ a1: -80 }), 5000)).toBeNull();
  });

  const places = { "b-01": 0.4, "b-02": 0.3, "a-09": 0.2 };
  const candidates = (p: Record<string, number>) => Object.entries(p).map(([cell, of]) => ({ cell, p: of }));
  const border = (p: Record<string, number>, bands = ["gsm900-ul"]) =>
    ({ ...track({ a2: -60, b1: -70 }), bands, fix: { candidates: candidates(p) } }) as unknown as Track;
  const claim = (share: number, over: object = {}) => ({
    ...{ windowMs: 5000, tMs: 5000, bands: ["gsm900-ul"], candidates: candidates(places), share },
    sensors: track({ b1: -69 }).sensors,
    ...over,
  });
  it.each([
    ["nobody else knows of it: whoever has half", 0.5, [], true],
    ["nobody else knows of it: who has less leaves it", 0.49, [], false],
    ["both take it for the other's: who has more", 0.4, [claim(0.3)], true],
    ["both take it for their own: who has less leaves it", 0.6, [claim(0.7)], false],
    ["the other had more before, and less now", 0.4, [claim(0.7, { windowMs: 4000 }), claim(0.3)], true],
    ["another band", 0.4, [claim(0.3, { bands: ["lte800-ul"] })], false],
    ["another time", 0.4, [claim(0.3, { tMs: 1000 })], false],
    ["a later window than is decided", 0.4, [claim(0.3, { windowMs: 6000 })], false],
    [
      "each has one of its own, in other places",
      0.6,
      [claim(0.7, { candidates: candidates({ "b-07": 1, "a-09": 0.2 }) })],
      true,
    ],
    ["both take it for the other's, elsewhere", 0.4, [claim(0.3, { candidates: candidates({ "a-07": 0.9 }) })], true],
    [
      "the sensors of both hear the other's otherwise",
      0.4,
      [claim(0.3, { sensors: track({ b1: -60 }).sensors })],
      false,
    ],
  ])("neighbours: a phone on the border: %s", (_what, share, claims, ours) => {
    const board = new Neighbours(site);
    for (const c of claims) board.judged("b", c.windowMs, [], [c]);
    expect(board.isOf(border(places), share, 5000)).toBe(ours);
    const again = new Neighbours(site);
    again.restore(structuredClone(board.snapshot()));
    expect(again.isOf(border(places), share, 5000)).toBe(ours);
  });

  it("neighbours: memory is bounded: an hour of windows keeps minutes", () => {
    const board = new Neighbours(site);
    for (let tMs = 0; tMs < 3_600_000; tMs += 1000) board.judged("b", tMs, [heard(-40, tMs)]);
    expect(JSON.stringify(board.snapshot()).length).toBeLessThan(60_000);
  });
});
