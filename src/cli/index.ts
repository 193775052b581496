/**
 * The command line: one file a verb, argument parsing only. Exit codes and streams are those of contracts section 6:
 * data on stdout, messages on stderr.
 */
import { Command, CommanderError } from "commander";
import { AppError, EXIT } from "../errors.ts";
import { addCalibrate } from "./calibrate.ts";
import { addCheck } from "./check.ts";
import { addConfig } from "./config.ts";
import { addDemo } from "./demo.ts";
import { addDetect } from "./detect.ts";
import { addDoctor } from "./doctor.ts";
import { addLocate } from "./locate.ts";
import { addRecord } from "./record.ts";
import { addReplay } from "./replay.ts";
import { addRun } from "./run.ts";
import { addScore } from "./score.ts";
import { addSimulate } from "./simulate.ts";
import { packageVersion } from "./version.ts";
import { addWatchdog } from "./watchdog.ts";

export function buildProgram(): Command {
  const program = new Command("cellward");
  program
    .description(
      "Finds contraband phones by their radio energy: detection, localisation and alerts from fixed sensors.",
    )
    .version(packageVersion())
    .showSuggestionAfterError(true)
    .showHelpAfterError("Run with --help for the usage.")
    .exitOverride();
  for (const add of [
    addDemo,
    addRun,
    addWatchdog,
    addDoctor,
    addCheck,
    addConfig,
    addSimulate,
    addRecord,
    addReplay,
    addScore,
    addCalibrate,
    addLocate,
    addDetect,
  ]) {
    add(program);
  }
  return program;
}

/** Runs one command line and sets the process's exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  // A reader such as `head` may close our stdout early: that ends the output, it is not an error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT.ok);
    throw error;
  });
  try {
    const program = buildProgram();
    if (argv.length <= 2) {
      program.outputHelp();
      return;
    }
    await program.parseAsync([...argv]);
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Says on stderr what went wrong and gives the exit code for it. */
export function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof AppError) {
    process.stderr.write(`cellward: ${error.code}: ${error.message}\n`);
    for (const line of error.details) process.stderr.write(`  ${line}\n`);
    return error.exitCode;
  }
  process.stderr.write(
    `cellward: internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  return EXIT.internal;
}
