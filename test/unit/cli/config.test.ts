import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { main } from "../../../src/cli/index.ts";
import { SMALL_SITE_YAML } from "../../support/site.ts";

const dir = mkdtempSync(join(tmpdir(), "cellward-cli-"));
// Every run adds its listener for a reader that closes early; a process of its own would have one.
process.stdout.setMaxListeners(100);
const file = (name: string, text: string): string => {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
};
let out = "";
let err = "";

beforeEach(() => {
  out = "";
  err = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** Runs a command line in this process; its exit code. */
async function cellward(...args: string[]): Promise<number> {
  process.exitCode = undefined;
  await main(["node", "cellward", ...args]);
  const code = Number(process.exitCode ?? 0);
  process.exitCode = undefined;
  return code;
}

describe("check", () => {
  it("a good site: exit 0, what it holds on stdout, then what its sensors could tell of phones", async () => {
    expect(await cellward("check", "--phones", "10", file("site.yaml", SMALL_SITE_YAML))).toBe(0);
    expect(out).toContain("site 'demo' with 2 blocks, 1 floor, 2 zones, 0 walls, 3 sensors");
    expect(out).toContain("the model's forecast from this plan, not a measurement");
    expect(out).toMatch(/^ {2}block b1, 2 sensors: of 10 phones \d+ would be told/m);
    expect(out).toMatch(/^ {2}block b2, 1 sensor: of 10 phones/m);
  });

  it("few sensors: exit 0 all the same, and advice in text and JSON; --phones 0: no forecast", async () => {
    // A street as near as the cells, and no sensor on its side.
    const street = "  - {id: street, kind: outside, phones: allowed, polygon: [[-30,-30],[40,-30],[40,-1],[-30,-1]]}\n";
    const text = SMALL_SITE_YAML.replace("sensors:", `${street}sensors:`).replace(
      "type: rf, position_m: [1,1,2]",
      "type: rf, position_m: [9,2,2]",
    );
    const path = file("few.yaml", text);
    expect(await cellward("check", "--phones", "40", path)).toBe(0);
    expect(out).toMatch(/sensors? cannot tell cells \(\d+ % where nothing is told\) from outside \(\d+ %\)/);
    out = "";
    expect(await cellward("check", "--phones", "40", "--json", path)).toBe(0);
    const { blocks } = JSON.parse(out).forecast;
    expect(blocks.map((b: { block: string }) => b.block)).toEqual(["b1", "b2"]);
    expect(blocks.some((b: { advice: string[] }) => b.advice.some((text) => text.includes("cannot tell cells")))).toBe(
      true,
    );
    out = "";
    expect(await cellward("check", "--phones", "0", path)).toBe(0);
    expect(out.trim().split("\n")).toHaveLength(1);
    expect(await cellward("check", "--phones", "few", path)).toBe(2);
  });

  it("a block without sensors: nothing would be told, exit 0", async () => {
    const path = file("deaf.yaml", SMALL_SITE_YAML.replace(/ {2}- \{id: s[12].*\n/g, ""));
    expect(await cellward("check", path)).toBe(0);
    expect(out).toContain("block b2, 0 sensors: no phone would be told");
    expect(out).toContain("no sensor measures radio here: hang some");
  });

  it("a bad site: exit 3, every problem on stderr with path and line", async () => {
    const path = file(
      "bad.yaml",
      SMALL_SITE_YAML.replace("kind: cell", "kind: sell").replace("place: c1", "place: c9"),
    );
    expect(await cellward("check", path)).toBe(3);
    expect(out).toBe("");
    expect(err).toContain("SITE_INVALID");
    expect(err).toContain("zones[0].kind (line 7)");
    expect(err).toContain("sensors[2].place (line 12)");
  });

  it("--json: the result on stdout, whatever it is", async () => {
    const path = file("bad2.yaml", SMALL_SITE_YAML.replace("kind: cell", "kind: sell"));
    expect(await cellward("check", "--json", path)).toBe(3);
    const problems = [{ path: "zones[0].kind", line: 7 }];
    expect(JSON.parse(out)).toMatchObject({ ok: false, problems, summary: null, forecast: null });
    out = "";
    expect(await cellward("check", "--json", file("good.yaml", SMALL_SITE_YAML))).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ ok: true, problems: [], summary: { sensors: 3 } });
  });

  it("warnings: are on stderr, and problems with --strict", async () => {
    const path = file("warn.yaml", SMALL_SITE_YAML.replace("name: Test house", "nmae: Test house"));
    expect(await cellward("check", path)).toBe(0);
    expect(err).toContain("warning: nmae (line 3): unknown key; did you mean 'name'?");
    expect(await cellward("check", "--strict", path)).toBe(3);
  });

  it("no file: exit 3", async () => {
    expect(await cellward("check", join(dir, "none.yaml"))).toBe(3);
    expect(err).toContain("FILE_UNREADABLE");
  });
});

describe("config", () => {
  it("print --origin: shows every setting, its origin, and no secret", async () => {
    const path = file(
      "c.yaml",
      "site: site.yaml\nhttp: {token: hunter2}\nmqtt: {url: 'mqtt://h', username: u, password: hunter3}",
    );
    expect(await cellward("config", "print", "--origin", "--config", path, "--set", "http.port=0")).toBe(0);
    expect(out).toContain(`http.port: 0    # flag (--set http.port)`);
    expect(out).toContain(`http.token: "***"    # file (${path})`);
    expect(out).toContain("pipeline.window_ms: 1000    # default");
    expect(out + err).not.toMatch(/hunter/);
  });

  it("check: takes in the site file that is named", async () => {
    file("site.yaml", SMALL_SITE_YAML);
    expect(await cellward("config", "check", "--config", file("ok.yaml", "site: site.yaml"))).toBe(0);
    expect(out).toContain("site 'demo'");
    expect(await cellward("config", "check", "--config", file("no.yaml", "site: nowhere.yaml"))).toBe(3);
    expect(await cellward("config", "check", "--config", file("odd.yaml", "site: site.yaml\nhtpp: {}"))).toBe(3);
    expect(err).toContain("htpp (line 2): unknown key; did you mean 'http'?");
  });

  it("schema: prints JSON, an unknown name is usage with a suggestion", async () => {
    expect(await cellward("config", "schema", "--of", "reading")).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      title: "reading",
      type: "object",
      required: ["v", "boot", "seq", "ts", "r"],
    });
    expect(await cellward("config", "schema", "--of", "raeding")).toBe(2);
    expect(err).toContain("did you mean 'reading'?");
    expect(await cellward("config", "print", "--set", "x")).toBe(2);
  });

  it.each(["run", "doctor", "watchdog", "config print", "config check"])(
    "%s: no configuration named: a wrong command line; settings and CELLWARD_CONFIG are taken by each alike",
    async (verb) => {
      expect(await cellward(...verb.split(" "))).toBe(2);
      expect(err).toContain("which configuration? --config FILE, or CELLWARD_CONFIG in the environment, names it");
      process.env.CELLWARD_CONFIG = file("odd.yaml", "site: site.yaml");
      try {
        expect(await cellward(...verb.split(" "), "--set", "http.prot=1")).toBe(3);
        expect(err).toContain("--set http.prot: unknown setting; did you mean 'http.port'?");
      } finally {
        delete process.env.CELLWARD_CONFIG;
      }
    },
  );

  it("a certificate that is not there: named, by the setting that names it", async () => {
    file("site.yaml", SMALL_SITE_YAML);
    const path = file("tls.yaml", "site: site.yaml\nmqtt: {url: 'mqtts://127.0.0.1:1', tls: {ca: nowhere.pem}}");
    expect(await cellward("doctor", "--config", path, "--set", `data_dir=${dirname(path)}`)).not.toBe(0);
    expect(out).toMatch(/FAIL broker +.*mqtt\.tls\.ca .*nowhere\.pem: there is no such file/);
  });
});
