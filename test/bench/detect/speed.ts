/**
 * `npm run bench:detect`: cost of the bank kernel and of the whole detector, plain TypeScript, at 1,000 and 100,000 channels, 20
 * readings a visit, beside the same kernel in C built in this run where gcc is. Argument: seconds per figure (default 2).
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Detector } from "../../../src/detect/detector.ts";
import { BANK, BLOCK, bankRun, buildClassTable, classOf, Lanes, newRunResult } from "../../../src/detect/kernels.ts";
import { Rng, receiver } from "../../support/noise.ts";

const TICKS = 20;
const seconds = Number(process.argv[2] ?? 2);
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

function kernel(channels: number, x: Float32Array): number {
  const lanes = new Lanes();
  lanes.grow(channels);
  lanes.cls.fill(classOf(1.535, 1));
  lanes.clip.fill(74);
  lanes.floor.fill(-100);
  const run = newRunResult();
  let seen = 0;
  const pass = () => {
    const phase = seen % BLOCK;
    for (let i = 0; i < channels; i++) bankRun(x, i * TICKS, (i + 1) * TICKS, phase, i, lanes, table, 12, 1, run);
    seen += TICKS;
  };
  for (let k = 0; k < 3; k++) pass();
  const hash = createHash("sha256").update(lanes.floor).update(lanes.g).digest("hex").slice(0, 12);
  const ns = clock(channels * TICKS, pass);
  const hot = 4 + 4 * BANK + 2 + 1 + 1;
  line("kernel", channels, ns, `hot state ${hot} B/channel  hash ${hash}`);
  return ns;
}

function whole(channels: number, x: Float32Array): void {
  const detector = new Detector({ falseAlarmsPerDay: 1, expectedChannels: channels });
  for (let i = 0; i < channels; i++) {
    detector.openChannel({ sensor: `s${i >> 3}`, band: `b${i & 7}`, periodMs: 50, tdd: false });
  }
  let t = 0;
  const ns = clock(channels * TICKS, () => {
    for (let i = 0; i < channels; i++) detector.push(i, t, 50, TICKS, x, null, null, null, i * TICKS);
    t += 1000;
    detector.closeWindow(t);
    detector.takeEvents();
  });
  line("whole detector", channels, ns, "push, cold state and windows");
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
  const ns = kernel(channels, x);
  whole(channels, x);
  const c = inC(channels, x);
  console.log(c === null ? "no gcc here: no ratio" : `plain TypeScript / C: ${(ns / c).toFixed(1)}`);
}
