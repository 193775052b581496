/**
 * How `cellward detect` does on the test worlds: streams scored as streaming benchmarks do, radio energy by delay and false
 * alarms. Prints one line a family. Arguments: seeds per family (default 10).
 */
import { SeriesDetector } from "../../../src/detect/series.ts";
import { benchmarkScore, radio, type Stream, stream, TUNED, UNSEEN } from "../../support/streams.ts";

export function alarmsOf(s: Stream): number[] {
  const detector = new SeriesDetector();
  const alarms: number[] = [];
  for (let i = 0; i < s.x.length; i++) {
    detector.row(s.tMs[i]!, s.x[i]!);
    if (detector.alarm) alarms.push(i);
  }
  return alarms;
}

function main(): void {
  const seeds = Number(process.argv[2] ?? 10);
  for (const [group, families] of [
    ["tuned", TUNED],
    ["unseen", UNSEEN],
  ] as const) {
    let raw = 0;
    let perfect = 0;
    for (const family of families) {
      const sum = { raw: 0, perfect: 0, found: 0, falses: 0, windows: 0 };
      for (let seed = 1; seed <= seeds; seed++) {
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
  for (const [sigma, rho] of [
    [0.03, 0.05],
    [0.085, 0.1],
    [0.085, 0.34],
    [0.12, 0.01],
    [0.12, 0.34],
  ] as const) {
    let falses = 0;
    for (let seed = 1; seed <= 10 * seeds; seed++) falses += alarmsOf(radio(seed, 950, sigma, rho, 0, 950)).length;
    for (const rise of [0.1, 0.2]) {
      for (const at of [200, 500]) {
        let found = 0;
        let before = 0;
        for (let seed = 1; seed <= 10 * seeds; seed++) {
          const alarms = alarmsOf(radio(1000 + seed, 950, sigma, rho, rise, at));
          if (alarms.some((a) => a >= at && a < at + 40)) found++;
          if (alarms.some((a) => a < at)) before++;
        }
        console.log(
          `radio sigma ${sigma} rho ${rho} rise ${rise} at ${at}: within 40 ${found}/${10 * seeds}, before ${before}; null of 950: ${falses} false in ${10 * seeds}`,
        );
      }
    }
  }
  const s = stream("counts", 1);
  const t0 = process.hrtime.bigint();
  for (let k = 0; k < 20; k++) alarmsOf(s);
  console.log(`cost ${(Number(process.hrtime.bigint() - t0) / 20 / s.x.length).toFixed(0)} ns a row`);
}

main();
