/** What was: points of a channel and past alert events, from whichever store is configured. */
import { z } from "zod";
import { decodeCursor, encodeCursor } from "../paging.ts";
import { Problem, problemSchema } from "../problem.ts";
import { changeSchema, epochParam, idSchema, pageOf, pageQuery, pointSchema } from "../schemas.ts";
import { pointJson } from "../views.ts";
import type { RouteContext, Routes } from "./context.ts";

/** One year: longer ranges read more than one answer should cost. */
const MAX_RANGE_MS = 366 * 86_400_000;
const DEFAULT_RANGE_MS = 3_600_000;

/** Where a page of events ended: the time of its last event and how many events of that very millisecond it showed. */
const cursorSchema = z.object({ t: z.int().min(0), seen: z.int().min(1).max(10_000) });

export function addHistoryRoutes(routes: Routes, { service, clock }: RouteContext): void {
  function range(query: { from?: number | undefined; to?: number | undefined }) {
    const toMs = query.to ?? clock.nowMs();
    const fromMs = query.from ?? toMs - DEFAULT_RANGE_MS;
    if (fromMs >= toMs) throw new Problem("request-invalid", "'from' must lie before 'to'.");
    if (toMs - fromMs > MAX_RANGE_MS) throw new Problem("request-invalid", "The range is at most 366 days.");
    return { fromMs: Math.max(0, fromMs), toMs };
  }
  const times = { from: epochParam.optional(), to: epochParam.optional() };

  routes.get(
    "/history",
    {
      schema: {
        tags: ["history"],
        summary: "Levels of a channel over time",
        querystring: z.object({
          sensor: idSchema,
          band: idSchema,
          ...times,
          limit: z.coerce.number().int().min(1).max(5000).default(600),
        }),
        response: {
          200: z.object({ sensor: z.string(), band: z.string(), points: z.array(pointSchema) }),
          404: problemSchema,
          503: problemSchema,
        },
      },
    },
    async ({ query }) => {
      const { sensor, band, limit } = query;
      const known = service.site.sensors.some((s) => s.id === sensor) && service.site.bands.some((b) => b.id === band);
      if (!known) throw new Problem("channel-unknown", `The site has no sensor '${sensor}' with band '${band}'.`);
      const points = await service.history.queryChannel({ sensor, band, ...range(query), limit });
      return { sensor, band, points: points.map(pointJson) };
    },
  );

  routes.get(
    "/history/alerts",
    {
      schema: {
        tags: ["history"],
        summary: "Changes of alerts over time",
        querystring: z.object({ ...times, ...pageQuery(500) }),
        response: { 200: pageOf(changeSchema), 503: problemSchema },
      },
    },
    async ({ query }) => {
      const asked = range(query);
      const at = query.cursor === undefined ? null : decodeCursor(cursorSchema, query.cursor);
      const fromMs = at === null ? asked.fromMs : Math.max(asked.fromMs, at.t);
      const seen = at?.seen ?? 0;
      const records = await service.history.queryAlerts(fromMs, asked.toMs, query.limit + seen + 1);
      const fresh = records.slice(at === null ? 0 : Math.min(seen, records.filter((r) => r.tMs === at.t).length));
      const page = fresh.slice(0, query.limit);
      const last = page.at(-1);
      let next: string | null = null;
      if (fresh.length > query.limit && last !== undefined) {
        const same = page.filter((r) => r.tMs === last.tMs).length;
        next = encodeCursor({ t: last.tMs, seen: same + (at !== null && last.tMs === at.t ? seen : 0) });
      }
      return { items: page.map((r) => ({ t: r.tMs, ...r.change })), next };
    },
  );
}
