import type { Command } from "commander";
import { AppError } from "../errors.ts";

export function addCalibrate(program: Command): void {
  program.command("calibrate").action(() => {
    throw new AppError("USAGE", "'calibrate' is not built yet");
  });
}
