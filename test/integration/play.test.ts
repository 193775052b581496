import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { wallClock } from "../../src/clock.ts";
import { startBroker } from "../../src/ingest/broker.ts";
import { playTrace } from "../../src/trace/play.ts";

it("replay to a broker: the share that the bar shows goes from the first message to the last, though the file is read at once", async () => {
  const dir = mkdtempSync(join(tmpdir(), "cellward-play-"));
  const broker = await startBroker({ host: "127.0.0.1", port: 0 });
  try {
    const path = join(dir, "t.jsonl");
    const lines = [JSON.stringify({ cellward_trace: 1, site: "s", start: 1000 })];
    const message = (i: number) => ({ t: 1000 + 100 * i, topic: `cellward/v1/s/b1/s1/reading`, payload: { i } });
    for (let i = 0; i < 50; i++) lines.push(JSON.stringify(message(i)));
    writeFileSync(path, `${lines.join("\n")}\n`);
    const shares: number[] = [];
    const end = await playTrace({
      broker: { url: broker.url },
      path,
      shape: {},
      speed: 10,
      loop: 2,
      maxGapMs: Number.POSITIVE_INFINITY,
      clock: "recorded",
      inflight: 10,
      signal: new AbortController().signal,
      time: wallClock,
      onProgress: (p) => shares.push(p.loop + p.share),
    });
    expect(end).toMatchObject({ sent: 100, acked: 100, share: 1, loop: 1 });
    expect(shares.length).toBeGreaterThan(10);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.filter((s) => s > 0.2 && s < 0.8).length).toBeGreaterThan(2);
  } finally {
    await broker.close();
    rmSync(dir, { recursive: true, force: true });
  }
});
