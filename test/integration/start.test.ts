import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { startCli } from "../support/cli.ts";
import { freePort } from "../support/servers.ts";
import { startTestService } from "../support/service.ts";
import { servicesOfTests } from "../support/services.ts";
import { toySiteText } from "../support/toy-block.ts";

const services = servicesOfTests();

/** A house in a folder of its own, with a configuration that a test can add to. */
function house(more = "", brokerPort = 0, data = "data"): { readonly dir: string; readonly config: string } {
  const dir = services.dir();
  writeFileSync(join(dir, "site.yaml"), toySiteText());
  const config = join(dir, "cellward.yaml");
  writeFileSync(config, `site: site.yaml\ndata_dir: ${data}\nmqtt: {embedded: {port: ${brokerPort}}}\n${more}`);
  return { dir, config };
}

/** What a run that can't start says; the run itself must end, or nobody starts another. */
async function refused(config: string) {
  const cli = startCli(["run", "--config", config]);
  const timer = setTimeout(() => cli.interrupt(), 20_000);
  const { code, stderr } = await cli.done;
  clearTimeout(timer);
  return { code, stderr };
}

describe("start of the service", () => {
  it("its own start held the loop up: no stall is told of it", async () => {
    // The line that says where it listens takes longer than the limit to be written.
    const slow = {
      write(line: string) {
        if (line.includes("Server listening")) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);
      },
    };
    const made = await services.start({
      siteText: toySiteText(),
      flags: { "health.loop_delay_ms": 1000 },
      log: pino({ level: "info" }, slow),
    });
    await new Promise((resolve) => setTimeout(resolve, 1600));
    expect(made.changes.map((c) => c.after.text)).toEqual([]);
  });

  it("the port of HTTP is taken: it says so and ends, with the dependency's code", async () => {
    const port = await freePort();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
    services.atEnd(() => new Promise((resolve) => other.close(resolve)));
    const { code, stderr } = await refused(house(`http: {port: ${port}}\n`).config);
    expect(stderr).toContain(`PORT_TAKEN: HTTP can't listen on 127.0.0.1:${port}: the port is in use; http.port sets`);
    expect(code).toBe(4);
  });

  it("the port of the embedded broker is taken: it says so and ends, for sensors would publish to somebody else", async () => {
    const port = await freePort();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
    services.atEnd(() => new Promise((resolve) => other.close(resolve)));
    const { code, stderr } = await refused(house("http: {port: 0}\n", port).config);
    expect(stderr).toContain(
      `PORT_TAKEN: the embedded broker can't listen on 127.0.0.1:${port}: the port is in use; mqtt.url`,
    );
    expect(code).toBe(4);
  });

  it("an address that is not this machine's: named, for HTTP as for the broker", async () => {
    const { code, stderr } = await refused(house('http: {host: 192.0.2.1, token: "0123456789abcdef"}\n').config);
    expect(stderr).toContain("PORT_TAKEN: HTTP can't listen on 192.0.2.1:8080: this machine has no such address");
    expect(code).toBe(4);
  });

  it("a start that failed lets go of the folder and of the broker's port: the next one succeeds", async () => {
    const port = await freePort();
    const broker = await freePort();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(port, "127.0.0.1", resolve));
    const dir = services.dir();
    const flags = { "http.port": port, "mqtt.embedded.port": broker };
    await expect(startTestService({ dir, siteText: toySiteText(), flags })).rejects.toMatchObject({
      code: "PORT_TAKEN",
    });
    await new Promise((resolve) => other.close(resolve));
    const made = await services.start({ dir, siteText: toySiteText(), flags });
    expect(made.service.broker?.insteadOf).toBeNull();
  });

  it("a data folder that is a file, or a lock that is none: named in words, not as a fault of the program", async () => {
    const file = house();
    writeFileSync(join(file.dir, "data"), "not a folder");
    const taken = await refused(file.config);
    expect(taken.stderr).toContain(`FILE_UNWRITABLE: the data folder ${join(file.dir, "data")}: a file stands there`);
    expect(taken.code).toBe(3);
    // Node's own way of making folders never came back from there.
    const nowhere = await refused(house("", 0, "/proc/cellward").config);
    expect(nowhere.stderr).toContain("FILE_UNWRITABLE: the data folder /proc/cellward: ");
    expect(nowhere.code).toBe(3);
    const damaged = house();
    mkdirSync(join(damaged.dir, "data"));
    writeFileSync(join(damaged.dir, "data", "lock"), "x".repeat(3000));
    const { code, stderr } = await refused(damaged.config);
    expect(stderr).toContain(`FILE_UNWRITABLE: ${join(damaged.dir, "data", "lock")} is no lock of cellward`);
    expect(code).toBe(3);
  });
});
