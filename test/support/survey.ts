/**
 * Invented recordings for `calibrate` and `locate`: receivers that report packets, a survey of labelled points, and somebody who walks
 * and stands. Log-distance means, a Gaussian field of shadows for each receiver with a part common to all (random Fourier features,
 * Rahimi and Recht 2007), packets missed, levels below the sensitivity never heard, whole dBm.
 */
import type { LabelEpisode } from "../../src/contracts.ts";
import type { TraceMessage } from "../../src/trace/index.ts";
import { Rng } from "./noise.ts";
import { type PathPoint, positionAt } from "./path.ts";

export interface SurveyWorld {
  readonly sizeM: readonly [x: number, y: number];
  readonly floors: number;
  readonly receivers: number;
  /** Receivers along the middle of a long hall instead of anywhere. */
  readonly inLine?: boolean;
  /** Labelled points, of 20 s each. */
  readonly points: number;
  readonly fadingDb: number;
  readonly shadowDb: number;
  readonly shadowM: number;
  readonly exponent: number;
  readonly offsetDb: number;
  readonly sensitivityDbm: number;
  readonly packetsPerS: number;
  /** Share of packets that a receiver misses whatever their level; left out, `MISSED`. */
  readonly missed?: number;
  /** Shadows that change from step to step (exponential correlation) instead of smooth ones. */
  readonly rough?: boolean;
  /** What has changed since the survey (furniture, doors, people): a field of its own for each receiver, dB. */
  readonly changedDb?: number;
  /** Spread of the power from packet to packet in use, dB. */
  readonly powerDb?: number;
  /** Time at each labelled point, s. */
  readonly pointS?: number;
  /** Walking pace in use, m/s. */
  readonly pace?: number;
  /** Means of so many ms instead of packets. */
  readonly meansMs?: number;
  /** Labels of half a second each of somebody who walks about at this pace, m/s, instead of points to stand at. */
  readonly labelPace?: number;
}

const HALL = {
  sizeM: [30, 20],
  floors: 1,
  receivers: 10,
  points: 60,
  fadingDb: 4,
  shadowDb: 5,
  shadowM: 3,
  exponent: 2.6,
  offsetDb: 4,
  sensitivityDbm: -95,
  packetsPerS: 5,
} as const;

export const SURVEYS: Readonly<Record<string, SurveyWorld>> = {
  hall: HALL,
  flat: { ...HALL, sizeM: [11, 8], receivers: 5, points: 40, shadowM: 2, exponent: 2.2, offsetDb: 3 },
  offices: {
    ...HALL,
    sizeM: [40, 15],
    floors: 3,
    receivers: 9,
    points: 90,
    shadowDb: 6,
    exponent: 2.8,
    sensitivityDbm: -92,
  },
  sparse: {
    ...HALL,
    sizeM: [60, 40],
    receivers: 6,
    points: 80,
    fadingDb: 5,
    shadowDb: 6,
    shadowM: 4,
    sensitivityDbm: -88,
  },
  corridor: { ...HALL, sizeM: [50, 6], receivers: 8, inLine: true, points: 50, exponent: 2, offsetDb: 3 },
  "few points": { ...HALL, points: 7 },
  "few packets": {
    ...HALL,
    floors: 2,
    receivers: 8,
    points: 50,
    fadingDb: 5,
    shadowDb: 6,
    sensitivityDbm: -90,
    packetsPerS: 0.7,
  },
  silences: {
    ...HALL,
    sizeM: [40, 16],
    floors: 2,
    receivers: 6,
    points: 70,
    exponent: 3,
    sensitivityDbm: -82,
    packetsPerS: 1,
    missed: 0.5,
  },
  "rough shadows": { ...HALL, shadowM: 4, rough: true, points: 50 },
  changed: { ...HALL, changedDb: 3 },
  "powers vary": { ...HALL, powerDb: 8, receivers: 7 },
  quick: { ...HALL, points: 150, pointS: 1.5, pace: 0.5 },
  means: { ...HALL, sizeM: [25, 12], meansMs: 1000, receivers: 8, points: 40, pace: 0.6 },
  "walked labels": { ...HALL, sizeM: [25, 15], receivers: 8, points: 640, pointS: 0.5, labelPace: 0.7 },
  "few rough": {
    ...HALL,
    sizeM: [35, 14],
    receivers: 6,
    points: 24,
    shadowM: 5,
    rough: true,
    changedDb: 2,
    packetsPerS: 1,
    sensitivityDbm: -88,
    pace: 0.7,
  },
};

export interface Survey {
  readonly siteText: string;
  readonly calibration: readonly TraceMessage[];
  readonly labels: readonly LabelEpisode[];
  readonly track: readonly TraceMessage[];
  readonly path: readonly { readonly t: number; readonly x_m: number; readonly y_m: number; readonly floor: string }[];
}

const BAND = "bt-wifi-2400";
const T0 = 1_700_000_000_000;
const STOREY_M = 3.2;
const POINT_S = 20;
const TRACK_MS = 400_000;
const POWER_DBM = -45;
/** What a slab takes, dB: less than the plan's default, as in a light building. */
const SLAB_DB = 14;
const MISSED = 0.25;
/** The body that carries the emitter, from packet to packet, dB. */
const BODY_DB = 2;
const FEATURES = 300;

interface Row {
  readonly t: number;
  readonly k: number;
  readonly dbm: number;
}

interface Place {
  readonly x: number;
  readonly y: number;
  readonly floor: number;
}

export function survey(world: SurveyWorld, seed: number): Survey {
  const rng = new Rng(seed);
  const [sizeX, sizeY] = world.sizeM;
  const receivers = placed(world, rng);
  const heard = means(world, receivers, rng);
  const seqs = receivers.map(() => 0);
  const changed = world.changedDb === undefined ? null : fields(world, receivers.length, rng);
  const packets = (at: (tMs: number) => Place, fromMs: number, untilMs: number, inUse: boolean): TraceMessage[] => {
    const rows: Row[] = [];
    const gapMs = 1000 / world.packetsPerS;
    for (let t = fromMs + gapMs * rng.next(); t < untilMs; t += gapMs * (0.5 + rng.next())) {
      const place = at(t);
      const common = BODY_DB * rng.normal() + (inUse && world.powerDb !== undefined ? world.powerDb * rng.normal() : 0);
      for (let k = 0; k < receivers.length; k++) {
        const change = inUse && changed !== null ? world.changedDb! * changed(k, place) : 0;
        const dbm = heard(k, place) + change + common + world.fadingDb * rng.normal();
        if (rng.next() >= (world.missed ?? MISSED) && dbm >= world.sensitivityDbm) {
          rows.push({ t: Math.floor(t + 8 * rng.next()), k, dbm: Math.round(dbm) });
        }
      }
    }
    rows.sort((a, b) => a.t - b.t);
    return (world.meansMs === undefined ? rows : meansOf(rows, world.meansMs)).map(({ t, k, dbm }) => ({
      t,
      topic: `cellward/v1/survey/b/s${k}/reading`,
      payload: { v: 1, boot: 1, seq: seqs[k]!++, ts: t, r: [{ b: BAND, peak_dbm: dbm }] },
    }));
  };
  const births = (t: number): TraceMessage[] =>
    receivers.map((_, k) => ({
      t,
      topic: `cellward/v1/survey/b/s${k}/birth`,
      payload: {
        v: 1,
        boot: 1,
        ts: t,
        type: "rf",
        model: "invented",
        fw: "1",
        period_ms: 0,
        bands: [{ id: BAND, lo_hz: 2_400_000_000, hi_hz: 2_483_500_000 }],
      },
    }));
  const calibration = births(T0);
  const labels: LabelEpisode[] = [];
  const pointMs = 1000 * (world.pointS ?? POINT_S);
  const { labelPace } = world;
  const surveyed = labelPace === undefined ? null : walked({ ...world, pace: labelPace }, T0 + 1000, rng);
  for (let i = 0, t = T0 + 1000; i < world.points; i++, t += pointMs + (surveyed === null ? 5000 : 0)) {
    const place = surveyed?.(t + pointMs / 2) ?? anywhere(world, rng);
    calibration.push(...packets(surveyed ?? (() => place), t, t + pointMs, false));
    labels.push({ start: t, end: t + pointMs, x_m: place.x, y_m: place.y, floor: String(place.floor) });
  }
  calibration.sort((a, b) => a.t - b.t);
  const startMs = T0 + 10_000_000;
  const walk = walked(world, startMs, rng);
  const track = [...births(startMs), ...packets(walk, startMs + 1000, startMs + TRACK_MS, true)];
  const path = Array.from({ length: TRACK_MS / 250 }, (_, i) => {
    const { x, y, floor } = walk(startMs + 250 * i);
    return { t: startMs + 250 * i, x_m: x, y_m: y, floor: String(floor) };
  });
  return { siteText: siteOf(world, receivers, [sizeX, sizeY]), calibration, labels, track, path };
}

const anywhere = ({ sizeM: [x, y], floors }: SurveyWorld, rng: Rng): Place => ({
  x: 0.3 + (x - 0.6) * rng.next(),
  y: 0.3 + (y - 0.6) * rng.next(),
  floor: Math.floor(floors * rng.next()),
});

/** Anywhere, but half the mean distance apart where that can be had. */
function placed(world: SurveyWorld, rng: Rng): Place[] {
  const { sizeM, floors, receivers, inLine = false } = world;
  const apartM = 0.5 * Math.sqrt((sizeM[0] * sizeM[1] * floors) / receivers);
  const out: Place[] = [];
  for (let k = 0; k < receivers; k++) {
    const floor = k % floors;
    let place: Place = { x: (sizeM[0] * (k + 0.5)) / receivers, y: sizeM[1] / 2, floor };
    for (let tries = 0; !inLine && tries < 200; tries++) {
      place = { ...anywhere(world, rng), floor };
      if (out.every((o) => o.floor !== floor || Math.hypot(o.x - place.x, o.y - place.y) > apartM)) break;
    }
    out.push(place);
  }
  return out;
}

/** A field of spread 1: smooth, or with exponential correlation (Gaussian waves scaled by a normal's inverse: a Cauchy spectrum). */
function field(lengthM: number, rough: boolean, rng: Rng): (x: number, y: number, z: number) => number {
  const waves = Array.from({ length: FEATURES }, () => {
    const scale = rough ? 1 / Math.max(0.02, Math.abs(rng.normal())) : 1;
    const k = [rng.normal() / lengthM, rng.normal() / lengthM, rng.normal() / lengthM].map((v) => scale * v);
    return { k, phase: 2 * Math.PI * rng.next() };
  });
  return (x, y, z) =>
    Math.sqrt(2 / FEATURES) *
    waves.reduce((sum, w) => sum + Math.cos(w.k[0]! * x + w.k[1]! * y + w.k[2]! * z + w.phase), 0);
}

/** A field of spread 1 for each receiver. */
function fields(world: SurveyWorld, count: number, rng: Rng): (k: number, at: Place) => number {
  const own = Array.from({ length: count }, () => field(world.shadowM, world.rough ?? false, rng));
  return (k, { x, y, floor }) => own[k]!(x, y, floor * STOREY_M);
}

/** Means in dB over whole spans of so many ms, a receiver each, at the span's end. */
function meansOf(rows: readonly Row[], spanMs: number): Row[] {
  const sums = new Map<string, { t: number; k: number; sum: number; count: number }>();
  for (const { t, k, dbm } of rows) {
    const end = Math.ceil(t / spanMs) * spanMs;
    const own = sums.get(`${end} ${k}`) ?? { t: end, k, sum: 0, count: 0 };
    sums.set(`${end} ${k}`, { ...own, sum: own.sum + dbm, count: own.count + 1 });
  }
  return [...sums.values()].map(({ t, k, sum, count }) => ({ t, k, dbm: Math.round(sum / count) }));
}

/** The mean level of each receiver at a place, dBm. */
function means(world: SurveyWorld, receivers: readonly Place[], rng: Rng): (k: number, at: Place) => number {
  const common = field(1.5 * world.shadowM, world.rough ?? false, rng);
  const own = receivers.map(() => field(world.shadowM, world.rough ?? false, rng));
  const offsets = receivers.map(() => world.offsetDb * rng.normal());
  return (k, { x, y, floor }) => {
    const r = receivers[k]!;
    const z = floor * STOREY_M + 1.2;
    const d = Math.max(1, Math.hypot(x - r.x, y - r.y, z - (r.floor * STOREY_M + 2.5)));
    const shadow = world.shadowDb * (0.85 * own[k]!(x, y, z) + 0.5 * common(x, y, z));
    const slabs = SLAB_DB * Math.abs(floor - r.floor);
    return POWER_DBM + offsets[k]! - 10 * world.exponent * Math.log10(d) - slabs + shadow;
  };
}

/** From one place to the next at 1 m/s where nothing else is said, half the time with 10 s of standing; now and then by the stairs. */
function walked(world: SurveyWorld, startMs: number, rng: Rng): (tMs: number) => Place {
  const stops: (PathPoint & { readonly floor: number })[] = [];
  let at: Place = { x: world.sizeM[0] / 2, y: world.sizeM[1] / 2, floor: 0 };
  let t = startMs;
  const stop = () => stops.push({ t, x_m: at.x, y_m: at.y, floor: at.floor });
  stop();
  while (t < startMs + TRACK_MS) {
    const next = { ...anywhere(world, rng), floor: at.floor };
    t += (1000 * Math.hypot(next.x - at.x, next.y - at.y)) / (world.pace ?? 1);
    at = next;
    stop();
    if (rng.next() < 0.5) {
      t += 10_000;
      stop();
    }
    if (world.floors > 1 && rng.next() < 0.3) {
      t += 4000;
      const up = rng.next() < 0.5 ? 1 : -1;
      at = { ...at, floor: Math.min(world.floors - 1, Math.max(0, at.floor + up)) };
      stop();
    }
  }
  return (tMs) => {
    const { x, y, from } = positionAt(stops, tMs);
    return { x, y, floor: from.floor };
  };
}

/** Zones of some 5 m by 5 m, no walls. */
function siteOf(world: SurveyWorld, receivers: readonly Place[], [x, y]: readonly [number, number]): string {
  const [nx, ny] = [Math.round(x / 5), Math.max(1, Math.round(y / 5))];
  const floors = Array.from({ length: world.floors }, (_, level) => ({
    id: String(level),
    level,
    z_m: Number((level * STOREY_M).toFixed(2)),
    height_m: 3,
  }));
  const zones = floors.flatMap(({ id }) =>
    Array.from({ length: nx * ny }, (_, n) => {
      const [i, j] = [n % nx, Math.floor(n / nx)];
      const corner = (di: number, dj: number) => [(x * (i + di)) / nx, (y * (j + dj)) / ny];
      const polygon = [corner(0, 0), corner(1, 0), corner(1, 1), corner(0, 1)];
      return { id: `f${id}-${i}-${j}`, block: "b", floor: id, kind: "cell", polygon };
    }),
  );
  const sensors = receivers.map((r, k) => ({
    id: `s${k}`,
    block: "b",
    floor: String(r.floor),
    type: "rf",
    position_m: [Number(r.x.toFixed(2)), Number(r.y.toFixed(2)), 2.5],
    bands: [BAND],
  }));
  const name = "survey";
  return JSON.stringify({
    id: name,
    name,
    timezone: "UTC",
    band_plan: "eu",
    blocks: [{ id: "b", name: "b" }],
    floors,
    zones,
    sensors,
  });
}
