/** `replay --each-sensor-out`: what each sensor's loss costs. */
import { type RunRows, type SensorLoss, sensorLoss } from "../../simulator/score.ts";
import type { Calibration, Site } from "../model.ts";
import { type ReplayResult, replayInProcess } from "../replay.ts";
import { openTrace } from "../trace/index.ts";
import { type ShapeOptions, shape } from "../trace/shape.ts";
import { bar, progressLine } from "./progress.ts";

/** The trace again without each of its sensors. Cost: one replay a sensor. */
export async function lossesOf(
  path: string,
  part: ShapeOptions,
  run: { readonly site: Site; readonly calibration: Calibration | null },
  whole: RunRows,
  match: (alerts: ReplayResult["alerts"]) => RunRows,
): Promise<SensorLoss[]> {
  const left = new Set([...(part.without ?? [])]);
  const wanted = part.only === undefined ? null : new Set(part.only);
  const sensors = run.site.sensors.filter(
    ({ id, type }) => type === "rf" && !left.has(id) && (wanted === null || wanted.has(id)),
  );
  const losses = [sensorLoss(null, whole, null, null)];
  const line = progressLine();
  for (const [i, { id }] of sensors.entries()) {
    line.show(() => `${bar(i / sensors.length)}  without ${id}`);
    const trace = await openTrace(path);
    const source = {
      header: trace.header,
      batches: () => shape(trace.batches(), { ...part, without: [...left, id] }),
    };
    const end = await replayInProcess(source, { site: run.site, calibration: run.calibration });
    losses.push(sensorLoss(id, match(end.alerts), whole, null));
  }
  line.done();
  return losses;
}
