/**
 * Events of single channels: one per excursion, with what an officer or a court needs to compute it again.
 */
import type { BandId, SensorId } from "../model.ts";

/** How the statistic came to its value; with the channel's readings it can be computed again. */
export interface Explanation {
  /** Which of the sensor's quantities crossed. */
  readonly statistic: "rms" | "peak" | "duty";
  readonly floorDbm: number;
  readonly sigmaDb: number;
  /** Looks that a quiet reading behaves like, and the weight for correlated quiet. */
  readonly looks: number;
  readonly weight: number;
  /** Most that one reading may add (nats), from the share of isolated outliers. */
  readonly clipNats: number;
  /** Signal-to-noise ratio of the hypothesis that crossed. */
  readonly designSnrDb: number;
  /** Readings since the onset that it took. */
  readonly readings: number;
  readonly thresholdNats: number;
  /** Mean number of quiet readings between false crossings of that threshold. */
  readonly arlReadings: number;
  /** True when the floor rested on fewer readings than one histogram. */
  readonly provisional: boolean;
}

export interface ChannelEvent {
  readonly type: "open" | "update" | "close" | "new-floor";
  readonly channel: number;
  readonly sensor: SensorId;
  readonly band: BandId;
  /** The instant after the last quiet reading. */
  readonly onsetMs: number;
  /** Instant of this entry: of the crossing, of the window's end, of the last reading above. */
  readonly tMs: number;
  readonly endMs: number | null;
  /** Largest statistic so far, nats. */
  readonly llr: number;
  readonly snrDb: number;
  readonly explanation: Explanation;
  /** Floor from now on, for "new-floor"; NaN otherwise. */
  readonly newFloorDbm: number;
}

/** Open events by channel and the entries that nobody has taken yet. */
export class EventBook {
  readonly #open = new Map<number, ChannelEvent>();
  #entries: ChannelEvent[] = [];

  open(event: ChannelEvent): void {
    this.#open.set(event.channel, event);
    this.#entries.push(event);
  }

  /** Notes growth: an entry is made when the evidence grew by a factor e, so that long events don't flood. */
  update(channel: number, tMs: number, llr: number, snrDb: number): void {
    const before = this.#open.get(channel);
    if (!before || llr < before.llr * Math.E) return;
    const after: ChannelEvent = { ...before, type: "update", tMs, llr, snrDb };
    this.#open.set(channel, after);
    this.#entries.push(after);
  }

  close(channel: number, endMs: number): void {
    const before = this.#open.get(channel);
    if (!before) return;
    this.#open.delete(channel);
    this.#entries.push({ ...before, type: "close", tMs: endMs, endMs });
  }

  newFloor(channel: number, tMs: number, floorDbm: number, newFloorDbm: number): void {
    const before = this.#open.get(channel);
    if (!before) return;
    this.#entries.push({
      ...before,
      type: "new-floor",
      tMs,
      newFloorDbm,
      explanation: { ...before.explanation, floorDbm },
    });
  }

  onsetMs(channel: number): number {
    return this.#open.get(channel)?.onsetMs ?? Number.NaN;
  }

  take(): ChannelEvent[] {
    const taken = this.#entries;
    this.#entries = [];
    return taken;
  }

  /** The channel's open event, for a snapshot. */
  get(channel: number): ChannelEvent | null {
    return this.#open.get(channel) ?? null;
  }

  /** Takes an open event of a snapshot back, under its channel's new index, without a new entry. */
  adopt(event: ChannelEvent): void {
    this.#open.set(event.channel, event);
  }
}
