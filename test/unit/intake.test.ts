import fc from "fast-check";
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

describe("intake: ledger under redelivery", () => {
  /** What a broker does after a lost connection: everything not acknowledged comes again, in pieces, several times. */
  const traffic = fc.array(
    fc.record({ from: fc.integer({ min: 0, max: 400 }), count: fc.integer({ min: 1, max: 30 }) }),
    { minLength: 1, maxLength: 150 },
  );
  const forms = ["good", "good", "good", "broken", "quota"] as const;

  it("any order, any number of repetitions, refusals between: received = durable + duplicate + refused, each reading once", () => {
    fc.assert(
      fc.property(traffic, fc.infiniteStream(fc.constantFrom(...forms)), (messages, form) => {
        const { intake, filed } = house();
        const distinct = new Set<number>();
        let received = 0;
        let refusedMessages = 0;
        for (const { from, count } of messages) {
          const seqs = Array.from({ length: count }, (_, j) => from + j);
          const topic = "cellward/v1/demo/b1/s1/readings";
          const body = {
            v: 1,
            boot: 1,
            seq: from,
            ts: NOW + 10 * from,
            dt_ms: 10,
            bands: ["lte800-ul"],
            rms_dbm: [seqs.map((seq) => -90 - (seq % 7))],
          };
          const payload = Buffer.from(JSON.stringify(body));
          const what = form.next().value;
          if (what === "quota") intake.refuse({ ok: false, code: "sensor-quota", detail: "" }, topic, payload, NOW);
          else intake.take(topic, what === "broken" ? payload.subarray(1) : payload, false, NOW + 10 * from);
          if (what !== "good") refusedMessages++;
          else {
            received += count;
            for (const seq of seqs) distinct.add(seq);
          }
        }
        const { ledger } = intake;
        expect(remainder(ledger)).toBe(0);
        expect(ledger).toMatchObject({ messages: messages.length, rejectedMessages: refusedMessages });
        expect(ledger.readings).toBe(received);
        expect(ledger.refused).toBe(0);
        // Never fewer than there are; more only by what is counted as perhaps a repetition.
        expect(ledger.accepted).toBeGreaterThanOrEqual(distinct.size);
        expect(ledger.accepted - ledger.unverified).toBeLessThanOrEqual(distinct.size);
        expect(filed.reduce((n, b) => n + b.count, 0)).toBe(ledger.accepted);
      }),
      { numRuns: 60 },
    );
  });
});
