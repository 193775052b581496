/** What searches and alerts came to: the precision that was actually reached, from recorded outcomes. */
import type { Alert, BlockOutcomes, Outcome, Reached, ZoneId } from "../model.ts";

/** A search of a cell with what the list said just before. */
export interface SearchRecord {
  readonly tMs: number;
  readonly cell: ZoneId;
  readonly found: boolean;
  readonly statedP: number;
  /** Place in the list, 1 the first. */
  readonly rank: number;
}

/** Searches kept for the tables; older ones stay in the totals. */
const MOST_SEARCHES = 1000;
/** Edges of stated probability between which the searches are counted together. */
const EDGES = [0, 0.1, 0.3, 0.5, 0.7, 1];
/** "The first of the list" are so many. */
const FIRST = 5;

const NOTHING: Reached = { searched: 0, found: 0, stated: null, share: null, low: null, high: null };

/**
 * The 95 % interval of a share.
 *
 * Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
 * @example wilson(8, 10) // [0.49, 0.943]
 */
export function wilson(found: number, of: number): readonly [low: number, high: number] {
  if (of === 0) return [0, 1];
  const z = 1.959964;
  const p = found / of;
  const middle = p + (z * z) / (2 * of);
  const half = z * Math.sqrt((p * (1 - p)) / of + (z * z) / (4 * of * of));
  const scale = 1 + (z * z) / of;
  return [Math.max(0, (middle - half) / scale), Math.min(1, (middle + half) / scale)];
}

export class Record {
  #searches: SearchRecord[] = [];
  readonly #alerts = new Map<string, number>();

  search(search: SearchRecord): void {
    this.#searches.push(search);
    if (this.#searches.length > MOST_SEARCHES) this.#searches.shift();
  }

  alert(kind: Alert["kind"], outcome: Outcome): void {
    const key = `${kind} ${outcome}`;
    this.#alerts.set(key, (this.#alerts.get(key) ?? 0) + 1);
  }

  report(): Omit<BlockOutcomes, "block" | "methods"> {
    return {
      searches: reached(this.#searches),
      first: reached(this.#searches.filter((s) => s.rank <= FIRST)),
      byStated: EDGES.slice(1).map((to, i) => ({
        from: EDGES[i]!,
        to,
        ...reached(this.#searches.filter((s) => s.statedP >= EDGES[i]! && (s.statedP < to || to === 1))),
      })),
      alerts: [...this.#alerts].sort().map(([key, count]) => {
        const [kind, outcome] = key.split(" ") as [Alert["kind"], Outcome];
        return { kind, outcome, count };
      }),
    };
  }

  snapshot(): unknown {
    return { searches: this.#searches, alerts: [...this.#alerts] };
  }

  restore(snapshot: unknown): void {
    const { searches, alerts } = snapshot as { searches: SearchRecord[]; alerts: [string, number][] };
    this.#searches = [...searches];
    this.#alerts.clear();
    for (const [key, count] of alerts) this.#alerts.set(key, count);
  }
}

function reached(searches: readonly SearchRecord[]): Reached {
  const n = searches.length;
  if (n === 0) return NOTHING;
  const found = searches.filter((s) => s.found).length;
  const [low, high] = wilson(found, n);
  const stated = searches.reduce((sum, s) => sum + s.statedP, 0) / n;
  return { searched: n, found, stated, share: found / n, low, high };
}
