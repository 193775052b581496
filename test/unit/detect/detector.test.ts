import { describe, expect, it } from "vitest";
import { Detector } from "../../../src/detect/detector.ts";
import { Rng, receiver } from "../../support/noise.ts";

const PERIOD = 100;

function one(options = {}) {
  const detector = new Detector({ falseAlarmsPerDay: 1, ...options });
  const channel = detector.openChannel({ sensor: "s1", band: "lte800-ul", periodMs: PERIOD, tdd: false });
  return { detector, channel };
}

/** Pushes in windows of one second and closes each. */
function play(detector: Detector, channel: number, rms: Float32Array | null, peak: Float32Array | null, t0 = 0) {
  const n = (rms ?? peak)!.length;
  const hotFrom: number[] = [];
  for (let i = 0; i < n; i += 10) {
    const count = Math.min(10, n - i);
    detector.push(channel, t0 + i * PERIOD, PERIOD, count, rms, peak, null, null, i);
    detector.closeWindow(t0 + (i + 10) * PERIOD);
    if (detector.isHot(channel)) hotFrom.push(i);
  }
  return hotFrom;
}

describe("detector", () => {
  it("detector: quiet receiver for three hours: no event, floor within 0.4 dB (3 sd of the tracker), spread within 10 %", () => {
    const { detector, channel } = one();
    play(detector, channel, receiver(new Rng(1), 108_000, 8, -100), null);
    expect(detector.takeEvents()).toEqual([]);
    expect(Math.abs(detector.floorDbm(channel) + 100)).toBeLessThan(0.4);
    expect(detector.sigmaDb(channel)).toBeGreaterThan(1.54 * 0.9);
    expect(detector.sigmaDb(channel)).toBeLessThan(1.54 * 1.1);
    expect(detector.status(channel, 108_000 * PERIOD)).toBe("ready");
  });

  it("detector: 3 dB signal after a quiet minute: one event, onset within two readings, SNR within 1 dB, ends after the hold", () => {
    const { detector, channel } = one();
    const x = receiver(new Rng(2), 3000, 8, -100, 2, 600);
    x.set(receiver(new Rng(3), 1900, 8, -100), 1100);
    const hot = play(detector, channel, x, null);
    const events = detector.takeEvents();
    const open = events.filter((e) => e.type === "open");
    expect(open.length).toBe(1);
    expect(Math.abs(open[0]!.onsetMs - 60_000)).toBeLessThanOrEqual(300);
    expect(open[0]!.tMs - 60_000).toBeLessThanOrEqual(1500);
    const close = events.find((e) => e.type === "close")!;
    expect(close.endMs! / 1000).toBeGreaterThan(109);
    expect(close.endMs! / 1000).toBeLessThan(115);
    expect(hot.at(-1)! / 10).toBeLessThan(121);
  });

  it("detector: burst of 20 dB in the peak alone, two readings long: an event whose statistic is the peak", () => {
    const { detector, channel } = one();
    const rng = new Rng(4);
    const rms = receiver(rng, 12_000, 8, -100);
    const peak = receiver(rng, 12_000, 4, -92);
    for (let i = 10_000; i < 10_020; i++) peak[i] = peak[i]! + 20;
    play(detector, channel, rms, peak);
    const open = detector.takeEvents().filter((e) => e.type === "open");
    expect(open.map((e) => e.explanation.statistic)).toEqual(["peak"]);
  });

  it("detector: evidence of a window: level, floor and step agree with the readings", () => {
    const { detector, channel } = one();
    const x = receiver(new Rng(5), 2000, 8, -100, 10, 1990);
    detector.push(channel, 0, PERIOD, 1990, x, null, null, null, 0);
    detector.closeWindow(199_000);
    detector.push(channel, 199_000, PERIOD, 10, x, null, null, null, 1990);
    const e = detector.evidence(channel, 200_000);
    const mean = 10 * Math.log10(x.subarray(1990).reduce((s, v) => s + 10 ** (v / 10), 0) / 10);
    expect(e.samples).toBe(10);
    expect(Math.abs(e.levelDbm - mean)).toBeLessThan(0.1);
    expect(Math.abs(e.floorDbm + 100)).toBeLessThan(0.5);
    expect(e.llrStep).toBeGreaterThan(60);
    expect(detector.active()).toEqual([channel]);
    detector.closeWindow(200_000);
    expect(detector.evidence(channel, 200_000).hot).toBe(true);
  });

  it("detector: evidence of a window: a reading 40 to 100 dB over the floor counts as much as it is clipped at, whatever is beside it", () => {
    for (const overDb of [40, 60, 70, 80, 86, 90, 100]) {
      for (const loud of [[1990], [1990, 1991], [1993, 1999]]) {
        const { detector, channel } = one();
        const x = receiver(new Rng(5), 2000, 8, -100);
        for (const i of loud) x[i] = -100 + overDb;
        detector.push(channel, 0, PERIOD, 1990, x, null, null, null, 0);
        detector.closeWindow(199_000);
        detector.push(channel, 199_000, PERIOD, 10, x, null, null, null, 1990);
        const { llrStep } = detector.evidence(channel, 200_000);
        // A clipped reading brings 8.5 nats at the most, a quiet one takes two or three away under the loudest hypothesis.
        expect(llrStep, `${overDb} dB, ${loud}`).toBeGreaterThan(loud.length * 8 - 10 * 3);
        expect(llrStep, `${overDb} dB, ${loud}`).toBeLessThanOrEqual(loud.length * 8.5);
      }
    }
  });

  it("detector: a call while the lane of the duty begins: what reports no duty afterwards is quiet", () => {
    const silence = "0".repeat(35);
    const call = "sssssssssvvvvvssss00ssvvss0sss0ss0ss00ss0vvs0sss0sss0vvvvvvs0ssssss0svvvv";
    const dutyOf = { "0": 0, s: 0.045, v: 0.3 } as const;
    const duties = [...`${silence}${call}${"0".repeat(92)}vvvvvvvvv${"0".repeat(400)}`].map(
      (c) => dutyOf[c as keyof typeof dutyOf],
    );
    const { detector, channel } = one();
    const duty = Float32Array.from(duties);
    for (let i = 0; i < duty.length; i += 2) {
      detector.push(channel, i * 500, 500, 2, null, null, duty, null, i);
      detector.closeWindow((i + 2) * 500);
      if (i > 300) expect(detector.evidence(channel, (i + 2) * 500).hot, `reading ${i}`).toBe(false);
    }
  });

  it("detector: fewer than 32 readings: warming and never hot; then provisional; then ready", () => {
    const { detector, channel } = one();
    const x = receiver(new Rng(6), 400, 8, -100);
    detector.push(channel, 0, PERIOD, 31, x, null, null, null, 0);
    expect(detector.status(channel, 3100)).toBe("warming");
    expect(detector.floorDbm(channel)).toBeNaN();
    detector.push(channel, 3100, PERIOD, 20, x, null, null, null, 31);
    expect(detector.status(channel, 5100)).toBe("provisional");
    detector.push(channel, 5100, PERIOD, 349, x, null, null, null, 51);
    expect(detector.status(channel, 40_000)).toBe("ready");
    expect(detector.status(channel, 400_000)).toBe("silent");
  });

  it("detector: looks stated by the sensor: bound the spread until 256 readings have told it", () => {
    const { detector, channel } = one();
    const x = receiver(new Rng(61), 3000, 2000, -100);
    const looks = new Float32Array(3000).fill(8);
    detector.push(channel, 0, PERIOD, 40, x, null, null, looks, 0);
    expect(detector.sigmaDb(channel)).toBeCloseTo(4.343 / Math.sqrt(8), 2);
    detector.push(channel, 4000, PERIOD, 2960, x, null, null, looks, 40);
    expect(detector.sigmaDb(channel)).toBeLessThan(0.3);
  });

  it("detector: begins stuck: waits for readings that differ, and then knows its spread", () => {
    const { detector, channel } = one();
    const x = receiver(new Rng(62), 2000, 8, -100);
    x.fill(x[0]!, 0, 50);
    play(detector, channel, x, null);
    expect(detector.takeEvents()).toEqual([]);
    expect(detector.sigmaDb(channel)).toBeGreaterThan(1.54 * 0.85);
    expect(detector.sigmaDb(channel)).toBeLessThan(1.54 * 1.2);
  });

  it("detector: the same value for ever: stuck", () => {
    const { detector, channel } = one();
    const x = receiver(new Rng(7), 2000, 8, -100);
    x.fill(-100.25, 1000);
    play(detector, channel, x, null);
    expect(detector.status(channel, 200_000)).toBe("stuck");
  });

  it.each([
    { after: 60, lasts: 150 },
    { after: 60, lasts: 1000 },
    { after: 1000, lasts: 150 },
    { after: 1000, lasts: 3000 },
  ])(
    "detector: stuck for $lasts readings after $after, then well again: quiet from then on, floor and spread about as before",
    ({ after, lasts }) => {
      const withEvents: number[] = [];
      for (let seed = 1; seed <= 20; seed++) {
        const { detector, channel } = one();
        const x = receiver(new Rng(500 + seed), after + lasts + 2000, 8, -100);
        x.fill(x[after - 1]!, after, after + lasts);
        play(detector, channel, x, null);
        const later = detector.takeEvents().filter((e) => e.type === "open" && e.tMs > PERIOD * (after + lasts));
        if (later.length > 0) withEvents.push(seed);
        expect(Math.abs(detector.floorDbm(channel) + 100), `seed ${seed}`).toBeLessThan(0.6);
        expect(detector.sigmaDb(channel), `seed ${seed}`).toBeGreaterThan(1.54 * 0.65);
        expect(detector.sigmaDb(channel), `seed ${seed}`).toBeLessThan(1.54 * 1.5);
      }
    },
  );

  it("detector: stuck, then a signal: heard in its first reading, not at the next look for repeats", () => {
    const { detector, channel } = one();
    const x = receiver(new Rng(71), 2001, 8, -100);
    x.fill(-100.25, 1000, 2000);
    x[2000] = -60;
    play(detector, channel, x.subarray(0, 2000), null);
    detector.push(channel, 200_000, PERIOD, 1, x, null, null, null, 2000);
    expect(detector.evidence(channel, 201_000).status).toBe("ready");
  });

  it("detector: receivers that tell no less than -95 dBm: not stuck, and their silence says no more than that; one that is stuck elsewhere is", () => {
    const detector = new Detector({ falseAlarmsPerDay: 1 });
    const open = (k: number) =>
      detector.openChannel({ sensor: `s${k}`, band: "lte800-ul", periodMs: PERIOD, tdd: false });
    const channels = Array.from({ length: 5 }, (_, k) => open(k));
    const each = channels.map((k) => receiver(new Rng(80 + k), 2000, 40, -101).map((v) => Math.max(v, -95)));
    each[4]!.set(receiver(new Rng(90), 1000, 8, -90));
    each[4]!.fill(-90.5, 1000);
    for (let i = 0; i < 2000; i += 10) {
      for (const k of channels) detector.push(k, i * PERIOD, PERIOD, 10, each[k]!, null, null, null, i);
      detector.closeWindow((i + 10) * PERIOD);
    }
    const status = () => channels.map((k) => detector.status(k, 200_000));
    expect(status()).toEqual(channels.map(() => "stuck"));
    detector.lookForEnds();
    expect(status()).toEqual(["ready", "ready", "ready", "ready", "stuck"]);
    expect(detector.sigmaDb(0)).toBeCloseTo(1.2, 9);
    expect(detector.sigmaDb(4)).not.toBeCloseTo(1.2, 1);
    expect(detector.ends()).toEqual([["lte800-ul", -95]]);
    expect(detector.takeEvents()).toEqual([]);
    // A steady carrier was the floor for a while; the repeats after it are no less the end.
    const carrier = Float32Array.from({ length: 1600 }, (_, i) => (i < 1200 ? -93 + 0.1 * (i % 5) : -95));
    play(detector, 0, carrier, null, 200_000);
    expect(detector.floorDbm(0)).toBeGreaterThan(-94.5);
    expect(detector.status(0, 360_000)).toBe("ready");
  });

  it("detector: a reading at the top of the receiver: saturated in that window only", () => {
    const { detector, channel } = one();
    const x = receiver(new Rng(8), 600, 8, -100);
    x[599] = -2;
    detector.push(channel, 0, PERIOD, 590, x, null, null, null, 0);
    detector.closeWindow(59_000);
    detector.push(channel, 59_000, PERIOD, 10, x, null, null, null, 590);
    expect(detector.evidence(channel, 60_000).status).toBe("saturated");
    detector.closeWindow(60_000);
    expect(detector.status(channel, 60_000)).not.toBe("saturated");
  });

  it("detector: the floor falls by 6 dB: followed within 200 readings without an event, and a rise back is one", () => {
    const { detector, channel } = one();
    const rng = new Rng(9);
    const x = new Float32Array(6000);
    x.set(receiver(rng, 2000, 8, -100), 0);
    x.set(receiver(rng, 4000, 8, -106), 2000);
    play(detector, channel, x.subarray(0, 2200), null);
    expect(Math.abs(detector.floorDbm(channel) + 106)).toBeLessThan(1);
    expect(detector.takeEvents()).toEqual([]);
  });

  it("detector: a floor that stays up longer than a call: released as a new floor, once", () => {
    const { detector, channel } = one({ releaseMs: 60_000 });
    const x = receiver(new Rng(10), 8000, 8, -100, 10, 1000);
    play(detector, channel, x, null);
    const events = detector.takeEvents().filter((e) => e.type !== "update");
    expect(events.map((e) => e.type)).toEqual(["open", "new-floor", "close"]);
    expect(Math.abs(events[1]!.newFloorDbm + 89.6)).toBeLessThan(2);
    expect(Math.abs(detector.floorDbm(channel) + 89.6)).toBeLessThan(0.5);
  });

  it.each([3, 6, 20])(
    "detector: the floor steps up by %i dB while a phone is on: the new floor within three minutes, hot no more, and a phone over it is found",
    (stepDb) => {
      const { detector, channel } = one();
      const rng = new Rng(20 + stepDb);
      const x = receiver(rng, 4200, 80, -100);
      for (let i = 1000; i < x.length; i++) x[i]! += stepDb;
      // A call of 40 s that begins before the step and fades by 2 dB from second to second.
      for (let i = 800; i < 1200; i++) x[i] = -70 + 2 * Math.sin(i * i);
      const duty = new Float32Array(x.length);
      for (let i = 800; i < 1200; i++) duty[i] = 0.3;
      // And one that flickers: the new power lies at the sensor's own threshold.
      for (let i = 1200; i < x.length; i++) duty[i] = rng.next() < 0.2 ? 1 : 0;
      for (let i = 0; i < 3600; i += 10) {
        detector.push(channel, i * PERIOD, PERIOD, 10, x, null, duty, null, i);
        if (i >= 3000) expect(detector.evidence(channel, (i + 10) * PERIOD).excessDb, `${i}`).toBeLessThan(1);
        detector.closeWindow((i + 10) * PERIOD);
      }
      expect(Math.abs(detector.floorDbm(channel) + 100 - stepDb)).toBeLessThan(0.3);
      for (let i = 3600; i < x.length; i++) x[i]! += 10 + 2 * Math.sin(i * i);
      play(detector, channel, x.subarray(3600, 3700), null, 360_000);
      expect(detector.isHot(channel)).toBe(true);
    },
  );

  it.each([3, 10])(
    "detector: the floor drifts by 0.2 dB a minute while a phone is on for %i minutes: followed within ten seconds of its end, and a weak phone over it is found",
    (minutes) => {
      const { detector, channel } = one();
      const [from, until] = [1000, 1000 + minutes * 600];
      const x = receiver(new Rng(40 + minutes), until + 3000, 80, -100);
      for (let i = from; i < x.length; i++) x[i]! += 0.2 * Math.min(minutes, (i - from) / 600);
      const rng = new Rng(9);
      let fade = 0;
      for (let i = from; i < until; i++) {
        if (i % 10 === 0) fade = 3 * rng.normal();
        x[i] = -70 + fade;
      }
      play(detector, channel, x.subarray(0, until + 100), null);
      const hot = play(detector, channel, x.subarray(until + 100), null, (until + 100) * PERIOD);
      expect(hot).toEqual([]);
      expect(Math.abs(detector.floorDbm(channel) + 100 - 0.2 * minutes)).toBeLessThan(0.2);
      const weak = receiver(new Rng(50 + minutes), 600, 80, -100 + 0.2 * minutes, 1, 0);
      play(detector, channel, weak, null, x.length * PERIOD);
      expect(detector.isHot(channel)).toBe(true);
    },
  );

  it("detector: a step is told as one within ten windows; a phone that fades by 2 dB never is, nor is its level taken for a floor", () => {
    for (const fadingDb of [0, 2]) {
      let told = 0;
      for (let seed = 1; seed <= 20; seed++) {
        const { detector, channel } = one();
        const rng = new Rng(700 + seed);
        const x = receiver(rng, 8000, 80, -100);
        let fade = 0;
        for (let i = 1000; i < x.length; i++) {
          if (i % 10 === 0) fade = fadingDb * rng.normal();
          x[i]! += 6 + fade;
        }
        play(detector, channel, x.subarray(0, 1100), null);
        if (detector.evidence(channel, 111_000).step) told++;
        if (fadingDb === 0) continue;
        play(detector, channel, x.subarray(1100), null, 110_000);
        expect(
          detector.takeEvents().filter((e) => e.type === "new-floor"),
          `seed ${seed}`,
        ).toEqual([]);
      }
      if (fadingDb === 0) expect(told).toBeGreaterThan(16);
      else expect(told).toBe(0);
    }
  });

  it("detector: event-driven receiver: hot after two reports, quiet again after silence", () => {
    const detector = new Detector({ falseAlarmsPerDay: 1 });
    const channel = detector.openChannel({ sensor: "ble-1", band: "bt-wifi-2400", periodMs: 0, tdd: false });
    const x = Float32Array.of(-70, -72, -71);
    for (let j = 0; j < 3; j++) detector.push(channel, j * 400, 0, 1, x, null, null, null, j);
    const e = detector.evidence(channel, 2000);
    expect(Math.abs(e.levelDbm + 71)).toBeLessThan(0.2);
    expect(e.samples).toBe(3);
    detector.closeWindow(2000);
    expect(detector.isHot(channel)).toBe(true);
    for (let t = 3000; t < 200_000; t += 1000) detector.closeWindow(t);
    expect(detector.isHot(channel)).toBe(false);
    expect(detector.active()).toEqual([]);
  });
});
