/**
 * `node bin/bench.js worlds [SEED,...] [WAY,...]`: blocks that share nothing with the simulator or the localiser (`plain-block.ts`),
 * 25 minutes each with calls, texts, staff who walk and phones in the street, told in several ways: by peaks and means, by one of them,
 * in whole decibels, by sensors that report only what they hear, without births, and from the middle of a call on. Prints by way how
 * many uses were found, false and doubled alerts, right cells, and the median time to the alert; then what alerts state of their last place against
 * where the phone was, as `reliability` does. Cost: 5 to 20 s a seed and way.
 */
import { matchRun, summarise } from "../../simulator/score.ts";
import { type ReplaySource, replayInProcess } from "../../src/replay.ts";
import { parseSite } from "../../src/site.ts";
import { percentOf } from "../support/percent.ts";
import { LAST_S, type PlainBlock, plainBlock, type Reading, START_MS } from "./plain-block.ts";
import { STATED_COLUMNS, Stated } from "./stated.ts";

/** Quieter than this a sensor that reports only what it hears says nothing, dBm. */
const HEARS_DBM = -92;
/** A service that starts then meets the first calls in its learning. */
const COLD_S = 75;

type Column = "rms_dbm" | "peak_dbm" | "duty";
interface Way {
  readonly columns: readonly Column[];
  readonly round?: boolean;
  readonly events?: boolean;
  readonly births?: boolean;
  readonly fromS?: number;
}
const ALL: readonly Column[] = ["rms_dbm", "peak_dbm", "duty"];
const WAYS: Readonly<Record<string, Way>> = {
  all: { columns: ALL },
  means: { columns: ["rms_dbm"] },
  peaks: { columns: ["peak_dbm"] },
  "whole dB": { columns: ALL, round: true },
  events: { columns: ALL, events: true },
  "no births": { columns: ALL, births: false },
  cold: { columns: ALL, fromS: COLD_S },
};

const [seeds = "101,102,103,104", only = ""] = process.argv.slice(2);

/** The messages of a block told in a way. */
function told(block: PlainBlock, readings: readonly Reading[], way: Way): ReplaySource {
  const encoder = new TextEncoder();
  const topic = (s: number, kind: string) => `cellward/v1/w/b1/${block.sensors[s]}/${kind}`;
  const message = (t: number, to: string, payload: object) => ({
    t,
    topic: to,
    payload: encoder.encode(JSON.stringify(payload)),
  });
  const fromMs = START_MS + 1000 * (way.fromS ?? 0);
  async function* batches() {
    if (way.births !== false) {
      const period_ms = way.events ? 0 : block.periodMs;
      const birth = {
        v: 1,
        boot: 1,
        ts: fromMs,
        type: "rf",
        period_ms,
        dwell_ms: 5,
        revisit_ms: 50,
        bands: block.bands,
      };
      yield block.sensors.map((_, s) => message(fromMs, topic(s, "birth"), birth));
    }
    const next = block.sensors.map(() => 0);
    for (const reading of readings) {
      if (reading.tsMs < fromMs) continue;
      const { sensor, tsMs, atMs } = reading;
      const step = (v: number) => (way.round ? Math.round(v) : v);
      const r = block.bands.flatMap(({ id }, b) => {
        if (way.events && reading.peakDbm[b]! <= HEARS_DBM) return [];
        const values = {
          rms_dbm: step(reading.rmsDbm[b]!),
          peak_dbm: step(reading.peakDbm[b]!),
          duty: reading.duty[b]!,
        };
        return [{ b: id, ...Object.fromEntries(way.columns.map((c) => [c, values[c]])) }];
      });
      if (r.length === 0) continue;
      yield [message(atMs, topic(sensor, "reading"), { v: 1, boot: 1, seq: next[sensor]!++, ts: tsMs, r })];
    }
  }
  return { header: { cellward_trace: 1, site: "w", start: START_MS }, batches };
}

const rows = new Map<string, ReturnType<typeof matchRun>[]>();
for (const seed of seeds.split(",").map(Number)) {
  const block = plainBlock(seed);
  const parsed = parseSite(JSON.stringify(block.site), "plain.json");
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const { site } = parsed;
  const readings = block.readings();
  for (const [name, way] of Object.entries(WAYS)) {
    if (only !== "" && !only.split(",").includes(name)) continue;
    const { alerts } = await replayInProcess(told(block, readings, way), { site });
    const truth = block.truth as Parameters<typeof matchRun>[0]["truth"];
    const run = { alerts, truth, site, fromMs: START_MS, untilMs: START_MS + 1000 * LAST_S, run: `${seed}` };
    rows.set(name, [...(rows.get(name) ?? []), matchRun(run)]);
  }
}
process.stdout.write(
  "| told | uses | found | false: outside, staff, else | doubled | right cell | among three | time to alert |\n|---|---:|---:|---:|---:|---:|---:|---:|\n",
);
for (const [name, runs] of rows) {
  const { detection, alerts, location, delay_s } = summarise(runs);
  const { hits, n } = detection.uses;
  const { outside = 0, staff = 0 } = alerts.false_by_cause;
  const right = (of: { hits?: number; n: number }) => percentOf(of.hits ?? 0, of.n);
  const wrong = `${outside}, ${staff}, ${alerts.false - outside - staff}`;
  const cells = [
    n,
    percentOf(hits ?? 0, n),
    wrong,
    alerts.doubles,
    right(location.top1),
    right(location.top3),
    `${delay_s.p50?.toFixed(1)} s`,
  ];
  process.stdout.write(`| ${[name, ...cells].join(" | ")} |\n`);
}
process.stdout.write(`\n| told | ${STATED_COLUMNS.join(" | ")} |\n|---|${STATED_COLUMNS.map(() => "---|").join("")}\n`);
for (const [name, runs] of rows) {
  const stated = new Stated();
  for (const { uses } of runs) stated.add(uses, "last");
  process.stdout.write(`| ${[name, ...stated.columns()].join(" | ")} |\n`);
}
