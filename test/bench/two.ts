/**
 * `node bin/bench.js two [PAIRS] [SEED] [LAYOUT] [base|hard|walk|walkhard]`: two phones of one band that transmit in the same instants, in the
 * block of the localisation tables (`simulator/table-a.ts`), read second by second by the tracker as the service runs it. Powers and shadows are
 * drawn once a pair, fading each second; from the plan alone or, `walk` and `walkhard`, after a walk test of one noisy reading a cell with a
 * tenth of the cells skipped, a fresh one every twenty pairs. Prints after 1, 3, 10 and 30 s how often both cells lead a track, how often both do among the
 * confirmed, and how often more than two are confirmed; then the same phones one at a time, and the share of pairs in which each phone leads the
 * other by 3 dB at three sensors at least. Wilson's 95 % intervals. Cost: about a second a pair.
 */

import {
  BASE_BLOCK,
  buildBlock,
  CELLS,
  cellId,
  HARD_BLOCK,
  LAYOUTS,
  PER_CELL,
  World,
} from "../../simulator/table-a.ts";
import { atOnce } from "../../src/fuse/linalg.ts";
import { Locator } from "../../src/fuse/locate.ts";
import { TRACKER_DEFAULTS, Tracker } from "../../src/fuse/tracks.ts";
import type { ChannelEvidence, Track } from "../../src/model.ts";
import { inNoDoubt } from "../support/evidence.ts";
import { mulberry32 } from "../support/noise.ts";
import { percentOf } from "../support/percent.ts";
import { normals, walkBlock } from "./tablea.ts";

const KINDS = ["base", "hard", "walk", "walkhard"];
const [pairs = "100", seed = "1", wanted = "door", kind = "base"] = process.argv.slice(2);
const layout = LAYOUTS.find((l) => l === wanted);
if (layout === undefined) throw new Error(`layout is one of ${LAYOUTS.join(", ")}`);
if (!KINDS.includes(kind)) throw new Error(`${kind} is none of ${KINDS.join(", ")}`);
const BAND = "lte800-ul";
/** Every sensor of the tables hears everything. */
const FLOOR_DBM = -150;
const AFTER_S = [1, 3, 10, 30];
const LAST_S = 30;
const WINDOW_MS = 1000;
const LEAD_DB = 3;
const LEAD_SENSORS = 3;

/** Pairs of one walked block: a walk test costs about as much as so many pairs. */
const PAIRS_PER_WALK = 20;

const block = buildBlock(kind.endsWith("hard") ? HARD_BLOCK : BASE_BLOCK, layout);
const { params, sensors, positions, gain } = block;
const normal = normals(Number(seed));
const next = mulberry32(Number(seed) + 1);
const world = new World(block, normal);
interface Phone {
  readonly cell: string;
  /** Mean level at every sensor, dBm. */
  readonly levelDbm: Float64Array;
}

interface Pair {
  readonly phones: readonly Phone[];
  readonly locator: Locator;
}

const placeIn = (cell: number): number => cell * PER_CELL + Math.floor(next() * PER_CELL);

function phone(at: number, shadow: readonly number[]): Phone {
  const powerDbm = params.powerMeanDbm + params.powerSdDb * normal();
  const levelDbm = Float64Array.from(sensors, (_, s) => powerDbm + gain[at * sensors.length + s]! + shadow[s]!);
  return { cell: cellId(Math.floor(at / PER_CELL)), levelDbm };
}

/** Places of two phones in different cells. */
function twoPlaces(): number[] {
  const first = Math.floor(next() * CELLS);
  const second = (first + 1 + Math.floor(next() * (CELLS - 1))) % CELLS;
  return [placeIn(first), placeIn(second)];
}

/** Pairs of the plan alone, a fresh world each; or of blocks that were walked. */
function* drawn(count: number): Generator<Pair> {
  if (kind.startsWith("walk")) {
    for (let left = count; left > 0; left -= PAIRS_PER_WALK) {
      const at = Array.from({ length: Math.min(left, PAIRS_PER_WALK) }, twoPlaces).flat();
      const { calibration, shadows } = walkBlock(block, world, at, normal, next);
      const locator = new Locator(block.site, { block: "b1", calibration });
      const phones = at.map((place, i) => phone(place, shadows[i]!));
      for (let i = 0; i < phones.length; i += 2) yield { phones: phones.slice(i, i + 2), locator };
    }
    return;
  }
  const locator = new Locator(block.site, { block: "b1", calibration: null });
  for (let i = 0; i < count; i++) {
    const phones = twoPlaces().map((at) => phone(at, world.shadows([positions[at]!])[0]!));
    yield { phones, locator };
  }
}

function channels(phones: readonly Phone[], tMs: number): ChannelEvidence[] {
  const fadingDb = params.fadingDb / Math.sqrt(params.looks);
  return sensors.map((_, s) => {
    const mw = phones.reduce((sum, p) => sum + 10 ** ((p.levelDbm[s]! + fadingDb * normal()) / 10), 0);
    const levelDbm = 10 * Math.log10(mw);
    return inNoDoubt(`s${s}`, BAND, tMs, WINDOW_MS, levelDbm, FLOOR_DBM);
  });
}

/** Tracks heard in the last window, after each of `AFTER_S`. */
function follow(phones: readonly Phone[], locator: Locator): Track[][] {
  const tracker = new Tracker(locator, { ...TRACKER_DEFAULTS, block: "b1" });
  const live = new Map<string, Track>();
  const out: Track[][] = [];
  for (let t = 1; t <= LAST_S; t++) {
    const tMs = (t + 1) * WINDOW_MS;
    const bands = [{ band: BAND, channels: channels(phones, tMs), quietEventDriven: [] }];
    for (const { track } of atOnce(tracker.observe(tMs, WINDOW_MS, bands))) live.set(track.id, track);
    if (AFTER_S.includes(t)) out.push([...live.values()].filter((track) => track.active));
  }
  return out;
}

const named = (tracks: readonly Track[], phones: readonly Phone[]) =>
  phones.every((p) => tracks.some((t) => t.fix.candidates[0]?.cell === p.cell));
const leads = (a: Phone, b: Phone) => a.levelDbm.filter((l, s) => l - b.levelDbm[s]! >= LEAD_DB).length >= LEAD_SENSORS;

const both = AFTER_S.map(() => 0);
const confirmed = AFTER_S.map(() => 0);
const more = AFTER_S.map(() => 0);
const apart = AFTER_S.map(() => 0);
let leading = 0;
for (const { phones: pair, locator } of drawn(Number(pairs))) {
  if (leads(pair[0]!, pair[1]!) && leads(pair[1]!, pair[0]!)) leading++;
  follow(pair, locator).forEach((tracks, i) => {
    const sure = tracks.filter((t) => t.confirmed);
    if (named(tracks, pair)) both[i]!++;
    if (named(sure, pair)) confirmed[i]!++;
    if (sure.length > 2) more[i]!++;
  });
  const alone = pair.map((p) => follow([p], locator));
  AFTER_S.forEach((_, i) => {
    if (alone.every((tracks, j) => named(tracks[i]!, [pair[j]!]))) apart[i]!++;
  });
}
const percent = (hits: number) => percentOf(hits, Number(pairs));
process.stdout.write(
  `${layout}, ${kind}, ${pairs} pairs, each leads at ${LEAD_SENSORS} sensors: ${percent(leading)}\n` +
    "| after s | both cells right | both confirmed | more than two confirmed | one at a time, both right |\n|---:|---:|---:|---:|---:|\n",
);
AFTER_S.forEach((s, i) => {
  process.stdout.write(`| ${[s, ...[both, confirmed, more, apart].map((of) => percent(of[i]!))].join(" | ")} |\n`);
});
