/**
 * The house of the main bench: ten blocks of four floors, 50 cells and 50 sensors a floor, so 2,000 sensors of 8 bands.
 * Everything follows from the number of sensors; nothing is drawn.
 */

/** The eight uplink bands of the European plan, with the receiver's floor in 200 kHz at 7 dB noise figure: -114 dBm. */
export const BANDS = [
  "lte700-ul",
  "lte800-ul",
  "gsm900-ul",
  "lte1800-ul",
  "umts2100-ul",
  "lte2600-ul",
  "nr3500-tdd",
  "bt-wifi-2400",
] as const;

export const CELLS_A_ROW = 25;
export const FLOORS_A_BLOCK = 4;
export const SENSORS_A_FLOOR = 50;
export const SENSORS_A_BLOCK = FLOORS_A_BLOCK * SENSORS_A_FLOOR;
const CELL_WIDTH_M = 2.5;
export const CELL_DEPTH_M = 4;
export const CORRIDOR_M = 3;
const STOREY_M = 3.2;
/** Blocks stand in a row, this far from each other: too far for a phone of one to be heard in the next. */
const BLOCK_PITCH_M = 200;

export interface BenchSensor {
  readonly id: string;
  readonly block: string;
  readonly floor: number;
  readonly positionM: readonly [number, number, number];
}

export interface BenchCell {
  readonly id: string;
  readonly block: string;
  readonly centreM: readonly [number, number, number];
}

/** Two digits, so that ids sort as numbers do. */
const two = (n: number) => String(n).padStart(2, "0");

export function benchSensors(count: number): BenchSensor[] {
  return Array.from({ length: count }, (_, i) => {
    const block = Math.floor(i / SENSORS_A_BLOCK);
    const inBlock = i % SENSORS_A_BLOCK;
    const floor = Math.floor(inBlock / SENSORS_A_FLOOR);
    const place = inBlock % SENSORS_A_FLOOR;
    // One beside each door, alternately on either side of the corridor.
    const xM = block * BLOCK_PITCH_M + (place + 0.5) * (CELL_WIDTH_M / 2);
    const yM = CELL_DEPTH_M + (place % 2 === 0 ? 0.3 : CORRIDOR_M - 0.3);
    return {
      id: `b${two(block)}-s${String(inBlock).padStart(3, "0")}`,
      block: `b${two(block)}`,
      floor,
      positionM: [xM, yM, floor * STOREY_M + 2.8],
    };
  });
}

export function benchCells(blocks: number): BenchCell[] {
  const cells: BenchCell[] = [];
  for (let block = 0; block < blocks; block++) {
    for (let floor = 0; floor < FLOORS_A_BLOCK; floor++) {
      for (let row = 0; row < 2; row++) {
        for (let i = 0; i < CELLS_A_ROW; i++) {
          const yM = row === 0 ? CELL_DEPTH_M / 2 : CELL_DEPTH_M + CORRIDOR_M + CELL_DEPTH_M / 2;
          cells.push({
            id: `b${two(block)}-${floor}-${two(row * CELLS_A_ROW + i)}`,
            block: `b${two(block)}`,
            centreM: [block * BLOCK_PITCH_M + (i + 0.5) * CELL_WIDTH_M, yM, floor * STOREY_M + 1],
          });
        }
      }
    }
  }
  return cells;
}

/** The site file (contracts section 5) of that house. */
export function benchSite(sensorCount: number): object {
  const sensors = benchSensors(sensorCount);
  const blocks = [...new Set(sensors.map((s) => s.block))];
  const endM = CELLS_A_ROW * CELL_WIDTH_M;
  const rectangle = (x0: number, y0: number, x1: number, y1: number) => [
    [x0, y0],
    [x1, y0],
    [x1, y1],
    [x0, y1],
  ];
  const floors = Array.from({ length: FLOORS_A_BLOCK }, (_, f) => ({
    id: String(f),
    level: f,
    z_m: f * STOREY_M,
    height_m: 3,
    slab: "concrete-250",
  }));
  const zones: object[] = benchCells(blocks.length).map(({ id, block, centreM: [x, y] }) => ({
    id,
    block,
    floor: id.split("-")[1],
    kind: "cell",
    polygon: rectangle(x - CELL_WIDTH_M / 2, y - CELL_DEPTH_M / 2, x + CELL_WIDTH_M / 2, y + CELL_DEPTH_M / 2),
  }));
  const walls: object[] = [];
  for (const [b, block] of blocks.entries()) {
    const x0 = b * BLOCK_PITCH_M;
    for (const { id: floor } of floors) {
      const corridor = rectangle(x0, CELL_DEPTH_M, x0 + endM, CELL_DEPTH_M + CORRIDOR_M);
      zones.push({ id: `${block}-${floor}-corridor`, block, floor, kind: "corridor", polygon: corridor });
    }
  }
  // Walls have no block of their own: they stand in the storey, and each block's have other coordinates.
  for (const [b] of blocks.entries()) {
    const x0 = b * BLOCK_PITCH_M;
    for (const { id: floor } of floors) {
      for (const [y0, y1, doorsY] of [
        [0, CELL_DEPTH_M, CELL_DEPTH_M],
        [CELL_DEPTH_M + CORRIDOR_M, 2 * CELL_DEPTH_M + CORRIDOR_M, CELL_DEPTH_M + CORRIDOR_M],
      ] as const) {
        for (let i = 0; i <= CELLS_A_ROW; i++) {
          const x = x0 + i * CELL_WIDTH_M;
          walls.push({ floor, from: [x, y0], to: [x, y1], material: "concrete-200" });
          if (i === CELLS_A_ROW) continue;
          const door = { at: CELL_WIDTH_M / 2, width_m: 0.9, material: "steel-door" };
          walls.push({ floor, from: [x, doorsY], to: [x + CELL_WIDTH_M, doorsY], material: "concrete-200", door });
        }
      }
    }
  }
  return {
    id: "bench",
    name: "Bench",
    timezone: "Europe/Paris",
    band_plan: "eu",
    blocks: blocks.map((id) => ({ id, name: id })),
    floors,
    zones,
    walls,
    sensors: sensors.map(({ id, block, floor, positionM }) => ({
      id,
      block,
      floor: String(floor),
      type: "rf",
      position_m: positionM,
      bands: BANDS,
    })),
  };
}
