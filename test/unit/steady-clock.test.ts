import { expect, it } from "vitest";
import { SteadyClock } from "../../src/steady-clock.ts";

const T = 1_700_000_000_000;
const HOUR = 3600_000;

/** A machine whose clock can be set, and sensors with a clock of their own. */
function machine() {
  const at = { monotonic: 1000, offset: T };
  const clock = new SteadyClock({ nowMs: () => at.offset + at.monotonic, monotonicMs: () => at.monotonic });
  const sensors = (truth: number, count = 40) => {
    for (let k = 0; k < count; k++) {
      at.monotonic += 25;
      clock.note(truth + at.monotonic - 3);
      clock.nowMs();
    }
  };
  return { at, clock, sensors };
}

it("steady clock: set an hour ahead or back while sensors report: keeps its time and says by how much they differ", () => {
  for (const step of [HOUR, -HOUR]) {
    const { at, clock, sensors } = machine();
    sensors(T);
    at.offset += step;
    sensors(T);
    expect(clock.nowMs()).toBe(T + at.monotonic);
    expect(clock.differenceMs()).toBe(step);
    at.offset -= step;
    expect(clock.differenceMs()).toBe(0);
  }
});

it("steady clock: it was wrong from the start and is set right: follows", () => {
  const { at, clock, sensors } = machine();
  sensors(T + HOUR);
  expect(clock.nowMs()).toBe(T + at.monotonic);
  at.offset += HOUR;
  expect(clock.nowMs()).toBe(T + HOUR + at.monotonic);
  expect(clock.followed).toBe(1);
});

it("steady clock: slewed by small steps: follows each; nobody to ask: follows", () => {
  const { at, clock, sensors } = machine();
  sensors(T);
  for (let k = 0; k < 100; k++) {
    at.offset += 400;
    expect(clock.nowMs()).toBe(at.offset + at.monotonic);
  }
  at.monotonic += 120_000;
  at.offset += HOUR;
  expect(clock.nowMs()).toBe(at.offset + at.monotonic);
});
