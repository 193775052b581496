import { describe, expect, it } from "vitest";
import { stream } from "../../../simulator/prng.ts";
import { Locator } from "../../../src/fuse/locate.ts";
import { parseSite } from "../../../src/site.ts";

const text = JSON.stringify({
  id: "h",
  blocks: [{ id: "b1" }],
  floors: [{ id: "0", level: 0, z_m: 0, height_m: 3 }],
  zones: [{ id: "c1", block: "b1", floor: "0", kind: "cell", polygon: [[0, 0], [3, 0], [3, 4], [0, 4]] }], // biome-ignore format: a ring
  // A wall, so that one exponent holds; without any the model keeps three.
  walls: [{ floor: "0", from: [0, 4], to: [3, 4], loss_db: 10 }],
  sensors: [
    [0.5, 5],
    [2.5, 5],
    [2.5, 12],
  ].map(([x, y], i) => ({
    id: `s${i}`,
    block: "b1",
    floor: "0",
    type: "rf",
    position_m: [x, y, 2.5],
    bands: ["lte800-ul"],
  })),
});
const parsed = parseSite(text, "house.json");
if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
const locator = new Locator(parsed.site, { block: null, calibration: null });

describe("imagined levels", () => {
  it("mean, spread and correlation are those that the localiser concludes by", () => {
    const chance = stream(3, "imagined");
    const draws = Array.from({ length: 8000 }, () => locator.imagine("lte800-ul", 5, 0, chance)!);
    const mean = (of: (d: Float64Array) => number) => draws.reduce((sum, d) => sum + of(d), 0) / draws.length;
    const means = [0, 1, 2].map((s) => mean((d) => d[s]!));
    const covariance = (a: number, b: number) => mean((d) => (d[a]! - means[a]!) * (d[b]! - means[b]!));
    // 49 dB^2 or half as much again, equally likely (`PLAN_SCALES`); five spreads of a variance from 8,000 draws.
    const variance = (49 + 1.5 * 49) / 2;
    for (const s of [0, 1, 2]) expect(Math.abs(covariance(s, s) / variance - 1)).toBeLessThan(0.09);
    // Two and seven metres between them, over 3.5 m.
    expect(covariance(0, 1) / variance).toBeCloseTo(Math.exp(-2 / 3.5), 1);
    expect(covariance(1, 2) / variance).toBeCloseTo(Math.exp(-7 / 3.5), 1);
    // An emitter that gives these means is likeliest where they were drawn, or as far from the sensors.
    const grid = locator.sources("lte800-ul")!;
    expect(means.every(Number.isFinite)).toBe(true);
    expect(means[2]).toBeLessThan(means[1]!);
    expect(grid.sensors).toEqual(["s0", "s1", "s2"]);
  });

  it("a power moves all levels alike, up to what a phone can give", () => {
    const at = (powerSds: number) => locator.imagine("lte800-ul", 5, powerSds, stream(4, "imagined"))!;
    const [usual, louder, most, beyond] = [at(0), at(1), at(10), at(20)];
    for (let s = 0; s < 3; s++) {
      expect(louder[s]! - usual[s]!).toBeCloseTo(15, 6);
      expect(beyond[s]).toBe(most[s]);
      expect(most[s]! - usual[s]!).toBeLessThan(60);
    }
  });

  it("an unknown band has no levels", () => {
    expect(locator.imagine("no-such-band", 0, 0, stream(5, "imagined"))).toBeNull();
  });
});
