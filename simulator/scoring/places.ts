/** What scoring must know of a site's zones: which one holds a point, and which are neighbours. */
import type { Site, Zone } from "../../src/model.ts";

type Point = readonly [number, number];

/** Two zones are neighbours when their borders run along each other this close (a wall lies between) … */
const WALL_M = 0.5;
/** … for at least so long: corners that touch do not count. */
const SHARED_M = 0.5;

export interface Places {
  readonly site: Site;
  zone(id: string): Zone | undefined;
  /** Zone that holds the point on that floor, or null. */
  zoneAt(xM: number, yM: number, floor: string): string | null;
  /** On one floor and sharing a stretch of border. A zone is not its own neighbour. */
  adjacent(a: string, b: string): boolean;
}

export function places(site: Site): Places {
  const byId = new Map(site.zones.map((z) => [z.id, z]));
  const known = new Map<string, boolean>();
  return {
    site,
    zone: (id) => byId.get(id),
    zoneAt(xM, yM, floor) {
      // Cells first: where polygons overlap, the smaller meaning counts.
      const inside = site.zones.filter((z) => z.floor === floor && contains(z.polygon, xM, yM));
      return (inside.find((z) => z.kind === "cell") ?? inside[0])?.id ?? null;
    },
    adjacent(a, b) {
      if (a === b) return false;
      const key = a < b ? `${a}/${b}` : `${b}/${a}`;
      let answer = known.get(key);
      if (answer === undefined) {
        const za = byId.get(a);
        const zb = byId.get(b);
        answer = za !== undefined && zb !== undefined && za.floor === zb.floor && shareBorder(za.polygon, zb.polygon);
        known.set(key, answer);
      }
      return answer;
    },
  };
}

/** Even-odd rule; points on the border may fall either way. */
function contains(ring: readonly Point[], x: number, y: number): boolean {
  let inside = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [xi, yi] = ring[i]!;
    const [xj, yj] = ring[j]!;
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

function shareBorder(a: readonly Point[], b: readonly Point[]): boolean {
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < b.length; j++) {
      if (shared(a[i]!, a[(i + 1) % a.length]!, b[j]!, b[(j + 1) % b.length]!) >= SHARED_M) return true;
    }
  }
  return false;
}

/** Length along which two segments run side by side within a wall's thickness; 0 where they are not parallel. */
function shared(p: Point, q: Point, r: Point, s: Point): number {
  const [dx, dy] = [q[0] - p[0], q[1] - p[1]];
  const length = Math.hypot(dx, dy);
  if (length === 0) return 0;
  const along = ([x, y]: Point) => ((x - p[0]) * dx + (y - p[1]) * dy) / length;
  const off = ([x, y]: Point) => Math.abs(((x - p[0]) * dy - (y - p[1]) * dx) / length);
  if (off(r) > WALL_M || off(s) > WALL_M) return 0;
  const lo = Math.max(0, Math.min(along(r), along(s)));
  const hi = Math.min(length, Math.max(along(r), along(s)));
  return Math.max(0, hi - lo);
}
