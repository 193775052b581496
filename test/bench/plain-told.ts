/**
 * A plain block (`plain-block.ts`) as its sensors tell it in one of the ways of `plain-ways.ts`: site file, truth and messages. The world is the same
 * in all of them.
 */
import { pointInPolygon } from "../../simulator/geometry.ts";
import type { ReplaySource } from "../../src/replay.ts";
import { LAST_S, type PlainBlock, plainBlock, type Reading, START_MS } from "./plain-block.ts";
import type { PlainSite } from "./plain-plans.ts";
import { ALL, type Way } from "./plain-ways.ts";

/** Quieter than this a sensor that reports only what it hears says nothing, dBm. */
const HEARS_DBM = -92;
/** A batch of a gateway that saves on messages spans this, ms. */
const BATCH_MS = 10_000;
/** What is sent twice comes again so much later, ms. */
const AGAIN_MS = 300;

/** The site of a block told in a way. */
export function siteTold(block: PlainBlock, way: Way): PlainSite {
  const site = block.site as PlainSite;
  const told = way.site?.(site) ?? site;
  const { label } = way;
  if (label === undefined) return told;
  return { ...told, band_plan: "us", sensors: told.sensors.map((s) => ({ ...s, bands: s.bands.map(label) })) };
}

interface Episode {
  readonly x_m: number;
  readonly y_m: number;
  readonly floor: string;
  readonly cell: string | null;
  readonly band: string;
}

/** The truth in the coordinates of that site, with its cells and its names of bands. */
export function truthTold(block: PlainBlock, way: Way): readonly object[] {
  const site = siteTold(block, way);
  return (block.truth as Episode[]).map((episode) => {
    const [x_m, y_m] = way.point?.(episode.x_m, episode.y_m) ?? [episode.x_m, episode.y_m];
    const holds = site.zones.filter((z) => z.floor === episode.floor && pointInPolygon(x_m, y_m, z.polygon));
    const known = site.zones.some((z) => z.id === episode.cell);
    const held = holds.find((z) => z.id === episode.cell) ?? holds.find((z) => z.kind === "cell");
    // Whoever walks was in a corridor, whether the plan has one or not.
    const cell = held?.id ?? (known ? episode.cell : null);
    return { ...episode, x_m, y_m, cell, band: way.label?.(episode.band) ?? episode.band };
  });
}

/** What the sensors of a block measure that report so often, in order of arrival. */
export function readingsOf(seed: number, block: PlainBlock, periodMs: number): readonly Reading[] {
  return periodMs < block.periodMs
    ? plainBlock(seed, periodMs).readings()
    : joined(block.readings(), block.periodMs, periodMs);
}

/** One reading of many: their mean power, highest peak and mean duty. */
function joined(readings: readonly Reading[], fromMs: number, periodMs: number): Reading[] {
  const each = periodMs / fromMs;
  const open = new Map<number, Reading[]>();
  const meanDbm = (values: readonly number[]) =>
    Math.round(100 * Math.log10(values.reduce((sum, v) => sum + 10 ** (v / 10), 0) / values.length)) / 10;
  return readings.flatMap((reading): Reading[] => {
    const of = [...(open.get(reading.sensor) ?? []), reading];
    open.set(reading.sensor, of.length === each ? [] : of);
    if (of.length < each) return [];
    const column = (c: "rmsDbm" | "peakDbm" | "duty", to: (values: number[]) => number) =>
      reading[c].map((_, b) => to(of.map((r) => r[c][b]!)));
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    return [
      {
        ...reading,
        seq: Math.floor(reading.seq / each),
        rmsDbm: column("rmsDbm", meanDbm),
        peakDbm: column("peakDbm", (v) => Math.max(...v)),
        duty: column("duty", mean),
      },
    ];
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
  const periodMs = way.periodMs ?? block.periodMs;
  const fromMs = START_MS + 1000 * (way.fromS ?? 0);
  const [offMs, onMs] = (way.offS ?? [LAST_S, LAST_S]).map((s) => START_MS + 1000 * s) as [number, number];
  const step = (v: number) => (way.round ? Math.round(v) : v);
  const columns = way.columns ?? ALL;
  const label = (b: number) => way.label?.(block.bands[b]!.id) ?? block.bands[b]!.id;
  const has = (s: number, seq: number, b: number) => way.has?.(s, seq, b) !== false;
  const valuesOf = (reading: Reading, b: number) => ({
    rms_dbm: step(reading.rmsDbm[b]!),
    peak_dbm: step(reading.peakDbm[b]!),
    duty: reading.duty[b]!,
  });
  const births = (boot: number, ts: number) =>
    block.sensors.map((_, s) =>
      message(ts, s, "birth", {
        v: 1,
        boot,
        ts,
        type: "rf",
        period_ms: way.events ? 0 : periodMs,
        dwell_ms: 5,
        revisit_ms: 50,
        bands: block.bands.map((band, b) => ({ ...band, id: label(b) })),
      }),
    );
  const wills = () =>
    block.sensors.map((_, s) => message(offMs, s, "state", { online: false, boot: 1, ts: offMs, reason: "lost" }));
  const bootOf = (reading: Reading) => (reading.tsMs < onMs ? 1 : 2);
  const single = (reading: Reading, seq: number): Message | null => {
    const r = block.bands.flatMap((_, b) => {
      if ((way.events && reading.peakDbm[b]! <= HEARS_DBM) || !has(reading.sensor, reading.seq, b)) return [];
      const values = valuesOf(reading, b);
      return [
        {
          b: label(b),
          ...Object.fromEntries(columns.flatMap((c) => (way.lacks?.(reading, c) ? [] : [[c, values[c]]]))),
        },
      ];
    });
    if (r.length === 0) return null;
    return message(reading.atMs + (way.lateMs?.(reading) ?? 0), reading.sensor, "reading", {
      v: 1,
      boot: bootOf(reading),
      seq,
      ts: reading.tsMs,
      r,
    });
  };
  /** Ten seconds of a sensor by columns, when the last of them is measured. */
  const batch = (of: readonly Reading[], seq: number): Message => {
    const [first, last] = [of[0]!, of.at(-1)!];
    const rows = columns.map((c) => [c, block.bands.map((_, b) => of.map((r) => valuesOf(r, b)[c]))]);
    const bands = block.bands.map((_, b) => label(b));
    const payload = {
      v: 1,
      boot: bootOf(first),
      seq,
      ts: first.tsMs,
      dt_ms: periodMs,
      bands,
      ...Object.fromEntries(rows),
    };
    return message(last.atMs, first.sensor, "readings", payload);
  };
  function* messages(): Generator<Message> {
    const next = block.sensors.map(() => 0);
    const open = block.sensors.map((): Reading[] => []);
    let boot = 1;
    for (const reading of arrived(block, readings, way)) {
      if (reading.tsMs < fromMs || (reading.tsMs >= offMs && reading.tsMs < onMs)) continue;
      if (bootOf(reading) !== boot) {
        boot = bootOf(reading);
        yield* wills();
        yield* births(boot, onMs);
        next.fill(0);
      }
      const { sensor } = reading;
      if (!way.batches) {
        const made = single(reading, next[sensor]!);
        if (made === null) continue;
        next[sensor]!++;
        if (way.lost?.(reading) !== true) yield made;
        continue;
      }
      const of = open[sensor]!;
      of.push(reading);
      if (of.length * periodMs < BATCH_MS) continue;
      yield batch(of, next[sensor]!);
      next[sensor]! += of.length;
      open[sensor] = [];
    }
  }
  async function* batches() {
    if (way.births !== false) yield births(1, fromMs);
    const sent = way.lateMs === undefined ? messages() : [...messages()].sort((a, b) => a.t - b.t);
    for (const one of way.twice ? again(sent) : sent) yield [one];
  }
  return { header: { cellward_trace: 1, site: "w", start: START_MS }, batches };
}

/** Each message, and once more a little later. */
function* again(messages: Iterable<Message>): Generator<Message> {
  const waiting: Message[] = [];
  for (const message of messages) {
    while (waiting.length > 0 && waiting[0]!.t <= message.t) yield waiting.shift()!;
    yield message;
    waiting.push({ ...message, t: message.t + AGAIN_MS });
  }
  yield* waiting;
}

/** What arrives of the readings, in order of arrival. */
function arrived(block: PlainBlock, readings: readonly Reading[], way: Way): readonly Reading[] {
  const { becomes } = way;
  if (becomes === undefined) return readings;
  const left = readings.flatMap((reading) => becomes(reading, block) ?? []);
  return left.sort((a, b) => a.atMs - b.atMs || a.sensor - b.sensor || a.seq - b.seq);
}

export const untilMs = START_MS + 1000 * LAST_S;
