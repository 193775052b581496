import { type Command, InvalidArgumentError, Option } from "commander";
import { wallClock } from "../clock.ts";
import { AppError } from "../errors.ts";
import { openTrace } from "../trace/index.ts";
import { type PlayControl, type PlayProgress, playTrace } from "../trace/play.ts";
import type { ShapeOptions } from "../trace/shape.ts";
import { bar, progressLine, untilInterrupted, watchKeys } from "./progress.ts";
import { brokerOf } from "./record.ts";
import {
  collect,
  parseCount,
  parseDuration,
  parseProbability,
  parseSpeed,
  parseTracePoint,
  resolvePoint,
  showDuration,
  showTime,
  type TracePoint,
} from "./units.ts";

interface ReplayFlags {
  readonly to?: string;
  readonly site?: string;
  readonly calibration?: string;
  readonly truth?: string;
  readonly out?: string;
  readonly json?: boolean;
  readonly speed: number;
  readonly from?: TracePoint;
  readonly until?: TracePoint;
  readonly duration?: number;
  readonly loop?: number;
  readonly startPaused?: boolean;
  readonly maxGap?: number;
  readonly only?: string[];
  readonly drop?: number;
  readonly jitter?: number;
  readonly skew?: number;
  readonly clock: "recorded" | "now";
  readonly seed: number;
  readonly inflight: number;
  readonly username?: string;
  readonly ca?: string;
}

export function addReplay(program: Command): void {
  const command = program
    .command("replay <trace>")
    .description("Plays a trace: to a broker (--to), or through the pipeline in this process (--site).")
    .option("--to <url>", "a broker, mqtt://host:port: every message goes there as it was recorded")
    .option("--site <file>", "site file: the trace goes through the pipeline here, on its own clock")
    .option("--calibration <file>", "with --site: what `calibrate` wrote")
    .option("--truth <file>", "with --site: score the alerts against this truth")
    .option("--out <dir>", "with --site: folder for alerts.jsonl (and score.json, score.md, score.html)")
    .option("--json", "a summary as JSON on stdout");
  addPartAndFaults(command);
  command
    .addOption(new Option("--speed <n>", "with --to: 1, any number, or max").default(1, "1").argParser(parseSpeed))
    .option(
      "--loop [times]",
      "with --to: play again, so often or for ever; each round is a restart of the sensors",
      parseLoop,
    )
    .option("--start-paused", "with --to, on a terminal: wait for the space key")
    .option("--max-gap <time>", "with --to: shorten silences in the trace to this", parseDuration)
    .addOption(
      new Option("--clock <which>", "with --to: recorded keeps the sensors' times, now moves them to the present")
        .choices(["recorded", "now"])
        .default("recorded"),
    )
    .addOption(
      new Option("--inflight <n>", "with --to: messages sent and not yet acknowledged")
        .default(200)
        .argParser(parseCount(1)),
    )
    .option(
      "--username <name>",
      "user at the broker; the password comes from CELLWARD_PASSWORD",
      process.env.CELLWARD_USERNAME,
    )
    .option("--ca <file>", "PEM file of the authority that signed the broker's certificate")
    .addHelpText(
      "after",
      "\nExamples:\n  cellward replay day.jsonl.gz --to mqtt://127.0.0.1:1883 --speed 10 --clock now\n  cellward replay day.jsonl.gz --site site.yaml --truth day.truth.jsonl --out report\n\nOn a terminal, space pauses a replay to a broker.",
    )
    .action(replay);
}

function addPartAndFaults(command: Command): void {
  command
    .option("--from <time>", "begin here: ISO 8601, epoch ms, or +90s after the trace's begin", parseTracePoint)
    .option("--until <time>", "end here", parseTracePoint)
    .option("--duration <time>", "end so long after the begin", parseDuration)
    .option("--only <sensor>", "only this sensor's messages; may be repeated", collect)
    .option("--drop <p>", "lose readings with this probability", parseProbability)
    .option("--jitter <ms>", "delay each message by 0 to so much", parseMs)
    .option("--skew <ms>", "set each sensor's clock wrong by up to so much", parseMs)
    .addOption(new Option("--seed <n>", "seed of drop, jitter and skew").default(1).argParser(parseCount(0)));
}

/** Milliseconds for the faults: a bare number is milliseconds here, units work too. */
function parseMs(text: string): number {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : parseDuration(text);
}

function parseLoop(text: string): number {
  const times = Number(text);
  if (!Number.isSafeInteger(times) || times < 1)
    throw new InvalidArgumentError("A number of rounds, or nothing for ever.");
  return times;
}

async function replay(path: string, flags: ReplayFlags): Promise<void> {
  if ((flags.to === undefined) === (flags.site === undefined)) {
    throw new AppError(
      "USAGE",
      "replay needs either --to URL (a broker) or --site FILE (in this process), and not both",
    );
  }
  const part = shapeOf(flags, (await openTrace(path)).header.start);
  if (flags.to !== undefined) await replayToBroker(path, flags.to, flags, part);
  else throw new AppError("USAGE", "replay --site is not built yet");
}

/** The part of the trace to take and the faults to add. */
function shapeOf(flags: ReplayFlags, startMs: number): ShapeOptions {
  const fromMs = flags.from === undefined ? undefined : resolvePoint(flags.from, startMs);
  const ends: number[] = [];
  if (flags.until !== undefined) ends.push(resolvePoint(flags.until, startMs));
  if (flags.duration !== undefined) ends.push((fromMs ?? startMs) + flags.duration);
  const untilMs = ends.length > 0 ? Math.min(...ends) : undefined;
  if (untilMs !== undefined && untilMs <= (fromMs ?? startMs)) {
    throw new AppError("USAGE", `nothing is left to replay: the end (${showTime(untilMs)}) is not after the begin`);
  }
  return {
    ...(fromMs === undefined ? {} : { fromMs }),
    ...(untilMs === undefined ? {} : { untilMs }),
    ...(flags.only === undefined ? {} : { only: flags.only }),
    ...(flags.drop === undefined ? {} : { drop: flags.drop }),
    ...(flags.jitter === undefined ? {} : { jitterMs: flags.jitter }),
    ...(flags.skew === undefined ? {} : { skewMs: flags.skew }),
    seed: flags.seed,
  };
}

// ------------------------------------------------------------------------------------------------------------ to a broker

async function replayToBroker(path: string, url: string, flags: ReplayFlags, shape: ShapeOptions): Promise<void> {
  const control: PlayControl = { paused: flags.startPaused === true && process.stdin.isTTY === true };
  if (flags.startPaused && !process.stdin.isTTY) {
    throw new AppError("USAGE", "--start-paused needs a terminal: there is nobody here to press the space key");
  }
  const stop = untilInterrupted();
  const line = progressLine();
  const unwatch = watchKeys((key) => {
    if (key === " ") control.paused = !control.paused;
    if (key === "q") stop.abort();
  });
  const beganMs = performance.now();
  try {
    const end = await playTrace({
      broker: brokerOf(url, flags),
      path,
      shape,
      speed: flags.speed,
      loop: flags.loop === undefined ? 1 : flags.loop === (true as unknown) ? Number.POSITIVE_INFINITY : flags.loop,
      maxGapMs: flags.maxGap ?? Number.POSITIVE_INFINITY,
      clock: flags.clock,
      inflight: flags.inflight,
      signal: stop.signal,
      time: wallClock,
      control,
      onProgress: (p) => line.show(() => describe(p, shape.untilMs ?? null)),
    });
    line.done();
    summarise(end, flags, performance.now() - beganMs, stop.signal.aborted);
  } finally {
    line.done();
    unwatch();
    stop.release();
  }
}

function describe(p: PlayProgress, untilMs: number | null): string {
  // While a trace streams its end is not known, but its size is.
  const share = untilMs === null ? p.share : (p.traceMs - p.firstMs) / (untilMs - p.firstMs);
  const round = p.loop > 0 ? `  round ${p.loop + 1}` : "";
  const state = p.paused ? "  paused (space goes on)" : "";
  return `${bar(share)}  ${showTime(p.traceMs)}  ${p.speed.toFixed(1)}x  lag ${showDuration(p.lagMs)}  ${p.acked} acknowledged${round}${state}`;
}

function summarise(end: PlayProgress, flags: ReplayFlags, wallMs: number, stopped: boolean): void {
  const summary = {
    sent: end.sent,
    acked: end.acked,
    trace_ms: end.sent === 0 ? 0 : end.traceMs - end.firstMs,
    wall_ms: Math.round(wallMs),
    speed: Number(end.speed.toFixed(2)),
    stopped,
  };
  if (flags.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  process.stderr.write(
    `${stopped ? "stopped: " : ""}${end.sent} messages sent, ${end.acked} acknowledged, ${showDuration(summary.trace_ms)} of trace in ${showDuration(wallMs)}\n`,
  );
}
