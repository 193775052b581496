import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { counted } from "../counted.ts";
import { problemText } from "../document.ts";
import { AppError, EXIT, unreadable } from "../errors.ts";
import type { Site } from "../model.ts";
import { parseSite } from "../site.ts";
import { parseCount } from "./units.ts";

export function addCheck(program: Command): void {
  program
    .command("check")
    .description("Check a site file: every problem at once, each with its path and line.")
    .argument("<site>", "site file, YAML or JSON")
    .option("--json", "the result as JSON on stdout")
    .option("--strict", "warnings count as problems")
    .option(
      "--phones <n>",
      "phones imagined a block for the forecast, 0: no forecast (default: as many as take seconds)",
      parseCount(0),
    )
    .action(check);
}

interface Options {
  readonly json?: boolean;
  readonly strict?: boolean;
  readonly phones?: number;
}

async function check(file: string, options: Options): Promise<void> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw unreadable(file, cause);
  }
  const result = parseSite(text, file);
  const { warnings } = result;
  const problems = [...(result.ok ? [] : result.problems), ...(options.strict ? warnings : [])];
  // A plan with problems is mended first; what it foretells would be another plan's.
  const foretold = result.ok && problems.length === 0 && options.phones !== 0 ? result.site : null;
  const forecast = foretold === null ? null : await foretell(foretold, options.phones ?? null);
  if (options.json) {
    const summary = result.ok ? countsOf(result.site) : null;
    const ok = problems.length === 0;
    process.stdout.write(
      `${JSON.stringify({ ok, file, problems, warnings, summary, forecast: forecast?.json ?? null }, null, 2)}\n`,
    );
    if (!ok) process.exitCode = EXIT.input;
    return;
  }
  if (!options.strict)
    for (const warning of warnings) process.stderr.write(`${file}: warning: ${problemText(warning)}\n`);
  if (problems.length > 0) {
    throw new AppError("SITE_INVALID", `${file}: ${counted(problems.length, "problem")}`, {
      details: problems.map(problemText),
    });
  }
  if (!result.ok) return;
  const parts = Object.entries(countsOf(result.site)).map(([name, n]) => counted(n, name.slice(0, -1), name));
  process.stdout.write(`${file}: ok: site '${result.site.id}' with ${parts.join(", ")}\n`);
  for (const line of forecast?.lines ?? []) process.stdout.write(`${line}\n`);
}

/** Loaded only where it is asked for: it needs the whole pipeline. */
async function foretell(site: Site, phones: number | null) {
  const { forecastJson, forecastLines, forecastOf } = await import("./forecast.ts");
  const forecast = forecastOf(site, phones);
  return { json: forecastJson(forecast), lines: forecastLines(forecast) };
}

function countsOf(site: Site): Record<string, number> {
  const { blocks, floors, zones, walls, sensors, bands } = site;
  return {
    blocks: blocks.length,
    floors: floors.length,
    zones: zones.length,
    walls: walls.length,
    sensors: sensors.length,
    bands: bands.length,
  };
}
