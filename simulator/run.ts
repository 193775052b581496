/** A simulation as what scoring and replay take: a source of messages, and the truth beside it. */
import type { TraceHeader } from "../src/contracts.ts";
import type { Physics, Simulation, TruthEpisode } from "./index.ts";
import type { RunInput } from "./score.ts";

/** Messages handed over at once. */
const BATCH = 512;

interface Message {
  readonly t: number;
  readonly topic: string;
  readonly payload: Uint8Array;
}

/** The messages as `openTrace` would give them, without a file. */
export function traceOf(sim: Simulation): { readonly header: TraceHeader; batches(): AsyncIterable<Message[]> } {
  async function* batches(): AsyncGenerator<Message[]> {
    const encoder = new TextEncoder();
    let batch: Message[] = [];
    for (const { t, topic, payload } of sim.messages()) {
      batch.push({ t, topic, payload: typeof payload === "string" ? encoder.encode(payload) : payload });
      if (batch.length < BATCH) continue;
      yield batch;
      batch = [];
    }
    if (batch.length > 0) yield batch;
  }
  return { header: { cellward_trace: 1, site: sim.siteId, start: sim.startMs }, batches };
}

/** What scoring needs to know of a simulation beside the alerts. */
export function scoringOf(sim: Simulation): Omit<RunInput, "alerts" | "site"> {
  return {
    // An interface has no index signature, though every further field of it is data.
    truth: sim.truth as unknown as RunInput["truth"],
    fromMs: sim.startMs,
    untilMs: sim.endMs,
    faults: sim.faults.map((f) => ({
      sensor: f.sensor,
      fromMs: sim.startMs + f.from_s * 1000,
      untilMs: sim.startMs + f.to_s * 1000,
    })),
    excessDb: (episode) => excessDb(sim.physics, episode as unknown as TruthEpisode),
  };
}

/**
 * How far an emitter's mean level lies above the noise at the sensor that hears it best, dB; null for a band no sensor has.
 * Fading of single bursts is left out.
 */
export function excessDb(physics: Physics, episode: TruthEpisode): number | null {
  const place = physics.place(episode.x_m, episode.y_m, episode.floor);
  const gains = physics.gainDb(place, episode.band);
  let best = Number.NEGATIVE_INFINITY;
  for (let s = 0; s < gains.length; s++) {
    const noise = physics.noiseDbm(s, episode.band);
    if (!Number.isNaN(noise)) best = Math.max(best, episode.eirp_dbm + gains[s]! - noise);
  }
  return Number.isFinite(best) ? best : null;
}
