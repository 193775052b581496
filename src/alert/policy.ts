import type {
  Alert,
  BlockId,
  Candidate,
  Point2,
  SensorId,
  Severity,
  Site,
  Track,
  Zone,
  ZoneId,
  ZoneKind,
} from "../model.ts";

/** Which tracks an officer should hear of, and how loudly. Pure; all numbers are settings. */
export interface PolicyOptions {
  /**
   * Least probability that the phone is where phones are forbidden and people are held (cells, yards). It is the ratio of
   * costs: at 0.5 a needless search costs as much as a missed phone.
   */
  readonly minForbiddenP: number;
  /**
   * Likelier than this outside and in rooms where phones are allowed, it is no alert: streets and guard rooms hold far more phones than
   * cells, and nobody is to search them.
   */
  readonly maxAllowedP: number;
  /**
   * With the leading cell at least this likely the alert opens at once; else it waits to become surer: for `soonMs` where its levels
   * stay by then, else for `patienceMs`. In five seconds a person who walks the corridor passes two or three cells; in eight most
   * who walk show as ones who do.
   */
  readonly sureP: number;
  readonly soonMs: number;
  readonly patienceMs: number;
  /**
   * Some sensor of its block hears a phone louder than its own noise, dB: what rests on less is a floor that drifts (a receiver warms up by
   * 0.2 dB a minute), which takes long to show and then stands out for certain. In six houses of bench worlds phones open alerts at 12 dB
   * and more.
   */
  readonly leastExcessDb: number;
}

export const POLICY_DEFAULTS: PolicyOptions = {
  minForbiddenP: 0.5,
  maxAllowedP: 0.3,
  sureP: 0.9,
  soonMs: 5000,
  patienceMs: 8000,
  leastExcessDb: 3,
};

/**
 * Zone kinds whose phones are an officer's business. Corridors are forbidden to phones too, but staff walk them all day: a
 * phone there is followed, not alerted, until it is more likely in a cell (domain requirement 3).
 */
const HELD: ReadonlySet<ZoneKind> = new Set(["cell", "yard"]);

/**
 * How much likelier a walk is of somebody free to walk than of somebody in a cell, each time. A phone in a cell is told to have
 * moved when a fade looks like it, or when it is handed on.
 */
const WALKER_ODDS = 3;
const MOST_MOVES = 5;
/**
 * Odds that what is heard is carried along a corridor by somebody who may, against its being used in one place, where the place is as
 * good as unknown: where phones are allowed in corridors, where they are not, and without any corridor. Whoever walks is heard where
 * he passes by as loud as a phone in the cell there, but seldom as if in one cell for sure.
 */
const WALK_ODDS = { allowed: 1, forbidden: 0.5, none: 0 } as const;
/** Levels of one window share their errors: motion counts for so much at the most, nats. */
const MOST_WALK_NATS = 8;
/** With such evidence that the levels stay, nats, an alert needn't wait longer. */
const STAYS_NATS = -0.5;

/** Rather where nobody is held than not. */
const ECHO_FREE_P = 0.5;

/** An echo is heard while its emitter is: for at least this share of its time, with the pauses of a call counted to that. */
const ECHO_BESIDE = 0.5;
const PAUSE_MS = 5000;

/** Below this probability of all cells and yards an open alert is lowered: a search of its cell would be needless in four of five. */
const LOWERED_P = 0.2;

/**
 * So likely behind the same door, two phones are one alert. As with `LOWERED_P`: below it the one door would be the wrong one for the second
 * phone in four of five. Of 228 uses in 18 houses of bench worlds 178 are found at 0.2 to 0.5, 176 where the leading cell alone decides, and 166
 * where any leading zone does.
 */
const SAME_DOOR_P = 0.2;

/** Zone kinds under a roof: a sensor in one of them, against one that hangs outdoors. */
const INDOORS: ReadonlySet<ZoneKind> = new Set(["cell", "corridor", "staff", "gate"]);
/**
 * By how much an outdoor sensor must be louder than the sensor in the cell itself to rule the cell out: one spread of a
 * fading burst. From inside, the own sensor is tens of dB louder (metres against a wall and tens of metres).
 */
const OUTDOOR_LOUDER_DB = 6;

/** Whether a phone in a zone is told: it is forbidden there, and people are held. */
export function isAlerted({ kind, phones }: Pick<Zone, "kind" | "phones">): boolean {
  return HELD.has(kind) && phones === "forbidden";
}

export class Policy {
  private readonly held: ReadonlySet<ZoneId>;
  /** With those of the blocks around: a phone on the border is no less in a cell. */
  private readonly heldAround: ReadonlySet<ZoneId>;
  private readonly allowed: ReadonlySet<ZoneId>;
  private readonly outdoor = new Set<SensorId>();
  private readonly inCell = new Map<ZoneId, SensorId[]>();
  private readonly blocks: ReadonlyMap<ZoneId, BlockId | null>;
  private readonly elsewhere: ReadonlySet<ZoneId>;
  private readonly options: PolicyOptions;
  private readonly walkOdds: number;
  /** A phone beyond the fence is heard much as one in the yard: only a sure place in a yard is told. */
  private readonly yards: ReadonlySet<ZoneId>;

  /** For a block of the site and what is near it; null: all of the site is one. */
  constructor(site: Site, options: PolicyOptions = POLICY_DEFAULTS, block: BlockId | null = null) {
    this.options = options;
    const own = (of: BlockId | null) => block === null || of === null || of === block;
    this.blocks = new Map(site.zones.map((z) => [z.id, z.block]));
    const zonesHere = site.zones.filter((z) => own(z.block));
    this.elsewhere = new Set(site.zones.filter((z) => !own(z.block)).map((z) => z.id));
    for (const sensor of site.sensors) {
      if (sensor.positionM === null || !own(sensor.block)) continue;
      const [x, y] = sensor.positionM;
      const zones = zonesHere.filter((z) => z.floor === sensor.floor && INDOORS.has(z.kind) && inside(x, y, z.polygon));
      if (zones.length === 0) this.outdoor.add(sensor.id);
      for (const zone of zones) this.inCell.set(zone.id, [...(this.inCell.get(zone.id) ?? []), sensor.id]);
    }
    const corridors = zonesHere.filter((z) => z.kind === "corridor");
    const allowed = corridors.some((z) => z.phones === "allowed");
    this.walkOdds = WALK_ODDS[allowed ? "allowed" : corridors.length > 0 ? "forbidden" : "none"];
    this.yards = new Set(zonesHere.filter((z) => z.kind === "yard").map((z) => z.id));
    this.allowed = new Set(site.zones.filter((z) => z.phones === "allowed" && z.kind !== "corridor").map((z) => z.id));
    const held = site.zones.filter(isAlerted);
    this.held = new Set(held.filter((z) => own(z.block)).map((z) => z.id));
    this.heldAround = new Set(held.map((z) => z.id));
  }

  /** Probability that the emitter is where this block holds people and forbids phones, and that nobody carries it there by right. */
  heldP(track: Track): number {
    return this.weighed(track, this.held);
  }

  /** The same of given places. */
  private weighed(track: Track, places: ReadonlySet<ZoneId>): number {
    let [p, top] = [0, 0];
    for (const c of track.fix.candidates) {
      if (!places.has(c.cell)) continue;
      p += c.p * (1 - (c.lawful ?? 0));
      top = Math.max(top, c.p);
    }
    const nats = Math.max(-MOST_WALK_NATS, Math.min(MOST_WALK_NATS, track.walkNats));
    const walks = this.walkOdds * (1 - top) * Math.exp(nats);
    return p / (p + (1 - p + walks) * WALKER_ODDS ** Math.min(track.moves, MOST_MOVES));
  }

  /** Probability of being outside or in a room where phones are allowed; whoever walks a corridor shows by `walkNats`. */
  private allowedP(track: Track): number {
    const outside = Math.max(track.fix.pOutside, track.outsideP ?? 0);
    return within(track, this.allowed, outside);
  }

  /** Probability of all places where phones are forbidden and people are held. */
  private inHeld(track: Track): number {
    return within(track, this.heldAround);
  }

  /** Of the probability of all such places the share of this block's own, 0..1; 1 where none is nearby. */
  shareHere(track: Track): number {
    const all = this.inHeld(track);
    return all > 0 ? within(track, this.held) / all : 1;
  }

  /** Probability of other blocks, whatever kind of place there. */
  elsewhereP(track: Track): number {
    return within(track, this.elsewhere);
  }

  /** The block that a zone is in, null if in none or unknown. */
  blockOf(zone: ZoneId | null): BlockId | null {
    return zone === null ? null : (this.blocks.get(zone) ?? null);
  }

  /** The likeliest place where phones are forbidden and people are held. */
  private topHeld(track: Track): Candidate | undefined {
    return track.fix.candidates.find((c) => this.heldAround.has(c.cell));
  }

  /** Whether this track should open an alert now. `nowMs` is event time. */
  opens(track: Track, nowMs: number): boolean {
    const { minForbiddenP, maxAllowedP, leastExcessDb } = this.options;
    // A step of the floor is released as a new one in a minute or two; a phone fades before.
    if (!track.sensors.some((s) => s.excessDb >= leastExcessDb && !s.step)) return false;
    if (!track.confirmed || this.weighed(track, this.heldAround) < minForbiddenP || this.allowedP(track) > maxAllowedP)
      return false;
    // A corridor is one long zone beside many cells: it may lead each of them and be less likely than all together.
    const top = this.topHeld(track);
    if (!top || this.heardOutdoors(track, top.cell)) return false;
    if (top.p >= this.options.sureP) return true;
    if (this.yards.has(top.cell)) return false;
    if (!track.active) return true;
    const { soonMs, patienceMs } = this.options;
    return nowMs - track.openedAtMs >= (track.walkNats <= STAYS_NATS ? soonMs : patienceMs);
  }

  /**
   * The gradient test (domain requirement 3): an outdoor sensor hears it clearly louder than the sensor inside the cell that the
   * place estimate names. Walls that the plan has wrong can deceive the estimate, not this.
   */
  private heardOutdoors(track: Track, cell: ZoneId): boolean {
    const own = this.inCell.get(cell);
    if (own === undefined) return false;
    let outdoorDbm = Number.NEGATIVE_INFINITY;
    let indoorDbm = Number.NEGATIVE_INFINITY;
    let ownDbm = Number.NEGATIVE_INFINITY;
    for (const s of track.sensors) {
      const levelDbm = s.floorDbm + s.excessDb;
      if (this.outdoor.has(s.sensor)) outdoorDbm = Math.max(outdoorDbm, levelDbm);
      else indoorDbm = Math.max(indoorDbm, levelDbm);
      if (own.includes(s.sensor)) ownDbm = Math.max(ownDbm, levelDbm);
    }
    // The cell's own sensor may hear somebody else louder, and then says nothing of this one: whoever is in there is heard indoors.
    if (ownDbm === Number.NEGATIVE_INFINITY) ownDbm = indoorDbm;
    return outdoorDbm > ownDbm + OUTDOOR_LOUDER_DB;
  }

  /**
   * Whether a track may be what the plan has wrong of another one, outside and in the same band at the same time: an emitter in the
   * street reaches every sensor, and whatever it does otherwise than the plan has it looks like one more emitter indoors. Only while it is on:
   * what goes on without it is somebody else.
   */
  maybeEcho(track: Track, others: Iterable<Track>): boolean {
    if ((this.topHeld(track)?.p ?? 0) >= this.options.sureP) return false;
    for (const other of others) {
      if (other.id === track.id || !other.confirmed || 1 - this.inHeld(other) < ECHO_FREE_P) continue;
      if (!other.bands.some((band) => track.bands.includes(band))) continue;
      if (other.openedAtMs > track.lastEvidenceMs || other.lastEvidenceMs < track.openedAtMs) continue;
      if (shareBeside(track, other) >= ECHO_BESIDE) return true;
    }
    return false;
  }

  /**
   * High once one cell stands out enough to open one door, medium while several are as likely. Critical is left to what
   * people's safety hangs on (tamper, a blind block), so that the top band stays rare (ISA-18.2: under 5 %). Low once the place is
   * clearly one where nobody is held, and until it is rather one where people are again. `was`: before; null of a new alert.
   */
  severity(track: Track, was: Severity | null = null): Severity {
    const held = this.inHeld(track);
    if (was !== null && held < (was === "low" ? this.options.minForbiddenP : LOWERED_P)) return "low";
    return (track.fix.candidates[0]?.p ?? 0) >= 0.5 ? "high" : "medium";
  }

  /**
   * The open alert that this track belongs to, if any: of the same door. One incident per cell and kind: a phone that changes bands, or a
   * second one in the same cell. Two that lead with the same cell while neither place is known may be anywhere, each behind a door of its
   * own; and a corridor that leads is no door at all.
   */
  sameIncident(track: Track, open: Iterable<Alert>): Alert | null {
    const cell = this.topHeld(track)?.cell;
    for (const alert of open) {
      if (!(alert.kind === "phone-active" && alert.active && alert.closed_at === null)) continue;
      const names = alert.cell !== null && this.heldAround.has(alert.cell);
      const theirs = names ? alert.cell : alert.candidates.find((c) => this.heldAround.has(c.cell))?.cell;
      if (theirs !== cell) continue;
      if (this.sameDoorP(track.fix.candidates, alert.candidates) >= SAME_DOOR_P) return alert;
    }
    return null;
  }

  /** Probability that two phones, both where people are held, are in the same such place. */
  private sameDoorP(one: readonly Candidate[], other: readonly Candidate[]): number {
    const there = new Map(other.filter((c) => this.heldAround.has(c.cell)).map((c) => [c.cell, c.p]));
    let [both, ones, others] = [0, 0, 0];
    for (const p of there.values()) others += p;
    for (const { cell, p } of one) {
      if (!this.heldAround.has(cell)) continue;
      ones += p;
      both += p * (there.get(cell) ?? 0);
    }
    return both > 0 ? both / (ones * others) : 0;
  }
}

/** Probability of all the given places together, added to `otherP`. */
function within(track: Track, places: ReadonlySet<ZoneId>, otherP = 0): number {
  return track.fix.candidates.reduce((p, c) => p + (places.has(c.cell) ? c.p : 0), otherP);
}

/** Share of the time that a track was heard in which another one was, or had been within a pause. */
function shareBeside(track: Track, other: Track): number {
  let [allMs, besideMs] = [0, 0];
  for (const { startMs, endMs } of track.episodes) {
    allMs += endMs - startMs;
    let untilMs = startMs;
    for (const e of other.episodes) {
      const fromMs = Math.max(untilMs, e.startMs - PAUSE_MS);
      untilMs = Math.max(untilMs, Math.min(endMs, e.endMs + PAUSE_MS));
      if (untilMs > fromMs) besideMs += untilMs - fromMs;
    }
  }
  return allMs > 0 ? besideMs / allMs : 1;
}

/** A find in two searches, and in ten: what a search of a cell, and a word at the door, are worth. Choices. */
const SCAN_HIGH_P = 0.5;
const SCAN_MEDIUM_P = 0.1;

/**
 * How loudly a scanner's alarm is told, by the probability of a phone after it: a portal whose alarms mean little where few carry
 * phones must not be as loud as a phone in use.
 */
export function scanSeverity(p: number): Severity {
  return p >= SCAN_HIGH_P ? "high" : p >= SCAN_MEDIUM_P ? "medium" : "low";
}

/** Even-odd rule. */
function inside(x: number, y: number, polygon: readonly Point2[]): boolean {
  let odd = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xi, yi] = polygon[i]!;
    const [xj, yj] = polygon[j]!;
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) odd = !odd;
  }
  return odd;
}
