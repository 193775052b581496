/** A Chromium that talks to nobody but the server under test. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium } from "playwright-core";
import { chromiumPath } from "./servers.ts";

export interface RunningBrowser {
  readonly context: BrowserContext;
  close(): Promise<void>;
}

export async function startBrowser(width: number, height: number): Promise<RunningBrowser> {
  const profile = mkdtempSync(join(tmpdir(), "cellward-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: chromiumPath(),
    headless: true,
    viewport: { width, height },
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  return {
    context,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
