import type { Command } from "commander";
import { AppError } from "../errors.ts";

export function addDoctor(program: Command): void {
  program.command("doctor").action(() => {
    throw new AppError("USAGE", "'doctor' is not built yet");
  });
}
