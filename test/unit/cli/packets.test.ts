import { describe, expect, it } from "vitest";
import { type BandPacket, PacketReader } from "../../../src/cli/packets.ts";
import { Rng } from "../../support/noise.ts";
import { toySite } from "../../support/toy-block.ts";

const BAND = "lte800-ul";
const T0 = 1_700_000_000_000;
const SENSORS = ["s0-0", "s0-1", "s0-2", "s1-0"] as const;
const FLOOR_DBM = -100;

const message = (sensor: string, kind: string, t: number, payload: object) => ({
  t,
  topic: `cellward/v1/toy/b1/${sensor}/${kind}`,
  payload,
});

/** What periodic sensors report, each at a phase of its own, of a noise of half a decibel and an emitter. */
function reported(reader: PacketReader, seconds: number, emitterDbm: (s: number, sensor: number) => number | null) {
  const rng = new Rng(1);
  const packets: BandPacket[] = [];
  SENSORS.forEach((id) => {
    const bands = [{ id: BAND, lo_hz: 832e6, hi_hz: 862e6 }];
    reader.take(message(id, "birth", T0, { v: 1, boot: 1, ts: T0, type: "rf", period_ms: 1000, bands }));
  });
  for (let s = 0; s < seconds; s++) {
    SENSORS.forEach((id, k) => {
      const ts = T0 + 1000 * s + 130 * k;
      const emitter = emitterDbm(s, k);
      const mw = 10 ** ((FLOOR_DBM + 0.5 * rng.normal()) / 10) + (emitter === null ? 0 : 10 ** (emitter / 10));
      const r = [{ b: BAND, rms_dbm: 10 * Math.log10(mw) }];
      packets.push(...reader.take(message(id, "reading", ts, { v: 1, boot: 1, seq: s, ts, r })));
    });
  }
  return packets;
}

describe("packets of periodic sensors", () => {
  it("an emitter that is on for ten minutes after two of quiet: is no quiet, and each of its readings a packet", () => {
    const reader = new PacketReader(toySite(3));
    const packets = reported(reader, 720, (s) => (s < 120 ? null : -70 + 3 * Math.sin(s)));
    expect(packets.length).toBeGreaterThan(0.99 * 600 * SENSORS.length);
    for (const { floorDbm } of reader.measuring(BAND)) expect(Math.abs(floorDbm - 6 - FLOOR_DBM)).toBeLessThan(1.5);
  });

  it("a floor that rose by 5 dB more than an hour ago: is the floor", () => {
    const reader = new PacketReader(toySite(3));
    // What is summed: a noise of 3.4 dB more makes 5 dB.
    reported(reader, 200 + 33 * 120, (s) => (s < 200 ? null : FLOOR_DBM + 3.35));
    for (const { floorDbm } of reader.measuring(BAND)) expect(Math.abs(floorDbm - 6 - FLOOR_DBM - 5)).toBeLessThan(1);
  });

  it("sensors that report at phases of their own: one emission a period, heard by all of them", () => {
    const packets = reported(new PacketReader(toySite(3)), 90, (s) => (s < 60 ? null : -70));
    const times = new Map<number, number>();
    for (const { tMs } of packets) times.set(tMs, (times.get(tMs) ?? 0) + 1);
    expect([...times.values()]).toEqual(Array.from({ length: 30 }, () => SENSORS.length));
    // Within the interval in which all of them were measured.
    expect([...times.keys()].every((t) => Math.floor((t - 1) / 1000) === (t - 1) / 1000)).toBe(true);
  });
});
