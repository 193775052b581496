/**
 * The layer rules of biome.json, seen to fail: files that break a rule are planted, beside a copy of the configuration, in a
 * temporary folder, and Biome has to name the rule. A rule nobody has seen failing proves nothing.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const biome = join(root, "node_modules", "@biomejs", "biome", "bin", "biome");

const IMPORT = "lint/style/noRestrictedImports";
const GLOBAL = "lint/style/noRestrictedGlobals";
const PLUGIN = "plugin";

interface Plant {
  readonly file: string;
  readonly code: string;
  /** Rule that has to fail; null: has to pass. */
  readonly rule: string | null;
}

const plants: Plant[] = [];
let count = 0;
/** Plants a file of its own in `folder` (or, where it ends in .ts, that file) and says what Biome must find there. */
function plant(where: string, code: string, rule: string | null): void {
  const file = where.endsWith(".ts") ? where : `${where}/planted${count++}.ts`;
  plants.push({ file, code: `${code}\n`, rule });
}
const from = (specifier: string) => `import { x } from "${specifier}";\nexport const y = x;`;

// words
plant("src/model.ts", from("./contracts.ts"), IMPORT);
plant("src/contracts.ts", from("zod"), IMPORT);

// stages
for (const stage of ["detect", "fuse", "alert", "belief"]) {
  const other = stage === "fuse" ? "detect" : "fuse";
  const folder = `src/${stage}`;
  for (const bad of [
    `../${other}/tracks.ts`,
    `./../${other}/tracks.ts`,
    "../errors.ts",
    "../log.ts",
    "../pipeline.ts",
    "../http/server.ts",
    "../trace/reader.ts",
    "../../sensors/index.ts",
    "../../simulator/prng.ts",
    "node:fs",
    "fs",
    "zod",
    "pino",
  ]) {
    plant(folder, from(bad), IMPORT);
  }
  plant(folder, `import type { X } from "../${other}/tracks.ts";\nexport type Y = X;`, IMPORT);
  plant(folder, `export { x } from "../${other}/tracks.ts";`, IMPORT);
  plant(`${folder}/deep`, from("../../errors.ts"), IMPORT);
  plant(`${folder}/deep`, from(`../../${other}/tracks.ts`), IMPORT);
  for (const good of [
    "./own.ts",
    "./deep/own.ts",
    "../model.ts",
    "../contracts.ts",
    "../wasm/host.ts",
    "simple-statistics",
  ]) {
    plant(folder, from(good), null);
  }
  plant(`${folder}/deep`, from("../own.ts"), null);
  plant(`${folder}/deep`, from("../../model.ts"), null);
  plant(folder, "export const y = Date.now();", GLOBAL);
  plant(folder, "export const y = new Date(0);", GLOBAL);
  plant(folder, "export const y = performance.now();", GLOBAL);
  plant(folder, "export const y = process.hrtime();", GLOBAL);
  plant(folder, "setTimeout(() => {}, 1);", GLOBAL);
  plant(folder, "queueMicrotask(() => {});", GLOBAL);
  plant(folder, "export const y = Promise.resolve(1);", GLOBAL);
  plant(folder, "export let y: Promise<number> | undefined;", GLOBAL);
  plant(folder, `export const y = fetch("http://127.0.0.1");`, GLOBAL);
  plant(folder, `console.log("seen");`, GLOBAL);
  plant(folder, "export const y = globalThis.setTimeout;", GLOBAL);
  plant(folder, "export const y = Math.random();", PLUGIN);
  plant(folder, "const { random } = Math;\nexport const y = random();", PLUGIN);
  plant(folder, "export async function y() {}", PLUGIN);
  plant(folder, "export const y = async () => 1;", PLUGIN);
  plant(folder, "export class C {\n  async y() {}\n}", PLUGIN);
  plant(folder, "export const y = Math.sqrt(2) + Math.hypot(1, 2);", null);
}
plant("src/fuse", from("point-in-polygon-hao"), null);
plant("src/wasm", from("../fuse/locate.ts"), IMPORT);
plant("src/wasm", "export const y = Date.now();", GLOBAL);

// pipeline
for (const file of ["src/pipeline.ts", "src/blocks.ts", "src/coverage.ts", "src/lanes.ts"])
  plant(file, from("./errors.ts"), IMPORT);

// edges
const edges = ["ingest", "store", "http", "trace"];
for (const edge of edges) {
  const folder = `src/${edge}`;
  for (const other of edges.filter((e) => e !== edge)) plant(folder, from(`../${other}/x.ts`), IMPORT);
  for (const bad of [
    "../detect/detector.ts",
    "../fuse/locate.ts",
    "../alert/policy.ts",
    "../belief/belief.ts",
    "../main.ts",
    "../cli/run.ts",
  ]) {
    plant(folder, from(bad), IMPORT);
  }
  plant(folder, from("../../sensors/index.ts"), IMPORT);
  plant(folder, from("../../simulator/world.ts"), IMPORT);
  plant(folder, from("../../test/support/servers.ts"), IMPORT);
  plant(`${folder}/deep`, from("../../fuse/locate.ts"), IMPORT);
  for (const good of [
    "./own.ts",
    "../model.ts",
    "../contracts.ts",
    "../pipeline.ts",
    "../errors.ts",
    "../log.ts",
    "pino",
  ]) {
    plant(folder, from(good), null);
  }
  plant(`${folder}/deep`, from("../../errors.ts"), null);
  plant(folder, "export const y = async () => Date.now();", null);
}

// what every layer may use
for (const file of ["src/errors.ts", "src/log.ts", "src/metrics.ts", "src/clock.ts", "src/site.ts", "src/config.ts"]) {
  plant(file, from("./http/server.ts"), IMPORT);
}

// root
plant("src/main.ts", from("../test/support/servers.ts"), IMPORT);
plant("src/cli", from("../../test/support/servers.ts"), IMPORT);
plant("src/cli", from("../../simulator/world.ts"), null);

// console
plant("src/console", from("../pipeline.ts"), IMPORT);
plant("src/console", from("node:fs"), IMPORT);
plant("src/console", from("../http/server.ts"), IMPORT);
plant("src/console", from("preact"), null);
plant("src/console", `import type { Alert } from "../model.ts";\nexport type A = Alert;`, null);

// sensors
plant("sensors/acme", from("../../src/ingest/decode.ts"), IMPORT);
plant("sensors/acme", from("../../simulator/prng.ts"), IMPORT);
plant("sensors/acme", from("../other/codec.ts"), IMPORT);
plant("sensors/acme", from("mqtt"), IMPORT);
plant("sensors", from("../src/log.ts"), IMPORT);
plant("sensors", from("./acme/codec.ts"), null);
plant("sensors/acme", from("../../src/contracts.ts"), null);
plant("sensors/acme", from("zod"), null);

// simulator
plant("simulator", from("../src/fuse/propagation.ts"), IMPORT);
plant("simulator", from("../src/fuse/locate.ts"), IMPORT);
plant("simulator", from("../src/detect/detector.ts"), IMPORT);
plant("simulator", from("../src/main.ts"), IMPORT);
plant("simulator", from("../test/support/servers.ts"), IMPORT);
plant("simulator/scenarios", from("../../src/fuse/locate.ts"), IMPORT);
plant("simulator", "export const y = Date.now();", GLOBAL);
plant("simulator", "setInterval(() => {}, 1);", GLOBAL);
plant("simulator", "export const y = Math.random();", PLUGIN);
plant("simulator", from("../src/ingest/decode.ts"), null);
plant("simulator", from("../src/pipeline.ts"), null);
plant("simulator", from("../sensors/index.ts"), null);
plant("simulator/scenarios", from("../prng.ts"), null);

// everywhere
plant(
  "test/unit/a.test.ts",
  `import { test } from "vitest";\ntest.only("a", () => {});`,
  "lint/suspicious/noFocusedTests",
);

describe("layers", () => {
  const dir = mkdtempSync(join(tmpdir(), "cellward-layers-"));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const found = new Map<string, Set<string>>();

  beforeAll(() => {
    for (const name of ["biome.json", ".gitignore", "test/repo/no-chance.grit", "test/repo/synchronous.grit"]) {
      mkdirSync(dirname(join(dir, name)), { recursive: true });
      cpSync(join(root, name), join(dir, name));
    }
    for (const { file, code } of plants) {
      mkdirSync(dirname(join(dir, file)), { recursive: true });
      writeFileSync(join(dir, file), code);
    }
    const done = spawnSync(process.execPath, [biome, "lint", "--reporter=json", "--max-diagnostics=none", "."], {
      cwd: dir,
      encoding: "utf8",
      maxBuffer: 1 << 26,
    });
    const report = JSON.parse(done.stdout) as {
      diagnostics: { category: string; severity: string; location: { path: string } | null }[];
    };
    for (const { category, severity, location } of report.diagnostics) {
      if (location === null || severity !== "error") continue;
      const rules = found.get(location.path) ?? new Set();
      found.set(location.path, rules.add(category));
    }
    expect(done.status, "a tree full of violations must fail").toBe(1);
  });

  test.each(plants.map((p) => [p.file, p.code.trim().split("\n").at(0) ?? "", p.rule ?? "allowed", p] as const))(
    "layers: %s: %s: %s",
    (file, _code, _rule, plant) => {
      expect([...(found.get(file) ?? [])]).toEqual(plant.rule === null ? [] : [plant.rule]);
    },
  );
});

test("layers: this tree: nothing to complain about, in format and lint", () => {
  const done = spawnSync(process.execPath, [biome, "check", "--diagnostic-level=error", "--max-diagnostics=50", "."], {
    cwd: root,
    encoding: "utf8",
  });
  expect(done.status, done.stdout + done.stderr).toBe(0);
}, 300_000);
