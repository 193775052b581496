import mqtt from "mqtt";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { wallClock } from "../../src/clock.ts";
import { createLink, type Incoming, type Link, type LinkOptions } from "../../src/ingest/mqtt.ts";
import { startMosquitto } from "../support/servers.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
async function until(what: () => boolean, ms = 20_000): Promise<void> {
  const end = Date.now() + ms;
  while (!what()) {
    if (Date.now() > end) throw new Error(`still not: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function link(url: string, over: Partial<LinkOptions> = {}): { link: Link; got: Incoming[] } {
  const got: Incoming[] = [];
  const made = createLink({
    url,
    clientId: "cellward-real",
    protocolVersion: 5,
    reconnectMs: 100,
    subscriptions: ["cellward/v1/#"],
    onMessage: (message) => {
      got.push(message);
    },
    log: pino({ level: "silent" }),
    clock: wallClock,
    ...over,
  });
  cleanups.push(() => made.stop(500));
  made.start();
  return { link: made, got };
}

describe.each([4, 5] as const)("link and a real mosquitto, protocol version %i", (protocolVersion) => {
  it("20,000 messages whose handlers finish out of order: all are acknowledged, none comes twice", async () => {
    const broker = await startMosquitto();
    cleanups.push(() => broker.stop());
    const seen = new Map<string, number>();
    const { link: made } = link(broker.url, {
      protocolVersion,
      onMessage: ({ payload }) => {
        const key = Buffer.from(payload).toString();
        seen.set(key, (seen.get(key) ?? 0) + 1);
        // A disk that takes its time now and then.
        return Number(key) % 7 === 0 ? new Promise((resolve) => setTimeout(resolve, Number(key) % 5)) : undefined;
      },
    });
    await until(() => made.status().subscribed);
    const sender = await mqtt.connectAsync(broker.url);
    cleanups.push(() => sender.endAsync(true));
    const total = 20_000;
    for (let k = 0; k < total; k += 500) {
      await Promise.all(
        Array.from({ length: 500 }, (_, i) => sender.publishAsync("cellward/v1/t", String(k + i), { qos: 1 })),
      );
    }
    await until(() => made.status().acknowledged === total);
    expect(seen.size).toBe(total);
    expect([...seen.values()].every((n) => n === 1)).toBe(true);
    expect(made.status()).toMatchObject({ received: total, pending: 0, staleAcks: 0 });
  });

  it("a service that dies with messages unfinished: gets exactly those again, by its session", async () => {
    const broker = await startMosquitto();
    cleanups.push(() => broker.stop());
    let finish = true;
    const first = link(broker.url, {
      protocolVersion,
      onMessage: () => (finish ? undefined : new Promise<void>(() => {})),
    });
    await until(() => first.link.status().subscribed);
    const sender = await mqtt.connectAsync(broker.url);
    cleanups.push(() => sender.endAsync(true));
    for (let k = 0; k < 10; k++) await sender.publishAsync("cellward/v1/t", String(k), { qos: 1 });
    await until(() => first.link.status().acknowledged === 10);
    finish = false;
    for (let k = 10; k < 15; k++) await sender.publishAsync("cellward/v1/t", String(k), { qos: 1 });
    await until(() => first.link.status().pending === 5);
    await first.link.stop(0);
    const second = link(broker.url, { protocolVersion });
    await until(() => second.got.length >= 5);
    expect(second.got.map((m) => Buffer.from(m.payload).toString())).toEqual(["10", "11", "12", "13", "14"]);
  });

  it("a broker that is killed and comes back: the link is back, and what nobody acknowledged comes", async () => {
    const broker = await startMosquitto({ persistence: true });
    cleanups.push(() => broker.stop());
    const { link: made, got } = link(broker.url, { protocolVersion });
    await until(() => made.status().subscribed);
    await broker.kill();
    await until(() => !made.status().connected && made.status().error !== null);
    await broker.restart();
    await until(() => made.status().subscribed);
    const sender = await mqtt.connectAsync(broker.url);
    cleanups.push(() => sender.endAsync(true));
    await sender.publishAsync("cellward/v1/t", "after", { qos: 1 });
    await until(() => got.length === 1);
    expect(made.status()).toMatchObject({ connects: 2, error: null });
  });

  it("name and password: wrong ones are refused with the reason, right ones let in", async () => {
    const broker = await startMosquitto({ users: { service: "right" } });
    cleanups.push(() => broker.stop());
    const wrong = link(broker.url, { protocolVersion, username: "service", password: "wrong", clientId: "w" });
    await until(() => wrong.link.status().error !== null);
    expect(wrong.link.status().connected).toBe(false);
    expect(wrong.link.status().error).toMatch(/not authori[sz]ed|bad user/i);
    const right = link(broker.url, { protocolVersion, username: "service", password: "right" });
    await until(() => right.link.status().subscribed);
  });
});

it("MQTT 5: what the service publishes itself below the same tree does not come back to it", async () => {
  const broker = await startMosquitto();
  cleanups.push(() => broker.stop());
  const { link: made, got } = link(broker.url);
  await until(() => made.status().subscribed);
  await made.publishConfirmed("cellward/v1/demo/b1/s1/ack", "{}");
  const sender = await mqtt.connectAsync(broker.url);
  cleanups.push(() => sender.endAsync(true));
  await sender.publishAsync("cellward/v1/x", "x", { qos: 1 });
  await until(() => got.length > 0);
  expect(got.map((m) => m.topic)).toEqual(["cellward/v1/x"]);
});
