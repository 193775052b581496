import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cut, Lanes } from "../../src/lanes.ts";
import type { ReadingBatch, Rollup } from "../../src/model.ts";

const run = (steps: Iterable<void>) => {
  for (const _ of steps);
};

/** Records what the detector would be fed, value by value. */
function recorder() {
  const fed: string[] = [];
  const names: string[] = [];
  return {
    fed,
    sink: {
      openChannel: (spec: { sensor: string; band: string }) => names.push(`${spec.sensor}/${spec.band}`) - 1,
      pushColumns: (
        channels: readonly number[],
        tsMs: number,
        dtMs: number,
        count: number,
        rms: Float32Array | null,
        _peak: Float32Array | null,
        _duty: Float32Array | null,
        _looks: Float32Array | null,
        offset: number,
        stride: number,
      ) => {
        for (const [b, channel] of channels.entries()) {
          for (let j = 0; j < count; j++) {
            fed.push(`${names[channel]} ${tsMs + j * dtMs} ${rms![offset + b * stride + j]}`);
          }
        }
      },
      floorDbm: () => -100,
      sigmaDb: () => 1,
      llr: () => 0,
      status: () => "ready" as const,
      isHot: () => false,
    },
  };
}

const BANDS = ["lte800-ul", "gsm900-ul"];

/** One sensor's instants at a fixed rate as one long batch, its value a function of time and band. */
function series(sensor: string, startMs: number, dtMs: number, count: number): ReadingBatch {
  const rms = new Float32Array(BANDS.length * count);
  for (let b = 0; b < BANDS.length; b++) for (let j = 0; j < count; j++) rms[b * count + j] = -100 + b + (j % 7);
  return {
    block: "b1",
    sensor,
    boot: 1,
    seq: 0,
    tsMs: startMs,
    dtMs,
    count,
    bands: BANDS,
    rmsDbm: rms,
    peakDbm: null,
    duty: null,
    noiseDbm: null,
    looks: null,
  };
}

/** Cuts a batch at the given places into consecutive ones. */
function cutAt(batch: ReadingBatch, places: readonly number[]): ReadingBatch[] {
  const edges = [0, ...new Set(places.filter((p) => p > 0 && p < batch.count)), batch.count].sort((a, b) => a - b);
  return edges.slice(1).map((to, i) => cut(batch, edges[i]!, to));
}

/** Plays batches at their last instant's time, ticking at each, and judges the rest at the end. */
function play(batches: readonly ReadingBatch[], holdMs: number) {
  const { fed, sink } = recorder();
  const rollups: Rollup[] = [];
  const windows: string[] = [];
  let late = 0;
  const lanes = new Lanes(sink, {
    windowMs: 1000,
    holdMs,
    eager: false,
    tdd: new Set(),
    onRollup: (r) => rollups.push(r),
    onLate: (b) => {
      late += b.count;
    },
  });
  const judge = (endMs: number) => {
    const before = fed.length;
    run(lanes.drain(endMs));
    windows.push(`${endMs}: ${fed.slice(before).sort().join("; ")}`);
  };
  const arrivals = batches
    .map((batch) => ({ batch, atMs: batch.tsMs + batch.dtMs * (batch.count - 1) }))
    .sort((a, b) => a.atMs - b.atMs || (a.batch.sensor < b.batch.sensor ? -1 : 1));
  lanes.ready(arrivals[0]!.atMs - 60_000);
  for (const { batch, atMs } of arrivals) {
    lanes.offer(batch, atMs);
    for (let end = lanes.ready(atMs); end !== null; end = lanes.ready(atMs)) judge(end);
  }
  for (let end = lanes.next(); end !== null; end = lanes.next()) judge(end);
  const readings = rollups.reduce((n, r) => n + r.readings, 0);
  return { windows: windows.filter((w) => !w.endsWith(": ")), fed, readings, rollups, late };
}

describe("lanes", () => {
  const START = 1_700_000_000_123;

  it("cutting messages differently: every window holds the same instants, none lost, none late", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 119 }), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 119 }), { maxLength: 20 }),
        fc.constantFrom(100, 250, 1000),
        (cutsA, cutsB, dtMs) => {
          const a = series("s1", START, dtMs, 120);
          const b = series("s2", START + 40, dtMs, 120);
          const whole = play([a, b], 200_000);
          const pieces = play([...cutAt(a, cutsA), ...cutAt(b, cutsB)], 200_000);
          expect(pieces.windows).toEqual(whole.windows);
          expect(pieces.late).toBe(0);
          expect(pieces.readings).toBe(240);
          expect(whole.readings).toBe(240);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("instants behind the judged windows: stored as late, not judged, and counted", () => {
    const early = series("s1", START, 1000, 30);
    const after = series("s1", START + 40_000, 1000, 30);
    // A hold of 5 s has long passed when the first half comes after the second.
    const { sink, fed } = recorder();
    let late = 0;
    const lanes = new Lanes(sink, {
      windowMs: 1000,
      holdMs: 5000,
      eager: false,
      tdd: new Set(),
      onRollup: () => {},
      onLate: (b) => {
        late += b.count;
      },
    });
    lanes.ready(START + 40_000);
    lanes.offer(after, START + 70_000);
    for (let end = lanes.ready(START + 70_000); end !== null; end = lanes.ready(START + 70_000)) run(lanes.drain(end));
    lanes.offer(early, START + 71_000);
    expect(late).toBe(30);
    expect(lanes.lateInstants).toBe(30);
    expect(fed.some((f) => f.includes(` ${START} `))).toBe(false);
  });

  it("a batch half behind the judged windows: its newer half is still judged", () => {
    const { sink, fed } = recorder();
    const lateBatches: ReadingBatch[] = [];
    const lanes = new Lanes(sink, {
      windowMs: 1000,
      holdMs: 2000,
      eager: false,
      tdd: new Set(),
      onRollup: () => {},
      onLate: (b) => lateBatches.push(b),
    });
    const t0 = Math.floor(START / 1000) * 1000;
    lanes.ready(t0 + 2000);
    lanes.offer(series("s1", t0 + 500, 1000, 1), t0 + 12_000);
    for (let end = lanes.ready(t0 + 12_000); end !== null; end = lanes.ready(t0 + 12_000)) run(lanes.drain(end));
    lanes.offer(series("s1", t0 + 1500, 1000, 20), t0 + 20_500);
    for (let end = lanes.next(); end !== null; end = lanes.next()) run(lanes.drain(end));
    const judged = fed.filter((f) => f.startsWith("s1/lte800-ul")).length;
    expect(lateBatches.reduce((n, b) => n + b.count, 0) + judged).toBe(21);
    expect(judged).toBeGreaterThan(10);
    expect(lateBatches[0]!.tsMs).toBe(t0 + 1500);
  });

  it("roll-up: the mean is of power, not of dBm", () => {
    const rollups: Rollup[] = [];
    const { sink } = recorder();
    const lanes = new Lanes(sink, {
      windowMs: 1000,
      holdMs: 0,
      eager: false,
      tdd: new Set(),
      onRollup: (r) => rollups.push(r),
      onLate: () => {},
    });
    const t0 = Math.floor(START / 1000) * 1000;
    lanes.ready(t0);
    const batch = { ...series("s1", t0, 500, 2), bands: ["lte800-ul"], rmsDbm: Float32Array.from([-100, -90]) };
    lanes.offer(batch, t0 + 1000);
    run(lanes.drain(t0 + 1000));
    // (1e-10 + 1e-9) / 2 mW = -92.596 dBm; the mean of the dBm values would be -95.
    expect(rollups[0]!.meanDbm[0]).toBeCloseTo(-92.596, 2);
    expect(rollups[0]!.maxDbm[0]).toBe(-90);
    expect(rollups[0]!.readings).toBe(2);
  });
});

describe("lanes, live", () => {
  const START = 1_700_000_000_000;
  const birth = (sensor: string) => ({
    block: "b1",
    sensor,
    boot: 1,
    tsMs: START,
    type: "rf" as const,
    model: null,
    firmware: null,
    periodMs: 100,
    dwellMs: null,
    revisitMs: null,
    bands: [],
    calId: null,
  });

  /** Sensors that send ten times a second; those of `away` send nothing from 5 s on and all they kept at `backMs`, one after the other. */
  function live(names: readonly string[], away: ReadonlySet<string>, backMs: number) {
    const { sink } = recorder();
    let late = 0;
    const judged: { endMs: number; atMs: number }[] = [];
    const lanes = new Lanes(sink, {
      windowMs: 1000,
      holdMs: 2000,
      eager: true,
      tdd: new Set(),
      onRollup: () => {},
      onLate: (b) => {
        late += b.count;
      },
    });
    for (const name of names) lanes.birth(birth(name));
    const look = (atMs: number) => {
      for (let end = lanes.ready(START + atMs); end !== null; end = lanes.ready(START + atMs)) {
        run(lanes.drain(end));
        judged.push({ endMs: end - START, atMs });
      }
    };
    lanes.ready(START + 10_000);
    for (let ms = 10_000; ms < 30_000; ms += 100) {
      for (const [i, name] of names.entries()) {
        const isAway = away.has(name) && ms >= 15_000 && ms < backMs + 40 * i;
        if (isAway) continue;
        const kept = away.has(name) && ms >= backMs + 40 * i && ms < backMs + 40 * i + 100;
        // What it kept comes behind what the others kept: between two looks.
        look(ms);
        for (let t = kept ? 15_000 : ms; t <= ms; t += 100) lanes.offer(series(name, START + t, 0, 1), START + ms);
      }
      look(ms);
    }
    return { late, judged };
  }

  const names = ["s1", "s2", "s3", "s4", "s5"];

  it("most sensors fall silent together and come back within the hold: nothing is late", () => {
    for (const who of [names, names.slice(0, 3)]) {
      expect(live(names, new Set(who), 22_000).late).toBe(0);
    }
  });

  it("one sensor falls silent: windows of the others are judged as soon as ever", () => {
    const { late, judged } = live(names, new Set(["s1"]), 22_000);
    expect(late).toBeGreaterThan(0);
    for (const { endMs, atMs } of judged.filter((w) => w.endMs > 11_000))
      expect(atMs - endMs).toBeLessThanOrEqual(2200);
  });

  it("most sensors stay away: held up until the hold has passed, then no more", () => {
    const { judged } = live(names, new Set(names.slice(0, 3)), 60_000);
    const delay = (endMs: number) => judged.find((w) => w.endMs === endMs)!.atMs - endMs;
    expect(delay(14_000)).toBeLessThan(200);
    expect(delay(16_000)).toBeGreaterThan(8000);
    expect(delay(28_000)).toBeLessThan(200);
  });
});
