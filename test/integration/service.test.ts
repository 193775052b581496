import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { startBroker } from "../../src/ingest/broker.ts";
import { remainder } from "../../src/intake.ts";
import { createLogger } from "../../src/log.ts";
import { createLocalStore } from "../../src/store/local.ts";
import { freePort, until } from "../support/servers.ts";
import { connectTo, demoSimulation, HandClock, playSimulation, type TestService } from "../support/service.ts";
import { servicesOfTests } from "../support/services.ts";
import { TOY_BAND, toySite, toySiteText } from "../support/toy-block.ts";

const services = servicesOfTests();
const { start } = services;

const START = Date.UTC(2026, 2, 2, 8, 0, 0);

const [SENSOR] = toySite(2).sensors;
const send = (made: TestService, clock: HandClock, kind: string, message: object) => {
  const topic = `cellward/v1/toy/b1/${SENSOR!.id}/${kind}`;
  made.service.intake.take(topic, Buffer.from(JSON.stringify(message)), false, clock.nowMs());
};
const sendReading = (made: TestService, clock: HandClock, seq: number) =>
  send(made, clock, "reading", { v: 1, boot: 1, seq, ts: START + 100 * seq, r: [{ b: TOY_BAND, rms_dbm: -100 }] });

/** A sensor's birth and its readings, ten a second from the start, while the clock goes on with them. */
function playReadings(made: TestService, clock: HandClock, count: number, sent: (seq: number) => boolean): void {
  const band = { id: TOY_BAND, lo_hz: 832e6, hi_hz: 862e6 };
  send(made, clock, "birth", { v: 1, boot: 1, ts: START, type: "rf", period_ms: 100, bands: [band] });
  for (let seq = 0; seq < count; seq++) {
    clock.moveTo(START + 100 * seq);
    if (sent(seq)) sendReading(made, clock, seq);
  }
}

describe("service", () => {
  it("a simulated phone: an alert on its cell over HTTP and MQTT, closed with its outcome, nothing unaccounted for", async () => {
    const simulation = demoSimulation(START);
    const clock = new HandClock(START);
    const made = await start({ siteText: simulation.site, clock });
    const watcher = await connectTo(made.service.mqttUrl, "watcher");
    services.atEnd(() => watcher.endAsync(true));
    const retained = new Map<string, string>();
    watcher.on("message", (topic, payload) => retained.set(topic, payload.toString()));
    await watcher.subscribeAsync([`cellward/v1/${simulation.siteId}/_alert/+`], { qos: 1 });
    const sensors = await connectTo(made.service.mqttUrl, "sensors");
    services.atEnd(() => sensors.endAsync(true));
    const sent = await playSimulation(simulation, sensors, made.service, clock, 0, 44);

    const caller = simulation.truth.find((e) => e.emitter === "caller")!;
    await until("the alert", () => made.changes.some((c) => c.after.cell === caller.cell), 20_000);
    const { body } = await made.get("/api/v1/alerts");
    const alert = body.items.find((a: { cell: string }) => a.cell === caller.cell);
    expect(alert).toMatchObject({ kind: "phone-active", active: true, acked: false, site: simulation.siteId });
    await until("the retained alert", () => retained.has(`cellward/v1/${simulation.siteId}/_alert/${alert.id}`), 5000);

    const closed = await made.post(`/api/v1/alerts/${alert.id}/close`, {
      version: (await made.get(`/api/v1/alerts/${alert.id}`)).body.version,
      by: "officer",
      outcome: "found",
    });
    expect(closed.status).toBe(200);
    await until("its emptying", () => retained.get(`cellward/v1/${simulation.siteId}/_alert/${alert.id}`) === "", 5000);
    const { items } = (await made.get("/api/v1/alerts?state=closed")).body;
    expect(items).toMatchObject([{ id: alert.id, outcome: "found" }]);
    const { version } = items[0];
    const again = { version, by: "officer 2", outcome: "not-found" };
    expect(await made.post(`/api/v1/alerts/${alert.id}/close`, again)).toMatchObject({
      status: 409,
      body: { code: "alert-closed", alert: { outcome: "found" } },
    });

    const { ledger } = made.service.intake;
    expect(ledger.messages).toBe(sent);
    expect(ledger.rejectedMessages).toBe(0);
    expect(remainder(ledger)).toBe(0);
    expect(ledger.accepted).toBe(ledger.readings);
  });

  it("stopped in the middle of a call and started again: the alert is still open, under the same id, and not told twice", async () => {
    const simulation = demoSimulation(START);
    const clock = new HandClock(START);
    const dir = services.dir();
    const first = await start({ siteText: simulation.site, clock, dir });
    const sensors = await connectTo(first.service.mqttUrl, "sensors");
    await playSimulation(simulation, sensors, first.service, clock, 0, 44);
    await until(
      "the alert",
      () => first.changes.some((c) => c.type === "new" && c.after.kind === "phone-active"),
      20_000,
    );
    await sensors.endAsync(true);
    await first.stop();
    // A loaded machine's loop fault may end between the two runs.
    const opened = first.changes.filter((c) => c.type === "new" && c.after.kind === "phone-active");
    const before = opened.map((c) => c.after.id);
    expect(before.length).toBeGreaterThan(0);

    const second = await start({ siteText: simulation.site, clock, dir });
    const { body } = await second.get("/api/v1/alerts");
    expect(body.items.map((a: { id: string }) => a.id)).toEqual(expect.arrayContaining(before));
    expect(second.changes.filter((c) => c.type === "new" && c.after.kind === "phone-active")).toEqual([]);
  });

  it("an alert that reaches the disk only while the service stops: the stop ends, and the next run tells it", async () => {
    const clock = new HandClock(START);
    const dir = services.dir();
    const site = { siteText: toySiteText(2), clock, dir };
    // So long a wait for company that the link is gone before the alert is in the log.
    const first = await start({ ...site, flags: { "journal.group_ms": 1000 } });
    await until("the connection", async () => (await first.get("/readyz")).status === 200);
    playReadings(first, clock, 10, () => true);
    await until("a fault: the sensor is silent", () => {
      clock.moveTo(clock.nowMs() + 1000);
      return first.changes.some((c) => c.type === "new");
    });
    await first.stop();
    const { id } = first.changes.find((c) => c.type === "new")!.after;

    const broker = await startBroker({ port: 0 });
    services.atEnd(() => broker.close());
    const watcher = await connectTo(broker.url, "watcher");
    services.atEnd(() => watcher.endAsync(true));
    const told: string[] = [];
    watcher.on("message", (_topic, payload) => told.push(payload.toString()));
    await watcher.subscribeAsync("cellward/v1/+/_alert_event", { qos: 1 });
    await start({ ...site, flags: { "mqtt.url": broker.url, "mqtt.protocol_version": 4 } });
    await until("the event", () => told.some((text) => text.includes(id)));
  });

  it("readings that came too late for any window just before the stop: in the store", async () => {
    const clock = new HandClock(START);
    const made = await start({ siteText: toySiteText(2), clock });
    await until("the connection", async () => (await made.get("/readyz")).status === 200);
    playReadings(made, clock, 100, (seq) => seq < 20 || seq >= 30);
    const stored = async () =>
      /^cellward_store_readings_stored_total (\d+)/m.exec((await made.get("/metrics")).body)?.[1];
    await until("the seconds before", async () => {
      clock.moveTo(clock.nowMs() + 1000);
      return (await stored()) === "90";
    });
    for (let seq = 20; seq < 30; seq++) sendReading(made, clock, seq);
    await made.stop();
    expect(remainder(made.service.intake.ledger)).toBe(0);

    const store = createLocalStore({
      dir: join(made.dir, "data", "store"),
      retentionDays: 0,
      log: createLogger("silent"),
    });
    await store.start();
    const late = await store.queryLate(0, Number.MAX_SAFE_INTEGER);
    await store.stop(0);
    expect(late.map((batch) => batch.seq)).toEqual([20, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
  });

  it("no broker at the start: up, says so in /readyz, and takes up when it comes", async () => {
    const port = await freePort();
    const simulation = demoSimulation(START);
    const made = await start({
      siteText: simulation.site,
      flags: { "mqtt.url": `mqtt://127.0.0.1:${port}`, "mqtt.protocol_version": 4, "mqtt.reconnect_ms": 100 },
    });
    expect((await made.get("/livez")).status).toBe(200);
    const away = await made.get("/readyz");
    expect(away.status).toBe(503);
    expect(JSON.stringify(away.body)).toContain("broker");
    const broker = await startBroker({ port });
    services.atEnd(() => broker.close());
    await until("readiness", async () => (await made.get("/readyz")).status === 200, 15_000);
  });

  it("no database at the start: up, says so in /readyz, and is ready when it comes", async () => {
    const port = await freePort();
    const simulation = demoSimulation(START);
    const made = await start({
      siteText: simulation.site,
      flags: { "store.kind": "influx", "store.influx.version": 1, "store.influx.url": `http://127.0.0.1:${port}` },
    });
    const away = await made.get("/readyz");
    expect(away.status).toBe(503);
    expect(JSON.stringify(away.body)).toContain("store");
  });

  it("a taken port for the console: refused in so many words", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    services.atEnd(async () => taken.close());
    const { port } = taken.address() as { port: number };
    const dir = services.dir();
    await expect(
      start({ dir, siteText: demoSimulation(START).site, flags: { "http.port": port } }),
    ).rejects.toMatchObject({ code: "PORT_TAKEN" });
  });
});
