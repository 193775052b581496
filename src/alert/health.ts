import type { BandId, ChannelStatus, SensorId, Severity } from "../model.ts";

/**
 * Silence is news: which sensors can't be trusted just now, from what they showed in event time. Pure; one instance a block.
 *
 * A fault opens when its condition has held for its own time and ends when the condition ends. When most of a block goes
 * silent together the cause is not the sensors: one alert names it, and the sensors' own are not raised.
 */

export interface SensorLook {
  readonly sensor: SensorId;
  /** Newest instant, or -Infinity. */
  readonly lastTsMs: number;
  readonly online: boolean;
  /** 0 for sensors that report only what they hear: their silence says nothing. */
  readonly periodMs: number | null;
  readonly tamper: boolean;
  readonly channels: readonly { readonly band: BandId; readonly status: ChannelStatus }[];
}

export interface Fault {
  /** Stable identity of the condition within the block. */
  readonly key: string;
  readonly kind: "sensor-fault" | "service-fault" | "tamper";
  readonly severity: Severity;
  readonly text: string;
}

export interface HealthOptions {
  /** A periodic sensor is silent after this, or after five of its periods if that is longer. */
  readonly silentMs: number;
}

/** Three missed 5 s heartbeats (reliability design 3.4.7). */
export const HEALTH_DEFAULTS: HealthOptions = { silentMs: 15_000 };
const SILENT_PERIODS = 5;
/** From so many sensors on, a common silence of more than half of them is one fault of the block. */
const COMMON_FROM = 4;

export class SensorHealth {
  private readonly options: HealthOptions;
  private open = new Map<string, Fault>();

  constructor(options: HealthOptions = HEALTH_DEFAULTS) {
    this.options = options;
  }

  /** Looks at the whole block at event time `tMs`; gives what opened and what ended since the last look. */
  look(tMs: number, sensors: Iterable<SensorLook>): { opened: Fault[]; ended: Fault[] } {
    const found = new Map<string, Fault>();
    const silent: Fault[] = [];
    let periodic = 0;
    for (const s of sensors) {
      if (s.lastTsMs === Number.NEGATIVE_INFINITY) continue; // never heard: commissioning's business, not an officer's
      if (s.tamper)
        add(
          found,
          fault(`tamper:${s.sensor}`, "tamper", "critical", `Sensor ${s.sensor} reports that its case was opened.`),
        );
      if (s.periodMs !== 0) {
        periodic++;
        const limitMs = Math.max(this.options.silentMs, SILENT_PERIODS * (s.periodMs ?? 1000));
        if (!s.online || tMs - s.lastTsMs > limitMs) {
          const why = s.online ? `has sent nothing for ${Math.round((tMs - s.lastTsMs) / 1000)} s` : "is offline";
          silent.push(
            fault(
              `silent:${s.sensor}`,
              "sensor-fault",
              "medium",
              `Sensor ${s.sensor} ${why}: the cells it covers are watched by its neighbours only.`,
            ),
          );
          continue;
        }
      }
      const stuck = s.channels.filter((c) => c.status === "stuck").map((c) => c.band);
      if (stuck.length > 0) {
        add(
          found,
          fault(
            `stuck:${s.sensor}`,
            "sensor-fault",
            "medium",
            `Sensor ${s.sensor} reports the same value over and over in ${stuck.join(", ")}: it is not measuring there.`,
          ),
        );
      }
    }
    if (periodic >= COMMON_FROM && silent.length > periodic / 2) {
      add(
        found,
        fault(
          "blind",
          "service-fault",
          "critical",
          `${silent.length} of ${periodic} sensors are silent: the block is blind. Look at its network and broker first.`,
        ),
      );
    } else {
      for (const f of silent) add(found, f);
    }
    const opened = [...found.values()].filter((f) => !this.open.has(f.key));
    const ended = [...this.open.values()].filter((f) => !found.has(f.key));
    this.open = found;
    return { opened, ended };
  }

  snapshot(): unknown {
    return [...this.open.values()];
  }

  restore(snapshot: unknown): void {
    this.open = new Map((snapshot as Fault[]).map((f) => [f.key, f]));
  }
}

function fault(key: string, kind: Fault["kind"], severity: Severity, text: string): Fault {
  return { key, kind, severity, text };
}

function add(found: Map<string, Fault>, f: Fault): void {
  found.set(f.key, f);
}
