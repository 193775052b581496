import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  DEPTH_NATS,
  Density,
  type Expectation,
  GAIN_STEP_DB,
  PATCH_NATS,
  type Silent,
} from "../../../src/fuse/density.ts";
import { planGains } from "../../../src/fuse/gains.ts";
import type { buildGrid } from "../../../src/fuse/grid.ts";
import { atOnce } from "../../../src/fuse/linalg.ts";
import { Locator } from "../../../src/fuse/locate.ts";
import { patchesOf } from "../../../src/fuse/patches.ts";
import { blockOf, burstsOf } from "../../bench/locate-speed.ts";
import { mulberry32 } from "../../support/noise.ts";

/** log N(r; 0, C) by Gaussian elimination with pivots. */
function logNormal(residual: readonly number[], covariance: readonly (readonly number[])[]): number {
  const n = residual.length;
  const a = covariance.map((row, i) => [...row, residual[i]!]);
  let logDet = 0;
  for (let k = 0; k < n; k++) {
    let pivot = k;
    for (let i = k + 1; i < n; i++) if (Math.abs(a[i]![k]!) > Math.abs(a[pivot]![k]!)) pivot = i;
    [a[k], a[pivot]] = [a[pivot]!, a[k]!];
    logDet += Math.log(Math.abs(a[k]![k]!));
    for (let i = k + 1; i < n; i++) {
      const f = a[i]![k]! / a[k]![k]!;
      for (let j = k; j <= n; j++) a[i]![j]! -= f * a[k]![j]!;
    }
  }
  const x = new Array<number>(n).fill(0);
  for (let i = n - 1; i >= 0; i--) {
    let sum = a[i]![n]!;
    for (let j = i + 1; j < n; j++) sum -= a[i]![j]! * x[j]!;
    x[i] = sum / a[i]![i]!;
  }
  const square = residual.reduce((sum, r, i) => sum + r * x[i]!, 0);
  return -(square + logDet + n * Math.log(2 * Math.PI)) / 2;
}

/** What is expected, with its gains in rows: a density holds them before it is asked. */
interface Expected extends Omit<Expectation, "gains"> {
  readonly gain: Int16Array;
  readonly sensors: number;
}

interface World {
  readonly e: Expected;
  readonly heard: { sensor: number[]; level: number[]; covariance: Float64Array };
  readonly silent: Silent[];
  readonly size: number;
}

/** A row of positions and a row of sensors, a few of which hear. */
function world(seed: number, size: number, sensors: number, hearing: number): World {
  const next = mulberry32(seed);
  const at = Float64Array.from({ length: sensors }, () => 30 * next());
  const xM = Float64Array.from({ length: size }, (_, c) => (c * 30) / size);
  const gain = new Int16Array(size * sensors);
  for (let c = 0; c < size; c++) {
    for (let s = 0; s < sensors; s++)
      gain[c * sensors + s] = (-20 * Math.log10(1 + Math.abs(xM[c]! - at[s]!))) / GAIN_STEP_DB;
  }
  const correlation = new Float64Array(sensors * sensors);
  for (let i = 0; i < sensors; i++) {
    for (let j = 0; j < sensors; j++)
      correlation[i * sensors + j] = i === j ? 1 : 0.9 * Math.exp(-Math.abs(at[i]! - at[j]!) / 3);
  }
  const zones = [{ id: "a", kind: "cell" as const, allowed: false, from: 0, to: size, areaM2: 1 }];
  const nearest = Int32Array.from({ length: sensors }, () => Math.floor(next() * size));
  const level = Array.from({ length: hearing }, () => -40 - 40 * next()).sort((a, b) => b - a);
  const covariance = new Float64Array(hearing * hearing);
  for (let i = 0; i < hearing; i++) covariance[i * hearing + i] = 1 + 8 * next();
  const table = { fromDb: -10, log: Float64Array.from({ length: 40 }, (_, i) => -i / 8) };
  const silent = Array.from({ length: sensors - hearing }, (_, i) => ({
    sensor: hearing + i,
    floorDbm: -100 + 10 * next(),
    table,
    looks: 0.5 + next(),
  }));
  return {
    e: {
      gain,
      sensors,
      classOf: Uint8Array.from({ length: size }, () => Math.floor(3 * next())),
      classVariance: [9, 30, 60],
      scales: [1],
      correlation,
      patches: patchesOf({ xM, yM: new Float64Array(size), zones, size }, { gain, sensors, stepDb: GAIN_STEP_DB }),
      nearest,
    },
    heard: { sensor: Array.from({ length: hearing }, (_, i) => i), level, covariance },
    silent,
    size,
  };
}

/** Log density of a world's observation at each of its positions. */
function evaluated(w: World, power: { meanDbm: number; sdDb: number }, factor: number, density = new Density()) {
  const out = new Float64Array(w.size);
  const e = { ...w.e, gains: density.hold(w.e.gain, w.e.sensors, w.e.patches) };
  atOnce(density.evaluate(e, power, w.heard, w.silent, factor, out, null));
  return out;
}

/** The same density written down as it is defined. */
function naive({ e, heard, silent, size }: World, power: { meanDbm: number; sdDb: number }, factor: number): number[] {
  const n = heard.sensor.length;
  const gainOf = (c: number, s: number): number => GAIN_STEP_DB * e.gain[c * e.sensors + s]!;
  return Array.from({ length: size }, (_, c) => {
    const v = e.classVariance[e.classOf[c]!]! * factor;
    const own = heard.sensor.map((a, i) =>
      heard.sensor.map((b, j) => heard.covariance[i * n + j]! + v * e.correlation[a * e.sensors + b]!),
    );
    const residual = heard.sensor.map((s, i) => heard.level[i]! - power.meanDbm - gainOf(c, s));
    const all = own.map((row) => row.map((x) => x + power.sdDb ** 2));
    // The power's posterior mean and spread by a fine sum over powers.
    let [sum, mean, square] = [0, 0, 0];
    if (silent.length > 0) {
      const logs: number[] = [];
      const steps = Array.from({ length: 801 }, (_, k) => (k - 400) / 8);
      for (const d of steps)
        logs.push(
          logNormal(
            residual.map((r) => r - d),
            own,
          ) -
            (d / power.sdDb) ** 2 / 2,
        );
      const top = Math.max(...logs);
      steps.forEach((d, k) => {
        sum += Math.exp(logs[k]! - top);
        mean += d * Math.exp(logs[k]! - top);
        square += d * d * Math.exp(logs[k]! - top);
      });
      mean /= sum;
      square /= sum;
    }
    const silence = (emittedDbm: number): number => {
      let log = 0;
      for (const { sensor, floorDbm, table, looks } of silent) {
        const over = emittedDbm + gainOf(c, sensor) - floorDbm - table.fromDb;
        const i = Math.min(table.log.length - 2, Math.max(0, Math.floor(over)));
        const t = Math.min(1, Math.max(0, over - i));
        log += looks * (table.log[i]! + t * (table.log[i + 1]! - table.log[i]!));
      }
      return log;
    };
    // Tables allow for 2 dB; below 2 dB beyond that the mean alone counts.
    const beyond = Math.sqrt(Math.max(0, square - mean * mean - 4));
    const powers = beyond > 2 ? FOUR_POINTS : [[0, 1] as const];
    const logs = powers.map(([x, p]) => Math.log(p) + silence(power.meanDbm + mean + x * beyond));
    const top = Math.max(...logs);
    return logNormal(residual, all) + top + Math.log(logs.reduce((s, x) => s + Math.exp(x - top), 0));
  });
}

/** Roots of the fourth Hermite polynomial (of a normal distribution) and their weights, in closed form. */
const FOUR_POINTS = [-1, 1].flatMap((sign) => [
  [sign * Math.sqrt(3 + Math.sqrt(6)), (3 - Math.sqrt(6)) / 12] as const,
  [sign * Math.sqrt(3 - Math.sqrt(6)), (3 + Math.sqrt(6)) / 12] as const,
]);

describe("density", () => {
  it("any observation: exact near the best, a patch's middle elsewhere, never below the depth", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 0, max: 7 }),
        (seed, size, hearing) => {
          const w = world(seed, size, 7, hearing);
          const power = { meanDbm: -36, sdDb: 10 };
          const out = evaluated(w, power, 1.5);
          const exact = naive(w, power, 1.5);
          const { middle, from, member } = w.e.patches;
          const seeds = w.heard.sensor.slice(0, 4).map((s) => exact[w.e.nearest[s]!]!);
          const first = Math.max(...seeds, ...[...middle].map((m) => exact[m]!));
          const expected = new Array<number>(size);
          // What a position gets that is looked at by itself where its patch lies on the border, to rounding.
          const other = new Map<number, number>();
          for (let p = 0; p < middle.length; p++) {
            const over = exact[middle[p]!]! - (first - PATCH_NATS);
            for (const c of member.slice(from[p]!, from[p + 1]!)) {
              expected[c] = exact[over >= 0 ? c : middle[p]!]!;
              if (Math.abs(over) < 0.06) other.set(c, exact[over >= 0 ? middle[p]! : c]!);
            }
          }
          // The depth is counted from the best that was ever seen, the seeds' positions included.
          const top = Math.max(first, ...expected);
          expected.forEach((value, c) => {
            const off = (v: number) => Math.abs(out[c]! - Math.max(v, top - DEPTH_NATS));
            // The naive mean power is a sum over steps, and little entries of the factors are left out.
            expect(Math.min(off(value), off(other.get(c) ?? value))).toBeLessThan(0.12);
          });
        },
      ),
      {
        numRuns: 60,
        examples: [
          [-547100890, 16, 5],
          // About as deep as is told apart, where louder powers were left out that count.
          [1124245205, 40, 2],
          [-13, 16, 2],
        ],
      },
    );
  });

  it("300 sensors, all but six silent: near the best as written down naively, whatever order the silent ones are taken in", () => {
    const drawn = world(11, 60, 300, 6);
    const e = { ...drawn.e, classOf: new Uint8Array(drawn.size), classVariance: [30] };
    const w = { ...drawn, e, silent: drawn.silent.map((s) => ({ ...s, looks: s.looks / 40 })) };
    const power = { meanDbm: -36, sdDb: 10 };
    const out = evaluated(w, power, 1);
    expect(out).toEqual(evaluated(w, power, 1, new Density(true)));
    const exact = naive(w, power, 1);
    const top = Math.max(...exact);
    const near = exact.flatMap((x, c) => (x > top - PATCH_NATS / 2 ? [c] : []));
    expect(near.length).toBeLessThan(w.size);
    for (const c of near) expect(Math.abs(out[c]! - exact[c]!)).toBeLessThan(0.06);
  });

  it("one sensor hears, many are silent: the silences are those of one power that nobody knows, within 0.3 nats of a fine sum over it", () => {
    // Misses of 5 to 40 % where it should hear, levels uncertain by 8 dB: the curves that floors give.
    const curve = (hears: number) => ({
      fromDb: -40,
      log: Float64Array.from({ length: 80 }, (_, i) => Math.log(1 - hears / (1 + Math.exp(-(i - 40) / 5)))),
    });
    const drawn = world(7, 50, 12, 1);
    const silent = drawn.silent.map((s, i) => ({
      ...s,
      looks: 1,
      floorDbm: -95 + 15 * (i % 3),
      table: curve(i % 2 ? 0.6 : 0.95),
    }));
    const e = { ...drawn.e, classOf: new Uint8Array(drawn.size), classVariance: [49] };
    const w = { ...drawn, e, silent, heard: { ...drawn.heard, level: [-55], covariance: Float64Array.of(20) } };
    const power = { meanDbm: -36, sdDb: 15 };
    const out = evaluated(w, power, 1);
    // The power given the one level: normal; 2 dB of its spread are in the curves.
    const own2 = 1 / (1 / 225 + 1 / 69);
    const sdDb = Math.sqrt(own2 - 4);
    const exact = Array.from({ length: w.size }, (_, c) => {
      const gain = (s: number): number => GAIN_STEP_DB * e.gain[c * e.sensors + s]!;
      const off = -55 + 36 - gain(0);
      const mean = -36 + (off * 225) / (225 + 69);
      let [sum, all] = [0, 0];
      for (let x = -6; x <= 6; x += 0.01) {
        let log = (-x * x) / 2;
        for (const { sensor, floorDbm, table } of silent) {
          const over = Math.min(78.999, Math.max(0, mean + x * sdDb + gain(sensor) - floorDbm - table.fromDb));
          const i = Math.floor(over);
          log += table.log[i]! + (over - i) * (table.log[i + 1]! - table.log[i]!);
        }
        sum += Math.exp(log);
        all += Math.exp((-x * x) / 2);
      }
      return logNormal([off], [[225 + 69]]) + Math.log(sum / all);
    });
    const top = Math.max(...exact);
    const near = exact.flatMap((x, c) => (x > top - PATCH_NATS / 2 ? [c] : []));
    expect(near.length).toBeGreaterThan(5);
    expect(Math.max(...near.map((c) => Math.abs(out[c]! - exact[c]!)))).toBeLessThan(0.3);
  });

  it("scales: levels off by twice the stated spread: the best place is told less surely, by what is due to the mean over scales", () => {
    const heard = {
      sensor: [0, 1, 2, 3, 4, 5],
      level: [-50, -61, -47, -66, -52, -58],
      covariance: new Float64Array(36),
    };
    for (let i = 0; i < 6; i++) heard.covariance[i * 7] = 4;
    const w = world(5, 40, 6, 6);
    const power = { meanDbm: -36, sdDb: 60 };
    const ranges = [[1], [1, 1.5, 2.25]].map((scales) => {
      const e = { ...w.e, classOf: new Uint8Array(w.size), classVariance: [9], scales };
      const out = evaluated({ ...w, e, heard, silent: [] }, power, 1);
      const exact = overScales({ ...w, e, heard, silent: [] }, power, scales);
      const best = exact.indexOf(Math.max(...exact));
      expect(Math.abs(out[best]! - exact[best]!)).toBeLessThan(0.06);
      return Math.max(...out) - Math.min(...out);
    });
    expect(ranges[1]!).toBeLessThan(ranges[0]!);
  });

  it("block of 80 cells: probabilities of zones differ from those of every position done by less than 0.01", () => {
    const site = blockOf({ floors: 2, columns: 20, every: 2 });
    const locator = new Locator(site, { block: "b1", calibration: null, gridM: 1 });
    const { grid } = locator;
    const out = new Float64Array(locator.size);
    for (const burst of burstsOf(site, 2, -200, 5)) {
      locator.logLikelihood(burst, out);
      const e = expectationOf(site, locator);
      const heard = burst.sensors
        .map((s, i) => ({ ...s, i }))
        .sort((a, b) => b.levelDbm - a.levelDbm)
        .slice(0, 64);
      const n = heard.length;
      const covariance = new Float64Array(n * n);
      heard.forEach((h, i) => {
        covariance[i * n + i] = h.sigmaDb ** 2;
      });
      const w: World = {
        e,
        heard: { sensor: heard.map((h) => h.i), level: heard.map((h) => h.levelDbm), covariance },
        silent: [],
        size: locator.size,
      };
      const exact = overScales(w, { meanDbm: -36, sdDb: 15 }, [1, 1.5]);
      const [ours, theirs] = [zoneShares(grid, out), zoneShares(grid, exact)];
      ours.forEach((p, z) => {
        expect(Math.abs(p - theirs[z]!)).toBeLessThan(0.01);
      });
    }
  });
});

/** The naive density, averaged over factors of all variances but the power's. */
function overScales(w: World, power: { meanDbm: number; sdDb: number }, scales: readonly number[]): Float64Array {
  const each = scales.map((scale) => {
    const covariance = w.heard.covariance.map((v) => v * scale);
    return naive({ ...w, heard: { ...w.heard, covariance } }, power, scale);
  });
  return Float64Array.from({ length: w.size }, (_, c) => {
    const top = Math.max(...each.map((log) => log[c]!));
    return top + Math.log(each.reduce((sum, log) => sum + Math.exp(log[c]! - top), 0) / scales.length);
  });
}

function expectationOf(site: Parameters<typeof buildGrid>[0], locator: Locator): Expected {
  const sensors = site.sensors.length;
  const gainDb = planGains(site, locator.grid, site.sensors, site.bands[0]!, {
    exponent: 2,
    wallFactor: 1,
    slabFactor: 1,
  });
  const correlation = new Float64Array(sensors * sensors);
  site.sensors.forEach((a, i) => {
    site.sensors.forEach((b, j) => {
      const d = Math.hypot(...a.positionM!.map((v, k) => v - b.positionM![k]!));
      correlation[i * sensors + j] = i === j ? 1 : 0.999 * Math.exp(-d / 3.5);
    });
  });
  const gain = Int16Array.from(gainDb, (g) => Math.round(g / GAIN_STEP_DB));
  return {
    gain,
    sensors,
    classOf: new Uint8Array(locator.size),
    classVariance: [49],
    scales: [1],
    correlation,
    patches: patchesOf(locator.grid, { gain, sensors, stepDb: GAIN_STEP_DB }),
    nearest: new Int32Array(sensors),
  };
}

function zoneShares(grid: ReturnType<typeof buildGrid>, log: Float64Array): number[] {
  const top = log.reduce((a, b) => Math.max(a, b));
  const mass = grid.zones.map((z) => {
    let sum = 0;
    for (let c = z.from; c < z.to; c++) sum += Math.exp(log[c]! - top) / (z.to - z.from);
    return sum;
  });
  const total = mass.reduce((a, b) => a + b);
  return mass.map((m) => m / total);
}
