/**
 * Whether what is heard around a cell stays or passes by: a phone in a cell is heard by each sensor at a level that fades around one
 * mean, a phone that is carried past is heard louder and louder and then weaker and weaker. No plan and no map is needed for that.
 *
 * Level i of window t: y_it = a_t + m_it + e_it, a_t what power control does to all sensors alike, e fading, and m constant where the
 * emitter stays, a random walk where it moves (the local level model; Harvey 1989, 2.3). Both are filtered sensor by sensor, and
 * their predictive densities compared.
 */
import type { BandId, SensorId } from "../model.ts";
import { logSumExp, median } from "./linalg.ts";
import type { Sighting } from "./sighting.ts";

/** Seconds looked back: a corridor is walked through in that time. */
export const LOOK_BACK_MS = 20_000;
/** Spreads of fading looked at, dB: a steady carrier to the peaks of a receiver that sweeps (domain 4.6); all as likely. */
const FADING_DB = [3, 4.5, 6.5, 9];
/**
 * Ways of moving looked at, dB per root second. At 1.3 m/s a sensor 3 m away changes by up to 3 dB a second by distance alone, and
 * the shadowing, which is another after 2 m, by as much again.
 */
const WALKS_DB = [1.5, 3, 5];
/**
 * Neighbouring sensors share their shadows and the bursts, so each level counts for so much of one. Likelihoods to a power below one
 * never are surer than the levels are.
 */
const WEIGHT = 0.65;
/** A level that departs by more than so many spreads counts as if it departed by so many: somebody else, or a burst that was missed. */
const REACH_SDS = 3.5;
/** With fewer sensors nothing is left of the levels once what is common to them is taken out. */
const FEWEST = 3;

interface Heard {
  readonly tMs: number;
  readonly sensors: readonly SensorId[];
  readonly levelDbm: readonly number[];
}

/** What was heard of late, by band. */
export class Recent {
  readonly #bands = new Map<BandId, Heard[]>();

  note(s: Sighting): void {
    const heard = this.#bands.get(s.band) ?? [];
    while (heard.length > 0 && heard[0]!.tMs <= s.tMs - LOOK_BACK_MS) heard.shift();
    const fresh = s.heard.filter((h) => h.held !== true);
    heard.push({
      tMs: s.tMs,
      sensors: fresh.map((h) => h.level.sensor),
      levelDbm: fresh.map((h) => h.level.levelDbm),
    });
    this.#bands.set(s.band, heard);
  }

  /**
   * Log Bayes factor of "what these sensors hear of a band moves" against "it stays", over the windows after `fromMs`, at most the
   * last `LOOK_BACK_MS`; 0 where too little is heard. Cost: sixteen filters a level, some 50 us for twelve sensors and twenty windows.
   */
  walkNats(band: BandId, sensors: readonly SensorId[], fromMs: number): number {
    const index = new Map(sensors.map((id, i) => [id, i]));
    const windows: { tMs: number; at: number[]; levelDbm: number[] }[] = [];
    for (const { tMs, sensors: ids, levelDbm } of this.#bands.get(band) ?? []) {
      if (tMs < fromMs) continue;
      const at: number[] = [];
      const levels: number[] = [];
      ids.forEach((id, k) => {
        const i = index.get(id);
        if (i === undefined) return;
        at.push(i);
        levels.push(levelDbm[k]!);
      });
      windows.push({ tMs, at, levelDbm: levels });
    }
    const mean = (walks: readonly number[]): number => {
      const logs = walks.flatMap((walk) =>
        FADING_DB.map((fading) => predictive(windows, sensors.length, walk, fading)),
      );
      return logSumExp(Float64Array.from(logs), 0, logs.length) - Math.log(logs.length);
    };
    return mean(WALKS_DB) - mean([0]);
  }

  /** Survives structured cloning. */
  snapshot(): unknown {
    return [...this.#bands].map(([band, heard]) => [band, [...heard]]);
  }

  restore(snapshot: unknown): void {
    this.#bands.clear();
    for (const [band, heard] of (snapshot ?? []) as [BandId, Heard[]][]) this.#bands.set(band, [...heard]);
  }
}

/** Log predictive density of the levels under one way of moving and one spread of fading, tempered. */
function predictive(
  windows: readonly { readonly tMs: number; readonly at: readonly number[]; readonly levelDbm: readonly number[] }[],
  count: number,
  walkDb: number,
  fadingDb: number,
): number {
  const fading2 = fadingDb * fadingDb;
  const mean = new Float64Array(count);
  const variance = new Float64Array(count).fill(Number.NaN);
  const sinceMs = new Float64Array(count);
  const ahead = new Float64Array(count);
  let nats = 0;
  for (const { tMs, at, levelDbm } of windows) {
    const off: number[] = [];
    at.forEach((i, k) => {
      if (Number.isNaN(variance[i]!)) return;
      ahead[i] = variance[i]! + (walkDb * walkDb * (tMs - sinceMs[i]!)) / 1000;
      off.push(levelDbm[k]! - mean[i]!);
    });
    const common = off.length > 0 ? median(off) : 0;
    at.forEach((i, k) => {
      if (Number.isNaN(variance[i]!)) {
        mean[i] = levelDbm[k]!;
        variance[i] = fading2;
      } else {
        const total = ahead[i]! + fading2;
        const most = REACH_SDS * Math.sqrt(total);
        const residual = Math.max(-most, Math.min(most, levelDbm[k]! - common - mean[i]!));
        if (off.length >= FEWEST) nats -= 0.5 * WEIGHT * (Math.log(total) + (residual * residual) / total);
        const gain = ahead[i]! / total;
        mean[i]! += gain * residual;
        variance[i] = (1 - gain) * ahead[i]!;
      }
      sinceMs[i] = tMs;
    });
  }
  return nats;
}
