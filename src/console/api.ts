/** Talks to the service: requests with the token where one is needed, and the live stream that comes back by itself. */
import { parseBlock } from "./sse.ts";
import type { Page } from "./wire.ts";

const TOKEN_KEY = "cellward-token";

export function savedToken(): string | null {
  return sessionStorage.getItem(TOKEN_KEY);
}
export function saveToken(token: string | null): void {
  if (token === null) sessionStorage.removeItem(TOKEN_KEY);
  else sessionStorage.setItem(TOKEN_KEY, token);
}

export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, detail: string) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

function headers(more: Record<string, string> = {}): Record<string, string> {
  const token = savedToken();
  return token === null ? more : { ...more, authorization: `Bearer ${token}` };
}

async function failure(response: Response): Promise<ApiError> {
  try {
    const problem = (await response.json()) as { code?: string; detail?: string; title?: string };
    return new ApiError(response.status, problem.code ?? "", problem.detail ?? problem.title ?? response.statusText);
  } catch {
    return new ApiError(response.status, "", response.statusText);
  }
}

export async function get<T>(path: string): Promise<T> {
  const response = await fetch(`/api/v1/${path}`, { headers: headers(), signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw await failure(response);
  return (await response.json()) as T;
}

export async function getAll<T>(path: string): Promise<readonly T[]> {
  const all: T[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<T> = await get<Page<T>>(
      `${path}${cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`}`,
    );
    all.push(...page.items);
    cursor = page.next;
  } while (cursor !== null);
  return all;
}

/** Sends a change. The key lets the same press be repeated after a lost answer without acting twice. */
export async function post<T>(path: string, body: unknown): Promise<T> {
  const key = Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("");
  const send = () =>
    fetch(`/api/v1/${path}`, {
      method: "POST",
      headers: headers({ "content-type": "application/json", "x-cellward-client": "console", "idempotency-key": key }),
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(5000),
    });
  let response: Response;
  try {
    response = await send();
  } catch {
    response = await send();
  }
  if (!response.ok) throw await failure(response);
  return (await response.json()) as T;
}

export interface StreamHandlers {
  onEvent(event: string, data: unknown): void;
  onLost(error: ApiError | null): void;
}

/** The service speaks every second; this long without a word means the connection is dead. */
const SILENCE_MS = 6000;

/**
 * Reads the stream for ever: connects, hands events over, comes back with the last id when the connection ends. Uses fetch
 * because EventSource can't send a token. Stops only for a refused token; call again then.
 */
export async function stream(handlers: StreamHandlers): Promise<void> {
  let lastId: string | null = null;
  let waitMs = 500;
  for (;;) {
    const abort = new AbortController();
    let timer = setTimeout(() => abort.abort(), SILENCE_MS);
    let error: ApiError | null = null;
    try {
      const response = await fetch("/api/v1/stream", {
        headers: headers(lastId === null ? {} : { "last-event-id": lastId }),
        signal: abort.signal,
      });
      if (!response.ok || response.body === null) throw await failure(response);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        clearTimeout(timer);
        timer = setTimeout(() => abort.abort(), SILENCE_MS);
        waitMs = 500;
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop() ?? "";
        for (const block of blocks) {
          const message = parseBlock(block);
          if (message.id !== null) lastId = message.id;
          if (message.event !== null) handlers.onEvent(message.event, JSON.parse(message.data));
        }
      }
    } catch (caught) {
      if (caught instanceof ApiError) error = caught;
    } finally {
      clearTimeout(timer);
    }
    handlers.onLost(error);
    if (error?.status === 401) return;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    waitMs = Math.min(5000, waitMs * 2);
  }
}
