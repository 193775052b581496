import type { Alert, AlertChange, BlockId, Command, CommandResult, PipelineEvent, SensorId } from "../model.ts";
import type { Fault } from "./health.ts";
import { applyCommand, changed, close, expireShelf, open } from "./lifecycle.ts";

/**
 * Alerts of faults that no block's windows show: of the service itself, of clocks, of numbers used twice. One open alert for
 * each key; pure, time is an argument.
 *
 * Such faults are seen on the wall clock, not in the readings, so a restart can't find them again by judging the log anew:
 * the changes themselves are in the log, and `relive` takes them up.
 */

export interface BookedFault extends Fault {
  /** Letters, digits and hyphens; also part of the alert's id. */
  readonly key: string;
  readonly block: BlockId | null;
}

const PREFIX = "fault-";
/** Ids remembered from the log, so that a repeated judgement does not raise again what was raised. */
const MAX_SEEN = 10_000;

/**
 * What is wrong, in one word that does not name the sensor (`silent`, `moved`, `clock`, `service-broker`, ...): the label of
 * `cellward_faults_open`. Null for alerts of phones. Read from the id, whose forms are `raise`'s and the pipeline's.
 */
export function faultName({ id, kind, block }: Pick<Alert, "id" | "kind" | "block">): string | null {
  if (kind === "phone-active" || kind === "phone-found") return null;
  if (id.startsWith(PREFIX)) {
    const key = id.slice(PREFIX.length, id.lastIndexOf("-"));
    return key.startsWith("service-") ? key : key.split("-")[0]!;
  }
  return id.slice((block ?? "").length + 1).split("-")[1] ?? "other";
}

export class FaultBook {
  private readonly site: string;
  private readonly openByKey = new Map<string, Alert>();
  private readonly seen = new Set<string>();
  private readonly events: PipelineEvent[] = [];

  constructor(site: string) {
    this.site = site;
  }

  /** Opens the fault's alert unless it is open. `tMs` makes the id: the same fault at the same time is the same alert. */
  raise(fault: BookedFault, tMs: number): void {
    const id = `${PREFIX}${fault.key}-${Math.floor(tMs).toString(36)}`;
    if (this.openByKey.has(fault.key) || this.seen.has(id)) return;
    const latched = fault.kind === "tamper";
    const alert = open({ ...fault, id, site: this.site, tMs, firstEvidenceMs: tMs, latched });
    this.tell("new", null, alert, tMs);
  }

  /** The condition is over: the alert closes, or, where it latches, stays until somebody closes it. */
  end(key: string, tMs: number): void {
    const alert = this.openByKey.get(key);
    if (!alert?.active) return;
    const after = { ...alert, active: false, last_evidence_at: tMs };
    this.tell("end", alert, alert.latched ? after : close(after, tMs), tMs);
  }

  isOpen(key: string): boolean {
    return this.openByKey.get(key)?.active ?? false;
  }

  /** Two readings came under one number: a second device uses the sensor's name, or somebody injects messages. */
  conflict(block: BlockId, sensor: SensorId, tMs: number): void {
    const text = `Two different readings came from ${sensor} under one number: a second device uses its name, or messages are injected.`;
    this.raise({ key: `conflict-${sensor}`, block, kind: "tamper", sensor, severity: "critical", text }, tMs);
  }

  expireShelves(nowMs: number): void {
    for (const alert of [...this.openByKey.values()]) {
      const after = expireShelf(alert, nowMs);
      if (after !== alert) this.tell("update", alert, after, nowMs);
    }
  }

  has(id: string): boolean {
    return this.openByKey.get(keyOf(id))?.id === id;
  }

  command(command: Command, nowMs: number): CommandResult {
    const alert = this.openByKey.get(keyOf(command.alert));
    if (alert?.id !== command.alert) {
      return { ok: false, code: "alert-unknown", detail: `no open alert ${command.alert}` };
    }
    const result = applyCommand(alert, command, nowMs);
    if (result.ok) {
      this.put(result.alert);
      this.events.push({ type: "alert", tMs: nowMs, change: { type: "update", before: alert, after: result.alert } });
    }
    return result;
  }

  openAlerts(): Alert[] {
    return [...this.openByKey.values()];
  }

  take(): PipelineEvent[] {
    return this.events.splice(0);
  }

  /** Takes up a change that was told before a stop; changes of other alerts are passed over. */
  relive(change: AlertChange): void {
    if (!change.after.id.startsWith(PREFIX)) return;
    if (this.seen.size < MAX_SEEN) this.seen.add(change.after.id);
    this.put(change.after);
  }

  snapshot(): unknown {
    return [...this.openByKey.values()];
  }

  restore(snapshot: unknown): void {
    for (const alert of snapshot as Alert[]) this.put(alert);
  }

  private tell(type: AlertChange["type"], before: Alert | null, after: Alert, tMs: number): void {
    const change = changed(type, before, after);
    this.put(change.after);
    this.events.push({ type: "alert", tMs, change });
  }

  private put(alert: Alert): void {
    if (alert.closed_at === null) this.openByKey.set(keyOf(alert.id), alert);
    else if (this.openByKey.get(keyOf(alert.id))?.id === alert.id) this.openByKey.delete(keyOf(alert.id));
  }
}

function keyOf(id: string): string {
  return id.slice(PREFIX.length, id.lastIndexOf("-"));
}
