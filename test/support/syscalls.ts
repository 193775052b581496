/** Reads an strace log and judges whether acknowledgements came after the sync of what they acknowledge. */

export interface SyncOrder {
  readonly acks: number;
  readonly syncs: number;
  /** Acknowledgements written before a sync that began after their bytes were written had returned well. */
  readonly early: number;
}

/**
 * `strace -f -e trace=pwrite64,fdatasync,write` of a process that writes its log with pwrite64 and acknowledges on stdout with
 * `ack ID POSITION`, the position being the offset behind the frame in its one log file.
 */
export function judgeSyncOrder(log: string): SyncOrder {
  let written = 0;
  let synced = 0;
  let acks = 0;
  let syncs = 0;
  let early = 0;
  /** What a call that has not returned yet will have done, by thread. */
  const open = new Map<string, { call: string; end: number }>();
  const done = (call: string, end: number, result: number) => {
    if (call === "pwrite64" && result > 0) written = Math.max(written, end);
    if (call === "fdatasync" && result === 0) {
      syncs++;
      synced = Math.max(synced, end);
    }
  };
  for (const line of log.split("\n")) {
    const match = /^(?:\[pid +)?(\d+)\]? +(.*)$/.exec(line);
    if (!match) continue;
    const [, thread, text] = match as unknown as [string, string, string];
    const ack = /^write\(1, "ack \d+ (\d+)\\n"/.exec(text);
    if (ack) {
      acks++;
      if (Number(ack[1]) > synced) early++;
      continue;
    }
    const begin = /^(pwrite64|fdatasync)\(/.exec(text);
    if (begin) {
      const call = begin[1]!;
      const place = /, (\d+), (\d+)(?:\)| <unfinished)/.exec(text);
      const end = call === "fdatasync" ? written : Number(place?.[1]) + Number(place?.[2]);
      const result = /\) += (-?\d+)/.exec(text);
      if (result) done(call, end, Number(result[1]));
      else open.set(thread, { call, end });
      continue;
    }
    const resumed = /^<\.\.\. (pwrite64|fdatasync) resumed>.*\) += (-?\d+)/.exec(text);
    const was = open.get(thread);
    if (resumed && was) {
      open.delete(thread);
      done(was.call, was.end, Number(resumed[2]));
    }
  }
  return { acks, syncs, early };
}
