/** Opaque cursors: what a page ended with, as base64url JSON. A cursor is input: it is checked like any other. */
import { z } from "zod";
import { Problem } from "./problem.ts";

export function encodeCursor(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

export function decodeCursor<T>(schema: z.ZodType<T>, cursor: string): T {
  try {
    return schema.parse(JSON.parse(Buffer.from(cursor, "base64url").toString("utf8")));
  } catch {
    throw new Problem("request-invalid", "The cursor is not one this route gave out.");
  }
}

const keySchema = z.string().max(128);

/**
 * One page of items that are sorted by a unique text key. The cursor is the last key, so items that come or go between two
 * pages neither repeat nor hide others.
 */
export function pageByKey<T>(
  items: readonly T[],
  key: (item: T) => string,
  limit: number,
  cursor: string | undefined,
): { items: T[]; next: string | null } {
  const after = cursor === undefined ? null : decodeCursor(keySchema, cursor);
  const sorted = items
    .map((item) => ({ item, key: key(item) }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  const from = after === null ? 0 : sorted.findIndex((s) => s.key > after);
  if (from < 0) return { items: [], next: null };
  const page = sorted.slice(from, from + limit);
  const more = from + limit < sorted.length;
  return { items: page.map((s) => s.item), next: more ? encodeCursor(page.at(-1)!.key) : null };
}
