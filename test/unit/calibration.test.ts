import { describe, expect, it } from "vitest";
import { calibrationText, parseCalibration } from "../../src/calibration.ts";
import { AppError } from "../../src/errors.ts";
import { fitBand, type LabelledPoint } from "../../src/fuse/fit.ts";
import { box, sensor, site, zone } from "./fuse/world.ts";

const house = site({
  zones: [zone("hall", box(0, 0, 12, 8))],
  sensors: [sensor("s1", 1, 1), sensor("s2", 11, 1), sensor("s3", 1, 7), sensor("s4", 11, 7)],
});

/** Levels of a noise-free emitter of -40 dBm at 1 m and exponent 2. */
function points(): LabelledPoint[] {
  const list: LabelledPoint[] = [];
  for (let x = 1; x < 12; x += 2) {
    for (let y = 1; y < 8; y += 2) {
      const packets = house.sensors.map((s) => {
        const [sx, sy, sz] = s.positionM!;
        const levelDbm = -40 - 20 * Math.log10(Math.max(0.7, Math.hypot(sx - x, sy - y, sz - 1.2)));
        return { tMs: 0, sensor: s.id, levelDbm };
      });
      list.push({ xM: x, yM: y, zM: 1.2, floor: "0", bursts: [packets] });
    }
  }
  return list;
}

describe("calibration", () => {
  it("fit: a noise-free emitter: finds its power and exponent", () => {
    const fitted = fitBand(house, house.bands[0]!, house.sensors, points())!;
    expect(fitted.powerDbm).toBeCloseTo(-40, 0);
    expect(fitted.exponent).toBeCloseTo(2, 0);
    expect(fitted.points).toHaveLength(24);
  });

  it("fit: two points: too few", () => {
    expect(fitBand(house, house.bands[0]!, house.sensors, points().slice(0, 2))).toBeNull();
  });

  it("file: written and read: the same calibration", () => {
    const fitted = fitBand(house, house.bands[0]!, house.sensors, points())!;
    const once = parseCalibration(calibrationText({ site: "test", bands: [fitted] }), "c.json");
    expect(parseCalibration(calibrationText(once), "c.json")).toEqual(once);
    expect(once.bands[0]!.exponent).toBeCloseTo(fitted.exponent, 4);
  });

  it("file: damaged or of another kind: CALIBRATION_INVALID", () => {
    for (const text of ["{", "{}", '{"cellward_calibration":2,"site":"a","bands":[]}']) {
      expect(() => parseCalibration(text, "c.json")).toThrow(AppError);
    }
  });
});
