/** The JSON Schemas of everything that crosses the program's edge, by the name `cellward config schema --of NAME` takes. */
import { z } from "zod";
import { PAYLOAD_SCHEMAS } from "../../sensors/index.ts";
import { configSchema } from "../config.ts";
import { alertSchema } from "../http/schemas.ts";
import { siteSchema } from "../site.ts";

const epochMs = z.int().describe("Epoch milliseconds UTC");
const id = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/);

const serviceStateSchema = z.object({
  online: z.boolean(),
  ts: epochMs,
  version: z.string().optional(),
  kernel: z.string().optional().describe("Detector kernel in use: plain or simd"),
  learning: z
    .array(
      z.object({
        block: id,
        until: epochMs.nullable().describe("Null: waits for the first reading"),
        alerts: z.int().describe("Alerts of phones that were counted instead of told"),
      }),
    )
    .optional()
    .describe("Blocks in learning mode; left out when there are none"),
});

const alertEventSchema = z.object({
  type: z.enum(["new", "update", "end"]),
  before: alertSchema.nullable(),
  after: alertSchema,
});

const traceHeadSchema = z.object({
  cellward_trace: z.literal(1),
  site: id,
  start: epochMs,
  note: z.string().optional(),
});

const traceLineSchema = z.object({
  t: epochMs.describe("Arrival; lines are in this order"),
  topic: z.string(),
  payload: z.unknown().optional().describe("The payload, where it is JSON"),
  payload_b64: z.string().optional().describe("The payload's bytes in base64, where it is not"),
});

const truthSchema = z.object({
  id: z.string(),
  emitter: z.string(),
  legitimate: z.boolean().describe("Staff, lawyers, visitors where phones are allowed"),
  start: epochMs,
  end: epochMs,
  band: id,
  eirp_dbm: z.number(),
  activity: z.string(),
  x_m: z.number(),
  y_m: z.number(),
  floor: id.nullable(),
  cell: id.nullable(),
  outside: z.boolean().optional().describe("True for emitters outside the site"),
});

const labelSchema = z.object({ start: epochMs, end: epochMs, x_m: z.number(), y_m: z.number(), floor: id });

interface Entry {
  readonly schema: z.ZodType;
  readonly about: string;
}

/** By name; `about` says where it travels. */
export const SCHEMAS: Readonly<Record<string, Entry>> = {
  config: { schema: configSchema, about: "The file of `cellward run --config FILE`" },
  site: { schema: siteSchema, about: "The site file" },
  birth: { schema: PAYLOAD_SCHEMAS.birth, about: "`cellward/v1/{site}/{block}/{sensor}/birth`, retained" },
  state: { schema: PAYLOAD_SCHEMAS.state, about: "`…/{sensor}/state`, retained, also the last will" },
  reading: { schema: PAYLOAD_SCHEMAS.reading, about: "`…/{sensor}/reading`: one instant" },
  readings: { schema: PAYLOAD_SCHEMAS.readings, about: "`…/{sensor}/readings`: a batch by columns" },
  scan: { schema: PAYLOAD_SCHEMAS.scan, about: "`…/{sensor}/scan`: a scanner's result" },
  health: { schema: PAYLOAD_SCHEMAS.health, about: "`…/{sensor}/health`, retained" },
  presence: { schema: PAYLOAD_SCHEMAS.presence, about: "`…/{sensor}/presence`: where people carry phones by right" },
  ack: { schema: PAYLOAD_SCHEMAS.ack, about: "`…/{sensor}/ack`, service to sensor" },
  "service-state": {
    schema: serviceStateSchema,
    about: "`cellward/v1/{site}/_svc/{instance}/state`, retained, last will",
  },
  alert: { schema: alertSchema, about: "`cellward/v1/{site}/_alert/{alertId}`, retained while open" },
  "alert-event": {
    schema: alertEventSchema,
    about: "`cellward/v1/{site}/_alert_event`, and a line of alerts.jsonl less its `t`",
  },
  "trace-head": { schema: traceHeadSchema, about: "Line 1 of a trace" },
  "trace-line": { schema: traceLineSchema, about: "Every other line of a trace" },
  truth: { schema: truthSchema, about: "A line of NAME.truth.jsonl" },
  label: { schema: labelSchema, about: "A line of the labels that `cellward calibrate` takes" },
};

export type JsonSchema = Record<string, unknown>;

/** JSON Schema (2020-12) of what is written, defaults optional. Unknown further keys are allowed but for the configuration. */
export function jsonSchemaOf(name: string): JsonSchema {
  const entry = SCHEMAS[name];
  if (entry === undefined) throw new Error(`no schema '${name}'`);
  const schema = z.toJSONSchema(entry.schema, { io: "input", unrepresentable: "any" }) as JsonSchema;
  const { $schema, ...rest } = name === "config" ? (closed(schema) as JsonSchema) : schema;
  return { $schema, title: name, description: entry.about, ...rest };
}

/** Unknown keys of the configuration are errors; its schema says so. */
function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed);
  if (typeof node !== "object" || node === null) return node;
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]));
  return copy.type === "object" && copy.properties !== undefined ? { ...copy, additionalProperties: false } : copy;
}
