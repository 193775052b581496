/**
 * The ways in which the sensors of a plain block (`plain-block.ts`) tell what they measured: which values, how rounded, how often, by
 * which clock, one by one or in batches, with what lost or late, and as one block or two. The world is the same in all of them.
 */
import type { ReplaySource } from "../../src/replay.ts";
import { mulberry32 } from "../support/noise.ts";
import { LAST_S, type PlainBlock, type Reading, START_MS } from "./plain-block.ts";

/** Quieter than this a sensor that reports only what it hears says nothing, dBm. */
const HEARS_DBM = -92;
/** A service that starts then meets the first calls in its learning. */
const COLD_S = 75;
/** A batch of a gateway that saves on messages spans this, ms. */
const BATCH_MS = 10_000;
/** When a third of the sensors cannot send, and when their gateway delivers what it kept, s. */
const CUT_S = [600, 780] as const;
/** When a fifth of the sensors fall silent for good, s. */
const DEAD_S = 500;
/** Clocks are off by up to this and drift by up to that: unsynchronised quartz, ms and parts per million. */
const CLOCK_OFF_MS = 400;
const CLOCK_PPM = 40;
/** Floors go up and down with the temperature of a receiver's front end: amplitude, dB, and period, s. */
const FLOOR_DB = 2;
const FLOOR_S = 3600;

type Column = "rms_dbm" | "peak_dbm" | "duty";
const ALL: readonly Column[] = ["rms_dbm", "peak_dbm", "duty"];

type Point = readonly [number, number];
interface Zone {
  readonly id: string;
  readonly block?: string;
  readonly polygon: readonly Point[];
}
interface PlainSite {
  readonly walls: readonly { readonly from: Point; readonly to: Point }[];
  readonly blocks: readonly object[];
  readonly zones: readonly Zone[];
  readonly sensors: readonly {
    readonly id: string;
    readonly block: string;
    readonly position_m: readonly [number, number, number];
  }[];
}

interface Way {
  readonly columns?: readonly Column[];
  readonly round?: boolean;
  readonly events?: boolean;
  readonly births?: boolean;
  readonly fromS?: number;
  readonly batches?: boolean;
  /** What becomes of the site file, and of the points of the truth. */
  readonly site?: (site: PlainSite) => PlainSite;
  readonly point?: (xM: number, yM: number) => readonly [number, number];
  /** What becomes of the readings; null: it never arrives. */
  readonly becomes?: (reading: Reading) => Reading | null;
}

/** A number between 0 and 1 of a sensor, the same at each reading. */
const of = (sensor: number, purpose: number) => mulberry32(1000 * purpose + sensor)();

const plus = (values: readonly number[], db: number) => values.map((v) => Math.round(10 * (v + db)) / 10);

export const WAYS: Readonly<Record<string, Way>> = {
  all: {},
  means: { columns: ["rms_dbm"] },
  peaks: { columns: ["peak_dbm"] },
  "whole dB": { round: true },
  events: { events: true },
  "no births": { births: false },
  cold: { fromS: COLD_S },
  batches: { batches: true },
  /** The right half of the block is a block of its own. */
  blocks: { site: inTwo },
  /** The plan in the coordinates of a country's survey, and not along its axes. */
  turned: { site: (site) => moved(site, surveyed), point: surveyed },
  /** Half of the sensors report every fourth instant. */
  mixed: { becomes: (r) => (r.sensor % 2 === 1 && r.seq % 4 !== 0 ? null : r) },
  clocks: {
    becomes: (r) => {
      const driftMs = (r.tsMs - START_MS) * 1e-6 * CLOCK_PPM * (2 * of(r.sensor, 2) - 1);
      return { ...r, tsMs: Math.round(r.tsMs + CLOCK_OFF_MS * (2 * of(r.sensor, 1) - 1) + driftMs) };
    },
  },
  /** One reading in twelve never arrives. */
  lossy: { becomes: (r) => (of(r.sensor, 10 + r.seq) < 1 / 12 ? null : r) },
  cut: {
    becomes: (r) => {
      const [fromMs, toMs] = CUT_S.map((s) => START_MS + 1000 * s) as [number, number];
      const kept = r.sensor % 3 === 0 && r.atMs >= fromMs && r.atMs < toMs;
      return kept ? { ...r, atMs: toMs + Math.floor((r.atMs - fromMs) / 20) } : r;
    },
  },
  dead: { becomes: (r) => (r.sensor % 5 === 2 && r.atMs > START_MS + 1000 * DEAD_S ? null : r) },
  drift: {
    becomes: (r) => {
      const phase = 2 * Math.PI * ((r.tsMs - START_MS) / 1000 / FLOOR_S + of(r.sensor, 3));
      const db = FLOOR_DB * Math.sin(phase);
      return { ...r, rmsDbm: plus(r.rmsDbm, db), peakDbm: plus(r.peakDbm, db) };
    },
  },
};

/** The site with its right half a block of its own; corridors are cut in two where the blocks meet. */
function inTwo(site: PlainSite): PlainSite {
  const inside = site.zones.filter((z) => z.block !== undefined);
  const rights = [...new Set(inside.flatMap((z) => z.polygon.map((p) => p[0])))].sort((a, b) => a - b);
  // A line between cells: some cell ends there.
  const middle = rights[Math.floor(rights.length / 2)]!;
  const zones = site.zones.flatMap((zone): Zone[] => {
    const xs = zone.polygon.map((p) => p[0]);
    if (zone.block === undefined || Math.max(...xs) <= middle) return [zone];
    if (Math.min(...xs) >= middle) return [{ ...zone, block: "b2" }];
    const clamped = (lo: number, hi: number) => zone.polygon.map(([x, y]): Point => [Math.min(hi, Math.max(lo, x)), y]);
    const [lo, hi] = [Math.min(...xs), Math.max(...xs)];
    return [
      { ...zone, polygon: clamped(lo, middle) },
      { ...zone, id: `${zone.id}-2`, block: "b2", polygon: clamped(middle, hi) },
    ];
  });
  const sensors = site.sensors.map((s) => ({ ...s, block: s.position_m[0] < middle ? "b1" : "b2" }));
  return { ...site, blocks: [...site.blocks, { id: "b2", name: "B2" }], zones, sensors };
}

/** Turned by 30 degrees, on a French map (Lambert 93). */
function surveyed(xM: number, yM: number): Point {
  const [cos, sin] = [Math.sqrt(3) / 2, 0.5];
  return [652_000 + cos * xM - sin * yM, 6_862_000 + sin * xM + cos * yM];
}

function moved(site: PlainSite, to: (xM: number, yM: number) => Point): PlainSite {
  return {
    ...site,
    zones: site.zones.map((z) => ({ ...z, polygon: z.polygon.map(([x, y]) => to(x, y)) })),
    walls: site.walls.map((w) => ({ ...w, from: to(...w.from), to: to(...w.to) })),
    sensors: site.sensors.map(({ position_m: [x, y, z], ...s }) => ({ ...s, position_m: [...to(x, y), z] })),
  };
}

/** The site of a block told in a way. */
export function siteTold(block: PlainBlock, way: Way): PlainSite {
  const site = block.site as PlainSite;
  return way.site?.(site) ?? site;
}

/** The truth in the coordinates of that site. */
export function truthTold(block: PlainBlock, way: Way): readonly object[] {
  if (way.point === undefined) return block.truth;
  return (block.truth as { x_m: number; y_m: number }[]).map((episode) => {
    const [x_m, y_m] = way.point!(episode.x_m, episode.y_m);
    return { ...episode, x_m, y_m };
  });
}

type Message = { readonly t: number; readonly topic: string; readonly payload: Uint8Array };

/** The messages of a block told in a way. */
export function told(block: PlainBlock, readings: readonly Reading[], way: Way): ReplaySource {
  const encoder = new TextEncoder();
  const blockOf = new Map(siteTold(block, way).sensors.map((s) => [s.id, s.block]));
  const message = (t: number, s: number, kind: string, payload: object): Message => {
    const id = block.sensors[s]!;
    return {
      t,
      topic: `cellward/v1/w/${blockOf.get(id)}/${id}/${kind}`,
      payload: encoder.encode(JSON.stringify(payload)),
    };
  };
  const fromMs = START_MS + 1000 * (way.fromS ?? 0);
  const step = (v: number) => (way.round ? Math.round(v) : v);
  const columns = way.columns ?? ALL;
  const valuesOf = (reading: Reading, b: number) => ({
    rms_dbm: step(reading.rmsDbm[b]!),
    peak_dbm: step(reading.peakDbm[b]!),
    duty: reading.duty[b]!,
  });
  const births = () =>
    block.sensors.map((_, s) =>
      message(fromMs, s, "birth", {
        v: 1,
        boot: 1,
        ts: fromMs,
        type: "rf",
        period_ms: way.events ? 0 : block.periodMs,
        dwell_ms: 5,
        revisit_ms: 50,
        bands: block.bands,
      }),
    );
  const single = (reading: Reading, seq: number): Message | null => {
    const r = block.bands.flatMap(({ id }, b) => {
      if (way.events && reading.peakDbm[b]! <= HEARS_DBM) return [];
      const values = valuesOf(reading, b);
      return [{ b: id, ...Object.fromEntries(columns.map((c) => [c, values[c]])) }];
    });
    if (r.length === 0) return null;
    return message(reading.atMs, reading.sensor, "reading", { v: 1, boot: 1, seq, ts: reading.tsMs, r });
  };
  /** Ten seconds of a sensor by columns, when the last of them is measured. */
  const batch = (of: readonly Reading[], seq: number): Message => {
    const [first, last] = [of[0]!, of.at(-1)!];
    const rows = columns.map((c) => [c, block.bands.map((_, b) => of.map((r) => valuesOf(r, b)[c]))]);
    const bands = block.bands.map((b) => b.id);
    const payload = { v: 1, boot: 1, seq, ts: first.tsMs, dt_ms: block.periodMs, bands, ...Object.fromEntries(rows) };
    return message(last.atMs, first.sensor, "readings", payload);
  };
  function* messages(): Generator<Message> {
    const next = block.sensors.map(() => 0);
    const open = block.sensors.map((): Reading[] => []);
    for (const reading of arrived(readings, way)) {
      if (reading.tsMs < fromMs) continue;
      const { sensor } = reading;
      if (!way.batches) {
        const made = single(reading, next[sensor]!);
        if (made === null) continue;
        next[sensor]!++;
        yield made;
        continue;
      }
      const of = open[sensor]!;
      of.push(reading);
      if (of.length * block.periodMs < BATCH_MS) continue;
      yield batch(of, next[sensor]!);
      next[sensor]! += of.length;
      open[sensor] = [];
    }
  }
  async function* batches() {
    if (way.births !== false) yield births();
    for (const one of messages()) yield [one];
  }
  return { header: { cellward_trace: 1, site: "w", start: START_MS }, batches };
}

/** What arrives of the readings, in order of arrival. */
function arrived(readings: readonly Reading[], way: Way): readonly Reading[] {
  const { becomes } = way;
  if (becomes === undefined) return readings;
  const left = readings.flatMap((reading) => becomes(reading) ?? []);
  return left.sort((a, b) => a.atMs - b.atMs || a.sensor - b.sensor || a.seq - b.seq);
}

export const untilMs = START_MS + 1000 * LAST_S;
