import { describe, expect, it } from "vitest";
import { type HeardLevel, Placement } from "../../../src/alert/placement.ts";
import { mulberry32 } from "../../support/noise.ts";
import { toyPipeline, toyReadings, toySite } from "../../support/toy-block.ts";

const FLOOR = -100;
const CELLS = 12;

/** A row of cells with a sensor each: 8 dB a wall and free space, power and a spread of 6 dB by chance. */
function house(seed: number) {
  const random = mulberry32(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const at = Array.from({ length: CELLS }, (_, i) => i);
  const coverDb = new Array<number>(CELLS).fill(0);
  const block = new Placement();
  const use = () => {
    const cell = Math.floor(random() * CELLS);
    const powerDbm = 5 + 12 * random();
    const levels = at.map((place, i): HeardLevel => {
      const walls = Math.abs(place - cell);
      const lossDb = 31 + 20 * Math.log10(Math.max(1, 2.5 * walls)) + 8 * walls;
      const levelDbm = powerDbm - lossDb - coverDb[i]! + 6 * normal();
      return { sensor: `s${i}`, levelDbm: Math.max(levelDbm, FLOOR), floorDbm: FLOOR, heard: levelDbm > FLOOR + 2 };
    });
    block.use(`c${cell}`, levels);
  };
  const verdicts = () => at.map((_, i) => block.of(`s${i}`));
  return { at, coverDb, block, use, verdicts };
}

describe("placement", () => {
  it("nothing is wrong: a thousand uses say nothing of anybody", () => {
    let wrong = 0;
    for (const seed of [1, 2, 3]) {
      const { use, verdicts } = house(seed);
      for (let n = 0; n < 1000; n++) {
        use();
        wrong += verdicts().filter((v) => v !== null).length;
      }
    }
    expect(wrong).toBe(0);
  });

  it("a sensor moved by five cells: told within sixty uses, and only of it", () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const { at, use, verdicts } = house(seed);
      for (let n = 0; n < 300; n++) use();
      at[3] = 8;
      let told = 0;
      for (let n = 0; n < 60; n++) {
        use();
        if (verdicts()[3] === "moved") told++;
        expect(verdicts().filter((v, i) => i !== 3 && v !== null)).toEqual([]);
      }
      expect(told).toBeGreaterThan(5);
    }
  });

  it("a sensor behind a cover of 18 dB: told within sixty uses as covered, and only of it", () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const { coverDb, use, verdicts } = house(seed);
      for (let n = 0; n < 300; n++) use();
      coverDb[5] = 18;
      let told = 0;
      for (let n = 0; n < 60; n++) {
        use();
        if (verdicts()[5] === "covered") told++;
        expect(verdicts().filter((v, i) => i !== 5 && v !== null)).toEqual([]);
      }
      expect(told).toBeGreaterThan(5);
    }
  });

  it("restored in the middle: says the same", () => {
    const { at, use, block } = house(9);
    for (let n = 0; n < 300; n++) use();
    at[3] = 8;
    for (let n = 0; n < 30; n++) use();
    const again = new Placement();
    again.restore(structuredClone(block.snapshot()));
    expect(block.of("s3")).toBe("moved");
    expect(again.of("s3")).toBe("moved");
  });
});

describe("placement, in a block", () => {
  const site = toySite(3);
  const T0 = 1_700_000_000_000;
  const USES = 60;
  const moveMs = T0 + 40 * 70_000;
  /** One use a minute and a bit, from cell to cell; from the 40th on sensor s0-0 hangs where `to` says. */
  function faults(to: readonly [number, number, number]): string[] {
    const elsewhere = {
      ...site,
      sensors: site.sensors.map((s) => (s.id === "s0-0" ? { ...s, positionM: to } : s)),
    };
    const emitters = Array.from({ length: USES }, (_, n) => ({
      fromMs: T0 + 30_000 + n * 70_000,
      untilMs: T0 + 36_000 + n * 70_000,
      xM: 1.25 + 2.5 * (n % 3),
      yM: n % 2 === 0 ? 2 : 9,
      eirpDbm: 5 + (n % 4) * 3,
    }));
    const block = toyPipeline(site, { holdMs: 2000 });
    const told: string[] = [];
    const play = (of: typeof site, fromMs: number, untilMs: number) => {
      for (const batch of toyReadings(of, emitters, { fromMs, untilMs, seed: 3 })) {
        for (const e of block.tick(batch.tsMs)) {
          if (e.type === "alert" && e.change.type === "new" && e.change.after.kind === "sensor-fault")
            told.push(e.change.after.id);
        }
        block.offer(batch, batch.tsMs);
      }
    };
    play(site, T0, moveMs);
    expect(told).toEqual([]);
    play(elsewhere, moveMs, T0 + USES * 70_000);
    return told;
  }

  it("a sensor that hears all phones as from sixty metres: a sensor-fault that says so; left where it was: nothing", () => {
    expect(faults([1.25, 3.5, 60])).toEqual([expect.stringMatching(/-covered-s0-0$/)]);
    expect(faults(site.sensors.find((s) => s.id === "s0-0")!.positionM as [number, number, number])).toEqual([]);
  });
});
