/**
 * `npm run bench:null`: false alarms of the whole detector on quiet that is not its own model, against the nominal number, and the
 * delay of a 3 dB signal behind it. Argument: receivers per row (default 60).
 */
import { measureNull, NULLS } from "../../support/nulls.ts";

const runs = Number(process.argv[2] ?? 60);
for (const name of Object.keys(NULLS)) {
  const r = measureNull(name, runs, 20_000, 1e5, 5);
  const steps = r.steps > 0 ? ` (${r.steps} real steps upward)` : "";
  console.log(
    `${name.padEnd(36)} alarms ${r.alarms}${steps}, nominal ${r.nominal.toFixed(1)}; 3 dB after the quiet: found ${(100 * r.found).toFixed(0)} %, delay ${r.delay.toFixed(2)} readings`,
  );
}
