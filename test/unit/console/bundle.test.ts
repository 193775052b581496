import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { pino } from "pino";
import { beforeAll, describe, expect, it } from "vitest";
import { wallClock } from "../../../src/clock.ts";
import { createServer } from "../../../src/http/server.ts";
import { buildConsole } from "../../support/fixture-server.ts";
import { FixtureService } from "../../support/fixture-service.ts";

describe("console bundle", () => {
  let folder = "";
  beforeAll(() => {
    folder = buildConsole();
  });

  it("size: all scripts together stay below 60 kB gzipped", () => {
    const scripts = readdirSync(join(folder, "assets")).filter((name) => name.endsWith(".js"));
    expect(scripts.length).toBeGreaterThan(0);
    const bytes = scripts.reduce((n, name) => n + gzipSync(readFileSync(join(folder, "assets", name))).length, 0);
    expect(bytes).toBeLessThan(60_000);
  });

  it("page: names only hashed files that exist, nothing inline and nothing from elsewhere", () => {
    const html = readFileSync(join(folder, "index.html"), "utf8");
    const named = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((m) => m[1]!);
    expect(named.length).toBe(3);
    for (const path of named) {
      expect(path).toMatch(/^\/assets\/[a-z]+-[A-Z0-9]{8}\.(?:js|css|svg)$/);
      expect(statSync(join(folder, path)).size).toBeGreaterThan(100);
    }
    expect(html).not.toMatch(/<style|style=|<script(?![^>]*src=)/);
  });

  it("served: the page is never kept, its hashed files for ever, both under the policy", async () => {
    const log = pino({ level: "silent" });
    const service = new FixtureService();
    const { app, close } = await createServer({
      service,
      clock: wallClock,
      log,
      options: { port: 0, consoleDir: folder },
    });
    const headers = { host: "localhost" };
    const page = await app.inject({ url: "/", headers });
    expect(page.headers["cache-control"]).toBe("no-cache");
    expect(page.headers["content-security-policy"]).toContain("script-src 'self';");
    const script = /src="([^"]+)"/.exec(page.body)![1]!;
    const file = await app.inject({ url: script, headers });
    expect(file.statusCode).toBe(200);
    expect(file.headers["cache-control"]).toContain("immutable");
    expect(file.headers["content-type"]).toContain("javascript");
    expect((await app.inject({ url: "/../package.json", headers })).statusCode).toBe(404);
    await close();
  });
});
