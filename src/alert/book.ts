import type {
  Alert,
  AlertChange,
  BlockId,
  Command,
  CommandResult,
  SensorId,
  Severity,
  SiteId,
  Track,
  ZoneId,
} from "../model.ts";
import { AlarmFlood } from "./flood.ts";
import type { Fault } from "./health.ts";
import { amended, type Known, markedLate, sameUse } from "./late.ts";
import type { Learning } from "./learning.ts";
import {
  applyCommand,
  changed,
  close,
  expireShelf,
  type Opening,
  open,
  withCompanion,
  withTrack,
  worthTelling,
} from "./lifecycle.ts";
import type { Neighbours } from "./neighbours.ts";
import type { Policy } from "./policy.ts";
import { Resting } from "./resting.ts";

/**
 * The alerts of one block: which track opens one, which feeds one that is open, what people and faults make of them. Pure; every time is
 * an argument. Each change is handed out once, in order, with its version counted up.
 */
export interface BookOptions {
  readonly site: SiteId;
  readonly block: BlockId;
  readonly falseAlarmsPerDay: number;
  readonly policy: Policy;
  readonly learning: Learning;
  /** What the site's other blocks hear; undefined: this block is alone. */
  readonly neighbours: Neighbours | undefined;
  /** Sensors that do not count for the place at the moment. */
  readonly setAside: () => readonly SensorId[];
  readonly onChange: (tMs: number, change: AlertChange) => void;
  /** A track begins to feed an alert, or is over; null: it fed none. */
  readonly onUse: (track: Track, alert: string | null) => void;
  /** Somebody closed an alert, with an outcome. */
  readonly onClosed: (alert: Alert, nowMs: number) => void;
}

/** Open alerts are bounded: past this, the oldest that is over goes first, one that somebody has seen before others. */
const MAX_OPEN_ALERTS = 1000;
/** Closed ones that are remembered, against late readings of the same use. */
const MAX_SETTLED = 200;

export class AlertBook {
  private readonly o: BookOptions;
  private readonly alerts = new Map<string, Alert>();
  /** Which alert a track feeds; several tracks may feed one. */
  private readonly alertOfTrack = new Map<string, string>();
  /** Tracks whose alert somebody closed. */
  private readonly resting = new Resting();
  /** Tracks that have not opened an alert, as last seen. */
  private readonly waiting = new Map<string, Track>();
  /** Tracks that another block's emitter explained, and how loud they were then, dB over the floor. */
  private readonly explainedDb = new Map<string, number>();
  private readonly alertOfFault = new Map<string, string>();
  private readonly flood = new AlarmFlood();
  /** Where and when phones were told of whose alerts are closed. */
  private settled: Known[] = [];

  constructor(options: BookOptions) {
    this.o = options;
  }

  has(id: string): boolean {
    return this.alerts.has(id);
  }

  /** Alerts that are not closed, oldest first. */
  list(): Alert[] {
    return [...this.alerts.values()];
  }

  /** A person's action; `nowMs` is when. */
  command(command: Command, nowMs: number): CommandResult {
    const alert = this.alerts.get(command.alert);
    if (!alert)
      return { ok: false, code: "alert-unknown", detail: `no open alert ${command.alert} in block ${this.o.block}` };
    const result = applyCommand(alert, command, nowMs);
    if (!result.ok) return result;
    this.put(result.alert);
    if (command.type === "close") {
      this.o.onClosed(result.alert, nowMs);
      for (const [track, fed] of this.alertOfTrack) {
        if (fed !== alert.id) continue;
        this.alertOfTrack.delete(track);
        this.resting.closed(track, alert.id, command.outcome, nowMs);
      }
    }
    this.o.onChange(nowMs, { type: "update", before: alert, after: result.alert });
    return result;
  }

  /** What a window says of a track; `ended`: it was the last. */
  track(told: Track, ended: boolean, tMs: number): void {
    const track = this.resting.since(told);
    const fed = this.alertOfTrack.get(track.id) ?? this.resting.alertOf(track.id);
    const known = this.alerts.get(fed ?? "");
    if (known) this.feed(known, track, ended, tMs);
    else if (!this.resting.has(track)) this.consider(track, tMs);
    const feeds = this.alertOfTrack.get(track.id) ?? fed;
    if (ended || feeds !== fed) this.use(track, feeds);
    if (!ended) return;
    this.o.learning.ended(track.id);
    this.resting.ended(track.id);
    this.alertOfTrack.delete(track.id);
    this.waiting.delete(track.id);
    this.explainedDb.delete(track.id);
  }

  /** Every track of the window that ends at `endMs` was told: what waited for more may open now, shelves may be over. */
  judged(endMs: number): void {
    // What was not sure enough to open at once opens when its time is up, also when the phone has fallen silent since.
    for (const track of this.waiting.values()) {
      if (!this.opens(track, endMs)) continue;
      this.raise(track, endMs);
      const alert = this.alertOfTrack.get(track.id);
      if (alert !== undefined) this.use(track, alert);
    }
    for (const alert of this.alerts.values()) {
      const expired = expireShelf(alert, endMs);
      if (expired !== alert) this.tell("update", alert, expired, endMs);
    }
  }

  /**
   * A phone that was on while its sensors could not say so: amends the alert that knows of it, or raises one that is over. `tMs` is when
   * it came to be known.
   */
  late(track: Track, tMs: number): void {
    const { policy, learning, neighbours } = this.o;
    if (!policy.opens(track, tMs) || neighbours?.explainsLate(track) || !this.ours(track, tMs)) return;
    const id = `${track.id}-late`;
    for (const alert of this.alerts.values()) {
      if (alert.id !== id && !(alert.kind === "phone-active" && sameUse(track, alert))) continue;
      const after = amended(alert, track, tMs);
      if (after) this.tell("update", alert, after, tMs);
      return;
    }
    if (this.settled.some((known) => sameUse(track, known))) return;
    if (learning.active(track.lastEvidenceMs)) {
      learning.count(track, tMs);
      learning.ended(track.id);
      this.use(track, null);
      return;
    }
    this.tell("new", null, markedLate(this.phone(id, track, tMs, []), track, tMs), tMs);
    this.use(track, id);
    const told = this.alerts.get(id);
    if (told) this.tell("end", told, { ...told, active: false }, tMs);
  }

  /** A scanner's hit: an alert of its own, which latches, as a search must answer it. Under an id that is open it says nothing new. */
  found(
    id: string,
    place: ZoneId | null,
    hit: { sensor: SensorId; severity: Severity; text: string; tMs: number },
  ): void {
    if (this.alerts.has(id)) return;
    const alert = this.opened({ id, kind: "phone-found", ...hit, firstEvidenceMs: hit.tMs, latched: true });
    const candidates = place === null ? [] : [{ cell: place, p: 1 }];
    this.tell("new", null, { ...alert, cell: place, candidates }, hit.tMs);
  }

  fault(fault: Fault, tMs: number): void {
    const id = `${this.o.block}-${tMs.toString(36)}-${fault.key.replace(":", "-")}`;
    this.alertOfFault.set(fault.key, id);
    const latched = fault.kind === "tamper";
    this.tell("new", null, this.opened({ ...fault, id, tMs, firstEvidenceMs: tMs, latched }), tMs);
  }

  faultEnded(key: string, endMs: number): void {
    const alert = this.alerts.get(this.alertOfFault.get(key) ?? "");
    this.alertOfFault.delete(key);
    if (!alert) return;
    const after = { ...alert, active: false, last_evidence_at: endMs };
    this.tell("end", alert, alert.latched ? after : close(after, endMs), endMs);
  }

  /** A flood that is over: what it spoke for stays listed as it was; new alerts are announced again. */
  endFlood(endMs: number): void {
    const alert = this.alerts.get(this.flood.over(endMs) ?? "");
    if (alert) this.tell("end", alert, close({ ...alert, last_evidence_at: endMs }, endMs), endMs);
  }

  /** An open alert goes on with what one of its tracks says. */
  private feed(known: Alert, track: Track, ended: boolean, tMs: number): void {
    const { policy, falseAlarmsPerDay, setAside } = this.o;
    const after =
      known.id === this.resting.idOf(track.id)
        ? this.inItsBlock(
            withTrack(known, track, policy.severity(track, known.severity), falseAlarmsPerDay, setAside()),
          )
        : withCompanion(known, track);
    if (ended) this.alertOfTrack.delete(track.id);
    if (ended && ![...this.alertOfTrack.values()].includes(known.id)) {
      this.tell("end", known, { ...after, active: false }, tMs);
    } else if (worthTelling(known, { ...after, active: true })) {
      this.tell("update", known, { ...after, active: true }, tMs);
    } else {
      this.put({ ...after, active: true });
    }
  }

  /** A track that feeds no alert: it should open one, or waits. */
  private consider(track: Track, tMs: number): void {
    if (this.opens(track, tMs)) this.raise(track, tMs);
    else this.waiting.set(track.id, track);
  }

  /** A track that should open an alert: it opens one, joins one, or is counted only. */
  private raise(track: Track, tMs: number): void {
    this.waiting.delete(track.id);
    if (this.o.learning.active(tMs)) {
      this.o.learning.count(track, tMs);
      return;
    }
    const same = this.o.policy.sameIncident(track, this.alerts.values());
    if (same) {
      this.alertOfTrack.set(track.id, same.id);
      return;
    }
    const alert = this.phone(this.resting.idOf(track.id), track, tMs);
    this.alertOfTrack.set(track.id, alert.id);
    this.tell("new", null, alert, tMs);
    if (!track.active) this.tell("end", alert, { ...alert, active: false }, tMs);
  }

  /**
   * Whether a track should open an alert here: the policy wants it, and no other block's emitter explains it. What was explained
   * once opens only when it is louder than it was then: the last of it, half in the noise, may be heard by one block alone.
   */
  private opens(track: Track, tMs: number): boolean {
    const { neighbours, policy } = this.o;
    if (neighbours !== undefined) {
      const loudestDb = track.sensors.reduce((most, s) => Math.max(most, s.excessDb), Number.NEGATIVE_INFINITY);
      const explainedDb = this.explainedDb.get(track.id) ?? Number.NEGATIVE_INFINITY;
      if (neighbours.explains(track, tMs) !== null) {
        this.explainedDb.set(track.id, Math.max(explainedDb, loudestDb));
        return false;
      }
      if (loudestDb <= explainedDb) return false;
    }
    return policy.opens(track, tMs) && !policy.maybeEcho(track, this.waiting.values()) && this.ours(track, tMs);
  }

  /** Whether a track that may be in another block is this one's to tell. */
  private ours(track: Track, tMs: number): boolean {
    const { neighbours, policy } = this.o;
    return neighbours === undefined || neighbours.isOf(track, policy.shareHere(track), tMs);
  }

  /** A use counts for what is believed of the cells, whether or not it opened an alert; another block's emitter does not. */
  private use(track: Track, alert: string | null): void {
    if (!track.confirmed || (alert === null && this.explainedDb.has(track.id))) return;
    this.o.onUse(track, alert);
  }

  private opened(opening: Omit<Opening, "site" | "block">): Alert {
    return open({ ...opening, site: this.o.site, block: this.o.block });
  }

  /** A new alert of a phone; `setAside` are the sensors that did not count when the track was placed. */
  private phone(id: string, track: Track, tMs: number, setAside = this.o.setAside()): Alert {
    const severity = this.o.policy.severity(track);
    const { firstEvidenceMs } = track;
    const alert = this.opened({ id, kind: "phone-active", severity, text: "", tMs, firstEvidenceMs, latched: true });
    return this.inItsBlock(withTrack(alert, track, severity, this.o.falseAlarmsPerDay, setAside));
  }

  /** Of a phone on the border: under the block of the cell that it names, whoever tells it. */
  private inItsBlock(alert: Alert): Alert {
    return { ...alert, block: this.o.policy.blockOf(alert.cell) ?? this.o.block };
  }

  private tell(type: AlertChange["type"], before: Alert | null, after: Alert, tMs: number): void {
    const change = changed(type, before, type === "new" ? this.admit(after, tMs) : after);
    this.put(change.after);
    this.o.onChange(tMs, change);
  }

  /** An alert that opens, in a flood named under the one that speaks for all. */
  private admit(alert: Alert, tMs: number): Alert {
    const { block } = this.o;
    const floodId = `${block}-${tMs.toString(36)}-flood`;
    const { suppressedBy, begins } = this.flood.admit(alert, tMs, floodId);
    if (begins) {
      const opening = this.opened({
        id: floodId,
        kind: "service-fault",
        severity: "critical",
        text: `A flood of alerts in ${block}: too many in ten minutes to announce each. Those that follow are listed, not announced.`,
        tMs,
        firstEvidenceMs: tMs,
        latched: false,
      });
      const change = changed("new", null, opening);
      this.put(change.after);
      this.o.onChange(tMs, change);
    }
    return suppressedBy === null ? alert : { ...alert, suppressed_by: suppressedBy };
  }

  private put(alert: Alert): void {
    if (alert.closed_at !== null) {
      this.alerts.delete(alert.id);
      if (alert.kind === "phone-active") {
        const { cell, candidates, first_evidence_at, last_evidence_at } = alert;
        this.settled.push({ cell, candidates, first_evidence_at, last_evidence_at });
        if (this.settled.length > MAX_SETTLED) this.settled.shift();
      }
      return;
    }
    this.alerts.set(alert.id, alert);
    if (this.alerts.size <= MAX_OPEN_ALERTS) return;
    const ended = [...this.alerts.values()].filter((a) => !a.active);
    const least = ended.find((a) => a.acked) ?? ended[0];
    if (least) this.alerts.delete(least.id);
  }

  /** Everything needed to go on as if never stopped; survives structured cloning. */
  snapshot(): unknown {
    return {
      alerts: [...this.alerts.values()],
      alertOfTrack: [...this.alertOfTrack],
      resting: this.resting.snapshot(),
      waiting: [...this.waiting.values()],
      explainedDb: [...this.explainedDb],
      alertOfFault: [...this.alertOfFault],
      flood: this.flood.snapshot(),
      settled: this.settled,
    };
  }

  restore(snapshot: unknown): void {
    const data = snapshot as {
      alerts: Alert[];
      alertOfTrack: [string, string][];
      resting: unknown;
      waiting: Track[];
      explainedDb: [string, number][];
      alertOfFault: [string, string][];
      flood: unknown;
      settled: Known[];
    };
    for (const alert of data.alerts) this.alerts.set(alert.id, alert);
    for (const [track, alert] of data.alertOfTrack) this.alertOfTrack.set(track, alert);
    this.resting.restore(data.resting);
    for (const track of data.waiting) this.waiting.set(track.id, track);
    for (const [track, db] of data.explainedDb) this.explainedDb.set(track, db);
    for (const [key, alert] of data.alertOfFault) this.alertOfFault.set(key, alert);
    this.flood.restore(data.flood);
    this.settled = [...data.settled];
  }
}
