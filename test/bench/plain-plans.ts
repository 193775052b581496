/**
 * What the plan of a plain house (`plain-house.ts`) may say of it: in other coordinates, cut into other blocks or cells, drawn otherwise, or wrong.
 */
export type Point = readonly [number, number];

export interface Zone {
  readonly id: string;
  readonly block?: string;
  readonly floor?: string;
  readonly kind: string;
  readonly polygon: readonly Point[];
}

export interface PlainSite {
  readonly band_plan: string;
  readonly walls: readonly { readonly from: Point; readonly to: Point }[];
  readonly blocks: readonly object[];
  readonly zones: readonly Zone[];
  readonly sensors: readonly {
    readonly id: string;
    readonly block: string;
    readonly floor: string;
    readonly position_m: readonly [number, number, number];
    readonly bands: readonly string[];
  }[];
}

const xs = (zone: Zone) => zone.polygon.map((p) => p[0]);
const round = (v: number) => Math.round(100 * v) / 100;

/** The site with its right half a block of its own; corridors are cut in two where the blocks meet. */
export function halves(site: PlainSite): PlainSite {
  const inside = site.zones.filter((z) => z.block !== undefined);
  const rights = [...new Set(inside.flatMap(xs))].sort((a, b) => a - b);
  // A line between cells: some cell ends there.
  const middle = rights[Math.floor(rights.length / 2)]!;
  const zones = site.zones.flatMap((zone): Zone[] => {
    if (zone.block === undefined || Math.max(...xs(zone)) <= middle) return [zone];
    if (Math.min(...xs(zone)) >= middle) return [{ ...zone, block: "b2" }];
    const clamped = (lo: number, hi: number) => zone.polygon.map(([x, y]): Point => [Math.min(hi, Math.max(lo, x)), y]);
    const [lo, hi] = [Math.min(...xs(zone)), Math.max(...xs(zone))];
    return [
      { ...zone, polygon: clamped(lo, middle) },
      { ...zone, id: `${zone.id}-2`, block: "b2", polygon: clamped(middle, hi) },
    ];
  });
  const sensors = site.sensors.map((s) => ({ ...s, block: s.position_m[0] < middle ? "b1" : "b2" }));
  return { ...site, blocks: [...site.blocks, { id: "b2", name: "B2" }], zones, sensors };
}

/** Each storey is a block. */
export function storeys(site: PlainSite): PlainSite {
  const blockOf = (floor: string) => `b${Number(floor) + 1}`;
  const zones = site.zones.map((z) => (z.block === undefined ? z : { ...z, block: blockOf(z.floor!) }));
  const sensors = site.sensors.map((s) => ({ ...s, block: blockOf(s.floor) }));
  const ids = [...new Set(zones.flatMap((z) => z.block ?? []))];
  return { ...site, blocks: ids.map((id) => ({ id, name: id })), zones, sensors };
}

/** Turned by 30 degrees, on a French map (Lambert 93). */
export function surveyed(xM: number, yM: number): Point {
  const [cos, sin] = [Math.sqrt(3) / 2, 0.5];
  return [652_000 + cos * xM - sin * yM, 6_862_000 + sin * xM + cos * yM];
}

export function moved(site: PlainSite, to: (xM: number, yM: number) => Point): PlainSite {
  return {
    ...site,
    zones: site.zones.map((z) => ({ ...z, polygon: z.polygon.map(([x, y]) => to(x, y)) })),
    walls: site.walls.map((w) => ({ ...w, from: to(...w.from), to: to(...w.to) })),
    sensors: site.sensors.map(({ position_m: [x, y, z], ...s }) => ({ ...s, position_m: [...to(x, y), z] })),
  };
}

/** The two sensors in the middle of the list each hang where the plan has the other. */
export function swapped(site: PlainSite): PlainSite {
  const k = site.sensors.length >> 1;
  const at = (i: number) => site.sensors[i === k ? k - 1 : i === k - 1 ? k : i]!.position_m;
  return { ...site, sensors: site.sensors.map((s, i) => ({ ...s, position_m: at(i) })) };
}

/** The sensor in the middle of the list hangs 5 m from where the plan has it. */
export function shifted(site: PlainSite): PlainSite {
  const k = site.sensors.length >> 1;
  const sensors = site.sensors.map((s, i) => {
    const [x, y, z] = s.position_m;
    return i === k ? { ...s, position_m: [x - 5, y, z] as const } : s;
  });
  return { ...site, sensors };
}

const isCell = (zone: Zone) => zone.kind === "cell";
const box = (x0: number, y0: number, x1: number, y1: number): Point[] => [
  [round(x0), round(y0)],
  [round(x1), round(y0)],
  [round(x1), round(y1)],
  [round(x0), round(y1)],
];

/** Four cells side by side are one dormitory. */
export function merged(site: PlainSite): PlainSite {
  const rows = new Map<string, Zone[]>();
  for (const z of site.zones.filter(isCell)) {
    const key = `${z.floor} ${z.polygon[0]![1]}`;
    rows.set(key, [...(rows.get(key) ?? []), z]);
  }
  const zones = [...rows.values()].flatMap((row) =>
    row
      .filter((_, i) => i % 4 === 0)
      .map((first, i): Zone => {
        const last = row[Math.min(row.length, 4 * i + 4) - 1]!;
        return { ...first, polygon: box(...first.polygon[0]!, ...last.polygon[2]!) };
      }),
  );
  return { ...site, zones: [...site.zones.filter((z) => !isCell(z)), ...zones] };
}

/** Each cell is drawn as two rows of two. */
export function quartered(site: PlainSite): PlainSite {
  const zones = site.zones.flatMap((z): Zone[] => {
    if (!isCell(z)) return [z];
    const [[x0, y0], , [x1, y1]] = z.polygon as [Point, Point, Point];
    const [x, y] = [(x0 + x1) / 2, (y0 + y1) / 2];
    const parts = [box(x0, y0, x, y), box(x, y0, x1, y), box(x0, y, x, y1), box(x, y, x1, y1)];
    return parts.map((polygon, k) => ({ ...z, id: `${z.id}-${k}`, polygon }));
  });
  return { ...site, zones };
}

/** Cells are drawn by their outer measures, half a metre too wide on each side. */
export function grown(site: PlainSite): PlainSite {
  const zones = site.zones.map((z): Zone => {
    if (!isCell(z)) return z;
    const [[x0, y0], , [x1, y1]] = z.polygon as [Point, Point, Point];
    return { ...z, polygon: box(x0 - 0.5, y0 - 0.5, x1 + 0.5, y1 + 0.5) };
  });
  return { ...site, zones };
}

/** Rings run the other way round, with a point in the middle of each side, and end where they began. */
export function clockwise(site: PlainSite): PlainSite {
  const zones = site.zones.map((z): Zone => {
    const back = [...z.polygon].reverse();
    const ring = back.flatMap((p, i): Point[] => {
      const next = back[(i + 1) % back.length]!;
      return [p, [(p[0] + next[0]) / 2, (p[1] + next[1]) / 2]];
    });
    return { ...z, polygon: [...ring, ring[0]!] };
  });
  return { ...site, zones };
}

export const onlyCells = (site: PlainSite): PlainSite => ({ ...site, zones: site.zones.filter(isCell) });
