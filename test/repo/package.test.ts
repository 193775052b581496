/** What `npm pack` makes is what people install: it has to run by itself, without sources and without a build. */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const run = promisify(execFile);

const VERBS = [..."demo run check config simulate record replay score calibrate locate detect".split(" ")] as const;

describe("package", () => {
  const dir = mkdtempSync(join(tmpdir(), "cellward-pack-"));
  const home = join(dir, "node_modules", "cellward");
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  beforeAll(() => {
    // Not through `prepack`: the build is there already, and other tests are running from it.
    const packed = execFileSync("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", dir], {
      cwd: root,
      encoding: "utf8",
    });
    const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
    mkdirSync(home, { recursive: true });
    execFileSync("tar", ["-xzf", join(dir, filename), "-C", home, "--strip-components=1"]);
    symlinkSync(join(root, "node_modules"), join(home, "node_modules"));
  });

  const cellward = (...args: string[]) =>
    run(process.execPath, [join(home, "bin", "cellward.js"), ...args], { cwd: dir });

  test("package: its version: is the one of package.json", async () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
    expect((await cellward("--version")).stdout.trim()).toBe(version);
  });

  test("package: its files: neither sources nor tests", () => {
    for (const name of ["src", "test", "tsconfig.json"]) expect(existsSync(join(home, name)), name).toBe(false);
  });

  test.each(VERBS)(
    "package: %s --help: tells the usage on stdout and ends with 0",
    async (verb) => {
      const { stdout } = await cellward(verb, "--help");
      expect(stdout).toContain(`Usage: cellward ${verb}`);
      expect(stdout.split("\n").length).toBeGreaterThan(3);
    },
    120_000,
  );

  test("package: no verb: the list of all of them", async () => {
    const { stdout } = await cellward();
    for (const verb of VERBS) expect(stdout).toMatch(new RegExp(`^ {2}${verb}\\b`, "m"));
  });

  test("package: an unknown verb: exit 2 and a hint on stderr", async () => {
    await expect(cellward("demmo")).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining("demo") });
  });
});
