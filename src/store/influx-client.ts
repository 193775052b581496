/**
 * Talking to InfluxDB 1.x, 2.x and 3 Core over HTTP: one attempt at a time, with a deadline that really ends it. Uses the
 * transport of the official client and none of its buffers: they lose what they can't send (see docs/adr).
 */
import { HttpError, InfluxDB } from "@influxdata/influxdb-client";

export interface InfluxTarget {
  readonly url: string;
  /** 1: `/write` with database, user and password; 2: `/api/v2/write` with org, bucket and token (2.x, 3 Core). */
  readonly version: 1 | 2;
  /** Database (version 1) or bucket (version 2). */
  readonly database: string;
  readonly org?: string | undefined;
  readonly token?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** 0: keep for ever. */
  readonly retentionDays: number;
  readonly timeoutMs: number;
}

/**
 * What became of one attempt to write lines.
 * `refused`: the server says lines are bad; some may have been stored. `too-large`: try fewer. `missing`: no such database.
 * `away`: not reachable, overloaded or not letting us in; everything is to be tried again. `broken`: the server failed on it.
 */
export type WriteResult =
  | { readonly type: "stored" }
  | { readonly type: "refused"; readonly reason: string; readonly dropped: number | null }
  | { readonly type: "too-large"; readonly reason: string }
  | { readonly type: "missing"; readonly reason: string }
  | { readonly type: "away" | "broken"; readonly reason: string; readonly afterMs: number };

export interface InfluxRow {
  readonly name: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly columns: readonly string[];
  readonly values: readonly (readonly unknown[])[];
}

const quote = (name: string) => `"${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;

export class InfluxClient {
  private readonly target: InfluxTarget;
  private readonly client: InfluxDB;
  private readonly writePath: string;

  constructor(target: InfluxTarget) {
    this.target = target;
    const basic =
      target.version === 1 && target.username
        ? Buffer.from(`${target.username}:${target.password ?? ""}`).toString("base64")
        : null;
    this.client = new InfluxDB({
      url: target.url,
      timeout: target.timeoutMs,
      ...(target.token ? { token: target.token } : {}),
      ...(basic ? { headers: { authorization: `Basic ${basic}` } } : {}),
      // A database that answers with a redirect is misconfigured; credentials are not to follow it.
      transportOptions: { maxRedirects: 0 },
    });
    const name = encodeURIComponent(target.database);
    this.writePath =
      target.version === 1
        ? `/write?db=${name}&precision=ns`
        : `/api/v2/write?org=${encodeURIComponent(target.org ?? "")}&bucket=${name}&precision=ns`;
  }

  /** Lines as text, or as gzip (one or more members). */
  async write(body: string | Buffer, signal: AbortSignal): Promise<WriteResult> {
    let status = 0;
    try {
      const answer = await this.send(this.writePath, body, "POST", signal, (code) => {
        status = code;
      });
      if (status === 204) return { type: "stored" };
      // 201 (3 Core) and any other success with something to say is a partial write.
      return { type: "refused", reason: `HTTP ${status}: ${clip(JSON.stringify(answer ?? ""))}`, dropped: null };
    } catch (error) {
      return judge(error, this.target.version);
    }
  }

  /** Runs an InfluxQL query; times in the answer are epoch milliseconds. Rejects with the server's reason. */
  async query(influxql: string, options: { post?: boolean; database?: boolean } = {}): Promise<readonly InfluxRow[]> {
    const db = options.database === false ? "" : `&db=${encodeURIComponent(this.target.database)}`;
    const path = `/query?epoch=ms${db}&q=${encodeURIComponent(influxql)}`;
    const answer = (await this.send(path, "", options.post ? "POST" : "GET", null, () => {})) as {
      error?: string;
      results?: { error?: string; series?: InfluxRow[] }[];
    };
    const error = answer?.error ?? answer?.results?.find((r) => r.error)?.error;
    if (error) throw new Error(error);
    // A series without rows comes without `values`.
    const series = answer?.results?.flatMap((r) => r.series ?? []) ?? [];
    return series.map((row) => ({ ...row, values: row.values ?? [] }));
  }

  /** Makes sure that there is a database (or bucket) with the retention. Rejects where the server can't be asked. */
  async prepare(): Promise<void> {
    if (this.target.version === 1) await this.prepareDatabase();
    else await this.prepareBucket();
  }

  private async prepareDatabase(): Promise<void> {
    const { database, retentionDays } = this.target;
    const duration = retentionDays > 0 ? `${Math.ceil(retentionDays)}d` : "INF";
    const rows = await this.query("SHOW DATABASES", { database: false });
    const names = rows.flatMap((row) => row.values.map((value) => String(value[0])));
    const policy = `DURATION ${duration} REPLICATION 1`;
    if (!names.includes(database)) {
      const create = `CREATE DATABASE ${quote(database)} WITH ${policy} NAME "cellward"`;
      await this.query(create, { post: true, database: false });
      return;
    }
    // A database that was there before keeps its policies; only our own is brought up to date.
    const policies = await this.query(`SHOW RETENTION POLICIES ON ${quote(database)}`);
    if (policies.some((row) => row.values.some((value) => value[0] === "cellward"))) {
      await this.query(`ALTER RETENTION POLICY "cellward" ON ${quote(database)} ${policy}`, { post: true });
    }
  }

  private async prepareBucket(): Promise<void> {
    const { database, org, retentionDays } = this.target;
    const get = (path: string) => this.send(path, "", "GET", null, () => {}) as Promise<Record<string, unknown[]>>;
    try {
      const found = await get(
        `/api/v2/buckets?name=${encodeURIComponent(database)}&org=${encodeURIComponent(org ?? "")}`,
      );
      if ((found?.buckets ?? []).length > 0) return;
    } catch (error) {
      // 3 Core has no bucket API and creates databases with the first write; 2.x says 404 where the bucket is missing.
      if (!(error instanceof HttpError) || (error.statusCode !== 404 && error.statusCode !== 405)) throw error;
      if (error.statusCode === 405) return;
    }
    let orgId: unknown;
    try {
      const orgs = await get(`/api/v2/orgs?org=${encodeURIComponent(org ?? "")}`);
      orgId = (orgs?.orgs?.[0] as { id?: unknown } | undefined)?.id;
    } catch (error) {
      if (error instanceof HttpError && error.statusCode === 404) return;
      throw error;
    }
    const rules = retentionDays > 0 ? [{ type: "expire", everySeconds: Math.ceil(retentionDays * 86_400) }] : [];
    const body = JSON.stringify({ orgID: orgId, name: database, retentionRules: rules });
    await this.send("/api/v2/buckets", body, "POST", null, () => {}, "application/json");
  }

  private async send(
    path: string,
    body: string | Buffer,
    method: string,
    signal: AbortSignal | null,
    onStatus: (status: number) => void,
    contentType = "text/plain; charset=utf-8",
  ): Promise<unknown> {
    // The client's own timeout reports but leaves the request running; this one ends it.
    const own = AbortSignal.timeout(this.target.timeoutMs);
    const packed = typeof body !== "string";
    const options = {
      method,
      headers: { "content-type": contentType, ...(packed ? { "content-encoding": "gzip" } : {}) },
      signal: signal ? AbortSignal.any([signal, own]) : own,
    };
    return await new Promise((resolve, reject) => {
      const chunks: Uint8Array[] = [];
      let json = false;
      // The transport is typed for text but takes bytes as they are (Buffer.from).
      this.client.transport.send(path, body as string, options, {
        responseStarted: (headers, status) => {
          json = String(headers["content-type"]).includes("json");
          onStatus(status ?? 0);
        },
        next: (chunk) => {
          chunks.push(chunk);
        },
        error: reject,
        complete: () => {
          const text = Buffer.concat(chunks).toString();
          try {
            resolve(json && text !== "" ? JSON.parse(text) : text);
          } catch (error) {
            reject(error);
          }
        },
      });
    });
  }
}

function clip(text: string): string {
  return text.length > 500 ? `${text.slice(0, 500)}…` : text;
}

function judge(error: unknown, version: 1 | 2): WriteResult {
  if (!(error instanceof HttpError)) {
    return { type: "away", reason: (error as Error).message || String(error), afterMs: 0 };
  }
  const text = clip(error.body ?? "");
  const reason = `HTTP ${error.statusCode}: ${text || error.message}`;
  const afterMs = Math.max(0, error.retryAfter() || 0);
  switch (error.statusCode) {
    case 400:
    case 422: {
      const dropped = /dropped=(\d+)/.exec(text)?.[1];
      return { type: "refused", reason, dropped: dropped === undefined ? null : Number(dropped) };
    }
    case 413:
      return { type: "too-large", reason };
    case 404:
      return { type: "missing", reason };
    case 401:
    case 403:
    case 408:
    case 429:
    case 502:
    case 503:
    case 504:
      return { type: "away", reason, afterMs };
    default:
      // 1.x answers 500 with "timeout" when it is only too slow.
      if (version === 1 && /timeout/.test(text)) return { type: "away", reason, afterMs };
      return { type: "broken", reason, afterMs };
  }
}
