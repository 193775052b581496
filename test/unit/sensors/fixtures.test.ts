import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { template } from "../../../sensors/_template/codec.ts";
import { CODECS } from "../../../sensors/index.ts";
import type { SensorAddress, SensorCodec } from "../../../src/contracts.ts";

interface Profile {
  readonly model: string;
  readonly format: string;
  readonly kinds: readonly string[];
  readonly registered: boolean;
}

const root = new URL("../../../sensors/", import.meta.url);
const folders = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && existsSync(new URL(`${entry.name}/codec.ts`, root)))
  .map((entry) => entry.name);
const codecOf = (model: string): SensorCodec | undefined =>
  [...CODECS, template].find((codec) => codec.model === model);

/** A message as its fixture writes it: columns as lists, null for "not measured". */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_key, v) =>
      v instanceof Float32Array ? Array.from(v, (x) => (Number.isNaN(x) ? null : x)) : v,
    ),
  );

describe.each(folders)("sensors/%s", (folder) => {
  const profile = JSON.parse(readFileSync(new URL(`${folder}/profile.json`, root), "utf8")) as Profile;
  const fixtures = readdirSync(new URL(`${folder}/fixtures/`, root)).filter((name) => name.endsWith(".payload"));

  it("profile and codec: say the same, and the registry knows what is registered", () => {
    const codec = codecOf(profile.model);
    expect(codec?.format ?? "json").toBe(profile.format);
    expect(CODECS.some((known) => known.model === profile.model)).toBe(profile.registered);
    expect(fixtures.length).toBeGreaterThan(0);
  });

  it.each(fixtures)("%s: decodes to its message, and encode takes it back", (name) => {
    const [, stem, kind] = /^((?:.+)\.([a-z]+))\.payload$/.exec(name)!;
    const codec = codecOf(profile.model)!;
    const payload = new Uint8Array(readFileSync(new URL(`${folder}/fixtures/${name}`, root)));
    const address = { block: "b1", sensor: "s1", kind: kind as SensorAddress["kind"] };
    const result = codec.decode(address, payload);
    if (!result.ok) throw new Error(result.detail);
    const expected = JSON.parse(readFileSync(new URL(`${folder}/fixtures/${stem}.json`, root), "utf8"));
    expect(plain(result.message)).toEqual(expected);
    expect(plain(codec.decode(address, codec.encode(result.message)))).toEqual(plain(result));
  });

  it("kinds it does not send, and bytes that mean nothing: are refused, never thrown", () => {
    const codec = codecOf(profile.model)!;
    for (const kind of ["birth", "state", "reading", "readings", "scan", "health"] as const) {
      for (const bytes of ["", "{", "x,y,z", "1,2,3", "1,2,3,a=b", "[]", "\u0000", "{}", '{"v":1}']) {
        const result = codec.decode({ block: "b1", sensor: "s1", kind }, Buffer.from(bytes));
        expect(result.ok, `${kind} ${bytes}`).toBe(false);
        if (!profile.kinds.includes(kind) && !result.ok) expect(["unknown-kind"]).toContain(result.code);
      }
    }
  });
});
