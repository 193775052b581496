import { join } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { ScenarioError, type Simulation, scenarioNames, simulate } from "../../simulator/index.ts";
import { loadScenario } from "../../simulator/scenario.ts";
import { AppError, unreadable } from "../errors.ts";
import { createTraceWriter, writeTruth } from "../trace/index.ts";
import { writeOut } from "./out.ts";
import { parseDuration } from "./units.ts";

interface Flags {
  readonly seed: number;
  readonly out?: string;
  readonly format: "jsonl" | "jsonl.gz" | "jsonl.zst";
  readonly batch?: number;
  /** Milliseconds. */
  readonly duration?: number;
  readonly list?: boolean;
  readonly json?: boolean;
}

/** Instants that a service takes in one message (`limits.max_instants`) may be fewer. */
const MOST_INSTANTS = 1000;

const batch = (text: string): number => {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1 || n > MOST_INSTANTS)
    throw new InvalidArgumentError(`A whole number from 1 to ${MOST_INSTANTS}.`);
  return n;
};
export const integer = (text: string): number => {
  const n = Number(text);
  if (!Number.isSafeInteger(n)) throw new InvalidArgumentError("a whole number is needed");
  return n;
};

/** A scenario that is not in the library, or a broken file, is the caller's; anything else stays what it is. */
export function scenarioProblem(name: string, error: unknown): unknown {
  if (!(error instanceof ScenarioError)) return error;
  if (error.cause !== undefined) return unreadable(error.message, error.cause);
  const code = /^[a-z0-9-]*$/.test(name) ? "USAGE" : "SCENARIO_INVALID";
  return new AppError(code, error.message, { details: error.problems, cause: error });
}

export function addSimulate(program: Command): void {
  program
    .command("simulate")
    .description("Writes the trace, the truth and the site file of a simulated scenario.")
    .argument("[scenario]", "name in the library (see --list) or path of a scenario file")
    .option("--seed <n>", "same seed, same bytes", integer, 1)
    .option("--out <dir>", "folder for NAME.jsonl, NAME.truth.jsonl and site.yaml")
    .addOption(new Option("--format <f>", "of the trace").choices(["jsonl", "jsonl.gz", "jsonl.zst"]).default("jsonl"))
    .option("--batch <n>", "instants a message; 1: one message a reading", batch)
    .option("--duration <time>", "ends after so long, e.g. 90, 90s, 10m", parseDuration)
    .option("--list", "lists the scenarios of the library")
    .option("--json", "machine-readable output")
    .action(async (name: string | undefined, flags: Flags) => {
      try {
        if (flags.list) list(flags.json === true);
        else if (name === undefined) throw new AppError("USAGE", "which scenario? See 'cellward simulate --list'");
        else if (flags.out === undefined) throw new AppError("USAGE", "--out DIR says where the files go");
        else await write(name, flags, flags.out);
      } catch (error) {
        throw scenarioProblem(name ?? "", error);
      }
    });
}

function list(json: boolean): void {
  const rows = scenarioNames().map((n) => loadScenario(n).scenario);
  if (json) {
    process.stdout.write(
      `${JSON.stringify(rows.map((s) => ({ name: s.name, about: s.about.trim(), expect: s.expect })))}\n`,
    );
    return;
  }
  const width = Math.max(...rows.map((s) => s.name.length));
  for (const s of rows) process.stdout.write(`${s.name.padEnd(width)}  ${s.about.trim().replace(/\s+/g, " ")}\n`);
}

async function write(name: string, flags: Flags, out: string): Promise<void> {
  const plan = loadScenario(name).scenario;
  const sim = simulate(name, flags.seed, {
    ...(flags.batch === undefined ? {} : { batch: flags.batch }),
    durationS: flags.duration === undefined ? plan.duration_s : flags.duration / 1000,
  });
  const truth = join(out, `${plan.name}.truth.jsonl`);
  const trace = join(out, `${plan.name}.${flags.format}`);
  await writeOut(out, { "site.yaml": sim.site });
  await writeTruth(truth, sim.truth);
  const count = await writeTrace(sim, trace);
  const done = { trace, truth, site: join(out, "site.yaml"), messages: count };
  if (flags.json)
    process.stdout.write(`${JSON.stringify({ ...done, episodes: sim.truth.length, faults: sim.faults })}\n`);
  else process.stdout.write(`${done.trace}\n${done.truth}\n${done.site}\n`);
}

async function writeTrace(sim: Simulation, path: string): Promise<number> {
  const note = `simulated: ${sim.scenario.name}, seed ${sim.seed}`;
  const writer = await createTraceWriter(path, { cellward_trace: 1, site: sim.siteId, start: sim.startMs, note });
  for (const { t, topic, payload } of sim.messages()) {
    const wait = writer.write(typeof payload === "string" ? { t, topic, json: payload } : { t, topic, bytes: payload });
    if (wait) await wait;
  }
  await writer.close();
  return writer.messages;
}
