import { existsSync } from "node:fs";
import { basename, resolve } from "node:path";
import type { Command } from "commander";
import { matchRun } from "../../simulator/score.ts";
import { loadSite } from "../site.ts";
import { openTrace, readTruth } from "../trace/index.ts";
import { outFolder } from "./out.ts";
import { addScoreOptions, publishScore, readAlerts, replayCommand, type ScoreFlags, thresholdsOf } from "./scoring.ts";

interface Flags extends ScoreFlags {
  readonly alerts: string;
  readonly truth: string;
  readonly site?: string;
  readonly trace?: string;
}

export function addScore(program: Command): void {
  addScoreOptions(
    program
      .command("score")
      .description("Compares alerts with the truth: what was found, what was false, where, how sure, how soon.")
      .requiredOption("--alerts <file>", "alerts.jsonl of a replay")
      .requiredOption("--truth <file>", "NAME.truth.jsonl")
      .option("--site <file>", "site file: for adjacent cells, walking emitters, maps and the number of blocks")
      .option("--trace <file>", "the trace, for the observed span and the commands that replay misses")
      .option("--out <dir>", "folder for score.json, score.md and score.html")
      .option("--json", "score.json on stdout"),
  )
    .addHelpText(
      "after",
      "\nExample:\n  cellward score --alerts out/alerts.jsonl --truth day.truth.jsonl --site site.yaml --threshold 'recall>=0.95'",
    )
    .action(score);
}

async function score(flags: Flags): Promise<void> {
  thresholdsOf(flags); // a mistyped threshold shows before the work
  if (flags.out !== undefined) await outFolder(flags.out);
  const site = flags.site === undefined ? null : loadSite(flags.site);
  const truth = await readTruth(flags.truth);
  const alerts = await readAlerts(flags.alerts);
  const trace = flags.trace ?? traceBeside(flags);
  const rows = matchRun({
    alerts,
    truth,
    site,
    ...(trace === null ? {} : { fromMs: (await openTrace(trace)).header.start }),
    ...(trace === null || flags.site === undefined
      ? {}
      : { command: replayCommand({ trace, site: flags.site, truth: flags.truth }) }),
  });
  await publishScore(basename(flags.truth).replace(/\.truth\.jsonl$/, ""), [rows], flags);
}

/** The trace that lies beside a truth file under the same name, or null; alerts may have been given that name. */
function traceBeside({ truth, alerts }: Flags): string | null {
  const stem = truth.replace(/\.truth\.jsonl$/, "");
  if (stem === truth) return null;
  const names = [`${stem}.jsonl`, `${stem}.jsonl.gz`, `${stem}.jsonl.zst`];
  return names.find((path) => existsSync(path) && resolve(path) !== resolve(alerts)) ?? null;
}
