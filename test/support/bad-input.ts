import type { RejectCode } from "../../src/model.ts";

/** The service's clock in tests of bad input. */
export const NOW_MS = Date.UTC(2026, 10, 22, 12);

export interface Hostile {
  readonly name: string;
  readonly topic: string;
  readonly payload: () => Uint8Array;
  readonly retained?: boolean;
  /** A message that must come first for this one to be bad. */
  readonly before?: Uint8Array;
  /** The reason it is counted under; null where it is taken (and harmless). */
  readonly code: RejectCode | null;
}

const S1 = "cellward/v1/demo/b1/s1";
const good = { v: 1, boot: 17, seq: 1, ts: NOW_MS, r: [{ b: "lte800-ul", rms_dbm: -90 }] };
const json = (value: unknown): Uint8Array => Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
const reading = (name: string, code: RejectCode | null, value: unknown, rest: Partial<Hostile> = {}): Hostile => ({
  name,
  topic: `${S1}/reading`,
  payload: () => (value instanceof Uint8Array ? value : json(value)),
  code,
  ...rest,
});
const level = (rms_dbm: unknown) => ({ ...good, r: [{ b: "lte800-ul", rms_dbm }] });

/** Every bad input that the project promises to survive, with the reason it is counted under. Sized for the site of `site.ts`. */
export const HOSTILE: readonly Hostile[] = [
  reading("nothing", "payload-empty", ""),
  reading("one byte", "payload-not-json", "{"),
  reading("cut off", "payload-not-json", JSON.stringify(good).slice(0, -5)),
  reading("junk behind", "payload-not-json", `${JSON.stringify(good)}}`),
  reading("not JSON", "payload-not-json", "hello"),
  reading("a byte order mark", "payload-not-json", `\ufeff${JSON.stringify(good)}`),
  reading("UTF-16", "payload-not-utf8", Buffer.from(`\ufeff${JSON.stringify(good)}`, "utf16le")),
  reading("invalid UTF-8", "payload-not-utf8", Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d])),
  reading("10 MB of [", "payload-too-large", new Uint8Array(10_000_000).fill(0x5b)),
  reading("1 MB of [", "payload-too-deep", new Uint8Array(1_000_000).fill(0x5b)),
  reading('1 MB of {"a":', "payload-too-deep", '{"a":'.repeat(200_000)),
  reading("80,000 keys", "payload-too-large", `{${Array.from({ length: 80_000 }, (_, i) => `"${i}":1`).join()}}`),
  reading("1 MB number", "payload-version", `{"v":1${"0".repeat(1_000_000)}}`),
  reading("1 MB string", "payload-version", `{"v":"${"x".repeat(1_000_000)}"}`),
  reading("1 MB of quotes", "payload-not-json", '"'.repeat(1_000_000)),
  reading("1 MB of backslashes", "payload-not-json", `"${"\\".repeat(1_000_000)}`),
  reading("1 MB of colons", "payload-schema", ":".repeat(1_000_000)),
  reading(
    "500,000 numbers",
    "payload-schema",
    `{"v":1,"boot":1,"seq":1,"ts":${NOW_MS},"r":[${"1,".repeat(500_000)}1]}`,
  ),
  reading("__proto__", "payload-forbidden-key", '{"v":1,"__proto__":{"admin":true}}'),
  reading("constructor.prototype", "payload-forbidden-key", '{"v":1,"constructor":{"prototype":{"admin":true}}}'),
  reading("an escaped __proto__", "payload-forbidden-key", '{"v":1,"__pr\\u006fto__":{"admin":true}}'),
  reading("a key twice", "payload-schema", `{"v":1,"boot":1,"seq":1,"seq":2,"ts":${NOW_MS},"r":[]}`),
  reading("text for a level", "payload-schema", level("-50")),
  reading("hexadecimal text", "payload-schema", level("0x10")),
  reading("empty text", "payload-schema", level("")),
  reading("true", "payload-schema", level(true)),
  reading("null alone", "payload-schema", level(null)),
  reading("a list", "payload-schema", level([])),
  reading("1e999", "value-out-of-range", JSON.stringify(level(0)).replace(":0}", ":1e999}")),
  reading("-1e999", "value-out-of-range", JSON.stringify(level(0)).replace(":0}", ":-1e999}")),
  reading("NaN", "payload-not-json", JSON.stringify(level(0)).replace(":0}", ":NaN}")),
  reading("+500 dBm", "value-out-of-range", level(500)),
  reading("-10,000 dBm", "value-out-of-range", level(-10_000)),
  reading("1e-320 dBm", null, level(1e-320)),
  reading("seq 2^53+1", "payload-schema", JSON.stringify(good).replace('"seq":1', '"seq":9007199254740993')),
  reading("seq 2^63", "payload-schema", { ...good, seq: 2 ** 63 }),
  reading("version 2", "payload-version", { ...good, v: 2 }),
  reading("1970", "time-implausible", { ...good, ts: 1_000 }),
  reading("seconds", "time-implausible", { ...good, ts: NOW_MS / 1000 }),
  reading("nanoseconds", "time-implausible", { ...good, ts: NOW_MS * 1e6 }),
  reading("before Christ", "time-implausible", { ...good, ts: -NOW_MS * 100 }),
  reading("a date as text", "payload-schema", { ...good, ts: "2026-02-30" }),
  reading("ten years ahead", "time-future", { ...good, ts: NOW_MS + 315_360_000_000 }),
  reading("eleven minutes ahead", "time-future", { ...good, ts: NOW_MS + 660_000 }),
  reading("an unknown sensor", "unknown-sensor", good, { topic: "cellward/v1/demo/b1/s9/reading" }),
  reading("another block's sensor", "unknown-sensor", good, { topic: "cellward/v1/demo/b1/s2/reading" }),
  reading("an unknown band", "unknown-band", { ...good, r: [{ b: "radar", rms_dbm: -90 }] }),
  reading("an unknown block", "unknown-block", good, { topic: "cellward/v1/demo/b9/s1/reading" }),
  reading("an unknown site", "topic-foreign-site", good, { topic: "cellward/v1/other/b1/s1/reading" }),
  reading("an unknown kind", "unknown-kind", good, { topic: `${S1}/image` }),
  reading("a topic of 65,000 bytes", "topic-malformed", good, {
    topic: `cellward/v1/demo/b1/${"s".repeat(65_000)}/reading`,
  }),
  reading("a topic of 150 levels", "topic-malformed", good, { topic: `cellward/v1${"/a".repeat(150)}` }),
  reading("a topic with NUL", "topic-malformed", good, { topic: "cellward/v1/demo/b1/s1\u0000/reading" }),
  reading("a retained reading", "retained-reading", good, { retained: true }),
  {
    name: "a stale will",
    topic: `${S1}/state`,
    before: json({ online: true, boot: 18, ts: NOW_MS }),
    payload: () => json({ online: false, boot: 17, ts: NOW_MS, reason: "lost" }),
    code: "stale-state",
  },
  {
    name: "a stale birth",
    topic: `${S1}/birth`,
    payload: () => json({ v: 1, boot: 3, ts: NOW_MS, type: "rf", bands: [] }),
    code: "stale-boot",
  },
  {
    name: "a birth with markup, line breaks and line protocol in its names",
    topic: `${S1}/birth`,
    payload: () =>
      json({
        v: 1,
        boot: 18,
        ts: NOW_MS,
        type: "rf",
        model: "<img src=x onerror=1>",
        fw: "a\r\nx,sensor=s2 rssi=-90 0",
        bands: [],
      }),
    code: null,
  },
];
