import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

it("fault bench: short slice with real kills: every target met, every control caught", () => {
  const done = spawnSync(process.execPath, [join(root, "bin/bench.js"), "faults", "--short"], {
    encoding: "utf8",
    timeout: 240_000,
  });
  expect(done.stdout, done.stdout).not.toMatch(/MISSED|NOT CAUGHT/);
  expect(done.stdout.match(/: caught/g)?.length).toBe(8);
  expect(done.status).toBe(0);
}, 300_000);
