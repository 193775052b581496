/** From the words of the core to the words of the API: snake case, `null` for NaN, derived states. Pure. */
import type { ChannelPoint } from "../contracts.ts";
import type { Alert, BlockOutcomes, CellBelief, LearningReport, Severity, Site, Zone, ZoneId } from "../model.ts";
import type { ChannelView, SensorView } from "./service-view.ts";

export type SensorStateName = "ok" | "warming" | "fault" | "tamper" | "offline" | "unseen";
export type ZoneStateName = "quiet" | "possible" | "alert" | "silenced";

export const SEVERITY_RANK: Readonly<Record<Severity, number>> = { low: 0, medium: 1, high: 2, critical: 3 };

/** NaN and infinities have no JSON; they mean "not known". */
export function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

/** The worst thing that is true of a sensor, in the order an officer would want it. */
export function sensorState(sensor: SensorView): SensorStateName {
  if (sensor.tamper) return "tamper";
  if (sensor.online === false) return "offline";
  // A scanner that only speaks when it finds something is there once it said so.
  if (sensor.lastSeenMs === null && sensor.online !== true) return "unseen";
  let warming = false;
  for (const channel of sensor.channels) {
    if (channel.status === "stuck" || channel.status === "saturated" || channel.status === "silent") return "fault";
    if (channel.status === "warming") warming = true;
  }
  return warming ? "warming" : "ok";
}

export function channelJson(c: ChannelView) {
  return {
    block: c.block,
    sensor: c.sensor,
    band: c.band,
    status: c.status,
    t: c.tMs,
    floor_dbm: finite(c.floorDbm),
    level_dbm: finite(c.levelDbm),
    excess_db: finite(c.excessDb),
    sigma_db: finite(c.sigmaDb),
    llr: finite(c.llr),
    hot: c.hot,
  };
}

export function sensorJson(s: SensorView) {
  return {
    id: s.sensor,
    block: s.block,
    state: sensorState(s),
    online: s.online,
    last_seen_at: s.lastSeenMs,
    tamper: s.tamper,
    boot: s.boot,
    model: s.model,
    fw: s.firmware,
    period_ms: s.periodMs,
    temp_c: s.tempC,
    clock_off_ms: s.clockOffMs,
    battery: s.battery,
    channels: s.channels.map(channelJson),
  };
}

export function pointJson(p: ChannelPoint) {
  return {
    t: p.tMs,
    mean_dbm: finite(p.meanDbm),
    max_dbm: finite(p.maxDbm),
    floor_dbm: finite(p.floorDbm),
    llr: finite(p.llr),
    readings: p.readings,
  };
}

/** Probabilities and ratios are rounded: more digits than anybody can mean are noise in a reader's eyes. */
const digits = (value: number, n: number) => Number(value.toPrecision(n));

export function cellBeliefJson(b: CellBelief) {
  return {
    cell: b.cell,
    block: b.block,
    rank: b.rank,
    p_kept: digits(b.pKept, 3),
    p_used: digits(b.pUsed, 3),
    reasons: b.reasons.map((r) => ({
      t: r.tMs,
      kind: r.kind,
      ref: r.ref,
      odds_ratio: digits(r.oddsRatio, 3),
      text: r.text,
    })),
  };
}

export function outcomesJson(o: BlockOutcomes) {
  const { block, searches, first, byStated, alerts } = o;
  const methods = o.methods.map(({ falseAlarm, stated, ...m }) => ({
    ...m,
    false_alarm: falseAlarm,
    stated: { hit: stated.hit, false_alarm: stated.falseAlarm, trials: stated.trials },
  }));
  return { block, searches, first, by_stated: [...byStated], alerts: [...alerts], methods };
}

export function learningJson(r: LearningReport) {
  return {
    block: r.block,
    learning: r.learning,
    first_reading_at: r.firstMs,
    until: r.untilMs,
    events: r.events,
    alerts: r.alerts,
    last: r.last.map((a) => ({
      t: a.tMs,
      first_evidence_at: a.firstEvidenceMs,
      cell: a.cell,
      p: digits(a.p, 3),
      bands: [...a.bands],
    })),
  };
}

/** True while an alert should draw attention: neither closed nor set aside by a person. */
export function isLoud(alert: Alert): boolean {
  return (
    alert.closed_at === null && alert.shelved_until === null && alert.suppressed_by === null && !alert.out_of_service
  );
}

export interface ZoneState {
  readonly state: ZoneStateName;
  readonly severity: Severity | null;
  /** Largest probability any open alert gives to this zone. */
  readonly p: number | null;
  readonly alerts: readonly string[];
}

const QUIET: ZoneState = { state: "quiet", severity: null, p: null, alerts: [] };
const STATE_RANK: Readonly<Record<ZoneStateName, number>> = { quiet: 0, silenced: 1, possible: 2, alert: 3 };

/**
 * State of every zone that an open alert names: `alert` where it is the alert's own cell, `possible` where it is only a
 * candidate, `silenced` where every alert of it is shelved, suppressed or out of service. Cost: one pass over candidates.
 */
export function zoneStates(alerts: readonly Alert[]): ReadonlyMap<ZoneId, ZoneState> {
  const states = new Map<ZoneId, ZoneState>();
  for (const alert of alerts) {
    if (alert.closed_at !== null) continue;
    const places = new Map(alert.candidates.map((c) => [c.cell, c.p] as const));
    if (alert.cell !== null && !places.has(alert.cell)) places.set(alert.cell, 1);
    for (const [zone, p] of places) {
      const own = zone === alert.cell;
      const state: ZoneStateName = !isLoud(alert) ? "silenced" : own ? "alert" : "possible";
      const before = states.get(zone) ?? QUIET;
      const worse = STATE_RANK[state] >= STATE_RANK[before.state];
      const louder = before.severity === null || SEVERITY_RANK[alert.severity] > SEVERITY_RANK[before.severity];
      states.set(zone, {
        state: worse ? state : before.state,
        severity: louder ? alert.severity : before.severity,
        p: Math.max(before.p ?? 0, p),
        alerts: [...before.alerts, alert.id],
      });
    }
  }
  return states;
}

export function zoneJson(zone: Zone, states: ReadonlyMap<ZoneId, ZoneState>) {
  return {
    id: zone.id,
    block: zone.block,
    floor: zone.floor,
    kind: zone.kind,
    phones: zone.phones,
    polygon: zone.polygon.map(([x, y]) => [x, y] as [number, number]),
    ...(states.get(zone.id) ?? QUIET),
  };
}

/** The site as the console draws it; the words of the site file. */
export function siteJson(site: Site) {
  return {
    id: site.id,
    name: site.name,
    timezone: site.timezone,
    bands: site.bands.map((b) => ({ id: b.id, lo_hz: b.loHz, hi_hz: b.hiHz, tdd: b.tdd })),
    blocks: site.blocks.map((b) => ({ id: b.id, name: b.name })),
    floors: site.floors.map((f) => ({ id: f.id, level: f.level, z_m: f.zM, height_m: f.heightM })),
    walls: site.walls.map((w) => ({
      floor: w.floor,
      from: [w.from[0], w.from[1]] as [number, number],
      to: [w.to[0], w.to[1]] as [number, number],
      door: w.door === null ? null : { at: w.door.atM, width_m: w.door.widthM },
    })),
    sensors: site.sensors.map((s) => ({
      id: s.id,
      block: s.block,
      floor: s.floor,
      type: s.type,
      position_m: s.positionM === null ? null : ([...s.positionM] as [number, number, number]),
      bands: [...s.bands],
      method: s.method,
      place: s.place,
    })),
  };
}
