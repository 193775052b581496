/**
 * Packets out of a trace, for the verbs that locate without alerting: what each sensor heard of each band, and which sensors
 * were measuring it.
 */
import { counted } from "../counted.ts";
import type { Packet } from "../fuse/bursts.ts";
import type { BandId, SensorId, Site } from "../model.ts";
import type { TraceMessage } from "../trace/index.ts";

export interface BandPacket extends Packet {
  readonly band: BandId;
}

const MOST_STRANGERS = 1000;
/** Periodic sensors: a packet stands out of the channel's own quiet by this much, dB. */
const ABOVE_FLOOR_DB = 6;
/** Thermal noise in a hertz is -174 dBm; receivers burn at some 10 to 30 dBm. */
const LEAST_DBM = -200;
const MOST_DBM = 30;
/**
 * The quiet is the lower quartile of so many instants, and the lowest such of the last so many of those windows: an emitter that is on
 * all the time would be taken for the quiet of the last two minutes. The lowest of 30 is a quarter of the noise's spread too low.
 */
const FLOOR_WINDOW = 120;
const FLOOR_WINDOWS = 30;
/** Instants after which the quartile is looked at anew. */
const FLOOR_STEP = 10;

interface Channel {
  /** Ring of the newest levels, for the floor. */
  readonly ring: number[];
  next: number;
  /** Lowest quartile of the window being filled, and those of the windows before. */
  least: number;
  readonly before: number[];
  floorDbm: number;
}

interface SensorState {
  periodMs: number;
  online: boolean;
  /** Bands of its birth; null before one. */
  bands: readonly BandId[] | null;
}

type Json = Readonly<Record<string, unknown>>;

/** Follows births and states, turns readings into packets. Sensors unknown to the site are counted and left out. */
export class PacketReader {
  readonly #site: Site;
  readonly #sensors = new Map<SensorId, SensorState>();
  readonly #channels = new Map<string, Channel>();
  readonly #known: ReadonlySet<SensorId>;
  /** Levels left out: none was stated, or none that can be. */
  ignored = 0;
  /** Messages left out: of sensors that the site file lacks, by sensor; of no more than `MOST_STRANGERS` sensors. */
  readonly strangers = new Map<SensorId, number>();
  /** Readings by band, and those left out as of bands that the site file lacks; of no more than `MOST_STRANGERS` bands each. */
  readonly heard = new Map<BandId, number>();
  readonly strangeBands = new Map<BandId, number>();
  readonly #bands: ReadonlySet<BandId>;

  constructor(site: Site) {
    this.#site = site;
    this.#known = new Set(site.sensors.filter((s) => s.type === "rf").map((s) => s.id));
    this.#bands = new Set(site.bands.map((b) => b.id));
  }

  /** What the site calls its bands. */
  get bands(): readonly BandId[] {
    return [...this.#bands];
  }

  /** Packets of one message, in order of time. */
  take(message: TraceMessage): BandPacket[] {
    const parts = message.topic.split("/");
    const [, , , , sensor, kind] = parts;
    if (parts.length !== 6 || sensor === undefined || !("payload" in message) || !isObject(message.payload)) return [];
    const payload = message.payload;
    if (kind === "birth") this.#birth(sensor, payload);
    else if (kind === "state") this.#state(sensor).online = payload.online !== false;
    else if (kind === "reading" || kind === "readings") {
      if (!this.#known.has(sensor)) {
        count(this.strangers, sensor);
        return [];
      }
      return kind === "reading" ? this.#reading(sensor, payload) : this.#readings(sensor, payload);
    }
    return [];
  }

  /** Sensors measuring a band now; the floor is NaN for those that report only what they hear. */
  measuring(band: BandId): { sensor: SensorId; floorDbm: number }[] {
    const list: { sensor: SensorId; floorDbm: number }[] = [];
    for (const s of this.#site.sensors) {
      const state = this.#sensors.get(s.id);
      if (s.type !== "rf" || state === undefined || !state.online) continue;
      if (state.bands !== null && !state.bands.includes(band)) continue;
      const floor = state.periodMs > 0 ? (this.#channels.get(`${s.id} ${band}`)?.floorDbm ?? Number.NaN) : Number.NaN;
      if (state.periodMs > 0 && Number.isNaN(floor)) continue;
      list.push({ sensor: s.id, floorDbm: floor + ABOVE_FLOOR_DB });
    }
    return list;
  }

  #state(sensor: SensorId): SensorState {
    let state = this.#sensors.get(sensor);
    if (state === undefined) {
      state = { periodMs: 0, online: true, bands: null };
      this.#sensors.set(sensor, state);
    }
    return state;
  }

  #birth(sensor: SensorId, payload: Json): void {
    const state = this.#state(sensor);
    state.periodMs = finite(payload.period_ms) ?? 0;
    state.online = true;
    if (Array.isArray(payload.bands)) {
      state.bands = payload.bands.filter(isObject).map((b) => String(b.id));
    }
  }

  #reading(sensor: SensorId, payload: Json): BandPacket[] {
    const ts = finite(payload.ts);
    if (ts === null || !Array.isArray(payload.r)) return [];
    const packets: BandPacket[] = [];
    for (const r of payload.r) {
      if (isObject(r) && typeof r.b === "string") this.#level(sensor, r.b, ts, levelOf(r.rms_dbm, r.peak_dbm), packets);
    }
    return packets;
  }

  #readings(sensor: SensorId, payload: Json): BandPacket[] {
    const ts = finite(payload.ts);
    const dt = finite(payload.dt_ms);
    if (ts === null || dt === null || !Array.isArray(payload.bands)) return [];
    const packets: BandPacket[] = [];
    payload.bands.forEach((band, i) => {
      const rms = rowOf(payload.rms_dbm, i);
      const peak = rowOf(payload.peak_dbm, i);
      for (let j = 0; j < Math.max(rms.length, peak.length); j++) {
        this.#level(sensor, String(band), ts + j * dt, levelOf(rms[j], peak[j]), packets);
      }
    });
    return packets.sort((a, b) => a.tMs - b.tMs);
  }

  #level(sensor: SensorId, band: BandId, tMs: number, levelDbm: number | null, packets: BandPacket[]): void {
    if (levelDbm === null) {
      this.ignored++;
      return;
    }
    const known = this.#bands.has(band);
    count(known ? this.heard : this.strangeBands, band);
    if (!known) return;
    const { periodMs } = this.#state(sensor);
    if (periodMs <= 0) {
      packets.push({ tMs, sensor, band, levelDbm });
      return;
    }
    const floorDbm = this.#floor(sensor, band, levelDbm);
    if (levelDbm < floorDbm + ABOVE_FLOOR_DB) return;
    // What the emitter adds to the noise: powers subtract.
    const signal = 10 * Math.log10(10 ** (levelDbm / 10) - 10 ** (floorDbm / 10));
    // What sensors report once a period is of one emission, at whatever phase each of them reports.
    packets.push({ tMs: Math.floor(tMs / periodMs) * periodMs + 1, sensor, band, levelDbm: signal });
  }

  /** The channel's quiet so far. */
  #floor(sensor: SensorId, band: BandId, levelDbm: number): number {
    const key = `${sensor} ${band}`;
    let channel = this.#channels.get(key);
    if (channel === undefined) {
      channel = { ring: [], next: 0, least: Number.POSITIVE_INFINITY, before: [], floorDbm: levelDbm };
      this.#channels.set(key, channel);
    }
    const { ring, before } = channel;
    ring[channel.next] = levelDbm;
    channel.next = (channel.next + 1) % FLOOR_WINDOW;
    if (channel.next % FLOOR_STEP === 0 || ring.length < 20) {
      const sorted = [...ring].sort((a, b) => a - b);
      const quartile = sorted[Math.floor(sorted.length / 4)]!;
      // Of few instants it is no quiet that lasts.
      channel.least = ring.length < FLOOR_WINDOW ? quartile : Math.min(channel.least, quartile);
      channel.floorDbm = Math.min(channel.least, ...before);
      if (channel.next === 0) {
        before.push(channel.least);
        if (before.length > FLOOR_WINDOWS) before.shift();
        channel.least = quartile;
      }
    }
    return channel.floorDbm;
  }
}

/** One more of a name, while there are no more than `MOST_STRANGERS` of them. */
function count(of: Map<string, number>, name: string): void {
  if (of.has(name) || of.size < MOST_STRANGERS) of.set(name, (of.get(name) ?? 0) + 1);
}

/** What was left out of a trace, a line each, for whoever runs the verb. */
export function leftOutOf(reader: PacketReader): string[] {
  const lines: string[] = [];
  if (reader.strangers.size > 0) {
    const messages = [...reader.strangers.values()].reduce((a, b) => a + b, 0);
    lines.push(
      `${counted(messages, "message")} of sensors that the site file lacks: ${listed([...reader.strangers.keys()])}`,
    );
  }
  if (reader.strangeBands.size > 0) {
    const readings = [...reader.strangeBands.values()].reduce((a, b) => a + b, 0);
    lines.push(
      `${readings} readings of bands that the site file lacks: ${listed([...reader.strangeBands.keys()])}; it has ${listed(reader.bands)}`,
    );
  }
  if (reader.ignored > 0) {
    lines.push(`${counted(reader.ignored, "reading")} without a level between ${LEAST_DBM} and ${MOST_DBM} dBm`);
  }
  return lines;
}

/** The first few, and how many more there are. */
export function listed(ids: readonly string[]): string {
  const shown = ids.slice(0, 8).join(", ");
  return ids.length > 8 ? `${shown} and ${ids.length - 8} more` : shown;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function finite(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** Mean power where there is one, else the peak; no receiver hears so little or lives through so much that it is beyond these. */
function levelOf(rms: unknown, peak: unknown): number | null {
  const level = finite(rms) ?? finite(peak);
  return level !== null && level >= LEAST_DBM && level <= MOST_DBM ? level : null;
}

function rowOf(matrix: unknown, i: number): readonly unknown[] {
  const row: unknown = Array.isArray(matrix) ? matrix[i] : undefined;
  return Array.isArray(row) ? row : [];
}
