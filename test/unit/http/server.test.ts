import { createServer as createTcpServer, type Server } from "node:net";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { wallClock } from "../../../src/clock.ts";
import { AppError } from "../../../src/errors.ts";
import { createServer, DEFAULT_LIMITS, type HttpOptions, type HttpServer } from "../../../src/http/server.ts";
import { FixtureService, fixtureAlert } from "../../support/fixture-service.ts";

const LOCAL = { host: "127.0.0.1:8480" };
const CLIENT = { ...LOCAL, "x-cellward-client": "test" };
const TOKEN = "correct-horse-battery";
const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function start(options: Partial<HttpOptions> = {}, service = new FixtureService()) {
  const server: HttpServer = await createServer({
    service,
    clock: wallClock,
    log: pino({ level: "silent" }),
    options: { port: 0, checkAnswers: true, ...options },
  });
  open.push(server);
  return { server, service, app: server.app };
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("http reads", () => {
  it("alerts: open ones come newest first, page by page, each once", async () => {
    const { app, service } = await start();
    for (let i = 1; i <= 7; i++) service.put(fixtureAlert(`b1-0-0${i}`, 1_700_000_000_000 + i * 1000));
    service.put(fixtureAlert("b1-0-09", 1_700_000_099_000, { closed_at: 1_700_000_100_000, active: false }));
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const url: string = `/api/v1/alerts?limit=3${cursor === null ? "" : `&cursor=${cursor}`}`;
      const page = (await app.inject({ url, headers: LOCAL })).json();
      expect(page.items.length).toBeLessThanOrEqual(3);
      seen.push(...page.items.map((a: { cell: string }) => a.cell));
      cursor = page.next;
    } while (cursor !== null);
    expect(seen).toEqual([7, 6, 5, 4, 3, 2, 1].map((i) => `b1-0-0${i}`));
    const closed = (await app.inject({ url: "/api/v1/alerts?state=closed", headers: LOCAL })).json();
    expect(closed.items.map((a: { cell: string }) => a.cell)).toEqual(["b1-0-09"]);
  });

  it("alerts: a cursor nobody gave out: 400 as a problem", async () => {
    const { app } = await start();
    const answer = await app.inject({ url: "/api/v1/alerts?cursor=e30", headers: LOCAL });
    expect(answer.statusCode).toBe(400);
    expect(answer.headers["content-type"]).toContain("application/problem+json");
    expect(answer.json()).toMatchObject({ code: "request-invalid", type: "urn:cellward:problem:request-invalid" });
  });

  it("alert: by id; an unknown id: 404 as a problem", async () => {
    const { app, service } = await start();
    const alert = fixtureAlert("b1-0-03", 1_700_000_000_000);
    service.put(alert);
    expect((await app.inject({ url: `/api/v1/alerts/${alert.id}`, headers: LOCAL })).json()).toEqual(alert);
    const unknown = await app.inject({ url: "/api/v1/alerts/nope", headers: LOCAL });
    expect([unknown.statusCode, unknown.json().code]).toEqual([404, "alert-unknown"]);
  });

  it("zones: own cell, candidates and shelved ones have their states", async () => {
    const { app, service } = await start();
    service.put(fixtureAlert("b1-0-05", 1_700_000_000_000));
    service.put(fixtureAlert("b1-1-20", 1_700_000_000_000, { shelved_until: 1_800_000_000_000 }));
    const zones = (await app.inject({ url: "/api/v1/zones?limit=500", headers: LOCAL })).json().items;
    const state = (id: string) => zones.find((z: { id: string }) => z.id === id);
    expect(state("b1-0-05")).toMatchObject({ state: "alert", severity: "high", p: 0.83 });
    expect(state("b1-0-04")).toMatchObject({ state: "possible", p: 0.11 });
    expect(state("b1-1-20").state).toBe("silenced");
    expect(state("b1-0-12")).toMatchObject({ state: "quiet", severity: null, p: null, alerts: [] });
  });

  it("sensors and channels: state is the worst that is true; NaN is null", async () => {
    const { app, service } = await start();
    const first = service.sensors()[0]!;
    service.setSensor("b1-s02", { online: false });
    service.setSensor("b1-s03", { tamper: true, online: false });
    service.setSensor("b1-s04", { channels: [{ ...first.channels[0]!, status: "stuck", levelDbm: Number.NaN }] });
    service.setSensor("b1-s05", { online: null, lastSeenMs: null });
    service.setSensor("gate-1", { online: true, lastSeenMs: null });
    const items = (await app.inject({ url: "/api/v1/sensors", headers: LOCAL })).json().items;
    const states = Object.fromEntries(items.map((s: { id: string; state: string }) => [s.id, s.state]));
    expect(states).toMatchObject({
      "b1-s01": "ok",
      "b1-s02": "offline",
      "b1-s03": "tamper",
      "b1-s04": "fault",
      "b1-s05": "unseen",
      "gate-1": "ok",
    });
    expect(items.find((s: { id: string }) => s.id === "b1-s04").channels[0].level_dbm).toBeNull();
    const channels = (await app.inject({ url: "/api/v1/channels?band=gsm900-ul&limit=5", headers: LOCAL })).json();
    expect(channels.items).toHaveLength(5);
    expect(channels.items.every((c: { band: string }) => c.band === "gsm900-ul")).toBe(true);
  });

  it("history: points of a channel in the range; unknown channel 404; store away 503", async () => {
    const { app, service } = await start();
    const point = { meanDbm: -99, maxDbm: -90, floorDbm: -101, llr: Number.NaN, readings: 10 };
    service.points = [1000, 2000, 3000].map((tMs) => ({ tMs, ...point }));
    const url = "/api/v1/history?sensor=b1-s01&band=lte800-ul&from=1500&to=3000";
    expect((await app.inject({ url, headers: LOCAL })).json().points).toEqual([
      { t: 2000, mean_dbm: -99, max_dbm: -90, floor_dbm: -101, llr: null, readings: 10 },
    ]);
    const unknown = await app.inject({ url: url.replace("b1-s01", "b1-s99"), headers: LOCAL });
    expect([unknown.statusCode, unknown.json().code]).toEqual([404, "channel-unknown"]);
    const backwards = await app.inject({ url: url.replace("to=3000", "to=1000"), headers: LOCAL });
    expect(backwards.statusCode).toBe(400);
    service.historyError = new AppError("STORE_UNAVAILABLE", "InfluxDB does not answer");
    const away = await app.inject({ url, headers: LOCAL });
    expect([away.statusCode, away.json().code]).toEqual([503, "store-unavailable"]);
  });

  it("history of alerts: pages over events of one millisecond lose and repeat nothing", async () => {
    const { app, service } = await start();
    const times = [1000, 2000, 2000, 2000, 2000, 2000, 3000, 3000, 4000].map((t) => t + 10_000);
    service.records = times.map((tMs, i) => ({
      tMs,
      change: { type: "new", before: null, after: fixtureAlert("b1-0-05", tMs, { id: `a${i}` }) },
    }));
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const url: string = `/api/v1/history/alerts?from=0&to=90000&limit=2${cursor === null ? "" : `&cursor=${cursor}`}`;
      const page = (await app.inject({ url, headers: LOCAL })).json();
      seen.push(...page.items.map((e: { after: { id: string } }) => e.after.id));
      cursor = page.next;
    } while (cursor !== null);
    expect(seen).toEqual(times.map((_, i) => `a${i}`));
  });

  it("system: livez, readyz with reasons, version, metrics, rejects, site", async () => {
    const { app, service } = await start();
    expect((await app.inject({ url: "/livez", headers: LOCAL })).json()).toEqual({ live: true });
    expect((await app.inject({ url: "/readyz", headers: LOCAL })).statusCode).toBe(200);
    service.checks = [{ name: "broker", ready: false, detail: "connection refused" }];
    const away = await app.inject({ url: "/readyz", headers: LOCAL });
    expect(away.statusCode).toBe(503);
    expect(away.json()).toEqual({ ready: false, checks: service.checks });
    expect((await app.inject({ url: "/version", headers: LOCAL })).json()).toEqual({
      name: "cellward",
      version: "0.1.0",
    });
    const metrics = await app.inject({ url: "/metrics", headers: LOCAL });
    expect(metrics.headers["content-type"]).toContain("text/plain; version=0.0.4");
    expect(metrics.body).toContain("cellward_up 1");
    const sample = { tMs: 5, topic: "cellward/v1/demo/b1/x/reading", detail: "no such sensor", payload: "{}" };
    service.rejected = [{ code: "unknown-sensor", count: 3, samples: [sample] }];
    expect((await app.inject({ url: "/api/v1/rejects", headers: LOCAL })).json().items[0]).toMatchObject({
      code: "unknown-sensor",
      count: 3,
    });
    const site = (await app.inject({ url: "/api/v1/site", headers: LOCAL })).json();
    expect(site.sensors).toHaveLength(service.site.sensors.length);
  });

  it("openapi: version 3.1, every reference resolves, every API route is described", async () => {
    const { app } = await start();
    const doc = (await app.inject({ url: "/openapi.json", headers: LOCAL })).json();
    expect(doc.openapi).toBe("3.1.0");
    const refs = [...JSON.stringify(doc).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map((m) => m[1]!);
    expect(refs.length).toBeGreaterThan(5);
    for (const ref of refs) expect(doc.components.schemas).toHaveProperty(ref);
    // Each once: what no route takes stood there a second time as "AlertInput".
    expect(Object.keys(doc.components.schemas).sort()).toEqual([...new Set(refs)].sort());
    expect(Object.keys(doc.components.schemas).filter((name) => name.endsWith("Input"))).toEqual([]);
    const names = ["alerts", "sensors", "zones", "channels", "history", "rejects", "site", "stream"];
    for (const name of names) expect(doc.paths).toHaveProperty(`/api/v1/${name}`);
    for (const verb of ["ack", "shelve", "unshelve", "close"]) {
      expect(doc.paths).toHaveProperty(`/api/v1/alerts/{id}/${verb}`);
    }
    // Each line of the page at /docs says what it is for.
    for (const [path, methods] of Object.entries<Record<string, { summary?: string }>>(doc.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        expect(operation.summary, `${method} ${path}`).toMatch(/^[A-Z].{3,60}$/);
      }
    }
  });

  it("docs: the page and its scripts come from this server, under a policy without foreign hosts", async () => {
    const { app } = await start();
    const page = await app.inject({ url: "/docs/", headers: LOCAL });
    expect(page.statusCode).toBe(200);
    expect(page.headers["content-security-policy"]).toContain("script-src 'self'");
    expect(page.headers["content-security-policy"]).not.toContain("http");
    for (const [, source] of page.body.matchAll(/(?:src|href)="([^"]+)"/g))
      expect(source).not.toMatch(/^https?:|^\/\//);
  });
});

describe("http commands", () => {
  it("ack: carried out, answered with the new alert", async () => {
    const { app, service } = await start();
    const alert = fixtureAlert("b1-0-05", 1_700_000_000_000);
    service.put(alert);
    const answer = await app.inject({
      method: "POST",
      url: `/api/v1/alerts/${alert.id}/ack`,
      headers: CLIENT,
      payload: { version: 1, by: "officer 7" },
    });
    expect(answer.json().alert).toMatchObject({ acked: true, acked_by: "officer 7", version: 2 });
    expect(service.commands).toEqual([{ type: "ack", alert: alert.id, version: 1, by: "officer 7" }]);
  });

  it("ack: an old version: 409 with the alert as it is now, nothing done", async () => {
    const { app, service } = await start();
    const alert = fixtureAlert("b1-0-05", 1_700_000_000_000, { version: 4 });
    service.put(alert);
    const url = `/api/v1/alerts/${alert.id}/ack`;
    const answer = await app.inject({ method: "POST", url, headers: CLIENT, payload: { version: 3, by: "x" } });
    expect(answer.statusCode).toBe(409);
    expect(answer.json()).toMatchObject({ code: "version-stale", alert: { version: 4, acked: false } });
    expect(service.commands).toEqual([]);
  });

  it("idempotency: the same key acts once and answers the same; for another request it is refused", async () => {
    const { app, service } = await start();
    const alert = fixtureAlert("b1-0-05", 1_700_000_000_000);
    service.put(alert);
    const url = `/api/v1/alerts/${alert.id}/ack`;
    const headers = { ...CLIENT, "idempotency-key": "k1" };
    const post = (payload: object) => app.inject({ method: "POST", url, headers, payload });
    const first = await post({ version: 1, by: "x" });
    const again = await post({ version: 1, by: "x" });
    expect(again.body).toBe(first.body);
    expect(service.commands).toHaveLength(1);
    expect((await post({ version: 2, by: "x" })).json().code).toBe("idempotency-mismatch");
  });

  it("shelve: needs a reason and an end within eight hours; unshelve and close follow", async () => {
    const { app, service } = await start();
    const alert = fixtureAlert("b1-0-05", 1_700_000_000_000);
    service.put(alert);
    const post = (verb: string, payload: object) =>
      app.inject({ method: "POST", url: `/api/v1/alerts/${alert.id}/${verb}`, headers: CLIENT, payload });
    const nowMs = Date.now();
    const over = await post("shelve", { version: 1, by: "x", until: nowMs + 9 * 3_600_000, reason: "works" });
    expect([over.statusCode, over.json().code]).toEqual([422, "command-invalid"]);
    expect((await post("shelve", { version: 1, by: "x", until: nowMs + 60_000 })).statusCode).toBe(400);
    const until = nowMs + 60_000;
    expect((await post("shelve", { version: 1, by: "x", until, reason: "works" })).json().alert.shelved_until).toBe(
      until,
    );
    expect((await post("unshelve", { version: 2, by: "x" })).json().alert.shelved_until).toBeNull();
    expect((await post("close", { version: 3, by: "x", outcome: "eaten" })).statusCode).toBe(400);
    expect((await post("close", { version: 3, by: "x", outcome: "found" })).json().alert.outcome).toBe("found");
    expect((await post("ack", { version: 4, by: "x" })).json().code).toBe("alert-closed");
  });

  it("body: too large, not JSON, wrong type: problems, not crashes", async () => {
    const { app } = await start();
    const url = "/api/v1/alerts/a/ack";
    const large = await app.inject({ method: "POST", url, headers: CLIENT, payload: { by: "x".repeat(20_000) } });
    expect([large.statusCode, large.json().code]).toEqual([413, "payload-too-large"]);
    const json = { ...CLIENT, "content-type": "application/json" };
    const broken = await app.inject({ method: "POST", url, headers: json, payload: "{" });
    expect([broken.statusCode, broken.json().code]).toEqual([400, "request-invalid"]);
    const form = { ...CLIENT, "content-type": "text/plain" };
    expect((await app.inject({ method: "POST", url, headers: form, payload: "a=b" })).json().code).toBe("media-type");
    const poison = '{"version":1,"by":"x","__proto__":{"a":1}}';
    expect((await app.inject({ method: "POST", url, headers: json, payload: poison })).statusCode).toBe(400);
  });
});

describe("http searches", () => {
  const FOUND = { cell: "b1-0-05", outcome: "found", by: "Ines" };

  it("search list: cells by what is believed, with reasons; a block's and a limit's part of them", async () => {
    const { app, service } = await start();
    const alarm = { sensor: "gate-1", boot: 1, score: null, h2Db: null, h3Db: null, peakUt: null, zones: [] };
    const tsMs = service.beliefMs;
    service.belief.scan(
      { ...alarm, block: "b1", seq: 1, tsMs, method: "nljd", place: "b1-0-05", alarm: true },
      "gate-1-1-1",
    );
    const get = async (query: string) =>
      (await app.inject({ url: `/api/v1/search-list${query}`, headers: LOCAL })).json();
    const all = await get("");
    expect(all.items).toHaveLength(20);
    expect(all.items[0]).toMatchObject({ cell: "b1-0-05", block: "b1", rank: 1 });
    expect(all.items[0].p_kept).toBeGreaterThan(all.items[1].p_kept);
    expect(all.items[0].reasons).toEqual([
      { t: tsMs, kind: "scan", ref: "gate-1-1-1", odds_ratio: 3.36, text: "junction detector alarm at the cell" },
    ]);
    expect((await get("?limit=3&block=b1")).items).toHaveLength(3);
    expect((await get("?block=b9")).items).toEqual([]);
  });

  it("a search told: counts in the outcomes; of a cell that the site has not: 404; without the client header: 403", async () => {
    const { app } = await start();
    const post = (payload: object, headers: Record<string, string> = CLIENT) =>
      app.inject({ method: "POST", url: "/api/v1/searches", headers, payload });
    expect((await post(FOUND)).statusCode).toBe(200);
    const [outcomes] = (await app.inject({ url: "/api/v1/outcomes", headers: LOCAL })).json().items;
    expect(outcomes).toMatchObject({ block: "b1", searches: { searched: 1, found: 1, share: 1 } });
    expect((await post({ ...FOUND, cell: "b1-0-corridor" })).json().code).toBe("not-found");
    expect((await post(FOUND, LOCAL)).statusCode).toBe(403);
    expect((await post({ ...FOUND, outcome: "staff" })).statusCode).toBe(400);
  });
});

describe("http guards", () => {
  it("changes: without the client header or from a foreign page: 403", async () => {
    const { app } = await start();
    const url = "/api/v1/alerts/a/ack";
    const payload = { version: 1, by: "x" };
    const bare = await app.inject({ method: "POST", url, headers: LOCAL, payload });
    expect([bare.statusCode, bare.json().code]).toEqual([403, "client-header-missing"]);
    const foreign = { ...CLIENT, origin: "http://evil.example" };
    expect((await app.inject({ method: "POST", url, headers: foreign, payload })).json().code).toBe("origin-foreign");
    const own = { ...CLIENT, origin: "http://127.0.0.1:8480" };
    expect((await app.inject({ method: "POST", url, headers: own, payload })).json().code).toBe("alert-unknown");
  });

  it("host: a loopback server answers to loopback names only", async () => {
    const { app } = await start({ allowedHosts: ["cellward.local"] });
    for (const host of ["localhost:9", "127.0.0.1", "[::1]:8480", "cellward.local"]) {
      expect((await app.inject({ url: "/livez", headers: { host } })).statusCode).toBe(200);
    }
    for (const host of ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "a b"]) {
      expect((await app.inject({ url: "/livez", headers: { host } })).statusCode, host).toBe(421);
    }
  });

  it("token: demanded for the API and the metrics, not for health; wrong ones run into a limit", async () => {
    const { app } = await start({ token: TOKEN, limits: { ...DEFAULT_LIMITS, authFailuresPerMinute: 5 } });
    const get = (url: string, authorization?: string) =>
      app.inject({ url, headers: authorization === undefined ? LOCAL : { ...LOCAL, authorization } });
    for (const url of ["/api/v1/alerts", "/api/v1/stream", "/metrics"]) {
      expect((await get(url)).json().code).toBe("token-required");
    }
    expect((await get("/livez")).statusCode).toBe(200);
    expect((await get("/api/v1/alerts", `Bearer ${TOKEN}x`)).json().code).toBe("token-wrong");
    expect((await get("/api/v1/alerts", `Bearer ${TOKEN}`)).statusCode).toBe(200);
    for (let i = 0; i < 5; i++) await get("/api/v1/alerts", "Bearer guess");
    expect((await get("/api/v1/alerts", "Bearer guess")).statusCode).toBe(429);
    expect((await get("/api/v1/alerts", `Bearer ${TOKEN}`)).statusCode).toBe(200);
  });

  it("token: readyz names its reasons only to those who have it", async () => {
    const { app, service } = await start({ token: TOKEN });
    service.checks = [{ name: "broker", ready: false, detail: "mqtt://10.0.0.3 refuses the password" }];
    expect((await app.inject({ url: "/readyz", headers: LOCAL })).json().checks[0].detail).toBe("");
    const headers = { ...LOCAL, authorization: `Bearer ${TOKEN}` };
    expect((await app.inject({ url: "/readyz", headers })).json().checks[0].detail).toContain("10.0.0.3");
  });

  it("bind: beyond loopback without a token, or with a short one: TOKEN_MISSING", async () => {
    expect(await rejection(start({ host: "0.0.0.0" }))).toMatchObject({ code: "TOKEN_MISSING" });
    expect(await rejection(start({ host: "::", token: "short" }))).toMatchObject({ code: "TOKEN_MISSING" });
    const { app } = await start({ host: "0.0.0.0", token: TOKEN });
    expect((await app.inject({ url: "/livez", headers: { host: "10.1.2.3" } })).statusCode).toBe(200);
  });

  it("port: taken: PORT_TAKEN, or another one where allowed", async () => {
    const other = createTcpServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = (other as Server).address() as { port: number };
    try {
      const { server } = await start({ port });
      expect(await rejection(server.listen())).toMatchObject({ code: "PORT_TAKEN" });
      const second = await start({ port, fallback: true });
      const at = await second.server.listen();
      expect(at.replaced).toBe(true);
      expect(at.port).not.toBe(port);
      expect((await fetch(`${at.url}livez`)).status).toBe(200);
    } finally {
      other.close();
    }
  });

  it("rate: more requests than allowed: 429 as a problem", async () => {
    const { app } = await start({ limits: { ...DEFAULT_LIMITS, requestsPerMinute: 5 } });
    const codes: number[] = [];
    for (let i = 0; i < 7; i++) codes.push((await app.inject({ url: "/api/v1/site", headers: LOCAL })).statusCode);
    expect(codes.slice(0, 5)).toEqual([200, 200, 200, 200, 200]);
    expect(codes.slice(5)).toEqual([429, 429]);
  });

  it("headers: every answer forbids sniffing, framing and foreign scripts", async () => {
    const { app } = await start();
    for (const url of ["/livez", "/api/v1/alerts", "/nowhere"]) {
      const { headers } = await app.inject({ url, headers: LOCAL });
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["content-security-policy"]).toContain("default-src 'none'");
      expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
    }
  });
});
