import type { Command } from "commander";
import { AppError } from "../errors.ts";

export function addCheck(program: Command): void {
  program.command("check").action(() => {
    throw new AppError("USAGE", "'check' is not built yet");
  });
}
