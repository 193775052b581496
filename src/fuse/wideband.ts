/**
 * Bursts over all bands: a switch, a welder, a lamp's ballast, a supply that is overloaded. A phone transmits in one band at a time, and phones do
 * not come on together, so what rises at one sensor in all of its bands at once, and about as far, is none. Such windows are left out at
 * the sensors that rose, for a few seconds: what stays is judged like everything else (a jammer stays).
 */
import type { BandId, ChannelEvidence, SensorId } from "../model.ts";
import type { BandWindow } from "./sighting.ts";

/** What stands out by less has not risen, dB: four spreads of a mean of eight looks. */
const RISE_DB = 6;
/** What has risen is up until it stands out by less: what stays at the one limit would rise again and again. */
const DOWN_DB = RISE_DB / 2;
/** Fewer bands two phones may have, by chance and with a third one on. */
const LEAST_BANDS = 3;
/** Of the bands of a sensor so many are up; of those that are up so many have just risen, and no fewer than two: phones may be on in the others. */
const UP_SHARE = 0.75;
const FRESH_SHARE = 0.5;
const LEAST_FRESH = 2;
/** They rose about as far, dB. A phone beside a sensor, that blocks its other bands, is tens of dB louder in its own. */
const ALIKE_DB = 15;
/** Of the sensors at which anything rose so many rose in all bands: else it is one sensor and somebody's phone. */
const MOST_RISE = 0.5;
/** What lasts longer is no burst. */
const LASTS_MS = 5000;

interface Heard {
  /** Bands in which it stood out when it was last heard. */
  readonly up: readonly BandId[];
  /** When all its bands rose, and those that rose then; null: they did not, or have been down since. */
  readonly burst: { readonly sinceMs: number; readonly bands: readonly BandId[] } | null;
}

/** Channels of a burst: to be left out of their window, and of those what was quiet before it. */
export interface Burst {
  readonly windows: readonly BandWindow[];
  readonly risen: readonly ChannelEvidence[];
}

export class Wideband {
  private readonly heard = new Map<SensorId, Heard>();

  /** Takes bursts out of the windows of one time. `bandsOf`: how many bands a sensor measures. */
  without(tMs: number, windows: readonly BandWindow[], bandsOf: (sensor: SensorId) => number): Burst {
    const channels = new Map<SensorId, ChannelEvidence[]>();
    for (const window of windows) {
      for (const c of window.channels) {
        const of = channels.get(c.sensor);
        if (of === undefined) channels.set(c.sensor, [c]);
        else of.push(c);
      }
    }
    this.forget(new Set(windows.map((w) => w.band)));
    const risen = new Map<SensorId, readonly ChannelEvidence[]>();
    let wide = 0;
    for (const [sensor, of] of channels) {
      const { ended, isWide } = this.look(tMs, sensor, of, bandsOf(sensor));
      if (isWide) wide++;
      if (isWide || ended.length > 0) risen.set(sensor, ended);
    }
    if (wide === 0 || wide < MOST_RISE * risen.size) return { windows, risen: [] };
    const left: BandWindow[] = [];
    for (const window of windows) {
      const kept = window.channels.filter((c) => !risen.has(c.sensor));
      if (kept.length > 0) left.push({ ...window, channels: kept });
    }
    return { windows: left, risen: [...risen.values()].flat() };
  }

  /** What rose at one sensor, and whether it was in all its bands, now or a little before. */
  private look(tMs: number, sensor: SensorId, of: readonly ChannelEvidence[], bands: number) {
    const before = this.heard.get(sensor);
    const up = of.filter((c) => c.excessDb >= (before?.up.includes(c.band) ? DOWN_DB : RISE_DB));
    const fresh = up.filter((c) => !before?.up.includes(c.band));
    const all = up.length >= LEAST_BANDS && up.length >= UP_SHARE * bands;
    const begins = all && fresh.length >= Math.max(LEAST_FRESH, FRESH_SHARE * up.length) && alike(fresh);
    let burst = all ? (before?.burst ?? null) : null;
    if (begins) burst = { sinceMs: tMs, bands: fresh.map((c) => c.band) };
    if (up.length === 0) this.heard.delete(sensor);
    else this.heard.set(sensor, { up: up.map((c) => c.band), burst });
    if (burst === null || tMs - burst.sinceMs >= LASTS_MS) return { isWide: false, ended: fresh };
    const { bands: rose } = burst;
    return { isWide: true, ended: up.filter((c) => rose.includes(c.band)) };
  }

  /** A band in which nothing stands out anywhere is down at the sensors too that were not heard in this window. */
  private forget(bands: ReadonlySet<BandId>): void {
    for (const [sensor, { up, ...rest }] of this.heard) {
      const left = up.filter((band) => bands.has(band));
      if (left.length === 0) this.heard.delete(sensor);
      else if (left.length < up.length) this.heard.set(sensor, { ...rest, up: left });
    }
  }

  /** Survives structured cloning. */
  snapshot(): unknown {
    return [...this.heard];
  }

  restore(snapshot: unknown): void {
    for (const [sensor, heard] of snapshot as [SensorId, Heard][]) this.heard.set(sensor, heard);
  }
}

function alike(channels: readonly ChannelEvidence[]): boolean {
  const excess = channels.map((c) => c.excessDb);
  return Math.max(...excess) - Math.min(...excess) <= ALIKE_DB;
}
