#!/usr/bin/env node
// Makes the secrets of the stack under deploy/secrets/: `node deploy/setup.js [sensor-id ...]`. What is there stays; each
// sensor named gets a password of its own. Needs nothing but Node.
import { pbkdf2Sync, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Rounds that mosquitto_passwd uses. */
const ITERATIONS = 101;

/** One line of a mosquitto password file: PBKDF2 with SHA-512, format 7. */
export function passwordLine(user, password) {
  const salt = randomBytes(12);
  const hash = pbkdf2Sync(password, salt, ITERATIONS, 64, "sha512");
  return `${user}:$7$${ITERATIONS}$${salt.toString("base64")}$${hash.toString("base64")}`;
}

function secret(folder, name) {
  const file = join(folder, name);
  if (!existsSync(file)) writeFileSync(file, randomBytes(24).toString("base64url"), { mode: 0o644 });
  return readFileSync(file, "utf8").trim();
}

/**
 * Writes what is missing and gives the folder's path. The folder itself is closed to others; the files are readable,
 * because containers read them as users of their own.
 */
export function setUp(folder, sensors) {
  for (const id of sensors) {
    if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(id)) throw new Error(`'${id}' is not a sensor id`);
  }
  mkdirSync(join(folder, "sensors"), { recursive: true, mode: 0o700 });
  const mqtt = secret(folder, "mqtt_password");
  const controlRoom = secret(folder, "control_room_password");
  const influx = secret(folder, "influx_token");
  for (const name of ["influx_password", "grafana_password", "http_token"]) secret(folder, name);
  const users = join(folder, "mosquitto_passwords");
  const lines = existsSync(users) ? readFileSync(users, "utf8").split("\n").filter(Boolean) : [];
  const known = new Set(lines.map((line) => line.split(":")[0]));
  const add = (user, password) => {
    if (!known.has(user)) lines.push(passwordLine(user, password));
  };
  add("cellward", mqtt);
  add("control-room", controlRoom);
  for (const id of sensors) add(id, secret(join(folder, "sensors"), id));
  writeFileSync(users, `${lines.join("\n")}\n`, { mode: 0o644 });
  const grafana = {
    CELLWARD_INFLUX_URL: "http://influxdb:8086",
    CELLWARD_INFLUX_BUCKET: "cellward",
    CELLWARD_INFLUX_TOKEN: influx,
  };
  const env = Object.entries(grafana).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(folder, "grafana.env"), env.join(""), { mode: 0o600 });
  return folder;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const folder = join(dirname(fileURLToPath(import.meta.url)), "secrets");
  setUp(folder, process.argv.slice(2));
  process.stdout.write(`secrets are in ${folder}; the console's token is in http_token\n`);
}
