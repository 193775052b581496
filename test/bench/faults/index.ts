/**
 * `npm run faults [-- --only F1,F2] [--short] [--seed N] [--runs N] [--limit-s N] [--controls] [--no-controls]`: faults with their negative controls, one
 * process at a time. Exit code 99 when a target is missed or a control is not caught.
 */
import { parseArgs } from "node:util";
import { F4 } from "./database-away.ts";
import type { Fault } from "./frame.ts";
import { runFaults } from "./frame.ts";
import { F3, F8, F9, F10, F11, F12, F13, F15, F19 } from "./house-faults.ts";
import { F5 } from "./influx-faults.ts";
import { F1L, F2L, F6, F7, F18 } from "./log-faults.ts";
import { F1, F2 } from "./service-faults.ts";

const ALL: readonly Fault[] = [F1, F1L, F2, F2L, F3, F4, F5, F6, F7, F8, F9, F10, F11, F12, F13, F15, F18, F19];

/** What CI runs: under two minutes together. The rest needs half a minute a strike and is for the full run. */
const SLICE: ReadonlySet<string> = new Set(["F1", "F1-log", "F2-log", "F5", "F6", "F7", "F18"]);

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    seed: { type: "string", default: "1" },
    runs: { type: "string" },
    short: { type: "boolean", default: false },
    controls: { type: "boolean", default: false },
    /** Seconds after which F1 and F2 strike no more and say what they have. */
    "limit-s": { type: "string" },
    "no-controls": { type: "boolean", default: false },
  },
});
const only = values.only?.split(",");
const unknown = only?.filter((id) => !ALL.some((fault) => fault.id === id)) ?? [];
if (unknown.length > 0) {
  process.stderr.write(`faults: no ${unknown.join(", ")}; there are ${ALL.map((fault) => fault.id).join(", ")}\n`);
  process.exit(2);
}
const options = {
  seed: Number(values.seed),
  short: values.short,
  runs: values.runs === undefined ? null : Number(values.runs),
  controlsOnly: values.controls,
  faultsOnly: values["no-controls"],
  ...(values["limit-s"] === undefined ? {} : { limitS: Number(values["limit-s"]) }),
};
process.stdout.write(`node ${process.version}, seed ${options.seed}${options.short ? ", short" : ""}\n`);
const wanted = ALL.filter((fault) => (only ? only.includes(fault.id) : !options.short || SLICE.has(fault.id)));
const good = await runFaults(wanted, options, (line) => process.stdout.write(`${line}\n`));
process.exit(good ? 0 : 99);
