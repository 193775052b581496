import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { EXIT } from "../errors.ts";
import { loadFrom, type SourceOptions, withSources } from "./sources.ts";
import { packageVersion } from "./version.ts";

export function addRun(program: Command): void {
  withSources(program.command("run"))
    .description("The service: takes readings from the broker, judges them, stores them and raises alerts.")
    .addHelpText(
      "after",
      "\nExamples:\n  cellward run --config cellward.yaml\n  CELLWARD_MQTT_URL=mqtt://broker:1883 cellward run --config cellward.yaml\n\nEnds cleanly on SIGINT and SIGTERM.",
    )
    .action(run);
}

async function run(options: SourceOptions): Promise<void> {
  const { createLogger } = await import("../log.ts");
  const { startService } = await import("../main.ts");
  const { config, warnings } = loadFrom(options);
  const log = createLogger(config.log.level);
  for (const warning of warnings) log.warn(warning);
  const service = await startService({ config, version: packageVersion(), log, consoleDir: consoleDir() });
  await untilStopped();
  await service.stop();
  process.exit(EXIT.ok);
}

/** The built console beside the built code; null where it was not built (development without a build). */
export function consoleDir(): string | null {
  for (const place of ["../../console/", "../../dist/console/"]) {
    const dir = fileURLToPath(new URL(place, import.meta.url));
    if (existsSync(`${dir}index.html`)) return dir;
  }
  return null;
}

/** Resolves at the first SIGINT or SIGTERM; a second one ends the process at once. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      process.once("SIGINT", () => process.exit(130));
      process.once("SIGTERM", () => process.exit(143));
      resolve();
    };
    process.once("SIGINT", stop);
    process.once("SIGTERM", stop);
  });
}
