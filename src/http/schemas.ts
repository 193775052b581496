/** The API's shapes as zod types: they check requests, type the routes and become the OpenAPI document. */
import { z } from "zod";

export const idSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/);
const alertId = z.string().min(1).max(128);
const epochMs = z.int().min(0).max(8_640_000_000_000_000);
const severity = z.enum(["low", "medium", "high", "critical"]);
const outcome = z.enum(["found", "not-found", "staff", "false", "not-searched"]);
const nullableNumber = z.number().nullable();

export const alertSchema = z
  .object({
    id: alertId,
    version: z.int(),
    site: z.string(),
    block: z.string().nullable(),
    kind: z.enum(["phone-active", "phone-found", "sensor-fault", "service-fault", "tamper"]),
    sensor: z
      .string()
      .optional()
      .meta({ description: "Whose fault, tampering or scan it is; left out where it is not one sensor's" }),
    severity,
    cell: z.string().nullable(),
    candidates: z.array(z.object({ cell: z.string(), p: z.number() })).readonly(),
    p_outside: nullableNumber,
    p_allowed: nullableNumber,
    position: z
      .object({
        x_m: z.number(),
        y_m: z.number(),
        floor: z.string(),
        cov_m2: z.tuple([z.number(), z.number(), z.number()]).readonly(),
      })
      .nullable(),
    bands: z.array(z.string()).readonly(),
    activity: z.enum(["call", "message", "data", "beacon", "unknown"]).nullable(),
    active: z.boolean(),
    acked: z.boolean(),
    acked_by: z.string().nullable(),
    latched: z.boolean(),
    shelved_until: epochMs.nullable(),
    suppressed_by: z.string().nullable(),
    out_of_service: z.boolean(),
    opened_at: epochMs,
    first_evidence_at: epochMs,
    last_evidence_at: epochMs,
    closed_at: epochMs.nullable(),
    outcome: outcome.nullable(),
    text: z.string(),
    evidence: z
      .object({
        sensors: z
          .array(
            z.object({ sensor: z.string(), band: z.string(), excess_db: nullableNumber, floor_dbm: nullableNumber }),
          )
          .readonly(),
        llr: nullableNumber,
        threshold: nullableNumber,
        false_alarms_per_day: nullableNumber,
        set_aside: z.array(z.string()).readonly().optional(),
        lowered: z.object({ at: epochMs, cell: z.string().nullable() }).optional(),
      })
      .nullable(),
  })
  .meta({ id: "Alert" });

export const changeSchema = z
  .object({
    t: epochMs,
    type: z.enum(["new", "update", "end"]),
    before: alertSchema.nullable(),
    after: alertSchema,
  })
  .meta({ id: "AlertEvent" });

export const channelSchema = z
  .object({
    block: z.string(),
    sensor: z.string(),
    band: z.string(),
    status: z.enum(["warming", "provisional", "ready", "stuck", "saturated", "silent"]),
    t: epochMs.nullable(),
    floor_dbm: nullableNumber,
    level_dbm: nullableNumber,
    excess_db: nullableNumber,
    sigma_db: nullableNumber,
    llr: nullableNumber,
    hot: z.boolean(),
  })
  .meta({ id: "Channel" });

export const sensorStateSchema = z.enum(["ok", "warming", "fault", "tamper", "offline", "unseen"]);

export const sensorSchema = z
  .object({
    id: z.string(),
    block: z.string(),
    state: sensorStateSchema,
    online: z.boolean().nullable(),
    last_seen_at: epochMs.nullable(),
    tamper: z.boolean(),
    boot: z.number().nullable(),
    model: z.string().nullable(),
    fw: z.string().nullable(),
    period_ms: nullableNumber,
    temp_c: nullableNumber,
    clock_off_ms: nullableNumber,
    battery: nullableNumber,
    channels: z.array(channelSchema),
  })
  .meta({ id: "Sensor" });

export const zoneSchema = z
  .object({
    id: z.string(),
    block: z.string().nullable(),
    floor: z.string().nullable(),
    kind: z.enum(["cell", "corridor", "staff", "yard", "gate", "perimeter", "outside"]),
    phones: z.enum(["allowed", "forbidden"]),
    polygon: z.array(z.tuple([z.number(), z.number()])),
    state: z.enum(["quiet", "possible", "alert", "silenced"]),
    severity: severity.nullable(),
    p: nullableNumber,
    alerts: z.array(z.string()).readonly(),
  })
  .meta({ id: "Zone" });

const point2 = z.tuple([z.number(), z.number()]);
export const siteSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    timezone: z.string(),
    bands: z.array(z.object({ id: z.string(), lo_hz: z.number(), hi_hz: z.number(), tdd: z.boolean() })),
    blocks: z.array(z.object({ id: z.string(), name: z.string() })),
    floors: z.array(z.object({ id: z.string(), level: z.number(), z_m: z.number(), height_m: z.number() })),
    walls: z.array(
      z.object({
        floor: z.string(),
        from: point2,
        to: point2,
        door: z.object({ at: z.number(), width_m: z.number() }).nullable(),
      }),
    ),
    sensors: z.array(
      z.object({
        id: z.string(),
        block: z.string(),
        floor: z.string(),
        type: z.enum(["rf", "scanner", "presence"]),
        position_m: z.tuple([z.number(), z.number(), z.number()]).nullable(),
        bands: z.array(z.string()),
        method: z.enum(["nljd", "ferromagnetic", "mmwave", "xray", "metal"]).nullable(),
        place: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: "Site" });

export const pointSchema = z
  .object({
    t: epochMs,
    mean_dbm: nullableNumber,
    max_dbm: nullableNumber,
    floor_dbm: nullableNumber,
    llr: nullableNumber,
    readings: z.number(),
  })
  .meta({ id: "ChannelPoint" });

export const rejectSchema = z
  .object({
    code: z.string(),
    count: z.int(),
    samples: z.array(z.object({ t: epochMs, topic: z.string(), detail: z.string(), payload: z.string() })),
  })
  .meta({ id: "Reject" });

export const readinessSchema = z
  .object({
    ready: z.boolean(),
    checks: z.array(z.object({ name: z.string(), ready: z.boolean(), detail: z.string() })),
  })
  .meta({ id: "Readiness" });

export const cellBeliefSchema = z
  .object({
    cell: z.string(),
    block: z.string(),
    rank: z.int().meta({ description: "Place in its block's list, 1 the first" }),
    p_kept: z.number().meta({ description: "Probability that a phone is kept there now" }),
    p_used: z.number().meta({ description: "Probability that one was used there lately, within about the half-life" }),
    reasons: z.array(
      z.object({
        t: epochMs,
        kind: z.enum(["use", "scan", "pass", "search"]),
        ref: z.string().meta({ description: "The alert, track, scan or search" }),
        odds_ratio: z.number().meta({ description: "By how much it multiplies the odds now; fades to 1" }),
        text: z.string(),
      }),
    ),
  })
  .meta({ id: "CellBelief" });

const reached = {
  searched: z.int(),
  found: z.int(),
  stated: nullableNumber.meta({ description: "Mean probability that the list gave" }),
  share: nullableNumber.meta({ description: "found / searched" }),
  low: nullableNumber.meta({ description: "95 % interval of the share (Wilson)" }),
  high: nullableNumber,
};

export const outcomesSchema = z
  .object({
    block: z.string(),
    searches: z.object(reached),
    first: z.object(reached).meta({ description: "Of cells that were among the first five of the list" }),
    by_stated: z.array(z.object({ from: z.number(), to: z.number(), ...reached })),
    alerts: z.array(z.object({ kind: z.string(), outcome, count: z.int() })),
    methods: z.array(
      z.object({
        method: z.string(),
        hit: z.number(),
        false_alarm: z.number(),
        stated: z.object({ hit: z.number(), false_alarm: z.number(), trials: z.number() }),
        results: z.number(),
      }),
    ),
  })
  .meta({ id: "Outcomes" });

export const learningSchema = z
  .object({
    block: z.string(),
    learning: z.boolean().meta({ description: "Alerts of phones are counted, not told." }),
    first_reading_at: epochMs.nullable(),
    until: epochMs.nullable().meta({ description: "Null: not configured, or waiting for the first reading." }),
    events: z.int().meta({ description: "Events of channels that were counted" }),
    alerts: z.int().meta({ description: "Alerts that would have been told" }),
    last: z.array(
      z.object({
        t: epochMs,
        first_evidence_at: epochMs,
        cell: z.string().nullable(),
        p: z.number(),
        bands: z.array(z.string()),
      }),
    ),
  })
  .meta({ id: "Learning" });

export const searchBody = z.object({
  cell: idSchema,
  outcome: z.enum(["found", "not-found"]),
  by: z.string().trim().min(1).max(64).meta({ description: "Who searched; kept in the log." }),
});

/** `next` is an opaque cursor for the following page; null at the end. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item).readonly(), next: z.string().nullable() });
}

export function pageQuery(maxLimit: number) {
  return {
    limit: z.coerce.number().int().min(1).max(maxLimit).default(Math.min(100, maxLimit)),
    cursor: z.string().max(256).optional(),
  };
}

/** Query parameters are text; empty is not zero. */
export const epochParam = z
  .string()
  .regex(/^\d{1,15}$/, "epoch milliseconds")
  .transform(Number)
  .pipe(epochMs);

export const alertParams = z.object({ id: alertId });

/** `version` is the version the person saw: an older one than the server's is refused with 409. */
const commandBase = {
  version: z.int().min(0),
  by: z.string().trim().min(1).max(64).meta({ description: "Who acts; kept with the alert." }),
};
export const ackBody = z.object(commandBase);
export const unshelveBody = z.object(commandBase);
export const shelveBody = z.object({
  ...commandBase,
  until: epochMs.meta({ description: "Epoch ms; in the future, at most eight hours ahead." }),
  reason: z.string().trim().min(1).max(200),
});
export const closeBody = z.object({ ...commandBase, outcome });
