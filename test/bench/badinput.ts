/**
 * How long one bad message can hold the event loop: every hostile input of test/support/bad-input.ts through the real
 * decoder, several tries each. What counts is the median, because on a busy machine the slowest try is the scheduler's; it
 * is printed as well. Run it with `npx tsx test/bench/badinput.ts`; `--json` for machines.
 */
import { createHash } from "node:crypto";
import { CODECS } from "../../sensors/index.ts";
import { createDecoder } from "../../src/ingest/decode.ts";
import { HOSTILE, NOW_MS } from "../support/bad-input.ts";
import { smallSite } from "../support/site.ts";

const TRIES = 15;
const LIMIT_MS = 100;

const decoder = createDecoder({ site: smallSite(), codecs: CODECS });
const rows: { name: string; bytes: number; outcome: string; medianMs: number; worstMs: number }[] = [];
for (const hostile of HOSTILE) {
  const tookMs: number[] = [];
  let outcome = "";
  const payload = hostile.payload();
  for (let k = 0; k < TRIES; k++) {
    if (hostile.before) decoder.decode(hostile.topic, hostile.before, { retained: false, nowMs: NOW_MS });
    const beganMs = performance.now();
    const result = decoder.decode(hostile.topic, payload, { retained: hostile.retained ?? false, nowMs: NOW_MS });
    tookMs.push(performance.now() - beganMs);
    outcome = result.ok ? "taken" : result.code;
  }
  tookMs.sort((a, b) => a - b);
  const [medianMs, worstMs] = [tookMs[TRIES >> 1]!, tookMs.at(-1)!];
  rows.push({ name: hostile.name, bytes: payload.length, outcome, medianMs, worstMs });
}
rows.sort((a, b) => b.medianMs - a.medianMs);
const worst = rows[0]!;
const hash = createHash("sha256")
  .update(
    rows
      .map((r) => `${r.name}=${r.outcome}`)
      .sort()
      .join("\n"),
  )
  .digest("hex")
  .slice(0, 16);
if (process.argv.includes("--json"))
  process.stdout.write(`${JSON.stringify({ limitMs: LIMIT_MS, worst, hash, rows })}\n`);
else {
  for (const r of rows.slice(0, 12)) {
    process.stdout.write(
      `${r.medianMs.toFixed(2).padStart(9)} ms (slowest ${r.worstMs.toFixed(2)})  ${r.outcome.padEnd(22)} ${r.name} (${r.bytes} bytes)\n`,
    );
  }
  process.stdout.write(
    `longest stall ${worst.medianMs.toFixed(2)} ms of ${rows.length} bad inputs (limit ${LIMIT_MS} ms); outcomes ${hash}\n`,
  );
}
if (worst.medianMs > LIMIT_MS) process.exitCode = 99;
