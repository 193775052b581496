/**
 * `npm run quality`: runs the gate, writes a report, and ends with exit 99 where quality fell below the baseline.
 *
 *   npm run quality                     the whole library against test/quality/baseline.json
 *   npm run quality -- --slice          two short scenarios, for CI
 *   npm run quality -- --update         accepts the figures: writes the baseline, and the table in the documents
 *   npm run quality -- --only a,b       some scenarios; with --update only their figures are accepted
 *   npm run quality -- --mutant walls   the localiser made blind to walls (or: halved, doubled thresholds), to see the gate fail
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { partLines, reportHtml, reportMarkdown } from "../../simulator/report.ts";
import { scoreJson } from "../../simulator/score.ts";
import { EXIT } from "../../src/errors.ts";
import {
  ALL,
  ALL_TOLD,
  type Baseline,
  BLIND_TO_WALLS,
  baselineOf,
  fullPlan,
  type Part,
  type Plan,
  recordedData,
  regressions,
  runPlan,
  scoreOf,
  slicePlan,
  THRESHOLD_DOUBLED,
  THRESHOLD_HALVED,
} from "./gate.ts";
import { type RecordedResult, recordedLines, recordedRegressions, runRecorded } from "./recorded.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BASELINE = join(ROOT, "test/quality/baseline.json");
const MUTANTS = { halved: THRESHOLD_HALVED, told: ALL_TOLD, doubled: THRESHOLD_DOUBLED, walls: BLIND_TO_WALLS };

interface Stored {
  readonly scenarios: Baseline;
  readonly slice: Baseline;
  readonly recorded: Readonly<Record<string, RecordedResult>>;
}

const { values: flags } = parseArgs({
  options: {
    slice: { type: "boolean", default: false },
    update: { type: "boolean", default: false },
    out: { type: "string", default: join(ROOT, "quality-report") },
    seeds: { type: "string" },
    only: { type: "string" },
    mutant: { type: "string" },
  },
});

function planOf(): Plan {
  const plan = flags.slice ? slicePlan() : fullPlan();
  return {
    ...plan,
    ...(flags.seeds === undefined ? {} : { seeds: flags.seeds.split(",").map(Number) }),
    ...(flags.only === undefined ? {} : { scenarios: flags.only.split(",") }),
  };
}

async function main(): Promise<number> {
  const mutant = flags.mutant === undefined ? undefined : MUTANTS[flags.mutant as keyof typeof MUTANTS];
  if (flags.mutant !== undefined && mutant === undefined) {
    process.stderr.write(`--mutant is ${Object.keys(MUTANTS).join(" or ")}\n`);
    return EXIT.usage;
  }
  const parts = await runPlan(planOf(), {
    ...(mutant === undefined ? {} : { mutant }),
    limit: !flags.slice,
    onPart: (part, seconds) => {
      const { uses } = part.score.detection;
      process.stderr.write(
        `${part.name}: ${uses.hits} of ${uses.n} found, ${part.score.alerts.false} false, ${seconds.toFixed(1)} s\n`,
      );
    },
  });
  const data = flags.slice || mutant || flags.only ? null : recordedData();
  if (data === null && !flags.slice) process.stderr.write("recorded real data: not here, skipped\n");
  const recorded = data === null ? {} : await runRecorded(data);
  const stored: Stored = existsSync(BASELINE)
    ? JSON.parse(readFileSync(BASELINE, "utf8"))
    : { scenarios: {}, slice: {}, recorded: {} };
  const baseline = flags.slice ? stored.slice : stored.scenarios;
  const worse = [
    ...regressions(baseline, parts).filter((r) => flags.only === undefined || r.part !== ALL),
    ...recordedRegressions(stored.recorded, recorded),
  ];
  writeReport(parts, worse.length);
  process.stdout.write(`${[...partLines(withTotal(parts)), "", ...recordedLines(recorded)].join("\n")}\n`);
  if (flags.update) {
    update(stored, parts, recorded);
    return EXIT.ok;
  }
  for (const r of worse) {
    process.stderr.write(
      `worse: ${r.part}: ${r.figure} was ${r.before}, is ${r.after} (allowed: ${r.allowed.toFixed(3)})\n`,
    );
  }
  if (worse.length === 0) process.stderr.write("quality: no figure is worse than the baseline allows\n");
  return worse.length > 0 ? EXIT.threshold : EXIT.ok;
}

function withTotal(parts: readonly Part[]) {
  return [...parts, { name: ALL, score: scoreOf(parts) }];
}

function writeReport(parts: readonly Part[], worse: number): void {
  const rows = parts.flatMap((p) => p.rows);
  const score = scoreOf(parts);
  const title = worse > 0 ? `Quality: ${worse} figures fell` : "Quality";
  const input = { title, rows, score, parts: parts.map((p) => ({ name: p.name, score: p.score })) };
  mkdirSync(flags.out, { recursive: true });
  writeFileSync(join(flags.out, "score.json"), scoreJson(score));
  writeFileSync(join(flags.out, "score.md"), reportMarkdown(input));
  writeFileSync(join(flags.out, "score.html"), reportHtml(input));
  process.stderr.write(`${join(flags.out, "score.html")}\n`);
}

function update(stored: Stored, parts: readonly Part[], recorded: Readonly<Record<string, RecordedResult>>): void {
  const whole = baselineOf(parts);
  // What some scenarios say of all is not what all say.
  const { [ALL]: _total, ...some } = whole;
  const fresh = flags.only === undefined ? whole : { ...(flags.slice ? stored.slice : stored.scenarios), ...some };
  const next: Stored = {
    scenarios: flags.slice ? stored.scenarios : fresh,
    slice: flags.slice ? fresh : stored.slice,
    // Where the data is missing, what was measured elsewhere stays.
    recorded: Object.keys(recorded).length > 0 ? recorded : stored.recorded,
  };
  writeFileSync(BASELINE, `${JSON.stringify(next, null, 2)}\n`);
  if (!flags.slice && flags.only === undefined) updateReadme(parts, next.recorded);
}

const BEGIN = "<!-- quality:begin (npm run quality -- --update) -->";
const END = "<!-- quality:end -->";

/** Replaces the table between the marks; a README without marks stays as it is. */
function updateReadme(parts: readonly Part[], recorded: Readonly<Record<string, RecordedResult>>): void {
  const table = [...partLines(withTotal(parts)), "", ...recordedLines(recorded)].join("\n");
  for (const path of [join(ROOT, "README.md"), join(ROOT, "docs/quality.md")]) {
    if (!existsSync(path)) continue;
    const text = readFileSync(path, "utf8");
    const from = text.indexOf(BEGIN);
    const to = text.indexOf(END);
    if (from < 0 || to < from) continue;
    writeFileSync(path, `${text.slice(0, from + BEGIN.length)}\n${table}\n${text.slice(to)}`);
  }
}

process.exitCode = await main();
