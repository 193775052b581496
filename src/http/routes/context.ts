import type { IncomingMessage, ServerResponse } from "node:http";
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { Clock } from "../../contracts.ts";
import type { HttpLimits } from "../options.ts";
import type { Guards } from "../security.ts";
import type { ServiceView } from "../service-view.ts";
import type { StreamHub } from "../stream.ts";

/** A fastify scope whose routes are typed by their zod schemas. */
export type Routes = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export interface RouteContext {
  readonly service: ServiceView;
  readonly clock: Clock;
  readonly limits: HttpLimits;
  readonly guards: Guards;
  readonly hub: StreamHub;
}
