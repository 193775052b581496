import { describe, expect, it } from "vitest";
import { type ScenarioInput, type SimMessage, simulate } from "../../../simulator/index.ts";

interface Reading {
  readonly t: number;
  readonly sensor: string;
  readonly boot: number;
  readonly seq: number;
  readonly ts: number;
  readonly rms: number;
}

const SITE = {
  generate: { id: "faults", columns: 4, rows: 1, layout: "cell", bands: ["gsm900-ul"], staff_room: false },
} as const;
const IDS = ["b1-s001", "b1-s002", "b1-s003", "b1-s004"];

function run(
  faults: ScenarioInput["faults"],
  more: Partial<ScenarioInput> = {},
): { all: SimMessage[]; readings: Reading[]; startMs: number } {
  const sim = simulate(
    {
      name: "faults",
      about: "",
      expect: { why: "", alerts: [0, 0] },
      site: SITE,
      duration_s: 200,
      faults,
      ...more,
    } as ScenarioInput,
    5,
  );
  const all = [...sim.messages()];
  const readings = all
    .filter((m) => m.topic.endsWith("/reading") && typeof m.payload === "string")
    .map((m) => {
      const p = JSON.parse(m.payload as string);
      return {
        t: m.t,
        sensor: m.topic.split("/")[4] as string,
        boot: p.boot,
        seq: p.seq,
        ts: p.ts,
        rms: p.r[0].rms_dbm,
      };
    });
  return { all, readings, startMs: sim.startMs };
}
const of = (list: readonly Reading[], sensor: string): Reading[] => list.filter((r) => r.sensor === sensor);

describe("faults", () => {
  it("none: every sensor one reading a second, sequence without a gap", () => {
    const { readings } = run([]);
    for (const id of IDS) expect(of(readings, id).map((r) => r.seq)).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  it("dead: silent from then on, without a last will; the others go on", () => {
    const { readings, all, startMs } = run([{ kind: "dead", sensors: [IDS[0]!], from_s: 50 }]);
    expect(of(readings, IDS[0]!)).toHaveLength(50);
    expect(of(readings, IDS[1]!)).toHaveLength(200);
    expect(all.some((m) => m.topic.endsWith(`${IDS[0]}/state`) && m.t > startMs + 1000)).toBe(false);
  });

  it("unplugged: the last will after its keep-alives, then a birth with the next boot and sequence 0", () => {
    const { readings, all, startMs } = run([{ kind: "unplugged", sensors: [IDS[1]!], from_s: 40, to_s: 120 }]);
    const states = all.filter((m) => m.topic.endsWith(`${IDS[1]}/state`)).map((m) => JSON.parse(m.payload as string));
    expect(states.map((s) => s.online)).toEqual([true, false, true]);
    expect(states[1].ts - startMs).toBeGreaterThan(80_000);
    const later = of(readings, IDS[1]!).filter((r) => r.ts > startMs + 120_000);
    expect(later[0]!.seq).toBe(0);
    expect(later[0]!.boot).toBe(states[0].boot + 1);
  });

  it("stuck: the same level for ever", () => {
    const { readings, startMs } = run([{ kind: "stuck", sensors: [IDS[2]!], from_s: 60 }]);
    const levels = new Set(
      of(readings, IDS[2]!)
        .filter((r) => r.ts >= startMs + 61_000)
        .map((r) => r.rms),
    );
    expect(levels.size).toBe(1);
    expect(new Set(of(readings, IDS[3]!).map((r) => r.rms)).size).toBeGreaterThan(10);
  });

  it("deaf by 25 dB: its own noise stays, a strong phone is 25 dB weaker", () => {
    const people = [
      {
        id: "p",
        phone: "lte",
        at: { x_m: 1.25, y_m: 1.2, floor: "0" },
        actions: [{ do: "transmit" as const, at_s: 20, duration_s: 180, band: "gsm900-ul", eirp_dbm: 0 }],
      },
    ];
    const { readings, startMs } = run([{ kind: "deaf", sensors: [IDS[0]!], from_s: 100, amount: 25 }], { people });
    const mean = (a: number, b: number): number => {
      const list = of(readings, IDS[0]!).filter((r) => r.ts > startMs + a * 1000 && r.ts < startMs + b * 1000);
      return list.reduce((sum, r) => sum + r.rms, 0) / list.length;
    };
    expect(mean(30, 99) - mean(102, 199)).toBeCloseTo(25, 0);
  });

  it("clock: skew, step and drift move the stamps and nothing else", () => {
    const { readings } = run([
      { kind: "skew", sensors: [IDS[0]!], from_s: 0, amount: 1500 },
      { kind: "step", sensors: [IDS[1]!], from_s: 100, amount: -4000 },
      { kind: "drift", sensors: [IDS[2]!], from_s: 0, amount: 1000 },
    ]);
    const lag = (id: string, seq: number): number => {
      const r = of(readings, id).find((x) => x.seq === seq) as Reading;
      return r.t - r.ts;
    };
    expect(lag(IDS[0]!, 10)).toBeLessThan(-1300);
    expect(lag(IDS[1]!, 50)).toBeLessThan(200);
    expect(lag(IDS[1]!, 150)).toBeGreaterThan(3900);
    expect(lag(IDS[2]!, 190) - lag(IDS[2]!, 10)).toBeCloseTo(-180, -1);
  });

  it("delivery: lost are missing, repeated are equal, late come out of order, corrupt are not all JSON", () => {
    const clean = run([]);
    const lost = run([{ kind: "lose", sensors: "all", amount: 0.2 }]);
    expect(lost.readings.length / clean.readings.length).toBeCloseTo(0.8, 1);
    const twice = run([{ kind: "repeat", sensors: "all", amount: 0.3 }]);
    const keys = twice.readings.map((r) => `${r.sensor} ${r.seq}`);
    expect(keys.length - new Set(keys).size).toBeGreaterThan(150);
    expect(new Set(twice.readings.map((r) => `${r.sensor} ${r.seq} ${r.ts} ${r.rms}`)).size).toBe(new Set(keys).size);
    const late = run([{ kind: "late", sensors: "all", amount: 0.2 }]);
    const seqs = of(late.readings, IDS[0]!).map((r) => r.seq);
    expect(seqs).not.toEqual([...seqs].sort((a, b) => a - b));
    const broken = run([{ kind: "corrupt", sensors: "all", amount: 0.5 }]).all.filter(
      (m) => typeof m.payload !== "string",
    );
    expect(broken.length).toBeGreaterThan(100);
    for (const { all } of [lost, twice, late]) {
      for (let i = 1; i < all.length; i++) expect(all[i]!.t).toBeGreaterThanOrEqual(all[i - 1]!.t);
    }
  });

  it("broker outage: nothing arrives in it, everything arrives after it, in order and once", () => {
    const { readings, startMs } = run([{ kind: "broker-outage", from_s: 60, to_s: 100 }]);
    expect(readings.some((r) => r.t > startMs + 61_000 && r.t < startMs + 100_000)).toBe(false);
    for (const id of IDS) {
      const seqs = of(readings, id).map((r) => r.seq);
      expect(new Set(seqs).size).toBe(seqs.length);
      expect(seqs.length).toBeGreaterThanOrEqual(195);
    }
  });

  it("swarm: a seed draws some kinds, other seeds others, the same seed the same", () => {
    const plan = (seed: number): string[] => simulate("swarm", seed).faults.map((f) => `${f.kind} ${f.sensor}`);
    expect(plan(1)).toEqual(plan(1));
    const kinds = [1, 2, 3, 4, 5, 6].map((seed) => [...new Set(plan(seed).map((p) => p.split(" ")[0]))].sort().join());
    expect(new Set(kinds).size).toBeGreaterThan(3);
  });
});
