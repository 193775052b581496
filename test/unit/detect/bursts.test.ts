import { describe, expect, it } from "vitest";
import { burstRow } from "../../support/burst-table.ts";

describe("short transmissions", () => {
  it("bursts: location update of 2 s, dwells of 5 ms every 50: every one is met, passed on, and four of five are events", () => {
    const r = burstRow("gsm-signalling", 2000, 5, 50, 20, 1, 40);
    expect(r.met).toBe(1);
    expect(r.passed).toBe(1);
    expect(r.event).toBeGreaterThanOrEqual(0.8);
  });

  it("bursts: text of 4 s, dwells of 0.4 ms every 20: all that a dwell met is passed on, nine of ten of it events", () => {
    const r = burstRow("gsm-signalling", 4000, 0.4, 20, 20, 1, 60);
    expect(r.met).toBeGreaterThan(0.4);
    expect(r.met).toBeLessThan(0.95);
    expect(r.passed).toBeGreaterThanOrEqual(r.met);
    expect(r.event).toBeGreaterThanOrEqual(0.85 * r.met);
  });

  it("bursts: update of 0.2 s, one reading: passed on as often as met, no event of one receiver alone", () => {
    const r = burstRow("lte-tau", 200, 5, 50, 20, 1, 60);
    expect(r.met).toBeGreaterThan(0.4);
    expect(r.passed).toBeGreaterThanOrEqual(r.met);
    // A single reading weighs no more than glitches are rare; other receivers must say so too.
    expect(r.event).toBeLessThan(0.1);
  });
});
