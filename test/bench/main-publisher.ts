/**
 * The sensors of the main bench, in a process of their own: 2,000 of them, each sending 50 instants of 8 bands a message at
 * QoS 1, on time, whatever the service does. Payloads are encoded beforehand and patched with sequence number and time; only
 * what a phone reaches is drawn and encoded on the way.
 *
 * Talks with its parent by IPC: gets a `Plan`, answers `{type:"done", ...}`.
 */
import { createHash } from "node:crypto";
import mqtt, { type MqttClient } from "mqtt";
import {
  BANDS,
  type BenchCell,
  type BenchSensor,
  benchCells,
  benchSensors,
  CELL_DEPTH_M,
  CORRIDOR_M,
  SENSORS_A_BLOCK,
} from "./prison.ts";

export interface Plan {
  readonly url: string;
  readonly seed: number;
  readonly sensors: number;
  /** Readings (instants of one sensor) a second, all sensors together. */
  readonly rate: number;
  /** Epoch ms of every sensor's first instant, up to its phase. */
  readonly startMs: number;
  readonly seconds: number;
  /** Seconds after the start in which no phone is used, so that the detector learns the quiet. */
  readonly quietS: number;
}

export interface PublisherReport {
  readonly type: "done";
  readonly messages: number;
  readonly readings: number;
  readonly bytes: number;
  /** How late messages left, ms: the bench is void when the publisher can't keep up. */
  readonly lagP99Ms: number;
  readonly cpuShare: number;
  /** SHA-256 of the values drawn, without times: the same for the same seed and plan. */
  readonly hash: string;
}

/** Instants a message, as the figure is stated. */
export const SAMPLES = 50;
const CONNECTIONS = 20;
const QUIET_VARIANTS = 64;
const NOISE_DBM = -105;
const NOISE_SD_DB = 1.5;
/**
 * Path loss of the bench's own world, which is that of its plan: concrete walls are opaque, so waves leave a cell by its steel
 * door (15 dB) and run along the corridor; 40 dB at 1 m, 20 dB a decade, 18 dB a slab. Phones send 10 dBm.
 */
const LOSS_1M_DB = 40;
const DOOR_DB = 15;
const SLAB_DB = 18;
const PHONE_DBM = 10;
const FADING_DB = 3;
/** Phones are used for 15 s in every 30 s, one a block, each time in another cell. */
const EPISODE_S = 30;
const TALK_S = 15;

/** Seeded uniform and normal numbers (splitmix32; Box-Muller). */
export function createChance(seed: number): { uniform(): number; normal(): number } {
  let state = seed | 0;
  const uniform = () => {
    state = (state + 0x9e3779b9) | 0;
    let t = state ^ (state >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    return (((t ^ (t >>> 15)) >>> 0) + 0.5) / 4294967296;
  };
  return { uniform, normal: () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()) };
}

/** Where the sequence number and the time stand in an encoded payload: right-aligned fields of fixed width. */
const SEQ_WIDTH = 9;
const TS_WIDTH = 13;
const HEAD = `{"v":1,"boot":1,"seq":${" ".repeat(SEQ_WIDTH)},"ts":${" ".repeat(TS_WIDTH)},`;
const SEQ_END = HEAD.indexOf(`,"ts"`);
const TS_END = HEAD.length - 1;

function encode(rows: readonly (readonly number[])[], dtMs: number): Buffer {
  const bands = JSON.stringify(BANDS);
  return Buffer.from(`${HEAD}"dt_ms":${dtMs},"bands":${bands},"rms_dbm":${JSON.stringify(rows)}}`);
}

function patch(payload: Buffer, end: number, value: number): void {
  let left = value;
  for (let i = end - 1; left > 0 || i === end - 1; i--) {
    payload[i] = 48 + (left % 10);
    left = Math.floor(left / 10);
  }
}

const round1 = (x: number) => Math.round(x * 10) / 10;

/** Power sum in dBm. */
const addDbm = (a: number, b: number) => 10 * Math.log10(10 ** (a / 10) + 10 ** (b / 10));

export interface Episode {
  readonly fromS: number;
  readonly toS: number;
  readonly block: string;
  readonly cell: BenchCell;
  readonly band: number;
  /** Index of the sensor → level in dBm where it stands above the noise by more than -6 dB. */
  readonly heard: ReadonlyMap<number, number>;
}

/** Who talks when and where; follows from seed and plan alone, so that the parent can judge the alerts by it. */
export function episodes(plan: Pick<Plan, "seed" | "sensors" | "seconds" | "quietS">): Episode[] {
  const chance = createChance(plan.seed * 7919 + 1);
  const sensors = benchSensors(plan.sensors);
  const blocks = Math.ceil(plan.sensors / SENSORS_A_BLOCK);
  const cells = benchCells(blocks);
  const list: Episode[] = [];
  for (let fromS = plan.quietS; fromS < plan.seconds; fromS += EPISODE_S) {
    for (let b = 0; b < blocks; b++) {
      const inBlock = cells.slice((b * cells.length) / blocks, ((b + 1) * cells.length) / blocks);
      const cell = inBlock[Math.floor(chance.uniform() * inBlock.length)]!;
      // One of the first six bands: no phone talks on the ISM band, and the TDD band is judged differently.
      const band = Math.floor(chance.uniform() * 6);
      const shiftS = Math.floor(chance.uniform() * (EPISODE_S - TALK_S));
      const heard = new Map<number, number>();
      for (const [i, sensor] of sensors.entries()) {
        if (sensor.block !== cell.block) continue;
        const level = levelDbm(sensor, cell);
        if (level > NOISE_DBM - 6) heard.set(i, level);
      }
      list.push({ fromS: fromS + shiftS, toS: fromS + shiftS + TALK_S, block: cell.block, cell, band, heard });
    }
  }
  return list;
}

function levelDbm(sensor: BenchSensor, cell: BenchCell): number {
  const [x, y, z] = sensor.positionM;
  const [cx, cy, cz] = cell.centreM;
  const floors = Math.abs(sensor.floor - Number(cell.id.split("-")[1]));
  // The door stands in the middle of the cell's wall to the corridor.
  const doorY = cy < CELL_DEPTH_M ? CELL_DEPTH_M : CELL_DEPTH_M + CORRIDOR_M;
  const distanceM = Math.abs(doorY - cy) + Math.hypot(x - cx, y - doorY, z - cz);
  return PHONE_DBM - LOSS_1M_DB - 20 * Math.log10(distanceM) - DOOR_DB - SLAB_DB * floors;
}

class Publisher {
  readonly #plan: Plan;
  readonly #clients: MqttClient[];
  readonly #sensors: BenchSensor[];
  readonly #quiet: Buffer[];
  readonly #episodes: Episode[];
  readonly #chance: ReturnType<typeof createChance>;
  readonly #dtMs: number;
  readonly #hash = createHash("sha256");
  readonly #lags: number[] = [];
  #bytes = 0;
  #acked = 0;

  constructor(plan: Plan, clients: MqttClient[]) {
    this.#plan = plan;
    this.#clients = clients;
    this.#sensors = benchSensors(plan.sensors);
    this.#dtMs = Math.round((1000 * plan.sensors) / plan.rate);
    this.#chance = createChance(plan.seed);
    this.#episodes = episodes(plan);
    this.#quiet = Array.from({ length: QUIET_VARIANTS }, () => this.#draw(-1, 0));
  }

  /** One message's values; band `hot` carries a phone at `levelDbm`. */
  #draw(hot: number, levelDbm: number): Buffer {
    const rows = BANDS.map((_, band) =>
      Array.from({ length: SAMPLES }, () => {
        const noise = NOISE_DBM + NOISE_SD_DB * this.#chance.normal();
        return round1(band === hot ? addDbm(noise, levelDbm + FADING_DB * this.#chance.normal()) : noise);
      }),
    );
    const payload = encode(rows, this.#dtMs);
    this.#hash.update(payload);
    return payload;
  }

  async births(): Promise<void> {
    const { startMs } = this.#plan;
    const bands = BANDS.map((id) => ({ id }));
    await Promise.all(
      this.#sensors.map(async (sensor, i) => {
        const base = `cellward/v1/bench/${sensor.block}/${sensor.id}`;
        const client = this.#clients[i % CONNECTIONS]!;
        const birth = { v: 1, boot: 1, ts: startMs, type: "rf", model: "cellward", period_ms: this.#dtMs, bands };
        await client.publishAsync(`${base}/birth`, JSON.stringify(withEdges(birth)), { qos: 1, retain: true });
        const state = { online: true, boot: 1, ts: startMs };
        await client.publishAsync(`${base}/state`, JSON.stringify(state), { qos: 1, retain: true });
      }),
    );
  }

  /** Sends every message when its last instant has been measured; resolves when the broker has acknowledged all. */
  async readings(): Promise<number> {
    const { startMs, seconds, sensors } = this.#plan;
    const periodMs = SAMPLES * this.#dtMs;
    const rounds = Math.floor((seconds * 1000) / periodMs);
    let sent = 0;
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < sensors; ) {
        // Sensors are spread over the period, as those of a real house are.
        const nowMs = Date.now();
        for (; i < sensors; i++) {
          const phaseMs = Math.floor((i * periodMs) / sensors);
          const tsMs = startMs + round * periodMs + phaseMs;
          const dueMs = tsMs + periodMs;
          if (dueMs > nowMs) break;
          this.#send(i, round, tsMs, (tsMs - startMs) / 1000);
          sent++;
          if (sent % 64 === 0) this.#lags.push(Date.now() - dueMs);
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
    while (this.#acked < sent) await new Promise((resolve) => setTimeout(resolve, 20));
    return sent;
  }

  #send(i: number, round: number, tsMs: number, atS: number): void {
    const sensor = this.#sensors[i]!;
    const talk = this.#episodes.find((e) => atS >= e.fromS && atS < e.toS && e.block === sensor.block);
    const level = talk?.heard.get(i);
    const variant = this.#quiet[(i * 31 + round * 17) % QUIET_VARIANTS]!;
    const payload = talk !== undefined && level !== undefined ? this.#draw(talk.band, level) : Buffer.from(variant);
    patch(payload, SEQ_END, round * SAMPLES);
    patch(payload, TS_END, tsMs);
    this.#bytes += payload.length;
    const topic = `cellward/v1/bench/${sensor.block}/${sensor.id}/readings`;
    this.#clients[i % CONNECTIONS]!.publish(topic, payload, { qos: 1 }, () => {
      this.#acked++;
    });
  }

  report(messages: number, cpuShare: number): PublisherReport {
    this.#lags.sort((a, b) => a - b);
    return {
      type: "done",
      messages,
      readings: messages * SAMPLES,
      bytes: this.#bytes,
      lagP99Ms: this.#lags[Math.floor(this.#lags.length * 0.99)] ?? 0,
      cpuShare,
      hash: this.#hash.digest("hex").slice(0, 16),
    };
  }
}

/** A birth names the edges of each band; the built-in plan's (contracts section 1), in Hz. */
function withEdges(birth: { bands: { id: string }[] }): object {
  const mhz: Record<string, [number, number]> = {
    "lte700-ul": [703, 733],
    "lte800-ul": [832, 862],
    "gsm900-ul": [880, 915],
    "lte1800-ul": [1710, 1785],
    "umts2100-ul": [1920, 1980],
    "lte2600-ul": [2500, 2570],
    "nr3500-tdd": [3490, 3800],
    "bt-wifi-2400": [2400, 2483.5],
  };
  const bands = birth.bands.map(({ id }) => ({ id, lo_hz: mhz[id]![0] * 1e6, hi_hz: mhz[id]![1] * 1e6 }));
  return { ...birth, bands };
}

async function run(plan: Plan): Promise<void> {
  const clients = await Promise.all(
    Array.from({ length: CONNECTIONS }, (_, i) => mqtt.connectAsync(plan.url, { clientId: `bench-sensors-${i}` })),
  );
  const publisher = new Publisher(plan, clients);
  await publisher.births();
  process.send?.({ type: "born" });
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const messages = await publisher.readings();
  const { user, system } = process.cpuUsage(cpu);
  process.send?.(publisher.report(messages, (user + system) / 1000 / (performance.now() - begun)));
  for (const client of clients) await client.endAsync();
  process.disconnect?.();
}

if (process.send !== undefined) {
  process.once("message", (plan: Plan) => {
    run(plan).catch((error: unknown) => {
      process.stderr.write(`bench publisher: ${String(error)}\n`);
      process.exit(1);
    });
  });
}
