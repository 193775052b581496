/**
 * The embedded broker of the default installation: aedes over TCP, MQTT 3.1.1, in memory. Good for a demonstration and for
 * one machine; a house with sensors on its network runs a broker of its own (docs/operations.md).
 */
import { createServer, type Server, type Socket } from "node:net";
import { Aedes } from "aedes";
import { unheard } from "../errors.ts";

export interface BrokerOptions {
  /** Loopback unless told otherwise: there is no password. */
  readonly host?: string;
  /** 0: any free port. */
  readonly port?: number;
  /** Take a free port where the wanted one is in use; else that is an error. */
  readonly fallback?: boolean;
  readonly maxConnections?: number;
}

export interface EmbeddedBroker {
  readonly host: string;
  readonly port: number;
  /** The port that was asked for, when it was taken; else null. */
  readonly insteadOf: number | null;
  /** `mqtt://127.0.0.1:1883` */
  readonly url: string;
  clients(): number;
  close(): Promise<void>;
}

/** Messages that wait for a client while its session is being set up; aedes' default of 42 is a few seconds of a block. */
const QUEUE_LIMIT = 100_000;

/** Starts the broker. Throws `AppError` PORT_TAKEN when the address can't be listened on. */
export async function startBroker(options: BrokerOptions = {}): Promise<EmbeddedBroker> {
  const host = options.host ?? "127.0.0.1";
  const wanted = options.port ?? 1883;
  const aedes = await Aedes.createBroker({ queueLimit: QUEUE_LIMIT, maxClientsIdLength: 64 });
  // A client that misbehaves is closed by aedes; what it says about that is the client's business.
  aedes.on("clientError", () => {});
  aedes.on("connectionError", () => {});
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    aedes.handle(socket);
  });
  server.maxConnections = options.maxConnections ?? 10_000;
  let port: number;
  try {
    port = await listen(server, host, wanted, options.fallback ?? false);
  } catch (cause) {
    await new Promise<void>((resolve) => aedes.close(() => resolve()));
    const setting = "mqtt.url names a broker that is there already, mqtt.embedded.port another port (0: any free one)";
    throw unheard("the embedded broker", { host, port: wanted }, setting, cause);
  }
  const shown = host.includes(":") ? `[${host}]` : host === "0.0.0.0" ? "127.0.0.1" : host;
  return {
    host,
    port,
    insteadOf: wanted !== 0 && port !== wanted ? wanted : null,
    url: `mqtt://${shown}:${port}`,
    clients: () => aedes.connectedClients,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Listens on the wanted port or, with `fallback`, on any free one when it is taken. */
async function listen(server: Server, host: string, wanted: number, fallback: boolean): Promise<number> {
  try {
    return await tryListen(server, host, wanted);
  } catch (error) {
    if (!fallback || (error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    return tryListen(server, host, 0);
  }
}

function tryListen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(error);
    server.once("error", onError);
    server.listen(port, host, () => {
      server.off("error", onError);
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}
