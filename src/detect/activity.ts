/**
 * What a phone was doing, from the durations and the repetition of its transmissions alone. Bayes over four classes with
 * equal priors; the densities follow the burst structure of the standards: a location update or message takes 1..5 s, a call half
 * a minute to half an hour almost without a break, a data session comes in irregular bursts with tails of 10..20 s, a beacon
 * repeats short bursts at an even interval. "unknown" when no class reaches MIN_P.
 */
import type { Activity } from "../model.ts";

export interface Episode {
  readonly startMs: number;
  readonly endMs: number;
}

/** Least posterior probability that is stated. */
const MIN_P = 0.6;
/** Breaks below this belong to one transmission: DTX leaves single bursts every 0.5 s. */
const MERGE_MS = 600;

type Known = Exclude<Activity, "unknown">;

interface Class {
  /** Total duration: median (s) and spread of its logarithm. */
  readonly medianS: number;
  readonly spread: number;
  /** Share of the time on air: Beta(a, b). */
  readonly a: number;
  readonly b: number;
  /** Irregularity of the intervals (coefficient of variation): exponential with this mean. */
  readonly irregularity: number;
  /** Probability of as few as one to three transmissions. */
  readonly few: number;
}

const CLASSES: Readonly<Record<Known, Class>> = {
  message: { medianS: 2.8, spread: 0.6, a: 5, b: 1, irregularity: 0.8, few: 0.9 },
  call: { medianS: 150, spread: 1.2, a: 8, b: 1, irregularity: 0.8, few: 0.7 },
  data: { medianS: 45, spread: 1.1, a: 2, b: 3, irregularity: 0.8, few: 0.3 },
  beacon: { medianS: 120, spread: 2, a: 1, b: 8, irregularity: 0.05, few: 0.05 },
};

/** Class and its posterior probability; episodes in any order. No episode: unknown, 0. */
export function classify(episodes: readonly Episode[]): { readonly activity: Activity; readonly p: number } {
  const merged = merge(episodes);
  if (merged.length === 0) return { activity: "unknown", p: 0 };
  const totalS = Math.max(0.05, (merged.at(-1)!.endMs - merged[0]!.startMs) / 1000);
  const onS = merged.reduce((s, e) => s + (e.endMs - e.startMs) / 1000, 0);
  // Kept off the ends of the Beta densities: a window's grid knows the share to a few per cent at best.
  const share = Math.min(0.98, Math.max(0.02, onS / totalS));
  const variation = intervalVariation(merged);
  let sum = 0;
  let best: Known = "message";
  let bestL = -1;
  for (const name of Object.keys(CLASSES) as Known[]) {
    const c = CLASSES[name];
    const z = Math.log(totalS / c.medianS) / c.spread;
    let l = Math.exp(-0.5 * z * z) / c.spread;
    l *= (share ** (c.a - 1) * (1 - share) ** (c.b - 1)) / beta(c.a, c.b);
    l *= merged.length <= 3 ? c.few : 1 - c.few;
    if (variation !== null) l *= Math.exp(-variation / c.irregularity) / c.irregularity;
    sum += l;
    if (l > bestL) {
      bestL = l;
      best = name;
    }
  }
  if (!(sum > 0)) return { activity: "unknown", p: 0 };
  const p = bestL / sum;
  return { activity: p >= MIN_P ? best : "unknown", p };
}

function merge(episodes: readonly Episode[]): Episode[] {
  const out: { startMs: number; endMs: number }[] = [];
  for (const e of [...episodes].sort((x, y) => x.startMs - y.startMs)) {
    const last = out.at(-1);
    if (last && e.startMs - last.endMs <= MERGE_MS) last.endMs = Math.max(last.endMs, e.endMs);
    else out.push({ startMs: e.startMs, endMs: e.endMs });
  }
  return out;
}

/** Coefficient of variation of the intervals between starts; null for fewer than three intervals. */
function intervalVariation(merged: readonly Episode[]): number | null {
  if (merged.length < 4) return null;
  const gaps = merged.slice(1).map((e, i) => e.startMs - merged[i]!.startMs);
  const mean = gaps.reduce((s, g) => s + g, 0) / gaps.length;
  const variance = gaps.reduce((s, g) => s + (g - mean) ** 2, 0) / gaps.length;
  return Math.sqrt(variance) / mean;
}

/** Beta function of whole numbers: (a-1)! (b-1)! / (a+b-1)!. */
function beta(a: number, b: number): number {
  let value = 1 / a;
  for (let k = 1; k < b; k++) value *= k / (a + k);
  return value;
}
