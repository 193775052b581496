/**
 * `npm run bench:detect`: cost of the bank kernel, plain and with SIMD, and of the whole detector with either, at 1,000 and 100,000
 * channels, beside the same kernel in C built in this run where gcc is. Arguments: seconds per figure (default 2), readings
 * a visit (default 50: a message of a sensor at 50 instants a second).
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GROUP } from "../../../src/detect/bank-module.ts";
import { BANK, buildClassTable, classOf } from "../../../src/detect/classes.ts";
import { Detector } from "../../../src/detect/detector.ts";
import { BLOCK, bankRun, Lanes, newRunResult, plainStore } from "../../../src/detect/kernels.ts";
import { SimdBank } from "../../../src/detect/simd.ts";
import { Rng, receiver } from "../../support/noise.ts";

const seconds = Number(process.argv[2] ?? 2);
const TICKS = Number(process.argv[3] ?? 50);
/** Bands of a sensor: columns of a batch. */
const BANDS = 8;
/** Of a lane (nats): one false alarm in half a million readings. */
const THRESHOLD = 12;
const table = buildClassTable();

function line(what: string, channels: number, nsPerReading: number, rest: string): void {
  console.log(
    `${what.padEnd(16)} ${String(channels).padStart(7)} channels  ${nsPerReading.toFixed(2).padStart(7)} ns/reading  ${(1000 / nsPerReading).toFixed(1).padStart(7)} M readings/s  ${rest}`,
  );
}

/** Lane-major readings: lane i's ticks are at `[i * TICKS ...]`. */
function readings(channels: number): Float32Array {
  const base = receiver(new Rng(7), Math.min(channels, 4096) * TICKS, 8, -100);
  const x = new Float32Array(channels * TICKS);
  for (let i = 0; i < x.length; i += base.length) x.set(base.subarray(0, Math.min(base.length, x.length - i)), i);
  return x;
}

/** Runs `pass` until the time is up; least CPU ns per reading of five slices (CPU time, because machines are shared). */
function clock(perPass: number, pass: () => void): number {
  const cpuUs = () => process.cpuUsage().user + process.cpuUsage().system;
  for (let k = 0; k < 3; k++) pass();
  let best = Number.POSITIVE_INFINITY;
  for (let slice = 0; slice < 5; slice++) {
    const from = cpuUs();
    let passes = 0;
    do {
      pass();
      passes++;
    } while (cpuUs() - from < (seconds * 1e6) / 5);
    best = Math.min(best, ((cpuUs() - from) * 1000) / passes / perPass);
  }
  return best;
}

/** A lane as it is after its learning; the store says where the records lie. */
function learned(channels: number, simd: SimdBank | null): Lanes {
  const lanes = new Lanes(simd ?? plainStore());
  lanes.grow(channels);
  for (let i = 0; i < channels; i++) {
    lanes.setClass(i, classOf(1.535, 1));
    lanes.setClip(i, 74);
    lanes.setFloor(i, -100);
    lanes.setLast(i, Number.NaN);
  }
  return lanes;
}

function kernel(channels: number, x: Float32Array, simd: SimdBank | null): number {
  const lanes = learned(channels, simd);
  const run = newRunResult();
  const plain = (i: number, phase: number) =>
    bankRun(x, i * TICKS, (i + 1) * TICKS, phase, i, lanes, table, THRESHOLD, 1, run);
  const group = new Int32Array(GROUP);
  const from = new Int32Array(GROUP);
  let seen = 0;
  const pass = () => {
    const phase = seen % BLOCK;
    if (simd === null) for (let i = 0; i < channels; i++) plain(i, phase);
    for (let i = 0; simd !== null && i < channels; i += BANDS) {
      simd.x.set(x.subarray(i * TICKS, (i + BANDS) * TICKS));
      for (let b = 0; b < BANDS; b += GROUP) {
        for (let k = 0; k < GROUP; k++) {
          group[k] = i + b + k;
          from[k] = (b + k) * TICKS;
          simd.refuseFrom(k, THRESHOLD);
        }
        const refused = simd.run(group, from, TICKS, phase) & 15;
        for (let k = 0; refused !== 0 && k < GROUP; k++) if (refused & (1 << k)) plain(i + b + k, phase);
      }
    }
    seen += TICKS;
  };
  for (let k = 0; k < 3; k++) pass();
  const hash = createHash("sha256");
  for (let i = 0; i < channels; i++)
    hash.update(`${lanes.floor(i)} ${lanes.g(i, 0)} ${lanes.g(i, 1)} ${lanes.g(i, 2)}\n`);
  const digest = hash.digest("hex").slice(0, 12);
  const ns = clock(channels * TICKS, pass);
  const hot = 4 + 4 * BANK + 4;
  line(simd ? "kernel, SIMD" : "kernel, plain", channels, ns, `hot state ${hot} B/channel  hash ${digest}`);
  return ns;
}

function whole(channels: number, x: Float32Array, kind: "auto" | "plain"): void {
  const detector = new Detector({ falseAlarmsPerDay: 1, expectedChannels: channels, kernel: kind });
  for (let i = 0; i < channels; i++) {
    detector.openChannel({ sensor: `s${i >> 3}`, band: `b${i & 7}`, periodMs: 50, tdd: false });
  }
  const sensors: number[][] = [];
  for (let i = 0; i < channels; i += BANDS) sensors.push(Array.from({ length: BANDS }, (_, b) => i + b));
  let t = 0;
  const pass = () => {
    for (const [s, bands] of sensors.entries()) {
      detector.pushColumns(bands, t, 50, TICKS, x, null, null, null, s * BANDS * TICKS, TICKS);
    }
    t += 50 * TICKS;
    detector.closeWindow(t);
    detector.takeEvents();
  };
  // Beyond the learning, which is another path.
  for (let seen = 0; seen < 512; seen += TICKS) pass();
  const ns = clock(channels * TICKS, pass);
  line(`whole, ${detector.kernel}`, channels, ns, "push, cold state and windows");
}

/** The kernel in C on the same readings, tick-major; null where there is no gcc. */
function inC(channels: number, x: Float32Array): number | null {
  const dir = mkdtempSync(join(tmpdir(), "cellward-bench-"));
  try {
    const source = join(fileURLToPath(new URL(".", import.meta.url)), "bank.c");
    const flags = ["-O3", "-march=native", "-ffast-math"];
    const built = spawnSync("gcc", [...flags, source, "-o", join(dir, "bank"), "-lm"], { encoding: "utf8" });
    if (built.status !== 0) return null;
    const ticks = new Float32Array(x.length);
    for (let i = 0; i < channels; i++) for (let t = 0; t < TICKS; t++) ticks[t * channels + i] = x[i * TICKS + t]!;
    writeFileSync(join(dir, "x.f32"), new Uint8Array(ticks.buffer));
    let best = Number.POSITIVE_INFINITY;
    let sum = "";
    for (let k = 0; k < 3; k++) {
      const repeats = Math.max(1, Math.round((seconds * 1e8) / x.length));
      const ran = spawnSync(join(dir, "bank"), [join(dir, "x.f32"), String(channels), String(TICKS), String(repeats)], {
        encoding: "utf8",
      });
      if (ran.status !== 0) throw new Error(`the kernel in C ended with ${ran.status}`);
      best = Math.min(best, Number(ran.stdout.split(" ")[0]));
      sum = ran.stdout.trim().split(" ")[1]!;
    }
    line("C, gcc -O3 fast", channels, best, `mean state ${sum}`);
    return best;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

console.log(`${cpus()[0]?.model ?? "unknown CPU"}, Node ${process.version}, ${TICKS} readings a visit`);
for (const channels of [1000, 100_000]) {
  const x = readings(channels);
  const plain = kernel(channels, x, null);
  const bank = SimdBank.create();
  const simd = bank === null ? null : kernel(channels, x, bank);
  const c = inC(channels, x);
  if (c === null) console.log("no gcc here: no ratio");
  else console.log(`over C: plain ${(plain / c).toFixed(1)}${simd === null ? "" : `, SIMD ${(simd / c).toFixed(2)}`}`);
  whole(channels, x, "plain");
  if (bank !== null) whole(channels, x, "auto");
}
