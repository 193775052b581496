import { type Command, InvalidArgumentError } from "commander";
import type { IClientOptions } from "mqtt";
import { EXIT } from "../errors.ts";
import { loadFrom, type SourceOptions, withSources } from "./sources.ts";

export function addWatchdog(program: Command): void {
  withSources(program.command("watchdog"))
    .description("Watches the service from a process of its own and raises the alarm when it hangs or is gone.")
    .option("--after <seconds>", "say so after so many seconds without a sign of life", seconds, 6)
    .option("--exec <program>", "run this, with the words 'hangs' or 'lives' and a sentence")
    .addHelpText(
      "after",
      "\nSpeaks on the broker (an alert of kind service-fault), on stderr and through --exec; none of them needs the service.\nAn embedded broker hangs with its service: then --exec is the channel.",
    )
    .action(watch);
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value >= 3 && value <= 3600)) throw new InvalidArgumentError("expected 3 to 3600 seconds");
  return value;
}

async function watch(options: SourceOptions & { after: number; exec?: string }): Promise<void> {
  const { createLogger } = await import("../log.ts");
  const { wallClock } = await import("../clock.ts");
  const { tlsOptions } = await import("../ingest/mqtt.ts");
  const { loadSite } = await import("../site.ts");
  const { Watchdog } = await import("../watchdog.ts");
  const { untilStopped } = await import("./run.ts");
  const { config } = loadFrom(options);
  const { mqtt } = config;
  const account: IClientOptions = {
    clientId: `cellward-watchdog-${config.instance}`,
    protocolVersion: mqtt.url === null ? 4 : mqtt.protocolVersion,
    ...(mqtt.username === null ? {} : { username: mqtt.username }),
    ...(mqtt.password === null ? {} : { password: mqtt.password.reveal() }),
    ...tlsOptions(mqtt.tls),
  };
  const dog = new Watchdog({
    dataDir: config.dataDir,
    site: loadSite(config.site).id,
    instance: config.instance,
    afterMs: options.after * 1000,
    pollMs: 500,
    broker: mqtt.url === null ? null : { url: mqtt.url, options: account },
    command: options.exec ?? null,
    clock: wallClock,
    log: createLogger(config.log.level),
  });
  dog.start();
  await untilStopped();
  await dog.stop();
  process.exit(EXIT.ok);
}
