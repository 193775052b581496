/**
 * Which instants of a sensor are new. (sensor, boot, seq) identifies an instant: the same key with the same content is a
 * duplicate, with other content a conflict; a jump leaves a gap, which late data closes.
 *
 * Memory per sensor is fixed: the received numbers of a boot are everything up to the highest but for a bounded list of
 * gaps, and contents are known by a 32-bit hash for the last `window` instants. Hashes are per instant, so the verdict does
 * not depend on how instants were cut into messages.
 */
import type { ReadingBatch, Reject, SensorId } from "../model.ts";
import { hashInstants } from "./instant-hash.ts";

export interface SequenceOptions {
  /** Instants whose content is remembered, per boot; a power of two. */
  readonly window: number;
  /** Gaps remembered, per boot; beyond, the oldest is given up. */
  readonly maxGaps: number;
  /**
   * Names what the hashes depend on besides the sensor, e.g. the site's bands: after a change the content of a message
   * that comes again may differ without anyone's fault, so hashes of another vocabulary are not restored.
   */
  readonly vocabulary: string;
}

const DEFAULTS: SequenceOptions = { window: 512, maxGaps: 64, vocabulary: "" };

/** What became of a batch. The counts are instants and add up to the batch's. */
export interface SequenceResult {
  /** The new instants, as the batch itself or as parts of it, in order. */
  readonly accepted: readonly ReadingBatch[];
  /** Behind the highest number known, as expected. */
  readonly fresh: number;
  /** Filled a gap. */
  readonly closed: number;
  /** Older than the gaps that are still remembered: may be new or not; taken, because storing twice is harmless. */
  readonly unverified: number;
  readonly duplicates: number;
  /** Same key, other content: not taken. */
  readonly conflicts: number;
  /** Of a boot before the last two: not taken. */
  readonly stale: number;
  /** Numbers jumped over by this batch. */
  readonly gapOpened: number;
  /** Why a part was not taken: `sequence-conflict` or `stale-boot`. */
  readonly reject: Reject | null;
}

/** The state of one sensor's newest boot, for the ledger: received = sent - gaps - lost. */
export interface SequenceStats {
  readonly sensor: SensorId;
  readonly boot: number;
  /** Numbers given out by the sensor in this boot as far as is known: the highest seen plus one. */
  readonly sent: number;
  readonly received: number;
  /** Open gaps as [from, to), and what they add up to. */
  readonly gaps: readonly (readonly [number, number])[];
  readonly gapInstants: number;
  /** Part of the gaps before the first number ever seen of this boot: sent before this service listened. */
  readonly beforeFirst: number;
  /** Instants in gaps that were given up, of this and earlier boots. */
  readonly lost: number;
  /** Boots seen. */
  readonly boots: number;
  /** Up to here (inclusive) nothing is missing since the first number seen; -1 when nothing was received. */
  readonly unbrokenUpto: number;
}

interface Boot {
  readonly boot: number;
  first: number;
  high: number;
  /** Flat pairs from, to (exclusive), ascending. */
  gaps: number[];
  /** Below this number gaps were given up, so that what is missing is not known any more. */
  forgottenBelow: number;
  /** Below this number no content is known, because the books were restored without it. */
  hashFloor: number;
  /** Content of instant `seq` at `seq % window`, valid for the last `window` numbers that are in no gap. */
  readonly hashes: Uint32Array;
}

interface Sensor {
  current: Boot;
  previous: Boot | null;
  lost: number;
  boots: number;
}

export interface SequenceSnapshot {
  readonly vocabulary: string;
  readonly window: number;
  readonly sensors: readonly {
    readonly sensor: SensorId;
    readonly lost: number;
    readonly boots: number;
    readonly current: BootSnapshot;
    readonly previous: BootSnapshot | null;
  }[];
}

interface BootSnapshot {
  readonly boot: number;
  readonly first: number;
  readonly high: number;
  readonly gaps: readonly number[];
  readonly forgottenBelow: number;
  readonly hashFloor: number;
  readonly hashes: Uint32Array;
}

/** Keeps the books of every sensor of a site. */
export class SequenceBook {
  readonly #options: SequenceOptions;
  readonly #sensors = new Map<SensorId, Sensor>();
  #scratch = new Uint32Array(64);

  constructor(options: Partial<SequenceOptions> = {}) {
    this.#options = { ...DEFAULTS, ...options };
    const { window } = this.#options;
    if (window < 1 || (window & (window - 1)) !== 0) throw new Error("SequenceBook: window must be a power of two");
  }

  /** Enters a batch into the books. Cost: one hash per instant; a batch that continues where the last ended is not cut. */
  accept(batch: ReadingBatch): SequenceResult {
    const entry = this.#entryOf(batch);
    const boot = entry.current.boot === batch.boot ? entry.current : entry.previous;
    if (boot === null || boot.boot !== batch.boot) return staleResult(batch, entry.current.boot);
    if (this.#scratch.length < batch.count) this.#scratch = new Uint32Array(batch.count * 2);
    const hashes = this.#scratch;
    hashInstants(batch, hashes);
    if (batch.seq === boot.high + 1) {
      this.#append(boot, batch, hashes, 0);
      return { ...NOTHING, accepted: [batch], fresh: batch.count };
    }
    return this.#acceptOutOfOrder(entry, boot, batch, hashes);
  }

  #entryOf(batch: ReadingBatch): Sensor {
    let entry = this.#sensors.get(batch.sensor);
    if (entry === undefined) {
      entry = { current: this.#newBoot(batch.boot), previous: null, lost: 0, boots: 1 };
      this.#sensors.set(batch.sensor, entry);
    } else if (batch.boot > entry.current.boot) {
      if (entry.previous !== null) entry.lost += missing(entry.previous);
      entry.previous = entry.current;
      entry.current = this.#newBoot(batch.boot);
      entry.boots++;
    }
    return entry;
  }

  #newBoot(boot: number): Boot {
    const hashes = new Uint32Array(this.#options.window);
    return { boot, first: -1, high: -1, gaps: [], forgottenBelow: 0, hashFloor: 0, hashes };
  }

  #append(boot: Boot, batch: ReadingBatch, hashes: Uint32Array, fromColumn: number): void {
    const mask = this.#options.window - 1;
    for (let j = fromColumn; j < batch.count; j++) boot.hashes[(batch.seq + j) % (mask + 1)] = hashes[j]!;
    if (boot.first < 0) boot.first = batch.seq + fromColumn;
    boot.high = batch.seq + batch.count - 1;
  }

  #acceptOutOfOrder(entry: Sensor, boot: Boot, batch: ReadingBatch, hashes: Uint32Array): SequenceResult {
    const counts = { fresh: 0, closed: 0, unverified: 0, duplicates: 0, conflicts: 0 };
    const end = batch.seq + batch.count;
    const oldUntil = Math.min(end, boot.high + 1);
    const runs: number[] = []; // columns taken: flat pairs from, to
    let conflictAt = -1;
    for (let seq = batch.seq; seq < oldUntil; seq++) {
      const column = seq - batch.seq;
      const verdict = this.#verdict(boot, seq, hashes[column]!);
      counts[verdict]++;
      if (verdict === "conflicts" && conflictAt < 0) conflictAt = seq;
      if (verdict === "closed" || verdict === "unverified") extend(runs, column);
    }
    // Gaps are cut only now, so that the loop above looked at a list that stood still.
    for (let i = 0; i < runs.length; i += 2) {
      this.#fill(entry, boot, batch.seq + runs[i]!, batch.seq + runs[i + 1]!, hashes, batch.seq);
    }
    let gapOpened = 0;
    if (end > oldUntil) {
      const from = Math.max(batch.seq, boot.high + 1);
      if (from > boot.high + 1) {
        gapOpened = from - boot.high - 1;
        boot.gaps.push(boot.high + 1, from);
        this.#boundGaps(entry, boot);
      }
      counts.fresh = end - from;
      for (let seq = from; seq < end; seq++) extend(runs, seq - batch.seq);
      this.#append(boot, batch, hashes, from - batch.seq);
    }
    const reject: Reject | null =
      conflictAt < 0
        ? null
        : {
            ok: false,
            code: "sequence-conflict",
            detail: `instant ${conflictAt} of boot ${batch.boot} of '${batch.sensor}' came before with other content; a key is used once`,
          };
    return { ...counts, accepted: cut(batch, runs), stale: 0, gapOpened, reject };
  }

  #verdict(boot: Boot, seq: number, hash: number): "closed" | "unverified" | "duplicates" | "conflicts" {
    if (gapAt(boot.gaps, seq) >= 0) return "closed";
    if (seq < boot.forgottenBelow) return "unverified";
    const { window } = this.#options;
    // Its content is forgotten; its number isn't.
    if (seq <= boot.high - window || seq < boot.hashFloor) return "duplicates";
    return boot.hashes[seq % window] === hash ? "duplicates" : "conflicts";
  }

  /** Takes the numbers `from` to `to` (exclusive) out of the gaps. */
  #fill(entry: Sensor, boot: Boot, from: number, to: number, hashes: Uint32Array, batchSeq: number): void {
    const { window } = this.#options;
    for (let seq = Math.max(from, boot.high - window + 1); seq < to; seq++)
      boot.hashes[seq % window] = hashes[seq - batchSeq]!;
    const next: number[] = [];
    for (let i = 0; i < boot.gaps.length; i += 2) {
      const [a, b] = [boot.gaps[i]!, boot.gaps[i + 1]!];
      if (b <= from || a >= to) next.push(a, b);
      else {
        if (a < from) next.push(a, from);
        if (b > to) next.push(to, b);
      }
    }
    boot.gaps = next;
    this.#boundGaps(entry, boot);
  }

  #boundGaps(entry: Sensor, boot: Boot): void {
    while (boot.gaps.length > 2 * this.#options.maxGaps) {
      const [a, b] = [boot.gaps.shift()!, boot.gaps.shift()!];
      entry.lost += lostIn(a, b, boot.first);
      boot.forgottenBelow = b;
    }
  }

  /** The books of one sensor; null when it never sent a reading. */
  stats(sensor: SensorId): SequenceStats | null {
    const entry = this.#sensors.get(sensor);
    if (entry === undefined) return null;
    const { current } = entry;
    const gaps: [number, number][] = [];
    for (let i = 0; i < current.gaps.length; i += 2) gaps.push([current.gaps[i]!, current.gaps[i + 1]!]);
    const gapInstants = gaps.reduce((sum, [a, b]) => sum + b - a, 0);
    const behindFirst = gaps.find(([a]) => a > current.first);
    return {
      sensor,
      boot: current.boot,
      sent: current.high + 1,
      received: current.high + 1 - gapInstants,
      gaps,
      gapInstants,
      beforeFirst: gaps.reduce((sum, [a, b]) => sum + Math.max(0, Math.min(b, current.first) - a), 0),
      lost: entry.lost,
      boots: entry.boots,
      unbrokenUpto: behindFirst === undefined ? current.high : behindFirst[0] - 1,
    };
  }

  sensors(): IterableIterator<SensorId> {
    return this.#sensors.keys();
  }

  /** Survives structured cloning. */
  snapshot(): SequenceSnapshot {
    return {
      vocabulary: this.#options.vocabulary,
      window: this.#options.window,
      sensors: [...this.#sensors].map(([sensor, { lost, boots, current, previous }]) => ({
        sensor,
        lost,
        boots,
        current: bootSnapshot(current),
        previous: previous === null ? null : bootSnapshot(previous),
      })),
    };
  }

  /**
   * Takes up where a snapshot left off. Hashes of another vocabulary or window are not taken over: then everything received
   * before counts as received, but a conflict with it is not noticed.
   */
  restore(snapshot: SequenceSnapshot): void {
    const { window, vocabulary } = this.#options;
    const same = snapshot.window === window && snapshot.vocabulary === vocabulary;
    const bootOf = (from: BootSnapshot): Boot => {
      const boot = { ...this.#newBoot(from.boot), first: from.first, high: from.high, gaps: [...from.gaps] };
      boot.forgottenBelow = from.forgottenBelow;
      boot.hashFloor = from.hashFloor;
      if (same) boot.hashes.set(from.hashes);
      else boot.hashFloor = from.high + 1;
      return boot;
    };
    this.#sensors.clear();
    for (const { sensor, lost, boots, current, previous } of snapshot.sensors) {
      const entry = { lost, boots, current: bootOf(current), previous: previous === null ? null : bootOf(previous) };
      this.#sensors.set(sensor, entry);
    }
  }
}

const NOTHING: SequenceResult = {
  accepted: [],
  fresh: 0,
  closed: 0,
  unverified: 0,
  duplicates: 0,
  conflicts: 0,
  stale: 0,
  gapOpened: 0,
  reject: null,
};

function staleResult(batch: ReadingBatch, newest: number): SequenceResult {
  const detail = `readings of boot ${batch.boot} of '${batch.sensor}', but boot ${newest} is known; boots only grow`;
  return { ...NOTHING, stale: batch.count, reject: { ok: false, code: "stale-boot", detail } };
}

function bootSnapshot(boot: Boot): BootSnapshot {
  return { ...boot, gaps: [...boot.gaps], hashes: boot.hashes.slice() };
}

/** Instants of a gap that this service should have had: those after the first it ever saw of the boot. */
function lostIn(from: number, to: number, first: number): number {
  return Math.max(0, to - Math.max(from, first));
}

function missing(boot: Boot): number {
  let sum = 0;
  for (let i = 0; i < boot.gaps.length; i += 2) sum += lostIn(boot.gaps[i]!, boot.gaps[i + 1]!, boot.first);
  return sum;
}

/** Index of the gap that holds `seq`, or -1. At most `maxGaps` steps. */
function gapAt(gaps: readonly number[], seq: number): number {
  for (let i = gaps.length - 2; i >= 0; i -= 2) {
    if (seq >= gaps[i + 1]!) return -1;
    if (seq >= gaps[i]!) return i;
  }
  return -1;
}

/** Adds a column to the last run, or begins a new one. */
function extend(runs: number[], column: number): void {
  if (runs.length > 0 && runs.at(-1) === column) runs[runs.length - 1] = column + 1;
  else runs.push(column, column + 1);
}

function cut(batch: ReadingBatch, runs: readonly number[]): ReadingBatch[] {
  if (runs.length === 2 && runs[0] === 0 && runs[1] === batch.count) return [batch];
  const parts: ReadingBatch[] = [];
  for (let i = 0; i < runs.length; i += 2) parts.push(sliceBatch(batch, runs[i]!, runs[i + 1]!));
  return parts;
}

/** The instants `from` to `to` (exclusive) of a batch, as a batch. */
export function sliceBatch(batch: ReadingBatch, from: number, to: number): ReadingBatch {
  const count = to - from;
  const pick = (data: Float32Array | null): Float32Array | null => {
    if (data === null) return null;
    const out = new Float32Array(batch.bands.length * count);
    for (let i = 0; i < batch.bands.length; i++) {
      out.set(data.subarray(i * batch.count + from, i * batch.count + to), i * count);
    }
    return out;
  };
  return {
    ...batch,
    seq: batch.seq + from,
    tsMs: batch.tsMs + from * batch.dtMs,
    dtMs: count === 1 ? 0 : batch.dtMs,
    count,
    rmsDbm: pick(batch.rmsDbm),
    peakDbm: pick(batch.peakDbm),
    duty: pick(batch.duty),
    noiseDbm: pick(batch.noiseDbm),
    looks: pick(batch.looks),
  };
}
