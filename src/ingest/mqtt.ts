/**
 * The link to the broker: transport only. It connects and reconnects for ever, keeps its session, subscribes, hands every
 * message to one handler and acknowledges it when the handler is done, and sends what the service publishes.
 *
 * Acknowledgements are pipelined: messages are handed on without waiting for the one before, and their PUBACKs go out in
 * the order of arrival as soon as all earlier ones are done (MQTT 4.6 demands the order), many in one write. They go out on
 * the connection their message came on or not at all: after a reconnect the same packet id means another message.
 */
import { readFileSync } from "node:fs";
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient, Store } from "mqtt";
import type { Clock } from "../contracts.ts";
import { unreadable } from "../errors.ts";
import type { Logger } from "../log.ts";

export interface Incoming {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retained: boolean;
  readonly dup: boolean;
  readonly qos: 0 | 1 | 2;
}

export interface LinkOptions {
  readonly url: string;
  readonly clientId: string;
  readonly username?: string | null;
  readonly password?: string | null;
  /** 5, or 4 for MQTT 3.1.1. */
  readonly protocolVersion: 4 | 5;
  readonly keepaliveS?: number;
  readonly connectTimeoutMs?: number;
  readonly reconnectMs?: number;
  readonly sessionExpiryS?: number;
  /** Messages that may be unacknowledged at a time. The broker is told (MQTT 5); where it sends more, reading pauses. */
  readonly receiveMaximum?: number;
  /** Payload bytes that may be unacknowledged before reading pauses. Default: half of what the durable log lets wait. */
  readonly maxPendingBytes?: number;
  /** Messages that may wait to be sent; beyond, the oldest unconfirmed is dropped and counted. */
  readonly publishQueue?: number;
  readonly tls?: {
    readonly ca: string | null;
    readonly cert: string | null;
    readonly key: string | null;
    readonly verify: boolean;
  };
  readonly subscriptions: readonly string[];
  /** Sent by the broker, retained, when we are lost. */
  readonly will?: { readonly topic: string; readonly payload: string } | null;
  /**
   * Takes a message. Acknowledged when it returns, or when its promise resolves. A rejection (or a throw) means that the
   * message could not be kept: the connection is closed, so that the broker sends it again.
   */
  readonly onMessage: (message: Incoming) => void | Promise<void>;
  /** Called after every connection, when the subscriptions stand. */
  readonly onConnect?: () => void;
  readonly log: Logger;
  readonly clock: Clock;
}

export interface LinkStatus {
  readonly connected: boolean;
  /** Connected and every subscription granted. */
  readonly subscribed: boolean;
  /** The last thing that went wrong, for people; null while all is well. */
  readonly error: string | null;
  readonly errorAtMs: number | null;
  readonly connects: number;
  readonly received: number;
  readonly acknowledged: number;
  /** Handed on, not yet done. */
  readonly pending: number;
  /** Done after their connection had gone: the broker sends them again. */
  readonly staleAcks: number;
  readonly published: number;
  readonly publishQueued: number;
  readonly publishDropped: number;
}

export interface Link {
  /** Begins to connect; returns at once, with or without a broker. */
  start(): void;
  /** Sends what is queued, or gives up after the deadline, and disconnects. */
  stop(deadlineMs: number): Promise<void>;
  /** Queues a message; when the queue is full the oldest goes. */
  publish(topic: string, payload: string | Uint8Array, options?: PublishOptions): void;
  /** As `publish`, at QoS 1; resolves when the broker has it, rejects when it was dropped. */
  publishConfirmed(topic: string, payload: string | Uint8Array, options?: PublishOptions): Promise<void>;
  status(): LinkStatus;
}

export interface PublishOptions {
  readonly qos?: 0 | 1;
  readonly retain?: boolean;
}

/**
 * Larger packets than this are refused by the broker on our behalf (MQTT 5). Far above what the decoder takes, because a
 * payload that is too large should arrive and be counted.
 */
const MAX_PACKET_BYTES = 67_108_864;
/**
 * Half of what the durable log lets wait for the disk. Without a bound below that a slow disk ends in refusals, a closed
 * connection and the broker sending everything again, which makes the disk slower still.
 */
const MAX_PENDING_BYTES = 33_554_432;
/** Publishes handed to the client library at a time; the rest waits in our queue, which is bounded. */
const PUBLISH_IN_FLIGHT = 200;
/** Given to the library instead of an acknowledgement; it goes on to the next packet without sending one. */
const ACK_LATER = new Error("acknowledged later");

/** One connection's messages in order of arrival. */
interface Generation {
  readonly stream: MqttClient["stream"];
  readonly queue: Ticket[];
  head: number;
  flushPlanned: boolean;
  failed: boolean;
  /** Payload bytes of what is not acknowledged. */
  pendingBytes: number;
  /** The library's callback, while reading is paused because too much is pending. */
  paused: (() => void) | null;
}

interface Ticket {
  readonly messageId: number;
  readonly bytes: number;
  done: boolean;
}

interface Outgoing {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly qos: 0 | 1;
  readonly retain: boolean;
  readonly confirm: ((error: Error | null) => void) | null;
}

/** Makes a link; nothing happens before `start`. */
export function createLink(options: LinkOptions): Link {
  return new BrokerLink(options);
}

class BrokerLink implements Link {
  readonly #options: LinkOptions;
  readonly #log: Logger;
  readonly #maxPending: number;
  readonly #maxPendingBytes: number;
  readonly #maxQueued: number;
  #client: MqttClient | null = null;
  #generation: Generation | null = null;
  #subscribed = false;
  #stopping = false;
  #error: string | null = null;
  #errorAtMs: number | null = null;
  #connects = 0;
  #received = 0;
  #acknowledged = 0;
  #staleAcks = 0;
  #published = 0;
  #publishDropped = 0;
  #outgoing: Outgoing[] = [];
  /** Handed to the library and not confirmed yet, oldest first. */
  readonly #inFlight = new Set<Outgoing>();
  #resubscribeTimer: NodeJS.Timeout | null = null;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#maxPending = options.receiveMaximum ?? 1_000;
    this.#maxPendingBytes = options.maxPendingBytes ?? MAX_PENDING_BYTES;
    this.#maxQueued = options.publishQueue ?? 10_000;
  }

  start(): void {
    if (this.#client !== null) throw new Error("the link was started already");
    const client = mqtt.connect(this.#options.url, { ...this.#clientOptions(), manualConnect: true });
    this.#client = client;
    // Before connecting: on a resumed session messages come before any event of ours.
    client.handleMessage = (packet, callback) => this.#take(packet, callback as (error?: Error) => void);
    client.on("connect", () => this.#onConnect(client));
    client.on("close", () => {
      this.#subscribed = false;
      this.#dropGeneration();
      this.#takeBack(client);
    });
    client.on("error", (error) => this.#note(error));
    client.on("offline", () => {
      if (this.#error === null && !this.#stopping) this.#note(new Error("the broker does not answer"));
    });
    client.connect();
  }

  #clientOptions(): IClientOptions {
    const o = this.#options;
    const v5 = o.protocolVersion === 5;
    return {
      protocolVersion: o.protocolVersion,
      protocolId: "MQTT",
      clientId: o.clientId,
      clean: false,
      keepalive: o.keepaliveS ?? 30,
      connectTimeout: o.connectTimeoutMs ?? 10_000,
      reconnectPeriod: o.reconnectMs ?? 1_000,
      reconnectOnConnackError: true,
      // Our own queue is bounded, the library's is not.
      queueQoSZero: false,
      resubscribe: false,
      ...(o.username ? { username: o.username } : {}),
      ...(o.password ? { password: o.password } : {}),
      ...(o.will
        ? { will: { topic: o.will.topic, payload: Buffer.from(o.will.payload), qos: 1 as const, retain: true } }
        : {}),
      ...(v5
        ? {
            properties: {
              sessionExpiryInterval: o.sessionExpiryS ?? 86_400,
              receiveMaximum: this.#maxPending,
              maximumPacketSize: MAX_PACKET_BYTES,
            },
          }
        : {}),
      ...tlsOptions(o.tls),
    };
  }

  // ---------------------------------------------------------------------------------------------------------- incoming

  #take(packet: IPublishPacket, callback: (error?: Error) => void): void {
    this.#received++;
    const generation = this.#currentGeneration();
    const message: Incoming = {
      topic: packet.topic.toString(),
      payload: typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload,
      retained: packet.retain === true,
      dup: packet.dup === true,
      qos: packet.qos,
    };
    // QoS 2 is never asked for; if a broker sent it all the same, the library acknowledges by itself.
    const ticket: Ticket | null =
      packet.qos === 1 ? { messageId: packet.messageId ?? 0, bytes: message.payload.length, done: false } : null;
    if (ticket !== null) {
      generation.queue.push(ticket);
      generation.pendingBytes += ticket.bytes;
    }
    let outcome: void | Promise<void>;
    try {
      outcome = this.#options.onMessage(message);
    } catch (error) {
      outcome = Promise.reject(error);
    }
    if (outcome === undefined) this.#settle(generation, ticket);
    else
      outcome.then(
        () => this.#settle(generation, ticket),
        (error) => this.#fail(generation, error),
      );
    if (this.#isFull(generation)) {
      generation.paused = () => callback(ticket === null ? undefined : ACK_LATER);
    } else callback(ticket === null ? undefined : ACK_LATER);
  }

  #isFull(generation: Generation): boolean {
    const pending = generation.queue.length - generation.head;
    return pending >= this.#maxPending || (pending > 1 && generation.pendingBytes > this.#maxPendingBytes);
  }

  #currentGeneration(): Generation {
    const stream = this.#client!.stream;
    if (this.#generation?.stream !== stream) {
      this.#dropGeneration();
      this.#generation = {
        stream,
        queue: [],
        head: 0,
        pendingBytes: 0,
        flushPlanned: false,
        failed: false,
        paused: null,
      };
    }
    return this.#generation!;
  }

  #dropGeneration(): void {
    const old = this.#generation;
    this.#generation = null;
    if (old?.paused) old.paused();
  }

  #settle(generation: Generation, ticket: Ticket | null): void {
    if (ticket === null) return;
    ticket.done = true;
    if (generation !== this.#generation || generation.failed) {
      this.#staleAcks++;
      return;
    }
    if (generation.flushPlanned || generation.queue[generation.head] !== ticket) return;
    generation.flushPlanned = true;
    // After all packets of this turn of the loop, so that their acknowledgements share one write.
    setImmediate(() => this.#flushAcks(generation));
  }

  #flushAcks(generation: Generation): void {
    generation.flushPlanned = false;
    const { queue, stream } = generation;
    let end = generation.head;
    while (end < queue.length && queue[end]!.done) generation.pendingBytes -= queue[end++]!.bytes;
    const count = end - generation.head;
    if (count === 0) return;
    if (generation !== this.#generation || generation.failed || stream.destroyed || !this.#client?.connected) {
      this.#staleAcks += count;
      generation.head = end;
      return;
    }
    // PUBACK with reason "success": type 4, two bytes of packet id; the same in 3.1.1 and 5.
    const bytes = Buffer.allocUnsafe(count * 4);
    for (let i = 0; i < count; i++) {
      bytes[i * 4] = 0x40;
      bytes[i * 4 + 1] = 0x02;
      bytes.writeUInt16BE(queue[generation.head + i]!.messageId, i * 4 + 2);
    }
    stream.write(bytes);
    this.#acknowledged += count;
    generation.head = end;
    if (end === queue.length) {
      queue.length = 0;
      generation.head = 0;
    } else if (end > 1_024) {
      queue.splice(0, end);
      generation.head = 0;
    }
    const resume = generation.paused;
    if (resume !== null && !this.#isFull(generation)) {
      generation.paused = null;
      resume();
    }
  }

  #fail(generation: Generation, error: unknown): void {
    if (generation.failed) return;
    generation.failed = true;
    this.#note(error instanceof Error ? error : new Error(String(error)));
    if (generation === this.#generation) generation.stream.destroy();
  }

  // -------------------------------------------------------------------------------------------------------- connection

  #onConnect(client: MqttClient): void {
    this.#connects++;
    this.#currentGeneration();
    this.#log.info({ broker: shownUrl(this.#options.url) }, "broker connected");
    this.#subscribe(client);
    this.#pump();
  }

  #subscribe(client: MqttClient): void {
    const v5 = this.#options.protocolVersion === 5;
    // nl: what we publish ourselves below the same tree does not come back.
    const wanted = Object.fromEntries(
      this.#options.subscriptions.map((f) => [f, v5 ? { qos: 1 as const, nl: true } : { qos: 1 as const }]),
    );
    client.subscribe(wanted, (error, granted) => {
      if (this.#stopping || !client.connected) return;
      const refused = granted?.filter((grant) => grant.qos >= 128).map((grant) => grant.topic) ?? [];
      if (error !== null || refused.length > 0) {
        const why =
          refused.length > 0 ? `the broker refuses the subscription to ${refused.join(", ")}` : error!.message;
        this.#note(new Error(why));
        this.#resubscribeTimer = setTimeout(() => this.#subscribe(client), this.#options.reconnectMs ?? 1_000);
        return;
      }
      this.#subscribed = true;
      this.#error = null;
      this.#options.onConnect?.();
    });
  }

  #note(error: Error): void {
    if (this.#stopping) return;
    const text = describeError(error);
    if (text !== this.#error) this.#log.warn({ broker: shownUrl(this.#options.url), error: text }, "broker trouble");
    this.#error = text;
    this.#errorAtMs = this.#options.clock.nowMs();
  }

  // ---------------------------------------------------------------------------------------------------------- outgoing

  publish(topic: string, payload: string | Uint8Array, options: PublishOptions = {}): void {
    this.#enqueue({ topic, payload, qos: options.qos ?? 1, retain: options.retain ?? false, confirm: null });
  }

  publishConfirmed(topic: string, payload: string | Uint8Array, options: PublishOptions = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      const confirm = (error: Error | null): void => (error === null ? resolve() : reject(error));
      this.#enqueue({ topic, payload, qos: 1, retain: options.retain ?? false, confirm });
    });
  }

  #enqueue(message: Outgoing): void {
    if (this.#stopping) {
      // Nobody would ever send it, and who waits for it would wait for ever.
      this.#drop(message, "the link was stopped");
      return;
    }
    if (this.#outgoing.length >= this.#maxQueued) {
      // What nobody waits for goes first; if everything is waited for, the oldest hears that it was dropped.
      const at = Math.max(
        0,
        this.#outgoing.findIndex((waiting) => waiting.confirm === null),
      );
      for (const dropped of this.#outgoing.splice(at, 1)) this.#drop(dropped, "too many messages wait for the broker");
    }
    this.#outgoing.push(message);
    this.#pump();
  }

  #drop(message: Outgoing, why: string): void {
    this.#publishDropped++;
    message.confirm?.(new Error(`dropped: ${why}`));
  }

  #pump(): void {
    const client = this.#client;
    if (client === null || !client.connected) return;
    while (this.#inFlight.size < PUBLISH_IN_FLIGHT) {
      const message = this.#outgoing.shift();
      if (message === undefined) return;
      this.#inFlight.add(message);
      const payload = typeof message.payload === "string" ? message.payload : Buffer.from(message.payload);
      client.publish(message.topic, payload, { qos: message.qos, retain: message.retain }, (error) => {
        // Taken back since, and sent again on another connection.
        if (!this.#inFlight.delete(message)) return;
        if (error) this.#publishDropped++;
        else this.#published++;
        message.confirm?.(error ?? null);
        this.#pump();
      });
    }
  }

  /**
   * What was in flight when the connection went is sent again first, in its order. The library would do that by itself, but one message
   * a round trip, and subscribe and say that it is connected only afterwards: 200 messages at 500 ms each way are 200 s of silence.
   */
  #takeBack(client: MqttClient): void {
    client.outgoingStore = new Store();
    client.outgoing = {};
    const again = [...this.#inFlight].filter((message) => message.qos === 1);
    this.#inFlight.clear();
    this.#outgoing.unshift(...again);
  }

  async stop(deadlineMs: number): Promise<void> {
    this.#stopping = true;
    if (this.#resubscribeTimer !== null) clearTimeout(this.#resubscribeTimer);
    const client = this.#client;
    if (client !== null) await this.#end(client, deadlineMs);
    // Acknowledgements may have come until now; what is left nobody confirms any more.
    for (const message of [...this.#inFlight, ...this.#outgoing.splice(0)]) this.#drop(message, "the link was stopped");
    this.#inFlight.clear();
  }

  /** Ends the connection once nothing is under way; at the deadline, of the machine's time, whatever is. */
  async #end(client: MqttClient, deadlineMs: number): Promise<void> {
    const untilMs = performance.now() + deadlineMs;
    const busy = (): boolean => {
      const generation = this.#generation;
      const pending = generation === null ? 0 : generation.queue.length - generation.head;
      return this.#outgoing.length + this.#inFlight.size + pending > 0;
    };
    while (client.connected && busy() && performance.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => client.end(true, {}, () => resolve()), 1_000);
      client.end(!client.connected, {}, () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  status(): LinkStatus {
    const generation = this.#generation;
    return {
      connected: this.#client?.connected ?? false,
      subscribed: this.#subscribed,
      error: this.#error,
      errorAtMs: this.#errorAtMs,
      connects: this.#connects,
      received: this.#received,
      acknowledged: this.#acknowledged,
      pending: generation === null ? 0 : generation.queue.length - generation.head,
      staleAcks: this.#staleAcks,
      published: this.#published,
      publishQueued: this.#outgoing.length + this.#inFlight.size,
      publishDropped: this.#publishDropped,
    };
  }
}

/** How a client is to speak TLS. Errors: FILE_UNREADABLE. */
export function tlsOptions(tls: LinkOptions["tls"]): IClientOptions {
  if (tls === undefined) return {};
  const pem = (what: string, path: string) => {
    try {
      return readFileSync(path);
    } catch (cause) {
      throw unreadable(`${what} ${path}`, cause);
    }
  };
  return {
    ...(tls.ca === null ? {} : { ca: pem("mqtt.tls.ca", tls.ca) }),
    ...(tls.cert === null ? {} : { cert: pem("mqtt.tls.cert", tls.cert) }),
    ...(tls.key === null ? {} : { key: pem("mqtt.tls.key", tls.key) }),
    rejectUnauthorized: tls.verify,
    minVersion: "TLSv1.2",
  } as IClientOptions;
}

/** Node's aggregate connection errors have an empty message; their code says it. */
function describeError(error: Error): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (error.message !== "") return error.message;
  return code === undefined ? error.name : String(code);
}

function shownUrl(url: string): string {
  return url.replace(/\/\/[^/@]*@/, "//");
}
