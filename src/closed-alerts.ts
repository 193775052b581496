/**
 * The alerts that were closed last: for whoever looks back over the shift, and for a page that is opened anew. The blocks keep open ones
 * only; what happened before is in the store, and is read from there once.
 */
import type { AlertRecord } from "./contracts.ts";
import type { Alert, AlertChange } from "./model.ts";

/** As many as a page keeps. */
const MOST = 200;
/** A shift, and the one before. */
const BACK_MS = 24 * 3600_000;
/** An alert has some ten changes. */
const MOST_RECORDS = 10 * MOST;

export class ClosedAlerts {
  /** In order of closing. */
  private kept = new Map<string, Alert>();

  take({ after }: AlertChange): void {
    if (after.closed_at === null) return;
    this.kept.set(after.id, after);
    for (const id of this.kept.keys()) {
      if (this.kept.size <= MOST) break;
      this.kept.delete(id);
    }
  }

  has(id: string): boolean {
    return this.kept.has(id);
  }

  list(): readonly Alert[] {
    return [...this.kept.values()];
  }

  /** Takes in what was closed before this start. A store that is away says so elsewhere; then the list begins empty. */
  async recall(
    store: { queryAlerts(fromMs: number, toMs: number, limit: number): Promise<readonly AlertRecord[]> },
    nowMs: number,
  ): Promise<void> {
    const records = await store.queryAlerts(nowMs - BACK_MS, nowMs, MOST_RECORDS).catch(() => []);
    const since = [...this.kept.values()];
    this.kept = new Map();
    for (const { change } of records) this.take(change);
    for (const after of since) this.take({ type: "update", before: null, after });
  }
}
