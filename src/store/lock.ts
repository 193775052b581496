/**
 * One process for each folder: a lock that the kernel holds for this process (a POSIX record lock, taken by SQLite), so that
 * it goes with the process however that ends, is never stale and needs no look at process numbers, which repeat.
 */
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import Database from "libsql";
import { AppError, unwritable } from "../errors.ts";

export interface FolderLock {
  release(): void;
}

/**
 * Takes the folder, which must exist. Throws `AppError` DATA_DIR_LOCKED when another process (or this one) has it,
 * FILE_UNWRITABLE when there can be no lock in it.
 */
export function lockFolder(dir: string): FolderLock {
  const file = join(dir, "lock");
  const release = take(file);
  if (!release) {
    throw new AppError("DATA_DIR_LOCKED", `another process uses ${dir}${ownerText(file)}: one service for each folder`);
  }
  try {
    // For people only: the lock itself needs no content.
    writeFileSync(`${file}.pid`, `${process.pid}\n`);
  } catch (cause) {
    release();
    throw unwritable(`${file}.pid`, cause);
  }
  let held = true;
  return {
    release() {
      if (held) release();
      held = false;
    },
  };
}

/** Whether some process holds the folder's lock now; for looking on from outside. */
export function isLocked(dir: string): boolean {
  const release = take(join(dir, "lock"));
  release?.();
  return release === null;
}

/** Takes the lock and gives what releases it; null when it is taken. */
function take(file: string): (() => void) | null {
  let db: Database.Database | null = null;
  try {
    db = new Database(file);
    db.exec("PRAGMA busy_timeout = 0");
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db?.close();
    const { code } = error as { code?: string };
    if (code === "SQLITE_BUSY") return null;
    if (code === "SQLITE_NOTADB")
      throw new AppError("FILE_UNWRITABLE", `${file} is no lock of cellward: delete it`, { cause: error });
    throw unlockable(file, error);
  }
  const taken = db;
  return () => {
    taken.exec("ROLLBACK");
    taken.close();
  };
}

/** Why there can be no lock: the library says only that it can't, the file system says more. */
function unlockable(file: string, error: unknown): AppError {
  try {
    accessSync(existsSync(file) ? file : dirname(file), constants.W_OK);
  } catch (cause) {
    return unwritable(file, cause);
  }
  return new AppError("FILE_UNWRITABLE", `${file}: no lock can be made there: ${(error as Error).message}`, {
    cause: error,
  });
}

function ownerText(file: string): string {
  try {
    return ` (process ${readFileSync(`${file}.pid`, "utf8").trim()})`;
  } catch {
    return "";
  }
}
