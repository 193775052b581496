import { existsSync } from "node:fs";
import mqtt from "mqtt";
import { afterAll, expect, test } from "vitest";
import { chromiumPath, type RunningServer, startInflux, startMosquitto } from "../support/servers.ts";

const started: RunningServer[] = [];
async function keep<T extends RunningServer>(server: Promise<T>): Promise<T> {
  const running = await server;
  started.push(running);
  return running;
}
afterAll(async () => {
  for (const server of started) await server.stop();
});

test("servers: mosquitto: a retained message survives a kill when persistence is asked for", async () => {
  const server = await keep(startMosquitto({ persistence: true }));
  const writer = await mqtt.connectAsync(server.url, { protocolVersion: 5 });
  await writer.publishAsync("a/b", "kept", { qos: 1, retain: true });
  await writer.endAsync();
  await server.kill();
  expect(server.pid()).toBeNull();
  await server.restart();
  const reader = await mqtt.connectAsync(server.url);
  const got = new Promise<string>((resolve) => reader.once("message", (_t, payload) => resolve(payload.toString())));
  await reader.subscribeAsync("a/#", { qos: 1 });
  expect(await got).toBe("kept");
  await reader.endAsync();
  await server.stop();
  expect(existsSync(server.dir)).toBe(false);
});

test("servers: mosquitto: with users, a stranger is refused and a known one is let in", async () => {
  const server = await keep(startMosquitto({ users: { sensor: "secret" }, acl: "user sensor\ntopic write a/#\n" }));
  await expect(mqtt.connectAsync(server.url, { reconnectPeriod: 0 })).rejects.toThrow(/[Nn]ot authori[sz]ed/);
  const client = await mqtt.connectAsync(server.url, { username: "sensor", password: "secret" });
  await client.endAsync();
});

test("servers: influx: a written point is read back, and again after a kill", async () => {
  const server = await keep(startInflux({ databases: ["d"] }));
  const written = await fetch(`${server.url}/write?db=d&precision=ms`, { method: "POST", body: "m,s=a v=1.5 1000" });
  expect(written.status).toBe(204);
  const read = async () => (await server.query("SELECT v FROM m", "d"))[0]?.values;
  expect(await read()).toEqual([[1000, 1.5]]);
  await server.kill();
  await server.restart();
  expect(await read()).toEqual([[1000, 1.5]]);
  await expect(server.query("SELECT nonsense FROM", "d")).rejects.toThrow(/refuses/);
});

test("servers: two at once: each has a port and a folder of its own", async () => {
  const [a, b] = await Promise.all([keep(startMosquitto()), keep(startMosquitto())]);
  expect(a.port).not.toBe(b.port);
  expect(a.dir).not.toBe(b.dir);
});

test("servers: chromium: there is one to run", () => {
  expect(existsSync(chromiumPath())).toBe(true);
});
