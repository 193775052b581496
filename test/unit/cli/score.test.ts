import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callCli } from "../../support/cli.ts";
import { alert, episode, raise, s } from "../../support/scoring.ts";

const dir = mkdtempSync(join(tmpdir(), "cellward-score-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const lines = (values: readonly unknown[]) => values.map((v) => `${JSON.stringify(v)}\n`).join("");
const alerts = join(dir, "alerts.jsonl");
const truth = join(dir, "day.truth.jsonl");

beforeAll(() => {
  writeFileSync(alerts, lines([raise(alert("a1", 3, 100, 160), 104)]));
  writeFileSync(truth, lines([episode("e1", "p1", 100, 160, 3), episode("e2", "p2", 500, 560, 6)]));
});

describe("cellward score", () => {
  it("one of a kind: in the singular", async () => {
    const one = join(dir, "one");
    writeFileSync(`${one}.jsonl`, lines([raise(alert("a1", 3, 300, 360), 304)]));
    writeFileSync(`${one}.truth.jsonl`, lines([episode("e1", "p1", 100, 160, 3)]));
    const missed = ["--threshold", "recall>=0.5"];
    const end = await callCli(["score", "--alerts", `${one}.jsonl`, "--truth", `${one}.truth.jsonl`, ...missed]);
    expect(end.stdout).toContain("one: 0 of 1 use found, 1 false alert, 0 doubles");
    expect(end.stderr).toContain("THRESHOLD_MISSED: 1 of 1 threshold missed");
    expect(end.code).toBe(99);
    const series = join(dir, "one.csv");
    writeFileSync(series, "timestamp,value\n2026-03-02 08:00:00,1\n");
    expect((await callCli(["detect", series, "--out", join(dir, "one.out")])).stderr).toBe(
      "cellward: 1 row, 0 alarms\n",
    );
  });

  it("score: table on stdout, files where asked, exit 0", async () => {
    const out = join(dir, "out");
    const end = await callCli([
      "score",
      "--alerts",
      alerts,
      "--truth",
      truth,
      "--out",
      out,
      "--threshold",
      "recall>=0.5",
    ]);
    expect(end.code, end.stderr).toBe(0);
    expect(end.stdout).toMatch(/day: 1 of 2 uses found, 0 false alerts/);
    expect(end.stdout).toMatch(/recall +50 %/);
    expect(JSON.parse(readFileSync(join(out, "score.json"), "utf8")).detection.uses).toMatchObject({ hits: 1, n: 2 });
    expect(existsSync(join(out, "score.md")) && existsSync(join(out, "score.html"))).toBe(true);
    // The score just written is a baseline for the next.
    const again = await callCli([
      "score",
      "--alerts",
      alerts,
      "--truth",
      truth,
      "--baseline",
      join(out, "score.json"),
      "--json",
    ]);
    expect([again.code, again.stdout]).toEqual([0, readFileSync(join(out, "score.json"), "utf8")]);
  });

  it("score: a missed threshold: exit 99, says what it was", async () => {
    const end = await callCli([
      "score",
      "--alerts",
      alerts,
      "--truth",
      truth,
      "--threshold",
      "recall>=0.95",
      "--threshold",
      "false=0",
    ]);
    expect(end.code).toBe(99);
    expect(end.stderr).toMatch(/THRESHOLD_MISSED: 1 of 2 thresholds missed\n {2}recall>=0.95: it is 0.5/);
  });

  it("score: nonsense in flags: exit 2; bad files: exit 3 with the line", async () => {
    const bad = join(dir, "bad.jsonl");
    writeFileSync(bad, `${lines([raise(alert("a1", 3, 100, 160), 104)])}{"t":${s(1)},"type":"opened"}\n`);
    const cases: [string[], number, RegExp][] = [
      [["--alerts", alerts, "--truth", truth, "--threshold", "recal>1"], 2, /no figure 'recal'/],
      [["--alerts", bad, "--truth", truth], 3, /bad.jsonl: line 2: "type" must be/],
      [["--alerts", alerts, "--truth", alerts], 3, /alerts.jsonl: line 1: id: /],
      [["--alerts", alerts, "--truth", join(dir, "none.truth.jsonl")], 3, /none.truth.jsonl: there is no such file/],
      [["--alerts", alerts, "--truth", truth, "--baseline", truth], 3, /this is not a score.json/],
    ];
    for (const [args, code, text] of cases) {
      const end = await callCli(["score", ...args]);
      expect([end.code, end.stderr]).toEqual([code, expect.stringMatching(text)]);
    }
  });
});
