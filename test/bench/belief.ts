/**
 * The search list over weeks, beside the exact Bayesian and a count of alerts: share of the first cells that hold a phone, stated
 * probabilities against true shares, and phones found when each searches by its own list.
 * Run: node bin/bench.js belief [worlds] [seed] [layout]
 */
import type { Layout } from "../../simulator/table-a.ts";
import {
  Air,
  ByCount,
  type Evening,
  precisionAt,
  reliability,
  runWeeks,
  type Searcher,
  TRUTH,
  type WeeksOptions,
  WithBelief,
  WithEverything,
} from "../support/weeks.ts";

const [worlds = 30, seed = 1] = process.argv.slice(2, 4).map(Number);
const wanted = process.argv[4];
const days = 28;
const percent = (v: number) => `${(100 * v).toFixed(1)} %`;

function row(air: Air, make: () => Searcher, options: Omit<WeeksOptions, "seed" | "days">): void {
  const evenings: Evening[] = [];
  let [found, searched] = [0, 0];
  let name = "";
  let claims = false;
  for (let w = 0; w < worlds; w++) {
    const who = make();
    ({ name, claims } = who);
    const run = runWeeks(air, who, { ...options, seed: seed * 1000 + w, days });
    evenings.push(...run.evenings.slice(7));
    found += run.found;
    searched += run.searched;
  }
  const at = [1, 2, 3].map((k) => percent(precisionAt(evenings, k)));
  const brier = claims ? reliability(evenings).brier.toFixed(4) : "-";
  process.stdout.write(
    `| ${name} | ${at.join(" | ")} | ${brier} | ${found} of ${searched} (${percent(found / searched)}) |\n`,
  );
  if (name === "belief" && options.searches === "random") bins.push(...reliability(evenings).bins);
}

const bins: { n: number; stated: number; true: number }[] = [];
for (const layout of ["stag/2", "door"] as const satisfies readonly Layout[]) {
  if (wanted !== undefined && wanted !== layout) continue;
  const air = new Air(layout);
  for (const steady of [0, 0.5]) {
    for (const searches of ["random", "first"] as const) {
      const what =
        searches === "random" ? "a cell a day searched at random" : "each searches the first of its list daily";
      process.stdout.write(
        `\n${layout}, ${100 * steady} % of shadowing steady; ${what}; ${worlds} worlds of ${days} days, seed ${seed}\n`,
      );
      process.stdout.write(
        "| list | first cell | first two | first three | Brier | found in searches |\n|---|---|---|---|---|---|\n",
      );
      const options = { steady, searches };
      row(air, () => new ByCount(), options);
      row(air, () => new WithBelief("belief", {}), options);
      row(air, () => new WithEverything(), options);
      if (layout === "stag/2" && searches === "random") {
        row(air, () => new WithBelief("belief, no scanners", {}, "scanners"), options);
        for (const [name, own] of [
          ["half-life x 3", { halfLifeDays: 3 * TRUTH.halfLifeDays }],
          ["half-life / 3", { halfLifeDays: TRUTH.halfLifeDays / 3 }],
          ["uses a day x 3", { usesPerDay: 3 * TRUTH.usesPerDay }],
          ["uses a day / 3", { usesPerDay: TRUTH.usesPerDay / 3 }],
          ["prevalence / 3", { prevalence: TRUTH.prevalence / 3 }],
          ["used elsewhere 0", { usedElsewhere: 0 }],
          ["repeats 0", { repeatShare: 0 }],
          ["repeats 0.5", { repeatShare: 0.5 }],
        ] as const) {
          row(air, () => new WithBelief(`belief told ${name}`, own), options);
        }
      }
      if (bins.length > 0) {
        const told = bins.splice(0).filter((b) => b.n >= 30);
        process.stdout.write(
          `stated / true: ${told.map((b) => `${percent(b.stated / b.n)} / ${percent(b.true / b.n)} (${b.n})`).join(", ")}\n`,
        );
      }
    }
  }
}
