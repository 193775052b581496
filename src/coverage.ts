import { isAlerted, POLICY_DEFAULTS, Policy } from "./alert/policy.ts";
import { Alone } from "./fuse/alone.ts";
import type { Chance } from "./fuse/imagined.ts";
import { BLIND_HEARING, type Locator, type SensorLevel } from "./fuse/locate.ts";
import { MEETS } from "./fuse/mixture.ts";
import { byExcess, FADING_DB, type Heard, type Sighting } from "./fuse/sighting.ts";
import type { Band, BandId, BlockId, Fix, SensorSite, Site, Zone, ZoneId } from "./model.ts";
import { PIPELINE_DEFAULTS, placesOf } from "./pipeline.ts";

/**
 * What the sensors of a plan could tell of a phone, before they hang: phones are imagined at places of every cell, at levels drawn from
 * the localiser's own model, and judged by the service's own fingerprint, localiser and policy. A forecast of that model, no
 * measurement: it is as right as the plan is. Left out are other phones, noise taken for a phone, and the detector, which is taken to notice what is
 * louder than a receiver's floor. docs/localisation.md has how it compares with what was found.
 */

/** Windows of a use: a short call. The policy waits 8 s at the most. */
const USE_WINDOWS = 16;
/** Cells looked at again because they seemed weakest, and phones in each: enough to tell a half from a tenth. */
const WEAKEST = 4;
const PHONES_THERE = 12;
/** Where fewer than this share of all are told, no cell is weaker than the block; and one that lacks less than a quarter of its share is none to mend. */
const LEAST_SHARE = 0.2;
const WEAK = 0.75;

/** One imagined phone in use. */
export interface Rehearsed {
  readonly zone: ZoneId;
  readonly band: BandId;
  /** Louder than is expected of phones, or fainter. */
  readonly loud: boolean;
  /** Sensors that heard it in any window. */
  readonly sensors: number;
  /** Whether an alert would have told it. */
  readonly told: boolean;
  /** Of the cell among the cells and yards, likeliest first, at the end; 0: not listed. */
  readonly rank: number;
  readonly seemed: Whereabouts;
}

/** Probabilities of where a phone is: cells and yards, corridors, rooms where phones are allowed, outside. */
export interface Whereabouts {
  readonly held: number;
  readonly corridor: number;
  readonly rooms: number;
  readonly outside: number;
}

/** Phones of one kind, and how many of them an alert would tell. */
export interface Share {
  readonly told: number;
  readonly of: number;
}

export interface Coverage {
  readonly block: BlockId;
  /** Sensors that count for the block: its own and those at its borders. */
  readonly sensors: number;
  /** Zones where phones are alerted, and those in which one was imagined. */
  readonly zones: number;
  readonly rehearsed: number;
  readonly all: Share;
  readonly loud: Share;
  readonly faint: Share;
  readonly unheard: number;
  /** Of those told: the right cell first, and among three. */
  readonly first: number;
  readonly amongThree: number;
  /** Where the phones seemed to be that were heard and not told, on the average. */
  readonly seemed: Whereabouts;
  /** Every zone in which phones were imagined, few in each, in the order of the plan. */
  readonly byZone: readonly ({ readonly zone: ZoneId } & Share)[];
  /** Zones that are clearly worse than the block as a whole, the worst first. */
  readonly weakest: readonly ({ readonly zone: ZoneId } & Share)[];
  /** Bands by the sensors that measure them, where not all do so alike. */
  readonly bands: readonly ({ readonly bands: readonly BandId[]; readonly sensors: number } & Share)[];
}

/** Bands that the same sensors measure. */
interface BandGroup {
  readonly bands: readonly Band[];
  readonly sensors: readonly number[];
}

/**
 * The coverage of one block by so many phones, and some more in the cells that seem weakest. Null for a block without zones where phones
 * are alerted. Cost: that of building the localiser for each of a few bands, then some ten judgements of a place a phone.
 */
export function coverageOf(site: Site, block: BlockId, phones: number, chance: Chance): Coverage | null {
  const plan = new PlannedBlock(site, block);
  const { zones, groups } = plan;
  if (zones.length === 0) return null;
  const order = shuffled(zones.length, chance);
  // Round after round of all zones, the loud and the faint ones in turn, and the other way round in the next round.
  const uses = Array.from({ length: groups.length === 0 ? 0 : phones }, (_, k) =>
    plan.use(order[k % order.length]!, ((k % order.length) + Math.floor(k / order.length)) % 2 === 0, chance),
  );
  const told = uses.filter((u) => u.told);
  const all = shareOf(uses);
  return {
    block,
    sensors: plan.sensors.length,
    zones: zones.length,
    rehearsed: Math.min(zones.length, uses.length),
    all,
    loud: shareOf(uses.filter((u) => u.loud)),
    faint: shareOf(uses.filter((u) => !u.loud)),
    unheard: uses.filter((u) => u.sensors === 0).length,
    first: told.filter((u) => u.rank === 1).length,
    amongThree: told.filter((u) => u.rank >= 1 && u.rank <= 3).length,
    seemed: meanOf(uses.filter((u) => !u.told && u.sensors > 0).map((u) => u.seemed)),
    byZone: zones.flatMap(({ id }) => {
      const own = uses.filter((u) => u.zone === id);
      return own.length === 0 ? [] : [{ zone: id, ...shareOf(own) }];
    }),
    weakest: plan.weakest(uses, all, chance),
    bands: groups.length < 2 ? [] : groups.map((group) => bandsOf(group, uses)),
  };
}

const shareOf = (uses: readonly Rehearsed[]): Share => ({
  told: uses.filter((u) => u.told).length,
  of: uses.length,
});

function bandsOf({ bands, sensors }: BandGroup, uses: readonly Rehearsed[]): Coverage["bands"][number] {
  const ids = bands.map((b) => b.id);
  return { bands: ids, sensors: sensors.length, ...shareOf(uses.filter((u) => ids.includes(u.band))) };
}

function meanOf(all: readonly Whereabouts[]): Whereabouts {
  const mean = (of: (w: Whereabouts) => number) => all.reduce((sum, w) => sum + of(w), 0) / Math.max(1, all.length);
  return {
    held: mean((w) => w.held),
    corridor: mean((w) => w.corridor),
    rooms: mean((w) => w.rooms),
    outside: mean((w) => w.outside),
  };
}

/** A block as planned: the zones where phones are alerted, and who measures what. */
class PlannedBlock {
  readonly sensors: readonly SensorSite[];
  readonly groups: readonly BandGroup[];
  readonly zones: readonly { readonly id: ZoneId; readonly from: number; readonly to: number }[];
  readonly #block: BlockId;
  readonly #locator: Locator;
  readonly #policy: Policy;
  readonly #prior: Float64Array;
  readonly #zoneOf: ReadonlyMap<ZoneId, Zone>;
  readonly #bands: readonly { readonly band: BandId; readonly as: BandId; readonly sensors: readonly number[] }[];

  constructor(site: Site, block: BlockId) {
    const { around, locator } = placesOf(site, block, null);
    this.#block = block;
    this.#locator = locator;
    this.#policy = new Policy(around, POLICY_DEFAULTS, block);
    this.#prior = locator.logPrior();
    this.#zoneOf = new Map(around.zones.map((z) => [z.id, z]));
    this.sensors = around.sensors.filter((s) => s.type === "rf" && s.positionM !== null);
    this.zones = locator.grid.zones.filter((z) => {
      const zone = this.#zoneOf.get(z.id);
      return zone !== undefined && zone.block === block && isAlerted(zone) && z.to > z.from;
    });
    this.groups = groupsOf(site.bands, this.sensors);
    this.#bands = this.groups.flatMap(({ bands, sensors }) => {
      const ends = [bands[0]!, bands.at(-1)!];
      // Walls lose what a band between loses to within a few dB: the nearer end stands for it.
      const nearer = (b: Band) => (Math.log(b.loHz / ends[0]!.loHz) <= Math.log(ends[1]!.loHz / b.loHz) ? 0 : 1);
      return bands.map((b) => ({ band: b.id, as: ends[nearer(b)]!.id, sensors }));
    });
  }

  /** A phone used somewhere in a zone, louder than is expected of phones or fainter. */
  use(zone: number, loud: boolean, chance: Chance): Rehearsed {
    const { id, from, to } = this.zones[zone]!;
    const at = from + Math.floor(chance.uniform() * (to - from));
    const { band, as, sensors } = this.#bands[Math.floor(chance.uniform() * this.#bands.length)]!;
    const level = this.#locator.imagine(as, at, Math.abs(chance.normal()) * (loud ? 1 : -1), chance)!;
    const seen = new Alone(this.#block, as, this.#locator, this.#prior);
    let told = false;
    for (let w = 1; w <= USE_WINDOWS; w++) {
      const tMs = w * PIPELINE_DEFAULTS.windowMs;
      const sighting = this.#sighting(tMs, as, level, sensors, chance);
      if (sighting !== null) seen.hear(sighting, !told || w > USE_WINDOWS - 4);
      if (told) continue;
      const track = seen.track(w < USE_WINDOWS);
      told = track !== null && this.#policy.opens(track, tMs);
    }
    const held = seen.fix.candidates.filter((c) => isAlerted(this.#zoneOf.get(c.cell)!));
    const rank = held.findIndex((c) => c.cell === id) + 1;
    return { zone: id, band, loud, sensors: seen.heardBy.size, told, rank, seemed: this.#whereabouts(seen.fix) };
  }

  /** What the sensors report of a window: a burst that is met fades, and is heard where it is louder than the floor. */
  #sighting(
    tMs: number,
    band: BandId,
    level: Float64Array,
    sensors: readonly number[],
    chance: Chance,
  ): Sighting | null {
    const { floorDbm } = BLIND_HEARING;
    const heard: Heard[] = [];
    const quiet: SensorLevel[] = [];
    for (const i of sensors) {
      const sensor = this.sensors[i]!.id;
      const levelDbm = level[i]! + FADING_DB * chance.normal();
      const met = chance.uniform() < MEETS;
      if (!met || levelDbm <= floorDbm) {
        quiet.push({ sensor, levelDbm: Number.NaN, floorDbm, sigmaDb: 0 });
        continue;
      }
      const evidence = { sensor, band, excessDb: levelDbm - floorDbm, floorDbm };
      const detected = { llr: 0, llrStep: 0, thresholdNats: 0, hot: true, onsetMs: tMs };
      heard.push({ level: { sensor, levelDbm, floorDbm, sigmaDb: 0 }, meanDbm: levelDbm, evidence, ...detected });
    }
    if (heard.length === 0) return null;
    heard.sort(byExcess);
    return { tMs, band, heard, quiet };
  }

  #whereabouts(fix: Fix): Whereabouts {
    let [held, corridor, rooms] = [0, 0, 0];
    for (const { cell, p } of fix.candidates) {
      const zone = this.#zoneOf.get(cell)!;
      if (isAlerted(zone)) held += p;
      else if (zone.kind === "corridor") corridor += p;
      else rooms += p;
    }
    return { held, corridor, rooms, outside: fix.pOutside };
  }

  /**
   * Zones that are told clearly less often than all. Those that seemed weakest are looked at again with phones of their own: which seems
   * weakest of many is so by chance as well.
   */
  weakest(uses: readonly Rehearsed[], all: Share, chance: Chance): ({ zone: ZoneId } & Share)[] {
    if (all.of === 0 || all.told < LEAST_SHARE * all.of || this.zones.length < 2) return [];
    const seemed = new Map<ZoneId, number[]>();
    for (const u of uses) seemed.set(u.zone, [...(seemed.get(u.zone) ?? []), u.seemed.held]);
    const mean = (v: readonly number[]) => v.reduce((a, b) => a + b, 0) / v.length;
    const least = [...seemed].sort((a, b) => mean(a[1]) - mean(b[1])).slice(0, WEAKEST);
    const again = least.map(([zone]) => {
      const index = this.zones.findIndex((z) => z.id === zone);
      return { zone, ...shareOf(Array.from({ length: PHONES_THERE }, (_, k) => this.use(index, k % 2 === 0, chance))) };
    });
    // Two spreads of a binomial below: one zone in forty by chance.
    const p = all.told / all.of;
    const usualLeast = Math.min(WEAK * PHONES_THERE * p, PHONES_THERE * p - 2 * Math.sqrt(PHONES_THERE * p * (1 - p)));
    return again.filter((z) => z.told < usualLeast).sort((a, b) => a.told - b.told);
  }
}

/** Bands by the sensors that measure them, each group in the order of frequency. What a sensor measures that lists no band is only known from its birth: all. */
function groupsOf(bands: readonly Band[], sensors: readonly SensorSite[]): BandGroup[] {
  const listed = bands.filter((b) => sensors.some((s) => s.bands.includes(b.id)));
  const groups = new Map<string, { bands: Band[]; sensors: number[] }>();
  for (const band of listed.length > 0 ? listed : bands) {
    const own = sensors.flatMap((s, i) => (s.bands.length === 0 || s.bands.includes(band.id) ? [i] : []));
    if (own.length === 0) continue;
    const group = groups.get(own.join()) ?? { bands: [], sensors: own };
    group.bands.push(band);
    groups.set(own.join(), group);
  }
  for (const group of groups.values()) group.bands.sort((a, b) => a.loHz - b.loHz);
  return [...groups.values()];
}

/** 0 to n - 1 in an order drawn by chance (Fisher and Yates). */
function shuffled(n: number, chance: Chance): number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(chance.uniform() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
