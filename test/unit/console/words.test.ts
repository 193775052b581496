import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Alert } from "../../../src/console/wire.ts";
import {
  ageWords,
  bandWords,
  cellP,
  compareAlerts,
  FLOOD_WINDOW_MS,
  freshness,
  lastWords,
  learningWords,
  loudest,
  percent,
  placeP,
  placeWords,
  reason,
  recentCount,
  remarks,
  sensorTrouble,
  severityWords,
  shortZone,
  stateByWords,
  stateWords,
} from "../../../src/console/words.ts";
import { fixtureAlert } from "../../support/fixture-service.ts";

const alert = (over: Partial<Alert>) => fixtureAlert("b1-1-05", 1_700_000_000_000, over);

describe("console words", () => {
  it("learning: block, end in the site's time zone, what was counted", () => {
    const words = learningWords(
      [
        { block: "b1", until: Date.UTC(2026, 2, 29, 1, 30), alerts: 1 },
        { block: "b2", until: null, alerts: 0 },
      ],
      "Europe/Paris",
    );
    expect(words).toBe(
      "b1 until 29 Mar 2026, 03:30: 1 alert counted, not told. b2 until some time after its first reading: 0 alerts counted, not told.",
    );
  });

  it("place: a phone in no cell is outside; what is no phone has its sensor or block, or says what it is", () => {
    expect(placeWords(alert({}))).toBe("b1-1-05");
    expect(placeWords(alert({ cell: null, candidates: [] }))).toBe("outside");
    expect(placeWords(alert({ cell: null, kind: "sensor-fault", sensor: "b1-s04" }))).toBe("b1-s04");
    expect(placeWords(alert({ cell: null, kind: "service-fault" }))).toBe("b1");
    const lowered = { at: 1, cell: "b1-1-05" };
    const evidence = { ...alert({}).evidence!, lowered };
    const left = { evidence, cell: null, candidates: [{ cell: "b1-1-05", p: 0.05 }], p_outside: 0.9 };
    expect([placeWords(alert(left)), placeP(alert(left))]).toEqual(["outside", 0.9]);
    expect(placeWords(alert({ cell: null, kind: "service-fault", block: null }))).toBe("Service fault");
  });

  it("lowered, set aside, late: each said, with what was told before; nothing of an ordinary alert", () => {
    const at = (ms: number) => new Date(ms).toISOString().slice(11, 19);
    const evidence = {
      ...alert({}).evidence!,
      lowered: { at: 1_700_000_060_000, cell: "b1-1-05" },
      set_aside: ["b1-s04", "b1-s07"],
    };
    const odd = alert({ evidence, severity: "low", late_ms: 42_000 });
    expect(remarks(odd, at)).toEqual([
      "Lowered at 22:14:20: told as in b1-1-05 before, now where nobody is held.",
      "Not counted for the place, as the others contradict: b1-s04, b1-s07.",
      "Readings came late: known 0:42 after it was last heard.",
    ]);
    expect(severityWords(odd)).toBe("low, lowered");
    expect(remarks(alert({}), at)).toEqual([]);
    expect(severityWords(alert({}))).toBe("high");
  });

  it("who: of a closed alert it is known who acknowledged it, not who found the phone", () => {
    const acked = { acked: true, acked_by: "Meyer" };
    const words = (over: Partial<Alert>) => stateByWords(alert({ ...acked, ...over }));
    expect(words({})).toBe("acknowledged by Meyer");
    expect(words({ active: false })).toBe("acknowledged by Meyer, ended");
    expect(words({ closed_at: 1, outcome: "found" })).toBe("closed: found · acknowledged by Meyer");
    expect(stateByWords(alert({}))).toBe("new");
  });

  it("loudest: the eight loudest of any number, loudest first", () => {
    const sensors = Array.from({ length: 30 }, (_, i) => ({
      sensor: `s${i}`,
      band: "lte800-ul",
      excess_db: (i * 7) % 30,
      floor_dbm: -100,
    }));
    const heard = loudest(alert({ evidence: { ...alert({}).evidence!, sensors } }));
    expect(heard.map((s) => s.excess_db)).toEqual([29, 28, 27, 26, 25, 24, 23, 22]);
    expect(loudest(alert({ evidence: null }))).toEqual([]);
  });

  it("last: a phone was heard, a scan was made; of a silent sensor nobody heard anything", () => {
    const last = (kind: Alert["kind"]) => lastWords(alert({ kind }));
    expect([last("phone-active"), last("phone-found"), last("sensor-fault"), last("tamper")]).toEqual([
      "Last heard",
      "Scanned",
      "So at",
      "So at",
    ]);
  });

  it("order: unacknowledged first, then severity, then the oldest", () => {
    const list = [
      alert({ id: "acked-critical", acked: true, severity: "critical" }),
      alert({ id: "new-low", severity: "low", opened_at: 1 }),
      alert({ id: "new-high-young", opened_at: 9 }),
      alert({ id: "new-high-old", opened_at: 5 }),
      alert({ id: "new-critical", severity: "critical", opened_at: 10 }),
      alert({ id: "acked-low", acked: true, severity: "low" }),
    ];
    expect(list.sort(compareAlerts).map((a) => a.id)).toEqual([
      "new-critical",
      "new-high-old",
      "new-high-young",
      "new-low",
      "acked-critical",
      "acked-low",
    ]);
  });

  it("order: the same whatever order alerts came in", () => {
    const any = fc.record({
      id: fc.uuid(),
      acked: fc.boolean(),
      severity: fc.constantFrom("low", "medium", "high", "critical" as const),
      opened_at: fc.integer({ min: 0, max: 5 }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(any, { selector: (a) => a.id, maxLength: 12 }), (facts) => {
        const list = facts.map((f) => alert(f as Partial<Alert>));
        const forward = [...list].sort(compareAlerts).map((a) => a.id);
        expect(
          [...list]
            .reverse()
            .sort(compareAlerts)
            .map((a) => a.id),
        ).toEqual(forward);
      }),
    );
  });

  it("reason: what, on which band, heard by how many, how loud and where", () => {
    expect(reason(alert({}))).toBe("Call on LTE 800, heard by 4 sensors, up to 31 dB above the noise at b1-s13.");
    const one = { sensor: "b1-s01", band: "gsm900-ul", excess_db: 9.4, floor_dbm: -100 };
    const evidence = { sensors: [one, { ...one, band: "lte800-ul" }], llr: 30, threshold: 24, false_alarms_per_day: 1 };
    expect(reason(alert({ evidence, activity: null, bands: ["gsm900-ul", "lte800-ul"] }))).toBe(
      "Transmission on GSM 900, LTE 800, heard by one sensor, up to 9 dB above the noise at b1-s01.",
    );
    expect(reason(alert({ kind: "sensor-fault", text: "b1-s04 is silent." }))).toBe("b1-s04 is silent.");
  });

  it("state: derived from the independent facts, closing first, then setting aside, then acknowledging", () => {
    expect(stateWords(alert({}))).toBe("new");
    expect(stateWords(alert({ active: false }))).toBe("new, ended");
    expect(stateWords(alert({ acked: true, active: false }))).toBe("acknowledged, ended");
    expect(stateWords(alert({ acked: true, shelved_until: 5 }))).toBe("shelved");
    expect(stateWords(alert({ shelved_until: 5, closed_at: 6, outcome: "not-found" }))).toBe("closed: not found");
  });

  it("percent: never certain by rounding, never zero when possible", () => {
    expect([1, 0.999, 0.834, 0.004, 0].map(percent)).toEqual(
      [100, 99, 83].map((n) => `${n}\u00a0%`).concat("<\u00a01\u00a0%", "0\u00a0%"),
    );
  });

  it("names: bands as people say them, zones without the prefix that stands beside them", () => {
    const bands = ["lte800-ul", "gsm900-ul", "nr3500-tdd", "bt-wifi-2400", "lte700a-ul", "cell850-ul", "odd"];
    expect(bands.map(bandWords)).toEqual([
      "LTE 800",
      "GSM 900",
      "NR 3500",
      "Wi-Fi 2400",
      "LTE 700A",
      "CELL 850",
      "odd",
    ]);
    expect(shortZone("b1-0-05", "b1", "0")).toBe("05");
    expect(shortZone("b1-kitchen", "b1", "0")).toBe("kitchen");
    expect(shortZone("guard-room", "b1", "0")).toBe("guard-room");
  });

  it("ages: seconds, hours, days; a clock that is behind shows zero", () => {
    expect([-5, 42_000, 725_000, 11_220_000, 187_200_000].map(ageWords)).toEqual([
      "0:00",
      "0:42",
      "12:05",
      "3 h 07 min",
      "2 d 4 h",
    ]);
  });

  it("freshness: late above 5 s, dead above 15 s", () => {
    expect([0, 5000, 5001, 15_000, 15_001].map(freshness)).toEqual(["live", "live", "late", "late", "dead"]);
  });

  it("flood: counts the last ten minutes only", () => {
    const now = 1_700_000_000_000;
    const list = [0, FLOOD_WINDOW_MS - 1, FLOOD_WINDOW_MS].map((age) => alert({ opened_at: now - age }));
    expect(recentCount(list, now)).toBe(2);
  });

  it("place: the probability of the alert's own cell; a scanner's place is certain; none without a cell", () => {
    expect(cellP(alert({}))).toBe(0.83);
    expect(cellP(alert({ candidates: [] }))).toBe(1);
    expect(cellP(alert({ cell: null }))).toBeNull();
  });

  it("sensors: only trouble is said", () => {
    expect(sensorTrouble(["ok", "ok"])).toBe("");
    expect(sensorTrouble(["ok", "offline", "tamper", "offline"])).toBe("1 tampered with, 2 offline");
  });
});
