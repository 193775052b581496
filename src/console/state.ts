/** What the page knows, as signals; the stream and the operator's actions change it. */
import { batch, computed, signal } from "@preact/signals";
import { ApiError, get, getAll, post, saveToken, stream } from "./api.ts";
import type {
  Alert,
  AlertChange,
  CellBeliefWire,
  ChannelWire,
  SensorStateName,
  SensorWire,
  SiteWire,
  StatusWire,
  ZoneWire,
} from "./wire.ts";
import { compareAlerts, freshness, isAside, isOpen, recentCount } from "./words.ts";

export type Tab = "open" | "aside" | "closed" | "search";
export type Selection = { readonly type: "alert" | "sensor"; readonly id: string } | null;

export const site = signal<SiteWire | null>(null);
export const zones = signal<readonly ZoneWire[]>([]);
export const alerts = signal<ReadonlyMap<string, Alert>>(new Map());
export const sensors = signal<ReadonlyMap<string, SensorWire>>(new Map());
export const status = signal<{ readonly status: StatusWire; readonly atMs: number } | null>(null);
export const connected = signal(false);
export const tokenNeeded = signal<"no" | "asked" | "wrong">("no");
export const tab = signal<Tab>("open");
export const selection = signal<Selection>(null);
export const dialog = signal<"none" | "shelve" | "close" | "help">("none");
export const notice = signal<string>("");
export const announcement = signal<string>("");
/** Monotonic; moves twice a second so that ages move. */
export const tick = signal(performance.now());
export const operator = signal(localStorage.getItem("cellward-operator") ?? "");
export const theme = signal(localStorage.getItem("cellward-theme") ?? "dark");

const startedAt = performance.now();

/** Service time now: its clock, not this machine's. */
export const nowMs = computed(() => {
  const last = status.value;
  return last === null ? Date.now() : last.status.t + (tick.value - last.atMs);
});

/** Age of the newest reading, as old as it can be: what the service said plus how long it has not said anything. */
export const dataAgeMs = computed(() => {
  const last = status.value;
  if (last === null) return tick.value - startedAt;
  const since = Math.max(0, tick.value - last.atMs);
  // A service that never had a reading is as stale as the page is old.
  return last.status.data_age_ms === null ? tick.value - startedAt : last.status.data_age_ms + since;
});
export const fresh = computed(() => freshness(dataAgeMs.value));
export const learning = computed(() => status.value?.status.learning ?? []);
export const troubles = computed(() => status.value?.status.checks.filter((c) => !c.ready) ?? []);

const sorted = computed(() => [...alerts.value.values()].sort(compareAlerts));
export const openAlerts = computed(() => sorted.value.filter((a) => isOpen(a) && !isAside(a)));
export const asideAlerts = computed(() => sorted.value.filter((a) => isOpen(a) && isAside(a)));
export const closedAlerts = computed(() =>
  sorted.value.filter((a) => !isOpen(a)).sort((a, b) => (b.closed_at ?? 0) - (a.closed_at ?? 0)),
);
export const unacked = computed(() => openAlerts.value.filter((a) => !a.acked));
export const shownAlerts = computed(() =>
  tab.value === "search"
    ? []
    : tab.value === "open"
      ? openAlerts.value
      : tab.value === "aside"
        ? asideAlerts.value
        : closedAlerts.value,
);
export const flood = computed(() => recentCount(openAlerts.value, nowMs.value));
export const selectedAlert = computed(() => {
  const chosen = selection.value;
  return chosen?.type === "alert" ? (alerts.value.get(chosen.id) ?? null) : null;
});

/** Where to search; null until it was asked for. */
export const searchList = signal<readonly CellBeliefWire[] | null>(null);

/** Asks for the list again; days go into it, so nobody misses the seconds between. */
export async function fetchSearchList(): Promise<void> {
  try {
    searchList.value = (await get<{ items: readonly CellBeliefWire[] }>("search-list?limit=12")).items;
  } catch (error) {
    notice.value = `The search list could not be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Asks for what a sensor's channels are like now, and when it was last heard. */
export async function fetchChannels(id: string): Promise<void> {
  let channels: readonly ChannelWire[];
  try {
    channels = await getAll<ChannelWire>(`channels?sensor=${encodeURIComponent(id)}&limit=500`);
  } catch {
    // The page says elsewhere that the service does not answer; what is shown stays, with the time it is of.
    return;
  }
  const before = sensors.value.get(id);
  if (before === undefined) return;
  const heard = channels.flatMap((c) => (c.t === null ? [] : [c.t]));
  const last = Math.max(...heard, before.last_seen_at ?? Number.NEGATIVE_INFINITY);
  const now = { ...before, channels, last_seen_at: Number.isFinite(last) ? last : null };
  sensors.value = new Map(sensors.value).set(id, now);
}

function apply(map: Map<string, Alert>, alert: Alert): void {
  const before = map.get(alert.id);
  if (before === undefined || before.version <= alert.version) map.set(alert.id, alert);
}

function announce(alert: Alert): void {
  if (alert.severity === "low" || alert.severity === "medium" || isAside(alert)) return;
  announcement.value = `New ${alert.severity} alert: ${alert.cell ?? alert.text}`;
}

/** Events that came while the state was being fetched. */
let pending: AlertChange[] | null = null;

async function fetchState(): Promise<void> {
  pending = [];
  try {
    const [siteNow, zonesNow, open, closed, sensorsNow] = await Promise.all([
      get<SiteWire>("site"),
      getAll<ZoneWire>("zones?limit=2000"),
      getAll<Alert>("alerts?state=open&limit=500"),
      get<{ items: readonly Alert[] }>("alerts?state=closed&limit=50"),
      getAll<SensorWire>("sensors?limit=500"),
    ]);
    const map = new Map<string, Alert>();
    for (const alert of [...open, ...closed.items]) apply(map, alert);
    for (const change of pending) apply(map, change.after);
    batch(() => {
      site.value = siteNow;
      zones.value = zonesNow;
      alerts.value = map;
      sensors.value = new Map(sensorsNow.map((s) => [s.id, s]));
      keepSelection();
    });
  } finally {
    pending = null;
  }
}

/** The first alert is chosen by itself, so that A acknowledges without a search; a person's choice stays. */
function keepSelection(): void {
  const chosen = selection.value;
  if (chosen?.type === "sensor") return;
  if (chosen !== null && shownAlerts.value.some((a) => a.id === chosen.id)) return;
  const first = shownAlerts.value[0];
  selection.value = first === undefined ? null : { type: "alert", id: first.id };
}

function onAlert(change: AlertChange): void {
  if (pending !== null) {
    pending.push(change);
    return;
  }
  const map = new Map(alerts.value);
  apply(map, change.after);
  // Closed ones are kept for a look back, not for ever.
  const closed = [...map.values()].filter((a) => !isOpen(a)).sort((a, b) => (a.closed_at ?? 0) - (b.closed_at ?? 0));
  for (const old of closed.slice(0, Math.max(0, closed.length - 200))) map.delete(old.id);
  batch(() => {
    alerts.value = map;
    keepSelection();
    if (change.type === "new") announce(change.after);
  });
}

function onEvent(event: string, data: unknown): void {
  if (event === "alert") onAlert(data as AlertChange);
  else if (event === "status") {
    batch(() => {
      tick.value = performance.now();
      status.value = { status: data as StatusWire, atMs: tick.value };
      connected.value = true;
    });
  } else if (event === "sensors") {
    const map = new Map(sensors.value);
    for (const change of (data as { sensors: { id: string; state: SensorStateName; last_seen_at: number | null }[] })
      .sensors) {
      const before = map.get(change.id);
      if (before !== undefined) map.set(change.id, { ...before, ...change });
    }
    sensors.value = map;
  } else if (event === "hello" && !(data as { resumed: boolean }).resumed) {
    fetchState().catch((error: unknown) => {
      // Without the state the picture would be wrong: come back and try again.
      notice.value = `The state could not be read: ${error instanceof Error ? error.message : String(error)}`;
      setTimeout(() => onEvent("hello", { resumed: false }), 2000);
    });
  }
}

export function start(): void {
  setInterval(() => {
    tick.value = performance.now();
  }, 500);
  connect();
}

function connect(): void {
  void stream({
    onEvent,
    onLost(error) {
      connected.value = false;
      if (error?.status === 401) tokenNeeded.value = error.code === "token-wrong" ? "wrong" : "asked";
    },
  });
}

export function useToken(token: string): void {
  saveToken(token);
  tokenNeeded.value = "no";
  connect();
}

export function setOperator(name: string): void {
  operator.value = name;
  localStorage.setItem("cellward-operator", name);
}

export function setTheme(name: "dark" | "light"): void {
  theme.value = name;
  localStorage.setItem("cellward-theme", name);
}

export function select(next: Selection): void {
  selection.value = next;
  dialog.value = "none";
}

/** Chooses the alert so many rows further in the list. */
export function move(by: number): void {
  const list = shownAlerts.value;
  if (list.length === 0) return;
  const at = list.findIndex((a) => a.id === selectedAlert.value?.id);
  const next = list[Math.min(list.length - 1, Math.max(0, at < 0 ? 0 : at + by))]!;
  select({ type: "alert", id: next.id });
}

/** Something that belongs to the chosen alert is being filled in. */
const isForm = () => dialog.value === "shelve" || dialog.value === "close";

async function act(alert: Alert, verb: string, body: Record<string, unknown>): Promise<void> {
  const by = operator.value.trim() || "control room";
  try {
    const answer = await post<{ alert: Alert }>(`alerts/${encodeURIComponent(alert.id)}/${verb}`, {
      version: alert.version,
      by,
      ...body,
    });
    const map = new Map(alerts.value);
    apply(map, answer.alert);
    batch(() => {
      alerts.value = map;
      notice.value = "";
      if (!isForm() || dialog.value === verb) dialog.value = "none";
      keepSelection();
    });
  } catch (error) {
    notice.value =
      error instanceof ApiError && error.code === "version-stale"
        ? "The alert changed in that moment. Look again, then press again."
        : `That did not work: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Acknowledges and moves on to the next alert that waits. */
export async function acknowledge(alert: Alert): Promise<void> {
  if (alert.acked || alert.closed_at !== null) return;
  await act(alert, "ack", {});
  // A form that was opened meanwhile, as the stream may be ahead of the answer, stays with its alert.
  if (alerts.value.get(alert.id)?.acked && selectedAlert.value?.id === alert.id && !isForm()) {
    const next = unacked.value[0];
    if (next !== undefined) select({ type: "alert", id: next.id });
  }
}
export function shelve(alert: Alert, minutes: number, why: string): Promise<void> {
  return act(alert, "shelve", { until: Math.round(nowMs.value + minutes * 60_000) - 1000, reason: why });
}
export function unshelve(alert: Alert): Promise<void> {
  return act(alert, "unshelve", {});
}
export function close(alert: Alert, outcome: string): Promise<void> {
  return act(alert, "close", { outcome });
}
