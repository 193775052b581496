import type { Command } from "commander";
import { AppError } from "../errors.ts";

export function addReplay(program: Command): void {
  program.command("replay").action(() => {
    throw new AppError("USAGE", "'replay' is not built yet");
  });
}
