/**
 * What `alert_state` shows: per zone and kind the highest level among its open alerts. Pure.
 *
 * Dashboards and alert rules read the last value of a series, so a series that had an alert gets an explicit 0 when the last
 * one is closed or moves to another zone. That a phone has fallen silent does not close its alert.
 */
import type { Alert, AlertChange } from "../model.ts";
import { alertTags, type Lines } from "./lines.ts";
import { MEASUREMENT, SEVERITY_LEVEL } from "./schema.ts";

interface Shown {
  readonly tags: string;
  readonly alert: Alert;
}

export class AlertStates {
  private readonly site: string;
  private readonly open = new Map<string, Shown>();
  /** Series that must still be told they are over. */
  private readonly over = new Set<string>();

  constructor(site: string) {
    this.site = site;
  }

  /** Takes a change in; writes the series it touches. */
  change(out: Lines, tMs: number, change: AlertChange): void {
    const { after } = change;
    const before = this.open.get(after.id)?.tags;
    const tags = alertTags(this.site, after.block, after.cell, after.kind);
    if (after.closed_at === null) this.open.set(after.id, { tags, alert: after });
    else this.open.delete(after.id);
    for (const series of new Set([before ?? tags, tags])) this.line(out, series, tMs);
  }

  /** The whole truth, repeated: alerts that are no longer in `open` are over. */
  repeat(out: Lines, tMs: number, open: readonly Alert[]): void {
    for (const shown of this.open.values()) this.over.add(shown.tags);
    this.open.clear();
    for (const alert of open) {
      const tags = alertTags(this.site, alert.block, alert.cell, alert.kind);
      this.open.set(alert.id, { tags, alert });
      this.over.add(tags);
    }
    for (const series of this.over) this.line(out, series, tMs);
    this.over.clear();
  }

  private line(out: Lines, tags: string, tMs: number): void {
    if (!Number.isSafeInteger(tMs)) return;
    let level = 0;
    let open = 0;
    let acked = 1;
    let score = 0;
    let from = "";
    for (const { tags: series, alert } of this.open.values()) {
      if (series !== tags) continue;
      open++;
      if (!alert.acked) acked = 0;
      score = Math.max(score, alert.evidence?.llr ?? 0);
      const aside = alert.suppressed_by !== null || alert.out_of_service || (alert.shelved_until ?? 0) > tMs;
      // Over and seen: it waits for its outcome only.
      const hidden = aside || (alert.acked && !alert.active);
      const own = hidden ? 0 : SEVERITY_LEVEL[alert.severity];
      if (own >= level) {
        level = own;
        from = alert.id;
      }
    }
    const fields =
      `level=${level}i,open=${open}i,acked=${acked}i,score=${Math.round(score * 100) / 100},` +
      `alert="${from.replaceAll(/["\\\r\n]/g, "")}"`;
    out.lines.push(`${MEASUREMENT.alertState},${tags} ${fields} ${tMs}000000`);
  }
}
