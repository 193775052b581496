/**
 * When a phone is on the air: the burst structure of each service, and how much of it a dwell of a scanning receiver
 * meets. Figures are in data/air.json with their sources.
 */
import { readFileSync } from "node:fs";
import type { Prng } from "./prng.ts";

interface AirTable {
  readonly gsm: {
    readonly frame_ms: number;
    readonly slot_ms: number;
    readonly access_ms: number;
    readonly talk_mean_ms: number;
    readonly pause_mean_ms: number;
  };
  readonly lte: {
    readonly subframe_ms: number;
    readonly volte_ms: number;
    readonly volte_silence_ms: number;
    readonly tau_subframes: number;
    readonly tail_mean_ms: number;
    readonly tail_period_ms: number;
  };
}
export const AIR = JSON.parse(readFileSync(new URL("./data/air.json", import.meta.url), "utf8")) as AirTable;

/** Kinds of regular pattern within a segment. */
type Pattern = "steady" | "tch" | "dtx" | "sdcch" | "periodic" | "list";

interface Segment {
  readonly from: number;
  readonly to: number;
  readonly pattern: Pattern;
  /** Time of frame 0, or of the first burst. */
  readonly phase: number;
  readonly period: number;
  readonly length: number;
  /** Begins of bursts, sorted, for "list". */
  readonly starts?: Float64Array;
}

/** On-air time as a function of time. Times are simulated ms. */
export class OnAir {
  private readonly segments: readonly Segment[];

  constructor(segments: readonly Segment[]) {
    this.segments = segments;
  }

  /** Calls `burst(begin, end)` for every stretch on the air within [t0, t1). */
  bursts(t0: number, t1: number, burst: (begin: number, end: number) => void): void {
    for (const s of this.segments) {
      if (s.to <= t0) continue;
      if (s.from >= t1) break;
      each(s, Math.max(t0, s.from), Math.min(t1, s.to), burst);
    }
  }

  /** Milliseconds on the air within [t0, t1). */
  overlap(t0: number, t1: number): number {
    let sum = 0;
    this.bursts(t0, t1, (begin, end) => {
      sum += end - begin;
    });
    return sum;
  }
}

/**
 * Running sum of on-air time over a span, on a grid: what a dwell meets is the difference of two look-ups, however many
 * sensors ask. Between grid points it is linear, so a burst's edge is blurred by a grid step.
 */
export class AirMap {
  private readonly sums: Float64Array;
  private readonly stepMs: number;
  private from = 0;

  constructor(spanMs: number, stepMs: number) {
    this.stepMs = stepMs;
    this.sums = new Float64Array(Math.ceil(spanMs / stepMs) + 2);
  }

  /** Lays the map out anew from `from` on. */
  fill(air: OnAir, from: number): void {
    const { sums, stepMs } = this;
    const to = from + (sums.length - 1) * stepMs;
    this.from = from;
    sums.fill(0);
    air.bursts(from, to, (begin, end) => {
      let at = begin;
      for (let i = Math.floor((begin - from) / stepMs); at < end; i++) {
        const edge = Math.min(end, from + (i + 1) * stepMs);
        sums[i + 1] = (sums[i + 1] as number) + edge - at;
        at = edge;
      }
    });
    for (let i = 1; i < sums.length; i++) sums[i] = (sums[i] as number) + (sums[i - 1] as number);
  }

  /** Milliseconds on the air within [t0, t1), both within the span. */
  overlap(t0: number, t1: number): number {
    return this.until(t1) - this.until(t0);
  }

  private until(t: number): number {
    const x = (t - this.from) / this.stepMs;
    const i = Math.max(0, Math.min(this.sums.length - 2, Math.floor(x)));
    const low = this.sums[i] as number;
    return low + (x - i) * ((this.sums[i + 1] as number) - low);
  }
}

/** Calls `burst(begin, end)` for every stretch on the air within [a, b) of a segment. */
function each(s: Segment, a: number, b: number, burst: (begin: number, end: number) => void): void {
  if (s.pattern === "steady") {
    burst(a, b);
    return;
  }
  if (s.pattern === "list") {
    eachOfList(s, a, b, burst);
    return;
  }
  for (let k = Math.floor((a - s.phase - s.length) / s.period) + 1; ; k++) {
    const begin = s.phase + k * s.period;
    if (begin >= b) break;
    if (!active(s.pattern, k)) continue;
    const from = begin > a ? begin : a;
    const to = begin + s.length < b ? begin + s.length : b;
    if (to > from) burst(from, to);
  }
}

/** Whether frame k of the pattern carries a burst. Frame numbers count from the segment's phase. */
function active(pattern: Pattern, k: number): boolean {
  if (pattern === "periodic") return true;
  // Full-rate traffic: 26 frames a multiframe, one of them idle (SACCH is one of the rest).
  if (pattern === "tch") return mod(k, 26) !== 25;
  // Discontinuous: the SACCH burst of each 26 frames, and a silence descriptor of 8 bursts each 104 frames (480 ms).
  if (pattern === "dtx") return mod(k, 26) === 12 || (mod(k, 104) >= 52 && mod(k, 104) < 60);
  // SDCCH/8: a block of 4 bursts each 51 frames, and its SACCH block each 102.
  const in51 = mod(k, 51);
  return in51 < 4 || (mod(k, 102) >= 32 && mod(k, 102) < 36);
}

const mod = (k: number, n: number): number => ((k % n) + n) % n;

function eachOfList(s: Segment, a: number, b: number, burst: (begin: number, end: number) => void): void {
  const starts = s.starts as Float64Array;
  let lo = 0;
  let hi = starts.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if ((starts[mid] as number) + s.length <= a) lo = mid + 1;
    else hi = mid;
  }
  for (; lo < starts.length; lo++) {
    const begin = starts[lo] as number;
    if (begin >= b) break;
    burst(Math.max(a, begin), Math.min(b, begin + s.length));
  }
}

export type Service =
  | "gsm-voice"
  | "gsm-dtx"
  | "gsm-signalling"
  | "umts-voice"
  | "umts-data"
  | "volte"
  | "lte-data"
  | "lte-tau"
  | "steady"
  | "beacon";

export interface AirOptions {
  /** GSM call or text: length of the signalling before the traffic channel, ms. */
  readonly setupMs?: number;
  readonly frameMs?: number;
  /** Beacons: ms between them. */
  readonly periodMs?: number;
  /** A GSM call whose speaker never pauses. */
  readonly talking?: boolean;
}

/** The bursts of one transmission from `start` to `end` (simulated ms). */
export function onAir(service: Service, start: number, end: number, rng: Prng, options: AirOptions = {}): OnAir {
  const out: Segment[] = [];
  const steady = (from: number, to: number): void => {
    out.push({ from, to, pattern: "steady", phase: from, period: 0, length: 0 });
  };
  if (service.startsWith("gsm")) gsm(out, service, start, end, rng, options);
  else if (service === "volte")
    talkspurts(rng, start, end, (from, to, talking) => {
      const period = talking ? AIR.lte.volte_ms : AIR.lte.volte_silence_ms;
      out.push({
        from,
        to,
        pattern: "periodic",
        phase: from + rng.range(0, period),
        period,
        length: AIR.lte.subframe_ms,
      });
    });
  else if (service === "lte-data") data(out, start, end, rng);
  else if (service === "lte-tau") {
    const n = AIR.lte.tau_subframes;
    const starts = Float64Array.from({ length: n }, () => rng.range(start, Math.max(start, end - AIR.lte.subframe_ms)));
    out.push({
      from: start,
      to: end,
      pattern: "list",
      phase: start,
      period: 0,
      length: AIR.lte.subframe_ms,
      starts: starts.sort(),
    });
  } else if (service === "beacon") {
    const period = options.periodMs ?? 100;
    out.push({ from: start, to: end, pattern: "periodic", phase: start + rng.range(0, period), period, length: 0.4 });
  } else steady(start, end);
  return new OnAir(out);
}

function gsm(out: Segment[], service: Service, start: number, end: number, rng: Prng, options: AirOptions): void {
  const frame = options.frameMs ?? AIR.gsm.frame_ms;
  const slot = AIR.gsm.slot_ms;
  out.push({ from: start, to: start + AIR.gsm.access_ms, pattern: "steady", phase: start, period: 0, length: 0 });
  const begin = start + AIR.gsm.access_ms + rng.range(5, 60);
  const phase = begin + rng.range(0, frame) - frame * rng.below(102);
  const setup = service === "gsm-signalling" ? end - start : (options.setupMs ?? 0);
  const handover = Math.min(end, start + setup);
  if (handover > begin) out.push({ from: begin, to: handover, pattern: "sdcch", phase, period: frame, length: slot });
  if (handover >= end) return;
  // The traffic channel has another slot of the frame.
  const traffic = phase + rng.below(8) * slot - frame * rng.below(104);
  const from = Math.max(begin, handover);
  if (service === "gsm-dtx") {
    out.push({ from, to: end, pattern: "dtx", phase: traffic, period: frame, length: slot });
    return;
  }
  if (options.talking) {
    out.push({ from, to: end, pattern: "tch", phase: traffic, period: frame, length: slot });
    return;
  }
  talkspurts(rng, from, end, (a, b, talking) => {
    out.push({ from: a, to: b, pattern: talking ? "tch" : "dtx", phase: traffic, period: frame, length: slot });
  });
}

/** Cuts a call into talkspurts and pauses, both exponential. */
function talkspurts(
  rng: Prng,
  start: number,
  end: number,
  each: (a: number, b: number, talking: boolean) => void,
): void {
  let talking = rng.chance(0.5);
  for (let t = start; t < end; talking = !talking) {
    const mean = talking ? AIR.gsm.talk_mean_ms : AIR.gsm.pause_mean_ms;
    const to = Math.min(end, t + Math.max(100, mean * rng.exponential()));
    each(t, to, talking);
    t = to;
  }
}

/** A data session: bursts of dense traffic between waits, and a sparse tail until the network lets the phone go. */
function data(out: Segment[], start: number, end: number, rng: Prng): void {
  const starts: number[] = [];
  const tail = Math.min((end - start) / 3, AIR.lte.tail_mean_ms * rng.range(0.7, 1.4));
  for (let t = start; t < end - tail; ) {
    const busy = Math.min(end - tail, t + 50 + 600 * rng.exponential());
    const share = rng.range(0.1, 0.6);
    // Each subframe is used with probability `share`: the gaps are geometric.
    for (; t < busy; t += 1 + Math.floor(rng.exponential() / -Math.log(1 - share))) starts.push(t);
    t += 1500 * rng.exponential();
  }
  for (let t = end - tail; t < end; t += AIR.lte.tail_period_ms) starts.push(t);
  const begins = Float64Array.from(starts).sort();
  out.push({
    from: start,
    to: end,
    pattern: "list",
    phase: start,
    period: 0,
    length: AIR.lte.subframe_ms,
    starts: begins,
  });
}
