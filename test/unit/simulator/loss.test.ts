import { describe, expect, it } from "vitest";
import { addLosses, lossTable, matchRun, sensorLoss } from "../../../simulator/score.ts";
import { alert, episode, raise, row, s } from "../../support/scoring.ts";

const truth = [episode("e1", "p1", 100, 160, 3), episode("e2", "p2", 500, 560, 6)];
const both = [raise(alert("a1", 3, 100, 160), 104), raise(alert("a2", 6, 500, 560), 503)];
const run = (alerts: typeof both) => matchRun({ alerts, truth, site: row(), fromMs: s(0), untilMs: s(3600) });
const limit = (...ranks: number[]) => ranks.map((rank) => ({ found: rank >= 0, rank }));

describe("sensor loss", () => {
  it("loss: a use that is only found with the sensor: it is named, and costs its share", () => {
    const whole = run(both);
    const losses = [
      sensorLoss(null, whole, null, limit(1, 1)),
      sensorLoss("s1", run(both), whole, limit(1, 2)),
      sensorLoss("s2", run(both.slice(1)), whole, limit(-1, 1)),
    ];
    expect(losses[2]).toMatchObject({ uses: 2, found: 1, right: 1, lost: [whole.uses[0]!.id] });
    const { rows } = lossTable(losses);
    expect(rows.map((r) => r[0])).toEqual(["none", "s2", "s1"]);
    expect(rows[1]).toEqual(["s2", "50 %", "50 %", "0", "-50.0", "-50.0", "-50.0", "-50.0"]);
    expect(rows[2]).toEqual(["s1", "100 %", "100 %", "0", "0", "0", "0", "-50.0"]);
  });

  it("loss: runs are added sensor by sensor; one that was not tried everywhere is an error", () => {
    const whole = run(both);
    const one = [sensorLoss(null, whole, null, null), sensorLoss("s1", run(both.slice(1)), whole, null)];
    const [none, s1] = addLosses([one, one]);
    expect(none).toMatchObject({ uses: 4, found: 4, limit: null });
    expect(s1).toMatchObject({ uses: 4, found: 2, right: 2 });
    expect(s1!.lost).toHaveLength(2);
    expect(() => addLosses([one, one.slice(0, 1)])).toThrow("s1");
    expect(lossTable(addLosses([one])).head).toHaveLength(6);
  });
});
