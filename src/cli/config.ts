import type { Command } from "commander";
import { AppError } from "../errors.ts";

export function addConfig(program: Command): void {
  program.command("config").action(() => {
    throw new AppError("USAGE", "'config' is not built yet");
  });
}
