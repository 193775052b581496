/** The control-room page. */
import { effect, useSignal } from "@preact/signals";
import { render } from "preact";
import { Evidence } from "./evidence.tsx";
import { Banners, Header } from "./head.tsx";
import { AlertList } from "./list.tsx";
import { PlanView } from "./plan.tsx";
import { pressSound } from "./sound.ts";
import {
  acknowledge,
  announcement,
  dataAgeMs,
  dialog,
  fresh,
  move,
  select,
  selectedAlert,
  setTheme,
  site,
  start,
  status,
  theme,
  tokenNeeded,
  unacked,
  useToken,
} from "./state.ts";
import "./style.css";
import { ageWords } from "./words.ts";

function TokenForm() {
  const token = useSignal("");
  return (
    <form
      class="token"
      onSubmit={(e) => {
        e.preventDefault();
        if (token.value !== "") useToken(token.value);
      }}
    >
      <h1>Cellward</h1>
      <label>
        Access token
        <input
          type="password"
          autocomplete="off"
          value={token.value}
          onInput={(e) => (token.value = e.currentTarget.value)}
        />
      </label>
      {tokenNeeded.value === "wrong" && <p role="alert">That token is not the right one.</p>}
      <button type="submit">Open</button>
      <p>It is kept until this tab is closed.</p>
    </form>
  );
}

const KEYS = [
  ["J / K", "next / previous alert"],
  ["A", "acknowledge"],
  ["S", "shelve"],
  ["C", "close"],
  ["+ / − / 0", "zoom the plan, show all of it"],
  ["M", "arm the sound, mute it for two minutes"],
  ["T", "dark or light"],
  ["Esc", "back"],
] as const;

function Help() {
  return (
    <section class="help" aria-label="Keys">
      <dl>
        {KEYS.map(([key, what]) => (
          <>
            <dt key={key}>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </>
        ))}
      </dl>
    </section>
  );
}

function NoLiveData() {
  if (fresh.value !== "dead") return null;
  const never = status.value === null || status.value.status.data_age_ms === null;
  return (
    <div class="no-data" role="alert">
      <p>
        <strong>NO LIVE DATA</strong>
        <span>{never ? "nothing has arrived yet" : `last reading ${ageWords(dataAgeMs.value)} ago`}</span>
      </p>
    </div>
  );
}

function App() {
  if (tokenNeeded.value !== "no") return <TokenForm />;
  return (
    <>
      <Header />
      <Banners />
      <main class={site.value === null ? "loading" : ""}>
        <div class="map">
          <PlanView />
          <NoLiveData />
        </div>
        <div class="side">
          <AlertList />
          <Evidence />
        </div>
      </main>
      {dialog.value === "help" && <Help />}
      <div class="unseen" role="alert">
        {announcement}
      </div>
    </>
  );
}

function onKey(e: KeyboardEvent): void {
  if (e.ctrlKey || e.metaKey || e.altKey || tokenNeeded.value !== "no") return;
  const target = e.target as HTMLElement;
  if (e.key === "Escape") {
    if (dialog.value !== "none") dialog.value = "none";
    else select(null);
    target.blur();
    return;
  }
  if (target.closest("input, select, textarea") !== null) return;
  const alert = selectedAlert.value;
  const keys: Readonly<Record<string, () => void>> = {
    j: () => move(1),
    k: () => move(-1),
    a: () => alert !== null && void acknowledge(alert),
    s: () => show("shelve"),
    c: () => show("close"),
    m: pressSound,
    t: () => setTheme(theme.value === "dark" ? "light" : "dark"),
    "?": () => show("help"),
    "+": () => press("Zoom in"),
    "=": () => press("Zoom in"),
    "-": () => press("Zoom out"),
    "0": () => document.getElementById("plan-fit")?.click(),
  };
  const action = keys[e.key.toLowerCase()];
  if (action === undefined) return;
  e.preventDefault();
  action();
}

/** Opens a form of the chosen alert, or the list of keys; the same key again closes it. */
function show(name: "shelve" | "close" | "help"): void {
  if (name !== "help" && (selectedAlert.value === null || selectedAlert.value.closed_at !== null)) return;
  dialog.value = dialog.value === name ? "none" : name;
}

function press(label: string): void {
  document.querySelector<HTMLButtonElement>(`.plan-tools button[aria-label="${label}"]`)?.click();
}

effect(() => {
  document.documentElement.dataset.theme = theme.value;
});
effect(() => {
  const waiting = unacked.value.length;
  const name = site.value === null ? "Cellward" : `${site.value.name} · Cellward`;
  document.title = fresh.value === "dead" ? `NO DATA · ${name}` : waiting > 0 ? `(${waiting}) ${name}` : name;
});
document.addEventListener("keydown", onKey);
render(<App />, document.getElementById("app")!);
start();
