import type {
  Alert,
  AlertChange,
  Candidate,
  Command,
  CommandResult,
  Fix,
  Outcome,
  SensorId,
  Severity,
  Track,
} from "../model.ts";

/**
 * The life of one alert, as a pure reducer over independent facts (ISA-18.2 / OPC UA Part 9: activity, acknowledgement,
 * latching, shelving, suppression and service state are separate, and the display state is derived, never stored). A latched alert
 * stays open, ended and acknowledged in either order, until somebody closes it with what came of it.
 *
 * Nothing here reads a clock: every function takes the time of the fact.
 */

/** Longest time that a shelf may last: one shift (ISA-18.2 practice). */
export const MAX_SHELF_MS = 8 * 3600_000;

/** What opens an alert: identity and classification; everything else starts at its neutral value. */
export interface Opening {
  readonly id: string;
  readonly site: string;
  readonly block: string | null;
  readonly kind: Alert["kind"];
  readonly sensor?: SensorId | undefined;
  readonly severity: Severity;
  readonly text: string;
  readonly tMs: number;
  readonly firstEvidenceMs: number;
  /** Alerts of phones and of tampering latch: they stay until somebody closes them. Other faults go when the fault goes. */
  readonly latched: boolean;
}

export function open(opening: Opening): Alert {
  return {
    id: opening.id,
    version: 1,
    site: opening.site,
    block: opening.block,
    kind: opening.kind,
    ...(opening.sensor !== undefined && { sensor: opening.sensor }),
    severity: opening.severity,
    cell: null,
    candidates: [],
    p_outside: null,
    p_allowed: null,
    position: null,
    bands: [],
    activity: null,
    active: true,
    acked: false,
    acked_by: null,
    latched: opening.latched,
    shelved_until: null,
    suppressed_by: null,
    out_of_service: false,
    opened_at: opening.tMs,
    first_evidence_at: opening.firstEvidenceMs,
    last_evidence_at: opening.firstEvidenceMs,
    closed_at: null,
    outcome: null,
    text: opening.text,
    evidence: null,
  };
}

/** Rounds for people and for stable bytes; the track keeps full precision. */
const round = (value: number, digits: number) => Number(value.toFixed(digits));

/** The alert with what a track says now, `setAside` being the sensors that did not count. Does not touch what people did. */
export function withTrack(
  alert: Alert,
  track: Track,
  severity: Severity,
  falseAlarmsPerDay: number,
  setAside: readonly SensorId[] = [],
): Alert {
  const fix = track.fix;
  const lowered =
    severity === "low" ? (alert.evidence?.lowered ?? { at: track.lastEvidenceMs, cell: alert.cell }) : null;
  const likeliest = named(alert.cell, fix);
  // What is left of the place told before sends nobody to its door any more, nor does a phone that is used there next join this alert.
  const cell = lowered !== null && fix.pOutside > (likeliest?.p ?? 0) ? null : (likeliest?.cell ?? null);
  return {
    ...alert,
    severity,
    cell,
    candidates: fix.candidates.map((c) => ({ cell: c.cell, p: round(c.p, 4) })),
    p_outside: round(fix.pOutside, 4),
    p_allowed: round(fix.pAllowed, 4),
    position: positionOf(fix),
    bands: track.bands,
    activity: track.activity,
    active: track.active,
    first_evidence_at: Math.min(alert.first_evidence_at, track.firstEvidenceMs),
    last_evidence_at: Math.max(alert.last_evidence_at, track.lastEvidenceMs),
    text: describe(track, cell, setAside, lowered),
    evidence: {
      sensors: track.sensors.map((s) => ({
        sensor: s.sensor,
        band: s.band,
        excess_db: round(s.excessDb, 1),
        floor_dbm: round(s.floorDbm, 1),
      })),
      llr: round(track.llr, 1),
      threshold: round(track.threshold, 1),
      false_alarms_per_day: falseAlarmsPerDay,
      ...(setAside.length > 0 && { set_aside: setAside }),
      ...(lowered !== null && { lowered }),
    },
  };
}

/** The alert with what another track of the same cell adds: evidence goes on and bands are seen; the place stays. */
export function withCompanion(alert: Alert, track: Track): Alert {
  return {
    ...alert,
    bands: [...new Set([...alert.bands, ...track.bands])],
    active: track.active,
    last_evidence_at: Math.max(alert.last_evidence_at, track.lastEvidenceMs),
  };
}

/** Odds at which another cell takes over the alert's name. */
const RENAME_ODDS = 2;

/**
 * The cell that an alert names: the likeliest, but the one it named before for as long as no other is clearly likelier, so that two
 * equal neighbours do not send an officer to and fro. `candidates` always say which is likeliest now.
 */
function named(before: string | null, fix: Fix): Candidate | undefined {
  const top = fix.candidates[0];
  const was = fix.candidates.find((c) => c.cell === before);
  return was && top && top.p < RENAME_ODDS * was.p ? was : top;
}

function positionOf(fix: Fix): Alert["position"] {
  const p = fix.position;
  return {
    x_m: round(p.xM, 2),
    y_m: round(p.yM, 2),
    floor: p.floor,
    cov_m2: [round(p.covM2[0], 2), round(p.covM2[1], 2), round(p.covM2[2], 2)],
  };
}

/** Another place that is less likely is not worth a word: it would read 0 %. */
const LEAST_TOLD_P = 0.005;

/** One sentence: where, how sure, and why. */
function describe(
  track: Track,
  cell: string | null,
  setAside: readonly SensorId[],
  lowered: { readonly cell: string | null } | null,
): string {
  const strongest = track.sensors[0];
  const percent = (p: number) => `${Math.round(p * 100)} %`;
  const outside = { cell: null, p: track.fix.pOutside };
  const places = [...track.fix.candidates, outside].sort((a, b) => b.p - a.p);
  const { p } = places.find((c) => c.cell === cell) ?? outside;
  const where = `${cell === null ? "outside" : `in ${cell}`} (${percent(p)})`;
  const rest = places
    .filter((c) => c.cell !== cell && c.p >= LEAST_TOLD_P)
    .slice(0, 2)
    .map((c) => `${c.cell ?? "outside"} ${percent(c.p)}`)
    .join(", ");
  const why = strongest
    ? `${track.sensors.length} ${track.sensors.length === 1 ? "sensor hears" : "sensors hear"} it, ` +
      `${strongest.sensor} loudest, ${Math.round(strongest.excessDb)} dB over its floor`
    : "no sensor above its floor";
  const without = setAside.length > 0 ? ` Set aside, as others contradict: ${setAside.join(", ")}.` : "";
  const before =
    lowered === null ? "" : ` Lowered: told as in ${lowered.cell ?? "no cell"} before, now where nobody is held.`;
  return `Phone in use ${where}${rest ? `, else ${rest}` : ""}: ${why} in ${track.bands.join(", ")}.${without}${before}`;
}

/** Whether a change is worth telling: the facts an officer acts on, not every wobble of a probability. */
export function worthTelling(before: Alert, after: Alert): boolean {
  if (
    before.cell !== after.cell ||
    before.active !== after.active ||
    before.severity !== after.severity ||
    before.activity !== after.activity ||
    before.acked !== after.acked ||
    before.shelved_until !== after.shelved_until ||
    before.closed_at !== after.closed_at ||
    before.suppressed_by !== after.suppressed_by ||
    before.bands.length !== after.bands.length
  ) {
    return true;
  }
  const p = (a: Alert) => a.candidates[0]?.p ?? 0;
  return Math.abs(p(before) - p(after)) >= 0.1 || Math.abs((before.p_outside ?? 0) - (after.p_outside ?? 0)) >= 0.1;
}

/** The change with its version counted up. */
export function changed(type: AlertChange["type"], before: Alert | null, after: Alert): AlertChange {
  return { type, before, after: before === null ? after : { ...after, version: before.version + 1 } };
}

/** Closes at `tMs`; the outcome stays what somebody recorded, or null. */
export function close(alert: Alert, tMs: number, outcome: Outcome | null = alert.outcome): Alert {
  return { ...alert, active: false, latched: false, closed_at: tMs, outcome };
}

/**
 * What a person's command makes of an alert. The version is an optimistic lock: a command counts only for what the person
 * saw, so that an acknowledgement never covers what came after the press.
 */
export function applyCommand(alert: Alert, command: Command, nowMs: number): CommandResult {
  if (alert.closed_at !== null) return refuse("alert-closed", `alert ${alert.id} was closed`);
  if (command.version !== alert.version) {
    return refuse(
      "version-stale",
      `alert ${alert.id} is at version ${alert.version}, the command was for ${command.version}`,
    );
  }
  let after: Alert;
  switch (command.type) {
    case "ack":
      // Seen is not answered: whoever goes to look must still be able to say what came of it.
      after = { ...alert, acked: true, acked_by: command.by };
      break;
    case "shelve":
      if (!(command.untilMs > nowMs)) return refuse("command-invalid", "a shelf must end in the future");
      if (command.untilMs - nowMs > MAX_SHELF_MS)
        return refuse("command-invalid", "a shelf may last 8 hours at the most");
      if (command.reason.trim() === "") return refuse("command-invalid", "a shelf needs a reason");
      after = { ...alert, shelved_until: command.untilMs };
      break;
    case "unshelve":
      after = { ...alert, shelved_until: null };
      break;
    case "close":
      after = close({ ...alert, acked: true, acked_by: alert.acked_by ?? command.by }, nowMs, command.outcome);
      break;
  }
  return { ok: true, alert: { ...after, version: alert.version + 1 } };
}

function refuse(code: "version-stale" | "alert-closed" | "command-invalid", detail: string): CommandResult {
  return { ok: false, code, detail };
}

/** A shelf whose time has passed falls off; the alert annunciates again if it is still active. */
export function expireShelf(alert: Alert, nowMs: number): Alert {
  return alert.shelved_until !== null && alert.shelved_until <= nowMs ? { ...alert, shelved_until: null } : alert;
}
