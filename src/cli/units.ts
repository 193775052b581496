/** Values that several verbs take on the command line. Each throws USAGE with what was given and what would be right. */
import { InvalidArgumentError } from "commander";

const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `90`, `90s`, `1500ms`, `10m`, `24h`, `7d`; a bare number is seconds. */
export function parseDuration(text: string): number {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text.trim());
  if (!found || !Number.isFinite(Number(found[1])))
    throw new InvalidArgumentError("A duration is a number with ms, s, m, h or d, such as 90s or 24h.");
  return Number(found[1]) * UNIT_MS[found[2] ?? "s"]!;
}

/** A point of a trace's time: epoch milliseconds, ISO 8601, or `+90s` after the trace's begin. */
export type TracePoint = { readonly atMs: number } | { readonly afterMs: number };

export function parseTracePoint(text: string): TracePoint {
  if (text.startsWith("+")) return { afterMs: parseDuration(text.slice(1)) };
  if (/^\d{9,15}$/.test(text)) return { atMs: Number(text) };
  const atMs = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(atMs)) {
    throw new InvalidArgumentError("A time is epoch milliseconds, ISO 8601, or +90s after the trace's begin.");
  }
  return { atMs };
}

export function resolvePoint(point: TracePoint, startMs: number): number {
  return "atMs" in point ? point.atMs : startMs + point.afterMs;
}

/** `1`, `60`, `0.5`, `max`. */
export function parseSpeed(text: string): number {
  if (text === "max") return Number.POSITIVE_INFINITY;
  const speed = Number(text.replace(/x$/, ""));
  if (!(speed > 0) || !Number.isFinite(speed)) throw new InvalidArgumentError("A speed is a number above 0, or max.");
  return speed;
}

export function parseProbability(text: string): number {
  const p = Number(text);
  if (!(p >= 0 && p <= 1)) throw new InvalidArgumentError("A probability lies between 0 and 1.");
  return p;
}

/** A whole number of at least `least`. */
export function parseCount(least: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (!Number.isSafeInteger(n) || n < least) throw new InvalidArgumentError(`A whole number of at least ${least}.`);
    return n;
  };
}

/** A port to listen on; 0: any free one. */
export function parsePort(text: string): number {
  const n = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(n) || n < 0 || n > 65_535) {
    throw new InvalidArgumentError("A port is a whole number from 0 to 65535.");
  }
  return n;
}

/** For options that may be given several times. */
export function collect(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), ...text.split(",").filter((part) => part !== "")];
}

/** `1h02m03s`, `4.2 s`. */
export function showDuration(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const s = Math.round(ms / 1000);
  const parts = [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60];
  if (parts[0]! > 0) return `${parts[0]}h${pad(parts[1]!)}m${pad(parts[2]!)}s`;
  return parts[1]! > 0 ? `${parts[1]}m${pad(parts[2]!)}s` : `${s} s`;
}

function pad(n: number): string {
  return String(n).padStart(2, "0");
}

/** `2026-11-22 13:25:02` (UTC). */
export function showTime(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString().slice(0, 19).replace("T", " ") : "-";
}
