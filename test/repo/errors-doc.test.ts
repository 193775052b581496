import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CATALOGUE } from "../../src/errors.ts";

const root = new URL("../../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");

/** Rows of the table below a heading, as their cells. */
function rowsBelow(heading: string): string[][] {
  const [, rest = ""] = read("docs/errors.md").split(`## ${heading}\n`);
  const lines = rest
    .split("\n## ")[0]!
    .split("\n")
    .filter((line) => line.startsWith("| `"));
  return lines.map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}

/** The codes of the union `RejectCode` in the model, which has no value at run time. */
function rejectCodes(): string[] {
  const [, union = ""] = /export type RejectCode =([^;]+);/.exec(read("src/model.ts")) ?? [];
  return [...union.matchAll(/"([a-z0-9-]+)"/g)].map((match) => match[1]!);
}

describe("docs/errors.md", () => {
  it("errors that end a command: page and catalogue say the same, row by row", () => {
    const expected = Object.entries(CATALOGUE).map(([code, entry]) => {
      return [code, entry.stage, String(entry.exit), entry.retryable ? "yes" : "no", entry.meaning];
    });
    expect(rowsBelow("Errors that end a command")).toEqual(expected);
  });

  it("reasons why a message was not taken: page and model list the same codes in the same order", () => {
    const rows = rowsBelow("Reasons why a message was not taken");
    expect(rejectCodes().length).toBeGreaterThan(20);
    expect(rows.map(([code]) => code)).toEqual(rejectCodes());
    for (const [code, meaning, remedy] of rows) {
      expect(meaning!.length, code).toBeGreaterThan(10);
      expect(remedy!.length, code).toBeGreaterThan(10);
    }
  });

  it("every reason: is given by the code and shown by a test", () => {
    const folder = (path: string): string =>
      readdirSync(new URL(path, root), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
        .map((entry) => readFileSync(`${entry.parentPath}/${entry.name}`, "utf8"))
        .join("\n");
    const code = folder("src/ingest") + folder("sensors");
    const tests = folder("test/unit/ingest");
    for (const reason of rejectCodes()) {
      expect(code, `given by the code: ${reason}`).toContain(`"${reason}"`);
      expect(tests, `shown by a test: ${reason}`).toContain(`"${reason}"`);
    }
  });
});
