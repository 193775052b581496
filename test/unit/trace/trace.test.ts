import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Zstd } from "@hpcc-js/wasm-zstd";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { AppError } from "../../../src/errors.ts";
import {
  createTraceWriter,
  openTrace,
  readLabels,
  readTruth,
  type TraceMessage,
  truthPathOf,
  writeTruth,
} from "../../../src/trace/index.ts";
import { parseLine, type RawMessage } from "../../../src/trace/line.ts";

const dir = mkdtempSync(join(tmpdir(), "cellward-trace-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const HEADER = { cellward_trace: 1, site: "demo", start: 1000, note: "a note", seed: 7 } as const;
let files = 0;
function file(suffix: string, content?: string | Uint8Array): string {
  const path = join(dir, `${++files}${suffix}`);
  if (content !== undefined) writeFileSync(path, content);
  return path;
}

async function readRaw(path: string): Promise<{ t: number; topic: string; bytes: Buffer }[]> {
  const messages: RawMessage[] = [];
  for await (const batch of (await openTrace(path)).batches()) messages.push(...batch);
  // Copied only now, after all was read: a chunk that is handed out must stay what it was.
  return messages.map((m) => ({ t: m.t, topic: m.topic, bytes: Buffer.from(m.payload) }));
}

async function readParsed(path: string): Promise<TraceMessage[]> {
  const messages: TraceMessage[] = [];
  for await (const message of await openTrace(path)) messages.push(message);
  return messages;
}

async function failure(path: string): Promise<AppError> {
  try {
    await readParsed(path);
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error(`${path} was read without complaint`);
}

const lines = (...rest: string[]) => `${[JSON.stringify(HEADER), ...rest].join("\n")}\n`;
const message = (t: number) => `{"t":${t},"topic":"a/b","payload":{"v":1}}`;

describe("trace: bytes survive", () => {
  const jsonText = fc.oneof(
    fc.json(),
    fc.constantFrom(
      '{"a":1.50}',
      '{ "a" : [1,2 , 3]}',
      '"\\u00e9"',
      '{"b":1,"a":2,"b":3}',
      "1e400",
      "-0.0",
      "null",
      '{"x":"}"}',
    ),
  );
  const payload = fc.oneof(
    { weight: 3, arbitrary: jsonText.map((text) => Buffer.from(text, "utf8")) },
    { weight: 1, arbitrary: jsonText.map((text) => Buffer.from(` ${text}\n`, "utf8")) },
    { weight: 1, arbitrary: jsonText.map((text) => Buffer.from(JSON.stringify({ text, list: [1, 2] }, null, 2))) },
    { weight: 2, arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)) },
  );
  const topic = fc.oneof(
    fc.constant("cellward/v1/demo/b1/b1-s01/reading"),
    fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }),
  );

  for (const suffix of [".jsonl", ".jsonl.gz", ".jsonl.zst"]) {
    it(`trace: written as ${suffix} and read: same topics, times and payload bytes`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.record({ dt: fc.nat(1000), topic, payload }), { maxLength: 60 }),
          async (messages) => {
            const path = file(suffix);
            const writer = await createTraceWriter(path, HEADER);
            let t = 1000;
            const wanted = messages.map((m) => {
              t += m.dt;
              return { t, topic: m.topic, bytes: m.payload };
            });
            for (const m of wanted) await writer.write(m);
            await writer.close();
            expect(writer.messages).toBe(wanted.length);
            expect((await openTrace(path)).header).toEqual(HEADER);
            expect(await readRaw(path)).toEqual(wanted);
          },
        ),
        { numRuns: 60 },
      );
    });
  }

  it("trace: 20 MB through every compression, chunk borders everywhere: nothing lost or altered", async () => {
    const pad = "x".repeat(900);
    const texts = Array.from({ length: 20_000 }, (_, i) => `{"seq":${i},"pad":"${pad}${i % 7}"}`);
    for (const suffix of [".jsonl", ".jsonl.gz", ".jsonl.zst"]) {
      const path = file(suffix);
      const writer = await createTraceWriter(path, HEADER);
      for (const [i, json] of texts.entries()) {
        const wait = writer.write({ t: 1000 + i, topic: "a", json });
        if (wait) await wait;
      }
      await writer.close();
      const read = await readRaw(path);
      expect(read.length).toBe(texts.length);
      expect(read.every((m, i) => m.t === 1000 + i && m.bytes.toString() === texts[i])).toBe(true);
      rmSync(path);
    }
  });

  it("trace: JSON is kept as readable text, everything else as base64", async () => {
    const path = file(".jsonl");
    const writer = await createTraceWriter(path, HEADER);
    await writer.write({ t: 1, topic: "a", bytes: Buffer.from('{"a":1.50}') });
    await writer.write({ t: 1, topic: "a", bytes: Buffer.from([0xff, 0x00]) });
    await writer.write({ t: 2, topic: "a", bytes: new Uint8Array(0) });
    await writer.write({ t: 2, topic: "a", payload: { b: [1, null] } });
    await writer.close();
    expect(readFileSync(path, "utf8").split("\n").slice(1)).toEqual([
      '{"t":1,"topic":"a","payload":{"a":1.50}}',
      '{"t":1,"topic":"a","payload_b64":"/wA="}',
      '{"t":2,"topic":"a","payload_b64":""}',
      '{"t":2,"topic":"a","payload":{"b":[1,null]}}',
      "",
    ]);
    expect(await readParsed(path)).toEqual([
      { t: 1, topic: "a", payload: { a: 1.5 } },
      { t: 1, topic: "a", payload_b64: "/wA=" },
      { t: 2, topic: "a", payload_b64: "" },
      { t: 2, topic: "a", payload: { b: [1, null] } },
    ]);
  });

  it("trace: a flushed recording is readable before it is closed", async () => {
    for (const suffix of [".jsonl", ".jsonl.zst"]) {
      const path = file(suffix);
      const writer = await createTraceWriter(path, HEADER);
      await writer.write({ t: 1, topic: "a", payload: 1 });
      await writer.flush();
      expect(await readParsed(path)).toEqual([{ t: 1, topic: "a", payload: 1 }]);
      await writer.close();
    }
  });

  it("trace: the same messages twice: the same bytes of file", async () => {
    for (const suffix of [".jsonl", ".jsonl.gz", ".jsonl.zst"]) {
      const made = await Promise.all(
        [0, 1].map(async () => {
          const path = file(suffix);
          const writer = await createTraceWriter(path, HEADER);
          for (let i = 0; i < 2000; i++) await writer.write({ t: i, topic: `t/${i % 9}`, payload: { i } });
          await writer.close();
          return readFileSync(path);
        }),
      );
      expect(made[0]).toEqual(made[1]);
    }
  });
});

describe("trace: other layouts", () => {
  it("trace: any valid JSON line is cut where a parser would: property against JSON.parse", () => {
    const space = fc.constantFrom("", " ", "  ", "\t");
    fc.assert(
      fc.property(
        fc.nat(),
        fc.string({ minLength: 1 }),
        fc.json(),
        fc.array(space, { minLength: 9, maxLength: 9 }),
        fc.nat(5),
        (t, topic, payload, s, order) => {
          const members = [
            `"t"${s[0]}:${s[1]}${t}`,
            `"topic"${s[2]}:${s[3]}${JSON.stringify(topic)}`,
            `"payload"${s[4]}:${s[5]}${payload}`,
          ];
          const orders = [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
          ];
          const line = `{${s[6]}${orders[order]!.map((i) => members[i]).join(`${s[7]},${s[8]}`)}${s[6]}}`;
          const bytes = Buffer.from(`before\n${line}\nafter`);
          const end = 7 + Buffer.byteLength(line);
          const read = parseLine(bytes, 7, end, 2) as RawMessage;
          expect([read.t, read.topic, Buffer.from(read.payload).toString()]).toEqual([t, topic, payload.trim()]);
        },
      ),
    );
  });

  it("trace: CRLF line ends and gzip in several members are read", async () => {
    expect(await readParsed(file(".jsonl", lines(message(1), message(2)).replaceAll("\n", "\r\n")))).toHaveLength(2);
    const parts = [gzipSync(lines(message(1))), gzipSync(`${message(2)}\n`)];
    expect(await readParsed(file(".jsonl.gz", Buffer.concat(parts)))).toHaveLength(2);
  });

  it("trace: zstd in several frames, and compressed files under a plain name, are read", async () => {
    const zstd = await Zstd.load();
    const parts = [zstd.compress(Buffer.from(lines(message(1)))), zstd.compress(Buffer.from(`${message(2)}\n`))];
    expect(await readParsed(file(".jsonl.zst", Buffer.concat(parts)))).toHaveLength(2);
    expect(await readParsed(file(".jsonl", Buffer.concat(parts)))).toHaveLength(2);
    expect(await readParsed(file(".jsonl", gzipSync(lines(message(1)))))).toHaveLength(1);
  });

  it("trace: a whole last line without a line end is read", async () => {
    expect(await readParsed(file(".jsonl", lines(message(1)).trimEnd()))).toHaveLength(1);
  });
});

describe("trace: damage", () => {
  const many = lines(...Array.from({ length: 5000 }, (_, i) => message(i)));
  const cases: [
    name: string,
    suffix: string,
    content: () => string | Uint8Array | Promise<Uint8Array>,
    line: number,
    reason: RegExp,
  ][] = [
    ["empty file", ".jsonl", () => "", 1, /empty/],
    ["no header", ".jsonl", () => `${message(1)}\n`, 1, /header is missing/],
    ["header cut off", ".jsonl", () => '{"cellward_trace":1,"si', 1, /header is cut off/],
    ["not JSON at all", ".jsonl", () => "hello\nworld\n", 1, /not JSON/],
    ["another version", ".jsonl", () => '{"cellward_trace":2,"site":"demo","start":1}\n', 1, /version 2/],
    ["header without site", ".jsonl", () => '{"cellward_trace":1,"start":1}\n', 1, /"site"/],
    ["header without start", ".jsonl", () => '{"cellward_trace":1,"site":"demo"}\n', 1, /"start"/],
    ["truth in place of a trace", ".jsonl", () => '{"id":"e1","emitter":"p1","legitimate":false}\n', 1, /truth file/],
    ["cut off mid-line", ".jsonl", () => lines(message(1), message(2)).slice(0, -9), 3, /cut off/],
    [
      "cut off right after an inner brace",
      ".jsonl",
      () => `${lines(message(1))}{"t":2,"topic":"a","payload":{"r":[{"b":1}`,
      3,
      /cut off/,
    ],
    ["a line that is no JSON", ".jsonl", () => lines(message(1), "{{{", message(2)), 3, /not a JSON object/],
    [
      "a payload that is no JSON",
      ".jsonl",
      () => lines(message(1), '{"t":2,"topic":"a","payload":{"v":1,}}', message(3)),
      3,
      /payload is not JSON/,
    ],
    ["two lines run together", ".jsonl", () => lines(message(1), message(2) + message(3)), 3, /not JSON/],
    ["a line that is an array", ".jsonl", () => lines("[1]"), 2, /not a JSON object/],
    ["an empty line", ".jsonl", () => lines(message(1), "", message(2)), 3, /empty/],
    ["out of order", ".jsonl", () => lines(message(5), message(4)), 3, /out of order: t 4 comes after t 5/],
    ["t missing", ".jsonl", () => lines('{"topic":"a","payload":1}'), 2, /"t" must/],
    ["t fractional", ".jsonl", () => lines('{"t":1.5,"topic":"a","payload":1}'), 2, /"t" must/],
    ["topic missing", ".jsonl", () => lines('{"t":1,"payload":1}'), 2, /"topic"/],
    ["payload missing", ".jsonl", () => lines('{"t":1,"topic":"a"}'), 2, /neither/],
    ["payload twice", ".jsonl", () => lines('{"t":1,"topic":"a","payload":1,"payload_b64":"AA=="}'), 2, /both/],
    ["base64 broken", ".jsonl", () => lines('{"t":1,"topic":"a","payload_b64":"A"}'), 2, /base64/],
    [
      "bytes that are no UTF-8",
      ".jsonl",
      () => Buffer.concat([Buffer.from(lines()), Buffer.from([0x7b, 0xff, 0x7d, 0x0a])]),
      2,
      /not a JSON object/,
    ],
    ["cut off mid-gzip", ".jsonl.gz", () => gzipSync(many).subarray(0, -1000), -1, /gzip data ends too early/],
    ["gzip cut off in its header", ".jsonl.gz", () => gzipSync(many).subarray(0, 6), 1, /gzip data ends too early/],
    [
      "gzip altered",
      ".jsonl.gz",
      () => gzipSync(many).map((b, i) => (i === 4000 ? b ^ 255 : b)),
      -1,
      /gzip data is damaged|not a JSON|not JSON/,
    ],
    ["plain text named .gz", ".jsonl.gz", () => lines(message(1)), 1, /does not begin with gzip/],
    [
      "cut off mid-zstd",
      ".jsonl.zst",
      async () => (await Zstd.load()).compress(Buffer.from(many)).slice(0, -100),
      -1,
      /zstd data ends too early/,
    ],
    [
      "garbage after zstd",
      ".jsonl.zst",
      async () => Buffer.concat([(await Zstd.load()).compress(Buffer.from(many)), Buffer.from("garbage garbage")]),
      -1,
      /zstd data is damaged/,
    ],
    [
      "a line without end",
      ".jsonl",
      () => Buffer.concat([Buffer.from(lines()), Buffer.alloc(17 << 20, "x")]),
      2,
      /longer than/,
    ],
  ];
  for (const [name, suffix, content, line, reason] of cases) {
    it(`trace: ${name}: TRACE_INVALID, exit 3, names the line`, async () => {
      const path = file(suffix, await content());
      const error = await failure(path);
      expect(error.code).toBe("TRACE_INVALID");
      expect(error.exitCode).toBe(3);
      expect(error.message).toMatch(reason);
      const named = Number(/: line (\d+): /.exec(error.message)?.[1]);
      // Where compressed data breaks, the line is the one the reader had got to.
      if (line > 0) expect(named).toBe(line);
      else expect(named).toBeGreaterThanOrEqual(1);
    });
  }

  it("trace: a missing file and a folder: FILE_UNREADABLE, exit 3", async () => {
    for (const path of [join(dir, "nowhere.jsonl"), dir]) {
      const error = await failure(path);
      expect([error.code, error.exitCode]).toEqual(["FILE_UNREADABLE", 3]);
    }
  });

  it("trace: an output folder that is not there: FILE_UNWRITABLE, exit 3", async () => {
    await expect(createTraceWriter(join(dir, "no", "where.jsonl"), HEADER)).rejects.toMatchObject({
      code: "FILE_UNWRITABLE",
      exitCode: 3,
    });
  });

  it("trace: time that goes back is refused when writing", async () => {
    const writer = await createTraceWriter(file(".jsonl"), HEADER);
    await writer.write({ t: 2, topic: "a", payload: 1 });
    expect(() => writer.write({ t: 1, topic: "a", payload: 1 })).toThrow(/goes back/);
    await writer.close();
  });
});

describe("truth and labels", () => {
  const episode = {
    id: "e1",
    emitter: "p1",
    legitimate: false,
    start: 10,
    end: 20,
    band: "lte800-ul",
    eirp_dbm: 12,
    activity: "call",
    x_m: 31.2,
    y_m: 2.1,
    floor: "1",
    cell: "b1-1-12",
  };

  it("truth: written and read: the same episodes, unknown fields kept", async () => {
    const path = file(".truth.jsonl");
    const episodes = [episode, { ...episode, id: "e2", cell: null, floor: null, outside: true, mood: "calm" }];
    await writeTruth(path, episodes);
    expect(await readTruth(path)).toEqual(episodes);
  });

  it("truth: bad lines: TRACE_INVALID with the line and the reason", async () => {
    const good = JSON.stringify(episode);
    const cases: [string, RegExp][] = [
      [`${good}\n{"id":"e2"}\n`, /line 2: .*emitter/],
      [`${good}\n${good}\n`, /line 2: the id e1 was there before/],
      [`${good}\n${JSON.stringify({ ...episode, id: "e2", end: 5 })}\n`, /line 2: the episode ends before it starts/],
      [`${good}\n${JSON.stringify({ ...episode, id: "e2", cell: null })}\n`, /line 2: cell null needs/],
      [`${good}\n${good.slice(0, 20)}`, /line 2: the line is cut off/],
      [`${JSON.stringify(HEADER)}\n`, /line 1: this is a trace/],
    ];
    for (const [content, reason] of cases) {
      await expect(readTruth(file(".truth.jsonl", content))).rejects.toMatchObject({
        code: "TRACE_INVALID",
        message: expect.stringMatching(reason),
      });
    }
    await expect(readTruth(join(dir, "no.truth.jsonl"))).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
  });

  it("labels: read with heights, bad lines named", async () => {
    const label = { start: 1, end: 2, x_m: 1, y_m: 2, z_m: 1.85, floor: "0" };
    expect(await readLabels(file(".labels.jsonl", `${JSON.stringify(label)}\n`))).toEqual([label]);
    await expect(readLabels(file(".labels.jsonl", '{"start":1}\n'))).rejects.toMatchObject({
      code: "TRACE_INVALID",
      message: expect.stringMatching(/line 1: end: .*; a label is \{"start":<epoch ms>,/),
    });
    await expect(readLabels(file(".labels.csv", "start,end,x,y\n"))).rejects.toMatchObject({
      message: expect.stringMatching(/line 1: is not JSON .*; a label is \{"start":<epoch ms>,/),
    });
  });

  it("labels: times with fractions and floors as numbers are what they say", async () => {
    const label = { start: 1.5, end: 2.25, x_m: 1, y_m: 2, floor: 0 };
    expect(await readLabels(file(".labels.jsonl", JSON.stringify(label)))).toEqual([{ ...label, floor: "0" }]);
    await expect(readLabels(file(".labels.jsonl", JSON.stringify({ ...label, floor: null })))).rejects.toMatchObject({
      message: expect.stringMatching(/line 1: floor: must name a floor of the site file/),
    });
  });

  it("truth: its name follows from the trace's", () => {
    expect(["a/day.jsonl", "a/day.jsonl.gz", "day.jsonl.zst", "day"].map(truthPathOf)).toEqual([
      "a/day.truth.jsonl",
      "a/day.truth.jsonl",
      "day.truth.jsonl",
      "day.truth.jsonl",
    ]);
  });
});
