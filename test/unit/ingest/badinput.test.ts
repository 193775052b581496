import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CODECS, PAYLOAD_SCHEMAS } from "../../../sensors/index.ts";
import { createDecoder } from "../../../src/ingest/decode.ts";
import { Inbox } from "../../../src/ingest/inbox.ts";
import { RejectLog } from "../../../src/ingest/rejects.ts";
import { SequenceBook } from "../../../src/ingest/sequence.ts";
import type { ReadingBatch, RejectCode } from "../../../src/model.ts";
import { HOSTILE, NOW_MS } from "../../support/bad-input.ts";
import { smallSite } from "../../support/site.ts";

const site = smallSite();
const S1 = "cellward/v1/demo/b1/s1";
const S2 = "cellward/v1/demo/b2/s2";

/** Every reason there is; `satisfies` makes the compiler name one that is missing or too many. */
const CODES = {
  "topic-malformed": 1,
  "topic-foreign-site": 1,
  "unknown-block": 1,
  "unknown-sensor": 1,
  "unknown-kind": 1,
  "unknown-band": 1,
  "payload-empty": 1,
  "payload-too-large": 1,
  "payload-too-deep": 1,
  "payload-not-utf8": 1,
  "payload-not-json": 1,
  "payload-forbidden-key": 1,
  "payload-version": 1,
  "payload-schema": 1,
  "value-out-of-range": 1,
  "time-implausible": 1,
  "time-future": 1,
  "retained-reading": 1,
  "stale-state": 1,
  "stale-boot": 1,
  "sequence-conflict": 1,
  "sensor-quota": 1,
  "inbox-full": 1,
} satisfies Record<RejectCode, 1>;

/** The way of a message from its bytes to the door of the pipeline, as the service goes it, with its books. */
function house() {
  const decoder = createDecoder({ site, codecs: CODECS });
  const rejects = new RejectLog();
  const books = new SequenceBook();
  const inbox = new Inbox<ReadingBatch>({
    maxMessages: 10_000,
    maxBytes: 1e9,
    sensorPerSecond: 1_000,
    sensorBurst: 10_000,
    sensorShare: 0.5,
  });
  const counts = { received: 0, readings: 0, others: 0, rejected: 0, accepted: 0, duplicates: 0, refusedInstants: 0 };
  return {
    rejects,
    books,
    counts,
    take(topic: string, payload: Uint8Array, retained = false): ReadingBatch[] {
      counts.received++;
      const result = decoder.decode(topic, payload, { retained, nowMs: NOW_MS });
      if (!result.ok) {
        expect(Object.hasOwn(CODES, result.code), result.code).toBe(true);
        expect(result.detail.length).toBeLessThan(500);
        rejects.add(result, topic, payload, NOW_MS);
        counts.rejected++;
        return [];
      }
      for (const part of result.dropped) rejects.addPart(part, topic, payload, NOW_MS);
      if (result.message.kind !== "readings") {
        counts.others++;
        return [];
      }
      const { batch } = result.message;
      const full = inbox.offer(batch.sensor, payload.length, 0, batch);
      if (full !== null) throw new Error(full.detail);
      const verdict = books.accept(inbox.take()!);
      counts.readings += batch.count;
      counts.accepted += verdict.fresh + verdict.closed + verdict.unverified;
      counts.duplicates += verdict.duplicates;
      counts.refusedInstants += verdict.conflicts + verdict.stale;
      return [...verdict.accepted];
    },
  };
}

const goodReading = (seq: number): Uint8Array =>
  Buffer.from(
    JSON.stringify({
      v: 1,
      boot: 1,
      seq,
      ts: NOW_MS + seq,
      r: [{ b: "lte800-ul", rms_dbm: -90 - (seq % 7), peak_dbm: -80 }],
    }),
  );

describe("bad input", () => {
  it("every kind of it: is counted under its reason, and the other sensor loses nothing", () => {
    const { take, rejects, counts } = house();
    const expected = new Map<string, number>();
    let taken = 0;
    for (const [k, hostile] of HOSTILE.entries()) {
      if (hostile.before) take(hostile.topic, hostile.before);
      take(hostile.topic, hostile.payload(), hostile.retained);
      if (hostile.code !== null) expected.set(hostile.code, (expected.get(hostile.code) ?? 0) + 1);
      const [batch] = take(`${S2}/reading`, goodReading(k));
      expect(batch?.rmsDbm?.[0], `after ${hostile.name}`).toBe(-90 - (k % 7));
      taken++;
    }
    expect(taken).toBe(HOSTILE.length);
    expect(
      Object.fromEntries(
        rejects
          .rows()
          .filter((r) => r.count > 0)
          .map((r) => [r.code, r.count]),
      ),
    ).toEqual(Object.fromEntries(expected));
    expect(counts.rejected).toBe(rejects.total);
    // A message with readings and one of another kind are told apart by instants; together nothing is left over.
    expect(counts.readings).toBe(counts.accepted + counts.duplicates + counts.refusedInstants);
    for (const row of rejects.rows()) expect(row.samples.length, row.code).toBeGreaterThan(0);
  });

  it("sequence-conflict and stale-boot: come from the books, as messages with real bytes", () => {
    const { take, books, counts } = house();
    const message = (boot: number, level: number) =>
      Buffer.from(JSON.stringify({ v: 1, boot, seq: 0, ts: NOW_MS, r: [{ b: "lte800-ul", rms_dbm: level }] }));
    const decode = createDecoder({ site, codecs: CODECS });
    const batchOf = (bytes: Uint8Array): ReadingBatch => {
      const result = decode.decode(`${S1}/reading`, bytes, { retained: false, nowMs: NOW_MS });
      if (!result.ok || result.message.kind !== "readings") throw new Error("not taken");
      return result.message.batch;
    };
    expect(take(`${S1}/reading`, message(5, -90))).toHaveLength(1);
    expect(books.accept(batchOf(message(5, -20))).reject).toMatchObject({ code: "sequence-conflict" });
    take(`${S1}/reading`, message(6, -90));
    take(`${S1}/reading`, message(7, -90));
    expect(books.accept(batchOf(message(5, -90))).reject).toMatchObject({ code: "stale-boot" });
    expect(counts.accepted).toBe(3);
  });

  it("nothing hostile: becomes a property of every object", () => {
    const { take } = house();
    for (const hostile of HOSTILE) take(hostile.topic, hostile.payload(), hostile.retained);
    expect(({} as Record<string, unknown>).admin).toBeUndefined();
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});

// ----------------------------------------------------------------------------------------------------------------- fuzz

/** What can stand where a number is expected. */
const oddValue = fc.constantFrom<unknown>(
  null,
  true,
  "",
  " ",
  "-50",
  "0x10",
  [],
  {},
  [[]],
  0,
  -0,
  1e-320,
  500,
  -10_000,
  1e308,
  -1,
  0.5,
  2 ** 53,
  2 ** 63,
  "NaN",
  "\u0000",
  "<img src=x onerror=alert(1)>",
  "a,b=c d=1\nrf,sensor=s2 rssi=-90 0",
  "=HYPERLINK()",
  "\u202e",
  "__proto__",
);
const oddKey = fc.constantFrom(
  "v",
  "boot",
  "seq",
  "ts",
  "r",
  "b",
  "rms_dbm",
  "peak_dbm",
  "bands",
  "dt_ms",
  "n",
  "__proto__",
  "x",
);
const goodObject = fc.constantFrom<Record<string, unknown>>(
  {
    v: 1,
    boot: 2,
    seq: 5,
    ts: NOW_MS,
    r: [
      { b: "lte800-ul", rms_dbm: -90 },
      { b: "gsm900-ul", peak_dbm: -70, duty: 0.5 },
    ],
  },
  {
    v: 1,
    boot: 2,
    seq: 9,
    ts: NOW_MS,
    dt_ms: 100,
    bands: ["lte800-ul", "gsm900-ul"],
    rms_dbm: [
      [-90, -91],
      [null, -80],
    ],
  },
  { v: 1, boot: 2, ts: NOW_MS, type: "rf", model: "m", bands: [{ id: "lte800-ul", lo_hz: 832e6, hi_hz: 862e6 }] },
  { online: true, boot: 2, ts: NOW_MS },
  { v: 1, boot: 2, seq: 1, ts: NOW_MS, method: "mmwave", place: "c1", alarm: true, zones: [{ zone: "x", score: 0.5 }] },
  { ts: NOW_MS, temp_c: 40, tamper: false },
);

/** Replaces, adds or removes something at a random place of a message. */
function spoil(value: unknown, path: number[], odd: unknown, key: string): unknown {
  const [at, ...rest] = path;
  if (at === undefined) return odd;
  if (Array.isArray(value)) {
    if (value.length === 0) return [odd];
    const copy = [...value];
    copy[at % copy.length] = spoil(copy[at % copy.length], rest, odd, key);
    return copy;
  }
  if (typeof value !== "object" || value === null) return odd;
  const keys = Object.keys(value);
  if (at % 5 === 0 || keys.length === 0) return { ...value, [key]: odd };
  const chosen = keys[at % keys.length]!;
  if (at % 7 === 0) return Object.fromEntries(Object.entries(value).filter(([k]) => k !== chosen));
  return { ...value, [chosen]: spoil((value as Record<string, unknown>)[chosen], rest, odd, key) };
}
const path = fc.array(fc.nat(40), { maxLength: 4 });
const spoilt = fc
  .tuple(goodObject, path, oddValue, oddKey)
  .map(([o, p, odd, key]) => Buffer.from(JSON.stringify(spoil(o, p, odd, key)) ?? ""));
const bytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 5, arbitrary: spoilt },
  { weight: 2, arbitrary: fc.tuple(spoilt, fc.nat(300)).map(([b, cut]) => b.subarray(0, cut)) },
  {
    weight: 2,
    arbitrary: fc.tuple(spoilt, fc.nat(300), fc.nat(255)).map(([b, at, x]) => {
      const c = Uint8Array.from(b);
      if (c.length > 0) c[at % c.length] = x;
      return c;
    }),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  { weight: 1, arbitrary: fc.json({ maxDepth: 12 }).map((text) => Buffer.from(text)) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("[", '{"a":', '"', "\\")
      .chain((c) => fc.integer({ min: 1, max: 3000 }).map((n) => Buffer.from(c.repeat(n)))),
  },
);
const level = fc.constantFrom(
  "demo",
  "other",
  "b1",
  "b2",
  "s1",
  "gate",
  "s9",
  "",
  "..",
  "S1",
  "__proto__",
  "constructor",
  "s%2f",
  "\u0000",
  "_svc",
);
const kind = fc.constantFrom("birth", "state", "reading", "readings", "scan", "health", "image", "");
const topic = fc.oneof(
  { weight: 6, arbitrary: kind.map((k) => `${S1}/${k}`) },
  { weight: 1, arbitrary: kind.map((k) => `cellward/v1/demo/b1/gate/${k}`) },
  { weight: 1, arbitrary: fc.tuple(level, level, level, kind).map((parts) => `cellward/v1/${parts.join("/")}`) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 60 }) },
);

/** One or two of something; now and then none, or no list. */
const mostlyList = (item: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof(
    { weight: 9, arbitrary: fc.array(item, { minLength: 1, maxLength: 2 }) },
    { weight: 1, arbitrary: fc.constantFrom<unknown>([], "x", [null]) },
  );

describe("bad input: at random", () => {
  it("never throws, always has a closed reason, harms nobody else, and the books stay whole", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(topic, bytes, fc.boolean()), { maxLength: 25 }), (messages) => {
        const { take, rejects, counts } = house();
        for (const [k, [where, payload, retained]] of messages.entries()) {
          take(where, payload, retained && k % 3 === 0);
          const [batch] = take(`${S2}/reading`, goodReading(k));
          expect(batch?.rmsDbm?.[0]).toBe(-90 - (k % 7));
        }
        expect(counts.rejected).toBe(rejects.total);
        expect(counts.readings).toBe(counts.accepted + counts.duplicates + counts.refusedInstants);
        expect(() => JSON.stringify(rejects.rows())).not.toThrow();
      }),
      { numRuns: 400 },
    );
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  it("what the hand-written check takes: is what the published schema takes", () => {
    const band = fc.constantFrom("lte800-ul", "gsm900-ul");
    const odd = fc.constantFrom<unknown>(-90, -200, 100, 0, 0.5, 1, 101, -201, null, undefined, "x", true, 1e9);
    // Mostly right, so that every rule is met by messages that would be taken but for it.
    const mostly = (...good: unknown[]) =>
      fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...good) }, { weight: 1, arbitrary: odd });
    const level = mostly(-90, -80.5);
    const share = mostly(0.5, undefined, null);
    const looks = mostly(4, undefined, null);
    const table = (cell: fc.Arbitrary<unknown>) => {
      const filled = cell.map((value) => value ?? null);
      const wild = fc.array(fc.oneof(fc.array(filled, { maxLength: 3 }), fc.constantFrom<unknown>(null, "x")), {
        maxLength: 3,
      });
      return fc.oneof(
        {
          weight: 6,
          arbitrary: fc.tuple(fc.tuple(filled, filled), fc.oneof(fc.tuple(filled, filled), fc.constant(null))),
        },
        { weight: 2, arbitrary: fc.constantFrom<unknown>(null, undefined) },
        { weight: 1, arbitrary: fc.oneof(wild, fc.constant(5 as unknown)) },
      );
    };
    const head = {
      v: fc.constantFrom(1, 1, 1, 1, 1, 1, 1, 2),
      boot: mostly(0, 5),
      seq: mostly(0, 7),
      // Whether a time is plausible is the decoder's business alone; here only its form counts.
      ts: fc.constantFrom<unknown>(...Array(9).fill(NOW_MS), NOW_MS + 0.5, "x", null, true),
    };
    const item = fc.record({
      b: band,
      rms_dbm: level,
      peak_dbm: mostly(-70, undefined),
      duty: share,
      noise_dbm: level,
      n: looks,
    });
    const reading = fc.record({ ...head, r: mostlyList(item) });
    const readings = fc.record({
      ...head,
      dt_ms: mostly(100, 1),
      bands: fc.oneof(
        { weight: 6, arbitrary: fc.constant<unknown>(["lte800-ul", "gsm900-ul"]) },
        { weight: 1, arbitrary: fc.oneof(fc.array(band, { maxLength: 3 }), fc.constant(null)) },
      ),
      rms_dbm: table(level),
      peak_dbm: table(level),
      duty: table(share),
      n: table(looks),
    });
    const seen = { taken: 0, refused: 0 };
    const agree = (name: "reading" | "readings", value: unknown): void => {
      const text = JSON.stringify(value);
      const decoder = createDecoder({ site, codecs: CODECS });
      const mine = decoder.decode(`${S1}/${name}`, Buffer.from(text), { retained: false, nowMs: NOW_MS });
      const schema = PAYLOAD_SCHEMAS[name].safeParse(JSON.parse(text));
      seen[mine.ok ? "taken" : "refused"]++;
      if (mine.ok !== schema.success)
        throw new Error(`${text}: ${mine.ok ? "taken" : mine.detail}; schema: ${schema.error}`);
    };
    fc.assert(
      fc.property(reading, readings, (one, many) => {
        agree("reading", one);
        agree("readings", many);
      }),
      { numRuns: 2_000 },
    );
    expect(seen.taken).toBeGreaterThan(200);
    expect(seen.refused).toBeGreaterThan(200);
  });
});
