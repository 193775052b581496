import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { EXIT } from "../errors.ts";
import { packageVersion } from "./version.ts";

export function addRun(program: Command): void {
  program
    .command("run")
    .description("The service: takes readings from the broker, judges them, stores them and raises alerts.")
    .requiredOption("--config <file>", "configuration file (YAML or JSON); see `cellward config schema`")
    .option("--set <path=value>", "override a setting, e.g. --set http.port=9000; may be repeated", collect, [])
    .addHelpText(
      "after",
      "\nExamples:\n  cellward run --config cellward.yaml\n  CELLWARD_MQTT_URL=mqtt://broker:1883 cellward run --config cellward.yaml\n\nEnds cleanly on SIGINT and SIGTERM.",
    )
    .action(run);
}

const collect = (value: string, all: string[]) => [...all, value];

async function run(options: { config: string; set: string[] }): Promise<void> {
  const { loadConfig } = await import("../config.ts");
  const { createLogger } = await import("../log.ts");
  const { startService } = await import("../main.ts");
  const flags = Object.fromEntries(
    options.set.map((s) => {
      const at = s.indexOf("=");
      return at < 0 ? [s, "true"] : [s.slice(0, at), s.slice(at + 1)];
    }),
  );
  const { config, warnings } = loadConfig({ file: options.config, env: process.env, flags });
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
