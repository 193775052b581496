import { createServer } from "node:net";
import mqtt from "mqtt";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { wallClock } from "../../src/clock.ts";
import { startBroker } from "../../src/ingest/broker.ts";
import { createLink, type Incoming, type Link, type LinkOptions } from "../../src/ingest/mqtt.ts";
import { startRawBroker } from "../support/raw-broker.ts";

const log = pino({ level: "silent" });
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function until(what: () => boolean, ms = 8_000): Promise<void> {
  const end = Date.now() + ms;
  while (!what()) {
    if (Date.now() > end) throw new Error(`still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function link(url: string, over: Partial<LinkOptions> = {}): { link: Link; got: Incoming[] } {
  const got: Incoming[] = [];
  const made = createLink({
    url,
    clientId: "cellward-test",
    protocolVersion: 4,
    reconnectMs: 50,
    subscriptions: ["cellward/v1/#"],
    onMessage: (message) => {
      got.push(message);
    },
    log,
    clock: wallClock,
    ...over,
  });
  cleanups.push(() => made.stop(100));
  made.start();
  return { link: made, got };
}

async function broker(port = 0) {
  const made = await startBroker({ port });
  cleanups.push(() => made.close());
  return made;
}

async function rawBroker(...given: Parameters<typeof startRawBroker>) {
  const made = await startRawBroker(...given);
  cleanups.push(() => made.close());
  return made;
}

async function publisher(url: string) {
  const client = await mqtt.connectAsync(url);
  cleanups.push(() => client.endAsync(true));
  return client;
}

/** A handler whose messages are finished by hand. */
function byHand() {
  const waiting: { topic: string; done: () => void; fail: (error: Error) => void }[] = [];
  const onMessage = ({ topic }: Incoming) =>
    new Promise<void>((done, fail) => {
      waiting.push({ topic, done, fail });
    });
  return { waiting, onMessage };
}

describe("link and embedded broker, over TCP", () => {
  it("messages: arrive with topic, bytes and flags; retained ones are marked", async () => {
    const { url } = await broker();
    const sender = await publisher(url);
    await sender.publishAsync("cellward/v1/a", Buffer.from([0, 255]), { qos: 1, retain: true });
    const { got, link: made } = link(url);
    await until(() => got.length === 1);
    await sender.publishAsync("cellward/v1/b", "x", { qos: 1 });
    await sender.publishAsync("elsewhere", "x", { qos: 1 });
    await until(() => got.length === 2 && made.status().acknowledged === 2);
    expect(got[0]).toMatchObject({ topic: "cellward/v1/a", retained: true, dup: false, qos: 1 });
    expect([...got[0]!.payload]).toEqual([0, 255]);
    expect(got[1]).toMatchObject({ topic: "cellward/v1/b", retained: false });
    expect(made.status()).toMatchObject({ connected: true, subscribed: true, error: null, received: 2, pending: 0 });
  });

  it("a service that was away: finds what was sent meanwhile, because its session is kept", async () => {
    const { url } = await broker();
    const first = link(url);
    await until(() => first.link.status().subscribed);
    await first.link.stop(1000);
    const sender = await publisher(url);
    for (let k = 0; k < 200; k++) await sender.publishAsync(`cellward/v1/${k}`, "x", { qos: 1 });
    const second = link(url);
    await until(() => second.got.length === 200);
    expect(new Set(second.got.map((m) => m.topic)).size).toBe(200);
  });

  it("no broker: the link starts, says why it is not connected, and takes up when one comes", async () => {
    const probe = await startBroker({ port: 0 });
    await probe.close();
    const { link: made, got } = link(probe.url);
    await until(() => made.status().error !== null);
    expect(made.status()).toMatchObject({ connected: false, subscribed: false });
    made.publish("cellward/v1/early", "kept until then");
    await broker(probe.port);
    await until(() => made.status().subscribed);
    await until(() => got.some((m) => m.topic === "cellward/v1/early") || made.status().published === 1);
    expect(made.status().error).toBeNull();
  });

  it("a broker that goes and comes: the link is back by itself", async () => {
    const first = await startBroker({ port: 0 });
    const { link: made, got } = link(first.url);
    await until(() => made.status().subscribed);
    await first.close();
    await until(() => !made.status().connected);
    await broker(first.port);
    await until(() => made.status().subscribed);
    await (await publisher(first.url)).publishAsync("cellward/v1/again", "x", { qos: 1 });
    await until(() => got.length === 1);
    expect(made.status().connects).toBe(2);
  });

  it("publishing: QoS 1 is confirmed by the broker, retained state is there for those who come later", async () => {
    const { url } = await broker();
    const { link: made } = link(url);
    await made.publishConfirmed("cellward/v1/demo/_alert/a1", "{}", { retain: true });
    const late = await publisher(url);
    const seen: string[] = [];
    late.on("message", (topic, payload) => seen.push(`${topic} ${payload}`));
    await late.subscribeAsync("cellward/v1/demo/_alert/+");
    await until(() => seen.length === 1);
    expect(seen).toEqual(["cellward/v1/demo/_alert/a1 {}"]);
  });

  it("a queue without a broker: is bounded, the oldest goes, who waits is told", async () => {
    const { link: made } = link("mqtt://127.0.0.1:1", { publishQueue: 3 });
    const first = made.publishConfirmed("t", "0");
    for (let k = 1; k <= 4; k++) made.publish("t", String(k));
    expect(made.status()).toMatchObject({ publishQueued: 3, publishDropped: 2 });
    const confirmed = [
      made.publishConfirmed("t", "5"),
      made.publishConfirmed("t", "6"),
      made.publishConfirmed("t", "7"),
    ];
    await expect(first).rejects.toThrow("dropped");
    const settled = Promise.allSettled(confirmed);
    await made.stop(10);
    expect((await settled).every((s) => s.status === "rejected")).toBe(true);
  });

  it("publishing to a link that was stopped: who waits is told, before and after", async () => {
    const { link: made } = link("mqtt://127.0.0.1:1");
    const before = made.publishConfirmed("cellward/v1/a", "1").then(
      () => "sent",
      (error: Error) => error.message,
    );
    await made.stop(100);
    await expect(made.publishConfirmed("cellward/v1/b", "2")).rejects.toThrow("the link was stopped");
    expect(await before).toContain("the link was stopped");
    expect(made.status().publishQueued).toBe(0);
  });

  it("a stop while the broker confirms nothing: ends by the machine's time, whatever clock the service has", async () => {
    const raw = await rawBroker();
    const still = { nowMs: () => 0, monotonicMs: () => 0 };
    const { link: made } = link(raw.url, { clock: still });
    await until(() => made.status().connected);
    const waiting = made.publishConfirmed("cellward/v1/a", "1").catch((error: Error) => error.message);
    await until(() => made.status().publishQueued > 0);
    await made.stop(50);
    expect(await waiting).toMatch(/stopped|closed/i);
  });

  it("a will: is sent by the broker when the service is lost, not when it stops", async () => {
    const raw = await broker();
    const watcher = await publisher(raw.url);
    const wills: string[] = [];
    watcher.on("message", (_topic, payload) => wills.push(String(payload)));
    await watcher.subscribeAsync("cellward/v1/demo/_svc/+/state");
    const will = { topic: "cellward/v1/demo/_svc/main/state", payload: "lost" };
    const calm = link(raw.url, { will });
    await until(() => calm.link.status().connected);
    await calm.link.stop(1000);
    await pause(100);
    expect(wills).toEqual([]);
    const failing = link(raw.url, { will, onMessage: () => Promise.reject(new Error("disk")), clientId: "other" });
    await until(() => failing.link.status().subscribed);
    await watcher.publishAsync("cellward/v1/x", "x", { qos: 1 });
    await until(() => wills.length > 0);
    expect(wills[0]).toBe("lost");
  });

  it("a taken port: an error that says what else could be set; with `fallback` a free one instead, and said", async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", () => resolve()));
    cleanups.push(() => holder.close());
    const taken = (holder.address() as { port: number }).port;
    await expect(startBroker({ port: taken })).rejects.toMatchObject({
      code: "PORT_TAKEN",
      message: expect.stringContaining("the port is in use; mqtt.url names a broker"),
    });
    const made = await startBroker({ port: taken, fallback: true });
    cleanups.push(() => made.close());
    expect(made.insteadOf).toBe(taken);
    expect(made.port).not.toBe(taken);
    expect(made.host).toBe("127.0.0.1");
    const { link: client } = link(made.url);
    await until(() => client.status().subscribed);
    expect(made.clients()).toBe(1);
  });

  it("an address that is not ours: is an operating error", async () => {
    await expect(startBroker({ host: "192.0.2.1", port: 0 })).rejects.toMatchObject({
      code: "PORT_TAKEN",
      exitCode: 4,
    });
  });
});

it("what was in flight when the connection went: goes out again at once and in order, not one message a round trip", async () => {
  const raw = await rawBroker();
  const { link: made } = link(raw.url);
  await until(() => made.status().subscribed);
  const topics = Array.from({ length: 20 }, (_, k) => `cellward/v1/out/${k}`);
  const confirmed: string[] = [];
  for (const topic of topics) void made.publishConfirmed(topic, "x").then(() => confirmed.push(topic));
  const published = (n: number) => raw.connections[n]!.packets.filter((p) => p.type === 3);
  const topicOf = (body: Buffer) => body.toString("utf8", 2, 2 + body.readUInt16BE(0));
  await until(() => published(0).length === 20);
  raw.connections[0]!.socket.destroy();
  await until(() => raw.connections.length === 2 && made.status().subscribed);
  // Nothing was confirmed yet: all of it is on its way all the same.
  await until(() => published(1).length === 20);
  expect(published(1).map((p) => topicOf(p.body))).toEqual(topics);
  expect(confirmed).toEqual([]);
  for (const { body } of published(1)) {
    const at = 2 + body.readUInt16BE(0);
    raw.connections[1]!.socket.write(Buffer.from([0x40, 2, body[at]!, body[at + 1]!]));
  }
  await until(() => confirmed.length === 20);
  expect(confirmed).toEqual(topics);
  expect(made.status()).toMatchObject({ published: 20, publishQueued: 0, publishDropped: 0 });
});

describe("acknowledgements, byte by byte", () => {
  it("come in the order of arrival, however the handlers finish, and only after them", async () => {
    const raw = await rawBroker();
    const { waiting, onMessage } = byHand();
    const { link: made } = link(raw.url, { onMessage });
    await until(() => made.status().subscribed);
    const [connection] = raw.connections;
    for (const id of [7, 3, 9, 1]) connection!.publish(id, "cellward/v1/t", "x");
    await until(() => waiting.length === 4);
    waiting[1]!.done();
    waiting[3]!.done();
    await pause(60);
    expect(connection!.acks()).toEqual([]);
    waiting[0]!.done();
    await until(() => connection!.acks().length === 2);
    expect(connection!.acks()).toEqual([7, 3]);
    waiting[2]!.done();
    await until(() => connection!.acks().length === 4);
    expect(connection!.acks()).toEqual([7, 3, 9, 1]);
    expect(made.status()).toMatchObject({ pending: 0, acknowledged: 4, staleAcks: 0 });
  });

  it("of a connection that is gone: are not sent on the next one", async () => {
    const raw = await rawBroker();
    const { waiting, onMessage } = byHand();
    const { link: made } = link(raw.url, { onMessage });
    await until(() => made.status().subscribed);
    raw.connections[0]!.publish(1, "cellward/v1/old", "x");
    await until(() => waiting.length === 1);
    raw.connections[0]!.socket.destroy();
    await until(() => raw.connections.length === 2 && made.status().subscribed);
    raw.connections[1]!.publish(1, "cellward/v1/new", "x");
    await until(() => waiting.length === 2);
    waiting[0]!.done();
    await pause(60);
    expect(raw.connections[1]!.acks()).toEqual([]);
    waiting[1]!.done();
    await until(() => raw.connections[1]!.acks().length === 1);
    expect(made.status()).toMatchObject({ acknowledged: 1, staleAcks: 1 });
  });

  it("a handler that fails: nothing is acknowledged, the connection is closed, the message comes again", async () => {
    const raw = await rawBroker();
    let healthy = false;
    const seen: Incoming[] = [];
    const { link: made } = link(raw.url, {
      onMessage: (message) => {
        seen.push(message);
        if (!healthy) throw new Error("the disk is full");
      },
    });
    await until(() => made.status().subscribed);
    raw.connections[0]!.publish(5, "cellward/v1/t", "x");
    await until(() => raw.connections.length === 2);
    expect(raw.connections[0]!.acks()).toEqual([]);
    healthy = true;
    await until(() => made.status().subscribed);
    raw.connections[1]!.publish(5, "cellward/v1/t", "x", true);
    await until(() => raw.connections[1]!.acks().length === 1);
    expect(seen[1]).toMatchObject({ dup: true });
  });

  it.each([
    ["messages", { receiveMaximum: 5 }, "x"],
    ["bytes", { maxPendingBytes: 450 }, "x".repeat(100)],
  ])("more unfinished %s than allowed: reading pauses, then goes on", async (_what, limit, payload) => {
    const raw = await rawBroker();
    const { waiting, onMessage } = byHand();
    const { link: made } = link(raw.url, { onMessage, ...limit });
    await until(() => made.status().subscribed);
    for (let id = 1; id <= 20; id++) raw.connections[0]!.publish(id, "cellward/v1/t", payload);
    await until(() => waiting.length === 5);
    await pause(60);
    expect(waiting.length).toBe(5);
    for (let k = 0; k < 20; k++) {
      await until(() => waiting.length > k);
      waiting[k]!.done();
    }
    await until(() => raw.connections[0]!.acks().length === 20);
    expect(raw.connections[0]!.acks()).toEqual(Array.from({ length: 20 }, (_, k) => k + 1));
  });

  it("a broker that refuses us: the reason is told, and it is asked again", async () => {
    let code = 5;
    const raw = await rawBroker(() => code);
    const { link: made } = link(raw.url);
    await until(() => made.status().error !== null && raw.connections.length > 1);
    expect(made.status().error).toMatch(/not authorized/i);
    code = 0;
    await until(() => made.status().subscribed);
    expect(made.status().error).toBeNull();
  });

  it("a refused subscription: is told, connected is not subscribed", async () => {
    const raw = await rawBroker(() => 0, 0x80);
    const { link: made } = link(raw.url);
    await until(() => made.status().error !== null);
    expect(made.status()).toMatchObject({ connected: true, subscribed: false });
    expect(made.status().error).toMatch(/subscri/i);
  });
});
