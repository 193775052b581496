/**
 * The HTTP side of the service: API, live stream, documentation page, console. Knows the service only as a `ServiceView`.
 */

import { existsSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import fastifyRateLimit from "@fastify/rate-limit";
import fastifyStatic from "@fastify/static";
import fastifySwagger from "@fastify/swagger";
import fastifySwaggerUi from "@fastify/swagger-ui";
import Fastify, { type FastifyInstance, LogController } from "fastify";
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import type { Clock } from "../contracts.ts";
import { AppError, unheard } from "../errors.ts";
import type { Logger } from "../log.ts";
import { DEFAULT_OPTIONS, type HttpOptions, MIN_TOKEN_LENGTH } from "./options.ts";
import { handleError, handleNotFound } from "./problem.ts";
import { addCommandRoutes } from "./routes/commands.ts";
import type { RouteContext, Routes } from "./routes/context.ts";
import { addHistoryRoutes } from "./routes/history.ts";
import { addInventoryRoutes } from "./routes/inventory.ts";
import { addSearchRoutes } from "./routes/searches.ts";
import { addMetricsRoute, addOpenSystemRoutes } from "./routes/system.ts";
import { DOCS_CSP, installGuards, isLoopback } from "./security.ts";
import type { ServiceView } from "./service-view.ts";
import { StreamHub } from "./stream.ts";

export { DEFAULT_LIMITS, DEFAULT_OPTIONS, type HttpLimits, type HttpOptions } from "./options.ts";

export interface ServerDeps {
  readonly service: ServiceView;
  readonly clock: Clock;
  readonly log: Logger;
  /** What differs from `DEFAULT_OPTIONS`. */
  readonly options?: Partial<HttpOptions>;
}

export interface Listening {
  readonly host: string;
  readonly port: number;
  /** Where people point a browser at. */
  readonly url: string;
  /** True when the wanted port was taken and another one serves. */
  readonly replaced: boolean;
}

export interface HttpServer {
  /** For tests: requests without a socket by `app.inject`. */
  readonly app: FastifyInstance;
  /** Live streams open now, and dropped since start because their client did not read. */
  streams(): { readonly clients: number; readonly dropped: number };
  /** Errors: `PORT_TAKEN`. */
  listen(): Promise<Listening>;
  /** Ends streams, lets running requests finish. */
  close(): Promise<void>;
}

/**
 * Builds the server; `listen()` opens the port.
 *
 * Errors: `TOKEN_MISSING` when bound beyond loopback without a token of at least 16 characters.
 */
export async function createServer(deps: ServerDeps): Promise<HttpServer> {
  const options: HttpOptions = { ...DEFAULT_OPTIONS, ...deps.options };
  requireTokenBeyondLoopback(options);
  const app = Fastify({
    loggerInstance: deps.log.child({ part: "http" }),
    // Two lines a request drown what matters; problems and operator actions are logged by themselves.
    logController: new LogController({ disableRequestLogging: !deps.log.isLevelEnabled("debug") }),
    bodyLimit: options.limits.bodyBytes,
    // A proxy in front is not known here, so its headers are not believed.
    trustProxy: false,
    routerOptions: { maxParamLength: 128 },
    requestTimeout: 30_000,
    forceCloseConnections: "idle",
  });
  app.removeContentTypeParser("text/plain");
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(options.checkAnswers ? serializerCompiler : () => (data) => JSON.stringify(data));
  app.setErrorHandler(handleError);
  app.setNotFoundHandler(handleNotFound);

  await app.register(fastifyRateLimit, { max: options.limits.requestsPerMinute, timeWindow: 60_000 });
  const guards = installGuards(app as unknown as FastifyInstance, {
    host: options.host,
    token: options.token,
    allowedHosts: options.allowedHosts,
    authFailuresPerMinute: options.limits.authFailuresPerMinute,
  });
  await registerDocs(app as unknown as FastifyInstance, deps.service.version, options.token !== null);

  const hub = new StreamHub(deps.service, deps.clock, options.limits.stream);
  const context: RouteContext = { service: deps.service, clock: deps.clock, limits: options.limits, guards, hub };
  await app.register(async (scope) => {
    addOpenSystemRoutes(scope.withTypeProvider<ZodTypeProvider>() as unknown as Routes, context);
  });
  await app.register(async (scope) => {
    scope.addHook("onRequest", guards.requireToken);
    addMetricsRoute(scope.withTypeProvider<ZodTypeProvider>() as unknown as Routes, context);
    await scope.register(async (api) => addApi(api.withTypeProvider<ZodTypeProvider>() as unknown as Routes, context), {
      prefix: "/api/v1",
    });
  });
  if (options.consoleDir !== null) await registerConsole(app as unknown as FastifyInstance, options.consoleDir);
  app.addHook("preClose", async () => hub.close());
  await app.ready();

  return {
    app: app as unknown as FastifyInstance,
    streams: () => ({ clients: hub.clients, dropped: hub.dropped }),
    listen: () => listen(app as unknown as FastifyInstance, options),
    close: () => close(app as unknown as FastifyInstance),
  };
}

function requireTokenBeyondLoopback(options: HttpOptions): void {
  if (isLoopback(options.host)) return;
  if (options.token === null) {
    throw new AppError(
      "TOKEN_MISSING",
      `the API would listen on ${options.host}, beyond this machine, and no token is set: set one, or listen on 127.0.0.1`,
    );
  }
  if (options.token.length < MIN_TOKEN_LENGTH) {
    throw new AppError(
      "TOKEN_MISSING",
      `the API would listen on ${options.host} with a token of ${options.token.length} characters; it needs ${MIN_TOKEN_LENGTH} at least`,
    );
  }
}

function addApi(routes: Routes, context: RouteContext): void {
  addInventoryRoutes(routes, context);
  addHistoryRoutes(routes, context);
  addCommandRoutes(routes, context);
  addSearchRoutes(routes, context);
  routes.get(
    "/stream",
    {
      schema: {
        tags: ["alerts"],
        summary: "Changes as they come",
        description:
          "Server-sent events: `hello`, `alert` (with id, replayed after `Last-Event-ID`), `sensors`, `status` each second.",
      },
    },
    (request, reply) => context.hub.attach(request, reply),
  );
}

async function registerDocs(app: FastifyInstance, version: string, withToken: boolean): Promise<void> {
  await app.register(fastifySwagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Cellward",
        description:
          "Alerts, sensors, zones and history of the RF detection service. Times are epoch milliseconds UTC.",
        version,
      },
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      ...(withToken ? { security: [{ token: [] }] } : {}),
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => withoutUnused(jsonSchemaTransformObject(document)),
  });
  app.get("/openapi.json", { schema: { hide: true } }, async (_request, reply) =>
    reply
      .type("application/json; charset=utf-8")
      .serializer((s: unknown) => s as string)
      .send(JSON.stringify(app.swagger())),
  );
  await app.register(fastifySwaggerUi, {
    routePrefix: "/docs",
    staticCSP: DOCS_CSP,
    uiConfig: { validatorUrl: null, tryItOutEnabled: false },
  });
}

/** Every schema comes twice, as it is sent and as it is taken ("AlertInput"); those that no route names are left out. */
function withoutUnused(document: ReturnType<typeof jsonSchemaTransformObject>): typeof document {
  const schemas: Record<string, unknown> = ("components" in document && document.components?.schemas) || {};
  const used = new Set<string>();
  const note = (part: unknown): void => {
    for (const [, name] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (used.has(name!)) continue;
      used.add(name!);
      note(schemas[name!]);
    }
  };
  note(document.paths);
  for (const name of Object.keys(schemas)) if (!used.has(name)) delete schemas[name];
  return document;
}

async function registerConsole(app: FastifyInstance, folder: string): Promise<void> {
  if (!existsSync(join(folder, "index.html"))) {
    app.log.warn({ folder }, "the console is not built; only the API is served");
    return;
  }
  await app.register(fastifyStatic, {
    root: folder,
    index: ["index.html"],
    // Names under assets/ carry a hash of their content.
    setHeaders: (reply, path) => {
      reply.header("cache-control", /[\\/]assets[\\/]/.test(path) ? "public, max-age=31536000, immutable" : "no-cache");
    },
    cacheControl: false,
  });
}

/** Running requests get a moment to finish; browsers also hold connections without a request, which would hold us. */
const CLOSE_GRACE_MS = 300;

async function close(app: FastifyInstance): Promise<void> {
  const force = setTimeout(() => app.server.closeAllConnections(), CLOSE_GRACE_MS);
  try {
    await app.close();
  } finally {
    clearTimeout(force);
  }
}

async function listen(app: FastifyInstance, options: HttpOptions): Promise<Listening> {
  let replaced = false;
  try {
    await app.listen({ host: options.host, port: options.port });
  } catch (error) {
    if (!options.fallback || (error as NodeJS.ErrnoException).code !== "EADDRINUSE") {
      throw unheard("HTTP", options, "http.port sets another one (0: any free one)", error);
    }
    await app.listen({ host: options.host, port: 0 });
    replaced = true;
  }
  const { port } = app.server.address() as AddressInfo;
  const shown = options.host === "0.0.0.0" || options.host === "::" ? "127.0.0.1" : options.host;
  return {
    host: options.host,
    port,
    url: `http://${shown.includes(":") ? `[${shown.replace(/^\[|\]$/g, "")}]` : shown}:${port}/`,
    replaced,
  };
}
