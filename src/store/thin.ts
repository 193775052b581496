/** Thinning a channel's history to a number of points. Pure. */
import type { ChannelPoint, ChannelQuery } from "../contracts.ts";

/**
 * Merges points of one channel, in order of time, into windows of a whole number of seconds so that no more than
 * `query.limit` remain.
 *
 * Level: power mean, weighted by readings. Maximum and statistic: the largest. Floor: mean of the dB values, weighted by
 * readings. NaN values are left out; a window of nothing but NaN stays NaN. Cost: one pass.
 */
export function thin(points: readonly ChannelPoint[], query: ChannelQuery): readonly ChannelPoint[] {
  const limit = Math.max(1, Math.floor(query.limit));
  if (points.length <= limit) return points;
  const spanMs = points.at(-1)!.tMs - points[0]!.tMs + 1000;
  const firstMs = Math.floor(points[0]!.tMs / 1000) * 1000;
  const stepMs = Math.ceil(spanMs / limit / 1000) * 1000;
  const out: ChannelPoint[] = [];
  for (let i = 0; i < points.length; ) {
    const tMs = firstMs + Math.floor((points[i]!.tMs - firstMs) / stepMs) * stepMs;
    let end = i;
    while (end < points.length && points[end]!.tMs < tMs + stepMs) end++;
    out.push(merge(points, i, end, tMs));
    i = end;
  }
  return out;
}

function merge(points: readonly ChannelPoint[], from: number, to: number, tMs: number): ChannelPoint {
  let milliwatts = 0;
  let levelWeight = 0;
  let floor = 0;
  let floorWeight = 0;
  let maxDbm = Number.NaN;
  let llr = Number.NaN;
  let readings = 0;
  for (let i = from; i < to; i++) {
    const p = points[i]!;
    const weight = Math.max(1, p.readings);
    readings += p.readings;
    if (!Number.isNaN(p.meanDbm)) {
      milliwatts += weight * 10 ** (p.meanDbm / 10);
      levelWeight += weight;
    }
    if (!Number.isNaN(p.floorDbm)) {
      floor += weight * p.floorDbm;
      floorWeight += weight;
    }
    if (!(p.maxDbm <= maxDbm) && !Number.isNaN(p.maxDbm)) maxDbm = p.maxDbm;
    if (!(p.llr <= llr) && !Number.isNaN(p.llr)) llr = p.llr;
  }
  return {
    tMs,
    meanDbm: levelWeight > 0 ? 10 * Math.log10(milliwatts / levelWeight) : Number.NaN,
    maxDbm,
    floorDbm: floorWeight > 0 ? floor / floorWeight : Number.NaN,
    llr,
    readings,
  };
}
