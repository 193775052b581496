/** What a scenario file says, checked by a strict schema; the library of named scenarios lies in scenarios/. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { z } from "zod";

const seconds = z.number().min(0);
const loss = z.union([z.string(), z.number(), z.record(z.string(), z.number())]);
const point = z.tuple([z.number(), z.number()]);

const generator = z.strictObject({
  id: z.string().optional(),
  timezone: z.string().optional(),
  blocks: z.int().min(1).optional(),
  floors: z.int().min(1).optional(),
  rows: z.int().min(1).max(2).optional(),
  columns: z.int().min(1).optional(),
  cell_w_m: z.number().optional(),
  cell_d_m: z.number().optional(),
  corridor_w_m: z.number().optional(),
  storey_m: z.number().optional(),
  layout: z.enum(["middle", "staggered", "pair", "door", "cell", "chase", "none"]).optional(),
  every: z.int().min(1).optional(),
  wall: loss.optional(),
  front: loss.optional(),
  door: z.union([z.string(), z.number()]).optional(),
  slab: z.union([z.string(), z.number()]).optional(),
  bands: z.array(z.string()).optional(),
  staff_room: z.boolean().optional(),
  street: z.boolean().optional(),
  perimeter_sensors: z.int().min(0).optional(),
  gate_scanner: z.boolean().optional(),
  block_gap_m: z.number().optional(),
  corridor_phones: z.enum(["allowed", "forbidden"]).optional(),
});

export type GeneratorSpec = z.output<typeof generator>;

/** A place: a zone id, a kind of zone to draw one from, or a point. */
const where = z.union([
  z.string(),
  z.strictObject({ kind: z.enum(["cell", "corridor", "staff", "yard", "gate", "perimeter", "outside"]) }),
  z.strictObject({ x_m: z.number(), y_m: z.number(), floor: z.string().optional(), height_m: z.number().optional() }),
]);
export type Where = z.output<typeof where>;

const action = z.strictObject({
  do: z.enum(["call", "silent-call", "sms", "location-update", "tau", "data", "transmit", "beacon"]),
  at_s: seconds,
  duration_s: z.number().positive().optional(),
  in: where.optional(),
  band: z.string().optional(),
  /** Fixes the radiated power instead of letting the network control it. */
  eirp_dbm: z.number().optional(),
});

const person = z.strictObject({
  id: z.string(),
  count: z.int().min(1).default(1),
  role: z.enum(["inmate", "staff", "lawyer", "visitor", "passer-by", "car", "neighbour"]).default("inmate"),
  phone: z.union([z.string(), z.array(z.string())]).default("lte"),
  at: where.default({ kind: "cell" }),
  /** Phones of the same person list are in different places. */
  apart: z.boolean().default(true),
  actions: z.array(action).default([]),
  /** Poisson rates of further actions, per hour and phone. */
  rates_per_h: z.record(z.string(), z.number().min(0)).default({}),
  profile: z.enum(["flat", "prison-day", "night"]).default("flat"),
  /** Periodic location updates while switched on. */
  updates: z.boolean().default(false),
  on_s: z.array(z.tuple([seconds, seconds])).optional(),
  /** Walks along the long axis of a zone, to and fro, every so often; elsewhere the rest of the time. */
  patrol: z
    .strictObject({
      zone: z.string(),
      at_s: seconds,
      every_s: z.number().positive().optional(),
      speed_mps: z.number().positive().default(1.3),
      /** Transmits only while walking (people who are gone otherwise). */
      gone: z.boolean().default(false),
    })
    .optional(),
  move_to: z
    .array(z.strictObject({ at_s: seconds, to: where, speed_mps: z.number().positive().default(1.3) }))
    .default([]),
});
export type PersonSpec = z.output<typeof person>;

const source = z.strictObject({
  id: z.string(),
  kind: z.enum(["jammer", "repeater", "mast"]),
  x_m: z.number(),
  y_m: z.number(),
  z_m: z.number().default(2),
  floor: z.string().optional(),
  bands: z.array(z.string()).min(1),
  eirp_dbm: z.number(),
  from_s: seconds.default(0),
  to_s: seconds.optional(),
});
export type SourceSpec = z.output<typeof source>;

const sensorFault = z.strictObject({
  kind: z.enum([
    "dead",
    "stuck",
    "deaf",
    "covered",
    "moved",
    "reboot",
    "unplugged",
    "skew",
    "step",
    "drift",
    "lose",
    "repeat",
    "late",
    "shuffle",
    "corrupt",
  ]),
  sensors: z.union([z.int().min(1), z.array(z.string()), z.literal("all")]).default(1),
  from_s: seconds.default(0),
  to_s: seconds.optional(),
  /** dB for deaf and covered; ms for skew and step; ppm for drift; probability for lose, repeat, late, shuffle, corrupt. */
  amount: z.number().optional(),
});
const outage = z.strictObject({ kind: z.enum(["broker-outage", "database-outage"]), from_s: seconds, to_s: seconds });
const fault = z.union([outage, sensorFault]);
export type FaultSpec = z.output<typeof fault>;

const scan = z.strictObject({
  /** Portal passes an hour, and the share of them that carry a phone. */
  passes_per_h: z.number().min(0).default(0),
  carry_share: z.number().min(0).max(1).default(0.02),
  /** Searches of cells with a hand-held at stated times. */
  searches: z.array(z.strictObject({ at_s: seconds, place: z.string(), hidden: z.boolean() })).default([]),
});

export const scenarioSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/),
  about: z.string(),
  /** Numbers that a right detector reaches on this scenario, and why. */
  expect: z.strictObject({
    why: z.string(),
    alerts: z.tuple([z.number(), z.number()]).describe("Fewest and most phone-active alerts that are right"),
    recall: z.number().min(0).max(1).optional(),
    false_alerts: z.number().min(0).default(0),
    top1: z.number().min(0).max(1).optional(),
    top3: z.number().min(0).max(1).optional(),
    right_floor: z.number().min(0).max(1).optional(),
    time_to_alert_s: z.number().positive().optional(),
    sensor_faults: z.tuple([z.number(), z.number()]).optional(),
  }),
  site: z.union([z.strictObject({ file: z.string() }), z.strictObject({ generate: generator })]),
  start: z.iso.datetime().default("2026-03-02T08:00:00Z"),
  duration_s: z.number().positive(),
  /** Begins again for ever, with new chance each time. */
  loop: z.boolean().default(false),
  /** After a round nothing happens for so long before the next. */
  rest_s: seconds.default(0),
  batch: z.int().min(1).max(1000).default(1),
  receiver: z
    .strictObject({
      profile: z.string().default("standard"),
      period_ms: z.int().min(20).optional(),
      dwell_ms: z.number().positive().optional(),
      revisit_ms: z.number().positive().optional(),
      rbw_hz: z.number().positive().optional(),
      nf_db: z.number().optional(),
      looks: z.int().min(1).optional(),
      quant_db: z.number().positive().optional(),
      saturation_dbm: z.number().optional(),
      gain_sigma_db: z.number().min(0).optional(),
      ambient_sigma_db: z.number().min(0).optional(),
      drift_db_per_k: z.number().min(0).optional(),
      swing_k: z.number().min(0).optional(),
      clock_ppm: z.number().min(0).optional(),
      fields: z
        .array(z.enum(["rms", "peak", "duty"]))
        .min(1)
        .optional(),
    })
    .default({ profile: "standard" }),
  radio: z
    .strictObject({
      wall_offset_db: z.number().min(0).optional(),
      shadow_sigma_db: z.number().min(0).optional(),
      shadow_tx_m: z.number().positive().optional(),
      shadow_rx_m: z.number().positive().optional(),
      band_rho: z.number().min(0).max(1).optional(),
      door_path: z.boolean().optional(),
      rice_k: z.number().min(0).optional(),
    })
    .default({}),
  coverage: z.strictObject({ path_loss_db: z.number().default(118), sigma_db: z.number().default(6) }).default({
    path_loss_db: 118,
    sigma_db: 6,
  }),
  people: z.array(person).default([]),
  sources: z.array(source).default([]),
  scanners: scan.optional(),
  faults: z.union([z.array(fault), z.strictObject({ swarm: z.literal(true) })]).default([]),
});
export type Scenario = z.output<typeof scenarioSchema>;
export type ScenarioInput = z.input<typeof scenarioSchema>;
export { point };

const FOLDER = fileURLToPath(new URL("./scenarios/", import.meta.url));

/** What is wrong with a scenario: every problem, one a line. */
export class ScenarioError extends Error {
  readonly problems: readonly string[];
  /** `cause`: what the file system threw, where a file of the caller's can't be read. */
  constructor(message: string, problems: readonly string[] = [], options?: { readonly cause: unknown }) {
    super(message, options);
    this.name = "ScenarioError";
    this.problems = problems;
  }
}

/** Names of the library's scenarios, sorted. */
export function scenarioNames(): string[] {
  return readdirSync(FOLDER)
    .filter((f) => f.endsWith(".yaml"))
    .map((f) => f.slice(0, -5))
    .sort();
}

/** Checks a scenario document. Throws `ScenarioError`. */
export function parseScenario(document: unknown, from: string): Scenario {
  const result = scenarioSchema.safeParse(document);
  if (result.success) return result.data;
  const problems = result.error.issues.map((i) => `${i.path.join(".") || "(top)"}: ${i.message}`);
  throw new ScenarioError(`${from} is not a scenario`, problems);
}

/** A scenario by the name it has in the library or by the path of a file, with the text of its site file where it names one. */
export function loadScenario(nameOrPath: string): { scenario: Scenario; siteText: string | null } {
  const named = /^[a-z0-9][a-z0-9-]*$/.test(nameOrPath);
  const path = named ? resolve(FOLDER, `${nameOrPath}.yaml`) : resolve(nameOrPath);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if (named) throw new ScenarioError(`no scenario '${nameOrPath}'`, [`known: ${scenarioNames().join(", ")}`]);
    throw new ScenarioError(`the scenario ${nameOrPath}`, [(cause as Error).message], { cause });
  }
  let document: unknown;
  try {
    document = parse(text);
  } catch (cause) {
    throw new ScenarioError(`${path} is not YAML`, [(cause as Error).message]);
  }
  const scenario = parseScenario(document, path);
  return { scenario, siteText: readSiteFile(scenario, path) };
}

/** The text of the site file a scenario names; null where its site is generated. */
function readSiteFile(scenario: Scenario, path: string): string | null {
  if (!("file" in scenario.site)) return null;
  const sitePath = resolve(dirname(path), scenario.site.file);
  try {
    return readFileSync(sitePath, "utf8");
  } catch (cause) {
    throw new ScenarioError(`the scenario's site file ${scenario.site.file}`, [(cause as Error).message], { cause });
  }
}
