/**
 * How fast the simulator makes the synthetic prison-day: 600 sensors, 8 bands, 1 Hz, through the trace writer.
 *
 * `node bin/bench.js simulate [--seconds 300] [--full] [--json]`: by default six pieces of the day, one every four hours,
 * so that quiet and busy hours count alike; `--full` makes the whole day. Prints real time made per second of CPU and of
 * wall clock, the peak of resident memory, and a hash of the bytes.
 */
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { simulate } from "../../simulator/index.ts";
import { createTraceWriter } from "../../src/trace/index.ts";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "300" }, full: { type: "boolean" }, json: { type: "boolean" } },
});
const hourMs = 3_600_000;
const seconds = values.full ? 86_400 : Number(values.seconds);
const pieces = values.full ? [0] : [0, 4, 8, 12, 16, 20];
const day = Date.UTC(2026, 2, 2);

const hash = createHash("sha256");
let messages = 0;
let bytes = 0;
let peakRss = 0;
let episodes = 0;
let wallS = 0;
let cpuS = 0;
for (const hour of pieces) {
  const began = performance.now();
  const cpu = process.cpuUsage();
  const sim = simulate("prison-day", 1, { startMs: day + hour * hourMs, durationS: seconds });
  const writer = await createTraceWriter("/dev/null", { cellward_trace: 1, site: sim.siteId, start: sim.startMs });
  let n = 0;
  for (const { t, topic, payload } of sim.messages()) {
    const wait = writer.write(typeof payload === "string" ? { t, topic, json: payload } : { t, topic, bytes: payload });
    if (wait) await wait;
    bytes += topic.length + payload.length;
    // A hash of every byte would cost as much as what is measured: every hundredth message goes in.
    if (n++ % 100 === 0) hash.update(`${t}${topic}`).update(payload);
    if (n % 5000 === 0) peakRss = Math.max(peakRss, process.memoryUsage.rss());
  }
  await writer.close();
  const used = process.cpuUsage(cpu);
  cpuS += (used.user + used.system) / 1e6;
  wallS += (performance.now() - began) / 1000;
  messages += n;
  episodes += sim.truth.length;
}
const madeS = seconds * pieces.length;
const result = {
  bench: "simulate prison-day",
  node: process.version,
  made_s: madeS,
  messages,
  episodes,
  megabytes: Math.round(bytes / 1e6),
  cpu_s: Math.round(cpuS * 10) / 10,
  wall_s: Math.round(wallS * 10) / 10,
  realtime_per_cpu_s: Math.round(madeS / cpuS),
  realtime_per_wall_s: Math.round(madeS / wallS),
  peak_rss_mb: Math.round(peakRss / 1e6),
  hash: hash.digest("hex").slice(0, 16),
};
if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
else for (const [key, value] of Object.entries(result)) process.stdout.write(`${key.padEnd(20)} ${value}\n`);
