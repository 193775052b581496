/** What there is: alerts, sensors, channels, zones, the site, what was rejected. */
import { z } from "zod";
import { pageByKey } from "../paging.ts";
import { Problem, problemSchema } from "../problem.ts";
import {
  alertParams,
  alertSchema,
  channelSchema,
  idSchema,
  learningSchema,
  pageOf,
  pageQuery,
  rejectSchema,
  sensorSchema,
  siteSchema,
  zoneSchema,
} from "../schemas.ts";
import { channelJson, learningJson, sensorJson, siteJson, zoneJson, zoneStates } from "../views.ts";
import type { RouteContext, Routes } from "./context.ts";

/** Newest first: the key falls as time rises. Epoch milliseconds have at most 16 digits. */
function newestFirst(openedAt: number, id: string): string {
  return `${String(9e15 - openedAt).padStart(16, "0")}-${id}`;
}

export function addInventoryRoutes(routes: Routes, { service }: RouteContext): void {
  routes.get(
    "/site",
    { schema: { tags: ["site"], summary: "The house: blocks, floors, walls, sensors", response: { 200: siteSchema } } },
    async () => siteJson(service.site),
  );

  routes.get(
    "/learning",
    {
      schema: {
        tags: ["site"],
        summary: "Learning mode of each block",
        description:
          "Learning mode of each block: whether it is on, until when, and what it counted instead of telling.",
        response: { 200: z.object({ items: z.array(learningSchema) }) },
      },
    },
    async () => ({ items: service.learning().map(learningJson) }),
  );

  routes.get(
    "/alerts",
    {
      schema: {
        tags: ["alerts"],
        summary: "Alerts, newest first",
        querystring: z.object({
          state: z.enum(["open", "closed", "all"]).default("open"),
          block: idSchema.optional(),
          ...pageQuery(500),
        }),
        response: { 200: pageOf(alertSchema) },
      },
    },
    async ({ query }) => {
      const wanted = service
        .alerts()
        .filter((a) => query.state === "all" || (a.closed_at === null) === (query.state === "open"))
        .filter((a) => query.block === undefined || a.block === query.block);
      return pageByKey(wanted, (a) => newestFirst(a.opened_at, a.id), query.limit, query.cursor);
    },
  );

  routes.get(
    "/alerts/:id",
    {
      schema: {
        tags: ["alerts"],
        summary: "One alert",
        params: alertParams,
        response: { 200: alertSchema, 404: problemSchema },
      },
    },
    async ({ params }) => {
      const found = service.alerts().find((a) => a.id === params.id);
      if (found === undefined) throw new Problem("alert-unknown", `No alert '${params.id}' is held.`);
      return found;
    },
  );

  routes.get(
    "/sensors",
    {
      schema: {
        tags: ["site"],
        summary: "Sensors with their channels",
        querystring: z.object({ block: idSchema.optional(), ...pageQuery(500) }),
        response: { 200: pageOf(sensorSchema) },
      },
    },
    async ({ query }) => {
      const page = pageByKey(service.sensors(query.block), (s) => s.sensor, query.limit, query.cursor);
      return { items: page.items.map(sensorJson), next: page.next };
    },
  );

  routes.get(
    "/channels",
    {
      schema: {
        tags: ["site"],
        summary: "Channels (a sensor on a band): floor, level, evidence",
        querystring: z.object({
          sensor: idSchema.optional(),
          band: idSchema.optional(),
          hot: z.enum(["true", "false"]).optional(),
          ...pageQuery(2000),
        }),
        response: { 200: pageOf(channelSchema) },
      },
    },
    async ({ query }) => {
      const wanted = service
        .sensors()
        .filter((s) => query.sensor === undefined || s.sensor === query.sensor)
        .flatMap((s) => s.channels)
        .filter((c) => query.band === undefined || c.band === query.band)
        .filter((c) => query.hot === undefined || c.hot === (query.hot === "true"));
      // No id contains a space, so the two ids can't run into each other.
      const page = pageByKey(wanted, (c) => `${c.sensor} ${c.band}`, query.limit, query.cursor);
      return { items: page.items.map(channelJson), next: page.next };
    },
  );

  routes.get(
    "/zones",
    {
      schema: {
        tags: ["site"],
        summary: "Zones with what is open in them",
        querystring: z.object({ floor: idSchema.optional(), ...pageQuery(2000) }),
        response: { 200: pageOf(zoneSchema) },
      },
    },
    async ({ query }) => {
      const states = zoneStates(service.alerts());
      const wanted = service.site.zones.filter((z) => query.floor === undefined || z.floor === query.floor);
      const page = pageByKey(wanted, (z) => z.id, query.limit, query.cursor);
      return { items: page.items.map((z) => zoneJson(z, states)), next: page.next };
    },
  );

  routes.get(
    "/rejects",
    {
      schema: {
        tags: ["operations"],
        summary: "What was refused, by reason, with the last sample",
        response: { 200: z.object({ items: z.array(rejectSchema) }) },
      },
    },
    async () => ({
      items: service.rejects().map((r) => ({
        code: r.code,
        count: r.count,
        samples: r.samples.map((s) => ({ t: s.tMs, topic: s.topic, detail: s.detail, payload: s.payload })),
      })),
    }),
  );
}
