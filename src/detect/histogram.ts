/**
 * The sliding histogram of a lane's residuals: median and median absolute deviation in constant time and 383 bytes.
 */

/** Readings in the sliding histogram of a lane. */
export const HIST_WINDOW = 255;
/** Bins: the middle of bin 64 is residual 0; one bin is a quarter of the quiet spread, so the histogram spans ±16 sigma. */
export const HIST_BINS = 128;
export const HIST_CENTRE = 64;
export const BINS_PER_SIGMA = 4;

/** Bin of a residual; outliers go to the outermost bins. */
export function binOf(residualDb: number, binDb: number): number {
  const b = residualDb / binDb + (HIST_CENTRE + 0.5);
  return b >= HIST_BINS ? HIST_BINS - 1 : b > 0 ? b | 0 : 0;
}

/** Puts a bin into the lane's ring and histogram and takes the oldest out. `fill` is how many the ring holds already. */
export function histPush(
  bin: number,
  lane: number,
  ring: Uint8Array,
  counts: Uint8Array,
  pos: number,
  fill: number,
): void {
  const r = lane * HIST_WINDOW + pos;
  const c = lane * HIST_BINS;
  if (fill === HIST_WINDOW) counts[c + ring[r]!]!--;
  ring[r] = bin;
  counts[c + bin]!++;
}

/** Quantile q of the lane's histogram in bins relative to residual 0, interpolated as if spread evenly within a bin. */
export function histQuantile(counts: Uint8Array, lane: number, fill: number, q: number): number {
  const c = lane * HIST_BINS;
  const target = q * fill;
  let below = 0;
  for (let b = 0; b < HIST_BINS; b++) {
    const n = counts[c + b]!;
    if (below + n >= target && n > 0) return b - HIST_CENTRE - 0.5 + (target - below) / n;
    below += n;
  }
  return HIST_BINS - 1 - HIST_CENTRE;
}

/**
 * Median absolute deviation of the lane's histogram about `medianBins`, in bins: the half-width of the interval about the median
 * that holds half of the readings, each bin's readings spread evenly over it.
 */
export function histMad(counts: Uint8Array, lane: number, fill: number, medianBins: number): number {
  const c = lane * HIST_BINS;
  for (let b = 0; b < HIST_BINS; b++) below[b + 1] = below[b]! + counts[c + b]!;
  const at = medianBins + HIST_CENTRE + 0.5;
  let lo = 0;
  // Four spreads hold half of nearly every quiet; then sixteen halvings leave 0.0002 bins.
  let hi = 4 * BINS_PER_SIGMA;
  if ((massBelow(at + hi) - massBelow(at - hi)) * 2 < fill) hi = HIST_BINS;
  for (let i = 0; i < 16; i++) {
    const mid = (lo + hi) / 2;
    if ((massBelow(at + mid) - massBelow(at - mid)) * 2 < fill) lo = mid;
    else hi = mid;
  }
  return hi;
}

/** Readings below the begin of each bin, of the lane that `histMad` looks at. */
const below = new Float64Array(HIST_BINS + 1);

/** Readings below a place, in bins from the begin of the first, spread evenly within each bin. */
function massBelow(place: number): number {
  if (place <= 0) return 0;
  if (place >= HIST_BINS) return below[HIST_BINS]!;
  const b = place | 0;
  return below[b]! + (place - b) * (below[b + 1]! - below[b]!);
}
