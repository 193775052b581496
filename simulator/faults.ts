/**
 * What breaks: sensors that die, stick, go deaf, are covered or hung elsewhere; clocks that are off; messages that are
 * lost, repeated, late, shuffled or corrupt; brokers that are away. Stated by the scenario, or drawn per seed (swarm):
 * then each kind is on or off by the toss of a coin, so that every pair of kinds meets in some seed.
 */
import type { Engine, Run } from "./engine.ts";
import { type Prng, stream } from "./prng.ts";
import type { Queue } from "./queue.ts";
import type { Receiver } from "./receiver.ts";
import { type FaultSpec, type Scenario, ScenarioError } from "./scenario.ts";
import type { SimSite } from "./site.ts";

type Kind = FaultSpec["kind"];

/** One fault as it was put to work. Times are ms since the simulation's start. */
export interface FaultEntry {
  readonly kind: Kind;
  /** Sensor index, or -1 for all. */
  readonly sensor: number;
  readonly from: number;
  readonly to: number;
  readonly amount: number;
}

/** Amount where a scenario names none: dB, ms, ppm or probability by kind. */
const AMOUNT: Readonly<Record<Kind, number>> = {
  dead: 0,
  stuck: 0,
  deaf: 25,
  covered: 12,
  moved: 0,
  reboot: 0,
  unplugged: 0,
  skew: 1500,
  step: -4000,
  drift: 200,
  lose: 0.1,
  repeat: 0.2,
  late: 0.1,
  shuffle: 0.2,
  corrupt: 0.02,
  "broker-outage": 0,
  "database-outage": 0,
};
const DELIVERY = new Set<Kind>(["lose", "repeat", "late", "shuffle", "corrupt"]);
const CLOCK = new Set<Kind>(["skew", "step", "drift"]);
const OFF = new Set<Kind>(["dead", "unplugged"]);
/** A sensor restarts within so long. */
const REBOOT_MS = 20_000;
/** Broker publishes the last will after one and a half keep-alives of 30 s. */
const WILL_MS = 45_000;

export class SensorFaultState {
  readonly entries: readonly FaultEntry[];
  readonly index: number;
  down = false;
  private stuck: { rms: Int16Array; peak: Int16Array; duty: Uint8Array } | null = null;

  constructor(index: number, entries: readonly FaultEntry[]) {
    this.index = index;
    this.entries = entries;
  }

  /** Error of the sensor's clock at t, ms. */
  clockOffsetMs(t: number): number {
    let sum = 0;
    for (const e of this.entries) {
      if (!CLOCK.has(e.kind) || t < e.from || t >= e.to) continue;
      sum += e.kind === "drift" ? ((t - e.from) * e.amount) / 1e6 : e.amount;
    }
    return Math.round(sum);
  }

  /** Overwrites what was measured where the sensor is stuck. */
  after(receiver: Receiver, t: number): void {
    const stuck = this.entries.some((e) => e.kind === "stuck" && t >= e.from && t < e.to);
    const from = receiver.first[this.index] as number;
    const to = receiver.first[this.index + 1] as number;
    if (!stuck) {
      this.stuck = null;
      return;
    }
    this.stuck ??= {
      rms: receiver.rms.slice(from, to),
      peak: receiver.peak.slice(from, to),
      duty: receiver.duty.slice(from, to),
    };
    receiver.rms.set(this.stuck.rms, from);
    receiver.peak.set(this.stuck.peak, from);
    receiver.duty.set(this.stuck.duty, from);
  }
}

export class Faults {
  readonly plan: readonly FaultEntry[];
  private readonly states: (SensorFaultState | null)[];
  private readonly outages: readonly FaultEntry[];
  private readonly rng: Prng;
  private readonly site: SimSite;

  constructor(site: SimSite, scenario: Scenario, seed: number) {
    this.site = site;
    this.rng = stream(seed, "delivery");
    const rng = stream(seed, "faults");
    const specs = Array.isArray(scenario.faults)
      ? scenario.faults
      : swarm(rng, scenario.duration_s, site.sensors.length);
    this.plan = specs.flatMap((spec) => entries(spec, site, scenario.duration_s, rng));
    this.outages = this.plan.filter((e) => e.kind === "broker-outage");
    this.states = site.sensors.map((_, i) => {
      const own = this.plan.filter((e) => e.sensor === i);
      return own.length > 0 || this.outages.length > 0 ? new SensorFaultState(i, own) : null;
    });
  }

  of(sensor: number): SensorFaultState | null {
    return this.states[sensor] ?? null;
  }

  /** Faults of the sensor itself, before it measures. False: it says nothing this time. */
  before(state: SensorFaultState, run: Run, t: number, receiver: Receiver, engine: Engine): boolean {
    let off = false;
    let dead = false;
    let db = 0;
    receiver.hangsAt[state.index] = state.index;
    for (const e of state.entries) {
      if (t < e.from || t >= e.to) continue;
      if (e.kind === "dead") dead = true;
      if (e.kind === "unplugged" || e.kind === "reboot") off = true;
      if (e.kind === "deaf" || e.kind === "covered") db += e.amount;
      if (e.kind === "moved") receiver.hangsAt[state.index] = e.amount;
    }
    receiver.attenuationDb[state.index] = db;
    if (dead || off) {
      if (off && !state.down) engine.state(run, t + WILL_MS, false);
      state.down = true;
      return false;
    }
    if (state.down) {
      state.down = false;
      run.boot++;
      engine.birth(run, t);
    }
    return true;
  }

  /** Whether the way of the sensor's messages is disturbed at t. */
  touches(state: SensorFaultState | null, t: number): boolean {
    if (state === null) return false;
    return this.outage(t) !== null || state.entries.some((e) => DELIVERY.has(e.kind) && t >= e.from && t < e.to);
  }

  private outage(t: number): FaultEntry | null {
    return this.outages.find((e) => t >= e.from && t < e.to) ?? null;
  }

  /** Sends a message on its disturbed way. `t0` is the slot, `t` the arrival it would have had (epoch ms). */
  deliver(queue: Queue, state: SensorFaultState | null, t0: number, t: number, topic: string, text: string): void {
    const { rng } = this;
    let at = t;
    let payload: string | Uint8Array = text;
    const outage = this.outage(t0);
    // After an outage a sensor sends what it kept, in order, at some 50 messages a second.
    if (outage) at = t + (outage.to - t0) + Math.round((t0 - outage.from) / 50);
    for (const e of state?.entries ?? []) {
      if (!DELIVERY.has(e.kind) || t0 < e.from || t0 >= e.to || !rng.chance(e.amount)) continue;
      if (e.kind === "lose") return;
      if (e.kind === "late") at += Math.round(10_000 + 50_000 * rng.uniform());
      if (e.kind === "shuffle") at += Math.round(10_000 * rng.uniform());
      if (e.kind === "corrupt") payload = corrupt(text, rng);
      if (e.kind === "repeat") {
        queue.push({ t: at + Math.round(2000 * rng.uniform()), topic, payload, retain: false });
      }
    }
    queue.push({ t: at, topic, payload, retain: false });
  }

  /** The plan with names, for reports. */
  describe(): { kind: string; sensor: string | null; from_s: number; to_s: number; amount: number }[] {
    return this.plan.map((e) => ({
      kind: e.kind,
      sensor: this.site.sensors[e.sensor]?.id ?? null,
      from_s: e.from / 1000,
      to_s: e.to / 1000,
      amount: e.amount,
    }));
  }
}

/** Breaks a payload as cables, memories and strangers do: cut short, a byte flipped, emptied, or not text at all. */
function corrupt(text: string, rng: Prng): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  const how = rng.below(4);
  if (how === 0) return bytes.slice(0, rng.below(bytes.length));
  if (how === 1) return new Uint8Array(0);
  if (how === 2) return Uint8Array.from({ length: 16 }, () => rng.below(256));
  const at = rng.below(bytes.length);
  bytes[at] = (bytes[at] as number) ^ (1 << rng.below(8));
  return bytes;
}

function entries(spec: FaultSpec, site: SimSite, durationS: number, rng: Prng): FaultEntry[] {
  const from = spec.from_s * 1000;
  if (!("sensors" in spec))
    return [{ kind: spec.kind, sensor: -1, from, to: (spec.to_s ?? durationS) * 1000, amount: 0 }];
  let chosen: number[];
  if (spec.sensors === "all") chosen = site.sensors.map((_, i) => i);
  else if (Array.isArray(spec.sensors)) {
    chosen = spec.sensors.map((id) => {
      const i = site.sensors.findIndex((s) => s.id === id);
      if (i < 0) throw new ScenarioError(`faults: the site has no sensor '${id}'`);
      return i;
    });
  } else {
    const order = site.sensors.map((_, i) => i);
    for (let i = order.length - 1; i > 0; i--) {
      const j = rng.below(i + 1);
      [order[i], order[j]] = [order[j] as number, order[i] as number];
    }
    chosen = order.slice(0, spec.sensors);
  }
  const end = spec.to_s === undefined ? Number.POSITIVE_INFINITY : spec.to_s * 1000;
  return chosen.map((sensor) => {
    const to = spec.kind === "reboot" ? from + REBOOT_MS : end;
    const elsewhere = (sensor + Math.max(2, Math.floor(site.sensors.length / 3))) % site.sensors.length;
    const amount = spec.kind === "moved" ? elsewhere : (spec.amount ?? AMOUNT[spec.kind]);
    return { kind: spec.kind, sensor, from, to, amount };
  });
}

function swarm(rng: Prng, durationS: number, sensors: number): FaultSpec[] {
  const out: FaultSpec[] = [];
  for (const kind of Object.keys(AMOUNT) as Kind[]) {
    if (!rng.chance(0.5)) continue;
    const from_s = Math.round(durationS * rng.range(0.1, 0.7));
    const to_s = Math.round(from_s + durationS * rng.range(0.05, 0.25));
    if (kind === "broker-outage" || kind === "database-outage") {
      out.push({ kind, from_s, to_s });
      continue;
    }
    const few = 1 + rng.below(Math.max(1, Math.floor(sensors / 10)));
    const all = DELIVERY.has(kind) && rng.chance(0.5);
    out.push({ kind, sensors: all ? "all" : few, from_s, ...(OFF.has(kind) || rng.chance(0.7) ? { to_s } : {}) });
  }
  return out;
}
