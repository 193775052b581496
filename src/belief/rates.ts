/** Hit and false-alarm rates of the scanning methods: published figures, and what outcomes recorded here make of them. */
import type { ScanMethod } from "../model.ts";
import type { BeliefSettings } from "./settings.ts";

/** Expected counts: trials where there was a phone and where there was none, and the alarms among them. */
export interface Counts {
  present: number;
  presentAlarms: number;
  absent: number;
  absentAlarms: number;
}

export type AllCounts = Partial<Record<ScanMethod, Counts>>;

export interface Likelihood {
  readonly ifPresent: number;
  readonly ifAbsent: number;
}

/**
 * Beta posteriors of both rates. A result whose truth nobody found out counts by the probability that there was a phone: were
 * only searched results counted, and only alarms are searched, every rate would go to one.
 */
export class MethodBook {
  readonly #settings: BeliefSettings;
  readonly #counts: AllCounts;

  constructor(settings: BeliefSettings, counts: AllCounts) {
    this.#settings = settings;
    this.#counts = Object.fromEntries(Object.entries(counts).map(([m, c]) => [m, { ...c }]));
  }

  /** Means of the two beta posteriors. */
  hit(method: ScanMethod): number {
    const { hit, trials } = this.#settings.methods[method];
    const c = this.#counts[method];
    return c === undefined ? hit : (hit * trials + c.presentAlarms) / (trials + c.present);
  }

  falseAlarm(method: ScanMethod): number {
    const { falseAlarm, trials } = this.#settings.methods[method];
    const c = this.#counts[method];
    return c === undefined ? falseAlarm : (falseAlarm * trials + c.absentAlarms) / (trials + c.absent);
  }

  /** Probabilities of a result with and without a phone; a search by hand never finds what is not there. */
  likelihood(method: ScanMethod | "search", alarm: boolean): Likelihood {
    if (method === "search") {
      const { searchHit } = this.#settings;
      return alarm ? { ifPresent: searchHit, ifAbsent: 0 } : { ifPresent: 1 - searchHit, ifAbsent: 1 };
    }
    const [hit, falseAlarm] = [this.hit(method), this.falseAlarm(method)];
    return alarm ? { ifPresent: hit, ifAbsent: falseAlarm } : { ifPresent: 1 - hit, ifAbsent: 1 - falseAlarm };
  }

  /** One more result; `present` is the probability that there was a phone, all things considered. */
  learn(method: ScanMethod, alarm: boolean, present: number): void {
    const c = this.#counts[method] ?? { present: 0, presentAlarms: 0, absent: 0, absentAlarms: 0 };
    c.present += present;
    c.absent += 1 - present;
    if (alarm) {
      c.presentAlarms += present;
      c.absentAlarms += 1 - present;
    }
    this.#counts[method] = c;
  }

  get counts(): AllCounts {
    return this.#counts;
  }
}

/** Posterior probability from a prior and a likelihood. */
export function bayes(p: number, { ifPresent, ifAbsent }: Likelihood): number {
  const yes = p * ifPresent;
  const no = (1 - p) * ifAbsent;
  return yes + no > 0 ? yes / (yes + no) : p;
}
