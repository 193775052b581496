/**
 * The words of the project: domain nouns as types. Imports nothing; every layer may import it.
 *
 * Conventions: times are integer Unix epoch milliseconds UTC (`…Ms`), levels are dBm, ratios are dB, lengths are metres.
 * In columnar arrays NaN means "not measured".
 */

/** Ids match `^[a-z0-9][a-z0-9-]{0,31}$`; the type alias only says which noun is meant. */
export type SiteId = string;
export type BlockId = string;
export type SensorId = string;
export type BandId = string;
export type ZoneId = string;
export type FloorId = string;

// ---------------------------------------------------------------------------------------------------------------- site

export interface Band {
  readonly id: BandId;
  readonly loHz: number;
  readonly hiHz: number;
  /** True where base stations transmit on the same frequencies, so that energy alone can't tell phone from mast. */
  readonly tdd: boolean;
}

export type ZoneKind = "cell" | "corridor" | "staff" | "yard" | "gate" | "perimeter" | "outside";

export interface Block {
  readonly id: BlockId;
  readonly name: string;
}

export interface Floor {
  readonly id: FloorId;
  /** Storey number; neighbours differ by one. */
  readonly level: number;
  /** Height of the walking surface above the site's datum. */
  readonly zM: number;
  readonly heightM: number;
  /** Material of the slab under this floor, and its stated loss where the site file gives one. */
  readonly slabMaterial: string | null;
  readonly slabLossDb: number | null;
}

export type Point2 = readonly [xM: number, yM: number];
export type Point3 = readonly [xM: number, yM: number, zM: number];

export interface Zone {
  readonly id: ZoneId;
  /** null for zones outside the house. */
  readonly block: BlockId | null;
  readonly floor: FloorId | null;
  readonly kind: ZoneKind;
  /** Counter-clockwise, not closed. */
  readonly polygon: readonly Point2[];
  readonly phones: "allowed" | "forbidden";
}

/** Loss of a wall or door: one number for all bands, one per band, or null (from the material at the band's frequency). */
export type LossDb = number | Readonly<Record<BandId, number>> | null;

export interface Door {
  /** Distance of the door's centre from the wall's `from` end. */
  readonly atM: number;
  readonly widthM: number;
  readonly material: string | null;
  readonly lossDb: LossDb;
}

export interface Wall {
  readonly floor: FloorId;
  readonly from: Point2;
  readonly to: Point2;
  readonly material: string | null;
  readonly lossDb: LossDb;
  readonly door: Door | null;
}

export interface SensorSite {
  readonly id: SensorId;
  readonly block: BlockId;
  readonly floor: FloorId;
  readonly type: "rf" | "scanner" | "presence";
  /** Site coordinates: z above the datum, not above the floor. null for scanners that stand for a zone (`place`). */
  readonly positionM: Point3 | null;
  /** Bands the sensor is meant to measure; a birth may say otherwise and then counts. */
  readonly bands: readonly BandId[];
  readonly method: ScanMethod | null;
  readonly place: ZoneId | null;
}

/** A validated site file, frozen. */
export interface Site {
  readonly id: SiteId;
  readonly name: string;
  readonly timezone: string;
  /** Every band the site knows: its plan's bands and its own. */
  readonly bands: readonly Band[];
  readonly blocks: readonly Block[];
  readonly floors: readonly Floor[];
  readonly zones: readonly Zone[];
  readonly walls: readonly Wall[];
  readonly sensors: readonly SensorSite[];
  /** When and where phones are carried by right: visits, works. */
  readonly schedules?: readonly Schedule[];
  /** What the site file says of the lasting belief; what is left out has a default. */
  readonly belief?: BeliefFile;
}

/** A time at which phones are carried by right in some zones; in the site's time zone. */
export interface Schedule {
  readonly what: "visits" | "works" | "other";
  readonly zones: readonly ZoneId[];
  /** 0 Sunday to 6 Saturday; null: every day. */
  readonly days: readonly number[] | null;
  /** First and last day, `YYYY-MM-DD`; null: always. */
  readonly dates: readonly [first: string, last: string] | null;
  /** Minutes after midnight; an end not after the begin is on the next day. */
  readonly fromMinute: number;
  readonly toMinute: number;
  /** Phones expected in each of the zones then. */
  readonly phones: number;
}

/** Settings of the lasting belief that a site file may give: rates per day, probabilities, shares. */
export interface BeliefFile {
  readonly halfLifeDays?: number;
  readonly prevalence?: number;
  readonly usesPerDay?: number;
  readonly strayPerDay?: number;
  readonly usedElsewhere?: number;
  readonly inCommon?: number;
  readonly repeatShare?: number;
  readonly searchHit?: number;
  readonly carryShare?: number;
  readonly methods?: Readonly<
    Partial<Record<ScanMethod, { readonly hit?: number; readonly falseAlarm?: number; readonly trials?: number }>>
  >;
}

// ---------------------------------------------------------------------------------------------------------- from sensors

/**
 * What one `reading` or `readings` message carries, by columns.
 *
 * Shape: the arrays are `bands.length * count`, row-major by band: value of band i at instant j is `[i * count + j]`.
 * Instant j is at `tsMs + j * dtMs` and has sequence number `seq + j`. Units: dBm, fractions, counts. NaN = not measured.
 */
export interface ReadingBatch {
  readonly block: BlockId;
  readonly sensor: SensorId;
  readonly boot: number;
  readonly seq: number;
  readonly tsMs: number;
  /** 0 when `count` is 1. */
  readonly dtMs: number;
  readonly count: number;
  readonly bands: readonly BandId[];
  /** Mean power of the dwell. At least one of rms and peak is there; a null array means no instant had it. */
  readonly rmsDbm: Float32Array | null;
  /** Largest power within the dwell. */
  readonly peakDbm: Float32Array | null;
  /** Share of the dwell with energy, 0..1. */
  readonly duty: Float32Array | null;
  /** The sensor's own estimate of its noise floor. */
  readonly noiseDbm: Float32Array | null;
  /** Number of independent looks averaged in rms. */
  readonly looks: Float32Array | null;
}

export interface Birth {
  readonly block: BlockId;
  readonly sensor: SensorId;
  readonly boot: number;
  readonly tsMs: number;
  readonly type: "rf" | "scanner" | "presence";
  readonly model: string | null;
  readonly firmware: string | null;
  /** Time between instants; 0: reports only when it hears something; null: not said. */
  readonly periodMs: number | null;
  readonly dwellMs: number | null;
  readonly revisitMs: number | null;
  readonly bands: readonly { readonly id: BandId; readonly loHz: number; readonly hiHz: number }[];
  readonly calId: string | null;
}

export interface SensorState {
  readonly block: BlockId;
  readonly sensor: SensorId;
  readonly boot: number;
  readonly tsMs: number;
  readonly online: boolean;
  readonly reason: "stopped" | "lost" | null;
}

export type ScanMethod = "nljd" | "ferromagnetic" | "mmwave" | "xray" | "metal";

export interface Scan {
  readonly block: BlockId;
  readonly sensor: SensorId;
  readonly boot: number;
  readonly seq: number;
  readonly tsMs: number;
  readonly method: ScanMethod;
  readonly place: ZoneId | null;
  /** Extension: a zone of the wing that the person is on the way to, where the post knows it. */
  readonly towards?: ZoneId | null;
  readonly alarm: boolean;
  readonly score: number | null;
  readonly h2Db: number | null;
  readonly h3Db: number | null;
  readonly peakUt: number | null;
  readonly zones: readonly { readonly zone: string; readonly score: number }[];
}

export interface Health {
  readonly block: BlockId;
  readonly sensor: SensorId;
  readonly tsMs: number;
  readonly uptimeS: number | null;
  readonly tempC: number | null;
  readonly clockOffMs: number | null;
  /** Share of time the receiver was saturated, 0..1. */
  readonly saturation: number | null;
  readonly drop: number | null;
  readonly queue: number | null;
  readonly tamper: boolean;
  readonly battery: number | null;
}

/** Where a feed of staff presence says that people with phones are, all of them; it replaces what the feed said before. */
export interface Presence {
  readonly block: BlockId;
  readonly sensor: SensorId;
  readonly tsMs: number;
  /** For how long it holds; null: a minute. */
  readonly ttlMs: number | null;
  readonly zones: readonly { readonly zone: ZoneId; readonly phones: number }[];
}

/** One decoded message, whatever its kind. */
export type SensorMessage =
  | { readonly kind: "birth"; readonly birth: Birth }
  | { readonly kind: "state"; readonly state: SensorState }
  | { readonly kind: "readings"; readonly batch: ReadingBatch }
  | { readonly kind: "scan"; readonly scan: Scan }
  | { readonly kind: "health"; readonly health: Health }
  | { readonly kind: "presence"; readonly presence: Presence };

/**
 * Why a message, or a part of it, was not taken. Closed: a new reason is added here, in docs/errors.md and with a test.
 */
export type RejectCode =
  | "topic-malformed"
  | "topic-foreign-site"
  | "unknown-block"
  | "unknown-sensor"
  | "unknown-kind"
  | "unknown-band"
  | "payload-empty"
  | "payload-too-large"
  | "payload-too-deep"
  | "payload-not-utf8"
  | "payload-not-json"
  | "payload-forbidden-key"
  | "payload-version"
  | "payload-schema"
  | "value-out-of-range"
  | "time-implausible"
  | "time-future"
  | "retained-reading"
  | "stale-state"
  | "stale-boot"
  | "sequence-conflict"
  | "sensor-quota"
  | "inbox-full";

export interface Reject {
  readonly ok: false;
  readonly code: RejectCode;
  /** One sentence: what was wrong, where, and what would be right. */
  readonly detail: string;
}

// --------------------------------------------------------------------------------------------------------------- detect

export type ChannelStatus = "warming" | "provisional" | "ready" | "stuck" | "saturated" | "silent";

/** What the detector knows of one channel (one sensor and one band) over one window of event time. */
export interface ChannelEvidence {
  readonly sensor: SensorId;
  readonly band: BandId;
  /** End of the window. */
  readonly tMs: number;
  readonly status: ChannelStatus;
  /** Samples of the window. */
  readonly samples: number;
  /** Mean power (linear mean, back in dBm) over the window's samples above the floor; the level where the excess is. */
  readonly levelDbm: number;
  /** Largest single value in the window. */
  readonly peakDbm: number;
  /** Floor of the peak values, where the sensor reports peaks; NaN otherwise. `peakDbm` stands above this one. */
  readonly peakFloorDbm: number;
  /** Tracked noise floor. */
  readonly floorDbm: number;
  /** `levelDbm - floorDbm`. */
  readonly excessDb: number;
  /** Spread of the channel's quiet readings, one standard deviation, robust. */
  readonly sigmaDb: number;
  /** Accumulated log-likelihood ratio of "a transmission is on" against "quiet", nats, calibrated on the channel's own quiet. */
  readonly llr: number;
  /** What `llr` has to reach for this channel to open an event by itself, nats. */
  readonly thresholdNats: number;
  /** What the window's samples alone added to the log-likelihood ratio, nats; may be negative. Adds up over sensors. */
  readonly llrStep: number;
  /** True while an event of this channel is open. */
  readonly hot: boolean;
  /** Most likely begin of the event (last zero of the statistic); NaN when not hot. */
  readonly onsetMs: number;
  /** Estimated signal-to-noise ratio; NaN when not hot. */
  readonly snrDb: number;
  /** What stands out has been so steady that a step of the floor is likelier than the least phone; left out: it has not. */
  readonly step?: true;
  /** By how much its floor may have drifted while it is held, dB; absent while it follows. */
  readonly driftDb?: number;
}

// ----------------------------------------------------------------------------------------------------------------- fuse

export interface Candidate {
  readonly cell: ZoneId;
  readonly p: number;
  /** Part of `p` that is a phone carried there by right (visits, works, staff); left out: none. */
  readonly lawful?: number;
}

export interface Position {
  readonly xM: number;
  readonly yM: number;
  readonly floor: FloorId;
  /** Covariance [xx, xy, yy]. */
  readonly covM2: readonly [number, number, number];
}

/** Where an emitter is, as a probability distribution over zones and a point with covariance. */
export interface Fix {
  readonly position: Position;
  /** Zones of the house, most likely first; each p >= 0.01; with `pOutside` (and what is left out) they add up to 1. */
  readonly candidates: readonly Candidate[];
  /** Probability of being outside the site. */
  readonly pOutside: number;
  /** Probability of being in a zone where phones are allowed (outside included). */
  readonly pAllowed: number;
}

export type Activity = "call" | "message" | "data" | "beacon" | "unknown";

export interface SensorEvidence {
  readonly sensor: SensorId;
  readonly band: BandId;
  readonly excessDb: number;
  readonly floorDbm: number;
  /** As `ChannelEvidence.step`. */
  readonly step?: true;
}

/** One emitter in use, followed over time. */
export interface Track {
  readonly id: string;
  readonly block: BlockId;
  readonly bands: readonly BandId[];
  readonly openedAtMs: number;
  readonly firstEvidenceMs: number;
  readonly lastEvidenceMs: number;
  /** False once the track has had no evidence for the hold-off. */
  readonly active: boolean;
  /** False while it may still be the fading of another emitter. */
  readonly confirmed: boolean;
  /** Times that it was found elsewhere than it had been: people in cells stay, people in corridors walk. */
  readonly moves: number;
  /** Log Bayes factor of its being carried past the likeliest cell against its being used there, nats; 0: nothing is known. */
  readonly walkNats: number;
  /** Mean of `fix.pOutside` over the last few judgements of its place, which may jump; left out: as the fix has it. */
  readonly outsideP?: number;
  readonly fix: Fix;
  readonly activity: Activity;
  readonly activityP: number;
  /** Stretches with energy, oldest first, at most the last 64; what the activity is judged from. */
  readonly episodes: readonly { readonly startMs: number; readonly endMs: number }[];
  /** Summed calibrated log-likelihood ratio, nats, and what it had to reach. */
  readonly llr: number;
  readonly threshold: number;
  readonly sensors: readonly SensorEvidence[];
}

/** Mean level of one sensor at one labelled point. */
export interface CalibrationLevel {
  readonly sensor: SensorId;
  /** Mean of what was heard, power differences taken out; where nothing was heard, what the fit puts there. */
  readonly levelDbm: number;
  /** Bursts it heard, of those of the point. */
  readonly heard: number;
  /** Where bursts drowned: spread of what the level stands for, dB; left out, that of as many bursts as were heard. */
  readonly sdDb?: number;
}

export interface CalibrationPoint {
  readonly xM: number;
  readonly yM: number;
  readonly zM: number;
  readonly floor: FloorId;
  readonly bursts: number;
  readonly levels: readonly CalibrationLevel[];
}

/** What labelled points taught about one sensor at one band. */
export interface SensorCalibration {
  readonly sensor: SensorId;
  /** Probability of hearing a burst far above the floor, 0..1. */
  readonly hearing: number;
  /** Level at which half of that is heard, and the spread around it; null: no level dependence was seen. */
  readonly floorDbm: number | null;
  readonly floorSpreadDb: number;
}

/** What labelled points taught about one band. */
export interface BandCalibration {
  readonly band: BandId;
  /** The calibrating emitter's power at 1 m, and its spread between points and between bursts. */
  readonly powerDbm: number;
  readonly pointPowerSdDb: number;
  readonly burstPowerSdDb: number;
  readonly exponent: number;
  readonly wallFactor: number;
  readonly slabFactor: number;
  /** Residual map: standard deviation, distance over which it decorrelates, part that doesn't repeat, sensors' offsets. */
  readonly shadowSdDb: number;
  readonly shadowLengthM: number;
  readonly nuggetSdDb: number;
  readonly offsetSdDb: number;
  /** How the residual map changes with distance; left out: exponential. */
  readonly roughness?: "exponential" | "matern32";
  /** Distance between sensors over which their residuals decorrelate; 0: independent. */
  readonly sensorLengthM: number;
  /** Spread of one packet around the mean at a point. */
  readonly fadingSdDb: number;
  /** Time over which the map's errors repeat themselves for a moving emitter; set by walks over left-out points. */
  readonly persistenceMs: number;
  /** Time over which what was heard before counts less and less for the place, ms; left out: it always counts. */
  readonly memoryMs?: number;
  /** Factor by which the stated covariance of a followed emitter has to grow to hold what it says; set by the same walks. */
  readonly widening: number;
  readonly sensors: readonly SensorCalibration[];
  readonly points: readonly CalibrationPoint[];
}

/** Result of `cellward calibrate`; lives in a file beside the site file. */
export interface Calibration {
  readonly site: SiteId;
  readonly bands: readonly BandCalibration[];
}

// ---------------------------------------------------------------------------------------------------------------- alert

export type AlertKind = "phone-active" | "phone-found" | "sensor-fault" | "service-fault" | "tamper";
export type Severity = "low" | "medium" | "high" | "critical";
export type Outcome = "found" | "not-found" | "staff" | "false" | "not-searched";

/** The alert as the world sees it: contracts section 3, field for field. Independent facts; display states are derived. */
export interface Alert {
  readonly id: string;
  /** Grows with every change; the optimistic lock of operator actions. */
  readonly version: number;
  readonly site: SiteId;
  readonly block: BlockId | null;
  readonly kind: AlertKind;
  /** Extension: the sensor whose fault or tampering it is, or whose scan; absent where it is not one sensor's. */
  readonly sensor?: SensorId;
  readonly severity: Severity;
  readonly cell: ZoneId | null;
  readonly candidates: readonly Candidate[];
  readonly p_outside: number | null;
  /** Extension: probability of a zone where phones are allowed, outside included. */
  readonly p_allowed: number | null;
  readonly position: {
    readonly x_m: number;
    readonly y_m: number;
    readonly floor: FloorId;
    readonly cov_m2: readonly [number, number, number];
  } | null;
  readonly bands: readonly BandId[];
  readonly activity: Activity | null;
  readonly active: boolean;
  readonly acked: boolean;
  readonly acked_by: string | null;
  readonly latched: boolean;
  readonly shelved_until: number | null;
  readonly suppressed_by: string | null;
  readonly out_of_service: boolean;
  readonly opened_at: number;
  readonly first_evidence_at: number;
  readonly last_evidence_at: number;
  readonly closed_at: number | null;
  readonly outcome: Outcome | null;
  /** Extension: how long after the last of its evidence it came to be known, where readings came late; absent otherwise. */
  readonly late_ms?: number;
  /** Extension: one sentence for people, e.g. of a fault alert. */
  readonly text: string;
  readonly evidence: {
    readonly sensors: readonly {
      readonly sensor: SensorId;
      readonly band: BandId;
      readonly excess_db: number;
      readonly floor_dbm: number;
    }[];
    readonly llr: number;
    readonly threshold: number;
    readonly false_alarms_per_day: number;
    /** Extension: sensors of the block whose word did not count for the place, as it fits nobody else's; absent where all count. */
    readonly set_aside?: readonly SensorId[];
    /** Extension: since when the place is one where nobody is held, and the place named before; absent where it is not. */
    readonly lowered?: { readonly at: number; readonly cell: ZoneId | null };
  } | null;
}

export interface AlertChange {
  readonly type: "new" | "update" | "end";
  readonly before: Alert | null;
  readonly after: Alert;
}

/** What people do to alerts. `versions` are what the person saw: an older one is refused. */
export type Command =
  | { readonly type: "ack"; readonly alert: string; readonly version: number; readonly by: string }
  | {
      readonly type: "shelve";
      readonly alert: string;
      readonly version: number;
      readonly by: string;
      readonly untilMs: number;
      readonly reason: string;
    }
  | { readonly type: "unshelve"; readonly alert: string; readonly version: number; readonly by: string }
  | {
      readonly type: "close";
      readonly alert: string;
      readonly version: number;
      readonly by: string;
      readonly outcome: Outcome;
    };

export type CommandResult =
  | { readonly ok: true; readonly alert: Alert }
  | {
      readonly ok: false;
      readonly code: "alert-unknown" | "version-stale" | "alert-closed" | "command-invalid";
      readonly detail: string;
    };

// --------------------------------------------------------------------------------------------------------------- belief

/** A cell was searched by hand, whether or not an alert asked for it. */
export interface CellSearch {
  readonly type: "search";
  readonly cell: ZoneId;
  readonly outcome: "found" | "not-found";
  readonly by: string;
}

/** One fact that speaks for or against a phone in a cell. */
export interface SearchReason {
  readonly tMs: number;
  readonly kind: "use" | "scan" | "pass" | "search";
  /** The alert, track, scan or search it comes from. */
  readonly ref: string;
  /** By how much it multiplies the odds now; fades to 1. */
  readonly oddsRatio: number;
  readonly text: string;
}

/** What is believed of one cell. */
export interface CellBelief {
  readonly cell: ZoneId;
  readonly block: BlockId;
  /** Place in the block's list, 1 the first. */
  readonly rank: number;
  /** Probability that a phone is kept there now. */
  readonly pKept: number;
  /** Probability that one was used there lately, within about the half-life. */
  readonly pUsed: number;
  /** Strongest first. */
  readonly reasons: readonly SearchReason[];
}

/** Finds among searches; `stated` is the mean probability the list gave, `low` and `high` a 95 % interval of the share. */
export interface Reached {
  readonly searched: number;
  readonly found: number;
  readonly stated: number | null;
  readonly share: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** The precision reached in one block, by recorded outcomes. */
export interface BlockOutcomes {
  readonly block: BlockId;
  readonly searches: Reached;
  /** Of searches of cells that were among the first five of the list. */
  readonly first: Reached;
  readonly byStated: readonly (Reached & { readonly from: number; readonly to: number })[];
  readonly alerts: readonly { readonly kind: AlertKind; readonly outcome: Outcome; readonly count: number }[];
  /** Means of the methods' rates after the results seen here. */
  readonly methods: readonly {
    readonly method: ScanMethod;
    readonly hit: number;
    readonly falseAlarm: number;
    readonly stated: { readonly hit: number; readonly falseAlarm: number; readonly trials: number };
    readonly results: number;
  }[];
}

// --------------------------------------------------------------------------------------------------------- learning mode

/** An alert that was only counted. */
export interface WouldBeAlert {
  /** When it would have opened, event time. */
  readonly tMs: number;
  readonly firstEvidenceMs: number;
  readonly cell: ZoneId | null;
  /** Probability of the cell. */
  readonly p: number;
  readonly bands: readonly BandId[];
}

/** What a block's learning mode says of itself. */
export interface LearningReport {
  readonly block: BlockId;
  /** Alerts of phones are only counted now. */
  readonly learning: boolean;
  /** Instant of the block's first reading; null: none yet. */
  readonly firstMs: number | null;
  /** When it ends or ended; null: not configured, or waiting for the first reading. */
  readonly untilMs: number | null;
  /** Events of channels and alerts that were counted instead of told. */
  readonly events: number;
  readonly alerts: number;
  /** The last of these alerts, oldest first. */
  readonly last: readonly WouldBeAlert[];
}

// ---------------------------------------------------------------------------------------------------- out of the pipeline

/**
 * One sensor's readings of one second, per band.
 *
 * Shape: every array has `bands.length` entries. NaN = not measured in that second.
 */
export interface Rollup {
  readonly block: BlockId;
  readonly sensor: SensorId;
  /** Begin of the second. */
  readonly tMs: number;
  /** Instants (readings) that fell into the second. */
  readonly readings: number;
  readonly bands: readonly BandId[];
  /** Power mean (averaged in milliwatts, back in dBm) of rms, or of peak where there is no rms. */
  readonly meanDbm: Float32Array;
  readonly maxDbm: Float32Array;
  readonly floorDbm: Float32Array;
  /** Detector statistic at the end of the second, nats. */
  readonly llr: Float32Array;
}

/** Everything a block's pipeline has to say. `tMs` is event time: the end of the window that was judged. */
export type PipelineEvent =
  | { readonly type: "alert"; readonly tMs: number; readonly change: AlertChange }
  | { readonly type: "track"; readonly tMs: number; readonly track: Track }
  | { readonly type: "rollup"; readonly rollup: Rollup }
  /** Accepted, to be stored, but older than what was already judged. */
  | { readonly type: "late"; readonly batch: ReadingBatch };
