import { expect, test } from "vitest";
import { Locator } from "../../../src/fuse/locate.ts";
import { vicinity } from "../../../src/fuse/vicinity.ts";
import { parseSite } from "../../../src/site.ts";
import { benchSite } from "../../bench/prison.ts";

function site(sensors: number) {
  const result = parseSite(JSON.stringify(benchSite(sensors)), "bench.json");
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.site;
}

test("vicinity: a block far from the others: keeps what a site of that block alone has", () => {
  const alone = site(200);
  const part = vicinity(site(600), "b00");
  expect(part.sensors.map((s) => s.id)).toEqual(alone.sensors.map((s) => s.id));
  expect(part.zones.map((z) => z.id).sort()).toEqual(alone.zones.map((z) => z.id).sort());
  expect(part.walls.length).toBe(alone.walls.length);
  const options = { block: "b00", calibration: null };
  expect(new Locator(part, options).size).toBe(new Locator(alone, options).size);
});

test("vicinity: one block: the site itself", () => {
  const alone = site(200);
  expect(vicinity(alone, "b00")).toBe(alone);
});

test("vicinity: zones within reach of the block, and those outside: stay", () => {
  const whole = site(400);
  // The second block, moved to stand 20 m beside the first, and a street far away that belongs to none.
  const moved = whole.zones.map((z) =>
    z.block === "b01" ? { ...z, polygon: z.polygon.map(([x, y]) => [x - 117, y] as const) } : z,
  );
  const street = { ...moved[0]!, id: "street", block: null, floor: null, kind: "outside" as const };
  const far = street.polygon.map(([x, y]) => [x, y + 5000] as const);
  const part = vicinity({ ...whole, zones: [...moved, { ...street, polygon: far }] }, "b00");
  expect(part.zones.some((z) => z.block === "b01")).toBe(true);
  expect(part.zones.some((z) => z.id === "street")).toBe(true);
  expect(part.sensors.every((s) => s.block === "b00")).toBe(true);
});

/** Blocks a (below) and b (above), and c beside b: cells of 3 m by 4 m, a sensor in each; b's scanner at the border. */
function stacked() {
  const rect = (x0: number) => [
    [x0, 0],
    [x0 + 3, 0],
    [x0 + 3, 4],
    [x0, 4],
  ];
  const cells = [
    ...[0, 1, 2].map((k) => ({ block: "a", floor: "0", k })),
    ...[0, 1, 2].map((k) => ({ block: "b", floor: "1", k })),
    ...[3, 4, 5, 6, 7].map((k) => ({ block: "c", floor: "1", k })),
  ];
  const document = {
    id: "w",
    name: "W",
    timezone: "Europe/Paris",
    band_plan: "eu",
    blocks: ["a", "b", "c"].map((id) => ({ id, name: id })),
    floors: [
      { id: "0", level: 0, z_m: 0, height_m: 3 },
      { id: "1", level: 1, z_m: 3.2, height_m: 3 },
    ],
    zones: cells.map(({ block, floor, k }) => ({
      ...{ id: `${block}-${k}`, block, floor, kind: "cell", polygon: rect(3 * k) },
    })),
    sensors: [
      ...cells.map(({ block, floor, k }) => ({
        ...{ id: `${block}-s${k}`, block, floor, type: "rf", position_m: [3 * k + 1.5, 2, 2.5], bands: ["gsm900-ul"] },
      })),
      { id: "b-gate", block: "b", floor: "1", type: "scanner", method: "mmwave", place: "b-2" },
    ],
  };
  const result = parseSite(JSON.stringify(document), "stacked.json");
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.site;
}

test("vicinity: sensors of other blocks at a border: count up to 8 m beyond it, on the floor above too", () => {
  const whole = stacked();
  const of = (block: string) => vicinity(whole, block).sensors.map((s) => s.id);
  // The middle of c's cells is 1.5, 4.5, 7.5 and 10.5 m behind b's border; a's ceiling sensors hang 0.7 m below b's floor.
  expect(of("b").sort()).toEqual(["a-s0", "a-s1", "a-s2", "b-gate", "b-s0", "b-s1", "b-s2", "c-s3", "c-s4", "c-s5"]);
  // The upper sensors hang 2.7 m above a's ceiling, so that c's third is 7.97 m away.
  expect(of("a").sort()).toEqual(["a-s0", "a-s1", "a-s2", "b-s0", "b-s1", "b-s2", "c-s3", "c-s4", "c-s5"]);
});

test("vicinity: a block heard at the border: its cells are as likely as one's own, one that isn't heard a hundredth", () => {
  const whole = stacked();
  const p = (sensors: typeof whole.sensors) => {
    const locator = new Locator({ ...vicinity(whole, "b"), sensors }, { block: "b", calibration: null });
    const prior = locator.logPrior();
    const zones = locator.grid.zones;
    const [own, beyond] = ["b-1", "c-5"].map((id) => {
      const { from, to } = zones.find((z) => z.id === id)!;
      return prior.slice(from, to).reduce((sum, nats) => sum + Math.exp(nats), 0);
    });
    return beyond! / own!;
  };
  const { sensors } = vicinity(whole, "b");
  expect(p(sensors)).toBeCloseTo(1, 6);
  expect(p(sensors.filter((s) => s.block !== "c"))).toBeCloseTo(0.01, 6);
});
