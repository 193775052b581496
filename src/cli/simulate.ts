import type { Command } from "commander";
import { AppError } from "../errors.ts";

export function addSimulate(program: Command): void {
  program.command("simulate").action(() => {
    throw new AppError("USAGE", "'simulate' is not built yet");
  });
}
