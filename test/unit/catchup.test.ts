import { expect, it } from "vitest";
import { AWAY_MS, CatchUp, QUIET_MS } from "../../src/catchup.ts";

const T = 1_700_000_000_000;

it("catching up: messages of an outage come fast: time is theirs until they are near the wall", () => {
  const clock = new CatchUp();
  clock.begin(0);
  // Ten seconds were missed and come within one; from then on messages come as they are sent.
  for (let k = 0; k <= 140; k++) {
    clock.note(Math.min(T - 10_000 + 110 * k, T + 10 * k), 10 * k);
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

it("catching up: a few sensors whose clocks run ahead or behind: do not move the time", () => {
  const clock = new CatchUp();
  clock.begin(0);
  for (let k = 0; k < 30; k++) clock.note(k % 5 === 0 ? T + 4000 : T - 20_000 + k, k);
  expect(clock.nowMs(T, 30)).toBeLessThan(T - 19_000);
});

it("catching up: never comes nearer: over after a minute; and time never goes back", () => {
  const clock = new CatchUp();
  clock.begin(0);
  let last = Number.NEGATIVE_INFINITY;
  for (let s = 0; s < 70; s++) {
    clock.note(T - 30_000 + 1000 * s, 1000 * s);
    const now = clock.nowMs(T + 1000 * s, 1000 * s);
    expect(now).toBeGreaterThanOrEqual(last);
    last = now;
    if (s < 55) expect(clock.running).toBe(true);
  }
  expect(clock.running).toBe(false);
});
