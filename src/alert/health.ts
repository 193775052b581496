import type { BandId, ChannelStatus, SensorId, Severity, ZoneId } from "../model.ts";
import { median } from "./median.ts";
import type { Misplaced } from "./placement.ts";

/**
 * Silence is news: which sensors can't be trusted just now, from what they showed in event time. Pure; one instance a block.
 *
 * A fault opens when its condition has held for its own time and ends when the condition ends. When most of a block goes
 * silent together the cause is not the sensors: one alert names it, and the sensors' own are not raised. A sensor that still
 * reports may hear nothing: its floors tell, against their own past and against its neighbours'.
 */

export interface SensorLook {
  readonly sensor: SensorId;
  /** Newest instant, or -Infinity. */
  readonly lastTsMs: number;
  readonly online: boolean;
  /** 0 for sensors that report only what they hear: their silence says nothing. */
  readonly periodMs: number | null;
  readonly tamper: boolean;
  /** Share of time its receiver was overdriven, as it says itself; null: not said. */
  readonly saturation?: number | null;
  /** What it hears of phones does not fit where it hung. */
  readonly misplaced?: Misplaced | null;
  /** It is set aside when phones are located; `offsetDb` by how much it reads too much, null: it fits nowhere. */
  readonly distrust?: { readonly offsetDb: number | null } | null;
  readonly channels: readonly {
    readonly band: BandId;
    readonly status: ChannelStatus;
    readonly floorDbm: number;
  }[];
}

/** A zone and the sensors that it is heard by, nearest first. */
export interface ZoneCover {
  readonly zone: ZoneId;
  readonly sensors: readonly SensorId[];
}

export interface Fault {
  /** Stable identity of the condition within the block. */
  readonly key: string;
  readonly kind: "sensor-fault" | "service-fault" | "tamper";
  /** Whose condition it is; absent where it is not one sensor's. */
  readonly sensor?: SensorId;
  readonly severity: Severity;
  readonly text: string;
}

export interface HealthOptions {
  /** A periodic sensor is silent after this, or after five of its periods if that is longer. */
  readonly silentMs: number;
  /**
   * A receiver overdriven for a larger share of its time hears little else. A call at full power beside a sensor takes 6 to 22 %
   * (the simulated prison-day), and its own alert tells of it.
   */
  readonly saturation: number;
  /**
   * A sensor is deaf (down) or drowned (up) when the floors of at least half its bands stand so far from their own past while
   * its neighbours' do not, for so long. 10 dB halves the distance at which a phone is heard behind walls (path loss
   * exponent 3 to 4); ten minutes are longer than any call stays at one power, shorter than a shift.
   */
  readonly shiftDb: number;
  readonly shiftMs: number;
}

/** Silence: three missed 5 s heartbeats (reliability design 3.4.7). */
export const HEALTH_DEFAULTS: HealthOptions = { silentMs: 15_000, saturation: 0.3, shiftDb: 10, shiftMs: 600_000 };
/** Floors are compared once a minute of event time. */
const FLOOR_LOOK_MS = 60_000;
/** Time constant of a floor's own past, and how much of it must be known: slower than a day's heating, faster than seasons. */
const PAST_MS = 6 * 3600_000;
const PAST_FROM_MS = 3600_000;
/** Of its neighbours' floors the median may have moved this much at the most: else it is the air that changed. */
const COMMON_SHIFT_DB = 5;
/** Fewer sensors than this have no neighbours to compare with. */
const NEIGHBOURS_FROM = 3;
/** Zones named in one alert. */
const ZONES_NAMED = 6;
const SILENT_PERIODS = 5;
/** From so many sensors on, a common silence of more than half of them is one fault of the block. */
const COMMON_FROM = 4;

/** What a channel's floor used to be. */
interface Past {
  floorDbm: number;
  sinceMs: number;
  lastMs: number;
}

export class SensorHealth {
  private readonly options: HealthOptions;
  private readonly cover: readonly ZoneCover[];
  private open = new Map<string, Fault>();
  private past = new Map<string, Past>();
  /** Since when a sensor's floors stand apart, and which way. */
  private shifted = new Map<SensorId, { sinceMs: number; db: number }>();
  private floorsMs = Number.NEGATIVE_INFINITY;
  /** When most of the block was silent last. */
  private blindMs = Number.NEGATIVE_INFINITY;

  constructor(options: HealthOptions = HEALTH_DEFAULTS, cover: readonly ZoneCover[] = []) {
    this.options = options;
    this.cover = cover;
  }

  /** Looks at the whole block at event time `tMs`; gives what opened and what ended since the last look. */
  look(tMs: number, sensors: Iterable<SensorLook>): { opened: Fault[]; ended: Fault[] } {
    const found = new Map<string, Fault>();
    const silent: Fault[] = [];
    const gone = new Set<SensorId>();
    let periodic = 0;
    const all = [...sensors];
    if (tMs - this.floorsMs >= FLOOR_LOOK_MS) this.lookAtFloors(tMs, all);
    for (const s of all) {
      if (s.lastTsMs === Number.NEGATIVE_INFINITY) continue; // never heard: commissioning's business, not an officer's
      if (s.tamper) {
        const text = `Sensor ${s.sensor} reports that its case was opened.`;
        add(found, { ...sensorFault("tamper", s.sensor, text), kind: "tamper", severity: "critical" });
      }
      if (s.periodMs !== 0) {
        periodic++;
        const limitMs = Math.max(this.options.silentMs, SILENT_PERIODS * (s.periodMs ?? 1000));
        if (!s.online || tMs - s.lastTsMs > limitMs) {
          gone.add(s.sensor);
          const why = s.online ? `has sent nothing for ${Math.round((tMs - s.lastTsMs) / 1000)} s` : "is offline";
          const text = `Sensor ${s.sensor} ${why}: the cells it covers are watched by its neighbours only.`;
          silent.push(sensorFault("silent", s.sensor, text));
          continue;
        }
      }
      const stuck = s.channels.filter((c) => c.status === "stuck").map((c) => c.band);
      if (stuck.length > 0) {
        const text = `Sensor ${s.sensor} reports the same value over and over in ${stuck.join(", ")}: it is not measuring there.`;
        add(found, sensorFault("stuck", s.sensor, text));
      }
    }
    this.addReception(found, all, gone, tMs);
    if (periodic >= COMMON_FROM && silent.length > periodic / 2) {
      const text = `${silent.length} of ${periodic} sensors are silent: the block is blind. Look at its network and broker first.`;
      add(found, { key: "blind", kind: "service-fault", severity: "critical", text });
      this.blindMs = tMs;
    } else if (tMs - this.blindMs > this.options.silentMs) {
      // After a broker's outage sensors come back one by one: whoever is silent then has as long as at any other time.
      for (const f of silent) add(found, f);
      this.addZones(found, gone);
    }
    const opened = [...found.values()].filter((f) => !this.open.has(f.key));
    const ended = [...this.open.values()].filter((f) => !found.has(f.key));
    this.open = found;
    return { opened, ended };
  }

  /** Receivers that are overdriven, deaf or drowned. */
  private addReception(
    found: Map<string, Fault>,
    all: readonly SensorLook[],
    gone: ReadonlySet<SensorId>,
    tMs: number,
  ) {
    for (const { sensor, saturation, misplaced, distrust } of all) {
      if (gone.has(sensor)) continue;
      if (misplaced) {
        const text =
          misplaced === "moved"
            ? `Sensor ${sensor} hears phones where it used not to, and not where it used to: was it moved? Cells near it may be mistaken.`
            : `Sensor ${sensor} hears phones much weaker than it used to, its neighbours do not: look for something that covers it.`;
        add(found, sensorFault(misplaced, sensor, text));
      }
      if (distrust) {
        const { offsetDb } = distrust;
        const what =
          offsetDb === null
            ? "does not fit what the others hear of phones, now too loud, now too weak: does it hang where the site file says?"
            : `reads some ${Math.abs(offsetDb)} dB too ${offsetDb > 0 ? "much" : "little"} for what the others hear: look at its gain, antenna and cover.`;
        const text = `Sensor ${sensor} ${what} It is set aside when phones are located.`;
        add(found, sensorFault("distrusted", sensor, text));
      }
      if (saturation !== undefined && saturation !== null && saturation > this.options.saturation) {
        const text = `Sensor ${sensor} is overdriven ${Math.round(100 * saturation)} % of the time: it hears little else.`;
        add(found, sensorFault("saturated", sensor, text));
      }
      const shift = this.shifted.get(sensor);
      if (!shift || tMs - shift.sinceMs < this.options.shiftMs) continue;
      const db = Math.abs(Math.round(shift.db));
      const text =
        shift.db < 0
          ? `Sensor ${sensor} hears ${db} dB less than it used to, its neighbours do not: look for a lost antenna or a cover.`
          : `The noise at ${sensor} is ${db} dB higher than it used to be, at its neighbours it is not: it hears weak phones no more.`;
      add(found, sensorFault(shift.db < 0 ? "deaf" : "drowned", sensor, text));
    }
  }

  /** Zones whose every near sensor is gone. */
  private addZones(found: Map<string, Fault>, gone: ReadonlySet<SensorId>): void {
    if (gone.size === 0) return;
    const blind = this.cover.filter((z) => z.sensors.length > 0 && z.sensors.every((s) => gone.has(s)));
    if (blind.length === 0) return;
    const named = blind
      .slice(0, ZONES_NAMED)
      .map((z) => z.zone)
      .join(", ");
    const more = blind.length > ZONES_NAMED ? ` and ${blind.length - ZONES_NAMED} more` : "";
    // Another set of zones is another fault: who reads the alert must see which.
    const key = `zones:${blind.length}-${blind[0]!.zone}`;
    const text = `No sensor near ${named}${more} works: a phone there is heard from afar at best.`;
    add(found, { key, kind: "service-fault", severity: "high", text });
  }

  /** Compares every sensor's floors with their own past and with the block's. */
  private lookAtFloors(tMs: number, all: readonly SensorLook[]): void {
    this.floorsMs = tMs;
    const shiftOf = new Map<SensorId, number>();
    for (const { sensor, channels } of all) {
      const shifts: number[] = [];
      for (const { band, status, floorDbm } of channels) {
        if (status !== "ready" || !Number.isFinite(floorDbm)) continue;
        const past = this.past.get(`${sensor} ${band}`);
        if (past && past.lastMs - past.sinceMs >= PAST_FROM_MS) shifts.push(floorDbm - past.floorDbm);
      }
      if (shifts.length > 0) shiftOf.set(sensor, median(shifts));
    }
    const common = shiftOf.size >= NEIGHBOURS_FROM ? median([...shiftOf.values()]) : Number.NaN;
    for (const look of all) {
      const db = shiftOf.get(look.sensor);
      const apart = db !== undefined && Math.abs(common) <= COMMON_SHIFT_DB && Math.abs(db) >= this.options.shiftDb;
      const before = this.shifted.get(look.sensor);
      if (!apart) this.shifted.delete(look.sensor);
      else if (!before || before.db < 0 !== db < 0) this.shifted.set(look.sensor, { sinceMs: tMs, db });
      // What stands apart is not its own past yet: else a fault would become the normal state by itself.
      if (!apart) this.remember(look, tMs);
    }
  }

  private remember({ sensor, channels }: SensorLook, tMs: number): void {
    for (const { band, status, floorDbm } of channels) {
      if (status !== "ready" || !Number.isFinite(floorDbm)) continue;
      const key = `${sensor} ${band}`;
      const past = this.past.get(key);
      if (!past) {
        this.past.set(key, { floorDbm, sinceMs: tMs, lastMs: tMs });
        continue;
      }
      // The first hour counts as a plain mean, later it forgets.
      const share = (tMs - past.lastMs) / Math.min(PAST_MS, Math.max(FLOOR_LOOK_MS, tMs - past.sinceMs));
      past.floorDbm += Math.min(1, share) * (floorDbm - past.floorDbm);
      past.lastMs = tMs;
    }
  }

  snapshot(): unknown {
    const { past, shifted, floorsMs, blindMs } = this;
    return { open: [...this.open.values()], past: [...past], shifted: [...shifted], floorsMs, blindMs };
  }

  restore(snapshot: unknown): void {
    const data = snapshot as {
      open: Fault[];
      past: [string, Past][];
      shifted: [SensorId, { sinceMs: number; db: number }][];
      floorsMs: number;
      blindMs?: number;
    };
    this.open = new Map(data.open.map((f) => [f.key, f]));
    this.past = new Map(data.past.map(([key, past]) => [key, { ...past }]));
    this.shifted = new Map(data.shifted);
    this.floorsMs = data.floorsMs;
    this.blindMs = data.blindMs ?? Number.NEGATIVE_INFINITY;
  }
}

function sensorFault(name: string, sensor: SensorId, text: string): Fault {
  return { key: `${name}:${sensor}`, kind: "sensor-fault", sensor, severity: "medium", text };
}

function add(found: Map<string, Fault>, f: Fault): void {
  found.set(f.key, f);
}
