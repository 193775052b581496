/**
 * The house as the simulator sees it: read from a site file (contracts section 5) or made by a generator, and brought
 * into flat arrays for the radio. It checks only what it needs; `cellward check` is the judge of site files.
 */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import type { ScanMethod, ZoneKind } from "../src/model.ts";
import { crosses, pointInPolygon } from "./geometry.ts";
import type { GeneratorSpec } from "./scenario.ts";

interface BandTable {
  readonly plans: Readonly<Record<string, readonly string[]>>;
  readonly bands: Readonly<Record<string, readonly [number, number]>>;
}
interface MaterialTable {
  readonly ghz: readonly number[];
  readonly db: Readonly<Record<string, readonly number[]>>;
}
function data<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`./data/${name}.json`, import.meta.url), "utf8")) as T;
}
const BANDS = data<BandTable>("bands");
const MATERIALS = data<MaterialTable>("materials");

export interface SimBand {
  readonly id: string;
  readonly loHz: number;
  readonly hiHz: number;
  readonly midGhz: number;
  readonly tdd: boolean;
}
export interface SimFloor {
  readonly id: string;
  readonly level: number;
  readonly zM: number;
  /** Loss of the slab under this floor, per band index. */
  readonly slabDb: readonly number[];
}
export interface SimZone {
  readonly id: string;
  readonly block: string | null;
  /** Index into `floors`; -1 outside. */
  readonly floor: number;
  readonly kind: ZoneKind;
  readonly polygon: readonly (readonly [number, number])[];
  readonly allowed: boolean;
}
export interface SimDoor {
  readonly floor: number;
  readonly x: number;
  readonly y: number;
  /** Zone indices on its two sides; -1 where there is none. */
  readonly zones: readonly [number, number];
  /** A point just outside the door on the side of `zones[i]`. */
  readonly sides: readonly [readonly [number, number], readonly [number, number]];
  readonly lossDb: readonly number[];
}
export interface SimSensor {
  readonly id: string;
  readonly block: string;
  readonly floor: number;
  readonly x: number;
  readonly y: number;
  readonly z: number;
  /** Band indices. */
  readonly bands: readonly number[];
  readonly zone: number;
}
export interface SimScanner {
  readonly id: string;
  readonly block: string;
  readonly method: ScanMethod;
  readonly place: string | null;
}
/** Walls by columns; wall w runs from (x1,y1) to (x2,y2) on floor `floor[w]`. */
export interface SimWalls {
  readonly count: number;
  readonly floor: Int16Array;
  readonly x1: Float64Array;
  readonly y1: Float64Array;
  readonly x2: Float64Array;
  readonly y2: Float64Array;
  /** Row-major wall by band. */
  readonly lossDb: Float64Array;
  /** First and past-the-last wall of each floor: walls are sorted by floor. */
  readonly floorStart: Int32Array;
}
export interface SimSite {
  readonly id: string;
  readonly text: string;
  readonly bands: readonly SimBand[];
  readonly bandIndex: ReadonlyMap<string, number>;
  readonly floors: readonly SimFloor[];
  readonly zones: readonly SimZone[];
  readonly zoneIndex: ReadonlyMap<string, number>;
  readonly walls: SimWalls;
  readonly doors: readonly SimDoor[];
  readonly sensors: readonly SimSensor[];
  readonly scanners: readonly SimScanner[];
  /** Bounding boxes of the blocks, [x1,y1,x2,y2]: what counts as inside the building for emitters outside. */
  readonly blockBoxes: readonly (readonly [number, number, number, number])[];
}

// biome-ignore lint/suspicious/noExplicitAny: the document is read field by field below
type Doc = any;

/** Loss of a material at a frequency, dB. Linear between the table's frequencies and, for concrete, thicknesses. */
export function materialLossDb(material: string, ghz: number): number {
  const thick = /^(concrete|brick)-(\d+)$/.exec(material);
  const row = MATERIALS.db[material];
  if (row) return interpolate(MATERIALS.ghz, row, ghz);
  if (thick?.[1] === "concrete") {
    const steps = [100, 150, 200, 250, 300];
    const losses = steps.map((mm) => interpolate(MATERIALS.ghz, MATERIALS.db[`concrete-${mm}`] ?? [], ghz));
    const mm = Number(thick[2]);
    if (mm < 100) return ((losses[0] ?? 0) * mm) / 100;
    if (mm > 300) return ((losses[4] ?? 0) * mm) / 300;
    return interpolate(steps, losses, mm);
  }
  if (thick) return (interpolate(MATERIALS.ghz, MATERIALS.db["brick-110"] ?? [], ghz) * Number(thick[2])) / 110;
  throw new Error(`simulator: unknown material '${material}'`);
}

function interpolate(xs: readonly number[], ys: readonly number[], x: number): number {
  const last = xs.length - 1;
  if (x <= (xs[0] ?? 0)) return ys[0] ?? 0;
  for (let i = 1; i <= last; i++) {
    const hi = xs[i] ?? 0;
    const lo = xs[i - 1] ?? 0;
    if (x <= hi) return (ys[i - 1] ?? 0) + (((ys[i] ?? 0) - (ys[i - 1] ?? 0)) * (x - lo)) / (hi - lo);
  }
  return ys[last] ?? 0;
}

/** Loss per band of something that names a loss, a table of losses, or a material. */
function losses(item: Doc, bands: readonly SimBand[]): number[] {
  return bands.map((band) => {
    if (typeof item?.loss_db === "number") return item.loss_db;
    const own = item?.loss_db?.[band.id];
    if (typeof own === "number") return own;
    return typeof item?.material === "string" ? materialLossDb(item.material, band.midGhz) : 0;
  });
}

function readBands(doc: Doc): SimBand[] {
  const plan = BANDS.plans[doc.band_plan ?? "eu"] ?? [];
  const rows = new Map<string, readonly [number, number, boolean]>();
  for (const id of plan) {
    const edges = BANDS.bands[id];
    if (edges) rows.set(id, [edges[0], edges[1], id.endsWith("-tdd")]);
  }
  for (const own of doc.bands ?? []) rows.set(own.id, [own.lo_hz, own.hi_hz, own.tdd === true]);
  return [...rows].map(([id, [loHz, hiHz, tdd]]) => ({ id, loHz, hiHz, midGhz: (loHz + hiHz) / 2e9, tdd }));
}

const ALLOWED_BY_KIND = new Set<string>(["staff", "gate", "outside"]);

/** Reads a site document (YAML or JSON text). */
export function readSite(text: string): SimSite {
  return siteOf(parse(text), text);
}

function siteOf(doc: Doc, text: string): SimSite {
  const bands = readBands(doc);
  const bandIndex = new Map(bands.map((b, i) => [b.id, i]));
  const floorIndex = new Map<string, number>();
  const floors: SimFloor[] = (doc.floors ?? []).map((f: Doc, i: number) => {
    floorIndex.set(String(f.id), i);
    const item = f.slab_loss_db != null ? { loss_db: f.slab_loss_db } : { material: f.slab ?? "slab-cost231" };
    return { id: String(f.id), level: f.level, zM: f.z_m, slabDb: losses(item, bands) };
  });
  const zones: SimZone[] = (doc.zones ?? []).map((z: Doc) => ({
    id: z.id,
    block: z.block ?? null,
    floor: z.floor == null ? -1 : (floorIndex.get(String(z.floor)) ?? -1),
    kind: z.kind,
    polygon: z.polygon,
    allowed: z.phones == null ? ALLOWED_BY_KIND.has(z.kind) : z.phones === "allowed",
  }));
  const { walls, doors } = readWalls(doc, bands, floorIndex, zones);
  const sensors: SimSensor[] = [];
  const scanners: SimScanner[] = [];
  for (const s of doc.sensors ?? []) {
    if (s.type === "scanner") {
      scanners.push({ id: s.id, block: s.block, method: s.method, place: s.place ?? null });
      continue;
    }
    const floor = floorIndex.get(String(s.floor)) ?? 0;
    const [x, y, z] = s.position_m;
    const own = (s.bands ?? [])
      .map((id: string) => bandIndex.get(id))
      .filter((i: number | undefined) => i !== undefined);
    sensors.push({ id: s.id, block: s.block, floor, x, y, z, bands: own, zone: zoneAt(zones, x, y, floor) });
  }
  const zoneIndex = new Map(zones.map((z, i) => [z.id, i]));
  const blockBoxes = boxes(zones);
  return { id: doc.id, text, bands, bandIndex, floors, zones, zoneIndex, walls, doors, sensors, scanners, blockBoxes };
}

function boxes(zones: readonly SimZone[]): [number, number, number, number][] {
  const byBlock = new Map<string, [number, number, number, number]>();
  for (const zone of zones) {
    if (zone.floor < 0 || zone.block === null || zone.kind === "yard" || zone.kind === "perimeter") continue;
    const box = byBlock.get(zone.block) ?? [Infinity, Infinity, -Infinity, -Infinity];
    for (const [x, y] of zone.polygon) {
      box[0] = Math.min(box[0], x);
      box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x);
      box[3] = Math.max(box[3], y);
    }
    byBlock.set(zone.block, box);
  }
  return [...byBlock.values()];
}

/** Index of the zone that holds the point on that floor (-1: outside), or -1. */
export function zoneAt(zones: readonly SimZone[], x: number, y: number, floor: number): number {
  return zones.findIndex((z) => z.floor === floor && pointInPolygon(x, y, z.polygon));
}

function readWalls(
  doc: Doc,
  bands: readonly SimBand[],
  floorIndex: ReadonlyMap<string, number>,
  zones: readonly SimZone[],
): { walls: SimWalls; doors: SimDoor[] } {
  const list: Doc[] = (doc.walls ?? []).map((w: Doc) => ({ ...w, at: floorIndex.get(String(w.floor)) ?? 0 }));
  list.sort((a, b) => a.at - b.at);
  const n = list.length;
  const walls: SimWalls = {
    count: n,
    floor: Int16Array.from(list, (w) => w.at),
    x1: Float64Array.from(list, (w) => w.from[0]),
    y1: Float64Array.from(list, (w) => w.from[1]),
    x2: Float64Array.from(list, (w) => w.to[0]),
    y2: Float64Array.from(list, (w) => w.to[1]),
    lossDb: new Float64Array(n * bands.length),
    floorStart: new Int32Array(floorIndex.size + 1).fill(n),
  };
  const doors: SimDoor[] = [];
  for (let w = n - 1; w >= 0; w--) {
    for (let f = 0; f <= list[w].at; f++) if ((walls.floorStart[f] ?? 0) > w) walls.floorStart[f] = w;
  }
  list.forEach((item, w) => {
    walls.lossDb.set(losses(item, bands), w * bands.length);
    if (!item.door) return;
    const dx = item.to[0] - item.from[0];
    const dy = item.to[1] - item.from[1];
    const length = Math.hypot(dx, dy);
    const at: number = item.door.at;
    const x = item.from[0] + (dx * at) / length;
    const y = item.from[1] + (dy * at) / length;
    const sides = [1, -1].map((s) => [x - (s * 0.3 * dy) / length, y + (s * 0.3 * dx) / length]);
    const zoneIds = sides.map(([px, py]) => zoneAt(zones, px ?? 0, py ?? 0, item.at));
    const lossDb = losses(item.door, bands);
    doors.push({ floor: item.at, x, y, zones: zoneIds as never, sides: sides as never, lossDb });
  });
  return { walls, doors };
}

/**
 * Sum of what the walls of floor `f` take from a ray, dB: `lossDb` is row-major wall by band.
 * Cost: a box test a wall and an intersection for the few that pass it.
 */
export function wallsDb(
  walls: SimWalls,
  lossDb: Float64Array,
  bands: number,
  band: number,
  f: number,
  ax: number,
  ay: number,
  bx: number,
  by: number,
): number {
  const to = walls.floorStart[f + 1] as number;
  const loX = ax < bx ? ax : bx;
  const hiX = ax < bx ? bx : ax;
  const loY = ay < by ? ay : by;
  const hiY = ay < by ? by : ay;
  const { x1, y1, x2, y2 } = walls;
  let sum = 0;
  for (let w = walls.floorStart[f] as number; w < to; w++) {
    const px = x1[w] as number;
    const qx = x2[w] as number;
    if ((px < loX && qx < loX) || (px > hiX && qx > hiX)) continue;
    const py = y1[w] as number;
    const qy = y2[w] as number;
    if ((py < loY && qy < loY) || (py > hiY && qy > hiY)) continue;
    if (crosses(ax, ay, bx, by, px, py, qx, qy)) sum += lossDb[w * bands + band] as number;
  }
  return sum;
}

const pad = (n: number, width: number): string => String(n).padStart(width, "0");
const asLoss = (value: Doc): Doc => (typeof value === "string" ? { material: value } : { loss_db: value });

/** A generated site, read. */
export function makeSite(spec: GeneratorSpec): SimSite {
  const doc = siteDocument(spec);
  return siteOf(doc, siteText(doc));
}

/** The site file of a generated site: blocks of rows of cells along a corridor, storeys, one of the usual sensor layouts. */
export function generateSite(spec: GeneratorSpec): string {
  return siteText(siteDocument(spec));
}

/** YAML with one line an item. JSON values are YAML; a YAML writer takes seconds for a house of 600 cells. */
function siteText(doc: Doc): string {
  let text = "";
  for (const [key, value] of Object.entries(doc)) {
    if (!Array.isArray(value)) text += `${key}: ${JSON.stringify(value)}\n`;
    else if (value.length === 0) text += `${key}: []\n`;
    else text += `${key}:\n${value.map((item) => `  - ${JSON.stringify(item)}\n`).join("")}`;
  }
  return text;
}

function siteDocument(spec: GeneratorSpec): Doc {
  const doc: Doc = {
    id: spec.id ?? "sim",
    name: "Generated house",
    timezone: spec.timezone ?? "Europe/Paris",
    band_plan: "eu",
    blocks: [],
    floors: [],
    zones: [],
    walls: [],
    sensors: [],
  };
  const storey = spec.storey_m ?? 3;
  for (let f = 0; f < (spec.floors ?? 1); f++) {
    const floor: Doc = { id: String(f), level: f, z_m: f * storey, height_m: storey };
    if (f > 0) {
      if (typeof spec.slab === "number") floor.slab_loss_db = spec.slab;
      else floor.slab = spec.slab ?? "concrete-250";
    }
    doc.floors.push(floor);
  }
  const rows = spec.rows ?? 2;
  const depth = rows * (spec.cell_d_m ?? 4) + (spec.corridor_w_m ?? 3);
  for (let b = 0; b < (spec.blocks ?? 1); b++) {
    const block = `b${b + 1}`;
    doc.blocks.push({ id: block, name: `Block ${b + 1}` });
    for (let f = 0; f < (spec.floors ?? 1); f++) {
      addFloor(doc, spec, block, f, b * (depth + (spec.block_gap_m ?? 30)));
    }
  }
  const length = (spec.columns ?? 10) * (spec.cell_w_m ?? 2.5);
  if (spec.street !== false) {
    const polygon = [
      [-60, -40],
      [length + 60, -40],
      [length + 60, -20],
      [-60, -20],
    ];
    doc.zones.push({ id: "street", kind: "outside", polygon, phones: "allowed" });
  }
  const bands = [...(spec.bands ?? BANDS.plans.eu ?? [])];
  for (let i = 0; i < (spec.perimeter_sensors ?? 0); i++) {
    const x = ((i + 0.5) * length) / (spec.perimeter_sensors ?? 1);
    doc.sensors.push({
      id: `per-${pad(i + 1, 2)}`,
      block: "b1",
      floor: "0",
      type: "rf",
      position_m: [x, -2, 3],
      bands,
    });
  }
  if (spec.gate_scanner) {
    doc.sensors.push({
      id: "gate-1",
      block: "b1",
      floor: "0",
      type: "scanner",
      method: "mmwave",
      place: "b1-0-corridor",
    });
    // The hand-held is kept in the staff room; each search names its place.
    const depot = { floor: "0", position_m: [length + 3, (spec.cell_d_m ?? 4) + 1.5, 1] };
    doc.sensors.push({ id: "search-1", block: "b1", type: "scanner", method: "nljd", ...depot });
  }
  return doc;
}

function addFloor(doc: Doc, spec: GeneratorSpec, block: string, f: number, y0: number): void {
  const w = spec.cell_w_m ?? 2.5;
  const d = spec.cell_d_m ?? 4;
  const c = spec.corridor_w_m ?? 3;
  const columns = spec.columns ?? 10;
  const rows = spec.rows ?? 2;
  const length = columns * w;
  const floor = String(f);
  const box = (xa: number, ya: number, xb: number, yb: number): number[][] => [
    [xa, ya],
    [xb, ya],
    [xb, yb],
    [xa, yb],
  ];
  const wallLoss = asLoss(spec.wall ?? "concrete-200");
  const frontLoss = asLoss(spec.front ?? spec.wall ?? "concrete-200");
  const wall = (from: number[], to: number[], door = false, loss = wallLoss): void => {
    const span = Math.hypot((to[0] ?? 0) - (from[0] ?? 0), (to[1] ?? 0) - (from[1] ?? 0));
    const hole = door ? { door: { at: span / 2, width_m: 0.9, ...asLoss(spec.door ?? "steel-door") } } : {};
    doc.walls.push({ floor, from, to, ...loss, ...hole });
  };
  const yCorridor = y0 + d;
  const corridor = `${block}-${f}-corridor`;
  const phones = spec.corridor_phones ?? "forbidden";
  const way = box(0, yCorridor, length, yCorridor + c);
  doc.zones.push({ id: corridor, block, floor, kind: "corridor", polygon: way, phones });
  for (let r = 0; r < rows; r++) {
    const near = r === 0 ? y0 : yCorridor + c;
    const front = r === 0 ? yCorridor : yCorridor + c;
    const back = r === 0 ? y0 : yCorridor + c + d;
    for (let k = 0; k < columns; k++) {
      const x = k * w;
      const id = `${block}-${f}-${pad(r * columns + k + 1, 2)}`;
      doc.zones.push({ id, block, floor, kind: "cell", polygon: box(x, near, x + w, near + d) });
      wall([x, front], [x + w, front], true, frontLoss);
      wall([x, near], [x, near + d]);
      wall([x, back], [x + w, back]);
    }
    wall([length, near], [length, near + d]);
  }
  if (rows === 1) wall([0, yCorridor + c], [length, yCorridor + c]);
  wall([0, yCorridor], [0, yCorridor + c]);
  if (spec.staff_room !== false && f === 0) {
    const id = block === "b1" ? "guard-room" : `${block}-guard-room`;
    doc.zones.push({
      id,
      block,
      floor,
      kind: "staff",
      polygon: box(length, y0, length + 6, y0 + 2 * d + c),
      phones: "allowed",
    });
    wall([length, y0], [length + 6, y0]);
    wall([length + 6, y0], [length + 6, y0 + 2 * d + c]);
    wall([length + 6, y0 + 2 * d + c], [length, y0 + 2 * d + c]);
  }
  wall([length, yCorridor], [length, yCorridor + c], spec.staff_room !== false && f === 0, frontLoss);
  addSensors(doc, spec, block, f, y0);
}

function addSensors(doc: Doc, spec: GeneratorSpec, block: string, f: number, y0: number): void {
  const w = spec.cell_w_m ?? 2.5;
  const d = spec.cell_d_m ?? 4;
  const c = spec.corridor_w_m ?? 3;
  const columns = spec.columns ?? 10;
  const rows = spec.rows ?? 2;
  const every = spec.every ?? 1;
  const layout = spec.layout ?? "door";
  const z = f * (spec.storey_m ?? 3) + 2.5;
  const bands = [...(spec.bands ?? BANDS.plans.eu ?? [])];
  const south = y0 + d + 0.3;
  const north = y0 + d + c - 0.3;
  const put = (x: number, y: number): void => {
    const n = doc.sensors.filter((s: Doc) => s.block === block && s.type === "rf").length + 1;
    doc.sensors.push({
      id: `${block}-s${pad(n, 3)}`,
      block,
      floor: String(f),
      type: "rf",
      position_m: [x, y, z],
      bands,
    });
  };
  for (let k = 0, i = 0; k < columns; k += every, i++) {
    // A rest of less than half a group gets no sensor of its own.
    if (columns - k < every / 2) break;
    const x = (k + Math.min(every, columns - k) / 2) * w;
    if (layout === "middle") put(x, y0 + d + c / 2);
    if (layout === "staggered") put(x, i % 2 === 0 || rows === 1 ? south : north);
    if (layout === "pair" || layout === "door") {
      put(x, south);
      if (rows === 2) put(x, north);
    }
    if (layout === "cell") {
      put(x, y0 + d / 2);
      if (rows === 2) put(x, y0 + d + c + d / 2);
    }
    if (layout === "chase") {
      put(x, y0 - 0.3);
      if (rows === 2) put(x, y0 + 2 * d + c + 0.3);
    }
  }
  // The staff room has its own, so that phones in it can be told from phones in the last cells.
  if (f === 0 && spec.staff_room !== false && layout !== "none") put(columns * w + 3, y0 + d + c / 2);
}
