/**
 * The detector alone, on the main bench's input: 16,000 channels, 50 samples of each a window, every window closed. What is
 * timed is what the pipeline does for a batch, without the arrival, the filing, the roll-up and the fusion.
 */
import { createHash } from "node:crypto";
import { Detector } from "../../src/detect/detector.ts";
import { createChance } from "./main-publisher.ts";
import { BANDS } from "./prison.ts";

export interface DetectorFigure {
  readonly samples: number;
  /** Samples a second of processor time, so that other work on the machine counts for little. */
  readonly perCpuSecond: number;
  /** Samples a second by the clock, over the fastest tenth of the windows. */
  readonly bestPerSecond: number;
  /** SHA-256 over every channel's statistic and floor at the end. */
  readonly hash: string;
}

const SAMPLES = 50;
const VARIANTS = 64;
const WARM_WINDOWS = 20;
const WINDOWS = 40;

export function detectorAlone(sensors: number, seed: number, kernel: "auto" | "plain" = "auto"): DetectorFigure {
  const chance = createChance(seed);
  const variants = Array.from({ length: VARIANTS }, () =>
    Float32Array.from({ length: SAMPLES }, () => Math.round((-105 + 1.5 * chance.normal()) * 10) / 10),
  );
  // One channel in a hundred carries 15 s of every 30 something 10 to 30 dB above the floor: a house is mostly quiet.
  const loud = variants.map((v) => v.map((x) => x + 10 + 20 * chance.uniform()));
  const detector = new Detector({ falseAlarmsPerDay: 0.5, kernel });
  const channels = sensors * BANDS.length;
  for (let i = 0; i < channels; i++) {
    const band = BANDS[i % BANDS.length]!;
    detector.openChannel({ sensor: `s${Math.floor(i / BANDS.length)}`, band, periodMs: 20, tdd: false });
  }
  // Batches as the pipeline has them: the bands' columns one after the other. There are only so many different ones.
  const lanes = Array.from({ length: sensors }, (_, s) => BANDS.map((_, b) => s * BANDS.length + b));
  const batches = new Map<number, Float32Array>();
  const batchOf = (sensor: number, window: number): Float32Array => {
    const first = (sensor * BANDS.length * 31 + window * 17) % VARIANTS;
    const loudBand =
      Math.floor(window / 15) % 2 === 1 ? BANDS.findIndex((_, b) => (sensor * BANDS.length + b) % 100 === 7) : -1;
    const key = first * (BANDS.length + 1) + loudBand + 1;
    let batch = batches.get(key);
    if (batch === undefined) {
      batch = new Float32Array(BANDS.length * SAMPLES);
      for (let b = 0; b < BANDS.length; b++) {
        batch.set((b === loudBand ? loud : variants)[(first + b * 31) % VARIANTS]!, b * SAMPLES);
      }
      batches.set(key, batch);
    }
    return batch;
  };
  const times: number[] = [];
  let cpu = process.cpuUsage();
  for (let window = 0; window < WARM_WINDOWS + WINDOWS; window++) {
    if (window === WARM_WINDOWS) cpu = process.cpuUsage();
    const begun = performance.now();
    for (const [sensor, bands] of lanes.entries()) {
      const batch = batchOf(sensor, window);
      detector.pushColumns(bands, window * 1000, 20, SAMPLES, batch, null, null, null, 0, SAMPLES);
    }
    detector.closeWindow((window + 1) * 1000);
    detector.takeEvents();
    if (window >= WARM_WINDOWS) times.push(performance.now() - begun);
  }
  const { user, system } = process.cpuUsage(cpu);
  const hash = createHash("sha256");
  for (let channel = 0; channel < channels; channel++) {
    hash.update(`${detector.llr(channel)} ${detector.floorDbm(channel)}\n`);
  }
  times.sort((a, b) => a - b);
  const best = times.slice(0, WINDOWS / 10);
  const samples = WINDOWS * channels * SAMPLES;
  return {
    samples,
    perCpuSecond: (samples / (user + system)) * 1e6,
    bestPerSecond: ((best.length * channels * SAMPLES) / best.reduce((a, b) => a + b, 0)) * 1000,
    hash: hash.digest("hex").slice(0, 16),
  };
}
