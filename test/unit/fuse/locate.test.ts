import { describe, expect, it } from "vitest";
import { Locator, type Observation } from "../../../src/fuse/locate.ts";
import { box, corridorSite, sensor, site, zone } from "./world.ts";

const BAND = "lte800-ul";
const open = site({
  zones: [zone("west", box(0, 0, 6, 6)), zone("east", box(6, 0, 12, 6))],
  sensors: [sensor("s1", 1, 1), sensor("s2", 11, 1), sensor("s3", 1, 5), sensor("s4", 11, 5)],
});

function observe(levels: Record<string, number>, floorDbm = -100): Observation {
  const sensors = Object.entries(levels).map(([s, levelDbm]) => ({ sensor: s, levelDbm, floorDbm, sigmaDb: 2 }));
  return { tMs: 1000, band: BAND, sensors };
}

function posterior(locator: Locator, o: Observation): Float64Array {
  const out = new Float64Array(locator.size);
  locator.logLikelihood(o, out);
  const prior = locator.logPrior();
  for (let c = 0; c < out.length; c++) out[c]! += prior[c]!;
  return out;
}

describe("locator", () => {
  it("prior: any site: sums to one, outside holds its share", () => {
    const locator = new Locator(open, { block: "b1", calibration: null, pOutside: 0.1 });
    const prior = locator.logPrior();
    expect(prior.reduce((sum, p) => sum + Math.exp(p), 0)).toBeCloseTo(1, 9);
    expect(locator.fix(prior).pOutside).toBeCloseTo(0.1, 9);
  });

  it("posterior: west sensors loudest: west zone wins, and a shift of all levels changes nothing to speak of", () => {
    const locator = new Locator(open, { block: "b1", calibration: null });
    const loud = locator.fix(posterior(locator, observe({ s1: -50, s2: -70, s3: -50, s4: -70 })));
    const faint = locator.fix(posterior(locator, observe({ s1: -65, s2: -85, s3: -65, s4: -85 })));
    expect(loud.candidates[0]!.cell).toBe("west");
    expect(Math.abs(loud.position.xM - faint.position.xM)).toBeLessThan(0.2);
    expect(loud.position.xM).toBeLessThan(5);
  });

  it("posterior: sensors on the corridor's centre line: two facing cells are equally likely", () => {
    const locator = new Locator(corridorSite(), { block: "b1", calibration: null });
    const fix = locator.fix(posterior(locator, observe({ s0: -60, s1: -45, s2: -60, s3: -70 })));
    const p = (id: string): number => fix.candidates.find((c) => c.cell === id)?.p ?? 0;
    expect(p("a1")).toBeGreaterThan(0.1);
    expect(Math.abs(p("a1") - p("b1"))).toBeLessThan(0.01);
  });

  it("posterior: a silent sensor: candidates beside it lose", () => {
    const locator = new Locator(open, { block: "b1", calibration: null });
    const without = locator.fix(posterior(locator, observe({ s1: -60, s3: -60 })));
    const silent = locator.fix(posterior(locator, observe({ s1: -60, s3: -60, s2: Number.NaN, s4: Number.NaN }, -75)));
    expect(silent.position.xM).toBeLessThan(without.position.xM);
  });

  it("likelihood: only unknown sensors or an unknown band: adds nothing", () => {
    const locator = new Locator(open, { block: "b1", calibration: null });
    const out = new Float64Array(locator.size).fill(7);
    locator.logLikelihood(observe({ nobody: -50 }), out);
    expect(out.every((v) => v === 0)).toBe(true);
    locator.logLikelihood({ ...observe({ s1: -50 }), band: "nowhere" }, out);
    expect(out.every((v) => v === 0)).toBe(true);
  });

  it("likelihood: eighty sensors hear: the 64 loudest count, of equally loud ones the first of the site, in whatever order they are told", () => {
    const many = {
      ...open,
      sensors: Array.from({ length: 80 }, (_, i) => sensor(`n${i}`, (i % 10) + 1, Math.floor(i / 10) / 2 + 1)),
    };
    const locator = new Locator(many, { block: "b1", calibration: null });
    // Three levels: the 64th of the loudest is one of many as loud.
    const told = many.sensors.map((s, i) => [s.id, -50 - 10 * (i % 3)] as const);
    const loudest = [...told].sort((a, b) => b[1] - a[1]).slice(0, 64);
    expect(loudest.at(-1)![1]).toBe(-70);
    const orders = [told, [...told].reverse(), loudest, loudest.filter((l) => l[1] > -70)];
    const [all, backwards, some, fewer] = orders.map((levels) => {
      const out = new Float64Array(locator.size);
      // Another observation before: nothing of it is left.
      locator.logLikelihood(observe({ n0: -40, n1: -45, n2: -90 }), out);
      locator.logLikelihood(observe(Object.fromEntries(levels)), out);
      return out;
    });
    expect(backwards).toEqual(all);
    expect(some).toEqual(all);
    expect(fewer).not.toEqual(all);
    expect(Math.max(...all!) - Math.min(...all!)).toBeGreaterThan(1);
  });

  it("motion: an hour without news: the posterior spreads and stays a distribution", () => {
    const locator = new Locator(corridorSite(), { block: "b1", calibration: null });
    const at = new Float64Array(locator.size).fill(-1000);
    at[locator.grid.zones.find((z) => z.id === "a0")!.from] = 0;
    const before = locator.fix(at);
    for (let i = 0; i < 60; i++) locator.predict(at, 60_000);
    const after = locator.fix(at);
    expect(at.reduce((sum, p) => sum + Math.exp(p), 0)).toBeCloseTo(1, 6);
    expect(before.candidates[0]!.p).toBeGreaterThan(0.99);
    expect(after.candidates[0]!.p).toBeLessThan(0.3);
  });

  it("evidence: the same place again: higher than anywhere", () => {
    const locator = new Locator(open, { block: "b1", calibration: null });
    const o = observe({ s1: -50, s2: -70, s3: -50, s4: -70 });
    expect(locator.logEvidence(posterior2(locator, o), o)).toBeGreaterThan(locator.logEvidence(locator.logPrior(), o));
  });
});

function posterior2(locator: Locator, o: Observation): Float64Array {
  const p = posterior(locator, o);
  locator.predict(p, 1);
  return p;
}
