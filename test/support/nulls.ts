/** Quiet that is not the detector's own model: false alarms of the whole detector on each, and what it costs in delay. */
import { Detector } from "../../src/detect/detector.ts";
import { Rng } from "./noise.ts";

const PERIOD_MS = 1000;
const SIGMA_DB = 1.54;

/** Makes reading i of a quiet receiver in dB; `memory` is the generator's own. */
type Quiet = (rng: Rng, i: number, memory: { e: number; held: number }) => number;

const gamma = (rng: Rng) => 10 * Math.log10(rng.gamma(8));

export const NULLS: Readonly<Record<string, Quiet>> = {
  "gamma, 8 looks": gamma,
  "heavy tails (Student, 4 degrees)": (rng) => SIGMA_DB * 0.9 * rng.studentT(4),
  "lag-1 correlation 0.3": (rng, _, m) => {
    m.e = 0.3 * m.e + Math.sqrt(1 - 0.09) * rng.normal();
    return SIGMA_DB * m.e;
  },
  "quantised to 0.5 dB": (rng) => Math.round(2 * gamma(rng)) / 2,
  "quantised to 1 dB": (rng) => Math.round(gamma(rng)),
  // Its floor may lie anywhere in a step: on an edge it flips, in the middle it hardly moves.
  "quantised to 1 dB, spread 0.35 dB": (rng, i, m) => {
    if (i === 0) m.e = rng.next();
    return Math.round(m.e + 0.35 * rng.normal());
  },
  "glitches of 17 spreads, 1 in 5000": (rng) => gamma(rng) + (rng.next() < 0.0002 ? 17 * SIGMA_DB : 0),
  "stuck for 50 readings, 1 in 2000": (rng, _, m) => {
    if (m.held > 0) m.held--;
    else {
      m.e = gamma(rng);
      if (rng.next() < 0.0005) m.held = 50;
    }
    return m.e;
  },
  "steps of 3 dB, one in 5000 readings": (rng, i) => gamma(rng) + (Math.floor(i / 5000) % 2) * 3,
  "TDD downlink, 1 reading in 30": (rng) => gamma(rng) + (rng.next() < 1 / 30 ? 3 + 8 * rng.exponential() : 0),
  "daily swing of 6 dB": (rng, i) => gamma(rng) + 3 * Math.sin((2 * Math.PI * i * PERIOD_MS) / 86_400_000),
};

export interface NullResult {
  readonly alarms: number;
  /** Upward steps of the floor, each of which is rightly one event. */
  readonly steps: number;
  /** Alarms that the nominal ARL allows. */
  readonly nominal: number;
  /** Mean delay in readings of a signal of 3 dB after the quiet, and the share that was found within 100 readings. */
  readonly delay: number;
  readonly found: number;
}

/** `runs` receivers of `readings` quiet readings each, then a signal. Events during warm-up count. */
export function measureNull(name: string, runs: number, readings: number, arl: number, seed: number): NullResult {
  const quiet = NULLS[name]!;
  const one = new Float32Array(1);
  let alarms = 0;
  let delays = 0;
  let found = 0;
  for (let run = 0; run < runs; run++) {
    const rng = new Rng(seed + 7919 * run);
    const memory = { e: 0, held: 0 };
    // One channel with one lane at one reading a second: the budget that gives this ARL.
    const detector = new Detector({ falseAlarmsPerDay: 86_400_000 / PERIOD_MS / arl, releaseMs: 600_000 });
    const channel = detector.openChannel({ sensor: "s", band: "b", periodMs: PERIOD_MS, tdd: name.startsWith("TDD") });
    let was = false;
    let signalAt = -1;
    for (let i = 0; i < readings + 100; i++) {
      // Whatever happens to the quiet in time stops where the signal begins.
      let x = -100 + quiet(rng, Math.min(i, readings - 1), memory);
      if (i >= readings) {
        if (signalAt < 0) signalAt = i;
        x = -100 + 10 * Math.log10(10 ** ((x + 100) / 10) + 2 * rng.gamma(8));
      }
      one[0] = x;
      detector.push(channel, i * PERIOD_MS, 0, 1, one, null, null, null, 0);
      detector.closeWindow((i + 1) * PERIOD_MS);
      const hot = detector.isHot(channel);
      if (hot && !was) {
        if (i < readings) alarms++;
        else {
          delays += i - signalAt + 1;
          found++;
          break;
        }
      }
      was = hot;
    }
  }
  const perRun = name.startsWith("steps") ? Math.floor((Math.ceil(readings / 5000) - 1 + 1) / 2) : 0;
  return {
    alarms,
    steps: perRun * runs,
    nominal: (runs * readings) / arl,
    delay: delays / Math.max(1, found),
    found: found / runs,
  };
}

const DAY_MS = 86_400_000;
const DAY_PERIOD_MS = 10_000;
/** Monday of the week in which Europe/Paris goes to summer time. */
const MONDAY_MS = Date.UTC(2026, 2, 23);
const SUMMER_MS = Date.UTC(2026, 2, 29, 1);

/** What a floor does over days by the clocks of Paris, dB at hour h of a day; `early` and `late` are that day's irregularities (hours). */
export const RHYTHMS: Readonly<Record<string, (h: number, early: number, late: number) => number>> = {
  "no rhythm": () => 0,
  "daily swing of 6 dB": (h) => 3 * Math.sin((Math.PI * h) / 12),
  "up by 3 dB from 6 to 22 h, 4 min irregular": (h, early, late) => (h >= 6 + early && h < 22 + late ? 3 : 0),
};

export interface DaysResult {
  /** Alarms from the fourth day on and what the nominal ARL allows. */
  readonly alarms: number;
  readonly nominal: number;
  /** Of signals of ten minutes: share found, and mean delay in readings. */
  readonly found: number;
  readonly delay: number;
}

/**
 * Twelve days of `runs` receivers at a reading in ten seconds, over a change to summer time; from the fourth day on false alarms are
 * counted, and on the last day a signal begins at `signalHour` by the clocks of Paris.
 */
export function measureDays(
  name: string,
  timezone: string | null,
  runs: number,
  signalHour: number,
  signalDb: number,
  seed: number,
): DaysResult {
  const rhythm = RHYTHMS[name]!;
  const arl = 1e5;
  const one = new Float32Array(1);
  const snr = 10 ** (signalDb / 10);
  const untilMs = MONDAY_MS + 11 * DAY_MS + (signalHour - 2) * 3_600_000;
  let alarms = 0;
  let found = 0;
  let delays = 0;
  for (let run = 0; run < runs; run++) {
    const rng = new Rng(seed + 7919 * run);
    const budget = DAY_MS / DAY_PERIOD_MS / arl;
    const detector = new Detector({ falseAlarmsPerDay: budget, ...(timezone === null ? {} : { timezone }) });
    const channel = detector.openChannel({ sensor: "s", band: "b", periodMs: DAY_PERIOD_MS, tdd: false });
    let was = false;
    let early = 0;
    let late = 0;
    for (let t = MONDAY_MS; t < untilMs + 600_000; t += DAY_PERIOD_MS) {
      const hour = (t / 3_600_000 + (t >= SUMMER_MS ? 2 : 1)) % 24;
      if (hour === 0) {
        early = rng.normal() / 15;
        late = rng.normal() / 15;
      }
      const quiet = 10 ** (rhythm(hour, early, late) / 10) * rng.gamma(8);
      one[0] = -100 + 10 * Math.log10(t < untilMs ? quiet : quiet + snr * rng.gamma(8));
      detector.push(channel, t, 0, 1, one, null, null, null, 0);
      detector.closeWindow(t + DAY_PERIOD_MS);
      const hot = detector.isHot(channel);
      if (t < untilMs && hot && !was && t >= MONDAY_MS + 3 * DAY_MS) alarms++;
      if (t >= untilMs && hot) {
        found++;
        delays += (t - untilMs) / DAY_PERIOD_MS + 1;
        break;
      }
      was = hot;
    }
  }
  const nominal = (runs * (untilMs - MONDAY_MS - 3 * DAY_MS)) / DAY_PERIOD_MS / arl;
  return { alarms, nominal, found: found / runs, delay: delays / Math.max(1, found) };
}
