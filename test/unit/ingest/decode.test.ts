import { describe, expect, it } from "vitest";
import { encodeMessage } from "../../../sensors/cellward/encode.ts";
import { CODECS, messageTopic } from "../../../sensors/index.ts";
import { createDecoder, type Decoded, decodeTraceMessage } from "../../../src/ingest/decode.ts";
import { isServiceTopic, subscriptions } from "../../../src/ingest/topics.ts";
import type { ReadingBatch, RejectCode } from "../../../src/model.ts";
import { smallSite } from "../../support/site.ts";

const NOW = Date.UTC(2026, 10, 22, 12);
const site = smallSite();
const fresh = () => createDecoder({ site, codecs: CODECS });
const bytes = (payload: unknown): Uint8Array =>
  payload instanceof Uint8Array
    ? payload
    : Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload));
const decode = (topic: string, payload: unknown, retained = false, decoder = fresh()): Decoded =>
  decoder.decode(topic, bytes(payload), { retained, nowMs: NOW });
const S1 = "cellward/v1/demo/b1/s1";

const reading = (over: object = {}) => ({
  v: 1,
  boot: 17,
  seq: 48213,
  ts: NOW,
  r: [{ b: "lte800-ul", rms_dbm: -98.25, peak_dbm: -91, duty: 0.02 }],
  ...over,
});
const readings = (over: object = {}) => ({
  v: 1,
  boot: 17,
  seq: 48213,
  ts: NOW,
  dt_ms: 100,
  bands: ["lte800-ul", "gsm900-ul"],
  rms_dbm: [
    [-98.5, null, -97],
    [-100, -101, -102],
  ],
  peak_dbm: [[-90, -90, -90], null],
  ...over,
});
const birth = (over: object = {}) => ({
  v: 1,
  boot: 17,
  ts: NOW,
  type: "rf",
  model: "x",
  period_ms: 1000,
  bands: [{ id: "lte800-ul", lo_hz: 832e6, hi_hz: 862e6 }],
  ...over,
});
const batchOf = (result: Decoded): ReadingBatch => {
  if (!result.ok || result.message.kind !== "readings") throw new Error(JSON.stringify(result));
  return result.message.batch;
};

describe("decode: good messages", () => {
  it("reading: one instant of some bands, columns by band", () => {
    const batch = batchOf(decode(`${S1}/reading`, reading()));
    expect(batch).toMatchObject({ block: "b1", sensor: "s1", boot: 17, seq: 48213, tsMs: NOW, dtMs: 0, count: 1 });
    expect([...batch.rmsDbm!]).toEqual([-98.25]);
    expect([...batch.peakDbm!]).toEqual([-91]);
    expect(batch.noiseDbm).toBeNull();
    expect(batch.looks).toBeNull();
  });

  it("readings: row-major by band, null and missing rows are NaN", () => {
    const batch = batchOf(decode(`${S1}/readings`, readings()));
    expect(batch).toMatchObject({ count: 3, dtMs: 100, bands: ["lte800-ul", "gsm900-ul"] });
    expect([...batch.rmsDbm!]).toEqual([-98.5, Number.NaN, -97, -100, -101, -102]);
    expect([...batch.peakDbm!]).toEqual([-90, -90, -90, Number.NaN, Number.NaN, Number.NaN]);
  });

  it("readings of one column: need no dt_ms", () => {
    expect(
      batchOf(decode(`${S1}/readings`, readings({ dt_ms: undefined, rms_dbm: [[-98], [-99]], peak_dbm: undefined }))),
    ).toMatchObject({ count: 1, dtMs: 0, peakDbm: null });
  });

  it("birth, state, health, scan: arrive with every field, absent ones null", () => {
    expect(decode(`${S1}/birth`, birth())).toMatchObject({
      ok: true,
      message: {
        kind: "birth",
        birth: { boot: 17, model: "x", periodMs: 1000, dwellMs: null, bands: [{ loHz: 832e6 }] },
      },
    });
    expect(decode(`${S1}/state`, { online: false, boot: 17, ts: NOW, reason: "lost" })).toMatchObject({
      message: { state: { online: false, reason: "lost" } },
    });
    expect(decode(`${S1}/health`, { ts: NOW, temp_c: 41.5 })).toMatchObject({
      message: { health: { tempC: 41.5, tamper: false, battery: null } },
    });
    expect(
      decode("cellward/v1/demo/b1/gate/scan", {
        v: 1,
        boot: 3,
        seq: 9,
        ts: NOW,
        method: "mmwave",
        place: "c1",
        alarm: true,
      }),
    ).toMatchObject({ message: { scan: { place: "c1", alarm: true, score: null, zones: [] } }, dropped: [] });
  });

  it("presence: people by zone; a zone the site has not is left out and counted, a negative count refused", () => {
    const word = {
      v: 1,
      ts: NOW,
      ttl_s: 30,
      zones: [
        { zone: "c1", phones: 2 },
        { zone: "attic", phones: 1 },
      ],
    };
    const topic = `${S1.slice(0, S1.lastIndexOf("/"))}/s1/presence`;
    const result = decode(topic, word);
    expect(result).toMatchObject({
      message: { presence: { sensor: "s1", tsMs: NOW, ttlMs: 30_000, zones: [{ zone: "c1", phones: 2 }] } },
      dropped: [{ code: "payload-schema" }],
    });
    if (!result.ok || result.message.kind !== "presence") throw new Error("not a presence");
    const back = JSON.parse(Buffer.from(encodeMessage(result.message)).toString());
    expect(back).toEqual({ ...word, zones: [{ zone: "c1", phones: 2 }] });
    expect(decode(topic, { ...word, zones: [{ zone: "c1", phones: -1 }] })).toMatchObject({ ok: false });
    expect(decode(topic, { ...word, ts: NOW + 3_600_000 })).toMatchObject({ ok: false, code: "time-future" });
  });

  it("a scan without place: is at the scanner's own; an unknown place keeps the alarm and is counted as a part", () => {
    const scan = { v: 1, boot: 3, seq: 9, ts: NOW, method: "mmwave", alarm: true };
    expect(decode("cellward/v1/demo/b1/gate/scan", scan)).toMatchObject({ message: { scan: { place: "c1" } } });
    expect(decode("cellward/v1/demo/b1/gate/scan", { ...scan, place: "elsewhere" })).toMatchObject({
      ok: true,
      message: { scan: { place: "c1", alarm: true } },
      dropped: [{ code: "payload-schema" }],
    });
  });

  it("a reading of years ago: is taken", () => {
    expect(decode(`${S1}/reading`, reading({ ts: Date.UTC(2001, 0, 1) })).ok).toBe(true);
  });

  it("a reading nine minutes ahead: is taken, the clock estimate deals with it", () => {
    expect(decode(`${S1}/reading`, reading({ ts: NOW + 540_000 })).ok).toBe(true);
  });

  it("fields of a later version of the contract: are ignored", () => {
    expect(
      decode(`${S1}/reading`, reading({ extra: { a: [1] }, r: [{ b: "lte800-ul", rms_dbm: -98, x: 1 }] })).ok,
    ).toBe(true);
  });

  it("one unknown band of two: the good one is kept, the other is a counted part", () => {
    const result = decode(`${S1}/readings`, readings({ bands: ["nope", "gsm900-ul"] }));
    expect(batchOf(result)).toMatchObject({ bands: ["gsm900-ul"], count: 3 });
    expect([...batchOf(result).rmsDbm!]).toEqual([-100, -101, -102]);
    expect(result).toMatchObject({ dropped: [{ code: "unknown-band" }] });
  });

  it("an unknown band in a birth: the birth counts, the band is left out and counted", () => {
    const bands = [...birth().bands, { id: "radar", lo_hz: 1e9, hi_hz: 2e9 }];
    expect(decode(`${S1}/birth`, birth({ bands }))).toMatchObject({
      ok: true,
      message: { birth: { bands: [{ id: "lte800-ul" }] } },
      dropped: [{ code: "unknown-band" }],
    });
  });

  it("trace lines: an object, base64 and the live bytes give the same message", () => {
    const payload = readings();
    const live = decode(`${S1}/readings`, payload);
    const line = { topic: `${S1}/readings` };
    expect(decodeTraceMessage(fresh(), { ...line, payload }, NOW)).toEqual(live);
    const payload_b64 = Buffer.from(JSON.stringify(payload)).toString("base64");
    expect(decodeTraceMessage(fresh(), { ...line, payload_b64 }, NOW)).toEqual(live);
    expect(decodeTraceMessage(fresh(), line, NOW)).toMatchObject({ code: "payload-empty" });
  });

  it("encode: is the inverse of decode for every kind", () => {
    const messages: [string, object][] = [
      ["reading", reading()],
      ["readings", readings()],
      ["birth", birth({ fw: "2.1", cal_id: "k" })],
      ["state", { online: true, boot: 17, ts: NOW }],
      ["health", { ts: NOW, uptime_s: 5, temp_c: 40, sat: 0.5, tamper: true, battery: 0.9 }],
      [
        "scan",
        { v: 1, boot: 1, seq: 0, ts: NOW, method: "nljd", alarm: false, zones: [{ zone: "left-thigh", score: 0.7 }] },
      ],
    ];
    for (const [kind, payload] of messages) {
      const first = decode(`${S1}/${kind}`, payload);
      if (!first.ok) throw new Error(`${kind}: ${first.detail}`);
      expect(messageTopic("demo", first.message)).toBe(`${S1}/${kind}`);
      expect(decode(`${S1}/${kind}`, CODECS[0]!.encode(first.message))).toEqual(first);
    }
  });
});

describe("decode: codes", () => {
  const cases: [code: RejectCode, what: string, topic: string, payload: unknown, retained?: boolean][] = [
    ["topic-malformed", "too few levels", "cellward/v1/demo/b1/s1", reading()],
    ["topic-malformed", "a trailing slash", `${S1}/reading/`, reading()],
    ["topic-malformed", "an empty level", "cellward/v1/demo//s1/reading", reading()],
    ["topic-malformed", "dots", "cellward/v1/demo/b1/../admin", reading()],
    ["topic-malformed", "a percent escape", "cellward/v1/demo/b1/s1%2fx/reading", reading()],
    ["topic-malformed", "capitals", "cellward/v1/demo/B1/s1/reading", reading()],
    ["topic-malformed", "NUL", "cellward/v1/demo/b1/s1\u0000/reading", reading()],
    ["topic-malformed", "U+202E", "cellward/v1/demo/b1/s1\u202e/reading", reading()],
    ["topic-malformed", "a decomposed accent", "cellward/v1/demo/b1/e\u0301/reading", reading()],
    ["topic-malformed", "65,535 characters", `cellward/v1/demo/b1/${"s".repeat(65_508)}/reading`, reading()],
    ["topic-malformed", "150 levels", `cellward/v1${"/a".repeat(148)}`, reading()],
    ["topic-malformed", "another version", "cellward/v2/demo/b1/s1/reading", reading()],
    ["topic-foreign-site", "another site", "cellward/v1/other/b1/s1/reading", reading()],
    ["unknown-block", "a block that is not there", "cellward/v1/demo/b9/s1/reading", reading()],
    ["unknown-sensor", "a sensor that is not there", "cellward/v1/demo/b1/s9/reading", reading()],
    ["unknown-sensor", "a sensor of another block", "cellward/v1/demo/b2/s1/reading", reading()],
    ["unknown-sensor", "__proto__-like names stay names", "cellward/v1/demo/b1/constructor/reading", reading()],
    ["unknown-kind", "a kind that is not there", `${S1}/image`, reading()],
    ["unknown-band", "every band unknown", `${S1}/reading`, reading({ r: [{ b: "lte801-ul", rms_dbm: -90 }] })],
    ["payload-empty", "nothing", `${S1}/reading`, ""],
    ["payload-too-large", "10 MB of [", `${S1}/reading`, Buffer.alloc(10_000_000, "[")],
    [
      "payload-too-large",
      "80,000 keys",
      `${S1}/reading`,
      `{${Array.from({ length: 80_000 }, (_, i) => `"k${i}":1`).join()}}`,
    ],
    [
      "payload-too-large",
      "100,000 instants",
      `${S1}/readings`,
      readings({ bands: ["lte800-ul"], rms_dbm: [Array(100_000).fill(-9)], peak_dbm: null }),
    ],
    ["payload-too-deep", "1 MB of [", `${S1}/reading`, Buffer.alloc(1_000_000, "[")],
    ["payload-too-deep", "nine levels", `${S1}/reading`, reading({ x: [[[[[[[[1]]]]]]]] })],
    [
      "payload-not-utf8",
      "a wrong byte",
      `${S1}/reading`,
      Buffer.concat([Buffer.from('{"v":1,"x":"'), Buffer.from([0xff]), Buffer.from('"}')]),
    ],
    ["payload-not-utf8", "UTF-16", `${S1}/reading`, Buffer.from(`\ufeff${JSON.stringify(reading())}`, "utf16le")],
    ["payload-not-json", "a byte order mark", `${S1}/reading`, `\ufeff${JSON.stringify(reading())}`],
    ["payload-not-json", "one byte", `${S1}/reading`, "{"],
    ["payload-not-json", "cut off", `${S1}/reading`, JSON.stringify(reading()).slice(0, -3)],
    ["payload-not-json", "junk behind", `${S1}/reading`, `${JSON.stringify(reading())}x`],
    ["payload-not-json", "NaN", `${S1}/reading`, '{"v":1,"boot":NaN}'],
    ["payload-forbidden-key", "__proto__", `${S1}/reading`, '{"v":1,"__proto__":{"admin":true}}'],
    ["payload-forbidden-key", "constructor in a band", `${S1}/reading`, '{"v":1,"r":[{"b":"x","constructor":{}}]}'],
    ["payload-forbidden-key", "an escaped key", `${S1}/reading`, '{"v":1,"\\u005f_proto__":{}}'],
    ["payload-version", "v 2", `${S1}/reading`, reading({ v: 2 })],
    ["payload-version", "no v", `${S1}/birth`, birth({ v: undefined })],
    ["payload-schema", "a key twice", `${S1}/reading`, '{"v":1,"boot":1,"boot":2}'],
    ["payload-schema", "a list", `${S1}/reading`, "[]"],
    ["payload-schema", "a number", `${S1}/reading`, "5"],
    ["payload-schema", "text for a level", `${S1}/reading`, reading({ r: [{ b: "lte800-ul", rms_dbm: "-50" }] })],
    ["payload-schema", "true for a level", `${S1}/reading`, reading({ r: [{ b: "lte800-ul", rms_dbm: true }] })],
    ["payload-schema", "neither rms nor peak", `${S1}/reading`, reading({ r: [{ b: "lte800-ul", duty: 0.1 }] })],
    [
      "payload-schema",
      "a band twice",
      `${S1}/reading`,
      reading({
        r: [
          { b: "lte800-ul", rms_dbm: -9 },
          { b: "lte800-ul", rms_dbm: -9 },
        ],
      }),
    ],
    ["payload-schema", "seq beyond 2^53", `${S1}/reading`, reading({ seq: 2 ** 53 })],
    ["payload-schema", "a negative boot", `${S1}/reading`, reading({ boot: -1 })],
    ["payload-schema", "text for a time", `${S1}/reading`, reading({ ts: "2026-02-30" })],
    ["payload-schema", "a fraction of a millisecond", `${S1}/reading`, reading({ ts: NOW + 0.5 })],
    [
      "payload-schema",
      "rows of different length",
      `${S1}/readings`,
      readings({
        rms_dbm: [
          [-9, -9],
          [-9, -9, -9],
        ],
      }),
    ],
    ["payload-schema", "fewer rows than bands", `${S1}/readings`, readings({ rms_dbm: [[-9, -9, -9]] })],
    ["payload-schema", "no dt_ms", `${S1}/readings`, readings({ dt_ms: undefined })],
    [
      "payload-schema",
      "an object for a level",
      `${S1}/readings`,
      readings({
        rms_dbm: [
          [{}, -9, -9],
          [-9, -9, -9],
        ],
      }),
    ],
    ["payload-schema", "an unknown type of sensor", `${S1}/birth`, birth({ type: "radar" })],
    ["payload-schema", "a tenth of a state", `${S1}/state`, { online: 1, boot: 1, ts: NOW }],
    ["value-out-of-range", "+500 dBm", `${S1}/reading`, reading({ r: [{ b: "lte800-ul", rms_dbm: 500 }] })],
    [
      "value-out-of-range",
      "-10,000 dBm in a batch",
      `${S1}/readings`,
      readings({
        peak_dbm: [
          [-9, -9, -9],
          [-9, -10_000, -9],
        ],
      }),
    ],
    ["value-out-of-range", "1e999", `${S1}/reading`, JSON.stringify(reading()).replace("-98.25", "1e999")],
    ["value-out-of-range", "-1e999", `${S1}/reading`, JSON.stringify(reading()).replace("-98.25", "-1e999")],
    ["value-out-of-range", "duty 1.5", `${S1}/reading`, reading({ r: [{ b: "lte800-ul", rms_dbm: -90, duty: 1.5 }] })],
    [
      "value-out-of-range",
      "a band of 0 Hz",
      `${S1}/birth`,
      birth({ bands: [{ id: "lte800-ul", lo_hz: 0, hi_hz: 1e9 }] }),
    ],
    ["value-out-of-range", "a battery of 90", `${S1}/health`, { ts: NOW, battery: 90 }],
    ["time-implausible", "1970", `${S1}/reading`, reading({ ts: 5000 })],
    ["time-implausible", "seconds", `${S1}/reading`, reading({ ts: Math.floor(NOW / 1000) })],
    ["time-implausible", "nanoseconds", `${S1}/reading`, reading({ ts: NOW * 1e6 })],
    ["time-implausible", "microseconds", `${S1}/reading`, reading({ ts: NOW * 1000 })],
    ["time-implausible", "negative", `${S1}/reading`, reading({ ts: -NOW })],
    ["time-implausible", "no Date", `${S1}/state`, { online: true, boot: 1, ts: 8.64e15 + 1 }],
    ["time-implausible", "1e999", `${S1}/reading`, JSON.stringify(reading()).replace(`${NOW}`, "1e999")],
    ["time-implausible", "health of 1970", `${S1}/health`, { ts: 0 }],
    ["time-future", "eleven minutes ahead", `${S1}/reading`, reading({ ts: NOW + 660_000 })],
    ["time-future", "ten years ahead", `${S1}/reading`, reading({ ts: NOW + 315_360_000_000 })],
    ["time-future", "a batch that ends ahead", `${S1}/readings`, readings({ ts: NOW + 599_900 })],
    ["time-future", "a birth of tomorrow", `${S1}/birth`, birth({ ts: NOW + 86_400_000 })],
    ["retained-reading", "a retained reading", `${S1}/reading`, reading(), true],
    ["retained-reading", "a retained scan", "cellward/v1/demo/b1/gate/scan", {}, true],
  ];
  it.each(cases)("%s: %s", (code, _what, topic, payload, retained) => {
    const result = decode(topic, payload, retained);
    expect(result).toMatchObject({ ok: false, code });
    if (result.ok) throw new Error("taken");
    expect(result.detail.length).toBeGreaterThan(10);
    expect(result.detail.length).toBeLessThan(400);
    expect(result.detail).toMatch(/^[\x20-\x7e]*$/);
  });

  it("stale-state: a will of an earlier boot after a newer birth, reading or state", () => {
    for (const [kind, payload] of [
      ["birth", birth({ boot: 18 })],
      ["reading", reading({ boot: 18 })],
      ["state", { online: true, boot: 18, ts: NOW }],
    ] as const) {
      const decoder = fresh();
      expect(decode(`${S1}/${kind}`, payload, false, decoder).ok).toBe(true);
      const will = { online: false, boot: 17, ts: NOW, reason: "lost" };
      expect(decode(`${S1}/state`, will, true, decoder)).toMatchObject({ code: "stale-state" });
      expect(decode(`${S1}/state`, { ...will, boot: 18 }, true, decoder).ok).toBe(true);
    }
  });

  it("stale-boot: a birth of an earlier boot", () => {
    const decoder = fresh();
    decode(`${S1}/birth`, birth({ boot: 18 }), true, decoder);
    expect(decode(`${S1}/birth`, birth({ boot: 17 }), true, decoder)).toMatchObject({ code: "stale-boot" });
  });

  it("what is known of boots and models: survives snapshot and restore", () => {
    const decoder = fresh();
    decode(
      "cellward/v1/demo/b1/gate/birth",
      birth({ boot: 18, model: "cellward-scanner", type: "scanner" }),
      true,
      decoder,
    );
    const next = fresh();
    next.restore(JSON.parse(JSON.stringify(decoder.snapshot())));
    const will = { online: false, boot: 17, ts: NOW };
    expect(decode("cellward/v1/demo/b1/gate/state", will, true, next)).toMatchObject({ code: "stale-state" });
    expect(decode("cellward/v1/demo/b1/gate/reading", reading({ boot: 18 }), false, next)).toMatchObject({
      code: "unknown-kind",
    });
  });

  it("a refused message: leaves no trace in what is known", () => {
    const decoder = fresh();
    decode(`${S1}/reading`, reading({ boot: 99, ts: 5 }), false, decoder);
    decode(`${S1}/birth`, birth({ boot: 99, ts: NOW * 2 }), false, decoder);
    expect(decode(`${S1}/state`, { online: true, boot: 17, ts: NOW }, false, decoder).ok).toBe(true);
  });
});

describe("topics", () => {
  it("what the service sends itself: is told apart from malformed sensor topics", () => {
    for (const topic of [
      "cellward/v1/demo/_svc/a/state",
      "cellward/v1/demo/_alert/x",
      "cellward/v1/demo/_alert_event",
      `${S1}/ack`,
    ]) {
      expect(isServiceTopic(topic)).toBe(true);
    }
    for (const topic of [`${S1}/reading`, "cellward/v1/demo/_other/x", "cellward/v1/demo/b1/_svc/reading"]) {
      expect(isServiceTopic(topic)).toBe(false);
    }
  });
  it("one filter a tree: no overlap that would double messages", () => {
    expect(subscriptions("demo", "all")).toEqual(["cellward/v1/#"]);
    expect(subscriptions("demo", "site")).toEqual(["cellward/v1/demo/#"]);
  });
});
