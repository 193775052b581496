/** Where everything stands on the page's plan. Pure. The site's y points up, the page's down. */
import type { SensorSiteWire, SiteWire, WallWire, ZoneWire } from "./wire.ts";

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export interface FloorPlan {
  readonly floor: string;
  readonly level: number;
  /** What to add to page coordinates of this floor. */
  readonly dx: number;
  readonly dy: number;
  readonly box: Box;
  readonly zones: readonly ZoneWire[];
  readonly walls: readonly WallWire[];
  readonly sensors: readonly SensorSiteWire[];
}

export interface Plan {
  readonly floors: readonly FloorPlan[];
  readonly box: Box;
}

/** Room for a floor's name above it, and between floors. */
const HEAD_M = 2.2;
/** The floor's name: size of its letters, and how far over the floor their line is. */
export const FLOOR_NAME_M = 1.3;
export const FLOOR_NAME_UP_M = 0.7;
const GAP_M = 1.6;

/** The box around a polygon on the page, where y points down. */
export function boxOf(points: readonly (readonly [number, number])[]): Box {
  const xs = points.map((p) => p[0]);
  const ys = points.map((p) => -p[1]);
  const x = Math.min(...xs);
  const y = Math.min(...ys);
  return { x, y, w: Math.max(...xs) - x, h: Math.max(...ys) - y };
}

/**
 * All floors beside or above each other, the highest first, in the number of columns that lets a view of this aspect ratio
 * (width / height) show them largest. Zones outside the house are left out: they would shrink it to a dot.
 */
export function layOut(site: SiteWire, zones: readonly ZoneWire[], block: string | null, aspect: number): Plan {
  const inHouse = (b: string | null) => b !== null && (block === null || b === block);
  const plans = site.floors
    .map((floor) => ({
      floor: floor.id,
      level: floor.level,
      zones: zones.filter((z) => z.floor === floor.id && z.kind !== "outside" && inHouse(z.block)),
      sensors: site.sensors.filter((s) => s.floor === floor.id && inHouse(s.block)),
    }))
    .filter((f) => f.zones.length > 0)
    .sort((a, b) => b.level - a.level)
    .map((f) => ({ ...f, box: boxOf(f.zones.flatMap((z) => z.polygon)) }));
  if (plans.length === 0) return { floors: [], box: { x: 0, y: 0, w: 10, h: 10 } };
  let best: Plan | null = null;
  let bestScale = 0;
  // Floors keep their places over each other, so that a cell stands under the one above it.
  const left = Math.min(...plans.map((p) => p.box.x));
  const right = Math.max(...plans.map((p) => p.box.x + p.box.w));
  for (let columns = 1; columns <= plans.length; columns++) {
    const width = right - left + GAP_M;
    const floors: FloorPlan[] = [];
    let top = 0;
    for (let row = 0; row * columns < plans.length; row++) {
      const inRow = plans.slice(row * columns, (row + 1) * columns);
      inRow.forEach((p, i) => {
        const walls = site.walls.filter((w) => w.floor === p.floor && touches(w, p.box));
        floors.push({ ...p, walls, dx: i * width - left, dy: top + HEAD_M - p.box.y });
      });
      top += HEAD_M + Math.max(...inRow.map((p) => p.box.h)) + GAP_M;
    }
    const box = { x: -GAP_M, y: 0, w: width * columns + GAP_M, h: top };
    const scale = Math.min(aspect / box.w, 1 / box.h);
    if (scale > bestScale * 1.05) {
      best = { floors, box };
      bestScale = scale;
    }
  }
  return best!;
}

function touches(wall: WallWire, box: Box): boolean {
  const x = Math.max(wall.from[0], wall.to[0]) >= box.x && Math.min(wall.from[0], wall.to[0]) <= box.x + box.w;
  const y = Math.max(-wall.from[1], -wall.to[1]) >= box.y && Math.min(-wall.from[1], -wall.to[1]) <= box.y + box.h;
  return x && y;
}

/** The plan's box grown to the view's aspect ratio, centred. */
export function frameOf(box: Box, aspect: number): Box {
  const w = Math.max(box.w, box.h * aspect);
  const h = w / aspect;
  return { x: box.x + (box.w - w) / 2, y: box.y + (box.h - h) / 2, w, h };
}

/** The view zoomed by `factor` (< 1 is closer) around a point of the plan, within 3 m and four times the whole. */
export function zoom(view: Box, factor: number, x: number, y: number, whole: Box): Box {
  const w = Math.min(whole.w * 4, Math.max(3, view.w * factor));
  const f = w / view.w;
  return { x: x - (x - view.x) * f, y: y - (y - view.y) * f, w, h: view.h * f };
}

export function pathOf(polygon: readonly (readonly [number, number])[]): string {
  return `M${polygon.map(([x, y]) => `${x},${-y}`).join("L")}Z`;
}

/** Centre of a polygon's area (of its bounding box where it has none). */
export function centreOf(polygon: readonly (readonly [number, number])[]): readonly [number, number] {
  let area = 0;
  let x = 0;
  let y = 0;
  polygon.forEach(([x0, y0], i) => {
    const [x1, y1] = polygon[(i + 1) % polygon.length]!;
    const cross = x0 * y1 - x1 * y0;
    area += cross;
    x += (x0 + x1) * cross;
    y += (y0 + y1) * cross;
  });
  const box = boxOf(polygon);
  if (Math.abs(area) < 1e-9) return [box.x + box.w / 2, box.y + box.h / 2];
  return [x / (3 * area), -y / (3 * area)];
}

export function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

/** Room around a sensor's mark that a name keeps free, m. */
const SENSOR_CLEAR_M = 0.5;

/**
 * Where a zone's name stands, `w` by `h`, centre, in page coordinates: in its middle, or off it where a sensor hangs there. The
 * first of these places that no sensor is in; the middle where there is none.
 */
export function nameSpot(
  zone: Box,
  w: number,
  h: number,
  sensors: readonly (readonly [number, number])[],
): readonly [number, number] {
  const middle = [zone.x + zone.w / 2, zone.y + zone.h / 2] as const;
  const within = (at: number, low: number, high: number) => Math.min(Math.max(at, low), Math.max(low, high));
  for (const dy of [0, -0.28, 0.28]) {
    for (const dx of [0, -0.25, 0.25, -0.4, 0.4]) {
      const x = within(middle[0] + dx * zone.w, zone.x + w / 2, zone.x + zone.w - w / 2);
      const y = within(middle[1] + dy * zone.h, zone.y + h / 2, zone.y + zone.h - h / 2);
      const clear = sensors.every(
        ([sx, sy]) => Math.abs(sx - x) > w / 2 + SENSOR_CLEAR_M || Math.abs(sy - y) > h / 2 + SENSOR_CLEAR_M,
      );
      if (clear) return [x, y];
    }
  }
  return middle;
}

/** A label that wants to stand at a marked zone. All in page coordinates. */
export interface LabelWish {
  readonly zone: Box;
  readonly w: number;
  readonly h: number;
}

/**
 * Where labels stand: over their zone or under it, inside `view`, over no other marked zone and over no label of an earlier wish; null for
 * one that finds no such place, for a label over another cell's mark would send somebody to the wrong door. Of two free
 * places the one that covers none of `titles`. Cost: wishes times (zones + labels), which are few.
 */
export function placeLabels(
  wishes: readonly LabelWish[],
  marked: readonly Box[],
  titles: readonly Box[],
  view: Box,
  gap: number,
): readonly ({ readonly box: Box; readonly above: boolean } | null)[] {
  const placed: Box[] = [];
  return wishes.map(({ zone, w, h }) => {
    const x = Math.min(Math.max(zone.x + zone.w / 2 - w / 2, view.x), view.x + view.w - w);
    const places = [true, false]
      .map((above) => ({ above, box: { x, y: above ? zone.y - gap - h : zone.y + zone.h + gap, w, h } }))
      .filter(({ box }) => box.y >= view.y && box.y + h <= view.y + view.h)
      .filter(({ box }) => !placed.some((other) => overlap(box, other)))
      .filter(({ box }) => !marked.some((other) => other !== zone && overlap(box, other)));
    const best = places.find(({ box }) => !titles.some((title) => overlap(box, title))) ?? places[0];
    if (best === undefined) return null;
    placed.push(best.box);
    return best;
  });
}

/** A wall as the pieces left and right of its door. */
export function wallPieces(wall: WallWire): readonly (readonly [number, number, number, number])[] {
  const [x0, y0] = wall.from;
  const [x1, y1] = wall.to;
  if (wall.door === null) return [[x0, -y0, x1, -y1]];
  const length = Math.hypot(x1 - x0, y1 - y0);
  const at = (m: number): readonly [number, number] => {
    const t = Math.min(1, Math.max(0, m / length));
    return [x0 + (x1 - x0) * t, -(y0 + (y1 - y0) * t)];
  };
  const [ax, ay] = at(wall.door.at - wall.door.width_m / 2);
  const [bx, by] = at(wall.door.at + wall.door.width_m / 2);
  return [
    [x0, -y0, ax, ay],
    [bx, by, x1, -y1],
  ];
}

/** Half axes and angle (degrees on the page) of the ellipse that holds `share` of a two-dimensional normal distribution. */
export function ellipseOf(cov: readonly [number, number, number], share: number) {
  const [xx, xy, yy] = cov;
  const mean = (xx + yy) / 2;
  const half = Math.hypot((xx - yy) / 2, xy);
  // For two dimensions the squared radius is chi-square with two degrees: -2 ln(1 - share).
  const k = Math.sqrt(-2 * Math.log(1 - share));
  return {
    rx: k * Math.sqrt(Math.max(0, mean + half)),
    ry: k * Math.sqrt(Math.max(0, mean - half)),
    angle: (-Math.atan2(2 * xy, xx - yy) / 2) * (180 / Math.PI),
  };
}
