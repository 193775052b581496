/**
 * Test worlds for `cellward detect`: general streams with labelled anomalies, and radio energy with labelled rises. Families
 * differ in rhythm, noise, tails and anomaly, so that a setting that fits only one of them shows.
 */
import { SeriesDetector } from "../../src/detect/series.ts";
import { Rng } from "./noise.ts";

export interface Stream {
  readonly family: string;
  readonly tMs: Float64Array;
  readonly x: Float64Array;
  /** Windows of rows, [from, to), within which an alarm is right. */
  readonly windows: readonly (readonly [from: number, to: number])[];
  /** Rows at which the anomalies begin. */
  readonly onsets: readonly number[];
  /** Their kinds. */
  readonly kinds: readonly string[];
}

const DAY = 86_400_000;

interface Frame {
  readonly rng: Rng;
  readonly n: number;
  readonly stepMs: number;
  readonly t0: number;
}

type Shape = (f: Frame, day: Float64Array, week: Int32Array) => Float64Array;
type Harm = (f: Frame, x: Float64Array, at: number, scale: number) => void;

/** Phase of the day 0..1 and day of the week of every row. */
function clock(f: Frame): { day: Float64Array; week: Int32Array } {
  const day = new Float64Array(f.n);
  const week = new Int32Array(f.n);
  for (let i = 0; i < f.n; i++) {
    const t = f.t0 + i * f.stepMs;
    day[i] = (t % DAY) / DAY;
    week[i] = Math.floor(t / DAY + 4) % 7;
  }
  return { day, week };
}

const bump = (p: number, at: number, width: number) => Math.exp(-0.5 * ((p - at) / width) ** 2);

const SHAPES: Readonly<Record<string, readonly [stepMin: number, rows: number, Shape]>> = {
  daily: [
    5,
    4032,
    (f, day) => {
      const a = 20 + 20 * f.rng.next();
      const noise = 1 + 2 * f.rng.next();
      return Float64Array.from(day, (p) => 50 + a * Math.sin(2 * Math.PI * p) + noise * f.rng.normal());
    },
  ],
  square: [
    5,
    4032,
    (f, day) => {
      const noise = 0.5 + 3 * f.rng.next();
      return Float64Array.from(day, (p) => (p > 0.375 && p < 0.75 ? 80 : 20) + noise * f.rng.normal());
    },
  ],
  flat: [
    5,
    4032,
    (f) => {
      const noise = 0.05 + f.rng.next();
      const x = new Float64Array(f.n);
      for (let i = 0; i < f.n; i++) x[i] = Math.max(0, 40 + noise * f.rng.normal());
      return x;
    },
  ],
  cpu: [
    5,
    4032,
    (f) => {
      // Small quantised load with occasional job spikes.
      const x = new Float64Array(f.n);
      let job = 0;
      for (let i = 0; i < f.n; i++) {
        if (f.rng.next() < 0.004) job = 4 + 8 * f.rng.exponential();
        x[i] = Math.round(1000 * (1.8 + 0.08 * f.rng.studentT(4) + job)) / 1000;
        job = f.rng.next() < 0.5 ? 0 : job * 0.7;
      }
      return x;
    },
  ],
  counts: [
    5,
    12_000,
    (f, day) => {
      // Messages per interval: daily rhythm, over-dispersed, with cascades.
      const x = new Float64Array(f.n);
      let burst = 0;
      for (let i = 0; i < f.n; i++) {
        if (f.rng.next() < 0.01) burst += 15 * f.rng.exponential() ** 2;
        burst *= 0.7;
        const mean = (12 + 8 * Math.sin(2 * Math.PI * (day[i]! - 0.3)) + burst) * f.rng.gamma(4);
        x[i] = Math.round(mean);
      }
      return x;
    },
  ],
  taxi: [
    30,
    10_320,
    (f, day, week) => {
      const x = new Float64Array(f.n);
      let slow = 0;
      for (let i = 0; i < f.n; i++) {
        const p = day[i]!;
        const weekend = week[i] === 0 || week[i] === 6;
        const shape = weekend
          ? 8 + 10 * bump(p, 0.03, 0.08) + 9 * bump(p, 0.75, 0.2) - 5 * bump(p, 0.25, 0.08)
          : 6 + 9 * bump(p, 0.36, 0.06) + 12 * bump(p, 0.8, 0.09) + 6 * bump(p, 0.6, 0.1) - 4 * bump(p, 0.17, 0.08);
        slow = 0.98 * slow + 0.01 * f.rng.normal();
        x[i] = Math.round(1000 * Math.max(0.5, shape * (1 + slow) + 0.5 * f.rng.normal()));
      }
      return x;
    },
  ],
  temperature: [
    5,
    8000,
    (f, day) => {
      const x = new Float64Array(f.n);
      let walk = 0;
      let fast = 0;
      for (let i = 0; i < f.n; i++) {
        walk = 0.9995 * walk + 0.12 * f.rng.normal();
        fast = 0.9 * fast + 0.5 * f.rng.normal();
        x[i] = 85 + walk + fast + 1.5 * Math.sin(2 * Math.PI * day[i]!);
      }
      return x;
    },
  ],
  speed: [
    10,
    2400,
    (f, day, week) => {
      const x = new Float64Array(f.n);
      for (let i = 0; i < f.n; i++) {
        const work = week[i] !== 0 && week[i] !== 6 ? 1 : 0.3;
        const jam = work * (18 * bump(day[i]!, 0.34, 0.04) + 22 * bump(day[i]!, 0.72, 0.05)) * f.rng.gamma(6);
        x[i] = Math.round(Math.max(5, 68 - jam + 3 * f.rng.studentT(5)));
      }
      return x;
    },
  ],
  latency: [
    5,
    4032,
    (f) => {
      const x = new Float64Array(f.n);
      let slow = 0;
      for (let i = 0; i < f.n; i++) {
        slow = 0.97 * slow + 0.06 * f.rng.normal();
        x[i] = 45 * Math.exp(0.18 * f.rng.studentT(5) + slow * 0.3);
      }
      return x;
    },
  ],
  backup: [
    5,
    4032,
    (f, day) => {
      // Idle but for a job at the same hour every day.
      const at = f.rng.next() * 0.9;
      const x = new Float64Array(f.n);
      for (let i = 0; i < f.n; i++) {
        const on = day[i]! > at && day[i]! < at + 0.04;
        x[i] = Math.max(0, (on ? 60 : 5) + (on ? 8 : 0.7) * f.rng.normal());
      }
      return x;
    },
  ],
  hourly: [
    60,
    1600,
    (f, day) => {
      const x = new Float64Array(f.n);
      for (let i = 0; i < f.n; i++) {
        x[i] = 0.6 * Math.exp(0.25 * f.rng.normal()) * (1 + 0.3 * Math.sin(2 * Math.PI * day[i]!));
      }
      return x;
    },
  ],
  walk: [
    5,
    4032,
    (f) => {
      // Disk filling and emptied: slopes and resets.
      const x = new Float64Array(f.n);
      let v = 30;
      for (let i = 0; i < f.n; i++) {
        v += 0.03 + 0.15 * f.rng.normal();
        if (v > 60 && f.rng.next() < 0.01) v = 30;
        x[i] = v;
      }
      return x;
    },
  ],
  wander: [
    1,
    6000,
    (f) => {
      // Strongly correlated: level means nothing over an hour.
      const x = new Float64Array(f.n);
      let e = 0;
      for (let i = 0; i < f.n; i++) {
        e = 0.97 * e + f.rng.normal();
        x[i] = 10 + 0.3 * e + 0.4 * f.rng.normal();
      }
      return x;
    },
  ],
  restless: [
    5,
    4032,
    (f, day) => {
      // Calm at night, noisy by day, about one level.
      const x = new Float64Array(f.n);
      for (let i = 0; i < f.n; i++) {
        const busy = day[i]! > 0.3 && day[i]! < 0.8;
        x[i] = 100 + (busy ? 6 : 1) * f.rng.normal();
      }
      return x;
    },
  ],
  sparse: [
    5,
    6000,
    (f, day) => {
      // Mostly nothing; single events, more of them by day.
      const x = new Float64Array(f.n);
      for (let i = 0; i < f.n; i++) {
        const rate = 0.03 + 0.08 * Math.max(0, Math.sin(2 * Math.PI * (day[i]! - 0.3)));
        x[i] = f.rng.next() < rate ? 1 + Math.floor(2 * f.rng.exponential()) : 0;
      }
      return x;
    },
  ],
  trend: [
    15,
    3000,
    (f, day) => {
      const slope = (f.rng.next() - 0.5) * 0.02;
      const x = new Float64Array(f.n);
      for (let i = 0; i < f.n; i++) {
        x[i] = 200 + slope * i + 4 * Math.sin(2 * Math.PI * day[i]!) + 1.5 * f.rng.normal();
      }
      return x;
    },
  ],
  gaps: [
    5,
    4032,
    (f, day) => {
      // Coarse values, missing rows, a rhythm that sleeps at the weekend.
      const x = new Float64Array(f.n);
      for (let i = 0; i < f.n; i++) {
        const v = 20 + 6 * Math.sin(2 * Math.PI * day[i]!) + 1.2 * f.rng.normal();
        x[i] = f.rng.next() < 0.05 ? Number.NaN : Math.round(v);
      }
      return x;
    },
  ],
};

/** Families for choosing settings, and families only for the verdict. */
export const TUNED: readonly string[] = ["daily", "flat", "cpu", "counts", "taxi", "latency"];
export const UNSEEN: readonly string[] = ["square", "temperature", "speed", "backup", "hourly", "walk"];
/** Families that came after all settings were made. */
export const LATER: readonly string[] = ["wander", "restless", "sparse", "trend", "gaps"];

type Quiet = (rng: Rng, row: number, memory: { level: number; spread: number }) => number;

/** Streams without an anomaly, of kinds that no setting was made for: minutes a row, rows, a value. */
const QUIETS: Readonly<Record<string, readonly [stepMin: number, rows: number, Quiet]>> = {
  "job each hour": [1, 10_080, (r, i) => 10 + r.normal() + (i % 60 < 3 ? 30 + 3 * r.normal() : 0)],
  "job each six hours": [5, 8064, (r, i) => 10 + r.normal() + (i % 72 < 4 ? 30 : 0)],
  "sine of six hours": [5, 8064, (r, i) => 10 + 5 * Math.sin((2 * Math.PI * i) / 72) + r.normal()],
  "sine of 37 hours": [5, 8064, (r, i) => 10 + 5 * Math.sin((2 * Math.PI * i) / 444) + r.normal()],
  "random duty": [
    5,
    8064,
    (r, _, m) => {
      if (r.next() < (m.level > 0 ? 0.05 : 0.02)) m.level = m.level > 0 ? 0 : 55;
      return 15 + m.level + 2 * r.normal();
    },
  ],
  stairs: [
    5,
    8064,
    (r, i, m) => {
      if (i === 0 || r.next() < 0.004) m.level = 30 + 40 * r.next();
      return m.level + r.normal();
    },
  ],
  "per cent at the end": [
    5,
    8064,
    (r, i) => Math.min(100, Math.max(0, 97 + 3 * r.normal() + 2 * Math.sin((2 * Math.PI * i) / 288))),
  ],
  pareto: [5, 8064, (r) => r.next() ** -0.5],
  "log-normal": [5, 8064, (r) => Math.exp(1.2 * r.normal())],
  cauchy: [5, 8064, (r) => r.normal() / Math.abs(r.normal())],
  "few counts": [
    5,
    8064,
    (r) => {
      let k = 0;
      for (let p = r.next(); p > Math.exp(-0.3); p *= r.next()) k++;
      return k;
    },
  ],
  "idle weekends": [
    30,
    4000,
    (r, i) =>
      (Math.floor(i / 48) % 7 > 4 ? 5 : 20 + 15 * Math.sin((Math.PI * (i % 48)) / 48)) * (1 + 0.05 * r.normal()),
  ],
  ramp: [5, 8064, (r, i) => 0.05 * i + r.normal()],
  sawtooth: [5, 8064, (r, i) => (i % 36) + 0.5 * r.normal()],
  autoregressive: [
    5,
    8064,
    (r, _, m) => {
      m.level = 0.95 * m.level + r.normal();
      return m.level;
    },
  ],
  "random walk": [
    5,
    8064,
    (r, _, m) => {
      m.level += r.normal();
      return m.level;
    },
  ],
  garch: [
    5,
    8064,
    (r, i, m) => {
      m.spread = i === 0 ? 1 : 0.05 + 0.9 * m.spread + 0.08 * m.level ** 2;
      m.level = Math.sqrt(m.spread) * r.normal();
      return m.level;
    },
  ],
  "coarse rhythm": [5, 8064, (r, i) => Math.round(20 + 3 * Math.sin((2 * Math.PI * i) / 288) + 0.2 * r.normal())],
  binary: [5, 8064, (r) => (r.next() < 0.3 ? 1 : 0)],
  "white, a row a second": [1 / 60, 20_000, (r) => r.normal()],
};
export const QUIET: readonly string[] = Object.keys(QUIETS);

/** A stream of a kind without anomalies. */
export function quietStream(kind: string, seed: number): Stream {
  const [stepMin, rows, value] = QUIETS[kind]!;
  const rng = new Rng(seed * 977 + hash(kind));
  const memory = { level: 0, spread: 0 };
  const x = Float64Array.from({ length: rows }, (_, i) => value(rng, i, memory));
  const tMs = Float64Array.from(x, (_, i) => 1.5e12 + i * stepMin * 60_000);
  return { family: kind, tMs, x, windows: [], onsets: [], kinds: [] };
}

const HARMS: Readonly<Record<string, Harm>> = {
  shiftUp: (f, x, at, scale) => {
    const to = Math.min(x.length, at + Math.round((0.3 + f.rng.next()) * (DAY / f.stepMs)));
    for (let i = at; i < to; i++) x[i] = x[i]! + 2.5 * scale;
  },
  shiftDown: (f, x, at, scale) => {
    const to = Math.min(x.length, at + Math.round((0.3 + f.rng.next()) * (DAY / f.stepMs)));
    for (let i = at; i < to; i++) x[i] = x[i]! - 2.5 * scale;
  },
  spike: (f, x, at, scale) => {
    const n = 1 + Math.floor(3 * f.rng.next());
    for (let i = at; i < Math.min(x.length, at + n); i++) x[i] = x[i]! + 8 * scale;
  },
  frozen: (f, x, at) => {
    const to = Math.min(x.length, at + Math.round(0.6 * (DAY / f.stepMs)));
    for (let i = at; i < to; i++) x[i] = x[at]!;
  },
  noisy: (f, x, at, scale) => {
    const to = Math.min(x.length, at + Math.round(0.3 * (DAY / f.stepMs)));
    for (let i = at; i < to; i++) x[i] = x[i]! + 2.5 * scale * f.rng.normal();
  },
};

/** One labelled stream of a family. Spread of the noise for the anomalies: robust spread of differences, and of values. */
export function stream(family: string, seed: number): Stream {
  const [stepMin, n, shape] = SHAPES[family]!;
  const rng = new Rng(seed * 7919 + hash(family));
  const f: Frame = { rng, n, stepMs: stepMin * 60_000, t0: 1.4e12 + Math.floor(rng.next() * 14) * DAY };
  const { day, week } = clock(f);
  const x = shape(f, day, week);
  const measured = x.filter((v) => !Number.isNaN(v));
  const sorted = Float64Array.from(measured).sort();
  const iqr = sorted[Math.floor(0.9 * sorted.length)]! - sorted[Math.floor(0.1 * sorted.length)]!;
  const diffs = Float64Array.from(measured.subarray(1), (v, i) => Math.abs(v - measured[i]!)).sort();
  const scale = Math.max(
    0.35 * iqr,
    4 * diffs[Math.floor(0.5 * diffs.length)]!,
    0.3 * (sorted.at(-1)! - sorted[0]!) * (iqr === 0 ? 1 : 0),
    1e-3,
  );
  const count = Math.floor(3 * rng.next());
  const onsets: number[] = [];
  const harms: string[] = [];
  const windows: [number, number][] = [];
  const kinds = Object.keys(HARMS);
  const width = count > 0 ? Math.round((0.1 * n) / count) : 0;
  for (let k = 0; k < count; k++) {
    const at = Math.round(n * (0.25 + (0.7 / count) * (k + 0.6 * rng.next())));
    const kind = kinds[Math.floor(rng.next() * kinds.length)]!;
    HARMS[kind]!(f, x, at, scale);
    harms.push(kind);
    onsets.push(at);
    windows.push([Math.max(0, at - Math.round(width / 3)), Math.min(n, at + Math.round((2 * width) / 3))]);
  }
  const tMs = new Float64Array(n);
  for (let i = 0; i < n; i++)
    tMs[i] = f.t0 + i * f.stepMs + (family === "speed" ? Math.floor(rng.next() * 120_000) : 0);
  return { family, tMs, x, windows, onsets, kinds: harms };
}

/**
 * Score in the manner of streaming benchmarks: +1 at most for the first alarm in a window, more the earlier; -0.11 for each
 * alarm outside, less just behind a window; -1 for a window without an alarm. The first 15 % of rows don't count.
 * Returns the raw score, what a perfect and a silent detector would get, and the counts.
 */
export function benchmarkScore(s: Stream, alarms: readonly number[]) {
  const sigmoid = (y: number) => 2 / (1 + Math.exp(5 * y)) - 1;
  const probation = Math.min(Math.floor(0.15 * s.x.length), 750);
  const hit = new Array<boolean>(s.windows.length).fill(false);
  let raw = 0;
  let falses = 0;
  for (const at of alarms) {
    if (at < probation) continue;
    const inside = s.windows.findIndex(([from, to]) => at >= from && at < to);
    if (inside >= 0) {
      if (!hit[inside])
        raw += sigmoid(-(s.windows[inside]![1] - at) / (s.windows[inside]![1] - s.windows[inside]![0])) / sigmoid(-1);
      hit[inside] = true;
      continue;
    }
    falses++;
    const before = s.windows.filter(([, to]) => to <= at).at(-1);
    raw += 0.11 * (before ? Math.max(-1, sigmoid((at - before[1]) / (before[1] - before[0]))) : -1);
  }
  const found = hit.filter(Boolean).length;
  raw -= s.windows.length - found;
  return { raw, perfect: s.windows.length, silent: -s.windows.length, found, falses, windows: s.windows.length };
}

/**
 * Radio energy: averages of 25 ms in dB, AR(1) noise, slow drift, single glitches, stuck stretches, and a rise of `riseDb` at
 * row `at` (no rise: at = rows). `resolutionDb`: values are rounded to it, the level lying anywhere between two steps; 0: not rounded.
 */
export function radio(
  seed: number,
  rows: number,
  sigmaDb: number,
  rho: number,
  riseDb: number,
  at: number,
  resolutionDb = 0,
): Stream {
  const rng = new Rng(seed * 104_729 + 17);
  const x = new Float64Array(rows);
  const tMs = new Float64Array(rows);
  let e = rng.normal();
  const drift = (rng.next() - 0.75) * 0.13;
  const phase = resolutionDb > 0 ? (new Rng(seed).next() - 0.5) * resolutionDb : 0;
  for (let i = 0; i < rows; i++) {
    e = rho * e + Math.sqrt(1 - rho * rho) * rng.normal();
    x[i] = -73 + sigmaDb * e + (drift * i) / 950 + (i >= at ? riseDb : 0);
    if (rng.next() < 0.001) x[i] = x[i]! + 17 * sigmaDb * (rng.next() < 0.7 ? 1 : -1);
    if (resolutionDb > 0) x[i] = Math.round((x[i]! + phase) / resolutionDb) * resolutionDb;
    if (i > 0 && rng.next() < 0.003) x[i] = x[i - 1]!;
    tMs[i] = 1.6e12 + i * 25;
  }
  return {
    family: "radio",
    tMs,
    x,
    windows: at < rows ? [[at, Math.min(rows, at + 40)]] : [],
    onsets: at < rows ? [at] : [],
    kinds: at < rows ? ["rise"] : [],
  };
}

function hash(text: string): number {
  let h = 0;
  for (let i = 0; i < text.length; i++) h = (Math.imul(h, 31) + text.charCodeAt(i)) | 0;
  return h >>> 8;
}

/** Rows on which `cellward detect` raises an event. */
export function alarmsOf(s: Stream): number[] {
  const detector = new SeriesDetector();
  const alarms: number[] = [];
  for (let i = 0; i < s.x.length; i++) {
    detector.row(s.tMs[i]!, s.x[i]!);
    if (detector.alarm) alarms.push(i);
  }
  return alarms;
}
