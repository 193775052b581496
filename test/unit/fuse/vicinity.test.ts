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
