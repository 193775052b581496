import { describe, expect, it } from "vitest";
import { classify, type Episode } from "../../../src/detect/activity.ts";
import { Rng } from "../../support/noise.ts";

/** Episodes of seconds from pairs [start, duration]. */
const episodes = (pairs: readonly (readonly [number, number])[]): Episode[] =>
  pairs.map(([s, d]) => ({ startMs: s * 1000, endMs: (s + d) * 1000 }));

describe("activity", () => {
  it("activity: one transmission of 2 s: message; of 4 minutes: call", () => {
    expect(classify(episodes([[0, 2]])).activity).toBe("message");
    const call = classify(episodes([[0, 240]]));
    expect(call.activity).toBe("call");
    expect(call.p).toBeGreaterThan(0.8);
  });

  it("activity: a call whose silences leave a burst every half second: still a call", () => {
    const pairs: [number, number][] = [];
    for (let t = 0; t < 90; t += t % 20 < 10 ? 0.5 : 1) pairs.push([t, t % 20 < 10 ? 0.1 : 1]);
    expect(classify(episodes(pairs)).activity).toBe("call");
  });

  it("activity: short bursts every ten seconds to the tenth: beacon", () => {
    expect(classify(episodes(Array.from({ length: 30 }, (_, i) => [i * 10, 0.3] as const))).activity).toBe("beacon");
  });

  it("activity: irregular bursts for a minute: data in 40 of 50", () => {
    const rng = new Rng(9);
    let right = 0;
    for (let k = 0; k < 50; k++) {
      const pairs: [number, number][] = [];
      let t = 0;
      while (t < 60) {
        const d = 0.5 + 2 * rng.exponential();
        pairs.push([t, d]);
        t += d + 0.7 + 4 * rng.exponential();
      }
      if (classify(episodes(pairs)).activity === "data") right++;
    }
    expect(right).toBeGreaterThanOrEqual(40);
  });

  it("activity: nothing, or what fits two classes alike: unknown with its probability", () => {
    expect(classify([])).toEqual({ activity: "unknown", p: 0 });
    const between = classify(
      episodes([
        [0, 14],
        [16, 2],
      ]),
    );
    expect(between.p).toBeLessThan(0.9);
  });

  it("activity: order of the episodes: does not matter", () => {
    const e = episodes([
      [0, 2],
      [7, 3],
      [20, 1],
      [31, 4],
    ]);
    expect(classify([...e].reverse())).toEqual(classify(e));
  });
});
