import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { setUp } from "../../../deploy/setup.js";
import { loadConfig } from "../../../src/config.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const text = (path: string) => readFileSync(join(root, path), "utf8");

interface Service {
  image?: string;
  volumes?: string[];
  ports?: string[];
  secrets?: string[];
  networks?: string[];
  env_file?: string[];
  healthcheck?: unknown;
  depends_on?: Record<string, { condition: string }>;
}
const compose = parse(text("docker-compose.yml")) as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
  networks: Record<string, unknown>;
  secrets: Record<string, { file: string }>;
};
const services = Object.entries(compose.services);

let secrets = "";
beforeAll(() => {
  secrets = setUp(mkdtempSync(join(tmpdir(), "cellward-secrets-")), ["b1-s01"]);
});
afterAll(() => rmSync(secrets, { recursive: true, force: true }));

describe("compose stack", () => {
  it("file: dclint finds nothing", () => {
    const dclint = join(root, "node_modules", "dclint", "bin", "dclint.cjs");
    const done = spawnSync(process.execPath, [dclint, "--max-warnings", "0", "docker-compose.yml"], {
      cwd: root,
      encoding: "utf8",
    });
    expect(`${done.stdout}${done.stderr}`.trim()).toBe("");
    expect(done.status).toBe(0);
  });

  it("images: pinned to an exact version", () => {
    for (const [name, service] of services) {
      if (service.image !== undefined) expect(service.image, name).toMatch(/:\d+\.\d+\.\d+$/);
    }
    for (const [, image] of text("Dockerfile").matchAll(/^FROM (\S+)/gm)) expect(image).toMatch(/:\d+\.\d+\.\d+-/);
  });

  it("ports: published on loopback alone; the database not at all", () => {
    for (const [name, service] of services) {
      for (const port of service.ports ?? []) expect(port, name).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    }
    expect(compose.services.influxdb!.ports).toBeUndefined();
  });

  it("mounts, secrets, volumes and networks: each exists, or setup makes it", () => {
    const made = (path: string) => existsSync(join(secrets, path.replace("./deploy/secrets/", "")));
    const there = (path: string) => (path.startsWith("./deploy/secrets/") ? made(path) : existsSync(join(root, path)));
    for (const [name, service] of services) {
      for (const volume of service.volumes ?? []) {
        const source = volume.split(":")[0]!;
        expect(source.startsWith(".") ? there(source) : source in compose.volumes, `${name} ${source}`).toBe(true);
      }
      for (const file of service.env_file ?? []) expect(there(file), file).toBe(true);
      for (const secret of service.secrets ?? []) expect(there(compose.secrets[secret]!.file), secret).toBe(true);
      for (const network of service.networks ?? []) expect(compose.networks).toHaveProperty(network);
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        expect(condition).toBe("service_healthy");
        expect(compose.services[other]!.healthcheck, other).toBeDefined();
      }
    }
  });

  it("service: its configuration is accepted, talks to the stack's own names and has a token", () => {
    const env = {
      CELLWARD_MQTT_PASSWORD_FILE: join(secrets, "mqtt_password"),
      CELLWARD_STORE_INFLUX_TOKEN_FILE: join(secrets, "influx_token"),
      CELLWARD_HTTP_TOKEN_FILE: join(secrets, "http_token"),
    };
    const { config, warnings } = loadConfig({ file: join(root, "deploy", "cellward.yaml"), env });
    expect(warnings).toEqual([]);
    for (const url of [config.mqtt.url!, config.store.influx.url]) {
      expect(Object.keys(compose.services)).toContain(new URL(url).hostname);
    }
    expect(config.http.token!.reveal().length).toBeGreaterThanOrEqual(16);
    expect(text("docker-compose.yml")).toContain(`:${config.http.port}:${config.http.port}`);
    expect(config.store.influx.bucket).toBe("cellward");
  });

  it("grafana: the variables of its data source are those setup writes, and its folders are mounted", () => {
    const source = text("grafana/provisioning/datasources/cellward.yaml");
    const written = readFileSync(join(secrets, "grafana.env"), "utf8");
    const named = [...source.matchAll(/\$(\w+)/g)].map((m) => m[1]!);
    expect(named.length).toBeGreaterThan(0);
    for (const name of named) expect(written).toMatch(new RegExp(`^${name}=.+$`, "m"));
    const provider = parse(text("grafana/provisioning/dashboards/cellward.yaml"));
    const mounts = compose.services.grafana!.volumes!.map((v) => v.split(":")[1]);
    for (const { options } of provider.providers) expect(mounts).toContain(options.path);
  });

  it("setup: secrets differ, stay on the second run, and the folder is closed to others", () => {
    const read = (name: string) => readFileSync(join(secrets, name), "utf8");
    const names = [
      "mqtt_password",
      "influx_token",
      "http_token",
      "influx_password",
      "grafana_password",
      "sensors/b1-s01",
    ];
    const before = names.map(read);
    expect(new Set(before).size).toBe(names.length);
    for (const value of before) expect(value.length).toBeGreaterThanOrEqual(24);
    const users = read("mosquitto_passwords");
    setUp(secrets, ["b1-s01", "b1-s02"]);
    expect(names.map(read)).toEqual(before);
    expect(read("mosquitto_passwords").startsWith(users)).toBe(true);
    expect(read("mosquitto_passwords")).toMatch(/^b1-s02:\$7\$101\$/m);
    expect(statSync(join(secrets, "sensors")).mode & 0o077).toBe(0);
    expect(() => setUp(secrets, ["../x"])).toThrow("not a sensor id");
  });
});

describe("image", () => {
  it("runs as a user without rights, reports its health, ends with one entry point", () => {
    const last = text("Dockerfile")
      .split(/^FROM /m)
      .at(-1)!;
    expect(last).toMatch(/^USER node$/m);
    expect(last).toMatch(/^HEALTHCHECK /m);
    expect(last.indexOf("USER node")).toBeLessThan(last.indexOf("ENTRYPOINT"));
    expect(last).not.toMatch(/npm (ci|install)/);
  });

  it("copies only what is there, and the build's own inputs are let through", () => {
    const allowed = text(".dockerignore")
      .split("\n")
      .filter((line) => line.startsWith("!"));
    for (const line of allowed) expect(existsSync(join(root, line.slice(1))), line).toBe(true);
    const inputs = [
      "src",
      "sensors",
      "simulator",
      "package.json",
      "package-lock.json",
      "tsconfig.json",
      "tsconfig.build.json",
      "bin",
    ];
    for (const input of inputs) expect(allowed).toContain(`!${input}`);
    for (const [, path] of text("Dockerfile").matchAll(/--from=build \/app\/(\S+)/g)) {
      const builtLater = path === "node_modules" || path === "dist";
      expect(builtLater || existsSync(join(root, path!)), path).toBe(true);
    }
  });
});
