/** What the lasting belief assumes of a house before anything was seen in it; every number is a setting of the site file. */
import type { BeliefFile, ScanMethod } from "../model.ts";

/** What a method finds and what it takes for a find, and how many trials that knowledge is worth. */
export interface MethodRates {
  /** Probability of an alarm where there is a phone, and where there is none. */
  readonly hit: number;
  readonly falseAlarm: number;
  /** Weight of these figures against outcomes recorded here, in trials. */
  readonly trials: number;
}

export interface BeliefSettings {
  /** Time in which half of what is known of a cell is out of date, days. */
  readonly halfLifeDays: number;
  /** Share of cells in which a phone is kept, before anything is known. */
  readonly prevalence: number;
  /** Uses of a kept phone that the sensors hear, per day. */
  readonly usesPerDay: number;
  /** Uses placed in cells of the block per day that come from no phone kept there: carried in for the day, false alarms. */
  readonly strayPerDay: number;
  /** Share of uses in another place of the wing than where the phone is kept, and the part of them in common places. */
  readonly usedElsewhere: number;
  readonly inCommon: number;
  /** Share of a place's localisation error that is the same at every use: shadowing that does not change. */
  readonly repeatShare: number;
  /** Probability that a search by hand finds the phone that is there. */
  readonly searchHit: number;
  /** Share of passes through a portal that carry a phone. */
  readonly carryShare: number;
  readonly methods: Readonly<Record<ScanMethod, MethodRates>>;
}

/**
 * Half-life: a choice of a week, which with the prevalence means that a phone stays 11 days in one cell; no source has a figure.
 * Prevalence: France seizes one phone a detainee a year (80,000 of 79,000, domain 6) at 1.35 detainees a place; if a phone lives
 * a month, 1.35 / 365 * 30 = 0.11 a cell. Uses: about 1,600 calls and texts a day in one prison (domain 6); among 500 phones
 * three each, of which several make one track. Repeats: of 0, 0.1, 0.25 and 0.5 the least squared error
 * (docs/belief.md), whether half or all of the shadowing is steady. Searches by hand: no
 * source has a figure. Carry share: a phone a detainee a year, half of them by visits, about one visit a week.
 *
 * Methods: nljd 94 % and 28 %, NIJ test at a prison (NCJ 249104), whose number of trials is not public: 20. mmwave false alarms
 * 54 %, German trial (domain 5), hit rate assumed. X-ray, pole and metal have no published figure: assumed, and worth few trials.
 */
export const BELIEF_DEFAULTS: BeliefSettings = {
  halfLifeDays: 7,
  prevalence: 0.1,
  usesPerDay: 1,
  strayPerDay: 0.5,
  usedElsewhere: 0.3,
  inCommon: 0.2,
  repeatShare: 0.1,
  searchHit: 0.8,
  carryShare: 0.01,
  methods: {
    nljd: { hit: 0.94, falseAlarm: 0.28, trials: 20 },
    ferromagnetic: { hit: 0.9, falseAlarm: 0.2, trials: 5 },
    mmwave: { hit: 0.9, falseAlarm: 0.54, trials: 20 },
    xray: { hit: 0.97, falseAlarm: 0.05, trials: 5 },
    metal: { hit: 0.5, falseAlarm: 0.15, trials: 5 },
  },
};

/** The defaults with what the site file says otherwise. */
export function beliefSettings(file: BeliefFile | undefined): BeliefSettings {
  if (file === undefined) return BELIEF_DEFAULTS;
  const { methods, ...rest } = file;
  const merged = { ...BELIEF_DEFAULTS.methods };
  for (const [name, own] of Object.entries(methods ?? {})) {
    merged[name as ScanMethod] = { ...merged[name as ScanMethod], ...own };
  }
  return { ...BELIEF_DEFAULTS, ...rest, methods: merged };
}
