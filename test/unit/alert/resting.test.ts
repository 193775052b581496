import { describe, expect, it } from "vitest";
import type { Alert, Outcome, PipelineEvent } from "../../../src/model.ts";
import type { BlockPipeline } from "../../../src/pipeline.ts";
import { playToy, type ToyEmitter, toyPipeline, toyReadings, toySite } from "../../support/toy-block.ts";

const T0 = 1_700_000_000_000;
const site = toySite();
const s = (seconds: number) => T0 + seconds * 1000;
const call = (fromS: number, untilS: number): ToyEmitter => ({
  fromMs: s(fromS),
  untilMs: s(untilS),
  xM: 6.2,
  yM: 2,
  eirpDbm: 0,
});

const changes = (events: readonly PipelineEvent[]) => events.flatMap((e) => (e.type === "alert" ? [e.change] : []));
const news = (events: readonly PipelineEvent[]): Alert[] =>
  changes(events).flatMap((c) => (c.type === "new" ? [c.after] : []));

function closed(made: BlockPipeline, events: readonly PipelineEvent[], outcome: Outcome, nowMs: number): Alert {
  const { id, version } = changes(events).at(-1)!.after;
  const result = made.command({ type: "close", alert: id, version, by: "x", outcome }, nowMs);
  if (!result.ok) throw new Error(result.detail);
  return result.alert;
}

/** One run: calls, an alert closed at `closeS`; what was told before and after the closing. */
function run(calls: readonly ToyEmitter[], closeS: number, outcome: Outcome, untilS: number, stop = false) {
  const readings = [...toyReadings(site, calls, { fromMs: T0, untilMs: s(untilS), seed: 1 })];
  let made = toyPipeline(site);
  const before = playToy(
    made,
    readings.filter((b) => b.tsMs < s(closeS)),
  );
  const alert = closed(made, before, outcome, s(closeS));
  if (stop) {
    const saved = structuredClone(made.snapshot());
    made = toyPipeline(site);
    made.restore(saved);
  }
  const after = [
    ...playToy(
      made,
      readings.filter((b) => b.tsMs >= s(closeS)),
    ),
    ...made.flush(),
  ];
  return { alert, before: news(before), after: news(after) };
}

describe("resting", () => {
  it("closed while the phone goes on: nothing for a minute, then an alert of its own; the closed one is told of no more", () => {
    for (const stop of [false, true]) {
      const { alert, before, after } = run([call(60, 240)], 90, "not-found", 320, stop);
      expect(before.map((a) => a.id)).toEqual([alert.id]);
      expect(after).toHaveLength(1);
      const [again] = after;
      expect(again).toMatchObject({ id: `${alert.id}-2`, version: 1, cell: "c0-2", acked: false, outcome: null });
      expect(again!.opened_at).toBeGreaterThanOrEqual(s(150));
      expect(again!.opened_at).toBeLessThanOrEqual(s(152));
      expect(again!.first_evidence_at).toBe(s(90));
    }
  });

  it("closed, and the phone falls silent within the minute: nothing more", () => {
    expect(run([call(60, 100)], 90, "found", 300).after).toEqual([]);
    expect(run([call(60, 145)], 90, "found", 300).after).toEqual([]);
  });

  it("closed as somebody's who may: nothing for as long as this use lasts; the next one is told", () => {
    const { after } = run([call(60, 300), call(500, 520)], 90, "staff", 700);
    expect(after).toHaveLength(1);
    expect(after[0]!.opened_at).toBeGreaterThanOrEqual(s(500));
  });

  it("closed twice in one use: three alerts with three ids", () => {
    const readings = [...toyReadings(site, [call(60, 400)], { fromMs: T0, untilMs: s(400), seed: 1 })];
    const made = toyPipeline(site);
    const told: PipelineEvent[] = [];
    let from = T0;
    for (const at of [90, 200]) {
      told.push(
        ...playToy(
          made,
          readings.filter((b) => b.tsMs >= from && b.tsMs < s(at)),
        ),
      );
      closed(made, told, "found", s(at));
      from = s(at);
    }
    told.push(
      ...playToy(
        made,
        readings.filter((b) => b.tsMs >= from),
      ),
    );
    const [first, second, third] = news(told);
    expect([second!.id, third!.id]).toEqual([`${first!.id}-2`, `${first!.id}-3`]);
    expect(news(told)).toHaveLength(3);
  });
});
