/**
 * Files that people write (YAML or JSON): read them, check them against a schema and report every problem at once, each
 * with its path, its line and what would be right.
 */
import { LineCounter, parseDocument } from "yaml";
import { z } from "zod";

export interface Problem {
  /** Where, as `zones[3].polygon`; empty for the file as a whole. */
  readonly path: string;
  /** 1-based line in the file, where it is known. */
  readonly line: number | null;
  /** What is wrong and what would be right. */
  readonly message: string;
}

export type Path = readonly (string | number)[];

export interface Document {
  readonly value: unknown;
  /** Line of the nearest node that exists on the path; null for an empty file. */
  lineOf(path: Path): number | null;
}

/** A file of this size is no site or configuration; reading on would only cost memory. */
export const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

/** Parses YAML or JSON. Never throws: a text that is neither gives its syntax errors as problems. */
export function readDocument(text: string): { ok: true; document: Document } | { ok: false; problems: Problem[] } {
  if (Buffer.byteLength(text) > MAX_DOCUMENT_BYTES) {
    return { ok: false, problems: [{ path: "", line: null, message: "larger than 16 MiB; is this the right file?" }] };
  }
  const source = text.startsWith("\uFEFF") ? text.slice(1) : text;
  // JSON first: the YAML parser reads it as well, but twenty times slower.
  if (/^\s*[{[]/.test(source)) {
    try {
      return { ok: true, document: { value: JSON.parse(source), lineOf: (path) => jsonLine(source, path) } };
    } catch {}
  }
  const parsed = yamlDocument(source);
  if (parsed.problems.length > 0) return { ok: false, problems: parsed.problems };
  return { ok: true, document: parsed };
}

/** Line of the nearest node that exists on the path in a text that is valid JSON. Cost: one pass to the node. */
function jsonLine(source: string, path: Path): number {
  let at = afterSpace(source, 0);
  for (const step of path) {
    const inside =
      source[at] === "{" ? jsonMember(source, at, step) : source[at] === "[" ? jsonItem(source, at, step) : -1;
    if (inside < 0) break;
    at = inside;
  }
  let line = 1;
  for (let next = source.indexOf("\n"); next >= 0 && next < at; next = source.indexOf("\n", next + 1)) line++;
  return line;
}

/** Where the value of a key begins in the object at `at`, the last one where it is there twice; -1: nowhere. */
function jsonMember(source: string, at: number, key: string | number): number {
  let found = -1;
  for (let from = afterSpace(source, at + 1); source[from] === '"'; ) {
    const end = afterJson(source, from);
    const value = afterSpace(source, afterSpace(source, end) + 1);
    if (JSON.parse(source.slice(from, end)) === String(key)) found = value;
    from = afterSpace(source, afterJson(source, value));
    if (source[from] === ",") from = afterSpace(source, from + 1);
  }
  return found;
}

/** Where the n-th item of the list at `at` begins; -1: it has none. */
function jsonItem(source: string, at: number, n: string | number): number {
  let from = afterSpace(source, at + 1);
  for (let i = 0; source[from] !== "]"; i++) {
    if (i === n) return from;
    from = afterSpace(source, afterJson(source, from));
    if (source[from] === ",") from = afterSpace(source, from + 1);
  }
  return -1;
}

const SPACE = /[^ \t\r\n]/g;
const BRACKET_OR_STRING = /[[\]{}"]/g;
const SCALAR_END = /[,\]}\s]|$/g;

function afterSpace(source: string, at: number): number {
  SPACE.lastIndex = at;
  return SPACE.exec(source)?.index ?? source.length;
}

function afterString(source: string, at: number): number {
  for (let quote = source.indexOf('"', at + 1); quote >= 0; quote = source.indexOf('"', quote + 1)) {
    let before = quote;
    while (source[before - 1] === "\\") before--;
    if ((quote - before) % 2 === 0) return quote + 1;
  }
  return source.length;
}

/** Just behind the JSON value that begins at `at`. */
function afterJson(source: string, at: number): number {
  if (source[at] === '"') return afterString(source, at);
  if (source[at] !== "{" && source[at] !== "[") {
    SCALAR_END.lastIndex = at;
    return SCALAR_END.exec(source)?.index ?? source.length;
  }
  let depth = 0;
  for (let from = at; ; ) {
    BRACKET_OR_STRING.lastIndex = from;
    const next = BRACKET_OR_STRING.exec(source)?.index;
    if (next === undefined) return source.length;
    const c = source[next];
    from = c === '"' ? afterString(source, next) : next + 1;
    if (c === "{" || c === "[") depth++;
    if ((c === "}" || c === "]") && --depth === 0) return from;
  }
}

function yamlDocument(source: string): Document & { problems: Problem[] } {
  const lines = new LineCounter();
  const doc = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const problems: Problem[] = doc.errors.map((error) => ({
    path: "",
    line: lines.linePos(error.pos[0]).line,
    message: `not valid YAML or JSON: ${error.message}`,
  }));
  let value: unknown;
  if (problems.length === 0) {
    try {
      value = doc.toJS({ maxAliasCount: 100 });
      JSON.stringify(value); // an alias to what surrounds it makes a circle, which nothing below expects
    } catch (error) {
      problems.push({ path: "", line: null, message: `can't be read: ${(error as Error).message}` });
    }
  }
  const lineOf = (path: Path): number | null => {
    for (let depth = path.length; depth >= 0; depth--) {
      const node = doc.getIn(path.slice(0, depth), true) as { range?: [number, number, number] | null } | undefined;
      if (node?.range) return lines.linePos(node.range[0]).line;
    }
    return null;
  };
  return { value, lineOf, problems };
}

/** `["zones", 3, "polygon"]` as `zones[3].polygon`. */
export function pathText(path: Path): string {
  let text = "";
  for (const step of path) text += typeof step === "number" ? `[${step}]` : text === "" ? step : `.${step}`;
  return text;
}

/** One line of a report: `zones[3].polygon (line 12): message`. */
export function problemText(problem: Problem): string {
  const where = problem.path === "" ? "" : problem.path;
  const line = problem.line === null ? "" : `${where === "" ? "" : " "}(line ${problem.line})`;
  const place = `${where}${line}`;
  return place === "" ? problem.message : `${place}: ${problem.message}`;
}

/** What a schema has against a value, as problems in order of path. */
export function shapeProblems(schema: z.ZodType, value: unknown): { path: Path; message: string }[] {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return [];
  return result.error.issues.flatMap((issue) => issueProblems(issue as z.core.$ZodIssue, []));
}

function issueProblems(issue: z.core.$ZodIssue, prefix: Path): { path: Path; message: string }[] {
  const path = [...prefix, ...issue.path.map((step) => (typeof step === "symbol" ? String(step) : step))];
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    // The alternative that got furthest (its first problem is deepest) is the one that was meant.
    const deepest = [...issue.errors].sort((a, b) => depthOf(b) - depthOf(a))[0]!;
    if (depthOf(deepest) > 0) return deepest.flatMap((inner) => issueProblems(inner, path));
    return [{ path, message: issue.message === "Invalid input" ? oneOf(issue.errors) : issue.message }];
  }
  if (issue.code === "invalid_type" && issue.input === undefined) {
    return [{ path, message: `is missing; expected ${issue.expected}` }];
  }
  if (issue.code === "invalid_value") {
    const near = typeof issue.input === "string" ? nearest(issue.input, issue.values.map(String)) : null;
    const got = issue.input === undefined ? "is missing" : `${show(issue.input)} is not known`;
    const list = issue.values.map(String).join(", ");
    return [{ path, message: `${got}; expected one of ${list}${near === null ? "" : `; did you mean '${near}'?`}` }];
  }
  const message = issue.message.replace(/^Invalid input: /, "");
  return [{ path, message: `${message}${issue.input === undefined ? "" : ` (is ${show(issue.input)})`}` }];
}

function depthOf(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length));
}

function oneOf(alternatives: readonly (readonly z.core.$ZodIssue[])[]): string {
  const texts = alternatives.map((issues) => issues.map((i) => i.message.replace(/^Invalid input: /, "")).join(", "));
  return [...new Set(texts)].join("; or ");
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** Keys that the schema does not know, anywhere in the value, with the known key that was probably meant. */
export function unknownKeys(schema: z.ZodType, value: unknown, path: Path = []): { path: Path; message: string }[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodArray && Array.isArray(value)) {
    return value.flatMap((item, i) => unknownKeys(inner.element as z.ZodType, item, [...path, i]));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  if (inner instanceof z.ZodUnion) {
    const objects = inner.options.filter((option) => unwrap(option as z.ZodType) instanceof z.ZodObject);
    return objects.length === 1 ? unknownKeys(objects[0] as z.ZodType, value, path) : [];
  }
  if (!(inner instanceof z.ZodObject)) return [];
  const shape = inner.shape as Record<string, z.ZodType>;
  const known = Object.keys(shape);
  return Object.entries(value).flatMap(([key, child]) => {
    if (Object.hasOwn(shape, key)) return unknownKeys(shape[key]!, child, [...path, key]);
    const near = nearest(key, known);
    const hint = near === null ? `known here: ${known.join(", ")}` : `did you mean '${near}'?`;
    return [{ path: [...path, key], message: `unknown key; ${hint}` }];
  });
}

function unwrap(schema: z.ZodType): z.ZodType {
  let inner: z.ZodType = schema;
  for (;;) {
    if (inner instanceof z.ZodOptional || inner instanceof z.ZodNullable || inner instanceof z.ZodDefault) {
      inner = inner.unwrap() as z.ZodType;
    } else if (inner instanceof z.ZodPrefault) inner = inner.unwrap() as z.ZodType;
    else if (inner instanceof z.ZodPipe) inner = inner.in as z.ZodType;
    else return inner;
  }
}

/** The candidate that was probably meant: a slip of a third of its letters at the most, or its abbreviation; else null. */
export function nearest(text: string, candidates: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const distance = editDistance(text.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  if (bestDistance < text.length && bestDistance <= Math.max(1, Math.floor(text.length / 3))) return best;
  // An abbreviation, if it is of one candidate only: `gsm900` for `gsm900-ul`.
  const longer = text.length < 3 ? [] : candidates.filter((candidate) => candidate.startsWith(text.toLowerCase()));
  return longer.length === 1 ? longer[0]! : null;
}

/** Slips of one letter, two swapped letters counting as one (optimal string alignment); texts up to 64 letters. */
function editDistance(a: string, b: string): number {
  if (a.length > 64 || b.length > 64) return Number.POSITIVE_INFINITY;
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2]! + 1);
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}
