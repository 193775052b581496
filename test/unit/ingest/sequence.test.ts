import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SequenceBook, type SequenceResult, sliceBatch } from "../../../src/ingest/sequence.ts";
import type { ReadingBatch } from "../../../src/model.ts";

/** A batch whose content follows from (boot, seq), or from `salt` as well. */
function batch(boot: number, seq: number, count = 1, salt = 0, sensor = "s1"): ReadingBatch {
  const value = (i: number, j: number): number => -100 + ((boot * 31 + (seq + j) * 7 + i * 3 + salt) % 50);
  return {
    block: "b1",
    sensor,
    boot,
    seq,
    tsMs: 1_700_000_000_000 + boot * 1e7 + seq * 100,
    dtMs: count === 1 ? 0 : 100,
    count,
    bands: ["a", "b"],
    rmsDbm: Float32Array.from({ length: 2 * count }, (_, k) => value(Math.floor(k / count), k % count)),
    peakDbm: null,
    duty: null,
    noiseDbm: null,
    looks: null,
  };
}
/** Numbers taken, as boot:seq. */
const taken = (result: SequenceResult): string[] =>
  result.accepted.flatMap((b) => Array.from({ length: b.count }, (_, j) => `${b.boot}:${b.seq + j}`));
const counts = ({ fresh, closed, unverified, duplicates, conflicts, stale }: SequenceResult) => ({
  fresh,
  closed,
  unverified,
  duplicates,
  conflicts,
  stale,
});

describe("sequence", () => {
  it("numbers in order: are fresh, and the batch is passed on uncut", () => {
    const book = new SequenceBook();
    const first = batch(1, 0, 50);
    expect(book.accept(first).accepted[0]).toBe(first);
    expect(counts(book.accept(batch(1, 50, 50)))).toMatchObject({ fresh: 50, duplicates: 0 });
    expect(book.stats("s1")).toMatchObject({ sent: 100, received: 100, gapInstants: 0, unbrokenUpto: 99 });
  });

  it("the same again, cut otherwise: is a duplicate to the instant", () => {
    const book = new SequenceBook();
    book.accept(batch(1, 0, 10));
    expect(counts(book.accept(batch(1, 3, 1)))).toMatchObject({ duplicates: 1, conflicts: 0 });
    const overlap = book.accept(batch(1, 5, 10));
    expect(counts(overlap)).toMatchObject({ duplicates: 5, fresh: 5 });
    expect(overlap.accepted).toHaveLength(1);
    expect(overlap.accepted[0]).toEqual(batch(1, 10, 5));
  });

  it("a key with other content: is a conflict, not taken, and named", () => {
    const book = new SequenceBook();
    book.accept(batch(1, 0, 10));
    const result = book.accept(batch(1, 4, 2, 1));
    expect(counts(result)).toMatchObject({ conflicts: 2 });
    expect(result.accepted).toEqual([]);
    expect(result.reject).toMatchObject({ code: "sequence-conflict" });
    expect(result.reject!.detail).toContain("instant 4 of boot 1 of 's1'");
    const moved = { ...batch(1, 5, 1), tsMs: 1 };
    expect(counts(book.accept(moved))).toMatchObject({ conflicts: 1 });
  });

  it("a jump: opens a gap that late data closes, piece by piece, once", () => {
    const book = new SequenceBook();
    book.accept(batch(1, 0, 10));
    expect(book.accept(batch(1, 20, 5))).toMatchObject({ fresh: 5, gapOpened: 10 });
    expect(book.stats("s1")).toMatchObject({
      gaps: [[10, 20]],
      gapInstants: 10,
      received: 15,
      sent: 25,
      unbrokenUpto: 9,
    });
    const middle = book.accept(batch(1, 13, 4));
    expect(counts(middle)).toMatchObject({ closed: 4 });
    expect(book.stats("s1")!.gaps).toEqual([
      [10, 13],
      [17, 20],
    ]);
    const whole = book.accept(batch(1, 8, 14));
    expect(counts(whole)).toMatchObject({ closed: 6, duplicates: 8 });
    expect(whole.accepted.map((b) => [b.seq, b.count])).toEqual([
      [10, 3],
      [17, 3],
    ]);
    expect(whole.accepted[1]).toEqual(batch(1, 17, 3));
    expect(book.stats("s1")).toMatchObject({ gaps: [], unbrokenUpto: 24 });
    expect(counts(book.accept(batch(1, 12, 1, 5)))).toMatchObject({ conflicts: 1 });
  });

  it("a first contact in the middle of a boot: what was before is a gap of its own kind, not lost", () => {
    const book = new SequenceBook();
    book.accept(batch(1, 1000, 5));
    expect(book.stats("s1")).toMatchObject({ beforeFirst: 1000, gapInstants: 1000, unbrokenUpto: 1004, lost: 0 });
    expect(counts(book.accept(batch(1, 990, 10)))).toMatchObject({ closed: 10 });
    book.accept(batch(2, 0, 1));
    book.accept(batch(3, 0, 1));
    expect(book.stats("s1")).toMatchObject({ lost: 0, boots: 3 });
  });

  it("a jump to the end of numbers: does not blind the books for the numbers before", () => {
    const book = new SequenceBook();
    book.accept(batch(1, 0, 10));
    book.accept(batch(1, Number.MAX_SAFE_INTEGER, 1));
    expect(counts(book.accept(batch(1, 10, 5)))).toMatchObject({ closed: 5 });
    expect(counts(book.accept(batch(1, 10, 5)))).toMatchObject({ duplicates: 5 });
    expect(counts(book.accept(batch(1, 15, 5)))).toMatchObject({ closed: 5 });
  });

  it("the boot before: is still taken, each instant once; earlier ones are stale", () => {
    const book = new SequenceBook();
    book.accept(batch(16, 0, 10));
    book.accept(batch(17, 0, 10));
    expect(counts(book.accept(batch(16, 8, 4)))).toMatchObject({ fresh: 2, duplicates: 2 });
    book.accept(batch(18, 0, 1));
    const result = book.accept(batch(16, 12, 3));
    expect(counts(result)).toMatchObject({ stale: 3 });
    expect(result.reject).toMatchObject({ code: "stale-boot" });
    expect(result.accepted).toEqual([]);
  });

  it("gaps of a boot that is two behind: count as lost", () => {
    const book = new SequenceBook();
    book.accept(batch(1, 0, 1));
    book.accept(batch(1, 5, 1));
    book.accept(batch(2, 0, 1));
    expect(book.stats("s1")!.lost).toBe(0);
    book.accept(batch(3, 0, 1));
    expect(book.stats("s1")!.lost).toBe(4);
  });

  it("more gaps than are remembered: the oldest is given up, counted, and its late data still taken", () => {
    const book = new SequenceBook({ maxGaps: 2, window: 4 });
    for (const seq of [0, 2, 4, 6, 8]) book.accept(batch(1, seq));
    expect(book.stats("s1")).toMatchObject({
      lost: 2,
      gaps: [
        [5, 6],
        [7, 8],
      ],
    });
    const late = book.accept(batch(1, 1));
    expect(counts(late)).toMatchObject({ unverified: 1, conflicts: 0 });
    expect(taken(late)).toEqual(["1:1"]);
  });

  it("contents beyond the window: are duplicates by their number alone", () => {
    const book = new SequenceBook({ window: 8 });
    book.accept(batch(1, 0, 20));
    expect(counts(book.accept(batch(1, 2, 1, 9)))).toMatchObject({ duplicates: 1, conflicts: 0 });
    expect(counts(book.accept(batch(1, 15, 1, 9)))).toMatchObject({ conflicts: 1 });
  });

  it("bands in another order, a band without values: the same content", () => {
    const book = new SequenceBook();
    const one = { ...batch(1, 0, 1), rmsDbm: Float32Array.of(-90, -80) };
    book.accept(one);
    expect(counts(book.accept({ ...one, bands: ["b", "a"], rmsDbm: Float32Array.of(-80, -90) }))).toMatchObject({
      duplicates: 1,
    });
    const more = {
      ...one,
      bands: ["a", "b", "c"],
      rmsDbm: Float32Array.of(-90, -80, Number.NaN),
      duty: new Float32Array(3).fill(Number.NaN),
    };
    expect(counts(book.accept(more))).toMatchObject({ duplicates: 1 });
    expect(counts(book.accept({ ...one, bands: ["b", "a"] }))).toMatchObject({ conflicts: 1 });
    const peak = { ...one, rmsDbm: null, peakDbm: one.rmsDbm };
    expect(counts(book.accept(peak))).toMatchObject({ conflicts: 1 });
  });

  it("restored with another vocabulary: numbers are kept, contents are not compared", () => {
    const book = new SequenceBook({ vocabulary: "old" });
    book.accept(batch(1, 0, 10));
    const next = new SequenceBook({ vocabulary: "new" });
    next.restore(book.snapshot());
    expect(counts(next.accept(batch(1, 5, 10, 3)))).toMatchObject({ duplicates: 5, fresh: 5, conflicts: 0 });
    expect(counts(next.accept(batch(1, 12, 1, 4)))).toMatchObject({ conflicts: 1 });
  });

  it("sliceBatch: equals the batch that would have been sent", () => {
    expect(sliceBatch(batch(1, 0, 10), 3, 7)).toEqual(batch(1, 3, 4));
    expect(sliceBatch(batch(1, 0, 10), 9, 10)).toEqual(batch(1, 9, 1));
  });
});

describe("sequence: against a map of all keys", () => {
  const message = fc.record({
    boot: fc.integer({ min: 1, max: 3 }),
    seq: fc.integer({ min: 0, max: 60 }),
    count: fc.integer({ min: 1, max: 9 }),
    salt: fc.constantFrom(0, 0, 0, 0, 1),
  });

  it("verdict of every instant is the oracle's, also across a restart", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 60 }), fc.integer({ min: 0, max: 60 }), (messages, restartAt) => {
        let book = new SequenceBook({ window: 128, maxGaps: 64 });
        const seen = new Map<string, number>();
        let boots: number[] = [];
        for (const [k, { boot, seq, count, salt }] of messages.entries()) {
          if (k === restartAt) {
            const next = new SequenceBook({ window: 128, maxGaps: 64 });
            next.restore(structuredClone(book.snapshot()));
            book = next;
          }
          if (boots.length === 0 || boot > boots[0]!) boots = [boot, ...boots].slice(0, 2);
          const result = book.accept(batch(boot, seq, count, salt));
          const keys: string[] = [];
          const expected = { duplicates: 0, conflicts: 0, stale: 0, unverified: 0 };
          for (let j = 0; j < count; j++) {
            const key = `${boot}:${seq + j}`;
            const before = seen.get(key);
            if (!boots.includes(boot)) expected.stale++;
            else if (before === undefined) {
              seen.set(key, salt);
              keys.push(key);
            } else if (before === salt) expected.duplicates++;
            else expected.conflicts++;
          }
          expect(taken(result)).toEqual(keys);
          expect(result).toMatchObject(expected);
          const sum = Object.values(counts(result)).reduce((a, b) => a + b, 0);
          expect(sum).toBe(count);
        }
        const stats = book.stats("s1");
        if (stats === null) return;
        const mine = [...seen.keys()]
          .filter((key) => key.startsWith(`${stats.boot}:`))
          .map((key) => Number(key.split(":")[1]));
        expect(stats.received).toBe(mine.length);
        expect(stats.sent).toBe(Math.max(...mine) + 1);
        expect(stats.gaps.every(([a, b]) => mine.every((seq) => seq < a || seq >= b))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it("however little is remembered: nothing new is refused, nothing is called a conflict without reason", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 80 }), (messages) => {
        const book = new SequenceBook({ window: 4, maxGaps: 2 });
        const seen = new Set<string>();
        for (const { boot, seq, count } of messages) {
          const result = book.accept(batch(boot, seq, count));
          expect(result.conflicts).toBe(0);
          const got = new Set(taken(result));
          for (let j = 0; j < count && result.stale === 0; j++) {
            const key = `${boot}:${seq + j}`;
            if (!seen.has(key)) expect(got.has(key)).toBe(true);
            seen.add(key);
          }
          expect(book.stats("s1")!.gaps.length).toBeLessThanOrEqual(2);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("the instants taken: do not depend on how they were cut into messages", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ seq: fc.integer({ min: 0, max: 50 }), count: fc.integer({ min: 1, max: 8 }) }), {
          maxLength: 30,
        }),
        (messages) => {
          const whole = new SequenceBook();
          const single = new SequenceBook();
          for (const { seq, count } of messages) {
            const a = whole.accept(batch(1, seq, count));
            const parts = Array.from({ length: count }, (_, j) =>
              single.accept(sliceBatch(batch(1, seq, count), j, j + 1)),
            );
            expect(parts.flatMap(taken)).toEqual(taken(a));
          }
          expect(single.stats("s1")).toEqual(whole.stats("s1"));
        },
      ),
      { numRuns: 200 },
    );
  });
});
