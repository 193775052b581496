/**
 * `npm run bench:bursts`: short transmissions through the receivers of the visibility table and the detector behind them. Arguments:
 * signal-to-noise ratio of a burst in dB (default 20), trials (default 200).
 */
import { burstRow, EVENTS, RECEIVERS } from "../../support/burst-table.ts";

const snrDb = Number(process.argv[2] ?? 20);
const trials = Number(process.argv[3] ?? 200);
console.log(
  `bursts ${snrDb} dB over the noise of a dwell; one reading a second with mean and peak; budget of one false alarm a day; ${trials} trials: met by a dwell / passed on / event`,
);
for (const [name, service, ms] of EVENTS) {
  const cells = RECEIVERS.map(([dwell, revisit]) => {
    const r = burstRow(service, ms, dwell, revisit, snrDb, 1, trials);
    return `${dwell} ms in ${revisit}: ${r.met.toFixed(2)} / ${r.passed.toFixed(2)} / ${r.event.toFixed(2)}`;
  });
  console.log(`${name.padEnd(20)} ${cells.join("   ")}`);
}
