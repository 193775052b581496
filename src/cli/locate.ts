import type { Command } from "commander";
import { AppError } from "../errors.ts";

export function addLocate(program: Command): void {
  program.command("locate").action(() => {
    throw new AppError("USAGE", "'locate' is not built yet");
  });
}
