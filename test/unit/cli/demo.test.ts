import { describe, expect, it } from "vitest";
import { shower, wrap } from "../../../src/cli/demo.ts";
import type { TruthEpisode } from "../../../src/contracts.ts";
import type { Alert } from "../../../src/model.ts";
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

const NO_REST = { lastsMs: 240_000, restsMs: 0 };
function told(truth: readonly TruthEpisode[] = [call], round = NO_REST) {
  const lines: string[] = [];
  const shown = shower(truth, {
    startMs: T,
    timeZone: "Europe/Paris",
    measured: new Set(["gsm900-ul", "lte800-ul"]),
    round,
    say: (line) => lines.push(line.slice(10)),
  });
  return { lines, shown };
}
const alertIn = (cell: string, more: Partial<Alert> = {}) =>
  fixtureAlert(cell, T + 2000, { text: `Phone in use in ${cell}.`, bands: ["gsm900-ul"], ...more });

describe("demo", () => {
  it("truth: its time is the house's, as on the console", () => {
    const lines: string[] = [];
    const say = (line: string) => lines.push(line);
    shower([call], {
      startMs: T,
      timeZone: "Europe/Paris",
      measured: new Set(["gsm900-ul"]),
      round: NO_REST,
      say,
    }).truth();
    expect(lines).toEqual(["14:00:00  truth  caller call in b1-1-05, gsm900-ul"]);
  });

  it("a phone on a band that no sensor measures: said, for there can be no alert of it", () => {
    const { lines, shown } = told([call, { ...call, emitter: "surfer", band: "lte2600-ul" }]);
    shown.truth();
    expect(lines[1]).toBe("truth  surfer call in b1-1-05, lte2600-ul, a band that no sensor here measures");
    expect(shown.summary()).toContain("2 transmissions");
    expect(shown.summary()).toContain("s, 1 of them on bands that no sensor measures; alerts");
  });

  it("alerts: after the truth they are of, each with its verdict; no update that changes neither the place nor how urgent it is", () => {
    const { lines, shown } = told();
    const after = alertIn("b1-1-05");
    shown.alert({ type: "new", before: null, after });
    shown.alert({ type: "update", before: after, after: { ...after, version: 2, activity: "message" } });
    shown.alert({ type: "update", before: after, after: { ...alertIn("b1-1-06"), version: 3 } });
    expect(lines).toEqual([
      "truth  caller call in b1-1-05, gsm900-ul",
      "ALERT  new after 3.0 s: Phone in use in b1-1-05.  [right cell]",
      "ALERT  update: Phone in use in b1-1-06.  [truth: b1-1-05]",
    ]);
    expect(shown.summary()).toContain("on the right cell: 1, on another: 0");
  });

  it("the verdict is of who was on in the alert's bands: a guard's call is not held against a phone in another band", () => {
    const guard = { ...call, emitter: "guard", legitimate: true, band: "lte800-ul", cell: "b1-0-staff" };
    const { lines, shown } = told([call, guard]);
    shown.alert({ type: "new", before: null, after: alertIn("b1-0-08", { bands: ["lte800-ul"] }) });
    shown.alert({ type: "new", before: null, after: alertIn("b1-0-08", { bands: ["lte1800-ul"] }) });
    expect(lines.slice(2)).toEqual([
      "ALERT  new after 3.0 s: Phone in use in b1-0-08.  [truth: guard (allowed) in b1-0-staff]",
      "ALERT  new after 3.0 s: Phone in use in b1-0-08.  [no phone was on]",
    ]);
    expect(shown.summary()).toContain("on the right cell: 0, on another: 2");
  });

  it("a rest between two rounds: told once a round, with its end; without one: nothing", () => {
    const { lines, shown } = told([], { lastsMs: 1000, restsMs: Date.now() - T - 1500 });
    shown.truth();
    shown.truth();
    expect(lines).toEqual([
      expect.stringMatching(/^Nobody transmits until \d\d:\d\d:\d\d; then the block wakes up again\.$/),
    ]);
  });

  it("a fault of a sensor: no verdict, for there is no truth of it", () => {
    const { lines, shown } = told([]);
    const text = "Sensor b1-s04 is silent.";
    shown.alert({ type: "new", before: null, after: fixtureAlert("b1-1-05", T, { kind: "sensor-fault", text }) });
    expect(lines).toEqual(["ALERT  new after 3.0 s: Sensor b1-s04 is silent."]);
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
