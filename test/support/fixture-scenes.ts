/** States of the house an officer meets, for looking at the console and for its tests. */
import type { ChannelPoint } from "../../src/contracts.ts";
import { FixtureService, fixtureAlert } from "./fixture-service.ts";

export const SCENES = ["quiet", "one", "mixed", "flood", "stale", "broker-away", "starting"] as const;
export type Scene = (typeof SCENES)[number];

/** Five minutes of a channel: quiet noise, then a call for the last forty seconds. Deterministic. */
function history(nowMs: number): ChannelPoint[] {
  const points: ChannelPoint[] = [];
  for (let i = 300; i >= 0; i--) {
    const ripple = Math.sin(i * 1.7) * 1.1 + Math.sin(i * 0.31) * 0.7;
    const call = i < 40 ? 28 + 3 * Math.sin(i * 0.9) : 0;
    points.push({
      tMs: nowMs - i * 1000,
      meanDbm: -100.5 + ripple + call,
      maxDbm: -97 + ripple * 1.5 + (call > 0 ? call + 4 : 0),
      floorDbm: -101.3,
      llr: call > 0 ? 60 : 0,
      readings: 10,
    });
  }
  return points;
}

export function fixtureScene(scene: Scene, nowMs = Date.now()): FixtureService {
  const service = new FixtureService(nowMs);
  service.points = history(nowMs);
  switch (scene) {
    case "one":
      service.put(fixtureAlert("b1-1-05", nowMs - 42_000));
      break;
    case "mixed":
      service.put(fixtureAlert("b1-0-17", nowMs - 754_000, { acked: true, acked_by: "Meyer", version: 3 }));
      service.put(fixtureAlert("b1-1-08", nowMs - 66_000, { severity: "critical" }));
      service.put(fixtureAlert("b1-0-03", nowMs - 23_000, { severity: "medium", activity: "message" }));
      service.put(fixtureAlert("b1-1-21", nowMs - 230_000, { severity: "low", activity: "beacon", active: false }));
      service.put(
        fixtureAlert("b1-0-01", nowMs - 300_000, {
          id: "fault",
          kind: "sensor-fault",
          severity: "medium",
          cell: null,
          candidates: [],
          p_outside: null,
          position: null,
          bands: [],
          activity: null,
          evidence: null,
          text: "Sensor b1-s04 has been silent for 2 minutes; cells 07 to 09 are covered by neighbours only.",
        }),
      );
      service.setSensor("b1-s04", { online: false });
      service.setSensor("b1-s15", { tamper: true });
      break;
    case "flood":
      [2, 5, 7, 10, 13, 16, 19, 22].forEach((n, i) => {
        const cell = `b1-1-${String(n).padStart(2, "0")}`;
        service.put(fixtureAlert(cell, nowMs - 40_000 - i * 31_000, i === 3 ? { severity: "medium" } : {}));
      });
      [4, 11, 18, 23].forEach((n, i) => {
        const cell = `b1-0-${String(n).padStart(2, "0")}`;
        service.put(fixtureAlert(cell, nowMs - 20_000 - i * 47_000, i === 1 ? { severity: "critical" } : {}));
      });
      break;
    case "stale":
      service.put(fixtureAlert("b1-1-05", nowMs - 142_000));
      service.ageMs = 23_400;
      break;
    case "broker-away":
      service.ageMs = 8200;
      service.checks = [
        {
          name: "broker",
          ready: false,
          detail: "mqtt://127.0.0.1:1883 refuses the connection; trying again every 5 s.",
        },
        { name: "store", ready: true, detail: "" },
      ];
      break;
    case "starting":
      service.ageMs = null;
      for (const sensor of service.sensors()) service.setSensor(sensor.sensor, { online: null, lastSeenMs: null });
      break;
    case "quiet":
      break;
  }
  return service;
}
