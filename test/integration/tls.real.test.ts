/** The link over TLS to a real mosquitto that asks for a client's certificate; certificates made by openssl for the test. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { wallClock } from "../../src/clock.ts";
import { createLink, type Link } from "../../src/ingest/mqtt.ts";
import { freePort, programPath, type RunningServer, startMosquitto } from "../support/servers.ts";

const dir = mkdtempSync(join(tmpdir(), "cellward-tls-"));
const at = (name: string) => join(dir, name);
let mosquitto: RunningServer;
let url = "";
const links: Link[] = [];

function openssl(...args: string[]): void {
  execFileSync(programPath("openssl", "openssl"), args, { cwd: dir, stdio: "pipe" });
}

/** A key and a certificate of `name`, signed by `authority`, or by itself when there is none. */
function certificate(name: string, authority: string | null): void {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", `${name}.key`];
  const names = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"];
  const by = authority === null ? [] : ["-CA", `${authority}.crt`, "-CAkey", `${authority}.key`];
  openssl("req", "-x509", ...key, ...names, ...by, "-out", `${name}.crt`);
  chmodSync(at(`${name}.key`), 0o644);
}

beforeAll(async () => {
  chmodSync(dir, 0o755);
  for (const authority of ["house", "stranger"]) certificate(authority, null);
  certificate("broker", "house");
  certificate("service", "house");
  certificate("intruder", "stranger");
  const port = await freePort();
  mosquitto = await startMosquitto({
    config: [
      `listener ${port} 127.0.0.1`,
      `cafile ${at("house.crt")}`,
      `certfile ${at("broker.crt")}`,
      `keyfile ${at("broker.key")}`,
      "require_certificate true",
    ],
  });
  url = `mqtts://127.0.0.1:${port}`;
}, 60_000);

afterAll(async () => {
  for (const link of links) await link.stop(100);
  await mosquitto?.stop();
  rmSync(dir, { recursive: true, force: true });
});

function connect(ca: string | null, client: string | null, verify = true): { link: Link; seen: string[] } {
  const seen: string[] = [];
  const link = createLink({
    url,
    clientId: `tls-${links.length}`,
    protocolVersion: 5,
    reconnectMs: 200,
    tls: {
      ca: ca && at(`${ca}.crt`),
      cert: client && at(`${client}.crt`),
      key: client && at(`${client}.key`),
      verify,
    },
    subscriptions: ["cellward/v1/#"],
    onMessage: ({ payload }) => void seen.push(Buffer.from(payload).toString()),
    log: pino({ level: "silent" }),
    clock: wallClock,
  });
  links.push(link);
  link.start();
  return { link, seen };
}

describe("TLS", () => {
  it("both certificates of the house: messages come and go", async () => {
    const { link: one, seen } = connect("house", "service");
    const { link: other } = connect("house", "service");
    await expect.poll(() => one.status().subscribed, { timeout: 10_000 }).toBe(true);
    await other.publishConfirmed("cellward/v1/t", "hello");
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual(["hello"]);
  });

  it.each([
    ["a broker of another authority", "stranger", "service", /certificate|self.signed|issuer/i],
    ["no client certificate", "house", null, /certificate|alert|closed|not answer|reset/i],
    ["a client certificate of another authority", "house", "intruder", /certificate|alert|closed|not answer|reset|ca/i],
  ])("%s: no connection, and the reason is told", async (_what, ca, client, why) => {
    const { link } = connect(ca, client);
    await expect.poll(() => link.status().error, { timeout: 10_000 }).toMatch(why);
    expect(link.status().connected).toBe(false);
  });

  it("verification off: a broker of another authority is taken", async () => {
    const { link } = connect("stranger", "service", false);
    await expect.poll(() => link.status().subscribed, { timeout: 10_000 }).toBe(true);
  });
});
