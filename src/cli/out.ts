/** What verbs leave in places that the caller names. Errors: FILE_UNWRITABLE, with the reason in words. */
import { access, constants, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { AppError, unwritable } from "../errors.ts";
import { makeFolder } from "../store/files.ts";

/** Makes a folder for results, before the work: a place that can't be written should not show after an hour. */
export async function outFolder(dir: string): Promise<void> {
  try {
    await makeFolder(dir);
    await access(dir, constants.W_OK);
  } catch (cause) {
    throw unwritable(dir, cause);
  }
}

/**
 * Whether a result file can be written, as far as can be told without writing it, and is none of the files that are read: what is there
 * must not be lost before there is something better. Errors besides: USAGE.
 */
export async function outFile(path: string, inputs: readonly string[] = []): Promise<void> {
  const found = await stat(path).catch(() => null);
  for (const input of inputs) {
    const read = await stat(input).catch(() => null);
    if (found !== null && read?.ino === found.ino && read.dev === found.dev && found.isFile()) {
      throw new AppError("USAGE", `--out ${path} is the file that is read; it would be lost`);
    }
  }
  try {
    if (found?.isDirectory()) throw Object.assign(new Error("it is a folder"), { code: "EISDIR" });
    await access(found === null ? dirname(resolve(path)) : path, constants.W_OK);
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/** Writes files, by name, into a folder, and makes that where it is missing; names may have folders of their own. */
export async function writeOut(dir: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const path = join(dir, name);
    try {
      await makeFolder(dirname(path));
      await writeFile(path, text);
    } catch (cause) {
      throw unwritable(path, cause);
    }
  }
}
