import type { Command } from "commander";
import { EXIT } from "../errors.ts";
import { loadFrom, type SourceOptions, warnOf, withSources } from "./sources.ts";

const MARK = { ok: "ok  ", warn: "warn", fail: "FAIL" } as const;

export function addDoctor(program: Command): void {
  withSources(program.command("doctor"))
    .description(
      "Checks an installation, running or not: log, disk, lock, broker, database, clock, ledger. Changes nothing.",
    )
    .option("--json", "the result as JSON on stdout")
    .addHelpText(
      "after",
      "\nExit code: 0 all is well, 3 bad configuration, 4 broker or database unavailable, 99 anything else failed.",
    )
    .action(doctor);
}

async function doctor(options: SourceOptions & { json?: boolean }): Promise<void> {
  const { wallClock } = await import("../clock.ts");
  const { loadSite } = await import("../site.ts");
  const { diagnose } = await import("../doctor.ts");
  const { packageVersion } = await import("./version.ts");
  const { config, warnings } = loadFrom(options);
  const { checks, ledger } = await diagnose(config, loadSite(config.site), wallClock);
  const failed = checks.filter((c) => c.state === "fail");
  const versions = { cellward: packageVersion(), node: process.version };
  warnOf(warnings);
  if (options.json) {
    const plain = checks.map(({ name, state, detail }) => ({ name, state, detail }));
    process.stdout.write(`${JSON.stringify({ ok: failed.length === 0, versions, checks: plain, ledger }, null, 2)}\n`);
  } else {
    process.stdout.write(`cellward ${versions.cellward}, node ${versions.node}\n`);
    for (const { name, state, detail } of checks) process.stdout.write(`${MARK[state]} ${name.padEnd(10)} ${detail}\n`);
    for (const [name, value] of Object.entries(ledger ?? {})) process.stdout.write(`     ${name} ${value}\n`);
  }
  if (failed.length > 0) process.exitCode = failed.every((c) => c.dependency) ? EXIT.dependency : EXIT.threshold;
}
