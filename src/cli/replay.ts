import { createHash } from "node:crypto";
import { basename } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { matchRun } from "../../simulator/score.ts";
import { loadCalibration } from "../calibration.ts";
import { wallClock } from "../clock.ts";
import type { TruthEpisode } from "../contracts.ts";
import { counted } from "../counted.ts";
import { AppError } from "../errors.ts";
import type { Calibration, Site } from "../model.ts";
import { alertsJsonl, type ReplayResult, replayInProcess, searchListJson } from "../replay.ts";
import { loadSite } from "../site.ts";
import { openTrace, readTruth } from "../trace/index.ts";
import { type PlayControl, type PlayProgress, playTrace } from "../trace/play.ts";
import { type ShapeOptions, shape } from "../trace/shape.ts";
import { lossesOf } from "./loss.ts";
import { outFolder, writeOut } from "./out.ts";
import { bar, progressLine, untilInterrupted, watchKeys } from "./progress.ts";
import { brokerOf } from "./record.ts";
import { addScoreOptions, publishScore, replayCommand, type ScoreFlags, thresholdsOf } from "./scoring.ts";
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

interface ReplayFlags extends ScoreFlags {
  readonly to?: string;
  readonly site?: string;
  readonly calibration?: string;
  readonly truth?: string;
  readonly speed: number;
  readonly from?: TracePoint;
  readonly until?: TracePoint;
  readonly duration?: number;
  readonly loop?: number;
  readonly startPaused?: boolean;
  readonly maxGap?: number;
  readonly only?: string[];
  readonly without?: string[];
  readonly eachSensorOut?: boolean;
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
    .option(
      "--out <dir>",
      "with --site: folder for alerts.jsonl, search-list.json (and score.json, score.md, score.html)",
    )
    .option("--each-sensor-out", "with --truth: once more without each sensor, to see what its loss costs")
    .option("--json", "a summary (with --truth: the score) as JSON on stdout");
  addScoreOptions(command);
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
    .option("--without <sensor>", "leave this sensor's messages out; may be repeated", collect)
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
  checkHalves(flags);
  const part = shapeOf(flags, (await openTrace(path)).header.start);
  if (flags.to !== undefined) await replayToBroker(path, flags.to, flags, part);
  else await replayHere(path, flags.site!, flags, part);
}

/** Flags of the other half would be ignored silently: they are refused instead. */
function checkHalves(flags: ReplayFlags): void {
  const given = (names: readonly (keyof ReplayFlags)[]) => names.filter((name) => flags[name] !== undefined);
  const wrong =
    flags.to !== undefined
      ? given(["calibration", "truth", "out", "threshold", "baseline", "eachSensorOut"])
      : given(["loop", "startPaused", "maxGap", "username", "ca"]);
  if (wrong.length > 0) {
    const half = flags.to !== undefined ? "--site" : "--to";
    throw new AppError(
      "USAGE",
      `--${wrong[0]!.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} belongs to replay ${half}`,
    );
  }
  if (flags.truth === undefined && (flags.threshold ?? flags.baseline ?? flags.eachSensorOut) !== undefined) {
    const which = "--threshold, --baseline and --each-sensor-out";
    throw new AppError("USAGE", `${which} need --truth: without it there is no score`);
  }
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
    ...(flags.without === undefined ? {} : { without: flags.without }),
    ...(flags.drop === undefined ? {} : { drop: flags.drop }),
    ...(flags.jitter === undefined ? {} : { jitterMs: flags.jitter }),
    ...(flags.skew === undefined ? {} : { skewMs: flags.skew }),
    seed: flags.seed,
  };
}

// ------------------------------------------------------------------------------------------------------------ to a broker

async function replayToBroker(path: string, url: string, flags: ReplayFlags, part: ShapeOptions): Promise<void> {
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
      shape: part,
      speed: flags.speed,
      loop: flags.loop === undefined ? 1 : flags.loop === (true as unknown) ? Number.POSITIVE_INFINITY : flags.loop,
      maxGapMs: flags.maxGap ?? Number.POSITIVE_INFINITY,
      clock: flags.clock,
      inflight: flags.inflight,
      signal: stop.signal,
      time: wallClock,
      control,
      onProgress: (p) => line.show(() => describe(p, part.untilMs ?? null)),
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
    `${stopped ? "stopped: " : ""}${counted(end.sent, "message")} sent, ${end.acked} acknowledged, ${showDuration(summary.trace_ms)} of trace in ${showDuration(wallMs)}\n`,
  );
}

// ------------------------------------------------------------------------------------------------------- in this process

async function replayHere(path: string, sitePath: string, flags: ReplayFlags, part: ShapeOptions): Promise<void> {
  thresholdsOf(flags); // a mistyped threshold shows before the work
  if (flags.out !== undefined) await outFolder(flags.out);
  const site = loadSite(sitePath);
  checkSensors(flags, site);
  const calibration = flags.calibration === undefined ? null : loadCalibration(flags.calibration, site);
  const truth = flags.truth === undefined ? null : await readTruth(flags.truth);
  const trace = await openTrace(path);
  checkSameSite(path, trace.header.site, site.id);
  const line = progressLine();
  const beganMs = performance.now();
  const end = await replayInProcess(
    { header: trace.header, batches: () => shape(trace.batches(), part) },
    {
      site,
      calibration,
      onProgress: (tMs, messages) =>
        line.show(() => {
          const speed = (tMs - trace.header.start) / (performance.now() - beganMs);
          return `${bar(trace.readShare())}  ${showTime(tMs)}  ${speed.toFixed(0)}x  ${counted(messages, "message")}`;
        }),
    },
  ).finally(() => line.done());
  const text = alertsJsonl(end.alerts);
  if (flags.out !== undefined)
    await writeOut(flags.out, { "alerts.jsonl": text, "search-list.json": searchListJson(end) });
  const wallMs = performance.now() - beganMs;
  const spanMs = Number.isFinite(end.fromMs) ? end.untilMs - end.fromMs : 0;
  process.stderr.write(
    `${counted(end.ledger.messages, "message")}, ${showDuration(spanMs)} of trace in ${showDuration(wallMs)} (${(spanMs / Math.max(1, wallMs)).toFixed(0)}x); alert events ${end.alerts.length}, sha256 ${createHash("sha256").update(text).digest("hex").slice(0, 16)}\n`,
  );
  if (end.ledger.messages === 0)
    process.stderr.write("  nothing was replayed: no message lies in that part of the trace\n");
  for (const reject of end.rejects) process.stderr.write(`  refused: ${JSON.stringify(reject).slice(0, 300)}\n`);
  if (truth !== null) {
    await scoreHere(path, sitePath, flags, part, { site, calibration, truth, end });
    return;
  }
  if (flags.json)
    process.stdout.write(
      `${JSON.stringify({ alerts: end.alerts.length, ledger: end.ledger, rejects: end.rejects })}\n`,
    );
  else if (flags.out === undefined) process.stdout.write(text);
}

/** A mistyped sensor would give an empty result that looks like a quiet day. */
function checkSensors(flags: ReplayFlags, site: Site): void {
  const known = new Set(site.sensors.map((s) => s.id));
  const named = [...(flags.only ?? []), ...(flags.without ?? [])];
  const wrong = named.filter((id) => !known.has(id));
  if (wrong.length === 0) return;
  const some = [...known].slice(0, 5).join(", ");
  throw new AppError("USAGE", `site '${site.id}' has no sensor ${wrong.join(", ")}; it has ${known.size}: ${some} ...`);
}

function checkSameSite(path: string, recorded: string, given: string): void {
  if (recorded === given || recorded === "unknown") return;
  throw new AppError(
    "TRACE_INVALID",
    `${path}: line 1: recorded at site '${recorded}', but the site file is of '${given}'`,
  );
}

async function scoreHere(
  path: string,
  sitePath: string,
  flags: ReplayFlags,
  part: ShapeOptions,
  run: {
    readonly site: Site;
    readonly calibration: Calibration | null;
    readonly truth: readonly TruthEpisode[];
    readonly end: ReplayResult;
  },
): Promise<void> {
  const fromMs = part.fromMs ?? run.end.fromMs;
  const untilMs = Math.min(part.untilMs ?? Number.POSITIVE_INFINITY, run.end.untilMs);
  // What nobody could see does not count: a part of a trace is scored against its part of the truth.
  const truth = run.truth.filter((e) => e.end > fromMs && e.start < untilMs);
  if (run.truth.length > 0 && truth.length === 0 && part.fromMs === undefined && part.untilMs === undefined) {
    throw new AppError(
      "TRACE_INVALID",
      `${flags.truth}: no episode lies within the trace: this truth belongs to another`,
    );
  }
  const command = replayCommand({
    trace: path,
    site: sitePath,
    truth: flags.truth!,
    ...(flags.calibration === undefined ? {} : { calibration: flags.calibration }),
  });
  const { site } = run;
  const match = (alerts: ReplayResult["alerts"]) => matchRun({ alerts, truth, site, fromMs, untilMs, command });
  const rows = match(run.end.alerts);
  const losses = flags.eachSensorOut ? await lossesOf(path, part, run, rows, match) : undefined;
  await publishScore(basename(path).replace(/\.jsonl(\.gz|\.zst)?$/, ""), [rows], flags, { losses });
}
