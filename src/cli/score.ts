import type { Command } from "commander";
import { AppError } from "../errors.ts";

export function addScore(program: Command): void {
  program.command("score").action(() => {
    throw new AppError("USAGE", "'score' is not built yet");
  });
}
