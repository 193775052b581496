import { describe, expect, it } from "vitest";
import { stream } from "../../simulator/prng.ts";
import { type Coverage, coverageOf } from "../../src/coverage.ts";
import type { Site } from "../../src/model.ts";
import { parseSite } from "../../src/site.ts";

const COLUMNS = 8;
type Sensor = readonly [xM: number, yM: number, bands?: readonly string[]];

/** Sixteen cells along both sides of a corridor, a street beyond, and sensors where they are wanted; `vaultDb`: walls of the last cell. */
function house(sensors: readonly Sensor[], wallDb = 9, vaultDb = wallDb): Site {
  const box = (x0: number, y0: number, x1: number, y1: number) => [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]; // biome-ignore format: a ring
  const cells = Array.from({ length: 2 * COLUMNS }, (_, k) => {
    const [x, y] = [2.5 * (k % COLUMNS), k < COLUMNS ? 0 : 7];
    return { id: `c${String(k + 1).padStart(2, "0")}`, x, y, front: k < COLUMNS ? 4 : 7, last: k === 2 * COLUMNS - 1 };
  });
  const floor = "0";
  const walls = cells.flatMap(({ x, y, front, last }) => {
    const loss_db = last ? vaultDb : wallDb;
    const door = { at: 1.25, width_m: 0.9, loss_db: loss_db + 3 };
    const sides = [0, 4].map((d) => ({ floor, from: [x, y + d], to: [x + 2.5, y + d], loss_db }));
    const ends = [x, x + 2.5].map((at) => ({ floor, from: [at, y], to: [at, y + 4], loss_db }));
    return [...sides.map((w) => (w.from[1] === front ? { ...w, door } : w)), ...ends];
  });
  const zone = { block: "b1", floor };
  const text = JSON.stringify({
    id: "h",
    name: "House",
    blocks: [{ id: "b1" }],
    floors: [{ id: floor, level: 0, z_m: 0, height_m: 3 }],
    zones: [
      ...cells.map(({ id, x, y }) => ({ ...zone, id, kind: "cell", polygon: box(x, y, x + 2.5, y + 4) })),
      { ...zone, id: "corridor", kind: "corridor", polygon: box(0, 4, 2.5 * COLUMNS, 7) },
      { id: "street", kind: "outside", phones: "allowed", polygon: box(-20, -30, 40, -12) },
    ],
    walls,
    sensors: sensors.map(([x, y, bands = ["lte800-ul"]], i) => ({
      ...zone,
      id: `s${i}`,
      type: "rf",
      position_m: [x, y, 2.6],
      bands,
    })),
  });
  const parsed = parseSite(text, "house.json");
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.site;
}

/** So many sensors in the middle of cells, each set within the next larger one. */
const hung = (n: number): Sensor[] =>
  [2, 5, 10, 13, 0, 7, 8, 15, 4, 3, 12, 11, 1, 6, 9, 14]
    .slice(0, n)
    .map((k) => [2.5 * (k % COLUMNS) + 1.25, k < COLUMNS ? 2 : 9]);

const foretold = (site: Site, phones = 80, seed = 7): Coverage =>
  coverageOf(site, "b1", phones, stream(seed, "coverage"))!;
const share = (c: Coverage) => c.all.told / c.all.of;

describe("coverage: what a plan's sensors could tell", () => {
  it("a sensor in every cell tells nearly all, two in a block few, and more never clearly less", () => {
    const shares = [2, 4, 8, 16].map((n) => share(foretold(house(hung(n)))));
    expect(shares[0]).toBeLessThan(0.3);
    expect(shares[3]).toBeGreaterThan(0.85);
    // Two spreads of the difference of two shares of 80.
    for (let i = 1; i < shares.length; i++) expect(shares[i]).toBeGreaterThan(shares[i - 1]! - 0.15);
  });

  it("two sensors outdoors, towards the street, make more of four than two in the corridor do", () => {
    const [four, corridor, street] = [[], [6.25, 13.75], [4, 16]].map((xs, k) => {
      const more = xs.map((x): Sensor => [x, k === 2 ? -1 : 5.5]);
      return share(foretold(house([...hung(4), ...more])));
    });
    expect(street).toBeGreaterThan(four! + 0.1);
    expect(street).toBeGreaterThan(corridor! - 0.05);
  });

  it("the same draws give the same forecast to the bit, other draws another one near it", () => {
    const site = house(hung(8));
    const [one, again, other] = [foretold(site, 48, 1), foretold(site, 48, 1), foretold(site, 48, 2)];
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
    expect(Math.abs(share(one) - share(other))).toBeLessThan(0.3);
  });

  it("counts add up: halves, zones, phones; those told name no more than were told", () => {
    const c = foretold(house(hung(8)), 100);
    expect(c.loud.of + c.faint.of).toBe(100);
    expect(c.loud.told + c.faint.told).toBe(c.all.told);
    expect(c.loud.of).toBe(50);
    expect(c.byZone.reduce((n, z) => n + z.of, 0)).toBe(100);
    expect(c.first).toBeLessThanOrEqual(c.amongThree);
    expect(c.amongThree).toBeLessThanOrEqual(c.all.told);
    const { held, corridor, rooms, outside } = c.seemed;
    expect(held + corridor + rooms + outside).toBeGreaterThan(0.9);
    expect(held + corridor + rooms + outside).toBeLessThanOrEqual(1.0001);
  });

  it("fewer phones than zones: only some zones are rehearsed", () => {
    const c = foretold(house(hung(8)), 6);
    expect([c.zones, c.rehearsed, c.byZone.length]).toEqual([16, 6, 6]);
  });

  it("a zone behind walls that let nothing through is named as the weakest; behind such walls everywhere nothing is heard", () => {
    const elsewhere = hung(16).filter((_, i) => i !== 7);
    const vault = foretold(house(elsewhere, 9, 150));
    expect(vault.weakest.map((z) => z.zone)).toEqual(["c16"]);
    expect(vault.weakest[0]!.told).toBeLessThan(vault.weakest[0]!.of / 4);
    const deaf = foretold(house(hung(4), 150), 40);
    // Four cells have a sensor of their own.
    expect(deaf.unheard).toBeGreaterThan(20);
    expect(deaf.all.told).toBeLessThanOrEqual(deaf.all.of - deaf.unheard);
  });

  it("faint phones are told no more often than loud ones where sensors are few", () => {
    const c = foretold(house(hung(4)));
    expect(c.faint.told / c.faint.of).toBeLessThan(c.loud.told / c.loud.of + 0.15);
  });

  it("a band that one of many sensors measures is a group of its own, and told less", () => {
    const all = hung(16).map(([x, y], i): Sensor => [x, y, i === 0 ? ["lte800-ul", "gsm900-ul"] : ["lte800-ul"]]);
    const c = foretold(house(all));
    expect(c.bands.map(({ bands, sensors }) => [bands, sensors])).toEqual([
      [["lte800-ul"], 16],
      [["gsm900-ul"], 1],
    ]);
    const [many, one] = c.bands.map((b) => b.told / b.of);
    expect(one).toBeLessThan(many! / 2);
  });

  it("sensors that list no band count as measuring all; without sensors nothing is told", () => {
    expect(share(foretold(house(hung(16).map(([x, y]): Sensor => [x, y, []])), 40))).toBeGreaterThan(0.8);
    const none = foretold(house([]), 40);
    expect([none.sensors, none.all.of, none.all.told]).toEqual([0, 0, 0]);
  });

  it("a block without cells has no coverage", () => {
    const site = house(hung(4));
    const only = { ...site, zones: site.zones.filter((z) => z.kind !== "cell") };
    expect(coverageOf(only, "b1", 40, stream(1, "coverage"))).toBeNull();
  });
});
