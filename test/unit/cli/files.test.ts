import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
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

  it("a scenario file: bad input, named; a name that the library lacks: a wrong command line", async () => {
    const broken = join(dir, "broken.yaml");
    writeFileSync(broken, "name: x\n");
    const run = (name: string) => callCli(["simulate", name, "--out", join(dir, "sim")]);
    expect(await run(folder)).toMatchObject({
      code: 3,
      stderr: `cellward: FILE_UNREADABLE: the scenario ${folder}: it is a folder\n`,
    });
    const invalid = await run(broken);
    expect(invalid.code).toBe(3);
    expect(invalid.stderr).toMatch(/^cellward: SCENARIO_INVALID: .*broken\.yaml is not a scenario\n {2}about: /);
    expect(await run("nope")).toMatchObject({ code: 2, stderr: expect.stringContaining("USAGE: no scenario 'nope'") });
  });

  it("a part of a trace with nothing in it: said, for it would read as a quiet night", async () => {
    await callCli(["simulate", "one-call", "--duration", "2s", "--out", dir]);
    const trace = join(dir, "one-call.jsonl");
    const { code, stderr } = await callCli(["replay", trace, "--site", join(dir, "site.yaml"), "--from", "+1h"]);
    expect(stderr).toContain("nothing was replayed: no message lies in that part of the trace");
    expect(code).toBe(0);
  });

  it("a site file without a word: said so", async () => {
    const empty = join(dir, "empty.yaml");
    writeFileSync(empty, "# nothing yet\n");
    const { code, stdout, stderr } = await callCli(["check", empty]);
    expect(stdout + stderr).toContain("the file is empty");
    expect(code).toBe(3);
  });
});

describe("places that can't be written", () => {
  const file = join(dir, "file");
  writeFileSync(file, "");
  const trace = join(dir, "one-call.jsonl");
  const simulated = ["simulate", "one-call", "--duration", "2", "--out"];

  it.each([
    // Folders that are there and take no new one: `mkdir` with `recursive` never came back from the first.
    ["/proc/cellward", "the folder it would lie in is not there, or takes nothing new|no permission to write it"],
    [join(file, "deeper"), "a file stands there"],
    [file, "a file stands there"],
  ])("results into %s: told in words, before the work", async (out, words) => {
    await callCli([...simulated, dir]);
    const truth = join(dir, "one-call.truth.jsonl");
    const siteFile = join(dir, "site.yaml");
    for (const args of [
      [...simulated, out],
      ["config", "reference", "--out", out],
      ["replay", trace, "--site", siteFile, "--out", out],
      // What is to be scored is not even looked at.
      ["score", "--alerts", missing, "--truth", truth, "--out", out],
    ]) {
      const { code, stderr } = await callCli(args);
      expect(stderr, args.join(" ")).toMatch(new RegExp(`^cellward: FILE_UNWRITABLE: .*: (${words})\n$`));
      expect(code).toBe(3);
    }
  });

  it.each([
    ["locate", trace, "--site", site, "--out", trace],
    ["detect", trace, "--out", trace],
    ["calibrate", trace, "--labels", missing, "--site", site, "--out", `./${relative(".", trace)}`],
  ])("%s: its result into the file that it reads: refused, and the file is as it was", async (...args) => {
    await callCli([...simulated, dir]);
    const before = readFileSync(trace, "utf8");
    const { code, stderr } = await callCli(args);
    expect(stderr).toContain("is the file that is read; it would be lost");
    expect(code).toBe(2);
    expect(readFileSync(trace, "utf8")).toBe(before);
  });

  it("a recording that can't begin, a trace that can't be read: what an earlier run wrote stays", async () => {
    const kept = join(dir, "kept.jsonl");
    writeFileSync(kept, "of last night\n");
    expect((await callCli(["record", "--url", "mqtt://127.0.0.1:1", "--out", kept])).code).toBe(4);
    expect((await callCli(["locate", missing, "--site", site, "--out", kept])).code).toBe(3);
    expect(readFileSync(kept, "utf8")).toBe("of last night\n");
  });

  it.each([
    [["calibrate", trace, "--labels", missing, "--site", site, "--out", folder], "it is a folder"],
    [["calibrate", trace, "--labels", missing, "--site", site, "--out", join(missing, "c.json")], "is not there"],
    [["locate", trace, "--site", site, "--out", folder], "it is a folder"],
    [["locate", trace, "--site", site, "--out", join(missing, "p.jsonl")], "is not there"],
    [["detect", site, "--out", folder], "it is a folder"],
    [["record", "--url", "mqtt://127.0.0.1:1", "--out", folder], "it is a folder"],
  ])("%j: told in words", async (args, words) => {
    const { code, stderr } = await callCli(args);
    expect(stderr).toMatch(/^cellward: FILE_UNWRITABLE: /);
    expect(stderr).toContain(words);
    expect(code).toBe(3);
  });
});
