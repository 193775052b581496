/** The repository's own rules about its files: those a linter has no rule for. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

/** Every tracked text file that people write. */
const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root })
  .toString()
  .split("\0")
  .filter((f) => /\.(ts|tsx|js|json|md|ya?ml|css|html|grit|toml|conf)$|^\.ci\/|Dockerfile/.test(f))
  .filter((f) => f !== "package-lock.json" && existsSync(join(root, f)));
const code = files.filter((f) => /\.(ts|tsx|js)$/.test(f));
const markdown = files.filter((f) => f.endsWith(".md"));

/** `file:line: text` of every line that matches. */
function lines(among: readonly string[], pattern: RegExp): string[] {
  return among.flatMap((file) =>
    read(file)
      .split("\n")
      .flatMap((text, i) => (pattern.test(text) ? [`${file}:${i + 1}: ${text.trim()}`] : [])),
  );
}

describe("tidy", () => {
  test("tidy: leftovers: none of them is in the tree", () => {
    // Written in pieces, so that this file does not find itself.
    const marks = new RegExp(`\\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"].join("|")})\\b`);
    expect(lines(files, marks)).toEqual([]);
  });

  test("tidy: tests: none is focused, switched off or only announced", () => {
    const off = /\b(?:test|it|describe)\.(?:only|skip|todo)\b|\bx(?:test|it|describe)\(/;
    expect(
      lines(
        code.filter((f) => f !== "test/repo/layers.test.ts" && f !== "test/repo/tidy.test.ts"),
        off,
      ),
    ).toEqual([]);
  });

  test("tidy: tests: one that may be left out says in a comment beside it what it needs", () => {
    const silent = code
      .filter((f) => f.endsWith(".test.ts") && f !== "test/repo/tidy.test.ts")
      .flatMap((file) => {
        const text = read(file).split("\n");
        return text.flatMap((line, i) => {
          if (!/\.(?:skipIf|runIf)\(/.test(line)) return [];
          const near = text.slice(Math.max(0, i - 12), i + 4).join("\n");
          return /\/\/|\*|needs|missing|without|recorded/.test(near) ? [] : [`${file}:${i + 1}: ${line.trim()}`];
        });
      });
    expect(silent).toEqual([]);
  });

  test("tidy: places: no path of somebody's machine", () => {
    const own = new RegExp(`(?<![\\w.])/(?:${["work", "home", "root", "Users"].join("|")})/`);
    expect(
      lines(
        files.filter((f) => f !== "test/repo/tidy.test.ts"),
        own,
      ),
    ).toEqual([]);
  });

  test("tidy: the lock file names no host", () => {
    expect(read("package-lock.json")).not.toMatch(/"resolved":\s*"https?:/);
  });

  test("tidy: long files: each over 350 lines has a reason, and no reason is stale", () => {
    const reasons = new Map(
      read("test/repo/long-files.md")
        .split("\n")
        .flatMap((line) => {
          const match = /^- `([^`]+)`: (.{10,})$/.exec(line);
          return match === null ? [] : [[match[1]!, match[2]!] as const];
        }),
    );
    const over = (lines: number) => code.filter((f) => read(f).split("\n").length - 1 > lines);
    expect(
      over(350).filter((f) => !reasons.has(f)),
      "over 350 lines without a reason",
    ).toEqual([]);
    expect(
      [...reasons.keys()].filter((f) => !over(300).includes(f)),
      "a reason for a file that is not long",
    ).toEqual([]);
  });

  test("tidy: changelog: Keep a Changelog's form", () => {
    const text = read("CHANGELOG.md").split("\n");
    expect(text[0]).toBe("# Changelog");
    expect(text).toContain("## [Unreleased]");
    for (const line of text.filter((l) => l.startsWith("## "))) {
      expect(line).toMatch(/^## \[(?:Unreleased|\d+\.\d+\.\d+)\](?: - \d{4}-\d{2}-\d{2})?$/);
    }
    for (const line of text.filter((l) => l.startsWith("### "))) {
      expect(line).toMatch(/^### (?:Added|Changed|Deprecated|Removed|Fixed|Security)$/);
    }
    const { version } = JSON.parse(read("package.json")) as { version: string };
    expect(text.some((l) => l.startsWith(`## [${version}]`)) || /^0\.1\.0$/.test(version)).toBe(true);
  });

  test("tidy: decisions: numbered once each, in the index, and the index names nothing else", () => {
    const names = readdirSync(join(root, "docs", "adr")).filter((n) => n !== "README.md");
    for (const name of names) expect(name).toMatch(/^\d{4}-[a-z0-9-]+\.md$/);
    const numbers = names.map((n) => n.slice(0, 4));
    expect(new Set(numbers).size, `two decisions share a number: ${numbers}`).toBe(numbers.length);
    const indexed = [...read("docs/adr/README.md").matchAll(/\]\((\d{4}-[^)]+)\)/g)].map((m) => m[1]!);
    expect(indexed.toSorted()).toEqual(names.toSorted());
  });

  test("tidy: documents: every relative link leads somewhere", () => {
    const dead = markdown.flatMap((file) =>
      [...read(file).matchAll(/\]\(([^)\s]+)\)/g)]
        .map((m) => m[1]!)
        .filter((target) => !/^(?:https?:|mailto:|#)/.test(target))
        .filter((target) => !existsSync(join(root, dirname(file), target.split("#")[0]!)))
        .map((target) => `${file}: ${target}`),
    );
    expect(dead).toEqual([]);
  });

  test("tidy: documents: every file they name is there", () => {
    // Made by the commands that the documents name, and committed by whoever accepts new figures.
    const made = new Set(["test/quality/baseline.json"]);
    const folders = "src|test|docs|bin|sensors|simulator|grafana|\\.ci";
    const path = new RegExp(`\`((?:${folders})/[\\w./-]*[\\w/])\``, "g");
    const missing = markdown
      // The changelog speaks of files that were.
      .filter((f) => f !== "CHANGELOG.md")
      .flatMap((file) =>
        [...read(file).matchAll(path)]
          .map((m) => normalize(m[1]!))
          .filter((target) => !existsSync(join(root, target)) && !made.has(target))
          .map((target) => `${file}: ${target}`),
      );
    expect(missing).toEqual([]);
  });
});
