import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { diskFiles, type FileLayer } from "../../src/store/files.ts";
import { MemoryDisk } from "../support/memory-disk.ts";
import { losePower, recordDisk } from "../support/recorded-disk.ts";

type Step =
  | { op: "create" | "remove" | "sync"; name: string }
  | { op: "write"; name: string; at: number; bytes: number[] }
  | { op: "truncate"; name: string; at: number }
  | { op: "rename"; name: string; to: string }
  | { op: "syncDir" };

const name = fc.constantFrom("a", "b", "c");
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ op: fc.constant("create" as const), name }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("remove" as const), name }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant("sync" as const), name }) },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant("write" as const),
      name,
      at: fc.nat(12),
      bytes: fc.array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("truncate" as const), name, at: fc.nat(12) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("rename" as const), name, to: name }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("syncDir" as const) }) },
);

async function apply(files: FileLayer, dir: string, s: Step): Promise<void> {
  if (s.op === "syncDir") return await files.syncDir(dir);
  const path = `${dir}/${s.name}`;
  const there = await files.exists(path);
  if (s.op === "create") {
    if (!there) await (await files.open(path, "create")).close();
    return;
  }
  if (!there) return;
  if (s.op === "remove") return await files.remove(path);
  if (s.op === "rename") return s.to === s.name ? undefined : await files.rename(path, `${dir}/${s.to}`);
  const file = await files.open(path, "write");
  // Appends and overwrites, no holes.
  const size = await file.size();
  if (s.op === "write") await file.write(Uint8Array.from(s.bytes), Math.min(s.at, size));
  else if (s.op === "truncate") await file.truncate(Math.min(s.at, size));
  else await file.sync();
  await file.close();
}

it("recorded disk: power lost after any operations: the files are what the disk in memory says they are", async () => {
  const root = mkdtempSync(join(tmpdir(), "cellward-recorded-"));
  let run = 0;
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const dir = join(root, `r${run++}`);
        mkdirSync(dir);
        const logPath = join(root, `log${run}`);
        const real = { ...diskFiles };
        recordDisk(real, logPath, "real");
        const memory = new MemoryDisk();
        await memory.mkdir();
        for (const s of steps) {
          await apply(real, dir, s);
          await apply(memory, "/d", s);
        }
        losePower(logPath, 0, false);
        const after = memory.powerLoss();
        const want = Object.fromEntries(after.paths().map((p) => [p.slice(3), after.content(p).toString("hex")]));
        const have = Object.fromEntries(readdirSync(dir).map((f) => [f, readFileSync(join(dir, f)).toString("hex")]));
        expect(have).toEqual(want);
        expect(existsSync(logPath)).toBe(false);
      }),
      { numRuns: 60 },
    );
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
