import type { Command } from "commander";
import { AppError } from "../errors.ts";

export function addDetect(program: Command): void {
  program.command("detect").action(() => {
    throw new AppError("USAGE", "'detect' is not built yet");
  });
}
