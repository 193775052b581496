/**
 * Time a burst, build time and memory of the localiser on generated blocks: 80 cells with a sensor over every door, 1,000
 * cells with 500 sensors.
 * Beside the time that passed stands the processor's, which other processes on a shared machine lengthen less, and that of the
 * quickest of five passes over the bursts, burst by burst, which they lengthen least; nothing is kept from one pass to the next.
 * The first bursts of each row are counted by themselves ("first": the slowest of them), since the engine is still compiling.
 * Run: node bin/bench.js locate-speed [bursts]
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Locator, type Observation } from "../../src/fuse/locate.ts";
import type { SensorSite, Site, Wall, Zone } from "../../src/model.ts";
import { mulberry32 } from "../support/noise.ts";
import { normals } from "./tablea.ts";

const BAND = { id: "lte800-ul", loHz: 832e6, hiHz: 862e6, tdd: false };
const CELL_W = 2.5;
const CELL_D = 4;
const CORRIDOR_D = 3;
const STOREY = 3.2;

export interface BlockSize {
  readonly floors: number;
  /** Cells in each of a floor's two rows. */
  readonly columns: number;
  /** A sensor over every so-manieth door of a row. */
  readonly every: number;
}

/** Floors of two rows of cells along a corridor, concrete walls, steel doors, sensors over the doors, a street. */
export function blockOf({ floors, columns, every }: BlockSize): Site {
  const zones: Zone[] = [];
  const walls: Wall[] = [];
  const sensors: SensorSite[] = [];
  const width = columns * CELL_W;
  const top = 2 * CELL_D + CORRIDOR_D;
  for (let f = 0; f < floors; f++) {
    const floor = String(f);
    const box = (x0: number, y0: number, x1: number, y1: number): Zone["polygon"] => [
      [x0, y0],
      [x1, y0],
      [x1, y1],
      [x0, y1],
    ];
    const wall = (from: Wall["from"], to: Wall["to"], lossDb: number, door: Wall["door"] = null): void => {
      walls.push({ floor, from, to, material: null, lossDb, door });
    };
    const rest = { block: "b1", floor, phones: "forbidden" } as const;
    zones.push({
      id: `corridor-${f}`,
      kind: "corridor",
      polygon: box(0, CELL_D, width, CELL_D + CORRIDOR_D),
      ...rest,
    });
    for (let row = 0; row < 2; row++) {
      const [y0, front, back] = row === 0 ? [0, CELL_D, 0] : [CELL_D + CORRIDOR_D, CELL_D + CORRIDOR_D, top];
      for (let c = 0; c < columns; c++) {
        const x = c * CELL_W;
        zones.push({ id: `c${f}-${row}-${c}`, kind: "cell", polygon: box(x, y0, x + CELL_W, y0 + CELL_D), ...rest });
        const door = { atM: CELL_W / 2, widthM: 0.9, material: "steel-door", lossDb: 20 };
        wall([x, front], [x + CELL_W, front], 10, door);
        wall([x, back], [x + CELL_W, back], 10);
        wall([x, y0], [x, y0 + CELL_D], 12);
        if (c % every !== 0) continue;
        const positionM = [x + CELL_W / 2, row === 0 ? front + 0.2 : front - 0.2, f * STOREY + 2.5] as const;
        const id = `s${f}-${row}-${c}`;
        sensors.push({ id, block: "b1", floor, type: "rf", positionM, bands: [BAND.id], method: null, place: null });
      }
      wall([width, y0], [width, y0 + CELL_D], 12);
    }
  }
  const street = [
    [-10, -30],
    [width + 10, -30],
    [width + 10, -15],
    [-10, -15],
  ] as const;
  zones.push({ id: "street", block: null, floor: null, kind: "outside", polygon: street, phones: "allowed" });
  return {
    id: "speed",
    name: "Speed",
    timezone: "UTC",
    bands: [BAND],
    blocks: [{ id: "b1", name: "Block 1" }],
    floors: Array.from({ length: floors }, (_, f) => ({
      id: String(f),
      level: f,
      zM: f * STOREY,
      heightM: 3,
      slabMaterial: null,
      slabLossDb: 18,
    })),
    zones,
    walls,
    sensors,
  };
}

/** Bursts of phones in cells: free-space levels less 8 dB a row or floor between, 6 dB of scatter, floors of `floorDbm`. */
export function burstsOf(site: Site, count: number, floorDbm: number, seed: number): Observation[] {
  const next = mulberry32(seed);
  const normal = normals(seed + 1);
  const cells = site.zones.filter((z) => z.kind === "cell");
  return Array.from({ length: count }, (_, t) => {
    const cell = cells[Math.floor(next() * cells.length)]!;
    const [x0, y0] = cell.polygon[0]!;
    const [x, y] = [x0 + CELL_W * next(), y0 + CELL_D * next()];
    const z = Number(cell.floor) * STOREY + 1.2;
    const power = -36 + 15 * normal();
    const sensors = site.sensors.map((s) => {
      const [sx, sy, sz] = s.positionM!;
      const d = Math.hypot(x - sx, y - sy, z - sz);
      const between = 10 + 18 * Math.abs(Number(s.floor) - Number(cell.floor)) + (Math.abs(x - sx) > 2 ? 8 : 0);
      const levelDbm = power - 20 * Math.log10(Math.max(0.7, d)) - between + 6 * normal();
      const heard = levelDbm > floorDbm;
      return { sensor: s.id, levelDbm: heard ? levelDbm : Number.NaN, floorDbm, sigmaDb: 2 };
    });
    return { tMs: t, band: BAND.id, sensors };
  });
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!;
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** Memory of the process, what it can do without given back; MB. */
function residentMb(): number {
  collect();
  collect();
  return process.memoryUsage.rss() / 1e6;
}

const PASSES = 5;
/** Bursts that only warm up: the engine compiles what is asked of it often during the first hundred or so of a process. */
const WARM = 200;

function main(): void {
  const count = Number(process.argv[2] ?? 300);
  process.stdout.write(
    "cells sensors candidates  build s  memory MB  floor dBm  heard  first ms  p50 ms  p99 ms  cpu p50  cpu p99  least p50  p99   hash\n",
  );
  for (const size of [
    { floors: 2, columns: 20, every: 1 },
    { floors: 5, columns: 100, every: 2 },
  ]) {
    const site = blockOf(size);
    const before = residentMb();
    const started = performance.now();
    const locator = new Locator(site, { block: "b1", calibration: null });
    for (const _ of locator.prepare());
    const buildS = (performance.now() - started) / 1000;
    const memory = residentMb() - before;
    const out = new Float64Array(locator.size);
    for (const floorDbm of [-100, -200]) {
      const all = burstsOf(site, count + WARM, floorDbm, 7);
      const bursts = all.slice(WARM);
      let [hash, heard, first] = [0, 0, 0];
      for (const burst of all.slice(0, WARM)) {
        const from = performance.now();
        locator.logLikelihood(burst, out);
        first = Math.max(first, performance.now() - from);
      }
      const times: number[] = [];
      const cpu: number[] = [];
      const least = new Array<number>(count).fill(Number.POSITIVE_INFINITY);
      for (let pass = 0; pass < PASSES; pass++) {
        bursts.forEach((burst, i) => {
          const from = performance.now();
          const used = process.cpuUsage();
          locator.logLikelihood(burst, out);
          const { user, system } = process.cpuUsage(used);
          const ms = performance.now() - from;
          cpu.push((user + system) / 1000);
          times.push(ms);
          least[i] = Math.min(least[i]!, ms);
          if (pass > 0) return;
          hash += locator.fix(out).candidates[0]?.p ?? 0;
          heard += burst.sensors.filter((s) => Number.isFinite(s.levelDbm)).length / bursts.length;
        });
      }
      for (const values of [times, cpu, least]) values.sort((a, b) => a - b);
      const cells = site.zones.filter((z) => z.kind === "cell").length;
      process.stdout.write(
        `${String(cells).padEnd(6)}${String(site.sensors.length).padEnd(8)}${String(locator.size).padEnd(12)}` +
          `${buildS.toFixed(2).padEnd(9)}${memory.toFixed(1).padEnd(11)}${String(floorDbm).padEnd(11)}` +
          `${heard.toFixed(0).padEnd(7)}${first.toFixed(1).padEnd(10)}${quantile(times, 0.5).toFixed(2).padEnd(8)}${quantile(times, 0.99).toFixed(2).padEnd(8)}` +
          `${quantile(cpu, 0.5).toFixed(2).padEnd(9)}${quantile(cpu, 0.99).toFixed(2).padEnd(9)}` +
          `${quantile(least, 0.5).toFixed(2).padEnd(11)}${quantile(least, 0.99).toFixed(2).padEnd(6)}` +
          `${(hash / bursts.length).toFixed(6)}\n`,
      );
    }
  }
}

if (process.argv[1]?.match(/locate-speed\.[jt]s$/)) main();
