import { describe, expect, it } from "vitest";
import { shower, wrap } from "../../../src/cli/demo.ts";
import type { TruthEpisode } from "../../../src/contracts.ts";
import { callCli } from "../../support/cli.ts";
import { fixtureAlert } from "../../support/fixture-service.ts";

const T = Date.UTC(2026, 6, 1, 12, 0, 0);
const call = {
  id: "e1",
  emitter: "caller",
  legitimate: false,
  start: T,
  end: T + 30_000,
  band: "gsm900-ul",
  activity: "call",
  cell: "b1-1-05",
} as TruthEpisode;

function told() {
  const lines: string[] = [];
  const shown = shower([call], { startMs: T, timeZone: "Europe/Paris", say: (line) => lines.push(line) });
  return { lines, shown };
}

describe("demo", () => {
  it("truth: its time is the house's, as on the console", () => {
    const { lines, shown } = told();
    shown.truth();
    expect(lines).toEqual(["14:00:00  truth  caller call in b1-1-05, gsm900-ul"]);
  });

  it("alerts: each with its verdict; no update that changes neither the place nor how urgent it is", () => {
    const { lines, shown } = told();
    const after = fixtureAlert("b1-1-05", T + 2000, { text: "Phone in use in b1-1-05." });
    shown.alert({ type: "new", before: null, after });
    shown.alert({ type: "update", before: after, after: { ...after, version: 2, activity: "message" } });
    const elsewhere = { ...after, version: 3, cell: "b1-1-06", text: "Phone in use in b1-1-06." };
    shown.alert({ type: "update", before: after, after: elsewhere });
    expect(lines.map((line) => line.slice(10))).toEqual([
      "ALERT  new after 3.0 s: Phone in use in b1-1-05.  [right cell]",
      "ALERT  update: Phone in use in b1-1-06.  [truth: b1-1-05]",
    ]);
    expect(shown.summary()).toContain("on the right cell: 1, on another: 0");
  });

  it("a fault of a sensor: no verdict, for there is no truth of it", () => {
    const { lines, shown } = told();
    shown.alert({
      type: "new",
      before: null,
      after: fixtureAlert("b1-1-05", T, { kind: "sensor-fault", text: "Sensor b1-s04 is silent." }),
    });
    expect(lines[0]!.slice(10)).toBe("ALERT  new after 3.0 s: Sensor b1-s04 is silent.");
  });

  it("a narrow terminal: lines break between words and go on under them", () => {
    const line = "14:00:00  ALERT  new: Phone in use in cell b1-1-05 (98 %), heard by twelve sensors.";
    expect(wrap(line, 40)).toEqual([
      "14:00:00  ALERT  new: Phone in use in",
      "          cell b1-1-05 (98\u00a0%), heard by",
      "          twelve sensors.",
    ]);
    expect(wrap(line, 26)).toContain("          cell b1-1-05");
    expect(wrap("short", 80)).toEqual(["short"]);
    expect(wrap(`  ${"x".repeat(50)} y`, 20)).toEqual([`  ${"x".repeat(50)}`, "y"]);
    expect(wrap("x".repeat(50), 1)).toEqual(["x".repeat(50)]);
  });

  it.each([
    [["--seed", "x"], "a whole number is needed"],
    [["--port", "99999"], "A port is a whole number from 0 to 65535."],
    [["--mqtt-port", "abc"], "A port is a whole number from 0 to 65535."],
    [["--duration", "soon"], "A duration is a number with ms, s, m, h or d"],
    [["--scenario", "nope"], "USAGE: no scenario 'nope'"],
  ])("%j: a wrong command line, said before anything starts", async (flags, words) => {
    const { code, stderr } = await callCli(["demo", ...flags]);
    expect(stderr).toContain(words);
    expect(code).toBe(2);
  });
});
