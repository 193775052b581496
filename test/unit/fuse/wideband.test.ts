/** Bursts over all bands: by themselves, and through the pipeline. */
import { describe, expect, it } from "vitest";
import { Wideband } from "../../../src/fuse/wideband.ts";
import type { ChannelEvidence, PipelineEvent, ReadingBatch } from "../../../src/model.ts";
import { playToy, type ToyEmitter, toyPipeline, toyReadings, toySite } from "../../support/toy-block.ts";

const BANDS = ["lte800-ul", "gsm900-ul", "lte1800-ul"];

const evidence = (sensor: string, band: string, excessDb: number): ChannelEvidence => ({
  sensor,
  band,
  tMs: 0,
  status: "ready",
  samples: 1,
  levelDbm: -100 + excessDb,
  peakDbm: Number.NaN,
  peakFloorDbm: Number.NaN,
  floorDbm: -100,
  excessDb,
  sigmaDb: 1,
  llr: excessDb,
  thresholdNats: 20,
  llrStep: excessDb,
  hot: false,
  onsetMs: Number.NaN,
  snrDb: Number.NaN,
});

/** A window of sensors' excesses, a row a sensor, a column a band. */
const windows = (rows: Readonly<Record<string, readonly number[]>>) =>
  BANDS.map((band, b) => ({
    band,
    channels: Object.entries(rows).map(([sensor, excess]) => evidence(sensor, band, excess[b]!)),
    quietEventDriven: [],
  }));

const looks = (wideband: Wideband, ...rows: Parameters<typeof windows>[0][]) =>
  rows.map((row, s) => {
    const { windows: left, risen } = wideband.without(1000 * (s + 1), windows(row), () => BANDS.length);
    return { left: left.flatMap((w) => w.channels).length, risen: risen.map((c) => `${c.sensor} ${c.band}`) };
  });

const QUIET = { s1: [0, 0, 0], s2: [0, 0, 0] };
const BURST = { s1: [25, 22, 28], s2: [20, 20, 20] };

describe("wideband", () => {
  it("all bands of all sensors rise alike: the window is empty, and all channels are ended", () => {
    const [before, burst, after] = looks(new Wideband(), QUIET, BURST, QUIET);
    expect(before).toEqual({ left: 6, risen: [] });
    expect(burst!.left).toBe(0);
    expect(burst!.risen).toHaveLength(6);
    expect(after).toEqual({ left: 6, risen: [] });
  });

  it("what stays is no burst: judged like everything else from the sixth second on", () => {
    const told = looks(new Wideband(), QUIET, ...Array.from({ length: 8 }, () => BURST));
    expect(told.map((t) => t.left)).toEqual([6, 0, 0, 0, 0, 0, 6, 6, 6]);
  });

  it("an amplifier's step that stays about the least rise: no burst again and again", () => {
    const step = (k: number) => ({ s1: BANDS.map(() => 5.5 + (k % 2)), s2: [0, 0, 0] });
    const told = looks(new Wideband(), QUIET, ...Array.from({ length: 20 }, (_, k) => step(k)));
    expect(told.slice(-12).every((t) => t.left === 6)).toBe(true);
  });

  it("a phone that was on before: left out for the window where it drowns, not ended", () => {
    const [, burst] = looks(new Wideband(), { s1: [40, 0, 0], s2: [0, 0, 0] }, { s1: [40, 25, 25], s2: [20, 20, 20] });
    expect(burst!.left).toBe(0);
    expect(burst!.risen).not.toContain("s1 lte800-ul");
    expect(burst!.risen).toHaveLength(5);
  });

  it("phones: one band, two at once, three one after the other, one that blocks the bands beside its own: all stay", () => {
    const stays = (...rows: Parameters<typeof looks>[1][]) =>
      expect(looks(new Wideband(), QUIET, ...rows).at(-1)).toEqual({ left: 6, risen: [] });
    stays({ s1: [40, 0, 0], s2: [20, 0, 0] });
    stays({ s1: [40, 30, 0], s2: [20, 35, 0] });
    stays(
      { s1: [40, 0, 0], s2: [20, 0, 0] },
      { s1: [40, 30, 0], s2: [20, 35, 0] },
      { s1: [40, 30, 30], s2: [20, 35, 9] },
    );
    stays({ s1: [80, 20, 25], s2: [40, 0, 0] });
  });

  it("one sensor's supply beside a phone that others hear: the phone stays", () => {
    const others = { s2: [30, 0, 0], s3: [25, 0, 0], s4: [20, 0, 0] };
    const before = { s1: [0, 0, 0], s2: [0, 0, 0], s3: [0, 0, 0], s4: [0, 0, 0] };
    const [, both] = looks(new Wideband(), before, { s1: [20, 20, 20], ...others });
    expect(both!.left).toBe(12);
  });

  it("stopped and restored within a burst: goes on", () => {
    const wideband = new Wideband();
    looks(wideband, QUIET, BURST);
    const restored = new Wideband();
    restored.restore(structuredClone(wideband.snapshot()));
    const look = (of: Wideband) => of.without(3000, windows(BURST), () => BANDS.length);
    expect(look(restored)).toEqual(look(wideband));
  });
});

describe("pipeline: bursts over all bands", () => {
  const T0 = 1_700_000_000_000;
  const s = (seconds: number) => T0 + 1000 * seconds;
  const site = toySite();

  /** Three bands a sensor; for two seconds a minute all of them are at -75 dBm at the least. */
  function* readings(emitters: readonly ToyEmitter[], burstDbm: number): Generator<ReadingBatch> {
    const of = BANDS.map((_, b) =>
      toyReadings(site, b === 0 ? emitters : [], { fromMs: T0, untilMs: s(240), seed: b + 1 }),
    );
    for (const first of of[0]!) {
      const bands = [first, ...of.slice(1).map((g) => g.next().value as ReadingBatch)];
      const on = ((first.tsMs - T0) / 1000) % 60 < 2 && first.tsMs >= s(60);
      const rmsDbm = Float32Array.from(bands.map((b) => Math.max(b.rmsDbm![0]!, on ? burstDbm : -200)));
      yield { ...first, bands: BANDS, rmsDbm };
    }
  }
  const alerts = (events: readonly PipelineEvent[]) =>
    events.flatMap((e) => (e.type === "alert" && e.change.type === "new" ? [e.change.after.cell] : []));
  const tracks = (events: readonly PipelineEvent[]) => events.filter((e) => e.type === "track").length;
  const run = (emitters: readonly ToyEmitter[], burstDbm: number) =>
    playToy(toyPipeline(site), readings(emitters, burstDbm));

  it("nobody else: no track, no alert", () => {
    const events = run([], -75);
    expect(tracks(events)).toBe(0);
    expect(alerts(events)).toEqual([]);
  });

  it("a call between two bursts: told in its cell as without them", () => {
    const call = { fromMs: s(130), untilMs: s(160), xM: 6.2, yM: 2, eirpDbm: 0 };
    expect(alerts(run([call], -200))).toEqual(["c0-2"]);
    expect(alerts(run([call], -75))).toEqual(["c0-2"]);
  });
});
