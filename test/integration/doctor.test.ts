import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { wallClock } from "../../src/clock.ts";
import { loadConfig } from "../../src/config.ts";
import { type Check, diagnose } from "../../src/doctor.ts";
import { loadSite } from "../../src/site.ts";
import { freePort, until } from "../support/servers.ts";
import { connectTo } from "../support/service.ts";
import { servicesOfTests } from "../support/services.ts";
import { SMALL_SITE_YAML } from "../support/site.ts";

const services = servicesOfTests();

async function service() {
  const dir = services.dir();
  const made = await services.start({ dir, siteText: SMALL_SITE_YAML });
  const look = async (flags: Record<string, unknown> = {}) => {
    const all = { site: join(dir, "site.yaml"), data_dir: join(dir, "data"), ...flags };
    const { config } = loadConfig({ file: null, env: {}, flags: all });
    const { checks, ledger } = await diagnose(config, loadSite(config.site), wallClock);
    const states = Object.fromEntries(checks.map((c: Check) => [c.name, c.state]));
    return { checks, ledger, states };
  };
  return { made, dir, look };
}

it("doctor: a running service: everything looked at, the ledger printed; stopped: says so, and still reads its log", async () => {
  const { made, look } = await service();
  const sensor = await connectTo(made.service.mqttUrl, "sensor");
  for (let seq = 0; seq < 5; seq++) {
    const reading = { v: 1, boot: 1, seq, ts: Date.now(), r: [{ b: "lte800-ul", rms_dbm: -90 }] };
    await sensor.publishAsync("cellward/v1/demo/b1/s1/reading", JSON.stringify(reading), { qos: 1 });
  }
  await until("the readings", () => made.service.intake.ledger.accepted === 5);
  await until("a sign of life", async () => (await look()).states.heartbeat === "ok");
  const { states, ledger, checks } = await look();
  const bad = checks.filter((c) => c.state === "fail");
  expect(bad).toEqual([]);
  expect(Object.keys(states)).toEqual(
    expect.arrayContaining(["service", "disk", "log", "broker", "database", "ledger"]),
  );
  expect(ledger).toMatchObject({ readings_received_total: 5, ledger_remainder: 0 });
  await sensor.endAsync(true);
  await services.stop(made);
  const after = await look();
  expect(after.states).toMatchObject({ service: "ok", log: "ok", snapshot: "ok", clock: "ok" });
  expect(after.checks.find((c) => c.name === "service")!.detail).toContain("does not run");
  expect(after.ledger).toBeNull();
});

it("doctor: one byte of the log changed, a broker that is not there: both named, nothing repaired", async () => {
  const { made, dir, look } = await service();
  const sensor = await connectTo(made.service.mqttUrl, "sensor");
  for (let seq = 0; seq < 20; seq++) {
    const reading = { v: 1, boot: 1, seq, ts: Date.now(), r: [{ b: "lte800-ul", rms_dbm: -90 }] };
    await sensor.publishAsync("cellward/v1/demo/b1/s1/reading", JSON.stringify(reading), { qos: 1 });
  }
  await sensor.endAsync(true);
  await services.stop(made);
  const journal = join(dir, "data", "journal");
  const file = join(journal, readdirSync(journal).find((name) => name.endsWith(".log"))!);
  const bytes = readFileSync(file);
  bytes[700]! ^= 1;
  writeFileSync(file, bytes);
  const port = await freePort();
  const { checks } = await look({ "mqtt.url": `mqtt://127.0.0.1:${port}` });
  const log = checks.find((c) => c.name === "log")!;
  expect(log.state).toBe("fail");
  const [, from, to] = /damaged at (\d+) to (\d+)/.exec(log.detail)!;
  expect(Number(from)).toBeLessThanOrEqual(700);
  expect(Number(to)).toBeGreaterThan(700);
  expect(checks.find((c) => c.name === "broker")).toMatchObject({ state: "fail", dependency: true });
  expect(readFileSync(file)).toEqual(bytes);
  expect(readdirSync(journal).some((name) => name.startsWith("damaged"))).toBe(false);
});
