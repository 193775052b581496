import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { afterAll, describe, expect, it } from "vitest";
import { createTraceWriter, openTrace } from "../../src/trace/index.ts";
import { runCli, startCli } from "../support/cli.ts";
import { freePort, startMosquitto, until } from "../support/servers.ts";

const dir = mkdtempSync(join(tmpdir(), "cellward-record-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Recorded {
  readonly topic: string;
  readonly bytes: string;
}

async function messagesOf(path: string): Promise<Recorded[]> {
  const all: Recorded[] = [];
  for await (const batch of (await openTrace(path)).batches()) {
    for (const m of batch) all.push({ topic: m.topic, bytes: Buffer.from(m.payload).toString("base64") });
  }
  return all;
}

/** Traffic with everything that is awkward: number spellings, binary, empty payloads, foreign topics, spaces, line breaks. */
async function writeSource(path: string, readings: number): Promise<Recorded[]> {
  const writer = await createTraceWriter(path, { cellward_trace: 1, site: "demo", start: 1_000_000 });
  const sent: Recorded[] = [];
  let t = 1_000_000;
  const put = (topic: string, bytes: Buffer) => {
    sent.push({ topic, bytes: bytes.toString("base64") });
    return writer.write({ t, topic, bytes });
  };
  for (let s = 0; s < 5; s++) {
    await put(`cellward/v1/demo/b1/s${s}/birth`, Buffer.from(`{"v":1,"boot":1,"ts":${t},"type":"rf","x":1.50}`));
    await put(`cellward/v1/demo/b1/s${s}/state`, Buffer.from(`{"online":true,"boot":1,"ts":${t}}`));
  }
  for (let i = 0; i < readings; i++) {
    t += i % 5 === 0 ? 200 : 0;
    await put(
      `cellward/v1/demo/b1/s${i % 5}/reading`,
      Buffer.from(`{"v":1,"boot":1,"seq":${Math.floor(i / 5)},"ts":${t},"r":[{"b":"lte800-ul","rms_dbm":-9.80e1}]}`),
    );
  }
  await put("cellward/v1/demo/b1/s1/reading", Buffer.from([0, 255, 1, 254]));
  await put("cellward/v1/demo/b1/s1/reading", Buffer.from('{\n  "pretty": true\n}\n'));
  await put("cellward/v1/demo/b1/s2/reading", Buffer.from('{"cut'));
  await put("cellward/v1/demo/b1/s2/reading", Buffer.from('"\\u00e9 \u00e9"'));
  await put("cellward/v1/demo/_alert/a1", Buffer.from('{"id":"a1"}'));
  await put("cellward/v1/demo/_alert/a1", Buffer.alloc(0));
  await writer.close();
  return sent;
}

async function recordWhile(url: string, path: string, count: number, traffic: () => Promise<void>): Promise<void> {
  const recorder = startCli(["record", "--url", url, "--out", path]);
  await until("the recorder is subscribed", () => recorder.stderr().includes("recording "));
  await traffic();
  await until(
    `${count} messages are in the file`,
    async () => {
      // A gzip stream that is still open reads as cut off; its flushed part is what counts here.
      return (await messagesOf(path).catch(() => [])).length >= count || path.endsWith(".gz");
    },
    60_000,
  );
  if (path.endsWith(".gz")) await new Promise((resolve) => setTimeout(resolve, 2500));
  recorder.interrupt();
  const end = await recorder.done;
  expect(end.code, end.stderr).toBe(0);
}

describe("record and replay through mosquitto", () => {
  it("trace: recorded, replayed, recorded again: equal message for message, byte for byte", async () => {
    const broker = await startMosquitto();
    try {
      const source = join(dir, "source.jsonl");
      const sent = await writeSource(source, 5000);
      const first = join(dir, "first.jsonl.zst");
      const second = join(dir, "second.jsonl.gz");
      const play = async (path: string) => {
        const end = await runCli(["replay", path, "--to", broker.url, "--speed", "max", "--json"]);
        expect(end.code, end.stderr).toBe(0);
        expect(JSON.parse(end.stdout)).toMatchObject({ sent: sent.length, acked: sent.length });
      };
      await recordWhile(broker.url, first, sent.length, () => play(source));
      expect(await messagesOf(first)).toEqual(sent);

      // The second recorder meets the retained births and states of the first replay: they come first.
      const kept = sent.filter((m) => /\/(birth|state)$/.test(m.topic));
      await recordWhile(broker.url, second, kept.length + sent.length, () => play(first));
      const again = await messagesOf(second);
      const byTopic = (all: readonly Recorded[]) => [...all].sort((a, b) => (a.topic < b.topic ? -1 : 1));
      expect(byTopic(again.slice(0, kept.length))).toEqual(byTopic(kept));
      expect(again.slice(kept.length)).toEqual(sent);
    } finally {
      await broker.stop();
    }
  });

  it("replay: births and states are retained again, readings are not, a closed alert is gone", async () => {
    const broker = await startMosquitto();
    try {
      const source = join(dir, "retained.jsonl");
      await writeSource(source, 10);
      const played = await runCli(["replay", source, "--to", broker.url, "--speed", "max"]);
      expect(played.code, played.stderr).toBe(0);
      const late = await mqtt.connectAsync(broker.url);
      const topics: string[] = [];
      late.on("message", (topic, _payload, packet) => {
        expect(packet.retain).toBe(true);
        topics.push(topic);
      });
      await late.subscribeAsync("#", { qos: 1 });
      await until("retained messages arrive", () => topics.length >= 10);
      await new Promise((resolve) => setTimeout(resolve, 300));
      await late.endAsync();
      const wanted = [0, 1, 2, 3, 4].flatMap((s) => [
        `cellward/v1/demo/b1/s${s}/birth`,
        `cellward/v1/demo/b1/s${s}/state`,
      ]);
      expect(topics.sort()).toEqual(wanted);
    } finally {
      await broker.stop();
    }
  });

  it("replay: at speed 10, 4 s of trace take about 0.4 s, with --clock now in the present", async () => {
    const broker = await startMosquitto();
    try {
      const source = join(dir, "paced.jsonl");
      await writeSource(source, 100);
      const seen: { ts: number; boot: number }[] = [];
      const listener = await mqtt.connectAsync(broker.url);
      listener.on("message", (_topic, payload) => {
        try {
          const value = JSON.parse(payload.toString());
          if (value.seq !== undefined) seen.push(value);
        } catch {}
      });
      await listener.subscribeAsync("cellward/v1/demo/b1/+/reading", { qos: 1 });
      const beganMs = Date.now();
      const end = await runCli(["replay", source, "--to", broker.url, "--speed", "10", "--clock", "now", "--json"]);
      const endedMs = Date.now();
      await until("all readings arrive", () => seen.length >= 100);
      await listener.endAsync();
      expect(end.code, end.stderr).toBe(0);
      const summary = JSON.parse(end.stdout);
      expect(summary.trace_ms).toBe(4000);
      expect(summary.wall_ms).toBeGreaterThanOrEqual(390);
      for (const { ts, boot } of seen) {
        expect(ts).toBeGreaterThanOrEqual(beganMs);
        expect(ts).toBeLessThanOrEqual(endedMs);
        expect(boot).toBeGreaterThan(1_000_000_000);
      }
    } finally {
      await broker.stop();
    }
  });

  it("replay: the broker goes away and comes back: all is acknowledged in the end", async () => {
    const broker = await startMosquitto();
    try {
      const source = join(dir, "outage.jsonl");
      const sent = await writeSource(source, 400);
      const replay = startCli(["replay", source, "--to", broker.url, "--speed", "4", "--json"]);
      const listener = await mqtt.connectAsync(broker.url);
      let heard = 0;
      listener.on("message", () => heard++);
      await listener.subscribeAsync("cellward/v1/#", { qos: 1 });
      await until("the replay runs", () => heard > 50);
      await broker.restart();
      const end = await replay.done;
      listener.end(true);
      expect(end.code, end.stderr).toBe(0);
      expect(JSON.parse(end.stdout)).toMatchObject({ sent: sent.length, acked: sent.length });
    } finally {
      await broker.stop();
    }
  });

  it("record, replay: no broker there: exit 4 and what to do", async () => {
    const source = join(dir, "nobroker.jsonl");
    await writeSource(source, 10);
    const url = `mqtt://user:secret@127.0.0.1:${await freePort()}`;
    for (const args of [
      ["replay", source, "--to", url],
      ["record", "--url", url, "--out", join(dir, "never.jsonl")],
    ]) {
      const end = await runCli(args);
      expect(end.code).toBe(4);
      expect(end.stderr).toMatch(/BROKER_UNAVAILABLE: no connection to mqtt:\/\/user:\*\*\*@127.*connection refused/);
      expect(end.stderr).not.toContain("secret");
    }
  });

  it("record, replay: refused by the broker: exit 4", async () => {
    const broker = await startMosquitto({ users: { sensor: "right" } });
    try {
      const end = await runCli(
        ["record", "--url", broker.url, "--out", join(dir, "refused.jsonl"), "--username", "sensor"],
        {
          CELLWARD_PASSWORD: "wrong",
        },
      );
      expect(end.code).toBe(4);
      expect(end.stderr).toMatch(/BROKER_UNAVAILABLE: .*[Nn]ot authorized/);
    } finally {
      await broker.stop();
    }
  });
});
