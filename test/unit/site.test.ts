import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { AppError } from "../../src/errors.ts";
import { isKnownMaterial, loadSite, parseSite, signedArea } from "../../src/site.ts";

/** The example of contracts section 5, word for word. */
const EXAMPLE = `
id: demo
name: Demo house
timezone: Europe/Paris
band_plan: eu
blocks: [{id: b1, name: Block 1}]
floors: [{id: "0", level: 0, z_m: 0.0, height_m: 3.0}, {id: "1", level: 1, z_m: 3.2, height_m: 3.0, slab: concrete-250}]   # or slab_loss_db: 18
zones:            # polygons in metres, counter-clockwise, per floor
  - {id: b1-0-01, block: b1, floor: "0", kind: cell, polygon: [[0,0],[2.5,0],[2.5,4],[0,4]]}
  - {id: b1-0-corridor, block: b1, floor: "0", kind: corridor, polygon: [[0,4],[50,4],[50,7],[0,7]]}
  - {id: guard-room, block: b1, floor: "0", kind: staff, polygon: [[50,0],[56,0],[56,7],[50,7]], phones: allowed}
  - {id: street, kind: outside, polygon: [[-60,-40],[120,-40],[120,-20],[-60,-20]], phones: allowed}
walls:            # segments; loss_db (one number, or {band id: number}) optional, else from the material at the band's frequency
  - {floor: "0", from: [2.5,0], to: [2.5,4], material: concrete-200}
  - {floor: "0", from: [0,4], to: [2.5,4], material: concrete-200, door: {at: 1.25, width_m: 0.9, material: steel-door}}
sensors:
  - {id: b1-s01, block: b1, floor: "0", type: rf, position_m: [1.25, 5.5, 2.8], bands: [lte800-ul, gsm900-ul, lte1800-ul]}
  - {id: gate-1, block: b1, floor: "0", type: scanner, method: mmwave, place: b1-0-corridor}
`;

const edit = (from: string, to: string): string => {
  expect(EXAMPLE).toContain(from);
  return EXAMPLE.replace(from, to);
};
/** Problems of a text as `path: message`. */
const problemsOf = (text: string): string[] => {
  const result = parseSite(text, "test");
  return result.ok ? [] : result.problems.map((p) => `${p.path}: ${p.message}`);
};
const good = (text: string) => {
  const result = parseSite(text, "test");
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result;
};

describe("site: schedules and belief", () => {
  it("schedules: times in minutes, days by number; unknown zones, days turned round and odd times are problems", () => {
    const works = `{what: works, zones: [b1-0-01], dates: ["2026-11-23", "2026-11-27"], from: "22:00", to: "05:30"}`;
    const visits = `{what: visits, zones: [guard-room], days: [sat, sun], from: "13:30", to: "16:00", phones: 4}`;
    const { site } = good(`${EXAMPLE}schedules: [${works}, ${visits}]\n`);
    expect(site.schedules).toEqual([
      {
        what: "works",
        zones: ["b1-0-01"],
        days: null,
        dates: ["2026-11-23", "2026-11-27"],
        fromMinute: 1320,
        toMinute: 330,
        phones: 1,
      },
      { what: "visits", zones: ["guard-room"], days: [6, 0], dates: null, fromMinute: 810, toMinute: 960, phones: 4 },
    ]);
    const bad = (text: string) => problemsOf(`${EXAMPLE}schedules: [${text}]\n`).join("\n");
    expect(bad(works.replace("b1-0-01", "b1-0-02"))).toContain("schedules[0].zones[0]: there is no zone 'b1-0-02'");
    expect(bad(works.replace("11-27", "11-20"))).toContain("lies before the first");
    expect(bad(visits.replace("13:30", "25:30"))).toContain("schedules[0].from");
    expect(bad(visits.replace("sat", "sabbath"))).toContain("schedules[0].days[0]");
  });

  it("belief: the file's words become settings; a probability of one is refused, evidence could not speak against it", () => {
    const { site } = good(`${EXAMPLE}belief: {half_life_days: 3, methods: {mmwave: {false_alarm: 0.3, trials: 50}}}\n`);
    expect(site.belief).toEqual({ halfLifeDays: 3, methods: { mmwave: { falseAlarm: 0.3, trials: 50 } } });
    expect(good(EXAMPLE).site.belief).toBeUndefined();
    expect(problemsOf(`${EXAMPLE}belief: {prevalence: 1}\n`).join()).toContain("belief.prevalence");
  });
});

describe("site", () => {
  it("the contract's example: parses, with every field where the model wants it", () => {
    const { site } = good(EXAMPLE);
    expect(site).toMatchObject({ id: "demo", name: "Demo house", timezone: "Europe/Paris" });
    expect(site.bands.map((b) => b.id)).toContain("lte800-ul");
    expect(site.floors[1]).toEqual({
      id: "1",
      level: 1,
      zM: 3.2,
      heightM: 3,
      slabMaterial: "concrete-250",
      slabLossDb: null,
    });
    expect(site.zones.map((z) => z.phones)).toEqual(["forbidden", "forbidden", "allowed", "allowed"]);
    expect(site.zones[3]).toMatchObject({ block: null, floor: null, kind: "outside" });
    expect(site.walls[1]!.door).toEqual({ atM: 1.25, widthM: 0.9, material: "steel-door", lossDb: null });
    expect(site.sensors[1]).toMatchObject({
      type: "scanner",
      method: "mmwave",
      place: "b1-0-corridor",
      positionM: null,
    });
  });

  it("the result: is frozen all the way down", () => {
    const { site } = good(EXAMPLE);
    expect(Object.isFrozen(site)).toBe(true);
    expect(Object.isFrozen(site.zones[0]!.polygon[0])).toBe(true);
  });

  it("the demonstration site: parses without a warning, a sensor for every cell", () => {
    const text = readFileSync(new URL("../../sensors/sites/demo.yaml", import.meta.url), "utf8");
    const { site, warnings } = good(text);
    expect(warnings).toEqual([]);
    expect(site.zones.filter((z) => z.kind === "cell")).toHaveLength(32);
    expect(site.sensors.filter((s) => s.type === "rf")).toHaveLength(40);
  });

  it("the recorded office's site file: parses", ({ skip }) => {
    const path = join(process.env.CELLWARD_DATA ?? "../shared/data", "ble-office", "site.json");
    if (!existsSync(path)) skip(`no recorded data at ${path}`);
    const site = loadSite(path);
    expect(site.sensors).toHaveLength(12);
    expect(site.zones).toHaveLength(16);
  });

  it("clockwise and closed polygons: are turned and opened", () => {
    const { site } = good(edit("[[0,0],[2.5,0],[2.5,4],[0,4]]", "[[0,0],[0,4],[2.5,4],[2.5,0],[0,0]]"));
    expect(site.zones[0]!.polygon).toHaveLength(4);
    expect(signedArea(site.zones[0]!.polygon)).toBe(10);
  });

  it.each([
    ["two points", "[[0,0],[2.5,0]]", "has 2 different points"],
    ["a repeated point", "[[0,0],[2.5,0],[2.5,0],[0,0]]", "has 2 different points"],
    ["a bow tie", "[[0,0],[2.5,4],[2.5,0],[0,4]]", "crosses itself"],
    ["a spike", "[[0,0],[2.5,0],[2.5,4],[2.5,-3],[0,4]]", "crosses itself"],
    ["a sliver", "[[0,0],[2.5,0],[2.5,0.001],[0,0.001]]", "has an area of"],
    ["a line there and back", "[[0,0],[1,0],[2,0]]", "crosses itself"],
    ["text for a number", '[[0,0],["2.5",0],[2.5,4]]', "expected number"],
  ])("polygon: %s: is a problem with its path", (_name, polygon, message) => {
    const problems = problemsOf(edit("[[0,0],[2.5,0],[2.5,4],[0,4]]", polygon));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^zones\[0\]\.polygon/);
    expect(problems[0]).toContain(message);
  });

  it.each([
    [
      "an unknown block",
      'block: b1, floor: "0", kind: cell',
      'block: b9, floor: "0", kind: cell',
      "zones[0].block: there is no block 'b9'; did you mean 'b1'?",
    ],
    [
      "an unknown floor of a wall",
      '{floor: "0", from: [2.5,0]',
      '{floor: "4", from: [2.5,0]',
      "walls[0].floor: there is no floor '4'",
    ],
    ["an unknown place", "place: b1-0-corridor", "place: b1-0-coridor", "did you mean 'b1-0-corridor'?"],
    [
      "an unknown band",
      "gsm900-ul,",
      "gsm900,",
      "sensors[0].bands[1]: there is no band 'gsm900'; did you mean 'gsm900-ul'?",
    ],
    ["a duplicate zone id", "id: guard-room", "id: b1-0-01", "zones[2].id: 'b1-0-01' is already the id of zones[0]"],
    ["a duplicate level", "level: 1", "level: 0", "floors[1].level"],
    ["an unknown material", "material: steel-door", "material: steeldoor", "did you mean 'steel-door'?"],
    [
      "a material of ten metres",
      "to: [2.5,4], material: concrete-200}",
      "to: [2.5,4], material: concrete-9999}",
      "a thickness in mm",
    ],
    ["a door off its wall", "at: 1.25", "at: 2.3", "walls[1].door.at: the door reaches from 1.85 to 2.75 m"],
    ["a wall without length", "from: [2.5,0], to: [2.5,4]", "from: [2.5,4], to: [2.5,4]", "walls[0].to"],
    ["a wrong kind", "kind: staff", "kind: stuff", "did you mean 'staff'?"],
    [
      "a cell without a floor",
      'block: b1, floor: "0", kind: cell',
      "block: b1, kind: cell",
      "zones[0].floor: is missing",
    ],
    ["a sensor without position", "position_m: [1.25, 5.5, 2.8], ", "", "sensors[0].position_m: is missing"],
    ["an unknown time zone", "Europe/Paris", "Europe/Pari", "timezone: 'Europe/Pari' is not"],
    ["a missing id", "id: demo", "nid: demo", "id: is missing"],
    ["an id in capitals", "id: guard-room", "id: Guard", "zones[2].id: an id is"],
    ["an unknown band plan", "band_plan: eu", "band_plan: ue", "band_plan"],
  ])("%s: is one problem with path and remedy", (_name, from, to, expected) => {
    const problems = problemsOf(edit(from, to));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(expected);
  });

  it("several mistakes: come all at once, each with its line", () => {
    const text = edit("kind: cell", "kind: sell")
      .replace("kind: corridor", "kind: corridor, block: b1")
      .replace("kind: staff", "kind: stuff")
      .replace("place: b1-0-corridor", "place: nowhere")
      .replace("material: steel-door", "material: cheese");
    const dup = parseSite(text, "test");
    expect(dup.ok).toBe(false);
    const mended = parseSite(text.replace("kind: corridor, block: b1", "kind: corridor"), "test");
    if (mended.ok) throw new Error("should have problems");
    expect(mended.problems.map((p) => [p.path, p.line])).toEqual([
      ["zones[0].kind", 9],
      ["zones[2].kind", 11],
      ["walls[1].door.material", 15],
      ["sensors[1].place", 18],
    ]);
  });

  it("an ill-shaped item: its dangling references are told as well, and nothing dangles because of it", () => {
    const problems = problemsOf(
      edit("{id: b1-0-corridor, block: b1,", "{id: b1-0-corridor, block: b7, extra: 1,").replace(
        "kind: corridor",
        "kind: coridor",
      ),
    );
    expect(problems.map((p) => p.split(":")[0])).toEqual(["zones[1].kind", "zones[1].block"]);
  });

  it("unknown keys: are warnings with a suggestion, so that other programs' files pass", () => {
    const { warnings } = good(
      edit("name: Demo house", "name: Demo house\nvendor: {a: 1}\nsensor_count: 2").replace(
        "{id: gate-1,",
        "{id: gate-1, metod: x,",
      ),
    );
    const keys = warnings.filter((w) => w.message.startsWith("unknown key"));
    expect(keys.map((w) => w.path)).toEqual(["vendor", "sensor_count", "sensors[1].metod"]);
    expect(keys[2]!.message).toContain("did you mean 'method'?");
  });

  it("a sensor outside every zone, zones without sensor: are warnings", () => {
    const { warnings } = good(edit("[1.25, 5.5, 2.8]", "[1.25, 15.5, 2.8]"));
    expect(warnings.map((w) => w.path)).toEqual(["sensors[0].position_m", "zones"]);
  });

  it("a height measured from the upper floor: is taken as such, and said", () => {
    const text = edit('{id: b1-s01, block: b1, floor: "0"', '{id: b1-s01, block: b1, floor: "1"');
    const { site, warnings } = good(text);
    expect(site.sensors[0]!.positionM![2]).toBeCloseTo(6.0);
    expect(warnings.some((w) => w.path === "sensors[0].position_m[2]")).toBe(true);
    expect(good(text.replace("5.5, 2.8]", "5.5, 6.0]")).site.sensors[0]!.positionM![2]).toBe(6);
  });

  it("the site's own bands: are added, and replace the plan's of the same id", () => {
    const { site } = good(
      edit(
        "band_plan: eu",
        "bands: [{id: tetra, lo_hz: 380000000, hi_hz: 400000000}, {id: bt-wifi-2400, lo_hz: 2400000000, hi_hz: 2483500000, tdd: true}]",
      ),
    );
    expect(site.bands).toHaveLength(9);
    expect(site.bands.find((b) => b.id === "bt-wifi-2400")!.tdd).toBe(true);
    expect(problemsOf(edit("band_plan: eu", "bands: [{id: x, lo_hz: 5000, hi_hz: 5000}]"))[0]).toContain(
      "bands[0].hi_hz",
    );
  });

  it.each(["", "[]", "null", "{", "a: [", "\u0000", "- 1", '"x"', "&a [*a]", "x: *nothing"])(
    "a text that is no site (%j): gives problems, never throws",
    (text) => {
      const result = parseSite(text, "test");
      expect(result.ok).toBe(false);
      if (!result.ok) expect(result.problems.length).toBeGreaterThan(0);
    },
  );

  it("an alias bomb: is refused", () => {
    const bomb = `a: &a [1,1,1,1,1,1,1,1,1]\n${"bcdefgh"
      .split("")
      .map((k, i) => `${k}: &${k} [${Array(9).fill(`*${"abcdefg"[i]}`).join(",")}]`)
      .join("\n")}`;
    expect(problemsOf(bomb)[0]).toContain("can't be read");
  });

  it("loadSite: throws SITE_INVALID with every problem, FILE_UNREADABLE for a missing file", () => {
    const path = join(mkdtempSync(join(tmpdir(), "cellward-")), "site.yaml");
    writeFileSync(path, edit("kind: cell", "kind: sell").replace("kind: staff", "kind: stuff"));
    const thrown = (run: () => unknown): AppError => {
      try {
        run();
      } catch (error) {
        if (error instanceof AppError) return error;
      }
      throw new Error("no AppError");
    };
    const invalid = thrown(() => loadSite(path));
    expect(invalid.code).toBe("SITE_INVALID");
    expect(invalid.details).toHaveLength(2);
    expect(invalid.details[0]).toMatch(/^zones\[0\]\.kind \(line 9\): /);
    expect(thrown(() => loadSite(`${path}.missing`)).code).toBe("FILE_UNREADABLE");
  });

  it("materials: thickness within reason, no placeholder", () => {
    expect(["concrete", "concrete-200", "brick-110", "bars", "steel-door", "glass-8"].every(isKnownMaterial)).toBe(
      true,
    );
    expect(["concrete-NNN", "concrete-0", "brick-9999", "paper", "-200", ""].some(isKnownMaterial)).toBe(false);
  });
});

describe("site: the grid that positions are in", () => {
  const moved = (text: string, byX: number, byY: number) =>
    text.replace(
      /\[(-?[\d.]+),\s*(-?[\d.]+)(, [\d.]+)?\]/g,
      (_, x, y, z = "") => `[${Number(x) + byX},${Number(y) + byY}${z}]`,
    );

  it("a projected grid (UTM, metres): taken as any other", () => {
    const { site } = good(moved(EXAMPLE, 453_210, 5_411_876));
    expect(site.sensors[0]!.positionM).toEqual([453_211.25, 5_411_881.5, 2.8]);
    expect(signedArea(site.zones[0]!.polygon)).toBeCloseTo(10, 6);
  });

  it("one sensor left at another origin: named, with how far it is", () => {
    const text = moved(EXAMPLE, 453_210, 5_411_876).replace(/position_m: \[[^\]]*\]/, "position_m: [1.25, 5.5, 2.8]");
    expect(problemsOf(text)).toEqual([
      "sensors[0].position_m: x is 453 km from most of the site; all positions are metres of one grid",
      "sensors[0].position_m: y is 5412 km from most of the site; all positions are metres of one grid",
    ]);
  });
});
