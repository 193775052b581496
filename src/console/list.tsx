/** The alerts as a list: what waits longest and matters most stands on top. */
import { SearchList } from "./searches.tsx";
import { SeverityMark } from "./shapes.tsx";
import {
  acknowledge,
  asideAlerts,
  closedAlerts,
  fresh,
  learning,
  nowMs,
  openAlerts,
  select,
  selection,
  sensors,
  shownAlerts,
  type Tab,
  tab,
  troubles,
  unacked,
} from "./state.ts";
import type { Alert } from "./wire.ts";
import {
  activityWords,
  ageWords,
  isOutside,
  kindWords,
  percent,
  placeP,
  placeWords,
  reason,
  sensorTrouble,
  severityWords,
  stateByWords,
} from "./words.ts";

function others(alert: Alert): string {
  const away = isOutside(alert);
  const list = alert.candidates.filter((c) => c.cell !== alert.cell).slice(0, 3);
  const words = list.map((c) => `${c.cell} ${percent(c.p)}`);
  if (!away && alert.p_outside !== null && alert.p_outside >= 0.01) words.push(`outside ${percent(alert.p_outside)}`);
  return words.join(" · ");
}

function Row({ alert }: { alert: Alert }) {
  const chosen = selection.value?.type === "alert" && selection.value.id === alert.id;
  const waiting = !alert.acked && alert.closed_at === null;
  const p = placeP(alert);
  const rest = others(alert);
  return (
    <li class={`row sev-${alert.severity} ${waiting ? "waiting" : ""} ${chosen ? "chosen" : ""}`} data-alert={alert.id}>
      <button
        type="button"
        class="row-main"
        aria-current={chosen ? "true" : undefined}
        onClick={() => select({ type: "alert", id: alert.id })}
      >
        <SeverityMark severity={alert.severity} />
        <span class="row-text">
          <span class="row-top">
            <strong class="row-cell">{placeWords(alert)}</strong>
            {p !== null && <span class="row-p">{percent(p)}</span>}
            <span class="row-activity">{activityWords(alert) || kindWords(alert)}</span>
            <span class="row-age" title="Since it was opened">
              {ageWords(nowMs.value - alert.opened_at)}
            </span>
          </span>
          {(chosen || rest === "") && <span class="row-reason">{reason(alert)}</span>}
          <span class="row-state">
            {severityWords(alert)} · {stateByWords(alert)}
            {rest !== "" && <span class="row-others">or {rest}</span>}
          </span>
        </span>
      </button>
      {waiting && (
        <button
          type="button"
          class="ack"
          onClick={() => void acknowledge(alert)}
          aria-label={`Acknowledge ${placeWords(alert)}`}
        >
          Ack{chosen && <kbd>A</kbd>}
        </button>
      )}
    </li>
  );
}

const TABS: readonly { readonly id: Tab; readonly name: string }[] = [
  { id: "open", name: "Open" },
  { id: "aside", name: "Set aside" },
  { id: "closed", name: "Closed" },
  { id: "search", name: "Search" },
];

function countOf(id: Exclude<Tab, "search">): number {
  return (id === "open" ? openAlerts : id === "aside" ? asideAlerts : closedAlerts).value.length;
}

function Quiet() {
  const states = [...sensors.value.values()].map((s) => s.state);
  const watching = states.filter((s) => s === "ok").length;
  const trouble = sensorTrouble(states);
  // "Nothing" is only good news while someone is listening.
  if (fresh.value === "dead") {
    return <p class="quiet">No alerts were open when data stopped. Treat the house as unwatched.</p>;
  }
  if (fresh.value === "late" || troubles.value.length > 0 || watching === 0) {
    return (
      <p class="quiet">
        No open alerts, but the service does not hear everything now. {watching} of {states.length} sensors watching
        {trouble === "" ? "" : `; ${trouble}`} at the last word.
      </p>
    );
  }
  if (learning.value.length > 0) {
    return (
      <p class="quiet">
        No open alerts, and none of phones while {learning.value.map((l) => l.block).join(", ")} is learning. {watching}{" "}
        of {states.length} sensors watching{trouble === "" ? "." : `; ${trouble}.`}
      </p>
    );
  }
  return (
    <p class="quiet">
      Nothing to report. {watching} of {states.length} sensors watching{trouble === "" ? "." : `; ${trouble}.`}
    </p>
  );
}

export function AlertList() {
  return (
    <section class="list" aria-label="Alerts">
      <div class="list-head">
        <h2>Alerts</h2>
        <fieldset class="tabs" aria-label="Which alerts">
          {TABS.map((t) => (
            <button
              type="button"
              key={t.id}
              aria-pressed={tab.value === t.id}
              onClick={() => {
                tab.value = t.id;
                const first = shownAlerts.value[0];
                select(first === undefined ? null : { type: "alert", id: first.id });
              }}
            >
              {t.name}
              {t.id === "search" ? "" : ` ${countOf(t.id)}`}
            </button>
          ))}
        </fieldset>
      </div>
      {tab.value === "search" ? (
        <SearchList />
      ) : shownAlerts.value.length === 0 ? (
        tab.value === "open" ? (
          <Quiet />
        ) : (
          <p class="quiet">None.</p>
        )
      ) : (
        <ul class={`rows ${unacked.value.length > 0 ? "has-waiting" : ""}`}>
          {shownAlerts.value.map((alert) => (
            <Row key={alert.id} alert={alert} />
          ))}
        </ul>
      )}
    </section>
  );
}
