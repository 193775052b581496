import type { PipelineEvent, ReadingBatch, Site } from "../../src/model.ts";
import { BlockPipeline, type PipelineOptions } from "../../src/pipeline.ts";
import { parseSite } from "../../src/site.ts";
import { mulberry32 } from "./noise.ts";

/**
 * A small block with readings of its own making, for tests of the pipeline's rules. Its radio is as plain as can be
 * (distance, a fixed loss a wall, gamma noise); accuracy is measured in the simulator's worlds, not here.
 */

export const TOY_BAND = "lte800-ul";
export const TOY_FLOOR_DBM = -100;

/** Two rows of `cells` cells on both sides of a corridor, one sensor inside each cell's door. */
export function toySite(cells = 6): Site {
  const result = parseSite(toySiteText(cells), "toy.json");
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.site;
}

/** A pipeline of a toy block as a replay makes it, with what is changed. */
export function toyPipeline(site: Site, changed: Partial<PipelineOptions> = {}): BlockPipeline {
  return new BlockPipeline({
    site,
    block: "b1",
    calibration: null,
    windowMs: 1000,
    holdMs: 10_000,
    eager: false,
    falseAlarmsPerDay: 0.5,
    ...changed,
  });
}

/** Plays batches that each come when they end; everything there was to say, without what a flush would add. */
export function playToy(made: BlockPipeline, batches: Iterable<ReadingBatch>): PipelineEvent[] {
  const events: PipelineEvent[] = [];
  for (const batch of batches) {
    const nowMs = batch.tsMs + batch.dtMs * (batch.count - 1);
    events.push(...made.tick(nowMs));
    made.offer(batch, nowMs);
  }
  return events;
}

/** Wings of one site are so far apart, metres, that none hears another's phones. */
export const TOY_APART_M = 1000;

/** The same as the text of a site file; `wings` such blocks in a row, b1, b2 and so on, the names in those after the first with theirs before. */
export function toySiteText(cells = 6, wings = 1): string {
  const blocks = Array.from({ length: wings }, (_, w) => toyWing(cells, w));
  return JSON.stringify({
    id: "toy",
    name: "Toy",
    timezone: "Europe/Paris",
    band_plan: "eu",
    blocks: blocks.map((_, w) => ({ id: `b${w + 1}`, name: `Block ${w + 1}` })),
    floors: [{ id: "0", level: 0, z_m: 0, height_m: 3 }],
    zones: blocks.flatMap((b) => b.zones),
    walls: blocks.flatMap((b) => b.walls),
    sensors: blocks.flatMap((b) => b.sensors),
  });
}

function toyWing(cells: number, wing: number): { zones: object[]; walls: object[]; sensors: object[] } {
  const block = `b${wing + 1}`;
  const name = (id: string) => (wing === 0 ? id : `${block}-${id}`);
  const x = wing * TOY_APART_M;
  const endM = x + cells * 2.5;
  const corridor = rect(x, 4, endM, 7);
  const zones: object[] = [{ id: name("corridor"), block, floor: "0", kind: "corridor", polygon: corridor }];
  const walls: object[] = [];
  const sensors: object[] = [];
  const wall = (fromX: number, fromY: number, toX: number, toY: number) =>
    walls.push({ floor: "0", from: [fromX, fromY], to: [toX, toY], loss_db: 10 });
  // The facade: without it the street would be a place like any other.
  wall(x, 0, endM, 0);
  wall(x, 11, endM, 11);
  wall(x, 0, x, 11);
  wall(endM, 0, endM, 11);
  for (let row = 0; row < 2; row++) {
    const y0 = row === 0 ? 0 : 7;
    const wallY = row === 0 ? 4 : 7;
    for (let i = 0; i < cells; i++) {
      const x0 = x + i * 2.5;
      zones.push({
        id: name(`c${row}-${i}`),
        block,
        floor: "0",
        kind: "cell",
        polygon: rect(x0, y0, x0 + 2.5, y0 + 4),
      });
      if (i < cells - 1) wall(x0 + 2.5, y0, x0 + 2.5, y0 + 4);
      wall(x0, wallY, x0 + 2.5, wallY);
      sensors.push({
        id: name(`s${row}-${i}`),
        block,
        floor: "0",
        type: "rf",
        position_m: [x0 + 1.25, row === 0 ? 3.5 : 7.5, 2.5],
        bands: [TOY_BAND],
      });
    }
  }
  return { zones, walls, sensors };
}

export interface ToyEmitter {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly xM: number;
  readonly yM: number;
  readonly eirpDbm: number;
}

/** Readings of every sensor, one instant a batch, in order of time. */
export function* toyReadings(
  site: Site,
  emitters: readonly ToyEmitter[],
  options: { fromMs: number; untilMs: number; periodMs?: number; seed: number },
): Generator<ReadingBatch> {
  const random = mulberry32(options.seed);
  const periodMs = options.periodMs ?? 1000;
  const lastMs = new Map<string, number>();
  let seq = 0;
  for (let t = options.fromMs; t < options.untilMs; t += periodMs) {
    for (const [i, sensor] of site.sensors.entries()) {
      const tsMs = t + Math.floor((i * periodMs) / site.sensors.length);
      lastMs.set(sensor.id, tsMs);
      let mw = 10 ** (TOY_FLOOR_DBM / 10);
      for (const e of emitters) {
        if (tsMs < e.fromMs || tsMs >= e.untilMs) continue;
        mw += 10 ** ((e.eirpDbm - toyLossDb(e, sensor.positionM!)) / 10);
      }
      // Mean of eight looks of Gaussian noise.
      let looks = 0;
      for (let k = 0; k < 8; k++) looks -= Math.log(1 - random());
      yield {
        block: sensor.block,
        sensor: sensor.id,
        boot: 1,
        seq,
        tsMs,
        dtMs: 0,
        count: 1,
        bands: [TOY_BAND],
        rmsDbm: Float32Array.from([10 * Math.log10((mw * looks) / 8)]),
        peakDbm: null,
        duty: null,
        noiseDbm: null,
        looks: null,
      };
    }
    seq++;
  }
}

function toyLossDb(e: ToyEmitter, [x, y, z]: readonly [number, number, number]): number {
  const d = Math.max(1, Math.hypot(e.xM - x, e.yM - y, 1.2 - z));
  const side = (v: number) => (v < 4 ? 0 : v < 7 ? 1 : 2);
  const walls = Math.abs(Math.floor(e.xM / 2.5) - Math.floor(x / 2.5)) + Math.abs(side(e.yM) - side(y));
  return 31 + 20 * Math.log10(d) + 8 * walls;
}

function rect(x0: number, y0: number, x1: number, y1: number) {
  return [
    [x0, y0],
    [x1, y0],
    [x1, y1],
    [x0, y1],
  ];
}
