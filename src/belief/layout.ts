/** The cells of one block, the wings they lie in, and how the localiser spreads its prior over the zones. */
import type { BlockId, Candidate, Point2, Site, Zone, ZoneId, ZoneKind } from "../model.ts";

/** A wing: the cells of one floor of a block, which share a corridor. */
interface Wing {
  readonly name: string;
  readonly cells: readonly number[];
  /** Corridor and yards: prior mass of all of them. */
  readonly commonMass: number;
}

/** What a zone is to the belief. */
interface Place {
  readonly mass: number;
  /** Index of the cell; -1: none. */
  readonly cell: number;
  /** Wings whose common place it is. */
  readonly common: readonly number[];
  /** Where people are held and phones forbidden: cells and yards. */
  readonly held: boolean;
}

export interface Layout {
  readonly cells: readonly ZoneId[];
  readonly indexOf: ReadonlyMap<ZoneId, number>;
  readonly wingOf: Int32Array;
  readonly wings: readonly Wing[];
  readonly places: ReadonlyMap<ZoneId, Place>;
  /** Prior mass of each cell, and of all of them; with all zones and outside the mass is 1. */
  readonly mass: Float64Array;
  readonly cellsMass: number;
}

/** What the localiser's prior is made of: density by kind of zone, probability of being outside. */
export interface PriorShape {
  readonly kindWeight: Readonly<Partial<Record<ZoneKind, number>>>;
  readonly pOutside: number;
  /** How much likelier a phone is in a corridor where phones are allowed. */
  readonly allowedCorridor?: number;
}

/** Cost: one pass over the site's zones. */
export function layoutOf(site: Site, block: BlockId, prior: PriorShape): Layout {
  const zones = site.zones.filter((z) => (z.block === block || z.block === null) && z.kind !== "outside");
  const allowed = (z: Zone) => (z.kind === "corridor" && z.phones === "allowed" ? (prior.allowedCorridor ?? 1) : 1);
  const weight = (z: Zone) => (prior.kindWeight[z.kind] ?? 1) * allowed(z) * Math.max(0.1, areaM2(z.polygon));
  const total = zones.reduce((sum, z) => sum + weight(z), 0);
  const massOf = (z: Zone) => ((1 - prior.pOutside) * weight(z)) / total;
  const cellZones = zones.filter((z) => z.kind === "cell" && z.phones === "forbidden");
  const cells = cellZones.map((z) => z.id);
  const indexOf = new Map(cells.map((id, i) => [id, i]));
  const floors = [...new Set(cellZones.map((z) => z.floor))];
  const isCommon = (z: Zone, floor: string | null) =>
    z.phones === "forbidden" && ((z.kind === "corridor" && z.floor === floor) || z.kind === "yard");
  const wings = floors.map((floor) => ({
    name: `${block}/${floor}`,
    cells: cellZones.flatMap((z, i) => (z.floor === floor ? [i] : [])),
    commonMass: zones.filter((z) => isCommon(z, floor)).reduce((sum, z) => sum + massOf(z), 0),
  }));
  const places = new Map<ZoneId, Place>();
  for (const zone of zones) {
    const cell = indexOf.get(zone.id) ?? -1;
    const common = floors.flatMap((floor, w) => (cell < 0 && isCommon(zone, floor) ? [w] : []));
    const held = cell >= 0 || (zone.kind === "yard" && zone.phones === "forbidden");
    places.set(zone.id, { mass: massOf(zone), cell, common, held });
  }
  const mass = Float64Array.from(cellZones, massOf);
  return {
    cells,
    indexOf,
    wingOf: Int32Array.from(cellZones, (z) => floors.indexOf(z.floor)),
    wings,
    places,
    mass,
    cellsMass: mass.reduce((a, b) => a + b, 0),
  };
}

/** Where one use was, relative to the prior: the posterior divided by it. */
export interface Placing {
  /** Likelihood of each cell. */
  readonly cells: Float64Array;
  /** Likelihood of each wing's common places. */
  readonly common: Float64Array;
  /** Posterior mass of everything that is no cell, outside included. */
  readonly elsewhere: number;
}

/**
 * What a track's posterior over zones says of the cells. `sharpness` 1 takes it as it is; below 1 the candidates differ less
 * from each other (evidence that repeats itself), while their sum stays. `heldP` replaces the mass of cells and yards, where
 * others know better than the place alone (a phone that walks).
 */
export function placing(
  layout: Layout,
  candidates: readonly Candidate[],
  pOutside: number,
  heldP: number,
  sharpness: number,
): Placing {
  const cells = new Float64Array(layout.cells.length);
  const common = new Float64Array(layout.wings.length);
  const listed = sharpened(layout, candidates, sharpness);
  let unlistedMass = 1;
  let rest = 1 - pOutside;
  let held = 0;
  for (const { place, p } of listed) {
    unlistedMass -= place.mass;
    rest -= p;
    if (place.held) held += p;
  }
  // What is left out of a fix is below 0.01 a zone: it lies where the prior has it.
  const each = unlistedMass > 1e-9 ? Math.max(0, rest) / unlistedMass : 0;
  cells.fill(each);
  common.fill(each);
  let listedCells = 0;
  let listedCellMass = 0;
  for (const { place, p } of listed) {
    if (place.cell < 0) continue;
    cells[place.cell] = p / place.mass;
    listedCells += p;
    listedCellMass += place.mass;
  }
  held += each * (layout.cellsMass - listedCellMass);
  for (const { place, p } of listed) {
    for (const w of place.common) common[w]! += (p - each * place.mass) / layout.wings[w]!.commonMass;
  }
  const inCells = listedCells + each * (layout.cellsMass - listedCellMass);
  const up = held > 1e-9 ? heldP / held : 0;
  const down = held < 1 - 1e-9 ? (1 - heldP) / (1 - held) : 0;
  for (let c = 0; c < cells.length; c++) cells[c]! *= up;
  for (let w = 0; w < common.length; w++) common[w]! *= down;
  return { cells, common, elsewhere: (held - inCells) * up + (1 - held) * down };
}

/** The candidates that are places of this block, those in cells brought nearer to each other. */
function sharpened(layout: Layout, candidates: readonly Candidate[], sharpness: number) {
  const listed = candidates.flatMap(({ cell, p }) => {
    const place = layout.places.get(cell);
    return place === undefined ? [] : [{ place, p }];
  });
  if (sharpness >= 1) return listed;
  let before = 0;
  let after = 0;
  const flat = listed.map(({ place, p }) => {
    if (place.cell < 0) return 0;
    const q = place.mass * (p / place.mass) ** sharpness;
    before += p;
    after += q;
    return q;
  });
  return listed.map(({ place, p }, i) => ({ place, p: place.cell < 0 ? p : (flat[i]! * before) / after }));
}

function areaM2(ring: readonly Point2[]): number {
  let twice = 0;
  for (let i = 0; i < ring.length; i++) {
    const [x1, y1] = ring[i]!;
    const [x2, y2] = ring[(i + 1) % ring.length]!;
    twice += x1 * y2 - x2 * y1;
  }
  return Math.abs(twice) / 2;
}
