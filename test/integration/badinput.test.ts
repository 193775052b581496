import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { pino } from "pino";
import { expect, it } from "vitest";
import { loadConfig } from "../../src/config.ts";
import { startService } from "../../src/main.ts";
import { HOSTILE, NOW_MS } from "../support/bad-input.ts";
import { SMALL_SITE_YAML } from "../support/site.ts";

/** What a client may publish at all: brokers close the connection for the rest, or the retain flag is theirs to set. */
const publishable = HOSTILE.filter(({ topic, retained }) => {
  return !retained && !topic.includes("\u0000") && topic.split("/").length < 100 && topic.length < 1_000;
});

it("every bad input through the whole service: counted under its reason, nothing is lost, the link stands", async () => {
  const dir = mkdtempSync(join(tmpdir(), "cellward-bad-"));
  writeFileSync(join(dir, "site.yaml"), SMALL_SITE_YAML);
  const flags = { site: join(dir, "site.yaml"), data_dir: dir, "mqtt.embedded.port": 0, "http.port": 0 };
  const { config } = loadConfig({ file: null, env: {}, flags });
  const clock = { nowMs: () => NOW_MS, monotonicMs: () => performance.now() };
  const log = pino({ level: "silent" });
  const service = await startService({ config, version: "test", log, clock, consoleDir: null });
  const client = await mqtt.connectAsync(service.mqttUrl);
  try {
    const expected: Record<string, number> = {};
    let messages = 0;
    const send = (topic: string, payload: Uint8Array | string): Promise<unknown> => {
      messages++;
      return client.publishAsync(topic, Buffer.from(payload), { qos: 1 });
    };
    for (const [seq, hostile] of publishable.entries()) {
      if (hostile.before) await send(hostile.topic, hostile.before);
      await send(hostile.topic, hostile.payload());
      if (hostile.code !== null) expected[hostile.code] = (expected[hostile.code] ?? 0) + 1;
      const good = { v: 1, boot: 1, seq, ts: NOW_MS, r: [{ b: "lte800-ul", rms_dbm: -90 }] };
      await send("cellward/v1/demo/b2/s2/reading", JSON.stringify(good));
    }
    const untilMs = performance.now() + 20_000;
    while (service.intake.ledger.messages < messages && performance.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const answer = await fetch(`http://127.0.0.1:${service.listening.port}/api/v1/rejects`);
    const { items } = (await answer.json()) as { items: { code: string; count: number }[] };
    expect(Object.fromEntries(items.filter((row) => row.count > 0).map((row) => [row.code, row.count]))).toEqual(
      expected,
    );
    // One message comes again and again if the log can't keep it and the connection is dropped for it.
    expect(service.intake.ledger.messages).toBe(messages);
    expect(service.intake.sensors.get("s2")?.lastSeenMs).toBe(NOW_MS);
    expect(service.intake.ledger.accepted).toBeGreaterThanOrEqual(publishable.length);
  } finally {
    await client.endAsync(true);
    await service.stop();
    rmSync(dir, { recursive: true, force: true });
  }
});
