import type { Site } from "../../src/model.ts";
import { parseSite } from "../../src/site.ts";

/** A small site for tests of what comes before the pipeline: two blocks, two rf sensors, one scanner. */
export const SMALL_SITE_YAML = `
id: demo
name: Test house
blocks: [{id: b1}, {id: b2}]
floors: [{id: "0", level: 0, z_m: 0}]
zones:
  - {id: c1, block: b1, floor: "0", kind: cell, polygon: [[0,0],[3,0],[3,4],[0,4]]}
  - {id: c2, block: b2, floor: "0", kind: cell, polygon: [[10,0],[13,0],[13,4],[10,4]]}
sensors:
  - {id: s1, block: b1, floor: "0", type: rf, position_m: [1,1,2], bands: [lte800-ul, gsm900-ul]}
  - {id: s2, block: b2, floor: "0", type: rf, position_m: [11,1,2], bands: [lte800-ul, gsm900-ul]}
  - {id: gate, block: b1, floor: "0", type: scanner, method: mmwave, place: c1}
`;

export function smallSite(): Site {
  const result = parseSite(SMALL_SITE_YAML, "small.yaml");
  if (!result.ok) throw new Error(result.problems.map((p) => `${p.path}: ${p.message}`).join("\n"));
  return result.site;
}
