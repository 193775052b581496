import { connect } from "node:net";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { wallClock } from "../../../src/clock.ts";
import { createServer, DEFAULT_LIMITS } from "../../../src/http/server.ts";
import type { StreamLimits } from "../../../src/http/stream.ts";
import { FixtureService, fixtureAlert } from "../../support/fixture-service.ts";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function start(stream: Partial<StreamLimits> = {}) {
  const service = new FixtureService();
  const limits = { ...DEFAULT_LIMITS, stream: { ...DEFAULT_LIMITS.stream, ...stream } };
  const log = pino({ level: "silent" });
  const server = await createServer({ service, clock: wallClock, log, options: { port: 0, limits } });
  open.push(server);
  const at = await server.listen();
  return { service, server, port: at.port, url: `${at.url}api/v1/stream` };
}

interface Event {
  readonly id: string | null;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** Reads the stream until `enough` says so; gives the events and the raw text. */
async function read(url: string, enough: (events: readonly Event[], text: string) => boolean, lastId?: string) {
  const abort = new AbortController();
  const headers: Record<string, string> = lastId === undefined ? {} : { "last-event-id": lastId };
  const response = await fetch(url, { headers, signal: abort.signal });
  let text = "";
  let parsed = 0;
  const decoder = new TextDecoder();
  const events: Event[] = [];
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    const end = text.lastIndexOf("\n\n") + 2;
    const blocks = end > parsed ? text.slice(parsed, end).split("\n\n") : [];
    parsed = Math.max(parsed, end);
    for (const block of blocks) {
      const event = /^event: (.*)$/m.exec(block)?.[1];
      if (event === undefined) continue;
      const data = JSON.parse(/^data: (.*)$/m.exec(block)![1]!);
      events.push({ id: /^id: (.*)$/m.exec(block)?.[1] ?? null, event, data });
    }
    if (enough(events, text)) break;
  }
  abort.abort();
  return { response, events, text };
}

const alertCells = (events: readonly Event[]) =>
  events.filter((e) => e.event === "alert").map((e) => (e.data.after as { cell: string }).cell);

/** Waits until a condition holds; the test's own time limit ends a wait for nothing. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("stream", () => {
  it("first connection: retry, hello not resumed, status with the age of data; then alerts with ids", async () => {
    const { service, server, url } = await start();
    const reading = read(url, (events) => alertCells(events).length >= 2);
    await until(() => server.streams().clients === 1);
    service.put(fixtureAlert("b1-0-05", 1000));
    service.put(fixtureAlert("b1-0-06", 1000));
    const { response, events, text } = await reading;
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(text).toMatch(/^retry: 2000\n/);
    expect(events[0]).toMatchObject({ event: "hello", data: { resumed: false } });
    expect(events.find((e) => e.event === "status")?.data).toMatchObject({ data_age_ms: 400, ready: true });
    expect(alertCells(events)).toEqual(["b1-0-05", "b1-0-06"]);
    expect(new Set(events.filter((e) => e.event === "alert").map((e) => e.id)).size).toBe(2);
  });

  it("return: events missed meanwhile come again, in order, each once", async () => {
    const { service, server, url } = await start();
    const first = read(url, (events) => alertCells(events).length >= 1);
    await until(() => server.streams().clients === 1);
    service.put(fixtureAlert("b1-0-01", 1000));
    const lastId = (await first).events.find((e) => e.event === "alert")!.id!;
    await until(() => server.streams().clients === 0);
    service.put(fixtureAlert("b1-0-02", 1000));
    service.put(fixtureAlert("b1-0-03", 1000));
    const { events } = await read(url, (e) => e.some((x) => x.event === "status"), lastId);
    expect(events[0]).toMatchObject({ event: "hello", data: { resumed: true } });
    expect(alertCells(events)).toEqual(["b1-0-02", "b1-0-03"]);
  });

  it("status: names the blocks in learning mode, until when, and what they counted; none when there are none", async () => {
    const { service, url } = await start({ statusEveryMs: 20 });
    const block = { firstMs: 1, events: 9, last: [] };
    service.learns = [
      { ...block, block: "b1", learning: true, untilMs: 5000, alerts: 2 },
      { ...block, block: "b2", learning: false, untilMs: 10, alerts: 7 },
    ];
    const { events } = await read(url, (seen) => seen.some((e) => e.event === "status"));
    const status = events.find((e) => e.event === "status");
    expect(status?.data.learning).toEqual([{ block: "b1", until: 5000, alerts: 2 }]);
    service.learns = [];
    const after = await read(url, (seen) => seen.some((e) => e.event === "status"));
    expect(after.events.find((e) => e.event === "status")?.data.learning).toEqual([]);
  });

  it("return without a miss: the id on hello resumes", async () => {
    const { url } = await start();
    const lastId = (await read(url, (e) => e.length >= 1)).events[0]!.id!;
    const { events } = await read(url, (e) => e.length >= 1, lastId);
    expect(events[0]!.data.resumed).toBe(true);
  });

  it("return too late, after another start or with rubbish: not resumed", async () => {
    const { service, server, url } = await start({ ringEvents: 2 });
    const first = read(url, (events) => alertCells(events).length >= 1);
    await until(() => server.streams().clients === 1);
    for (const n of [1, 2, 3, 4, 5]) service.put(fixtureAlert(`b1-0-0${n}`, 1000));
    const id = (await first).events.find((e) => e.event === "alert")!.id!;
    const future = `${id.split("-")[0]}-99`;
    for (const lastId of [id, "00000000-1", "rubbish", future]) {
      const { events } = await read(url, (e) => e.length >= 1, lastId);
      expect(events[0]!.data.resumed, lastId).toBe(false);
    }
  });

  it("status: repeated, with readiness; a sensor's new state comes as an event", async () => {
    const { service, url } = await start({ statusEveryMs: 20 });
    let told: readonly { readonly event: string; readonly data: Record<string, unknown> }[] = [];
    const sensors = () => told.filter((e) => e.event === "sensors");
    const reading = read(url, (events) => {
      told = events;
      return sensors().length === 2 && events.at(-1)?.event === "status";
    });
    // Nobody listened before: the first tells every state.
    await until(() => sensors().length === 1);
    expect(sensors()[0]!.data.sensors).toHaveLength(service.sensors().length);
    service.checks = [{ name: "store", ready: false, detail: "away" }];
    service.setSensor("b1-s03", { online: false });
    const { events } = await reading;
    expect(sensors()[1]!.data.sensors).toMatchObject([{ id: "b1-s03", state: "offline" }]);
    expect(events.at(-1)?.data).toMatchObject({ ready: false, checks: [{ name: "store", detail: "away" }] });
  });

  it("heartbeat: a comment keeps the connection alive", async () => {
    const { url } = await start({ heartbeatEveryMs: 10, statusEveryMs: 60_000 });
    const { text } = await read(url, (_events, t) => t.includes(": keep"));
    expect(text).toContain(": keep\n\n");
  });

  it("clients: one too many: 503 as a problem", async () => {
    const { server, url } = await start({ maxClients: 1 });
    const abort = new AbortController();
    const first = await fetch(url, { signal: abort.signal });
    await until(() => server.streams().clients === 1);
    const second = await fetch(url);
    expect([second.status, ((await second.json()) as { code: string }).code]).toEqual([503, "streams-full"]);
    abort.abort();
    await first.body?.cancel().catch(() => {});
  });

  it("slow client: one that does not read is dropped, others stay", async () => {
    const { service, server, port, url } = await start({ maxBufferedBytes: 50_000, statusEveryMs: 60_000 });
    const slow = connect(port, "127.0.0.1");
    slow.on("error", () => {});
    slow.write("GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    slow.pause();
    await until(() => server.streams().clients === 1);
    const cellOf = (e: Event | undefined) => (e?.data.after as { cell?: string } | undefined)?.cell;
    const good = read(url, (events) => cellOf(events.at(-1)) === "b1-1-01");
    await until(() => server.streams().clients === 2);
    // Far more than the kernel's socket buffers hold; the good client gets time to read each.
    const text = "x".repeat(20_000);
    for (let i = 0; i < 3000 && server.streams().dropped === 0; i++) {
      service.put(fixtureAlert("b1-0-05", i, { id: `a${i}`, text }));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(server.streams()).toEqual({ clients: 1, dropped: 1 });
    service.put(fixtureAlert("b1-1-01", 1000));
    expect(cellOf((await good).events.at(-1))).toBe("b1-1-01");
    slow.destroy();
  });
});
