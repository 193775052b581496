import { AlertBook } from "./alert/book.ts";
import { HEALTH_DEFAULTS, type HealthOptions, SensorHealth, type ZoneCover } from "./alert/health.ts";
import { Learning, type LearningOptions } from "./alert/learning.ts";
import { type Claim, claimOf, type Hearing, type Neighbours } from "./alert/neighbours.ts";
import { Placement } from "./alert/placement.ts";
import { POLICY_DEFAULTS, Policy, type PolicyOptions, scanSeverity } from "./alert/policy.ts";
import { Belief } from "./belief/belief.ts";
import { classify } from "./detect/activity.ts";
import { Detector } from "./detect/detector.ts";
import { Locator } from "./fuse/locate.ts";
import { type BandWindow, sightingOf } from "./fuse/sighting.ts";
import { TRACKER_DEFAULTS, type TrackChange, Tracker, type TrackerOptions } from "./fuse/tracks.ts";
import { Trust } from "./fuse/trust.ts";
import { vicinity } from "./fuse/vicinity.ts";
import { Wideband } from "./fuse/wideband.ts";
import { type ChannelDescription, Lanes } from "./lanes.ts";
import { LateLook } from "./late.ts";
import type {
  Alert,
  BandId,
  Birth,
  BlockId,
  BlockOutcomes,
  Calibration,
  CellBelief,
  CellSearch,
  ChannelEvidence,
  Command,
  CommandResult,
  Health,
  LearningReport,
  PipelineEvent,
  Presence,
  ReadingBatch,
  Rollup,
  Scan,
  SensorId,
  SensorState,
  Site,
  Track,
} from "./model.ts";

/**
 * The journey of a reading, for one block: filed on arrival, judged on tick. All state that fuses together lives in one
 * instance, so that blocks can be spread over machines. Pure and synchronous: time enters as an argument, chance never.
 */

export interface PipelineOptions {
  readonly site: Site;
  readonly block: BlockId;
  readonly calibration: Calibration | null;
  /** Length of the windows that are judged; divides a second. */
  readonly windowMs: number;
  /** How long a window waits for sensors that have not shown an instant behind its end. */
  readonly holdMs: number;
  /** Live: a sensor that has reported all it should of a window does not hold it up. Replay: wait for the next instant. */
  readonly eager: boolean;
  /** What the user tolerates, for this block. */
  readonly falseAlarmsPerDay: number;
  readonly policy?: Partial<PolicyOptions>;
  readonly tracker?: Partial<Omit<TrackerOptions, "block">>;
  /** What the site's other blocks hear; without it this block is alone. */
  readonly neighbours?: Neighbours;
  readonly health?: Partial<HealthOptions>;
  /** Which kernel judges the quiet (`DetectorOptions.kernel`). Default: "auto". */
  readonly kernel?: "auto" | "plain" | "simd";
  /** Learning mode: alerts of phones are counted, not told. Default: off. */
  readonly learning?: LearningOptions | null;
  /** False: no roll-ups of seconds are made. Default: they are. */
  readonly rollups?: boolean;
}

export const PIPELINE_DEFAULTS = { windowMs: 1000, holdMs: 10_000, falseAlarmsPerDay: 0.5 } as const;

/**
 * Where phones are in use, as prior density per square metre against a cell's. Offices and gates hold phones of staff and visitors
 * all day. Corridors are a balance of harms: six walks of officers with phones (staff-walk, seeds 1 to 3) raise five alerts on cells
 * at 0.25, three at 0.5 and one or two at 1, but at 1 calls from cells are missed where the sensors hang in the corridor (next-block:
 * two of three found at 0.25, one at 1).
 */
const USE_DENSITY = { cell: 1, corridor: 0.25, staff: 1, gate: 1, yard: 0.15, perimeter: 0.1 } as const;
/**
 * How much likelier a phone is in a corridor where phones are allowed than where they are not: a choice. In five houses like those of bench walk,
 * alerts are raised on 2 of 64 walks with it and on 9 without.
 */
const ALLOWED_CORRIDOR = 2;
/**
 * Share of phones heard that are outside the walls. Streets have far more phones than a block, and the walls keep out most of them:
 * as likely as not. `bench outside`, 160 phones in four houses: at 0.05, 0.3, 0.5 and 0.7 alerts on 34, 20, 9 and 7 % of the phones
 * outside, and on 99, 99, 99 and 98 % of those inside that are heard as loud.
 */
const OUTSIDE_P = 0.5;
/**
 * Where the site file names no place outside there is no public one near, as around most prisons: within their walls and the strip
 * before them few carry phones. A choice. At 0.5 a house of six sensors in a row could tell no phone from one in its yard: 1 of 13 found, 9 at this.
 */
const UNSTATED_OUTSIDE_P = 0.2;
/** How often, in event time, the sensors' health is looked at. */
const HEALTH_LOOK_MS = 5000;
/** Live, a block waits so long for what its neighbours heard of a window; then it decides without them. */
const NEIGHBOUR_WAIT_MS = 2000;
/** What stands out less than this explains nothing at the distance of another block. */
const LOUD_DB = 12;
/** Blocks whose sensors send what they kept are through with it together, give or take this. */
const LATE_NEIGHBOURS_MS = 5000;

/** What a block knows of places beforehand: the part of the site that matters to it, where phones are in use there, and a locator by both. */
export function placesOf(site: Site, block: BlockId, calibration: Calibration | null) {
  const around = vicinity(site, block);
  const pOutside = site.zones.some((z) => z.kind === "outside") ? OUTSIDE_P : UNSTATED_OUTSIDE_P;
  const prior = { kindWeight: USE_DENSITY, pOutside, allowedCorridor: ALLOWED_CORRIDOR };
  return { around, prior, locator: new Locator(around, { block, calibration, ...prior }) };
}

export class BlockPipeline {
  readonly block: BlockId;
  /** Sensors of other blocks whose readings this one is to be offered too: they hang at its borders, and count for its places alone. */
  readonly references: ReadonlySet<SensorId>;
  private readonly options: PipelineOptions;
  private readonly detector: Detector;
  private readonly lanes: Lanes;
  private readonly locator: Locator;
  private readonly tracker: Tracker;
  private readonly belief: Belief;
  private readonly policy: Policy;
  private readonly alerts: AlertBook;
  private readonly health: SensorHealth;
  /** Sensors whose case is open. */
  private readonly tampered = new Set<SensorId>();
  /** Share of time a receiver was overdriven, as its sensor said last. */
  private readonly saturation = new Map<SensorId, number>();
  private readonly events: PipelineEvent[] = [];
  /** Windows that were judged and whose alerts wait for what the neighbours heard. */
  private undecided: { readonly endMs: number; readonly changes: readonly TrackChange[] }[] = [];
  private flushing = false;
  private readonly placement = new Placement();
  private readonly trust = new Trust((band) => this.locator.sources(band));
  private readonly wideband = new Wideband();
  private readonly late: LateLook;
  private readonly learning: Learning;
  /** When the batch came that is being filed. */
  private offeredMs = Number.NEGATIVE_INFINITY;
  /** Tracks of late readings that wait for what the neighbours find, and until when. */
  private lateTracks: { readonly tracks: readonly Track[]; readonly atMs: number }[] = [];

  constructor(options: PipelineOptions) {
    if (1000 % options.windowMs !== 0) throw new Error(`windowMs must divide 1000, not ${options.windowMs}`);
    this.options = options;
    this.block = options.block;
    this.learning = new Learning(options.block, options.learning ?? null);
    this.health = new SensorHealth({ ...HEALTH_DEFAULTS, ...options.health }, coverOf(options.site, options.block));
    const { around, prior, locator } = placesOf(options.site, options.block, options.calibration);
    const sensors = around.sensors.filter((s) => s.type === "rf");
    this.references = new Set(sensors.filter((s) => s.block !== options.block).map((s) => s.id));
    const channels = sensors.reduce((n, s) => n + Math.max(1, s.bands.length), 0);
    this.detector = new Detector({
      falseAlarmsPerDay: options.falseAlarmsPerDay,
      expectedChannels: channels,
      timezone: options.site.timezone,
      kernel: options.kernel ?? "auto",
    });
    const { site, block, windowMs, falseAlarmsPerDay } = options;
    const tdd = new Set(site.bands.filter((b) => b.tdd).map((b) => b.id));
    this.lanes = new Lanes(this.detector, {
      windowMs,
      holdMs: options.holdMs,
      eager: options.eager,
      tdd,
      onRollup: options.rollups === false ? null : (rollup) => this.rolledUp(rollup),
      onLate: (batch) => this.cameLate(batch),
    });
    this.late = new LateLook({ block, windowMs, falseAlarmsPerDay, expectedChannels: channels, tdd });
    this.locator = locator;
    this.tracker = new Tracker(this.locator, {
      ...TRACKER_DEFAULTS,
      ...options.tracker,
      block: options.block,
    });
    this.policy = new Policy(around, { ...POLICY_DEFAULTS, ...options.policy }, block);
    this.belief = new Belief(site, block, prior);
    this.alerts = new AlertBook({
      site: site.id,
      block,
      falseAlarmsPerDay,
      policy: this.policy,
      learning: this.learning,
      neighbours: options.neighbours,
      setAside: () => this.trust.aside,
      onChange: (tMs, change) => this.events.push({ type: "alert", tMs, change }),
      onUse: (track, alert) => this.belief.use(track, this.policy.heldP(track), alert),
      onClosed: (alert, nowMs) => this.belief.closed(alert, nowMs),
    });
  }

  /** Does in steps beforehand what the first evidence of a band would do inside a tick; results are the same without it. */
  prepare(): Generator<void, void> {
    return this.locator.prepare();
  }

  /** A sensor said what it is. */
  birth(birth: Birth): void {
    this.lanes.birth(birth);
  }

  /** A sensor came or went. */
  state(state: SensorState): void {
    this.lanes.state(state);
  }

  /** Files a batch that came at `nowMs` under its sensor. Judging waits for `tick`. */
  offer(batch: ReadingBatch, nowMs: number): void {
    this.offeredMs = nowMs;
    this.lanes.offer(batch, nowMs);
  }

  private rolledUp(rollup: Rollup): void {
    if (!this.references.has(rollup.sensor)) this.events.push({ type: "rollup", rollup });
  }

  private cameLate(batch: ReadingBatch): void {
    if (!this.references.has(batch.sensor)) this.events.push({ type: "late", batch });
    this.late.offer(batch, this.offeredMs, this.lanes.periodOf(batch.sensor), () =>
      this.detector.snapshot(batch.sensor),
    );
  }

  /** A sensor told how it is. */
  vitals(health: Health): void {
    if (health.tamper) this.tampered.add(health.sensor);
    else this.tampered.delete(health.sensor);
    if (health.saturation !== null) this.saturation.set(health.sensor, health.saturation);
  }

  /**
   * A non-metallic scanner's result: alarm or not, it counts for what is believed of its place. A hit is an alert of its own at
   * that place; it latches, as a search must answer it. `nowMs` is the arrival.
   */
  scan(scan: Scan): void {
    const id = `${scan.sensor}-${scan.boot.toString(36)}-${scan.seq.toString(36)}`;
    const place = scan.place ?? this.options.site.sensors.find((s) => s.id === scan.sensor)?.place ?? null;
    const told = this.belief.scan({ ...scan, place }, id);
    if (!scan.alarm || told === null) return;
    const where = place === null ? "" : ` at ${place}`;
    const percent = (p: number) => `${(100 * p).toFixed(p < 0.1 ? 1 : 0)} %`;
    const score = scan.score === null ? "" : `, score ${scan.score}`;
    this.alerts.found(id, place, {
      sensor: scan.sensor,
      severity: scanSeverity(told.p),
      text: `Scanner ${scan.sensor} (${scan.method}) found something${where}${score}; its alarms multiply the odds of a phone by ${told.oddsRatio.toFixed(1)}, to ${percent(told.p)}.`,
      tMs: scan.tsMs,
    });
  }

  /** A feed told where people are who carry phones by right. */
  presence(presence: Presence): void {
    this.belief.presence(presence);
  }

  /** A cell was searched by hand; false: it is no cell of this block. */
  search(search: CellSearch, nowMs: number): boolean {
    if (!this.belief.has(search.cell)) return false;
    this.belief.search(search.cell, search.outcome === "found", nowMs, `${search.by} ${nowMs}`);
    return true;
  }

  /** Cells by the probability that a phone is kept there at `nowMs`, with reasons; at most `limit`. */
  searchList(nowMs: number, limit: number): CellBelief[] {
    return this.belief.list(nowMs, limit);
  }

  /** End of the last window that was judged; null: none was. */
  get judgedUntilMs(): number | null {
    return this.lanes.judgedUntilMs;
  }

  /** The precision reached, by recorded outcomes. */
  outcomes(nowMs: number): BlockOutcomes {
    return this.belief.outcomes(nowMs);
  }

  /** Whether `tick(nowMs)` would change anything. */
  due(nowMs: number): boolean {
    const first = this.undecided[0];
    if (this.lanes.due(nowMs) || (first !== undefined && first.endMs <= this.toldMs(nowMs))) return true;
    return this.late.due(nowMs) || (this.lateTracks[0]?.atMs ?? Number.POSITIVE_INFINITY) <= nowMs;
  }

  /** Judges every window that is ready at `nowMs` and gives everything there is to say since the last call. */
  tick(nowMs: number): PipelineEvent[] {
    for (const _ of this.steps(nowMs));
    return this.take();
  }

  /**
   * The same in steps of about a millisecond, for a caller whose event loop must stay free. Between steps messages may be
   * offered and events taken; a snapshot may not, it would hold half a window.
   */
  *steps(nowMs: number): Generator<void, void> {
    for (let endMs = this.lanes.ready(nowMs); endMs !== null; endMs = this.lanes.ready(nowMs)) {
      yield* this.judge(endMs);
      this.decide(nowMs);
    }
    this.decide(nowMs);
    if (this.late.due(nowMs)) yield* this.lookAgain(nowMs);
    this.decideLate(nowMs);
  }

  /** Judges everything filed, however recent: the end of a trace. Who is silent by then may only have been cut off. */
  flush(): PipelineEvent[] {
    this.flushing = true;
    for (let endMs = this.lanes.next(); endMs !== null; endMs = this.lanes.next()) {
      for (const _ of this.judge(endMs));
    }
    this.decide(Number.NEGATIVE_INFINITY);
    this.decideLate(Number.POSITIVE_INFINITY);
    if (this.late.due(Number.POSITIVE_INFINITY)) for (const _ of this.lookAgain(Number.POSITIVE_INFINITY));
    if (this.options.neighbours === undefined) this.decideLate(Number.POSITIVE_INFINITY);
    this.flushing = false;
    return this.take();
  }

  has(alertId: string): boolean {
    return this.alerts.has(alertId);
  }

  /** A person's action; `nowMs` is when. */
  command(command: Command, nowMs: number): CommandResult {
    return this.alerts.command(command, nowMs);
  }

  /** Which kernel judges, and how far floors are known by the time of day. */
  detectorFacts() {
    return { kernel: this.detector.kernel, ...this.detector.dayFloors() };
  }

  /** What the learning mode counted, and whether it is on at `nowMs`. */
  learningReport(nowMs: number): LearningReport {
    return this.learning.report(nowMs);
  }

  /** Alerts that are not closed, oldest first. */
  openAlerts(): Alert[] {
    return this.alerts.list();
  }

  /** One window: detect and fuse; what it means for alerts waits for `decide`. */
  private *judge(endMs: number): Generator<void, void> {
    yield* this.lanes.drain(endMs);
    this.detector.foresee(endMs);
    const windows = this.withoutBursts(endMs, yield* this.bandWindows(endMs));
    const observed = yield* this.tracker.observe(endMs, this.options.windowMs, this.trust.believed(windows));
    const changes = observed.map(({ kind, track }): TrackChange => {
      const { activity, p } = classify(track.episodes);
      return { kind, track: { ...track, fix: this.belief.weigh(track.fix, endMs), activity, activityP: p } };
    });
    for (const { track } of changes) this.events.push({ type: "track", tMs: endMs, track });
    yield;
    this.options.neighbours?.judged(this.block, endMs, this.hearings(windows, endMs), this.claims(endMs, changes));
    this.undecided.push({ endMs, changes });
    yield* this.learnSensors(endMs, windows, changes);
    if (windows.length > 0 && this.lanes.missing(endMs)) this.late.judged(windows);
    this.detector.closeWindow(endMs);
    this.learning.heard(endMs - this.options.windowMs);
    // What opened and closed is read from the channels; only the learning mode counts it.
    const opened = this.detector.takeEvents();
    if (this.learning.active(endMs)) this.learning.countEvents(opened.filter((e) => e.type === "open").length);
    this.belief.listened(endMs - this.options.windowMs, this.options.windowMs);
    if (endMs % HEALTH_LOOK_MS === 0 && !this.flushing) this.lookAtHealth(endMs);
  }

  /** What the sensors hear of phones that are alone in their band says whether they hang where they hung. */
  private *learnSensors(
    endMs: number,
    windows: readonly BandWindow[],
    changes: readonly TrackChange[],
  ): Generator<void, void> {
    for (const window of windows) {
      const { band, channels } = window;
      const on = changes.filter(
        ({ track }) => track.active && track.lastEvidenceMs === endMs && track.bands.includes(band),
      );
      // In its first band alone: another band has other levels.
      if (on.length !== 1 || on[0]!.track.bands[0] !== band) continue;
      this.placement.window(on[0]!.track.id, channels);
      const sighting = sightingOf(window, endMs);
      if (sighting !== null) this.trust.window(on[0]!.track.id, sighting);
    }
    for (const { kind, track } of changes) {
      if (kind !== "ended") continue;
      this.placement.ended(track);
      yield* this.trust.ended(track, this.policy.elsewhereP(track));
    }
  }

  /** Judges what came late. What it means for alerts waits for what the neighbours find in theirs. */
  private *lookAgain(nowMs: number): Generator<void, void> {
    const { detector, lanes } = this;
    const world = {
      locator: this.locator,
      *channelsOf(band: BandId, fromMs: number, untilMs: number) {
        for (const { sensor, channel } of lanes.channelsOf(band)) {
          yield { heard: lanes.heardIn(sensor, fromMs, untilMs), evidence: detector.evidence(channel, untilMs) };
        }
      },
    };
    const { tracks, windows } = yield* this.late.judge(world);
    const { neighbours } = this.options;
    for (const { endMs, bands } of windows) neighbours?.judgedLate(this.block, this.hearings(bands, endMs));
    if (tracks.length > 0) this.lateTracks.push({ tracks, atMs: neighbours ? nowMs + LATE_NEIGHBOURS_MS : nowMs });
  }

  private decideLate(nowMs: number): void {
    while (this.lateTracks.length > 0 && this.lateTracks[0]!.atMs <= nowMs) {
      for (const found of this.lateTracks.shift()!.tracks) {
        const { activity, p } = classify(found.episodes);
        const fix = this.belief.weigh(found.fix, found.lastEvidenceMs);
        const track = { ...found, fix, activity, activityP: p };
        this.alerts.late(track, this.lanes.judgedUntilMs ?? track.lastEvidenceMs);
      }
    }
  }

  /** Up to which window the neighbours have told what they heard, or have been waited for long enough. */
  private toldMs(nowMs: number): number {
    const told = this.options.neighbours?.toldMs(this.block) ?? Number.POSITIVE_INFINITY;
    return this.options.eager ? Math.max(told, nowMs - NEIGHBOUR_WAIT_MS) : told;
  }

  /** Alerts of the windows that every neighbour has judged too. */
  private decide(nowMs: number): void {
    const toldMs = this.toldMs(nowMs);
    while (this.undecided.length > 0 && this.undecided[0]!.endMs <= toldMs) {
      const { endMs, changes } = this.undecided.shift()!;
      for (const { kind, track } of changes) this.alerts.track(track, kind === "ended", endMs);
      this.alerts.judged(endMs);
    }
  }

  /** The loudest of the block's own sensors in each band in which something stands out far. */
  private hearings(windows: readonly BandWindow[], tMs: number): Hearing[] {
    const out: Hearing[] = [];
    for (const window of windows) {
      if (!window.channels.some((c) => c.peakDbm - c.floorDbm >= LOUD_DB)) continue;
      const heard = sightingOf(window, tMs)?.heard ?? [];
      const loudest = heard.find((h) => !this.references.has(h.evidence.sensor))?.evidence;
      if (loudest === undefined || loudest.excessDb < LOUD_DB) continue;
      const { band, sensor, floorDbm, excessDb } = loudest;
      out.push({ tMs, band, sensor, levelDbm: floorDbm + excessDb });
    }
    return out;
  }

  /** How much of each track is this block's, for those whose sensors hang at the border. */
  private claims(windowMs: number, changes: readonly TrackChange[]): Claim[] {
    if (this.references.size === 0) return [];
    return changes.map(({ track }) => claimOf(track, this.policy.shareHere(track), windowMs));
  }

  private lookAtHealth(endMs: number): void {
    this.detector.lookForEnds();
    this.alerts.endFlood(endMs);
    const misplaced = (sensor: SensorId) => this.placement.of(sensor);
    const distrust = (sensor: SensorId) => this.trust.of(sensor);
    const looks = this.lanes.sensors(this.tampered, this.saturation, misplaced, distrust, endMs);
    const own = [...looks].filter((look) => !this.references.has(look.sensor));
    const { opened, ended } = this.health.look(endMs, own);
    for (const fault of opened) this.alerts.fault(fault, endMs);
    for (const fault of ended) this.alerts.faultEnded(fault.key, endMs);
  }

  /** The bands in which any channel stands out, each with all channels that measured it. */
  private *bandWindows(endMs: number): Generator<void, BandWindow[]> {
    const bands = new Set<BandId>();
    for (const channel of this.detector.active()) bands.add(this.lanes.bandOf(channel));
    const windows: BandWindow[] = [];
    for (const band of [...bands].sort()) {
      yield;
      const channels: ChannelEvidence[] = [];
      const quietEventDriven: SensorId[] = [];
      const between: { sensor: SensorId; periodMs: number }[] = [];
      for (const { sensor, channel, lane } of this.lanes.channelsOf(band)) {
        const evidence = this.detector.evidence(channel, endMs);
        if (evidence.samples > 0) channels.push(evidence);
        else if (lane.periodMs === 0 && lane.online) quietEventDriven.push(sensor);
        else if ((lane.periodMs ?? 0) > this.options.windowMs && lane.online)
          between.push({ sensor, periodMs: lane.periodMs! });
      }
      if (channels.length > 0)
        windows.push({ band, channels, quietEventDriven, ...(between.length > 0 ? { between } : {}) });
    }
    return windows;
  }

  /** Leaves out what rises over all bands, and ends it in its channels. */
  private withoutBursts(endMs: number, all: readonly BandWindow[]): readonly BandWindow[] {
    const { windows, risen } = this.wideband.without(endMs, all, (sensor) => this.lanes.bandsOf(sensor));
    for (const { sensor, band } of risen) this.detector.calm(this.lanes.channelOf(sensor, band));
    return windows;
  }

  /** Everything there is to say since the last call. */
  take(): PipelineEvent[] {
    return this.events.splice(0);
  }

  /** What the detector says of every channel, for the sensors' page. */
  channels(): ChannelDescription[] {
    return this.lanes.describe().filter((c) => !this.references.has(c.sensor));
  }

  /** Everything needed to go on as if never stopped; survives structured cloning. */
  snapshot(): unknown {
    return {
      detector: this.detector.snapshot(),
      days: this.detector.daySnapshot(),
      ends: this.detector.ends(),
      lanes: this.lanes.snapshot(),
      tracker: this.tracker.snapshot(),
      alerts: this.alerts.snapshot(),
      undecided: this.undecided,
      health: this.health.snapshot(),
      tampered: [...this.tampered],
      saturation: [...this.saturation],
      placement: this.placement.snapshot(),
      trust: this.trust.snapshot(),
      wideband: this.wideband.snapshot(),
      late: this.late.snapshot(),
      lateTracks: this.lateTracks,
      belief: this.belief.snapshot(),
      learning: this.learning.snapshot(),
    };
  }

  restore(snapshot: unknown): void {
    const data = snapshot as {
      detector: ReturnType<Detector["snapshot"]>;
      lanes: unknown;
      tracker: unknown;
      alerts: unknown;
      undecided: { endMs: number; changes: TrackChange[] }[];
      health: unknown;
      tampered: SensorId[];
      saturation: [SensorId, number][];
      placement: unknown;
      trust?: unknown;
      wideband?: unknown;
      late: unknown;
      lateTracks: { tracks: Track[]; atMs: number }[];
      belief?: unknown;
      learning?: unknown;
      days?: Uint8Array | null;
      ends?: [BandId, number][];
    };
    this.detector.restore(data.detector);
    this.detector.restoreEnds(data.ends ?? []);
    if (data.days) this.detector.restoreDays(data.days);
    this.lanes.restore(data.lanes);
    this.tracker.restore(data.tracker);
    this.alerts.restore(data.alerts);
    this.undecided = [...data.undecided];
    this.health.restore(data.health);
    for (const sensor of data.tampered) this.tampered.add(sensor);
    this.placement.restore(data.placement);
    if (data.trust !== undefined) this.trust.restore(data.trust);
    if (data.wideband !== undefined) this.wideband.restore(data.wideband);
    this.late.restore(data.late);
    this.lateTracks = [...data.lateTracks];
    if (data.belief !== undefined) this.belief.restore(data.belief);
    if (data.learning !== undefined) this.learning.restore(data.learning);
    for (const [sensor, share] of data.saturation) this.saturation.set(sensor, share);
  }
}

/** A zone is heard by the sensors nearest to it; with three of them gone a phone there is a guess from afar. */
const COVERING_SENSORS = 3;

/** For every zone where phones are forbidden, the sensors of the block that are nearest to its middle. */
function coverOf(site: Site, block: BlockId): ZoneCover[] {
  const heights = new Map(site.floors.map((f) => [f.id, f.zM]));
  const sensors = site.sensors.filter((s) => s.block === block && s.type === "rf" && s.positionM !== null);
  const zones = site.zones.filter((z) => z.block === block && z.phones === "forbidden");
  return zones.map((zone) => {
    const mean = (axis: 0 | 1) => zone.polygon.reduce((sum, p) => sum + p[axis], 0) / zone.polygon.length;
    const [x, y] = [mean(0), mean(1)];
    const heightOf = (floor: string | null) => heights.get(floor ?? "") ?? 0;
    const far = sensors.map((s) => {
      const [sx, sy] = s.positionM!;
      return { sensor: s.id, m: Math.hypot(sx - x, sy - y, heightOf(s.floor) - heightOf(zone.floor)) };
    });
    far.sort((a, b) => a.m - b.m);
    return { zone: zone.id, sensors: far.slice(0, COVERING_SENSORS).map((f) => f.sensor) };
  });
}
