import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt, { type MqttClient } from "mqtt";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { setUp } from "../../deploy/setup.js";
import { type RunningServer, startMosquitto } from "../support/servers.ts";

const deploy = join(import.meta.dirname, "..", "..", "deploy");
let secrets = "";
let broker: RunningServer;
const clients: MqttClient[] = [];

beforeAll(async () => {
  secrets = setUp(mkdtempSync(join(tmpdir(), "cellward-secrets-")), ["b1-s01", "b1-s02"]);
  // The broker runs as a user of its own.
  chmodSync(secrets, 0o755);
  // The committed file, but for what the test's own broker sets: its port, its folders, where it logs.
  const config = readFileSync(join(deploy, "mosquitto", "mosquitto.conf"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !/^(#|listener|acl_file|persistence|autosave|log_|max_|password_file)/.test(line));
  broker = await startMosquitto({
    acl: readFileSync(join(deploy, "mosquitto", "acl"), "utf8"),
    config: [...config, `password_file ${join(secrets, "mosquitto_passwords")}`],
  });
});
afterAll(async () => {
  for (const client of clients) await client.endAsync(true);
  await broker?.stop();
  rmSync(secrets, { recursive: true, force: true });
});

async function connect(username: string, password: string): Promise<MqttClient> {
  const options = { username, password, protocolVersion: 5, reconnectPeriod: 0, connectTimeout: 5000 } as const;
  const client = await mqtt.connectAsync(broker.url, options);
  clients.push(client);
  return client;
}
const secret = (name: string) => readFileSync(join(secrets, name), "utf8");
const sensor = () => connect("b1-s01", secret("sensors/b1-s01"));

describe("the stack's broker, with its committed configuration and access list", () => {
  it("logs in: those whose password setup made; a wrong one and nobody are refused", async () => {
    await sensor();
    await connect("cellward", secret("mqtt_password"));
    await expect(connect("b1-s01", "wrong")).rejects.toThrow(/not authori[sz]ed/i);
    await expect(mqtt.connectAsync(broker.url, { protocolVersion: 5, reconnectPeriod: 0 })).rejects.toThrow(
      /not authori[sz]ed/i,
    );
  });

  it("sensor: its readings reach the service; it can't speak for another sensor or raise an alert", async () => {
    const service = await connect("cellward", secret("mqtt_password"));
    const heard: string[] = [];
    service.on("message", (topic) => heard.push(topic));
    await service.subscribeAsync("cellward/#", { qos: 1 });
    const client = await sensor();
    for (const kind of ["birth", "state", "reading", "readings", "scan", "health"]) {
      await client.publishAsync(`cellward/v1/demo/b1/b1-s01/${kind}`, "{}", { qos: 1 });
    }
    await vi.waitFor(() => expect(heard).toHaveLength(6));
    const foreign = [
      "cellward/v1/demo/b1/b1-s02/reading",
      "cellward/v1/demo/_alert/a1",
      "cellward/v1/demo/b1/b1-s01/ack",
    ];
    for (const topic of foreign) {
      // A connection each: the client does not go on publishing after a refusal.
      const liar = await sensor();
      await expect(liar.publishAsync(topic, "{}", { qos: 1 }), topic).rejects.toThrow(/not authori[sz]ed/i);
    }
    expect(heard).toHaveLength(6);
  });

  it("sensor: hears its own acknowledgements and nothing else", async () => {
    const service = await connect("cellward", secret("mqtt_password"));
    const client = await sensor();
    const heard: string[] = [];
    client.on("message", (topic) => heard.push(topic));
    await client.subscribeAsync("cellward/#", { qos: 1 }).catch(() => {});
    await client.subscribeAsync("cellward/v1/demo/b1/b1-s01/ack", { qos: 1 });
    await service.publishAsync("cellward/v1/demo/_alert_event", "{}", { qos: 1 });
    await service.publishAsync("cellward/v1/demo/b1/b1-s02/ack", "{}", { qos: 1 });
    await service.publishAsync("cellward/v1/demo/b1/b1-s01/ack", "{}", { qos: 1 });
    await vi.waitFor(() => expect(heard).toContain("cellward/v1/demo/b1/b1-s01/ack"));
    expect(new Set(heard)).toEqual(new Set(["cellward/v1/demo/b1/b1-s01/ack"]));
  });

  it("service: may not pretend to be a sensor", async () => {
    const service = await connect("cellward", secret("mqtt_password"));
    const lie = service.publishAsync("cellward/v1/demo/b1/b1-s01/reading", "{}", { qos: 1 });
    await expect(lie).rejects.toThrow(/not authori[sz]ed/i);
  });
});
