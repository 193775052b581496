/**
 * An InfluxDB that misbehaves on purpose: it applies line protocol to a map, so that what is stored can be compared with what
 * was sent.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";

export type Answer = { status: number; body?: string; headers?: Record<string, string>; store?: boolean } | "hang";

export class SickInflux {
  /** Tags and time stamp → fields, as a database keeps them. */
  readonly points = new Map<string, string>();
  readonly order: string[] = [];
  readonly paths: string[] = [];
  requests = 0;
  /** What to answer to a write; null: store everything, 204. */
  answer: (lines: string[], attempt: number) => Answer | null = () => null;
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => this.handle(request, response));
  }
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }
  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
  /** Readings in the database. */
  sum(): number {
    let sum = 0;
    for (const fields of this.points.values()) sum += Number(/\bn=(\d+)i/.exec(fields)?.[1] ?? 0);
    return sum;
  }
  store(lines: readonly string[]): void {
    for (const line of lines) {
      const [series, fields, time] = line.split(" ") as [string, string, string];
      if (!series.startsWith("reading_")) continue;
      const key = `${series} ${time}`;
      if (!this.points.has(key)) this.order.push(key);
      this.points.set(key, fields);
    }
  }
  private handle(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const path = request.url!;
      this.paths.push(`${request.method} ${path.split("?")[0]}`);
      if (path.startsWith("/query")) {
        response.setHeader("content-type", "application/json");
        response.end('{"results":[{"series":[{"name":"databases","columns":["name"],"values":[["x"]]}]}]}');
        return;
      }
      if (path.startsWith("/api/v2/buckets")) {
        response.setHeader("content-type", "application/json");
        response.end('{"buckets":[{"name":"x"}]}');
        return;
      }
      const raw = Buffer.concat(chunks);
      const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw;
      const lines = body.toString().split("\n");
      const answer = this.answer(lines, ++this.requests);
      if (answer === "hang") return;
      if (answer === null || answer.store) this.store(lines);
      response.writeHead(answer?.status ?? 204, { "content-type": "application/json", ...answer?.headers });
      response.end(answer?.body ?? "");
    });
  }
}
