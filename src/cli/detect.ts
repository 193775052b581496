import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import type { Command } from "commander";
import { counted } from "../counted.ts";
import { SeriesCsv, SeriesError } from "../detect/csv.ts";
import { AppError, unreadable, unwritable } from "../errors.ts";
import { outFile } from "./out.ts";

export function addDetect(program: Command): void {
  program
    .command("detect")
    .description("Runs the channel detector over a CSV of timestamp,value: a score and alarms for each row.")
    .argument("<file>", "CSV with a header; timestamps in epoch ms, ISO 8601 or YYYY-MM-DD HH:MM:SS (UTC)")
    .option("--column <name>", "column of the values", "value")
    .option("--out <file>", "where the rows timestamp,score,alarm go (default: stdout)")
    .option("--json", "the summary on stderr as JSON")
    .action((file: string, options: { column: string; out?: string; json?: boolean }) => detect(file, options));
}

const CHUNK_BYTES = 262_144;

async function detect(file: string, options: { column: string; out?: string; json?: boolean }): Promise<void> {
  if (options.out !== undefined) await outFile(options.out, [file]);
  const input = attempt("FILE_UNREADABLE", file, () => openSync(file, "r"));
  const csv = new SeriesCsv(options.column);
  let output = -1;
  try {
    output = options.out === undefined ? 1 : attempt("FILE_UNWRITABLE", options.out, () => openSync(options.out!, "w"));
    const decoder = new StringDecoder("utf8");
    const buffer = Buffer.alloc(CHUNK_BYTES);
    for (;;) {
      const n = attempt("FILE_UNREADABLE", file, () => readSync(input, buffer, 0, buffer.length, null));
      const text = n === 0 ? csv.push(decoder.end(), true) : csv.push(decoder.write(buffer.subarray(0, n)));
      if (text !== "") attempt("FILE_UNWRITABLE", options.out ?? "stdout", () => writeAll(output, text));
      if (n === 0) break;
    }
  } catch (error) {
    if (error instanceof SeriesError) throw new AppError("SERIES_INVALID", `${file}: ${error.message}`);
    throw error;
  } finally {
    closeSync(input);
    if (output > 2) closeSync(output);
  }
  const summary = { rows: csv.rows, alarms: csv.alarms };
  process.stderr.write(
    options.json
      ? `${JSON.stringify(summary)}\n`
      : `cellward: ${counted(summary.rows, "row")}, ${counted(summary.alarms, "alarm")}\n`,
  );
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      // A pipe whose reader is slow; try again.
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
}

function attempt<T>(code: "FILE_UNREADABLE" | "FILE_UNWRITABLE", file: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    // The reader of our stdout has gone: that ends the output, it is no error (as in src/cli/index.ts).
    if ((error as NodeJS.ErrnoException).code === "EPIPE") process.exit(0);
    throw code === "FILE_UNREADABLE" ? unreadable(file, error) : unwritable(file, error);
  }
}
