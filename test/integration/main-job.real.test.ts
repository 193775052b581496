import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { remainder } from "../../src/intake.ts";
import { runCli } from "../support/cli.ts";
import { dataDir } from "../support/data.ts";
import { type InfluxServer, type RunningServer, startInflux, startMosquitto, until } from "../support/servers.ts";
import { removeDir, startTestService, type TestService, temporaryDir } from "../support/service.ts";

/**
 * The main job on real input: the recorded tracks of an office hall, at ten times their speed through a real broker into
 * the service and on into a real database. Nothing may be unaccounted for on the way.
 */
const folder = dataDir("ble-office");
const TRACKS = ["straight_01", "straight_02", "straight_05", "rectangular_without_rotation"];

describe.skipIf(folder === null)("main job, real input (skipped without the recorded data)", () => {
  let mosquitto: RunningServer;
  let influx: InfluxServer;
  const dir = temporaryDir();

  beforeAll(async () => {
    mosquitto = await startMosquitto();
    influx = await startInflux();
  }, 120_000);

  afterAll(async () => {
    await mosquitto?.stop();
    await influx?.stop();
    removeDir(dir);
  });

  // A service of its own for each: the recordings reuse boot and sequence numbers, which in one run would be tampering.
  for (const track of TRACKS) {
    it(`${track}: received = accepted + rejected + duplicate, accepted = stored, by metrics and by the database`, async () => {
      const database = track.replaceAll("-", "_");
      const made = await startTestService({
        dir: join(dir, track),
        siteText: readFileSync(join(folder!, "site.json"), "utf8"),
        flags: {
          "mqtt.url": mosquitto.url,
          "mqtt.client_id": track,
          "store.kind": "influx",
          "store.influx.version": 1,
          "store.influx.url": influx.url,
          "store.influx.database": database,
          // The recordings are years old; a retention would drop them.
          "store.influx.retention_days": 0,
        },
      });
      try {
        await until("readiness", async () => (await made.get("/readyz")).status === 200, 60_000);
        await checkTrack(made, track, database);
      } finally {
        await made.stop();
      }
    }, 300_000);
  }

  async function checkTrack(made: TestService, track: string, database: string): Promise<void> {
    const path = join(folder!, `${track}.jsonl.gz`);
    const result = await runCli(["replay", path, "--to", mosquitto.url, "--speed", "10", "--json"]);
    expect(result.code).toBe(0);
    const sent: number = JSON.parse(result.stdout).acked;
    const { ledger } = made.service.intake;
    // Births and states of the track before are retained at the broker and come first.
    await until("all messages", () => ledger.messages >= sent, 30_000);
    expect(remainder(ledger)).toBe(0);
    expect(ledger.accepted).toBeGreaterThan(500);
    expect(ledger.refused + ledger.duplicate).toBe(0);

    const stored = async () => {
      let total = 0;
      for (const measurement of ["reading_rollup", "reading_late"]) {
        const series = await influx.query(`SELECT sum(n) FROM ${measurement}`, database);
        for (const s of series) for (const row of s.values) total += Number(row[1] ?? 0);
      }
      return total;
    };
    await until("the database to hold every reading", async () => (await stored()) >= ledger.accepted, 60_000);
    expect(await stored()).toBe(ledger.accepted);

    const metrics = String((await made.get("/metrics")).body);
    const metric = (name: string) =>
      Number(new RegExp(`^${name.replace(/[{}"]/g, "\\$&")} (.*)$`, "m").exec(metrics)?.[1]);
    expect(metric("cellward_messages_received_total")).toBe(ledger.messages);
    expect(metric('cellward_readings_total{result="accepted"}')).toBe(ledger.accepted);
    expect(metric("cellward_ledger_remainder")).toBe(0);
    expect(metric("cellward_store_readings_stored_total")).toBe(ledger.accepted);
    process.stdout.write(`${track}: ${JSON.stringify({ ...ledger, stored: await stored() })}\n`);
  }
});
