import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { referenceFiles } from "../../src/cli/reference.ts";
import { jsonSchemaOf, SCHEMAS } from "../../src/cli/schemas.ts";
import { SMALL_SITE_YAML } from "../support/site.ts";

const folder = new URL("../../docs/reference/", import.meta.url);

describe("docs/reference", () => {
  it("is what the schemas give now: else run `cellward config reference --out docs/reference`", () => {
    const expected = referenceFiles();
    const present = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) =>
        `${entry.parentPath}/${entry.name}`.slice(decodeURIComponent(folder.pathname).length).replace(/^\/+/, ""),
      );
    expect(present.sort()).toEqual(Object.keys(expected).sort());
    for (const [name, text] of Object.entries(expected))
      expect(readFileSync(new URL(name, folder), "utf8"), name).toBe(text);
  });

  /** Reads a schema back from its JSON, so that what is checked is what others get. */
  const reader = (name: string) => z.fromJSONSchema(jsonSchemaOf(name) as Parameters<typeof z.fromJSONSchema>[0]);

  it("every schema: can be read back, says its title and draft", () => {
    for (const name of Object.keys(SCHEMAS)) {
      expect(jsonSchemaOf(name)).toMatchObject({
        title: name,
        $schema: "https://json-schema.org/draft/2020-12/schema",
      });
      expect(() => reader(name), name).not.toThrow();
    }
  });

  it("the contract's examples: are valid by their schemas, spoilt ones are not", () => {
    const good: Record<string, unknown> = {
      site: parse(SMALL_SITE_YAML),
      config: { site: "site.yaml", http: { port: 8080 } },
      state: { online: false, boot: 17, ts: 1, reason: "lost" },
      reading: {
        v: 1,
        boot: 17,
        seq: 48213,
        ts: 1,
        r: [{ b: "lte800-ul", rms_dbm: -98.2, peak_dbm: -91, duty: 0.02 }],
      },
      readings: { v: 1, boot: 1, seq: 0, ts: 1, dt_ms: 100, bands: ["a"], rms_dbm: [[-90, null]] },
      ack: { boot: 17, upto: 48213 },
      "trace-head": { cellward_trace: 1, site: "demo", start: 0, note: "" },
      "trace-line": { t: 0, topic: "t", payload: {} },
    };
    const spoilt: Record<string, unknown> = {
      config: { site: "site.yaml", htpp: {} },
      reading: { v: 1, boot: 17, seq: 1, ts: 1, r: [{ b: "lte800-ul", rms_dbm: "-98" }] },
      state: { online: 1, boot: 17, ts: 1 },
    };
    for (const [name, value] of Object.entries(good)) expect(reader(name).safeParse(value).success, name).toBe(true);
    for (const [name, value] of Object.entries(spoilt)) expect(reader(name).safeParse(value).success, name).toBe(false);
  });
});
