import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";
import { isLocked, lockFolder } from "../../../src/store/lock.ts";
import { until } from "../../support/servers.ts";

const dirs: string[] = [];
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});
function folder(): string {
  dirs.push(mkdtempSync(join(tmpdir(), "cellward-lock-")));
  return dirs.at(-1)!;
}

it("folder lock: taken twice: the second is refused with the owner's number; released, it can be taken again", () => {
  const dir = folder();
  const lock = lockFolder(dir);
  expect(() => lockFolder(dir)).toThrow(
    expect.objectContaining({ code: "DATA_DIR_LOCKED", message: expect.stringContaining(`process ${process.pid}`) }),
  );
  expect(isLocked(dir)).toBe(true);
  lock.release();
  lock.release();
  expect(isLocked(dir)).toBe(false);
  lockFolder(dir).release();
});

it("folder lock: its process is killed: free at once, whatever lies there", async () => {
  const dir = folder();
  const source = fileURLToPath(new URL("../../../src/store/lock.ts", import.meta.url));
  const code = `import { lockFolder } from ${JSON.stringify(source)}; lockFolder(${JSON.stringify(dir)}); console.log("held"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", code]);
  let said = "";
  child.stdout.on("data", (chunk) => {
    said += chunk;
  });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  await until("the lock", () => said.includes("held"));
  expect(isLocked(dir)).toBe(true);
  child.kill("SIGKILL");
  await ended;
  expect(isLocked(dir)).toBe(false);
});
