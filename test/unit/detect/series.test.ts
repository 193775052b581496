import { describe, expect, it } from "vitest";
import { SeriesDetector } from "../../../src/detect/series.ts";
import { Excursions } from "../../../src/detect/surprise.ts";
import { Rng } from "../../support/noise.ts";
import {
  alarmsOf,
  benchmarkScore,
  LATER,
  QUIET,
  quietStream,
  radio,
  stream,
  TUNED,
  UNSEEN,
} from "../../support/streams.ts";

describe("detect series", () => {
  it("detect series: radio, rise of 0.1 dB at spread 0.06 dB, drift and glitches: found within 40 rows in 28 of 30", () => {
    let found = 0;
    for (let seed = 1; seed <= 30; seed++) {
      if (alarmsOf(radio(seed, 700, 0.06, 0.1, 0.1, 600)).some((a) => a >= 600 && a < 640)) found++;
    }
    expect(found).toBeGreaterThanOrEqual(28);
  });

  it("detect series: radio, rise of 0.1 dB at spread 0.085 dB after 200 rows: found within 40 rows in two of three", () => {
    let found = 0;
    for (let seed = 1; seed <= 50; seed++) {
      if (alarmsOf(radio(seed, 240, 0.085, 0.1, 0.1, 200)).some((a) => a >= 200)) found++;
    }
    expect(found).toBeGreaterThanOrEqual(33);
  });

  it("detect series: a receiver with steps of 0.1 dB and less noise than that: alarms in at most 3 of 60 quiet files, rises of 0.1 dB found", () => {
    for (const sigma of [0.02, 0.03, 0.05]) {
      let alarmed = 0;
      let found = 0;
      for (let seed = 1; seed <= 60; seed++) {
        if (alarmsOf(radio(6000 + seed, 950, sigma, 0.1, 0, 950, 0.1)).length > 0) alarmed++;
        const rise = radio(6500 + seed, 540, sigma, 0.1, 0.1, 500, 0.1);
        if (alarmsOf(rise).some((a) => a >= 500)) found++;
      }
      expect(alarmed, `spread ${sigma}`).toBeLessThanOrEqual(3);
      expect(found, `spread ${sigma}`).toBeGreaterThanOrEqual(sigma < 0.05 ? 56 : 50);
    }
  });

  it("detect series: a receiver that wanders by up to a spread in 200 to 600 rows: alarms in at most 12 of 100 quiet files", () => {
    let alarmed = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const rng = new Rng(seed + 99);
      const [phase, rows, height] = [2 * Math.PI * rng.next(), 200 + 400 * rng.next(), 0.06 * rng.next()];
      const quiet = radio(26_000 + seed, 950, 0.06, 0.1, 0, 950);
      const x = quiet.x.map((v, i) => v + height * Math.sin(phase + (2 * Math.PI * i) / rows));
      if (alarmsOf({ ...quiet, x }).length > 0) alarmed++;
    }
    expect(alarmed).toBeLessThanOrEqual(12);
  });

  it("detect series: level of another unit and offset: the same alarms", () => {
    const s = radio(7, 700, 0.06, 0.1, 0.1, 600);
    const alarms = alarmsOf(s);
    expect(alarms.length).toBeGreaterThan(0);
    expect(alarmsOf({ ...s, x: s.x.map((v) => 1e6 + 64 * v) })).toEqual(alarms);
    expect(alarmsOf({ ...s, x: s.x.map((v) => -1e9 + 1024 * v) })).toEqual(alarms);
  });

  it("detect series: a job at the same hour every day: no alarm from the fifth day on", () => {
    const rng = new Rng(3);
    const x = Float64Array.from({ length: 288 * 12 }, (_, i) => (i % 288 < 12 ? 60 : 5) + 0.7 * rng.normal());
    const tMs = Float64Array.from(x, (_, i) => 1.4e12 + i * 300_000);
    const alarms = alarmsOf({ family: "job", tMs, x, windows: [], onsets: [], kinds: [] });
    expect(alarms.filter((a) => a >= 5 * 288)).toEqual([]);
  });

  it("detect series: radio, 950 quiet rows with drift, glitches, stuck values: at most 3 alarms in 60 recordings", () => {
    let alarms = 0;
    for (let seed = 1; seed <= 60; seed++) alarms += alarmsOf(radio(5000 + seed, 950, 0.085, 0.1, 0, 950)).length;
    expect(alarms).toBeLessThanOrEqual(3);
  });

  it("detect series: streams with rhythm, tails and jobs: four fifths of the anomalies, at most one false alarm in 4,000 rows", () => {
    let found = 0;
    let windows = 0;
    let falses = 0;
    let rows = 0;
    for (const family of [...TUNED, ...UNSEEN, ...LATER]) {
      for (let seed = 31; seed <= 33; seed++) {
        const s = stream(family, seed);
        const score = benchmarkScore(s, alarmsOf(s));
        found += score.found;
        windows += score.windows;
        falses += score.falses;
        rows += s.x.length;
      }
    }
    expect(windows).toBeGreaterThan(20);
    expect(found / windows).toBeGreaterThan(0.8);
    expect(falses).toBeLessThan(rows / 4000);
  });

  it("detect series: a noisy value stands still for an hour and a half, rows every five minutes: found in 20 of 20", () => {
    let found = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const rng = new Rng(seed);
      const x = Float64Array.from({ length: 1018 }, () => 40 + rng.normal());
      x.fill(x[999]!, 1000);
      const tMs = Float64Array.from(x, (_, i) => 1.4e12 + i * 300_000);
      if (alarmsOf({ family: "stuck", tMs, x, windows: [], onsets: [], kinds: [] }).some((a) => a >= 1000)) found++;
    }
    expect(found).toBe(20);
  });

  it("detect series: a receiver of 25 ms repeats itself for two seconds: no alarm", () => {
    const rng = new Rng(5);
    const x = Float64Array.from({ length: 1500 }, () => -73 + 0.06 * rng.normal());
    x[999] = -73;
    x.fill(-73, 1000, 1080);
    const tMs = Float64Array.from(x, (_, i) => 1.6e12 + i * 25);
    expect(alarmsOf({ family: "stuck", tMs, x, windows: [], onsets: [], kinds: [] })).toEqual([]);
  });

  it("detect series: a drift of eight spreads in a thousand rows, known for 500 rows: at most 2 alarms in 40 series of 3,000", () => {
    let alarms = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const rng = new Rng(900 + seed);
      const x = Float64Array.from({ length: 3000 }, (_, i) => -73 + 0.05 * (rng.normal() - 0.008 * i));
      const tMs = Float64Array.from(x, (_, i) => 1.6e12 + i * 25);
      alarms += alarmsOf({ family: "drift", tMs, x, windows: [], onsets: [], kinds: [] }).filter(
        (a) => a >= 500,
      ).length;
    }
    expect(alarms).toBeLessThanOrEqual(2);
  });

  it("detect series: excursions to 12 nats once in 100 rows: no more surprising than once in 100 rows", () => {
    const calibration = new Excursions(2, 8);
    for (let row = 1; row <= 3000; row++) {
      if (row === 150) expect(calibration.surprise(12)).toBeGreaterThan(Math.log(150));
      calibration.take(row % 100 === 0 ? 12 : 0, 14);
    }
    expect(calibration.surprise(12)).toBeGreaterThan(Math.log(100) - 0.1);
    expect(calibration.surprise(12)).toBeLessThan(Math.log(100) + 0.2);
    expect(calibration.surprise(20)).toBeGreaterThan(calibration.surprise(12));
  });

  it("detect series: a quiet receiver with a row a minute, first 15 hours: alarms in at most 3 of 60, rises of three spreads found", () => {
    let alarmed = 0;
    let found = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const quiet = radio(9000 + seed, 900, 0.03, 0, 0, 900);
      const rise = radio(9500 + seed, 540, 0.03, 0, 0.1, 500);
      if (alarmsOf({ ...quiet, tMs: quiet.tMs.map((_, i) => i * 60_000) }).length > 0) alarmed++;
      if (alarmsOf({ ...rise, tMs: rise.tMs.map((_, i) => i * 60_000) }).some((a) => a >= 500)) found++;
    }
    expect(alarmed).toBeLessThanOrEqual(3);
    expect(found).toBeGreaterThanOrEqual(57);
  });

  it("detect series: twenty kinds of stream without anomalies: from the third day on at most one alarm in 1,000 rows of each", () => {
    for (const kind of QUIET) {
      const s = quietStream(kind, 41);
      const later = alarmsOf(s).filter((at) => s.tMs[at]! - s.tMs[0]! >= 2 * 86_400_000);
      expect(later.length, kind).toBeLessThanOrEqual(s.x.length / 1000);
    }
  });

  it("detect series: row i: depends on rows up to i only", () => {
    const s = stream("counts", 3);
    const a = new SeriesDetector();
    const b = new SeriesDetector();
    for (let i = 0; i < 3000; i++) a.row(s.tMs[i]!, s.x[i]!);
    const scoreAt = a.score;
    for (let i = 0; i < 3000; i++) b.row(s.tMs[i]!, s.x[i]!);
    b.row(s.tMs[3000]!, 1e9);
    expect(a.score).toBe(scoreAt);
    expect(b.score).toBeGreaterThan(scoreAt);
  });

  it("detect series: a value that never changed takes another one for good: one alarm within 60 rows", () => {
    const x = Float64Array.from({ length: 4000 }, (_, i) => (i < 2000 ? 7 : 9));
    const tMs = Float64Array.from(x, (_, i) => 1.4e12 + i * 300_000);
    const alarms = alarmsOf({ family: "jump", tMs, x, windows: [], onsets: [], kinds: [] });
    expect(alarms.length).toBe(1);
    expect(alarms[0]).toBeGreaterThanOrEqual(2000);
    expect(alarms[0]).toBeLessThan(2060);
  });

  it("detect series: constant, huge, tiny or missing values: finite scores, no alarm on a constant", () => {
    const d = new SeriesDetector();
    for (let i = 0; i < 2000; i++) {
      d.row(i * 60_000, 7);
      expect(d.alarm).toBe(false);
    }
    for (const x of [1e308, -1e308, 5e-324, Number.NaN, Number.POSITIVE_INFINITY, 0]) {
      d.row(2000 * 60_000, x);
      expect(Number.isFinite(d.score)).toBe(true);
    }
  });
});
