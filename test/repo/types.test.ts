import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");

// The build compiles what ships; this also takes the tests, and the console with its own settings (a browser, JSX).
const projects = ["tsconfig.json", "src/console/tsconfig.json"].filter((p) => existsSync(join(root, p)));

test.each(projects)(
  "types: %s: the compiler finds nothing",
  (project) => {
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    const done = spawnSync(process.execPath, [tsc, "--noEmit", "-p", project], { cwd: root, encoding: "utf8" });
    expect(done.status, done.stdout + done.stderr).toBe(0);
  },
  300_000,
);
