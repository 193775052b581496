// Builds dist/: TypeScript by tsc, the console page by esbuild, data files by copy.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled, root, run } from "./setup.js";

ensureInstalled();
const startedMs = Date.now();
run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"]);
// Data that code reads at run time stands beside the code that reads it.
for (const folder of ["sensors", "simulator"]) {
  cpSync(join(root, folder), join(root, "dist", folder), {
    recursive: true,
    filter: (path) => !path.endsWith(".ts") && !path.endsWith(".md"),
  });
}
const consoleBuild = join(root, "src", "console", "build.js");
if (existsSync(consoleBuild)) {
  const done = spawnSync(process.execPath, [consoleBuild, join(root, "dist", "console")], { stdio: ["ignore", 2, 2] });
  if (done.status !== 0) process.exit(done.status ?? 1);
}
mkdirSync(join(root, "dist"), { recursive: true });
writeFileSync(join(root, "dist", ".built"), String(startedMs));
