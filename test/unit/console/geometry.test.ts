import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { centreOf, ellipseOf, frameOf, layOut, wallPieces, zoom } from "../../../src/console/geometry.ts";
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
