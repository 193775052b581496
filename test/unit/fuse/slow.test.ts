import { describe, expect, it } from "vitest";
import type { Heard, Sighting } from "../../../src/fuse/sighting.ts";
import { SlowSensors } from "../../../src/fuse/slow.ts";

const BAND = "gsm900-ul";
const slow = (sensor: string) => ({ sensor, periodMs: 2000 });

function heardAt(sensor: string, levelDbm: number): Heard {
  return {
    level: { sensor, levelDbm, floorDbm: -95, sigmaDb: 1 },
    meanDbm: levelDbm,
    evidence: { sensor, band: BAND, excessDb: levelDbm + 100, floorDbm: -100 },
    llr: 20,
    llrStep: 8,
    thresholdNats: 25,
    hot: true,
    onsetMs: 0,
  };
}

function sighting(tS: number, heard: Heard[], quiet: string[] = [], band = BAND): Sighting {
  const silent = quiet.map((sensor) => ({ sensor, levelDbm: Number.NaN, floorDbm: -95, sigmaDb: 1 }));
  return { tMs: 1000 * tS, band, heard, quiet: silent };
}

const levels = (s: Sighting) => s.heard.map((h) => [h.level.sensor, h.level.levelDbm, h.held === true]);

describe("sensors that report more rarely than a window", () => {
  it("two that take turns: from the second round on each window has both, the loudest first, and the held one adds no evidence", () => {
    const sensors = new SlowSensors();
    sensors.filled(sighting(1, [heardAt("a", -40)]), [slow("b")]);
    sensors.filled(sighting(2, [heardAt("b", -20)]), [slow("a")]);
    expect(levels(sensors.filled(sighting(3, [heardAt("a", -41)]), [slow("b")]))).toEqual([
      ["b", -20, true],
      ["a", -41, false],
    ]);
    const next = sensors.filled(sighting(4, [heardAt("b", -22)]), [slow("a")]);
    expect(levels(next)).toEqual([
      ["b", -22, false],
      ["a", -41, true],
    ]);
    expect(next.heard.map((h) => h.llrStep)).toEqual([8, 0]);
  });

  it("a report stands for its period, no longer, and not after a report of silence; in its own band only", () => {
    const sensors = new SlowSensors();
    const fast = heardAt("c", -60);
    sensors.filled(sighting(1, [fast]), [slow("a")]);
    sensors.filled(sighting(2, [fast, heardAt("a", -40)]), undefined);
    expect(levels(sensors.filled(sighting(3, [fast], [], "lte800-ul"), [slow("a")]))).toEqual([["c", -60, false]]);
    expect(sensors.filled(sighting(3, [fast]), [slow("a")]).heard).toHaveLength(2);
    expect(sensors.filled(sighting(4, [fast]), [slow("a")]).heard).toHaveLength(1);
    sensors.filled(sighting(5, [fast, heardAt("a", -40)]), undefined);
    sensors.filled(sighting(6, [fast], ["a"]), undefined);
    expect(sensors.filled(sighting(6.5, [fast]), [slow("a")]).heard).toHaveLength(1);
  });

  it("restored from a snapshot it goes on as before", () => {
    const [one, other] = [new SlowSensors(), new SlowSensors()];
    one.filled(sighting(1, [heardAt("c", -60)]), [slow("a")]);
    one.filled(sighting(2, [heardAt("a", -40)]), undefined);
    other.restore(structuredClone(one.snapshot()));
    const next = sighting(3, [heardAt("c", -60)]);
    expect(other.filled(next, [slow("a")])).toEqual(one.filled(next, [slow("a")]));
    expect(one.filled(next, [slow("a")]).heard).toHaveLength(2);
  });
});
