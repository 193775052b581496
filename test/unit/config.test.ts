import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { type ConfigSources, loadConfig, Secret, settingsOf } from "../../src/config.ts";
import { AppError } from "../../src/errors.ts";

const dir = mkdtempSync(join(tmpdir(), "cellward-config-"));
let files = 0;
const file = (text: string): string => {
  const path = join(dir, `c${files++}.yaml`);
  writeFileSync(path, text);
  return path;
};
const load = (text: string, rest: Partial<ConfigSources> = {}) => loadConfig({ file: file(text), env: {}, ...rest });
const failure = (run: () => unknown): AppError => {
  try {
    run();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
};

describe("config", () => {
  it("one line is enough: everything else has a default", () => {
    const { config } = load("site: site.yaml");
    expect(config.site).toBe(join(dir, "site.yaml"));
    expect(config).toMatchObject({
      instance: "main",
      mqtt: { url: null, protocolVersion: 5, embedded: { host: "127.0.0.1", port: 1883 } },
      store: { kind: "local", local: { dir: join(process.cwd(), "cellward-data", "store") } },
      http: { host: "127.0.0.1", port: 8080, token: null },
      pipeline: { windowMs: 1000, holdMs: 2000, falseAlarmsPerDay: 0.5 },
      limits: { maxPayloadBytes: 1_040_000 },
    });
    expect(Object.isFrozen(config.mqtt.tls)).toBe(true);
    expect("passwordFile" in config.mqtt).toBe(false);
  });

  it("precedence: flag over environment over file over default, and the origin is told", () => {
    const text = "site: s.yaml\nhttp: {port: 1, host: 127.0.0.2}\ninstance: from-file";
    const { config, settings } = load(text, {
      env: { CELLWARD_HTTP_PORT: "2", CELLWARD_INSTANCE: "from-env", CELLWARD_MQTT_URL: "" },
      flags: { "http.port": "3" },
    });
    expect([config.http.port, config.instance, config.http.host]).toEqual([3, "from-env", "127.0.0.2"]);
    const origin = Object.fromEntries(settings.map((s) => [s.path, s.origin]));
    expect(origin).toMatchObject({
      "http.port": "flag",
      instance: "env",
      "http.host": "file",
      "mqtt.url": "default",
      "http.token": "default",
    });
    expect(settings).toHaveLength(settingsOf().length);
  });

  it("relative paths: of the file from the file's folder, of environment and flags from the working directory", () => {
    const { config } = load("site: a/s.yaml\ncalibration: /abs/c.json", { env: { CELLWARD_DATA_DIR: "d" } });
    expect(config.site).toBe(join(dir, "a/s.yaml"));
    expect(config.calibration).toBe("/abs/c.json");
    expect(config.dataDir).toBe(join(process.cwd(), "d"));
  });

  it("unknown keys: are errors with a suggestion, all at once and with their lines", () => {
    const error = failure(() =>
      load("site: s.yaml\nmqqt: {}\nhttp:\n  prot: 80\n  port: high\nstore: {kind: influxdb}"),
    );
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.exitCode).toBe(3);
    expect(error.details).toHaveLength(4);
    expect(error.details[0]).toBe("mqqt (line 2): unknown key; did you mean 'mqtt'?");
    expect(error.details[1]).toBe("http.prot (line 4): unknown key; did you mean 'port'?");
    expect(error.details[2]).toContain("store.kind (line 6)");
    expect(error.details[2]).toContain("did you mean 'influx'?");
    expect(error.details[3]).toContain("http.port (line 5)");
  });

  it("a wrong value from the environment or a flag: is named by its variable or flag", () => {
    expect(failure(() => load("site: s", { env: { CELLWARD_HTTP_PORT: "99999" } })).details[0]).toContain(
      "CELLWARD_HTTP_PORT: ",
    );
    expect(failure(() => load("site: s", { flags: { "http.port": "x" } })).details[0]).toContain("--set http.port: ");
    expect(failure(() => load("site: s", { flags: { "http.prot": "1" } })).details[0]).toContain(
      "did you mean 'http.port'?",
    );
  });

  it("a variable that is no setting: is a warning with a suggestion; those of tests are not", () => {
    const { warnings } = load("site: s", { env: { CELLWARD_MQTT_ULR: "x", CELLWARD_DATA: "d", PATH: "p" } });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("CELLWARD_MQTT_ULR is no setting; did you mean 'CELLWARD_MQTT_URL'?");
  });

  it("secrets: are read from their files, and no print, log or error shows them", () => {
    const secretFile = file("s3cret-token\n");
    const loaded = load(
      `site: s\nhttp: {token_file: ${secretFile}}\nmqtt: {url: "mqtt://h", username: u, password: hunter2}`,
    );
    expect(loaded.config.http.token!.reveal()).toBe("s3cret-token");
    expect(loaded.config.mqtt.password!.reveal()).toBe("hunter2");
    const shown = [JSON.stringify(loaded), inspect(loaded, { depth: 9 }), `${loaded.config.http.token}`].join();
    expect(shown).not.toMatch(/s3cret-token|hunter2/);
    expect(inspect(new Secret("hunter2"))).toBe("***");
    for (const bad of [
      "mqtt: {password: 12345678}",
      "mqtt: {url: 'mqtt://u:hunter2@h'}",
      "mqtt: {url: 'http://u:hunter2@h'}",
    ]) {
      expect(failure(() => load(`site: s\n${bad}`)).details.join()).not.toMatch(/12345678|hunter2/);
    }
  });

  it.each([
    ["a secret and its file", "http: {token: a, token_file: b}", "stands beside token"],
    ["a missing secret file", "http: {token_file: /nowhere/x}", "http.token_file (line 2): can't be read"],
    ["a certificate without key", "mqtt: {url: 'mqtts://h', tls: {cert: c.pem}}", "cert and key go together"],
    ["a password without name", "mqtt: {url: 'mqtt://h', password: p}", "mqtt.username"],
    ["a name for the embedded broker", "mqtt: {username: u}", "mqtt.url is not set"],
    ["InfluxDB 2 without token", "store: {kind: influx}", "token is missing"],
    ["a window that does not divide a second", "pipeline: {window_ms: 300}", "must divide 1000"],
    ["an address that is none", "mqtt: {url: localhost}", "expected a URL such as mqtt://host:1883"],
    ["a negative retention", "store: {local: {retention_days: -1}}", "store.local.retention_days"],
    ["a list", "- a", "not valid YAML"],
  ])("%s: is refused", (_name, text, expected) => {
    const error = failure(() => load(`site: s\n${text}`));
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.details.join("\n")).toContain(expected);
  });

  it("no file: environment and flags suffice; a missing site or file is told", () => {
    expect(loadConfig({ file: null, env: { CELLWARD_SITE: "/x/s.yaml" } }).config.site).toBe("/x/s.yaml");
    expect(failure(() => loadConfig({ file: null, env: {} })).details[0]).toContain("site: is missing");
    expect(failure(() => loadConfig({ file: "/nowhere.yaml", env: {} })).code).toBe("FILE_UNREADABLE");
  });

  it("numbers and switches of the environment: are read as what the setting is", () => {
    const env = {
      CELLWARD_MQTT_PROTOCOL_VERSION: "4",
      CELLWARD_MQTT_TLS_VERIFY: "false",
      CELLWARD_MQTT_CLIENT_ID: "7",
    };
    const { mqtt } = load("site: s", { env }).config;
    expect([mqtt.protocolVersion, mqtt.tls.verify, mqtt.clientId]).toEqual([4, false, "7"]);
  });
});
