/** Truth and label files beside a trace: one JSON object a line, all problems named by their line. */
import { z } from "zod";
import type { LabelEpisode, TruthEpisode } from "../contracts.ts";
import { openSink } from "./compression.ts";
import { checkJson } from "./line.ts";
import { damaged, readLines } from "./lines.ts";

const timeMs = z.number().int().nonnegative();

const truthLine = z
  .looseObject({
    id: z.string().min(1),
    emitter: z.string().min(1),
    legitimate: z.boolean(),
    start: timeMs,
    end: timeMs,
    band: z.string().min(1),
    eirp_dbm: z.number(),
    activity: z.string(),
    x_m: z.number(),
    y_m: z.number(),
    floor: z.string().nullable(),
    cell: z.string().nullable(),
    outside: z.boolean().optional(),
  })
  .refine((line) => line.end >= line.start, "the episode ends before it starts")
  .refine((line) => line.cell !== null || line.outside === true || line.legitimate, 'cell null needs "outside":true');

/** Others' programs write times with fractions and floors as numbers; both say what they mean. */
const labelLine = z
  .looseObject({
    start: z.number().nonnegative(),
    end: z.number().nonnegative(),
    x_m: z.number(),
    y_m: z.number(),
    z_m: z.number().optional(),
    floor: z.union([z.string().min(1), z.number().int().transform(String)], "must name a floor of the site file"),
  })
  .refine((line) => line.end >= line.start, "the label ends before it starts");

const LABEL_FORM = 'a label is {"start":<epoch ms>,"end":<epoch ms>,"x_m":…,"y_m":…,"floor":"<id>"}, one a line';

/** `dir/NAME.truth.jsonl` for `dir/NAME.jsonl`, `dir/NAME.jsonl.gz` or `dir/NAME.jsonl.zst`. */
export function truthPathOf(tracePath: string): string {
  return `${tracePath.replace(/\.(gz|zst)$/, "").replace(/\.jsonl$/, "")}.truth.jsonl`;
}

/** All objects of a file of JSON lines. Errors: FILE_UNREADABLE, TRACE_INVALID with the line, and with what would be right where `form` says it. */
export async function readJsonLines<T>(path: string, check: (value: unknown) => T, form?: string): Promise<T[]> {
  const values: T[] = [];
  const right = form === undefined ? "" : `; ${form}`;
  for await (const batch of readLines(path)) {
    for (let i = 0; i < batch.starts.length; i++) {
      const line = batch.firstLine + i;
      const parsed = checkJson(batch.bytes.subarray(batch.starts[i], batch.ends[i]));
      if (!parsed.ok) {
        throw damaged(path, line, batch.ended ? `is not JSON (${parsed.reason})${right}` : "the line is cut off");
      }
      try {
        values.push(check(parsed.value));
      } catch (error) {
        throw damaged(path, line, `${explain(error)}${right}`, error);
      }
    }
  }
  return values;
}

function explain(error: unknown): string {
  if (!(error instanceof z.ZodError)) return error instanceof Error ? error.message : String(error);
  return error.issues.map((i) => (i.path.length > 0 ? `${i.path.join(".")}: ${i.message}` : i.message)).join("; ");
}

/** The truth's episodes in the file's order. Ids must be unique. */
export async function readTruth(path: string): Promise<TruthEpisode[]> {
  const seen = new Set<string>();
  return readJsonLines(path, (value) => {
    if (typeof value === "object" && value !== null && "cellward_trace" in value) {
      throw new Error("this is a trace, not a truth file");
    }
    const episode = truthLine.parse(value);
    if (seen.has(episode.id)) throw new Error(`the id ${episode.id} was there before`);
    seen.add(episode.id);
    return episode as unknown as TruthEpisode;
  });
}

/** Writes truth episodes, one a line. Errors: FILE_UNWRITABLE. */
export async function writeTruth(path: string, episodes: Iterable<TruthEpisode>): Promise<void> {
  const sink = await openSink(path);
  let text = "";
  for (const episode of episodes) {
    text += `${JSON.stringify(episode)}\n`;
    if (text.length > 1 << 20) {
      await sink.write(Buffer.from(text, "utf8"));
      text = "";
    }
  }
  await sink.write(Buffer.from(text, "utf8"));
  await sink.close();
}

/** Labels of a commissioning walk, in the file's order. */
export async function readLabels(path: string): Promise<LabelEpisode[]> {
  return readJsonLines(path, (value) => labelLine.parse(value) as unknown as LabelEpisode, LABEL_FORM);
}
