import { describe, expect, it } from "vitest";
import { stream } from "../../../simulator/prng.ts";
import { RADIO_DEFAULTS, Radio } from "../../../simulator/radio.ts";
import { Shadowing } from "../../../simulator/shadow.ts";
import { generateSite, makeSite, materialLossDb, readSite } from "../../../simulator/site.ts";

const FLAT = { ...RADIO_DEFAULTS, wallOffsetDb: 0, shadow: { sigmaDb: 0, dTxM: 2, dRxM: 3, bandRho: 0.5 } };

describe("shadowing", () => {
  it("covariance over 400 frozen fields: exponential at both ends, half between bands", () => {
    const sensors = [
      { x: 0, y: 0, z: 2 },
      { x: 3, y: 0, z: 2 },
    ];
    const spec = { sigmaDb: 6, dTxM: 2, dRxM: 3, bandRho: 0.5 };
    const sums = { self: 0, tx: 0, rx: 0, both: 0, band: 0 };
    const fields = 400;
    for (let seed = 0; seed < fields; seed++) {
      const field = new Shadowing(spec, sensors, seed);
      const at = (x: number, band: number): Float64Array => {
        const out = new Float64Array(2);
        field.addTo(out, x, 5, 1, band);
        return out;
      };
      const here = at(4, 0);
      const there = at(6, 0);
      const other = at(4, 1);
      sums.self += (here[0]! * here[0]!) / 36 / fields;
      sums.tx += (here[0]! * there[0]!) / 36 / fields;
      sums.rx += (here[0]! * here[1]!) / 36 / fields;
      sums.both += (here[0]! * there[1]!) / 36 / fields;
      sums.band += (here[0]! * other[0]!) / 36 / fields;
    }
    // Standard error of a covariance of 400 draws is 0.05 to 0.07.
    const near = (got: number, want: number): void => expect(Math.abs(got - want)).toBeLessThan(0.25);
    near(sums.self, 1);
    near(sums.tx, Math.exp(-1));
    near(sums.rx, Math.exp(-1));
    near(sums.both, Math.exp(-2));
    near(sums.band, 0.5);
    expect(sums.self).toBeGreaterThan(sums.tx);
    expect(sums.tx).toBeGreaterThan(sums.both);
  });
});

describe("radio", () => {
  it("walls between: each takes its loss; the door path is what a closed block leaves", () => {
    const site = makeSite({
      columns: 6,
      rows: 1,
      layout: "cell",
      wall: 20,
      door: 15,
      bands: ["gsm900-ul"],
      staff_room: false,
    });
    const open = new Radio(site, FLAT, 1);
    const shut = new Radio(site, { ...FLAT, doorPath: false }, 1);
    const place = open.place(1.25, 2, "0");
    const band = site.bandIndex.get("gsm900-ul")!;
    const direct = shut.planGains(place, band);
    const both = open.planGains(place, band);
    for (let k = 1; k < 6; k++) {
      const d = Math.hypot(2.5 * k, 0, 2.5 - 1.2);
      expect(direct[k]!).toBeCloseTo(-(32.45 + 20 * Math.log10(0.8975) + 20 * Math.log10(d) + 20 * k), 1);
      expect(both[k]!).toBeGreaterThanOrEqual(direct[k]!);
    }
    // Five walls of 20 dB against two doors of 15: the way round wins by far.
    expect(both[5]! - direct[5]!).toBeGreaterThan(50);
  });

  it("wall offsets: fixed by the seed, within the stated half width", () => {
    const site = makeSite({ columns: 4, rows: 1, layout: "cell", wall: 20, bands: ["gsm900-ul"] });
    const band = site.bandIndex.get("gsm900-ul")!;
    const gains = (seed: number): Float64Array => {
      const radio = new Radio(site, { ...FLAT, wallOffsetDb: 5, doorPath: false }, seed);
      return radio.planGains(radio.place(1.25, 2, "0"), band);
    };
    expect(gains(1)).toEqual(gains(1));
    expect(gains(1)).not.toEqual(gains(2));
    const flat = new Radio(site, { ...FLAT, doorPath: false }, 1);
    const base = flat.planGains(flat.place(1.25, 2, "0"), band);
    gains(3).forEach((g, k) => {
      if (k < 4) expect(Math.abs(g - base[k]!)).toBeLessThanOrEqual(5 * Math.max(1, k) + 1e-9);
    });
  });

  it("gains: any place in the house or outside: finite, and never above free space by more than the shadowing", () => {
    const site = makeSite({ columns: 6, floors: 3, layout: "door", perimeter_sensors: 2 });
    const radio = new Radio(site, FLAT, 4);
    const rng = stream(9, "places");
    for (let i = 0; i < 200; i++) {
      const outside = rng.chance(0.3);
      const x = rng.range(-30, 45);
      const y = outside ? rng.range(-40, -5) : rng.range(0.1, 10.9);
      const place = radio.place(outside ? x : rng.range(0.1, 14.9), y, outside ? null : String(rng.below(3)));
      const band = rng.below(site.bands.length);
      const fspl = 32.45 + 20 * Math.log10(site.bands[band]!.midGhz);
      radio.planGains(place, band).forEach((g, s) => {
        const q = site.sensors[s]!;
        const d = Math.max(0.3, Math.hypot(q.x - place.x, q.y - place.y, q.z - place.z));
        expect(Number.isFinite(g)).toBe(true);
        // Two ways of equal power are 3 dB above one.
        expect(g).toBeLessThanOrEqual(-(fspl + 20 * Math.log10(d)) + 3.1);
      });
    }
  });
});

describe("site", () => {
  it("generated: read back from its own text: the same house", () => {
    const spec = { blocks: 2, floors: 2, columns: 5, layout: "pair", every: 2 } as const;
    const made = makeSite(spec);
    const read = readSite(generateSite(spec));
    expect(read.sensors).toEqual(made.sensors);
    expect(read.doors).toEqual(made.doors);
    expect(read.walls.lossDb).toEqual(made.walls.lossDb);
    expect(made.zones.filter((z) => z.kind === "cell")).toHaveLength(2 * 2 * 10);
    for (const door of made.doors) expect(door.zones.every((z) => z >= 0)).toBe(true);
  });

  it("materials: concrete grows with thickness and frequency; an unknown one is refused", () => {
    expect(materialLossDb("concrete-200", 0.9)).toBe(7.5);
    expect(materialLossDb("concrete-225", 0.9)).toBeCloseTo(8.4, 6);
    expect(materialLossDb("concrete-200", 2.6)).toBeGreaterThan(materialLossDb("concrete-200", 0.9));
    expect(() => materialLossDb("cheese", 1)).toThrow(/cheese/);
  });
});
