/** Where settings come from, the same for every verb that takes a configuration. */
import { type Command, InvalidArgumentError } from "commander";
import { type LoadedConfig, loadConfig } from "../config.ts";
import { AppError } from "../errors.ts";

export interface SourceOptions {
  readonly config?: string;
  readonly set?: Record<string, string>;
}

export function withSources(command: Command): Command {
  return command
    .option("--config <file>", "configuration file, YAML or JSON (or CELLWARD_CONFIG)")
    .option("--set <setting=value>", "one setting, e.g. --set http.port=8081; may be repeated", collectSetting);
}

function collectSetting(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("A setting is NAME=VALUE, such as http.port=8081.");
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** The configuration that these options and the environment describe. Errors: USAGE where nothing names one; CONFIG_INVALID. */
export function loadFrom(options: SourceOptions): LoadedConfig {
  const { env } = process;
  const file = options.config ?? env.CELLWARD_CONFIG ?? null;
  const flags = options.set ?? {};
  if (file === null && flags.site === undefined && env.CELLWARD_SITE === undefined) {
    throw new AppError("USAGE", "which configuration? --config FILE, or CELLWARD_CONFIG in the environment, names it");
  }
  return loadConfig({ file, env, flags });
}

/** Says on stderr what is odd about a configuration that can be used. */
export function warnOf(warnings: readonly string[]): void {
  for (const warning of warnings) process.stderr.write(`cellward: warning: ${warning}\n`);
}
