import { expect, it } from "vitest";
import { AWAY_MS, CatchUp, QUIET_MS } from "../../src/catchup.ts";

const T = 1_700_000_000_000;

it("catching up: messages of an outage come fast: time is theirs until they are near the wall", () => {
  const clock = new CatchUp();
  clock.begin(0);
  // Ten seconds were missed and come within one; from then on messages come as they are sent.
  for (let k = 0; k <= 140; k++) {
    clock.note("s1", Math.min(T - 10_000 + 110 * k, T + 10 * k), 10 * k);
    const now = clock.nowMs(T + 10 * k, 10 * k);
    expect(now).toBeLessThanOrEqual(T + 10 * k);
    if (k > 20 && k < 80) expect(now).toBeLessThan(T - 10_000 + 110 * k + 1);
  }
  expect(clock.running).toBe(false);
  expect(clock.nowMs(T + 5000, 5000)).toBe(T + 5000);
});

it("catching up: nothing comes: over after two seconds; after a lost connection, after ten", () => {
  for (const [quiet, wanted] of [
    [undefined, QUIET_MS],
    [AWAY_MS, AWAY_MS],
  ] as const) {
    const clock = new CatchUp();
    clock.nowMs(T, 0);
    clock.begin(0, quiet);
    expect(clock.nowMs(T + wanted - 1, wanted - 1)).toBe(T);
    expect(clock.nowMs(T + wanted, wanted)).toBe(T + wanted);
  }
});

it("catching up: sensors come back one after the other with all they kept: no window is over before the last of them", () => {
  const clock = new CatchUp();
  const names = ["s1", "s2", "s3", "s4"];
  // Live for a while, each at its usual distance.
  for (let ms = 0; ms <= 20_000; ms += 500) {
    for (const name of names) clock.note(name, T + ms - 50, ms);
    expect(clock.nowMs(T + ms, ms)).toBe(T + ms);
  }
  // Away for ten seconds; then in a tenth of a second each, the first with its newest before the last with its oldest.
  clock.begin(20_000, AWAY_MS);
  expect(clock.nowMs(T + 29_000, 29_000)).toBe(T + 20_000);
  let ms = 30_000;
  const shown = new Map(names.map((name) => [name, T + 19_950]));
  for (const name of names) {
    for (let k = 1; k <= 20; k++, ms += 5) {
      shown.set(name, T + 20_000 + 500 * k);
      clock.note(name, shown.get(name)!, ms);
      const now = clock.nowMs(T + ms, ms);
      // It is over only when every sensor is near, each having shown all it kept.
      if (clock.running) expect(now).toBeLessThanOrEqual(Math.min(...shown.values()) + 50);
      else expect(Math.min(...shown.values())).toBeGreaterThan(T + 29_000);
    }
  }
  expect(clock.nowMs(T + ms, ms)).toBe(T + ms);
  expect(clock.running).toBe(false);
});

it("catching up: a sensor that does not come back: costs two seconds and no more", () => {
  const clock = new CatchUp();
  for (const name of ["s1", "s2", "s3"]) clock.note(name, T, 0);
  clock.nowMs(T, 0);
  clock.begin(0, AWAY_MS);
  for (let ms = 1000; ms < 4000; ms += 100) {
    for (const name of ["s1", "s2"]) clock.note(name, T + ms, ms);
    clock.nowMs(T + ms, ms);
    expect(clock.running).toBe(ms < 1000 + QUIET_MS);
  }
});

it("catching up: a sensor whose clock is wrong as before holds nobody up; one never heard before, five seconds", () => {
  for (const known of [true, false]) {
    const clock = new CatchUp();
    if (known) for (const name of ["s1", "s2", "s3"]) clock.note(name, name === "s3" ? T - 600_000 : T, 0);
    clock.nowMs(T, 0);
    clock.begin(0);
    let overMs = 0;
    for (let ms = 100; ms < 10_000 && overMs === 0; ms += 100) {
      for (const name of ["s1", "s2", "s3"]) clock.note(name, (name === "s3" ? T - 600_000 : T) + ms, ms);
      clock.nowMs(T + ms, ms);
      if (!clock.running) overMs = ms;
    }
    expect(overMs).toBe(known ? 100 : 5100);
  }
});

it("catching up: clocks ahead of the wall do not move the time", () => {
  const clock = new CatchUp();
  clock.begin(0);
  for (let k = 0; k < 30; k++) clock.note(`s${k % 5}`, k % 5 === 0 ? T + 4000 : T - 20_000 + k, k);
  expect(clock.nowMs(T, 30)).toBeLessThan(T - 19_000);
});

it("catching up: never comes nearer: over after a minute; and time never goes back", () => {
  const clock = new CatchUp();
  clock.begin(0);
  let last = Number.NEGATIVE_INFINITY;
  for (let s = 0; s < 70; s++) {
    clock.note("s1", T - 30_000 + 1000 * s, 1000 * s);
    const now = clock.nowMs(T + 1000 * s, 1000 * s);
    expect(now).toBeGreaterThanOrEqual(last);
    last = now;
    if (s < 55) expect(clock.running).toBe(true);
  }
  expect(clock.running).toBe(false);
});

it("catching up: most sensors are later by and by, as behind a service that is too slow: time waits for them, then goes on", () => {
  const clock = new CatchUp();
  const names = ["s1", "s2", "s3", "s4", "s5"];
  let begunMs = 0;
  let overMs = 0;
  // From 10 s to 20 s half of what comes is taken, from then on three times as much: ten seconds' worth waits at 20 s, none at 25 s.
  const taken = (ms: number) =>
    ms < 10_000 ? ms : ms < 20_000 ? 10_000 + (ms - 10_000) / 2 : Math.min(ms, 15_000 + 3 * (ms - 20_000));
  for (let ms = 0; ms <= 40_000; ms += 50) {
    for (const name of names) clock.note(name, T + taken(ms) - 30, ms);
    const now = clock.nowMs(T + ms, ms);
    if (clock.running && begunMs === 0) begunMs = ms;
    if (!clock.running && begunMs > 0 && overMs === 0) overMs = ms;
    // Time never goes back: it stands where it was until the sensors have come so far.
    if (clock.running) expect(now).toBeLessThanOrEqual(T + Math.max(begunMs, taken(ms)));
  }
  // A second late at 12 s, and windows wait for two; near again at 22 s.
  expect(begunMs).toBeGreaterThanOrEqual(12_000);
  expect(begunMs).toBeLessThanOrEqual(13_100);
  expect(overMs).toBeGreaterThanOrEqual(21_900);
  expect(overMs).toBeLessThanOrEqual(22_600);
});

it("catching up: one of five sensors is late: nobody waits for it", () => {
  const clock = new CatchUp();
  for (let ms = 0; ms <= 40_000; ms += 50) {
    for (const k of [1, 2, 3, 4, 5]) clock.note(`s${k}`, T + ms - (k === 1 && ms > 10_000 ? 9000 : 30), ms);
    expect(clock.nowMs(T + ms, ms)).toBe(T + ms);
  }
});

it("catching up: all sensors are later for good: waited for a minute, once", () => {
  const clock = new CatchUp();
  let waitedMs = 0;
  for (let ms = 0; ms <= 300_000; ms += 50) {
    for (const k of [1, 2, 3]) clock.note(`s${k}`, T + ms - (ms > 10_000 ? 5000 : 30), ms);
    clock.nowMs(T + ms, ms);
    if (clock.running) waitedMs += 50;
  }
  expect(waitedMs).toBeGreaterThan(55_000);
  expect(waitedMs).toBeLessThan(65_000);
});
