/**
 * A soak: the house of bench alerts at five times its load for so many minutes; memory, open files and the delay of alerts
 * of `cellward run` as they go. Run: node bin/bench.js soak [--minutes 30] [--times 5]. Exit 99 when a target is missed.
 *
 * The slope of RSS is a least-squares line through block means (a tenth of the run each) of the second half of the run, when
 * caches and the heap have found their size; its interval is Student's for those blocks, which are nearly independent where
 * single samples are not. The target is an interval that holds zero, or a slope that lies below a megabyte an hour.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { House, PERIOD_MS } from "../support/house.ts";
import { congruential } from "../support/noise.ts";
import { startMosquitto } from "../support/servers.ts";
import { alertFigures, CALL_EVERY_MS, WINGS } from "./alerts.ts";
import { build, figuresOf, sleep } from "./faults/service-faults.ts";

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "30" }, times: { type: "string", default: "5" } },
});
const minutes = Number(values.minutes);
const times = Number(values.times);
/** 97.5 % quantile of Student's t with 8 degrees of freedom: ten blocks, two parameters. */
const T_8 = 2.306;
const BLOCKS = 10;

const random = congruential(1);

/** Slope a hour and half the width of its 95 % interval. */
function slope(samples: readonly { readonly h: number; readonly y: number }[]): { perHour: number; half: number } {
  const size = Math.floor(samples.length / BLOCKS);
  const blocks = Array.from({ length: BLOCKS }, (_, b) => {
    const part = samples.slice(b * size, (b + 1) * size);
    const mean = (of: (s: (typeof part)[number]) => number) => part.reduce((sum, s) => sum + of(s), 0) / part.length;
    return { x: mean((s) => s.h), y: mean((s) => s.y) };
  });
  const mx = blocks.reduce((sum, b) => sum + b.x, 0) / BLOCKS;
  const my = blocks.reduce((sum, b) => sum + b.y, 0) / BLOCKS;
  const sxx = blocks.reduce((sum, b) => sum + (b.x - mx) ** 2, 0);
  const perHour = blocks.reduce((sum, b) => sum + (b.x - mx) * (b.y - my), 0) / sxx;
  const rest = blocks.reduce((sum, b) => sum + (b.y - my - perHour * (b.x - mx)) ** 2, 0);
  return { perHour, half: T_8 * Math.sqrt(rest / (BLOCKS - 2) / sxx) };
}

build();
const dir = mkdtempSync(join(tmpdir(), "cellward-soak-"));
const broker = await startMosquitto();
const house = new House({
  dir,
  sensorsUrl: broker.url,
  serviceUrl: broker.url,
  random,
  periodMs: (PERIOD_MS * WINGS) / times,
  wings: WINGS,
  callEveryMs: CALL_EVERY_MS,
  settings: { "limits.sensor_messages_per_s": 10_000, "limits.sensor_burst": 100_000, "journal.snapshot_s": 30 },
});
let good = false;
try {
  await house.open();
  if (!(await house.start())) throw new Error(house.log());
  house.begin();
  const begin = performance.now();
  const samples: { h: number; y: number; fds: number }[] = [];
  while (performance.now() - begin < minutes * 60_000) {
    await sleep(2000);
    const pid = house.child!.pid!;
    const y = (Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4096) / 1e6;
    samples.push({ h: (performance.now() - begin) / 3.6e6, y, fds: readdirSync(`/proc/${pid}/fd`).length });
    if (samples.length % 30 === 0)
      process.stdout.write(
        `${Math.round(samples.length / 30)} min: RSS ${y.toFixed(0)} MB, ${samples.at(-1)!.fds} open files\n`,
      );
  }
  const verdict = await house.settle();
  const half = samples.slice(Math.floor(samples.length / 2));
  const { perHour, half: width } = slope(half);
  const fds = half.map((s) => s.fds);
  const figures = {
    ...figuresOf(verdict),
    "readings/s": Math.round(verdict.sent / (minutes * 60)),
    "RSS MB": `${Math.round(samples[0]!.y)} to ${Math.round(samples.at(-1)!.y)}`,
    "RSS slope MB/h": `${perHour.toFixed(1)} ± ${width.toFixed(1)}`,
    "open files": `${Math.min(...fds)} to ${Math.max(...fds)}`,
    ...alertFigures(verdict.alertMs),
  };
  for (const [name, value] of Object.entries(figures)) process.stdout.write(`${name}: ${value}\n`);
  good =
    (Math.abs(perHour) <= width || Math.abs(perHour) < 1) &&
    Math.max(...fds) - Math.min(...fds) <= 3 &&
    verdict.lost === 0 &&
    verdict.alertsMissed === 0;
} finally {
  await house.close();
  await broker.stop();
  rmSync(dir, { recursive: true, force: true });
}
process.exit(good ? 0 : 99);
