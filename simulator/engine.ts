/**
 * The run of a simulation: slot by slot (one reporting period) it asks the receiver for every sensor's reading and
 * writes the messages in order of their arrival. Memory does not grow with time.
 */
import { Faults, type SensorFaultState } from "./faults.ts";
import { type Prng, stream } from "./prng.ts";
import { Queue } from "./queue.ts";
import type { Receiver } from "./receiver.ts";
import { scanMessages } from "./scanners.ts";
import type { Scenario } from "./scenario.ts";
import type { SimSite } from "./site.ts";
import type { Episode } from "./world.ts";

/** One MQTT message as the broker hands it on. */
export interface SimMessage {
  /** Arrival, epoch ms. */
  readonly t: number;
  readonly topic: string;
  /** JSON text; bytes where a fault has broken it. */
  readonly payload: string | Uint8Array;
  readonly retain: boolean;
}

export interface EngineInput {
  readonly site: SimSite;
  readonly scenario: Scenario;
  readonly seed: number;
  readonly receiver: Receiver;
  readonly startMs: number;
  readonly endMs: number;
  readonly batch: number;
  /** From the begin of a cycle to that of the next. */
  readonly cycleMs: number;
  /** Episodes of a cycle; cycles are asked for in order. */
  cycle(n: number): readonly Episode[];
}

interface Run {
  readonly index: number;
  readonly id: string;
  readonly topic: string;
  /** Instant within the period, and how long after it the message arrives, ms. */
  readonly phase: number;
  readonly latency: number;
  boot: number;
  seq: number;
  bornMs: number;
  readonly faults: SensorFaultState | null;
  /** Instants collected for the next batch. */
  held: number;
  heldTs: number;
  readonly heads: readonly string[];
  readonly rms: Int16Array;
  readonly peak: Int16Array;
  readonly duty: Uint8Array;
  silent: boolean;
}

const LOWEST = -2500;
/** Texts of the tenths of a dB from -250 to +60 dBm. */
const NUM: readonly string[] = Array.from({ length: 3101 }, (_, i) => String((i + LOWEST) / 10));
const num = (tenths: number): string => NUM[tenths - LOWEST] ?? String(tenths / 10);
const HUNDREDTHS: readonly string[] = Array.from({ length: 101 }, (_, i) => String(i / 100));
const HEALTH_MS = 60_000;

export class Engine {
  private readonly in: EngineInput;
  private readonly runs: Run[];
  private readonly faults: Faults;
  private readonly queue = new Queue();
  private readonly base: string;
  private readonly withRms: boolean;
  private readonly withPeak: boolean;
  private readonly withDuty: boolean;
  private episodes: Episode[] = [];
  private nextEpisode = 0;
  private cycles = 0;
  private active: Episode[] = [];

  constructor(input: EngineInput) {
    this.in = input;
    const { site, scenario, seed, receiver } = input;
    this.base = `cellward/v1/${site.id}`;
    const fields = receiver.spec.fields;
    this.withRms = fields.includes("rms");
    this.withPeak = fields.includes("peak");
    this.withDuty = fields.includes("duty");
    this.faults = new Faults(site, scenario, seed);
    this.runs = this.makeRuns(stream(seed, "timing"));
  }

  private makeRuns(rng: Prng): Run[] {
    const { site, receiver, batch } = this.in;
    const period = receiver.spec.period_ms;
    const runs = site.sensors.map((s, index): Run => {
      const width = s.bands.length * batch;
      return {
        index,
        id: s.id,
        topic: `${this.base}/${s.block}/${s.id}`,
        phase: Math.floor(rng.uniform() * 0.85 * period),
        latency: Math.floor(Math.min(120, (0.02 + 0.1 * rng.uniform()) * period)),
        boot: 1 + rng.below(40),
        seq: 0,
        bornMs: 0,
        faults: this.faults.of(index),
        // Batches of different sensors end at different periods, so that the load is even.
        held: batch > 1 ? index % batch : 0,
        heldTs: 0,
        heads: s.bands.map((b, j) => `${j > 0 ? "," : ""}{"b":"${site.bands[b]?.id}"`),
        rms: new Int16Array(width),
        peak: new Int16Array(width),
        duty: new Uint8Array(width),
        silent: false,
      };
    });
    for (const run of runs) run.held = 0;
    return runs.sort((a, b) => a.phase + a.latency - b.phase - b.latency || a.index - b.index);
  }

  /** Every message of the run, in order of arrival. */
  *messages(): Generator<SimMessage> {
    const { receiver, startMs, endMs } = this.in;
    const period = receiver.spec.period_ms;
    for (const run of this.runs) this.birth(run, 0);
    this.scannerBirths();
    const midnight = ((startMs % 86_400_000) + 86_400_000) % 86_400_000;
    for (let slot = 0; ; slot++) {
      const t0 = slot * period;
      if (startMs + t0 >= endMs) break;
      if ((slot * period) % HEALTH_MS < period) receiver.warm(midnight + t0);
      this.advance(t0, period);
      this.scans(t0, period);
      receiver.listen(this.active, t0);
      for (let r = 0; r < this.runs.length; r++) {
        const run = this.runs[r] as Run;
        const payload = this.turn(run, r, slot, t0 + run.phase);
        if (payload === null) continue;
        const t = startMs + t0 + run.phase + run.latency;
        if (t >= endMs) break;
        while (this.queue.nextT <= t) yield this.queue.pop();
        if (this.faults.touches(run.faults, t0))
          this.faults.deliver(this.queue, run.faults, t0, t, payload.topic, payload.text);
        else yield { t, topic: payload.topic, payload: payload.text, retain: false };
      }
    }
    while (this.queue.nextT < endMs) yield this.queue.pop();
  }

  /** Brings in the episodes that overlap the slot and drops those that are over. */
  private advance(t0: number, period: number): void {
    const { cycleMs, startMs, endMs } = this.in;
    while (this.cycles * cycleMs < t0 + period && startMs + this.cycles * cycleMs < endMs) {
      this.episodes = this.episodes.slice(this.nextEpisode).concat(this.in.cycle(this.cycles));
      this.nextEpisode = 0;
      this.cycles++;
    }
    // A reading looks back one period, so an episode is of use for one period after its end.
    this.active = this.active.filter((e) => e.end > t0 - period);
    for (; this.nextEpisode < this.episodes.length; this.nextEpisode++) {
      const e = this.episodes[this.nextEpisode] as Episode;
      if (e.start >= t0 + period) break;
      this.active.push(e);
    }
  }

  /** One sensor's turn in a slot: measures, and gives the message where one is due. */
  private turn(run: Run, order: number, slot: number, ts: number): { topic: string; text: string } | null {
    const { receiver, startMs, batch } = this.in;
    const period = receiver.spec.period_ms;
    if (run.faults !== null && !this.faults.before(run.faults, run, ts, receiver, this)) return null;
    receiver.measure(run.index, ts);
    run.faults?.after(receiver, ts);
    const clock = startMs + ts + (run.faults?.clockOffsetMs(ts) ?? 0);
    if ((slot * period) % HEALTH_MS === (order * period) % HEALTH_MS) this.health(run, ts, clock);
    const seq = run.seq++;
    if (batch === 1) return { topic: `${run.topic}/reading`, text: this.reading(run, seq, clock) };
    return this.hold(run, seq, clock, slot);
  }

  private reading(run: Run, seq: number, ts: number): string {
    const { rms, peak, duty, first } = this.in.receiver;
    const from = first[run.index] as number;
    let text = `{"v":1,"boot":${run.boot},"seq":${seq},"ts":${ts},"r":[`;
    for (let j = 0; j < run.heads.length; j++) {
      const c = from + j;
      text += run.heads[j];
      if (this.withRms) text += `,"rms_dbm":${num(rms[c] as number)}`;
      if (this.withPeak) text += `,"peak_dbm":${num(peak[c] as number)}`;
      if (this.withDuty) text += `,"duty":${HUNDREDTHS[duty[c] as number]}`;
      text += "}";
    }
    return `${text}]}`;
  }

  private hold(run: Run, seq: number, ts: number, slot: number): { topic: string; text: string } | null {
    const { rms, peak, duty, first, spec } = this.in.receiver;
    const { batch } = this.in;
    const from = first[run.index] as number;
    const bands = run.heads.length;
    if (run.held === 0) run.heldTs = ts;
    for (let j = 0; j < bands; j++) {
      run.rms[j * batch + run.held] = rms[from + j] as number;
      run.peak[j * batch + run.held] = peak[from + j] as number;
      run.duty[j * batch + run.held] = duty[from + j] as number;
    }
    run.held++;
    if (run.held < batch && (slot + run.index) % batch !== batch - 1) return null;
    const n = run.held;
    run.held = 0;
    const site = this.in.site;
    const ids = (site.sensors[run.index]?.bands ?? []).map((b) => `"${site.bands[b]?.id}"`).join(",");
    let text = `{"v":1,"boot":${run.boot},"seq":${seq - n + 1},"ts":${run.heldTs},"dt_ms":${spec.period_ms},"bands":[${ids}]`;
    if (this.withRms) text += `,"rms_dbm":${rows(run.rms, bands, batch, n, num)}`;
    if (this.withPeak) text += `,"peak_dbm":${rows(run.peak, bands, batch, n, num)}`;
    if (this.withDuty) text += `,"duty":${rows(run.duty, bands, batch, n, (v) => HUNDREDTHS[v]!)}`;
    return { topic: `${run.topic}/readings`, text: `${text}}` };
  }

  /** A sensor's birth, state and first health, at simulated time t. */
  birth(run: Run, t: number): void {
    const { site, receiver, startMs } = this.in;
    const at = startMs + t;
    const arrival = t > 0 ? run.latency : 0;
    const { period_ms, dwell_ms, revisit_ms } = receiver.spec;
    const sensor = site.sensors[run.index];
    const bands = (sensor?.bands ?? []).map((b) => {
      const band = site.bands[b];
      return { id: band?.id, lo_hz: band?.loHz, hi_hz: band?.hiHz };
    });
    const body = {
      v: 1,
      boot: run.boot,
      ts: at,
      type: "rf",
      model: "cellward",
      fw: "1.4.0",
      period_ms,
      dwell_ms,
      revisit_ms,
      bands,
    };
    run.bornMs = t;
    run.seq = 0;
    run.held = 0;
    this.push(at + arrival, `${run.topic}/birth`, JSON.stringify(body), true);
    this.state(run, t, true);
    this.health(run, t, at);
  }

  /** A state message; `online` false is what the broker publishes as the last will. */
  state(run: Run, t: number, online: boolean): void {
    const ts = this.in.startMs + t;
    const body = online ? { online, boot: run.boot, ts } : { online, boot: run.boot, ts, reason: "lost" };
    this.push(ts + (t > 0 ? run.latency : 0), `${run.topic}/state`, JSON.stringify(body), true);
  }

  private health(run: Run, t: number, clock: number): void {
    const temp = Math.round((this.in.receiver.temperatureC[run.index] as number) * 10) / 10;
    const readings = (HEALTH_MS / this.in.receiver.spec.period_ms) * run.heads.length;
    const sat = Math.round((1000 * this.in.receiver.takeSaturated(run.index)) / readings) / 1000;
    const uptime = Math.round((t - run.bornMs) / 1000);
    const text = `{"ts":${clock},"uptime_s":${uptime},"temp_c":${temp},"clock_off_ms":0,"sat":${sat},"drop":0,"queue":0,"tamper":false}`;
    this.push(this.in.startMs + t + (t > 0 ? run.latency : 0), `${run.topic}/health`, text, true);
  }

  private push(t: number, topic: string, payload: string | Uint8Array, retain: boolean): void {
    this.queue.push({ t, topic, payload, retain });
  }

  private scannerBirths(): void {
    for (const s of this.in.site.scanners) {
      const ts = this.in.startMs;
      const body = { v: 1, boot: 1, ts, type: "scanner", model: "cellward", fw: "1.0.0", period_ms: 0, bands: [] };
      this.push(ts, `${this.base}/${s.block}/${s.id}/birth`, JSON.stringify(body), true);
      this.push(ts, `${this.base}/${s.block}/${s.id}/state`, JSON.stringify({ online: true, boot: 1, ts }), true);
    }
  }

  private scans(t0: number, period: number): void {
    if (!this.in.scenario.scanners) return;
    this.pendingScans ??= scanMessages(this.in.site, this.in.scenario, this.in.seed, this.base, this.in.startMs);
    while (this.pendingScans.length > 0 && (this.pendingScans.at(-1) as SimMessage).t < this.in.startMs + t0 + period) {
      this.queue.push(this.pendingScans.pop() as SimMessage);
    }
  }
  private pendingScans: SimMessage[] | null = null;
}

function rows(
  values: Int16Array | Uint8Array,
  bands: number,
  width: number,
  n: number,
  write: (value: number) => string,
): string {
  let text = "[";
  for (let j = 0; j < bands; j++) {
    text += j > 0 ? ",[" : "[";
    for (let i = 0; i < n; i++) text += (i > 0 ? "," : "") + write(values[j * width + i] as number);
    text += "]";
  }
  return `${text}]`;
}

export type { Run };
