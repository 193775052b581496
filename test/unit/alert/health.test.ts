import { describe, expect, it } from "vitest";
import { SensorHealth, type SensorLook } from "../../../src/alert/health.ts";

const T = 1_700_000_000_000;
const sensor = (id: string, lastTsMs: number, more: Partial<SensorLook> = {}): SensorLook => ({
  sensor: id,
  lastTsMs,
  online: true,
  periodMs: 1000,
  tamper: false,
  channels: [{ band: "lte800-ul", status: "ready" }],
  ...more,
});

describe("sensor health", () => {
  it("silence: opens after 15 s, ends when the sensor speaks again", () => {
    const health = new SensorHealth();
    const others = ["s2", "s3", "s4", "s5"].map((id) => sensor(id, T + 100_000));
    expect(health.look(T + 15_000, [sensor("s1", T), ...others]).opened).toEqual([]);
    const { opened } = health.look(T + 15_001, [sensor("s1", T), ...others]);
    expect(opened.map((f) => [f.key, f.kind])).toEqual([["silent:s1", "sensor-fault"]]);
    expect(health.look(T + 16_000, [sensor("s1", T), ...others])).toEqual({ opened: [], ended: [] });
    expect(health.look(T + 17_000, [sensor("s1", T + 17_000), ...others]).ended.map((f) => f.key)).toEqual([
      "silent:s1",
    ]);
  });

  it("most of a block silent at once: one alert that names the cause, not one a sensor", () => {
    const health = new SensorHealth();
    const { opened } = health.look(
      T + 60_000,
      ["s1", "s2", "s3", "s4", "s5"].map((id) => sensor(id, id === "s5" ? T + 60_000 : T)),
    );
    expect(opened.map((f) => [f.key, f.kind, f.severity])).toEqual([["blind", "service-fault", "critical"]]);
  });

  it("event-driven sensors: their silence says nothing", () => {
    expect(new SensorHealth().look(T + 3600_000, [sensor("s1", T, { periodMs: 0 })]).opened).toEqual([]);
  });

  it("slow sensors: silent only after five of their periods", () => {
    const health = new SensorHealth();
    expect(health.look(T + 40_000, [sensor("s1", T, { periodMs: 10_000 })]).opened).toEqual([]);
    expect(health.look(T + 50_001, [sensor("s1", T, { periodMs: 10_000 })]).opened).toHaveLength(1);
  });

  it("stuck channel and open case: faults of their own kind", () => {
    const look = sensor("s1", T, { tamper: true, channels: [{ band: "gsm900-ul", status: "stuck" }] });
    const { opened } = new SensorHealth().look(T, [look]);
    expect(opened.map((f) => f.kind).sort()).toEqual(["sensor-fault", "tamper"]);
    expect(opened.find((f) => f.kind === "sensor-fault")!.text).toContain("gsm900-ul");
  });
});
