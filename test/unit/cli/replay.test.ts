import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SensorLoss } from "../../../simulator/score.ts";
import type { AlertLine } from "../../../src/replay.ts";
import { callCli } from "../../support/cli.ts";

const dir = mkdtempSync(join(tmpdir(), "cellward-replay-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const SCENARIO = `
name: small
about: Three calls in a block of twelve cells.
expect: {why: Calls of half a minute., alerts: [1, 3]}
site: {generate: {id: small, floors: 1, columns: 6, layout: pair, every: 2, wall: concrete-200, bands: [lte800-ul, gsm900-ul], street: false}}
duration_s: 260
people:
  - {id: p1, phone: lte, actions: [{do: call, at_s: 140, duration_s: 25}]}
  - {id: p2, phone: lte, actions: [{do: call, at_s: 180, duration_s: 25}]}
  - {id: p3, phone: gsm-mini, actions: [{do: call, at_s: 220, duration_s: 25}]}
`;
const TWO_BLOCKS = `
name: two
about: A phone at full power, heard in the next block too.
expect: {why: One phone is one alert., alerts: [1, 1]}
site: {generate: {id: two, blocks: 2, floors: 1, columns: 4, layout: door, wall: concrete-200, bands: [gsm900-ul], street: false}}
duration_s: 200
people:
  - {id: p1, phone: gsm-mini, at: b1-0-02, actions: [{do: call, at_s: 140, duration_s: 25, band: gsm900-ul}]}
`;
const single = join(dir, "single");
const batched = join(dir, "batched");
const replayOf = (from: string, out: string, ...more: string[]) =>
  callCli([
    "replay",
    join(from, "small.jsonl"),
    "--site",
    join(from, "site.yaml"),
    "--truth",
    join(from, "small.truth.jsonl"),
    "--out",
    join(dir, out),
    ...more,
  ]);

beforeAll(async () => {
  const path = join(dir, "small.yaml");
  writeFileSync(path, SCENARIO);
  for (const [out, batch] of [
    [single, "1"],
    [batched, "7"],
  ] as const) {
    const end = await callCli(["simulate", path, "--seed", "3", "--out", out, "--batch", batch]);
    expect(end.code, end.stderr).toBe(0);
  }
});

describe("cellward replay --site", () => {
  // Seed 3 hangs on shares of air time, which batches must carry too.
  it("replay: twice, and from another batch cut: the same bytes of alerts and score, calls found", async () => {
    const ends = [await replayOf(single, "a"), await replayOf(single, "b"), await replayOf(batched, "c")];
    for (const end of ends) expect(end.code, end.stderr).toBe(0);
    expect(ends[0]!.stdout).toMatch(/small: [1-3] of 3 uses found/);
    const read = (run: string, name: string) => readFileSync(join(dir, run, name), "utf8");
    expect(read("a", "alerts.jsonl").length).toBeGreaterThan(100);
    expect(read("b", "alerts.jsonl")).toBe(read("a", "alerts.jsonl"));
    expect(read("b", "score.json")).toBe(read("a", "score.json"));
    expect(read("c", "alerts.jsonl")).toBe(read("a", "alerts.jsonl"));
    const { items } = JSON.parse(read("a", "search-list.json"));
    expect(items[0]).toMatchObject({ block: "b1", rank: 1 });
    expect(items[0].reasons[0].kind).toBe("use");
    expect(read("c", "search-list.json")).toBe(read("a", "search-list.json"));
  });

  it("replay: two blocks that hear the same phone: one alert, in its block, and the same bytes from another batch cut", async () => {
    const path = join(dir, "two.yaml");
    writeFileSync(path, TWO_BLOCKS);
    const alerts: string[] = [];
    for (const batch of ["1", "7"]) {
      const out = join(dir, `two-${batch}`);
      const made = await callCli(["simulate", path, "--seed", "4", "--out", out, "--batch", batch]);
      expect(made.code, made.stderr).toBe(0);
      const files = [join(out, "two.jsonl"), "--site", join(out, "site.yaml"), "--truth", join(out, "two.truth.jsonl")];
      const end = await callCli(["replay", ...files, "--out", join(out, "report")]);
      expect(end.code, end.stderr).toBe(0);
      alerts.push(readFileSync(join(out, "report", "alerts.jsonl"), "utf8"));
    }
    expect(alerts[1]).toBe(alerts[0]);
    const lines = alerts[0]!
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as AlertLine);
    const phones = lines.filter((l) => l.type === "new" && l.after.kind === "phone-active").map((l) => l.after.block);
    expect(phones).toEqual(["b1"]);
  });

  it("replay: a missed threshold: exit 99; a part of the trace: its part of the truth", async () => {
    expect((await replayOf(single, "d", "--threshold", "delay_p50_s<=0.001")).code).toBe(99);
    const early = await replayOf(single, "e", "--duration", "60s", "--json");
    expect(early.code, early.stderr).toBe(0);
    expect(JSON.parse(early.stdout).detection.uses.n).toBe(0);
  });

  it("replay: each sensor out: a table with every sensor, dearest first, and the same counts as a replay without it", async () => {
    const end = await replayOf(single, "loss", "--each-sensor-out", "--only", "b1-s001", "--only", "b1-s002");
    expect(end.code, end.stderr).toBe(0);
    const losses = JSON.parse(readFileSync(join(dir, "loss", "loss.json"), "utf8")) as SensorLoss[];
    expect(losses.map((l) => l.sensor)).toEqual([null, "b1-s001", "b1-s002"]);
    for (const [gone, kept] of [
      ["b1-s001", "b1-s002"],
      ["b1-s002", "b1-s001"],
    ] as const) {
      const alone = await replayOf(single, `only-${kept}`, "--only", kept, "--json");
      const { uses } = JSON.parse(alone.stdout).detection;
      expect(losses.find((l) => l.sensor === gone)).toMatchObject({ uses: uses.n, found: uses.hits });
    }
    expect(readFileSync(join(dir, "loss", "score.md"), "utf8")).toMatch(/sensor's loss costs[\s\S]*\| none \|/);
    expect(readFileSync(join(dir, "loss", "score.html"), "utf8")).toMatch(
      /sensor&#39;s loss costs|sensor's loss costs/,
    );
  });

  it("replay: damaged and mismatched files: exit 3 and the reason", async () => {
    const whole = readFileSync(join(single, "small.jsonl"), "utf8");
    const site = join(single, "site.yaml");
    const cases: [name: string, text: string, reason: RegExp][] = [
      ["cut.jsonl", whole.slice(0, -20), /line \d+: the line is cut off/],
      ["version.jsonl", whole.replace('"cellward_trace":1', '"cellward_trace":9'), /line 1: the trace is of version 9/],
      ["order.jsonl", `${whole}{"t":1,"topic":"a","payload":{}}\n`, /out of order/],
      ["house.jsonl", whole.replace('"site":"small"', '"site":"elsewhere"'), /recorded at site 'elsewhere'/],
    ];
    for (const [name, text, reason] of cases) {
      const path = join(dir, name);
      writeFileSync(path, text);
      const end = await callCli(["replay", path, "--site", site]);
      expect([name, end.code, end.stderr]).toEqual([name, 3, expect.stringMatching(reason)]);
    }
    const truth = join(dir, "other.truth.jsonl");
    const episode = readFileSync(join(single, "small.truth.jsonl"), "utf8").trim().split("\n")[0]!;
    writeFileSync(truth, `${JSON.stringify({ ...JSON.parse(episode), start: 5, end: 6 })}\n`);
    const foreign = await callCli(["replay", join(single, "small.jsonl"), "--site", site, "--truth", truth]);
    expect([foreign.code, foreign.stderr]).toEqual([3, expect.stringMatching(/this truth belongs to another/)]);
    const alone = await callCli(["replay", join(dir, "no.jsonl"), "--site", site, "--truth", truth]);
    expect([alone.code, alone.stderr]).toEqual([3, expect.stringMatching(/no.jsonl: there is no such file/)]);
  });

  it("replay: flags that don't go together: exit 2", async () => {
    const path = join(single, "small.jsonl");
    for (const args of [
      [],
      ["--to", "mqtt://x", "--site", "y"],
      ["--to", "mqtt://x", "--truth", "t"],
      ["--site", "y", "--loop"],
      ["--site", "y", "--threshold", "recall>=1"],
      ["--site", "y", "--drop", "2"],
    ]) {
      expect([args, (await callCli(["replay", path, ...args])).code]).toEqual([args, 2]);
    }
    const mistyped = await replayOf(single, "f", "--without", "b1-s1");
    expect(mistyped.code).toBe(2);
    expect(mistyped.stderr).toMatch(/no sensor b1-s1; it has 7: b1-s001/);
    expect(
      (await callCli(["replay", join(single, "small.jsonl"), "--site", join(single, "site.yaml"), "--each-sensor-out"]))
        .code,
    ).toBe(2);
  });
});
