/** What may be set about the server, with its defaults and where they come from. */
import type { StreamLimits } from "./stream.ts";

export interface HttpLimits {
  readonly bodyBytes: number;
  /** Per client address. A console asks about one request a second at its busiest. */
  readonly requestsPerMinute: number;
  readonly commandsPerMinute: number;
  readonly authFailuresPerMinute: number;
  readonly stream: StreamLimits;
}

export const DEFAULT_LIMITS: HttpLimits = {
  bodyBytes: 16 * 1024,
  requestsPerMinute: 1200,
  commandsPerMinute: 240,
  authFailuresPerMinute: 20,
  stream: {
    maxClients: 64,
    ringEvents: 1024,
    maxBufferedBytes: 1024 * 1024,
    statusEveryMs: 1000,
    heartbeatEveryMs: 15_000,
  },
};

export interface HttpOptions {
  /** Loopback unless told otherwise. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Needed when `host` is not loopback. */
  readonly token: string | null;
  /** Take any free port when the wanted one is in use. */
  readonly fallback: boolean;
  /** Further names this server may be called by, e.g. behind a reverse proxy. */
  readonly allowedHosts: readonly string[];
  /** Folder of the built console; null serves the API alone. */
  readonly consoleDir: string | null;
  readonly limits: HttpLimits;
  /** Check every answer against its schema (tests do); live it is only serialised. */
  readonly checkAnswers: boolean;
}

export const DEFAULT_OPTIONS: HttpOptions = {
  host: "127.0.0.1",
  port: 8080,
  token: null,
  fallback: false,
  allowedHosts: [],
  consoleDir: null,
  limits: DEFAULT_LIMITS,
  checkAnswers: false,
};

/** Shorter ones can be guessed. */
export const MIN_TOKEN_LENGTH = 16;
