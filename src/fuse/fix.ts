/**
 * A posterior told as people need it: zones with probabilities, outside, allowed, a point and its covariance.
 */
import type { Candidate, Fix, Site } from "../model.ts";
import type { Grid } from "./grid.ts";

/** Zones below this are left out (contracts section 3). */
const SMALLEST_P = 0.01;

/** Shares of the mass that ellipses are to hold, and what a normal distribution's squared radii are in units of its covariance. */
const SHARES = [0.5, 0.9] as const;
const RADII2 = SHARES.map((p) => -2 * Math.log(1 - p));
/** Positions with less of the mass don't move these radii. */
const LITTLE = 1e-6;

/**
 * Sums a log posterior by zone and takes its mean and covariance on the floor (or outside) that holds most of it. `told`: the
 * covariance is scaled so that its 50 and 90 % ellipses hold their shares of the mass there as nearly as both can (geometric mean of
 * the two factors). A posterior of several tops or with long tails is not normal: an ellipse of its moments holds up to 80 % where
 * it should hold 50.
 *
 * Shape: `logPosterior` has one entry a candidate and need not be normalised. Cost: a few passes over the candidates; told, one sort.
 */
export function fixOf(site: Site, grid: Grid, logPosterior: Float64Array, told = false): Fix {
  let top = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < grid.size; c++) if (logPosterior[c]! > top) top = logPosterior[c]!;
  const weight = new Float64Array(grid.size);
  let total = 0;
  // Far from the best, positions side by side have the value of their patch.
  let [last, w] = [top, 1];
  for (let c = 0; c < grid.size; c++) {
    const log = logPosterior[c]!;
    if (log !== last) [last, w] = [log, Math.exp(log - top)];
    weight[c] = w;
    total += w;
  }
  const candidates: Candidate[] = [];
  const byFloor = new Float64Array(site.floors.length);
  let pOutside = 0;
  let pAllowed = 0;
  for (const zone of grid.zones) {
    let mass = 0;
    for (let c = zone.from; c < zone.to; c++) mass += weight[c]!;
    mass /= total;
    if (zone.kind === "outside") pOutside += mass;
    else byFloor[grid.floor[zone.from]!]! += mass;
    if (zone.allowed) pAllowed += mass;
    if (zone.kind !== "outside" && zone.id !== "" && mass >= SMALLEST_P) candidates.push({ cell: zone.id, p: mass });
  }
  candidates.sort((a, b) => b.p - a.p || (a.cell < b.cell ? -1 : 1));
  const outside = pOutside > 0.5;
  let floor = 0;
  for (let f = 1; f < byFloor.length; f++) if (byFloor[f]! > byFloor[floor]!) floor = f;
  const position = pointOf(site, grid, weight, floor, outside, told);
  return { position, candidates, pOutside, pAllowed };
}

function pointOf(
  site: Site,
  grid: Grid,
  weight: Float64Array,
  floor: number,
  outside: boolean,
  told: boolean,
): Fix["position"] {
  let [sum, mx, my] = [0, 0, 0];
  const used = (zone: Grid["zones"][number]): boolean =>
    outside ? zone.kind === "outside" : zone.kind !== "outside" && grid.floor[zone.from] === floor;
  for (const zone of grid.zones) {
    if (!used(zone)) continue;
    for (let c = zone.from; c < zone.to; c++) {
      sum += weight[c]!;
      mx += weight[c]! * grid.xM[c]!;
      my += weight[c]! * grid.yM[c]!;
    }
  }
  if (sum === 0) sum = 1;
  mx /= sum;
  my /= sum;
  let [xx, xy, yy] = [0, 0, 0];
  for (const zone of grid.zones) {
    if (!used(zone)) continue;
    for (let c = zone.from; c < zone.to; c++) {
      const [dx, dy] = [grid.xM[c]! - mx, grid.yM[c]! - my];
      const w = weight[c]! / sum;
      xx += w * dx * dx;
      xy += w * dx * dy;
      yy += w * dy * dy;
    }
  }
  // The spread within one square of the grid: a uniform over its step.
  const within = (grid.stepM * grid.stepM) / 12;
  const id = site.floors[floor]?.id ?? "0";
  const covM2 = [xx + within, xy, yy + within] as const;
  if (!told) return { xM: mx, yM: my, floor: id, covM2 };
  const radii = massRadii2(grid, weight, sum, used, mx, my, covM2);
  const scale = Math.sqrt((radii[0]! / RADII2[0]!) * (radii[1]! / RADII2[1]!));
  return { xM: mx, yM: my, floor: id, covM2: [covM2[0] * scale, covM2[1] * scale, covM2[2] * scale] };
}

/** Squared radii in units of a covariance within which `SHARES` of the mass are; a position's mass is spread over its square. */
function massRadii2(
  grid: Grid,
  weight: Float64Array,
  total: number,
  used: (zone: Grid["zones"][number]) => boolean,
  mx: number,
  my: number,
  [xx, xy, yy]: readonly [number, number, number],
): number[] {
  const det = xx * yy - xy * xy;
  const quarter = grid.stepM / 4;
  const parts: (readonly [square: number, mass: number])[] = [];
  for (const zone of grid.zones) {
    if (!used(zone)) continue;
    for (let c = zone.from; c < zone.to; c++) {
      if (weight[c]! < LITTLE * total) continue;
      for (let k = 0; k < 4; k++) {
        const dx = grid.xM[c]! - mx + (k & 1 ? quarter : -quarter);
        const dy = grid.yM[c]! - my + (k & 2 ? quarter : -quarter);
        parts.push([(dx * dx * yy - 2 * dx * dy * xy + dy * dy * xx) / det, weight[c]! / 4]);
      }
    }
  }
  parts.sort((a, b) => a[0] - b[0]);
  const mass = parts.reduce((all, p) => all + p[1], 0);
  const radii: number[] = [];
  let held = 0;
  for (const [square, part] of parts) {
    held += part;
    while (radii.length < SHARES.length && held >= SHARES[radii.length]! * mass) radii.push(square);
  }
  return radii.length === SHARES.length ? radii : RADII2;
}
