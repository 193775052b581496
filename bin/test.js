// `npm test`: installs and builds what is missing, then runs every test that needs no other program.
// `npm run test:real`: the tests against a real mosquitto, InfluxDB and Chromium, installing the Debian packages where
// they are missing. Further arguments go to vitest.
//
// The last line is plain: "N passed, N failed", counted from vitest's own results. With TEST_RESULTS_FILE set, those
// results stay behind as JSON in that file.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, relative } from "node:path";
import { ensureBuilt, ensureInstalled, root, run } from "./setup.js";

const real = process.argv.includes("--real");
const rest = process.argv.slice(2).filter((a) => a !== "--real");

/** Programs the real tests run, and the Debian package of each. */
const WANTED = {
  mosquitto: "mosquitto",
  mosquitto_pub: "mosquitto-clients",
  influxd: "influxdb",
  chromium: "chromium",
  strace: "strace",
  openssl: "openssl",
};

function isInstalled(program) {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/bin", "/usr/local/bin"];
  return folders.some((folder) => folder !== "" && existsSync(join(folder, program)));
}

function installPrograms() {
  const packages = Object.entries(WANTED)
    .filter(([program]) => !isInstalled(program))
    .map(([, name]) => name);
  if (packages.length === 0) return;
  process.stderr.write(`test:real: installing ${packages.join(", ")} from Debian packages ...\n`);
  const sudo = process.getuid?.() === 0 ? [] : ["sudo", "-n", "--preserve-env=DEBIAN_FRONTEND"];
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const args of [
    ["update", "-qq"],
    ["install", "-y", "-qq", "--no-install-recommends", ...packages],
  ]) {
    const [command, ...commandArgs] = [...sudo, "apt-get", ...args];
    run(command, commandArgs, { env });
  }
}

/** Counts tests; a file that failed before any of its tests did counts as one failure. */
function count(results) {
  const tally = { passed: 0, failed: 0, skipped: [] };
  for (const file of results.testResults) {
    let failedHere = 0;
    for (const test of file.assertionResults) {
      if (test.status === "passed") tally.passed++;
      else if (test.status === "failed") failedHere++;
      else tally.skipped.push(`${relative(root, file.name)}: ${test.fullName}`);
    }
    tally.failed += failedHere === 0 && file.status === "failed" ? 1 : failedHere;
  }
  return tally;
}

ensureInstalled();
ensureBuilt();
if (real) installPrograms();

const folder = mkdtempSync(join(tmpdir(), "cellward-results-"));
const resultsFile = process.env.TEST_RESULTS_FILE || join(folder, "results.json");
const done = spawnSync(
  process.execPath,
  [
    join(root, "node_modules", "vitest", "vitest.mjs"),
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${resultsFile}`,
    ...rest,
  ],
  { cwd: root, stdio: "inherit", env: { ...process.env, ...(real ? { CELLWARD_REAL: "1" } : {}) } },
);
let status = done.status ?? 1;
if (existsSync(resultsFile)) {
  const { passed, failed, skipped } = count(JSON.parse(readFileSync(resultsFile, "utf8")));
  for (const name of skipped) process.stdout.write(`skipped: ${name}\n`);
  if (failed > 0 && status === 0) status = 1;
  if (failed === 0 && status !== 0)
    process.stdout.write(`vitest ended with ${status}, for an error outside any test\n`);
  process.stdout.write(`${passed} passed, ${failed === 0 && status !== 0 ? 1 : failed} failed\n`);
} else {
  process.stdout.write("vitest left no results\n0 passed, 1 failed\n");
  if (status === 0) status = 1;
}
rmSync(folder, { recursive: true, force: true });
process.exit(status);
