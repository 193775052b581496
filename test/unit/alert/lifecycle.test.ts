import { describe, expect, it } from "vitest";
import {
  applyCommand,
  changed,
  close,
  expireShelf,
  MAX_SHELF_MS,
  open,
  withTrack,
  worthTelling,
} from "../../../src/alert/lifecycle.ts";
import type { Alert, Track } from "../../../src/model.ts";

const T = 1_700_000_000_000;
const fresh = (): Alert =>
  open({
    id: "b1-x-0",
    site: "demo",
    block: "b1",
    kind: "phone-active",
    severity: "high",
    text: "",
    tMs: T,
    firstEvidenceMs: T - 1000,
    latched: true,
  });

const track = (p: number): Track => ({
  id: "b1-x-0",
  block: "b1",
  bands: ["lte800-ul"],
  openedAtMs: T,
  firstEvidenceMs: T - 1000,
  lastEvidenceMs: T + 5000,
  active: true,
  confirmed: true,
  moves: 0,
  walkNats: 0,
  fix: {
    position: { xM: 1.23456, yM: 2, floor: "0", covM2: [1, 0, 1] },
    candidates: [
      { cell: "b1-0-01", p },
      { cell: "b1-0-02", p: 1 - p },
    ],
    pOutside: 0,
    pAllowed: 0,
  },
  activity: "call",
  activityP: 0.9,
  episodes: [],
  llr: 64.123,
  threshold: 24,
  sensors: [{ sensor: "b1-s01", band: "lte800-ul", excessDb: 31.17, floorDbm: -101.28 }],
});

describe("alert lifecycle", () => {
  it("sensors that did not count for the place: named in text and evidence; none: neither says anything", () => {
    const without = withTrack(fresh(), track(0.55), "high", 0.5, ["b1-s07"]);
    expect(without.evidence!.set_aside).toEqual(["b1-s07"]);
    expect(without.text).toMatch(/Set aside, as others contradict: b1-s07\.$/);
    const all = withTrack(fresh(), track(0.55), "high", 0.5);
    expect(all.evidence).not.toHaveProperty("set_aside");
    expect(all.text).not.toContain("aside");
  });

  it("its place turns out to be one where nobody is held: says so and what it was told as; rather in a cell again: does not", () => {
    const told = withTrack(fresh(), track(0.9), "high", 0.5);
    const fix = { ...track(0.9).fix, candidates: [{ cell: "guard-room", p: 0.97 }], pAllowed: 0.97 };
    const elsewhere = { ...track(0.9), fix };
    const lowered = withTrack(told, elsewhere, "low", 0.5);
    expect(lowered.evidence!.lowered).toEqual({ at: elsewhere.lastEvidenceMs, cell: "b1-0-01" });
    expect(lowered.text).toContain("Lowered: told as in b1-0-01 before");
    expect(worthTelling(told, lowered)).toBe(true);
    const later = withTrack(lowered, { ...elsewhere, lastEvidenceMs: T + 60_000 }, "low", 0.5);
    expect(later.evidence!.lowered).toEqual(lowered.evidence!.lowered);
    const again = withTrack(later, track(0.9), "high", 0.5);
    expect(again.evidence).not.toHaveProperty("lowered");
    expect(again.text).not.toContain("Lowered");
  });

  it("lowered, and rather outside than in what is left of its cell: names no cell, and its text says outside; back: the cell again", () => {
    const told = withTrack(fresh(), track(0.9), "high", 0.5);
    const left = (p: number, pOutside: number): Track => ({
      ...track(p),
      fix: { ...track(p).fix, candidates: [{ cell: "b1-0-01", p }], pOutside },
    });
    const away = withTrack(told, left(0.1, 0.88), "low", 0.5);
    expect(away.cell).toBeNull();
    expect(away.text).toMatch(/^Phone in use outside \(88 %\), else b1-0-01 10 %: /);
    expect(away.text).toContain("Lowered: told as in b1-0-01 before");
    expect(worthTelling(told, away)).toBe(true);
    const back = withTrack(away, left(0.6, 0.35), "high", 0.5);
    expect(back.cell).toBe("b1-0-01");
    expect(back.text).toMatch(/^Phone in use in b1-0-01 \(60 %\), else outside 35 %: /);
    // Not lowered, a search still pays: its cell stays, and how likely outside is stands beside it.
    const unsure = withTrack(told, left(0.4, 0.58), "high", 0.5);
    expect(unsure.cell).toBe("b1-0-01");
    expect(unsure.text).toMatch(/^Phone in use in b1-0-01 \(40 %\), else outside 58 %: /);
  });

  it("two equal neighbours take turns as the likeliest: the alert goes on naming the first, until the odds are two to one", () => {
    const first = withTrack(fresh(), track(0.55), "high", 0.5);
    expect(first.cell).toBe("b1-0-01");
    const swapped = (p: number): Track => {
      const t = track(1 - p);
      return { ...t, fix: { ...t.fix, candidates: [...t.fix.candidates].reverse() } };
    };
    const even = withTrack(first, swapped(0.6), "high", 0.5);
    expect(even.cell).toBe("b1-0-01");
    expect(even.candidates[0]).toEqual({ cell: "b1-0-02", p: 0.6 });
    expect(even.text).toMatch(/^Phone in use in b1-0-01 \(40 %\), else b1-0-02 60 %/);
    const clear = withTrack(even, swapped(0.7), "high", 0.5);
    expect(clear.cell).toBe("b1-0-02");
  });

  it("a new detection alert: active, unacknowledged, latched", () => {
    expect(fresh()).toMatchObject({ active: true, acked: false, latched: true, closed_at: null });
  });

  it("whose fault it is: the alert names the sensor; of no one sensor: no such field", () => {
    const opening = { id: "x", site: "demo", block: "b1", severity: "medium", text: "", latched: false } as const;
    const times = { tMs: T, firstEvidenceMs: T };
    expect(open({ ...opening, ...times, kind: "sensor-fault", sensor: "b1-s04" }).sensor).toBe("b1-s04");
    expect(open({ ...opening, ...times, kind: "service-fault" })).not.toHaveProperty("sensor");
  });

  it("acknowledged before or after its end: seen, not closed, so that what came of it can still be told; closed: over", () => {
    const ack = (alert: Alert) => {
      const result = applyCommand(
        alert,
        { type: "ack", alert: alert.id, version: alert.version, by: "officer" },
        T + 1,
      );
      if (!result.ok) throw new Error(result.detail);
      return result.alert;
    };
    const after = ack({ ...fresh(), active: false });
    const before = { ...ack(fresh()), active: false };
    for (const alert of [after, before]) {
      expect(alert).toMatchObject({ active: false, acked: true, acked_by: "officer", latched: true, closed_at: null });
      const found = {
        type: "close",
        alert: alert.id,
        version: alert.version,
        by: "officer",
        outcome: "found",
      } as const;
      expect(applyCommand(alert, found, T + 2)).toMatchObject({
        alert: { closed_at: T + 2, outcome: "found", latched: false, version: 3 },
      });
    }
  });

  it("a command for an older version: refused, with both versions named", () => {
    const now = changed("update", fresh(), fresh()).after;
    const result = applyCommand(now, { type: "ack", alert: now.id, version: 1, by: "officer" }, T);
    expect(result).toMatchObject({ ok: false, code: "version-stale" });
    expect(!result.ok && result.detail).toContain("2");
  });

  it("shelving: timed, with a reason, one shift at the most, and falls off by itself", () => {
    const a = fresh();
    const shelve = (untilMs: number, reason: string) =>
      applyCommand(a, { type: "shelve", alert: a.id, version: 1, by: "officer", untilMs, reason }, T);
    expect(shelve(T + MAX_SHELF_MS + 1, "works").ok).toBe(false);
    expect(shelve(T, "works").ok).toBe(false);
    expect(shelve(T + 60_000, " ").ok).toBe(false);
    const shelved = shelve(T + 60_000, "works");
    if (!shelved.ok) throw new Error(shelved.detail);
    expect(expireShelf(shelved.alert, T + 59_999).shelved_until).toBe(T + 60_000);
    expect(expireShelf(shelved.alert, T + 60_000).shelved_until).toBeNull();
  });

  it("acknowledging and shelving are independent facts", () => {
    const a = fresh();
    const shelved = applyCommand(
      a,
      { type: "shelve", alert: a.id, version: 1, by: "o", untilMs: T + 1000, reason: "r" },
      T,
    );
    if (!shelved.ok) throw new Error();
    const acked = applyCommand(shelved.alert, { type: "ack", alert: a.id, version: 2, by: "o" }, T);
    expect(acked.ok && [acked.alert.acked, acked.alert.shelved_until]).toEqual([true, T + 1000]);
  });

  it("a closed alert takes no command", () => {
    const closed = close(fresh(), T);
    expect(applyCommand(closed, { type: "ack", alert: closed.id, version: 1, by: "o" }, T)).toMatchObject({
      ok: false,
      code: "alert-closed",
    });
  });

  it("a track's word: place, evidence and a sentence with cell, sensors and excess", () => {
    const a = withTrack(fresh(), track(0.83), "high", 0.5);
    expect(a.cell).toBe("b1-0-01");
    expect(a.position).toEqual({ x_m: 1.23, y_m: 2, floor: "0", cov_m2: [1, 0, 1] });
    expect(a.evidence).toMatchObject({ llr: 64.1, threshold: 24, false_alarms_per_day: 0.5 });
    expect(a.text).toBe(
      "Phone in use in b1-0-01 (83 %), else b1-0-02 17 %: 1 sensor hears it, b1-s01 loudest, 31 dB over its floor in lte800-ul.",
    );
  });

  it("telling: another cell or a tenth of probability is news, a wobble is not", () => {
    const a = withTrack(fresh(), track(0.83), "high", 0.5);
    expect(worthTelling(a, withTrack(a, track(0.8), "high", 0.5))).toBe(false);
    expect(worthTelling(a, withTrack(a, track(0.7), "high", 0.5))).toBe(true);
    expect(worthTelling(a, { ...a, cell: "b1-0-02" })).toBe(true);
  });
});
