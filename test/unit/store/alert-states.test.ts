import { expect, it } from "vitest";
import type { Alert, AlertChange } from "../../../src/model.ts";
import { AlertStates } from "../../../src/store/alert-states.ts";
import { newLines } from "../../../src/store/lines.ts";
import { alert } from "./fixtures.ts";

/** What a series says after each change of one alert, as `level open acked`. */
function told(steps: readonly Partial<Alert>[], type: AlertChange["type"] = "update"): string[] {
  const states = new AlertStates("demo");
  return steps.map((step, i) => {
    const out = newLines();
    const after = { ...alert("a1", i + 1), severity: "high", ...step } as Alert;
    states.change(out, 1000 * i, { type, before: null, after });
    expect(out.lines).toHaveLength(1);
    return /level=(\d)i,open=(\d)i,acked=(\d)i/.exec(out.lines[0]!)!.slice(1).join(" ");
  });
}

it("alert states: a phone falls silent: the series stays up until somebody has seen the alert, and open until it is closed", () => {
  const over = { active: false };
  expect(told([{ active: true }, over, { ...over, acked: true }])).toEqual(["3 1 0", "3 1 0", "0 1 1"]);
  // As it comes from the book: the end is an event of its own, the closing an update.
  expect(told([over], "end")).toEqual(["3 1 0"]);
  expect(told([{ ...over, acked: true, closed_at: 5 }])).toEqual(["0 0 1"]);
});

it("alert states: acknowledged while it goes on: still up", () => {
  expect(told([{ active: true, acked: true }])).toEqual(["3 1 1"]);
});
