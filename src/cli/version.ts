import { readFileSync } from "node:fs";

/** Version of the package this code came from; `dist/src/cli` and `src/cli` are at different depths. */
export function packageVersion(): string {
  for (const up of ["../../package.json", "../../../package.json"]) {
    try {
      const pkg = JSON.parse(readFileSync(new URL(up, import.meta.url), "utf8"));
      if (pkg.name === "cellward") return pkg.version;
    } catch {}
  }
  return "unknown";
}
