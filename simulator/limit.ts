/**
 * What could have been reached on the same draws by someone who is told the world: the power and place of each emitter for
 * detection, and the true walls, spreads and noise for localisation. A score beside its limit is a ratio to the best
 * possible, not to a wish.
 *
 * Detector: for every use a CUSUM of the exact log-likelihood ratio of its readings (gamma distributed with the receiver's
 * looks; docs/detection.md), all sensors summed within an instant, at the true mean signal-to-noise ratios and floors. It
 * watches one emitter and so pays for one channel. It does not know the fading of single bursts, so it is the best of those
 * that are told means.
 *
 * Localiser: Bayes over a grid of positions with the true gains of the floor plan (not the shadowing), correlated shadowing
 * among sensors, power integrated out, sensors below the floor as evidence. Silent sensors are taken as independent.
 */
import type { Physics, SimMessage, Simulation } from "./index.ts";
import type { Limit, RunRows, UseRow } from "./score.ts";
import { quantile, roundOrNull, share } from "./scoring/stats.ts";

/** Share of a use's readings that hold a burst, as far as the exact detector assumes; it hardly depends on it. */
const BURST_SHARE = 0.5;
/** Heard: mean level so far above the true floor, dB. */
const HEARD_DB = 2;
/** Candidate radiated powers, dBm: from a phone under tight power control to GSM's full power, body loss taken off. */
const POWERS_DBM = Array.from({ length: 21 }, (_, i) => -20 + 2.5 * i);
const GRID_M = 0.75;

/** What the limit says of one use. */
export interface UseLimit {
  readonly id: string;
  readonly found: boolean;
  readonly delay_s: number | null;
  /** Rank of the true zone, 1 for the first; 0 where too little was heard to say. */
  readonly rank: number;
}

interface Watch {
  readonly use: UseRow;
  readonly band: string;
  readonly snr: Float64Array;
  readonly place: { readonly zone: number };
  cusum: number;
  crossedMs: number;
  /** Sum of received over noise power, and the count, per sensor, over instants that hold a burst. */
  readonly ratio: Float64Array;
  readonly count: Float64Array;
}

/** Reads the run's messages once more. Cost: parsing the readings that fall into a use, and a grid of positions per use. */
export function limitsOf(sim: Simulation, rows: RunRows, falseAlarmsPerDay: number): UseLimit[] {
  const { physics } = sim;
  const looks = physics.receiver.looks;
  const instants = (86_400_000 / physics.receiver.period_ms) * Math.max(1, rows.blocks);
  const threshold = Math.log(instants / falseAlarmsPerDay);
  const watches = rows.uses.map((use) => watchOf(physics, use));
  const sensors = new Map(physics.site.sensors.map((s, i) => [s.id, i]));
  const floors = floorTable(physics);
  let slotMs = Number.NaN;
  let slot: { sensor: number; band: string; p: number }[] = [];
  const judge = () => {
    for (const w of watches) {
      if (slotMs < w.use.start || slotMs > w.use.end + physics.receiver.period_ms) continue;
      step(w, slot, slotMs, looks, threshold);
    }
    slot = [];
  };
  for (const m of sim.messages()) {
    const near = watches.some((w) => m.t >= w.use.start && m.t <= w.use.end + 2 * physics.receiver.period_ms);
    if (!near) continue;
    // Instants are those of the reporting grid: all sensors' readings of one period count together.
    const at = Math.floor((m.t - sim.startMs) / physics.receiver.period_ms) * physics.receiver.period_ms + sim.startMs;
    if (at !== slotMs) judge();
    slotMs = at;
    for (const r of readingsOf(m)) {
      const sensor = sensors.get(r.sensor);
      if (sensor === undefined) continue;
      const floor = floors(sensor, r.band);
      if (!Number.isNaN(floor)) slot.push({ sensor, band: r.band, p: 10 ** ((r.dbm - floor) / 10) });
    }
  }
  judge();
  const grids = new Map<string, Grid>();
  return watches.map((w) => ({
    id: w.use.id,
    found: !Number.isNaN(w.crossedMs),
    delay_s: Number.isNaN(w.crossedMs) ? null : Math.max(0, (w.crossedMs - w.use.start) / 1000),
    rank: rankOf(physics, w, looks, grids),
  }));
}

/** The limits of many runs as a score shows them. Places: over uses that both found, so that the ratio is of like with like. */
export function limitSummary(runs: readonly { readonly rows: RunRows; readonly limits: readonly UseLimit[] }[]): Limit {
  const all = runs.flatMap((r) => r.limits);
  const found = new Set(runs.flatMap((r) => r.rows.uses.filter((u) => u.alert !== null).map((u) => u.id)));
  const placed = all.filter((l) => l.rank > 0 && found.has(l.id));
  const delays = all.filter((l) => l.delay_s !== null).map((l) => l.delay_s!);
  return {
    recall: share(all.filter((l) => l.found).length, all.length),
    top1: share(placed.filter((l) => l.rank === 1).length, placed.length),
    top3: share(placed.filter((l) => l.rank <= 3).length, placed.length),
    delay_p50_s: roundOrNull(quantile(delays, 0.5)),
  };
}

function watchOf(physics: Physics, use: UseRow): Watch {
  const place = physics.place(use.x_m, use.y_m, use.floor);
  const band = use.bands[0]!;
  const gains = physics.gainDb(place, band);
  const snr = Float64Array.from(gains, (g, s) => {
    const noise = physics.noiseDbm(s, band);
    return Number.isNaN(noise) ? 0 : 10 ** ((use.eirp_dbm + g - noise) / 10);
  });
  const n = gains.length;
  return {
    use,
    band,
    snr,
    place,
    cusum: 0,
    crossedMs: Number.NaN,
    ratio: new Float64Array(n),
    count: new Float64Array(n),
  };
}

function step(
  w: Watch,
  slot: readonly { sensor: number; band: string; p: number }[],
  tMs: number,
  looks: number,
  threshold: number,
): void {
  let llr = 0;
  for (const { sensor, band, p } of slot) {
    if (band !== w.band) continue;
    const s = w.snr[sensor]!;
    llr += looks * ((p * s) / (1 + s) - Math.log1p(s));
  }
  // ln(1 - q + q e^L), without overflow for strong bursts.
  const top = Math.max(0, llr);
  const step = top + Math.log((1 - BURST_SHARE) * Math.exp(-top) + BURST_SHARE * Math.exp(llr - top));
  w.cusum = Math.max(0, w.cusum + step);
  if (w.cusum >= threshold && Number.isNaN(w.crossedMs)) w.crossedMs = tMs;
  if (llr <= 0) return;
  for (const { sensor, band, p } of slot) {
    if (band !== w.band) continue;
    w.ratio[sensor] = w.ratio[sensor]! + p;
    w.count[sensor] = w.count[sensor]! + 1;
  }
}

function floorTable(physics: Physics): (sensor: number, band: string) => number {
  const known = new Map<string, number>();
  return (sensor, band) => {
    const key = `${sensor}/${band}`;
    let floor = known.get(key);
    if (floor === undefined) {
      floor = physics.noiseDbm(sensor, band) + physics.gainErrorDb(sensor);
      known.set(key, floor);
    }
    return floor;
  };
}

/** The mean levels of a `reading` or of the instants of a `readings` message; nothing of a broken one. */
function readingsOf(m: SimMessage): { sensor: string; band: string; dbm: number }[] {
  if (typeof m.payload !== "string") return [];
  const [, , , , sensor, kind] = m.topic.split("/");
  if (sensor === undefined || (kind !== "reading" && kind !== "readings")) return [];
  const out: { sensor: string; band: string; dbm: number }[] = [];
  const value = JSON.parse(m.payload);
  if (kind === "reading") {
    for (const r of value.r) if (typeof r.rms_dbm === "number") out.push({ sensor, band: r.b, dbm: r.rms_dbm });
    return out;
  }
  for (const [i, row] of (value.rms_dbm ?? []).entries()) {
    for (const dbm of row) if (typeof dbm === "number") out.push({ sensor, band: value.bands[i], dbm });
  }
  return out;
}

// --------------------------------------------------------------------------------------------------------- the localiser

interface Grid {
  readonly zone: Int32Array;
  /** Points of each zone. */
  readonly inZone: Float64Array;
  /** Gains, point by sensor. */
  readonly gains: readonly Float64Array[];
}

function gridOf(physics: Physics, band: string): Grid {
  const zone: number[] = [];
  const gains: Float64Array[] = [];
  const inZone = new Float64Array(physics.site.zones.length);
  physics.site.zones.forEach((z, index) => {
    if (z.floor < 0) return;
    const floor = physics.site.floors[z.floor]!.id;
    const xs = z.polygon.map((p) => p[0]);
    const ys = z.polygon.map((p) => p[1]);
    const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const nx = Math.max(1, Math.round((x1 - x0) / GRID_M));
    const ny = Math.max(1, Math.round((y1 - y0) / GRID_M));
    for (let i = 0; i < nx * ny; i++) {
      const place = physics.place(
        x0 + (((i % nx) + 0.5) / nx) * (x1 - x0),
        y0 + ((Math.floor(i / nx) + 0.5) / ny) * (y1 - y0),
        floor,
      );
      if (place.zone !== index) continue;
      zone.push(index);
      inZone[index] = inZone[index]! + 1;
      gains.push(Float64Array.from(physics.planGainDb(place, band)));
    }
  });
  return { zone: Int32Array.from(zone), inZone, gains };
}

/** Rank of the true zone under the posterior, or 0 where fewer than two sensors heard anything. */
function rankOf(physics: Physics, w: Watch, looks: number, grids: Map<string, Grid>): number {
  const heard: number[] = [];
  const silent: number[] = [];
  const level = new Float64Array(w.ratio.length);
  w.ratio.forEach((sum, s) => {
    if (w.count[s]! === 0) return;
    const mean = sum / w.count[s]!;
    const floor = physics.noiseDbm(s, w.band);
    if (10 * Math.log10(mean) > HEARD_DB) {
      heard.push(s);
      // What the emitter adds to the noise, at the antenna.
      level[s] = floor + 10 * Math.log10(mean - 1);
    } else silent.push(s);
  });
  if (heard.length < 2 || w.place.zone < 0) return 0;
  const grid = grids.get(w.band) ?? gridOf(physics, w.band);
  grids.set(w.band, grid);
  // Fading averages out over the bursts that were caught: Rice, about 4.3 dB a burst; and a sensor's own gain error.
  const bursts = Math.max(1, Math.max(...w.count));
  const own2 = 4.3 ** 2 / bursts + (4.34 / Math.sqrt(looks)) ** 2 / bursts + physics.receiver.gain_sigma_db ** 2 + 1;
  return zoneRank(grid, densities(physics, w.band, { heard, silent, level, own2 }, grid.gains), w.place.zone);
}

/** What is heard of one emitter: levels of the sensors that hear it (dBm, by sensor), and the variance of their errors, dB^2. */
export interface HeardLevels {
  readonly heard: readonly number[];
  readonly silent: readonly number[];
  readonly level: Float64Array;
  readonly own2: number;
}

/**
 * Log density of levels at places of which the true gains without shadowing are known (`gains`, dB by sensor), the spread and correlation of
 * shadows too; power integrated out over `powersDbm`, silent sensors taken as independent.
 */
export function densities(
  physics: Physics,
  band: string,
  { heard, silent, level, own2 }: HeardLevels,
  gains: readonly Float64Array[],
  powersDbm: readonly number[] = POWERS_DBM,
): Float64Array {
  const { sigmaDb, dRxM } = physics.radio.spec.shadow;
  const sites = physics.site.sensors;
  const cov = heard.map((a) =>
    heard.map((b) => {
      const d = Math.hypot(sites[a]!.x - sites[b]!.x, sites[a]!.y - sites[b]!.y, sites[a]!.z - sites[b]!.z);
      return sigmaDb ** 2 * Math.exp(-d / dRxM) + (a === b ? own2 : 0);
    }),
  );
  const chol = cholesky(cov);
  const sigma = Math.sqrt(sigmaDb ** 2 + own2);
  const ones = solveLower(
    chol,
    heard.map(() => 1),
  );
  const oneOne = dot(ones, ones);
  return Float64Array.from(gains, (g) => {
    const r = solveLower(
      chol,
      heard.map((s) => level[s]! - g[s]!),
    );
    const rr = dot(r, r);
    const r1 = dot(r, ones);
    const logs = powersDbm.map((power) => {
      let log = -0.5 * (rr - 2 * power * r1 + power * power * oneOne);
      for (const s of silent) {
        const limit = physics.noiseDbm(s, band) + 10 * Math.log10(10 ** (HEARD_DB / 10) - 1);
        log += logPhi((limit - power - g[s]!) / sigma);
      }
      return log;
    });
    return logSum(logs);
  });
}

/** Zones by the mean likelihood of their points, every zone as likely before. */
function zoneRank(grid: Grid, score: Float64Array, truth: number): number {
  const top = score.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const mass = new Float64Array(grid.inZone.length);
  score.forEach((s, i) => {
    const z = grid.zone[i]!;
    mass[z] = mass[z]! + Math.exp(s - top) / grid.inZone[z]!;
  });
  let rank = 1;
  mass.forEach((m, z) => {
    if (z !== truth && m > mass[truth]!) rank++;
  });
  return rank;
}

function cholesky(a: readonly (readonly number[])[]): number[][] {
  const l: number[][] = [];
  for (let i = 0; i < a.length; i++) {
    const row: number[] = [];
    for (let j = 0; j <= i; j++) {
      let sum = a[i]![j]!;
      for (let k = 0; k < j; k++) sum -= (row[k] ?? 0) * (j === i ? row[k]! : l[j]![k]!);
      row.push(i === j ? Math.sqrt(sum) : sum / l[j]![j]!);
    }
    l.push(row);
  }
  return l;
}

function solveLower(l: readonly (readonly number[])[], b: readonly number[]): number[] {
  const x: number[] = [];
  for (let i = 0; i < b.length; i++) {
    let sum = b[i]!;
    for (let k = 0; k < i; k++) sum -= l[i]![k]! * x[k]!;
    x.push(sum / l[i]![i]!);
  }
  return x;
}

function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function logSum(logs: readonly number[]): number {
  const top = Math.max(...logs);
  return top + Math.log(logs.reduce((sum, v) => sum + Math.exp(v - top), 0));
}

/** ln of the standard normal distribution function; Abramowitz and Stegun 26.2.17 near the middle, the asymptote far below. */
function logPhi(z: number): number {
  if (z < -6) return -0.5 * z * z - Math.log(-z) - 0.9189385332046727;
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const poly = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const upper = 0.3989422804014327 * Math.exp(-0.5 * z * z) * poly;
  return Math.log(Math.max(1e-300, z > 0 ? 1 - upper : upper));
}
