/** What machines ask: is it alive, is it ready, which version, the metrics. */
import { z } from "zod";
import { readinessSchema } from "../schemas.ts";
import type { RouteContext, Routes } from "./context.ts";

/** Open to everyone who reaches the port: health checks carry no token, and these name nothing of the house. */
export function addOpenSystemRoutes(routes: Routes, { service, guards }: RouteContext): void {
  routes.get(
    "/livez",
    {
      schema: {
        tags: ["operations"],
        summary: "Whether the process lives",
        response: { 200: z.object({ live: z.literal(true) }) },
      },
    },
    async () => ({ live: true as const }),
  );
  routes.get(
    "/readyz",
    {
      schema: {
        tags: ["operations"],
        summary: "Whether broker, store and log are there",
        description: "200 when every dependency is there, else 503; the reasons only to those with the token.",
        response: { 200: readinessSchema, 503: readinessSchema },
      },
    },
    async (request, reply) => {
      const full = guards.authorised(request);
      const checks = service.readiness().map((c) => ({ ...c, detail: full ? c.detail : "" }));
      const ready = checks.every((c) => c.ready);
      return reply.code(ready ? 200 : 503).send({ ready, checks });
    },
  );
  routes.get(
    "/version",
    {
      schema: {
        tags: ["operations"],
        summary: "Name and version",
        response: { 200: z.object({ name: z.string(), version: z.string() }) },
      },
    },
    async () => ({ name: "cellward", version: service.version }),
  );
}

export function addMetricsRoute(routes: Routes, { service }: RouteContext): void {
  routes.get(
    "/metrics",
    {
      schema: {
        tags: ["operations"],
        summary: "Metrics for Prometheus",
        description: "Prometheus text format.",
        response: { 200: z.string() },
      },
    },
    async (_request, reply) =>
      reply
        .type("text/plain; version=0.0.4; charset=utf-8")
        .serializer((s: unknown) => s as string)
        .send(await service.metrics()),
  );
}
