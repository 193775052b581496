/** The part of a site that matters to one block. */
import type { BlockId, Point2, SensorSite, Site, Zone } from "../model.ts";
import { edgeDistanceM, insidePolygon } from "./grid.ts";

/**
 * Zones of other blocks this near stay places where an emitter may be. A choice: farther away, a phone's own block hears it at
 * least 20 log10(60 / 3) = 26 dB louder in free space, more by two outer walls, and its alert arises there.
 */
const REACH_M = 60;

/**
 * Sensors of other blocks this near to a zone of this one count here too: without them a block sees a phone beyond its border only from
 * its own side, where much fits that is nearer. A choice: two or three cells, as far as one sensor tells a cell from the next, or a storey.
 */
const REFERENCE_M = 8;

interface Box {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

/**
 * The site as one block's fusion needs it: the block's sensors and its references (sensors of other blocks at its borders), its zones, those
 * around it and those outside, and the walls there. Without it every block of a large site would keep paths from every zone to every sensor of the whole.
 *
 * A block without zones keeps the site as it is. Cost: one pass over zones, walls and sensors.
 */
export function vicinity(site: Site, block: BlockId): Site {
  if (site.blocks.length < 2) return site;
  const own = site.zones.filter((z) => z.block === block);
  if (own.length === 0) return site;
  const near: Box = { x0: Infinity, y0: Infinity, x1: -Infinity, y1: -Infinity };
  const reach = referred(site, own);
  const sensors = site.sensors.filter((s) => s.block === block || reach(s));
  for (const zone of own) grow(near, zone.polygon);
  for (const { block: of, positionM } of sensors)
    if (of === block && positionM !== null) grow(near, [[positionM[0], positionM[1]]]);
  near.x0 -= REACH_M;
  near.y0 -= REACH_M;
  near.x1 += REACH_M;
  near.y1 += REACH_M;
  return {
    ...site,
    sensors,
    zones: site.zones.filter((z) => z.block === block || z.block === null || touches(near, z.polygon)),
    walls: site.walls.filter((w) => touches(near, [w.from, w.to])),
  };
}

/** Whether a sensor hangs at most `REFERENCE_M` from one of the zones. */
function referred(site: Site, zones: readonly Zone[]): (sensor: SensorSite) => boolean {
  const floors = new Map(site.floors.map((f) => [f.id, f]));
  return ({ type, positionM }) => {
    if (type !== "rf" || positionM === null) return false;
    const [x, y, z] = positionM;
    return zones.some((zone) => {
      const storey = floors.get(zone.floor ?? "");
      const upM = storey === undefined ? 0 : Math.max(0, storey.zM - z, z - storey.zM - storey.heightM);
      const asideM = insidePolygon(zone.polygon, x, y) ? 0 : edgeDistanceM(zone.polygon, x, y);
      return Math.hypot(upM, asideM) <= REFERENCE_M;
    });
  };
}

function grow(box: Box, points: readonly Point2[]): void {
  for (const [x, y] of points) {
    box.x0 = Math.min(box.x0, x);
    box.y0 = Math.min(box.y0, y);
    box.x1 = Math.max(box.x1, x);
    box.y1 = Math.max(box.y1, y);
  }
}

/** Whether the points' bounding box and the box overlap. */
function touches(box: Box, points: readonly Point2[]): boolean {
  const of: Box = { x0: Infinity, y0: Infinity, x1: -Infinity, y1: -Infinity };
  grow(of, points);
  return of.x0 <= box.x1 && of.x1 >= box.x0 && of.y0 <= box.y1 && of.y1 >= box.y0;
}
