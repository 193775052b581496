/**
 * What each sensor's loss costs: the same run scored again without it. Uses that were found and are not any more are the
 * price of a sensor that dies; a sensor whose price is nothing hangs in the wrong place or is a spare.
 */
import type { RunRows } from "./rows.ts";

/** One sensor away (null: none), and what was left. Shares are of all uses, so that columns can be compared. */
export interface SensorLoss {
  readonly sensor: string | null;
  readonly uses: number;
  readonly found: number;
  /** Found, and the last word of the alert named the right cell first. */
  readonly right: number;
  readonly false: number;
  /** Uses found with all sensors and not without this one. */
  readonly lost: readonly string[];
  /** The same for those who are told the world, on the same draws; null where it is not known. */
  readonly limit: { readonly found: number; readonly right: number } | null;
}

interface LimitOfUse {
  readonly found: boolean;
  readonly rank: number;
}

/** Counts one run; `whole` is the run with every sensor, null for that run itself. */
export function sensorLoss(
  sensor: string | null,
  rows: RunRows,
  whole: RunRows | null,
  limits: readonly LimitOfUse[] | null,
): SensorLoss {
  const found = new Set(rows.uses.filter((u) => u.alert !== null).map((u) => u.id));
  return {
    sensor,
    uses: rows.uses.length,
    found: found.size,
    right: rows.uses.filter((u) => u.in_the_end?.rank === 1).length,
    false: rows.raised.filter((r) => r.verdict === "false").length,
    lost: (whole?.uses ?? []).filter((u) => u.alert !== null && !found.has(u.id)).map((u) => u.id),
    limit:
      limits === null
        ? null
        : { found: limits.filter((l) => l.found).length, right: limits.filter((l) => l.found && l.rank === 1).length },
  };
}

/** Several runs of the same site together, sensor by sensor; every run must have tried the same sensors. */
export function addLosses(runs: readonly (readonly SensorLoss[])[]): SensorLoss[] {
  const [first, ...others] = runs;
  if (first === undefined) return [];
  return first.map((loss) => {
    const same = [loss, ...others.map((run) => run.find((l) => l.sensor === loss.sensor))];
    const all = same.filter((l) => l !== undefined);
    if (all.length !== runs.length) throw new Error(`sensor ${loss.sensor} was not tried in every run`);
    const sum = (of: (l: SensorLoss) => number) => all.reduce((total, l) => total + of(l), 0);
    const limits = all.map((l) => l.limit).filter((l) => l !== null);
    return {
      sensor: loss.sensor,
      uses: sum((l) => l.uses),
      found: sum((l) => l.found),
      right: sum((l) => l.right),
      false: sum((l) => l.false),
      lost: all.flatMap((l) => l.lost),
      limit:
        limits.length < all.length
          ? null
          : {
              found: limits.reduce((total, l) => total + l.found, 0),
              right: limits.reduce((total, l) => total + l.right, 0),
            },
    };
  });
}

/** Head and rows of the table, dearest loss first; the run with every sensor stands on top. */
export function lossTable(losses: readonly SensorLoss[]): { readonly head: string[]; readonly rows: string[][] } {
  const whole = losses.find((l) => l.sensor === null);
  if (whole === undefined) return { head: [], rows: [] };
  const withLimit = losses.every((l) => l.limit !== null);
  const percent = (n: number, of: number) => (of === 0 ? "-" : `${Math.round((100 * n) / of)} %`);
  const change = (now: number, before: number) =>
    whole.uses === 0 ? "-" : signed((100 * (now - before)) / whole.uses);
  const rest = losses
    .filter((l) => l.sensor !== null)
    .sort((a, b) => a.found - b.found || a.right - b.right || (a.sensor! < b.sensor! ? -1 : 1));
  const line = (l: SensorLoss): string[] => [
    l.sensor ?? "none",
    percent(l.found, l.uses),
    percent(l.right, l.uses),
    String(l.false),
    ...(l.sensor === null ? ["", ""] : [change(l.found, whole.found), change(l.right, whole.right)]),
    ...(withLimit
      ? l.sensor === null
        ? ["", ""]
        : [change(l.limit!.found, whole.limit!.found), change(l.limit!.right, whole.limit!.right)]
      : []),
  ];
  return {
    head: [
      ...["sensor lost", "found", "found in the right cell", "false alerts", "found, points", "right cell, points"],
      ...(withLimit ? ["limit found, points", "limit right cell, points"] : []),
    ],
    rows: [whole, ...rest].map(line),
  };
}

function signed(points: number): string {
  const text = points.toFixed(1);
  return Number(text) === 0 ? "0" : points > 0 ? `+${text}` : text;
}
