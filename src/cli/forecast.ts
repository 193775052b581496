/** What `check` foretells of a plan: which phones its sensors could tell, block by block, in words and as JSON. */
import { stream } from "../../simulator/prng.ts";
import { counted } from "../counted.ts";
import { type Coverage, coverageOf, type Share, type Whereabouts } from "../coverage.ts";
import type { BlockId, Site } from "../model.ts";

/** Phones imagined a block where nobody says how many: shares are right to 10 of 100 then. */
const USUAL_PHONES = 100;
/** On large sites fewer, so that all is done in seconds: of so many phones times sensors a block, and not fewer than this. */
const PHONES_BY_SENSORS = 10_000;
const FEWEST_PHONES = 30;
/** And of so many blocks alone: building a localiser takes a second where a block has a hundred cells. */
const MOST_BLOCKS = 4;
/** Draws are the same at every call, so that two plans differ by what is planned. */
const SEED = 1;

/** Below this share of phones told a block is said to have too few sensors: more are missed than told. */
const FEW = 0.5;
/** A place that keeps so much of the probability is named among those that cannot be told from cells. */
const CONFUSED_P = 0.1;
const NAMES: readonly (readonly [keyof Whereabouts, string])[] = [
  ["outside", "outside"],
  ["rooms", "rooms where phones are allowed"],
  ["corridor", "the corridor"],
];

export interface Forecast {
  readonly phones: number | null;
  readonly blocks: readonly Coverage[];
  /** Blocks that were not looked at, for time. */
  readonly leftOut: readonly BlockId[];
}

/**
 * The coverage of a plan by so many phones a block; null: as many as are done in seconds, and on a site of many blocks in those alone that have the
 * fewest sensors for their zones.
 */
export function forecastOf(site: Site, phones: number | null): Forecast {
  const sensorsOf = (id: BlockId) =>
    site.sensors.filter((s) => s.type === "rf" && s.positionM !== null && s.block === id);
  const density = (id: BlockId) => sensorsOf(id).length / Math.max(1, site.zones.filter((z) => z.block === id).length);
  const scarcest = site.blocks.map((b) => b.id).sort((a, b) => density(a) - density(b) || (a < b ? -1 : 1));
  const looked = new Set(phones === null ? scarcest.slice(0, MOST_BLOCKS) : scarcest);
  const blocks: Coverage[] = [];
  for (const { id } of site.blocks) {
    if (!looked.has(id)) continue;
    const usual = Math.min(USUAL_PHONES, Math.round(PHONES_BY_SENSORS / Math.max(1, sensorsOf(id).length)));
    const made = coverageOf(site, id, phones ?? Math.max(FEWEST_PHONES, usual), stream(SEED, `coverage ${id}`));
    if (made !== null) blocks.push(made);
  }
  return { phones, blocks, leftOut: site.blocks.map((b) => b.id).filter((id) => !looked.has(id)) };
}

/** As JSON: counts, mean probabilities and what is advised. */
export function forecastJson({ blocks, leftOut }: Forecast): unknown {
  return {
    of: "the model's forecast from the plan, not a measurement",
    blocks: blocks.map(({ amongThree, byZone, ...rest }) => ({
      ...rest,
      among_three: amongThree,
      by_zone: byZone,
      advice: adviceOf({ amongThree, byZone, ...rest }),
    })),
    blocks_left_out: leftOut,
  };
}

/** In words, a line each; none where there is no block with cells. */
export function forecastLines({ blocks, leftOut }: Forecast): string[] {
  if (blocks.length === 0) return [];
  const lines = [
    "what the sensors could tell of a phone in a cell or yard that is on alone: the model's forecast from this plan, not a measurement",
  ];
  for (const block of blocks) {
    lines.push(`  block ${block.block}, ${counted(block.sensors, "sensor")}: ${toldText(block)}`);
    lines.push(...adviceOf(block).map((text) => `    ${text}`));
  }
  if (leftOut.length > 0) {
    lines.push(
      `  not looked at, with no fewer sensors for their zones: ${leftOut.join(", ")}; --phones ${USUAL_PHONES} looks at all`,
    );
  }
  return lines;
}

function toldText(c: Coverage): string {
  if (c.all.of === 0) return "no phone would be told";
  const some = c.rehearsed < c.zones ? ` in ${c.rehearsed} of ${c.zones} zones` : "";
  const where = c.all.told > 0 ? `; the right zone first for ${c.first}, among three for ${c.amongThree}` : "";
  const halves = `of the louder half ${shareText(c.loud)}, of the fainter ${shareText(c.faint)}`;
  return `of ${counted(c.all.of, "phone")}${some} ${c.all.told} would be told (${halves})${where}`;
}

/** What a planner should know and might do, a sentence each. */
function adviceOf(c: Coverage): string[] {
  if (c.sensors === 0) return ["no sensor measures radio here: hang some"];
  if (c.all.of === 0) return ["no sensor has a band, and the site has none: say under 'bands' what they measure"];
  const advice: string[] = [];
  if (c.all.told < FEW * c.all.of) advice.push(fewText(c));
  else if (c.amongThree < FEW * c.all.told) {
    advice.push(
      "most alerts would name the right zone behind three others: more sensors, or some beside the doors, tell places apart",
    );
  }
  if (c.weakest.length > 0) {
    advice.push(`weakest, phones told: ${c.weakest.map((z) => `${z.zone} ${shareText(z)}`).join(", ")}`);
  }
  for (const { bands, ...share } of c.bands) {
    if (share.of === 0 || share.told >= FEW * share.of) continue;
    advice.push(`in ${bands.join(", ")}, measured by ${counted(share.sensors, "sensor")}: ${shareText(share)} told`);
  }
  return advice;
}

function fewText(c: Coverage): string {
  const heard = c.all.of - c.unheard;
  if (heard < FEW * c.all.of)
    return `${c.unheard} of ${c.all.of} are heard by no sensor: hang sensors nearer to the cells`;
  const percent = (p: number) => `${Math.round(100 * p)} %`;
  const confused = NAMES.filter(([place]) => c.seemed[place] >= CONFUSED_P).sort(
    (a, b) => c.seemed[b[0]] - c.seemed[a[0]],
  );
  const names = confused.map(([place, name]) => `${name} (${percent(c.seemed[place])})`);
  const from = names.length > 0 ? ` from ${names.join(" and ")}` : "";
  const sensors = c.sensors === 1 ? "one sensor" : `${c.sensors} sensors`;
  // Of more sensors those outdoors help most there, docs/localisation.md: 2 of them more than 2 in the corridor.
  const where = confused[0]?.[0] === "outside" ? "outdoors on the sides where people pass, and " : "";
  return `${sensors} cannot tell cells (${percent(c.seemed.held)} where nothing is told)${from}; hang more: ${where}several near each cell`;
}

const shareText = ({ told, of }: Share) => `${told} of ${of}`;
