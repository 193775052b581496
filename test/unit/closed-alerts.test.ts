import { expect, it } from "vitest";
import { ClosedAlerts } from "../../src/closed-alerts.ts";
import { alert, change } from "./store/fixtures.ts";

const closed = (id: string) => change("update", alert(id, 3, { active: false, closed_at: 7, outcome: "found" }));

it("closed alerts: kept in order of closing, two hundred of them; open ones are not", () => {
  const kept = new ClosedAlerts();
  kept.take(change("new", alert("open", 1)));
  for (let k = 0; k < 250; k++) kept.take(closed(`a${k}`));
  expect(kept.list().map((a) => a.id)).toEqual(Array.from({ length: 200 }, (_, k) => `a${50 + k}`));
});

it("closed alerts: started again: those of the day before come from the store, before those of since", async () => {
  const kept = new ClosedAlerts();
  kept.take(closed("since"));
  const records = [change("new", alert("a1", 1)), closed("a1"), change("end", alert("a2", 2, { active: false }))];
  const asked: number[] = [];
  const store = {
    queryAlerts: async (fromMs: number, toMs: number) => {
      asked.push(toMs - fromMs);
      return records.map((c, tMs) => ({ tMs, change: c }));
    },
  };
  await kept.recall(store, 1_700_000_000_000);
  expect(asked).toEqual([24 * 3600_000]);
  expect(kept.list().map((a) => a.id)).toEqual(["a1", "since"]);
  await kept.recall({ queryAlerts: () => Promise.reject(new Error("away")) }, 1_700_000_000_000);
});
