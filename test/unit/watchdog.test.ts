import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { wallClock } from "../../src/clock.ts";
import { Heartbeat, readBeat } from "../../src/heartbeat.ts";
import { startBroker } from "../../src/ingest/broker.ts";
import { createLogger } from "../../src/log.ts";
import { Watchdog } from "../../src/watchdog.ts";
import { until } from "../support/servers.ts";
import { connectTo } from "../support/service.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), "cellward-watchdog-"));
  closers.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

it("heartbeat: written in place, read whole; none or half of one: null", () => {
  const dir = folder();
  expect(readBeat(dir)).toBeNull();
  const heart = new Heartbeat(dir);
  expect(readBeat(dir)).toBeNull();
  heart.beat({ pid: 1, beats: 123456, atMs: 5, url: "http://127.0.0.1:8080" });
  heart.beat({ pid: 1, beats: 7, atMs: 6, url: "http://127.0.0.1:8080" });
  expect(readBeat(dir)).toEqual({ pid: 1, beats: 7, atMs: 6, url: "http://127.0.0.1:8080" });
  expect(readFileSync(join(dir, "heartbeat")).length).toBe(256);
  heart.close();
});

it("watchdog: the beats stop: an alert through the broker and a command, both over when they go on; not while they come", async () => {
  const dir = folder();
  const broker = await startBroker({ port: 0 });
  closers.push(() => broker.close());
  const listener = await connectTo(broker.url, "listener");
  closers.push(() => listener.endAsync(true));
  const events: { type: string; after: { kind: string; severity: string; text: string; closed_at: number | null } }[] =
    [];
  listener.on("message", (_topic, payload) => events.push(JSON.parse(payload.toString())));
  await listener.subscribeAsync("cellward/v1/demo/_alert_event", { qos: 1 });
  const said = join(dir, "said");
  const script = join(dir, "say.sh");
  writeFileSync(script, `#!/bin/sh\necho "$1" >> ${said}\n`, { mode: 0o755 });
  const heart = new Heartbeat(dir);
  closers.push(() => heart.close());
  let beats = 0;
  let beating = true;
  const timer = setInterval(() => {
    if (beating) heart.beat({ pid: process.pid, beats: ++beats, atMs: Date.now(), url: "" });
  }, 50);
  closers.push(() => clearInterval(timer));
  const changes: boolean[] = [];
  const dog = new Watchdog({
    dataDir: dir,
    site: "demo",
    instance: "main",
    // Long against a timer that a loaded machine delays.
    afterMs: 1500,
    pollMs: 20,
    broker: { url: broker.url, options: { clientId: "dog", protocolVersion: 4 } },
    command: script,
    clock: wallClock,
    log: createLogger("silent"),
    onChange: (hangs) => changes.push(hangs),
  });
  closers.push(() => dog.stop());
  dog.start();
  await until("some beats", () => beats > 10);
  expect(changes).toEqual([]);
  beating = false;
  await until("the alarm", () => events.length === 1);
  expect(events[0]).toMatchObject({ type: "new", after: { kind: "service-fault", severity: "critical" } });
  expect(events[0]!.after.text).toContain("hangs");
  beating = true;
  await until("its end", () => events.length === 2);
  expect(events[1]).toMatchObject({ type: "end", after: { closed_at: expect.any(Number) } });
  expect(changes).toEqual([true, false]);
  await until("the command", () => readFileSync(said, "utf8") === "hangs\nlives\n");
});
