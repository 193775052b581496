/** `cellward locate`: a trace to one position estimate an interval, strictly online. */
import { closeSync, openSync, writeSync } from "node:fs";
import type { Command } from "commander";
import { loadCalibration } from "../calibration.ts";
import { AppError, unwritable } from "../errors.ts";
import { Follower, type PacketWindow } from "../fuse/follow.ts";
import { Locator } from "../fuse/locate.ts";
import { PlanFollower } from "../fuse/planfollow.ts";
import type { BandId, Calibration, Fix, Site } from "../model.ts";
import { loadSite } from "../site.ts";
import { openTrace, type TraceMessage } from "../trace/index.ts";
import { outFile } from "./out.ts";
import { type BandPacket, leftOutOf, listed, PacketReader } from "./packets.ts";

interface Options {
  readonly site: string;
  readonly calibration?: string;
  readonly every: string;
  readonly emitterBand?: string;
  readonly out: string;
}

export function addLocate(program: Command): void {
  program
    .command("locate")
    .description("Estimates where one emitter is, once an interval in which anything was heard. No alerting.")
    .argument("<trace>", "trace (.jsonl, .gz, .zst)")
    .requiredOption("--site <file>", "site file")
    .option("--calibration <file>", "calibration file of `cellward calibrate`")
    .option("--every <ms>", "length of an interval; intervals end at whole multiples since the epoch", "1000")
    .option("--emitter-band <band>", "use this band only")
    .requiredOption("--out <file>", "positions to write, one JSON object a line")
    .action(async (trace: string, options: Options) => {
      const everyMs = Number(options.every);
      if (!Number.isInteger(everyMs) || everyMs < 10 || everyMs > 3_600_000) {
        throw new AppError("USAGE", `--every is '${options.every}'; it takes whole milliseconds from 10 to 3600000`);
      }
      await outFile(options.out, [
        trace,
        options.site,
        ...(options.calibration === undefined ? [] : [options.calibration]),
      ]);
      const site = loadSite(options.site);
      if (options.emitterBand !== undefined && !site.bands.some((b) => b.id === options.emitterBand)) {
        throw new AppError("USAGE", `the site knows no band '${options.emitterBand}'`);
      }
      const calibration = options.calibration === undefined ? null : loadCalibration(options.calibration, site);
      const opened = await openTrace(trace);
      const out = open(options.out);
      const reader = new PacketReader(site);
      let lines = 0;
      try {
        for await (const line of locate(opened, site, calibration, everyMs, options.emitterBand ?? null, reader)) {
          lines++;
          writeSync(out, `${JSON.stringify(line)}\n`);
        }
      } finally {
        closeSync(out);
      }
      const notes = [...leftOutOf(reader), ...(lines === 0 ? [nothingText(options.emitterBand, reader)] : [])];
      for (const note of notes) process.stderr.write(`locate: ${note}\n`);
    });
}

function nothingText(band: string | undefined, reader: PacketReader): string {
  const heard = [...reader.heard.keys()];
  if (band === undefined || heard.length === 0) return "nothing was heard: no positions";
  return `nothing was heard in ${band}, but in ${listed(heard)}: no positions`;
}

function open(path: string): number {
  try {
    return openSync(path, "w");
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/** One line of the output. */
export interface PositionLine {
  readonly t: number;
  readonly every_ms: number;
  readonly x_m: number;
  readonly y_m: number;
  readonly floor: string;
  readonly cov_m2: readonly number[];
  readonly candidates: readonly { readonly cell: string; readonly p: number }[];
  readonly p_outside: number;
}

/**
 * Position estimates, an interval `(t - every, t]` each; `t` is a multiple of `every_ms` since the epoch. Only what was
 * measured up to `t` counts.
 */
export async function* locate(
  trace: AsyncIterable<TraceMessage>,
  site: Site,
  calibration: Calibration | null,
  everyMs: number,
  onlyBand: BandId | null,
  reader: PacketReader = new PacketReader(site),
): AsyncGenerator<PositionLine> {
  // The emitter is taken to be in the house unless the site file says where else it may be.
  const outside = site.zones.some((z) => z.kind === "outside") ? {} : { pOutside: 0 };
  const locator = new Locator(site, { block: null, calibration, doubted: true, ...outside });
  const follower = calibration === null ? new PlanFollower(locator) : new Follower(locator);
  let pending: BandPacket[] = [];
  let endMs = Number.NaN;
  // An interval that was told is over: what comes late for it belongs to the next one.
  let toldMs = -Infinity;
  const close = (): PositionLine | null => {
    toldMs = endMs;
    const now = pending.filter((p) => p.tMs <= endMs);
    pending = pending.filter((p) => p.tMs > endMs);
    if (now.length === 0) return null;
    return lineOf(endMs, everyMs, follower.step(endMs, everyMs, windowsOf(now, reader)));
  };
  for await (const message of trace) {
    // An interval ends with the first message that arrives after it.
    while (message.t > endMs) {
      const line = close();
      if (line !== null) yield line;
      if (pending.length === 0) endMs = Number.NaN;
      else endMs = nextEnd(Math.min(...pending.map((p) => p.tMs)), everyMs);
    }
    for (const packet of reader.take(message)) {
      if (onlyBand !== null && packet.band !== onlyBand) continue;
      // A sensor's clock may be off or its batch late: what was measured before this interval counts at its arrival.
      const measuredMs = Math.max(Math.min(message.t, packet.tMs), toldMs + 1);
      const tMs = Number.isNaN(endMs) ? measuredMs : Math.max(measuredMs, endMs - everyMs + 1);
      pending.push({ ...packet, tMs });
      if (Number.isNaN(endMs)) endMs = nextEnd(tMs, everyMs);
    }
  }
  while (pending.length > 0) {
    const line = close();
    if (line !== null) yield line;
    if (pending.length > 0) endMs = nextEnd(Math.min(...pending.map((p) => p.tMs)), everyMs);
  }
}

function nextEnd(tMs: number, everyMs: number): number {
  return Math.ceil(tMs / everyMs) * everyMs;
}

function windowsOf(packets: readonly BandPacket[], reader: PacketReader): PacketWindow[] {
  const byBand = new Map<BandId, BandPacket[]>();
  for (const packet of packets) {
    const list = byBand.get(packet.band);
    if (list) list.push(packet);
    else byBand.set(packet.band, [packet]);
  }
  return [...byBand].map(([band, list]) => ({
    band,
    packets: list.sort((a, b) => a.tMs - b.tMs || (a.sensor < b.sensor ? -1 : 1)),
    measuring: reader.measuring(band),
  }));
}

function lineOf(t: number, everyMs: number, fix: Fix): PositionLine {
  const round = (x: number): number => Math.round(x * 1000) / 1000;
  const { position } = fix;
  return {
    t,
    every_ms: everyMs,
    x_m: round(position.xM),
    y_m: round(position.yM),
    floor: position.floor,
    cov_m2: position.covM2.map(round),
    candidates: fix.candidates.map((c) => ({ cell: c.cell, p: Math.round(c.p * 1e4) / 1e4 })),
    p_outside: Math.round(fix.pOutside * 1e4) / 1e4,
  };
}
