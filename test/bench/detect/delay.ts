/**
 * `npm run bench:delay`: worst-case mean delay of the bank (floor and signal-to-noise ratio unknown, 8 looks) over the exact
 * minimax optimum, at the detector's own threshold, with the ARL measured at that threshold. Arguments: effort (default 1).
 */
import { thresholdForArl } from "../../../src/detect/detector.ts";
import { directArl, meanDelay, sampledArl } from "../../support/delay.ts";
import { optimum } from "../../support/optimum.ts";

const effort = Number(process.argv[2] ?? 1);
const SNR_DB = [0, 3, 6, 10];
const CLIP = 20;

let worst = 0;
for (const arl of [1e5, 1e8]) {
  const threshold = thresholdForArl(arl);
  const best = SNR_DB.map((db) => optimum(8, 10 ** (db / 10), arl).delay);
  for (const drift of [0, 0.001]) {
    const setting = { looks: 8, drift, clipNats: CLIP };
    const sampled = sampledArl(setting, threshold, Math.round(40_000 * effort), 11);
    let line = `ARL ${arl.toExponential(0)} drift ${drift * 1000} dB/1000: h ${threshold.toFixed(2)} measured/nominal ${(sampled.arl / arl).toFixed(2)} ±${((196 * sampled.relativeError * sampled.arl) / arl / 100).toFixed(2)} (sampled)`;
    if (arl <= 1e5) {
      const direct = directArl(setting, threshold, Math.round(3e7 * effort), 12);
      line += `, ${(direct.arl / arl).toFixed(2)} (direct, ${direct.alarms} alarms)`;
    }
    console.log(line);
    for (const [i, db] of SNR_DB.entries()) {
      const d = meanDelay(setting, threshold, 10 ** (db / 10), Math.round(8000 * effort), 13 + i);
      const ratio = d.mean / best[i]!;
      if (ratio > worst) worst = ratio;
      console.log(
        `  ${String(db).padStart(2)} dB: delay ${d.mean.toFixed(2)} ±${(1.96 * d.error).toFixed(2)}, optimum ${best[i]!.toFixed(2)}, ratio ${ratio.toFixed(3)}`,
      );
    }
  }
}
console.log(`worst ratio ${worst.toFixed(3)} (goal 1.10)`);
