import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { type SimulateOptions, scenarioNames, simulate } from "../../simulator/index.ts";

function hash(name: string, seed: number, options: SimulateOptions = {}): { digest: string; messages: number } {
  const sim = simulate(name, seed, options);
  const digest = createHash("sha256");
  let messages = 0;
  for (const m of sim.messages()) {
    digest.update(`${m.t} ${m.topic} ${m.retain} `).update(m.payload).update("\n");
    messages++;
  }
  digest.update(JSON.stringify(sim.truth)).update(sim.site);
  return { digest: digest.digest("hex"), messages };
}

describe("simulate", () => {
  it("bytes: the same scenario and seed twice: the same", () => {
    expect(hash("demo", 7, { durationS: 60 })).toEqual(hash("demo", 7, { durationS: 60 }));
  });

  it("bytes: another seed: other bytes", () => {
    expect(hash("demo", 8, { durationS: 20 }).digest).not.toBe(hash("demo", 7, { durationS: 20 }).digest);
  });

  it("readings: cut into other batches: the same values under the same sequence numbers", () => {
    const values = (batch: number): Map<string, number> => {
      const out = new Map<string, number>();
      for (const m of simulate("demo", 3, { durationS: 40, batch }).messages()) {
        const p = JSON.parse(m.payload as string);
        const sensor = m.topic.split("/")[4];
        if (m.topic.endsWith("/reading")) for (const r of p.r) out.set(`${sensor} ${p.seq} ${r.b}`, r.rms_dbm);
        if (!m.topic.endsWith("/readings")) continue;
        p.bands.forEach((band: string, i: number) => {
          p.rms_dbm[i].forEach((v: number, j: number) => {
            out.set(`${sensor} ${p.seq + j} ${band}`, v);
          });
        });
      }
      return out;
    };
    const single = values(1);
    const ten = values(10);
    expect(ten.size).toBeGreaterThan(1000);
    for (const [key, value] of ten) expect(single.get(key), key).toBe(value);
  });

  it.each(scenarioNames())("messages of %s: in order of arrival, births first, JSON in every topic", (name) => {
    let last = 0;
    const born = new Set<string>();
    let count = 0;
    for (const m of simulate(name, 1, { durationS: 5 }).messages()) {
      expect(m.t).toBeGreaterThanOrEqual(last);
      last = m.t;
      const [, , , , sensor, kind] = m.topic.split("/");
      if (kind === "birth") born.add(sensor as string);
      else expect(born.has(sensor as string)).toBe(true);
      if (typeof m.payload === "string") JSON.parse(m.payload);
      if (++count > 3000) break;
    }
    expect(count).toBeGreaterThan(10);
  });
});
