/**
 * Live events as server-sent events: one serialisation for all clients, a bounded ring that `Last-Event-ID` reads again
 * from, a heartbeat, and an end for clients that do not keep up.
 *
 * Events: `hello` (first on every connection; `resumed` false means: fetch the state anew), `alert` (with id; replayed),
 * `sensors` (states that changed; all of them once after a time without clients) and `status` (each second: age of data, readiness) without id.
 */
import { randomBytes } from "node:crypto";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Clock } from "../contracts.ts";
import type { AlertChange } from "../model.ts";
import { Problem } from "./problem.ts";
import type { ServiceView } from "./service-view.ts";
import { sensorState } from "./views.ts";

export interface StreamLimits {
  readonly maxClients: number;
  /** Alert events kept for clients that come back. */
  readonly ringEvents: number;
  /** A client with more unsent bytes than this is dropped; it comes back and resumes. */
  readonly maxBufferedBytes: number;
  readonly statusEveryMs: number;
  readonly heartbeatEveryMs: number;
}

/** What the browser waits before it connects again. */
const RETRY_MS = 2000;

interface RingEntry {
  readonly n: number;
  readonly text: string;
}

export class StreamHub {
  readonly #service: ServiceView;
  readonly #clock: Clock;
  readonly #limits: StreamLimits;
  /** Event ids of an earlier start of the service must not be taken for ours. */
  readonly #epoch = randomBytes(4).toString("hex");
  readonly #clients = new Set<FastifyReply["raw"]>();
  readonly #ring: RingEntry[] = [];
  readonly #states = new Map<string, string>();
  readonly #unsubscribe: () => void;
  readonly #statusTimer: NodeJS.Timeout;
  readonly #heartbeatTimer: NodeJS.Timeout;
  #looking = false;
  #n = 0;
  #dropped = 0;

  constructor(service: ServiceView, clock: Clock, limits: StreamLimits) {
    this.#service = service;
    this.#clock = clock;
    this.#limits = limits;
    this.#unsubscribe = service.subscribe((change) => this.#onChange(change));
    this.#statusTimer = setInterval(() => this.#tick(), limits.statusEveryMs).unref();
    this.#heartbeatTimer = setInterval(() => this.#broadcast(": keep\n\n"), limits.heartbeatEveryMs).unref();
  }

  get clients(): number {
    return this.#clients.size;
  }
  /** Clients dropped because they did not read, since start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Takes the connection over and keeps it until either side ends it. */
  attach(request: FastifyRequest, reply: FastifyReply): void {
    if (this.#clients.size >= this.#limits.maxClients) {
      throw new Problem("streams-full", `${this.#limits.maxClients} streams are open; close one.`);
    }
    const lastId = request.headers["last-event-id"];
    const missed = this.#missedSince(typeof lastId === "string" ? lastId : undefined);
    const raw = reply.raw;
    raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
      connection: "keep-alive",
    });
    reply.hijack();
    this.#clients.add(raw);
    raw.on("close", () => this.#clients.delete(raw));
    raw.on("error", () => this.#clients.delete(raw));
    const hello = { resumed: missed !== null, version: this.#service.version, instance: this.#service.instance };
    // The id stands on `hello` too, so that a client that never saw an alert can still resume.
    const id = missed === null || missed.length === 0 ? this.#idOf(this.#n) : null;
    let text = `retry: ${RETRY_MS}\n${id === null ? "" : `id: ${id}\n`}event: hello\ndata: ${JSON.stringify(hello)}\n\n`;
    for (const entry of missed ?? []) text += entry.text;
    this.#write(raw, text + this.#statusText());
  }

  close(): void {
    this.#unsubscribe();
    clearInterval(this.#statusTimer);
    clearInterval(this.#heartbeatTimer);
    for (const raw of this.#clients) raw.end();
    this.#clients.clear();
  }

  #idOf(n: number): string {
    return `${this.#epoch}-${n}`;
  }

  /** Events after `lastId`; null when they can't be given any more (or nothing was seen before). */
  #missedSince(lastId: string | undefined): readonly RingEntry[] | null {
    const match = /^([0-9a-f]{8})-(\d{1,15})$/.exec(lastId ?? "");
    if (match === null || match[1] !== this.#epoch) return null;
    const seen = Number(match[2]);
    const oldest = this.#ring[0]?.n ?? this.#n + 1;
    if (seen > this.#n || seen < oldest - 1) return null;
    return this.#ring.filter((entry) => entry.n > seen);
  }

  #onChange(change: AlertChange): void {
    this.#n += 1;
    const data = JSON.stringify({ t: this.#clock.nowMs(), ...change });
    const text = `id: ${this.#idOf(this.#n)}\nevent: alert\ndata: ${data}\n\n`;
    this.#ring.push({ n: this.#n, text });
    if (this.#ring.length > this.#limits.ringEvents) this.#ring.shift();
    this.#broadcast(text);
  }

  /** Nobody listens: nothing is looked up. Otherwise block by block, with room for others between: a prison has thousands of channels. */
  #tick(): void {
    if (this.#looking || this.#clients.size === 0) return;
    this.#looking = true;
    const changed: { id: string; state: string; last_seen_at: number | null }[] = [];
    const blocks = this.#service.site.blocks.values();
    const next = (): void => {
      const { value: block } = blocks.next();
      if (block !== undefined && this.#clients.size > 0) {
        for (const sensor of this.#service.sensors(block.id)) {
          const state = sensorState(sensor);
          if (this.#states.get(sensor.sensor) === state) continue;
          this.#states.set(sensor.sensor, state);
          changed.push({ id: sensor.sensor, state, last_seen_at: sensor.lastSeenMs });
        }
        setImmediate(next);
        return;
      }
      this.#looking = false;
      const sensors = changed.length === 0 ? "" : `event: sensors\ndata: ${JSON.stringify({ sensors: changed })}\n\n`;
      this.#broadcast(sensors + this.#statusText());
    };
    next();
  }

  #statusText(): string {
    const checks = this.#service.readiness();
    const data = {
      t: this.#clock.nowMs(),
      data_age_ms: this.#service.dataAgeMs(),
      ready: checks.every((c) => c.ready),
      checks,
      // Only blocks that are learning: whoever watches must know that they stay silent.
      learning: this.#service
        .learning()
        .filter((r) => r.learning)
        .map(({ block, untilMs, alerts }) => ({ block, until: untilMs, alerts })),
    };
    return `event: status\ndata: ${JSON.stringify(data)}\n\n`;
  }

  #broadcast(text: string): void {
    for (const raw of this.#clients) this.#write(raw, text);
  }

  #write(raw: FastifyReply["raw"], text: string): void {
    if (raw.destroyed || raw.writableEnded) return;
    if (raw.writableLength > this.#limits.maxBufferedBytes) {
      this.#dropped += 1;
      this.#clients.delete(raw);
      raw.destroy();
      return;
    }
    raw.write(text);
  }
}
