import { describe, expect, it } from "vitest";
import { parseTimestamp, SeriesCsv, SeriesError } from "../../../src/detect/csv.ts";
import { Rng } from "../../support/noise.ts";

const run = (text: string, column = "value") => new SeriesCsv(column).push(text, true);

describe("detect csv", () => {
  it("detect csv: three ways to write an instant: the same milliseconds", () => {
    const ms = Date.UTC(2014, 3, 1, 0, 5, 7);
    expect(parseTimestamp("2014-04-01 00:05:07")).toBe(ms);
    expect(parseTimestamp("2014-04-01T00:05:07Z")).toBe(ms);
    expect(parseTimestamp("2014-04-01T02:05:07+02:00")).toBe(ms);
    expect(parseTimestamp("2014-04-01T00:05:07.250")).toBe(ms + 250);
    expect(parseTimestamp(String(ms))).toBe(ms);
    for (const day of ["2000-02-29", "1969-12-31", "2100-03-01", "2024-12-31"]) {
      expect(parseTimestamp(day)).toBe(Date.parse(`${day}T00:00:00Z`));
    }
    for (const bad of ["", "yesterday", "2014-13-01", "2014-02-30 00:00:00", "2014-04-01 25:00:00", "1e3"]) {
      expect(parseTimestamp(bad)).toBeNaN();
    }
  });

  it("detect csv: every input row: one output row with its timestamp unchanged, however the text is cut", () => {
    const rng = new Rng(5);
    let text = "\uFEFFtimestamp,other,value\r\n";
    for (let i = 0; i < 300; i++)
      text += `2014-04-01 00:${String(i % 60).padStart(2, "0")}:00,x,${i === 77 ? "" : rng.normal()}\r\n`;
    const whole = run(text);
    const csv = new SeriesCsv("value");
    let pieces = "";
    for (let i = 0; i < text.length; i += 37) pieces += csv.push(text.slice(i, i + 37));
    pieces += csv.push("", true);
    expect(pieces).toBe(whole);
    const lines = whole.trimEnd().split("\n");
    expect(lines[0]).toBe("timestamp,score,alarm");
    expect(lines.length).toBe(301);
    expect(lines[78]).toBe("2014-04-01 00:17:00,0.0000,0");
    expect(csv.rows).toBe(300);
  });

  it("detect csv: garbled input: refused with the line", () => {
    const head = "timestamp,value\n";
    const cases: [string, number][] = [
      ["", 1],
      ["time,value\n1,2\n", 1],
      [`${head}1000,1\nabc,2\n`, 3],
      [`${head}1000,1\n2000\n`, 3],
      [`${head}1000,1,7\n`, 2],
      [`${head}1000,one\n`, 2],
      [`${head}1000,1\n\n2000,1\n`, 3],
    ];
    for (const [text, line] of cases) {
      let seen: unknown;
      try {
        run(text);
      } catch (error) {
        seen = error;
      }
      expect(seen, text).toBeInstanceOf(SeriesError);
      expect((seen as SeriesError).line).toBe(line);
    }
    expect(run(`${head}1000,1\n2000,NaN\n\n`).split("\n").length).toBe(4);
  });
});
