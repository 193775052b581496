/**
 * A posterior told as people need it: zones with probabilities, outside, allowed, a point and its covariance.
 */
import type { Candidate, Fix, Site } from "../model.ts";
import type { Grid } from "./grid.ts";

/** Zones below this are left out (contracts section 3). */
const SMALLEST_P = 0.01;

/**
 * Sums a log posterior by zone and takes its mean and covariance on the floor (or outside) that holds most of it.
 *
 * Shape: `logPosterior` has one entry a candidate and need not be normalised. Cost: a few passes over the candidates.
 */
export function fixOf(site: Site, grid: Grid, logPosterior: Float64Array): Fix {
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
  const position = pointOf(site, grid, weight, floor, outside);
  return { position, candidates, pOutside, pAllowed };
}

function pointOf(site: Site, grid: Grid, weight: Float64Array, floor: number, outside: boolean): Fix["position"] {
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
  return { xM: mx, yM: my, floor: id, covM2: [xx + within, xy, yy + within] };
}
