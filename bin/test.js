// `npm test`: installs and builds what is missing, then runs every test that needs no other program.
// `npm run test:real`: the tests against a real mosquitto, InfluxDB and Chromium, installing the Debian packages where
// they are missing. Further arguments go to vitest.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ensureBuilt, ensureInstalled, root, run } from "./setup.js";

const real = process.argv.includes("--real");
const rest = process.argv.slice(2).filter((a) => a !== "--real");

ensureInstalled();
ensureBuilt();

if (real) {
  const wanted = {
    mosquitto: "/usr/sbin/mosquitto",
    mosquitto_pub: "/usr/bin/mosquitto_pub",
    influxd: "/usr/bin/influxd",
    chromium: "/usr/bin/chromium",
  };
  const missing = Object.entries(wanted).filter(([, path]) => !existsSync(path));
  if (missing.length > 0) {
    process.stderr.write(
      `test:real: installing ${missing.map(([name]) => name).join(", ")} from Debian packages ...\n`,
    );
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    run("apt-get", ["update", "-qq"], { env });
    // prettier-ignore
    run(
      "apt-get",
      ["install", "-y", "-qq", "--no-install-recommends", "mosquitto", "mosquitto-clients", "influxdb", "chromium"],
      { env },
    );
  }
}
const done = spawnSync(process.execPath, [join(root, "node_modules", "vitest", "vitest.mjs"), "run", ...rest], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, ...(real ? { CELLWARD_REAL: "1" } : {}) },
});
process.exit(done.status ?? 1);
