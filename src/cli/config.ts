import type { Command } from "commander";
import type { LoadedConfig } from "../config.ts";
import { nearest, problemText } from "../document.ts";
import { AppError } from "../errors.ts";
import { loadSiteWithWarnings } from "../site.ts";
import { writeOut } from "./out.ts";
import { referenceFiles } from "./reference.ts";
import { jsonSchemaOf, SCHEMAS } from "./schemas.ts";
import { loadFrom, type SourceOptions, warnOf, withSources } from "./sources.ts";

export function addConfig(program: Command): void {
  const config = program
    .command("config")
    .description("Show and check the configuration, and print the contracts' schemas.");
  withSources(config.command("print"))
    .description("The configuration in effect; secrets are shown as ***.")
    .option("--origin", "where each value came from")
    .option("--json", "as JSON")
    .action((options: SourceOptions & { origin?: boolean; json?: boolean }) => print(load(options), options));
  withSources(config.command("check"))
    .description("Check the configuration and the site file it names.")
    .action((options: SourceOptions) => check(load(options), options));
  config
    .command("schema")
    .description("A JSON Schema of what crosses the program's edge.")
    .option("--of <name>", `one of ${Object.keys(SCHEMAS).join(", ")}`, "config")
    .action(({ of }: { of: string }) => {
      if (!Object.hasOwn(SCHEMAS, of)) {
        const near = nearest(of, Object.keys(SCHEMAS));
        const hint = near === null ? `known: ${Object.keys(SCHEMAS).join(", ")}` : `did you mean '${near}'?`;
        throw new AppError("USAGE", `there is no schema '${of}'; ${hint}`);
      }
      process.stdout.write(`${JSON.stringify(jsonSchemaOf(of), null, 2)}\n`);
    });
  config
    .command("reference")
    .description("Write the generated reference pages and schemas.")
    .requiredOption("--out <dir>", "folder to write to")
    .action(({ out }: { out: string }) => writeOut(out, referenceFiles()));
}

/** The configuration, with what is odd about it on stderr. */
function load(options: SourceOptions): LoadedConfig {
  const loaded = loadFrom(options);
  warnOf(loaded.warnings);
  return loaded;
}

function print({ settings }: LoadedConfig, options: { origin?: boolean; json?: boolean }): void {
  if (options.json) {
    const rows = options.origin ? settings : settings.map(({ path, value }) => ({ path, value }));
    process.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    return;
  }
  for (const { path, value, origin, from } of settings) {
    const where = options.origin ? `    # ${origin}${from === "" ? "" : ` (${from})`}` : "";
    process.stdout.write(`${path}: ${JSON.stringify(value)}${where}\n`);
  }
}

function check({ config }: LoadedConfig, options: SourceOptions): void {
  const { site, warnings } = loadSiteWithWarnings(config.site);
  for (const warning of warnings) process.stderr.write(`${config.site}: warning: ${problemText(warning)}\n`);
  process.stdout.write(`${options.config ?? "configuration"}: ok: site '${site.id}' from ${config.site}\n`);
}
