/**
 * Writes the Grafana files: `npm run grafana`. They are committed, and a test compares them with what this makes.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { stringify } from "yaml";
import { ALERTING } from "./alerting.ts";
import { DASHBOARDS, DATASOURCE } from "./dashboards.ts";

const DATASOURCES = {
  apiVersion: 1,
  prune: true,
  datasources: [
    {
      name: "Cellward",
      uid: DATASOURCE.uid,
      type: DATASOURCE.type,
      access: "proxy",
      orgId: 1,
      // A literal dollar sign would need doubling; these come from Grafana's environment.
      url: "$CELLWARD_INFLUX_URL",
      isDefault: true,
      editable: false,
      jsonData: { dbName: "$CELLWARD_INFLUX_BUCKET", httpMode: "GET", httpHeaderName1: "Authorization" },
      secureJsonData: { httpHeaderValue1: "Token $CELLWARD_INFLUX_TOKEN" },
    },
  ],
};

const PROVIDERS = {
  apiVersion: 1,
  providers: [
    {
      name: "cellward",
      orgId: 1,
      folder: "Cellward",
      folderUid: "cellward",
      type: "file",
      disableDeletion: true,
      allowUiUpdates: false,
      updateIntervalSeconds: 60,
      options: { path: "/etc/grafana/dashboards", foldersFromFilesStructure: false },
    },
  ],
};

function yamlFile(value: unknown): string {
  return `# Made by grafana/generate.ts (npm run grafana); change it there.\n${stringify(value, { lineWidth: 0, aliasDuplicateObjects: false })}`;
}

/** Path below `grafana/` → text. */
export function grafanaFiles(): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  files.set("provisioning/datasources/cellward.yaml", yamlFile(DATASOURCES));
  files.set("provisioning/dashboards/cellward.yaml", yamlFile(PROVIDERS));
  files.set("provisioning/alerting/cellward.yaml", yamlFile(ALERTING));
  for (const [name, dashboard] of Object.entries(DASHBOARDS)) {
    files.set(`dashboards/${name}`, `${JSON.stringify(dashboard, null, 2)}\n`);
  }
  return files;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  for (const [path, text] of grafanaFiles()) {
    const file = join(import.meta.dirname, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
