import type { Command } from "commander";
import { AppError } from "../errors.ts";

export function addRecord(program: Command): void {
  program.command("record").action(() => {
    throw new AppError("USAGE", "'record' is not built yet");
  });
}
