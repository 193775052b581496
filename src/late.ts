import { Detector } from "./detect/detector.ts";
import { type BandWindow, HEARD_NATS } from "./fuse/sighting.ts";
import { type Locating, TRACKER_DEFAULTS, Tracker, type TrackerOptions } from "./fuse/tracks.ts";
import type { BandId, ChannelEvidence, ReadingBatch, SensorId, Track } from "./model.ts";

/**
 * The second look: readings that came after their window was judged, as a sensor sends what it kept while its network was away.
 *
 * Each sensor's late readings go through a detector of their own, which begins with the floors that the sensor has now, as they come;
 * what stands out is kept. When nothing late has come for some seconds, the windows in which something stood out are judged once
 * more, with what the others heard of them in time, by a tracker of their own. What comes of it are tracks that are over; what they
 * mean for alerts is the pipeline's business. Memory and work are bounded; results depend on the readings and their arrivals alone.
 */

export interface LateOptions extends Pick<TrackerOptions, "block"> {
  readonly windowMs: number;
  readonly falseAlarmsPerDay: number;
  readonly expectedChannels: number;
  readonly tdd: ReadonlySet<BandId>;
}

/** What the second look asks of the block as it is now. */
export interface LateWorld {
  readonly locator: Locating;
  /** Every channel of a band; `heard`: its sensor was heard in time from `fromMs` to `untilMs`, with its present floor. */
  channelsOf(band: BandId, fromMs: number, untilMs: number): Iterable<{ heard: boolean; evidence: ChannelEvidence }>;
}

/** A look's outcome: tracks that are over, and the windows they were seen in. */
export interface LateFindings {
  readonly tracks: readonly Track[];
  readonly windows: readonly { readonly endMs: number; readonly bands: readonly BandWindow[] }[];
}

/** Without late readings for so long, what the sensors kept is here: the reorder time of MQTT networks, twice. */
const QUIET_MS = 5000;
/**
 * What was kept comes faster than it was measured. Readings that are late at the speed of time are those of a wrong clock, and would be
 * put beside what others heard at another time; it takes some seconds to tell.
 */
const DRAIN_SPEED = 1.5;
const TELL_MS = 10_000;
/** A pause this long in a sensor's late readings ends whatever stood out before. */
const PAUSE_MS = 10_000;
/** Evidence kept at the most, of late channels and of those in time: some ten minutes of calls of twelve channels each. */
const MOST_LATE = 20_000;
const MOST_IN_TIME = 10_000;

interface LateLane {
  readonly sensor: SensorId;
  readonly detector: Detector;
  readonly channels: Map<BandId, number>;
  /** First and newest late instant, and when they came. */
  readonly firstTsMs: number;
  readonly firstAtMs: number;
  newestMs: number;
  lastAtMs: number;
  /** End of the window that is open. */
  endMs: number;
  loud: ChannelEvidence[];
  /** Its clock is wrong: not looked at until it has been quiet. */
  ignored: boolean;
}

type SavedLane = Omit<LateLane, "detector" | "channels"> & {
  readonly detector: Uint8Array;
  readonly channels: readonly [BandId, number | null][];
};

export class LateLook {
  private readonly options: LateOptions;
  private lanes = new Map<SensorId, LateLane>();
  /** What stood out in time while some sensor was missing, oldest first, and from when on that is complete. */
  private inTime: ChannelEvidence[] = [];
  private completeFromMs = Number.NEGATIVE_INFINITY;
  private kept = 0;
  /** Late instants that were not looked at: out of order, of a wrong clock, or too many. */
  unjudged = 0;

  constructor(options: LateOptions) {
    this.options = options;
  }

  /** A window was judged in time while some sensors were missing that may still send it. */
  judged(windows: readonly BandWindow[]): void {
    for (const { channels } of windows) for (const c of channels) if (standsOut(c)) this.inTime.push(c);
    if (this.inTime.length <= MOST_IN_TIME) return;
    const dropped = this.inTime.splice(0, this.inTime.length >> 1);
    this.completeFromMs = dropped.at(-1)!.tMs + this.options.windowMs;
  }

  /**
   * Takes late instants of one sensor that came at `nowMs`. `seed` gives what the block's detector knows of it, as bytes, asked once
   * an outage; `periodMs` as its birth says.
   */
  offer(batch: ReadingBatch, nowMs: number, periodMs: number | null, seed: () => Uint8Array): void {
    let lane = this.lanes.get(batch.sensor);
    if (lane?.ignored) {
      if (nowMs - lane.lastAtMs < QUIET_MS) {
        lane.lastAtMs = nowMs;
        this.unjudged += batch.count;
        return;
      }
      this.lanes.delete(batch.sensor);
      lane = undefined;
    }
    lane ??= this.open(batch, nowMs, seed());
    lane.lastAtMs = nowMs;
    if (batch.tsMs < lane.newestMs) {
      this.unjudged += batch.count;
      return;
    }
    this.detect(lane, batch, periodMs);
    if (nowMs - lane.firstAtMs < TELL_MS || drains(lane)) return;
    lane.ignored = true;
    this.kept -= lane.loud.length;
    lane.loud = [];
  }

  /** Whether `judge(nowMs)` has anything to do. */
  due(nowMs: number): boolean {
    let any = false;
    for (const lane of this.lanes.values()) {
      if (lane.ignored) continue;
      if (nowMs - lane.lastAtMs < QUIET_MS && this.kept < MOST_LATE) return false;
      any = true;
    }
    return any;
  }

  /** Judges what the sensors have sent late; a step is a window. Readings that come meanwhile belong to the next look. */
  *judge(world: LateWorld): Generator<void, LateFindings> {
    const lanes = [...this.lanes.values()].filter((lane) => !lane.ignored);
    for (const lane of lanes) this.lanes.delete(lane.sensor);
    const loud = new Map<number, ChannelEvidence[]>();
    for (const lane of lanes) {
      this.kept -= lane.loud.length;
      if (!drains(lane)) continue;
      this.closeWindow(lane);
      for (const e of lane.loud) loud.set(e.tMs, [...(loud.get(e.tMs) ?? []), e]);
    }
    const { block, windowMs } = this.options;
    const tracker = new Tracker(world.locator, { ...TRACKER_DEFAULTS, block });
    const windows: { endMs: number; bands: BandWindow[] }[] = [];
    const tracks: Track[] = [];
    function* take(endMs: number, bands: readonly BandWindow[]): Generator<void, void> {
      const changes = yield* tracker.observe(endMs, windowMs, bands);
      for (const { kind, track } of changes) if (kind === "ended") tracks.push(track);
    }
    let lastMs = Number.NEGATIVE_INFINITY;
    for (const endMs of [...loud.keys()].sort((a, b) => a - b)) {
      // A silence in which whatever was on has ended.
      if (endMs - lastMs > TRACKER_DEFAULTS.holdOffMs) yield* take(endMs - windowMs, []);
      const bands = this.bandWindows(endMs, loud.get(endMs)!, lanes, world);
      yield* take(endMs, bands);
      windows.push({ endMs, bands });
      lastMs = endMs;
      yield;
    }
    if (windows.length > 0) yield* take(lastMs + TRACKER_DEFAULTS.holdOffMs + windowMs, []);
    return { tracks, windows };
  }

  /** Each band in which late readings stand out, with all that is known of it in that window. */
  private bandWindows(
    endMs: number,
    late: readonly ChannelEvidence[],
    lanes: readonly LateLane[],
    world: LateWorld,
  ): BandWindow[] {
    const fromMs = endMs - this.options.windowMs;
    const bands = [...new Set(late.map((e) => e.band))].sort();
    const complete = endMs >= this.completeFromMs;
    const before = this.inTime.filter((e) => e.tMs === endMs);
    return bands.map((band) => {
      const channels = new Map<SensorId, ChannelEvidence>();
      for (const e of before) if (e.band === band) channels.set(e.sensor, e);
      for (const e of late) if (e.band === band) channels.set(e.sensor, e);
      for (const { sensor, channels: own, detector, firstTsMs, newestMs } of lanes) {
        const channel = own.get(band);
        if (channel === undefined || channels.has(sensor) || newestMs < fromMs || firstTsMs >= endMs) continue;
        channels.set(sensor, quiet(detector.evidence(channel, endMs), endMs));
      }
      for (const { heard, evidence } of world.channelsOf(band, fromMs, endMs)) {
        if (complete && heard && !channels.has(evidence.sensor)) channels.set(evidence.sensor, quiet(evidence, endMs));
      }
      return { band, channels: [...channels.values()], quietEventDriven: [] };
    });
  }

  private open(batch: ReadingBatch, nowMs: number, seed: Uint8Array): LateLane {
    const lane: LateLane = {
      sensor: batch.sensor,
      detector: this.detector(seed),
      channels: new Map(),
      firstTsMs: batch.tsMs,
      firstAtMs: nowMs,
      newestMs: batch.tsMs,
      lastAtMs: nowMs,
      endMs: Number.NaN,
      loud: [],
      ignored: false,
    };
    this.lanes.set(batch.sensor, lane);
    return lane;
  }

  private detector(bytes: Uint8Array): Detector {
    const { falseAlarmsPerDay, expectedChannels } = this.options;
    // The kernel with SIMD keeps a memory of the host's for each detector; few readings are not worth one.
    const detector = new Detector({ falseAlarmsPerDay, expectedChannels, kernel: "plain" });
    detector.restore(bytes);
    return detector;
  }

  private detect(lane: LateLane, batch: ReadingBatch, periodMs: number | null): void {
    const { windowMs, tdd } = this.options;
    const { tsMs, dtMs, count } = batch;
    for (let from = 0; from < count; ) {
      const startMs = tsMs + dtMs * from;
      const endMs = Math.floor(startMs / windowMs) * windowMs + windowMs;
      if (endMs !== lane.endMs) {
        this.closeWindow(lane);
        if (endMs - lane.endMs > PAUSE_MS) for (const channel of lane.channels.values()) lane.detector.calm(channel);
        lane.endMs = endMs;
      }
      const to = dtMs > 0 ? Math.min(count, Math.ceil((endMs - tsMs) / dtMs)) : count;
      for (let b = 0; b < batch.bands.length; b++) {
        const band = batch.bands[b]!;
        let channel = lane.channels.get(band);
        if (channel === undefined) {
          channel = lane.detector.openChannel({ sensor: lane.sensor, band, periodMs, tdd: tdd.has(band) });
          lane.detector.calm(channel);
          lane.channels.set(band, channel);
        }
        const { rmsDbm, peakDbm, duty, looks } = batch;
        lane.detector.push(channel, startMs, dtMs, to - from, rmsDbm, peakDbm, duty, looks, b * count + from);
      }
      lane.newestMs = tsMs + dtMs * (to - 1);
      from = to;
    }
  }

  private closeWindow(lane: LateLane): void {
    const { detector, endMs } = lane;
    if (Number.isNaN(endMs)) return;
    for (const channel of detector.active()) {
      const evidence = detector.evidence(channel, endMs);
      if (evidence.samples === 0 || !standsOut(evidence) || this.kept >= MOST_LATE) continue;
      lane.loud.push(evidence);
      this.kept++;
    }
    detector.closeWindow(endMs);
    detector.takeEvents();
  }

  /** Survives structured cloning. */
  snapshot(): unknown {
    const lanes = [...this.lanes.values()].map(
      (lane): SavedLane => ({
        ...lane,
        detector: lane.detector.snapshot(),
        channels: [...lane.channels].map(([band, channel]) => [band, lane.detector.spec(channel).periodMs]),
        loud: [...lane.loud],
      }),
    );
    const { inTime, completeFromMs, unjudged } = this;
    return { lanes, inTime: [...inTime], completeFromMs, unjudged };
  }

  restore(snapshot: unknown): void {
    const data = snapshot as {
      lanes: SavedLane[];
      inTime: ChannelEvidence[];
      completeFromMs: number;
      unjudged: number;
    };
    this.inTime = [...data.inTime];
    this.completeFromMs = data.completeFromMs;
    this.unjudged = data.unjudged;
    this.kept = 0;
    for (const saved of data.lanes) {
      const detector = this.detector(saved.detector);
      const channels = new Map<BandId, number>();
      for (const [band, periodMs] of saved.channels) {
        const spec = { sensor: saved.sensor, band, periodMs, tdd: this.options.tdd.has(band) };
        channels.set(band, detector.openChannel(spec));
      }
      this.lanes.set(saved.sensor, { ...saved, detector, channels, loud: [...saved.loud] });
      this.kept += saved.loud.length;
    }
  }
}

/** Whether what came is what was kept, and not what a wrong clock stamps. */
function drains({ firstTsMs, newestMs, firstAtMs, lastAtMs }: LateLane): boolean {
  return newestMs - firstTsMs >= DRAIN_SPEED * (lastAtMs - firstAtMs);
}

/** Whether a channel may count as hearing; what is below is quiet to the fusion as well. */
function standsOut(e: ChannelEvidence): boolean {
  return e.samples > 0 && (e.hot || e.llr >= HEARD_NATS);
}

/** A channel that was heard and did not stand out: at its floor. */
function quiet(e: ChannelEvidence, tMs: number): ChannelEvidence {
  return {
    ...e,
    tMs,
    status: e.status === "silent" || e.status === "saturated" ? "ready" : e.status,
    samples: 1,
    levelDbm: e.floorDbm,
    peakDbm: Number.isNaN(e.peakFloorDbm) ? e.floorDbm : e.peakFloorDbm,
    excessDb: 0,
    llr: 0,
    llrStep: 0,
    hot: false,
    onsetMs: Number.NaN,
    snrDb: Number.NaN,
  };
}
