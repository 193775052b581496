import { describe, expect, it } from "vitest";
import { open, withTrack } from "../../../src/alert/lifecycle.ts";
import { POLICY_DEFAULTS, Policy } from "../../../src/alert/policy.ts";
import type { Track } from "../../../src/model.ts";
import { box, sensor, site, zone } from "../fuse/world.ts";

const POLICY = new Policy(
  site({ zones: [zone("c1", box(0, 0, 3, 4)), zone("hall", box(0, 4, 30, 7), { kind: "corridor" })] }),
);

function track(more: Partial<Track>): Track {
  return {
    id: "t",
    block: "b1",
    bands: ["lte800-ul"],
    openedAtMs: 0,
    firstEvidenceMs: 0,
    lastEvidenceMs: 0,
    active: true,
    confirmed: true,
    moves: 0,
    walkNats: 0,
    fix: {
      position: { xM: 1, yM: 1, floor: "0", covM2: [1, 0, 1] },
      candidates: [
        { cell: "c1", p: 0.7 },
        { cell: "hall", p: 0.3 },
      ],
      pOutside: 0,
      pAllowed: 0,
    },
    activity: "unknown",
    activityP: 0,
    episodes: [],
    llr: 30,
    threshold: 24,
    sensors: [{ sensor: "s1", band: "lte800-ul", floorDbm: -100, excessDb: 30 }],
    ...more,
  };
}

/** A place that is the cell with probability `p`. */
const sure = (p: number): Track["fix"] => ({
  position: { xM: 1, yM: 1, floor: "0", covM2: [1, 0, 1] },
  candidates: [
    { cell: "c1", p },
    { cell: "hall", p: 1 - p },
  ],
  pOutside: 0,
  pAllowed: 0,
});

describe("policy", () => {
  it("a phone more likely in a cell than in the corridor: alerted after the patience", () => {
    expect(POLICY.opens(track({}), POLICY_DEFAULTS.patienceMs - 1000)).toBe(false);
    expect(POLICY.opens(track({}), POLICY_DEFAULTS.patienceMs)).toBe(true);
  });

  describe("one incident per door", () => {
    const cells = ["c1", "c2", "c3", "c4", "c5", "c6"];
    const policy = new Policy(
      site({
        zones: [
          ...cells.map((id, i) => zone(id, box(3 * i, 0, 3 * i + 3, 4))),
          zone("hall", box(0, 4, 18, 7), { kind: "corridor" }),
        ],
      }),
    );
    /** The likeliest first. */
    const at = (p: Record<string, number>): Track["fix"] => ({
      ...sure(1),
      candidates: Object.entries(p).map(([cell, share]) => ({ cell, p: share })),
    });
    const alertAt = (fix: Track["fix"]) =>
      withTrack(
        open({
          id: "a",
          site: "s",
          block: "b1",
          kind: "phone-active",
          severity: "medium",
          text: "",
          tMs: 0,
          firstEvidenceMs: 0,
          latched: true,
        }),
        track({ fix }),
        "medium",
        0.5,
      );
    const joins = (one: Track["fix"], other: Track["fix"]) =>
      policy.sameIncident(track({ id: "u", fix: one }), [alertAt(other)]) !== null;

    it("likely in the same cell: joined, also behind a corridor that leads", () => {
      expect(joins(at({ c1: 0.7, c2: 0.3 }), at({ c1: 0.6, c2: 0.4 }))).toBe(true);
      expect(joins(at({ hall: 0.5, c1: 0.4, c2: 0.1 }), at({ hall: 0.5, c1: 0.4, c2: 0.1 }))).toBe(true);
    });

    it("another cell leads: two", () => {
      expect(joins(at({ c1: 0.7, c2: 0.3 }), at({ c2: 0.6, c1: 0.4 }))).toBe(false);
    });

    it("behind a corridor that leads both, anywhere along it: two", () => {
      expect(joins(at({ hall: 0.4, c1: 0.35, c2: 0.25 }), at({ hall: 0.4, c4: 0.35, c5: 0.25 }))).toBe(false);
    });

    it("the same cell leads, but either may be anywhere: two", () => {
      const anywhere = at({ c1: 0.17, c2: 0.16, c3: 0.16, c4: 0.16, c5: 0.16, c6: 0.16 });
      expect(joins(anywhere, anywhere)).toBe(false);
    });

    it("the cell that the alert still names counts, not one that has just become as likely", () => {
      const before = alertAt(at({ c1: 0.55, c2: 0.45 }));
      const renamed = withTrack(before, track({ fix: at({ c2: 0.55, c1: 0.45 }) }), "medium", 0.5);
      expect(renamed.cell).toBe("c1");
      expect(policy.sameIncident(track({ id: "u", fix: at({ c1: 0.8, c2: 0.2 }) }), [renamed])).toBe(renamed);
      expect(policy.sameIncident(track({ id: "u", fix: at({ c2: 0.8, c1: 0.2 }) }), [renamed])).toBeNull();
    });

    it("an alert that is over is joined by nobody", () => {
      const over = { ...alertAt(at({ c1: 0.9, c2: 0.1 })), active: false };
      expect(policy.sameIncident(track({ id: "u", fix: at({ c1: 0.9, c2: 0.1 }) }), [over])).toBeNull();
    });
  });

  describe("heard outdoors", () => {
    const policy = new Policy(
      site({
        zones: [zone("c1", box(0, 0, 3, 4)), zone("c2", box(3, 0, 6, 4))],
        sensors: [sensor("own", 1, 1), sensor("next", 4, 1), sensor("fence", 20, 1)],
      }),
    );
    const opens = (dbm: Record<string, number>) => {
      const sensors = Object.entries(dbm).map(([id, level]) => ({
        sensor: id,
        band: "lte800-ul",
        floorDbm: -100,
        excessDb: level + 100,
      }));
      return policy.opens(track({ sensors, fix: sure(0.97) }), 60_000);
    };

    it("clearly louder than by the cell's own sensor: no alert, however sure the place", () => {
      expect(opens({ own: -60, fence: -55 })).toBe(true);
      expect(opens({ own: -60, fence: -53 })).toBe(false);
    });

    it("where the cell's own sensor hears somebody else louder: the other sensors indoors count", () => {
      expect(opens({ next: -42, fence: -71 })).toBe(true);
      expect(opens({ next: -60, fence: -50 })).toBe(false);
      expect(opens({ fence: -71 })).toBe(false);
    });
  });

  it("what every sensor hears weaker than its own noise: no alert, however certain that something is there", () => {
    const heard = (excessDb: number) => [{ sensor: "s1", band: "lte800-ul", floorDbm: -100, excessDb }];
    expect(POLICY.opens(track({ sensors: heard(2.9), fix: sure(0.97) }), 60_000)).toBe(false);
    expect(POLICY.opens(track({ sensors: heard(3), fix: sure(0.97) }), 60_000)).toBe(true);
  });

  it("what every sensor hears as steady as a step of its floor: no alert until one hears it fade", () => {
    const heard = (...steps: boolean[]) =>
      steps.map((step, i) => {
        const evidence = { sensor: `s${i}`, band: "lte800-ul", floorDbm: -100, excessDb: 6 };
        return step ? { ...evidence, step: true as const } : evidence;
      });
    expect(POLICY.opens(track({ sensors: heard(true, true), fix: sure(0.97) }), 60_000)).toBe(false);
    expect(POLICY.opens(track({ sensors: heard(true, false), fix: sure(0.97) }), 60_000)).toBe(true);
  });

  it("phones on the border of two blocks: a cell of either is a cell; the share is of what this block holds", () => {
    const cells = ["a-1", "b-1", "b-2"].map((id, i) =>
      zone(id, box(3 * i, 0, 3 * i + 3, 4), { block: id.slice(0, 1) }),
    );
    const policy = new Policy(site({ zones: cells }), POLICY_DEFAULTS, "a");
    const candidates = ["a-1", "b-1", "b-2"].map((cell, i) => ({ cell, p: [0.3, 0.4, 0.2][i]! }));
    const onBorder = track({ fix: { ...sure(0), candidates } });
    expect(policy.opens(onBorder, 60_000)).toBe(true);
    expect(policy.shareHere(onBorder)).toBeCloseTo(1 / 3, 9);
    expect(policy.shareHere(track({ fix: { ...sure(0), candidates: [] } }))).toBe(1);
    expect(policy.blockOf("b-1")).toBe("b");
    expect(policy.elsewhereP(onBorder)).toBeCloseTo(0.6, 9);
    expect(policy.heldP(onBorder)).toBeLessThan(0.31);
  });

  it("the same phone once it was found elsewhere: followed, not alerted; nearly surely in a cell: alerted all the same", () => {
    expect(POLICY.heldP(track({ moves: 1 }))).toBeLessThan(0.4);
    expect(POLICY.opens(track({ moves: 1 }), 10_000)).toBe(false);
    expect(POLICY.opens(track({ moves: 1, fix: sure(0.97) }), 10_000)).toBe(true);
  });

  it("levels that move as those of somebody who walks by: followed, not alerted, unless the cell is sure", () => {
    expect(POLICY.opens(track({ walkNats: 2 }), 60_000)).toBe(false);
    expect(POLICY.opens(track({ walkNats: 2, active: false }), 60_000)).toBe(false);
    expect(POLICY.opens(track({ walkNats: 2, fix: sure(0.97) }), 0)).toBe(true);
  });

  it("levels that stay: alerted sooner than where nothing is known", () => {
    const { soonMs, patienceMs } = POLICY_DEFAULTS;
    expect(soonMs).toBeLessThan(patienceMs);
    expect(POLICY.opens(track({ walkNats: -1 }), soonMs)).toBe(true);
    expect(POLICY.opens(track({ walkNats: 0 }), soonMs)).toBe(false);
  });

  it("a phone outside with three in ten: alerted; with more: not", () => {
    expect(POLICY.opens(track({ walkNats: -3, fix: { ...sure(0.7), pOutside: 0.3 } }), 60_000)).toBe(true);
    expect(POLICY.opens(track({ walkNats: -3, fix: { ...sure(0.7), pOutside: 0.35 } }), 60_000)).toBe(false);
  });

  it("a place that was outside until just now: not alerted before the mean of its places says so too, however sure the last one is", () => {
    expect(POLICY.opens(track({ fix: sure(0.95), outsideP: 0.6 }), 60_000)).toBe(false);
    expect(POLICY.opens(track({ fix: sure(0.95), outsideP: 0.2 }), 60_000)).toBe(true);
    expect(POLICY.opens(track({ walkNats: -3, fix: { ...sure(0.7), pOutside: 0.35 }, outsideP: 0.1 }), 60_000)).toBe(
      false,
    );
  });

  it("beside a phone outside in the same band at the same time: only a sure cell is told", () => {
    const street = track({ id: "o", fix: { ...sure(0.1), pOutside: 0.9 }, openedAtMs: 0, lastEvidenceMs: 20_000 });
    const later = { openedAtMs: 5000, lastEvidenceMs: 15_000 };
    expect(POLICY.maybeEcho(track(later), [street])).toBe(true);
    expect(POLICY.maybeEcho(track({ ...later, fix: sure(0.95) }), [street])).toBe(false);
    expect(POLICY.maybeEcho(track({ ...later, bands: ["gsm900-ul"] }), [street])).toBe(false);
    expect(POLICY.maybeEcho(track({ openedAtMs: 30_000, lastEvidenceMs: 40_000 }), [street])).toBe(false);
    expect(POLICY.maybeEcho(street, [street])).toBe(false);
  });

  it("an emitter outside that is on for two seconds a minute: what goes on without it is no echo of it", () => {
    const bursts = [0, 60, 120].map((s) => ({ startMs: 1000 * s, endMs: 1000 * s + 2000 }));
    const fix = { ...sure(0.1), pOutside: 0.9 };
    const lamp = track({ id: "o", fix, openedAtMs: 0, lastEvidenceMs: 122_000, episodes: bursts });
    const heard = (...episodes: [number, number][]) =>
      track({
        openedAtMs: episodes[0]![0],
        lastEvidenceMs: episodes.at(-1)![1],
        episodes: episodes.map(([startMs, endMs]) => ({ startMs, endMs })),
      });
    expect(POLICY.maybeEcho(heard([61_000, 62_000]), [lamp])).toBe(true);
    expect(POLICY.maybeEcho(heard([66_000, 67_000]), [lamp])).toBe(true);
    expect(POLICY.maybeEcho(heard([60_000, 62_000], [64_000, 66_000], [120_000, 122_000]), [lamp])).toBe(true);
    expect(POLICY.maybeEcho(heard([70_000, 80_000]), [lamp])).toBe(false);
    expect(POLICY.maybeEcho(heard([60_000, 62_000], [70_000, 90_000]), [lamp])).toBe(false);
  });

  it("beside a phone in a corridor or a guard room: only a sure cell is told, as beside one outside; beside one in a cell: any", () => {
    const other = (p: number) => track({ id: "o", fix: sure(p), openedAtMs: 0, lastEvidenceMs: 20_000 });
    const later = { openedAtMs: 5000, lastEvidenceMs: 15_000 };
    expect(POLICY.maybeEcho(track(later), [other(0.2)])).toBe(true);
    expect(POLICY.maybeEcho(track({ ...later, fix: sure(0.95) }), [other(0.2)])).toBe(false);
    expect(POLICY.maybeEcho(track(later), [other(0.8)])).toBe(false);
  });

  it("a guard room with more than three in ten: no alert of the cell beside it, which is likelier", () => {
    const guarded = new Policy(
      site({
        zones: [zone("c1", box(0, 0, 3, 4)), zone("guard", box(3, 0, 6, 4), { kind: "staff", phones: "allowed" })],
      }),
    );
    const at = (p: number) => {
      const candidates = [
        { cell: "c1", p },
        { cell: "guard", p: 1 - p },
      ];
      return track({ walkNats: -3, fix: { ...sure(p), candidates, pAllowed: 1 - p } });
    };
    expect(guarded.opens(at(0.75), 60_000)).toBe(true);
    expect(guarded.opens(at(0.65), 60_000)).toBe(false);
  });

  it("an open alert whose place is clearly no cell: low, until it is rather a cell again; a new one never", () => {
    const at = (p: number) => track({ fix: sure(p) });
    expect(POLICY.severity(at(0.1))).toBe("medium");
    expect(POLICY.severity(at(0.3), "high")).toBe("medium");
    expect(POLICY.severity(at(0.1), "high")).toBe("low");
    expect(POLICY.severity(at(0.4), "low")).toBe("low");
    expect(POLICY.severity(at(0.6), "low")).toBe("high");
  });

  it("a track that may still be another's fading: waits, however sure its place is", () => {
    expect(POLICY.opens(track({ confirmed: false }), 60_000)).toBe(false);
  });
});
