/**
 * Measures the bank of CUSUMs over its tracked floor: ARL at a threshold, directly and by importance sampling, and mean delay.
 * Floor and signal-to-noise ratio are unknown to it; n is known; `clipNats` bounds one reading.
 */
import { Baseline, SIGMA } from "../../src/detect/baseline.ts";
import { BANK, buildClassTable, classOf, designSnr, looksOf } from "../../src/detect/classes.ts";
import { BLOCK, bankRun, Lanes, newRunResult } from "../../src/detect/kernels.ts";
import { Rng } from "./noise.ts";

const TABLE = buildClassTable();

export interface Setting {
  readonly looks: number;
  /** Drift of the floor, dB per reading. */
  readonly drift: number;
  readonly clipNats: number;
}

class Bench {
  readonly lanes = new Lanes();
  readonly base = new Baseline(this.lanes);
  #readings = 0;
  readonly run = newRunResult();
  readonly one = new Float32Array(1);
  readonly setting: Setting;
  readonly rng: Rng;
  /** True floor, dB. */
  truth = 0;

  constructor(setting: Setting, seed: number) {
    this.setting = setting;
    this.rng = new Rng(seed);
    this.lanes.grow(1);
    this.lanes.setClass(0, classOf(10 / Math.LN10 / Math.sqrt(setting.looks), 1));
    this.base.grow(1);
    this.base.open(0);
    this.base.f32[SIGMA] = 10 / Math.LN10 / Math.sqrt(setting.looks);
    this.lanes.setClip(0, Math.round(setting.clipNats * 8));
  }

  /** One reading of relative power p of the true floor; gives the statistic. */
  step(p: number): number {
    this.truth += this.setting.drift;
    const phase = this.#readings % BLOCK;
    if (++this.#readings % 256 === 0) this.base.learnSlope(0, 256);
    this.one[0] = this.truth + 10 * Math.log10(p);
    bankRun(this.one, 0, 1, phase, 0, this.lanes, TABLE, 1e9, 1, this.run);
    return this.top();
  }

  top(): number {
    return this.lanes.top(0);
  }

  quiet(): number {
    return this.step(this.rng.gamma(this.setting.looks));
  }

  restart(error: number): void {
    this.truth = 0;
    // The place from which drift is measured moves along, so that a new origin is no drift.
    this.base.slopeFrom[0] = this.base.slopeFrom[0] === 0 ? 0 : this.base.slopeFrom[0]! + (error - this.lanes.floor(0));
    this.lanes.setFloor(0, error);
    this.lanes.clearPull(0);
    this.lanes.clearG(0);
  }

  get error(): number {
    return this.lanes.floor(0) - this.truth;
  }
}

/** Mean readings between false alarms by plain simulation, and the number of alarms it rests on. */
export function directArl(setting: Setting, threshold: number, readings: number, seed: number) {
  const b = new Bench(setting, seed);
  for (let i = 0; i < 20_000; i++) b.quiet();
  let alarms = 0;
  for (let i = 0; i < readings; i++) {
    if (b.truth > 1000) b.restart(b.error);
    if (b.quiet() >= threshold) {
      alarms++;
      // The next run begins with a floor as it is in the quiet, not with the one that caused the alarm.
      b.lanes.clearG(0);
      for (let k = 0; k < 400; k++) b.quiet();
      b.lanes.clearG(0);
    }
  }
  return { arl: readings / Math.max(1, alarms), alarms };
}

/**
 * Mean readings between false alarms by importance sampling: a cycle lasts from one zero of the whole bank to the next, so
 * ARL = E[cycle] / P(a cycle reaches the threshold). The probability is estimated with readings drawn from a mixture, over
 * paths, of the bank's own hypotheses; the weight of a path is 1 / mean_k(prod f_k / f_0).
 */
export function sampledArl(setting: Setting, threshold: number, paths: number, seed: number) {
  const b = new Bench(setting, seed);
  for (let i = 0; i < 20_000; i++) b.quiet();
  const errors: number[] = [];
  const readings = 400_000;
  let zeros = 0;
  for (let i = 0; i < readings; i++) {
    if (b.truth > 1000) b.restart(b.error);
    if (b.quiet() === 0) {
      zeros++;
      if (zeros % 16 === 0) errors.push(b.error);
    }
  }
  const n = setting.looks;
  const snr = [0, 1, 2].map((k) => designSnr(looksOf(b.lanes.cls(0)), k));
  let sum = 0;
  let squares = 0;
  for (let path = 0; path < paths; path++) {
    b.restart(errors[Math.floor(b.rng.next() * errors.length)]!);
    const s = snr[path % BANK]!;
    const logs = [0, 0, 0];
    let weight = 0;
    for (let i = 0; i < 5000; i++) {
      const p = b.rng.gamma(n) * (1 + s);
      for (let k = 0; k < BANK; k++) logs[k]! += n * ((p * snr[k]!) / (1 + snr[k]!) - Math.log1p(snr[k]!));
      const top = b.step(p);
      if (top === 0) break;
      if (top >= threshold) {
        const most = Math.max(...logs);
        weight = Math.exp(-most) / (logs.reduce((t, l) => t + Math.exp(l - most), 0) / BANK);
        break;
      }
    }
    sum += weight;
    squares += weight * weight;
  }
  const mean = sum / paths;
  const error = Math.sqrt(Math.max(0, squares / paths - mean * mean) / paths) / mean;
  return { arl: readings / zeros / mean, relativeError: error };
}

/** Mean delay in readings (the alarm's own reading counts) after the worst history: the statistic at zero. */
export function meanDelay(setting: Setting, threshold: number, snr: number, trials: number, seed: number) {
  const b = new Bench(setting, seed);
  for (let i = 0; i < 20_000; i++) b.quiet();
  let sum = 0;
  let squares = 0;
  for (let t = 0; t < trials; t++) {
    if (b.truth > 1000) b.restart(b.error);
    for (let i = 0; i < 60; i++) b.quiet();
    const error = b.error;
    b.lanes.clearG(0);
    let delay = 0;
    while (delay < 10_000) {
      delay++;
      if (b.step(b.rng.gamma(setting.looks) * (1 + snr)) >= threshold) break;
    }
    sum += delay;
    squares += delay * delay;
    b.restart(error);
  }
  const mean = sum / trials;
  return { mean, error: Math.sqrt((squares / trials - mean * mean) / trials) };
}
