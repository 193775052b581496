import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { calibrationText, loadCalibration, parseCalibration } from "../../../src/calibration.ts";
import { type Calibrated, learn } from "../../../src/cli/calibrate.ts";
import { locate, type PositionLine } from "../../../src/cli/locate.ts";
import { leftOutOf, PacketReader } from "../../../src/cli/packets.ts";
import type { LabelEpisode } from "../../../src/contracts.ts";
import { AppError } from "../../../src/errors.ts";
import { siteOf as siteOfBursts } from "../../../src/fuse/censored.ts";
import type { Calibration, Site } from "../../../src/model.ts";
import { parseSite } from "../../../src/site.ts";
import type { TraceMessage } from "../../../src/trace/index.ts";
import { streamed } from "../../bench/locate.ts";
import { SURVEYS, type Survey, survey } from "../../support/survey.ts";

const dir = mkdtempSync(join(tmpdir(), "cellward-calibrate-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const flat = survey({ ...SURVEYS.flat!, points: 14, pointS: 3 }, 5);

function siteOf(text: string): Site {
  const parsed = parseSite(text, "site");
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.site;
}
const site = siteOf(flat.siteText);

function taught(made: Pick<Survey, "calibration" | "labels">, of = site): Promise<Calibrated> {
  const file = join(dir, "trace.jsonl");
  const head = { cellward_trace: 1, site: "survey", start: made.calibration[0]!.t, note: "" };
  writeFileSync(file, [head, ...made.calibration].map((m) => `${JSON.stringify(m)}\n`).join(""));
  return learn(file, made.labels, of);
}

/** All readings through `level`; null leaves the reading out. */
function levels(trace: readonly TraceMessage[], level: (sensor: string, dbm: number) => number | null): TraceMessage[] {
  return trace.flatMap((m) => {
    if (!m.topic.endsWith("/reading") || !("payload" in m)) return [m];
    const payload = m.payload as { readonly r: readonly { readonly peak_dbm: number }[] };
    const dbm = level(m.topic.split("/")[4]!, payload.r[0]!.peak_dbm);
    return dbm === null ? [] : [{ ...m, payload: { ...payload, r: [{ ...payload.r[0]!, peak_dbm: dbm }] } }];
  });
}
const moved = (by: (l: LabelEpisode, i: number) => Partial<LabelEpisode>): LabelEpisode[] =>
  flat.labels.map((l, i) => ({ ...l, ...by(l, i) }));

async function positions(trace: readonly TraceMessage[], calibration: Calibration | null, of = site) {
  const lines: PositionLine[] = [];
  for await (const line of locate(streamed(trace.slice(0, 600)), of, calibration, 2000, null)) lines.push(line);
  return lines;
}

/** Numbers throughout, and a covariance that is one. */
function expectSound(lines: readonly PositionLine[]): void {
  expect(lines.length).toBeGreaterThan(5);
  for (const l of lines) {
    const [xx, xy, yy] = l.cov_m2 as [number, number, number];
    expect([l.x_m, l.y_m, xx, xy, yy, l.p_outside, ...l.candidates.map((c) => c.p)].every(Number.isFinite)).toBe(true);
    expect(xx * yy - xy * xy).toBeGreaterThan(0);
  }
}

const detailsOf = async (task: Promise<unknown>): Promise<string> => {
  const error = await task.then(() => null).catch((e: unknown) => e);
  if (!(error instanceof AppError)) throw new Error(`no AppError but ${String(error)}`);
  expect(error.code).toBe("CALIBRATION_INVALID");
  return [error.message, ...(error.details ?? [])].join("\n");
};

describe("calibrate and locate: odd surveys", () => {
  it("one label in other coordinates: left out and said so, the map as without it", async () => {
    const labels = moved((_, i) => (i === 3 ? { x_m: 512_345, y_m: 5_412_345 } : {}));
    const found = await taught({ ...flat, labels });
    expect(found.notes.join()).toMatch(/1 of 14 labels far outside the site: the first is at 512345/);
    const without = await taught({ ...flat, labels: flat.labels.filter((_, i) => i !== 3) });
    expect(found.calibration).toEqual(without.calibration);
  });

  it("all labels in other coordinates, or 500 m up: refused with what was found", async () => {
    expect(await detailsOf(taught({ ...flat, labels: moved((l) => ({ x_m: l.x_m + 100 })) }))).toMatch(
      /14 of 14 labels/,
    );
    expect(await detailsOf(taught({ ...flat, labels: moved(() => ({ z_m: 500 })) }))).toMatch(/14 of 14 labels/);
  });

  it("a calibration file with a point far outside: refused when it is read", async () => {
    const { calibration } = await taught(flat);
    const file = join(dir, "far.json");
    const text = calibrationText(calibration).replace(/"x_m":[0-9.]+/, '"x_m":1e9');
    writeFileSync(file, text);
    expect(() => loadCalibration(file, site)).toThrow(/far outside the site/);
    writeFileSync(file, calibrationText(calibration));
    expect(loadCalibration(file, site)).toEqual(parseCalibration(calibrationText(calibration), "text"));
  });

  it("levels that stand for drowned bursts, however far below: written files can be read again", async () => {
    const { calibration } = await taught(flat);
    const drowned: { levelDbm: number; sdDb: number }[] = [];
    for (const sd of [0.3, 1, 3, 8, 20]) {
      for (const overDb of [-40, -10, 0, 10, 20, 40, 80]) {
        for (const missed of [1, 2, 30]) {
          for (const share of [0.05, 0.5, 0.8, 0.99]) {
            const receiver = { floorDbm: -95, share, packetDb: 4 };
            const found = siteOfBursts({ heard: 0, levelDbm: Number.NaN, missed }, receiver, -95 + overDb, sd * sd);
            drowned.push({ levelDbm: found.levelDbm, sdDb: Math.sqrt(found.variance) });
          }
        }
      }
    }
    // As a walk of 1,400 labels of half a second had it.
    drowned.push({ levelDbm: -813.317, sdDb: 72.808 });
    const [band] = calibration.bands;
    const points = drowned.map((d) => ({
      ...band!.points[0]!,
      levels: [{ sensor: "s0", heard: 0, ...d }],
    }));
    const text = calibrationText({ ...calibration, bands: [{ ...band!, points }] });
    expect(parseCalibration(text, "drowned").bands[0]!.points).toHaveLength(drowned.length);
  });

  it("labels of another day: refused, with both times", async () => {
    const later = moved((l) => ({ start: l.start + 86_400_000, end: l.end + 86_400_000 }));
    const text = await detailsOf(taught({ ...flat, labels: later }));
    expect(text).toMatch(/14 of 14 labels: nothing was heard/);
    expect(text).toMatch(/labelled from 2023-11-15T.* readings from 2023-11-14T/);
  });

  it("a trace whose sensors the site lacks: refused, and the sensors named; locate says it too", async () => {
    const other = siteOf(flat.siteText.replace(/"id":"s(\d)"/g, '"id":"q$1"'));
    expect(await detailsOf(taught(flat, other))).toMatch(/messages of sensors that the site file lacks: s\d/);
    const reader = new PacketReader(other);
    for await (const _ of locate(streamed(flat.track), other, null, 2000, null, reader)) expect.unreachable();
    expect(leftOutOf(reader).join()).toMatch(/messages of sensors that the site file lacks: s\d, s\d, s\d, s\d, s\d$/);
  });

  it("a band that the site lacks: refused, and named; locate gives no positions and names it too", async () => {
    const renamed = (trace: readonly TraceMessage[]) =>
      JSON.parse(JSON.stringify(trace).replaceAll("bt-wifi-2400", "wifi-5")) as TraceMessage[];
    const text = await detailsOf(taught({ ...flat, calibration: renamed(flat.calibration) }));
    expect(text).toMatch(/readings of bands that the site file lacks: wifi-5; it has .*lte1800-ul/);
    const reader = new PacketReader(site);
    for await (const _ of locate(streamed(renamed(flat.track)), site, null, 2000, null, reader)) expect.unreachable();
    expect(leftOutOf(reader).join()).toMatch(/bands that the site file lacks: wifi-5/);
  });

  it("one place labelled again and again: refused, one place", async () => {
    expect(await detailsOf(taught({ ...flat, labels: moved(() => ({ x_m: 4, y_m: 4 })) }))).toMatch(/1 place labelled/);
  });

  it("a sensor that hears nothing: named; positions as sound as before", async () => {
    const deaf = (sensor: string, dbm: number) => (sensor === "s2" ? null : dbm);
    const { calibration, notes } = await taught({ ...flat, calibration: levels(flat.calibration, deaf) });
    expect(notes).toEqual(["sensors that heard nothing at any label: s2"]);
    expectSound(await positions(levels(flat.track, deaf), calibration));
  });

  it("the same level everywhere: a file that can be read again, and positions that claim nothing", async () => {
    const same = () => -60;
    const { calibration } = await taught({ ...flat, calibration: levels(flat.calibration, same) });
    const read = parseCalibration(calibrationText(calibration), "same");
    const lines = await positions(levels(flat.track, same), read);
    expectSound(lines);
    // The flat is 11 by 8 m: a uniform over it has 10.1 + 5.3 m^2.
    expect(lines.at(-1)!.cov_m2[0]! + lines.at(-1)!.cov_m2[2]!).toBeGreaterThan(8);
  });

  it("levels that no receiver states: as if they were not there", async () => {
    const broken = (sensor: string, dbm: number) => (sensor === "s1" ? 100 : dbm);
    const deaf = (sensor: string, dbm: number) => (sensor === "s1" ? null : dbm);
    const { calibration, notes } = await taught({ ...flat, calibration: levels(flat.calibration, broken) });
    expect(notes.join()).toMatch(/readings without a level between -200 and 30 dBm/);
    const without = await taught({ ...flat, calibration: levels(flat.calibration, deaf) });
    expect(calibration).toEqual(without.calibration);
  });

  it("what comes seconds late after a pause: belongs to a later interval, none is told twice", async () => {
    const first = flat.track[0]!.t;
    const isReading = (m: TraceMessage) => m.topic.endsWith("/reading");
    // On for 10 s of every 30; what the first half of the sensors measured comes 7 s late, when the others are silent.
    const half = new Set(site.sensors.slice(0, site.sensors.length / 2).map((s) => s.id));
    const late = flat.track
      .filter((m) => !isReading(m) || (m.t - first) % 30_000 < 10_000)
      .map((m) => (isReading(m) && half.has(m.topic.split("/")[4]!) ? { ...m, t: m.t + 7_000 } : m))
      .sort((a, b) => a.t - b.t);
    const told: number[] = [];
    for await (const line of locate(streamed(late), site, null, 2000, null)) told.push(line.t);
    expect(told.length).toBeGreaterThan(10);
    expect(told).toEqual([...new Set(told)].sort((a, b) => a - b));
  });

  it("three points: positions, and twice as much variance", async () => {
    const { calibration } = await taught({ ...flat, labels: flat.labels.slice(0, 3) });
    expect(calibration.bands[0]!.widening).toBe(2);
    expectSound(await positions(flat.track, calibration));
  });
});
