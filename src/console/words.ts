/** Alerts and states in the words of the page: order, sentences, ages. Pure, so that tests read them without a browser. */
import type { Alert, LearningWire, SensorStateName, Severity } from "./wire.ts";

const RANK: Readonly<Record<Severity, number>> = { critical: 3, high: 2, medium: 1, low: 0 };

/** The worst first. */
export function severityOrder(severity: Severity): number {
  return -RANK[severity];
}

/** Set aside by a person or a rule: shelved, suppressed, out of service. */
export function isAside(alert: Alert): boolean {
  return alert.shelved_until !== null || alert.suppressed_by !== null || alert.out_of_service;
}

export function isOpen(alert: Alert): boolean {
  return alert.closed_at === null;
}

/** Unacknowledged first, then severity, then the oldest: what waits longest must not slip down. */
export function compareAlerts(a: Alert, b: Alert): number {
  if (a.acked !== b.acked) return a.acked ? 1 : -1;
  if (a.severity !== b.severity) return RANK[b.severity] - RANK[a.severity];
  return a.opened_at - b.opened_at || (a.id < b.id ? -1 : 1);
}

export function worst(a: Severity, b: Severity): Severity {
  return RANK[a] >= RANK[b] ? a : b;
}

const KINDS: Readonly<Record<Alert["kind"], string>> = {
  "phone-active": "Phone in use",
  "phone-found": "Phone found by scanner",
  "sensor-fault": "Sensor fault",
  "service-fault": "Service fault",
  tamper: "Tampering",
};
const ACTIVITIES: Readonly<Record<NonNullable<Alert["activity"]>, string>> = {
  call: "call",
  message: "message",
  data: "data transfer",
  beacon: "sign of life",
  unknown: "transmission",
};

export function kindWords(alert: Alert): string {
  return KINDS[alert.kind];
}

/** What the time of the last evidence is of: a sensor that is silent was not heard then. */
export function lastWords(alert: Alert): string {
  return alert.kind === "phone-active" ? "Last heard" : alert.kind === "phone-found" ? "Scanned" : "So at";
}

export function activityWords(alert: Alert): string {
  return alert.activity === null ? "" : ACTIVITIES[alert.activity];
}

/** Whether a phone is told to be outside: its alert names no cell. */
export function isOutside(alert: Alert): boolean {
  return alert.kind === "phone-active" && alert.cell === null;
}

/** Where it is, in one name: outside, the alert's cell, or for what has neither the sensor, the block or the kind of alert. */
export function placeWords(alert: Alert): string {
  return isOutside(alert) ? "outside" : (alert.cell ?? alert.sensor ?? alert.block ?? kindWords(alert));
}

/** How probable that place is; null where there is nothing to be said of it. */
export function placeP(alert: Alert): number | null {
  return isOutside(alert) ? alert.p_outside : cellP(alert);
}

/** Display state, derived from the independent facts; never stored. */
export function stateWords(alert: Alert): string {
  if (alert.closed_at !== null) return alert.outcome === null ? "closed" : `closed: ${alert.outcome.replace("-", " ")}`;
  if (alert.shelved_until !== null) return "shelved";
  if (alert.suppressed_by !== null) return "suppressed";
  if (alert.out_of_service) return "out of service";
  if (alert.acked) return alert.active ? "acknowledged" : "acknowledged, ended";
  return alert.active ? "new" : "new, ended";
}

/** The severity, and whether it was lowered since the alert was told. */
export function severityWords(alert: Alert): string {
  return alert.evidence?.lowered === undefined ? alert.severity : `${alert.severity}, lowered`;
}

/** The state, and who acknowledged it: of a closed alert it is not known who closed it, or who found something. */
export function stateByWords(alert: Alert): string {
  const state = stateWords(alert);
  const by = alert.acked_by;
  if (by === null) return state;
  return state.startsWith("acknowledged")
    ? state.replace("acknowledged", `acknowledged by ${by}`)
    : `${state} · acknowledged by ${by}`;
}

/** What else must be known before somebody acts on it: a sentence each; none for most alerts. */
export function remarks(alert: Alert, clock: (ms: number) => string): readonly string[] {
  const said: string[] = [];
  const { lowered, set_aside: setAside } = alert.evidence ?? {};
  if (lowered !== undefined) {
    said.push(
      `Lowered at ${clock(lowered.at)}: told as in ${lowered.cell ?? "no cell"} before, now where nobody is held.`,
    );
  }
  if (setAside !== undefined && setAside.length > 0) {
    said.push(`Not counted for the place, as the others contradict: ${setAside.join(", ")}.`);
  }
  if (alert.late_ms !== undefined) {
    said.push(`Readings came late: known ${ageWords(alert.late_ms)} after it was last heard.`);
  }
  return said;
}

/** Loudest first, as many as are listed and ringed on the plan: more would hide the cells. */
const LOUDEST = 8;

export function loudest(alert: Alert): NonNullable<Alert["evidence"]>["sensors"] {
  return [...(alert.evidence?.sensors ?? [])].sort((a, b) => b.excess_db - a.excess_db).slice(0, LOUDEST);
}

/** `lte800-ul` as people say it: LTE 800. */
export function bandWords(band: string): string {
  const match = /^([a-z-]+?)-?(\d+)([a-z]?)(?:-(?:ul|tdd))?$/.exec(band);
  if (match === null) return band;
  return `${match[1]!.toUpperCase().replace("BT-WIFI", "Wi-Fi")} ${match[2]}${match[3]!.toUpperCase()}`;
}

/** Name of a zone without the block and floor that stand beside it anyway. */
export function shortZone(id: string, block: string | null, floor: string | null): string {
  for (const prefix of [`${block}-${floor}-`, `${block}-`]) {
    if (id.startsWith(prefix) && id.length > prefix.length) return id.slice(prefix.length);
  }
  return id;
}

export function percent(p: number): string {
  if (p > 0 && p < 0.01) return "<\u00a01\u00a0%";
  // A probability is never shown as certain because of rounding.
  return `${Math.min(p < 1 ? 99 : 100, Math.round(p * 100))}\u00a0%`;
}

export function confidenceWords(p: number): string {
  if (p >= 0.8) return "very likely";
  if (p >= 0.5) return "likely";
  return "possibly";
}

/** Probability of the alert's own cell; 1 where an alert has no candidates (a scanner knows its place). */
export function cellP(alert: Alert): number | null {
  if (alert.cell === null) return null;
  return alert.candidates.find((c) => c.cell === alert.cell)?.p ?? (alert.candidates.length === 0 ? 1 : null);
}

/** Why it fired, in one sentence. */
export function reason(alert: Alert): string {
  if (alert.kind !== "phone-active") return alert.text === "" ? `${kindWords(alert)}.` : alert.text;
  const heard = [...(alert.evidence?.sensors ?? [])].sort((a, b) => b.excess_db - a.excess_db);
  const strongest = heard[0];
  const what = activityWords(alert) || "transmission";
  const bands = alert.bands.map(bandWords).join(", ");
  const begin = `${what[0]!.toUpperCase()}${what.slice(1)}${bands === "" ? "" : ` on ${bands}`}`;
  if (strongest === undefined) return `${begin}.`;
  const count = new Set(heard.map((s) => s.sensor)).size;
  const by = count === 1 ? "heard by one sensor" : `heard by ${count} sensors`;
  return `${begin}, ${by}, up to ${Math.round(strongest.excess_db)} dB above the noise at ${strongest.sensor}.`;
}

/** `0:42`, `12:05`, `3 h 07 min`, `2 d 4 h`. */
export function ageWords(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, "0");
  if (s < 3600) return `${Math.floor(s / 60)}:${two(s % 60)}`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

export type Freshness = "live" | "late" | "dead";

/** Older than 5 s is late, older than 15 s means the picture can't be trusted. */
export const LATE_MS = 5000;
export const DEAD_MS = 15_000;

export function freshness(ageMs: number): Freshness {
  return ageMs > DEAD_MS ? "dead" : ageMs > LATE_MS ? "late" : "live";
}

/** More than ten new alerts in ten minutes is more than a person can work through. */
export const FLOOD_COUNT = 10;
export const FLOOD_WINDOW_MS = 600_000;

export function recentCount(alerts: readonly Alert[], nowMs: number): number {
  return alerts.filter((a) => a.opened_at > nowMs - FLOOD_WINDOW_MS).length;
}

const SENSOR_STATES: Readonly<Record<SensorStateName, string>> = {
  ok: "watching",
  warming: "warming up",
  fault: "faulty",
  tamper: "tampered with",
  offline: "offline",
  unseen: "never heard",
};

export function sensorStateWords(state: SensorStateName): string {
  return SENSOR_STATES[state];
}

/** "2 offline, 1 faulty"; empty when every sensor watches. */
export function sensorTrouble(states: readonly SensorStateName[]): string {
  const parts = [];
  for (const state of ["tamper", "offline", "fault", "unseen", "warming"] as const) {
    const count = states.filter((s) => s === state).length;
    if (count > 0) parts.push(`${count} ${SENSOR_STATES[state]}`);
  }
  return parts.join(", ");
}

/** Which blocks learn, until when, and how many alerts were only counted. */
export function learningWords(learning: readonly LearningWire[], timeZone: string): string {
  const time = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short", timeZone });
  return learning
    .map(({ block, until, alerts }) => {
      const end = until === null ? "until some time after its first reading" : `until ${time.format(until)}`;
      return `${block} ${end}: ${alerts} ${alerts === 1 ? "alert" : "alerts"} counted, not told.`;
    })
    .join(" ");
}
