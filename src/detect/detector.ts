/**
 * The channel detector: from readings to evidence. One instance serves a block; a channel is one sensor and one band.
 *
 * A channel has up to three lanes, one per quantity its sensor reports (rms, peak, duty), each with a floor, a spread and a
 * bank of CUSUMs of its own: a location update of two seconds is lost in a mean of one second and plain in its peak. The
 * channel's statistic is the largest of its lanes; the threshold pays for their number.
 *
 * Everything is judged per reading; windows only decide when the result is looked at. So nothing depends on how readings are
 * cut into pushes (test/property/detect/detector.test.ts).
 */
import type { BandId, ChannelEvidence, ChannelStatus, SensorId } from "../model.ts";
import { ACTIVE_SHIFT, GROUP, LOUD_SHIFT, WAITING_SHIFT, X_READINGS } from "./bank-module.ts";
import {
  BASELINE_FIELDS,
  Baseline,
  BLOCK_TOP,
  COLD_EVERY,
  COLD_WORDS,
  END_BEFORE,
  END_FLOOR,
  END_TOP,
  END_VALUE,
  HOT_VISITS,
  READY_READINGS,
  RUN_VISITS,
  SEEN,
  SIGMA,
  TICKS,
  WARM_READINGS,
} from "./baseline.ts";
import { BANK, buildClassTable, CLASS_STRIDE, designSnr, looksOf } from "./classes.ts";
import { DayFloors, QUARTER_MS } from "./days.ts";
import { type ChannelEvent, EventBook } from "./events.ts";
import {
  BLOCK,
  bankRun,
  CAP_NATS,
  CUT_COUNT,
  CUT_NATS,
  CUT_POWER,
  FREEZE_NATS,
  Lanes,
  LEAST_THRESHOLD_NATS,
  newRunResult,
  plainStore,
  powerOf,
  resized,
  TAIL_FROM,
  tailBin,
} from "./kernels.ts";
import { SimdBank } from "./simd.ts";
import { decodeSnapshot, encodeSnapshot, type Saved, type SavedChannel, type StateField } from "./snapshot.ts";
import { Steadiness } from "./steady.ts";

export interface DetectorOptions {
  /** False alarms a day that the whole block may have. */
  readonly falseAlarmsPerDay: number;
  /** Channels that the block is expected to have; the budget is shared out over them. Default: those that were opened. */
  readonly expectedChannels?: number;
  /** Time between instants where a sensor doesn't say (`periodMs` null). */
  readonly defaultPeriodMs?: number;
  /** An event ends when nothing was heard for so long. */
  readonly holdMs?: number;
  /** A channel that was hot without a break for so long has a new floor; longer than a call (30 min). */
  readonly releaseMs?: number;
  /** Level from which a receiver counts as saturated, dBm. */
  readonly saturationDbm?: number;
  /** Level an event-driven receiver is taken to hear down to before it has shown otherwise, dBm. */
  readonly sensitivityDbm?: number;
  /** Time zone of the site (IANA): floors are then learned by the time of day. Default: they are not. */
  readonly timezone?: string;
  /** Which kernel: "auto" takes the one with SIMD where the host has it, "simd" throws where it has not. Both give the same bits. */
  readonly kernel?: "auto" | "plain" | "simd";
}

export interface ChannelSpec {
  readonly sensor: SensorId;
  readonly band: BandId;
  /** Time between instants; 0: reports only when it hears something; null: not known. */
  readonly periodMs: number | null;
  /** Base stations transmit on the same frequencies. */
  readonly tdd: boolean;
}

export type LaneKind = "rms" | "peak" | "duty";
export const LANE_KINDS: readonly LaneKind[] = ["rms", "peak", "duty"];

/** Added to the threshold while a floor rests on fewer than READY_READINGS readings (nats). */
const PROVISIONAL_NATS = 3;
/**
 * Threshold of the bank over its tracked floor: h = THRESHOLD_SLOPE ln(ARL) + THRESHOLD_OFFSET, a line through the thresholds
 * that give 1.0 to 1.5 times the nominal ARL at 1e5 and 1e8 readings (8 looks; docs/detection.md, section 3). The slope is above 1
 * because the tracker's own error is common to all readings of an excursion.
 */
const THRESHOLD_SLOPE = 1.07;
const THRESHOLD_OFFSET = -2.07;
/** While provisional the tracker's gain is so many times larger: a median of 32 readings is off by 0.22 spreads. */
const WARM_FOLLOW = 4;
/** A statistic is capped at CAP_NATS; the threshold stays below, provisional or not. */
const MOST_NATS = CAP_NATS - PROVISIONAL_NATS - 1;
/** Duty below one per cent can't be told from counting noise of a dwell: it is the zero of the duty scale. */
const DUTY_ZERO = 0.01;
const DUTY_KIND = LANE_KINDS.indexOf("duty");
/** Rounding of the duty scale's zero, dB: a thousandth of the least step of one per cent. */
const ZERO_DB = 1e-3;
/**
 * Event-driven receivers: spurious reports come once an hour, reports of a transmitter nearby once in four seconds. The
 * statistic of a Poisson process then gains ln(rate ratio) a report and loses the difference of rates times the silence.
 */
const SPURIOUS_PER_S = 1 / 3600;
const HEARD_PER_S = 1 / 4;
const REPORT_NATS = Math.log(HEARD_PER_S / SPURIOUS_PER_S);
const EVENT_CAP_NATS = 24;
/** The sensitivity limit follows the weakest reports: down at once, up by this much a report (dB). */
const SENSITIVITY_CREEP_DB = 0.02;
/** Resolution that is assumed of a received signal strength that has no quiet to learn from (dB). */
const RSSI_SIGMA_DB = 1;

/**
 * A window stands out by itself from three spreads on (one quiet reading in 740 does); an event is loud when one of its
 * windows did so twice over, as every window of a loud transmission does and a slowly gathered weak one never.
 */
const STANDS_OUT_SIGMAS = 3;
const LOUD_SIGMAS = 6;

/**
 * A receiver that warms up or cools down moves its floors by up to so much a minute, and by so much in all; floors that are held while something
 * stands out of them do not follow.
 */
const DRIFT_DB_PER_MIN = 0.2;
const MOST_DRIFT_DB = 3;

/** A lane that is so far into an excursion is judged by the plain kernel: it will most likely reach its threshold. */
const REFUSE_NATS = 9;
/** Readings of a run of the kernel. */
const RUN_READINGS = RUN_VISITS * COLD_EVERY;

/** So many channels of a band that repeat the same value show that their receivers tell no less. */
const ENDS_FROM = 3;
/** A floor so near to that value is below it, dB. */
const END_NEAR_DB = 0.5;
/** Spread of a quiet that nobody sees, dB: at two and a half of them, from which a level is heard, a signal is as strong as the receiver's end. */
const END_SIGMA_DB = 3 / 2.5;

/** Least rise that the time of day is asked for, in spreads. */
const FORESEEN_SPREADS = 0.5;

const BLOCK_MASK = COLD_EVERY - 1;

const WARMING = 1;
const HOT = 2;
const LISTED = 4;

export class Detector {
  readonly #options: Required<Omit<DetectorOptions, "expectedChannels" | "timezone">> & {
    readonly expectedChannels: number;
  };
  readonly #table = buildClassTable();
  readonly #simd: SimdBank | null;
  readonly #lanes: Lanes;
  readonly #base: Baseline;
  readonly #days: DayFloors | null;
  readonly #steady = new Steadiness();
  readonly #ends = new Map<BandId, number>();
  /** Memory of the days whose channels have not all been opened yet. */
  #savedDays: Saved | null = null;
  /** The group that is being gathered: lanes, channels, places of their readings in the batch. */
  readonly #group = new Int32Array(GROUP);
  readonly #groupChannel = new Int32Array(GROUP);
  readonly #groupAt = new Int32Array(GROUP);
  readonly #groupFrom = new Int32Array(GROUP);
  readonly #groupLast = new Float32Array(GROUP);
  readonly #run = newRunResult();
  readonly #events = new EventBook();
  /** Scratch: the one channel of `push`. */
  readonly #one: number[] = [0];
  readonly #specs: ChannelSpec[] = [];
  /** Snapshot whose channels have not all been opened yet. */
  #saved: Saved | null = null;
  /** Lane of (channel, kind), -1 where there is none yet. */
  #laneOf = new Int32Array(0);
  #flags = new Uint8Array(0);
  #lastMs = new Float64Array(0);
  #laneChannel = new Int32Array(0);
  #lastQuietMs = new Float64Array(0);
  #crossedMs = new Float64Array(0);
  #lastActiveMs = new Float64Array(0);
  /** End of the last window that stood out by itself, and the most that one did since the event opened, spreads. */
  #lastLoudMs = new Float64Array(0);
  #loudest = new Float32Array(0);
  /** `#lnArl` of each channel, and the count of channels and lanes for which it holds. */
  #arl = new Float64Array(0);
  #arlVersion = new Uint32Array(0);
  #version = 1;
  #epoch = 1;
  #listed: number[] = [];
  #sorted = true;
  #scratch = new Float32Array(64);
  /** End of the window that `foresee` has seen to, and how many rises it took. */
  #foreseenMs = Number.NaN;
  #foreseen = 0;

  constructor(options: DetectorOptions) {
    this.#options = {
      falseAlarmsPerDay: options.falseAlarmsPerDay,
      expectedChannels: options.expectedChannels ?? 0,
      defaultPeriodMs: options.defaultPeriodMs ?? 1000,
      holdMs: options.holdMs ?? 5000,
      releaseMs: options.releaseMs ?? 45 * 60_000,
      saturationDbm: options.saturationDbm ?? -5,
      sensitivityDbm: options.sensitivityDbm ?? -95,
      kernel: options.kernel ?? "auto",
    };
    this.#simd = this.#options.kernel === "plain" ? null : SimdBank.create();
    if (this.#options.kernel === "simd" && this.#simd === null) throw new Error("this host has no WebAssembly SIMD");
    this.#lanes = new Lanes(this.#simd ?? plainStore());
    this.#base = new Baseline(this.#lanes);
    this.#days = options.timezone === undefined ? null : new DayFloors(options.timezone);
  }

  /** Which kernel judges the quiet. */
  get kernel(): "plain" | "simd" {
    return this.#simd ? "simd" : "plain";
  }

  get channels(): number {
    return this.#specs.length;
  }

  spec(channel: number): ChannelSpec {
    return this.#specs[channel]!;
  }

  /** Opens a channel and gives its index; indices count up from 0. A restored snapshot is taken up here. */
  openChannel(spec: ChannelSpec): number {
    const channel = this.#specs.length;
    this.#specs.push(spec);
    this.#version++;
    if (channel >= this.#flags.length) {
      const next = Math.max(64, channel * 2);
      this.#flags = resized(this.#flags, next);
      this.#arl = resized(this.#arl, next);
      this.#arlVersion = resized(this.#arlVersion, next);
      this.#lastMs = resized(this.#lastMs, next);
      this.#laneOf = resized(this.#laneOf, next * LANE_KINDS.length);
    }
    this.#laneOf.fill(-1, channel * LANE_KINDS.length, (channel + 1) * LANE_KINDS.length);
    this.#lastMs[channel] = Number.NaN;
    this.#flags[channel] = WARMING;
    this.#adopt(channel);
    return channel;
  }

  /**
   * Takes `count` instants of one channel in order of time; value j of each quantity is at `[offset + j]`, its instant at
   * `tsMs + j * dtMs`. Units: dBm, dBm, fraction 0..1, number of looks (a prior of the spread of the mean). NaN or a null array: not measured.
   */
  push(
    channel: number,
    tsMs: number,
    dtMs: number,
    count: number,
    rms: Float32Array | null,
    peak: Float32Array | null,
    duty: Float32Array | null,
    looks: Float32Array | null,
    offset: number,
  ): void {
    this.#one[0] = channel;
    this.pushColumns(this.#one, tsMs, dtMs, count, rms, peak, duty, looks, offset, count);
  }

  /**
   * Takes `count` instants of several channels of one sensor; the columns of channel b begin at `[offset + b * stride]`. The outcome is
   * that of `push` for each of them; four lanes that keep step go side by side where the host has SIMD.
   */
  pushColumns(
    channels: ArrayLike<number>,
    tsMs: number,
    dtMs: number,
    count: number,
    rms: Float32Array | null,
    peak: Float32Array | null,
    duty: Float32Array | null,
    looks: Float32Array | null,
    offset: number,
    stride: number,
  ): void {
    if (count <= 0 || channels.length === 0) return;
    if (this.#specs[channels[0]!]!.periodMs === 0) {
      for (let b = 0; b < channels.length; b++) {
        this.#pushReports(channels[b]!, tsMs, dtMs, count, rms ?? peak, offset + b * stride);
      }
      return;
    }
    for (let b = 0; b < channels.length; b++) this.#openLanes(channels[b]!, rms, peak, duty);
    if (rms) this.#pushKind(0, channels, tsMs, dtMs, count, rms, offset, stride, looks);
    if (peak) this.#pushKind(1, channels, tsMs, dtMs, count, peak, offset, stride, null);
    for (let b = 0; b < channels.length; b++) {
      const channel = channels[b]!;
      if (duty) this.#pushDuty(channel, tsMs, dtMs, count, duty, offset + b * stride);
      this.#lastMs[channel] = tsMs + (count - 1) * dtMs;
    }
  }

  #pushDuty(channel: number, tsMs: number, dtMs: number, count: number, duty: Float32Array, offset: number): void {
    if (this.#scratch.length < count) this.#scratch = new Float32Array(count);
    const scaled = this.#scratch;
    for (let j = 0; j < count; j++) scaled[j] = 10 * Math.log10((duty[offset + j]! + DUTY_ZERO) / DUTY_ZERO);
    this.#pushLane(channel, 2, tsMs, dtMs, count, scaled, 0);
  }

  /** Channels whose statistic is at or above FREEZE_NATS, or that were since they were last looked at, or that are hot. */
  active(): readonly number[] {
    if (!this.#sorted) {
      // In order of the channels, not of their becoming active, which depends on what is judged side by side.
      this.#listed.sort((a, b) => a - b);
      this.#sorted = true;
    }
    return this.#listed;
  }

  isHot(channel: number): boolean {
    return (this.#flags[channel]! & HOT) !== 0;
  }

  /** Floor of the mean power, dBm; of the peak where there is no mean; NaN while warming up. */
  floorDbm(channel: number): number {
    const lane = this.#levelLane(channel);
    return lane < 0 || this.#warming(lane, channel) ? Number.NaN : this.#lanes.floor(lane);
  }

  /** Spread of the quiet readings of the same lane as `floorDbm`, one standard deviation, dB; NaN while warming up. */
  sigmaDb(channel: number): number {
    if (this.#specs[channel]!.periodMs === 0) return RSSI_SIGMA_DB;
    const lane = this.#levelLane(channel);
    if (lane < 0 || this.#warming(lane, channel)) return Number.NaN;
    const sigmaDb = this.#base.f32[lane * COLD_WORDS + SIGMA]!;
    return this.#atEnd(channel, lane) ? Math.max(END_SIGMA_DB, sigmaDb) : sigmaDb;
  }

  /** Whether a lane's quiet lies below what its receiver can tell; what was learned of a weak signal can have left its floor above that. */
  #atEnd(channel: number, lane: number): boolean {
    const end = this.#ends.get(this.#specs[channel]!.band);
    return (
      end !== undefined && (this.#lanes.last(lane) <= end || Math.abs(this.#lanes.floor(lane) - end) < END_NEAR_DB)
    );
  }

  /**
   * Looks anew for the value at which receivers end, by band: several that repeat the same one, and more of them than repeat any others.
   * Sensors that are stuck have values of their own. What was found stays. Cost: all channels.
   */
  lookForEnds(): void {
    const repeated = new Map<BandId, number[]>();
    for (let channel = 0; channel < this.#specs.length; channel++) {
      const lane = this.#levelLane(channel);
      if (lane < 0 || !this.#base.isStuck(lane) || this.#lanes.top(lane) >= FREEZE_NATS) continue;
      const { band } = this.#specs[channel]!;
      const values = repeated.get(band);
      if (values) values.push(this.#lanes.last(lane));
      else repeated.set(band, [this.#lanes.last(lane)]);
    }
    for (const [band, values] of repeated) {
      if (values.length < ENDS_FROM) continue;
      // What more than half of them say is their median.
      const end = values.sort((a, b) => a - b)[values.length >> 1]!;
      const same = values.filter((v) => v === end).length;
      if (same >= ENDS_FROM && 2 * same > values.length) this.#ends.set(band, end);
    }
  }

  /** Where receivers end, by band, dBm. */
  ends(): [band: BandId, endDbm: number][] {
    return [...this.#ends];
  }

  restoreEnds(ends: readonly (readonly [BandId, number])[]): void {
    for (const [band, endDbm] of ends) this.#ends.set(band, endDbm);
  }

  /** The channel's statistic now, nats: largest over its lanes and hypotheses. */
  llr(channel: number): number {
    const lane = this.#topLane(channel);
    return lane < 0 ? 0 : this.#lanes.top(lane);
  }

  /** What the statistic of this channel must reach to be an event by itself, from the block's budget (nats). */
  thresholdNats(channel: number): number {
    const lane = this.#levelLane(channel);
    const lnArl = this.#lnArl(channel);
    const own = lane < 0 || this.#specs[channel]!.periodMs === 0 ? 0 : this.#base.ownThreshold(lane, lnArl);
    const nats = Math.min(MOST_NATS, Math.max(modelThreshold(lnArl), own));
    return this.#specs[channel]!.periodMs === 0 || lane < 0
      ? nats
      : nats + learning(this.#base.i32[lane * COLD_WORDS + SEEN]!);
  }

  /** ln of the readings that must lie between false alarms of one lane, so that all together keep the block's budget. */
  #lnArl(channel: number): number {
    if (this.#arlVersion[channel] === this.#version) return this.#arl[channel]!;
    const spec = this.#specs[channel]!;
    const periodMs = spec.periodMs || this.#options.defaultPeriodMs;
    const channels = Math.max(this.#options.expectedChannels, this.#specs.length);
    let lanes = 0;
    for (let k = 0; k < LANE_KINDS.length; k++) if (this.#laneOf[channel * LANE_KINDS.length + k]! >= 0) lanes++;
    const readings = (channels * Math.max(1, lanes) * 86_400_000) / periodMs / this.#options.falseAlarmsPerDay;
    this.#arl[channel] = Math.log(readings);
    this.#arlVersion[channel] = this.#version;
    return this.#arl[channel]!;
  }

  /** Status at a point of event time. */
  status(channel: number, nowMs: number): ChannelStatus {
    const spec = this.#specs[channel]!;
    const last = this.#lastMs[channel]!;
    if (spec.periodMs === 0) return "ready";
    if (Number.isNaN(last)) return "warming";
    const period = spec.periodMs ?? this.#options.defaultPeriodMs;
    if (nowMs - last > Math.max(10 * period, 10_000)) return "silent";
    const lane = this.#levelLane(channel);
    if (lane < 0 || this.#warming(lane, channel)) return "warming";
    // A visit comes every eight readings: until then what stands out shows that it has changed.
    if (this.#base.isStuck(lane) && this.#lanes.top(lane) < FREEZE_NATS && !this.#atEnd(channel, lane)) return "stuck";
    const winN = this.#lanes.winEpoch(lane) === this.#epoch ? this.#lanes.winN(lane) : 0;
    if (winN > 0 && this.#lanes.floor(lane) + toDb(this.#lanes.winMax(lane)) >= this.#options.saturationDbm) {
      return "saturated";
    }
    return this.#provisional(channel) ? "provisional" : "ready";
  }

  /** What this channel says about the samples pushed since the previous `closeWindow`. */
  evidence(channel: number, windowEndMs: number): ChannelEvidence {
    const spec = this.#specs[channel]!;
    const level = this.#levelLane(channel);
    const top = this.#topLane(channel);
    const window = level < 0 ? QUIET_WINDOW : this.#window(level);
    const floorDbm = this.floorDbm(channel);
    const peakLane = this.#laneOf[channel * LANE_KINDS.length + 1]!;
    const peakFloor = peakLane >= 0 && !this.#warming(peakLane, channel) ? this.#lanes.floor(peakLane) : Number.NaN;
    const peakWindow = peakLane >= 0 ? this.#window(peakLane) : window;
    const hot = this.isHot(channel);
    const levelDbm = floorDbm + toDb(window.mean);
    return {
      sensor: spec.sensor,
      band: spec.band,
      tMs: windowEndMs,
      status: this.status(channel, windowEndMs),
      samples: window.count,
      levelDbm,
      peakDbm: peakLane >= 0 ? peakFloor + toDb(peakWindow.max) : floorDbm + toDb(window.max),
      peakFloorDbm: peakFloor,
      floorDbm,
      excessDb: levelDbm - floorDbm,
      sigmaDb: this.sigmaDb(channel),
      llr: top < 0 ? 0 : this.#lanes.top(top),
      thresholdNats: this.thresholdNats(channel),
      llrStep: top < 0 ? 0 : this.#windowStep(top),
      hot,
      onsetMs: hot ? this.#events.onsetMs(channel) : Number.NaN,
      snrDb: hot && top >= 0 ? this.#snrDb(top) : Number.NaN,
      ...(hot && this.#isStep(channel, windowEndMs, false) ? { step: true } : {}),
      ...(hot ? { driftDb: this.#driftDb(channel, windowEndMs) } : {}),
    };
  }

  /**
   * Ends the window: opens, updates and closes events of the channels that were active in it, and begins the next window.
   * Cost: of the active channels only.
   */
  closeWindow(windowEndMs: number): void {
    this.foresee(windowEndMs);
    const keep: number[] = [];
    for (const channel of this.active()) {
      if (this.#judge(channel, windowEndMs)) keep.push(channel);
      else this.#flags[channel]! &= ~LISTED;
    }
    this.#listed = keep;
    this.#epoch++;
  }

  /**
   * Before the window is looked at: what stands out no further than is usual at this time of the day is the floor's own rise, and
   * is taken as such. A signal that lies below what is usual within a quarter of an hour is lost by that. Cost: of the active lanes.
   */
  foresee(windowEndMs: number): void {
    const days = this.#days;
    if (days === null || this.#foreseenMs === windowEndMs) return;
    this.#foreseenMs = windowEndMs;
    days.reach(windowEndMs, this.#lanes.count, this.#restingFloor);
    let quarter = -1;
    for (const channel of this.#listed) {
      if (this.isHot(channel) || this.#specs[channel]!.periodMs === 0) continue;
      for (let k = 0; k < LANE_KINDS.length; k++) {
        const lane = this.#laneOf[channel * LANE_KINDS.length + k]!;
        if (lane < 0 || this.#lanes.top(lane) < FREEZE_NATS || !days.supports(lane)) continue;
        if (quarter < 0) quarter = days.quarterOfDay(windowEndMs - 1);
        this.#takeForeseen(lane, days.ceiling(lane, quarter), days.errorDb(lane));
      }
    }
  }

  /** Takes the rise of a lane as that of its floor where it stays below what is usual now, within two standard errors. */
  #takeForeseen(lane: number, ceiling: number, errorDb: number): void {
    const lanes = this.#lanes;
    const floor = lanes.floor(lane);
    const n = lanes.evN(lane);
    const sigma = this.#base.f32[lane * COLD_WORDS + SIGMA]!;
    // A rise of less than half a spread is nothing that the floor's own tracker would not follow.
    if (n === 0 || !(ceiling - floor >= FORESEEN_SPREADS * sigma)) return;
    const level = floor + toDb(lanes.evSum(lane) / n);
    const slack = 2 * Math.hypot(errorDb, sigma / Math.sqrt(n));
    if (level > ceiling + slack) return;
    const next = level < ceiling - slack ? level : ceiling;
    this.#base.resync(lane, next);
    lanes.rebase(lane, 10 ** ((floor - next) / 10));
    this.#crossedMs[lane] = this.#lastActiveMs[lane] = this.#lastLoudMs[lane] = Number.NaN;
    this.#loudest[lane] = 0;
    this.#foreseen++;
  }

  /** A lane's floor for the memory of the days; NaN where none may be learned from now: not learned yet, not quiet, or no news. */
  readonly #restingFloor = (lane: number): number => {
    const channel = this.#laneChannel[lane]!;
    const at = lane * COLD_WORDS;
    if (this.#specs[channel]!.periodMs === 0 || this.isHot(channel)) return Number.NaN;
    if (this.#base.i32[at + SEEN]! < READY_READINGS || this.#lanes.top(lane) >= FREEZE_NATS) return Number.NaN;
    const silentMs = this.#days!.quarter * QUARTER_MS - this.#lastMs[channel]!;
    if (!(silentMs < QUARTER_MS) || this.#base.isStuck(lane)) return Number.NaN;
    return this.#lanes.floor(lane);
  };

  /** Lanes whose history supports the time of day, and rises that were taken for the floor's own since the start. */
  dayFloors(): { readonly lanes: number; readonly supported: number; readonly foreseen: number } {
    let supported = 0;
    if (this.#days) for (let lane = 0; lane < this.#lanes.count; lane++) if (this.#days.supports(lane)) supported++;
    return { lanes: this.#days ? this.#lanes.count : 0, supported, foreseen: this.#foreseen };
  }

  /** Ends what stands out in a channel now, without an event; its floor stays: for readings of another time. */
  calm(channel: number): void {
    this.#clear(channel);
    for (let k = 0; k < LANE_KINDS.length; k++) {
      const lane = this.#laneOf[channel * LANE_KINDS.length + k]!;
      if (lane >= 0) this.#lastActiveMs[lane] = this.#lastLoudMs[lane] = this.#lastQuietMs[lane] = Number.NaN;
    }
    this.#endEvent(channel, Number.NaN);
    this.#events.take();
  }

  /** Events since the last call, in order of window and channel. */
  takeEvents(): ChannelEvent[] {
    return this.#events.take();
  }

  /** The memory as bytes, of one sensor's channels where one is named; `restore` takes it back. Cost: what it holds. */
  snapshot(sensor?: SensorId): Uint8Array {
    const channels: SavedChannel[] = [];
    const rows: number[] = [];
    for (const [channel, spec] of this.#specs.entries()) {
      if (sensor !== undefined && spec.sensor !== sensor) continue;
      const lastMs = this.#lastMs[channel]!;
      channels.push({
        key: keyOf(spec),
        flags: this.#flags[channel]!,
        lastMs: !Number.isNaN(lastMs) ? lastMs : null,
        lanes: this.#rowsOf(channel, rows),
        event: this.#events.get(channel),
      });
    }
    return encodeSnapshot(this.#epoch, rows, channels, this.#fields());
  }

  /** Where a channel's lanes will be in a snapshot that so far has the lanes `rows`; they are added. -1: none of that kind. */
  #rowsOf(channel: number, rows: number[]): number[] {
    return LANE_KINDS.map((_, k) => {
      const lane = this.#laneOf[channel * LANE_KINDS.length + k]!;
      return lane < 0 ? lane : rows.push(lane) - 1;
    });
  }

  /**
   * Takes a snapshot back: into the channels that are open already and those opened from now on, by sensor and band. False,
   * and nothing changed, when the bytes are no snapshot of this version.
   */
  restore(bytes: Uint8Array): boolean {
    const saved = decodeSnapshot(bytes, this.#fields());
    if (!saved) return false;
    this.#saved = saved;
    this.#epoch = saved.epoch;
    for (let channel = 0; channel < this.#specs.length; channel++) this.#adopt(channel);
    return true;
  }

  /** The memory of the days as bytes; null where the site's time zone is not known. */
  daySnapshot(): Uint8Array | null {
    if (this.#days === null) return null;
    const rows: number[] = [];
    const channels: SavedChannel[] = this.#specs.map((spec, channel) => ({
      key: keyOf(spec),
      flags: 0,
      lastMs: null,
      lanes: this.#rowsOf(channel, rows),
      event: null,
    }));
    return encodeSnapshot(this.#days.quarter, rows, channels, this.#days.fields());
  }

  /** Takes it back, after `restore`: lanes that the snapshot of the state did not bring back learn their days anew. */
  restoreDays(bytes: Uint8Array): boolean {
    const saved = this.#days === null ? null : decodeSnapshot(bytes, this.#days.fields());
    if (!saved) return false;
    this.#savedDays = saved;
    this.#days!.resume(saved.epoch);
    for (let channel = 0; channel < this.#specs.length; channel++) this.#adoptDays(channel);
    return true;
  }

  #adoptDays(channel: number): void {
    const row = this.#savedDays?.channels.get(keyOf(this.#specs[channel]!));
    if (!row || !this.#savedDays) return;
    this.#savedDays.channels.delete(row.key);
    for (const [k, from] of row.lanes.entries()) {
      const lane = this.#laneOf[channel * LANE_KINDS.length + k]!;
      if (from >= 0 && lane >= 0) this.#savedDays.copyLane(from, lane, this.#days!.fields());
    }
    if (this.#savedDays.channels.size === 0) this.#savedDays = null;
  }

  #fields(): StateField[] {
    const fields: StateField[] = [];
    fields.push(...this.#lanes.fields());
    fields.push({ name: "cold", per: COLD_WORDS, array: this.#base.i32 });
    for (const [name, per] of BASELINE_FIELDS) fields.push({ name, per, array: this.#base[name] });
    fields.push({ name: "lastQuietMs", per: 1, array: this.#lastQuietMs });
    fields.push({ name: "crossedMs", per: 1, array: this.#crossedMs });
    fields.push({ name: "lastActiveMs", per: 1, array: this.#lastActiveMs });
    fields.push({ name: "lastLoudMs", per: 1, array: this.#lastLoudMs });
    fields.push({ name: "loudest", per: 1, array: this.#loudest });
    fields.push(...this.#steady.fields());
    return fields;
  }

  #adopt(channel: number): void {
    const spec = this.#specs[channel]!;
    const row = this.#saved?.channels.get(keyOf(spec));
    if (!row || !this.#saved) return;
    this.#saved.channels.delete(row.key);
    for (const [k, from] of row.lanes.entries()) {
      if (from < 0) continue;
      const lane = this.#laneOf[channel * LANE_KINDS.length + k]!;
      this.#saved.copyLane(from, lane < 0 ? this.#openLane(channel, k) : lane, this.#fields());
    }
    this.#flags[channel] = row.flags & ~LISTED;
    this.#lastMs[channel] = row.lastMs ?? Number.NaN;
    if (row.event) this.#events.adopt({ ...row.event, channel });
    if (row.flags & LISTED) this.#list(channel);
    if (this.#saved.channels.size === 0) this.#saved = null;
    this.#adoptDays(channel);
  }

  #list(channel: number): void {
    if ((this.#flags[channel]! & LISTED) !== 0) return;
    this.#flags[channel]! |= LISTED;
    this.#listed.push(channel);
    this.#sorted = false;
  }

  // ---------------------------------------------------------------------------------------------------------- lanes

  /** Opens what a push brings before any of it is judged: the threshold depends on how many lanes there are. */
  #openLanes(channel: number, rms: Float32Array | null, peak: Float32Array | null, duty: Float32Array | null): void {
    const at = channel * LANE_KINDS.length;
    if (rms && this.#laneOf[at]! < 0) this.#openLane(channel, 0);
    if (peak && this.#laneOf[at + 1]! < 0) this.#openLane(channel, 1);
    if (duty && this.#laneOf[at + 2]! < 0) this.#openLane(channel, 2);
  }

  #openLane(channel: number, kind: number): number {
    const lanes = this.#lanes;
    const lane = lanes.count++;
    this.#version++;
    if (lane >= lanes.capacity) {
      const next = Math.max(64, lane * 2);
      lanes.grow(next);
      this.#base.grow(next);
      this.#days?.grow(next);
      this.#steady.grow(next);
      this.#laneChannel = resized(this.#laneChannel, next);
      this.#lastQuietMs = resized(this.#lastQuietMs, next);
      this.#crossedMs = resized(this.#crossedMs, next);
      this.#lastActiveMs = resized(this.#lastActiveMs, next);
      this.#lastLoudMs = resized(this.#lastLoudMs, next);
      this.#loudest = resized(this.#loudest, next);
    }
    this.#base.open(lane, this.#specs[channel]!.tdd);
    this.#days?.open(lane);
    this.#laneOf[channel * LANE_KINDS.length + kind] = lane;
    this.#laneChannel[lane] = channel;
    this.#lastQuietMs[lane] = Number.NaN;
    this.#crossedMs[lane] = Number.NaN;
    this.#lastActiveMs[lane] = Number.NaN;
    this.#lastLoudMs[lane] = Number.NaN;
    this.#loudest[lane] = 0;
    return lane;
  }

  #pushLane(
    channel: number,
    kind: number,
    tsMs: number,
    dtMs: number,
    count: number,
    x: Float32Array,
    offset: number,
    looks: Float32Array | null = null,
  ): void {
    let lane = this.#laneOf[channel * LANE_KINDS.length + kind]!;
    if (lane < 0) lane = this.#openLane(channel, kind);
    const base = this.#base;
    const lanes = this.#lanes;
    lanes.enterWindow(lane, this.#epoch);
    let i = offset;
    const end = offset + count;
    while (i < end && base.i32[lane * COLD_WORDS + SEEN]! < WARM_READINGS) {
      if (looks) base.state(lane, looks[i]!);
      const value = x[i++]!;
      base.i32[lane * COLD_WORDS + TICKS]!++;
      if (!Number.isNaN(value)) base.warmUp(lane, value);
    }
    if (i >= end) return;
    if (kind === 0 || this.#laneOf[channel * LANE_KINDS.length]! < 0) this.#flags[channel]! &= ~WARMING;
    this.#runPlain(channel, lane, tsMs - offset * dtMs, dtMs, x, i, end);
  }

  /** Readings `x[i..end)` of a lane that is past its warm-up, by the plain kernel; reading 0 is of `t0`. */
  #runPlain(channel: number, lane: number, t0: number, dtMs: number, x: Float32Array, from: number, end: number): void {
    const base = this.#base;
    const lanes = this.#lanes;
    const run = this.#run;
    const blockEnd = base.end;
    let i = from;
    while (i < end) {
      const seen = base.i32[lane * COLD_WORDS + SEEN]!;
      const ticks = base.i32[lane * COLD_WORDS + TICKS]!;
      // While the spread is learned each reading is looked at by itself; later a run ends where what was learned may be applied.
      // Both are places in the lane's own count of readings, so that nothing depends on how pushes are cut.
      const provisional = seen < READY_READINGS;
      const into = ticks & (RUN_READINGS - 1);
      const stop = provisional ? i + 1 : Math.min(end, i + RUN_READINGS - into);
      const phase = ticks & BLOCK_MASK;
      let before = lanes.last(lane);
      const reach = this.#reach(channel, lane, seen - into);
      bankRun(x, i, stop, phase, lane, lanes, this.#table, reach, provisional ? WARM_FOLLOW : 1, run);
      base.count(lane, stop - i);
      if (run.lastQuiet >= 0) this.#lastQuietMs[lane] = t0 + run.lastQuiet * dtMs;
      if (run.lastActive >= 0) {
        if (run.peak > base.f32[lane * COLD_WORDS + BLOCK_TOP]!) base.f32[lane * COLD_WORDS + BLOCK_TOP] = run.peak;
        if (run.crossed >= 0 && Number.isNaN(this.#crossedMs[lane]!)) this.#crossedMs[lane] = t0 + run.crossed * dtMs;
        this.#lastActiveMs[lane] = t0 + run.lastActive * dtMs;
        this.#list(channel);
      }
      if (provisional) {
        // Every eighth goes into the histogram by its visit.
        if (run.blocks === 0 && lanes.top(lane) < FREEZE_NATS) base.early(lane, x[i]!, before);
        if ((seen + 1) % WARM_READINGS === 0) base.respreadEarly(lane);
      }
      let at = i + COLD_EVERY - phase - 1;
      for (let b = 0, done = ticks - phase + COLD_EVERY; b < run.blocks; b++, at += COLD_EVERY, done += COLD_EVERY) {
        if (at > i) before = x[at - 1]!;
        blockEnd[END_VALUE] = x[at]!;
        blockEnd[END_BEFORE] = before;
        blockEnd[END_TOP] = run.tops[b]!;
        blockEnd[END_FLOOR] = run.floors[b]!;
        base.visit(lane, done);
      }
      i = stop;
    }
  }

  /** One quantity of several channels: lanes that keep step in groups of four, the others one by one. */
  #pushKind(
    kind: number,
    channels: ArrayLike<number>,
    tsMs: number,
    dtMs: number,
    count: number,
    x: Float32Array,
    offset: number,
    stride: number,
    looks: Float32Array | null,
  ): void {
    const simd = this.#simd;
    const span = (channels.length - 1) * stride + count;
    const apart = simd === null || channels.length < 2 || span > X_READINGS;
    let ready = false;
    let size = 0;
    for (let b = 0; b < channels.length; b++) {
      const channel = channels[b]!;
      const at = offset + b * stride;
      const lane = this.#laneOf[channel * LANE_KINDS.length + kind]!;
      if (apart || !this.#mayGroup(lane, x[at]!, size)) {
        this.#pushLane(channel, kind, tsMs, dtMs, count, x, at, looks);
        continue;
      }
      if (!ready) {
        simd.x.set(span === x.length ? x : x.subarray(offset, offset + span));
        ready = true;
      }
      this.#group[size] = lane;
      this.#groupChannel[size] = channel;
      this.#groupAt[size] = at;
      if (++size === GROUP) {
        this.#runGroup(simd, size, tsMs, dtMs, count, x, offset);
        size = 0;
      }
    }
    if (size === 1) this.#pushLane(this.#groupChannel[0]!, kind, tsMs, dtMs, count, x, this.#groupAt[0]!, looks);
    else if (size > 1) this.#runGroup(simd!, size, tsMs, dtMs, count, x, offset);
  }

  /** Whether the kernel for four may take a lane: past its learning, quiet, measured, and in step with the group so far. */
  #mayGroup(lane: number, first: number, size: number): boolean {
    if (lane < 0 || Number.isNaN(first)) return false;
    const base = this.#base;
    if (base.i32[lane * COLD_WORDS + SEEN]! < READY_READINGS || this.#lanes.top(lane) >= REFUSE_NATS) return false;
    for (let k = 0; k < size; k++) if (this.#group[k] === lane) return false;
    const step = base.i32[lane * COLD_WORDS + TICKS]! - base.i32[this.#group[0]! * COLD_WORDS + TICKS]!;
    return size === 0 || (step & (RUN_READINGS - 1)) === 0;
  }

  /** The gathered lanes over their readings, which lie in the kernel's memory from `offset` of the batch on. */
  #runGroup(
    simd: SimdBank,
    size: number,
    tsMs: number,
    dtMs: number,
    count: number,
    x: Float32Array,
    offset: number,
  ): void {
    const base = this.#base;
    const lanes = this.#group;
    for (let k = 0; k < size; k++) this.#lanes.enterWindow(lanes[k]!, this.#epoch);
    for (let k = size; k < GROUP; k++) {
      lanes[k] = -1;
      this.#groupAt[k] = this.#groupAt[0]!;
    }
    for (let done = 0; done < count; ) {
      const into = base.i32[lanes[0]! * COLD_WORDS + TICKS]! & (RUN_READINGS - 1);
      const n = Math.min(count - done, RUN_READINGS - into);
      const phase = into & BLOCK_MASK;
      for (let k = 0; k < GROUP; k++) this.#groupFrom[k] = this.#groupAt[k]! - offset + done;
      // The visit at the end of a block looks at the reading before its last, which a run of its own may have had.
      for (let k = 0; k < size; k++) {
        const lane = lanes[k]!;
        this.#groupLast[k] = this.#lanes.last(lane);
        simd.refuseFrom(k, this.#reach(this.#groupChannel[k]!, lane, base.i32[lane * COLD_WORDS + SEEN]! - into));
      }
      const answer = simd.run(lanes, this.#groupFrom, n, phase);
      for (let k = 0; k < size; k++) {
        const at = this.#groupAt[k]!;
        const channel = this.#groupChannel[k]!;
        const t0 = tsMs - at * dtMs;
        if ((answer & (1 << k)) !== 0) this.#runPlain(channel, lanes[k]!, t0, dtMs, x, at + done, at + done + n);
        else this.#takeRun(simd, k, channel, lanes[k]!, t0, dtMs, x, at + done, n, phase, answer >> k);
      }
      done += n;
    }
  }

  /** What is left to do for a lane that the kernel for four has run over `x[i..i + n)`: the same as after a plain run. */
  #takeRun(
    simd: SimdBank,
    k: number,
    channel: number,
    lane: number,
    t0: number,
    dtMs: number,
    x: Float32Array,
    i: number,
    n: number,
    phase: number,
    answer: number,
  ): void {
    const base = this.#base;
    const lanes = this.#lanes;
    const ticks = base.i32[lane * COLD_WORDS + TICKS]!;
    base.count(lane, n);
    const risen = lanes.evN(lane);
    if (risen < n) this.#lastQuietMs[lane] = t0 + (i + n - 1 - risen) * dtMs;
    const blocks = (phase + n) >> 3;
    const blockEnd = base.end;
    if ((answer & (1 << ACTIVE_SHIFT)) !== 0) {
      if (simd.peak[k]! > base.f32[lane * COLD_WORDS + BLOCK_TOP]!)
        base.f32[lane * COLD_WORDS + BLOCK_TOP] = simd.peak[k]!;
      for (let b = (phase + n - 1) >> 3; b >= 0; b--) {
        const first = b === 0 ? phase : 0;
        let j = Math.min(COLD_EVERY, phase + n - b * COLD_EVERY) - 1;
        while (j >= first && ((simd.quiet[b]! >> (4 * j + k)) & 1) === 1) j--;
        if (j < first) continue;
        this.#lastActiveMs[lane] = t0 + (i + b * COLD_EVERY + j - phase) * dtMs;
        break;
      }
      this.#list(channel);
    }
    if ((answer & ((1 << WAITING_SHIFT) | (1 << LOUD_SHIFT))) !== 0) this.#countLoud(simd, k, lane, x, i, n, phase);
    let at = i + COLD_EVERY - phase - 1;
    for (let b = 0, done = ticks - phase + COLD_EVERY; b < blocks; b++, at += COLD_EVERY, done += COLD_EVERY) {
      blockEnd[END_VALUE] = x[at]!;
      blockEnd[END_BEFORE] = at > i ? x[at - 1]! : this.#groupLast[k]!;
      blockEnd[END_TOP] = simd.tops[b * GROUP + k]!;
      blockEnd[END_FLOOR] = simd.floors[(b + 1) * GROUP + k]!;
      base.visit(lane, done);
    }
  }

  /** Loud readings of a run: those that stand alone are counted, as in `bankRun`. */
  #countLoud(simd: SimdBank, k: number, lane: number, x: Float32Array, i: number, n: number, phase: number): void {
    const row = this.#lanes.cls(lane) * CLASS_STRIDE;
    const { floors, loud } = simd;
    let lone = this.#lanes.lone(lane);
    if (lone !== 0 && this.#nats(row, x[i]! - floors[k]!) < 0) this.#lanes.countTail(lane, lone);
    lone = 0;
    for (let b = 0; b <= (phase + n - 1) >> 3; b++) {
      // One bit a reading, four apart.
      for (let bits = (loud[b]! >>> k) & 0x1111_1111; bits !== 0; bits &= bits - 1) {
        const j = b * COLD_EVERY + ((31 - Math.clz32(bits & -bits)) >> 2) - phase;
        const d = x[i + j]! - floors[b * GROUP + k]!;
        const most = Math.max(this.#nats(row, d), this.#nats(row + 1, d), this.#nats(row + 2, d));
        if (most < TAIL_FROM) continue;
        if (j === n - 1) {
          lone = tailBin(most);
          continue;
        }
        const next = x[i + j + 1]! - floors[((phase + j + 1) >> 3) * GROUP + k]!;
        if (this.#nats(row, next) < 0) this.#lanes.countTail(lane, tailBin(most));
      }
    }
    this.#lanes.setLone(lane, lone);
  }

  /** What a reading d dB above its floor says for the hypothesis whose A is at `at` of the table, as the kernels round it (nats). */
  #nats(at: number, d: number): number {
    return Math.fround(Math.fround(this.#table[at]! * powerOf(Math.fround(d))) - this.#table[at + BANK]!);
  }

  /** What the statistic of a lane must reach to be an event, when it had seen so many readings (nats). */
  #reach(channel: number, lane: number, seen: number): number {
    const lnArl = this.#lnArl(channel);
    const model = modelThreshold(lnArl);
    const own = this.#base.ownThreshold(lane, lnArl);
    return (own > model ? (own < MOST_NATS ? own : MOST_NATS) : model) + learning(seen);
  }

  /** Event-driven receivers: every report is evidence, silence takes it back. */
  #pushReports(
    channel: number,
    tsMs: number,
    dtMs: number,
    count: number,
    x: Float32Array | null,
    offset: number,
  ): void {
    if (!x) return;
    let lane = this.#laneOf[channel * LANE_KINDS.length]!;
    const lanes = this.#lanes;
    if (lane < 0) {
      lane = this.#openLane(channel, 0);
      lanes.setFloor(lane, this.#options.sensitivityDbm);
    }
    lanes.enterWindow(lane, this.#epoch);
    for (let j = 0; j < count; j++) {
      const value = x[offset + j]!;
      if (Number.isNaN(value)) continue;
      const t = tsMs + j * dtMs;
      const last = this.#lastMs[channel]!;
      const silentS = !Number.isNaN(last) ? Math.max(0, (t - last) / 1000) : 0;
      const drained = Math.max(0, lanes.g(lane, 0) - (HEARD_PER_S - SPURIOUS_PER_S) * silentS);
      if (drained < 1) {
        lanes.clearEvent(lane);
        // The report that starts a run is its onset: the last quiet instant is the one before it.
        this.#lastQuietMs[lane] = t - 1;
      }
      lanes.setG(lane, 0, Math.min(EVENT_CAP_NATS, drained + REPORT_NATS));
      const floor = lanes.floor(lane);
      lanes.setFloor(lane, value < floor ? value : Math.min(value, floor + SENSITIVITY_CREEP_DB));
      // The sums are relative to the floor: they are brought along when the floor moves.
      const shift = 10 ** ((floor - lanes.floor(lane)) / 10);
      lanes.addReport(lane, 10 ** ((value - lanes.floor(lane)) / 10), shift);
      this.#lastMs[channel] = t;
      this.#lastActiveMs[lane] = t;
      if (lanes.g(lane, 0) >= this.thresholdNats(channel) && Number.isNaN(this.#crossedMs[lane]!)) {
        this.#crossedMs[lane] = t;
      }
    }
    this.#flags[channel]! &= ~WARMING;
    this.#list(channel);
  }

  // --------------------------------------------------------------------------------------------------------- judging

  /** One active channel at the end of a window; false when it has become quiet. */
  #judge(channel: number, windowEndMs: number): boolean {
    const reports = this.#specs[channel]!.periodMs === 0;
    let active = false;
    let lastActiveMs = Number.NEGATIVE_INFINITY;
    let crossedMs = Number.POSITIVE_INFINITY;
    let crossedLane = -1;
    let lastLoudMs = Number.NEGATIVE_INFINITY;
    let loudest = 0;
    const driftDb = this.#driftDb(channel, windowEndMs);
    for (let k = 0; k < LANE_KINDS.length; k++) {
      const lane = this.#laneOf[channel * LANE_KINDS.length + k]!;
      if (lane < 0) continue;
      if (k === DUTY_KIND) this.#restAtZero(lane);
      this.#noteLoudness(lane, windowEndMs, driftDb);
      if (this.#lastLoudMs[lane]! > lastLoudMs) lastLoudMs = this.#lastLoudMs[lane]!;
      loudest = Math.max(loudest, this.#loudest[lane]!);
      if (reports) this.#drain(channel, lane, windowEndMs);
      if (this.#lanes.top(lane) >= FREEZE_NATS) active = true;
      if (this.#lastActiveMs[lane]! > lastActiveMs) lastActiveMs = this.#lastActiveMs[lane]!;
      if (this.#crossedMs[lane]! < crossedMs) {
        crossedMs = this.#crossedMs[lane]!;
        crossedLane = lane;
      }
    }
    const hot = this.isHot(channel);
    if (!hot && crossedLane >= 0) {
      this.#flags[channel]! |= HOT;
      this.#events.open(this.#describe(channel, crossedLane, crossedMs));
    } else if (hot && !active && windowEndMs - lastActiveMs >= this.#options.holdMs) {
      this.#endEvent(channel, lastActiveMs);
      return false;
    } else if (hot && !reports && loudest >= LOUD_SIGMAS && windowEndMs - lastLoudMs >= this.#options.holdMs) {
      // What stood out by itself in every window and does no more is over, however long its sum takes to come down.
      this.#takeDrift(channel, windowEndMs);
      this.#clear(channel);
      this.#endEvent(channel, lastLoudMs);
      return false;
    } else if (hot) {
      const lane = this.#topLane(channel);
      this.#events.update(channel, windowEndMs, this.#lanes.top(lane), this.#snrDb(lane));
      if (!reports && active) {
        this.#noteSteadiness(channel);
        if (windowEndMs - this.#events.onsetMs(channel) >= this.#options.releaseMs) this.#release(channel, windowEndMs);
        else if (this.#isStep(channel, windowEndMs, true)) this.#takeStep(channel, windowEndMs);
      }
    }
    return active || this.isHot(channel);
  }

  /**
   * A duty of zero is nobody: a floor that fell below it, as after a call that was on while the lane began, would have quiet stand out for ever.
   */
  #restAtZero(lane: number): void {
    const lanes = this.#lanes;
    if (lanes.floor(lane) >= 0 || lanes.winEpoch(lane) !== this.#epoch || lanes.winN(lane) === 0) return;
    if (lanes.floor(lane) + toDb(lanes.winMax(lane)) > ZERO_DB) return;
    lanes.setFloor(lane, 0);
    lanes.clearG(lane);
    this.#crossedMs[lane] = Number.NaN;
  }

  /** Whether this window stands out without its history, and by more than its floor may have drifted. */
  #noteLoudness(lane: number, windowEndMs: number, driftDb: number): void {
    const window = this.#window(lane);
    if (window.count === 0) return;
    const levelDb = toDb(window.mean);
    const sigmaDb = this.#base.f32[lane * COLD_WORDS + SIGMA]!;
    if (levelDb >= STANDS_OUT_SIGMAS * sigmaDb + driftDb) this.#lastLoudMs[lane] = windowEndMs;
    if (levelDb / sigmaDb > this.#loudest[lane]!) this.#loudest[lane] = levelDb / sigmaDb;
  }

  /** By how much the floors of a channel may have drifted since they were held, dB. */
  #driftDb(channel: number, nowMs: number): number {
    if (!this.isHot(channel)) return 0;
    const heldMs = Math.max(0, nowMs - this.#events.onsetMs(channel));
    return Math.min(MOST_DRIFT_DB, (DRIFT_DB_PER_MIN * heldMs) / 60_000);
  }

  /** What is left of a channel that was loud is what its floors drifted meanwhile: they are taken along. */
  #takeDrift(channel: number, windowEndMs: number): void {
    const mostDb = this.#driftDb(channel, windowEndMs);
    for (const lane of this.#standingOut(channel, DUTY_KIND)) {
      if (this.#steady.windows[lane] === 0) continue;
      const movedDb = Math.min(mostDb, this.#steady.levelDb(lane));
      if (movedDb > 0) this.#base.resync(lane, this.#lanes.floor(lane) + movedDb);
    }
  }

  /** Takes the statistics of a channel back to zero; floors stay. */
  #clear(channel: number): void {
    for (let k = 0; k < LANE_KINDS.length; k++) {
      const lane = this.#laneOf[channel * LANE_KINDS.length + k]!;
      if (lane >= 0) this.#lanes.clearG(lane);
    }
  }

  #endEvent(channel: number, endMs: number): void {
    this.#events.close(channel, endMs);
    this.#flags[channel]! &= ~HOT;
    for (let k = 0; k < LANE_KINDS.length; k++) {
      const lane = this.#laneOf[channel * LANE_KINDS.length + k]!;
      if (lane < 0) continue;
      this.#crossedMs[lane] = Number.NaN;
      this.#loudest[lane] = 0;
      this.#steady.clear(lane);
    }
  }

  /** Lanes of a channel that hold their floors since something stands out of them; `kinds`: of the first so many. */
  *#standingOut(channel: number, kinds = LANE_KINDS.length): Generator<number, void> {
    for (let k = 0; k < kinds; k++) {
      const lane = this.#laneOf[channel * LANE_KINDS.length + k]!;
      if (lane >= 0 && this.#lanes.top(lane) >= FREEZE_NATS) yield lane;
    }
  }

  /** Notes the level of a window by each lane of a hot channel. */
  #noteSteadiness(channel: number): void {
    for (const lane of this.#standingOut(channel)) {
      const { count, mean } = this.#window(lane);
      if (count > 0) this.#steady.note(lane, toDb(mean), this.#quietDb(lane));
    }
  }

  /**
   * Whether the levels that stand out of a channel are as steady as its floor, for `sure` or rather than a phone's. What only comes down does
   * not count, nor does the duty: of a power near a sensor's own threshold it comes and goes.
   */
  #isStep(channel: number, windowEndMs: number, sure: boolean): boolean {
    let steady = false;
    for (const lane of this.#standingOut(channel, DUTY_KIND)) {
      if (windowEndMs - this.#lastLoudMs[lane]! >= this.#options.holdMs) continue;
      const quietDb = this.#quietDb(lane);
      steady = sure ? this.#steady.isSteady(lane, quietDb) : this.#steady.maybeSteady(lane, quietDb);
      if (!steady) return false;
    }
    return steady;
  }

  /** Spread of the level of such a window while nobody transmits, dB. */
  #quietDb(lane: number): number {
    const looks = Math.max(1, this.#window(lane).count * this.#base.weight(lane));
    return this.#base.f32[lane * COLD_WORDS + SIGMA]! / Math.sqrt(looks);
  }

  /** The floor has stayed up for longer than any call: what is there now is the new quiet. */
  #release(channel: number, windowEndMs: number): void {
    for (const lane of this.#standingOut(channel)) {
      if (this.#base.i32[lane * COLD_WORDS + HOT_VISITS] === 0) continue;
      this.#takeFloor(channel, lane, windowEndMs, this.#base.heldFloor(lane));
    }
    this.#endEvent(channel, windowEndMs);
  }

  /** The floor has gone up in a step: what is there now is the new quiet; what only came down since is over. */
  #takeStep(channel: number, windowEndMs: number): void {
    for (const lane of this.#standingOut(channel)) {
      const over = windowEndMs - this.#lastLoudMs[lane]! >= this.#options.holdMs;
      if (over || !this.#steady.isSteady(lane, this.#quietDb(lane))) this.#lanes.clearG(lane);
      else this.#takeFloor(channel, lane, windowEndMs, this.#lanes.floor(lane) + this.#steady.levelDb(lane));
    }
    this.#endEvent(channel, windowEndMs);
  }

  #takeFloor(channel: number, lane: number, windowEndMs: number, floor: number): void {
    this.#events.newFloor(channel, windowEndMs, this.#lanes.floor(lane), floor);
    this.#base.resync(lane, floor);
    this.#days?.released(lane, this.#events.onsetMs(channel), floor);
  }

  /** Takes back an event-driven lane's evidence for the silence up to the end of the window. */
  #drain(channel: number, lane: number, windowEndMs: number): void {
    const silentS = Math.max(0, (windowEndMs - this.#lastMs[channel]!) / 1000);
    if (silentS * HEARD_PER_S >= EVENT_CAP_NATS) this.#lanes.setG(lane, 0, 0);
  }

  #describe(channel: number, lane: number, crossedMs: number): ChannelEvent {
    const spec = this.#specs[channel]!;
    const k = this.#leading(lane);
    const threshold = this.thresholdNats(channel);
    const periodMs = spec.periodMs || this.#options.defaultPeriodMs;
    const kind = LANE_KINDS.findIndex((_, i) => this.#laneOf[channel * LANE_KINDS.length + i] === lane);
    const quiet = this.#lastQuietMs[lane]!;
    return {
      type: "open",
      channel,
      sensor: spec.sensor,
      band: spec.band,
      onsetMs: !Number.isNaN(quiet)
        ? Math.min(crossedMs, quiet + Math.max(1, spec.periodMs === 0 ? 1 : periodMs))
        : crossedMs,
      tMs: crossedMs,
      endMs: null,
      llr: this.#lanes.g(lane, k),
      snrDb: this.#snrDb(lane),
      explanation: {
        statistic: LANE_KINDS[kind]!,
        floorDbm: this.#lanes.floor(lane),
        sigmaDb: spec.periodMs === 0 ? RSSI_SIGMA_DB : this.#base.f32[lane * COLD_WORDS + SIGMA]!,
        looks: spec.periodMs === 0 ? 1 : looksOf(this.#lanes.cls(lane)),
        weight: spec.periodMs === 0 ? 1 : this.#base.weight(lane),
        clipNats: spec.periodMs === 0 ? REPORT_NATS : this.#lanes.clip(lane) / 8,
        designSnrDb: spec.periodMs === 0 ? Number.NaN : toDb(designSnr(looksOf(this.#lanes.cls(lane)), k)),
        readings: this.#lanes.evN(lane),
        thresholdNats: threshold,
        arlReadings: arlOfThreshold(threshold),
        provisional: this.#provisional(channel),
      },
      newFloorDbm: Number.NaN,
    };
  }

  // --------------------------------------------------------------------------------------------------------- looking

  /** Lane that levels are reported from: rms, or peak where there is no rms. */
  #levelLane(channel: number): number {
    const at = channel * LANE_KINDS.length;
    return this.#laneOf[at]! >= 0 ? this.#laneOf[at]! : this.#laneOf[at + 1]!;
  }

  #topLane(channel: number): number {
    let best = -1;
    let bestG = -1;
    for (let k = 0; k < LANE_KINDS.length; k++) {
      const lane = this.#laneOf[channel * LANE_KINDS.length + k]!;
      if (lane >= 0 && this.#lanes.top(lane) > bestG) {
        best = lane;
        bestG = this.#lanes.top(lane);
      }
    }
    return best;
  }

  /** Hypothesis with the largest statistic. */
  #leading(lane: number): number {
    let k = 0;
    for (let i = 1; i < BANK; i++) if (this.#lanes.g(lane, i) > this.#lanes.g(lane, k)) k = i;
    return k;
  }

  #warming(lane: number, channel: number): boolean {
    return this.#specs[channel]!.periodMs !== 0 && this.#base.i32[lane * COLD_WORDS + SEEN]! < WARM_READINGS;
  }

  #provisional(channel: number): boolean {
    const lane = this.#levelLane(channel);
    return lane < 0 || this.#base.i32[lane * COLD_WORDS + SEEN]! < READY_READINGS;
  }

  /** Most likely signal-to-noise ratio of the event: mean of p since the last quiet reading, less one. */
  #snrDb(lane: number): number {
    const n = this.#lanes.evN(lane);
    if (n === 0) return Number.NaN;
    return toDb(Math.max(1e-3, this.#lanes.evSum(lane) / n - 1));
  }

  #window(lane: number): { readonly count: number; readonly mean: number; readonly max: number } {
    const lanes = this.#lanes;
    const count = lanes.winN(lane);
    if (lanes.winEpoch(lane) !== this.#epoch || count === 0) return QUIET_WINDOW;
    return { count, mean: lanes.winSum(lane) / count, max: lanes.winMax(lane) };
  }

  /** Log-likelihood ratio of the window's readings alone under the leading hypothesis, clipped reading by reading. */
  #windowStep(lane: number): number {
    const lanes = this.#lanes;
    if (lanes.winEpoch(lane) !== this.#epoch) return 0;
    const channel = this.#laneChannel[lane]!;
    if (this.#specs[channel]!.periodMs === 0) return lanes.winN(lane) * REPORT_NATS;
    const k = this.#leading(lane);
    const row = lanes.cls(lane) * CLASS_STRIDE;
    const clipped = lanes.cut(lane, k, CUT_POWER);
    const n = lanes.winN(lane) - lanes.cut(lane, k, CUT_COUNT);
    // A sum of float32 is off by a few last bits of its largest term. A phone beside a sensor is 90 dB over its floor: what is left
    // of the sum without it is then lost, and the others are taken for quiet.
    const left = lanes.winSum(lane) - clipped;
    const power = clipped * WINDOW_ROUNDING < n ? Math.max(0, left) : n;
    return lanes.cut(lane, k, CUT_NATS) + this.#table[row + k]! * power - this.#table[row + BANK + k]! * n;
  }
}

/** Float32 rounds each of the additions of a block to half a last bit. */
const WINDOW_ROUNDING = BLOCK * 2 ** -24;

const QUIET_WINDOW = { count: 0, mean: Number.NaN, max: Number.NaN } as const;

/** Threshold of the bank (nats) for a mean number of quiet readings between false alarms; measured by test/bench/detect/delay.ts. */
export function thresholdForArl(readings: number): number {
  return THRESHOLD_SLOPE * Math.log(readings) + THRESHOLD_OFFSET;
}

/** Mean number of quiet readings between false alarms at a threshold (nats): the inverse of `thresholdForArl`. */
export function arlOfThreshold(nats: number): number {
  return Math.exp((nats - THRESHOLD_OFFSET) / THRESHOLD_SLOPE);
}

/**
 * What is added to the threshold while a lane knows little of its quiet. A spread known to the share e misstates every
 * log-likelihood ratio by 2 e; a MAD of N readings has e = 1.17 / sqrt(N), which at 10 nats and two standard errors makes
 * PROVISIONAL_NATS at READY_READINGS.
 */
function learning(seen: number): number {
  return seen <= READY_READINGS ? PROVISIONAL_NATS : PROVISIONAL_NATS * Math.sqrt(READY_READINGS / seen);
}

/** What the model asks for, at least what no single reading of a quiet hour brings. */
function modelThreshold(lnArl: number): number {
  return Math.max(LEAST_THRESHOLD_NATS, THRESHOLD_SLOPE * lnArl + THRESHOLD_OFFSET);
}

function keyOf(spec: ChannelSpec): string {
  return `${spec.sensor} ${spec.band}`;
}

function toDb(ratio: number): number {
  return 10 * Math.log10(ratio);
}
