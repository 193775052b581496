/**
 * Schemas of the payloads of contracts section 1. They are the source of the published JSON Schemas and of the reference,
 * and they check the cold kinds (birth, state, health). The hot kinds are checked by hand in `readings.ts`; a property
 * test holds the two together.
 */
import { z } from "zod";

const ID = /^[a-z0-9][a-z0-9-]{0,31}$/;
const id = z.string().regex(ID, "an id is 1 to 32 of a-z, 0-9 and '-', beginning with a letter or digit");
/** Integers that a double holds exactly. */
const counter = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const ts = z.int().describe("Epoch milliseconds UTC");
const dbm = z.number().min(-200).max(100);
const share = z.number().min(0).max(1);
const hz = z.number().min(1_000).max(300_000_000_000);
const label = z.string().max(128);
const version = z.literal(1);

export const birthSchema = z.object({
  v: version,
  boot: counter.describe("Grows with every start of the sensor"),
  ts,
  type: z.enum(["rf", "scanner", "presence"]),
  model: label.nullish(),
  fw: label.nullish(),
  period_ms: z
    .number()
    .min(0)
    .max(86_400_000)
    .nullish()
    .describe("Time between instants; 0: only when it hears something"),
  dwell_ms: z.number().min(0).max(86_400_000).nullish(),
  revisit_ms: z.number().min(0).max(86_400_000).nullish(),
  bands: z
    .array(z.object({ id, lo_hz: hz, hi_hz: hz }))
    .max(64)
    .default([]),
  cal_id: label.nullish(),
});

export const stateSchema = z.object({
  online: z.boolean(),
  boot: counter,
  ts,
  reason: z.enum(["stopped", "lost"]).nullish(),
});

const perBand = {
  rms_dbm: dbm.nullish().describe("Mean power of the dwell"),
  peak_dbm: dbm.nullish().describe("Largest power within the dwell"),
  duty: share.nullish().describe("Share of the dwell with energy"),
  noise_dbm: dbm.nullish().describe("The sensor's own estimate of its noise floor"),
  n: z.number().min(1).max(1e9).nullish().describe("Number of looks averaged in rms"),
};

const readingSchema = z.object({
  v: version,
  boot: counter,
  seq: counter.describe("Starts at 0 with each boot and grows by one per instant"),
  ts,
  r: z
    .array(
      z
        .object({ b: id, ...perBand })
        .refine((band) => band.rms_dbm != null || band.peak_dbm != null, "rms_dbm or peak_dbm is required"),
    )
    .min(1)
    .max(64)
    .refine((list) => new Set(list.map((band) => band.b)).size === list.length, "a band is listed twice"),
});

/** Rows by band; null for a value, or for a whole row, means not measured. */
const rows = (cell: z.ZodType<number>) => z.array(z.array(cell.nullable()).nullable()).nullish();

const readingsSchema = z
  .object({
    v: version,
    boot: counter,
    seq: counter.describe("Sequence number of column 0"),
    ts: ts.describe("Time of column 0, epoch milliseconds UTC"),
    dt_ms: z.int().min(0).max(3_600_000).nullish().describe("Time between columns; required from two columns on"),
    bands: z
      .array(id)
      .min(1)
      .max(64)
      .refine((list) => new Set(list).size === list.length, "a band is listed twice"),
    rms_dbm: rows(dbm),
    peak_dbm: rows(dbm),
    duty: rows(share),
    noise_dbm: rows(dbm),
    n: rows(z.number().min(1).max(1e9)),
  })
  .superRefine((message, context) => {
    if (message.rms_dbm == null && message.peak_dbm == null) {
      context.addIssue({ code: "custom", message: "rms_dbm or peak_dbm is required" });
    }
    let count: number | null = null;
    for (const key of ["rms_dbm", "peak_dbm", "duty", "noise_dbm", "n"] as const) {
      const table = message[key];
      if (table == null) continue;
      if (table.length !== message.bands.length) {
        context.addIssue({ code: "custom", path: [key], message: "has another number of rows than bands" });
      }
      for (const row of table) {
        if (row === null) continue;
        count ??= row.length;
        if (row.length !== count) context.addIssue({ code: "custom", path: [key], message: "rows differ in length" });
      }
    }
    if (count === null || count === 0) context.addIssue({ code: "custom", message: "holds no instant" });
    else if (count > 1 && !((message.dt_ms ?? 0) >= 1)) {
      context.addIssue({ code: "custom", path: ["dt_ms"], message: "is required from two columns on" });
    }
  });

export const scanSchema = z.object({
  v: version,
  boot: counter,
  seq: counter,
  ts,
  method: z.enum(["nljd", "ferromagnetic", "mmwave", "xray", "metal"]),
  place: id.nullish().describe("Zone id"),
  towards: id.nullish().describe("Extension: a zone of the wing the person is on the way to, where the post knows it"),
  alarm: z.boolean(),
  score: share.nullish(),
  h2_db: z.number().min(-300).max(300).nullish().describe("Second harmonic"),
  h3_db: z.number().min(-300).max(300).nullish().describe("Third harmonic"),
  peak_ut: z.number().min(0).max(1e7).nullish().describe("Largest magnetic field, microtesla"),
  zones: z
    .array(z.object({ zone: z.string().min(1).max(64), score: share }))
    .max(64)
    .nullish()
    .describe("Zones of the body or parcel"),
});

export const healthSchema = z.object({
  ts,
  uptime_s: z.number().min(0).nullish(),
  temp_c: z.number().min(-273.15).max(1000).nullish(),
  clock_off_ms: z.number().nullish(),
  sat: share.nullish().describe("Share of time the receiver was saturated"),
  drop: z.number().min(0).nullish(),
  queue: z.number().min(0).nullish(),
  tamper: z.boolean().nullish(),
  battery: share.nullish(),
});

export const presenceSchema = z.object({
  v: version,
  ts,
  ttl_s: z.number().min(1).max(86_400).nullish().describe("For how long it holds; 60 where it is not said"),
  zones: z
    .array(z.object({ zone: id, phones: z.number().min(0).max(1000).describe("People there who carry one by right") }))
    .max(500)
    .describe("All of them: what is not listed is empty"),
});

const ackSchema = z.object({ boot: counter, upto: counter });

/** Every payload between sensors and service, by topic kind. */
export const PAYLOAD_SCHEMAS = {
  birth: birthSchema,
  state: stateSchema,
  reading: readingSchema,
  readings: readingsSchema,
  scan: scanSchema,
  health: healthSchema,
  presence: presenceSchema,
  ack: ackSchema,
} as const;
