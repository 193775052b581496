/**
 * Short transmissions through the scanning receivers of the visibility table, and the channel detector behind them: how many
 * become events, how many are at least passed on, and how many a dwell met at all, which no detector can beat.
 */
import { onAir, type Service } from "../../simulator/bursts.ts";
import { stream } from "../../simulator/prng.ts";
import { RADIO_DEFAULTS, Radio } from "../../simulator/radio.ts";
import { Receiver, type ReceiverSpec } from "../../simulator/receiver.ts";
import { readSite } from "../../simulator/site.ts";
import type { Episode } from "../../simulator/world.ts";
import { Detector } from "../../src/detect/detector.ts";

/** Dwell and revisit, ms. */
export const RECEIVERS = [
  [0.4, 20],
  [0.4, 100],
  [0.4, 1000],
  [5, 50],
  [5, 500],
  [20, 200],
] as const;

export const EVENTS: readonly (readonly [name: string, service: Service, ms: number])[] = [
  ["location update 2 s", "gsm-signalling", 2000],
  ["SMS 4 s", "gsm-signalling", 4000],
  ["call 10 s with DTX", "gsm-dtx", 10_000],
  ["LTE update 0.2 s", "lte-tau", 200],
];

/** One room with one sensor in it, as the text of a site file. */
export const HOUSE = JSON.stringify({
  id: "bursts",
  blocks: [{ id: "b1" }],
  floors: [{ id: "0", level: 0, z_m: 0 }],
  zones: [
    {
      id: "c1",
      block: "b1",
      floor: "0",
      kind: "cell",
      polygon: [
        [0, 0],
        [4, 0],
        [4, 4],
        [0, 4],
      ],
    },
  ],
  sensors: [{ id: "s1", block: "b1", floor: "0", type: "rf", position_m: [2, 2, 2], bands: ["gsm900-ul"] }],
});
const RBW_HZ = 1e6;
const NF_DB = 6;
const LEARN_S = 3000;

export interface BurstRow {
  /** Shares of the trials: a dwell met it; the channel was handed on to fusion; it became an event. */
  readonly met: number;
  readonly passed: number;
  readonly event: number;
}

/**
 * `snrDb`: power of a burst over the noise of a dwell. One channel with mean and peak, a reading a second, 50 min of quiet learned,
 * a budget of one false alarm in `budgetDays` days for the channel.
 */
export function burstRow(
  service: Service,
  ms: number,
  dwellMs: number,
  revisitMs: number,
  snrDb: number,
  budgetDays: number,
  trials: number,
): BurstRow {
  const house = readSite(HOUSE);
  const band = house.bandIndex.get("gsm900-ul")!;
  const radio = new Radio(
    house,
    { ...RADIO_DEFAULTS, wallOffsetDb: 0, shadow: { sigmaDb: 0, dTxM: 1, dRxM: 1, bandRho: 1 } },
    1,
  );
  const place = radio.place(1, 1, "0");
  const gain = radio.planGains(place, band)[0]!;
  const spec: ReceiverSpec = {
    period_ms: 1000,
    dwell_ms: dwellMs,
    revisit_ms: revisitMs,
    rbw_hz: RBW_HZ,
    nf_db: NF_DB,
    looks: 20,
    quant_db: 0.1,
    saturation_dbm: 10,
    gain_sigma_db: 0,
    ambient_sigma_db: 0,
    drift_db_per_k: 0,
    swing_k: 0,
    clock_ppm: 0,
    fields: ["rms", "peak"],
  };
  const receiver = new Receiver(house, radio, spec, 1000, 1);
  // The same dwells at a power that no noise hides.
  const witness = new Receiver(house, radio, spec, 1000, 1);
  const noiseDbm = -174 + 10 * Math.log10(RBW_HZ) + NF_DB;
  const rms = new Float32Array(1);
  const peak = new Float32Array(1);
  const fresh = () => {
    const detector = new Detector({ falseAlarmsPerDay: 1 / budgetDays });
    detector.openChannel({ sensor: "s1", band: "gsm900-ul", periodMs: 1000, tdd: false });
    return detector;
  };
  const second = (detector: Detector, ts: number, episodes: Episode[]) => {
    receiver.listen(episodes, ts - 500);
    receiver.measure(0, ts);
    rms[0] = receiver.rms[0]! / 10;
    peak[0] = receiver.peak[0]! / 10;
    detector.push(0, ts, 1000, 1, rms, peak, null, null, 0);
    const passed = detector.active().length > 0;
    detector.closeWindow(ts);
    return passed;
  };
  const learned = fresh();
  for (let s = 1; s <= LEARN_S; s++) second(learned, 1000 * s, []);
  const state = learned.snapshot();
  const rng = stream(44, `${service}/${dwellMs}/${revisitMs}`);
  let met = 0;
  let passed = 0;
  let events = 0;
  for (let t = 0; t < trials; t++) {
    const detector = fresh();
    detector.restore(state);
    const start = 1000 * LEARN_S + 2000 + rng.range(0, 10_000);
    const air = onAir(service, start, start + ms, rng, {});
    const at = (powerDbm: number): Episode => ({
      start,
      end: start + ms,
      band,
      air,
      powerDbm: () => powerDbm,
      placeAt: () => place,
      moves: false,
      steady: true,
      truth: {} as never,
    });
    const real = at(noiseDbm + snrDb - gain);
    const loud = at(noiseDbm + 90 - gain);
    let seen = false;
    let handed = false;
    let hot = false;
    for (let ts = 1000 * (LEARN_S + 1); ts <= start + ms + 2000; ts += 1000) {
      const on = ts > start && ts - 1000 < start + ms;
      witness.listen(on ? [loud] : [], ts - 500);
      witness.measure(0, ts);
      if (witness.peak[0]! / 10 > noiseDbm + 50) seen = true;
      const active = second(detector, ts, on ? [real] : []);
      if (ts >= start) {
        handed ||= active;
        hot ||= detector.isHot(0);
      }
    }
    if (seen) met++;
    if (handed) passed++;
    if (hot) events++;
  }
  return { met: met / trials, passed: passed / trials, event: events / trials };
}
