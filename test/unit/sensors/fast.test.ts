import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CODECS } from "../../../sensors/index.ts";
import type { SensorAddress } from "../../../src/contracts.ts";
import { precheckJson } from "../../../src/ingest/precheck.ts";

const codec = CODECS[0]!;
const address: SensorAddress = { block: "b1", sensor: "s1", kind: "readings" };
const fast = (text: string | Uint8Array) => codec.decodeReadings!(address, Buffer.from(text));

/** What the general way makes of the bytes: a batch, or null. */
function general(bytes: Uint8Array): unknown {
  if (precheckJson(bytes, { maxDepth: 8, maxKeys: 1_000 }) !== null) return null;
  const result = codec.decode(address, bytes);
  return result.ok && result.message.kind === "readings" ? result.message.batch : null;
}

/** Numbers as sensors, other languages and trouble-makers write them. */
const number = fc.oneof(
  { weight: 60, arbitrary: fc.double({ min: -200, max: 100, noNaN: true }).map((x) => x.toFixed(2)) },
  { weight: 2, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }).map(String) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "null",
      "-0",
      "0",
      "0.0",
      "-0.05",
      "1e2",
      "1E-3",
      "999999999999999",
      "0.123456789012345",
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "00",
      "01",
      "1.",
      ".5",
      "-",
      "+1",
      "1e",
      "nul",
      "NaN",
      "12345678901234567890",
      "true",
      '"1"',
    ),
  },
);
const blank = fc.constantFrom("", "", "", " ", "  ", "\n");
const row = (count: number) => fc.array(number, { minLength: count, maxLength: count });
const list = (items: readonly string[], gap: string): string => `[${gap}${items.join(`${gap},${gap}`)}${gap}]`;
const message = fc
  .record({
    count: fc.integer({ min: 1, max: 4 }),
    bands: fc.subarray(["a", "lte800-ul", "gsm900-ul", "x-1"], { minLength: 1 }),
    gap: blank,
    shuffle: fc.boolean(),
    head: fc.constantFrom<[string, string]>(
      ["boot", "17"],
      ["boot", "-1"],
      ["boot", "1.0"],
      ["seq", "9007199254740991"],
      ["v", "2"],
      ["v", "1.0"],
      ["x", "1"],
      ["dt_ms", "0"],
      ["dt_ms", "3600001"],
      ["ts", "1.5"],
      ["bands", '["a","a"]'],
      ["bands", '["\\u0061"]'],
      ...Array<[string, string]>(12).fill(["seq", "7"]),
    ),
  })
  .chain(({ count, bands, gap, shuffle, head }) =>
    fc
      .tuple(
        fc.array(row(count), { minLength: bands.length, maxLength: bands.length }),
        fc.array(row(count), { minLength: bands.length, maxLength: bands.length }),
        fc.boolean(),
      )
      .map(([rms, peak, both]) => {
        const fields: Record<string, string> = {
          v: "1",
          boot: "3",
          seq: "5",
          ts: "1763800000000",
          dt_ms: "100",
          bands: list(
            bands.map((b) => JSON.stringify(b)),
            gap,
          ),
          rms_dbm: list(
            rms.map((r) => list(r, gap)),
            gap,
          ),
          ...(both
            ? {
                peak_dbm: list(
                  peak.map((r) => list(r, gap)),
                  gap,
                ),
              }
            : {}),
        };
        fields[head[0]] = head[1];
        const keys = Object.keys(fields);
        if (shuffle) keys.push(keys.splice(1, 1)[0]!);
        return `{${gap}${keys.map((k) => `"${k}"${gap}:${gap}${fields[k]}`).join(`${gap},${gap}`)}${gap}}`;
      }),
  );

/** One time in five, else null. */
const rarely = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: value });

describe("the short cut for readings", () => {
  it("takes nothing that the general way refuses, and gives the same batch", () => {
    const seen = { taken: 0, left: 0 };
    const spoilt = fc.tuple(message, rarely(fc.tuple(fc.nat(500), fc.nat(255))), rarely(fc.nat(500)));
    fc.assert(
      fc.property(spoilt, ([text, change, cut]) => {
        let bytes = Uint8Array.from(Buffer.from(text));
        if (change !== null) bytes[change[0] % bytes.length] = change[1];
        if (cut !== null) bytes = bytes.slice(0, cut);
        const quick = codec.decodeReadings!(address, bytes);
        seen[quick === null ? "left" : "taken"]++;
        if (quick !== null) expect(quick).toEqual(general(bytes));
      }),
      { numRuns: 4_000 },
    );
    expect(seen.taken).toBeGreaterThan(200);
    expect(seen.left).toBeGreaterThan(200);
  });

  it("the plain case: is taken, compact or with the blanks of other languages' writers", () => {
    const payload = {
      v: 1,
      boot: 17,
      seq: 48213,
      ts: 1763800000000,
      dt_ms: 100,
      bands: ["lte800-ul", "gsm900-ul"],
      rms_dbm: [
        [-98.25, null],
        [-101, -100],
      ],
      peak_dbm: [
        [-91, -92],
        [-93, -94],
      ],
    };
    const compact = JSON.stringify(payload);
    const spaced = compact.replaceAll(",", ", ").replaceAll(":", ": ");
    for (const text of [compact, spaced]) expect(fast(text)).toEqual(general(Buffer.from(text)));
    expect(fast(compact)).toMatchObject({ count: 2, boot: 17, seq: 48213, dtMs: 100 });
  });

  it.each([
    ["nothing", ""],
    ["an unknown key", '{"v":1,"boot":1,"seq":1,"ts":1,"dt_ms":1,"x":1,"bands":["a"],"rms_dbm":[[-1]]}'],
    ["a key twice", '{"v":1,"v":1,"boot":1,"seq":1,"ts":1,"bands":["a"],"rms_dbm":[[-1]]}'],
    ["a prototype key", '{"__proto__":1,"v":1,"boot":1,"seq":1,"ts":1,"bands":["a"],"rms_dbm":[[-1]]}'],
    ["values before their bands", '{"v":1,"boot":1,"seq":1,"ts":1,"rms_dbm":[[-1]],"bands":["a"]}'],
    [
      "rows of different length",
      '{"v":1,"boot":1,"seq":1,"ts":1,"dt_ms":1,"bands":["a","b"],"rms_dbm":[[-1,-2],[-1]]}',
    ],
    ["more rows than bands", '{"v":1,"boot":1,"seq":1,"ts":1,"bands":["a"],"rms_dbm":[[-1],[-1]]}'],
    ["a row without values", '{"v":1,"boot":1,"seq":1,"ts":1,"bands":["a"],"rms_dbm":[[]]}'],
    ["junk behind", '{"v":1,"boot":1,"seq":1,"ts":1,"bands":["a"],"rms_dbm":[[-1]]}x'],
    ["no levels", '{"v":1,"boot":1,"seq":1,"ts":1,"bands":["a"],"duty":[[0.5]]}'],
  ])("%s: is left to the general way", (_name, text) => {
    expect(fast(text)).toBeNull();
  });

  it("band lists: are shared between messages, so that later stages may know them by identity", () => {
    const text = '{"v":1,"boot":1,"seq":1,"ts":1,"bands":["a","b"],"rms_dbm":[[-1],[-2]]}';
    expect(fast(text)!.bands).toBe(fast(text)!.bands);
    expect(Object.isFrozen(fast(text)!.bands)).toBe(true);
  });
});
