/**
 * The simulator's door. `simulate(scenario, seed)` gives a site, the truth and a lazy stream of the MQTT messages that
 * the sensors of that site would send. The same scenario and seed give the same bytes.
 */
import type { TruthEpisode } from "../src/contracts.ts";
import { Engine, type SimMessage } from "./engine.ts";
import { Faults } from "./faults.ts";
import { type Place, RADIO_DEFAULTS, Radio, type RadioSpec } from "./radio.ts";
import { Receiver, type ReceiverSpec, receiverSpec } from "./receiver.ts";
import {
  loadScenario,
  parseScenario,
  type Scenario,
  ScenarioError,
  type ScenarioInput,
  scenarioNames,
} from "./scenario.ts";
import { makeSite, readSite, type SimSite } from "./site.ts";
import { type Episode, World } from "./world.ts";

export type { Scenario, ScenarioInput, SimMessage, TruthEpisode };
export { ScenarioError, scenarioNames };

export interface SimulateOptions {
  /** Epoch ms of the simulation's time 0; the scenario's `start` where not given. */
  readonly startMs?: number;
  /** Ends after so long instead of after the scenario's own length; cycles repeat with new chance where it is longer. */
  readonly durationS?: number;
  /** Instants a `readings` message; 1: single `reading` messages. The scenario's own where not given. */
  readonly batch?: number;
  /** Text of the site file of a scenario that names one and was not loaded by name. */
  readonly siteText?: string;
}

/** What the world is really like: for the exact limits beside the scores, never for a detector or localiser. */
export interface Physics {
  readonly site: SimSite;
  readonly radio: Radio;
  readonly receiver: ReceiverSpec;
  /** Ratio of steady to scattered power of the burst fading. */
  readonly riceK: number;
  /** Mean gain to every sensor (site order, rf sensors only), dB, with shadowing, without the sensors' gain errors. */
  gainDb(place: Place, band: string): Float64Array;
  /** The same without shadowing: what a perfect floor plan would predict. */
  planGainDb(place: Place, band: string): Float64Array;
  /** A point on a floor (id, or null outside), `heightM` above it. */
  place(xM: number, yM: number, floor: string | null, heightM?: number): Place;
  /** Noise power at the antenna, dBm; NaN where the sensor lacks the band. */
  noiseDbm(sensor: number, band: string): number;
  gainErrorDb(sensor: number): number;
}

export interface Simulation {
  readonly scenario: Scenario;
  readonly seed: number;
  readonly startMs: number;
  /** Infinity for a looping scenario without a stated duration. */
  readonly endMs: number;
  /** The site file's text. */
  readonly site: string;
  readonly siteId: string;
  /**
   * Episodes in order of start, as the truth file has them, with `source` ("jammer", "repeater", "mast") on what is no
   * phone and `path` ([epoch ms, x, y], about each second) on what moves. An endless simulation appends a cycle's episodes when its messages reach the cycle. */
  readonly truth: TruthEpisode[];
  /** Faults that were put to work. */
  readonly faults: ReturnType<Faults["describe"]>;
  readonly physics: Physics;
  /** All messages in order of arrival, births first. Each call begins anew with the same bytes. */
  messages(): Generator<SimMessage>;
}

/** Radio parameters of a scenario over the defaults. */
function radioSpec(scenario: Scenario): RadioSpec {
  const r = scenario.radio;
  const d = RADIO_DEFAULTS;
  return {
    ...d,
    wallOffsetDb: r.wall_offset_db ?? d.wallOffsetDb,
    doorPath: r.door_path ?? d.doorPath,
    shadow: {
      sigmaDb: r.shadow_sigma_db ?? d.shadow.sigmaDb,
      dTxM: r.shadow_tx_m ?? d.shadow.dTxM,
      dRxM: r.shadow_rx_m ?? d.shadow.dRxM,
      bandRho: r.band_rho ?? d.shadow.bandRho,
    },
  };
}

/** Epoch ms of `2026-03-02T08:00:00Z`. Days from the civil date by Howard Hinnant's algorithm. */
function epochMs(iso: string): number {
  const [y = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = (iso.match(/\d+/g) ?? []).map(Number);
  const year = month <= 2 ? y - 1 : y;
  const era = Math.floor(year / 400);
  const ofEra = year - era * 400;
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const days = era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468;
  return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000;
}

/** Rice factor of a phone in a hand in a small room [assumption: some line of sight, 4 to 5 dB of spread a burst]. */
const RICE_K = 3;

/**
 * Sets up a simulation. Cheap; the work is done as messages are drawn.
 *
 * @param scenario name in the library, path of a scenario file, or the scenario itself
 * @param seed any integer
 * Errors: `ScenarioError` with every problem.
 */
export function simulate(scenario: string | ScenarioInput, seed: number, options: SimulateOptions = {}): Simulation {
  const loaded = typeof scenario === "string" ? loadScenario(scenario) : null;
  const plan = loaded?.scenario ?? parseScenario(scenario, "the scenario");
  const site = siteFor(plan, loaded?.siteText ?? options.siteText ?? null);
  if (site.sensors.length === 0) throw new ScenarioError("the site has no rf sensors");
  const startMs = options.startMs ?? epochMs(plan.start);
  const durationS = options.durationS ?? (plan.loop ? Number.POSITIVE_INFINITY : plan.duration_s);
  const endMs = startMs + durationS * 1000;
  const radio = new Radio(site, radioSpec(plan), seed);
  const spec = receiverSpec(plan);
  const riceK = plan.radio.rice_k ?? RICE_K;
  const world = new World(site, plan, seed);
  const cycleMs = (plan.duration_s + plan.rest_s) * 1000;
  const truth: TruthEpisode[] = [];
  let told = 0;
  let kept: { readonly n: number; readonly episodes: Episode[] } | null = null;
  const cycle = (n: number): Episode[] => {
    if (kept?.n === n) return kept.episodes;
    const episodes = world.episodes(n, n * cycleMs, startMs).filter((e) => startMs + e.start < endMs);
    if (n === told) {
      told++;
      for (const e of episodes) truth.push(e.truth.end <= endMs ? e.truth : { ...e.truth, end: endMs });
    }
    kept = { n, episodes };
    return episodes;
  };
  const all = Number.isFinite(durationS) ? Math.ceil((durationS * 1000) / cycleMs) : 1;
  for (let n = 0; n < all; n++) cycle(n);
  const receiver = (): Receiver => new Receiver(site, radio, spec, riceK, seed);
  const batch = options.batch ?? plan.batch;
  return {
    scenario: plan,
    seed,
    startMs,
    endMs,
    site: site.text,
    siteId: site.id,
    truth,
    faults: new Faults(site, plan, seed).describe(),
    physics: physics(site, radio, receiver, spec, riceK),
    messages: () =>
      new Engine({
        site,
        scenario: plan,
        seed,
        receiver: receiver(),
        startMs,
        endMs,
        batch,
        cycle,
        cycleMs,
      }).messages(),
  };
}

function siteFor(plan: Scenario, text: string | null): SimSite {
  if ("generate" in plan.site) return makeSite(plan.site.generate);
  if (text === null) throw new ScenarioError("the scenario names a site file; give its text as siteText");
  return readSite(text);
}

function physics(site: SimSite, radio: Radio, open: () => Receiver, spec: ReceiverSpec, riceK: number): Physics {
  let receiver: Receiver | null = null;
  const opened = (): Receiver => {
    receiver ??= open();
    return receiver;
  };
  const bandOf = (id: string): number => {
    const band = site.bandIndex.get(id);
    if (band === undefined) throw new ScenarioError(`band '${id}' is not in the site's plan`);
    return band;
  };
  return {
    site,
    radio,
    receiver: spec,
    riceK,
    gainDb: (place, band) => radio.gains(place, bandOf(band)),
    planGainDb: (place, band) => radio.planGains(place, bandOf(band)),
    place: (x, y, floor, heightM) => radio.place(x, y, floor, heightM),
    noiseDbm: (sensor, band) => opened().antennaNoiseDbm(sensor, bandOf(band)),
    gainErrorDb: (sensor) => opened().gainErrorDb(sensor),
  };
}
