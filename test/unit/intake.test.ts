import { describe, expect, it } from "vitest";
import { CODECS } from "../../sensors/index.ts";
import { Blocks } from "../../src/blocks.ts";
import { ClockWatch } from "../../src/ingest/clockskew.ts";
import { createDecoder } from "../../src/ingest/decode.ts";
import { RejectLog } from "../../src/ingest/rejects.ts";
import { SequenceBook } from "../../src/ingest/sequence.ts";
import { Intake, remainder } from "../../src/intake.ts";
import type { ReadingBatch } from "../../src/model.ts";
import { smallSite } from "../support/site.ts";

const NOW = Date.UTC(2026, 10, 22, 12);

function house() {
  const site = smallSite();
  const filed: ReadingBatch[] = [];
  const intake = new Intake({
    decoder: createDecoder({ site, codecs: CODECS }),
    sequencer: new SequenceBook(),
    rejects: new RejectLog(),
    blocks: new Blocks({ site, calibration: null, windowMs: 1000, holdMs: 2000, eager: true, falseAlarmsPerDay: 1 }),
    clocks: new ClockWatch(),
    onBatch: (batch) => filed.push(batch),
  });
  const send = (sensor: string, block: string, seq: number, ts: number, nowMs: number) =>
    intake.take(
      `cellward/v1/demo/${block}/${sensor}/reading`,
      Buffer.from(JSON.stringify({ v: 1, boot: 1, seq, ts, r: [{ b: "lte800-ul", rms_dbm: -90 }] })),
      false,
      nowMs,
    );
  return { intake, filed, send };
}

describe("intake: clocks", () => {
  it("a sensor minutes ahead: is judged at its arrival, its clock is known to be off, its repetitions are known", () => {
    const { intake, filed, send } = house();
    for (let k = 0; k < 10; k++) send("s1", "b1", k, NOW + k * 1000 + 120_000, NOW + k * 1000);
    expect(filed.map((b) => b.tsMs)).toEqual(Array.from({ length: 10 }, (_, k) => NOW + k * 1000));
    expect(intake.clockOffMs("s1")).toBe(120_000);
    send("s1", "b1", 3, NOW + 3000 + 120_000, NOW + 60_000);
    expect(intake.ledger).toMatchObject({ accepted: 10, duplicate: 1, refused: 0 });
    expect(remainder(intake.ledger)).toBe(0);
  });

  it("a sensor a few seconds off or years behind: keeps its own times", () => {
    const { intake, filed, send } = house();
    send("s2", "b2", 0, NOW + 3000, NOW);
    send("s2", "b2", 1, NOW - 1e11, NOW);
    expect(filed.map((b) => b.tsMs)).toEqual([NOW + 3000, NOW - 1e11]);
    expect(intake.clockOffMs("s2")).toBeNull();
  });

  it("what the sensor says of its clock: counts before what is measured", () => {
    const { intake, send } = house();
    for (let k = 0; k < 10; k++) send("s1", "b1", k, NOW + k * 1000 - 2000, NOW + k * 1000);
    expect(intake.clockOffMs("s1")).toBe(-2000);
    intake.take(
      "cellward/v1/demo/b1/s1/health",
      Buffer.from(JSON.stringify({ ts: NOW, clock_off_ms: -1990 })),
      true,
      NOW,
    );
    expect(intake.clockOffMs("s1")).toBe(-1990);
  });
});
