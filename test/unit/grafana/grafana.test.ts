import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { ALERTING } from "../../../grafana/alerting.ts";
import { DASHBOARDS, DATASOURCE } from "../../../grafana/dashboards.ts";
import { grafanaFiles } from "../../../grafana/generate.ts";
import { QUERIES, RULE_QUERIES } from "../../../grafana/queries.ts";
import { BAND_FIELDS, FIELDS, MEASUREMENT, TAGS_OF } from "../../../src/store/schema.ts";

const folder = join(import.meta.dirname, "..", "..", "..", "grafana");

/** Names of a query that the writer does not write to that measurement; empty when all are known. */
function unknownNames(query: string): string[] {
  const measurement = /FROM "([^"]+)"/.exec(query)?.[1];
  const key = (Object.keys(MEASUREMENT) as (keyof typeof MEASUREMENT)[]).find((k) => MEASUREMENT[k] === measurement);
  if (key === undefined) return [`measurement ${measurement}`];
  const band: readonly string[] = key in BAND_FIELDS ? BAND_FIELDS[key as keyof typeof BAND_FIELDS] : [];
  const known = new Set<string>([measurement!, ...TAGS_OF[key], ...Object.keys(FIELDS[key])]);
  for (const suffix of band) known.add(`\${band}_${suffix}`);
  const aliases = new Set([...query.matchAll(/ AS "([^"]+)"/g)].map((m) => m[1]!));
  return [...query.matchAll(/"([^"]+)"/g)].map((m) => m[1]!).filter((name) => !known.has(name) && !aliases.has(name));
}

type Panel = {
  id: number;
  title: string;
  description: string;
  type: string;
  datasource: { uid: string };
  gridPos: { x: number; y: number; w: number; h: number };
  targets: { refId: string; query: string; datasource: { uid: string } }[];
};
type Dashboard = {
  uid: string;
  id: null;
  title: string;
  panels: Panel[];
  templating: { list: { name: string }[] };
};
const dashboards = Object.entries(DASHBOARDS).map(([file, json]) => ({ file, json: json as unknown as Dashboard }));

describe("grafana", () => {
  it("files: what is committed is what the generator makes, and nothing else lies in its folders", () => {
    const made = grafanaFiles();
    for (const [path, text] of made) expect(readFileSync(join(folder, path), "utf8"), path).toBe(text);
    const found = [
      "provisioning/datasources",
      "provisioning/dashboards",
      "provisioning/alerting",
      "dashboards",
    ].flatMap((dir) => readdirSync(join(folder, dir)).map((name) => `${dir}/${name}`));
    expect(found.sort()).toEqual([...made.keys()].sort());
  });

  it("queries: every measurement, tag and field is one the writer writes", () => {
    for (const [name, query] of Object.entries({ ...QUERIES, ...RULE_QUERIES })) {
      expect(unknownNames(query), name).toEqual([]);
    }
  });

  it("queries: the check itself sees a renamed field, tag and measurement", () => {
    expect(unknownNames('SELECT last("severity_level") FROM "alert_state"')).toEqual(["severity_level"]);
    expect(unknownNames('SELECT last("level") FROM "alert_state" GROUP BY "wing"')).toEqual(["wing"]);
    expect(unknownNames('SELECT last("level") FROM "alerts"')).toEqual(["measurement alerts"]);
    expect(unknownNames(`SELECT max("\${band}_rms") FROM "reading_rollup"`)).toEqual([`\${band}_rms`]);
  });

  it("data sources: one, the default one, with the uid that everything names", () => {
    const file = parse(readFileSync(join(folder, "provisioning/datasources/cellward.yaml"), "utf8"));
    expect(file.apiVersion).toBe(1);
    expect(file.datasources.map((d: { uid: string }) => d.uid)).toEqual([DATASOURCE.uid]);
    expect(file.datasources.filter((d: { isDefault: boolean }) => d.isDefault)).toHaveLength(1);
    expect(file.datasources[0].jsonData.httpHeaderName1).toBe("Authorization");
    expect(file.datasources[0]).not.toHaveProperty("database");
  });

  it("dashboards: classic form, own uid each, every panel described and on our data source", () => {
    expect(new Set(dashboards.map((d) => d.json.uid)).size).toBe(dashboards.length);
    for (const { file, json } of dashboards) {
      expect(json.id, file).toBeNull();
      expect(json, file).not.toHaveProperty("apiVersion");
      expect(JSON.stringify(json)).not.toMatch(/__inputs|\$\{DS_/);
      expect(new Set(json.panels.map((p) => p.id)).size).toBe(json.panels.length);
      for (const panel of json.panels) {
        expect(panel.description.length, `${file} ${panel.title}`).toBeGreaterThan(10);
        expect(panel.datasource.uid).toBe(DATASOURCE.uid);
        expect(panel.targets.every((t) => t.datasource.uid === DATASOURCE.uid)).toBe(true);
        expect(new Set(panel.targets.map((t) => t.refId)).size).toBe(panel.targets.length);
        if (panel.type !== "alertlist") expect(panel.targets.length).toBeGreaterThan(0);
      }
    }
  });

  it("dashboards: no panel lies over another or over the edge", () => {
    for (const { file, json } of dashboards) {
      const taken = new Set<string>();
      for (const { title, gridPos } of json.panels) {
        expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            expect(taken.has(`${x} ${y}`), `${file} ${title}`).toBe(false);
            taken.add(`${x} ${y}`);
          }
        }
      }
    }
  });

  it("dashboards: every variable a query uses is defined", () => {
    const grafanas = new Set(["timeFilter", "__interval"]);
    for (const { file, json } of dashboards) {
      const defined = new Set(json.templating.list.map((v) => v.name));
      for (const [, name] of JSON.stringify(json.panels.map((p) => p.targets.map((t) => t.query))).matchAll(
        /\$\{?(\w+)/g,
      )) {
        expect(defined.has(name!) || grafanas.has(name!), `${file}: $${name}`).toBe(true);
      }
    }
  });

  it("rules: intervals are multiples of the ten-second tick, uids are short and unique", () => {
    for (const group of ALERTING.groups) {
      expect(Number(/^(\d+)s$/.exec(group.interval)![1]) % 10).toBe(0);
      const uids = group.rules.map((r) => r.uid);
      expect(new Set(uids).size).toBe(uids.length);
      for (const uid of uids) expect(uid).toMatch(/^[a-zA-Z0-9_-]{1,40}$/);
    }
  });

  it("rules: each step names only earlier steps, the condition is one of them, the panel exists", () => {
    for (const rule of ALERTING.groups.flatMap((g) => g.rules)) {
      const seen: string[] = [];
      for (const item of rule.data) {
        const model = item.model as { refId: string; expression?: string };
        if (model.expression !== undefined) expect(seen, rule.uid).toContain(model.expression);
        expect(model.refId).toBe(item.refId);
        expect([DATASOURCE.uid, "__expr__"]).toContain(item.datasourceUid);
        seen.push(item.refId);
      }
      expect(seen).toContain(rule.condition);
      const dashboard = dashboards.find((d) => d.json.uid === rule.dashboardUid);
      expect(dashboard?.json.panels.find((p) => p.id === rule.panelId)?.title).toBe("Active alerts");
    }
  });

  it("rules: labels hold no dollar sign, which Grafana would take for its environment", () => {
    for (const rule of ALERTING.groups.flatMap((g) => g.rules)) {
      expect(JSON.stringify(rule.labels), rule.uid).not.toContain("$");
    }
  });

  it("rules: silence of the backend alarms, silence of a mirrored alert does not", () => {
    const rules = ALERTING.groups.flatMap((g) => g.rules);
    expect(rules.filter((r) => r.noDataState === "Alerting").map((r) => r.uid)).toEqual(["cellward-silent"]);
    expect(rules.filter((r) => r.execErrState === "Alerting").map((r) => r.uid)).toEqual(["cellward-silent"]);
  });

  it("policy: one tree, and its receiver is a contact point with settings", () => {
    expect(ALERTING.policies).toHaveLength(1);
    const names = ALERTING.contactPoints.map((c) => c.name);
    expect(names).toContain(ALERTING.policies[0]!.receiver);
    for (const receiver of ALERTING.contactPoints.flatMap((c) => c.receivers)) {
      expect(Object.keys(receiver.settings).length).toBeGreaterThan(0);
    }
  });
});
