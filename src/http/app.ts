/**
 * The HTTP server around the routes: who asks, how much, and what becomes of errors. Everything that comes in is a stranger's; no token,
 * query or header gets into the log.
 */
import fastifyRateLimit from "@fastify/rate-limit";
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { isIP, type Socket } from "node:net";
import type { Logger } from "pino";
import type { Context } from "./context.ts";
import { ApiError, asApiError } from "./errors.ts";
import { Grant } from "./grant.ts";
import { Bucket, Buckets, InFlight, MAX_HEADER_BYTES, MAX_HEADERS, Pressure, requireForm, requireOwnName, shareConnections } from "./limits.ts";
import { openApi } from "./openapi.ts";
import { type Answer, JSON_TYPE, type Route } from "./route.ts";
import { contentRoutes } from "./routes-contents.ts";
import { overviewRoutes } from "./routes-overview.ts";
import { proofRoutes } from "./routes-proofs.ts";
import { publicRoutes } from "./routes-public.ts";
import { TokenError, type Tokens } from "./tokens.ts";

/** Bytes that are served as they are. */
export interface StaticPage {
  readonly path: string;
  readonly type: string;
  readonly bytes: Uint8Array;
  /** The page's own Content-Security-Policy. */
  readonly policy: string;
}

export interface AppOptions extends Context {
  readonly tokens: Tokens;
  readonly pages: readonly StaticPage[];
  readonly version: string;
  readonly log: Logger;
  /** Reached from this host only, and not through a proxy: a page elsewhere that has its own name lead here is sent away. */
  readonly isLocal: boolean;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Of a token that is good; else why there is none. */
    grant: Grant | ApiError | null;
  }
  interface FastifyContextConfig {
    /** Not counted. */
    isUnlimited?: boolean;
  }
}

const MINUTE = 60_000;
/** Clients that are counted; of more, those seen longest ago are forgotten. */
const CLIENTS = 10_000;
const PER_TOKEN = 16;
const PER_TOKEN_A_SECOND = 50;
const TOKENS = 1000;
/** ms */
const KEEP_ALIVE = 5000;
const CHECK = 500;
const MAX_REQUESTS_PER_SOCKET = 1000;

const HEADERS = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
} as const;

function routesOf(context: Context): readonly Route[] {
  return [...publicRoutes(context), ...proofRoutes(context), ...contentRoutes(context), ...overviewRoutes(context)];
}

export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { http, log, pages, version } = options;
  const app = fastify({
    logger: false,
    trustProxy: http.trust_proxy.length === 0 ? false : [...http.trust_proxy],
    bodyLimit: 1,
    requestTimeout: http.request_timeout,
    connectionTimeout: http.idle_timeout,
    keepAliveTimeout: KEEP_ALIVE,
    maxRequestsPerSocket: MAX_REQUESTS_PER_SOCKET,
    forceCloseConnections: "idle",
    exposeHeadRoutes: false,
    http: { maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: http.request_timeout, connectionsCheckingInterval: CHECK },
    routerOptions: { maxParamLength: 100, caseSensitive: true },
    frameworkErrors: (_, __, reply) => void sendError(reply, new ApiError("bad_request", "the URL cannot be read")),
    clientErrorHandler: onClientError,
  });
  app.server.maxConnections = http.max_connections;
  app.server.maxHeadersCount = MAX_HEADERS;
  if (http.trust_proxy.length === 0) shareConnections(app.server, Math.max(1, Math.floor(http.max_connections / 4)));
  app.setErrorHandler((error, request, reply) => sendError(reply, known(error, request, log)));

  const overall = new Bucket(http.rate.overall);
  const pressure = new Pressure();
  const perToken = new Buckets(PER_TOKEN_A_SECOND, TOKENS);
  app.addHook("onClose", async () => pressure.stop());
  app.decorateRequest("grant", null);
  app.addHook("onRequest", async (request, reply) => {
    reply.headers(HEADERS);
    requireForm(request.raw);
    if (options.isLocal) requireOwnName(request.raw);
    if (isIP(request.ip) === 0) throw new ApiError("bad_request", "X-Forwarded-For, as the proxy hands it on, is no address"); // each would be a client of its own
    request.grant = grantOf(request, options.tokens);
    if (request.grant instanceof Grant) return perToken.take(request.grant.id);
    if (request.routeOptions.config.isUnlimited !== true && pressure.isTooHigh) throw new ApiError("overloaded", "there is too much to do now; try again");
  });
  // behind the limit of each client: who is over that takes nothing from the others
  app.addHook("preHandler", async (request, reply) => {
    if (!(request.grant instanceof Grant) && request.routeOptions.config.isUnlimited !== true && !overall.take()) throw tooMany(reply, 1);
  });
  await app.register(fastifyRateLimit, {
    max: http.rate.per_client, timeWindow: MINUTE, cache: CLIENTS,
    allowList: (request) => request.grant instanceof Grant || request.routeOptions.config.isUnlimited === true,
    errorResponseBuilder: () => new ApiError("too_many_requests", "too many requests; wait, or use a token"),
    addHeadersOnExceeding: { "x-ratelimit-limit": false, "x-ratelimit-remaining": false, "x-ratelimit-reset": false },
    addHeaders: { "x-ratelimit-limit": false, "x-ratelimit-remaining": false, "x-ratelimit-reset": false, "retry-after": true },
  });
  app.setNotFoundHandler({ preValidation: app.rateLimit() }, (_, reply) => sendError(reply, new ApiError("not_found", "there is nothing here; see /v1/openapi.json")));

  const routes = routesOf(options);
  const inFlight = new InFlight(PER_TOKEN);
  for (const one of routes) {
    app.get(one.path.replaceAll(/\{(\w+)\}/g, ":$1"), { config: { isUnlimited: !one.isLimited } }, (request, reply) => answer(one, request, reply, inFlight, http.idle_timeout));
  }
  const description = JSON.stringify(openApi(routes, version));
  app.get("/v1/openapi.json", (_, reply) => send(reply, { type: JSON_TYPE, body: description }));
  for (const { path, type, bytes, policy } of pages) {
    app.get(path, (_, reply) => send(reply.header("content-security-policy", policy), { type, body: bytes }));
  }
  await app.ready();
  return app;
}

async function answer(route: Route, request: FastifyRequest, reply: FastifyReply, inFlight: InFlight, idleTimeout: number): Promise<FastifyReply> {
  const grant = route.scope === null ? null : granted(request);
  if (grant !== null) grant.require(route.scope!);
  const params = route.params.safeParse(request.params);
  const query = route.query.safeParse(request.query);
  const issue = (params.error ?? query.error)?.issues[0];
  if (!params.success || !query.success) throw new ApiError("bad_request", wrong(issue?.path.join(".") ?? "", issue?.code ?? ""));
  const leave = grant === null ? () => undefined : inFlight.enter(grant.id);
  reply.raw.once("close", leave); // also of one that is cut
  const { socket } = request.raw;
  socket.setTimeout(0); // it is not the client that is slow
  try {
    return send(reply, await route.handle({ params: params.data as never, query: query.data as never, grant: grant as Grant }));
  } finally {
    socket.setTimeout(idleTimeout);
  }
}

function wrong(name: string, code: string): string {
  return code === "unrecognized_keys" ? "there is a parameter that this path does not have; see /v1/openapi.json" : `${name.slice(0, 40)} is not of the form that /v1/openapi.json has`;
}

function granted({ grant }: FastifyRequest): Grant {
  if (grant instanceof Grant) return grant;
  throw grant ?? new ApiError("token_missing", "this needs a token: Authorization: Bearer …, from `receiptd token create`");
}

/** Never thrown here: what anybody may ask does not depend on it. */
function grantOf({ headers: { authorization } }: FastifyRequest, tokens: Tokens): FastifyRequest["grant"] {
  if (authorization === undefined) return null;
  const [, token] = /^Bearer ([A-Za-z0-9_-]{20,100})$/i.exec(authorization) ?? [];
  if (token === undefined) return new ApiError("token_unknown", "the Authorization header is not of the form: Bearer …");
  try {
    const checked = tokens.check(token, Date.now());
    if ("record" in checked) return new Grant(checked.record);
    return new ApiError(checked.refused, checked.refused === "token_expired" ? "this token has expired" : "this token is not known, or was revoked");
  } catch (error) {
    if (error instanceof TokenError) return new ApiError("tokens_unusable", "tokens cannot be checked on this host now", { cause: error });
    throw error;
  }
}

function tooMany(reply: FastifyReply, seconds: number): ApiError {
  reply.header("retry-after", String(seconds));
  return new ApiError("too_many_requests", "too many requests of all clients together; wait, or use a token");
}

function send(reply: FastifyReply, { status = 200, type, body, fileName }: Answer): FastifyReply {
  if (fileName !== undefined) reply.header("content-disposition", `attachment; filename="${fileName}"`);
  return reply.code(status).type(type).send(typeof body === "string" ? Buffer.from(body, "utf8") : body instanceof Uint8Array ? Buffer.from(body) : body);
}

function sendError(reply: FastifyReply, error: ApiError): FastifyReply {
  reply.headers(HEADERS);
  if (error.status === 401) reply.header("www-authenticate", "Bearer");
  if (error.status === 405) reply.header("allow", "GET");
  if (error.status === 503 && !reply.hasHeader("retry-after")) reply.header("retry-after", "2");
  if (error.code === "body_not_allowed" || error.code === "method_not_allowed") reply.header("connection", "close"); // what is still to come is not read
  return send(reply, { status: error.status, type: JSON_TYPE, body: error.body });
}

/** Whatever was thrown; what nobody expected gets into the log, and out of here as `internal`. */
function known(error: unknown, request: FastifyRequest, log: Logger): ApiError {
  const expected = asApiError(error);
  if (expected !== null) {
    if (expected.cause !== undefined) log.warn({ route: request.routeOptions.url, code: expected.code, cause: String(expected.cause) }, "a request could not be answered");
    return expected;
  }
  const { statusCode } = error as { readonly statusCode?: unknown };
  if (typeof statusCode === "number" && statusCode >= 400 && statusCode < 500) return new ApiError("bad_request", "the request cannot be read");
  log.error({ route: request.routeOptions.url, err: error }, "a request failed inside receiptd");
  return new ApiError("internal", "an error inside receiptd; its log has the details");
}

/**
 * What was no HTTP, or too much of it: there is no request yet. A connection on which nothing came is closed without a word: a browser that has
 * opened it ahead of need would take that for the answer to its next request.
 */
function onClientError(error: Error & { readonly code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET" || socket.bytesRead === 0) return void socket.destroy();
  const { status, body } = failureOf(error.code);
  socket.end(`HTTP/1.1 ${status} \r\nconnection: close\r\ncontent-type: ${JSON_TYPE}\r\nx-content-type-options: nosniff\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

function failureOf(code: string | undefined): ApiError {
  if (code === "HPE_HEADER_OVERFLOW") return new ApiError("headers_too_large", `headers are at most ${MAX_HEADER_BYTES} bytes`);
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return new ApiError("request_timeout", "the request took too long to arrive");
  return new ApiError("bad_request", "this is no HTTP request that can be read");
}
