/** A TCP proxy that delays, cuts or stalls what goes through it; loopback only. */
import { createServer, connect as dial, type Server, type Socket } from "node:net";

export class FlakyProxy {
  /** Each chunk is handed on so much later, in order. */
  delayMs = 0;
  /** Nothing goes through any more, and nobody is told: a half-open connection. */
  stalled = false;
  cuts = 0;
  port = 0;
  private readonly targetPort: number;
  private readonly server: Server;
  private readonly open = new Set<Socket>();

  constructor(targetPort: number) {
    this.targetPort = targetPort;
    this.server = createServer((client) => this.join(client));
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.port = (this.server.address() as { port: number }).port;
    return `mqtt://127.0.0.1:${this.port}`;
  }

  /** Ends every connection at once, with whatever is on its way. */
  cut(): void {
    this.cuts++;
    for (const socket of this.open) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(client: Socket): void {
    const target = dial(this.targetPort, "127.0.0.1");
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      this.open.add(from);
      from.on("error", () => {});
      from.on("close", () => {
        this.open.delete(from);
        to.destroy();
      });
      from.on("data", (chunk) => {
        if (this.stalled) return;
        if (this.delayMs === 0) to.write(chunk);
        else setTimeout(() => !this.stalled && !to.destroyed && to.write(chunk), this.delayMs);
      });
    }
  }
}
