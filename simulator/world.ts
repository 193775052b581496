/**
 * Who transmits, when, where and how strongly: people with phones and other sources, turned into episodes. The episodes
 * are the truth; the receiver sees only their power.
 */
import { readFileSync } from "node:fs";
import type { TruthEpisode } from "../src/contracts.ts";
import { type OnAir, onAir, type Service } from "./bursts.ts";
import { randomPoint } from "./geometry.ts";
import { type Prng, stream } from "./prng.ts";
import { PHONE_HEIGHT_M, type Place } from "./radio.ts";
import { type PersonSpec, type Scenario, ScenarioError, type SourceSpec, type Where } from "./scenario.ts";
import { type SimSite, zoneAt } from "./site.ts";

interface ServicePower {
  readonly max_dbm: number;
  readonly max_high_band_dbm: number;
  readonly min_dbm: number;
  readonly step_db: number;
  readonly step_ms: number;
  readonly target_dbm: number;
  readonly full_power_ms: number;
}
interface PhoneTable {
  readonly services: Readonly<Record<string, ServicePower>>;
  readonly loss_db: { readonly mean: number; readonly sigma: number };
  readonly phones: Readonly<
    Record<
      string,
      {
        readonly bands: Readonly<Record<string, string>>;
        readonly weights: readonly number[];
        readonly extra_loss_db: number;
        readonly t_update_min: number;
      }
    >
  >;
  readonly actions: Readonly<
    Record<
      string,
      Readonly<Record<string, string>> & {
        readonly activity: Activity;
        readonly seconds: {
          readonly median: number;
          readonly log_sigma: number;
          readonly min: number;
          readonly max: number;
        };
        readonly setup_s: readonly [number, number];
      }
    >
  >;
}
type Activity = "call" | "message" | "data" | "beacon";
const PHONES = JSON.parse(readFileSync(new URL("./data/phones.json", import.meta.url), "utf8")) as PhoneTable;

/** A transmission as the receiver meets it. Times are ms since the simulation's start. */
export interface Episode {
  readonly start: number;
  readonly end: number;
  readonly band: number;
  readonly air: OnAir;
  /** Radiated power at t, dBm. */
  powerDbm(t: number): number;
  placeAt(t: number): Place;
  readonly moves: boolean;
  /** True where the power does not fade from burst to burst. */
  readonly steady: boolean;
  readonly truth: TruthEpisode;
}

/** Share of an hour's rate by hour of the day, local time; mean 1. [assumption: phones come out when doors are shut] */
const PROFILES: Readonly<Record<string, readonly number[]>> = {
  flat: Array.from({ length: 24 }, () => 1),
  "prison-day": [
    0.9, 0.5, 0.3, 0.2, 0.2, 0.3, 0.5, 0.6, 0.5, 0.6, 0.7, 0.9, 1.3, 1.2, 0.8, 0.8, 0.9, 1.2, 1.6, 2.0, 2.4, 2.4, 2.0,
    1.2,
  ],
  night: [2, 2, 2, 2, 2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4],
};

export class World {
  private readonly site: SimSite;
  private readonly scenario: Scenario;
  private readonly seed: number;

  constructor(site: SimSite, scenario: Scenario, seed: number) {
    this.site = site;
    this.scenario = scenario;
    this.seed = seed;
  }

  /** Episodes of one cycle, in order of start. `offsetMs` is the cycle's begin in simulated time, `startMs` time 0 in epoch ms. */
  episodes(cycle: number, offsetMs: number, startMs: number): Episode[] {
    const out: Episode[] = [];
    const taken = new Set<number>();
    for (const spec of this.scenario.people) {
      for (let i = 0; i < spec.count; i++) {
        const id = spec.count > 1 ? `${spec.id}-${i + 1}` : spec.id;
        const rng = stream(this.seed, `person/${cycle}/${id}`);
        new Person(this.site, this.scenario, spec, id, rng, taken, this.seed).addEpisodes(
          out,
          cycle,
          offsetMs,
          startMs,
        );
      }
    }
    for (const source of this.scenario.sources) out.push(...this.sourceEpisodes(source, cycle, offsetMs, startMs));
    return out.sort((a, b) => a.start - b.start || (a.truth.id < b.truth.id ? -1 : 1));
  }

  private sourceEpisodes(spec: SourceSpec, cycle: number, offsetMs: number, startMs: number): Episode[] {
    const floor = spec.floor === undefined ? -1 : this.site.floors.findIndex((f) => f.id === spec.floor);
    const zone = zoneAt(this.site.zones, spec.x_m, spec.y_m, floor);
    const base = floor < 0 ? 0 : (this.site.floors[floor]?.zM ?? 0);
    const place: Place = { x: spec.x_m, y: spec.y_m, z: base + spec.z_m, floor, zone };
    const start = offsetMs + spec.from_s * 1000;
    const end = offsetMs + (spec.to_s ?? this.scenario.duration_s) * 1000;
    const rng = stream(this.seed, `source/${cycle}/${spec.id}`);
    return spec.bands.map((id, i): Episode => {
      const band = bandOf(this.site, id);
      const air = onAir(spec.kind === "mast" ? "beacon" : "steady", start, end, rng, { periodMs: 1 });
      const truth: TruthEpisode = {
        id: `${spec.id}-${cycle}-${i}`,
        emitter: spec.id,
        legitimate: true,
        start: startMs + start,
        end: startMs + end,
        band: id,
        eirp_dbm: spec.eirp_dbm,
        activity: "unknown",
        ...truthPlace(this.site, place),
        source: spec.kind,
      };
      return {
        start,
        end,
        band,
        air,
        powerDbm: () => spec.eirp_dbm,
        placeAt: () => place,
        moves: false,
        steady: true,
        truth,
      };
    });
  }
}

function bandOf(site: SimSite, id: string): number {
  const band = site.bandIndex.get(id);
  if (band === undefined) throw new ScenarioError(`band '${id}' is not in the site's plan`);
  return band;
}

function truthPlace(site: SimSite, place: Place): Pick<TruthEpisode, "x_m" | "y_m" | "floor" | "cell" | "outside"> {
  const zone = site.zones[place.zone];
  const inside = place.floor >= 0 && zone !== undefined && zone.kind !== "outside";
  return {
    x_m: round2(place.x),
    y_m: round2(place.y),
    floor: place.floor >= 0 ? (site.floors[place.floor]?.id ?? null) : null,
    cell: inside ? zone.id : null,
    ...(inside ? {} : { outside: true as const }),
  };
}

const round2 = (x: number): number => Math.round(x * 100) / 100;

interface Leg {
  readonly t0: number;
  readonly t1: number;
  readonly from: Place;
  readonly to: Place;
}

/** One phone and who carries it, over one cycle. */
class Person {
  private readonly site: SimSite;
  private readonly scenario: Scenario;
  private readonly spec: PersonSpec;
  private readonly id: string;
  private readonly rng: Prng;
  private readonly seed: number;
  private readonly home: Place;
  private readonly legs: Leg[] = [];
  private readonly phone: string;

  constructor(
    site: SimSite,
    scenario: Scenario,
    spec: PersonSpec,
    id: string,
    rng: Prng,
    taken: Set<number>,
    seed: number,
  ) {
    this.seed = seed;
    this.site = site;
    this.scenario = scenario;
    this.spec = spec;
    this.id = id;
    this.rng = rng;
    this.phone = typeof spec.phone === "string" ? spec.phone : rng.pick(spec.phone);
    if (!PHONES.phones[this.phone]) throw new ScenarioError(`person '${spec.id}': no phone model '${this.phone}'`);
    this.home = this.place(spec.at, spec.apart ? taken : null);
    this.plan();
  }

  /** A point in the place that is meant. `taken` keeps people apart. */
  private place(where: Where, taken: Set<number> | null): Place {
    const { zones, floors, zoneIndex } = this.site;
    if (typeof where === "object" && "x_m" in where) {
      const floor = where.floor === undefined ? -1 : floors.findIndex((f) => f.id === where.floor);
      const z = (floor < 0 ? 0 : (floors[floor]?.zM ?? 0)) + (where.height_m ?? PHONE_HEIGHT_M);
      return { x: where.x_m, y: where.y_m, z, floor, zone: zoneAt(zones, where.x_m, where.y_m, floor) };
    }
    let index: number;
    if (typeof where === "string") index = zoneIndex.get(where) ?? -1;
    else {
      const all = zones.map((_, i) => i).filter((i) => zones[i]?.kind === where.kind);
      const free = all.filter((i) => !taken?.has(i));
      index = free.length > 0 ? this.rng.pick(free) : all.length > 0 ? this.rng.pick(all) : -1;
      taken?.add(index);
    }
    const zone = zones[index];
    if (!zone) throw new ScenarioError(`person '${this.spec.id}': the site has no zone ${JSON.stringify(where)}`);
    const [x, y] = randomPoint(zone.polygon, () => this.rng.uniform());
    return { x, y, z: (floors[zone.floor]?.zM ?? 0) + PHONE_HEIGHT_M, floor: zone.floor, zone: index };
  }

  /** Plans where the person is over the cycle. */
  private plan(): void {
    let here = this.home;
    for (const move of this.spec.move_to) {
      const to = this.place(move.to, null);
      const t0 = move.at_s * 1000;
      const t1 = t0 + (Math.hypot(to.x - here.x, to.y - here.y) / move.speed_mps) * 1000;
      this.legs.push({ t0, t1, from: here, to });
      here = to;
    }
    const patrol = this.spec.patrol;
    if (!patrol) return;
    const index = this.site.zoneIndex.get(patrol.zone) ?? -1;
    const zone = this.site.zones[index];
    if (!zone) throw new ScenarioError(`person '${this.spec.id}': no zone '${patrol.zone}' to walk in`);
    const xs = zone.polygon.map((p) => p[0]);
    const ys = zone.polygon.map((p) => p[1]);
    const [x1, x2] = [Math.min(...xs) + 0.5, Math.max(...xs) - 0.5];
    const [y1, y2] = [Math.min(...ys) + 0.5, Math.max(...ys) - 0.5];
    const z = (this.site.floors[zone.floor]?.zM ?? 0) + PHONE_HEIGHT_M;
    const lengthwise = x2 - x1 >= y2 - y1;
    for (let t = patrol.at_s * 1000; t < this.scenario.duration_s * 1000; ) {
      const side = this.rng.uniform();
      const at = (end: boolean): Place =>
        lengthwise
          ? { x: end ? x2 : x1, y: y1 + side * (y2 - y1), z, floor: zone.floor, zone: index }
          : { x: x1 + side * (x2 - x1), y: end ? y2 : y1, z, floor: zone.floor, zone: index };
      const time = (Math.max(x2 - x1, y2 - y1) / patrol.speed_mps) * 1000;
      this.legs.push({ t0: t, t1: t + time, from: at(true), to: at(false) });
      this.legs.push({ t0: t + time, t1: t + 2 * time, from: at(false), to: at(true) });
      if (!patrol.every_s) break;
      t += Math.max(patrol.every_s * 1000, 2 * time) * this.rng.range(0.8, 1.2);
    }
  }

  /** Where the phone is at t (ms of the cycle): on the leg that runs, or where the last move ended. */
  private whereAt(t: number): Place {
    let here = this.home;
    for (const leg of this.legs) {
      if (t < leg.t0) break;
      if (t < leg.t1) {
        const u = (t - leg.t0) / (leg.t1 - leg.t0);
        const x = leg.from.x + u * (leg.to.x - leg.from.x);
        const y = leg.from.y + u * (leg.to.y - leg.from.y);
        // Half a metre of rounding keeps the number of places that the radio has to work out small.
        const near = { x: Math.round(x * 2) / 2, y: Math.round(y * 2) / 2, z: leg.to.z, floor: leg.to.floor };
        return { ...near, zone: zoneAt(this.site.zones, x, y, leg.to.floor) };
      }
      if (!this.spec.patrol) here = leg.to;
    }
    return here;
  }

  private walking(t: number): boolean {
    return this.legs.some((leg) => t >= leg.t0 && t < leg.t1);
  }

  addEpisodes(out: Episode[], cycle: number, offsetMs: number, startMs: number): void {
    const wanted = this.schedule(offsetMs + startMs);
    wanted.sort((a, b) => a.at - b.at);
    let free = 0;
    let n = 0;
    for (const want of wanted) {
      const start = Math.max(want.at, want.fixed ? 0 : free);
      const episode = this.episode(want, start, cycle, n, offsetMs, startMs);
      if (!episode) continue;
      free = episode.end - offsetMs + 500;
      n++;
      out.push(episode);
    }
  }

  private schedule(epochMs: number): Wanted[] {
    const { spec, rng } = this;
    const totalMs = this.scenario.duration_s * 1000;
    const on = (spec.on_s ?? [[0, this.scenario.duration_s]]).map(([a, b]) => [a * 1000, b * 1000] as const);
    const isOn = (t: number): boolean => on.some(([a, b]) => t >= a && t < b);
    const wanted: Wanted[] = spec.actions.map((a) => ({
      what: a.do,
      at: a.at_s * 1000,
      fixed: true,
      ms: a.duration_s === undefined ? null : a.duration_s * 1000,
      band: a.band ?? null,
      eirp: a.eirp_dbm ?? null,
      in: a.in ?? null,
    }));
    const simple = (what: string, at: number): Wanted => ({
      what,
      at,
      fixed: false,
      ms: null,
      band: null,
      eirp: null,
      in: null,
    });
    const profile = PROFILES[spec.profile] as readonly number[];
    const top = Math.max(...profile);
    for (const [what, rate] of Object.entries(spec.rates_per_h)) {
      if (!PHONES.actions[what]) throw new ScenarioError(`person '${spec.id}': no action '${what}'`);
      // Thinning of a Poisson process by the hour's share.
      for (let t = 0; rate > 0; ) {
        t += (rng.exponential() * 3_600_000) / (rate * top);
        if (t >= totalMs) break;
        const hour = Math.floor(((epochMs + t) / 3_600_000) % 24);
        if (rng.chance((profile[hour] ?? 1) / top) && isOn(t) && this.reachable(t)) wanted.push(simple(what, t));
      }
    }
    const update = (PHONES.phones[this.phone]?.t_update_min ?? 0) * 60_000;
    if (spec.updates && update > 0) {
      for (const [a, b] of on) {
        // The phase of a phone that was on before is anywhere; one that is switched on attaches at once.
        for (let t = a > 0 ? a : rng.range(0, update); t < Math.min(b, totalMs); t += update) {
          wanted.push(simple("location-update", t));
        }
      }
    }
    return wanted;
  }

  private reachable(t: number): boolean {
    return !this.spec.patrol?.gone || this.walking(t);
  }

  private episode(
    want: Wanted,
    start: number,
    cycle: number,
    n: number,
    offsetMs: number,
    startMs: number,
  ): Episode | null {
    const { rng } = this;
    const phone = PHONES.phones[this.phone] as PhoneTable["phones"][string];
    const action = PHONES.actions[want.what] as PhoneTable["actions"][string];
    const bandId = want.band ?? this.pickBand(phone);
    const band = bandOf(this.site, bandId);
    const tech = phone.bands[bandId] ?? Object.values(phone.bands)[0] ?? "lte";
    const short = tech === "lte" && want.what === "location-update" ? PHONES.actions.tau : action;
    const { median, log_sigma, min, max } = (short ?? action).seconds;
    const seconds = Math.min(max, Math.max(min, median * Math.exp(log_sigma * rng.normal())));
    const end = Math.min(start + (want.ms ?? seconds * 1000), this.scenario.duration_s * 1000);
    if (end - start < 50) return null;
    const service = action[tech] as Service;
    const setupMs = Math.min((end - start) / 2, rng.range(action.setup_s[0], action.setup_s[1]) * 1000);
    const id = `${this.id}-${cycle}-${n}`;
    // The bursts of a transmission are drawn when a receiver first asks for them.
    let air: OnAir | null = null;
    const burst = (): OnAir => {
      air ??= onAir(service, offsetMs + start, offsetMs + end, stream(this.seed, `air/${id}`), { setupMs });
      return air;
    };
    const fixedPlace = want.in === null ? null : this.place(want.in, null);
    const placeAt = (t: number): Place => fixedPlace ?? this.whereAt(t - offsetMs);
    const moves = fixedPlace === null && this.legs.some((leg) => leg.t0 < end && leg.t1 > start);
    const power = this.power(tech, band, phone.extra_loss_db, want.eirp, start, end);
    const powerDbm = (t: number): number => power.at(t - offsetMs);
    const path: [number, number, number][] = [];
    if (moves) {
      for (let t = start; t < end; t += 1000) {
        const p = placeAt(offsetMs + t);
        path.push([startMs + offsetMs + Math.round(t), round2(p.x), round2(p.y)]);
      }
    }
    const truth: TruthEpisode = {
      id,
      emitter: this.id,
      legitimate: this.spec.role !== "inmate",
      start: Math.round(startMs + offsetMs + start),
      end: Math.round(startMs + offsetMs + end),
      band: bandId,
      eirp_dbm: Math.round(power.mean * 10) / 10,
      activity: action.activity,
      ...truthPlace(this.site, placeAt(offsetMs + start)),
      ...(path.length > 0 ? { path } : {}),
    };
    return {
      start: offsetMs + start,
      end: offsetMs + end,
      band,
      get air() {
        return burst();
      },
      powerDbm,
      placeAt,
      moves,
      steady: false,
      truth,
    };
  }

  private pickBand(phone: PhoneTable["phones"][string]): string {
    const known = Object.keys(phone.bands);
    const weights = known.map((id, i) => (this.site.bandIndex.has(id) ? (phone.weights[i] ?? 0) : 0));
    if (weights.every((w) => w === 0)) throw new ScenarioError(`phone '${this.phone}' has no band of the site's plan`);
    return known[this.rng.weighted(weights)] as string;
  }

  /**
   * Radiated power over the transmission: at full power until the network commands, then in steps to what the path to
   * the mast needs, wandering with it. Path loss at 900 MHz comes from the scenario; other bands lose 20 log f more.
   */
  private power(
    tech: string,
    band: number,
    extraDb: number,
    fixed: number | null,
    start: number,
    end: number,
  ): PowerCurve {
    if (fixed !== null) return { at: () => fixed, mean: fixed };
    const { rng } = this;
    const s = PHONES.services[tech] as ServicePower;
    const ghz = this.site.bands[band]?.midGhz ?? 0.9;
    const max = ghz > 1.5 ? s.max_high_band_dbm : s.max_dbm;
    const { path_loss_db, sigma_db } = this.scenario.coverage;
    const outside = this.spec.role === "passer-by" || this.spec.role === "car" || this.spec.role === "neighbour";
    // Outside there are no walls between phone and mast: 15 dB is the usual building loss.
    const loss = path_loss_db - (outside ? 15 : 0) + 20 * Math.log10(ghz / 0.9) + sigma_db * rng.normal();
    const body = PHONES.loss_db.mean + PHONES.loss_db.sigma * rng.normal() + extraDb;
    const steps = Math.max(1, Math.ceil((end - start) / s.step_ms));
    const dbm = new Float32Array(steps);
    let now = s.full_power_ms > 0 ? max : Math.min(max, Math.max(s.min_dbm, loss + s.target_dbm));
    let wander = 0;
    let sum = 0;
    for (let i = 0; i < steps; i++) {
      wander = 0.95 * wander + 0.6 * rng.normal();
      const want = Math.min(max, Math.max(s.min_dbm, loss + wander + s.target_dbm));
      if (i * s.step_ms >= s.full_power_ms) {
        now += Math.max(-s.step_db, Math.min(s.step_db, Math.round((want - now) / s.step_db) * s.step_db));
      }
      dbm[i] = Math.min(max, Math.max(s.min_dbm, now)) - body;
      sum += 10 ** ((dbm[i] as number) / 10);
    }
    const at = (t: number): number =>
      dbm[Math.max(0, Math.min(steps - 1, Math.floor((t - start) / s.step_ms)))] as number;
    return { at, mean: 10 * Math.log10(sum / steps) };
  }
}

interface PowerCurve {
  at(t: number): number;
  /** Power mean over the transmission, dBm. */
  readonly mean: number;
}

interface Wanted {
  readonly what: string;
  readonly at: number;
  readonly fixed: boolean;
  readonly ms: number | null;
  readonly band: string | null;
  readonly eirp: number | null;
  readonly in: Where | null;
}
