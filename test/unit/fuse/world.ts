/** Small sites for the localiser's tests. */
import type { Point2, SensorSite, Site, Wall, Zone } from "../../../src/model.ts";

const BAND = { id: "lte800-ul", loHz: 832e6, hiHz: 862e6, tdd: false };

export function sensor(id: string, xM: number, yM: number, zM = 2.5, floor = "0", block = "b1"): SensorSite {
  return {
    id,
    block,
    floor,
    type: "rf",
    positionM: [xM, yM, zM],
    bands: [BAND.id],
    method: null,
    place: null,
  };
}

export function box(x0: number, y0: number, x1: number, y1: number): Point2[] {
  return [
    [x0, y0],
    [x1, y0],
    [x1, y1],
    [x0, y1],
  ];
}

export function zone(id: string, polygon: Point2[], more: Partial<Zone> = {}): Zone {
  return { id, block: "b1", floor: "0", kind: "cell", polygon, phones: "forbidden", ...more };
}

export function wall(from: Point2, to: Point2, lossDb: number, more: Partial<Wall> = {}): Wall {
  return { floor: "0", from, to, material: null, lossDb, door: null, ...more };
}

export function site(more: Partial<Site>): Site {
  return {
    id: "test",
    name: "Test",
    timezone: "UTC",
    bands: [BAND],
    blocks: [{ id: "b1", name: "Block 1" }],
    floors: [{ id: "0", level: 0, zM: 0, heightM: 3, slabMaterial: null, slabLossDb: null }],
    zones: [],
    walls: [],
    sensors: [],
    ...more,
  };
}

/** Two rows of four cells on both sides of a corridor, sensors on its centre line. */
export function corridorSite(): Site {
  const zones: Zone[] = [zone("corridor", box(0, 4, 10, 6), { kind: "corridor" })];
  const walls: Wall[] = [];
  for (let i = 0; i < 4; i++) {
    const x = i * 2.5;
    zones.push(zone(`a${i}`, box(x, 0, x + 2.5, 4)), zone(`b${i}`, box(x, 6, x + 2.5, 10)));
    const door = { atM: 1.25, widthM: 0.9, material: "steel-door", lossDb: null };
    walls.push(wall([x, 4], [x + 2.5, 4], 10, { door }), wall([x, 6], [x + 2.5, 6], 10, { door }));
    walls.push(wall([x, 0], [x, 4], 12), wall([x, 6], [x, 10], 12));
  }
  return site({ zones, walls, sensors: [0, 1, 2, 3].map((i) => sensor(`s${i}`, i * 2.5 + 1.25, 5)) });
}
