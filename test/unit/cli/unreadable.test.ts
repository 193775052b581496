import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { callCli } from "../../support/cli.ts";

const dir = mkdtempSync(join(tmpdir(), "cellward-unreadable-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const missing = join(dir, "missing");
const folder = join(dir, "folder");
mkdirSync(folder);
const site = "sensors/sites/demo.yaml";

describe("files that can't be read", () => {
  it.each([
    [["check", missing], "there is no such file"],
    [["check", folder], "it is a folder"],
    [["config", "check", "--config", missing], "there is no such file"],
    [["config", "check", "--config", folder], "it is a folder"],
    [["replay", missing, "--site", site], "there is no such file"],
    [["replay", folder, "--site", site], "it is a folder"],
    [["locate", missing, "--site", missing, "--out", join(dir, "p.jsonl")], "there is no such file"],
    [["detect", missing], "there is no such file"],
    [["detect", folder], "it is a folder"],
    [["score", "--alerts", missing, "--truth", missing], "there is no such file"],
  ])("%j: told in words", async (args, words) => {
    const { code, stderr } = await callCli(args);
    expect(stderr).toMatch(/^cellward: FILE_UNREADABLE: .*(missing|folder): /);
    expect(stderr.trimEnd().endsWith(words), stderr).toBe(true);
    expect(code).toBe(3);
  });

  it("a site file without a word: said so", async () => {
    const empty = join(dir, "empty.yaml");
    writeFileSync(empty, "# nothing yet\n");
    const { code, stdout, stderr } = await callCli(["check", empty]);
    expect(stdout + stderr).toContain("the file is empty");
    expect(code).toBe(3);
  });
});
