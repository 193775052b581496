import type { Command } from "commander";
import { AppError } from "../errors.ts";

export function addRun(program: Command): void {
  program.command("run").action(() => {
    throw new AppError("USAGE", "'run' is not built yet");
  });
}
