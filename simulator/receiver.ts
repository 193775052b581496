/**
 * What the sensors measure: a scanning receiver with thermal noise of the right number of looks, dwells that meet bursts
 * or miss them, fading from burst to burst, gain error, drift with temperature, quantisation and saturation.
 *
 * Cost: a quiet channel is one random word and two table look-ups; a channel that hears something is worked out dwell by
 * dwell.
 */
import { readFileSync } from "node:fs";
import { AirMap } from "./bursts.ts";
import { LookTable, lookTable, riceTable, TABLE_SIZE } from "./noise.ts";
import { type Prng, stream } from "./prng.ts";
import type { Radio } from "./radio.ts";
import { type Scenario, ScenarioError } from "./scenario.ts";
import type { SimSite } from "./site.ts";
import type { Episode } from "./world.ts";

export interface ReceiverSpec {
  readonly period_ms: number;
  readonly dwell_ms: number;
  readonly revisit_ms: number;
  readonly rbw_hz: number;
  readonly nf_db: number;
  /** Independent looks averaged in one reading. */
  readonly looks: number;
  readonly quant_db: number;
  readonly saturation_dbm: number;
  readonly gain_sigma_db: number;
  readonly ambient_sigma_db: number;
  readonly drift_db_per_k: number;
  /** Half of the difference between the warmest and the coldest hour, K. */
  readonly swing_k: number;
  readonly clock_ppm: number;
  readonly fields: readonly ("rms" | "peak" | "duty")[];
}

const PROFILES = (
  JSON.parse(readFileSync(new URL("./data/receivers.json", import.meta.url), "utf8")) as {
    profiles: Record<string, ReceiverSpec>;
  }
).profiles;

/** The receiver of a scenario: its profile with what the scenario says otherwise. */
export function receiverSpec(scenario: Scenario): ReceiverSpec {
  const { profile, ...own } = scenario.receiver;
  const base = PROFILES[profile];
  if (!base) throw new ScenarioError(`no receiver profile '${profile}'; known: ${Object.keys(PROFILES).join(", ")}`);
  const set = Object.fromEntries(Object.entries(own).filter(([, v]) => v !== undefined));
  const spec = { ...base, ...set };
  if (spec.revisit_ms > spec.period_ms) {
    throw new ScenarioError(`receiver: revisit_ms ${spec.revisit_ms} is longer than period_ms ${spec.period_ms}`);
  }
  return spec;
}

/**
 * Below this ratio single dwells cannot be told from noise, so the share of the period on the air stands for what the
 * dwells meet: it is worked out once an episode and period instead of once a dwell.
 */
const WEAK = 10 ** (-3 / 10);
/** A signal weaker than this below the noise is left out: it moves a reading's mean by 0.14 dB at the most. */
const NEGLIGIBLE_DB = -15;
const DAY_MS = 86_400_000;
/** Maps of on-air time reach so far beyond the two periods that a slot's readings look at. */
const MARGIN_MS = 30;

export class Receiver {
  readonly spec: ReceiverSpec;
  readonly channels: number;
  /** First channel of each sensor; channels of a sensor follow the order of its bands. */
  readonly first: Int32Array;
  /** Results of `measure`, by channel, in tenths of a dB and hundredths of the dwell time. */
  readonly rms: Int16Array;
  readonly peak: Int16Array;
  readonly duty: Uint8Array;
  /** Reading level of the channel's noise without any signal, dBm. */
  readonly floorDbm: Float64Array;
  /** Added to the gain of every signal at a sensor, dB: faults set it. */
  readonly attenuationDb: Float64Array;
  /** Where the sensor really hangs, as the index of a sensor's place: faults set it. */
  readonly hangsAt: Int32Array;
  readonly temperatureC: Float64Array;
  /** Readings clipped since the last `takeSaturated`. */
  private readonly saturated: Int32Array;

  private readonly site: SimSite;
  private readonly radio: Radio;
  private readonly rng: Prng;
  private readonly noise: LookTable;
  private readonly rice: Float32Array;
  private readonly riceSteady: Float32Array;
  private readonly gainDb: Float64Array;
  private readonly baseDbm: Float64Array;
  private readonly thermalDbm: number;
  private readonly dwellPhase: Float64Array;
  private readonly revisit: Float64Array;
  private readonly tempPhase: Float64Array;
  private readonly channelOf: Int32Array;

  // Signals of the current period as linked lists by channel.
  private readonly head: Int32Array;
  private readonly touched: number[] = [];
  private next = new Int32Array(1024);
  private source = new Int32Array(1024);
  private snr = new Float64Array(1024);
  private links = 0;
  private active: readonly Episode[] = [];
  /** When each active episode is on the air from one period before to one after; filled at the first ask. */
  private readonly maps: { map: AirMap; filled: boolean }[] = [];
  private readonly grid: number;
  private mapsFrom = 0;
  private readonly heard: { map: AirMap[]; power: number[]; fade: Float32Array[] } = { map: [], power: [], fade: [] };

  constructor(site: SimSite, radio: Radio, spec: ReceiverSpec, riceK: number, seed: number) {
    this.site = site;
    this.radio = radio;
    this.spec = spec;
    this.rng = stream(seed, "noise");
    this.noise = lookTable(spec.looks);
    this.rice = riceTable(riceK);
    this.riceSteady = riceTable(30);
    this.grid = Math.min(0.25, spec.dwell_ms / 4);
    const n = site.sensors.length;
    const bands = site.bands.length;
    this.first = new Int32Array(n + 1);
    this.channelOf = new Int32Array(n * bands).fill(-1);
    site.sensors.forEach((s, i) => {
      const first = this.first[i] as number;
      this.first[i + 1] = first + s.bands.length;
      s.bands.forEach((b, j) => {
        this.channelOf[i * bands + b] = first + j;
      });
    });
    this.channels = this.first[n] as number;
    this.rms = new Int16Array(this.channels);
    this.peak = new Int16Array(this.channels);
    this.duty = new Uint8Array(this.channels);
    this.head = new Int32Array(this.channels).fill(-1);
    this.floorDbm = new Float64Array(this.channels);
    this.baseDbm = new Float64Array(this.channels);
    this.saturated = new Int32Array(n);
    this.attenuationDb = new Float64Array(n);
    this.hangsAt = Int32Array.from({ length: n }, (_, i) => i);
    this.temperatureC = new Float64Array(n);
    this.gainDb = new Float64Array(n);
    this.dwellPhase = new Float64Array(n);
    this.revisit = new Float64Array(n);
    this.tempPhase = new Float64Array(n);
    this.thermalDbm = -174 + 10 * Math.log10(spec.rbw_hz) + spec.nf_db;
    const hang = stream(seed, "sensors");
    for (let i = 0; i < n; i++) {
      this.gainDb[i] = spec.gain_sigma_db * hang.normal();
      this.dwellPhase[i] = hang.range(0, spec.revisit_ms);
      this.revisit[i] = spec.revisit_ms * (1 + spec.clock_ppm * 1e-6 * hang.normal());
      this.tempPhase[i] = hang.range(-0.1, 0.1);
      for (let c = this.first[i] as number; c < (this.first[i + 1] as number); c++) {
        // What leaks in from masts can only add to the thermal noise.
        this.baseDbm[c] =
          this.thermalDbm + Math.abs(spec.ambient_sigma_db * hang.normal()) + (this.gainDb[i] as number);
      }
    }
    this.warm(0);
  }

  /** Sets temperatures, and with them gains, for `t` ms after midnight; call it about once a minute. */
  warm(t: number): void {
    const { swing_k, drift_db_per_k } = this.spec;
    for (let i = 0; i < this.site.sensors.length; i++) {
      // Warmest at 15 h, coldest at 3 h.
      const swing = swing_k * Math.cos(2 * Math.PI * (t / DAY_MS - 0.625 + (this.tempPhase[i] as number)));
      this.temperatureC[i] = 22 + swing;
      for (let c = this.first[i] as number; c < (this.first[i + 1] as number); c++) {
        this.floorDbm[c] = (this.baseDbm[c] as number) - drift_db_per_k * swing;
      }
    }
  }

  /** Works out which channels hear which of the active episodes at time t. Replaces what was set before. */
  listen(active: readonly Episode[], t: number): void {
    for (const c of this.touched) this.head[c] = -1;
    this.touched.length = 0;
    this.links = 0;
    this.active = active;
    this.mapsFrom = t - this.spec.period_ms - MARGIN_MS;
    // Holes: an episode that no sensor has asked for yet has no map. forEach passes over them, for-of would not.
    this.maps.forEach((entry) => {
      entry.filled = false;
    });
    const bands = this.site.bands.length;
    const sensors = this.site.sensors.length;
    for (let e = 0; e < active.length; e++) {
      const episode = active[e] as Episode;
      const at = Math.min(Math.max(t, episode.start), episode.end);
      const gains = this.radio.gains(episode.placeAt(at), episode.band);
      const eirp = episode.powerDbm(at);
      for (let i = 0; i < sensors; i++) {
        const c = this.channelOf[i * bands + episode.band] as number;
        if (c < 0) continue;
        const gain = (gains[this.hangsAt[i] as number] as number) - (this.attenuationDb[i] as number);
        // Receiver gain moves signal and noise alike, so the ratio is that at the antenna.
        const snrDb = eirp + gain - ((this.baseDbm[c] as number) - (this.gainDb[i] as number));
        if (snrDb > NEGLIGIBLE_DB) this.link(c, e, 10 ** (snrDb / 10));
      }
    }
  }

  private link(channel: number, episode: number, snr: number): void {
    if (this.links === this.next.length) {
      this.next = grow(this.next, new Int32Array(2 * this.links));
      this.source = grow(this.source, new Int32Array(2 * this.links));
      this.snr = grow(this.snr, new Float64Array(2 * this.links));
    }
    if ((this.head[channel] as number) < 0) this.touched.push(channel);
    this.next[this.links] = this.head[channel] as number;
    this.source[this.links] = episode;
    this.snr[this.links] = snr;
    this.head[channel] = this.links++;
  }

  /** Measures every channel of a sensor for the period that ends at `ts` (simulated ms, true time). */
  measure(sensor: number, ts: number): void {
    const last = this.first[sensor + 1] as number;
    const step = this.spec.quant_db * 10;
    const { rms, peak, floorDbm, noise, rng } = this;
    const top = this.spec.saturation_dbm * 10;
    for (let c = this.first[sensor] as number; c < last; c++) {
      if ((this.head[c] as number) >= 0) {
        this.hear(sensor, c, ts);
        continue;
      }
      const i = LookTable.index(rng.u32());
      const floor = floorDbm[c] as number;
      rms[c] = Math.round(((floor + (noise.meanDb[i] as number)) * 10) / step) * step;
      peak[c] = Math.min(top, Math.round(((floor + (noise.peakDb[i] as number)) * 10) / step) * step);
      this.duty[c] = 0;
    }
  }

  /** Sum of the weak signals of a channel as if spread over the period, in noise powers; -1 where one is not weak. */
  private weak(c: number, ts: number): number {
    const { period_ms } = this.spec;
    let sum = 0;
    for (let l = this.head[c] as number; l >= 0; l = this.next[l] as number) {
      const snr = this.snr[l] as number;
      if (snr > WEAK) return -1;
      sum += (snr * this.airOf(this.source[l] as number).overlap(ts - period_ms, ts)) / period_ms;
    }
    return sum;
  }

  /** Brings a channel's links into `heard`; returns how many there are. */
  private gather(c: number): number {
    const { map, power, fade } = this.heard;
    let n = 0;
    for (let l = this.head[c] as number; l >= 0; l = this.next[l] as number) {
      const e = this.source[l] as number;
      map[n] = this.airOf(e);
      power[n] = this.snr[l] as number;
      fade[n] = (this.active[e] as Episode).steady ? this.riceSteady : this.rice;
      n++;
    }
    return n;
  }

  /** The map of the e-th active episode. */
  private airOf(e: number): AirMap {
    const span = 2 * (this.spec.period_ms + MARGIN_MS) + this.spec.dwell_ms;
    while (this.maps.length <= e) this.maps.push({ map: new AirMap(span, this.grid), filled: false });
    const entry = this.maps[e] as (typeof this.maps)[number];
    if (!entry.filled) {
      entry.map.fill((this.active[e] as Episode).air, this.mapsFrom);
      entry.filled = true;
    }
    return entry.map;
  }

  private hear(sensor: number, c: number, ts: number): void {
    const weak = this.weak(c, ts);
    if (weak >= 0) {
      const i = LookTable.index(this.rng.u32());
      const lift = 10 * Math.log10(1 + weak);
      this.write(sensor, c, (this.noise.meanDb[i] as number) + lift, (this.noise.peakDb[i] as number) + lift, 0);
      return;
    }
    const { period_ms, dwell_ms, looks } = this.spec;
    const revisit = this.revisit[sensor] as number;
    const band = c - (this.first[sensor] as number);
    const count = (this.first[sensor + 1] as number) - (this.first[sensor] as number);
    // The receiver goes round its bands within a revisit.
    const phase = (this.dwellPhase[sensor] as number) + (band * this.spec.revisit_ms) / count;
    let dwells = 0;
    let hits = 0;
    let sum = 0;
    let top = 0;
    let air = 0;
    const links = this.gather(c);
    const { map, power, fade } = this.heard;
    const mask = TABLE_SIZE - 1;
    // The map blurs a burst's edges by up to a grid step; what touches less than half a step is taken as a miss.
    const touch = this.grid / 2;
    for (let k = Math.ceil((ts - period_ms - phase) / revisit); ; k++) {
      const t0 = phase + k * revisit;
      if (t0 >= ts) break;
      dwells++;
      let mean = 0;
      let crest = 0;
      for (let l = 0; l < links; l++) {
        const met = (map[l] as AirMap).overlap(t0, t0 + dwell_ms);
        if (met <= touch) continue;
        const now = (power[l] as number) * ((fade[l] as Float32Array)[this.rng.u32() & mask] as number);
        mean += (now * met) / dwell_ms;
        crest += now;
        air += met;
      }
      if (mean === 0) continue;
      hits++;
      sum += mean;
      if (crest > top) top = crest;
    }
    const i = LookTable.index(this.rng.u32());
    let level = this.noise.mean[i] as number;
    let peak = this.noise.peak[i] as number;
    if (hits > 0) {
      const s = sum / dwells;
      if (hits === dwells) level *= 1 + s;
      else
        level += s * (this.few(Math.max(1, (looks * hits) / dwells)).mean[LookTable.index(this.rng.u32())] as number);
      const crest = this.few(Math.max(1, looks / dwells)).peak[LookTable.index(this.rng.u32())] as number;
      peak = Math.max(peak, 1 + top * crest, level);
    }
    const duty = Math.min(100, Math.round((100 * air) / Math.max(1, dwells) / dwell_ms));
    this.write(sensor, c, 10 * Math.log10(level), 10 * Math.log10(peak), duty);
  }

  /** Files a reading of `rmsDb` and `peakDb` over the floor: quantised, clipped. */
  private write(sensor: number, c: number, rmsDb: number, peakDb: number, duty: number): void {
    const { quant_db, saturation_dbm } = this.spec;
    const floor = this.floorDbm[c] as number;
    const step = quant_db * 10;
    if (floor + peakDb > saturation_dbm) this.saturated[sensor] = (this.saturated[sensor] as number) + 1;
    this.rms[c] = Math.round((Math.min(saturation_dbm, floor + rmsDb) * 10) / step) * step;
    this.peak[c] = Math.round((Math.min(saturation_dbm, floor + peakDb) * 10) / step) * step;
    this.duty[c] = duty;
  }

  /** Tables for part of the looks; rounded so that few tables are ever made. */
  private few(looks: number): LookTable {
    return lookTable(
      looks < 8 ? Math.round(looks) : looks < 64 ? 4 * Math.round(looks / 4) : 64 * Math.round(looks / 64),
    );
  }

  /** How many readings of the sensor were clipped since the last call. */
  takeSaturated(sensor: number): number {
    const n = this.saturated[sensor] as number;
    this.saturated[sensor] = 0;
    return n;
  }

  /** Noise power at the antenna of every channel, dBm, by sensor and band; NaN where a sensor lacks the band. */
  antennaNoiseDbm(sensor: number, band: number): number {
    const c = this.channelOf[sensor * this.site.bands.length + band] as number;
    return c < 0 ? Number.NaN : (this.baseDbm[c] as number) - (this.gainDb[sensor] as number);
  }

  /** Gain error of a sensor, dB. */
  gainErrorDb(sensor: number): number {
    return this.gainDb[sensor] as number;
  }
}

function grow<T extends Int32Array | Float64Array>(old: T, wider: T): T {
  wider.set(old);
  return wider;
}
