import { describe, expect, it } from "vitest";
import {
  ScenarioError,
  type ScenarioInput,
  scenarioNames,
  simulate,
  type TruthEpisode,
} from "../../../simulator/index.ts";
import { loadScenario, parseScenario } from "../../../simulator/scenario.ts";

const base = {
  name: "world",
  about: "",
  expect: { why: "", alerts: [0, 0] },
  duration_s: 3600,
  site: { generate: { id: "world", columns: 6, floors: 2, layout: "door", gate_scanner: true } },
} as const;
const truth = (more: Partial<ScenarioInput>, seed = 1): TruthEpisode[] =>
  simulate({ ...base, ...more } as ScenarioInput, seed).truth;

describe("world", () => {
  it("library: every file has its own name, numbers and a reason", () => {
    const names = scenarioNames();
    for (const wanted of [
      "quiet-day",
      "one-call",
      "one-sms",
      "location-updates",
      "boundary-call",
      "floor-above",
      "two-phones-one-band",
      "twenty-at-once",
      "staff-walk",
      "visit-hour",
      "street-outside",
      "jammer-on",
      "sensor-loss",
      "decoy-flood",
      "night",
      "prison-day",
    ])
      expect(names).toContain(wanted);
    for (const name of names) {
      const { scenario } = loadScenario(name);
      expect(scenario.name).toBe(name);
      expect(scenario.expect.why.length).toBeGreaterThan(40);
      expect(scenario.expect.alerts[1]).toBeGreaterThanOrEqual(scenario.expect.alerts[0]);
    }
  });

  it("people: inmates in cells are illegitimate; staff, lawyers and the street are not", () => {
    const list = truth({
      people: [
        { id: "inmate", phone: "lte", actions: [{ do: "call", at_s: 60, duration_s: 30 }] },
        {
          id: "officer",
          role: "staff",
          phone: "lte",
          at: "guard-room",
          actions: [{ do: "call", at_s: 60, duration_s: 30 }],
        },
        {
          id: "walker",
          role: "passer-by",
          phone: "lte",
          at: "street",
          actions: [{ do: "call", at_s: 60, duration_s: 30 }],
        },
      ],
    });
    const of = (id: string): TruthEpisode => list.find((e) => e.emitter === id) as TruthEpisode;
    expect(of("inmate")).toMatchObject({ legitimate: false, activity: "call" });
    expect(of("inmate").cell).toMatch(/^b1-\d-\d\d$/);
    expect(of("officer")).toMatchObject({ legitimate: true, cell: "guard-room" });
    expect(of("walker")).toMatchObject({ legitimate: true, cell: null, floor: null, outside: true });
    expect(of("inmate").end - of("inmate").start).toBe(30_000);
  });

  it("power: GSM starts at full power and comes down where the mast is near; poor coverage keeps it up", () => {
    const call = (path_loss_db: number): TruthEpisode =>
      truth({
        coverage: { path_loss_db, sigma_db: 0 },
        people: [
          { id: "p", phone: "gsm-mini", actions: [{ do: "call", at_s: 60, duration_s: 120, band: "gsm900-ul" }] },
        ],
      })[0] as TruthEpisode;
    const near = call(95).eirp_dbm;
    const far = call(130).eirp_dbm;
    // Full power 33 dBm less 9 dB of antenna and hand, 2 dB of spread.
    expect(far).toBeGreaterThan(33 - 9 - 8);
    expect(far - near).toBeGreaterThan(8);
  });

  it("updates: an old phone that is on reports once an hour, give or take its phase", () => {
    const list = truth({ duration_s: 6 * 3600, people: [{ id: "p", phone: "gsm-mini", updates: true }] });
    expect(list).toHaveLength(6);
    for (const e of list) {
      expect(e.activity).toBe("beacon");
      expect(e.end - e.start).toBeLessThanOrEqual(3000);
    }
  });

  it("rates: Poisson counts near their mean over 40 phones; a phone sends one thing at a time", () => {
    const list = truth({
      duration_s: 4 * 3600,
      people: [{ id: "p", count: 20, phone: "gsm-mini", rates_per_h: { sms: 3 } }],
    });
    // 240 expected, standard deviation 15.5.
    expect(Math.abs(list.length - 240)).toBeLessThan(80);
    for (let i = 1; i <= 20; i++) {
      const own = list.filter((e) => e.emitter === `p-${i}`).sort((a, b) => a.start - b.start);
      for (let j = 1; j < own.length; j++) expect(own[j]!.start).toBeGreaterThanOrEqual(own[j - 1]!.end);
    }
  });

  it("movement: a carried phone has a path that goes from cell to cell; one used elsewhere is where it is used", () => {
    const [carried, used] = truth({
      people: [
        {
          id: "carried",
          phone: "lte",
          at: "b1-0-01",
          move_to: [{ at_s: 62, to: "b1-0-05" }],
          actions: [{ do: "call", at_s: 60, duration_s: 40 }],
        },
        {
          id: "used",
          phone: "lte",
          at: "b1-0-01",
          actions: [{ do: "call", at_s: 120, duration_s: 40, in: "b1-1-08" }],
        },
      ],
    });
    const path = carried!.path as [number, number, number][];
    expect(path[0]![1]).toBeLessThan(2.5);
    expect(path.at(-1)![1]).toBeGreaterThan(10);
    expect(used!.cell).toBe("b1-1-08");
  });

  it("scanners: a portal's alarms come at its published false-alarm rate; a search alarms on the hidden phone", () => {
    const sim = simulate(
      {
        ...base,
        duration_s: 36_000,
        receiver: { profile: "standard", period_ms: 60_000 },
        scanners: { passes_per_h: 60, carry_share: 0, searches: [{ at_s: 100, place: "b1-0-03", hidden: true }] },
      } as ScenarioInput,
      2,
    );
    const scans = [...sim.messages()]
      .filter((m) => m.topic.endsWith("/scan"))
      .map((m) => JSON.parse(m.payload as string));
    const portal = scans.filter((s) => s.method === "mmwave");
    const rate = portal.filter((s) => s.alarm).length / portal.length;
    expect(portal.length).toBeGreaterThan(450);
    // 54 % published; standard error of 600 passes is 2 points.
    expect(Math.abs(rate - 0.54)).toBeLessThan(0.1);
    expect(scans.find((s) => s.method === "nljd")).toMatchObject({ place: "b1-0-03" });
    expect(portal.map((s) => s.seq)).toEqual(portal.map((_, i) => i));
  });

  it("bad scenarios: every problem is named at once", () => {
    let problems: readonly string[] = [];
    try {
      parseScenario({ name: "Bad Name", duration_s: -1, people: [{ phone: 3 }] }, "test");
    } catch (error) {
      problems = (error as ScenarioError).problems;
    }
    expect(problems.length).toBeGreaterThanOrEqual(5);
    expect(() => truth({ people: [{ id: "p", phone: "no-such" }] })).toThrow(/no-such/);
    expect(() => truth({ people: [{ id: "p", phone: "lte", at: "no-zone" }] })).toThrow(/no-zone/);
    expect(() => simulate("no-such-scenario", 1)).toThrow(ScenarioError);
  });
});
