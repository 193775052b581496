import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** A folder of the recorded data, beside the repository or where CELLWARD_DATA says; null where it is not there. */
export function dataDir(name: string): string | null {
  const base = process.env.CELLWARD_DATA ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));
  const dir = join(base, name);
  return existsSync(dir) ? dir : null;
}
