/**
 * What alerts state of their place against where the phone was, counted by tenths of what is stated; and plans that are wrong on purpose.
 */
import type { UseRow } from "../../simulator/scoring/rows.ts";
import { share } from "../../simulator/scoring/stats.ts";
import { lossAt, slabLossAt } from "../../src/fuse/propagation.ts";
import type { Site } from "../../src/model.ts";

/** The state in which an alert was told first, or its last one. */
export type State = "first" | "last";

/** Less than this a truth was never given: a place that is not listed. */
const LEAST_P = 1e-6;

/** Counts of cells by tenths of what was stated of them, of the likeliest cells, and how probable the true ones were said to be. */
export class Stated {
  readonly #tenths = Array.from({ length: 10 }, () => ({ n: 0, stated: 0, right: 0 }));
  #uses = 0;
  #told = 0;
  #top = 0;
  #right = 0;
  #nats = 0;

  /** Adds the uses of a run; those that nobody was told of only count as such. */
  add(uses: readonly UseRow[], state: State): void {
    for (const use of uses) {
      this.#uses++;
      const where = state === "last" ? use.in_the_end : use.at_alert;
      if (where === null) continue;
      this.#told++;
      this.#top += where.p_cell;
      this.#nats -= Math.log(Math.max(where.p_truth, LEAST_P));
      if (where.rank === 1) this.#right++;
      where.candidates.forEach(({ p }, i) => {
        const tenth = this.#tenths[Math.min(9, Math.floor(10 * p))]!;
        tenth.n++;
        tenth.stated += p;
        if (where.rank === i + 1) tenth.right++;
      });
    }
  }

  /** Columns: uses, told, likeliest cell stated / right, nats of the truth, and stated / right by tenths (Wilson; cells). */
  columns(): string[] {
    const told = this.#told;
    const tenths = this.#tenths.map(({ n, stated, right }) => {
      const { lo, hi } = share(right, n);
      return n === 0 ? "-" : `${percent(stated / n)}/${percent(right / n)} (${percent(lo!)}-${percent(hi!)}; ${n})`;
    });
    const { lo, hi } = share(this.#right, told);
    const top =
      told === 0
        ? "-"
        : `${percent(this.#top / told)}/${percent(this.#right / told)} (${percent(lo!)}-${percent(hi!)})`;
    return [`${this.#uses}`, `${told}`, top, told === 0 ? "-" : (this.#nats / told).toFixed(2), ...tenths];
  }
}

export const STATED_COLUMNS: readonly string[] = [
  "uses",
  "told",
  "likeliest",
  "nats",
  ...Array.from({ length: 10 }, (_, k) => `${10 * k}-${10 * k + 10}`),
];

const percent = (x: number): string => (100 * x).toFixed(0);

/** Losses of walls and slabs by a factor; materials as what they lose in each band, slabs in the first. */
function losses(site: Site, factor: number): Site {
  return {
    ...site,
    walls: site.walls.map((w) => ({
      ...w,
      lossDb: Object.fromEntries(site.bands.map((b) => [b.id, factor * lossAt(w.lossDb, w.material, b)])),
    })),
    floors: site.floors.map((f) => ({ ...f, slabLossDb: factor * slabLossAt(f, site.bands[0]!) })),
  };
}

const shut = (site: Site): Site => ({ ...site, walls: site.walls.map((w) => ({ ...w, door: null })) });

/** What the service is told of a house: its plan, or one that is wrong. */
export const WRONG: Readonly<Record<string, (site: Site) => Site>> = {
  right: (site) => site,
  half: (site) => losses(site, 0.5),
  more: (site) => losses(site, 1.5),
  shut,
  both: (site) => shut(losses(site, 0.5)),
  none: (site) => ({ ...site, walls: [] }),
};
