/**
 * The site file (contracts section 5): its schema, its checks and the frozen `Site` of the model. Everything that is wrong
 * is reported at once. Unknown keys are warnings, so that files written for other programs can be read.
 */
import { readFileSync } from "node:fs";
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
import type { Band, BeliefFile, Floor, Point2, Schedule, SensorSite, Site, Wall, Zone, ZoneKind } from "./model.ts";

// --------------------------------------------------------------------------------------------------------- vocabulary

const MHZ = 1_000_000;
const band = (id: string, loMhz: number, hiMhz: number, tdd = false): Band => ({
  id,
  loHz: loMhz * MHZ,
  hiHz: hiMhz * MHZ,
  tdd,
});

/**
 * Built-in band plans, contracts section 1. `bt-wifi-2400` is not marked `tdd`: a cell block has no access points as a
 * rule; a site that has some says so by repeating the band under `bands` with `tdd: true`.
 */
export const BAND_PLANS: Readonly<Record<"eu" | "us" | "none", readonly Band[]>> = {
  eu: [
    band("lte700-ul", 703, 733),
    band("lte800-ul", 832, 862),
    band("gsm900-ul", 880, 915),
    band("lte1800-ul", 1710, 1785),
    band("umts2100-ul", 1920, 1980),
    band("lte2600-ul", 2500, 2570),
    band("nr3500-tdd", 3490, 3800, true),
    band("bt-wifi-2400", 2400, 2483.5),
  ],
  us: [
    band("lte600-ul", 663, 698),
    band("lte700a-ul", 699, 716),
    band("lte700c-ul", 777, 787),
    band("cell850-ul", 824, 849),
    band("aws1700-ul", 1710, 1780),
    band("pcs1900-ul", 1850, 1915),
    band("nr3700-tdd", 3700, 3980, true),
    band("bt-wifi-2400", 2400, 2483.5),
  ],
  none: [],
};

/** Materials known by name. A thickness in millimetres may follow: `concrete-200`, `brick-110`. */
export const MATERIALS = [
  "concrete",
  "brick",
  "stone",
  "plasterboard",
  "plaster",
  "drywall",
  "gypsum",
  "light",
  "wood",
  "wood-door",
  "glass",
  "steel",
  "steel-door",
  "metal",
  "bars",
  "grille",
  "open",
] as const;

/** Whether a material name is known: one of `MATERIALS`, alone or with a thickness of 1 to 3000 mm. */
export function isKnownMaterial(name: string): boolean {
  const [, base, thickness] = /^([a-z-]+?)(?:-(\d{1,4}))?$/.exec(name) ?? [];
  if (thickness !== undefined && !(Number(thickness) >= 1 && Number(thickness) <= 3000)) return false;
  return (MATERIALS as readonly (string | undefined)[]).includes(base);
}

/** Where contracts are silent (`perimeter`), forbidden: nobody carries a phone between the fences by right. */
const PHONES_BY_KIND: Readonly<Record<ZoneKind, "allowed" | "forbidden">> = {
  cell: "forbidden",
  corridor: "forbidden",
  yard: "forbidden",
  perimeter: "forbidden",
  staff: "allowed",
  gate: "allowed",
  outside: "allowed",
};

// ------------------------------------------------------------------------------------------------------------- schema

const ID_PATTERN = /^[a-z0-9][a-z0-9-]{0,31}$/;
const ID_RULE = "an id is 1 to 32 of a-z, 0-9 and '-', beginning with a letter or digit";
/** YAML reads an unquoted `0` as a number; as an id it is the text "0". */
const id = z.preprocess(
  (value) => (typeof value === "number" ? String(value) : value),
  z.string().regex(ID_PATTERN, ID_RULE),
);
/** Any projected grid in metres (UTM's northings reach 1e7); a site spans far less, see `checkSpan`. */
const metres = z.number().min(-1e7).max(1e7);
/** A site spans kilometres at the most; more is a mistake of unit or of projection. */
const MOST_SPAN_M = 100_000;
const point = z.tuple([metres, metres]);
const lossDb = z.union([z.number().min(0).max(300), z.record(z.string(), z.number().min(0).max(300))]);
const hz = z.number().min(1_000).max(300_000_000_000);

const bandSchema = z.object({
  id,
  lo_hz: hz,
  hi_hz: hz,
  tdd: z.boolean().default(false).describe("True where base stations transmit on the same frequencies"),
});
const blockSchema = z.object({ id, name: z.string().optional() });
const floorSchema = z.object({
  id,
  level: z.int().min(-100).max(200).describe("Storey number; neighbours differ by one"),
  z_m: metres.describe("Height of the walking surface above the site's datum"),
  height_m: z.number().positive().max(100).default(3),
  slab: z.string().nullish().describe("Material of the slab under this floor"),
  slab_loss_db: z.number().min(0).max(300).nullish(),
});
const zoneSchema = z.object({
  id,
  block: id.nullish(),
  floor: id.nullish(),
  kind: z.enum(["cell", "corridor", "staff", "yard", "gate", "perimeter", "outside"]),
  polygon: z.array(point).max(2_000).describe("Metres; either orientation; the first point need not be repeated"),
  phones: z.enum(["allowed", "forbidden"]).nullish(),
});
const doorSchema = z.object({
  at: z.number().describe("Distance of the door's centre from the wall's `from` end, metres"),
  width_m: z.number().positive().max(100).default(0.9),
  material: z.string().nullish(),
  loss_db: lossDb.nullish(),
});
const wallSchema = z.object({
  floor: id,
  from: point,
  to: point,
  material: z.string().nullish(),
  loss_db: lossDb.nullish(),
  door: doorSchema.nullish(),
});
const sensorSchema = z.object({
  id,
  block: id,
  floor: id.nullish().describe("Required unless a scanner's place has one"),
  type: z.enum(["rf", "scanner", "presence"]),
  position_m: z.tuple([metres, metres, metres]).nullish().describe("x, y, z in site coordinates"),
  bands: z.array(z.string()).max(64).default([]),
  method: z.enum(["nljd", "ferromagnetic", "mmwave", "xray", "metal"]).nullish(),
  place: id.nullish(),
});

const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
const clockTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "a time of day, HH:MM");
const date = z.iso.date();
const scheduleSchema = z.object({
  what: z.enum(["visits", "works", "other"]),
  zones: z.array(id).min(1).max(1_000).describe("Zones where phones are carried by right then"),
  days: z.array(z.enum(DAYS)).min(1).max(7).nullish().describe("Left out: every day"),
  dates: z.tuple([date, date]).nullish().describe("First and last day; left out: always"),
  from: clockTime.describe("In the site's time zone"),
  to: clockTime.describe("Not after `from`: on the next day"),
  phones: z.number().min(0.1).max(1_000).default(1).describe("Phones expected in each of the zones"),
});
const perDay = z.number().min(0).max(1000);
const share = z.number().min(0).max(1);
/** A probability that may be neither 0 nor 1: evidence must be able to speak against it. */
const odds = z.number().min(0.001).max(0.999);
const ratesSchema = z.object({
  hit: odds.optional().describe("Probability of an alarm where there is a phone"),
  false_alarm: odds.optional().describe("Probability of an alarm where there is none"),
  trials: z.number().min(0).max(1e6).optional().describe("Weight of these figures against outcomes recorded here"),
});
const beliefSchema = z.object({
  half_life_days: z
    .number()
    .min(0.1)
    .max(365)
    .optional()
    .describe("Half of what is known of a cell is out of date then"),
  prevalence: odds.optional().describe("Share of cells in which a phone is kept, before anything is known"),
  uses_per_day: perDay.optional().describe("Uses of a kept phone that the sensors hear"),
  stray_per_day: z.number().min(0.001).max(1000).optional().describe("Uses in a block's cells of phones kept in none"),
  used_elsewhere: share.optional().describe("Share of uses elsewhere in the wing than where the phone is kept"),
  in_common: share.optional().describe("Part of those in corridors and yards"),
  repeat_share: share.optional().describe("Share of a place's localisation error that repeats itself"),
  search_hit: odds.optional().describe("Probability that a search by hand finds the phone that is there"),
  carry_share: odds.optional().describe("Share of passes through a portal that carry a phone"),
  methods: z
    .object({
      nljd: ratesSchema.optional(),
      ferromagnetic: ratesSchema.optional(),
      mmwave: ratesSchema.optional(),
      xray: ratesSchema.optional(),
      metal: ratesSchema.optional(),
    })
    .optional(),
});

/** Schema of the site file as written; `parseSite` adds what a schema can't say. */
export const siteSchema = z.object({
  id,
  name: z.string().optional(),
  timezone: z.string().default("UTC"),
  band_plan: z.enum(["eu", "us", "none"]).default("eu"),
  bands: z.array(bandSchema).max(256).default([]),
  blocks: z.array(blockSchema).min(1, "a site has at least one block").max(1_000),
  floors: z.array(floorSchema).min(1, "a site has at least one floor").max(300),
  zones: z.array(zoneSchema).min(1, "a site has at least one zone").max(50_000),
  walls: z.array(wallSchema).max(200_000).default([]),
  sensors: z.array(sensorSchema).max(50_000).default([]),
  schedules: z.array(scheduleSchema).max(1_000).default([]),
  belief: beliefSchema.optional().describe("Settings of the belief that lasts over days; all have defaults"),
});

type ZoneFile = z.output<typeof zoneSchema>;
type WallFile = z.output<typeof wallSchema>;
type SensorFile = z.output<typeof sensorSchema>;

export type SiteResult =
  | { readonly ok: true; readonly site: Site; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[]; readonly warnings: readonly Problem[] };

// -------------------------------------------------------------------------------------------------------------- doors

/** Reads and checks a site file. Throws `AppError` SITE_INVALID with every problem, or FILE_UNREADABLE. */
export function loadSite(path: string): Site {
  return loadSiteWithWarnings(path).site;
}

/** As `loadSite`, with the warnings. */
export function loadSiteWithWarnings(path: string): { site: Site; warnings: readonly Problem[] } {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw unreadable(`the site file ${path}`, cause);
  }
  const result = parseSite(text, path);
  if (result.ok) return { site: result.site, warnings: result.warnings };
  const count = result.problems.length;
  throw new AppError("SITE_INVALID", `${path}: ${counted(count, "problem")}`, {
    details: result.problems.map(problemText),
  });
}

/** Checks the text of a site file. Never throws for anything the text contains. */
export function parseSite(text: string, _fileName: string): SiteResult {
  const read = readDocument(text);
  if (!read.ok) return { ok: false, problems: read.problems, warnings: [] };
  const { value, lineOf } = read.document;
  if (value === null)
    return { ok: false, problems: [{ path: "", line: null, message: "the file is empty" }], warnings: [] };
  const report = new Report();
  for (const shape of shapeProblems(siteSchema, value)) report.error(shape.path, shape.message);
  for (const extra of unknownKeys(siteSchema, value)) report.warn(extra.path, extra.message);
  const draft = checkedDraft(value, report);
  const located = (list: readonly { path: Path; message: string }[]): Problem[] =>
    list.map(({ path, message }) => ({ path: pathText(path), line: lineOf(path), message }));
  if (report.errors.length > 0 || draft === null) {
    return { ok: false, problems: located(report.errors), warnings: located(report.warnings) };
  }
  return { ok: true, site: deepFreeze(draft), warnings: located(report.warnings) };
}

class Report {
  readonly errors: { path: Path; message: string }[] = [];
  readonly warnings: { path: Path; message: string }[] = [];
  error(path: Path, message: string): void {
    this.errors.push({ path, message });
  }
  warn(path: Path, message: string): void {
    this.warnings.push({ path, message });
  }
}

// ------------------------------------------------------------------------------------------------------------- checks

/** The well-shaped items of one list. Ill-shaped ones were reported already, but their ids still count as known. */
interface Items<T> {
  readonly good: readonly { readonly index: number; readonly item: T }[];
  readonly bad: readonly { readonly index: number; readonly value: unknown }[];
  readonly ids: ReadonlySet<string>;
}

function itemsOf<T>(raw: unknown, key: string, schema: z.ZodType<T>, report: Report): Items<T> {
  const list = (raw as Record<string, unknown> | null)?.[key];
  const good: { index: number; item: T }[] = [];
  const bad: { index: number; value: unknown }[] = [];
  const firstAt = new Map<string, number>();
  for (const [index, value] of Array.isArray(list) ? list.entries() : []) {
    const parsed = schema.safeParse(value);
    if (parsed.success) good.push({ index, item: parsed.data });
    else bad.push({ index, value });
    const given = (value as { id?: unknown } | null)?.id;
    if (typeof given !== "string" && typeof given !== "number") continue;
    const text = String(given);
    const first = firstAt.get(text);
    if (first === undefined) firstAt.set(text, index);
    else report.error([key, index, "id"], `'${text}' is already the id of ${key}[${first}]; ids are unique`);
  }
  return { good, bad, ids: new Set(firstAt.keys()) };
}

/** Runs every check on the parts that are well-shaped. null when the file as a whole is not an object. */
function checkedDraft(raw: unknown, report: Report): Site | null {
  if (typeof raw !== "object" || raw === null || Array.isArray(raw)) return null;
  const head = raw as Record<string, unknown>;
  const plan = head.band_plan === "us" || head.band_plan === "none" ? head.band_plan : "eu";
  const bands = mergedBands(plan, itemsOf(raw, "bands", bandSchema, report), report);
  const bandIds = new Set(bands.map((b) => b.id));
  const blocks = itemsOf(raw, "blocks", blockSchema, report);
  const floors = itemsOf(raw, "floors", floorSchema, report);
  const zones = itemsOf(raw, "zones", zoneSchema, report);
  const walls = itemsOf(raw, "walls", wallSchema, report);
  const sensors = itemsOf(raw, "sensors", sensorSchema, report);
  checkTimezone(head.timezone, report);

  const floorList: Floor[] = floors.good.map(({ index, item }) => {
    if (typeof item.slab === "string") checkMaterial(["floors", index, "slab"], item.slab, report);
    const twin = floors.good.find((other) => other.index < index && other.item.level === item.level);
    if (twin) report.error(["floors", index, "level"], `level ${item.level} is floors[${twin.index}]'s already`);
    return {
      id: item.id,
      level: item.level,
      zM: item.z_m,
      heightM: item.height_m,
      slabMaterial: item.slab ?? null,
      slabLossDb: item.slab_loss_db ?? null,
    };
  });
  const refs: References = { blocks: blocks.ids, floors: floors.ids, zones: zones.ids, bands: bandIds };
  for (const [key, items] of Object.entries({ zones, walls, sensors })) checkBadItems(key, items.bad, refs, report);
  const zoneList = zones.good.map(({ index, item }) => checkedZone(item, ["zones", index], refs, report));
  const wallList = walls.good.map(({ index, item }) => checkedWall(item, ["walls", index], refs, report));
  const sensorList = sensors.good.map(({ index, item }) =>
    checkedSensor(item, ["sensors", index], refs, zoneList, floorList, report),
  );
  const corners = zoneList.map((z, i) => ({ path: ["zones", zones.good[i]!.index, "polygon"], at: z.polygon[0] }));
  const hung = sensorList.map((s, i) => ({ path: ["sensors", sensors.good[i]!.index, "position_m"], at: s.positionM }));
  checkSpan([...corners, ...hung], report);
  checkCoverage(zoneList, sensorList, report);

  const siteId = typeof head.id === "number" ? String(head.id) : String(head.id ?? "");
  return {
    id: siteId,
    name: typeof head.name === "string" ? head.name : siteId,
    timezone: typeof head.timezone === "string" ? head.timezone : "UTC",
    bands,
    blocks: blocks.good.map(({ item }) => ({ id: item.id, name: item.name ?? item.id })),
    floors: floorList,
    zones: zoneList,
    walls: wallList,
    sensors: sensorList,
    schedules: checkedSchedules(raw, refs, report),
    ...beliefOf(head.belief),
  };
}

function checkedSchedules(raw: object, refs: References, report: Report): Schedule[] {
  const minutes = (text: string) => 60 * Number(text.slice(0, 2)) + Number(text.slice(3));
  return itemsOf(raw, "schedules", scheduleSchema, report).good.map(({ index, item }) => {
    item.zones.forEach((zone, i) => {
      checkReference(["schedules", index, "zones", i], "zone", zone, refs.zones, report);
    });
    const dates = item.dates ?? null;
    if (dates !== null && dates[1] < dates[0]) {
      report.error(["schedules", index, "dates"], `the last day, ${dates[1]}, lies before the first, ${dates[0]}`);
    }
    return {
      what: item.what,
      zones: item.zones,
      days: item.days?.map((day) => DAYS.indexOf(day)) ?? null,
      dates,
      fromMinute: minutes(item.from),
      toMinute: minutes(item.to),
      phones: item.phones,
    };
  });
}

/** The file's words as the model's; what is ill-shaped was reported already. */
function beliefOf(raw: unknown): { belief?: BeliefFile } {
  const parsed = beliefSchema.safeParse(raw);
  if (!parsed.success) return {};
  const camel = (key: string) => key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const renamed = (value: unknown): unknown =>
    typeof value !== "object" || value === null
      ? value
      : Object.fromEntries(Object.entries(value).map(([key, v]) => [camel(key), renamed(v)]));
  return { belief: renamed(parsed.data) as BeliefFile };
}

interface References {
  readonly blocks: ReadonlySet<string>;
  readonly floors: ReadonlySet<string>;
  readonly zones: ReadonlySet<string>;
  readonly bands: ReadonlySet<string>;
}

/** References of ill-shaped items, so that mending the shape does not bring up new problems. */
function checkBadItems(key: string, bad: Items<unknown>["bad"], refs: References, report: Report): void {
  for (const { index, value } of bad) {
    if (typeof value !== "object" || value === null) continue;
    const fields = value as Record<string, unknown>;
    for (const [noun, list] of [
      ["block", refs.blocks],
      ["floor", refs.floors],
    ] as const) {
      const given = fields[noun];
      if (typeof given === "string") checkReference([key, index, noun], noun, given, list, report);
    }
    if (typeof fields.place === "string")
      checkReference([key, index, "place"], "zone", fields.place, refs.zones, report);
  }
}

/** The plan's bands, then the site's own; a band of the site replaces the plan's of the same id. */
function mergedBands(plan: "eu" | "us" | "none", own: Items<z.output<typeof bandSchema>>, report: Report): Band[] {
  const merged = new Map(BAND_PLANS[plan].map((b) => [b.id, b]));
  for (const { index, item } of own.good) {
    if (item.hi_hz <= item.lo_hz) {
      report.error(["bands", index, "hi_hz"], `must be above lo_hz (${item.lo_hz}), is ${item.hi_hz}`);
    }
    merged.set(item.id, { id: item.id, loHz: item.lo_hz, hiHz: item.hi_hz, tdd: item.tdd });
  }
  return [...merged.values()];
}

function checkTimezone(timezone: unknown, report: Report): void {
  if (typeof timezone !== "string") return;
  try {
    new Intl.DateTimeFormat("en", { timeZone: timezone });
  } catch {
    report.error(["timezone"], `'${timezone}' is not an IANA time zone; e.g. Europe/Paris or UTC`);
  }
}

function checkMaterial(path: Path, name: string, report: Report): void {
  if (isKnownMaterial(name)) return;
  const base = name.replace(/-\d+$/, "");
  const near = nearest(base, MATERIALS);
  const tail = `known: ${MATERIALS.join(", ")}, each with or without a thickness in mm such as concrete-200`;
  report.error(
    path,
    `unknown material '${name}'; ${near !== null && near !== base ? `did you mean '${near}'? ` : ""}${tail}`,
  );
}

function checkReference(path: Path, noun: string, given: string, known: ReadonlySet<string>, report: Report): boolean {
  if (known.has(given)) return true;
  const near = nearest(given, [...known]);
  const some = [...known].slice(0, 8).join(", ");
  const hint =
    near !== null ? `did you mean '${near}'?` : known.size === 0 ? `no ${noun} is defined` : `known: ${some}`;
  report.error(path, `there is no ${noun} '${given}'; ${hint}`);
  return false;
}

function checkedZone(item: ZoneFile, path: Path, refs: References, report: Report): Zone {
  for (const key of ["block", "floor"] as const) {
    const given = item[key];
    if (given != null) checkReference([...path, key], key, given, refs[`${key}s`], report);
    else if (item.kind === "cell" || item.kind === "corridor" || item.kind === "staff") {
      report.error([...path, key], `is missing; a zone of kind ${item.kind} belongs to a ${key}`);
    } else if (item.kind !== "outside") {
      report.warn([...path, key], `is missing; only zones of kind outside do without a ${key}`);
    }
  }
  return {
    id: item.id,
    block: item.block ?? null,
    floor: item.floor ?? null,
    kind: item.kind,
    polygon: checkedPolygon(item.polygon, [...path, "polygon"], report),
    phones: item.phones ?? PHONES_BY_KIND[item.kind],
  };
}

/** Polygons smaller than this are slips of the pen: a tenth of a square metre holds nobody. */
const MIN_ZONE_AREA_M2 = 0.1;

/** Counter-clockwise and open (the first point is not repeated at the end), or a problem. */
function checkedPolygon(points: readonly Point2[], path: Path, report: Report): Point2[] {
  const ring = points.filter((p, i) => i === 0 || p[0] !== points[i - 1]![0] || p[1] !== points[i - 1]![1]);
  while (ring.length > 1 && ring[0]![0] === ring.at(-1)![0] && ring[0]![1] === ring.at(-1)![1]) ring.pop();
  if (ring.length < 3) {
    report.error(path, `has ${ring.length} different points; a polygon has at least 3`);
    return ring;
  }
  const crossing = selfIntersection(ring);
  if (crossing !== null) {
    const [a, b] = crossing;
    report.error(
      path,
      `crosses itself: the side after point ${a} meets the side after point ${b}; list the corners in order`,
    );
    return ring;
  }
  const area = signedArea(ring);
  if (Math.abs(area) < MIN_ZONE_AREA_M2) {
    report.error(
      path,
      `has an area of ${Math.abs(area).toFixed(3)} m2; the corners lie on one line, or the unit is wrong (metres)`,
    );
  }
  return area < 0 ? ring.reverse() : ring;
}

/** Whether something lies far from everything else: another unit, another grid, or a position that was left at zero. */
function checkSpan(
  places: readonly { readonly path: Path; readonly at: readonly number[] | null | undefined }[],
  report: Report,
): void {
  for (const [axis, name] of ["x", "y"].entries()) {
    const known = places.flatMap(({ path, at }) => (at ? [{ path, m: at[axis]! }] : []));
    const middle = known.map((p) => p.m).sort((a, b) => a - b)[Math.floor(known.length / 2)] ?? 0;
    const far = known.find((p) => Math.abs(p.m - middle) > MOST_SPAN_M);
    if (far === undefined) continue;
    const km = (Math.abs(far.m - middle) / 1000).toFixed(0);
    report.error(far.path, `${name} is ${km} km from most of the site; all positions are metres of one grid`);
  }
}

/** Area by the shoelace formula, positive when counter-clockwise, m2. */
export function signedArea(ring: readonly Point2[]): number {
  let twice = 0;
  for (let i = 0; i < ring.length; i++) {
    const [x1, y1] = ring[i]!;
    const [x2, y2] = ring[(i + 1) % ring.length]!;
    twice += x1 * y2 - x2 * y1;
  }
  return twice / 2;
}

/** The first two sides that touch without being neighbours, or neighbours that fold back; null for a simple polygon. */
function selfIntersection(ring: readonly Point2[]): [number, number] | null {
  const n = ring.length;
  const at = (i: number): Point2 => ring[i % n]!;
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const neighbours = j === i + 1 || (i === 0 && j === n - 1);
      if (neighbours) {
        const [a, b, c] = j === i + 1 ? [at(i), at(j), at(j + 1)] : [at(j), at(i), at(i + 1)];
        // Neighbours share a corner; they fold back when the third point lies on the same line, on the near side.
        if (cross(a, b, c) === 0 && (a[0] - b[0]) * (c[0] - b[0]) + (a[1] - b[1]) * (c[1] - b[1]) > 0) return [i, j];
      } else if (segmentsMeet(at(i), at(i + 1), at(j), at(j + 1))) return [i, j];
    }
  }
  return null;
}

function cross(o: Point2, a: Point2, b: Point2): number {
  return (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
}

function segmentsMeet(p1: Point2, p2: Point2, q1: Point2, q2: Point2): boolean {
  const d1 = cross(q1, q2, p1);
  const d2 = cross(q1, q2, p2);
  const d3 = cross(p1, p2, q1);
  const d4 = cross(p1, p2, q2);
  if (((d1 > 0 && d2 < 0) || (d1 < 0 && d2 > 0)) && ((d3 > 0 && d4 < 0) || (d3 < 0 && d4 > 0))) return true;
  const within = (a: Point2, b: Point2, p: Point2): boolean =>
    Math.min(a[0], b[0]) <= p[0] &&
    p[0] <= Math.max(a[0], b[0]) &&
    Math.min(a[1], b[1]) <= p[1] &&
    p[1] <= Math.max(a[1], b[1]);
  return (
    (d1 === 0 && within(q1, q2, p1)) ||
    (d2 === 0 && within(q1, q2, p2)) ||
    (d3 === 0 && within(p1, p2, q1)) ||
    (d4 === 0 && within(p1, p2, q2))
  );
}

/** A centimetre: how far a drawn door may stick out of its wall before it counts as a mistake. */
const DOOR_SLACK_M = 0.01;

function checkedWall(item: WallFile, path: Path, refs: References, report: Report): Wall {
  checkReference([...path, "floor"], "floor", item.floor, refs.floors, report);
  if (item.material != null) checkMaterial([...path, "material"], item.material, report);
  checkLossBands([...path, "loss_db"], item.loss_db, refs, report);
  const lengthM = Math.hypot(item.to[0] - item.from[0], item.to[1] - item.from[1]);
  if (lengthM === 0) report.error([...path, "to"], "is the same point as from; a wall has a length");
  if (item.material == null && item.loss_db == null) {
    report.warn(path, "has neither material nor loss_db; it is taken as a heavy wall");
  }
  const door = item.door ?? null;
  if (door !== null) {
    const [lo, hi] = [door.at - door.width_m / 2, door.at + door.width_m / 2];
    if (lengthM > 0 && (lo < -DOOR_SLACK_M || hi > lengthM + DOOR_SLACK_M)) {
      report.error(
        [...path, "door", "at"],
        `the door reaches from ${lo.toFixed(2)} to ${hi.toFixed(2)} m, off its wall of ${lengthM.toFixed(2)} m; ` +
          "'at' is the distance of the door's centre from the wall's 'from'",
      );
    }
    if (door.material != null) checkMaterial([...path, "door", "material"], door.material, report);
    checkLossBands([...path, "door", "loss_db"], door.loss_db, refs, report);
  }
  return {
    floor: item.floor,
    from: item.from,
    to: item.to,
    material: item.material ?? null,
    lossDb: item.loss_db ?? null,
    door:
      door === null
        ? null
        : { atM: door.at, widthM: door.width_m, material: door.material ?? null, lossDb: door.loss_db ?? null },
  };
}

function checkLossBands(path: Path, loss: WallFile["loss_db"], refs: References, report: Report): void {
  if (typeof loss !== "object" || loss === null) return;
  for (const given of Object.keys(loss)) checkReference([...path, given], "band", given, refs.bands, report);
}

function checkedSensor(
  item: SensorFile,
  path: Path,
  refs: References,
  zones: readonly Zone[],
  floors: readonly Floor[],
  report: Report,
): SensorSite {
  checkReference([...path, "block"], "block", item.block, refs.blocks, report);
  item.bands.forEach((given, i) => {
    checkReference([...path, "bands", i], "band", given, refs.bands, report);
    if (item.bands.indexOf(given) < i) report.error([...path, "bands", i], `'${given}' is listed twice`);
  });
  let floor = item.floor ?? null;
  if (floor !== null) checkReference([...path, "floor"], "floor", floor, refs.floors, report);
  if (item.place != null && checkReference([...path, "place"], "zone", item.place, refs.zones, report)) {
    floor ??= zones.find((zone) => zone.id === item.place)?.floor ?? null;
  }
  if (floor === null) report.error([...path, "floor"], "is missing; every sensor stands on a floor");
  if (item.type === "rf") {
    if (item.position_m == null)
      report.error([...path, "position_m"], "is missing; an rf sensor has a position [x, y, z]");
    if (item.bands.length === 0)
      report.warn([...path, "bands"], "lists no band; only its birth can say what it measures");
  } else if (item.type === "scanner" && item.place == null && item.position_m == null) {
    report.error([...path, "place"], "is missing; a scanner has a place (a zone) or a position_m");
  }
  const storey = floors.find((f) => f.id === floor);
  const positionM = item.position_m == null ? null : absolutePosition(item.position_m, storey, path, report);
  if (positionM !== null && item.type === "rf" && storey !== undefined) {
    const inside = zones.some(
      (zone) =>
        (zone.floor === null || zone.floor === floor) && insidePolygon(positionM[0], positionM[1], zone.polygon),
    );
    if (!inside)
      report.warn([...path, "position_m"], `lies in no zone of floor '${storey.id}'; is a coordinate wrong?`);
  }
  return {
    id: item.id,
    block: item.block,
    floor: floor ?? "",
    type: item.type,
    positionM,
    bands: item.bands,
    method: item.method ?? null,
    place: item.place ?? null,
  };
}

/** How far a sensor may stand off its storey unremarked: a mast on the roof, a probe in the slab. */
const STOREY_SLACK_M = 0.5;

/**
 * Heights are heights above the datum. Many people measure from the floor they stand on; where the value does not lie in
 * the storey but does as a height above its floor, that is what was meant.
 */
function absolutePosition(
  given: readonly [number, number, number],
  storey: Floor | undefined,
  path: Path,
  report: Report,
): [number, number, number] {
  const [x, y, z] = given;
  if (storey === undefined) return [x, y, z];
  const topM = storey.zM + storey.heightM;
  if (z >= storey.zM && z <= topM) return [x, y, z];
  const at: Path = [...path, "position_m", 2];
  if (z >= 0 && z <= storey.heightM) {
    report.warn(
      at,
      `${z} is not in the storey of floor '${storey.id}' (${storey.zM} to ${topM} m); taken as above its floor`,
    );
    return [x, y, storey.zM + z];
  }
  if (z < storey.zM - STOREY_SLACK_M || z > topM + STOREY_SLACK_M) {
    report.warn(
      at,
      `${z} is not in the storey of floor '${storey.id}' (${storey.zM} to ${topM} m); is the floor right?`,
    );
  }
  return [x, y, z];
}

/** Even-odd rule; points on an edge may fall either way. */
function insidePolygon(x: number, y: number, ring: readonly Point2[]): boolean {
  let inside = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [xi, yi] = ring[i]!;
    const [xj, yj] = ring[j]!;
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/** Warns of blocks without sensors, and once of all the forbidden zones that have no sensor of their own. */
function checkCoverage(zones: readonly Zone[], sensors: readonly SensorSite[], report: Report): void {
  const rf = sensors.filter((sensor) => sensor.type === "rf" && sensor.positionM !== null);
  const bare = zones.filter(
    (zone) =>
      zone.phones === "forbidden" &&
      !rf.some((s) => s.floor === zone.floor && insidePolygon(s.positionM![0], s.positionM![1], zone.polygon)) &&
      !sensors.some((s) => s.place === zone.id),
  );
  if (bare.length === 0) return;
  const names = bare
    .slice(0, 10)
    .map((zone) => zone.id)
    .join(", ");
  const more = bare.length > 10 ? ` and ${bare.length - 10} more` : "";
  report.warn(
    ["zones"],
    `${bare.length} of ${counted(zones.length, "zone")} without a sensor of their own (${names}${more}); phones there are placed by the sensors around`,
  );
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
