import { describe, expect, it } from "vitest";
import type { LearningOptions } from "../../../src/alert/learning.ts";
import type { PipelineEvent } from "../../../src/model.ts";
import { playToy, type ToyEmitter, toyPipeline, toyReadings, toySite } from "../../support/toy-block.ts";

const T0 = 1_700_000_000_000;
const HOUR_MS = 3_600_000;
const site = toySite();
const s = (seconds: number) => T0 + seconds * 1000;
const call = (fromS: number, untilS: number, xM = 6.2): ToyEmitter => ({
  fromMs: s(fromS),
  untilMs: s(untilS),
  xM,
  yM: 2,
  eirpDbm: 0,
});

const pipeline = (learning: LearningOptions | null) => toyPipeline(site, { learning });

const readings = (emitters: readonly ToyEmitter[], fromMs: number, untilMs: number) =>
  toyReadings(site, emitters, { fromMs, untilMs, seed: 1 });
const alerts = (events: readonly PipelineEvent[]) =>
  events.flatMap((e) => (e.type === "alert" && e.change.type === "new" ? [e.change.after] : []));

describe("learning mode", () => {
  it("two calls while it is on: counted with cell and time, told to nobody; the same without it: two alerts", () => {
    const emitters = [call(60, 90), call(150, 180, 1.2)];
    const plain = pipeline(null);
    const told = alerts([...playToy(plain, readings(emitters, T0, s(240))), ...plain.flush()]);
    expect(told.map((a) => a.cell)).toEqual(["c0-2", "c0-0"]);
    expect(plain.learningReport(s(240))).toMatchObject({ learning: false, alerts: 0, events: 0 });

    const learning = pipeline({ untilMs: null, hours: 1 });
    const silent = [...playToy(learning, readings(emitters, T0, s(240))), ...learning.flush()];
    expect(silent.filter((e) => e.type === "alert")).toEqual([]);
    const report = learning.learningReport(s(240));
    expect(report).toMatchObject({ block: "b1", learning: true, alerts: 2, firstMs: T0, untilMs: T0 + HOUR_MS });
    expect(report.last.map((a) => a.cell)).toEqual(["c0-2", "c0-0"]);
    expect(report.last.map((a) => a.tMs)).toEqual(told.map((a) => a.opened_at));
    expect(report.events).toBeGreaterThanOrEqual(2);
  });

  it("a call that is on when it ends: counted, and told from then on; the call after it too", () => {
    const made = pipeline({ untilMs: s(80), hours: null });
    const events = [...playToy(made, readings([call(60, 110), call(160, 180, 1.2)], T0, s(240))), ...made.flush()];
    const told = alerts(events);
    expect(told.map((a) => a.cell)).toEqual(["c0-2", "c0-0"]);
    expect(told[0]!.opened_at).toBeGreaterThanOrEqual(s(80));
    expect(told[0]!.opened_at).toBeLessThan(s(85));
    expect(made.learningReport(s(240))).toMatchObject({ learning: false, alerts: 1 });
  });

  it("hours after the first reading, stopped and started between: the end stays where it was, the counts go on", () => {
    const hours = 200 / 3600;
    const first = pipeline({ untilMs: null, hours });
    const all = [...readings([call(60, 90), call(260, 290)], T0, s(320))];
    const before = all.filter((b) => b.tsMs < s(120));
    expect(alerts(playToy(first, before))).toEqual([]);
    const second = pipeline({ untilMs: null, hours });
    second.restore(structuredClone(first.snapshot()));
    expect(second.learningReport(s(120))).toMatchObject({ learning: true, alerts: 1, untilMs: s(200) });
    const after = [
      ...playToy(
        second,
        all.filter((b) => b.tsMs >= s(120)),
      ),
      ...second.flush(),
    ];
    expect(alerts(after).map((a) => a.cell)).toEqual(["c0-2"]);
    expect(second.learningReport(s(320))).toMatchObject({ learning: false, alerts: 1 });
  });

  it("taken out of the configuration: over at once", () => {
    const first = pipeline({ untilMs: null, hours: 24 });
    const all = [...readings([call(60, 150)], T0, s(200))];
    playToy(
      first,
      all.filter((b) => b.tsMs < s(100)),
    );
    expect(first.learningReport(s(100)).alerts).toBe(1);
    const second = pipeline(null);
    second.restore(structuredClone(first.snapshot()));
    const told = alerts([
      ...playToy(
        second,
        all.filter((b) => b.tsMs >= s(100)),
      ),
      ...second.flush(),
    ]);
    expect(told.map((a) => a.cell)).toEqual(["c0-2"]);
  });

  it("faults and scanner results while it is on: told as ever", () => {
    const made = pipeline({ untilMs: null, hours: 24 });
    playToy(made, readings([], T0, s(60)));
    made.scan({
      block: "b1",
      sensor: site.sensors[0]!.id,
      boot: 1,
      seq: 1,
      tsMs: s(60),
      method: "nljd",
      place: "c0-1",
      alarm: true,
      score: null,
      h2Db: null,
      h3Db: null,
      peakUt: null,
      zones: [],
    });
    expect(alerts(made.take()).map((a) => a.kind)).toEqual(["phone-found"]);
    expect(made.learningReport(s(60)).alerts).toBe(0);
  });
});
