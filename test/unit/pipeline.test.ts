import { describe, expect, it } from "vitest";
import { cut } from "../../src/lanes.ts";
import type { Alert, PipelineEvent, ReadingBatch } from "../../src/model.ts";
import type { BlockPipeline } from "../../src/pipeline.ts";
import { playToy, TOY_BAND, type ToyEmitter, toyPipeline, toyReadings, toySite } from "../support/toy-block.ts";

const T0 = 1_700_000_000_000;
const site = toySite();
const s = (seconds: number) => T0 + seconds * 1000;

function pipeline() {
  const made = toyPipeline(site);
  for (const sensor of site.sensors) {
    made.birth({
      block: "b1",
      sensor: sensor.id,
      boot: 1,
      tsMs: T0,
      type: "rf",
      model: null,
      firmware: null,
      periodMs: 1000,
      dwellMs: null,
      revisitMs: null,
      bands: [],
      calId: null,
    });
  }
  return made;
}

const play = (made: BlockPipeline, batches: Iterable<ReadingBatch>) => [...playToy(made, batches), ...made.flush()];

const changes = (events: readonly PipelineEvent[]) =>
  events.flatMap((e) => (e.type === "alert" ? [{ tMs: e.tMs, type: e.change.type, after: e.change.after }] : []));
const opened = (events: readonly PipelineEvent[]): Alert[] =>
  changes(events)
    .filter((c) => c.type === "new")
    .map((c) => c.after);

const run = (emitters: readonly ToyEmitter[], seconds: number, seed = 1) =>
  play(pipeline(), toyReadings(site, emitters, { fromMs: T0, untilMs: s(seconds), seed }));

describe("pipeline", () => {
  it("readings of years ago: the empty years since, and a gap of years in a trace, cost no windows", () => {
    const made = pipeline();
    const emitters = [{ fromMs: s(60), untilMs: s(90), xM: 6.2, yM: 2, eirpDbm: 0 }];
    play(made, toyReadings(site, emitters, { fromMs: T0, untilMs: s(100), seed: 1 }));
    const yearsLater = T0 + 7 * 365 * 86_400_000;
    let steps = 0;
    for (const _ of made.steps(yearsLater)) steps++;
    // An hour of windows of a second is stepped through, whatever comes after it is not.
    expect(steps).toBeGreaterThanOrEqual(3600);
    expect(steps).toBeLessThan(3 * 3700);
    expect(changes(made.take()).some((c) => c.type === "end")).toBe(true);
    const again = { fromMs: yearsLater + 60_000, untilMs: yearsLater + 90_000, xM: 6.2, yM: 2, eirpDbm: 0 };
    const later = play(
      made,
      toyReadings(site, [again], { fromMs: yearsLater, untilMs: yearsLater + 100_000, seed: 2 }),
    );
    expect(opened(later).filter((a) => a.kind === "phone-active")).toHaveLength(1);
    expect(made.due(yearsLater + 86_400_000)).toBe(true);
  });

  it("one phone heard by twelve sensors: one alert, in its cell, within two seconds, ended a minute after it fell silent", () => {
    const all = changes(run([{ fromMs: s(60), untilMs: s(90), xM: 6.2, yM: 2, eirpDbm: 0 }], 200));
    expect(all.filter((c) => c.type === "new")).toHaveLength(1);
    const [first] = all;
    expect(first!.after.cell).toBe("c0-2");
    expect(first!.tMs - s(60)).toBeLessThanOrEqual(2000);
    expect(first!.after.evidence!.sensors.length).toBeGreaterThan(6);
    const end = all.find((c) => c.type === "end")!;
    expect(end.after.active).toBe(false);
    expect(end.tMs).toBe(s(150));
    expect(end.after.last_evidence_at).toBe(s(90));
  });

  it("a quiet block: silent for an hour", () => {
    for (const seed of [1, 3]) expect(opened(run([], 3600, seed))).toEqual([]);
  });

  it("two phones at once in one band: two alerts, each in its cell", () => {
    const cells = opened(
      run(
        [
          { fromMs: s(60), untilMs: s(90), xM: 1, yM: 1, eirpDbm: 10 },
          { fromMs: s(70), untilMs: s(100), xM: 13, yM: 9, eirpDbm: -10 },
        ],
        200,
      ),
    ).map((a) => a.cell);
    expect(cells).toEqual(["c0-0", "c1-5"]);
  });

  it("texts within the hold-off: one alert; a use ten minutes later: another", () => {
    const text = (at: number) => ({ fromMs: s(at), untilMs: s(at + 3), xM: 6.2, yM: 2, eirpDbm: 0 });
    expect(opened(run([text(60), text(90), text(130)], 900))).toHaveLength(1);
    expect(opened(run([text(60), text(700)], 900))).toHaveLength(2);
  });

  it("a phone in the corridor: followed, not alerted", () => {
    const events = run([{ fromMs: s(60), untilMs: s(70), xM: 6.2, yM: 5.5, eirpDbm: 0 }], 200);
    expect(events.some((e) => e.type === "track")).toBe(true);
    expect(opened(events)).toEqual([]);
  });

  it("the same readings in other batches: the same alerts, byte for byte", () => {
    const emitters = [{ fromMs: s(60), untilMs: s(90), xM: 6.2, yM: 2, eirpDbm: -10 }];
    const options = { fromMs: T0, untilMs: s(200), seed: 4 };
    const singles = [...toyReadings(site, emitters, options)];
    const long = site.sensors.flatMap((sensor) => {
      const own = singles.filter((b) => b.sensor === sensor.id);
      const whole: ReadingBatch = {
        ...own[0]!,
        dtMs: 1000,
        count: own.length,
        rmsDbm: Float32Array.from(own.map((b) => b.rmsDbm![0]!)),
      };
      return [...Array(Math.ceil(own.length / 7)).keys()].map((i) =>
        cut(whole, i * 7, Math.min(own.length, i * 7 + 7)),
      );
    });
    long.sort((a, b) => a.tsMs + a.dtMs * (a.count - 1) - (b.tsMs + b.dtMs * (b.count - 1)));
    const one = JSON.stringify(changes(play(pipeline(), singles)));
    expect(JSON.stringify(changes(play(pipeline(), long)))).toBe(one);
    expect(one).toContain("c0-2");
  });

  it("stopped and restored in the middle of a call: ends where an uninterrupted run ends", () => {
    const emitters = [{ fromMs: s(60), untilMs: s(120), xM: 6.2, yM: 2, eirpDbm: 0 }];
    const batches = [...toyReadings(site, emitters, { fromMs: T0, untilMs: s(240), seed: 5 })];
    const whole = changes(play(pipeline(), batches));
    const first = pipeline();
    const events: PipelineEvent[] = [];
    const half = batches.findIndex((b) => b.tsMs >= s(90));
    for (const batch of batches.slice(0, half)) {
      events.push(...first.tick(batch.tsMs));
      first.offer(batch, batch.tsMs);
    }
    const saved = structuredClone(first.snapshot()) as { lanes: { judgedMs: number } };
    const second = pipeline();
    second.restore(saved);
    // What waited for its window comes again from the durable log.
    const judged = saved.lanes.judgedMs;
    const rest = batches.filter((b) => b.tsMs >= judged);
    for (const batch of rest) {
      events.push(...second.tick(Math.max(batch.tsMs, s(90))));
      second.offer(batch, batch.tsMs);
    }
    events.push(...second.flush());
    const summary = (list: ReturnType<typeof changes>) => list.map((c) => [c.tMs, c.type, c.after.id, c.after.cell]);
    expect(summary(changes(events))).toEqual(summary(whole));
  });

  it("commands: acknowledged and closed in the pipeline that holds the alert, and told as updates", () => {
    const made = pipeline();
    const emitters = [{ fromMs: s(60), untilMs: s(90), xM: 6.2, yM: 2, eirpDbm: 0 }];
    play(made, toyReadings(site, emitters, { fromMs: T0, untilMs: s(200), seed: 1 }));
    const [alert] = made.openAlerts();
    expect(alert).toMatchObject({ active: false, acked: false });
    const { id, version } = alert!;
    expect(made.command({ type: "ack", alert: id, version, by: "officer" }, s(201))).toMatchObject({ ok: true });
    expect(made.openAlerts()).toMatchObject([{ id, acked: true }]);
    const close = { type: "close", alert: id, version: version + 1, by: "officer", outcome: "found" } as const;
    expect(made.command(close, s(202))).toMatchObject({ ok: true });
    expect(made.openAlerts()).toEqual([]);
    expect(changes(made.tick(s(202)))).toMatchObject([
      { type: "update", after: { acked: true, closed_at: null } },
      { type: "update", after: { closed_at: s(202), outcome: "found" } },
    ]);
  });

  it("every reading rolled up: the seconds' counts add up to what was offered", () => {
    const rollups = run([], 61).flatMap((e) => (e.type === "rollup" ? [e.rollup] : []));
    expect(rollups.reduce((n, r) => n + r.readings, 0)).toBe(61 * site.sensors.length);
    expect(rollups[0]!.bands).toEqual([TOY_BAND]);
  });
});

describe("pipeline: phones carried by right", () => {
  const call = { fromMs: s(100), untilMs: s(130), xM: 6.2, yM: 2, eirpDbm: 10 };
  const readings = () => toyReadings(site, [call], { fromMs: T0, untilMs: s(180), seed: 3 });

  it("a worker is known to be in the cell: no alert, and the track is told all the same; known to be elsewhere: the alert", () => {
    for (const [zone, alerts] of [
      ["c0-2", 0],
      ["c1-5", 1],
    ] as const) {
      const made = pipeline();
      const zones = [{ zone, phones: 2 }];
      made.presence({ block: "b1", sensor: "staff-1", tsMs: s(90), ttlMs: 600_000, zones });
      const events = play(made, readings());
      expect(opened(events).length, zone).toBe(alerts);
      const tracks = events.flatMap((e) => (e.type === "track" ? [e.track] : []));
      expect(tracks.at(-1)!.fix.candidates[0]!.cell, zone).toBe("c0-2");
      if (alerts === 0) expect(tracks.at(-1)!.fix.pAllowed).toBeGreaterThan(0.8);
    }
  });

  it("an alert: states p_outside and p_allowed, and with the candidates they add up", () => {
    const [alert] = opened(play(pipeline(), readings()));
    const inside = alert!.candidates.reduce((sum, c) => sum + c.p, 0);
    expect(alert!.p_outside! + inside).toBeGreaterThan(0.95);
    expect(alert!.p_outside! + inside).toBeLessThanOrEqual(1.0005);
    expect(alert!.p_allowed!).toBeGreaterThanOrEqual(alert!.p_outside!);
  });
});

describe("pipeline: what is believed of the cells", () => {
  const scan = (seq: number, alarm: boolean, place = "c0-4") => ({
    block: "b1",
    sensor: "hand-1",
    boot: 1,
    seq,
    tsMs: s(200),
    method: "nljd" as const,
    place,
    alarm,
    score: null,
    h2Db: null,
    h3Db: null,
    peakUt: null,
    zones: [],
  });
  const call = { fromMs: s(100), untilMs: s(130), xM: 6.2, yM: 2, eirpDbm: 10 };
  const heard = () => {
    const made = pipeline();
    const events = play(made, toyReadings(site, [call], { fromMs: T0, untilMs: s(180), seed: 3 }));
    return { made, alert: opened(events)[0]! };
  };

  it("a call in a cell: the cell leads the search list, its reason names the alert", () => {
    const { made, alert } = heard();
    const list = made.searchList(s(200), 12);
    expect(list[0]!.cell).toBe("c0-2");
    expect(list[0]!.reasons[0]).toMatchObject({ kind: "use", ref: alert.id });
    expect(list[0]!.pUsed).toBeGreaterThan(0.5);
    expect(list[0]!.pKept).toBeGreaterThan(2 * list.at(-1)!.pKept);
  });

  it("an alert closed as found: the cell is empty, the outcome counted; as staff: the call counts no more", () => {
    const { made, alert } = heard();
    made.command(
      { type: "close", alert: alert.id, version: latest(made, alert).version, by: "x", outcome: "found" },
      s(190),
    );
    expect(made.searchList(s(200), 12).find((b) => b.cell === "c0-2")!.pKept).toBeLessThan(0.001);
    expect(made.outcomes(s(200))).toMatchObject({ searches: { searched: 1, found: 1 } });

    const other = heard();
    const version = latest(other.made, other.alert).version;
    other.made.command({ type: "close", alert: other.alert.id, version, by: "x", outcome: "staff" }, s(190));
    const p = other.made.searchList(s(200), 12).map((b) => b.pKept);
    expect(Math.max(...p) - Math.min(...p)).toBeLessThan(1e-9);
  });

  it("scanner results: no alarm lowers the cell without an alert, an alarm raises it and opens one, once", () => {
    const made = pipeline();
    made.scan(scan(1, false));
    const p = (cell: string) => made.searchList(s(200), 12).find((b) => b.cell === cell)!.pKept;
    expect(p("c0-4")).toBeLessThan(p("c0-3") / 5);
    expect(made.openAlerts()).toEqual([]);
    made.scan(scan(2, true, "c1-1"));
    made.scan(scan(2, true, "c1-1"));
    expect(p("c1-1")).toBeGreaterThan(2 * p("c0-3"));
    expect(made.openAlerts()).toMatchObject([{ kind: "phone-found", cell: "c1-1", sensor: scan(2, true).sensor }]);
    expect(made.openAlerts()[0]!.text).toContain("multiply the odds of a phone by 3.4, to 28 %");
  });

  it("a scanner's alarm is as loud as the probability of a phone after it: portal low, cell medium, the same cell again high", () => {
    const made = pipeline();
    made.scan({ ...scan(1, true, "corridor-0"), method: "mmwave" });
    expect(made.openAlerts().map((a) => a.severity)).toEqual(["low"]);
    for (const seq of [2, 3, 4]) made.scan(scan(seq, true, "c1-1"));
    expect(made.openAlerts().map((a) => a.severity)).toEqual(["low", "medium", "high", "high"]);
  });

  it("snapshot and restore: the belief goes on; a snapshot of before there was one is taken too", () => {
    const { made } = heard();
    made.search({ type: "search", cell: "c1-1", outcome: "not-found", by: "x" }, s(185));
    const other = pipeline();
    const saved = structuredClone(made.snapshot()) as { belief?: unknown };
    other.restore(saved);
    expect(other.searchList(s(300), 12)).toEqual(made.searchList(s(300), 12));
    expect(other.outcomes(s(300))).toEqual(made.outcomes(s(300)));
    const { belief: _, ...older } = saved;
    pipeline().restore(older);
  });

  it("a search of what is no cell of the block: refused", () => {
    const made = pipeline();
    expect(made.search({ type: "search", cell: "corridor", outcome: "found", by: "x" }, s(1))).toBe(false);
    expect(made.search({ type: "search", cell: "c0-0", outcome: "found", by: "x" }, s(1))).toBe(true);
  });
});

const latest = (made: BlockPipeline, alert: Alert) => made.openAlerts().find((a) => a.id === alert.id)!;
