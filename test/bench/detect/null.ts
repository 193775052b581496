/**
 * `npm run bench:null`: false alarms of the whole detector on quiet that is not its own model, against the nominal number, and the
 * delay of a 3 dB signal behind it; then twelve days with and without the time of day. Argument: receivers per row (default 60).
 */
import { measureDays, measureNull, NULLS, RHYTHMS } from "../../support/nulls.ts";

const runs = Number(process.argv[2] ?? 60);
for (const name of Object.keys(NULLS)) {
  const r = measureNull(name, runs, 20_000, 1e5, 5);
  const steps = r.steps > 0 ? ` (${r.steps} real steps upward)` : "";
  console.log(
    `${name.padEnd(36)} alarms ${r.alarms}${steps}, nominal ${r.nominal.toFixed(1)}; 3 dB after the quiet: found ${(100 * r.found).toFixed(0)} %, delay ${r.delay.toFixed(2)} readings`,
  );
}

const few = Math.ceil(runs / 3);
for (const name of Object.keys(RHYTHMS)) {
  for (const zone of [null, "Europe/Paris"]) {
    const cells: string[] = [];
    let alarms = 0;
    let nominal = 0;
    for (const [hour, db] of [
      [11, 3],
      [6, 3],
      [6, 6],
      [6, 10],
    ] as const) {
      const r = measureDays(name, zone, few, hour, db, 11 + hour + db);
      alarms += r.alarms;
      nominal += r.nominal;
      cells.push(`${db} dB at ${hour} h: ${(100 * r.found).toFixed(0)} %, ${r.delay.toFixed(1)}`);
    }
    const how = zone === null ? "not known" : "known";
    console.log(
      `${name}, time of day ${how}: alarms from the fourth day on ${alarms}, nominal ${nominal.toFixed(1)}; ${cells.join("; ")}`,
    );
  }
}
