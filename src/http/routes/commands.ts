/** What people do to alerts: acknowledge, shelve, unshelve, close. */
import { createHash } from "node:crypto";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import type { Command, CommandResult } from "../../model.ts";
import { Problem, problemSchema } from "../problem.ts";
import { ackBody, alertParams, alertSchema, closeBody, shelveBody, unshelveBody } from "../schemas.ts";
import type { RouteContext, Routes } from "./context.ts";

/** Answers kept per idempotency key, oldest out first. */
const KEPT_ANSWERS = 512;

interface Kept {
  readonly fingerprint: string;
  readonly answer: Promise<CommandResult>;
}

/** The same key with the same request gives the first answer again, without acting twice. */
class Answers {
  readonly #kept = new Map<string, Kept>();

  once(request: FastifyRequest, command: Command, run: () => Promise<CommandResult>): Promise<CommandResult> {
    const key = request.headers["idempotency-key"];
    if (typeof key !== "string") return run();
    if (key.length < 1 || key.length > 128) {
      throw new Problem("request-invalid", "An Idempotency-Key has 1 to 128 characters.");
    }
    const fingerprint = createHash("sha256").update(JSON.stringify(command)).digest("base64");
    const before = this.#kept.get(key);
    if (before !== undefined) {
      if (before.fingerprint === fingerprint) return before.answer;
      throw new Problem("idempotency-mismatch", "Use a new Idempotency-Key for another request.");
    }
    const answer = run();
    this.#kept.set(key, { fingerprint, answer });
    // A failure of ours is not an answer: the next try may act.
    answer.catch(() => this.#kept.delete(key));
    const oldest = this.#kept.keys().next().value;
    if (this.#kept.size > KEPT_ANSWERS && oldest !== undefined) this.#kept.delete(oldest);
    return answer;
  }
}

const answers = {
  200: z.object({ alert: alertSchema }),
  404: problemSchema,
  409: problemSchema,
  422: problemSchema,
};
const headers = z.looseObject({
  "x-cellward-client": z.string().optional().meta({ description: "Required; any value." }),
  "idempotency-key": z.string().optional(),
});

export function addCommandRoutes(routes: Routes, { service, limits }: RouteContext): void {
  const kept = new Answers();
  const config = { rateLimit: { max: limits.commandsPerMinute, timeWindow: 60_000 } };

  async function act(request: FastifyRequest, command: Command) {
    const result = await kept.once(request, command, async () => service.command(command));
    if (result.ok) {
      request.log.info({ command: command.type, alert: command.alert, by: command.by }, "operator action");
      return { alert: result.alert };
    }
    const now = service.alerts().find((a) => a.id === command.alert);
    throw new Problem(result.code, result.detail, now === undefined ? {} : { alert: now });
  }

  routes.post(
    "/alerts/:id/ack",
    {
      config,
      schema: {
        tags: ["alerts"],
        summary: "Acknowledge",
        headers,
        params: alertParams,
        body: ackBody,
        response: answers,
      },
    },
    async (request) => act(request, { type: "ack", alert: request.params.id, ...request.body }),
  );
  routes.post(
    "/alerts/:id/shelve",
    {
      config,
      schema: {
        tags: ["alerts"],
        summary: "Set aside until a time, eight hours at most",
        headers,
        params: alertParams,
        body: shelveBody,
        response: answers,
      },
    },
    async (request) => {
      const { until, ...rest } = request.body;
      return act(request, { type: "shelve", alert: request.params.id, untilMs: until, ...rest });
    },
  );
  routes.post(
    "/alerts/:id/unshelve",
    {
      config,
      schema: {
        tags: ["alerts"],
        summary: "Take back from the shelf",
        headers,
        params: alertParams,
        body: unshelveBody,
        response: answers,
      },
    },
    async (request) => act(request, { type: "unshelve", alert: request.params.id, ...request.body }),
  );
  routes.post(
    "/alerts/:id/close",
    {
      config,
      schema: {
        tags: ["alerts"],
        summary: "Close, with what came of it",
        headers,
        params: alertParams,
        body: closeBody,
        response: answers,
      },
    },
    async (request) => act(request, { type: "close", alert: request.params.id, ...request.body }),
  );
}
