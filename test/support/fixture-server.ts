/**
 * The real server and the real console over the fixture, to look at by hand:
 * `npx tsx test/support/fixture-server.ts [scene] [port]`. Builds the console first.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { pino } from "pino";
import { wallClock } from "../../src/clock.ts";
import { createServer, type HttpOptions, type HttpServer } from "../../src/http/server.ts";
import type { ServiceView } from "../../src/http/service-view.ts";
import { fixtureScene, SCENES, type Scene } from "./fixture-scenes.ts";

/** Builds the console into a folder of its own and gives its path. */
export function buildConsole(): string {
  const folder = join(mkdtempSync(join(tmpdir(), "cellward-console-")), "console");
  const script = join(import.meta.dirname, "..", "..", "src", "console", "build.js");
  const done = spawnSync(process.execPath, [script, folder], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`the console does not build:\n${done.stderr}`);
  return folder;
}

export async function serveFixture(
  service: ServiceView,
  consoleDir: string,
  options: Partial<HttpOptions> = {},
): Promise<{ readonly server: HttpServer; readonly url: string }> {
  const server = await createServer({
    service,
    clock: wallClock,
    log: pino({ level: "warn" }),
    options: { port: 0, consoleDir, ...options },
  });
  const { url } = await server.listen();
  return { server, url };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const scene = (process.argv[2] ?? "mixed") as Scene;
  if (!SCENES.includes(scene)) throw new Error(`scenes are ${SCENES.join(", ")}`);
  const port = Number(process.argv[3] ?? 0);
  const { url } = await serveFixture(fixtureScene(scene), buildConsole(), { port });
  process.stdout.write(`${scene}: ${url}\n`);
}
