import { join } from "node:path";
import { expect, it } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { hasSimd } from "../../src/detect/simd.ts";
import { diagnose } from "../../src/doctor.ts";
import { loadSite } from "../../src/site.ts";
import { until } from "../support/servers.ts";
import {
  connectTo,
  demoSimulation,
  HandClock,
  playSimulation,
  startTestService,
  type TestService,
} from "../support/service.ts";
import { servicesOfTests } from "../support/services.ts";

const START = Date.UTC(2026, 2, 2, 8, 0, 0);
const services = servicesOfTests();

it("learning mode of a service: a call raises nothing, every place that is looked at says so, also after a restart; over, it alarms", async () => {
  const simulation = demoSimulation(START);
  const clock = new HandClock(START);
  const dir = services.dir();
  const start = (flags: Record<string, unknown>) => services.start({ dir, siteText: simulation.site, clock, flags });
  const doctor = async (flags: Record<string, unknown>) => {
    const all = { site: join(dir, "site.yaml"), data_dir: join(dir, "data"), ...flags };
    const { config } = loadConfig({ file: null, env: {}, flags: all });
    const { checks } = await diagnose(config, loadSite(config.site), clock);
    return checks.filter((c) => c.name === "learning");
  };
  const phones = (made: TestService) => made.changes.filter((c) => c.after.kind === "phone-active");
  const states = new Map<string, string>();
  const watch = async (made: TestService) => {
    const watcher = await connectTo(made.service.mqttUrl, "watcher");
    services.atEnd(() => watcher.endAsync(true));
    watcher.on("message", (topic, payload) => states.set(topic, payload.toString()));
    await watcher.subscribeAsync([
      "cellward/v1/+/_svc/+/state",
      "cellward/v1/+/_alert/+",
      "cellward/v1/+/_alert_event",
    ]);
  };
  const state = () => JSON.parse([...states].find(([topic]) => topic.endsWith("/state"))?.[1] ?? "{}");
  const learn = { "learning.hours": 1 };
  const block = "b1";

  const first = await start(learn);
  await watch(first);
  const sensors = await connectTo(first.service.mqttUrl, "sensors");
  await playSimulation(simulation, sensors, first.service, clock, 0, 44);
  const counted = async (made: TestService) => (await made.get("/api/v1/learning")).body.items[0];
  await until("the counted alert", async () => (await counted(first)).alerts > 0, 20_000);
  const caller = simulation.truth.find((e) => e.emitter === "caller")!;
  const report = await counted(first);
  expect(report).toMatchObject({ block, learning: true });
  expect(report.last.map((a: { cell: string }) => a.cell)).toContain(caller.cell);
  expect(report.until).toBe(report.first_reading_at + 3_600_000);
  expect(phones(first)).toEqual([]);
  expect(
    (await first.get("/api/v1/alerts")).body.items.filter((a: { kind: string }) => a.kind === "phone-active"),
  ).toEqual([]);
  const { body: metrics } = await first.get("/metrics");
  expect(metrics).toContain(`cellward_learning{block="${block}"} 1`);
  expect(metrics).toContain(`cellward_learning_alerts_total{block="${block}"} ${report.alerts}`);
  const kernel = hasSimd() ? "simd" : "plain";
  expect(metrics).toContain(`cellward_detector_kernel{kernel="${kernel}"} 1`);
  expect(state().kernel).toBe(kernel);
  await until("the state topic", () => state().learning?.[0]?.alerts === report.alerts);
  expect(state().learning).toEqual([{ block, until: report.until, alerts: report.alerts }]);
  expect(
    [...states.keys()].filter((topic) => topic.includes("_alert") && states.get(topic)!.includes("phone-active")),
  ).toEqual([]);
  await until("a sign of life", async () => (await doctor(learn))[0]?.detail.includes("counted so far") ?? false);
  expect((await doctor(learn))[0]).toMatchObject({ state: "warn" });
  await sensors.endAsync(true);
  await services.stop(first);
  expect((await doctor(learn))[0]).toMatchObject({ state: "warn" });
  expect((await doctor({}))[0]).toMatchObject({ state: "ok", detail: "off" });

  const second = await start({ ...learn, "pipeline.kernel": "plain" });
  expect(await counted(second)).toEqual(report);
  expect((await second.get("/metrics")).body).toContain('cellward_detector_kernel{kernel="plain"} 1');
  await services.stop(second);

  const third = await start({ "learning.until": new Date(clock.nowMs() - 1000).toISOString() });
  expect(await counted(third)).toMatchObject({ learning: false, alerts: report.alerts });
  const again = await connectTo(third.service.mqttUrl, "sensors");
  services.atEnd(() => again.endAsync(true));
  await playSimulation(simulation, again, third.service, clock, 44, 52);
  await until("the alert", () => phones(third).some((c) => c.after.cell === caller.cell), 20_000);
  expect((await third.get("/metrics")).body).toContain(`cellward_learning{block="${block}"} 0`);
});

it("learning mode of a block that is not there, or for years: refused at the start", async () => {
  const clock = new HandClock(START);
  const dir = services.dir();
  const siteText = demoSimulation(START).site;
  for (const flags of [
    { "learning.hours": 1, "learning.blocks": "nowhere" },
    { "learning.until": "2028-01-01T00:00:00Z" },
  ]) {
    await expect(startTestService({ dir, siteText, clock, flags })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  }
  const bad = (flags: Record<string, unknown>) => () =>
    loadConfig({ file: null, env: {}, flags: { site: "s", ...flags } });
  expect(bad({ "learning.blocks": "b1" })).toThrow(/1 problem/);
  expect(bad({ "learning.hours": 10_000 })).toThrow(/1 problem/);
  expect(bad({ "learning.until": "tomorrow" })).toThrow(/1 problem/);
});
