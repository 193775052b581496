import type { Command } from "commander";
import { wallClock } from "../clock.ts";
import { counted } from "../counted.ts";
import type { BrokerAddress } from "../trace/broker.ts";
import { withoutPassword } from "../trace/broker.ts";
import { recordTrace } from "../trace/record.ts";
import { outFile } from "./out.ts";
import { progressLine, untilInterrupted } from "./progress.ts";
import { collect, parseDuration, showDuration } from "./units.ts";

interface RecordFlags {
  readonly url: string;
  readonly out: string;
  readonly topic?: string[];
  readonly duration?: number;
  readonly note?: string;
  readonly json?: boolean;
  readonly username?: string;
  readonly ca?: string;
}

export function addRecord(program: Command): void {
  program
    .command("record")
    .description("Writes a broker's traffic to a trace file, until Ctrl-C or --duration.")
    .requiredOption("--url <url>", "the broker, mqtt://host:port or mqtts://host:port", process.env.CELLWARD_URL)
    .requiredOption("--out <file>", "the trace to write: .jsonl, .jsonl.gz or .jsonl.zst")
    .option("--topic <filter>", "MQTT topic filter, may be repeated (default: cellward/v1/#)", collect)
    .option("--duration <time>", "stop after so long, e.g. 90s, 10m, 24h", parseDuration)
    .option("--note <text>", "a remark for the trace's first line")
    .option(
      "--username <name>",
      "user at the broker; the password comes from CELLWARD_PASSWORD",
      process.env.CELLWARD_USERNAME,
    )
    .option("--ca <file>", "PEM file of the authority that signed the broker's certificate")
    .option("--json", "a summary as JSON on stdout")
    .addHelpText(
      "after",
      "\nExample:\n  cellward record --url mqtt://127.0.0.1:1883 --duration 10m --out night.jsonl.gz",
    )
    .action(record);
}

/** The broker as `record` and `replay` are told about it; the password is never a flag, since flags show in process lists. */
export function brokerOf(url: string, flags: { readonly username?: string; readonly ca?: string }): BrokerAddress {
  const password = process.env.CELLWARD_PASSWORD;
  return {
    url,
    ...(flags.username === undefined ? {} : { username: flags.username }),
    ...(password === undefined ? {} : { password }),
    ...(flags.ca === undefined ? {} : { caFile: flags.ca }),
  };
}

async function record(flags: RecordFlags): Promise<void> {
  await outFile(flags.out);
  const topics = flags.topic ?? ["cellward/v1/#"];
  const stop = untilInterrupted();
  const line = progressLine();
  const startedMs = performance.now();
  let timer: NodeJS.Timeout | undefined;
  try {
    const total = await recordTrace({
      broker: brokerOf(flags.url, flags),
      topics,
      path: flags.out,
      ...(flags.note === undefined ? {} : { note: flags.note }),
      signal: stop.signal,
      clock: wallClock,
      onReady: () => {
        process.stderr.write(`recording ${topics.join(", ")} from ${withoutPassword(flags.url)} to ${flags.out}\n`);
        if (flags.duration !== undefined) timer = setTimeout(stop.abort, flags.duration);
      },
      onProgress: (p) =>
        line.show(
          () =>
            `${showDuration(performance.now() - startedMs)}  ${counted(p.messages, "message")}, ${(p.bytes / 1e6).toFixed(1)} MB${p.reconnects > 0 ? `, connection lost ${counted(p.reconnects, "time")}` : ""}`,
        ),
    });
    line.done();
    if (flags.json) process.stdout.write(`${JSON.stringify({ out: flags.out, ...total })}\n`);
    process.stderr.write(
      `${flags.out}: ${counted(total.messages, "message")}${total.reconnects > 0 ? `; the connection was lost ${counted(total.reconnects, "time")}, what was sent meanwhile is missing` : ""}\n`,
    );
  } finally {
    clearTimeout(timer);
    stop.release();
  }
}
