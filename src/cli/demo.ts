import type { Command } from "commander";
import { AppError } from "../errors.ts";

export function addDemo(program: Command): void {
  program.command("demo").action(() => {
    throw new AppError("USAGE", "'demo' is not built yet");
  });
}
