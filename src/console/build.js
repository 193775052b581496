// Builds the console page: `node src/console/build.js OUTDIR`. Files under assets/ carry a hash of their content, so the
// server may let browsers keep them for ever; index.html names the newest.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2];
if (out === undefined) {
  process.stderr.write("usage: node src/console/build.js OUTDIR\n");
  process.exit(2);
}
const folder = resolve(out);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const result = await build({
  absWorkingDir: here,
  entryPoints: ["main.tsx", "favicon.svg"],
  outdir: join(folder, "assets"),
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  loader: { ".svg": "copy" },
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "chrome109", "firefox115", "safari16.4"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "eof",
  metafile: true,
  logLevel: "warning",
});
const files = Object.keys(result.metafile.outputs).map((path) => basename(path));
const one = (pattern) => {
  const found = files.find((name) => pattern.test(name));
  if (found === undefined) throw new Error(`the build made no file like ${pattern}`);
  return found;
};
writeFileSync(
  join(folder, "index.html"),
  `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<title>Cellward</title>
<link rel="icon" type="image/svg+xml" href="/assets/${one(/^favicon-.*\.svg$/)}">
<link rel="stylesheet" href="/assets/${one(/^main-.*\.css$/)}">
<script type="module" src="/assets/${one(/^main-.*\.js$/)}"></script>
</head>
<body>
<div id="app"><noscript>The control-room page needs JavaScript. The alerts are also at /api/v1/alerts.</noscript></div>
</body>
</html>
`,
);
