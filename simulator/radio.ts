/**
 * Mean gain from an emitter to every sensor: what the walls, floors, doors and the air leave of its power.
 *
 * Paths, summed as powers: (1) straight through walls and slabs, COST 231 multi-wall with its non-linear floor term and
 * one fixed random offset per wall and band (rebar); (2) out by the door, along the corridor, in by the sensor's door;
 * for emitters outside: (1), or through the façade and then 0.6 dB per metre of house, whichever loses less, with
 * distance exponent 3 beyond 10 m. On the sum lies the correlated shadowing. Shares nothing with the localiser.
 */
import { lengthInBox } from "./geometry.ts";
import { stream } from "./prng.ts";
import { Shadowing, type ShadowSpec } from "./shadow.ts";
import { materialLossDb, type SimDoor, type SimSite, wallsDb, zoneAt } from "./site.ts";

export interface RadioSpec {
  /** Half width of the uniform offset of each wall in each band, dB. */
  readonly wallOffsetDb: number;
  readonly shadow: ShadowSpec;
  /** Whether the way round by doors and corridor exists. */
  readonly doorPath: boolean;
  /** Distance exponent outside beyond 10 m. */
  readonly outdoorExponent: number;
  /** Loss of one metre of house for a ray from outside, dB (3GPP TR 38.901 takes 0.5, COST 231 0.6). */
  readonly depthDbPerM: number;
}

export const RADIO_DEFAULTS: RadioSpec = {
  wallOffsetDb: 5,
  shadow: { sigmaDb: 5, dTxM: 2, dRxM: 3, bandRho: 0.5 },
  doorPath: true,
  outdoorExponent: 3,
  depthDbPerM: 0.6,
};

export interface Place {
  readonly x: number;
  readonly y: number;
  readonly z: number;
  /** Floor index; -1 outside the house. */
  readonly floor: number;
  /** Zone index, or -1. */
  readonly zone: number;
}

/** Free-space loss at 1 m, dB (20 log10 of 4 pi over the wavelength). */
export const freeSpace1mDb = (ghz: number): number => 32.45 + 20 * Math.log10(ghz);
const logDistance = (m: number): number => 20 * Math.log10(Math.max(0.3, m));
/** Height of a phone in use over the floor it is on. */
export const PHONE_HEIGHT_M = 1.2;
const COST231_B = 0.46;
const CACHE = 4096;

export class Radio {
  readonly site: SimSite;
  readonly spec: RadioSpec;
  readonly shadowing: Shadowing;
  private readonly wallDb: Float64Array;
  private readonly facadeDb: number[];
  private readonly doorLinks = new Map<number, { dist: Float64Array; lossDb: Float64Array }>();
  private readonly cache = new Map<string, Float64Array>();
  private readonly doorsOfZone = new Map<number, number[]>();

  constructor(site: SimSite, spec: RadioSpec, seed: number) {
    this.site = site;
    this.spec = spec;
    this.shadowing = new Shadowing(spec.shadow, site.sensors, seed);
    const rng = stream(seed, "walls");
    this.wallDb = Float64Array.from(site.walls.lossDb, (db) =>
      Math.max(0, db + rng.range(-spec.wallOffsetDb, spec.wallOffsetDb)),
    );
    this.facadeDb = site.bands.map((b) => materialLossDb("facade-concrete", b.midGhz));
    site.doors.forEach((door, i) => {
      for (const zone of door.zones) {
        if (zone >= 0) this.doorsOfZone.set(zone, [...(this.doorsOfZone.get(zone) ?? []), i]);
      }
    });
  }

  /** A point on a floor (id, or null outside), `heightM` above it. */
  place(x: number, y: number, floorId: string | null, heightM: number = PHONE_HEIGHT_M): Place {
    const floor = floorId === null ? -1 : this.site.floors.findIndex((f) => f.id === floorId);
    const z = (this.site.floors[floor]?.zM ?? 0) + heightM;
    return { x, y, z, floor, zone: zoneAt(this.site.zones, x, y, floor) };
  }

  /**
   * Gain to every sensor, dB, with shadowing. Shape: one entry a sensor, in the site's order; do not write into it.
   * Cost: a pass over the walls of a floor for each sensor; kept for the last 4,096 places.
   */
  gains(place: Place, band: number): Float64Array {
    const key = `${place.x.toFixed(2)},${place.y.toFixed(2)},${place.z.toFixed(2)},${place.floor},${band}`;
    const known = this.cache.get(key);
    if (known) return known;
    const out = this.planGains(place, band);
    this.shadowing.addTo(out, place.x, place.y, place.z, band);
    if (this.cache.size >= CACHE) this.cache.delete(this.cache.keys().next().value as string);
    this.cache.set(key, out);
    return out;
  }

  /** Gain without shadowing, dB: walls (with their offsets), floors, doors, distance. */
  planGains(place: Place, band: number): Float64Array {
    const { sensors, bands } = this.site;
    const out = new Float64Array(sensors.length);
    const fspl = freeSpace1mDb(bands[band]?.midGhz ?? 1);
    for (let i = 0; i < sensors.length; i++) {
      const s = sensors[i] as SimSite["sensors"][number];
      const d = Math.hypot(s.x - place.x, s.y - place.y, s.z - place.z);
      if (place.floor < 0) {
        out[i] = this.outsideGain(place, s, d, fspl, band);
        continue;
      }
      const through = this.straightDb(place.x, place.y, place.z, place.floor, s.x, s.y, s.z, s.floor, band);
      out[i] = -(fspl + logDistance(d) + through);
    }
    if (this.spec.doorPath && place.floor >= 0) this.addDoorPaths(out, place, fspl, band);
    return out;
  }

  private outsideGain(
    place: Place,
    s: { readonly x: number; readonly y: number; readonly z: number; readonly floor: number },
    d: number,
    fspl: number,
    band: number,
  ): number {
    const air = fspl + logDistance(Math.min(d, 10)) + 10 * this.spec.outdoorExponent * Math.log10(Math.max(1, d / 10));
    let depth = 0;
    for (const box of this.site.blockBoxes) depth += lengthInBox(place.x, place.y, s.x, s.y, box);
    if (depth === 0) return -air;
    const walls = this.storeyDb(s.floor, place.x, place.y, s.x, s.y, band);
    const round = (this.facadeDb[band] ?? 0) + this.spec.depthDbPerM * depth;
    return -(air + Math.min(walls, round));
  }

  /** Walls of one storey on a line. A ray through a door's span meets the wall: what the door lets by has its own path. */
  private storeyDb(floor: number, ax: number, ay: number, bx: number, by: number, band: number): number {
    return wallsDb(this.site.walls, this.wallDb, this.site.bands.length, band, floor, ax, ay, bx, by);
  }

  /** Walls and slabs on the straight line; each storey's part of the line meets that storey's walls. */
  private straightDb(
    ax: number,
    ay: number,
    az: number,
    af: number,
    bx: number,
    by: number,
    bz: number,
    bf: number,
    band: number,
  ): number {
    let db = 0;
    if (af === bf) return this.storeyDb(af, ax, ay, bx, by, band);
    const { floors } = this.site;
    const step = bf > af ? 1 : -1;
    let fromT = 0;
    let slabs = 0;
    let slabDb = 0;
    for (let f = af; f !== bf + step; f += step) {
      const slab = step > 0 ? floors[f + 1] : floors[f];
      const toT = f === bf || !slab ? 1 : Math.min(1, Math.max(fromT, (slab.zM - az) / (bz - az)));
      const px = ax + fromT * (bx - ax);
      const py = ay + fromT * (by - ay);
      db += this.storeyDb(f, px, py, ax + toT * (bx - ax), ay + toT * (by - ay), band);
      if (f !== bf) {
        slabs++;
        slabDb += slab?.slabDb[band] ?? 0;
      }
      fromT = toT;
    }
    return db + (slabDb / slabs) * slabs ** ((slabs + 2) / (slabs + 1) - COST231_B);
  }

  /** From the far side of door `index` (side `side`) to every sensor: length of the way and what it loses on it. */
  private doorLink(index: number, side: number, band: number): { dist: Float64Array; lossDb: Float64Array } {
    const key = (index * 2 + side) * this.site.bands.length + band;
    const known = this.doorLinks.get(key);
    if (known) return known;
    const door = this.site.doors[index] as SimDoor;
    const [px, py] = door.sides[side] as readonly [number, number];
    const pz = (this.site.floors[door.floor]?.zM ?? 0) + PHONE_HEIGHT_M;
    const { sensors } = this.site;
    const dist = new Float64Array(sensors.length);
    const lossDb = new Float64Array(sensors.length);
    for (let i = 0; i < sensors.length; i++) {
      const s = sensors[i] as SimSite["sensors"][number];
      let best = this.straightDb(px, py, pz, door.floor, s.x, s.y, s.z, s.floor, band);
      let bestD = Math.hypot(s.x - px, s.y - py, s.z - pz);
      let bestCost = best + logDistance(bestD + 2);
      for (const other of this.doorsOfZone.get(s.zone) ?? []) {
        if (other === index) continue;
        const in2 = this.site.doors[other] as SimDoor;
        const outer = in2.sides[in2.zones[0] === s.zone ? 1 : 0] as readonly [number, number];
        const z2 = (this.site.floors[in2.floor]?.zM ?? 0) + PHONE_HEIGHT_M;
        const mid = this.straightDb(px, py, pz, door.floor, outer[0], outer[1], z2, in2.floor, band);
        const d = Math.hypot(outer[0] - px, outer[1] - py, z2 - pz) + Math.hypot(s.x - in2.x, s.y - in2.y, s.z - z2);
        const db = mid + (in2.lossDb[band] ?? 0);
        if (db + logDistance(d + 2) < bestCost) {
          best = db;
          bestD = d;
          bestCost = db + logDistance(d + 2);
        }
      }
      dist[i] = bestD;
      lossDb[i] = best;
    }
    const link = { dist, lossDb };
    this.doorLinks.set(key, link);
    return link;
  }

  /** Adds the ways by doors to gains in place (power sum, dB). */
  private addDoorPaths(out: Float64Array, place: Place, fspl: number, band: number): void {
    const { sensors, doors, zones } = this.site;
    const total = Float64Array.from(out, (db) => 10 ** (db / 10));
    // Out by the emitter's doors; from a corridor, in by the sensor's door.
    const inbound = zones[place.zone]?.kind === "corridor";
    if (inbound) this.addInboundDoors(total, place, fspl, band);
    for (const index of inbound ? [] : (this.doorsOfZone.get(place.zone) ?? [])) {
      const door = doors[index] as SimDoor;
      const side = door.zones[0] === place.zone ? 1 : 0;
      const link = this.doorLink(index, side, band);
      const d0 = Math.hypot(door.x - place.x, door.y - place.y);
      for (let i = 0; i < sensors.length; i++) {
        const s = sensors[i] as SimSite["sensors"][number];
        if (s.zone === place.zone) continue;
        const db = fspl + logDistance(d0 + (link.dist[i] as number)) + (link.lossDb[i] as number);
        total[i] = (total[i] as number) + 10 ** (-(db + (door.lossDb[band] ?? 0)) / 10);
      }
    }
    for (let i = 0; i < out.length; i++) out[i] = 10 * Math.log10(total[i] as number);
  }

  private addInboundDoors(total: Float64Array, place: Place, fspl: number, band: number): void {
    const { sensors, doors } = this.site;
    for (let i = 0; i < sensors.length; i++) {
      const s = sensors[i] as SimSite["sensors"][number];
      if (s.zone === place.zone) continue;
      for (const index of this.doorsOfZone.get(s.zone) ?? []) {
        const door = doors[index] as SimDoor;
        if (door.zones.includes(place.zone) === false || s.floor !== place.floor) continue;
        const d = Math.hypot(door.x - place.x, door.y - place.y) + Math.hypot(door.x - s.x, door.y - s.y);
        const db = fspl + logDistance(d) + (door.lossDb[band] ?? 0);
        total[i] = (total[i] as number) + 10 ** (-db / 10);
      }
    }
  }
}
