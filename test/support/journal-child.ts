/**
 * A process that takes messages into a durable log and acknowledges them, to be killed, traced or given a failing disk.
 *
 * Arguments: folder, then switches. stdin: one JSON line a message, `{"id":…}`; stdout: `ack ID POSITION` once it is durable,
 * `ready N` after opening with N frames found. `--count N` sends itself N messages instead and ends. Switches that take a
 * guard out, for negative controls: `--no-sync`, `--ack-early`, `--no-dedup`, `--ignore-sync-errors`.
 */
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { wallClock } from "../../src/clock.ts";
import { diskFiles, type FileLayer, type LayerFile } from "../../src/store/files.ts";
import { Journal } from "../../src/store/journal.ts";

const [dir = "", ...switches] = process.argv.slice(2);
const has = (name: string) => switches.includes(name);
const count = has("--count") ? Number(switches[switches.indexOf("--count") + 1]) : 0;

/** The mistake of fsyncgate: a failed sync is taken for done. */
const deafFiles: FileLayer = {
  ...diskFiles,
  async open(path, mode): Promise<LayerFile> {
    const file = await diskFiles.open(path, mode);
    const sync = file.sync.bind(file);
    file.sync = () => sync().catch(() => {});
    return file;
  },
};

const journal = await Journal.open({
  dir,
  clock: wallClock,
  sync: !has("--no-sync"),
  files: has("--ignore-sync-errors") ? deafFiles : diskFiles,
  onFatal: (error) => {
    writeSync(2, `fatal ${error.message}\n`);
    process.exit(70);
  },
});

/** The highest identifier acknowledged by this process. */
let acknowledged = -1;
const seen = new Set<number>();
for await (const frame of journal.replay(0)) seen.add((JSON.parse(frame.payload.toString()) as { id: number }).id);
writeSync(1, `ready ${seen.size}\n`);

function take(line: string): void {
  const { id } = JSON.parse(line) as { id: number };
  const ack = (position: number) => {
    acknowledged = id;
    writeSync(1, `ack ${id} ${position}\n`);
  };
  if (seen.has(id) && !has("--no-dedup")) {
    ack(0);
    return;
  }
  seen.add(id);
  if (has("--ack-early")) {
    ack(0);
    journal.append(1, Buffer.from(line));
  } else {
    journal.append(1, Buffer.from(line), { onDurable: ack });
  }
}

if (count > 0) {
  const burst = 20;
  const pause = () => new Promise((resolve) => setTimeout(resolve, 3));
  for (let id = 0; id < count; id++) {
    take(JSON.stringify({ id }));
    if (id % burst !== burst - 1) continue;
    // Two bursts at most are under way: there is a sync for every two however slow the disk, and writes beside a running sync.
    do await pause();
    while (acknowledged < id - burst);
  }
  await journal.close();
} else {
  for await (const line of createInterface({ input: process.stdin })) take(line);
}
