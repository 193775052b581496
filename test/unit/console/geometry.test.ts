import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Box,
  centreOf,
  ellipseOf,
  frameOf,
  layOut,
  nameSpot,
  overlap,
  placeLabels,
  wallPieces,
  zoom,
} from "../../../src/console/geometry.ts";
import { parseBlock } from "../../../src/console/sse.ts";
import { siteJson, zoneJson } from "../../../src/http/views.ts";
import { fixtureSite } from "../../support/fixture-service.ts";

const site = siteJson(fixtureSite());
const zones = fixtureSite().zones.map((z) => zoneJson(z, new Map()));

describe("console plan", () => {
  it("floors: the highest first, none over another, all inside the plan, in any shape of window", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.3, max: 5, noNaN: true }), (aspect) => {
        const plan = layOut(site, zones, null, aspect);
        expect(plan.floors.map((f) => f.floor)).toEqual(["1", "0"]);
        const boxes = plan.floors.map((f) => ({ x: f.box.x + f.dx, y: f.box.y + f.dy, w: f.box.w, h: f.box.h }));
        for (const b of boxes) {
          expect(b.x).toBeGreaterThanOrEqual(plan.box.x);
          expect(b.y).toBeGreaterThanOrEqual(plan.box.y);
          expect(b.x + b.w).toBeLessThanOrEqual(plan.box.x + plan.box.w + 1e-9);
          expect(b.y + b.h).toBeLessThanOrEqual(plan.box.y + plan.box.h + 1e-9);
        }
        const [a, b] = boxes as [(typeof boxes)[0], (typeof boxes)[0]];
        const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
        expect(apart).toBe(true);
      }),
    );
  });

  it("zones outside the house are not drawn; walls and sensors go with their floor", () => {
    const plan = layOut(site, zones, null, 1.4);
    expect(plan.floors.flatMap((f) => f.zones).some((z) => z.id === "street")).toBe(false);
    for (const floor of plan.floors) {
      expect(floor.walls.length).toBeGreaterThan(0);
      expect(floor.walls.every((w) => w.floor === floor.floor)).toBe(true);
    }
  });

  it("a site without zones: an empty plan, no error", () => {
    expect(layOut(site, [], null, 1).floors).toEqual([]);
  });

  it("centre: of the area, on the page's downward axis", () => {
    expect(
      centreOf([
        [0, 0],
        [4, 0],
        [4, 2],
        [0, 2],
      ]),
    ).toEqual([2, -1]);
    const [x, y] = centreOf([
      [0, 0],
      [3, 0],
      [0, 3],
    ]);
    expect([x, y].map((v) => Number(v.toFixed(9)))).toEqual([1, -1]);
    expect(
      centreOf([
        [1, 1],
        [1, 1],
        [1, 1],
      ]),
    ).toEqual([1, -1]);
  });

  it("zoom: the point under the pointer stays there; neither too close nor too far", () => {
    const whole = frameOf({ x: 0, y: 0, w: 40, h: 30 }, 2);
    const before = { x: 0, y: 0, w: 20, h: 10 };
    const after = zoom(before, 0.5, 5, 5, whole);
    expect((5 - after.x) / after.w).toBeCloseTo((5 - before.x) / before.w, 9);
    expect((5 - after.y) / after.h).toBeCloseTo((5 - before.y) / before.h, 9);
    expect(zoom(before, 1e-6, 5, 5, whole).w).toBe(3);
    expect(zoom(before, 1e6, 5, 5, whole).w).toBe(whole.w * 4);
  });

  it("wall with a door: two pieces that leave the door's width free", () => {
    const pieces = wallPieces({ floor: "0", from: [0, 4], to: [2.5, 4], door: { at: 1.25, width_m: 0.9 } });
    expect(pieces).toHaveLength(2);
    expect(pieces[0]![2]).toBeCloseTo(0.8, 9);
    expect(pieces[1]![0]).toBeCloseTo(1.7, 9);
  });

  it("ellipse: axes are those of the covariance, for 90 % of the probability", () => {
    const { rx, ry, angle } = ellipseOf([4, 0, 1], 0.9);
    expect(rx / ry).toBeCloseTo(2, 9);
    // Chi-square with two degrees of freedom: 90 % lies within 4.605.
    expect(rx).toBeCloseTo(2 * Math.sqrt(4.605), 3);
    expect(Math.abs(angle)).toBe(0);
    expect(Math.abs(ellipseOf([1, 0, 4], 0.9).angle)).toBeCloseTo(90, 9);
  });
});

describe("console stream", () => {
  it("block: id, event and data are read, comments and a lone space kept apart", () => {
    expect(parseBlock("retry: 2000\nid: ab-1\nevent: alert\ndata: {}")).toEqual({
      id: "ab-1",
      event: "alert",
      data: "{}",
    });
    expect(parseBlock(": keep")).toEqual({ id: null, event: null, data: "" });
    expect(parseBlock("event: x\ndata: a\ndata:  b").data).toBe("a\n b");
  });
});

describe("console labels", () => {
  const view = { x: 0, y: 0, w: 40, h: 20 };
  const cell = (x: number, y: number): Box => ({ x, y, w: 2.5, h: 4 });

  it("labels: over their cell, or under it where a label or another marked cell is in the way, or not at all", () => {
    const [over, beside, boxedIn] = [cell(10, 8), cell(12.5, 8), cell(12.5, 2)];
    const wishes = [over, beside].map((zone) => ({ zone, w: 12, h: 2 }));
    const free = placeLabels(wishes, [over, beside], [], view, 0.5);
    expect(free.map((l) => l?.above)).toEqual([true, false]);
    const marked = [over, beside, boxedIn];
    const third = [...wishes, { zone: boxedIn, w: 12, h: 2 }];
    expect(placeLabels(third, marked, [], view, 0.5).map((l) => l?.above)).toEqual([false, undefined, undefined]);
  });

  it("labels: a floor's name stays readable where there is room on the other side", () => {
    const zone = cell(5, 4);
    const title = { x: 0, y: 1.5, w: 8, h: 1.3 };
    expect(placeLabels([{ zone, w: 12, h: 2 }], [zone], [title], view, 0.5)[0]?.above).toBe(false);
    const low = { ...view, h: 9 };
    expect(placeLabels([{ zone, w: 12, h: 2 }], [zone], [title], low, 0.5)[0]?.above).toBe(true);
  });

  it("labels: none over another, none over another's cell, all in view", () => {
    const at = fc.record({ x: fc.integer({ min: 0, max: 14 }), y: fc.integer({ min: 0, max: 4 }) });
    fc.assert(
      fc.property(fc.uniqueArray(at, { maxLength: 6, selector: (c) => `${c.x} ${c.y}` }), (cells) => {
        const zones = cells.map((c) => cell(c.x * 2.5, c.y * 4));
        const wishes = zones.map((zone) => ({ zone, w: 9, h: 2 }));
        const labels = placeLabels(wishes, zones, [], view, 0.5).map((l) => l?.box);
        labels.forEach((label, i) => {
          if (label === undefined) return;
          expect(label.x >= view.x && label.y >= view.y && label.x + label.w <= view.x + view.w).toBe(true);
          expect(zones.some((z, k) => k !== i && overlap(label, z))).toBe(false);
          expect(labels.some((l, k) => k !== i && l !== undefined && overlap(label, l))).toBe(false);
        });
      }),
    );
  });

  it("names: in the middle of the room, or beside the sensor that hangs there", () => {
    const room = { x: 0, y: 0, w: 20, h: 4 };
    expect(nameSpot(room, 4, 0.8, [])).toEqual([10, 2]);
    expect(nameSpot(room, 4, 0.8, [[10, 2]])).toEqual([5, 2]);
    const crowded = Array.from({ length: 20 }, (_, i) => [i, 2] as const);
    expect(nameSpot(room, 4, 0.8, crowded)[1]).not.toBe(2);
    const [x] = nameSpot({ ...room, w: 4 }, 4, 0.8, [[2, 2]]);
    expect(x).toBe(2);
  });
});
