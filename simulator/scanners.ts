/** Portal passes and cell searches with the published hit and false-alarm rates of each method. */
import { readFileSync } from "node:fs";
import type { SimMessage } from "./engine.ts";
import { type Prng, stream } from "./prng.ts";
import { type Scenario, ScenarioError } from "./scenario.ts";
import type { SimScanner, SimSite } from "./site.ts";

interface Method {
  readonly hit: number;
  readonly false_alarm: number;
}
const METHODS = (
  JSON.parse(readFileSync(new URL("./data/scanners.json", import.meta.url), "utf8")) as {
    methods: Record<string, Method>;
  }
).methods;

/** Scan messages of one run, latest first. */
export function scanMessages(
  site: SimSite,
  scenario: Scenario,
  seed: number,
  base: string,
  startMs: number,
): SimMessage[] {
  const spec = scenario.scanners;
  if (!spec) return [];
  const out: SimMessage[] = [];
  const seq = new Map<string, number>();
  const add = (scanner: SimScanner, at: number, place: string | null, present: boolean, rng: Prng): void => {
    const n = seq.get(scanner.id) ?? 0;
    seq.set(scanner.id, n + 1);
    const ts = Math.round(startMs + at);
    const body = { v: 1, boot: 1, seq: n, ts, ...scanResult(scanner, place, present, rng) };
    out.push({
      t: ts,
      topic: `${base}/${scanner.block}/${scanner.id}/scan`,
      payload: JSON.stringify(body),
      retain: false,
    });
  };
  const events: { at: number; run: () => void }[] = [];
  for (const scanner of site.scanners.filter((s) => s.place !== null)) {
    const rng = stream(seed, `scanner/${scanner.id}`);
    for (let t = 0; spec.passes_per_h > 0; ) {
      t += (rng.exponential() * 3_600_000) / spec.passes_per_h;
      if (t >= scenario.duration_s * 1000) break;
      const carries = rng.chance(spec.carry_share);
      const draw = stream(seed, `pass/${scanner.id}/${events.length}`);
      events.push({ at: t, run: () => add(scanner, t, scanner.place, carries, draw) });
    }
  }
  const hand = site.scanners.find((s) => s.place === null);
  for (const [i, search] of spec.searches.entries()) {
    if (!hand) throw new ScenarioError("scanners.searches: the site has no hand-held scanner (one without a place)");
    const draw = stream(seed, `search/${i}`);
    events.push({
      at: search.at_s * 1000,
      run: () => add(hand, search.at_s * 1000, search.place, search.hidden, draw),
    });
  }
  for (const event of events.sort((a, b) => a.at - b.at)) event.run();
  return out.reverse();
}

const BODY_ZONES = ["left-arm", "right-arm", "chest", "waist", "left-thigh", "right-thigh", "left-foot", "right-foot"];

/** Payload of one result, less its counters and time: drawn with the method's rates. */
export function scanResult(
  scanner: Pick<SimScanner, "method">,
  place: string | null,
  present: boolean,
  rng: Prng,
): Record<string, unknown> {
  const rates = METHODS[scanner.method] as Method;
  const alarm = rng.chance(present ? rates.hit : rates.false_alarm);
  const score = Math.round(100 * (alarm ? rng.range(0.5, 1) : rng.range(0, 0.5))) / 100;
  const common = { method: scanner.method, ...(place === null ? {} : { place }), alarm, score };
  if (scanner.method === "nljd") {
    // Semiconductors answer at the second harmonic, corroded joints at the third.
    const strong = Math.round(rng.range(-70, -50));
    const weak = strong - Math.round(rng.range(12, 26));
    const second = present || rng.chance(0.3);
    return { ...common, h2_db: alarm ? (second ? strong : weak) : -95, h3_db: alarm ? (second ? weak : strong) : -98 };
  }
  if (scanner.method === "ferromagnetic") {
    return { ...common, peak_ut: Math.round(10 * (alarm ? rng.range(1.5, 6) : rng.range(0.05, 0.9))) / 10 };
  }
  if (scanner.method === "mmwave") return { ...common, zones: alarm ? [{ zone: rng.pick(BODY_ZONES), score }] : [] };
  return common;
}
