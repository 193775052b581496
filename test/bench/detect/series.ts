/**
 * How `cellward detect` does on the test worlds: streams scored as streaming benchmarks do, streams without anomalies, radio energy
 * by delay and false alarms. Prints one line a family. Arguments: seeds per family (default 10), the seed before the first (default 0).
 */
import {
  alarmsOf,
  benchmarkScore,
  LATER,
  QUIET,
  quietStream,
  radio,
  stream,
  TUNED,
  UNSEEN,
} from "../../support/streams.ts";

/** What is commonly done, as statistics to be compared with a threshold. */
const BASELINES: Readonly<Record<string, (x: Float64Array) => Float64Array>> = {
  "energy detector": (x) => {
    const mean = x.subarray(0, 100).reduce((a, b) => a + b, 0) / 100;
    return x.map((v) => v - mean);
  },
  "z of the last 100 rows": (x) => rolling(x),
  "EWMA 0.1 of z": (x) => {
    let e = 0;
    return rolling(x).map((z) => {
      e += 0.1 * (z - e);
      return e;
    });
  },
};

function rolling(x: Float64Array): Float64Array {
  const out = new Float64Array(x.length);
  for (let i = 100; i < x.length; i++) {
    let sum = 0;
    let squares = 0;
    for (let j = i - 100; j < i; j++) {
      sum += x[j]!;
      squares += (x[j]! - x[i - 100]!) ** 2;
    }
    const mean = sum / 100;
    out[i] = (x[i]! - mean) / Math.sqrt(Math.max(1e-12, squares / 100 - (mean - x[i - 100]!) ** 2));
  }
  return out;
}

function main(): void {
  const seeds = Number(process.argv[2] ?? 10);
  const before = Number(process.argv[3] ?? 0);
  for (const [group, families] of [
    ["tuned", TUNED],
    ["unseen", UNSEEN],
    ["later", LATER],
  ] as const) {
    let raw = 0;
    let perfect = 0;
    for (const family of families) {
      const sum = { raw: 0, perfect: 0, found: 0, falses: 0, windows: 0 };
      for (let seed = before + 1; seed <= before + seeds; seed++) {
        const s = stream(family, seed);
        const score = benchmarkScore(s, alarmsOf(s));
        for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += score[key];
      }
      raw += sum.raw;
      perfect += sum.perfect;
      const normal = (100 * (sum.raw + sum.perfect)) / (2 * sum.perfect);
      console.log(
        `${group} ${family.padEnd(12)} score ${normal.toFixed(1).padStart(6)}  found ${sum.found}/${sum.windows}  false ${sum.falses} in ${seeds} streams`,
      );
    }
    console.log(`${group} all: score ${((100 * (raw + perfect)) / (2 * perfect)).toFixed(1)}`);
  }
  for (const kind of QUIET) {
    let first = 0;
    let later = 0;
    let rows = 0;
    for (let seed = before + 1; seed <= before + seeds; seed++) {
      const s = quietStream(kind, seed);
      rows += s.x.length;
      for (const at of alarmsOf(s)) s.tMs[at]! - s.tMs[0]! < 2 * 86_400_000 ? first++ : later++;
    }
    console.log(
      `quiet ${kind.padEnd(22)} alarms a stream in the first two days ${(first / seeds).toFixed(1)}, later ${((1000 * later) / rows).toFixed(2)} in 1000 rows`,
    );
  }
  const files = 10 * seeds;
  for (const [sigma, rho, step] of [
    [0.03, 0.05, 0],
    [0.06, 0.1, 0],
    [0.085, 0.1, 0],
    [0.085, 0.34, 0],
    [0.12, 0.01, 0],
    [0.12, 0.34, 0],
    [0.01, 0.1, 0.1],
    [0.02, 0.1, 0.1],
    [0.03, 0.1, 0.1],
    [0.05, 0.1, 0.1],
  ] as const) {
    const quiet = Array.from({ length: files }, (_, k) => radio(7001 + k, 950, sigma, rho, 0, 950, step));
    const falses = quiet.filter((q) => alarmsOf(q).length > 0).length;
    for (const at of [100, 200, 500]) {
      const rises = Array.from({ length: files }, (_, k) => radio(8001 + k, 950, sigma, rho, 0.1, at, step));
      const found = rises.filter((r) => alarmsOf(r).some((a) => a >= at && a < at + 40)).length;
      const others = Object.entries(BASELINES).map(([name, statistic]) => {
        // The threshold that gives as many quiet files with an alarm as the detector has.
        const tops = quiet.map((q) => Math.max(...statistic(q.x).subarray(100))).sort((x, y) => y - x);
        const threshold = tops[Math.max(0, falses - 1)]!;
        return `${name} ${rises.filter((r) => statistic(r.x).some((z, i) => i >= at && i < at + 40 && z > threshold)).length}`;
      });
      console.log(
        `radio spread ${sigma} correlation ${rho}${step > 0 ? ` in steps of ${step} dB` : ""}, rise of 0.1 dB at ${at}: within 40 rows ${found} of ${files}; at as many false alarms ${others.join(", ")}; quiet files with an alarm ${falses} of ${files}`,
      );
    }
  }
  const s = stream("counts", 1);
  const t0 = process.cpuUsage().user;
  for (let k = 0; k < 20; k++) alarmsOf(s);
  console.log(`cost ${(((process.cpuUsage().user - t0) * 1000) / 20 / s.x.length).toFixed(0)} ns a row`);
}

main();
