/** What the belief is made of: a log of small facts in order of time, from which it can be computed again at any moment. */
import type { Candidate, ScanMethod, ZoneId } from "../model.ts";

/** A phone was in use: the localiser's posterior over zones. */
export interface Use {
  readonly kind: "use";
  /** The track's. */
  readonly id: string;
  readonly tMs: number;
  /** Alert that it fed; null: it opened none. */
  readonly alert: string | null;
  readonly candidates: readonly Candidate[];
  readonly pOutside: number;
  /** Probability of a place where people are held and phones forbidden. */
  readonly heldP: number;
  /** People found that it was no contraband (staff, false). */
  readonly dismissed: boolean;
}

/** A cell was looked at: with a scanner, or searched by hand. */
export interface Look {
  readonly kind: "look";
  readonly id: string;
  readonly tMs: number;
  readonly cell: ZoneId;
  readonly method: ScanMethod | "search";
  /** The scanner gave an alarm; the search found a phone and took it away. */
  readonly alarm: boolean;
}

/** Somebody passed a portal or a pole on the way to a wing. */
export interface Pass {
  readonly kind: "pass";
  readonly id: string;
  readonly tMs: number;
  /** Any zone of the wing; null: one of the block's, nobody knows which. */
  readonly towards: ZoneId | null;
  readonly method: ScanMethod;
  readonly alarm: boolean;
  /** What the search of the person brought. */
  readonly searched: "found" | "not-found" | null;
}

export type Evidence = Use | Look | Pass;

/** Order of time; the rest only makes the order the same whatever came first. */
export function before(a: Evidence, b: Evidence): number {
  return a.tMs - b.tMs || (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

const HOUR_MS = 3_600_000;
/** Hours of listening that are kept. */
const MOST_HOURS = 24 * 90;

/** For how long the block's sensors listened, by the hour: silence is evidence only while somebody listens. */
export class Listening {
  readonly #ms = new Map<number, number>();
  #firstMs = Number.NaN;

  add(fromMs: number, forMs: number): void {
    if (Number.isNaN(this.#firstMs)) this.#firstMs = fromMs;
    const hour = Math.floor(fromMs / HOUR_MS);
    this.#ms.set(hour, Math.min(HOUR_MS, (this.#ms.get(hour) ?? 0) + forMs));
    if (this.#ms.size > MOST_HOURS) this.#ms.delete(this.#ms.keys().next().value!);
  }

  /** NaN: nobody has listened yet. */
  get firstMs(): number {
    return this.#firstMs;
  }

  /** Milliseconds listened between two times; within an hour it is taken as even. */
  between(fromMs: number, toMs: number): number {
    let sum = 0;
    for (let hour = Math.floor(fromMs / HOUR_MS); hour * HOUR_MS < toMs; hour++) {
      const share = Math.min(toMs, (hour + 1) * HOUR_MS) - Math.max(fromMs, hour * HOUR_MS);
      sum += ((this.#ms.get(hour) ?? 0) * share) / HOUR_MS;
    }
    return sum;
  }

  snapshot(): unknown {
    return { firstMs: this.#firstMs, hours: [...this.#ms] };
  }

  restore(snapshot: unknown): void {
    const { firstMs, hours } = snapshot as { firstMs: number; hours: [number, number][] };
    this.#firstMs = firstMs;
    this.#ms.clear();
    for (const [hour, ms] of hours) this.#ms.set(hour, ms);
  }
}
