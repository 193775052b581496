/**
 * Houses of a plain kind that share nothing with the simulator or the localiser: a multi-wall law with losses drawn a house, the way
 * through a cell's door, and shadows as smooth random fields. From outdoors no slab is in the way.
 */
import { boxMuller, mulberry32 } from "../support/noise.ts";

export const BANDS = [
  { id: "lte800-ul", lo_hz: 832e6, hi_hz: 862e6, duty: 0.3, eirpDbm: [5, 20], outDbm: [10, 23] },
  { id: "gsm900-ul", lo_hz: 880e6, hi_hz: 915e6, duty: 0.12, eirpDbm: [12, 28], outDbm: [10, 30] },
  { id: "lte1800-ul", lo_hz: 1710e6, hi_hz: 1785e6, duty: 0.3, eirpDbm: [5, 20], outDbm: [10, 23] },
] as const;
const FIELD_TERMS = 200;
const SHADOW_M = 1.8;

export type Xyz = readonly [number, number, number];

/** Draws of one seed, in the order in which they are asked for. */
export class Draws {
  readonly next: () => number;

  constructor(seed: number) {
    this.next = mulberry32(seed);
  }

  range(lo: number, hi: number): number {
    return lo + (hi - lo) * this.next();
  }

  between([lo, hi]: readonly [lo: number, hi: number]): number {
    return this.range(lo, hi);
  }

  whole(lo: number, hi: number): number {
    return Math.floor(this.range(lo, hi + 1));
  }

  normal(): number {
    return boxMuller(this.next);
  }

  exponential(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }

  one<T>(list: readonly T[]): T {
    return list[Math.floor(this.next() * list.length)]!;
  }
}

export interface Cell {
  readonly id: string;
  readonly floor: number;
  readonly x0: number;
  readonly y0: number;
}

export const round = (v: number) => Math.round(100 * v) / 100;
const rect = (x0: number, y0: number, x1: number, y1: number) =>
  [
    [x0, y0],
    [x1, y0],
    [x1, y1],
    [x0, y1],
  ].map((p) => p.map(round));

/** Measures of a house, and how it is planned and hung with sensors. */
export function houseOf(draws: Draws) {
  const [floors, columns] = [draws.whole(1, 3), draws.whole(5, 13)];
  const [cellW, cellD] = [draws.range(2.2, 3.2), draws.range(3.2, 4.5)];
  const [corridorD, storeyM] = [draws.range(2, 5), draws.range(2.9, 3.6)];
  const rows = draws.next() < 0.8 ? 2 : 1;
  const plan = draws.one(["loss", "loss", "material", "none"]);
  const layout = draws.one(["door", "door", "pair", "half", "third"]);
  const periodMs = draws.one([500, 1000, 1000, 2000]);
  const [partyDb, frontDb] = [draws.range(4, 12), draws.range(5, 12)];
  const [slabDb, doorDb] = [draws.range(10, 20), draws.range(6, 16)];
  const [exponent, shadowDb] = [draws.range(1.8, 2.6), draws.range(4, 7)];
  const street = draws.next() < 0.6;
  const stated = {
    party: Math.round(partyDb * draws.range(0.7, 1.3)),
    front: Math.round(frontDb * draws.range(0.7, 1.3)),
  };
  const perimeter = street && draws.next() < 0.7;
  const [lengthM, depthM] = [columns * cellW, rows === 2 ? 2 * cellD + corridorD : cellD + corridorD];
  const sizes = { floors, columns, rows, cellW, cellD, corridorD, storeyM, lengthM, depthM };
  return {
    ...sizes,
    plan,
    layout,
    periodMs,
    partyDb,
    frontDb,
    slabDb,
    doorDb,
    exponent,
    shadowDb,
    street,
    stated,
    perimeter,
  };
}
export type House = ReturnType<typeof houseOf>;

export function zonesOf(house: House) {
  const { floors, columns, rows, cellW, cellD, corridorD, lengthM, plan, stated } = house;
  const cells: Cell[] = [];
  const zones: object[] = [];
  const walls: object[] = [];
  const lossOf = (kind: "party" | "front") =>
    plan === "loss" ? { loss_db: stated[kind] } : { material: kind === "front" ? "concrete-200" : "concrete-150" };
  for (let f = 0; f < floors; f++) {
    const floor = String(f);
    const corridor = rect(0, cellD, lengthM, cellD + corridorD);
    zones.push({ id: `b1-${f}-corridor`, block: "b1", floor, kind: "corridor", polygon: corridor });
    for (let k = 0; k < rows * columns; k++) {
      const [row, c] = [Math.floor(k / columns), k % columns];
      const y0 = row === 0 ? 0 : cellD + corridorD;
      const [frontY, backY] = row === 0 ? [cellD, 0] : [y0, y0 + cellD];
      const [x0, x1] = [c * cellW, (c + 1) * cellW];
      const id = `b1-${f}-${String(k + 1).padStart(2, "0")}`;
      cells.push({ id, floor: f, x0, y0 });
      zones.push({ id, block: "b1", floor, kind: "cell", polygon: rect(x0, y0, x1, y0 + cellD) });
      if (plan === "none") continue;
      const door = { at: round(cellW / 2), width_m: 0.9, material: "steel-door" };
      const across = (y: number) => ({ floor, from: [round(x0), round(y)], to: [round(x1), round(y)] });
      walls.push({ ...across(frontY), ...lossOf("front"), door }, { ...across(backY), ...lossOf("front") });
      walls.push({ floor, from: [round(x0), round(y0)], to: [round(x0), round(y0 + cellD)], ...lossOf("party") });
    }
  }
  if (house.street) {
    zones.push({ id: "street", kind: "outside", phones: "allowed", polygon: rect(-20, -40, lengthM + 20, -12) });
  }
  return { cells, zones, walls };
}

/** Two sensors more than were drawn: outdoors before the house, or in the corridor. */
export type More = "street" | "corridor";

/** Where the sensors hang, and on which floor. */
export function sensorsOf(
  { floors, columns, rows, cellW, cellD, corridorD, storeyM, lengthM, layout, perimeter }: House,
  more?: More,
) {
  const at: Xyz[] = [];
  const floorOf: number[] = [];
  const add = (x: number, y: number, z: number, floor: number) => {
    at.push([x, y, z]);
    floorOf.push(floor);
  };
  for (let k = 0; k < floors * columns; k++) {
    const [f, c] = [Math.floor(k / columns), k % columns];
    const hang = (y: number) => add((c + 0.5) * cellW, y, f * storeyM + 2.6, f);
    if (layout === "door") hang(cellD + 0.2);
    if (layout === "door" && rows === 2) hang(cellD + corridorD - 0.2);
    if (layout === "pair" || (layout === "third" && c % 3 === 1)) hang(cellD + corridorD / 2);
    if (layout === "half" && c % 2 === 0) hang(cellD + (c % 4 === 0 ? 0.2 : corridorD - 0.2));
  }
  if (perimeter || more === "street") for (const share of [0.2, 0.8]) add(lengthM * share, -1, 2.5, 0);
  if (more === "corridor") for (const share of [0.1, 0.5]) add(lengthM * share, cellD + corridorD / 2, 2.5, 0);
  return { at, floorOf, ids: at.map((_, s) => `s${String(s).padStart(2, "0")}`) };
}
export type Sensors = ReturnType<typeof sensorsOf>;

export function siteOf(
  house: House,
  { zones, walls }: ReturnType<typeof zonesOf>,
  { at, floorOf, ids }: Sensors,
): object {
  const { plan, slabDb, storeyM } = house;
  const loss = { slab_loss_db: Math.round(slabDb) };
  const slab = plan === "loss" ? loss : plan === "material" ? { slab: "concrete-250" } : {};
  return {
    id: "w",
    name: "Plain",
    timezone: "Europe/Paris",
    band_plan: "eu",
    blocks: [{ id: "b1", name: "B1" }],
    floors: Array.from({ length: house.floors }, (_, f) => ({
      id: String(f),
      level: f,
      z_m: round(f * storeyM),
      height_m: round(storeyM - 0.25),
      ...slab,
    })),
    zones,
    walls,
    sensors: ids.map((id, s) => ({
      id,
      block: "b1",
      floor: String(floorOf[s]),
      type: "rf",
      position_m: [round(at[s]![0]), round(at[s]![1]), round(at[s]![2] - floorOf[s]! * storeyM)],
      bands: BANDS.map((b) => b.id),
    })),
  };
}

/** Gain from a place on a floor to sensor s, dB, straight through the walls and out of the cell's door. */
export function gainsOf(house: House, { at, floorOf }: Sensors, draws: Draws) {
  const { columns, rows, cellW, cellD, corridorD, depthM, exponent, partyDb, frontDb, slabDb, doorDb, shadowDb } =
    house;
  const offsetDb = at.map(() => 2 * draws.normal());
  const floorDbm = at.map(() => BANDS.map(() => -101 + 2 * draws.normal()));
  const fields = at.map(() =>
    Array.from({ length: FIELD_TERMS }, () => ({
      w: [draws.normal() / SHADOW_M, draws.normal() / SHADOW_M, draws.normal() / SHADOW_M],
      phase: 2 * Math.PI * draws.next(),
    })),
  );
  const shadow = (s: number, p: Xyz) =>
    shadowDb *
    Math.sqrt(2 / FIELD_TERMS) *
    fields[s]!.reduce((sum, { w, phase }) => sum + Math.cos(w[0]! * p[0] + w[1]! * p[1] + w[2]! * p[2] + phase), 0);
  const inCells = (y: number) => y < cellD || y > cellD + corridorD;
  const column = (x: number) => Math.floor(Math.min(columns - 1e-6, Math.max(0, x / cellW)));
  const lines = rows === 2 ? [0, cellD, cellD + corridorD, depthM] : [0, cellD, depthM];
  const gainDb = (s: number, p: Xyz, floor: number, hz: number): number => {
    const [x, y, z] = at[s]!;
    const outdoors = p[1] < 0;
    const slabs = outdoors ? 0 : slabDb * Math.abs(floorOf[s]! - floor);
    let lossDb = 10 * exponent * Math.log10(Math.max(0.7, Math.hypot(x - p[0], y - p[1], z - p[2]))) + slabs;
    for (const line of lines) if (p[1] < line !== y < line) lossDb += frontDb;
    let share = 0;
    for (let k = 0; k < 10; k++) share += inCells(p[1] + (0.05 + 0.1 * k) * (y - p[1])) ? 0.1 : 0;
    lossDb += partyDb * Math.min(4, Math.abs(column(x) - column(p[0])) * share);
    let mw = 10 ** (-lossDb / 10);
    if (!outdoors && inCells(p[1])) {
      const [doorX, doorY] = [(column(p[0]) + 0.5) * cellW, p[1] < cellD ? cellD : cellD + corridorD];
      const wayM = Math.hypot(p[0] - doorX, p[1] - doorY) + Math.hypot(x - doorX, y - doorY, z - p[2]);
      // Into another row of cells, and out of the house behind it.
      const walls = (y < cellD ? 1 : 0) + (y < 0 ? 1 : 0) + (y > cellD + corridorD ? 1 : 0);
      mw += 10 ** (-(walls * frontDb + 10 * exponent * Math.log10(Math.max(1, wayM)) + doorDb + slabs) / 10);
    }
    return 10 * Math.log10(mw) - 31.5 - 20 * Math.log10(hz / 900e6) + offsetDb[s]! + shadow(s, p);
  };
  return { gainDb, floorDbm };
}
