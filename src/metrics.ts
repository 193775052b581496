import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { type Ledger, remainder } from "./intake.ts";
import type { LearningReport } from "./model.ts";

/** Everything that is measured of the service, read when somebody asks; nothing here is on a reading's way. */
export interface MetricSources {
  ledger(): Ledger;
  rejects(): readonly { readonly code: string; readonly count: number; readonly parts: number }[];
  late(): number;
  quotaDrops(): number;
  alerts(): { readonly open: number; readonly active: number; readonly told: number };
  /** Detector of each block: kernel, lanes that learn the time of day, lanes whose history supports it, rises foreseen by it since start. */
  detectors(): readonly {
    readonly block: string;
    readonly kernel: string;
    readonly lanes: number;
    readonly supported: number;
    readonly foreseen: number;
  }[];
  /** Learning mode of each block. */
  learning(): readonly LearningReport[];
  /** Faults whose condition holds now, by name. */
  faults(): readonly (readonly [string, number])[];
  store(): {
    readonly storedReadings: number;
    readonly pendingReadings: number;
    readonly refusedLines: number;
    readonly ready: boolean;
  };
  broker(): {
    readonly connected: boolean;
    readonly received: number;
    readonly acknowledged: number;
    readonly pending: number;
  };
  journal(): { readonly durable: number; readonly queuedBytes: number; readonly full: boolean } | null;
  loopDelayMs(): { readonly p50: number; readonly p99: number; readonly max: number };
  sensors(): { readonly known: number; readonly online: number };
}

export function createMetrics(sources: MetricSources): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: "cellward_" });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `cellward_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  const labelled = (name: string, help: string, label: string, read: () => readonly (readonly [string, number])[]) =>
    new Gauge({
      name: `cellward_${name}`,
      help,
      labelNames: [label],
      registers: [registry],
      collect() {
        this.reset();
        for (const [value, n] of read()) this.set({ [label]: value }, n);
      },
    });

  gauge("messages_received_total", "MQTT messages that came, whatever they were", () => sources.ledger().messages);
  labelled("messages_total", "What became of the messages", "result", () => {
    const l = sources.ledger();
    return [
      ["readings", l.readingMessages],
      ["other", l.otherMessages],
      ["rejected", l.rejectedMessages],
    ];
  });
  gauge("readings_received_total", "Instants in messages that carried readings", () => sources.ledger().readings);
  labelled("readings_total", "What became of the readings", "result", () => {
    const l = sources.ledger();
    return [
      ["accepted", l.accepted],
      ["duplicate", l.duplicate],
      ["refused", l.refused],
    ];
  });
  gauge(
    "readings_unverified_total",
    "Accepted readings that may be repeats: older than the gaps remembered",
    () => sources.ledger().unverified,
  );
  gauge("ledger_remainder", "Messages and readings unaccounted for; anything but 0 is a defect", () =>
    remainder(sources.ledger()),
  );
  labelled("rejected_total", "Messages refused whole, by reason", "code", () =>
    sources.rejects().map((r) => [r.code, r.count]),
  );
  labelled("rejected_parts_total", "Parts left out of messages that were taken, by reason", "code", () =>
    sources.rejects().map((r) => [r.code, r.parts]),
  );
  gauge("readings_late_total", "Readings stored but too late to be judged", () => sources.late());
  gauge("quota_drops_total", "Messages dropped for a sensor's quota or a full inbox", () => sources.quotaDrops());
  gauge("alerts_open", "Alerts that are not closed", () => sources.alerts().open);
  gauge("alerts_active", "Alerts whose condition holds now", () => sources.alerts().active);
  labelled("faults_open", "Faults of sensors and of the service that hold now", "fault", () => sources.faults());
  gauge("alert_changes_total", "Alert changes told since start", () => sources.alerts().told);
  labelled("detector_kernel", "Blocks whose detector runs on this kernel", "kernel", () => {
    const count = { plain: 0, simd: 0 } as Record<string, number>;
    for (const { kernel } of sources.detectors()) count[kernel] = (count[kernel] ?? 0) + 1;
    return Object.entries(count);
  });
  const days = (name: string, help: string, field: "lanes" | "supported" | "foreseen") =>
    labelled(name, help, "block", () => sources.detectors().map((d) => [d.block, d[field]]));
  days("day_floor_lanes", "Lanes (quantities of channels) whose floor is learned by the time of day", "lanes");
  days(
    "day_floor_supported",
    "Lanes whose history supports the time of day: three days and right forecasts",
    "supported",
  );
  days(
    "day_floor_foreseen_total",
    "Rises since start that were taken for the floor's own at that time of day",
    "foreseen",
  );
  const byBlock = (name: string, help: string, read: (r: LearningReport) => number) =>
    labelled(name, help, "block", () => sources.learning().map((r) => [r.block, read(r)]));
  byBlock("learning", "1 while a block is in learning mode: alerts of phones are counted, not told", (r) =>
    Number(r.learning),
  );
  byBlock(
    "learning_until_seconds",
    "When a block's learning mode ends or ended, Unix time; 0: never or not known",
    (r) => Math.round((r.untilMs ?? 0) / 1000),
  );
  byBlock("learning_alerts_total", "Alerts that learning mode counted instead of telling", (r) => r.alerts);
  byBlock("learning_events_total", "Events of channels that learning mode counted", (r) => r.events);
  gauge("store_ready", "1 when the time-series store takes writes", () => Number(sources.store().ready));
  gauge(
    "store_readings_stored_total",
    "Readings durably in the time-series store",
    () => sources.store().storedReadings,
  );
  gauge("store_readings_pending", "Readings waiting for the time-series store", () => sources.store().pendingReadings);
  gauge("store_lines_refused_total", "Lines the database refused", () => sources.store().refusedLines);
  gauge("broker_connected", "1 when connected to the MQTT broker", () => Number(sources.broker().connected));
  gauge("broker_pending", "Messages taken and not yet acknowledged", () => sources.broker().pending);
  gauge(
    "journal_durable_bytes",
    "Position up to which the durable log is synced",
    () => sources.journal()?.durable ?? 0,
  );
  gauge("journal_queued_bytes", "Bytes waiting for the durable log", () => sources.journal()?.queuedBytes ?? 0);
  gauge("journal_full", "1 while the disk of the durable log is full", () => Number(sources.journal()?.full ?? false));
  labelled("event_loop_delay_ms", "Delay of the event loop over the last minute or two", "quantile", () => {
    const d = sources.loopDelayMs();
    return [
      ["0.5", d.p50],
      ["0.99", d.p99],
      ["1", d.max],
    ];
  });
  gauge("sensors_known", "Sensors of the site file", () => sources.sensors().known);
  gauge("sensors_online", "Sensors that are online", () => sources.sensors().online);
  return registry;
}
