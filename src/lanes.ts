import type { SensorLook } from "./alert/health.ts";
import type { Misplaced } from "./alert/placement.ts";
import type { BandId, Birth, ChannelStatus, ReadingBatch, Rollup, SensorId, SensorState } from "./model.ts";
import { came, delayMs, isUnderWay, nothingUnderWay, REORDER_MS, type UnderWay } from "./underway.ts";

/**
 * The pipeline's filing room: one lane a sensor, in which batches wait until their window of event time is judged, then
 * leave in order of time for the detector and for the roll-up of their second.
 */

/** What lanes need of the detector; `Detector` implements it. */
export interface ChannelSink {
  openChannel(spec: {
    readonly sensor: SensorId;
    readonly band: BandId;
    readonly periodMs: number | null;
    readonly tdd: boolean;
  }): number;
  /** Columns of one sensor's channels, the first at `offset`, then every `stride`. */
  pushColumns(
    channels: readonly number[],
    tsMs: number,
    dtMs: number,
    count: number,
    rms: Float32Array | null,
    peak: Float32Array | null,
    duty: Float32Array | null,
    looks: Float32Array | null,
    offset: number,
    stride: number,
  ): void;
  floorDbm(channel: number): number;
  sigmaDb(channel: number): number;
  llr(channel: number): number;
  status(channel: number, nowMs: number): ChannelStatus;
  isHot(channel: number): boolean;
}

export interface LanesOptions {
  readonly windowMs: number;
  readonly holdMs: number;
  readonly eager: boolean;
  readonly tdd: ReadonlySet<BandId>;
  /** Null: nobody asks for seconds, and neither they nor newest values are worked out. */
  readonly onRollup: ((rollup: Rollup) => void) | null;
  readonly onLate: (batch: ReadingBatch) => void;
}

/** A periodic sensor that has missed this many of its periods is not waited for. */
const MISSED_PERIODS = 3;
/**
 * A network that is away for no longer costs no window: a broker or a switch starts anew within this. Sensors that are back send what
 * they kept within the second time.
 */
const OUTAGE_MS = 10_000;
const RETURN_MS = 5000;
/** Batches that may wait in one lane; a sensor that sends further ahead loses its oldest, as late. */
const MAX_PENDING = 4096;
/** Gaps that are remembered of a sensor. */
const MAX_COVERED = 64;
/** A second of 16 sensors of 8 bands at 50 Hz is 6,400 samples, well under a millisecond of the detector. */
const LANES_A_STEP = 16;
/** Longer than a track, an alert or a channel's doubt lasts without new readings (minutes), and than silence takes to be told. */
const IDLE_MS = 3600_000;
const LN10_10 = Math.LN10 / 10;

interface Slot {
  readonly band: BandId;
  readonly channel: number;
  sumMw: number;
  maxDbm: number;
  values: number;
  /** Newest value; NaN before the first. */
  lastDbm: number;
}

interface Lane {
  readonly block: string;
  readonly sensor: SensorId;
  periodMs: number | null;
  online: boolean;
  /** Newest instant offered, and when the last batch came. */
  lastTsMs: number;
  lastArrivalMs: number;
  /** When it was last heard again after it had not been waited for any more. */
  returnedMs: number;
  /** Time that the last batch spanned: how long the next one may take to come. */
  spanMs: number;
  readonly underWay: UnderWay;
  drainedMs: number;
  /** From when to when it was heard in time, oldest first. */
  covered: { readonly fromMs: number; untilMs: number }[];
  pending: ReadingBatch[];
  /** Instants of the first pending batch that were drained already. */
  cursor: number;
  readonly slots: Slot[];
  readonly slotOf: Map<BandId, Slot>;
  readings: number;
}

/** A lane as a snapshot keeps it; channels are given out anew when it is restored. */
type SavedLane = Omit<Lane, "slots" | "slotOf"> & { readonly slots: readonly Omit<Slot, "channel">[] };

/** A channel of a band, and how its sensor reports. */
export interface BandChannel {
  readonly sensor: SensorId;
  readonly channel: number;
  /** `periodMs` 0: reports only what it hears. */
  readonly lane: { readonly periodMs: number | null; readonly online: boolean };
}

export interface ChannelDescription {
  readonly sensor: SensorId;
  readonly band: BandId;
  readonly status: ChannelStatus;
  readonly floorDbm: number;
  readonly sigmaDb: number;
  readonly llr: number;
  readonly lastTsMs: number;
  /** End of the last judged window; null before the first. */
  readonly tMs: number | null;
  /** Newest reading, dBm, and over the floor, dB; NaN where nothing was measured. */
  readonly levelDbm: number;
  readonly excessDb: number;
  readonly hot: boolean;
}

export class Lanes {
  private readonly sink: ChannelSink;
  private readonly options: LanesOptions;
  private readonly lanes = new Map<SensorId, Lane>();
  private readonly bands: BandId[] = [];
  private readonly byBand = new Map<BandId, BandChannel[]>();
  /** Everything before this is judged; null until the first look at a clock. */
  private judgedMs: number | null = null;
  private drained = false;
  /** Channels of the batch that is being drained. */
  private readonly columns: number[] = [];
  /** Instants that came too late to be judged. */
  lateInstants = 0;

  constructor(sink: ChannelSink, options: LanesOptions) {
    this.sink = sink;
    this.options = options;
  }

  birth(birth: Birth): void {
    const lane = this.lane(birth.block, birth.sensor);
    lane.periodMs = birth.periodMs;
    lane.online = true;
  }

  state(state: SensorState): void {
    this.lane(state.block, state.sensor).online = state.online;
  }

  /** Files a batch that came at `nowMs`. What is older than the judged windows goes out as late at once. */
  offer(batch: ReadingBatch, nowMs: number): void {
    const lane = this.lane(batch.block, batch.sensor);
    lane.online = true;
    if (nowMs - lane.lastArrivalMs > patienceMs(lane)) lane.returnedMs = nowMs;
    lane.lastArrivalMs = nowMs;
    lane.spanMs = batch.dtMs * (batch.count - 1);
    came(lane.underWay, batch, nowMs, this.options.holdMs);
    const open = this.firstOpen(lane);
    let fresh = batch;
    if (batch.tsMs < open) {
      const late = batch.dtMs > 0 ? Math.min(batch.count, Math.ceil((open - batch.tsMs) / batch.dtMs)) : 1;
      this.goLate(late === batch.count ? batch : cut(batch, 0, late));
      if (late === batch.count) return;
      fresh = cut(batch, late, batch.count);
    }
    const pending = lane.pending;
    let at = pending.length;
    while (at > 0 && pending[at - 1]!.tsMs > fresh.tsMs && !(at === 1 && lane.cursor > 0)) at--;
    pending.splice(at, 0, fresh);
    lane.lastTsMs = Math.max(lane.lastTsMs, fresh.tsMs + fresh.dtMs * (fresh.count - 1));
    if (pending.length > MAX_PENDING) {
      const [head] = pending.splice(0, 1);
      this.goLate(cut(head!, lane.cursor, head!.count));
      lane.cursor = 0;
    }
  }

  /** Whether `ready(nowMs)` finds a window, or moves the begin of judging: only such a look changes anything. */
  due(nowMs: number): boolean {
    const before = this.judgedMs;
    return this.ready(nowMs) !== null || this.judgedMs !== before;
  }

  /** The end of the next window, if it may be judged at `nowMs`. */
  ready(nowMs: number): number | null {
    const { windowMs, holdMs, eager } = this.options;
    this.judgedMs ??= Math.floor((nowMs - holdMs) / windowMs) * windowMs;
    if (!this.drained || nowMs - this.judgedMs > IDLE_MS) {
      this.judgedMs = this.skipIdle(this.judgedMs, nowMs - holdMs);
    }
    const endMs = this.judgedMs + windowMs;
    if (nowMs < endMs) return null;
    if (eager && nowMs < endMs + OUTAGE_MS && this.networkAway(endMs, nowMs)) return null;
    if (nowMs >= endMs + holdMs) return endMs;
    let waitedFor = 0;
    for (const lane of this.lanes.values()) {
      const period = lane.periodMs;
      if (!lane.online) continue;
      if (isUnderWay(lane.underWay, this.judgedMs, endMs, period ?? 0, nowMs)) return null;
      if (period === 0) continue;
      if (period === null) {
        if (!eager || nowMs < endMs + REORDER_MS) return null;
        waitedFor++;
        continue;
      }
      if (eager && nowMs - lane.lastArrivalMs > patienceMs(lane)) continue;
      if ((eager ? lane.lastTsMs + period : lane.lastTsMs) < endMs) return null;
      waitedFor++;
    }
    if (waitedFor > 0) return endMs;
    return eager && nowMs >= endMs + REORDER_MS ? endMs : null;
  }

  /**
   * Whether most sensors fell silent together and are not all back with what they kept: their network was away, and windows wait for
   * it. Nobody else's alert is held up by that, as hardly anybody else is heard.
   */
  private networkAway(endMs: number, nowMs: number): boolean {
    let periodic = 0;
    let together = 0;
    let behind = false;
    for (const lane of this.lanes.values()) {
      if (!lane.periodMs || !lane.online) continue;
      periodic++;
      const silentMs = nowMs - lane.lastArrivalMs;
      const leaving = silentMs > patienceMs(lane) && silentMs < OUTAGE_MS;
      if (!leaving && nowMs - lane.returnedMs >= RETURN_MS) continue;
      together++;
      behind ||= leaving || lane.lastTsMs + lane.periodMs < endMs;
    }
    return behind && 2 * together > periodic;
  }

  /** The end of the next window while any instant waits; for the end of a trace. */
  next(): number | null {
    if (this.judgedMs === null) return null;
    if (![...this.lanes.values()].some((lane) => lane.pending.length > 0)) return null;
    this.judgedMs = this.skipIdle(this.judgedMs, Number.POSITIVE_INFINITY);
    return this.judgedMs + this.options.windowMs;
  }

  /** Feeds all instants before `endMs` to the detector, in order of time within each sensor; a step is a few sensors. */
  *drain(endMs: number): Generator<void, void> {
    const { onRollup } = this.options;
    const wholeSecond = endMs % 1000 === 0;
    let n = 0;
    for (const lane of this.lanes.values()) {
      if (lane.pending.length > 0) this.drainLane(lane, endMs);
      if (onRollup && wholeSecond && lane.readings > 0) onRollup(this.rollUp(lane, endMs - 1000));
      if (++n % LANES_A_STEP === 0) yield;
    }
    this.judgedMs = endMs;
  }

  /**
   * After IDLE_MS of windows in which nobody was heard, everything that ends or falls silent has done so, and the windows up to
   * the next instant say nothing: jumps there. A trace with a gap of a year, or a service whose messages are years old, would
   * otherwise go through every window between. The same before the first instant of all, when there is nothing to judge either.
   */
  private skipIdle(judgedMs: number, limitMs: number): number {
    let first = limitMs;
    for (const lane of this.lanes.values()) {
      if (lane.drainedMs > judgedMs - IDLE_MS) return judgedMs;
      const head = lane.pending[0];
      if (head) first = Math.min(first, head.tsMs + head.dtMs * lane.cursor);
    }
    const { windowMs } = this.options;
    return Math.max(judgedMs, Math.floor(first / windowMs) * windowMs);
  }

  bandOf(channel: number): BandId {
    return this.bands[channel]!;
  }

  /** Every channel of a band, in the order in which they were first seen. */
  channelsOf(band: BandId): readonly BandChannel[] {
    return this.byBand.get(band) ?? [];
  }

  /** The channel of a sensor and band that was read. */
  channelOf(sensor: SensorId, band: BandId): number {
    return this.lanes.get(sensor)!.slotOf.get(band)!.channel;
  }

  /** How many bands a sensor has told of. */
  bandsOf(sensor: SensorId): number {
    return this.lanes.get(sensor)?.slots.length ?? 0;
  }

  /** Whether a sensor was heard in time from `fromMs` to `untilMs`. */
  heardIn(sensor: SensorId, fromMs: number, untilMs: number): boolean {
    const lane = this.lanes.get(sensor);
    if (lane === undefined) return false;
    const stepMs = this.stepMs(lane);
    return lane.covered.some((c) => c.fromMs <= fromMs + stepMs && c.untilMs >= untilMs - stepMs);
  }

  /** Whether a periodic sensor that was ever heard is missing before `endMs`: it may send later what it measured. */
  missing(endMs: number): boolean {
    for (const lane of this.lanes.values()) {
      if (lane.periodMs === 0 || lane.drainedMs === Number.NEGATIVE_INFINITY) continue;
      if (lane.drainedMs < endMs - this.stepMs(lane)) return true;
    }
    return false;
  }

  /** As its birth says. */
  periodOf(sensor: SensorId): number | null {
    return this.lanes.get(sensor)?.periodMs ?? null;
  }

  /** End of the last judged window; null before the first. */
  get judgedUntilMs(): number | null {
    return this.judgedMs;
  }

  /** Every sensor that was ever heard, as its health is judged. */
  *sensors(
    tampered: ReadonlySet<SensorId>,
    saturation: ReadonlyMap<SensorId, number>,
    misplaced: (sensor: SensorId) => Misplaced | null,
    distrust: (sensor: SensorId) => SensorLook["distrust"],
    tMs: number,
  ): Iterable<SensorLook> {
    for (const lane of this.lanes.values()) {
      yield {
        sensor: lane.sensor,
        lastTsMs: lane.lastTsMs,
        online: lane.online,
        periodMs: lane.periodMs,
        tamper: tampered.has(lane.sensor),
        saturation: saturation.get(lane.sensor) ?? null,
        misplaced: misplaced(lane.sensor),
        distrust: distrust(lane.sensor) ?? null,
        channels: lane.slots.map(({ band, channel }) => ({
          band,
          status: this.sink.status(channel, tMs),
          floorDbm: this.sink.floorDbm(channel),
        })),
      };
    }
  }

  describe(): ChannelDescription[] {
    const all: ChannelDescription[] = [];
    for (const lane of this.lanes.values()) {
      for (const { band, channel, lastDbm } of lane.slots) {
        all.push({
          sensor: lane.sensor,
          band,
          status: this.sink.status(channel, this.judgedMs ?? lane.lastTsMs),
          floorDbm: this.sink.floorDbm(channel),
          sigmaDb: this.sink.sigmaDb(channel),
          llr: this.sink.llr(channel),
          lastTsMs: lane.lastTsMs,
          tMs: this.judgedMs,
          levelDbm: lastDbm,
          excessDb: lastDbm - this.sink.floorDbm(channel),
          hot: this.sink.isHot(channel),
        });
      }
    }
    return all;
  }

  /** Where the next instant of a lane may still be judged: not before the open window, nor before what was drained of it. */
  private firstOpen(lane: Lane): number {
    if (this.judgedMs === null) return Number.NEGATIVE_INFINITY;
    // An instant that just missed its window but is newer than all its sensor has shown counts in the next one.
    return Math.max(lane.drainedMs + 1, this.judgedMs - this.options.windowMs);
  }

  private goLate(batch: ReadingBatch): void {
    this.lateInstants += batch.count;
    this.options.onLate(batch);
  }

  private lane(block: string, sensor: SensorId): Lane {
    let lane = this.lanes.get(sensor);
    if (!lane) {
      lane = {
        block,
        sensor,
        periodMs: null,
        online: false,
        lastTsMs: Number.NEGATIVE_INFINITY,
        lastArrivalMs: Number.NEGATIVE_INFINITY,
        returnedMs: Number.NEGATIVE_INFINITY,
        spanMs: 0,
        underWay: nothingUnderWay(),
        drainedMs: Number.NEGATIVE_INFINITY,
        covered: [],
        pending: [],
        cursor: 0,
        slots: [],
        slotOf: new Map(),
        readings: 0,
      };
      this.lanes.set(sensor, lane);
    }
    return lane;
  }

  private slot(lane: Lane, band: BandId): Slot {
    let slot = lane.slotOf.get(band);
    if (!slot) {
      const channel = this.sink.openChannel({
        sensor: lane.sensor,
        band,
        periodMs: lane.periodMs,
        tdd: this.options.tdd.has(band),
      });
      slot = { band, channel, sumMw: 0, maxDbm: Number.NEGATIVE_INFINITY, values: 0, lastDbm: Number.NaN };
      lane.slotOf.set(band, slot);
      lane.slots.push(slot);
      this.bands[channel] = band;
      const of = this.byBand.get(band);
      if (of) of.push({ sensor: lane.sensor, channel, lane });
      else this.byBand.set(band, [{ sensor: lane.sensor, channel, lane }]);
    }
    return slot;
  }

  private drainLane(lane: Lane, endMs: number): void {
    const summed = this.options.onRollup !== null;
    while (lane.pending.length > 0) {
      const batch = lane.pending[0]!;
      const { tsMs, dtMs, count } = batch;
      const from = lane.cursor;
      const to = dtMs > 0 ? Math.min(count, Math.ceil((endMs - tsMs) / dtMs)) : tsMs < endMs ? count : 0;
      if (to <= from) return;
      const startMs = tsMs + dtMs * from;
      const n = to - from;
      const { rmsDbm, peakDbm, duty, looks } = batch;
      this.columns.length = 0;
      for (let b = 0; b < batch.bands.length; b++) {
        const slot = this.slot(lane, batch.bands[b]!);
        this.columns.push(slot.channel);
        if (summed) accumulate(slot, rmsDbm ?? peakDbm, peakDbm ?? rmsDbm, b * count + from, n);
      }
      this.sink.pushColumns(this.columns, startMs, dtMs, n, rmsDbm, peakDbm, duty, looks, from, count);
      lane.readings += to - from;
      this.drained = true;
      lane.drainedMs = tsMs + dtMs * (to - 1);
      this.cover(lane, startMs, lane.drainedMs);
      if (to < count) {
        lane.cursor = to;
        return;
      }
      lane.pending.shift();
      lane.cursor = 0;
    }
  }

  private cover(lane: Lane, fromMs: number, untilMs: number): void {
    const { covered } = lane;
    const last = covered[covered.length - 1];
    if (last !== undefined && fromMs - last.untilMs <= this.stepMs(lane)) last.untilMs = untilMs;
    else if (covered.push({ fromMs, untilMs }) > MAX_COVERED) covered.shift();
  }

  /** Instants further apart than this leave a gap. */
  private stepMs(lane: Lane): number {
    return Math.max(this.options.windowMs, MISSED_PERIODS * (lane.periodMs ?? 0));
  }

  private rollUp(lane: Lane, tMs: number): Rollup {
    const n = lane.slots.length;
    const bands = new Array<BandId>(n);
    const meanDbm = new Float32Array(n);
    const maxDbm = new Float32Array(n);
    const floorDbm = new Float32Array(n);
    const llr = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      const slot = lane.slots[i]!;
      bands[i] = slot.band;
      meanDbm[i] = slot.values > 0 ? Math.log(slot.sumMw / slot.values) / LN10_10 : Number.NaN;
      maxDbm[i] = slot.values > 0 ? slot.maxDbm : Number.NaN;
      floorDbm[i] = this.sink.floorDbm(slot.channel);
      llr[i] = this.sink.llr(slot.channel);
      slot.sumMw = 0;
      slot.maxDbm = Number.NEGATIVE_INFINITY;
      slot.values = 0;
    }
    const readings = lane.readings;
    lane.readings = 0;
    return { block: lane.block, sensor: lane.sensor, tMs, readings, bands, meanDbm, maxDbm, floorDbm, llr };
  }

  /** Everything: also what waits for its window and the second that is being rolled up, which nobody sends again. */
  snapshot(): unknown {
    const lanes: SavedLane[] = [];
    for (const { slots, slotOf: _, ...lane } of this.lanes.values()) {
      const saved = slots.map(({ channel: _, ...slot }) => slot);
      const covered = lane.covered.map((c) => ({ ...c }));
      const underWay = { ...lane.underWay };
      lanes.push({ ...lane, underWay, pending: [...lane.pending], covered, slots: saved });
    }
    return { judgedMs: this.judgedMs, lanes };
  }

  restore(snapshot: unknown): void {
    const data = snapshot as { judgedMs: number | null; lanes: SavedLane[] };
    this.judgedMs = data.judgedMs;
    this.drained = data.lanes.some((l) => l.drainedMs !== Number.NEGATIVE_INFINITY);
    for (const { slots, ...saved } of data.lanes) {
      const lane = Object.assign(this.lane(saved.block, saved.sensor), saved, {
        pending: [...saved.pending],
        covered: saved.covered.map((c) => ({ ...c })),
        underWay: { ...nothingUnderWay(), ...saved.underWay },
      });
      for (const slot of slots) Object.assign(this.slot(lane, slot.band), slot);
    }
  }
}

/** How long after its last message a sensor is waited for. */
function patienceMs(lane: Lane): number {
  const periodMs = lane.periodMs ?? 0;
  return Math.max(REORDER_MS, MISSED_PERIODS * periodMs, delayMs(lane.underWay) + periodMs) + lane.spanMs;
}

/** Adds `count` values to a second's sums. Mean of power, not of dBm. */
function accumulate(
  slot: Slot,
  mean: Float32Array | null,
  peak: Float32Array | null,
  offset: number,
  count: number,
): void {
  let sum = 0;
  let n = 0;
  let max = slot.maxDbm;
  let last = slot.lastDbm;
  for (let j = offset; j < offset + count; j++) {
    const m = mean === null ? Number.NaN : mean[j]!;
    const p = peak === null ? m : peak[j]!;
    // NaN fails both comparisons: not measured.
    if (m > -1000) {
      sum += Math.exp(m * LN10_10);
      last = m;
      n++;
    }
    if (p > max) max = p;
  }
  slot.sumMw += sum;
  slot.values += n;
  slot.maxDbm = max;
  slot.lastDbm = last;
}

/** Instants [from, to) of a batch as a batch of its own. */
export function cut(batch: ReadingBatch, from: number, to: number): ReadingBatch {
  const { count, bands } = batch;
  const column = (values: Float32Array | null) => {
    if (values === null) return null;
    const out = new Float32Array(bands.length * (to - from));
    for (let b = 0; b < bands.length; b++) out.set(values.subarray(b * count + from, b * count + to), b * (to - from));
    return out;
  };
  return {
    ...batch,
    seq: batch.seq + from,
    tsMs: batch.tsMs + from * batch.dtMs,
    count: to - from,
    dtMs: to - from === 1 ? 0 : batch.dtMs,
    rmsDbm: column(batch.rmsDbm),
    peakDbm: column(batch.peakDbm),
    duty: column(batch.duty),
    noiseDbm: column(batch.noiseDbm),
    looks: column(batch.looks),
  };
}
