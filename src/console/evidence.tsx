/** Why the chosen alert stands: who heard it and how loud, where it can be, and what a person may do about it. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { SeverityMark } from "./shapes.tsx";
import { Spark } from "./spark.tsx";
import {
  acknowledge,
  close,
  dialog,
  fetchChannels,
  notice,
  nowMs,
  selectedAlert,
  selection,
  sensors,
  shelve,
  site,
  unshelve,
} from "./state.ts";
import type { Alert } from "./wire.ts";
import {
  ageWords,
  bandWords,
  confidenceWords,
  isOutside,
  kindWords,
  lastWords,
  loudest,
  percent,
  placeP,
  placeWords,
  remarks,
  sensorStateWords,
  severityWords,
  stateByWords,
} from "./words.ts";

function clock(ms: number): string {
  const timeZone = site.value?.timezone ?? "UTC";
  return new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZone,
  }).format(ms);
}

function Bar({ share, tone }: { share: number; tone: string }) {
  return (
    <svg class={`bar ${tone}`} viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <rect class="bar-back" width="100" height="8" />
      <rect class="bar-fill" width={Math.max(0.5, Math.min(100, share * 100))} height="8" />
    </svg>
  );
}

/** What a full bar stands for, unless a sensor hears more than that: then that is full, and the others fall short of it. */
const BAR_DB = 60;
/** Values of a chosen sensor are asked for again so often: the stream tells of its state only when it changes. */
const SENSOR_REFRESH_MS = 2000;

function Heard({ alert }: { alert: Alert }) {
  const list = loudest(alert);
  const full = Math.max(BAR_DB, list[0]?.excess_db ?? 0);
  const picked = useSignal<string | null>(null);
  if (list.length === 0) return null;
  const key = (s: { sensor: string; band: string }) => `${s.sensor} ${s.band}`;
  const shown = list.find((s) => key(s) === picked.value) ?? list[0]!;
  return (
    <>
      <h3>Heard by</h3>
      <ul class="bars">
        {list.map((s) => (
          <li key={key(s)}>
            <button
              type="button"
              aria-pressed={s === shown}
              onClick={() => {
                picked.value = key(s);
              }}
            >
              <span class="bar-name">
                {s.sensor} <small>{bandWords(s.band)}</small>
              </span>
              <Bar share={s.excess_db / full} tone="loud" />
              <span class="bar-value">{s.excess_db.toFixed(0)} dB</span>
            </button>
          </li>
        ))}
      </ul>
      <Spark sensor={shown.sensor} band={shown.band} heardAt={alert.last_evidence_at} />
    </>
  );
}

function Where({ alert }: { alert: Alert }) {
  if (alert.candidates.length === 0) return null;
  const named = alert.candidates.slice(0, 6);
  const outside = alert.p_outside ?? 0;
  const away = isOutside(alert);
  const own = (cell: string) => cell === alert.cell;
  const left = Math.max(0, 1 - outside - named.reduce((sum, c) => sum + c.p, 0));
  return (
    <>
      <h3>Where it can be</h3>
      <ul class="bars">
        {named.map((c) => (
          <li key={c.cell} class={own(c.cell) ? "own" : ""}>
            <span class="bar-name">{c.cell}</span>
            <Bar share={c.p} tone={own(c.cell) ? "own" : "other"} />
            <span class="bar-value">{percent(c.p)}</span>
          </li>
        ))}
        <li class={away ? "own" : ""}>
          <span class="bar-name">outside</span>
          <Bar share={outside} tone={away ? "own" : "other"} />
          <span class="bar-value">{percent(outside)}</span>
        </li>
        {left >= 0.01 && (
          <li>
            <span class="bar-name">elsewhere</span>
            <Bar share={left} tone="other" />
            <span class="bar-value">{percent(left)}</span>
          </li>
        )}
      </ul>
    </>
  );
}

function ShelveForm({ alert }: { alert: Alert }) {
  const minutes = useSignal("30");
  const why = useSignal("");
  return (
    <form
      class="form"
      onSubmit={(e) => {
        e.preventDefault();
        void shelve(alert, Number(minutes.value), why.value);
      }}
    >
      <label>
        For
        <select value={minutes.value} onChange={(e) => (minutes.value = e.currentTarget.value)}>
          <option value="15">15 minutes</option>
          <option value="30">30 minutes</option>
          <option value="60">1 hour</option>
          <option value="240">4 hours</option>
          <option value="480">8 hours</option>
        </select>
      </label>
      <label>
        Because
        <input required maxLength={200} value={why.value} onInput={(e) => (why.value = e.currentTarget.value)} />
      </label>
      <button type="submit">Shelve</button>
      <button type="button" onClick={() => (dialog.value = "none")}>
        Cancel
      </button>
    </form>
  );
}

const OUTCOMES = [
  ["found", "Phone found"],
  ["not-found", "Searched, nothing found"],
  ["staff", "Staff device"],
  ["false", "False alert"],
  ["not-searched", "Not searched"],
] as const;

function CloseForm({ alert }: { alert: Alert }) {
  return (
    <fieldset class="form">
      <legend>How did {placeWords(alert)} end?</legend>
      {OUTCOMES.map(([id, name]) => (
        <button type="button" key={id} onClick={() => void close(alert, id)}>
          {name}
        </button>
      ))}
      <button type="button" onClick={() => (dialog.value = "none")}>
        Cancel
      </button>
    </fieldset>
  );
}

function Actions({ alert }: { alert: Alert }) {
  if (alert.closed_at !== null) return null;
  return (
    <div class="actions">
      {!alert.acked && (
        <button type="button" class="primary" onClick={() => void acknowledge(alert)}>
          Acknowledge <kbd>A</kbd>
        </button>
      )}
      {alert.shelved_until === null ? (
        <button type="button" aria-expanded={dialog.value === "shelve"} onClick={() => (dialog.value = "shelve")}>
          Shelve <kbd>S</kbd>
        </button>
      ) : (
        <button type="button" onClick={() => void unshelve(alert)}>
          Take back from shelf
        </button>
      )}
      <button type="button" aria-expanded={dialog.value === "close"} onClick={() => (dialog.value = "close")}>
        Close <kbd>C</kbd>
      </button>
      {dialog.value === "shelve" && <ShelveForm alert={alert} />}
      {dialog.value === "close" && <CloseForm alert={alert} />}
    </div>
  );
}

function Facts({ alert }: { alert: Alert }) {
  const e = alert.evidence;
  return (
    <dl class="facts">
      <dt>Opened</dt>
      <dd>
        {clock(alert.opened_at)} ({ageWords(nowMs.value - alert.opened_at)} ago)
      </dd>
      <dt>{lastWords(alert)}</dt>
      <dd>
        {clock(alert.last_evidence_at)}
        {alert.active ? "" : alert.kind === "phone-active" ? ", silent since" : ", over since"}
      </dd>
      {e !== null && (
        <>
          <dt>Strength of evidence</dt>
          <dd title="Summed log-likelihood ratio, nats, against the threshold">
            {e.llr.toFixed(0)} of {e.threshold.toFixed(0)} needed
          </dd>
          <dt>Chance</dt>
          <dd>about {e.false_alarms_per_day} false alerts a day at this threshold</dd>
        </>
      )}
      {alert.shelved_until !== null && (
        <>
          <dt>Shelved until</dt>
          <dd>{clock(alert.shelved_until)}</dd>
        </>
      )}
    </dl>
  );
}

function AlertEvidence({ alert }: { alert: Alert }) {
  const p = placeP(alert);
  return (
    <>
      <div class="evidence-head">
        <SeverityMark severity={alert.severity} size={34} />
        <div>
          <h2>{placeWords(alert)}</h2>
          <p>
            {kindWords(alert)} · {severityWords(alert)} · {stateByWords(alert)}
            {p === null ? "" : ` · ${confidenceWords(p)} (${percent(p)})`}
          </p>
        </div>
      </div>
      {notice.value !== "" && (
        <p class="notice" role="status">
          {notice.value}
        </p>
      )}
      {remarks(alert, clock).map((words) => (
        <p key={words} class="remark">
          {words}
        </p>
      ))}
      <Actions alert={alert} />
      <Where alert={alert} />
      <Heard key={alert.id} alert={alert} />
      <Facts alert={alert} />
    </>
  );
}

function SensorEvidence({ id }: { id: string }) {
  const sensor = sensors.value.get(id);
  const band = useSignal<string | null>(null);
  useEffect(() => {
    void fetchChannels(id);
    const timer = setInterval(() => void fetchChannels(id), SENSOR_REFRESH_MS);
    return () => clearInterval(timer);
  }, [id]);
  if (sensor === undefined) return null;
  const shown = sensor.channels.find((c) => c.band === band.value)?.band ?? sensor.channels[0]?.band;
  return (
    <>
      <div class="evidence-head">
        <div>
          <h2>{sensor.id}</h2>
          <p>
            Sensor · {sensorStateWords(sensor.state)}
            {sensor.last_seen_at === null ? "" : ` · last seen ${clock(sensor.last_seen_at)}`}
          </p>
        </div>
      </div>
      <ul class="bars">
        {sensor.channels.map((c) => (
          <li key={c.band}>
            <button
              type="button"
              aria-pressed={c.band === shown}
              onClick={() => {
                band.value = c.band;
              }}
            >
              <span class="bar-name">{bandWords(c.band)}</span>
              <Bar share={(c.excess_db ?? 0) / BAR_DB} tone={c.hot ? "loud" : "other"} />
              <span class="bar-value">{c.status}</span>
            </button>
          </li>
        ))}
      </ul>
      {shown !== undefined && <Spark key={`${id} ${shown}`} sensor={id} band={shown} />}
    </>
  );
}

export function Evidence() {
  const chosen = selection.value;
  const alert = selectedAlert.value;
  if (chosen?.type === "sensor") {
    return (
      <section class="evidence" aria-label="Sensor">
        <SensorEvidence key={chosen.id} id={chosen.id} />
      </section>
    );
  }
  if (alert === null) return null;
  return (
    <section class="evidence" aria-label="Evidence">
      <AlertEvidence alert={alert} />
    </section>
  );
}
