import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Path, readDocument } from "../../src/document.ts";

/** Every path there is in a value, and one beside each. */
function pathsOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [path, [...path, "x"]];
  const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  const inner = keys.flatMap((key) => pathsOf((value as Record<string, unknown>)[key], [...path, key]));
  return [path, ...inner, [...path, Array.isArray(value) ? keys.length : "not there"]];
}

describe("documents", () => {
  it("lines in JSON: any value and indent: as the YAML parser says, also for paths that end nowhere", () => {
    const text = fc.stringMatching(/^[ -~]{0,8}$/);
    const key = text.filter((k) => k !== "__proto__");
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof({ maxDepth: 4 }, text, fc.integer(), fc.boolean(), fc.constant(null), tie("list"), tie("map")),
      list: fc.array(tie("tree"), { maxLength: 4 }),
      map: fc.dictionary(key, tie("tree"), { maxKeys: 4 }),
    }));
    fc.assert(
      fc.property(fc.array(tree, { maxLength: 4 }), fc.nat(3), (value, indent) => {
        const json = JSON.stringify(value, null, indent);
        const [fast, slow] = [readDocument(json), readDocument(`# a comment, so no JSON\n${json}`)];
        if (!fast.ok || !slow.ok) throw new Error("unreadable");
        expect(fast.document.value).toEqual(slow.document.value);
        for (const path of pathsOf(value)) {
          expect([path, fast.document.lineOf(path)]).toEqual([path, slow.document.lineOf(path)! - 1]);
        }
      }),
      { numRuns: 200 },
    );
  });
});
