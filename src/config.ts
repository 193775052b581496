/**
 * Configuration of the service: one file (YAML or JSON), overridden by the environment, overridden by flags. Every problem
 * is reported at once with its place; secrets are wrapped so that no log or print shows them.
 */
import { readFileSync } from "node:fs";
import { dirname, isAbsolute, resolve } from "node:path";
import { inspect } from "node:util";
import { z } from "zod";
import { counted } from "./counted.ts";
import {
  nearest,
  type Path,
  type Problem,
  pathText,
  problemText,
  readDocument,
  shapeProblems,
  unknownKeys,
} from "./document.ts";
import { AppError, unreadable } from "./errors.ts";

/** Text that only `reveal` shows: JSON, templates and the debugger get `***`. */
export class Secret {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  reveal(): string {
    return this.#text;
  }
  toString(): string {
    return "***";
  }
  toJSON(): string {
    return "***";
  }
  [inspect.custom](): string {
    return "***";
  }
}

// ------------------------------------------------------------------------------------------------------------- schema

const path = z.string().min(1);
const port = z.int().min(0).max(65_535);
const secret = z.string().min(1);
const days = z.number().min(0).max(36_500);
const host = z.string().min(1).max(255);

/** A learning mode lasts a month at the most: a house must not be left without alarms. */
export const MOST_LEARNING_HOURS = 31 * 24;

const mqttSchema = z.object({
  url: z
    .string()
    .regex(
      /^(mqtts?|wss?|tcp|tls|ssl):\/\/[^/\s@]+(\/[^\s@]*)?$/,
      "expected a URL such as mqtt://host:1883 or mqtts://host:8883; name and password have settings of their own",
    )
    .nullable()
    .default(null)
    .describe("Broker; without one the embedded broker is started"),
  username: z.string().nullable().default(null),
  password: secret.nullable().default(null),
  password_file: path.nullable().default(null).describe("File that holds the password alone"),
  client_id: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/, "1 to 64 letters, digits, '.', '_' or '-'")
    .nullable()
    .default(null)
    .describe("Fixed, so that the broker keeps our session; default cellward-{site}-{instance}"),
  protocol_version: z
    .union([z.literal(5), z.literal(4)])
    .default(5)
    .describe("5, or 4 for MQTT 3.1.1"),
  subscribe: z
    .enum(["all", "site"])
    .default("all")
    .describe(
      "all: everything below cellward/v1, so that foreign and malformed topics are counted; site: this site alone",
    ),
  keepalive_s: z.int().min(1).max(3_600).default(30),
  connect_timeout_s: z.number().min(1).max(600).default(10),
  reconnect_ms: z.int().min(50).max(600_000).default(1_000),
  session_expiry_s: z
    .int()
    .min(0)
    .max(4_294_967_295)
    .default(86_400)
    .describe("How long the broker keeps what we missed (MQTT 5)"),
  receive_maximum: z.int().min(1).max(65_535).default(1_000).describe("Messages in flight towards us (MQTT 5)"),
  publish_queue: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(10_000)
    .describe("Messages waiting to be sent; beyond, the oldest go"),
  tls: z
    .object({
      ca: path.nullable().default(null),
      cert: path.nullable().default(null),
      key: path.nullable().default(null),
      verify: z.boolean().default(true).describe("false only for tests: anyone could then pose as the broker"),
    })
    .prefault({}),
  embedded: z
    .object({
      host: host.default("127.0.0.1"),
      port: port.default(1883).describe("0: any free port; a taken one ends the start"),
    })
    .prefault({}),
});

const influxSchema = z.object({
  url: z
    .string()
    .regex(/^https?:\/\/[^/\s@]+(\/[^\s@]*)?$/, "expected a URL such as http://127.0.0.1:8086")
    .default("http://127.0.0.1:8086"),
  version: z.union([z.literal(1), z.literal(2)]).default(2),
  database: z.string().min(1).default("cellward").describe("Version 1"),
  username: z.string().nullable().default(null).describe("Version 1"),
  password: secret.nullable().default(null).describe("Version 1"),
  password_file: path.nullable().default(null),
  org: z.string().min(1).default("cellward").describe("Version 2"),
  bucket: z.string().min(1).default("cellward").describe("Version 2"),
  token: secret.nullable().default(null).describe("Version 2"),
  token_file: path.nullable().default(null),
  retention_days: days.default(365).describe("0: for ever"),
});

export const configSchema = z.object({
  site: path.describe("Site file"),
  calibration: path.nullable().default(null).describe("Calibration file"),
  instance: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, "1 to 32 of a-z, 0-9 and '-'")
    .default("main")
    .describe("Name of this service in its topics and its client id"),
  data_dir: path.default("cellward-data").describe("Everything the service writes"),
  log: z
    .object({ level: z.enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"]).default("info") })
    .prefault({}),
  mqtt: mqttSchema.prefault({}),
  store: z
    .object({
      kind: z.enum(["local", "influx"]).default("local"),
      local: z
        .object({
          dir: path.nullable().default(null).describe("Default: store below data_dir"),
          retention_days: days.default(30).describe("0: for ever"),
        })
        .prefault({}),
      influx: influxSchema.prefault({}),
    })
    .prefault({}),
  journal: z
    .object({
      enabled: z.boolean().default(true).describe("false: readings are acknowledged before they are durable"),
      group_ms: z.number().min(0).max(1_000).default(5).describe("Longest wait for company before a sync"),
      snapshot_s: z
        .number()
        .min(1)
        .max(3_600)
        .default(30)
        .describe("Between two snapshots; what came since is gone through again at a restart"),
      retention_hours: z.number().min(0).max(87_600).default(24),
      max_bytes: z.number().min(1_048_576).default(4_294_967_296),
      reserve_bytes: z.number().min(0).default(67_108_864).describe("Room kept for alerts when the disk fills"),
    })
    .prefault({}),
  http: z
    .object({
      host: host.default("127.0.0.1").describe("Beyond loopback a token is demanded"),
      port: port.default(8080),
      token: secret.nullable().default(null),
      token_file: path.nullable().default(null),
    })
    .prefault({}),
  pipeline: z
    .object({
      window_ms: z
        .int()
        .min(50)
        .max(1_000)
        .refine((ms) => 1_000 % ms === 0, "must divide 1000, e.g. 100, 200, 250, 500 or 1000")
        .default(1_000)
        .describe("Length of the windows of event time that are judged"),
      hold_ms: z.int().min(0).max(600_000).default(2_000).describe("How long a window waits for silent sensors"),
      kernel: z
        .enum(["auto", "plain", "simd"])
        .default("auto")
        .describe("Detector kernel: auto takes WebAssembly SIMD where the host has it; both give the same alerts"),
      false_alarms_per_day: z.number().positive().max(10_000).default(0.5).describe("What is tolerated, a block"),
    })
    .prefault({}),
  learning: z
    .object({
      hours: z
        .number()
        .positive()
        .max(MOST_LEARNING_HOURS)
        .nullable()
        .default(null)
        .describe("Learning mode for so long after a block's first reading: alerts of phones are counted, not told"),
      until: z.iso
        .datetime({ offset: true })
        .nullable()
        .default(null)
        .describe("Learning mode until this instant, e.g. 2027-01-15T06:00:00+01:00; with hours, the later one counts"),
      blocks: z.array(z.string().min(1)).nullable().default(null).describe("Blocks that learn; default all"),
    })
    .prefault({}),
  health: z
    .object({
      silent_s: z.number().min(1).max(86_400).default(15).describe("A sensor is silent after this (or five periods)"),
      clock_off_ms: z
        .number()
        .min(10)
        .max(86_400_000)
        .default(1_000)
        .describe("A sensor's clock further off is a fault"),
      broker_s: z.number().min(0).max(86_400).default(10).describe("Without the broker for so long is a fault"),
      database_s: z.number().min(0).max(86_400).default(60).describe("The same of the time-series store"),
      loop_delay_ms: z
        .number()
        .min(50)
        .max(60_000)
        .default(1_000)
        .describe("The event loop held up for longer is a fault"),
      reboots: z
        .int()
        .min(2)
        .max(1_000)
        .default(3)
        .describe("So many starts of a sensor within 10 minutes are a fault"),
    })
    .prefault({}),
  limits: z
    .object({
      max_payload_bytes: z
        .int()
        .min(1_024)
        .max(1_040_000)
        .default(1_040_000)
        .describe("A message must fit into one frame of the durable log, 1 MiB with its topic"),
      max_depth: z.int().min(4).max(32).default(8),
      max_keys: z.int().min(64).max(4_096).default(1_000),
      max_instants: z.int().min(1).max(1_000_000).default(10_000).describe("Instants a message"),
      max_ahead_ms: z.int().min(1_000).max(86_400_000).default(600_000).describe("Times further ahead are refused"),
      inbox_messages: z.int().min(16).max(10_000_000).default(20_000).describe("Messages waiting to be judged"),
      inbox_bytes: z.int().min(1_048_576).max(17_179_869_184).default(134_217_728),
      sensor_messages_per_s: z.number().positive().max(1_000_000).default(100).describe("Quota of one sensor"),
      sensor_burst: z
        .int()
        .min(1)
        .max(10_000_000)
        .default(2_000)
        .describe("Messages a sensor may send at once, e.g. its ring"),
    })
    .prefault({}),
});

type ConfigFile = z.output<typeof configSchema>;

type CamelKey<S extends string> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<CamelKey<Tail>>}` : S;
type SecretKey = "password" | "token";
/** The file's shape with camel-case keys and wrapped secrets; the `_file` keys are gone, their contents are in. */
type Camel<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? {
        readonly [K in keyof T as K extends `${SecretKey}_file`
          ? never
          : K extends string
            ? CamelKey<K>
            : never]: K extends SecretKey ? Secret | null : Camel<T[K]>;
      }
    : T;

/** The checked configuration, frozen. Paths are absolute. */
export type Config = Camel<ConfigFile>;

export type Origin = "flag" | "env" | "file" | "default";

export interface LoadedConfig {
  readonly config: Config;
  /** Where each value came from, by dotted path, in the order of the schema. */
  readonly settings: readonly {
    readonly path: string;
    readonly value: unknown;
    readonly origin: Origin;
    readonly from: string;
  }[];
  /** Environment variables that look like ours but aren't. */
  readonly warnings: readonly string[];
}

export interface ConfigSources {
  /** Path of the file; null: defaults, environment and flags alone. */
  readonly file: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By dotted path, e.g. `{"mqtt.url": "mqtt://…"}`; text is read as in the environment. */
  readonly flags?: Readonly<Record<string, unknown>>;
}

// ------------------------------------------------------------------------------------------------------------ loading

interface Leaf {
  readonly path: readonly string[];
  readonly schema: z.ZodType;
  readonly description: string;
}

/** Every setting of the schema, in order. */
export function settingsOf(schema: z.ZodType = configSchema, prefix: readonly string[] = []): Leaf[] {
  const inner = schema instanceof z.ZodPrefault ? (schema.unwrap() as z.ZodType) : schema;
  if (!(inner instanceof z.ZodObject)) return [{ path: prefix, schema, description: schema.description ?? "" }];
  return Object.entries(inner.shape as Record<string, z.ZodType>).flatMap(([key, child]) =>
    settingsOf(child, [...prefix, key]),
  );
}

/** Environment variable of a setting: `mqtt.url` is `CELLWARD_MQTT_URL`. */
export function envName(settingPath: readonly string[]): string {
  return `CELLWARD_${settingPath.join("_").toUpperCase()}`;
}

/** Variables of ours that are no settings: where recorded data lies, whether real servers are tested, the file itself. */
const OTHER_ENV = new Set(["CELLWARD_CONFIG", "CELLWARD_DATA", "CELLWARD_REAL"]);

/** Loads and checks. Throws `AppError` CONFIG_INVALID with every problem, or FILE_UNREADABLE. */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const name = sources.file ?? "configuration";
  const problems: Problem[] = [];
  const { value: fileValue, lineOf } = sources.file === null ? emptyFile() : readFile(sources.file, problems);
  if (problems.length > 0) throw invalid(name, problems);

  const merged = structuredClone(fileValue ?? {}) as Record<string, unknown>;
  const origins = new Map<string, { origin: Origin; from: string; base: string }>();
  const leaves = settingsOf();
  const fileDir = sources.file === null ? process.cwd() : dirname(resolve(sources.file));
  const note = (path: Path, message: string, from: string | null): void => {
    const told = isSecretKey(String(path.at(-1))) ? "expected non-empty text; a number is put in quotes" : message;
    // A URL may hold a password before its `@`.
    const safe = told.replace(/\/\/[^/\s"]+@/g, "//***@");
    problems.push({ path: from ?? pathText(path), line: from === null ? lineOf(path) : null, message: safe });
  };
  for (const extra of unknownKeys(configSchema, fileValue ?? {})) note(extra.path, extra.message, null);
  for (const leaf of leaves) {
    const dotted = leaf.path.join(".");
    const variable = envName(leaf.path);
    const env = sources.env[variable];
    const flag = sources.flags?.[dotted];
    let given: { origin: Origin; from: string; base: string } = { origin: "default", from: "", base: process.cwd() };
    if (read(merged, leaf.path) !== undefined) given = { origin: "file", from: name, base: fileDir };
    if (env !== undefined && env !== "") {
      write(merged, leaf.path, fromText(env, leaf.schema));
      given = { origin: "env", from: variable, base: process.cwd() };
    }
    if (flag !== undefined) {
      write(merged, leaf.path, typeof flag === "string" ? fromText(flag, leaf.schema) : flag);
      given = { origin: "flag", from: `--set ${dotted}`, base: process.cwd() };
    }
    origins.set(dotted, given);
  }
  for (const dotted of Object.keys(sources.flags ?? {})) {
    if (!origins.has(dotted)) note([dotted], `unknown setting${hint(dotted, [...origins.keys()])}`, `--set ${dotted}`);
  }
  for (const shape of shapeProblems(configSchema, merged)) {
    const given = origins.get(shape.path.join("."));
    note(shape.path, shape.message, given?.origin === "env" || given?.origin === "flag" ? given.from : null);
  }
  if (problems.length > 0) throw invalid(name, problems);

  const checked = configSchema.parse(merged);
  resolvePaths(checked, origins);
  readSecrets(checked, note);
  crossChecks(checked, note);
  if (problems.length > 0) throw invalid(name, problems);
  const settings = leaves.map((leaf) => {
    const dotted = leaf.path.join(".");
    const { origin, from } = origins.get(dotted)!;
    const value = read(checked, leaf.path);
    return { path: dotted, value: isSecretKey(leaf.path.at(-1)!) && value !== null ? "***" : value, origin, from };
  });
  const config = camel(checked) as Config;
  return { config, settings, warnings: strangeVariables(sources.env, leaves) };
}

function emptyFile(): { value: unknown; lineOf: (path: Path) => number | null } {
  return { value: {}, lineOf: () => null };
}

function readFile(file: string, problems: Problem[]): { value: unknown; lineOf: (path: Path) => number | null } {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw unreadable(`the configuration ${file}`, cause);
  }
  const read = readDocument(text);
  if (!read.ok) {
    problems.push(...read.problems);
    return emptyFile();
  }
  const value = read.document.value ?? {};
  if (typeof value !== "object" || Array.isArray(value)) {
    problems.push({ path: "", line: 1, message: "expected settings such as `site: site.yaml`" });
  }
  return { value, lineOf: read.document.lineOf };
}

function invalid(name: string, problems: readonly Problem[]): AppError {
  return new AppError("CONFIG_INVALID", `${name}: ${counted(problems.length, "problem")}`, {
    details: problems.map(problemText),
  });
}

function hint(text: string, known: readonly string[]): string {
  const near = nearest(text, known);
  return near === null ? "" : `; did you mean '${near}'?`;
}

function read(tree: unknown, at: readonly string[]): unknown {
  let node = tree;
  for (const key of at) {
    if (typeof node !== "object" || node === null) return undefined;
    node = (node as Record<string, unknown>)[key];
  }
  return node;
}

function write(tree: Record<string, unknown>, at: readonly string[], value: unknown): void {
  let node = tree;
  for (const key of at.slice(0, -1)) {
    const child = node[key];
    if (typeof child !== "object" || child === null || Array.isArray(child)) node[key] = {};
    node = node[key] as Record<string, unknown>;
  }
  node[at.at(-1)!] = value;
}

/** Text of the environment as the type the schema wants; what doesn't fit stays text, and the schema says what it wants. */
function fromText(text: string, schema: z.ZodType): unknown {
  if (text === "null") return null;
  if (schema.safeParse(text).success) return text;
  if (/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text)) return Number(text);
  if (text === "true" || text === "false") return text === "true";
  const list = text.split(",").map((part) => part.trim());
  return schema.safeParse(list).success ? list : text;
}

const PATHS = ["site", "calibration", "data_dir", "mqtt.password_file", "mqtt.tls.ca", "mqtt.tls.cert", "mqtt.tls.key"]
  .concat(["store.local.dir", "store.influx.password_file", "store.influx.token_file", "http.token_file"])
  .map((dotted) => dotted.split("."));

/** Relative paths of the file are relative to the file, others to the working directory. */
function resolvePaths(config: ConfigFile, origins: ReadonlyMap<string, { base: string }>): void {
  for (const at of PATHS) {
    const value = read(config, at);
    if (typeof value !== "string" || isAbsolute(value)) continue;
    write(config, at, resolve(origins.get(at.join("."))!.base, value));
  }
  config.store.local.dir ??= resolve(config.data_dir, "store");
}

/** The learning mode as the pipelines take it; null: not configured. */
export function learningOf({ learning }: Pick<Config, "learning">) {
  const { until, hours, blocks } = learning;
  if (until === null && hours === null) return null;
  return { untilMs: until === null ? null : Date.parse(until), hours, blocks };
}

type Note = (path: Path, message: string, from: string | null) => void;

function isSecretKey(key: string): key is SecretKey {
  return key === "password" || key === "token";
}

/** Takes the secrets out of their files. */
function readSecrets(config: ConfigFile, note: Note): void {
  const holders: [string, Record<string, unknown>, SecretKey][] = [
    ["mqtt", config.mqtt, "password"],
    ["store.influx", config.store.influx, "password"],
    ["store.influx", config.store.influx, "token"],
    ["http", config.http, "token"],
  ];
  for (const [where, holder, key] of holders) {
    const file = holder[`${key}_file`];
    if (typeof file !== "string") continue;
    const at = [...where.split("."), `${key}_file`];
    if (holder[key] !== null) {
      note(at, `stands beside ${key}; give one of the two`, null);
      continue;
    }
    try {
      const text = readFileSync(file, "utf8").replace(/\r?\n$/, "");
      if (text === "") note(at, `${file} is empty; it holds the ${key} alone`, null);
      else holder[key] = text;
    } catch (error) {
      note(at, `can't be read: ${(error as Error).message}`, null);
    }
  }
}

function crossChecks(config: ConfigFile, note: Note): void {
  const { tls, username, password } = config.mqtt;
  if ((tls.cert === null) !== (tls.key === null))
    note(["mqtt", "tls"], "cert and key go together; one is missing", null);
  if (password !== null && username === null) note(["mqtt", "username"], "is missing; a password needs one", null);
  if (config.mqtt.url === null && (username !== null || password !== null)) {
    note(["mqtt", "username"], "is for a broker, but mqtt.url is not set; the embedded broker asks for none", null);
  }
  const { hours, until, blocks } = config.learning;
  if (blocks !== null && hours === null && until === null) {
    note(["learning", "blocks"], "needs hours or until: learning mode always has an end", null);
  }
  if (config.store.kind === "influx" && config.store.influx.version === 2 && config.store.influx.token === null) {
    note(["store", "influx"], "token is missing; InfluxDB 2 demands a token (or token_file)", null);
  }
}

function strangeVariables(env: ConfigSources["env"], leaves: readonly Leaf[]): string[] {
  const known = leaves.map((leaf) => envName(leaf.path));
  return Object.keys(env)
    .filter((name) => name.startsWith("CELLWARD_") && !known.includes(name) && !OTHER_ENV.has(name))
    .map((name) => `the environment variable ${name} is no setting${hint(name, known)}`);
}

function camel(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const out: Record<string, unknown> = {};
  for (const [key, child] of Object.entries(value)) {
    if (key.endsWith("_file") && isSecretKey(key.slice(0, -5))) continue;
    const name = key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    out[name] = isSecretKey(key) ? (child === null ? null : new Secret(child as string)) : camel(child);
  }
  return Object.freeze(out);
}
