/**
 * Where an emitter may be: positions on a grid in every zone of every floor, and positions outside the house.
 *
 * Candidates of one zone lie side by side, so a zone is a range. Positions that belong to no zone (a site without zones on
 * a floor, or labelled points beside them) form ranges with an empty id; outside ones form ranges of kind "outside".
 */
import type { FloorId, Point2, Site, ZoneId, ZoneKind } from "../model.ts";

export interface ZoneRange {
  /** Empty where the range is no zone of the site. */
  readonly id: ZoneId;
  readonly kind: ZoneKind;
  readonly allowed: boolean;
  readonly from: number;
  readonly to: number;
  readonly areaM2: number;
}

export interface Grid {
  readonly size: number;
  readonly stepM: number;
  readonly xM: Float64Array;
  readonly yM: Float64Array;
  readonly zM: Float64Array;
  /** Index into `site.floors`; outside candidates carry the ground floor's. */
  readonly floor: Int32Array;
  /** Index into `zones`. */
  readonly zone: Int32Array;
  readonly zones: readonly ZoneRange[];
}

export interface GridOptions {
  /** Wanted spacing; null chooses one that keeps the number of candidates near `TARGET`. */
  readonly stepM: number | null;
  /** Height of a phone above the floor it is on. */
  readonly phoneHeightM: number;
  /** Known positions that must be covered even where no zone is, e.g. labelled points: x, y, floor index. */
  readonly anchors: readonly (readonly [xM: number, yM: number, floor: number])[];
}

/** A phone in a pocket, a hand or on a table: between a seat and an ear. */
export const PHONE_HEIGHT_M = 1.2;
/** Wanted number of inside candidates: fine enough that 0.5 m is reached up to 1,000 square metres. */
const TARGET = 4_000;
/** Never more inside candidates than this: memory is candidates times sensors. */
const LIMIT = 24_000;
const FINEST_M = 0.5;
const COARSEST_M = 3;
/** A cell has at least so many positions, since a room's likelihood is the mean over its positions. */
const FEWEST_PER_ZONE = 6;
/** How far around sensors and anchors a floor without zones reaches. */
const HULL_MARGIN_M = 3;
/** How far from a labelled point a position outside all zones is still a candidate. */
const ANCHOR_REACH_M = 1.5;
/** Distances of the ring of outside positions from the house's bounding box: a street, a car park, a neighbour's wall. */
const RING_M = [2, 6, 14, 30, 60];

/** Even-odd rule; points on the edge may fall on either side. */
export function insidePolygon(polygon: readonly Point2[], xM: number, yM: number): boolean {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xi, yi] = polygon[i]!;
    const [xj, yj] = polygon[j]!;
    if (yi > yM !== yj > yM && xM < ((xj - xi) * (yM - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

/** Distance of a point from a polygon's edge, m, inside or outside. */
export function edgeDistanceM(polygon: readonly Point2[], xM: number, yM: number): number {
  const far = polygon.map(([bx, by], i) => {
    const [ax, ay] = polygon.at(i - 1)!;
    const length2 = (bx - ax) ** 2 + (by - ay) ** 2;
    const along = length2 === 0 ? 0 : ((xM - ax) * (bx - ax) + (yM - ay) * (by - ay)) / length2;
    const t = Math.min(1, Math.max(0, along));
    return Math.hypot(xM - ax - t * (bx - ax), yM - ay - t * (by - ay));
  });
  return Math.min(...far);
}

/** Shoelace formula; positive whatever the direction. */
export function polygonArea(polygon: readonly Point2[]): number {
  let twice = 0;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    twice += polygon[j]![0] * polygon[i]![1] - polygon[i]![0] * polygon[j]![1];
  }
  return Math.abs(twice) / 2;
}

function bounds(points: readonly Point2[]): [x0: number, y0: number, x1: number, y1: number] {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    x0 = Math.min(x0, x);
    y0 = Math.min(y0, y);
    x1 = Math.max(x1, x);
    y1 = Math.max(y1, y);
  }
  return [x0, y0, x1, y1];
}

/** Positions inside a polygon on a grid fitted to its bounding box, cell-centred, so that every position stands for the same area. */
function fillPolygon(polygon: readonly Point2[], wantedStepM: number, fewest: number): Point2[] {
  const [x0, y0, x1, y1] = bounds(polygon);
  for (let step = wantedStepM; ; step /= 1.5) {
    const columns = Math.max(1, Math.round((x1 - x0) / step));
    const rows = Math.max(1, Math.round((y1 - y0) / step));
    const points: Point2[] = [];
    for (let i = 0; i < columns; i++) {
      for (let j = 0; j < rows; j++) {
        const x = x0 + ((i + 0.5) / columns) * (x1 - x0);
        const y = y0 + ((j + 0.5) / rows) * (y1 - y0);
        if (insidePolygon(polygon, x, y)) points.push([x, y]);
      }
    }
    if (points.length >= fewest || step < wantedStepM / 20) {
      return points.length > 0 ? points : [[(x0 + x1) / 2, (y0 + y1) / 2]];
    }
  }
}

function chooseStep(areaM2: number, wanted: number | null): number {
  if (wanted !== null) return Math.max(wanted, Math.sqrt(areaM2 / LIMIT));
  return Math.min(COARSEST_M, Math.max(FINEST_M, Math.sqrt(areaM2 / TARGET)));
}

interface Draft {
  x: number[];
  y: number[];
  z: number[];
  floor: number[];
  zone: number[];
  zones: ZoneRange[];
}

function addRange(
  draft: Draft,
  zone: Omit<ZoneRange, "from" | "to">,
  points: readonly Point2[],
  floor: number,
  zM: number,
): void {
  if (points.length === 0) return;
  const from = draft.x.length;
  for (const [x, y] of points) {
    draft.x.push(x);
    draft.y.push(y);
    draft.z.push(zM);
    draft.floor.push(floor);
    draft.zone.push(draft.zones.length);
  }
  draft.zones.push({ ...zone, from, to: draft.x.length });
}

/** Positions of a floor that no zone covers but labelled points or sensors do. */
function unzoned(site: Site, options: GridOptions, floor: number, stepM: number): Point2[] {
  const id: FloorId = site.floors[floor]!.id;
  const zones = site.zones.filter((z) => z.floor === id && z.kind !== "outside");
  const anchors = options.anchors.filter((a) => a[2] === floor);
  const points: Point2[] = anchors.map((a) => [a[0], a[1]]);
  if (zones.length === 0) {
    for (const s of site.sensors) if (s.floor === id && s.positionM) points.push([s.positionM[0], s.positionM[1]]);
  }
  if (points.length === 0) return [];
  const margin = zones.length === 0 ? HULL_MARGIN_M : ANCHOR_REACH_M;
  const [x0, y0, x1, y1] = bounds(points);
  const box: Point2[] = [
    [x0 - margin, y0 - margin],
    [x1 + margin, y0 - margin],
    [x1 + margin, y1 + margin],
    [x0 - margin, y1 + margin],
  ];
  const reach = ANCHOR_REACH_M * ANCHOR_REACH_M;
  return fillPolygon(box, stepM, 1).filter(([x, y]) => {
    if (zones.length === 0) return true;
    if (zones.some((z) => insidePolygon(z.polygon, x, y))) return false;
    return anchors.some((a) => (a[0] - x) ** 2 + (a[1] - y) ** 2 <= reach);
  });
}

/** Rings around the house, where no zone is: people are on every side of it, whatever the plan states. */
function outsideRing(site: Site, draft: Draft): Point2[] {
  const points = draft.x.flatMap((x, i): Point2[] =>
    draft.zones[draft.zone[i]!]!.kind === "outside" ? [] : [[x, draft.y[i]!]],
  );
  for (const s of site.sensors) if (s.positionM) points.push([s.positionM[0], s.positionM[1]]);
  if (points.length === 0) return [];
  const [x0, y0, x1, y1] = bounds(points);
  const ring: Point2[] = [];
  for (const d of RING_M) {
    const [w, h] = [x1 - x0 + 2 * d, y1 - y0 + 2 * d];
    const count = Math.min(48, Math.max(12, Math.round((2 * (w + h)) / Math.max(4, d))));
    for (let i = 0; i < count; i++) {
      const along = ((i + 0.5) / count) * 2 * (w + h);
      if (along < w) ring.push([x0 - d + along, y0 - d]);
      else if (along < w + h) ring.push([x1 + d, y0 - d + along - w]);
      else if (along < 2 * w + h) ring.push([x1 + d - (along - w - h), y1 + d]);
      else ring.push([x0 - d, y1 + d - (along - 2 * w - h)]);
    }
  }
  return ring.filter(([x, y]) => !site.zones.some((z) => insidePolygon(z.polygon, x, y)));
}

/** Builds the candidates of a site. Cost: one polygon test a position. */
export function buildGrid(site: Site, options: GridOptions): Grid {
  const floorIndex = new Map(site.floors.map((f, i) => [f.id, i]));
  const inside = site.zones.filter((z) => z.kind !== "outside" && z.floor !== null && floorIndex.has(z.floor));
  let area = 0;
  for (const zone of inside) area += polygonArea(zone.polygon);
  if (area === 0) area = hullArea(site, options);
  const stepM = chooseStep(area, options.stepM);
  const draft: Draft = { x: [], y: [], z: [], floor: [], zone: [], zones: [] };
  for (const zone of inside) {
    const floor = floorIndex.get(zone.floor!)!;
    const fewest = zone.kind === "cell" ? FEWEST_PER_ZONE : 3;
    const points = fillPolygon(zone.polygon, stepM, fewest);
    const { id, kind } = zone;
    const range = { id, kind, allowed: zone.phones === "allowed", areaM2: polygonArea(zone.polygon) };
    addRange(draft, range, points, floor, site.floors[floor]!.zM + options.phoneHeightM);
  }
  for (let f = 0; f < site.floors.length; f++) {
    const points = unzoned(site, options, f, stepM);
    const range = { id: "", kind: "corridor" as const, allowed: false, areaM2: points.length * stepM * stepM };
    addRange(draft, range, points, f, site.floors[f]!.zM + options.phoneHeightM);
  }
  addOutside(site, options, draft);
  return {
    size: draft.x.length,
    stepM,
    xM: Float64Array.from(draft.x),
    yM: Float64Array.from(draft.y),
    zM: Float64Array.from(draft.z),
    floor: Int32Array.from(draft.floor),
    zone: Int32Array.from(draft.zone),
    zones: draft.zones,
  };
}

function hullArea(site: Site, options: GridOptions): number {
  const points: Point2[] = options.anchors.map((a) => [a[0], a[1]]);
  for (const s of site.sensors) if (s.positionM) points.push([s.positionM[0], s.positionM[1]]);
  if (points.length === 0) return 1;
  const [x0, y0, x1, y1] = bounds(points);
  return (x1 - x0 + 2 * HULL_MARGIN_M) * (y1 - y0 + 2 * HULL_MARGIN_M) * Math.max(1, site.floors.length);
}

function addOutside(site: Site, options: GridOptions, draft: Draft): void {
  const ground = site.floors.reduce(
    (best, f, i) => (Math.abs(f.level) < Math.abs(site.floors[best]!.level) ? i : best),
    0,
  );
  const zM = (site.floors[ground]?.zM ?? 0) + options.phoneHeightM;
  const stated = site.zones.filter((z) => z.kind === "outside");
  for (const zone of stated) {
    const areaM2 = polygonArea(zone.polygon);
    const points = fillPolygon(zone.polygon, Math.max(2, Math.sqrt(areaM2 / 80)), 3);
    const range = { id: zone.id, kind: zone.kind, allowed: zone.phones === "allowed", areaM2 };
    addRange(draft, range, points, ground, zM);
  }
  const ring = outsideRing(site, draft);
  addRange(draft, { id: "", kind: "outside", allowed: true, areaM2: 0 }, ring, ground, zM);
}
