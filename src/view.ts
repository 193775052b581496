import type { Blocks } from "./blocks.ts";
import type { TimeSeriesStore } from "./contracts.ts";
import type { ReadinessCheck, SensorView, ServiceView } from "./http/service-view.ts";
import type { LinkStatus } from "./ingest/mqtt.ts";
import type { RejectLog } from "./ingest/rejects.ts";
import type { Intake } from "./intake.ts";
import type { Alert, AlertChange, BlockId, CellSearch, Command, CommandResult, Site } from "./model.ts";

/** The running service as the HTTP side sees it. */
export interface ViewSources {
  readonly version: string;
  readonly instance: string;
  readonly startedAtMs: number;
  readonly site: Site;
  readonly blocks: Blocks;
  readonly intake: Intake;
  readonly rejects: RejectLog;
  readonly store: TimeSeriesStore;
  link(): LinkStatus;
  journal(): { readonly ready: boolean; readonly full: boolean; readonly failed: Error | null } | null;
  command(command: Command): CommandResult;
  search(search: CellSearch): boolean;
  nowMs(): number;
  dataAgeMs(): number | null;
  metrics(): Promise<string>;
  readonly listeners: Set<(change: AlertChange) => void>;
  /** The alerts that were closed last. */
  closed(): readonly Alert[];
}

export function serviceView(s: ViewSources): ServiceView {
  return {
    version: s.version,
    instance: s.instance,
    startedAtMs: s.startedAtMs,
    site: s.site,
    alerts: () => [...s.blocks.openAlerts(), ...s.closed()],
    command: (command) => s.command(command),
    search: (search) => s.search(search),
    searchList: (limit) => s.blocks.searchList(s.nowMs(), limit),
    outcomes: () => s.blocks.outcomes(s.nowMs()),
    learning: () => s.blocks.learning(s.nowMs()),
    sensors: (block) => sensorViews(s, block),
    rejects: () => s.rejects.rows(),
    readiness: () => readiness(s),
    dataAgeMs: () => s.dataAgeMs(),
    metrics: () => s.metrics(),
    history: s.store,
    subscribe: (listener) => {
      s.listeners.add(listener);
      return () => s.listeners.delete(listener);
    },
  };
}

function readiness(s: ViewSources): ReadinessCheck[] {
  const link = s.link();
  const store = s.store.status();
  const journal = s.journal();
  const checks: ReadinessCheck[] = [
    {
      name: "broker",
      ready: link.subscribed,
      detail: link.subscribed ? "" : (link.error ?? "not connected to the MQTT broker yet"),
    },
    { name: "store", ready: store.ready, detail: store.ready ? "" : store.detail },
  ];
  if (journal) {
    const detail = journal.failed
      ? `the durable log failed: ${journal.failed.message}`
      : journal.full
        ? "the disk of the durable log is full: readings wait, alerts use the reserve"
        : "";
    checks.push({ name: "journal", ready: journal.ready && !journal.full, detail });
  }
  return checks;
}

function sensorViews(s: ViewSources, block?: BlockId): SensorView[] {
  const channels = new Map<string, SensorView["channels"][number][]>();
  for (const pipeline of s.blocks.all()) {
    if (block !== undefined && pipeline.block !== block) continue;
    for (const c of pipeline.channels()) {
      const list = channels.get(c.sensor) ?? [];
      list.push({ block: pipeline.block, ...c });
      channels.set(c.sensor, list);
    }
  }
  const sites = block === undefined ? s.site.sensors : s.site.sensors.filter((site) => site.block === block);
  return sites.map((site) => {
    const facts = s.intake.sensors.get(site.id);
    return {
      block: site.block,
      sensor: site.id,
      online: facts === undefined ? null : (facts.state?.online ?? facts.lastSeenMs !== null),
      lastSeenMs: facts?.lastSeenMs ?? null,
      tamper: facts?.health?.tamper ?? false,
      boot: facts?.birth?.boot ?? facts?.state?.boot ?? null,
      model: facts?.birth?.model ?? null,
      firmware: facts?.birth?.firmware ?? null,
      periodMs: facts?.birth?.periodMs ?? null,
      tempC: facts?.health?.tempC ?? null,
      clockOffMs: s.intake.clockOffMs(site.id),
      battery: facts?.health?.battery ?? null,
      channels: channels.get(site.id) ?? [],
    };
  });
}
