/**
 * The audible alarm: one tone for severity high and critical, another for medium, none for low. It repeats until everything
 * that sounds is acknowledged. Browsers let a page sound only after a click, so it is armed by one, and says so while it
 * is not.
 */
import { computed, effect, signal } from "@preact/signals";
import { nowMs, unacked } from "./state.ts";

const REPEAT_MS = 4000;
/** Longer would be silence by accident. */
const MUTE_MS = 120_000;

/** Null until a person armed it. */
const audio = signal<AudioContext | null>(null);
const mutedUntil = signal(0);

export type SoundState = "off" | "on" | "muted";
export const soundState = computed<SoundState>(() =>
  audio.value === null ? "off" : mutedUntil.value > nowMs.value ? "muted" : "on",
);

/** What should sound now; changes only when the answer does. */
const wanted = computed<"none" | "urgent" | "notice">(() => {
  if (unacked.value.some((a) => a.severity === "critical" || a.severity === "high")) return "urgent";
  return unacked.value.some((a) => a.severity === "medium") ? "notice" : "none";
});

function tone(context: AudioContext, hz: number, afterS: number, lengthS: number): void {
  const oscillator = context.createOscillator();
  const gain = context.createGain();
  const begin = context.currentTime + afterS;
  oscillator.frequency.value = hz;
  // Soft edges: a hard switch clicks.
  gain.gain.setValueAtTime(0, begin);
  gain.gain.linearRampToValueAtTime(0.25, begin + 0.02);
  gain.gain.setValueAtTime(0.25, begin + lengthS - 0.03);
  gain.gain.linearRampToValueAtTime(0, begin + lengthS);
  oscillator.connect(gain).connect(context.destination);
  oscillator.start(begin);
  oscillator.stop(begin + lengthS);
}

function play(context: AudioContext, what: "urgent" | "notice"): void {
  if (what === "notice") {
    tone(context, 520, 0, 0.25);
    return;
  }
  for (const [i, hz] of [880, 660, 880].entries()) tone(context, hz, i * 0.22, 0.2);
}

/** Arms it with a test tone; armed, it mutes for two minutes; muted, it sounds again. */
export function pressSound(): void {
  if (audio.value === null) {
    audio.value = new AudioContext();
    tone(audio.value, 520, 0, 0.2);
  } else mutedUntil.value = mutedUntil.value > nowMs.value ? 0 : nowMs.value + MUTE_MS;
}

effect(() => {
  const context = audio.value;
  const what = wanted.value;
  if (context === null || what === "none" || soundState.value !== "on") return;
  play(context, what);
  const timer = setInterval(() => play(context, what), REPEAT_MS);
  return () => clearInterval(timer);
});
