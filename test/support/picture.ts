/**
 * Takes the README's picture anew: the console of `cellward demo`, some seconds after its first alert. Needs Chromium.
 * `npx tsx test/support/picture.ts [file]`, by default docs/images/console.png. Takes about a minute.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { startBrowser } from "./browser.ts";

/** Until the place has settled, and the history shows what was quiet before. */
const AFTER_FIRST_MS = 10_000;

const root = join(import.meta.dirname, "..", "..");
const file = process.argv[2] ?? join(root, "docs", "images", "console.png");
const flags = ["demo", "--port", "0", "--mqtt-port", "0", "--duration", "120s"];
const demo = spawn(process.execPath, [join(root, "bin", "cellward.js"), ...flags], {
  stdio: ["ignore", "pipe", "inherit"],
});
const ended = once(demo, "exit");
const browser = await startBrowser(1366, 768);
try {
  const page = await browser.context.newPage();
  await page.goto(await addressOfConsole());
  await page.locator(".row").first().waitFor({ timeout: 90_000 });
  await page.waitForTimeout(AFTER_FIRST_MS);
  await page.screenshot({ path: file });
  process.stdout.write(`${file}: ${(await page.locator(".row").allTextContents()).join("; ")}\n`);
} finally {
  await browser.close();
  demo.kill("SIGINT");
  await ended;
}

async function addressOfConsole(): Promise<string> {
  for await (const line of createInterface(demo.stdout)) {
    const url = /Console +(\S+)/.exec(line)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error("the demo ended without an address");
}
