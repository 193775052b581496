/** What a channel says that hears somebody beyond doubt. */
import { TRACKER_DEFAULTS } from "../../src/fuse/tracks.ts";
import type { BandId, ChannelEvidence, SensorId } from "../../src/model.ts";

/** Evidence in no doubt, nats. */
const LLR = 50;

/** Of a window that ends at `tMs`, heard since `onsetMs`. */
export function inNoDoubt(
  sensor: SensorId,
  band: BandId,
  tMs: number,
  onsetMs: number,
  levelDbm: number,
  floorDbm: number,
): ChannelEvidence {
  return {
    sensor,
    band,
    tMs,
    status: "ready",
    samples: 20,
    levelDbm,
    peakDbm: levelDbm,
    peakFloorDbm: Number.NaN,
    floorDbm,
    excessDb: levelDbm - floorDbm,
    sigmaDb: 1,
    llr: LLR,
    thresholdNats: TRACKER_DEFAULTS.zoneThreshold,
    llrStep: LLR,
    hot: true,
    onsetMs,
    snrDb: levelDbm - floorDbm,
  };
}
