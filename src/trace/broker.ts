/** The bit of MQTT that recording and replaying share: connecting with a clear answer when that fails. */
import { readFileSync } from "node:fs";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { AppError, unreadable } from "../errors.ts";

export interface BrokerAddress {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`; may hold user and password. */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** PEM file of the authority that signed the broker's certificate. */
  readonly caFile?: string;
}

/** A broker that is not back after so long is gone: the command ends with exit 4. */
export const RECONNECT_LIMIT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 10_000;
const RECONNECT_PERIOD_MS = 1000;

/** The address without its password, for messages. */
export function withoutPassword(url: string): string {
  return url.replace(/^(\w+:\/\/[^:@/]*):[^@/]*@/, "$1:***@");
}

export interface BrokerLink {
  readonly client: MqttClient;
  /** Rejects with BROKER_UNAVAILABLE when the broker stays away for RECONNECT_LIMIT_MS or refuses us; never resolves. */
  readonly lost: Promise<never>;
  /** How often the connection was lost and came back. */
  reconnects(): number;
  end(): Promise<void>;
}

/** Connects with MQTT 3.1.1, which every broker in question speaks. Errors: BROKER_UNAVAILABLE, USAGE, FILE_UNREADABLE. */
export async function connectBroker(address: BrokerAddress): Promise<BrokerLink> {
  const shown = withoutPassword(address.url);
  if (!/^(mqtts?|wss?):\/\/[^/]/.test(address.url)) {
    throw new AppError("USAGE", `${shown}: a broker is given as mqtt://host:port or mqtts://host:port`);
  }
  const options: IClientOptions = {
    protocolVersion: 4,
    clean: true,
    clientId: `cellward-trace-${process.pid}-${Date.now().toString(36)}`,
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectPeriod: RECONNECT_PERIOD_MS,
    resubscribe: true,
  };
  if (address.username !== undefined) options.username = address.username;
  if (address.password !== undefined) options.password = address.password;
  if (address.caFile !== undefined) options.ca = readCa(address.caFile);
  const client = mqtt.connect(address.url, options);
  try {
    await firstConnection(client);
  } catch (error) {
    await new Promise<void>((resolve) => client.end(true, {}, () => resolve()));
    throw new AppError("BROKER_UNAVAILABLE", `no connection to ${shown}: ${reason(error)}`, { cause: error });
  }
  return watchLink(client, shown);
}

function firstConnection(client: MqttClient): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    client.once("connect", () => resolve());
    client.once("error", reject);
    client.once("close", () => reject(new Error("the broker closed the connection or did not answer")));
  });
}

function watchLink(client: MqttClient, shown: string): BrokerLink {
  let reconnects = 0;
  let timer: NodeJS.Timeout | undefined;
  let fail: (error: AppError) => void = () => {};
  const lost = new Promise<never>((_, reject) => {
    fail = reject;
  });
  lost.catch(() => {});
  client.on("error", () => {}); // a refused reconnection shows as the link staying away
  client.on("close", () => {
    timer ??= setTimeout(
      () => fail(new AppError("BROKER_UNAVAILABLE", `${shown} stayed away for ${RECONNECT_LIMIT_MS / 1000} s`)),
      RECONNECT_LIMIT_MS,
    );
  });
  client.on("connect", () => {
    reconnects++;
    clearTimeout(timer);
    timer = undefined;
  });
  return {
    client,
    lost,
    reconnects: () => reconnects,
    end: () =>
      new Promise<void>((resolve) => {
        client.removeAllListeners("close");
        clearTimeout(timer);
        client.end(true, {}, () => resolve());
      }),
  };
}

function readCa(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

function reason(error: unknown): string {
  const { code, errors, message } = error as { code?: unknown; errors?: unknown[]; message?: string };
  // Node tries IPv6 and IPv4 and wraps both failures.
  if (Array.isArray(errors) && errors.length > 0) return reason(errors[errors.length - 1]);
  if (code === "ECONNREFUSED") return "connection refused; is the broker running there?";
  if (code === "ENOTFOUND") return "there is no host of that name";
  return message || String(code ?? error);
}
