// Builds dist/: TypeScript by tsc, the console page by esbuild, data files by copy. It builds beside the old dist/ and swaps
// them at the end, so that nothing of a deleted source stays and a running service never sees half a build.
import { cpSync, existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled, root, run } from "./setup.js";

ensureInstalled();
const startedMs = Date.now();
const dist = join(root, "dist");
const fresh = join(root, `dist-${process.pid}.tmp`);
const old = join(root, `dist-${process.pid}-old.tmp`);
process.on("exit", () => {
  for (const path of [fresh, old]) rmSync(path, { recursive: true, force: true });
});

const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
run(process.execPath, [tsc, "-p", "tsconfig.build.json", "--outDir", fresh]);
// Data that code reads at run time stands beside the code that reads it.
for (const folder of ["sensors", "simulator"]) {
  if (!existsSync(join(root, folder))) continue;
  cpSync(join(root, folder), join(fresh, folder), {
    recursive: true,
    filter: (path) => !path.endsWith(".ts") && !path.endsWith(".md"),
  });
}
const consoleBuild = join(root, "src", "console", "build.js");
if (existsSync(consoleBuild)) run(process.execPath, [consoleBuild, join(fresh, "console")]);
writeFileSync(join(fresh, ".built"), String(startedMs));

if (existsSync(dist)) renameSync(dist, old);
renameSync(fresh, dist);
