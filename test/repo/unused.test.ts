import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");

test("unused: files and dependencies: knip finds none", () => {
  const knip = join(root, "node_modules", "knip", "bin", "knip.js");
  const done = spawnSync(process.execPath, [knip, "--no-progress"], { cwd: root, encoding: "utf8" });
  expect(done.status, done.stdout + done.stderr).toBe(0);
}, 300_000);
