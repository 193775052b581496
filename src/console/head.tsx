/** The top of the page: is what I see true, how much waits, who am I. */
import { pressSound, soundState } from "./sound.ts";
import {
  connected,
  dataAgeMs,
  dialog,
  flood,
  fresh,
  learning,
  nowMs,
  openAlerts,
  operator,
  sensors,
  setOperator,
  setTheme,
  site,
  status,
  theme,
  troubles,
  unacked,
} from "./state.ts";
import { ageWords, FLOOD_COUNT, learningWords, sensorTrouble } from "./words.ts";

function Age() {
  const level = fresh.value;
  const never = status.value === null || status.value.status.data_age_ms === null;
  const seconds = dataAgeMs.value / 1000;
  const age = seconds < 60 ? `${seconds < 10 ? seconds.toFixed(1) : Math.floor(seconds)} s` : ageWords(dataAgeMs.value);
  const words =
    level === "live"
      ? never
        ? "Waiting for data"
        : `Live · data ${age} old`
      : level === "late"
        ? `Data late: ${age} old`
        : never
          ? "NO LIVE DATA"
          : `NO LIVE DATA for ${age}`;
  return (
    <span class={`age is-${level}`} id="age">
      <span class="age-dot" aria-hidden="true" />
      {words}
    </span>
  );
}

export function Header() {
  const waiting = unacked.value.length;
  const trouble = sensorTrouble([...sensors.value.values()].map((s) => s.state));
  const here = site.value;
  const time = new Intl.DateTimeFormat("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZone: here?.timezone ?? "UTC",
  }).format(nowMs.value);
  return (
    <header>
      <h1>
        Cellward <span>{here?.name ?? ""}</span>
      </h1>
      <Age />
      <span class={`count ${waiting > 0 ? "is-waiting" : ""}`}>
        {waiting > 0 ? <strong>{waiting} to acknowledge</strong> : "None waiting"} · {openAlerts.value.length} open
      </span>
      {trouble !== "" && <span class="trouble">Sensors: {trouble}</span>}
      <span class="spacer" />
      <time>{time}</time>
      <label class="operator">
        <span>On duty</span>
        <input
          maxLength={64}
          placeholder="name"
          value={operator.value}
          onInput={(e) => setOperator(e.currentTarget.value)}
        />
      </label>
      <button
        type="button"
        class={`sound is-${soundState.value}`}
        title={soundState.value === "off" ? "Browsers sound only after a click" : "Mutes for two minutes at most"}
        onClick={pressSound}
      >
        {soundState.value === "off"
          ? "Sound off: arm"
          : soundState.value === "on"
            ? "Mute 2 min"
            : "Muted: sound again"}
      </button>
      <button type="button" onClick={() => setTheme(theme.value === "dark" ? "light" : "dark")}>
        {theme.value === "dark" ? "Light" : "Dark"}
      </button>
      <button
        type="button"
        aria-expanded={dialog.value === "help"}
        onClick={() => (dialog.value = dialog.value === "help" ? "none" : "help")}
      >
        Keys
      </button>
    </header>
  );
}

/** What is wrong with the service itself; nothing when all is well. */
export function Banners() {
  const many = flood.value > FLOOD_COUNT;
  const cutOff = !connected.value && status.value !== null;
  return (
    <div class="banners">
      {cutOff && (
        <p class="banner bad" role="status">
          <strong>No connection to the service.</strong> Trying again; what you see is old.
        </p>
      )}
      {learning.value.length > 0 && (
        <p class="banner bad" role="status" id="learning">
          <strong>Learning: phones raise no alarm.</strong>{" "}
          {learningWords(learning.value, site.value?.timezone ?? "UTC")}
        </p>
      )}
      {troubles.value.map((check) => (
        <p key={check.name} class="banner" role="status">
          <strong>{check.name} not ready.</strong> {check.detail}
        </p>
      ))}
      {many && (
        <p class="banner" role="status">
          <strong>{flood.value} alerts in ten minutes.</strong> {byFloor()}
        </p>
      )}
    </div>
  );
}

/** "Floor 0: 7, floor 1: 5" of the open alerts. */
function byFloor(): string {
  const counts = new Map<string, number>();
  for (const alert of openAlerts.value) {
    const place = [alert.block, alert.position?.floor].filter((x) => x != null).join(" floor ") || "no place";
    counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  return `Open now: ${[...counts].map(([place, n]) => `${place}: ${n}`).join(", ")}.`;
}
