/**
 * `locate` without any calibration in houses nobody has seen: halls of random size with a random exponent, blocks of cells with right
 * and wrong plans; every sensor off by its own amount, shadowing that belongs to the place, packets that fade and are missed.
 * Each house draws its own spreads. Says how often the stated sets hold the truth, and how often the likeliest cell is right.
 * Run: node bin/bench.js uncalibrated [halls] [blocks] [seed]
 */
import { BASE_BLOCK, buildBlock, cellId, HARD_BLOCK, LAYOUTS, PER_CELL, World } from "../../simulator/table-a.ts";
import { locate } from "../../src/cli/locate.ts";
import { insidePolygon } from "../../src/fuse/grid.ts";
import type { SensorSite, Site, Zone } from "../../src/model.ts";
import type { TraceMessage } from "../../src/trace/index.ts";
import { mulberry32 } from "../support/noise.ts";
import { type PathPoint, positionAt } from "../support/path.ts";
import { Coverage, streamed } from "./locate.ts";
import { normals, PLANS, type PlanKind } from "./tablea.ts";

const EVERY_MS = 1000;
const BURST_MS = 400;
const START_MS = 1_700_000_000_000;

interface Place {
  readonly x: number;
  readonly y: number;
}

interface Run {
  readonly site: Site;
  readonly trace: readonly TraceMessage[];
  /** Middle of the interval that ends at t. */
  readonly truthAt: (tMs: number) => Place;
  readonly cell: string | null;
}

interface Draw {
  readonly next: () => number;
  readonly normal: () => number;
}

const between = (d: Draw, lo: number, hi: number): number => lo + (hi - lo) * d.next();

/** A field of exponential correlation over `lengthM`: cosines with frequencies of its spectrum (bivariate Cauchy). */
function field(d: Draw, sdDb: number, lengthM: number): (p: Place) => number {
  const waves = Array.from({ length: 200 }, () => {
    const scale = 1 / (lengthM * Math.max(1e-6, Math.abs(d.normal())));
    return [scale * d.normal(), scale * d.normal(), 2 * Math.PI * d.next()] as const;
  });
  const amplitude = sdDb * Math.sqrt(2 / waves.length);
  return ({ x, y }) => amplitude * waves.reduce((sum, [u, v, phase]) => sum + Math.cos(u * x + v * y + phase), 0);
}

/** Event-driven sensors' messages of one phone; `levelAt` is the mean level at a sensor, dBm. */
function messages(
  d: Draw,
  site: Site,
  seconds: number,
  levelAt: (sensor: number, tMs: number) => number,
  heard: number,
  fadingDb: number,
): TraceMessage[] {
  const band = site.bands[0]!.id;
  const topic = (s: SensorSite, kind: string): string => `cellward/v1/${site.id}/${s.block}/${s.id}/${kind}`;
  const out: TraceMessage[] = site.sensors.map((s) => ({
    t: START_MS,
    topic: topic(s, "birth"),
    payload: { v: 1, boot: 1, ts: START_MS, type: "rf", model: "m", fw: "1", period_ms: 0, bands: [{ id: band }] },
  })) as TraceMessage[];
  for (let t = START_MS + 1; t < START_MS + 1000 * seconds; t += Math.round(BURST_MS * (0.5 + d.next()))) {
    site.sensors.forEach((s, i) => {
      const level = levelAt(i, t) + fadingDb * d.normal();
      if (level < -105 || d.next() > heard) return;
      const payload = { v: 1, boot: 1, seq: 0, ts: t, r: [{ b: band, peak_dbm: Math.round(level) }] };
      out.push({ t, topic: topic(s, "reading"), payload } as TraceMessage);
    });
  }
  return out;
}

/** An open hall, cut into squares, and somebody who walks and stands in it. */
function hall(d: Draw): Run {
  const [w, h] = [between(d, 10, 36), between(d, 8, 24)];
  const [columns, rows] = [Math.round(w / 5), Math.round(h / 5)];
  const zones: Zone[] = [];
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j < rows; j++) {
      const [x0, x1, y0, y1] = [i, i + 1, j, j + 1].map((k, n) => k * (n < 2 ? w / columns : h / rows)) as [
        number,
        number,
        number,
        number,
      ];
      const polygon = [
        [x0, y0],
        [x1, y0],
        [x1, y1],
        [x0, y1],
      ] as const;
      zones.push({ id: `z${i}-${j}`, block: "b1", floor: "0", kind: "cell", polygon, phones: "forbidden" });
    }
  }
  const count = 6 + Math.floor(15 * d.next());
  const sensors = Array.from({ length: count }, (_, i): SensorSite => {
    const positionM = [w * d.next(), h * d.next(), between(d, 1.2, 3)] as const;
    return {
      id: `s${i}`,
      block: "b1",
      floor: "0",
      type: "rf",
      positionM,
      bands: ["bt-wifi-2400"],
      method: null,
      place: null,
    };
  });
  const site: Site = {
    id: "hall",
    name: "Hall",
    timezone: "UTC",
    bands: [{ id: "bt-wifi-2400", loHz: 2400e6, hiHz: 2483.5e6, tdd: false }],
    blocks: [{ id: "b1", name: "Hall" }],
    floors: [{ id: "0", level: 0, zM: 0, heightM: 3.5, slabMaterial: null, slabLossDb: null }],
    zones,
    walls: [],
    sensors,
  };
  const exponent = between(d, 1.4, 3);
  const power = -45 + 10 * d.normal();
  const offsetDb = between(d, 0, 5);
  const shadowDb = between(d, 2, 6);
  const lengthM = between(d, 1.5, 5);
  const offsets = sensors.map(() => offsetDb * d.normal());
  const shadows = sensors.map(() => field(d, shadowDb, lengthM));
  const seconds = 60;
  const speed = between(d, 0.1, 1.2);
  // Legs from one random place to the next, each with a rest.
  const stops: PathPoint[] = [];
  let p: Place = { x: w * d.next(), y: h * d.next() };
  const stop = (t: number) => stops.push({ t, x_m: p.x, y_m: p.y });
  for (let t = 0; t < seconds; ) {
    stop(t);
    t += between(d, 0, 15);
    stop(t);
    const q = { x: w * d.next(), y: h * d.next() };
    t += Math.hypot(q.x - p.x, q.y - p.y) / speed;
    p = q;
  }
  stop(seconds + 1000);
  const truthAt = (tMs: number): Place => positionAt(stops, (tMs - START_MS) / 1000);
  const levelAt = (s: number, tMs: number): number => {
    const at = truthAt(tMs);
    const [x, y, z] = sensors[s]!.positionM!;
    const m = Math.max(0.5, Math.hypot(x - at.x, y - at.y, z - 1.2));
    return power - 10 * exponent * Math.log10(m) + offsets[s]! + shadows[s]!(at);
  };
  return {
    site,
    trace: messages(d, site, seconds, levelAt, between(d, 0.6, 0.95), between(d, 3, 5)),
    truthAt,
    cell: null,
  };
}

/** A phone that stays in a cell of a block of the localisation tables, told with this plan. */
function cellPhone(d: Draw, plan: PlanKind): Run {
  const layouts = LAYOUTS.filter((l) => l !== "cell" && l !== "stag/4");
  const layout = layouts[Math.floor(layouts.length * d.next())]!;
  const params = { ...(d.next() < 0.5 ? BASE_BLOCK : HARD_BLOCK), powerSdDb: 10 };
  const block = buildBlock(params, layout);
  const world = new World(block, d.normal);
  const at = Math.floor(d.next() * block.positions.length);
  const shadow = world.shadows([block.positions[at]!])[0]!;
  const power = params.powerMeanDbm + params.powerSdDb * d.normal();
  const offsetDb = between(d, 0, 4);
  const count = block.sensors.length;
  const mean = block.sensors.map((_, s) => power + block.gain[at * count + s]! + shadow[s]! + offsetDb * d.normal());
  const { x, y } = block.positions[at]!;
  const trace = messages(d, block.site, 20, (s) => mean[s]!, 0.9, params.fadingDb);
  return { site: PLANS[plan](block.site), trace, truthAt: () => ({ x, y }), cell: cellId(Math.floor(at / PER_CELL)) };
}

interface Sums {
  readonly coverage: Coverage;
  stated: number;
  right: number;
  cells: number;
}

const sums = (): Sums => ({ coverage: new Coverage(), stated: 0, right: 0, cells: 0 });

async function score(run: Run, into: readonly Sums[]): Promise<void> {
  const cellOf = ({ x, y }: Place): string | null => {
    const zone = run.site.zones.find((z) => insidePolygon(z.polygon, x, y));
    return zone?.id ?? null;
  };
  for await (const line of locate(streamed(run.trace), run.site, null, EVERY_MS, null)) {
    const truth = run.truthAt(line.t - EVERY_MS / 2);
    const cell = run.cell ?? cellOf(truth);
    const top = line.candidates[0];
    for (const s of into) {
      s.coverage.add(line, truth.x, truth.y);
      if (top === undefined) continue;
      s.cells++;
      s.stated += top.p;
      if (top.cell === cell) s.right++;
    }
  }
}

function print(name: string, s: Sums): void {
  const { count, medianM, p95M, cover50, cover90 } = s.coverage.scores();
  const percent = (share: number): string => (100 * share).toFixed(1);
  process.stdout.write(
    `| ${name} | ${count} | ${medianM.toFixed(2)} | ${p95M.toFixed(2)} | ${percent(cover50)} % | ${percent(cover90)} % | ` +
      `${percent(s.stated / s.cells)} % | ${percent(s.right / s.cells)} % |\n`,
  );
}

async function main(): Promise<void> {
  const [halls = 40, blocks = 40, seed = 1] = process.argv.slice(2).map(Number);
  process.stdout.write(
    "| world | intervals | median m | 95th percentile m | 50 % sets hold | 90 % sets hold | likeliest cell, stated | right |\n|---|---|---|---|---|---|---|---|\n",
  );
  const open = sums();
  for (let k = 0; k < halls; k++) {
    const own = seed * 1000 + k;
    await score(hall({ next: mulberry32(own), normal: normals(own + 500_000) }), [open]);
  }
  if (halls > 0) print("halls", open);
  if (blocks > 0) {
    for (const plan of Object.keys(PLANS) as PlanKind[]) {
      const s = sums();
      for (let k = 0; k < blocks; k++) {
        const own = seed * 1000 + k;
        await score(cellPhone({ next: mulberry32(own + 1), normal: normals(own + 600_000) }, plan), [s]);
      }
      print(`blocks, ${plan}`, s);
    }
  }
}

if (process.argv[1]?.match(/uncalibrated\.[jt]s$/)) await main();
