/** What `score` and `replay --truth` share: thresholds, baseline, and the three forms of a score. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { alertNotes, type ReportInput, reportHtml, reportMarkdown, showFigure } from "../../simulator/report.ts";
import {
  type AlertLine,
  compareScores,
  figures,
  lossTable,
  meets,
  parseThreshold,
  type RunRows,
  type Score,
  type SensorLoss,
  scoreJson,
  summarise,
  type Threshold,
} from "../../simulator/score.ts";
import { counted } from "../counted.ts";
import { AppError, unreadable } from "../errors.ts";
import { readJsonLines } from "../trace/index.ts";
import { writeOut } from "./out.ts";

export interface ScoreFlags {
  readonly out?: string;
  readonly json?: boolean;
  readonly threshold?: readonly string[];
  readonly baseline?: string;
}

export function addScoreOptions(command: Command): Command {
  return command
    .option(
      "--threshold <expression>",
      "such as 'recall>=0.95'; may be repeated; exit 99 when one is missed",
      (text: string, before: readonly string[] | undefined) => [...(before ?? []), text],
    )
    .option("--baseline <file>", "an earlier score.json: says what got better or worse");
}

/** The thresholds of the command line. Errors: USAGE with the known names. */
export function thresholdsOf(flags: ScoreFlags): Threshold[] {
  return (flags.threshold ?? []).map((text) => {
    const parsed = parseThreshold(text);
    if (typeof parsed === "string") throw new AppError("USAGE", `--threshold ${parsed}`);
    return parsed;
  });
}

/** Reads an earlier score.json. Errors: FILE_UNREADABLE, TRACE_INVALID. */
export function readScore(path: string): Score {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    const value = JSON.parse(text) as Score;
    if (value.cellward_score !== 1) throw new Error('it has no "cellward_score":1');
    figures(value);
    return value;
  } catch (error) {
    throw new AppError("TRACE_INVALID", `${path}: this is not a score.json (${(error as Error).message})`, {
      cause: error,
    });
  }
}

/** Reads alerts.jsonl. Errors: FILE_UNREADABLE, TRACE_INVALID with the line. */
export function readAlerts(path: string): Promise<AlertLine[]> {
  return readJsonLines(path, (value) => {
    const line = value as Partial<AlertLine> | null;
    if (typeof line !== "object" || line === null || !("type" in line)) {
      throw new Error('is not an alert event {"t":…,"type":…,"before":…,"after":…}');
    }
    if (!Number.isSafeInteger(line.t)) throw new Error('"t" must be integer epoch milliseconds');
    if (line.type !== "new" && line.type !== "update" && line.type !== "end") {
      throw new Error(`"type" must be new, update or end, not ${JSON.stringify(line.type)}`);
    }
    const after = line.after as unknown as Record<string, unknown> | null | undefined;
    if (typeof after !== "object" || after === null) throw new Error('"after" must be an alert');
    for (const field of ["id", "kind"]) {
      if (typeof after[field] !== "string") throw new Error(`after.${field} must be a string`);
    }
    for (const field of ["first_evidence_at", "last_evidence_at"]) {
      if (!Number.isFinite(after[field])) throw new Error(`after.${field} must be a time`);
    }
    for (const field of ["candidates", "bands"]) {
      if (!Array.isArray(after[field])) throw new Error(`after.${field} must be a list`);
    }
    return line as AlertLine;
  });
}

/**
 * Writes score.json, score.md and score.html where `--out` says, prints the score, and ends with exit 99 where a threshold
 * is missed.
 */
export async function publishScore(
  title: string,
  rows: readonly RunRows[],
  flags: ScoreFlags,
  more: { readonly parts?: ReportInput["parts"]; readonly losses?: readonly SensorLoss[] | undefined } = {},
): Promise<void> {
  const thresholds = thresholdsOf(flags);
  const score = summarise(rows);
  const changes = flags.baseline === undefined ? undefined : compareScores(readScore(flags.baseline), score);
  const checked = thresholds.map((t) => ({ text: t.text, ...meets(score, t) }));
  const input: ReportInput = {
    title,
    rows,
    score,
    thresholds: checked,
    ...(changes === undefined ? {} : { changes }),
    ...(more.parts === undefined ? {} : { parts: more.parts }),
    ...(more.losses === undefined ? {} : { losses: more.losses }),
  };
  if (flags.out !== undefined) {
    await writeOut(flags.out, {
      "score.json": scoreJson(score),
      ...(more.losses === undefined ? {} : { "loss.json": `${JSON.stringify(more.losses, null, 1)}\n` }),
      "score.md": reportMarkdown(input),
      "score.html": reportHtml(input),
    });
  }
  if (flags.json) process.stdout.write(scoreJson(score));
  else process.stdout.write(terminalTable(input));
  if (flags.out !== undefined) process.stderr.write(`${join(flags.out, "score.html")}\n`);
  const missed = checked.filter((c) => !c.ok);
  if (missed.length > 0) {
    throw new AppError("THRESHOLD_MISSED", `${missed.length} of ${counted(checked.length, "threshold")} missed`, {
      details: missed.map((m) => `${m.text}: it is ${m.value ?? "without a value"}`),
    });
  }
}

/** The figures in columns for a terminal. */
function terminalTable(input: ReportInput): string {
  const { score } = input;
  const { uses } = score.detection;
  const lines = [
    `${input.title}: ${uses.hits} of ${counted(uses.n, "use")} found, ${counted(score.alerts.false, "false alert")}, ${counted(score.alerts.doubles, "double")} in ${counted(score.span.block_days, "block-day")}`,
  ];
  for (const f of figures(score)) {
    if (f.value === null) continue;
    const interval = f.interval ? `  95 %: ${showFigure(f, f.interval[0])} to ${showFigure(f, f.interval[1])}` : "";
    const change = input.changes?.find((c) => c.name === f.name);
    const moved =
      change && (change.verdict === "better" || change.verdict === "worse")
        ? `  ${change.verdict}, was ${showFigure(f, change.before)}${change.beyond_noise ? " (beyond chance)" : ""}`
        : "";
    lines.push(`  ${f.name.padEnd(20)} ${showFigure(f, f.value).padStart(9)}  ${f.label}${interval}${moved}`);
  }
  lines.push(...alertNotes(score).map((text) => `  ${text}`));
  if (input.losses !== undefined) {
    lines.push("  what each sensor's loss costs:");
    const { head, rows } = lossTable(input.losses);
    const width = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i]!.length)));
    const show = (cells: readonly string[]) => `    ${cells.map((c, i) => c.padStart(width[i]!)).join("  ")}`;
    lines.push(show(head), ...rows.map(show));
  }
  return `${lines.join("\n")}\n`;
}

/** Quotes an argument for a POSIX shell where it needs it. */
export function shellQuote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The command that replays a trace up to a time: from its begin, since detection depends on what it learned before. */
export function replayCommand(files: {
  readonly trace: string;
  readonly site: string;
  readonly calibration?: string;
  readonly truth: string;
}): (untilMs: number) => string {
  const calibration = files.calibration === undefined ? "" : ` --calibration ${shellQuote(files.calibration)}`;
  return (untilMs) =>
    `cellward replay ${shellQuote(files.trace)} --site ${shellQuote(files.site)}${calibration} --truth ${shellQuote(files.truth)} --until ${new Date(Math.ceil(untilMs / 1000) * 1000).toISOString().replace(".000Z", "Z")} --out miss`;
}
