/**
 * The frame of the fault bench: a fault is a run that gives figures and says whether its target is met, and the same run with a
 * guard taken out, which must not meet it. A fault whose control passes has shown nothing.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mulberry32 } from "../../support/noise.ts";

export interface FaultContext {
  readonly seed: number;
  /** How many times the fault strikes. */
  readonly runs: number;
  /** An empty folder, removed afterwards. */
  readonly dir: string;
  /** mulberry32 on the seed: 0..1. */
  random(): number;
  /** Whether the time given for strikes is over: what was measured until then is printed. */
  timeUp(): boolean;
}

export interface FaultResult {
  readonly met: boolean;
  readonly figures: Readonly<Record<string, number | string>>;
}

export interface Fault {
  readonly id: string;
  readonly name: string;
  readonly target: string;
  /** Runs by default and in the short slice. */
  readonly runs: number;
  readonly shortRuns: number;
  /** Guards whose controls the short slice runs; default: all. A control of a minute is for the full run. */
  readonly shortControls?: readonly string[];
  run(context: FaultContext): Promise<FaultResult>;
  /** Name of the guard that is taken out → the run without it. */
  readonly controls: Readonly<Record<string, (context: FaultContext) => Promise<FaultResult>>>;
}

async function inFolder(
  seed: number,
  runs: number,
  run: (context: FaultContext) => Promise<FaultResult>,
  limitS: number,
): Promise<FaultResult> {
  const end = performance.now() + 1000 * limitS;
  const dir = mkdtempSync(join(tmpdir(), "cellward-fault-"));
  try {
    return await run({ seed, runs, dir, random: mulberry32(seed), timeUp: () => performance.now() > end });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function text(result: FaultResult): string {
  return Object.entries(result.figures)
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
}

/**
 * A missing guard does harm by chance: a kill has to fall between a write and its acknowledgement, which on a fast disk is one
 * in three or four. A control is tried with other seeds until it does harm; by 20 times three kills a guard that is really
 * missing shows with a probability that no run will contradict (0.75^60 = 3e-8).
 */
const CONTROL_TRIES = 20;

/** Runs faults with their controls, prints a line each; false when a target is missed or a control passes. */
export async function runFaults(
  faults: readonly Fault[],
  options: {
    seed: number;
    short: boolean;
    runs: number | null;
    controlsOnly: boolean;
    faultsOnly?: boolean;
    limitS?: number;
  },
  say: (line: string) => void,
): Promise<boolean> {
  let good = true;
  const { limitS = Number.POSITIVE_INFINITY } = options;
  for (const fault of faults) {
    const runs = options.runs ?? (options.short ? fault.shortRuns : fault.runs);
    const again = `node bin/bench.js faults --only ${fault.id} --seed ${options.seed} --runs ${runs}`;
    if (!options.controlsOnly) {
      const result = await inFolder(options.seed, runs, fault.run, limitS);
      good &&= result.met;
      say(`${fault.id} ${fault.name}: ${result.met ? "met" : "MISSED"} (${fault.target})`);
      say(`   ${text(result)}`);
      if (!result.met) say(`   repeat: ${again}`);
    }
    for (const [guard, control] of Object.entries(fault.controls)) {
      if (options.faultsOnly) break;
      if (options.short && fault.shortControls && !fault.shortControls.includes(guard)) continue;
      let result = await inFolder(options.seed, Math.max(3, Math.ceil(runs / 5)), control, limitS);
      for (let more = 1; result.met && more < CONTROL_TRIES; more++) {
        result = await inFolder(options.seed + more, Math.max(3, Math.ceil(runs / 5)), control, limitS);
      }
      good &&= !result.met;
      say(`   control without ${guard}: ${result.met ? "NOT CAUGHT" : "caught"} (${text(result)})`);
      if (result.met) say(`   repeat: ${again}`);
    }
  }
  return good;
}

/** The p-quantile of values, by rank. */
export function quantile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN;
}
