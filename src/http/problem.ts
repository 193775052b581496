/** Errors of the API as `application/problem+json` (RFC 9457): one catalogue, so that clients can switch on `code`. */
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import { z } from "zod";
import { AppError } from "../errors.ts";

export const PROBLEMS = {
  "request-invalid": { status: 400, title: "The request does not have the form this route asks for." },
  "token-required": { status: 401, title: "This server asks for a bearer token." },
  "token-wrong": { status: 401, title: "The bearer token is not the right one." },
  "client-header-missing": { status: 403, title: "Changes need the header 'x-cellward-client'." },
  "origin-foreign": { status: 403, title: "Changes are only taken from this server's own pages." },
  "not-found": { status: 404, title: "There is nothing here." },
  "alert-unknown": { status: 404, title: "There is no alert with this id." },
  "channel-unknown": { status: 404, title: "The site has no such channel." },
  "version-stale": { status: 409, title: "The alert has changed since you looked at it." },
  "alert-closed": { status: 409, title: "The alert is closed." },
  "payload-too-large": { status: 413, title: "The request body is too large." },
  "media-type": { status: 415, title: "The request body must be application/json." },
  "host-foreign": { status: 421, title: "This server does not answer to that host name." },
  "command-invalid": { status: 422, title: "The alert does not take this action." },
  "idempotency-mismatch": { status: 422, title: "This idempotency key was used for another request." },
  "rate-limited": { status: 429, title: "Too many requests; try again later." },
  internal: { status: 500, title: "The server failed; the log says why." },
  "store-unavailable": { status: 503, title: "The history can't be read now." },
  "streams-full": { status: 503, title: "Too many live streams are open." },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

/** Thrown inside a route; the error handler turns it into the answer. */
export class Problem extends Error {
  readonly code: ProblemCode;
  /** Further members of the answer, e.g. the alert as it is now. */
  readonly extra: Readonly<Record<string, unknown>>;

  constructor(code: ProblemCode, detail: string, extra: Readonly<Record<string, unknown>> = {}) {
    super(detail);
    this.name = "Problem";
    this.code = code;
    this.extra = extra;
  }
}

export const problemSchema = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string().meta({ description: "Closed set; what a client should switch on." }),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: "Problem" });

function send(reply: FastifyReply, code: ProblemCode, detail: string, extra: Readonly<Record<string, unknown>>): void {
  const { status, title } = PROBLEMS[code];
  const body = { type: `urn:cellward:problem:${code}`, title, status, detail, code, ...extra };
  // A string goes out as it is: a route's own response schema must not cut the extra members.
  void reply
    .code(status)
    .type("application/problem+json; charset=utf-8")
    .serializer((s: unknown) => s as string)
    .send(JSON.stringify(body));
}

function codeOfStatus(status: number): ProblemCode {
  if (status === 413) return "payload-too-large";
  if (status === 415) return "media-type";
  if (status === 429) return "rate-limited";
  if (status === 404) return "not-found";
  return status >= 400 && status < 500 ? "request-invalid" : "internal";
}

export function handleError(error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): void {
  if (error instanceof Problem) {
    send(reply, error.code, error.message, error.extra);
    return;
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const errors = error.validation.map((v) => ({
      path: `${error.validationContext ?? "request"}${v.instancePath}`,
      message: v.message ?? "not valid",
    }));
    send(reply, "request-invalid", errors.map((e) => `${e.path}: ${e.message}`).join("; "), { errors });
    return;
  }
  if (error instanceof AppError && error.code === "STORE_UNAVAILABLE") {
    request.log.warn({ err: error }, "history is not readable");
    send(reply, "store-unavailable", error.message, {});
    return;
  }
  const status = "statusCode" in error ? (error.statusCode ?? 500) : 500;
  const code = codeOfStatus(status);
  if (code === "internal") {
    request.log.error({ err: error }, "request failed");
    send(reply, "internal", "An unexpected error; see the log under this request's id.", { request_id: request.id });
    return;
  }
  send(reply, code, error.message, {});
}

export function handleNotFound(request: FastifyRequest, reply: FastifyReply): void {
  send(reply, "not-found", `No route ${request.method} ${request.url.split("?")[0]}.`, {});
}
