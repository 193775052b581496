import { describe, expect, it } from "vitest";
import { DayFloors, QUARTER_MS } from "../../../src/detect/days.ts";
import { Detector } from "../../../src/detect/detector.ts";
import { Rng } from "../../support/noise.ts";

const PERIOD = 20_000;
const DAY = 86_400_000;
const HOUR = 3_600_000;
/** Monday before Europe/Paris goes to summer time: 29 March 2026, 01:00 UTC. */
const MONDAY = Date.UTC(2026, 2, 23);
const SUMMER = Date.UTC(2026, 2, 29, 1);
const parisHour = (t: number) => (t / HOUR + (t >= SUMMER ? 2 : 1)) % 24;

/** Up by 3 dB from about six to about ten at night by the clocks of Paris, a few minutes off each day. */
function shifts(seed: number): (t: number) => number {
  const rng = new Rng(seed);
  const off = Array.from({ length: 14 }, () => [rng.normal() / 15, rng.normal() / 15] as const);
  return (t) => {
    const [early, late] = off[Math.floor((t - MONDAY) / DAY)]!;
    const hour = parisHour(t);
    return hour >= 6 + early && hour < 22 + late ? 3 : 0;
  };
}

interface Watch {
  readonly timezone?: string;
  readonly days: number;
  readonly seed: number;
  readonly floorDb: (t: number) => number;
  /** Signal over the floor of -100 dBm, dB; none below -50. */
  readonly signalDb?: (t: number) => number;
  readonly restartAt?: number;
}

/** Instants at which the channel became hot. */
function watch({ timezone, days, seed, floorDb, signalDb, restartAt }: Watch) {
  const options = { falseAlarmsPerDay: DAY / PERIOD / 1e5, ...(timezone === undefined ? {} : { timezone }) };
  const spec = { sensor: "s", band: "b", periodMs: PERIOD, tdd: false };
  let detector = new Detector(options);
  let channel = detector.openChannel(spec);
  const rng = new Rng(seed);
  const one = new Float32Array(1);
  const hotAt: number[] = [];
  let was = false;
  for (let t = MONDAY; t < MONDAY + days * DAY; t += PERIOD) {
    if (t === restartAt) {
      const bytes = detector.snapshot();
      const dayBytes = detector.daySnapshot();
      detector = new Detector(options);
      expect(detector.restore(bytes)).toBe(true);
      if (dayBytes) expect(detector.restoreDays(dayBytes)).toBe(true);
      channel = detector.openChannel(spec);
    }
    const quiet = 10 ** (floorDb(t) / 10) * rng.gamma(8);
    const signal = 10 ** ((signalDb?.(t) ?? -99) / 10) * rng.gamma(8);
    one[0] = -100 + 10 * Math.log10(quiet + signal);
    detector.push(channel, t, 0, 1, one, null, null, null, 0);
    detector.closeWindow(t + PERIOD);
    const hot = detector.isHot(channel);
    if (hot && !was) hotAt.push(t);
    was = hot;
  }
  return { hotAt, ...detector.dayFloors() };
}

const daysOf = (hotAt: readonly number[]) => [...new Set(hotAt.map((t) => Math.floor((t - MONDAY) / DAY)))];

describe("time of day", () => {
  it("steps of 3 dB at fixed hours: an event a day without it; with it none after three days, across the change to summer time", () => {
    for (const seed of [1, 2]) {
      const world = { days: 10, seed, floorDb: shifts(seed + 100) };
      expect(daysOf(watch(world).hotAt)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      const known = watch({ ...world, timezone: "Europe/Paris" });
      expect(daysOf(known.hotAt).filter((day) => day > 3)).toEqual([]);
      expect(known.supported).toBe(1);
      // By other clocks it comes an hour early from the sixth day on.
      expect(daysOf(watch({ ...world, timezone: "UTC" }).hotAt)).toContain(6);
    }
  });

  it("history without a rhythm: not used, and the events are those of a detector that knows no days", () => {
    let level = 0;
    const walk = new Rng(5);
    const levels = Array.from({ length: (6 * DAY) / PERIOD }, () => (level += 0.006 * walk.normal()));
    const worlds = [
      (t: number) => (Math.floor((t - MONDAY) / (6.5 * HOUR)) % 2) * 3,
      (t: number) => levels[(t - MONDAY) / PERIOD]!,
    ];
    for (const [i, floorDb] of worlds.entries()) {
      const world = { days: 6, seed: i + 1, floorDb };
      const known = watch({ ...world, timezone: "Europe/Paris" });
      expect(known.supported).toBe(0);
      expect(known.hotAt).toEqual(watch(world).hotAt);
    }
  });

  it("a signal: of 10 dB just when the rise is due, and of 6 dB by day, found as soon as without", () => {
    const from = (day: number, hour: number) => MONDAY + day * DAY + hour * HOUR;
    for (const [at, db] of [
      [from(5, 5), 10],
      [from(5, 11), 6],
    ] as const) {
      const signalDb = (t: number) => (t >= at && t < at + 300_000 ? db : -99);
      const world = { days: 6, seed: 3, floorDb: shifts(103), signalDb };
      const found = (timezone?: string) =>
        watch({ ...world, ...(timezone ? { timezone } : {}) }).hotAt.find((t) => t >= at && t < at + 300_000);
      const known = found("Europe/Paris");
      expect(known).toBeDefined();
      if (db === 6) expect(known! - at).toBeLessThanOrEqual((found() ?? Number.NaN) - at + PERIOD);
      else expect(known! - at).toBeLessThanOrEqual(3 * PERIOD);
    }
  });

  it("stopped and started again on any day: the same events", () => {
    const world = { days: 6, seed: 4, floorDb: shifts(104), timezone: "Europe/Paris" };
    const whole = watch(world);
    for (const restartAt of [MONDAY + 2 * DAY, MONDAY + 4 * DAY + 5.1 * HOUR]) {
      expect(watch({ ...world, restartAt }).hotAt).toEqual(whole.hotAt);
    }
  });

  it("quarter of the day: by the site's clocks, in winter, in summer, and where zones are half an hour off", () => {
    const paris = new DayFloors("Europe/Paris");
    expect(paris.quarterOfDay(SUMMER - 1)).toBe(7);
    expect(paris.quarterOfDay(SUMMER)).toBe(12);
    expect(paris.quarterOfDay(Date.UTC(2026, 9, 25, 0, 59))).toBe(11);
    expect(paris.quarterOfDay(Date.UTC(2026, 9, 25, 1, 59))).toBe(11);
    expect(new DayFloors("Asia/Kolkata").quarterOfDay(0)).toBe(22);
    expect(new DayFloors("UTC").quarterOfDay(DAY - 1)).toBe(95);
  });

  it("time that stands still for hours or goes back: nothing is compared over the gap", () => {
    const days = new DayFloors("UTC");
    days.grow(1);
    days.open(0);
    let quarter = 0;
    const floorOf = () => (quarter % 96 >= 24 && quarter % 96 < 88 ? 3 : 0);
    for (; quarter < 5 * 96; quarter++) days.reach((quarter + 1) * QUARTER_MS, 1, floorOf);
    expect(days.supports(0)).toBe(true);
    const at = () => days.ceiling(0, 24);
    days.reach((quarter + 200) * QUARTER_MS, 1, floorOf);
    expect(at()).toBeNaN();
    days.reach(quarter * QUARTER_MS, 1, floorOf);
    expect(at()).toBeNaN();
    expect(days.supports(0)).toBe(true);
  });
});
