import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { calibrationText, parseCalibration } from "../../../src/calibration.ts";
import { calibrate } from "../../../src/cli/calibrate.ts";
import { loadSite } from "../../../src/site.ts";
import { readLabels } from "../../../src/trace/index.ts";
import { recordedFolder, scoreTracks } from "../../bench/locate.ts";

const folder = recordedFolder();
if (folder === null) process.stdout.write("skipped: the recorded hall (shared/data/ble-office) is not here\n");

describe.skipIf(folder === null)("recorded hall", () => {
  it("tracks: calibrated on the still points, 2 s: medians and 95th percentiles as stated, shifted powers or not", async () => {
    const site = loadSite(join(folder!, "site.json"));
    const labels = await readLabels(join(folder!, "calibration.labels.jsonl"));
    const learned = await calibrate(join(folder!, "calibration.jsonl.gz"), labels, site);
    const calibration = parseCalibration(calibrationText(learned), "round trip");
    const plain = await scoreTracks(folder!, site, calibration, 2000, null);
    expect(plain.medianM).toBeLessThan(1.35);
    expect(plain.p95M).toBeLessThan(3.3);
    const shifted = await scoreTracks(folder!, site, calibration, 2000, 3);
    expect(shifted.medianM).toBeLessThan(1.45);
    expect(shifted.p95M).toBeLessThan(3.3);
  });
});
