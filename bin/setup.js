// What a fresh clone needs before anything else can run: packages, then a build. Plain JavaScript without dependencies,
// because it runs before there are any. Everything it prints goes to stderr: stdout belongs to the verb's data.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Runs a command with its output on stderr; ends this process with the command's own exit code when it fails. */
export function run(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], ...options });
  if (done.error) {
    process.stderr.write(`cellward: cannot run ${command}: ${done.error.message}\n`);
    process.exit(4);
  }
  if (done.status !== 0) process.exit(done.status ?? 1);
}

/** Installs the locked packages when they are missing or older than the lock file. */
export function ensureInstalled() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    process.stderr.write(`cellward: needs Node 20.19 or newer, this is ${process.versions.node}\n`);
    process.exit(4);
  }
  if (!existsSync(join(root, "src", "cli", "index.ts"))) return; // an installed package, not a checkout
  const stamp = join(root, "node_modules", ".package-lock.json");
  const lock = join(root, "package-lock.json");
  if (existsSync(stamp) && (!existsSync(lock) || statSync(stamp).mtimeMs >= statSync(lock).mtimeMs)) return;
  process.stderr.write("cellward: installing packages (npm ci) ...\n");
  run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
}

/** Newest modification time below a folder or of a file, in ms. */
function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  let at = 0;
  for (const entry of readdirSync(path)) at = Math.max(at, newest(join(path, entry)));
  return at;
}

/** Builds `dist/` when a source is newer than the last build. An installed package has no sources and is left alone. */
export function ensureBuilt() {
  if (!existsSync(join(root, "src", "cli", "index.ts"))) return;
  const stamp = join(root, "dist", ".built");
  const sources = [
    "src",
    "sensors",
    "simulator",
    "package.json",
    "tsconfig.json",
    "tsconfig.build.json",
    "bin/build.js",
  ]
    .map((name) => join(root, name))
    .filter((path) => existsSync(path));
  if (existsSync(stamp)) {
    const built = Number(readFileSync(stamp, "utf8"));
    if (sources.every((s) => newest(s) <= built)) return;
  }
  process.stderr.write("cellward: building ...\n");
  run(process.execPath, [join(root, "bin", "build.js")]);
}
