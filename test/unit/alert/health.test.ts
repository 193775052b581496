import { describe, expect, it } from "vitest";
import { SensorHealth, type SensorLook } from "../../../src/alert/health.ts";

const T = 1_700_000_000_000;
const sensor = (id: string, lastTsMs: number, more: Partial<SensorLook> = {}): SensorLook => ({
  sensor: id,
  lastTsMs,
  online: true,
  periodMs: 1000,
  tamper: false,
  channels: [{ band: "lte800-ul", status: "ready", floorDbm: -100 }],
  ...more,
});

describe("sensor health", () => {
  it("silence: opens after 15 s, ends when the sensor speaks again", () => {
    const health = new SensorHealth();
    const others = ["s2", "s3", "s4", "s5"].map((id) => sensor(id, T + 100_000));
    expect(health.look(T + 15_000, [sensor("s1", T), ...others]).opened).toEqual([]);
    const { opened } = health.look(T + 15_001, [sensor("s1", T), ...others]);
    expect(opened).toMatchObject([{ key: "silent:s1", kind: "sensor-fault", sensor: "s1" }]);
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
    expect(opened.map((f) => [f.key, f.kind, f.severity, f.sensor])).toEqual([
      ["blind", "service-fault", "critical", undefined],
    ]);
  });

  it("after an outage sensors come back one by one: who does so in 15 s is not named, nor are its zones; who does not is", () => {
    const health = new SensorHealth(undefined, [{ zone: "c1", sensors: ["s1"] }]);
    const ids = ["s1", "s2", "s3", "s4", "s5"];
    const back = (atMs: Record<string, number>, tMs: number) => {
      const looks = ids.map((id) => sensor(id, tMs >= (atMs[id] ?? T + 60_000) ? tMs : T));
      const { opened, ended } = health.look(tMs, looks);
      return [...opened.map((f) => f.key), ...ended.map((f) => `end ${f.key}`)];
    };
    expect(back({}, T + 59_000)).toEqual(["blind"]);
    const late = { s1: T + 70_000, s2: T + 200_000 };
    expect(back(late, T + 60_000)).toEqual(["end blind"]);
    for (let s = 61; s <= 74; s++) expect(back(late, T + 1000 * s)).toEqual([]);
    expect(back(late, T + 75_000)).toEqual(["silent:s2"]);
    expect(back(late, T + 200_000)).toEqual(["end silent:s2"]);
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
    const look = sensor("s1", T, { tamper: true, channels: [{ band: "gsm900-ul", status: "stuck", floorDbm: -100 }] });
    const { opened } = new SensorHealth().look(T, [look]);
    expect(opened.map((f) => f.kind).sort()).toEqual(["sensor-fault", "tamper"]);
    expect(opened.map((f) => f.sensor)).toEqual(["s1", "s1"]);
    expect(opened.find((f) => f.kind === "sensor-fault")!.text).toContain("gsm900-ul");
  });

  /** An hour and more of quiet floors, then `change` of s1 and `air` of all, in dB, for `minutes`; what opened and ended. */
  const floors = (change: number, air: number, minutes: number, back = 0) => {
    const health = new SensorHealth();
    const told: string[] = [];
    const ids = ["s1", "s2", "s3", "s4"];
    const noise = (k: number) => ((k * 7919) % 11) / 10 - 0.5;
    for (let m = 0; m < 90 + minutes + back; m++) {
      const on = m >= 90 && m < 90 + minutes;
      const t = T + 60_000 * m;
      const looks = ids.map((id, i) => {
        const shift = (on ? air : 0) + (on && id === "s1" ? change : 0) + noise(m + i);
        const bands = ["lte800-ul", "gsm900-ul", "lte1800-ul"];
        const channels = bands.map((band, b) => ({ band, status: "ready" as const, floorDbm: -100 + b + shift }));
        return sensor(id, t, { channels });
      });
      const { opened, ended } = health.look(t, looks);
      told.push(...opened.map((f) => `${m - 90} ${f.key}`), ...ended.map((f) => `${m - 90} end ${f.key}`));
    }
    return told;
  };

  it("deaf: its floors fall below their own past and the neighbours' do not: a fault after ten minutes, over when mended", () => {
    expect(floors(-14, 0, 30, 5)).toEqual(["10 deaf:s1", "30 end deaf:s1"]);
    expect(floors(-14, 0, 9, 5)).toEqual([]);
    expect(floors(-6, 0, 60)).toEqual([]);
  });

  it("drowned: its floors rise alone: a fault; all rise together: the air changed, no sensor's fault", () => {
    expect(floors(15, 0, 20)).toEqual(["10 drowned:s1"]);
    expect(floors(0, 15, 60)).toEqual([]);
  });

  it("deaf for a day: stays a fault, its new floor does not become the normal one", () => {
    expect(floors(-14, 0, 24 * 60)).toEqual(["10 deaf:s1"]);
  });

  it("an overdriven receiver: a fault while it lasts", () => {
    const health = new SensorHealth();
    expect(health.look(T - 5000, [sensor("s1", T - 5000, { saturation: 0.2 })]).opened).toEqual([]);
    expect(health.look(T, [sensor("s1", T, { saturation: 0.4 })]).opened.map((f) => f.key)).toEqual(["saturated:s1"]);
    expect(health.look(T + 5000, [sensor("s1", T, { saturation: 0 })]).ended).toHaveLength(1);
  });

  it("a sensor that is set aside: a fault that says why, until it is believed again", () => {
    const health = new SensorHealth();
    const look = (offsetDb: number | null) => health.look(T, [sensor("s1", T, { distrust: { offsetDb } })]);
    const { opened } = look(20);
    expect(opened.map((f) => [f.key, f.kind])).toEqual([["distrusted:s1", "sensor-fault"]]);
    expect(opened[0]!.text).toMatch(/s1 reads some 20 dB too much .* set aside/);
    expect(health.look(T, [sensor("s1", T)]).ended.map((f) => f.key)).toEqual(["distrusted:s1"]);
    expect(look(-16).opened[0]!.text).toContain("16 dB too little");
    health.look(T, [sensor("s1", T)]);
    expect(look(null).opened[0]!.text).toContain("does it hang where the site file says?");
  });

  it("a zone whose three nearest sensors are gone: one alert that names it, beside the sensors' own; two gone: none", () => {
    const cover = [
      { zone: "c1", sensors: ["s1", "s2", "s3"] },
      { zone: "c2", sensors: ["s2", "s3", "s4"] },
    ];
    const ids = ["s1", "s2", "s3", "s4", "s5", "s6", "s7"];
    const health = new SensorHealth(undefined, cover);
    const look = (gone: string[]) =>
      health.look(
        T + 60_000,
        ids.map((id) => sensor(id, gone.includes(id) ? T : T + 60_000)),
      );
    expect(look(["s1", "s2"]).opened.map((f) => f.key)).toEqual(["silent:s1", "silent:s2"]);
    const [silent, zones] = look(["s1", "s2", "s3"]).opened;
    expect(silent!.key).toBe("silent:s3");
    expect(zones).toMatchObject({ kind: "service-fault", severity: "high", text: expect.stringContaining("c1") });
    expect(look(["s1"]).ended.map((f) => f.key)).toContain(zones!.key);
  });

  it("taken up from a snapshot: goes on as if never stopped", () => {
    const whole = new SensorHealth();
    let parts = new SensorHealth();
    for (let m = 0; m < 130; m++) {
      const t = T + 60_000 * m;
      const looks = ["s1", "s2", "s3"].map((id, i) =>
        sensor(id, t, {
          channels: [{ band: "lte800-ul", status: "ready", floorDbm: -100 + i - (m > 100 && id === "s2" ? 12 : 0) }],
        }),
      );
      expect(parts.look(t, looks)).toEqual(whole.look(t, looks));
      const next = new SensorHealth();
      next.restore(structuredClone(parts.snapshot()));
      parts = next;
    }
    expect(whole.snapshot()).toEqual(parts.snapshot());
  });
});
