/** `cellward calibrate`: labelled points of a trace to a calibration file. */
import type { Command } from "commander";
import { outOfReach, pointText, saveCalibration } from "../calibration.ts";
import type { LabelEpisode } from "../contracts.ts";
import { counted } from "../counted.ts";
import { AppError } from "../errors.ts";
import { cutBursts, type Packet } from "../fuse/bursts.ts";
import { fitBand, type LabelledPoint } from "../fuse/fit.ts";
import { FOLLOW_DEFAULTS } from "../fuse/follow.ts";
import { PHONE_HEIGHT_M } from "../fuse/grid.ts";
import { type Rehearsal, rehearse, UNREHEARSED_WIDENING } from "../fuse/rehearse.ts";
import type { BandCalibration, BandId, Calibration, Site } from "../model.ts";
import { loadSite } from "../site.ts";
import { openTrace, readLabels } from "../trace/index.ts";
import { outFile } from "./out.ts";
import { leftOutOf, listed, PacketReader } from "./packets.ts";

interface Options {
  readonly labels: string;
  readonly site: string;
  readonly out: string;
  readonly json?: boolean;
}

export function addCalibrate(program: Command): void {
  program
    .command("calibrate")
    .description("Learns from labelled points how levels depend on position, and writes a calibration file.")
    .argument("<trace>", "trace in which one emitter was active at each labelled point (.jsonl, .gz, .zst)")
    .requiredOption("--labels <file>", "labels: {start, end, x_m, y_m, z_m?, floor} a line")
    .requiredOption("--site <file>", "site file")
    .requiredOption("--out <file>", "calibration file to write")
    .option("--json", "what was learned as JSON on stdout")
    .action(async (trace: string, options: Options) => {
      await outFile(options.out, [trace, options.labels, options.site]);
      const site = loadSite(options.site);
      const labels = await readLabels(options.labels);
      const { calibration, leftOut, notes } = await learn(trace, labels, site);
      saveCalibration(options.out, calibration, leftOut);
      for (const note of notes) process.stderr.write(`calibrate: ${note}\n`);
      const text = options.json ? `${JSON.stringify(summaries(calibration, leftOut))}\n` : report(calibration, leftOut);
      process.stdout.write(text);
    });
}

/** A calibration, and how well its points are found by maps that have not seen them. */
export interface Calibrated {
  readonly calibration: Calibration;
  readonly leftOut: Readonly<Record<BandId, Rehearsal>>;
  /** What was not used, and why, a line each. */
  readonly notes: readonly string[];
}

/**
 * Reads the trace once and fits every band that was heard at three places or more. Labels far outside the site are left out.
 * Errors: CALIBRATION_INVALID where a label's floor is unknown or nothing can be fitted, with what was found instead.
 */
export async function learn(tracePath: string, labels: readonly LabelEpisode[], site: Site): Promise<Calibrated> {
  const lost = labels.find((l) => !site.floors.some((f) => f.id === l.floor));
  if (lost) throw new AppError("CALIBRATION_INVALID", `a label is on floor '${lost.floor}', which the site lacks`);
  const near = labels.filter((label) => outOfReach(site, placeOf(site, label)) === 0);
  const { heard, reader, span } = await packetsByLabel(tracePath, near, site);
  const sensors = site.sensors.filter((s) => s.type === "rf" && s.positionM !== null);
  const bands: BandCalibration[] = [];
  const leftOut: Record<BandId, Rehearsal> = {};
  for (const [id, byLabel] of heard) {
    const band = site.bands.find((b) => b.id === id);
    if (band === undefined) continue;
    const points = near.map((label, i) => labelledPoint(site, label, byLabel[i] ?? []));
    const used = points.filter((p) => p.bursts.length > 0);
    const fitted = fitBand(site, band, sensors, used);
    if (fitted === null) continue;
    const rehearsal = rehearse(site, { site: site.id, bands: [] }, fitted, used);
    if (rehearsal !== null) leftOut[id] = rehearsal;
    const { persistenceMs, memoryMs = Number.POSITIVE_INFINITY } = rehearsal ?? fitted;
    const memory = Number.isFinite(memoryMs) ? { memoryMs } : {};
    bands.push({ ...fitted, persistenceMs, ...memory, widening: rehearsal?.widening ?? UNREHEARSED_WIDENING });
  }
  const notes = notesOf(site, labels, near, heard, reader);
  if (bands.length === 0) {
    const details = [...notes, spanText(near, span)];
    throw new AppError("CALIBRATION_INVALID", "no band was heard at three labelled places or more", { details });
  }
  return { calibration: { site: site.id, bands }, leftOut, notes };
}

/** Labels and sensors that taught nothing. */
function notesOf(
  site: Site,
  labels: readonly LabelEpisode[],
  near: readonly LabelEpisode[],
  heard: ReadonlyMap<BandId, readonly (readonly Packet[])[]>,
  reader: PacketReader,
): string[] {
  const notes: string[] = [];
  const far = labels.filter((l) => !near.includes(l)).map((l) => placeOf(site, l));
  if (far.length > 0) {
    notes.push(
      `${far.length} of ${counted(labels.length, "label")} far outside the site: the first is at ${pointText(far[0]!)}`,
    );
  }
  const silent = near.filter((_, i) => ![...heard.values()].some((byLabel) => byLabel[i]!.length > 0)).length;
  if (silent > 0) notes.push(`${silent} of ${counted(near.length, "label")}: nothing was heard between start and end`);
  const spoke = new Set([...heard.values()].flat(2).map((p) => p.sensor));
  const mute = site.sensors.filter((s) => s.type === "rf" && s.positionM !== null && !spoke.has(s.id));
  if (spoke.size > 0 && mute.length > 0) {
    notes.push(`sensors that heard nothing at any label: ${listed(mute.map((s) => s.id))}`);
  }
  return [...notes, ...leftOutOf(reader)];
}

/** Where in time the labels are, and where the readings. */
function spanText(labels: readonly LabelEpisode[], [from, to]: readonly [number, number]): string {
  const iso = (t: number): string => (Number.isFinite(t) && Math.abs(t) < 8e15 ? new Date(t).toISOString() : String(t));
  const start = labels.reduce((least, l) => Math.min(least, l.start), Infinity);
  const end = labels.reduce((most, l) => Math.max(most, l.end), -Infinity);
  const places = new Set(labels.map((l) => `${l.floor} ${l.x_m} ${l.y_m}`)).size;
  const of =
    labels.length === 0 ? "no labels" : `${counted(places, "place")} labelled from ${iso(start)} to ${iso(end)}`;
  return `${of}; ${from > to ? "no readings" : `readings from ${iso(from)} to ${iso(to)}`}`;
}

/** `learn` without its report. */
export async function calibrate(tracePath: string, labels: readonly LabelEpisode[], site: Site): Promise<Calibration> {
  return (await learn(tracePath, labels, site)).calibration;
}

function placeOf(site: Site, label: LabelEpisode): Omit<LabelledPoint, "bursts"> {
  const floor = site.floors.find((f) => f.id === label.floor)!;
  return { xM: label.x_m, yM: label.y_m, zM: label.z_m ?? floor.zM + PHONE_HEIGHT_M, floor: label.floor };
}

function labelledPoint(site: Site, label: LabelEpisode, packets: readonly Packet[]): LabelledPoint {
  return { ...placeOf(site, label), bursts: cutBursts(packets, FOLLOW_DEFAULTS.burstGapMs) };
}

interface HeardAtLabels {
  readonly heard: ReadonlyMap<BandId, Packet[][]>;
  readonly reader: PacketReader;
  /** First and last time of all packets, labelled or not. */
  readonly span: readonly [fromMs: number, toMs: number];
}

/** Packets a band and label. Labels may overlap and come in any order. */
async function packetsByLabel(tracePath: string, labels: readonly LabelEpisode[], site: Site): Promise<HeardAtLabels> {
  const order = labels.map((_, i) => i).sort((a, b) => labels[a]!.start - labels[b]!.start);
  const longest = labels.reduce((most, l) => Math.max(most, l.end - l.start), 0);
  const starts = order.map((i) => labels[i]!.start);
  const heard = new Map<BandId, Packet[][]>();
  const reader = new PacketReader(site);
  let [fromMs, toMs] = [Infinity, -Infinity];
  for await (const message of await openTrace(tracePath)) {
    for (const packet of reader.take(message)) {
      fromMs = Math.min(fromMs, packet.tMs);
      toMs = Math.max(toMs, packet.tMs);
      for (let k = firstAtOrAfter(starts, packet.tMs - longest); k < order.length; k++) {
        const label = labels[order[k]!]!;
        if (label.start > packet.tMs) break;
        if (label.end < packet.tMs) continue;
        let byLabel = heard.get(packet.band);
        if (byLabel === undefined) {
          byLabel = labels.map(() => []);
          heard.set(packet.band, byLabel);
        }
        byLabel[order[k]!]!.push(packet);
      }
    }
  }
  for (const byLabel of heard.values()) for (const list of byLabel) list.sort((a, b) => a.tMs - b.tMs);
  return { heard, reader, span: [fromMs, toMs] };
}

function firstAtOrAfter(sorted: readonly number[], value: number): number {
  let [lo, hi] = [0, sorted.length];
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (sorted[mid]! < value) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

function summaries(calibration: Calibration, leftOut: Calibrated["leftOut"]): unknown {
  return calibration.bands.map(({ points, sensors, ...rest }) => ({
    ...rest,
    left_out: leftOut[rest.band] ?? null,
    points: points.length,
    sensors: sensors.length,
  }));
}

function report(calibration: Calibration, leftOut: Calibrated["leftOut"]): string {
  return calibration.bands
    .map((b) => {
      const f = (x: number, digits = 1): string => x.toFixed(digits);
      const heard = b.points.reduce((sum, p) => sum + p.levels.filter((l) => l.heard > 0).length, 0);
      return [
        `${b.band}: ${counted(b.points.length, "point")}, ${counted(b.sensors.length, "sensor")}, ${counted(heard, "level")} heard`,
        `  power at 1 m ${f(b.powerDbm)} dBm, spread between points ${f(b.pointPowerSdDb)} dB, between bursts ${f(b.burstPowerSdDb)} dB`,
        `  exponent ${f(b.exponent, 2)}, walls x ${f(b.wallFactor, 2)}, slabs x ${f(b.slabFactor, 2)}`,
        `  residual map ${f(b.shadowSdDb)} dB over ${f(b.shadowLengthM)} m, not repeating ${f(b.nuggetSdDb)} dB, sensor offsets ${f(b.offsetSdDb)} dB, fading ${f(b.fadingSdDb)} dB`,
        `  errors between sensors go together over ${f(b.sensorLengthM)} m; errors of the map persist ${f(b.persistenceMs / 1000)} s${b.memoryMs === undefined ? "" : `, what was heard before fades over ${f(b.memoryMs / 1000)} s`}`,
        rehearsalText(leftOut[b.band]),
        "",
      ].join("\n");
    })
    .join("");
}

function rehearsalText(r: Rehearsal | undefined): string {
  if (r === undefined) return "  too few points to walk through them left out";
  const percent = (x: number): string => `${(100 * x).toFixed(0)} %`;
  const cover = `50 % sets hold ${percent(r.cover50)}, 90 % sets ${percent(r.cover90)}`;
  return `  points left out: median error ${r.medianM.toFixed(2)} m, 95th percentile ${r.p95M.toFixed(2)} m; ${cover}`;
}
