/**
 * Real servers for tests and benches: each on free loopback ports in a temporary folder of its own, ended by whoever
 * started it. Nothing here touches a server it did not start.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, chownSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";

export interface RunningServer {
  /** `mqtt://127.0.0.1:PORT` or `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  /** The folder of its configuration, data and log (`server.log`). */
  readonly dir: string;
  /** Process id while it runs, else null. */
  pid(): number | null;
  /** What the program printed so far. */
  log(): string;
  /** Ends the program (SIGTERM, after 5 s SIGKILL) and removes the folder. Twice is fine. */
  stop(): Promise<void>;
  /** SIGKILL, as a power cut would; the folder stays, so that `restart()` finds what was on disk. */
  kill(): Promise<void>;
  /** SIGTERM, as an upgrade does; the folder stays. */
  end(): Promise<void>;
  /** Starts the program again on the same port and folder; ends it first when it still runs. */
  restart(): Promise<void>;
}

export interface MosquittoOptions {
  /** A fixed port; by default a free one. */
  readonly port?: number;
  /**
   * Keep sessions and retained messages on disk across `kill()` and `restart()`: the whole database is written after every
   * change, which makes a burst of 5,000 messages ten times slower (0.5 and 4.5 s). "at exit": across `end()` alone, at full speed.
   */
  readonly persistence?: boolean | "at exit";
  /** User name → password. With it, anonymous clients are refused. */
  readonly users?: Readonly<Record<string, string>>;
  /** Text of an ACL file. */
  readonly acl?: string;
  /** Further lines of mosquitto.conf. */
  readonly config?: readonly string[];
}

export interface InfluxOptions {
  readonly port?: number;
  /** Databases to create once it answers. */
  readonly databases?: readonly string[];
  /** Further text of influxdb.conf. */
  readonly config?: string;
}

export interface InfluxServer extends RunningServer {
  /** One InfluxQL statement; its series as InfluxDB gives them. Throws what the server says when it refuses. */
  query(statement: string, database?: string): Promise<InfluxSeries[]>;
}

export interface InfluxSeries {
  readonly name: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly columns: readonly string[];
  readonly values: readonly (readonly (string | number | boolean | null)[])[];
}

/** Path of a program, or an error that says what to install. */
export function programPath(name: string, debianPackage: string): string {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/bin", "/usr/local/bin"];
  for (const folder of folders) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {}
  }
  throw new Error(`${name} is not installed: "apt-get install ${debianPackage}", or run "npm run test:real" once`);
}

/** The browser of the end-to-end tests. */
export function chromiumPath(): string {
  return programPath("chromium", "chromium");
}

/** A loopback port nobody listens on now. Someone may take it before you do: starting retries with another. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port from the system");
  return address.port;
}

/**
 * A mosquitto that queues without limit (its default of 1,000 loses acknowledged messages), listening for plain MQTT 3.1.1
 * and 5 on loopback only.
 */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<RunningServer> {
  const program = programPath("mosquitto", "mosquitto");
  return startWithFreePort(options.port, async (port) => {
    const dir = mkdtempSync(join(tmpdir(), "cellward-mosquitto-"));
    const lines = [
      `listener ${port} 127.0.0.1`,
      `allow_anonymous ${options.users === undefined}`,
      "max_queued_messages 0",
      "max_queued_bytes 0",
      // Senders keep their own window of unacknowledged messages; the broker's default of 20 would be the bottleneck.
      "max_inflight_messages 1000",
      "set_tcp_nodelay true",
      `persistence ${Boolean(options.persistence)}`,
      `persistence_location ${dir}/`,
      // Every change is saved at once, so that kill() loses nothing that was acknowledged.
      ...(options.persistence === true ? ["autosave_on_changes true", "autosave_interval 1"] : []),
      "log_dest stderr",
      "log_type error",
      "log_type warning",
      "log_type notice",
    ];
    if (options.users !== undefined) {
      writeFileSync(join(dir, "passwords"), "");
      await hashPasswords(join(dir, "passwords"), options.users);
      lines.push(`password_file ${join(dir, "passwords")}`);
    }
    if (options.acl !== undefined) {
      writeFileSync(join(dir, "acl"), options.acl);
      lines.push(`acl_file ${join(dir, "acl")}`);
    }
    lines.push(...(options.config ?? []));
    writeFileSync(join(dir, "mosquitto.conf"), `${lines.join("\n")}\n`);
    // Started by root it becomes the user "mosquitto", who must own what it reads and writes.
    const owner = process.getuid?.() === 0 ? userIds("mosquitto") : null;
    if (owner !== null) {
      for (const name of ["", "mosquitto.conf", "passwords", "acl"]) {
        try {
          chownSync(join(dir, name), owner.uid, owner.gid);
        } catch {}
      }
    }
    const process_ = new ServerProcess(program, ["-c", join(dir, "mosquitto.conf")], dir, () => answersTcp(port));
    await process_.start();
    return process_.handle(`mqtt://127.0.0.1:${port}`, port);
  });
}

/** InfluxDB 1.x (`/write`, InfluxQL `/query`), nothing reported to its maker, no monitoring of itself. */
export async function startInflux(options: InfluxOptions = {}): Promise<InfluxServer> {
  const program = programPath("influxd", "influxdb");
  const handle = await startWithFreePort(options.port, async (port) => {
    const dir = mkdtempSync(join(tmpdir(), "cellward-influx-"));
    for (const name of ["meta", "data", "wal"]) mkdirSync(join(dir, name));
    const rpcPort = await freePort();
    const text = [
      "reporting-disabled = true",
      `bind-address = "127.0.0.1:${rpcPort}"`,
      `[meta]\n  dir = "${join(dir, "meta")}"`,
      `[data]\n  dir = "${join(dir, "data")}"\n  wal-dir = "${join(dir, "wal")}"\n  query-log-enabled = false`,
      `[http]\n  bind-address = "127.0.0.1:${port}"\n  log-enabled = false`,
      "[monitor]\n  store-enabled = false",
      `[logging]\n  level = "warn"`,
      options.config ?? "",
    ].join("\n");
    writeFileSync(join(dir, "influxdb.conf"), `${text}\n`);
    const process_ = new ServerProcess(program, ["run", "-config", join(dir, "influxdb.conf")], dir, () =>
      answersHttp(`http://127.0.0.1:${port}/ping`),
    );
    await process_.start();
    return process_.handle(`http://127.0.0.1:${port}`, port);
  });
  const server: InfluxServer = {
    ...handle,
    query: (statement, database) => influxQuery(handle.url, statement, database),
  };
  for (const name of options.databases ?? []) await server.query(`CREATE DATABASE "${name}"`);
  return server;
}

/** Waits until `condition` holds; says `what` did not come when it does not within `timeoutMs`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// ------------------------------------------------------------------------------------------------------------ one process

const alive = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of alive) child.kill("SIGKILL");
});

class ServerProcess {
  readonly #program: string;
  readonly #args: readonly string[];
  readonly #dir: string;
  readonly #ready: () => Promise<boolean>;
  #child: ChildProcess | null = null;
  #ended: Promise<void> = Promise.resolve();
  #log = "";
  #started = false;

  constructor(program: string, args: readonly string[], dir: string, ready: () => Promise<boolean>) {
    this.#program = program;
    this.#args = args;
    this.#dir = dir;
    this.#ready = ready;
  }

  async start(): Promise<void> {
    const first = !this.#started;
    const child = spawn(this.#program, this.#args, { cwd: this.#dir, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    alive.add(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        // The end is what explains a failure.
        this.#log = (this.#log + chunk.toString()).slice(-100_000);
      });
    }
    let failure: Error | null = null;
    this.#ended = new Promise((resolve) => {
      const end = () => {
        alive.delete(child);
        if (this.#child === child) this.#child = null;
        resolve();
      };
      child.once("error", (error) => {
        failure = error;
        end();
      });
      child.once("exit", end);
    });
    const deadline = performance.now() + 20_000;
    while (!(await this.#ready())) {
      if (this.#child !== child || performance.now() > deadline) {
        await this.#end("SIGKILL");
        if (first) this.remove();
        throw new Error(`${this.#program} did not start: ${failure ?? ""}\n${this.#log.slice(-4000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    this.#started = true;
    // Somebody else's server may answer on the port while ours is just failing to bind it.
    if (this.#child !== child) throw new Error(`${this.#program} ended at once:\n${this.#log.slice(-4000)}`);
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
    await this.#ended;
    clearTimeout(timer);
  }

  remove(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }

  handle(url: string, port: number): RunningServer {
    return {
      url,
      port,
      dir: this.#dir,
      pid: () => this.#child?.pid ?? null,
      log: () => this.#log,
      stop: async () => {
        await this.#end("SIGTERM");
        this.remove();
      },
      kill: () => this.#end("SIGKILL"),
      end: () => this.#end("SIGTERM"),
      restart: async () => {
        await this.#end("SIGTERM");
        await this.start();
      },
    };
  }
}

/** A free port can be taken between asking and binding; another one is tried then, twice. */
async function startWithFreePort<T>(wanted: number | undefined, start: (port: number) => Promise<T>): Promise<T> {
  if (wanted !== undefined) return start(wanted);
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (attempt === 3 || !/in use/i.test(String(error))) throw error;
    }
  }
}

function answersTcp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => done(true));
    socket.once("error", () => done(false));
  });
}

async function answersHttp(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

async function influxQuery(url: string, statement: string, database: string | undefined): Promise<InfluxSeries[]> {
  const body = new URLSearchParams({ q: statement, epoch: "ms", ...(database === undefined ? {} : { db: database }) });
  const response = await fetch(`${url}/query`, { method: "POST", body });
  const answer = (await response.json()) as {
    error?: string;
    results?: { error?: string; series?: InfluxSeries[] }[];
  };
  const error = answer.error ?? answer.results?.find((r) => r.error !== undefined)?.error;
  if (error !== undefined) throw new Error(`InfluxDB refuses ${statement}: ${error}`);
  return answer.results?.flatMap((r) => r.series ?? []) ?? [];
}

async function hashPasswords(file: string, users: Readonly<Record<string, string>>): Promise<void> {
  writeFileSync(
    file,
    Object.entries(users)
      .map(([name, password]) => `${name}:${password}\n`)
      .join(""),
    { mode: 0o600 },
  );
  const child = spawn(programPath("mosquitto_passwd", "mosquitto"), ["-U", file], { cwd: dirname(file) });
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  if (code !== 0) throw new Error(`mosquitto_passwd ended with ${code}`);
}

function userIds(name: string): { uid: number; gid: number } | null {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((l) => l.startsWith(`${name}:`));
  const fields = line?.split(":");
  if (fields === undefined) return null;
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}
