import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import type { Clock } from "../../../src/contracts.ts";
import { createLogger } from "../../../src/log.ts";
import type { Alert, AlertChange, ReadingBatch, Rollup } from "../../../src/model.ts";

export const silentLog = createLogger("silent");

/** A folder that is gone after the test. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "cellward-store-"));
  dirs.push(dir);
  return dir;
}
const dirs: string[] = [];
afterEach(() => {
  for (const dir of dirs.splice(0)) rmSync(dir, { recursive: true, force: true });
});

/** A clock that only moves when told to. */
export function handClock(startMs: number): Clock & { advance(ms: number): void } {
  let ms = startMs;
  return {
    nowMs: () => ms,
    monotonicMs: () => ms,
    advance(by) {
      ms += by;
    },
  };
}

export const BANDS = ["lte800-ul", "gsm900-ul"] as const;

export function rollup(sensor: string, tMs: number, readings = 10, level = -98): Rollup {
  return {
    block: "b1",
    sensor,
    tMs,
    readings,
    bands: BANDS,
    meanDbm: Float32Array.of(level, Number.NaN),
    maxDbm: Float32Array.of(level + 7.25, level + 3),
    floorDbm: Float32Array.of(-101.5, -110),
    llr: Float32Array.of(12.5, -0.75),
  };
}

export function batch(sensor: string, boot: number, seq: number, tsMs: number, count = 3): ReadingBatch {
  return {
    block: "b1",
    sensor,
    boot,
    seq,
    tsMs,
    dtMs: count > 1 ? 100 : 0,
    count,
    bands: BANDS,
    rmsDbm: Float32Array.from({ length: 2 * count }, (_, i) => -100 + i / 4),
    peakDbm: Float32Array.from({ length: 2 * count }, (_, i) => (i === 0 ? Number.NaN : -90 + i / 4)),
    duty: null,
    noiseDbm: null,
    looks: null,
  };
}

export function alert(id: string, version: number, over: Partial<Alert> = {}): Alert {
  return {
    id,
    version,
    site: "demo",
    block: "b1",
    kind: "phone-active",
    severity: "high",
    cell: "b1-1-12",
    candidates: [{ cell: "b1-1-12", p: 0.83 }],
    p_outside: 0.01,
    p_allowed: 0.02,
    position: { x_m: 31.2, y_m: 2.1, floor: "1", cov_m2: [0.8, 0.1, 0.9] },
    bands: ["lte800-ul"],
    activity: "call",
    active: true,
    acked: false,
    acked_by: null,
    latched: true,
    shelved_until: null,
    suppressed_by: null,
    out_of_service: false,
    opened_at: 1_700_000_000_000,
    first_evidence_at: 1_700_000_000_000,
    last_evidence_at: 1_700_000_000_000,
    closed_at: null,
    outcome: null,
    text: 'A phone in b1-1-12, "call"\\',
    evidence: {
      sensors: [{ sensor: "b1-s07", band: "lte800-ul", excess_db: 31.2, floor_dbm: -101.3 }],
      llr: 64.1,
      threshold: 24,
      false_alarms_per_day: 0.5,
    },
    ...over,
  };
}

export function change(type: AlertChange["type"], after: Alert, before: Alert | null = null): AlertChange {
  return { type, before, after };
}

/** Polls until `done` holds; fails after `ms`. */
export async function until(what: string, done: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await done())) {
    if (Date.now() > end) throw new Error(`did not come about: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
