/** Where to search, what searches found, and the precision that was reached. */
import { z } from "zod";
import { Problem, problemSchema } from "../problem.ts";
import { cellBeliefSchema, idSchema, outcomesSchema, searchBody } from "../schemas.ts";
import { cellBeliefJson, outcomesJson } from "../views.ts";
import type { RouteContext, Routes } from "./context.ts";

const MOST_CELLS = 500;

export function addSearchRoutes(routes: Routes, { service, clock, limits }: RouteContext): void {
  routes.get(
    "/search-list",
    {
      schema: {
        tags: ["searches"],
        summary: "Where to search",
        description:
          "Cells by the probability that a phone is kept there now, likeliest first, with what speaks for and against.",
        querystring: z.object({
          block: idSchema.optional(),
          limit: z.coerce.number().int().min(1).max(MOST_CELLS).default(20),
        }),
        response: { 200: z.object({ t: z.int(), items: z.array(cellBeliefSchema) }) },
      },
    },
    async ({ query }) => {
      const all = service.searchList(query.limit).filter((b) => query.block === undefined || b.block === query.block);
      return { t: clock.nowMs(), items: all.slice(0, query.limit).map(cellBeliefJson) };
    },
  );

  routes.get(
    "/outcomes",
    {
      schema: {
        tags: ["searches"],
        summary: "What came of searches",
        description: "The precision that searches reached, by block, and what results say of the scanners' rates.",
        response: { 200: z.object({ items: z.array(outcomesSchema) }) },
      },
    },
    async () => ({ items: service.outcomes().map(outcomesJson) }),
  );

  routes.post(
    "/searches",
    {
      config: { rateLimit: { max: limits.commandsPerMinute, timeWindow: 60_000 } },
      schema: {
        tags: ["searches"],
        summary: "Tell of a search of a cell",
        description:
          "A cell was searched by hand. Searches that answer an alert are told by closing it with an outcome.",
        headers: z.looseObject({
          "x-cellward-client": z.string().optional().meta({ description: "Required; any value." }),
        }),
        body: searchBody,
        response: { 200: z.object({ ok: z.literal(true) }), 404: problemSchema },
      },
    },
    async (request) => {
      const { cell, outcome, by } = request.body;
      if (!service.search({ type: "search", cell, outcome, by })) {
        throw new Problem("not-found", `'${cell}' is no cell of this site where phones are forbidden.`);
      }
      request.log.info({ command: "search", cell, outcome, by }, "operator action");
      return { ok: true as const };
    },
  );
}
