/**
 * Who may ask. Three guards: the Host header (against DNS rebinding of a loopback server), the bearer token (where one is
 * set), and for changes a header of our own plus the Origin (against forged requests from other pages in the same browser).
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { isIPv4 } from "node:net";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { Problem } from "./problem.ts";

/** Changes must carry it: a browser sends it across origins only after a preflight, which this server never grants. */
export const CLIENT_HEADER = "x-cellward-client";

/**
 * Pages may load from here only. 'unsafe-inline' is absent on purpose: scripts set styles through the object model, which
 * the policy allows.
 */
export const CONSOLE_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The documentation page's scripts write style attributes, so it alone may have inline styles. */
export const DOCS_CSP = CONSOLE_CSP.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'");

export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, "").toLowerCase();
  return name === "localhost" || name === "::1" || (isIPv4(name) && name.startsWith("127."));
}

/** The host name of a Host header without its port, lower case; null when it is not one. */
export function hostName(header: string | undefined): string | null {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d{1,5})?$/i.exec(header ?? "");
  return match ? match[1]!.toLowerCase() : null;
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

export interface Guards {
  /** True when no token is set or the request carries the right one. */
  authorised(request: FastifyRequest): boolean;
  /** onRequest hook of the scope that needs the token. */
  requireToken(request: FastifyRequest): Promise<void>;
}

export interface GuardOptions {
  readonly host: string;
  readonly token: string | null;
  readonly allowedHosts: readonly string[];
  readonly authFailuresPerMinute: number;
}

/** Installs the Host and change guards and the fixed headers on the whole server, and gives the token guard back. */
export function installGuards(app: FastifyInstance, options: GuardOptions): Guards {
  const wanted = options.token === null ? null : digest(options.token);
  const allowed = new Set(options.allowedHosts.map((h) => h.toLowerCase()));
  const checkHost = isLoopback(options.host) || allowed.size > 0;

  app.addHook("onRequest", async (request, reply) => {
    reply.headers({
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cross-origin-resource-policy": "same-origin",
      "cross-origin-opener-policy": "same-origin",
      "permissions-policy": "camera=(), microphone=(), geolocation=()",
      "content-security-policy": CONSOLE_CSP,
      "cache-control": "no-store",
    });
    const name = hostName(request.headers.host);
    if (checkHost && (name === null || !(isLoopback(name) || allowed.has(name)))) {
      throw new Problem("host-foreign", `Host '${request.headers.host ?? ""}' is neither loopback nor configured.`);
    }
    if (request.method === "GET" || request.method === "HEAD") return;
    if (request.headers[CLIENT_HEADER] === undefined) {
      throw new Problem("client-header-missing", `Send the header '${CLIENT_HEADER}' with any value.`);
    }
    const origin = request.headers.origin;
    if (origin !== undefined && !sameHost(origin, request.headers.host)) {
      throw new Problem("origin-foreign", `Origin '${origin}' is not this server.`);
    }
  });

  const authorised = (request: FastifyRequest): boolean => {
    if (wanted === null) return true;
    const given = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? "");
    return given !== null && timingSafeEqual(digest(given[1]!), wanted);
  };
  const failures = app.createRateLimit({ max: options.authFailuresPerMinute, timeWindow: 60_000 });
  return {
    authorised,
    async requireToken(request) {
      if (authorised(request)) return;
      const seen = await failures(request);
      if (!seen.isAllowed && seen.isExceeded)
        throw new Problem("rate-limited", "Too many wrong tokens from this address.");
      if (request.headers.authorization === undefined) {
        throw new Problem("token-required", "Send 'Authorization: Bearer TOKEN'.");
      }
      throw new Problem("token-wrong", "Check the token in the service's configuration.");
    },
  };
}

function sameHost(origin: string, host: string | undefined): boolean {
  try {
    return new URL(origin).host === host;
  } catch {
    return false;
  }
}
